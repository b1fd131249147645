//! Applying a catalogue: what it changes, that it then changes nothing, and what it refuses.
use super::world::{World, catalogue, get, post};
use serde_json::{Value, json};

async fn apply(world: &World, document: &Value) -> Value {
    world.ok(post("/catalog/apply?reason=test", document.clone()).by(&world.operator)).await
}

async fn dry_run(world: &World, document: &Value) -> Value {
    world.ok(post("/catalog/apply?dry_run=true", document.clone()).by(&world.operator)).await
}

/// The changes as `kind what name: before → after`.
fn lines(applied: &Value) -> Vec<String> {
    let text = |value: &Value| value.as_str().unwrap_or("").to_owned();
    let line = |change: &Value| {
        let named = format!("{} {} {}", text(&change["kind"]), text(&change["what"]), text(&change["name"]));
        match (&change["before"], &change["after"]) {
            (Value::Null, Value::Null) => named,
            (before, after) => format!("{named}: {} → {}", text(before), text(after)),
        }
    };
    applied["changes"].as_array().unwrap().iter().map(line).collect()
}

/// What a dry run says is what is done, and when it is done there is nothing left to do.
async fn check(world: &World, document: &Value, wanted: &[&str]) {
    let before = world.handle.views().state.position;
    let said = dry_run(world, document).await;
    assert_eq!(lines(&said), wanted);
    assert_eq!(said["position"], Value::Null);
    assert_eq!(world.handle.views().state.position, before, "a dry run writes nothing");
    let done = apply(world, document).await;
    assert_eq!(done["changes"], said["changes"]);
    assert_eq!(lines(&dry_run(world, document).await), [""; 0], "applied once, there is nothing left");
    let again = apply(world, document).await;
    assert_eq!((&again["changes"], &again["position"]), (&json!([]), &Value::Null));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_document_changes_nothing() {
    check(&World::new().await, &catalogue(), &[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_new_is_added() {
    let world = World::new().await;
    let mut document = catalogue();
    document["member"]
        .as_array_mut()
        .unwrap()
        .push(json!({"name": "Sun", "organisation": "New", "roles": ["provider", "author"],
        "accounts": [{"name": "income", "asset": "EUR", "limit": "5"}]}));
    document["provider"].as_array_mut().unwrap().push(json!({"name": "Sun Compute", "member": "Sun"}));
    let mut site = document["site"][0].clone();
    (site["name"], site["provider"], site["power_price"]) =
        ("South".into(), "Sun Compute".into(), "0.25".into());
    document["site"].as_array_mut().unwrap().push(site);
    document["model"]
        .as_array_mut()
        .unwrap()
        .push(json!({"name": "tiny-2", "kind": "chat", "author": "Sun", "account": "income",
        "context": 100, "bases": [], "shares": []}));
    let mut offer = document["offer"][0].clone();
    (offer["model"], offer["site"], offer["asset"]) = ("tiny-2".into(), "South".into(), "EUR".into());
    offer["prices"] = json!({"input": "1", "output": "2.50", "cache_read": "0"});
    document["offer"].as_array_mut().unwrap().push(offer);
    let prices = "input_uncached 1.00, cache_write_5m 1.00, cache_write_1h 1.00, input_audio 1.00, input_image 1.00, \
                  output_visible 2.50, output_reasoning 2.50, output_audio 2.50, output_image 2.50, \
                  model fee in ppm 100000, platform fee in ppm 50000, in EUR";
    let offer = format!("add offer tiny-2 at South:  → {prices}");
    let wanted = [
        "add organisation New",
        "add member Sun",
        "add account income",
        "add provider Sun Compute",
        "add site South",
        "add model tiny-2",
        &offer,
    ];
    check(&world, &document, &wanted).await;
    let sites = world.ok(get("/sites").by(&world.bob)).await;
    let south = sites["items"].as_array().unwrap().iter().find(|it| it["name"] == "South").unwrap();
    assert_eq!(south["power_price"], "0.25", "in the decimals of the account's asset");
}

#[tokio::test(flavor = "multi_thread")]
async fn sources_are_opened_and_stay() {
    let world = World::new().await;
    let mut document = catalogue();
    let mia = json!({"name": "Mia", "roles": ["meter"]});
    document["member"].as_array_mut().unwrap().push(mia);
    document["source"] = json!([
        {"name": "nights", "member": "Mia", "provider": "Wind Compute"},
        {"name": "days", "member": "Mia"},
    ]);
    let wanted =
        ["add member Mia", "add source nights of Mia:  → for Wind Compute", "add source days of Mia"];
    check(&world, &document, &wanted).await;
    let mut without = document.clone();
    without["source"] = json!([]);
    check(&world, &without, &[]).await;
    for (pointer, value, field) in [
        ("/source/0/provider", json!(null), "source.0.provider"),
        ("/source/0/provider", json!("Nobody"), "source.0.provider"),
        ("/source/1/member", json!("Nobody"), "source.1.member"),
        ("/source/1/name", json!("nights"), "source.1.name"),
    ] {
        let mut wrong = document.clone();
        *wrong.pointer_mut(pointer).unwrap() = value;
        let refused =
            world.no(422, post("/catalog/apply?dry_run=true", wrong.clone()).by(&world.operator)).await;
        assert_eq!(
            (&refused["code"], &refused["detail"]),
            (&json!("catalog.unfit"), &json!(field)),
            "{wrong}"
        );
    }
    document["source"].as_array_mut().unwrap().push(json!({"name": "c", "member": "Ada"}));
    let call = post("/catalog/apply?reason=test", document).by(&world.operator);
    assert_eq!(world.no(422, call).await["code"], "metering.role_missing");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_differs_is_shown_as_it_was_and_as_it_is() {
    let world = World::new().await;
    let mut document = catalogue();
    document["site"][0]["power_price"] = "0.40".into();
    document["site"][0]["pue"] = "1.2".into();
    document["offer"][0]["output_max"] = 1024.into();
    document["offer"][1]["prices"]["output"] = "8".into();
    document["offer"][1]["prices"]["output_image"] = "9".into();
    document["offer"][1]["model_fee_ppm"] = 120_000.into();
    document["member"][2]["roles"] = json!(["author", "consumer"]);
    document["member"][3]["accounts"][0]["limit"] = "20".into();
    let wanted = [
        "change member Ada: consumer → consumer, author",
        "change account limit main: 0.000000000 → 20.000000000",
        "change site West: power price 0.360000000, PUE 1.070000 → power price 0.400000000, PUE 1.200000",
        "change offer tiny at West: output max 4096 → output max 1024",
        "change schedule tiny at East: output_visible 9.000000000, output_reasoning 9.000000000, output_audio 9.000000000, \
         model fee in ppm 100000 → output_visible 8.000000000, output_reasoning 8.000000000, output_audio 8.000000000, \
         model fee in ppm 120000",
    ];
    check(&world, &document, &wanted).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_left_out_is_suspended_and_resumed_when_it_is_named_again() {
    let world = World::new().await;
    let mut document = catalogue();
    document["offer"].as_array_mut().unwrap().remove(1);
    document["site"].as_array_mut().unwrap().remove(1);
    document["member"].as_array_mut().unwrap().remove(3);
    check(&world, &document, &["suspend offer tiny at East", "suspend site East"]).await;
    world.ok(get("/session").by(&world.bob)).await;
    check(&world, &catalogue(), &["resume offer tiny at East", "resume site East"]).await;
    let nothing = json!({});
    let wanted = [
        "suspend offer tiny at East",
        "suspend offer tiny at West",
        "suspend site East",
        "suspend site West",
        "suspend model tiny",
        "suspend provider Wind Compute",
    ];
    check(&world, &nothing, &wanted).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_document_is_refused_by_field_and_changes_nothing() {
    let world = World::new().await;
    let hash = "0".repeat(63);
    let cases: [(&str, Value, &str); 25] = [
        ("/member/0/roles", json!(["king"]), "member.0.roles"),
        ("/member/0/roles", json!([]), "member.0.roles"),
        ("/member/1/name", json!("Wind"), "member.1.name"),
        ("/member/2/organisation", json!("Another"), "member.2.organisation"),
        ("/member/2/accounts/0/asset", json!("GBP"), "member.2.accounts"),
        ("/member/2/accounts/0/asset", json!("EUR"), "member.2.accounts"),
        ("/member/2/accounts/1/name", json!("main"), "member.2.name"),
        ("/provider/0/member", json!("Nobody"), "provider.0.member"),
        ("/provider/0/member", json!("Ada"), "provider.0.member"),
        ("/site/0/provider", json!("Nobody"), "site.0.provider"),
        ("/site/0/account", json!("savings"), "site.0.account"),
        ("/site/1/longitude", json!("east"), "site.1.longitude"),
        ("/site/1/power_price", json!("0.1234567890"), "site.1.power_price"),
        ("/site/1/pue", json!("-1"), "site.1.pue"),
        ("/site/1/basis", json!("guessed"), "site.1.basis"),
        ("/site/1/name", json!("West"), "site.1.name"),
        ("/model/0/kind", json!("image"), "model.0.kind"),
        ("/model/0/context", json!(16_384), "model.0.context"),
        ("/offer/0/model", json!("huge"), "offer.0.model"),
        ("/offer/1/site", json!("West"), "offer.1.name"),
        ("/offer/1/prices", json!({"input": "1"}), "offer.1.prices"),
        ("/offer/1/prices/cache", json!("1"), "offer.1.prices.cache"),
        ("/offer/1/tokenizer", json!(hash), "offer.1.tokenizer"),
        ("/offer/1/chat_template", json!("+f".repeat(32)), "offer.1.chat_template"),
        ("/offer/1/from", json!("tomorrow"), "offer.1.from"),
    ];
    let before = world.handle.views().state.position;
    for (pointer, value, field) in cases {
        let mut document = catalogue();
        let (parent, name) = pointer.rsplit_once('/').unwrap();
        let parent = document.pointer_mut(parent).unwrap();
        match name.parse::<usize>() {
            Ok(index) => parent[index] = value.clone(),
            Err(_) => parent[name] = value.clone(),
        }
        for query in ["dry_run=true", "reason=test"] {
            let call = post(&format!("/catalog/apply?{query}"), document.clone()).by(&world.operator);
            let refused = world.no(422, call).await;
            assert_eq!(
                (&refused["code"], &refused["detail"]),
                (&json!("catalog.unfit"), &json!(field)),
                "{pointer} = {value}: {refused}"
            );
        }
    }
    assert_eq!(world.handle.views().state.position, before);
}

/// Names are known before the core decides, amounts and rules are not: what was made before a refusal stays, and applying the
/// mended document goes on from there.
#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_midway_says_how_far_it_came() {
    let world = World::new().await;
    let mut document = catalogue();
    document["site"][0]["power_price"] = "0.41".into();
    document["offer"][1]["platform_fee_ppm"] = 950_001.into();
    let call = post("/catalog/apply?reason=test", document.clone()).by(&world.operator);
    let refused = world.no(422, call).await;
    assert!(refused["code"].as_str().unwrap().starts_with("catalog."), "{refused}");
    assert_eq!(refused["detail"], "at schedule `tiny at East`; 1 changes before it were made");
    document["offer"][1]["platform_fee_ppm"] = 60_000.into();
    check(
        &world,
        &document,
        &["change schedule tiny at East: platform fee in ppm 50000 → platform fee in ppm 60000"],
    )
    .await;
}

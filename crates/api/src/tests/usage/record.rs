//! Recording: what is counted, what is told, and what is refused.
use super::{EVENTS, events, meter, provider, report, source, used, with_sun, written};
use crate::tests::world::{Person, World, call, get, post, units};
use serde_json::{Value, json};
use sycee_core::ids::Time;
use sycee_core::limits::{BATCH_LINES_MAX, HOUR, SECOND};

/// A world with a meter whose source `nights` reports for everybody.
async fn metered() -> (World, Person) {
    of_world(World::new().await).await
}

async fn of_world(world: World) -> (World, Person) {
    let mia = meter(&world, "Mia").await;
    source(&world, &mia, "nights", None).await;
    (world, mia)
}

async fn balance(world: &World, account: &str) -> i128 {
    units(&world.ok(get(&format!("/accounts/{account}")).by(&world.operator)).await["balance"])
}

#[tokio::test(flavor = "multi_thread")]
async fn lines_are_priced_paid_and_told() {
    let (world, mia) = metered().await;
    let lines = [used(&world, &world.ada), used(&world, &world.bob), used(&world, &world.ada)];
    let sent = world.send(report(events("nights", 0, &lines)).by(&mia)).await;
    let wanted = json!({"position": sent.position(), "accepted": 3, "duplicates": 0, "unbilled": 0, "refused": [],
        "paid": {"CNY": "0.013500000"}, "next": 3});
    assert_eq!(sent.json, wanted);
    assert_eq!(balance(&world, &world.ada.account).await, 100_000_000_000 - 2 * 4_500_000);
    assert_eq!(balance(&world, &world.bob.account).await, 100_000_000_000 - 4_500_000);
    // A tenth is the model's and a twentieth the platform's.
    assert_eq!(balance(&world, &world.provider.account).await, 13_500_000 * 85 / 100);
    // A statement tells of metering in one sum when something else moves the account.
    let deposit = json!({"amount": "1", "reason": "test"});
    world.ok(post(&format!("/accounts/{}/deposits", world.ada.account), deposit).by(&world.operator)).await;
    let statement = world.ok(get(&format!("/accounts/{}/statement", world.ada.account)).by(&world.ada)).await;
    let items: Vec<(&Value, &Value)> =
        statement["items"].as_array().unwrap().iter().map(|it| (&it["kind"], &it["amount"])).collect();
    let wanted = [("deposit", "100.000000000"), ("metering", "-0.009000000"), ("deposit", "1.000000000")];
    assert_eq!(json!(items), json!(wanted));
    let sources = world.ok(get("/usage/sources").by(&mia)).await;
    let shown = &sources["items"][0];
    assert_eq!((&shown["next"], &shown["last_position"]), (&json!(3), &sent.json["position"]));
    assert!(
        crate::time::parse(shown["last_at"].as_str().unwrap()).is_some_and(|at| at <= world.handle.now())
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn one_event_is_a_report_too() {
    let (world, mia) = metered().await;
    let event = events("nights", 0, &[used(&world, &world.ada)])[0].to_string();
    let one =
        call("POST", "/usage").bytes("application/CloudEvents+JSON; charset=utf-8", event.clone()).by(&mia);
    assert_eq!(world.ok(one).await["accepted"], 1);
    let array = call("POST", "/usage").bytes("application/cloudevents+json", format!("[{event}]")).by(&mia);
    assert_eq!(world.no(422, array).await["code"], "api.bad_body");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_counted_is_not_counted_again() {
    let (world, mia) = metered().await;
    let line = || used(&world, &world.ada);
    let lines = [line(), line(), line()];
    let sent = world.ok(report(events("nights", 0, &lines)).by(&mia)).await;
    let paid = balance(&world, &world.ada.account).await;
    let nothing = json!({"position": null, "accepted": 0, "duplicates": 3, "unbilled": 0, "refused": [], "paid": {}, "next": 3});
    assert_eq!(world.ok(report(events("nights", 0, &lines)).by(&mia)).await, nothing, "{sent}");
    assert_eq!(balance(&world, &world.ada.account).await, paid);

    let gap = world.no(409, report(events("nights", 4, &lines)).by(&mia)).await;
    assert_eq!((&gap["code"], &gap["expected"]), (&json!("metering.gap"), &json!(3)));
    let mut other = lines.clone();
    other[1]["joules"] = json!(1_100.6);
    let refused = world.no(409, report(events("nights", 0, &other)).by(&mia)).await;
    assert_eq!((&refused["code"], &refused["expected"]), (&json!("metering.other_content"), &json!(null)));
    assert_eq!(balance(&world, &world.ada.account).await, paid);

    // Partly new: the rest is counted.
    let overlapping = [lines[2].clone(), line()];
    let rest = world.ok(report(events("nights", 2, &overlapping)).by(&mia)).await;
    assert_eq!((&rest["accepted"], &rest["duplicates"], &rest["next"]), (&json!(1), &json!(1), &json!(4)));
    assert_eq!(balance(&world, &world.ada.account).await, paid - 4_500_000);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_line_that_brings_nothing_is_told_alone() {
    let (world, mia) = metered().await;
    source(&world, &mia, "wind only", Some(&provider(&world))).await;
    world.ok(post("/catalog/apply?reason=test", with_sun()).by(&world.operator)).await;
    let key = async |member: &Person, account: &str| world.new_key(&member.member, account).await.0;
    let (revoked, reading) = (key(&world.ada, &world.ada.account).await, key(&world.ada, "").await);
    let revoke = call("DELETE", &format!("/keys/{revoked}")).json(json!({"reason": "test"}));
    world.send(revoke.by(&world.ada)).await;
    let draft = json!({"member": world.ada.member, "name": "euros", "asset": "EUR", "reason": "test"});
    let euros = world.ok(post("/accounts", draft).by(&world.operator)).await;
    let in_euros = key(&world.ada, euros["id"].as_str().unwrap()).await;

    let now = world.handle.now();
    let with = |field: &str, value: Value| {
        let mut line = used(&world, &world.ada);
        line[field] = value;
        line
    };
    let cases = [
        (used(&world, &world.ada), None),
        (with("key", json!("key_00000000000000000000000000000000")), Some("key_not_found")),
        (with("key", json!("ada's")), Some("key_not_found")),
        (with("key", json!(reading)), Some("key_not_found")),
        (with("consumer", json!(world.ada.member)), None),
        (with("consumer", json!(null)), None),
        (with("consumer", json!(world.bob.member)), Some("key_not_found")),
        (with("consumer", json!("Ada")), Some("key_not_found")),
        (with("key", json!(revoked)), Some("key_not_fitting")),
        (with("offer", json!("off_00000000000000000000000000000000")), Some("offer_not_found")),
        (with("offer", json!("")), Some("offer_not_found")),
        (with("offer", json!(world.offer_at("South").to_string())), Some("offer_not_yours")),
        (with("start", json!(written(now.before(73 * HOUR)))), Some("start_too_early")),
        (with("start", json!(written(now.after(400 * SECOND)))), Some("start_ahead")),
        (with("key", json!(in_euros)), Some("assets_differ")),
        (with("usage", json!({"output_visible": 4_294_967_295_u32})), Some("unbilled")),
        (with("usage", json!({})), None),
    ];
    let lines: Vec<Value> = cases.iter().map(|(line, _)| line.clone()).collect();
    let told = world.ok(report(events("wind only", 0, &lines)).by(&mia)).await;
    let refused = |(index, (_, why)): (usize, &(Value, Option<&str>))| {
        Some(json!({"sequence": index, "index": index, "code": format!("metering.line.{}", (*why)?)}))
    };
    let wanted: Vec<Value> = cases.iter().enumerate().filter_map(refused).collect();
    assert_eq!(told["refused"], json!(wanted));
    assert_eq!((&told["accepted"], &told["unbilled"]), (&json!(4), &json!(1)));
    assert_eq!(told["next"], cases.len());
    assert_eq!(told["paid"], json!({"CNY": "0.013500000"}));
    let mut west_closed = with_sun();
    west_closed["offer"].as_array_mut().unwrap().remove(0);
    world.ok(post("/catalog/apply?reason=test", west_closed).by(&world.operator)).await;
    let told = world.ok(report(events("nights", 0, &[used(&world, &world.ada)])).by(&mia)).await;
    assert_eq!(told["refused"][0]["code"], "metering.line.offer_not_open");
}

/// What lies outside of what a batch can count is told as what it is, and does not spoil the lines beside it.
#[tokio::test(flavor = "multi_thread")]
async fn starts_of_another_age_spoil_nothing() {
    let (world, mia) = metered().await;
    let at = |start: &str| {
        let mut line = used(&world, &world.ada);
        line["start"] = start.into();
        line
    };
    let now = || used(&world, &world.ada);
    let far = written(Time(u64::MAX));
    let lines = [
        at("0001-01-01T00:00:00Z"),
        now(),
        now(),
        at("1970-01-01T00:00:00Z"),
        at(&far),
        at("9999-12-31T23:59:59.9+00:00"),
        now(),
    ];
    let told = world.ok(report(events("nights", 0, &lines)).by(&mia)).await;
    let refused = |index: u64, why: &str| json!({"sequence": index, "index": index, "code": format!("metering.line.{why}")});
    let wanted = [
        refused(0, "start_too_early"),
        refused(3, "start_too_early"),
        refused(4, "start_ahead"),
        refused(5, "start_ahead"),
    ];
    assert_eq!((&told["accepted"], &told["refused"]), (&json!(3), &json!(wanted)));
    let again = world.ok(report(events("nights", 0, &lines)).by(&mia)).await;
    assert_eq!(again["duplicates"], 7, "and is the same when it is sent again");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_of_others_is_not_there() {
    let (world, mia) = metered().await;
    let max = meter(&world, "Max").await;
    let line = [used(&world, &world.ada)];
    for (name, person) in [("nights", &max), ("days", &mia)] {
        let refused = world.no(404, report(events(name, 0, &line)).by(person)).await;
        assert_eq!(refused["code"], "metering.source_not_found", "{name}");
    }
    source(&world, &max, "nights", None).await;
    assert_eq!(world.ok(report(events("nights", 0, &line)).by(&max)).await["accepted"], 1);
    let of_mia = world.ok(get("/usage/sources").by(&mia)).await;
    assert_eq!(of_mia["items"][0]["next"], 0, "of one name, and apart");
}

#[tokio::test(flavor = "multi_thread")]
async fn only_meters_report() {
    let (world, mia) = metered().await;
    let line = [used(&world, &world.ada)];
    for person in [&world.ada, &world.provider, &world.operator] {
        let refused = world.no(403, report(events("nights", 0, &line)).by(person)).await;
        assert_eq!(
            (&refused["code"], &refused["hint"]),
            (&json!("permission.not_permitted"), &json!("this needs the role `meter`"))
        );
    }
    let standing = json!({"standing": "suspended", "reason": "test"});
    world.ok(post(&format!("/members/{}/standing", mia.member), standing).by(&world.operator)).await;
    world.no(401, report(events("nights", 0, &line)).by(&mia)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_report_is_of_a_type_that_is_known() {
    let (world, mia) = metered().await;
    let body = events("nights", 0, &[used(&world, &world.ada)]).to_string();
    for name in
        ["application/json", "application/cbor", "text/plain", "application/cloudevents-batch+jsonl", ""]
    {
        let refused = world.no(415, call("POST", "/usage").bytes(name, body.clone()).by(&mia)).await;
        assert_eq!(refused["code"], "api.bad_body", "{name}");
    }
    let call = || call("POST", "/usage").bytes(EVENTS, body.clone()).by(&mia);
    world.no(415, call().header("content-encoding", "gzip")).await;
    assert_eq!(world.ok(call().header("content-encoding", "identity")).await["accepted"], 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn reports_have_a_largest_size() {
    let (world, mia) = of_world(World::with_segments(8 << 20).await).await;
    let mut event = events("nights", 0, &[used(&world, &world.ada)])[0].clone();
    event["padding"] = "x".repeat(crate::BODY_BYTES_MAX).into();
    let long = call("POST", "/usage").bytes("application/cloudevents+json", event.to_string()).by(&mia);
    assert_eq!(world.no(413, long).await["code"], "api.bad_body");
    for lines in [0, BATCH_LINES_MAX + 1] {
        let lines = vec![used(&world, &world.ada); lines];
        let refused = world.no(422, report(events("nights", 0, &lines)).by(&mia)).await;
        assert_eq!(refused["code"], "metering.out_of_range");
    }
    let most = vec![used(&world, &world.ada); BATCH_LINES_MAX];
    let told = world.ok(report(events("nights", 0, &most)).by(&mia)).await;
    // Ada's hundred is enough for so many of them.
    let paid = 100_000_000_000 / 4_500_000;
    assert_eq!((&told["accepted"], &told["unbilled"]), (&json!(paid), &json!(BATCH_LINES_MAX - paid)));
    assert_eq!(told["refused"].as_array().unwrap().len(), BATCH_LINES_MAX - paid);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_has_stopped_counts_nothing() {
    let (mut world, mia) = metered().await;
    let line = [used(&world, &world.ada)];
    world.stop_node();
    let refused = world.no(503, report(events("nights", 0, &line)).by(&mia)).await;
    assert_eq!(refused["code"], "node.stopped");
    assert!(refused["hint"].as_str().unwrap().contains("not counted twice"), "{refused}");
}

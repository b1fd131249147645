//! Sources: who opens them, for whom, and who sees them.
use super::{meter, provider, source};
use crate::tests::world::{World, get, post};
use serde_json::json;

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_opens_a_source_for_a_meter() {
    let world = World::new().await;
    let (mia, max) = (meter(&world, "Mia").await, meter(&world, "Max").await);
    let wind = provider(&world);
    let draft = |member: &str, provider: Option<&str>| json!({"name": "night batches", "member": member, "provider": provider, "reason": "test"});
    let opened =
        world.send(post("/usage/sources", draft(&mia.member, Some(&wind))).by(&world.operator)).await;
    assert_eq!(opened.status, 201, "{}", opened.text);
    assert_eq!(opened.json["member_name"], "Mia");
    assert_eq!(
        (&opened.json["provider"], &opened.json["provider_name"]),
        (&json!(wind), &json!("Wind Compute"))
    );
    assert_eq!((&opened.json["next"], &opened.json["last_position"]), (&json!(0), &json!(null)));

    let again = world.no(409, post("/usage/sources", draft(&mia.member, None)).by(&world.operator)).await;
    assert_eq!(again["code"], "metering.source_exists");
    assert!(again["detail"].as_str().unwrap().contains(opened.json["id"].as_str().unwrap()), "{again}");
    let of_max = world.ok(post("/usage/sources", draft(&max.member, None)).by(&world.operator)).await;
    assert_eq!(of_max["provider"], json!(null), "another member may use the name too");

    let listed = world.ok(get("/usage/sources").by(&mia)).await;
    assert_eq!(listed, json!({"items": [opened.json], "next": null}), "one's own");
    for person in [&world.operator, &world.auditor] {
        let listed = world.ok(get("/usage/sources").by(person)).await;
        assert_eq!(listed["items"], json!([opened.json, of_max]));
    }
    assert_eq!(world.ok(get("/usage/sources").by(&world.ada)).await["items"], json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_cannot_be_is_refused() {
    let world = World::new().await;
    let mia = meter(&world, "Mia").await;
    let nowhere = "prv_00000000000000000000000000000000";
    let cases = [
        (json!({"name": "a", "member": world.ada.member, "reason": "test"}), 422, "metering.role_missing"),
        (json!({"name": " a", "member": mia.member, "reason": "test"}), 422, "metering.name_not_allowed"),
        (
            json!({"name": "a", "member": mia.member, "provider": nowhere, "reason": "test"}),
            404,
            "metering.provider_not_found",
        ),
        (json!({"name": "a", "member": mia.member, "reason": ""}), 400, "permission.reason_missing"),
        (json!({"name": "a", "member": "Mia", "reason": "test"}), 400, "api.bad_id"),
        (json!({"name": "a", "member": mia.member, "provider": "Wind", "reason": "test"}), 400, "api.bad_id"),
    ];
    for (draft, status, code) in cases {
        let refused = world.no(status, post("/usage/sources", draft.clone()).by(&world.operator)).await;
        assert_eq!(refused["code"], code, "{draft}");
    }
    let draft = json!({"name": "a", "member": mia.member, "reason": "test"});
    let refused = world.no(403, post("/usage/sources", draft).by(&mia)).await;
    assert_eq!(refused["code"], "permission.not_permitted", "also where it is for oneself");
}

#[tokio::test(flavor = "multi_thread")]
async fn opening_a_source_again_with_its_key_opens_one() {
    let world = World::new().await;
    let mia = meter(&world, "Mia").await;
    let key = world.uuid();
    let draft = json!({"name": "a", "member": mia.member, "reason": "test"});
    let call = || post("/usage/sources", draft.clone()).header("idempotency-key", &key).by(&world.operator);
    let (first, second) = (world.send(call()).await, world.send(call()).await);
    assert_eq!((second.status, &second.json), (first.status, &first.json));
    assert_eq!(second.header("idempotency-replayed"), "true");
    source(&world, &mia, "b", None).await;
    assert_eq!(world.ok(get("/usage/sources?limit=1").by(&mia)).await["items"], json!([first.json]));
}

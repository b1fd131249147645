//! What is refused at the door: bodies, queries and paths that make no sense, and how an error looks.
use super::world::{Answer, World, call, catalogue, get, post};
use serde_json::json;

#[tokio::test(flavor = "multi_thread")]
async fn an_error_names_its_request_in_header_and_body() {
    let world = World::new().await;
    for call in [
        get("/members/mem_0").by(&world.operator),
        get("/nowhere"),
        get("/accounts"),
        call("PUT", "/members"),
    ] {
        let said = call.path.clone();
        let answer = world.send(call).await;
        let id = answer.header("x-request-id");
        assert_eq!(id.len(), 32, "{said}");
        assert_eq!(answer.json["error"]["request_id"], id, "{said}: {}", answer.text);
        assert_eq!(answer.header("content-type"), "application/json");
    }
    let good = world.send(get("/health")).await;
    assert_eq!(good.header("x-request-id").len(), 32);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_there_is_said_to_be_missing() {
    let world = World::new().await;
    let nothing = "00000000000000000000000000000000";
    for path in [
        format!("/members/mem_{nothing}"),
        format!("/receipts/req_{nothing}"),
        format!("/accounts/acc_{nothing}"),
    ] {
        assert_eq!(world.no(404, get(&path).by(&world.operator)).await["code"], "api.not_found", "{path}");
    }
    let reason = json!({"reason": "test"});
    let gone =
        world.no(404, call("DELETE", &format!("/keys/key_{nothing}")).json(reason).by(&world.operator)).await;
    assert_eq!(gone["code"], "membership.key_not_found");
    assert_eq!(world.no(404, get("/nowhere").by(&world.operator)).await["code"], "api.not_found");
    assert_eq!(
        world.no(405, call("PUT", "/members").by(&world.operator)).await["code"],
        "api.method_not_allowed"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn names_in_paths_and_queries_are_read_strictly() {
    let world = World::new().await;
    let cases = [
        ("/members/ada", "api.bad_id"),
        ("/members/acc_00000000000000000000000000000000", "api.bad_id"),
        ("/accounts/house_fees_XYZ", "api.bad_id"),
        ("/accounts?member=ada", "api.bad_id"),
        ("/accounts?limit=many", "api.bad_query"),
        ("/members?cursor=zzz", "api.bad_cursor"),
        ("/accounts?cursor=zzz", "api.bad_cursor"),
        ("/receipts?cursor=zzz", "api.bad_cursor"),
        ("/receipts?account=house_fees_CNY", "api.bad_id"),
    ];
    for (path, code) in cases {
        assert_eq!(world.no(400, get(path).by(&world.operator)).await["code"], code, "{path}");
    }
    for query in ["from=yesterday", "format=pdf", "cursor=zzz"] {
        let path = format!("/accounts/{}/statement?{query}", world.ada.account);
        world.no(400, get(&path).by(&world.ada)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_has_no_members_but_those_that_are_known() {
    let world = World::new().await;
    let bodies = [
        ("/members", json!({"name": "X", "roles": ["consumer"], "reason": "test", "tier": 3})),
        (
            "/accounts",
            json!({"member": world.ada.member, "name": "x", "asset": "CNY", "reason": "test", "currency": "CNY"}),
        ),
        ("/catalog/apply?dry_run=true", json!({"sites": []})),
        ("/session", json!({"key": "sk-sycee-x", "remember": true})),
    ];
    for (path, body) in bodies {
        let refused = world.no(422, post(path, body).by(&world.operator)).await;
        assert_eq!(refused["code"], "api.bad_body", "{path}");
        assert!(refused["message"].as_str().unwrap().contains("unknown field"), "{refused}");
    }
    let key = format!("/keys/{}", world.bob.key_id);
    world.no(422, call("DELETE", &key).json(json!({"why": "test"})).by(&world.operator)).await;
    world.no(400, call("DELETE", &key).text("{").by(&world.operator)).await;
    world.no(400, call("POST", "/members").text("{\"name\":").by(&world.operator)).await;
    world.no(415, call("POST", "/members").by(&world.operator)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_has_a_largest_size() {
    let world = World::new().await;
    let long = |length: usize| {
        let mut document = catalogue();
        document["member"][0]["name"] = "x".repeat(length).into();
        post("/catalog/apply?dry_run=true", document).by(&world.operator)
    };
    let refused = world.no(413, long(crate::BODY_BYTES_MAX)).await;
    assert_eq!(refused["code"], "api.bad_body");
    assert_ne!(world.send(long(crate::BODY_BYTES_MAX / 2)).await.status, 413);
    let reason = json!({"reason": "x".repeat(crate::BODY_BYTES_MAX)});
    world
        .no(413, call("DELETE", &format!("/keys/{}", world.bob.key_id)).json(reason).by(&world.operator))
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_changes_something_says_why() {
    let world = World::new().await;
    let path = format!("/accounts/{}/deposits", world.ada.account);
    let refused = world.no(400, post(&path, json!({"amount": "1", "reason": ""})).by(&world.operator)).await;
    assert_eq!(refused["code"], "permission.reason_missing");
    let long = json!({"amount": "1", "reason": "x".repeat(600)});
    let refused = world.no(400, post(&path, long).by(&world.operator)).await;
    assert_eq!(refused["code"], "permission.reason_too_long");
    let refused = world.no(400, post("/catalog/apply", catalogue()).by(&world.operator)).await;
    assert_eq!(refused["code"], "permission.reason_missing");
    world.no(422, post(&path, json!({"amount": "1"})).by(&world.operator)).await;
    let revoke = || call("DELETE", &format!("/keys/{}", world.bob.key_id)).by(&world.bob);
    world.no(415, revoke()).await;
    world.no(422, revoke().json(json!({}))).await;
    let refused = world.no(400, revoke().json(json!({"reason": ""}))).await;
    assert_eq!(refused["code"], "permission.reason_missing");
    world.ok(get("/session").by(&world.bob)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_amount_is_a_decimal_string() {
    let world = World::new().await;
    let path = format!("/accounts/{}/deposits", world.ada.account);
    for amount in [
        "1e3",
        "1,5",
        "",
        ".5",
        "1.",
        "0.0000000001",
        "+1",
        "0x10",
        "1 000",
        "NaN",
        "999999999999999999999999999999999999",
    ] {
        let body = json!({"amount": amount, "reason": "test"});
        let refused = world.no(400, post(&path, body).by(&world.operator)).await;
        assert_eq!(refused["code"], "api.bad_amount", "{amount}");
    }
    world.no(422, post(&path, json!({"amount": 1.5, "reason": "test"})).by(&world.operator)).await;
    for (amount, code) in [
        ("0", "ledger.amount_must_be_positive"),
        ("-1", "ledger.amount_must_be_positive"),
        ("1000000000000000001", "ledger.amount_too_large"),
    ] {
        let body = json!({"amount": amount, "reason": "test"});
        assert_eq!(world.no(422, post(&path, body).by(&world.operator)).await["code"], code, "{amount}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idempotency_key_is_a_uuid_of_today() {
    let world = World::new().await;
    let path = format!("/accounts/{}/deposits", world.ada.account);
    let with = |key: &str| {
        post(&path, json!({"amount": "1", "reason": "test"}))
            .header("idempotency-key", key)
            .by(&world.operator)
    };
    for key in ["1", "f47ac10b-58cc-4372-a567-0e02b2c3d479", "not-a-uuid-at-all-but-as-long-as-one"] {
        assert_eq!(world.no(400, with(key)).await["code"], "idempotency.malformed", "{key}");
    }
    let old = world.no(422, with("01930b2e-7c1a-7f3e-9d0c-5a4b3c2d1e0f")).await;
    assert_eq!(old["code"], "idempotency.expired");
}

#[tokio::test(flavor = "multi_thread")]
async fn other_paths_are_the_console_or_nothing() {
    let world = World::new().await;
    let page = world.send(get("//receipts/some")).await;
    assert!(
        page.text.contains("<html") && page.header("content-security-policy").contains("default-src 'self'")
    );
    assert_eq!(page.header("cache-control"), "no-cache");
    let missing = world.send(get("//assets/nothing.js")).await;
    assert_eq!(missing.status, 404);
    let metrics = world.send(get("//metrics")).await;
    assert!(
        metrics.text.contains("\nsycee_receipts_total 0\n") && metrics.text.ends_with("test_metric 1\n"),
        "{}",
        metrics.text
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_node_nothing_is_written_and_everything_can_be_read() {
    let mut world = World::new().await;
    let path = format!("/accounts/{}", world.ada.account);
    let before = world.ok(get(&path).by(&world.ada)).await;
    world.stop_node();
    let deposit = || {
        let body = json!({"amount": "1", "reason": "test"});
        post(&format!("{path}/deposits"), body).by(&world.operator)
    };
    let said = |answer: Answer| {
        let error = &answer.json["error"];
        assert_eq!((answer.status.as_u16(), &error["code"]), (503, &json!("node.stopped")));
        assert!(!answer.header("retry-after").is_empty());
        assert!(error["detail"].as_str().unwrap().contains("may have happened"), "{error}");
        error["hint"].as_str().unwrap().to_owned()
    };
    let keyless = said(world.send(deposit()).await);
    assert!(keyless.contains("look whether it happened before you send it again"), "{keyless}");
    let keyed = said(world.send(deposit().header("idempotency-key", &world.uuid())).await);
    assert!(keyed.contains("send it again with the same Idempotency-Key"), "{keyed}");
    let mut catalogue = catalogue();
    catalogue["member"][0]["name"] = "Somebody else".into();
    let applied = said(world.send(post("/catalog/apply?reason=test", catalogue).by(&world.operator)).await);
    assert!(applied.contains("apply it again"), "{applied}");
    assert_eq!(world.ok(get(&path).by(&world.ada)).await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn health_and_log_say_how_far_it_is() {
    let world = World::new().await;
    let health = world.ok(get("/health")).await;
    assert_eq!((&health["status"], &health["reasons"]), (&json!("ok"), &json!([])));
    let log = world.ok(get("/log").by(&world.ada)).await;
    assert_eq!(log["log_id"], health["log_id"]);
    assert_eq!(log["durable_position"], world.handle.views().state.position - 1);
    assert_eq!(log["assets"], json!([{"code": "CNY", "decimals": 9}, {"code": "EUR", "decimals": 2}]));
}

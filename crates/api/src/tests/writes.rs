//! Writing: what each command does, and that it does it once however often it is sent.
use super::world::{Call, World, call, get, post, units};
use serde_json::json;

#[tokio::test(flavor = "multi_thread")]
async fn a_member_is_made_found_suspended_and_let_act_again() {
    let world = World::new().await;
    let draft = json!({"name": "Carol", "organisation": "New Group", "roles": ["consumer", "author"], "reason": "test"});
    let made = world.send(post("/members", draft).by(&world.operator)).await;
    assert_eq!(made.status, 201, "{}", made.text);
    assert_eq!(made.json["organisation"]["name"], "New Group");
    assert_eq!(made.json["roles"], json!(["consumer", "author"]));
    let path = format!("/members/{}", made.json["id"].as_str().unwrap());
    assert_eq!(world.ok(get(&path).by(&world.auditor)).await, made.json);
    for standing in ["suspended", "active"] {
        let draft = json!({"standing": standing, "reason": "test"});
        let after = world.ok(post(&format!("{path}/standing"), draft).by(&world.operator)).await;
        assert_eq!(after["standing"], standing);
    }
    // The organisation is known by its name now.
    let draft = json!({"name": "Dan", "organisation": "New Group", "roles": ["consumer"], "reason": "test"});
    let dan = world.ok(post("/members", draft).by(&world.operator)).await;
    assert_eq!(dan["organisation"], made.json["organisation"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_works_from_its_answer_until_it_is_revoked() {
    let world = World::new().await;
    let draft = json!({"label": "mine", "account": world.ada.account, "reason": "test"});
    let key = world.ok(post(&format!("/members/{}/keys", world.ada.member), draft).by(&world.ada)).await;
    let secret = key["secret"].as_str().unwrap();
    assert!(secret.starts_with("sk-sycee-") && secret.len() == "sk-sycee-".len() + 43, "{secret}");
    world.ok(get("/session").key(secret)).await;
    let listed = world.ok(get(&format!("/members/{}/keys", world.ada.member)).by(&world.ada)).await;
    let own = |listed: &serde_json::Value| {
        listed["items"].as_array().unwrap().iter().find(|it| it["id"] == key["id"]).unwrap().clone()
    };
    assert_eq!(own(&listed)["revoked"], false);
    assert!(!listed.to_string().contains(secret), "a list shows no secret");
    let path = format!("/keys/{}", key["id"].as_str().unwrap());
    let revoke = || call("DELETE", &path).json(json!({"reason": "test"})).by(&world.ada);
    assert_eq!(world.send(revoke()).await.status, 204);
    world.no(401, get("/session").key(secret)).await;
    let listed = world.ok(get(&format!("/members/{}/keys", world.ada.member)).by(&world.ada)).await;
    assert_eq!(own(&listed)["revoked"], true);
    let again = world.no(409, revoke()).await;
    assert_eq!(again["code"], "membership.key_revoked");
    // An account of somebody else is not spent from.
    let draft = json!({"label": "theirs", "account": world.bob.account, "reason": "test"});
    let refused =
        world.no(403, post(&format!("/members/{}/keys", world.ada.member), draft).by(&world.ada)).await;
    assert_eq!(refused["code"], "membership.not_yours");
}

#[tokio::test(flavor = "multi_thread")]
async fn money_comes_in_goes_out_and_is_put_right() {
    let world = World::new().await;
    let path = |what: &str| format!("/accounts/{}/{what}", world.ada.account);
    let deposit = json!({"amount": "2.5", "reference": "bank 1", "reason": "test"});
    let moved = world.ok(post(&path("deposits"), deposit).by(&world.operator)).await;
    assert_eq!(moved["account"]["balance"], "102.500000000");
    let wrong = moved["position"].as_u64().unwrap();
    let correction = json!({"amount": "-0.5", "corrects": wrong, "against": "fees", "reason": "test"});
    let moved = world.ok(post(&path("corrections"), correction).by(&world.operator)).await;
    assert_eq!(moved["account"]["balance"], "102.000000000");
    let moved = world
        .ok(post(&path("payouts"), json!({"amount": "100", "reason": "test"})).by(&world.operator))
        .await;
    assert_eq!(moved["account"]["available"], "2.000000000");
    let fees = world.ok(get("/accounts/house_fees_CNY").by(&world.auditor)).await;
    assert_eq!((&fees["balance"], &fees["member"]), (&json!("0.500000000"), &json!(null)));
    let too_much = world
        .no(422, post(&path("payouts"), json!({"amount": "3", "reason": "test"})).by(&world.operator))
        .await;
    assert_eq!(too_much["code"], "ledger.balance_too_low");
    let sum: i128 = {
        let all = world.ok(get("/accounts?limit=200").by(&world.operator)).await;
        let in_cny = all["items"].as_array().unwrap().iter().filter(|it| it["asset"] == "CNY");
        in_cny.map(|it| units(&it["balance"])).sum()
    };
    assert_eq!(sum, 0, "L1: the balances of an asset sum to zero, also as they are shown");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_is_opened_in_its_asset() {
    let world = World::new().await;
    let draft = json!({"member": world.ada.member, "name": "euros", "asset": "EUR", "limit": "10.50", "reason": "test"});
    let account = world.ok(post("/accounts", draft).by(&world.operator)).await;
    assert_eq!((&account["balance"], &account["available"]), (&json!("0.00"), &json!("10.50")));
    let path = format!("/accounts/{}/deposits", account["id"].as_str().unwrap());
    let refused =
        world.no(400, post(&path, json!({"amount": "0.001", "reason": "test"})).by(&world.operator)).await;
    assert_eq!(refused["code"], "api.bad_amount");
    let draft = json!({"member": world.ada.member, "name": "pounds", "asset": "GBP", "reason": "test"});
    let refused = world.no(422, post("/accounts", draft).by(&world.operator)).await;
    assert_eq!(refused["code"], "ledger.asset_not_found");
}

/// Every write that takes a key, with another body for the same key.
fn repeatable(world: &World) -> Vec<(Call, Call)> {
    let account = |what: &str| format!("/accounts/{}/{what}", world.ada.account);
    let money = |amount: &str| json!({"amount": amount, "reason": "test"});
    let member =
        |name: &str| json!({"name": name, "organisation": "Twice", "roles": ["consumer"], "reason": "test"});
    let opened =
        |name: &str| json!({"member": world.ada.member, "name": name, "asset": "CNY", "reason": "test"});
    let fixed = |amount: &str| json!({"amount": amount, "corrects": 1, "reason": "test"});
    let standing = |reason: &str| json!({"standing": "suspended", "reason": reason});
    let revoke =
        |reason: &str| call("DELETE", &format!("/keys/{}", world.bob.key_id)).json(json!({"reason": reason}));
    let standing_of = format!("/members/{}/standing", world.bob.member);
    vec![
        (post(&account("deposits"), money("3")), post(&account("deposits"), money("4"))),
        (post(&account("payouts"), money("1")), post(&account("payouts"), money("2"))),
        (post(&account("corrections"), fixed("-1")), post(&account("corrections"), fixed("-2"))),
        (post("/members", member("Eve")), post("/members", member("Eva"))),
        (post("/accounts", opened("spare")), post("/accounts", opened("other"))),
        (revoke("lost"), revoke("found")),
        (post(&standing_of, standing("a")), post(&standing_of, standing("b"))),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn sent_again_with_its_key_a_write_is_answered_and_not_done_again() {
    let world = World::new().await;
    for (first, other) in repeatable(&world) {
        let said = format!("{} {}", first.method, first.path);
        let key = world.uuid();
        let with_key = |call: &Call| call.clone().header("idempotency-key", &key).by(&world.operator);
        let done = world.send(with_key(&first)).await;
        assert!(done.status.is_success(), "{said}: {}", done.text);
        assert_eq!(done.header("idempotency-replayed"), "", "{said}");
        let entries = world.handle.views().state.position;
        assert_eq!(done.position(), entries - 1, "{said} tells where it was written");
        let again = world.send(with_key(&first)).await;
        assert_eq!((again.status, &again.text), (done.status, &done.text), "{said}");
        assert_eq!(again.header("idempotency-replayed"), "true", "{said}");
        assert_eq!(again.position(), done.position(), "{said}");
        assert_eq!(world.handle.views().state.position, entries, "{said} wrote nothing");
        let reused = world.no(409, with_key(&other)).await;
        assert_eq!(reused["code"], "idempotency.reused", "{said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_is_remembered_too() {
    let world = World::new().await;
    let path = format!("/accounts/{}/payouts", world.ada.account);
    let key = world.uuid();
    let payout = || {
        post(&path, json!({"amount": "1000", "reason": "test"}))
            .header("idempotency-key", &key)
            .by(&world.operator)
    };
    let refused = world.send(payout()).await;
    assert_eq!(refused.json["error"]["code"], "ledger.balance_too_low");
    let deposit = json!({"amount": "1000", "reason": "test"});
    world.ok(post(&format!("/accounts/{}/deposits", world.ada.account), deposit).by(&world.operator)).await;
    let again = world.send(payout()).await;
    assert_eq!((again.status.as_u16(), again.header("idempotency-replayed")), (422, "true"));
    assert_eq!(again.json["error"]["code"], "ledger.balance_too_low");
}

/// The platform keeps no secret that it could show a second time.
#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_shown_once_even_to_who_asks_again() {
    let world = World::new().await;
    let key = world.uuid();
    let path = format!("/members/{}/keys", world.ada.member);
    let draft = json!({"label": "mine", "account": null, "reason": "test"});
    let ask = || post(&path, draft.clone()).header("idempotency-key", &key).by(&world.ada);
    let first = world.ok(ask()).await;
    let again = world.no(409, ask()).await;
    assert_eq!(again["code"], "idempotency.reused");
    assert!(again["detail"].as_str().unwrap().contains(first["id"].as_str().unwrap()), "{again}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_write_did_is_there_for_who_asks_for_its_position() {
    let world = World::new().await;
    let path = format!("/accounts/{}/deposits", world.ada.account);
    let done = world.send(post(&path, json!({"amount": "1", "reason": "test"})).by(&world.operator)).await;
    let read = get(&format!("/accounts/{}?at_least={}", world.ada.account, done.position())).by(&world.ada);
    let answer = world.send(read).await;
    assert_eq!(answer.json["balance"], "101.000000000");
    assert!(answer.position() >= done.position());
    // What an answer shows can be asked for again.
    let read = get(&format!("/accounts/{}?at_least={}", world.ada.account, answer.position())).by(&world.ada);
    assert_eq!(world.send(read).await.status, 200);
    let far = format!("/accounts/{}?at_least=1000000", world.ada.account);
    let refused = world.no(503, get(&far).by(&world.ada)).await;
    assert_eq!(refused["code"], "api.not_reached");
    let refused = world.no(400, get("/catalog?at_least=soon").by(&world.ada)).await;
    assert_eq!(refused["code"], "api.bad_query");
    // A stranger is refused at once, and holds nothing up.
    world.no(401, get(&far)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_read_waits_for_what_is_still_being_written() {
    let world = World::new().await;
    let next = world.handle.views().state.position;
    let read = world.send(get(&format!("/accounts/{}?at_least={next}", world.ada.account)).by(&world.ada));
    let path = format!("/accounts/{}/deposits", world.ada.account);
    let write = world.send(post(&path, json!({"amount": "1", "reason": "test"})).by(&world.operator));
    let (read, written) = tokio::join!(read, write);
    assert_eq!(written.position(), next);
    assert_eq!(read.json["balance"], "101.000000000");
}

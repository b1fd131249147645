//! Signing in: cookies, what ends a session, and how often one may fail.
use super::world::{Answer, LINK, Person, World, call, get, post};
use crate::attempts::{ADDRESSES_MAX, Attempts, BURST, FORGIVEN_EVERY, Source, UNKNOWN_SHARE};
use crate::session::{LIFETIME, PER_MEMBER_MAX, SESSIONS_MAX, Sessions};
use serde_json::json;
use std::collections::BTreeSet;
use std::time::Instant;
use sycee_core::ids::{KeyId, MemberId, Time};

async fn sign_in(world: &World, person: &Person) -> (String, Answer) {
    let answer = world.send(post("/session", json!({"key": person.key}))).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    let cookie = answer.header("set-cookie").split(';').next().unwrap().to_owned();
    (cookie, answer)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_becomes_a_cookie_that_scripts_and_other_sites_cannot_use() {
    let world = World::new().await;
    let (cookie, answer) = sign_in(&world, &world.ada).await;
    let set = answer.header("set-cookie");
    for flag in ["HttpOnly", "SameSite=Strict", "Path=/", "Max-Age=43200"] {
        assert!(set.contains(flag), "{set} without {flag}");
    }
    assert!(!cookie.contains(&world.ada.key), "the key itself stays where it was");
    assert_eq!(answer.json["member"]["name"], "Ada");
    assert_eq!(answer.json["member"]["roles"], json!(["consumer"]));
    let names: Vec<&str> =
        answer.json["accounts"].as_array().unwrap().iter().map(|it| it["name"].as_str().unwrap()).collect();
    assert_eq!(names.iter().collect::<BTreeSet<_>>(), BTreeSet::from([&"main", &"second"]));
    assert_eq!(world.ok(get("/session").header("cookie", &cookie)).await, answer.json);
    world.no(401, get("/session").header("cookie", "sycee_session=guess")).await;
    let refused = world.no(401, post("/session", json!({"key": "sk-sycee-wrong"}))).await;
    assert_eq!(refused["code"], "api.unauthenticated");
}

/// TLS ends at the proxy in front, which says how the request came to it.
#[tokio::test(flavor = "multi_thread")]
async fn behind_https_the_cookie_goes_over_https_only() {
    let world = World::new().await;
    let calls = [
        post("/session", json!({"key": world.ada.key})),
        get(&format!("//signin/{LINK}")),
        call("DELETE", "/session"),
    ];
    let forwarded =
        [(None, false), (Some("http"), false), (Some("https"), true), (Some("HTTPS, http"), true)];
    for (proto, secure) in forwarded {
        for call in calls.clone() {
            let said = format!("{} {} {proto:?}", call.method, call.path);
            let call = match proto {
                Some(proto) => call.header("x-forwarded-proto", proto),
                None => call,
            };
            let answer = world.send(call).await;
            assert_eq!(answer.header("set-cookie").ends_with("; Secure"), secure, "{said}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_of_another_origin_cannot_act_in_a_session() {
    let world = World::new().await;
    let (cookie, _) = sign_in(&world, &world.ada).await;
    let host = world.address.to_string();
    let draft = json!({"label": "x", "account": null, "reason": "test"});
    let path = format!("/members/{}/keys", world.ada.member);
    let issue = || post(&path, draft.clone()).header("cookie", &cookie);
    let origins = [None, Some("http://evil.example"), Some("null"), Some("http://evil.example:80"), Some("")];
    for origin in origins {
        let call = origin.map_or_else(issue, |origin| issue().header("origin", origin));
        assert_eq!(world.no(403, call).await["code"], "api.cross_origin", "{origin:?}");
        let leave = call_delete(&cookie);
        let leave = origin.map_or_else(|| leave.clone(), |origin| leave.clone().header("origin", origin));
        assert_eq!(world.no(403, leave).await["code"], "api.cross_origin", "{origin:?}");
    }
    let own = format!("http://{host}");
    assert_eq!(world.send(issue().header("origin", &own)).await.status, 201);
    // A key in a header is proof enough: no browser adds it by itself.
    assert_eq!(world.send(post(&path, draft.clone()).by(&world.ada)).await.status, 201);
    let left = world.send(call_delete(&cookie).header("origin", &own)).await;
    assert_eq!(left.status, 204);
    assert!(left.header("set-cookie").contains("Max-Age=0"));
    world.no(401, get("/session").header("cookie", &cookie)).await;
}

fn call_delete(cookie: &str) -> super::world::Call {
    call("DELETE", "/session").header("cookie", cookie)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_ends_with_its_key_and_with_its_members_standing() {
    let world = World::new().await;
    let (cookie, _) = sign_in(&world, &world.ada).await;
    world.ok(get("/catalog").header("cookie", &cookie)).await;
    world
        .ok(call("DELETE", &format!("/keys/{}", world.ada.key_id))
            .json(json!({"reason": "test"}))
            .by(&world.operator))
        .await;
    world.no(401, get("/catalog").header("cookie", &cookie)).await;

    let (cookie, _) = sign_in(&world, &world.bob).await;
    let standing = json!({"standing": "suspended", "reason": "test"});
    world.ok(post(&format!("/members/{}/standing", world.bob.member), standing).by(&world.operator)).await;
    world.no(401, get("/catalog").header("cookie", &cookie)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_link_of_a_demo_signs_in() {
    let world = World::new().await;
    let answer = world.send(get(&format!("//signin/{LINK}"))).await;
    assert_eq!((answer.status.as_u16(), answer.header("location")), (303, "/"));
    assert_eq!(answer.header("cache-control"), "no-store");
    let cookie = answer.header("set-cookie").split(';').next().unwrap().to_owned();
    let session = world.ok(get("/session").header("cookie", &cookie)).await;
    assert_eq!(session["member"]["name"], "Operator");
    assert_eq!(world.send(get("//signin/another-link")).await.status, 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_keys_are_limited_by_address_and_right_ones_never() {
    let world = World::new().await;
    let wrong = || post("/session", json!({"key": "sk-sycee-wrong"}));
    for _ in 0..BURST {
        world.no(401, wrong()).await;
    }
    let answer = world.send(wrong()).await;
    assert_eq!(answer.json["error"]["code"], "api.too_many_attempts", "{}", answer.text);
    assert!(answer.header("retry-after").parse::<u64>().unwrap() <= FORGIVEN_EVERY.as_secs() + 1);
    assert_eq!(world.send(get("//signin/another-link")).await.status, 429);
    // Behind a proxy everybody has this address.
    let (cookie, _) = sign_in(&world, &world.bob).await;
    world.ok(get("/session").header("cookie", &cookie)).await;
    assert_eq!(world.send(get(&format!("//signin/{LINK}"))).await.status, 303);
    world.no(429, wrong()).await;
}

#[test]
fn failures_are_forgotten_one_by_one() {
    let (attempts, here, there) = (Attempts::default(), Source::V4(1), Source::V6(1));
    let mut now = Instant::now();
    let fail_until_refused = |source: Source, now: Instant| {
        (0..1_000)
            .take_while(|_| attempts.wait(source, now).is_none())
            .inspect(|_| attempts.failed(source, now))
            .count()
    };
    assert_eq!(fail_until_refused(here, now), BURST as usize);
    assert_eq!(fail_until_refused(there, now), BURST as usize, "each address for itself");
    let almost = now + FORGIVEN_EVERY.mul_f64(0.999);
    assert_eq!(fail_until_refused(here, almost), 0);
    now += FORGIVEN_EVERY;
    assert_eq!(fail_until_refused(here, now), 1);
    now += FORGIVEN_EVERY * BURST;
    assert_eq!(fail_until_refused(here, now), BURST as usize);
    assert_eq!(fail_until_refused(Source::Unknown, now), (BURST * UNKNOWN_SHARE) as usize);
}

#[test]
fn addresses_remembered_are_bounded() {
    let (attempts, now) = (Attempts::default(), Instant::now());
    for address in 0..u32::try_from(ADDRESSES_MAX).unwrap() {
        attempts.failed(Source::V4(address), now);
    }
    // One more shares what is left for those that are not known.
    let further = Source::V4(u32::MAX);
    let mut failed = 0;
    while attempts.wait(further, now).is_none() {
        attempts.failed(further, now);
        failed += 1;
        assert!(
            failed <= BURST * UNKNOWN_SHARE,
            "a full table refuses nobody for ever and lets nobody through for ever"
        );
    }
    assert_eq!(failed, BURST * UNKNOWN_SHARE);
    let later = now + FORGIVEN_EVERY * (BURST + 1);
    attempts.failed(further, later);
    assert_eq!(attempts.wait(further, later), None, "what is forgotten makes room");
}

#[test]
fn a_session_ends_by_itself() {
    let (sessions, now) = (Sessions::default(), Time(1_000));
    let token = sessions.begin(KeyId(1), MemberId(1), now).unwrap();
    assert_eq!(sessions.key_of(&token, now.after(LIFETIME - 1)), Some(KeyId(1)));
    assert_eq!(sessions.key_of(&token, now.after(LIFETIME)), None);
}

#[test]
fn sessions_are_bounded_and_nobody_ends_those_of_others() {
    let sessions = Sessions::default();
    let first = sessions.begin(KeyId(0), MemberId(0), Time(0)).unwrap();
    let mut own = Vec::new();
    for moment in 0..=PER_MEMBER_MAX as u64 {
        own.push(sessions.begin(KeyId(1), MemberId(1), Time(1 + moment)).unwrap());
    }
    let now = Time(100);
    assert_eq!(sessions.key_of(&own[0], now), None, "a member's oldest gives way to its newest");
    assert!(own[1..].iter().all(|token| sessions.key_of(token, now).is_some()));
    assert!(sessions.key_of(&first, now).is_some());
    for member in 2..SESSIONS_MAX as u128 {
        sessions.begin(KeyId(member), MemberId(member), Time(200)).unwrap();
    }
    assert_eq!(
        sessions.key_of(&first, Time(300)),
        None,
        "with every place taken the oldest of all gives way"
    );
    assert_eq!(sessions.count(), SESSIONS_MAX);
}

//! Events: how they are read, and what is none.
use super::{EVENTS, events, meter, report, source, used};
use crate::tests::world::{World, call, get};
use serde_json::{Value, json};

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_event_is_refused_whole_and_named() {
    let world = World::new().await;
    let mia = meter(&world, "Mia").await;
    source(&world, &mia, "nights", None).await;
    let cases: [(&str, Value, &str); 31] = [
        ("/specversion", json!("0.3"), "specversion is not"),
        ("/specversion", json!(1.0), "expected a string"),
        ("/type", json!("dev.sycee.usage.v2"), "type is not"),
        ("/source", json!("days"), "the first event's is `nights`"),
        ("/source", json!(null), "expected a string"),
        ("/id", json!(""), "id is empty"),
        ("/id", json!(7), "expected a string"),
        ("/sequence", json!("2"), "sequence is 2, after the one before comes 1"),
        ("/sequence", json!("0"), "sequence is 0, after the one before comes 1"),
        ("/sequence", json!(1), "expected a string"),
        ("/sequence", json!("+1"), "decimal digits"),
        ("/sequence", json!(""), "decimal digits"),
        ("/sequence", json!("18446744073709551616"), "decimal digits"),
        ("/data", json!("none"), "expected struct Data"),
        ("/data/key", json!(null), "expected a string"),
        ("/data/keys", json!("key"), "unknown field `keys`"),
        ("/data/usage", json!({"output": 1}), "a bucket that is none"),
        ("/data/usage", json!({"output_visible": -1}), "expected u32"),
        ("/data/usage", json!({"output_visible": 1.5}), "expected u32"),
        ("/data/usage", json!({"output_visible": 4_294_967_296_u64}), "expected u32"),
        ("/data/usage", json!([]), "expected tokens by bucket"),
        ("/data/start", json!("yesterday"), "not RFC 3339"),
        ("/data/start", json!("2026-11-20 09:30"), "not RFC 3339"),
        ("/data/start", json!(1_790_000_000), "expected a string"),
        ("/data/duration_ms", json!(-1), "expected u32"),
        ("/data/duration_ms", json!(4_294_967_296_u64), "expected u32"),
        ("/data/joules", json!(-0.1), "joules are below zero"),
        ("/data/joules", json!(1e16), "joules are below zero, or too many"),
        ("/data/joules", json!("1"), "expected f64"),
        ("/data/consumer", json!(7), "expected a string"),
        ("/data/duration_ms", json!(null), "expected u32"),
    ];
    let before = world.handle.views().state.position;
    for (pointer, value, why) in cases {
        let mut sent = events("nights", 0, &[used(&world, &world.ada), used(&world, &world.ada)]);
        let (parent, name) = pointer.rsplit_once('/').unwrap();
        sent[1].pointer_mut(parent).unwrap()[name] = value.clone();
        let refused = world.no(422, report(sent).by(&mia)).await;
        assert_eq!(refused["code"], "api.bad_body");
        let detail = refused["detail"].as_str().unwrap();
        assert!(detail.starts_with("event 1: ") && detail.contains(why), "{pointer} = {value}: {detail}");
    }
    for missing in ["specversion", "type", "source", "id", "sequence", "data"] {
        let mut sent = events("nights", 0, &[used(&world, &world.ada)]);
        sent[0].as_object_mut().unwrap().remove(missing);
        let refused = world.no(422, report(sent).by(&mia)).await;
        assert!(
            refused["detail"].as_str().unwrap().contains(&format!("missing field `{missing}`")),
            "{refused}"
        );
    }
    assert_eq!(world.handle.views().state.position, before, "nothing was written");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_json_is_refused() {
    let world = World::new().await;
    let mia = meter(&world, "Mia").await;
    source(&world, &mia, "nights", None).await;
    let whole = events("nights", 0, &[used(&world, &world.ada)]).to_string();
    let cut = whole.len() - 40;
    let twice = whole.replace("\"joules\"", "\"joules\":1,\"joules\"");
    let bodies: [(Vec<u8>, u16); 8] = [
        (Vec::new(), 400),
        (b"nights".to_vec(), 400),
        (whole.as_bytes()[..cut].to_vec(), 400),
        (format!("{whole}]").into_bytes(), 400),
        (whole.replace("nights", "\\ud800").into_bytes(), 400),
        ([whole.as_bytes(), b"\xff"].concat(), 400),
        (b"{}".to_vec(), 422),
        (twice.into_bytes(), 422),
    ];
    for (body, status) in bodies {
        let said = String::from_utf8_lossy(&body).into_owned();
        let refused = world.no(status, call("POST", "/usage").bytes(EVENTS, body).by(&mia)).await;
        assert_eq!(refused["code"], "api.bad_body", "{said}");
    }
    let sources = world.ok(get("/usage/sources").by(&mia)).await;
    assert_eq!(sources["items"][0]["next"], 0);
}

/// What other senders write is read: attributes of their own, escapes, space, and any order.
#[tokio::test(flavor = "multi_thread")]
async fn an_event_is_read_however_it_is_written() {
    let world = World::new().await;
    let mia = meter(&world, "Mia").await;
    source(&world, &mia, "nächte/1", None).await;
    let offer = world.offer_at("West").to_string();
    let start = super::written(world.handle.now());
    let text = format!(
        r#" [ {{"data": {{"joules": 12, "duration_ms": 0, "start": "{start}", "usage": {{"\u006futput_visible": 1, "cache_read": 0}},
            "offer": "{offer}", "k\u0065y": "{key}", "consumer": "\u006d{member}"}},
            "time": "2026-11-20T00:00:00Z", "datacontenttype": "application/json", "traceparent": "00-1-2-01", "subject": null,
            "more": [{{"of": "it"}}], "sequence": "000", "id": "1", "source": "n\u00e4chte/1", "type": "dev.sycee.usage.v1",
            "specversion": "1.0"}} ]
        "#,
        key = world.ada.key_id,
        member = &world.ada.member[1..],
    );
    let told = world.ok(call("POST", "/usage").bytes(EVENTS, text).by(&mia)).await;
    assert_eq!((&told["accepted"], &told["paid"]), (&json!(1), &json!({"CNY": "0.000007000"})), "{told}");
}

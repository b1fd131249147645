//! Hours: what was metered, by offer and by account.
use super::{events, meter, report, source, used, with_sun, written};
use crate::tests::world::{Person, World, get, post};
use serde_json::{Value, json};
use sycee_core::ids::Time;
use sycee_core::limits::HOUR;

/// Lines of Ada at West, of Ada and Bob at South, and one that Bob cannot pay; when their hour began.
async fn metered() -> (World, String) {
    let world = World::new().await;
    world.ok(post("/catalog/apply?reason=test", with_sun()).by(&world.operator)).await;
    let mia = meter(&world, "Mia").await;
    source(&world, &mia, "nights", None).await;
    // All of one hour, also where the test runs at the end of one.
    let start = world.handle.now();
    let line = |person: &Person, site: &str| {
        let mut line = used(&world, person);
        line["offer"] = world.offer_at(site).to_string().into();
        line["start"] = written(start).into();
        line
    };
    let mut dear = line(&world.bob, "South");
    dear["usage"] = json!({"output_reasoning": 4_000_000_000_u32});
    dear["joules"] = json!(0.5);
    let lines = [line(&world.ada, "West"), line(&world.ada, "South"), line(&world.bob, "South"), dear];
    let told = world.ok(report(events("nights", 0, &lines)).by(&mia)).await;
    assert_eq!((&told["accepted"], &told["unbilled"]), (&json!(3), &json!(1)));
    let hour = written(Time(start.0 / HOUR * HOUR));
    (world, hour)
}

async fn rows(world: &World, person: &Person, query: &str) -> Vec<Value> {
    let page = world.ok(get(&format!("/usage/hours{query}")).by(person)).await;
    page["items"].as_array().unwrap().clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn hours_are_shown_by_offer_to_those_whose_sales_they_are() {
    let (world, hour) = metered().await;
    let west = json!({"hour": hour, "offer": world.offer_at("West").to_string(), "model_name": "tiny", "site_name": "West",
        "account": null, "lines": 1, "unbilled": 0, "tokens": 1_500, "buckets": {"input_uncached": 1_000, "output_visible": 500},
        "money": "0.004500000", "asset": "CNY", "joules": 1_100.5});
    let south = json!({"hour": hour, "offer": world.offer_at("South").to_string(), "model_name": "tiny", "site_name": "South",
        "account": null, "lines": 3, "unbilled": 1, "tokens": 4_000_003_000_u64,
        "buckets": {"input_uncached": 2_000, "output_visible": 1_000, "output_reasoning": 4_000_000_000_u32},
        "money": "0.009000000", "asset": "CNY", "joules": 2_201.5});
    for person in [&world.operator, &world.auditor] {
        assert_eq!(rows(&world, person, "").await, [west.clone(), south.clone()]);
    }
    assert_eq!(rows(&world, &world.provider, "").await, [west]);
    assert_eq!(rows(&world, &world.person("Sun").await, "").await, [south]);
    assert_eq!(rows(&world, &world.ada, "").await, [Value::Null; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn hours_of_an_account_are_for_its_member() {
    let (world, hour) = metered().await;
    let query = format!("?account={}", world.ada.account);
    let wanted = json!({"hour": hour, "offer": null, "model_name": null, "site_name": null, "account": world.ada.account,
        "lines": 2, "unbilled": null, "tokens": 3_000, "buckets": null, "money": "0.009000000", "asset": "CNY", "joules": null});
    for person in [&world.ada, &world.operator, &world.auditor] {
        assert_eq!(rows(&world, person, &query).await.as_slice(), std::slice::from_ref(&wanted));
    }
    let refused = world.no(403, get(&format!("/usage/hours{query}")).by(&world.bob)).await;
    assert_eq!(refused["code"], "membership.not_yours");
    let nowhere = "/usage/hours?account=acc_00000000000000000000000000000000";
    world.no(404, get(nowhere).by(&world.operator)).await;
    world.no(400, get("/usage/hours?account=house_fees_CNY").by(&world.operator)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn hours_are_of_a_span_and_in_pages() {
    let (world, hour) = metered().await;
    let next = written(crate::time::parse(&hour).unwrap().after(HOUR));
    let of_account = format!("&account={}", world.ada.account);
    for (query, by_offer, by_account) in [
        (format!("?from={hour}"), 2, 1),
        (format!("?from={next}"), 0, 0),
        (format!("?to={next}"), 2, 1),
        (format!("?to={hour}"), 0, 0),
        (format!("?from={hour}&to={next}"), 2, 1),
    ] {
        assert_eq!(rows(&world, &world.operator, &query).await.len(), by_offer, "{query}");
        assert_eq!(
            rows(&world, &world.ada, &(query.clone() + &of_account)).await.len(),
            by_account,
            "{query}"
        );
    }
    let first = world.ok(get("/usage/hours?limit=1").by(&world.operator)).await;
    let next = first["next"].as_str().unwrap();
    let second = world.ok(get(&format!("/usage/hours?limit=1&cursor={next}")).by(&world.operator)).await;
    assert_eq!(
        (&first["items"][0]["site_name"], &second["items"][0]["site_name"]),
        (&json!("West"), &json!("South"))
    );
    assert_eq!(second["next"], json!(null));
    world.no(400, get("/usage/hours?from=yesterday").by(&world.operator)).await;
    world.no(400, get("/usage/hours?cursor=first").by(&world.operator)).await;
}

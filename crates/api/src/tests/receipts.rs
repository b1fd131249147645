//! Receipts: every figure is made of others, and they add up.
use super::world::{World, call, catalogue, get, post, units};
use serde_json::{Value, json};
use sycee_core::buckets::{Bucket, Buckets};
use sycee_core::settlement::{Command as Settlement, Measure};

fn sum(items: &Value) -> i128 {
    items.as_array().unwrap().iter().map(|it| units(&it["amount"])).sum()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_parts_of_a_receipt_add_up() {
    let world = World::new().await;
    for (input, output) in [(1_000, 500), (1, 1), (0, 1), (1_999, 999), (1_337, 0)] {
        let id = world.buy(&world.ada, input, output).await;
        let receipt = world.ok(get(&format!("/receipts/{id}")).by(&world.ada)).await;
        let total = units(&receipt["total"]);
        assert_eq!(total, i128::from(input) * 1_000 + i128::from(output) * 7_000, "tokens × price");
        assert_eq!(sum(&receipt["lines"]), total, "{receipt}");
        assert_eq!(sum(&receipt["split"]), total, "{receipt}");
        assert!(total <= units(&receipt["hold"]));
        assert_eq!(receipt["buckets"]["input_uncached"], input);
        assert_eq!(receipt["buckets"]["output_visible"], output);
        assert_eq!(receipt["capped"], false);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receipt_says_who_what_where_and_at_what_price() {
    let world = World::new().await;
    let id = world.buy(&world.ada, 1_000, 500).await;
    let receipt = world.ok(get(&format!("/receipts/{id}")).by(&world.ada)).await;
    let named = json!({"id": receipt["id"], "consumer": receipt["consumer"], "model_name": receipt["model_name"],
        "site_name": receipt["site_name"], "key_label": receipt["key_label"], "total": receipt["total"]});
    assert_eq!(
        named,
        json!({"id": id, "consumer": "Ada", "model_name": "tiny", "site_name": "West", "key_label": "test",
        "total": "0.004500000"})
    );
    assert_eq!(receipt["prices"], json!({"input_uncached": "1.000000000", "output_visible": "7.000000000"}));
    let roles: Vec<(&str, &str)> = receipt["split"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| (it["party"].as_str().unwrap(), it["role"].as_str().unwrap()))
        .collect();
    assert_eq!(roles, [("Wind", "site"), ("Author", "author"), ("platform", "fee")]);
    // 1,000 × 0.1 J + 500 × 2 J at the machine, × 1.07 × 0.36 a kilowatt hour.
    assert_eq!((&receipt["joules"], &receipt["joules_badge"]), (&json!(1_100.0), &json!("published")));
    assert_eq!(receipt["energy_cost"], "0.000117700");
    assert_eq!(receipt["attempts"], json!([{"site": "West", "outcome": "served", "ms": 12}]));
    let leaf = receipt["leaf"].as_str().unwrap();
    assert!(leaf.len() == 64 && leaf.bytes().all(|it| it.is_ascii_hexdigit()), "{leaf}");
    // The account's statement names the receipt at the same position.
    let path = format!("/accounts/{}/statement", world.ada.account);
    let statement = world.ok(get(&path).by(&world.ada)).await;
    let own = |line: &&Value| line["reference"] == receipt["id"];
    let lines: Vec<&Value> = statement["items"].as_array().unwrap().iter().filter(own).collect();
    assert!(
        lines.len() == 3 && lines.iter().all(|line| line["position"] == receipt["position"]),
        "{lines:?}"
    );
    let paid: i128 = lines.iter().map(|line| units(&line["amount"])).sum();
    assert_eq!(paid, -units(&receipt["total"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_price_of_later_changes_no_receipt() {
    let world = World::new().await;
    let id = world.buy(&world.ada, 1_000, 500).await;
    let read = async || {
        let mut receipt = world.ok(get(&format!("/receipts/{id}")).by(&world.ada)).await;
        receipt["checkpoint_position"] = Value::Null;
        receipt
    };
    let before = read().await;
    let mut document = catalogue();
    document["offer"][0]["prices"]["output"] = "8".into();
    document["site"][0]["power_price"] = "0.99".into();
    world.ok(post("/catalog/apply?reason=test", document).by(&world.operator)).await;
    assert_eq!(read().await, before);
}

/// More was delivered than was held for: the provider bears the difference, and the lines still come to the total.
#[tokio::test(flavor = "multi_thread")]
async fn a_capped_receipt_says_so_and_adds_up() {
    let world = World::new().await;
    let request = world.authorise(&world.ada).await;
    let usage = Buckets::default()
        .with(Bucket::InputUncached, 5_001)
        .with(Bucket::CacheRead, 77)
        .with(Bucket::OutputVisible, 3_003)
        .with(Bucket::OutputReasoning, 1);
    let mut delivery = world.delivery(usage);
    delivery.output_measure = Measure::Unverified;
    delivery.dispute = true;
    world.decide(Settlement::Settle { request, delivery }).await;
    let receipt = world.ok(get(&format!("/receipts/{request}")).by(&world.ada)).await;
    assert_eq!((&receipt["capped"], &receipt["total"]), (&json!(true), &receipt["hold"]));
    assert_eq!(receipt["lines"].as_array().unwrap().len(), 4);
    assert_eq!(sum(&receipt["lines"]), units(&receipt["total"]));
    assert_eq!(sum(&receipt["split"]), units(&receipt["total"]));
    assert_eq!((&receipt["basis"], &receipt["input_basis"]), (&json!("unverified"), &json!("own_count")));
    assert_eq!(receipt["dispute"], true);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_failed_has_a_receipt_of_nothing() {
    let world = World::new().await;
    let id = world.release(&world.ada).await;
    let receipt = world.ok(get(&format!("/receipts/{id}")).by(&world.ada)).await;
    assert_eq!((&receipt["total"], &receipt["finish"]), (&json!("0.000000000"), &json!("upstream_error")));
    assert_eq!(receipt["attempts"], json!([{"site": "West", "outcome": "unreachable", "ms": 5}]));
    assert_eq!(
        (&receipt["lines"], &receipt["split"], &receipt["site"]),
        (&json!([]), &json!([]), &Value::Null)
    );
    assert_eq!(world.ok(get("/receipts").by(&world.ada)).await["items"][0]["id"], id);
}

fn ids(page: &Value) -> Vec<String> {
    page["items"].as_array().unwrap().iter().map(|it| it["id"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_shows_all_of_ones_accounts_and_sites_newest_first() {
    let world = World::new().await;
    let accounts = world.ok(get("/accounts").by(&world.ada)).await;
    let second = accounts["items"].as_array().unwrap().iter().find(|it| it["name"] == "second").unwrap();
    let second = second["id"].as_str().unwrap().to_owned();
    let deposit = json!({"amount": "10", "reason": "test"});
    world.ok(post(&format!("/accounts/{second}/deposits"), deposit).by(&world.operator)).await;
    let (key_id, key) = world.new_key(&world.ada.member, &second).await;
    let with_second = super::world::Person { account: second.clone(), key, key_id, ..world.ada.clone() };
    let (mut of_ada, mut of_bob, mut all) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..3 {
        for person in [&world.ada, &with_second, &world.bob] {
            let id = if round == 1 { world.release(person).await } else { world.buy(person, 10, 5).await };
            all.insert(0, (id.clone(), round != 1));
            let own = if person.member == world.ada.member { &mut of_ada } else { &mut of_bob };
            own.insert(0, id);
        }
    }
    let of = async |key: &str, query: &str| ids(&world.ok(get(&format!("/receipts{query}")).key(key)).await);
    assert_eq!(of(&world.ada.key, "").await, of_ada);
    assert_eq!(of(&with_second.key, "").await, of_ada, "a key reads what its member may");
    assert_eq!(of(&world.bob.key, "").await, of_bob);
    assert_eq!(
        of(&world.ada.key, &format!("?account={second}")).await,
        [of_ada[0].clone(), of_ada[2].clone(), of_ada[4].clone()]
    );
    let everything: Vec<String> = all.iter().map(|(id, _)| id.clone()).collect();
    assert_eq!(of(&world.auditor.key, "").await, everything);
    // The provider sees those that its sites were paid for.
    let paid: Vec<String> = all.iter().filter(|(_, paid)| *paid).map(|(id, _)| id.clone()).collect();
    assert_eq!(of(&world.provider.key, "").await, paid);
    assert_eq!(of(&world.provider.key, &format!("?account={}", world.provider.account)).await, paid);
    let mut paged = Vec::new();
    let mut cursor = String::new();
    loop {
        let page = world.ok(get(&format!("/receipts?limit=4{cursor}")).by(&world.provider)).await;
        paged.extend(ids(&page));
        let Some(next) = page["next"].as_str() else { break };
        cursor = format!("&cursor={next}");
    }
    assert_eq!(paged, paid);
}

/// The site is told who bought, not what the consumer calls its keys.
#[tokio::test(flavor = "multi_thread")]
async fn the_label_of_a_key_stays_with_its_owner() {
    let world = World::new().await;
    let id = world.buy(&world.ada, 10, 5).await;
    for path in [format!("/receipts/{id}"), "/receipts".to_owned()] {
        let label = async |key: &str| {
            let answer = world.ok(get(&path).key(key)).await;
            answer
                .get("items")
                .map_or_else(|| answer["key_label"].clone(), |items| items[0]["key_label"].clone())
        };
        assert_eq!(label(&world.ada.key).await, "test");
        assert_eq!(label(&world.auditor.key).await, "test");
        assert_eq!(label(&world.provider.key).await, Value::Null);
    }
    world.no(401, call("GET", "/receipts")).await;
}

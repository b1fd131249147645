//! Pages: every list, to its end, whatever the size of its pages.
use super::world::{World, get, post};
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// All items of a list, page by page; `path` ends in `?` or `&`.
async fn all(world: &World, key: &str, path: &str, limit: usize) -> Vec<Value> {
    let (mut items, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = world.ok(get(&format!("{path}limit={limit}{cursor}")).key(key)).await;
        let found = page["items"].as_array().unwrap();
        let entry = if path.contains("statement") { 3 } else { 1 };
        assert!(found.len() <= limit.max(entry), "{path}");
        items.extend(found.iter().cloned());
        match page["next"].as_str() {
            Some(next) => {
                assert!(!found.is_empty(), "{path}: an empty page is the last");
                cursor = format!("&cursor={next}");
            }
            None => return items,
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_list_is_the_same_in_pages_of_any_size() {
    let world = World::new().await;
    for number in 0..7 {
        let draft = json!({"name": format!("Member {number}"), "roles": ["consumer"], "reason": "test"});
        world.ok(post("/members", draft).by(&world.operator)).await;
        let draft = json!({"member": world.ada.member, "name": format!("account {number}"), "asset": "EUR", "reason": "test"});
        world.ok(post("/accounts", draft).by(&world.operator)).await;
        world.new_key(&world.ada.member, "").await;
        world.buy(&world.ada, 10 + number, 5).await;
        world.buy(&world.bob, 10, 5).await;
    }
    let paths = [
        ("/members?".to_owned(), 13),
        ("/accounts?".to_owned(), 16),
        (format!("/accounts?member={}&", world.ada.member), 9),
        (format!("/members/{}/keys?", world.ada.member), 8),
        ("/sites?".to_owned(), 2),
        ("/models?".to_owned(), 1),
        ("/offers?".to_owned(), 2),
        ("/receipts?".to_owned(), 14),
        (format!("/receipts?account={}&", world.ada.account), 7),
        // A deposit, and three parties to each receipt.
        (format!("/accounts/{}/statement?", world.ada.account), 22),
    ];
    for (path, count) in paths {
        let whole = all(&world, &world.operator.key, &path, 200).await;
        assert_eq!(whole.len(), count, "{path}");
        for limit in [1, 2, 3] {
            assert_eq!(all(&world, &world.operator.key, &path, limit).await, whole, "{path} by {limit}");
        }
        let distinct: BTreeSet<String> = whole.iter().map(Value::to_string).collect();
        assert_eq!(distinct.len(), count, "{path} shows nothing twice");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_has_fifty_items_and_at_most_two_hundred() {
    let world = World::new().await;
    for _ in 0..210 {
        world.buy(&world.ada, 1, 1).await;
    }
    let count = async |query: &str| {
        world.ok(get(&format!("/receipts{query}")).by(&world.ada)).await["items"].as_array().unwrap().len()
    };
    assert_eq!(count("").await, 50);
    assert_eq!(count("?limit=1000").await, 200);
    assert_eq!(count("?limit=0").await, 1);
    assert_eq!(all(&world, &world.ada.key, "/receipts?", 60).await.len(), 210);
}

#[tokio::test(flavor = "multi_thread")]
async fn house_accounts_come_first_and_only_to_those_who_see_all() {
    let world = World::new().await;
    let names = async |key: &str| -> Vec<String> {
        let items = all(&world, key, "/accounts?", 3).await;
        items.iter().map(|it| it["id"].as_str().unwrap().to_owned()).collect()
    };
    let house = ["house_outside_CNY", "house_outside_EUR", "house_fees_CNY", "house_fees_EUR"];
    for key in [&world.operator.key, &world.auditor.key] {
        let names = names(key).await;
        assert_eq!(names[..4], house);
        assert!(names[4..].iter().all(|name| name.starts_with("acc_")) && names[4..].is_sorted());
    }
    assert_eq!(names(&world.bob.key).await, std::slice::from_ref(&world.bob.account));
}

//! Handles: what they name, and for whom.
use super::{meter, provider, source, with_sun};
use crate::tests::world::{World, post};
use crate::usage::handles::IDS_MAX;
use serde_json::{Value, json};

#[tokio::test(flavor = "multi_thread")]
async fn a_handle_names_a_key_or_an_offer_to_who_may_report_for_it() {
    let world = World::new().await;
    world.ok(post("/catalog/apply?reason=test", with_sun()).by(&world.operator)).await;
    let (all, wind, none) =
        (meter(&world, "All").await, meter(&world, "Wind only").await, meter(&world, "None").await);
    source(&world, &all, "a", Some(&provider(&world))).await;
    source(&world, &all, "b", None).await;
    source(&world, &wind, "a", Some(&provider(&world))).await;
    let reading = world.new_key(&world.ada.member, "").await.0;
    let [west, south] = ["West", "South"].map(|site| world.offer_at(site));
    let nowhere = "00000000000000000000000000000000";
    let question = json!({
        "keys": [world.bob.key_id, format!("key_{nowhere}"), reading, "bob's", world.ada.key_id],
        "offers": [south.to_string(), west.to_string(), format!("off_{nowhere}"), ""],
    });
    let (bob, ada, in_south, in_west) = {
        let views = world.handle.views();
        let (keys, catalog) = (&views.state.membership, &views.state.catalog);
        let key = |id: &str| keys.key_handle(id.parse().unwrap()).unwrap().0;
        let offer = |id| catalog.offer_handle(id).unwrap().0;
        (key(&world.bob.key_id), key(&world.ada.key_id), offer(south), offer(west))
    };
    let keys = json!([bob, null, null, null, ada]);
    let cases = [
        (&all, &keys, json!([in_south, in_west, null, null])),
        (&world.operator, &keys, json!([in_south, in_west, null, null])),
        (&world.auditor, &keys, json!([in_south, in_west, null, null])),
        (&wind, &keys, json!([null, in_west, null, null])),
        (&none, &json!([null, null, null, null, null]), json!([null, null, null, null])),
    ];
    for (person, keys, offers) in cases {
        let told = world.ok(post("/usage/handles", question.clone()).by(person)).await;
        assert_eq!(told, json!({"keys": keys, "offers": offers}));
    }
    assert_eq!(world.ok(post("/usage/handles", json!({})).by(&all)).await, json!({"keys": [], "offers": []}));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_question_has_a_largest_size() {
    let world = World::new().await;
    let mia = meter(&world, "Mia").await;
    let ask = |count: usize| {
        let key = Value::from(world.ada.key_id.clone());
        post("/usage/handles", json!({"keys": vec![key; count - 1], "offers": [""]})).by(&mia)
    };
    assert_eq!(world.ok(ask(IDS_MAX)).await["keys"].as_array().unwrap().len(), IDS_MAX - 1);
    assert_eq!(world.no(422, ask(IDS_MAX + 1)).await["code"], "api.bad_body");
}

//! The catalogue as it is shown.
use super::world::{World, get};
use serde_json::json;

#[tokio::test(flavor = "multi_thread")]
async fn everything_that_is_offered_is_shown_with_its_terms() {
    let world = World::new().await;
    let catalog = world.ok(get("/catalog").by(&world.bob)).await;
    let west = catalog["sites"].as_array().unwrap().iter().find(|it| it["name"] == "West").unwrap();
    assert_eq!(west["power_price"], "0.360000000");
    assert_eq!(
        (&west["pue"], &west["longitude"], &west["badge"]),
        (&json!("1.070000"), &json!(99.5), &json!("published"))
    );
    assert_eq!((&west["joules_input"], &west["joules_output"]), (&json!(0.1), &json!(2.0)));
    let offer = catalog["offers"].as_array().unwrap().iter().find(|it| it["site"] == west["id"]).unwrap();
    assert_eq!((&offer["model_name"], &offer["open"]), (&json!("tiny"), &json!(true)));
    let schedule = &offer["schedules"][0];
    assert_eq!(schedule["prices"]["output_reasoning"], "7.000000000");
    assert_eq!(
        (&schedule["model_fee_ppm"], &schedule["platform_fee_ppm"]),
        (&json!(100_000), &json!(50_000))
    );
    assert_eq!(catalog["models"][0]["owner"]["name"], "Author");
    assert_eq!(catalog["providers"][0]["member"]["name"], "Wind");
    // The same items, page by page.
    for list in ["sites", "models", "offers"] {
        assert_eq!(world.ok(get(&format!("/{list}")).by(&world.bob)).await["items"], catalog[list], "{list}");
    }
}

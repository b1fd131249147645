//! Usage that was measured elsewhere, over HTTP.
use super::world::{Person, World, post};
use serde_json::json;

mod sources;

/// A new member that may report usage, with a key of its own.
pub(super) async fn meter(world: &World, name: &str) -> Person {
    let draft = json!({"name": name, "roles": ["meter"], "reason": "test"});
    world.ok(post("/members", draft).by(&world.operator)).await;
    world.person(name).await
}

/// A source of that member, by its id.
pub(super) async fn source(world: &World, of: &Person, name: &str, provider: Option<&str>) -> String {
    let draft = json!({"name": name, "member": of.member, "provider": provider, "reason": "test"});
    let opened = world.ok(post("/usage/sources", draft).by(&world.operator)).await;
    opened["id"].as_str().unwrap().to_owned()
}

/// Id of the one provider in the catalogue.
pub(super) fn provider(world: &World) -> String {
    world.handle.views().state.catalog.providers().iter().next().unwrap().0.to_string()
}

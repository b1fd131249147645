//! Usage that was measured elsewhere, over HTTP.
use super::world::{Call, Person, World, call, catalogue, post};
use serde_json::{Value, json};
use sycee_core::ids::Time;

mod columns;
mod events;
mod handles;
mod hours;
mod record;
mod sources;

const EVENTS: &str = "application/cloudevents-batch+json";

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

/// What `person` used at West just now: 1,000 tokens in and 500 out, for 0.0045.
pub(super) fn used(world: &World, person: &Person) -> Value {
    let offer = world.offer_at("West").to_string();
    json!({"key": person.key_id, "offer": offer, "usage": {"input_uncached": 1_000, "output_visible": 500},
        "start": written(world.handle.now()), "duration_ms": 1_500, "joules": 1_100.5})
}

pub(super) fn written(time: Time) -> String {
    crate::time::format(time)
}

/// Lines as events, numbered from `first` on.
pub(super) fn events(source: &str, first: u64, lines: &[Value]) -> Value {
    let event = |(sequence, data): (u64, &Value)| {
        json!({"specversion": "1.0", "type": "dev.sycee.usage.v1", "source": source, "id": format!("e{sequence}"),
            "sequence": sequence.to_string(), "data": data})
    };
    (first..).zip(lines).map(event).collect()
}

#[expect(clippy::needless_pass_by_value, reason = "tests write bodies in place")]
pub(super) fn report(events: Value) -> Call {
    call("POST", "/usage").bytes(EVENTS, events.to_string())
}

/// The catalogue with a second provider, whose site is South.
pub(super) fn with_sun() -> Value {
    let mut document = catalogue();
    let mut add = |kind: &str, thing: Value| document[kind].as_array_mut().unwrap().push(thing);
    add(
        "member",
        json!({"name": "Sun", "roles": ["provider"], "accounts": [{"name": "income", "asset": "CNY"}]}),
    );
    add("provider", json!({"name": "Sun Compute", "member": "Sun"}));
    for (kind, of, field) in [("site", "Sun Compute", "provider"), ("offer", "South", "site")] {
        let mut thing = document[kind][0].clone();
        thing[field] = of.into();
        if kind == "site" {
            thing["name"] = "South".into();
        }
        document[kind].as_array_mut().unwrap().push(thing);
    }
    document
}

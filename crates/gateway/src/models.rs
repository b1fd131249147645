//! The list of models: those that somebody offers at a price now.
use serde_json::{Value, json};
use sycee_core::State;
use sycee_core::catalog::Model;
use sycee_core::ids::{ModelId, Time};
use sycee_core::membership::Standing;

use crate::gateway::Shared;
use crate::problem::Problem;

pub(crate) fn list(shared: &Shared) -> Value {
    let now = shared.handle.now();
    let views = shared.handle.views();
    let models = views.state.catalog.models().iter();
    let mut sold: Vec<(&ModelId, &Model)> =
        models.filter(|(id, model)| is_sold(&views.state, **id, model, now)).collect();
    sold.sort_by_key(|(_, model)| &model.name);
    let data: Vec<Value> = sold.into_iter().map(|(id, model)| shown(&views.state, *id, model)).collect();
    json!({"object": "list", "data": data})
}

pub(crate) fn get(shared: &Shared, name: &str) -> Result<Value, Problem> {
    let now = shared.handle.now();
    let views = shared.handle.views();
    let found = views.state.catalog.model_by_name(name);
    let (id, model) = found
        .filter(|(id, model)| is_sold(&views.state, *id, model, now))
        .ok_or_else(|| Problem::no_such_model(name))?;
    Ok(shown(&views.state, id, model))
}

fn is_sold(state: &State, id: ModelId, model: &Model, now: Time) -> bool {
    let catalog = &state.catalog;
    let mut offers = catalog.offers().iter().filter(|(_, offer)| offer.model == id);
    model.standing == Standing::Active
        && offers.any(|(offer, _)| catalog.is_open(*offer) && catalog.schedule_at(*offer, now).is_some())
}

fn shown(state: &State, id: ModelId, model: &Model) -> Value {
    let owner =
        state.ledger.account(model.account).and_then(|account| state.membership.member(account.member));
    let owner = owner.map_or("", |member| member.name.as_str());
    // An id says in its first 48 bits when it was drawn, in milliseconds.
    let created_s = u64::try_from(id.0 >> 80).expect("48 bits fit into 64") / 1_000;
    json!({
        "id": model.name, "object": "model", "created": created_s, "owned_by": owner,
        "kind": model.kind.name(), "context_length": model.context,
    })
}

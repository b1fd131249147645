//! The endpoints that are not of the protocol: health, models, and `/sim/…`, by which a simulation is steered.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use bytes::Bytes;
use serde::Deserialize;
use serde_json::{Value, json};

use super::answer::Problem;
use super::config::{ModelConfig, ModelKind};
use super::request::read_json;
use super::seen::SeenRequest;
use super::state::Shared;

type Shares = State<Arc<Shared>>;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Gate {
    open: bool,
}

pub(crate) async fn health(State(shared): Shares) -> Json<Value> {
    Json(json!({"status": "ok", "simulated": true, "name": shared.config.name}))
}

pub(crate) async fn list_models(State(shared): Shares, headers: HeaderMap) -> Result<Json<Value>, Problem> {
    shared.authorise(&headers)?;
    let data: Vec<_> = shared.config.models.iter().map(|model| describe(&shared, model)).collect();
    Ok(Json(json!({"object": "list", "data": data})))
}

pub(crate) async fn get_model(
    State(shared): Shares,
    headers: HeaderMap,
    Path(id): Path<String>,
) -> Result<Json<Value>, Problem> {
    shared.authorise(&headers)?;
    let found = shared.config.models.iter().find(|model| model.id == id);
    let model = found.ok_or_else(|| Problem::no_model(&id))?;
    Ok(Json(describe(&shared, model)))
}

fn describe(shared: &Shared, model: &ModelConfig) -> Value {
    let kind = match model.kind {
        ModelKind::Chat => "chat",
        ModelKind::Embedding => "embedding",
    };
    json!({
        "id": model.id,
        "object": "model",
        "created": shared.created,
        "owned_by": format!("{} (simulated)", shared.config.name),
        "kind": kind,
        "context_length": model.context_tokens,
    })
}

pub(crate) async fn get_behaviour(State(shared): Shares) -> Json<Value> {
    Json(json!(*shared.current()))
}

pub(crate) async fn change_behaviour(State(shared): Shares, body: Bytes) -> Result<Json<Value>, Problem> {
    let patch: Value = read_json(&body)?;
    shared.change(&patch).map_err(|error| Problem::invalid(format!("failed to {error}")))?;
    Ok(Json(json!(*shared.current())))
}

pub(crate) async fn reset_behaviour(State(shared): Shares) -> Json<Value> {
    shared.behaviour.send_replace(Arc::new(shared.config.behaviour.clone()));
    Json(json!(*shared.current()))
}

pub(crate) async fn get_gate(State(shared): Shares) -> Json<Value> {
    Json(json!({"open": shared.current().gate_open, "waiting": shared.waiting()}))
}

pub(crate) async fn set_gate(State(shared): Shares, body: Bytes) -> Result<Json<Value>, Problem> {
    let Gate { open } = read_json(&body)?;
    let waiting = shared.waiting();
    shared
        .change(&json!({"gate_open": open}))
        .map_err(|error| Problem::invalid(format!("failed to {error}")))?;
    Ok(Json(json!({"open": open, "waiting": waiting})))
}

pub(crate) async fn list_requests(State(shared): Shares) -> Json<Vec<SeenRequest>> {
    Json(shared.ring.all())
}

pub(crate) async fn forget_requests(State(shared): Shares) -> StatusCode {
    shared.ring.clear();
    StatusCode::NO_CONTENT
}

pub(crate) async fn no_such_path() -> Problem {
    let message = "the simulated provider has no such endpoint";
    Problem::new(StatusCode::NOT_FOUND, "invalid_request_error", message)
}

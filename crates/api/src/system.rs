//! The platform itself: its health, its log, its metrics.
use crate::caller::Caller;
use crate::state::{Api, newest};
use crate::time;
use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use serde::Serialize;
use std::fmt::Write as _;
use sycee_core::ids::Hash;
use utoipa::ToSchema;

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Health {
    status: HealthStatus,
    /// Of the newest entry decided.
    position: u64,
    /// Of the newest entry that is on the disk, which is the newest that anybody is told of.
    durable_position: u64,
    started_at: String,
    version: &'static str,
    log_id: String,
    /// Why it is not `ok`.
    reasons: Vec<String>,
}

/// Whether it is well: `degraded` when something needs an operator, `stopped` when nothing is written any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum HealthStatus {
    Ok,
    Degraded,
    Stopped,
}

#[derive(Debug, Serialize, ToSchema)]
#[expect(clippy::struct_field_names, reason = "the log's id is called so in every answer that has it")]
pub(crate) struct Log {
    log_id: String,
    /// The name that checkpoints are signed under.
    origin: String,
    /// Ed25519, hexadecimal.
    public_key: String,
    /// Of the newest entry decided.
    position: u64,
    /// Of the newest entry on the disk.
    durable_position: u64,
    /// The checkpoint covers the entries before this position.
    checkpoint_position: u64,
    /// Root of the tree over them, hexadecimal.
    root: String,
    /// The signed note (C2SP tlog-checkpoint).
    checkpoint: String,
    assets: Vec<AssetRow>,
}

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AssetRow {
    code: String,
    decimals: u8,
}

/// Whether it is well; needs no key. 503 once it has stopped.
#[utoipa::path(get, path = "/health", operation_id = "health_get", tag = "system", security(()),
    responses((status = 200, body = Health), (status = 503, body = Health)))]
pub(crate) async fn health(State(api): State<Api>) -> (StatusCode, Json<Health>) {
    let status = api.node.status();
    let mut reasons: Vec<String> = status.stopped.iter().cloned().collect();
    if let Some(behind) = status.clock_behind {
        reasons.push(format!("the clock is {} s behind the log", behind.as_secs()));
    }
    let (code, health) = match (&status.stopped, reasons.is_empty()) {
        (Some(_), _) => (StatusCode::SERVICE_UNAVAILABLE, HealthStatus::Stopped),
        (None, false) => (StatusCode::OK, HealthStatus::Degraded),
        (None, true) => (StatusCode::OK, HealthStatus::Ok),
    };
    let health = Health {
        status: health,
        position: newest(status.position),
        durable_position: newest(status.durable),
        started_at: time::format(status.started),
        version: env!("CARGO_PKG_VERSION"),
        log_id: log_id(&api),
        reasons,
    };
    (code, Json(health))
}

fn log_id(api: &Api) -> String {
    let views = api.node.views();
    views.state.genesis.charter().map_or_else(String::new, |charter| format!("{:032x}", charter.log_id))
}

/// The log: what it is, how far it is, and the latest signed checkpoint.
#[utoipa::path(get, path = "/log", operation_id = "log_get", tag = "system",
    responses((status = 200, body = Log)))]
pub(crate) async fn log(State(api): State<Api>, _: Caller) -> Json<Log> {
    let (status, checkpoint) = (api.node.status(), api.node.checkpoint());
    let views = api.node.views();
    let charter = views.state.genesis.charter().expect("a node runs on a founded log");
    let assets =
        charter.assets.iter().map(|asset| AssetRow { code: asset.code.clone(), decimals: asset.decimals });
    Json(Log {
        log_id: format!("{:032x}", charter.log_id),
        origin: charter.origin.clone(),
        public_key: Hash(charter.public_key).to_string(),
        position: newest(status.position),
        durable_position: newest(status.durable),
        checkpoint_position: checkpoint.size,
        root: Hash(checkpoint.root).to_string(),
        checkpoint: checkpoint.text,
        assets: assets.collect(),
    })
}

/// Prometheus text exposition format; no key, and nothing about single members.
pub(crate) async fn metrics(State(api): State<Api>) -> impl IntoResponse {
    let status = api.node.status();
    let (holds, sold) = {
        let views = api.node.views();
        (views.state.settlement.holds().len(), views.sold())
    };
    let mut text = String::new();
    let mut say = |name: &str, kind: &str, help: &str, value: f64| {
        writeln!(text, "# HELP sycee_{name} {help}\n# TYPE sycee_{name} {kind}\nsycee_{name} {value}")
            .expect("writing to a string");
    };
    #[expect(clippy::cast_precision_loss, reason = "Prometheus counts in floats")]
    {
        say("log_entries", "counter", "Entries decided.", status.position as f64);
        say("log_entries_durable", "counter", "Entries durable.", status.durable as f64);
        say("open_holds", "gauge", "Requests that money is held for.", holds as f64);
        say("receipts_total", "counter", "Receipts settled.", sold.requests as f64);
        say(
            "energy_joules_total",
            "counter",
            "Energy of settled receipts at the machine.",
            sold.microjoules as f64 / 1e6,
        );
        say("stopped", "gauge", "1 once writing has stopped.", f64::from(u8::from(status.stopped.is_some())));
    }
    for more in &api.options.metrics {
        text.push_str(&more());
    }
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], text)
}

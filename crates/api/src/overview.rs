//! The overview: how the platform is doing, in one look and then live.
use crate::caller::Caller;
use crate::catalog::Site;
use crate::error::{ErrorBody, Problem};
use crate::receipts::OverviewReceipt;
use crate::state::Api;
use axum::extract::State;
use axum::http::{HeaderName, HeaderValue, header};
use axum::response::sse::{Event, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use serde::Serialize;
use std::time::Duration;
use utoipa::ToSchema;

mod board;
mod now;
pub(crate) use board::Board;
use board::Seer;
#[cfg(test)]
pub(crate) use board::WATCHERS_MAX;

/// At most four updates a second.
const UPDATE_EVERY: Duration = Duration::from_millis(250);
/// Then an update even when nothing was written, so that rates fall and the page knows that it is alive.
const BEAT_AFTER: Duration = Duration::from_millis(750);

/// How the platform is doing.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct Overview {
    at: String,
    /// Of the newest entry shown.
    position: u64,
    /// How long the oldest entry that is not on the disk yet has been waiting for it; 0 if none waits.
    durable_lag_ms: u64,
    open_holds: usize,
    /// Over the last ten whole seconds.
    tokens_per_s: f64,
    /// Over the last ten whole seconds, at sites that are paid in `asset`.
    money_per_s: String,
    asset: String,
    /// Whether entries are being written.
    healthy: bool,
    /// From west to east.
    sites: Vec<OverviewSite>,
    flows: Vec<Flow>,
    /// The twenty newest.
    receipts: Vec<OverviewReceipt>,
}

/// A site and what it is doing.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct OverviewSite {
    #[serde(flatten)]
    site: Site,
    /// Over the last ten whole seconds.
    tokens_per_s: f64,
    /// Of the last minute's tokens; null if there were none.
    joules_per_token: Option<f64>,
    /// Tokens in each of the last sixty seconds, oldest first.
    load: Vec<u64>,
    /// Whether its state is `healthy`.
    healthy: bool,
    /// `healthy`; `degraded` while one of its offers has failed so often that the gateway asks it last for a while, and has not
    /// served since; `unconfigured` if the gateway has no address for it or cannot count what it sells; `withdrawn` if nothing
    /// can be bought there.
    state: SiteState,
    /// Since when it has been degraded; null if it is not.
    failing_since: Option<String>,
    /// Money per million visible output tokens at its cheapest chat offer; null if it has none.
    price_output: Option<String>,
}

/// Whether a site serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum SiteState {
    Healthy,
    Degraded,
    Unconfigured,
    Withdrawn,
}

/// What ran in the last minute from a site through a model to a consumer.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct Flow {
    site: String,
    model: String,
    model_name: String,
    /// Name of the member; null for the sum of those that the caller may not know.
    consumer: Option<String>,
    tokens_per_min: u64,
}

/// How the platform is doing. Names of other consumers are left out unless the caller sees all.
#[utoipa::path(get, path = "/overview", operation_id = "overview_get", tag = "overview",
    responses((status = 200, body = Overview)))]
pub(crate) async fn get(State(api): State<Api>, caller: Caller) -> Result<Response, Problem> {
    let moment = api.board.shows(&api, api.newest_position()).await?;
    let json = HeaderValue::from_static("application/json");
    Ok(([(header::CONTENT_TYPE, json)], moment.text(Seer::of(&caller)).to_string()).into_response())
}

/// The overview again whenever something was written, at most four times a second, as server-sent events named `overview`;
/// the id of each is its position. A page that was away asks again and is up to date with the first event.
#[utoipa::path(get, path = "/overview/events", operation_id = "overview_follow", tag = "overview",
    responses((status = 200, content_type = "text/event-stream", body = String), (status = 503, body = ErrorBody)))]
pub(crate) async fn follow(State(api): State<Api>, caller: Caller) -> Result<Response, Problem> {
    let watcher = api.board.admit();
    let watcher = watcher.ok_or_else(|| {
        Problem::unavailable("api.too_many_watchers", "too many pages follow the overview").retry_after(10)
    })?;
    let durable = api.node.durable();
    let first = (api, caller, durable, watcher, true);
    let events = stream::unfold(first, |(api, caller, mut durable, watcher, is_first)| async move {
        if !is_first {
            tokio::time::sleep(UPDATE_EVERY).await;
            // An update is due when something was written, or after a beat; an ended node ends the stream.
            if let Ok(Err(_)) = tokio::time::timeout(BEAT_AFTER, durable.changed()).await {
                return None;
            }
        }
        // Who may no longer look sees no more: a revoked key or a suspended member ends the stream.
        let caller = crate::caller::of_key(&api, caller.key)?;
        let moment = api.board.not_older_than(&api, UPDATE_EVERY).await.ok()?;
        api.node.settled().await.ok()?;
        let event = Event::default().event("overview").id(moment.position().to_string());
        let event: Result<Event, axum::Error> = Ok(event.data(moment.text(Seer::of(&caller))));
        Some((event, (api, caller, durable, watcher, false)))
    });
    let mut response = Sse::new(events).into_response();
    let headers = response.headers_mut();
    headers.insert(HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no"));
    Ok(response)
}

//! The overview: how the platform is doing, in one look and then live.
use crate::caller::Caller;
use crate::catalog::Site;
use crate::error::{ErrorBody, Problem};
use crate::money::Currency;
use crate::receipts::{self, joules};
use crate::state::Api;
use crate::time;
use axum::Json;
use axum::extract::State;
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::sse::{Event, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use serde::Serialize;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use sycee_core::ids::{Asset, SiteId, Time};
use sycee_node::{Direction, Rate, Views};
use utoipa::ToSchema;

/// Pages that may follow the live stream.
const WATCHERS_MAX: usize = 1_000;
/// At most four updates a second.
const UPDATE_EVERY: Duration = Duration::from_millis(250);
/// An update even when nothing was written, so that rates fall and the page knows that it is alive.
const BEAT_EVERY: Duration = Duration::from_secs(1);
const RECEIPTS: usize = 20;
/// Rates are of the last ten whole seconds.
const RATE_SECONDS: usize = 10;

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Overview {
    at: String,
    position: u64,
    /// How long the newest decided entry has been waiting for the disk, at most.
    durable_lag_ms: u64,
    open_holds: usize,
    tokens_per_s: f64,
    /// Money a second, averaged like the tokens.
    money_per_s: String,
    asset: String,
    healthy: bool,
    sites: Vec<SiteNow>,
    flows: Vec<Flow>,
    receipts: Vec<receipts::Summary>,
}

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SiteNow {
    #[serde(flatten)]
    site: Site,
    tokens_per_s: f64,
    /// Of the last minute's tokens; null if there were none.
    joules_per_token: Option<f64>,
    /// Tokens in each of the last sixty seconds, oldest first.
    load: Vec<u64>,
    /// Whether it can be sold now.
    healthy: bool,
    /// Money per million visible output tokens at its cheapest chat offer.
    price_output: Option<String>,
}

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Flow {
    site: String,
    model: String,
    model_name: String,
    /// Name of the member; null where the caller may not know.
    consumer: Option<String>,
    tokens_per_min: u64,
}

/// How the platform is doing. Names of other consumers are left out unless the caller sees all.
#[utoipa::path(get, path = "/overview", operation_id = "overview_get", tag = "overview",
    responses((status = 200, body = Overview), (status = 401, body = ErrorBody)))]
pub(crate) async fn get(State(api): State<Api>, caller: Caller) -> Result<Json<Overview>, Problem> {
    read(&api, &caller).map(Json)
}

fn read(api: &Api, caller: &Caller) -> Result<Overview, Problem> {
    let status = api.node.status();
    let now = status.at;
    let newest = api.node.views().receipts(None, None, RECEIPTS);
    let mut recorded = Vec::with_capacity(newest.len());
    for (_, request) in newest {
        recorded.extend(api.node.receipt(request)?);
    }
    let views = api.node.views();
    let state = &views.state;
    let currency = Currency::of(state, Asset(0));
    let own = |account| state.ledger.account(account).is_some_and(|details| details.member == caller.id);
    let receipts = recorded.iter().map(|receipt| {
        let payer = match &receipt.closed {
            sycee_node::Closed::Settled { receipt, .. } => receipt.account,
            sycee_node::Closed::Released { account, .. } => *account,
        };
        receipts::summary(state, receipt, caller.sees_all() || own(payer))
    });
    let flows = views.activity().flows(now);
    let sites = state.catalog.sites().iter();
    let sites: Vec<SiteNow> = sites.map(|(id, site)| site_now(&views, *id, site, &currency, now)).collect();
    let tokens_per_s = sites.iter().map(|site| site.tokens_per_s).sum();
    let seconds = i128::try_from(Views::ACTIVITY_SECONDS).unwrap_or(1);
    let money: i128 = flows.values().map(|rate| rate.money).sum();
    let waiting = status.position > status.durable;
    Ok(Overview {
        at: time::format(now),
        position: status.durable,
        durable_lag_ms: if waiting { now.0.saturating_sub(state.at.0) / 1_000_000 } else { 0 },
        open_holds: state.settlement.holds().len(),
        tokens_per_s,
        money_per_s: currency.write(money / seconds),
        asset: currency.code.clone(),
        healthy: status.stopped.is_none(),
        sites: by_longitude(sites),
        flows: flows.iter().map(|(direction, rate)| flow(&views, caller, direction, rate)).collect(),
        receipts: receipts.collect(),
    })
}

fn by_longitude(mut sites: Vec<SiteNow>) -> Vec<SiteNow> {
    sites.sort_by(|site, other| site.site.longitude.total_cmp(&other.site.longitude));
    sites
}

#[expect(clippy::cast_precision_loss, reason = "rates for people to look at")]
fn site_now(
    views: &Views,
    id: SiteId,
    site: &sycee_core::catalog::Site,
    currency: &Currency,
    now: Time,
) -> SiteNow {
    let catalog = &views.state.catalog;
    let load = views.activity().load(id, now);
    let recent: u64 = load.iter().rev().take(RATE_SECONDS).sum();
    let rates = views.activity().flows(now);
    let of_site = rates.iter().filter(|(direction, _)| direction.site == id).map(|(_, rate)| rate);
    let (tokens, energy) = of_site
        .fold((0u64, 0u64), |(tokens, energy), rate| (tokens + rate.tokens, energy + rate.microjoules));
    let offers = catalog.offers().iter().filter(|(offer, it)| it.site == id && catalog.is_open(**offer));
    let prices = offers.clone().filter_map(|(offer, _)| catalog.schedule_at(*offer, now));
    let price = prices
        .map(|(_, it)| it.prices.get(sycee_core::buckets::Bucket::OutputVisible))
        .filter(|it| *it > 0)
        .min();
    SiteNow {
        site: crate::catalog::site_view(&views.state, id, site),
        tokens_per_s: recent as f64 / RATE_SECONDS as f64,
        joules_per_token: (tokens > 0).then(|| joules(energy) / tokens as f64),
        load: load.to_vec(),
        healthy: offers.count() > 0,
        price_output: price.map(|price| currency.write(price.into())),
    }
}

fn flow(views: &Views, caller: &Caller, direction: &Direction, rate: &Rate) -> Flow {
    let state = &views.state;
    let named = caller.sees_all() || direction.consumer == caller.id;
    let consumer = state.membership.member(direction.consumer).filter(|_| named);
    Flow {
        site: direction.site.to_string(),
        model: direction.model.to_string(),
        model_name: state
            .catalog
            .models()
            .get(&direction.model)
            .map_or("", |model| model.name.as_str())
            .to_owned(),
        consumer: consumer.map(|member| member.name.clone()),
        tokens_per_min: rate.tokens,
    }
}

/// One page that follows; counted for as long as it does.
struct Watcher(Arc<AtomicUsize>);

impl Watcher {
    fn admit(watchers: &Arc<AtomicUsize>) -> Option<Self> {
        let admitted = watchers.fetch_update(Ordering::AcqRel, Ordering::Acquire, |count| {
            (count < WATCHERS_MAX).then_some(count + 1)
        });
        admitted.ok().map(|_| Self(Arc::clone(watchers)))
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

/// The overview again whenever something was written, at most four times a second, as server-sent events named `overview`;
/// the id of each is its position. A page that was away asks again and is up to date with the first event.
#[utoipa::path(get, path = "/overview/events", operation_id = "overview_follow", tag = "overview",
    responses((status = 200, content_type = "text/event-stream", body = String), (status = 401, body = ErrorBody),
        (status = 503, body = ErrorBody)))]
pub(crate) async fn follow(State(api): State<Api>, caller: Caller) -> Result<Response, Problem> {
    let watcher = Watcher::admit(&api.watchers).ok_or_else(|| {
        Problem::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "api.too_many_watchers",
            "too many pages follow the overview",
        )
    })?;
    let durable = api.node.durable();
    let first = (api, caller, durable, watcher, true);
    let events = stream::unfold(first, |(api, caller, mut durable, watcher, is_first)| async move {
        if !is_first {
            tokio::time::sleep(UPDATE_EVERY).await;
            // An update is due when something was written, or after a beat; an ended node ends the stream.
            match tokio::time::timeout(BEAT_EVERY - UPDATE_EVERY, durable.changed()).await {
                Ok(Err(_)) => return None,
                Ok(Ok(())) | Err(_) => {}
            }
        }
        let caller = crate::caller::of_key(&api, caller.key)?;
        let overview = read(&api, &caller).ok()?;
        let id = overview.position.to_string();
        let event = Event::default().event("overview").id(id).json_data(overview);
        Some((event, (api, caller, durable, watcher, false)))
    });
    let mut response = Sse::new(events).into_response();
    response
        .headers_mut()
        .insert(HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no"));
    Ok(response)
}

//! Routing: which offers may serve a request, the cheapest healthy one first.
//!
//! An offer qualifies if the catalogue sells it now in the account's asset, its site is configured here, and what it pins to count
//! by is loaded. Offers that rest or are full come last rather than not at all: money is decided before capacity, and when nothing
//! else is left, trying beats refusing.
use std::cmp::Reverse;
use std::sync::Arc;

use serde_json::{Map, Value};
use sycee_core::State;
use sycee_core::arithmetic::price;
use sycee_core::buckets::{Bucket, Buckets};
use sycee_core::catalog::{Kind, Model, Offer, Schedule};
use sycee_core::ids::{AccountId, Amount, Asset, ModelId, OfferId, Time};
use sycee_core::ledger::Account;
use sycee_core::limits::CANDIDATES_MAX;
use sycee_core::membership::Standing;
use sycee_core::settlement::Endpoint;

use crate::flow::Candidate;
use crate::health::Health;
use crate::options::Options;
use crate::problem::Problem;
use crate::registry::Sent;

/// What has to be known to choose.
#[derive(Debug)]
pub(crate) struct Wanted<'a> {
    pub(crate) model: &'a str,
    pub(crate) endpoint: Endpoint,
    pub(crate) account: AccountId,
    pub(crate) output_asked: Option<u64>,
    pub(crate) choices: u32,
    pub(crate) body: &'a Map<String, Value>,
}

/// Where a request may go.
#[derive(Debug)]
pub(crate) struct Route {
    pub(crate) model: ModelId,
    pub(crate) context: u64,
    pub(crate) input_bound: u64,
    /// See [`crate::flow::Order::count_first`].
    pub(crate) count_first: bool,
    pub(crate) candidates: Vec<Candidate>,
}

/// An offer that is sold now.
struct Sold<'a> {
    id: OfferId,
    offer: &'a Offer,
    site_name: &'a str,
    schedule: &'a Schedule,
}

pub(crate) fn route(
    state: &State,
    wanted: &Wanted<'_>,
    options: &Options,
    health: &Health,
    now: Time,
) -> Result<Route, Problem> {
    let no_such_model = || Problem::no_such_model(wanted.model);
    let (model_id, model) = state.catalog.model_by_name(wanted.model).ok_or_else(no_such_model)?;
    if model.standing != Standing::Active {
        return Err(no_such_model());
    }
    check_kind(model, wanted)?;
    let asset = state.ledger.account(wanted.account).map(|account| account.asset);
    let asset = asset.ok_or_else(Problem::key_without_account)?;
    let sold = offers_sold(state, model_id, asset, now);
    if sold.is_empty() {
        return Err(no_such_model());
    }
    let mut ranked: Vec<(Rank, &Sold<'_>, Candidate)> = Vec::new();
    for sold in &sold {
        let Some(candidate) = candidate(sold, wanted, options, &ranked) else {
            continue;
        };
        ranked.push((rank(sold, &candidate, model, wanted, health, now), sold, candidate));
    }
    if ranked.is_empty() {
        return Err(Problem::no_provider(wanted.model));
    }
    ranked.sort_by_key(|(rank, sold, _)| (*rank, sold.id));
    ranked.truncate(CANDIDATES_MAX);
    let input_bound = ranked.iter().map(|(_, _, candidate)| candidate.sent.bound()).max().unwrap_or(0);
    let count_first = worth_counting(state, wanted, model, input_bound, &ranked);
    let candidates = ranked.into_iter().map(|(_, _, candidate)| candidate).collect();
    Ok(Route { model: model_id, context: model.context, input_bound, count_first, candidates })
}

fn check_kind(model: &Model, wanted: &Wanted<'_>) -> Result<(), Problem> {
    let fits = match model.kind {
        Kind::Chat => wanted.endpoint == Endpoint::Chat,
        Kind::Embedding => wanted.endpoint == Endpoint::Embeddings,
    };
    if fits {
        return Ok(());
    }
    let message = format!("`{}` is a model for {}; ask another one.", model.name, model.kind.name());
    Err(Problem::bad_request("model", message))
}

fn offers_sold(state: &State, model: ModelId, asset: Asset, now: Time) -> Vec<Sold<'_>> {
    let catalog = &state.catalog;
    let mut sold = Vec::new();
    for (id, offer) in catalog.offers().iter().filter(|(_, offer)| offer.model == model) {
        let Some((_, schedule)) = catalog.schedule_at(*id, now) else {
            continue;
        };
        let Some(site) = catalog.sites().get(&offer.site) else {
            continue;
        };
        if catalog.is_open(*id) && schedule.asset == asset {
            sold.push(Sold { id: *id, offer, site_name: &site.name, schedule });
        }
    }
    sold
}

/// The offer with the prompt as it counts it; none if its site is not configured or its counter is not loaded. Offers that
/// count alike share one rendered prompt.
fn candidate<T, U>(
    sold: &Sold<'_>,
    wanted: &Wanted<'_>,
    options: &Options,
    others: &[(T, U, Candidate)],
) -> Option<Candidate> {
    options.upstreams.get(sold.site_name)?;
    let terms = &sold.offer.terms;
    let Some(counter) = options.registry.counter(terms) else {
        tracing::warn!(offer = %sold.id, "the tokenizer or template that the offer pins is not loaded");
        return None;
    };
    let known = others.iter().map(|(_, _, other)| &other.sent).find(|sent| sent.counter.is_same(&counter));
    let sent = match known {
        Some(sent) => Arc::clone(sent),
        None => Arc::new(Sent::new(counter, wanted.endpoint, wanted.body)),
    };
    Some(Candidate {
        offer: sold.id,
        site_name: sold.site_name.to_owned(),
        upstream_model: terms.upstream_model.clone(),
        output_max: terms.output_max,
        concurrency_max: terms.concurrency_max,
        sent,
    })
}

/// Smaller is better: healthy, with a free place, cheap, quick.
type Rank = (bool, bool, Amount, Reverse<bool>, u64);

fn rank(
    sold: &Sold<'_>,
    candidate: &Candidate,
    model: &Model,
    wanted: &Wanted<'_>,
    health: &Health,
    now: Time,
) -> Rank {
    let record = health.of(sold.id);
    let full = record.in_flight >= candidate.concurrency_max;
    let output = output_max(candidate, model, wanted).saturating_mul(wanted.choices.into());
    let usage = Buckets::default()
        .with(Bucket::InputUncached, candidate.sent.bound())
        .with(Bucket::OutputVisible, output);
    let cost = price::total(&usage, &sold.schedule.prices).unwrap_or(Amount::MAX);
    let first_token_ms = record.first_token_ms.unwrap_or(0);
    (!record.is_healthy(now), full, cost, Reverse(candidate.sent.is_countable()), first_token_ms)
}

fn output_max(candidate: &Candidate, model: &Model, wanted: &Wanted<'_>) -> u64 {
    if wanted.endpoint == Endpoint::Embeddings {
        return 0;
    }
    let possible = candidate.output_max.min(model.context);
    wanted.output_asked.map_or(possible, |asked| asked.min(possible))
}

/// Whether the bound would probably be refused or clamped where the exact count might not. The views lag behind the ledger, so
/// this only decides what is counted when, never what is granted.
fn worth_counting(
    state: &State,
    wanted: &Wanted<'_>,
    model: &Model,
    input_bound: u64,
    ranked: &[(Rank, &Sold<'_>, Candidate)],
) -> bool {
    let Some((_, _, first)) = ranked.first() else {
        return false;
    };
    let countable = first.sent.is_countable()
        && ranked.iter().all(|(_, _, candidate)| candidate.sent.counts_as(&first.sent));
    let available = state.ledger.balance(Account::Member(wanted.account)).map_or(0, |it| it.available());
    let dearest = ranked.iter().filter_map(|(_, sold, candidate)| {
        let output = output_max(candidate, model, wanted).saturating_mul(wanted.choices.into());
        price::bound(input_bound.min(model.context), output, &sold.schedule.prices)
    });
    // Without money nothing can be afforded, so nothing is worth counting.
    countable && available > 0 && dearest.max().is_some_and(|amount| amount > available)
}

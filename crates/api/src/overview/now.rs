//! Working out a moment: one pass over the last minute, one over the offers, and only the new receipts read from the log.
use super::board::Moment;
use super::{Flow, Overview, OverviewSite, SiteState};
use crate::error::Problem;
use crate::money::Currency;
use crate::receipts::{self, joules};
use crate::state::{Api, Sight, newest};
use crate::time;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Instant;
use sycee_core::buckets::Bucket;
use sycee_core::catalog::{self, Kind};
use sycee_core::ids::{AccountId, Amount, Asset, MemberId, RequestId, SiteId, Time};
use sycee_core::limits::SECOND;
use sycee_core::{State, ledger};
use sycee_node::{Activity, Direction, Rate, Status, Views};

/// Receipts shown.
const RECEIPTS: usize = 20;
/// Whole seconds that rates are taken over.
const RATE_SECONDS: u32 = 10;

pub(super) fn moment(api: &Api, before: Option<&Moment>) -> Result<Moment, Problem> {
    let taken = Instant::now();
    // What is written from here on may be shown, what was written before is.
    let (newest_closed, position) = {
        let views = api.node.views();
        (views.receipts(None, None, RECEIPTS), newest(views.state.position))
    };
    let mut recorded = BTreeMap::new();
    for (_, request) in &newest_closed {
        let known = before.and_then(|before| before.recorded.get(request)).cloned();
        let read = || api.node.receipt(*request).map(|found| found.map(Arc::new));
        recorded.extend(known.map_or_else(read, |known| Ok(Some(known)))?.map(|it| (*request, it)));
    }
    let status = api.node.status();
    let behind = behind(&status, before.and_then(|before| before.behind), taken);
    let views = api.node.views();
    let state = &views.state;
    let order = newest_closed.iter().filter_map(|(_, request)| recorded.get::<RequestId>(request));
    let (receipts, receipt_owners) = order
        .map(|receipt| (receipts::summary(state, receipt), owner(state, receipts::payer(receipt))))
        .unzip();
    let flows = views.activity().flows(status.at);
    let currency = Currency::of(state, Asset(0));
    let recent = recent(views.activity(), status.at);
    let overview = Overview {
        at: time::format(status.at),
        position,
        durable_lag_ms: behind.map_or(0, |(_, since)| milliseconds(since)),
        open_holds: state.settlement.holds().len(),
        tokens_per_s: a_second(recent.values().map(|rate| rate.tokens).sum()),
        money_per_s: currency.write(money(state, &recent) / Amount::from(RATE_SECONDS)),
        asset: currency.code,
        healthy: status.stopped.is_none(),
        sites: sites(api, &views, &flows, &recent, status.at),
        flows: flows.iter().map(|(direction, rate)| flow(state, direction, *rate)).collect(),
        receipts,
    };
    let flow_owners = flows.keys().map(|direction| direction.consumer).collect();
    Ok(Moment { taken, overview, flow_owners, receipt_owners, recorded, behind, texts: Mutex::default() })
}

/// Since when the oldest entry that is decided and not durable has been seen to wait.
fn behind(status: &Status, before: Option<(u64, Instant)>, now: Instant) -> Option<(u64, Instant)> {
    let waiting = status.position > status.durable;
    let same = before.filter(|(durable, _)| *durable == status.durable);
    waiting.then(|| same.unwrap_or((status.durable, now)))
}

fn milliseconds(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX)
}

fn owner(state: &State, account: AccountId) -> MemberId {
    state.ledger.account(account).map(|details| details.member).expect("a receipt's account is open")
}

/// What ran in the last ten whole seconds, by direction. The minute that ends fifty seconds from now has those ten seconds and
/// the one that has just begun, and the minute that ends in sixty has that one alone.
fn recent(activity: &Activity, now: Time) -> BTreeMap<Direction, Rate> {
    let ends_in = |seconds: u32| activity.flows(now.after(u64::from(seconds) * SECOND));
    let minute = u32::try_from(Views::ACTIVITY_SECONDS).expect("a minute");
    let (mut recent, begun) = (ends_in(minute - RATE_SECONDS), ends_in(minute));
    for (direction, rate) in &mut recent {
        let begun = begun.get(direction).copied().unwrap_or_else(Rate::default);
        rate.tokens = rate.tokens.saturating_sub(begun.tokens);
        rate.money -= begun.money;
        rate.microjoules = rate.microjoules.saturating_sub(begun.microjoules);
    }
    recent
}

/// Money in the first asset: a site is paid in the asset of its account.
fn money(state: &State, recent: &BTreeMap<Direction, Rate>) -> Amount {
    let in_first_asset = |site: &SiteId| {
        let account = state.catalog.sites().get(site).map(|site| ledger::Account::Member(site.account));
        account.and_then(|account| state.ledger.balance(account)).is_some_and(|it| it.asset == Asset(0))
    };
    recent.iter().filter(|(direction, _)| in_first_asset(&direction.site)).map(|(_, rate)| rate.money).sum()
}

#[expect(clippy::cast_precision_loss, reason = "rates for people to look at")]
fn a_second(tokens: u64) -> f64 {
    tokens as f64 / f64::from(RATE_SECONDS)
}

/// Tokens and energy by site.
fn by_site(rates: &BTreeMap<Direction, Rate>) -> BTreeMap<SiteId, (u64, u64)> {
    let mut sums: BTreeMap<SiteId, (u64, u64)> = BTreeMap::new();
    for (direction, rate) in rates {
        let (tokens, microjoules) = sums.entry(direction.site).or_default();
        *tokens = tokens.saturating_add(rate.tokens);
        *microjoules = microjoules.saturating_add(rate.microjoules);
    }
    sums
}

/// What of a site can be bought now.
#[derive(Debug, Default)]
struct Open {
    /// Of its cheapest chat offer, in units, if it has one.
    price: Option<u64>,
    /// The data plane sends requests to at least one of its offers.
    is_asked: bool,
    failing_since: Option<Time>,
}

impl Open {
    fn state(&self) -> SiteState {
        match (self.failing_since, self.is_asked) {
            (Some(_), _) => SiteState::Degraded,
            (None, false) => SiteState::Unconfigured,
            (None, true) => SiteState::Healthy,
        }
    }

    fn add(&mut self, sight: Sight) {
        self.is_asked |= sight != Sight::Unconfigured;
        if let Sight::Failing { since } = sight {
            self.failing_since = Some(self.failing_since.map_or(since, |former| former.min(since)));
        }
    }
}

fn open_sites(api: &Api, state: &State, now: Time) -> BTreeMap<SiteId, Open> {
    let catalog = &state.catalog;
    let mut sites: BTreeMap<SiteId, Open> = BTreeMap::new();
    for (id, offer) in catalog.offers().iter().filter(|(id, _)| catalog.is_open(**id)) {
        let open = sites.entry(offer.site).or_default();
        let look = api.options.look.as_ref().zip(catalog.sites().get(&offer.site));
        open.add(look.map_or(Sight::Serves, |(look, site)| look(site, *id, offer)));
        let chats = catalog.models().get(&offer.model).is_some_and(|model| model.kind == Kind::Chat);
        if let Some((_, schedule)) = catalog.schedule_at(*id, now).filter(|_| chats) {
            let price = schedule.prices.get(Bucket::OutputVisible);
            open.price = Some(open.price.map_or(price, |cheapest| cheapest.min(price)));
        }
    }
    sites
}

fn sites(
    api: &Api,
    views: &Views,
    minute: &BTreeMap<Direction, Rate>,
    recent: &BTreeMap<Direction, Rate>,
    now: Time,
) -> Vec<OverviewSite> {
    let state = &views.state;
    let (minute, recent, open) = (by_site(minute), by_site(recent), open_sites(api, state, now));
    let site = |(id, site): (&SiteId, &catalog::Site)| {
        let (tokens, microjoules) = minute.get(id).copied().unwrap_or((0, 0));
        let currency = Currency::of_account(state, site.account);
        let open = open.get(id);
        let price = open.and_then(|open| open.price);
        let state_now = open.map_or(SiteState::Withdrawn, Open::state);
        OverviewSite {
            site: crate::catalog::site_view(state, *id, site),
            tokens_per_s: a_second(recent.get(id).map_or(0, |(tokens, _)| *tokens)),
            joules_per_token: per_token(microjoules, tokens),
            load: views.activity().load(*id, now).to_vec(),
            healthy: state_now == SiteState::Healthy,
            state: state_now,
            failing_since: open.and_then(|open| open.failing_since).map(time::format),
            price_output: price.map(|price| currency.write(price.into())),
        }
    };
    let mut sites: Vec<OverviewSite> = state.catalog.sites().iter().map(site).collect();
    sites.sort_by(|site, other| site.site.longitude.total_cmp(&other.site.longitude));
    sites
}

#[expect(clippy::cast_precision_loss, reason = "a ratio for people to look at")]
fn per_token(microjoules: u64, tokens: u64) -> Option<f64> {
    (tokens > 0).then(|| joules(microjoules) / tokens as f64)
}

fn flow(state: &State, direction: &Direction, rate: Rate) -> Flow {
    let model = state.catalog.models().get(&direction.model);
    let consumer = state.membership.member(direction.consumer);
    Flow {
        site: direction.site.to_string(),
        model: direction.model.to_string(),
        model_name: model.map_or_else(String::new, |model| model.name.clone()),
        consumer: consumer.map(|member| member.name.clone()),
        tokens_per_min: rate.tokens,
    }
}

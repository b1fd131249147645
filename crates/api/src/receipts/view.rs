//! A receipt as it is shown: every figure with what it is made of.
use super::parts::{
    AttemptMade, BucketLine, SplitLine, always_shown, attempts, counts, energy_cost, joules, lines, parts,
};
use crate::money::{Currency, party_name};
use crate::time;
use crate::vocabulary::{Basis, Endpoint, Finish, Measure};
use serde::Serialize;
use std::collections::BTreeMap;
use sycee_core::State;
use sycee_core::buckets::Buckets;
use sycee_core::ledger::{Account, Leg};
use sycee_core::settlement::Settled;
use sycee_node::{Closed, Receipt as Recorded};
use utoipa::ToSchema;

/// The settled record of one request. Amounts are decimal strings in `asset`; the split sums to `total`.
#[derive(Debug, Serialize, ToSchema)]
#[expect(clippy::struct_excessive_bools, reason = "four facts that have nothing to do with each other")]
pub(crate) struct Receipt {
    id: String,
    /// When it was settled.
    at: String,
    model: Option<String>,
    model_name: Option<String>,
    offer: Option<String>,
    site: Option<String>,
    site_name: Option<String>,
    region: Option<String>,
    region_zh: Option<String>,
    /// Whether the site is a simulation.
    simulated: bool,
    schedule: Option<String>,
    consumer: String,
    account: String,
    /// What the consumer calls the key; null where the caller may not know.
    pub(super) key_label: Option<String>,
    endpoint: Option<Endpoint>,
    stream: bool,
    /// Tokens by bucket: those that are not zero, and always `input_uncached` and `output_visible`.
    buckets: BTreeMap<&'static str, u64>,
    /// Money per million tokens, for the buckets shown.
    prices: BTreeMap<&'static str, String>,
    lines: Vec<BucketLine>,
    asset: String,
    total: String,
    /// What had been held for it.
    hold: Option<String>,
    /// The hold was less than the price; the difference is the provider's loss.
    capped: bool,
    split: Vec<SplitLine>,
    /// Joules at the machine.
    joules: f64,
    joules_badge: Option<Basis>,
    /// Money per kilowatt hour at the site when it was settled.
    power_price: Option<String>,
    pue: Option<String>,
    /// joules × PUE × power price, rounded down: what the energy cost the site.
    energy_cost: Option<String>,
    started_at: String,
    duration_ms: u64,
    first_token_ms: Option<u32>,
    finish: Finish,
    /// `own_count` where both sides were counted here, else `unverified`.
    basis: Option<Measure>,
    input_basis: Option<Measure>,
    output_basis: Option<Measure>,
    /// What the provider reported.
    reported: Option<BTreeMap<&'static str, u64>>,
    /// The report lies outside what the own count allows; the bill is the own count.
    dispute: bool,
    attempts: Vec<AttemptMade>,
    /// Position of the entry in the log.
    position: u64,
    /// RFC 6962 hash of the entry's leaf, hexadecimal.
    leaf: String,
    /// The latest signed checkpoint covers the entries before this position.
    checkpoint_position: u64,
}

/// A receipt in one line.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct OverviewReceipt {
    id: String,
    at: String,
    model: Option<String>,
    site: Option<String>,
    /// Name of the member who paid; null where the caller may not know.
    pub(crate) consumer: Option<String>,
    tokens: u64,
    total: String,
    asset: String,
    finish: Finish,
}

pub(crate) fn receipt(state: &State, recorded: &Recorded, checkpoint: u64) -> Receipt {
    match &recorded.closed {
        Closed::Settled { receipt, legs } => settled(state, recorded, receipt, legs, checkpoint),
        Closed::Released { account, release } => Receipt {
            attempts: attempts(state, &release.attempts),
            started_at: time::format(release.started),
            duration_ms: milliseconds(recorded, release.started.0),
            finish: release.finish.into(),
            ..empty(state, recorded, *account, checkpoint)
        },
    }
}

pub(crate) fn summary(state: &State, recorded: &Recorded) -> OverviewReceipt {
    let full = receipt(state, recorded, 0);
    OverviewReceipt {
        id: full.id,
        at: full.at,
        model: full.model_name,
        site: full.site_name,
        consumer: Some(full.consumer),
        tokens: full.buckets.values().sum(),
        total: full.total,
        asset: full.asset,
        finish: full.finish,
    }
}

fn milliseconds(recorded: &Recorded, started: u64) -> u64 {
    recorded.at.0.saturating_sub(started) / 1_000_000
}

/// What every receipt says, with nothing bought.
fn empty(
    state: &State,
    recorded: &Recorded,
    account: sycee_core::ids::AccountId,
    checkpoint: u64,
) -> Receipt {
    let details = state.ledger.account(account).expect("a receipt's account is open");
    let currency = Currency::of(state, details.asset);
    Receipt {
        id: recorded.request.to_string(),
        at: time::format(recorded.at),
        model: None,
        model_name: None,
        offer: None,
        site: None,
        site_name: None,
        region: None,
        region_zh: None,
        simulated: false,
        schedule: None,
        consumer: party_name(state, Account::Member(account)),
        account: account.to_string(),
        key_label: None,
        endpoint: None,
        stream: false,
        buckets: counts(&Buckets::default()),
        prices: BTreeMap::new(),
        lines: Vec::new(),
        asset: currency.code.clone(),
        total: currency.write(0),
        hold: None,
        capped: false,
        split: Vec::new(),
        joules: 0.0,
        joules_badge: None,
        power_price: None,
        pue: None,
        energy_cost: None,
        started_at: time::format(recorded.at),
        duration_ms: 0,
        first_token_ms: None,
        finish: Finish::Other,
        basis: None,
        input_basis: None,
        output_basis: None,
        reported: None,
        dispute: false,
        attempts: Vec::new(),
        position: recorded.position,
        leaf: recorded.leaf.to_string(),
        checkpoint_position: checkpoint,
    }
}

/// What both sides stand on.
fn weaker(input: Measure, output: Measure) -> Measure {
    match (input, output) {
        (Measure::OwnCount, Measure::OwnCount) => Measure::OwnCount,
        (Measure::Unverified, Measure::OwnCount | Measure::Unverified)
        | (Measure::OwnCount, Measure::Unverified) => Measure::Unverified,
    }
}

fn settled(state: &State, recorded: &Recorded, receipt: &Settled, legs: &[Leg], checkpoint: u64) -> Receipt {
    let schedule = state.catalog.schedules().get(&receipt.schedule).expect("schedules are never removed");
    let currency = Currency::of(state, schedule.asset);
    let site = state.catalog.sites().get(&receipt.site);
    let delivery = &receipt.delivery;
    let shown = delivery.usage.iter().filter(|(bucket, count)| *count > 0 || always_shown(*bucket));
    Receipt {
        model: Some(receipt.model.to_string()),
        model_name: state.catalog.models().get(&receipt.model).map(|model| model.name.clone()),
        offer: Some(delivery.offer.to_string()),
        site: Some(receipt.site.to_string()),
        site_name: site.map(|site| site.name.clone()),
        region: site.map(|site| site.facts.region.clone()),
        region_zh: site.map(|site| site.facts.region_zh.clone()),
        simulated: site.is_some_and(|site| site.facts.simulated),
        schedule: Some(receipt.schedule.to_string()),
        key_label: state.membership.keys().get(&receipt.key).map(|key| key.label.clone()),
        endpoint: Some(receipt.endpoint.into()),
        stream: delivery.stream,
        buckets: counts(&delivery.usage),
        prices: shown
            .map(|(bucket, _)| (bucket.name(), currency.write(schedule.prices.get(bucket).into())))
            .collect(),
        lines: lines(&currency, &delivery.usage, schedule, receipt.total),
        total: currency.write(receipt.total),
        hold: Some(currency.write(receipt.hold)),
        capped: sycee_core::arithmetic::price::total(&delivery.usage, &schedule.prices)
            != Some(receipt.total),
        split: parts(state, &currency, receipt, legs),
        joules: joules(receipt.energy.microjoules),
        joules_badge: Some(receipt.energy.basis.into()),
        power_price: Some(currency.write(receipt.energy.power_price.into())),
        pue: Some(crate::decimal::format(receipt.energy.pue_ppm.into(), crate::decimal::PPM_DECIMALS)),
        energy_cost: Some(currency.write(energy_cost(&receipt.energy))),
        started_at: time::format(delivery.started),
        duration_ms: milliseconds(recorded, delivery.started.0),
        first_token_ms: delivery.first_byte_milliseconds,
        finish: delivery.finish.into(),
        basis: Some(weaker(delivery.input_measure.into(), delivery.output_measure.into())),
        input_basis: Some(delivery.input_measure.into()),
        output_basis: Some(delivery.output_measure.into()),
        reported: delivery.reported.as_ref().map(counts),
        dispute: delivery.dispute,
        attempts: attempts(state, &delivery.attempts),
        ..empty(state, recorded, receipt.account, checkpoint)
    }
}

//! Differences in words: only what differs, as labels and values that people know from the document.
use crate::decimal::{self, PPM_DECIMALS};
use sycee_core::State;
use sycee_core::catalog::{NewSchedule, OfferTerms, Schedule, SiteFacts};
use sycee_core::ids::{Amount, Asset, Hash, Time};
use sycee_core::membership::Role;

/// A thing as labels and values, always the same labels in the same order.
pub(crate) type Labelled = Vec<(&'static str, String)>;

/// What differs, as it was and as it is.
pub(crate) fn difference(before: &Labelled, after: &Labelled) -> (Option<String>, Option<String>) {
    let pairs = || before.iter().zip(after).filter(|(before, after)| before != after);
    (Some(joined(pairs().map(|(before, _)| before))), Some(joined(pairs().map(|(_, after)| after))))
}

fn joined<'a>(facts: impl Iterator<Item = &'a (&'static str, String)>) -> String {
    facts.map(|(label, value)| format!("{label} {value}")).collect::<Vec<_>>().join(", ")
}

pub(crate) fn money(state: &State, asset: Asset, amount: Amount) -> String {
    decimal::format(amount, decimals(state, asset))
}

/// Decimals of an asset that has been looked up before.
pub(crate) fn decimals(state: &State, asset: Asset) -> u8 {
    state.genesis.asset(asset).expect("the asset was found by its code").decimals
}

pub(crate) fn roles(roles: &[Role]) -> String {
    roles.iter().map(|role| role.name()).collect::<Vec<_>>().join(", ")
}

pub(crate) fn site(state: &State, asset: Asset, facts: &SiteFacts) -> Labelled {
    vec![
        ("region", facts.region.clone()),
        ("region in Chinese", facts.region_zh.clone()),
        ("longitude", decimal::format(facts.longitude_millidegrees.into(), 3)),
        ("power price", money(state, asset, facts.power_price.into())),
        ("PUE", decimal::format(facts.pue_ppm.into(), PPM_DECIMALS)),
        ("joules per input token", decimal::format(facts.microjoules_input.into(), 6)),
        ("joules per output token", decimal::format(facts.microjoules_output.into(), 6)),
        ("basis", facts.basis.name().to_owned()),
        ("simulated", if facts.simulated { "yes" } else { "no" }.to_owned()),
    ]
}

pub(crate) fn terms(terms: &OfferTerms) -> Labelled {
    let hash = |hash: Option<Hash>| hash.map_or_else(|| "none".to_owned(), |hash| hash.to_string());
    vec![
        ("upstream model", terms.upstream_model.clone()),
        ("output max", terms.output_max.to_string()),
        ("concurrency max", terms.concurrency_max.to_string()),
        ("tokenizer", hash(terms.tokenizer)),
        ("chat template", hash(terms.chat_template)),
    ]
}

pub(crate) fn schedule(state: &State, schedule: &Schedule) -> Labelled {
    let asset = state.genesis.asset(schedule.asset).map_or_else(String::new, |it| it.code.clone());
    let prices = schedule
        .prices
        .iter()
        .map(|(bucket, price)| (bucket.name(), money(state, schedule.asset, price.into())));
    let mut facts: Labelled = prices.collect();
    facts.push(("model fee in ppm", schedule.model_fee_ppm.to_string()));
    facts.push(("platform fee in ppm", schedule.platform_fee_ppm.to_string()));
    facts.push(("in", asset));
    facts
}

/// A new schedule whole, but for buckets that are free and for when it starts.
pub(crate) fn new_schedule(state: &State, new: &NewSchedule) -> String {
    let priced = new.prices.iter().map(|(_, price)| price > 0).chain(std::iter::repeat(true));
    let facts = schedule(state, &new.starting(Time(0)));
    joined(facts.iter().zip(priced).filter(|(_, priced)| *priced).map(|(fact, _)| fact))
}

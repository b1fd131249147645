//! What the figures of a receipt are made of: lines, split, attempts, energy.
use crate::money::{Currency, account_name, party_name};
use crate::vocabulary::{self, AttemptOutcome, PartyRole};
use serde::Serialize;
use std::collections::BTreeMap;
use sycee_core::State;
use sycee_core::buckets::{Bucket, Buckets};
use sycee_core::catalog::Schedule;
use sycee_core::ids::Amount;
use sycee_core::ledger::Leg;
use sycee_core::settlement::{Attempt, Energy, Settled};
use utoipa::ToSchema;

/// One bucket: count × price. The amounts sum to the total: each is rounded down, and what is left goes to the largest
/// remainders.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct BucketLine {
    bucket: vocabulary::Bucket,
    count: u64,
    /// Money per million tokens.
    price: String,
    amount: String,
}

/// Who was paid how much of it, and why.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SplitLine {
    /// Who, by name.
    party: String,
    account: String,
    role: PartyRole,
    amount: String,
}

/// One try at one site.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Attempt)]
pub(crate) struct AttemptMade {
    /// The site's name.
    site: String,
    outcome: AttemptOutcome,
    ms: u32,
}

pub(super) fn always_shown(bucket: Bucket) -> bool {
    matches!(bucket, Bucket::InputUncached | Bucket::OutputVisible)
}

pub(super) fn counts(usage: &Buckets) -> BTreeMap<&'static str, u64> {
    let shown = usage.iter().filter(|(bucket, count)| *count > 0 || always_shown(*bucket));
    shown.map(|(bucket, count)| (bucket.name(), count)).collect()
}

/// Count × price by bucket, as parts of the total.
pub(super) fn lines(
    currency: &Currency,
    usage: &Buckets,
    schedule: &Schedule,
    total: Amount,
) -> Vec<BucketLine> {
    let used: Vec<(Bucket, u64)> = usage.iter().filter(|(_, count)| *count > 0).collect();
    let exact: Vec<u128> = used
        .iter()
        .map(|(bucket, count)| u128::from(*count) * u128::from(schedule.prices.get(*bucket)))
        .collect();
    let amounts = apportion(&exact, total);
    let rows = used.iter().zip(amounts).map(|((bucket, count), amount)| BucketLine {
        bucket: (*bucket).into(),
        count: *count,
        price: currency.write(schedule.prices.get(*bucket).into()),
        amount: currency.write(amount),
    });
    rows.collect()
}

/// Prices are for so many tokens.
const PER_TOKENS: u128 = 1_000_000;

/// `total` by weight: each part rounded down, and what is left given to the largest remainders, a unit each.
///
/// A weight is a count × a price. Where the total is what they come to, the parts are those counts × prices themselves; where
/// it was capped, they are in proportion.
fn apportion(weights: &[u128], total: Amount) -> Vec<Amount> {
    let total = total.unsigned_abs();
    let sum: u128 = weights.iter().sum();
    let whole = sum / PER_TOKENS == total;
    let part = |weight: &u128| {
        if whole { (weight / PER_TOKENS, weight % PER_TOKENS) } else { multiply_divide(*weight, total, sum) }
    };
    let (mut parts, remainders): (Vec<u128>, Vec<u128>) = weights.iter().map(part).unzip();
    let mut by_remainder: Vec<usize> = (0..parts.len()).collect();
    by_remainder.sort_by_key(|index| std::cmp::Reverse(remainders[*index]));
    let left = total - parts.iter().sum::<u128>();
    for index in by_remainder.into_iter().take(usize::try_from(left).unwrap_or(usize::MAX)) {
        parts[index] += 1;
    }
    parts.into_iter().map(|part| Amount::try_from(part).expect("a part is at most the total")).collect()
}

/// `a × b ÷ c` and its remainder, bit by bit, since the product may need more than 128 bits. `b` is below `c`, and `c` below 2^126.
fn multiply_divide(a: u128, b: u128, c: u128) -> (u128, u128) {
    let (mut quotient, mut remainder) = (0, 0);
    for bit in (0..u128::BITS - a.leading_zeros()).rev() {
        let sum = 2 * remainder + if a >> bit & 1 == 1 { b } else { 0 };
        quotient = 2 * quotient + sum / c;
        remainder = sum % c;
    }
    (quotient, remainder)
}

pub(super) fn parts(state: &State, currency: &Currency, receipt: &Settled, legs: &[Leg]) -> Vec<SplitLine> {
    let rows = legs.iter().zip(&receipt.roles).map(|(leg, role)| SplitLine {
        party: party_name(state, leg.to),
        account: account_name(state, leg.to),
        role: (*role).into(),
        amount: currency.write(leg.amount),
    });
    rows.collect()
}

pub(super) fn attempts(state: &State, attempts: &[Attempt]) -> Vec<AttemptMade> {
    let site = |attempt: &Attempt| {
        let offer = state.catalog.offers().get(&attempt.offer)?;
        Some(state.catalog.sites().get(&offer.site)?.name.clone())
    };
    let rows = attempts.iter().map(|attempt| AttemptMade {
        site: site(attempt).unwrap_or_else(|| attempt.offer.to_string()),
        outcome: attempt.outcome.into(),
        ms: attempt.milliseconds,
    });
    rows.collect()
}

/// For display: a float holds microjoules of a request exactly.
#[expect(clippy::cast_precision_loss, reason = "exact below 2^53 microjoules, nine gigajoules")]
pub(crate) fn joules(microjoules: u64) -> f64 {
    microjoules as f64 / 1e6
}

/// 3.6 × 10^12 microjoules are a kilowatt hour.
pub(super) fn energy_cost(energy: &Energy) -> Amount {
    let at_the_meter = u128::from(energy.microjoules) * u128::from(energy.pue_ppm) / 1_000_000;
    Amount::try_from(at_the_meter.saturating_mul(energy.power_price.into()) / 3_600_000_000_000)
        .unwrap_or(Amount::MAX)
}

#[cfg(test)]
mod tests;

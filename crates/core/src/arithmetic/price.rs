//! Price: counted tokens times units per million, summed in 128 bits and rounded once.
use crate::buckets::Buckets;
use crate::ids::Amount;

/// The tokens that a price is for.
const PER_TOKENS: u128 = 1_000_000;
const PER_TOKENS_SHORT: u64 = 1_000_000;

/// What `usage` costs at `prices` (units per million tokens), rounded down once. `None` if it does not fit.
///
/// ```
/// use sycee_core::{arithmetic::price, buckets::{Bucket, Buckets}};
/// let usage = Buckets::default().with(Bucket::InputUncached, 3).with(Bucket::OutputVisible, 5);
/// let prices = Buckets::default().with(Bucket::InputUncached, 400_000).with(Bucket::OutputVisible, 1_500_000);
/// assert_eq!(price::total(&usage, &prices), Some(8)); // (3 × 0.4 + 5 × 1.5) = 8.7
/// ```
pub fn total(usage: &Buckets, prices: &Buckets) -> Option<Amount> {
    let sum = weighted(usage.iter().zip(prices.0).map(|((_, tokens), price)| (tokens, price)))?;
    // Nearly all sums fit 64 bits, which divide many times faster than 128.
    match u64::try_from(sum) {
        Ok(sum) => Some(sum.div_euclid(PER_TOKENS_SHORT).into()),
        Err(_) => Amount::try_from(sum.div_euclid(PER_TOKENS)).ok(),
    }
}

/// The most that `input` and `output` tokens can cost, each at the dearest bucket of its side, rounded up once.
pub fn bound(input: u64, output: u64, prices: &Buckets) -> Option<Amount> {
    let sum = weighted([(input, prices.dearest(true)), (output, prices.dearest(false))].into_iter())?;
    Amount::try_from(sum.div_ceil(PER_TOKENS)).ok()
}

/// The most output tokens that fit beside `input` tokens into `money`; `None` if the input alone does not fit.
pub fn output_within(money: Amount, input: u64, prices: &Buckets) -> Option<u64> {
    let budget = u128::try_from(money).ok()?.checked_mul(PER_TOKENS)?;
    let left = budget.checked_sub(u128::from(input).checked_mul(prices.dearest(true).into())?)?;
    let tokens = left.checked_div(prices.dearest(false).into()).unwrap_or(u128::MAX);
    Some(u64::try_from(tokens).unwrap_or(u64::MAX))
}

fn weighted(mut pairs: impl Iterator<Item = (u64, u64)>) -> Option<u128> {
    pairs.try_fold(0u128, |sum, (tokens, price)| {
        sum.checked_add(u128::from(tokens).checked_mul(price.into())?)
    })
}

#[cfg(test)]
mod tests;

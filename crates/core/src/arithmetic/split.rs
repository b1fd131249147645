//! Split: an amount among parties by cumulative entitlement.
//!
//! After any number of payments each party has been given what the largest-remainder method gives it of their sum. What a
//! payment owes a party beyond whole units is carried in billionths of billionths of a unit, so a million payments of one
//! unit split as exactly as one payment of a million.
//!
//! The carry of a party is its entitlement minus what it was given; carries of a split sum to zero. The method is not
//! monotone: of a larger sum a party may be given a unit less. Nobody gives back, so with payments of a few units a party can
//! be ahead of its entitlement, by less than a unit; it is given nothing while it is, and the others have the rest.
use crate::ids::Amount;

/// The whole that shares are parts of.
pub const WHOLE: i128 = 1_000_000_000_000_000_000;

/// Largest amount that one call splits: a hundred billion credits.
pub const AMOUNT_MAX: Amount = 100_000_000_000_000_000_000;

/// A share of [`WHOLE`] from parts per million.
pub fn from_ppm(ppm: u32) -> i128 {
    i128::from(ppm).saturating_mul(1_000_000_000_000)
}

/// Divides `amount` by `shares`, which sum to [`WHOLE`], and brings `carries` forward. The parts sum to `amount`.
///
/// ```
/// use sycee_core::arithmetic::split::{WHOLE, split};
/// let (shares, mut carries) = ([WHOLE / 3, WHOLE - WHOLE / 3], [0, 0]);
/// assert_eq!(split(1, &shares, &mut carries), [0, 1]);
/// assert_eq!(split(1, &shares, &mut carries), [1, 0]);
/// assert_eq!(split(1, &shares, &mut carries), [0, 1]);
/// ```
///
/// # Panics
/// When the amount is negative or above [`AMOUNT_MAX`], or the slices differ in length: callers check these first.
pub fn split(amount: Amount, shares: &[i128], carries: &mut [i128]) -> Vec<Amount> {
    assert!((0..=AMOUNT_MAX).contains(&amount), "the amount is within limits");
    assert_eq!(shares.len(), carries.len(), "one carry a share");
    let claims: Vec<i128> =
        shares.iter().zip(&*carries).map(|(share, carry)| claim(amount, *share, *carry)).collect();
    let mut parts: Vec<Amount> = claims.iter().map(|claim| claim.div_euclid(WHOLE).max(0)).collect();
    // Who is ahead of its entitlement takes no part: it waits.
    let mut by_remainder: Vec<usize> = (0..parts.len()).filter(|index| at(&claims, *index) >= 0).collect();
    by_remainder.sort_by_key(|index| core::cmp::Reverse(at(&claims, *index).rem_euclid(WHOLE)));

    let given: Amount = parts.iter().sum();
    let left = usize::try_from(amount.saturating_sub(given)).unwrap_or(0);
    for index in by_remainder.iter().take(left) {
        add(&mut parts, *index, 1);
    }
    take_back(&mut parts, &by_remainder, given.saturating_sub(amount));

    for ((carry, claim), part) in carries.iter_mut().zip(&claims).zip(&parts) {
        *carry = claim.saturating_sub(part.saturating_mul(WHOLE));
    }
    parts
}

/// While some are ahead, whole units alone can come to more than the amount: those with the smallest remainders wait then.
fn take_back(parts: &mut [Amount], by_remainder: &[usize], mut excess: Amount) {
    for index in by_remainder.iter().rev().cycle() {
        if excess <= 0 {
            break;
        }
        if at(parts, *index) > 0 {
            add(parts, *index, -1);
            excess = excess.saturating_sub(1);
        }
    }
}

fn claim(amount: Amount, share: i128, carry: i128) -> i128 {
    amount
        .checked_mul(share)
        .and_then(|claim| claim.checked_add(carry))
        .expect("R1: AMOUNT_MAX × WHOLE fits 127 bits")
}

fn at(amounts: &[i128], index: usize) -> i128 {
    amounts.get(index).copied().expect("the index came from a slice of this length")
}

fn add(parts: &mut [Amount], index: usize, units: Amount) {
    let part = parts.get_mut(index).expect("the index came from a slice of this length");
    *part = part.saturating_add(units);
}

#[cfg(test)]
mod tests;

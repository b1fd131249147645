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
    i128::from(ppm).checked_mul(1_000_000_000_000).expect("R2: 2^32 × 10^12 fits 127 bits")
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
    let mut parts = Parts::default();
    parts.split(amount, shares, carries);
    parts.units
}

/// The parts of a payment, and what each party's claim has beyond whole units; kept from payment to payment, so that many
/// cost no memory.
#[derive(Clone, Debug, Default)]
pub(super) struct Parts {
    pub(super) units: Vec<Amount>,
    remainders: Vec<i128>,
}

/// The remainder of a party that is to be passed over.
const PASSED_OVER: i128 = -1;

impl Parts {
    pub(super) fn split(&mut self, amount: Amount, shares: &[i128], carries: &mut [i128]) {
        assert!((0..=AMOUNT_MAX).contains(&amount), "the amount is within limits");
        assert_eq!(shares.len(), carries.len(), "one carry a share");
        self.units.clear();
        self.remainders.clear();
        let mut left = amount;
        for (share, carry) in shares.iter().zip(carries.iter_mut()) {
            // Until the units are known, the carry is the claim.
            *carry = claim(amount, *share, *carry);
            // Who is ahead of its entitlement takes no part: it waits.
            let (units, remainder) = if *carry < 0 { (0, PASSED_OVER) } else { whole_units(*carry) };
            left = left.checked_sub(units).expect("R1: claims sum to the amount but for a few units");
            self.units.push(units);
            self.remainders.push(remainder);
        }
        for _ in 0..left {
            self.give_one();
        }
        for _ in left..0 {
            self.take_one();
        }
        for (carry, units) in carries.iter_mut().zip(&self.units) {
            *carry = beyond(*carry, *units);
        }
    }

    /// A unit for who has the largest remainder, and stands first among equals.
    fn give_one(&mut self) {
        let mut largest = PASSED_OVER;
        let mut first = None;
        for (units, remainder) in self.units.iter_mut().zip(&mut self.remainders) {
            if *remainder > largest {
                largest = *remainder;
                first = Some((units, remainder));
            }
        }
        let (units, remainder) = first.expect("R1: at most one unit a party is left");
        *units = units.checked_add(1).expect("R1: the parts sum to the amount");
        *remainder = PASSED_OVER;
    }

    /// While some are ahead, whole units alone can come to more than the amount. Then who has the smallest remainder waits, and
    /// is a unit behind the others when the next one has to.
    fn take_one(&mut self) {
        let parties = self.units.iter_mut().zip(&mut self.remainders).filter(|(units, _)| **units > 0);
        let last = parties.rev().min_by_key(|(_, remainder)| **remainder);
        let (units, remainder) = last.expect("R1: the parts exceed the amount");
        *units = units.checked_sub(1).expect("R1: only a unit that was given is taken");
        *remainder = remainder.checked_add(WHOLE).expect("R1: a remainder is below a few units");
    }
}

/// What `times` payments of `amount` come to: the sums of the parts and the carries after the last, as that many calls of
/// [`split`] give them. `None` if the sum does not fit.
pub fn split_repeatedly(amount: Amount, shares: &[i128], times: u64) -> Option<(Vec<Amount>, Vec<i128>)> {
    let whole = amount.checked_mul(times.into())?;
    let (mut sums, mut carries) = (vec![Amount::default(); shares.len()], vec![0; shares.len()]);
    // Where everybody is due a unit each time nobody can get ahead of it, so instalments come to the same as their sum.
    let is_due_a_unit = |share: i128| amount.checked_mul(share).is_none_or(|claim| claim >= WHOLE);
    let due_a_unit = shares.iter().all(|share| *share == 0 || is_due_a_unit(*share));
    if due_a_unit && whole <= AMOUNT_MAX {
        let sums = split(whole, shares, &mut carries);
        return Some((sums, carries));
    }
    let mut parts = Parts::default();
    let mut left = times;
    let mut paid: u64 = 0;
    let mut repeats = false;
    while let Some(rest) = left.checked_sub(1) {
        parts.split(amount, shares, &mut carries);
        for (sum, part) in sums.iter_mut().zip(&parts.units) {
            *sum = sum.checked_add(*part)?;
        }
        left = rest;
        paid = paid.checked_add(1)?;
        // Nobody is owed anything, as at the beginning: from here on it all repeats.
        if !repeats && carries.iter().all(|carry| *carry == 0) {
            let more = left.div_euclid(paid);
            left = left.rem_euclid(paid);
            for sum in &mut sums {
                *sum = sum.checked_mul(Amount::from(more).checked_add(1)?)?;
            }
            repeats = true;
        }
    }
    Some((sums, carries))
}

fn claim(amount: Amount, share: i128, carry: i128) -> i128 {
    amount
        .checked_mul(share)
        .and_then(|claim| claim.checked_add(carry))
        .expect("R1: AMOUNT_MAX × WHOLE fits 127 bits")
}

/// The units of a claim and what it has beyond. Most claims of small payments are below one, and a division in 128 bits is dear.
fn whole_units(claim: i128) -> (Amount, i128) {
    if claim < WHOLE {
        return (0, claim);
    }
    let units = claim.div_euclid(WHOLE);
    (units, beyond(claim, units))
}

/// What a claim has beyond the units that were given; negative if they were more.
fn beyond(claim: i128, units: Amount) -> i128 {
    units
        .checked_mul(WHOLE)
        .and_then(|given| claim.checked_sub(given))
        .expect("R1: AMOUNT_MAX × WHOLE fits 127 bits")
}

#[cfg(test)]
mod tests;

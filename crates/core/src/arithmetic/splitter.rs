//! Splitter: many payments in a row among the same parties, by the rule of [`split`].
//!
//! Shares of schedules, and most shares of pots, are whole parts per million. Then every carry is a whole number of millionths of
//! a unit, and payments of ordinary size split in 64 bits, which takes a fraction of the time. Everything else goes the long
//! way; which way a payment went cannot be seen from its parts.
use super::split::{AMOUNT_MAX, Parts, WHOLE};
use crate::ids::Amount;

/// What a part per million is in parts of [`WHOLE`].
const MILLIONTH: i128 = WHOLE / PPM_WIDE;
const PPM_WIDE: i128 = 1_000_000;
const PPM: i64 = 1_000_000;
/// Larger payments go the long way: times a share, plus a carry, this stays within 64 bits.
const SHORT_MAX: Amount = 1 << 42;
/// Parties with more carry than this have too much of it for the short way.
const CARRY_MAX: i64 = 1 << 40;

/// Splits payments and keeps what each party was given in all.
#[derive(Clone, Debug)]
pub struct Splitter {
    shares: Vec<i128>,
    /// The same in parts per million, and carries in millionths; empty if they do not come out even.
    parties: Vec<Party>,
    /// In parts of [`WHOLE`]; out of date while the short way is taken.
    carries: Vec<i128>,
    last: Vec<Amount>,
    sums: Vec<Amount>,
    parts: Parts,
}

#[derive(Clone, Copy, Debug)]
struct Party {
    share: i64,
    carry: i64,
    units: i64,
    /// Beyond whole units; negative if the party is to be passed over.
    remainder: i64,
}

impl Splitter {
    /// Among `shares`, which sum to [`WHOLE`], going on from `carries`.
    pub fn new(shares: &[i128], carries: &[i128]) -> Self {
        assert_eq!(shares.len(), carries.len(), "one carry a share");
        let parties: Option<Vec<Party>> =
            shares.iter().zip(carries).map(|(share, carry)| Party::new(*share, *carry)).collect();
        Self {
            shares: shares.to_vec(),
            parties: parties.unwrap_or_default(),
            carries: carries.to_vec(),
            last: vec![0; shares.len()],
            sums: vec![0; shares.len()],
            parts: Parts::default(),
        }
    }

    /// Splits one payment; the parts are those that [`super::split::split`] would give.
    ///
    /// # Panics
    /// When the amount is negative or above [`AMOUNT_MAX`].
    #[inline]
    pub fn pay(&mut self, amount: Amount) {
        if (0..=SHORT_MAX).contains(&amount) && !self.parties.is_empty() {
            self.pay_short(i64::try_from(amount).expect("it is far below 2^63"));
        } else {
            self.pay_long(amount);
        }
    }

    /// What each party was given of the last payment.
    pub fn last(&self) -> &[Amount] {
        &self.last
    }

    /// What each party was given in all.
    pub fn sums(&self) -> &[Amount] {
        &self.sums
    }

    /// What each party is owed beyond that, in parts of [`WHOLE`].
    pub fn carries(&self) -> Vec<i128> {
        if self.parties.is_empty() {
            return self.carries.clone();
        }
        self.parties.iter().map(|party| i128::from(party.carry).saturating_mul(MILLIONTH)).collect()
    }

    #[inline]
    fn pay_short(&mut self, amount: i64) {
        let mut left = amount;
        for party in &mut self.parties {
            let claim = amount.saturating_mul(party.share).saturating_add(party.carry);
            // Until the units are known, the carry is the claim.
            party.carry = claim;
            // Who is ahead of its entitlement takes no part: it waits.
            (party.units, party.remainder) = if claim < 0 { (0, -1) } else { (claim / PPM, claim % PPM) };
            left = left.saturating_sub(party.units);
        }
        while left > 0 {
            self.give_one();
            left = left.saturating_sub(1);
        }
        while left < 0 {
            self.take_one();
            left = left.saturating_add(1);
        }
        for ((party, last), sum) in self.parties.iter_mut().zip(&mut self.last).zip(&mut self.sums) {
            party.carry = party.carry.saturating_sub(party.units.saturating_mul(PPM));
            *last = Amount::from(party.units);
            *sum = sum.saturating_add(*last);
        }
    }

    #[inline]
    fn give_one(&mut self) {
        // Written so that no branch depends on the remainders, which nobody could predict.
        let (mut largest, mut first) = (-1, usize::MAX);
        for (index, party) in self.parties.iter().enumerate() {
            let is_larger = party.remainder > largest;
            first = if is_larger { index } else { first };
            largest = largest.max(party.remainder);
        }
        let party = self.parties.get_mut(first).expect("R1: at most one unit a party is left");
        party.units = party.units.saturating_add(1);
        party.remainder = -1;
    }

    fn take_one(&mut self) {
        let last = self.parties.iter_mut().filter(|it| it.units > 0).rev().min_by_key(|it| it.remainder);
        let party = last.expect("R1: the parts exceed the amount");
        party.units = party.units.saturating_sub(1);
        party.remainder = party.remainder.saturating_add(PPM);
    }

    #[cold]
    fn pay_long(&mut self, amount: Amount) {
        assert!((0..=AMOUNT_MAX).contains(&amount), "the amount is within limits");
        self.carries = self.carries();
        self.parts.split(amount, &self.shares, &mut self.carries);
        self.last.clone_from(&self.parts.units);
        for (sum, units) in self.sums.iter_mut().zip(&self.last) {
            *sum = sum.saturating_add(*units);
        }
        if !self.parties.is_empty() {
            let fresh =
                self.shares.iter().zip(&self.carries).map(|(share, carry)| Party::new(*share, *carry));
            self.parties = fresh.collect::<Option<Vec<Party>>>().unwrap_or_default();
        }
    }
}

impl Party {
    fn new(share: i128, carry: i128) -> Option<Self> {
        let even = |parts: i128| (parts.rem_euclid(MILLIONTH) == 0).then(|| parts.div_euclid(MILLIONTH));
        let (share, carry) = (i64::try_from(even(share)?).ok()?, i64::try_from(even(carry)?).ok()?);
        (carry.unsigned_abs() <= CARRY_MAX.unsigned_abs()).then_some(Self {
            share,
            carry,
            units: 0,
            remainder: 0,
        })
    }
}

#[cfg(test)]
mod tests;

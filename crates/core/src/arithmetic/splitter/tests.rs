//! The splitter against the rule itself, payment by payment.
#![expect(clippy::arithmetic_side_effects, reason = "a test may panic")]
use super::{PPM_WIDE, SHORT_MAX, Splitter};
use crate::arithmetic::split::{AMOUNT_MAX, WHOLE, from_ppm, split};
use crate::ids::Amount;
use crate::tests::seeded;
use proptest::collection::vec;
use proptest::prelude::{Strategy, any, prop_oneof};

/// One to six shares that sum to the whole, in parts per million or finer.
fn shares() -> impl Strategy<Value = Vec<i128>> {
    let ppm = vec(0..=200_000u32, 0..5).prop_map(|shares| {
        let mut shares: Vec<i128> = shares.into_iter().map(from_ppm).collect();
        shares.push(WHOLE - shares.iter().sum::<i128>());
        shares
    });
    let fine = vec(0..=WHOLE / 6, 0..6).prop_map(|mut shares| {
        shares.push(WHOLE - shares.iter().sum::<i128>());
        shares
    });
    prop_oneof![3 => ppm, 1 => fine]
}

fn payment() -> impl Strategy<Value = Amount> {
    prop_oneof![
        4 => 0..40i128,
        4 => any::<u32>().prop_map(Amount::from),
        1 => SHORT_MAX - 2..SHORT_MAX + 3,
        1 => 0..=AMOUNT_MAX,
    ]
}

#[test]
fn every_payment_is_split_as_the_rule_splits_it() {
    let cases = (shares(), vec(payment(), 1..60));
    let run = |(shares, payments): (Vec<i128>, Vec<Amount>)| {
        let mut carries = vec![0; shares.len()];
        let mut sums = vec![0; shares.len()];
        let mut splitter = Splitter::new(&shares, &carries);
        for (index, amount) in payments.into_iter().enumerate() {
            let parts = split(amount, &shares, &mut carries);
            for (sum, part) in sums.iter_mut().zip(&parts) {
                *sum += part;
            }
            splitter.pay(amount);
            assert_eq!((splitter.last(), splitter.sums()), (parts.as_slice(), sums.as_slice()));
            assert_eq!(splitter.carries(), carries);
            // As from one batch to the next.
            if index % 7 == 6 {
                splitter = Splitter::new(&shares, &carries);
                sums.fill(0);
            }
        }
        Ok(())
    };
    seeded(11, 2000).run(&cases, run).unwrap_or_else(|failure| panic!("{failure}"));
}

/// Shares in whole parts per million go the short way and come back to it after a payment that is too large for it.
#[test]
fn the_short_way_is_taken_where_it_can_be() {
    let mut splitter = Splitter::new(&[WHOLE / 2, WHOLE / 2], &[0, 0]);
    assert!(!splitter.parties.is_empty());
    splitter.pay(SHORT_MAX + 1);
    assert!(!splitter.parties.is_empty());
    let third = [WHOLE / 3, WHOLE - WHOLE / 3];
    assert!(Splitter::new(&third, &[0, 0]).parties.is_empty());
    assert_eq!(PPM_WIDE, i128::from(crate::limits::PPM));
}

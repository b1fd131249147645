//! Every small split against the largest-remainder method done by hand, and what no split may ever do.
#![expect(clippy::arithmetic_side_effects, clippy::indexing_slicing, reason = "a test may panic")]
use super::{AMOUNT_MAX, WHOLE, from_ppm, split, split_repeatedly};
use crate::tests::seeded;
use proptest::collection::vec;
use proptest::prelude::{Strategy, any};

/// The largest-remainder method in whole numbers: `weights` are out of `whole`, a tie goes to who stands first.
fn largest_remainder(amount: u128, weights: &[u128], whole: u128) -> Vec<u128> {
    let mut parts: Vec<u128> = weights.iter().map(|weight| amount * weight / whole).collect();
    let mut left = amount - parts.iter().sum::<u128>();
    let mut served = vec![false; weights.len()];
    while left > 0 {
        let mut first: Option<usize> = None;
        for (index, weight) in weights.iter().enumerate() {
            let remainder =
                |index: usize, weight: u128| if served[index] { 0 } else { amount * weight % whole + 1 };
            if first.is_none_or(|it| remainder(index, *weight) > remainder(it, weights[it])) {
                first = Some(index);
            }
        }
        let index = first.expect("there are parties");
        served[index] = true;
        parts[index] += 1;
        left -= 1;
    }
    parts
}

/// Every way to give `whole` parts to `parties`.
fn weights(parties: usize, whole: u128) -> Vec<Vec<u128>> {
    if parties == 1 {
        return vec![vec![whole]];
    }
    let first = |first: u128| {
        weights(parties - 1, whole - first).into_iter().map(move |rest| [vec![first], rest].concat())
    };
    (0..=whole).flat_map(first).collect()
}

fn shares(weights: &[u128], whole: u128) -> Vec<i128> {
    let unit = WHOLE / i128::try_from(whole).expect("it is small");
    weights.iter().map(|weight| i128::try_from(*weight).expect("it is small") * unit).collect()
}

fn unsigned(parts: &[i128]) -> Vec<u128> {
    parts.iter().map(|part| u128::try_from(*part).expect("no part is negative")).collect()
}

#[test]
fn every_small_split_is_the_largest_remainder_split() {
    let mut splits = 0;
    for (parties, whole) in [(1, 1), (2, 50), (3, 20), (4, 10)] {
        for weights in weights(parties, whole) {
            let shares = shares(&weights, whole);
            for amount in 0..=30 {
                let mut carries = vec![0; parties];
                let parts = split(amount, &shares, &mut carries);
                let units = u128::try_from(amount).expect("it is small");
                assert_eq!(
                    unsigned(&parts),
                    largest_remainder(units, &weights, whole),
                    "{amount} by {weights:?}"
                );
                check_books(&[amount], &shares, &parts, &carries);
                splits += 1;
            }
        }
    }
    assert_eq!(splits, 31 * (1 + 51 + 231 + 286));
}

/// Up to 30 units paid in two instalments, and one by one: the sum of the parts is the split of the sum, unless that would
/// have somebody give back a unit, and then it is within two units of it.
#[test]
fn instalments_come_to_the_same_as_one_payment() {
    let (mut same, mut waiting) = (0, 0);
    for (parties, whole) in [(2, 50), (3, 20), (4, 10)] {
        for weights in weights(parties, whole) {
            let shares = shares(&weights, whole);
            for first in 0..=30 {
                let instalments: Vec<Vec<i128>> = (0..=30 - first)
                    .map(|second| vec![first, second])
                    .chain([vec![1; usize::try_from(first).expect("it is small")]])
                    .collect();
                for amounts in instalments {
                    let (mut carries, mut sums, mut monotone) = (vec![0; parties], vec![0; parties], true);
                    for amount in &amounts {
                        let parts = split(*amount, &shares, &mut carries);
                        parts.iter().zip(&mut sums).for_each(|(part, sum)| *sum += part);
                        check_books(&amounts, &shares, &parts, &carries);
                        let so_far = u128::try_from(sums.iter().sum::<i128>()).expect("it is small");
                        monotone = unsigned(&sums) == largest_remainder(so_far, &weights, whole);
                    }
                    if monotone { same += 1 } else { waiting += 1 }
                }
            }
        }
    }
    assert!(same > 250_000 && waiting < same / 100, "{same} the same, {waiting} waiting");
}

/// What holds of every split: nothing is lost, nobody gives back, and nobody is two units ahead or behind.
fn check_books(amounts: &[i128], shares: &[i128], parts: &[i128], carries: &[i128]) {
    assert!(parts.iter().all(|part| *part >= 0), "{parts:?}");
    assert_eq!(carries.iter().sum::<i128>(), 0, "{amounts:?} by {shares:?}");
    assert!(
        carries.iter().all(|carry| carry.abs() < 2 * WHOLE),
        "{amounts:?} by {shares:?} carries {carries:?}"
    );
}

/// Shares of up to 64 parties that sum to the whole, some of them zero, some tiny.
fn any_shares() -> impl Strategy<Value = Vec<i128>> {
    vec(any::<(u64, u8)>(), 1..64).prop_map(|dice| {
        let mut left = WHOLE;
        let mut shares: Vec<i128> = dice
            .into_iter()
            .map(|(size, shift)| {
                let share = i128::from(size >> (shift % 64)).min(left);
                left -= share;
                share
            })
            .collect();
        shares.push(left);
        shares
    })
}

#[test]
fn any_sequence_of_payments_sums_to_the_whole() {
    let run = |(shares, amounts): (Vec<i128>, Vec<(u64, u8)>)| {
        let (mut carries, mut sums) = (vec![0; shares.len()], vec![0; shares.len()]);
        let mut total = 0;
        for (size, shift) in amounts {
            let amount = i128::from(size >> (shift % 64));
            total += amount;
            let parts = split(amount, &shares, &mut carries);
            assert_eq!(parts.iter().sum::<i128>(), amount);
            parts.iter().zip(&mut sums).for_each(|(part, sum)| *sum += part);
            check_books(&[amount], &shares, &parts, &carries);
        }
        for ((share, sum), carry) in shares.iter().zip(&sums).zip(&carries) {
            let entitled = total * share;
            assert_eq!(sum * WHOLE + carry, entitled, "entitlement minus paid is the carry");
            assert!(*share > 0 || *sum == 0, "who has no share is never paid");
        }
        Ok(())
    };
    let payments = vec((any::<u64>(), any::<u8>()), 1..60);
    seeded(5, 500).run(&(any_shares(), payments), run).unwrap_or_else(|failure| panic!("{failure}"));
}

/// The issue of a million calls of one unit: as exact as one payment of a million.
#[test]
fn a_million_payments_of_one_unit() {
    let shares = [WHOLE - from_ppm(333_333), from_ppm(333_333)];
    let (mut carries, mut sums) = ([0; 2], [0; 2]);
    for _ in 0..1_000_000 {
        let parts = split(1, &shares, &mut carries);
        sums[0] += parts[0];
        sums[1] += parts[1];
    }
    assert_eq!((sums, carries), ([666_667, 333_333], [0, 0]));
}

/// The short ways of many payments end where the long way ends.
#[test]
fn repeated_payments_end_where_single_ones_do() {
    let run = |(weights, amount, times): (Vec<u8>, u16, u8)| {
        let whole: i128 = weights.iter().map(|weight| i128::from(*weight)).sum();
        let mut shares: Vec<i128> =
            weights.iter().map(|weight| i128::from(*weight) * (WHOLE / whole.max(1))).collect();
        shares.push(WHOLE - shares.iter().sum::<i128>());
        let amount = i128::from(amount >> (times % 16));
        let times = u64::from(times) * 3;
        let (mut carries, mut sums) = (vec![0; shares.len()], vec![0; shares.len()]);
        for _ in 0..times {
            let parts = split(amount, &shares, &mut carries);
            parts.iter().zip(&mut sums).for_each(|(part, sum)| *sum += part);
        }
        assert_eq!(split_repeatedly(amount, &shares, times), Some((sums, carries)));
        Ok(())
    };
    let cases = (vec(any::<u8>(), 1..6), any::<u16>(), any::<u8>());
    seeded(6, 1000).run(&cases, run).unwrap_or_else(|failure| panic!("{failure}"));
}

#[test]
fn so_many_payments_are_no_trouble() {
    let shares = [WHOLE - from_ppm(333_333), from_ppm(333_333)];
    let (sums, carries) = split_repeatedly(1, &shares, 1_000_000_000_007).expect("it fits");
    assert_eq!(sums.iter().sum::<i128>(), 1_000_000_000_007);
    assert_eq!(sums, [666_667_000_005, 333_333_000_002]);
    assert_eq!(carries, [-from_ppm(333_331), from_ppm(333_331)]);
    assert_eq!(split_repeatedly(AMOUNT_MAX, &[WHOLE], 3), Some((vec![3 * AMOUNT_MAX], vec![0])));
    assert_eq!(split_repeatedly(AMOUNT_MAX, &[WHOLE], u64::MAX), None);
    assert_eq!(split_repeatedly(7, &[WHOLE], 0), Some((vec![0], vec![0])));
}

#[test]
fn the_largest_amount_does_not_overflow() {
    let shares = [WHOLE - 1, 1];
    let mut carries = [WHOLE, -WHOLE];
    let parts = split(AMOUNT_MAX, &shares, &mut carries);
    assert_eq!(parts.iter().sum::<i128>(), AMOUNT_MAX);
    assert_eq!(split(AMOUNT_MAX, &[WHOLE], &mut [0]), [AMOUNT_MAX]);
}

#[test]
#[should_panic(expected = "the amount is within limits")]
fn an_amount_beyond_the_largest_is_a_bug() {
    split(AMOUNT_MAX + 1, &[WHOLE], &mut [0]);
}

#[test]
#[should_panic(expected = "one carry a share")]
fn a_carry_is_missing() {
    split(1, &[WHOLE], &mut []);
}

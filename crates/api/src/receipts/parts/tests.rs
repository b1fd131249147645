//! Lines of a receipt: whatever was counted and however the total was capped, they come to it.
use super::{PER_TOKENS, apportion, multiply_divide};
use proptest::prelude::*;

/// Counts and prices up to the core's own limits.
fn weights() -> impl Strategy<Value = Vec<u128>> {
    let count = prop_oneof![Just(0), 0..200_000u128, 0..=1u128 << 40];
    let price = prop_oneof![Just(0), 0..100_000_000_000u128, 0..=1_000_000_000_000_000u128];
    prop::collection::vec((count, price).prop_map(|(count, price)| count * price), 1..=10)
}

proptest! {
    #[test]
    fn lines_come_to_the_total(weights in weights(), cap in 0..=1_000_000u128) {
        let full = weights.iter().sum::<u128>() / PER_TOKENS;
        for total in [full, full * cap / 1_000_000, full.min(cap)] {
            let total = i128::try_from(total).unwrap();
            let parts = apportion(&weights, total);
            prop_assert_eq!(parts.iter().sum::<i128>(), total);
            for (part, weight) in parts.iter().zip(&weights) {
                prop_assert!(*part >= 0);
                prop_assert!(*weight > 0 || *part == 0, "what is free costs nothing");
                let most = i128::try_from(weight.div_ceil(PER_TOKENS)).unwrap();
                prop_assert!(*part <= most, "no line is above its count × price");
                if total == i128::try_from(full).unwrap() {
                    prop_assert!(*part >= i128::try_from(weight / PER_TOKENS).unwrap(), "nor below");
                }
            }
        }
    }

    #[test]
    fn a_product_is_divided_exactly(a in 0..1u128 << 63, b in 0..1u128 << 63, more in 1..1u128 << 63) {
        let c = b + more;
        prop_assert_eq!(multiply_divide(a, b, c), (a * b / c, a * b % c));
    }
}

/// Twice as much is shown as half of it, so the proportion is that of the money, not of the tokens.
#[test]
fn a_capped_total_is_shared_in_proportion() {
    assert_eq!(apportion(&[3_000_000, 9_000_000], 8), [2, 6]);
    assert_eq!(apportion(&[3_000_000, 9_000_000], 12), [3, 9]);
    assert_eq!(apportion(&[1_500_000, 1_500_000], 3), [2, 1]);
}

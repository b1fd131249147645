//! Prices against plain arithmetic, and at their edges.
use super::{bound, output_within, total};
use crate::arithmetic::split::AMOUNT_MAX;
use crate::buckets::Buckets;
use crate::limits::{PRICE_MAX, TOKENS_MAX};
use crate::tests::seeded;
use proptest::prelude::any;

fn prices(input: u64, output: u64) -> Buckets {
    Buckets([input, 0, 0, 0, 0, 0, output, 0, 0, 0])
}

#[test]
fn a_receipt_sums_first_and_rounds_down_once() {
    // Each of the ten buckets alone would round to nothing.
    let usage = Buckets([1; 10]);
    assert_eq!(total(&usage, &Buckets([100_000; 10])), Some(1));
    assert_eq!(total(&usage, &Buckets([99_999; 10])), Some(0));
}

#[test]
fn a_hold_rounds_up_once() {
    assert_eq!(bound(1, 1, &prices(1, 1)), Some(1));
    assert_eq!(bound(500_000, 500_000, &prices(1, 1)), Some(1));
    assert_eq!(bound(500_000, 500_001, &prices(1, 1)), Some(2));
    assert_eq!(bound(0, 0, &prices(1, 1)), Some(0));
}

#[test]
fn the_dearest_bucket_of_a_side_bounds_it() {
    let mut dear = Buckets([7; 10]);
    dear.0[3] = 3_000_000;
    dear.0[9] = 5_000_000;
    assert_eq!(bound(2, 3, &dear), Some(2 * 3 + 3 * 5));
}

/// Whatever a request uses within what it was held for, its hold covers the receipt.
#[test]
fn a_hold_covers_its_receipt() {
    let run = |(usage, prices): ([u32; 10], [u32; 10])| {
        let (usage, prices) = (Buckets(usage.map(u64::from)), Buckets(prices.map(u64::from)));
        let (input, output) = (usage.input_total().expect("it fits"), usage.output_total().expect("it fits"));
        let held = bound(input, output, &prices).expect("it fits");
        let due = total(&usage, &prices).expect("it fits");
        assert!((0..=held).contains(&due), "{due} of {held}");
        Ok(())
    };
    seeded(3, 2000).run(&any::<([u32; 10], [u32; 10])>(), run).unwrap_or_else(|failure| panic!("{failure}"));
}

/// The output that fits is the most that fits: it can be held, and one token more cannot.
#[test]
fn what_fits_is_the_most_that_fits() {
    let run = |(money, input, price_in, price_out): (u32, u16, u32, u32)| {
        let prices = prices(u64::from(price_in), u64::from(price_out));
        let (money, input) = (i128::from(money), u64::from(input));
        let holds = |output| bound(input, output, &prices).is_some_and(|held| held <= money);
        match output_within(money, input, &prices) {
            None => assert!(!holds(0)),
            Some(u64::MAX) => assert_eq!(price_out, 0),
            Some(output) => assert!(holds(output) && !holds(output + 1), "{output}"),
        }
        Ok(())
    };
    seeded(4, 2000).run(&any::<(u32, u16, u32, u32)>(), run).unwrap_or_else(|failure| panic!("{failure}"));
}

#[test]
fn nothing_overflows_within_the_limits() {
    let most = Buckets([TOKENS_MAX; 10]);
    let dearest = Buckets([PRICE_MAX; 10]);
    assert_eq!(total(&most, &dearest), Some(10 * i128::from(TOKENS_MAX) * 1_000_000_000));
    assert!(total(&most, &dearest).is_some_and(|amount| amount > AMOUNT_MAX), "so admission has to ask");
    assert_eq!(total(&Buckets([u64::MAX; 10]), &Buckets([u64::MAX; 10])), None);
    assert_eq!(bound(u64::MAX, u64::MAX, &Buckets([u64::MAX; 10])), None);
    assert_eq!(output_within(-1, 0, &dearest), None);
    assert_eq!(output_within(i128::MAX, 0, &dearest), None);
    assert_eq!(output_within(0, 0, &Buckets::default()), Some(u64::MAX));
}

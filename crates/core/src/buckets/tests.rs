//! Ten buckets, each once and on one side.
use super::{Bucket, Buckets};

#[test]
fn every_bucket_is_found_by_its_name() {
    for bucket in Bucket::ALL {
        assert_eq!(Bucket::from_name(bucket.name()), Some(bucket));
    }
    assert_eq!(Bucket::from_name("input"), None);
    assert_eq!(Bucket::ALL.iter().filter(|bucket| bucket.is_input()).count(), 6);
}

/// The order is the order of the wire: a value set by name is found at its place and nowhere else.
#[test]
fn every_bucket_has_its_place() {
    for (index, bucket) in Bucket::ALL.into_iter().enumerate() {
        let buckets = Buckets::default().with(bucket, 7);
        assert_eq!(buckets.get(bucket), 7);
        assert_eq!(buckets.0.iter().position(|value| *value == 7), Some(index));
        assert_eq!(buckets.0.iter().sum::<u64>(), 7);
        let sides = (buckets.input_total(), buckets.output_total());
        assert_eq!(sides, if bucket.is_input() { (Some(7), Some(0)) } else { (Some(0), Some(7)) });
        assert_eq!(
            (buckets.dearest(true), buckets.dearest(false)),
            (sides.0.unwrap_or(0), sides.1.unwrap_or(0))
        );
    }
}

#[test]
fn a_sum_that_does_not_fit_is_none() {
    let buckets = Buckets([u64::MAX, 1, 0, 0, 0, 0, u64::MAX, 0, 0, 0]);
    assert_eq!((buckets.input_total(), buckets.output_total()), (None, Some(u64::MAX)));
}

//! One value, one spelling.
#![expect(clippy::indexing_slicing, reason = "a test may panic")]
use super::{Inexact, decode};
use crate::ids::Hash;
use crate::table::Table;
use crate::{Entry, State};

#[test]
fn a_number_has_one_spelling() {
    assert_eq!(decode::<u64>(&[0x01]), Ok(1));
    assert_eq!(decode::<u64>(&[0x18, 0x01]), Err(Inexact::NotCanonical { at: 0 }));
    assert_eq!(decode::<u64>(&[0x01, 0x01]), Err(Inexact::Trailing { at: 1 }));
    assert!(matches!(decode::<u64>(&[0x18]), Err(Inexact::Malformed { cause: _ })));
    assert!(matches!(decode::<u64>(&[]), Err(Inexact::Malformed { cause: _ })));
}

#[test]
fn a_list_has_one_spelling() {
    assert_eq!(decode::<Vec<u8>>(&[0x82, 1, 2]), Ok(vec![1, 2]));
    // Of unknown length, ended by a break.
    assert_eq!(decode::<Vec<u8>>(&[0x9f, 1, 2, 0xff]), Err(Inexact::NotCanonical { at: 0 }));
}

#[test]
fn rows_are_in_order_and_once_each() {
    let rows = |bytes: &[u8]| decode::<Table<u8, u8>>(bytes).map(|table| table.len());
    assert_eq!(rows(&[0xa2, 1, 7, 2, 8]), Ok(2));
    assert_eq!(rows(&[0xa2, 2, 8, 1, 7]), Err(Inexact::NotCanonical { at: 1 }));
    assert_eq!(rows(&[0xa2, 1, 7, 1, 8]), Err(Inexact::NotCanonical { at: 0 }));
}

#[test]
fn a_hash_has_its_length() {
    let bytes = |length: u8| [vec![0x58, length], vec![7; usize::from(length)]].concat();
    assert_eq!(decode::<Hash>(&bytes(32)), Ok(Hash([7; 32])));
    assert!(matches!(decode::<Hash>(&bytes(31)), Err(Inexact::Malformed { cause: _ })));
}

/// What a later version adds is not silently dropped: an older build says that it cannot read this.
#[test]
fn a_field_more_is_refused() {
    let mut bytes = minicbor::to_vec(State::default()).expect("encoding into memory does not fail");
    assert_eq!(bytes[0], 0x8b, "a state has eleven fields");
    bytes[0] = 0x8c;
    bytes.push(0x07);
    assert_eq!(State::decode_exact(&bytes), Err(Inexact::NotCanonical { at: 0 }));
}

#[test]
fn the_reason_reads_well() {
    let error = Entry::decode_exact(&[0x01]).expect_err("a number is no entry");
    assert!(error.to_string().starts_with("malformed: "), "{error}");
    assert_eq!(Inexact::Trailing { at: 7 }.to_string(), "the value ends at byte 7, its bytes go on");
    assert_eq!(Inexact::NotCanonical { at: 7 }.to_string(), "not as this build writes it from byte 7 on");
}

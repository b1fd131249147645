//! How ids read, and what is not one.
use super::{AccountId, Hash, MemberId, NotAHash, NotAnId, RequestId, Time};

#[test]
fn an_id_reads_as_it_prints() {
    for number in [0, 1, 0x0192_0000_0000_7000_8000_0000_0000_00ff, u128::MAX] {
        let text = AccountId(number).to_string();
        assert_eq!((text.len(), text.starts_with("acc_")), (36, true), "{text}");
        assert_eq!(text.parse(), Ok(AccountId(number)));
    }
}

#[test]
fn an_id_has_one_spelling() {
    let digits = "00000000000000000000000000000abc";
    assert_eq!(format!("acc_{digits}").parse(), Ok(AccountId(0xabc)));
    let wrong = [
        digits.to_owned(),
        format!("req_{digits}"),
        format!("acc_{}", digits.to_uppercase()),
        format!("acc_0{digits}"),
        "acc_abc".to_owned(),
        format!("acc_+{}", digits.split_at(1).1),
        format!(" acc_{digits}"),
        String::new(),
    ];
    for text in wrong {
        assert_eq!(text.parse::<AccountId>(), Err(NotAnId { expected: "acc_" }), "{text}");
    }
    let said = "key_1".parse::<AccountId>().expect_err("that is a key").to_string();
    assert_eq!(said, "not an id: expected `acc_` followed by 32 hexadecimal digits");
}

/// The first 48 bits of a UUIDv7 are milliseconds since 1970.
#[test]
fn an_id_tells_when_it_was_drawn() {
    let uuid = 0x0192_f0c1_2345_7abc_8def_0123_4567_89ab_u128;
    let milliseconds = 0x0192_f0c1_2345;
    assert_eq!(RequestId(uuid).drawn_at(), Time(milliseconds * 1_000_000));
    assert_eq!(MemberId(uuid).drawn_at(), Time(milliseconds * 1_000_000));
    assert_eq!(RequestId(u128::MAX).drawn_at(), Time(u64::MAX));
}

#[test]
fn time_ends_where_64_bits_end() {
    assert_eq!((Time(5).before(7), Time(5).after(7)), (Time(0), Time(12)));
    assert_eq!(Time(5).after(u64::MAX), Time(u64::MAX));
}

#[test]
fn a_hash_prints_as_hexadecimal() {
    let text = Hash([0xab; 32]).to_string();
    assert_eq!(text, "ab".repeat(32));
    assert_eq!(format!("{:?}", Hash([0; 32])), format!("Hash({})", "0".repeat(64)));
}

#[test]
fn a_hash_reads_as_it_prints_and_nothing_else_is_one() {
    let hash = Hash(core::array::from_fn(|index| u8::try_from(index * 8).expect("up to 248")));
    assert_eq!(hash.to_string().parse(), Ok(hash));
    assert_eq!(hash.to_string().to_uppercase().parse(), Ok(hash));
    let signed = "+f".repeat(32);
    for wrong in [signed.as_str(), &"é".repeat(32), &"0".repeat(63), &"0".repeat(65), &"g".repeat(64), ""] {
        assert_eq!(wrong.parse::<Hash>(), Err(NotAHash), "{wrong:?}");
    }
    assert_eq!(NotAHash.to_string(), "not a hash: expected 64 hexadecimal digits");
}

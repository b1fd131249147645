//! Names in scenarios are ids: `ada` is the number its letters spell, so it reads the same in a failure.
use crate::ids::{
    AccountId, Hash, KeyId, MemberId, ModelId, OfferId, OrganisationId, ProviderId, RequestId, ScheduleId,
    SiteId, SourceId,
};

/// The number that a name of at most 16 bytes spells.
pub(crate) fn spell(name: &str) -> u128 {
    assert!(name.len() <= 16, "a name of a scenario has at most 16 bytes: {name}");
    name.bytes().fold(0, |number, byte| number << 8 | u128::from(byte))
}

/// The name that a number spells.
pub(crate) fn read(number: u128) -> String {
    let bytes: Vec<u8> = number.to_be_bytes().into_iter().skip_while(|byte| *byte == 0).collect();
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The lower 80 bits, which a UUIDv7 leaves to us.
pub(crate) const NAME_BITS: u128 = (1 << 80) - 1;

pub(crate) trait Named {
    fn named(name: &str) -> Self;
}

macro_rules! named {
    ($($id:ident),*) => {$(impl Named for $id {
        fn named(name: &str) -> Self {
            Self(spell(name))
        }
    })*};
}

named!(
    AccountId,
    KeyId,
    MemberId,
    ModelId,
    OfferId,
    OrganisationId,
    ProviderId,
    ScheduleId,
    SiteId,
    SourceId
);

impl Named for Hash {
    fn named(name: &str) -> Self {
        let mut bytes = [0; 32];
        bytes[16..].copy_from_slice(&spell(name).to_be_bytes());
        Self(bytes)
    }
}

/// An id drawn at `milliseconds` under that name.
pub(crate) fn drawn(milliseconds: u64, name: &str) -> u128 {
    u128::from(milliseconds) << 80 | spell(name) & NAME_BITS
}

pub(crate) fn request(milliseconds: u64, name: &str) -> RequestId {
    RequestId(drawn(milliseconds, name))
}

//! Names of things: 128-bit ids, dense handles, assets, hashes and time.
//!
//! Ids are UUIDv7 drawn by callers, so they sort by the time they were drawn, and print with a prefix that says what they
//! name (`req_0192…`). A handle is a small number that the core assigns for its hot tables; outside, lines of
//! metering in columns name keys and offers by theirs, and nothing else does.
use core::fmt;
use core::str::FromStr;
use minicbor::decode::Error as DecodeError;
use minicbor::encode::{Error as EncodeError, Write};
use minicbor::{Decode, Decoder, Encode, Encoder};

/// Text that is not an id of the expected kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotAnId {
    /// The prefix that was expected, with its underscore.
    pub expected: &'static str,
}

impl fmt::Display for NotAnId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "not an id: expected `{}` followed by 32 hexadecimal digits", self.expected)
    }
}

impl core::error::Error for NotAnId {}

fn parse_id(text: &str, prefix: &'static str) -> Result<u128, NotAnId> {
    let digits = text.strip_prefix(prefix).ok_or(NotAnId { expected: prefix })?;
    let canonical =
        digits.len() == 32 && digits.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    if !canonical {
        return Err(NotAnId { expected: prefix });
    }
    u128::from_str_radix(digits, 16).map_err(|_| NotAnId { expected: prefix })
}

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident = $prefix:literal),* $(,)?) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
        #[cbor(transparent)]
        pub struct $name(#[n(0)] pub u128);

        impl $name {
            /// When the id was drawn, by its own account: the millisecond stamp of a UUIDv7.
            pub fn drawn_at(self) -> Time {
                drawn_at(self.0)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!($prefix, "{:032x}"), self.0)
            }
        }

        impl FromStr for $name {
            type Err = NotAnId;
            fn from_str(text: &str) -> Result<Self, NotAnId> {
                parse_id(text, $prefix).map(Self)
            }
        }
    )*};
}

ids! {
    /// A command sent by a member, for idempotency.
    CommandId = "cmd_",
    /// A member: a person or organisation known to the platform.
    MemberId = "mem_",
    /// An organisation that groups members under common control.
    OrganisationId = "org_",
    /// An API key; the key itself is never stored.
    KeyId = "key_",
    /// An account of a member in one asset.
    AccountId = "acc_",
    /// A provider.
    ProviderId = "prv_",
    /// A site of a provider.
    SiteId = "sit_",
    /// A model version.
    ModelId = "mod_",
    /// An offer: one model at one site.
    OfferId = "off_",
    /// An immutable price schedule of an offer.
    ScheduleId = "sch_",
    /// A source of metered lines.
    SourceId = "src_",
    /// A request; also the id of its receipt.
    RequestId = "req_",
}

fn drawn_at(uuid: u128) -> Time {
    let milliseconds = u64::try_from(uuid >> 80).expect("48 bits fit into 64");
    Time(milliseconds.saturating_mul(1_000_000))
}

/// Nanoseconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
#[cbor(transparent)]
pub struct Time(#[n(0)] pub u64);

impl Time {
    /// Later by `span` nanoseconds; the end of time if that does not fit.
    #[must_use]
    pub fn after(self, span: u64) -> Self {
        Self(self.0.saturating_add(span))
    }

    /// Earlier by `span` nanoseconds; the beginning of time if that does not fit.
    #[must_use]
    pub fn before(self, span: u64) -> Self {
        Self(self.0.saturating_sub(span))
    }
}

/// An index into the asset table of the genesis entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
#[cbor(transparent)]
pub struct Asset(#[n(0)] pub u16);

/// A dense index that the core gives to an account, in order and never again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
#[cbor(transparent)]
pub struct Handle(#[n(0)] pub u32);

/// An amount in the smallest unit of an asset. Credits have nine decimals.
pub type Amount = i128;

/// A SHA-256 hash.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Hash(pub [u8; 32]);

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// Text that is not a hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotAHash;

impl fmt::Display for NotAHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not a hash: expected 64 hexadecimal digits")
    }
}

impl core::error::Error for NotAHash {}

impl FromStr for Hash {
    type Err = NotAHash;

    /// Digits only: a number of Rust may have a sign before them.
    fn from_str(text: &str) -> Result<Self, NotAHash> {
        if text.len() != 64 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(NotAHash);
        }
        let mut hash = [0; 32];
        for (byte, digits) in hash.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
            let digits = core::str::from_utf8(digits).map_err(|_| NotAHash)?;
            *byte = u8::from_str_radix(digits, 16).map_err(|_| NotAHash)?;
        }
        Ok(Self(hash))
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Hash({self})")
    }
}

impl<C> Encode<C> for Hash {
    fn encode<W: Write>(&self, e: &mut Encoder<W>, _: &mut C) -> Result<(), EncodeError<W::Error>> {
        e.bytes(&self.0)?.ok()
    }
}

impl<'b, C> Decode<'b, C> for Hash {
    fn decode(d: &mut Decoder<'b>, _: &mut C) -> Result<Self, DecodeError> {
        let bytes = d.bytes()?;
        bytes.try_into().map(Self).map_err(|_| DecodeError::message("a hash has 32 bytes"))
    }
}

#[cfg(test)]
mod tests;

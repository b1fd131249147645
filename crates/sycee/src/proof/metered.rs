//! A metered line as it is committed to; `sycee_node::lines` says how it is written.
use sycee_core::buckets::{Bucket, Buckets};
use sycee_core::ids::{AccountId, Amount, Hash, KeyId, Time};
use sycee_core::metering::LineRefusal;

/// A bit for each bucket.
const PRESENT_MAX: u16 = 0x3ff;

#[derive(Debug)]
pub(super) struct Metered {
    pub(super) account: AccountId,
    pub(super) key: KeyId,
    /// SHA-256 of offer, schedule and prices; zero if there were none.
    pub(super) price: Hash,
    pub(super) number: u64,
    pub(super) start: Time,
    pub(super) duration_milliseconds: u32,
    pub(super) microjoules: u64,
    pub(super) paid: Amount,
    pub(super) verdict: Verdict,
    pub(super) usage: Buckets,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Paid,
    CountedBefore,
    Refused(LineRefusal),
}

impl Verdict {
    fn read(number: u8) -> Option<Self> {
        match number {
            0 => Some(Self::Paid),
            255 => Some(Self::CountedBefore),
            // One more than the number that the log writes for it, which is one byte below 24.
            refusal => minicbor::decode(&[refusal - 1]).ok().map(Self::Refused),
        }
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Paid => "paid",
            Self::CountedBefore => "counted_before",
            Self::Refused(refusal) => refusal.code(),
        }
    }
}

/// A line that `bytes` spell in the one way that there is.
pub(super) fn read(bytes: &[u8]) -> Option<Metered> {
    let mut bytes = Bytes(bytes);
    let mut line = Metered {
        account: AccountId(u128::from_be_bytes(bytes.take()?)),
        key: KeyId(u128::from_be_bytes(bytes.take()?)),
        price: Hash(bytes.take()?),
        number: u64::from_le_bytes(bytes.take()?),
        start: Time(u64::from_le_bytes(bytes.take()?)),
        duration_milliseconds: u32::from_le_bytes(bytes.take()?),
        microjoules: u64::from_le_bytes(bytes.take()?),
        paid: Amount::from_le_bytes(bytes.take()?),
        verdict: Verdict::read(u8::from_le_bytes(bytes.take()?))?,
        usage: Buckets::default(),
    };
    let present = u16::from_le_bytes(bytes.take()?);
    for (_, bucket) in Bucket::ALL.into_iter().enumerate().filter(|(bit, _)| (present >> bit) & 1 == 1) {
        let tokens = u32::from_le_bytes(bytes.take()?);
        if tokens == 0 {
            return None;
        }
        line.usage.set(bucket, tokens.into());
    }
    (bytes.0.is_empty() && present <= PRESENT_MAX).then_some(line)
}

struct Bytes<'a>(&'a [u8]);

impl Bytes<'_> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (taken, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*taken)
    }
}

//! Buckets: the ten disjoint kinds of token that a request can use.
//!
//! Every provider reports usage in its own overlapping way; the gateway normalises it once into these buckets, and each
//! bucket has one price in a schedule. Nothing else in Sycee counts tokens.
use minicbor::{Decode, Encode};

/// One kind of token. The order is the wire order and never changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
#[cbor(index_only)]
pub enum Bucket {
    #[n(0)]
    InputUncached,
    #[n(1)]
    CacheRead,
    #[n(2)]
    CacheWrite5m,
    #[n(3)]
    CacheWrite1h,
    #[n(4)]
    InputAudio,
    #[n(5)]
    InputImage,
    #[n(6)]
    OutputVisible,
    #[n(7)]
    OutputReasoning,
    #[n(8)]
    OutputAudio,
    #[n(9)]
    OutputImage,
}

impl Bucket {
    /// All buckets, in wire order.
    pub const ALL: [Self; 10] = [
        Self::InputUncached,
        Self::CacheRead,
        Self::CacheWrite5m,
        Self::CacheWrite1h,
        Self::InputAudio,
        Self::InputImage,
        Self::OutputVisible,
        Self::OutputReasoning,
        Self::OutputAudio,
        Self::OutputImage,
    ];

    /// The name in JSON, configuration and documents.
    pub fn name(self) -> &'static str {
        match self {
            Self::InputUncached => "input_uncached",
            Self::CacheRead => "cache_read",
            Self::CacheWrite5m => "cache_write_5m",
            Self::CacheWrite1h => "cache_write_1h",
            Self::InputAudio => "input_audio",
            Self::InputImage => "input_image",
            Self::OutputVisible => "output_visible",
            Self::OutputReasoning => "output_reasoning",
            Self::OutputAudio => "output_audio",
            Self::OutputImage => "output_image",
        }
    }

    /// The bucket of that name, if there is one.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|bucket| bucket.name() == name)
    }

    /// Whether the tokens were sent to the model rather than made by it.
    pub fn is_input(self) -> bool {
        match self {
            Self::InputUncached
            | Self::CacheRead
            | Self::CacheWrite5m
            | Self::CacheWrite1h
            | Self::InputAudio
            | Self::InputImage => true,
            Self::OutputVisible | Self::OutputReasoning | Self::OutputAudio | Self::OutputImage => false,
        }
    }
}

/// A value per bucket: token counts of a request, or prices of a schedule in units per million tokens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode)]
#[cbor(transparent)]
pub struct Buckets(#[n(0)] pub [u64; 10]);

impl Buckets {
    /// The value of one bucket.
    pub fn get(&self, bucket: Bucket) -> u64 {
        self.iter().find(|(other, _)| *other == bucket).map_or(0, |(_, value)| value)
    }

    /// Replaces the value of one bucket.
    pub fn set(&mut self, bucket: Bucket, value: u64) {
        for (other, slot) in Bucket::ALL.into_iter().zip(&mut self.0) {
            if other == bucket {
                *slot = value;
            }
        }
    }

    /// The same with one bucket replaced.
    #[must_use]
    pub fn with(mut self, bucket: Bucket, value: u64) -> Self {
        self.set(bucket, value);
        self
    }

    /// Every bucket with its value, in wire order.
    pub fn iter(&self) -> impl Iterator<Item = (Bucket, u64)> + '_ {
        Bucket::ALL.into_iter().zip(self.0)
    }

    /// Sum of the input buckets; `None` if it does not fit.
    pub fn input_total(&self) -> Option<u64> {
        self.total_where(Bucket::is_input)
    }

    /// Sum of the output buckets; `None` if it does not fit.
    pub fn output_total(&self) -> Option<u64> {
        self.total_where(|bucket| !bucket.is_input())
    }

    /// The largest value among input (`true`) or output (`false`) buckets: the dearest price of a schedule.
    pub fn dearest(&self, input: bool) -> u64 {
        self.iter()
            .filter(|(bucket, _)| bucket.is_input() == input)
            .map(|(_, value)| value)
            .max()
            .unwrap_or(0)
    }

    fn total_where(&self, belongs: impl Fn(Bucket) -> bool) -> Option<u64> {
        self.iter()
            .filter(|(bucket, _)| belongs(*bucket))
            .try_fold(0u64, |sum, (_, value)| sum.checked_add(value))
    }
}

#[cfg(test)]
mod tests;

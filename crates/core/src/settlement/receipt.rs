//! What is recorded of a request when it is closed: the facts behind its receipt.
use super::{AccountId, Amount, Buckets, KeyId, ModelId, OfferId, ScheduleId, Time};
use crate::catalog::{Basis, PartyRole};
use crate::ids::SiteId;
use minicbor::{Decode, Encode};

/// Which kind of request it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum Endpoint {
    #[n(0)]
    Chat,
    #[n(1)]
    Embeddings,
}

impl Endpoint {
    /// The name in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Chat => "chat",
            Self::Embeddings => "embeddings",
        }
    }
}

/// How the answer ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum Finish {
    #[n(0)]
    Stop,
    #[n(1)]
    Length,
    #[n(2)]
    ToolCalls,
    #[n(3)]
    ContentFilter,
    /// The client went away.
    #[n(4)]
    Cancelled,
    /// The provider broke off.
    #[n(5)]
    UpstreamError,
    /// The gateway stopped; settled at the last mark.
    #[n(6)]
    Recovered,
    /// The provider named a reason that is none of these, or none.
    #[n(7)]
    Other,
}

impl Finish {
    /// The name in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Stop => "stop",
            Self::Length => "length",
            Self::ToolCalls => "tool_calls",
            Self::ContentFilter => "content_filter",
            Self::Cancelled => "cancelled",
            Self::UpstreamError => "upstream_error",
            Self::Recovered => "recovered",
            Self::Other => "other",
        }
    }
}

/// Whose count a side of the bill stands on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum Measure {
    /// Counted here, with the offer's tokenizer and template.
    #[n(0)]
    OwnCount,
    /// The provider's report, which could not be checked beyond bounds.
    #[n(1)]
    Unverified,
}

impl Measure {
    /// The name in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::OwnCount => "own_count",
            Self::Unverified => "unverified",
        }
    }
}

/// One try at one site.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Attempt {
    #[n(0)]
    pub offer: OfferId,
    #[n(1)]
    pub outcome: AttemptOutcome,
    #[n(2)]
    pub milliseconds: u32,
}

/// How a try ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum AttemptOutcome {
    #[n(0)]
    Served,
    /// No connection.
    #[n(1)]
    Unreachable,
    /// Too slow.
    #[n(2)]
    TimedOut,
    /// An error status, or an answer that makes no sense.
    #[n(3)]
    Failed,
    /// The site is full.
    #[n(4)]
    Busy,
    /// Broke off after it had begun to answer.
    #[n(5)]
    BrokeOff,
    /// The client went away first.
    #[n(6)]
    Cancelled,
}

impl AttemptOutcome {
    /// The name in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Served => "served",
            Self::Unreachable => "unreachable",
            Self::TimedOut => "timed_out",
            Self::Failed => "failed",
            Self::Busy => "busy",
            Self::BrokeOff => "broke_off",
            Self::Cancelled => "cancelled",
        }
    }
}

/// What the gateway says was delivered.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Delivery {
    #[n(0)]
    pub offer: OfferId,
    /// What is billed.
    #[n(1)]
    pub usage: Buckets,
    #[n(2)]
    pub input_measure: Measure,
    #[n(3)]
    pub output_measure: Measure,
    /// What the provider reported, if anything sensible.
    #[n(4)]
    pub reported: Option<Buckets>,
    /// The report lies outside what the own count allows.
    #[n(5)]
    pub dispute: bool,
    /// Energy the provider measured, in microjoules.
    #[n(6)]
    pub microjoules: Option<u64>,
    #[n(7)]
    pub finish: Finish,
    #[n(8)]
    pub stream: bool,
    #[n(9)]
    pub attempts: Vec<Attempt>,
    /// When the request arrived.
    #[n(10)]
    pub started: Time,
    /// From there to the first byte of the answer.
    #[n(11)]
    pub first_byte_milliseconds: Option<u32>,
}

/// Why nothing is owed.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Release {
    #[n(0)]
    pub finish: Finish,
    #[n(1)]
    pub attempts: Vec<Attempt>,
    #[n(2)]
    pub started: Time,
}

/// The energy of a request and what it is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Energy {
    #[n(0)]
    pub microjoules: u64,
    #[n(1)]
    pub basis: Basis,
    /// Units per kilowatt hour when the request was settled.
    #[n(2)]
    pub power_price: u64,
    #[n(3)]
    pub pue_ppm: u32,
}

/// The facts of a receipt. Its split is the posting in the same entry, with `roles` for its legs in order.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Settled {
    #[n(0)]
    pub account: AccountId,
    #[n(1)]
    pub key: KeyId,
    #[n(2)]
    pub model: ModelId,
    #[n(3)]
    pub endpoint: Endpoint,
    #[n(4)]
    pub site: SiteId,
    #[n(5)]
    pub schedule: ScheduleId,
    #[n(6)]
    pub delivery: Delivery,
    #[n(7)]
    pub total: Amount,
    /// What had been held.
    #[n(8)]
    pub hold: Amount,
    #[n(9)]
    pub roles: Vec<PartyRole>,
    #[n(10)]
    pub energy: Energy,
}

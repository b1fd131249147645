//! What the catalogue knows: the rows of its tables.
use super::{AccountId, Asset, Hash, MemberId, ModelId, OfferId, ProviderId, SiteId, Standing, Time};
use crate::buckets::Buckets;
use minicbor::{Decode, Encode};

/// Something whose standing an operator can set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Subject {
    #[n(0)]
    Provider(#[n(0)] ProviderId),
    #[n(1)]
    Site(#[n(0)] SiteId),
    #[n(2)]
    Model(#[n(0)] ModelId),
    #[n(3)]
    Offer(#[n(0)] OfferId),
}

/// A provider: the member behind one or more sites.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Provider {
    #[n(0)]
    pub member: MemberId,
    #[n(1)]
    pub name: String,
    #[n(2)]
    pub standing: Standing,
}

/// A site as added.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Site {
    #[n(0)]
    pub provider: ProviderId,
    #[n(1)]
    pub name: String,
    #[n(2)]
    pub account: AccountId,
    #[n(3)]
    pub facts: SiteFacts,
    #[n(4)]
    pub standing: Standing,
}

/// Where a figure comes from; shown beside it wherever it is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum Basis {
    #[n(0)]
    Measured,
    #[n(1)]
    Published,
    #[n(2)]
    Assumed,
}

impl Basis {
    /// The badge in JSON and on pages.
    pub fn name(self) -> &'static str {
        match self {
            Self::Measured => "measured",
            Self::Published => "published",
            Self::Assumed => "assumed",
        }
    }
}

/// What is known of a site and may change.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct SiteFacts {
    #[n(0)]
    pub region: String,
    /// The region's name in Chinese.
    #[n(1)]
    pub region_zh: String,
    /// Thousandths of a degree east, to order sites from west to east.
    #[n(2)]
    pub longitude_millidegrees: i32,
    /// Units of the asset that its offers are sold in, per kilowatt hour.
    #[n(3)]
    pub power_price: u64,
    /// Ratio of site power to machine power, in parts per million: 1.07 is 1,070,000.
    #[n(4)]
    pub pue_ppm: u32,
    /// Microjoules per input token, at the machine.
    #[n(5)]
    pub microjoules_input: u64,
    /// Microjoules per output token, at the machine.
    #[n(6)]
    pub microjoules_output: u64,
    /// Where these figures come from.
    #[n(7)]
    pub basis: Basis,
    /// Whether the site is a simulation.
    #[n(8)]
    pub simulated: bool,
}

/// What a model is used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum Kind {
    #[n(0)]
    Chat,
    #[n(1)]
    Embedding,
}

impl Kind {
    /// The name in JSON and configuration.
    pub fn name(self) -> &'static str {
        match self {
            Self::Chat => "chat",
            Self::Embedding => "embedding",
        }
    }
}

/// A model version and the terms agreed for it.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Model {
    /// The name that requests use.
    #[n(0)]
    pub name: String,
    #[n(1)]
    pub kind: Kind,
    /// Where its author is paid.
    #[n(2)]
    pub account: AccountId,
    /// Most tokens of prompt and completion together.
    #[n(3)]
    pub context: u64,
    #[n(4)]
    pub bases: Vec<Edge>,
    /// Flat shares of what the model receives, besides the base models'.
    #[n(5)]
    pub shares: Vec<Share>,
    #[n(6)]
    pub standing: Standing,
}

/// A link to a base model: what part of what the child receives goes to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Edge {
    #[n(0)]
    pub base: ModelId,
    #[n(1)]
    pub share_ppm: u32,
}

/// A flat share.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Share {
    #[n(0)]
    pub account: AccountId,
    #[n(1)]
    pub role: PartyRole,
    #[n(2)]
    pub share_ppm: u32,
}

/// Why somebody is paid from a receipt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
#[cbor(index_only)]
pub enum PartyRole {
    #[n(0)]
    Site,
    #[n(1)]
    Author,
    #[n(2)]
    DataOwner,
    #[n(3)]
    Fee,
}

impl PartyRole {
    /// The name in JSON and configuration.
    pub fn name(self) -> &'static str {
        match self {
            Self::Site => "site",
            Self::Author => "author",
            Self::DataOwner => "data_owner",
            Self::Fee => "fee",
        }
    }
}

/// Somebody that a model's earnings go to: a model's own author, or the holder of a flat share.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Party {
    Model(ModelId),
    Direct(AccountId, PartyRole),
}

/// An offer as added.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Offer {
    #[n(0)]
    pub model: ModelId,
    #[n(1)]
    pub site: SiteId,
    #[n(2)]
    pub terms: OfferTerms,
    #[n(3)]
    pub standing: Standing,
}

/// What an offer promises besides its price.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct OfferTerms {
    /// What the site itself calls the model.
    #[n(0)]
    pub upstream_model: String,
    /// Most output tokens of one choice.
    #[n(1)]
    pub output_max: u64,
    /// Most requests at a time.
    #[n(2)]
    pub concurrency_max: u32,
    /// SHA-256 of the tokenizer that counts for this offer; none where the vendor publishes none.
    #[n(3)]
    pub tokenizer: Option<Hash>,
    /// SHA-256 of the chat template; without it the prompt side is unverified.
    #[n(4)]
    pub chat_template: Option<Hash>,
}

/// What an offer is to cost, as a command says it.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct NewSchedule {
    /// None means as soon as the notice allows.
    #[n(0)]
    pub from: Option<Time>,
    #[n(1)]
    pub asset: Asset,
    /// Units per million tokens.
    #[n(2)]
    pub prices: Buckets,
    #[n(3)]
    pub model_fee_ppm: u32,
    #[n(4)]
    pub platform_fee_ppm: u32,
    #[n(5)]
    pub arithmetic: u16,
}

impl NewSchedule {
    /// The schedule that comes of it where `earliest` is as soon as it may start.
    pub fn starting(&self, earliest: Time) -> Schedule {
        let Self { from, asset, prices, model_fee_ppm, platform_fee_ppm, arithmetic } = *self;
        let from = from.unwrap_or(earliest);
        Schedule { from, asset, prices, model_fee_ppm, platform_fee_ppm, arithmetic }
    }
}

/// What an offer costs from a moment on. Never edited.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Schedule {
    #[n(0)]
    pub from: Time,
    #[n(1)]
    pub asset: Asset,
    /// Units per million tokens.
    #[n(2)]
    pub prices: Buckets,
    /// The part that goes to the model's pot; the site keeps what this and the platform's fee leave.
    #[n(3)]
    pub model_fee_ppm: u32,
    #[n(4)]
    pub platform_fee_ppm: u32,
    /// The rule set it is reckoned by.
    #[n(5)]
    pub arithmetic: u16,
}

//! The catalogue as people write it: members, sites, models and offers by name, money as strings.
//!
//! `sycee apply catalog.toml` reads this from TOML and sends it as JSON; names are resolved against the log when it is applied.
use crate::vocabulary;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// A whole catalogue. What a log offers and this does not name is suspended; members and sources are never suspended by leaving
/// them out.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = CatalogDocument, example = json!({
    "member": [
        {"name": "Zhongwei Wind", "roles": ["provider"], "accounts": [{"name": "income", "asset": "CNY"}]},
        {"name": "Lab", "roles": ["author"], "accounts": [{"name": "royalties", "asset": "CNY"}]}
    ],
    "provider": [{"name": "Zhongwei Wind Compute", "member": "Zhongwei Wind"}],
    "site": [{"name": "zhongwei-1", "provider": "Zhongwei Wind Compute", "account": "income", "region": "Zhongwei, Ningxia",
        "region_zh": "宁夏中卫", "longitude": "105.19", "power_price": "0.36", "pue": "1.12", "joules_input": "0.08",
        "joules_output": "1.9", "basis": "published"}],
    "model": [{"name": "lab-7b", "kind": "chat", "author": "Lab", "account": "royalties", "context": 32768}],
    "offer": [{"model": "lab-7b", "site": "zhongwei-1", "output_max": 8192, "concurrency_max": 64, "asset": "CNY",
        "prices": {"input": "1.2", "output": "4.8", "cache_read": "0.12"}, "model_fee_ppm": 120_000, "platform_fee_ppm": 50_000}],
    "source": []
}))]
pub struct Document {
    #[serde(default, rename = "member")]
    pub members: Vec<Member>,
    #[serde(default, rename = "provider")]
    pub providers: Vec<Provider>,
    #[serde(default, rename = "site")]
    pub sites: Vec<Site>,
    #[serde(default, rename = "model")]
    pub models: Vec<Model>,
    #[serde(default, rename = "offer")]
    pub offers: Vec<Offer>,
    #[serde(default, rename = "source")]
    pub sources: Vec<Source>,
}

/// A member and its accounts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = DocumentMember)]
pub struct Member {
    pub name: String,
    /// Those under common control; made if it is new.
    #[serde(default)]
    pub organisation: Option<String>,
    #[schema(value_type = Vec<vocabulary::Role>)]
    pub roles: Vec<String>,
    #[serde(default)]
    pub accounts: Vec<Account>,
}

/// An account of a member.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = DocumentAccount)]
pub struct Account {
    pub name: String,
    /// Code of the asset, such as `CNY`.
    pub asset: String,
    /// How far below zero it may go; `"0"` for prepaid.
    #[serde(default)]
    pub limit: Option<String>,
}

/// A provider.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = DocumentProvider)]
pub struct Provider {
    pub name: String,
    /// Name of the member behind it.
    pub member: String,
}

/// A site.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = DocumentSite)]
pub struct Site {
    pub name: String,
    pub provider: String,
    /// Name of the provider's account that it is paid into.
    pub account: String,
    pub region: String,
    /// The region's name in Chinese.
    #[serde(default)]
    pub region_zh: Option<String>,
    /// Degrees east, as a decimal string.
    pub longitude: String,
    /// Money per kilowatt hour.
    pub power_price: String,
    /// Site power over machine power, such as `"1.07"`.
    pub pue: String,
    /// Joules per input token at the machine.
    pub joules_input: String,
    /// Joules per output token at the machine.
    pub joules_output: String,
    /// Where the figures come from.
    #[schema(value_type = vocabulary::Basis)]
    pub basis: String,
    #[serde(default)]
    pub simulated: bool,
}

/// A model and the terms agreed for it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = DocumentModel)]
pub struct Model {
    pub name: String,
    #[schema(value_type = vocabulary::ModelKind)]
    pub kind: String,
    /// Name of the member who is paid as its author.
    pub author: String,
    /// Name of the author's account.
    pub account: String,
    /// Most tokens of prompt and completion together.
    pub context: u64,
    #[serde(default)]
    pub bases: Vec<Base>,
    #[serde(default)]
    pub shares: Vec<Share>,
}

/// A link to a base model.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = DocumentBase)]
pub struct Base {
    pub model: String,
    pub share_ppm: u32,
}

/// A flat share of what a model receives.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = DocumentShare)]
pub struct Share {
    pub member: String,
    pub account: String,
    #[schema(value_type = vocabulary::ShareRole)]
    pub role: String,
    pub share_ppm: u32,
}

/// An offer: one model at one site, with its prices.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = DocumentOffer)]
pub struct Offer {
    pub model: String,
    pub site: String,
    /// What the site calls the model; the same name if left out.
    #[serde(default)]
    pub upstream_model: Option<String>,
    pub output_max: u64,
    pub concurrency_max: u32,
    /// SHA-256 of the tokenizer; without one the provider's report is billed within bounds.
    #[serde(default)]
    pub tokenizer: Option<String>,
    /// SHA-256 of the chat template.
    #[serde(default)]
    pub chat_template: Option<String>,
    pub asset: String,
    /// Money per million tokens by bucket; `input` and `output` stand for all buckets of a side that are not named.
    pub prices: BTreeMap<String, String>,
    pub model_fee_ppm: u32,
    pub platform_fee_ppm: u32,
    /// RFC 3339; as soon as the notice allows if left out.
    #[serde(default)]
    pub from: Option<String>,
}

/// A source of usage that is measured elsewhere.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = DocumentSource)]
pub struct Source {
    /// As its events name it; once for each member.
    pub name: String,
    /// Name of the member that reports; it has the role `meter`.
    pub member: String,
    /// Name of the provider whose offers it may report for; all offers if left out.
    #[serde(default)]
    pub provider: Option<String>,
}

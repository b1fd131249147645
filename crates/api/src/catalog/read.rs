//! Reading the fields of a document: every refusal names the field, so that a file's line can be found for it.
use super::document;
use crate::decimal::{self, PPM_DECIMALS};
use crate::time;
use std::fmt;
use sycee_core::State;
use sycee_core::arithmetic::RULES;
use sycee_core::buckets::{Bucket, Buckets};
use sycee_core::catalog::{Basis, Kind, NewSchedule, OfferTerms, PartyRole, SiteFacts};
use sycee_core::ids::{Amount, Asset, Hash, NotAHash};
use sycee_core::membership::Role;

/// A document that cannot be applied: which field, what is wrong, and what would help.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, utoipa::ToSchema)]
pub struct Unfit {
    /// Such as `offer.2.prices`: the table, its index from zero, the field.
    pub field: String,
    pub message: String,
    pub hint: Option<String>,
}

impl fmt::Display for Unfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.field, self.message)
    }
}

impl std::error::Error for Unfit {}

/// A table of the document, being read.
pub(crate) struct Reading {
    path: String,
}

impl Reading {
    pub(crate) fn new(table: &str, index: usize) -> Self {
        Self { path: format!("{table}.{index}") }
    }

    fn unfit(&self, field: &str, message: impl Into<String>, hint: Option<&str>) -> Unfit {
        Unfit {
            field: format!("{}.{field}", self.path),
            message: message.into(),
            hint: hint.map(str::to_owned),
        }
    }

    pub(crate) fn unknown(&self, field: &str, what: &str, name: &str) -> Unfit {
        self.unfit(field, format!("there is no {what} named `{name}`"), Some("add it to the document, above"))
    }

    pub(crate) fn fixed(&self, field: &str, message: &str) -> Unfit {
        self.unfit(field, message, None)
    }

    pub(crate) fn twice(&self, name: &str) -> Unfit {
        self.unfit("name", format!("`{name}` stands in the document twice"), None)
    }

    pub(crate) fn roles(&self, field: &str, names: &[String]) -> Result<Vec<Role>, Unfit> {
        let role = |name: &String| {
            let known: Vec<&str> = Role::ALL.iter().map(|role| role.name()).collect();
            let hint = format!("one of {}", known.join(", "));
            Role::from_name(name)
                .ok_or_else(|| self.unfit(field, format!("`{name}` is not a role"), Some(&hint)))
        };
        let mut roles = names.iter().map(role).collect::<Result<Vec<_>, _>>()?;
        roles.sort_unstable();
        roles.dedup();
        if roles.is_empty() {
            return Err(self.unfit(field, "a member has at least one role", None));
        }
        Ok(roles)
    }

    pub(crate) fn asset(&self, state: &State, field: &str, code: &str) -> Result<Asset, Unfit> {
        let found = state.genesis.asset_by_code(code);
        found.ok_or_else(|| {
            self.unfit(
                field,
                format!("the log has no asset `{code}`"),
                Some("assets are named when a log is founded"),
            )
        })
    }

    pub(crate) fn money(
        &self,
        state: &State,
        field: &str,
        asset: Asset,
        text: &str,
    ) -> Result<Amount, Unfit> {
        let decimals = state.genesis.asset(asset).map_or(0, |definition| definition.decimals);
        self.decimal(field, text, decimals)
    }

    fn decimal(&self, field: &str, text: &str, decimals: u8) -> Result<Amount, Unfit> {
        decimal::parse(text, decimals).map_err(|error| self.unfit(field, error.to_string(), None))
    }

    fn unsigned<T: TryFrom<Amount>>(&self, field: &str, text: &str, decimals: u8) -> Result<T, Unfit> {
        let units = self.decimal(field, text, decimals)?;
        T::try_from(units).map_err(|_| self.unfit(field, format!("`{text}` is out of range"), None))
    }

    pub(crate) fn site_facts(&self, site: &document::Site, decimals: u8) -> Result<SiteFacts, Unfit> {
        let basis = match site.basis.as_str() {
            "measured" => Basis::Measured,
            "published" => Basis::Published,
            "assumed" => Basis::Assumed,
            other => {
                return Err(self.unfit(
                    "basis",
                    format!("`{other}` is no basis"),
                    Some("measured, published or assumed"),
                ));
            }
        };
        Ok(SiteFacts {
            region: site.region.clone(),
            region_zh: site.region_zh.clone().unwrap_or_else(|| site.region.clone()),
            longitude_millidegrees: self.unsigned("longitude", &site.longitude, 3)?,
            power_price: self.unsigned("power_price", &site.power_price, decimals)?,
            pue_ppm: self.unsigned("pue", &site.pue, PPM_DECIMALS)?,
            microjoules_input: self.unsigned("joules_input", &site.joules_input, 6)?,
            microjoules_output: self.unsigned("joules_output", &site.joules_output, 6)?,
            basis,
            simulated: site.simulated,
        })
    }

    pub(crate) fn kind(&self, field: &str, name: &str) -> Result<Kind, Unfit> {
        match name {
            "chat" => Ok(Kind::Chat),
            "embedding" => Ok(Kind::Embedding),
            other => {
                Err(self.unfit(field, format!("`{other}` is not a kind of model"), Some("chat or embedding")))
            }
        }
    }

    pub(crate) fn party_role(&self, field: &str, name: &str) -> Result<PartyRole, Unfit> {
        match name {
            "author" => Ok(PartyRole::Author),
            "data_owner" => Ok(PartyRole::DataOwner),
            other => Err(self.unfit(
                field,
                format!("`{other}` is not a role of a share"),
                Some("author or data_owner"),
            )),
        }
    }

    pub(crate) fn offer_terms(&self, offer: &document::Offer) -> Result<OfferTerms, Unfit> {
        Ok(OfferTerms {
            upstream_model: offer.upstream_model.clone().unwrap_or_else(|| offer.model.clone()),
            output_max: offer.output_max,
            concurrency_max: offer.concurrency_max,
            tokenizer: self.hash("tokenizer", offer.tokenizer.as_deref())?,
            chat_template: self.hash("chat_template", offer.chat_template.as_deref())?,
        })
    }

    fn hash(&self, field: &str, hex: Option<&str>) -> Result<Option<Hash>, Unfit> {
        let Some(hex) = hex else { return Ok(None) };
        let wrong = |error: NotAHash| self.unfit(field, format!("`{hex}` is {error}"), None);
        hex.parse().map(Some).map_err(wrong)
    }

    pub(crate) fn schedule(&self, state: &State, offer: &document::Offer) -> Result<NewSchedule, Unfit> {
        let asset = self.asset(state, "asset", &offer.asset)?;
        for name in offer.prices.keys() {
            if Bucket::from_name(name).is_none() && name != "input" && name != "output" {
                return Err(self.unfit(
                    &format!("prices.{name}"),
                    format!("`{name}` is not a bucket"),
                    Some(&bucket_hint()),
                ));
            }
        }
        let mut prices = Buckets::default();
        for bucket in Bucket::ALL {
            let side = if bucket.is_input() { "input" } else { "output" };
            let text = offer.prices.get(bucket.name()).or_else(|| offer.prices.get(side));
            let missing = || {
                let hint = format!("give `{}` or `{side}`; \"0\" if it is free", bucket.name());
                self.unfit("prices", format!("the schedule has no price for {}", bucket.name()), Some(&hint))
            };
            let units = self.money(state, "prices", asset, text.ok_or_else(missing)?)?;
            let price =
                u64::try_from(units).map_err(|_| self.unfit("prices", "a price is out of range", None))?;
            prices.set(bucket, price);
        }
        let moment = |text: &String| {
            let hint = Some("RFC 3339, such as 2026-12-01T00:00:00Z");
            time::parse(text).ok_or_else(|| self.unfit("from", format!("`{text}` is not a time"), hint))
        };
        let from = offer.from.as_ref().map(moment).transpose()?;
        let (model_fee_ppm, platform_fee_ppm) = (offer.model_fee_ppm, offer.platform_fee_ppm);
        Ok(NewSchedule { from, asset, prices, model_fee_ppm, platform_fee_ppm, arithmetic: RULES })
    }
}

fn bucket_hint() -> String {
    let names: Vec<&str> = Bucket::ALL.iter().map(|bucket| bucket.name()).collect();
    format!("input, output, or one of {}", names.join(", "))
}

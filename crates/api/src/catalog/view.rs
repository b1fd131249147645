//! The catalogue as it is shown.
use crate::decimal::{self, PPM_DECIMALS};
use crate::members::NamedRef;
use crate::money::{Currency, party_name};
use crate::receipts::joules;
use crate::time;
use crate::vocabulary::{Basis, ModelKind, PartyRole, Standing};
use serde::Serialize;
use std::collections::BTreeMap;
use sycee_core::State;
use sycee_core::catalog;
use sycee_core::ids::{MemberId, ModelId, OfferId, ScheduleId, SiteId};
use sycee_core::ledger::Account;
use utoipa::ToSchema;

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Catalog {
    providers: Vec<Provider>,
    sites: Vec<Site>,
    models: Vec<Model>,
    offers: Vec<Offer>,
}

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Provider {
    id: String,
    name: String,
    member: NamedRef,
    standing: Standing,
}

#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct Site {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) provider: NamedRef,
    pub(crate) region: String,
    pub(crate) region_zh: String,
    /// Degrees east.
    pub(crate) longitude: f64,
    pub(crate) simulated: bool,
    /// Money per kilowatt hour.
    pub(crate) power_price: String,
    pub(crate) pue: String,
    /// Joules per input token at the machine.
    pub(crate) joules_input: f64,
    /// Joules per output token at the machine.
    pub(crate) joules_output: f64,
    /// Where these figures come from.
    pub(crate) badge: Basis,
    pub(crate) standing: Standing,
}

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Model {
    id: String,
    name: String,
    /// Who is paid as its author.
    owner: NamedRef,
    kind: ModelKind,
    context: u64,
    lineage: Vec<Lineage>,
    shares: Vec<Share>,
    standing: Standing,
}

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Lineage {
    model: String,
    model_name: String,
    share_ppm: u32,
}

#[derive(Debug, Serialize, ToSchema)]
#[expect(clippy::struct_field_names, reason = "a share in parts per million is called so everywhere")]
pub(crate) struct Share {
    party: String,
    account: String,
    role: PartyRole,
    share_ppm: u32,
}

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Offer {
    id: String,
    model: String,
    model_name: String,
    site: String,
    site_name: String,
    upstream_model: String,
    output_max: u64,
    concurrency_max: u32,
    tokenizer: Option<String>,
    chat_template: Option<String>,
    standing: Standing,
    /// Whether it can be sold now: it, its model, its site and its provider are active.
    open: bool,
    schedules: Vec<Schedule>,
}

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Schedule {
    id: String,
    from: String,
    asset: String,
    /// Money per million tokens, by bucket.
    prices: BTreeMap<&'static str, String>,
    model_fee_ppm: u32,
    platform_fee_ppm: u32,
    arithmetic: u16,
}

pub(crate) fn catalog(state: &State) -> Catalog {
    let catalog = &state.catalog;
    Catalog {
        providers: catalog.providers().iter().map(|(id, it)| provider(state, *id, it)).collect(),
        sites: catalog.sites().iter().map(|(id, it)| site(state, *id, it)).collect(),
        models: catalog.models().iter().map(|(id, it)| model(state, *id, it)).collect(),
        offers: catalog.offers().iter().map(|(id, it)| offer(state, *id, it)).collect(),
    }
}

fn member(state: &State, id: MemberId) -> NamedRef {
    let name = state.membership.member(id).map_or_else(|| id.to_string(), |member| member.name.clone());
    NamedRef { id: id.to_string(), name }
}

fn provider(state: &State, id: sycee_core::ids::ProviderId, provider: &catalog::Provider) -> Provider {
    Provider {
        id: id.to_string(),
        name: provider.name.clone(),
        member: member(state, provider.member),
        standing: provider.standing.into(),
    }
}

pub(crate) fn site(state: &State, id: SiteId, site: &catalog::Site) -> Site {
    let facts = &site.facts;
    let provider =
        state.catalog.providers().get(&site.provider).map_or("", |provider| provider.name.as_str());
    Site {
        id: id.to_string(),
        name: site.name.clone(),
        provider: NamedRef { id: site.provider.to_string(), name: provider.to_owned() },
        region: facts.region.clone(),
        region_zh: facts.region_zh.clone(),
        longitude: f64::from(facts.longitude_millidegrees) / 1000.0,
        simulated: facts.simulated,
        power_price: Currency::of_account(state, site.account).write(facts.power_price.into()),
        pue: decimal::format(facts.pue_ppm.into(), PPM_DECIMALS),
        joules_input: joules(facts.microjoules_input),
        joules_output: joules(facts.microjoules_output),
        badge: facts.basis.into(),
        standing: site.standing.into(),
    }
}

pub(crate) fn model(state: &State, id: ModelId, model: &catalog::Model) -> Model {
    let owner = state.ledger.account(model.account).map(|account| account.member);
    let base_name =
        |base: &ModelId| state.catalog.models().get(base).map_or("", |base| base.name.as_str()).to_owned();
    let lineage = model.bases.iter().map(|edge| Lineage {
        model: edge.base.to_string(),
        model_name: base_name(&edge.base),
        share_ppm: edge.share_ppm,
    });
    let shares = model.shares.iter().map(|share| Share {
        party: party_name(state, Account::Member(share.account)),
        account: share.account.to_string(),
        role: share.role.into(),
        share_ppm: share.share_ppm,
    });
    Model {
        id: id.to_string(),
        name: model.name.clone(),
        owner: member(state, owner.expect("a model's account is open")),
        kind: model.kind.into(),
        context: model.context,
        lineage: lineage.collect(),
        shares: shares.collect(),
        standing: model.standing.into(),
    }
}

pub(crate) fn offer(state: &State, id: OfferId, offer: &catalog::Offer) -> Offer {
    let catalog = &state.catalog;
    let schedules = catalog.schedules_of(id).filter_map(|(_, id)| Some((id, catalog.schedules().get(&id)?)));
    Offer {
        id: id.to_string(),
        model: offer.model.to_string(),
        model_name: catalog.models().get(&offer.model).map_or("", |model| model.name.as_str()).to_owned(),
        site: offer.site.to_string(),
        site_name: catalog.sites().get(&offer.site).map_or("", |site| site.name.as_str()).to_owned(),
        upstream_model: offer.terms.upstream_model.clone(),
        output_max: offer.terms.output_max,
        concurrency_max: offer.terms.concurrency_max,
        tokenizer: offer.terms.tokenizer.map(|hash| hash.to_string()),
        chat_template: offer.terms.chat_template.map(|hash| hash.to_string()),
        standing: offer.standing.into(),
        open: catalog.is_open(id),
        schedules: schedules.map(|(id, it)| schedule(state, id, it)).collect(),
    }
}

fn schedule(state: &State, id: ScheduleId, schedule: &catalog::Schedule) -> Schedule {
    let currency = Currency::of(state, schedule.asset);
    let prices = schedule.prices.iter().map(|(bucket, price)| (bucket.name(), currency.write(price.into())));
    Schedule {
        id: id.to_string(),
        from: time::format(schedule.from),
        asset: currency.code.clone(),
        prices: prices.collect(),
        model_fee_ppm: schedule.model_fee_ppm,
        platform_fee_ppm: schedule.platform_fee_ppm,
        arithmetic: schedule.arithmetic,
    }
}

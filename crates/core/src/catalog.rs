//! Catalog: what is offered, by whom, where, and at what price.
//!
//! A provider has sites, a site serves models, an offer is one model at one site, and a schedule is what the offer costs from a
//! moment on. Schedules are never edited: a new price is a new schedule, published with the notice that the params ask for.
//! A model names its base models and the shares agreed with them; what is agreed is fixed from then on. What the bases may take
//! of it is capped by the params at the moment it is linked, and stays when the cap changes.
//!
//! Invariants
//! - C1 Lineage has no cycle: a model's bases are older than the model.
//! - C2 No model gives away more than it receives, and at most 64 parties share it.
//! - C3 What an offer names exists, and its schedules start at different times.
//! - C4 An offer's handle names it and it alone, and is never used again.
//!
//! Example: `docs-1` is linked to its base with 50,000 ppm; an offer at Zhongwei sells it for 8 CNY a million output tokens
//! from Monday; a request on Sunday still pays the schedule of the week before.
use crate::arithmetic::{self, lineage};
use crate::ids::{
    AccountId, Asset, Handle, Hash, MemberId, ModelId, OfferId, ProviderId, ScheduleId, SiteId, Time,
};
use crate::membership::{Role, Standing};
use crate::params::Param;
use crate::table::{Dense, Rows, Table};
use crate::{Breach, Tx, limits};
use minicbor::{Decode, Encode};

mod check;
mod facts;
pub use facts::{
    Basis, Edge, Kind, Model, NewSchedule, Offer, OfferTerms, PartyRole, Provider, Schedule, Share, Site,
    SiteFacts, Subject,
};

#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Command {
    #[n(0)]
    AddProvider {
        #[n(0)]
        provider: ProviderId,
        #[n(1)]
        member: MemberId,
        #[n(2)]
        name: String,
    },
    #[n(1)]
    AddSite {
        #[n(0)]
        site: SiteId,
        #[n(1)]
        provider: ProviderId,
        #[n(2)]
        name: String,
        /// Where the site is paid.
        #[n(3)]
        account: AccountId,
        #[n(4)]
        facts: SiteFacts,
    },
    #[n(2)]
    DescribeSite {
        #[n(0)]
        site: SiteId,
        #[n(1)]
        facts: SiteFacts,
    },
    #[n(3)]
    AddModel {
        #[n(0)]
        model: ModelId,
        #[n(1)]
        details: Model,
    },
    #[n(4)]
    AddOffer {
        #[n(0)]
        offer: OfferId,
        #[n(1)]
        model: ModelId,
        #[n(2)]
        site: SiteId,
        #[n(3)]
        terms: OfferTerms,
        /// Its first schedule: nothing is offered without a price.
        #[n(4)]
        schedule: ScheduleId,
        #[n(5)]
        prices: NewSchedule,
    },
    #[n(5)]
    ChangeOffer {
        #[n(0)]
        offer: OfferId,
        #[n(1)]
        terms: OfferTerms,
    },
    #[n(6)]
    PublishSchedule {
        #[n(0)]
        offer: OfferId,
        #[n(1)]
        schedule: ScheduleId,
        #[n(2)]
        prices: NewSchedule,
    },
    #[n(7)]
    SetStanding {
        #[n(0)]
        subject: Subject,
        #[n(1)]
        standing: Standing,
    },
}

#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Event {
    #[n(0)]
    ProviderAdded {
        #[n(0)]
        provider: ProviderId,
        #[n(1)]
        details: Provider,
    },
    #[n(1)]
    SiteAdded {
        #[n(0)]
        site: SiteId,
        #[n(1)]
        details: Site,
    },
    #[n(2)]
    SiteDescribed {
        #[n(0)]
        site: SiteId,
        #[n(1)]
        facts: SiteFacts,
    },
    #[n(3)]
    ModelAdded {
        #[n(0)]
        model: ModelId,
        #[n(1)]
        details: Model,
    },
    #[n(4)]
    OfferAdded {
        #[n(0)]
        offer: OfferId,
        #[n(1)]
        details: Offer,
    },
    #[n(5)]
    OfferChanged {
        #[n(0)]
        offer: OfferId,
        #[n(1)]
        terms: OfferTerms,
    },
    #[n(6)]
    SchedulePublished {
        #[n(0)]
        offer: OfferId,
        #[n(1)]
        schedule: ScheduleId,
        #[n(2)]
        prices: Schedule,
    },
    #[n(7)]
    StandingSet {
        #[n(0)]
        subject: Subject,
        #[n(1)]
        standing: Standing,
    },
}

/// In order of precedence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum Refusal {
    #[n(0)]
    IdExists,
    #[n(1)]
    NameTaken,
    #[n(2)]
    NameNotAllowed,
    #[n(3)]
    MemberNotFound,
    #[n(5)]
    ProviderNotFound,
    #[n(6)]
    SiteNotFound,
    #[n(7)]
    ModelNotFound,
    #[n(8)]
    OfferNotFound,
    /// The member does not have the role that this needs.
    #[n(4)]
    RoleMissing,
    /// The account does not exist, is in another asset, or is not of the member it should be of.
    #[n(9)]
    AccountNotFitting,
    #[n(10)]
    FactsOutOfRange,
    #[n(11)]
    TermsOutOfRange,
    #[n(13)]
    SharesExceedWhole,
    #[n(14)]
    AncestorsExceedCap,
    #[n(12)]
    LineageTooDeep,
    #[n(15)]
    TooManyParties,
    #[n(16)]
    PriceOutOfRange,
    /// The schedule starts before its notice is over.
    #[n(17)]
    NoticeTooShort,
    #[n(18)]
    TooManySchedules,
}

impl Refusal {
    /// The stable code.
    pub fn code(self) -> &'static str {
        match self {
            Self::IdExists => "catalog.id_exists",
            Self::NameTaken => "catalog.name_taken",
            Self::NameNotAllowed => "catalog.name_not_allowed",
            Self::MemberNotFound => "catalog.member_not_found",
            Self::ProviderNotFound => "catalog.provider_not_found",
            Self::SiteNotFound => "catalog.site_not_found",
            Self::ModelNotFound => "catalog.model_not_found",
            Self::OfferNotFound => "catalog.offer_not_found",
            Self::RoleMissing => "catalog.role_missing",
            Self::AccountNotFitting => "catalog.account_not_fitting",
            Self::FactsOutOfRange => "catalog.facts_out_of_range",
            Self::TermsOutOfRange => "catalog.terms_out_of_range",
            Self::SharesExceedWhole => "catalog.shares_exceed_whole",
            Self::AncestorsExceedCap => "catalog.ancestors_exceed_cap",
            Self::LineageTooDeep => "catalog.lineage_too_deep",
            Self::TooManyParties => "catalog.too_many_parties",
            Self::PriceOutOfRange => "catalog.price_out_of_range",
            Self::NoticeTooShort => "catalog.notice_too_short",
            Self::TooManySchedules => "catalog.too_many_schedules",
        }
    }
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct State {
    #[n(0)]
    providers: Table<ProviderId, Provider>,
    #[n(1)]
    sites: Table<SiteId, Site>,
    #[n(2)]
    models: Table<ModelId, Model>,
    #[n(3)]
    model_by_name: Table<String, ModelId>,
    #[n(4)]
    offers: Table<OfferId, Offer>,
    #[n(5)]
    schedules: Table<ScheduleId, Schedule>,
    /// Which schedule an offer has from when on.
    #[n(6)]
    timeline: Table<(OfferId, Time), ScheduleId>,
    #[n(7)]
    handles: Table<OfferId, Handle>,
    #[n(8)]
    by_handle: Dense<OfferId>,
}

impl State {
    /// All providers.
    pub fn providers(&self) -> &Table<ProviderId, Provider> {
        &self.providers
    }

    /// All sites.
    pub fn sites(&self) -> &Table<SiteId, Site> {
        &self.sites
    }

    /// All models.
    pub fn models(&self) -> &Table<ModelId, Model> {
        &self.models
    }

    /// All offers.
    pub fn offers(&self) -> &Table<OfferId, Offer> {
        &self.offers
    }

    /// All schedules ever published.
    pub fn schedules(&self) -> &Table<ScheduleId, Schedule> {
        &self.schedules
    }

    /// The model that requests name so.
    pub fn model_by_name(&self, name: &str) -> Option<(ModelId, &Model)> {
        let id = *self.model_by_name.get(&name.to_owned())?;
        Some((id, self.models.get(&id)?))
    }

    /// The schedule of an offer that applies at `at`.
    pub fn schedule_at(&self, offer: OfferId, at: Time) -> Option<(ScheduleId, &Schedule)> {
        let (_, id) = self.timeline.range((offer, Time(0))..=(offer, at)).next_back()?;
        Some((*id, self.schedules.get(id)?))
    }

    /// Every schedule of an offer with its start, oldest first.
    pub fn schedules_of(&self, offer: OfferId) -> impl Iterator<Item = (Time, ScheduleId)> + '_ {
        self.timeline.range((offer, Time(0))..=(offer, Time(u64::MAX))).map(|((_, from), id)| (*from, *id))
    }

    /// The handle of an offer.
    pub fn offer_handle(&self, offer: OfferId) -> Option<Handle> {
        self.handles.get(&offer).copied()
    }

    /// The offer with that handle.
    pub fn offer_by_handle(&self, handle: Handle) -> Option<OfferId> {
        self.by_handle.get(handle).copied()
    }

    /// Every offer with its schedules, in the order of their handles.
    pub fn priced_offers(&self) -> impl Iterator<Item = (OfferId, Vec<(ScheduleId, &Schedule)>)> + '_ {
        self.by_handle.iter().map(|offer| {
            let schedules = self.schedules_of(*offer);
            (*offer, schedules.filter_map(|(_, id)| Some((id, self.schedules.get(&id)?))).collect())
        })
    }

    /// Offers have the handles below this.
    pub fn offer_handles(&self) -> u32 {
        self.by_handle.len()
    }

    /// Whose offer it is.
    pub fn provider_of(&self, offer: OfferId) -> Option<ProviderId> {
        Some(self.sites.get(&self.offers.get(&offer)?.site)?.provider)
    }

    /// Whether the offer, its model, its site and its provider are all active.
    pub fn is_open(&self, offer: OfferId) -> bool {
        self.open_parts(offer).is_some()
    }

    fn open_parts(&self, offer: OfferId) -> Option<()> {
        let active = |standing: Standing| (standing == Standing::Active).then_some(());
        let offer = self.offers.get(&offer)?;
        let site = self.sites.get(&offer.site)?;
        active(offer.standing)?;
        active(self.models.get(&offer.model)?.standing)?;
        active(site.standing)?;
        active(self.providers.get(&site.provider)?.standing)
    }

    /// The parties to what a model earns, as shares of [`arithmetic::split::WHOLE`]: models keep what their terms leave them.
    pub(crate) fn parties(&self, model: ModelId) -> Result<Vec<(Party, i128)>, lineage::Unsound> {
        let root = Party::Model(model);
        lineage::flatten(&root, |party| self.edges(party), lineage::Mode::Relative, limits::LINEAGE_DEPTH_MAX)
    }

    fn edges(&self, party: &Party) -> lineage::Edges<Party> {
        let Party::Model(model) = party else {
            return Vec::new();
        };
        let Some(model) = self.models.get(model) else {
            return Vec::new();
        };
        let bases = model.bases.iter().map(|edge| (Party::Model(edge.base), edge.share_ppm));
        bases
            .chain(model.shares.iter().map(|it| (Party::Direct(it.account, it.role), it.share_ppm)))
            .collect()
    }

    pub(crate) fn tables(&mut self) -> [&mut dyn Rows; 9] {
        let Self { providers, sites, models, model_by_name, offers, schedules, timeline, handles, by_handle } =
            self;
        [providers, sites, models, model_by_name, offers, schedules, timeline, handles, by_handle]
    }
}

pub(crate) use facts::Party;

pub(crate) fn decide(tx: &mut Tx<'_>, command: &Command) -> Result<(), Refusal> {
    match command {
        Command::AddProvider { provider, member, name } => {
            check::new_provider(tx.state(), *provider, *member, name)?;
            let details = Provider { member: *member, name: name.clone(), standing: Standing::Active };
            tx.emit(Event::ProviderAdded { provider: *provider, details });
        }
        Command::AddSite { site, provider, name, account, facts } => {
            check::new_site(tx.state(), *site, *provider, name, *account, facts)?;
            let details = Site {
                provider: *provider,
                name: name.clone(),
                account: *account,
                facts: facts.clone(),
                standing: Standing::Active,
            };
            tx.emit(Event::SiteAdded { site: *site, details });
        }
        Command::DescribeSite { site, facts } => {
            tx.state().catalog.sites.get(site).ok_or(Refusal::SiteNotFound)?;
            check::site_facts(facts)?;
            tx.emit(Event::SiteDescribed { site: *site, facts: facts.clone() });
        }
        Command::AddModel { model, details } => {
            check::new_model(tx.state(), *model, details)?;
            tx.emit(Event::ModelAdded { model: *model, details: details.clone() });
            check::ancestors(tx.state(), *model)?;
        }
        Command::AddOffer { offer, model, site, terms, schedule, prices } => {
            let prices = prices.starting(tx.at);
            check::new_offer(tx.state(), *offer, *model, *site, terms, *schedule, &prices)?;
            let details =
                Offer { model: *model, site: *site, terms: terms.clone(), standing: Standing::Active };
            tx.emit(Event::OfferAdded { offer: *offer, details });
            tx.emit(Event::SchedulePublished { offer: *offer, schedule: *schedule, prices });
        }
        Command::ChangeOffer { offer, terms } => {
            tx.state().catalog.offers.get(offer).ok_or(Refusal::OfferNotFound)?;
            check::offer_terms(terms)?;
            tx.emit(Event::OfferChanged { offer: *offer, terms: terms.clone() });
        }
        Command::PublishSchedule { offer, schedule, prices } => {
            let prices = prices.starting(tx.at.after(check::notice(tx.state())));
            check::next_schedule(tx, *offer, *schedule, &prices)?;
            tx.emit(Event::SchedulePublished { offer: *offer, schedule: *schedule, prices });
        }
        Command::SetStanding { subject, standing } => {
            check::subject(tx.state(), *subject)?;
            tx.emit(Event::StandingSet { subject: *subject, standing: *standing });
        }
    }
    Ok(())
}

pub(crate) fn evolve(state: &mut State, event: &Event) {
    match event {
        Event::ProviderAdded { provider, details } => state.providers.insert(*provider, details.clone()),
        Event::SiteAdded { site, details } => state.sites.insert(*site, details.clone()),
        Event::SiteDescribed { site, facts } => {
            change(&mut state.sites, *site, |row| row.facts = facts.clone());
        }
        Event::ModelAdded { model, details } => {
            state.model_by_name.insert(details.name.clone(), *model);
            state.models.insert(*model, details.clone());
        }
        Event::OfferAdded { offer, details } => {
            let handle = state.by_handle.push(*offer);
            state.handles.insert(*offer, handle);
            state.offers.insert(*offer, details.clone());
        }
        Event::OfferChanged { offer, terms } => {
            change(&mut state.offers, *offer, |row| row.terms = terms.clone());
        }
        Event::SchedulePublished { offer, schedule, prices } => {
            state.timeline.insert((*offer, prices.from), *schedule);
            state.schedules.insert(*schedule, prices.clone());
        }
        Event::StandingSet { subject, standing } => set_standing(state, *subject, *standing),
    }
}

fn set_standing(state: &mut State, subject: Subject, standing: Standing) {
    match subject {
        Subject::Provider(id) => change(&mut state.providers, id, |row| row.standing = standing),
        Subject::Site(id) => change(&mut state.sites, id, |row| row.standing = standing),
        Subject::Model(id) => change(&mut state.models, id, |row| row.standing = standing),
        Subject::Offer(id) => change(&mut state.offers, id, |row| row.standing = standing),
    }
}

fn change<K: Ord + Copy, V: Clone>(table: &mut Table<K, V>, key: K, change: impl FnOnce(&mut V)) {
    let mut row = table.get(&key).expect("C3: decided").clone();
    change(&mut row);
    table.insert(key, row);
}

pub(crate) fn audit(state: &crate::State) -> Vec<Breach> {
    let catalog = &state.catalog;
    let mut breaches = Vec::new();
    for (id, model) in &catalog.models {
        match catalog.parties(*id) {
            Ok(parties) if parties.len() <= limits::PARTIES_MAX => {}
            Ok(parties) => breaches.push(Breach::new("C2", format!("{id} has {} parties", parties.len()))),
            Err(lineage::Unsound::TooDeep) => {
                breaches.push(Breach::new("C1", format!("the lineage of {id} is too deep, or a circle")));
            }
            Err(lineage::Unsound::MoreThanWhole) => {
                breaches.push(Breach::new("C2", format!("{id} gives away more than it receives")));
            }
        }
        if !model.bases.iter().all(|edge| catalog.models.contains(&edge.base)) {
            breaches.push(Breach::new("C1", format!("{id} names a base that does not exist")));
        }
    }
    for (id, offer) in &catalog.offers {
        let known = catalog.models.contains(&offer.model) && catalog.sites.contains(&offer.site);
        if !known || catalog.schedules_of(*id).next().is_none() {
            breaches.push(Breach::new("C3", format!("{id} lacks a model, a site or a schedule")));
        }
        if catalog.offer_handle(*id).and_then(|handle| catalog.offer_by_handle(handle)) != Some(*id) {
            breaches.push(Breach::new("C4", format!("{id} has no handle, or another's")));
        }
    }
    breaches
}

#[cfg(test)]
mod tests;

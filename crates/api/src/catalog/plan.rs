//! The plan: what has to change so that the log offers what a document says, in an order that the core accepts.
//!
//! Things are matched by name, an offer by its model and site. What is there and differs is changed, or, where terms are fixed
//! once agreed, refused; a new price is a new schedule; what the document leaves out is suspended.
use super::document::{self, Document};
use super::read::{Reading, Unfit};
use super::words;
use std::collections::{BTreeMap, BTreeSet};
use sycee_core::State;
use sycee_core::catalog::{self, Command as Catalog, Subject};
use sycee_core::entry::Command;
use sycee_core::ids::{
    AccountId, Asset, MemberId, ModelId, OfferId, OrganisationId, ProviderId, ScheduleId, SiteId, SourceId,
};
use sycee_core::ledger;
use sycee_core::membership::{self, Command as Membership, Standing};
use sycee_core::metering;

/// What a change does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum ChangeKind {
    Add,
    Change,
    Suspend,
    Resume,
}

/// One difference between the log and the document, and the command that removes it.
#[derive(Clone, Debug)]
pub(crate) struct Change {
    pub(crate) kind: ChangeKind,
    pub(crate) what: &'static str,
    pub(crate) name: String,
    pub(crate) before: Option<String>,
    pub(crate) after: Option<String>,
    pub(crate) command: Command,
}

/// Where new ids come from.
pub(crate) type Draw<'a> = &'a mut dyn FnMut() -> u128;

/// Everything that has to be done, in order.
pub(crate) fn plan(state: &State, document: &Document, draw: Draw<'_>) -> Result<Vec<Change>, Unfit> {
    let mut planner = Planner::new(state, draw);
    planner.members(&document.members)?;
    planner.providers(&document.providers)?;
    planner.sites(&document.sites)?;
    planner.models(&document.models)?;
    planner.offers(&document.offers)?;
    planner.sources(&document.sources)?;
    planner.left_out();
    Ok(planner.changes)
}

/// The names known so far: those of the log, and those that earlier changes of the plan will make.
struct Planner<'a> {
    state: &'a State,
    draw: Draw<'a>,
    organisations: BTreeMap<String, OrganisationId>,
    members: BTreeMap<String, MemberId>,
    accounts: BTreeMap<(MemberId, String), (AccountId, Asset)>,
    providers: BTreeMap<String, (ProviderId, MemberId)>,
    sites: BTreeMap<String, SiteId>,
    models: BTreeMap<String, ModelId>,
    offers: BTreeMap<(ModelId, SiteId), OfferId>,
    /// With the provider that each reports for.
    sources: BTreeMap<(MemberId, String), Option<ProviderId>>,
    /// What of the log's catalogue the document names.
    named: Vec<Subject>,
    /// What the document has named so far, by kind and name.
    written: BTreeSet<(&'static str, String)>,
    changes: Vec<Change>,
}

impl<'a> Planner<'a> {
    fn new(state: &'a State, draw: Draw<'a>) -> Self {
        let accounts = state.ledger.accounts().iter();
        let catalog = &state.catalog;
        Self {
            state,
            draw,
            organisations: state
                .membership
                .organisations()
                .iter()
                .map(|(id, it)| (it.clone(), *id))
                .collect(),
            members: state.membership.members().iter().map(|(id, it)| (it.name.clone(), *id)).collect(),
            accounts: accounts.map(|(id, it)| ((it.member, it.name.clone()), (*id, it.asset))).collect(),
            providers: catalog
                .providers()
                .iter()
                .map(|(id, it)| (it.name.clone(), (*id, it.member)))
                .collect(),
            sites: catalog.sites().iter().map(|(id, it)| (it.name.clone(), *id)).collect(),
            models: catalog.models().iter().map(|(id, it)| (it.name.clone(), *id)).collect(),
            offers: catalog.offers().iter().map(|(id, it)| ((it.model, it.site), *id)).collect(),
            // Of two of one name the older counts, as when its events come.
            sources: state
                .metering
                .sources()
                .iter()
                .rev()
                .map(|(_, it)| ((it.member, it.name.clone()), it.provider))
                .collect(),
            named: Vec::new(),
            written: BTreeSet::new(),
            changes: Vec::new(),
        }
    }

    fn push(
        &mut self,
        kind: ChangeKind,
        what: &'static str,
        name: &str,
        command: impl Into<Command>,
    ) -> &mut Change {
        let command = command.into();
        self.changes.push(Change { kind, what, name: name.to_owned(), before: None, after: None, command });
        self.changes.last_mut().expect("one was just pushed")
    }

    /// Refuses what the document names a second time.
    fn once(&mut self, at: &Reading, what: &'static str, name: &str) -> Result<(), Unfit> {
        if self.written.insert((what, name.to_owned())) { Ok(()) } else { Err(at.twice(name)) }
    }

    fn members(&mut self, members: &[document::Member]) -> Result<(), Unfit> {
        for (index, member) in members.iter().enumerate() {
            let at = Reading::new("member", index);
            self.once(&at, "member", &member.name)?;
            let roles = at.roles("roles", &member.roles)?;
            let id = match self.members.get(&member.name) {
                Some(id) => self.known_member(&at, *id, member, roles)?,
                None => self.new_member(member, roles),
            };
            for account in &member.accounts {
                self.account(&at, id, account)?;
            }
        }
        Ok(())
    }

    fn known_member(
        &mut self,
        at: &Reading,
        id: MemberId,
        member: &document::Member,
        roles: Vec<membership::Role>,
    ) -> Result<MemberId, Unfit> {
        let known = self.state.membership.member(id).expect("the log names it");
        let organisation = known.organisation.and_then(|id| self.state.membership.organisations().get(&id));
        if member.organisation.is_some() && member.organisation.as_ref() != organisation {
            return Err(at.fixed("organisation", "a member stays with its organisation"));
        }
        if known.roles != roles {
            let (before, after) = (words::roles(&known.roles), words::roles(&roles));
            let command = Membership::SetRoles { member: id, roles };
            let change = self.push(ChangeKind::Change, "member", &member.name, command);
            (change.before, change.after) = (Some(before), Some(after));
        }
        Ok(id)
    }

    fn new_member(&mut self, member: &document::Member, roles: Vec<membership::Role>) -> MemberId {
        let organisation = member.organisation.as_ref().map(|name| self.organisation(name));
        let id = MemberId((self.draw)());
        self.members.insert(member.name.clone(), id);
        let details =
            membership::Member { name: member.name.clone(), organisation, roles, standing: Standing::Active };
        self.push(ChangeKind::Add, "member", &member.name, Membership::Register { member: id, details });
        id
    }

    fn organisation(&mut self, name: &str) -> OrganisationId {
        if let Some(id) = self.organisations.get(name) {
            return *id;
        }
        let organisation = OrganisationId((self.draw)());
        self.organisations.insert(name.to_owned(), organisation);
        let command = Membership::RegisterOrganisation { organisation, name: name.to_owned() };
        self.push(ChangeKind::Add, "organisation", name, command);
        organisation
    }

    fn account(&mut self, at: &Reading, member: MemberId, account: &document::Account) -> Result<(), Unfit> {
        self.once(at, "account", &format!("{member} {}", account.name))?;
        let asset = at.asset(self.state, "accounts", &account.asset)?;
        let limit =
            account.limit.as_ref().map_or(Ok(0), |limit| at.money(self.state, "accounts", asset, limit))?;
        let key = (member, account.name.clone());
        let Some((id, known_asset)) = self.accounts.get(&key).copied() else {
            let id = AccountId((self.draw)());
            self.accounts.insert(key, (id, asset));
            let name = account.name.clone();
            let command = Membership::OpenAccount { account: id, member, asset, name, limit };
            self.push(ChangeKind::Add, "account", &account.name, command);
            return Ok(());
        };
        if known_asset != asset {
            return Err(at.fixed("accounts", "an account stays in its asset"));
        }
        let known = self.state.ledger.balance(ledger::Account::Member(id));
        let before = known.and_then(|known| known.limit).filter(|before| *before != limit);
        if let Some(before) = before {
            let text = |limit| Some(words::money(self.state, asset, limit));
            let (before, after) = (text(before), text(limit));
            let command = ledger::Command::SetLimit { account: id, limit };
            let change = self.push(ChangeKind::Change, "account limit", &account.name, command);
            (change.before, change.after) = (before, after);
        }
        Ok(())
    }

    fn account_of(
        &self,
        at: &Reading,
        field: &str,
        member: MemberId,
        name: &str,
    ) -> Result<(AccountId, Asset), Unfit> {
        let found = self.accounts.get(&(member, name.to_owned())).copied();
        found.ok_or_else(|| at.unknown(field, "account of that member", name))
    }

    fn providers(&mut self, providers: &[document::Provider]) -> Result<(), Unfit> {
        for (index, provider) in providers.iter().enumerate() {
            let at = Reading::new("provider", index);
            self.once(&at, "provider", &provider.name)?;
            let member = *self
                .members
                .get(&provider.member)
                .ok_or_else(|| at.unknown("member", "member", &provider.member))?;
            if let Some((id, owner)) = self.providers.get(&provider.name).copied() {
                if owner != member {
                    return Err(at.fixed("member", "a provider stays with its member"));
                }
                self.named.push(Subject::Provider(id));
                continue;
            }
            let id = ProviderId((self.draw)());
            self.providers.insert(provider.name.clone(), (id, member));
            let command = Catalog::AddProvider { provider: id, member, name: provider.name.clone() };
            self.push(ChangeKind::Add, "provider", &provider.name, command);
        }
        Ok(())
    }

    fn sites(&mut self, sites: &[document::Site]) -> Result<(), Unfit> {
        for (index, site) in sites.iter().enumerate() {
            let at = Reading::new("site", index);
            self.once(&at, "site", &site.name)?;
            let provider = self.providers.get(&site.provider).copied();
            let (provider, member) =
                provider.ok_or_else(|| at.unknown("provider", "provider", &site.provider))?;
            let (account, asset) = self.account_of(&at, "account", member, &site.account)?;
            let facts = at.site_facts(site, words::decimals(self.state, asset))?;
            let Some(id) = self.sites.get(&site.name).copied() else {
                let id = SiteId((self.draw)());
                self.sites.insert(site.name.clone(), id);
                let command =
                    Catalog::AddSite { site: id, provider, name: site.name.clone(), account, facts };
                self.push(ChangeKind::Add, "site", &site.name, command);
                continue;
            };
            self.named.push(Subject::Site(id));
            let known = self.state.catalog.sites().get(&id).expect("the log names it");
            if known.account != account || known.provider != provider {
                return Err(at.fixed("account", "a site stays with its provider and its account"));
            }
            if known.facts != facts {
                let words = |facts| words::site(self.state, asset, facts);
                let difference = words::difference(&words(&known.facts), &words(&facts));
                let command = Catalog::DescribeSite { site: id, facts };
                let change = self.push(ChangeKind::Change, "site", &site.name, command);
                (change.before, change.after) = difference;
            }
        }
        Ok(())
    }

    fn models(&mut self, models: &[document::Model]) -> Result<(), Unfit> {
        for (index, model) in models.iter().enumerate() {
            let at = Reading::new("model", index);
            self.once(&at, "model", &model.name)?;
            let details = self.model_details(&at, model)?;
            match self.models.get(&model.name).copied() {
                None => {
                    let id = ModelId((self.draw)());
                    self.models.insert(model.name.clone(), id);
                    self.push(
                        ChangeKind::Add,
                        "model",
                        &model.name,
                        Catalog::AddModel { model: id, details },
                    );
                }
                Some(id) => {
                    self.named.push(Subject::Model(id));
                    let known = self.state.catalog.models().get(&id).expect("the log names it");
                    if let Some(field) = fixed_field(known, &details) {
                        let why =
                            "what is agreed for a model is fixed; publish a new version under a new name";
                        return Err(at.fixed(field, why));
                    }
                }
            }
        }
        Ok(())
    }

    fn model_details(&self, at: &Reading, model: &document::Model) -> Result<catalog::Model, Unfit> {
        let author =
            *self.members.get(&model.author).ok_or_else(|| at.unknown("author", "member", &model.author))?;
        let base = |base: &document::Base| {
            let found = self.models.get(&base.model).copied();
            let base_model =
                found.ok_or_else(|| at.unknown("bases", "model before this one", &base.model))?;
            Ok(catalog::Edge { base: base_model, share_ppm: base.share_ppm })
        };
        let share = |share: &document::Share| {
            let member = *self
                .members
                .get(&share.member)
                .ok_or_else(|| at.unknown("shares", "member", &share.member))?;
            let (account, _) = self.account_of(at, "shares", member, &share.account)?;
            Ok(catalog::Share {
                account,
                role: at.party_role("shares", &share.role)?,
                share_ppm: share.share_ppm,
            })
        };
        Ok(catalog::Model {
            name: model.name.clone(),
            kind: at.kind("kind", &model.kind)?,
            account: self.account_of(at, "account", author, &model.account)?.0,
            context: model.context,
            bases: model.bases.iter().map(base).collect::<Result<_, Unfit>>()?,
            shares: model.shares.iter().map(share).collect::<Result<_, Unfit>>()?,
            standing: Standing::Active,
        })
    }

    fn offers(&mut self, offers: &[document::Offer]) -> Result<(), Unfit> {
        for (index, offer) in offers.iter().enumerate() {
            let at = Reading::new("offer", index);
            let model =
                *self.models.get(&offer.model).ok_or_else(|| at.unknown("model", "model", &offer.model))?;
            let site = *self.sites.get(&offer.site).ok_or_else(|| at.unknown("site", "site", &offer.site))?;
            let terms = at.offer_terms(offer)?;
            let prices = at.schedule(self.state, offer)?;
            let name = format!("{} at {}", offer.model, offer.site);
            self.once(&at, "offer", &name)?;
            match self.offers.get(&(model, site)).copied() {
                None => {
                    let (id, schedule) = (OfferId((self.draw)()), ScheduleId((self.draw)()));
                    self.offers.insert((model, site), id);
                    let after = Some(words::new_schedule(self.state, &prices));
                    let command = Catalog::AddOffer { offer: id, model, site, terms, schedule, prices };
                    self.push(ChangeKind::Add, "offer", &name, command).after = after;
                }
                Some(id) => {
                    self.named.push(Subject::Offer(id));
                    let known = self.state.catalog.offers().get(&id).expect("the log names it");
                    self.known_offer(&name, id, known, terms, prices);
                }
            }
        }
        Ok(())
    }

    fn known_offer(
        &mut self,
        name: &str,
        id: OfferId,
        known: &catalog::Offer,
        terms: catalog::OfferTerms,
        prices: catalog::NewSchedule,
    ) {
        if known.terms != terms {
            let difference = words::difference(&words::terms(&known.terms), &words::terms(&terms));
            let change =
                self.push(ChangeKind::Change, "offer", name, Catalog::ChangeOffer { offer: id, terms });
            (change.before, change.after) = difference;
        }
        // The newest schedule is what the document would have led to before, whether it has begun or not.
        let newest = self.state.catalog.schedules_of(id).last();
        let newest = newest.and_then(|(_, schedule)| self.state.catalog.schedules().get(&schedule));
        let same = newest.is_some_and(|newest| prices.starting(newest.from) == *newest);
        if !same {
            let difference = newest.map_or_else(
                || (None, Some(words::new_schedule(self.state, &prices))),
                |newest| schedule_difference(self.state, newest, &prices.starting(newest.from)),
            );
            let schedule = ScheduleId((self.draw)());
            let command = Catalog::PublishSchedule { offer: id, schedule, prices };
            let change = self.push(ChangeKind::Change, "schedule", name, command);
            (change.before, change.after) = difference;
        }
    }

    fn sources(&mut self, sources: &[document::Source]) -> Result<(), Unfit> {
        for (index, source) in sources.iter().enumerate() {
            let at = Reading::new("source", index);
            let member = *self
                .members
                .get(&source.member)
                .ok_or_else(|| at.unknown("member", "member", &source.member))?;
            let known = |name: &String| match self.providers.get(name) {
                Some((id, _)) => Ok(*id),
                None => Err(at.unknown("provider", "provider", name)),
            };
            let provider = source.provider.as_ref().map(known).transpose()?;
            let name = format!("{} of {}", source.name, source.member);
            self.once(&at, "source", &name)?;
            let key = (member, source.name.clone());
            match self.sources.get(&key) {
                Some(same) if *same == provider => {}
                Some(_) => {
                    return Err(at.fixed("provider", "a source stays with the provider it reports for"));
                }
                None => {
                    self.sources.insert(key, provider);
                    let id = SourceId((self.draw)());
                    let details = metering::Source { member, name: source.name.clone(), provider };
                    let command = metering::Command::OpenSource { source: id, details };
                    let after = source.provider.as_ref().map(|provider| format!("for {provider}"));
                    self.push(ChangeKind::Add, "source", &name, command).after = after;
                }
            }
        }
        Ok(())
    }

    /// Suspends what the document does not name, and resumes what it names again.
    fn left_out(&mut self) {
        let catalog = &self.state.catalog;
        let offer_name = |offer: &catalog::Offer| {
            let model = catalog.models().get(&offer.model).map_or("", |it| it.name.as_str());
            let site = catalog.sites().get(&offer.site).map_or("", |it| it.name.as_str());
            format!("{model} at {site}")
        };
        let mut offers: Vec<_> = catalog
            .offers()
            .iter()
            .map(|(id, it)| (Subject::Offer(*id), "offer", offer_name(it), it.standing))
            .collect();
        let mut sites: Vec<_> = catalog
            .sites()
            .iter()
            .map(|(id, it)| (Subject::Site(*id), "site", it.name.clone(), it.standing))
            .collect();
        let mut models: Vec<_> = catalog
            .models()
            .iter()
            .map(|(id, it)| (Subject::Model(*id), "model", it.name.clone(), it.standing))
            .collect();
        let mut providers: Vec<_> = catalog
            .providers()
            .iter()
            .map(|(id, it)| (Subject::Provider(*id), "provider", it.name.clone(), it.standing))
            .collect();
        for rows in [&mut offers, &mut sites, &mut models, &mut providers] {
            rows.sort_by(|(_, _, name, _), (_, _, other, _)| name.cmp(other));
        }
        let all = offers.into_iter().chain(sites).chain(models).chain(providers);
        for (subject, what, name, standing) in all {
            let (kind, wanted) = match (self.named.contains(&subject), standing) {
                (true, Standing::Suspended) => (ChangeKind::Resume, Standing::Active),
                (false, Standing::Active) => (ChangeKind::Suspend, Standing::Suspended),
                (true, Standing::Active) | (false, Standing::Suspended) => continue,
            };
            self.push(kind, what, &name, Catalog::SetStanding { subject, standing: wanted });
        }
    }
}

/// The first field in which a model differs from what was agreed.
fn fixed_field(known: &catalog::Model, details: &catalog::Model) -> Option<&'static str> {
    let fields = [
        ("kind", known.kind != details.kind),
        ("account", known.account != details.account),
        ("context", known.context != details.context),
        ("bases", known.bases != details.bases),
        ("shares", known.shares != details.shares),
    ];
    fields.into_iter().find(|(_, differs)| *differs).map(|(field, _)| field)
}

/// What differs between two schedules; where only the moment does, the moment.
fn schedule_difference(
    state: &State,
    before: &catalog::Schedule,
    after: &catalog::Schedule,
) -> (Option<String>, Option<String>) {
    let (old, new) = (words::schedule(state, before), words::schedule(state, after));
    if old != new {
        return words::difference(&old, &new);
    }
    let from = |schedule: &catalog::Schedule| Some(format!("from {}", crate::time::format(schedule.from)));
    (from(before), from(after))
}

/// The id of a new thing, drawn by a handle that cannot fail silently.
pub(crate) fn drawing(handle: &sycee_node::Handle) -> impl FnMut() -> u128 + '_ {
    move || handle.new_id().expect("the system has randomness, or nothing here is safe")
}

//! What the catalogue refuses: one guard a line, in the order of [`Refusal`].
use super::{
    AccountId, Asset, MemberId, Model, ModelId, OfferId, OfferTerms, Param, PartyRole, ProviderId, Refusal,
    Role, Schedule, ScheduleId, SiteFacts, SiteId, Standing, Subject, Tx, arithmetic, limits, lineage,
};
use crate::State as Core;

fn guard(sound: bool, refusal: Refusal) -> Result<(), Refusal> {
    if sound { Ok(()) } else { Err(refusal) }
}

fn account_of(core: &Core, account: AccountId, member: MemberId) -> Result<(), Refusal> {
    let details = core.ledger.account(account).ok_or(Refusal::AccountNotFitting)?;
    guard(details.member == member, Refusal::AccountNotFitting)
}

pub(super) fn new_provider(core: &Core, id: ProviderId, member: MemberId, name: &str) -> Result<(), Refusal> {
    let catalog = &core.catalog;
    guard(!catalog.providers.contains(&id), Refusal::IdExists)?;
    guard(catalog.providers.iter().all(|(_, it)| it.name != name), Refusal::NameTaken)?;
    guard(crate::name_allowed(name), Refusal::NameNotAllowed)?;
    core.membership.member(member).ok_or(Refusal::MemberNotFound)?;
    guard(core.membership.may(member, Role::Provider), Refusal::RoleMissing)
}

pub(super) fn new_site(
    core: &Core,
    id: SiteId,
    provider: ProviderId,
    name: &str,
    account: AccountId,
    facts: &SiteFacts,
) -> Result<(), Refusal> {
    let catalog = &core.catalog;
    guard(!catalog.sites.contains(&id), Refusal::IdExists)?;
    guard(catalog.sites.iter().all(|(_, it)| it.name != name), Refusal::NameTaken)?;
    guard(crate::name_allowed(name), Refusal::NameNotAllowed)?;
    let provider = catalog.providers.get(&provider).ok_or(Refusal::ProviderNotFound)?;
    account_of(core, account, provider.member)?;
    site_facts(facts)
}

pub(super) fn site_facts(facts: &SiteFacts) -> Result<(), Refusal> {
    let sound = crate::name_allowed(&facts.region)
        && crate::name_allowed(&facts.region_zh)
        && facts.longitude_millidegrees.saturating_abs() <= limits::LONGITUDE_MILLIDEGREES_MAX
        && facts.power_price <= limits::POWER_PRICE_MAX
        && limits::PUE_PPM.contains(&facts.pue_ppm)
        && facts.microjoules_input <= limits::MICROJOULES_MAX
        && facts.microjoules_output <= limits::MICROJOULES_MAX;
    guard(sound, Refusal::FactsOutOfRange)
}

pub(super) fn new_model(core: &Core, id: ModelId, details: &Model) -> Result<(), Refusal> {
    let catalog = &core.catalog;
    guard(!catalog.models.contains(&id), Refusal::IdExists)?;
    guard(!catalog.model_by_name.contains(&details.name), Refusal::NameTaken)?;
    guard(crate::name_allowed(&details.name), Refusal::NameNotAllowed)?;
    guard(details.bases.iter().all(|edge| catalog.models.contains(&edge.base)), Refusal::ModelNotFound)?;
    let owner = core.ledger.account(details.account);
    guard(owner.is_none_or(|it| core.membership.may(it.member, Role::Author)), Refusal::RoleMissing)?;
    let owner = owner.ok_or(Refusal::AccountNotFitting)?;
    let fits = |account: AccountId| core.ledger.account(account).is_some_and(|it| it.asset == owner.asset);
    guard(details.shares.iter().all(|share| fits(share.account)), Refusal::AccountNotFitting)?;
    let bases = details.bases.iter().filter_map(|edge| catalog.models.get(&edge.base));
    guard(bases.map(|base| base.account).all(fits), Refusal::AccountNotFitting)?;
    let roles_sound =
        details.shares.iter().all(|share| matches!(share.role, PartyRole::Author | PartyRole::DataOwner));
    guard(roles_sound && (1..=limits::TOKENS_MAX).contains(&details.context), Refusal::TermsOutOfRange)?;
    guard(once_each(details), Refusal::TermsOutOfRange)?;
    guard(details.standing == Standing::Active, Refusal::TermsOutOfRange)?;
    let cap = core.params.get(Param::AncestorsCapPpm);
    let to_bases = details.bases.iter().map(|edge| edge.share_ppm);
    let to_all = total(to_bases.clone().chain(details.shares.iter().map(|share| share.share_ppm)));
    let to_bases = total(to_bases);
    guard(to_all <= limits::PPM, Refusal::SharesExceedWhole)?;
    guard(to_bases <= cap, Refusal::AncestorsExceedCap)
}

fn total(parts_ppm: impl Iterator<Item = u32>) -> u64 {
    parts_ppm.fold(0, |sum: u64, part| {
        sum.checked_add(part.into()).expect("C2: a command has far fewer than 2^32 shares")
    })
}

/// The same parent, or the same account in the same role, twice is a mistake rather than a larger share.
fn once_each(details: &Model) -> bool {
    let mut bases: Vec<ModelId> = details.bases.iter().map(|edge| edge.base).collect();
    let mut parties: Vec<(AccountId, PartyRole)> =
        details.shares.iter().map(|share| (share.account, share.role)).collect();
    bases.sort_unstable();
    bases.dedup();
    parties.sort_unstable();
    parties.dedup();
    bases.len() == details.bases.len() && parties.len() == details.shares.len()
}

/// Checked once the model is in the table, since its lineage starts from it; a refusal takes it out again.
pub(super) fn ancestors(core: &Core, model: ModelId) -> Result<(), Refusal> {
    match core.catalog.parties(model) {
        Ok(parties) => guard(parties.len() <= limits::PARTIES_MAX, Refusal::TooManyParties),
        Err(lineage::Unsound::TooDeep) => Err(Refusal::LineageTooDeep),
        Err(lineage::Unsound::MoreThanWhole) => Err(Refusal::SharesExceedWhole),
    }
}

pub(super) fn new_offer(
    core: &Core,
    id: OfferId,
    model: ModelId,
    site: SiteId,
    terms: &OfferTerms,
    schedule: ScheduleId,
    prices: &Schedule,
) -> Result<(), Refusal> {
    let catalog = &core.catalog;
    guard(!catalog.offers.contains(&id) && !catalog.schedules.contains(&schedule), Refusal::IdExists)?;
    let taken = catalog.offers.iter().any(|(_, it)| it.model == model && it.site == site);
    guard(!taken, Refusal::NameTaken)?;
    guard(catalog.sites.contains(&site), Refusal::SiteNotFound)?;
    guard(catalog.models.contains(&model), Refusal::ModelNotFound)?;
    guard(all_paid_in(core, prices.asset, model, site), Refusal::AccountNotFitting)?;
    offer_terms(terms)?;
    price(prices)
}

pub(super) fn offer_terms(terms: &OfferTerms) -> Result<(), Refusal> {
    let sound = crate::name_allowed(&terms.upstream_model)
        && (1..=limits::TOKENS_MAX).contains(&terms.output_max)
        && terms.concurrency_max > 0;
    guard(sound, Refusal::TermsOutOfRange)
}

/// Whether everybody whom a price pays has an account in its asset.
fn all_paid_in(core: &Core, asset: Asset, model: ModelId, site: SiteId) -> bool {
    let site = core.catalog.sites.get(&site).map(|it| it.account);
    let model = core.catalog.models.get(&model).map(|it| it.account);
    [site, model]
        .into_iter()
        .flatten()
        .all(|account| core.ledger.account(account).is_some_and(|it| it.asset == asset))
}

fn price(prices: &Schedule) -> Result<(), Refusal> {
    let fees = total([prices.model_fee_ppm, prices.platform_fee_ppm].into_iter());
    guard(fees <= limits::PPM, Refusal::SharesExceedWhole)?;
    let in_range = prices.prices.0.iter().all(|price| *price <= limits::PRICE_MAX);
    guard(in_range && prices.arithmetic == arithmetic::RULES, Refusal::PriceOutOfRange)
}

pub(super) fn next_schedule(
    tx: &Tx<'_>,
    offer: OfferId,
    id: ScheduleId,
    prices: &Schedule,
) -> Result<(), Refusal> {
    let core = tx.state();
    guard(!core.catalog.schedules.contains(&id), Refusal::IdExists)?;
    let details = core.catalog.offers.get(&offer).ok_or(Refusal::OfferNotFound)?;
    guard(all_paid_in(core, prices.asset, details.model, details.site), Refusal::AccountNotFitting)?;
    price(prices)?;
    let taken = core.catalog.timeline.contains(&(offer, prices.from));
    guard(prices.from >= tx.at.after(notice(core)) && !taken, Refusal::NoticeTooShort)?;
    let to_come = core.catalog.schedules_of(offer).filter(|(from, _)| *from > tx.at).count();
    guard(to_come < limits::SCHEDULES_PER_OFFER_MAX, Refusal::TooManySchedules)
}

/// Nanoseconds that a schedule must be published ahead.
pub(super) fn notice(core: &Core) -> u64 {
    core.params.get(Param::ScheduleNoticeSeconds).saturating_mul(limits::SECOND)
}

pub(super) fn subject(core: &Core, subject: Subject) -> Result<(), Refusal> {
    let catalog = &core.catalog;
    match subject {
        Subject::Provider(id) => guard(catalog.providers.contains(&id), Refusal::ProviderNotFound),
        Subject::Site(id) => guard(catalog.sites.contains(&id), Refusal::SiteNotFound),
        Subject::Model(id) => guard(catalog.models.contains(&id), Refusal::ModelNotFound),
        Subject::Offer(id) => guard(catalog.offers.contains(&id), Refusal::OfferNotFound),
    }
}

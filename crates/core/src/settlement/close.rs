//! Closing a request: at what was delivered, at its last mark, or for nothing.
use super::{
    Amount, Delivery, Energy, Event, Finish, Hold, Mark, ModelId, OfferId, Refusal, Release, RequestId,
    ScheduleId, Settled, Tx, catalog, ledger, limits,
};
use crate::arithmetic::{price, split};
use crate::catalog::{PartyRole, Schedule, Site};
use crate::ids::SiteId;
use crate::ledger::{Account, Leg, Purpose};
use crate::royalty;
use std::collections::BTreeMap;

/// Marks move forward only; those of requests that have been closed meanwhile are dropped.
pub(super) fn advance(tx: &mut Tx<'_>, marks: &[(RequestId, Mark)]) -> Result<(), Refusal> {
    if marks.len() > limits::MARKS_MAX {
        return Err(Refusal::OutOfRange);
    }
    let holds = &tx.state().settlement.holds;
    let mut furthest: BTreeMap<RequestId, Mark> = BTreeMap::new();
    for (request, mark) in marks {
        let Some(hold) = holds.get(request) else {
            continue;
        };
        let former = furthest.get(request).or(hold.mark.as_ref());
        let further = former.is_none_or(|it| it.usage.output_total() <= mark.usage.output_total());
        if further && schedule_of(hold, mark.offer).is_some() {
            furthest.insert(*request, *mark);
        }
    }
    if !furthest.is_empty() {
        tx.emit(Event::Advanced { marks: furthest.into_iter().collect() });
    }
    Ok(())
}

pub(super) fn settle(tx: &mut Tx<'_>, request: RequestId, delivery: &Delivery) -> Result<(), Refusal> {
    let hold = open_hold(tx, request)?;
    let schedule = schedule_of(&hold, delivery.offer).ok_or(Refusal::OfferNotHeld)?;
    if delivery.attempts.len() > limits::ATTEMPTS_MAX {
        return Err(Refusal::OutOfRange);
    }
    pay(tx, request, &hold, schedule, delivery.clone());
    Ok(())
}

pub(super) fn release(tx: &mut Tx<'_>, request: RequestId, release: &Release) -> Result<(), Refusal> {
    let hold = open_hold(tx, request)?;
    if release.attempts.len() > limits::ATTEMPTS_MAX {
        return Err(Refusal::OutOfRange);
    }
    ledger::release(tx, hold.account, hold.amount);
    tx.emit(Event::Released { request, account: hold.account, release: release.clone() });
    Ok(())
}

/// Closes a hold that its epoch left behind: at its last mark, or for nothing if nothing had been delivered.
pub(super) fn recover(tx: &mut Tx<'_>, request: RequestId) {
    let hold = open_hold(tx, request).expect("S2: orphans are open");
    let delivered = hold.mark.filter(|mark| mark.usage.output_total() != Some(0));
    let Some(mark) = delivered else {
        let nothing = Release { finish: Finish::Recovered, attempts: Vec::new(), started: hold.at };
        return release(tx, request, &nothing).expect("S2: the hold is open");
    };
    let delivery = Delivery {
        offer: mark.offer,
        usage: mark.usage,
        input_measure: mark.input_measure,
        output_measure: mark.output_measure,
        reported: None,
        dispute: false,
        microjoules: None,
        finish: Finish::Recovered,
        stream: true,
        attempts: Vec::new(),
        started: hold.at,
        first_byte_milliseconds: None,
    };
    settle(tx, request, &delivery).expect("S2: marks name an offer of the hold");
}

fn open_hold(tx: &Tx<'_>, request: RequestId) -> Result<Hold, Refusal> {
    tx.state().settlement.holds.get(&request).cloned().ok_or(Refusal::RequestNotFound)
}

fn schedule_of(hold: &Hold, offer: OfferId) -> Option<ScheduleId> {
    hold.schedules.iter().find(|(other, _)| *other == offer).map(|(_, schedule)| *schedule)
}

fn pay(tx: &mut Tx<'_>, request: RequestId, hold: &Hold, id: ScheduleId, delivery: Delivery) {
    let catalog = &tx.state().catalog;
    let schedule = catalog.schedules().get(&id).expect("C3: schedules are never removed").clone();
    let site_id = catalog.offers().get(&delivery.offer).expect("C3: offers are never removed").site;
    let site = catalog.sites().get(&site_id).expect("C3: sites are never removed").clone();

    let cost = price::total(&delivery.usage, &schedule.prices);
    let total = cost.unwrap_or(hold.amount).min(hold.amount);
    ledger::release(tx, hold.account, hold.amount);
    let parts = divide(tx, id, &schedule, &site, hold.model, total);
    let roles = parts.iter().map(|(role, _)| *role).collect();
    let legs: Vec<Leg> = parts.into_iter().map(|(_, leg)| leg).collect();
    if !legs.is_empty() {
        let payer = Account::Member(hold.account);
        ledger::post(tx, payer, legs, Purpose::Receipt { request }, None)
            .expect("S2: the hold covers the total");
    }
    let energy = energy(&delivery, &site);
    let receipt = receipt(hold, id, site_id, delivery, total, roles, energy);
    tx.emit(Event::Settled { request, receipt: Box::new(receipt) });
}

fn receipt(
    hold: &Hold,
    schedule: ScheduleId,
    site: SiteId,
    delivery: Delivery,
    total: Amount,
    roles: Vec<PartyRole>,
    energy: Energy,
) -> Settled {
    Settled {
        account: hold.account,
        key: hold.key,
        model: hold.model,
        endpoint: hold.endpoint,
        site,
        schedule,
        delivery,
        total,
        hold: hold.amount,
        roles,
        energy,
    }
}

/// Who gets what of `total`: the site, the parties to the model's pot, the platform. Parts of zero are left out.
fn divide(
    tx: &mut Tx<'_>,
    id: ScheduleId,
    schedule: &Schedule,
    site: &Site,
    model: ModelId,
    total: Amount,
) -> Vec<(PartyRole, Leg)> {
    let former = tx.state().settlement.carries.get(&id).cloned().unwrap_or_else(|| vec![0; 3]);
    let mut carries = former.clone();
    let parts = split::split(total, &shares(schedule), &mut carries);
    let &[site_part, model_part, fee] = parts.as_slice() else {
        unreachable!("three shares make three parts")
    };
    if carries != former {
        tx.emit(Event::Carried { schedule: id, carries });
    }

    let mut legs = vec![(PartyRole::Site, Leg { to: Account::Member(site.account), amount: site_part })];
    if model_part > 0 {
        let paid = royalty::divide(tx, model, model_part).into_iter();
        legs.extend(paid.map(|it| (it.role, Leg { to: Account::Member(it.account), amount: it.amount })));
    }
    legs.push((PartyRole::Fee, Leg { to: Account::Fees(schedule.asset), amount: fee }));
    legs.retain(|(_, leg)| leg.amount > 0);
    legs
}

/// Of the site, the model's pot and the platform.
pub(super) fn shares(schedule: &Schedule) -> [i128; 3] {
    let to_model = split::from_ppm(schedule.model_fee_ppm);
    let to_platform = split::from_ppm(schedule.platform_fee_ppm);
    let to_site = split::WHOLE.checked_sub(to_model).and_then(|left| left.checked_sub(to_platform));
    let to_site = to_site.filter(|left| *left >= 0).expect("S3: the fees of a schedule are within the whole");
    [to_site, to_model, to_platform]
}

/// Measured if the provider measured it, else reckoned from the site's own figures and marked as those are. It moves no
/// money, so what a usage beyond all bounds would take is as much as there is room for.
fn energy(delivery: &Delivery, site: &Site) -> Energy {
    let facts = &site.facts;
    let reckoned = || {
        let input = delivery.usage.input_total().unwrap_or(u64::MAX).saturating_mul(facts.microjoules_input);
        let output =
            delivery.usage.output_total().unwrap_or(u64::MAX).saturating_mul(facts.microjoules_output);
        input.saturating_add(output)
    };
    let (microjoules, basis) = match delivery.microjoules {
        Some(measured) => (measured, catalog::Basis::Measured),
        None => (reckoned(), facts.basis),
    };
    Energy { microjoules, basis, power_price: facts.power_price, pue_ppm: facts.pue_ppm }
}

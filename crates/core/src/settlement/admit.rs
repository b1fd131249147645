//! Admission: may this request run, and what is set aside for it?
use super::{
    AccountId, Amount, Decode, Encode, Endpoint, Event, Hold, KeyId, ModelId, OfferId, Refusal, RequestId,
    ScheduleId, Time, Tx, idempotency, ledger, limits,
};
use crate::arithmetic::{price, split};
use crate::catalog::Schedule;
use crate::membership::Standing;

/// What a gateway asks for before it sends anything upstream.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Ask {
    #[n(0)]
    pub account: AccountId,
    #[n(1)]
    pub key: KeyId,
    #[n(2)]
    pub model: ModelId,
    #[n(3)]
    pub endpoint: Endpoint,
    /// Offers that may serve it, best first.
    #[n(4)]
    pub candidates: Vec<OfferId>,
    /// Upper bound of the prompt's tokens.
    #[n(5)]
    pub input_max: u64,
    #[n(6)]
    pub output: Output,
}

/// Upper bound of the output.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Output {
    /// Tokens of one choice.
    #[n(0)]
    pub max: u64,
    #[n(1)]
    pub choices: u32,
    /// The client named no limit, so it may be lowered to what the balance allows.
    #[n(2)]
    pub may_lower: bool,
}

impl Output {
    fn total(self) -> Option<u64> {
        self.max.checked_mul(self.choices.into()).filter(|total| *total <= limits::TOKENS_MAX)
    }
}

pub(super) fn authorise(tx: &mut Tx<'_>, request: RequestId, ask: &Ask) -> Result<(), Refusal> {
    let core = tx.state();
    let state = &core.settlement;
    idempotency::check_age(request.drawn_at(), tx.at).map_err(|_| Refusal::RequestExpired)?;
    if state.holds.contains(&request) || state.closed.contains(&request) {
        return Err(Refusal::RequestExists);
    }
    if !key_fits(core, ask) {
        return Err(Refusal::KeyNotFitting);
    }
    let schedules = sellable(core, tx.at, ask);
    if schedules.is_empty() {
        return Err(Refusal::NoOffer);
    }
    let (output_max, amount) = reckon(core, ask, &schedules)?;
    if state.holds.len() >= limits::HOLDS_MAX {
        return Err(Refusal::Full);
    }
    let schedules = schedules.into_iter().map(|(offer, schedule, _)| (offer, schedule)).collect();
    let epoch = state.epoch();
    ledger::hold(tx, ask.account, amount).map_err(|_| Refusal::InFlightBudget)?;
    let hold = Hold {
        account: ask.account,
        key: ask.key,
        model: ask.model,
        endpoint: ask.endpoint,
        schedules,
        amount,
        output_max,
        epoch,
        at: tx.at,
        mark: None,
    };
    tx.emit(Event::Authorised { request, hold });
    Ok(())
}

fn key_fits(core: &crate::State, ask: &Ask) -> bool {
    let Some(key) = core.membership.keys().get(&ask.key) else {
        return false;
    };
    let active = core.membership.member(key.member).is_some_and(|it| it.standing == Standing::Active);
    active && !key.revoked && key.account == Some(ask.account)
}

type Priced<'a> = (OfferId, ScheduleId, &'a Schedule);

/// The candidates that can be sold to this account now, with their prices.
fn sellable<'a>(core: &'a crate::State, at: Time, ask: &Ask) -> Vec<Priced<'a>> {
    let asset = core.ledger.account(ask.account).map(|details| details.asset);
    let mut priced: Vec<Priced<'a>> = Vec::new();
    for offer in ask.candidates.iter().take(limits::CANDIDATES_MAX) {
        let serves = core.catalog.offers().get(offer).is_some_and(|it| it.model == ask.model);
        let Some((id, schedule)) = core.catalog.schedule_at(*offer, at) else {
            continue;
        };
        let known = priced.iter().any(|(other, _, _)| other == offer);
        if serves && !known && Some(schedule.asset) == asset && core.catalog.is_open(*offer) {
            priced.push((*offer, id, schedule));
        }
    }
    priced
}

/// Output tokens granted and the amount to hold, for the dearest candidate.
fn reckon(core: &crate::State, ask: &Ask, schedules: &[Priced<'_>]) -> Result<(u64, Amount), Refusal> {
    let balance = core.ledger.balance(ledger::Account::Member(ask.account)).ok_or(Refusal::KeyNotFitting)?;
    let asked =
        ask.output.total().filter(|_| ask.input_max <= limits::TOKENS_MAX).ok_or(Refusal::OutOfRange)?;
    let fits = output_fitting(balance.spendable(), ask, schedules);
    let output = match fits {
        Some(fits) if ask.output.may_lower && fits > 0 => asked.min(fits),
        _ => asked,
    };
    let amount = dearest(ask.input_max, output, schedules).ok_or(Refusal::OutOfRange)?;
    if amount > 0 && balance.spendable() <= 0 {
        return Err(Refusal::InsufficientQuota);
    }
    if amount > balance.spendable() {
        let choices = u64::from(ask.output.choices).max(1);
        let output_fits = fits.unwrap_or(0).checked_div(choices).unwrap_or(0);
        return Err(Refusal::RequestTooLarge { output_fits });
    }
    if amount > balance.available() {
        return Err(Refusal::InFlightBudget);
    }
    Ok((output, amount))
}

/// The most output tokens, as a multiple of the choices, that `money` pays for beside the input.
fn output_fitting(money: Amount, ask: &Ask, schedules: &[Priced<'_>]) -> Option<u64> {
    let each =
        schedules.iter().map(|(_, _, schedule)| price::output_within(money, ask.input_max, &schedule.prices));
    let fits = each.collect::<Option<Vec<u64>>>()?.into_iter().min()?;
    let choices = u64::from(ask.output.choices);
    fits.checked_div(choices)?.checked_mul(choices)
}

fn dearest(input: u64, output: u64, schedules: &[Priced<'_>]) -> Option<Amount> {
    let each = schedules.iter().map(|(_, _, schedule)| price::bound(input, output, &schedule.prices));
    each.collect::<Option<Vec<Amount>>>()?.into_iter().max().filter(|amount| *amount <= split::AMOUNT_MAX)
}

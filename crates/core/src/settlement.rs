//! Settlement: from the promise to pay to the receipt.
//!
//! A request is authorised with a hold for the most it can cost, marked as it is delivered, and settled once for what was
//! delivered, never above the hold; or released for nothing. A hold belongs to the epoch of the gateway that asked for it and
//! lives as long as that epoch; when a new epoch begins, the holds of earlier ones settle at their last mark.
//!
//! Invariants
//! - S1 What is held of an account is the sum of its open holds.
//! - S2 A request is settled or released at most once, and for at most its hold.
//! - S3 The split of a receipt sums to its total; the carries of a schedule sum to zero.
//!
//! Example: a request is held at 0.03, delivers 400 of at most 1,000 tokens, and settles at 0.012: 0.0093 to the site, 0.0015 to
//! the model's pot, 0.0012 to fees; 0.018 of the hold is free again.
use crate::arithmetic::splitter::Splitter;
use crate::buckets::Buckets;
use crate::ids::{AccountId, Amount, KeyId, ModelId, OfferId, RequestId, ScheduleId, Time};
use crate::table::{Rows, Table};
use crate::{Breach, Tx, catalog, idempotency, ledger, limits};
use minicbor::{Decode, Encode};
use std::collections::BTreeMap;

mod admit;
mod close;
mod receipt;
pub use admit::{Ask, Output};
pub use receipt::{Attempt, AttemptOutcome, Delivery, Endpoint, Energy, Finish, Measure, Release, Settled};

#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Command {
    /// A gateway starts: from now on its requests belong to a new epoch.
    #[n(0)]
    BeginEpoch,
    /// May this request run, and for how much?
    #[n(1)]
    Authorise {
        #[n(0)]
        request: RequestId,
        #[n(1)]
        ask: Ask,
    },
    /// What has reached the clients of running requests so far.
    #[n(2)]
    Advance {
        #[n(0)]
        marks: Vec<(RequestId, Mark)>,
    },
    #[n(3)]
    Settle {
        #[n(0)]
        request: RequestId,
        #[n(1)]
        delivery: Delivery,
    },
    /// Nothing is owed.
    #[n(4)]
    Release {
        #[n(0)]
        request: RequestId,
        #[n(1)]
        release: Release,
    },
}

#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Event {
    #[n(0)]
    EpochBegan {
        #[n(0)]
        epoch: u64,
    },
    #[n(1)]
    Authorised {
        #[n(0)]
        request: RequestId,
        #[n(1)]
        hold: Hold,
    },
    #[n(2)]
    Advanced {
        #[n(0)]
        marks: Vec<(RequestId, Mark)>,
    },
    #[n(3)]
    Settled {
        #[n(0)]
        request: RequestId,
        #[n(1)]
        receipt: Box<Settled>,
    },
    #[n(4)]
    Released {
        #[n(0)]
        request: RequestId,
        #[n(1)]
        account: AccountId,
        #[n(2)]
        release: Release,
    },
    /// What the parties to a schedule are ahead or behind after a receipt.
    #[n(5)]
    Carried {
        #[n(0)]
        schedule: ScheduleId,
        #[n(1)]
        carries: Vec<i128>,
    },
    /// A closed request is old enough to be forgotten: its id would be refused as expired.
    #[n(6)]
    Forgotten {
        #[n(0)]
        request: RequestId,
    },
}

/// In order of precedence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Refusal {
    #[n(0)]
    RequestExpired,
    /// The request was authorised before.
    #[n(1)]
    RequestExists,
    #[n(2)]
    RequestNotFound,
    #[n(3)]
    KeyNotFitting,
    /// None of the candidates can be sold now.
    #[n(4)]
    NoOffer,
    /// The offer was not among the candidates.
    #[n(9)]
    OfferNotHeld,
    #[n(5)]
    OutOfRange,
    /// Nothing to spend.
    #[n(6)]
    InsufficientQuota,
    /// Dearer than everything the account could spend; so many output tokens would fit.
    #[n(7)]
    RequestTooLarge {
        #[n(0)]
        output_fits: u64,
    },
    /// Money enough, but other running requests hold it.
    #[n(8)]
    InFlightBudget,
    #[n(10)]
    Full,
}

impl Refusal {
    /// The stable code.
    pub fn code(self) -> &'static str {
        match self {
            Self::RequestExpired => "settlement.request_expired",
            Self::RequestExists => "settlement.request_exists",
            Self::RequestNotFound => "settlement.request_not_found",
            Self::KeyNotFitting => "settlement.key_not_fitting",
            Self::NoOffer => "settlement.no_offer",
            Self::OfferNotHeld => "settlement.offer_not_held",
            Self::OutOfRange => "settlement.out_of_range",
            Self::InsufficientQuota => "settlement.insufficient_quota",
            Self::RequestTooLarge { output_fits: _ } => "settlement.request_too_large",
            Self::InFlightBudget => "settlement.in_flight_budget",
            Self::Full => "settlement.full",
        }
    }
}

/// What is set aside for a running request.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Hold {
    #[n(0)]
    pub account: AccountId,
    #[n(1)]
    pub key: KeyId,
    #[n(2)]
    pub model: ModelId,
    #[n(3)]
    pub endpoint: Endpoint,
    /// The candidates with the schedules that apply to this request, whatever is published while it runs.
    #[n(4)]
    pub schedules: Vec<(OfferId, ScheduleId)>,
    #[n(5)]
    pub amount: Amount,
    /// Output tokens that the hold pays for, over all choices.
    #[n(6)]
    pub output_max: u64,
    #[n(7)]
    pub epoch: u64,
    #[n(8)]
    pub at: Time,
    #[n(9)]
    pub mark: Option<Mark>,
}

/// How far a request has come: what has reached its client, and whose count says so, for the receipt if this is the last mark.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Mark {
    #[n(0)]
    pub offer: OfferId,
    #[n(1)]
    pub usage: Buckets,
    #[n(2)]
    pub input_measure: Measure,
    #[n(3)]
    pub output_measure: Measure,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct State {
    #[n(0)]
    epoch: Table<(), u64>,
    #[n(1)]
    holds: Table<RequestId, Hold>,
    #[n(2)]
    by_epoch: Table<(u64, RequestId), ()>,
    #[n(3)]
    closed: Table<RequestId, ()>,
    #[n(4)]
    carries: Table<ScheduleId, Vec<i128>>,
}

impl State {
    /// The epoch that new requests belong to.
    pub fn epoch(&self) -> u64 {
        self.epoch.get(&()).copied().unwrap_or(0)
    }

    /// Open holds by request.
    pub fn holds(&self) -> &Table<RequestId, Hold> {
        &self.holds
    }

    /// Divides payments under a schedule among the site, the model's pot and the platform, in this order.
    pub(crate) fn splitter(&self, id: ScheduleId, schedule: &catalog::Schedule) -> Splitter {
        let carries = self.carries.get(&id).cloned().unwrap_or_else(|| vec![0; 3]);
        Splitter::new(&close::shares(schedule), &carries)
    }

    /// Sets down what the three are owed after many payments.
    pub(crate) fn carry(&mut self, id: ScheduleId, carries: Vec<i128>) {
        self.carries.insert(id, carries);
    }

    pub(crate) fn tables(&mut self) -> [&mut dyn Rows; 5] {
        let Self { epoch, holds, by_epoch, closed, carries } = self;
        [epoch, holds, by_epoch, closed, carries]
    }

    pub(crate) fn is_due(&self, at: Time) -> bool {
        self.oldest_orphan().is_some() || self.oldest_forgettable(at).is_some()
    }

    fn oldest_orphan(&self) -> Option<RequestId> {
        let ((epoch, request), ()) = self.by_epoch.iter().next()?;
        (*epoch < self.epoch()).then_some(*request)
    }

    fn oldest_forgettable(&self, at: Time) -> Option<RequestId> {
        let (request, ()) = self.closed.iter().next()?;
        (request.drawn_at().after(limits::ID_REMEMBERED) <= at).then_some(*request)
    }
}

pub(crate) fn decide(tx: &mut Tx<'_>, command: &Command) -> Result<(), Refusal> {
    match command {
        Command::BeginEpoch => {
            let epoch = tx.state().settlement.epoch().checked_add(1);
            let epoch = epoch.expect("S1: an epoch is a start of the gateway, far fewer than 2^64");
            tx.emit(Event::EpochBegan { epoch });
            Ok(())
        }
        Command::Authorise { request, ask } => admit::authorise(tx, *request, ask),
        Command::Advance { marks } => close::advance(tx, marks),
        Command::Settle { request, delivery } => close::settle(tx, *request, delivery),
        Command::Release { request, release } => close::release(tx, *request, release),
    }
}

/// Closes holds that earlier epochs left behind and forgets old requests, at most `limit` of them; returns how many.
pub(crate) fn due(tx: &mut Tx<'_>, limit: u32) -> u32 {
    for done in 0..limit {
        let state = &tx.state().settlement;
        if let Some(request) = state.oldest_orphan() {
            close::recover(tx, request);
        } else if let Some(request) = state.oldest_forgettable(tx.at) {
            tx.emit(Event::Forgotten { request });
        } else {
            return done;
        }
    }
    limit
}

pub(crate) fn evolve(state: &mut State, event: &Event) {
    match event {
        Event::EpochBegan { epoch } => state.epoch.insert((), *epoch),
        Event::Authorised { request, hold } => {
            state.by_epoch.insert((hold.epoch, *request), ());
            state.holds.insert(*request, hold.clone());
        }
        Event::Advanced { marks } => {
            for (request, mark) in marks {
                let mut hold = state.holds.get(request).expect("S2: decided").clone();
                hold.mark = Some(*mark);
                state.holds.insert(*request, hold);
            }
        }
        Event::Settled { request, receipt: _ } => close_hold(state, *request),
        Event::Released { request, account: _, release: _ } => close_hold(state, *request),
        Event::Carried { schedule, carries } => state.carries.insert(*schedule, carries.clone()),
        Event::Forgotten { request } => state.closed.remove(request),
    }
}

fn close_hold(state: &mut State, request: RequestId) {
    let epoch = state.holds.get(&request).expect("S2: decided").epoch;
    state.by_epoch.remove(&(epoch, request));
    state.holds.remove(&request);
    state.closed.insert(request, ());
}

pub(crate) fn audit(state: &crate::State) -> Vec<Breach> {
    let settlement = &state.settlement;
    let mut breaches = Vec::new();
    let mut held: BTreeMap<AccountId, Option<Amount>> = BTreeMap::new();
    for (request, hold) in &settlement.holds {
        let sum = held.entry(hold.account).or_insert(Some(0));
        *sum = sum.and_then(|sum| sum.checked_add(hold.amount));
        if settlement.closed.contains(request) || !settlement.by_epoch.contains(&(hold.epoch, *request)) {
            breaches.push(Breach::new("S2", format!("{request} is open and closed, or in no epoch")));
        }
    }
    for (account, balance) in state.ledger.balances() {
        let ledger::Account::Member(id) = account else {
            continue;
        };
        let open = held.get(&id).copied().unwrap_or(Some(0));
        if open != Some(balance.held) {
            let open = ledger::in_words(open);
            breaches
                .push(Breach::new("S1", format!("{id} has {} held, its holds sum to {open}", balance.held)));
        }
    }
    for (schedule, carries) in &settlement.carries {
        if !crate::royalty::carries_sound(carries) {
            breaches.push(Breach::new("S3", format!("{schedule} carries {carries:?}")));
        }
    }
    breaches
}

#[cfg(test)]
mod tests;

//! A world: a state under watch. Whatever is submitted, all of this is checked at once.
//!
//! A refusal leaves no trace but the memory of its id; no promise is broken and every receipt adds up; folding the entry into
//! a second state gives the same state; and a second state that decides the entry's command again writes the same entry, which
//! reads back as it was written.
use crate::ids::{Amount, Asset, Time};
use crate::metering;
use crate::permission::Actor;
use crate::{Entry, Event, Outcome, Refusal, State, Submission, Tx, limits};
use std::collections::BTreeMap;

/// 2026-01-01T00:00:00Z.
pub(crate) const START: Time = Time(1_767_225_600_000_000_000);
const MILLISECOND: u64 = 1_000_000;

#[derive(Clone, Debug)]
pub(crate) struct World {
    pub(crate) core: State,
    pub(crate) log: Vec<Entry>,
    pub(crate) now: Time,
    again: State,
    mirror: State,
}

impl Default for World {
    fn default() -> Self {
        Self {
            core: State::default(),
            log: Vec::new(),
            now: START,
            again: State::default(),
            mirror: State::default(),
        }
    }
}

impl World {
    pub(crate) fn state(&self) -> &State {
        &self.core
    }

    pub(crate) fn wait(&mut self, nanoseconds: u64) {
        self.now = self.now.after(nanoseconds);
    }

    pub(crate) fn submit(&mut self, submission: &Submission) -> Outcome {
        self.now = self.now.after(MILLISECOND);
        let before = self.state().clone();
        let decided = self.core.submit(self.now, submission);
        match &decided.outcome {
            Outcome::Applied { position, events: _ } => assert_eq!(*position, before.position),
            Outcome::Refused(refusal) => self.assert_no_trace(&before, *refusal, decided.entry.is_some()),
            Outcome::Repeated { position: _, refusal: _ } => assert_eq!(self.state(), &before),
        }
        match decided.entry {
            Some(entry) => self.follow(entry),
            None => assert_eq!(self.state(), &before, "what is not written down changes nothing"),
        }
        if self.state().genesis.charter().is_some() {
            assert_eq!(self.state().audit(), [], "after {submission:?}");
            assert_eq!(sums(self.state()), BTreeMap::new(), "value was made or lost by {submission:?}");
        }
        decided.outcome
    }

    /// Acts behind the commands, where only institutions can; nothing is written to the log, so a world ends with it.
    pub(crate) fn act(
        &mut self,
        act: impl FnOnce(&mut Tx<'_>) -> Result<(), Refusal>,
    ) -> Result<Vec<Event>, Refusal> {
        let before = self.state().clone();
        match self.core.attempt(self.now, act) {
            (events, None) => Ok(events),
            (_, Some(refusal)) => {
                assert_eq!(self.state(), &before, "{refusal:?} left a trace");
                Err(refusal)
            }
        }
    }

    fn assert_no_trace(&self, before: &State, refusal: Refusal, written: bool) {
        let mut after = self.state().clone();
        if written {
            after.idempotency.clone_from(&before.idempotency);
            after.position = before.position;
            after.at = before.at;
        }
        assert_eq!(&after, before, "{} left a trace", refusal.code());
    }

    fn follow(&mut self, entry: Entry) {
        let bytes = minicbor::to_vec(&entry).expect("encoding into memory does not fail");
        assert_eq!(Entry::decode_exact(&bytes).as_ref(), Ok(&entry), "an entry reads back as it was written");
        let decided = self.again.submit(entry.at, &entry.submission());
        assert_eq!(decided.entry.as_ref(), Some(&entry), "deciding it again gives another entry");
        super::shown::assert_receipts_add_up(&entry);
        self.mirror.fold(&entry);
        assert_eq!(self.mirror, self.core, "the events do not rebuild the state");
        self.log.push(entry);
    }

    /// Whose turn it is when a scenario does not say: the node's own parts for what only they may send.
    pub(crate) fn usual_actor(command: &crate::Command) -> Actor {
        match command {
            crate::Command::Genesis(_) => Actor::Founder,
            crate::Command::Settlement(_) => Actor::Gateway,
            crate::Command::Due { limit: _ } => Actor::Clock,
            crate::Command::Metering(
                metering::Command::Record { .. } | metering::Command::Recorded { .. },
            ) => Actor::Member(super::names::Named::named("mia")),
            crate::Command::Ledger(_)
            | crate::Command::Params(_)
            | crate::Command::Membership(_)
            | crate::Command::Catalog(_)
            | crate::Command::Metering(metering::Command::OpenSource { .. }) => {
                Actor::Member(super::names::Named::named("op"))
            }
        }
    }
}

/// What each asset does not sum to zero by, reckoned without the audit.
pub(crate) fn sums(state: &State) -> BTreeMap<Asset, Amount> {
    let mut sums = BTreeMap::new();
    for (_, balance) in state.ledger.balances() {
        *sums.entry(balance.asset).or_insert(0) += balance.amount;
        if balance.limit.is_some() {
            assert!((0..=limits::AMOUNT_MAX * 3).contains(&balance.held), "{balance:?}");
        }
    }
    sums.retain(|_, sum| *sum != 0);
    sums
}

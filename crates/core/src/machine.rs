//! The machine: where commands become entries and entries become state.
use crate::entry::{Command, Entry, Event, Refusal, Submission};
use crate::exact::{self, Inexact};
use crate::ids::{Hash, Time};
use crate::permission::Actor;
use crate::table::{Rows, Scope};
use crate::{
    catalog, genesis, idempotency, ledger, limits, membership, metering, params, permission, royalty,
    settlement,
};
use minicbor::{Decode, Encode};
use sha2::{Digest, Sha256};

/// All that the log has led to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct State {
    #[n(0)]
    pub genesis: genesis::State,
    #[n(1)]
    pub ledger: ledger::State,
    #[n(2)]
    pub idempotency: idempotency::State,
    #[n(3)]
    pub params: params::State,
    #[n(4)]
    pub membership: membership::State,
    #[n(5)]
    pub catalog: catalog::State,
    #[n(6)]
    pub royalty: royalty::State,
    #[n(7)]
    pub settlement: settlement::State,
    /// Entries folded so far; the position of the next one.
    #[n(8)]
    pub position: u64,
    /// When the last entry was decided.
    #[n(9)]
    pub at: Time,
    #[n(10)]
    pub metering: metering::State,
}

/// A broken promise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Breach {
    /// The id of the invariant, as in the header of its institution.
    pub invariant: &'static str,
    /// What was found, in words an operator can act on.
    pub found: String,
}

impl Breach {
    pub(crate) fn new(invariant: &'static str, found: String) -> Self {
        Self { invariant, found }
    }
}

impl State {
    /// The state that the `bytes` of a snapshot spell, if they spell it exactly as this build writes it and nothing follows.
    pub fn decode_exact(bytes: &[u8]) -> Result<Self, Inexact> {
        exact::decode(bytes)
    }

    /// Folds an entry. Total: what was once written can always be folded again.
    ///
    /// # Panics
    /// When the entry is not the next one, or breaks an invariant: the log is then not one that this machine wrote.
    pub fn fold(&mut self, entry: &Entry) {
        assert_eq!(entry.position, self.position, "entries are folded in order");
        for event in &entry.events {
            self.evolve(event);
        }
        self.advance(entry.at);
    }

    fn advance(&mut self, at: Time) {
        self.position = self.position.checked_add(1).expect("a log ends long before 2^64 entries");
        self.at = at;
    }

    fn evolve(&mut self, event: &Event) {
        match event {
            Event::Genesis(event) => genesis::evolve(&mut self.genesis, event),
            Event::Ledger(event) => ledger::evolve(&mut self.ledger, event),
            Event::Idempotency(event) => idempotency::evolve(&mut self.idempotency, event),
            Event::Params(event) => params::evolve(&mut self.params, event),
            Event::Membership(event) => membership::evolve(&mut self.membership, event),
            Event::Catalog(event) => catalog::evolve(&mut self.catalog, event),
            Event::Royalty(event) => royalty::evolve(&mut self.royalty, event),
            Event::Settlement(event) => settlement::evolve(&mut self.settlement, event),
            Event::Metering(event) => metering::evolve(self, event),
        }
    }

    /// All that it consists of but `position` and `at`. The hottest come first: a snapshot keeps a copy of what changes before it
    /// is written.
    pub fn tables(&mut self) -> impl Iterator<Item = &mut dyn Rows> {
        // No `..` here: a new institution does not compile until it joins scopes and snapshots.
        let Self {
            genesis,
            ledger,
            idempotency,
            params,
            membership,
            catalog,
            royalty,
            settlement,
            position: _,
            at: _,
            metering,
        } = self;
        (metering.tables().into_iter())
            .chain(ledger.tables())
            .chain(genesis.tables())
            .chain(idempotency.tables())
            .chain(params.tables())
            .chain(membership.tables())
            .chain(catalog.tables())
            .chain(royalty.tables())
            .chain(settlement.tables())
    }

    fn scope(&mut self, scope: Scope) {
        self.tables().for_each(|table| table.scope(scope));
    }

    /// Every broken promise. Empty means sound.
    pub fn audit(&self) -> Vec<Breach> {
        [
            genesis::audit(self),
            ledger::audit(self),
            idempotency::audit(self),
            params::audit(self),
            membership::audit(self),
            catalog::audit(self),
            royalty::audit(self),
            settlement::audit(self),
            metering::audit(self),
        ]
        .concat()
    }

    /// SHA-256 of the canonical encoding: equal for equal states, on every machine.
    pub fn hash(&self) -> Hash {
        let mut encoder = minicbor::Encoder::new(Hashing(Sha256::new()));
        encoder.encode(self).expect("hashing does not fail");
        Hash(encoder.into_writer().0.finalize().into())
    }
}

struct Hashing(Sha256);

impl minicbor::encode::Write for Hashing {
    type Error = core::convert::Infallible;
    fn write_all(&mut self, bytes: &[u8]) -> Result<(), Self::Error> {
        self.0.update(bytes);
        Ok(())
    }
}

/// A command being decided: reads the state, writes only events.
#[derive(Debug)]
pub struct Tx<'a> {
    state: &'a mut State,
    events: Vec<Event>,
    /// Whether it can still be refused.
    open: bool,
    pub(crate) at: Time,
    pub(crate) position: u64,
}

impl Tx<'_> {
    pub(crate) fn state(&self) -> &State {
        self.state
    }

    pub(crate) fn emit(&mut self, event: impl Into<Event>) {
        let event = event.into();
        self.state.evolve(&event);
        self.events.push(event);
    }

    /// Books a batch of metering, which has to be done to be decided. It cannot be refused any more, so nothing is kept to undo
    /// it.
    pub(crate) fn record(&mut self, batch: &metering::Batch) {
        self.state.scope(Scope::Persist);
        self.open = false;
        let event = metering::record(self.state, self.at, batch);
        self.events.push(event.into());
    }
}

/// What became of a submission.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It happened, as the entry at this position.
    Applied { position: u64, events: Vec<Event> },
    /// The same submission had come before, and this is what became of it then.
    Repeated { position: u64, refusal: Option<Refusal> },
    /// It changes nothing.
    Refused(Refusal),
}

/// An outcome and the entry to write for it, if it is one that is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decided {
    pub outcome: Outcome,
    pub entry: Option<Entry>,
}

impl State {
    /// Whether there is work whose time has come.
    pub fn is_due(&self, at: Time) -> bool {
        self.idempotency.is_due(at) || self.settlement.is_due(at)
    }

    /// Decides a submission at the next position. All or nothing: a refusal leaves no trace but the memory of its id, and what
    /// its sender may not send not even that.
    ///
    /// # Panics
    /// When `at` does not lie after the last entry.
    pub fn submit(&mut self, at: Time, submission: &Submission) -> Decided {
        assert!(at > self.at, "time moves forward");
        let key = match (submission.actor, submission.id) {
            (Actor::Member(member), Some(id)) => Some(((member, id), submission.content())),
            (Actor::Member(_) | Actor::Founder | Actor::Clock | Actor::Gateway, _) => None,
        };
        if let Some((key, content)) = key {
            match idempotency::recall(&self.idempotency, at, key, content) {
                Ok(None) => {}
                Ok(Some(seen)) => {
                    let refusal = seen.refusal.as_deref().copied();
                    return Decided {
                        outcome: Outcome::Repeated { position: seen.position, refusal },
                        entry: None,
                    };
                }
                Err(refusal) => {
                    return Decided { outcome: Outcome::Refused(refusal.into()), entry: None };
                }
            }
        }
        let (events, refusal) = self.attempt(at, |tx| decide(tx, submission));
        self.conclude(at, submission, key, events, refusal)
    }

    /// Tries it; if it is refused, what it had changed is undone.
    pub(crate) fn attempt(
        &mut self,
        at: Time,
        act: impl FnOnce(&mut Tx<'_>) -> Result<(), Refusal>,
    ) -> (Vec<Event>, Option<Refusal>) {
        let position = self.position;
        self.scope(Scope::Open);
        let mut tx = Tx { state: &mut *self, events: Vec::new(), open: true, at, position };
        let decided = act(&mut tx);
        let (events, open) = (tx.events, tx.open);
        match decided {
            Ok(()) => {
                if open {
                    self.scope(Scope::Persist);
                }
                (events, None)
            }
            Err(refusal) => {
                assert!(open, "what cannot be undone is not refused: {refusal:?}");
                self.scope(Scope::Discard);
                (Vec::new(), Some(refusal))
            }
        }
    }

    fn conclude(
        &mut self,
        at: Time,
        submission: &Submission,
        key: Option<(idempotency::Key, Hash)>,
        mut events: Vec<Event>,
        refusal: Option<Refusal>,
    ) -> Decided {
        let position = self.position;
        let outcome = match refusal {
            None => Outcome::Applied { position, events: events.clone() },
            Some(refusal) => Outcome::Refused(refusal),
        };
        let barred = matches!(refusal, Some(Refusal::Permission(_)));
        if let Some((key, content)) = key.filter(|_| !barred) {
            let seen = idempotency::Seen { content, position, at, refusal: refusal.map(Box::new) };
            let remembered = Event::from(idempotency::Event::Remembered { key, seen });
            self.evolve(&remembered);
            events.push(remembered);
        } else if refusal.is_some() {
            return Decided { outcome, entry: None };
        }
        self.advance(at);
        let Submission { actor, id, reason, command } = submission.clone();
        let command = command.kept();
        Decided { outcome, entry: Some(Entry { position, at, actor, id, reason, command, refusal, events }) }
    }
}

fn decide(tx: &mut Tx<'_>, submission: &Submission) -> Result<(), Refusal> {
    permission::check(tx.state(), submission.actor, submission.reason.as_deref(), &submission.command)?;
    match &submission.command {
        Command::Genesis(command) => {
            genesis::decide(tx, command)?;
            membership::found(tx, command)?;
        }
        Command::Ledger(command) => ledger::decide(tx, command)?,
        Command::Params(command) => params::decide(tx, command)?,
        Command::Membership(command) => membership::decide(tx, command)?,
        Command::Catalog(command) => catalog::decide(tx, command)?,
        Command::Settlement(command) => settlement::decide(tx, command)?,
        Command::Metering(command) => metering::decide(tx, command)?,
        Command::Due { limit } => {
            let limit = (*limit).min(limits::DUE_STEPS_MAX);
            let done = idempotency::due(tx, limit);
            settlement::due(tx, limit.saturating_sub(done));
        }
    }
    Ok(())
}

//! Entries: what is sent in, what is written down, and what can be refused.
use crate::exact::{self, Inexact};
use crate::ids::{CommandId, Hash, Time};
use crate::permission::{self, Actor};
use crate::{catalog, genesis, idempotency, ledger, membership, metering, params, royalty, settlement};
use minicbor::{Decode, Encode};
use sha2::{Digest, Sha256};

/// A command on its way in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Submission {
    pub actor: Actor,
    /// Makes it safe to send again; scoped to the member who sends it.
    pub id: Option<CommandId>,
    /// Why; members must say.
    pub reason: Option<String>,
    pub command: Command,
}

impl Submission {
    /// A command of the node's own parts, which need neither id nor reason.
    pub fn internal(actor: Actor, command: impl Into<Command>) -> Self {
        Self { actor, id: None, reason: None, command: command.into() }
    }

    /// What must be the same for two submissions of one id to be one.
    pub(crate) fn content(&self) -> Hash {
        let content =
            minicbor::to_vec((&self.command, &self.reason)).expect("encoding into memory does not fail");
        Hash(Sha256::digest(content).into())
    }
}

/// One line of the log: who, when, the command, and what became of it.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Entry {
    #[n(0)]
    pub position: u64,
    #[n(1)]
    pub at: Time,
    #[n(2)]
    pub actor: Actor,
    #[n(3)]
    pub id: Option<CommandId>,
    #[n(4)]
    pub reason: Option<String>,
    #[n(5)]
    pub command: Command,
    /// Why it was refused, if it was; a refused entry changes nothing but the memory of its id.
    #[n(6)]
    pub refusal: Option<Refusal>,
    #[n(7)]
    pub events: Vec<Event>,
}

impl Entry {
    /// The entry that `bytes` spell, if they spell it exactly as this build writes it and nothing follows.
    pub fn decode_exact(bytes: &[u8]) -> Result<Self, Inexact> {
        exact::decode(bytes)
    }

    /// The submission that led to this entry.
    pub fn submission(&self) -> Submission {
        Submission { actor: self.actor, id: self.id, reason: self.reason.clone(), command: self.sent() }
    }

    /// The batch of metering that this entry records, if it does, and what became of it.
    pub fn recorded(&self) -> Option<(&metering::Batch, &metering::Counted)> {
        self.events.iter().find_map(|event| match event {
            Event::Metering(event) => event.recorded(),
            Event::Genesis(_)
            | Event::Ledger(_)
            | Event::Idempotency(_)
            | Event::Params(_)
            | Event::Membership(_)
            | Event::Catalog(_)
            | Event::Royalty(_)
            | Event::Settlement(_) => None,
        })
    }

    fn sent(&self) -> Command {
        match self.recorded() {
            Some((batch, _)) => metering::Command::Record { batch: batch.clone() }.into(),
            None => self.command.clone(),
        }
    }
}

/// A command of any institution.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Command {
    #[n(0)]
    Genesis(#[n(0)] genesis::Command),
    #[n(1)]
    Ledger(#[n(0)] ledger::Command),
    #[n(2)]
    Params(#[n(0)] params::Command),
    #[n(3)]
    Membership(#[n(0)] membership::Command),
    #[n(4)]
    Catalog(#[n(0)] catalog::Command),
    #[n(5)]
    Settlement(#[n(0)] settlement::Command),
    /// Work whose time has come, at most so many steps of it.
    #[n(6)]
    Due {
        #[n(0)]
        limit: u32,
    },
    #[n(7)]
    Metering(#[n(0)] metering::Command),
}

impl Command {
    /// As an entry keeps it: lines of metering stand in the event and are not written twice.
    pub(crate) fn kept(self) -> Self {
        match self {
            Self::Metering(metering::Command::Record { batch }) => {
                metering::Command::Recorded { source: batch.source, first: batch.first }.into()
            }
            Self::Genesis(_)
            | Self::Ledger(_)
            | Self::Params(_)
            | Self::Membership(_)
            | Self::Catalog(_)
            | Self::Settlement(_)
            | Self::Due { .. }
            | Self::Metering(_) => self,
        }
    }
}

/// Something that happened in any institution.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Event {
    #[n(0)]
    Genesis(#[n(0)] genesis::Event),
    #[n(1)]
    Ledger(#[n(0)] ledger::Event),
    #[n(2)]
    Idempotency(#[n(0)] idempotency::Event),
    #[n(3)]
    Params(#[n(0)] params::Event),
    #[n(4)]
    Membership(#[n(0)] membership::Event),
    #[n(5)]
    Catalog(#[n(0)] catalog::Event),
    #[n(6)]
    Royalty(#[n(0)] royalty::Event),
    #[n(7)]
    Settlement(#[n(0)] settlement::Event),
    #[n(8)]
    Metering(#[n(0)] metering::Event),
}

/// A decided 'no' of any institution.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Refusal {
    #[n(0)]
    Permission(#[n(0)] permission::Refusal),
    #[n(1)]
    Genesis(#[n(0)] genesis::Refusal),
    #[n(2)]
    Ledger(#[n(0)] ledger::Refusal),
    #[n(3)]
    Idempotency(#[n(0)] idempotency::Refusal),
    #[n(4)]
    Params(#[n(0)] params::Refusal),
    #[n(5)]
    Membership(#[n(0)] membership::Refusal),
    #[n(6)]
    Catalog(#[n(0)] catalog::Refusal),
    #[n(7)]
    Settlement(#[n(0)] settlement::Refusal),
    #[n(8)]
    Metering(#[n(0)] metering::Refusal),
}

impl Refusal {
    /// The stable code, `institution.code`.
    pub fn code(self) -> &'static str {
        match self {
            Self::Permission(refusal) => refusal.code(),
            Self::Genesis(refusal) => refusal.code(),
            Self::Ledger(refusal) => refusal.code(),
            Self::Idempotency(refusal) => refusal.code(),
            Self::Params(refusal) => refusal.code(),
            Self::Membership(refusal) => refusal.code(),
            Self::Catalog(refusal) => refusal.code(),
            Self::Settlement(refusal) => refusal.code(),
            Self::Metering(refusal) => refusal.code(),
        }
    }
}

macro_rules! lift {
    ($($target:ident: $($module:ident => $variant:ident),*;)*) => {$($(
        impl From<$module::$target> for $target {
            fn from(it: $module::$target) -> Self {
                Self::$variant(it)
            }
        }
    )*)*};
}

lift! {
    Command: genesis => Genesis, ledger => Ledger, params => Params, membership => Membership, catalog => Catalog,
        settlement => Settlement, metering => Metering;
    Event: genesis => Genesis, ledger => Ledger, idempotency => Idempotency, params => Params, membership => Membership,
        catalog => Catalog, royalty => Royalty, settlement => Settlement, metering => Metering;
    Refusal: permission => Permission, genesis => Genesis, ledger => Ledger, idempotency => Idempotency, params => Params,
        membership => Membership, catalog => Catalog, settlement => Settlement, metering => Metering;
}

//! Idempotency: a command that is sent twice happens once.
//!
//! A member may put an id on a command. The same id with the same content gives the first outcome again; with other content
//! it is refused. Ids are UUIDv7: one drawn too long ago or too far ahead is refused, so remembering them a little longer than
//! they are accepted is enough.
//!
//! Invariants
//! - I1 Every remembered id is due to be forgotten, and nothing else is.
//!
//! Example: a deposit sent with `cmd_…01` and sent again after a lost reply moves money once; both replies name one position.
use crate::ids::{CommandId, Hash, MemberId, Time};
use crate::table::{Scope, Table};
use crate::{Breach, Tx, limits};
use minicbor::{Decode, Encode};

/// Who sent it, and under which id: one member cannot use up another's ids.
pub type Key = (MemberId, CommandId);

#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Event {
    #[n(0)]
    Remembered {
        #[n(0)]
        key: Key,
        #[n(1)]
        seen: Seen,
    },
    #[n(1)]
    Forgotten {
        #[n(0)]
        key: Key,
    },
}

/// What is kept of a command.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Seen {
    /// SHA-256 of the command and its reason.
    #[n(0)]
    pub content: Hash,
    #[n(1)]
    pub position: u64,
    #[n(2)]
    pub at: Time,
    /// Why it was refused, if it was.
    #[n(3)]
    pub refusal: Option<Box<crate::Refusal>>,
}

/// In order of precedence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum Refusal {
    /// The same id came before with other content.
    #[n(0)]
    Reused,
    /// Drawn more than 24 hours ago or more than five minutes ahead.
    #[n(1)]
    Expired,
    /// As many ids as can be remembered; none is evicted.
    #[n(2)]
    Full,
}

impl Refusal {
    /// The stable code.
    pub fn code(self) -> &'static str {
        match self {
            Self::Reused => "idempotency.reused",
            Self::Expired => "idempotency.expired",
            Self::Full => "idempotency.full",
        }
    }
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct State {
    #[n(0)]
    seen: Table<Key, Seen>,
    #[n(1)]
    by_time: Table<(Time, Key), ()>,
}

impl State {
    pub(crate) fn scope(&mut self, scope: Scope) {
        let Self { seen, by_time } = self;
        seen.scope(scope);
        by_time.scope(scope);
    }

    pub(crate) fn is_due(&self, at: Time) -> bool {
        self.by_time
            .iter()
            .next()
            .is_some_and(|((seen_at, _), ())| seen_at.after(limits::ID_REMEMBERED) <= at)
    }
}

/// What is remembered of `key`, or whether it may be used now.
pub(crate) fn recall(state: &State, at: Time, key: Key, content: Hash) -> Result<Option<&Seen>, Refusal> {
    if let Some(seen) = state.seen.get(&key) {
        return if seen.content == content { Ok(Some(seen)) } else { Err(Refusal::Reused) };
    }
    check_age(key.1.drawn_at(), at)?;
    if state.seen.len() >= limits::IDS_MAX {
        return Err(Refusal::Full);
    }
    Ok(None)
}

/// An id is accepted from 24 hours after it was drawn to five minutes before.
pub(crate) fn check_age(drawn_at: Time, at: Time) -> Result<(), Refusal> {
    let accepted = at.before(limits::ID_AGE_MAX)..=at.after(limits::ID_AHEAD_MAX);
    if accepted.contains(&drawn_at) { Ok(()) } else { Err(Refusal::Expired) }
}

/// Forgets ids that are no longer accepted, at most `limit` of them; returns how many.
pub(crate) fn due(tx: &mut Tx<'_>, limit: u32) -> u32 {
    let mut steps = 0;
    while steps < limit {
        let Some(((seen_at, key), ())) = tx.state().idempotency.by_time.iter().next() else {
            break;
        };
        if seen_at.after(limits::ID_REMEMBERED) > tx.at {
            break;
        }
        let key = *key;
        tx.emit(Event::Forgotten { key });
        steps = steps.saturating_add(1);
    }
    steps
}

pub(crate) fn evolve(state: &mut State, event: &Event) {
    match event {
        Event::Remembered { key, seen } => {
            state.by_time.insert((seen.at, *key), ());
            state.seen.insert(*key, seen.clone());
        }
        Event::Forgotten { key } => {
            if let Some(seen) = state.seen.get(key) {
                let at = seen.at;
                state.by_time.remove(&(at, *key));
            }
            state.seen.remove(key);
        }
    }
}

pub(crate) fn audit(state: &crate::State) -> Vec<Breach> {
    let State { seen, by_time } = &state.idempotency;
    let paired =
        seen.len() == by_time.len() && seen.iter().all(|(key, seen)| by_time.contains(&(seen.at, *key)));
    if paired {
        Vec::new()
    } else {
        vec![Breach::new("I1", format!("{} ids, {} due", seen.len(), by_time.len()))]
    }
}

#[cfg(test)]
mod tests;

//! Idempotency: a command that is sent twice happens once.
//!
//! A member may put an id on a command. The same id with the same content gives the first outcome again, a refusal too; with
//! other content it is refused. Ids are UUIDv7: one drawn too long ago or too far ahead is refused, so remembering them a little
//! longer than they are accepted is enough. Each member has room for so many. What a member may not send at all is not
//! remembered and leaves no entry: refused today, it may be permitted under the same id tomorrow.
//!
//! Invariants
//! - I1 Every remembered id is due to be forgotten, and nothing else is.
//! - I2 What is counted of a member's ids is what is remembered of it.
//!
//! Example: a deposit sent with `cmd_…01` and sent again after a lost reply moves money once; both replies name one position.
use crate::ids::{CommandId, Hash, MemberId, Time};
use crate::table::{Rows, Table};
use crate::{Breach, Tx, limits};
use minicbor::{Decode, Encode};
use std::collections::BTreeMap;

/// Who sent it, and under which id: two members never mean the same one.
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
    /// As many ids as can be remembered of one member, or of all; none is evicted.
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
    /// Remembered ids of a member that has any.
    #[n(2)]
    by_member: Table<MemberId, u64>,
}

impl State {
    pub(crate) fn tables(&mut self) -> [&mut dyn Rows; 3] {
        let Self { seen, by_time, by_member } = self;
        [seen, by_time, by_member]
    }

    fn count_of(&self, member: MemberId) -> u64 {
        self.by_member.get(&member).copied().unwrap_or(0)
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
    let (member, id) = key;
    check_age(id.drawn_at(), at)?;
    if state.count_of(member) >= limits::IDS_PER_MEMBER_MAX || state.seen.len() >= limits::IDS_MAX {
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
            let (member, _) = *key;
            let count =
                state.count_of(member).checked_add(1).expect("I2: at most limits::IDS_PER_MEMBER_MAX");
            state.by_member.insert(member, count);
            state.by_time.insert((seen.at, *key), ());
            state.seen.insert(*key, seen.clone());
        }
        Event::Forgotten { key } => {
            let (member, _) = *key;
            let at = state.seen.get(key).expect("I1: only what is remembered is due").at;
            state.by_time.remove(&(at, *key));
            state.seen.remove(key);
            match state.count_of(member).checked_sub(1).expect("I2: it was counted") {
                0 => state.by_member.remove(&member),
                count => state.by_member.insert(member, count),
            }
        }
    }
}

pub(crate) fn audit(state: &crate::State) -> Vec<Breach> {
    let State { seen, by_time, by_member } = &state.idempotency;
    let mut breaches = Vec::new();
    let paired =
        seen.len() == by_time.len() && seen.iter().all(|(key, seen)| by_time.contains(&(seen.at, *key)));
    if !paired {
        breaches.push(Breach::new("I1", format!("{} ids, {} due", seen.len(), by_time.len())));
    }
    let mut counts: BTreeMap<MemberId, u64> = BTreeMap::new();
    for ((member, _), _) in seen {
        let count = counts.entry(*member).or_insert(0);
        *count = count.saturating_add(1);
    }
    if !by_member.iter().eq(&counts) {
        breaches.push(Breach::new("I2", format!("{by_member:?} counted, {counts:?} remembered")));
    }
    breaches
}

#[cfg(test)]
mod tests;

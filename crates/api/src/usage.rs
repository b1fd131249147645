//! Usage that was measured elsewhere: who reports it, lines of it in bulk, and what it came to.
//!
//! Lines come as `CloudEvents` or as the columns that the core counts them in, and become one command. What a line leads to is the
//! core's to say; only what cannot be read at all is refused here.
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use sycee_core::State;
use sycee_core::ids::{MemberId, SourceId, Time};
use sycee_core::metering::Source;

mod events;
mod form;
pub(crate) mod handles;
pub(crate) mod hours;
mod lookup;
pub(crate) mod record;
mod room;
pub(crate) mod sources;

/// What the platform keeps of metering for as long as it runs.
#[derive(Debug, Default)]
pub(crate) struct Desk {
    /// The last batch of each source.
    last: Mutex<BTreeMap<SourceId, Last>>,
    room: room::Room,
}

/// When something of a source was last counted.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Last {
    pub(crate) position: u64,
    pub(crate) at: Time,
}

impl Desk {
    fn counted(&self, source: SourceId, last: Last) {
        self.last.lock().unwrap_or_else(PoisonError::into_inner).insert(source, last);
    }

    pub(crate) fn last_of(&self, source: SourceId) -> Option<Last> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner).get(&source).copied()
    }
}

/// A member's source of that name. A name is given once, but for two who open it at the same moment: then the older has it.
pub(crate) fn source_named(state: &State, member: MemberId, name: &str) -> Option<SourceId> {
    let own = |(_, source): &(&SourceId, &Source)| source.member == member && source.name == name;
    state.metering.sources().iter().find(own).map(|(id, _)| *id)
}

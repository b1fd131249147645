//! The core: one deterministic state machine, fed by an ordered log.
//!
//! A [`Submission`] comes in, the institutions decide, and what changed goes out as events in an [`Entry`]. Folding the events
//! of a log gives the state; deciding its commands again gives the same events. There is no I/O here, no clock, no chance, no
//! float and no thread: all the core may know is in the entry.
//!
//! Each institution is one file of one shape, in this order: genesis, ledger, idempotency, params, membership, catalog,
//! royalty, settlement, metering. Each may call only those before it.
#![forbid(unsafe_code)]
#![deny(
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    clippy::float_arithmetic,
    clippy::indexing_slicing,
    clippy::wildcard_enum_match_arm,
    clippy::unwrap_used
)]

pub mod arithmetic;
pub mod buckets;
pub mod catalog;
pub mod entry;
pub mod exact;
pub mod genesis;
pub mod idempotency;
pub mod ids;
pub mod ledger;
pub mod limits;
pub mod membership;
pub mod metering;
pub mod params;
pub mod permission;
pub mod royalty;
pub mod settlement;
pub mod table;

mod machine;

pub use entry::{Command, Entry, Event, Refusal, Submission};
pub use machine::{Breach, Decided, Outcome, State, Tx};

/// The number of the rules that this build decides by; frames carry it, and an audit decides again only what has it.
pub const RULES: u16 = 1;

/// Names are short, printable, and have no space at either end.
pub(crate) fn name_allowed(name: &str) -> bool {
    let sized = !name.is_empty() && name.len() <= limits::NAME_BYTES_MAX;
    sized && name.trim() == name && !name.chars().any(char::is_control)
}

#[cfg(test)]
mod tests;

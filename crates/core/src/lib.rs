//! The core: one deterministic state machine, fed by an ordered log.
#![forbid(unsafe_code)]
pub mod buckets;
pub mod ids;
pub mod limits;
pub mod table;

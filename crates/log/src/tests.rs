//! Tests of the whole log, on a simulated disk and on a real one.

mod basics;
mod codec;
mod crash;
mod damage;
mod harness;
mod real;
mod sealed;
mod sealed_damage;
mod snapshots;
mod tail;

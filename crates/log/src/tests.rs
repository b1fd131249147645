//! Tests of the whole log, on a simulated disk and on a real one.

mod basics;
mod crash;
mod harness;

//! Arithmetic: the pricing and splitting rules, pure and frozen.
//!
//! A schedule names the rule set it was published under ([`RULES`]); a released rule never changes, it gets a successor with
//! the next number, so that folding an old log gives the old amounts for ever.
//!
//! - [`price`] turns counted tokens into money: multiply, sum in 128 bits, round once.
//! - [`split`] divides money among parties by cumulative entitlement: parts always sum to the whole, and no rounding drifts.
//! - [`splitter`] does the same for many payments in a row, faster.
//! - [`lineage`] flattens the agreed shares along a model's ancestors into one list of parties.
pub mod lineage;
pub mod price;
pub mod split;
pub mod splitter;

/// The number of the rule set in this folder.
pub const RULES: u16 = 1;

#[cfg(test)]
mod tests;

//! Lines of a statement, found without reading all that come before: they are in the order of the log.
use crate::error::Problem;
use crate::state::Api;
use sycee_core::ledger::Account;
use sycee_node::StatementLine as Movement;

/// The number of lines of `place` that come first and for which `is_before` holds.
pub(crate) fn count_before(
    api: &Api,
    place: Account,
    is_before: impl Fn(&Movement) -> bool,
) -> Result<usize, Problem> {
    let (mut low, mut high) = (0, api.node.views().line_count(place));
    while low < high {
        let middle = low.midpoint(high);
        if api.node.statement(place, middle..middle + 1)?.first().is_some_and(&is_before) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    Ok(low)
}

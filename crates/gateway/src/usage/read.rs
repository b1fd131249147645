//! Reading one token count out of a usage object that nobody vouches for.
use serde_json::{Number, Value};
use sycee_core::buckets::Buckets;

use super::{Flaw, Reason};

/// One side of a report: disjoint buckets, nothing, or the number that spoilt it.
pub(super) type SideRead = Result<Option<Buckets>, Flaw>;

/// The first of several fields that is there. A `null` counts as not there; a present field that is no believable count
/// spoils the side instead of letting the next name speak.
pub(super) fn tokens(usage: &Value, pointers: &[&'static str], max: u64) -> Result<Option<u64>, Flaw> {
    for pointer in pointers {
        let found = match usage.pointer(pointer) {
            None | Some(Value::Null) => continue,
            Some(Value::Number(number)) => count(number),
            Some(Value::Bool(_) | Value::String(_) | Value::Array(_) | Value::Object(_)) => {
                Err(Reason::NotANumber)
            }
        };
        return match found {
            Ok(tokens) if tokens <= max => Ok(Some(tokens)),
            Ok(_) => Err(Flaw { field: pointer, reason: Reason::AboveWindow }),
            Err(reason) => Err(Flaw { field: pointer, reason }),
        };
    }
    Ok(None)
}

/// A detail: like [`tokens`], but absent means zero.
pub(super) fn detail(usage: &Value, pointers: &[&'static str], max: u64) -> Result<u64, Flaw> {
    tokens(usage, pointers, max).map(|found| found.unwrap_or(0))
}

/// Adds counts that must stay believable together.
pub(super) fn sum(field: &'static str, parts: &[u64], max: u64) -> Result<u64, Flaw> {
    let total = parts.iter().try_fold(0u64, |sum, part| sum.checked_add(*part));
    match total {
        Some(total) if total <= max => Ok(total),
        Some(_) => Err(Flaw { field, reason: Reason::AboveWindow }),
        None => Err(Flaw { field, reason: Reason::Overflow }),
    }
}

/// Whether a field is there and below zero. Used for totals, which are never billed but must not be nonsense either.
pub(super) fn negative(usage: &Value, pointer: &'static str) -> Result<(), Flaw> {
    match usage.pointer(pointer) {
        Some(Value::Number(number)) if count(number) == Err(Reason::Negative) => {
            Err(Flaw { field: pointer, reason: Reason::Negative })
        }
        _ => Ok(()),
    }
}

/// A JSON number as a count. Writers in languages without integers send `12.0` for twelve: that is a whole number.
fn count(number: &Number) -> Result<u64, Reason> {
    if let Some(tokens) = number.as_u64() {
        return Ok(tokens);
    }
    match number.as_f64() {
        Some(value) if value < 0.0 => Err(Reason::Negative),
        Some(value) if value.fract() != 0.0 => Err(Reason::Fractional),
        // Above 2^53 a float no longer counts in ones.
        Some(value) if value < 9_007_199_254_740_992.0 => {
            format!("{:.0}", value.abs()).parse().map_err(|_| Reason::Overflow)
        }
        Some(_) | None => Err(Reason::Overflow),
    }
}

/// Carves disjoint parts out of a total, in order: a part never takes more than what is left. What remains is returned.
pub(super) fn carve(total: u64, parts: &mut [&mut u64]) -> u64 {
    parts.iter_mut().fold(total, |left, part| {
        **part = left.min(**part);
        left - **part
    })
}

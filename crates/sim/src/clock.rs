//! The wall clock, for records that people read; pacing uses the monotonic one.

use std::time::{SystemTime, UNIX_EPOCH};

/// Milliseconds of Unix time.
#[expect(clippy::cast_possible_truncation, reason = "milliseconds fit 64 bits for half a billion years")]
pub(crate) fn now_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64)
}

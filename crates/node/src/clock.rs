//! The clock: what time it is, and whether to believe it.
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use sycee_core::ids::Time;

/// The wall clock may lead the monotonic one by so much before writing stops.
pub(crate) const LEAD_MAX: Duration = Duration::from_mins(1);
/// How often the two clocks are brought together again, so that slow drift never adds up to a jump.
const ANCHOR_EVERY: Duration = Duration::from_mins(10);

/// Both clocks, read at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Now {
    /// Time of day.
    pub wall: Time,
    /// Time since some moment, which nobody can set.
    pub monotonic: Duration,
}

/// Where a node gets its time from.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    started: Instant,
    /// Nanoseconds to add to the system's time of day; a demo may start on another day.
    shift: i128,
}

impl Clock {
    /// The system's clock.
    pub fn system() -> Self {
        Self { started: Instant::now(), shift: 0 }
    }

    /// The system's clock, shifted so that it is `time` now.
    pub fn starting_at(time: Time) -> Self {
        let shift = i128::from(time.0) - i128::from(system_time().0);
        Self { started: Instant::now(), shift }
    }

    /// Both clocks now.
    pub fn now(&self) -> Now {
        let wall = i128::from(system_time().0) + self.shift;
        Now { wall: Time(u64::try_from(wall).unwrap_or(0)), monotonic: self.started.elapsed() }
    }
}

fn system_time() -> Time {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    Time(u64::try_from(since.as_nanos()).unwrap_or(u64::MAX))
}

/// Notices when the wall clock jumps ahead. A clock that falls behind does no harm: time then moves by a nanosecond an entry.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Watch {
    anchor: Now,
}

/// The wall clock says a time that it cannot have reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Jump {
    pub expected: Time,
    pub found: Time,
}

impl Watch {
    pub(crate) fn new(anchor: Now) -> Self {
        Self { anchor }
    }

    pub(crate) fn check(&mut self, now: Now) -> Result<(), Jump> {
        let elapsed = now.monotonic.saturating_sub(self.anchor.monotonic);
        let expected = self.anchor.wall.after(nanoseconds(elapsed));
        if now.wall > expected.after(nanoseconds(LEAD_MAX)) {
            return Err(Jump { expected, found: now.wall });
        }
        if elapsed >= ANCHOR_EVERY {
            self.anchor = now;
        }
        Ok(())
    }
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

//! The clock: what time it is, and whether to believe it.
//!
//! A wall clock can be set, by people and by other machines; a monotonic one cannot. A node trusts the wall clock as long as it
//! stays close to where the monotonic one says it should be. One that falls behind does no harm: the log's time then moves by a
//! nanosecond an entry until it is reached again. One that jumps ahead would take the log's time with it for good, so writing
//! stops until a person has looked.
use std::sync::{Arc, Mutex, PoisonError};
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
#[derive(Clone, Debug)]
pub struct Clock(Source);

#[derive(Clone, Debug)]
enum Source {
    System {
        started: Instant,
        /// Nanoseconds to add to the system's time of day; a demo may start on another day.
        shift: i128,
    },
    Manual(Hands),
}

impl Clock {
    /// The system's clock.
    pub fn system() -> Self {
        Self(Source::System { started: Instant::now(), shift: 0 })
    }

    /// The system's clock, shifted so that it is `time` now.
    pub fn starting_at(time: Time) -> Self {
        let shift = i128::from(time.0) - i128::from(system_time().0);
        Self(Source::System { started: Instant::now(), shift })
    }

    /// A clock that stands still but for its hands, for simulations and tests.
    pub fn manual(wall: Time) -> (Self, Hands) {
        let hands = Hands(Arc::new(Mutex::new(Now { wall, monotonic: Duration::ZERO })));
        (Self(Source::Manual(hands.clone())), hands)
    }

    /// Both clocks now.
    pub fn now(&self) -> Now {
        match &self.0 {
            Source::System { started, shift } => {
                let wall = i128::from(system_time().0) + shift;
                Now { wall: Time(u64::try_from(wall).unwrap_or(0)), monotonic: started.elapsed() }
            }
            Source::Manual(hands) => hands.read(),
        }
    }
}

/// Moves a manual clock.
#[derive(Clone, Debug)]
pub struct Hands(Arc<Mutex<Now>>);

impl Hands {
    /// Time passes on both clocks.
    pub fn pass(&self, time: Duration) {
        let mut now = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        now.wall = now.wall.after(nanoseconds(time));
        now.monotonic += time;
    }

    /// Somebody sets the wall clock.
    pub fn set_wall(&self, wall: Time) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).wall = wall;
    }

    fn read(&self) -> Now {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn system_time() -> Time {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    Time(u64::try_from(since.as_nanos()).unwrap_or(u64::MAX))
}

/// Notices when the wall clock jumps ahead.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Watch {
    anchor: Now,
    jumped: Option<Jump>,
}

/// The wall clock says a time that it cannot have reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Jump {
    pub expected: Time,
    pub found: Time,
}

impl Watch {
    /// From `now` on; `at` is when the last entry was decided, which no clock can be ahead of by catching up.
    pub(crate) fn new(now: Now, at: Time) -> Self {
        Self { anchor: Now { wall: now.wall.max(at), ..now }, jumped: None }
    }

    /// Whether the clock can be believed. Once it has jumped it never is again: going back is no better.
    pub(crate) fn check(&mut self, now: Now) -> Result<(), Jump> {
        if let Some(jump) = self.jumped {
            return Err(jump);
        }
        let elapsed = now.monotonic.saturating_sub(self.anchor.monotonic);
        let expected = self.anchor.wall.after(nanoseconds(elapsed));
        if now.wall > expected.after(nanoseconds(LEAD_MAX)) {
            let jump = Jump { expected, found: now.wall };
            self.jumped = Some(jump);
            return Err(jump);
        }
        if elapsed >= ANCHOR_EVERY {
            // A clock that is behind may be set right at any time; that is not a jump.
            self.anchor = Now { wall: now.wall.max(expected), ..now };
        }
        Ok(())
    }

    pub(crate) fn has_jumped(&self) -> bool {
        self.jumped.is_some()
    }
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::{Jump, LEAD_MAX, Now, Watch};
    use std::time::Duration;
    use sycee_core::ids::Time;

    const START: u64 = 1_767_225_600;

    fn at(wall_seconds: i64, monotonic_seconds: u64) -> Now {
        let wall = START.checked_add_signed(wall_seconds).unwrap() * 1_000_000_000;
        Now { wall: Time(wall), monotonic: Duration::from_secs(monotonic_seconds) }
    }

    /// Whether each reading in turn, (wall, monotonic) in seconds, is believed.
    fn check(last_entry: i64, readings: &[(i64, u64)], expected: &[bool]) {
        let mut watch = Watch::new(at(0, 0), at(last_entry, 0).wall);
        let believed: Vec<bool> =
            readings.iter().map(|(wall, monotonic)| watch.check(at(*wall, *monotonic)).is_ok()).collect();
        assert_eq!(believed, expected, "{readings:?}");
    }

    #[test]
    fn a_minute_is_the_most_that_is_believed() {
        assert_eq!(LEAD_MAX.as_secs(), 60);
        check(0, &[(60, 0)], &[true]);
        check(0, &[(61, 0)], &[false]);
        check(0, &[(100, 40), (161, 100)], &[true, false]);
    }

    #[test]
    fn what_has_jumped_stays_stopped() {
        check(0, &[(3_600, 1), (2, 2), (3, 3)], &[false, false, false]);
        let mut watch = Watch::new(at(0, 0), Time(0));
        let jump = Jump { expected: at(5, 0).wall, found: at(500, 0).wall };
        assert_eq!(watch.check(at(500, 5)), Err(jump));
        assert!(watch.has_jumped());
    }

    #[test]
    fn slow_drift_never_adds_up() {
        // A clock that gains five seconds in ten minutes, for a day.
        let day: Vec<(i64, u64)> = (1..=144_i64).map(|n| (605 * n, 600 * n.unsigned_abs())).collect();
        check(0, &day, &[true; 144]);
        // The same gain all at once, at the end of that day.
        let drifted = [&day[..], &[(605 * 144 + 720, 600 * 144)]].concat();
        check(0, &drifted, &[&[true; 144][..], &[false]].concat());
    }

    #[test]
    fn a_clock_that_was_behind_may_be_set_right() {
        // Set back by an hour, looked at for half an hour, then set right.
        let readings = [(10, 10), (-3_600, 11), (-3_000, 611), (-2_300, 1_300), (1_300, 1_301)];
        check(0, &readings, &[true; 5]);
        // At the start it was behind the log.
        check(7_200, &[(1, 1), (7_200, 2), (7_263, 3)], &[true, true, true]);
        check(7_200, &[(1, 1), (7_264, 3)], &[true, false]);
    }
}

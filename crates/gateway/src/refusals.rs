//! Refusals in a flood: who is refused all the time hears so before anything is read, asked or decided.
//!
//! Only refusals count, so whoever is served never waits. 402, 404 and 429 count against the key: a key that is refused too often
//! is not listened to for a moment. Keys that nobody has count against the network they come from, and only other such keys from
//! there are told to wait: a key that works is served from anywhere.
//!
//! What is kept is one moment a caller: when its refusals will all be forgiven (the virtual scheduling form of ITU-T I.371's cell
//! rate algorithm). There is room for a fixed number of callers; a new one takes the room of the one that is soonest forgiven
//! among few, and which few is drawn when the process starts.
use std::hash::{BuildHasher, Hash, RandomState};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use sycee_core::ids::KeyId;

use crate::network::Network;
use crate::options::Limits;
use crate::problem::Problem;

const SETS: usize = 1_024;
const SET: usize = 4;

/// Who was refused lately.
#[derive(Debug, Default)]
pub(crate) struct Refusals {
    by_key: Table<KeyId>,
    by_network: Table<Network>,
}

impl Refusals {
    /// Whether this key may ask.
    pub(crate) fn check(&self, key: KeyId, limits: &Limits, now: Instant) -> Result<(), Problem> {
        match self.by_key.wait(key, limits.into(), now) {
            Some(wait) => Err(Problem::too_many_refusals(seconds(wait))),
            None => Ok(()),
        }
    }

    /// A request with this key was answered so.
    pub(crate) fn answered(&self, key: KeyId, problem: &Problem, limits: &Limits, now: Instant) {
        if matches!(problem.status, 402 | 404 | 429) {
            self.by_key.add(key, limits.into(), now);
        }
    }

    /// What to tell a caller whose key does not work: `problem`, unless its network has heard that too often.
    pub(crate) fn stranger(
        &self,
        network: Network,
        problem: Problem,
        limits: &Limits,
        now: Instant,
    ) -> Problem {
        if let Some(wait) = self.by_network.wait(network, limits.into(), now) {
            return Problem::too_many_refusals(seconds(wait));
        }
        self.by_network.add(network, limits.into(), now);
        problem
    }
}

fn seconds(wait: Duration) -> u32 {
    u32::try_from(wait.as_millis().div_ceil(1_000)).unwrap_or(u32::MAX)
}

/// How many refusals in a row, and how fast they are forgiven.
#[derive(Clone, Copy, Debug)]
struct Pace {
    each: Duration,
    burst: Duration,
}

impl From<&Limits> for Pace {
    fn from(limits: &Limits) -> Self {
        let each = Duration::from_secs(1) / limits.refusals_per_second.max(1);
        Self { each, burst: each * limits.refusals_burst }
    }
}

/// When those who were refused are forgiven.
#[derive(Debug)]
struct Table<Who> {
    sets: Box<[Mutex<Set<Who>>]>,
    hasher: RandomState,
}

type Set<Who> = [Option<(Who, Instant)>; SET];

impl<Who: Copy + Eq + Hash> Default for Table<Who> {
    fn default() -> Self {
        Self { sets: (0..SETS).map(|_| Mutex::new([None; SET])).collect(), hasher: RandomState::new() }
    }
}

impl<Who: Copy + Eq + Hash> Table<Who> {
    fn set(&self, who: Who) -> &Mutex<Set<Who>> {
        let index = self.hasher.hash_one(who) % (SETS as u64);
        &self.sets[usize::try_from(index).expect("there are few sets")]
    }

    /// How long until one more refusal would be within the pace.
    fn wait(&self, who: Who, pace: Pace, now: Instant) -> Option<Duration> {
        let set = self.set(who).lock().expect("nothing panics while it holds this");
        let (_, forgiven_at) = set.iter().flatten().find(|(other, _)| *other == who)?;
        let owed = forgiven_at.saturating_duration_since(now);
        let over = (owed + pace.each).saturating_sub(pace.burst);
        (!over.is_zero()).then_some(over)
    }

    fn add(&self, who: Who, pace: Pace, now: Instant) {
        let mut set = self.set(who).lock().expect("nothing panics while it holds this");
        let known = set.iter().position(|room| room.is_some_and(|(other, _)| other == who));
        let soonest = |set: &Set<Who>| {
            let forgiven_at = |room: &usize| set[*room].map(|(_, at)| at);
            (0..SET).min_by_key(forgiven_at).expect("a set has rooms")
        };
        let room = known.unwrap_or_else(|| soonest(&set));
        let before = known.and_then(|room| set[room]).map_or(now, |(_, at)| at.max(now));
        // What is refused at the same time may be more than the burst; it is not owed for longer.
        set[room] = Some((who, (before + pace.each).min(now + pace.burst)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: Network = Network::V4(1);

    fn limits() -> Limits {
        Limits { refusals_burst: 3, refusals_per_second: 2, ..Limits::default() }
    }

    /// A caller without a key that works, refused at these milliseconds: which of them it is told to wait, and for how long.
    fn check(at: &[u64], expect: &[Option<u32>]) {
        let (refusals, start, limits) = (Refusals::default(), Instant::now(), limits());
        let told = |at: &u64| {
            let now = start + Duration::from_millis(*at);
            refusals.stranger(HERE, Problem::wrong_key(), &limits, now).retry_after_s
        };
        assert_eq!(at.iter().map(told).collect::<Vec<_>>(), expect, "{at:?}");
    }

    #[test]
    fn a_burst_and_then_a_pace() {
        check(&[0, 0, 0, 0, 0], &[None, None, None, Some(1), Some(1)]);
        check(&[0, 0, 0, 499, 500, 501], &[None, None, None, Some(1), None, Some(1)]);
        check(&[0, 500, 1_000, 1_500, 2_000], &[None; 5]);
        check(&[0, 0, 0, 1_500, 1_500, 1_500, 1_500], &[None, None, None, None, None, None, Some(1)]);
    }

    #[test]
    fn only_refusals_count_and_only_against_their_key() {
        let (refusals, now, limits) = (Refusals::default(), Instant::now(), limits());
        let (one, other) = (KeyId(1), KeyId(2));
        for _ in 0..100 {
            refusals.answered(one, &Problem::bad_request("", "no"), &limits, now);
            refusals.answered(other, &Problem::no_such_model("m"), &limits, now);
        }
        assert_eq!(refusals.check(one, &limits, now), Ok(()));
        let problem = refusals.check(other, &limits, now).unwrap_err();
        assert_eq!((problem.status, problem.code), (429, "too_many_refusals"));
        let later = now + Duration::from_millis(500);
        assert_eq!(refusals.check(other, &limits, later), Ok(()), "a hundred at once are owed like three");
    }

    #[test]
    fn a_crowd_takes_no_more_room_and_hides_nobody_who_goes_on() {
        let (refusals, now, limits) = (Refusals::default(), Instant::now(), limits());
        for _ in 0..3 {
            refusals.stranger(HERE, Problem::wrong_key(), &limits, now);
        }
        for other in 0..100_000 {
            refusals.stranger(Network::V6(other), Problem::wrong_key(), &limits, now);
        }
        let kept = |set: &Mutex<Set<Network>>| set.lock().unwrap().iter().flatten().count();
        assert_eq!(refusals.by_network.sets.iter().map(kept).sum::<usize>(), SETS * SET);
        let told = refusals.stranger(HERE, Problem::wrong_key(), &limits, now);
        assert_eq!(told.code, "too_many_refusals", "those who were refused once give way to each other");
    }

    #[test]
    fn no_client_at_work_comes_near_the_defaults() {
        let (refusals, now, limits) = (Refusals::default(), Instant::now(), Limits::default());
        let problem = Problem::no_such_model("m");
        for _ in 0..2_000 {
            assert_eq!(refusals.check(KeyId(1), &limits, now), Ok(()));
            refusals.answered(KeyId(1), &problem, &limits, now);
        }
        assert_eq!(refusals.check(KeyId(1), &limits, now).unwrap_err().retry_after_s, Some(1));
    }
}

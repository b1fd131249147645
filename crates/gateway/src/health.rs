//! Health: how offers have done lately, seen from the requests that were sent to them.
//!
//! An offer that fails three times in a row rests for a second, and twice as long after each further failure, up to half a
//! minute; one that fails more often than not over its last requests rests as well. While it rests it is the last choice, not
//! none: when nothing else is left, trying beats refusing. A client that leaves is no strike.
use std::collections::BTreeMap;
use std::sync::Mutex;

use sycee_core::ids::{OfferId, Time};
use sycee_core::limits::SECOND;

/// Failures in a row before an offer rests.
const STRIKES: u32 = 3;
const REST_MAX: u64 = 30 * SECOND;
/// Weight of the newest observation in the moving averages, as a shift: an eighth.
const WEIGHT_SHIFT: u32 = 3;
const WHOLE_PPM: u64 = 1_000_000;
/// An offer rests when more than half of its requests fail.
const FAILING_PPM: u64 = 500_000;

/// How a try ended, as far as health goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Observation {
    Served,
    Failed,
    /// Said that it is full: rests a moment without a strike.
    Busy,
    /// The client left; says nothing about the offer.
    Left,
}

/// What is known of one offer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Record {
    pub in_flight: u32,
    pub failures_in_row: u32,
    pub resting_until: Time,
    /// When its failures first made it rest, until it serves again.
    pub failing_since: Option<Time>,
    /// Moving average of failures.
    pub failing_ppm: u64,
    /// Moving average of the time to the first token.
    pub first_token_ms: Option<u64>,
}

impl Record {
    /// Whether it is a first choice.
    pub fn is_healthy(&self, now: Time) -> bool {
        self.resting_until <= now
    }

    fn observe(&mut self, observation: Observation, now: Time) {
        let failed = match observation {
            Observation::Left => return,
            Observation::Busy => {
                self.resting_until = self.resting_until.max(now.after(SECOND / 4));
                return;
            }
            Observation::Served => false,
            Observation::Failed => true,
        };
        let sample = if failed { WHOLE_PPM } else { 0 };
        self.failing_ppm = average(self.failing_ppm, sample);
        if !failed {
            self.failures_in_row = 0;
            self.failing_since = None;
            return;
        }
        self.failures_in_row = self.failures_in_row.saturating_add(1);
        let beyond = self.failures_in_row.saturating_sub(STRIKES).min(5);
        if self.failures_in_row >= STRIKES {
            self.rest((SECOND << beyond).min(REST_MAX), now);
        } else if self.failing_ppm > FAILING_PPM {
            self.rest(SECOND, now);
        }
    }

    fn rest(&mut self, span: u64, now: Time) {
        self.resting_until = now.after(span);
        self.failing_since.get_or_insert(now);
    }
}

fn average(former: u64, sample: u64) -> u64 {
    former - (former >> WEIGHT_SHIFT) + (sample >> WEIGHT_SHIFT)
}

/// The records of all offers.
#[derive(Debug, Default)]
pub struct Health {
    records: Mutex<BTreeMap<OfferId, Record>>,
}

impl Health {
    /// What is known of an offer.
    pub fn of(&self, offer: OfferId) -> Record {
        self.lock().get(&offer).copied().unwrap_or_default()
    }

    /// All that is known.
    pub fn all(&self) -> BTreeMap<OfferId, Record> {
        self.lock().clone()
    }

    /// Takes one of the offer's places; false if all are taken.
    pub fn enter(&self, offer: OfferId, places: u32) -> bool {
        let mut records = self.lock();
        let record = records.entry(offer).or_default();
        let free = record.in_flight < places;
        if free {
            record.in_flight += 1;
        }
        free
    }

    /// Gives the place back.
    pub fn leave(&self, offer: OfferId, observation: Observation, now: Time) {
        if let Some(record) = self.lock().get_mut(&offer) {
            record.in_flight = record.in_flight.saturating_sub(1);
            record.observe(observation, now);
        }
    }

    /// The first token came so long after the request was sent.
    pub fn first_token(&self, offer: OfferId, milliseconds: u64) {
        if let Some(record) = self.lock().get_mut(&offer) {
            let former = record.first_token_ms.unwrap_or(milliseconds);
            record.first_token_ms = Some(average(former, milliseconds).max(1));
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<OfferId, Record>> {
        self.records.lock().expect("nothing panics while it holds the records")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OFFER: OfferId = OfferId(1);

    /// Plays observations, one a second, and says after each whether the offer is a first choice.
    fn check(story: &str, expect: &str) {
        let health = Health::default();
        let mut shown = String::new();
        for (second, letter) in (1u64..).zip(story.chars()) {
            let now = Time(second * SECOND);
            let observation = match letter {
                's' => Observation::Served,
                'f' => Observation::Failed,
                'b' => Observation::Busy,
                'l' => Observation::Left,
                _ => unreachable!("letters of the story"),
            };
            assert!(health.enter(OFFER, 1), "one place is free");
            health.leave(OFFER, observation, now);
            shown.push(if health.of(OFFER).is_healthy(now.after(1)) { '+' } else { '-' });
        }
        assert_eq!(shown, expect, "{story}");
    }

    #[test]
    fn three_failures_in_a_row_rest_an_offer() {
        check("ffs", "+++");
        check("fff", "++-");
        check("sfsfsf", "++++++");
        check("ffsff", "+++++");
    }

    #[test]
    fn leaving_clients_are_no_strike_and_a_full_site_rests_a_moment() {
        check("llllllll", "++++++++");
        check("fflf", "+++-");
        check("b", "-");
    }

    #[test]
    fn an_offer_is_failing_from_its_first_rest_until_it_serves() {
        let since = |story: &str| {
            let mut record = Record::default();
            for (second, letter) in (1..).zip(story.chars()) {
                let observation = if letter == 'f' { Observation::Failed } else { Observation::Served };
                record.observe(observation, Time(second * SECOND));
            }
            record.failing_since.map(|since| since.0 / SECOND)
        };
        assert_eq!(["ff", "fff", "ffffff", "ffffffs"].map(since), [None, Some(3), Some(3), None]);
        // The seventh is only the second in a row, but by then more failed than not.
        assert_eq!(since("ffffsfff"), Some(7));
    }

    #[test]
    fn rest_doubles_up_to_its_limit() {
        let mut record = Record::default();
        let mut rests = Vec::new();
        for _ in 0..9 {
            record.observe(Observation::Failed, Time(0));
            rests.push(record.resting_until.0 / SECOND);
        }
        assert_eq!(rests, [0, 0, 1, 2, 4, 8, 16, 30, 30]);
    }

    #[test]
    fn places_are_limited() {
        let health = Health::default();
        assert!(health.enter(OFFER, 2) && health.enter(OFFER, 2));
        assert!(!health.enter(OFFER, 2), "both are taken");
        health.leave(OFFER, Observation::Left, Time(0));
        assert!(health.enter(OFFER, 2));
    }
}

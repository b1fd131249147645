//! When a consumer's next request comes: gaps without memory, around a rate that follows the day.

use std::time::Duration;

use tokio::time::Instant;

use super::config::{Day, PopulationConfig};
use crate::draw::Draw;

/// The rate of each hour from midnight, in twenty-fourths of the day's requests. An assumed shape; its mean is one.
const HOURS: [f64; 24] = [
    0.7, 0.5, 0.4, 0.3, 0.3, 0.4, 0.5, 0.7, 1.0, 1.3, 1.5, 1.4, 1.1, 1.2, 1.5, 1.6, 1.5, 1.3, 1.0, 1.0, 1.2,
    1.3, 1.3, 1.0,
];

#[derive(Debug)]
pub(super) struct Arrivals {
    begun: Instant,
    due: Instant,
    per_second: f64,
    day: Day,
}

impl Arrivals {
    #[expect(clippy::cast_precision_loss, reason = "a population has at most ten thousand consumers")]
    pub(super) fn start(config: &PopulationConfig, now: Instant) -> Self {
        let per_second = config.requests_per_second / config.consumers.len() as f64;
        Self { begun: now, due: now, per_second, day: config.day }
    }

    /// The next arrival. It follows the last one and not the present, so a consumer that had to wait catches up.
    pub(super) fn next(&mut self, draw: &mut Draw) -> Instant {
        let elapsed = self.due.duration_since(self.begun).as_secs_f64();
        let gap = draw.exponential() / (self.per_second * self.day.rate_at(elapsed));
        let gap =
            Duration::try_from_secs_f64(gap).unwrap_or(Duration::from_hours(1)).min(Duration::from_hours(1));
        self.due += gap;
        self.due
    }
}

impl Day {
    /// The rate as a multiple of the mean, so many seconds after the start.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "an hour of the day is from 0 to 23"
    )]
    pub(super) fn rate_at(self, elapsed_seconds: f64) -> f64 {
        match self {
            Self::Flat => 1.0,
            Self::Diurnal { seconds_per_day, starts_at_hour } => {
                let hour = (starts_at_hour + elapsed_seconds / seconds_per_day * 24.0) % 24.0;
                HOURS[(hour as usize).min(23)]
            }
        }
    }
}

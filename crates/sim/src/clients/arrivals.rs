//! When a consumer's next request comes: gaps without memory, around a rate.

use std::time::Duration;

use tokio::time::Instant;

use super::config::PopulationConfig;
use crate::draw::Draw;

#[derive(Debug)]
pub(super) struct Arrivals {
    due: Instant,
    per_second: f64,
}

impl Arrivals {
    #[expect(clippy::cast_precision_loss, reason = "a population has at most ten thousand consumers")]
    pub(super) fn start(config: &PopulationConfig, now: Instant) -> Self {
        let per_second = config.requests_per_second / config.consumers.len() as f64;
        Self { due: now, per_second }
    }

    /// The next arrival. It follows the last one and not the present, so a consumer that had to wait catches up.
    pub(super) fn next(&mut self, draw: &mut Draw) -> Instant {
        let gap = draw.exponential() / self.per_second;
        let gap =
            Duration::try_from_secs_f64(gap).unwrap_or(Duration::from_hours(1)).min(Duration::from_hours(1));
        self.due += gap;
        self.due
    }
}

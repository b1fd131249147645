//! The speed of a reply: when its next token is due.
//!
//! Due times follow from the start, not from the last wait, so a slow timer delays a token but not the ones after it.

use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use super::behaviour::Behaviour;
use crate::draw::Draw;

#[derive(Debug)]
pub(crate) struct Pace {
    /// When the next token is ready.
    due: Instant,
    gap: Duration,
    jitter: f64,
    draw: Draw,
}

impl Pace {
    /// The clock of a reply starts when the request is let in.
    pub(crate) fn start(behaviour: &Behaviour, draw: Draw) -> Self {
        let rate = behaviour.tokens_per_second;
        let gap = if rate > 0.0 {
            Duration::try_from_secs_f64(1.0 / rate).unwrap_or(Duration::MAX)
        } else {
            Duration::ZERO
        };
        let due = Instant::now() + Duration::from_millis(behaviour.first_token_ms);
        Self { due, gap, jitter: behaviour.jitter, draw }
    }

    /// Waits until so many more tokens are ready.
    pub(crate) async fn tokens(&mut self, count: u64) {
        let Some(last) = count.checked_sub(1) else { return };
        let ready = self.after(self.due, last);
        self.due = self.after(ready, 1);
        if ready > Instant::now() {
            sleep_until(ready).await;
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "a count of tokens is far below 2^53")]
    fn after(&mut self, from: Instant, tokens: u64) -> Instant {
        if self.gap.is_zero() || tokens == 0 {
            return from;
        }
        let stretch = 1.0 + self.jitter * (2.0 * self.draw.unit() - 1.0);
        let seconds = self.gap.as_secs_f64() * tokens as f64 * stretch;
        from + Duration::try_from_secs_f64(seconds)
            .unwrap_or(Duration::from_hours(1))
            .min(Duration::from_hours(1))
    }
}

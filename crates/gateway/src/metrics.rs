//! Metrics: what the gateway did, as counters. Refusals are counted here and nowhere else, so that a flood fills no disk.
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use sycee_core::Event;
use sycee_core::settlement::{self, AttemptOutcome, Delivery};

/// Upper ends of the first-token histogram, in milliseconds.
const FIRST_TOKEN_MS: [u64; 10] = [10, 25, 50, 100, 250, 500, 1_000, 2_500, 10_000, 60_000];

/// All counters.
#[derive(Debug, Default)]
pub(crate) struct Metrics {
    answers: Mutex<BTreeMap<(u16, &'static str), u64>>,
    attempts: Mutex<BTreeMap<&'static str, u64>>,
    requests: AtomicU64,
    marks: AtomicU64,
    mark_batches: AtomicU64,
    joined: AtomicU64,
    panicked: AtomicU64,
    timed_out: AtomicU64,
    turned_away: Mutex<BTreeMap<&'static str, u64>>,
    not_accepted: AtomicU64,
    disputed: AtomicU64,
    tokens_in: AtomicU64,
    tokens_out: AtomicU64,
    first_token: Mutex<Histogram>,
}

#[derive(Debug, Default)]
struct Histogram {
    counts: [u64; FIRST_TOKEN_MS.len()],
    count: u64,
    sum: u64,
}

impl Metrics {
    /// A request that was not served, by status and code.
    pub(crate) fn refused(&self, status: u16, code: &'static str) {
        let mut answers = self.answers.lock().expect("nothing panics while it counts");
        *answers.entry((status, code)).or_insert(0) += 1;
    }

    pub(crate) fn attempt(&self, outcome: AttemptOutcome) {
        let mut attempts = self.attempts.lock().expect("nothing panics while it counts");
        *attempts.entry(outcome.name()).or_insert(0) += 1;
    }

    pub(crate) fn request(&self) {
        self.requests.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn joined(&self) {
        self.joined.fetch_add(1, Ordering::Relaxed);
    }

    /// The work on a request panicked.
    pub(crate) fn panicked(&self) {
        self.panicked.fetch_add(1, Ordering::Relaxed);
    }

    /// A connection ends because its client has sent or taken nothing for too long.
    pub(crate) fn timed_out(&self) {
        self.timed_out.fetch_add(1, Ordering::Relaxed);
    }

    /// A connection was one too many by this limit.
    pub(crate) fn turned_away(&self, limit: &'static str) {
        let mut turned_away = self.turned_away.lock().expect("nothing panics while it counts");
        *turned_away.entry(limit).or_insert(0) += 1;
    }

    /// A connection could not be accepted.
    pub(crate) fn not_accepted(&self) {
        self.not_accepted.fetch_add(1, Ordering::Relaxed);
    }

    /// What the ledger has settled. What it was only asked to settle is not counted: it may be asked again.
    pub(crate) fn applied(&self, events: &[Event]) {
        for event in events {
            if let Event::Settlement(settlement::Event::Settled { request: _, receipt }) = event {
                let Delivery { usage, dispute, .. } = &receipt.delivery;
                self.disputed.fetch_add(u64::from(*dispute), Ordering::Relaxed);
                self.tokens_in.fetch_add(usage.input_total().unwrap_or(0), Ordering::Relaxed);
                self.tokens_out.fetch_add(usage.output_total().unwrap_or(0), Ordering::Relaxed);
            }
        }
    }

    pub(crate) fn marked(&self, marks: usize) {
        self.marks.fetch_add(marks as u64, Ordering::Relaxed);
        self.mark_batches.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn first_token(&self, milliseconds: u64) {
        let mut histogram = self.first_token.lock().expect("nothing panics while it counts");
        histogram.count += 1;
        histogram.sum += milliseconds;
        for (end, count) in FIRST_TOKEN_MS.iter().zip(&mut histogram.counts) {
            *count += u64::from(milliseconds <= *end);
        }
    }

    /// The counters in Prometheus' text format.
    pub(crate) fn text(&self, running: usize, connections: usize) -> String {
        let mut text = String::new();
        let mut line = |name: &str, labels: &str, value: u64| {
            // Writing into memory does not fail.
            let _ = writeln!(text, "sycee_gateway_{name}{labels} {value}");
        };
        line("requests_total", "", self.requests.load(Ordering::Relaxed));
        line("requests_joined_total", "", self.joined.load(Ordering::Relaxed));
        line("panics_total", "", self.panicked.load(Ordering::Relaxed));
        line("connections_open", "", connections as u64);
        for (limit, count) in &*self.turned_away.lock().expect("nothing panics while it counts") {
            line("connections_refused_total", &format!("{{limit=\"{limit}\"}}"), *count);
        }
        line("connections_not_accepted_total", "", self.not_accepted.load(Ordering::Relaxed));
        line("connections_timed_out_total", "", self.timed_out.load(Ordering::Relaxed));
        line("disputes_total", "", self.disputed.load(Ordering::Relaxed));
        line("input_tokens_total", "", self.tokens_in.load(Ordering::Relaxed));
        line("output_tokens_total", "", self.tokens_out.load(Ordering::Relaxed));
        line("requests_running", "", running as u64);
        line("marks_total", "", self.marks.load(Ordering::Relaxed));
        line("mark_batches_total", "", self.mark_batches.load(Ordering::Relaxed));
        for ((status, code), count) in &*self.answers.lock().expect("nothing panics while it counts") {
            line("refusals_total", &format!("{{status=\"{status}\",code=\"{code}\"}}"), *count);
        }
        for (outcome, count) in &*self.attempts.lock().expect("nothing panics while it counts") {
            line("attempts_total", &format!("{{outcome=\"{outcome}\"}}"), *count);
        }
        let histogram = self.first_token.lock().expect("nothing panics while it counts");
        for (end, count) in FIRST_TOKEN_MS.iter().zip(&histogram.counts) {
            line("first_token_milliseconds_bucket", &format!("{{le=\"{end}\"}}"), *count);
        }
        line("first_token_milliseconds_bucket", "{le=\"+Inf\"}", histogram.count);
        line("first_token_milliseconds_sum", "", histogram.sum);
        line("first_token_milliseconds_count", "", histogram.count);
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_are_told_apart() {
        let metrics = Metrics::default();
        metrics.request();
        metrics.refused(402, "insufficient_quota");
        metrics.refused(402, "insufficient_quota");
        metrics.refused(429, "in_flight_budget");
        metrics.attempt(AttemptOutcome::Served);
        metrics.first_token(30);
        let text = metrics.text(7, 9);
        for line in [
            "sycee_gateway_requests_total 1",
            "sycee_gateway_requests_running 7",
            "sycee_gateway_connections_open 9",
            "sycee_gateway_refusals_total{status=\"402\",code=\"insufficient_quota\"} 2",
            "sycee_gateway_refusals_total{status=\"429\",code=\"in_flight_budget\"} 1",
            "sycee_gateway_attempts_total{outcome=\"served\"} 1",
            "sycee_gateway_first_token_milliseconds_bucket{le=\"25\"} 0",
            "sycee_gateway_first_token_milliseconds_bucket{le=\"50\"} 1",
            "sycee_gateway_first_token_milliseconds_sum 30",
        ] {
            assert!(text.lines().any(|it| it == line), "{line} in {text}");
        }
    }
}

//! What a simulated provider has seen: the last requests, so that a test can ask what really went upstream.
//!
//! Each request has one [`Seen`] that lives as long as the work on it. A reply that is played to its end says so;
//! a `Seen` that is dropped before that knows that the client has left, and writes down at which token.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};

use crate::clock::now_ms;

/// One request as the provider saw it. The token counts are true whatever the reported usage said.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SeenRequest {
    /// From 1, in order of arrival.
    pub number: u64,
    pub path: String,
    pub body_bytes: usize,
    /// SHA-256 of the body as it came, in hexadecimal.
    pub body_sha256: String,
    /// The header `x-request-id`, as the caller sent it.
    pub request_id: Option<String>,
    pub model: Option<String>,
    /// `max_tokens` or `max_completion_tokens`, whichever was sent.
    pub max_tokens: Option<u64>,
    pub stream: bool,
    pub include_usage: bool,
    /// True tokens of the prompt, or of the texts to embed.
    pub prompt_tokens: u64,
    /// True tokens of what was handed to the connection, end-of-sequence included once the reply has ended.
    pub sent_tokens: u64,
    /// True tokens of what the model made; above `sent_tokens` where the provider ignores a cancellation.
    pub generated_tokens: u64,
    /// Choices' content chunks handed to the connection.
    pub chunks: u64,
    /// The number of content chunks after which the client was found gone.
    pub cancelled_at: Option<u64>,
    pub status: Option<u16>,
    pub outcome: Outcome,
    pub arrived_at_ms: u64,
    pub first_token_at_ms: Option<u64>,
    pub ended_at_ms: Option<u64>,
}

/// What became of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Behind the gate, hanging, or before its first byte.
    Waiting,
    Answering,
    Finished,
    /// Answered with an error status, asked for or not.
    Failed,
    /// The provider broke off by its own fault.
    Broken,
    /// The client left first.
    Cancelled,
}

/// The last requests; the oldest are forgotten.
#[derive(Debug)]
pub(crate) struct Ring {
    requests: Mutex<Requests>,
    remembered: usize,
}

#[derive(Debug, Default)]
struct Requests {
    last: VecDeque<SeenRequest>,
    counted: u64,
}

/// The entry of one request, closed when dropped.
#[derive(Debug)]
pub(crate) struct Seen {
    ring: Arc<Ring>,
    number: u64,
    /// What the whole reply would take, for a provider that ignores a cancellation.
    generates_anyway: Option<u64>,
    closed: bool,
}

impl Ring {
    pub(crate) fn new(remembered: usize) -> Self {
        Self { requests: Mutex::default(), remembered }
    }

    fn lock(&self) -> MutexGuard<'_, Requests> {
        // The lock guards plain data that is whole after every statement.
        self.requests.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn open(self: &Arc<Self>, describe: impl FnOnce(u64) -> SeenRequest) -> Seen {
        let mut requests = self.lock();
        requests.counted += 1;
        let number = requests.counted;
        if requests.last.len() == self.remembered {
            requests.last.pop_front();
        }
        requests.last.push_back(describe(number));
        Seen { ring: Arc::clone(self), number, generates_anyway: None, closed: false }
    }

    pub(crate) fn all(&self) -> Vec<SeenRequest> {
        self.lock().last.iter().cloned().collect()
    }

    /// Forgets what is over; requests that are being answered stay.
    pub(crate) fn clear(&self) {
        self.lock().last.retain(|request| request.ended_at_ms.is_none());
    }
}

impl SeenRequest {
    pub(crate) fn arrived(number: u64, path: &str) -> Self {
        Self {
            number,
            path: path.to_owned(),
            body_bytes: 0,
            body_sha256: String::new(),
            request_id: None,
            model: None,
            max_tokens: None,
            stream: false,
            include_usage: false,
            prompt_tokens: 0,
            sent_tokens: 0,
            generated_tokens: 0,
            chunks: 0,
            cancelled_at: None,
            status: None,
            outcome: Outcome::Waiting,
            arrived_at_ms: now_ms(),
            first_token_at_ms: None,
            ended_at_ms: None,
        }
    }
}

impl Seen {
    pub(crate) fn number(&self) -> u64 {
        self.number
    }

    pub(crate) fn note(&self, change: impl FnOnce(&mut SeenRequest)) {
        let mut requests = self.ring.lock();
        // Forgotten requests need no notes. Numbers rise along the ring, with gaps where some were cleared.
        if let Ok(index) = requests.last.binary_search_by_key(&self.number, |request| request.number) {
            change(&mut requests.last[index]);
        }
    }

    pub(crate) fn answering(&self, prompt_tokens: u64) {
        self.note(|request| {
            request.outcome = Outcome::Answering;
            request.status = Some(200);
            request.prompt_tokens = prompt_tokens;
        });
    }

    /// The model goes on to this many tokens even when the client leaves.
    pub(crate) fn generates_anyway(&mut self, tokens: u64) {
        self.generates_anyway = Some(tokens);
    }

    pub(crate) fn sent_chunk(&self, tokens: u64) {
        self.note(|request| {
            request.first_token_at_ms.get_or_insert_with(now_ms);
            request.chunks += 1;
            request.sent_tokens = tokens;
            request.generated_tokens = tokens;
        });
    }

    pub(crate) fn finished(&mut self, tokens: u64) {
        self.note(|request| {
            request.sent_tokens = tokens;
            request.generated_tokens = tokens;
        });
        self.close(Outcome::Finished);
    }

    pub(crate) fn failed(&mut self, status: Option<u16>) {
        self.note(|request| request.status = status);
        self.close(if status.is_some() { Outcome::Failed } else { Outcome::Broken });
    }

    pub(crate) fn broken(&mut self) {
        self.close(Outcome::Broken);
    }

    fn close(&mut self, outcome: Outcome) {
        self.closed = true;
        self.note(|request| {
            request.outcome = outcome;
            request.ended_at_ms = Some(now_ms());
        });
    }
}

impl Drop for Seen {
    fn drop(&mut self) {
        if self.closed {
            return;
        }
        let anyway = self.generates_anyway;
        self.note(|request| {
            request.cancelled_at = Some(request.chunks);
            request.generated_tokens = anyway.unwrap_or(request.generated_tokens);
        });
        self.close(Outcome::Cancelled);
    }
}

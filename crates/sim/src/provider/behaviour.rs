//! How a simulated provider behaves: its speed, its faults and its lies.
//!
//! The default is an honest and healthy provider of middling speed. A behaviour is changed while the server runs
//! by a JSON merge patch (RFC 7396), so that a test says only what it wants to differ and `null` takes it back:
//!
//! ```text
//! POST /sim/behaviour   {"tokens_per_second": 0, "usage": {"lie": {"multiply": 3}}}
//! POST /sim/behaviour   {"fail": {"status": 503, "next": 2}}
//! POST /sim/behaviour   {"cut_after_tokens": 5}
//! POST /sim/behaviour   {"cut_after_tokens": null}
//! ```
//!
//! A request keeps the behaviour that was in force when it was let in; only the gate and the hang look again.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::error::{Error, ErrorKind};

/// Everything about a simulated provider that may be changed while it runs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of its own; they are combined freely")]
pub struct Behaviour {
    /// Time from a request's admission to its first token.
    pub first_token_ms: u64,
    /// Speed of each reply after its first token; 0 means as fast as possible.
    pub tokens_per_second: f64,
    /// Each gap between tokens is made longer or shorter by up to this share of itself, by the seed. 0 to 1.
    pub jitter: f64,
    /// Requests answered at one time; one more gets 429. None is no limit.
    pub capacity: Option<usize>,
    /// The default length of a reply in tokens; without it a reply has one to three passages.
    pub reply_tokens: Option<u64>,

    /// While closed, each POST waits and is counted, nothing is answered.
    pub gate_open: bool,
    /// Answers POST with an error, or closes the connection without an answer.
    pub fail: Option<Failure>,
    /// While set, a POST waits for its first byte for ever.
    pub hang: bool,
    /// Delay before the head of the response.
    pub head_delay_ms: u64,
    /// After this many tokens a stream says nothing more and stays open.
    pub stall_after_tokens: Option<u64>,
    /// After this many tokens the connection is cut, in a stream without its last chunk.
    pub cut_after_tokens: Option<u64>,
    /// After this many tokens a stream sends an error object and ends without `[DONE]`.
    pub error_after_tokens: Option<u64>,
    /// After this many tokens a stream sends one data line that is not JSON, and goes on.
    pub malformed_after_tokens: Option<u64>,
    /// The text of the reply is the text of an error, with status 200.
    pub error_as_content: bool,
    /// Frames of a stream are flushed in pieces of this many bytes, wherever that cuts them.
    pub split_bytes: Option<usize>,
    /// Ignores `max_tokens`: a stream goes on until the client leaves, a plain reply fills the context.
    pub never_stops: bool,
    /// Counts the whole reply as generated though the client left.
    pub ignores_cancel: bool,
    /// Added to the `content-length` of a plain reply.
    pub content_length_error: i64,
    /// The reply is preceded by this many tokens of `reasoning_content`.
    pub reasoning_tokens: Option<u64>,
    /// The reply is a call of the first tool offered, in fragments.
    pub tool_call: bool,
    pub usage: UsageReport,
}

/// How POST fails: the next few, or a share of all, or both, whichever is met first.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Failure {
    /// An error status of HTTP; without one the connection is closed without an answer.
    pub status: Option<u16>,
    /// So many of the next requests fail; counts down.
    pub next: u64,
    /// The share of requests that fail, 0 to 1, drawn by the seed.
    pub fraction: f64,
}

/// What is told about the tokens of a reply, and where.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct UsageReport {
    pub lie: UsageLie,
    pub place: UsagePlace,
    /// Reported as `prompt_tokens_details.cached_tokens`, at most the prompt's.
    pub cached_tokens: Option<u64>,
    /// Reported as `completion_tokens_details.reasoning_tokens` instead of the true number.
    pub reasoning_tokens: Option<u64>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UsageLie {
    /// The tokens of the emitted text, and one for end-of-sequence where the reply ended by itself.
    #[default]
    Honest,
    /// No usage at all.
    Strip,
    Zero,
    Multiply(u64),
    Negative,
    /// Numbers that no 64-bit signed integer holds.
    Absurd,
    /// Of several choices only the first is counted, as llama.cpp does.
    FirstChoice,
}

/// Where in a stream the usage stands. In a plain reply only `InsideChoice` differs from the rest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UsagePlace {
    /// In a chunk of its own with `choices: []`, as the protocol says.
    #[default]
    OwnChunk,
    /// In the chunk that carries `finish_reason`, and nowhere else.
    FinishChunk,
    /// In a last chunk whose `choices` is not empty.
    BesideChoices,
    /// In every chunk, cumulative.
    EveryChunk,
    /// Inside `choices[0]` of the finish chunk.
    InsideChoice,
}

pub(crate) const CAPACITY_MAX: usize = 100_000;
pub(crate) const WAIT_MS_MAX: u64 = 3_600_000;

impl Default for Behaviour {
    fn default() -> Self {
        Self {
            first_token_ms: 15,
            tokens_per_second: 200.0,
            jitter: 0.0,
            capacity: None,
            reply_tokens: None,
            gate_open: true,
            fail: None,
            hang: false,
            head_delay_ms: 0,
            stall_after_tokens: None,
            cut_after_tokens: None,
            error_after_tokens: None,
            malformed_after_tokens: None,
            error_as_content: false,
            split_bytes: None,
            never_stops: false,
            ignores_cancel: false,
            content_length_error: 0,
            reasoning_tokens: None,
            tool_call: false,
            usage: UsageReport::default(),
        }
    }
}

impl Default for Failure {
    fn default() -> Self {
        Self { status: None, next: 0, fraction: 0.0 }
    }
}

impl Behaviour {
    /// An honest provider that never makes anyone wait, for tests.
    pub fn instant() -> Self {
        Self { first_token_ms: 0, tokens_per_second: 0.0, ..Self::default() }
    }

    /// This behaviour with a JSON merge patch applied.
    pub(crate) fn patched(&self, patch: &Value) -> Result<Self, Error> {
        let refused = || Error::new(ErrorKind::Configuration, "accept the behaviour");
        let mut merged = serde_json::to_value(self).map_err(|error| refused().because(error))?;
        merge(&mut merged, patch);
        let changed: Self = serde_json::from_value(merged).map_err(|error| refused().because(error))?;
        changed.check()?;
        Ok(changed)
    }

    pub(crate) fn check(&self) -> Result<(), Error> {
        let wrong = if !self.tokens_per_second.is_finite() || self.tokens_per_second < 0.0 {
            "tokens_per_second must be a number of at least 0"
        } else if !(0.0..=1.0).contains(&self.jitter) {
            "jitter must be between 0 and 1"
        } else if self.capacity.is_some_and(|capacity| capacity > CAPACITY_MAX) {
            "capacity is above its limit of 100000"
        } else if self.first_token_ms.max(self.head_delay_ms) > WAIT_MS_MAX {
            "a wait is above its limit of an hour"
        } else if self.split_bytes == Some(0) {
            "split_bytes must be at least 1"
        } else if self.fail.as_ref().is_some_and(|fail| !(0.0..=1.0).contains(&fail.fraction)) {
            "fail.fraction must be between 0 and 1"
        } else if self
            .fail
            .as_ref()
            .and_then(|fail| fail.status)
            .is_some_and(|code| !(400..600).contains(&code))
        {
            "fail.status must be an error status of HTTP"
        } else {
            return Ok(());
        };
        Err(Error::new(ErrorKind::Configuration, format!("accept the behaviour: {wrong}")))
    }
}

/// RFC 7396: objects are merged key by key, `null` removes, anything else replaces.
fn merge(target: &mut Value, patch: &Value) {
    let Value::Object(changes) = patch else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = Value::Object(serde_json::Map::new());
    }
    if let Value::Object(fields) = target {
        for (key, change) in changes {
            if change.is_null() {
                fields.shift_remove(key);
            } else {
                merge(fields.entry(key.as_str()).or_insert(Value::Null), change);
            }
        }
    }
}

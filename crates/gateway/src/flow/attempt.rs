//! Attempts: one site after the other, until one begins to answer.
//!
//! A site that cannot be reached, is full, answers with an error of its own, or begins with something that is no answer, costs
//! the consumer nothing and the next one is tried. What is the caller's own fault is passed on: no other site would like the
//! request better.
use std::sync::Arc;

use bytes::Bytes;
use serde_json::{Value, json};
use sycee_core::settlement::{AttemptOutcome, Endpoint, Finish};

use super::{
    Action, Candidate, Failure, Flow, Order, Problem, Stage, Stream, Time, UpstreamHead, after, milliseconds,
};
use crate::chunk;
use crate::error::Error;
use crate::sse::{Event, Reader};

/// An error's text is read up to here.
const ERROR_BYTES_MAX: usize = 64 << 10;

/// What may come before the first word of a stream; a site that sends more has nothing to say.
const BACKLOG_BYTES_MAX: usize = 1 << 20;
const BACKLOG_EVENTS_MAX: usize = 4_096;

/// What single engines call the two limits. They would override what the site is told it will be paid for, so they stay here.
const LIMITS_BY_OTHER_NAMES: [&str; 6] =
    ["n_predict", "n_cmpl", "num_predict", "max_new_tokens", "max_length", "max_output_tokens"];

/// A try that has not begun to answer.
#[derive(Debug)]
pub(super) struct Trying {
    pub(super) candidate: usize,
    pub(super) sent_at: Time,
    pub(super) deadline: Time,
    head: Option<UpstreamHead>,
    /// A plain answer or the text of an error, as far as it has come.
    gathered: Vec<u8>,
    reader: Reader,
    /// Events that came before the first that a model made.
    backlog: Vec<Event>,
    backlog_bytes: usize,
}

/// What the bytes so far amount to.
enum Progress {
    Nothing,
    /// The model has begun to answer, or said that it has nothing to say.
    Begun,
    Failed,
}

impl Flow {
    /// Sends to the candidate at `index`, or gives up with `problem` if there is none.
    pub(super) fn try_next(&mut self, now: Time, index: usize, problem: Problem, out: &mut Vec<Action>) {
        let tries_left = self.attempts.len() < sycee_core::limits::ATTEMPTS_MAX;
        if index >= self.order.candidates.len() || !tries_left {
            return self.release(Finish::UpstreamError, Some(problem), out);
        }
        let whole = if self.order.stream { self.timeouts.first_token } else { self.total_limit() };
        let body = self.upstream_body(index);
        self.stage = Stage::Trying(Box::new(Trying {
            candidate: index,
            sent_at: now,
            deadline: after(now, whole),
            head: None,
            gathered: Vec::new(),
            reader: Reader::default(),
            backlog: Vec::new(),
            backlog_bytes: 0,
        }));
        out.push(Action::Send(index, body));
        self.count_prompt(index, out);
    }

    /// How long the whole answer may take: longer where more tokens are paid for.
    pub(super) fn total_limit(&self) -> std::time::Duration {
        let tokens = self.held.as_ref().map_or(0, |held| held.output_max);
        let each = u32::try_from(tokens).unwrap_or(u32::MAX);
        self.timeouts.total.saturating_add(self.timeouts.total_per_token.saturating_mul(each))
    }

    fn upstream_body(&self, index: usize) -> Bytes {
        let per_choice = self
            .held
            .as_ref()
            .map(|held| (held.output_max / u64::from(self.order.choices.max(1)), held.is_lowered));
        let candidate = self.candidate(index);
        let mut body = self.order.body.clone();
        body.insert("model".to_owned(), json!(candidate.upstream_model));
        if let Some((granted, is_lowered)) = per_choice {
            limit_output(&self.order, candidate, granted, is_lowered, &mut body);
        }
        if self.order.stream {
            let options = body.entry("stream_options").or_insert_with(|| json!({}));
            if !options.is_object() {
                *options = json!({});
            }
            options["include_usage"] = json!(true);
        }
        Bytes::from(Value::Object(body).to_string())
    }

    pub(super) fn head(&mut self, now: Time, head: UpstreamHead, out: &mut Vec<Action>) {
        let wrong_kind = head.status == 200 && self.order.stream && !head.is_event_stream;
        let Stage::Trying(trying) = &mut self.stage else {
            return;
        };
        trying.head = Some(head);
        if wrong_kind {
            self.fail_over(now, AttemptOutcome::Failed, out);
        }
    }

    pub(super) fn body(&mut self, now: Time, bytes: &[u8], out: &mut Vec<Action>) {
        if matches!(self.stage, Stage::Streaming(_)) {
            return self.stream_body(now, bytes, out);
        }
        let answer_bytes_max = self.limits.answer_bytes_max;
        let streams = self.order.stream;
        let Stage::Trying(trying) = &mut self.stage else {
            return;
        };
        let is_answer = trying.head.is_some_and(|head| head.status == 200);
        if is_answer && streams {
            match trying.read_events(bytes) {
                Progress::Nothing => {}
                Progress::Begun => self.begin_stream(now, out),
                Progress::Failed => self.fail_over(now, AttemptOutcome::Failed, out),
            }
            return;
        }
        let most = if is_answer { answer_bytes_max } else { ERROR_BYTES_MAX };
        let room = most.saturating_sub(trying.gathered.len());
        trying.gathered.extend_from_slice(&bytes[..bytes.len().min(room)]);
        if is_answer && bytes.len() > room {
            self.fail_over(now, AttemptOutcome::Failed, out);
        }
    }

    pub(super) fn end(&mut self, now: Time, out: &mut Vec<Action>) {
        if matches!(self.stage, Stage::Streaming(_)) {
            return self.stream_end(now, out);
        }
        let streams = self.order.stream;
        let Stage::Trying(trying) = &mut self.stage else {
            return;
        };
        let Some(head) = trying.head else {
            return self.fail_over(now, AttemptOutcome::Failed, out);
        };
        match head.status {
            // A stream that ends before anything was made has failed.
            200 if streams => self.fail_over(now, AttemptOutcome::Failed, out),
            200 => self.gathered(now, out),
            // What the site says about the request itself is for the client to know; what it says about us is not.
            status @ (400 | 413 | 422) => self.pass_refusal(now, status, out),
            429 => self.fail_over(now, AttemptOutcome::Busy, out),
            _ => self.fail_over(now, AttemptOutcome::Failed, out),
        }
    }

    pub(super) fn failed(&mut self, now: Time, failure: Failure, out: &mut Vec<Action>) {
        if matches!(self.stage, Stage::Streaming(_)) {
            return self.stream_broken(now, out);
        }
        let outcome = match failure {
            Failure::Unreachable => AttemptOutcome::Unreachable,
            Failure::Full => AttemptOutcome::Busy,
            Failure::Broken => AttemptOutcome::Failed,
        };
        self.fail_over(now, outcome, out);
    }

    pub(super) fn attempt_timed_out(&mut self, now: Time, out: &mut Vec<Action>) {
        self.fail_over(now, AttemptOutcome::TimedOut, out);
    }

    /// Ends the running attempt and tries the next site.
    pub(super) fn fail_over(&mut self, now: Time, outcome: AttemptOutcome, out: &mut Vec<Action>) {
        let Stage::Trying(trying) = &self.stage else {
            return;
        };
        let (candidate, sent_at) = (trying.candidate, trying.sent_at);
        out.push(Action::Cancel);
        self.record(now, candidate, sent_at, outcome, out);
        let all_slow = self.attempts.iter().all(|it| it.outcome == AttemptOutcome::TimedOut);
        let all_full = self.attempts.iter().all(|it| it.outcome == AttemptOutcome::Busy);
        let problem = if all_slow {
            Problem::timed_out()
        } else if all_full {
            Problem::no_provider(&self.order.model_name)
        } else {
            Problem::providers_failed(self.attempts.len())
        };
        self.try_next(now, candidate + 1, problem, out);
    }

    /// The site refuses the request as such: the caller hears why and pays nothing.
    fn pass_refusal(&mut self, now: Time, status: u16, out: &mut Vec<Action>) {
        let Stage::Trying(trying) = &self.stage else {
            return;
        };
        let said: Option<Value> = serde_json::from_slice(&trying.gathered).ok();
        let error = said.as_ref().and_then(|said| said.get("error"));
        let message = error.and_then(chunk::error_text);
        let param = error.and_then(|error| error.get("param")?.as_str()).map(str::to_owned);
        let message = message.unwrap_or_else(|| "The provider does not accept this request.".to_owned());
        let (candidate, sent_at) = (trying.candidate, trying.sent_at);
        out.push(Action::Cancel);
        // It has answered as it should; the request was at fault.
        self.record(now, candidate, sent_at, AttemptOutcome::Served, out);
        let problem = Problem::provider_refused(status, message, param);
        self.release(Finish::UpstreamError, Some(problem), out);
    }

    /// The client has left, or the gateway stops, while nothing has been delivered.
    pub(super) fn leave_attempt(&mut self, now: Time, out: &mut Vec<Action>) {
        let Stage::Trying(trying) = &self.stage else {
            return;
        };
        let (candidate, sent_at) = (trying.candidate, trying.sent_at);
        out.push(Action::Cancel);
        self.record(now, candidate, sent_at, AttemptOutcome::Cancelled, out);
        let problem = self.stopping.then(Problem::stopping);
        self.release(Finish::Cancelled, problem, out);
    }

    fn begin_stream(&mut self, now: Time, out: &mut Vec<Action>) {
        let total = self.total_limit();
        let Stage::Trying(trying) = std::mem::replace(&mut self.stage, Stage::Done) else {
            return;
        };
        let Trying { candidate, sent_at, deadline: _, head, gathered: _, reader, backlog, backlog_bytes: _ } =
            *trying;
        self.first_byte = Some(now);
        let offer = self.candidate(candidate).offer;
        out.push(Action::FirstToken(offer, milliseconds(sent_at, now)));
        out.push(Action::Head(self.schedule(candidate)));
        let microjoules = head.and_then(|head| head.microjoules);
        let sent = Arc::clone(&self.candidate(candidate).sent);
        let stream = Stream::new(candidate, sent_at, now, after(sent_at, total), microjoules, reader, sent);
        self.stage = Stage::Streaming(Box::new(stream));
        self.stream_events(now, backlog, out);
    }

    /// The plain answer as it came, with who gave it and when it was sent for.
    pub(super) fn take_gathered(&mut self) -> Option<(usize, Time, Option<u64>, Vec<u8>)> {
        let Stage::Trying(trying) = &mut self.stage else {
            return None;
        };
        let microjoules = trying.head.and_then(|head| head.microjoules);
        Some((trying.candidate, trying.sent_at, microjoules, std::mem::take(&mut trying.gathered)))
    }
}

impl Trying {
    fn read_events(&mut self, bytes: &[u8]) -> Progress {
        let before = self.backlog.len();
        let read: Result<(), Error> = self.reader.push(bytes, &mut self.backlog);
        let mut progress = if read.is_ok() { Progress::Nothing } else { Progress::Failed };
        for event in &self.backlog[before..] {
            if event.data == "[DONE]" {
                // Ended before it began.
                return Progress::Failed;
            }
            self.backlog_bytes += event.data.len();
            if self.backlog_bytes > BACKLOG_BYTES_MAX || self.backlog.len() > BACKLOG_EVENTS_MAX {
                return Progress::Failed;
            }
            match chunk::Chunk::read(event.data.as_bytes()) {
                Ok(chunk) if chunk.has_content() || !chunk.finishes.is_empty() => {
                    progress = Progress::Begun;
                    break;
                }
                Ok(_) => {}
                Err(_) => return Progress::Failed,
            }
        }
        progress
    }
}

/// Tells the site the most that it will be paid for, where the client or the balance sets a limit below what is possible.
fn limit_output(
    order: &Order,
    candidate: &Candidate,
    granted: u64,
    is_lowered: bool,
    body: &mut serde_json::Map<String, Value>,
) {
    if order.endpoint == Endpoint::Embeddings {
        return;
    }
    for field in LIMITS_BY_OTHER_NAMES {
        body.shift_remove(field);
    }
    let limited_by_offer = candidate.output_max < order.context;
    if order.output_asked.is_none() && !is_lowered && !limited_by_offer {
        return;
    }
    let limit = json!(granted.min(candidate.output_max));
    let mut said = false;
    for field in ["max_tokens", "max_completion_tokens"] {
        if body.get(field).is_some_and(|value| !value.is_null()) {
            body.insert(field.to_owned(), limit.clone());
            said = true;
        }
    }
    if !said {
        body.insert("max_tokens".to_owned(), limit);
    }
}

//! The life of one request as a state machine: bytes, outcomes and ticks go in; bytes, commands and upstream actions come out.
//!
//! No I/O, no clock, no thread: [`Flow::step`] is all there is, so that a simulator runs the real thing and a test can play any
//! fault at any moment.
//!
//! ```text
//! count? ─▶ hold ─▶ try a site ─▶ stream, or gather a plain answer ─▶ count ─▶ settle or release ─▶ the last bytes
//!             │          └─▶ the next site, while nothing has reached the client
//!             └─▶ refused
//! ```
//!
//! Promises, each with its test in `flow/tests.rs`:
//! - F1 Nothing is sent upstream before the hold is durable, and so nothing reaches the client before it either.
//! - F2 The plain body, and the end of a stream, are released only after the settlement is durable.
//! - F3 Another site is tried only while nothing that a model made has reached the client.
//! - F4 What is delivered lies at most one interval (256 tokens, or a second) beyond the last durable mark, and a mark never
//!   says more than was delivered.
//! - F5 A request is closed exactly once: settled for what was delivered, or released for nothing when nothing was delivered
//!   and the answer did not finish. A plain answer counts as delivered once it is complete: it is then kept for the client to
//!   ask again. A client that leaves before pays nothing.
//! - F6 A provider's report never changes the bill of a side that was counted here.
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use serde_json::{Map, Value};
use sycee_core::ids::{AccountId, KeyId, ModelId, OfferId, RequestId, ScheduleId, Time};
use sycee_core::settlement::{Attempt, AttemptOutcome, Command, Endpoint, Finish, Mark};
use sycee_core::{Outcome, settlement};
use sycee_node::Unavailable;

use crate::chunk::Chunk;
use crate::count::{self, Delivered};
use crate::health::Observation;
use crate::options::{Limits, Timeouts};
use crate::problem::Problem;
use crate::registry::Sent;

mod attempt;
mod bill;
mod close;
mod hold;
mod plain;
mod stream;
mod tally;
#[cfg(test)]
mod tests;

use attempt::Trying;
use bill::Weighing;
use close::Closing;
use stream::Stream;

/// A request as the shell has understood it.
#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own about the request")]
pub struct Order {
    pub request: RequestId,
    pub account: AccountId,
    pub key: KeyId,
    pub model: ModelId,
    pub model_name: String,
    /// Most tokens of prompt and answer together.
    pub context: u64,
    pub endpoint: Endpoint,
    pub stream: bool,
    /// The client asked for a usage chunk.
    pub include_usage: bool,
    pub choices: u32,
    /// The most tokens of one choice, if the client said.
    pub output_asked: Option<u64>,
    /// The client names strings that end the answer.
    pub has_stops: bool,
    /// No prompt of this many bytes has more tokens.
    pub input_bound: u64,
    /// The prompt can be counted exactly, and the bound would probably be refused or clamped.
    pub count_first: bool,
    /// Sites to try, best first.
    pub candidates: Vec<Candidate>,
    /// The request as it came, to be passed on.
    pub body: Map<String, Value>,
    pub started: Time,
}

/// An offer that may serve.
#[derive(Clone, Debug)]
pub struct Candidate {
    pub offer: OfferId,
    pub site_name: String,
    pub upstream_model: String,
    /// Most output tokens of one choice.
    pub output_max: u64,
    pub concurrency_max: u32,
    /// The prompt as this offer counts it.
    pub sent: Arc<Sent>,
}

/// What the flow is told.
#[derive(Debug)]
pub enum Input {
    Begin,
    /// What [`Action::CountPrompt`] asked for.
    PromptCounted(usize, count::Counted),
    /// What [`Action::CountAnswer`] asked for.
    AnswerCounted(count::Counted),
    /// What became of the command that was submitted; there is never more than one under way.
    Decided(Result<Outcome, Unavailable>),
    /// The mark that was handed out is durable.
    Marked,
    /// The head of the running attempt's answer.
    Head(UpstreamHead),
    Body(Bytes),
    /// The body is complete.
    End,
    Failed(Failure),
    /// The client has got this many frames.
    Delivered(u64),
    ClientGone,
    /// The gateway stops now.
    Stop,
    Tick,
}

/// What the head of an answer says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UpstreamHead {
    pub status: u16,
    pub is_event_stream: bool,
    /// Energy, where the provider measures it.
    pub microjoules: Option<u64>,
}

/// Why an attempt broke.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// No connection.
    Unreachable,
    /// All places of the offer are taken.
    Full,
    /// The connection ended early, or said something that is not HTTP.
    Broken,
}

/// What the flow wants done.
#[derive(Debug)]
pub enum Action {
    /// Count the prompt as this candidate does; answered by [`Input::PromptCounted`].
    CountPrompt(usize, Arc<Sent>),
    /// Count these choices with this offer's counter, the request naming stop strings or not; answered by
    /// [`Input::AnswerCounted`].
    CountAnswer(Arc<Sent>, Vec<Delivered>, bool),
    /// Answered by [`Input::Decided`].
    Submit(Command),
    /// Make it durable; answered by [`Input::Marked`].
    Mark(Mark),
    /// Send this body to this candidate; ends whatever ran before.
    Send(usize, Bytes),
    /// End the running attempt at once.
    Cancel,
    /// How the attempt at this offer ended.
    Observe(OfferId, AttemptOutcome, Observation),
    FirstToken(OfferId, u64),
    /// The answer begins: 200, a stream or not, at the prices of this schedule.
    Head(ScheduleId),
    /// The next bytes for the client; numbered from one.
    Frame(Bytes),
    /// Nothing more follows.
    Finish,
    /// There is no answer but this.
    Reject(Problem),
}

/// One request.
#[derive(Debug)]
pub struct Flow {
    order: Order,
    timeouts: Timeouts,
    limits: Limits,
    stage: Stage,
    held: Option<Held>,
    prompt: Prompt,
    attempts: Vec<Attempt>,
    /// When the first byte of the winning answer came.
    first_byte: Option<Time>,
    client_gone: bool,
    stopping: bool,
    /// Nothing is left to do: unlike a stage that a panic has cut short.
    ended: bool,
}

#[derive(Debug)]
enum Stage {
    New,
    /// The prompt is counted before the hold.
    Counting,
    Holding {
        input_max: u64,
    },
    Trying(Box<Trying>),
    Streaming(Box<Stream>),
    /// Everything has come that will come; its tokens are being counted.
    Weighing(Box<Weighing>),
    Closing(Box<Closing>),
    Done,
}

/// What the ledger granted.
#[derive(Debug)]
struct Held {
    input_max: u64,
    /// Over all choices.
    output_max: u64,
    /// The grant is less than what the request could have used.
    is_lowered: bool,
    /// At which prices each of the offers would serve.
    schedules: Vec<(OfferId, ScheduleId)>,
}

/// What is known of the prompt's length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Prompt {
    Unknown,
    /// Asked for, with this candidate's meter.
    Asked(usize),
    Known {
        counted: count::Counted,
        candidate: usize,
    },
}

impl Flow {
    pub fn new(order: Order, timeouts: Timeouts, limits: Limits) -> Self {
        Self {
            order,
            timeouts,
            limits,
            stage: Stage::New,
            held: None,
            prompt: Prompt::Unknown,
            attempts: Vec::new(),
            first_byte: None,
            client_gone: false,
            stopping: false,
            ended: false,
        }
    }

    /// Takes one input and appends what is to be done about it.
    pub fn step(&mut self, now: Time, input: Input, out: &mut Vec<Action>) {
        match input {
            Input::Begin => self.begin(out),
            Input::PromptCounted(candidate, counted) => self.prompt_counted(now, candidate, counted, out),
            Input::AnswerCounted(counted) => self.answer_counted(counted, out),
            Input::Decided(outcome) => self.decided(now, outcome, out),
            Input::Marked => self.stream_step(now, out, Stream::marked),
            Input::Head(head) => self.head(now, head, out),
            Input::Body(bytes) => self.body(now, &bytes, out),
            Input::End => self.end(now, out),
            Input::Failed(failure) => self.failed(now, failure, out),
            Input::Delivered(frames) => {
                self.stream_step(now, out, |stream, now| stream.delivered(frames, now));
            }
            Input::ClientGone => self.client_gone(now, out),
            Input::Stop => self.stop(now, out),
            Input::Tick => self.tick(now, out),
        }
    }

    /// Whether nothing will ever follow.
    pub fn is_done(&self) -> bool {
        matches!(self.stage, Stage::Done)
    }

    /// Whether [`Input::ClientGone`] ends the request. A complete answer is closed as it is, for whoever asks again.
    pub fn ends_when_left(&self) -> bool {
        match &self.stage {
            Stage::New
            | Stage::Counting
            | Stage::Holding { input_max: _ }
            | Stage::Trying(_)
            | Stage::Streaming(_) => true,
            Stage::Weighing(_) | Stage::Closing(_) | Stage::Done => false,
        }
    }

    /// Whether more of the running attempt's body may come in. Not while the client is slow or a mark is late.
    pub fn wants_body(&self) -> bool {
        match &self.stage {
            Stage::Trying(_) => true,
            Stage::Streaming(stream) => stream.wants_body(self.limits.ahead_bytes_max),
            Stage::New
            | Stage::Counting
            | Stage::Holding { input_max: _ }
            | Stage::Weighing(_)
            | Stage::Closing(_)
            | Stage::Done => false,
        }
    }

    /// When [`Input::Tick`] is due next, if it is.
    pub fn deadline(&self) -> Option<Time> {
        match &self.stage {
            Stage::Trying(trying) => Some(trying.deadline),
            Stage::Streaming(stream) => {
                let can_mark = matches!(self.prompt, Prompt::Known { .. });
                stream.deadline(&self.timeouts, self.limits.ahead_bytes_max, can_mark)
            }
            Stage::Closing(closing) => closing.retry_at,
            Stage::New
            | Stage::Counting
            | Stage::Holding { input_max: _ }
            | Stage::Weighing(_)
            | Stage::Done => None,
        }
    }

    fn tick(&mut self, now: Time, out: &mut Vec<Action>) {
        if self.deadline().is_none_or(|deadline| now < deadline) {
            return;
        }
        match &self.stage {
            Stage::Trying(_) => self.attempt_timed_out(now, out),
            Stage::Streaming(_) => self.stream_tick(now, out),
            Stage::Closing(_) => self.submit_closing(out),
            Stage::New
            | Stage::Counting
            | Stage::Holding { input_max: _ }
            | Stage::Weighing(_)
            | Stage::Done => {}
        }
    }

    fn decided(&mut self, now: Time, outcome: Result<Outcome, Unavailable>, out: &mut Vec<Action>) {
        match &self.stage {
            Stage::Holding { input_max } => {
                let input_max = *input_max;
                self.hold_decided(now, input_max, outcome, out);
            }
            Stage::Closing(_) => self.close_decided(now, outcome, out),
            Stage::New
            | Stage::Counting
            | Stage::Trying(_)
            | Stage::Streaming(_)
            | Stage::Weighing(_)
            | Stage::Done => unreachable!("only holds and closings submit"),
        }
    }

    fn prompt_counted(
        &mut self,
        now: Time,
        candidate: usize,
        counted: count::Counted,
        out: &mut Vec<Action>,
    ) {
        if self.prompt != Prompt::Asked(candidate) {
            return;
        }
        self.prompt = Prompt::Known { counted, candidate };
        match &self.stage {
            Stage::Counting => self.authorise(out),
            Stage::Streaming(_) => self.pump(now, out),
            Stage::Weighing(_) => self.weigh(out),
            Stage::New
            | Stage::Holding { input_max: _ }
            | Stage::Trying(_)
            | Stage::Closing(_)
            | Stage::Done => {}
        }
    }

    fn client_gone(&mut self, now: Time, out: &mut Vec<Action>) {
        self.client_gone = true;
        match &self.stage {
            Stage::New | Stage::Counting => self.conclude(),
            Stage::Trying(_) => self.leave_attempt(now, out),
            Stage::Streaming(_) => self.leave_stream(now, out),
            // The hold's outcome, the count and the settlement are waited for; a complete answer is settled.
            Stage::Holding { input_max: _ } | Stage::Weighing(_) | Stage::Closing(_) | Stage::Done => {}
        }
    }

    fn stop(&mut self, now: Time, out: &mut Vec<Action>) {
        self.stopping = true;
        match &self.stage {
            Stage::New | Stage::Counting => self.reject(Problem::stopping(), out),
            Stage::Trying(_) => self.leave_attempt(now, out),
            Stage::Streaming(_) => self.stop_stream(now, out),
            Stage::Holding { input_max: _ } | Stage::Weighing(_) | Stage::Closing(_) | Stage::Done => {}
        }
    }

    fn reject(&mut self, problem: Problem, out: &mut Vec<Action>) {
        out.push(Action::Reject(problem));
        self.conclude();
    }

    fn conclude(&mut self) {
        self.stage = Stage::Done;
        self.ended = true;
    }

    /// The candidate that an action names.
    pub fn candidate(&self, index: usize) -> &Candidate {
        &self.order.candidates[index]
    }

    /// The prices of the candidate, fixed by the hold.
    fn schedule(&self, index: usize) -> ScheduleId {
        let offer = self.candidate(index).offer;
        let held = self.held.as_ref().expect("an answer comes after its hold");
        let (_, schedule) = held
            .schedules
            .iter()
            .find(|(other, _)| *other == offer)
            .expect("only what the hold was granted for is tried");
        *schedule
    }

    /// Notes how an attempt ended.
    fn record(
        &mut self,
        now: Time,
        candidate: usize,
        since: Time,
        outcome: AttemptOutcome,
        out: &mut Vec<Action>,
    ) {
        let offer = self.candidate(candidate).offer;
        let milliseconds = u32::try_from(milliseconds(since, now)).unwrap_or(u32::MAX);
        if self.attempts.len() < sycee_core::limits::ATTEMPTS_MAX {
            self.attempts.push(Attempt { offer, outcome, milliseconds });
        }
        let observation = match outcome {
            AttemptOutcome::Served => Observation::Served,
            AttemptOutcome::Busy => Observation::Busy,
            AttemptOutcome::Cancelled => Observation::Left,
            AttemptOutcome::Unreachable
            | AttemptOutcome::TimedOut
            | AttemptOutcome::Failed
            | AttemptOutcome::BrokeOff => Observation::Failed,
        };
        out.push(Action::Observe(offer, outcome, observation));
    }

    /// Runs a part of the stream's life and then what follows from it.
    fn stream_step(&mut self, now: Time, out: &mut Vec<Action>, change: impl FnOnce(&mut Stream, Time)) {
        if let Stage::Streaming(stream) = &mut self.stage {
            change(stream, now);
            self.pump(now, out);
        }
    }
}

fn milliseconds(since: Time, now: Time) -> u64 {
    now.0.saturating_sub(since.0) / 1_000_000
}

fn after(time: Time, span: Duration) -> Time {
    time.after(u64::try_from(span.as_nanos()).unwrap_or(u64::MAX))
}

/// The reason a provider gave, as one of ours.
fn finish_of(reason: &str) -> Finish {
    match reason {
        "stop" | "eos" | "end_turn" => Finish::Stop,
        "length" | "max_tokens" => Finish::Length,
        "tool_calls" | "function_call" => Finish::ToolCalls,
        "content_filter" => Finish::ContentFilter,
        _ => Finish::Other,
    }
}

/// The events of an applied command, or why there are none.
enum Verdict {
    Applied(Vec<sycee_core::Event>),
    Refused(sycee_core::Refusal),
    Undecided(Unavailable),
}

impl From<Result<Outcome, Unavailable>> for Verdict {
    fn from(outcome: Result<Outcome, Unavailable>) -> Self {
        match outcome {
            Ok(Outcome::Applied { position: _, events }) => Self::Applied(events),
            Ok(Outcome::Refused(refusal)) => Self::Refused(refusal),
            Ok(Outcome::Repeated { .. }) => unreachable!("the gateway's commands carry no id to repeat"),
            Err(unavailable) => Self::Undecided(unavailable),
        }
    }
}

/// The hold among the events of an admission.
fn hold_among(events: Vec<sycee_core::Event>) -> Option<settlement::Hold> {
    events.into_iter().find_map(|event| match event {
        sycee_core::Event::Settlement(settlement::Event::Authorised { request: _, hold }) => Some(hold),
        _ => None,
    })
}

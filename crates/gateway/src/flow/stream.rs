//! A stream on its way: pieces come in from the site, wait at the gate, and go out to the client.
//!
//! The gate opens as long as what has been let out lies less than one interval beyond the last durable mark. A mark is handed out
//! early, at half an interval, so that a healthy ledger never closes the gate. What a mark says has been delivered: the shell
//! reports frames only when they have left this process.
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use bytes::Bytes;
use serde_json::{Value, json};
use sycee_core::buckets::{Bucket, Buckets};
use sycee_core::limits::SECOND;
use sycee_core::settlement::{AttemptOutcome, Finish, Mark, Measure};

use super::bill::{Ending, Weighing};
use super::tally::Tally;
use super::{Action, Flow, Problem, Prompt, Stage, Time, Timeouts, after, finish_of};
use crate::chunk::{Chunk, Names, Piece};
use crate::count::Counted;
use crate::registry::Sent;
use crate::sse::{self, Event, Reader};

/// Most that a client receives beyond the last durable mark.
pub(super) const INTERVAL_TOKENS: u64 = 256;
/// And for how long.
pub(super) const INTERVAL: u64 = SECOND;
/// A mark is handed out at this many tokens, or this long after the first token that it covers.
const MARK_TOKENS: u64 = INTERVAL_TOKENS / 2;
const MARK_AFTER: u64 = INTERVAL / 2;
/// Text of one frame where a piece is split.
const PART_BYTES: usize = 256;
/// Usage objects kept of one stream: the last that states a side holds.
const USAGES_MAX: usize = 4;

#[derive(Debug)]
pub(super) struct Stream {
    pub(super) candidate: usize,
    sent_at: Time,
    total_deadline: Time,
    microjoules: Option<u64>,
    reader: Reader,
    sent: Arc<Sent>,
    names: Option<Names>,
    introduced: Vec<u32>,
    /// Frames that the gate holds back.
    waiting: VecDeque<Frame>,
    /// Frames that were let out and have not been reported as delivered.
    out: VecDeque<Frame>,
    frames_delivered: u64,
    ahead_bytes: usize,
    /// Tokens that the site has made.
    made: u64,
    /// Of those the ones let out, delivered, and covered by the last durable mark: sums of frames counted one by one.
    let_out: u64,
    delivered: u64,
    marked: u64,
    /// What the mark under way covers.
    marking: Option<u64>,
    /// When tokens beyond the last durable mark were let out.
    unmarked: VecDeque<(u64, Time)>,
    tally: Tally,
    finishes: BTreeMap<u32, String>,
    usages: VecDeque<Value>,
    heard_at: Time,
    delivered_at: Time,
    ended: Option<Ended>,
}

/// Bytes for the client and what is in them.
#[derive(Debug)]
struct Frame {
    bytes: Bytes,
    pieces: Vec<Piece>,
    tokens: u64,
}

/// Why nothing more comes from the site.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Ended {
    Complete,
    Broken(Problem),
    ClientLeft,
}

impl Stream {
    pub(super) fn new(
        candidate: usize,
        sent_at: Time,
        now: Time,
        total_deadline: Time,
        microjoules: Option<u64>,
        reader: Reader,
        sent: Arc<Sent>,
    ) -> Self {
        Self {
            candidate,
            sent_at,
            total_deadline,
            microjoules,
            reader,
            sent,
            names: None,
            introduced: Vec::new(),
            waiting: VecDeque::new(),
            out: VecDeque::new(),
            frames_delivered: 0,
            ahead_bytes: 0,
            made: 0,
            let_out: 0,
            delivered: 0,
            marked: 0,
            marking: None,
            unmarked: VecDeque::new(),
            tally: Tally::default(),
            finishes: BTreeMap::new(),
            usages: VecDeque::new(),
            heard_at: now,
            delivered_at: now,
            ended: None,
        }
    }

    pub(super) fn wants_body(&self, ahead_bytes_max: usize) -> bool {
        self.ended.is_none() && self.ahead_bytes < ahead_bytes_max
    }

    /// `can_mark` says that a mark due can be made now; else its time must not wake anybody.
    pub(super) fn deadline(
        &self,
        timeouts: &Timeouts,
        ahead_bytes_max: usize,
        can_mark: bool,
    ) -> Option<Time> {
        let listening = self.wants_body(ahead_bytes_max).then(|| after(self.heard_at, timeouts.idle));
        let total = self.ended.is_none().then_some(self.total_deadline);
        let stall = (!self.out.is_empty()).then(|| after(self.delivered_at, timeouts.client_stall));
        [listening, total, stall, self.mark_due().filter(|_| can_mark)].into_iter().flatten().min()
    }

    /// When delivered tokens must be marked, if any are not.
    fn mark_due(&self) -> Option<Time> {
        let (_, since) = self.unmarked.front()?;
        (self.marking.is_none() && self.delivered > self.marked).then(|| since.after(MARK_AFTER))
    }

    pub(super) fn delivered(&mut self, frames: u64, now: Time) {
        while self.frames_delivered < frames {
            let Some(frame) = self.out.pop_front() else {
                break;
            };
            self.frames_delivered += 1;
            self.ahead_bytes -= frame.bytes.len();
            self.delivered += frame.tokens;
            self.tally.add(self.sent.counter.tokenizer_or_estimator(), &frame.pieces);
            self.delivered_at = now;
        }
    }

    pub(super) fn marked(&mut self, _now: Time) {
        if let Some(covers) = self.marking.take() {
            self.marked = covers;
            while self.unmarked.front().is_some_and(|(tokens, _)| *tokens <= covers) {
                self.unmarked.pop_front();
            }
        }
    }

    /// Takes a chunk in, up to `most` tokens made in all; false if there is more in it than that. A piece that could exceed an
    /// interval by itself goes out in parts: no part has more tokens than bytes.
    fn push(&mut self, chunk: Chunk, most: u64) -> bool {
        let text: usize = chunk.pieces.iter().map(|piece| piece.text.len()).sum();
        let parts = if text as u64 > INTERVAL_TOKENS { chunk.split(PART_BYTES) } else { vec![chunk] };
        parts.into_iter().all(|part| self.push_part(part, most))
    }

    fn push_part(&mut self, part: Chunk, most: u64) -> bool {
        let tokenizer = self.sent.counter.tokenizer_or_estimator();
        // Counted one by one, pieces have at least as many tokens as together.
        let tokens = part.pieces.iter();
        let tokens = tokens.map(|it| tokenizer.count_text(&it.text).unwrap_or(it.text.len() as u64)).sum();
        if self.made + tokens > most {
            return false;
        }
        let frame = serde_json::to_string(part.value()).expect("it was read or made as JSON");
        let mut bytes = Vec::new();
        sse::write_data(&frame, &mut bytes);
        self.made += tokens;
        self.ahead_bytes += bytes.len();
        self.finishes.extend(part.finishes);
        self.waiting.push_back(Frame { bytes: Bytes::from(bytes), pieces: part.pieces, tokens });
        true
    }

    fn gate_is_open(&self, tokens: u64, now: Time) -> bool {
        let Some((_, since)) = self.unmarked.front() else {
            return true;
        };
        tokens == 0 || (self.let_out + tokens - self.marked <= INTERVAL_TOKENS && now < since.after(INTERVAL))
    }

    fn let_out(&mut self, now: Time, out: &mut Vec<Action>) {
        while self.waiting.front().is_some_and(|frame| self.gate_is_open(frame.tokens, now)) {
            let Some(frame) = self.waiting.pop_front() else {
                break;
            };
            self.let_out += frame.tokens;
            if frame.tokens > 0 {
                self.unmarked.push_back((self.let_out, now));
            }
            if self.out.is_empty() {
                self.delivered_at = now;
            }
            out.push(Action::Frame(frame.bytes.clone()));
            self.out.push_back(frame);
        }
    }

    fn is_mark_due(&self, now: Time) -> bool {
        let enough = self.delivered - self.marked >= MARK_TOKENS;
        let gate_is_shut = !self.waiting.is_empty();
        self.mark_due().is_some_and(|due| enough || gate_is_shut || now >= due)
    }

    fn is_over(&self) -> bool {
        let all_out = self.waiting.is_empty() && self.out.is_empty();
        self.ended.is_some() && (all_out || self.ended == Some(Ended::ClientLeft))
    }

    fn is_finished(&self, choices: u32) -> bool {
        self.finishes.len() as u64 >= u64::from(choices.max(1))
    }
}

impl Flow {
    pub(super) fn stream_body(&mut self, now: Time, bytes: &[u8], out: &mut Vec<Action>) {
        let Stage::Streaming(stream) = &mut self.stage else {
            return;
        };
        stream.heard_at = now;
        let mut events = Vec::new();
        let read = stream.reader.push(bytes, &mut events);
        self.stream_events(now, events, out);
        if read.is_err() {
            self.stream_broken(now, out);
        }
    }

    pub(super) fn stream_events(&mut self, now: Time, events: Vec<Event>, out: &mut Vec<Action>) {
        for event in events {
            let Stage::Streaming(stream) = &mut self.stage else {
                return;
            };
            if stream.ended.is_some() {
                break;
            }
            if event.data == "[DONE]" {
                self.site_is_done(now, out);
                break;
            }
            match Chunk::read(event.data.as_bytes()) {
                Ok(chunk) => self.take_chunk(now, chunk, out),
                Err(_) => return self.stream_broken(now, out),
            }
        }
        self.pump(now, out);
    }

    fn take_chunk(&mut self, now: Time, mut chunk: Chunk, out: &mut Vec<Action>) {
        let (include_usage, choices) = (self.order.include_usage, self.order.choices);
        let granted = self.held.as_ref().map_or(0, |held| held.output_max);
        let Stage::Streaming(stream) = &mut self.stage else {
            return;
        };
        if let Some(usage) = chunk.usage.take() {
            stream.usages.push_back(usage);
            if stream.usages.len() > USAGES_MAX {
                stream.usages.pop_front();
            }
        }
        if !chunk.has_choices() {
            return;
        }
        chunk.introduce(&mut stream.introduced);
        let names = stream.names.get_or_insert_with(|| {
            let request = format!("{:032x}", self.order.request.0);
            chunk.names(&request, self.order.started.0 / SECOND, &self.order.model_name)
        });
        let chunk = chunk.without_usage(include_usage).named(names);
        // A site that goes on beyond what is paid for is stopped; two per cent are left for tokens cut differently.
        let most = granted + granted / 50 + 8 * u64::from(choices);
        if !stream.push(chunk, most) {
            self.stop_overrun(now, out);
        }
    }

    fn stop_overrun(&mut self, now: Time, out: &mut Vec<Action>) {
        let choices = self.order.choices;
        let Stage::Streaming(stream) = &mut self.stage else {
            return;
        };
        for choice in 0..choices {
            if stream.finishes.contains_key(&choice) {
                continue;
            }
            let ending = json!({"choices": [{"index": choice, "delta": {}, "finish_reason": "length"}]});
            let ending = Chunk::read(ending.to_string().as_bytes()).expect("it was just made");
            let ending = match &stream.names {
                Some(names) => ending.named(names),
                None => ending,
            };
            stream.push(ending, u64::MAX);
        }
        out.push(Action::Cancel);
        self.site_is_done(now, out);
    }

    /// The site says that it is done, or as good as says so.
    fn site_is_done(&mut self, now: Time, out: &mut Vec<Action>) {
        let Stage::Streaming(stream) = &mut self.stage else {
            return;
        };
        stream.ended = Some(Ended::Complete);
        let (candidate, sent_at) = (stream.candidate, stream.sent_at);
        self.record(now, candidate, sent_at, AttemptOutcome::Served, out);
    }

    /// The body ended without saying so: complete if every choice has a finish, else broken off.
    pub(super) fn stream_end(&mut self, now: Time, out: &mut Vec<Action>) {
        let Stage::Streaming(stream) = &mut self.stage else {
            return;
        };
        if stream.ended.is_some() {
            return;
        }
        let last = std::mem::take(&mut stream.reader).finish();
        self.stream_events(now, last.into_iter().collect(), out);
        let choices = self.order.choices;
        let Stage::Streaming(stream) = &mut self.stage else {
            return;
        };
        if stream.ended.is_some() {
            return;
        }
        if stream.is_finished(choices) {
            self.site_is_done(now, out);
            self.pump(now, out);
        } else {
            self.stream_broken(now, out);
        }
    }

    /// The site broke off, or said something that is no answer.
    pub(super) fn stream_broken(&mut self, now: Time, out: &mut Vec<Action>) {
        self.break_stream(now, AttemptOutcome::BrokeOff, Problem::broke_off(), out);
    }

    fn break_stream(&mut self, now: Time, outcome: AttemptOutcome, problem: Problem, out: &mut Vec<Action>) {
        let Stage::Streaming(stream) = &mut self.stage else {
            return;
        };
        if stream.ended.is_some() {
            return;
        }
        stream.ended = Some(Ended::Broken(problem));
        let (candidate, sent_at) = (stream.candidate, stream.sent_at);
        out.push(Action::Cancel);
        self.record(now, candidate, sent_at, outcome, out);
        self.pump(now, out);
    }

    pub(super) fn leave_stream(&mut self, now: Time, out: &mut Vec<Action>) {
        self.client_gone = true;
        let Stage::Streaming(stream) = &mut self.stage else {
            return;
        };
        let former = stream.ended.replace(Ended::ClientLeft);
        let (candidate, sent_at) = (stream.candidate, stream.sent_at);
        if former.is_none() {
            out.push(Action::Cancel);
            self.record(now, candidate, sent_at, AttemptOutcome::Cancelled, out);
        }
        self.pump(now, out);
    }

    pub(super) fn stop_stream(&mut self, now: Time, out: &mut Vec<Action>) {
        self.break_stream(now, AttemptOutcome::Cancelled, Problem::stopping(), out);
    }

    pub(super) fn stream_tick(&mut self, now: Time, out: &mut Vec<Action>) {
        let (timeouts, choices) = (self.timeouts, self.order.choices);
        let listens_until = self.limits.ahead_bytes_max;
        let Stage::Streaming(stream) = &mut self.stage else {
            return;
        };
        let stalled = !stream.out.is_empty() && now >= after(stream.delivered_at, timeouts.client_stall);
        let silent = stream.wants_body(listens_until) && now >= after(stream.heard_at, timeouts.idle);
        let too_long = stream.ended.is_none() && now >= stream.total_deadline;
        if stalled {
            self.leave_stream(now, out);
        } else if (silent || too_long) && stream.is_finished(choices) {
            // Everything was said; only the end was not.
            out.push(Action::Cancel);
            self.site_is_done(now, out);
            self.pump(now, out);
        } else if silent || too_long {
            self.break_stream(now, AttemptOutcome::TimedOut, Problem::broke_off(), out);
        } else {
            self.pump(now, out);
        }
    }

    /// Lets out what may go, hands out a mark if one is due, and weighs the answer when all of it has gone.
    pub(super) fn pump(&mut self, now: Time, out: &mut Vec<Action>) {
        let prompt = self.mark_input();
        let granted = self.held.as_ref().map_or(0, |held| held.output_max);
        let offer = match &self.stage {
            Stage::Streaming(stream) => self.candidate(stream.candidate).offer,
            _ => return,
        };
        let Stage::Streaming(stream) = &mut self.stage else {
            return;
        };
        if !self.client_gone {
            stream.let_out(now, out);
        }
        if stream.is_over() {
            return self.weigh_stream(out);
        }
        if let Some(prompt) = prompt.filter(|_| stream.is_mark_due(now)) {
            let answer = stream.tally.mark(&stream.sent.counter);
            let all = answer.tokens.min(granted);
            let reasoning = answer.reasoning.min(all);
            let usage = Buckets::default()
                .with(Bucket::InputUncached, prompt.tokens)
                .with(Bucket::OutputVisible, all - reasoning)
                .with(Bucket::OutputReasoning, reasoning);
            stream.marking = Some(stream.delivered);
            let (input_measure, output_measure) = (measure(&prompt), measure(&answer));
            out.push(Action::Mark(Mark { offer, usage, input_measure, output_measure }));
        }
    }

    /// What a mark says of the prompt; no mark before it is counted.
    fn mark_input(&self) -> Option<Counted> {
        let most = self.held.as_ref().map(|held| held.input_max)?;
        match self.prompt {
            Prompt::Known { counted, candidate: _ } => {
                Some(Counted { tokens: counted.tokens.min(most), ..counted })
            }
            Prompt::Unknown | Prompt::Asked(_) => None,
        }
    }

    fn weigh_stream(&mut self, out: &mut Vec<Action>) {
        let Stage::Streaming(stream) = std::mem::replace(&mut self.stage, Stage::Done) else {
            return;
        };
        let Stream { candidate, microjoules, names, tally, finishes, usages, ended, .. } = *stream;
        let first_finish = finishes.values().next().map_or(Finish::Other, |reason| finish_of(reason));
        let (finish, ending, is_complete) = match ended {
            Some(Ended::Complete) => (first_finish, Ending::Done(names), true),
            Some(Ended::Broken(_)) if self.stopping => {
                (Finish::Cancelled, Ending::Broken(Problem::stopping()), false)
            }
            Some(Ended::Broken(problem)) => (Finish::UpstreamError, Ending::Broken(problem), false),
            Some(Ended::ClientLeft) | None => (Finish::Cancelled, Ending::Gone, false),
        };
        let ended = finishes.iter().filter(|(_, reason)| is_complete && finish_of(reason) == Finish::Stop);
        let choices = tally.into_choices(ended.map(|(index, _)| *index));
        let usages = if is_complete { usages.into() } else { Vec::new() };
        let weighing = Weighing { candidate, microjoules, finish, is_complete, usages, ending, answer: None };
        self.start_weighing(weighing, choices, out);
    }
}

fn measure(counted: &Counted) -> Measure {
    if counted.obstacle.is_none() { Measure::OwnCount } else { Measure::Unverified }
}

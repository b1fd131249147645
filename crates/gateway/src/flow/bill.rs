//! The bill: what was delivered, by our own count where that is possible, as a delivery to settle.
//!
//! An answer that was cut, or whose client left, is billed by what was delivered; the provider's report speaks of something else
//! then and is not read.
use serde_json::{Map, Value, json};
use sycee_core::buckets::{Bucket, Buckets};
use sycee_core::ids::ScheduleId;
use sycee_core::settlement::{Command, Delivery, Endpoint, Finish, Measure};

use super::{Action, Chunk, Flow, Problem, Prompt, Stage, milliseconds};
use crate::chunk::Names;
use crate::count::{Counted, Delivered};
use crate::usage::{self, Basis, Bill, Ceiling, Own, Protocol, Report, Side, resolve};

/// An answer of which everything has come that will come, while its tokens are counted.
#[derive(Debug)]
pub(super) struct Weighing {
    pub(super) candidate: usize,
    pub(super) microjoules: Option<u64>,
    pub(super) finish: Finish,
    /// The site said all that it wanted to say.
    pub(super) is_complete: bool,
    pub(super) usages: Vec<Value>,
    pub(super) ending: Ending,
    pub(super) answer: Option<Counted>,
}

/// What the client gets once the books are closed.
#[derive(Debug)]
pub(super) enum Ending {
    /// A plain answer, and the prices it was made at.
    Plain(Chunk, ScheduleId),
    /// The end of a stream, under the names it had.
    Done(Option<Names>),
    /// A stream's end that is an error.
    Broken(Problem),
    /// Nothing had been said yet.
    Refused(Problem),
    /// Nobody is there any more.
    Gone,
}

impl Flow {
    /// Has the answer counted; an answer of which nothing arrived and that did not finish owes nothing.
    pub(super) fn start_weighing(
        &mut self,
        weighing: Weighing,
        choices: Vec<Delivered>,
        out: &mut Vec<Action>,
    ) {
        if !weighing.is_complete && choices.iter().all(Delivered::is_empty) {
            return self.release_with(weighing.finish, weighing.ending, out);
        }
        let sent = self.candidate(weighing.candidate).sent.clone();
        self.stage = Stage::Weighing(Box::new(weighing));
        out.push(Action::CountAnswer(sent, choices, self.order.has_stops));
    }

    pub(super) fn answer_counted(&mut self, counted: Counted, out: &mut Vec<Action>) {
        if let Stage::Weighing(weighing) = &mut self.stage {
            weighing.answer = Some(counted);
            self.weigh(out);
        }
    }

    /// Settles once both sides are counted.
    pub(super) fn weigh(&mut self, out: &mut Vec<Action>) {
        let Stage::Weighing(weighing) = &self.stage else {
            return;
        };
        let (Prompt::Known { counted: prompt, candidate: _ }, Some(answer)) = (self.prompt, weighing.answer)
        else {
            return;
        };
        let Stage::Weighing(weighing) = std::mem::replace(&mut self.stage, Stage::Done) else {
            return;
        };
        let report = self.report(&weighing);
        let held = self.held.as_ref().expect("an answer comes after its hold");
        let output = match self.order.endpoint {
            Endpoint::Chat => at_most(answer, held.output_max).own(held.output_max),
            Endpoint::Embeddings => Own::Verified { tokens: 0, reasoning: 0 },
        };
        let bill = resolve(&report, prompt.own(held.input_max), output);
        let delivery = self.delivery(&weighing, &report, &bill);
        let usage = shown(&bill.buckets, self.order.endpoint);
        let agrees = report.input == Side::Stated && report.buckets == bill.buckets;
        let Weighing { ending, .. } = *weighing;
        let command = Command::Settle { request: self.order.request, delivery };
        self.close(command, ending, Some(usage).filter(|_| !agrees || self.order.stream), out);
    }

    fn report(&self, weighing: &Weighing) -> Report {
        if !weighing.is_complete {
            return Report::ABSENT;
        }
        let protocol = match self.order.endpoint {
            Endpoint::Embeddings => Protocol::OpenAiEmbeddings,
            Endpoint::Chat if self.order.stream => Protocol::OpenAiStream,
            Endpoint::Chat => Protocol::OpenAi,
        };
        let output = self.order.context.saturating_mul(self.order.choices.into());
        let input = match self.order.endpoint {
            Endpoint::Chat => self.order.context,
            // Each of many inputs may fill the context.
            Endpoint::Embeddings => self.order.input_bound.max(self.order.context),
        };
        usage::normalise_sequence(protocol, &weighing.usages, Ceiling { input, output })
    }

    fn delivery(&self, weighing: &Weighing, report: &Report, bill: &Bill) -> Delivery {
        let stated = report.input == Side::Stated || report.output == Side::Stated;
        Delivery {
            offer: self.candidate(weighing.candidate).offer,
            usage: bill.buckets,
            input_measure: measure(bill.input.basis),
            output_measure: measure(bill.output.basis),
            reported: stated.then_some(report.buckets),
            // A number that cannot be is as much at odds with what was delivered as one that is only wrong.
            dispute: bill.is_disputed() || bill.is_provider_marked(),
            microjoules: weighing.microjoules.filter(|_| weighing.is_complete),
            finish: weighing.finish,
            stream: self.order.stream,
            attempts: self.attempts.clone(),
            started: self.order.started,
            first_byte_milliseconds: self.first_byte_milliseconds(),
        }
    }

    pub(super) fn first_byte_milliseconds(&self) -> Option<u32> {
        let span = milliseconds(self.order.started, self.first_byte?);
        Some(u32::try_from(span).unwrap_or(u32::MAX))
    }
}

/// What a site makes beyond the most that it was told is not paid for.
fn at_most(counted: Counted, most: u64) -> Counted {
    let tokens = counted.tokens.min(most);
    Counted { tokens, reasoning: counted.reasoning.min(tokens), ..counted }
}

fn measure(basis: Basis) -> Measure {
    match basis {
        Basis::OwnCount => Measure::OwnCount,
        Basis::Provider | Basis::Unverified => Measure::Unverified,
    }
}

/// What is billed, in the words of the protocol.
fn shown(buckets: &Buckets, endpoint: Endpoint) -> Value {
    let input = buckets.input_total().unwrap_or(u64::MAX);
    let output = buckets.output_total().unwrap_or(u64::MAX);
    let mut usage = Map::new();
    usage.insert("prompt_tokens".to_owned(), json!(input));
    if endpoint == Endpoint::Chat {
        usage.insert("completion_tokens".to_owned(), json!(output));
    }
    usage.insert("total_tokens".to_owned(), json!(input.saturating_add(output)));
    if endpoint == Endpoint::Chat {
        let cached = buckets.get(Bucket::CacheRead);
        let reasoning = buckets.get(Bucket::OutputReasoning);
        usage.insert("prompt_tokens_details".to_owned(), json!({"cached_tokens": cached}));
        usage.insert("completion_tokens_details".to_owned(), json!({"reasoning_tokens": reasoning}));
    }
    Value::Object(usage)
}

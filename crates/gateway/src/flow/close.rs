//! Closing the books on a request, and what the client gets once they are closed.
//!
//! A ledger that does not decide is asked again; one that has stopped settles the hold at its last mark when it starts again, and
//! the client is told that its answer did not end.
use bytes::Bytes;
use serde_json::{Value, json};
use sycee_core::Outcome;
use sycee_core::limits::SECOND;
use sycee_core::settlement::{Command, Delivery, Finish, Mark, Release};
use sycee_node::Unavailable;

use super::bill::Ending;
use super::{Action, Flow, Problem, Stage, Time, Verdict};
use crate::sse;

/// How long to wait before asking a busy ledger again.
const RETRY_AFTER: u64 = SECOND / 20;

#[derive(Debug)]
pub(super) struct Closing {
    command: Command,
    ending: Ending,
    /// What is billed, if the client is to be shown it.
    usage: Option<Value>,
    pub(super) retry_at: Option<Time>,
}

impl Flow {
    /// The task that ran the request has broken. What it marked last is settled, which is no more than the client has; without
    /// a mark nothing is owed. Whatever was being closed is closed as it was.
    pub(crate) fn break_down(&mut self, marked: Option<Mark>, has_head: bool, out: &mut Vec<Action>) {
        if self.ended {
            return;
        }
        match &self.stage {
            Stage::New | Stage::Counting => return self.reject(Problem::fault(), out),
            Stage::Closing(_) => return self.submit_closing(out),
            Stage::Holding { input_max: _ }
            | Stage::Trying(_)
            | Stage::Streaming(_)
            | Stage::Weighing(_)
            | Stage::Done => {}
        }
        let ending = match (has_head, self.order.stream) {
            (false, _) => Ending::Refused(Problem::fault()),
            (true, true) => Ending::Broken(Problem::fault()),
            (true, false) => Ending::Gone,
        };
        match marked.filter(|mark| mark.usage.output_total() != Some(0)) {
            Some(mark) => {
                let delivery = self.marked_delivery(mark);
                self.close(Command::Settle { request: self.order.request, delivery }, ending, None, out);
            }
            None => self.release_with(Finish::Recovered, ending, out),
        }
    }

    fn marked_delivery(&self, mark: Mark) -> Delivery {
        let Mark { offer, usage, input_measure, output_measure } = mark;
        Delivery {
            offer,
            usage,
            input_measure,
            output_measure,
            reported: None,
            dispute: false,
            microjoules: None,
            finish: Finish::Recovered,
            stream: self.order.stream,
            attempts: self.attempts.clone(),
            started: self.order.started,
            first_byte_milliseconds: self.first_byte_milliseconds(),
        }
    }

    /// Nothing is owed; the client hears `problem`, if it is still there.
    pub(super) fn release(&mut self, finish: Finish, problem: Option<Problem>, out: &mut Vec<Action>) {
        self.release_with(finish, problem.map_or(Ending::Gone, Ending::Refused), out);
    }

    pub(super) fn release_with(&mut self, finish: Finish, ending: Ending, out: &mut Vec<Action>) {
        let release = Release { finish, attempts: self.attempts.clone(), started: self.order.started };
        let command = Command::Release { request: self.order.request, release };
        self.close(command, ending, None, out);
    }

    pub(super) fn close(
        &mut self,
        command: Command,
        ending: Ending,
        usage: Option<Value>,
        out: &mut Vec<Action>,
    ) {
        self.stage = Stage::Closing(Box::new(Closing { command, ending, usage, retry_at: None }));
        self.submit_closing(out);
    }

    pub(super) fn submit_closing(&mut self, out: &mut Vec<Action>) {
        if let Stage::Closing(closing) = &mut self.stage {
            closing.retry_at = None;
            out.push(Action::Submit(closing.command.clone()));
        }
    }

    pub(super) fn close_decided(
        &mut self,
        now: Time,
        outcome: Result<Outcome, Unavailable>,
        out: &mut Vec<Action>,
    ) {
        let Stage::Closing(closing) = &mut self.stage else {
            return;
        };
        let is_closed = match Verdict::from(outcome) {
            Verdict::Applied(_) => true,
            Verdict::Undecided(Unavailable::Overloaded | Unavailable::ClockJumped) => {
                closing.retry_at = Some(now.after(RETRY_AFTER));
                return;
            }
            Verdict::Refused(refusal) => {
                tracing::error!(request = %self.order.request, code = refusal.code(), "a request could not be closed");
                false
            }
            Verdict::Undecided(Unavailable::Stopped) => false,
        };
        let Stage::Closing(closing) = std::mem::replace(&mut self.stage, Stage::Done) else {
            return;
        };
        let Closing { command: _, ending, usage, retry_at: _ } = *closing;
        if is_closed {
            self.finish(ending, usage, out);
        } else {
            fail(&ending, out);
        }
        self.conclude();
    }

    fn finish(&self, ending: Ending, usage: Option<Value>, out: &mut Vec<Action>) {
        match ending {
            Ending::Plain(chunk, schedule) => {
                let answer = chunk.answered(&self.order.model_name, usage);
                out.push(Action::Head(schedule));
                out.push(Action::Frame(Bytes::from(answer.to_string())));
                out.push(Action::Finish);
            }
            Ending::Done(names) => {
                if let (true, Some(names), Some(usage)) = (self.order.include_usage, names, usage) {
                    let chunk = json!({
                        "id": names.id, "object": "chat.completion.chunk", "created": names.created,
                        "model": names.model, "choices": [], "usage": usage,
                    });
                    out.push(Action::Frame(event(&chunk)));
                }
                out.push(Action::Frame(Bytes::from_static(sse::DONE)));
                out.push(Action::Finish);
            }
            Ending::Broken(problem) => break_off(&problem, out),
            Ending::Refused(problem) => out.push(Action::Reject(problem)),
            Ending::Gone => out.push(Action::Finish),
        }
    }
}

/// The books are not closed: no end of an answer may be released.
fn fail(ending: &Ending, out: &mut Vec<Action>) {
    match ending {
        Ending::Plain(..) | Ending::Refused(_) => out.push(Action::Reject(Problem::not_settled())),
        Ending::Done(_) | Ending::Broken(_) => break_off(&Problem::not_settled(), out),
        Ending::Gone => out.push(Action::Finish),
    }
}

/// An error where an answer should go on: official clients raise it.
fn break_off(problem: &Problem, out: &mut Vec<Action>) {
    out.push(Action::Frame(event(&problem.body())));
    out.push(Action::Finish);
}

fn event(value: &Value) -> Bytes {
    let mut bytes = Vec::new();
    sse::write_data(&value.to_string(), &mut bytes);
    Bytes::from(bytes)
}

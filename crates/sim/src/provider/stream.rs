//! A reply as server-sent events: one chunk for each token, with every fault that a stream can have.
//!
//! The script plans one step of the reply at a time into a queue of acts and hands them to the connection one by
//! one. Nothing runs ahead of the client: an act happens when the connection asks for the next frame, and when the
//! connection is gone the script is dropped, which is how a cancellation is noticed at once.

use std::collections::VecDeque;
use std::future::pending;
use std::io;

use bytes::Bytes;
use serde_json::{Value, json};
use tokio::task::yield_now;

use super::behaviour::{UsageLie, UsagePlace};
use super::chat::Head;
use super::reply::{Reply, Step};
use super::seen::Seen;
use super::state::Admitted;
use super::usage::{self, Usage};

#[derive(Debug)]
pub(crate) struct Script {
    head: Head,
    reply: Reply,
    admitted: Admitted,
    wants_usage: bool,
    seen: Seen,
    stage: Stage,
    queue: VecDeque<Act>,
    /// True tokens planned so far, of all choices and of the first.
    made: Usage,
}

#[derive(Clone, Copy, Debug)]
enum Stage {
    Roles,
    Step(usize),
    Tail,
    Over,
}

#[derive(Debug)]
enum Act {
    /// Wait for so many more tokens.
    Wait(u64),
    /// A chunk with content is about to be sent; so many true tokens are then out.
    Note(u64),
    Send(Bytes),
    /// Let the connection write out what it has.
    Flush,
    Stall,
    Cut,
    Finish,
    Break,
}

impl Script {
    pub(crate) fn new(
        head: Head,
        reply: Reply,
        admitted: Admitted,
        wants_usage: bool,
        mut seen: Seen,
    ) -> Self {
        if admitted.behaviour.ignores_cancel {
            seen.generates_anyway(reply.usage.completion);
        }
        let made = Usage { prompt: reply.usage.prompt, ..Usage::default() };
        Self { head, reply, admitted, wants_usage, seen, stage: Stage::Roles, queue: VecDeque::new(), made }
    }

    /// The next frame, when it is due; none after the last.
    pub(crate) async fn next(mut self) -> Option<(Result<Bytes, io::Error>, Self)> {
        loop {
            let Some(act) = self.queue.pop_front() else {
                if matches!(self.stage, Stage::Over) {
                    return None;
                }
                self.plan();
                continue;
            };
            match act {
                Act::Wait(tokens) => self.admitted.pace.tokens(tokens).await,
                Act::Note(tokens) => self.seen.sent_chunk(tokens),
                Act::Send(frame) => return Some((Ok(frame), self)),
                Act::Flush => yield_now().await,
                Act::Stall => pending().await,
                Act::Cut => return Some((Err(io::Error::other("simulated cut")), self)),
                Act::Finish => self.seen.finished(self.reply.usage.completion),
                Act::Break => self.seen.broken(),
            }
        }
    }

    fn plan(&mut self) {
        match self.stage {
            Stage::Roles => {
                self.queue.push_back(Act::Wait(1));
                for index in 0..self.reply.choices.len() {
                    let delta = json!({"role": "assistant", "content": ""});
                    self.chunk(index, &delta, None, None);
                }
                self.stage = Stage::Step(0);
            }
            Stage::Step(index) => self.plan_step(index),
            Stage::Tail => self.plan_tail(),
            Stage::Over => {}
        }
    }

    fn plan_step(&mut self, index: usize) {
        self.stage = Stage::Step(index + 1);
        if self.plan_fault(index) {
            return;
        }
        let last = self.reply.steps();
        let endless = self.admitted.behaviour.never_stops && last > 0;
        let at = if endless { index % last } else { index };
        let slowest = self.reply.choices.iter().filter_map(|choice| choice.step(at)).map(Step::tokens).max();
        // The first token was waited for with the role.
        let wait_tokens = slowest.unwrap_or(0).saturating_sub(u64::from(index == 0));
        self.queue.push_back(Act::Wait(wait_tokens));
        for choice in 0..self.reply.choices.len() {
            if let Some((delta, tokens)) = self.reply.choices[choice].step(at).map(delta) {
                self.made.completion += tokens;
                self.made.first_choice += if choice == 0 { tokens } else { 0 };
                self.queue.push_back(Act::Note(self.made.completion));
                self.chunk(choice, &delta, None, None);
            } else if self.reply.choices[choice].steps() == at {
                self.plan_finish(choice, at == last);
            }
        }
        if !endless && at == last {
            self.stage = Stage::Tail;
        }
    }

    /// Plans the faults that happen before this step; true when the reply ends here.
    fn plan_fault(&mut self, index: usize) -> bool {
        let reached = Some(index as u64);
        let behaviour = &self.admitted.behaviour;
        if behaviour.stall_after_tokens == reached {
            self.queue.push_back(Act::Stall);
        }
        if behaviour.malformed_after_tokens == reached {
            let line =
                format!("data: {{\"id\":\"{}\",\"choices\":[{{\"delta\":{{\"content\":\"\n\n", self.head.id);
            self.queue.push_back(Act::Send(line.into()));
        }
        if behaviour.cut_after_tokens == reached {
            // The frames before the cut must have left, or the connection would take them with it.
            self.queue.extend([Act::Flush, Act::Break, Act::Cut]);
            self.stage = Stage::Over;
            return true;
        }
        if behaviour.error_after_tokens == reached {
            let error = json!({"error": {
                "message": "simulated failure in the middle of a stream",
                "type": "server_error",
                "param": null,
                "code": "simulated_failure",
            }});
            self.send(&error);
            self.queue.push_back(Act::Break);
            self.stage = Stage::Over;
            return true;
        }
        false
    }

    fn plan_finish(&mut self, choice: usize, is_last: bool) {
        let reason = self.reply.choices[choice].end.finish_reason();
        let place = self.admitted.behaviour.usage.place;
        let here =
            matches!(place, UsagePlace::FinishChunk | UsagePlace::InsideChoice | UsagePlace::EveryChunk);
        let usage = if is_last && here && self.wants_usage { self.final_usage() } else { None };
        self.chunk(choice, &json!({}), Some(reason), usage);
    }

    fn plan_tail(&mut self) {
        let usage = if self.wants_usage { self.final_usage() } else { None };
        match (self.admitted.behaviour.usage.place, usage) {
            (UsagePlace::OwnChunk, Some(usage)) => {
                let frame = self.frame(&json!([]), Some(usage));
                self.send(&frame);
            }
            (UsagePlace::BesideChoices, Some(usage)) => self.chunk(0, &json!({}), None, Some(usage)),
            _ => {}
        }
        // Written down before the last frame, so that who has read it can rely on the record.
        self.queue.push_back(Act::Finish);
        self.push(Bytes::from_static(b"data: [DONE]\n\n"));
        self.stage = Stage::Over;
    }

    fn final_usage(&self) -> Option<Value> {
        usage::report(self.reply.usage, &self.admitted.behaviour.usage)
    }

    fn chunk(&mut self, index: usize, delta: &Value, finish: Option<&str>, usage: Option<Value>) {
        let mut choice = json!({"index": index, "delta": delta, "logprobs": null, "finish_reason": finish});
        let report = &self.admitted.behaviour.usage;
        let frame = match (report.place, usage) {
            (UsagePlace::InsideChoice, Some(usage)) => {
                choice["usage"] = usage;
                self.frame(&json!([choice]), None)
            }
            (UsagePlace::EveryChunk, None) => {
                let usage = usage::report(self.made, report);
                self.frame(&json!([choice]), usage)
            }
            (_, usage) => self.frame(&json!([choice]), usage),
        };
        self.send(&frame);
    }

    /// When usage was asked for, every chunk has the field, and all but one have it empty.
    fn frame(&self, choices: &Value, usage: Option<Value>) -> Value {
        let mut frame = json!({
            "id": self.head.id,
            "object": "chat.completion.chunk",
            "created": self.head.created,
            "model": self.head.model,
            "system_fingerprint": super::FINGERPRINT,
            "choices": choices,
        });
        if self.wants_usage && (usage.is_some() || self.admitted.behaviour.usage.lie != UsageLie::Strip) {
            frame["usage"] = usage.unwrap_or(Value::Null);
        }
        frame
    }

    fn send(&mut self, data: &Value) {
        self.push(format!("data: {data}\n\n").into());
    }

    fn push(&mut self, mut frame: Bytes) {
        if let Some(size) = self.admitted.behaviour.split_bytes {
            while frame.len() > size {
                self.queue.extend([Act::Send(frame.split_to(size)), Act::Flush]);
            }
        }
        self.queue.push_back(Act::Send(frame));
    }
}

/// The delta of one step, and its tokens.
fn delta(step: Step<'_>) -> (Value, u64) {
    let delta = match step {
        Step::Reasoning(piece) => json!({"reasoning_content": piece.text}),
        Step::Content(piece) => json!({"content": piece.text}),
        Step::Tool(tool) => {
            let function = json!({"name": tool.name, "arguments": ""});
            json!({"tool_calls": [{"index": 0, "id": tool.id, "type": "function", "function": function}]})
        }
        Step::Argument(piece) => {
            json!({"tool_calls": [{"index": 0, "function": {"arguments": piece.text}}]})
        }
    };
    (delta, step.tokens())
}

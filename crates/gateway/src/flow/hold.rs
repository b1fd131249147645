//! Quote and hold: how much a request may cost at most, and whether the account has it.
//!
//! The bound of the prompt comes from its bytes. Where that would be refused or would shorten the answer, and the prompt can
//! be counted exactly, it is counted first, and a refusal on the bound alone is tried once more with the exact count.
use std::sync::Arc;

use sycee_core::settlement::{Ask, Command, Endpoint, Finish, Output};
use sycee_core::{Outcome, Refusal, settlement};
use sycee_node::Unavailable;

use super::{Action, Flow, Held, Problem, Prompt, Stage, Time, Verdict, hold_among};

impl Flow {
    pub(super) fn begin(&mut self, out: &mut Vec<Action>) {
        if self.order.count_first {
            self.stage = Stage::Counting;
            self.count_prompt(0, out);
        } else {
            self.authorise(out);
        }
    }

    /// Has the prompt counted for this candidate, unless it has been.
    pub(super) fn count_prompt(&mut self, candidate: usize, out: &mut Vec<Action>) {
        let sent = Arc::clone(&self.candidate(candidate).sent);
        let counts_alike = |other: usize| self.candidate(other).sent.counts_as(&sent);
        let known = match self.prompt {
            Prompt::Unknown => false,
            Prompt::Asked(other) | Prompt::Known { candidate: other, .. } => counts_alike(other),
        };
        if !known {
            self.prompt = Prompt::Asked(candidate);
            out.push(Action::CountPrompt(candidate, sent));
        }
    }

    pub(super) fn authorise(&mut self, out: &mut Vec<Action>) {
        let bound = match self.order.endpoint {
            Endpoint::Chat => self.order.input_bound.min(self.order.context),
            // Each of many inputs may fill the context.
            Endpoint::Embeddings => self.order.input_bound,
        };
        let input_max = match self.prompt {
            Prompt::Known { counted, candidate: _ } if counted.obstacle.is_none() => {
                let tokens = counted.tokens;
                if tokens > self.order.context && self.order.endpoint == Endpoint::Chat {
                    return self.reject(Problem::too_long(tokens, self.order.context), out);
                }
                tokens
            }
            Prompt::Unknown | Prompt::Asked(_) | Prompt::Known { .. } => bound,
        };
        let ask = Ask {
            account: self.order.account,
            key: self.order.key,
            model: self.order.model,
            endpoint: self.order.endpoint,
            candidates: self.order.candidates.iter().map(|candidate| candidate.offer).collect(),
            input_max,
            output: self.output_asked(),
        };
        self.stage = Stage::Holding { input_max };
        out.push(Action::Submit(Command::Authorise { request: self.order.request, ask }));
    }

    /// The most a choice can have: what the client asked, the model's context, the largest of the offers' caps.
    fn output_asked(&self) -> Output {
        if self.order.endpoint == Endpoint::Embeddings {
            return Output { max: 0, choices: 1, may_lower: false };
        }
        let cap = self.order.candidates.iter().map(|candidate| candidate.output_max).max().unwrap_or(0);
        let possible = self.order.context.min(cap);
        Output {
            max: self.order.output_asked.map_or(possible, |asked| asked.min(possible)),
            choices: self.order.choices,
            may_lower: self.order.output_asked.is_none(),
        }
    }

    pub(super) fn hold_decided(
        &mut self,
        now: Time,
        input_max: u64,
        outcome: Result<Outcome, Unavailable>,
        out: &mut Vec<Action>,
    ) {
        match Verdict::from(outcome) {
            Verdict::Applied(events) => self.hold_granted(now, input_max, events, out),
            Verdict::Refused(refusal) if self.may_count_and_ask_again(refusal) => {
                self.stage = Stage::Counting;
                self.count_prompt(0, out);
            }
            Verdict::Refused(refusal) => {
                self.reject(Problem::refused(refusal, &self.order.model_name), out);
            }
            Verdict::Undecided(unavailable) => self.reject(Problem::undecided(unavailable), out),
        }
    }

    fn may_count_and_ask_again(&self, refusal: Refusal) -> bool {
        use settlement::Refusal as No;
        let for_want_of_money = matches!(
            refusal,
            Refusal::Settlement(No::RequestTooLarge { output_fits: _ } | No::InFlightBudget)
        );
        for_want_of_money && self.prompt == Prompt::Unknown && self.can_count_exactly() && !self.client_gone
    }

    /// Whether one exact count holds for every candidate.
    fn can_count_exactly(&self) -> bool {
        let Some(first) = self.order.candidates.first() else {
            return false;
        };
        let alike = |other: &super::Candidate| other.sent.counts_as(&first.sent);
        first.sent.is_countable() && self.order.candidates.iter().all(alike)
    }

    fn hold_granted(
        &mut self,
        now: Time,
        input_max: u64,
        events: Vec<sycee_core::Event>,
        out: &mut Vec<Action>,
    ) {
        let hold = hold_among(events).expect("an admission that is applied says what it holds");
        let asked = self.output_asked();
        let asked_total = asked.max.saturating_mul(asked.choices.into());
        // Candidates that cannot be sold are dropped; the count stays with the candidate that it was made for.
        let counted = match self.prompt {
            Prompt::Known { counted, candidate } => Some((counted, self.candidate(candidate).offer)),
            Prompt::Unknown | Prompt::Asked(_) => None,
        };
        let sold = |offer| hold.schedules.iter().any(|(other, _)| *other == offer);
        self.order.candidates.retain(|candidate| sold(candidate.offer));
        self.held = Some(Held {
            input_max,
            output_max: hold.output_max,
            is_lowered: hold.output_max < asked_total,
            schedules: hold.schedules,
        });
        self.prompt = counted
            .and_then(|(counted, offer)| {
                let candidate = self.order.candidates.iter().position(|it| it.offer == offer)?;
                Some(Prompt::Known { counted, candidate })
            })
            .unwrap_or(Prompt::Unknown);
        if self.client_gone {
            self.release(Finish::Cancelled, None, out);
        } else if self.stopping {
            self.release(Finish::Cancelled, Some(Problem::stopping()), out);
        } else {
            self.try_next(now, 0, Problem::no_provider(&self.order.model_name.clone()), out);
        }
    }
}

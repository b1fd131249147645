//! Plays a request against the real core, step by step, and watches the promises at every one of them.
//!
//! A script is a list of steps divided by `;`. The first may say what is asked: `ask plain max 10 n 2 usage stops credit 5000`.
//! Others are what the site says (`head`, `head 500`, `say 3`, `blurt 900`, `finish stop`, `usage 9 4`, `done`, `end`, `error`, `garbage`,
//! `broken`, `unreachable`, `full`, `body {…}`), what the client does (`slow`, `got`, `leave`), what the ledger does
//! (`marks late`, `marks come`, `busy`, `well`, `stopped`), what becomes of the task (`panic`), and time: `wait 1500`.
use std::collections::VecDeque;
use std::sync::Arc;

use serde_json::{Value, json};
use sycee_core::entry::Submission;
use sycee_core::ids::{Amount, RequestId, ScheduleId, Time};
use sycee_core::ledger::Account;
use sycee_core::permission::Actor;
use sycee_core::settlement::{Command, Event, Release, Settled};
use sycee_core::{Outcome, State};
use sycee_node::Unavailable;

use super::super::{Action, Candidate, Endpoint, Failure, Flow, Input, Mark, Order, UpstreamHead, stream};
use crate::count::{Vocabulary, completion_count};
use crate::market::{self, Books, Consumer, Market, START};
use crate::options::{Limits, Timeouts};
use crate::problem::Problem;
use crate::registry::{Registry, Sent};
use crate::sse;
use crate::template::Template;

/// Tokens of the prompt with the test's template.
pub(super) const PROMPT: &str = "Where does it go?";

#[derive(Debug, PartialEq, Eq)]
enum Ledger {
    Well,
    Busy,
    Stopped,
}

#[expect(clippy::struct_excessive_bools, reason = "each says one thing that a step has changed")]
pub(super) struct Play {
    state: State,
    now: Time,
    flow: Flow,
    request: RequestId,
    consumer: Consumer,
    inputs: VecDeque<Input>,
    ledger: Ledger,
    undecided: Option<Command>,
    marks_are_late: bool,
    late_mark: Option<Mark>,
    handed_out: Option<Mark>,
    is_slow: bool,
    // What the client sees.
    /// The schedule that the answer's head names.
    head: Option<ScheduleId>,
    frames: Vec<String>,
    text: String,
    /// Words in all frames up to each.
    words: Vec<u64>,
    delivered: usize,
    rejected: Option<Problem>,
    finished: bool,
    // What the site and the ledger saw.
    pub(super) sent: Vec<Value>,
    observed: Vec<&'static str>,
    running: bool,
    durable_words: u64,
    marks: Vec<Mark>,
    settled: Option<Settled>,
    released: Option<Release>,
}

/// What the first step of a script asks for.
#[expect(clippy::struct_excessive_bools, reason = "each is a word of the first step")]
struct Asked {
    stream: bool,
    include_usage: bool,
    max: Option<u64>,
    choices: u32,
    has_stops: bool,
    is_verified: bool,
    count_first: bool,
    credit: Amount,
}

impl Asked {
    fn read(step: &str) -> Self {
        let mut asked = Self {
            stream: true,
            include_usage: false,
            max: Some(1_000),
            choices: 1,
            has_stops: false,
            is_verified: true,
            count_first: false,
            credit: 100 * market::CREDIT,
        };
        let mut words = step.split(' ').skip(1);
        while let Some(word) = words.next() {
            match word {
                "plain" => asked.stream = false,
                "usage" => asked.include_usage = true,
                "stops" => asked.has_stops = true,
                "unverified" => asked.is_verified = false,
                "counted" => asked.count_first = true,
                "max" => asked.max = words.next().and_then(|word| word.parse().ok()),
                "n" => asked.choices = words.next().unwrap().parse().unwrap(),
                "credit" => asked.credit = words.next().unwrap().parse().unwrap(),
                other => panic!("nobody can ask for {other:?}"),
            }
        }
        asked
    }

    fn order(&self, market: &Market, consumer: &Consumer) -> Order {
        let mut registry = Registry::default();
        let source = "{% for message in messages %}{{ message.content }}{% endfor %}";
        let template = registry.add_template(Template::new(source, "", "").unwrap());
        let mut terms = market::terms();
        terms.chat_template = Some(template);
        if !self.is_verified {
            (terms.tokenizer, terms.chat_template) = (None, None);
        }
        let body = json!({"model": market::CHAT, "messages": [{"role": "user", "content": PROMPT}], "kept": 0.1,
            "n_predict": -1});
        let Value::Object(mut body) = body else { unreachable!("it is an object") };
        if let Some(max) = self.max {
            body.insert("max_tokens".to_owned(), json!(max));
        }
        let counter = registry.counter(&terms).unwrap();
        let sent = Arc::new(Sent::new(counter, Endpoint::Chat, &body));
        let candidate = |(offer, site_name): (&_, &str)| Candidate {
            offer: *offer,
            site_name: site_name.to_owned(),
            upstream_model: terms.upstream_model.clone(),
            output_max: terms.output_max,
            concurrency_max: 1,
            sent: Arc::clone(&sent),
        };
        Order {
            request: RequestId(market::id(7)),
            account: consumer.account,
            key: consumer.key_id,
            model: market.chat,
            model_name: market::CHAT.to_owned(),
            context: market::CONTEXT,
            endpoint: Endpoint::Chat,
            stream: self.stream,
            include_usage: self.include_usage,
            choices: self.choices,
            output_asked: self.max,
            has_stops: self.has_stops,
            input_bound: sent.bound(),
            count_first: self.count_first,
            candidates: market.offers.iter().zip(market::SITES).map(candidate).collect(),
            body,
            started: START,
        }
    }
}

impl Play {
    /// Plays a whole script.
    pub(super) fn script(script: &str) -> Self {
        let mut steps = script.split(';').map(str::trim).peekable();
        let asked = Asked::read(steps.next_if(|step| step.starts_with("ask")).unwrap_or("ask"));
        let Books { state, market, consumer, .. } = Books::new(asked.credit);
        let order = asked.order(&market, &consumer);
        let request = order.request;
        let mut play = Self {
            state,
            now: START,
            flow: Flow::new(order, Timeouts::default(), Limits::default()),
            request,
            consumer,
            inputs: VecDeque::new(),
            ledger: Ledger::Well,
            undecided: None,
            marks_are_late: false,
            late_mark: None,
            handed_out: None,
            is_slow: false,
            head: None,
            frames: Vec::new(),
            text: String::new(),
            words: Vec::new(),
            delivered: 0,
            rejected: None,
            finished: false,
            sent: Vec::new(),
            observed: Vec::new(),
            running: false,
            durable_words: 0,
            marks: Vec::new(),
            settled: None,
            released: None,
        };
        if steps.next_if(|step| *step == "leave at once").is_some() {
            play.feed(Input::ClientGone);
        } else if steps.next_if(|step| *step == "busy").is_some() {
            play.ledger = Ledger::Busy;
        }
        if !play.flow.is_done() {
            play.feed(Input::Begin);
        }
        steps.filter(|step| !step.is_empty()).for_each(|step| play.step(step));
        play
    }

    fn step(&mut self, step: &str) {
        let (verb, rest) = step.split_once(' ').unwrap_or((step, ""));
        match verb {
            "head" => {
                let status = rest.parse().unwrap_or(200);
                let is_event_stream = status == 200 && rest != "json";
                self.feed(Input::Head(UpstreamHead { status, is_event_stream, microjoules: Some(77) }));
            }
            "say" => self.say(rest),
            // The words of one chunk, as from a site that only looks as if it streamed.
            "blurt" => {
                let text = " word".repeat(rest.parse().unwrap());
                self.chunk(&json!({"id": "x", "choices": [{"index": 0, "delta": {"content": text}}]}));
            }
            "finish" => self.chunk(&json!({"choices": [{"index": 0, "delta": {}, "finish_reason": rest}]})),
            "usage" => {
                let (input, output) = rest.split_once(' ').unwrap();
                let count = |text: &str| text.parse::<i64>().unwrap();
                let usage = json!({"prompt_tokens": count(input), "completion_tokens": count(output)});
                self.chunk(&json!({"choices": [], "usage": usage}));
            }
            "done" => self.event("[DONE]"),
            "end" => self.feed(Input::End),
            "error" => self.event(r#"{"error": {"message": "the site's own trouble"}}"#),
            "prelude" => {
                for _ in 0..rest.parse::<u32>().unwrap() {
                    self.chunk(&json!({"id": "x", "choices": [{"index": 0, "delta": {"content": ""}}]}));
                }
            }
            "garbage" => self.event("{\"choices\": [{"),
            "body" => self.feed(Input::Body(rest.to_owned().into())),
            "broken" => self.feed(Input::Failed(Failure::Broken)),
            "unreachable" => self.feed(Input::Failed(Failure::Unreachable)),
            "full" => self.feed(Input::Failed(Failure::Full)),
            "slow" => self.is_slow = true,
            "got" => self.deliver(),
            "leave" => self.feed(Input::ClientGone),
            "stop" => self.feed(Input::Stop),
            "panic" => self.break_down(),
            "marks" => self.time_marks(rest),
            "busy" => self.ledger = Ledger::Busy,
            "well" => self.ledger = Ledger::Well,
            "stopped" => self.ledger = Ledger::Stopped,
            "wait" => self.wait(rest.parse().unwrap()),
            other => panic!("no such step: {other:?}"),
        }
    }

    /// The task that runs the flow panics: everything that was under way for it is lost.
    fn break_down(&mut self) {
        self.inputs.clear();
        self.running = false;
        let mut out = Vec::new();
        self.flow.break_down(self.handed_out, self.head.is_some(), &mut out);
        for action in out {
            self.act(action);
        }
        self.play();
    }

    fn say(&mut self, words: &str) {
        for _ in 0..words.parse().unwrap() {
            self.chunk(&json!({"id": "x", "choices": [{"index": 0, "delta": {"content": " word"}}]}));
        }
    }

    fn chunk(&mut self, chunk: &Value) {
        self.event(&chunk.to_string());
    }

    fn event(&mut self, data: &str) {
        let mut bytes = Vec::new();
        sse::write_data(data, &mut bytes);
        self.feed(Input::Body(bytes.into()));
    }

    fn time_marks(&mut self, how: &str) {
        self.marks_are_late = how == "late";
        if let Some(mark) = self.late_mark.take_if(|_| !self.marks_are_late) {
            self.mark(mark);
            self.play();
        }
    }

    /// Lets time pass, with every tick that is due on the way.
    fn wait(&mut self, milliseconds: u64) {
        let end = self.now.after(milliseconds * 1_000_000);
        let mut ticks = 0;
        while let Some(deadline) = self.flow.deadline().filter(|deadline| *deadline <= end) {
            ticks += 1;
            assert!(ticks < 100_000, "time stands still at {deadline:?}");
            self.now = self.now.max(deadline);
            self.feed(Input::Tick);
        }
        self.now = end;
    }

    fn feed(&mut self, input: Input) {
        self.inputs.push_back(input);
        self.play();
    }

    fn play(&mut self) {
        loop {
            while let Some(input) = self.inputs.pop_front() {
                let from_site =
                    matches!(input, Input::Head(_) | Input::Body(_) | Input::End | Input::Failed(_));
                if from_site && !self.running {
                    // The call was dropped: nothing of it is heard any more.
                    continue;
                }
                let mut out = Vec::new();
                self.flow.step(self.now, input, &mut out);
                for action in out {
                    self.act(action);
                }
            }
            if self.is_slow || self.delivered == self.frames.len() {
                break;
            }
            self.deliver_now();
        }
    }

    fn deliver(&mut self) {
        self.deliver_now();
        self.play();
    }

    fn deliver_now(&mut self) {
        self.delivered = self.frames.len();
        self.inputs.push_back(Input::Delivered(self.delivered as u64));
    }

    fn act(&mut self, action: Action) {
        match action {
            Action::CountPrompt(candidate, sent) => {
                self.inputs.push_back(Input::PromptCounted(candidate, sent.count()));
            }
            Action::CountAnswer(sent, choices, has_stops) => {
                let counted = completion_count(sent.counter.tokenizer(), &choices, has_stops);
                self.inputs.push_back(Input::AnswerCounted(counted));
            }
            Action::Submit(command) => self.submit(command),
            Action::Mark(mark) => {
                self.handed_out = Some(mark);
                if self.marks_are_late {
                    self.late_mark = Some(mark);
                } else {
                    self.mark(mark);
                }
            }
            Action::Send(_, body) => {
                assert!(self.is_held(), "F1: sent before the hold is durable");
                assert!(self.head.is_none(), "F3: another site after the answer began");
                self.running = true;
                self.sent.push(serde_json::from_slice(&body).unwrap());
            }
            Action::Cancel => self.running = false,
            Action::Observe(_, outcome, _) => self.observed.push(outcome.name()),
            Action::FirstToken(..) => {}
            Action::Head(schedule) => {
                assert!(self.is_held() || self.settled.is_some(), "F1: an answer before the hold is durable");
                self.head = Some(schedule);
            }
            Action::Frame(bytes) => self.frame(String::from_utf8(bytes.to_vec()).unwrap()),
            Action::Finish => self.finished = true,
            Action::Reject(problem) => {
                assert!(self.head.is_none(), "a refusal after the answer began");
                self.rejected = Some(problem);
            }
        }
    }

    fn is_held(&self) -> bool {
        self.state.settlement.holds().contains(&self.request)
    }

    fn frame(&mut self, text: String) {
        let is_end = text.contains("[DONE]") || !text.starts_with("data: ");
        assert!(!is_end || self.settled.is_some(), "F2: the end before the settlement");
        let data = text.strip_prefix("data: ").unwrap_or(&text).trim();
        let value: Value = serde_json::from_str(data).unwrap_or_default();
        let choice = &value["choices"][0];
        let said = choice["delta"]["content"].as_str().or_else(|| choice["message"]["content"].as_str());
        self.text.push_str(said.unwrap_or(""));
        // A word is a token, and so is a part of one where a large piece was split.
        let words = Vocabulary::O200kBase.count(&self.text);
        if text.starts_with("data: ") {
            assert!(words <= self.durable_words + stream::INTERVAL_TOKENS, "F4: more than an interval ahead");
        }
        self.words.push(words);
        self.frames.push(text);
    }

    fn mark(&mut self, mark: Mark) {
        let delivered = if self.delivered == 0 { 0 } else { self.words[self.delivered - 1] };
        let output = mark.usage.output_total().unwrap();
        assert!(output <= delivered, "F4: a mark of {output} with {delivered} delivered");
        self.durable_words = output;
        self.marks.push(mark);
        let command = Command::Advance { marks: vec![(self.request, mark)] };
        let outcome = self.decide(command);
        assert!(matches!(outcome, Outcome::Applied { .. }), "{outcome:?}");
        self.inputs.push_back(Input::Marked);
    }

    fn submit(&mut self, command: Command) {
        assert!(self.undecided.is_none(), "one command at a time");
        let answer = match self.ledger {
            Ledger::Well => Ok(self.decide(command)),
            Ledger::Busy => Err(Unavailable::Overloaded),
            Ledger::Stopped => Err(Unavailable::Stopped),
        };
        self.inputs.push_back(Input::Decided(answer));
    }

    fn decide(&mut self, command: Command) -> Outcome {
        let at = self.now.max(self.state.at.after(1));
        let outcome = self.state.submit(at, &Submission::internal(Actor::Gateway, command)).outcome;
        if let Outcome::Applied { events, .. } = &outcome {
            for event in events {
                match event {
                    sycee_core::Event::Settlement(Event::Settled { receipt, .. }) => {
                        assert!(self.settled.is_none() && self.released.is_none(), "F5: closed twice");
                        self.settled = Some((**receipt).clone());
                    }
                    sycee_core::Event::Settlement(Event::Released { release, .. }) => {
                        assert!(self.settled.is_none() && self.released.is_none(), "F5: closed twice");
                        self.released = Some(release.clone());
                    }
                    _ => {}
                }
            }
        }
        outcome
    }

    /// What must hold when a request has ended, whatever happened.
    pub(super) fn check_books(&self) {
        assert!(self.flow.is_done(), "the request has not ended: {:?}", self.flow.stage);
        assert_eq!(self.state.audit(), []);
        let balance = self.state.ledger.balance(Account::Member(self.consumer.account)).unwrap();
        assert!(balance.amount >= 0);
        if self.ledger == Ledger::Well {
            assert_eq!(balance.held, 0, "F5: a hold is left");
        }
        if let Some(receipt) = &self.settled {
            assert!(receipt.total <= receipt.hold);
            let measures = (receipt.delivery.input_measure, receipt.delivery.output_measure);
            let mut of_marks = self.marks.iter().map(|mark| (mark.input_measure, mark.output_measure));
            assert!(of_marks.all(|it| it == measures), "a mark says otherwise than {measures:?}");
            assert!(self.head.is_none_or(|schedule| schedule == receipt.schedule), "billed at other prices");
        }
        let heard_out = self.observed.last() == Some(&"served");
        assert!(!self.running || heard_out, "the site is left running");
    }

    /// Words that the client has.
    pub(super) fn words(&self) -> u64 {
        if self.delivered == 0 { 0 } else { self.words[self.delivered - 1] }
    }

    pub(super) fn is_marked(&self) -> bool {
        !self.marks.is_empty()
    }

    pub(super) fn settled(&self) -> Option<&Settled> {
        self.settled.as_ref()
    }

    pub(super) fn frames(&self) -> &[String] {
        &self.frames
    }

    /// In one line: what the client got; what the ledger says; how the tries went.
    pub(super) fn summary(&self) -> String {
        let ledger = match (&self.settled, &self.released) {
            (Some(receipt), _) => {
                let usage = &receipt.delivery.usage;
                let dispute = if receipt.delivery.dispute { " disputed" } else { "" };
                let (input, output) = (usage.input_total().unwrap(), usage.output_total().unwrap());
                format!("settled {} {input}+{output}{dispute}", receipt.delivery.finish.name())
            }
            (None, Some(release)) => format!("released {}", release.finish.name()),
            (None, None) if self.is_held() => "held".to_owned(),
            (None, None) => "nothing".to_owned(),
        };
        format!("{}; {ledger}; {}", self.client(), self.observed.join(" "))
    }

    fn client(&self) -> String {
        if let Some(problem) = &self.rejected {
            return format!("{} {}", problem.status, problem.code);
        }
        if self.head.is_none() {
            return "nothing".to_owned();
        }
        let mut seen = vec![format!("{} words", self.words())];
        for frame in &self.frames[..self.delivered] {
            let data = frame.strip_prefix("data: ").unwrap_or(frame).trim();
            if data == "[DONE]" {
                seen.push("done".to_owned());
                continue;
            }
            let value: Value = serde_json::from_str(data).unwrap();
            if let Some(code) = value["error"]["code"].as_str() {
                seen.push(format!("error {code}"));
            }
            if let (Some(input), Some(output)) =
                (value["usage"]["prompt_tokens"].as_u64(), value["usage"]["completion_tokens"].as_u64())
            {
                seen.push(format!("usage {input}+{output}"));
            }
        }
        if !self.finished {
            seen.push("and waits".to_owned());
        }
        seen.join(" ")
    }
}

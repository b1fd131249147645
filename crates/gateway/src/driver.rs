//! The driver: runs one flow, doing what it asks for and telling it what happened.
//!
//! It is a task of its own, so that a settlement outlives the connection of the client that asked. Dropping the call to a site
//! closes its connection, which is how a site learns at once that nobody listens any more.
use std::future::{Future, pending, ready};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt, StreamExt};
use http_body_util::BodyExt;
use hyper::Response;
use hyper::body::Incoming;
use sycee_core::Outcome;
use sycee_core::entry::Submission;
use sycee_core::ids::{OfferId, RequestId, Time};
use sycee_core::permission::Actor;
use sycee_core::settlement::{Endpoint, Mark};
use tokio::sync::watch;

use crate::count::{Counted, Delivered, Obstacle, completion_count};
use crate::flow::{Action, Failure, Flow, Input, Order};
use crate::gateway::Shared;
use crate::health::Observation;
use crate::options::Options;
use crate::transcript::Transcript;
use crate::upstream::head_of;

/// How long the rest of a finished answer is read so that its connection can be used again.
const DRAIN_FOR: Duration = Duration::from_secs(1);

/// About how many bytes a token has, where nothing better can be said.
const BYTES_PER_TOKEN: u64 = 4;

/// A flow and everything that is under way for it.
pub(crate) struct Driver {
    shared: Arc<Shared>,
    options: Arc<Options>,
    flow: Flow,
    request: RequestId,
    endpoint: Endpoint,
    transcript: Arc<Transcript>,
    /// Time of the node when the request came, and how long ago that is by a clock that nobody sets.
    began: (Time, Instant),
    call: Option<Call>,
    /// Commands, marks and counts.
    waiting: FuturesUnordered<BoxFuture<'static, Input>>,
    place: Option<Place>,
    /// What was handed in last: no more than the client has.
    marked: Option<Mark>,
    heard_frames: u64,
    heard_gone: bool,
    stop: watch::Receiver<bool>,
    stopped: bool,
}

/// A request to a site.
enum Call {
    Asked(BoxFuture<'static, Result<Response<Incoming>, Failure>>),
    Answering(Incoming),
}

/// One of an offer's places. Given back however the request ends.
struct Place {
    shared: Arc<Shared>,
    offer: OfferId,
    observation: Observation,
    now: Time,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.shared.health.leave(self.offer, self.observation, self.now);
    }
}

impl Driver {
    pub(crate) fn new(
        shared: Arc<Shared>,
        options: Arc<Options>,
        order: Order,
        transcript: Arc<Transcript>,
    ) -> Self {
        let stop = shared.stop.subscribe();
        let (request, endpoint) = (order.request, order.endpoint);
        let began = (order.started, Instant::now());
        let flow = Flow::new(order, options.timeouts, options.limits);
        Self {
            shared,
            options,
            flow,
            request,
            endpoint,
            transcript,
            began,
            call: None,
            waiting: FuturesUnordered::new(),
            place: None,
            marked: None,
            heard_frames: 0,
            heard_gone: false,
            stop,
            stopped: false,
        }
    }

    /// Runs the flow to its end. A flow that panics is brought to its end all the same: the books are closed at its last mark,
    /// and the client is told.
    pub(crate) async fn run(mut self) {
        let whole = async {
            let mut actions = Vec::new();
            self.flow.step(self.now(), Input::Begin, &mut actions);
            self.drive(actions).await;
        };
        if AssertUnwindSafe(whole).catch_unwind().await.is_err() {
            tracing::error!(request = %self.request, "the work on a request panicked; it is closed at its last mark");
            let rest = async {
                let actions = self.break_down();
                self.drive(actions).await;
            };
            if AssertUnwindSafe(rest).catch_unwind().await.is_err() {
                tracing::error!(request = %self.request, "a request stays open until the gateway starts again");
            }
        }
        tracing::debug!(request = %self.request, milliseconds = self.began.1.elapsed().as_millis(), "a request has ended");
        self.transcript.finish();
        if let Some(Call::Answering(body)) = self.call.take() {
            // Read to its end, its connection can be used again.
            drop(tokio::time::timeout(DRAIN_FOR, body.collect()).await);
        }
    }

    async fn drive(&mut self, mut actions: Vec<Action>) {
        loop {
            for action in actions.drain(..) {
                self.act(action);
            }
            if self.flow.is_done() {
                break;
            }
            let input = self.next().await;
            #[cfg(test)]
            tests::swallow(&input);
            self.flow.step(self.now(), input, &mut actions);
        }
    }

    /// Nothing that was under way is waited for any more.
    fn break_down(&mut self) -> Vec<Action> {
        self.shared.metrics.panicked();
        (self.call, self.place) = (None, None);
        self.waiting.clear();
        let mut actions = Vec::new();
        self.flow.break_down(self.marked, self.transcript.head().is_some(), &mut actions);
        actions
    }

    fn now(&self) -> Time {
        let elapsed = self.began.1.elapsed().as_nanos();
        self.began.0.after(u64::try_from(elapsed).unwrap_or(u64::MAX))
    }

    async fn next(&mut self) -> Input {
        loop {
            let heard = self.transcript.heard();
            if heard.delivered > self.heard_frames {
                self.heard_frames = heard.delivered;
                return Input::Delivered(heard.delivered);
            }
            let may_end = heard.is_alone && !self.heard_gone && self.flow.ends_when_left();
            if may_end && self.transcript.abandon() {
                self.heard_gone = true;
                return Input::ClientGone;
            }
            let tick = self.until_deadline();
            let wants_body = self.flow.wants_body();
            tokio::select! {
                Some(input) = self.waiting.next(), if !self.waiting.is_empty() => return input,
                input = from_site(&mut self.call), if wants_body => return input,
                () = tick => return Input::Tick,
                () = self.transcript.wait() => {}
                () = told_to_stop(&mut self.stop), if !self.stopped => {
                    self.stopped = true;
                    return Input::Stop;
                }
            }
        }
    }

    fn until_deadline(&self) -> impl Future<Output = ()> + use<> {
        let left = self.flow.deadline().map(|deadline| deadline.0.saturating_sub(self.now().0));
        async move {
            match left {
                Some(left) => tokio::time::sleep(Duration::from_nanos(left)).await,
                None => pending().await,
            }
        }
    }

    fn act(&mut self, action: Action) {
        match action {
            Action::CountPrompt(candidate, sent) => {
                let told = move |counted| Input::PromptCounted(candidate, counted);
                self.count(sent.bytes(), move || sent.count(), told);
            }
            Action::CountAnswer(sent, choices, has_stops) => {
                let bytes = choices.iter().map(text_bytes).sum();
                let count = move || completion_count(sent.counter.tokenizer(), &choices, has_stops);
                self.count(bytes, count, Input::AnswerCounted);
            }
            Action::Submit(command) => {
                let shared = Arc::clone(&self.shared);
                let submission = Submission::internal(Actor::Gateway, command);
                self.waiting.push(Box::pin(async move {
                    let outcome = shared.handle.submit(submission).await;
                    if let Ok(Outcome::Applied { position: _, events }) = &outcome {
                        shared.metrics.applied(events);
                    }
                    Input::Decided(outcome)
                }));
            }
            Action::Mark(mark) => {
                self.marked = Some(mark);
                let (marks, request) = (self.shared.marks.clone(), self.request);
                self.waiting.push(Box::pin(async move {
                    // Without a ledger nothing more may be delivered.
                    if marks.durable(request, mark).await { Input::Marked } else { Input::Stop }
                }));
            }
            Action::Send(candidate, body) => self.send(candidate, body),
            Action::Cancel => self.call = None,
            Action::Observe(offer, outcome, observation) => {
                self.shared.metrics.attempt(outcome);
                let now = self.now();
                if let Some(mut place) = self.place.take_if(|place| place.offer == offer) {
                    (place.observation, place.now) = (observation, now);
                }
            }
            Action::FirstToken(offer, milliseconds) => {
                self.shared.health.first_token(offer, milliseconds);
                self.shared.metrics.first_token(milliseconds);
            }
            Action::Head(schedule) => self.transcript.begin(Ok(schedule)),
            Action::Frame(bytes) => self.transcript.write(bytes),
            Action::Finish => self.transcript.finish(),
            Action::Reject(problem) => self.transcript.begin(Err(problem)),
        }
    }

    /// Counts at once what is short, and the rest on a thread of its own, of which there are few. A tokenizer that panics leaves
    /// an estimate: the request still has to be closed.
    fn count(
        &mut self,
        bytes: usize,
        count: impl FnOnce() -> Counted + Send + 'static,
        told: impl FnOnce(Counted) -> Input + Send + 'static,
    ) {
        let count = move || {
            catch_unwind(AssertUnwindSafe(count)).unwrap_or_else(|_| {
                tracing::error!(bytes, "a tokenizer panicked");
                Counted::estimate(bytes as u64 / BYTES_PER_TOKEN, Obstacle::TokenizerFailed)
            })
        };
        if bytes <= self.options.limits.count_inline_bytes_max {
            self.waiting.push(Box::pin(ready(told(count()))));
            return;
        }
        let counters = Arc::clone(&self.shared.counters);
        self.waiting.push(Box::pin(async move {
            let _permit = counters.acquire_owned().await.expect("the counters are never closed");
            told(tokio::task::spawn_blocking(count).await.expect("a panic in it was caught"))
        }));
    }

    fn send(&mut self, candidate: usize, body: Bytes) {
        self.call = None;
        let candidate = self.flow.candidate(candidate);
        let Some(upstream) = self.options.upstreams.get(&candidate.site_name).cloned() else {
            // Removed since it was chosen.
            self.waiting.push(Box::pin(ready(Input::Failed(Failure::Unreachable))));
            return;
        };
        if !self.shared.health.enter(candidate.offer, candidate.concurrency_max) {
            self.waiting.push(Box::pin(ready(Input::Failed(Failure::Full))));
            return;
        }
        self.place = Some(Place {
            shared: Arc::clone(&self.shared),
            offer: candidate.offer,
            observation: Observation::Left,
            now: self.now(),
        });
        let (upstreams, endpoint, request) = (self.shared.upstreams.clone(), self.endpoint, self.request);
        let asked = async move { upstreams.send(upstream, endpoint, request, body).await };
        self.call = Some(Call::Asked(Box::pin(asked)));
    }
}

fn text_bytes(choice: &Delivered) -> usize {
    [&choice.visible, &choice.reasoning, &choice.tool_text].iter().map(|meter| meter.text().len()).sum()
}

/// The next thing that the site says. Cancel safe: nothing is lost when it is dropped half way.
async fn from_site(call: &mut Option<Call>) -> Input {
    match call {
        None => pending().await,
        Some(Call::Asked(asked)) => match Pin::new(asked).await {
            Ok(response) => {
                let head = head_of(&response);
                *call = Some(Call::Answering(response.into_body()));
                Input::Head(head)
            }
            Err(failure) => {
                *call = None;
                Input::Failed(failure)
            }
        },
        Some(Call::Answering(body)) => loop {
            match body.frame().await {
                Some(Ok(frame)) => {
                    if let Ok(bytes) = frame.into_data() {
                        return Input::Body(bytes);
                    }
                }
                Some(Err(error)) => {
                    tracing::debug!(%error, "a site broke off");
                    *call = None;
                    return Input::Failed(Failure::Broken);
                }
                None => {
                    *call = None;
                    return Input::End;
                }
            }
        },
    }
}

async fn told_to_stop(stop: &mut watch::Receiver<bool>) {
    if stop.wait_for(|stop| *stop).await.is_err() {
        pending::<()>().await;
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::Input;

    /// A word that a request's task does not survive.
    pub(crate) const POISON: &str = "poison-for-a-test";

    pub(super) fn swallow(input: &Input) {
        if let Input::Body(bytes) = input {
            let is_poison = |part: &[u8]| part == POISON.as_bytes();
            assert!(!bytes.windows(POISON.len()).any(is_poison), "poisoned by a test");
        }
    }
}

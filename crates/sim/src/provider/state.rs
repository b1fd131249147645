//! What all requests to one simulated provider share, and what a request passes before it is answered.
//!
//! The order is that of a real front end: the key, the door (gate, hang, delay), the failures, the room. A request
//! that waits holds nothing but its place; when its client leaves, the place goes with it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use sha2::{Digest, Sha256};
use tokio::sync::watch;
use tokio::time::sleep;

use super::answer::{self, Problem};
use super::behaviour::Behaviour;
use super::config::{EnergyHeader, ModelConfig, ModelKind, ProviderConfig};
use super::pace::Pace;
use super::seen::{Ring, Seen, SeenRequest};
use super::usage::Usage;
use crate::clock::now_ms;
use crate::draw::Draw;
use crate::error::Error;

#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) config: ProviderConfig,
    pub(crate) behaviour: watch::Sender<Arc<Behaviour>>,
    pub(crate) ring: Arc<Ring>,
    pub(crate) created: u64,
    waiting: Arc<AtomicUsize>,
    answering: Arc<AtomicUsize>,
}

/// A request that may be answered.
#[derive(Debug)]
pub(crate) struct Admitted {
    pub(crate) behaviour: Arc<Behaviour>,
    pub(crate) pace: Pace,
    pub(crate) slot: Place,
}

/// One of the requests counted in a number, until dropped.
#[derive(Debug)]
pub(crate) struct Place(Arc<AtomicUsize>);

/// Why a request is not answered with a reply.
#[derive(Debug)]
pub(crate) enum Stopped {
    With(Problem),
    Silently,
}

impl Shared {
    pub(crate) fn new(config: ProviderConfig) -> Self {
        let behaviour = watch::Sender::new(Arc::new(config.behaviour.clone()));
        let ring = Arc::new(Ring::new(config.requests_remembered));
        let created = now_ms() / 1000;
        Self { config, behaviour, ring, created, waiting: Arc::default(), answering: Arc::default() }
    }

    pub(crate) fn waiting(&self) -> usize {
        self.waiting.load(Ordering::SeqCst)
    }

    pub(crate) fn current(&self) -> Arc<Behaviour> {
        Arc::clone(&self.behaviour.borrow())
    }

    /// Applies a merge patch to the behaviour, or leaves it as it was.
    pub(crate) fn change(&self, patch: &serde_json::Value) -> Result<(), Error> {
        let mut outcome = Ok(());
        self.behaviour.send_if_modified(|behaviour| match behaviour.patched(patch) {
            Ok(changed) => {
                *behaviour = Arc::new(changed);
                true
            }
            Err(error) => {
                outcome = Err(error);
                false
            }
        });
        outcome
    }

    pub(crate) fn model(&self, id: &str, kind: ModelKind) -> Result<&ModelConfig, Problem> {
        let found = self.config.models.iter().find(|model| model.id == id && model.kind == kind);
        found.ok_or_else(|| Problem::no_model(id))
    }

    /// The header `x-sycee-joules`, where it may be sent.
    #[expect(clippy::cast_precision_loss, reason = "counts of tokens are far below 2^53")]
    pub(crate) fn joules(&self, usage: Usage, is_stream: bool) -> Option<String> {
        let sends = match self.config.energy_header {
            EnergyHeader::Never => false,
            EnergyHeader::Plain => !is_stream,
            EnergyHeader::All => true,
        };
        let joules = usage.prompt as f64 * self.config.joules_per_input_token
            + usage.completion as f64 * self.config.joules_per_output_token;
        sends.then(|| format!("{joules:.3}"))
    }

    pub(crate) fn authorise(&self, headers: &HeaderMap) -> Result<(), Problem> {
        let Some(key) = &self.config.api_key else {
            return Ok(());
        };
        let given = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        if given.and_then(|value| value.strip_prefix("Bearer ")) == Some(key) {
            return Ok(());
        }
        let message = "the simulated provider does not know this key";
        Err(Problem::new(StatusCode::UNAUTHORIZED, "authentication_error", message).coded("invalid_api_key"))
    }

    pub(crate) fn open(&self, path: &str, headers: &HeaderMap, body: &[u8]) -> Seen {
        let digest = Sha256::digest(body);
        let request_id = headers.get("x-request-id").and_then(|value| value.to_str().ok());
        self.ring.open(|number| SeenRequest {
            body_bytes: body.len(),
            body_sha256: format!("{:x}", Bytes::copy_from_slice(&digest)),
            request_id: request_id.map(str::to_owned),
            ..SeenRequest::arrived(number, path)
        })
    }

    pub(crate) async fn admit(&self, headers: &HeaderMap, seen: &Seen) -> Result<Admitted, Stopped> {
        self.authorise(headers)?;
        self.pass_the_door().await;
        let behaviour = self.current();
        if behaviour.head_delay_ms > 0 {
            sleep(Duration::from_millis(behaviour.head_delay_ms)).await;
        }
        let number = seen.number().to_le_bytes();
        let mut draw = Draw::from(&[b"admission", &self.config.seed.to_le_bytes(), &number]);
        self.fail_if_told(&mut draw)?;
        let slot = Place::take(&self.answering);
        if behaviour.capacity.is_some_and(|capacity| self.answering.load(Ordering::SeqCst) > capacity) {
            return Err(Problem::over_capacity().into());
        }
        let pace = Pace::start(&behaviour, draw);
        Ok(Admitted { behaviour, pace, slot })
    }

    async fn pass_the_door(&self) {
        let mut behaviour = self.behaviour.subscribe();
        let shut = |behaviour: &Arc<Behaviour>| !behaviour.gate_open || behaviour.hang;
        if !shut(&behaviour.borrow_and_update()) {
            return;
        }
        let _place = Place::take(&self.waiting);
        // The sender lives in `self`, so the wait ends only by an opened door.
        drop(behaviour.wait_for(|behaviour| !shut(behaviour)).await);
    }

    /// The failure of this request, where the behaviour has one for it; the next few are counted down.
    fn fail_if_told(&self, draw: &mut Draw) -> Result<(), Stopped> {
        let mut outcome = Ok(());
        self.behaviour.send_if_modified(|behaviour| {
            let Some(fail) = behaviour.fail.clone() else { return false };
            if fail.next > 0 || draw.chance(fail.fraction) {
                outcome = Err(match fail.status {
                    Some(status) => Stopped::With(Problem::simulated(status)),
                    None => Stopped::Silently,
                });
            }
            if let Some(fail) = &mut Arc::make_mut(behaviour).fail {
                fail.next = fail.next.saturating_sub(1);
            }
            fail.next > 0
        });
        outcome
    }
}

impl Place {
    fn take(count: &Arc<AtomicUsize>) -> Self {
        count.fetch_add(1, Ordering::SeqCst);
        Self(Arc::clone(count))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl From<Problem> for Stopped {
    fn from(problem: Problem) -> Self {
        Self::With(problem)
    }
}

impl Stopped {
    /// Writes the failure down and answers it.
    pub(crate) fn answer(self, mut seen: Seen) -> Response {
        match self {
            Self::With(problem) => {
                seen.failed(Some(problem.status().as_u16()));
                problem.into_response()
            }
            Self::Silently => {
                seen.failed(None);
                answer::close_without_answer()
            }
        }
    }
}

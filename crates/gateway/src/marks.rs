//! Marks: the progress of many requests in one command.
//!
//! Requests hand in their marks one by one; the collector waits a moment for others and submits them together, so that two
//! hundred streams cost the ledger twenty commands a second and not eight hundred.
use std::mem;
use std::sync::Arc;
use std::time::Duration;

use sycee_core::entry::Submission;
use sycee_core::ids::RequestId;
use sycee_core::limits::MARKS_MAX;
use sycee_core::permission::Actor;
use sycee_core::settlement::{Command, Mark};
use sycee_node::Handle;
use tokio::sync::{mpsc, oneshot};

use crate::metrics::Metrics;

/// How long the first mark of a batch waits for others.
const WAIT: Duration = Duration::from_millis(20);
/// Marks that may wait at a time; more than requests, of which each has one.
const WAITING_MAX: usize = 16_384;

type Waiting = (RequestId, Mark, oneshot::Sender<()>);

/// Where marks are handed in. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Marks(mpsc::Sender<Waiting>);

impl Marks {
    /// The counter, and the work behind it, which ends when the last counter is dropped.
    pub(crate) fn new(handle: Handle, metrics: Arc<Metrics>) -> (Self, impl Future<Output = ()>) {
        let (sender, receiver) = mpsc::channel(WAITING_MAX);
        (Self(sender), collect(handle, metrics, receiver))
    }

    /// Resolves when the mark is durable, or with false when the ledger has stopped and it never will be.
    pub(crate) async fn durable(&self, request: RequestId, mark: Mark) -> bool {
        let (reply, answer) = oneshot::channel();
        self.0.send((request, mark, reply)).await.is_ok() && answer.await.is_ok()
    }
}

async fn collect(handle: Handle, metrics: Arc<Metrics>, mut receiver: mpsc::Receiver<Waiting>) {
    let mut batch: Vec<Waiting> = Vec::new();
    while let Some(first) = receiver.recv().await {
        batch.push(first);
        tokio::time::sleep(WAIT).await;
        while batch.len() < MARKS_MAX {
            let Ok(next) = receiver.try_recv() else {
                break;
            };
            batch.push(next);
        }
        metrics.marked(batch.len());
        submit(&handle, mem::take(&mut batch)).await;
    }
}

/// Submits until the ledger decides; marks are never given up while it lives.
async fn submit(handle: &Handle, batch: Vec<Waiting>) {
    let marks = batch.iter().map(|(request, mark, _)| (*request, *mark)).collect();
    let command = Command::Advance { marks };
    loop {
        match handle.submit(Submission::internal(Actor::Gateway, command.clone())).await {
            Ok(sycee_core::Outcome::Applied { .. }) => break,
            Ok(other) => {
                tracing::error!(?other, "marks were not taken");
                return;
            }
            Err(sycee_node::Unavailable::Stopped) => return,
            Err(sycee_node::Unavailable::Overloaded | sycee_node::Unavailable::ClockJumped) => {
                tokio::time::sleep(WAIT).await;
            }
        }
    }
    for (_, _, reply) in batch {
        // Whoever waited may have left.
        let _ = reply.send(());
    }
}

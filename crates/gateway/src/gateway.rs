//! The gateway: what all requests of one process share, and its life from the first request to the last.
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, RwLock};
use std::time::Duration;

use sycee_core::catalog::OfferTerms;
use sycee_core::entry::Submission;
use sycee_core::permission::Actor;
use sycee_core::{Outcome, settlement};
use sycee_node::Handle;
use tokio::sync::{Semaphore, watch};

use crate::error::{Error, ErrorKind};
use crate::health::Health;
use crate::joins::Joins;
use crate::marks::Marks;
use crate::metrics::Metrics;
use crate::options::Options;
use crate::refusals::Refusals;
use crate::serve::Places;
use crate::tasks::Tasks;
use crate::upstream::Upstreams;

/// What requests that are told to stop are given to settle.
const SETTLE_WITHIN: Duration = Duration::from_secs(10);

/// The data plane of a node. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Gateway(pub(crate) Arc<Shared>);

#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) handle: Handle,
    options: RwLock<Arc<Options>>,
    pub(crate) health: Health,
    pub(crate) upstreams: Upstreams,
    pub(crate) marks: Marks,
    pub(crate) joins: Joins,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) tasks: Tasks,
    /// True from when running requests must end.
    pub(crate) stop: watch::Sender<bool>,
    /// True from when no new ones are taken.
    closing: watch::Sender<bool>,
    pub(crate) running: AtomicUsize,
    pub(crate) places: Arc<Places>,
    pub(crate) refusals: Refusals,
    pub(crate) counters: Arc<Semaphore>,
}

impl Shared {
    pub(crate) fn options(&self) -> Arc<Options> {
        Arc::clone(&self.options.read().expect("nothing panics while it holds the options"))
    }

    pub(crate) fn is_closing(&self) -> bool {
        *self.closing.borrow()
    }
}

/// Waits until no hold of an earlier epoch is left, so that nobody is refused money that a dead request holds.
async fn orphans_settled(handle: &Handle) {
    let mut durable = handle.durable();
    loop {
        let orphans = {
            let views = handle.views();
            let settlement = &views.state.settlement;
            settlement.holds().iter().any(|(_, hold)| hold.epoch < settlement.epoch())
        };
        if !orphans || durable.changed().await.is_err() {
            return;
        }
    }
}

impl Gateway {
    /// Begins a new epoch: requests that an earlier gateway left open are settled at their last mark before this returns.
    pub async fn start(handle: Handle, options: Options) -> Result<Self, Error> {
        let begin = Submission::internal(Actor::Gateway, settlement::Command::BeginEpoch);
        match handle.submit(begin).await {
            Ok(Outcome::Applied { .. }) => {}
            Ok(other) => {
                return Err(Error::new(ErrorKind::Ledger, format!("begin an epoch: {other:?}")));
            }
            Err(error) => return Err(Error::new(ErrorKind::Ledger, "begin an epoch").because(error)),
        }
        orphans_settled(&handle).await;
        let metrics = Arc::new(Metrics::default());
        let tasks = Tasks::default();
        let (marks, collect) = Marks::new(handle.clone(), Arc::clone(&metrics));
        // Not one of the tasks that a shutdown waits for: it ends with the gateway.
        #[expect(clippy::disallowed_methods, reason = "it ends when the last counter is dropped")]
        tokio::spawn(collect);
        let limits = options.limits;
        Ok(Self(Arc::new(Shared {
            handle,
            health: Health::default(),
            upstreams: Upstreams::new(options.timeouts.connect),
            marks,
            joins: Joins::new(limits.replays_max, limits.replay_for),
            metrics,
            tasks,
            stop: watch::Sender::new(false),
            closing: watch::Sender::new(false),
            running: AtomicUsize::new(0),
            places: Arc::default(),
            refusals: Refusals::default(),
            counters: Arc::new(Semaphore::new(limits.counters_max)),
            options: RwLock::new(Arc::new(options)),
        })))
    }

    /// Replaces the options for requests to come. The connect timeout stays as it was.
    pub fn reload(&self, options: Options) {
        *self.0.options.write().expect("nothing panics while it holds the options") = Arc::new(options);
    }

    /// The counters in Prometheus' text format.
    pub fn metrics_text(&self) -> String {
        self.0.metrics.text(self.0.running.load(Ordering::Relaxed), self.0.places.taken())
    }

    /// Whether requests for an offer can be sent from here: its site has an address, and what it pins to count by is loaded.
    pub fn can_send(&self, site_name: &str, terms: &OfferTerms) -> bool {
        let options = self.0.options();
        options.upstreams.contains_key(site_name) && options.registry.counter(terms).is_some()
    }

    /// What is known of the offers' health.
    pub fn health(&self) -> &Health {
        &self.0.health
    }

    /// Takes no more requests, lets the running ones end for as long as the options say, then ends and settles them. Returns
    /// whether all of them could be settled.
    pub async fn stop(&self) -> bool {
        self.0.closing.send_replace(true);
        if self.0.tasks.idle(self.0.options().timeouts.drain).await {
            return true;
        }
        self.0.stop.send_replace(true);
        self.0.tasks.idle(SETTLE_WITHIN).await
    }
}

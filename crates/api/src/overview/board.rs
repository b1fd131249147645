//! The board: the overview of a moment, worked out once however many look at it.
//!
//! Whoever comes first works it out while the others wait; whoever may see the same is given the same text.
use super::Overview;
use super::now;
use crate::caller::Caller;
use crate::error::Problem;
use crate::state::Api;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use sycee_core::ids::{MemberId, RequestId};
use sycee_node::Receipt;

/// Pages that may follow the live stream.
pub(crate) const WATCHERS_MAX: usize = 1_000;

/// What may be seen of the overview, and by whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Seer {
    /// Operators and auditors.
    Everything,
    /// Everything but the names of other consumers.
    Member(MemberId),
}

impl Seer {
    pub(super) fn of(caller: &Caller) -> Self {
        if caller.sees_all() { Self::Everything } else { Self::Member(caller.id) }
    }

    pub(super) fn knows(self, consumer: MemberId) -> bool {
        match self {
            Self::Everything => true,
            Self::Member(member) => member == consumer,
        }
    }
}

/// The overview of one moment.
#[derive(Debug)]
pub(super) struct Moment {
    pub(super) taken: Instant,
    /// Of everything; [`Moment::text`] leaves out what is not for everybody.
    pub(super) overview: Overview,
    /// The consumers of its flows, in order.
    pub(super) flow_owners: Vec<MemberId>,
    /// The consumers of its receipts, in order.
    pub(super) receipt_owners: Vec<MemberId>,
    /// The receipts as the log has them, so that the next moment reads only what is new.
    pub(super) recorded: BTreeMap<RequestId, Arc<Receipt>>,
    /// The entries that were durable when the first after them was seen to wait, and when that was.
    pub(super) behind: Option<(u64, Instant)>,
    pub(super) texts: Mutex<BTreeMap<Seer, Arc<str>>>,
}

impl Moment {
    pub(super) fn position(&self) -> u64 {
        self.overview.position
    }

    /// What `seer` may see of it, as JSON.
    pub(super) fn text(&self, seer: Seer) -> Arc<str> {
        let mut texts = self.texts.lock().unwrap_or_else(PoisonError::into_inner);
        let text = texts.entry(seer).or_insert_with(|| {
            let seen = self.seen_by(seer);
            serde_json::to_string(&seen).expect("an overview has no maps with strange keys").into()
        });
        Arc::clone(text)
    }

    fn seen_by(&self, seer: Seer) -> Overview {
        let mut seen = self.overview.clone();
        for (receipt, owner) in seen.receipts.iter_mut().zip(&self.receipt_owners) {
            if !seer.knows(*owner) {
                receipt.consumer = None;
            }
        }
        let mut unnamed: BTreeMap<(String, String), usize> = BTreeMap::new();
        seen.flows.clear();
        for (flow, owner) in self.overview.flows.iter().zip(&self.flow_owners) {
            if seer.knows(*owner) {
                seen.flows.push(flow.clone());
                continue;
            }
            match unnamed.get(&(flow.site.clone(), flow.model.clone())) {
                Some(index) => seen.flows[*index].tokens_per_min += flow.tokens_per_min,
                None => {
                    unnamed.insert((flow.site.clone(), flow.model.clone()), seen.flows.len());
                    seen.flows.push(super::Flow { consumer: None, ..flow.clone() });
                }
            }
        }
        seen
    }
}

/// The newest moment, and how many follow.
#[derive(Debug, Default)]
pub(crate) struct Board {
    newest: tokio::sync::Mutex<Option<Arc<Moment>>>,
    watchers: Arc<AtomicUsize>,
}

impl Board {
    /// A moment that shows the entry at `position`, and is about as new as one can look.
    pub(super) async fn shows(&self, api: &Api, position: u64) -> Result<Arc<Moment>, Problem> {
        self.newest(api, |moment| {
            moment.position() >= position && moment.taken.elapsed() < super::UPDATE_EVERY
        })
        .await
    }

    /// A moment that is not older than `age`.
    pub(super) async fn not_older_than(&self, api: &Api, age: Duration) -> Result<Arc<Moment>, Problem> {
        self.newest(api, |moment| moment.taken.elapsed() < age).await
    }

    /// A place among those who follow, if there is one left.
    pub(crate) fn admit(&self) -> Option<Watcher> {
        let admitted = self.watchers.fetch_update(Ordering::AcqRel, Ordering::Acquire, |count| {
            (count < WATCHERS_MAX).then_some(count + 1)
        });
        admitted.ok().map(|_| Watcher(Arc::clone(&self.watchers)))
    }

    async fn newest(
        &self,
        api: &Api,
        will_do: impl Fn(&Moment) -> bool + Send,
    ) -> Result<Arc<Moment>, Problem> {
        let mut newest = self.newest.lock().await;
        if let Some(moment) = newest.as_ref().filter(|moment| will_do(moment)) {
            return Ok(Arc::clone(moment));
        }
        let before = newest.clone();
        let moment = Arc::new(api.read(move |api| now::moment(api, before.as_deref())).await?);
        *newest = Some(Arc::clone(&moment));
        Ok(moment)
    }
}

/// One page that follows; counted for as long as it does.
#[derive(Debug)]
pub(crate) struct Watcher(Arc<AtomicUsize>);

impl Drop for Watcher {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

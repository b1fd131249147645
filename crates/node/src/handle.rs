//! The handle: what a gateway or an API holds of a node.
use crate::archive::{Archive, Receipt, StatementLine};
use crate::checkpoint::Signed;
use crate::clock::Clock;
use crate::error::{Result, Unavailable};
use crate::ids;
use crate::threads::{Arrival, LINES_WAITING_MAX, Reply, lines_of};
use crate::views::{Reading, Views};
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{SyncSender, TrySendError};
use std::sync::{Arc, OnceLock, PoisonError, RwLock};
use std::time::Duration;
use sycee_core::Outcome;
use sycee_core::entry::Submission;
use sycee_core::ids::{RequestId, Time};
use sycee_core::ledger::Account;
use tokio::sync::{oneshot, watch};

/// A running node, for those who use it. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Handle {
    pub(crate) arrivals: SyncSender<Arrival>,
    pub(crate) shared: Arc<Shared>,
    pub(crate) durable: watch::Receiver<u64>,
    pub(crate) archive: Archive,
}

/// What the stages publish.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) views: RwLock<Views>,
    /// Lines of metering that wait to be decided.
    pub(crate) lines_waiting: AtomicUsize,
    /// Entries decided so far, and how many of them are durable.
    pub(crate) decided: AtomicU64,
    pub(crate) durable: AtomicU64,
    /// The next step is to end with a snapshot.
    pub(crate) snapshot_wanted: AtomicBool,
    /// The node is closing: what is not done soon is given up.
    pub(crate) closing: AtomicBool,
    /// When the last durable entry was decided, for those who need not wait for the views.
    pub(crate) last_at: AtomicU64,
    /// Why nothing more will be written, once that is so.
    pub(crate) stopped: OnceLock<String>,
    pub(crate) checkpoint: RwLock<Signed>,
    pub(crate) clock: Clock,
    pub(crate) started: Time,
}

impl Shared {
    pub(crate) fn new(views: Views, checkpoint: Signed, clock: Clock) -> Self {
        Self {
            decided: AtomicU64::new(views.state.position),
            durable: AtomicU64::new(views.state.position),
            snapshot_wanted: AtomicBool::new(false),
            closing: AtomicBool::new(false),
            last_at: AtomicU64::new(views.state.at.0),
            views: RwLock::new(views),
            lines_waiting: AtomicUsize::new(0),
            stopped: OnceLock::new(),
            checkpoint: RwLock::new(checkpoint),
            started: clock.now().wall,
            clock,
        }
    }
}

impl Shared {
    /// Changes the views; none if somebody who did has panicked, and left who knows what.
    pub(crate) fn change<T>(&self, change: impl FnOnce(&mut Views) -> T) -> Option<T> {
        self.views.write().ok().map(|mut views| change(&mut views))
    }

    /// A writer that panicked leaves half a fold. It is read all the same, as [`Handle::settled`] will not let it be told.
    pub(crate) fn views(&self) -> Reading<'_> {
        // In this order: what becomes durable meanwhile is in the views already.
        let durable = self.durable.load(Ordering::Acquire);
        Reading::new(self.views.read().unwrap_or_else(PoisonError::into_inner), durable)
    }
}

/// How a node is doing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// Entries decided.
    pub position: u64,
    /// Entries durable.
    pub durable: u64,
    pub started: Time,
    pub at: Time,
    /// The wall clock is behind the log: time moves by a nanosecond an entry until it has caught up.
    pub clock_behind: Option<Duration>,
    /// Why the node has stopped writing, if it has.
    pub stopped: Option<String>,
}

impl Handle {
    /// Sends a command; the answer comes when it is durable together with everything it could have seen.
    pub async fn submit(&self, submission: Submission) -> Result<Outcome, Unavailable> {
        let (reply, answer) = oneshot::channel();
        self.send(submission, reply)?;
        answer.await.unwrap_or(Err(Unavailable::Stopped))
    }

    /// As [`Handle::submit`], for threads that may wait.
    pub fn submit_blocking(&self, submission: Submission) -> Result<Outcome, Unavailable> {
        let (reply, answer) = oneshot::channel();
        self.send(submission, reply)?;
        answer.blocking_recv().unwrap_or(Err(Unavailable::Stopped))
    }

    pub(crate) fn send(&self, submission: Submission, reply: Reply) -> Result<(), Unavailable> {
        let lines = lines_of(&submission);
        if self.shared.lines_waiting.fetch_add(lines, Ordering::AcqRel) > LINES_WAITING_MAX {
            self.shared.lines_waiting.fetch_sub(lines, Ordering::AcqRel);
            return Err(Unavailable::Overloaded);
        }
        let arrival = Arrival::Submission(reply, Box::new(submission));
        self.arrivals.try_send(arrival).map_err(|error| {
            self.shared.lines_waiting.fetch_sub(lines, Ordering::AcqRel);
            match error {
                TrySendError::Full(_) => Unavailable::Overloaded,
                TrySendError::Disconnected(_) => Unavailable::Stopped,
            }
        })
    }

    /// The state and the read models as far as entries are decided. Hold it briefly and never across an await: the writer waits
    /// for it. What was read may be told once [`Handle::settled`] says so.
    pub fn views(&self) -> Reading<'_> {
        self.shared.views()
    }

    /// Waits until everything that was read so far is durable, so that it can be told.
    pub async fn settled(&self) -> Result<(), Unavailable> {
        let decided = self.shared.decided.load(Ordering::Acquire);
        let mut durable = self.durable.clone();
        let settled = durable.wait_for(|durable| *durable >= decided).await.is_ok();
        if settled && !self.shared.views.is_poisoned() { Ok(()) } else { Err(Unavailable::Stopped) }
    }

    /// The node's time: the wall clock, or the log's own where that is ahead.
    pub fn now(&self) -> Time {
        self.shared.clock.now().wall.max(self.last_at())
    }

    /// A new id, stamped with the node's time.
    pub fn new_id(&self) -> Result<u128> {
        ids::draw(self.now())
    }

    /// How the node is doing.
    pub fn status(&self) -> Status {
        // Not from the views: a node whose invariant is broken can still say so.
        let (durable, last) = (*self.durable.borrow(), self.last_at());
        let wall = self.shared.clock.now().wall;
        let behind = Duration::from_nanos(last.0.saturating_sub(wall.0));
        Status {
            position: self.shared.decided.load(Ordering::Acquire).max(durable),
            durable,
            started: self.shared.started,
            at: wall.max(last),
            clock_behind: (behind > Duration::from_secs(1)).then_some(behind),
            stopped: self.shared.stopped.get().cloned(),
        }
    }

    fn last_at(&self) -> Time {
        Time(self.shared.last_at.load(Ordering::Acquire))
    }

    /// Changes whenever the durable position moves; closes when the node stops.
    pub fn durable(&self) -> watch::Receiver<u64> {
        self.durable.clone()
    }

    /// Waits until the entry at `position` is durable; false if that takes longer than `limit`.
    pub async fn reached(&self, position: u64, limit: Duration) -> bool {
        let mut durable = self.durable.clone();
        let wait = durable.wait_for(|next| *next > position);
        matches!(tokio::time::timeout(limit, wait).await, Ok(Ok(_)))
    }

    /// The receipt of a request, if it is closed.
    pub fn receipt(&self, request: RequestId) -> Result<Option<Receipt>> {
        let position = self.views().position_of(request);
        position.map(|position| self.archive.receipt(position, request)).transpose()
    }

    /// Movements of an account, oldest first: those of the statement lines in `range`.
    pub fn statement(&self, account: Account, range: Range<usize>) -> Result<Vec<StatementLine>> {
        let lines = self.views().lines(account, range);
        self.archive.movements(account, &lines)
    }

    /// The latest signed checkpoint.
    pub fn checkpoint(&self) -> Signed {
        self.shared.checkpoint.read().expect("nothing panics while it is replaced").clone()
    }
}

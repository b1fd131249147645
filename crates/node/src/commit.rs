//! Commit: what was written becomes durable and may be told.
//!
//! The only stage that lets anything out. It also signs checkpoints of what is durable and, now and then, wants a snapshot so
//! that the next start is short.
use crate::append::Written;
use crate::checkpoint::Signer;
use crate::error::Result;
use crate::handle::Shared;
use crate::snapshot::{Job, Snapshots};
use crate::views::Views;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use sycee_core::Outcome;
use sycee_log::{Frontier, Head, Syncer};
use tokio::sync::watch;

/// How often a new checkpoint is signed while entries are written.
pub(crate) const CHECKPOINT_EVERY: Duration = Duration::from_secs(1);
/// A snapshot is wanted after so many entries, or so many bytes of them, whichever comes first.
const SNAPSHOT_ENTRIES: u64 = 200_000;
const SNAPSHOT_BYTES: u64 = 1 << 30;
/// But not before the log has grown by so many snapshots: writing them is to cost less than writing the log.
const SNAPSHOTS_APART: u64 = 2;

/// The committing stage: owns the tree over all leaves, and the right to answer.
pub(crate) struct Commit {
    snapshots: Snapshots,
    syncer: Syncer,
    signer: Signer,
    shared: Arc<Shared>,
    durable: watch::Sender<u64>,
    /// As far as the log is durable.
    head: Head,
    pub(crate) tree: Frontier,
    last_snapshot: LastSnapshot,
    /// One that is to be written.
    job: Option<Job>,
    last_checkpoint: Duration,
}

/// The newest snapshot, and what has come since.
#[derive(Debug)]
struct LastSnapshot {
    position: u64,
    size: u64,
    bytes_since: u64,
    /// The next is on its way.
    under_way: bool,
}

/// What a committing stage is made of.
pub(crate) struct Parts {
    pub(crate) snapshots: Snapshots,
    pub(crate) syncer: Syncer,
    pub(crate) signer: Signer,
    pub(crate) durable: watch::Sender<u64>,
    pub(crate) head: Head,
    pub(crate) tree: Frontier,
    /// Entries in the newest snapshot.
    pub(crate) last_snapshot: u64,
}

impl Commit {
    pub(crate) fn new(parts: Parts) -> Self {
        let Parts { snapshots, syncer, signer, durable, head, tree, last_snapshot } = parts;
        let shared = Arc::clone(&snapshots.shared);
        let last_checkpoint = shared.clock.now().monotonic;
        let last_snapshot =
            LastSnapshot { position: last_snapshot, size: 0, bytes_since: 0, under_way: false };
        Self {
            snapshots,
            syncer,
            signer,
            shared,
            durable,
            head,
            tree,
            last_snapshot,
            job: None,
            last_checkpoint,
        }
    }

    /// Makes a part durable and returns the outcomes that may now leave.
    pub(crate) fn commit<T>(&mut self, written: Written<T>) -> Result<Vec<(T, Outcome)>> {
        let Written { head, at, leaves, outcomes, bytes, frozen } = written;
        if let Some(at) = at {
            let durable = self.syncer.sync()?;
            assert!(durable.number >= head.number, "a sync covers what was appended before it");
            for leaf in leaves {
                self.tree.push(leaf);
            }
            assert_eq!(self.tree.size(), head.position, "every entry is a leaf");
            self.head = head;
            self.shared.last_at.store(at.0, Ordering::Release);
            self.shared.durable.store(head.position, Ordering::Release);
            self.durable.send_replace(head.position);
            self.last_snapshot.bytes_since += bytes;
        }
        if let Some(rest) = frozen {
            self.job = Some(Job { rest, head, tree: self.tree.clone() });
        }
        Ok(outcomes)
    }

    /// What has to be done from time to time.
    pub(crate) fn upkeep(&mut self) -> Result<()> {
        let now = self.shared.clock.now().monotonic;
        if now.saturating_sub(self.last_checkpoint) >= CHECKPOINT_EVERY {
            self.sign()?;
            self.last_checkpoint = now;
        }
        if self.last_snapshot.is_old(self.head.position) {
            self.last_snapshot.under_way = true;
            self.shared.snapshot_wanted.store(true, Ordering::Release);
        }
        Ok(())
    }

    /// A snapshot that is to be written, by somebody who has the time.
    pub(crate) fn take_job(&mut self) -> Option<Job> {
        self.job.take()
    }

    /// A snapshot that was to be written is: up to a position, and so large. Or it is not.
    pub(crate) fn stored(&mut self, snapshot: Option<(u64, u64)>) {
        let last = &mut self.last_snapshot;
        let (position, size) = snapshot.unwrap_or((last.position, last.size));
        *last = LastSnapshot { position, size, bytes_since: 0, under_way: false };
    }

    /// The last checkpoint of a node that stops, and a snapshot unless it had to.
    pub(crate) fn finish(&mut self, orderly: bool) -> Result<()> {
        self.sign()?;
        if orderly { self.snapshot() } else { Ok(()) }
    }

    pub(crate) fn sign(&mut self) -> Result<()> {
        let known = self.shared.checkpoint.read().expect("nothing panics while it is replaced").size;
        if self.tree.size() != known {
            let signed = self.signer.sign(&self.tree)?;
            *self.shared.checkpoint.write().expect("nothing panics while it is replaced") = signed;
        }
        Ok(())
    }

    /// Writes a snapshot of what is durable now, which is all there is.
    pub(crate) fn snapshot(&mut self) -> Result<()> {
        if self.head.position <= self.last_snapshot.position {
            return Ok(());
        }
        let Some(rest) = self.shared.change(Views::freeze) else { return Ok(()) };
        assert_eq!(rest.position, self.head.position, "nothing is decided any more");
        let job = Job { rest, head: self.head, tree: self.tree.clone() };
        let size = self.snapshots.store(&job)?;
        self.stored(size.map(|size| (self.head.position, size)));
        Ok(())
    }
}

impl LastSnapshot {
    fn is_old(&self, position: u64) -> bool {
        let bytes = SNAPSHOT_BYTES.max(self.size * SNAPSHOTS_APART);
        let is_old = position >= self.position + SNAPSHOT_ENTRIES || self.bytes_since >= bytes;
        is_old && !self.under_way
    }
}

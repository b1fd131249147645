//! Commit: what was written becomes durable, is folded into the views, and may be told.
//!
//! The only stage that lets anything out. It also signs checkpoints of what is durable and, now and then, writes a snapshot so
//! that the next start is short.
use crate::append::Written;
use crate::checkpoint::Signer;
use crate::error::Result;
use crate::handle::Shared;
use crate::snapshot;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use sycee_core::Outcome;
use sycee_core::entry::Entry;
use sycee_log::{Disk, Head, Syncer};
use tokio::sync::watch;

/// How often a new checkpoint is signed while entries are written.
pub(crate) const CHECKPOINT_EVERY: Duration = Duration::from_secs(1);
/// Entries between two snapshots.
pub(crate) const SNAPSHOT_EVERY: u64 = 200_000;

const FOLDS: &str = "a fold that fails has ended this stage";

/// The committing stage: owns the views' lock for writing, and the right to answer.
pub(crate) struct Commit {
    disk: Arc<dyn Disk>,
    directory: PathBuf,
    syncer: Syncer,
    signer: Signer,
    shared: Arc<Shared>,
    durable: watch::Sender<u64>,
    /// What the views have folded.
    head: Head,
    last_snapshot: u64,
    last_checkpoint: Duration,
}

/// What a committing stage is made of.
pub(crate) struct Parts {
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) directory: PathBuf,
    pub(crate) syncer: Syncer,
    pub(crate) signer: Signer,
    pub(crate) shared: Arc<Shared>,
    pub(crate) durable: watch::Sender<u64>,
    pub(crate) head: Head,
    /// Entries in the newest snapshot.
    pub(crate) last_snapshot: u64,
}

impl Commit {
    pub(crate) fn new(parts: Parts) -> Self {
        let Parts { disk, directory, syncer, signer, shared, durable, head, last_snapshot } = parts;
        let last_checkpoint = shared.clock.now().monotonic;
        Self { disk, directory, syncer, signer, shared, durable, head, last_snapshot, last_checkpoint }
    }

    /// Makes a part durable, folds it, and returns the outcomes that may now leave.
    pub(crate) fn commit<T>(&mut self, written: Written<T>) -> Result<Vec<(T, Outcome)>> {
        let Written { head, entries, leaves, outcomes } = written;
        if !entries.is_empty() {
            let durable = self.syncer.sync()?;
            assert!(durable.number >= head.number, "a sync covers what was appended before it");
            self.fold(head, &entries, &leaves);
        }
        Ok(outcomes)
    }

    fn fold(&mut self, head: Head, entries: &[Entry], leaves: &[[u8; 32]]) {
        {
            let mut views = self.shared.views.write().expect(FOLDS);
            for entry in entries {
                views.fold(entry);
            }
            for leaf in leaves {
                views.tree.0.push(*leaf);
            }
            assert_eq!(views.state.position, head.position, "the views have folded what is durable");
            self.shared.last_at.store(views.state.at.0, Ordering::Release);
        }
        self.head = head;
        self.durable.send_replace(head.position);
    }

    /// What has to be done from time to time.
    pub(crate) fn upkeep(&mut self) -> Result<()> {
        let now = self.shared.clock.now().monotonic;
        if now.saturating_sub(self.last_checkpoint) >= CHECKPOINT_EVERY {
            self.sign()?;
            self.last_checkpoint = now;
        }
        if self.head.position >= self.last_snapshot + SNAPSHOT_EVERY {
            self.snapshot()?;
        }
        Ok(())
    }

    /// The last checkpoint of a node that stops, and a snapshot unless it had to.
    pub(crate) fn finish(&mut self, orderly: bool) -> Result<()> {
        self.sign()?;
        if orderly { self.snapshot() } else { Ok(()) }
    }

    pub(crate) fn sign(&mut self) -> Result<()> {
        let tree = self.shared.views.read().expect(FOLDS).tree.clone();
        let known = self.shared.checkpoint.read().expect("nothing panics while it is replaced").size;
        if tree.0.size() != known {
            let signed = self.signer.sign(&tree)?;
            *self.shared.checkpoint.write().expect("nothing panics while it is replaced") = signed;
        }
        Ok(())
    }

    pub(crate) fn snapshot(&mut self) -> Result<()> {
        if self.head.position > self.last_snapshot {
            let bytes = snapshot::encode(&self.shared.views.read().expect(FOLDS));
            snapshot::store(&*self.disk, &self.directory, self.head, bytes)?;
            self.last_snapshot = self.head.position;
        }
        Ok(())
    }
}

//! Threads: the two that make a node, and how it starts and stops.
//!
//! The channel between them holds one batch, so while a frame reaches the disk the next one is decided, and everything that
//! arrives meanwhile goes into the one after: the slower the disk, the larger the frames.
use crate::checkpoint::Signer;
use crate::error::{Error, ErrorKind, Result, Unavailable};
use crate::halt;
use crate::handle::{Handle, Shared};
use crate::order::{Batch, Order};
use crate::seal::Sealer;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use sycee_core::entry::{Entry, Submission};
use sycee_core::{Core, Outcome};
use sycee_log::Log;
use tokio::sync::{oneshot, watch};

/// Commands that may wait to be decided.
pub(crate) const ARRIVALS_MAX: usize = 16_384;
/// Commands that are decided in one go.
const BATCH_MAX: usize = 2_048;
/// How often the node looks whether work has become due while nothing arrives.
const TICK: Duration = Duration::from_millis(100);
/// How often a new checkpoint is signed while entries are written.
const CHECKPOINT_EVERY: Duration = Duration::from_secs(1);
/// Entries between two snapshots.
const SNAPSHOT_EVERY: u64 = 200_000;

pub(crate) type Reply = oneshot::Sender<Result<Outcome, Unavailable>>;

/// What the ordering thread is sent.
#[derive(Debug)]
pub(crate) enum Arrival {
    Submission(Reply, Box<Submission>),
    Stop,
}

/// A running node. Dropping it stops it too, without the last checkpoint.
#[derive(Debug)]
pub struct Node {
    handle: Handle,
    order: Option<JoinHandle<()>>,
    write: Option<JoinHandle<Result<()>>>,
}

impl Node {
    /// What others use of it.
    pub fn handle(&self) -> Handle {
        self.handle.clone()
    }

    /// Decides what has arrived, writes it, signs a last checkpoint, and ends. An error says why writing had stopped.
    pub fn stop(mut self) -> Result<()> {
        self.end()
    }

    fn end(&mut self) -> Result<()> {
        // A full queue drains by itself; an ordering thread that is gone needs no message.
        drop(self.handle.arrivals.send(Arrival::Stop));
        let panicked =
            |_| Error::new(ErrorKind::Unsound, "go on: an invariant is broken, see the message above");
        if let Some(thread) = self.order.take() {
            thread.join().map_err(panicked)?;
        }
        match self.write.take() {
            Some(thread) => thread.join().map_err(panicked)?,
            None => Ok(()),
        }
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        if let Err(error) = self.end() {
            tracing::error!("{error}");
        }
    }
}

/// What the two threads are started with.
pub(crate) struct Parts {
    pub(crate) core: Core,
    pub(crate) log: Log,
    pub(crate) sealer: Sealer,
    pub(crate) signer: Signer,
    pub(crate) shared: Arc<Shared>,
    pub(crate) handle: Handle,
    pub(crate) durable: watch::Sender<u64>,
    pub(crate) arrivals: Receiver<Arrival>,
    pub(crate) directory: PathBuf,
}

pub(crate) fn run(parts: Parts) -> Result<Node> {
    let Parts { core, log, sealer, signer, shared, handle, durable, arrivals, directory } = parts;
    let (batches, to_write) = std::sync::mpsc::sync_channel(1);
    let order = Order::new(core, shared.clock.now());
    let ordering = Deciding { order, arrivals, batches, shared: Arc::clone(&shared), directory };
    let last_snapshot = log.durable().position;
    let writing =
        Writing { log, sealer, signer, shared, durable, last_snapshot, last_checkpoint: Instant::now() };
    let spawn = |error| Error::because(ErrorKind::Io, "start a thread", error);
    let order =
        std::thread::Builder::new().name("order".to_owned()).spawn(move || ordering.run()).map_err(spawn)?;
    let write = std::thread::Builder::new()
        .name("write".to_owned())
        .spawn(move || writing.run(&to_write))
        .map_err(spawn)?;
    Ok(Node { handle, order: Some(order), write: Some(write) })
}

/// Says why the node has stopped, whichever way its thread ends.
struct Farewell(Arc<Shared>);

impl Drop for Farewell {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0
                .stopped
                .get_or_init(|| "an invariant is broken; the log holds everything acknowledged".to_owned());
        }
    }
}

struct Deciding {
    order: Order,
    arrivals: Receiver<Arrival>,
    batches: SyncSender<Batch<Reply>>,
    shared: Arc<Shared>,
    directory: PathBuf,
}

impl Deciding {
    fn run(mut self) {
        let _farewell = Farewell(Arc::clone(&self.shared));
        let mut stopping = false;
        while !stopping {
            let arrived;
            (arrived, stopping) = self.collect();
            let now = self.shared.clock.now();
            if arrived.is_empty() && !self.order.is_due(now) {
                continue;
            }
            match self.order.step(now, arrived) {
                Ok(batch) => {
                    self.shared.decided.store(self.order.core().state().position, Ordering::Release);
                    if self.batches.send(batch).is_err() {
                        return;
                    }
                }
                Err((jump, replies)) => {
                    self.shared.stopped.get_or_init(|| halt::write(&self.directory, jump));
                    for reply in replies {
                        answer(reply, Err(Unavailable::ClockJumped));
                    }
                }
            }
        }
    }

    /// Waits for a submission, then takes what else is there; true if the node is to stop.
    fn collect(&self) -> (Vec<(Reply, Submission)>, bool) {
        let mut arrived = Vec::new();
        let mut next = self.arrivals.recv_timeout(TICK);
        loop {
            match next {
                Ok(Arrival::Submission(reply, submission)) => arrived.push((reply, *submission)),
                Ok(Arrival::Stop) | Err(RecvTimeoutError::Disconnected) => return (arrived, true),
                Err(RecvTimeoutError::Timeout) => return (arrived, false),
            }
            if arrived.len() == BATCH_MAX {
                return (arrived, false);
            }
            next = self.arrivals.try_recv().map_err(|_| RecvTimeoutError::Timeout);
        }
    }
}

/// Whoever asked may have gone; the outcome stands all the same.
fn answer(reply: Reply, outcome: Result<Outcome, Unavailable>) {
    drop(reply.send(outcome));
}

struct Writing {
    log: Log,
    sealer: Sealer,
    signer: Signer,
    shared: Arc<Shared>,
    durable: watch::Sender<u64>,
    last_snapshot: u64,
    last_checkpoint: Instant,
}

impl Writing {
    fn run(mut self, batches: &Receiver<Batch<Reply>>) -> Result<()> {
        let _farewell = Farewell(Arc::clone(&self.shared));
        let result = self.write_all(batches);
        if let Err(error) = &result {
            self.shared.stopped.get_or_init(|| error.to_string());
            tracing::error!("writing has stopped: {error}");
        }
        result
    }

    fn write_all(&mut self, batches: &Receiver<Batch<Reply>>) -> Result<()> {
        loop {
            match batches.recv_timeout(CHECKPOINT_EVERY) {
                Ok(batch) => self.write(batch)?,
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
            if self.last_checkpoint.elapsed() >= CHECKPOINT_EVERY {
                self.sign()?;
                self.last_checkpoint = Instant::now();
            }
            if self.log.durable().position >= self.last_snapshot + SNAPSHOT_EVERY {
                self.snapshot()?;
            }
        }
        self.sign()?;
        self.snapshot()
    }

    fn write(&mut self, batch: Batch<Reply>) -> Result<()> {
        let Batch { entries, outcomes } = batch;
        let sealed = self.sealer.seal(&entries);
        for frame in &sealed {
            self.log.append(self.log.next_number(), &frame.draft)?;
            self.log.sync()?;
        }
        self.fold(&entries, sealed.iter().flat_map(|frame| &frame.leaves));
        for (reply, outcome) in outcomes {
            answer(reply, Ok(outcome));
        }
        Ok(())
    }

    fn fold<'a>(&mut self, entries: &[Entry], leaves: impl Iterator<Item = &'a [u8; 32]>) {
        if entries.is_empty() {
            return;
        }
        let position = {
            let mut views = self.shared.views.write().expect("a fold that failed has ended this thread");
            for entry in entries {
                views.fold(entry);
            }
            leaves.for_each(|leaf| views.tree.0.push(*leaf));
            views.state.position
        };
        self.durable.send_replace(position);
    }

    fn sign(&mut self) -> Result<()> {
        let tree = self.shared.views.read().expect("a fold that failed has ended this thread").tree.clone();
        let known = self.shared.checkpoint.read().expect("nothing panics while it is replaced").size;
        if tree.0.size() != known {
            let signed = self.signer.sign(&tree)?;
            *self.shared.checkpoint.write().expect("nothing panics while it is replaced") = signed;
        }
        Ok(())
    }

    fn snapshot(&mut self) -> Result<()> {
        let head = self.log.durable();
        if head.position > self.last_snapshot {
            let views = self.shared.views.read().expect("a fold that failed has ended this thread");
            let bytes = minicbor::to_vec(&*views).expect("encoding into memory does not fail");
            drop(views);
            self.signer.write_snapshot(head, bytes)?;
            self.last_snapshot = head.position;
        }
        Ok(())
    }
}

//! Threads: what carries a node's stages, and how they start and stop.
//!
//! ```text
//! order ─▶ append ─▶ commit ─▶ snapshot        spare ─▶ seal
//! ```
//!
//! Each hands over only when the next is ready to take. So while one frame reaches the disk a second has been written behind it,
//! a third is being decided, and what arrives meanwhile goes into the next: the slower the disk, the larger the frames. A stage
//! that ends takes those before it with it, as they find nobody to hand to; whoever waits for an answer then learns that the
//! node has stopped. `snapshot` writes the state of some moment while the others go on. `spare` makes the log's next segment
//! ready, so that no frame has to wait for that, and wakes `seal`, which repacks full ones.
use crate::append::{Append, Part, Written};
use crate::commit::{CHECKPOINT_EVERY, Commit};
use crate::error::{Error, ErrorKind, Result, Unavailable};
use crate::halt;
use crate::handle::{Handle, Shared};
use crate::open::Stages;
use crate::order::{Batch, Order};
use crate::snapshot::{Job, Snapshots};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;
use sycee_core::entry::{Command, Submission};
use sycee_core::{Outcome, metering};
use sycee_log::{Disk, Syncer};
use tokio::sync::oneshot;

mod packing;

/// Commands that may wait to be decided.
pub(crate) const ARRIVALS_MAX: usize = 16_384;
/// Work that is decided in one go: a command counts one, and as many lines of metering as [`LINES_EACH`] count one more.
const BATCH_MAX: usize = 2_048;
const LINES_EACH: usize = 32;
/// Lines of metering that may wait to be decided; beyond it their senders are asked to come back, so that memory stays bounded.
pub(crate) const LINES_WAITING_MAX: usize = 1 << 20;
/// How often the node looks at the clock, and whether work has become due, while nothing arrives.
const TICK: Duration = Duration::from_millis(100);

pub(crate) type Reply = oneshot::Sender<Result<Outcome, Unavailable>>;

/// What the ordering thread is sent.
#[derive(Debug)]
pub(crate) enum Arrival {
    Submission(Reply, Box<Submission>),
    Stop,
}

/// A running node. Dropping it stops it too.
#[derive(Debug)]
pub struct Node {
    handle: Handle,
    /// In the order in which they end.
    threads: Vec<JoinHandle<Result<()>>>,
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
        if self.threads.is_empty() {
            return Ok(());
        }
        // A full queue drains by itself; an ordering thread that is gone needs no message.
        drop(self.handle.arrivals.send(Arrival::Stop));
        let errors: Vec<Error> = self.threads.drain(..).filter_map(|thread| joined(thread).err()).collect();
        // A log that has failed refuses everything after; that is not why it failed.
        let cause = errors.iter().position(|error| !error.is_aftermath()).unwrap_or(0);
        errors.into_iter().nth(cause).map_or(Ok(()), Err)
    }
}

fn joined(thread: JoinHandle<Result<()>>) -> Result<()> {
    thread.join().unwrap_or_else(|_| {
        Err(Error::new(ErrorKind::Unsound, "go on: an invariant is broken, see the message above"))
    })
}

impl Drop for Node {
    fn drop(&mut self) {
        if let Err(error) = self.end() {
            tracing::error!("{error}");
        }
    }
}

pub(crate) fn run(stages: Stages) -> Result<Node> {
    let Stages { order, append, commit, snapshots, shared, durable, archive, disk, directory } = stages;
    let (sender, arrivals) = sync_channel(ARRIVALS_MAX);
    let (to_append, batches) = sync_channel(0);
    let (to_commit, written) = sync_channel(0);
    let (to_prepare, wanted) = sync_channel(1);
    let (to_snapshot, jobs) = sync_channel(1);
    let (stored, done) = sync_channel(1);
    let (to_seal, full) = sync_channel(1);
    let (syncer, sealing) = (append.syncer(), append.syncer());
    let handle = Handle { arrivals: sender, shared: Arc::clone(&shared), durable, archive };
    let deciding =
        Deciding { order, arrivals, batches: to_append, shared: Arc::clone(&shared), disk, directory };
    let appending = Appending { append, batches, written: to_commit, wanted: to_prepare };
    let committing = Committing { commit, written, to_snapshot, done, shared: Arc::clone(&shared) };
    let threads = vec![
        spawn("order", &shared, move || {
            deciding.run();
            Ok(())
        })?,
        spawn("append", &shared, move || appending.run())?,
        spawn("commit", &shared, move || committing.run())?,
        spawn("snapshot", &shared, move || {
            write_snapshots(&snapshots, &jobs, &stored);
            Ok(())
        })?,
        spawn("spare", &shared, move || {
            prepare(&wanted, &syncer, &to_seal);
            Ok(())
        })?,
        spawn("seal", &shared, move || {
            packing::run(&full, &sealing);
            Ok(())
        })?,
    ];
    Ok(Node { handle, threads })
}

/// Starts a thread that says why it has ended, if it was not asked to.
fn spawn(
    name: &str,
    shared: &Arc<Shared>,
    run: impl FnOnce() -> Result<()> + Send + 'static,
) -> Result<JoinHandle<Result<()>>> {
    let shared = Arc::clone(shared);
    let body = move || {
        let _farewell = Farewell(Arc::clone(&shared));
        let result = run();
        if let Err(error) = &result {
            shared.stopped.get_or_init(|| error.to_string());
            tracing::error!("writing has stopped: {error}");
        }
        result
    };
    std::thread::Builder::new()
        .name(name.to_owned())
        .spawn(body)
        .map_err(|error| Error::because(ErrorKind::Io, "start a thread", error))
}

/// Says that a thread has ended by a broken invariant.
struct Farewell(Arc<Shared>);

impl Drop for Farewell {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let text = || "an invariant is broken; the log holds everything acknowledged".to_owned();
            self.0.stopped.get_or_init(text);
        }
    }
}

struct Deciding {
    order: Order,
    arrivals: Receiver<Arrival>,
    batches: SyncSender<Batch<Reply>>,
    shared: Arc<Shared>,
    disk: Arc<dyn Disk>,
    directory: PathBuf,
}

impl Deciding {
    fn run(mut self) {
        let mut stopping = false;
        while !stopping {
            let arrived;
            (arrived, stopping) = self.collect();
            let now = self.shared.clock.now();
            if arrived.is_empty() && self.order.check_clock(now).is_ok() && !self.order.is_due(now) {
                continue;
            }
            match self.order.step(now, arrived) {
                Ok(batch) => {
                    if self.batches.send(batch).is_err() {
                        return;
                    }
                }
                Err((jump, replies)) => {
                    self.shared.stopped.get_or_init(|| halt::write(&*self.disk, &self.directory, jump));
                    for reply in replies {
                        answer(reply, Err(Unavailable::ClockJumped));
                    }
                }
            }
        }
    }

    /// Waits for a submission unless there is work anyway, then takes what else is there; true if the node is to stop.
    fn collect(&self) -> (Vec<(Reply, Submission)>, bool) {
        let (mut arrived, mut work) = (Vec::new(), 0);
        let wait = if self.order.is_due(self.shared.clock.now()) { Duration::ZERO } else { TICK };
        let mut next = self.arrivals.recv_timeout(wait);
        loop {
            match next {
                Ok(Arrival::Submission(reply, submission)) => {
                    let lines = lines_of(&submission);
                    self.shared.lines_waiting.fetch_sub(lines, Ordering::AcqRel);
                    work += 1 + lines / LINES_EACH;
                    arrived.push((reply, *submission));
                }
                Ok(Arrival::Stop) | Err(RecvTimeoutError::Disconnected) => return (arrived, true),
                Err(RecvTimeoutError::Timeout) => return (arrived, false),
            }
            if work >= BATCH_MAX {
                return (arrived, false);
            }
            next = self.arrivals.try_recv().map_err(|_| RecvTimeoutError::Timeout);
        }
    }
}

/// Lines of metering that a submission brings.
pub(crate) fn lines_of(submission: &Submission) -> usize {
    match &submission.command {
        Command::Metering(metering::Command::Record { batch }) => batch.lines.len(),
        Command::Metering(_)
        | Command::Genesis(_)
        | Command::Ledger(_)
        | Command::Params(_)
        | Command::Membership(_)
        | Command::Catalog(_)
        | Command::Settlement(_)
        | Command::Due { limit: _ } => 0,
    }
}

/// Whoever asked may have gone; the outcome stands all the same.
fn answer(reply: Reply, outcome: Result<Outcome, Unavailable>) {
    drop(reply.send(outcome));
}

struct Appending {
    append: Append,
    batches: Receiver<Batch<Reply>>,
    written: SyncSender<Written<Reply>>,
    wanted: SyncSender<()>,
}

impl Appending {
    fn run(mut self) -> Result<()> {
        for batch in self.batches {
            let parts: Vec<Part<Reply>> = self.append.seal(batch);
            for part in parts {
                let written = self.append.append(part)?;
                // Taken when the part before is durable, so no third frame is ever under way.
                if self.written.send(written).is_err() {
                    return Ok(());
                }
            }
            // Full if it has not been looked at since the last time, gone if it did not work; both are fine.
            let _ = self.wanted.try_send(());
        }
        Ok(())
    }
}

struct Committing {
    commit: Commit,
    written: Receiver<Written<Reply>>,
    to_snapshot: SyncSender<Job>,
    /// What became of snapshots: up to which position, and how large.
    done: Receiver<Option<(u64, u64)>>,
    shared: Arc<Shared>,
}

impl Committing {
    fn run(mut self) -> Result<()> {
        let ended = self.serve();
        // A snapshot that is under way is given up for one of the end.
        self.shared.closing.store(true, Ordering::Release);
        drop(self.to_snapshot);
        self.done.iter().for_each(|snapshot| self.commit.stored(snapshot));
        self.shared.closing.store(false, Ordering::Release);
        ended?;
        self.commit.finish(self.shared.stopped.get().is_none())
    }

    /// Until nothing can come any more.
    fn serve(&mut self) -> Result<()> {
        loop {
            match self.written.recv_timeout(CHECKPOINT_EVERY) {
                Ok(written) => {
                    for (reply, outcome) in self.commit.commit(written)? {
                        answer(reply, Ok(outcome));
                    }
                    if let Some(job) = self.commit.take_job() {
                        // One at a time, so there is room; if the thread is gone, it was for good reason.
                        drop(self.to_snapshot.try_send(job));
                    }
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return Ok(()),
            }
            self.done.try_iter().for_each(|snapshot| self.commit.stored(snapshot));
            self.commit.upkeep()?;
        }
    }
}

/// Writes snapshots. One that fails is one less to start from; the log will say for itself if it cannot go on.
fn write_snapshots(snapshots: &Snapshots, jobs: &Receiver<Job>, stored: &SyncSender<Option<(u64, u64)>>) {
    for job in jobs {
        let position = job.head.position;
        let size = snapshots.store(&job).unwrap_or_else(|error| {
            tracing::warn!("{error}");
            None
        });
        if stored.send(size.map(|size| (position, size))).is_err() {
            return;
        }
    }
}

/// Makes segments ready. If that fails the log can be used as long as its segment lasts, and will say why it cannot go on.
fn prepare(wanted: &Receiver<()>, syncer: &Syncer, to_seal: &SyncSender<()>) {
    for () in wanted {
        if let Err(error) = syncer.prepare() {
            tracing::warn!("{error}");
            return;
        }
        // Full if it has not been looked at since the last time, gone if it gave up; both are fine.
        let _ = to_seal.try_send(());
    }
}

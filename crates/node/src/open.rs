//! Open: from a directory to the stages of a node, and to a running one.
use crate::append::Append;
use crate::archive::Archive;
use crate::backup;
use crate::checkpoint::{Signed, Signer};
use crate::clock::Clock;
use crate::commit::{self, Commit};
use crate::cut;
use crate::error::{Error, ErrorKind, Result};
use crate::halt;
use crate::handle::Shared;
use crate::ids::random_seed;
use crate::lines::Names;
use crate::order::Order;
use crate::quiet;
use crate::seal::{self, Sealer};
use crate::snapshot::{self, Snapshots};
use crate::threads::{self, Node};
use crate::verify;
use crate::views::Views;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use sycee_core::RULES;
use sycee_core::genesis::Charter;
use sycee_log::{Disk, Frame, FrameSource, Frontier, RealDisk};
use tokio::sync::watch;

/// How a node is started.
#[derive(Clone, Debug)]
pub struct Options {
    pub disk: Arc<dyn Disk>,
    pub directory: PathBuf,
    pub clock: Clock,
    /// The clock jumped ahead when the node last ran, and it was right.
    pub accept_clock: bool,
    /// Give up everything from this position on; it has to be the one that a refusal to open named.
    pub cut_tail: Option<u64>,
    /// Length of segment files made from now on.
    pub segment_bytes: u64,
}

impl Options {
    /// The usual: the real disk, the system's clock, nothing accepted or cut.
    pub fn new(directory: impl Into<PathBuf>) -> Self {
        Self {
            disk: Arc::new(RealDisk),
            directory: directory.into(),
            clock: Clock::system(),
            accept_clock: false,
            cut_tail: None,
            segment_bytes: sycee_log::SEGMENT_BYTES,
        }
    }
}

/// Opens the log, folds it, and starts the node on what it led to.
pub fn start(options: Options) -> Result<Node> {
    threads::run(open(options, random_seed()?)?)
}

/// A node that does not run: its stages, for the threads or for whoever steps them one by one.
pub(crate) struct Stages {
    pub(crate) order: Order,
    pub(crate) append: Append,
    pub(crate) commit: Commit,
    pub(crate) snapshots: Snapshots,
    pub(crate) shared: Arc<Shared>,
    pub(crate) durable: watch::Receiver<u64>,
    pub(crate) archive: Archive,
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) directory: PathBuf,
}

/// Opens the log and folds it; `seed` is where the salts of new entries come from, fresh for every start.
pub(crate) fn open(options: Options, seed: [u8; 32]) -> Result<Stages> {
    let Options { disk, directory, clock, accept_clock, cut_tail, segment_bytes } = options;
    let log_options = sycee_log::Options { segment_bytes, cut_tail };
    backup::check_finished(&*disk, &directory)?;
    let (log, recovery) = cut::open(&disk, &directory, log_options)?;
    halt::check(&*disk, &directory, accept_clock)?;
    if recovery.torn {
        tracing::warn!("the last frames were torn by a crash before anybody was told of them; they were cut");
    }
    let source = log.source();
    check_newest(&source)?;
    let signer = Signer::open(Arc::clone(&disk), &directory, &charter(&source)?)?;
    let mut signed = signer.latest()?.unwrap_or_default();
    let position = source.durable().position;
    if signed.size > position {
        if recovery.cut.is_none() && !cut::is_allowed(cut_tail, position, &signed) {
            return Err(cut::rolled_back(position, &signed));
        }
        cut::set_checkpoint_aside(&*disk, &directory, position)?;
        signed = Signed::default();
    } else if cut_tail.is_some() && recovery.cut.is_none() {
        let context = format!("cut the log at position {position}, where it ends and nothing is missing");
        return Err(Error::new(ErrorKind::Invalid, context));
    }
    cut::record(&*disk, &directory, clock.now().wall, recovery.cut.as_ref())?;

    let (folded, last_snapshot) = recover(&*disk, &directory, &source, &signed)?;
    let Folded { views, tree } = folded;
    let names = Names::of(&views.state);
    let (sender, durable) = watch::channel(position);
    let head = source.durable();
    let shared = Arc::new(Shared::new(views, signed, clock));
    let order = Order::new(Arc::clone(&shared), shared.clock.now());
    let append = Append::new(log, Sealer::new(seed, log_options.payload_bytes_max(), names));
    let snapshots =
        Snapshots { disk: Arc::clone(&disk), directory: directory.clone(), shared: Arc::clone(&shared) };
    let commit = Commit::new(commit::Parts {
        snapshots: snapshots.clone(),
        syncer: append.syncer(),
        signer,
        durable: sender,
        head,
        tree,
        last_snapshot,
    });
    let archive = Archive::new(source);
    Ok(Stages { order, append, commit, snapshots, shared, durable, archive, disk, directory })
}

/// Refuses a log whose newest frame is of newer rules, which a snapshot would spare us from reading.
fn check_newest(source: &FrameSource) -> Result<()> {
    let last = source.durable().number.checked_sub(1);
    match last.map(|number| source.frame(number)).transpose()?.flatten() {
        Some(frame) => check_rules(&frame),
        None => Ok(()),
    }
}

fn check_rules(frame: &Frame) -> Result<()> {
    let Some(newer) = verify::newer(frame, RULES) else { return Ok(()) };
    let context = format!("read position {} ({newer})", frame.first_position);
    Err(Error::new(ErrorKind::Newer, context))
}

/// What entries lead to.
#[derive(Default)]
pub(crate) struct Folded {
    pub(crate) views: Views,
    pub(crate) tree: Frontier,
}

/// What the log is, from its first entry.
fn charter(source: &FrameSource) -> Result<Charter> {
    let missing = || Error::new(ErrorKind::Unsound, "find the founding entry");
    let frame = source.frame(0)?.ok_or_else(missing)?;
    let mut first = Folded::default();
    first.fold(&frame, &Signed::default())?;
    first.views.state.genesis.charter().cloned().ok_or_else(missing)
}

/// What the log has led to, and how much of it a snapshot had: that of the newest snapshot that belongs to this log, and every
/// frame after it.
fn recover(
    disk: &dyn Disk,
    directory: &Path,
    source: &FrameSource,
    signed: &Signed,
) -> Result<(Folded, u64)> {
    let (mut folded, from) = snapshot::load(disk, directory, source)?;
    let last_snapshot = folded.views.state.position;
    for frame in source.frames_from(from) {
        folded.fold(&frame?, signed)?;
    }
    match folded.views.state.audit().first() {
        None => Ok((folded, last_snapshot)),
        Some(breach) => {
            let context =
                format!("trust the state: invariant {} is broken, {}", breach.invariant, breach.found);
            Err(Error::new(ErrorKind::Unsound, context))
        }
    }
}

impl Folded {
    /// Folds a frame, and holds the log against the checkpoint where that was signed.
    fn fold(&mut self, frame: &Frame, signed: &Signed) -> Result<()> {
        let unsound = |position: u64, cause: &str| {
            Error::new(ErrorKind::Unsound, format!("read position {position} ({cause})"))
        };
        check_rules(frame)?;
        let records = frame.records().map_err(|cause| unsound(frame.first_position, &cause.to_string()))?;
        for (position, record) in records {
            let entry =
                seal::open(&record, position).map_err(|error| unsound(position, &error.to_string()))?;
            let folded = quiet::attempt(|| self.views.fold(&entry));
            folded.map_err(|broken| unsound(position, &format!("it breaks an invariant: {broken}")))?;
            self.tree.push(record.leaf(position).hash());
            if self.tree.size() == signed.size && self.tree.root() != signed.root {
                return Err(unsound(
                    position,
                    "up to here it is not the history that its own checkpoint signed",
                ));
            }
        }
        Ok(())
    }
}

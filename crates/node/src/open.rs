//! Open: from a directory to a running node.
use crate::archive::Archive;
use crate::checkpoint::{Signed, Signer};
use crate::clock::Clock;
use crate::error::{Error, ErrorKind, Result};
use crate::halt;
use crate::handle::{Handle, Shared};
use crate::seal::{self, Sealer};
use crate::threads::{self, ARRIVALS_MAX, Node, Parts};
use crate::views::Views;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, OnceLock, RwLock};
use sycee_core::Core;
use sycee_log::{Disk, FrameSource, Log, RealDisk, snapshot};
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
    let Options { disk, directory, clock, accept_clock, cut_tail, segment_bytes } = options;
    let (log, recovery) =
        Log::open(Arc::clone(&disk), &directory, sycee_log::Options { segment_bytes, cut_tail })?;
    halt::check(&directory, accept_clock)?;
    if recovery.torn {
        tracing::warn!("the last frames were torn by a crash before anybody was told of them; they were cut");
    }
    if let Some(cut) = &recovery.cut {
        tracing::warn!("cut the tail as asked; the removed bytes are kept in {:?}", cut.kept_in);
    }
    let source = log.source();
    let views = recover(&disk, &directory, &source)?;
    let charter = views.state.genesis.charter();
    let charter = charter.ok_or_else(|| Error::new(ErrorKind::Unsound, "find the founding entry"))?;
    let signer = Signer::open(disk, &directory, &charter.origin, &charter.public_key)?;
    let checkpoint = own_checkpoint(&signer, &views)?;
    let core = Core::new(views.state.clone());
    let position = views.state.position;

    let (durable, follow) = watch::channel(position);
    let (sender, arrivals) = std::sync::mpsc::sync_channel(ARRIVALS_MAX);
    let shared = Arc::new(Shared {
        views: RwLock::new(views),
        decided: AtomicU64::new(position),
        stopped: OnceLock::new(),
        checkpoint: RwLock::new(checkpoint),
        clock,
        started: clock.now().wall,
    });
    let archive = Archive::new(source);
    let handle = Handle { arrivals: sender, shared: Arc::clone(&shared), durable: follow, archive };
    let sealer = Sealer::new(random_seed()?);
    threads::run(Parts { core, log, sealer, signer, shared, handle, durable, arrivals, directory })
}

/// The checkpoint beside the log; one that has more than the log says that somebody took entries away.
fn own_checkpoint(signer: &Signer, views: &Views) -> Result<Signed> {
    let latest = signer.latest()?.unwrap_or_default();
    if latest.size <= views.state.position {
        return Ok(latest);
    }
    let context =
        format!("trust the log: it has {} entries, its own checkpoint {}", views.state.position, latest.size);
    Err(Error::new(ErrorKind::Unsound, context))
}

/// The views at the durable end: those of the newest snapshot that belongs to this log, and every frame after it.
fn recover(disk: &Arc<dyn Disk>, directory: &Path, source: &FrameSource) -> Result<Views> {
    let (mut views, from) = restart_point(disk, directory, source)?;
    for frame in source.frames_from(from) {
        let frame = frame?;
        let unsound =
            |cause: String| Error::new(ErrorKind::Unsound, format!("read frame {} ({cause})", frame.number));
        for (position, record) in frame.records().map_err(|cause| unsound(cause.to_string()))? {
            let entry = seal::open(&record, position).map_err(|error| unsound(error.to_string()))?;
            views.fold(&entry);
            views.tree.0.push(record.leaf(position).hash());
        }
    }
    match views.state.audit().first() {
        None => Ok(views),
        Some(breach) => {
            let context =
                format!("trust the state: invariant {} is broken, {}", breach.invariant, breach.found);
            Err(Error::new(ErrorKind::Unsound, context))
        }
    }
}

/// The newest snapshot of this log, and the frame to go on from; one that does not fit is passed over, since the log has
/// everything.
fn restart_point(disk: &Arc<dyn Disk>, directory: &Path, source: &FrameSource) -> Result<(Views, u64)> {
    let (newest, skipped) = snapshot::load_newest(&**disk, directory, source)?;
    for skipped in skipped {
        tracing::warn!("passed over {skipped}");
    }
    let Some(newest) = newest else { return Ok((Views::default(), 0)) };
    match minicbor::decode::<Views>(&newest.bytes) {
        Ok(views) if views.state.position == newest.head.position => Ok((views, newest.head.number)),
        _ => {
            tracing::warn!(
                "the snapshot at position {} has another shape; folding from the start",
                newest.head.position
            );
            Ok((Views::default(), 0))
        }
    }
}

/// Fresh randomness from the system.
pub(crate) fn random_seed() -> Result<[u8; 32]> {
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).map_err(|error| Error::because(ErrorKind::Io, "draw a random seed", error))?;
    Ok(seed)
}

//! The log itself: one writer that appends and syncs.
//!
//! `append` writes a frame where it belongs and returns; `sync` makes everything appended so far durable.
//! Between the two at most two frames are under way, which is what lets recovery tell a torn write from
//! damage. A [`Syncer`] may run on another thread, so that one frame is written while the one before it
//! reaches the disk. A write or sync that fails ends this log's life: what the disk holds is then unknown, a
//! second sync that succeeds would prove nothing, and only opening the log again finds out.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::disk::{BLOCK_BYTES, Disk, DiskFile, DiskLock, Locking, SyncPoint};
use crate::error::{Error, ErrorKind, Result};
use crate::frame::{self, Draft, FRAME_BYTES_MAX, Head};
use crate::mark::Mark;
use crate::part::{self, Indexed, Location, Part, Written};
use crate::recover::{self, Recovery};
use crate::seal::{self, Progress, Sealing};
use crate::segment::{self, SEGMENT_BYTES, Segment};
use crate::source::FrameSource;

/// So many frames may be appended and not yet durable.
pub const UNSYNCED_FRAMES_MAX: u64 = 2;

#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// Length of segments made from now on: a multiple of 4096, at least two blocks.
    pub segment_bytes: u64,
    /// Give up everything from this position on. Has to be the position that the error named.
    pub cut_tail: Option<u64>,
}

impl Default for Options {
    fn default() -> Self {
        Self { segment_bytes: SEGMENT_BYTES, cut_tail: None }
    }
}

impl Options {
    /// The largest payload that a frame can have in segments of this length.
    pub fn payload_bytes_max(&self) -> usize {
        let bytes = FRAME_BYTES_MAX.min(self.segment_bytes.saturating_sub(BLOCK_BYTES as u64));
        let blocks = usize::try_from(bytes / BLOCK_BYTES as u64).expect("at most the frame limit");
        frame::payload_bytes_in(blocks)
    }
}

#[derive(Debug)]
pub struct Log {
    shared: Arc<Shared>,
    buffer: Vec<u8>,
    lock: Arc<dyn DiskLock>,
}

/// What the writer, the syncer and the readers of one open log share.
#[derive(Debug)]
pub(crate) struct Shared {
    disk: Arc<dyn Disk>,
    pub(crate) directory: PathBuf,
    mark: Mark,
    segment_bytes: u64,
    /// A segment that is ready to be used. Held while one is made, so that whoever needs it waits for it.
    spare: Mutex<Option<Arc<dyn DiskFile>>>,
    /// Held while a segment is sealed: one at a time.
    pub(crate) sealing: Mutex<Progress>,
    state: Mutex<State>,
}

#[derive(Debug)]
pub(crate) struct State {
    pub(crate) appended: Head,
    pub(crate) durable: Head,
    /// What failed, once something did.
    failed: Option<String>,
    /// The last is the segment that is being written.
    pub(crate) parts: Vec<Part>,
    /// Where the next frame starts in it.
    offset: u64,
}

impl Log {
    /// Makes an empty log in a directory, which is made too unless it is there, and opens it.
    pub fn create(disk: Arc<dyn Disk>, directory: &Path, options: Options) -> Result<Self> {
        check_options(&options)?;
        create_directory(&*disk, directory)?;
        let lock = lock(&*disk, directory)?;
        if !part::list(&*disk, directory)?.is_empty() {
            let context = format!("create a log in {}", directory.display());
            return Err(Error::new(ErrorKind::AlreadyExists, context));
        }
        let file = segment::prepare(&*disk, directory, options.segment_bytes)?;
        segment::adopt(&*disk, directory, 0, options.segment_bytes, file)?;
        Ok(Self::recover(disk, directory, options, lock)?.0)
    }

    /// Opens a log, settles how it ended and says what it found.
    pub fn open(disk: Arc<dyn Disk>, directory: &Path, options: Options) -> Result<(Self, Recovery)> {
        check_options(&options)?;
        if !disk.exists(directory).map_err(|error| Error::io(context_open(directory), error))? {
            return Err(Error::new(ErrorKind::NotFound, context_open(directory)));
        }
        let lock = lock(&*disk, directory)?;
        Self::recover(disk, directory, options, lock)
    }

    fn recover(
        disk: Arc<dyn Disk>,
        directory: &Path,
        options: Options,
        lock: Box<dyn DiskLock>,
    ) -> Result<(Self, Recovery)> {
        let recovered = recover::recover(&disk, directory, &options)?;
        let mark = Mark::open(&*disk, directory)?;
        let head = recovered.recovery.head;
        mark.write(&head)?;
        let state = State {
            appended: head,
            durable: head,
            failed: None,
            parts: recovered.parts,
            offset: recovered.offset,
        };
        let shared = Shared {
            disk,
            directory: directory.to_path_buf(),
            mark,
            segment_bytes: options.segment_bytes,
            spare: Mutex::new(None),
            sealing: Mutex::default(),
            state: Mutex::new(state),
        };
        let log = Self { shared: Arc::new(shared), buffer: Vec::new(), lock: lock.into() };
        Ok((log, recovered.recovery))
    }

    /// The number that the next append has to name.
    pub fn next_number(&self) -> u64 {
        self.appended().number
    }

    /// After the last frame appended.
    pub fn appended(&self) -> Head {
        self.shared.state().appended
    }

    /// After the last frame that is durable.
    pub fn durable(&self) -> Head {
        self.shared.state().durable
    }

    /// Writes a frame, provided its number will be `expected`, and returns the head after it. It is not durable
    /// before the next [`Log::sync`].
    pub fn append(&mut self, expected: u64, draft: &Draft) -> Result<Head> {
        let head = self.check_append(expected, draft)?;
        let mut buffer = std::mem::take(&mut self.buffer);
        let written = frame::encode(&head, draft, &mut buffer)
            .ok_or_else(|| Error::new(ErrorKind::Invalid, "append: the log has run out of numbers"))
            .and_then(|after| self.write(head, after, &buffer));
        self.buffer = buffer;
        written
    }

    /// Makes everything appended durable and returns the head up to which it is.
    pub fn sync(&mut self) -> Result<Head> {
        self.shared.sync()
    }

    /// A handle that syncs, makes segments ready and seals them, from other threads.
    pub fn syncer(&self) -> Syncer {
        Syncer { shared: Arc::clone(&self.shared), lock: Arc::clone(&self.lock) }
    }

    /// A handle that reads durable frames from another thread.
    pub fn source(&self) -> FrameSource {
        FrameSource::new(Arc::clone(&self.shared))
    }

    fn check_append(&self, expected: u64, draft: &Draft) -> Result<Head> {
        let context = || format!("append frame {expected}");
        self.shared.check(&context())?;
        let state = self.shared.state();
        let next = state.appended.number;
        if expected != next {
            return Err(Error::new(ErrorKind::StaleAppend { expected, next }, context()));
        }
        if next - state.durable.number >= UNSYNCED_FRAMES_MAX {
            return Err(Error::new(ErrorKind::Unsynced, context()));
        }
        if draft.count == 0 {
            return Err(Error::new(ErrorKind::Invalid, format!("{}, which has no entries", context())));
        }
        let bytes = (frame::blocks_of(draft.payload.len()) * BLOCK_BYTES) as u64;
        let limit = FRAME_BYTES_MAX.min(self.shared.segment_bytes - BLOCK_BYTES as u64);
        if bytes > limit {
            return Err(Error::new(ErrorKind::TooLarge { bytes, limit }, context()));
        }
        Ok(state.appended)
    }

    fn write(&mut self, before: Head, after: Head, bytes: &[u8]) -> Result<Head> {
        if !self.shared.state().fits(bytes.len() as u64) {
            self.start_segment(before)?;
        }
        let (segment, offset) = self.shared.state().end();
        let written = segment.file.write_at(bytes, offset);
        self.shared
            .guard(written.map_err(|error| Error::io(format!("write frame {}", before.number), error)))?;
        let mut state = self.shared.state();
        let blocks = u32::try_from(bytes.len() / BLOCK_BYTES).expect("below the frame limit");
        let location = Location::new(offset, blocks);
        Arc::make_mut(&mut state.written_mut().index)
            .push(Indexed { first_position: before.position, location });
        state.offset = offset + bytes.len() as u64;
        state.appended = after;
        Ok(after)
    }

    /// Frames of two segments are never under way together, so that only the last can end torn.
    fn start_segment(&mut self, before: Head) -> Result<()> {
        self.shared.sync_to(SyncPoint::SegmentEnd)?;
        let Shared { disk, directory, segment_bytes, .. } = &*self.shared;
        let adopted = (|| {
            let mut spare = self.shared.prepared()?;
            let file = spare.take().expect("prepared just now, and the lock was held since");
            segment::adopt(&**disk, directory, before.number, *segment_bytes, file)
        })();
        let segment = Arc::new(self.shared.guard(adopted)?);
        let mut state = self.shared.state();
        if state.written().index.is_empty() {
            // Too short for the frame, as the length of segments was changed: the new one has taken its name.
            state.parts.pop();
        }
        let Head { number, position, hash: _ } = before;
        state.parts.push(Part::Written(Written { segment, number, position, index: Arc::default() }));
        state.offset = BLOCK_BYTES as u64;
        Ok(())
    }
}

/// What can be done beside the appending thread. See [`Log::syncer`].
#[derive(Debug, Clone)]
pub struct Syncer {
    shared: Arc<Shared>,
    #[expect(
        dead_code,
        reason = "held for its drop: who still writes here keeps others from opening the log"
    )]
    lock: Arc<dyn DiskLock>,
}

impl Syncer {
    /// As [`Log::sync`]; covers at least what was appended before the call.
    pub fn sync(&self) -> Result<Head> {
        self.shared.sync()
    }

    /// Makes the next segment ready ahead of time, so that no append has to. Returns at once if it is ready.
    /// If this fails, the log can still be used as long as its segment lasts.
    pub fn prepare(&self) -> Result<()> {
        self.shared.check("prepare a segment")?;
        drop(self.shared.prepared()?);
        Ok(())
    }

    /// Seals the oldest segment that is full, durable and not sealed yet, if sealing it saves enough. Asks `stop` now and then, and
    /// breaks off when it says so. Appends and syncs do not wait for it, and if it fails the log goes on as it is.
    pub fn seal(&self, stop: &mut dyn FnMut() -> bool) -> Result<Sealing> {
        self.seal_in(seal::PACK_BYTES, stop)
    }

    /// With packs of another size.
    pub(crate) fn seal_in(&self, pack_bytes: usize, stop: &mut dyn FnMut() -> bool) -> Result<Sealing> {
        self.shared.check("seal a segment")?;
        seal::seal_next(&self.shared, pack_bytes, stop)
    }
}

impl State {
    /// The segment that is being written.
    fn written(&self) -> &Written {
        match self.parts.last() {
            Some(Part::Written(written)) => written,
            Some(Part::Sealed(_)) | None => unreachable!("an open log ends in a segment that is written"),
        }
    }

    fn written_mut(&mut self) -> &mut Written {
        match self.parts.last_mut() {
            Some(Part::Written(written)) => written,
            Some(Part::Sealed(_)) | None => unreachable!("an open log ends in a segment that is written"),
        }
    }

    fn end(&self) -> (Arc<Segment>, u64) {
        (Arc::clone(&self.written().segment), self.offset)
    }

    fn fits(&self, bytes: u64) -> bool {
        let (segment, offset) = self.end();
        bytes <= segment.length - offset
    }
}

impl Shared {
    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        // Whoever panicked with the lock held left whole values behind: each is replaced in one assignment.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn disk(&self) -> &dyn Disk {
        &*self.disk
    }

    fn sync(&self) -> Result<Head> {
        self.sync_to(SyncPoint::FrameData)
    }

    fn sync_to(&self, point: SyncPoint) -> Result<Head> {
        self.check("sync")?;
        let (segment, target) = {
            let state = self.state();
            if state.appended.number == state.durable.number {
                return Ok(state.durable);
            }
            (state.end().0, state.appended)
        };
        // All frames that are not durable are in the last segment, see `start_segment`.
        let synced = segment.file.sync(point);
        self.guard(synced.map_err(|error| Error::io(format!("sync {}", segment.path.display()), error)))?;
        let mut state = self.state();
        if target.number > state.durable.number {
            // Written under the lock, so that an older mark never follows a newer one.
            let marked = self.mark.write(&target);
            if let Err(error) = marked {
                state.failed = Some(error.to_string());
                return Err(error);
            }
            state.durable = target;
        }
        Ok(state.durable)
    }

    /// The spare segment, which is there.
    fn prepared(&self) -> Result<MutexGuard<'_, Option<Arc<dyn DiskFile>>>> {
        let mut spare = self.spare.lock().unwrap_or_else(PoisonError::into_inner);
        if spare.is_none() {
            *spare = Some(segment::prepare(&*self.disk, &self.directory, self.segment_bytes)?);
        }
        Ok(spare)
    }

    /// Fails if anything has failed before.
    fn check(&self, context: &str) -> Result<()> {
        match &self.state().failed {
            Some(first) => Err(Error::new(ErrorKind::Poisoned, format!("{context} (earlier: {first})"))),
            None => Ok(()),
        }
    }

    /// Remembers a failure for good.
    fn guard<T>(&self, result: Result<T>) -> Result<T> {
        if let Err(error) = &result {
            self.state().failed.get_or_insert_with(|| error.to_string());
        }
        result
    }
}

fn check_options(options: &Options) -> Result<()> {
    let block = BLOCK_BYTES as u64;
    let Options { segment_bytes, cut_tail: _ } = options;
    if segment_bytes % block == 0 && *segment_bytes >= 2 * block {
        return Ok(());
    }
    let context = format!("use segments of {segment_bytes} bytes, which is not a multiple of {block}");
    Err(Error::new(ErrorKind::Invalid, context))
}

fn context_open(directory: &Path) -> String {
    format!("open the log in {}", directory.display())
}

fn lock(disk: &dyn Disk, directory: &Path) -> Result<Box<dyn DiskLock>> {
    match disk.lock(directory) {
        Ok(Locking::Taken(lock)) => Ok(lock),
        Ok(Locking::Held(by)) => Err(Error::new(ErrorKind::Locked { by }, context_open(directory))),
        Err(error) => Err(Error::io(format!("lock {}", directory.display()), error)),
    }
}

/// Makes a directory and those above it that are missing, each durable in the one that holds it.
///
/// An earlier attempt may have died between making a directory and syncing its name, so those that are there
/// are synced as well, as far up as we may: where we may not, we cannot have made anything.
fn create_directory(disk: &dyn Disk, directory: &Path) -> Result<()> {
    let context = |error| Error::io(format!("create {}", directory.display()), error);
    let named = |path: &&Path| path.file_name().is_some();
    let mut paths: Vec<&Path> = directory.ancestors().take_while(named).collect();
    paths.reverse();
    for path in paths {
        let found = disk.exists(path).map_err(context)?;
        if !found {
            disk.create_directory(path).map_err(context)?;
        }
        let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
        let parent = parent.unwrap_or_else(|| Path::new("."));
        match disk.sync_directory(parent, SyncPoint::ParentDirectory) {
            Err(error) if found && error.kind() == io::ErrorKind::PermissionDenied => {}
            synced => synced.map_err(context)?,
        }
    }
    Ok(())
}

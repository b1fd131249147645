//! Sealing: a full segment takes its sealed form, while everybody goes on reading and writing.
//!
//! Nothing is given up before what replaces it is durable and has been read back:
//!
//! 1. the frames are packed into a file under a name that nothing reads, and that is synced;
//! 2. it is read and unpacked again, and has to lead to the same head;
//! 3. it takes its name, and the name is synced;
//! 4. readers of the open log are pointed to it, and the segment is removed. Who has it open keeps reading.
//!
//! Power may go between any two of these. With both files there the next start takes the sealed one if it is whole. Whether the
//! removal was durable does not matter: it is done again. So sealing has no part in what an acknowledgement rests on, and if it
//! fails the log goes on as it is.
//!
//! A segment qualifies when another follows it and two durable frames follow its last: from then on recovery writes nothing in it.
//! It is left as it is when that would save too little, which is decided by its beginning.

use std::path::Path;
use std::sync::{Arc, PoisonError};

use crate::disk::SyncPoint;
use crate::error::{Cause, Error, ErrorKind, Result};
use crate::frame::Head;
use crate::log::{Shared, UNSYNCED_FRAMES_MAX};
use crate::part::{Indexed, Part, Written};
use crate::sealed::{self, Packer, Sealed};
use crate::segment;
use crate::walk;

/// A sealed segment on its way; of no use once its maker is gone.
pub(crate) const UNFINISHED: &str = "sealing.log";

/// What a pack holds unless one frame is longer: a receipt is read by unpacking one.
pub(crate) const PACK_BYTES: usize = 256 * 1024;

/// So much of a segment, as it was written, is packed before it is decided whether the rest is worth it.
const SAMPLE_BYTES: u64 = 1024 * 1024;

/// Levels of Zstandard. Where frames are small there are few bytes of content to a frame, and what is scarce is space; where they
/// are large the node is busy, and a higher level would take twice the time for nothing.
const LEVEL_OF_SMALL_FRAMES: i32 = 3;
const LEVEL_OF_LARGE_FRAMES: i32 = 1;

/// Frames are small if they take no more than this on average.
const SMALL_FRAME_BYTES: u64 = 16 * 1024;

/// A segment is sealed if that saves so much of the sample. Interactive frames, alone or many in one, save more; full frames of
/// metering save less, and there it is the processor that is scarce. The figures are in `docs/reference/log.md`.
const SAVED_PERCENT_MIN: u64 = 60;

/// What came of a look for something to seal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sealing {
    /// No segment qualifies.
    Nothing,
    /// It was broken off as asked.
    Stopped,
    /// The segment with this first frame is left as it is, as long as the log is open.
    Left { first: u64 },
    /// The segment with this first frame is sealed.
    Sealed { first: u64, frames: u64, bytes_before: u64, bytes: u64 },
}

/// How far sealing has come.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    /// Parts before this one are sealed or left as they are.
    next: usize,
    /// A step failed after which the directory is not known: the next start sorts it out.
    failed: bool,
}

/// A segment that qualifies.
struct Candidate {
    part: usize,
    written: Written,
}

pub(crate) fn seal_next(
    shared: &Shared,
    pack_bytes: usize,
    stop: &mut dyn FnMut() -> bool,
) -> Result<Sealing> {
    let mut progress = shared.sealing.lock().unwrap_or_else(PoisonError::into_inner);
    if progress.failed {
        return Err(Error::new(ErrorKind::Poisoned, "seal a segment"));
    }
    let Some(candidate) = find(shared, &mut progress) else { return Ok(Sealing::Nothing) };
    let first = candidate.written.number;
    match make(shared, &candidate, pack_bytes, stop)? {
        Made::Sealed(sealed) => {
            progress.failed = true;
            let sealing = replace(shared, &candidate, sealed)?;
            progress.failed = false;
            progress.next = candidate.part + 1;
            Ok(sealing)
        }
        Made::Dense => {
            progress.next = candidate.part + 1;
            Ok(Sealing::Left { first })
        }
        Made::Stopped => Ok(Sealing::Stopped),
    }
}

/// The oldest segment that qualifies.
fn find(shared: &Shared, progress: &mut Progress) -> Option<Candidate> {
    let state = shared.state();
    loop {
        let part = progress.next;
        let end = state.parts.get(part + 1)?.number();
        if end + UNSYNCED_FRAMES_MAX > state.durable.number {
            return None;
        }
        if let Part::Written(written) = &state.parts[part] {
            return Some(Candidate { part, written: written.clone() });
        }
        progress.next += 1;
    }
}

enum Packed {
    /// All frames between these heads are in a file that is durable.
    Whole {
        start: Head,
        end: Head,
    },
    Dense,
    Stopped,
}

enum Made {
    /// The file is there under its passing name, durable and checked.
    Sealed(Sealed),
    Dense,
    Stopped,
}

/// Steps 1 and 2. Whatever fails here has touched nothing of the log, and can be tried again.
fn make(
    shared: &Shared,
    candidate: &Candidate,
    pack_bytes: usize,
    stop: &mut dyn FnMut() -> bool,
) -> Result<Made> {
    let path = shared.directory.join(UNFINISHED);
    let made = pack(shared, &path, &candidate.written, pack_bytes, stop).and_then(|packed| match packed {
        Packed::Whole { start, end } => check(shared, &path, start, end, stop),
        Packed::Dense => Ok(Made::Dense),
        Packed::Stopped => Ok(Made::Stopped),
    });
    if !matches!(made, Ok(Made::Sealed(_))) {
        // If that fails too it stays until the next try or the next start.
        drop(shared.disk().remove(&path));
    }
    made
}

fn pack(
    shared: &Shared,
    path: &Path,
    written: &Written,
    pack_bytes: usize,
    stop: &mut dyn FnMut() -> bool,
) -> Result<Packed> {
    let failed = |error| Error::io(format!("write {}", path.display()), error);
    let disk = shared.disk();
    // What an attempt that did not finish has left.
    if disk.exists(path).map_err(failed)? {
        disk.remove(path).map_err(failed)?;
    }
    let file = disk.create(path).map_err(failed)?;
    let Written { segment, number, position, index } = written;
    let read = |number: u64, indexed: &Indexed| {
        let head = Head { number, position: indexed.first_position, hash: [0; 32] };
        walk::read_frame(segment, indexed.location, &head)
    };
    let first = read(*number, &index[0])?;
    let start = Head { number: *number, position: *position, hash: first.previous_hash };
    let mut packer = Packer::new(&*file, start, pack_bytes, level_for(index)).map_err(failed)?;
    let mut sampled = false;
    for (number, indexed) in (*number..).zip(index.iter()) {
        if stop() {
            return Ok(Packed::Stopped);
        }
        let frame = read(number, indexed)?;
        let after = packer.head.follow(&frame);
        let after = after.map_err(|cause| segment.damage(indexed.location.offset(), &packer.head, cause))?;
        packer.push(&frame, after).map_err(failed)?;
        if !sampled && packer.packed_frames() > 0 {
            let frames = usize::try_from(packer.packed_frames()).expect("an index fits in memory");
            let before: u64 = index[..frames].iter().map(|indexed| indexed.location.bytes()).sum();
            sampled = before >= SAMPLE_BYTES;
            if sampled && packer.packed_bytes() * 100 > before * (100 - SAVED_PERCENT_MIN) {
                return Ok(Packed::Dense);
            }
        }
    }
    let end = packer.head;
    packer.finish().and_then(|()| file.sync(SyncPoint::SealedFile)).map_err(failed)?;
    Ok(Packed::Whole { start, end })
}

fn level_for(index: &[Indexed]) -> i32 {
    let bytes: u64 = index.iter().map(|indexed| indexed.location.bytes()).sum();
    if bytes / index.len() as u64 > SMALL_FRAME_BYTES { LEVEL_OF_LARGE_FRAMES } else { LEVEL_OF_SMALL_FRAMES }
}

/// Reads back what was written.
fn check(
    shared: &Shared,
    path: &Path,
    start: Head,
    end: Head,
    stop: &mut dyn FnMut() -> bool,
) -> Result<Made> {
    let sealed = sealed::open_file(shared.disk(), path, &start)?;
    for pack in 0..sealed.packs() {
        if stop() {
            return Ok(Made::Stopped);
        }
        sealed.unpack(shared.disk(), pack)?;
    }
    if sealed.end == end { Ok(Made::Sealed(sealed)) } else { Err(sealed.damage(0, Cause::ChainBroken)) }
}

/// Steps 3 and 4.
fn replace(shared: &Shared, candidate: &Candidate, sealed: Sealed) -> Result<Sealing> {
    let Candidate { part, written } = candidate;
    let (disk, directory, first) = (shared.disk(), shared.directory.as_path(), written.number);
    let path = sealed::path_of(directory, first);
    let failed = |error| Error::io(format!("name {}", path.display()), error);
    disk.rename(&sealed.path, &path).map_err(failed)?;
    disk.sync_directory(directory, SyncPoint::SealedDirectory).map_err(failed)?;
    let sealed = Arc::new(sealed.renamed(path.clone()));
    let (frames, bytes) = (sealed.end.number - first, sealed.length);
    shared.state().parts[*part] = Part::Sealed(sealed);
    let removed = disk.remove(&segment::path_of(directory, first));
    removed.map_err(|error| Error::io(format!("remove {}", written.segment.path.display()), error))?;
    Ok(Sealing::Sealed { first, frames, bytes_before: written.segment.length, bytes })
}

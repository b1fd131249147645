//! Opening a log: find its end, settle it, and make what is kept as durable as it looks.
//!
//! What recovery reads may be only in the page cache. After a kill the newest frames may never have been
//! synced; after a failed sync the kernel may call them clean although the disk never got them. So the frames
//! that can be affected, the last two, are written again as they are, and where two more could have been there
//! are zeroes; then the file and the directory are synced. Only then does the log count as open. Power may go
//! at any moment of this: what is left is the same log, or one that is torn in the same way.
//!
//! What an interrupted sealing has left goes last: by then the names that stay are durable.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::cut;
use crate::disk::{Access, Disk, SyncPoint};
use crate::error::{Damage, Error, ErrorKind, Result};
use crate::frame::{FRAME_BYTES_MAX, Head};
use crate::log::Options;
use crate::part::{Part, Written};
use crate::seal;
use crate::segment;
use crate::torn::End;
use crate::walk::{Step, Walk};

/// What opening a log found and did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recovery {
    /// After the last frame that was kept.
    pub head: Head,
    /// The log ended within frames that were never acknowledged; they were removed.
    pub torn: bool,
    /// What an explicit cut removed.
    pub cut: Option<Cut>,
}

/// What was given up, for the operator's record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cut {
    /// Why the log could not be read further.
    pub damage: Damage,
    /// The removed bytes, set aside in the log's directory.
    pub kept_in: Vec<PathBuf>,
}

pub(crate) struct Recovered {
    pub(crate) recovery: Recovery,
    pub(crate) parts: Vec<Part>,
    /// Where the next frame starts in the last of them.
    pub(crate) offset: u64,
}

pub(crate) fn recover(disk: &Arc<dyn Disk>, directory: &Path, options: &Options) -> Result<Recovered> {
    let start = || Walk::new(Arc::clone(disk), directory.to_path_buf(), Access::Write);
    let mut walk = start()?;
    let ended = pass(&mut walk);
    let (torn, cut) = match (ended, options.cut_tail) {
        (Ok(end), None) => (end != End::Clean, None),
        (Ok(_), Some(position)) => return Err(nothing_to_cut(position, None)),
        (Err(error), _) => {
            let cut = cut_at(&**disk, directory, &walk, options, error)?;
            walk = start()?;
            (pass(&mut walk)? != End::Clean, Some(cut))
        }
    };
    settle(&**disk, directory, &walk)?;
    tidy(&**disk, directory, &walk)
        .map_err(|error| Error::io(format!("tidy up {}", directory.display()), error))?;
    let recovery = Recovery { head: walk.head, torn, cut };
    Ok(Recovered { recovery, parts: walk.parts, offset: walk.offset })
}

fn pass(walk: &mut Walk) -> Result<End> {
    loop {
        match walk.step()? {
            Step::Frame(_) => {}
            Step::End(end) => return Ok(end),
        }
    }
}

/// Cuts where the error says, if that is where the operator says.
fn cut_at(disk: &dyn Disk, directory: &Path, walk: &Walk, options: &Options, error: Error) -> Result<Cut> {
    let (Some(position), Some(damage)) = (options.cut_tail, error.as_damage().cloned()) else {
        return Err(error);
    };
    if position != damage.position {
        return Err(nothing_to_cut(position, Some(&damage)));
    }
    let kept_in = cut::cut(disk, directory, walk, options.segment_bytes)?;
    Ok(Cut { damage, kept_in })
}

fn nothing_to_cut(position: u64, damage: Option<&Damage>) -> Error {
    let found = match damage {
        Some(damage) => format!("the damage is at position {}", damage.position),
        None => String::from("the log is sound"),
    };
    Error::new(ErrorKind::Invalid, format!("cut the tail at position {position}, as {found}"))
}

/// Makes durable what was read, and zero what may follow.
fn settle(disk: &dyn Disk, directory: &Path, walk: &Walk) -> Result<()> {
    let Some(Part::Written(Written { segment, index, .. })) = walk.parts.last() else {
        unreachable!("a walk ends in a segment as it was written");
    };
    let settled = (|| {
        for indexed in index.iter().rev().take(2) {
            let location = indexed.location;
            let mut bytes = vec![0; usize::try_from(location.bytes()).expect("at most the frame limit")];
            segment.file.read_at(&mut bytes, location.offset())?;
            segment.file.write_at(&bytes, location.offset())?;
        }
        let until = segment.length.min(walk.offset + 2 * FRAME_BYTES_MAX);
        segment::zero(&*segment.file, walk.offset, until)?;
        segment.file.sync(SyncPoint::RecoveredTail)?;
        disk.sync_directory(directory, SyncPoint::RecoveredDirectory)
    })();
    settled.map_err(|error| Error::io(format!("settle the end of {}", segment.path.display()), error))
}

/// Removes what an interrupted sealing has left. If that is undone by a power cut, the next start does it again.
fn tidy(disk: &dyn Disk, directory: &Path, walk: &Walk) -> std::io::Result<()> {
    let unfinished = directory.join(seal::UNFINISHED);
    if disk.exists(&unfinished)? {
        disk.remove(&unfinished)?;
    }
    walk.superfluous.iter().try_for_each(|path| disk.remove(path))
}

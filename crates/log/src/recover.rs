//! Opening a log: find its end, settle it, and make what is kept as durable as it looks.
//!
//! What recovery reads may be only in the page cache. After a kill the newest frames may never have been
//! synced; after a failed sync the kernel may call them clean although the disk never got them. So the frames
//! that can be affected, the last two, are written again as they are, and where two more could have been there
//! are zeroes; then the file and the directory are synced. Only then does the log count as open. Power may go
//! at any moment of this: what is left is the same log, or one that is torn in the same way.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::cut;
use crate::disk::{Access, BLOCK_BYTES, Disk, SyncPoint};
use crate::error::{Damage, Error, ErrorKind, Result};
use crate::frame::{FRAME_BYTES_MAX, Head};
use crate::log::{Indexed, Options};
use crate::segment::{self, Segment};
use crate::walk::{End, Step, Walk};

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
    pub(crate) head: Head,
    pub(crate) segments: Vec<Arc<Segment>>,
    pub(crate) index: Vec<Indexed>,
    pub(crate) offset: u64,
}

pub(crate) fn recover(disk: &Arc<dyn Disk>, directory: &Path, options: &Options) -> Result<Recovered> {
    let mut walk = Walk::new(Arc::clone(disk), directory.to_path_buf(), Access::Write)?;
    let mut index = Vec::new();
    let ended = read_all(&mut walk, &mut index);
    let (torn, cut) = match (ended, options.cut_tail) {
        (Ok(end), None) => (end != End::Clean, None),
        (Ok(_), Some(position)) => return Err(nothing_to_cut(position, None)),
        (Err(error), _) => (false, Some(cut_at(&**disk, directory, &mut walk, options, error)?)),
    };
    settle(&**disk, directory, &walk, &index)?;
    let head = walk.head;
    Ok(Recovered {
        recovery: Recovery { head, torn, cut },
        head,
        offset: walk.offset,
        segments: walk.segments.into_iter().map(Arc::new).collect(),
        index,
    })
}

fn read_all(walk: &mut Walk, index: &mut Vec<Indexed>) -> Result<End> {
    loop {
        match walk.step()? {
            Step::Frame(frame, location) => {
                index.push(Indexed { first_position: frame.first_position, location });
            }
            Step::End(end) => return Ok(end),
        }
    }
}

/// Cuts where the error says, if that is where the operator says.
fn cut_at(
    disk: &dyn Disk,
    directory: &Path,
    walk: &mut Walk,
    options: &Options,
    error: Error,
) -> Result<Cut> {
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
fn settle(disk: &dyn Disk, directory: &Path, walk: &Walk, index: &[Indexed]) -> Result<()> {
    let current = walk.segments.len() - 1;
    let segment = &walk.segments[current];
    let settled = (|| {
        let newest = index.iter().rev().take(2).filter(|indexed| indexed.location.segment == current);
        for indexed in newest {
            let location = indexed.location;
            let mut bytes = vec![0; location.blocks as usize * BLOCK_BYTES];
            segment.file.read_at(&mut bytes, location.offset)?;
            segment.file.write_at(&bytes, location.offset)?;
        }
        let until = segment.length.min(walk.offset + 2 * FRAME_BYTES_MAX);
        segment::zero(&*segment.file, walk.offset, until)?;
        segment.file.sync(SyncPoint::RecoveredTail)?;
        disk.sync_directory(directory, SyncPoint::RecoveredDirectory)
    })();
    settled.map_err(|error| Error::io(format!("settle the end of {}", segment.path.display()), error))
}

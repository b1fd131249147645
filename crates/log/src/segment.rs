//! Segment files: where frames lie.
//!
//! A segment has a fixed length and is written with zeroes from end to end, and synced, before its first
//! frame, so that a sync later moves data and no metadata. It is made under another name and renamed when it
//! is used: a file called a segment is a complete one. Its name carries the number of its first frame; its
//! first block carries its format and length.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::block::{self, Block, Kind, Stamp, array};
use crate::disk::{Access, BLOCK_BYTES, Disk, DiskFile, SyncPoint};
use crate::error::{Cause, Damage, Error, ErrorKind, Result};
use crate::frame::{FORMAT, Head};

/// Length of a segment unless the options say otherwise.
pub const SEGMENT_BYTES: u64 = 64 * 1024 * 1024;

const SPARE: &str = "spare.log";

/// Zeroes are written in pieces of this size.
const PIECE_BYTES: usize = 1024 * 1024;

#[derive(Debug)]
pub(crate) struct Segment {
    pub(crate) path: PathBuf,
    pub(crate) file: Arc<dyn DiskFile>,
    /// What its header says.
    pub(crate) length: u64,
    /// What the disk says. Frames are read up to the shorter of the two.
    pub(crate) file_length: u64,
}

impl Segment {
    pub(crate) fn readable(&self) -> u64 {
        let bytes = self.length.min(self.file_length);
        bytes - bytes % BLOCK_BYTES as u64
    }

    pub(crate) fn read(&self, bytes: &mut [u8], offset: u64) -> Result<()> {
        self.file
            .read_at(bytes, offset)
            .map_err(|error| Error::io(format!("read {} at byte {offset}", self.path.display()), error))
    }

    pub(crate) fn damage(&self, offset: u64, head: &Head, cause: Cause) -> Error {
        let frame = head.number;
        Error::damage(Damage { file: self.path.clone(), offset, frame, position: head.position, cause })
    }
}

pub(crate) fn path_of(directory: &Path, first: u64) -> PathBuf {
    directory.join(format!("segment-{first:020}.log"))
}

/// What a directory has.
pub(crate) fn names(disk: &dyn Disk, directory: &Path) -> Result<Vec<String>> {
    disk.list(directory).map_err(|error| Error::io(format!("list {}", directory.display()), error))
}

/// The first frame numbers of the segments among these names, ascending as they are.
pub(crate) fn firsts(names: &[String]) -> impl Iterator<Item = u64> {
    names.iter().filter_map(|name| first_of(name, "segment-"))
}

/// The number in the name of a part of the log.
pub(crate) fn first_of(name: &str, prefix: &str) -> Option<u64> {
    let digits = name.strip_prefix(prefix)?.strip_suffix(".log")?;
    let number = digits.parse().ok()?;
    // Only the one way of writing it, so that no two names mean the same segment.
    (digits.len() == 20 && digits.bytes().all(|byte| byte.is_ascii_digit())).then_some(number)
}

/// Opens the segment whose first frame is `head`'s next.
pub(crate) fn open(disk: &dyn Disk, directory: &Path, head: &Head, access: Access) -> Result<Segment> {
    let path = path_of(directory, head.number);
    let context = || format!("open {}", path.display());
    let file = disk.open(&path, access).map_err(|error| Error::io(context(), error))?;
    let file_length = file.len().map_err(|error| Error::io(context(), error))?;
    let mut segment = Segment { path: path.clone(), file, length: 0, file_length };
    if file_length < BLOCK_BYTES as u64 {
        let cause = Cause::SegmentLength { is: file_length, should: BLOCK_BYTES as u64 };
        return Err(segment.damage(0, head, cause));
    }
    let mut bytes = [0; BLOCK_BYTES];
    segment.file.read_at(&mut bytes, 0).map_err(|error| Error::io(context(), error))?;
    let Block::Intact(stamp) = block::inspect(&bytes, Kind::Segment) else {
        return Err(segment.damage(0, head, Cause::SegmentHeader));
    };
    let format = u16::from_le_bytes(array(&bytes, 24));
    if format > FORMAT {
        return Err(Error::new(ErrorKind::Newer { format }, context()));
    }
    segment.length = u64::from_le_bytes(array(&bytes, 32));
    if stamp != HEADER_STAMP || header(segment.length) != bytes {
        return Err(segment.damage(0, head, Cause::SegmentHeader));
    }
    Ok(segment)
}

const HEADER_STAMP: Stamp = Stamp { number: 0, index: 0, blocks: 1 };

fn header(length: u64) -> [u8; BLOCK_BYTES] {
    let mut bytes = [0; BLOCK_BYTES];
    bytes[24..26].copy_from_slice(&FORMAT.to_le_bytes());
    bytes[32..40].copy_from_slice(&length.to_le_bytes());
    block::seal(&mut bytes, Kind::Segment, HEADER_STAMP);
    bytes
}

/// Makes a segment of zeroes under a name that nothing reads.
pub(crate) fn prepare(disk: &dyn Disk, directory: &Path, length: u64) -> Result<Arc<dyn DiskFile>> {
    prepare_with(disk, directory, length, |_| Ok(()))
}

/// As [`prepare`], with frames that `fill` writes into it.
pub(crate) fn prepare_with(
    disk: &dyn Disk,
    directory: &Path,
    length: u64,
    fill: impl FnOnce(&dyn DiskFile) -> Result<()>,
) -> Result<Arc<dyn DiskFile>> {
    let path = directory.join(SPARE);
    let failed = |error| Error::io(format!("prepare a segment in {}", directory.display()), error);
    let made = (|| {
        if disk.exists(&path)? {
            disk.remove(&path)?;
        }
        let file = disk.create(&path)?;
        zero(&*file, BLOCK_BYTES as u64, length)?;
        file.write_at(&header(length), 0)?;
        Ok(file)
    })();
    let file = made.map_err(failed)?;
    fill(&*file)?;
    file.sync(SyncPoint::SegmentFile).map_err(failed)?;
    Ok(file)
}

/// Gives the prepared segment its name.
pub(crate) fn adopt(
    disk: &dyn Disk,
    directory: &Path,
    first: u64,
    length: u64,
    file: Arc<dyn DiskFile>,
) -> Result<Segment> {
    let path = path_of(directory, first);
    disk.rename(&directory.join(SPARE), &path)
        .and_then(|()| disk.sync_directory(directory, SyncPoint::SegmentDirectory))
        .map_err(|error| Error::io(format!("start {}", path.display()), error))?;
    Ok(Segment { path, file, length, file_length: length })
}

pub(crate) fn zero(file: &dyn DiskFile, from: u64, to: u64) -> std::io::Result<()> {
    let zeroes = vec![0; PIECE_BYTES];
    let mut offset = from;
    while offset < to {
        let piece = usize::try_from(to - offset).unwrap_or(usize::MAX).min(PIECE_BYTES);
        file.write_at(&zeroes[..piece], offset)?;
        offset += piece as u64;
    }
    Ok(())
}

//! Cutting a damaged log at the operator's word.
//!
//! Whatever is cut is set aside in files of its own and made durable there before the log is touched, so a
//! wrong decision can still be undone by hand. If power goes half-way the log is as damaged as before, at the
//! same position, and the same command can be given again.
//!
//! A sealed segment is not changed, ever. If the cut goes through one, it is set aside whole and what was good in it is written
//! as a segment again; if both are there when power goes, the damaged one does not count.

use std::io;
use std::path::{Path, PathBuf};

use crate::disk::{Access, BLOCK_BYTES, Disk, DiskFile, SyncPoint};
use crate::error::{Error, Result};
use crate::frame::{self, Draft, Frame};
use crate::mark;
use crate::part::{Part, Written};
use crate::sealed::Sealed;
use crate::segment;
use crate::walk::Walk;

const PIECE_BYTES: usize = 1024 * 1024;

/// Removes everything behind the walk's head; returns where it was set aside. The log has to be read again then.
pub(crate) fn cut(
    disk: &dyn Disk,
    directory: &Path,
    walk: &Walk,
    segment_bytes: u64,
) -> Result<Vec<PathBuf>> {
    let failed = |error| Error::io(format!("cut the log at position {}", walk.head.position), error);
    let kept_in = set_aside(disk, directory, walk).map_err(failed)?;
    match walk.parts.last() {
        Some(Part::Written(Written { segment, .. })) => {
            let emptied = || {
                if segment.file_length > segment.length {
                    segment.file.set_len(segment.length)?;
                }
                segment::zero(&*segment.file, walk.offset, segment.length)
            };
            emptied().map_err(failed)?;
        }
        Some(Part::Sealed(sealed)) if walk.pack < sealed.packs() => {
            unseal(disk, directory, sealed, walk.pack, segment_bytes)?;
            disk.remove(&sealed.path).map_err(failed)?;
        }
        // What follows could not be opened: a log goes on in a segment, so it gets an empty one.
        Some(Part::Sealed(_)) | None => {
            let file = segment::prepare(disk, directory, segment_bytes)?;
            segment::adopt(disk, directory, walk.head.number, segment_bytes, file)?;
        }
    }
    Ok(kept_in)
}

fn set_aside(disk: &dyn Disk, directory: &Path, walk: &Walk) -> io::Result<Vec<PathBuf>> {
    let position = walk.head.position;
    let mut kept_in = Vec::new();
    let mut keep = |file: &dyn DiskFile, path: &Path, start: u64, end: u64| {
        let name = unused(disk, directory, position, path)?;
        copy(disk, file, start, end, &name)?;
        kept_in.push(name);
        Ok::<_, io::Error>(())
    };
    match walk.parts.last() {
        Some(Part::Written(Written { segment, .. })) => {
            let end = end_of_bytes(&*segment.file, walk.offset, segment.file_length)?;
            if end > walk.offset {
                keep(&*segment.file, &segment.path, walk.offset, end)?;
            }
        }
        Some(Part::Sealed(sealed)) if walk.pack < sealed.packs() => {
            keep(&*disk.open(&sealed.path, Access::Read)?, &sealed.path, 0, sealed.length)?;
        }
        Some(Part::Sealed(_)) | None => {}
    }
    for path in walk.unread() {
        let name = unused(disk, directory, position, &path)?;
        disk.rename(&path, &name)?;
        kept_in.push(name);
    }
    mark::withdraw(disk, directory)?;
    disk.sync_directory(directory, SyncPoint::CutDirectory)?;
    Ok(kept_in)
}

/// Writes the frames of the first packs of a sealed segment as a segment again.
fn unseal(
    disk: &dyn Disk,
    directory: &Path,
    sealed: &Sealed,
    packs: usize,
    segment_bytes: u64,
) -> Result<()> {
    let each = |take: &mut dyn FnMut(Frame) -> Result<()>| {
        (0..packs).try_for_each(|pack| sealed.unpack(disk, pack)?.into_iter().try_for_each(&mut *take))
    };
    let mut length = BLOCK_BYTES as u64;
    each(&mut |frame| {
        length += frame.bytes_on_disk();
        Ok(())
    })?;
    let length = length.max(segment_bytes);
    let file = segment::prepare_with(disk, directory, length, |file| {
        let (mut head, mut offset, mut bytes) = (sealed.start, BLOCK_BYTES as u64, Vec::new());
        each(&mut |frame| {
            let Frame { count, rules, at, payload, .. } = frame;
            let after = frame::encode(&head, &Draft { rules, at, count, payload }, &mut bytes);
            head = after.expect("it had a number before");
            file.write_at(&bytes, offset)
                .map_err(|error| Error::io(format!("write frame {}", head.number - 1), error))?;
            offset += bytes.len() as u64;
            Ok(())
        })
    })?;
    segment::adopt(disk, directory, sealed.start.number, length, file).map(drop)
}

/// A name for what is set aside. Never one that is taken: an earlier attempt may already have removed what it
/// put there.
fn unused(disk: &dyn Disk, directory: &Path, position: u64, path: &Path) -> io::Result<PathBuf> {
    let name = path.file_name().expect("a segment has a name").to_string_lossy();
    let mut attempt = 1_u64;
    loop {
        let unused = directory.join(format!("cut-{position}-{attempt}-{name}"));
        if !disk.exists(&unused)? {
            return Ok(unused);
        }
        attempt += 1;
    }
}

/// The end of the last piece that is not all zero.
fn end_of_bytes(file: &dyn DiskFile, start: u64, file_length: u64) -> io::Result<u64> {
    let mut end = start;
    each_piece(file, start, file_length, |offset, piece| {
        if piece.iter().any(|byte| *byte != 0) {
            end = offset + piece.len() as u64;
        }
        Ok(())
    })?;
    Ok(end)
}

fn copy(disk: &dyn Disk, from: &dyn DiskFile, start: u64, end: u64, path: &Path) -> io::Result<()> {
    let file = disk.create(path)?;
    each_piece(from, start, end, |offset, piece| file.write_at(piece, offset - start))?;
    file.sync(SyncPoint::CutFile)
}

fn each_piece(
    file: &dyn DiskFile,
    start: u64,
    end: u64,
    mut take: impl FnMut(u64, &[u8]) -> io::Result<()>,
) -> io::Result<()> {
    let mut buffer = vec![0; PIECE_BYTES];
    let mut offset = start;
    while offset < end {
        let bytes = usize::try_from(end - offset).unwrap_or(usize::MAX).min(PIECE_BYTES);
        file.read_at(&mut buffer[..bytes], offset)?;
        take(offset, &buffer[..bytes])?;
        offset += bytes as u64;
    }
    Ok(())
}

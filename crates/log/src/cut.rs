//! Cutting a damaged log at the operator's word.
//!
//! Whatever is cut is set aside in files of its own and made durable there before the log is touched, so a
//! wrong decision can still be undone by hand. If power goes half-way the log is as damaged as before, at the
//! same position, and the same command can be given again.

use std::io;
use std::path::{Path, PathBuf};

use crate::disk::{Disk, DiskFile, SyncPoint};
use crate::error::{Error, Result};
use crate::mark;
use crate::segment;
use crate::walk::Walk;

const PIECE_BYTES: usize = 1024 * 1024;

/// Removes everything behind the walk's head; returns where it was set aside.
pub(crate) fn cut(
    disk: &dyn Disk,
    directory: &Path,
    walk: &mut Walk,
    segment_bytes: u64,
) -> Result<Vec<PathBuf>> {
    let position = walk.head.position;
    let kept_in = set_aside(disk, directory, walk)
        .map_err(|error| Error::io(format!("cut the log at position {position}"), error))?;
    if walk.segments.is_empty() {
        // Not even the first segment could be opened: the log starts over.
        let file = segment::prepare(disk, directory, segment_bytes)?;
        segment::adopt(disk, directory, walk.head.number, segment_bytes, file)?;
    }
    walk.refresh()?;
    if walk.segments.is_empty() {
        walk.enter()?;
    }
    Ok(kept_in)
}

fn set_aside(disk: &dyn Disk, directory: &Path, walk: &mut Walk) -> io::Result<Vec<PathBuf>> {
    let position = walk.head.position;
    let mut kept_in = Vec::new();
    if let Some(segment) = walk.segments.last() {
        let end = end_of_bytes(&*segment.file, walk.offset, segment.file_length)?;
        if end > walk.offset {
            let name = unused(disk, directory, position, &segment.path)?;
            copy(disk, &*segment.file, walk.offset, end, &name)?;
            kept_in.push(name);
        }
    }
    for path in walk.unread() {
        let name = unused(disk, directory, position, &path)?;
        disk.rename(&path, &name)?;
        kept_in.push(name);
    }
    mark::withdraw(disk, directory)?;
    disk.sync_directory(directory, SyncPoint::CutDirectory)?;
    if let Some(segment) = walk.segments.last_mut() {
        if segment.file_length > segment.length {
            segment.file.set_len(segment.length)?;
        }
        segment::zero(&*segment.file, walk.offset, segment.length)?;
        segment.file_length = segment.length;
    }
    Ok(kept_in)
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

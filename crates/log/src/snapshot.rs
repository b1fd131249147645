//! Snapshots: opaque bytes that stand for everything folded up to a head.
//!
//! A snapshot saves time and proves nothing: the log is the truth. So one that cannot be read, is damaged,
//! newer than this release or not of this log is passed over, with a word about it, and the one before it is
//! tried. Two are kept. Once stored, a snapshot stays: both its bytes and its name are durable.
//!
//! It is written and read piece by piece, as it may be larger than what memory has left.
//!
//! Layout, little-endian: magic (4), format (2), zero (2), number (8), position (8), hash (32), length (8),
//! SHA-256 of the content and all that (32), content.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use sha2::{Digest, Sha256};

use crate::block::array;
use crate::disk::{Access, Disk, DiskFile, SyncPoint};
use crate::error::{Error, Result};
use crate::frame::Head;
use crate::source::FrameSource;

const MAGIC: [u8; 4] = *b"SySn";
const FORMAT: u16 = 2;
const FIELDS_BYTES: usize = 64;
const HEADER_BYTES: usize = FIELDS_BYTES + 32;
/// What a snapshot is called until it is whole.
const UNFINISHED: &str = "snapshot.new";

/// A snapshot that was passed over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Skipped {
    pub file: String,
    pub cause: SkipCause,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SkipCause {
    /// The disk would not give it.
    Unreadable {
        error: String,
    },
    Damaged,
    Newer {
        format: u16,
    },
    /// The log has no such head: it is of another log, or of a part that was cut.
    NotOfThisLog,
    /// Whoever wrote the content wrote it otherwise.
    OtherContent,
}

/// Removes what an attempt that did not finish has left.
pub fn discard(disk: &dyn Disk, directory: &Path) -> io::Result<()> {
    let path = directory.join(UNFINISHED);
    if disk.exists(&path)? { disk.remove(&path) } else { Ok(()) }
}

/// A snapshot being written.
pub struct Writer {
    disk: Arc<dyn Disk>,
    directory: PathBuf,
    file: Arc<dyn DiskFile>,
    length: u64,
    sum: Sha256,
}

impl Writer {
    /// Begins one; what an earlier attempt has left of one is dropped.
    pub fn create(disk: Arc<dyn Disk>, directory: &Path) -> Result<Self> {
        let created = discard(&*disk, directory).and_then(|()| disk.create(&directory.join(UNFINISHED)));
        let file = created.map_err(|error| failed(directory, error))?;
        Ok(Self { disk, directory: directory.to_owned(), file, length: 0, sum: Sha256::new() })
    }

    /// Adds to its content.
    pub fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.sum.update(bytes);
        let written = self.file.write_at(bytes, HEADER_BYTES as u64 + self.length);
        self.length += bytes.len() as u64;
        written.map_err(|error| failed(&self.directory, error))
    }

    /// Says what is folded into it and makes it durable; all but it and the one before are dropped. Returns how many bytes it
    /// has.
    pub fn finish(mut self, head: Head) -> Result<u64> {
        let mut header = fields(head, self.length).to_vec();
        self.sum.update(&header);
        header.extend_from_slice(&self.sum.finalize());
        let (disk, directory) = (&*self.disk, &self.directory);
        let finish = || {
            self.file.write_at(&header, 0)?;
            self.file.sync(SyncPoint::SnapshotFile)?;
            disk.rename(&directory.join(UNFINISHED), &directory.join(name_of(head.number)))?;
            disk.sync_directory(directory, SyncPoint::SnapshotDirectory)?;
            let numbers = numbers(disk, directory)?;
            let before = numbers.iter().copied().filter(|other| *other < head.number).max();
            // Later ones are of a part that was cut, or this one would not be the newest.
            for old in numbers.into_iter().filter(|other| *other != head.number && Some(*other) != before) {
                disk.remove(&directory.join(name_of(old)))?;
            }
            Ok(HEADER_BYTES as u64 + self.length)
        };
        finish().map_err(|error| failed(directory, error))
    }
}

impl fmt::Debug for Writer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Writer").field("length", &self.length).finish_non_exhaustive()
    }
}

fn failed(directory: &Path, error: io::Error) -> Error {
    Error::io(format!("store a snapshot in {}", directory.display()), error)
}

/// The content of a snapshot being read. Whether it is what was once written shows at its end.
pub struct Content {
    file: Arc<dyn DiskFile>,
    at: u64,
    end: u64,
    sum: Sha256,
}

impl Content {
    /// Reads exactly as many bytes as `bytes` has room for.
    pub fn read(&mut self, bytes: &mut [u8]) -> io::Result<()> {
        if bytes.len() as u64 > self.left() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.file.read_at(bytes, self.at)?;
        self.sum.update(&*bytes);
        self.at += bytes.len() as u64;
        Ok(())
    }

    /// Bytes that have not been read.
    pub fn left(&self) -> u64 {
        self.end - self.at
    }

    /// Reads what is left: `cause` if all of it is as it was written.
    fn cause(mut self, header: &Header, cause: SkipCause) -> SkipCause {
        let mut piece = vec![0; 1 << 16];
        while self.left() > 0 {
            let length = usize::try_from(self.left()).map_or(piece.len(), |left| left.min(piece.len()));
            if let Err(error) = self.read(&mut piece[..length]) {
                return SkipCause::unread(&error);
            }
        }
        let (fields, sum) = header.bytes.split_at(FIELDS_BYTES);
        if *self.sum.chain_update(fields).finalize() == *sum { cause } else { SkipCause::Damaged }
    }
}

impl fmt::Debug for Content {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Content")
            .field("at", &self.at)
            .field("end", &self.end)
            .finish_non_exhaustive()
    }
}

/// What was made of the newest snapshot that could be used, and those that could not.
pub type Loaded<T> = (Option<(Head, T)>, Vec<Skipped>);

/// What the newest snapshot holds that belongs to the log behind `source`, and those that had to be passed over. `decode` makes
/// something of its content, or nothing if it does not know how; what it makes counts only if the snapshot is sound.
pub fn load_newest<T>(
    disk: &dyn Disk,
    directory: &Path,
    source: &FrameSource,
    mut decode: impl FnMut(Head, &mut Content) -> io::Result<Option<T>>,
) -> Result<Loaded<T>> {
    let context = |error| Error::io(format!("load a snapshot from {}", directory.display()), error);
    let mut skipped = Vec::new();
    for number in numbers(disk, directory).map_err(context)?.into_iter().rev() {
        let file = name_of(number);
        let cause = match open(disk, &directory.join(&file)) {
            Err(cause) => cause,
            Ok((header, content)) if header.head.number != number => {
                content.cause(&header, SkipCause::Damaged)
            }
            Ok((header, content)) if header.format != FORMAT => {
                content.cause(&header, SkipCause::Newer { format: header.format })
            }
            Ok((header, content)) if source.head_at(number)? != Some(header.head) => {
                content.cause(&header, SkipCause::NotOfThisLog)
            }
            Ok((header, mut content)) => {
                let made = decode(header.head, &mut content);
                match (content.cause(&header, SkipCause::OtherContent), made) {
                    (SkipCause::OtherContent, Ok(Some(made))) => {
                        return Ok((Some((header.head, made)), skipped));
                    }
                    (cause, _) => cause,
                }
            }
        };
        skipped.push(Skipped { file, cause });
    }
    Ok((None, skipped))
}

struct Header {
    format: u16,
    head: Head,
    bytes: [u8; HEADER_BYTES],
}

fn open(disk: &dyn Disk, path: &Path) -> Result<(Header, Content), SkipCause> {
    let opened = disk.open(path, Access::Read).and_then(|file| Ok((file.len()?, file)));
    let (end, file) = opened.map_err(|error| SkipCause::unread(&error))?;
    if end < HEADER_BYTES as u64 {
        return Err(SkipCause::Damaged);
    }
    let mut bytes = [0; HEADER_BYTES];
    file.read_at(&mut bytes, 0).map_err(|error| SkipCause::unread(&error))?;
    let length = u64::from_le_bytes(array(&bytes, 56));
    if bytes[0..4] != MAGIC || length.checked_add(HEADER_BYTES as u64) != Some(end) {
        return Err(SkipCause::Damaged);
    }
    let format = u16::from_le_bytes(array(&bytes, 4));
    let head = Head {
        number: u64::from_le_bytes(array(&bytes, 8)),
        position: u64::from_le_bytes(array(&bytes, 16)),
        hash: array(&bytes, 24),
    };
    let content = Content { file, at: HEADER_BYTES as u64, end, sum: Sha256::new() };
    Ok((Header { format, head, bytes }, content))
}

impl SkipCause {
    fn unread(error: &io::Error) -> Self {
        Self::Unreadable { error: error.to_string() }
    }
}

/// The frame numbers of the snapshots in a directory, ascending, whether they are sound or not.
fn numbers(disk: &dyn Disk, directory: &Path) -> io::Result<Vec<u64>> {
    let names = disk.list(directory)?;
    let numbers = names.iter().filter_map(|name| {
        let number = name.strip_prefix("snapshot-")?.strip_suffix(".bin")?.parse().ok()?;
        (name_of(number) == *name).then_some(number)
    });
    Ok(numbers.collect())
}

fn name_of(number: u64) -> String {
    format!("snapshot-{number:020}.bin")
}

fn fields(Head { number, position, hash }: Head, length: u64) -> [u8; FIELDS_BYTES] {
    let mut bytes = [0; FIELDS_BYTES];
    bytes[0..4].copy_from_slice(&MAGIC);
    bytes[4..6].copy_from_slice(&FORMAT.to_le_bytes());
    bytes[8..16].copy_from_slice(&number.to_le_bytes());
    bytes[16..24].copy_from_slice(&position.to_le_bytes());
    bytes[24..56].copy_from_slice(&hash);
    bytes[56..64].copy_from_slice(&length.to_le_bytes());
    bytes
}

impl fmt::Display for Skipped {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { file, cause } = self;
        match cause {
            SkipCause::Unreadable { error } => write!(formatter, "{file} cannot be read: {error}"),
            SkipCause::Damaged => write!(formatter, "{file} is damaged"),
            SkipCause::Newer { format } => {
                write!(formatter, "{file} has format {format}, newer than this release")
            }
            SkipCause::OtherContent => write!(formatter, "{file} was written by another build"),
            SkipCause::NotOfThisLog => write!(formatter, "{file} does not belong to this log"),
        }
    }
}

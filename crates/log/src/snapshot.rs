//! Snapshots: opaque bytes that stand for everything folded up to a head.
//!
//! A snapshot saves time and proves nothing: the log is the truth. So one that cannot be read, is damaged,
//! newer than this release or not of this log is passed over, with a word about it, and the one before it is
//! tried. Two are kept. Once stored, a snapshot stays: both its bytes and its name are durable.
//!
//! Layout, little-endian: magic (4), format (2), zero (2), number (8), position (8), hash (32), length (8),
//! SHA-256 of all that and the content (32), content.

use std::fmt;
use std::path::Path;

use sha2::{Digest, Sha256};

use crate::block::array;
use crate::disk::{Disk, SyncPoint};
use crate::error::{Error, Result};
use crate::frame::Head;
use crate::source::FrameSource;
use crate::whole;

const MAGIC: [u8; 4] = *b"SySn";
const FORMAT: u16 = 1;
const FIELDS_BYTES: usize = 64;
const HEADER_BYTES: usize = FIELDS_BYTES + 32;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// What is folded into it, and the hash of the last frame of that.
    pub head: Head,
    pub bytes: Vec<u8>,
}

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
}

/// Stores a snapshot and drops all but it and the one before.
pub fn store(disk: &dyn Disk, directory: &Path, snapshot: &Snapshot) -> Result<()> {
    let number = snapshot.head.number;
    let stored = whole::replace(
        disk,
        directory,
        &name_of(number),
        &encode(snapshot),
        SyncPoint::SnapshotFile,
        SyncPoint::SnapshotDirectory,
    );
    stored
        .and_then(|()| {
            let numbers = numbers(disk, directory)?;
            let before = numbers.iter().copied().filter(|other| *other < number).max();
            // Later ones are of a part that was cut, or this one would not be the newest.
            for old in numbers.into_iter().filter(|other| *other != number && Some(*other) != before) {
                disk.remove(&directory.join(name_of(old)))?;
            }
            Ok(())
        })
        .map_err(|error| {
            Error::io(format!("store a snapshot at frame {number} in {}", directory.display()), error)
        })
}

/// The newest snapshot that belongs to the log behind `source`, and those that had to be passed over.
pub fn load_newest(
    disk: &dyn Disk,
    directory: &Path,
    source: &FrameSource,
) -> Result<(Option<Snapshot>, Vec<Skipped>)> {
    let context = |error| Error::io(format!("load a snapshot from {}", directory.display()), error);
    let mut skipped = Vec::new();
    for number in numbers(disk, directory).map_err(context)?.into_iter().rev() {
        let file = name_of(number);
        let read = whole::read(disk, &directory.join(&file))
            .map_err(|error| SkipCause::Unreadable { error: error.to_string() });
        let cause = match read.and_then(|bytes| decode(&bytes)) {
            Ok(snapshot) if snapshot.head.number != number => SkipCause::Damaged,
            Ok(snapshot) if source.head_at(number)? != Some(snapshot.head) => SkipCause::NotOfThisLog,
            Ok(snapshot) => return Ok((Some(snapshot), skipped)),
            Err(cause) => cause,
        };
        skipped.push(Skipped { file, cause });
    }
    Ok((None, skipped))
}

/// The frame numbers of the snapshots in a directory, ascending, whether they are sound or not.
fn numbers(disk: &dyn Disk, directory: &Path) -> std::io::Result<Vec<u64>> {
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

fn encode(snapshot: &Snapshot) -> Vec<u8> {
    let Snapshot { head: Head { number, position, hash }, bytes: content } = snapshot;
    let mut bytes = vec![0; HEADER_BYTES];
    bytes[0..4].copy_from_slice(&MAGIC);
    bytes[4..6].copy_from_slice(&FORMAT.to_le_bytes());
    bytes[8..16].copy_from_slice(&number.to_le_bytes());
    bytes[16..24].copy_from_slice(&position.to_le_bytes());
    bytes[24..56].copy_from_slice(hash);
    bytes[56..64].copy_from_slice(&(content.len() as u64).to_le_bytes());
    let sum = checksum(&bytes[..FIELDS_BYTES], content);
    bytes[FIELDS_BYTES..].copy_from_slice(&sum);
    bytes.extend_from_slice(content);
    bytes
}

fn decode(bytes: &[u8]) -> Result<Snapshot, SkipCause> {
    let (header, content) = bytes.split_at_checked(HEADER_BYTES).ok_or(SkipCause::Damaged)?;
    let format = u16::from_le_bytes(array(header, 4));
    let sound = header[0..4] == MAGIC
        && u64::from_le_bytes(array(header, 56)) == content.len() as u64
        && header[FIELDS_BYTES..] == checksum(&header[..FIELDS_BYTES], content);
    if !sound {
        return Err(SkipCause::Damaged);
    }
    if format != FORMAT {
        return Err(SkipCause::Newer { format });
    }
    let head = Head {
        number: u64::from_le_bytes(array(header, 8)),
        position: u64::from_le_bytes(array(header, 16)),
        hash: array(header, 24),
    };
    Ok(Snapshot { head, bytes: content.to_vec() })
}

fn checksum(fields: &[u8], content: &[u8]) -> [u8; 32] {
    Sha256::new().chain_update(fields).chain_update(content).finalize().into()
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
            SkipCause::NotOfThisLog => write!(formatter, "{file} does not belong to this log"),
        }
    }
}

//! What can go wrong with a log, as one error: a kind that callers branch on, a context that fits after
//! "failed to", and what lies beneath.

use std::error::Error as StdError;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

pub type Result<T, E = Error> = std::result::Result<T, E>;

#[derive(Debug)]
pub struct Error {
    pub kind: ErrorKind,
    /// What was being done, as a fragment after "failed to".
    pub context: String,
    pub source: Option<Box<dyn StdError + Send + Sync>>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ErrorKind {
    /// Another process, or another part of this one, has the log open: the one with this number, if it is known.
    Locked {
        by: Option<u32>,
    },
    /// The bytes are not those that were written. Nothing was changed.
    Corrupt(Box<Damage>),
    /// The writer does not know the newest frame: somebody else appended.
    StaleAppend {
        expected: u64,
        next: u64,
    },
    /// Two frames wait for a sync already.
    Unsynced,
    /// Larger than a frame may be.
    TooLarge {
        bytes: u64,
        limit: u64,
    },
    /// The file that says how far the log was durable is damaged.
    MarkDamaged,
    /// Written by a newer release.
    Newer {
        format: u16,
    },
    /// There is no such log or file.
    NotFound,
    /// There is a log already.
    AlreadyExists,
    /// The request contradicts itself or the log; the context says how.
    Invalid,
    NoSpace,
    ReadOnly,
    Io,
    /// A write or sync failed earlier; this log accepts nothing until it is opened again.
    Poisoned,
}

/// Where a log is damaged, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Damage {
    pub file: PathBuf,
    /// Byte offset in the file.
    pub offset: u64,
    /// The frame that should be there.
    pub frame: u64,
    /// The first entry that is lost with it.
    pub position: u64,
    pub cause: Cause,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// The file of this segment is not there.
    SegmentMissing,
    /// The file is not as long as a segment.
    SegmentLength { is: u64, should: u64 },
    /// The first block of the segment is not a segment's.
    SegmentHeader,
    /// A block is all zero where it was once durable.
    BlockMissing,
    /// A block is neither zero nor what was written.
    BlockChecksum,
    /// A block belongs to another place.
    BlockMisplaced,
    /// The frame's fields contradict each other.
    FrameHeader,
    /// The frame's content is not what its hash says.
    FrameHash,
    /// The frame does not follow the one before it.
    ChainBroken,
    /// There are bytes where nothing was written.
    BytesAfterEnd,
    /// The log ends before what it had promised to keep.
    Shortened { promised: u64 },
    /// The payload is not a sequence of records, or not as many as the header says.
    Records,
    /// The header of a sealed segment is not what was written.
    SealedHeader,
    /// The index of a sealed segment is not what was written, or contradicts its header.
    SealedIndex,
    /// A pack of a sealed segment is not what was written.
    PackChecksum,
    /// A pack does not hold the frames that the index says.
    PackContent,
}

impl Error {
    pub(crate) fn new(kind: ErrorKind, context: impl Into<String>) -> Self {
        Self { kind, context: context.into(), source: None }
    }

    pub(crate) fn io(context: impl Into<String>, source: io::Error) -> Self {
        let kind = match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => {
                ErrorKind::NoSpace
            }
            io::ErrorKind::ReadOnlyFilesystem => ErrorKind::ReadOnly,
            io::ErrorKind::NotFound => ErrorKind::NotFound,
            io::ErrorKind::AlreadyExists => ErrorKind::AlreadyExists,
            _ => ErrorKind::Io,
        };
        Self { kind, context: context.into(), source: Some(Box::new(source)) }
    }

    pub(crate) fn damage(damage: Damage) -> Self {
        Self::new(ErrorKind::Corrupt(Box::new(damage)), "read the log")
    }

    /// What a person can do about it.
    pub fn hint(&self) -> Option<&'static str> {
        match self.kind {
            ErrorKind::Locked { .. } => Some("stop the other process first; `verify` needs no lock"),
            ErrorKind::Corrupt(_) => Some(
                "nothing was changed; restore a backup, or give up everything from that position on with --cut-tail POSITION",
            ),
            ErrorKind::MarkDamaged => Some(
                "nothing was changed; without the file `durable` the log is taken as it is, so compare it with a checkpoint that was kept",
            ),
            ErrorKind::StaleAppend { .. } => Some("drop what is in memory and rebuild from the log"),
            ErrorKind::Unsynced => Some("sync before the next append"),
            ErrorKind::TooLarge { .. } => Some("split it over several frames"),
            ErrorKind::Newer { .. } => Some("use a newer release of sycee"),
            // The system missed a file that was to be there.
            ErrorKind::NotFound if self.source.is_some() => Some(
                "the data directory, or a file in it, was removed or moved away: put it back, or restore a backup",
            ),
            ErrorKind::NotFound => Some("create one with `sycee init`"),
            ErrorKind::NoSpace => {
                Some("free some space, then start again: recovery loses nothing acknowledged")
            }
            ErrorKind::ReadOnly => Some("mount the data directory writable; `verify` works as it is"),
            ErrorKind::Poisoned => Some("start again: recovery loses nothing acknowledged"),
            ErrorKind::AlreadyExists | ErrorKind::Invalid | ErrorKind::Io => None,
        }
    }

    /// The damage, if that is what this is about.
    pub fn as_damage(&self) -> Option<&Damage> {
        match &self.kind {
            ErrorKind::Corrupt(damage) => Some(damage),
            _ => None,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "failed to {}: {}", self.context, self.kind)
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.source.as_deref().map(|source| source as &(dyn StdError + 'static))
    }
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Locked { by: Some(process) } => write!(formatter, "locked by process {process}"),
            Self::Locked { by: None } => formatter.write_str("locked by another process"),
            Self::Corrupt(damage) => write!(formatter, "corrupt: {damage}"),
            Self::StaleAppend { expected, next } => {
                write!(formatter, "the next frame is {next}, not {expected}")
            }
            Self::Unsynced => formatter.write_str("two frames are waiting for a sync"),
            Self::TooLarge { bytes, limit } => {
                write!(formatter, "{bytes} bytes are more than a frame's {limit}")
            }
            Self::MarkDamaged => formatter.write_str("the durable mark is damaged"),
            Self::Newer { format } => write!(formatter, "format {format} is newer than this release"),
            Self::NotFound => formatter.write_str("not found"),
            Self::AlreadyExists => formatter.write_str("it is there already"),
            Self::Invalid => formatter.write_str("invalid"),
            Self::NoSpace => formatter.write_str("no space left on the disk"),
            Self::ReadOnly => formatter.write_str("the disk is read-only"),
            Self::Io => formatter.write_str("the disk failed"),
            Self::Poisoned => formatter.write_str("an earlier write or sync failed"),
        }
    }
}

impl fmt::Display for Damage {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { file, offset, frame, position, cause } = self;
        write!(
            formatter,
            "{} at byte {offset}, frame {frame}, position {position}: {cause}",
            file_name(file).display()
        )
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SegmentMissing => formatter.write_str("the segment is missing"),
            Self::SegmentLength { is, should } => {
                write!(formatter, "the segment has {is} bytes instead of {should}")
            }
            Self::SegmentHeader => formatter.write_str("the segment's header is damaged"),
            Self::BlockMissing => formatter.write_str("a block is missing"),
            Self::BlockChecksum => formatter.write_str("a block does not match its checksum"),
            Self::BlockMisplaced => formatter.write_str("a block belongs elsewhere"),
            Self::FrameHeader => formatter.write_str("the frame's header contradicts itself"),
            Self::FrameHash => formatter.write_str("the frame does not match its hash"),
            Self::ChainBroken => formatter.write_str("the frame does not follow the one before"),
            Self::BytesAfterEnd => formatter.write_str("there are bytes after the end"),
            Self::Shortened { promised } => {
                write!(formatter, "the log ends here, although frames up to {promised} were durable")
            }
            Self::Records => formatter.write_str("the frame does not hold the records it claims"),
            Self::SealedHeader => formatter.write_str("the sealed segment's header is damaged"),
            Self::SealedIndex => formatter.write_str("the sealed segment's index is damaged"),
            Self::PackChecksum => formatter.write_str("a pack does not match its checksum"),
            Self::PackContent => formatter.write_str("a pack does not hold the frames it claims"),
        }
    }
}

fn file_name(path: &Path) -> &Path {
    path.file_name().map_or(path, Path::new)
}

//! The one door to storage.
//!
//! Everything the log does to a file goes through [`Disk`], for one reason: durability can only be tested
//! where it can fail. [`RealDisk`] is `std::fs`; [`SimDisk`] keeps a live image (what the process sees) and a
//! durable image (what a power cut leaves) and forgets whatever was not synced.
//!
//! Every sync names its call site by a [`SyncPoint`]. The crash suite runs once with each of them ignored and
//! has to notice, so a sync that is deleted, or one that was never needed, makes a test fail.

use std::fmt::Debug;
use std::io;
use std::path::Path;
use std::sync::Arc;

mod real;
mod sim;

pub use real::RealDisk;
pub use sim::{Effect, Fault, Plan, SimDisk, When};

/// Blocks of this size are assumed to be written whole or not at all.
pub const BLOCK_BYTES: usize = 4096;

/// Every place, here and in the node, that makes something durable. Each variant is passed by exactly one call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SyncPoint {
    /// The directory that holds a newly created log directory.
    ParentDirectory,
    /// A fresh segment: its zeroes, length and header.
    SegmentFile,
    /// The name of a fresh segment.
    SegmentDirectory,
    /// The frames of a segment that is about to be followed by another.
    SegmentEnd,
    /// Appended frames; what an acknowledgement waits for.
    FrameData,
    /// A segment repacked, before it takes the place of what was written.
    SealedFile,
    /// The name of a sealed segment, before what was written is removed.
    SealedDirectory,
    /// What recovery kept of the last segment, and the zeroes over what it cut.
    RecoveredTail,
    /// The names that recovery relies on.
    RecoveredDirectory,
    /// The bytes that an explicit cut sets aside before it removes them.
    CutFile,
    /// The name of the file of set-aside bytes.
    CutDirectory,
    /// The content of a snapshot.
    SnapshotFile,
    /// The name of a snapshot.
    SnapshotDirectory,
    /// The content of a checkpoint.
    CheckpointFile,
    /// The name of a checkpoint.
    CheckpointDirectory,
    /// The signing key of a new log.
    KeyFile,
    /// The name of the signing key.
    KeyDirectory,
    /// The note that a clock has jumped.
    JumpNoteFile,
    /// The name of that note.
    JumpNoteDirectory,
    /// That the note is gone, once the clock was accepted.
    JumpNoteRemoved,
    /// The operator's record of cuts.
    CutRecordFile,
    /// The name of that record, and of a checkpoint that was set aside before it.
    CutRecordDirectory,
    /// That the mark of an unfinished copy is gone.
    CopyFinished,
}

impl SyncPoint {
    /// Those of the log itself.
    pub const LOG: [Self; 15] = [
        Self::ParentDirectory,
        Self::SegmentFile,
        Self::SegmentDirectory,
        Self::SegmentEnd,
        Self::FrameData,
        Self::SealedFile,
        Self::SealedDirectory,
        Self::RecoveredTail,
        Self::RecoveredDirectory,
        Self::CutFile,
        Self::CutDirectory,
        Self::SnapshotFile,
        Self::SnapshotDirectory,
        Self::CheckpointFile,
        Self::CheckpointDirectory,
    ];

    /// Those of the node's own files, which lie beside the log.
    pub const NODE: [Self; 8] = [
        Self::KeyFile,
        Self::KeyDirectory,
        Self::JumpNoteFile,
        Self::JumpNoteDirectory,
        Self::JumpNoteRemoved,
        Self::CutRecordFile,
        Self::CutRecordDirectory,
        Self::CopyFinished,
    ];
}

/// What a file is opened for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    Read,
    Write,
}

/// A place that keeps files. Names become durable only by [`Disk::sync_directory`].
pub trait Disk: Debug + Send + Sync {
    fn create_directory(&self, path: &Path) -> io::Result<()>;
    fn exists(&self, path: &Path) -> io::Result<bool>;
    /// File names in a directory, sorted.
    fn list(&self, directory: &Path) -> io::Result<Vec<String>>;
    /// A new, empty file open for writing; fails with `AlreadyExists`.
    fn create(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>>;
    /// As [`Disk::create`], for a secret: only its owner may read it.
    fn create_private(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>>;
    /// Whether nobody but its owner may read or write a file.
    fn is_private(&self, path: &Path) -> io::Result<bool>;
    fn open(&self, path: &Path, access: Access) -> io::Result<Arc<dyn DiskFile>>;
    /// Replaces `to` if it is there. Both names are in the same directory.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    fn remove(&self, path: &Path) -> io::Result<()>;
    fn sync_directory(&self, directory: &Path, point: SyncPoint) -> io::Result<()>;
    /// Takes the exclusive lock on a directory. It is on the directory itself, so no file that somebody deletes
    /// lets a second process in.
    fn lock(&self, directory: &Path) -> io::Result<Locking>;
}

/// An open file. Reads and writes are complete or fail.
pub trait DiskFile: Debug + Send + Sync {
    fn len(&self) -> io::Result<u64>;
    fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<()>;
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()>;
    /// Shortens the file.
    fn set_len(&self, len: u64) -> io::Result<()>;
    /// Makes the content and length of the file durable, not its name.
    fn sync(&self, point: SyncPoint) -> io::Result<()>;

    fn is_empty(&self) -> io::Result<bool> {
        Ok(self.len()? == 0)
    }
}

/// What became of an attempt to lock a directory.
#[derive(Debug)]
pub enum Locking {
    Taken(Box<dyn DiskLock>),
    /// Somebody else has it: this process, as far as is known.
    Held(Option<u32>),
}

/// Held until dropped.
pub trait DiskLock: Debug + Send + Sync {}

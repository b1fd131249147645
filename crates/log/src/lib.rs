//! frames, segments, fsync, hash chain, snapshots, recovery

mod block;
pub mod checkpoint;
mod cut;
pub mod disk;
mod error;
mod frame;
pub mod leaf;
mod log;
mod mark;
pub mod merkle;
pub mod note;
mod reader;
pub mod record;
mod recover;
mod segment;
pub mod snapshot;
mod source;
mod walk;
mod whole;

pub use checkpoint::Checkpoint;
pub use disk::{Disk, RealDisk, SimDisk, SyncPoint};
pub use error::{Cause, Damage, Error, ErrorKind, Result};
pub use frame::{Draft, FORMAT, FRAME_BYTES_MAX, Frame, Hash, Head};
pub use leaf::Leaf;
pub use log::{Log, Options, Syncer, UNSYNCED_FRAMES_MAX};
pub use merkle::Frontier;
pub use note::{NoteError, Signer, Verifier};
pub use reader::{Reader, Tail};
pub use record::{Record, SaltKey};
pub use recover::{Cut, Recovery};
pub use segment::SEGMENT_BYTES;
pub use snapshot::Snapshot;
pub use source::{FrameSource, Frames};

#[cfg(test)]
mod tests;

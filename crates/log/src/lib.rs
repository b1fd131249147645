//! frames, segments, fsync, hash chain, snapshots, recovery

mod block;
mod cut;
pub mod disk;
mod error;
mod frame;
mod log;
mod mark;
mod reader;
pub mod record;
mod recover;
mod segment;
mod source;
mod walk;

pub use disk::{Disk, RealDisk, SimDisk, SyncPoint};
pub use error::{Cause, Damage, Error, ErrorKind, Result};
pub use frame::{Draft, FORMAT, FRAME_BYTES_MAX, Frame, Hash, Head};
pub use log::{Log, Options, Syncer, UNSYNCED_FRAMES_MAX};
pub use reader::{Reader, Tail};
pub use record::{Record, SaltKey};
pub use recover::{Cut, Recovery};
pub use segment::SEGMENT_BYTES;
pub use source::{FrameSource, Frames};

#[cfg(test)]
mod tests;

//! The log: facts in order, chained by hash, and not forgotten.
//!
//! A log is a directory. Its *segments* are files of fixed length, written with zeroes before they are used.
//! In them lie *frames*, each a batch of entries with a number, a hash and the hash of the frame before. A
//! frame is cut into blocks of 4 KiB, and each block carries a stamp and a checksum of its own. Full segments are
//! *sealed*: repacked without padding and compressed.
//!
//! ```text
//! data/log/
//!   sealed-00000000000000000000.log    frames from number 0 on, repacked
//!   segment-00000000000000000128.log   frames from number 128 on
//!   sealing.log                        a full segment that is just being repacked
//!   spare.log                          the next segment, being made
//!   durable                            how far the log was durable when last written; a hint, never ahead
//!   snapshot-00000000000000000100.bin  everything folded up to frame 100; can be thrown away
//!   checkpoint                         signed: so many entries, this root
//!   tiles/                             the hashes of all leaves, for proofs; can be thrown away
//!   lock                               which process holds the directory's lock; nothing rests on it
//! ```
//!
//! What it promises, each kept by the tests named:
//!
//! - **Nothing acknowledged is lost.** A frame that [`Log::sync`] covered survives power cuts and kills at any
//!   point (`tests::crash::nothing_told_is_ever_lost`), and no sync in this crate can be left out
//!   (`tests::crash::every_sync_is_needed`).
//! - **Never silently shorter.** A log opens whole or not at all; the one thing that recovery removes is a torn
//!   write of the last two frames, which nobody was told of (`tests::tail`). Any flipped bit is refused with
//!   file, frame, position and cause (`tests::damage`), and cut only at the operator's word.
//! - **One writer.** The directory is locked, and an append names the number it expects to get.
//! - **Fail-stop.** After a failed write or sync a log accepts nothing until it is opened again
//!   (`tests::crash::a_failed_write_or_sync_ends_the_log`), because a second sync that succeeds proves nothing.
//! - **Readers see only what is durable**, beside the writer ([`FrameSource`]) and from another process
//!   ([`Reader`]), which takes no lock and never writes.
//!
//! What it leaves to others: the meaning of entries, and when to sync. It draws no randomness and reads no
//! clock; the only thread that sleeps is a reader's, while a frame is being written under its eyes.

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
mod part;
mod reader;
pub mod record;
mod recover;
mod seal;
mod sealed;
mod segment;
pub mod snapshot;
mod source;
pub mod tiles;
mod torn;
mod walk;
pub mod whole;

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
pub use seal::Sealing;
pub use segment::SEGMENT_BYTES;
pub use source::{FrameSource, Frames};
pub use tiles::{TileReader, Tiles};

#[cfg(test)]
mod tests;

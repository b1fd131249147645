//! What follows the last good frame of a segment: nothing, a torn write, or damage.
//!
//! At most two frames are under way when power goes, so at most two can be torn, and a block that was not written is all zero.
//! Everything else that is not a frame is damage.

use crate::block::{self, Block, Kind, Stamp};
use crate::disk::BLOCK_BYTES;
use crate::error::{Cause, Result};
use crate::frame::Head;
use crate::segment::Segment;

/// The end of a segment is examined in pieces of this size.
const PIECE_BYTES: u64 = 1024 * 1024;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    Clean,
    /// Up to this offset there are blocks of frames that were never synced.
    Torn {
        until: u64,
    },
}

/// One of the frames that the end of a torn log may hold.
#[derive(Default)]
struct Traces {
    start: u64,
    blocks: u32,
    seen: u32,
}

impl Traces {
    /// Notes a block at `offset`; false if it contradicts what was seen.
    fn note(&mut self, offset: u64, stamp: Stamp) -> bool {
        let before = u64::from(stamp.index) * BLOCK_BYTES as u64;
        let Some(start) = offset.checked_sub(before) else { return false };
        if self.seen == 0 {
            self.start = start;
            self.blocks = stamp.blocks;
        }
        self.seen += 1;
        stamp.index < stamp.blocks && self.start == start && self.blocks == stamp.blocks
    }

    fn end(&self) -> u64 {
        self.start + u64::from(self.blocks) * BLOCK_BYTES as u64
    }
}

/// Decides what follows the last good frame; `cause` is why the next one was not accepted.
pub(crate) fn judge(segment: &Segment, offset: u64, head: &Head, cause: Cause) -> Result<End> {
    let mut first = Traces::default();
    let mut second = Traces::default();
    let mut until = None;
    let mut piece = Vec::new();
    let mut at = offset;
    while at < segment.length {
        piece.resize(usize::try_from(PIECE_BYTES.min(segment.length - at)).expect("a piece"), 0);
        segment.read(&mut piece, at)?;
        for block in piece.chunks_exact(BLOCK_BYTES) {
            let stamp = match block::inspect(block, Kind::Frame) {
                Block::Zero => None,
                Block::Damaged if at == offset => return Err(segment.damage(at, head, cause)),
                Block::Damaged => return Err(segment.damage(at, head, Cause::BlockChecksum)),
                Block::Intact(stamp) => Some(stamp),
            };
            if let Some(stamp) = stamp {
                let fits = match stamp.number.checked_sub(head.number) {
                    Some(0) => first.note(at, stamp),
                    Some(1) => second.note(at, stamp),
                    Some(_) | None => return Err(segment.damage(at, head, Cause::BytesAfterEnd)),
                };
                if !fits {
                    return Err(segment.damage(at, head, Cause::BlockMisplaced));
                }
                until = Some(at + BLOCK_BYTES as u64);
            }
            at += BLOCK_BYTES as u64;
        }
    }
    let Some(until) = until else { return Ok(End::Clean) };
    let placed = match (first.seen, second.seen) {
        (0, _) => second.start > offset,
        (_, 0) => first.start == offset,
        (_, _) => first.start == offset && second.start == first.end(),
    };
    let inside = first.end().max(second.end()) <= segment.length;
    // All blocks of the frame are there and it still was not accepted: that is no torn write.
    let whole = first.seen > 0 && first.seen == first.blocks;
    if !placed || !inside || whole {
        return Err(segment.damage(offset, head, cause));
    }
    Ok(End::Torn { until })
}

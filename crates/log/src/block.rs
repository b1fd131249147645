//! Blocks: what a frame is cut into on disk.
//!
//! A disk writes 4 KiB whole or not at all, so that is the unit that has to prove itself. Every block starts
//! with a stamp that says which frame it is part of and where in it, under a checksum of the whole block. Two
//! things follow. A block that was never written is recognisable, as all its bytes are zero and a stamp never
//! is. And a block of a torn frame is recognisable without the frame's header, which may be the part that is
//! missing.
//!
//! | bytes | field |
//! |---|---|
//! | 0..4 | magic |
//! | 4..8 | CRC-32C of bytes 8..4096 |
//! | 8..16 | number of the frame |
//! | 16..20 | index of the block within it |
//! | 20..24 | number of its blocks |
//! | 24..4096 | content |

use crate::disk::BLOCK_BYTES;

pub(crate) const STAMP_BYTES: usize = 24;
pub(crate) const CONTENT_BYTES: usize = BLOCK_BYTES - STAMP_BYTES;

static ZEROES: [u8; BLOCK_BYTES] = [0; BLOCK_BYTES];

/// What a block belongs to. Segments have a first block of their own kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Segment,
    Frame,
    Mark,
}

impl Kind {
    const fn magic(self) -> [u8; 4] {
        match self {
            Self::Segment => *b"SySg",
            Self::Frame => *b"SyFr",
            Self::Mark => *b"SyMk",
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stamp {
    pub(crate) number: u64,
    pub(crate) index: u32,
    pub(crate) blocks: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Block {
    Zero,
    Intact(Stamp),
    Damaged,
}

/// Stamps a block whose content is in place.
pub(crate) fn seal(block: &mut [u8], kind: Kind, stamp: Stamp) {
    block[0..4].copy_from_slice(&kind.magic());
    block[8..16].copy_from_slice(&stamp.number.to_le_bytes());
    block[16..20].copy_from_slice(&stamp.index.to_le_bytes());
    block[20..24].copy_from_slice(&stamp.blocks.to_le_bytes());
    let sum = crc32c::crc32c(&block[8..]);
    block[4..8].copy_from_slice(&sum.to_le_bytes());
}

pub(crate) fn inspect(block: &[u8], kind: Kind) -> Block {
    if block == ZEROES {
        return Block::Zero;
    }
    let sum = u32::from_le_bytes(array(block, 4));
    if block[0..4] != kind.magic() || crc32c::crc32c(&block[8..]) != sum {
        return Block::Damaged;
    }
    Block::Intact(Stamp {
        number: u64::from_le_bytes(array(block, 8)),
        index: u32::from_le_bytes(array(block, 16)),
        blocks: u32::from_le_bytes(array(block, 20)),
    })
}

/// `N` bytes at an offset that the caller knows to be inside.
pub(crate) fn array<const N: usize>(bytes: &[u8], offset: usize) -> [u8; N] {
    bytes[offset..offset + N].try_into().expect("the range has N bytes")
}

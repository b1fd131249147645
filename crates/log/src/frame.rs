//! Frames: the unit that is appended, hashed and made durable.
//!
//! A frame is a batch of entries with a number. Its hash covers its fields, the hash of the frame before it and
//! its payload, and nothing of how they lie on disk, so repacking a log leaves its chain unchanged:
//!
//! `SHA-256("sycee frame" ‖ format ‖ rules ‖ count ‖ length ‖ number ‖ first position ‖ at ‖ previous ‖ payload)`,
//! integers little-endian.
//!
//! On disk the header below comes first, then the payload, cut into the content of blocks (see `block`), the
//! last of them filled with zeroes. Frame number and entry position are kept apart: the number is what an
//! append is conditional on, the position is what everybody outside counts in. Both start at 0.

use sha2::{Digest, Sha256};

use crate::block::{self, CONTENT_BYTES, Kind, STAMP_BYTES, Stamp, array};
use crate::disk::BLOCK_BYTES;
use crate::error::Cause;

/// The layout that this release writes and the newest that it reads.
pub const FORMAT: u16 = 1;

/// A frame is at most this long on disk.
pub const FRAME_BYTES_MAX: u64 = 16 * 1024 * 1024;

pub(crate) const HEADER_BYTES: usize = 104;

pub type Hash = [u8; 32];

/// What a frame is made from; the log adds its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draft {
    /// The rules that decided the entries.
    pub rules: u16,
    /// Nanoseconds UTC.
    pub at: u64,
    /// Number of entries, at least 1.
    pub count: u32,
    /// The entries, see [`crate::record`]. The log does not look inside.
    pub payload: Vec<u8>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    pub number: u64,
    /// Position of its first entry.
    pub first_position: u64,
    pub count: u32,
    pub rules: u16,
    /// Nanoseconds UTC.
    pub at: u64,
    pub previous_hash: Hash,
    pub hash: Hash,
    pub payload: Vec<u8>,
}

/// The end of a log, or of a part of it: what comes next, and the hash of what came before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Head {
    /// The number of the next frame, which is how many there are.
    pub number: u64,
    /// The position of the next entry, which is how many there are.
    pub position: u64,
    /// The hash of the last frame; zeroes before the first.
    pub hash: Hash,
}

impl Head {
    /// The head after `frame`, if that is what comes next.
    pub fn follow(&self, frame: &Frame) -> Result<Self, Cause> {
        let follows = frame.number == self.number
            && frame.first_position == self.position
            && frame.previous_hash == self.hash;
        if follows { frame.head().ok_or(Cause::FrameHeader) } else { Err(Cause::ChainBroken) }
    }
}

impl Frame {
    /// The head of a log that ends with this frame.
    fn head(&self) -> Option<Head> {
        Some(Head {
            number: self.number.checked_add(1)?,
            position: self.first_position.checked_add(u64::from(self.count))?,
            hash: self.hash,
        })
    }

    /// Bytes that it takes on disk, whole blocks.
    pub fn bytes_on_disk(&self) -> u64 {
        (blocks_of(self.payload.len()) * BLOCK_BYTES) as u64
    }

    fn content_hash(&self) -> Hash {
        hash(&self.fields(), &self.previous_hash, &self.payload)
    }

    fn fields(&self) -> Fields {
        Fields {
            format: FORMAT,
            rules: self.rules,
            count: self.count,
            length: u32::try_from(self.payload.len()).expect("a payload is below the frame limit"),
            number: self.number,
            first_position: self.first_position,
            at: self.at,
        }
    }
}

/// The fixed part of a frame, in the order in which it is hashed and written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Fields {
    format: u16,
    rules: u16,
    count: u32,
    length: u32,
    number: u64,
    first_position: u64,
    at: u64,
}

const FIELDS_BYTES: usize = 36;

impl Fields {
    fn encode(&self) -> [u8; FIELDS_BYTES] {
        let mut bytes = [0; FIELDS_BYTES];
        bytes[0..2].copy_from_slice(&self.format.to_le_bytes());
        bytes[2..4].copy_from_slice(&self.rules.to_le_bytes());
        bytes[4..8].copy_from_slice(&self.count.to_le_bytes());
        bytes[8..12].copy_from_slice(&self.length.to_le_bytes());
        bytes[12..20].copy_from_slice(&self.number.to_le_bytes());
        bytes[20..28].copy_from_slice(&self.first_position.to_le_bytes());
        bytes[28..36].copy_from_slice(&self.at.to_le_bytes());
        bytes
    }

    fn decode(bytes: &[u8]) -> Self {
        Self {
            format: u16::from_le_bytes(array(bytes, 0)),
            rules: u16::from_le_bytes(array(bytes, 2)),
            count: u32::from_le_bytes(array(bytes, 4)),
            length: u32::from_le_bytes(array(bytes, 8)),
            number: u64::from_le_bytes(array(bytes, 12)),
            first_position: u64::from_le_bytes(array(bytes, 20)),
            at: u64::from_le_bytes(array(bytes, 28)),
        }
    }
}

fn hash(fields: &Fields, previous: &Hash, payload: &[u8]) -> Hash {
    let mut digest = Sha256::new();
    digest.update(b"sycee frame");
    digest.update(fields.encode());
    digest.update(previous);
    digest.update(payload);
    digest.finalize().into()
}

/// How many blocks a payload of this length takes.
pub(crate) fn blocks_of(payload_bytes: usize) -> usize {
    (HEADER_BYTES + payload_bytes).div_ceil(CONTENT_BYTES)
}

/// The longest payload that fits into so many blocks.
pub(crate) fn payload_bytes_in(blocks: usize) -> usize {
    (blocks * CONTENT_BYTES).saturating_sub(HEADER_BYTES)
}

/// Writes `draft` as the frame at `head` into `bytes`, which becomes a whole number of blocks; returns the head
/// after it. `None`: the log has run out of numbers.
pub(crate) fn encode(head: &Head, draft: &Draft, bytes: &mut Vec<u8>) -> Option<Head> {
    let fields = Fields {
        format: FORMAT,
        rules: draft.rules,
        count: draft.count,
        length: u32::try_from(draft.payload.len()).ok()?,
        number: head.number,
        first_position: head.position,
        at: draft.at,
    };
    let hash = hash(&fields, &head.hash, &draft.payload);
    let mut header = [0; HEADER_BYTES];
    header[..FIELDS_BYTES].copy_from_slice(&fields.encode());
    header[40..72].copy_from_slice(&head.hash);
    header[72..104].copy_from_slice(&hash);

    let blocks = blocks_of(draft.payload.len());
    bytes.clear();
    bytes.resize(blocks * BLOCK_BYTES, 0);
    let count = u32::try_from(blocks).ok()?;
    let mut rest = draft.payload.as_slice();
    for (index, block) in (0..count).zip(bytes.chunks_exact_mut(BLOCK_BYTES)) {
        let mut start = STAMP_BYTES;
        if index == 0 {
            block[start..start + HEADER_BYTES].copy_from_slice(&header);
            start += HEADER_BYTES;
        }
        let (now, later) = rest.split_at(rest.len().min(BLOCK_BYTES - start));
        block[start..start + now.len()].copy_from_slice(now);
        rest = later;
        block::seal(block, Kind::Frame, Stamp { number: head.number, index, blocks: count });
    }
    Some(Head {
        number: head.number.checked_add(1)?,
        position: head.position.checked_add(u64::from(draft.count))?,
        hash,
    })
}

/// Bytes that a frame takes in a pack besides its payload.
const PACKED_FIELDS_BYTES: usize = 20;

impl Frame {
    /// Bytes that it takes in a pack.
    pub(crate) fn packed_bytes(&self) -> usize {
        PACKED_FIELDS_BYTES + self.payload.len()
    }

    /// Writes what the frames before it do not say already: not its number, position and hashes.
    pub(crate) fn pack(&self, bytes: &mut Vec<u8>) {
        let Fields { format, rules, count, length, number: _, first_position: _, at } = self.fields();
        bytes.extend_from_slice(&format.to_le_bytes());
        bytes.extend_from_slice(&rules.to_le_bytes());
        bytes.extend_from_slice(&count.to_le_bytes());
        bytes.extend_from_slice(&length.to_le_bytes());
        bytes.extend_from_slice(&at.to_le_bytes());
        bytes.extend_from_slice(&self.payload);
    }

    /// Reads the frame after `head` from the start of a pack's bytes, and returns what is left of them. Its hash is computed, so
    /// it is right only if everything before it and in it is.
    pub(crate) fn unpack<'a>(bytes: &'a [u8], head: &Head) -> Result<(Self, &'a [u8]), Unreadable> {
        let damaged = Unreadable::Damaged(Cause::PackContent);
        let (packed, rest) = bytes.split_at_checked(PACKED_FIELDS_BYTES).ok_or(damaged)?;
        let fields = Fields {
            format: u16::from_le_bytes(array(packed, 0)),
            rules: u16::from_le_bytes(array(packed, 2)),
            count: u32::from_le_bytes(array(packed, 4)),
            length: u32::from_le_bytes(array(packed, 8)),
            number: head.number,
            first_position: head.position,
            at: u64::from_le_bytes(array(packed, 12)),
        };
        if fields.format > FORMAT {
            return Err(Unreadable::Newer(fields.format));
        }
        let length = usize::try_from(fields.length).expect("usize has at least 32 bits");
        let (payload, rest) = rest.split_at_checked(length).ok_or(damaged)?;
        if fields.format != FORMAT || fields.count == 0 {
            return Err(damaged);
        }
        let frame = Self {
            number: fields.number,
            first_position: fields.first_position,
            count: fields.count,
            rules: fields.rules,
            at: fields.at,
            previous_hash: head.hash,
            hash: hash(&fields, &head.hash, payload),
            payload: payload.to_vec(),
        };
        Ok((frame, rest))
    }
}

/// Why blocks that are all intact are still no frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unreadable {
    Damaged(Cause),
    Newer(u16),
}

/// Reads a frame from all its blocks, which the caller found intact, in order and complete.
pub(crate) fn decode(bytes: &[u8]) -> Result<Frame, Unreadable> {
    let header = &bytes[STAMP_BYTES..STAMP_BYTES + HEADER_BYTES];
    let fields = Fields::decode(header);
    if fields.format > FORMAT {
        return Err(Unreadable::Newer(fields.format));
    }
    let length = usize::try_from(fields.length).expect("usize has at least 32 bits");
    let consistent = fields.format == FORMAT
        && header[FIELDS_BYTES..40] == [0; 4]
        && fields.count > 0
        && blocks_of(length) * BLOCK_BYTES == bytes.len();
    if !consistent {
        return Err(Unreadable::Damaged(Cause::FrameHeader));
    }
    let mut payload = Vec::with_capacity(bytes.len());
    for (index, block) in bytes.chunks_exact(BLOCK_BYTES).enumerate() {
        let start = if index == 0 { STAMP_BYTES + HEADER_BYTES } else { STAMP_BYTES };
        payload.extend_from_slice(&block[start..]);
    }
    if payload[length..].iter().any(|byte| *byte != 0) {
        return Err(Unreadable::Damaged(Cause::FrameHeader));
    }
    payload.truncate(length);
    let frame = Frame {
        number: fields.number,
        first_position: fields.first_position,
        count: fields.count,
        rules: fields.rules,
        at: fields.at,
        previous_hash: array(header, 40),
        hash: array(header, 72),
        payload,
    };
    if frame.content_hash() == frame.hash { Ok(frame) } else { Err(Unreadable::Damaged(Cause::FrameHash)) }
}

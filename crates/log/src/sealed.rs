//! Sealed segments: full ones, repacked so that small frames cost little.
//!
//! In a segment a frame takes whole blocks of 4 KiB, because a torn write has to be recognised. Once it is durable and other
//! frames follow, nothing can be torn any more, and the padding is only padding. So a full segment is written again without it:
//! frames are put together in *packs*, and each pack is compressed by itself, so that one frame is read without the rest. What a
//! frame's neighbours say already (number, position, hashes) is left out. Hashes cover content, so the chain, the leaves and all
//! checkpoints stay as they are.
//!
//! A sealed file is written once, under another name, and never changed. Little-endian throughout:
//!
//! | bytes | what |
//! |---|---|
//! | 0..128 | header |
//! | then | packs, one after the other (Zstandard frames, RFC 8878) |
//! | up to the end | index |
//!
//! | header | field |
//! |---|---|
//! | 0..4 | magic |
//! | 4..8 | CRC-32C of bytes 8..128 |
//! | 8..10 | format |
//! | 10..16 | zero |
//! | 16..64 | head before the first frame: number, position, hash |
//! | 64..112 | head after the last frame |
//! | 112..120 | offset of the index |
//! | 120..124 | length of the index |
//! | 124..128 | CRC-32C of the index |
//!
//! The index has for each pack its length, the length of what is in it, its CRC-32C, the number of its frames (4 bytes each), the
//! hash of its last frame (32), and then for each frame how many entries it has, as a LEB128 number. So every byte of the file is
//! under a checksum, and number and position of each frame are known without unpacking any. A frame in a pack is: format (2),
//! rules (2), count (4), length (4), at (8), payload. Unpacked, a pack has to give the hash that the index says.

use std::path::{Path, PathBuf};

use crate::block::array;
use crate::disk::{Access, Disk};
use crate::error::{Cause, Damage, Error, ErrorKind, Result};
use crate::frame::{FRAME_BYTES_MAX, Frame, Head, Unreadable};
use crate::segment;

mod index;
mod pack;

pub(crate) use pack::Packer;

/// The layout that this release writes and the newest that it reads.
const FORMAT: u16 = 1;
const MAGIC: [u8; 4] = *b"SySd";
const HEADER_BYTES: usize = 128;

/// What is in a pack is never longer: several small frames, or one of any length. Longer claims are refused before any memory is
/// taken for them.
const UNPACKED_BYTES_MAX: u64 = FRAME_BYTES_MAX;

/// A sealed segment. Its file is opened when something is read, so that thousands of them take no descriptors.
#[derive(Debug)]
pub(crate) struct Sealed {
    pub(crate) path: PathBuf,
    pub(crate) start: Head,
    pub(crate) end: Head,
    pub(crate) length: u64,
    packs: Vec<Pack>,
    /// Entries of each frame, as they are in the index.
    counts: Vec<u8>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Pack {
    start: Head,
    offset: u64,
    packed_bytes: u32,
    unpacked_bytes: u32,
    sum: u32,
    /// Where the counts of its frames begin.
    counts: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Header {
    start: Head,
    end: Head,
    index_offset: u64,
    index_bytes: u32,
    index_sum: u32,
}

pub(crate) fn path_of(directory: &Path, first: u64) -> PathBuf {
    directory.join(format!("sealed-{first:020}.log"))
}

/// The first frame numbers of the sealed segments among these names, ascending as they are.
pub(crate) fn firsts(names: &[String]) -> impl Iterator<Item = u64> {
    names.iter().filter_map(|name| segment::first_of(name, "sealed-"))
}

/// Opens the sealed segment that follows `head`.
pub(crate) fn open(disk: &dyn Disk, directory: &Path, head: &Head) -> Result<Sealed> {
    open_file(disk, &path_of(directory, head.number), head)
}

/// Reads header and index, with all checks that need no pack.
pub(crate) fn open_file(disk: &dyn Disk, path: &Path, head: &Head) -> Result<Sealed> {
    let context = |error| Error::io(format!("open {}", path.display()), error);
    let damage = |offset: u64, cause: Cause| damage(path, offset, head, cause);
    let file = disk.open(path, Access::Read).map_err(context)?;
    let length = file.len().map_err(context)?;
    if length < HEADER_BYTES as u64 {
        return Err(damage(0, Cause::SegmentLength { is: length, should: HEADER_BYTES as u64 }));
    }
    let mut bytes = [0; HEADER_BYTES];
    file.read_at(&mut bytes, 0).map_err(context)?;
    let header = match Header::decode(&bytes) {
        Ok(header) => header,
        Err(Unreadable::Damaged(cause)) => return Err(damage(0, cause)),
        Err(Unreadable::Newer(format)) => {
            return Err(Error::new(ErrorKind::Newer { format }, format!("open {}", path.display())));
        }
    };
    if header.start != *head {
        return Err(damage(0, Cause::ChainBroken));
    }
    let should = header.index_offset.checked_add(u64::from(header.index_bytes));
    let should = should.ok_or_else(|| damage(0, Cause::SealedHeader))?;
    if length != should {
        return Err(damage(length.min(should), Cause::SegmentLength { is: length, should }));
    }
    let mut bytes = vec![0; header.index_bytes as usize];
    file.read_at(&mut bytes, header.index_offset).map_err(context)?;
    let (packs, counts) =
        index::decode(&bytes, &header).ok_or_else(|| damage(header.index_offset, Cause::SealedIndex))?;
    let Header { start, end, .. } = header;
    Ok(Sealed { path: path.to_owned(), start, end, length, packs, counts })
}

impl Sealed {
    pub(crate) fn packs(&self) -> usize {
        self.packs.len()
    }

    /// The head before a pack, or after the last.
    pub(crate) fn head_at(&self, pack: usize) -> Head {
        self.packs.get(pack).map_or(self.end, |pack| pack.start)
    }

    /// The pack that holds a frame, which has to be one of this segment.
    pub(crate) fn pack_of(&self, number: u64) -> usize {
        self.packs.partition_point(|pack| pack.start.number <= number) - 1
    }

    /// The number of the frame that holds an entry, which has to be one of this segment.
    pub(crate) fn number_of(&self, position: u64) -> u64 {
        let pack = self.packs[self.packs.partition_point(|pack| pack.start.position <= position) - 1];
        let (mut number, mut after) = (pack.start.number, pack.start.position);
        let mut counts = &self.counts[pack.counts..];
        loop {
            let (count, rest) = index::read_number(counts).expect("the index was checked when it was opened");
            after += u64::from(count);
            if after > position {
                return number;
            }
            number += 1;
            counts = rest;
        }
    }

    /// The frames of a pack, with all checks.
    pub(crate) fn unpack(&self, disk: &dyn Disk, pack: usize) -> Result<Vec<Frame>> {
        let packed = self.read(disk, pack)?;
        let Pack { start, unpacked_bytes, counts, .. } = self.packs[pack];
        let damaged = |cause| self.damage(pack, cause);
        let length = unpacked_bytes as usize;
        let bytes = zstd::bulk::decompress(&packed, length).map_err(|_| damaged(Cause::PackContent))?;
        if bytes.len() != length {
            return Err(damaged(Cause::PackContent));
        }
        let (mut frames, mut head) = (Vec::new(), start);
        let (mut rest, mut counts) = (bytes.as_slice(), &self.counts[counts..]);
        let end = self.head_at(pack + 1);
        while !rest.is_empty() {
            let frame;
            (frame, rest) = Frame::unpack(rest, &head).map_err(|error| match error {
                Unreadable::Damaged(cause) => damaged(cause),
                Unreadable::Newer(format) => {
                    Error::new(ErrorKind::Newer { format }, format!("read frame {}", head.number))
                }
            })?;
            head = head.follow(&frame).map_err(damaged)?;
            let (count, after) = index::read_number(counts).ok_or_else(|| damaged(Cause::PackContent))?;
            if count != frame.count || head.number > end.number {
                return Err(damaged(Cause::PackContent));
            }
            counts = after;
            frames.push(frame);
        }
        if head != end {
            let cause = if head.number == end.number { Cause::FrameHash } else { Cause::PackContent };
            return Err(damaged(cause));
        }
        Ok(frames)
    }

    /// The bytes of a pack, found to be those that were written.
    pub(crate) fn read(&self, disk: &dyn Disk, pack: usize) -> Result<Vec<u8>> {
        let Pack { offset, packed_bytes, sum, .. } = self.packs[pack];
        let mut packed = vec![0; packed_bytes as usize];
        disk.open(&self.path, Access::Read)
            .and_then(|file| file.read_at(&mut packed, offset))
            .map_err(|error| Error::io(format!("read {} at byte {offset}", self.path.display()), error))?;
        if crc32c::crc32c(&packed) == sum { Ok(packed) } else { Err(self.damage(pack, Cause::PackChecksum)) }
    }

    /// Unpacks everything.
    pub(crate) fn check(&self, disk: &dyn Disk) -> Result<()> {
        (0..self.packs()).try_for_each(|pack| self.unpack(disk, pack).map(drop))
    }

    /// The same file, to be found under another name.
    pub(crate) fn renamed(self, path: PathBuf) -> Self {
        Self { path, ..self }
    }

    pub(crate) fn damage(&self, pack: usize, cause: Cause) -> Error {
        damage(&self.path, self.packs[pack].offset, &self.packs[pack].start, cause)
    }
}

fn damage(path: &Path, offset: u64, head: &Head, cause: Cause) -> Error {
    let Head { number: frame, position, hash: _ } = *head;
    Error::damage(Damage { file: path.to_owned(), offset, frame, position, cause })
}

impl Header {
    fn encode(&self) -> [u8; HEADER_BYTES] {
        let Self { start, end, index_offset, index_bytes, index_sum } = self;
        let mut bytes = [0; HEADER_BYTES];
        bytes[0..4].copy_from_slice(&MAGIC);
        bytes[8..10].copy_from_slice(&FORMAT.to_le_bytes());
        bytes[16..64].copy_from_slice(&encode_head(start));
        bytes[64..112].copy_from_slice(&encode_head(end));
        bytes[112..120].copy_from_slice(&index_offset.to_le_bytes());
        bytes[120..124].copy_from_slice(&index_bytes.to_le_bytes());
        bytes[124..128].copy_from_slice(&index_sum.to_le_bytes());
        let sum = crc32c::crc32c(&bytes[8..]);
        bytes[4..8].copy_from_slice(&sum.to_le_bytes());
        bytes
    }

    fn decode(bytes: &[u8; HEADER_BYTES]) -> Result<Self, Unreadable> {
        let damaged = Unreadable::Damaged(Cause::SealedHeader);
        if bytes[0..4] != MAGIC || crc32c::crc32c(&bytes[8..]) != u32::from_le_bytes(array(bytes, 4)) {
            return Err(damaged);
        }
        let format = u16::from_le_bytes(array(bytes, 8));
        if format > FORMAT {
            return Err(Unreadable::Newer(format));
        }
        let header = Self {
            start: decode_head(bytes, 16),
            end: decode_head(bytes, 64),
            index_offset: u64::from_le_bytes(array(bytes, 112)),
            index_bytes: u32::from_le_bytes(array(bytes, 120)),
            index_sum: u32::from_le_bytes(array(bytes, 124)),
        };
        if header.encode() == *bytes { Ok(header) } else { Err(damaged) }
    }
}

const HEAD_BYTES: usize = 48;

fn encode_head(head: &Head) -> [u8; HEAD_BYTES] {
    let Head { number, position, hash } = head;
    let mut bytes = [0; HEAD_BYTES];
    bytes[0..8].copy_from_slice(&number.to_le_bytes());
    bytes[8..16].copy_from_slice(&position.to_le_bytes());
    bytes[16..48].copy_from_slice(hash);
    bytes
}

fn decode_head(bytes: &[u8], offset: usize) -> Head {
    Head {
        number: u64::from_le_bytes(array(bytes, offset)),
        position: u64::from_le_bytes(array(bytes, offset + 8)),
        hash: array(bytes, offset + 16),
    }
}

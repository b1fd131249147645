//! The index of a sealed segment: where each pack lies, and how many entries each frame has.

use crate::block::array;
use crate::frame::Head;

use super::{HEADER_BYTES, Header, Pack, UNPACKED_BYTES_MAX};

/// Lengths, checksum, number of frames and hash of a pack.
const ROW_BYTES: usize = 48;

/// Adds the row of a pack that ends at `end`; `counts` are the numbers of its frames' entries.
pub(super) fn write_row(index: &mut Vec<u8>, pack: &Pack, end: &Head, counts: &[u8]) {
    let Pack { start, offset: _, packed_bytes, unpacked_bytes, sum, counts: _ } = pack;
    let frames = u32::try_from(end.number - start.number).expect("a pack has fewer frames than bytes");
    for field in [*packed_bytes, *unpacked_bytes, *sum, frames] {
        index.extend_from_slice(&field.to_le_bytes());
    }
    index.extend_from_slice(&end.hash);
    index.extend_from_slice(counts);
}

/// The packs and the counts of their frames, provided that they are exactly what the header says.
pub(super) fn decode(bytes: &[u8], header: &Header) -> Option<(Vec<Pack>, Vec<u8>)> {
    if crc32c::crc32c(bytes) != header.index_sum {
        return None;
    }
    let (mut packs, mut counts) = (Vec::new(), Vec::new());
    let (mut head, mut offset) = (header.start, HEADER_BYTES as u64);
    let mut rest = bytes;
    while !rest.is_empty() {
        let row;
        (row, rest) = rest.split_at_checked(ROW_BYTES)?;
        let field = |at: usize| u32::from_le_bytes(array(row, at));
        let (packed_bytes, unpacked_bytes, sum, frames) = (field(0), field(4), field(8), field(12));
        if frames == 0 || packed_bytes == 0 || u64::from(unpacked_bytes) > UNPACKED_BYTES_MAX {
            return None;
        }
        packs.push(Pack { start: head, offset, packed_bytes, unpacked_bytes, sum, counts: counts.len() });
        let before = rest;
        for _ in 0..frames {
            let count;
            (count, rest) = read_number(rest)?;
            head.position = head.position.checked_add(u64::from(count)).filter(|_| count > 0)?;
        }
        counts.extend_from_slice(&before[..before.len() - rest.len()]);
        head.number = head.number.checked_add(u64::from(frames))?;
        head.hash = array(row, 16);
        offset = offset.checked_add(u64::from(packed_bytes))?;
    }
    let whole = !packs.is_empty() && head == header.end && offset == header.index_offset;
    packs.shrink_to_fit();
    counts.shrink_to_fit();
    whole.then_some((packs, counts))
}

/// Seven bits a byte, the lowest first; the highest bit says that more follow.
pub(super) fn write_number(bytes: &mut Vec<u8>, mut number: u32) {
    while number >= 0x80 {
        bytes.push(number.to_le_bytes()[0] | 0x80);
        number >>= 7;
    }
    bytes.push(number.to_le_bytes()[0]);
}

/// The number at the start of `bytes`, and what follows it.
pub(super) fn read_number(bytes: &[u8]) -> Option<(u32, &[u8])> {
    let mut number = 0_u64;
    for (index, byte) in bytes.iter().enumerate().take(5) {
        number |= u64::from(byte & 0x7f) << (7 * index);
        if byte & 0x80 == 0 {
            return Some((u32::try_from(number).ok()?, &bytes[index + 1..]));
        }
    }
    None
}

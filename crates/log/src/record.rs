//! Records: how entries lie in a frame's payload.
//!
//! A record is one entry with what its leaf needs and the entry itself does not say. The salt key is drawn by
//! the writer, kept in the log and never served. Layout, little-endian, one after the other:
//!
//! | bytes | field |
//! |---|---|
//! | 0..4 | length of the entry |
//! | 4 | kind; its highest bit is set if a root follows |
//! | 5..13 | at |
//! | 13..45 | salt key |
//! | 45..77 | root, if there is one |
//! | then | entry |
//!
//! An entry of many lines commits to each of them: its root is that of the tree over its salted lines. It is kept so that whoever
//! folds the log need not hash them all; `verify` does.
//!
//! There is one encoding of a record and no room for anything else: what is left over at the end of a payload
//! is refused.

use crate::block::array;
use crate::error::Cause;
use crate::frame::{Draft, Frame, Hash};

const HEADER_BYTES: usize = 45;
const ROOT_BYTES: usize = 32;
const HAS_ROOT: u8 = 0x80;

/// Key of the stream that the salt of one entry's commitment is taken from.
pub type SaltKey = [u8; 32];

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record<'a> {
    pub salt_key: SaltKey,
    /// Nanoseconds UTC.
    pub at: u64,
    /// What sort of entry it is, below 128; the log gives it no meaning.
    pub kind: u8,
    /// What its leaf commits to in place of the entry's bytes.
    pub root: Option<Hash>,
    pub entry: &'a [u8],
}

impl Draft {
    /// An empty draft to push records on.
    pub fn new(rules: u16, at: u64) -> Self {
        Self { rules, at, count: 0, payload: Vec::new() }
    }

    /// Adds an entry. Panics if it is 4 GiB long or the 2^32nd, which no frame can hold anyway, or its kind is above 127.
    pub fn push(&mut self, record: &Record<'_>) {
        let length = u32::try_from(record.entry.len()).expect("an entry is below the frame limit");
        self.payload.extend_from_slice(&length.to_le_bytes());
        assert!(record.kind < HAS_ROOT, "a kind is below 128");
        self.payload.push(record.kind | if record.root.is_some() { HAS_ROOT } else { 0 });
        self.payload.extend_from_slice(&record.at.to_le_bytes());
        self.payload.extend_from_slice(&record.salt_key);
        self.payload.extend(record.root.iter().flatten());
        self.payload.extend_from_slice(record.entry);
        self.count = self.count.checked_add(1).expect("a frame's entries are counted in 32 bits");
    }

    /// Bytes that [`Draft::push`] adds for a record.
    pub const fn record_bytes(record: &Record<'_>) -> usize {
        HEADER_BYTES + if record.root.is_some() { ROOT_BYTES } else { 0 } + record.entry.len()
    }
}

impl Frame {
    /// The records, each with its position. Fails unless there are exactly as many as the header says.
    pub fn records(&self) -> Result<Vec<(u64, Record<'_>)>, Cause> {
        let mut rest = self.payload.as_slice();
        let mut records = Vec::new();
        let mut position = self.first_position;
        while !rest.is_empty() {
            let (record, after) = split(rest).ok_or(Cause::Records)?;
            records.push((position, record));
            position += 1;
            rest = after;
        }
        if records.len() as u64 == u64::from(self.count) { Ok(records) } else { Err(Cause::Records) }
    }
}

fn split(bytes: &[u8]) -> Option<(Record<'_>, &[u8])> {
    let (header, rest) = bytes.split_at_checked(HEADER_BYTES)?;
    let length = usize::try_from(u32::from_le_bytes(array(header, 0))).ok()?;
    let (root, rest) = if header[4] & HAS_ROOT == 0 {
        (None, rest)
    } else {
        let (root, rest) = rest.split_first_chunk::<ROOT_BYTES>()?;
        (Some(*root), rest)
    };
    let (entry, rest) = rest.split_at_checked(length)?;
    let record = Record {
        kind: header[4] & !HAS_ROOT,
        at: u64::from_le_bytes(array(header, 5)),
        salt_key: array(header, 13),
        root,
        entry,
    };
    Some((record, rest))
}

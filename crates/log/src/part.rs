//! Parts: what a log is made of, one after the other: segments as they were written, and sealed ones.

use std::path::Path;
use std::sync::Arc;

use crate::disk::{BLOCK_BYTES, Disk};
use crate::error::Result;
use crate::sealed::{self, Sealed};
use crate::segment::{self, Segment};

#[derive(Debug, Clone)]
pub(crate) enum Part {
    Written(Written),
    Sealed(Arc<Sealed>),
}

/// A segment as it was written, and where its frames lie in it.
#[derive(Debug, Clone)]
pub(crate) struct Written {
    pub(crate) segment: Arc<Segment>,
    /// Of its first frame, which may not be there yet.
    pub(crate) number: u64,
    /// Of its first entry.
    pub(crate) position: u64,
    /// Shared, so that whoever seals the segment can have it without copying. It only grows while nobody does.
    #[expect(clippy::rc_buffer, reason = "it grows in place")]
    pub(crate) index: Arc<Vec<Indexed>>,
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct Indexed {
    pub(crate) first_position: u64,
    pub(crate) location: Location,
}

/// Where a frame lies in its segment, in blocks: there is one for every frame that was not sealed, for as long as the log is open.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Location {
    first: u32,
    blocks: u32,
}

/// Where to find a frame.
pub(crate) enum Place {
    Written(Arc<Segment>, Indexed),
    Sealed(Arc<Sealed>),
}

impl Location {
    /// Of so many blocks at an offset of whole blocks.
    pub(crate) fn new(offset: u64, blocks: u32) -> Self {
        let first = u32::try_from(offset / BLOCK_BYTES as u64).expect("a segment is below 16 TiB");
        Self { first, blocks }
    }

    pub(crate) fn offset(self) -> u64 {
        u64::from(self.first) * BLOCK_BYTES as u64
    }

    pub(crate) fn bytes(self) -> u64 {
        u64::from(self.blocks) * BLOCK_BYTES as u64
    }
}

impl Part {
    /// The number of its first frame.
    pub(crate) fn number(&self) -> u64 {
        match self {
            Self::Written(written) => written.number,
            Self::Sealed(sealed) => sealed.start.number,
        }
    }

    fn position(&self) -> u64 {
        match self {
            Self::Written(written) => written.position,
            Self::Sealed(sealed) => sealed.start.position,
        }
    }
}

/// Where the frame with this number is, which has to be one of these parts.
pub(crate) fn place_of(parts: &[Part], number: u64) -> Place {
    match &parts[parts.partition_point(|part| part.number() <= number) - 1] {
        Part::Written(Written { segment, number: first, index, .. }) => {
            let indexed = index[usize::try_from(number - first).expect("an index fits in memory")];
            Place::Written(Arc::clone(segment), indexed)
        }
        Part::Sealed(sealed) => Place::Sealed(Arc::clone(sealed)),
    }
}

/// The number of the frame that holds the entry at this position, which has to be in one of these parts.
pub(crate) fn number_of(parts: &[Part], position: u64) -> u64 {
    match &parts[parts.partition_point(|part| part.position() <= position) - 1] {
        Part::Written(Written { number, index, .. }) => {
            let after = index.partition_point(|indexed| indexed.first_position <= position);
            number + after as u64 - 1
        }
        Part::Sealed(sealed) => sealed.number_of(position),
    }
}

/// A part as its directory shows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Listed {
    pub(crate) first: u64,
    pub(crate) form: Form,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    Written,
    Sealed,
    /// It is being sealed, or was when power went.
    Both,
}

/// The parts in a directory, ascending.
pub(crate) fn list(disk: &dyn Disk, directory: &Path) -> Result<Vec<Listed>> {
    let names = segment::names(disk, directory)?;
    let mut listed: Vec<Listed> = Vec::new();
    let written = segment::firsts(&names).map(|first| Listed { first, form: Form::Written });
    let sealed = sealed::firsts(&names).map(|first| Listed { first, form: Form::Sealed });
    listed.extend(written.chain(sealed));
    listed.sort_unstable_by_key(|part| part.first);
    listed.dedup_by(|later, earlier| {
        let same = later.first == earlier.first;
        if same {
            earlier.form = Form::Both;
        }
        same
    });
    Ok(listed)
}

//! Reading a log from its start, and judging its end.
//!
//! The walk is the same for recovery, which may write afterwards, and for a reader, which never does. It
//! accepts a frame only if every block is intact, the hash is right and the chain continues. Where that fails
//! it decides between three ends:
//!
//! - *clean*: nothing but zeroes follows;
//! - *torn*: the last segment ends with at most two frames of which the first lacks a block, and what is there
//!   of them is intact. They were never synced, so nobody was told of them;
//! - *damaged*: everything else.
//!
//! A segment is followed by another only once all its frames are durable, so a torn frame is always in the
//! last one.

use std::path::PathBuf;
use std::sync::Arc;

use crate::block::{self, Block, Kind, Stamp};
use crate::disk::{Access, BLOCK_BYTES, Disk};
use crate::error::{Cause, Damage, Error, ErrorKind, Result};
use crate::frame::{self, FRAME_BYTES_MAX, Frame, Head, Unreadable};
use crate::mark;
use crate::segment::{self, Segment};

/// The end of a segment is examined in pieces of this size.
const PIECE_BYTES: u64 = 1024 * 1024;

#[derive(Debug)]
pub(crate) struct Walk {
    disk: Arc<dyn Disk>,
    directory: PathBuf,
    access: Access,
    /// First frames of the segments that were there when last listed.
    firsts: Vec<u64>,
    pub(crate) segments: Vec<Segment>,
    /// After the last frame that was accepted.
    pub(crate) head: Head,
    /// Where the next frame starts in the last of `segments`.
    pub(crate) offset: u64,
    /// What the durable mark says there is.
    promised: Option<Head>,
    scratch: Vec<u8>,
}

#[derive(Debug)]
pub(crate) enum Step {
    Frame(Frame, Location),
    End(End),
}

/// Where a frame lies.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Location {
    pub(crate) segment: usize,
    pub(crate) offset: u64,
    pub(crate) blocks: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    Clean,
    /// Up to this offset there are blocks of frames that were never synced.
    Torn {
        until: u64,
    },
}

enum Found {
    Frame(Frame, u32),
    Nothing(Cause),
}

impl Walk {
    pub(crate) fn new(disk: Arc<dyn Disk>, directory: PathBuf, access: Access) -> Result<Self> {
        let mut walk = Self {
            disk,
            directory,
            access,
            firsts: Vec::new(),
            segments: Vec::new(),
            head: Head::default(),
            offset: 0,
            promised: None,
            scratch: Vec::new(),
        };
        walk.refresh()?;
        if walk.firsts.is_empty() {
            let context = format!("find a log in {}", walk.directory.display());
            return Err(Error::new(ErrorKind::NotFound, context));
        }
        Ok(walk)
    }

    /// Looks at what a running log changes: its segments and its mark.
    pub(crate) fn refresh(&mut self) -> Result<()> {
        // The mark first: the frames it promises are in segments that were there by then.
        self.promised = mark::read(&*self.disk, &self.directory)?;
        self.firsts = segment::list(&*self.disk, &self.directory)?;
        Ok(())
    }

    /// How many frames the log has promised to keep.
    pub(crate) fn promised(&self) -> Option<u64> {
        self.promised.map(|head| head.number)
    }

    /// Segments that the walk did not get into.
    pub(crate) fn unread(&self) -> impl Iterator<Item = PathBuf> {
        self.firsts[self.segments.len()..].iter().map(|first| segment::path_of(&self.directory, *first))
    }

    /// The next frame. An end or an error leaves the walk where it was, so it can be asked again.
    pub(crate) fn step(&mut self) -> Result<Step> {
        if self.segments.is_empty() {
            self.enter()?;
        }
        loop {
            let segment = self.segments.last().expect("entered above");
            let found = find(segment, self.offset, &self.head, &mut self.scratch)?;
            let cause = match found {
                Found::Frame(frame, blocks) => {
                    let index = self.segments.len() - 1;
                    let location = Location { segment: index, offset: self.offset, blocks };
                    let promise = |head: &Head| {
                        self.promised
                            .is_none_or(|promised| promised.number != head.number || promised == *head)
                    };
                    self.head = match self.head.follow(&frame) {
                        Ok(head) if promise(&head) => head,
                        Ok(_) => return Err(segment.damage(self.offset, &self.head, Cause::ChainBroken)),
                        Err(cause) => return Err(segment.damage(self.offset, &self.head, cause)),
                    };
                    self.offset += u64::from(blocks) * BLOCK_BYTES as u64;
                    return Ok(Step::Frame(frame, location));
                }
                Found::Nothing(cause) => cause,
            };
            if segment.file_length != segment.length {
                let cause = Cause::SegmentLength { is: segment.file_length, should: segment.length };
                return Err(segment.damage(self.offset, &self.head, cause));
            }
            let end = judge(segment, self.offset, &self.head, cause)?;
            if self.segments.len() == self.firsts.len() {
                return match self.promised() {
                    Some(promised) if promised > self.head.number => {
                        let cause = Cause::Shortened { promised };
                        Err(segment.damage(self.offset, &self.head, cause))
                    }
                    Some(_) | None => Ok(Step::End(end)),
                };
            }
            if end != End::Clean {
                return Err(segment.damage(self.offset, &self.head, cause));
            }
            self.enter()?;
        }
    }

    /// Opens the next segment, whose first frame has to be the next frame.
    pub(crate) fn enter(&mut self) -> Result<()> {
        let first = self.firsts[self.segments.len()];
        if first != self.head.number {
            let Head { number, position, .. } = self.head;
            let file = segment::path_of(&self.directory, number.min(first));
            let cause = if first > number { Cause::SegmentMissing } else { Cause::ChainBroken };
            return Err(Error::damage(Damage { file, offset: 0, frame: number, position, cause }));
        }
        let segment = segment::open(&*self.disk, &self.directory, &self.head, self.access)?;
        self.segments.push(segment);
        self.offset = BLOCK_BYTES as u64;
        Ok(())
    }
}

/// Reads the frame at an offset, or says why there is none.
fn find(segment: &Segment, offset: u64, head: &Head, scratch: &mut Vec<u8>) -> Result<Found> {
    let readable = segment.readable();
    if offset >= readable {
        return Ok(Found::Nothing(Cause::BlockMissing));
    }
    scratch.resize(BLOCK_BYTES, 0);
    read(segment, scratch, offset)?;
    let stamp = match block::inspect(scratch, Kind::Frame) {
        Block::Zero => return Ok(Found::Nothing(Cause::BlockMissing)),
        Block::Damaged => return Ok(Found::Nothing(Cause::BlockChecksum)),
        Block::Intact(stamp) => stamp,
    };
    let bytes = u64::from(stamp.blocks) * BLOCK_BYTES as u64;
    let fits = bytes > 0 && bytes <= FRAME_BYTES_MAX && bytes <= readable - offset;
    if stamp.number != head.number || stamp.index != 0 || !fits {
        return Ok(Found::Nothing(Cause::BlockMisplaced));
    }
    scratch.resize(usize::try_from(bytes).expect("at most the frame limit"), 0);
    read(segment, &mut scratch[BLOCK_BYTES..], offset + BLOCK_BYTES as u64)?;
    for (index, bytes) in (0..).zip(scratch.chunks_exact(BLOCK_BYTES)) {
        match block::inspect(bytes, Kind::Frame) {
            Block::Zero => return Ok(Found::Nothing(Cause::BlockMissing)),
            Block::Damaged => return Ok(Found::Nothing(Cause::BlockChecksum)),
            Block::Intact(found) if found == (Stamp { index, ..stamp }) => {}
            Block::Intact(_) => return Ok(Found::Nothing(Cause::BlockMisplaced)),
        }
    }
    match frame::decode(scratch) {
        Ok(frame) => Ok(Found::Frame(frame, stamp.blocks)),
        Err(Unreadable::Damaged(cause)) => Ok(Found::Nothing(cause)),
        Err(Unreadable::Newer(format)) => {
            Err(Error::new(ErrorKind::Newer { format }, format!("read frame {}", head.number)))
        }
    }
}

/// Reads a frame whose place is known, again with all checks.
pub(crate) fn read_frame(segment: &Segment, location: Location, head: &Head) -> Result<Frame> {
    match find(segment, location.offset, head, &mut Vec::new())? {
        Found::Frame(frame, _) => Ok(frame),
        Found::Nothing(cause) => Err(segment.damage(location.offset, head, cause)),
    }
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
fn judge(segment: &Segment, offset: u64, head: &Head, cause: Cause) -> Result<End> {
    let mut first = Traces::default();
    let mut second = Traces::default();
    let mut until = None;
    let mut piece = Vec::new();
    let mut at = offset;
    while at < segment.length {
        piece.resize(usize::try_from(PIECE_BYTES.min(segment.length - at)).expect("a piece"), 0);
        read(segment, &mut piece, at)?;
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

fn read(segment: &Segment, bytes: &mut [u8], offset: u64) -> Result<()> {
    segment
        .file
        .read_at(bytes, offset)
        .map_err(|error| Error::io(format!("read {} at byte {offset}", segment.path.display()), error))
}

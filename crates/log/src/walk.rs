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
//!
//! Of a sealed segment a reader unpacks every frame with the same checks. Recovery has no use for the frames, and a start should
//! be short, so it holds the packs against their checksums and the segment against its neighbours, and leaves the hashes inside
//! to whoever reads a frame, and to `verify`.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::Arc;

use crate::block::{self, Block, Kind, Stamp};
use crate::disk::{Access, BLOCK_BYTES, Disk};
use crate::error::{Cause, Damage, Error, ErrorKind, Result};
use crate::frame::{self, FRAME_BYTES_MAX, Frame, Head, Unreadable};
use crate::mark;
use crate::part::{self, Form, Indexed, Listed, Location, Part, Written};
use crate::sealed::{self, Sealed};
use crate::segment::{self, Segment};
use crate::torn::{self, End};

/// How often a part that is not there is looked for before it is called missing.
const LOOKS: u32 = 3;

#[derive(Debug)]
pub(crate) struct Walk {
    disk: Arc<dyn Disk>,
    directory: PathBuf,
    access: Access,
    /// The parts that were there when last listed.
    listed: Vec<Listed>,
    /// Those that the walk got into.
    pub(crate) parts: Vec<Part>,
    /// After the last frame that was accepted.
    pub(crate) head: Head,
    /// Where the next frame starts in the last of `parts`, if that is a segment as it was written.
    pub(crate) offset: u64,
    /// The next pack of the last of `parts`, if that is sealed.
    pub(crate) pack: usize,
    /// Frames of the pack before, not accepted yet.
    unpacked: VecDeque<Frame>,
    /// Files that stand for the same frames as others that count.
    pub(crate) superfluous: Vec<PathBuf>,
    /// What the durable mark says there is.
    promised: Option<Head>,
    scratch: Vec<u8>,
}

#[derive(Debug)]
pub(crate) enum Step {
    Frame(Frame),
    End(End),
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
            listed: Vec::new(),
            parts: Vec::new(),
            head: Head::default(),
            offset: 0,
            pack: 0,
            unpacked: VecDeque::new(),
            superfluous: Vec::new(),
            promised: None,
            scratch: Vec::new(),
        };
        walk.refresh()?;
        if walk.listed.is_empty() {
            let context = format!("find a log in {}", walk.directory.display());
            return Err(Error::new(ErrorKind::NotFound, context));
        }
        Ok(walk)
    }

    /// Looks at what a running log changes: its parts and its mark.
    pub(crate) fn refresh(&mut self) -> Result<()> {
        // The mark first: the frames it promises are in parts that were there by then.
        self.promised = mark::read(&*self.disk, &self.directory)?;
        self.listed = part::list(&*self.disk, &self.directory)?;
        Ok(())
    }

    /// How many frames the log has promised to keep.
    pub(crate) fn promised(&self) -> Option<u64> {
        self.promised.map(|head| head.number)
    }

    /// Files of the parts that the walk did not get into.
    pub(crate) fn unread(&self) -> impl Iterator<Item = PathBuf> {
        self.listed[self.parts.len()..].iter().flat_map(|part| {
            let written = segment::path_of(&self.directory, part.first);
            let sealed = sealed::path_of(&self.directory, part.first);
            match part.form {
                Form::Written => vec![written],
                Form::Sealed => vec![sealed],
                Form::Both => vec![written, sealed],
            }
        })
    }

    /// The next frame. An end or an error leaves the walk where it was, so it can be asked again.
    pub(crate) fn step(&mut self) -> Result<Step> {
        if self.parts.is_empty() {
            self.enter()?;
        }
        loop {
            let step = match self.parts.last().expect("entered above") {
                Part::Written(Written { segment, .. }) => {
                    let segment = Arc::clone(segment);
                    self.step_written(&segment)?
                }
                Part::Sealed(sealed) => {
                    let sealed = Arc::clone(sealed);
                    self.step_sealed(&sealed)?
                }
            };
            match step {
                Some(step) => return Ok(step),
                None => self.enter()?,
            }
        }
    }

    /// The next frame of a segment as it was written, or the end of the log; none if another part follows.
    fn step_written(&mut self, segment: &Segment) -> Result<Option<Step>> {
        let cause = match find(segment, self.offset, &self.head, &mut self.scratch)? {
            Found::Frame(frame, blocks) => {
                let location = Location::new(self.offset, blocks);
                let head =
                    self.accept(&frame).map_err(|cause| segment.damage(self.offset, &self.head, cause))?;
                self.note(Indexed { first_position: self.head.position, location });
                self.head = head;
                self.offset += location.bytes();
                return Ok(Some(Step::Frame(frame)));
            }
            Found::Nothing(cause) => cause,
        };
        if segment.file_length != segment.length {
            let cause = Cause::SegmentLength { is: segment.file_length, should: segment.length };
            return Err(segment.damage(self.offset, &self.head, cause));
        }
        let end = torn::judge(segment, self.offset, &self.head, cause)?;
        if self.parts.len() == self.listed.len() {
            return match self.promised() {
                Some(promised) if promised > self.head.number => {
                    let cause = Cause::Shortened { promised };
                    Err(segment.damage(self.offset, &self.head, cause))
                }
                Some(_) | None => Ok(Some(Step::End(end))),
            };
        }
        if end == End::Clean { Ok(None) } else { Err(segment.damage(self.offset, &self.head, cause)) }
    }

    /// The next frame of a sealed segment; none if it has no more, or recovery has passed it.
    fn step_sealed(&mut self, sealed: &Sealed) -> Result<Option<Step>> {
        loop {
            if let Some(frame) = self.unpacked.front() {
                self.head = self.accept(frame).map_err(|cause| sealed.damage(self.pack - 1, cause))?;
                return Ok(self.unpacked.pop_front().map(Step::Frame));
            }
            if self.pack == sealed.packs() {
                return Ok(None);
            }
            match self.access {
                Access::Read => self.unpacked = sealed.unpack(&*self.disk, self.pack)?.into(),
                Access::Write => {
                    sealed.read(&*self.disk, self.pack)?;
                    let head = sealed.head_at(self.pack + 1);
                    if !self.is_promised(&head) {
                        return Err(sealed.damage(self.pack, Cause::ChainBroken));
                    }
                    self.head = head;
                }
            }
            self.pack += 1;
        }
    }

    /// The head after a frame, if it is what comes next.
    fn accept(&self, frame: &Frame) -> Result<Head, Cause> {
        let head = self.head.follow(frame)?;
        if self.is_promised(&head) { Ok(head) } else { Err(Cause::ChainBroken) }
    }

    /// Whether a head is the one that the mark promised, if it is as far.
    fn is_promised(&self, head: &Head) -> bool {
        self.promised.is_none_or(|promised| promised.number != head.number || promised == *head)
    }

    /// Keeps where a frame lies for an open log; a reader passes each frame once.
    fn note(&mut self, indexed: Indexed) {
        if let (Access::Write, Some(Part::Written(written))) = (self.access, self.parts.last_mut()) {
            Arc::make_mut(&mut written.index).push(indexed);
        }
    }

    /// Opens the next part, whose first frame has to be the next frame.
    fn enter(&mut self) -> Result<()> {
        let missing = |error: &Error| match &error.kind {
            ErrorKind::NotFound => true,
            ErrorKind::Corrupt(damage) => damage.cause == Cause::SegmentMissing,
            _ => false,
        };
        for _ in 1..LOOKS {
            match self.enter_next() {
                // A segment that is being sealed beside us may be gone under its old name before we have seen the new one.
                Err(error) if missing(&error) => self.refresh()?,
                entered => return entered,
            }
        }
        self.enter_next()
    }

    fn enter_next(&mut self) -> Result<()> {
        let Head { number, position, hash: _ } = self.head;
        let next = self.listed.get(self.parts.len()).filter(|part| part.first == number);
        let Some(Listed { form, .. }) = next else {
            let first = self.listed.get(self.parts.len()).map_or(u64::MAX, |part| part.first);
            let file = segment::path_of(&self.directory, number.min(first));
            let cause = if first > number { Cause::SegmentMissing } else { Cause::ChainBroken };
            return Err(Error::damage(Damage { file, offset: 0, frame: number, position, cause }));
        };
        let part = match form {
            Form::Written => self.open_written()?,
            Form::Sealed => Part::Sealed(Arc::new(self.open_sealed()?)),
            Form::Both => self.choose()?,
        };
        self.parts.push(part);
        self.offset = BLOCK_BYTES as u64;
        self.pack = 0;
        Ok(())
    }

    fn open_written(&self) -> Result<Part> {
        let Head { number, position, hash: _ } = self.head;
        let segment = Arc::new(segment::open(&*self.disk, &self.directory, &self.head, self.access)?);
        Ok(Part::Written(Written { segment, number, position, index: Arc::default() }))
    }

    fn open_sealed(&self) -> Result<Sealed> {
        sealed::open(&*self.disk, &self.directory, &self.head)
    }

    /// Of a segment that is there both as it was written and sealed: the sealed form if it is whole, and otherwise what was written,
    /// which is removed only after the sealed form is durable.
    fn choose(&mut self) -> Result<Part> {
        let first = self.head.number;
        let sealed = self.open_sealed().and_then(|sealed| sealed.check(&*self.disk).map(|()| sealed));
        let (part, other) = match sealed {
            Ok(sealed) => (Part::Sealed(Arc::new(sealed)), segment::path_of(&self.directory, first)),
            Err(error) if error.as_damage().is_some() => {
                (self.open_written()?, sealed::path_of(&self.directory, first))
            }
            Err(error) => return Err(error),
        };
        self.superfluous.push(other);
        Ok(part)
    }
}

/// Reads the frame at an offset, or says why there is none.
fn find(segment: &Segment, offset: u64, head: &Head, scratch: &mut Vec<u8>) -> Result<Found> {
    let readable = segment.readable();
    if offset >= readable {
        return Ok(Found::Nothing(Cause::BlockMissing));
    }
    scratch.resize(BLOCK_BYTES, 0);
    segment.read(scratch, offset)?;
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
    segment.read(&mut scratch[BLOCK_BYTES..], offset + BLOCK_BYTES as u64)?;
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
    match find(segment, location.offset(), head, &mut Vec::new())? {
        Found::Frame(frame, _) => Ok(frame),
        Found::Nothing(cause) => Err(segment.damage(location.offset(), head, cause)),
    }
}

//! Reading a log without owning it: no lock, no writes.
//!
//! The log may be running in another process. Then its last two frames may be half written or not yet durable,
//! and the reader stops before them: it yields what the durable mark promises, and beyond it only frames that
//! two more intact ones follow, because those were written after it was durable. Damage beyond the mark is
//! damage only if it stays: a running writer finishes its frame or moves on, so the reader looks again for a
//! while before it calls a log corrupt.

use std::collections::VecDeque;
use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use crate::disk::{Access, Disk};
use crate::error::{ErrorKind, Result};
use crate::frame::{Frame, Head};
use crate::log::UNSYNCED_FRAMES_MAX;
use crate::torn::End;
use crate::walk::{Step, Walk};

/// A frame that is being written is looked at so often, with this pause, before it is called damaged.
const LOOKS: u32 = 100;
const PAUSE: Duration = Duration::from_millis(5);

/// Yields the durable frames of a log in order, with all checks.
#[derive(Debug)]
pub struct Reader {
    walk: Walk,
    /// Intact, but perhaps not durable.
    held: VecDeque<Frame>,
    head: Head,
    tail: Option<Tail>,
    looks_max: u32,
}

/// What follows the last frame that a reader yielded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tail {
    /// Whole frames that are not known to be durable. Opening the log settles it.
    pub frames: u64,
    /// Something follows them that is not a whole frame: a frame being written, or one torn by a crash.
    pub partial: bool,
}

impl Reader {
    pub fn open(disk: Arc<dyn Disk>, directory: &Path) -> Result<Self> {
        let walk = Walk::new(disk, directory.to_path_buf(), Access::Read)?;
        Ok(Self { walk, held: VecDeque::new(), head: Head::default(), tail: None, looks_max: LOOKS })
    }

    /// For a log that is known to be at rest: damage beyond the mark is believed at once.
    #[cfg(test)]
    pub(crate) fn impatient(mut self) -> Self {
        self.looks_max = 0;
        self
    }

    /// After the last frame that was yielded.
    pub fn head(&self) -> Head {
        self.head
    }

    /// What follows, once the last frame has been yielded.
    pub fn tail(&self) -> Option<Tail> {
        self.tail
    }

    /// The next durable frame; `None` at the durable end.
    pub fn next_frame(&mut self) -> Result<Option<Frame>> {
        loop {
            if let Some(frame) = self.release() {
                self.head = self.head.follow(&frame).expect("the walk has checked the chain");
                return Ok(Some(frame));
            }
            if let Some(tail) = &mut self.tail {
                tail.frames = self.held.len() as u64;
                return Ok(None);
            }
            match self.step()? {
                Step::Frame(frame) => self.held.push_back(frame),
                Step::End(end) => {
                    // What is held may have become durable meanwhile. What was written meanwhile is left to the
                    // next reader, or a fast writer would keep this one busy for ever.
                    self.walk.refresh()?;
                    self.tail = Some(Tail { frames: 0, partial: end != End::Clean });
                }
            }
        }
    }

    /// The oldest held frame, if it is durable.
    fn release(&mut self) -> Option<Frame> {
        let number = self.held.front()?.number;
        let durable = match self.walk.promised() {
            Some(promised) => number < promised || self.held.len() as u64 > UNSYNCED_FRAMES_MAX,
            // Every writer leaves a mark, so none is at work here.
            None => true,
        };
        if durable { self.held.pop_front() } else { None }
    }

    /// One step of the walk, patient with a writer at work.
    fn step(&mut self) -> Result<Step> {
        let mut looks = 0;
        loop {
            let before = self.walk.head.number;
            let result = self.walk.step();
            let unsettled = match &result {
                Ok(Step::Frame(_)) => false,
                Ok(Step::End(_)) => return result,
                Err(error) => matches!(error.kind, ErrorKind::Corrupt(_)),
            };
            // What the mark covered when this look began was durable, so it cannot be in the middle of a write.
            let promised = self.walk.promised().unwrap_or(u64::MAX);
            if !unsettled || before < promised || looks == self.looks_max {
                return result;
            }
            looks += 1;
            thread::sleep(PAUSE);
            self.walk.refresh()?;
        }
    }
}

impl Iterator for Reader {
    type Item = Result<Frame>;

    fn next(&mut self) -> Option<Self::Item> {
        self.next_frame().transpose()
    }
}

//! Frames of an open log, for readers beside the writer.
//!
//! A source never shows a frame that is not durable: what it hands out may be told to the world.

use std::sync::Arc;

use crate::error::Result;
use crate::frame::{Frame, Head};
use crate::log::Shared;
use crate::walk;

/// Reads durable frames by number; cheap to clone and usable from any thread.
#[derive(Debug, Clone)]
pub struct FrameSource {
    shared: Arc<Shared>,
}

impl FrameSource {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }

    /// After the last frame that can be read.
    pub fn durable(&self) -> Head {
        self.shared.state().durable
    }

    /// The frame with this number, if it is durable.
    pub fn frame(&self, number: u64) -> Result<Option<Frame>> {
        let (segment, indexed) = {
            let state = self.shared.state();
            if number >= state.durable.number {
                return Ok(None);
            }
            let indexed = state.index[usize::try_from(number).expect("an index fits in memory")];
            (Arc::clone(&state.segments[indexed.location.segment]), indexed)
        };
        let head = Head { number, position: indexed.first_position, hash: [0; 32] };
        walk::read_frame(&segment, indexed.location, &head).map(Some)
    }

    /// The head after so many frames, if they are durable.
    pub fn head_at(&self, number: u64) -> Result<Option<Head>> {
        let Some(last) = number.checked_sub(1) else { return Ok(Some(Head::default())) };
        Ok(self.frame(last)?.map(|frame| Head {
            number,
            position: frame.first_position + u64::from(frame.count),
            hash: frame.hash,
        }))
    }

    /// The number of the frame that holds the entry at this position, if it is durable.
    pub fn number_of(&self, position: u64) -> Option<u64> {
        let state = self.shared.state();
        if position >= state.durable.position {
            return None;
        }
        let after = state.index.partition_point(|indexed| indexed.first_position <= position);
        Some(after as u64 - 1)
    }

    /// Frames from this number on, up to what is durable when each is asked for. After the last one the
    /// iterator yields `None` and may be asked again.
    pub fn frames_from(&self, number: u64) -> Frames {
        Frames { source: self.clone(), next: number }
    }
}

/// See [`FrameSource::frames_from`].
#[derive(Debug, Clone)]
pub struct Frames {
    source: FrameSource,
    next: u64,
}

impl Iterator for Frames {
    type Item = Result<Frame>;

    fn next(&mut self) -> Option<Self::Item> {
        let frame = self.source.frame(self.next).transpose()?;
        self.next += 1;
        Some(frame)
    }
}

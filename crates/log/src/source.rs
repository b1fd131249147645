//! Frames of an open log, for readers beside the writer.
//!
//! A source never shows a frame that is not durable: what it hands out may be told to the world.

use std::sync::{Arc, Mutex, PoisonError};

use crate::error::Result;
use crate::frame::{Frame, Head};
use crate::log::Shared;
use crate::part::{self, Place};
use crate::sealed::Sealed;
use crate::walk;

/// Reads durable frames by number; cheap to clone and usable from any thread.
#[derive(Debug, Clone)]
pub struct FrameSource {
    shared: Arc<Shared>,
    /// The pack that was unpacked last: whoever reads one frame of it often wants its neighbours.
    last: Arc<Mutex<Arc<[Frame]>>>,
}

impl FrameSource {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Self { shared, last: Arc::new(Mutex::new(Arc::new([]))) }
    }

    /// After the last frame that can be read.
    pub fn durable(&self) -> Head {
        self.shared.state().durable
    }

    /// The frame with this number, if it is durable.
    pub fn frame(&self, number: u64) -> Result<Option<Frame>> {
        let place = {
            let state = self.shared.state();
            if number >= state.durable.number {
                return Ok(None);
            }
            part::place_of(&state.parts, number)
        };
        match place {
            Place::Written(segment, indexed) => {
                let head = Head { number, position: indexed.first_position, hash: [0; 32] };
                walk::read_frame(&segment, indexed.location, &head).map(Some)
            }
            Place::Sealed(sealed) => self.unpacked(&sealed, number).map(Some),
        }
    }

    fn unpacked(&self, sealed: &Sealed, number: u64) -> Result<Frame> {
        let last = || self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let among = |frames: &[Frame]| {
            let first = frames.first()?.number;
            frames.get(usize::try_from(number.checked_sub(first)?).ok()?).cloned()
        };
        let held = Arc::clone(&last());
        if let Some(frame) = among(&held) {
            return Ok(frame);
        }
        let pack = sealed.pack_of(number);
        let frames: Arc<[Frame]> = sealed.unpack(self.shared.disk(), pack)?.into();
        *last() = Arc::clone(&frames);
        Ok(among(&frames).expect("the index says which pack has which frames"))
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
        (position < state.durable.position).then(|| part::number_of(&state.parts, position))
    }

    /// Frames from this number on, up to what is durable when each is asked for. After the last one the
    /// iterator yields `None` and may be asked again.
    pub fn frames_from(&self, number: u64) -> Frames {
        // With a pack of its own, so that others who read here and there do not make it unpack the same one again and again.
        Frames { source: Self::new(Arc::clone(&self.shared)), next: number }
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

//! Append: what was decided becomes frames and is written where it belongs. It is not durable yet and nobody is told.
use crate::error::Result;
use crate::order::Batch;
use crate::seal::Sealer;
use crate::views::Rest;
use sycee_core::Outcome;
use sycee_core::ids::Time;
use sycee_log::{Draft, Head, Log, Syncer};

/// The appending stage: owns the log.
#[derive(Debug)]
pub(crate) struct Append {
    log: Log,
    sealer: Sealer,
}

/// One frame on its way into the log, and the outcomes that may leave once it and all before it are durable.
#[derive(Debug)]
pub(crate) struct Part<T> {
    draft: Option<Draft>,
    leaves: Vec<[u8; 32]>,
    outcomes: Vec<(T, Outcome)>,
    frozen: Option<Rest>,
}

/// A part that has been written.
#[derive(Debug)]
pub(crate) struct Written<T> {
    /// The log after it.
    pub(crate) head: Head,
    /// When its last entry was decided; none if it has no entries.
    pub(crate) at: Option<Time>,
    pub(crate) leaves: Vec<[u8; 32]>,
    pub(crate) outcomes: Vec<(T, Outcome)>,
    /// Bytes of its entries.
    pub(crate) bytes: u64,
    /// A snapshot is of the moment after it.
    pub(crate) frozen: Option<Rest>,
}

impl Append {
    pub(crate) fn new(log: Log, sealer: Sealer) -> Self {
        Self { log, sealer }
    }

    /// A handle for what happens beside the writing: syncs, and making the next segment ready.
    pub(crate) fn syncer(&self) -> Syncer {
        self.log.syncer()
    }

    /// A batch as one part, or as several if it is too large for a frame; the outcomes go with the last. At most two parts may
    /// be written and not committed.
    pub(crate) fn seal<T>(&mut self, batch: Batch<T>) -> Vec<Part<T>> {
        let Batch { entries, outcomes, frozen } = batch;
        let frames = self.sealer.seal(entries).into_iter();
        let mut parts: Vec<Part<T>> = frames
            .map(|frame| Part {
                draft: Some(frame.draft),
                leaves: frame.leaves,
                outcomes: Vec::new(),
                frozen: None,
            })
            .collect();
        if parts.is_empty() {
            // Refusals and repetitions, which have to wait all the same for what they have seen.
            parts.push(Part { draft: None, leaves: Vec::new(), outcomes: Vec::new(), frozen: None });
        }
        let last = parts.last_mut().expect("there is one now");
        (last.outcomes, last.frozen) = (outcomes, frozen);
        parts
    }

    pub(crate) fn append<T>(&mut self, part: Part<T>) -> Result<Written<T>> {
        let Part { draft, leaves, outcomes, frozen } = part;
        let at = draft.as_ref().map(|draft| Time(draft.at));
        let bytes = draft.as_ref().map_or(0, |draft| draft.payload.len() as u64);
        let head = match draft {
            Some(draft) => self.log.append(self.log.next_number(), &draft)?,
            None => self.log.appended(),
        };
        Ok(Written { head, at, leaves, outcomes, bytes, frozen })
    }
}

//! Order: what has arrived is put in a row and decided. No threads, no clock, no disk.
use crate::clock::{Jump, Now, Watch};
use sycee_core::entry::{Command, Entry, Submission};
use sycee_core::ids::Time;
use sycee_core::limits::DUE_STEPS_MAX;
use sycee_core::permission::Actor;
use sycee_core::{Core, Outcome};

/// What one batch has led to. The entries become one frame; the outcomes may leave once it is durable.
#[derive(Debug)]
pub struct Batch<T> {
    pub entries: Vec<Entry>,
    pub outcomes: Vec<(T, Outcome)>,
}

/// The ordering stage: owns the core.
#[derive(Debug)]
pub struct Order {
    core: Core,
    watch: Watch,
}

impl Order {
    /// Continues from `core`.
    pub fn new(core: Core, now: Now) -> Self {
        let watch = Watch::new(now, core.state().at);
        Self { core, watch }
    }

    /// The state that the next batch will be decided on.
    pub fn core(&self) -> &Core {
        &self.core
    }

    /// Whether a step would do something although nothing has arrived.
    pub fn is_due(&self, now: Now) -> bool {
        !self.watch.has_jumped() && self.core.is_due(self.next_at(now))
    }

    /// Whether the clock can be believed. To be asked even while nothing arrives: how far two clocks have come apart is judged
    /// by when they were last seen together.
    pub fn check_clock(&mut self, now: Now) -> Result<(), Jump> {
        self.watch.check(now)
    }

    /// Decides everything that has arrived, and some of the work whose time has come. If the clock has jumped ahead nothing is
    /// decided, now or later.
    pub fn step<T>(&mut self, now: Now, arrived: Vec<(T, Submission)>) -> Result<Batch<T>, (Jump, Vec<T>)> {
        if let Err(jump) = self.watch.check(now) {
            return Err((jump, arrived.into_iter().map(|(ticket, _)| ticket).collect()));
        }
        let mut batch = Batch { entries: Vec::new(), outcomes: Vec::with_capacity(arrived.len()) };
        if self.is_due(now) {
            let due = Submission::internal(Actor::Clock, Command::Due { limit: DUE_STEPS_MAX });
            batch.entries.extend(self.core.submit(self.next_at(now), &due).entry);
        }
        for (ticket, submission) in arrived {
            let decided = self.core.submit(self.next_at(now), &submission);
            batch.entries.extend(decided.entry);
            batch.outcomes.push((ticket, decided.outcome));
        }
        Ok(batch)
    }

    fn next_at(&self, now: Now) -> Time {
        self.core.state().at.after(1).max(now.wall)
    }
}

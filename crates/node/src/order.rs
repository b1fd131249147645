//! Order: what has arrived is put in a row and decided. No threads, no clock, no disk.
use crate::clock::{Jump, Now, Watch};
use crate::handle::Shared;
use crate::views::{Rest, Views};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use sycee_core::Outcome;
use sycee_core::entry::{Command, Entry, Submission};
use sycee_core::ids::Time;
use sycee_core::limits::DUE_STEPS_MAX;
use sycee_core::permission::Actor;

/// What one batch has led to. The entries become one frame; the outcomes may leave once it is durable.
#[derive(Debug)]
pub(crate) struct Batch<T> {
    pub entries: Vec<Entry>,
    pub outcomes: Vec<(T, Outcome)>,
    /// A snapshot is of the moment after it.
    pub frozen: Option<Rest>,
}

/// The ordering stage: the only one that changes the state.
#[derive(Debug)]
pub(crate) struct Order {
    shared: Arc<Shared>,
    watch: Watch,
    /// When the last entry was decided.
    at: Time,
}

impl Order {
    /// Continues from what the views have come to.
    pub(crate) fn new(shared: Arc<Shared>, now: Now) -> Self {
        let at = shared.views().state.at;
        Self { watch: Watch::new(now, at), at, shared }
    }

    /// Whether a step would do something although nothing has arrived.
    pub(crate) fn is_due(&self, now: Now) -> bool {
        !self.watch.has_jumped() && self.shared.views().state.is_due(self.next_at(now))
    }

    /// Whether the clock can be believed. To be asked even while nothing arrives: how far two clocks have come apart is judged
    /// by when they were last seen together.
    pub(crate) fn check_clock(&mut self, now: Now) -> Result<(), Jump> {
        self.watch.check(now)
    }

    /// Decides everything that has arrived, and some of the work whose time has come. If the clock has jumped ahead nothing is
    /// decided, now or later.
    pub(crate) fn step<T>(
        &mut self,
        now: Now,
        arrived: Vec<(T, Submission)>,
    ) -> Result<Batch<T>, (Jump, Vec<T>)> {
        if let Err(jump) = self.watch.check(now) {
            return Err((jump, arrived.into_iter().map(|(ticket, _)| ticket).collect()));
        }
        let outcomes = Vec::with_capacity(arrived.len());
        let mut batch = Batch { entries: Vec::new(), outcomes, frozen: None };
        if self.is_due(now) {
            let due = Submission::internal(Actor::Clock, Command::Due { limit: DUE_STEPS_MAX });
            let (_, entry) = self.decide(now, &due);
            batch.entries.extend(entry);
        }
        for (ticket, submission) in arrived {
            let (outcome, entry) = self.decide(now, &submission);
            batch.entries.extend(entry);
            batch.outcomes.push((ticket, outcome));
        }
        if self.shared.snapshot_wanted.swap(false, Ordering::AcqRel) {
            batch.frozen = self.shared.change(Views::freeze);
        }
        Ok(batch)
    }

    /// Readers are let in between any two submissions, so that nobody waits for a whole batch.
    fn decide(&mut self, now: Now, submission: &Submission) -> (Outcome, Option<Entry>) {
        let at = self.next_at(now);
        let decided = self.shared.change(|views| {
            let decided = views.submit(at, submission);
            // While the lock is held: whoever has seen the entry also sees that it was decided.
            self.shared.decided.store(views.state.position, Ordering::Release);
            self.at = views.state.at;
            decided
        });
        decided.expect("whoever panics with the views ends the node")
    }

    fn next_at(&self, now: Now) -> Time {
        self.at.after(1).max(now.wall)
    }
}

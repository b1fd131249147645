//! Params: the numbers that members and operators may change while the log runs.
//!
//! Invariants
//! - P1 Every parameter lies within its bounds.
//!
//! Example: the notice for a new schedule, dearer or cheaper, is zero until the operator sets it to 24 hours.
use crate::table::{Rows, Table};
use crate::{Breach, Tx, limits};
use minicbor::{Decode, Encode};
use std::ops::RangeInclusive;

/// A parameter; its value is an integer in the unit of its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
#[cbor(index_only)]
pub enum Param {
    /// How long before it applies a schedule must be published, once its offer has one.
    #[n(0)]
    ScheduleNoticeSeconds,
    /// Most that ancestors may take of what a model earns.
    #[n(1)]
    AncestorsCapPpm,
}

impl Param {
    /// All parameters.
    pub const ALL: [Self; 2] = [Self::ScheduleNoticeSeconds, Self::AncestorsCapPpm];

    /// The name in JSON and documents.
    pub fn name(self) -> &'static str {
        match self {
            Self::ScheduleNoticeSeconds => "schedule_notice_seconds",
            Self::AncestorsCapPpm => "ancestors_cap_ppm",
        }
    }

    /// The value before anyone sets it.
    pub fn default_value(self) -> u64 {
        match self {
            Self::ScheduleNoticeSeconds => 0,
            Self::AncestorsCapPpm => 300_000,
        }
    }

    /// The values it may take.
    pub fn bounds(self) -> RangeInclusive<u64> {
        match self {
            Self::ScheduleNoticeSeconds => 0..=limits::SCHEDULE_NOTICE_SECONDS_MAX,
            Self::AncestorsCapPpm => 0..=limits::PPM,
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Command {
    #[n(0)]
    Set {
        #[n(0)]
        param: Param,
        #[n(1)]
        value: u64,
    },
}

#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Event {
    #[n(0)]
    Set {
        #[n(0)]
        param: Param,
        #[n(1)]
        value: u64,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum Refusal {
    #[n(0)]
    OutOfBounds,
}

impl Refusal {
    /// The stable code.
    pub fn code(self) -> &'static str {
        match self {
            Self::OutOfBounds => "params.out_of_bounds",
        }
    }
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct State {
    #[n(0)]
    values: Table<Param, u64>,
}

impl State {
    /// The value in force.
    pub fn get(&self, param: Param) -> u64 {
        self.values.get(&param).copied().unwrap_or_else(|| param.default_value())
    }

    pub(crate) fn tables(&mut self) -> [&mut dyn Rows; 1] {
        let Self { values } = self;
        [values]
    }
}

pub(crate) fn decide(tx: &mut Tx<'_>, command: &Command) -> Result<(), Refusal> {
    let Command::Set { param, value } = command;
    if !param.bounds().contains(value) {
        return Err(Refusal::OutOfBounds);
    }
    tx.emit(Event::Set { param: *param, value: *value });
    Ok(())
}

pub(crate) fn evolve(state: &mut State, event: &Event) {
    match event {
        Event::Set { param, value } => state.values.insert(*param, *value),
    }
}

pub(crate) fn audit(state: &crate::State) -> Vec<Breach> {
    let broken = state.params.values.iter().filter(|(param, value)| !param.bounds().contains(value));
    broken.map(|(param, value)| Breach::new("P1", format!("{} is {value}", param.name()))).collect()
}

#[cfg(test)]
mod tests;

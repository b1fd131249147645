//! Metering: usage that was measured elsewhere, in bulk.
//!
//! Other gateways, providers and batch systems report what they served as batches of lines. A line is priced by the schedule in
//! force when it started, split and booked when it arrives. What cannot be counted is refused line by line; what is counted but
//! cannot be paid is kept as unbilled. A source numbers its lines, so sending a batch again changes nothing and a lost one is
//! noticed.
//!
//! Invariants
//! - U1 A source's lines are counted once each, in order and without a gap.
//! - U2 What a batch takes from its consumers is what it gives to sites, authors, data owners and the platform.
//!
//! Example: a meter at East reports two requests of ada, 400 and 600 output tokens at 4 CNY a million; ada pays 0.004, of which
//! East gets 0.0031, the model's pot 0.0005 and the platform 0.0004.
use crate::ids::{Amount, Asset, Hash, MemberId, ProviderId, SourceId};
use crate::table::{Rows, Table};
use crate::{Breach, Tx, ledger, limits};
use minicbor::{Decode, Encode};

mod lane;
mod lines;
mod pass;
pub use lines::{Batch, Content, Line, Lines};

#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Command {
    /// Lets a member report usage under a name.
    #[n(0)]
    OpenSource {
        #[n(0)]
        source: SourceId,
        #[n(1)]
        details: Source,
    },
    #[n(1)]
    Record {
        #[n(0)]
        batch: Batch,
    },
    /// What an entry has in the place of [`Command::Record`], whose lines stand in its event; nobody can send it.
    #[n(2)]
    Recorded {
        #[n(0)]
        source: SourceId,
        #[n(1)]
        first: u64,
    },
}

#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Event {
    #[n(0)]
    SourceOpened {
        #[n(0)]
        source: SourceId,
        #[n(1)]
        details: Source,
    },
    #[n(1)]
    Recorded {
        #[n(0)]
        batch: Batch,
        #[n(1)]
        counted: Counted,
    },
}

impl Event {
    /// The batch that was recorded and what became of it, if one was.
    pub fn recorded(&self) -> Option<(&Batch, &Counted)> {
        match self {
            Self::Recorded { batch, counted } => Some((batch, counted)),
            Self::SourceOpened { .. } => None,
        }
    }
}

/// In order of precedence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Refusal {
    #[n(0)]
    SourceExists,
    #[n(1)]
    NameNotAllowed,
    #[n(2)]
    TooManySources,
    /// The member does not have the role of a meter.
    #[n(3)]
    RoleMissing,
    #[n(4)]
    ProviderNotFound,
    #[n(5)]
    SourceNotFound,
    /// No lines, or more than a batch may have.
    #[n(6)]
    OutOfRange,
    /// Lines before these are missing; the source goes on with this number.
    #[n(7)]
    Gap {
        #[n(0)]
        expected: u64,
    },
    /// These numbers were used for other lines.
    #[n(8)]
    OtherContent,
    /// All these lines were counted before.
    #[n(9)]
    Duplicate,
}

impl Refusal {
    /// The stable code.
    pub fn code(self) -> &'static str {
        match self {
            Self::SourceExists => "metering.source_exists",
            Self::NameNotAllowed => "metering.name_not_allowed",
            Self::TooManySources => "metering.too_many_sources",
            Self::RoleMissing => "metering.role_missing",
            Self::ProviderNotFound => "metering.provider_not_found",
            Self::SourceNotFound => "metering.source_not_found",
            Self::OutOfRange => "metering.out_of_range",
            Self::Gap { expected: _ } => "metering.gap",
            Self::OtherContent => "metering.other_content",
            Self::Duplicate => "metering.duplicate",
        }
    }
}

/// Why one line of a batch brings no money, in order of precedence. All but the last are not counted either.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum LineRefusal {
    /// There is no such key that spends from an account.
    #[n(0)]
    KeyNotFound,
    /// The key is revoked, or its member suspended.
    #[n(1)]
    KeyNotFitting,
    #[n(2)]
    OfferNotFound,
    /// The source reports for one provider, and the offer is another's.
    #[n(3)]
    OfferNotYours,
    /// The offer, its model, its site or its provider is suspended.
    #[n(4)]
    OfferNotOpen,
    /// Longer ago than lines may be late, or before the offer had a price.
    #[n(5)]
    StartTooEarly,
    #[n(6)]
    StartAhead,
    /// The account is in another asset than the price.
    #[n(7)]
    AssetsDiffer,
    /// Counted, but the account cannot pay.
    #[n(8)]
    Unbilled,
}

impl LineRefusal {
    /// The stable code.
    pub fn code(self) -> &'static str {
        match self {
            Self::KeyNotFound => "metering.line.key_not_found",
            Self::KeyNotFitting => "metering.line.key_not_fitting",
            Self::OfferNotFound => "metering.line.offer_not_found",
            Self::OfferNotYours => "metering.line.offer_not_yours",
            Self::OfferNotOpen => "metering.line.offer_not_open",
            Self::StartTooEarly => "metering.line.start_too_early",
            Self::StartAhead => "metering.line.start_ahead",
            Self::AssetsDiffer => "metering.line.assets_differ",
            Self::Unbilled => "metering.line.unbilled",
        }
    }
}

impl From<ledger::Refusal> for LineRefusal {
    /// Of a payment: the account is known, so it can only be the wrong one or too poor.
    fn from(refusal: ledger::Refusal) -> Self {
        if refusal == ledger::Refusal::AssetsDiffer { Self::AssetsDiffer } else { Self::Unbilled }
    }
}

/// What became of a batch.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct Counted {
    /// So many of its first lines had been counted before.
    #[n(0)]
    pub duplicates: u32,
    /// Which lines bring no money, by index, and why.
    #[n(1)]
    pub refused: Vec<(u32, LineRefusal)>,
    /// What was paid in each asset.
    #[n(2)]
    pub paid: Vec<(Asset, Paid)>,
}

/// Where the money of a batch went.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct Paid {
    #[n(0)]
    pub total: Amount,
    #[n(1)]
    pub sites: Amount,
    /// To authors and data owners.
    #[n(2)]
    pub pots: Amount,
    #[n(3)]
    pub fees: Amount,
}

/// Who reports, and for whom.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Source {
    #[n(0)]
    pub member: MemberId,
    /// As its events name it.
    #[n(1)]
    pub name: String,
    /// It may report for this provider's sites only; none: for all.
    #[n(2)]
    pub provider: Option<ProviderId>,
}

/// A batch that was counted, as long as it is remembered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Seen {
    #[n(0)]
    pub first: u64,
    #[n(1)]
    pub end: u64,
    #[n(2)]
    pub hash: Hash,
}

/// How far a source has come.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct Progress {
    /// The number of its next line.
    #[n(0)]
    pub next: u64,
    /// Its last batches, oldest first.
    #[n(1)]
    pub recent: Vec<Seen>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct State {
    #[n(0)]
    sources: Table<SourceId, Source>,
    #[n(1)]
    progress: Table<SourceId, Progress>,
}

impl State {
    /// All sources.
    pub fn sources(&self) -> &Table<SourceId, Source> {
        &self.sources
    }

    /// How far a source has come.
    pub fn progress(&self, source: SourceId) -> Option<&Progress> {
        self.progress.get(&source)
    }

    pub(crate) fn tables(&mut self) -> [&mut dyn Rows; 2] {
        let Self { sources, progress } = self;
        [sources, progress]
    }
}

pub(crate) fn decide(tx: &mut Tx<'_>, command: &Command) -> Result<(), Refusal> {
    match command {
        Command::OpenSource { source, details } => {
            check_source(tx, *source, details)?;
            tx.emit(Event::SourceOpened { source: *source, details: details.clone() });
        }
        Command::Record { batch } => {
            check_batch(tx.state(), batch)?;
            tx.record(batch);
        }
        Command::Recorded { source: _, first: _ } => unreachable!("nobody is permitted to send it"),
    }
    Ok(())
}

fn check_source(tx: &Tx<'_>, source: SourceId, details: &Source) -> Result<(), Refusal> {
    let state = tx.state();
    if state.metering.sources.contains(&source) {
        return Err(Refusal::SourceExists);
    }
    if !crate::name_allowed(&details.name) {
        return Err(Refusal::NameNotAllowed);
    }
    if state.metering.sources.len() >= limits::SOURCES_MAX {
        return Err(Refusal::TooManySources);
    }
    if !state.membership.may(details.member, crate::membership::Role::Meter) {
        return Err(Refusal::RoleMissing);
    }
    match details.provider {
        Some(provider) if !state.catalog.providers().contains(&provider) => Err(Refusal::ProviderNotFound),
        Some(_) | None => Ok(()),
    }
}

fn check_batch(state: &crate::State, batch: &Batch) -> Result<(), Refusal> {
    let progress = state.metering.progress.get(&batch.source).ok_or(Refusal::SourceNotFound)?;
    let end = batch.end().filter(|_| !batch.is_empty()).ok_or(Refusal::OutOfRange)?;
    if batch.lines.len() > limits::BATCH_LINES_MAX {
        return Err(Refusal::OutOfRange);
    }
    if batch.first > progress.next {
        return Err(Refusal::Gap { expected: progress.next });
    }
    let same = progress.recent.iter().find(|seen| seen.first == batch.first && seen.end == end);
    match same {
        Some(seen) if seen.hash != batch.hash() => Err(Refusal::OtherContent),
        Some(_) => Err(Refusal::Duplicate),
        None if end <= progress.next => Err(Refusal::Duplicate),
        None => Ok(()),
    }
}

/// Decides the lines of a batch that was checked, and does at once what it decides: no line can undo another, so the events of a
/// batch need not be told apart from their effect.
pub(crate) fn record(state: &mut crate::State, at: crate::ids::Time, batch: &Batch) -> Event {
    let next = state.metering.progress.get(&batch.source).expect("U1: checked").next;
    let duplicates = u32::try_from(next.saturating_sub(batch.first)).expect("a batch has fewer lines");
    let counted = pass::judge(state, at, batch, duplicates);
    advance(&mut state.metering, batch);
    Event::Recorded { batch: batch.clone(), counted }
}

/// Unlike other institutions' events, a batch touches the books of those above it directly.
pub(crate) fn evolve(state: &mut crate::State, event: &Event) {
    match event {
        Event::SourceOpened { source, details } => {
            state.metering.sources.insert(*source, details.clone());
            state.metering.progress.insert(*source, Progress::default());
        }
        Event::Recorded { batch, counted } => {
            pass::fold(state, batch, counted);
            advance(&mut state.metering, batch);
        }
    }
}

fn advance(state: &mut State, batch: &Batch) {
    let end = batch.end().expect("U1: checked");
    state.progress.update(batch.source, |progress| {
        progress.next = end;
        if progress.recent.len() >= limits::BATCHES_REMEMBERED {
            progress.recent.remove(0);
        }
        progress.recent.push(Seen { first: batch.first, end, hash: batch.hash() });
    });
}

pub(crate) fn audit(state: &crate::State) -> Vec<Breach> {
    let mut breaches = Vec::new();
    for (source, progress) in &state.metering.progress {
        let next_to = |(one, other): (&Seen, &Seen)| other.first <= one.end && one.end < other.end;
        let joined = progress.recent.iter().zip(progress.recent.iter().skip(1)).all(next_to);
        let ended = progress.recent.last().map_or(0, |seen| seen.end) == progress.next;
        if !joined || !ended || !state.metering.sources.contains(source) {
            breaches.push(Breach::new("U1", format!("{source} has come to {progress:?}")));
        }
    }
    breaches
}

#[cfg(test)]
mod tests;

//! Verify: reads a log from its first byte and checks everything that can be checked, without a lock and without writing.
//!
//! The chain and every frame (by the log's reader), every entry's one encoding, position and time; that deciding each command
//! again gives the events that were written; that the invariants hold at the end and every asset sums to zero; and that the log
//! still has what was signed of it, by the checkpoint beside it and by one that somebody kept. Only the last can find an entry
//! that was replaced by another one as good, such as a deposit with another reference.
use crate::backup;
use crate::error::{Error, ErrorKind, Result};
use crate::lines::Names;
use crate::quiet;
use crate::seal;
use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::Arc;
use sycee_core::entry::Entry;
use sycee_core::ids::{Amount, Asset, Hash};
use sycee_core::{RULES, Refusal, State};
use sycee_log::{Disk, Frame, Frontier, Reader};

mod promise;

pub use promise::Kept;
use promise::Promise;

/// What was found. `cause` says where and why if it is not sound.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Report {
    pub sound: bool,
    /// Entries that were read and are sound.
    pub entries: u64,
    /// Position of the last sound entry; none in an empty log.
    pub position: Option<u64>,
    /// SHA-256 of the state that the sound entries lead to.
    pub state_hash: String,
    pub assets: Vec<AssetSum>,
    pub cause: Option<String>,
    /// Root of the tree over the sound entries.
    pub root: String,
    /// Entries that were folded but not decided again, because older rules decided them.
    pub folded_only: u64,
    /// Whole frames after the durable end of a running log.
    pub not_yet_durable: u64,
}

/// One asset and how its balances add up.
#[derive(Clone, Debug, serde::Serialize)]
pub struct AssetSum {
    pub code: String,
    /// All balances together: zero.
    pub sum: String,
    /// What members and the platform hold.
    pub issued: String,
}

impl Report {
    /// Of a log that could not be read: nothing of it is known to be sound.
    pub fn unread(cause: String) -> Self {
        let mut check = Check::new(None, None);
        check.cause = Some(cause);
        check.report(0)
    }
}

/// Checks the log in `directory`. An error means that it could not be read at all; what is wrong with it is in the report.
pub fn verify(disk: &Arc<dyn Disk>, directory: &Path, kept: Option<Kept>) -> Result<Report> {
    verify_by(RULES, disk, directory, kept)
}

/// Verifies as a build does that decides by these rules.
pub(crate) fn verify_by(
    rules: u16,
    disk: &Arc<dyn Disk>,
    directory: &Path,
    kept: Option<Kept>,
) -> Result<Report> {
    find(&**disk, directory)?;
    // Before the log is opened: what was signed by then is durable by then, also in a running one.
    let own = promise::beside(&**disk, directory)?;
    let mut check = Check { rules, ..Check::new(own, kept) };
    let mut not_yet_durable = 0;
    let mut reader = match Reader::open(Arc::clone(disk), directory) {
        Ok(reader) => reader,
        Err(error) => {
            check.cause = Some(finding(error)?);
            return Ok(check.report(not_yet_durable));
        }
    };
    while check.cause.is_none() {
        match next(&mut reader)? {
            Next::Frame(frame) => check.frame(&frame),
            Next::End => {
                not_yet_durable = reader.tail().map_or(0, |tail| tail.frames);
                check.end();
                break;
            }
            Next::Damage(cause) => check.cause = Some(cause),
        }
    }
    if check.is_torn {
        check.state = state_after(disk, directory, check.sound())?;
    }
    Ok(check.report(not_yet_durable))
}

/// Refuses what is no log, or not all of one.
pub(crate) fn find(disk: &dyn Disk, directory: &Path) -> Result<()> {
    let failed = |error: io::Error| {
        let kind = match error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => ErrorKind::NoLog,
            _ => ErrorKind::Io,
        };
        Error::because(kind, format!("read {}", directory.display()), error)
    };
    let names = disk.list(directory).map_err(failed)?;
    backup::check_finished(disk, directory)?;
    if names.iter().any(|name| name.starts_with("segment-") || name.starts_with("sealed-")) {
        return Ok(());
    }
    let context = format!("find a log in {}, which has no segment of one", directory.display());
    Err(Error::new(ErrorKind::NoLog, context))
}

enum Next {
    Frame(Box<Frame>),
    End,
    Damage(String),
}

fn next(reader: &mut Reader) -> Result<Next> {
    match reader.next_frame() {
        Ok(Some(frame)) => Ok(Next::Frame(Box::new(frame))),
        Ok(None) => Ok(Next::End),
        Err(error) => finding(error).map(Next::Damage),
    }
}

/// What an error says about the log, unless it says that the log cannot be read.
fn finding(error: sycee_log::Error) -> Result<String> {
    use sycee_log::ErrorKind::{Io, NoSpace, NotFound, ReadOnly};
    match error.kind {
        NotFound | Io | ReadOnly | NoSpace => Err(error.into()),
        _ => Ok(error.to_string()),
    }
}

/// The state after the first `entries` entries, which were found sound a moment ago.
fn state_after(disk: &Arc<dyn Disk>, directory: &Path, entries: u64) -> Result<State> {
    let mut state = State::default();
    let mut reader = Reader::open(Arc::clone(disk), directory)?;
    while state.position < entries {
        let changed = || Error::new(ErrorKind::Unsound, "read the log twice: it changes");
        let Next::Frame(frame) = next(&mut reader)? else { return Err(changed()) };
        for (position, record) in frame.records().map_err(|_| changed())? {
            if position < entries {
                let entry = seal::open(&record, position).map_err(|_| changed())?;
                quiet::attempt(|| state.fold(&entry)).map_err(|_| changed())?;
            }
        }
    }
    Ok(state)
}

struct Check {
    /// Those that entries are decided again by; older ones are folded.
    rules: u16,
    state: State,
    tree: Frontier,
    names: Names,
    /// The checkpoint beside the log, and one that somebody kept.
    promises: Vec<Promise>,
    folded_only: u64,
    cause: Option<String>,
    /// The state has taken part of an entry that is not sound.
    is_torn: bool,
}

impl Check {
    fn new(own: Option<Kept>, kept: Option<Kept>) -> Self {
        Self {
            rules: RULES,
            state: State::default(),
            tree: Frontier::new(),
            names: Names::default(),
            promises: own.into_iter().chain(kept).map(Promise::new).collect(),
            folded_only: 0,
            cause: None,
            is_torn: false,
        }
    }

    /// Entries found sound so far.
    fn sound(&self) -> u64 {
        self.tree.size()
    }

    /// The first entry is the charter; from then on the checkpoints can be read.
    fn open_promises(&mut self) {
        if let Some(charter) = self.state.genesis.charter() {
            self.promises.iter_mut().for_each(|promise| promise.open(charter));
        }
    }

    fn frame(&mut self, frame: &Frame) {
        if let Some(newer) = newer(frame, self.rules) {
            return self.fail(frame.first_position, &format!("{newer}; use a newer build"));
        }
        let records = match frame.records() {
            Ok(records) => records,
            Err(cause) => {
                return self.fail(frame.first_position, &format!("frame {}: {cause}", frame.number));
            }
        };
        if records.last().is_some_and(|(_, record)| record.at != frame.at) {
            return self.fail(frame.first_position, "the frame's time is not that of its last entry");
        }
        for (position, record) in records {
            let entry = match seal::open(&record, position) {
                Ok(entry) => entry,
                Err(unreadable) => return self.fail(position, &unreadable.to_string()),
            };
            if let Err(cause) = self.entry(&entry, frame.rules) {
                return self.fail(position, &cause);
            }
            self.names.fold(&entry);
            if self.names.root_of(&record.salt_key, &entry) != record.root {
                return self.fail(position, "its root is not that of its lines");
            }
            self.tree.push(record.leaf(position).hash());
            if position == 0 {
                self.open_promises();
            }
            for promise in &mut self.promises {
                promise.pass(self.tree.size(), || self.tree.root());
            }
        }
    }

    fn entry(&mut self, entry: &Entry, rules: u16) -> Result<(), String> {
        if entry.at <= self.state.at {
            return Err("its time does not lie after the one before".to_owned());
        }
        if rules == 0 {
            return Err("no rules have the number 0".to_owned());
        }
        self.is_torn = true;
        let broken = |message: String| format!("it breaks an invariant: {message}");
        if rules == self.rules {
            let again = quiet::attempt(|| self.state.submit(entry.at, &entry.submission()));
            compare(entry, again.map_err(broken)?.entry.as_ref())?;
        } else {
            self.folded_only += 1;
            quiet::attempt(|| self.state.fold(entry)).map_err(broken)?;
        }
        self.is_torn = false;
        Ok(())
    }

    fn fail(&mut self, position: u64, cause: &str) {
        self.cause = Some(format!("position {position}: {cause}"));
    }

    fn end(&mut self) {
        let state = &self.state;
        if state.position == 0 {
            self.cause = Some("position 0: there is no founding entry".to_owned());
            return;
        }
        match quiet::attempt(|| state.audit()) {
            Ok(breaches) => {
                if let Some(breach) = breaches.first() {
                    self.cause = Some(format!("invariant {}: {}", breach.invariant, breach.found));
                    return;
                }
            }
            Err(broken) => {
                self.cause = Some(format!("the state cannot be audited: {broken}"));
                return;
            }
        }
        if let Some(asset) = sums(state).iter().find(|asset| asset.sum != "0") {
            self.cause = Some(format!("asset {} sums to {}", asset.code, asset.sum));
            return;
        }
        self.cause = self.promises.iter().find_map(|promise| promise.broken(self.sound()));
    }

    fn report(self, not_yet_durable: u64) -> Report {
        let state = &self.state;
        Report {
            sound: self.cause.is_none(),
            entries: self.sound(),
            position: self.sound().checked_sub(1),
            state_hash: state.hash().to_string(),
            assets: sums(state),
            cause: self.cause,
            root: Hash(self.tree.root()).to_string(),
            folded_only: self.folded_only,
            not_yet_durable,
        }
    }
}

/// Why a frame cannot be judged: rules that came after `known` decided it, and what its entries mean is theirs to say.
pub(crate) fn newer(frame: &Frame, known: u16) -> Option<String> {
    let rules = frame.rules;
    (rules > known)
        .then(|| format!("rules {rules} decided it, which are newer than the {known} of this build"))
}

/// Whether an entry is what deciding its command gives.
fn compare(entry: &Entry, again: Option<&Entry>) -> Result<(), String> {
    let outcome = |refusal: Option<Refusal>| match refusal {
        Some(refusal) => format!("refused ({})", refusal.code()),
        None => "applied".to_owned(),
    };
    match again {
        Some(again) if again == entry => Ok(()),
        None => Err("deciding its command again writes no entry".to_owned()),
        Some(again) if again.refusal != entry.refusal => {
            let (written, decided) = (outcome(entry.refusal), outcome(again.refusal));
            Err(format!("it says {written}; deciding its command again gives {decided}"))
        }
        Some(_) => Err("its events are not those that deciding its command again gives".to_owned()),
    }
}

fn sums(state: &State) -> Vec<AssetSum> {
    let mut sums: BTreeMap<Asset, (Amount, Amount)> = BTreeMap::new();
    for (_, balance) in state.ledger.balances() {
        let (sum, issued) = sums.entry(balance.asset).or_insert((0, 0));
        *sum = sum.saturating_add(balance.amount);
        *issued = issued.saturating_add(balance.amount.max(0));
    }
    let defined = state.genesis.charter().map_or(&[][..], |charter| &charter.assets);
    let by_asset = (0u16..).zip(defined).map(|(index, definition)| {
        let (sum, issued) = sums.get(&Asset(index)).copied().unwrap_or((0, 0));
        AssetSum { code: definition.code.clone(), sum: sum.to_string(), issued: issued.to_string() }
    });
    by_asset.collect()
}

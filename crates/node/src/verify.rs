//! Verify: reads a log from its first byte and checks everything that can be checked, without a lock and without writing.
//!
//! The chain and every frame (by the log's reader), every entry's one encoding, position and time; that deciding each command
//! again gives the events that were written; that the invariants hold at the end and every asset sums to zero; and, given a
//! checkpoint, that the log still has what was signed then.
use crate::checkpoint;
use crate::error::Result;
use crate::seal;
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;
use sycee_core::entry::Entry;
use sycee_core::ids::{Amount, Asset, Hash};
use sycee_core::{Core, RULES, State};
use sycee_log::{Checkpoint, Disk, ErrorKind, Frame, Frontier, Reader};

/// What was found. `cause` says where and why if it is not sound.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Report {
    pub sound: bool,
    /// Entries that were read and are sound.
    pub entries: u64,
    /// Position of the last sound entry; none in an empty log.
    pub position: Option<u64>,
    /// SHA-256 of the state they lead to.
    pub state_hash: String,
    pub assets: Vec<AssetSum>,
    pub cause: Option<String>,
    /// Root of the tree over all entries.
    pub root: String,
    /// Entries that were folded but not decided again, because other rules decided them.
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

/// Checks the log in `directory`. An error means that it could not be read at all; what is wrong with it is in the report.
pub fn verify(disk: &Arc<dyn Disk>, directory: &Path, checkpoint: Option<&str>) -> Result<Report> {
    let mut check = Check::new(checkpoint);
    let mut reader = Reader::open(Arc::clone(disk), directory)?;
    let mut not_yet_durable = 0;
    while check.cause.is_none() {
        match reader.next_frame() {
            Ok(Some(frame)) => check.frame(&frame),
            Ok(None) => {
                not_yet_durable = reader.tail().map_or(0, |tail| tail.frames);
                check.end();
                break;
            }
            Err(error) if matches!(error.kind, ErrorKind::Corrupt(_) | ErrorKind::Newer { .. }) => {
                check.cause = Some(error.to_string());
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(check.report(not_yet_durable))
}

struct Check {
    core: Core,
    tree: Frontier,
    /// The text of a checkpoint that somebody kept.
    kept: Option<String>,
    /// The same, once the charter has said whose signature it must bear.
    checkpoint: Option<Checkpoint>,
    /// The root when the tree had the checkpoint's size.
    root_then: Option<[u8; 32]>,
    folded_only: u64,
    cause: Option<String>,
}

impl Check {
    fn new(kept: Option<&str>) -> Self {
        Self {
            core: Core::default(),
            tree: Frontier::new(),
            kept: kept.map(str::to_owned),
            checkpoint: None,
            root_then: None,
            folded_only: 0,
            cause: None,
        }
    }

    /// The first entry is the charter; from then on the checkpoint can be read.
    fn open_checkpoint(&mut self) {
        let (1, Some(kept), Some(charter)) =
            (self.tree.size(), &self.kept, self.core.state().genesis.charter())
        else {
            return;
        };
        self.checkpoint = checkpoint::open_kept(kept, &charter.origin, &charter.public_key);
        if self.checkpoint.is_none() {
            self.cause = Some("the checkpoint is not one that this log's key signed".to_owned());
        }
    }

    fn frame(&mut self, frame: &Frame) {
        let records = match frame.records() {
            Ok(records) => records,
            Err(cause) => {
                return self.fail(frame.first_position, &format!("frame {}: {cause}", frame.number));
            }
        };
        for (position, record) in records {
            let entry = match seal::open(&record, position) {
                Ok(entry) => entry,
                Err(unreadable) => return self.fail(position, &unreadable.to_string()),
            };
            if let Err(cause) = self.entry(&entry, frame.rules) {
                return self.fail(position, &cause);
            }
            self.tree.push(record.leaf(position).hash());
            self.open_checkpoint();
            if self.checkpoint.as_ref().is_some_and(|it| it.size == self.tree.size()) {
                self.root_then = Some(self.tree.root());
            }
        }
    }

    fn entry(&mut self, entry: &Entry, rules: u16) -> Result<(), String> {
        if entry.position > 0 && entry.at <= self.core.state().at {
            return Err("its time does not lie after the one before".to_owned());
        }
        // What an intact but dishonest log can hold may break an invariant anywhere in the core; that is a finding too.
        let broken = || "folding it breaks an invariant".to_owned();
        if rules != RULES {
            self.folded_only += 1;
            return catch_unwind(AssertUnwindSafe(|| self.core.fold(entry))).map_err(|_| broken());
        }
        let again = catch_unwind(AssertUnwindSafe(|| self.core.submit(entry.at, &entry.submission())));
        match again.map_err(|_| broken())?.entry {
            Some(again) if again == *entry => Ok(()),
            _ => Err("deciding its command again does not give what was written".to_owned()),
        }
    }

    fn fail(&mut self, position: u64, cause: &str) {
        self.cause = Some(format!("position {position}: {cause}"));
    }

    fn end(&mut self) {
        let state = self.core.state();
        if let Some(breach) = state.audit().first() {
            self.cause = Some(format!("invariant {}: {}", breach.invariant, breach.found));
            return;
        }
        if let Some(asset) = sums(state).iter().find(|asset| asset.sum != "0") {
            self.cause = Some(format!("asset {} sums to {}", asset.code, asset.sum));
            return;
        }
        let Some(checkpoint) = &self.checkpoint else { return };
        let cause = match self.root_then {
            Some(root) if root == checkpoint.root => return,
            Some(_) => {
                format!(
                    "another history: the first {} entries are not those of the checkpoint",
                    checkpoint.size
                )
            }
            None => {
                format!(
                    "rolled back: the checkpoint has {} entries, the log {}",
                    checkpoint.size,
                    self.tree.size()
                )
            }
        };
        self.cause = Some(cause);
    }

    fn report(self, not_yet_durable: u64) -> Report {
        let state = self.core.state();
        Report {
            sound: self.cause.is_none(),
            entries: state.position,
            position: state.position.checked_sub(1),
            state_hash: state.hash().to_string(),
            assets: sums(state),
            cause: self.cause,
            root: Hash(self.tree.root()).to_string(),
            folded_only: self.folded_only,
            not_yet_durable,
        }
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

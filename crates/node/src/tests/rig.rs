//! A node without threads on a disk that forgets: its stages stepped one by one.
use super::market::START;
use super::workload::{Dice, Workload};
use crate::clock::{Clock, Hands};
use crate::founding::{Founding, found};
use crate::open::{Options, Stages, open};
use crate::views::Views;
use crate::{Kept, Result, order::Batch};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use sycee_core::Outcome;
use sycee_core::entry::{Entry, Submission};
use sycee_core::genesis::AssetDefinition;
use sycee_core::ids::{Hash, MemberId};
use sycee_log::{Disk, Reader, SimDisk};

/// Room for the largest entry of the workload, and little else, so that segments roll over.
pub(super) const SEGMENT_BYTES: u64 = 13 * 4096;

pub(super) fn directory() -> PathBuf {
    PathBuf::from("/data/log")
}

pub(super) fn shared(disk: &SimDisk) -> Arc<dyn Disk> {
    Arc::new(disk.clone())
}

pub(super) fn founding() -> Founding {
    Founding {
        origin: "test.example/log".to_owned(),
        assets: vec![AssetDefinition { code: "CNY".to_owned(), decimals: 9 }],
        operator_name: "operator".to_owned(),
        operator_key_hash: Hash([7; 32]),
        segment_bytes: SEGMENT_BYTES,
    }
}

/// Founds a log; what is random comes from the seed.
pub(super) fn init(disk: &SimDisk, clock: &Clock, seed: u64) -> Result<MemberId> {
    let mut dice = Dice::new(seed);
    found(&shared(disk), &directory(), clock, founding(), &mut || Ok(dice.bytes()))
}

pub(super) fn options(disk: &SimDisk, clock: &Clock) -> Options {
    Options {
        disk: shared(disk),
        clock: clock.clone(),
        segment_bytes: SEGMENT_BYTES,
        ..Options::new(directory())
    }
}

/// A checkpoint that somebody kept.
pub(super) fn kept(text: &str) -> Kept {
    Kept { name: "kept/checkpoint".to_owned(), bytes: text.as_bytes().to_vec() }
}

/// A node that is stepped.
pub(super) struct Rig {
    pub(super) stages: Stages,
    pub(super) clock: Clock,
}

impl Rig {
    pub(super) fn open(options: Options) -> Result<Self> {
        let clock = options.clock.clone();
        Ok(Self { stages: open(options, [3; 32])?, clock })
    }

    /// Decides a batch; its submissions are their own tickets.
    pub(super) fn decide(&mut self, submissions: Vec<Submission>) -> Batch<Submission> {
        let arrived = submissions.into_iter().map(|it| (it.clone(), it)).collect();
        self.stages.order.step(self.clock.now(), arrived).expect("the clock has not jumped")
    }

    /// All stages at once.
    pub(super) fn submit(&mut self, submissions: Vec<Submission>) -> Result<Vec<(Submission, Outcome)>> {
        let batch = self.decide(submissions);
        let mut answered = Vec::new();
        for part in self.stages.append.seal(batch) {
            let written = self.stages.append.append(part)?;
            answered.extend(self.stages.commit.commit(written)?);
        }
        Ok(answered)
    }
}

/// A founded log with `steps` of the workload in it, its clock, and the operator.
pub(super) fn filled(disk: &SimDisk, seed: u64, steps: usize) -> (Clock, Hands, MemberId) {
    let (clock, hands) = Clock::manual(START);
    let operator = init(disk, &clock, seed).unwrap();
    let mut rig = Rig::open(options(disk, &clock)).unwrap();
    let mut workload = Workload::new(seed, operator);
    for step in 0..steps {
        hands.pass(Duration::from_millis(7));
        let count = 1 + step % 3;
        let submissions = (0..count).map(|_| workload.next(clock.now().wall)).collect();
        rig.submit(submissions).unwrap();
    }
    rig.stages.commit.finish(true).unwrap();
    (clock, hands, operator)
}

/// Every durable entry, read by another process as it were.
pub(super) fn entries(disk: &SimDisk, directory: &Path) -> Result<Vec<Entry>> {
    let mut entries = Vec::new();
    for frame in Reader::open(shared(disk), directory)? {
        let frame = frame?;
        for (position, record) in frame.records().unwrap() {
            entries.push(crate::seal::open(&record, position).unwrap());
        }
    }
    Ok(entries)
}

/// All that views hold but the last minute's activity.
pub(super) fn content_of(views: &Views) -> Vec<u8> {
    let mut views = views.clone();
    let mut bytes = minicbor::to_vec(views.freeze()).unwrap();
    views.tables().for_each(|table| while table.slice(1 << 16, &mut bytes) {});
    bytes
}

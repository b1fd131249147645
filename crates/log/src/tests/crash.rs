//! Power cuts, kills and failing operations at every point of a log's life, and the proof that each sync in
//! the code is needed: with any one of them ignored the same suite has to notice a loss.
//!
//! A run is a list of lives. In each the log is opened, held against everything that was ever acknowledged, and
//! used until the planned blow or the goal. After the last life power goes once more and the log is checked a
//! last time. What an open log shows counts as acknowledged from then on.

use std::collections::BTreeMap;
use std::fmt;

use super::harness::{
    Snapshot, create, directory, draft_of, filled, firsts, load_snapshot, open, reader, shared, size,
    store_snapshot,
};
use crate::disk::{Effect, Fault, Plan, SimDisk, When};
use crate::part::Form;
use crate::{
    Disk as _, Error, ErrorKind, Frames, Hash, Head, Log, Options, Reader, Result, Sealing, SyncPoint,
    checkpoint,
};

const GOAL: u64 = 22;
/// Several packs to a segment.
const PACK_BYTES: usize = 12_000;
const SEEDS: std::ops::Range<u64> = 0..4;

/// Everything that somebody was told.
#[derive(Default)]
struct Told {
    frames: Vec<Hash>,
    snapshot: u64,
    checkpoint: u64,
}

enum Trouble {
    /// Something failed, which is fair if it was made to.
    Failed(Error),
    Lost(String),
}

impl From<Error> for Trouble {
    fn from(error: Error) -> Self {
        match error.kind {
            ErrorKind::Corrupt(_) => Self::Lost(error.to_string()),
            _ => Self::Failed(error),
        }
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Failed(error) => write!(formatter, "{error}"),
            Self::Lost(what) => formatter.write_str(what),
        }
    }
}

/// One life of the log, up to the goal.
fn live(disk: &SimDisk, told: &mut Told, life: u16) -> Result<(), Trouble> {
    look(disk, told)?;
    let mut log = match open(disk) {
        Ok((log, _)) => log,
        Err(error) if error.kind == ErrorKind::NotFound => create(disk)?,
        Err(error) => return Err(error.into()),
    };
    check(disk, told, &log)?;
    let mut readers = Readers::new(disk, &log)?;
    while log.next_number() < GOAL {
        // One frame on its own or two under way, in turn.
        for _ in 0..=(log.next_number() % 3).min(1) {
            let number = log.next_number();
            let bytes = size(number + u64::from(life));
            log.append(number, &draft_of(life, number, bytes))?;
        }
        log.sync()?;
        tell(told, &log)?;
        let head = log.durable();
        if (head.number + u64::from(life)) % 3 == 0 {
            seal(&log, &mut readers, told)?;
        }
        if head.number % 4 == 0 {
            let bytes = vec![head.number.to_le_bytes()[0]; 5_000];
            store_snapshot(shared(disk), directory(), &Snapshot { head, bytes })?;
            told.snapshot = head.number;
            checkpoint::store(disk, directory(), &head.number.to_string())?;
            told.checkpoint = head.number;
        }
    }
    seal(&log, &mut readers, told)
}

/// Those who read while others write and seal: one beside the log, one from outside, who begins anew at the end.
struct Readers {
    disk: SimDisk,
    inside: Frames,
    outside: Reader,
    /// Frames that the one beside the log has read.
    read: u64,
    turns: u64,
}

impl Readers {
    fn new(disk: &SimDisk, log: &Log) -> Result<Self, Trouble> {
        let (inside, outside) = (log.source().frames_from(0), reader(disk)?);
        Ok(Self { disk: disk.clone(), inside, outside, read: 0, turns: 0 })
    }

    /// Now and then each reads its next frame, which has to be the one that was told.
    fn step(&mut self, told: &Told) -> Result<(), Trouble> {
        self.turns += 1;
        if !self.turns.is_multiple_of(3) {
            return Ok(());
        }
        let number = self.outside.head().number;
        match self.outside.next_frame()? {
            Some(frame) => told.check(number, frame.hash)?,
            None => self.outside = reader(&self.disk)?,
        }
        if let Some(frame) = self.inside.next().transpose()? {
            told.check(self.read, frame.hash)?;
            self.read += 1;
        }
        Ok(())
    }
}

impl Told {
    fn check(&self, number: u64, hash: Hash) -> Result<(), Trouble> {
        let told = usize::try_from(number).ok().and_then(|number| self.frames.get(number));
        if told.is_none_or(|told| *told == hash) {
            return Ok(());
        }
        Err(Trouble::Lost(format!("a reader has seen another frame {number}")))
    }
}

/// Seals everything that is full, while others read.
fn seal(log: &Log, readers: &mut Readers, told: &Told) -> Result<(), Trouble> {
    loop {
        let mut trouble = None;
        let mut read = || {
            trouble = trouble.take().or_else(|| readers.step(told).err());
            trouble.is_some()
        };
        let sealed = log.syncer().seal_in(PACK_BYTES, &mut read);
        if let Some(trouble) = trouble {
            return Err(trouble);
        }
        match sealed? {
            Sealing::Sealed { .. } => {}
            Sealing::Nothing => return Ok(()),
            other => return Err(Trouble::Lost(format!("not sealed: {other:?}"))),
        }
    }
}

/// Notes what the open log shows.
fn tell(told: &mut Told, log: &Log) -> Result<(), Trouble> {
    for frame in log.source().frames_from(told.frames.len() as u64) {
        told.frames.push(frame?.hash);
    }
    Ok(())
}

/// A reader beside the log sees no damage, and all but the two newest frames.
fn look(disk: &SimDisk, told: &Told) -> Result<(), Trouble> {
    let mut reader = match reader(disk) {
        Ok(reader) => reader,
        Err(error) if error.kind == ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error.into()),
    };
    while reader.next_frame()?.is_some() {}
    let seen = reader.head().number + reader.tail().unwrap().frames;
    if seen < told.frames.len() as u64 {
        return Err(Trouble::Lost(format!("the reader saw {seen} of {} frames", told.frames.len())));
    }
    Ok(())
}

/// Everything told is there.
fn check(disk: &SimDisk, told: &mut Told, log: &Log) -> Result<(), Trouble> {
    let source = log.source();
    for (number, hash) in (0..).zip(&told.frames) {
        match source.frame(number)? {
            Some(frame) if frame.hash == *hash => {}
            Some(_) => return Err(Trouble::Lost(format!("frame {number} is another one"))),
            None => return Err(Trouble::Lost(format!("frame {number} of {}", told.frames.len()))),
        }
    }
    tell(told, log)?;
    let (newest, skipped) = load_snapshot(disk, directory(), &source)?;
    let newest = newest.map_or(0, |snapshot| snapshot.head.number);
    if newest < told.snapshot || !skipped.is_empty() {
        return Err(Trouble::Lost(format!(
            "snapshot {} (have {newest}, skipped {skipped:?})",
            told.snapshot
        )));
    }
    let text = checkpoint::load(disk, directory())?.unwrap_or_else(|| String::from("0"));
    match text.parse::<u64>() {
        Ok(number) if number >= told.checkpoint => Ok(()),
        Ok(_) | Err(_) => Err(Trouble::Lost(format!("checkpoint {} (have {text:?})", told.checkpoint))),
    }
}

/// Lives through the plans and says what was lost.
fn run(seed: u64, plans: [Option<Plan>; 2], ignored: Option<SyncPoint>) -> Result<(), String> {
    let disk = SimDisk::new(seed);
    if let Some(point) = ignored {
        disk.ignore(point);
    }
    let mut told = Told::default();
    for (life, plan) in (1..).zip(plans.into_iter().chain([None])) {
        if let Some(plan) = plan {
            disk.plan(plan);
        }
        let ended = live(&disk, &mut told, life);
        match ended {
            Err(Trouble::Failed(_)) if disk.is_dead() => {}
            // The process goes with its log; the machine runs on.
            Err(Trouble::Failed(_)) if matches!(plan, Some(Plan { effect: Effect::Fault(_), .. })) => {
                disk.kill();
            }
            Err(trouble) => return Err(format!("seed {seed}, life {life}, {plans:?}: {trouble}")),
            Ok(()) => disk.crash(),
        }
        disk.restart();
    }
    let last = look(&disk, &told).and_then(|()| {
        let (log, _) = open(&disk)?;
        check(&disk, &mut told, &log)
    });
    last.map_err(|trouble| format!("seed {seed}, at last, {plans:?}: {trouble}"))?;
    assert!(told.frames.len() as u64 >= GOAL, "the last life reaches the goal");
    Ok(())
}

/// All first blows: a power cut around every sync, a kill and each fault at every operation.
fn blows() -> Vec<Plan> {
    let disk = SimDisk::new(0);
    assert!(live(&disk, &mut Told::default(), 1).is_ok());
    let power = (0..disk.syncs()).flat_map(|sync| [When::BeforeSync(sync), When::AfterSync(sync)]);
    let mut blows: Vec<_> = power.map(|when| Plan { when, effect: Effect::Power }).collect();
    let faults = [Fault::NoSpace, Fault::Io, Fault::ReadOnly].map(Effect::Fault);
    for operation in 0..disk.operations() {
        let effects = [Effect::Kill, Effect::Power].into_iter().chain(faults);
        blows.extend(effects.map(|effect| Plan { when: When::Operation(operation), effect }));
    }
    blows
}

/// Second blows, early in the next life: during recovery or soon after.
const SECOND: [Option<When>; 6] = [
    None,
    Some(When::BeforeSync(0)),
    Some(When::AfterSync(0)),
    Some(When::BeforeSync(1)),
    Some(When::BeforeSync(2)),
    Some(When::BeforeSync(4)),
];

/// Runs everything, up to the first loss; the number of runs if there was none.
fn suite(ignored: Option<SyncPoint>) -> Result<usize, String> {
    let mut runs = 0;
    for seed in 0..32 {
        cut_suite(seed, ignored)?;
    }
    for seed in SEEDS {
        for (index, first) in (0..).zip(blows()) {
            let second = SECOND[(index + usize::try_from(seed).unwrap()) % SECOND.len()];
            let second = second.map(|when| Plan { when, effect: Effect::Power });
            run(seed * 1_000_003 + index as u64, [Some(first), second], ignored)?;
            runs += 1;
        }
    }
    Ok(runs)
}

/// Blocks that hold anything, in all files of the log.
fn blocks(disk: &SimDisk) -> BTreeMap<Vec<u8>, String> {
    let mut blocks = BTreeMap::new();
    for name in disk.list(directory()).unwrap() {
        if name.contains(".log") {
            let bytes = crate::whole::read(disk, &directory().join(&name)).unwrap();
            blocks.extend(bytes.chunks(4096).map(|block| (block.to_vec(), name.clone())));
        }
    }
    blocks.retain(|block, _| block.iter().any(|byte| *byte != 0));
    blocks
}

/// An explicit cut, interrupted at every sync: nothing that it removes is gone before it is set aside.
fn cut_suite(seed: u64, ignored: Option<SyncPoint>) -> Result<(), String> {
    for sync in 0..8 {
        let disk = SimDisk::new(seed);
        drop(filled(&disk, 20));
        let before = blocks(&disk);
        let first = firsts(&disk, Form::Written)[2];
        disk.tamper(&crate::segment::path_of(directory(), first), |bytes| bytes[9_000] ^= 4).unwrap();
        let damage = open(&disk).unwrap_err().as_damage().unwrap().clone();
        let cut = Options { cut_tail: Some(damage.position), ..super::harness::SMALL };
        if let Some(point) = ignored {
            disk.ignore(point);
        }
        disk.plan(Plan { when: When::AfterSync(sync), effect: Effect::Power });
        let first = Log::open(shared(&disk), directory(), cut).map(|(log, _)| log.durable());
        disk.crash();
        disk.restart();
        let head = match open(&disk) {
            Ok((log, recovery)) => {
                drop(log);
                Ok(recovery.head)
            }
            Err(_) => Log::open(shared(&disk), directory(), cut).map(|(_, recovery)| recovery.head),
        };
        let head = head.map_err(|error| format!("seed {seed}, cut, sync {sync}: {error}"))?;
        if (head.number, head.position) != (damage.frame, damage.position)
            || first.is_ok_and(|first| first != head)
        {
            return Err(format!("seed {seed}, cut, sync {sync}: the log has {} frames", head.number));
        }
        let after = blocks(&disk);
        // All but the one block that was tampered with.
        let gone = before.keys().filter(|block| !after.contains_key(*block)).count();
        if gone > 1 {
            return Err(format!("seed {seed}, cut, sync {sync}: {gone} blocks are gone"));
        }
    }
    Ok(())
}

#[test]
fn nothing_told_is_ever_lost() {
    let runs = suite(None).unwrap();
    println!("{runs} runs");
    assert!(runs > 1_000, "{runs} runs");
}

#[test]
fn every_sync_is_needed() {
    let mut needless = Vec::new();
    for point in SyncPoint::LOG {
        match suite(Some(point)) {
            Ok(runs) => needless.push((point, runs)),
            Err(loss) => println!("without {point:?}: {loss}"),
        }
    }
    assert_eq!(needless, [], "the suite notices nothing when these are ignored");
}

#[test]
fn a_failed_write_or_sync_ends_the_log() {
    for fault in [Fault::NoSpace, Fault::Io, Fault::ReadOnly] {
        // The next operations are the write of a frame and its sync.
        for operation in 0..2 {
            let disk = SimDisk::new(3);
            let mut log = filled(&disk, 4);
            let when = When::Operation(operation);
            disk.plan(Plan { when, effect: Effect::Fault(fault) });
            let failed = log.append(4, &draft_of(1, 4, 10)).and_then(|_| log.sync()).unwrap_err();
            let expected = match fault {
                Fault::NoSpace => ErrorKind::NoSpace,
                Fault::Io => ErrorKind::Io,
                Fault::ReadOnly => ErrorKind::ReadOnly,
            };
            assert_eq!(failed.kind, expected);
            let next = log.next_number();
            assert_eq!(log.append(next, &draft_of(1, next, 10)).unwrap_err().kind, ErrorKind::Poisoned);
            assert_eq!(log.sync().unwrap_err().kind, ErrorKind::Poisoned);
            assert_eq!(log.syncer().prepare().unwrap_err().kind, ErrorKind::Poisoned);
            // What was durable is still read.
            assert_eq!(log.durable().number, 4);
            assert_eq!(log.source().frames_from(0).map(Result::unwrap).count(), 4);
        }
    }
}

#[test]
fn a_full_disk_is_noticed_a_segment_ahead() {
    let disk = SimDisk::new(3);
    let mut log = filled(&disk, 2);
    disk.plan(Plan { when: When::Operation(3), effect: Effect::Fault(Fault::NoSpace) });
    assert_eq!(log.syncer().prepare().unwrap_err().kind, ErrorKind::NoSpace);
    // Nothing of the log itself was touched.
    log.append(2, &draft_of(1, 2, 10)).unwrap();
    log.sync().unwrap();
    log.syncer().prepare().unwrap();
    let before = disk.operations();
    log.syncer().prepare().unwrap();
    assert_eq!(disk.operations(), before, "ready is ready");
    drop(log);
    assert_eq!(open(&disk).unwrap().1.head.number, 3);
}

#[test]
fn a_kill_keeps_what_was_written() {
    let disk = SimDisk::new(3);
    let mut log = filled(&disk, 4);
    log.append(4, &draft_of(1, 4, 10)).unwrap();
    disk.kill();
    disk.restart();
    let (log, recovery) = open(&disk).unwrap();
    assert_eq!((recovery.head.number, recovery.torn), (5, false));
    assert_ne!(log.durable(), Head::default());
    assert_eq!(Reader::open(shared(&disk), directory()).unwrap().count(), 5);
}

//! The node's own files beside the log: its key, the note of a clock jump, the record of cuts. What is said of them stays true
//! after a power cut, and with any one of their syncs ignored these runs notice a loss.
use super::market::START;
use super::rig::{Rig, SEGMENT_BYTES, directory, filled, init, options, shared};
use crate::clock::Clock;
use crate::error::{Error, ErrorKind};
use crate::open::Options;
use crate::{backup, cut, halt};
use std::path::PathBuf;
use std::time::Duration;
use sycee_log::disk::{Effect, Plan, When};
use sycee_log::{Disk as _, SimDisk, SyncPoint, whole};

const SEEDS: std::ops::Range<u64> = 0..24;

fn power_cut(disk: &SimDisk) {
    disk.crash();
    disk.restart();
}

fn opens(options: Options, what: &str) -> Result<Rig, String> {
    Rig::open(options).map_err(|error| format!("{what}: {error}"))
}

fn ignoring(disk: &SimDisk, ignored: Option<SyncPoint>) {
    if let Some(point) = ignored {
        disk.ignore(point);
    }
}

/// A log that was founded can be opened.
fn founded(seed: u64, ignored: Option<SyncPoint>) -> Result<(), String> {
    let disk = SimDisk::new(seed);
    ignoring(&disk, ignored);
    let (clock, _) = Clock::manual(START);
    init(&disk, &clock, seed).unwrap();
    power_cut(&disk);
    opens(options(&disk, &clock), "after founding").map(|_| ())
}

/// A jump is remembered until it is accepted, and then no more.
fn jumped(seed: u64, ignored: Option<SyncPoint>) -> Result<(), String> {
    let disk = SimDisk::new(seed);
    let (clock, hands, _) = filled(&disk, seed, 2);
    ignoring(&disk, ignored);
    let mut rig = Rig::open(options(&disk, &clock)).unwrap();
    hands.set_wall(clock.now().wall.after(100_000_000_000));
    let jump = rig.stages.order.check_clock(clock.now()).unwrap_err();
    halt::write(&disk, &directory(), jump);
    drop(rig);
    power_cut(&disk);
    match Rig::open(options(&disk, &clock)).map(|_| ()) {
        Err(error) if error.to_string().contains("the clock jumped ahead: it should say") => {}
        other => return Err(format!("the jump was forgotten: {other:?}")),
    }
    drop(opens(Options { accept_clock: true, ..options(&disk, &clock) }, "accepted")?);
    power_cut(&disk);
    opens(options(&disk, &clock), "accepted before").map(|_| ())
}

/// The segment with the last frames, and the refusal once one of its bytes was changed.
fn damaged(disk: &SimDisk, clock: &Clock) -> (PathBuf, u64) {
    let names = disk.list(&directory()).unwrap();
    let last = names.into_iter().rfind(|name| name.starts_with("segment-")).unwrap();
    let path = directory().join(last);
    disk.tamper(&path, |bytes| bytes[4096 + 50] ^= 1).unwrap();
    let error = refused(options(disk, clock));
    let log = error.source.unwrap().downcast::<sycee_log::Error>().unwrap();
    (path, log.as_damage().unwrap().position)
}

fn refused(options: Options) -> Error {
    Rig::open(options).map(|_| ()).unwrap_err()
}

fn record(disk: &SimDisk) -> String {
    let path = directory().join(cut::RECORD);
    if disk.exists(&path).unwrap() {
        String::from_utf8(whole::read(disk, &path).unwrap()).unwrap()
    } else {
        String::new()
    }
}

/// What was given up is recorded, and what was signed of it is kept, whenever power goes.
fn cut_off(seed: u64, ignored: Option<SyncPoint>) -> Result<(), String> {
    let disk = SimDisk::new(seed);
    let (clock, _, _) = filled(&disk, seed, 24);
    let (_, position) = damaged(&disk, &clock);
    ignoring(&disk, ignored);
    let cutting = Options { cut_tail: Some(position), ..options(&disk, &clock) };
    drop(opens(cutting, "cut")?);
    power_cut(&disk);
    drop(opens(options(&disk, &clock), "cut before")?);
    let text = record(&disk);
    let cause = format!("position {position}: a block does not match its checksum");
    if text.lines().count() != 1 || !text.contains(&cause) || !text.contains("-checkpoint") {
        return Err(format!("the record says {text:?}"));
    }
    let kept = text.split_whitespace().filter(|word| word.starts_with("cut-"));
    let gone: Vec<&str> = kept.filter(|name| !disk.exists(&directory().join(name)).unwrap()).collect();
    if gone.is_empty() { Ok(()) } else { Err(format!("recorded and gone: {gone:?}")) }
}

/// A backup that was finished is there, with the record of what its log had lost.
fn backed_up(seed: u64, ignored: Option<SyncPoint>) -> Result<(), String> {
    let disk = SimDisk::new(seed);
    let (clock, _, _) = filled(&disk, seed, 24);
    let (_, position) = damaged(&disk, &clock);
    drop(Rig::open(Options { cut_tail: Some(position), ..options(&disk, &clock) }).unwrap());
    ignoring(&disk, ignored);
    let (disk_again, copy) = (shared(&disk), PathBuf::from("/data/copy"));
    let report = backup(&disk_again, &directory(), &copy, SEGMENT_BYTES).unwrap();
    assert!(report.sound && report.entries == position, "{report:?}");
    power_cut(&disk);
    let record =
        whole::read(&disk, &copy.join(cut::RECORD)).map_err(|error| format!("the record: {error}"))?;
    if record != whole::read(&disk, &directory().join(cut::RECORD)).unwrap() {
        return Err("the record is another".to_owned());
    }
    let copied = Options { directory: copy, ..options(&disk, &clock) };
    let rig = opens(copied, "the backup")?;
    let found = rig.stages.shared.views().state.position;
    if found == position { Ok(()) } else { Err(format!("{found} of {position} entries")) }
}

fn suite(ignored: Option<SyncPoint>) -> Result<usize, String> {
    let mut runs = 0;
    for seed in SEEDS {
        for run in [founded, jumped, cut_off, backed_up] {
            run(seed, ignored).map_err(|what| format!("seed {seed}: {what}"))?;
            runs += 1;
        }
    }
    Ok(runs)
}

#[test]
fn what_is_said_of_them_survives_a_power_cut() {
    let runs = suite(None).unwrap();
    println!("{runs} runs, seeds {SEEDS:?}");
    assert_eq!(runs, 96);
}

#[test]
fn every_sync_of_the_node_is_needed() {
    let mut needless = Vec::new();
    for point in SyncPoint::NODE {
        match suite(Some(point)) {
            Ok(runs) => needless.push((point, runs)),
            Err(loss) => println!("without {point:?}: {loss}"),
        }
    }
    assert_eq!(needless, [], "nothing is noticed when these are ignored");
}

#[test]
fn a_cut_that_power_interrupts_can_be_given_again() {
    let mut runs = 0;
    for seed in SEEDS {
        for sync in 0..12 {
            let disk = SimDisk::new(seed);
            let (clock, _, _) = filled(&disk, seed, 24);
            let (_, position) = damaged(&disk, &clock);
            let cutting = Options { cut_tail: Some(position), ..options(&disk, &clock) };
            disk.plan(Plan { when: When::BeforeSync(sync), effect: Effect::Power });
            let first = Rig::open(cutting.clone()).map(|_| ());
            disk.crash();
            disk.restart();
            let opened = Rig::open(options(&disk, &clock)).or_else(|_| Rig::open(cutting));
            let rig = opened.unwrap_or_else(|error| panic!("seed {seed}, sync {sync}: {error}"));
            let shared = &rig.stages.shared;
            assert_eq!(shared.views().state.position, position, "seed {seed}, sync {sync}");
            let text = record(&disk);
            assert!(first.is_err() || !text.is_empty());
            let mut names = disk.list(&directory()).unwrap();
            names.retain(|name| name.starts_with("cut-") && !text.contains(name.as_str()));
            assert_eq!(names, [""; 0], "seed {seed}, sync {sync}: set aside and not recorded, {text}");
            runs += 1;
        }
    }
    assert_eq!(runs, 288);
}

#[test]
fn a_key_is_not_founded_over() {
    let disk = SimDisk::new(1);
    let (clock, _, _) = filled(&disk, 1, 1);
    let again = init(&disk, &clock, 2).unwrap_err();
    assert!(again.to_string().ends_with("which has one"), "{again}");
    // The log is gone, its key is not.
    for name in disk.list(&directory()).unwrap() {
        if name.starts_with("segment-") {
            disk.remove(&directory().join(name)).unwrap();
        }
    }
    let before = whole::read(&disk, &directory().join(crate::key::FILE)).unwrap();
    let error = init(&disk, &clock, 2).unwrap_err();
    assert_eq!(error.kind, ErrorKind::Log, "{error}");
    assert_eq!(whole::read(&disk, &directory().join(crate::key::FILE)).unwrap(), before);
}

#[test]
fn founding_what_cannot_be_founded_leaves_nothing() {
    let disk = SimDisk::new(1);
    let (clock, _) = Clock::manual(START);
    let bad = crate::Founding { assets: Vec::new(), ..super::rig::founding() };
    let error = crate::init(&shared(&disk), &directory(), &clock, bad).unwrap_err();
    assert_eq!(error.to_string(), "failed to found the log (genesis.bad_assets)");
    assert!(!disk.exists(&directory()).unwrap());
}

#[test]
fn a_restart_over_a_jump_names_the_way_out() {
    let disk = SimDisk::new(1);
    let (clock, hands, _) = filled(&disk, 1, 2);
    let mut rig = Rig::open(options(&disk, &clock)).unwrap();
    hands.pass(Duration::from_secs(5));
    hands.set_wall(clock.now().wall.after(61_000_000_000));
    let jump = rig.stages.order.check_clock(clock.now()).unwrap_err();
    let said = halt::write(&disk, &directory(), jump);
    drop(rig);
    let error = refused(options(&disk, &clock));
    assert_eq!(error.to_string(), format!("failed to start, since when it last ran {said}"));
    assert!(error.hint().unwrap().contains("--accept-clock"));
}

#[test]
fn a_checkpoint_is_signed_every_second_in_which_something_was_written() {
    let disk = SimDisk::new(1);
    let (clock, hands, operator) = filled(&disk, 1, 8);
    let mut rig = Rig::open(options(&disk, &clock)).unwrap();
    let size = |rig: &Rig| rig.stages.shared.checkpoint.read().unwrap().size;
    let before = size(&rig);
    let write = |rig: &mut Rig| {
        let command = super::market::deposit(super::market::CONSUMER, 1);
        rig.submit(vec![super::market::by(operator, command)]).unwrap();
        rig.stages.commit.upkeep().unwrap();
    };
    hands.pass(Duration::from_millis(900));
    write(&mut rig);
    assert_eq!(size(&rig), before);
    hands.pass(Duration::from_millis(100));
    write(&mut rig);
    assert_eq!(size(&rig), before + 2);
    let text = crate::checkpoint::load(&disk, &directory()).unwrap().unwrap();
    assert_eq!(text.lines().nth(1), Some((before + 2).to_string().as_str()));
    hands.pass(Duration::from_secs(10));
    rig.stages.commit.upkeep().unwrap();
    assert_eq!(
        crate::checkpoint::load(&disk, &directory()).unwrap(),
        Some(text),
        "nothing new, nothing signed"
    );
}

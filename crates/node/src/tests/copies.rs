//! Copies of a log: whole, or refused by everybody.
use super::rig::{Rig, SEGMENT_BYTES, directory, filled, options, shared};
use crate::clock::Clock;
use crate::error::ErrorKind;
use crate::open::Options;
use crate::{Error, backup, restore, verify};
use std::path::{Path, PathBuf};
use sycee_log::disk::{Effect, Plan, When};
use sycee_log::{Disk as _, SimDisk};

const STEPS: usize = 24;

/// Two directories below one that is there, so that a power cut may forget any of them.
fn copy() -> PathBuf {
    PathBuf::from("/data/kept/copy")
}

fn start(disk: &SimDisk, clock: &Clock, directory: &Path) -> crate::Result<Rig> {
    Rig::open(Options { directory: directory.to_owned(), ..options(disk, clock) })
}

/// After a restore that something broke off: all of it is there, or nobody takes what there is for a log.
fn check_whole_or_refused(disk: &SimDisk, clock: &Clock, entries: u64) -> bool {
    let verified = verify(&shared(disk), &copy(), None);
    let started = start(disk, clock, &copy()).map(|rig| rig.stages.shared.views().state.position);
    if let Ok(report) = &verified {
        // The mark of what is durable may lag after a power cut; opening the log settles it.
        let all = report.entries == entries || report.not_yet_durable > 0;
        assert!(report.sound && all, "half a log passes for one: {report:?}");
        assert_eq!(started.unwrap(), entries);
        return true;
    }
    let (verified, started) = (verified.unwrap_err(), started.unwrap_err());
    match verified.kind {
        ErrorKind::Unfinished => assert_eq!(started.kind, ErrorKind::Unfinished, "{started}"),
        // Nothing of it, or nothing but the directory.
        ErrorKind::NoLog => assert_eq!(started.kind, ErrorKind::Log, "{started}"),
        other => panic!("{other:?}: {verified}"),
    }
    assert!(verified.hint().is_some() && started.hint().is_some(), "{verified}; {started}");
    assert!(verified.to_string().contains("/data/kept/copy"), "{verified}");
    false
}

fn restored(disk: &SimDisk) -> crate::Result<crate::Report> {
    restore(&shared(disk), &directory(), &copy(), SEGMENT_BYTES)
}

/// How many entries there are, and how many operations and syncs a restore of them takes.
fn measured() -> (u64, u64, u64) {
    let disk = SimDisk::new(1);
    filled(&disk, 1, STEPS);
    disk.plan(Plan { when: When::Operation(u64::MAX), effect: Effect::Kill });
    let report = restored(&disk).unwrap();
    assert!(report.sound, "{report:?}");
    (report.entries, disk.operations(), disk.syncs())
}

fn break_off(seed: u64, plan: Plan) -> (SimDisk, Clock) {
    let disk = SimDisk::new(seed);
    let (clock, _, _) = filled(&disk, 1, STEPS);
    disk.plan(plan);
    drop(restored(&disk));
    disk.restart();
    (disk, clock)
}

#[test]
fn a_restore_that_was_killed_anywhere_is_refused_or_whole() {
    let (entries, operations, _) = measured();
    let mut whole = 0;
    for operation in 0..operations {
        let plan = Plan { when: When::Operation(operation), effect: Effect::Kill };
        let (disk, clock) = break_off(1, plan);
        whole += u64::from(check_whole_or_refused(&disk, &clock, entries));
    }
    println!("{operations} kills, {whole} after the end");
    assert!(operations > 100 && whole > 0 && whole < operations, "{whole} of {operations}");
}

#[test]
fn a_restore_that_power_interrupts_is_refused_or_whole() {
    let (entries, _, syncs) = measured();
    let (mut whole, mut refused) = (0, 0);
    for seed in 0..8 {
        for sync in 0..syncs {
            for when in [When::BeforeSync(sync), When::AfterSync(sync)] {
                let (disk, clock) = break_off(seed, Plan { when, effect: Effect::Power });
                if check_whole_or_refused(&disk, &clock, entries) { whole += 1 } else { refused += 1 }
            }
        }
    }
    println!("{refused} refused, {whole} whole");
    assert!(refused > 100 && whole > 0, "{refused} refused, {whole} whole");
}

#[test]
fn a_copy_that_was_broken_off_is_no_target_and_no_source_and_no_place_for_a_new_log() {
    let (disk, clock) = break_off(1, Plan { when: When::AfterSync(8), effect: Effect::Kill });
    let there = disk.list(&copy()).unwrap();
    assert!(there.iter().any(|name| name == backup::UNFINISHED), "{there:?}");
    let (disk_again, elsewhere) = (shared(&disk), PathBuf::from("/data/elsewhere"));
    let founding = super::rig::founding();
    let refused: [Error; 3] = [
        restored(&disk).unwrap_err(),
        backup(&disk_again, &copy(), &elsewhere, SEGMENT_BYTES).unwrap_err(),
        crate::init(&disk_again, &copy(), &clock, founding).unwrap_err(),
    ];
    for error in refused {
        assert_eq!(error.kind, ErrorKind::Unfinished, "{error}");
        assert!(error.hint().unwrap().contains("remove that directory and copy again"));
    }
    assert_eq!(disk.list(&copy()).unwrap(), there);
    assert!(!disk.exists(&elsewhere).unwrap());
}

#[test]
fn nothing_is_written_where_something_is() {
    for name in ["notes.txt", "segment-00000000000000000000.log", "signing.key"] {
        let disk = SimDisk::new(1);
        filled(&disk, 1, STEPS);
        let occupied = PathBuf::from("/data/occupied");
        disk.create_directory(&occupied).unwrap();
        for copying in [backup, restore] {
            // An empty one will do.
            disk.create(&occupied.join(name)).unwrap();
            let error = copying(&shared(&disk), &directory(), &occupied, SEGMENT_BYTES).unwrap_err();
            assert_eq!(error.kind, ErrorKind::Occupied, "{error}");
            assert!(
                error.to_string().contains("/data/occupied") && error.to_string().contains(name),
                "{error}"
            );
            assert!(error.hint().unwrap().contains("new or empty"));
            assert_eq!(disk.list(&occupied).unwrap(), [name]);
            disk.remove(&occupied.join(name)).unwrap();
        }
        let report = restore(&shared(&disk), &directory(), &occupied, SEGMENT_BYTES).unwrap();
        assert!(report.sound, "{report:?}");
    }
}

#[test]
fn a_key_that_cannot_be_read_is_told_before_anything_is_written() {
    let disk = SimDisk::new(1);
    filled(&disk, 1, STEPS);
    disk.remove(&directory().join(crate::key::FILE)).unwrap();
    let error = restored(&disk).unwrap_err();
    assert_eq!(error.kind, ErrorKind::Key, "{error}");
    assert!(!disk.exists(&copy()).unwrap());
}

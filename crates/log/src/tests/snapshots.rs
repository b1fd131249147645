//! Snapshots beside a log: the newest that is sound and of this log counts.

use super::harness::{Snapshot, append, directory, filled, load_snapshot, shared, store_snapshot};
use crate::disk::{Disk as _, Effect, Fault, Plan, When};
use crate::snapshot::{SkipCause, Skipped};
use crate::{Head, Log, SimDisk};

fn store(disk: &SimDisk, log: &mut Log) -> Snapshot {
    append(log).unwrap();
    let head = log.sync().unwrap();
    let snapshot = Snapshot { head, bytes: vec![7; 10_000 + usize::try_from(head.number).unwrap()] };
    store_snapshot(shared(disk), directory(), &snapshot).unwrap();
    snapshot
}

fn files(disk: &SimDisk) -> Vec<String> {
    let names = disk.list(directory()).unwrap();
    names.into_iter().filter(|name| name.starts_with("snapshot")).collect()
}

fn name(number: u64) -> String {
    format!("snapshot-{number:020}.bin")
}

#[test]
fn two_are_kept_and_the_newest_is_loaded() {
    let disk = SimDisk::new(1);
    let mut log = filled(&disk, 0);
    assert_eq!(load_snapshot(&disk, directory(), &log.source()).unwrap(), (None, vec![]));
    for number in 1..5 {
        let stored = store(&disk, &mut log);
        let loaded = load_snapshot(&disk, directory(), &log.source()).unwrap();
        assert_eq!(loaded, (Some(stored), vec![]));
        let kept: Vec<_> = (number.max(2) - 1..=number).map(name).collect();
        assert_eq!(files(&disk), kept);
    }
}

#[test]
fn a_snapshot_with_a_flipped_bit_is_passed_over() {
    let disk = SimDisk::new(1);
    let mut log = filled(&disk, 0);
    let before = store(&disk, &mut log);
    store(&disk, &mut log);
    let path = directory().join(name(2));
    let sound = disk.content(&path).unwrap();
    for byte in 0..sound.len() {
        disk.tamper(&path, |bytes| bytes[byte] ^= 1 << (byte % 8)).unwrap();
        let (loaded, skipped) = load_snapshot(&disk, directory(), &log.source()).unwrap();
        assert_eq!(skipped, [Skipped { file: name(2), cause: SkipCause::Damaged }], "byte {byte}");
        assert_eq!(loaded.as_ref(), Some(&before));
        disk.tamper(&path, |bytes| bytes[byte] ^= 1 << (byte % 8)).unwrap();
    }
    for length in (0..sound.len()).step_by(97) {
        disk.tamper(&path, |bytes| bytes.truncate(length)).unwrap();
        let (loaded, _) = load_snapshot(&disk, directory(), &log.source()).unwrap();
        assert_eq!(loaded.as_ref(), Some(&before), "{length} bytes");
        disk.tamper(&path, |bytes| bytes.clone_from(&sound)).unwrap();
    }
}

#[test]
fn a_snapshot_that_cannot_be_read_is_passed_over() {
    let disk = SimDisk::new(1);
    let mut log = filled(&disk, 0);
    let before = store(&disk, &mut log);
    let newest = store(&disk, &mut log);
    // Opening it, and reading it.
    for operation in 0..2 {
        disk.plan(Plan { when: When::Operation(operation), effect: Effect::Fault(Fault::Io) });
        let (loaded, skipped) = load_snapshot(&disk, directory(), &log.source()).unwrap();
        assert_eq!(loaded.as_ref(), Some(&before), "operation {operation}");
        let [skipped] = &skipped[..] else { unreachable!("{skipped:?}") };
        assert_eq!(
            skipped.to_string(),
            format!("{} cannot be read: Input/output error (os error 5)", name(2))
        );
        let (loaded, skipped) = load_snapshot(&disk, directory(), &log.source()).unwrap();
        assert_eq!((loaded.as_ref(), skipped), (Some(&newest), vec![]), "the disk has recovered");
    }
}

#[test]
fn a_snapshot_of_another_log_is_passed_over_and_replaced() {
    let disk = SimDisk::new(1);
    let mut log = filled(&disk, 3);
    let strange =
        |number| Snapshot { head: Head { number, position: 2 * number, hash: [1; 32] }, bytes: vec![] };
    for number in [3, 9] {
        store_snapshot(shared(&disk), directory(), &strange(number)).unwrap();
    }
    let (loaded, skipped) = load_snapshot(&disk, directory(), &log.source()).unwrap();
    assert_eq!(loaded, None);
    let skip = |number| Skipped { file: name(number), cause: SkipCause::NotOfThisLog };
    assert_eq!(skipped, [skip(9), skip(3)]);
    assert_eq!(skipped[0].to_string(), format!("{} does not belong to this log", name(9)));
    // What is stored next is the newest, whatever the strange ones are called.
    let stored = store(&disk, &mut log);
    assert_eq!(files(&disk), [name(3), name(4)]);
    let (loaded, _) = load_snapshot(&disk, directory(), &log.source()).unwrap();
    assert_eq!(loaded, Some(stored));
}

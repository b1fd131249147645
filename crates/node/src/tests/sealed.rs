//! Sealed segments under a node: read, verified, copied, cut and refused like those that were never sealed.
use super::damage::check_refused;
use super::market::{CONSUMER, OFFERS, authorise, by, deposit, market, request, settle};
use super::rig::{Rig, SEGMENT_BYTES, content_of, directory, entries, filled, founding, options, shared};
use super::scratch::{Scratch, real_disk};
use super::workload::{Dice, Workload};
use crate::clock::Clock;
use crate::open::Options;
use crate::{Closed, Node, backup, cut, restore, start, verify};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use sycee_core::Outcome;
use sycee_core::ids::{MemberId, RequestId};
use sycee_log::{Disk, RealDisk, Sealing, SimDisk};

const STEPS: usize = 40;
const WAIT: Duration = Duration::from_secs(20);

fn names(disk: &dyn Disk, directory: &Path, prefix: &str) -> Vec<String> {
    let names = disk.list(directory).unwrap();
    names.into_iter().filter(|name| name.starts_with(prefix)).collect()
}

/// Seals whatever is full in a node that is stepped.
fn seal(rig: &Rig) -> usize {
    let syncer = rig.stages.append.syncer();
    std::iter::repeat_with(|| syncer.seal(&mut || false).unwrap())
        .take_while(|sealing| *sealing != Sealing::Nothing)
        .filter(|sealing| matches!(sealing, Sealing::Sealed { .. }))
        .count()
}

/// A log of which all that is full is sealed.
fn sealed(disk: &SimDisk, seed: u64) -> (Clock, MemberId) {
    let (clock, _, operator) = filled(disk, seed, STEPS);
    let rig = Rig::open(options(disk, &clock)).unwrap();
    assert!(seal(&rig) >= 3);
    drop(rig);
    // What was removed is gone for good once the log has been opened.
    drop(Rig::open(options(disk, &clock)).unwrap());
    (clock, operator)
}

#[test]
fn sealing_changes_nothing_that_anybody_sees() {
    let (disk, other) = (SimDisk::new(1), SimDisk::new(1));
    let (clock, _) = sealed(&disk, 1);
    let (plain, _, _) = filled(&other, 1, STEPS);
    assert_eq!(entries(&disk, &directory()).unwrap(), entries(&other, &directory()).unwrap());
    let report = |disk: &SimDisk| verify(&shared(disk), &directory(), None).unwrap();
    let (found, expected) = (report(&disk), report(&other));
    assert!(found.sound && expected.sound, "{found:?}");
    assert_eq!((found.root, found.state_hash), (expected.root, expected.state_hash));
    for snapshot in names(&disk, &directory(), "snapshot-") {
        disk.remove(&directory().join(snapshot)).unwrap();
    }
    let folded = |disk: &SimDisk, clock: &Clock| {
        let rig = Rig::open(options(disk, clock)).unwrap();
        content_of(&rig.stages.shared.views())
    };
    assert_eq!(folded(&disk, &clock), folded(&other, &plain), "with a snapshot or from the first entry");
}

#[test]
fn a_flipped_bit_in_a_sealed_segment_is_refused_at_a_start_and_by_verify() {
    let disk = SimDisk::new(1);
    let (clock, _) = sealed(&disk, 1);
    let mut dice = Dice::new(1);
    let sealed = names(&disk, &directory(), "sealed-");
    for name in &sealed {
        let path = directory().join(name);
        let length = disk.content(&path).unwrap().len() as u64;
        for _ in 0..30 {
            let byte = usize::try_from(dice.roll(length)).unwrap();
            disk.tamper(&path, |bytes| bytes[byte] ^= 1 << (byte % 8)).unwrap();
            check_refused(&disk, &clock, &format!("corrupt: {name} at byte "));
            disk.tamper(&path, |bytes| bytes[byte] ^= 1 << (byte % 8)).unwrap();
        }
        let whole = disk.content(&path).unwrap();
        disk.tamper(&path, |bytes| bytes.truncate(bytes.len() / 2)).unwrap();
        check_refused(&disk, &clock, &format!("the segment has {} bytes", whole.len() / 2));
        disk.tamper(&path, |bytes| *bytes = whole).unwrap();
    }
    drop(Rig::open(options(&disk, &clock)).unwrap());
}

#[test]
fn a_log_without_its_newest_segment_is_still_one_and_refused() {
    let disk = SimDisk::new(1);
    let (clock, _) = sealed(&disk, 1);
    for name in names(&disk, &directory(), "segment-") {
        disk.remove(&directory().join(name)).unwrap();
    }
    check_refused(&disk, &clock, "the segment is missing");
}

#[test]
fn the_tail_can_be_cut_in_a_sealed_segment() {
    let disk = SimDisk::new(1);
    let (clock, _) = sealed(&disk, 1);
    let whole = entries(&disk, &directory()).unwrap();
    let name = names(&disk, &directory(), "sealed-").remove(1);
    disk.tamper(&directory().join(&name), |bytes| bytes[200] ^= 1).unwrap();
    let error = Rig::open(options(&disk, &clock)).map(|_| ()).unwrap_err();
    let log = error.source.unwrap().downcast::<sycee_log::Error>().unwrap();
    let position = log.as_damage().unwrap().position;
    assert!(position > 0 && position < whole.len() as u64);
    drop(Rig::open(Options { cut_tail: Some(position), ..options(&disk, &clock) }).unwrap());
    assert_eq!(entries(&disk, &directory()).unwrap(), whole[..usize::try_from(position).unwrap()]);
    let record = String::from_utf8(disk.content(&directory().join(cut::RECORD)).unwrap()).unwrap();
    let kept = format!("cut-{position}-1-{name}");
    assert!(record.contains("a pack does not match its checksum") && record.contains(&kept), "{record}");
    assert!(disk.exists(&directory().join(kept)).unwrap());
    assert!(verify(&shared(&disk), &directory(), None).unwrap().sound);
}

#[test]
fn copies_are_sealed_as_they_are_made() {
    let disk = SimDisk::new(1);
    let (clock, _) = sealed(&disk, 1);
    let (kept, again) = (PathBuf::from("/data/kept"), PathBuf::from("/data/again"));
    let report = backup(&shared(&disk), &directory(), &kept, SEGMENT_BYTES).unwrap();
    assert!(report.sound, "{report:?}");
    assert!(restore(&shared(&disk), &kept, &again, SEGMENT_BYTES).unwrap().sound);
    for copy in [kept, again] {
        assert_eq!(entries(&disk, &copy).unwrap(), entries(&disk, &directory()).unwrap());
        assert_eq!(names(&disk, &copy, "sealed-"), names(&disk, &directory(), "sealed-"));
        drop(Rig::open(Options { directory: copy, ..options(&disk, &clock) }).unwrap());
    }
}

/// A node on a disk of the machine, with segments that fill up quickly.
fn running(scratch: &Scratch) -> (Node, MemberId) {
    let segment_bytes = 1 << 18;
    let founding = crate::Founding { segment_bytes, ..founding() };
    let operator = crate::init(&real_disk(), &scratch.path, &Clock::system(), founding).unwrap();
    let node = start(Options { segment_bytes, ..Options::new(&scratch.path) }).unwrap();
    for submission in market(operator) {
        applied(&node, submission);
    }
    (node, operator)
}

fn applied(node: &Node, submission: sycee_core::entry::Submission) {
    let outcome = node.handle().submit_blocking(submission).unwrap();
    assert!(matches!(outcome, Outcome::Applied { .. }), "{outcome:?}");
}

/// A request that is paid.
fn ask(node: &Node, index: u64) -> RequestId {
    let now = node.handle().now();
    let request = request(now, index);
    applied(node, authorise(request, 20));
    applied(node, settle(request, OFFERS[0], 7, now));
    request
}

fn until_sealed(directory: &Path) {
    let deadline = Instant::now() + WAIT;
    while names(&RealDisk, directory, "segment-").len() > 2 {
        assert!(Instant::now() < deadline, "waited too long");
        std::thread::yield_now();
    }
}

#[test]
fn a_running_node_seals_what_is_full_and_shows_what_it_holds() {
    let scratch = Scratch::new("sealed");
    let (node, operator) = running(&scratch);
    let mut requests = Vec::new();
    let disk = real_disk();
    while names(&RealDisk, &scratch.path, "sealed-").len() < 4 {
        requests.push(ask(&node, requests.len() as u64));
        assert!(requests.len() < 2_000, "it does not seal");
    }
    // Others copy and verify while it goes on.
    let copies = Scratch::new("sealed-copies");
    std::thread::scope(|scope| {
        let busy = scope.spawn(|| (10_000..10_300).map(|index| ask(&node, index)).collect::<Vec<_>>());
        let mut round = 0;
        while round < 3 || !busy.is_finished() {
            let told = node.handle().status().durable;
            let copy = copies.path.join(round.to_string());
            let copied = backup(&disk, &scratch.path, &copy, 1 << 18).unwrap();
            let found = verify(&disk, &scratch.path, None).unwrap();
            assert!(copied.sound && found.sound, "{copied:?} {found:?}");
            assert!(copied.entries >= told && found.entries >= copied.entries);
            assert!(names(&RealDisk, &copy, "sealed-").len() >= 4);
            round += 1;
        }
    });
    let report = verify(&disk, &scratch.path, None).unwrap();
    assert!(report.sound, "{report:?}");
    until_sealed(&scratch.path);
    let closed = |node: &Node| {
        let receipts = requests.iter().map(|request| node.handle().receipt(*request).unwrap().unwrap());
        assert!(receipts.into_iter().all(|receipt| matches!(receipt.closed, Closed::Settled { .. })));
    };
    closed(&node);
    applied(&node, by(operator, deposit(CONSUMER, 1)));
    node.stop().unwrap();
    let node = start(Options::new(&scratch.path)).unwrap();
    closed(&node);
    node.stop().unwrap();
    let after = verify(&disk, &scratch.path, None).unwrap();
    assert!(after.sound && after.entries > report.entries, "{after:?}");
}

#[test]
fn a_node_that_stops_while_it_seals_has_lost_nothing() {
    let scratch = Scratch::new("stops");
    let (node, _) = running(&scratch);
    for index in 0..480 {
        ask(&node, index);
    }
    let position = node.handle().status().durable;
    // Whatever the sealing thread is doing now.
    node.stop().unwrap();
    assert!(!RealDisk.exists(&scratch.path.join("sealing.log")).unwrap(), "nothing half-made is left");
    let report = verify(&real_disk(), &scratch.path, None).unwrap();
    assert!(report.sound && report.entries >= position, "{report:?}");
    let node = start(Options::new(&scratch.path)).unwrap();
    until_sealed(&scratch.path);
    node.stop().unwrap();
}

#[cfg(target_os = "linux")]
#[test]
fn sealing_gives_way_to_everything_else() {
    let scratch = Scratch::new("nice");
    let (node, _) = running(&scratch);
    let niceness = |name: &str| {
        let tasks = std::fs::read_dir("/proc/self/task").unwrap();
        tasks.filter_map(|task| std::fs::read_to_string(task.ok()?.path().join("stat")).ok()).find_map(
            |stat| {
                // Field 19 of proc(5); the name, in parentheses, is the second and may hold spaces.
                let (before, after) = stat.rsplit_once(") ")?;
                let niceness = after.split(' ').nth(16)?.parse::<i32>().ok()?;
                before.ends_with(&format!("({name}")).then_some(niceness)
            },
        )
    };
    let deadline = Instant::now() + WAIT;
    while niceness("seal") != Some(19) {
        assert!(Instant::now() < deadline, "{:?}", niceness("seal"));
        std::thread::yield_now();
    }
    assert_eq!(niceness("append"), niceness("commit"));
    assert!(niceness("append") < Some(19));
    node.stop().unwrap();
}

#[test]
fn a_workload_goes_on_over_sealed_segments() {
    let disk = SimDisk::new(1);
    let (clock, operator) = sealed(&disk, 1);
    let mut rig = Rig::open(options(&disk, &clock)).unwrap();
    let mut workload = Workload::new(5, operator);
    for _ in 0..60 {
        rig.submit(vec![workload.next(clock.now().wall)]).unwrap();
        seal(&rig);
    }
    drop(rig);
    assert!(verify(&shared(&disk), &directory(), None).unwrap().sound);
}

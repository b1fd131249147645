//! Logs that were damaged, shortened or exchanged: refused with a reason, or harmless.
use super::rig::{Rig, content_of, directory, entries, filled, init, kept, options, shared};
use super::workload::{Dice, Workload};
use crate::clock::Clock;
use crate::error::{Error, ErrorKind};
use crate::open::Options;
use crate::{checkpoint, key, snapshot, verify};
use std::path::Path;
use std::time::Duration;
use sycee_log::disk::{Effect, Fault, Plan, When};
use sycee_log::snapshot::Writer;
use sycee_log::{Disk as _, Frontier, Log, SimDisk, whole};

const STEPS: usize = 30;

fn segments(disk: &SimDisk) -> Vec<String> {
    let names = disk.list(&directory()).unwrap();
    names.into_iter().filter(|name| name.starts_with("segment-")).collect()
}

fn refused(disk: &SimDisk, clock: &Clock) -> Error {
    Rig::open(options(disk, clock)).map(|_| ()).unwrap_err()
}

/// Start and verify both refuse it, with the same cause, and the log is not touched.
pub(super) fn check_refused(disk: &SimDisk, clock: &Clock, expected: &str) {
    let error = refused(disk, clock);
    let text = error.to_string();
    assert!(text.contains(expected), "{text}");
    assert!(error.hint().is_some(), "{text}");
    let report = verify(&shared(disk), &directory(), None).unwrap();
    assert!(
        !report.sound && report.cause.as_ref().is_some_and(|cause| cause.contains(expected)),
        "{report:?}"
    );
    assert!(report.assets.iter().all(|asset| asset.sum == "0"), "the sound part still sums to zero");
}

#[test]
fn a_flipped_bit_anywhere_is_refused() {
    let disk = SimDisk::new(1);
    let (clock, _, _) = filled(&disk, 1, STEPS);
    let whole_log = entries(&disk, &directory()).unwrap();
    let segments = segments(&disk);
    assert!(segments.len() >= 3, "{segments:?}");
    let mut dice = Dice::new(1);
    let mut flipped = 0;
    for segment in &segments {
        let path = directory().join(segment);
        let content = disk.content(&path).unwrap();
        for _ in 0..80 {
            let byte = usize::try_from(dice.roll(content.len() as u64)).unwrap();
            disk.tamper(&path, |bytes| bytes[byte] ^= 1 << (byte % 8)).unwrap();
            // Where nothing was written yet a reader waits a while, as it might be just now.
            let unwritten = content[byte / 4096 * 4096..][..4096].iter().all(|byte| *byte == 0);
            if unwritten && flipped % 40 > 0 {
                let error = refused(&disk, &clock).to_string();
                assert!(error.contains("corrupt") && error.contains("position "), "{error}");
            } else {
                check_refused(&disk, &clock, "position ");
            }
            disk.tamper(&path, |bytes| bytes[byte] ^= 1 << (byte % 8)).unwrap();
            flipped += 1;
        }
    }
    assert!(flipped >= 240, "{flipped}");
    drop(Rig::open(options(&disk, &clock)).unwrap());
    assert_eq!(entries(&disk, &directory()).unwrap(), whole_log);
}

#[test]
fn every_byte_of_the_last_frame_counts() {
    let disk = SimDisk::new(1);
    let (clock, _, _) = filled(&disk, 1, STEPS);
    let path = directory().join(segments(&disk).pop().unwrap());
    let content = disk.content(&path).unwrap();
    let blocks = content.chunks(4096);
    let last = blocks.clone().rposition(|block| block.iter().any(|byte| *byte != 0)).unwrap();
    for byte in (last * 4096..(last + 1) * 4096).step_by(17) {
        disk.tamper(&path, |bytes| bytes[byte] ^= 0x40).unwrap();
        check_refused(&disk, &clock, "corrupt");
        disk.tamper(&path, |bytes| bytes[byte] ^= 0x40).unwrap();
    }
}

#[test]
fn a_truncated_or_missing_segment_is_refused() {
    for (index, length) in [(0, 5_000), (1, 0), (2, 4_096), (2, 20_001)] {
        let disk = SimDisk::new(1);
        let (clock, _, _) = filled(&disk, 1, STEPS);
        let path = directory().join(&segments(&disk)[index]);
        disk.tamper(&path, |bytes| bytes.truncate(length)).unwrap();
        check_refused(&disk, &clock, &format!("the segment has {length} bytes"));
        disk.remove(&path).unwrap();
        let error = refused(&disk, &clock);
        assert!(error.to_string().contains("corrupt") || error.kind == ErrorKind::Log, "{error}");
    }
}

/// A log, and the same log some entries earlier: as if an old copy had been put in its place.
fn rolled_back() -> (SimDisk, Clock, Vec<u8>, u64) {
    let disk = SimDisk::new(1);
    let (clock, hands, operator) = filled(&disk, 1, STEPS);
    let position = entries(&disk, &directory()).unwrap().len() as u64;
    let files: Vec<(String, Vec<u8>)> = disk
        .list(&directory())
        .unwrap()
        .into_iter()
        .map(|name| (name.clone(), whole::read(&disk, &directory().join(name)).unwrap()))
        .collect();
    let mut rig = Rig::open(options(&disk, &clock)).unwrap();
    let mut workload = Workload::new(9, operator);
    for _ in 0..20 {
        hands.pass(Duration::from_secs(1));
        rig.submit(vec![workload.next(clock.now().wall)]).unwrap();
    }
    rig.stages.commit.finish(true).unwrap();
    drop(rig);
    let newest = whole::read(&disk, &directory().join(checkpoint::FILE)).unwrap();
    for name in disk.list(&directory()).unwrap() {
        disk.remove(&directory().join(name)).unwrap();
    }
    for (name, bytes) in files {
        if !disk.exists(&directory().join(&name)).unwrap() {
            disk.create(&directory().join(name)).unwrap().write_at(&bytes, 0).unwrap();
        }
    }
    (disk, clock, newest, position)
}

#[test]
fn a_log_that_was_rolled_back_is_refused() {
    let (disk, clock, newest, position) = rolled_back();
    // With nothing but itself it passes for a whole one: that is what checkpoints elsewhere are for.
    assert!(verify(&shared(&disk), &directory(), None).unwrap().sound);
    let text = String::from_utf8(newest.clone()).unwrap();
    let report = verify(&shared(&disk), &directory(), Some(kept(&text))).unwrap();
    let cause = report.cause.unwrap();
    assert!(cause.starts_with("rolled back: kept/checkpoint has "), "{cause}");
    // Its own checkpoint has stayed.
    disk.tamper(&directory().join(checkpoint::FILE), |bytes| *bytes = newest).unwrap();
    let error = refused(&disk, &clock);
    assert_eq!(error.kind, ErrorKind::RolledBack);
    assert!(error.to_string().contains(&format!("it ends at position {position}")), "{error}");
    assert!(error.hint().unwrap().contains("--cut-tail"));
    let report = verify(&shared(&disk), &directory(), None).unwrap();
    assert!(report.cause.unwrap().starts_with("rolled back: the checkpoint beside the log has "));

    for wrong in [position - 1, position + 1] {
        let cutting = Options { cut_tail: Some(wrong), ..options(&disk, &clock) };
        assert!(Rig::open(cutting).is_err());
    }
    drop(Rig::open(Options { cut_tail: Some(position), ..options(&disk, &clock) }).unwrap());
    drop(Rig::open(options(&disk, &clock)).unwrap());
    let record = disk.content(&directory().join(crate::cut::RECORD)).unwrap();
    let record = String::from_utf8(record).unwrap();
    assert!(record.contains(&format!("cut-{position}-1-checkpoint")), "{record}");
    let sound = Rig::open(Options { cut_tail: Some(position), ..options(&disk, &clock) });
    assert!(sound.map(|_| ()).unwrap_err().to_string().contains("nothing is missing"));
}

#[test]
fn another_history_of_the_same_log_is_refused() {
    let (disk, clock, _, _) = rolled_back();
    // Signed with the right key, but of other entries.
    let mut rig = Rig::open(options(&disk, &clock)).unwrap();
    let mut other = Frontier::new();
    (0..rig.stages.commit.tree.size()).for_each(|_| other.push([5; 32]));
    rig.stages.commit.tree = other;
    rig.stages.shared.checkpoint.write().unwrap().size = 0;
    rig.stages.commit.sign().unwrap();
    drop(rig);
    for name in disk.list(&directory()).unwrap() {
        // A snapshot would spare the node the look at where the checkpoint was signed.
        if name.starts_with("snapshot-") {
            disk.remove(&directory().join(name)).unwrap();
        }
    }
    let error = refused(&disk, &clock);
    assert_eq!(error.kind, ErrorKind::Unsound);
    assert!(error.to_string().contains("not the history that its own checkpoint signed"), "{error}");
    let report = verify(&shared(&disk), &directory(), None).unwrap();
    assert!(report.cause.unwrap().starts_with("another history: the first "));
}

#[test]
fn a_damaged_checkpoint_is_refused_by_name_and_an_absent_one_costs_nothing() {
    let disk = SimDisk::new(1);
    let (clock, _, _) = filled(&disk, 1, STEPS);
    let whole_log = entries(&disk, &directory()).unwrap().len() as u64;
    let path = directory().join(checkpoint::FILE);
    let length = disk.content(&path).unwrap().len();
    for byte in (0..length).step_by(3) {
        disk.tamper(&path, |bytes| bytes[byte] ^= 0x81).unwrap();
        let report = verify(&shared(&disk), &directory(), None).unwrap();
        let cause = report.cause.unwrap();
        assert!(
            cause.starts_with("the checkpoint beside the log is no checkpoint of this log (line "),
            "{cause}"
        );
        assert_eq!(report.entries, whole_log, "the entries are sound all the same");
        let error = refused(&disk, &clock);
        assert_eq!(error.kind, ErrorKind::Checkpoint, "byte {byte}: {error}");
        assert!(error.to_string().contains("failed to trust /data/log/checkpoint"), "{error}");
        assert!(error.hint().unwrap().contains("remove the file `checkpoint`"));
        disk.tamper(&path, |bytes| bytes[byte] ^= 0x81).unwrap();
    }
    disk.remove(&path).unwrap();
    assert!(verify(&shared(&disk), &directory(), None).unwrap().sound);
    drop(Rig::open(options(&disk, &clock)).unwrap());
}

#[test]
fn a_file_that_is_no_checkpoint_of_this_log_is_named_with_its_line_and_the_log_is_verified_all_the_same() {
    let (disk, other) = (SimDisk::new(1), SimDisk::new(2));
    filled(&disk, 1, STEPS);
    filled(&other, 2, STEPS);
    let signed = |disk: &SimDisk| checkpoint::load(disk, &directory()).unwrap().unwrap();
    let sound = verify(&shared(&disk), &directory(), Some(kept(&signed(&disk)))).unwrap();
    assert!(sound.sound && sound.entries > 20, "{sound:?}");
    let check = |text: &str, expected: &str| {
        let report = verify(&shared(&disk), &directory(), Some(kept(text))).unwrap();
        let expected = format!("kept/checkpoint is no checkpoint of this log ({expected})");
        assert_eq!(report.cause, Some(expected));
        let found = (report.sound, report.entries, report.state_hash, report.root);
        assert_eq!(found, (false, sound.entries, sound.state_hash.clone(), sound.root.clone()));
    };
    check("junk\n", "line 2: the number of entries is missing");
    check("", "line 1: the name of a log is missing");
    check(&signed(&other), "line 5: it is signed by another key than this log's");
    let size = format!("\n{}\n", sound.entries);
    let changed = signed(&disk).replacen(&size, &format!("\n{}\n", sound.entries - 1), 1);
    check(&changed, "line 5: the signature is not one that this log's key made over this text");
}

#[test]
fn what_is_no_log_is_refused_by_name() {
    let disk = SimDisk::new(1);
    let refused = |path: &str| verify(&shared(&disk), Path::new(path), None).unwrap_err();
    disk.create_directory(Path::new("/data")).unwrap();
    disk.create_directory(Path::new("/data/empty")).unwrap();
    disk.create(Path::new("/data/file")).unwrap();
    for path in ["/data/missing", "/data/empty", "/data/file"] {
        let error = refused(path);
        assert_eq!(error.kind, ErrorKind::NoLog, "{error}");
        assert!(error.to_string().contains(path) && error.hint().is_some(), "{error}");
    }
    let report = crate::Report::unread("why".to_owned());
    assert_eq!(
        (report.sound, report.entries, report.position, report.cause.as_deref()),
        (false, 0, None, Some("why"))
    );
}

#[test]
fn a_damaged_mark_is_a_finding_too() {
    let disk = SimDisk::new(1);
    let (clock, _, _) = filled(&disk, 1, STEPS);
    disk.tamper(&directory().join("durable"), |bytes| bytes[40] ^= 1).unwrap();
    check_refused(&disk, &clock, "durable");
}

#[test]
fn a_snapshot_that_cannot_be_written_leaves_nothing_behind() {
    let disk = SimDisk::new(1);
    let (clock, hands, operator) = filled(&disk, 1, STEPS);
    let mut rig = Rig::open(options(&disk, &clock)).unwrap();
    hands.pass(Duration::from_secs(1));
    let mut workload = Workload::new(9, operator);
    rig.submit((0..20).map(|_| workload.next(clock.now().wall)).collect()).unwrap();
    let mut failures = 0;
    // Every operation on the way fails once, until there is none left to fail.
    for operation in 0.. {
        disk.plan(Plan { when: When::Operation(operation), effect: Effect::Fault(Fault::NoSpace) });
        let stored = rig.stages.commit.snapshot();
        let names = disk.list(&directory());
        if stored.is_ok() {
            break;
        }
        failures += 1;
        let left = names.unwrap().into_iter().find(|name| name.contains("new"));
        assert_eq!(left, None, "operation {operation}");
    }
    assert!(failures > 5, "{failures} operations failed");
}

#[test]
fn a_snapshot_of_another_build_is_passed_over() {
    let disk = SimDisk::new(1);
    let (clock, _, _) = filled(&disk, 1, STEPS);
    let names = disk.list(&directory()).unwrap();
    let path = directory().join(names.into_iter().rfind(|name| name.starts_with("snapshot-")).unwrap());
    // Written again as it is, and as somebody wrote it who means something else.
    for (change, used) in [(0, true), (1, false)] {
        let mut content = disk.content(&path).unwrap().split_off(96);
        content[0] ^= change;
        let (log, _) = Log::open(shared(&disk), &directory(), sycee_log::Options::default()).unwrap();
        let mut writer = Writer::create(shared(&disk), &directory()).unwrap();
        writer.write(&content).unwrap();
        writer.finish(log.durable()).unwrap();
        let (loaded, from) = snapshot::load(&disk, &directory(), &log.source()).unwrap();
        let expected = if used { log.durable().number } else { 0 };
        assert_eq!((from, loaded.views.state.position > 0), (expected, used));
    }
    Rig::open(options(&disk, &clock)).unwrap();
}

#[test]
fn a_snapshot_that_does_not_fit_is_passed_over() {
    let (disk, other) = (SimDisk::new(1), SimDisk::new(2));
    let (clock, _, _) = filled(&disk, 1, STEPS);
    filled(&other, 2, STEPS);
    let snapshot_of = |disk: &SimDisk| {
        let names = disk.list(&directory()).unwrap();
        let name = names.into_iter().rfind(|name| name.starts_with("snapshot-")).unwrap();
        directory().join(name)
    };
    let hash = |disk: &SimDisk| {
        let rig = Rig::open(options(disk, &clock)).unwrap();
        content_of(&rig.stages.shared.views())
    };
    let path = snapshot_of(&disk);
    let sound = disk.content(&path).unwrap();
    let expected = hash(&disk);
    let foreign = other.content(&snapshot_of(&other)).unwrap();
    let mut changes: Vec<Vec<u8>> = vec![foreign, Vec::new(), sound[..sound.len() / 2].to_vec()];
    let mut dice = Dice::new(1);
    for _ in 0..40 {
        let mut bytes = sound.clone();
        let byte = usize::try_from(dice.roll(bytes.len() as u64)).unwrap();
        bytes[byte] ^= 1;
        changes.push(bytes);
    }
    for bytes in changes {
        disk.tamper(&path, |content| *content = bytes).unwrap();
        assert_eq!(hash(&disk), expected, "folding gives what the snapshot had");
    }
    // Newer than the log: the log was rolled back to before it.
    let newer = directory().join(format!("snapshot-{:020}.bin", 1_000_000));
    disk.create(&newer).unwrap().write_at(&sound, 0).unwrap();
    assert_eq!(hash(&disk), expected);
}

#[test]
fn the_signing_key_has_to_be_the_logs_own() {
    let (disk, other) = (SimDisk::new(1), SimDisk::new(2));
    let (clock, _, _) = filled(&disk, 1, 3);
    init(&other, &clock, 2).unwrap();
    let path = directory().join(key::FILE);
    let own = disk.content(&path).unwrap();
    let expect = |expected: &str| {
        let error = refused(&disk, &clock);
        assert_eq!(error.kind, ErrorKind::Key, "{error}");
        assert!(error.to_string().contains(expected), "{error}");
        assert!(error.hint().unwrap().contains("signing.key"));
    };
    let foreign = other.content(&path).unwrap();
    disk.tamper(&path, |bytes| *bytes = foreign).unwrap();
    expect("which is not the key of this log");
    disk.tamper(&path, |bytes| bytes.truncate(10)).unwrap();
    expect("failed to read a key");
    disk.remove(&path).unwrap();
    expect("failed to read /data/log/signing.key");
    disk.create(&path).unwrap().write_at(&own, 0).unwrap();
    drop(Rig::open(options(&disk, &clock)).unwrap());
}

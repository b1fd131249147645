//! Damage of every sort is refused with its place, changes nothing, and can be cut only on purpose.

use std::path::{Path, PathBuf};

use super::harness::{SMALL, append, directory, filled, firsts, is_ours, open, reader, shared};
use crate::block::{self, Kind};
use crate::disk::Disk as _;
use crate::part::Form;
use crate::{Cause, Damage, ErrorKind, Log, Options, SimDisk, segment};

/// Three segments: frames 0 to 4, 5 to 9, 10 and 11.
const FRAMES: u64 = 12;

fn segments(disk: &SimDisk) -> Vec<PathBuf> {
    firsts(disk, Form::Written).into_iter().map(|first| segment::path_of(directory(), first)).collect()
}

fn mark() -> PathBuf {
    directory().join("durable")
}

/// Neither the writer nor a reader accepts the log; returns where it is damaged.
fn refused(disk: &SimDisk) -> Damage {
    let error = open(disk).map(|(_, recovery)| recovery).unwrap_err();
    let damage = error.as_damage().unwrap_or_else(|| panic!("{error}")).clone();
    // A damaged byte is the same to both, whatever was read before it.
    let outside = reader(disk).unwrap().impatient().find_map(Result::err).unwrap();
    assert_eq!(outside.as_damage(), Some(&damage));
    damage
}

/// Tampers, expects a refusal that leaves the file as it is, and puts it back.
fn check(disk: &SimDisk, path: &Path, change: impl FnOnce(&mut Vec<u8>)) -> Damage {
    let before = disk.content(path).unwrap();
    disk.tamper(path, change).unwrap();
    let tampered = disk.content(path).unwrap();
    assert_ne!(before, tampered);
    let damage = refused(disk);
    assert_eq!(disk.content(path).unwrap(), tampered, "a refusal changes nothing");
    disk.tamper(path, |bytes| *bytes = before).unwrap();
    damage
}

#[test]
fn a_flipped_bit_in_any_byte_is_refused() {
    let disk = SimDisk::new(1);
    let log = filled(&disk, FRAMES);
    let positions = log.durable().position;
    drop(log);
    let segments = segments(&disk);
    assert!(segments.len() >= 3, "more than one full segment");
    let mut flipped = 0;
    for path in &segments {
        for byte in 0..disk.content(path).unwrap().len() {
            let damage = check(&disk, path, |bytes| bytes[byte] ^= 1 << (byte % 8));
            // The damage is found in the file, and nothing before the block it is in is given up.
            assert_eq!(&damage.file, path, "byte {byte}: {damage}");
            assert!(damage.offset <= byte as u64 && damage.position <= positions, "byte {byte}: {damage}");
            flipped += 1;
        }
    }
    assert!(flipped > 100_000, "{flipped} bytes flipped");
    assert_eq!(open(&disk).unwrap().1.head.number, FRAMES);
}

#[test]
fn without_the_mark_a_flipped_bit_is_refused_all_the_same() {
    let disk = SimDisk::new(1);
    drop(filled(&disk, 4));
    disk.remove(&mark()).unwrap();
    for path in segments(&disk) {
        for byte in 0..disk.content(&path).unwrap().len() {
            disk.tamper(&path, |bytes| bytes[byte] ^= 0x80 >> (byte % 8)).unwrap();
            let error = open(&disk).map(|(_, recovery)| recovery).unwrap_err();
            assert!(error.as_damage().is_some(), "byte {byte}: {error}");
            disk.tamper(&path, |bytes| bytes[byte] ^= 0x80 >> (byte % 8)).unwrap();
        }
    }
}

#[test]
fn a_segment_of_another_length_is_refused() {
    let disk = SimDisk::new(1);
    drop(filled(&disk, FRAMES));
    for path in segments(&disk) {
        let full = disk.content(&path).unwrap().len();
        for length in (0..full).step_by(1024).chain([full - 1]) {
            let damage = check(&disk, &path, |bytes| bytes.truncate(length));
            let should = if length < 4096 { 4096 } else { full as u64 };
            assert_eq!(damage.cause, Cause::SegmentLength { is: length as u64, should });
            assert!(damage.offset <= length as u64);
        }
        for more in [1, 4096, 5000] {
            let damage = check(&disk, &path, |bytes| bytes.resize(full + more, 0));
            assert_eq!(damage.cause, Cause::SegmentLength { is: (full + more) as u64, should: full as u64 });
        }
    }
}

#[test]
fn a_missing_segment_is_refused() {
    for missing in 0..3 {
        let disk = SimDisk::new(1);
        drop(filled(&disk, FRAMES));
        let segments = segments(&disk);
        assert_eq!(segments.len(), 3);
        disk.remove(&segments[missing]).unwrap();
        let damage = refused(&disk);
        if missing == 2 {
            // Nothing but the mark knows of it.
            assert_eq!(damage.cause, Cause::Shortened { promised: FRAMES });
        } else {
            assert_eq!((damage.cause, damage.file), (Cause::SegmentMissing, segments[missing].clone()));
        }
    }
}

#[test]
fn a_missing_block_of_a_durable_frame_is_refused() {
    let disk = SimDisk::new(1);
    drop(filled(&disk, FRAMES));
    for path in segments(&disk) {
        let bytes = disk.content(&path).unwrap();
        for (index, block) in bytes.chunks(4096).enumerate() {
            if block.iter().any(|byte| *byte != 0) {
                check(&disk, &path, |bytes| bytes[index * 4096..][..4096].fill(0));
            }
        }
    }
}

#[test]
fn a_damaged_mark_is_refused_by_name_and_an_empty_one_promises_nothing() {
    let disk = SimDisk::new(1);
    drop(filled(&disk, FRAMES));
    let whole = disk.content(&mark()).unwrap();
    let flipped = |byte: usize| {
        let mut bytes = whole.clone();
        bytes[byte] ^= 1;
        bytes
    };
    for damaged in [flipped(0), flipped(40), flipped(4095), whole[..100].to_vec()] {
        disk.tamper(&mark(), |bytes| *bytes = damaged).unwrap();
        let error = open(&disk).map(|_| ()).unwrap_err();
        assert!(error.kind == ErrorKind::MarkDamaged && error.to_string().contains("durable"), "{error}");
        let outside = reader(&disk).and_then(|mut reader| reader.next_frame().map(|_| ())).unwrap_err();
        assert_eq!(outside.kind, ErrorKind::MarkDamaged);
    }
    disk.tamper(&mark(), |bytes| *bytes = vec![0; 4096]).unwrap();
    drop(open(&disk).unwrap());
}

#[test]
fn a_segment_of_another_log_is_refused() {
    let (disk, other) = (SimDisk::new(1), SimDisk::new(2));
    drop(filled(&disk, FRAMES));
    let mut log = super::harness::create(&other).unwrap();
    for number in 0..FRAMES {
        // The same sizes and times, other content.
        log.append(number, &super::harness::draft_of(8, number, super::harness::size(number))).unwrap();
        log.sync().unwrap();
    }
    for path in segments(&disk) {
        let strange = other.content(&path).unwrap();
        let damage = check(&disk, &path, |bytes| *bytes = strange);
        assert_eq!(damage.cause, Cause::ChainBroken);
    }
}

#[test]
fn a_newer_format_asks_for_a_newer_release() {
    let raise = |offset: usize, kind: Kind| {
        let disk = SimDisk::new(1);
        drop(filled(&disk, 1));
        let path = segments(&disk).remove(0);
        disk.tamper(&path, |bytes| {
            let block = &mut bytes[offset..offset + 4096];
            let block::Block::Intact(stamp) = block::inspect(block, kind) else { panic!("a block") };
            block[24] += 1;
            block::seal(block, kind, stamp);
        })
        .unwrap();
        let error = open(&disk).map(|(_, recovery)| recovery).unwrap_err();
        assert_eq!(error.kind, ErrorKind::Newer { format: crate::FORMAT + 1 });
        assert_eq!(error.hint(), Some("use a newer release of sycee"));
    };
    raise(0, Kind::Segment);
    raise(4096, Kind::Frame);
}

/// Cuts a log that `damage` has damaged, and uses it afterwards.
fn check_cut(damage: impl FnOnce(&SimDisk, &[PathBuf])) -> (SimDisk, Damage, Vec<PathBuf>) {
    let disk = SimDisk::new(1);
    drop(filled(&disk, FRAMES));
    damage(&disk, &segments(&disk));
    let damage = refused(&disk);
    let cut = |position| Options { cut_tail: Some(position), ..SMALL };
    for wrong in [damage.position + 1, damage.position.wrapping_sub(1)] {
        let error = Log::open(shared(&disk), directory(), cut(wrong)).map(|_| ()).unwrap_err();
        assert_eq!(error.kind, ErrorKind::Invalid);
        assert!(
            error.context.ends_with(&format!("the damage is at position {}", damage.position)),
            "{error}"
        );
    }
    let (mut log, recovery) = Log::open(shared(&disk), directory(), cut(damage.position)).unwrap();
    assert_eq!((log.next_number(), log.durable().position), (damage.frame, damage.position));
    let done = recovery.cut.unwrap();
    assert_eq!(done.damage, damage);
    for _ in 0..4 {
        append(&mut log).unwrap();
        log.sync().unwrap();
    }
    drop(log);
    let error = Log::open(shared(&disk), directory(), cut(damage.position)).map(|_| ()).unwrap_err();
    assert!(error.context.ends_with("as the log is sound"), "{error}");
    // A power cut brings nothing back that was cut, least of all the old mark.
    disk.crash();
    disk.restart();
    assert_eq!(open(&disk).unwrap().1.head.number, damage.frame + 4);
    assert_eq!(reader(&disk).unwrap().map(Result::unwrap).filter(is_ours).count() as u64, damage.frame + 4);
    (disk, damage, done.kept_in)
}

#[test]
fn what_is_damaged_can_be_cut_and_is_set_aside() {
    let flip = |segment: usize, byte: usize| {
        move |disk: &SimDisk, segments: &[PathBuf]| {
            disk.tamper(&segments[segment], |bytes| bytes[byte] ^= 1).unwrap();
        }
    };
    let (_, damage, kept_in) = check_cut(flip(1, 4096 * 2));
    assert!(damage.frame > 3, "{damage}");
    assert_eq!(kept_in.len(), 2, "the rest of one segment and all of the next");
    // The first segment cannot be opened: the log starts over.
    let (disk, damage, kept_in) = check_cut(flip(0, 40));
    assert_eq!((damage.frame, kept_in.len()), (0, 3));
    assert!(kept_in.iter().all(|path| disk.exists(path).unwrap()));
    check_cut(flip(1, 4));
    check_cut(flip(2, 4096 * 3));
    check_cut(|disk, segments| disk.remove(&segments[1]).unwrap());
    check_cut(|disk, segments| disk.remove(&segments[2]).unwrap());
    check_cut(|disk, segments| disk.tamper(&segments[2], |bytes| bytes.truncate(7_000)).unwrap());
    check_cut(|disk, segments| disk.tamper(&segments[1], |bytes| bytes.truncate(100)).unwrap());
    check_cut(|disk, segments| disk.tamper(&segments[2], |bytes| bytes.resize(90_000, 9)).unwrap());
}

#[test]
fn a_sound_log_is_not_cut() {
    let disk = SimDisk::new(1);
    drop(filled(&disk, FRAMES));
    let options = Options { cut_tail: Some(8), ..SMALL };
    let error = Log::open(shared(&disk), directory(), options).map(|_| ()).unwrap_err();
    assert_eq!(error.kind, ErrorKind::Invalid);
    assert_eq!(open(&disk).unwrap().1.head.number, FRAMES);
}

#[test]
fn a_refusal_names_file_frame_position_and_cause() {
    let disk = SimDisk::new(1);
    drop(filled(&disk, 2));
    disk.tamper(&segments(&disk)[0], |bytes| bytes[4096 * 2 + 30] ^= 1).unwrap();
    let error = open(&disk).map(|_| ()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "failed to read the log: corrupt: segment-00000000000000000000.log at byte 8192, frame 1, position 2: \
         a block does not match its checksum"
    );
    assert!(error.hint().unwrap().contains("--cut-tail"));
}

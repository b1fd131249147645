//! Damage in sealed segments is found and named, lies are not believed, and what is damaged can be cut.

use std::path::PathBuf;

use super::harness::{SMALL, append, directory, filled, firsts, is_ours, open, reader, shared};
use super::sealed::{filled_and_sealed, seal};
use crate::disk::{Disk as _, Effect, Plan, When};
use crate::part::Form;
use crate::{Cause, Damage, ErrorKind, Log, Options, SimDisk, sealed, whole};

/// Three segments as they were written: frames 0 to 4, 5 to 9, 10 and 11. The first two are sealed.
const FRAMES: u64 = 12;
const HEADER_BYTES: usize = 128;
/// Of a row of the index, without the counts.
const ROW_BYTES: usize = 48;

fn paths(disk: &SimDisk) -> Vec<PathBuf> {
    let sealed = firsts(disk, Form::Sealed);
    assert_eq!(sealed.len(), 2);
    sealed.into_iter().map(|first| sealed::path_of(directory(), first)).collect()
}

fn sealed_log() -> SimDisk {
    let disk = SimDisk::new(1);
    drop(filled_and_sealed(&disk, FRAMES));
    // Opening it makes the removal of what was written durable.
    drop(open(&disk).unwrap());
    disk
}

/// Neither the writer nor a reader accepts the log, for the same reason.
fn refused(disk: &SimDisk) -> Damage {
    let error = open(disk).map(|(_, recovery)| recovery).unwrap_err();
    let damage = error.as_damage().unwrap_or_else(|| panic!("{error}")).clone();
    let outside = reader(disk).unwrap().impatient().find_map(Result::err).unwrap();
    assert_eq!(outside.as_damage(), Some(&damage));
    damage
}

#[test]
fn a_flipped_bit_in_any_byte_of_a_sealed_segment_is_refused_and_named() {
    let disk = sealed_log();
    let mut flipped = 0;
    for path in paths(&disk) {
        let sound = disk.content(&path).unwrap();
        let header = |offset: usize| u64::from_le_bytes(sound[offset..offset + 8].try_into().unwrap());
        let (first, end, index) = ((header(16), header(24)), header(72), header(112));
        let mut seen = Vec::new();
        for byte in 0..sound.len() {
            disk.tamper(&path, |bytes| bytes[byte] ^= 1 << (byte % 8)).unwrap();
            let damage = refused(&disk);
            let tampered = disk.content(&path).unwrap();
            assert_ne!(tampered, sound, "a refusal changes nothing");
            disk.tamper(&path, |bytes| bytes[byte] ^= 1 << (byte % 8)).unwrap();
            assert_eq!(damage.file, path);
            assert!(damage.offset <= byte as u64, "byte {byte}: {damage}");
            let at = (damage.frame, damage.position);
            let in_packs = (HEADER_BYTES as u64..index).contains(&(byte as u64));
            if in_packs {
                assert_eq!(damage.cause, Cause::PackChecksum, "byte {byte}");
                assert!(at >= first && at.1 < end, "byte {byte}: {damage}");
                seen.push(at);
            } else {
                let cause = if byte < HEADER_BYTES { Cause::SealedHeader } else { Cause::SealedIndex };
                assert_eq!((damage.cause, at), (cause, first), "byte {byte}: {damage}");
            }
            flipped += 1;
        }
        seen.dedup();
        assert!(seen.len() >= 2 && seen.is_sorted(), "each pack names its own first frame: {seen:?}");
    }
    assert!(flipped > 2_000, "{flipped} bytes flipped");
    assert_eq!(open(&disk).unwrap().1.head.number, FRAMES);
}

#[test]
fn a_sealed_segment_of_another_length_is_refused() {
    let disk = sealed_log();
    for path in paths(&disk) {
        let sound = disk.content(&path).unwrap();
        let full = sound.len();
        let lengths = (0..full).step_by(23).chain([full - 1, full + 1, full + 4096]);
        for length in lengths {
            disk.tamper(&path, |bytes| bytes.resize(length, 0)).unwrap();
            let should = if length < HEADER_BYTES { HEADER_BYTES } else { full } as u64;
            let damage = refused(&disk);
            assert_eq!(damage.cause, Cause::SegmentLength { is: length as u64, should });
            assert_eq!(damage.file, path);
            disk.tamper(&path, |bytes| *bytes = sound.clone()).unwrap();
        }
    }
}

#[test]
fn a_missing_sealed_segment_is_refused() {
    for missing in 0..2 {
        let disk = sealed_log();
        disk.remove(&paths(&disk)[missing]).unwrap();
        assert_eq!(refused(&disk).cause, Cause::SegmentMissing);
    }
    // A log goes on in a segment: with the newest gone it is not whole, whatever the mark says.
    let disk = sealed_log();
    disk.remove(&crate::segment::path_of(directory(), 10)).unwrap();
    disk.remove(&directory().join("durable")).unwrap();
    let damage = refused(&disk);
    assert_eq!((damage.cause, damage.frame, damage.position), (Cause::SegmentMissing, 10, 20));
}

#[test]
fn a_sealed_segment_of_another_log_is_refused() {
    let (disk, other) = (sealed_log(), SimDisk::new(2));
    let mut log = super::harness::create(&other).unwrap();
    for number in 0..FRAMES {
        log.append(number, &super::harness::draft_of(8, number, super::harness::size(number))).unwrap();
        log.sync().unwrap();
    }
    seal(&log);
    for (path, cause) in paths(&disk).into_iter().zip([None, Some(Cause::ChainBroken)]) {
        let sound = disk.content(&path).unwrap();
        let strange = other.content(&path).unwrap();
        disk.tamper(&path, |bytes| *bytes = strange).unwrap();
        let damage = refused(&disk);
        // Whole in itself, and not what the next segment follows.
        assert_eq!(damage.cause, Cause::ChainBroken);
        assert_eq!(cause.is_some(), damage.file == path, "{damage}");
        disk.tamper(&path, |bytes| *bytes = sound).unwrap();
    }
}

/// Changes the index of the first sealed segment and puts all checksums right, as somebody would who knows how.
fn forge(disk: &SimDisk, change: impl FnOnce(&mut Vec<u8>)) -> PathBuf {
    let path = paths(disk).remove(0);
    disk.tamper(&path, |bytes| {
        let offset = usize::try_from(u64::from_le_bytes(bytes[112..120].try_into().unwrap())).unwrap();
        let mut index = bytes.split_off(offset);
        change(&mut index);
        bytes[120..124].copy_from_slice(&u32::try_from(index.len()).unwrap().to_le_bytes());
        bytes[124..128].copy_from_slice(&crc32c::crc32c(&index).to_le_bytes());
        let sum = crc32c::crc32c(&bytes[8..HEADER_BYTES]);
        bytes[4..8].copy_from_slice(&sum.to_le_bytes());
        bytes.extend_from_slice(&index);
    })
    .unwrap();
    path
}

#[test]
fn an_index_that_lies_is_refused() {
    let check = |change: fn(&mut Vec<u8>), cause: Cause| {
        let disk = sealed_log();
        let path = forge(&disk, change);
        let error = reader(&disk).unwrap().impatient().find_map(Result::err).unwrap();
        let damage = error.as_damage().unwrap();
        assert_eq!((&damage.file, damage.cause), (&path, cause));
    };
    // What is in a pack is said to be 4 GiB long: refused before memory is taken for it.
    check(|index| index[4..8].fill(0xff), Cause::SealedIndex);
    // A little longer or shorter than it is.
    check(|index| index[4] ^= 1, Cause::PackContent);
    check(|index| index[5] = index[5].wrapping_sub(1), Cause::PackContent);
    // Another end of a pack, another number of frames, of entries, a frame without any, a number that never ends.
    check(|index| index[0] ^= 1, Cause::SealedIndex);
    check(|index| index[12] += 1, Cause::SealedIndex);
    check(|index| index[ROW_BYTES] += 1, Cause::SealedIndex);
    check(|index| index[ROW_BYTES] = 0, Cause::SealedIndex);
    check(|index| index[ROW_BYTES..].fill(0xff), Cause::SealedIndex);
    check(|index| index.truncate(ROW_BYTES - 1), Cause::SealedIndex);
    check(Vec::clear, Cause::SealedIndex);
    // Entries moved from one frame to the next.
    let moved = |index: &mut Vec<u8>| {
        index[ROW_BYTES] += 1;
        index[ROW_BYTES + 1] -= 1;
    };
    check(moved, Cause::PackContent);
    // Another hash in the middle: the frames do not lead there.
    check(|index| index[20] ^= 1, Cause::FrameHash);
}

#[test]
fn a_pack_of_other_frames_is_found_by_whoever_reads_it() {
    let disk = sealed_log();
    let path = paths(&disk).remove(0);
    let start = sealed::open(&disk, directory(), &crate::Head::default()).unwrap();
    let frames = start.unpack(&disk, 0).unwrap();
    let mut bytes = Vec::new();
    let mut frames = frames.into_iter();
    let mut forged = frames.next().unwrap();
    forged.payload[60] ^= 1;
    forged.pack(&mut bytes);
    frames.for_each(|frame| frame.pack(&mut bytes));
    // Stored as it is, so that it has the length of the bytes and a little more.
    let packed = zstd::bulk::compress(&bytes, 3).unwrap();
    let before = {
        let content = disk.content(&path).unwrap();
        let offset = usize::try_from(u64::from_le_bytes(content[112..120].try_into().unwrap())).unwrap();
        u32::from_le_bytes(content[offset..offset + 4].try_into().unwrap()) as usize
    };
    disk.tamper(&path, |content| {
        drop(content.splice(HEADER_BYTES..HEADER_BYTES + before, packed.iter().copied()));
        let offset = u64::from_le_bytes(content[112..120].try_into().unwrap());
        let offset = offset + packed.len() as u64 - before as u64;
        content[112..120].copy_from_slice(&offset.to_le_bytes());
    })
    .unwrap();
    forge(&disk, |index| {
        index[0..4].copy_from_slice(&u32::try_from(packed.len()).unwrap().to_le_bytes());
        index[8..12].copy_from_slice(&crc32c::crc32c(&packed).to_le_bytes());
    });
    let error = reader(&disk).unwrap().impatient().find_map(Result::err).unwrap();
    let damage = error.as_damage().unwrap();
    assert_eq!((damage.cause, damage.frame), (Cause::FrameHash, 0));
    // A start looks at checksums only; the frame is refused when somebody wants it.
    let (log, _) = open(&disk).unwrap();
    let error = log.source().frame(0).unwrap_err();
    assert_eq!(error.as_damage().unwrap().cause, Cause::FrameHash);
    assert!(is_ours(&log.source().frame(FRAMES - 1).unwrap().unwrap()));
}

#[test]
fn a_newer_sealed_format_asks_for_a_newer_release() {
    let disk = sealed_log();
    disk.tamper(&paths(&disk)[0], |bytes| {
        bytes[8] += 1;
        let sum = crc32c::crc32c(&bytes[8..HEADER_BYTES]);
        bytes[4..8].copy_from_slice(&sum.to_le_bytes());
    })
    .unwrap();
    let error = open(&disk).map(|(_, recovery)| recovery).unwrap_err();
    assert_eq!(error.kind, ErrorKind::Newer { format: 2 });
}

/// Flips a byte of a sealed segment and cuts there; power goes at a sync, if one is named.
fn check_cut(segment: usize, byte: usize, power_at: Option<u64>) -> (Damage, Vec<PathBuf>) {
    let disk = sealed_log();
    let path = paths(&disk).remove(segment);
    let byte = byte.min(disk.content(&path).unwrap().len() - 1);
    disk.tamper(&path, |bytes| bytes[byte] ^= 1).unwrap();
    let tampered = disk.content(&path).unwrap();
    let damage = refused(&disk);
    let cut = |position| Log::open(shared(&disk), directory(), Options { cut_tail: Some(position), ..SMALL });
    assert_eq!(cut(damage.position + 1).map(|_| ()).unwrap_err().kind, ErrorKind::Invalid);
    if let Some(sync) = power_at {
        disk.plan(Plan { when: When::AfterSync(sync), effect: Effect::Power });
    }
    let mut kept_in = match cut(damage.position) {
        Ok((log, recovery)) => {
            assert_eq!(log.durable().position, damage.position);
            recovery.cut.unwrap().kept_in
        }
        Err(error) => {
            assert!(disk.is_dead(), "{error}");
            Vec::new()
        }
    };
    disk.crash();
    disk.restart();
    // Either it was done, or the log is refused at the same position and the command can be given again.
    let mut log = match open(&disk) {
        Ok((log, _)) => log,
        Err(error) => {
            assert_eq!(error.as_damage().map(|damage| damage.position), Some(damage.position), "{error}");
            let (log, recovery) = cut(damage.position).unwrap();
            kept_in.extend(recovery.cut.unwrap().kept_in);
            log
        }
    };
    assert_eq!((log.next_number(), log.durable().position), (damage.frame, damage.position));
    let aside = disk.list(directory()).unwrap().into_iter().filter(|name| name.starts_with("cut-"));
    let aside: Vec<_> = aside.map(|name| whole::read(&disk, &directory().join(name)).unwrap()).collect();
    assert!(aside.contains(&tampered), "the damaged file is set aside whole");
    while log.next_number() < damage.frame + 12 {
        append(&mut log).unwrap();
        log.sync().unwrap();
    }
    seal(&log);
    drop(log);
    disk.crash();
    disk.restart();
    let (log, _) = open(&disk).unwrap();
    assert_eq!(
        log.source().frames_from(0).map(Result::unwrap).filter(is_ours).count() as u64,
        damage.frame + 12
    );
    assert_eq!(reader(&disk).unwrap().map(Result::unwrap).filter(is_ours).count() as u64, damage.frame + 12);
    (damage, kept_in)
}

#[test]
fn a_sealed_segment_can_be_cut_and_is_set_aside() {
    // In a pack that is not the first: what is before it stays.
    let (damage, kept_in) = check_cut(1, 600, None);
    assert!((6..10).contains(&damage.frame), "{damage}");
    assert_eq!(kept_in.len(), 2, "the sealed segment, and the one after it: {kept_in:?}");
    let (damage, kept_in) = check_cut(0, 200, None);
    assert_eq!((damage.frame, kept_in.len()), (0, 3));
    // In the header and in the index: nothing of the segment can be told from it.
    for byte in [20, usize::MAX] {
        assert_eq!(check_cut(1, byte, None).0.frame, 5);
        assert_eq!(check_cut(0, byte, None).0.frame, 0);
    }
}

#[test]
fn a_cut_of_a_sealed_segment_that_power_interrupts_can_be_given_again() {
    for sync in 0..7 {
        for byte in [20, 200, 600] {
            check_cut(1, byte, Some(sync));
        }
    }
}

#[test]
fn an_interrupted_sealing_is_no_damage() {
    // The file that is being made is nobody's, whatever is in it.
    let disk = SimDisk::new(1);
    drop(filled(&disk, FRAMES));
    disk.create(&directory().join("sealing.log")).unwrap().write_at(&[7; 5_000], 0).unwrap();
    assert_eq!(reader(&disk).unwrap().map(Result::unwrap).count() as u64, FRAMES);
    assert_eq!(open(&disk).unwrap().1.head.number, FRAMES);
}

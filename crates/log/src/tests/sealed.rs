//! Sealed segments: read like the others, made of those that qualify, and never in anybody's way.

use proptest::collection::vec;
use proptest::prelude::{any, prop_assert_eq, proptest};

use super::harness::{SMALL, append, create, directory, filled, firsts, is_ours, open, reader, shared};
use crate::disk::{Disk as _, Effect, Fault, Plan, When};
use crate::part::Form;
use crate::sealed::{self, Packer};
use crate::{Draft, ErrorKind, Frame, Head, Log, Options, Record, Sealing, SimDisk, segment};

/// Several packs to a segment of the tests.
pub(super) const PACK_BYTES: usize = 12_000;

/// Seals everything that is full; how many segments that were.
pub(super) fn seal(log: &Log) -> usize {
    let mut sealed = 0;
    loop {
        match log.syncer().seal_in(PACK_BYTES, &mut || false).unwrap() {
            Sealing::Nothing => return sealed,
            Sealing::Sealed { .. } => sealed += 1,
            other => panic!("{other:?}"),
        }
    }
}

/// A log of so many frames whose full segments are sealed.
pub(super) fn filled_and_sealed(disk: &SimDisk, frames: u64) -> Log {
    let log = filled(disk, frames);
    assert!(seal(&log) > 0);
    log
}

fn exists(disk: &SimDisk, name: &str) -> bool {
    disk.exists(&directory().join(name)).unwrap()
}

/// Frames of a log of several segments, the newest with more than one.
const COUNT: u64 = 33;

#[test]
fn what_is_sealed_is_read_as_before_by_all_ways() {
    let disk = SimDisk::new(1);
    let mut log = filled(&disk, COUNT);
    let source = log.source();
    let before: Vec<_> = source.frames_from(0).map(Result::unwrap).collect();
    let (written, full) = (firsts(&disk, Form::Written), firsts(&disk, Form::Written).len() - 1);
    assert!(full >= 4, "{written:?}");
    // One that was opened before and has read half.
    let (mut outside, mut inside) = (reader(&disk).unwrap(), source.frames_from(0));
    let half: Vec<_> = (0..7).map(|_| (outside.next_frame().unwrap(), inside.next())).collect();
    assert_eq!(half.len(), 7);

    assert_eq!(seal(&log), full);
    assert_eq!(firsts(&disk, Form::Sealed), written[..full]);
    assert_eq!(firsts(&disk, Form::Written), written[full..]);
    let check = |log: &Log| {
        let source = log.source();
        assert_eq!(source.frames_from(0).map(Result::unwrap).collect::<Vec<_>>(), before);
        // Here and there, so that no pack is at hand.
        for index in 0..COUNT {
            let number = index * 17 % COUNT;
            let frame = source.frame(number).unwrap().unwrap();
            assert_eq!(frame, before[usize::try_from(number).unwrap()]);
            assert_eq!(source.number_of(frame.first_position), Some(number));
            assert_eq!(source.number_of(frame.first_position + 1), Some(number));
            let head = source.head_at(number + 1).unwrap().unwrap();
            assert_eq!((head.number, head.hash), (number + 1, frame.hash));
        }
        assert_eq!((source.frame(COUNT).unwrap(), source.number_of(2 * COUNT)), (None, None));
        assert_eq!(reader(&disk).unwrap().map(Result::unwrap).collect::<Vec<_>>(), before);
    };
    check(&log);
    assert_eq!(inside.map(Result::unwrap).collect::<Vec<_>>(), before[7..]);
    assert_eq!(outside.map(Result::unwrap).collect::<Vec<_>>(), before[7..]);
    let head = log.durable();
    drop(log);
    let recovery;
    (log, recovery) = open(&disk).unwrap();
    assert_eq!((recovery.head, recovery.torn, recovery.cut), (head, false, None));
    check(&log);
    assert_eq!(seal(&log), 0);
    append(&mut log).unwrap();
    log.sync().unwrap();
    drop(log);
    assert_eq!(reader(&disk).unwrap().map(Result::unwrap).filter(is_ours).count() as u64, COUNT + 1);
    assert_eq!(create(&disk).unwrap_err().kind, ErrorKind::AlreadyExists);
}

#[test]
fn a_segment_is_sealed_when_two_durable_frames_follow_it() {
    let disk = SimDisk::new(1);
    let mut log = filled(&disk, 0);
    while firsts(&disk, Form::Written).len() == 1 {
        append(&mut log).unwrap();
        log.sync().unwrap();
    }
    assert_eq!(seal(&log), 0, "one follows");
    append(&mut log).unwrap();
    assert_eq!(seal(&log), 0, "two follow, of which one is durable");
    log.sync().unwrap();
    assert_eq!(seal(&log), 1);
    assert_eq!(seal(&log), 0, "the newest is written to");
}

/// Bytes that nothing makes shorter (`SplitMix64`, Steele, Lea and Flood 2014).
fn noise(bytes: usize, seed: u64) -> Vec<u8> {
    let mut state = seed;
    let words = std::iter::repeat_with(|| {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    });
    words.flat_map(u64::to_le_bytes).take(bytes).collect()
}

#[test]
fn what_would_save_too_little_is_left_as_it_is() {
    let disk = SimDisk::new(1);
    let options = Options { segment_bytes: 3 * 1024 * 1024, cut_tail: None };
    let mut log = Log::create(shared(&disk), directory(), options).unwrap();
    // A segment of large frames of noise, one of small frames, and one more to follow.
    let large = 400_000;
    let mut sizes: Vec<usize> = std::iter::repeat_n(large, 7).collect();
    sizes.extend(std::iter::repeat_n(100, 1_600));
    for bytes in sizes {
        let number = log.next_number();
        let mut draft = Draft::new(1, 1_000 + number);
        draft.push(&Record { salt_key: [1; 32], at: 1, kind: 1, root: None, entry: &noise(bytes, number) });
        log.append(number, &draft).unwrap();
        log.sync().unwrap();
    }
    let firsts_before = firsts(&disk, Form::Written);
    assert!(firsts_before.len() >= 3, "{firsts_before:?}");
    let seal = |log: &Log| log.syncer().seal(&mut || false).unwrap();
    assert_eq!(seal(&log), Sealing::Left { first: 0 });
    let second = firsts_before[1];
    let Sealing::Sealed { first, frames, bytes_before, bytes } = seal(&log) else { panic!("sealed") };
    assert_eq!((first, frames, bytes_before), (second, firsts_before[2] - second, options.segment_bytes));
    assert_eq!(bytes, disk.content(&sealed::path_of(directory(), second)).unwrap().len() as u64);
    assert!(bytes < bytes_before / 10, "{bytes}");
    assert_eq!(seal(&log), Sealing::Nothing);
    assert_eq!(firsts(&disk, Form::Written), [&[0], &firsts_before[2..]].concat());
    assert!(!exists(&disk, "sealing.log"));
    let frames = log.next_number();
    drop(log);
    let (log, _) = Log::open(shared(&disk), directory(), options).unwrap();
    assert_eq!(log.source().frames_from(0).map(Result::unwrap).count() as u64, frames);
    assert_eq!(seal(&log), Sealing::Left { first: 0 }, "it is looked at once in each life");
    assert_eq!(seal(&log), Sealing::Nothing);
}

#[test]
fn sealing_that_is_stopped_or_killed_leaves_the_log_as_it_was() {
    let disk = SimDisk::new(1);
    let log = filled(&disk, 12);
    let before = firsts(&disk, Form::Written);
    for looks in 0..8 {
        let mut looked = 0;
        let mut stop = || {
            looked += 1;
            looked > looks
        };
        assert_eq!(log.syncer().seal_in(PACK_BYTES, &mut stop).unwrap(), Sealing::Stopped);
        assert_eq!(firsts(&disk, Form::Written), before);
        assert!(!exists(&disk, "sealing.log"));
    }
    drop(log);
    disk.create(&directory().join("sealing.log")).unwrap();
    let (log, _) = open(&disk).unwrap();
    assert!(!exists(&disk, "sealing.log"), "what a kill has left goes at the next start");
    assert_eq!(seal(&log), before.len() - 1);
}

#[test]
fn sealing_that_fails_at_any_operation_costs_nothing() {
    let operations = {
        let disk = SimDisk::new(1);
        let log = filled(&disk, 12);
        disk.plan(Plan { when: When::Operation(u64::MAX), effect: Effect::Kill });
        seal(&log);
        disk.operations()
    };
    assert!(operations > 40, "{operations}");
    let (mut failed, mut for_good) = (0, 0);
    for operation in 0..operations {
        let disk = SimDisk::new(1);
        let mut log = filled(&disk, 12);
        disk.plan(Plan { when: When::Operation(operation), effect: Effect::Fault(Fault::NoSpace) });
        let mut attempt = || log.syncer().seal_in(PACK_BYTES, &mut || false);
        let error = std::iter::repeat_with(&mut attempt).find_map(|sealing| match sealing {
            Ok(Sealing::Nothing) => Some(None),
            Ok(_) => None,
            Err(error) => Some(Some(error)),
        });
        if let Some(error) = error.flatten() {
            assert_eq!(error.kind, ErrorKind::NoSpace, "{error}");
            failed += 1;
        }
        // It is tried again, unless names are in doubt; the log goes on either way.
        match log.syncer().seal_in(PACK_BYTES, &mut || false) {
            Ok(_) => {}
            Err(error) => {
                assert_eq!(error.kind, ErrorKind::Poisoned, "{error}");
                for_good += 1;
            }
        }
        for _ in 0..8 {
            append(&mut log).unwrap();
            log.sync().unwrap();
        }
        assert_eq!(log.source().frames_from(0).map(Result::unwrap).filter(is_ours).count(), 20);
        assert_eq!(reader(&disk).unwrap().map(Result::unwrap).filter(is_ours).count(), 20);
        drop(log);
        disk.crash();
        disk.restart();
        let (log, _) = open(&disk).unwrap();
        assert_eq!(log.source().frames_from(0).map(Result::unwrap).filter(is_ours).count(), 20);
        seal(&log);
        assert_eq!(firsts(&disk, Form::Both), [0; 0]);
    }
    assert!(failed > 30 && (1..failed).contains(&for_good), "{failed}, {for_good} for good");
}

#[test]
fn of_both_forms_the_sealed_one_counts_if_it_is_whole() {
    for damaged in [false, true] {
        let disk = SimDisk::new(1);
        drop(filled(&disk, 12));
        let (written, sealed) = (segment::path_of(directory(), 0), sealed::path_of(directory(), 0));
        let before = disk.content(&written).unwrap();
        let log = open(&disk).unwrap().0;
        seal(&log);
        drop(log);
        // As if power had gone before the removal was durable.
        disk.create(&written).unwrap().write_at(&before, 0).unwrap();
        if damaged {
            disk.tamper(&sealed, |bytes| bytes[300] ^= 1).unwrap();
        }
        assert_eq!(firsts(&disk, Form::Both), [0]);
        assert_eq!(reader(&disk).unwrap().map(Result::unwrap).filter(is_ours).count(), 12);
        let log = open(&disk).unwrap().0;
        assert_eq!(log.source().frames_from(0).map(Result::unwrap).filter(is_ours).count(), 12);
        assert_eq!((disk.exists(&written).unwrap(), disk.exists(&sealed).unwrap()), (damaged, !damaged));
        assert_eq!(seal(&log), usize::from(damaged));
        assert_eq!(log.source().frames_from(0).map(Result::unwrap).filter(is_ours).count(), 12);
    }
}

#[test]
fn whoever_still_writes_keeps_the_log_locked() {
    let disk = SimDisk::new(1);
    let log = filled(&disk, 12);
    let syncer = log.syncer();
    drop(log);
    assert_eq!(open(&disk).unwrap_err().kind, ErrorKind::Locked { by: None });
    drop(syncer);
    open(&disk).unwrap();
}

#[test]
fn segments_that_became_too_short_for_a_frame_are_replaced() {
    let disk = SimDisk::new(1);
    let short = Options { segment_bytes: 2 * 4096, cut_tail: None };
    drop(Log::create(shared(&disk), directory(), short).unwrap());
    let (mut log, _) = Log::open(shared(&disk), directory(), SMALL).unwrap();
    for _ in 0..20 {
        append(&mut log).unwrap();
        append(&mut log).unwrap();
        log.sync().unwrap();
    }
    assert!(seal(&log) > 3);
    assert_eq!(log.source().frames_from(0).map(Result::unwrap).filter(is_ours).count(), 40);
    drop(log);
    assert_eq!(open(&disk).unwrap().1.head.number, 40);
}

proptest! {
    #[test]
    fn what_is_packed_is_unpacked(
        frames in vec((any::<u16>(), any::<u64>(), 1..1_000_u32, vec(any::<u8>(), 0..3_000)), 1..40),
        (number, position, hash) in (0..1_u64 << 60, 0..1_u64 << 60, any::<[u8; 32]>()),
        pack_bytes in 1..20_000_usize,
    ) {
        let disk = SimDisk::new(1);
        let path = sealed::path_of("/".as_ref(), number);
        let file = disk.create(&path).unwrap();
        let start = Head { number, position, hash };
        let mut packer = Packer::new(&*file, start, pack_bytes, 1).unwrap();
        let mut expected = Vec::new();
        for (rules, at, count, payload) in frames {
            let draft = Draft { rules, at, count, payload };
            let mut bytes = Vec::new();
            let after = crate::frame::encode(&packer.head, &draft, &mut bytes).unwrap();
            let frame = crate::frame::decode(&bytes).unwrap();
            packer.push(&frame, after).unwrap();
            expected.push(frame);
        }
        let end = packer.head;
        packer.finish().unwrap();
        let sealed = sealed::open(&disk, "/".as_ref(), &start).unwrap();
        prop_assert_eq!((sealed.start, sealed.end), (start, end));
        let packs: Vec<Vec<Frame>> = (0..sealed.packs()).map(|pack| sealed.unpack(&disk, pack).unwrap()).collect();
        for pack in &packs {
            let bytes: usize = pack.iter().map(Frame::packed_bytes).sum();
            assert!(pack.len() == 1 || bytes <= pack_bytes);
        }
        for frame in &expected {
            prop_assert_eq!(sealed.number_of(frame.first_position), frame.number);
            let last = frame.first_position + u64::from(frame.count) - 1;
            prop_assert_eq!(sealed.number_of(last), frame.number);
            prop_assert_eq!(packs[sealed.pack_of(frame.number)].contains(frame), true);
        }
        prop_assert_eq!(packs.concat(), expected);
    }
}

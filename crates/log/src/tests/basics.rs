//! What a log does when nothing goes wrong, and what it refuses.

use std::error::Error as _;

use super::harness::{append, create, directory, draft, filled, is_ours, open, reader, shared, size};
use crate::{Draft, ErrorKind, Log, Options, Reader, SimDisk, Tail};

#[test]
fn what_is_appended_is_read_by_all_ways() {
    let disk = SimDisk::new(1);
    let log = filled(&disk, 30);
    let head = log.durable();
    assert_eq!((head.number, head.position), (30, 60));

    let source = log.source();
    let frames: Vec<_> = source.frames_from(0).map(Result::unwrap).collect();
    assert_eq!(frames.len(), 30);
    assert!(frames.iter().all(is_ours));
    assert_eq!(source.frames_from(28).count(), 2);
    assert_eq!(source.number_of(0), Some(0));
    assert_eq!(source.number_of(59), Some(29));
    assert_eq!(source.number_of(60), None);

    let mut outside = reader(&disk).unwrap();
    let read: Vec<_> = outside.by_ref().map(Result::unwrap).collect();
    assert_eq!(read, frames);
    assert_eq!(outside.tail(), Some(Tail { frames: 0, partial: false }));
    assert_eq!(outside.head(), head);

    drop((log, source));
    let (log, recovery) = open(&disk).unwrap();
    assert_eq!((recovery.head, recovery.torn, recovery.cut), (head, false, None));
    assert_eq!(log.source().frames_from(0).map(Result::unwrap).collect::<Vec<_>>(), frames);
}

#[test]
fn records_carry_their_positions() {
    let disk = SimDisk::new(1);
    let log = filled(&disk, 3);
    let frame = log.source().frame(2).unwrap().unwrap();
    let records = frame.records().unwrap();
    assert_eq!(records.iter().map(|(position, _)| *position).collect::<Vec<_>>(), [4, 5]);
    let bytes: usize = records.iter().map(|(_, record)| record.entry.len()).sum();
    assert_eq!(bytes, size(2));
}

#[test]
fn what_is_not_durable_is_not_shown() {
    let disk = SimDisk::new(1);
    let mut log = filled(&disk, 5);
    append(&mut log).unwrap();
    assert_eq!(log.source().frame(5).unwrap(), None);
    let mut outside = reader(&disk).unwrap();
    assert_eq!(outside.by_ref().count(), 5);
    assert_eq!(outside.tail(), Some(Tail { frames: 1, partial: false }));
    log.sync().unwrap();
    assert!(is_ours(&log.source().frame(5).unwrap().unwrap()));
    assert_eq!(reader(&disk).unwrap().count(), 6);
}

#[test]
fn a_reader_does_not_follow_a_writer_for_ever() {
    let disk = SimDisk::new(1);
    let mut log = create(&disk).unwrap();
    append(&mut log).unwrap();
    log.sync().unwrap();
    let mut outside = reader(&disk).unwrap();
    let mut read = 0;
    while outside.next_frame().unwrap().is_some() {
        read += 1;
        append(&mut log).unwrap();
        log.sync().unwrap();
    }
    // One segment's worth at most: the segments were listed when the reader opened.
    assert!((1..=10).contains(&read), "{read}");
}

#[test]
fn appends_are_conditional() {
    let disk = SimDisk::new(1);
    let mut log = filled(&disk, 5);
    for stale in [0, 4, 6, u64::MAX] {
        let error = log.append(stale, &draft(5, 10)).unwrap_err();
        assert_eq!(error.kind, ErrorKind::StaleAppend { expected: stale, next: 5 });
    }
    append(&mut log).unwrap();
    append(&mut log).unwrap();
    assert_eq!(append(&mut log).unwrap_err().kind, ErrorKind::Unsynced);
    assert_eq!(log.sync().unwrap().number, 7);
    append(&mut log).unwrap();
}

#[test]
fn a_frame_has_limits() {
    let disk = SimDisk::new(1);
    let mut log = filled(&disk, 1);
    let empty = log.append(1, &Draft::new(0, 0)).unwrap_err();
    assert_eq!(empty.kind, ErrorKind::Invalid);
    let large = log.append(1, &draft(1, 10 * 4096)).unwrap_err();
    assert_eq!(large.kind, ErrorKind::TooLarge { bytes: 11 * 4096, limit: 10 * 4096 });
    // The largest that fits: ten blocks of content less the header and two records' headers.
    log.append(1, &draft(1, 10 * 4072 - 104 - 90)).unwrap();
}

#[test]
fn a_syncer_on_another_thread_makes_frames_durable() {
    let disk = SimDisk::new(1);
    let mut log = filled(&disk, 0);
    let syncer = log.syncer();
    append(&mut log).unwrap();
    append(&mut log).unwrap();
    let head = std::thread::spawn(move || syncer.sync().unwrap()).join().unwrap();
    assert_eq!(head.number, 2);
    assert_eq!(log.durable(), head);
    append(&mut log).unwrap();
}

#[test]
fn one_log_at_a_time() {
    let disk = SimDisk::new(1);
    let missing = open(&disk).unwrap_err();
    assert_eq!(missing.kind, ErrorKind::NotFound);
    let log = create(&disk).unwrap();
    let locked = open(&disk).unwrap_err();
    assert_eq!(locked.kind, ErrorKind::Locked { by: None });
    assert_eq!(locked.to_string(), "failed to open the log in /data/log: locked by another process");
    assert!(locked.hint().is_some() && locked.source().is_none());
    drop(log);
    assert_eq!(create(&disk).unwrap_err().kind, ErrorKind::AlreadyExists);
    open(&disk).unwrap();
}

#[test]
fn segments_have_whole_blocks() {
    for segment_bytes in [0, 4096, 4097, 10_000] {
        let options = Options { segment_bytes, cut_tail: None };
        let error = Log::create(shared(&SimDisk::new(1)), directory(), options).unwrap_err();
        assert_eq!(error.kind, ErrorKind::Invalid);
    }
}

#[test]
fn the_length_of_segments_may_change() {
    let disk = SimDisk::new(1);
    drop(filled(&disk, 20));
    let options = Options { segment_bytes: 5 * 4096, cut_tail: None };
    let (mut log, _) = Log::open(shared(&disk), directory(), options).unwrap();
    for _ in 0..20 {
        append(&mut log).unwrap();
        log.sync().unwrap();
    }
    assert_eq!(
        Reader::open(shared(&disk), directory()).unwrap().map(Result::unwrap).filter(is_ours).count(),
        40
    );
}

//! The tail rule, case by case: what the end of a log may look like and what is made of it.

use super::harness::{append, directory, draft_of, filled, firsts, open, reader};
use crate::part::Form;
use crate::{Cause, SimDisk, segment};

/// One segment: its header and frames 0 to 4, of which the last two were not synced.
///
/// Frame 0 is block 1, frame 1 blocks 2 to 4, frame 2 block 5, frame 3 blocks 6 to 9, frame 4 block 10.
fn log_with_two_unsynced() -> SimDisk {
    let disk = SimDisk::new(1);
    let mut log = filled(&disk, 3);
    append(&mut log).unwrap();
    append(&mut log).unwrap();
    assert_eq!(firsts(&disk, Form::Written), [0], "five frames in one segment");
    disk
}

#[derive(Debug, PartialEq)]
enum Outcome {
    /// So many frames remain, and whether any were cut.
    Kept(u64, bool),
    Refused(u64, Cause),
}

use Outcome::{Kept, Refused};

fn check(change: impl FnOnce(&mut [&mut [u8]]), expected: &Outcome) {
    let disk = log_with_two_unsynced();
    let path = segment::path_of(directory(), 0);
    disk.tamper(&path, |bytes| change(&mut bytes.chunks_mut(4096).collect::<Vec<_>>())).unwrap();
    disk.kill();
    disk.restart();
    let outcome = match open(&disk) {
        Ok((log, recovery)) => {
            assert_eq!(log.next_number(), recovery.head.number);
            Kept(recovery.head.number, recovery.torn)
        }
        Err(error) => {
            let damage = error.as_damage().unwrap();
            Refused(damage.frame, damage.cause)
        }
    };
    assert_eq!(&outcome, expected);
    if let Kept(frames, _) = outcome {
        // What was cut is gone for good: other frames fit in its place and survive a power cut.
        let (mut log, recovery) = open(&disk).unwrap();
        assert_eq!((recovery.head.number, recovery.torn), (frames, false));
        log.append(frames, &draft_of(8, frames, 5_000)).unwrap();
        log.sync().unwrap();
        disk.crash();
        disk.restart();
        assert_eq!(open(&disk).unwrap().1.head.number, frames + 1);
    }
}

#[test]
fn whole_frames_are_kept() {
    check(|_| (), &Kept(5, false));
}

#[test]
fn a_torn_frame_is_cut_with_what_follows() {
    check(|blocks| blocks[10].fill(0), &Kept(4, false));
    for torn in 6..10 {
        check(|blocks| blocks[torn].fill(0), &Kept(3, true));
        check(
            |blocks| {
                blocks[torn].fill(0);
                blocks[10].fill(0);
            },
            &Kept(3, true),
        );
    }
    // Nothing of one frame, all of the next.
    check(|blocks| blocks[6..10].iter_mut().for_each(|block| block.fill(0)), &Kept(3, true));
    check(|blocks| blocks[6..].iter_mut().for_each(|block| block.fill(0)), &Kept(3, false));
}

#[test]
fn anything_else_is_damage() {
    // An older frame lacks a block.
    check(|blocks| blocks[5].fill(0), &Refused(2, Cause::BytesAfterEnd));
    check(|blocks| blocks[3].fill(0), &Refused(1, Cause::BytesAfterEnd));
    // A torn frame whose other blocks are not what was written.
    let torn_and = |other: usize, expected: &Outcome| {
        check(
            |blocks| {
                blocks[7].fill(0);
                blocks[other][100] ^= 1;
            },
            expected,
        );
    };
    torn_and(6, &Refused(3, Cause::BlockChecksum));
    torn_and(8, &Refused(3, Cause::BlockChecksum));
    torn_and(10, &Refused(3, Cause::BlockChecksum));
    // A flipped byte in frames that were never synced.
    check(|blocks| blocks[6][4095] ^= 1, &Refused(3, Cause::BlockChecksum));
    check(|blocks| blocks[10][4095] ^= 1, &Refused(4, Cause::BlockChecksum));
    // Blocks in the wrong place.
    check(|blocks| blocks.swap_contents(7, 8), &Refused(3, Cause::BlockMisplaced));
    check(
        |blocks| {
            blocks[6].fill(0);
            blocks.swap_contents(7, 8);
        },
        &Refused(3, Cause::BlockMisplaced),
    );
    // A frame that is torn and starts too early for the one before.
    check(
        |blocks| {
            blocks[9].fill(0);
            blocks.swap_contents(9, 10);
        },
        &Refused(3, Cause::BlockMisplaced),
    );
}

trait SwapContents {
    fn swap_contents(&mut self, one: usize, other: usize);
}

impl SwapContents for [&mut [u8]] {
    fn swap_contents(&mut self, one: usize, other: usize) {
        let kept = self[one].to_vec();
        let moved = self[other].to_vec();
        self[one].copy_from_slice(&moved);
        self[other].copy_from_slice(&kept);
    }
}

#[test]
fn a_reader_calls_a_torn_tail_unsynced() {
    let disk = log_with_two_unsynced();
    disk.tamper(&segment::path_of(directory(), 0), |bytes| bytes[4096 * 8..4096 * 9].fill(0)).unwrap();
    let mut reader = reader(&disk).unwrap();
    assert_eq!(reader.by_ref().map(Result::unwrap).count(), 3);
    let tail = reader.tail().unwrap();
    assert!(tail.partial);
    assert_eq!(tail.frames, 0);
}

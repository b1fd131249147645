//! What the tests share: a small log on a simulated disk, and frames with content to recognise.

use std::path::Path;
use std::sync::Arc;

use crate::{Disk, Draft, Frame, Log, Options, Reader, Record, Recovery, Result, SimDisk};

pub(super) const DIRECTORY: &str = "/data/log";

/// Ten blocks and the header: small enough to roll over often.
pub(super) const SMALL: Options = Options { segment_bytes: 11 * 4096, cut_tail: None };

pub(super) fn directory() -> &'static Path {
    Path::new(DIRECTORY)
}

pub(super) fn shared(disk: &SimDisk) -> Arc<dyn Disk> {
    Arc::new(disk.clone())
}

pub(super) fn create(disk: &SimDisk) -> Result<Log> {
    Log::create(shared(disk), directory(), SMALL)
}

pub(super) fn open(disk: &SimDisk) -> Result<(Log, Recovery)> {
    Log::open(shared(disk), directory(), SMALL)
}

pub(super) fn reader(disk: &SimDisk) -> Result<Reader> {
    Reader::open(shared(disk), directory())
}

/// A draft of one or more records that says which it is, `bytes` long in all entries together.
pub(super) fn draft(number: u64, bytes: usize) -> Draft {
    let mut draft = Draft::new(7, 1_000 + number);
    let entry: Vec<u8> = (0..bytes as u64).map(|index| (number * 31 + index * 7) as u8).collect();
    let (first, second) = entry.split_at(bytes / 3);
    for (index, entry) in [first, second].into_iter().enumerate() {
        let salt_key = [number as u8 ^ index as u8; 32];
        draft.push(&Record { salt_key, at: 1_000 + number, kind: index as u8, entry });
    }
    draft
}

/// Sizes from less than one block to four, so that frames end at and between all sorts of places.
pub(super) fn size(number: u64) -> usize {
    [10, 9_000, 3_900, 13_000, 3_877, 1, 4_100][usize::try_from(number % 7).unwrap()]
}

pub(super) fn append(log: &mut Log) -> Result<u64> {
    let number = log.next_number();
    log.append(number, &draft(number, size(number)))?;
    Ok(number)
}

/// Whether `frame` is what [`append`] writes at its number.
pub(super) fn is_ours(frame: &Frame) -> bool {
    let expected = draft(frame.number, size(frame.number));
    frame.payload == expected.payload && frame.count == 2 && frame.rules == 7 && frame.at == expected.at
}

//! What the tests share: a small log on a simulated disk, and frames with content to recognise.

use std::path::Path;
use std::sync::Arc;

use crate::part::{self, Form};
use crate::snapshot::{Skipped, Writer, load_newest};
use crate::{Disk, Draft, Frame, FrameSource, Head, Log, Options, Reader, Record, Recovery, Result, SimDisk};

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

/// First frames of the parts of the log in this form.
pub(super) fn firsts(disk: &SimDisk, form: Form) -> Vec<u64> {
    let listed = part::list(disk, directory()).unwrap().into_iter();
    listed.filter(|part| part.form == form).map(|part| part.first).collect()
}

pub(super) fn reader(disk: &SimDisk) -> Result<Reader> {
    Reader::open(shared(disk), directory())
}

/// A draft of two records whose content follows from the number and the life, `bytes` long together.
///
/// What a later life writes under the same number differs, so that blocks of both can be told apart.
pub(super) fn draft_of(life: u16, number: u64, bytes: usize) -> Draft {
    let mut draft = Draft::new(life, 1_000 + number);
    let first = (number * 31 + u64::from(life) * 101) % 251;
    let entry: Vec<u8> = (0_u8..251).cycle().skip(usize::try_from(first).unwrap()).take(bytes).collect();
    let (first, second) = entry.split_at(bytes / 3);
    for (kind, entry) in (0_u8..).zip([first, second]) {
        draft.push(&Record { salt_key: [kind; 32], at: 1_000 + number, kind, root: None, entry });
    }
    draft
}

pub(super) fn draft(number: u64, bytes: usize) -> Draft {
    draft_of(7, number, bytes)
}

/// Sizes from less than one block to four, so that frames end at and between all sorts of places.
pub(super) fn size(number: u64) -> usize {
    [10, 9_000, 3_870, 13_000, 3_877, 1, 4_100][usize::try_from(number % 7).unwrap()]
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

/// A log of so many durable frames.
pub(super) fn filled(disk: &SimDisk, frames: u64) -> Log {
    let mut log = create(disk).unwrap();
    for _ in 0..frames {
        append(&mut log).unwrap();
        log.sync().unwrap();
    }
    log
}

/// A snapshot as tests see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Snapshot {
    pub(super) head: Head,
    pub(super) bytes: Vec<u8>,
}

/// Stores a snapshot in two pieces.
pub(super) fn store_snapshot(disk: Arc<dyn Disk>, directory: &Path, snapshot: &Snapshot) -> Result<()> {
    let mut writer = Writer::create(disk, directory)?;
    let (first, second) = snapshot.bytes.split_at(snapshot.bytes.len() / 3);
    writer.write(first)?;
    writer.write(second)?;
    writer.finish(snapshot.head).map(drop)
}

/// The newest snapshot, all of it.
pub(super) fn load_snapshot(
    disk: &dyn Disk,
    directory: &Path,
    source: &FrameSource,
) -> Result<(Option<Snapshot>, Vec<Skipped>)> {
    let (newest, skipped) = load_newest(disk, directory, source, |_, content| {
        let mut bytes = vec![0; usize::try_from(content.left()).unwrap()];
        content.read(&mut bytes)?;
        Ok(Some(bytes))
    })?;
    Ok((newest.map(|(head, bytes)| Snapshot { head, bytes }), skipped))
}

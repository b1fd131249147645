//! Snapshots of the views: what a start goes on from, so that it need not fold a whole log.
//!
//! The ordering stage says of which moment one is, as nothing is half done then. It is written once that moment is durable, slice
//! by slice between submissions, so that nobody waits for it.
//!
//! A snapshot proves nothing, and the log has everything. So one that is damaged, of another log, or not of this build is passed
//! over, and the views are folded from an older one or from the first entry.
//!
//! Content, numbers least significant byte first: what this build means by it (32 bytes), the tree over all entries, what of the
//! views is in no table, then slices of their tables in order. The tree, the rest and each slice are preceded by their length
//! (8 bytes), a slice by the number of its table as well (8 bytes).
use crate::error::Result;
use crate::handle::Shared;
use crate::open::Folded;
use crate::views::{Rest, Views};
use sha2::{Digest as _, Sha256};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use sycee_core::table::Rows;
use sycee_log::snapshot::{Content, Writer, discard, load_newest};
use sycee_log::{Disk, FrameSource, Frontier, Head};

/// Raised when the same entries would lead to other views of the same shape.
const MEANING: u8 = 1;
/// The shape of all that is stored: a build with another one reads no snapshot of this one.
const SCHEMA: &str = include_str!("../../../fixtures/schema.txt");
/// Bytes of a slice, about; it takes less than a millisecond. Tests have small states, and cut them as often.
const SLICE_BYTES: usize = if cfg!(test) { 256 } else { 128 * 1024 };

/// A snapshot of a moment that is durable.
#[derive(Debug)]
pub(crate) struct Job {
    pub(crate) rest: Rest,
    /// The log and the tree at that moment.
    pub(crate) head: Head,
    pub(crate) tree: Frontier,
}

/// Writes snapshots.
#[derive(Clone, Debug)]
pub(crate) struct Snapshots {
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) directory: PathBuf,
    pub(crate) shared: Arc<Shared>,
}

impl Snapshots {
    /// Writes one while the views go on; how many bytes it has. None if the node is stopping, which takes another one at once.
    pub(crate) fn store(&self, job: &Job) -> Result<Option<u64>> {
        let stored = self.write(job);
        if !matches!(stored, Ok(Some(_))) {
            self.shared.change(|views| views.tables().for_each(Rows::thaw));
            // On a full disk the log needs the room more; and where even this fails, the next attempt does it.
            drop(discard(&*self.disk, &self.directory));
        }
        stored
    }

    fn write(&self, job: &Job) -> Result<Option<u64>> {
        let Some(writer) = self.write_content(job)? else { return Ok(None) };
        Ok(Some(writer.finish(job.head)?))
    }

    fn write_content(&self, Job { rest, head: _, tree }: &Job) -> Result<Option<Writer>> {
        let mut writer = Writer::create(Arc::clone(&self.disk), &self.directory)?;
        writer.write(&meaning())?;
        let rest = minicbor::to_vec(rest).expect("encoding into memory does not fail");
        for bytes in [tree.to_bytes(), rest] {
            writer.write(&(bytes.len() as u64).to_le_bytes())?;
            writer.write(&bytes)?;
        }
        let (mut table, mut more) = (0, true);
        let mut slice = Vec::with_capacity(SLICE_BYTES * 2);
        loop {
            slice.clear();
            let found = self.shared.change(|views| {
                let next = views.tables().nth(table);
                next.map(|next| more = next.slice(SLICE_BYTES, &mut slice)).is_some()
            });
            match found {
                Some(true) if !self.shared.closing.load(Ordering::Acquire) => {}
                Some(false) => return Ok(Some(writer)),
                Some(true) | None => return Ok(None),
            }
            if !slice.is_empty() {
                writer.write(&(table as u64).to_le_bytes())?;
                writer.write(&(slice.len() as u64).to_le_bytes())?;
                writer.write(&slice)?;
            }
            table += usize::from(!more);
        }
    }
}

/// What the newest snapshot has that belongs to this log, and the number of the frame to go on from.
pub(crate) fn load(disk: &dyn Disk, directory: &Path, source: &FrameSource) -> Result<(Folded, u64)> {
    let (newest, skipped) = load_newest(disk, directory, source, read)?;
    for skipped in skipped {
        tracing::warn!("passed over {skipped}");
    }
    Ok(newest.map_or_else(Default::default, |(head, folded)| (folded, head.number)))
}

fn read(head: Head, content: &mut Content) -> io::Result<Option<Folded>> {
    let mut known = [0; 32];
    content.read(&mut known)?;
    if known != meaning() {
        return Ok(None);
    }
    let (tree, rest) = (sized(content)?, sized(content)?);
    let (Some(tree), Ok(rest)) = (Frontier::from_bytes(&tree), sycee_core::exact::decode::<Rest>(&rest))
    else {
        return Ok(None);
    };
    if (rest.position, tree.size()) != (head.position, head.position) {
        return Ok(None);
    }
    let mut views = Views::default();
    let mut tables = views.tables();
    let mut current = None;
    while content.left() > 0 {
        let mut number = [0; 8];
        content.read(&mut number)?;
        let number = u64::from_le_bytes(number);
        // Slices come table by table; what is loaded of one is put in its place before the next takes memory.
        while current.as_ref().is_none_or(|(known, _)| *known < number) {
            let next = current.as_ref().map_or(0, |(known, _)| known + 1);
            let Some(table) = tables.next() else { return Ok(None) };
            if let Some((_, done)) = current.replace((next, table)) {
                done.loaded();
            }
        }
        let slice = sized(content)?;
        let table = current.as_mut().filter(|(known, _)| *known == number);
        if table.is_none_or(|(_, table)| table.load(&slice).is_err()) {
            return Ok(None);
        }
    }
    if let Some((_, last)) = current {
        last.loaded();
    }
    drop(tables);
    views.resume(rest);
    Ok(Some(Folded { views, tree }))
}

/// Bytes that are preceded by their length.
fn sized(content: &mut Content) -> io::Result<Vec<u8>> {
    let mut length = [0; 8];
    content.read(&mut length)?;
    let length = u64::from_le_bytes(length);
    if length > content.left() {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    let mut bytes = vec![0; usize::try_from(length).map_err(|_| io::ErrorKind::FileTooLarge)?];
    content.read(&mut bytes)?;
    Ok(bytes)
}

fn meaning() -> [u8; 32] {
    Sha256::new().chain_update([MEANING]).chain_update(SCHEMA).finalize().into()
}

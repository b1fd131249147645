//! Proofs made from a log directory, running or not: read once to find what is asked for, and once for the hashes it takes.
use super::content::{self, Price};
use crate::cli::What;
use anyhow::{Context as _, Result, anyhow, ensure};
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::path::Path;
use std::sync::Arc;
use sycee_core::entry::{Entry, Event};
use sycee_core::genesis;
use sycee_core::ids::Hash;
use sycee_log::leaf::salt;
use sycee_log::merkle::file::{Content, Growth, Proof, Shown};
use sycee_log::merkle::{Subtree, proof};
use sycee_log::{Checkpoint, Disk, Frontier, Reader, RealDisk, Record, Verifier, checkpoint};
use sycee_node::seal;

/// The key that a log's checkpoints are signed with, as its charter says.
pub(super) fn key(directory: &Path) -> Result<Verifier> {
    let mut charter = None;
    each(directory, |position, record| {
        charter = entry(position, record)?.events.into_iter().find_map(|event| match event {
            Event::Genesis(genesis::Event::Founded { charter, .. }) => Some(charter),
            _ => None,
        });
        Ok(Go::Stop)
    })?;
    let charter = charter.context("failed to find the founding entry")?;
    Verifier::new(&charter.origin, &charter.public_key).context("failed to read the key in the charter")
}

/// The proof of a receipt with its price's, or of the entry at a position.
pub(super) fn proof(directory: &Path, what: What, with_others: bool) -> Result<Proof> {
    let found = match what {
        What::Position(position) => at(directory, position)?,
        What::Receipt(request) => find(directory, |entry| content::closed(entry).contains(&request))?,
    };
    let (entry, shown) =
        found.with_context(|| format!("failed to find {what} in {}", directory.display()))?;
    if !with_others {
        alone(&entry, what)?;
    }
    let beside = price_of(directory, &entry)?;
    assemble(directory, shown, beside.into_iter().collect())
}

/// The paths from what is shown to the root of the log's latest checkpoint.
pub(super) fn assemble(directory: &Path, shown: Shown, beside: Vec<Shown>) -> Result<Proof> {
    let signed = Signed::read(directory, None)?;
    let (index, size) = (shown.leaf.position, signed.checkpoint.size);
    ensure!(
        index < size,
        "failed to prove position {index}: the latest checkpoint has {size} entries\n  hint: wait a second and ask again"
    );
    let indices = beside.iter().map(|shown| shown.leaf.position).chain([index]);
    let hashes = hashes(directory, &signed, indices.flat_map(|index| path_of(index, size)))?;
    let path = |index| filled(&hashes, |read| proof::inclusion(index, size, read));
    let beside = beside.into_iter().map(|shown| (shown.clone(), path(shown.leaf.position))).collect();
    Ok(Proof { path: path(index), shown, index, beside, checkpoint: signed.note })
}

/// The proof that the log of its latest checkpoint began as a kept one says.
pub(super) fn growth(directory: &Path, kept: &Path) -> Result<Growth> {
    let signed = Signed::read(directory, None)?;
    let old = Signed::read(directory, Some(kept))?.checkpoint.size;
    let size = signed.checkpoint.size;
    ensure!(old <= size, "failed to go back from {size} entries to {old}: the kept checkpoint has more");
    let mut wanted = Vec::new();
    proof::consistency(old, size, note(&mut wanted)).unwrap_or_else(|never| match never {});
    let hashes = hashes(directory, &signed, wanted)?;
    let path = filled(&hashes, |read| proof::consistency(old, size, read));
    Ok(Growth { old, path, checkpoint: signed.note })
}

/// A checkpoint of a log: the one beside it, or one that was kept.
struct Signed {
    note: String,
    checkpoint: Checkpoint,
}

impl Signed {
    fn read(directory: &Path, kept: Option<&Path>) -> Result<Self> {
        let note = match kept {
            Some(path) => super::text_of(path)?,
            None => checkpoint::load(&RealDisk, directory)?
                .context("failed to find a checkpoint beside the log\n  hint: `sycee serve` signs one")?,
        };
        let name = kept
            .map_or_else(|| "the checkpoint beside the log".to_owned(), |path| path.display().to_string());
        let checkpoint =
            Checkpoint::open(&note, &key(directory)?).with_context(|| format!("failed to trust {name}"))?;
        Ok(Self { note, checkpoint })
    }
}

enum Go {
    On,
    Stop,
}

/// Calls for each durable record of a log and its position, until it is told to stop.
fn each(directory: &Path, mut call: impl FnMut(u64, &Record<'_>) -> Result<Go>) -> Result<()> {
    let disk: Arc<dyn Disk> = Arc::new(RealDisk);
    let mut reader = Reader::open(disk, directory)?;
    while let Some(frame) = reader.next_frame()? {
        let unread = |cause| anyhow!("failed to read frame {}: {cause}", frame.number);
        for (position, record) in frame.records().map_err(unread)? {
            if let Go::Stop = call(position, &record)? {
                return Ok(());
            }
        }
    }
    Ok(())
}

fn entry(position: u64, record: &Record<'_>) -> Result<Entry> {
    seal::open(record, position).with_context(|| format!("failed to read position {position}"))
}

fn shown(position: u64, record: &Record<'_>) -> Result<Shown> {
    ensure!(
        record.root.is_none(),
        "failed to show position {position}: it commits to lines of metering, which are shown one by one"
    );
    let content = Content::Entry(record.entry.to_vec());
    Ok(Shown { leaf: record.leaf(position), salt: salt(&record.salt_key), content })
}

/// The first entry that is `wanted`, with what shows it. Lines of metering are passed over.
fn find(directory: &Path, wanted: impl Fn(&Entry) -> bool) -> Result<Option<(Entry, Shown)>> {
    let mut found = None;
    each(directory, |position, record| {
        if record.root.is_some() {
            return Ok(Go::On);
        }
        let entry = entry(position, record)?;
        if !wanted(&entry) {
            return Ok(Go::On);
        }
        found = Some((entry, shown(position, record)?));
        Ok(Go::Stop)
    })?;
    Ok(found)
}

fn at(directory: &Path, wanted: u64) -> Result<Option<(Entry, Shown)>> {
    let mut found = None;
    each(directory, |position, record| {
        if position < wanted {
            return Ok(Go::On);
        }
        found = Some((entry(position, record)?, shown(position, record)?));
        Ok(Go::Stop)
    })?;
    Ok(found)
}

/// Refuses an entry that shows requests that were not asked for: whoever gets the file would see them.
fn alone(entry: &Entry, what: What) -> Result<()> {
    let mut requests = content::requests(entry);
    requests.sort_unstable();
    requests.dedup();
    let asked = match what {
        What::Receipt(request) => Some(request),
        What::Position(_) => requests.first().copied(),
    };
    let others = requests.iter().filter(|request| Some(**request) != asked).count();
    ensure!(
        others == 0,
        "failed to show {what} alone: its entry also names {others} other requests\n  hint: if the reader may see them too, add \
         --with-others"
    );
    Ok(())
}

/// The entry that publishes the price of a receipt.
fn price_of(directory: &Path, entry: &Entry) -> Result<Option<Shown>> {
    let receipts = content::receipts(entry);
    let [receipt] = receipts.as_slice() else { return Ok(None) };
    let wanted = (receipt.settled.delivery.offer, receipt.settled.schedule);
    let is_it = |price: Price<'_>| (price.offer, price.schedule) == wanted;
    let published = find(directory, |entry| content::prices(entry).any(is_it))?;
    let (_, shown) = published.with_context(|| format!("failed to find what publishes {}", wanted.1))?;
    Ok(Some(shown))
}

/// The subtrees that the path of a leaf takes.
fn path_of(index: u64, size: u64) -> Vec<Subtree> {
    let mut wanted = Vec::new();
    proof::inclusion(index, size, note(&mut wanted)).unwrap_or_else(|never| match never {});
    wanted
}

/// Reads nothing and notes what would have been read.
fn note(wanted: &mut Vec<Subtree>) -> impl FnMut(Subtree) -> Result<[u8; 32], Infallible> {
    |subtree| {
        wanted.push(subtree);
        Ok([0; 32])
    }
}

fn filled(
    hashes: &BTreeMap<Subtree, Frontier>,
    make: impl FnOnce(
        &mut dyn FnMut(Subtree) -> Result<[u8; 32], Infallible>,
    ) -> Result<Vec<[u8; 32]>, Infallible>,
) -> Vec<[u8; 32]> {
    let mut read = |subtree: Subtree| Ok(hashes.get(&subtree).map_or([0; 32], Frontier::root));
    make(&mut read).unwrap_or_else(|never| match never {})
}

/// The hashes of subtrees, in one walk over the log, which also has to be the one that was signed.
fn hashes(
    directory: &Path,
    signed: &Signed,
    wanted: impl IntoIterator<Item = Subtree>,
) -> Result<BTreeMap<Subtree, Frontier>> {
    let mut hashes: BTreeMap<Subtree, Frontier> =
        wanted.into_iter().map(|it| (it, Frontier::new())).collect();
    let (mut tree, Checkpoint { origin: _, size, root }) = (Frontier::new(), &signed.checkpoint);
    each(directory, |position, record| {
        if position == *size {
            return Ok(Go::Stop);
        }
        let leaf = record.leaf(position).hash();
        tree.push(leaf);
        for (_, part) in hashes.iter_mut().filter(|(it, _)| it.leaves().contains(&position)) {
            part.push(leaf);
        }
        Ok(Go::On)
    })?;
    let is_signed = tree.size() == *size && tree.root() == *root;
    ensure!(
        is_signed,
        "failed to prove anything of {}: its first {size} entries are not those of its checkpoint, but {} with the root {}\n  \
         hint: `sycee verify` says more",
        directory.display(),
        tree.size(),
        Hash(tree.root())
    );
    Ok(hashes)
}

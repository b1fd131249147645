//! Tiles on disk: the hashes that any proof is made from, so that nobody reads the whole log for one.
//!
//! ```text
//! data/log/tiles/
//!   0   the hash of every leaf, 32 bytes each, in order
//!   1   the root over every 256 leaves
//!   2   the root over every 256 of those, and so on
//! ```
//!
//! So the tile of a level and number is the 8 KiB at number × 8 KiB of the level's file, and a leaf takes 32 bytes and an eighth.
//! The rows at the end that fill no tile yet, the *edge*, are held in memory as well.
//!
//! Nothing rests on these files: all of it can be made from the log again. So nothing is ever synced, and nothing is believed.
//! When they are opened, what they end with has to have the roots of the writer's [`Frontier`]; what has not is made again from
//! the leaves' hashes, and those that are not there are asked for. Later each whole tile has to have the root that stands a level
//! above it, up to the edge, whenever it is read: one that has not is made again, or reported with the leaves that are needed for
//! it ([`Unmade::Damaged`], [`TileReader::mend`]). What a crash, a bad disk or an intruder leaves there costs time and never makes
//! a wrong proof.

use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use crate::disk::{Access, Disk, DiskFile};
use crate::error::{Error, ErrorKind, Result};
use crate::frame::Hash;
use crate::merkle::tile::{HEIGHT, Tile, WIDTH, rows};
use crate::merkle::{self, Frontier, Subtree};

mod read;

pub use read::{TileReader, Unmade};

const NAME: &str = "tiles";
const ROW_BYTES: u64 = 32;
const TILE_ROWS: usize = 1 << HEIGHT;

/// The writer's side: whoever commits entries hands on the hashes of their leaves.
#[derive(Debug)]
pub struct Tiles {
    disk: Arc<dyn Disk>,
    directory: PathBuf,
    shared: Arc<RwLock<Held>>,
    /// A write failed: what is on disk is not known any more.
    failed: bool,
}

/// What the writer and its readers share. A reader takes a copy, so that it reads files without holding anybody up.
#[derive(Debug, Clone, Default)]
struct Held {
    /// How many leaves there are.
    size: u64,
    /// The rows of each level that fill no tile yet.
    edge: Vec<Vec<Hash>>,
    /// One for each level.
    files: Vec<Arc<dyn DiskFile>>,
}

impl Tiles {
    /// The tiles beside the log in `directory`, made to be those of the tree that the writer has. `fetch` gives the hashes of leaves
    /// from the log; it is asked for those that the files lack.
    pub fn open<E: From<Error>>(
        disk: Arc<dyn Disk>,
        directory: &Path,
        frontier: &Frontier,
        mut fetch: impl FnMut(Range<u64>) -> Result<Vec<Hash>, E>,
    ) -> Result<Self, E> {
        let directory = directory.join(NAME);
        let failed = |error| Error::io(format!("open {}", directory.display()), error);
        let files = open_files(&*disk, &directory, frontier.size()).map_err(failed)?;
        let mut held = Held { size: frontier.size(), edge: Vec::new(), files };
        for (subtree, root) in frontier.subtrees() {
            let from = if held.has(subtree, &root) { continue } else { held.lacks_from(subtree) };
            let made = held.make(subtree, &root, from, &mut fetch)?
                || held.make(subtree, &root, subtree.leaves().start, &mut fetch)?;
            if !made {
                let context = format!("make {}: the leaves are not those of the tree", directory.display());
                return Err(Error::new(ErrorKind::Invalid, context).into());
            }
        }
        held.cut().map_err(failed)?;
        held.load_edge().map_err(failed)?;
        Ok(Self { disk, directory, shared: Arc::new(RwLock::new(held)), failed: false })
    }

    /// How many leaves there are.
    pub fn size(&self) -> u64 {
        held(&self.shared).size
    }

    /// For those who make proofs.
    pub fn reader(&self) -> TileReader {
        TileReader::new(Arc::clone(&self.shared))
    }

    /// Adds the hashes of the next leaves. Once this has failed nothing is added until the tiles are opened again.
    pub fn push(&mut self, leaves: &[Hash]) -> Result<()> {
        if self.failed {
            return Err(Error::new(ErrorKind::Poisoned, format!("write {}", self.directory.display())));
        }
        let mut next = held(&self.shared);
        let before = next.size;
        let added = next.push(leaves);
        let written = self.write(&mut next, before, &added);
        self.failed = written.is_err();
        written?;
        *self.shared.write().unwrap_or_else(PoisonError::into_inner) = next;
        Ok(())
    }

    fn write(&self, held: &mut Held, before: u64, added: &[Vec<Hash>]) -> Result<()> {
        for (level, hashes) in (0_u8..).zip(added) {
            let path = self.directory.join(level.to_string());
            let failed = |error| Error::io(format!("write {}", path.display()), error);
            if held.files.len() == usize::from(level) {
                held.files.push(file(&*self.disk, &path).map_err(failed)?);
            }
            let file = &held.files[usize::from(level)];
            file.write_at(hashes.as_flattened(), rows(before, level) * ROW_BYTES).map_err(failed)?;
        }
        Ok(())
    }
}

/// The files of every level that a tree of this size has, and of others that are there.
fn open_files(disk: &dyn Disk, directory: &Path, size: u64) -> io::Result<Vec<Arc<dyn DiskFile>>> {
    if !disk.exists(directory)? {
        disk.create_directory(directory)?;
    }
    let mut files = Vec::new();
    for level in 0_u8.. {
        let path = directory.join(level.to_string());
        if rows(size, level) == 0 && !disk.exists(&path)? {
            break;
        }
        files.push(file(disk, &path)?);
    }
    Ok(files)
}

/// The file of a level, which may have been left by another log that was here.
fn file(disk: &dyn Disk, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
    if disk.exists(path)? { disk.open(path, Access::Write) } else { disk.create(path) }
}

/// A copy of what is held. Nothing that is done under the lock can panic.
fn held(shared: &RwLock<Held>) -> Held {
    shared.read().unwrap_or_else(PoisonError::into_inner).clone()
}

impl Held {
    /// Adds leaves to the edge; what every level has got by that.
    fn push(&mut self, leaves: &[Hash]) -> Vec<Vec<Hash>> {
        let mut added: Vec<Vec<Hash>> = Vec::new();
        for leaf in leaves {
            let mut row = *leaf;
            for level in 0.. {
                if self.edge.len() == level {
                    self.edge.push(Vec::new());
                }
                if added.len() == level {
                    added.push(Vec::new());
                }
                added[level].push(row);
                self.edge[level].push(row);
                if self.edge[level].len() < TILE_ROWS {
                    break;
                }
                row = merkle::root(std::mem::take(&mut self.edge[level]));
            }
        }
        self.size += leaves.len() as u64;
        added
    }

    /// Whether the files are long enough for a subtree, and its own rows have this root.
    fn has(&self, subtree: Subtree, root: &Hash) -> bool {
        let (level, range) = subtree.in_tiles();
        let beneath = |level| rows(subtree.leaves().end, level) * ROW_BYTES;
        (0..=level).all(|level| self.length(level) >= beneath(level))
            && self.read(level, range).is_some_and(|it| merkle::root(it) == *root)
    }

    /// From which leaf on the hashes of a subtree's leaves are not there: rows that were never written are zero, or beyond the end.
    fn lacks_from(&self, subtree: Subtree) -> u64 {
        let is_lacking =
            |tile: &Range<u64>| self.read(0, tile.clone()).is_none_or(|it| it.contains(&[0; 32]));
        let first = tiles_of(subtree).find(is_lacking);
        first.map_or_else(|| subtree.leaves().end, |tile| tile.start)
    }

    /// Makes the rows of a subtree again, from the hashes of its leaves: up to `from` those on disk, then those that are fetched.
    /// False if they do not have this root.
    fn make<E: From<Error>>(
        &self,
        subtree: Subtree,
        root: &Hash,
        from: u64,
        fetch: &mut impl FnMut(Range<u64>) -> Result<Vec<Hash>, E>,
    ) -> Result<bool, E> {
        let mut below = Vec::new();
        for tile in tiles_of(subtree) {
            let hashes = if tile.start < from {
                let Some(hashes) = self.read(0, tile) else { return Ok(false) };
                hashes
            } else {
                let hashes = fetch(tile.clone())?;
                self.overwrite(0, tile.start, &hashes)?;
                hashes
            };
            below.push(merkle::root(hashes));
        }
        let mut made = Vec::new();
        for _ in 1..subtree.in_tiles().0 {
            let above = below.chunks_exact(TILE_ROWS).map(|tile| merkle::root(tile.to_vec())).collect();
            made.push(std::mem::replace(&mut below, above));
        }
        let has_root = merkle::root(below.clone()) == *root;
        if has_root && subtree.level >= HEIGHT {
            made.push(below);
            for (level, hashes) in (1_u8..).zip(made) {
                self.overwrite(level, rows(subtree.leaves().start, level), &hashes)?;
            }
        }
        Ok(has_root)
    }

    /// Puts rows where they belong.
    fn overwrite(&self, level: u8, row: u64, hashes: &[Hash]) -> Result<()> {
        let file = &self.files[usize::from(level)];
        file.write_at(hashes.as_flattened(), row * ROW_BYTES)
            .map_err(|error| Error::io(format!("write tiles of level {level}"), error))
    }

    fn length(&self, level: u8) -> u64 {
        self.files.get(usize::from(level)).and_then(|file| file.len().ok()).unwrap_or(0)
    }

    /// Rows of a level as they are on disk; `None` if they cannot be read, for whatever reason.
    fn read(&self, level: u8, rows: Range<u64>) -> Option<Vec<Hash>> {
        let mut hashes = vec![[0; 32]; usize::try_from(rows.end - rows.start).ok()?];
        let file = self.files.get(usize::from(level))?;
        file.read_at(hashes.as_flattened_mut(), rows.start * ROW_BYTES).ok()?;
        Some(hashes)
    }

    /// Cuts off what is beyond the tree.
    fn cut(&self) -> io::Result<()> {
        for (level, file) in (0_u8..).zip(&self.files) {
            let length = rows(self.size, level) * ROW_BYTES;
            if file.len()? > length {
                file.set_len(length)?;
            }
        }
        Ok(())
    }

    /// Takes the rows of tiles that are not whole from the files, where they were found to be right.
    fn load_edge(&mut self) -> io::Result<()> {
        for (level, file) in (0_u8..).zip(&self.files).take_while(|(level, _)| rows(self.size, *level) > 0) {
            let (whole, width) = Tile::layout(self.size, level);
            let mut edge = vec![[0; 32]; usize::from(width)];
            file.read_at(edge.as_flattened_mut(), whole * WIDTH * ROW_BYTES)?;
            self.edge.push(edge);
        }
        Ok(())
    }
}

/// The leaves of a subtree, a tile at a time; less than one if it is smaller.
fn tiles_of(subtree: Subtree) -> impl Iterator<Item = Range<u64>> {
    let Range { start, end } = subtree.leaves();
    (start..end).step_by(TILE_ROWS).map(move |start| start..end.min(start + WIDTH))
}

#[cfg(test)]
mod tests;

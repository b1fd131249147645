//! Proofs out of tiles: each whole tile that is read has to have the root that stands a level above it.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;
use std::sync::{Arc, RwLock};

use super::{Held, TILE_ROWS, held};
use crate::error::Error;
use crate::frame::Hash;
use crate::merkle::proof::{consistency, inclusion, root_at};
use crate::merkle::tile::{HEIGHT, Rows, Tile, WIDTH, rows};
use crate::merkle::{self, Subtree};

/// A reader of the tiles, beside their writer. Cheap to clone.
#[derive(Debug, Clone)]
pub struct TileReader {
    shared: Arc<RwLock<Held>>,
}

/// Why a proof could not be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unmade {
    /// There are not so many leaves, or the smaller tree does not come first.
    OutOfRange,
    /// A tile is not what it was. [`TileReader::mend`] puts it right with the hashes of these leaves.
    Damaged(Range<u64>),
}

impl TileReader {
    pub(super) fn new(shared: Arc<RwLock<Held>>) -> Self {
        Self { shared }
    }

    /// How many leaves there are.
    pub fn size(&self) -> u64 {
        held(&self.shared).size
    }

    /// The root over the first `size` leaves.
    pub fn root(&self, size: u64) -> Result<Hash, Unmade> {
        let mut tiles = self.of(size)?;
        root_at(size, |subtree| tiles.root_of(subtree))
    }

    /// The path of a leaf in the tree of the first `size` leaves.
    pub fn inclusion(&self, index: u64, size: u64) -> Result<Vec<Hash>, Unmade> {
        let mut tiles = self.of(size)?;
        if index >= size {
            return Err(Unmade::OutOfRange);
        }
        inclusion(index, size, |subtree| tiles.root_of(subtree))
    }

    /// How the tree of the first `first` leaves is the beginning of that of `second`.
    pub fn consistency(&self, first: u64, second: u64) -> Result<Vec<Hash>, Unmade> {
        let mut tiles = self.of(second)?;
        if first > second {
            return Err(Unmade::OutOfRange);
        }
        consistency(first, second, |subtree| tiles.root_of(subtree))
    }

    /// The rows of a tile of hashes.
    pub fn tile(&self, tile: &Tile) -> Result<Vec<Hash>, Unmade> {
        let mut tiles = Checked::new(held(&self.shared));
        let Rows::Hashes(level) = tile.rows else { return Err(Unmade::OutOfRange) };
        if !tile.is_in(tiles.held.size) {
            return Err(Unmade::OutOfRange);
        }
        let rows = tiles.tile(level, tile.index)?;
        Ok(rows[..usize::from(tile.width)].to_vec())
    }

    /// Puts right what was reported as damaged: `leaves` are the hashes of those leaves, from the log.
    pub fn mend(&self, damaged: &Range<u64>, leaves: &[Hash]) -> Result<(), Unmade> {
        let count = damaged.end.saturating_sub(damaged.start);
        let subtree = Subtree { level: count.max(1).ilog2(), index: damaged.start / count.max(1) };
        let mut tiles = Checked::new(held(&self.shared));
        let is_one = damaged.end <= tiles.held.size && subtree.leaves() == *damaged;
        if !is_one || leaves.len() as u64 != count || !subtree.level.is_multiple_of(HEIGHT) {
            return Err(Unmade::OutOfRange);
        }
        let root = tiles.root_of(subtree)?;
        let given = |tile: Range<u64>| {
            let start = usize::try_from(tile.start - damaged.start).expect("leaves that are in memory");
            Ok::<_, Error>(leaves[start..start + TILE_ROWS].to_vec())
        };
        // What is not of this tree is not written.
        let is_right = merkle::root(leaves.to_vec()) == root;
        if is_right && tiles.held.make(subtree, &root, damaged.start, &mut { given }).unwrap_or(false) {
            return Ok(());
        }
        Err(Unmade::Damaged(damaged.clone()))
    }

    fn of(&self, size: u64) -> Result<Checked, Unmade> {
        let held = held(&self.shared);
        if size <= held.size { Ok(Checked::new(held)) } else { Err(Unmade::OutOfRange) }
    }
}

/// Tiles as they are read for one proof, which takes several rows of the same.
struct Checked {
    held: Held,
    read: BTreeMap<(u8, u64), Vec<Hash>>,
}

impl Checked {
    fn new(held: Held) -> Self {
        Self { held, read: BTreeMap::new() }
    }

    /// The root of a complete subtree.
    fn root_of(&mut self, subtree: Subtree) -> Result<Hash, Unmade> {
        let (level, range) = subtree.in_tiles();
        let rows = self.tile(level, range.start / WIDTH)?;
        let start = within(range.start);
        let count = usize::try_from(range.end - range.start).expect("at most half a tile");
        Ok(merkle::root(rows[start..start + count].to_vec()))
    }

    /// The rows of a tile: all of a whole one, those that there are of another.
    fn tile(&mut self, level: u8, index: u64) -> Result<&[Hash], Unmade> {
        if index == rows(self.held.size, level) / WIDTH {
            return Ok(&self.held.edge[usize::from(level)]);
        }
        if !self.read.contains_key(&(level, index)) {
            let root = self.tile(level + 1, index / WIDTH)?[within(index)];
            let tile = self.whole(level, index, &root)?;
            self.read.insert((level, index), tile);
        }
        Ok(&self.read[&(level, index)])
    }

    /// A whole tile with this root, made again if it has another.
    fn whole(&self, level: u8, index: u64, root: &Hash) -> Result<Vec<Hash>, Unmade> {
        let read = || {
            let tile = self.held.read(level, index * WIDTH..(index + 1) * WIDTH)?;
            (merkle::root(tile.clone()) == *root).then_some(tile)
        };
        let subtree = Subtree { level: HEIGHT * (u32::from(level) + 1), index };
        let none = &mut |_| -> Result<Vec<Hash>, Error> { unreachable!("none are fetched") };
        let again = || {
            let made = level > 0 && self.held.make(subtree, root, u64::MAX, none).unwrap_or(false);
            made.then(read).flatten()
        };
        read().or_else(again).ok_or_else(|| Unmade::Damaged(subtree.leaves()))
    }
}

/// Where a row is in its tile.
fn within(row: u64) -> usize {
    usize::try_from(row % WIDTH).expect("less than a tile")
}

impl fmt::Display for Unmade {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OutOfRange => formatter.write_str("there are not so many leaves"),
            Self::Damaged(Range { start, end }) => {
                write!(formatter, "the tile over the leaves from {start} to {end} is damaged")
            }
        }
    }
}

impl std::error::Error for Unmade {}

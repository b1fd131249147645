//! Tiles (c2sp.org/tlog-tiles): the tree in pieces that never change, for whoever makes proofs by themselves.
//!
//! A tile of level 0 has the hashes of 256 leaves; a row of a tile of level 1 is the root over one whole tile of level 0, and so
//! on. Levels of the tree between those are computed. The last tile of a level may have fewer rows: it is then named with how many,
//! so that a tile of a name has one content for ever.
//!
//! ```text
//! tile/0/x001/x234/067          the tile of level 0 with the number 1,234,067
//! tile/1/004.p/8                the first 8 rows of the tile of level 1 with the number 4
//! tile/entries/x001/x234/067    the leaf data that the tile of that number has the hashes of
//! ```

use std::fmt;
use std::ops::Range;
use std::str::FromStr;

use super::proof::Subtree;

/// Levels of the tree that a tile spans.
pub const HEIGHT: u32 = 8;
/// Rows of a whole tile.
pub const WIDTH: u64 = 1 << HEIGHT;
/// Tiles of the highest level that a tree of 2^64 leaves would have, and more than are served.
const LEVEL_MAX: u8 = 63;

/// What the rows of a tile are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Rows {
    /// Hashes, of this level of tiles.
    Hashes(u8),
    /// Leaf data, each with its length before it.
    Entries,
}

/// A tile, or as much of it as there was once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tile {
    pub rows: Rows,
    pub index: u64,
    /// How many rows it has: at least one, at most [`WIDTH`].
    pub width: u16,
}

impl Tile {
    /// The row numbers, counted over all tiles of its level.
    pub fn range(&self) -> Range<u64> {
        let start = self.index * WIDTH;
        start..start + u64::from(self.width)
    }

    /// Whether a tree of `size` leaves has it.
    pub fn is_in(&self, size: u64) -> bool {
        let level = match self.rows {
            Rows::Hashes(level) => level,
            Rows::Entries => 0,
        };
        self.range().end <= rows(size, level)
    }

    /// The tiles of one level of a tree of `size` leaves: how many are whole, and how many rows one more has.
    pub fn layout(size: u64, level: u8) -> (u64, u16) {
        let rows = rows(size, level);
        (rows / WIDTH, u16::try_from(rows % WIDTH).expect("less than a tile"))
    }
}

/// How many rows the tiles of a level have in a tree of `size` leaves.
pub fn rows(size: u64, level: u8) -> u64 {
    size.checked_shr(HEIGHT * u32::from(level)).unwrap_or(0)
}

impl Subtree {
    /// The level of tiles whose rows it is the root over, and which of them.
    pub fn in_tiles(self) -> (u8, Range<u64>) {
        let level = u8::try_from(self.level / HEIGHT).expect("a tree has 64 levels");
        let height = self.level % HEIGHT;
        (level, self.index << height..(self.index + 1) << height)
    }
}

/// As in an address.
impl fmt::Display for Tile {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.rows {
            Rows::Hashes(level) => write!(formatter, "tile/{level}/")?,
            Rows::Entries => formatter.write_str("tile/entries/")?,
        }
        let digits = self.index.to_string();
        let digits = format!("{:0>1$}", digits, digits.len().next_multiple_of(3));
        let last = digits.len() - 3;
        for start in (0..last).step_by(3) {
            write!(formatter, "x{}/", &digits[start..start + 3])?;
        }
        formatter.write_str(&digits[last..])?;
        if u64::from(self.width) < WIDTH { write!(formatter, ".p/{}", self.width) } else { Ok(()) }
    }
}

/// Text that is no tile's address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotATile;

impl FromStr for Tile {
    type Err = NotATile;

    fn from_str(address: &str) -> Result<Self, NotATile> {
        let tile = parse(address).ok_or(NotATile)?;
        // There is one address for a tile.
        if tile.to_string() == address { Ok(tile) } else { Err(NotATile) }
    }
}

fn parse(address: &str) -> Option<Tile> {
    let (rows, rest) = address.strip_prefix("tile/")?.split_once('/')?;
    let rows = match rows {
        "entries" => Rows::Entries,
        level => Rows::Hashes(level.parse().ok().filter(|level| *level <= LEVEL_MAX)?),
    };
    let (digits, width) = match rest.split_once(".p/") {
        Some((digits, width)) => (digits, width.parse().ok().filter(|width| (1..256).contains(width))?),
        None => (rest, 256),
    };
    let index: u64 = digits.replace(['x', '/'], "").parse().ok()?;
    // So that the numbers of its rows are numbers.
    (index < u64::MAX / WIDTH).then_some(Tile { rows, index, width })
}

impl fmt::Display for NotATile {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("this is no tile's address")
    }
}

impl std::error::Error for NotATile {}

#[cfg(test)]
mod tests {
    use super::*;

    fn tile(rows: Rows, index: u64, width: u16) -> Tile {
        Tile { rows, index, width }
    }

    /// The examples of c2sp.org/tlog-tiles, and what follows from its text.
    #[test]
    fn a_tile_has_one_address() {
        for (address, rows, index, width) in [
            ("tile/0/x001/x234/067", Rows::Hashes(0), 1_234_067, 256),
            ("tile/entries/x001/x234/067", Rows::Entries, 1_234_067, 256),
            ("tile/entries/000.p/1", Rows::Entries, 0, 1),
            ("tile/63/999.p/255", Rows::Hashes(63), 999, 255),
            ("tile/1/x001/000.p/8", Rows::Hashes(1), 1_000, 8),
        ] {
            assert_eq!(tile(rows, index, width).to_string(), address);
            assert_eq!(address.parse(), Ok(tile(rows, index, width)));
        }
        for address in [
            "",
            "tile/",
            "tile/0",
            "tile/0/",
            "tile/0/1",
            "tile/0/0001",
            "tile/0/x000/001",
            "tile/0/001/002",
            "tile/0/x001/x002",
            "tile/00/001",
            "tile/64/001",
            "tile/-1/001",
            "tile/+1/001",
            "tile/data/001",
            "tile/0/001.p/0",
            "tile/0/001.p/256",
            "tile/0/001.p/08",
            "tile/0/001.p/",
            "tile/0/001/",
            "/tile/0/001",
            "tile/0/x072/x057/x594/x037/x927/935",
            "tile/0/x999/x999/x999/x999/x999/x999/x999/999",
        ] {
            assert_eq!(address.parse::<Tile>(), Err(NotATile), "{address}");
        }
        let last = tile(Rows::Hashes(0), u64::MAX / WIDTH - 1, 256);
        assert_eq!(last.to_string().parse(), Ok(last));
    }

    /// c2sp.org/tlog-tiles: "a tree of size 70,000 will be represented by" these, and one of 256 by a whole tile and one row.
    #[test]
    fn a_tree_has_the_tiles_that_the_standard_says() {
        let of = |size| (0..4).map(|level| Tile::layout(size, level)).collect::<Vec<_>>();
        assert_eq!(of(70_000), [(273, 112), (1, 17), (0, 1), (0, 0)]);
        assert_eq!(of(256), [(1, 0), (0, 1), (0, 0), (0, 0)]);
        assert_eq!(Tile::layout(u64::MAX, 7), (0, 255));
        assert_eq!(Tile::layout(u64::MAX, 8), (0, 0));
    }

    #[test]
    fn a_tree_has_the_tiles_that_its_leaves_fill() {
        for (address, size) in [
            ("tile/0/000.p/1", 1),
            ("tile/0/000", 256),
            ("tile/entries/000", 256),
            ("tile/1/000.p/1", 256),
            ("tile/1/000.p/17", 17 * 256),
            ("tile/2/000.p/1", 65_536),
            ("tile/0/273.p/112", 70_000),
        ] {
            let tile: Tile = address.parse().unwrap();
            assert!(tile.is_in(size) && tile.is_in(size + 1) && !tile.is_in(size - 1), "{address}");
        }
        assert!(!"tile/63/000.p/1".parse::<Tile>().unwrap().is_in(u64::MAX));
    }

    #[test]
    fn a_subtree_is_over_rows_of_one_tile() {
        for (level, index, tiles, rows) in
            [(0, 5, 0, 5..6), (7, 3, 0, 384..512), (8, 3, 1, 3..4), (10, 70, 1, 280..284), (16, 0, 2, 0..1)]
        {
            let subtree = Subtree { level, index };
            assert_eq!(subtree.in_tiles(), (tiles, rows.clone()));
            let leaves = |row: u64| row << (HEIGHT * u32::from(tiles));
            assert_eq!(subtree.leaves(), leaves(rows.start)..leaves(rows.end));
        }
    }
}

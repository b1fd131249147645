//! Proofs (RFC 9162, sections 2.1.3 and 2.1.4; the same as in RFC 6962, section 2.1): that a leaf is in a tree, and that one tree
//! is how another began.
//!
//! Whoever makes a proof needs the roots of some complete subtrees, a few for each level, and says for each which it is; where
//! they come from is the caller's to know. Whoever checks one needs the proof and the roots, nothing else.

use std::fmt;
use std::ops::Range;

use super::node_hash;
use crate::frame::Hash;

/// A complete subtree: the `1 << level` leaves from `index << level` on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Subtree {
    pub level: u32,
    pub index: u64,
}

impl Subtree {
    /// The leaves beneath it.
    pub fn leaves(self) -> Range<u64> {
        self.index << self.level..(self.index + 1) << self.level
    }
}

/// Why a proof proves nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unproved {
    /// The tree has no such leaf, or is the smaller one.
    OutOfRange,
    /// The path is shorter or longer than in a tree of this size.
    Length,
    /// The path leads to another root.
    OtherRoot,
    /// The path does not begin with the tree that was there before.
    OtherBeginning,
}

/// The path of a leaf in a tree of `size` leaves: its sister, then the sister of what they make, up to the root's child. Panics if
/// the tree has no such leaf.
pub fn inclusion<E>(
    index: u64,
    size: u64,
    mut read: impl FnMut(Subtree) -> Result<Hash, E>,
) -> Result<Vec<Hash>, E> {
    assert!(index < size, "a proof is for a leaf that is there");
    let (mut sisters, mut tree) = (Vec::new(), 0..size);
    while tree.end - tree.start > 1 {
        let (left, right) = halves(&tree);
        let (next, sister) = if index < left.end { (left, right) } else { (right, left) };
        sisters.push(sister);
        tree = next;
    }
    sisters.into_iter().rev().map(|sister| root_of(sister, &mut read)).collect()
}

/// How the tree of the first `first` leaves is the beginning of the one of `second`: empty if it is nothing or the whole. Panics if
/// it is larger.
pub fn consistency<E>(
    first: u64,
    second: u64,
    mut read: impl FnMut(Subtree) -> Result<Hash, E>,
) -> Result<Vec<Hash>, E> {
    assert!(first <= second, "the smaller tree comes first");
    if first == 0 || first == second {
        return Ok(Vec::new());
    }
    let (mut parts, mut tree) = (Vec::new(), 0..second);
    while first != tree.end {
        let (left, right) = halves(&tree);
        let (next, sister) = if first <= left.end { (left, right) } else { (right, left) };
        parts.push(sister);
        tree = next;
    }
    // Where the first tree is complete, whoever checks the proof has its root.
    if tree.start > 0 {
        parts.push(tree);
    }
    parts.into_iter().rev().map(|part| root_of(part, &mut read)).collect()
}

/// The root over the first `size` leaves.
pub fn root_at<E>(size: u64, mut read: impl FnMut(Subtree) -> Result<Hash, E>) -> Result<Hash, E> {
    if size == 0 { Ok(super::root(Vec::new())) } else { root_of(0..size, &mut read) }
}

/// The two trees that a tree of more than one leaf is made of.
fn halves(tree: &Range<u64>) -> (Range<u64>, Range<u64>) {
    let left = 1 << (tree.end - tree.start - 1).ilog2();
    (tree.start..tree.start + left, tree.start + left..tree.end)
}

/// The root over leaves that make one side of a tree, from the complete subtrees they split into.
fn root_of<E>(leaves: Range<u64>, read: &mut impl FnMut(Subtree) -> Result<Hash, E>) -> Result<Hash, E> {
    let (mut start, mut roots) = (leaves.start, Vec::new());
    while start < leaves.end {
        let level = (leaves.end - start).ilog2();
        roots.push(read(Subtree { level, index: start >> level })?);
        start += 1 << level;
    }
    let joined = roots.into_iter().rev().reduce(|right, left| node_hash(&left, &right));
    Ok(joined.expect("a side of a tree has leaves"))
}

/// The root that a path leads to from a leaf; `None` if the path is not of the length that it has in a tree of this size.
pub fn root_of_inclusion(leaf: Hash, index: u64, size: u64, path: &[Hash]) -> Option<Hash> {
    if index >= size {
        return None;
    }
    let (mut place, mut last, mut root) = (index, size - 1, leaf);
    for sister in path {
        if last == 0 {
            return None;
        }
        if place & 1 == 1 || place == last {
            root = node_hash(sister, &root);
            // A tree without a sister went up as it was.
            while place & 1 == 0 && place != 0 {
                place >>= 1;
                last >>= 1;
            }
        } else {
            root = node_hash(&root, sister);
        }
        place >>= 1;
        last >>= 1;
    }
    (last == 0).then_some(root)
}

/// Whether the leaf is the one at `index` in the tree of `size` leaves with this root.
pub fn verify_inclusion(
    leaf: Hash,
    index: u64,
    size: u64,
    root: &Hash,
    path: &[Hash],
) -> Result<(), Unproved> {
    if index >= size {
        return Err(Unproved::OutOfRange);
    }
    match root_of_inclusion(leaf, index, size, path) {
        None => Err(Unproved::Length),
        Some(reached) if reached != *root => Err(Unproved::OtherRoot),
        Some(_) => Ok(()),
    }
}

/// Whether the tree of `first` leaves is the beginning of the one of `second`, by their roots.
pub fn verify_consistency(
    first: u64,
    first_root: &Hash,
    second: u64,
    second_root: &Hash,
    path: &[Hash],
) -> Result<(), Unproved> {
    if first > second {
        return Err(Unproved::OutOfRange);
    }
    if first == 0 || first == second {
        let known = if first == second { *second_root } else { super::root(Vec::new()) };
        return match (path, *first_root == known) {
            ([_, ..], _) => Err(Unproved::Length),
            ([], false) => Err(Unproved::OtherBeginning),
            ([], true) => Ok(()),
        };
    }
    let (former, latter) = roots_of_consistency(first, first_root, second, path).ok_or(Unproved::Length)?;
    if former != *first_root {
        Err(Unproved::OtherBeginning)
    } else if latter != *second_root {
        Err(Unproved::OtherRoot)
    } else {
        Ok(())
    }
}

/// The roots of both trees by a path between them, neither of which is empty and which are not the same.
fn roots_of_consistency(first: u64, first_root: &Hash, second: u64, path: &[Hash]) -> Option<(Hash, Hash)> {
    let (start, rest) = if first.is_power_of_two() { (first_root, path) } else { path.split_first()? };
    let shared = (first - 1).trailing_ones();
    let (mut place, mut last) = ((first - 1) >> shared, (second - 1) >> shared);
    let (mut former, mut latter) = (*start, *start);
    for part in rest {
        if last == 0 {
            return None;
        }
        if place & 1 == 1 || place == last {
            former = node_hash(part, &former);
            latter = node_hash(part, &latter);
            while place & 1 == 0 && place != 0 {
                place >>= 1;
                last >>= 1;
            }
        } else {
            latter = node_hash(&latter, part);
        }
        place >>= 1;
        last >>= 1;
    }
    (last == 0).then_some((former, latter))
}

impl fmt::Display for Unproved {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::OutOfRange => "the tree is too small for it",
            Self::Length => "the path is not as long as it is in a tree of this size",
            Self::OtherRoot => "the path leads to another root",
            Self::OtherBeginning => "the tree did not begin with the one that was there before",
        })
    }
}

impl std::error::Error for Unproved {}

#[cfg(test)]
mod tests;

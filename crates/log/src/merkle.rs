//! The Merkle tree over the leaves (RFC 6962, section 2.1): here what a writer needs, beneath it how leaves are proved
//! ([`proof`]), what is handed to whom ([`file`]) and in which pieces the tree is ([`tile`]).
//!
//! Appending and the root need only the roots of the complete subtrees that the leaves so far split into: one
//! for each bit that is set in their number. Five leaves:
//!
//! ```text
//!        root = H(a, b)
//!        /            \
//!   a = complete      b = the fifth leaf
//!   tree of 4
//! ```

use sha2::block_api::compress256;
use sha2::{Digest, Sha256};

use crate::frame::Hash;

pub mod file;
pub mod proof;
pub mod tile;

pub use proof::Subtree;

/// The complete subtrees of a growing tree.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Frontier {
    size: u64,
    /// The largest first; as many as bits are set in `size`.
    roots: Vec<Hash>,
}

impl Frontier {
    pub fn new() -> Self {
        Self::default()
    }

    /// How many leaves there are.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Adds the hash of a leaf.
    pub fn push(&mut self, leaf_hash: Hash) {
        let mut root = leaf_hash;
        // Each bit that the addition carries over joins two trees of one size.
        for _ in 0..self.size.trailing_ones() {
            let left = self.roots.pop().expect("a tree for every bit set");
            root = node_hash(&left, &root);
        }
        self.roots.push(root);
        self.size += 1;
    }

    /// The root over all leaves so far.
    pub fn root(&self) -> Hash {
        let joined = self.roots.iter().rev().copied().reduce(|right, left| node_hash(&left, &right));
        joined.unwrap_or_else(|| Sha256::digest([]).into())
    }

    /// The complete subtrees with their roots, the largest first.
    pub fn subtrees(&self) -> impl Iterator<Item = (Subtree, Hash)> + '_ {
        let mut left = self.size;
        self.roots.iter().map(move |root| {
            let (start, level) = (self.size - left, left.ilog2());
            left -= 1 << level;
            (Subtree { level, index: start >> level }, *root)
        })
    }

    /// For a snapshot: the size, then the roots.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = self.size.to_le_bytes().to_vec();
        bytes.extend(self.roots.iter().flatten());
        bytes
    }

    /// What [`Frontier::to_bytes`] gave; `None` for anything else.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (size, roots) = bytes.split_first_chunk()?;
        let size = u64::from_le_bytes(*size);
        let (roots, rest) = roots.as_chunks();
        let whole = rest.is_empty() && roots.len() == size.count_ones() as usize;
        whole.then(|| Self { size, roots: roots.to_vec() })
    }
}

/// The root over leaves whose hashes are given, level by level in place: for those who have them all.
pub fn root(mut level: Vec<Hash>) -> Hash {
    while level.len() > 1 {
        for pair in 0..level.len() / 2 {
            level[pair] = node_hash(&level[2 * pair], &level[2 * pair + 1]);
        }
        if level.len() % 2 == 1 {
            // Has no sister and goes up as it is.
            let last = level.len() - 1;
            level[last / 2] = level[last];
        }
        level.truncate(level.len().div_ceil(2));
    }
    level.pop().unwrap_or_else(|| Sha256::digest([]).into())
}

/// SHA-256 of what is at most as long as `N` blocks hold beside its length. Short hashes are most of what a log of many small
/// things computes, and this spares them the streaming interface.
pub fn short_hash<const N: usize>(parts: &[&[u8]]) -> Hash {
    let mut blocks = [[0; BLOCK]; N];
    let bytes = blocks.as_flattened_mut();
    let mut length = 0;
    for part in parts {
        bytes[length..length + part.len()].copy_from_slice(part);
        length += part.len();
    }
    bytes[length] = 0x80;
    let used = (length + 1 + size_of::<u64>()).div_ceil(BLOCK);
    bytes[used * BLOCK - size_of::<u64>()..used * BLOCK].copy_from_slice(&(length as u64 * 8).to_be_bytes());
    let mut state = START;
    compress256(&mut state, &blocks[..used]);
    let mut hash = [0; 32];
    for (bytes, word) in hash.as_chunks_mut().0.iter_mut().zip(state) {
        *bytes = word.to_be_bytes();
    }
    hash
}

const BLOCK: usize = 64;
/// FIPS 180-4, section 5.3.3.
const START: [u32; 8] =
    [0x6a09_e667, 0xbb67_ae85, 0x3c6e_f372, 0xa54f_f53a, 0x510e_527f, 0x9b05_688c, 0x1f83_d9ab, 0x5be0_cd19];

/// SHA-256(0x00 ‖ data).
pub fn leaf_hash(data: &[u8]) -> Hash {
    Sha256::new().chain_update([0]).chain_update(data).finalize().into()
}

/// SHA-256(0x01 ‖ left ‖ right).
pub fn node_hash(left: &Hash, right: &Hash) -> Hash {
    short_hash::<2>(&[&[1], left, right])
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The definition of RFC 6962 as it stands: split at the largest power of two below the size.
    fn root_of(leaves: &[Hash]) -> Hash {
        match leaves {
            [] => Sha256::digest([]).into(),
            [leaf] => *leaf,
            _ => {
                let (left, right) = leaves.split_at(leaves.len().next_power_of_two() / 2);
                node_hash(&root_of(left), &root_of(right))
            }
        }
    }

    fn hex(hash: &[u8]) -> String {
        hash.iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
    }

    /// Vectors of the RFC 6962 hasher in github.com/transparency-dev/merkle, which fixes the first bytes.
    #[test]
    fn hashes_are_those_of_rfc_6962() {
        let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(hex(&Frontier::new().root()), empty);
        assert!(hex(&leaf_hash(b"")).starts_with("6e340b9c"));
        assert!(hex(&leaf_hash(b"L123456")).starts_with("395aa064"));
        assert!(hex(&short_hash::<1>(&[&[1], b"N123", b"N456"])).starts_with("aa217fe8"));
    }

    #[test]
    fn a_short_hash_is_the_hash() {
        let bytes: Vec<u8> = (0..=255).collect();
        for length in 0..=183 {
            let (one, other) = bytes[..length].split_at(length / 3);
            assert_eq!(short_hash::<3>(&[one, other]), <Hash>::from(Sha256::digest(&bytes[..length])));
        }
    }

    #[test]
    fn the_frontier_agrees_with_the_definition_at_every_size() {
        let mut frontier = Frontier::new();
        let mut leaves = Vec::new();
        for index in 0..300_u32 {
            assert_eq!(frontier.root(), root_of(&leaves), "{index} leaves");
            assert_eq!(root(leaves.clone()), root_of(&leaves), "{index} leaves");
            assert_eq!(Frontier::from_bytes(&frontier.to_bytes()).as_ref(), Some(&frontier));
            let leaf = leaf_hash(&index.to_le_bytes());
            leaves.push(leaf);
            frontier.push(leaf);
            for (subtree, hash) in frontier.subtrees() {
                let beneath = subtree.leaves();
                let beneath = usize::try_from(beneath.start).unwrap()..usize::try_from(beneath.end).unwrap();
                assert_eq!(hash, root_of(&leaves[beneath]), "{subtree:?}");
            }
        }
        assert_eq!(frontier.size(), 300);
        let widths: Vec<_> = frontier.subtrees().map(|(subtree, _)| subtree.level).collect();
        assert_eq!(widths, [8, 5, 3, 2]);
    }

    #[test]
    fn a_frontier_of_another_shape_is_refused() {
        let mut frontier = Frontier::new();
        (0..5_u8).for_each(|index| frontier.push(leaf_hash(&[index])));
        let bytes = frontier.to_bytes();
        for length in 0..bytes.len() {
            assert_eq!(Frontier::from_bytes(&bytes[..length]), None, "{length} bytes");
        }
        assert_eq!(Frontier::from_bytes(&[&bytes[..], &[0; 32]].concat()), None);
    }
}

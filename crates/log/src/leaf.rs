//! Leaves: what the transparency log says of an entry.
//!
//! A leaf shows where an entry stands, when and of what kind it is, and a commitment to its bytes, nothing
//! else. The commitment is salted, so that nobody can guess an entry of few possible values and check. The salt
//! is the start of the `ChaCha20` keystream (RFC 8439, nonce zero) under the entry's salt key; whoever is shown
//! an entry is shown its salt, never the key.
//!
//! Leaf data, little-endian, 50 bytes: version (1), kind (1), position (8), at (8), commitment (32).

use chacha20::ChaCha20;
use chacha20::cipher::{KeyIvInit, StreamCipher};
use sha2::{Digest, Sha256};

use crate::frame::Hash;
use crate::merkle;
use crate::record::{Record, SaltKey};

const VERSION: u8 = 1;

pub const LEAF_BYTES: usize = 50;
pub const SALT_BYTES: usize = 16;

pub type Salt = [u8; SALT_BYTES];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Leaf {
    /// Position of the entry, which is also the index of the leaf.
    pub position: u64,
    /// Nanoseconds UTC.
    pub at: u64,
    pub kind: u8,
    pub commitment: Hash,
}

impl Leaf {
    /// What is hashed into the tree and served with it.
    pub fn data(&self) -> [u8; LEAF_BYTES] {
        let Self { position, at, kind, commitment } = self;
        let mut data = [0; LEAF_BYTES];
        data[0] = VERSION;
        data[1] = *kind;
        data[2..10].copy_from_slice(&position.to_le_bytes());
        data[10..18].copy_from_slice(&at.to_le_bytes());
        data[18..50].copy_from_slice(commitment);
        data
    }

    pub fn hash(&self) -> Hash {
        merkle::leaf_hash(&self.data())
    }
}

impl Record<'_> {
    /// The leaf of this entry at its position.
    pub fn leaf(&self, position: u64) -> Leaf {
        let Self { salt_key, at, kind, root, entry } = self;
        let commitment = root.unwrap_or_else(|| commitment(&salt(salt_key), entry));
        Leaf { position, at: *at, kind: *kind, commitment }
    }
}

/// The salt that a key stands for.
pub fn salt(key: &SaltKey) -> Salt {
    let mut salt = [0; SALT_BYTES];
    ChaCha20::new(&(*key).into(), &[0; 12].into()).apply_keystream(&mut salt);
    salt
}

/// The salt of an entry, and after it those of so many lines of it: the keystream goes on.
pub fn salts(key: &SaltKey, lines: usize) -> Vec<Salt> {
    let mut salts = vec![[0; SALT_BYTES]; lines + 1];
    ChaCha20::new(&(*key).into(), &[0; 12].into()).apply_keystream(salts.as_flattened_mut());
    salts
}

/// SHA-256(salt ‖ entry).
pub fn commitment(salt: &Salt, entry: &[u8]) -> Hash {
    Sha256::new().chain_update(salt).chain_update(entry).finalize().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_salt_is_the_start_of_the_keystream() {
        // RFC 8439, appendix A.1, test vector 1.
        let keystream = 0x76b8_e0ad_a0f1_3d90_405d_6ae5_5386_bd28_u128;
        assert_eq!(salt(&[0; 32]), keystream.to_be_bytes());
    }

    #[test]
    fn every_field_is_in_the_leaf() {
        let record = Record { salt_key: [1; 32], at: 5, kind: 3, root: None, entry: b"entry" };
        let leaf = record.leaf(9);
        let mut hashes = vec![leaf.hash()];
        hashes.push(record.leaf(10).hash());
        hashes.push(Record { at: 6, ..record.clone() }.leaf(9).hash());
        hashes.push(Record { kind: 4, ..record.clone() }.leaf(9).hash());
        hashes.push(Record { salt_key: [2; 32], ..record.clone() }.leaf(9).hash());
        hashes.push(Record { entry: b"Entry", ..record.clone() }.leaf(9).hash());
        hashes.push(Record { root: Some([7; 32]), ..record }.leaf(9).hash());
        hashes.sort_unstable();
        hashes.dedup();
        assert_eq!(hashes.len(), 7);
        assert_eq!(leaf.data()[..18], [1, 3, 9, 0, 0, 0, 0, 0, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0]);
    }
}

//! Proofs against the definitions of RFC 6962 as they stand, and against figures of others.

use std::convert::Infallible;

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::merkle::{leaf_hash, root};

/// Hashes of so many leaves that all differ.
fn leaves(count: u64) -> Vec<Hash> {
    (0..count).map(|index| leaf_hash(&index.to_be_bytes())).collect()
}

/// MTH of RFC 6962, section 2.1.
fn naive_root(leaves: &[Hash]) -> Hash {
    match leaves {
        [] => root(Vec::new()),
        [leaf] => *leaf,
        _ => {
            let (left, right) = leaves.split_at(leaves.len().next_power_of_two() / 2);
            node_hash(&naive_root(left), &naive_root(right))
        }
    }
}

/// PATH of RFC 6962, section 2.1.1.
fn naive_inclusion(index: usize, leaves: &[Hash]) -> Vec<Hash> {
    if leaves.len() == 1 {
        return Vec::new();
    }
    let (left, right) = leaves.split_at(leaves.len().next_power_of_two() / 2);
    let (mut path, sister) = match index.checked_sub(left.len()) {
        None => (naive_inclusion(index, left), right),
        Some(index) => (naive_inclusion(index, right), left),
    };
    path.push(naive_root(sister));
    path
}

/// SUBPROOF of RFC 6962, section 2.1.2; `known` while the first tree is one that the checker has the root of.
fn naive_consistency(first: usize, leaves: &[Hash], known: bool) -> Vec<Hash> {
    if first == leaves.len() {
        return if known { Vec::new() } else { vec![naive_root(leaves)] };
    }
    let (left, right) = leaves.split_at(leaves.len().next_power_of_two() / 2);
    let (mut path, sister) = match first.checked_sub(left.len()) {
        None | Some(0) => (naive_consistency(first, left, known), right),
        Some(first) => (naive_consistency(first, right, false), left),
    };
    path.push(naive_root(sister));
    path
}

/// Reads complete subtrees of these leaves, and only such as are there.
fn reader(leaves: &[Hash]) -> impl FnMut(Subtree) -> Result<Hash, Infallible> + '_ {
    |subtree| {
        let Range { start, end } = subtree.leaves();
        Ok(naive_root(&leaves[usize::try_from(start).unwrap()..usize::try_from(end).unwrap()]))
    }
}

fn made_inclusion(index: u64, leaves: &[Hash]) -> Vec<Hash> {
    inclusion(index, leaves.len() as u64, reader(leaves)).unwrap_or_else(|never| match never {})
}

fn made_consistency(first: u64, leaves: &[Hash]) -> Vec<Hash> {
    consistency(first, leaves.len() as u64, reader(leaves)).unwrap_or_else(|never| match never {})
}

fn number(index: usize) -> u64 {
    index as u64
}

#[test]
fn every_proof_of_a_small_tree_is_the_standards_and_holds() {
    let leaves = leaves(70);
    for size in 1..=leaves.len() {
        let (tree, size) = (&leaves[..size], number(size));
        let root = naive_root(tree);
        assert_eq!(root_at(size, reader(tree)), Ok(root));
        for (index, leaf) in tree.iter().enumerate() {
            let path = made_inclusion(number(index), tree);
            assert_eq!(path, naive_inclusion(index, tree), "leaf {index} of {size}");
            assert_eq!(verify_inclusion(*leaf, number(index), size, &root, &path), Ok(()));
        }
        for first in 0..=tree.len() {
            let path = made_consistency(number(first), tree);
            if first > 0 {
                assert_eq!(path, naive_consistency(first, tree, true), "{first} in {size}");
            }
            let former = naive_root(&tree[..first]);
            assert_eq!(verify_consistency(number(first), &former, size, &root, &path), Ok(()));
        }
    }
}

/// No other leaf, place or size passes with a path, in any small tree. A path of one tree can be right in another only where the
/// leaf stands alike in both.
#[test]
fn a_path_proves_one_leaf_in_one_place() {
    let leaves = leaves(24);
    for size in 1..=leaves.len() {
        let tree = &leaves[..size];
        let root = naive_root(tree);
        for index in 0..size {
            let path = made_inclusion(number(index), tree);
            for (other, leaf) in leaves.iter().enumerate() {
                let here = verify_inclusion(*leaf, number(index), number(size), &root, &path).is_ok();
                assert_eq!(here, other == index, "leaf {other} at {index} of {size}");
                let there = verify_inclusion(leaves[index], number(other), number(size), &root, &path);
                assert_eq!(there.is_ok(), other == index, "leaf {index} at {other} of {size}");
            }
            assert_eq!(
                verify_inclusion(leaves[index], number(size), number(size), &root, &path),
                Err(Unproved::OutOfRange)
            );
        }
    }
}

#[test]
fn trees_that_are_no_beginning_are_refused_by_name() {
    let leaves = leaves(20);
    let [seven, twenty] = [7, 20].map(|size| naive_root(&leaves[..size]));
    let path = made_consistency(7, &leaves);
    assert_eq!(verify_consistency(7, &seven, 20, &twenty, &path), Ok(()));
    assert_eq!(verify_consistency(7, &twenty, 20, &twenty, &path), Err(Unproved::OtherBeginning));
    assert_eq!(verify_consistency(7, &seven, 20, &seven, &path), Err(Unproved::OtherRoot));
    assert_eq!(verify_consistency(7, &seven, 20, &twenty, &path[1..]), Err(Unproved::Length));
    assert_eq!(verify_consistency(7, &seven, 20, &twenty, &[]), Err(Unproved::Length));
    assert_eq!(verify_consistency(20, &twenty, 7, &seven, &path), Err(Unproved::OutOfRange));
    assert_eq!(verify_consistency(7, &seven, 7, &seven, &[]), Ok(()));
    assert_eq!(verify_consistency(7, &seven, 7, &twenty, &[]), Err(Unproved::OtherBeginning));
    assert_eq!(verify_consistency(7, &seven, 7, &seven, &path), Err(Unproved::Length));
    let empty = root(Vec::new());
    assert_eq!(root_at(0, reader(&[])), Ok(empty));
    assert_eq!(verify_consistency(0, &empty, 20, &twenty, &[]), Ok(()));
    assert_eq!(verify_consistency(0, &seven, 20, &twenty, &[]), Err(Unproved::OtherBeginning));
    assert_eq!(verify_consistency(0, &empty, 20, &twenty, &path), Err(Unproved::Length));
}

fn hex(hash: &Hash) -> String {
    hash.iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
}

/// The tree of eight leaves that Certificate Transparency's own implementations are tested with: figures of `testdata` in
/// github.com/transparency-dev/merkle.
#[test]
fn proofs_are_those_of_certificate_transparency() {
    let long: Vec<u8> = (0x60..0x70).collect();
    let inputs: [&[u8]; 8] = [
        &[],
        &[0],
        &[0x10],
        &[0x20, 0x21],
        &[0x30, 0x31],
        &[0x40, 0x41, 0x42, 0x43],
        &[0x50, 0x51, 0x52, 0x53, 0x54, 0x55, 0x56, 0x57],
        &long,
    ];
    let leaves = inputs.map(leaf_hash);
    let roots = [
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
        "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
        "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
        "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
        "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
    ];
    for (index, known) in roots.iter().enumerate() {
        assert_eq!(hex(&root(leaves[..=index].to_vec())), *known, "{} leaves", index + 1);
    }
    let from_one: Vec<_> = made_consistency(1, &leaves).iter().map(hex).collect();
    assert_eq!(
        from_one,
        [
            "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
            "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
            "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
        ]
    );
    assert_eq!(from_one, made_inclusion(0, &leaves).iter().map(hex).collect::<Vec<_>>());
}

proptest! {
    #[test]
    fn any_tree_proves_its_leaves_and_its_beginnings(
        leaves in vec(any::<Hash>(), 1..600), index: prop::sample::Index, first: prop::sample::Index,
    ) {
        let (index, first) = (index.index(leaves.len()), first.index(leaves.len()) + 1);
        let (size, root) = (number(leaves.len()), root(leaves.clone()));
        let path = made_inclusion(number(index), &leaves);
        prop_assert_eq!(&path, &naive_inclusion(index, &leaves));
        prop_assert_eq!(verify_inclusion(leaves[index], number(index), size, &root, &path), Ok(()));
        let path = made_consistency(number(first), &leaves);
        prop_assert_eq!(&path, &naive_consistency(first, &leaves, true));
        let former = naive_root(&leaves[..first]);
        prop_assert_eq!(verify_consistency(number(first), &former, size, &root, &path), Ok(()));
    }

    /// A bit of a path, a root or a leaf changed, a hash left out, put in or put elsewhere: nothing of it proves anything.
    #[test]
    fn no_damaged_path_proves_anything(
        size in 2_u64..600, place: prop::sample::Index, bit in 0_usize..256, change in 0..4,
    ) {
        let leaves = leaves(size);
        let root = root(leaves.clone());
        let index = place.index(leaves.len());
        let spoil = |path: &mut Vec<Hash>| {
            let at = place.index(path.len());
            match change {
                0 => path[at][bit / 8] ^= 1 << (bit % 8),
                1 => drop(path.remove(at)),
                2 => path.insert(at, [7; 32]),
                _ => path.push(*path.last().unwrap()),
            }
        };
        let mut path = made_inclusion(number(index), &leaves);
        spoil(&mut path);
        prop_assert!(verify_inclusion(leaves[index], number(index), size, &root, &path).is_err());
        let first = number(place.index(leaves.len() - 1)) + 1;
        let former = naive_root(&leaves[..usize::try_from(first).unwrap()]);
        let mut path = made_consistency(first, &leaves);
        spoil(&mut path);
        prop_assert!(verify_consistency(first, &former, size, &root, &path).is_err());
    }

    /// Whatever is sent as a proof, checking it ends.
    #[test]
    fn no_sizes_make_a_check_panic(
        first: u64, second: u64, root: Hash, path in vec(any::<Hash>(), 0..70),
    ) {
        prop_assert!(verify_inclusion([1; 32], first, second, &root, &path).is_err());
        let proved = verify_consistency(first, &[1; 32], second, &root, &path).is_ok();
        prop_assert!(!proved);
    }
}

//! Proof files: one spelling each, and what they show is what the leaf commits to.

use super::*;
use crate::merkle::{proof, root};
use crate::record::Record;
use crate::{Checkpoint, Signer};

fn shown(position: u64) -> Shown {
    let key = [3; 32];
    let record = Record { salt_key: key, at: 5, kind: 1, root: None, entry: b"an entry" };
    let content = Content::Entry(record.entry.to_vec());
    Shown { leaf: record.leaf(position), salt: leaf::salt(&key), content }
}

/// Line 4 of 5, and the leaf of the entry that has them.
fn shown_line() -> Shown {
    let key = [4; 32];
    let lines = [b"a".as_slice(), b"bb", b"ccc", b"dd", b"e"];
    let salts = leaf::salts(&key, lines.len());
    let hash = |(line, salt): (&&[u8], &Salt)| leaf_hash(&[&salt[..], line].concat());
    let hashes: Vec<Hash> = lines.iter().zip(&salts[1..]).map(hash).collect();
    let record =
        Record { salt_key: key, at: 6, kind: 8, root: Some(root(hashes.clone())), entry: b"all lines" };
    let path = proof::inclusion(4, 5, |it| {
        let leaves = it.leaves();
        Ok::<_, ()>(root(
            hashes[usize::try_from(leaves.start).unwrap()..usize::try_from(leaves.end).unwrap()].to_vec(),
        ))
    });
    let content = Content::Line { line: b"e".to_vec(), index: 4, lines: 5, path: path.unwrap() };
    Shown { leaf: record.leaf(9), salt: salts[5], content }
}

fn checkpoint() -> String {
    let signer = Signer::new("sycee.example/log", &[7; 32]).unwrap();
    Checkpoint { origin: String::from("sycee.example/log"), size: 42, root: [9; 32] }.sign(&signer).unwrap()
}

fn proofs() -> [Proof; 3] {
    let path = vec![[1; 32], [2; 32]];
    let alone = Proof { shown: shown(7), index: 7, path, beside: Vec::new(), checkpoint: checkpoint() };
    let beside = vec![(shown(2), vec![[5; 32]]), (shown(0), Vec::new())];
    let line = Proof { shown: shown_line(), index: 9, beside, ..alone.clone() };
    let bare = Proof { path: Vec::new(), ..line.clone() };
    [alone, line, bare]
}

#[test]
fn what_is_written_is_read() {
    for proof in proofs() {
        let text = proof.to_string();
        assert!(text.starts_with("c2sp.org/tlog-proof@v1\nextra "), "{text}");
        assert!(text.ends_with(&checkpoint()), "{text}");
        assert_eq!(text.parse(), Ok(File::Proof(Box::new(proof))));
    }
    for path in [vec![], vec![[1; 32]; 63]] {
        let growth = Growth { old: 5, path, checkpoint: checkpoint() };
        assert_eq!(growth.to_string().parse(), Ok(File::Growth(growth)));
    }
}

#[test]
fn the_header_above_names_what_the_extra_has() {
    let header = include_str!("../file.rs");
    let [_, line, _] = proofs();
    let extra = line.extra().unwrap();
    for word in extra.lines().filter_map(|line| line.split(' ').next()).filter(|word| word.len() < 44) {
        assert!(header.contains(&format!("//! {word}")) || header.contains(&format!(" {word} <")), "{word}");
    }
}

#[test]
fn a_leaf_commits_to_what_is_shown_and_to_nothing_else() {
    for shown in [shown(3), shown_line()] {
        assert_eq!(shown.commitment(), Some(shown.leaf.commitment));
        let other_salt = Shown { salt: [0; 16], ..shown.clone() };
        assert_ne!(other_salt.commitment(), Some(shown.leaf.commitment));
    }
    let other = Shown { content: Content::Entry(b"an Entry".to_vec()), ..shown(3) };
    assert_ne!(other.commitment(), Some(other.leaf.commitment));
    let Shown { leaf, salt, content: Content::Line { line: _, index, lines, path } } = shown_line() else {
        unreachable!("it is a line")
    };
    let with = |line: &[u8], index, path: &[Hash]| {
        let content = Content::Line { line: line.to_vec(), index, lines, path: path.to_vec() };
        Shown { leaf, salt, content }.commitment()
    };
    assert_eq!(with(b"e", index, &path), Some(leaf.commitment));
    assert_ne!(with(b"f", index, &path), Some(leaf.commitment));
    assert_eq!(with(b"e", index, &[]), None);
    assert_eq!(with(b"e", 5, &path), None);
}

/// Nothing that differs in a byte is the same file: it is another one, or none.
#[test]
fn a_file_has_one_spelling() {
    let growth = Growth { old: 5, path: vec![[1; 32]; 2], checkpoint: checkpoint() };
    let texts = proofs().map(|proof| proof.to_string()).into_iter().chain([growth.to_string()]);
    for text in texts {
        let original: File = text.parse().unwrap();
        for index in 0..text.len() {
            let mut bytes = text.clone().into_bytes();
            bytes[index] ^= 1;
            let Ok(changed) = String::from_utf8(bytes) else { continue };
            assert_ne!(changed.parse(), Ok(original.clone()), "byte {index}");
        }
        for more in ["\u{20}", "\n", "x"] {
            assert_ne!(format!("{text}{more}").parse(), Ok(original.clone()));
        }
        let crlf = text.replace('\n', "\r\n");
        assert_eq!(crlf.parse::<File>(), Err(NoProof));
    }
}

#[test]
fn what_is_no_proof_file_is_none() {
    let [alone, line, _] = proofs();
    let extra = |text: &str| format!("{PROOF}\nextra {}\nindex 7\n\n{}", BASE64.encode(text), checkpoint());
    let good = line.extra().unwrap();
    extra(&good).parse::<File>().unwrap();
    let leaf = |data: &[u8]| {
        extra(&format!("{EXTRA}\nleaf {}\nsalt {}\nentry \n", BASE64.encode(data), BASE64.encode([0; 16])))
    };
    leaf(&alone.shown.leaf.data()).parse::<File>().unwrap();
    let mut newer = alone.shown.leaf.data();
    newer[0] = 2;
    let bad = [
        String::new(),
        checkpoint(),
        alone.to_string().replace("@v1", "@v2"),
        alone.to_string().replace("index 7", "index 07"),
        alone.to_string().replace("index 7\n", ""),
        alone.to_string().replace("\nextra ", "\nextra  "),
        extra(""),
        extra(&good.replace("sycee-proof 1", "sycee-proof 2")),
        extra(&good.replace("inner 4 5", "inner 4")),
        extra(&good.replace("inner 4 5", "inner 4 +5")),
        extra(&good.replace("beside", "Beside")),
        extra(&format!("{good}more\n")),
        extra(good.trim_end()),
        leaf(&newer),
        leaf(&[0; 49]),
        format!("old 5\nnot a hash\n\n{}", checkpoint()),
        format!("old -5\n\n{}", checkpoint()),
        String::from("old 5\n"),
        format!("old 5\n{}\n{}", format!("{}\n", BASE64.encode([1; 32])).repeat(65), checkpoint()),
    ];
    for text in bad {
        assert_eq!(text.parse::<File>(), Err(NoProof), "{text}");
    }
    let many = Proof { beside: vec![(shown(2), vec![]); 17], ..alone };
    assert_eq!(many.to_string().parse::<File>(), Err(NoProof));
}

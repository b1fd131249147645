//! What is written has one spelling: the state and every entry read back as they were, and nothing else is taken for them.
use super::stage;
use crate::exact::Inexact;
use crate::{Entry, State};

const BUSY: &str = "
    market
    deposit ada 7 id=c1 ref=bank~9
    ask r
    ask s
    mark r:o:10:5
    settle s joules=5
    epoch
";

fn bytes_of(value: &impl minicbor::Encode<()>) -> Vec<u8> {
    minicbor::to_vec(value).expect("encoding into memory does not fail")
}

#[test]
fn a_snapshot_is_the_state() {
    let world = stage(BUSY);
    let bytes = bytes_of(world.state());
    let restored = State::decode_exact(&bytes).expect("it was just written");
    assert_eq!(&restored, world.state());
    assert_eq!(restored.hash(), world.state().hash());
    assert_eq!(bytes_of(&restored), bytes);
}

#[test]
fn the_hash_is_of_the_canonical_bytes() {
    use sha2::{Digest, Sha256};
    let world = stage(BUSY);
    assert_eq!(world.state().hash().0, <[u8; 32]>::from(Sha256::digest(bytes_of(world.state()))));
    let mut other = world.state().clone();
    other.position += 1;
    assert_ne!(other.hash(), world.state().hash());
}

#[test]
fn bytes_too_few_or_too_many_are_no_entry() {
    for entry in stage(BUSY).log {
        let bytes = bytes_of(&entry);
        for length in 0..bytes.len() {
            let cut = Entry::decode_exact(&bytes[..length]);
            assert!(matches!(cut, Err(Inexact::Malformed { cause: _ })), "{length} bytes of {entry:?}");
        }
        let trailing = [bytes.as_slice(), &[0]].concat();
        assert_eq!(Entry::decode_exact(&trailing), Err(Inexact::Trailing { at: bytes.len() }));
    }
}

/// A byte changed anywhere gives another entry or none, never the same.
#[test]
fn no_two_spellings_are_one_entry() {
    for entry in stage("market\nask r\nsettle r").log.into_iter().rev().take(2) {
        let bytes = bytes_of(&entry);
        for index in 0..bytes.len() {
            for change in [1, 0x20, 0x80, 0xff] {
                let mut changed = bytes.clone();
                changed[index] ^= change;
                if let Ok(read) = Entry::decode_exact(&changed) {
                    assert_ne!(read, entry, "byte {index} of the entry means nothing");
                    assert_eq!(bytes_of(&read), changed);
                }
            }
        }
    }
}

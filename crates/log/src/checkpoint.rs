//! Checkpoints (c2sp.org/tlog-checkpoint): a signed statement of how many entries a log has and their root.
//!
//! ```text
//! sycee.example/log
//! 42
//! CQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQk=
//!
//! — sycee.example/log +dOhBpQ8L3kKCOxe677zE0DpNrR9Y39iNMllGjw4uzeBqyEFqypprZiJja11a5BK5SKJBUQ4cOYTpVl3rX9xp3oOWAU=
//! ```
//!
//! Whoever keeps one can tell later whether the log was rolled back or rewritten.

use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;

use crate::disk::{Disk, SyncPoint};
use crate::error::{Error, ErrorKind, Result};
use crate::frame::Hash;
use crate::note::{NoteError, Signer, Verifier};
use crate::whole;

const NAME: &str = "checkpoint";

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// Which log it speaks of.
    pub origin: String,
    /// How many entries the log has.
    pub size: u64,
    /// The root over their leaves.
    pub root: Hash,
}

impl Checkpoint {
    /// The signed note.
    pub fn sign(&self, signer: &Signer) -> Result<String, NoteError> {
        let Self { origin, size, root } = self;
        if origin.is_empty() || origin.contains('\n') {
            return Err(NoteError::Malformed);
        }
        signer.sign(&format!("{origin}\n{size}\n{}\n", BASE64.encode(root)))
    }

    /// Reads a note that `verifier` has signed.
    pub fn open(note: &str, verifier: &Verifier) -> Result<Self, NoteError> {
        Self::parse(verifier.open(note)?).ok_or(NoteError::Malformed)
    }

    /// Reads the text of a note. Lines after the third are extensions, which say nothing to us.
    fn parse(text: &str) -> Option<Self> {
        let mut lines = text.split_terminator('\n');
        let origin = lines.next().filter(|origin| !origin.is_empty())?;
        let digits = lines.next()?;
        let size: u64 = digits.parse().ok()?;
        let root = BASE64.decode(lines.next()?).ok()?;
        let canonical = size.to_string() == digits && lines.all(|line| !line.is_empty());
        canonical.then_some(Self { origin: origin.to_owned(), size, root: root.try_into().ok()? })
    }
}

/// Puts a signed checkpoint beside the log, in place of the one before. The caller sees to it that what the
/// checkpoint speaks of is durable.
pub fn store(disk: &dyn Disk, directory: &Path, note: &str) -> Result<()> {
    let stored = whole::replace(
        disk,
        directory,
        NAME,
        note.as_bytes(),
        SyncPoint::CheckpointFile,
        SyncPoint::CheckpointDirectory,
    );
    stored.map_err(|error| Error::io(format!("store a checkpoint in {}", directory.display()), error))
}

/// The signed checkpoint beside the log, if there is one. Nothing of it has been checked.
pub fn load(disk: &dyn Disk, directory: &Path) -> Result<Option<String>> {
    let path = directory.join(NAME);
    let context = || format!("load {}", path.display());
    if !disk.exists(&path).map_err(|error| Error::io(context(), error))? {
        return Ok(None);
    }
    let bytes = whole::read(disk, &path).map_err(|error| Error::io(context(), error))?;
    let note = String::from_utf8(bytes).map_err(|_| Error::new(ErrorKind::Invalid, context()))?;
    Ok(Some(note))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of golang.org/x/mod/sumdb/note: a key and a note of another implementation.
    const NEUMANN: &str = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
    const NEUMANN_TEXT: &str = "If you think cryptography is the answer to your problem,\n\
                                then you don't know what your problem is.\n";
    const NEUMANN_LINE: &str = "\n— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n";

    fn signer() -> Signer {
        Signer::new("sycee.example/log", &[7; 32]).unwrap()
    }

    fn checkpoint() -> Checkpoint {
        Checkpoint { origin: String::from("sycee.example/log"), size: 42, root: [9; 32] }
    }

    #[test]
    fn the_example_above_is_real() {
        let lines = include_str!("checkpoint.rs").lines();
        let example = lines.skip_while(|line| *line != "//! ```text").skip(1);
        let example: Vec<_> =
            example.take_while(|line| *line != "//! ```").map(|line| line[3..].trim()).collect();
        assert_eq!(example.join("\n") + "\n", checkpoint().sign(&signer()).unwrap());
    }

    #[test]
    fn a_note_of_another_implementation_opens() {
        let verifier: Verifier = NEUMANN.parse().unwrap();
        assert_eq!(verifier.to_string(), NEUMANN);
        let note = format!("{NEUMANN_TEXT}{NEUMANN_LINE}");
        assert_eq!(verifier.open(&note), Ok(NEUMANN_TEXT));
    }

    #[test]
    fn every_changed_byte_spoils_a_checkpoint() {
        let (note, verifier) = (checkpoint().sign(&signer()).unwrap(), signer().verifier());
        assert_eq!(Checkpoint::open(&note, &verifier), Ok(checkpoint()));
        for index in 0..note.len() {
            let mut bytes = note.clone().into_bytes();
            bytes[index] ^= 1;
            if let Ok(changed) = String::from_utf8(bytes) {
                assert!(Checkpoint::open(&changed, &verifier).is_err(), "byte {index}");
            }
        }
    }

    #[test]
    fn only_the_named_key_counts() {
        let note = checkpoint().sign(&signer()).unwrap();
        let verifier = signer().verifier();
        let other = Signer::new("sycee.example/log", &[8; 32]).unwrap();
        assert_eq!(Checkpoint::open(&note, &other.verifier()), Err(NoteError::NotSigned));
        // Lines of other keys are passed over, a bad line of ours is not.
        let strange = other.sign("another text\n").unwrap();
        let strange = strange.split_once("\n\n").unwrap().1;
        assert_eq!(Checkpoint::open(&format!("{note}{strange}"), &verifier), Ok(checkpoint()));
        let ours = signer().sign("another text\n").unwrap();
        let ours = ours.split_once("\n\n").unwrap().1;
        assert_eq!(Checkpoint::open(&format!("{note}{ours}"), &verifier), Err(NoteError::BadSignature));
    }

    #[test]
    fn a_checkpoint_is_written_in_one_way() {
        let root = BASE64.encode([9; 32]);
        let check = |text: &str, good: bool| {
            let note = signer().sign(text).unwrap();
            assert_eq!(Checkpoint::open(&note, &signer().verifier()).is_ok(), good, "{text:?}");
        };
        check(&format!("log\n42\n{root}\n"), true);
        check(&format!("log\n42\n{root}\nan extension\n"), true);
        check(&format!("log\n042\n{root}\n"), false);
        check(&format!("log\n+42\n{root}\n"), false);
        check(&format!("log\n-1\n{root}\n"), false);
        check(&format!("\n42\n{root}\n"), false);
        check("log\n42\nAAAA\n", false);
        check("log\n42\n", false);
        for origin in ["", "two\nlines"] {
            let bad = Checkpoint { origin: String::from(origin), ..checkpoint() };
            assert_eq!(bad.sign(&signer()), Err(NoteError::Malformed));
        }
    }

    #[test]
    fn names_and_keys_are_checked() {
        for name in ["", "two words", "a+b"] {
            assert_eq!(Signer::new(name, &[7; 32]).map(|_| ()), Err(NoteError::Name), "{name:?}");
        }
        for key in ["", "PeterNeumann", "PeterNeumann+c74f20a4+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"]
        {
            assert_eq!(key.parse::<Verifier>(), Err(NoteError::Key), "{key:?}");
        }
        assert!(!format!("{:?}", signer()).contains("7, 7"));
    }
}

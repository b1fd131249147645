//! Promises: the checkpoints that a log is held against, and what is wrong with a file that is none.
use crate::checkpoint;
use crate::error::{Error, ErrorKind, Result};
use std::fmt;
use std::path::Path;
use sycee_core::genesis::Charter;
use sycee_log::{Checkpoint, Disk, NoteError, Verifier, whole};

/// A checkpoint that somebody kept.
#[derive(Clone, Debug)]
pub struct Kept {
    /// What it is called in a finding, such as the path of its file.
    pub name: String,
    pub bytes: Vec<u8>,
}

/// A checkpoint that a log is held against.
pub(super) struct Promise {
    /// Where it is, in words.
    place: String,
    text: String,
    /// The same, once the charter has said whose signature it must bear.
    checkpoint: Option<Checkpoint>,
    fault: Option<Fault>,
    /// The root when the tree had the checkpoint's size.
    root_then: Option<[u8; 32]>,
}

/// Why a file is no checkpoint of this log, and on which line, from one.
#[derive(Debug, PartialEq, Eq)]
struct Fault {
    line: usize,
    what: &'static str,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.what)
    }
}

/// The checkpoint beside a log, if there is one.
pub(super) fn beside(disk: &dyn Disk, directory: &Path) -> Result<Option<Kept>> {
    let path = directory.join(checkpoint::FILE);
    let failed = |error| Error::because(ErrorKind::Io, format!("read {}", path.display()), error);
    if !disk.exists(&path).map_err(failed)? {
        return Ok(None);
    }
    let bytes = whole::read(disk, &path).map_err(failed)?;
    Ok(Some(Kept { name: "the checkpoint beside the log".to_owned(), bytes }))
}

impl Promise {
    pub(super) fn new(kept: Kept) -> Self {
        let Kept { name: place, bytes } = kept;
        let (text, fault) = match read(&bytes) {
            Ok(text) => (text.to_owned(), None),
            Err(fault) => (String::new(), Some(fault)),
        };
        Self { place, text, checkpoint: None, fault, root_then: None }
    }

    /// Checks the signature: it has to be that of the log's key.
    pub(super) fn open(&mut self, charter: &Charter) {
        if self.fault.is_some() {
            return;
        }
        let what = match Verifier::new(&charter.origin, &charter.public_key)
            .and_then(|verifier| Checkpoint::open(&self.text, &verifier))
        {
            Ok(checkpoint) => {
                self.checkpoint = Some(checkpoint);
                return;
            }
            Err(NoteError::NotSigned) => "it is signed by another key than this log's",
            Err(NoteError::BadSignature) => {
                "the signature is not one that this log's key made over this text"
            }
            Err(NoteError::Malformed) => "this is no signature",
            Err(NoteError::Name | NoteError::Key) => {
                "the log's charter names no key that could have signed it"
            }
        };
        let line = self.text.lines().take_while(|line| !line.is_empty()).count() + 2;
        self.fault = Some(Fault { line, what });
    }

    /// Notes the root where the tree has as many entries as were signed.
    pub(super) fn pass(&mut self, size: u64, root: impl FnOnce() -> [u8; 32]) {
        if self.checkpoint.as_ref().is_some_and(|it| it.size == size) {
            self.root_then = Some(root());
        }
    }

    /// How a log of so many entries breaks it, or why it is none.
    pub(super) fn broken(&self, entries: u64) -> Option<String> {
        let Self { place, text: _, checkpoint, fault, root_then } = self;
        if let Some(fault) = fault {
            return Some(format!("{place} is no checkpoint of this log ({fault})"));
        }
        let Checkpoint { origin: _, size, root } = checkpoint.as_ref()?;
        match root_then {
            Some(then) if then == root => None,
            // An empty tree has one root and is part of every log.
            None if *size == 0 => None,
            Some(_) => {
                Some(format!("another history: the first {size} entries are not those that {place} signed"))
            }
            None => Some(format!("rolled back: {place} has {size} entries, the log {entries}")),
        }
    }
}

/// The text of a file that has the form of a checkpoint (C2SP tlog-checkpoint): a name, a number, a root, then what is
/// signed besides, an empty line, and signatures.
fn read(bytes: &[u8]) -> Result<&str, Fault> {
    let at = |line, what| Err(Fault { line, what });
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => {
            let before = bytes.iter().take(error.valid_up_to());
            return at(before.filter(|byte| **byte == b'\n').count() + 1, "it is not text");
        }
    };
    let lines: Vec<&str> = text.lines().collect();
    // `lines` takes a carriage return for part of the line's end; a checkpoint has none.
    let bad = text.split('\n').position(|line| line.contains(|sign: char| sign.is_ascii_control()));
    if let Some(index) = bad {
        return at(index + 1, "there is a control character");
    }
    let line = |index: usize| lines.get(index).copied().unwrap_or_default();
    if line(0).is_empty() {
        return at(1, "the name of a log is missing");
    }
    if line(1).parse::<u64>().ok().is_none_or(|size| size.to_string() != line(1)) {
        return at(2, "the number of entries is missing");
    }
    if !is_root(line(2)) {
        return at(3, "the root is missing, 32 bytes in base64");
    }
    let Some(end) = lines.iter().position(|line| line.is_empty()) else {
        return at(lines.len() + 1, "the empty line before the signatures is missing");
    };
    let signatures = lines.iter().enumerate().skip(end + 1);
    if let Some((index, _)) = signatures.clone().find(|(_, line)| !line.starts_with("— ")) {
        return at(index + 1, "this is no signature");
    }
    if signatures.len() == 0 {
        return at(lines.len() + 1, "the signature is missing");
    }
    if !text.ends_with('\n') {
        return at(lines.len(), "the signature is not whole");
    }
    Ok(text)
}

/// Whether a line is the one way of writing 32 bytes in base64.
fn is_root(line: &str) -> bool {
    let is_digit = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'+' || byte == b'/';
    let Some((digits, b"=")) = line.as_bytes().split_at_checked(43) else { return false };
    // The last digit has two bits more than there is left to say.
    let ends_whole = digits.last().is_some_and(|last| b"AEIMQUYcgkosw048".contains(last));
    ends_whole && digits.iter().all(|byte| is_digit(*byte))
}

#[cfg(test)]
mod tests {
    use super::{Fault, read};

    /// The example in the header of the log's module `checkpoint`.
    const GOOD: &str = "sycee.example/log\n42\nCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQk=\n\n— sycee.example/log \
                        +dOhBpQ8L3kKCOxe677zE0DpNrR9Y39iNMllGjw4uzeBqyEFqypprZiJja11a5BK5SKJBUQ4cOYTpVl3rX9xp3oOWAU=\n";

    #[test]
    fn what_is_no_checkpoint_is_told_by_its_line() {
        assert_eq!(read(GOOD.as_bytes()), Ok(GOOD));
        let more = GOOD.replacen("\n\n", "\nan extension\n\n", 1);
        assert_eq!(read(more.as_bytes()), Ok(&*more));
        let check = |text: &[u8], line: usize, word: &str| {
            let Err(Fault { line: found, what }) = read(text) else { panic!("taken: {text:?}") };
            assert!(found == line && what.contains(word), "{found}: {what}");
        };
        check(b"", 1, "name");
        check(b"junk\n", 2, "number");
        check(b"{\n  \"size\": 42\n}\n", 2, "number");
        check(b"log\n042\n", 2, "number");
        check(b"log\n42\nAAAA\n", 3, "root");
        check(GOOD.replace("Qk=", "Ql=").as_bytes(), 3, "root");
        check(GOOD.replace("\n\n", "\n").as_bytes(), 5, "empty line");
        check(GOOD.replace("— ", "- ").as_bytes(), 5, "signature");
        check(GOOD.trim_end().as_bytes(), 5, "not whole");
        check(&GOOD.as_bytes()[..GOOD.find('—').unwrap()], 5, "missing");
        check(GOOD.replace('\n', "\r\n").as_bytes(), 1, "control");
        check(b"log\n42\n\xff\xfe\n", 3, "not text");
    }
}

//! Proof files: what somebody is handed so that they can check it without the log.
//!
//! A [`Proof`] is a file of c2sp.org/tlog-proof: that something is in a log, by a checkpoint of the log. What that format leaves
//! to the application, its `extra`, is here what the leaf commits to, so that the file needs nothing beside it but the log's key:
//!
//! ```text
//! sycee-proof 1
//! leaf <leaf data>
//! salt <salt>
//! entry <the entry>            or, of an entry of lines: line <the line>
//!                                                        inner <its place> <of how many lines>
//!                                                        <hashes of its path to the leaf's commitment, one a line>
//! beside                       for each entry that is shown with it, such as its price's
//! leaf <leaf data>
//! salt <salt>
//! entry <the entry>
//! path
//! <hashes of its path to the root of the same checkpoint, one a line>
//! ```
//!
//! A [`Growth`] is the body with which a witness is asked for its signature (c2sp.org/tlog-witness): that a log of this checkpoint
//! began as the log of an earlier one.
//!
//! Bytes are in base64 (RFC 4648, section 4). Each file has one spelling. Nothing in it is to be believed before it is checked.

use std::fmt::{self, Write as _};
use std::str::{FromStr, Split};

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;

use super::leaf_hash;
use super::proof::root_of_inclusion;
use crate::frame::Hash;
use crate::leaf::{self, LEAF_BYTES, Leaf, Salt};

const PROOF: &str = "c2sp.org/tlog-proof@v1";
const EXTRA: &str = "sycee-proof 1";
/// More hashes than any path has, and more entries than anything rests on.
const PATH_MAX: usize = 64;
const BESIDE_MAX: usize = 16;

/// That something is in a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proof {
    pub shown: Shown,
    /// What the file says that the index of the leaf is.
    pub index: u64,
    /// From the leaf to the root of the checkpoint.
    pub path: Vec<Hash>,
    /// Entries that are shown with it, each with its path.
    pub beside: Vec<(Shown, Vec<Hash>)>,
    /// The signed note.
    pub checkpoint: String,
}

/// A leaf and what it commits to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shown {
    pub leaf: Leaf,
    pub salt: Salt,
    pub content: Content,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    Entry(Vec<u8>),
    /// One line of an entry that has many. Where it stands among them shapes the path and is not proved.
    Line {
        line: Vec<u8>,
        index: u64,
        lines: u64,
        path: Vec<Hash>,
    },
}

/// That a log was another one before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Growth {
    /// How many entries it had.
    pub old: u64,
    pub path: Vec<Hash>,
    /// The signed note of the log as it is now.
    pub checkpoint: String,
}

/// Either kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum File {
    Proof(Box<Proof>),
    Growth(Growth),
}

/// Text that is no proof file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NoProof;

impl Shown {
    /// What the leaf has to commit to; `None` if the path of a line is not of the length that it has among so many.
    pub fn commitment(&self) -> Option<Hash> {
        match &self.content {
            Content::Entry(entry) => Some(leaf::commitment(&self.salt, entry)),
            Content::Line { line, index, lines, path } => {
                root_of_inclusion(leaf_hash(&[&self.salt, &line[..]].concat()), *index, *lines, path)
            }
        }
    }

    fn write(&self, text: &mut String) -> fmt::Result {
        let Self { leaf, salt, content } = self;
        writeln!(text, "leaf {}", BASE64.encode(leaf.data()))?;
        writeln!(text, "salt {}", BASE64.encode(salt))?;
        match content {
            Content::Entry(entry) => writeln!(text, "entry {}", BASE64.encode(entry)),
            Content::Line { line, index, lines, path } => {
                writeln!(text, "line {}", BASE64.encode(line))?;
                writeln!(text, "inner {index} {lines}")?;
                write_path(text, path)
            }
        }
    }

    fn read(lines: &mut Lines<'_>) -> Option<Self> {
        let leaf = read_leaf(&lines.value("leaf ")?)?;
        let salt = lines.value("salt ")?.try_into().ok()?;
        let content = match lines.value("entry ") {
            Some(entry) => Content::Entry(entry),
            None => {
                let line = lines.value("line ")?;
                let (index, lines_in_all) = lines.word("inner ")?.split_once(' ')?;
                let (index, lines_in_all) = (index.parse().ok()?, lines_in_all.parse().ok()?);
                Content::Line { line, index, lines: lines_in_all, path: lines.path()? }
            }
        };
        Some(Self { leaf, salt, content })
    }
}

/// Leaf data as it is written; the version is one that we write.
fn read_leaf(data: &[u8]) -> Option<Leaf> {
    let data: &[u8; LEAF_BYTES] = data.try_into().ok()?;
    let leaf = Leaf {
        position: u64::from_le_bytes(crate::block::array(data, 2)),
        at: u64::from_le_bytes(crate::block::array(data, 10)),
        kind: data[1],
        commitment: crate::block::array(data, 18),
    };
    (leaf.data() == *data).then_some(leaf)
}

impl Proof {
    fn extra(&self) -> Result<String, fmt::Error> {
        let mut text = format!("{EXTRA}\n");
        self.shown.write(&mut text)?;
        for (shown, path) in &self.beside {
            text.push_str("beside\n");
            shown.write(&mut text)?;
            text.push_str("path\n");
            write_path(&mut text, path)?;
        }
        Ok(text)
    }

    fn read(text: &str) -> Option<Self> {
        let (head, checkpoint) = text.split_once("\n\n")?;
        let mut lines = Lines::new(head);
        lines.word(PROOF).filter(|rest| rest.is_empty())?;
        let extra = String::from_utf8(lines.value("extra ")?).ok()?;
        let index = lines.word("index ")?.parse().ok()?;
        let path = lines.path()?;
        lines.end()?;

        let mut lines = Lines::new(extra.strip_suffix('\n')?);
        lines.word(EXTRA).filter(|rest| rest.is_empty())?;
        let shown = Shown::read(&mut lines)?;
        let mut beside = Vec::new();
        while lines.word("beside").is_some() {
            let shown = Shown::read(&mut lines)?;
            lines.word("path")?;
            beside.push((shown, lines.path()?));
        }
        lines.end()?;
        let checkpoint = checkpoint.to_owned();
        (beside.len() <= BESIDE_MAX).then_some(Self { shown, index, path, beside, checkpoint })
    }
}

impl Growth {
    fn read(text: &str) -> Option<Self> {
        let (head, checkpoint) = text.split_once("\n\n")?;
        let mut lines = Lines::new(head);
        let old = lines.word("old ")?.parse().ok()?;
        let path = lines.path()?;
        lines.end()?;
        Some(Self { old, path, checkpoint: checkpoint.to_owned() })
    }
}

fn write_path(text: &mut impl fmt::Write, path: &[Hash]) -> fmt::Result {
    path.iter().try_for_each(|hash| writeln!(text, "{}", BASE64.encode(hash)))
}

/// Lines that are read one after the other. Whether each is spelled as it should be is seen when the whole is written again.
struct Lines<'a> {
    next: Option<&'a str>,
    rest: Split<'a, char>,
}

impl<'a> Lines<'a> {
    fn new(text: &'a str) -> Self {
        let mut rest = text.split('\n');
        Self { next: rest.next(), rest }
    }

    /// The rest of the next line, if it begins so.
    fn word(&mut self, name: &str) -> Option<&'a str> {
        let rest = self.next?.strip_prefix(name)?;
        self.next = self.rest.next();
        Some(rest)
    }

    fn value(&mut self, name: &str) -> Option<Vec<u8>> {
        BASE64.decode(self.word(name)?).ok()
    }

    /// The lines that are hashes.
    fn path(&mut self) -> Option<Vec<Hash>> {
        let mut path = Vec::new();
        while let Some(hash) = self.next.and_then(|line| BASE64.decode(line).ok()?.try_into().ok()) {
            path.push(hash);
            self.next = self.rest.next();
        }
        (path.len() <= PATH_MAX).then_some(path)
    }

    fn end(&self) -> Option<()> {
        self.next.is_none().then_some(())
    }
}

impl fmt::Display for Proof {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(formatter, "{PROOF}")?;
        writeln!(formatter, "extra {}", BASE64.encode(self.extra()?))?;
        writeln!(formatter, "index {}", self.index)?;
        write_path(formatter, &self.path)?;
        write!(formatter, "\n{}", self.checkpoint)
    }
}

impl fmt::Display for Growth {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(formatter, "old {}", self.old)?;
        write_path(formatter, &self.path)?;
        write!(formatter, "\n{}", self.checkpoint)
    }
}

impl fmt::Display for File {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Proof(proof) => proof.fmt(formatter),
            Self::Growth(growth) => growth.fmt(formatter),
        }
    }
}

impl FromStr for File {
    type Err = NoProof;

    fn from_str(text: &str) -> Result<Self, NoProof> {
        let file = if text.starts_with("old ") {
            Growth::read(text).map(Self::Growth)
        } else {
            Proof::read(text).map(|proof| Self::Proof(Box::new(proof)))
        };
        file.filter(|file| file.to_string() == text).ok_or(NoProof)
    }
}

impl fmt::Display for NoProof {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("this is no proof file")
    }
}

impl std::error::Error for NoProof {}

#[cfg(test)]
mod tests;

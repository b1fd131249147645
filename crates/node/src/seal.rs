//! Seal: entries become a frame's records, and leaves of the tree that checkpoints sign.
use crate::lines::Names;
use chacha20::ChaCha20;
use chacha20::cipher::{KeyIvInit, StreamCipher};
use sycee_core::entry::{Command, Entry};
use sycee_core::{RULES, ids::Time, metering};
use sycee_log::{Draft, Record, SaltKey};

/// A frame is closed when it would become larger than this, or than a segment can hold.
const FRAME_BYTES: usize = 4 << 20;

/// The entries of one frame as they go into the log.
#[derive(Debug)]
pub struct Sealed {
    pub draft: Draft,
    /// The leaf hash of each.
    pub leaves: Vec<[u8; 32]>,
}

/// Draws a salt key for every entry from one secret seed.
pub struct Sealer {
    keys: ChaCha20,
    names: Names,
    frame_bytes: usize,
}

impl std::fmt::Debug for Sealer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Sealer(secret)")
    }
}

impl Sealer {
    /// The seed must be fresh for every start of a node: a salt key is never drawn twice. `payload_bytes_max` is what a frame
    /// of the log can hold, `names` what its handles stand for.
    pub fn new(seed: [u8; 32], payload_bytes_max: usize, names: Names) -> Self {
        Self {
            names,
            keys: ChaCha20::new(&seed.into(), &[0; 12].into()),
            frame_bytes: FRAME_BYTES.min(payload_bytes_max),
        }
    }

    /// The frames of these entries, in order: one, unless they are larger than a frame should be.
    pub fn seal(&mut self, entries: Vec<Entry>) -> Vec<Sealed> {
        let mut frames: Vec<Sealed> = Vec::new();
        for entry in entries {
            let bytes = minicbor::to_vec(&entry).expect("encoding into memory does not fail");
            let salt_key = self.key();
            self.names.fold(&entry);
            let root = self.names.root_of(&salt_key, &entry);
            let record = Record { salt_key, at: entry.at.0, kind: kind(&entry.command), root, entry: &bytes };
            let more = Draft::record_bytes(&record);
            let full = |sealed: &Sealed| sealed.draft.payload.len() + more > self.frame_bytes;
            if frames.last().is_none_or(full) {
                let draft = Draft::new(RULES, entry.at.0);
                frames.push(Sealed { draft, leaves: Vec::new() });
            }
            let sealed = frames.last_mut().expect("there is one now");
            sealed.leaves.push(record.leaf(entry.position).hash());
            sealed.draft.at = entry.at.0;
            sealed.draft.push(&record);
        }
        frames
    }

    fn key(&mut self) -> SaltKey {
        let mut key = [0; 32];
        self.keys.apply_keystream(&mut key);
        key
    }
}

/// What sort of entry it is, as its leaf says: the institution of its command, and whether it commits to lines.
pub fn kind(command: &Command) -> u8 {
    match command {
        Command::Genesis(_) => 0,
        Command::Ledger(_) => 1,
        Command::Params(_) => 2,
        Command::Membership(_) => 3,
        Command::Catalog(_) => 4,
        Command::Settlement(_) => 5,
        Command::Due { limit: _ } => 6,
        Command::Metering(metering::Command::OpenSource { .. }) => 7,
        Command::Metering(metering::Command::Record { .. } | metering::Command::Recorded { .. }) => 8,
    }
}

/// Reads an entry as it was sealed; refuses bytes that are left over or another way to write the same.
pub fn open(record: &Record<'_>, position: u64) -> Result<Entry, Unreadable> {
    let entry = Entry::decode_exact(record.entry).map_err(|inexact| Unreadable(inexact.to_string()))?;
    if entry.recorded().is_some() != record.root.is_some() {
        return Err(Unreadable("it has lines and no root, or a root and no lines".to_owned()));
    }
    if (entry.position, entry.at, kind(&entry.command)) != (position, Time(record.at), record.kind) {
        return Err(Unreadable("its position, time or kind is not the record's".to_owned()));
    }
    Ok(entry)
}

/// Why a record is not an entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unreadable(pub String);

impl std::fmt::Display for Unreadable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "the entry cannot be read: {}", self.0)
    }
}

impl std::error::Error for Unreadable {}

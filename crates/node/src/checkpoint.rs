//! Checkpoints: the tree's root, signed with the log's key, beside the log and for everybody to keep.
use crate::error::{Error, ErrorKind, Result};
use crate::views::Tree;
use ed25519_dalek::SigningKey;
use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use sycee_core::ids::Hash;
use sycee_log::{Checkpoint, Disk, Head, Snapshot, Verifier, checkpoint, note, snapshot};

/// The file with the signing key, in the log's directory.
pub(crate) const KEY_FILE: &str = "signing.key";

/// A checkpoint as published.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Signed {
    /// Entries it covers.
    pub size: u64,
    pub root: [u8; 32],
    /// The signed note (C2SP tlog-checkpoint).
    pub text: String,
}

/// Makes the signing key of a new log and returns its public half.
pub(crate) fn create_key(directory: &Path) -> Result<[u8; 32]> {
    let key = SigningKey::from_bytes(&crate::open::random_seed()?);
    let path = directory.join(KEY_FILE);
    write_key(&path, &key.to_bytes()).map_err(|error| failed("write", &path, error))?;
    Ok(key.verifying_key().to_bytes())
}

fn write_key(path: &Path, key: &[u8; 32]) -> std::io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    write!(file, "{}", Hash(*key))?;
    file.sync_all()?;
    path.parent().map_or(Ok(()), |directory| File::open(directory)?.sync_all())
}

/// Copies the key of one log's directory to another's.
pub(crate) fn copy_key(from: &Path, to: &Path) -> Result<()> {
    let key = read_key(from)?;
    let path = to.join(KEY_FILE);
    write_key(&path, &key.to_bytes()).map_err(|error| failed("write", &path, error))
}

fn read_key(directory: &Path) -> Result<SigningKey> {
    let path = directory.join(KEY_FILE);
    let mut file = File::open(&path).map_err(|error| failed("read", &path, error))?;
    let mode = file.metadata().map_err(|error| failed("read", &path, error))?.permissions().mode();
    if mode & 0o077 != 0 {
        return Err(Error::new(ErrorKind::Key, format!("trust {}, which others can read", path.display())));
    }
    let mut hex = String::new();
    file.read_to_string(&mut hex).map_err(|error| failed("read", &path, error))?;
    let key = parse_hex(hex.trim());
    let key = key.ok_or_else(|| Error::new(ErrorKind::Key, format!("read a key in {}", path.display())))?;
    Ok(SigningKey::from_bytes(&key))
}

fn parse_hex(hex: &str) -> Option<[u8; 32]> {
    if hex.len() != 64 || !hex.is_ascii() {
        return None;
    }
    let mut key = [0; 32];
    for (index, byte) in key.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&hex[2 * index..2 * index + 2], 16).ok()?;
    }
    Some(key)
}

fn failed(verb: &str, path: &Path, error: std::io::Error) -> Error {
    Error::because(ErrorKind::Key, format!("{verb} {}", path.display()), error)
}

/// Signs checkpoints and keeps the latest beside the log.
pub(crate) struct Signer {
    notes: note::Signer,
    origin: String,
    disk: Arc<dyn Disk>,
    directory: PathBuf,
}

impl Signer {
    /// The signer of the log in `directory`, whose charter names `public_key`.
    pub(crate) fn open(
        disk: Arc<dyn Disk>,
        directory: &Path,
        origin: &str,
        public_key: &[u8; 32],
    ) -> Result<Self> {
        let key = read_key(directory)?;
        if key.verifying_key().to_bytes() != *public_key {
            let context =
                format!("use {}, which is not the key of this log", directory.join(KEY_FILE).display());
            return Err(Error::new(ErrorKind::Key, context));
        }
        let notes = note::Signer::new(origin, &key.to_bytes())
            .map_err(|error| Error::because(ErrorKind::Key, format!("sign as {origin}"), error))?;
        Ok(Self { notes, origin: origin.to_owned(), disk, directory: directory.to_owned() })
    }

    /// The checkpoint beside the log, if there is one that this key signed.
    pub(crate) fn latest(&self) -> Result<Option<Signed>> {
        let Some(text) = checkpoint::load(&*self.disk, &self.directory)? else { return Ok(None) };
        let known = Checkpoint::open(&text, &self.notes.verifier()).ok();
        Ok(known.map(|Checkpoint { size, root, .. }| Signed { size, root, text }))
    }

    /// Signs the tree as it is and keeps the checkpoint beside the log.
    pub(crate) fn sign(&self, tree: &Tree) -> Result<Signed> {
        let (size, root) = (tree.0.size(), tree.0.root());
        let checkpoint = Checkpoint { origin: self.origin.clone(), size, root };
        let text = checkpoint
            .sign(&self.notes)
            .map_err(|error| Error::because(ErrorKind::Key, "sign a checkpoint", error))?;
        checkpoint::store(&*self.disk, &self.directory, &text)?;
        Ok(Signed { size, root, text })
    }

    pub(crate) fn write_snapshot(&self, head: Head, bytes: Vec<u8>) -> Result<()> {
        Ok(snapshot::store(&*self.disk, &self.directory, &Snapshot { head, bytes })?)
    }
}

/// A checkpoint that somebody kept, if the log's key signed it.
pub(crate) fn open_kept(text: &str, origin: &str, public_key: &[u8; 32]) -> Option<Checkpoint> {
    let verifier = Verifier::new(origin, public_key).ok()?;
    Checkpoint::open(text, &verifier).ok()
}

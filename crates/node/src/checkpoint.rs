//! Checkpoints: the tree's root, signed with the log's key, beside the log and for everybody to keep.
use crate::error::{Error, ErrorKind, Result};
use crate::key;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use sycee_core::genesis::Charter;
use sycee_log::{Checkpoint, Disk, Frontier, checkpoint, note};

/// The file of the latest one, in the log's directory.
pub(crate) const FILE: &str = "checkpoint";

/// A checkpoint as published.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Signed {
    /// Entries it covers.
    pub size: u64,
    pub root: [u8; 32],
    /// The signed note (C2SP tlog-checkpoint).
    pub text: String,
}

/// Signs checkpoints and keeps the latest beside the log.
pub(crate) struct Signer {
    notes: note::Signer,
    origin: String,
    disk: Arc<dyn Disk>,
    directory: PathBuf,
}

impl Signer {
    /// The signer of the log in `directory`, if the key there is the one that its charter names.
    pub(crate) fn open(disk: Arc<dyn Disk>, directory: &Path, charter: &Charter) -> Result<Self> {
        let key = key::read(&*disk, directory)?;
        if key.verifying_key().to_bytes() != charter.public_key {
            let context =
                format!("use {}, which is not the key of this log", directory.join(key::FILE).display());
            return Err(Error::new(ErrorKind::Key, context));
        }
        let origin = charter.origin.clone();
        let notes = note::Signer::new(&origin, &key.to_bytes())
            .map_err(|error| Error::because(ErrorKind::Key, format!("sign as {origin}"), error))?;
        Ok(Self { notes, origin, disk, directory: directory.to_owned() })
    }

    /// The checkpoint beside the log. One that is absent promises nothing; one that this key has not signed is damage, as no
    /// crash leaves it so.
    pub(crate) fn latest(&self) -> Result<Option<Signed>> {
        let Some(text) = load(&*self.disk, &self.directory)? else { return Ok(None) };
        let Checkpoint { origin: _, size, root } = Checkpoint::open(&text, &self.notes.verifier())
            .map_err(|error| Error::because(ErrorKind::Checkpoint, trust(&self.directory), error))?;
        Ok(Some(Signed { size, root, text }))
    }

    /// Signs the tree as it is and keeps the checkpoint beside the log.
    pub(crate) fn sign(&self, tree: &Frontier) -> Result<Signed> {
        let (size, root) = (tree.size(), tree.root());
        let checkpoint = Checkpoint { origin: self.origin.clone(), size, root };
        let text = checkpoint
            .sign(&self.notes)
            .map_err(|error| Error::because(ErrorKind::Key, "sign a checkpoint", error))?;
        checkpoint::store(&*self.disk, &self.directory, &text)?;
        Ok(Signed { size, root, text })
    }
}

/// The text of the checkpoint beside a log, if there is one. What is no text is none that anybody has signed.
pub(crate) fn load(disk: &dyn Disk, directory: &Path) -> Result<Option<String>> {
    match checkpoint::load(disk, directory) {
        Ok(text) => Ok(text),
        Err(error) if error.kind == sycee_log::ErrorKind::Invalid => Ok(Some(String::new())),
        Err(error) => Err(error.into()),
    }
}

fn trust(directory: &Path) -> String {
    format!("trust {}", directory.join(FILE).display())
}

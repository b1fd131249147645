//! The ready file: where everything is, for scripts.
use anyhow::{Context as _, Result};
use serde::Serialize;
use std::fs::OpenOptions;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

#[derive(Debug, Serialize)]
pub(crate) struct Ready {
    pub(crate) base_url: String,
    pub(crate) console_url: String,
    pub(crate) api_url: String,
    pub(crate) data_dir: PathBuf,
    pub(crate) models: Models,
    pub(crate) keys: ReadyKeys,
    pub(crate) sites: Vec<String>,
}

#[derive(Debug, Serialize)]
pub(crate) struct Models {
    pub(crate) chat: String,
    pub(crate) embedding: String,
}

#[derive(Debug, Serialize)]
pub(crate) struct ReadyKeys {
    pub(crate) consumer: String,
    pub(crate) operator: String,
    pub(crate) provider: String,
    pub(crate) auditor: String,
}

impl Ready {
    /// Written whole: whoever sees the file sees all of it. It holds keys, so nobody else sees it.
    pub(crate) fn write(&self, path: &Path) -> Result<()> {
        let temporary = path.with_extension(format!("tmp{}", std::process::id()));
        let written = (|| {
            drop(std::fs::remove_file(&temporary));
            let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&temporary)?;
            file.write_all(&serde_json::to_vec_pretty(self)?)?;
            file.sync_all()?;
            std::fs::rename(&temporary, path)
        })();
        written.with_context(|| format!("failed to write the ready file {}", path.display()))
    }
}

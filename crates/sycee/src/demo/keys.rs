//! The demo's keys: drawn once, kept beside the log so that a demo can be continued. Only a demo keeps keys.
use anyhow::{Context as _, Result, bail};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use sycee_api::secret;

const NAME: &str = "demo-keys.json";

/// Keys by the name of their member.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Keys {
    pub(crate) operator: String,
    pub(crate) members: BTreeMap<String, String>,
}

impl Keys {
    /// The keys in `directory`, or new ones if there is no log there yet.
    pub(crate) fn load_or_draw(directory: &Path, members: &[&str]) -> Result<Self> {
        let path = directory.join(NAME);
        let unread = || format!("failed to read {}", path.display());
        match std::fs::read(&path) {
            Ok(text) => return serde_json::from_slice(&text).with_context(unread),
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            // Others would be drawn in their place, and nobody could use what the log knows.
            Err(error) => return Err(error).with_context(unread),
        }
        if holds_a_log(directory) {
            bail!(
                "{} holds a log that is not a demo's\n  hint: give --data another directory, or run it with `sycee serve`",
                directory.display()
            );
        }
        let drawn = || secret::api_key().context("failed to draw a key");
        let draw = |name: &&str| Ok(((*name).to_owned(), drawn()?));
        let keys = Self { operator: drawn()?, members: members.iter().map(draw).collect::<Result<_>>()? };
        std::fs::create_dir_all(directory)
            .with_context(|| format!("failed to make {}", directory.display()))?;
        keys.save(&path).with_context(|| format!("failed to write {}", path.display()))?;
        Ok(keys)
    }

    /// The key of a member.
    pub(crate) fn of(&self, member: &str) -> Result<String> {
        self.members
            .get(member)
            .cloned()
            .with_context(|| format!("failed to find a key of {member} in {NAME}"))
    }

    fn save(&self, path: &Path) -> std::io::Result<()> {
        let temporary = path.with_extension("tmp");
        drop(std::fs::remove_file(&temporary));
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&temporary)?;
        file.write_all(&serde_json::to_vec_pretty(self)?)?;
        file.sync_all()?;
        std::fs::rename(&temporary, path)?;
        path.parent().map_or(Ok(()), |directory| File::open(directory)?.sync_all())
    }
}

/// Whether there is a log in a directory.
pub(crate) fn holds_a_log(directory: &Path) -> bool {
    let entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
    entries.into_iter().any(|entry| entry.file_name().to_string_lossy().starts_with("segment-"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_drawn_once_and_only_where_there_are_none() {
        let directory = std::env::temp_dir().join(format!("sycee-demo-keys-{}", std::process::id()));
        drop(std::fs::remove_dir_all(&directory));
        let drawn = Keys::load_or_draw(&directory, &["Ada"]).unwrap();
        let loaded = Keys::load_or_draw(&directory, &["Ada"]).unwrap();
        assert_eq!((drawn.operator, drawn.members), (loaded.operator, loaded.members));
        // What is there and cannot be read is not what is missing.
        std::fs::remove_file(directory.join(NAME)).unwrap();
        std::fs::create_dir(directory.join(NAME)).unwrap();
        let refused = Keys::load_or_draw(&directory, &["Ada"]).unwrap_err().to_string();
        assert!(refused.starts_with("failed to read ") && refused.ends_with(NAME), "{refused}");
        std::fs::remove_dir_all(&directory).unwrap();
    }
}

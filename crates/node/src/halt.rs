//! Halt: the note that a clock jump leaves in the directory, so that a restart does not sweep it away.
use crate::clock::Jump;
use crate::error::{Error, ErrorKind, Result};
use std::path::Path;
use sycee_log::{Disk, SyncPoint, whole};

pub(crate) const NOTE: &str = "clock-jumped";

/// Leaves the note; returns the text that says why the node has stopped writing.
pub(crate) fn write(disk: &dyn Disk, directory: &Path, jump: Jump) -> String {
    let Jump { expected, found } = jump;
    let text =
        format!("the clock jumped ahead: it should say {} ns since 1970 and says {}", expected.0, found.0);
    tracing::error!("{text}; nothing more is written");
    let (file, name) = (SyncPoint::JumpNoteFile, SyncPoint::JumpNoteDirectory);
    if let Err(error) = whole::replace(disk, directory, NOTE, text.as_bytes(), file, name) {
        tracing::error!("failed to leave a note of it in {}: {error}", directory.display());
    }
    text
}

/// Refuses to start over a jump that nobody has accepted.
pub(crate) fn check(disk: &dyn Disk, directory: &Path, accept: bool) -> Result<()> {
    let path = directory.join(NOTE);
    let failed =
        |verb: &str, error| Error::because(ErrorKind::Io, format!("{verb} {}", path.display()), error);
    if !disk.exists(&path).map_err(|error| failed("look for", error))? {
        return Ok(());
    }
    if !accept {
        let text = whole::read(disk, &path).map_err(|error| failed("read", error))?;
        let text = String::from_utf8_lossy(&text).into_owned();
        return Err(Error::new(ErrorKind::ClockJumped, format!("start, since when it last ran {text}")));
    }
    disk.remove(&path)
        .and_then(|()| disk.sync_directory(directory, SyncPoint::JumpNoteRemoved))
        .map_err(|error| failed("remove", error))
}

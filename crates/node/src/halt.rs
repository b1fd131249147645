//! Halt: the note that a clock jump leaves in the directory, so that a restart does not sweep it away.
use crate::clock::Jump;
use crate::error::{Error, ErrorKind, Result};
use std::path::Path;

const NAME: &str = "clock-jumped";

/// Leaves the note; returns the text that says why the node has stopped writing.
pub(crate) fn write(directory: &Path, jump: Jump) -> String {
    let Jump { expected, found } = jump;
    let text =
        format!("the clock jumped ahead: it should say {} ns since 1970 and says {}", expected.0, found.0);
    tracing::error!("{text}; nothing more is written");
    if let Err(error) = std::fs::write(directory.join(NAME), &text) {
        tracing::error!("failed to leave a note of it in {}: {error}", directory.display());
    }
    text
}

/// Refuses to start over a jump that nobody has accepted.
pub(crate) fn check(directory: &Path, accept: bool) -> Result<()> {
    let path = directory.join(NAME);
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(Error::because(ErrorKind::Io, format!("read {}", path.display()), error)),
    };
    if !accept {
        return Err(Error::new(ErrorKind::ClockJumped, format!("start, since when it last ran {text}")));
    }
    std::fs::remove_file(&path)
        .map_err(|error| Error::because(ErrorKind::Io, format!("remove {}", path.display()), error))
}

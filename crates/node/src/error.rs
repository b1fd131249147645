//! What can go wrong in a node: an error with a kind, a context, and what lies beneath.
use std::fmt;

/// The result of an operation that can fail.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// An operating error: the text fits after "failed to".
#[derive(Debug)]
pub struct Error {
    pub kind: ErrorKind,
    pub context: String,
    pub source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

/// What a caller can tell apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// The log refused; its own error is the source.
    Log,
    /// The log's frames are intact, but their content is not what this machine writes.
    Unsound,
    /// Rules that this build does not have decided some of the log.
    Newer,
    /// The log has less than its own checkpoint says.
    RolledBack,
    /// The checkpoint beside the log is not one that the log's key signed.
    Checkpoint,
    /// The clock jumped ahead when the node last ran, and nobody has accepted it.
    ClockJumped,
    /// The signing key is missing, not private, or not the log's.
    Key,
    /// The directory to copy into has something in it.
    Occupied,
    /// A copy was broken off, so its directory has less than a log.
    Unfinished,
    /// There is no log in the directory.
    NoLog,
    /// Files or the system's randomness.
    Io,
    /// Nothing there.
    NotFound,
    /// The caller asked for something that makes no sense.
    Invalid,
}

impl Error {
    pub(crate) fn new(kind: ErrorKind, context: impl Into<String>) -> Self {
        Self { kind, context: context.into(), source: None }
    }

    pub(crate) fn because(
        kind: ErrorKind,
        context: impl Into<String>,
        source: impl std::error::Error + Send + Sync + 'static,
    ) -> Self {
        Self { kind, context: context.into(), source: Some(Box::new(source)) }
    }

    /// Whether it only says that the log had failed before.
    pub(crate) fn is_aftermath(&self) -> bool {
        self.of_log().is_some_and(|error| error.kind == sycee_log::ErrorKind::Poisoned)
    }

    fn of_log(&self) -> Option<&sycee_log::Error> {
        self.source.as_ref().and_then(|it| it.downcast_ref())
    }

    /// What a person can do about it.
    pub fn hint(&self) -> Option<String> {
        if let Some(hint) = self.of_log().and_then(sycee_log::Error::hint) {
            return Some(hint.to_owned());
        }
        let hint = match self.kind {
            ErrorKind::ClockJumped => "set the clock right, or start with --accept-clock if it is right",
            ErrorKind::Unsound => "run `sycee verify` on the directory; restore a backup",
            ErrorKind::Newer => "use a newer build of sycee, no older than the one that wrote the log",
            ErrorKind::RolledBack => {
                "restore a backup, or give up what is missing with --cut-tail and the position where it ends"
            }
            ErrorKind::Checkpoint => {
                "verify the log against a checkpoint that was kept; if it is sound, remove the file `checkpoint`"
            }
            ErrorKind::Key => "restore signing.key from where you keep it, with mode 0600",
            ErrorKind::Occupied => "nothing was written; name a directory that is new or empty",
            ErrorKind::Unfinished => {
                "half a copy is no log: if no copy is under way, remove that directory and copy again"
            }
            ErrorKind::NoLog => "name the directory that was given to `sycee init`, or to --data",
            ErrorKind::Log | ErrorKind::Io | ErrorKind::NotFound | ErrorKind::Invalid => return None,
        };
        Some(hint.to_owned())
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "failed to {}", self.context)?;
        match &self.source {
            Some(source) => write!(f, ": {source}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_ref().map(|source| &**source as &(dyn std::error::Error + 'static))
    }
}

impl From<sycee_log::Error> for Error {
    fn from(error: sycee_log::Error) -> Self {
        Self::because(ErrorKind::Log, "use the log", error)
    }
}

/// Why a submission has no outcome. Sent again under its id it happens once, whatever has become of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unavailable {
    /// More is waiting than the node will queue. Nothing has happened.
    Overloaded,
    /// The wall clock jumped ahead; an operator must look. Nothing has happened.
    ClockJumped,
    /// The node has stopped, or is about to. If the submission was on its way to the disk, it may be found in the log.
    Stopped,
}

impl fmt::Display for Unavailable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Overloaded => "too many commands are waiting",
            Self::ClockJumped => "the clock jumped ahead; writing has stopped until an operator accepts it",
            Self::Stopped => "the node has stopped",
        })
    }
}

impl std::error::Error for Unavailable {}

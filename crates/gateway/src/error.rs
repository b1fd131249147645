//! What went wrong in the data plane, and whose fault it was.
//!
//! One error type for the crate: a kind that drives what happens next, a fragment that fits after "failed to", and the
//! cause if another library reported one. Decided refusals (no money, no offer) are not errors and live elsewhere.
use std::fmt;

/// What kind of thing failed; it decides who is told and who pays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// The caller's request cannot be served as written.
    Request,
    /// The provider's answer cannot be understood.
    Upstream,
    /// A tokenizer file is missing, damaged, or not the pinned one.
    Tokenizer,
    /// A chat template cannot be compiled or refused the messages.
    Template,
    /// The ledger did not do what every ledger does.
    Ledger,
}

/// Who has to act on an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    Caller,
    Upstream,
    Us,
}

impl ErrorKind {
    /// Whose fault an error of this kind is.
    pub fn fault(self) -> Fault {
        match self {
            Self::Request => Fault::Caller,
            Self::Upstream => Fault::Upstream,
            Self::Tokenizer | Self::Template | Self::Ledger => Fault::Us,
        }
    }
}

/// An operating error: "failed to {context}", with its cause.
#[derive(Debug)]
pub struct Error {
    pub kind: ErrorKind,
    pub context: String,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl Error {
    /// An error without a deeper cause.
    pub fn new(kind: ErrorKind, context: impl Into<String>) -> Self {
        Self { kind, context: context.into(), source: None }
    }

    /// The same with what another library said.
    #[must_use]
    pub fn because(mut self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.context)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_ref().map(|source| source.as_ref() as _)
    }
}

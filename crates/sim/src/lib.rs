//! Simulated providers and clients: the parts of a token economy that a demo and the tests need and that
//! nobody can borrow.
//!
//! Everything here is real on the wire and simulated behind it. [`provider`] is an HTTP server that speaks the
//! OpenAI-compatible protocol, with no model behind it. Wherever it shows, in a header, an owner, a name or a log line, it is called simulated.
//!
//! Given a seed, what they say is the same on each run. When they say it is not, since the sockets are real.

mod draw;
mod error;
pub mod provider;

pub use error::{Error, ErrorKind};

//! Simulated providers and clients: the parts of a token economy that a demo and the tests need and that
//! nobody can borrow.
//!
//! Everything here is real on the wire and simulated behind it. [`provider`] is an HTTP server that speaks the
//! OpenAI-compatible protocol, with no model behind it; [`clients`] is a population of consumers that sends real
//! requests; [`sites`] holds the recorded facts of the three places where the demo's providers pretend to stand.
//! Wherever one of them shows, in a header, an owner, a name or a log line, it is called simulated.
//!
//! Given a seed, what they say is the same on each run. When they say it is not, since the sockets are real.

pub mod clients;
mod clock;
mod draw;
mod error;
pub mod provider;
pub mod sites;

pub use error::{Error, ErrorKind};

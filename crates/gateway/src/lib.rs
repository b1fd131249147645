//! OpenAI-compatible data plane: admission, routing, streaming, metering
pub mod chunk;
mod connection;
pub mod count;
mod driver;
pub mod error;
pub mod flow;
mod gateway;
pub mod health;
mod joins;
#[cfg(test)]
mod market;
mod marks;
mod metrics;
mod models;
mod network;
pub mod options;
pub mod problem;
mod refusals;
pub mod registry;
mod request;
mod routing;
mod serve;
mod server;
pub mod sse;
pub mod tasks;
pub mod template;
mod transcript;
mod upstream;
pub mod usage;
mod vectors;

pub use connection::Connection;
pub use gateway::Gateway;
pub use options::{Limits, Options, Secret, Timeouts, Upstream};
pub use serve::serve;
pub use server::router;

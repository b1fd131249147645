//! OpenAI-compatible data plane: admission, routing, streaming, metering
pub mod chunk;
pub mod count;
pub mod error;
pub mod flow;
pub mod health;
pub mod options;
pub mod problem;
pub mod registry;
pub mod sse;
pub mod tasks;
pub mod template;
pub mod usage;
mod vectors;

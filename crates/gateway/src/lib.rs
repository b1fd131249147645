//! OpenAI-compatible data plane: admission, routing, streaming, metering
pub mod count;
pub mod error;
pub mod sse;
pub mod usage;

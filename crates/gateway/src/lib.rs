//! OpenAI-compatible data plane: admission, routing, streaming, metering

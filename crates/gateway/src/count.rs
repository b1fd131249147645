//! The gateway's own count of tokens: what a request is billed by, independent of any provider's word.
pub mod tiktoken;

pub use tiktoken::Vocabulary;

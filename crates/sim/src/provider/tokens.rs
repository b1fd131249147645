//! Counting as an honest engine would: the canonical o200k tokens of a text, and a prompt as the template renders it.
//!
//! An engine's tokens need not end where characters do. A [`Piece`] is the shortest run of tokens whose bytes are
//! whole characters, so a stream of pieces never shows half of one.

use std::sync::LazyLock;

use bpe_openai::o200k_base;
use minijinja::value::Serde;
use minijinja::{Environment, context};
use serde_json::Value;

/// The chat template of every simulated chat model, in Jinja. A catalog pins it by hash.
pub const CHAT_TEMPLATE: &str = include_str!("template.jinja");

/// A run of whole characters, and how many tokens it took.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Piece {
    pub(crate) text: Box<str>,
    pub(crate) tokens: u64,
}

/// Canonical tokens of a text by `o200k_base`, special tokens read as plain text.
pub fn count(text: &str) -> u64 {
    o200k_base().count(text) as u64
}

pub(crate) fn pieces(text: &str) -> Vec<Piece> {
    let tokenizer = o200k_base();
    let mut pieces = Vec::new();
    let mut bytes = Vec::new();
    let mut tokens = 0;
    for token in tokenizer.encode(text) {
        bytes.extend_from_slice(tokenizer.bpe.token_bytes(token));
        tokens += 1;
        if let Ok(whole) = str::from_utf8(&bytes) {
            pieces.push(Piece { text: whole.into(), tokens });
            bytes.clear();
            tokens = 0;
        }
    }
    pieces
}

static TEMPLATES: LazyLock<Environment<'static>> = LazyLock::new(|| {
    let mut environment = Environment::new();
    environment.add_template("chat", CHAT_TEMPLATE).expect("the embedded template parses, as a test shows");
    environment
});

/// The text that a chat model would be given for these messages.
pub fn prompt(messages: &[Value]) -> Result<String, minijinja::Error> {
    TEMPLATES.get_template("chat")?.render(context! { messages => Serde(messages) })
}

//! The gateway's own count of tokens: what a request is billed by, independent of any provider's word.
//!
//! An offer pins a [`Tokenizer`] and, for chat, a [`crate::template::Template`], both by hash. A prompt is what the template makes of the
//! messages, counted with the control tokens that engines find in it, also in what members write. An answer is the text that was
//! delivered, summed over all choices, plus one for the end-of-sequence token of each choice that ended by itself.
//!
//! What cannot be counted is said so: each [`Counted`] carries an [`Obstacle`] where the number is only an estimate. The
//! cost of counting (2.4 ms for 10 kB with a `tokenizer.json`) is kept off the way to the first byte: [`Prompt::bound`] needs only the
//! bytes, and the [`Meter`] counts a stream piece by piece.
use sha2::{Digest, Sha256};

use crate::error::Error;
use crate::usage::{Own, Trust};

mod gguf;
mod huggingface;
mod meter;
mod prompt;
mod spm;
#[cfg(test)]
mod tests;
mod tiktoken;

pub use huggingface::HuggingFace;
pub use meter::{Delivered, Meter, completion_count};
pub use prompt::{Prompt, inputs_count};
pub use spm::{ModelFacts, Spm};
pub use tiktoken::Vocabulary;

/// Largest GGUF file that is read. A vocabulary-only file is a few megabytes; weights are not needed.
pub const GGUF_BYTES_MAX: usize = 256 << 20;

/// A pinned tokenizer.
#[derive(Debug)]
pub struct Tokenizer {
    kind: Kind,
    hash: [u8; 32],
}

#[derive(Debug)]
enum Kind {
    Tiktoken(Vocabulary),
    HuggingFace(Box<HuggingFace>),
    Gguf(Box<Spm>),
}

impl Tokenizer {
    /// An embedded vocabulary, in which no text is special.
    pub fn embedded(vocabulary: Vocabulary) -> Self {
        Self { kind: Kind::Tiktoken(vocabulary), hash: vocabulary.hash() }
    }

    /// The contents of a `tokenizer.json`.
    pub fn from_json(bytes: &[u8]) -> Result<Self, Error> {
        let inner = HuggingFace::read(bytes)?;
        Ok(Self { kind: Kind::HuggingFace(Box::new(inner)), hash: Sha256::digest(bytes).into() })
    }

    /// The contents of a GGUF file, and what else it says about its model.
    pub fn from_gguf(bytes: &[u8]) -> Result<(Self, ModelFacts), Error> {
        if bytes.len() > GGUF_BYTES_MAX {
            return Err(gguf::damaged(format!(
                "it is above {GGUF_BYTES_MAX} bytes; write a vocabulary-only file"
            )));
        }
        let (spm, facts) = Spm::read(bytes)?;
        Ok((Self { kind: Kind::Gguf(Box::new(spm)), hash: Sha256::digest(bytes).into() }, facts))
    }

    /// SHA-256 that an offer pins: of the file, or of an embedded vocabulary's name and tokens.
    pub fn hash(&self) -> [u8; 32] {
        self.hash
    }

    /// Tokens of text that a model made.
    pub fn count_text(&self, text: &str) -> Result<u64, Error> {
        match &self.kind {
            Kind::Tiktoken(vocabulary) => Ok(vocabulary.count(text)),
            Kind::HuggingFace(inner) => inner.count(text),
            Kind::Gguf(spm) => Ok(spm.count_text(text)),
        }
    }

    /// Tokens of a prompt that a chat template rendered.
    pub fn count_prompt(&self, rendered: &str) -> Result<u64, Error> {
        match &self.kind {
            Kind::Tiktoken(vocabulary) => Ok(vocabulary.count(rendered)),
            Kind::HuggingFace(inner) => inner.count(rendered),
            Kind::Gguf(spm) => Ok(spm.count_prompt(rendered)),
        }
    }

    /// Tokens of a text that goes to the model as it is, as for embeddings.
    pub fn count_input(&self, text: &str) -> Result<u64, Error> {
        match &self.kind {
            Kind::Tiktoken(vocabulary) => Ok(vocabulary.count(text)),
            Kind::HuggingFace(inner) => inner.count_input(text),
            Kind::Gguf(spm) => Ok(spm.count_input(text)),
        }
    }

    /// A proven upper bound of all three counts for a text of so many bytes. `None` where the tokenizer's file has a step whose
    /// effect on length is unknown: then only counting tells.
    pub fn bound(&self, bytes: usize) -> Option<u64> {
        let bytes = bytes as u64;
        match &self.kind {
            Kind::Tiktoken(_) => Some(bytes),
            Kind::HuggingFace(inner) => inner.bound(bytes),
            Kind::Gguf(spm) => Some(spm.bound(bytes)),
        }
    }

    /// Whether a text may be counted in two parts between these characters.
    fn is_wall(&self, left: char, right: char) -> bool {
        match &self.kind {
            // No piece of the splitting patterns holds a space behind anything but white space, nor a mark behind a letter.
            Kind::Tiktoken(_) => {
                (right == ' ' && !left.is_whitespace())
                    || (huggingface::is_ideograph(left) && huggingface::is_cjk_mark(right))
            }
            Kind::HuggingFace(inner) => inner.is_wall(left, right),
            Kind::Gguf(spm) => spm.is_wall(left, right),
        }
    }

    /// Whether counting in parts is proved for every text, so that the sum of parts needs no final recount.
    fn is_exact_in_parts(&self) -> bool {
        match &self.kind {
            Kind::Tiktoken(_) | Kind::Gguf(_) => true,
            Kind::HuggingFace(_) => false,
        }
    }
}

/// Why a side cannot be counted exactly.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Obstacle {
    /// The offer pins no tokenizer.
    NoTokenizer,
    /// The offer pins no chat template.
    NoTemplate,
    /// The template refused the messages or could not render them.
    TemplateFailed,
    /// The template writes the date.
    TemplateDated,
    /// Tools are described to the model, or called by it, in the engine's own words.
    Tools,
    /// Images, audio or files.
    Media,
    /// A last message by the assistant: some engines continue it, others answer it.
    Prefill,
    /// A role or a content that engines turn into prompt in different ways.
    Message,
    /// The request changes the template or its arguments.
    TemplateArguments,
    /// The tokenizer failed on the text.
    TokenizerFailed,
}

/// A count of one side: exact, or an estimate with what stood in the way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counted {
    pub tokens: u64,
    /// Tokens of those that were delivered as reasoning.
    pub reasoning: u64,
    pub obstacle: Option<Obstacle>,
    /// Of an estimate, the most tokens that the delivered text can be: one a byte, and an end for each choice. None where more
    /// than that text was made.
    pub text_max: Option<u64>,
}

impl Counted {
    /// An exact count.
    pub fn exact(tokens: u64) -> Self {
        Self { tokens, reasoning: 0, obstacle: None, text_max: None }
    }

    /// An estimate.
    pub fn estimate(tokens: u64, obstacle: Obstacle) -> Self {
        Self { tokens, reasoning: 0, obstacle: Some(obstacle), text_max: None }
    }

    /// What billing needs: the count, or the estimate with the most the side may be billed.
    pub fn own(self, cap: u64) -> Own {
        match self.obstacle {
            None => Own::Verified { tokens: self.tokens, reasoning: self.reasoning },
            Some(_) => {
                Own::Estimated { tokens: self.tokens, cap, text_max: self.text_max, trust: Trust::Unverified }
            }
        }
    }
}

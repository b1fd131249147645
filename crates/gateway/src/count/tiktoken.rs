//! The embedded tiktoken vocabularies.
//!
//! They come with the `bpe-openai` crate: encoding time is linear in the text whatever the text is, so a hostile prompt
//! (megabytes of spaces) costs what any other does.
use std::sync::LazyLock;

use sha2::{Digest, Sha256};

/// A vocabulary that is part of the binary. Loading one takes about 50 ms and happens at first use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Vocabulary {
    O200kBase,
    Cl100kBase,
}

impl Vocabulary {
    /// The name in configuration.
    pub fn name(self) -> &'static str {
        match self {
            Self::O200kBase => "o200k_base",
            Self::Cl100kBase => "cl100k_base",
        }
    }

    /// The vocabulary of that name, if it is embedded.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::O200kBase, Self::Cl100kBase].into_iter().find(|vocabulary| vocabulary.name() == name)
    }

    /// Tokens of a text in which nothing is special.
    pub fn count(self, text: &str) -> u64 {
        u64::try_from(self.tokenizer().count(text)).expect("a count fits in 64 bits")
    }

    /// SHA-256 of the name and of every token's length and bytes in order of rank.
    pub fn hash(self) -> [u8; 32] {
        static O200K: LazyLock<[u8; 32]> = LazyLock::new(|| digest(Vocabulary::O200kBase));
        static CL100K: LazyLock<[u8; 32]> = LazyLock::new(|| digest(Vocabulary::Cl100kBase));
        match self {
            Self::O200kBase => *O200K,
            Self::Cl100kBase => *CL100K,
        }
    }

    pub(super) fn tokenizer(self) -> &'static bpe_openai::Tokenizer {
        match self {
            Self::O200kBase => bpe_openai::o200k_base(),
            Self::Cl100kBase => bpe_openai::cl100k_base(),
        }
    }
}

fn digest(vocabulary: Vocabulary) -> [u8; 32] {
    let bpe = &vocabulary.tokenizer().bpe;
    let mut hash = Sha256::new();
    hash.update(vocabulary.name().as_bytes());
    for rank in 0..u32::try_from(bpe.num_tokens()).expect("ranks are 32 bits") {
        let token = bpe.token_bytes(rank);
        hash.update(u32::try_from(token.len()).expect("tokens are short").to_le_bytes());
        hash.update(token);
    }
    hash.finalize().into()
}

//! A tokenizer pinned as a `tokenizer.json`, run by the `tokenizers` crate.
//!
//! Besides counting, two facts are derived from the file when it is loaded: how many tokens a byte of text can become at most
//! (normalisers can lengthen text, prefixes are added, bytes can fall back one by one), and at which places a text may be
//! counted in parts without changing the sum.
use serde_json::Value;
use tokenizers::Tokenizer as Inner;

use crate::error::{Error, ErrorKind};

/// Largest file that is read.
const FILE_BYTES_MAX: usize = 64 << 20;

/// A loaded `tokenizer.json`.
#[derive(Debug)]
pub struct HuggingFace {
    inner: Inner,
    markers: u64,
    bound: Option<Bound>,
    walls: Walls,
}

/// Tokens of a text are at most `per_byte` × its bytes + `once`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Bound {
    per_byte: u64,
    once: u64,
}

/// Places that no token reaches across, certified by looking at every token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Walls {
    before_space: bool,
    before_cjk_mark: bool,
}

impl HuggingFace {
    pub(super) fn read(bytes: &[u8]) -> Result<Self, Error> {
        if bytes.len() > FILE_BYTES_MAX {
            return Err(unreadable(format!("it is larger than {FILE_BYTES_MAX} bytes")));
        }
        let description: Value =
            serde_json::from_slice(bytes).map_err(|error| unreadable("it is not JSON").because(error))?;
        if description
            .pointer("/model/dropout")
            .is_some_and(|dropout| dropout.as_f64().is_some_and(|p| p > 0.0))
        {
            return Err(unreadable("it drops merges at random, so it counts differently each time"));
        }
        let mut inner =
            Inner::from_bytes(bytes).map_err(|error| unreadable("it is no tokenizer").because(error))?;
        inner
            .with_truncation(None)
            .map_err(|error| unreadable("its truncation cannot be turned off").because(error))?;
        inner.with_padding(None);
        let markers = inner.get_post_processor().map_or(0, |processor| {
            use tokenizers::PostProcessor;
            processor.added_tokens(false) as u64
        });
        let bound = bound(&inner, &description);
        let walls = walls(&inner, &description);
        Ok(Self { inner, markers, bound, walls })
    }

    /// Tokens of a text, without markers around it. Added tokens in it count as one each, as they do for the engines.
    pub(super) fn count(&self, text: &str) -> Result<u64, Error> {
        self.encode(text, false)
    }

    /// Tokens of a text with the markers that the post-processor adds.
    pub(super) fn count_input(&self, text: &str) -> Result<u64, Error> {
        self.encode(text, true)
    }

    /// An upper bound of both counts for a text of so many bytes, where the file allows one to be proved.
    pub(super) fn bound(&self, bytes: u64) -> Option<u64> {
        let Bound { per_byte, once } = self.bound?;
        Some(bytes.saturating_mul(per_byte).saturating_add(once).saturating_add(self.markers))
    }

    /// Whether a text may be counted in two parts here.
    pub(super) fn is_wall(&self, left: char, right: char) -> bool {
        (self.walls.before_space && right == ' ' && !left.is_whitespace())
            || (self.walls.before_cjk_mark && is_ideograph(left) && is_cjk_mark(right))
    }

    fn encode(&self, text: &str, add_markers: bool) -> Result<u64, Error> {
        if text.is_empty() && !add_markers {
            return Ok(0);
        }
        let encoding = self
            .inner
            .encode_fast(text, add_markers)
            .map_err(|error| Error::new(ErrorKind::Tokenizer, "count the tokens of a text").because(error))?;
        Ok(encoding.len() as u64)
    }
}

/// Common Han characters and kana: letters to every pre-tokenizer.
pub(super) fn is_ideograph(char: char) -> bool {
    matches!(char, '\u{4e00}'..='\u{9fff}' | '\u{3041}'..='\u{3096}' | '\u{30a1}'..='\u{30fa}')
}

/// Chinese punctuation that no pre-tokenizer joins to the word before it.
pub(super) fn is_cjk_mark(char: char) -> bool {
    matches!(char, '，' | '。' | '！' | '？' | '；' | '：' | '、')
}

fn unreadable(why: impl std::fmt::Display) -> Error {
    Error::new(ErrorKind::Tokenizer, format!("read the tokenizer.json: {why}"))
}

/// The steps of a normaliser or pre-tokenizer, with sequences opened.
fn steps(step: &Value) -> Vec<&Value> {
    let inner =
        ["normalizers", "pretokenizers"].iter().find_map(|name| step.get(*name)).and_then(Value::as_array);
    match (step, inner) {
        (Value::Null, _) => Vec::new(),
        (_, Some(inner)) => inner.iter().flat_map(steps).collect(),
        (_, None) => vec![step],
    }
}

fn kind(step: &Value) -> &str {
    step.get("type").and_then(Value::as_str).unwrap_or_default()
}

/// What a character can cost at most: one token if the vocabulary knows it, else its bytes.
fn cost(inner: &Inner, text: &str) -> u64 {
    let one = |char: char| {
        let mut buffer = [0; 4];
        if inner.token_to_id(char.encode_utf8(&mut buffer)).is_some() { 1 } else { char.len_utf8() as u64 }
    };
    text.chars().map(one).sum()
}

/// Proves a bound, or gives up where a step's effect on length is unknown. Growth of normal forms in UTF-8: Unicode FAQ on
/// normalization (3 for NFC and NFD, 11 for NFKC).  NFKD grows 11-fold too.
fn bound(inner: &Inner, description: &Value) -> Option<Bound> {
    let mut per_byte = 1;
    let mut prefix = 0;
    for step in steps(&description["normalizer"]) {
        let growth = match kind(step) {
            "NFC" | "NFD" => 3,
            "NFKC" | "NFKD" => 11,
            "Lowercase" => 2,
            "Strip" | "StripAccents" => 1,
            "ByteLevel" => 2,
            // Accents are split off (3), letters lowered (2), Chinese characters get spaces around them (2).
            "BertNormalizer" => 12,
            "Prepend" => {
                prefix += step.get("prepend")?.as_str()?.len() as u64;
                1
            }
            "Replace" => {
                let pattern =
                    step.pointer("/pattern/String")?.as_str().filter(|pattern| !pattern.is_empty())?;
                cost(inner, step.get("content")?.as_str()?).div_ceil(pattern.len() as u64).max(1)
            }
            _ => return None,
        };
        per_byte *= growth;
        prefix *= growth;
    }
    for step in steps(&description["pre_tokenizer"]) {
        match kind(step) {
            "ByteLevel" => {
                // Each byte becomes a character; one that is not in the vocabulary could fall back to two bytes.
                per_byte *= if description.pointer("/model/byte_fallback") == Some(&Value::Bool(true)) {
                    2
                } else {
                    1
                };
                prefix += 2;
            }
            "Metaspace" => {
                let space =
                    cost(inner, step.get("replacement").and_then(Value::as_str).unwrap_or("\u{2581}"));
                per_byte *= space.max(1);
                prefix += space;
            }
            "BertPreTokenizer" | "CharDelimiterSplit" | "Digits" | "FixedLength" | "Punctuation"
            | "Split" | "UnicodeScripts" | "Whitespace" | "WhitespaceSplit" => {}
            _ => return None,
        }
    }
    // An added token is one token, and the text after it gets the prefix again.
    let shortest = description["added_tokens"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|token| token.get("content")?.as_str().map(|content| content.len() as u64))
        .min();
    let after_added = shortest.map_or(1, |shortest| (1 + prefix).div_ceil(shortest.max(1)));
    Some(Bound { per_byte: per_byte.max(after_added), once: prefix })
}

/// Looks at every token for one that reaches across a place where a text might be cut.
fn walls(inner: &Inner, description: &Value) -> Walls {
    let normalizer = steps(&description["normalizer"]);
    let pre_tokenizer = steps(&description["pre_tokenizer"]);
    let is_local = |step: &&Value| {
        kind(step) == "NFC"
            || (kind(step) == "Replace" && step.pointer("/pattern/String") == Some(&Value::from(" ")))
    };
    if !normalizer.iter().all(is_local) {
        return Walls { before_space: false, before_cjk_mark: false };
    }
    let adds_prefix = pre_tokenizer
        .iter()
        .any(|step| kind(step) == "Metaspace" || step.get("add_prefix_space") == Some(&Value::Bool(true)));
    let is_byte_level = pre_tokenizer.iter().any(|step| kind(step) == "ByteLevel");
    let mut walls = Walls { before_space: true, before_cjk_mark: !adds_prefix };
    for token in inner.get_vocab(true).keys() {
        let text = if is_byte_level { from_byte_level(token) } else { token.replace('\u{2581}', " ") };
        for (left, right) in text.chars().zip(text.chars().skip(1)) {
            walls.before_space &= right != ' ' || left.is_whitespace();
            walls.before_cjk_mark &= !(is_ideograph(left) && is_cjk_mark(right));
        }
    }
    walls
}

/// The text of a byte-level token. The alphabet is that of GPT-2: printable Latin-1 stands for itself, the other bytes follow
/// from U+0100 in order.
fn from_byte_level(token: &str) -> String {
    let is_printable = |byte: u8| matches!(byte, b'!'..=b'~' | 0xa1..=0xac | 0xae..=0xff);
    let others: Vec<u8> = (0..=255).filter(|byte| !is_printable(*byte)).collect();
    let byte_of = |char: char| match u8::try_from(u32::from(char)) {
        Ok(byte) => Some(byte),
        Err(_) => others.get(usize::try_from(u32::from(char)).ok()?.checked_sub(256)?).copied(),
    };
    let bytes: Vec<u8> = token.chars().filter_map(byte_of).collect();
    String::from_utf8_lossy(&bytes).into_owned()
}

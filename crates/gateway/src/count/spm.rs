//! The tokenizer of a GGUF model of the `llama` kind, as llama.cpp runs it.
//!
//! Control tokens are cut out of the text first, longest first. What lies between is split into characters, and the
//! neighbours whose union is the best-scored piece of the vocabulary are joined until none is left; a character that is no piece
//! becomes its bytes. The engine also cuts control tokens out of what members write: `</s>` inside a message is one token.
//!
//! Only texts of the vocabulary can arise, so two characters that stand side by side in no piece are a wall that no join
//! crosses. Counting in parts between walls is therefore exact, which the meter uses.
use std::cmp::Ordering;
use std::collections::{BinaryHeap, HashMap, HashSet};

use super::gguf::{Metadata, damaged};
use crate::error::Error;

/// How the vocabulary writes a space.
const SPACE: &str = "\u{2581}";

/// A llama vocabulary.
#[derive(Debug)]
pub struct Spm {
    scores: HashMap<Box<str>, f32>,
    /// Texts that are cut out before anything else, longest first; with whether that happens in plain text too.
    specials: Vec<(Box<str>, bool)>,
    /// Neighbours within a piece: between any others is a wall.
    neighbours: HashSet<(char, char)>,
    add_bos: Option<Box<str>>,
    add_eos: Option<Box<str>>,
    add_space_prefix: bool,
    /// Tokens that a byte of text can become at most.
    tokens_per_byte: u64,
}

/// What a file tells besides its vocabulary.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelFacts {
    pub name: Option<String>,
    pub context_length: Option<u64>,
    pub chat_template: Option<String>,
    pub bos_token: String,
    pub eos_token: String,
}

/// Kinds of token in `tokenizer.ggml.token_type`.
const UNKNOWN: i64 = 2;
const CONTROL: i64 = 3;
const USER_DEFINED: i64 = 4;

impl Spm {
    /// Reads the vocabulary out of a file.
    pub(super) fn read(bytes: &[u8]) -> Result<(Self, ModelFacts), Error> {
        let metadata = Metadata::read(bytes)?;
        let name = metadata.text("general.name")?;
        match metadata.text("tokenizer.ggml.model")? {
            Some("llama") => {}
            Some(other) => {
                return Err(damaged(format!(
                    "its tokenizer is \"{other}\"; pin the model's tokenizer.json instead"
                )));
            }
            None => return Err(damaged("it has no tokenizer")),
        }
        if name
            .is_some_and(|name| name.to_lowercase().contains("phi-3") || name.to_lowercase().contains("phi3"))
        {
            return Err(damaged(
                "this family strips spaces after control tokens; pin its tokenizer.json instead",
            ));
        }
        let tokens =
            metadata.texts("tokenizer.ggml.tokens")?.ok_or_else(|| damaged("it has no token list"))?;
        let scores =
            metadata.floats("tokenizer.ggml.scores")?.ok_or_else(|| damaged("it has no token scores"))?;
        let kinds = metadata
            .integers("tokenizer.ggml.token_type")?
            .ok_or_else(|| damaged("it has no token types"))?;
        if tokens.len() != scores.len() || tokens.len() != kinds.len() {
            return Err(damaged("its lists of tokens, scores and types differ in length"));
        }
        let text_of = |key: &str, default: u64| -> Result<String, Error> {
            let index = metadata.index(key)?.unwrap_or(default);
            let token = usize::try_from(index).ok().and_then(|index| tokens.get(index));
            token.cloned().ok_or_else(|| damaged(format!("{key} is {index}, beyond its tokens")))
        };
        let bos = text_of("tokenizer.ggml.bos_token_id", 1)?;
        let eos = text_of("tokenizer.ggml.eos_token_id", 2)?;
        let add_bos = metadata.flag("tokenizer.ggml.add_bos_token")?.unwrap_or(true);
        let add_eos = metadata.flag("tokenizer.ggml.add_eos_token")?.unwrap_or(false);
        let mut spm = Self {
            scores: vocabulary(tokens, scores)?,
            specials: specials(tokens, kinds),
            neighbours: neighbours(tokens),
            add_bos: add_bos.then(|| bos.as_str().into()),
            add_eos: add_eos.then(|| eos.as_str().into()),
            add_space_prefix: metadata.flag("tokenizer.ggml.add_space_prefix")?.unwrap_or(true),
            tokens_per_byte: 1,
        };
        spm.tokens_per_byte = spm.worst_tokens_per_byte();
        let facts = ModelFacts {
            name: name.map(str::to_owned),
            context_length: metadata.index("llama.context_length")?,
            chat_template: metadata.text("tokenizer.chat_template")?.map(str::to_owned),
            bos_token: bos,
            eos_token: eos,
        };
        Ok((spm, facts))
    }

    /// Tokens of text that the model made: no control tokens in it, no space before it.
    pub(super) fn count_text(&self, text: &str) -> u64 {
        self.count(text, false, false)
    }

    /// Tokens of a rendered prompt, with the markers the engine adds around it. A marker that the template wrote already is
    /// not added twice.
    pub(super) fn count_prompt(&self, rendered: &str) -> u64 {
        let body = self.add_bos.as_deref().and_then(|bos| rendered.strip_prefix(bos)).unwrap_or(rendered);
        let body = self.add_eos.as_deref().and_then(|eos| body.strip_suffix(eos)).unwrap_or(body);
        self.count_input(body)
    }

    /// Tokens of a text given as it is, with the markers the engine adds around it.
    pub(super) fn count_input(&self, text: &str) -> u64 {
        self.markers() + self.count(text, true, self.add_space_prefix)
    }

    /// An upper bound of all three counts for a text of so many bytes.
    pub(super) fn bound(&self, bytes: u64) -> u64 {
        // One more for the space before the first fragment.
        bytes.saturating_add(1).saturating_mul(self.tokens_per_byte).saturating_add(self.markers())
    }

    /// Whether no token can reach across these two neighbours.
    pub(super) fn is_wall(&self, left: char, right: char) -> bool {
        !self.neighbours.contains(&(escaped(left), escaped(right)))
            // A user-defined token is cut out of text as a whole, whatever its characters.
            && !self.specials.iter().any(|(text, in_text)| *in_text && has_neighbours(text, left, right))
    }

    fn markers(&self) -> u64 {
        u64::from(self.add_bos.is_some()) + u64::from(self.add_eos.is_some())
    }

    /// A byte of text is one token at most, unless a space is not in the vocabulary (three bytes then) or a control token is shorter
    /// than itself plus the space that follows it.
    fn worst_tokens_per_byte(&self) -> u64 {
        let space: u64 = if self.scores.contains_key(SPACE) { 1 } else { 3 };
        let after_special = 1 + if self.add_space_prefix { space } else { 0 };
        let shortest = self.specials.iter().map(|(text, _)| text.len() as u64).min();
        shortest.map_or(0, |shortest| after_special.div_ceil(shortest)).max(space)
    }

    fn count(&self, text: &str, parse_special: bool, space_prefix: bool) -> u64 {
        let mut fragments = vec![Fragment::Text(text)];
        for (special, _) in self.specials.iter().filter(|(_, in_text)| parse_special || *in_text) {
            fragments = cut_out(fragments, special);
        }
        let mut after_special = true;
        let mut total = 0;
        for fragment in fragments {
            total += match fragment {
                Fragment::Special => 1,
                Fragment::Text(text) => {
                    let prefix = if space_prefix && after_special { " " } else { "" };
                    self.count_fragment(&format!("{prefix}{text}").replace(' ', SPACE))
                }
            };
            after_special = fragment == Fragment::Special;
        }
        total
    }

    /// Joins neighbours, best score first and leftmost among equals, and counts what is left.
    fn count_fragment(&self, text: &str) -> u64 {
        let mut symbols: Vec<Symbol<'_>> = text
            .char_indices()
            .enumerate()
            .map(|(index, (start, char))| Symbol {
                text: &text[start..start + char.len_utf8()],
                start,
                before: index.checked_sub(1),
                after: Some(index + 1),
            })
            .collect();
        if let Some(last) = symbols.last_mut() {
            last.after = None;
        }
        let mut joins = BinaryHeap::new();
        for right in 1..symbols.len() {
            joins.extend(self.join(text, &symbols, right - 1, right));
        }
        while let Some(join) = joins.pop() {
            let (left, right) = (&symbols[join.left], &symbols[join.right]);
            // A symbol that was taken into another is empty; one that grew makes its old joins stale.
            if left.text.is_empty()
                || right.text.is_empty()
                || left.text.len() + right.text.len() != join.length
            {
                continue;
            }
            let (start, after) = (left.start, right.after);
            symbols[join.left].text = &text[start..start + join.length];
            symbols[join.left].after = after;
            symbols[join.right].text = "";
            if let Some(after) = after {
                symbols[after].before = Some(join.left);
                joins.extend(self.join(text, &symbols, join.left, after));
            }
            if let Some(before) = symbols[join.left].before {
                joins.extend(self.join(text, &symbols, before, join.left));
            }
        }
        symbols
            .iter()
            .filter(|symbol| !symbol.text.is_empty())
            .map(|symbol| self.tokens_of(symbol.text))
            .sum()
    }

    fn join(&self, text: &str, symbols: &[Symbol<'_>], left: usize, right: usize) -> Option<Join> {
        let start = symbols[left].start;
        let length = symbols[left].text.len() + symbols[right].text.len();
        let score = *self.scores.get(&text[start..start + length])?;
        Some(Join { score, left, right, length })
    }

    fn tokens_of(&self, symbol: &str) -> u64 {
        if self.scores.contains_key(symbol) { 1 } else { symbol.len() as u64 }
    }
}

/// A piece of the text between joins, in a list linked both ways.
struct Symbol<'a> {
    text: &'a str,
    start: usize,
    before: Option<usize>,
    after: Option<usize>,
}

/// A possible join of two neighbours.
struct Join {
    score: f32,
    left: usize,
    right: usize,
    length: usize,
}

impl Ord for Join {
    fn cmp(&self, other: &Self) -> Ordering {
        self.score.total_cmp(&other.score).then_with(|| other.left.cmp(&self.left))
    }
}

impl PartialOrd for Join {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Join {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Join {}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Fragment<'a> {
    Text(&'a str),
    Special,
}

fn cut_out<'a>(fragments: Vec<Fragment<'a>>, special: &str) -> Vec<Fragment<'a>> {
    let mut cut = Vec::with_capacity(fragments.len());
    for fragment in fragments {
        let Fragment::Text(mut text) = fragment else {
            cut.push(fragment);
            continue;
        };
        while let Some((left, right)) = text.split_once(special) {
            cut.extend((!left.is_empty()).then_some(Fragment::Text(left)));
            cut.push(Fragment::Special);
            text = right;
        }
        cut.extend((!text.is_empty()).then_some(Fragment::Text(text)));
    }
    cut
}

fn vocabulary(tokens: &[String], scores: &[f32]) -> Result<HashMap<Box<str>, f32>, Error> {
    let mut vocabulary = HashMap::with_capacity(tokens.len());
    for (token, score) in tokens.iter().zip(scores) {
        if score.is_nan() {
            return Err(damaged(format!("the score of token {token:?} is not a number")));
        }
        // Minus zero and zero are one score.
        if vocabulary.insert(Box::from(token.as_str()), *score + 0.0).is_some() {
            return Err(damaged(format!("token {token:?} stands twice")));
        }
    }
    for byte in 0..=255u8 {
        let name = format!("<0x{byte:02X}>");
        if !vocabulary.contains_key(name.as_str()) {
            return Err(damaged(format!("it has no token {name}, so some text could not be counted")));
        }
    }
    Ok(vocabulary)
}

fn specials(tokens: &[String], kinds: &[i64]) -> Vec<(Box<str>, bool)> {
    let mut specials: Vec<(Box<str>, bool)> = tokens
        .iter()
        .zip(kinds)
        .filter(|(token, kind)| matches!(**kind, UNKNOWN | CONTROL | USER_DEFINED) && !token.is_empty())
        .map(|(token, kind)| (Box::from(token.as_str()), *kind == USER_DEFINED))
        .collect();
    specials.sort_by_key(|(text, _)| std::cmp::Reverse(text.len()));
    specials
}

fn neighbours(tokens: &[String]) -> HashSet<(char, char)> {
    tokens.iter().flat_map(|token| token.chars().zip(token.chars().skip(1))).collect()
}

fn has_neighbours(text: &str, left: char, right: char) -> bool {
    text.chars().zip(text.chars().skip(1)).any(|pair| pair == (left, right))
}

fn escaped(char: char) -> char {
    if char == ' ' { '\u{2581}' } else { char }
}

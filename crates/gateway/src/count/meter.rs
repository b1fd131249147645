//! Counting what is delivered, while it is delivered.
//!
//! Re-tokenising everything at each progress mark would cost the square of the answer. The meter instead moves a text into the
//! counted part whenever it finds a wall: a place that no token reaches across. What lies before the last wall is never looked
//! at again; what lies behind it is counted when a mark is due. For embedded and GGUF vocabularies the sum of the parts is the
//! exact count (proved from the splitting patterns, or from the vocabulary); for a `tokenizer.json` walls are certified token by
//! token and the final count still looks at the whole text once.
//!
//! A mark never exceeds the exact count of the text so far. It falls short only of a wall-less run of more than
//! [`TAIL_BYTES_MAX`], whose bytes beyond the last mark wait for the final count.
use super::{Counted, Obstacle, Tokenizer, Vocabulary};
use crate::error::Error;

/// Bytes that gather before the meter looks for a wall.
const LOOK_BYTES: usize = 512;
/// Longest run without a wall that a mark counts.
pub(super) const TAIL_BYTES_MAX: usize = 64 << 10;

/// One text of an answer as it grows.
#[derive(Clone, Debug, Default)]
pub struct Meter {
    text: String,
    /// Bytes before the last wall, and their tokens.
    counted_bytes: usize,
    counted_tokens: u64,
    /// Bytes up to which no wall was found.
    looked_bytes: usize,
}

impl Meter {
    /// Appends delivered text.
    pub fn push(&mut self, tokenizer: &Tokenizer, delta: &str) -> Result<(), Error> {
        self.text.push_str(delta);
        if self.text.len() - self.looked_bytes < LOOK_BYTES {
            return Ok(());
        }
        // The character before the new part may make a wall with its first one.
        let before = self.text[self.counted_bytes..self.looked_bytes].chars().next_back();
        let start = self.looked_bytes - before.map_or(0, char::len_utf8);
        if let Some(wall) = last_wall(tokenizer, &self.text[start..]) {
            let end = start + wall;
            self.counted_tokens += tokenizer.count_text(&self.text[self.counted_bytes..end])?;
            self.counted_bytes = end;
        }
        self.looked_bytes = self.text.len();
        Ok(())
    }

    /// Tokens delivered so far, for a progress mark.
    pub fn mark(&self, tokenizer: &Tokenizer) -> Result<u64, Error> {
        let tail = &self.text[self.counted_bytes..];
        if tail.len() > TAIL_BYTES_MAX {
            return Ok(self.counted_tokens);
        }
        Ok(self.counted_tokens + tokenizer.count_text(tail)?)
    }

    /// The exact count of the whole text.
    pub fn total(&self, tokenizer: &Tokenizer) -> Result<u64, Error> {
        if !tokenizer.is_exact_in_parts() {
            return tokenizer.count_text(&self.text);
        }
        Ok(self.counted_tokens + tokenizer.count_text(&self.text[self.counted_bytes..])?)
    }

    /// The text so far.
    pub fn text(&self) -> &str {
        &self.text
    }
}

/// The byte position of the last wall in a text.
fn last_wall(tokenizer: &Tokenizer, text: &str) -> Option<usize> {
    let right = text.char_indices().rev();
    let left = text.char_indices().rev().skip(1);
    right
        .zip(left)
        .find(|((_, right), (_, left))| tokenizer.is_wall(*left, *right))
        .map(|((position, _), _)| position)
}

/// One delivered choice.
#[derive(Clone, Debug, Default)]
pub struct Delivered {
    pub visible: Meter,
    pub reasoning: Meter,
    /// Names and arguments of tool calls. The model wrote more than that around them, in its own format.
    pub tool_text: Meter,
    /// The choice ended by itself (`finish_reason: "stop"`).
    pub stopped: bool,
}

impl Delivered {
    /// Tokens for a progress mark.
    pub fn mark(&self, tokenizer: &Tokenizer) -> Result<u64, Error> {
        Ok(self.visible.mark(tokenizer)?
            + self.reasoning.mark(tokenizer)?
            + self.tool_text.mark(tokenizer)?)
    }

    /// Whether anything was delivered.
    pub fn is_empty(&self) -> bool {
        [&self.visible, &self.reasoning, &self.tool_text].iter().all(|meter| meter.text().is_empty())
    }
}

/// Counts an answer over all its choices. `has_stop_strings` says whether the request named any: then `stop` does not prove that
/// the model ended the sequence, and no end token is counted.
pub fn completion_count(
    tokenizer: Option<&Tokenizer>,
    choices: &[Delivered],
    has_stop_strings: bool,
) -> Counted {
    let Some(tokenizer) = tokenizer else { return default_count(choices, Obstacle::NoTokenizer) };
    let mut counted = Counted::exact(0);
    for choice in choices {
        let totals =
            [&choice.visible, &choice.reasoning, &choice.tool_text].map(|meter| meter.total(tokenizer));
        let [Ok(visible), Ok(reasoning), Ok(tools)] = totals else {
            return default_count(choices, Obstacle::TokenizerFailed);
        };
        let end = u64::from(choice.stopped && !has_stop_strings);
        counted.tokens += visible + reasoning + tools + end;
        counted.reasoning += reasoning;
        if !choice.tool_text.text().is_empty() {
            counted.obstacle = Some(Obstacle::Tools);
        }
    }
    counted
}

fn default_count(choices: &[Delivered], obstacle: Obstacle) -> Counted {
    let count = |meter: &Meter| Vocabulary::O200kBase.count(meter.text());
    let reasoning = choices.iter().map(|choice| count(&choice.reasoning)).sum();
    let rest: u64 = choices.iter().map(|choice| count(&choice.visible) + count(&choice.tool_text)).sum();
    // A call is written with markup that is not delivered, so its text bounds nothing.
    let calls = choices.iter().any(|choice| !choice.tool_text.text().is_empty());
    let bytes = |choice: &Delivered| choice.visible.text().len() + choice.reasoning.text().len() + 1;
    let text_max = (!calls).then(|| choices.iter().map(bytes).sum::<usize>() as u64);
    Counted { tokens: rest + reasoning, reasoning, obstacle: Some(obstacle), text_max }
}

//! The tally: what has reached the client, by choice, with a running count for the marks.
use std::collections::BTreeMap;

use crate::chunk::{Part, Piece};
use crate::count::{Delivered, Tokenizer};

/// Choices a provider may invent; more are not told apart.
const CHOICES_MAX: u32 = 256;

/// Delivered text.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    choices: BTreeMap<u32, Delivered>,
}

impl Tally {
    /// Takes in what the client has got. A tokenizer that fails on a text leaves it to the final count, which estimates it.
    pub(crate) fn add(&mut self, tokenizer: &Tokenizer, pieces: &[Piece]) {
        for piece in pieces {
            let choice = self.choices.entry(piece.choice.min(CHOICES_MAX)).or_default();
            let meter = match piece.part {
                Part::Visible => &mut choice.visible,
                Part::Reasoning => &mut choice.reasoning,
                Part::Tool => &mut choice.tool_text,
            };
            if let Err(error) = meter.push(tokenizer, &piece.text) {
                tracing::debug!(%error, "a running count stands still");
            }
        }
    }

    /// Tokens for a mark: never more than the exact count. All of them, and those of reasoning.
    pub(crate) fn mark(&self, tokenizer: &Tokenizer) -> (u64, u64) {
        let sums = self.choices.values().map(|choice| {
            let all = choice.mark(tokenizer).unwrap_or(0);
            (all, choice.reasoning.mark(tokenizer).unwrap_or(0).min(all))
        });
        sums.fold((0, 0), |(all, reasoning), (more, of_it)| (all + more, reasoning + of_it))
    }

    /// What to count for the bill. A choice that ended by itself has its end, even if it said nothing.
    pub(crate) fn into_choices(mut self, ended: impl Iterator<Item = u32>) -> Vec<Delivered> {
        for index in ended {
            self.choices.entry(index.min(CHOICES_MAX)).or_default().stopped = true;
        }
        self.choices.into_values().collect()
    }
}

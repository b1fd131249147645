//! The tally: what has reached the client, by choice, with a running count for the marks.
use std::collections::BTreeMap;

use crate::chunk::{Part, Piece};
use crate::count::{Counted, Delivered, Obstacle, Tokenizer};
use crate::registry::Counter;

/// Choices a provider may invent; more are not told apart.
const CHOICES_MAX: u32 = 256;

/// Delivered text.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    choices: BTreeMap<u32, Delivered>,
    /// A text that the running count has not taken in, or cannot take in whole.
    obstacle: Option<Obstacle>,
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
            if piece.part == Part::Tool && !piece.text.is_empty() {
                self.obstacle = Some(Obstacle::Tools);
            }
            if let Err(error) = meter.push(tokenizer, &piece.text) {
                tracing::debug!(%error, "a running count stands still");
                self.obstacle = Some(Obstacle::TokenizerFailed);
            }
        }
    }

    /// The count for a mark: never more than the exact count, and an estimate wherever the bill's would be one.
    pub(crate) fn mark(&self, counter: &Counter) -> Counted {
        let tokenizer = counter.tokenizer_or_estimator();
        let pinned = if counter.tokenizer().is_some() { None } else { Some(Obstacle::NoTokenizer) };
        let mut counted = Counted { obstacle: self.obstacle.or(pinned), ..Counted::exact(0) };
        for choice in self.choices.values() {
            match (choice.mark(tokenizer), choice.reasoning.mark(tokenizer)) {
                (Ok(all), Ok(reasoning)) => {
                    counted.tokens += all;
                    counted.reasoning += reasoning;
                }
                (Err(_), _) | (_, Err(_)) => counted.obstacle = Some(Obstacle::TokenizerFailed),
            }
        }
        counted
    }

    /// What to count for the bill. A choice that ended by itself has its end, even if it said nothing.
    pub(crate) fn into_choices(mut self, ended: impl Iterator<Item = u32>) -> Vec<Delivered> {
        for index in ended {
            self.choices.entry(index.min(CHOICES_MAX)).or_default().stopped = true;
        }
        self.choices.into_values().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::count::Vocabulary;
    use crate::registry::Registry;
    use sycee_core::ids::Hash;

    /// The mark after these pieces, at an offer that pins a tokenizer or none.
    fn mark(is_pinned: bool, pieces: &[(Part, &str)]) -> Counted {
        let tokenizer = is_pinned.then(|| Hash(Tokenizer::embedded(Vocabulary::O200kBase).hash()));
        let terms =
            sycee_core::catalog::OfferTerms { tokenizer, chat_template: None, ..crate::market::terms() };
        let counter = Registry::default().counter(&terms).unwrap();
        let mut tally = Tally::default();
        for (part, text) in pieces {
            let piece = Piece { choice: 0, part: *part, text: (*text).to_owned() };
            tally.add(counter.tokenizer_or_estimator(), &[piece]);
        }
        tally.mark(&counter)
    }

    #[test]
    fn a_mark_is_an_estimate_where_the_bill_would_be() {
        let said = [(Part::Reasoning, " word word"), (Part::Visible, " word")];
        let called = [said.as_slice(), &[(Part::Tool, " word")]].concat();
        let of = |tokens, obstacle| Counted { reasoning: 2, obstacle, ..Counted::exact(tokens) };
        assert_eq!(mark(true, &said), of(3, None));
        assert_eq!(mark(true, &called), of(4, Some(Obstacle::Tools)));
        assert_eq!(mark(false, &said), of(3, Some(Obstacle::NoTokenizer)));
    }
}

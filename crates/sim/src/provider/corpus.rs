//! What a simulated provider has to say: passages of Sycee's own documentation, in two languages.
//!
//! The passage that shares most with the question comes first. A shared word weighs more the fewer passages have
//! it, and most when it stands in the heading; Chinese is compared by pairs of characters, since it does not part
//! its words. Passages that share as much are ordered by chance, and chance is drawn from the request.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use super::tokens;
use crate::draw::Draw;

#[derive(Debug)]
pub(crate) struct Passage {
    pub(crate) text: &'static str,
    pub(crate) tokens: u64,
    terms: BTreeSet<String>,
    heading_terms: BTreeSet<String>,
}

#[derive(Debug)]
pub(crate) struct Corpus {
    passages: Vec<Passage>,
    /// In how many passages each term stands.
    spread: BTreeMap<String, f64>,
}

static ENGLISH: LazyLock<Corpus> = LazyLock::new(|| Corpus::read(include_str!("corpus_en.md")));
static CHINESE: LazyLock<Corpus> = LazyLock::new(|| Corpus::read(include_str!("corpus_zh.md")));

/// The corpus in the language of the question.
pub(crate) fn for_question(question: &str) -> &'static Corpus {
    let han = question.chars().filter(|&character| is_han(character)).count();
    let latin = question.chars().filter(char::is_ascii_alphabetic).count();
    if han > 0 && han * 3 >= latin { &CHINESE } else { &ENGLISH }
}

/// All passages in one of the languages, as they stand.
pub(crate) fn passages(is_chinese: bool) -> impl Iterator<Item = &'static str> {
    let corpus: &'static Corpus = if is_chinese { &CHINESE } else { &ENGLISH };
    corpus.passages.iter().map(|passage| passage.text)
}

impl Corpus {
    fn read(markdown: &'static str) -> Self {
        let passages: Vec<_> = markdown
            .split("## ")
            .filter_map(|section| section.split_once('\n'))
            .map(|(heading, body)| {
                let text = body.trim();
                let (terms, heading_terms) = (terms(body), terms(heading));
                Passage { text, tokens: tokens::count(text), terms, heading_terms }
            })
            .collect();
        let mut spread = BTreeMap::new();
        for term in passages.iter().flat_map(|passage| &passage.terms) {
            *spread.entry(term.clone()).or_insert(0.0) += 1.0;
        }
        Self { passages, spread }
    }

    /// All passages, the most fitting first.
    pub(crate) fn ranked(&self, question: &str, draw: &mut Draw) -> Vec<&Passage> {
        let asked = terms(question);
        let mut scored: Vec<_> = self
            .passages
            .iter()
            .map(|passage| {
                let shared = passage.terms.intersection(&asked);
                let in_text: f64 =
                    shared.filter_map(|term| self.spread.get(term)).map(|spread| 1.0 / spread).sum();
                let in_heading: f64 = passage.heading_terms.intersection(&asked).map(|_| 1.0).sum();
                (in_text + in_heading, draw.next(), passage)
            })
            .collect();
        scored.sort_by(|left, right| right.0.total_cmp(&left.0).then(left.1.cmp(&right.1)));
        scored.into_iter().map(|(_, _, passage)| passage).collect()
    }
}

fn is_han(character: char) -> bool {
    ('\u{4e00}'..='\u{9fff}').contains(&character)
}

/// Words that every question has and that say nothing of what it is about.
const ASKING: [&str; 14] = [
    "what", "when", "where", "which", "doe", "that", "thi", "with", "from", "什么", "为什", "怎样", "怎么",
    "如何",
];

/// Latin words of four letters and more without a plural's ending, and pairs of Chinese characters.
fn terms(text: &str) -> BTreeSet<String> {
    let mut terms: BTreeSet<_> = text
        .split(|character: char| !character.is_ascii_alphabetic())
        .filter(|word| word.len() >= 4)
        .map(|word| word.to_ascii_lowercase().trim_end_matches('s').to_owned())
        .collect();
    let characters: Vec<_> = text.chars().collect();
    let pairs = characters.windows(2).filter(|pair| pair.iter().all(|&character| is_han(character)));
    terms.extend(pairs.map(String::from_iter));
    terms.retain(|term| !ASKING.contains(&term.as_str()));
    terms
}

//! Spelling, with the dictionary of the `typos` tool.
//!
//! The dictionary lists known misspellings with their corrections, so names and foreign words pass. Words that are
//! right here go to `.typos.toml`, where the tool itself and editors find them too.

use std::borrow::Cow;
use std::collections::BTreeSet;

use typos::tokens::{Identifier, Tokenizer, Word};
use typos::{Dictionary, Status, check_str};
use unicase::UniCase;

use crate::tidy::places::is_lock;
use crate::tidy::{Finding, Rule};
use crate::tree::{File, Tree};

const CONFIGURATION: &str = ".typos.toml";

pub(crate) struct Spelled;

impl Rule for Spelled {
    fn name(&self) -> &'static str {
        "spelled"
    }

    fn why(&self) -> &'static str {
        "Known misspellings are corrected; a word that is right here goes to .typos.toml."
    }

    fn check(&self, tree: &Tree) -> Vec<Finding> {
        let dictionary = match Known::read(tree) {
            Ok(dictionary) => dictionary,
            Err(finding) => return vec![finding],
        };
        let tokenizer = Tokenizer::new();
        let mut findings = Vec::new();
        for file in tree.files().filter(|file| is_prose_or_source(file)) {
            for (index, line) in file.text.lines().enumerate() {
                for typo in check_str(line, &tokenizer, &dictionary) {
                    let Status::Corrections(corrections) = &typo.corrections else {
                        continue;
                    };
                    let text = format!("`{}` should be {}", typo.typo, corrections.join(" or "));
                    findings.push(Finding::new(&file.path, index + 1, text));
                }
            }
        }
        findings
    }
}

fn is_prose_or_source(file: &File) -> bool {
    const READ: [&str; 9] = ["rs", "md", "toml", "ts", "tsx", "css", "py", "html", "mjs"];
    READ.iter().any(|it| file.has_extension(it))
        && file.path != CONFIGURATION
        && !is_lock(file)
        && !file.is_generated()
}

/// The dictionary less the words that are right here.
struct Known {
    right: BTreeSet<String>,
}

impl Known {
    fn read(tree: &Tree) -> Result<Self, Finding> {
        let Some(file) = tree.get(CONFIGURATION) else {
            return Ok(Self { right: BTreeSet::new() });
        };
        let failed = |error| Finding::new(CONFIGURATION, 0, format!("is not TOML: {error}"));
        let table: toml::Table = file.text.parse().map_err(failed)?;
        let words =
            table.get("default").and_then(|it| it.get("extend-words")).and_then(toml::Value::as_table);
        let right = words.into_iter().flat_map(|it| it.keys()).map(|word| word.to_lowercase()).collect();
        Ok(Self { right })
    }
}

impl Dictionary for Known {
    fn correct_ident<'s>(&'s self, _identifier: Identifier<'_>) -> Option<Status<'s>> {
        None
    }

    fn correct_word<'s>(&'s self, word: Word<'_>) -> Option<Status<'s>> {
        if self.right.contains(&word.token().to_lowercase()) {
            return Some(Status::Valid);
        }
        let corrections = typos_dict::WORD.find(&UniCase::new(word.token()))?;
        if corrections.is_empty() {
            return None;
        }
        Some(Status::Corrections(corrections.iter().map(|it| Cow::Borrowed(*it)).collect()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Written apart, or this file would break its own rule.
    const WRONG: &str = concat!("rec", "ieve");

    fn findings(files: &[(&str, &str)]) -> Vec<(usize, String)> {
        Spelled.check(&Tree::of(files)).into_iter().map(|it| (it.line, it.text)).collect()
    }

    #[test]
    fn misspellings_are_found_in_names_and_prose() {
        let text = format!("# Fine\n\nWe {WRONG} colour and 词元.\n");
        assert_eq!(findings(&[("docs/a.md", &text)]), [(3, format!("`{WRONG}` should be receive"))]);
        let code = format!("fn {WRONG}_all() {{}}");
        assert_eq!(findings(&[("crates/node/src/a.rs", &code)]).len(), 1);
    }

    #[test]
    fn words_of_the_configuration_are_right() {
        let configuration = format!("[default.extend-words]\n{WRONG} = \"{WRONG}\"\n");
        let files = [("docs/a.md", WRONG), (CONFIGURATION, &configuration)];
        assert_eq!(findings(&files), []);
        assert_eq!(findings(&[("docs/a.md", WRONG), (CONFIGURATION, "[")]).len(), 1);
    }
}

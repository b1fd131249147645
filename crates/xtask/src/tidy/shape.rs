//! Every institution has the same parts in the same order, so that reading the second one costs nothing.

use crate::institution::{INSTITUTIONS, Institution, read};
use crate::lexer::{Token, find};
use crate::tidy::{Finding, Rule};
use crate::tree::Tree;

/// In the order of the file. An institution may lack what it has no use for: royalty has no command of its own.
const PARTS: [&[&str]; 7] = [
    &["enum", "Command"],
    &["enum", "Event"],
    &["enum", "Refusal"],
    &["struct", "State"],
    &["fn", "decide"],
    &["fn", "evolve"],
    &["fn", "audit"],
];

/// What no institution can do without.
const NEEDED: [usize; 4] = [1, 3, 5, 6];

pub(crate) struct InstitutionShape;

impl Rule for InstitutionShape {
    fn name(&self) -> &'static str {
        "institution-shape"
    }

    fn why(&self) -> &'static str {
        "Header with invariants and an example, then Command, Event, Refusal, State, decide, evolve, audit."
    }

    fn check(&self, tree: &Tree) -> Vec<Finding> {
        let institutions = read(tree).into_iter().filter(|it| INSTITUTIONS.contains(&it.name));
        institutions.flat_map(|it| check_one(tree, &it)).collect()
    }
}

fn check_one(tree: &Tree, institution: &Institution) -> Vec<Finding> {
    let Some(file) = tree.get(&institution.path) else { return Vec::new() };
    let mut findings = Vec::new();
    let mut found = |line, text: String| findings.push(Finding::new(&file.path, line, text));
    if !file.text.lines().any(|line| line.starts_with("//! Example")) {
        found(1, "the header has no `Example:`".to_owned());
    }
    let mut last: Option<(usize, String)> = None;
    for (index, part) in PARTS.iter().enumerate() {
        let name = part.join(" ");
        let Some(line) = line_of(file.tokens(), part) else {
            if NEEDED.contains(&index) {
                found(0, format!("an institution has `{name}`"));
            }
            continue;
        };
        if let Some((_, before)) = last.as_ref().filter(|(at, _)| *at > line) {
            found(line, format!("`{name}` stands before `{before}`"));
        }
        last = Some((line, name));
    }
    findings
}

fn line_of(tokens: &[Token], part: &[&str]) -> Option<usize> {
    find(tokens, part).map(|at| &tokens[at]).find(|it| !it.test).map(|it| it.line)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHAPED: &str = "\
//! Royalty.
//! Example: none.
enum Event {}
struct State {}
fn divide() {}
fn evolve() {}
fn audit() {}
";

    fn texts(source: &str) -> Vec<String> {
        let tree = Tree::of(&[("crates/core/src/royalty.rs", source)]);
        InstitutionShape.check(&tree).into_iter().map(|it| it.text).collect()
    }

    #[test]
    fn parts_come_in_their_order_and_some_cannot_be_missing() {
        assert_eq!(texts(SHAPED), [""; 0]);
        let swapped = SHAPED.replace("struct State {}\n", "") + "struct State {}\n";
        assert_eq!(texts(&swapped), ["`fn evolve` stands before `struct State`"]);
        assert_eq!(texts(&SHAPED.replace("fn audit() {}\n", "")), ["an institution has `fn audit`"]);
        assert_eq!(texts(&SHAPED.replace("Example", "Sample")), ["the header has no `Example:`"]);
        let late = format!("{SHAPED}enum Command {{}}\n");
        assert_eq!(texts(&late), ["`enum Event` stands before `enum Command`"]);
    }
}

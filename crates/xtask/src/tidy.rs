//! The rules that the compiler does not know.
//!
//! A rule is a unit struct with its reason inside and its test beside it, listed once in [`RULES`]. To add one, write
//! the struct in the file of its theme, add it to the table, and give it a test with a tree that passes and a tree
//! that fails.

mod edges;
mod links;
mod marks;
mod order;
mod places;
mod promises;
mod shape;
mod size;
mod spelled;
mod syncs;
mod words;

use std::fmt::Write as _;
use std::path::Path;

use anyhow::{Context, Result, bail};

use crate::tree::Tree;

pub(crate) trait Rule: Sync {
    fn name(&self) -> &'static str;
    /// One sentence for someone who just ran into the rule.
    fn why(&self) -> &'static str;
    fn check(&self, tree: &Tree) -> Vec<Finding>;
}

/// Where a rule is broken and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Finding {
    pub(crate) path: String,
    /// From one; zero when the whole file is meant.
    pub(crate) line: usize,
    pub(crate) text: String,
}

impl Finding {
    pub(crate) fn new(path: &str, line: usize, text: impl Into<String>) -> Self {
        Self { path: path.to_owned(), line, text: text.into() }
    }
}

const RULES: &[&dyn Rule] = &[
    &edges::CrateEdges,
    &order::InstitutionOrder,
    &order::InstitutionListed,
    &shape::InstitutionShape,
    &size::FileSize,
    &size::FunctionSize,
    &marks::FileNames,
    &marks::NoAllow,
    &marks::NoIgnore,
    &marks::NoTodo,
    &marks::NoSleepInTests,
    &promises::RefusalsCoded,
    &promises::RefusalsTested,
    &promises::RefusalsDocumented,
    &promises::InvariantsChecked,
    &promises::InvariantsDocumented,
    &syncs::SyncPointsOnce,
    &links::LinksLead,
    &links::NamesExist,
    &links::GuaranteesProved,
    &places::NoMachinePaths,
    &places::NoRegistryHosts,
    &words::PublicWords,
    &spelled::Spelled,
];

pub(crate) fn run(tree: &Tree) -> Result<()> {
    let mut report = String::new();
    let mut count = 0_usize;
    for rule in RULES {
        for Finding { path, line, text } in rule.check(tree) {
            let place = if line == 0 { path } else { format!("{path}:{line}") };
            writeln!(report, "{place}: [{}] {text}", rule.name())?;
            count += 1;
        }
    }
    if count > 0 {
        bail!("{report}tidy: {count} findings; `cargo xtask tidy --list` says what each rule is for");
    }
    println!("tidy: {} rules, {} files, nothing found", RULES.len(), tree.files().count());
    Ok(())
}

pub(crate) fn list() -> String {
    let lines = RULES.iter().map(|rule| format!("{:<22} {}\n", rule.name(), rule.why()));
    lines.collect()
}

/// Writes what is true now into the ratchet, where that is less than it says.
pub(crate) fn lower_ratchet(root: &Path) -> Result<()> {
    let tree = Tree::read(root)?;
    let path = root.join(size::RATCHET);
    std::fs::write(&path, size::lowered(&tree)).with_context(|| format!("failed to write {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rule_has_a_name_of_its_own_and_a_reason() {
        let mut names: Vec<&str> = RULES.iter().map(|rule| rule.name()).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), RULES.len());
        for rule in RULES {
            assert!(rule.why().ends_with('.'), "{} explains itself in a sentence", rule.name());
        }
    }

    #[test]
    fn an_empty_tree_breaks_nothing() {
        let tree = Tree::of(&[]);
        for rule in RULES {
            assert_eq!(rule.check(&tree), [], "{}", rule.name());
        }
    }
}

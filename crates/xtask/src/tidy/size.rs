//! Files and functions that fit a reader.
//!
//! The limits are hard for new code. What was already too long when a limit came is listed in the ratchet with its
//! size; an entry may only be lowered or removed.

use std::collections::BTreeMap;

use crate::institution::of_path;
use crate::lexer::functions;
use crate::tidy::{Finding, Rule};
use crate::tree::{File, Tree};

pub(crate) const RATCHET: &str = "fixtures/ratchet.txt";

const INSTITUTION_LINES_MAX: usize = 600;
const FILE_LINES_MAX: usize = 1000;
const FUNCTION_LINES_MAX: usize = 70;

const HEADER: &str = "\
# What is longer than the limits of `cargo xtask tidy` allow. Entries are lowered or removed, never added or raised;
# `cargo xtask tidy --ratchet` lowers them.
";

pub(crate) struct FileSize;

impl Rule for FileSize {
    fn name(&self) -> &'static str {
        "file-size"
    }

    fn why(&self) -> &'static str {
        "An institution fits in 600 lines and any other file in 1000, or it becomes a folder of parts."
    }

    fn check(&self, tree: &Tree) -> Vec<Finding> {
        compare(tree, &long_files(tree), "file ")
    }
}

pub(crate) struct FunctionSize;

impl Rule for FunctionSize {
    fn name(&self) -> &'static str {
        "function-size"
    }

    fn why(&self) -> &'static str {
        "A function fits on a screen: 70 lines from its name to its last brace."
    }

    fn check(&self, tree: &Tree) -> Vec<Finding> {
        compare(tree, &long_functions(tree), "fn ")
    }
}

/// Keys are ratchet entries: `file path` or `fn path::name`.
type Sizes = BTreeMap<String, (usize, Finding)>;

fn long_files(tree: &Tree) -> Sizes {
    let mut long = Sizes::new();
    for file in tree.files().filter(|file| is_written_by_hand(file)) {
        let lines = file.text.lines().count();
        let institution = of_path(&file.path).is_some() && file.name() != "tests.rs";
        let limit = if institution { INSTITUTION_LINES_MAX } else { FILE_LINES_MAX };
        if lines > limit {
            let text = format!("{lines} lines, the limit is {limit}: split it into parts with a name each");
            long.insert(format!("file {}", file.path), (lines, Finding::new(&file.path, 0, text)));
        }
    }
    long
}

fn is_written_by_hand(file: &File) -> bool {
    const SOURCE: [&str; 8] = ["rs", "ts", "tsx", "css", "py", "js", "mjs", "md"];
    SOURCE.iter().any(|it| file.has_extension(it)) && !file.is_generated()
}

fn long_functions(tree: &Tree) -> Sizes {
    let mut long = Sizes::new();
    for file in tree.rust_files() {
        for function in functions(file.tokens()) {
            let lines = function.last_line - function.first_line + 1;
            if lines > FUNCTION_LINES_MAX {
                let name = &function.name;
                let text = format!("{name} has {lines} lines, the limit is {FUNCTION_LINES_MAX}");
                let finding = Finding::new(&file.path, function.first_line, text);
                long.insert(format!("fn {}::{name}", file.path), (lines, finding));
            }
        }
    }
    long
}

/// Findings for what is longer than its entry, and for entries that promise less than is true.
fn compare(tree: &Tree, long: &Sizes, prefix: &str) -> Vec<Finding> {
    let ratchet = read_ratchet(tree);
    let mut findings = Vec::new();
    for (key, (lines, finding)) in long {
        if ratchet.get(key).is_none_or(|entry| lines > entry) {
            findings.push(finding.clone());
        }
    }
    for (key, entry) in ratchet.iter().filter(|(key, _)| key.starts_with(prefix)) {
        if long.get(key).is_none_or(|(lines, _)| lines < entry) {
            let text = format!("`{key}` is shorter now: run `cargo xtask tidy --ratchet`");
            findings.push(Finding::new(RATCHET, 0, text));
        }
    }
    findings
}

fn read_ratchet(tree: &Tree) -> BTreeMap<String, usize> {
    let text = tree.get(RATCHET).map_or("", |file| &file.text);
    let entries = text.lines().filter(|line| !line.starts_with('#'));
    let pairs = entries.filter_map(|line| line.rsplit_once(' '));
    // An entry that is no number is worth nothing and so lets nothing pass.
    pairs.map(|(key, lines)| (key.to_owned(), lines.parse().unwrap_or(0))).collect()
}

/// The ratchet as it should be written: each entry at most what is true now.
pub(crate) fn lowered(tree: &Tree) -> String {
    let mut now = long_files(tree);
    now.append(&mut long_functions(tree));
    let mut text = HEADER.to_owned();
    for (key, entry) in read_ratchet(tree) {
        if let Some((lines, _)) = now.get(&key) {
            let line = format!("{key} {}\n", entry.min(*lines));
            text.push_str(&line);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(count: usize) -> String {
        "//! Line.\n".repeat(count)
    }

    fn function(count: usize) -> String {
        format!("fn long() {{\n{}}}\n", "    step();\n".repeat(count - 2))
    }

    fn texts(rule: &dyn Rule, files: &[(&str, &str)]) -> Vec<String> {
        rule.check(&Tree::of(files)).into_iter().map(|it| it.text).collect()
    }

    #[test]
    fn an_institution_is_held_to_600_and_others_to_1000() {
        let institution = "crates/core/src/ledger.rs";
        assert_eq!(texts(&FileSize, &[(institution, &lines(600))]), [""; 0]);
        assert_eq!(texts(&FileSize, &[(institution, &lines(601))]).len(), 1);
        assert_eq!(texts(&FileSize, &[("crates/core/src/ledger/tests.rs", &lines(1000))]), [""; 0]);
        assert_eq!(texts(&FileSize, &[("console/src/app.tsx", &lines(1001))]).len(), 1);
        let generated = format!("// This file was auto-generated.\n{}", lines(1001));
        assert_eq!(texts(&FileSize, &[("console/src/schema.ts", &generated)]), [""; 0]);
    }

    #[test]
    fn a_function_of_70_lines_passes_and_one_of_71_fails() {
        let path = "crates/node/src/step.rs";
        assert_eq!(texts(&FunctionSize, &[(path, &function(70))]), [""; 0]);
        assert_eq!(texts(&FunctionSize, &[(path, &function(71))]), ["long has 71 lines, the limit is 70"]);
    }

    #[test]
    fn the_ratchet_holds_what_is_listed_and_only_shrinks() {
        let path = "crates/node/src/step.rs";
        let ratchet = (RATCHET, "# Header\nfn crates/node/src/step.rs::long 80\n");
        assert_eq!(texts(&FunctionSize, &[(path, &function(80)), ratchet]), [""; 0]);
        assert_eq!(texts(&FunctionSize, &[(path, &function(81)), ratchet]).len(), 1);
        let shorter = "`fn crates/node/src/step.rs::long` is shorter now: run `cargo xtask tidy --ratchet`";
        assert_eq!(texts(&FunctionSize, &[(path, &function(79)), ratchet]), [shorter]);
        assert_eq!(texts(&FunctionSize, &[(path, &function(5)), ratchet]), [shorter]);

        let lowered = |count| lowered(&Tree::of(&[(path, &function(count)), ratchet]));
        assert!(lowered(75).ends_with("\nfn crates/node/src/step.rs::long 75\n"));
        assert!(lowered(90).ends_with("\nfn crates/node/src/step.rs::long 80\n"), "never raised");
        assert_eq!(lowered(60), HEADER);
    }
}

//! Documents point only at what exists.
//!
//! Three promises are checked: a relative link leads somewhere, a name of ours in backticks (`core::ledger::post` or
//! `test: name`) is in the source, and each guarantee names a test that proves it.

use std::collections::{BTreeMap, BTreeSet};

use crate::lexer::{Kind, functions};
use crate::tidy::{Finding, Rule};
use crate::tree::{File, Tree};

pub(crate) struct LinksLead;

impl Rule for LinksLead {
    fn name(&self) -> &'static str {
        "links-lead"
    }

    fn why(&self) -> &'static str {
        "A relative link in a document leads to a file, and its anchor to a heading."
    }

    fn check(&self, tree: &Tree) -> Vec<Finding> {
        let mut findings = Vec::new();
        for file in documents(tree) {
            for (line, text) in prose(file) {
                for target in targets(text) {
                    if let Some(trouble) = trouble(tree, file, target) {
                        findings.push(Finding::new(&file.path, line, trouble));
                    }
                }
            }
        }
        findings
    }
}

fn documents(tree: &Tree) -> impl Iterator<Item = &File> {
    tree.files().filter(|file| file.has_extension("md"))
}

/// Lines outside fenced code, numbered from one.
fn prose(file: &File) -> impl Iterator<Item = (usize, &str)> {
    let mut fenced = false;
    file.text.lines().enumerate().filter_map(move |(index, line)| {
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
            return None;
        }
        (!fenced).then_some((index + 1, line))
    })
}

/// What stands in the parentheses of `](..)`, without a title.
fn targets(line: &str) -> impl Iterator<Item = &str> {
    line.split("](").skip(1).filter_map(|rest| {
        let target = rest.split_once(')')?.0;
        target.split_whitespace().next()
    })
}

fn trouble(tree: &Tree, file: &File, target: &str) -> Option<String> {
    if target.contains("://") || target.starts_with("mailto:") {
        return None;
    }
    let (path, anchor) = target.split_once('#').map_or((target, None), |(path, anchor)| (path, Some(anchor)));
    let path = if path.is_empty() { Some(file.path.clone()) } else { resolve(&file.path, path) };
    let Some(path) = path.filter(|it| tree.has(it)) else {
        return Some(format!("the link `{target}` leads nowhere"));
    };
    let document = tree.get(&path).filter(|it| it.has_extension("md"))?;
    let anchor = anchor?;
    (!anchors(document).contains(anchor)).then(|| format!("{path} has no heading `{anchor}`"))
}

/// The path from the root; none when it climbs out of the repository.
fn resolve(from: &str, target: &str) -> Option<String> {
    let mut parts: Vec<&str> = from.split('/').collect();
    parts.pop();
    if target.starts_with('/') {
        parts.clear();
    }
    for part in target.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop()?;
            }
            name => parts.push(name),
        }
    }
    Some(parts.join("/"))
}

/// Headings as hosts of Markdown make anchors of them: lower case, spaces to hyphens, other marks dropped.
fn anchors(document: &File) -> BTreeSet<String> {
    let headings = prose(document).filter_map(|(_, line)| heading(line));
    headings
        .map(|text| {
            let kept = text.chars().filter(|it| it.is_alphanumeric() || matches!(it, ' ' | '-' | '_'));
            kept.flat_map(char::to_lowercase).map(|it| if it == ' ' { '-' } else { it }).collect()
        })
        .collect()
}

fn heading(line: &str) -> Option<&str> {
    let text = line.trim_start_matches('#');
    (text.len() < line.len()).then(|| text.strip_prefix(' ')).flatten().map(str::trim)
}

pub(crate) struct NamesExist;

impl Rule for NamesExist {
    fn name(&self) -> &'static str {
        "names-exist"
    }

    fn why(&self) -> &'static str {
        "A name of ours that a document gives, `crate::path::name` or `test: name`, is found in the source."
    }

    fn check(&self, tree: &Tree) -> Vec<Finding> {
        let names = Names::read(tree);
        let mut findings = Vec::new();
        for file in documents(tree) {
            for (line, text) in prose(file) {
                for name in quoted(text).filter_map(|it| names.missing(it)) {
                    findings.push(Finding::new(&file.path, line, format!("`{name}` is not in the source")));
                }
            }
        }
        findings
    }
}

pub(crate) struct GuaranteesProved;

impl Rule for GuaranteesProved {
    fn name(&self) -> &'static str {
        "guarantees-proved"
    }

    fn why(&self) -> &'static str {
        "Each item under a heading with the word `guarantee` names in backticks a test that proves it."
    }

    fn check(&self, tree: &Tree) -> Vec<Finding> {
        let names = Names::read(tree);
        let pages = ["README.md", "ARCHITECTURE.md"];
        let mut findings = Vec::new();
        for file in pages.iter().filter_map(|page| tree.get(page)) {
            for (line, item) in guarantees(file) {
                let mut found = |text: String| findings.push(Finding::new(&file.path, line, text));
                if !quoted(&item).any(|name| names.is_test(name)) {
                    found("a guarantee without a test that proves it".to_owned());
                }
                for name in quoted(&item).filter(|name| looks_like_a_test(name) && !names.is_test(name)) {
                    found(format!("there is no test `{name}`"));
                }
            }
        }
        findings
    }
}

/// A sentence in snake case. Among guarantees such a name can only mean a test.
fn looks_like_a_test(name: &str) -> bool {
    let snake = |it: char| it.is_ascii_lowercase() || it.is_ascii_digit() || it == '_';
    name.matches('_').count() >= 2 && name.chars().all(snake)
}

/// List items and table rows below a heading that speaks of guarantees.
fn guarantees(file: &File) -> Vec<(usize, String)> {
    let mut found: Vec<(usize, String)> = Vec::new();
    let mut inside = false;
    let mut open = false; // The last item may go on in the next line.
    for (line, text) in prose(file) {
        if let Some(title) = heading(text) {
            inside = title.to_lowercase().contains("guarantee");
        }
        let row =
            text.starts_with('|') && !is_rule(text) && !file.text.lines().nth(line).is_some_and(is_rule);
        if inside && (text.starts_with("- ") || text.starts_with("* ") || row) {
            found.push((line, text.to_owned()));
            open = !row;
        } else if text.trim().is_empty() || heading(text).is_some() {
            open = false;
        } else if let Some((_, item)) = found.last_mut().filter(|_| open) {
            item.push_str(text);
        }
    }
    found
}

/// The line between the head of a table and its rows.
fn is_rule(line: &str) -> bool {
    line.starts_with('|') && line.trim_matches(['|', '-', ' ', ':']).is_empty()
}

/// What stands between single backticks.
fn quoted(line: &str) -> impl Iterator<Item = &str> {
    line.split('`').skip(1).step_by(2)
}

/// Every word of each crate, and the names of all tests in any language.
struct Names<'a> {
    words: BTreeMap<&'a str, BTreeSet<&'a str>>,
    tests: BTreeSet<String>,
}

impl<'a> Names<'a> {
    fn read(tree: &'a Tree) -> Self {
        let mut words: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        let mut tests = BTreeSet::new();
        for file in tree.files() {
            if let (Some(krate), Some(rust)) = (file.krate(), &file.rust) {
                let found = rust.tokens.iter().filter(|it| it.kind == Kind::Word).map(|it| it.text.as_str());
                words.entry(krate).or_default().extend(found);
                let functions = functions(&rust.tokens).into_iter().filter(|it| it.test);
                tests.extend(functions.map(|it| it.name));
            }
            tests.extend(tests_of_other_languages(file));
        }
        Self { words, tests }
    }

    /// The name, when it claims to be ours and is not.
    fn missing<'n>(&self, name: &'n str) -> Option<&'n str> {
        if let Some(test) = name.strip_prefix("test: ") {
            return (!self.tests.contains(last_segment(test))).then_some(name);
        }
        let words = self.words.get(krate_of(name)?)?;
        (!words.contains(last_segment(name))).then_some(name)
    }

    /// Also without the path: in a list of guarantees the bare name is enough.
    fn is_test(&self, name: &str) -> bool {
        self.tests.contains(last_segment(name.strip_prefix("test: ").unwrap_or(name)))
    }
}

/// `ledger` crate of `sycee_ledger::post`, for what has the form of a path.
fn krate_of(name: &str) -> Option<&str> {
    let path = name.trim_end_matches("()");
    let is_path =
        path.contains("::") && path.chars().all(|it| it.is_ascii_alphanumeric() || it == '_' || it == ':');
    let first = path.split("::").next().filter(|_| is_path)?;
    Some(first.strip_prefix("sycee_").unwrap_or(first))
}

fn last_segment(path: &str) -> &str {
    let path = path.trim_end_matches("()");
    path.rsplit("::").next().unwrap_or(path)
}

/// `def test_x(` of Python, and `test("x"` of a browser or Node test.
fn tests_of_other_languages(file: &File) -> Vec<String> {
    let after = |mark: &str, end: char| -> Vec<String> {
        let rest = file.text.split(mark).skip(1);
        rest.filter_map(|it| it.split_once(end)).map(|(name, _)| name.to_owned()).collect()
    };
    if file.has_extension("py") {
        return after("def ", '(');
    }
    let script = file.path.contains(".spec.") || file.path.contains(".test.");
    if script { after("test(\"", '"') } else { Vec::new() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(rule: &dyn Rule, files: &[(&str, &str)]) -> Vec<String> {
        rule.check(&Tree::of(files)).into_iter().map(|it| it.text).collect()
    }

    const SOURCE: (&str, &str) = (
        "crates/core/src/ledger.rs",
        "pub fn post() {}\n#[cfg(test)]\nmod tests { #[test]\nfn books_balance() {} }",
    );

    #[test]
    fn links_lead_to_files_folders_and_headings() {
        let guide = ("docs/guide.md", "# A Guide: first steps\n[home](../README.md) [up](/docs)");
        let fine = "[a](docs/guide.md#a-guide-first-steps) [b](docs) [c](https://x.y/z) [d](#top)\n# Top\n```\n[x](no)\n```";
        assert_eq!(texts(&LinksLead, &[guide, ("README.md", fine)]), [""; 0]);
        let broken = "[a](docs/none.md) [b](docs/guide.md#none) [c](../out.md)";
        assert_eq!(
            texts(&LinksLead, &[guide, ("README.md", broken)]),
            [
                "the link `docs/none.md` leads nowhere",
                "docs/guide.md has no heading `none`",
                "the link `../out.md` leads nowhere",
            ]
        );
    }

    #[test]
    fn names_of_ours_are_in_the_source() {
        let fine = "`core::ledger::post` `test: books_balance` `test: test_bill` `std::fs::none` `make test`";
        let python = ("tests/test_bill.py", "def test_bill():\n    pass");
        assert_eq!(texts(&NamesExist, &[SOURCE, python, ("README.md", fine)]), [""; 0]);
        let broken = "`core::ledger::gone` `sycee_core::ledger::lost()` `test: post`";
        assert_eq!(
            texts(&NamesExist, &[SOURCE, ("README.md", broken)]),
            [
                "`core::ledger::gone` is not in the source",
                "`sycee_core::ledger::lost()` is not in the source",
                "`test: post` is not in the source",
            ]
        );
    }

    #[test]
    fn a_guarantee_names_its_test() {
        let fine = "## What it guarantees\n\n- Books balance\n  (`core::ledger::tests::books_balance`).\n\n## Other\n- Free\n";
        assert_eq!(texts(&GuaranteesProved, &[SOURCE, ("README.md", fine)]), [""; 0]);
        let plain =
            "## Guarantees\n- Books balance: `books_balance`, `test_it_always`.\n- Also `books_balance`.\n";
        assert_eq!(
            texts(&GuaranteesProved, &[SOURCE, ("README.md", plain)]),
            ["there is no test `test_it_always`"]
        );
        let bare = "## What it guarantees\n- Books balance (`core::ledger::post`).\n- Fast.\n";
        assert_eq!(texts(&GuaranteesProved, &[SOURCE, ("README.md", bare)]).len(), 2);
    }

    #[test]
    fn a_table_of_guarantees_has_a_head_and_rows() {
        let table = |row: &str| {
            format!("# Guarantees\n| promise | proof |\n|---|---|\n| sums | `test: books_balance` |\n{row}")
        };
        assert_eq!(texts(&GuaranteesProved, &[SOURCE, ("README.md", &table(""))]), [""; 0]);
        let finding =
            GuaranteesProved.check(&Tree::of(&[SOURCE, ("README.md", &table("| fast | trust us |\n"))]));
        assert_eq!(finding.iter().map(|it| it.line).collect::<Vec<_>>(), [5]);
    }
}

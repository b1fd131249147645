//! Refusals and invariants: what is promised is coded, tested and written down.

use crate::codegen::{INVARIANTS_PAGE, REFUSALS_PAGE};
use crate::institution::{Institution, Invariant, Of, Refusal, mentions, read};
use crate::lexer::{Kind, find};
use crate::tidy::{Finding, Rule};
use crate::tree::{File, Tree};

/// For those who report usage.
const USAGE_PAGE: &str = "docs/reference/usage.md";

pub(crate) struct RefusalsCoded;

impl Rule for RefusalsCoded {
    fn name(&self) -> &'static str {
        "refusals-coded"
    }

    fn why(&self) -> &'static str {
        "A refusal has one stable code `institution.code`, because clients and old logs know it by that."
    }

    fn check(&self, tree: &Tree) -> Vec<Finding> {
        let mut findings = Vec::new();
        let mut seen: Vec<String> = Vec::new();
        for institution in read(tree) {
            for refusal in institution.refusals.iter().filter(|it| it.passes_on.is_none()) {
                let mut found = |text: String| findings.push(Finding::new(&refusal.path, refusal.line, text));
                match &refusal.code {
                    None => found(format!("{} has no text in `code()`", refusal.variant)),
                    Some(code) if !is_code_of(code, &scope(&institution, refusal)) => {
                        let scope = scope(&institution, refusal);
                        found(format!("`{code}` is not of the form `{scope}.lower_case`"));
                    }
                    Some(code) if seen.contains(code) => found(format!("`{code}` is used twice")),
                    Some(code) => seen.push(code.clone()),
                }
            }
        }
        findings
    }
}

/// What its code begins with.
fn scope(institution: &Institution, refusal: &Refusal) -> String {
    match refusal.of {
        Of::Command => institution.name.to_owned(),
        Of::Line => format!("{}.line", institution.name),
    }
}

fn is_code_of(code: &str, scope: &str) -> bool {
    let rest = code.strip_prefix(scope).and_then(|it| it.strip_prefix('.')).unwrap_or_default();
    !rest.is_empty() && rest.bytes().all(|it| it.is_ascii_lowercase() || it.is_ascii_digit() || it == b'_')
}

pub(crate) struct RefusalsTested;

impl Rule for RefusalsTested {
    fn name(&self) -> &'static str {
        "refusals-tested"
    }

    fn why(&self) -> &'static str {
        "Each refusal is provoked by a test, which names its code or, in its institution, its variant."
    }

    fn check(&self, tree: &Tree) -> Vec<Finding> {
        let said = test_texts(tree);
        let mut findings = Vec::new();
        for institution in read(tree) {
            for refusal in &institution.refusals {
                let Some(code) = &refusal.code else { continue };
                let coded = said.iter().any(|text| contains_code(text, code));
                if !coded && !variant_in_own_tests(tree, &institution, refusal) {
                    let text = format!("no test provokes `{code}`");
                    findings.push(Finding::new(&refusal.path, refusal.line, text));
                }
            }
        }
        findings
    }
}

/// String literals of test code, and scenario texts that lie beside it.
fn test_texts(tree: &Tree) -> Vec<&str> {
    let mut found: Vec<&str> = Vec::new();
    for file in tree.files() {
        match (&file.rust, file.krate()) {
            (Some(rust), krate) if krate != Some("xtask") => {
                let literals = rust.tokens.iter().filter(|it| it.test && it.kind == Kind::Text);
                found.extend(literals.map(|it| it.text.as_str()));
            }
            (None, Some(krate)) if krate != "xtask" && file.has_extension("txt") => found.push(&file.text),
            _ => {}
        }
    }
    found
}

/// The code as a whole: `ledger.low` is not found in `ledger.lower`.
fn contains_code(text: &str, code: &str) -> bool {
    let part_of_word =
        |it: Option<char>| it.is_some_and(|it| it.is_ascii_alphanumeric() || it == '_' || it == '.');
    text.match_indices(code).any(|(at, _)| {
        let after = &text[at + code.len()..];
        // A full stop after the code ends a sentence unless a word follows.
        let continues = after.starts_with(|it: char| it.is_ascii_alphanumeric() || it == '_');
        !part_of_word(text[..at].chars().next_back()) && !continues
    })
}

fn variant_in_own_tests(tree: &Tree, institution: &Institution, refusal: &Refusal) -> bool {
    institution.files(tree).any(|file| {
        let tokens = file.tokens();
        find(tokens, &[refusal.of.name(), ":", ":", &refusal.variant]).any(|at| tokens[at].test)
    })
}

pub(crate) struct RefusalsDocumented;

impl Rule for RefusalsDocumented {
    fn name(&self) -> &'static str {
        "refusals-documented"
    }

    fn why(&self) -> &'static str {
        "Each refusal is in docs/reference/refusals.md, where a client's author looks it up, and each of metering in usage.md, \
         which says what its sender does."
    }

    fn check(&self, tree: &Tree) -> Vec<Finding> {
        let mut findings = Vec::new();
        for institution in read(tree) {
            for refusal in &institution.refusals {
                let mut found = |text| findings.push(Finding::new(&refusal.path, refusal.line, text));
                if !is_listed(tree, REFUSALS_PAGE, refusal) {
                    found(format!(
                        "{} is not in {REFUSALS_PAGE}: run `cargo xtask codegen`",
                        refusal.variant
                    ));
                }
                if institution.name == "metering" && !is_listed(tree, USAGE_PAGE, refusal) {
                    found(format!("{} is not in {USAGE_PAGE}: say what its sender does", refusal.variant));
                }
            }
        }
        findings
    }
}

fn is_listed(tree: &Tree, page: &str, refusal: &Refusal) -> bool {
    let text = tree.get(page).map_or("", |file| &file.text);
    refusal.code.as_ref().is_none_or(|code| contains_code(text, code))
}

pub(crate) struct InvariantsChecked;

impl Rule for InvariantsChecked {
    fn name(&self) -> &'static str {
        "invariants-checked"
    }

    fn why(&self) -> &'static str {
        "An invariant in a header is checked by code that names it: a breach in `audit`, an `expect` or an assert."
    }

    fn check(&self, tree: &Tree) -> Vec<Finding> {
        let mut findings = Vec::new();
        let mut seen: Vec<String> = Vec::new();
        for institution in read(tree) {
            let files = tree.rust_files().filter(|it| it.krate() == Some("core"));
            let tokens = files.flat_map(File::tokens);
            let texts: Vec<&str> =
                tokens.filter(|it| it.kind == Kind::Text && !it.test).map(|it| it.text.as_str()).collect();
            for invariant in &institution.invariants {
                let mut found = |text| findings.push(Finding::new(&institution.path, invariant.line, text));
                if seen.contains(&invariant.id) {
                    found(format!("{} is promised twice", invariant.id));
                }
                if !texts.iter().any(|text| mentions(text, &invariant.id)) {
                    found(format!("no code names {}: check it in `audit`", invariant.id));
                }
                seen.push(invariant.id.clone());
            }
            if institution.invariants.is_empty() && !institution.is_gate() {
                findings.push(Finding::new(
                    &institution.path,
                    1,
                    "an institution promises at least one invariant",
                ));
            }
        }
        findings
    }
}

pub(crate) struct InvariantsDocumented;

impl Rule for InvariantsDocumented {
    fn name(&self) -> &'static str {
        "invariants-documented"
    }

    fn why(&self) -> &'static str {
        "Each invariant is in ARCHITECTURE.md or docs/reference/invariants.md, where an auditor looks it up."
    }

    fn check(&self, tree: &Tree) -> Vec<Finding> {
        let pages =
            ["ARCHITECTURE.md", INVARIANTS_PAGE].map(|page| tree.get(page).map_or("", |file| &file.text));
        let mut findings = Vec::new();
        for institution in read(tree) {
            for Invariant { id, line, .. } in &institution.invariants {
                if !pages.iter().any(|page| mentions(page, id)) {
                    let text = format!("{id} is not in {INVARIANTS_PAGE}: run `cargo xtask codegen`");
                    findings.push(Finding::new(&institution.path, *line, text));
                }
            }
        }
        findings
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATH: &str = "crates/core/src/ledger.rs";
    const SOURCE: &str = "\
//! Ledger.
//! - L1 Sums to zero.
enum Refusal { Low, Full }
impl Refusal { fn code(self) -> &'static str { match self { Self::Low => \"ledger.low\", Self::Full => \"ledger.full\" } } }
fn audit() { breach(\"L1\") }
";

    fn texts(rule: &dyn Rule, files: &[(&str, &str)]) -> Vec<String> {
        rule.check(&Tree::of(files)).into_iter().map(|it| it.text).collect()
    }

    #[test]
    fn a_code_belongs_to_its_institution_and_is_used_once() {
        assert_eq!(texts(&RefusalsCoded, &[(PATH, SOURCE)]), [""; 0]);
        let twice = SOURCE.replace("ledger.full", "ledger.low");
        assert_eq!(texts(&RefusalsCoded, &[(PATH, &twice)]), ["`ledger.low` is used twice"]);
        let foreign = SOURCE.replace("ledger.full", "catalog.full");
        assert_eq!(
            texts(&RefusalsCoded, &[(PATH, &foreign)]),
            ["`catalog.full` is not of the form `ledger.lower_case`"]
        );
        let none = SOURCE.replace("\"ledger.full\"", "name()");
        assert_eq!(texts(&RefusalsCoded, &[(PATH, &none)]), ["Full has no text in `code()`"]);
        let passed_on = none.replace("Low, Full", "Low, Full(params::Refusal)");
        assert_eq!(texts(&RefusalsCoded, &[(PATH, &passed_on)]), [""; 0]);
    }

    #[test]
    fn a_refusal_is_tested_by_code_anywhere_or_by_variant_at_home() {
        let home = ("crates/core/src/ledger/tests.rs", "fn t() { check(Refusal::Low) }");
        let away = ("crates/node/tests/t.rs", "fn t() { check(\"a -> ledger.full.\") }");
        assert_eq!(texts(&RefusalsTested, &[(PATH, SOURCE), home, away]), [""; 0]);
        let other = ("crates/node/tests/t.rs", "fn t() { check(Refusal::Full, \"ledger.fuller\") }");
        assert_eq!(
            texts(&RefusalsTested, &[(PATH, SOURCE), home, other]),
            ["no test provokes `ledger.full`"]
        );
        let scenario = ("crates/core/src/ledger/scenario.txt", "pay 5 => ledger.full\n");
        assert_eq!(texts(&RefusalsTested, &[(PATH, SOURCE), home, scenario]), [""; 0]);
    }

    #[test]
    fn refusals_are_in_the_reference() {
        let page = (REFUSALS_PAGE, "| `ledger.low` |\n| `ledger.full` |");
        assert_eq!(texts(&RefusalsDocumented, &[(PATH, SOURCE), page]), [""; 0]);
        let old = (REFUSALS_PAGE, "| `ledger.low` |\n| `ledger.fuller` |");
        assert_eq!(texts(&RefusalsDocumented, &[(PATH, SOURCE), old]).len(), 1);
    }

    const LINES: (&str, &str) = (
        "crates/core/src/metering.rs",
        "//! Metering.\nenum LineRefusal { Low }\n\
         impl LineRefusal { fn code(self) -> &'static str { match self { Self::Low => \"metering.line.low\" } } }",
    );

    #[test]
    fn a_refusal_of_a_line_is_coded_tested_and_in_both_pages() {
        let pages = [(REFUSALS_PAGE, "| `metering.line.low` |"), (USAGE_PAGE, "| `metering.line.low` |")];
        let test = ("crates/core/src/metering/tests.rs", "fn t() { check(LineRefusal::Low) }");
        for rule in [&RefusalsCoded as &dyn Rule, &RefusalsTested, &RefusalsDocumented] {
            assert_eq!(texts(rule, &[LINES, pages[0], pages[1], test]), [""; 0]);
        }
        assert_eq!(
            texts(&RefusalsDocumented, &[LINES, pages[0], test]),
            ["Low is not in docs/reference/usage.md: say what its sender does"]
        );
        let other = ("crates/core/src/metering/tests.rs", "fn t() { check(Refusal::Low) }");
        assert_eq!(texts(&RefusalsTested, &[LINES, other]), ["no test provokes `metering.line.low`"]);
        let whole = LINES.1.replace("metering.line.low", "metering.low");
        assert_eq!(
            texts(&RefusalsCoded, &[(LINES.0, &whole)]),
            ["`metering.low` is not of the form `metering.line.lower_case`"]
        );
    }

    #[test]
    fn invariants_are_checked_by_code_and_not_only_by_tests() {
        assert_eq!(texts(&InvariantsChecked, &[(PATH, SOURCE)]), [""; 0]);
        let tested = SOURCE.replace("fn audit", "#[cfg(test)] fn audit");
        assert_eq!(texts(&InvariantsChecked, &[(PATH, &tested)]), ["no code names L1: check it in `audit`"]);
        let longer = SOURCE.replace("\"L1\"", "\"L11\"");
        assert_eq!(texts(&InvariantsChecked, &[(PATH, &longer)]).len(), 1);
        let twice = ("crates/core/src/params.rs", "//! Params.\n//! - L1 Bounded.");
        assert_eq!(texts(&InvariantsChecked, &[(PATH, SOURCE), twice]), ["L1 is promised twice"]);
        let gate = ("crates/core/src/permission.rs", "//! Permission.");
        assert_eq!(texts(&InvariantsChecked, &[(PATH, SOURCE), gate]), [""; 0]);
        let silent = SOURCE.replace("- L1", "L1");
        assert_eq!(texts(&InvariantsChecked, &[(PATH, &silent)]).len(), 1);
    }

    #[test]
    fn invariants_are_written_down() {
        let page = ("ARCHITECTURE.md", "The books balance (L1).");
        assert_eq!(texts(&InvariantsDocumented, &[(PATH, SOURCE), page]), [""; 0]);
        assert_eq!(texts(&InvariantsDocumented, &[(PATH, SOURCE)]).len(), 1);
    }
}

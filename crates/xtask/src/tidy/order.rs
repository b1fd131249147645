//! Institutions are totally ordered and call only those above them.

use crate::institution::{GATE, INSTITUTIONS, of_path};
use crate::lexer::{Kind, Token, find};
use crate::tidy::{Finding, Rule};
use crate::tree::{File, Tree};

pub(crate) struct InstitutionOrder;

impl Rule for InstitutionOrder {
    fn name(&self) -> &'static str {
        "institution-order"
    }

    fn why(&self) -> &'static str {
        "An institution may use only those above it, so that any one is understood by reading upwards."
    }

    fn check(&self, tree: &Tree) -> Vec<Finding> {
        let mut findings = Vec::new();
        for file in tree.rust_files() {
            let Some((own, depth)) = of_path(&file.path) else {
                continue;
            };
            for (line, other) in mentions(file, depth) {
                let rank = |name: &str| INSTITUTIONS.iter().position(|it| *it == name);
                if rank(&other) > rank(own) {
                    let text = format!("{own} must not use {other}, which is below it in the order");
                    findings.push(Finding::new(&file.path, line, text));
                }
            }
        }
        findings.dedup();
        findings
    }
}

/// The names that follow `crate::`, or as many `super::` as lead to the crate root, outside tests.
fn mentions(file: &File, depth: usize) -> Vec<(usize, String)> {
    let tokens = file.tokens();
    let mut found = Vec::new();
    let from_crate = find(tokens, &["crate", ":", ":"]).map(|at| at + 3);
    let climb = ["super", ":", ":"].repeat(depth);
    let from_super = find(tokens, &climb).map(|at| at + climb.len());
    for at in from_crate.chain(from_super).filter(|at| !tokens[at - 1].test) {
        collect_first_segments(tokens, at, &mut found);
    }
    found
}

/// `a` of `a::b`, and each `a` of `{a::b, c}`.
fn collect_first_segments(tokens: &[Token], at: usize, found: &mut Vec<(usize, String)>) {
    let Some(token) = tokens.get(at) else { return };
    if token.kind == Kind::Word {
        found.push((token.line, token.text.clone()));
    }
    let Some(close) = token.close.filter(|_| token.is("{")) else {
        return;
    };
    let mut next = at + 1;
    while next < close {
        collect_first_segments(tokens, next, found);
        while next < close && !tokens[next].is(",") {
            next = tokens[next].close.unwrap_or(next) + 1;
        }
        next += 1;
    }
}

pub(crate) struct InstitutionListed;

impl Rule for InstitutionListed {
    fn name(&self) -> &'static str {
        "institution-listed"
    }

    fn why(&self) -> &'static str {
        "A file of the core with an `enum Refusal` is an institution and needs its place in the order."
    }

    fn check(&self, tree: &Tree) -> Vec<Finding> {
        let core = tree.rust_files().filter(|file| file.path.starts_with("crates/core/src/"));
        let unlisted =
            core.filter(|file| of_path(&file.path).is_none() && file.name() != format!("{GATE}.rs"));
        let mut findings = Vec::new();
        for file in unlisted {
            for at in find(file.tokens(), &["enum", "Refusal", "{"]) {
                if wraps_institutions(file.tokens(), at + 2) {
                    continue;
                }
                let text = "an institution without a place in crates/xtask/src/institution.rs";
                findings.push(Finding::new(&file.path, file.tokens()[at].line, text));
            }
        }
        findings
    }
}

/// The sum over all institutions, `Ledger(ledger::Refusal)` and so on, is wiring and not an institution.
fn wraps_institutions(tokens: &[Token], open: usize) -> bool {
    let close = tokens[open].close.unwrap_or(open);
    find(&tokens[open..close], &[":", ":", "Refusal"]).next().is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings(path: &str, source: &str) -> Vec<(usize, String)> {
        let tree = Tree::of(&[(path, source)]);
        InstitutionOrder.check(&tree).into_iter().map(|it| (it.line, it.text)).collect()
    }

    #[test]
    fn above_is_fine_and_below_is_not() {
        let source = "use crate::ledger;\nuse crate::{limits::MAX, membership::{Member, Role}};";
        assert_eq!(findings("crates/core/src/catalog.rs", source), []);
        let source = "use crate::{ledger::{self, Post}, royalty};\nfn f() { crate::settlement::settle(); }";
        assert_eq!(
            findings("crates/core/src/catalog.rs", source),
            [
                (1, "catalog must not use royalty, which is below it in the order".to_owned()),
                (2, "catalog must not use settlement, which is below it in the order".to_owned()),
            ]
        );
    }

    #[test]
    fn super_counts_from_where_the_file_lies() {
        assert_eq!(findings("crates/core/src/ledger.rs", "use super::catalog::Offer;").len(), 1);
        assert_eq!(findings("crates/core/src/ledger/post.rs", "use super::catalog::Offer;").len(), 0);
        assert_eq!(findings("crates/core/src/ledger/post.rs", "use super::super::catalog::Offer;").len(), 1);
    }

    #[test]
    fn tests_may_look_down() {
        let source = "#[cfg(test)]\nmod tests { use crate::settlement::Receipt; }";
        assert_eq!(findings("crates/core/src/ledger.rs", source), []);
    }

    #[test]
    fn a_new_institution_must_be_listed() {
        let source = "pub enum Refusal { NoSeat }";
        let listed = Tree::of(&[("crates/core/src/ledger.rs", source)]);
        assert_eq!(InstitutionListed.check(&listed), []);
        let unlisted = Tree::of(&[("crates/core/src/senate.rs", source)]);
        assert_eq!(InstitutionListed.check(&unlisted).len(), 1);
        let gate = Tree::of(&[("crates/core/src/permission.rs", source)]);
        assert_eq!(InstitutionListed.check(&gate), []);
        let wiring = Tree::of(&[("crates/core/src/scope.rs", "enum Refusal { Ledger(ledger::Refusal) }")]);
        assert_eq!(InstitutionListed.check(&wiring), []);
    }
}

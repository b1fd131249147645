//! Each place that makes bytes durable has a name of its own.

use crate::lexer::{Kind, Token, find};
use crate::tidy::{Finding, Rule};
use crate::tree::Tree;

pub(crate) struct SyncPointsOnce;

impl Rule for SyncPointsOnce {
    fn name(&self) -> &'static str {
        "sync-points-once"
    }

    fn why(&self) -> &'static str {
        "Each variant of `SyncPoint` names exactly one sync in the code, so a test can delete that one and fail."
    }

    fn check(&self, tree: &Tree) -> Vec<Finding> {
        let mut findings = Vec::new();
        let log = tree.rust_files().filter(|file| file.krate() == Some("log"));
        for file in log {
            for (line, variant) in variants(file.tokens()) {
                let uses = uses(tree, &variant);
                if uses != 1 {
                    let text = format!("SyncPoint::{variant} is used {uses} times outside tests, not once");
                    findings.push(Finding::new(&file.path, line, text));
                }
            }
        }
        findings
    }
}

/// The words at the top level of the enum's braces that stand after `{` or `,`, attributes skipped.
fn variants(tokens: &[Token]) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for at in find(tokens, &["enum", "SyncPoint", "{"]) {
        let close = tokens[at + 2].close.unwrap_or(at);
        let mut index = at + 3;
        let mut begins = true;
        while index < close {
            let token = &tokens[index];
            if begins && token.kind == Kind::Word {
                found.push((token.line, token.text.clone()));
                begins = false;
            }
            begins |= token.is(",");
            index = token.close.unwrap_or(index) + 1;
        }
    }
    found
}

/// The simulator lists the points to delete them, so it does not count.
fn uses(tree: &Tree, variant: &str) -> usize {
    let product = tree.rust_files().filter(|file| !matches!(file.krate(), None | Some("sim" | "xtask")));
    let count = |tokens: &[Token]| {
        find(tokens, &["SyncPoint", ":", ":", variant]).filter(|at| !tokens[*at].test).count()
    };
    product.map(|file| count(file.tokens())).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings(body: &str) -> Vec<String> {
        let points = "pub enum SyncPoint {\n/// The tail.\n#[default]\nTail,\nSeal { size: u64 } }";
        let source = format!("{points}\nimpl SyncPoint {{ const ALL: [Self; 1] = [Self::Tail]; }}\n{body}");
        let sim = ("crates/sim/src/crash.rs", "fn f() { skip(SyncPoint::Tail) }");
        let tree = Tree::of(&[("crates/log/src/sync.rs", &source), sim]);
        SyncPointsOnce.check(&tree).into_iter().map(|it| it.text).collect()
    }

    #[test]
    fn each_point_is_used_exactly_once_outside_tests() {
        let once = "fn a() { s(SyncPoint::Tail) }\nfn b() { s(SyncPoint::Seal { size }) }\n\
                    #[test]\nfn t() { s(SyncPoint::Tail) }";
        assert_eq!(findings(once), [""; 0]);
        let unused = "fn a() { s(SyncPoint::Tail) }";
        assert_eq!(findings(unused), ["SyncPoint::Seal is used 0 times outside tests, not once"]);
        let twice = format!("{once}\nfn c() {{ s(SyncPoint::Tail) }}");
        assert_eq!(findings(&twice), ["SyncPoint::Tail is used 2 times outside tests, not once"]);
    }
}

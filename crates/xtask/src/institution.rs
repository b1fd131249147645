//! What an institution of the core says about itself: its invariants and its refusals.
//!
//! Both are read from the source, because the source is where they are kept true. The header lists invariants as
//! `- L1 The balances of an asset sum to zero.`; `enum Refusal` lists refusals in order of precedence and its `code()`
//! gives each a stable name; `enum LineRefusal` those of one line where a command has many.

use std::collections::BTreeMap;

use syn::visit::Visit;

use crate::tree::{File, Tree};

/// From the highest to the lowest: an institution may use those before it.
pub(crate) const INSTITUTIONS: [&str; 9] = [
    "genesis",
    "ledger",
    "idempotency",
    "params",
    "membership",
    "catalog",
    "royalty",
    "settlement",
    "metering",
];

/// Stands before all institutions and asks who may send a command. It refuses too, but keeps no state and promises
/// nothing about any.
pub(crate) const GATE: &str = "permission";

const FOLDER: &str = "crates/core/src/";

#[derive(Debug)]
pub(crate) struct Institution {
    pub(crate) name: &'static str,
    pub(crate) path: String,
    /// The first line of the header.
    pub(crate) headline: String,
    pub(crate) invariants: Vec<Invariant>,
    pub(crate) refusals: Vec<Refusal>,
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Invariant {
    pub(crate) id: String,
    pub(crate) text: String,
    pub(crate) line: usize,
}

/// What is refused: a whole command, or one line of it while the others are decided all the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Of {
    Command,
    Line,
}

impl Of {
    /// The name of the enum that lists such refusals.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Command => "Refusal",
            Self::Line => "LineRefusal",
        }
    }

    fn named(path: &syn::Ident) -> Option<Self> {
        [Self::Command, Self::Line].into_iter().find(|of| path == of.name())
    }
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) of: Of,
    pub(crate) variant: String,
    /// None when `code()` has no arm with a text for it.
    pub(crate) code: Option<String>,
    /// The institution above whose refusals this variant passes on.
    pub(crate) passes_on: Option<String>,
    /// What its doc comment says, on one line.
    pub(crate) text: String,
    pub(crate) path: String,
    pub(crate) line: usize,
}

impl Institution {
    pub(crate) fn is_gate(&self) -> bool {
        self.name == GATE
    }

    /// The files in which it is written, tests included.
    pub(crate) fn files<'a>(&self, tree: &'a Tree) -> impl Iterator<Item = &'a File> + use<'a> {
        files(tree, self.name)
    }
}

fn files<'a>(tree: &'a Tree, name: &'static str) -> impl Iterator<Item = &'a File> + use<'a> {
    tree.rust_files()
        .filter(move |file| module(&file.path).is_some_and(|it| it.split('/').next() == Some(name)))
}

/// `ledger/post` for `crates/core/src/ledger/post.rs`.
fn module(path: &str) -> Option<&str> {
    path.strip_prefix(FOLDER)?.strip_suffix(".rs")
}

/// The institution that a file belongs to, and how many modules deep below the crate root it lies.
pub(crate) fn of_path(path: &str) -> Option<(&'static str, usize)> {
    let module = module(path)?;
    let first = module.split('/').next()?;
    INSTITUTIONS.iter().find(|it| **it == first).map(|it| (*it, module.split('/').count()))
}

pub(crate) fn read(tree: &Tree) -> Vec<Institution> {
    let mut found = Vec::new();
    for name in [GATE].into_iter().chain(INSTITUTIONS) {
        let path = format!("{FOLDER}{name}.rs");
        let Some(file) = tree.get(&path) else { continue };
        let header = header(file);
        found.push(Institution {
            name,
            headline: header.first().map(|(_, text)| text.clone()).unwrap_or_default(),
            invariants: invariants(&header),
            refusals: files(tree, name).flat_map(refusals).collect(),
            path,
        });
    }
    found
}

/// The lines of the `//!` header with their numbers.
fn header(file: &File) -> Vec<(usize, String)> {
    let lines = file.text.lines().enumerate();
    let header = lines.take_while(|(_, line)| line.starts_with("//!"));
    header.map(|(index, line)| (index + 1, line["//!".len()..].trim().to_owned())).collect()
}

/// List items that begin with an id. An item may run over several lines; a blank line or the next item ends it.
fn invariants(header: &[(usize, String)]) -> Vec<Invariant> {
    let mut found: Vec<Invariant> = Vec::new();
    let mut open = false;
    for (line, text) in header {
        if let Some((id, rest)) = text.strip_prefix("- ").and_then(invariant_id) {
            found.push(Invariant { id, text: rest, line: *line });
            open = true;
        } else if text.is_empty() || text.starts_with("- ") {
            open = false;
        } else if let Some(last) = found.last_mut().filter(|_| open) {
            last.text = format!("{} {text}", last.text);
        }
    }
    found
}

/// `L1 The text`, also with the id in bold or code and a colon after it.
fn invariant_id(item: &str) -> Option<(String, String)> {
    let (word, rest) = item.split_once(' ')?;
    let id = word.trim_matches(|it: char| !it.is_ascii_alphanumeric());
    is_invariant_id(id).then(|| (id.to_owned(), rest.trim().to_owned()))
}

/// One or two capitals and a number.
fn is_invariant_id(word: &str) -> bool {
    let digits = word.trim_start_matches(|it: char| it.is_ascii_uppercase());
    let capitals = word.len() - digits.len();
    (1..=2).contains(&capitals) && !digits.is_empty() && digits.bytes().all(|it| it.is_ascii_digit())
}

/// Whether the id stands in the text as a word of its own, so that `L1` is not found in `L12`.
pub(crate) fn mentions(text: &str, id: &str) -> bool {
    text.split(|it: char| !it.is_ascii_alphanumeric()).any(|word| word == id)
}

fn refusals(file: &File) -> Vec<Refusal> {
    let Some(rust) = &file.rust else { return Vec::new() };
    let mut visitor = Refusals { path: &file.path, found: Vec::new(), codes: BTreeMap::new() };
    visitor.visit_file(&rust.syntax);
    let Refusals { mut found, mut codes, .. } = visitor;
    for refusal in &mut found {
        refusal.code = codes.remove(&(refusal.of, refusal.variant.clone()));
    }
    found
}

struct Refusals<'a> {
    path: &'a str,
    found: Vec<Refusal>,
    /// From variant to code, out of the arms of `code()`.
    codes: BTreeMap<(Of, String), String>,
}

impl<'ast> Visit<'ast> for Refusals<'_> {
    fn visit_item_enum(&mut self, item: &'ast syn::ItemEnum) {
        let Some(of) = Of::named(&item.ident) else { return };
        for variant in &item.variants {
            self.found.push(Refusal {
                of,
                variant: variant.ident.to_string(),
                code: None,
                passes_on: passes_on(&variant.fields),
                text: doc_line(&variant.attrs),
                path: self.path.to_owned(),
                line: variant.ident.span().start().line,
            });
        }
    }

    fn visit_item_impl(&mut self, item: &'ast syn::ItemImpl) {
        let syn::Type::Path(on) = &*item.self_ty else {
            return;
        };
        let Some(of) = on.path.get_ident().and_then(Of::named) else { return };
        if item.trait_.is_some() {
            return;
        }
        for part in &item.items {
            if let syn::ImplItem::Fn(function) = part
                && function.sig.ident == "code"
            {
                Arms { of, codes: &mut self.codes }.visit_block(&function.block);
            }
        }
    }
}

/// `ledger` for a variant that holds a `ledger::Refusal`.
fn passes_on(fields: &syn::Fields) -> Option<String> {
    let field = fields.iter().next().filter(|_| fields.len() == 1)?;
    let syn::Type::Path(held) = &field.ty else { return None };
    let names: Vec<String> = held.path.segments.iter().map(|it| it.ident.to_string()).collect();
    match names.as_slice() {
        [.., from, last] if last == "Refusal" => Some(from.clone()),
        _ => None,
    }
}

struct Arms<'a> {
    of: Of,
    codes: &'a mut BTreeMap<(Of, String), String>,
}

impl<'ast> Visit<'ast> for Arms<'_> {
    fn visit_arm(&mut self, arm: &'ast syn::Arm) {
        let syn::Expr::Lit(syn::ExprLit { lit: syn::Lit::Str(code), .. }) = &*arm.body else {
            return;
        };
        let patterns: Vec<&syn::Pat> = match &arm.pat {
            syn::Pat::Or(either) => either.cases.iter().collect(),
            one => vec![one],
        };
        for path in patterns.into_iter().filter_map(pattern_path) {
            if let Some(last) = path.segments.last() {
                self.codes.insert((self.of, last.ident.to_string()), code.value());
            }
        }
    }
}

fn pattern_path(pattern: &syn::Pat) -> Option<&syn::Path> {
    match pattern {
        syn::Pat::Path(it) => Some(&it.path),
        syn::Pat::Struct(it) => Some(&it.path),
        syn::Pat::TupleStruct(it) => Some(&it.path),
        _ => None,
    }
}

/// The doc comment on one line.
pub(crate) fn doc_line(attributes: &[syn::Attribute]) -> String {
    let mut words = Vec::new();
    for attribute in attributes.iter().filter(|it| it.path().is_ident("doc")) {
        if let syn::Meta::NameValue(pair) = &attribute.meta
            && let syn::Expr::Lit(syn::ExprLit { lit: syn::Lit::Str(said), .. }) = &pair.value
        {
            words.extend(said.value().split_whitespace().map(str::to_owned));
        }
    }
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_and_its_refusals_are_read() {
        let source = "\
//! Ledger: who holds what.
//!
//! Invariants
//! - L1 Balances of an asset
//!   sum to zero.
//! - **L2**: No account is below its limit.
//! - Later is not an id.
//!
//! L3 in the middle of a text is not a promise.
pub enum Refusal {
    /// Nobody
    /// opened it.
    NotFound,
    Low { by: u64 },
    Unnamed,
    Params(#[n(0)] params::Refusal),
}
pub enum LineRefusal {
    /// Of a line.
    NotFound,
}
impl LineRefusal {
    pub fn code(self) -> &'static str {
        match self {
            Self::NotFound => \"ledger.line.not_found\",
        }
    }
}
impl Refusal {
    pub fn code(self) -> &'static str {
        match self {
            Self::NotFound => \"ledger.not_found\",
            Self::Low { .. } => \"ledger.low\",
            Self::Unnamed => unnamed(),
            Self::Params(refusal) => refusal.code(),
        }
    }
}
";
        let tree = Tree::of(&[("crates/core/src/ledger.rs", source)]);
        let [ledger] = read(&tree).try_into().expect("one institution");
        assert_eq!(ledger.headline, "Ledger: who holds what.");
        let invariants: Vec<_> =
            ledger.invariants.iter().map(|it| (it.id.as_str(), it.text.as_str())).collect();
        assert_eq!(
            invariants,
            [("L1", "Balances of an asset sum to zero."), ("L2", "No account is below its limit.")]
        );
        let refusals: Vec<_> =
            ledger.refusals.iter().map(|it| (it.code.as_deref(), it.text.as_str())).collect();
        let expected = [
            (Some("ledger.not_found"), "Nobody opened it."),
            (Some("ledger.low"), ""),
            (None, ""),
            (None, ""),
            (Some("ledger.line.not_found"), "Of a line."),
        ];
        assert_eq!(refusals, expected);
        let passed_on: Vec<_> = ledger.refusals.iter().filter_map(|it| it.passes_on.as_deref()).collect();
        assert_eq!(passed_on, ["params"]);
    }

    #[test]
    fn ids_are_words() {
        assert!(mentions("L1: sums to zero", "L1"));
        assert!(!mentions("L12: another", "L1"));
    }
}

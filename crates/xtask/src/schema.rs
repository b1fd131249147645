//! The numbered fields of everything the log stores, as one list under version control.
//!
//! A number in a log means the same thing for ever. `fixtures/schema.txt` lists each numbered field and variant with its
//! type; a change of the source shows as a change of that file. While its header says `format: dev` the file may be
//! written anew. Afterwards only additions pass: a changed meaning is a new variant, and old variants fold for ever.
//!
//! A type with a hand-written encoding is listed by name only: its bytes are the business of golden logs. A number
//! inside a macro is listed under the macro's name.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::Path;

use anyhow::{Context, Result, bail};
use quote::ToTokens;
use syn::visit::{self, Visit};

use crate::lexer::{find, flatten};
use crate::tree::{File, Tree};

const PATH: &str = "fixtures/schema.txt";

const HEADER: &str = "\
# Every numbered field and variant of what the log stores: name, number, type.
# Written by `cargo xtask schema --write`. Once the format is released a line is never changed or removed.
";

const DEV: &str = "format: dev";

/// Fails when the source and the list differ.
pub(crate) fn check(tree: &Tree) -> Result<()> {
    let now = lines(tree)?;
    let Some(file) = tree.get(PATH) else { bail!("{PATH} is missing: run `cargo xtask schema --write`") };
    let listed = Listed::parse(&file.text)?;
    listed.forbid_loss(&now)?;
    if let Some(line) = difference(&listed.lines, &now) {
        bail!(
            "{PATH} is not what the source says ({line}): run `cargo xtask schema --write` and commit the result"
        );
    }
    Ok(())
}

pub(crate) fn write(root: &Path) -> Result<()> {
    let tree = Tree::read(root)?;
    let now = lines(&tree)?;
    let listed = match tree.get(PATH) {
        Some(file) => Listed::parse(&file.text)?,
        None => Listed { format: DEV.to_owned(), lines: Vec::new() },
    };
    listed.forbid_loss(&now)?;
    let mut text = format!("{HEADER}{}\n", listed.format);
    for line in now {
        writeln!(text, "{line}")?;
    }
    let path = root.join(PATH);
    let folder = path.parent().context("the list lies in a folder")?;
    std::fs::create_dir_all(folder).with_context(|| format!("failed to create {}", folder.display()))?;
    std::fs::write(&path, text).with_context(|| format!("failed to write {}", path.display()))
}

/// What the file says.
struct Listed {
    format: String,
    lines: Vec<String>,
}

impl Listed {
    fn parse(text: &str) -> Result<Self> {
        let mut lines = text.lines().filter(|line| !line.starts_with('#')).map(str::to_owned);
        let format = lines.next().filter(|line| line.starts_with("format: "));
        let format = format.with_context(|| format!("{PATH} begins without a line `format: ..`"))?;
        Ok(Self { format, lines: lines.collect() })
    }

    /// After a release no line may change or disappear, and no number may come back with another meaning.
    fn forbid_loss(&self, now: &[String]) -> Result<()> {
        if self.format == DEV {
            return Ok(());
        }
        let now: BTreeSet<&String> = now.iter().collect();
        if let Some(lost) = self.lines.iter().find(|line| !now.contains(line)) {
            bail!(
                "a released line changed or disappeared: `{lost}`\n\
                 old logs hold it: restore it, and give a new meaning a new number"
            );
        }
        Ok(())
    }
}

/// The first line that stands in only one of the two.
fn difference(listed: &[String], now: &[String]) -> Option<String> {
    let (old, new): (BTreeSet<_>, BTreeSet<_>) = (listed.iter().collect(), now.iter().collect());
    let removed = old.difference(&new).next().map(|line| format!("gone: `{line}`"));
    let added = new.difference(&old).next().map(|line| format!("new: `{line}`"));
    let moved = (listed != now).then(|| "another order".to_owned());
    removed.or(added).or(moved)
}

/// All lines of the source, in the order of files and of declaration.
fn lines(tree: &Tree) -> Result<Vec<String>> {
    let mut all = Vec::new();
    for file in tree.rust_files() {
        let Some(module) = module_of(file) else { continue };
        let Some(rust) = &file.rust else { continue };
        let mut fields = Fields { module, lines: Vec::new(), count: 0 };
        fields.visit_file(&rust.syntax);
        let written = numbers(file);
        if fields.count != written {
            // A silent gap here would let a stored number change unseen.
            bail!(
                "{}: {written} numbered fields are written but {} were understood",
                file.path,
                fields.count
            );
        }
        all.append(&mut fields.lines);
    }
    let unique: BTreeSet<&String> = all.iter().collect();
    if unique.len() != all.len() {
        bail!("two types share a name and a number in one module");
    }
    Ok(all)
}

/// `core::ledger` for `crates/core/src/ledger.rs`; none for what is not shipped.
fn module_of(file: &File) -> Option<String> {
    let krate = file.krate().filter(|it| *it != "xtask")?;
    let inside = file.path.strip_prefix(&format!("crates/{krate}/src/"))?.strip_suffix(".rs")?;
    if file.tokens().first().is_some_and(|it| it.test) {
        return None;
    }
    let path = match inside {
        "lib" | "main" => krate.to_owned(),
        _ => format!("{krate}::{}", inside.replace('/', "::")),
    };
    Some(path)
}

/// How often `#[n(..)]`, `#[b(..)]` or `#[cbor(n(..))]` is written outside tests.
fn numbers(file: &File) -> usize {
    let tokens = file.tokens();
    let forms: [&[&str]; 4] = [
        &["#", "[", "n", "("],
        &["#", "[", "b", "("],
        &["#", "[", "cbor", "(", "n", "("],
        &["#", "[", "cbor", "(", "b", "("],
    ];
    let count = |form: &[&str]| find(tokens, form).filter(|at| !tokens[*at].test).count();
    forms.iter().map(|form| count(form)).sum()
}

struct Fields {
    module: String,
    lines: Vec<String>,
    /// Numbers seen, to compare with the numbers written.
    count: usize,
}

impl Fields {
    fn add(&mut self, name: &str, number: Option<&str>, shape: &str) {
        self.count += usize::from(number.is_some());
        let line = format!("{}::{name} {} {shape}", self.module, number.unwrap_or("-"));
        self.lines.push(line.trim_end().to_owned());
    }

    fn add_fields(&mut self, parent: &str, fields: &syn::Fields) {
        for (index, field) in fields.iter().enumerate() {
            let attributes = Encoding::read(&field.attrs);
            if let Some(number) = &attributes.number {
                let name = field.ident.as_ref().map_or_else(|| index.to_string(), ToString::to_string);
                let shape = format!("{} {}", compact(&field.ty), attributes.rest);
                self.add(&format!("{parent}.{name}"), Some(number), shape.trim_end());
            }
        }
    }
}

impl<'ast> Visit<'ast> for Fields {
    fn visit_item_mod(&mut self, item: &'ast syn::ItemMod) {
        if item.attrs.iter().any(is_test) {
            return;
        }
        let outer = self.module.clone();
        self.module = format!("{outer}::{}", item.ident);
        visit::visit_item_mod(self, item);
        self.module = outer;
    }

    fn visit_item_struct(&mut self, item: &'ast syn::ItemStruct) {
        if is_encoded(&item.attrs) {
            let name = item.ident.to_string();
            self.add(&name, None, &format!("struct {}", Encoding::read(&item.attrs).rest));
            self.add_fields(&name, &item.fields);
        }
    }

    fn visit_item_enum(&mut self, item: &'ast syn::ItemEnum) {
        if !is_encoded(&item.attrs) {
            return;
        }
        let name = item.ident.to_string();
        self.add(&name, None, &format!("enum {}", Encoding::read(&item.attrs).rest));
        for variant in &item.variants {
            let attributes = Encoding::read(&variant.attrs);
            let name = format!("{name}.{}", variant.ident);
            self.add(&name, attributes.number.as_deref(), &attributes.rest);
            self.add_fields(&name, &variant.fields);
        }
    }

    fn visit_item_impl(&mut self, item: &'ast syn::ItemImpl) {
        let encodes = item.trait_.as_ref().and_then(|(_, path, _)| path.segments.last());
        if encodes.is_some_and(|it| it.ident == "Encode") {
            self.add(&compact(&item.self_ty), None, "by hand");
        }
    }

    /// A macro that writes types: what follows each number, up to the comma or the end.
    fn visit_item_macro(&mut self, item: &'ast syn::ItemMacro) {
        let name = item.ident.as_ref().map_or_else(|| compact(&item.mac.path), ToString::to_string);
        let tokens = flatten(item.mac.tokens.clone());
        for at in find(&tokens, &["#", "[", "n", "("]) {
            let number = &tokens[at + 4].text;
            let rest = tokens[at..].iter().skip(7).take_while(|it| !it.is(",") && !it.is(")"));
            let rest: Vec<&str> = rest.map(|it| it.text.as_str()).collect();
            self.add(&format!("{name}!"), Some(number), &rest.join(" "));
        }
    }
}

fn is_test(attribute: &syn::Attribute) -> bool {
    attribute.path().is_ident("cfg") && compact(&attribute.meta) == "cfg(test)"
}

fn is_encoded(attributes: &[syn::Attribute]) -> bool {
    let derives = attributes.iter().filter(|it| it.path().is_ident("derive"));
    let names: Vec<String> = derives.map(|it| compact(&it.meta)).collect();
    names.iter().any(|it| it.split(['(', ',', ')']).any(|name| name.rsplit(':').next() == Some("Encode")))
}

/// What the attributes of a field, variant or type say about its bytes.
struct Encoding {
    number: Option<String>,
    /// Everything else in `#[cbor(..)]`.
    rest: String,
}

impl Encoding {
    fn read(attributes: &[syn::Attribute]) -> Self {
        let mut encoding = Self { number: None, rest: String::new() };
        for attribute in attributes {
            let syn::Meta::List(list) = &attribute.meta else {
                continue;
            };
            if list.path.is_ident("n") || list.path.is_ident("b") {
                encoding.number = Some(compact(&list.tokens));
            } else if list.path.is_ident("cbor") {
                encoding.add(&compact(&list.tokens));
            }
        }
        encoding
    }

    fn add(&mut self, said: &str) {
        let mut others = Vec::new();
        for part in said.split(',').filter(|it| !it.is_empty()) {
            match part
                .strip_prefix("n(")
                .or_else(|| part.strip_prefix("b("))
                .and_then(|it| it.strip_suffix(')'))
            {
                Some(number) => self.number = Some(number.to_owned()),
                None => others.push(part),
            }
        }
        self.rest = others.join(",");
    }
}

/// Source text with spaces only between two words, whatever the printer puts where.
fn compact(syntax: &impl ToTokens) -> String {
    let printed = syntax.to_token_stream().to_string();
    let mut text = String::new();
    for piece in printed.split_whitespace() {
        let is_word = |it: Option<char>| it.is_some_and(|it| it.is_alphanumeric() || it == '_');
        if is_word(text.chars().next_back()) && is_word(piece.chars().next()) {
            text.push(' ');
        }
        text.push_str(piece);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEDGER: &str = "\
#[derive(Clone, minicbor::Encode, Decode)]
pub enum Event {
    #[n(0)]
    Opened { #[n(0)] id: AccountId, #[cbor(n(1), with = \"minicbor::bytes\")] name: Vec<u8> },
    #[n(1)]
    Moved(#[n(0)] Option<Amount>),
}
#[derive(Encode)]
#[cbor(index_only)]
enum Kind { #[n(7)] Plain }
struct Table { rows: u8 }
impl<C> Encode<C> for Table {}
macro_rules! ids { ($name:ident) => { #[derive(Encode)] #[cbor(transparent)] struct $name(#[n(0)] pub u128); } }
#[cfg(test)]
mod tests { #[derive(Encode)] struct Hidden { #[n(0)] a: u8 } }
";

    const LINES: &str = "\
core::ledger::Event - enum
core::ledger::Event.Opened 0
core::ledger::Event.Opened.id 0 AccountId
core::ledger::Event.Opened.name 1 Vec<u8> with=\"minicbor::bytes\"
core::ledger::Event.Moved 1
core::ledger::Event.Moved.0 0 Option<Amount>
core::ledger::Kind - enum index_only
core::ledger::Kind.Plain 7
core::ledger::Table - by hand
core::ledger::ids! 0 pub u128
";

    fn message(source: &str, list: &str) -> String {
        let tree = Tree::of(&[("crates/core/src/ledger.rs", source), (PATH, list)]);
        check(&tree).err().map_or_else(String::new, |error| error.to_string())
    }

    #[test]
    fn every_number_is_listed_with_its_type() {
        let found = lines(&Tree::of(&[("crates/core/src/ledger.rs", LEDGER)])).unwrap();
        let expected: Vec<&str> = LINES.lines().collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn while_the_format_is_dev_a_change_asks_to_be_written() {
        let list = format!("{HEADER}{DEV}\n{LINES}");
        assert_eq!(message(LEDGER, &list), "");
        let renamed = LEDGER.replace("id: AccountId", "id: Handle");
        assert!(message(&renamed, &list).contains("run `cargo xtask schema --write`"));
        assert!(message(LEDGER, LINES).contains("without a line `format: ..`"));
    }

    #[test]
    fn after_a_release_only_additions_pass() {
        let list = format!("{HEADER}format: 1\n{LINES}");
        let retyped = LEDGER.replace("id: AccountId", "id: Handle");
        assert!(message(&retyped, &list).contains("Event.Opened.id 0 AccountId"));
        let reused = LEDGER.replace("Moved(#[n(0)] Option<Amount>)", "Closed");
        assert!(message(&reused, &list).contains("released line changed or disappeared"));
        let longer = LEDGER.replace("Plain }", "Plain, #[n(8)] Fancy }");
        assert!(message(&longer, &list).contains("new: `core::ledger::Kind.Fancy 8`"));
    }

    #[test]
    fn a_number_that_is_not_understood_is_an_error() {
        let odd = "fn f() { #[derive(Encode)] struct S { #[n(0)] a: u8 } }\nstruct T { #[n(1)] b: u8 }";
        assert!(message(odd, DEV).contains("2 numbered fields are written but 1 were understood"));
    }
}

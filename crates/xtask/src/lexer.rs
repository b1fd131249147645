//! Rust source as one flat list of tokens.
//!
//! Most rules ask small questions: is there `#[allow(`, is `Refusal::Unknown` written in a test. A syntax tree answers
//! them badly, because it does not look into macros; text answers them badly, because it looks into comments. A flat
//! list of tokens with line, nesting and a mark for test code answers both. Comments are gone, doc comments are one
//! token of their own kind.

use proc_macro2::{Delimiter, Group, Span, TokenStream, TokenTree};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Word,
    /// A string literal; the text is what it says, without quotes.
    Text,
    /// A doc comment or a `#[doc]` attribute.
    Doc,
    /// Punctuation, a delimiter, a number or a character.
    Mark,
}

#[derive(Debug, Clone)]
pub(crate) struct Token {
    pub(crate) kind: Kind,
    pub(crate) text: String,
    pub(crate) line: usize,
    /// Inside `#[cfg(test)]`, a test function or a file of tests.
    pub(crate) test: bool,
    /// For an opening delimiter, the index of the closing one.
    pub(crate) close: Option<usize>,
}

impl Token {
    pub(crate) fn is(&self, text: &str) -> bool {
        self.text == text && matches!(self.kind, Kind::Word | Kind::Mark)
    }
}

pub(crate) fn flatten(stream: TokenStream) -> Vec<Token> {
    let mut tokens = Vec::new();
    flatten_into(&mut tokens, stream, false);
    tokens
}

/// Words that begin an item, as opposed to a field or a variant: an item ends at its braces, a field at its comma.
const ITEM: [&str; 15] = [
    "pub",
    "fn",
    "mod",
    "use",
    "impl",
    "struct",
    "enum",
    "const",
    "static",
    "type",
    "trait",
    "async",
    "unsafe",
    "extern",
    "macro_rules",
];

fn flatten_into(tokens: &mut Vec<Token>, stream: TokenStream, in_test: bool) {
    let trees: Vec<TokenTree> = stream.into_iter().collect();
    let mut test = in_test;
    let mut marked = false; // A test attribute was seen and its item has not ended.
    let mut item = false; // That item is an item and not a field.
    let mut index = 0;
    while let Some(tree) = trees.get(index) {
        if let Some((inner, group)) = attribute(&trees[index..]) {
            index += if inner { 3 } else { 2 };
            if is_doc(group) {
                tokens.push(token(Kind::Doc, doc_text(group), tree.span(), test));
                continue;
            }
            if is_test(group) {
                test = true;
                marked = !inner;
                item = false;
            }
            tokens.push(token(Kind::Mark, "#".to_owned(), tree.span(), test));
            if inner {
                tokens.push(token(Kind::Mark, "!".to_owned(), tree.span(), test));
            }
            push_group(tokens, group, test);
            continue;
        }
        index += 1;
        match tree {
            TokenTree::Group(group) => {
                push_group(tokens, group, test);
                if marked && item && group.delimiter() == Delimiter::Brace {
                    (test, marked) = (in_test, false);
                }
            }
            TokenTree::Ident(word) => {
                let text = word.to_string();
                item |= marked && ITEM.contains(&text.as_str());
                tokens.push(token(Kind::Word, text, word.span(), test));
            }
            TokenTree::Punct(mark) => {
                let text = mark.as_char().to_string();
                let ends = text == ";" || (text == "," && !item);
                tokens.push(token(Kind::Mark, text, mark.span(), test));
                if marked && ends {
                    (test, marked) = (in_test, false);
                }
            }
            TokenTree::Literal(literal) => {
                let text = literal.to_string();
                let said = syn::parse_str::<syn::LitStr>(&text).map(|it| it.value());
                let kind = if said.is_ok() { Kind::Text } else { Kind::Mark };
                tokens.push(token(kind, said.unwrap_or(text), literal.span(), test));
            }
        }
    }
}

fn token(kind: Kind, text: String, span: Span, test: bool) -> Token {
    Token { kind, text, line: span.start().line, test, close: None }
}

fn push_group(tokens: &mut Vec<Token>, group: &Group, test: bool) {
    let (open, close) = match group.delimiter() {
        Delimiter::Parenthesis => ("(", ")"),
        Delimiter::Brace => ("{", "}"),
        Delimiter::Bracket => ("[", "]"),
        Delimiter::None => ("", ""),
    };
    let at = tokens.len();
    tokens.push(token(Kind::Mark, open.to_owned(), group.span_open(), test));
    flatten_into(tokens, group.stream(), test);
    tokens[at].close = Some(tokens.len());
    tokens.push(token(Kind::Mark, close.to_owned(), group.span_close(), test));
}

/// The attribute that begins here, and whether it is an inner one (`#![..]`).
fn attribute(trees: &[TokenTree]) -> Option<(bool, &Group)> {
    let is = |tree: Option<&TokenTree>, mark: char| matches!(tree, Some(TokenTree::Punct(found)) if found.as_char() == mark);
    if !is(trees.first(), '#') {
        return None;
    }
    let inner = is(trees.get(1), '!');
    match trees.get(if inner { 2 } else { 1 }) {
        Some(TokenTree::Group(group)) if group.delimiter() == Delimiter::Bracket => Some((inner, group)),
        _ => None,
    }
}

fn is_doc(group: &Group) -> bool {
    matches!(group.stream().into_iter().next(), Some(TokenTree::Ident(word)) if word == "doc")
}

fn doc_text(group: &Group) -> String {
    let last = group.stream().into_iter().last().map(|it| it.to_string());
    let said = last.and_then(|it| syn::parse_str::<syn::LitStr>(&it).ok());
    said.map_or_else(String::new, |it| it.value())
}

/// `test`, `tokio::test`, `cfg(test)` and `cfg(any(test, ..))`, but not `cfg(not(test))`.
fn is_test(group: &Group) -> bool {
    let mut inside = Vec::new();
    flatten_into(&mut inside, group.stream(), false);
    let says = |word: &str| inside.iter().any(|it| it.is(word));
    let Some(first) = inside.first() else { return false };
    if first.is("cfg") {
        return says("test") && !says("not");
    }
    let path = inside.iter().take_while(|it| !it.is("("));
    path.last().is_some_and(|it| it.is("test"))
}

/// The names of modules declared `#[cfg(test)] mod x;`.
pub(crate) fn test_modules(tokens: &[Token]) -> impl Iterator<Item = &str> {
    tokens.windows(3).filter_map(|window| match window {
        [word, name, end] if word.test && word.is("mod") && end.is(";") => Some(name.text.as_str()),
        _ => None,
    })
}

/// The index of each place where this sequence stands.
pub(crate) fn find(tokens: &[Token], pattern: &[&str]) -> impl Iterator<Item = usize> + use<> {
    let windows = tokens.windows(pattern.len()).enumerate();
    let fits = windows.filter(|(_, window)| window.iter().zip(pattern).all(|(token, text)| token.is(text)));
    let places: Vec<usize> = fits.map(|(index, _)| index).collect();
    places.into_iter()
}

/// A function as the tokens show it, so also one inside a macro such as `proptest!`.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Function {
    pub(crate) name: String,
    pub(crate) first_line: usize,
    pub(crate) last_line: usize,
    pub(crate) test: bool,
}

pub(crate) fn functions(tokens: &[Token]) -> Vec<Function> {
    let mut found = Vec::new();
    for at in find(tokens, &["fn"]) {
        let Some(name) = tokens.get(at + 1).filter(|it| it.kind == Kind::Word) else {
            continue;
        };
        if let Some(close) = body_end(tokens, at) {
            found.push(Function {
                name: name.text.clone(),
                first_line: tokens[at].line,
                last_line: tokens[close].line,
                test: tokens[at].test,
            });
        }
    }
    found
}

/// The brace that closes the body; none for a signature without one.
fn body_end(tokens: &[Token], from: usize) -> Option<usize> {
    let mut at = from;
    loop {
        let token = tokens.get(at)?;
        if token.is(";") || token.is("}") {
            return None;
        }
        match token.close {
            Some(close) if token.is("{") => return Some(close),
            Some(close) => at = close + 1,
            None => at += 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(source: &str, test: bool) -> Vec<String> {
        let tokens = flatten(source.parse().unwrap());
        let kept = tokens.into_iter().filter(|it| it.kind == Kind::Word && it.test == test);
        kept.map(|it| it.text).collect()
    }

    #[test]
    fn test_code_ends_where_its_item_ends() {
        let source = "
            fn before() {}
            #[cfg(test)] mod inside { fn within() {} }
            fn between() {}
            #[tokio::test] async fn alone<A, B>() {}
            fn after() {}
            struct S { #[cfg(test)] field: u8, other: u8 }
            #[cfg(not(test))] fn last() {}";
        let plain = words(source, false);
        for name in ["before", "between", "after", "other", "last"] {
            assert!(plain.contains(&name.to_owned()), "{name} is not test code");
        }
        let test = words(source, true);
        for name in ["inside", "within", "alone", "field"] {
            assert!(test.contains(&name.to_owned()), "{name} is test code");
        }
    }

    #[test]
    fn comments_are_gone_and_documents_are_apart() {
        let tokens = flatten("/// todo!()\n// todo!()\nfn f() { g(\"todo!()\") }".parse().unwrap());
        assert!(!tokens.iter().any(|it| it.is("todo")));
        let kinds: Vec<Kind> =
            tokens.iter().filter(|it| it.text.contains("todo")).map(|it| it.kind).collect();
        assert_eq!(kinds, [Kind::Doc, Kind::Text]);
    }

    #[test]
    fn functions_have_lines_also_inside_macros() {
        let source = "proptest! {\n#[test]\nfn p(a in 0..3) {\n}\n}\ntrait T { fn no_body(); }";
        let found = functions(&flatten(source.parse().unwrap()));
        let expected = Function { name: "p".to_owned(), first_line: 3, last_line: 4, test: true };
        assert_eq!(found, [expected]);
    }
}

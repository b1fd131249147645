//! One word per idea, the same in code, log, interface and documents.

use syn::spanned::Spanned as _;
use syn::visit::{self, Visit};

use crate::tidy::{Finding, Rule};
use crate::tree::Tree;

/// A word that the glossary gives up, what it says instead, and where it is watched. Short on purpose: a word stands
/// here only when it has no honest second meaning in that crate.
const WORDS: &[(&str, &str, &[&str])] = &[
    ("coin", "credit or token", &["core", "log", "node", "gateway", "api", "sim"]),
    ("tenant", "member", &["core", "log", "node", "gateway", "api", "sim"]),
    ("reservation", "hold", &["core", "log", "node", "gateway", "api", "sim"]),
    ("precharge", "hold", &["core", "log", "node", "gateway", "api", "sim"]),
    ("wallet", "account", &["core", "node", "gateway", "api"]),
    // A protocol we did not write has users, channels of a runtime are not offers, and a database has transactions.
    ("user", "member", &["core", "node"]),
    ("channel", "offer", &["core"]),
    ("zone", "region", &["core", "node", "gateway"]),
    ("transaction", "posting", &["core", "node"]),
];

pub(crate) struct PublicWords;

impl Rule for PublicWords {
    fn name(&self) -> &'static str {
        "public-words"
    }

    fn why(&self) -> &'static str {
        "Public names use the words of the glossary, so that code, log and console never need a translation."
    }

    fn check(&self, tree: &Tree) -> Vec<Finding> {
        let mut findings = Vec::new();
        for file in tree.rust_files() {
            let (Some(rust), Some(krate)) = (&file.rust, file.krate()) else {
                continue;
            };
            let mut names = Names::default();
            names.visit_file(&rust.syntax);
            for (line, name) in names.found {
                let words = words(&name);
                let given_up = |(word, _, crates): &&(&str, &str, &[&str])| {
                    crates.contains(&krate) && words.iter().any(|it| it == word || *it == format!("{word}s"))
                };
                if let Some((word, instead, _)) = WORDS.iter().find(given_up) {
                    let text = format!("`{name}`: we say {instead}, not {word}");
                    findings.push(Finding::new(&file.path, line, text));
                }
            }
        }
        findings
    }
}

/// `user_id`, `UserId` and `USER_ID` are all `user` and `id`.
fn words(name: &str) -> Vec<String> {
    let mut spaced = String::new();
    let mut lower_before = false;
    for letter in name.chars() {
        if letter == '_' || (letter.is_uppercase() && lower_before) {
            spaced.push(' ');
        }
        if letter != '_' {
            spaced.extend(letter.to_lowercase());
        }
        lower_before = letter.is_lowercase() || letter.is_ascii_digit();
    }
    spaced.split_whitespace().map(str::to_owned).collect()
}

/// The names that another crate can see, judged by `pub` alone.
#[derive(Default)]
struct Names {
    found: Vec<(usize, String)>,
}

impl Names {
    fn add(&mut self, visibility: &syn::Visibility, name: &syn::Ident) -> bool {
        let public = matches!(visibility, syn::Visibility::Public(_));
        if public {
            self.found.push((name.span().start().line, name.to_string()));
        }
        public
    }
}

impl<'ast> Visit<'ast> for Names {
    fn visit_item_fn(&mut self, item: &'ast syn::ItemFn) {
        self.add(&item.vis, &item.sig.ident);
    }

    fn visit_impl_item_fn(&mut self, item: &'ast syn::ImplItemFn) {
        self.add(&item.vis, &item.sig.ident);
    }

    fn visit_item_struct(&mut self, item: &'ast syn::ItemStruct) {
        if self.add(&item.vis, &item.ident) {
            visit::visit_item_struct(self, item);
        }
    }

    fn visit_item_enum(&mut self, item: &'ast syn::ItemEnum) {
        if !self.add(&item.vis, &item.ident) {
            return;
        }
        for variant in &item.variants {
            self.found.push((variant.span().start().line, variant.ident.to_string()));
            for field in variant.fields.iter().filter_map(|it| it.ident.as_ref()) {
                self.found.push((field.span().start().line, field.to_string()));
            }
        }
    }

    fn visit_field(&mut self, field: &'ast syn::Field) {
        if let Some(name) = &field.ident {
            self.add(&field.vis, name);
        }
    }

    fn visit_item_const(&mut self, item: &'ast syn::ItemConst) {
        self.add(&item.vis, &item.ident);
    }

    fn visit_item_type(&mut self, item: &'ast syn::ItemType) {
        self.add(&item.vis, &item.ident);
    }

    fn visit_item_trait(&mut self, item: &'ast syn::ItemTrait) {
        if self.add(&item.vis, &item.ident) {
            visit::visit_item_trait(self, item);
        }
    }

    fn visit_trait_item_fn(&mut self, item: &'ast syn::TraitItemFn) {
        self.found.push((item.sig.ident.span().start().line, item.sig.ident.to_string()));
    }

    fn visit_item_mod(&mut self, item: &'ast syn::ItemMod) {
        self.add(&item.vis, &item.ident);
        visit::visit_item_mod(self, item);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings(krate: &str, source: &str) -> Vec<String> {
        let tree = Tree::of(&[(&format!("crates/{krate}/src/a.rs"), source)]);
        PublicWords.check(&tree).into_iter().map(|it| it.text).collect()
    }

    #[test]
    fn public_names_use_the_glossary() {
        let source = "pub struct CoinBalance { pub tenant_id: u8, user: u8 }\n\
                      pub enum Role { Users, Member { wallet: u8 } }\nimpl S { pub fn new_reservation() {} }";
        assert_eq!(
            findings("core", source),
            [
                "`CoinBalance`: we say credit or token, not coin",
                "`tenant_id`: we say member, not tenant",
                "`Users`: we say member, not user",
                "`wallet`: we say account, not wallet",
                "`new_reservation`: we say hold, not reservation",
            ]
        );
    }

    #[test]
    fn private_names_other_crates_and_longer_words_are_left_alone() {
        assert_eq!(findings("core", "fn coin() { let user = 1; }\npub(crate) struct Tenant;"), [""; 0]);
        assert_eq!(
            findings("gateway", "pub struct Message { pub user: u8 }\npub fn user_agent() {}"),
            [""; 0]
        );
        assert_eq!(findings("core", "pub fn coincide() {}\npub const TIMEZONE: u8 = 1;"), [""; 0]);
    }
}

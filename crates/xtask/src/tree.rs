//! The source tree in memory.
//!
//! Rules never touch the disk. [`Tree::read`] loads what git tracks or would track, so ignored build products are
//! never judged and an untracked new file already is; [`Tree::of`] builds a small tree for a test. Rust files are
//! parsed once, here, and carry both their syntax and their [tokens](crate::lexer).

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::lexer::{self, Token};

/// A Rust file, parsed.
pub(crate) struct Rust {
    pub(crate) syntax: syn::File,
    pub(crate) tokens: Vec<Token>,
}

/// A text file of the repository.
pub(crate) struct File {
    /// From the root, with forward slashes.
    pub(crate) path: String,
    pub(crate) text: String,
    pub(crate) rust: Option<Rust>,
}

impl File {
    /// The crate's folder name, for a file below `crates/`.
    pub(crate) fn krate(&self) -> Option<&str> {
        self.path.strip_prefix("crates/")?.split('/').next()
    }

    pub(crate) fn tokens(&self) -> &[Token] {
        self.rust.as_ref().map_or(&[], |rust| &rust.tokens)
    }

    pub(crate) fn name(&self) -> &str {
        self.path.rsplit('/').next().unwrap_or(&self.path)
    }

    pub(crate) fn has_extension(&self, extension: &str) -> bool {
        Path::new(&self.path).extension().is_some_and(|found| found == extension)
    }

    /// Whether a tool wrote this file and said so in its first lines.
    pub(crate) fn is_generated(&self) -> bool {
        let mut head = self.text.lines().take(8);
        head.any(|line| line.contains("@generated") || line.contains("auto-generated"))
    }
}

/// Everything the rules may know.
pub(crate) struct Tree {
    files: BTreeMap<String, File>,
    /// Also the files that are not text: a link may point at a picture.
    paths: BTreeSet<String>,
}

impl Tree {
    pub(crate) fn read(root: &Path) -> Result<Self> {
        let listed = Command::new("git")
            .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
            .current_dir(root)
            .output()
            .context("failed to run git ls-files")?;
        if !listed.status.success() {
            bail!(
                "failed to list the files of {}: {}",
                root.display(),
                String::from_utf8_lossy(&listed.stderr)
            );
        }
        let listed = String::from_utf8(listed.stdout).context("failed to read a file name as UTF-8")?;
        let mut sources = Vec::new();
        let mut paths = BTreeSet::new();
        for path in listed.split_terminator('\0') {
            // A deleted file is still listed until the deletion is committed.
            let Ok(bytes) = std::fs::read(root.join(path)) else {
                continue;
            };
            paths.insert(path.to_owned());
            if let Ok(text) = String::from_utf8(bytes) {
                sources.push((path.to_owned(), text));
            }
        }
        Self::parse(sources, paths)
    }

    /// A tree for a test, from pairs of path and text.
    #[cfg(test)]
    pub(crate) fn of(sources: &[(&str, &str)]) -> Self {
        let owned: Vec<_> =
            sources.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned())).collect();
        let paths = owned.iter().map(|(path, _)| path.clone()).collect();
        Self::parse(owned, paths).expect("a tree in a test parses")
    }

    fn parse(sources: Vec<(String, String)>, paths: BTreeSet<String>) -> Result<Self> {
        let mut files = BTreeMap::new();
        for (path, text) in sources {
            let rust = if Path::new(&path).extension().is_some_and(|it| it == "rs") {
                Some(parse_rust(&path, &text)?)
            } else {
                None
            };
            files.insert(path.clone(), File { path, text, rust });
        }
        let mut tree = Self { files, paths };
        tree.mark_test_modules();
        Ok(tree)
    }

    /// `#[cfg(test)] mod x;` makes another file test code; so does a place below `tests/`.
    fn mark_test_modules(&mut self) {
        let mut roots: Vec<String> = Vec::new();
        for file in self.files.values() {
            let folder = module_folder(&file.path);
            for name in lexer::test_modules(file.tokens()) {
                roots.push(format!("{folder}{name}"));
            }
        }
        for (path, file) in &mut self.files {
            let module = path.trim_end_matches(".rs");
            let declared = roots.iter().any(|root| module == root || module.starts_with(&format!("{root}/")));
            if (declared || is_test_place(path))
                && let Some(rust) = &mut file.rust
            {
                for token in &mut rust.tokens {
                    token.test = true;
                }
            }
        }
    }

    pub(crate) fn files(&self) -> impl Iterator<Item = &File> {
        self.files.values()
    }

    pub(crate) fn rust_files(&self) -> impl Iterator<Item = &File> {
        self.files.values().filter(|file| file.rust.is_some())
    }

    pub(crate) fn get(&self, path: &str) -> Option<&File> {
        self.files.get(path)
    }

    /// Whether a file or a folder of this name exists.
    pub(crate) fn has(&self, path: &str) -> bool {
        let path = path.trim_end_matches('/');
        let folder = format!("{path}/");
        let in_folder = |it: &String| it.starts_with(&folder);
        path.is_empty()
            || self.paths.contains(path)
            || self.paths.range(folder.clone()..).next().is_some_and(in_folder)
    }
}

fn parse_rust(path: &str, text: &str) -> Result<Rust> {
    let stream = text.parse().map_err(|error| anyhow::anyhow!("failed to read {path}: {error}"))?;
    let syntax = syn::parse_file(text).with_context(|| format!("failed to parse {path}"))?;
    Ok(Rust { syntax, tokens: lexer::flatten(stream) })
}

/// Where the child modules of a file live: beside a crate root, below any other file.
fn module_folder(path: &str) -> String {
    let stem = path.trim_end_matches(".rs");
    let (folder, name) = stem.rsplit_once('/').map_or(("", stem), |(folder, name)| (folder, name));
    if matches!(name, "lib" | "main" | "mod") { format!("{folder}/") } else { format!("{stem}/") }
}

fn is_test_place(path: &str) -> bool {
    path.starts_with("tests/")
        || path.contains("/tests/")
        || path.ends_with("/tests.rs")
        || path.ends_with("_tests.rs")
        || path.contains(".spec.")
}

/// The folder with the workspace manifest, found upwards from where the command was given.
pub(crate) fn root() -> Result<PathBuf> {
    let here = std::env::current_dir().context("failed to find the current folder")?;
    let root = here.ancestors().find(|it| it.join("crates/xtask/Cargo.toml").is_file());
    root.map(Path::to_path_buf).with_context(|| format!("no workspace at or above {}", here.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn test_lines(tree: &Tree, path: &str) -> usize {
        tree.get(path).unwrap().tokens().iter().filter(|token| token.test).count()
    }

    #[test]
    fn a_module_declared_for_tests_is_test_code_wherever_it_lies() {
        let tree = Tree::of(&[
            ("crates/a/src/lib.rs", "#[cfg(test)]\nmod oracle;\nmod plain;"),
            ("crates/a/src/oracle.rs", "fn slow() {}"),
            ("crates/a/src/oracle/part.rs", "fn slow() {}"),
            ("crates/a/src/plain.rs", "#[cfg(test)] mod check; fn fast() {}"),
            ("crates/a/src/plain/check.rs", "fn slow() {}"),
            ("crates/a/tests/one.rs", "fn slow() {}"),
        ]);
        assert!(test_lines(&tree, "crates/a/src/oracle.rs") > 0);
        assert!(test_lines(&tree, "crates/a/src/oracle/part.rs") > 0);
        assert!(test_lines(&tree, "crates/a/src/plain/check.rs") > 0);
        assert!(test_lines(&tree, "crates/a/tests/one.rs") > 0);
        let plain = tree.get("crates/a/src/plain.rs").unwrap();
        assert!(plain.tokens().iter().any(|token| token.text == "fast" && !token.test));
    }

    #[test]
    fn a_folder_exists_when_a_file_is_in_it() {
        let tree = Tree::of(&[("docs/adr/one.md", "# One")]);
        assert!(tree.has("docs/adr") && tree.has("docs/") && tree.has("docs/adr/one.md"));
        assert!(!tree.has("docs/a") && !tree.has("doc"));
    }
}

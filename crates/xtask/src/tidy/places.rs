//! Nothing in the repository knows the machine it was written on.

use crate::tidy::{Finding, Rule};
use crate::tree::{File, Tree};

/// This file has to write down what it looks for.
const OWN: &str = "crates/xtask/src/tidy/places.rs";

pub(crate) struct NoMachinePaths;

impl Rule for NoMachinePaths {
    fn name(&self) -> &'static str {
        "no-machine-paths"
    }

    fn why(&self) -> &'static str {
        "A path of one person's machine works nowhere else and tells about that person."
    }

    fn check(&self, tree: &Tree) -> Vec<Finding> {
        const PATHS: [&str; 5] = ["/home/", "/root/", "/work/", "/Users/", ":\\Users\\"];
        let begins = |text: &str, at: usize| {
            let before = text[..at].chars().next_back();
            before.is_none_or(|it| !(it.is_alphanumeric() || matches!(it, '_' | '-' | '.' | '/' | '}' | '>')))
        };
        lines(tree, |line| {
            let found = PATHS.iter().find(|path| {
                let drive = path.starts_with(':');
                line.match_indices(**path).any(|(at, _)| drive || begins(line, at))
            })?;
            Some(format!("a path of one machine: {found}"))
        })
    }
}

pub(crate) struct NoRegistryHosts;

impl Rule for NoRegistryHosts {
    fn name(&self) -> &'static str {
        "no-registry-hosts"
    }

    fn why(&self) -> &'static str {
        "Where packages come from is set up on the machine; only lock files name a registry."
    }

    fn check(&self, tree: &Tree) -> Vec<Finding> {
        const HOSTS: [&str; 9] = [
            "index.crates.io",
            "static.crates.io",
            "registry.npmjs.org",
            "registry.yarnpkg.com",
            "registry.npmmirror.com",
            "pypi.org",
            "files.pythonhosted.org",
            "pypi.tuna.tsinghua.edu.cn",
            "proxy.golang.org",
        ];
        lines(tree, |line| {
            let host = HOSTS.iter().find(|host| line.contains(**host))?;
            Some(format!("a registry outside a lock file: {host}"))
        })
    }
}

fn lines(tree: &Tree, judge: impl Fn(&str) -> Option<String>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in tree.files().filter(|file| file.path != OWN && !is_lock(file)) {
        for (index, line) in file.text.lines().enumerate() {
            findings.extend(judge(line).map(|text| Finding::new(&file.path, index + 1, text)));
        }
    }
    findings
}

pub(crate) fn is_lock(file: &File) -> bool {
    matches!(file.name(), "package-lock.json" | "npm-shrinkwrap.json") || file.has_extension("lock")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(rule: &dyn Rule, path: &str, text: &str) -> usize {
        rule.check(&Tree::of(&[(path, text)])).len()
    }

    #[test]
    fn paths_of_a_machine_are_found_and_other_paths_are_not() {
        for text in ["cd /home/ada/x", "\"/work/tree\"", "see /root/.cargo", "C:\\Users\\ada", "/Users/ada"] {
            assert_eq!(count(&NoMachinePaths, "docs/a.md", text), 1, "{text}");
        }
        for text in ["https://example.com/home/page", "docs/work/plan.md", "$DIR/root/x", "/var/lib/sycee"] {
            assert_eq!(count(&NoMachinePaths, "docs/a.md", text), 0, "{text}");
        }
    }

    #[test]
    fn only_lock_files_name_a_registry() {
        let text = "https://registry.npmjs.org/react";
        assert_eq!(count(&NoRegistryHosts, "console/.npmrc", text), 1);
        assert_eq!(count(&NoRegistryHosts, "console/package-lock.json", text), 0);
    }
}

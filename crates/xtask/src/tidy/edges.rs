//! Which crate may know which.

use crate::tidy::{Finding, Rule};
use crate::tree::{File, Tree};

/// One row for each crate: what it may depend on. A new crate needs one sentence in ARCHITECTURE.md: which thing must
/// not leak across it.
const EDGES: &[(&str, &[&str])] = &[
    ("core", &[]),
    ("log", &["core"]),
    ("node", &["core", "log"]),
    ("gateway", &["core", "node"]),
    ("api", &["core", "node"]),
    ("sim", &["core", "log", "node", "gateway"]),
    ("sycee", &["core", "log", "node", "gateway", "api", "sim"]),
    ("xtask", &[]),
];

/// Data plane and control plane never see each other, not even in tests and not through a third crate.
const APART: [(&str, &str); 2] = [("gateway", "api"), ("api", "gateway")];

pub(crate) struct CrateEdges;

impl Rule for CrateEdges {
    fn name(&self) -> &'static str {
        "crate-edges"
    }

    fn why(&self) -> &'static str {
        "Nothing points back: a crate depends only on the crates its row allows, and gateway and api stay apart."
    }

    fn check(&self, tree: &Tree) -> Vec<Finding> {
        let manifests = tree.files().filter(|file| {
            file.name() == "Cargo.toml"
                && file.krate().is_some_and(|it| file.path == format!("crates/{it}/Cargo.toml"))
        });
        manifests.flat_map(check_manifest).collect()
    }
}

fn check_manifest(file: &File) -> Vec<Finding> {
    let krate = file.krate().unwrap_or_default();
    let found = |text: String| vec![Finding::new(&file.path, 0, text)];
    let Some(allowed) = allowed(krate) else {
        return found(format!("crate {krate} has no row in crates/xtask/src/tidy/edges.rs"));
    };
    let manifest = match file.text.parse::<toml::Table>() {
        Ok(manifest) => manifest,
        Err(error) => return found(format!("is not TOML: {error}")),
    };
    let mut findings = Vec::new();
    for (kind, other) in dependencies(&manifest) {
        let fine = match kind {
            // A test may use more than the product does, as long as no wall falls.
            Edge::Test => test_edge_is_fine(krate, &other),
            Edge::Product => allowed.contains(&other.as_str()),
        };
        if !fine {
            findings.push(Finding::new(
                &file.path,
                0,
                format!("{krate} must not depend on {other}{}", kind.suffix()),
            ));
        }
    }
    findings
}

fn test_edge_is_fine(krate: &str, other: &str) -> bool {
    let walled = APART.iter().any(|(from, to)| *from == krate && reaches(other, to));
    !walled && krate != "core" && krate != "xtask" && !["sycee", "xtask"].contains(&other)
}

#[derive(Debug, Clone, Copy)]
enum Edge {
    Product,
    Test,
}

impl Edge {
    fn suffix(self) -> &'static str {
        match self {
            Self::Product => "",
            Self::Test => " in its tests",
        }
    }
}

fn allowed(krate: &str) -> Option<&'static [&'static str]> {
    EDGES.iter().find(|(name, _)| *name == krate).map(|(_, allowed)| *allowed)
}

/// Whether `from` is `to` or may depend on it, directly or not.
fn reaches(from: &str, to: &str) -> bool {
    from == to || allowed(from).unwrap_or_default().iter().any(|next| reaches(next, to))
}

/// Our own crates among all dependency tables, also those below `[target.'..']`.
fn dependencies(manifest: &toml::Table) -> Vec<(Edge, String)> {
    let targets = manifest.get("target").and_then(toml::Value::as_table);
    let below = targets.into_iter().flat_map(|it| it.values()).filter_map(toml::Value::as_table);
    let mut found = Vec::new();
    for place in std::iter::once(manifest).chain(below) {
        for (table, edge) in [
            ("dependencies", Edge::Product),
            ("build-dependencies", Edge::Product),
            ("dev-dependencies", Edge::Test),
        ] {
            let listed = place.get(table).and_then(toml::Value::as_table);
            for (name, value) in listed.into_iter().flatten() {
                let renamed = value.get("package").and_then(toml::Value::as_str);
                found.extend(ours(renamed.unwrap_or(name)).map(|it| (edge, it)));
            }
        }
    }
    found
}

fn ours(package: &str) -> Option<String> {
    match package.strip_prefix("sycee-") {
        Some(krate) => Some(krate.to_owned()),
        None => (package == "sycee").then(|| package.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings(krate: &str, manifest: &str) -> Vec<String> {
        let path = format!("crates/{krate}/Cargo.toml");
        let tree = Tree::of(&[(&path, manifest)]);
        CrateEdges.check(&tree).into_iter().map(|it| it.text).collect()
    }

    #[test]
    fn edges_of_the_table_pass_and_others_fail() {
        let fine = "[dependencies]\nsycee-core.workspace = true\nserde = \"1\"";
        assert_eq!(findings("gateway", fine), [""; 0]);
        assert_eq!(findings("core", fine), ["core must not depend on core"]);
        assert_eq!(
            findings("node", "[dependencies]\nsycee-gateway = { path = \"../gateway\" }"),
            ["node must not depend on gateway"]
        );
        assert_eq!(
            findings("core", "[dependencies]\nhidden = { package = \"sycee-log\", path = \"../log\" }"),
            ["core must not depend on log"]
        );
        assert_eq!(
            findings("log", "[target.'cfg(unix)'.build-dependencies]\nsycee-node.workspace = true"),
            ["log must not depend on node"]
        );
    }

    #[test]
    fn tests_may_use_more_but_no_wall_falls() {
        let on = |other: &str| format!("[dev-dependencies]\nsycee-{other}.workspace = true");
        assert_eq!(findings("node", &on("sim")), [""; 0]);
        assert_eq!(findings("gateway", &on("sim")), [""; 0]);
        assert_eq!(findings("gateway", &on("api")), ["gateway must not depend on api in its tests"]);
        // The simulator knows the gateway, so this would be a door in the wall.
        assert_eq!(findings("api", &on("sim")), ["api must not depend on sim in its tests"]);
        assert_eq!(findings("core", &on("log")), ["core must not depend on log in its tests"]);
    }

    #[test]
    fn a_crate_without_a_row_fails() {
        assert_eq!(findings("misc", ""), ["crate misc has no row in crates/xtask/src/tidy/edges.rs"]);
    }
}

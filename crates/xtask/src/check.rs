//! The one command before a commit, in the order of what fails soonest.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};

use crate::tree::Tree;
use crate::{codegen, schema, tidy};

struct Step {
    name: &'static str,
    /// What to do when it fails.
    hint: &'static str,
    act: Act,
}

enum Act {
    /// A rule over the source tree.
    Tree(fn(&Tree) -> Result<()>),
    /// Arguments for cargo.
    Cargo(&'static [&'static str]),
    /// cargo-nextest where it is installed, else cargo's own runner: the same tests.
    Tests,
}

const STEPS: &[Step] = &[
    Step { name: "format", hint: "run `cargo fmt`", act: Act::Cargo(&["fmt", "--all", "--check"]) },
    Step {
        name: "tidy",
        hint: "`cargo xtask tidy --list` says what each rule is for",
        act: Act::Tree(tidy::run),
    },
    Step { name: "schema", hint: "CONTRIBUTING.md, `Change the log format`", act: Act::Tree(schema::check) },
    Step {
        name: "codegen",
        hint: "run `cargo xtask codegen` and commit the result",
        act: Act::Tree(codegen::check),
    },
    Step {
        name: "lints",
        hint: "an exception is #[expect(lint, reason = \"..\")]",
        act: Act::Cargo(&["clippy", "--quiet", "--workspace", "--all-targets", "--", "-D", "warnings"]),
    },
    Step { name: "tests", hint: "a failed property test prints the input that breaks it", act: Act::Tests },
    Step {
        name: "doc tests",
        hint: "an example in a doc comment no longer holds",
        act: Act::Cargo(&["test", "--quiet", "--workspace", "--doc"]),
    },
];

const NEXTEST: &[&str] = &["nextest", "run", "--workspace", "--no-fail-fast", "--status-level", "fail"];
const BUILT_IN: &[&str] = &["test", "--quiet", "--workspace", "--lib", "--bins", "--tests", "--no-fail-fast"];

pub(crate) fn run(root: &Path) -> Result<()> {
    let begin = Instant::now();
    let mut summary = Vec::new();
    for step in STEPS {
        println!("== {}", step.name);
        let step_begin = Instant::now();
        let outcome = step.act.run(root);
        let took = seconds(step_begin.elapsed());
        println!("== {}: {took}", step.name);
        if let Err(error) = outcome {
            bail!(
                "{error:#}\ncheck: {} failed after {}; hint: {}",
                step.name,
                seconds(begin.elapsed()),
                step.hint
            );
        }
        summary.push(format!("{} {took}", step.name));
    }
    println!(
        "check: all {} steps passed in {} ({})",
        STEPS.len(),
        seconds(begin.elapsed()),
        summary.join(", ")
    );
    Ok(())
}

fn seconds(time: Duration) -> String {
    format!("{:.1} s", time.as_secs_f64())
}

impl Act {
    fn run(&self, root: &Path) -> Result<()> {
        match self {
            Self::Tree(rule) => rule(&Tree::read(root)?),
            Self::Cargo(arguments) => cargo(root, arguments),
            Self::Tests if has_nextest(root) => cargo(root, NEXTEST),
            Self::Tests => cargo(root, BUILT_IN),
        }
    }
}

fn cargo(root: &Path, arguments: &[&str]) -> Result<()> {
    let command = format!("cargo {}", arguments.join(" "));
    let status = Command::new("cargo").args(arguments).current_dir(root).status();
    let status = status.with_context(|| format!("failed to start {command}"))?;
    if status.success() { Ok(()) } else { Err(anyhow!("failed: {command} ({status})")) }
}

fn has_nextest(root: &Path) -> bool {
    let mut command = Command::new("cargo");
    command.args(["nextest", "--version"]).current_dir(root).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failing_command_is_named() {
        let error = cargo(Path::new("."), &["no-such-command-of-cargo"]).expect_err("cargo does not know it");
        assert!(error.to_string().starts_with("failed: cargo no-such-command-of-cargo"));
    }

    #[test]
    fn both_test_runners_run_the_whole_workspace_to_the_end() {
        for runner in [NEXTEST, BUILT_IN] {
            assert!(runner.contains(&"--workspace") && runner.contains(&"--no-fail-fast"));
        }
    }
}

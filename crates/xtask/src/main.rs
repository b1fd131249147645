//! The rules of this repository as code.
//!
//! `cargo xtask check` is what a person runs before a commit and what the continuous check runs too: there is no
//! second way. Everything but the calls to cargo is a pure function of the source tree, held in memory as a
//! [`tree::Tree`], so each rule is tested on a tree of three lines that breaks it.
//!
//! The crate depends on nothing of ours. It reads the others as text and therefore also works while they do not
//! compile.
#![expect(clippy::print_stdout, reason = "a command line tool talks on its standard output")]

mod check;
mod codegen;
mod institution;
mod lexer;
mod schema;
mod tidy;
mod tree;

use std::process::ExitCode;

use anyhow::{Result, bail};

use crate::tree::Tree;

const USAGE: &str = "\
cargo xtask <command>

  check             everything below, then clippy, tests and doc tests: run it before each commit
  tidy              the rules that the compiler does not know
  tidy --list       what each rule is for
  tidy --ratchet    lower the entries of fixtures/ratchet.txt to what is true now
  schema            compare the numbered fields with fixtures/schema.txt
  schema --write    write fixtures/schema.txt
  codegen           write docs/reference/refusals.md and invariants.md from the source
  codegen --check   fail if they are not what the source says
";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match run(&words) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            println!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(words: &[&str]) -> Result<()> {
    match words {
        ["help" | "--help" | "-h"] => {
            print!("{USAGE}");
            Ok(())
        }
        ["check"] => check::run(&tree::root()?),
        ["tidy"] => tidy::run(&Tree::read(&tree::root()?)?),
        ["tidy", "--list"] => {
            print!("{}", tidy::list());
            Ok(())
        }
        ["tidy", "--ratchet"] => tidy::lower_ratchet(&tree::root()?),
        ["schema"] => schema::check(&Tree::read(&tree::root()?)?),
        ["schema", "--write"] => schema::write(&tree::root()?),
        ["codegen"] => codegen::write(&tree::root()?),
        ["codegen", "--check"] => codegen::check(&Tree::read(&tree::root()?)?),
        _ => bail!("unknown command: {}\n\n{USAGE}", words.join(" ")),
    }
}

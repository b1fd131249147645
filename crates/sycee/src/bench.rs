//! Benchmarks of a whole node on a real disk. What is measured goes through the same function as any other command; only the
//! transport is left out.
use crate::cli;
use anyhow::Result;
use std::process::ExitCode;

mod generator;
mod market;
mod process;
mod settle;

pub(crate) fn run(arguments: &cli::Bench) -> Result<ExitCode> {
    match arguments {
        cli::Bench::Settle(arguments) => settle::run(arguments),
        cli::Bench::Generate(load) => generator::run(load),
    }
}

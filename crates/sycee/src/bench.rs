//! Benchmarks of a whole node on a real disk. What is measured goes through the same function as any other command, with HTTP
//! before it or without.
use crate::cli;
use anyhow::Result;
use std::process::ExitCode;

mod door;
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

//! The binary: command line and configuration, nothing else.
use clap::Parser as _;
use std::io::IsTerminal as _;
use std::process::ExitCode;

/// Prints a line for the person who ran the command. Where nobody reads any more, there is nothing left to say.
macro_rules! say {
    ($($text:tt)*) => {{
        use std::io::Write as _;
        drop(writeln!(std::io::stdout().lock(), $($text)*));
    }};
}

mod apply;
mod bench;
mod books;
mod calc;

mod cli;
mod config;
mod counting;
mod demo;
mod located;
mod platform;
mod proof;
mod provider;
mod serve;

fn main() -> ExitCode {
    let cli = cli::Cli::parse();
    tracing_subscriber::fmt()
        .with_env_filter(log_filter())
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .with_target(false)
        .init();
    let done = match &cli.command {
        cli::Command::Demo(arguments) => demo::run(arguments),
        cli::Command::Init(arguments) => books::init(arguments),
        cli::Command::Serve(arguments) => serve::run(arguments),
        cli::Command::Apply(arguments) => apply::run(arguments),
        cli::Command::Verify(arguments) => books::verify(arguments),
        cli::Command::Backup(arguments) => books::backup(arguments),
        cli::Command::Restore(arguments) => books::restore(arguments),
        cli::Command::Calc(arguments) => calc::run(&arguments.kind, &arguments.file),
        cli::Command::Proof(command) => proof::run(command),
        cli::Command::Provider(arguments) => provider::run(arguments),
        cli::Command::Bench(arguments) => bench::run(arguments),
    };
    done.unwrap_or_else(|error| {
        complain(&error);
        ExitCode::FAILURE
    })
}

/// `SYCEE_LOG` is a filter such as `info,sycee_gateway=debug`; warnings if it is not set.
fn log_filter() -> tracing_subscriber::EnvFilter {
    tracing_subscriber::EnvFilter::builder()
        .with_env_var("SYCEE_LOG")
        .with_default_directive(tracing::level_filters::LevelFilter::WARN.into())
        .from_env_lossy()
}

/// Says what went wrong, why, and what helps.
fn complain(error: &anyhow::Error) {
    use std::io::Write as _;
    let mut err = std::io::stderr().lock();
    drop(writeln!(err, "sycee: {}", text(error)));
    if let Some(hint) = hint(error) {
        drop(writeln!(err, "  hint: {hint}"));
    }
}

/// How an error that a command found by itself says what helps.
const HINT: &str = "\n  hint: ";

/// An error and what lies beneath, each said once: many an error says itself what lies beneath it.
fn text(error: &anyhow::Error) -> String {
    let mut text = String::new();
    for cause in error.chain().map(ToString::to_string) {
        let said = cause.split_once(HINT).map_or(&*cause, |(said, _)| said);
        if !text.ends_with(said) {
            text += if text.is_empty() { "" } else { ": " };
            text += said;
        }
    }
    text
}

/// What helps, from the first of an error and what lies beneath it that knows.
fn hint(error: &anyhow::Error) -> Option<String> {
    error.chain().find_map(|cause| {
        let own = || cause.to_string().split_once(HINT).map(|(_, hint)| hint.to_owned());
        let node = || cause.downcast_ref().and_then(sycee_node::Error::hint);
        let disk = || cause.downcast_ref().and_then(of_disk).map(str::to_owned);
        own().or_else(node).or_else(disk)
    })
}

/// What helps where the disk refuses, whatever was to be written.
fn of_disk(error: &std::io::Error) -> Option<&'static str> {
    use std::io::ErrorKind::{PermissionDenied, QuotaExceeded, ReadOnlyFilesystem, StorageFull};
    match error.kind() {
        StorageFull | QuotaExceeded => Some("free some space, then try again"),
        ReadOnlyFilesystem => Some("mount it writable, or name another directory"),
        PermissionDenied => {
            Some("it belongs to somebody else: run this as its owner, or name another directory")
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::{hint, text};
    use anyhow::anyhow;
    use std::io;

    #[test]
    fn what_lies_beneath_is_said_once() {
        let disk = anyhow!("no space left (os error 28)");
        let log = disk.context("failed to write frame 3: no space left");
        let node = log.context("failed to use the log: failed to write frame 3: no space left");
        let whole =
            "failed to use the log: failed to write frame 3: no space left: no space left (os error 28)";
        assert_eq!(text(&node), whole);
        assert_eq!(text(&node.context("the log in data")), format!("the log in data: {whole}"));
        assert_eq!(text(&anyhow!("alone")), "alone");
    }

    #[test]
    fn what_helps_is_said_last_and_once() {
        let used = anyhow::Error::new(io::Error::from_raw_os_error(98));
        let used = used.context("failed to listen: port 1 is in use\n  hint: choose another port");
        assert_eq!(hint(&used).as_deref(), Some("choose another port"));
        let said = text(&used);
        assert!(
            said.starts_with("failed to listen: port 1 is in use: Address") && !said.contains("hint"),
            "{said}"
        );
        for (number, helps) in [(28, "free some space"), (30, "writable"), (13, "owner")] {
            let error =
                anyhow::Error::new(io::Error::from_raw_os_error(number)).context("failed to write keys");
            assert!(hint(&error).is_some_and(|hint| hint.contains(helps)), "{number}");
        }
        assert_eq!(hint(&anyhow!("alone")), None);
    }
}

//! Measures commands per second through a whole node on a real directory: decided, written, synced, folded and answered.
//!
//! `cargo run --release -p sycee-node --example submit -- [--json] [--dir DIR] [--seconds N]`
//!
//! Each submitter sends a deposit, waits for its outcome and sends the next. Many at a time share a sync, so what one of them
//! gets is the disk's latency and what all of them get is what the node can do. DIR (default `target/bench`) must not be in
//! memory, where a sync costs nothing and the numbers mean nothing.

#![expect(clippy::print_stdout, reason = "the result is what this program is for")]

use serde_json::json;
use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};
use sycee_core::Outcome;
use sycee_core::entry::{Command, Submission};
use sycee_core::genesis::AssetDefinition;
use sycee_core::ids::{AccountId, Asset, Hash, MemberId};
use sycee_core::permission::Actor;
use sycee_core::{ledger, membership};
use sycee_log::{Disk, Reader, RealDisk};
use sycee_node::{Clock, Founding, Handle, Options};

type Failure = Box<dyn Error + Send + Sync>;

const SUBMITTERS: [usize; 3] = [1, 16, 256];

struct Arguments {
    json: bool,
    directory: PathBuf,
    seconds: u64,
}

struct Measured {
    submitters: usize,
    frames: usize,
    elapsed: Duration,
    latencies: Vec<Duration>,
}

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            println!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), Failure> {
    let arguments = arguments()?;
    fs::create_dir_all(&arguments.directory)?;
    let file_system = file_system_of(&arguments.directory)?;
    if matches!(file_system.as_str(), "tmpfs" | "ramfs") {
        let directory = arguments.directory.display();
        return Err(
            format!("{directory} is on {file_system}, which is memory; name another with --dir").into()
        );
    }
    for submitters in SUBMITTERS {
        let measured = measure(&arguments.directory, submitters, Duration::from_secs(arguments.seconds))?;
        let shown = shown(measured, &file_system);
        if arguments.json {
            println!("{shown}");
        } else {
            println!("{submitters:>4} at a time: {shown}");
        }
    }
    Ok(())
}

fn arguments() -> Result<Arguments, Failure> {
    let mut arguments = Arguments { json: false, directory: PathBuf::from("target/bench"), seconds: 5 };
    let mut given = std::env::args().skip(1);
    while let Some(argument) = given.next() {
        let mut value = || given.next().ok_or_else(|| format!("{argument} needs a value"));
        match argument.as_str() {
            "--json" => arguments.json = true,
            "--dir" => arguments.directory = value()?.into(),
            "--seconds" => arguments.seconds = value()?.parse()?,
            _ => return Err(format!("unknown argument {argument}").into()),
        }
    }
    Ok(arguments)
}

/// The type of the mount that holds a directory.
fn file_system_of(directory: &Path) -> Result<String, Failure> {
    let directory = fs::canonicalize(directory)?;
    let mounts = fs::read_to_string("/proc/self/mounts")?;
    let holding = mounts.lines().filter_map(|line| {
        let mut fields = line.split(' ').skip(1);
        let (on, kind) = (fields.next()?, fields.next()?);
        directory.starts_with(on).then_some((on.len(), kind))
    });
    // Of two mounts on one place the later hides the earlier, and `max_by_key` gives the last of equals.
    let (_, kind) = holding.max_by_key(|(length, _)| *length).ok_or("no mount holds the directory")?;
    Ok(kind.to_owned())
}

fn measure(directory: &Path, submitters: usize, time: Duration) -> Result<Measured, Failure> {
    let directory = directory.join(format!("submit-{submitters}-{}", std::process::id()));
    let disk: Arc<dyn Disk> = Arc::new(RealDisk);
    let founding = Founding {
        origin: "bench.localhost/sycee".to_owned(),
        assets: vec![AssetDefinition { code: "CNY".to_owned(), decimals: 9 }],
        operator_name: "operator".to_owned(),
        operator_key_hash: Hash([1; 32]),
        segment_bytes: sycee_log::SEGMENT_BYTES,
    };
    let operator = sycee_node::init(&disk, &directory, &Clock::system(), founding)?;
    let node = sycee_node::start(Options::new(&directory))?;
    let handle = node.handle();
    let account = AccountId(handle.new_id()?);
    let name = "main".to_owned();
    let open =
        membership::Command::OpenAccount { account, member: operator, asset: Asset(0), name, limit: 0 };
    applied(&handle, by(operator, open))?;
    // The first segments are being made; that is not what is measured.
    std::thread::sleep(Duration::from_secs(1));
    let frames_before = frames(&disk, &directory)?;
    let started = Instant::now();
    let latencies = submit(&handle, operator, account, submitters, started + time)?;
    let elapsed = started.elapsed();
    node.stop()?;
    let frames = frames(&disk, &directory)? - frames_before;
    fs::remove_dir_all(&directory)?;
    Ok(Measured { submitters, frames, elapsed, latencies })
}

fn submit(
    handle: &Handle,
    operator: MemberId,
    account: AccountId,
    submitters: usize,
    until: Instant,
) -> Result<Vec<Duration>, Failure> {
    let deposit = || ledger::Command::Deposit { account, amount: 1, reference: "bench".to_owned() };
    let one = || {
        let mut latencies = Vec::new();
        while Instant::now() < until {
            let sent = Instant::now();
            applied(handle, by(operator, deposit()))?;
            latencies.push(sent.elapsed());
        }
        Ok::<_, Failure>(latencies)
    };
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..submitters).map(|_| scope.spawn(one)).collect();
        let mut all = Vec::new();
        for thread in threads {
            all.extend(thread.join().map_err(|_| "a submitter panicked")??);
        }
        Ok(all)
    })
}

fn by(operator: MemberId, command: impl Into<Command>) -> Submission {
    let (actor, reason) = (Actor::Member(operator), Some("bench".to_owned()));
    Submission { actor, id: None, reason, command: command.into() }
}

fn applied(handle: &Handle, submission: Submission) -> Result<(), Failure> {
    match handle.submit_blocking(submission)? {
        Outcome::Applied { .. } => Ok(()),
        other => Err(format!("not applied: {other:?}").into()),
    }
}

fn frames(disk: &Arc<dyn Disk>, directory: &Path) -> Result<usize, Failure> {
    Reader::open(Arc::clone(disk), directory)?
        .try_fold(0, |count, frame| frame.map(|_| count + 1))
        .map_err(Into::into)
}

fn shown(measured: Measured, file_system: &str) -> serde_json::Value {
    let Measured { submitters, frames, elapsed, mut latencies } = measured;
    latencies.sort_unstable();
    let commits = latencies.len();
    let at = |share: usize| latencies.get(commits * share / 100).map(Duration::as_micros);
    let per_second = |count: usize| count as u128 * 1_000_000 / elapsed.as_micros().max(1);
    json!({
        "submitters": submitters,
        "commits": commits,
        "frames": frames,
        "seconds": elapsed.as_secs_f64(),
        "commits_per_second": u64::try_from(per_second(commits)).ok(),
        "frames_per_second": u64::try_from(per_second(frames)).ok(),
        "latency_us_p50": at(50).and_then(|micros| u64::try_from(micros).ok()),
        "latency_us_p99": at(99).and_then(|micros| u64::try_from(micros).ok()),
        "file_system": file_system,
    })
}

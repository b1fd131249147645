//! Measures append and sync on a real directory: two frames in flight, and segments made ready on the side.
//!
//! `cargo run --release -p sycee-log --example frames -- [--json] [--dir DIR] [--bytes N]`
//!
//! DIR (default `target/bench`) must not be in memory, where a sync costs nothing and the numbers mean nothing.

#![expect(clippy::print_stdout, reason = "the result is what this program is for")]

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;
use sycee_log::{Draft, Log, Options, RealDisk};

type Failure = Box<dyn Error + Send + Sync>;

/// Payload per frame: with header and stamps these fill 512 KiB and 4 KiB.
const SIZES: [(&str, usize); 2] = [("512 KiB", 128 * 4072 - 104), ("4 KiB", 4072 - 104)];
/// Small frames are counted, not weighed: each waits for a sync.
const SMALL_FRAMES: usize = 4_000;
/// After so many frames somebody looks whether a segment is ready.
const PREPARE_EVERY: u64 = 16;

struct Arguments {
    json: bool,
    directory: PathBuf,
    bytes: usize,
}

struct Measured {
    name: &'static str,
    payload_bytes: usize,
    frames: usize,
    elapsed: Duration,
    syncs: Vec<Duration>,
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
    let mut results = Vec::new();
    for (name, payload_bytes) in SIZES {
        let frames = (arguments.bytes / payload_bytes).max(1);
        let frames = if payload_bytes < 100_000 { frames.min(SMALL_FRAMES) } else { frames };
        results.push(measure(&arguments.directory, name, payload_bytes, frames)?);
    }
    let shown: Vec<_> = results.iter().map(|measured| shown(measured, &file_system)).collect();
    if arguments.json {
        println!("{}", serde_json::to_string_pretty(&shown)?);
    } else {
        for (measured, line) in results.iter().zip(&shown) {
            println!("{:>8} frames: {line}", measured.name);
        }
    }
    Ok(())
}

fn arguments() -> Result<Arguments, Failure> {
    let mut arguments =
        Arguments { json: false, directory: PathBuf::from("target/bench"), bytes: 1024 * 1024 * 1024 };
    let mut given = std::env::args().skip(1);
    while let Some(argument) = given.next() {
        let mut value = || given.next().ok_or_else(|| format!("{argument} needs a value"));
        match argument.as_str() {
            "--json" => arguments.json = true,
            "--dir" => arguments.directory = value()?.into(),
            "--bytes" => arguments.bytes = value()?.parse()?,
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

fn measure(
    directory: &Path,
    name: &'static str,
    payload_bytes: usize,
    frames: usize,
) -> Result<Measured, Failure> {
    let directory = directory.join(format!("frames-{}", std::process::id()));
    let mut log = Log::create(Arc::new(RealDisk), &directory, Options::default())?;
    log.syncer().prepare()?;
    let started = Instant::now();
    let syncs = pipeline(&mut log, payload_bytes, frames);
    let elapsed = started.elapsed();
    drop(log);
    fs::remove_dir_all(&directory)?;
    Ok(Measured { name, payload_bytes, frames, elapsed, syncs: syncs? })
}

/// One thread appends, another syncs; returns how long each sync took.
fn pipeline(log: &mut Log, payload_bytes: usize, frames: usize) -> Result<Vec<Duration>, Failure> {
    let syncer = log.syncer();
    let (appended, to_sync) = mpsc::channel();
    let (synced, durable) = mpsc::channel();
    let preparer = log.syncer();
    let (wanted, to_prepare) = mpsc::channel();
    let side = thread::spawn(move || to_prepare.into_iter().try_for_each(|()| preparer.prepare()));
    let worker = thread::spawn(move || {
        let mut syncs = Vec::new();
        for () in to_sync {
            let started = Instant::now();
            let head = syncer.sync()?;
            syncs.push(started.elapsed());
            if synced.send(head.number).is_err() {
                break;
            }
        }
        Ok::<_, sycee_log::Error>(syncs)
    });
    let payload: Vec<u8> = (0..=250).cycle().take(payload_bytes).collect();
    let draft = Draft { rules: 1, at: 1, count: 1, payload };
    let mut done = 0;
    for number in 0..frames as u64 {
        while number - done >= sycee_log::UNSYNCED_FRAMES_MAX {
            match durable.recv() {
                Ok(head) => done = head,
                Err(_) => break,
            }
        }
        log.append(number, &draft)?;
        if number % PREPARE_EVERY == 0 {
            wanted.send(()).map_err(|_| "the preparing thread has ended")?;
        }
        appended.send(()).map_err(|_| "the syncing thread has ended")?;
    }
    drop((appended, wanted));
    side.join().map_err(|_| "the preparing thread panicked")??;
    Ok(worker.join().map_err(|_| "the syncing thread panicked")??)
}

fn shown(measured: &Measured, file_system: &str) -> serde_json::Value {
    let Measured { name, payload_bytes, frames, elapsed, syncs } = measured;
    let mut syncs: Vec<u128> = syncs.iter().map(Duration::as_micros).collect();
    syncs.sort_unstable();
    let at = |share: usize| syncs.get(syncs.len() * share / 100).copied();
    let bytes = (payload_bytes * frames) as u128;
    let micros = elapsed.as_micros().max(1);
    json!({
        "frame": name,
        "frames": frames,
        "payload_bytes": bytes.to_string(),
        "seconds": elapsed.as_secs_f64(),
        "megabytes_per_second": u64::try_from(bytes / micros).unwrap_or(u64::MAX),
        "frames_per_second": u64::try_from(*frames as u128 * 1_000_000 / micros).unwrap_or(u64::MAX),
        "sync_us_p50": at(50).and_then(|micros| u64::try_from(micros).ok()),
        "sync_us_p99": at(99).and_then(|micros| u64::try_from(micros).ok()),
        "file_system": file_system,
    })
}

//! Measures what interactive requests leave on disk: a node that takes them at a rate, each with a life of its own, and the log
//! before and after its full segments were sealed.
//!
//! `cargo run --release -p sycee-node --example requests -- [--json] [--dir DIR] [--rate N] [--seconds N] [--segment-mib N]`
//!
//! A request is authorised over three offers, marked every half second of its two, and settled with four parties, as a gateway
//! would: marks of many requests wait 20 ms for each other, everything else is a command of its own. At 100 a second nearly every
//! command has a frame, and so a padded block, to itself. DIR (default `target/bench`) must not be in memory.

#![expect(clippy::print_stdout, reason = "the result is what this program is for")]

#[path = "requests/market.rs"]
mod market;

use market::Market;
use serde_json::json;
use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};
use sycee_core::Outcome;
use sycee_core::buckets::{Bucket, Buckets};
use sycee_core::entry::{Command, Submission};
use sycee_core::genesis::AssetDefinition;
use sycee_core::ids::{Hash, OfferId, RequestId};
use sycee_core::permission::Actor;
use sycee_core::settlement::{
    self, Ask, Attempt, AttemptOutcome, Delivery, Endpoint, Finish, Mark, Measure, Output,
};
use sycee_log::{Disk, Reader, RealDisk};
use sycee_node::{Clock, Founding, Handle, Options};
use tokio::sync::{mpsc, oneshot};
use tokio::task::{JoinSet, LocalSet};

type Failure = Box<dyn Error + Send + Sync>;

/// How long a request takes, and how often it is marked meanwhile.
const MARKS: u32 = 3;
const MARK_EVERY: Duration = Duration::from_millis(500);
/// How long the first mark of a batch waits for others, as in the gateway.
const MARKS_WAIT: Duration = Duration::from_millis(20);
/// How long the node may take to seal what is full, once the requests have ended.
const SEALING_MAX: Duration = Duration::from_mins(1);

struct Arguments {
    json: bool,
    directory: PathBuf,
    rate: u32,
    seconds: u32,
    segment_bytes: u64,
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
    let directory = arguments.directory.join(format!("requests-{}", std::process::id()));
    let measured = measure(&arguments, &directory, &file_system);
    drop(fs::remove_dir_all(&directory));
    let shown = measured?;
    println!("{}", if arguments.json { shown.to_string() } else { format!("{shown:#}") });
    Ok(())
}

fn arguments() -> Result<Arguments, Failure> {
    let directory = PathBuf::from("target/bench");
    let mut arguments = Arguments { json: false, directory, rate: 100, seconds: 60, segment_bytes: 16 << 20 };
    let mut given = std::env::args().skip(1);
    while let Some(argument) = given.next() {
        let mut value = || given.next().ok_or_else(|| format!("{argument} needs a value"));
        match argument.as_str() {
            "--json" => arguments.json = true,
            "--dir" => arguments.directory = value()?.into(),
            "--rate" => arguments.rate = value()?.parse()?,
            "--seconds" => arguments.seconds = value()?.parse()?,
            "--segment-mib" => arguments.segment_bytes = value()?.parse::<u64>()? << 20,
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

fn measure(arguments: &Arguments, directory: &Path, file_system: &str) -> Result<serde_json::Value, Failure> {
    let disk: Arc<dyn Disk> = Arc::new(RealDisk);
    let founding = Founding {
        origin: "bench.localhost/sycee".to_owned(),
        assets: vec![AssetDefinition { code: "CNY".to_owned(), decimals: 9 }],
        operator_name: "operator".to_owned(),
        operator_key_hash: Hash([1; 32]),
        segment_bytes: arguments.segment_bytes,
    };
    let operator = sycee_node::init(&disk, directory, &Clock::system(), founding)?;
    let segment_bytes = arguments.segment_bytes;
    let node = sycee_node::start(Options { segment_bytes, ..Options::new(directory) })?;
    let handle = node.handle();
    let market = market::make(&handle, operator)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
    let mut latencies =
        LocalSet::new().block_on(&runtime, send(&handle, market, arguments.rate, arguments.seconds))?;
    wait_for_sealing(directory)?;
    node.stop()?;
    latencies.sort_unstable();
    let at = |share: usize| latencies.get(latencies.len() * share / 100).map(Duration::as_micros);
    let latency = [at(50), at(99)].map(|it| it.and_then(|micros| u64::try_from(micros).ok()));
    let sealed = sealed(directory)?;
    let contents = contents(&disk, directory, sealed.frames)?;
    let each = |bytes: u64| bytes.checked_div(contents.requests);
    Ok(json!({
        "requests_per_second": arguments.rate,
        "seconds": arguments.seconds,
        "segment_bytes": segment_bytes,
        "sealed_segments": sealed.files,
        "sealed_bytes": sealed.bytes,
        "requests": contents.requests,
        "entries": contents.entries,
        "frames": sealed.frames,
        "entry_bytes_per_request": each(contents.entry_bytes),
        "payload_bytes_per_request": each(contents.payload_bytes),
        "bytes_per_request_before": each(contents.bytes),
        "bytes_per_request_sealed": each(sealed.bytes),
        "commit_us_p50": latency[0],
        "commit_us_p99": latency[1],
        "file_system": file_system,
    }))
}

/// Sends requests at a rate and waits for their ends; how long each command took.
async fn send(handle: &Handle, market: Market, rate: u32, seconds: u32) -> Result<Vec<Duration>, Failure> {
    let market = Rc::new(market);
    let (marks, waiting) = mpsc::channel(1_024);
    let collector = tokio::task::spawn_local(collect(handle.clone(), waiting));
    let (began, mut requests) = (Instant::now(), JoinSet::new());
    for index in 0..rate * seconds {
        let due = began + Duration::from_secs(u64::from(index)) / rate;
        tokio::time::sleep_until(due.into()).await;
        let (handle, market, marks) = (handle.clone(), Rc::clone(&market), marks.clone());
        requests.spawn_local(request(handle, market, marks, index));
    }
    drop(marks);
    let mut latencies = collector.await??;
    while let Some(done) = requests.join_next().await {
        latencies.extend(done??);
    }
    Ok(latencies)
}

type Waiting = (RequestId, Mark, oneshot::Sender<()>);

/// One request, from its hold to its receipt.
async fn request(
    handle: Handle,
    market: Rc<Market>,
    marks: mpsc::Sender<Waiting>,
    index: u32,
) -> Result<Vec<Duration>, Failure> {
    let (request, started) = (RequestId(handle.new_id()?), handle.now());
    // No randomness of its own: ids are random, and these are as good as any.
    let drawn = request.0 & 0xffff_ffff;
    let place = |many: usize| (drawn as usize).wrapping_mul(0x9e37_79b9).wrapping_add(index as usize) % many;
    let (account, key) = market.consumers[place(market.consumers.len())];
    let offer = market.offers[place(market.offers.len())];
    let input = 200 + place(3_000) as u64;
    let output = 100 + place(700) as u64;
    let ask = Ask {
        account,
        key,
        model: market.model,
        endpoint: Endpoint::Chat,
        candidates: market.offers.clone(),
        input_max: input + 16,
        output: Output { max: 1_024, choices: 1, may_lower: false },
    };
    let mut latencies = vec![command(&handle, settlement::Command::Authorise { request, ask }).await?];
    for number in 1..=MARKS {
        tokio::time::sleep(MARK_EVERY).await;
        let usage = usage(input, output * u64::from(number) / u64::from(MARKS + 1));
        let (input_measure, output_measure) = (Measure::OwnCount, Measure::OwnCount);
        let (reply, answer) = oneshot::channel();
        marks.send((request, Mark { offer, usage, input_measure, output_measure }, reply)).await?;
        answer.await?;
    }
    tokio::time::sleep(MARK_EVERY).await;
    let delivery = delivery(offer, usage(input, output), started);
    latencies.push(command(&handle, settlement::Command::Settle { request, delivery }).await?);
    Ok(latencies)
}

fn usage(input: u64, output: u64) -> Buckets {
    Buckets::default().with(Bucket::InputUncached, input).with(Bucket::OutputVisible, output)
}

fn delivery(offer: OfferId, usage: Buckets, started: sycee_core::ids::Time) -> Delivery {
    Delivery {
        offer,
        reported: Some(usage),
        usage,
        input_measure: Measure::OwnCount,
        output_measure: Measure::OwnCount,
        dispute: false,
        microjoules: None,
        finish: Finish::Stop,
        stream: true,
        attempts: vec![Attempt { offer, outcome: AttemptOutcome::Served, milliseconds: 2_011 }],
        started,
        first_byte_milliseconds: Some(140),
    }
}

/// Marks of many requests in one command, as the gateway collects them.
async fn collect(handle: Handle, mut waiting: mpsc::Receiver<Waiting>) -> Result<Vec<Duration>, Failure> {
    let mut latencies = Vec::new();
    while let Some(first) = waiting.recv().await {
        tokio::time::sleep(MARKS_WAIT).await;
        let mut batch = vec![first];
        while let Ok(next) = waiting.try_recv() {
            batch.push(next);
        }
        let marks = batch.iter().map(|(request, mark, _)| (*request, *mark)).collect();
        latencies.push(command(&handle, settlement::Command::Advance { marks }).await?);
        for (_, _, reply) in batch {
            reply.send(()).map_err(|()| "a request has gone")?;
        }
    }
    Ok(latencies)
}

async fn command(handle: &Handle, command: settlement::Command) -> Result<Duration, Failure> {
    let sent = Instant::now();
    applied(handle.submit(Submission::internal(Actor::Gateway, command)).await?)?;
    Ok(sent.elapsed())
}

fn applied(outcome: Outcome) -> Result<(), Failure> {
    match outcome {
        Outcome::Applied { .. } => Ok(()),
        other => Err(format!("not applied: {other:?}").into()),
    }
}

/// The segments that have been sealed: how many, their bytes, and the frames in them, which are the first of the log.
struct Sealed {
    files: u64,
    bytes: u64,
    frames: u64,
}

/// Waits until no more than the newest two segments are left as they were written.
fn wait_for_sealing(directory: &Path) -> Result<(), Failure> {
    let deadline = Instant::now() + SEALING_MAX;
    while named(directory, "segment-")?.len() > 2 {
        if Instant::now() > deadline {
            return Err("the node does not seal its segments".into());
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    Ok(())
}

fn sealed(directory: &Path) -> Result<Sealed, Failure> {
    let files = named(directory, "sealed-")?;
    let bytes = files.iter().map(|(_, path)| Ok(fs::metadata(path)?.len())).sum::<Result<u64, Failure>>()?;
    let (frames, _) = named(directory, "segment-")?.into_iter().next().ok_or("there is no segment")?;
    Ok(Sealed { files: files.len() as u64, bytes, frames })
}

/// Files of the log with the number of the first frame in their names, ascending.
fn named(directory: &Path, prefix: &str) -> Result<Vec<(u64, PathBuf)>, Failure> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if let Some(number) = name.strip_prefix(prefix).and_then(|rest| rest.strip_suffix(".log")) {
            found.push((number.parse()?, path));
        }
    }
    found.sort_unstable();
    Ok(found)
}

/// What is in the first frames of a log.
#[derive(Default)]
struct Contents {
    /// Receipts.
    requests: u64,
    entries: u64,
    entry_bytes: u64,
    payload_bytes: u64,
    /// As the frames were written.
    bytes: u64,
}

fn contents(disk: &Arc<dyn Disk>, directory: &Path, frames: u64) -> Result<Contents, Failure> {
    let mut contents = Contents::default();
    let mut reader = Reader::open(Arc::clone(disk), directory)?;
    while reader.head().number < frames {
        let frame = reader.next_frame()?.ok_or("the log is shorter than its files say")?;
        contents.bytes += frame.bytes_on_disk();
        contents.payload_bytes += frame.payload.len() as u64;
        for (position, record) in frame.records().map_err(|cause| cause.to_string())? {
            contents.entries += 1;
            contents.entry_bytes += record.entry.len() as u64;
            let command = sycee_node::seal::open(&record, position)?.command;
            contents.requests +=
                u64::from(matches!(command, Command::Settlement(settlement::Command::Settle { .. })));
        }
    }
    Ok(contents)
}

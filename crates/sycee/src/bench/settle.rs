//! How many lines of metering a second does a node settle: price, book, split, write, sync, fold and answer?
//!
//! A process of its own makes the lines. This one reads a batch, hands it to the node as the HTTP path does once it has decoded
//! one, or sends it down that path, and waits for the answer, which comes when the batch is durable; several batches are under way. Then the same at four
//! fifths of that rate, where a batch's time counts from when it was due. At the end the node is opened again from the snapshot
//! it had before the lines, and the log is verified from its first byte.
#![expect(clippy::cast_precision_loss, reason = "figures are told to three digits")]
use crate::bench::door::{self, Door};
use crate::bench::generator::Report;
use crate::bench::{generator, market, process};
use crate::cli::{HttpForm, Load, Settle};
use anyhow::{Context as _, Result, anyhow, ensure};
use serde_json::json;
use std::collections::VecDeque;
use std::io::BufReader;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, ExitCode, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};
use sycee_core::genesis::AssetDefinition;
use sycee_core::ids::{Handle as Index, Hash, MemberId};
use sycee_log::{Disk, RealDisk};
use sycee_node::{Clock, Founding, Handle, Node, Options};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// Batches that wait to be sent.
const READ_AHEAD: usize = 2;
/// Of the peak, for latency.
const SHARE_OF_PEAK: f64 = 0.8;
/// Part of the lines that are sent at that rate.
const LATENCY_PART: u64 = 5;

pub(super) fn run(arguments: &Settle) -> Result<ExitCode> {
    std::fs::create_dir_all(&arguments.dir)?;
    let file_system = process::file_system(&arguments.dir)?;
    ensure!(
        !matches!(file_system.as_str(), "tmpfs" | "ramfs"),
        "{} is on {file_system}, where a sync costs nothing and the figures mean nothing\n  hint: name a directory on a disk with --dir",
        arguments.dir.display()
    );
    let directory = arguments.dir.join(format!("settle-{}", std::process::id()));
    let done = measure(arguments, &directory, &file_system);
    if !arguments.keep {
        drop(std::fs::remove_dir_all(&directory));
    }
    let result = done?;
    if arguments.json {
        say!("{result}");
    } else {
        say!("{result:#}");
    }
    Ok(ExitCode::SUCCESS)
}

fn measure(arguments: &Settle, directory: &Path, file_system: &str) -> Result<serde_json::Value> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    // Whole batches, so that each source goes on where it was in the next phase.
    let lines = arguments.load.lines.next_multiple_of(arguments.load.batch);
    let load = &Load { lines, ..arguments.load.clone() };
    let operator = found(directory)?;
    let node = sycee_node::start(Options::new(directory))?;
    runtime.block_on(market::make(&node.handle(), operator, load))?;
    node.stop()?;
    let before = log_bytes(directory)?;

    // Opened again, so that its last snapshot is the market.
    let node = sycee_node::start(Options::new(directory))?;
    let (door, server) = door::open(node.handle(), load.http)?;
    let peak = phase(&runtime, &door, load, 0, None)?;
    let rate = peak.lines_per_second() * SHARE_OF_PEAK;
    let part = (load.lines / LATENCY_PART).next_multiple_of(load.batch);
    let paced = Load { lines: part, first: load.lines, ..load.clone() };
    let latency = phase(&runtime, &door, &paced, 1, Some(rate))?;
    let lines = peak.lines + latency.lines;
    spot_check(&node.handle(), lines)?;
    let resident = process::resident_bytes_max()?;
    drop((door, server));
    stop_without_snapshot(node, directory)?;

    let bytes = log_bytes(directory)? - before;
    let to_fold = lines_to_fold(directory)?;
    let recovery = Instant::now();
    let node = sycee_node::start(Options::new(directory))?;
    let recovery = recovery.elapsed();
    node.stop()?;
    let verifying = Instant::now();
    let disk: Arc<dyn Disk> = Arc::new(RealDisk);
    let report = sycee_node::verify(&disk, directory, None)?;
    let verifying = verifying.elapsed();
    Ok(json!({
        "lines": peak.lines,
        "accounts": load.accounts,
        "offers": load.offers,
        "batch": load.batch,
        "skew": load.skew.name(),
        "http": load.http.map(HttpForm::name),
        "file_system": file_system,
        "lines_per_s": peak.lines_per_second().round(),
        "tokens_per_s": (peak.tokens as f64 / peak.elapsed.as_secs_f64()).round(),
        "cpu_us_per_line": micro(peak.processor.as_secs_f64() * 1e6 / peak.lines as f64),
        "batch_ms": latency.percentiles(),
        "latency_at_lines_per_s": rate.round(),
        "bytes_per_line": micro(bytes as f64 / lines as f64),
        "rss_bytes": resident,
        "recovered_lines": to_fold,
        "recovery_lines_per_s": (to_fold as f64 / recovery.as_secs_f64()).round(),
        "verify_lines_per_s": (lines as f64 / verifying.as_secs_f64()).round(),
        "refused": peak.refused + latency.refused,
        "verified": report.sound,
    }))
}

fn micro(value: f64) -> f64 {
    (value * 1000.0).round() / 1000.0
}

fn found(directory: &Path) -> Result<MemberId> {
    let disk: Arc<dyn Disk> = Arc::new(RealDisk);
    let founding = Founding {
        origin: "bench.localhost/sycee".to_owned(),
        assets: vec![AssetDefinition { code: "CNY".to_owned(), decimals: 9 }],
        operator_name: "operator".to_owned(),
        operator_key_hash: Hash([0xff; 32]),
        segment_bytes: sycee_log::SEGMENT_BYTES,
    };
    Ok(sycee_node::init(&disk, directory, &Clock::system(), founding)?)
}

/// What was sent and how long it took.
struct Phase {
    lines: u64,
    tokens: u64,
    refused: u64,
    elapsed: Duration,
    processor: Duration,
    latencies: Vec<Duration>,
}

impl Phase {
    fn lines_per_second(&self) -> f64 {
        self.lines as f64 / self.elapsed.as_secs_f64()
    }

    fn percentiles(&self) -> serde_json::Value {
        let mut sorted = self.latencies.clone();
        sorted.sort_unstable();
        let at = |thousandths: usize| {
            let index = (sorted.len() * thousandths / 1000).min(sorted.len().saturating_sub(1));
            sorted.get(index).map(|it| micro(it.as_secs_f64() * 1e3))
        };
        json!({ "p50": at(500), "p99": at(990), "p999": at(999), "batches": sorted.len() })
    }
}

/// Sends the lines of a load; at a rate of so many a second, or as fast as they are answered.
fn phase(
    runtime: &tokio::runtime::Runtime,
    door: &Door,
    load: &Load,
    seed: u64,
    rate: Option<f64>,
) -> Result<Phase> {
    let mut child = generator(&Load { seed: load.seed + seed, ..load.clone() })?;
    let input = BufReader::with_capacity(1 << 20, child.stdout.take().context("it has an output")?);
    let sent = runtime.block_on(send(door, input, rate));
    if sent.is_err() {
        child.kill()?;
    }
    let ended = child.wait()?;
    let phase = sent?;
    ensure!(ended.success(), "the generator failed");
    Ok(phase)
}

fn generator(load: &Load) -> Result<Child> {
    let Load { lines, accounts, offers, batch, skew, http, first, seed } = load;
    let mut command = std::process::Command::new(std::env::current_exe()?);
    command.args(["bench", "generate", "--skew", skew.name()]);
    for (name, value) in [
        ("lines", lines),
        ("accounts", accounts),
        ("offers", offers),
        ("batch", batch),
        ("first", first),
        ("seed", seed),
    ] {
        command.arg(format!("--{name}={value}"));
    }
    command.args(http.map(|form| format!("--http={}", form.name())));
    Ok(command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn()?)
}

/// One batch of each source is under way at a time, so that they come in order over any number of connections.
async fn send(door: &Door, input: BufReader<ChildStdout>, rate: Option<f64>) -> Result<Phase> {
    let (sender, mut reports) = mpsc::channel(READ_AHEAD);
    let reading = std::thread::spawn(move || read(input, &sender));
    // Until the first batch is there the generator is still counting its accounts.
    let mut next = reports.recv().await;
    let (began, processor) = (Instant::now(), process::processor_time()?);
    let mut phase = Phase {
        lines: 0,
        tokens: 0,
        refused: 0,
        elapsed: Duration::ZERO,
        processor: Duration::ZERO,
        latencies: Vec::new(),
    };
    let mut under_way: VecDeque<JoinHandle<Result<Answer>>> = VecDeque::new();
    while let Some(report) = next {
        if under_way.len() >= generator::SOURCES {
            phase.take(under_way.pop_front().context("some are under way")?.await??);
        }
        let due = match rate {
            Some(rate) => began + Duration::from_secs_f64(phase.lines as f64 / rate),
            None => Instant::now(),
        };
        tokio::time::sleep_until(due.into()).await;
        phase.lines += report.lines;
        phase.tokens += report.tokens;
        let door = door.clone();
        #[expect(clippy::disallowed_methods, reason = "each is waited for")]
        under_way.push_back(tokio::spawn(async move { submit(&door, report, due).await }));
        next = reports.recv().await;
    }
    for answer in under_way {
        phase.take(answer.await??);
    }
    phase.elapsed = began.elapsed();
    phase.processor = process::processor_time()?.saturating_sub(processor);
    reading.join().map_err(|_| anyhow!("reading the generator's lines failed"))??;
    Ok(phase)
}

/// On a thread of its own, so that nobody waits for the generator but who wants its lines.
fn read(mut input: BufReader<ChildStdout>, reports: &mpsc::Sender<Report>) -> Result<()> {
    while let Some(report) = generator::read(&mut input)? {
        if reports.blocking_send(report).is_err() {
            break;
        }
    }
    Ok(())
}

/// A batch that is durable.
struct Answer {
    refused: u64,
    /// Since it was due.
    took: Duration,
}

impl Phase {
    fn take(&mut self, Answer { refused, took }: Answer) {
        self.refused += refused;
        self.latencies.push(took);
    }
}

/// Sends a report and waits until it is durable.
async fn submit(door: &Door, report: Report, due: Instant) -> Result<Answer> {
    Ok(Answer { refused: door.send(report).await?, took: due.elapsed() })
}

/// The rollups have every line once.
fn spot_check(handle: &Handle, lines: u64) -> Result<()> {
    let views = handle.views();
    let offers = 0..views.state.catalog.offer_handles();
    let counted: u64 = views
        .metered()
        .hours()
        .flat_map(|hour| offers.clone().map(move |offer| (hour, offer)))
        .filter_map(|(hour, offer)| Some(views.metered().offer(hour, Index(offer))?.lines))
        .sum();
    ensure!(counted == lines, "{lines} lines were sent and the rollups have {counted}");
    Ok(())
}

/// Bytes of the log's frames, without what its last segment has room for.
fn log_bytes(directory: &Path) -> Result<u64> {
    let disk: Arc<dyn Disk> = Arc::new(RealDisk);
    let mut reader = sycee_log::Reader::open(disk, directory)?;
    let mut bytes = 0;
    while let Some(frame) = reader.next_frame()? {
        bytes += frame.bytes_on_disk();
    }
    Ok(bytes)
}

/// Lines that a start has to fold, as its newest snapshot does not have them.
fn lines_to_fold(directory: &Path) -> Result<u64> {
    let number = |path: &PathBuf| path.file_stem()?.to_str()?.strip_prefix("snapshot-")?.parse::<u64>().ok();
    let from = snapshots(directory)?.iter().filter_map(number).max().context("there is a snapshot")?;
    let disk: Arc<dyn Disk> = Arc::new(RealDisk);
    let mut reader = sycee_log::Reader::open(disk, directory)?;
    let mut lines = 0;
    while let Some(frame) = reader.next_frame()? {
        if frame.number >= from {
            let records = frame.records().map_err(|cause| anyhow!("failed to read a frame: {cause}"))?;
            for (position, record) in records {
                let entry = sycee_node::seal::open(&record, position)?;
                lines += entry.recorded().map_or(0, |(batch, _)| batch.len());
            }
        }
    }
    Ok(lines)
}

/// Ends a node so that it has to fold again what came since its last snapshot.
fn stop_without_snapshot(node: Node, directory: &Path) -> Result<()> {
    let before = snapshots(directory)?;
    node.stop()?;
    for path in snapshots(directory)?.into_iter().filter(|path| !before.contains(path)) {
        std::fs::remove_file(path)?;
    }
    Ok(())
}

fn snapshots(directory: &Path) -> Result<Vec<PathBuf>> {
    let entries = std::fs::read_dir(directory)?.map(|entry| Ok(entry?.path()));
    let all = entries.collect::<Result<Vec<PathBuf>>>()?;
    let is_snapshot = |path: &PathBuf| {
        path.file_name().and_then(|name| name.to_str()).is_some_and(|name| name.contains("snapshot"))
    };
    Ok(all.into_iter().filter(is_snapshot).collect())
}

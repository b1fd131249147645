//! How many lines of metering a second does a node settle: price, book, split, write, sync, fold and answer?
//!
//! A process of its own makes the lines. This one reads a batch, hands it to the node as the HTTP path does once it has decoded
//! one, and waits for the answer, which comes when the batch is durable; several batches are under way. Then the same at four
//! fifths of that rate, where a batch's time counts from when it was due. At the end the node is opened again from the snapshot
//! it had before the lines, and the log is verified from its first byte.
#![expect(clippy::cast_precision_loss, reason = "figures are told to three digits")]
use crate::bench::{generator, market, process};
use crate::cli::{Load, Settle};
use anyhow::{Context as _, Result, bail, ensure};
use serde_json::json;
use std::io::BufReader;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, ExitCode, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};
use sycee_core::genesis::AssetDefinition;
use sycee_core::ids::{Handle as Index, Hash, MemberId};
use sycee_core::metering::{self, Batch};
use sycee_core::permission::Actor;
use sycee_core::{Event, Outcome, Submission};
use sycee_log::{Disk, RealDisk};
use sycee_node::{Clock, Founding, Handle, Node, Options, Unavailable};
use tokio::task::JoinSet;

/// Batches sent and not answered.
const UNDER_WAY: usize = 6;
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
    let load = &arguments.load;
    let operator = found(directory)?;
    let node = sycee_node::start(Options::new(directory))?;
    runtime.block_on(market::make(&node.handle(), operator, load))?;
    node.stop()?;
    let before = log_bytes(directory)?;

    // Opened again, so that its last snapshot is the market.
    let node = sycee_node::start(Options::new(directory))?;
    let peak = phase(&runtime, &node.handle(), load, 0, None)?;
    let rate = peak.lines_per_second() * SHARE_OF_PEAK;
    let paced =
        Load { lines: (load.lines / LATENCY_PART).max(load.batch), first: load.lines, ..load.clone() };
    let latency = phase(&runtime, &node.handle(), &paced, 1, Some(rate))?;
    let lines = peak.lines + latency.lines;
    spot_check(&node.handle(), lines)?;
    let resident = process::resident_bytes_max()?;
    stop_without_snapshot(node, directory)?;

    let bytes = log_bytes(directory)? - before;
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
        "file_system": file_system,
        "lines_per_s": peak.lines_per_second().round(),
        "tokens_per_s": (peak.tokens as f64 / peak.elapsed.as_secs_f64()).round(),
        "cpu_us_per_line": micro(peak.processor.as_secs_f64() * 1e6 / peak.lines as f64),
        "batch_ms": latency.percentiles(),
        "latency_at_lines_per_s": rate.round(),
        "bytes_per_line": micro(bytes as f64 / lines as f64),
        "rss_bytes": resident,
        "recovery_lines_per_s": (lines as f64 / recovery.as_secs_f64()).round(),
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
    handle: &Handle,
    load: &Load,
    seed: u64,
    rate: Option<f64>,
) -> Result<Phase> {
    let mut child = generator(&Load { seed: load.seed + seed, ..load.clone() })?;
    let mut input = BufReader::with_capacity(1 << 20, child.stdout.take().context("it has an output")?);
    let sent = runtime.block_on(send(handle, &mut input, rate));
    if sent.is_err() {
        child.kill()?;
    }
    let ended = child.wait()?;
    let phase = sent?;
    ensure!(ended.success(), "the generator failed");
    Ok(phase)
}

fn generator(load: &Load) -> Result<Child> {
    let Load { lines, accounts, offers, batch, skew, first, seed } = load;
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
    Ok(command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn()?)
}

async fn send(handle: &Handle, input: &mut BufReader<ChildStdout>, rate: Option<f64>) -> Result<Phase> {
    // Until the first batch is there the generator is still counting its accounts.
    let mut next = generator::read(input)?;
    let (began, processor) = (Instant::now(), process::processor_time()?);
    let mut phase = Phase {
        lines: 0,
        tokens: 0,
        refused: 0,
        elapsed: Duration::ZERO,
        processor: Duration::ZERO,
        latencies: Vec::new(),
    };
    let mut under_way = JoinSet::new();
    while let Some(batch) = next {
        let due = match rate {
            Some(rate) => began + Duration::from_secs_f64(phase.lines as f64 / rate),
            None => Instant::now(),
        };
        while Instant::now() < due {
            match tokio::time::timeout_at(due.into(), under_way.join_next()).await {
                Ok(Some(answer)) => phase.take(answer??),
                Ok(None) => tokio::time::sleep_until(due.into()).await,
                Err(_) => {}
            }
        }
        phase.lines += batch.len();
        phase.tokens += batch.lines.tokens();
        let handle = handle.clone();
        under_way.spawn(async move { submit(&handle, batch, due).await });
        tokio::task::yield_now().await;
        if under_way.len() >= UNDER_WAY {
            phase.take(under_way.join_next().await.context("some are under way")???);
        }
        next = generator::read(input)?;
    }
    while let Some(answer) = under_way.join_next().await {
        phase.take(answer??);
    }
    phase.elapsed = began.elapsed();
    phase.processor = process::processor_time()?.saturating_sub(processor);
    Ok(phase)
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

/// Sends a batch and waits until it is durable.
async fn submit(handle: &Handle, batch: Batch, due: Instant) -> Result<Answer> {
    let command = metering::Command::Record { batch };
    let submission = Submission::internal(Actor::Member(market::METER), command);
    loop {
        match handle.submit(submission.clone()).await {
            Ok(Outcome::Applied { position: _, events }) => {
                let refused = events.iter().map(|event| match event {
                    Event::Metering(metering::Event::Recorded { batch: _, counted }) => {
                        counted.refused.len() as u64
                    }
                    _ => 0,
                });
                return Ok(Answer { refused: refused.sum(), took: due.elapsed() });
            }
            Ok(Outcome::Repeated { .. }) => bail!("a batch has no id"),
            Ok(Outcome::Refused(refusal)) => bail!("a batch was refused: {}", refusal.code()),
            Err(Unavailable::Overloaded) => tokio::time::sleep(Duration::from_millis(1)).await,
            Err(unavailable) => bail!("the node does not answer: {unavailable}"),
        }
    }
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

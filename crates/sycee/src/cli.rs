//! The command line: what each command is called, takes, and says of itself.
use clap::{Parser, Subcommand};
use std::path::PathBuf;
use sycee_core::ids::RequestId;

/// Runs a token economy: meters AI tokens, prices them, splits each payment, settles on a ledger that anyone can verify.
#[derive(Debug, Parser)]
#[command(name = "sycee", version, propagate_version = true)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run the whole platform on this machine, with simulated sites, keys and money to try it with.
    Demo(Demo),
    /// Found a new log: its charter, its signing key, and the first operator, whose key is printed once.
    Init(Init),
    /// Run the platform on a log.
    Serve(Serve),
    /// Make a running platform offer what a catalogue file says.
    Apply(Apply),
    /// Check a log from its first byte: chain, entries, decisions, invariants, conservation, and a kept checkpoint.
    Verify(Verify),
    /// Copy a log, running or not, to a new directory, and check the copy.
    Backup(Copy),
    /// Make a data directory of a backup, once it has been found sound.
    Restore(Copy),
    /// Run a production rule on a file of cases: what would this usage, this split give?
    Calc(Calc),
    /// Prove that something is in a log, and check such a proof without the log.
    #[command(subcommand)]
    Proof(Proof),
    /// Run one simulated provider, for tests and for trying things.
    Provider(Provider),
    /// Measure what this machine can do.
    #[command(subcommand)]
    Bench(Bench),
}

#[derive(Debug, Subcommand)]
pub(crate) enum Bench {
    /// Lines of metering a second: priced, booked, split, durable and folded. Give it a machine that does nothing else.
    Settle(Settle),
    /// What `settle` starts to make the lines.
    #[command(hide = true)]
    Generate(Load),
}

#[derive(Debug, clap::Args)]
pub(crate) struct Settle {
    #[command(flatten)]
    pub(crate) load: Load,
    /// Where the log is written; not in memory.
    #[arg(long, default_value = "target/bench", value_name = "DIR")]
    pub(crate) dir: PathBuf,
    /// Print one line of JSON.
    #[arg(long)]
    pub(crate) json: bool,
    /// Leave the log there.
    #[arg(long)]
    pub(crate) keep: bool,
}

#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Load {
    /// Lines to send as fast as they are taken; a fifth as many follow at four fifths of that rate.
    #[arg(long, default_value_t = 10_000_000, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) lines: u64,
    /// Accounts that use something, each with one key.
    #[arg(long, default_value_t = 1_000_000, value_name = "N", value_parser = clap::value_parser!(u64).range(2..=50_000_000))]
    pub(crate) accounts: u64,
    #[arg(long, default_value_t = 256, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=100_000))]
    pub(crate) offers: u64,
    /// Lines of a batch.
    #[arg(long, default_value_t = 16_384, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=65_536))]
    pub(crate) batch: u64,
    /// Whether some accounts use much more than others.
    #[arg(long, default_value = "zipf")]
    pub(crate) skew: Skew,
    /// Send them over HTTP on this machine, in this form, instead of straight to the node.
    #[arg(long, value_name = "FORM")]
    pub(crate) http: Option<HttpForm>,
    /// The number of the first line.
    #[arg(long, default_value_t = 0, hide = true)]
    pub(crate) first: u64,
    #[arg(long, default_value_t = 1, value_name = "N")]
    pub(crate) seed: u64,
}

/// How lines are written for HTTP.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum HttpForm {
    Binary,
    Json,
}

impl HttpForm {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Binary => "binary",
            Self::Json => "json",
        }
    }

    pub(crate) fn media_type(self) -> &'static str {
        match self {
            Self::Binary => "application/vnd.sycee.usage+cbor",
            Self::Json => "application/cloudevents-batch+json",
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Skew {
    Zipf,
    Uniform,
}

impl Skew {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Zipf => "zipf",
            Self::Uniform => "uniform",
        }
    }
}

#[derive(Debug, clap::Args)]
pub(crate) struct Demo {
    /// Write addresses and keys as JSON to this file once the demo is ready.
    #[arg(long, value_name = "FILE")]
    pub(crate) ready_file: Option<PathBuf>,
    /// Keep the log here; a folder that has one is continued. A folder of its own under the system's temporary one if left out.
    #[arg(long, value_name = "DIR")]
    pub(crate) data: Option<PathBuf>,
    /// Listen on this port of 127.0.0.1; 0 takes a free one.
    #[arg(long, default_value_t = 7720, value_name = "N")]
    pub(crate) port: u16,
    /// What the simulated sites and clients do is a function of this number.
    #[arg(long, default_value_t = 1, value_name = "N")]
    pub(crate) seed: u64,
    /// Start the demo's clock at this time (RFC 3339) instead of now.
    #[arg(long, value_name = "TIME")]
    pub(crate) clock: Option<String>,
    /// Serve this OpenAI-compatible endpoint instead of the simulated sites.
    #[arg(long, value_name = "URL")]
    pub(crate) upstream: Option<String>,
    /// The environment variable that holds the key of that endpoint.
    #[arg(long, value_name = "NAME", requires = "upstream")]
    pub(crate) key_env: Option<String>,
    /// No simulated clients: only what you send.
    #[arg(long)]
    pub(crate) quiet: bool,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Init {
    /// The new directory of the log.
    pub(crate) dir: PathBuf,
    /// The name that checkpoints are signed under, such as `hub.example/sycee`.
    #[arg(long, default_value = "localhost/sycee")]
    pub(crate) origin: String,
    /// Assets, by code; each has nine decimals.
    #[arg(long, value_delimiter = ',', default_value = "CNY")]
    pub(crate) assets: Vec<String>,
    /// Name of the first operator.
    #[arg(long, default_value = "operator")]
    pub(crate) operator: String,
    #[command(flatten)]
    pub(crate) segment: Segment,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Serve {
    /// The directory of the log.
    #[arg(long, value_name = "DIR")]
    pub(crate) data: PathBuf,
    /// What is local: addresses, secrets, tokenizers, limits.
    #[arg(long, value_name = "FILE", default_value = "sycee.toml")]
    pub(crate) config: PathBuf,
    /// The clock jumped ahead when the platform last ran, and it was right.
    #[arg(long)]
    pub(crate) accept_clock: bool,
    /// Give up everything from this position on; the one that a refusal to open names.
    #[arg(long, value_name = "POSITION")]
    pub(crate) cut_tail: Option<u64>,
    #[command(flatten)]
    pub(crate) segment: Segment,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Apply {
    /// Members, providers, sites, models, offers and sources of usage.
    pub(crate) file: PathBuf,
    /// The platform.
    #[arg(long, default_value = "http://127.0.0.1:7720", value_name = "URL")]
    pub(crate) url: String,
    /// The environment variable that holds an operator's key.
    #[arg(long, default_value = "SYCEE_KEY", value_name = "NAME")]
    pub(crate) key_env: String,
    /// Show what would change, and change nothing.
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Why; it is written into the log.
    #[arg(long, default_value = "apply")]
    pub(crate) reason: String,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Verify {
    /// The directory of the log.
    pub(crate) dir: PathBuf,
    /// Print the report as JSON.
    #[arg(long)]
    pub(crate) json: bool,
    /// A checkpoint that was kept: the log must still have what was signed then.
    #[arg(long, value_name = "FILE")]
    pub(crate) checkpoint: Option<PathBuf>,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Copy {
    /// The log to copy.
    pub(crate) from: PathBuf,
    /// The new directory.
    pub(crate) to: PathBuf,
    #[command(flatten)]
    pub(crate) segment: Segment,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Calc {
    /// Which rule: `usage` or `royalty`.
    pub(crate) kind: String,
    /// One input, or a file with `cases`.
    pub(crate) file: PathBuf,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Proof {
    /// Check a proof file with the log's key and nothing else, step by step.
    Verify(ProofVerify),
    /// Print what a proof file says, unchecked.
    Show {
        /// The proof file.
        file: PathBuf,
    },
    /// Make the proof of a receipt, or of the entry at a position, from a log directory.
    Make {
        /// The directory of the log.
        dir: PathBuf,
        /// A receipt, such as `req_0192…`, or a position.
        what: What,
        /// Also if the entry names other requests, which whoever gets the file then sees.
        #[arg(long)]
        with_others: bool,
        /// Write it to this file instead of printing it.
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
    /// Make the proof that a log still begins as a checkpoint says that was kept.
    Growth {
        /// The directory of the log.
        dir: PathBuf,
        /// The checkpoint.
        kept: PathBuf,
        /// Write it to this file instead of printing it.
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
    /// Print the key that proofs of a log are checked with. Hand it on apart from any proof.
    Key {
        /// The directory of the log.
        dir: PathBuf,
    },
}

#[derive(Debug, clap::Args)]
pub(crate) struct ProofVerify {
    /// The proof file.
    pub(crate) file: PathBuf,
    /// The log's key, or a file that has it.
    #[arg(long, value_name = "KEY")]
    pub(crate) key: String,
    /// For the proof that a log has grown: the checkpoint that was kept.
    #[arg(long, value_name = "FILE")]
    pub(crate) kept: Option<PathBuf>,
    /// Print the report as JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

/// What is to be proved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum What {
    Receipt(RequestId),
    Position(u64),
}

impl std::str::FromStr for What {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let receipt = text.parse().map(Self::Receipt).ok();
        let position = || text.parse().map(Self::Position).ok();
        receipt.or_else(position).ok_or("neither a receipt, such as `req_0192…`, nor a position")
    }
}

impl std::fmt::Display for What {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Receipt(request) => request.fmt(f),
            Self::Position(position) => write!(f, "position {position}"),
        }
    }
}

#[derive(Debug, clap::Args)]
pub(crate) struct Provider {
    /// Listen here.
    #[arg(long, default_value = "127.0.0.1:0", value_name = "ADDRESS")]
    pub(crate) listen: std::net::SocketAddr,
    /// Its answers are a function of this number.
    #[arg(long, default_value_t = 1, value_name = "N")]
    pub(crate) seed: u64,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Segment {
    /// Length of segment files that are made, in MiB: at least what the largest report of usage takes.
    #[arg(long = "segment-mib", default_value_t = 64, value_name = "MIB", value_parser = clap::value_parser!(u64).range(8..=1024))]
    pub(crate) mib: u64,
}

impl Segment {
    pub(crate) fn bytes(&self) -> u64 {
        self.mib << 20
    }
}

//! The other side of the benchmark: a process of its own that makes batches of lines and writes them to its output, as fast as
//! they are taken.
//!
//! Keys are drawn by a zipf distribution (exponent 0.99) over scrambled handles, so that those who ask often do not lie together,
//! or uniformly. Each line has three to five buckets; tokens are log-normal around some hundreds, starts lie within the last
//! hour.
use crate::bench::market;
use crate::cli::{HttpForm, Load, Skew};
use anyhow::Result;
use std::fmt::Write as _;
use std::io::{BufWriter, Read, Write};
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};
use sycee_core::buckets::{Bucket, Buckets};
use sycee_core::ids::{Handle, KeyId, OfferId, SourceId, Time};
use sycee_core::metering::{Batch, Content, Line, Lines};

/// Batches go round among so many sources.
pub(super) const SOURCES: usize = 6;
const HOUR_MILLISECONDS: u64 = 3_600_000;

pub(super) fn run(load: &Load) -> Result<ExitCode> {
    let mut output = BufWriter::with_capacity(1 << 20, std::io::stdout().lock());
    let mut dice = Dice(load.seed.wrapping_mul(2) + 1);
    let zipf = (load.skew == Skew::Zipf).then(|| Zipf::new(load.accounts));
    let mut first = load.first;
    let end = load.first + load.lines;
    while first < end {
        let count = load.batch.min(end - first);
        let batch = batch(load, &mut dice, zipf.as_ref(), first, count)?;
        let bytes = match load.http {
            None | Some(HttpForm::Binary) => minicbor::to_vec(&batch)?,
            Some(HttpForm::Json) => events(&batch)?,
        };
        for number in [bytes.len() as u64, count, batch.lines.tokens()] {
            output.write_all(&number.to_le_bytes())?;
        }
        output.write_all(&bytes)?;
        first += count;
    }
    output.flush()?;
    Ok(ExitCode::SUCCESS)
}

/// A batch as it is sent.
pub(super) struct Report {
    pub(super) lines: u64,
    pub(super) tokens: u64,
    pub(super) bytes: Vec<u8>,
}

/// The next report of a generator; `None` at its end.
pub(super) fn read(input: &mut impl Read) -> Result<Option<Report>> {
    let mut length = [0; 8];
    match input.read_exact(&mut length) {
        Ok(()) => {}
        Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => return Ok(None),
        Err(error) => return Err(error.into()),
    }
    let (lines, tokens) = (number(input)?, number(input)?);
    let mut bytes = vec![0; usize::try_from(u64::from_le_bytes(length))?];
    input.read_exact(&mut bytes)?;
    Ok(Some(Report { lines, tokens, bytes }))
}

fn number(input: &mut impl Read) -> Result<u64> {
    let mut bytes = [0; 8];
    input.read_exact(&mut bytes)?;
    Ok(u64::from_le_bytes(bytes))
}

/// The lines of a batch as events, without a space that they could do without.
fn events(batch: &Batch) -> Result<Vec<u8>> {
    let mut text = String::with_capacity(batch.lines.len() * 512);
    for (sequence, line) in (batch.first..).zip(batch.lines.iter()) {
        let begin = if text.is_empty() { '[' } else { ',' };
        let key = KeyId(market::FIRST_ACCOUNT + u128::from(line.key.0));
        let offer = OfferId(line.offer.0.into());
        let start = sycee_api::time::format(batch.start_of(&line));
        write!(
            text,
            r#"{begin}{{"specversion":"1.0","type":"dev.sycee.usage.v1","source":"{}","id":"{sequence}","sequence":"{sequence}","data":{{"key":"{key}","offer":"{offer}","start":"{start}","duration_ms":{},"joules":{}.{:06},"usage":{{"#,
            market::source_name(batch.source),
            line.duration_milliseconds,
            line.microjoules / 1_000_000,
            line.microjoules % 1_000_000,
        )?;
        for (at, (bucket, tokens)) in line.usage.iter().filter(|(_, tokens)| *tokens > 0).enumerate() {
            write!(text, r#"{}"{}":{tokens}"#, if at == 0 { "" } else { "," }, bucket.name())?;
        }
        text.push_str("}}}");
    }
    text.push(']');
    Ok(text.into_bytes())
}

/// The source of the batch that begins with this line of all, and its number there.
fn numbered(load: &Load, line: u64) -> (u64, u64) {
    let (batch, sources) = (line / load.batch, SOURCES as u64);
    (batch % sources, batch / sources * load.batch)
}

fn batch(load: &Load, dice: &mut Dice, zipf: Option<&Zipf>, first: u64, count: u64) -> Result<Batch> {
    let now = u64::try_from(SystemTime::now().duration_since(UNIX_EPOCH)?.as_nanos())?;
    let base = Time(now - HOUR_MILLISECONDS * 1_000_000);
    let mut lines = Lines::default();
    for _ in 0..count {
        let key = match zipf {
            Some(zipf) => zipf.scrambled(dice),
            None => dice.below(load.accounts),
        };
        let line = Line {
            key: Handle(u32::try_from(key)?),
            offer: Handle(u32::try_from(dice.below(load.offers))?),
            start_milliseconds: u32::try_from(dice.below(HOUR_MILLISECONDS))?,
            duration_milliseconds: u32::try_from(dice.below(30_000))?,
            microjoules: 1 + dice.below(4_000_000_000),
            usage: usage(dice),
        };
        anyhow::ensure!(lines.push(&line), "a bucket has fewer than 2^32 tokens");
    }
    let (source, first) = numbered(load, first);
    Ok(Batch::new(Content { source: SourceId(source.into()), first, base, lines }))
}

/// Three to five buckets.
fn usage(dice: &mut Dice) -> Buckets {
    let mut usage = Buckets::default()
        .with(Bucket::InputUncached, dice.tokens())
        .with(Bucket::CacheRead, dice.tokens())
        .with(Bucket::OutputVisible, dice.tokens());
    let more = dice.below(3);
    if more > 0 {
        usage.set(Bucket::OutputReasoning, dice.tokens());
    }
    if more > 1 {
        usage.set(Bucket::InputImage, dice.tokens());
    }
    usage
}

/// A xorshift generator: a few instructions a number.
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// Uniform below `sides`, by the high half of a product.
    fn below(&mut self, sides: u64) -> u64 {
        let product = u128::from(self.next()) * u128::from(sides);
        u64::try_from(product >> 64).unwrap_or(0)
    }

    /// Log-normal by a table: the sum of four dice is nearly normal, and what it is the logarithm of is looked up.
    fn tokens(&mut self) -> u64 {
        let bits = self.next();
        let sum = (0..4).map(|die| (bits >> (die * 8)) & 0x1f).sum::<u64>();
        // Half of two to the power of an eighth of it: median 113, mean about 370.
        let (whole, eighth) = (sum / 8, sum % 8);
        1 + (((8 + eighth) << whole) >> 4)
    }
}

/// Ranks with probability proportional to their power −0.99, by the approximation of Gray et al. (SIGMOD 1994).
struct Zipf {
    n: f64,
    alpha: f64,
    zeta: f64,
    eta: f64,
    second: f64,
    count: u64,
}

impl Zipf {
    #[expect(clippy::cast_precision_loss, reason = "there are far fewer accounts than 2^52")]
    fn new(count: u64) -> Self {
        const THETA: f64 = 0.99;
        let n = count as f64;
        let zeta: f64 = (1..=count).map(|rank| (rank as f64).powf(-THETA)).sum();
        let second = 0.5f64.powf(THETA);
        let eta = (1.0 - (2.0 / n).powf(1.0 - THETA)) / (1.0 - (1.0 + second) / zeta);
        Self { n, alpha: 1.0 / (1.0 - THETA), zeta, eta, second, count }
    }

    /// A key: its rank times a number that shares no factor with how many there are, nearly always.
    fn scrambled(&self, dice: &mut Dice) -> u64 {
        let spread = u128::from(self.rank(dice)) * 0x9e37_79b9_7f4a_7c17;
        u64::try_from(spread % u128::from(self.count)).unwrap_or(0)
    }

    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "ranks lie between zero and the number of accounts"
    )]
    fn rank(&self, dice: &mut Dice) -> u64 {
        let u = dice.next() as f64 / u64::MAX as f64;
        let scaled = u * self.zeta;
        if scaled < 1.0 {
            0
        } else if scaled < 1.0 + self.second {
            1
        } else {
            ((self.n * (self.eta * u - self.eta + 1.0).powf(self.alpha)) as u64).min(self.count - 1)
        }
    }
}

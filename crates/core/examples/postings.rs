//! A bare loop of postings through the hot table: is the speed of the books at scale within reach?
//!
//! One posting moves seven balances, as a metered line does: a consumer pays a site, four royalty pots and a fee. Accounts are
//! drawn uniformly, which is the worst case for caches. Nothing else happens: no decision, no event, no undo, no log. Each size is
//! run several times. Processor time is given beside wall time where the system tells it, since other work on the machine shows in
//! the one and hardly in the other. That the sum is conserved is checked, so that no write can be optimised away.
#![expect(
    clippy::disallowed_types,
    clippy::disallowed_macros,
    clippy::print_stdout,
    reason = "a benchmark times and tells"
)]
use std::process::ExitCode;
use std::time::Instant;
use sycee_core::ids::{Amount, Asset, Handle};
use sycee_core::ledger::{Balance, Row};
use sycee_core::table::Dense;

const SIZES: [u32; 3] = [10_000, 1_000_000, 10_000_000];
const USAGE: &str = "usage: postings [--accounts N] [--postings N] [--runs N] [--json]";

struct Options {
    accounts: Vec<u32>,
    postings: u32,
    runs: usize,
    json: bool,
}

fn main() -> ExitCode {
    let Some(options) = options(std::env::args().skip(1)) else {
        println!("{USAGE}");
        return ExitCode::FAILURE;
    };
    let results: Vec<Result> = options.accounts.iter().map(|accounts| measure(*accounts, &options)).collect();
    if options.json {
        let rows: Vec<String> = results.iter().map(Result::json).collect();
        println!(
            "{{\"postings\": {}, \"row_bytes\": {}, \"sizes\": [{}]}}",
            options.postings,
            size_of::<Row>(),
            rows.join(", ")
        );
    } else {
        for result in &results {
            println!("{}", result.line());
        }
    }
    ExitCode::SUCCESS
}

fn options(mut arguments: impl Iterator<Item = String>) -> Option<Options> {
    let mut options = Options { accounts: SIZES.to_vec(), postings: 10_000_000, runs: 5, json: false };
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--json" => options.json = true,
            "--accounts" => options.accounts = vec![arguments.next()?.parse().ok().filter(|it| *it > 0)?],
            "--postings" => options.postings = arguments.next()?.parse().ok().filter(|it| *it > 0)?,
            "--runs" => options.runs = arguments.next()?.parse().ok().filter(|it| *it > 0)?,
            _ => return None,
        }
    }
    Some(options)
}

/// Nanoseconds of a posting, run by run.
struct Result {
    accounts: u32,
    processor: Runs,
    wall: Runs,
}

/// In ascending order.
struct Runs(Vec<f64>);

impl Runs {
    fn of(mut nanoseconds: Vec<f64>) -> Self {
        nanoseconds.sort_by(f64::total_cmp);
        Self(nanoseconds)
    }

    fn median(&self) -> f64 {
        self.0.get(self.0.len() / 2).copied().unwrap_or(0.0)
    }

    fn range(&self) -> (f64, f64) {
        self.0.first().copied().zip(self.0.last().copied()).unwrap_or((0.0, 0.0))
    }

    fn json(&self) -> String {
        let (least, most) = self.range();
        format!(
            "{{\"median\": {:.1}, \"min\": {least:.1}, \"max\": {most:.1}, \"runs\": {}}}",
            self.median(),
            self.0.len()
        )
    }
}

impl Result {
    fn json(&self) -> String {
        format!(
            "{{\"accounts\": {}, \"cpu_ns_per_posting\": {}, \"wall_ns_per_posting\": {}}}",
            self.accounts,
            self.processor.json(),
            self.wall.json()
        )
    }

    fn line(&self) -> String {
        let Self { accounts, processor, wall } = self;
        let ((p0, p1), (w0, w1)) = (processor.range(), wall.range());
        format!(
            "{accounts:>10} accounts: {:6.1} ns of processor time a posting of seven balances ({p0:.1} to {p1:.1}), {:6.1} ns of wall time ({w0:.1} to {w1:.1})",
            processor.median(),
            wall.median()
        )
    }
}

fn measure(accounts: u32, options: &Options) -> Result {
    let mut table = Dense::default();
    for _ in 0..accounts {
        table.push(Row::new(Balance { amount: 1_000_000_000_000, held: 0, limit: Some(0), asset: Asset(0) }));
    }
    let before = sum(&table);
    let mut dice = Dice(0x9e37_79b9_7f4a_7c15);
    run(&mut table, &mut dice, accounts, options.postings / 10);
    let (processor, wall) =
        (0..options.runs).map(|_| run(&mut table, &mut dice, accounts, options.postings)).unzip();
    assert_eq!(sum(&table), before, "value was made or lost");
    Result { accounts, processor: Runs::of(processor), wall: Runs::of(wall) }
}

fn sum(table: &Dense<Row>) -> Amount {
    table.iter().map(|row| row.amount).sum()
}

/// Parts of a payment of a hundred: the site, four pots, the fee.
const PARTS: [Amount; 6] = [70, 8, 6, 4, 2, 10];

fn run(table: &mut Dense<Row>, dice: &mut Dice, accounts: u32, postings: u32) -> (f64, f64) {
    let (began, processor) = (Instant::now(), processor_nanoseconds());
    for _ in 0..postings {
        let consumer = dice.roll(accounts);
        let takers = PARTS.map(|part| (dice.roll(accounts), part));
        table.update(consumer, |row| row.amount -= 100);
        for (taker, part) in takers {
            table.update(taker, |row| row.amount += part);
        }
    }
    let wall = began.elapsed().as_secs_f64() * 1e9;
    let processor = processor_nanoseconds().zip(processor).map_or(wall, |(now, before)| now - before);
    (processor / f64::from(postings), wall / f64::from(postings))
}

/// What this thread has spent on a processor, as Linux tells it; none elsewhere, where wall time has to do.
fn processor_nanoseconds() -> Option<f64> {
    let told = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    told.split_whitespace().next()?.parse().ok()
}

/// A xorshift generator: a few instructions a number.
struct Dice(u64);

impl Dice {
    /// Uniform below `sides`: the high half of a product, which needs no division.
    fn roll(&mut self, sides: u32) -> Handle {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        let high = ((self.0 >> 32) * u64::from(sides)) >> 32;
        Handle(u32::try_from(high).unwrap_or(0))
    }
}

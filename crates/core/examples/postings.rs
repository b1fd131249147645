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

/// Nanoseconds of a posting, run by run: through the table, and through one flat array, which is as fast as this machine can be.
struct Result {
    accounts: u32,
    table: Times,
    flat: Times,
}

struct Times {
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

impl Times {
    fn json(&self) -> String {
        format!("{{\"cpu_ns\": {}, \"wall_ns\": {}}}", self.processor.json(), self.wall.json())
    }

    fn line(&self) -> String {
        let ((p0, p1), (w0, w1)) = (self.processor.range(), self.wall.range());
        let (processor, wall) = (self.processor.median(), self.wall.median());
        format!(
            "{processor:6.1} ns of processor ({p0:.1} to {p1:.1}), {wall:6.1} of wall time ({w0:.1} to {w1:.1})"
        )
    }
}

impl Result {
    fn json(&self) -> String {
        let Self { accounts, table, flat } = self;
        format!("{{\"accounts\": {accounts}, \"table\": {}, \"flat\": {}}}", table.json(), flat.json())
    }

    fn line(&self) -> String {
        let Self { accounts, table, flat } = self;
        format!(
            "{accounts:>10} accounts, table: {}\n{:>10}            flat: {}",
            table.line(),
            "",
            flat.line()
        )
    }
}

fn measure(accounts: u32, options: &Options) -> Result {
    let row = Row::new(Balance { amount: 1_000_000_000_000, held: 0, limit: Some(0), asset: Asset(0) });
    let mut table = Dense::default();
    for _ in 0..accounts {
        table.push(row);
    }
    let before = row.amount * Amount::from(accounts);
    let through_table =
        times(accounts, options, |handle, amount| table.update(handle, |row| row.amount += amount));
    assert_eq!(sum(table.iter()), before, "value was made or lost");
    drop(table);

    let mut rows: Vec<Row> = vec![row; usize::try_from(accounts).unwrap_or(0)];
    let through_flat = times(accounts, options, |handle, amount| {
        if let Some(row) = usize::try_from(handle.0).ok().and_then(|index| rows.get_mut(index)) {
            row.amount += amount;
        }
    });
    assert_eq!(sum(rows.iter()), before, "value was made or lost");
    Result { accounts, table: through_table, flat: through_flat }
}

fn sum<'a>(rows: impl Iterator<Item = &'a Row>) -> Amount {
    rows.map(|row| row.amount).sum()
}

fn times(accounts: u32, options: &Options, mut add: impl FnMut(Handle, Amount)) -> Times {
    let mut dice = Dice(0x9e37_79b9_7f4a_7c15);
    run(&mut dice, accounts, options.postings / 10, &mut add);
    let runs = (0..options.runs).map(|_| run(&mut dice, accounts, options.postings, &mut add));
    let (processor, wall) = runs.unzip();
    Times { processor: Runs::of(processor), wall: Runs::of(wall) }
}

/// Parts of a payment of a hundred: the site, four pots, the fee.
const PARTS: [Amount; 6] = [70, 8, 6, 4, 2, 10];

fn run(dice: &mut Dice, accounts: u32, postings: u32, add: &mut impl FnMut(Handle, Amount)) -> (f64, f64) {
    let (began, processor) = (Instant::now(), processor_nanoseconds());
    for _ in 0..postings {
        let consumer = dice.roll(accounts);
        let takers = PARTS.map(|part| (dice.roll(accounts), part));
        add(consumer, -100);
        for (taker, part) in takers {
            add(taker, part);
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

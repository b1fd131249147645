//! The views against a naive recount of the log, whichever way they came about.
use super::market::{AUTHOR, CONSUMER, DATA, WORKS};
use super::rig::{Rig, content_of, directory, entries, filled, options};
use super::workload::Dice;
use crate::archive::Cause;
use crate::views::Views;
use std::collections::{BTreeMap, BTreeSet};
use sycee_core::entry::{Entry, Event};
use sycee_core::ids::{AccountId, Amount, Asset, RequestId, Time};
use sycee_core::ledger::{self, Account, Purpose};
use sycee_core::limits::{HOUR, SECOND};
use sycee_core::settlement;
use sycee_log::{Disk as _, SimDisk};

const SEEDS: std::ops::Range<u64> = 0..24;
const STEPS: usize = 90;

const ACCOUNTS: [Account; 6] = [
    Account::Member(CONSUMER),
    Account::Member(WORKS),
    Account::Member(AUTHOR),
    Account::Member(DATA),
    Account::Fees(Asset(0)),
    Account::Outside(Asset(0)),
];

fn log(seed: u64) -> (SimDisk, Rig, Vec<Entry>) {
    let disk = SimDisk::new(seed);
    let (clock, _, _) = filled(&disk, seed, STEPS);
    let entries = entries(&disk, &directory()).unwrap();
    let rig = Rig::open(options(&disk, &clock)).unwrap();
    (disk, rig, entries)
}

/// What every event did to an account, in order.
fn naive_movements(entries: &[Entry], account: Account) -> Vec<(u64, Amount)> {
    let mut movements = Vec::new();
    for entry in entries {
        for event in &entry.events {
            let Event::Ledger(ledger::Event::Posted { from, legs, .. }) = event else { continue };
            for leg in legs {
                if *from == account {
                    movements.push((entry.position, -leg.amount));
                }
                if leg.to == account {
                    movements.push((entry.position, leg.amount));
                }
            }
        }
    }
    movements
}

#[test]
fn statements_are_what_the_log_says() {
    let (mut own, mut metering) = (0, 0);
    for seed in SEEDS {
        let (_disk, rig, entries) = log(seed);
        let views = rig.stages.shared.views();
        let mut metered = 0;
        for account in ACCOUNTS {
            let count = views.line_count(account);
            let lines = views.lines(account, 0..count);
            let statement = rig.stages.archive.movements(account, &lines).unwrap();
            let posted = statement.iter().filter(|line| line.cause != Cause::Metering);
            let shown: Vec<_> = posted.map(|line| (line.position, line.amount)).collect();
            assert_eq!(shown, naive_movements(&entries, account), "seed {seed}, {account:?}");
            let mut balance = 0;
            for line in &statement {
                balance += line.amount;
                assert_eq!(line.balance, balance);
                let entry = &entries[usize::try_from(line.position).unwrap()];
                assert_eq!(line.at, entry.at);
                if line.cause == Cause::Metering {
                    metering += 1;
                    metered += line.amount;
                    continue;
                }
                assert_eq!(&line.reason, &entry.reason);
                assert_eq!(
                    line.role.is_some(),
                    matches!(line.cause, Cause::Posting(Purpose::Receipt { .. }))
                );
                own += u32::from(line.counterparty == Some(account));
            }
            let now = views.state.ledger.balance(account).map_or(0, |balance| balance.amount);
            let since = views.metered_since(account, count).map_or(0, |line| line.amount);
            assert_eq!(since, now - balance, "seed {seed}, {account:?}");
            assert_eq!(views.metered_since(account, count + 1), None);
            metered += since;
            // Any page of it is that part of it.
            for (from, to) in [(0, 1), (count / 3, count / 2), (count, count + 5), (5, 2)] {
                let page = rig.stages.archive.movements(account, &views.lines(account, from..to)).unwrap();
                let positions: BTreeSet<u64> = lines
                    .iter()
                    .skip(from)
                    .take(to.saturating_sub(from))
                    .map(|(line, _)| line.position)
                    .collect();
                let part: Vec<_> =
                    statement.iter().filter(|line| positions.contains(&line.position)).cloned().collect();
                assert_eq!(page, part);
            }
        }
        assert_eq!(metered, 0, "what lines of metering took from some they gave to others");
    }
    assert!(own > 50, "a member bought at its own site: {own} movements");
    assert!(metering > 50, "{metering} movements were lines of metering");
}

#[test]
fn several_movements_of_one_entry_are_one_line_of_several() {
    let (_disk, rig, _) = log(3);
    let views = rig.stages.shared.views();
    let account = Account::Member(CONSUMER);
    let lines = views.lines(account, 0..views.line_count(account));
    let mut positions: Vec<u64> = lines.iter().map(|(line, _)| line.position).collect();
    positions.dedup();
    assert_eq!(positions.len(), lines.len(), "one line an entry");
    let movements = rig.stages.archive.movements(account, &lines).unwrap();
    assert!(movements.len() > 2 * lines.len(), "{} movements, {} lines", movements.len(), lines.len());
}

/// Closed requests in order: where, which, of whom.
fn naive_closed(entries: &[Entry]) -> Vec<(u64, RequestId, AccountId)> {
    let mut closed = Vec::new();
    for entry in entries {
        for event in &entry.events {
            match event {
                Event::Settlement(settlement::Event::Settled { request, receipt }) => {
                    closed.push((entry.position, *request, receipt.account));
                }
                Event::Settlement(settlement::Event::Released { request, account, .. }) => {
                    closed.push((entry.position, *request, *account));
                }
                _ => {}
            }
        }
    }
    closed
}

#[test]
fn receipts_are_found_and_paged_newest_first() {
    for seed in SEEDS {
        let (_disk, rig, entries) = log(seed);
        let views = rig.stages.shared.views();
        let closed = naive_closed(&entries);
        assert!(closed.len() > 5, "seed {seed}: {}", closed.len());
        for (position, request, _) in &closed {
            assert_eq!(views.position_of(*request), Some(*position));
            let receipt = rig.stages.archive.receipt(*position, *request).unwrap();
            if let crate::Closed::Settled { receipt, legs } = &receipt.closed {
                assert_eq!(legs.iter().map(|leg| leg.amount).sum::<Amount>(), receipt.total);
                assert_eq!(legs.len(), receipt.roles.len());
            }
        }
        for payer in [None, Some(CONSUMER), Some(WORKS)] {
            let expected: Vec<RequestId> = closed
                .iter()
                .rev()
                .filter(|(_, _, account)| payer.is_none_or(|payer| payer == *account))
                .map(|(_, request, _)| *request)
                .collect();
            for limit in [1, 3, 200] {
                let mut seen = Vec::new();
                let mut before = None;
                loop {
                    let page = views.receipts(payer, before, limit);
                    assert!(page.len() <= limit);
                    let Some((cursor, _)) = page.last() else { break };
                    before = Some(*cursor);
                    seen.extend(page.iter().map(|(_, request)| *request));
                }
                assert_eq!(seen, expected, "seed {seed}, {payer:?}, {limit} a page");
            }
        }
        assert_eq!(views.position_of(RequestId(1)), None);
    }
}

#[test]
fn rollups_are_the_sums_of_the_receipts() {
    for seed in SEEDS {
        let (_disk, rig, entries) = log(seed);
        let views = rig.stages.shared.views();
        let mut naive: BTreeMap<_, (u64, [u64; 10], Amount, u64)> = BTreeMap::new();
        for event in entries.iter().flat_map(|entry| &entry.events) {
            let Event::Settlement(settlement::Event::Settled { receipt, .. }) = event else { continue };
            let hour = receipt.delivery.started.0 / HOUR;
            let sum = naive.entry((hour, receipt.site, receipt.model)).or_default();
            sum.0 += 1;
            for (bucket, tokens) in sum.1.iter_mut().zip(receipt.delivery.usage.0) {
                *bucket += tokens;
            }
            sum.2 += receipt.total;
            sum.3 += receipt.energy.microjoules;
        }
        let shown: BTreeMap<_, _> = views
            .rollups()
            .iter()
            .map(|(key, sum)| {
                ((key.hour, key.site, key.model), (sum.requests, sum.tokens.0, sum.money, sum.microjoules))
            })
            .collect();
        assert!(!shown.is_empty());
        assert_eq!(shown, naive, "seed {seed}");
        let all = naive.values().fold((0, 0), |all, sum| (all.0 + sum.0, all.1 + sum.3));
        assert_eq!((views.sold().requests, views.sold().microjoules), all, "seed {seed}");
    }
}

fn folded(entries: &[Entry], mut views: Views) -> Views {
    for entry in entries {
        views.fold(entry);
    }
    views
}

/// Views that a snapshot of others was loaded into.
fn loaded(mut views: Views) -> Views {
    let mut loaded = Views::default();
    let rest = views.freeze();
    for (from, to) in views.tables().zip(loaded.tables()) {
        let mut rows = Vec::new();
        while from.slice(500, &mut rows) {}
        to.load(&rows).unwrap();
        to.loaded();
    }
    loaded.resume(rest);
    loaded
}

#[test]
fn a_snapshot_and_the_rest_are_the_whole() {
    let mut dice = Dice::new(1);
    for seed in SEEDS {
        let (disk, rig, entries) = log(seed);
        let whole = content_of(&folded(&entries, Views::default()));
        let cut = usize::try_from(dice.roll(entries.len() as u64)).unwrap();
        let half = loaded(folded(&entries[..cut], Views::default()));
        assert_eq!(half.state.position, cut as u64);
        assert!(content_of(&folded(&entries[cut..], half)) == whole, "seed {seed}, cut at {cut}");
        // And on disk: without its snapshots the same node starts from the first entry.
        let before = content_of(&rig.stages.shared.views());
        let clock = rig.clock.clone();
        drop(rig);
        for name in disk.list(&directory()).unwrap() {
            if name.starts_with("snapshot-") {
                disk.remove(&directory().join(name)).unwrap();
            }
        }
        let rig = Rig::open(options(&disk, &clock)).unwrap();
        assert!(content_of(&rig.stages.shared.views()) == before, "seed {seed}");
    }
}

#[test]
fn activity_is_the_last_minute_and_no_more() {
    let (_disk, rig, mut entries) = log(2);
    // So that the last of them is a sale.
    let is_sale = |event: &Event| matches!(event, Event::Settlement(settlement::Event::Settled { .. }));
    let last_sale = entries.iter().rposition(|entry| entry.events.iter().any(is_sale)).unwrap();
    entries.truncate(last_sale + 1);
    let sales: Vec<(Time, u64, Amount)> = entries
        .iter()
        .flat_map(|entry| entry.events.iter().map(|event| (entry.at, event)))
        .filter_map(|(at, event)| match event {
            Event::Settlement(settlement::Event::Settled { receipt, .. }) => {
                Some((at, receipt.delivery.usage.0.iter().sum(), receipt.total))
            }
            _ => None,
        })
        .collect();
    // Folded anew, as activity is not in snapshots, and stretched so that it covers some minutes.
    let mut views = Views::default();
    let first = entries[0].at.0;
    let stretched = |at: Time| Time(first + (at.0 - first) * 300);
    let mut last = Time(0);
    for entry in &entries {
        last = stretched(entry.at);
        views.fold(&Entry { at: last, ..entry.clone() });
    }
    drop(rig);
    for ahead in [1, 7, 30, 59, 61, 120] {
        let now = last.after(ahead * SECOND);
        let (from, to) = (now.0 / SECOND - 60, now.0 / SECOND);
        let recent = sales.iter().filter(|(at, _, _)| (from..to).contains(&(stretched(*at).0 / SECOND)));
        let (tokens, money) = recent.fold((0, 0), |(tokens, money), sale| (tokens + sale.1, money + sale.2));
        let flows = views.activity().flows(now);
        assert_eq!(flows.values().map(|rate| rate.tokens).sum::<u64>(), tokens, "{ahead} s later");
        assert_eq!(flows.values().map(|rate| rate.money).sum::<Amount>(), money);
        let load: u64 = super::market::SITES.iter().flat_map(|site| views.activity().load(*site, now)).sum();
        assert_eq!(load, tokens);
        assert_eq!(tokens > 0, ahead < 61, "{ahead}: {tokens}");
    }
}

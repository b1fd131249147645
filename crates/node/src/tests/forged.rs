//! Logs whose frames and hashes are in order and whose content is not: an intruder wrote them, or a bug did.
use super::market::{AUTHOR, CONSUMING};
use super::rig::{Rig, directory, entries, filled, kept, options, shared};
use crate::clock::Clock;
use crate::error::ErrorKind;
use crate::lines::Names;
use crate::seal::{Sealer, kind};
use crate::snapshot::{Job, Snapshots};
use crate::verify::verify_by;
use crate::views::Views;
use crate::{Report, checkpoint, key, snapshot, verify};
use proptest::prelude::*;
use proptest::sample::Index;
use std::sync::Arc;
use sycee_core::entry::{Command, Entry, Event};
use sycee_core::ids::{Amount, Time};
use sycee_core::permission::Actor;
use sycee_core::{RULES, genesis, idempotency, ledger, limits};
use sycee_log::{Draft, Log, Options, Record, SimDisk, whole};

const SEGMENT_BYTES: u64 = 1 << 20;

/// An honest log, and what it signed.
struct Honest {
    disk: SimDisk,
    clock: Clock,
    entries: Vec<Entry>,
    signed: String,
    root: String,
}

fn honest() -> Honest {
    let disk = SimDisk::new(5);
    let (clock, _, _) = filled(&disk, 5, 40);
    let entries = entries(&disk, &directory()).unwrap();
    let signed = whole::read(&disk, &directory().join(checkpoint::FILE)).unwrap();
    let report = verify(&shared(&disk), &directory(), None).unwrap();
    assert!(report.sound, "{report:?}");
    assert_eq!((report.entries, report.folded_only), (entries.len() as u64, 0));
    Honest { disk, clock, entries, signed: String::from_utf8(signed).unwrap(), root: report.root }
}

/// A log of these records, with every hash as it should be.
fn written(honest: &Honest, records: &[(Entry, Vec<u8>)], rules: u16) -> SimDisk {
    written_by(honest, records, |_| rules)
}

/// The same, by rules that differ from position to position.
fn written_by(honest: &Honest, records: &[(Entry, Vec<u8>)], rules: impl Fn(u64) -> u16) -> SimDisk {
    let disk = SimDisk::new(6);
    let options = Options { segment_bytes: SEGMENT_BYTES, ..Options::default() };
    let mut log = Log::create(shared(&disk), &directory(), options).unwrap();
    let mut names = Names::default();
    for (entry, bytes) in records {
        let mut draft = Draft::new(rules(entry.position), entry.at.0);
        let (at, kind) = (entry.at.0, kind(&entry.command));
        names.fold(entry);
        let root = names.root_of(&[8; 32], entry);
        draft.push(&Record { salt_key: [8; 32], at, kind, root, entry: bytes });
        log.append(log.next_number(), &draft).unwrap();
        log.sync().unwrap();
    }
    let own = key::read(&honest.disk, &directory()).unwrap();
    key::write(&disk, &directory(), &own).unwrap();
    disk
}

fn bytes_of(entry: &Entry) -> Vec<u8> {
    minicbor::to_vec(entry).unwrap()
}

fn forged(honest: &Honest, entries: &[Entry], rules: u16) -> SimDisk {
    let records: Vec<_> = entries.iter().map(|entry| (entry.clone(), bytes_of(entry))).collect();
    written(honest, &records, rules)
}

fn renumber(entries: &mut [Entry]) {
    for (position, entry) in (0..).zip(entries) {
        entry.position = position;
    }
}

/// Alters the entries of an honest log; `expected` is what verify has to say. Whatever it was, a kept checkpoint tells.
fn check(alter: impl FnOnce(&mut Vec<Entry>), expected: &str) -> Report {
    check_with(RULES, RULES, alter, expected)
}

fn check_with(rules: u16, known: u16, alter: impl FnOnce(&mut Vec<Entry>), expected: &str) -> Report {
    let honest = honest();
    let mut entries = honest.entries.clone();
    alter(&mut entries);
    assert_ne!(entries, honest.entries);
    let disk = forged(&honest, &entries, rules);
    let report = verify_by(known, &shared(&disk), &directory(), None).unwrap();
    let cause = report.cause.clone().unwrap_or_else(|| "sound".to_owned());
    assert!(cause.contains(expected), "{cause}");
    assert_eq!(report.position, report.entries.checked_sub(1));
    if let Some(position) = cause.strip_prefix("position ") {
        assert!(position.starts_with(&format!("{}:", report.entries)), "{cause}: {} sound", report.entries);
    }
    // The state is that of the sound entries, however far the unsound one got.
    let mut state = sycee_core::State::default();
    let sound = usize::try_from(report.entries).unwrap();
    entries[..sound].iter().for_each(|entry| state.fold(entry));
    assert_eq!(report.state_hash, state.hash().to_string());
    let kept = verify_by(known, &shared(&disk), &directory(), Some(kept(&honest.signed))).unwrap();
    assert!(!kept.sound, "{expected}: the kept checkpoint says nothing");
    report
}

fn position(entries: &[Entry], wanted: impl Fn(&Entry) -> bool) -> usize {
    entries.iter().position(wanted).expect("the workload has one")
}

fn is_deposit(entry: &Entry) -> bool {
    matches!(entry.command, Command::Ledger(ledger::Command::Deposit { .. })) && entry.refusal.is_none()
}

/// Every amount that the events of an entry move.
fn amounts(entry: &mut Entry) -> impl Iterator<Item = &mut Amount> {
    entry.events.iter_mut().flat_map(|event| match event {
        Event::Ledger(ledger::Event::Posted { legs, .. }) => {
            legs.iter_mut().map(|leg| &mut leg.amount).collect::<Vec<_>>()
        }
        _ => Vec::new(),
    })
}

const OTHER_EVENTS: &str = "its events are not those that deciding its command again gives";

#[test]
fn changed_amounts_are_found() {
    check(
        |entries| {
            let index = position(entries, is_deposit);
            amounts(&mut entries[index]).for_each(|amount| *amount += 1);
        },
        OTHER_EVENTS,
    );
    check(
        |entries| {
            let index = position(entries, is_deposit);
            let Command::Ledger(ledger::Command::Deposit { amount, .. }) = &mut entries[index].command else {
                unreachable!("it is one")
            };
            *amount += 1;
        },
        OTHER_EVENTS,
    );
    check(
        |entries| {
            let index = position(entries, |entry| entry.events.len() > 4);
            amounts(&mut entries[index]).take(1).for_each(|amount| *amount -= 1);
        },
        OTHER_EVENTS,
    );
}

#[test]
fn events_that_were_added_taken_away_or_moved_are_found() {
    check(
        |entries| {
            let index = position(entries, |entry| entry.events.len() > 2);
            entries[index].events.pop();
        },
        OTHER_EVENTS,
    );
    check(
        |entries| {
            let index = position(entries, |entry| entry.events.len() > 2);
            entries[index].events.swap(0, 1);
        },
        OTHER_EVENTS,
    );
    check(
        |entries| {
            let index = position(entries, is_deposit);
            let again = entries[index].events[0].clone();
            entries[index].events.push(again);
        },
        OTHER_EVENTS,
    );
}

#[test]
fn a_refusal_that_was_made_an_act_is_found() {
    check(
        |entries| {
            let index = position(entries, |entry| entry.refusal.is_some());
            entries[index].refusal = None;
        },
        "it says applied; deciding its command again gives refused (",
    );
    check(
        |entries| {
            let index = position(entries, |entry| is_deposit(entry) && entry.id.is_some());
            let refusal = ledger::Refusal::BalanceTooLow.into();
            entries[index].refusal = Some(refusal);
            entries[index].events.retain(|event| matches!(event, Event::Idempotency(_)));
            let Some(Event::Idempotency(idempotency::Event::Remembered { seen, .. })) =
                entries[index].events.first_mut()
            else {
                unreachable!("it has an id")
            };
            seen.refusal = Some(Box::new(refusal));
        },
        "it says refused (ledger.balance_too_low); deciding its command again gives applied",
    );
    check(
        |entries| {
            let index = position(entries, |entry| is_deposit(entry) && entry.id.is_some());
            entries[index].actor = Actor::Member(CONSUMING);
        },
        "deciding its command again writes no entry",
    );
    check(
        |entries| {
            let index = position(entries, is_deposit);
            entries[index].actor = Actor::Gateway;
        },
        "deciding its command again writes no entry",
    );
}

#[test]
fn another_order_is_found() {
    let gap = "its position, time or kind is not the record's";
    check(|entries| drop(entries.remove(9)), gap);
    check(|entries| entries.swap(9, 10), gap);
    check(
        |entries| {
            entries.remove(5);
            renumber(entries);
        },
        "position ",
    );
    check(
        |entries| {
            let again = entries[3].clone();
            entries.insert(4, again);
            renumber(entries);
        },
        "position 4: its time does not lie after the one before",
    );
    check(|entries| entries[7].at = entries[6].at, "position 7: its time does not lie after the one before");
    check(|entries| entries[0].at = Time(0), "position 0: its time does not lie after the one before");
    check(
        |entries| entries.truncate(entries.len() - 4),
        // Nothing but a checkpoint knows what came after.
        "sound",
    );
}

#[test]
fn a_history_as_good_as_the_true_one_is_found_by_a_kept_checkpoint_only() {
    let report = check(
        |entries| {
            let index = position(entries, |entry| is_deposit(entry) && entry.id.is_none());
            entries[index].reason = Some("for no reason".to_owned());
        },
        "sound",
    );
    assert!(report.sound);
    let report = check(
        |entries| {
            let Command::Genesis(genesis::Command::Found { charter, .. }) = &mut entries[0].command else {
                unreachable!("every log begins with it")
            };
            charter.public_key[0] ^= 1;
            let public_key = charter.public_key;
            let Event::Genesis(genesis::Event::Founded { charter }) = &mut entries[0].events[0] else {
                unreachable!("every log begins with it")
            };
            charter.public_key = public_key;
        },
        "sound",
    );
    assert!(report.sound, "it is the checkpoint's signature that no longer fits");
}

#[test]
fn entries_of_older_rules_are_folded_and_counted() {
    let honest = honest();
    let disk = forged(&honest, &honest.entries, RULES);
    let report = verify_by(RULES + 1, &shared(&disk), &directory(), None).unwrap();
    assert!(report.sound, "{report:?}");
    assert_eq!(report.folded_only, honest.entries.len() as u64);
    let none = forged(&honest, &honest.entries, 0);
    let report = verify(&shared(&none), &directory(), None).unwrap();
    assert_eq!(report.cause.as_deref(), Some("position 0: no rules have the number 0"));
    // Nobody decides them again, so only what cannot be at all is found.
    check_with(
        RULES,
        RULES + 1,
        |entries| {
            let index = position(entries, is_deposit);
            amounts(&mut entries[index]).for_each(|amount| *amount = Amount::MAX);
            let index = index + 1;
            let first = entries.iter().position(is_deposit).unwrap();
            let more = entries[first].events.clone();
            entries[index].events.extend(more);
        },
        "it breaks an invariant: L1: within AMOUNT_MAX",
    );
    check_with(
        RULES,
        RULES + 1,
        |entries| {
            let last = entries.len() - 1;
            let limit = ledger::Event::LimitSet { account: AUTHOR, limit: -limits::AMOUNT_MAX };
            entries[last].events.push(limit.into());
        },
        "invariant L2",
    );
}

#[test]
fn entries_of_newer_rules_are_refused_by_verify_and_at_a_start() {
    let honest = honest();
    let last = honest.entries.len() as u64 - 1;
    let records: Vec<_> = honest.entries.iter().map(|entry| (entry.clone(), bytes_of(entry))).collect();
    for newer in [0, 7, last] {
        let rules = |position| if position == newer { RULES + 1 } else { RULES };
        let mut records = records.clone();
        // What they write may be unknown here as well; that it is newer is said first.
        records[usize::try_from(newer).unwrap()].1.push(0xf6);
        let disk = written_by(&honest, &records, rules);
        let newer_than =
            format!("rules {} decided it, which are newer than the {RULES} of this build", RULES + 1);
        let report = verify(&shared(&disk), &directory(), None).unwrap();
        assert_eq!(report.cause, Some(format!("position {newer}: {newer_than}; use a newer build")));
        assert_eq!((report.sound, report.entries, report.folded_only), (false, newer, 0));
        let error = Rig::open(options(&disk, &honest.clock)).map(|_| ()).unwrap_err();
        assert_eq!(error.kind, ErrorKind::Newer, "{error}");
        assert_eq!(error.to_string(), format!("failed to read position {newer} ({newer_than})"));
        assert!(error.hint().unwrap().contains("newer build"));
    }
}

#[test]
fn a_snapshot_does_not_hide_newer_rules() {
    let honest = honest();
    let last = honest.entries.len() as u64 - 1;
    let records: Vec<_> = honest.entries.iter().map(|entry| (entry.clone(), bytes_of(entry))).collect();
    for rules in [RULES, RULES + 1] {
        let disk = written_by(&honest, &records, |position| if position == last { rules } else { RULES });
        let rig = Rig::open(options(&honest.disk, &honest.clock)).unwrap();
        let shared_by = Arc::clone(&rig.stages.shared);
        let (rest, tree) = (shared_by.change(Views::freeze).unwrap(), rig.stages.commit.tree.clone());
        drop(rig);
        let (log, _) = Log::open(shared(&disk), &directory(), Options::default()).unwrap();
        let source = log.source();
        let snapshots = Snapshots { disk: shared(&disk), directory: directory(), shared: shared_by };
        snapshots.store(&Job { rest, head: source.durable(), tree }).unwrap().unwrap();
        let (loaded, from) = snapshot::load(&disk, &directory(), &source).unwrap();
        assert_eq!((loaded.views.state.position, from), (last + 1, last + 1), "nothing is left to fold");
        drop(log);
        let started = Rig::open(options(&disk, &honest.clock)).map(|_| ());
        assert_eq!(
            started.map_err(|error| error.kind),
            if rules == RULES { Ok(()) } else { Err(ErrorKind::Newer) }
        );
    }
}

#[test]
fn a_node_does_not_start_on_what_breaks_an_invariant() {
    let honest = honest();
    let mut entries = honest.entries.clone();
    let index = position(&entries, |entry| {
        entry.events.iter().any(|event| matches!(event, Event::Ledger(ledger::Event::Released { .. })))
    });
    entries[index].events.reverse();
    let again = entries[index].events.clone();
    entries[index].events.extend(again);
    let disk = forged(&honest, &entries, RULES);
    let error = Rig::open(options(&disk, &honest.clock)).map(|_| ()).unwrap_err();
    assert_eq!(error.kind, ErrorKind::Unsound);
    assert!(error.to_string().contains(&format!("read position {index} (it breaks an invariant")), "{error}");
    assert!(error.hint().unwrap().contains("sycee verify"));
}

#[test]
fn the_salts_are_part_of_what_was_signed() {
    let honest = honest();
    let disk = forged(&honest, &honest.entries, RULES);
    let report = verify(&shared(&disk), &directory(), Some(kept(&honest.signed))).unwrap();
    assert!(report.cause.unwrap().starts_with("another history: "));
    // And each entry has its own.
    let mut sealer = Sealer::new([1; 32], 1 << 20, Names::default());
    let twice = vec![honest.entries[3].clone(), honest.entries[3].clone()];
    let sealed = sealer.seal(twice).remove(0);
    assert_ne!(sealed.leaves[0], sealed.leaves[1]);
}

/// A change of the bytes of an entry.
#[derive(Clone, Debug)]
enum Change {
    Flip(Index, u8),
    Cut(Index),
    Insert(Index, Vec<u8>),
    Overwrite(Index, Vec<u8>),
    Splice(Index, Index),
}

fn change() -> impl Strategy<Value = Change> {
    let bytes = prop::collection::vec(any::<u8>(), 1..40);
    prop_oneof![
        4 => (any::<Index>(), 1_u8..).prop_map(|(at, bits)| Change::Flip(at, bits)),
        1 => any::<Index>().prop_map(Change::Cut),
        1 => (any::<Index>(), bytes.clone()).prop_map(|(at, bytes)| Change::Insert(at, bytes)),
        2 => (any::<Index>(), bytes).prop_map(|(at, bytes)| Change::Overwrite(at, bytes)),
        1 => (any::<Index>(), any::<Index>()).prop_map(|(at, from)| Change::Splice(at, from)),
    ]
}

fn apply(change: &Change, bytes: &mut Vec<u8>) {
    match change {
        Change::Flip(at, bits) => {
            let at = at.index(bytes.len());
            bytes[at] ^= bits;
        }
        Change::Cut(at) => bytes.truncate(at.index(bytes.len())),
        Change::Insert(at, more) => {
            let at = at.index(bytes.len());
            bytes.splice(at..at, more.iter().copied());
        }
        Change::Overwrite(at, more) => {
            let at = at.index(bytes.len());
            let end = bytes.len().min(at + more.len());
            bytes.splice(at..end, more.iter().copied());
        }
        Change::Splice(at, from) => {
            let (at, from) = (at.index(bytes.len()), from.index(bytes.len()));
            let tail = bytes[from..].to_vec();
            bytes.splice(at.., tail);
        }
    }
}

#[test]
fn no_bytes_make_it_panic() {
    let honest = honest();
    let input = (any::<Index>(), prop::collection::vec(change(), 1..4), any::<bool>());
    super::seeded(1, 384)
        .run(&input, |(index, changes, is_older)| {
            check_changed(&honest, index, &changes, if is_older { RULES + 1 } else { RULES })
        })
        .unwrap();
}

fn check_changed(honest: &Honest, index: Index, changes: &[Change], known: u16) -> Result<(), TestCaseError> {
    let mut records: Vec<_> = honest.entries.iter().map(|entry| (entry.clone(), bytes_of(entry))).collect();
    let index = index.index(records.len());
    for change in changes {
        if !records[index].1.is_empty() {
            apply(change, &mut records[index].1);
        }
    }
    // If it is still an entry its record says so, or it would never be looked at.
    if let Ok(entry) = Entry::decode_exact(&records[index].1) {
        records[index].0 = entry;
    }
    let same = records[index].1 == bytes_of(&honest.entries[index]);
    let disk = written(honest, &records, RULES);
    let report = verify_by(known, &shared(&disk), &directory(), Some(kept(&honest.signed))).unwrap();
    prop_assert!(!report.sound, "the salts differ, so the checkpoint does not fit: {report:?}");
    prop_assert_ne!(&report.root, &honest.root);
    let alone = verify_by(known, &shared(&disk), &directory(), None).unwrap();
    prop_assert!(!same || alone.sound, "{alone:?}");
    // A node either starts or says why not.
    if let Err(error) = Rig::open(options(&disk, &honest.clock)) {
        prop_assert!(matches!(error.kind, ErrorKind::Unsound | ErrorKind::Key), "{error}");
    }
    Ok(())
}

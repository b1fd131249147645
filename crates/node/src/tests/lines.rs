//! Lines of metering through a whole node: what they commit to, what is summed of them, and what a forger can do.
use super::market::{CONSUMER, KEY, OFFERS, START, lines, market};
use super::rig::{Rig, SEGMENT_BYTES, directory, entries, filled, init, options, shared};
use super::workload::Dice;
use crate::clock::Clock;
use crate::{key, verify};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::time::Duration;
use sycee_core::arithmetic::price;
use sycee_core::entry::Entry;
use sycee_core::ids::{Amount, Handle};
use sycee_core::limits::HOUR;
use sycee_core::metering::LineRefusal;
use sycee_core::{Outcome, State};
use sycee_log::{Draft, Frame, Log, Options, Reader, Record, SimDisk};

type Hash = [u8; 32];

/// A founded log with the market and one batch of nine lines, an hour in.
fn metered(disk: &SimDisk) -> Rig {
    let (clock, hands) = Clock::manual(START);
    let operator = init(disk, &clock, 1).unwrap();
    let mut rig = Rig::open(options(disk, &clock)).unwrap();
    for command in market(operator) {
        rig.submit(vec![command]).unwrap();
    }
    hands.pass(Duration::from_hours(2));
    let batch = lines(clock.now().wall, 0, &[5, 10, 0, 300, 7, 1, 2, 9, 8]);
    let answered = rig.submit(vec![batch]).unwrap();
    let Outcome::Applied { position, .. } = &answered[0].1 else { panic!("{answered:?}") };
    let written = entries(disk, &directory()).unwrap();
    let (_, counted) = written[usize::try_from(*position).unwrap()].recorded().unwrap();
    let refused =
        [(1, LineRefusal::KeyNotFound), (2, LineRefusal::OfferNotFound), (5, LineRefusal::OfferNotFound)];
    assert_eq!(counted.refused, refused);
    rig.stages.commit.finish(true).unwrap();
    rig
}

fn sha256(parts: &[&[u8]]) -> Hash {
    Sha256::digest(parts.concat()).into()
}

/// RFC 6962, section 2.1, as it stands.
fn root_of(leaves: &[Hash]) -> Hash {
    match leaves {
        [leaf] => *leaf,
        _ => {
            let (left, right) = leaves.split_at(leaves.len().next_power_of_two() / 2);
            sha256(&[&[1], &root_of(left), &root_of(right)])
        }
    }
}

/// The table in the header of `lines.rs`, written down a second time.
fn line_as_documented(state: &State, entry: &Entry, index: usize) -> Vec<u8> {
    let (batch, counted) = entry.recorded().unwrap();
    let line = batch.lines.iter().nth(index).unwrap();
    let known_key = line.key == Handle(0);
    let refusal = counted.refused.iter().find(|(refused, _)| *refused as usize == index);
    let offer = OFFERS.get(line.offer.0 as usize);
    let said =
        offer.and_then(|offer| Some((offer, state.catalog.schedule_at(*offer, batch.start_of(&line))?)));
    let price = said
        .map_or([0; 32], |(offer, (id, prices))| sha256(&[&minicbor::to_vec((offer, id, prices)).unwrap()]));
    let paid = match (refusal, said) {
        (None, Some((_, (_, schedule)))) => price::total(&line.usage, &schedule.prices).unwrap(),
        _ => 0,
    };
    let verdict = refusal.map_or(0, |(_, why)| if *why == LineRefusal::KeyNotFound { 1 } else { 3 });
    let mut bytes = Vec::new();
    bytes.extend(if known_key { CONSUMER.0.to_be_bytes() } else { [0; 16] });
    bytes.extend(if known_key { KEY.0.to_be_bytes() } else { [0; 16] });
    bytes.extend(price);
    bytes.extend((batch.first + index as u64).to_le_bytes());
    bytes.extend(batch.start_of(&line).0.to_le_bytes());
    bytes.extend(line.duration_milliseconds.to_le_bytes());
    bytes.extend(line.microjoules.to_le_bytes());
    bytes.extend(Amount::to_le_bytes(paid));
    bytes.push(verdict);
    let present =
        line.usage.0.iter().enumerate().fold(0_u16, |bits, (bit, it)| bits | u16::from(*it > 0) << bit);
    bytes.extend(present.to_le_bytes());
    for tokens in line.usage.0.iter().filter(|tokens| **tokens > 0) {
        bytes.extend(u32::try_from(*tokens).unwrap().to_le_bytes());
    }
    bytes
}

/// The frames of a log.
fn frames(disk: &SimDisk) -> Vec<Frame> {
    Reader::open(shared(disk), &directory()).unwrap().map(Result::unwrap).collect()
}

/// The keystream of RFC 8439 under a salt key, where the salts of an entry and of its lines come from.
fn keystream(key: &[u8; 32], bytes: usize) -> Vec<u8> {
    use chacha20::ChaCha20;
    use chacha20::cipher::{KeyIvInit as _, StreamCipher as _};
    let mut stream = vec![0; bytes];
    ChaCha20::new(key.into(), &[0; 12].into()).apply_keystream(&mut stream);
    stream
}

#[test]
fn an_entry_of_metering_commits_to_each_of_its_lines() {
    let disk = SimDisk::new(1);
    let rig = metered(&disk);
    let views = rig.stages.shared.views();
    let frame = frames(&disk).pop().unwrap();
    let (position, record) = frame.records().unwrap().pop().unwrap();
    let entry = crate::seal::open(&record, position).unwrap();
    let salts = keystream(&record.salt_key, 16 * 10);
    let leaves: Vec<Hash> = (0..9)
        .map(|index| {
            let line = line_as_documented(&views.state, &entry, index);
            sha256(&[&[0], &salts[16 * (index + 1)..16 * (index + 2)], &line])
        })
        .collect();
    assert_eq!(record.root, Some(root_of(&leaves)));
    // And its leaf in the log's own tree says nothing else of it.
    assert_eq!(record.leaf(position).commitment, root_of(&leaves));
    assert!(verify(&shared(&disk), &directory(), None).unwrap().sound);
}

/// The last record of the log written again with another root; everything else, and every hash, as it should be.
fn with_root(root: Option<Hash>) -> String {
    let disk = SimDisk::new(1);
    drop(metered(&disk));
    let forged = SimDisk::new(2);
    let options = Options { segment_bytes: SEGMENT_BYTES, ..Options::default() };
    let mut log = Log::create(shared(&forged), &directory(), options).unwrap();
    let frames = frames(&disk);
    let last = frames.len() - 1;
    for (index, frame) in frames.iter().enumerate() {
        let mut draft = Draft::new(frame.rules, frame.at);
        for (_, record) in frame.records().unwrap() {
            let root = if index == last { root } else { record.root };
            draft.push(&Record { root, ..record });
        }
        log.append(log.next_number(), &draft).unwrap();
        log.sync().unwrap();
    }
    drop(log);
    key::write(&forged, &directory(), &key::read(&disk, &directory()).unwrap()).unwrap();
    verify(&shared(&forged), &directory(), None).unwrap().cause.expect("it was forged")
}

#[test]
fn a_root_that_is_not_that_of_the_lines_is_seen() {
    assert!(
        with_root(Some([9; 32])).ends_with("its root is not that of its lines"),
        "{}",
        with_root(Some([9; 32]))
    );
    assert!(
        with_root(None).ends_with("it has lines and no root, or a root and no lines"),
        "{}",
        with_root(None)
    );
}

/// Sums by hour and offer, and by hour and payer, against a recount of the log line by line; after a restart too.
#[test]
fn rollups_are_what_the_lines_say() {
    let (mut lines, mut unpaid) = (0, 0);
    for seed in 0..24 {
        let disk = SimDisk::new(seed);
        let (clock, _, _) = filled(&disk, seed, 60 + usize::try_from(Dice::new(seed).roll(60)).unwrap());
        let entries = entries(&disk, &directory()).unwrap();
        let rig = Rig::open(options(&disk, &clock)).unwrap();
        let views = rig.stages.shared.views();
        let mut by_offer: BTreeMap<(u64, u32), (u64, u64, Amount)> = BTreeMap::new();
        let mut paid_by: BTreeMap<u64, (u32, Amount)> = BTreeMap::new();
        for entry in &entries {
            let Some((batch, counted)) = entry.recorded() else { continue };
            for (index, line) in (0..).zip(batch.lines.iter()).skip(counted.duplicates as usize) {
                let refusal =
                    counted.refused.iter().find(|(refused, _)| *refused == index).map(|(_, why)| *why);
                if refusal.is_some_and(|why| why != LineRefusal::Unbilled) {
                    continue;
                }
                let start = batch.start_of(&line);
                let (_, schedule) =
                    views.state.catalog.schedule_at(OFFERS[line.offer.0 as usize], start).unwrap();
                let total = price::total(&line.usage, &schedule.prices).unwrap();
                let paid = if refusal.is_none() { total } else { 0 };
                unpaid += u64::from(refusal.is_some());
                lines += 1;
                let sums = by_offer.entry((start.0 / HOUR, line.offer.0)).or_default();
                *sums = (sums.0 + 1, sums.1 + line.microjoules, sums.2 + paid);
                let sums = paid_by.entry(start.0 / HOUR).or_default();
                *sums = (sums.0 + 1, sums.1 + paid);
            }
        }
        let payer = views.state.ledger.handle(sycee_core::ledger::Account::Member(CONSUMER)).unwrap();
        for ((hour, offer), sums) in by_offer {
            let row = views.metered().offer(hour, Handle(offer)).unwrap();
            assert_eq!((row.lines, row.microjoules, row.money), sums, "seed {seed}");
        }
        for (hour, sums) in paid_by {
            let row = views.metered().payer(hour, payer).unwrap();
            assert_eq!((row.lines, row.money), sums, "seed {seed}");
        }
    }
    assert!(lines > 500, "only {lines} lines were counted, {unpaid} of them unpaid");
}

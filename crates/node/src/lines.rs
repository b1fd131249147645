//! Lines: what each line of a metered batch commits to.
//!
//! An entry of metering stands in the tree by the root of a tree of its own (RFC 6962), whose leaves are its lines, each behind a
//! salt: `SHA-256(0x00 ‖ salt ‖ line)`. So one line can be shown to whom it concerns, and shows nothing of the others. In the log a
//! line names its key and its offer by handles; here it says who they are, by which price it was charged and what it cost, so
//! that nobody needs the log to read it.
//!
//! A line, numbers least significant byte first, ids as they print:
//!
//! | bytes | field |
//! |---|---|
//! | 0..16 | account that pays |
//! | 16..32 | key |
//! | 32..64 | SHA-256 of the price: offer, schedule and all that the schedule says |
//! | 64..72 | number of the line |
//! | 72..80 | start, nanoseconds UTC |
//! | 80..84 | duration, milliseconds |
//! | 84..92 | energy, microjoules |
//! | 92..108 | what was paid |
//! | 108 | 0: paid; 255: counted before; else one more than the number of its refusal |
//! | 109..111 | which buckets follow, a bit each |
//! | 111.. | tokens of each, 4 bytes |
//!
//! What a refused line names and nobody knows is zero.
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use sycee_core::State;
use sycee_core::arithmetic::price;
use sycee_core::buckets::Buckets;
use sycee_core::catalog::{self, Schedule};
use sycee_core::entry::{Entry, Event};
use sycee_core::ids::{AccountId, Amount, KeyId, OfferId, ScheduleId, Time};
use sycee_core::membership;
use sycee_core::metering::{Batch, Counted, Line, LineRefusal};
use sycee_log::leaf::{Salt, salts};
use sycee_log::{SaltKey, merkle};

const PAID: u8 = 0;
const COUNTED_BEFORE: u8 = 255;
/// Without tokens.
const FIXED_BYTES: usize = 111;
/// Lines whose names are looked up together, so that they come from memory together.
const GROUP: usize = 128;
const LINE_BYTES_MAX: usize = FIXED_BYTES + 4 * 10;

/// What the handles of a log stand for, as far as its entries have come.
#[derive(Clone, Debug, Default)]
pub struct Names {
    keys: Vec<[[u8; 16]; 2]>,
    offers: Vec<Vec<Price>>,
    by_offer: BTreeMap<OfferId, usize>,
}

/// A schedule, from when on it is in force.
#[derive(Clone, Debug)]
struct Price {
    from: Time,
    hash: [u8; 32],
    prices: Buckets,
}

impl Names {
    /// Those of a state.
    pub fn of(state: &State) -> Self {
        let mut names = Self::default();
        for (key, account) in state.membership.spending_keys() {
            names.key(key, account);
        }
        for (offer, schedules) in state.catalog.priced_offers() {
            names.offer(offer);
            for (schedule, prices) in schedules {
                names.price(offer, schedule, prices);
            }
        }
        names
    }

    /// Takes what an entry names.
    pub fn fold(&mut self, entry: &Entry) {
        for event in &entry.events {
            match event {
                Event::Membership(membership::Event::KeyIssued { key, details, payer: _ }) => {
                    if let Some(account) = details.account {
                        self.key(*key, account);
                    }
                }
                Event::Catalog(catalog::Event::OfferAdded { offer, details: _ }) => self.offer(*offer),
                Event::Catalog(catalog::Event::SchedulePublished { offer, schedule, prices }) => {
                    self.price(*offer, *schedule, prices);
                }
                Event::Membership(_)
                | Event::Catalog(_)
                | Event::Genesis(_)
                | Event::Ledger(_)
                | Event::Idempotency(_)
                | Event::Params(_)
                | Event::Royalty(_)
                | Event::Settlement(_)
                | Event::Metering(_) => {}
            }
        }
    }

    fn key(&mut self, key: KeyId, account: AccountId) {
        self.keys.push([account.0.to_be_bytes(), key.0.to_be_bytes()]);
    }

    fn offer(&mut self, offer: OfferId) {
        self.by_offer.insert(offer, self.offers.len());
        self.offers.push(Vec::new());
    }

    fn price(&mut self, offer: OfferId, schedule: ScheduleId, prices: &Schedule) {
        let said = minicbor::to_vec((offer, schedule, prices)).expect("encoding into memory does not fail");
        let price = Price { from: prices.from, hash: Sha256::digest(said).into(), prices: prices.prices };
        let index = self.by_offer.get(&offer).expect("an offer comes before its price");
        let timeline = &mut self.offers[*index];
        let place = timeline.partition_point(|other| other.from <= price.from);
        timeline.insert(place, price);
    }

    fn price_at(&self, line: &Line, start: Time) -> Option<&Price> {
        let timeline = self.offers.get(line.offer.0 as usize)?;
        timeline[..timeline.partition_point(|price| price.from <= start)].last()
    }

    /// The root over the lines of an entry; none if it has no lines.
    pub fn root_of(&self, salt_key: &SaltKey, entry: &Entry) -> Option<[u8; 32]> {
        let (batch, counted) = entry.recorded()?;
        Some(self.root(salt_key, batch, counted))
    }

    fn root(&self, salt_key: &SaltKey, batch: &Batch, counted: &Counted) -> [u8; 32] {
        let salts = salts(salt_key, batch.lines.len());
        let mut leaves = Vec::with_capacity(batch.lines.len());
        self.each(batch, counted, |index, line| leaves.push(leaf_hash(&salts[index + 1], line)));
        merkle::root(leaves)
    }

    /// Calls for each line of a batch with its bytes.
    fn each(&self, batch: &Batch, counted: &Counted, mut each: impl FnMut(usize, &[u8])) {
        let mut bytes = [0; LINE_BYTES_MAX];
        let mut refused = counted.refused.iter().peekable();
        let mut lines = batch.lines.iter().enumerate();
        let mut names = Vec::with_capacity(GROUP);
        for keys in batch.lines.keys().chunks(GROUP) {
            names.clear();
            names.extend(keys.iter().map(|key| self.keys.get(*key as usize).copied().unwrap_or_default()));
            for (name, (index, line)) in names.iter().zip(lines.by_ref()) {
                let verdict = match refused.next_if(|(next, _)| *next as usize == index) {
                    Some((_, why)) => number_of(*why),
                    None if index < counted.duplicates as usize => COUNTED_BEFORE,
                    None => PAID,
                };
                let length = self.write(
                    &mut bytes,
                    name,
                    batch.first + index as u64,
                    batch.start_of(&line),
                    &line,
                    verdict,
                );
                each(index, &bytes[..length]);
            }
        }
    }

    fn write(
        &self,
        bytes: &mut [u8; LINE_BYTES_MAX],
        [account, key]: &[[u8; 16]; 2],
        number: u64,
        start: Time,
        line: &Line,
        verdict: u8,
    ) -> usize {
        let price = self.price_at(line, start);
        let paid = match (price, verdict) {
            (Some(price), PAID) => price::total(&line.usage, &price.prices).expect("it was paid"),
            (Some(_) | None, _) => 0,
        };
        bytes[0..16].copy_from_slice(account);
        bytes[16..32].copy_from_slice(key);
        bytes[32..64].copy_from_slice(&price.map_or([0; 32], |price| price.hash));
        bytes[64..72].copy_from_slice(&number.to_le_bytes());
        bytes[72..80].copy_from_slice(&start.0.to_le_bytes());
        bytes[80..84].copy_from_slice(&line.duration_milliseconds.to_le_bytes());
        bytes[84..92].copy_from_slice(&line.microjoules.to_le_bytes());
        bytes[92..108].copy_from_slice(&Amount::to_le_bytes(paid));
        bytes[108] = verdict;
        let (mut present, mut length) = (0_u16, FIXED_BYTES);
        for (bit, tokens) in line.usage.0.iter().enumerate().filter(|(_, tokens)| **tokens > 0) {
            present |= 1 << bit;
            bytes[length..length + 4].copy_from_slice(&tokens.to_le_bytes()[..4]);
            length += 4;
        }
        bytes[109..111].copy_from_slice(&present.to_le_bytes());
        length
    }
}

/// SHA-256(0x00 ‖ salt ‖ line).
fn leaf_hash(salt: &Salt, line: &[u8]) -> [u8; 32] {
    merkle::short_hash::<3>(&[&[0], salt, line])
}

/// One more than the number that the log writes for it.
fn number_of(why: LineRefusal) -> u8 {
    match why {
        LineRefusal::KeyNotFound => 1,
        LineRefusal::KeyNotFitting => 2,
        LineRefusal::OfferNotFound => 3,
        LineRefusal::OfferNotYours => 4,
        LineRefusal::OfferNotOpen => 5,
        LineRefusal::StartTooEarly => 6,
        LineRefusal::StartAhead => 7,
        LineRefusal::AssetsDiffer => 8,
        LineRefusal::Unbilled => 9,
    }
}

const _: () = assert!(1 + size_of::<Salt>() + LINE_BYTES_MAX + 9 <= 3 * 64, "a line fits three blocks");

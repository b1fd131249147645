//! Metered: sums over lines that were measured elsewhere, by the hour in which they started.
//!
//! Two dimensions, each a list by handle, so that a line costs two additions in memory and no search: what each offer delivered,
//! bucket by bucket, and what each account used and paid. A page of accounts exists once one of them has used something in the
//! hour.
use hour::{Hour, Piece};
use minicbor::decode::Error as DecodeError;
use std::collections::BTreeMap;
use sycee_core::State;
use sycee_core::arithmetic::price;
use sycee_core::buckets::Buckets;
use sycee_core::ids::{Handle, OfferId, Time};
use sycee_core::limits::HOUR;
use sycee_core::metering::{Batch, Counted, LineRefusal};
use sycee_core::table::{Rows, Scope};

mod hour;
pub use hour::{OfferHour, PayerHour};

/// Lines that are taken together.
const GROUP: usize = 128;

/// Sums over lines, by the hour of their start (hours since 1970).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Metered {
    hours: BTreeMap<u64, Hour>,
}

impl Rows for Metered {
    /// Nothing here is ever undone.
    fn scope(&mut self, _: Scope) {}

    fn freeze(&mut self) {
        self.hours.values_mut().for_each(Hour::freeze);
    }

    fn slice(&mut self, room: usize, out: &mut Vec<u8>) -> bool {
        let end = out.len() + room;
        let mut encoder = minicbor::Encoder::new(out);
        for (number, hour) in &mut self.hours {
            while let Some(piece) = hour.next_piece() {
                encoder.encode((number, piece)).expect("encoding into memory does not fail");
                if encoder.writer().len() >= end {
                    return true;
                }
            }
        }
        false
    }

    fn thaw(&mut self) {
        self.hours.values_mut().for_each(Hour::thaw);
    }

    fn load(&mut self, rows: &[u8]) -> Result<(), DecodeError> {
        let mut decoder = minicbor::Decoder::new(rows);
        while decoder.position() < rows.len() {
            let (number, piece): (u64, Piece) = decoder.decode()?;
            self.hours.entry(number).or_default().add_piece(piece)?;
        }
        Ok(())
    }

    fn loaded(&mut self) {}
}

/// The price in force for an offer from some moment to another.
struct Lane {
    from: Time,
    until: Time,
    prices: Buckets,
}

impl Metered {
    /// Adds the lines of a batch, on the state before or after it.
    pub(super) fn fold(&mut self, state: &State, batch: &Batch, counted: &Counted) {
        let mut prices = Prices::default();
        let mut hours = Open { metered: self, taken: Vec::new() };
        let mut refused = counted.refused.iter().peekable();
        let mut lines = batch.lines.iter().enumerate();
        let mut payers = Vec::with_capacity(GROUP);
        for keys in batch.lines.keys().chunks(GROUP) {
            // Rows that will be needed come from memory together here, and one after another if they are first seen below.
            payers.clear();
            payers.extend(keys.iter().map(|key| state.membership.key_row(Handle(*key)).map(|row| row.payer)));
            hours.expect(&payers);
            for (payer, (index, line)) in payers.iter().zip(lines.by_ref()) {
                let refusal = refused.next_if(|(next, _)| *next as usize == index).map(|(_, why)| *why);
                let is_new = index >= counted.duplicates as usize;
                if !is_new || refusal.is_some_and(|why| why != LineRefusal::Unbilled) {
                    continue;
                }
                let start = batch.start_of(&line);
                let paid = match refusal {
                    None => price::total(&line.usage, prices.at(state, line.offer, start)).unwrap_or(0),
                    Some(_) => 0,
                };
                let hour = hours.at(start);
                let offer = hour.offer(line.offer);
                offer.add(&line.usage, paid, line.microjoules, refusal.is_some());
                hour.payer(payer.expect("a counted line has a key")).add(&line.usage, paid);
            }
        }
        hours.close();
    }

    /// What an offer delivered in an hour.
    pub fn offer(&self, hour: u64, offer: Handle) -> Option<&OfferHour> {
        self.hours.get(&hour)?.offer_row(offer)
    }

    /// What an account used in an hour.
    pub fn payer(&self, hour: u64, payer: Handle) -> Option<&PayerHour> {
        self.hours.get(&hour)?.payer_row(payer)
    }

    /// The hours in which something was metered, oldest first.
    pub fn hours(&self) -> impl Iterator<Item = u64> + '_ {
        self.hours.keys().copied()
    }
}

/// The hours that a batch has come across, taken out of the rest: a batch has few of them and asks for each again and again.
struct Open<'a> {
    metered: &'a mut Metered,
    taken: Vec<(u64, Hour)>,
}

impl Open<'_> {
    fn at(&mut self, start: Time) -> &mut Hour {
        let number = start.0 / HOUR;
        let place = self.taken.iter().position(|(taken, _)| *taken == number).unwrap_or_else(|| {
            self.taken.push((number, self.metered.hours.remove(&number).unwrap_or_default()));
            self.taken.len() - 1
        });
        &mut self.taken[place].1
    }

    /// Looks at the rows of accounts that will be added to, in the hours that are open.
    fn expect(&self, payers: &[Option<Handle>]) {
        for (_, hour) in &self.taken {
            let lines =
                payers.iter().flatten().map(|payer| hour.payer_row(*payer).map_or(0, |row| row.lines));
            std::hint::black_box(lines.fold(0, |all, lines| all ^ lines));
        }
    }

    fn close(self) {
        self.metered.hours.extend(self.taken);
    }
}

/// The prices that lines were charged by, looked up once for many of them.
#[derive(Default)]
struct Prices(Vec<Vec<Lane>>);

impl Prices {
    fn at(&mut self, state: &State, offer: Handle, start: Time) -> &Buckets {
        let index = offer.0 as usize;
        if self.0.len() <= index {
            self.0.resize_with(index + 1, Vec::new);
        }
        let known = &mut self.0[index];
        let place = known.iter().position(|lane| lane.from <= start && start < lane.until);
        let place = place.unwrap_or_else(|| {
            known.push(Lane::at(state, offer, start));
            known.len() - 1
        });
        &known[place].prices
    }
}

impl Lane {
    fn at(state: &State, offer: Handle, start: Time) -> Self {
        let id: OfferId = state.catalog.offer_by_handle(offer).expect("a counted line has an offer");
        let (_, schedule) = state.catalog.schedule_at(id, start).expect("a counted line has a price");
        let later = state.catalog.schedules_of(id).map(|(from, _)| from).find(|from| *from > schedule.from);
        Self { from: schedule.from, until: later.unwrap_or(Time(u64::MAX)), prices: schedule.prices }
    }
}

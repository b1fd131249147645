//! Metered: sums over lines that were measured elsewhere, by the hour in which they started.
//!
//! Two dimensions, each a list by handle, so that a line costs two additions in memory and no search: what each offer delivered,
//! bucket by bucket, and what each account used and paid. A page of accounts exists once one of them has used something in the
//! hour.
use minicbor::{Decode, Encode};
use std::collections::BTreeMap;
use sycee_core::State;
use sycee_core::arithmetic::price;
use sycee_core::buckets::Buckets;
use sycee_core::ids::{Amount, Handle, OfferId, Time};
use sycee_core::limits::HOUR;
use sycee_core::metering::{Batch, Counted, LineRefusal};

/// Accounts in a page.
const PAGE: usize = 512;
/// Lines that are taken together.
const GROUP: usize = 128;

/// Sums over lines, by the hour of their start (hours since 1970).
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct Metered {
    #[n(0)]
    hours: BTreeMap<u64, Hour>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
struct Hour {
    /// By the offer's handle.
    #[n(0)]
    offers: Vec<OfferHour>,
    /// By the paying account's handle, in pages; a page that nobody has used is empty.
    #[n(1)]
    payers: Vec<Vec<PayerHour>>,
}

/// What an offer delivered in an hour.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct OfferHour {
    #[n(0)]
    pub lines: u64,
    /// Of these, lines that nobody could pay.
    #[n(1)]
    pub unbilled: u64,
    #[n(2)]
    pub tokens: Buckets,
    #[n(3)]
    pub money: Amount,
    #[n(4)]
    pub microjoules: u64,
}

/// What an account used in an hour.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct PayerHour {
    #[n(0)]
    pub lines: u32,
    #[n(1)]
    pub tokens: u64,
    #[n(2)]
    pub money: Amount,
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
                let offer = hour.offer(line.offer.0 as usize);
                offer.add(&line.usage, paid, line.microjoules, refusal.is_some());
                hour.payer(payer.expect("a counted line has a key")).add(&line.usage, paid);
            }
        }
        hours.close();
    }

    /// What an offer delivered in an hour.
    pub fn offer(&self, hour: u64, offer: Handle) -> Option<&OfferHour> {
        self.hours.get(&hour)?.offers.get(offer.0 as usize)
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

impl Hour {
    fn offer(&mut self, offer: usize) -> &mut OfferHour {
        if self.offers.len() <= offer {
            self.offers.resize(offer + 1, OfferHour::default());
        }
        &mut self.offers[offer]
    }

    fn payer_row(&self, payer: Handle) -> Option<&PayerHour> {
        let index = payer.0 as usize;
        self.payers.get(index / PAGE)?.get(index % PAGE)
    }

    fn payer(&mut self, payer: Handle) -> &mut PayerHour {
        let (page, slot) = (payer.0 as usize / PAGE, payer.0 as usize % PAGE);
        if self.payers.len() <= page {
            self.payers.resize_with(page + 1, Vec::new);
        }
        let rows = &mut self.payers[page];
        if rows.is_empty() {
            rows.resize(PAGE, PayerHour::default());
        }
        &mut rows[slot]
    }
}

impl OfferHour {
    fn add(&mut self, usage: &Buckets, paid: Amount, microjoules: u64, is_unbilled: bool) {
        self.lines += 1;
        self.unbilled += u64::from(is_unbilled);
        for (sum, tokens) in self.tokens.0.iter_mut().zip(usage.0) {
            *sum = sum.saturating_add(tokens);
        }
        self.money = self.money.saturating_add(paid);
        self.microjoules = self.microjoules.saturating_add(microjoules);
    }
}

impl PayerHour {
    fn add(&mut self, usage: &Buckets, paid: Amount) {
        self.lines = self.lines.saturating_add(1);
        self.tokens = usage.0.iter().fold(self.tokens, |sum, tokens| sum.saturating_add(*tokens));
        self.money = self.money.saturating_add(paid);
    }
}

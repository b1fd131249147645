//! Views: what people ask for, folded from durable entries.
//!
//! Never the source of truth: lists of positions and sums, kept small enough to hold in memory; the entries themselves stay in
//! the log and are read when somebody looks. Per receipt of four accounts about 220 bytes, see "What grows" in docs/operations/running.md.
use minicbor::decode::Error as DecodeError;
use minicbor::encode::{Error as EncodeError, Write};
use minicbor::{Decode, Decoder, Encode, Encoder};
use std::collections::BTreeMap;
use std::ops::Range;
use sycee_core::entry::{Entry, Event};
use sycee_core::ids::{AccountId, Amount, RequestId};
use sycee_core::ledger::{self, Account};
use sycee_core::{State, metering, settlement};
use sycee_log::Frontier;

mod activity;
mod metered;
mod rollup;
pub use activity::{Activity, Direction, Rate};
pub use metered::{Metered, OfferHour, PayerHour};
pub use rollup::{Rollup, RollupKey, Sold};

/// A line of a statement: an entry that moved money of the account, and what the account had after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub(crate) struct Line {
    #[n(0)]
    pub(crate) position: u64,
    #[n(1)]
    pub(crate) balance: Amount,
}

/// Everything folded up to the durable position.
#[derive(Clone, Debug, Default, Encode, Decode)]
pub struct Views {
    #[n(0)]
    pub state: State,
    /// Closed requests in the order they closed.
    #[n(1)]
    closed: Vec<(u64, RequestId)>,
    #[n(2)]
    by_request: BTreeMap<RequestId, u64>,
    /// Of an account, the indices into `closed`.
    #[n(3)]
    by_payer: BTreeMap<AccountId, Vec<u64>>,
    #[n(4)]
    lines: BTreeMap<Account, Vec<Line>>,
    #[n(5)]
    rollups: BTreeMap<RollupKey, Rollup>,
    /// The tree over all leaves so far.
    #[n(6)]
    pub(crate) tree: Tree,
    #[n(7)]
    metered: Metered,
    /// Over all rollups, so that nobody has to add them up.
    #[n(8)]
    sold: Sold,
    #[cbor(skip)]
    activity: Activity,
}

/// The right edge of the tree over all leaves.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tree(pub(crate) Frontier);

impl<C> Encode<C> for Tree {
    fn encode<W: Write>(&self, e: &mut Encoder<W>, _: &mut C) -> Result<(), EncodeError<W::Error>> {
        e.bytes(&self.0.to_bytes())?.ok()
    }
}

impl<'b, C> Decode<'b, C> for Tree {
    fn decode(d: &mut Decoder<'b>, _: &mut C) -> Result<Self, DecodeError> {
        let frontier = Frontier::from_bytes(d.bytes()?);
        frontier.map(Self).ok_or_else(|| DecodeError::message("these bytes are no tree"))
    }
}

impl Views {
    /// The seconds that [`Views::activity`] covers.
    pub const ACTIVITY_SECONDS: usize = activity::SECONDS;

    /// Folds one durable entry.
    pub fn fold(&mut self, entry: &Entry) {
        for event in &entry.events {
            self.index(entry, event);
        }
        self.state.fold(entry);
        self.close_lines(entry);
    }

    fn index(&mut self, entry: &Entry, event: &Event) {
        match event {
            Event::Settlement(settlement::Event::Settled { request, receipt }) => {
                self.closed_request(entry.position, *request, receipt.account);
                let member = self.state.ledger.account(receipt.account).map(|it| it.member);
                let member = member.expect("a receipt's account is open");
                let sale = rollup::Sale::new(entry.at, member, receipt);
                sale.add_to(&mut self.rollups);
                self.sold.add(&sale);
                self.activity.add(&sale);
            }
            Event::Settlement(settlement::Event::Released { request, account, release: _ }) => {
                self.closed_request(entry.position, *request, *account);
            }
            Event::Settlement(
                settlement::Event::EpochBegan { .. }
                | settlement::Event::Authorised { .. }
                | settlement::Event::Advanced { .. }
                | settlement::Event::Carried { .. }
                | settlement::Event::Forgotten { .. },
            )
            | Event::Genesis(_)
            | Event::Ledger(_)
            | Event::Idempotency(_)
            | Event::Params(_)
            | Event::Membership(_)
            | Event::Catalog(_)
            | Event::Royalty(_)
            | Event::Metering(metering::Event::SourceOpened { .. }) => {}
            Event::Metering(metering::Event::Recorded { batch, counted }) => {
                self.metered.fold(&self.state, batch, counted);
            }
        }
    }

    fn closed_request(&mut self, position: u64, request: RequestId, account: AccountId) {
        let index = self.closed.len() as u64;
        self.closed.push((position, request));
        self.by_request.insert(request, position);
        self.by_payer.entry(account).or_default().push(index);
    }

    /// One line for each account whose money the entry moved, with what it has after the entry.
    fn close_lines(&mut self, entry: &Entry) {
        let mut touched: Vec<Account> = entry.events.iter().flat_map(posted).collect();
        touched.sort_unstable();
        touched.dedup();
        for account in touched {
            let balance = self.state.ledger.balance(account).expect("posted accounts exist").amount;
            self.lines.entry(account).or_default().push(Line { position: entry.position, balance });
        }
    }

    /// Where the receipt of a request is.
    pub fn position_of(&self, request: RequestId) -> Option<u64> {
        self.by_request.get(&request).copied()
    }

    /// Closed requests, newest first: of one payer or of all. `before` is the cursor of the last one seen, and each comes with
    /// its own.
    pub fn receipts(
        &self,
        payer: Option<AccountId>,
        before: Option<u64>,
        limit: usize,
    ) -> Vec<(u64, RequestId)> {
        let before = before.unwrap_or(u64::MAX);
        let at =
            |index: u64| self.closed.get(usize::try_from(index).ok()?).map(|(_, request)| (index, *request));
        match payer {
            None => {
                let end = before.min(self.closed.len() as u64);
                (0..end).rev().take(limit).filter_map(at).collect()
            }
            Some(account) => {
                let of_payer = self.by_payer.get(&account).map_or(&[][..], Vec::as_slice);
                let end = of_payer.partition_point(|index| *index < before);
                of_payer[..end].iter().rev().take(limit).filter_map(|index| at(*index)).collect()
            }
        }
    }

    /// Number of statement lines of an account.
    pub fn line_count(&self, account: Account) -> usize {
        self.lines.get(&account).map_or(0, Vec::len)
    }

    /// Statement lines, oldest first, each with what the account had before it.
    pub(crate) fn lines(&self, account: Account, range: Range<usize>) -> Vec<(Line, Amount)> {
        let lines = self.lines.get(&account).map_or(&[][..], Vec::as_slice);
        let start = range.start.min(lines.len());
        let end = range.end.clamp(start, lines.len());
        let mut before = start.checked_sub(1).map_or(0, |index| lines[index].balance);
        let with_opening = lines[start..end].iter().map(|line| {
            let opening = std::mem::replace(&mut before, line.balance);
            (*line, opening)
        });
        with_opening.collect()
    }

    /// What was sold in the last minute, second by second.
    pub fn activity(&self) -> &Activity {
        &self.activity
    }

    /// What was sold in all.
    pub fn sold(&self) -> Sold {
        self.sold
    }

    /// What was metered elsewhere, by hour.
    pub fn metered(&self) -> &Metered {
        &self.metered
    }

    /// What was sold, by hour, site, model and consumer.
    pub fn rollups(&self) -> &BTreeMap<RollupKey, Rollup> {
        &self.rollups
    }
}

fn posted(event: &Event) -> Vec<Account> {
    match event {
        Event::Ledger(ledger::Event::Posted { from, legs, purpose: _, reference: _ }) => {
            std::iter::once(*from).chain(legs.iter().map(|leg| leg.to)).collect()
        }
        Event::Ledger(
            ledger::Event::Opened { .. }
            | ledger::Event::Held { .. }
            | ledger::Event::Released { .. }
            | ledger::Event::LimitSet { .. },
        )
        | Event::Genesis(_)
        | Event::Idempotency(_)
        | Event::Params(_)
        | Event::Membership(_)
        | Event::Catalog(_)
        | Event::Royalty(_)
        | Event::Settlement(_)
        | Event::Metering(_) => Vec::new(),
    }
}

//! Views: the state, and what people ask for beside it, folded from the same entries.
//!
//! Never the source of truth: lists of positions and sums, kept small enough to hold in memory; the entries themselves stay in
//! the log and are read when somebody looks. They are as far as the ordering stage is, and so ahead of what is durable; what
//! was read may be told once [`crate::Handle::settled`] says so. Per receipt of four accounts about 220 bytes, see "What grows" in docs/operations/running.md.
use minicbor::{Decode, Encode};
use sycee_core::entry::{Entry, Event, Submission};
use sycee_core::ids::{AccountId, Amount, Handle, RequestId, Time};
use sycee_core::ledger::{self, Account};
use sycee_core::table::{Dense, Rows, Table};
use sycee_core::{Decided, Outcome, State, metering, settlement};

mod activity;
mod metered;
mod reading;
mod rollup;
pub use activity::{Activity, Direction, Rate};
pub use metered::{Metered, OfferHour, PayerHour};
pub use reading::Reading;
pub use rollup::{Rollup, RollupKey, Sold};

/// A line of a statement: an entry that moved money of the account, and what the account had after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub(crate) struct Line {
    #[n(0)]
    pub(crate) position: u64,
    #[n(1)]
    pub(crate) balance: Amount,
}

/// The state and what is folded beside it.
#[derive(Clone, Debug, Default)]
pub struct Views {
    pub state: State,
    /// Closed requests in the order they closed.
    closed: Dense<(u64, RequestId)>,
    by_request: Table<RequestId, u64>,
    /// Of an account, the indices into `closed`.
    by_payer: Table<AccountId, Vec<u64>>,
    lines: Table<Account, Vec<Line>>,
    rollups: Table<RollupKey, Rollup>,
    metered: Metered,
    /// Over all rollups, so that nobody has to add them up.
    sold: Sold,
    activity: Activity,
}

/// What of the views is not in their tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub(crate) struct Rest {
    #[n(0)]
    pub(crate) position: u64,
    #[n(1)]
    pub(crate) at: Time,
    #[n(2)]
    pub(crate) sold: Sold,
}

impl Views {
    /// The seconds that [`Views::activity`] covers.
    pub const ACTIVITY_SECONDS: usize = activity::SECONDS;

    /// All of it but [`Rest`], and the last minute's activity, which nobody misses.
    pub(crate) fn tables(&mut self) -> impl Iterator<Item = &mut dyn Rows> {
        let Self { state, closed, by_request, by_payer, lines, rollups, metered, sold: _, activity: _ } =
            self;
        let beside: [&mut dyn Rows; 6] = [metered, closed, by_request, by_payer, lines, rollups];
        beside.into_iter().chain(state.tables())
    }

    /// Takes a snapshot of this moment, to be written bit by bit while the views go on.
    pub(crate) fn freeze(&mut self) -> Rest {
        self.tables().for_each(Rows::freeze);
        Rest { position: self.state.position, at: self.state.at, sold: self.sold }
    }

    /// Continues from a snapshot, once its tables are loaded.
    pub(crate) fn resume(&mut self, rest: Rest) {
        Rest { position: self.state.position, at: self.state.at, sold: self.sold } = rest;
    }

    /// Decides a submission, and folds the entry that it led to.
    pub(crate) fn submit(&mut self, at: Time, submission: &Submission) -> (Outcome, Option<Entry>) {
        let Decided { outcome, entry } = self.state.submit(at, submission);
        if let Some(entry) = &entry {
            self.note(entry);
        }
        (outcome, entry)
    }

    /// Folds an entry that was decided before.
    pub fn fold(&mut self, entry: &Entry) {
        self.state.fold(entry);
        self.note(entry);
    }

    /// Takes from an entry what people will ask for. The state has folded it and nothing after it.
    fn note(&mut self, entry: &Entry) {
        for event in &entry.events {
            self.index(entry, event);
        }
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
        let Handle(index) = self.closed.push((position, request));
        self.by_request.insert(request, position);
        self.by_payer.update(account, |closed| closed.push(index.into()));
    }

    /// One line for each account whose money the entry moved, with what it has after the entry.
    fn close_lines(&mut self, entry: &Entry) {
        let mut touched: Vec<Account> = entry.events.iter().flat_map(posted).collect();
        touched.sort_unstable();
        touched.dedup();
        for account in touched {
            let balance = self.state.ledger.balance(account).expect("posted accounts exist").amount;
            self.lines.update(account, |lines| lines.push(Line { position: entry.position, balance }));
        }
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
    pub fn rollups(&self) -> &Table<RollupKey, Rollup> {
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

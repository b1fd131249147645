//! Archive: entries read back from the log, and the receipts and statement lines they hold.
use crate::error::{Error, ErrorKind, Result};
use crate::seal;
use crate::views::Line;
use sycee_core::catalog::PartyRole;
use sycee_core::entry::{Entry, Event};
use sycee_core::ids::{AccountId, Amount, Hash, RequestId, Time};
use sycee_core::ledger::{self, Account, Leg, Purpose};
use sycee_core::settlement::{self, Release, Settled};
use sycee_log::{Frame, FrameSource};

/// The record of a closed request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    pub request: RequestId,
    /// Of the entry that closed it.
    pub position: u64,
    pub at: Time,
    /// RFC 6962 hash of the entry's leaf.
    pub leaf: Hash,
    pub closed: Closed,
}

/// How a request was closed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Closed {
    /// Paid: the facts and the posting, leg by leg in the order of `receipt.roles`.
    Settled { receipt: Box<Settled>, legs: Vec<Leg> },
    /// Nothing was owed.
    Released { account: AccountId, release: Release },
}

/// What moved the money of an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// A posting of the entry at this position.
    Posting(Purpose),
    /// Lines of metering since the movement before and up to this position, in one sum.
    Metering,
}

/// One movement on an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StatementLine {
    pub position: u64,
    pub at: Time,
    pub cause: Cause,
    /// The caller's words, such as a bank's reference.
    pub reference: Option<String>,
    /// Why the operator did it.
    pub reason: Option<String>,
    /// The other side; none where there are many.
    pub counterparty: Option<Account>,
    /// Why the account was paid from a receipt.
    pub role: Option<PartyRole>,
    /// Negative if it left the account.
    pub amount: Amount,
    /// What the account had after it.
    pub balance: Amount,
}

/// Reads single entries.
#[derive(Clone, Debug)]
pub(crate) struct Archive {
    source: FrameSource,
}

impl Archive {
    pub(crate) fn new(source: FrameSource) -> Self {
        Self { source }
    }

    /// The durable entry at a position, with the hash of its leaf.
    pub(crate) fn entry(&self, position: u64) -> Result<(Entry, Hash)> {
        entry_in(&self.frame_of(position)?, position)
    }

    /// The frame that holds a position.
    fn frame_of(&self, position: u64) -> Result<Frame> {
        let missing = || Error::new(ErrorKind::NotFound, format!("find the entry at position {position}"));
        let number = self.source.number_of(position).ok_or_else(missing)?;
        self.source.frame(number)?.ok_or_else(missing)
    }

    pub(crate) fn receipt(&self, position: u64, request: RequestId) -> Result<Receipt> {
        let (entry, leaf) = self.entry(position)?;
        let closed = closed(&entry, request).ok_or_else(|| {
            Error::new(ErrorKind::Unsound, format!("find {request} at position {position}"))
        })?;
        Ok(Receipt { request, position, at: entry.at, leaf, closed })
    }

    /// The movements of an account's statement lines, oldest first, each line with what the account had before it. Lines of
    /// one frame cost one look at it.
    pub(crate) fn movements(&self, account: Account, lines: &[(Line, Amount)]) -> Result<Vec<StatementLine>> {
        let mut movements = Vec::with_capacity(lines.len());
        let mut last: Option<Frame> = None;
        for (line, opening) in lines {
            let held = last.take().filter(|frame| holds(frame, line.position));
            let frame = match held {
                Some(frame) => frame,
                None => self.frame_of(line.position)?,
            };
            let (entry, _) = entry_in(&frame, line.position)?;
            let moved = movements_of(account, &entry, line.balance);
            let Some(first) = moved.first() else {
                let context = format!("match the statement of {account:?} at position {}", line.position);
                return Err(Error::new(ErrorKind::Unsound, context));
            };
            // Metering has no lines of its own here: it shows in what the account has when the next one comes.
            let balance = first.balance - first.amount;
            movements.extend(
                (balance != *opening)
                    .then(|| StatementLine::metered(entry.position, entry.at, balance - *opening, balance)),
            );
            movements.extend(moved);
            last = Some(frame);
        }
        Ok(movements)
    }
}

fn entry_in(frame: &Frame, position: u64) -> Result<(Entry, Hash)> {
    let unsound = |context: String| Error::new(ErrorKind::Unsound, context);
    let records =
        frame.records().map_err(|cause| unsound(format!("read frame {} ({cause})", frame.number)))?;
    let (_, record) = records
        .into_iter()
        .find(|(at, _)| *at == position)
        .ok_or_else(|| unsound(format!("find position {position} in frame {}", frame.number)))?;
    let entry = seal::open(&record, position)
        .map_err(|error| Error::because(ErrorKind::Unsound, format!("read position {position}"), error))?;
    Ok((entry, Hash(record.leaf(position).hash())))
}

fn holds(frame: &Frame, position: u64) -> bool {
    (frame.first_position..frame.first_position + u64::from(frame.count)).contains(&position)
}

impl StatementLine {
    /// What lines of metering moved, up to a position.
    pub(crate) fn metered(position: u64, at: Time, amount: Amount, balance: Amount) -> Self {
        Self {
            position,
            at,
            cause: Cause::Metering,
            reference: None,
            reason: None,
            counterparty: None,
            role: None,
            amount,
            balance,
        }
    }
}

/// The movements of one entry on one account, which had `closing` after the last. A member may buy at its own site: then the
/// account is on both sides of a posting, and each leg that comes back is a movement of its own.
fn movements_of(account: Account, entry: &Entry, closing: Amount) -> Vec<StatementLine> {
    let mut balance = 0;
    let mut movements = Vec::new();
    for event in &entry.events {
        let Event::Ledger(ledger::Event::Posted { from, legs, purpose, reference }) = event else {
            continue;
        };
        let roles = roles(entry, *purpose);
        for (index, leg) in legs.iter().enumerate() {
            let sides = [(*from == account, -leg.amount, leg.to), (leg.to == account, leg.amount, *from)];
            for (_, amount, counterparty) in sides.into_iter().filter(|(ours, _, _)| *ours) {
                balance += amount;
                movements.push(StatementLine {
                    position: entry.position,
                    at: entry.at,
                    cause: Cause::Posting(*purpose),
                    reference: reference.clone(),
                    reason: entry.reason.clone(),
                    counterparty: Some(counterparty),
                    role: roles.get(index).copied(),
                    amount,
                    balance,
                });
            }
        }
    }
    for movement in &mut movements {
        movement.balance += closing - balance;
    }
    movements
}

/// The roles of a receipt's legs, in order.
fn roles(entry: &Entry, purpose: Purpose) -> &[PartyRole] {
    let Purpose::Receipt { request } = purpose else { return &[] };
    settled(entry, request).map_or(&[], |receipt| &receipt.roles)
}

fn settled(entry: &Entry, wanted: RequestId) -> Option<&Settled> {
    entry.events.iter().find_map(|event| match event {
        Event::Settlement(settlement::Event::Settled { request, receipt }) if *request == wanted => {
            Some(&**receipt)
        }
        _ => None,
    })
}

fn closed(entry: &Entry, wanted: RequestId) -> Option<Closed> {
    if let Some(receipt) = settled(entry, wanted) {
        let legs =
            entry.events.iter().find_map(|event| match event {
                Event::Ledger(ledger::Event::Posted {
                    legs, purpose: Purpose::Receipt { request }, ..
                }) if *request == wanted => Some(legs.clone()),
                _ => None,
            });
        // A receipt of nothing posts nothing.
        return Some(Closed::Settled {
            receipt: Box::new(receipt.clone()),
            legs: legs.unwrap_or_else(Vec::new),
        });
    }
    entry.events.iter().find_map(|event| match event {
        Event::Settlement(settlement::Event::Released { request, account, release })
            if *request == wanted =>
        {
            Some(Closed::Released { account: *account, release: release.clone() })
        }
        _ => None,
    })
}

//! Reading: the views, held for a moment.
//!
//! What names an entry is told as far as the log is durable, since whoever hears of an entry may want to read it.
use super::{Line, Views};
use crate::archive::StatementLine;
use std::ops::{Deref, Range};
use std::sync::RwLockReadGuard;
use sycee_core::State;
use sycee_core::ids::{AccountId, Amount, Handle, RequestId};
use sycee_core::ledger::Account;

/// The views as they are. The writer waits for it: hold it briefly, and never across an await.
#[derive(Debug)]
pub struct Reading<'a> {
    views: RwLockReadGuard<'a, Views>,
    /// Entries before it are durable.
    durable: u64,
}

impl Deref for Reading<'_> {
    type Target = Views;
    fn deref(&self) -> &Views {
        &self.views
    }
}

impl<'a> Reading<'a> {
    pub(crate) fn new(views: RwLockReadGuard<'a, Views>, durable: u64) -> Self {
        Self { views, durable }
    }

    /// Where the receipt of a request is.
    pub fn position_of(&self, request: RequestId) -> Option<u64> {
        self.views.by_request.get(&request).copied().filter(|position| *position < self.durable)
    }

    /// Closed requests, newest first: of one payer or of all. `before` is the cursor of the last one seen, and each comes with
    /// its own.
    pub fn receipts(
        &self,
        payer: Option<AccountId>,
        before: Option<u64>,
        limit: usize,
    ) -> Vec<(u64, RequestId)> {
        let closed = &self.views.closed;
        let durable = u64::from(closed.partition_point(|(position, _)| *position < self.durable).0);
        let end = before.map_or(durable, |before| before.min(durable));
        let at = |index: u64| {
            let handle = Handle(u32::try_from(index).ok()?);
            closed.get(handle).map(|(_, request)| (index, *request))
        };
        match payer {
            None => (0..end).rev().take(limit).filter_map(at).collect(),
            Some(account) => {
                let of_payer = self.views.by_payer.get(&account).map_or(&[][..], Vec::as_slice);
                let end = of_payer.partition_point(|index| *index < end);
                of_payer[..end].iter().rev().take(limit).filter_map(|index| at(*index)).collect()
            }
        }
    }

    /// Number of statement lines of an account.
    pub fn line_count(&self, account: Account) -> usize {
        self.durable_lines(account).len()
    }

    /// Statement lines, oldest first, each with what the account had before it.
    pub(crate) fn lines(&self, account: Account, range: Range<usize>) -> Vec<(Line, Amount)> {
        let lines = self.durable_lines(account);
        let start = range.start.min(lines.len());
        let end = range.end.clamp(start, lines.len());
        let mut before = start.checked_sub(1).map_or(0, |index| lines[index].balance);
        let with_opening = lines[start..end].iter().map(|line| {
            let opening = std::mem::replace(&mut before, line.balance);
            (*line, opening)
        });
        with_opening.collect()
    }

    /// What lines of metering have moved of an account since its first so many statement lines; none if there are more of these.
    pub fn metered_since(&self, account: Account, line_count: usize) -> Option<StatementLine> {
        let lines = self.views.lines.get(&account).map_or(&[][..], Vec::as_slice);
        let before = lines.last().map_or(0, |line| line.balance);
        let State { ledger, position, at, .. } = &self.views.state;
        let balance = ledger.balance(account)?.amount;
        let is_all = lines.len() == line_count && balance != before;
        is_all.then(|| StatementLine::metered(position.saturating_sub(1), *at, balance - before, balance))
    }

    fn durable_lines(&self, account: Account) -> &[Line] {
        let lines = self.views.lines.get(&account).map_or(&[][..], Vec::as_slice);
        &lines[..lines.partition_point(|line| line.position < self.durable)]
    }
}

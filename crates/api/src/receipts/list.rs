//! Which receipts a list shows, newest first: those that accounts paid for, and those that sites served.
//!
//! The views index receipts by who paid. Those that a site served are found through the statement of the account that the site
//! is paid into: every receipt that paid it is a line there.
use crate::error::Problem;
use crate::lines;
use crate::state::Api;
use std::collections::BTreeSet;
use sycee_core::State;
use sycee_core::catalog::PartyRole;
use sycee_core::ids::{AccountId, MemberId, RequestId};
use sycee_core::ledger::{Account, Purpose};
use sycee_node::{Cause, Reading};

/// Statement lines read at a time.
const CHUNK: usize = 64;

/// A closed request: its place in the order in which requests were closed, which is the cursor, and its id.
type Closed = (u64, RequestId);

/// What a list is of.
pub(super) enum Wanted {
    Everything,
    Of {
        payers: BTreeSet<AccountId>,
        /// Accounts that sites are paid into.
        served: BTreeSet<AccountId>,
    },
}

impl Wanted {
    pub(super) fn of_account(state: &State, account: AccountId) -> Self {
        let mut sites = state.catalog.sites().iter();
        let paid_there = sites.any(|(_, site)| site.account == account);
        Self::Of { payers: [account].into(), served: paid_there.then_some(account).into_iter().collect() }
    }

    pub(super) fn of_member(state: &State, member: MemberId) -> Self {
        let owned = state.ledger.accounts().iter().filter(|(_, details)| details.member == member);
        let payers: BTreeSet<AccountId> = owned.map(|(id, _)| *id).collect();
        let sites = state.catalog.sites().iter().map(|(_, site)| site.account);
        let served = sites.filter(|account| payers.contains(account)).collect();
        Self::Of { payers, served }
    }

    /// The newest that were closed before the one at `before`.
    pub(super) fn newest(
        &self,
        api: &Api,
        before: Option<u64>,
        limit: usize,
    ) -> Result<Vec<Closed>, Problem> {
        let Self::Of { payers, served } = self else {
            return Ok(api.node.views().receipts(None, before, limit));
        };
        let mut found: BTreeSet<Closed> = BTreeSet::new();
        for account in payers {
            found.extend(api.node.views().receipts(Some(*account), before, limit));
        }
        for account in served {
            found.extend(served_by(api, *account, before.unwrap_or(u64::MAX), limit)?);
        }
        Ok(found.into_iter().rev().take(limit).collect())
    }
}

/// Receipts of the sites that are paid into `account`, newest first.
fn served_by(api: &Api, account: AccountId, before: u64, limit: usize) -> Result<Vec<Closed>, Problem> {
    let place = Account::Member(account);
    let bound = position_at(&api.node.views(), before);
    let mut end = match bound {
        Some(bound) => lines::count_before(api, place, |line| line.position <= bound)?,
        None => api.node.views().line_count(place),
    };
    let mut found = Vec::new();
    while end > 0 && found.len() < limit {
        let start = end.saturating_sub(CHUNK);
        let movements = api.node.statement(place, start..end)?;
        let views = api.node.views();
        for movement in movements.iter().rev() {
            let Cause::Posting(Purpose::Receipt { request }) = movement.cause else { continue };
            let index = index_of(&views, movement.position, request);
            let index = index.filter(|index| *index < before && movement.role == Some(PartyRole::Site));
            found.extend(index.map(|index| (index, request)));
        }
        end = start;
    }
    found.truncate(limit);
    Ok(found)
}

/// Position of the entry that closed the request at `index`.
fn position_at(views: &Reading<'_>, index: u64) -> Option<u64> {
    let (_, request) = closed_at(views, index)?;
    views.position_of(request)
}

fn closed_at(views: &Reading<'_>, index: u64) -> Option<Closed> {
    let newest = views.receipts(None, Some(index.checked_add(1)?), 1);
    newest.first().copied().filter(|(at, _)| *at == index)
}

/// The place of a request that the entry at `position` closed: requests are in the order of these positions.
fn index_of(views: &Reading<'_>, position: u64, request: RequestId) -> Option<u64> {
    let (newest, _) = views.receipts(None, None, 1).first().copied()?;
    let (mut low, mut high) = (0, newest + 1);
    while low < high {
        let middle = low.midpoint(high);
        if position_at(views, middle).is_some_and(|at| at < position) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    let mut of_entry = (low..).map_while(|index| closed_at(views, index));
    let mut of_entry = of_entry.by_ref().take_while(|(_, it)| views.position_of(*it) == Some(position));
    of_entry.find(|(_, it)| *it == request).map(|(index, _)| index)
}

//! Receipts: what was bought, where, at what price, and who was paid.
use crate::accounts::named;
use crate::body::{Asked, Named};
use crate::caller::Caller;
use crate::error::{ErrorBody, Problem};
use crate::page::{Page, PageQuery};
use crate::state::Api;
use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use sycee_core::State as Core;
use sycee_core::ids::{AccountId, RequestId};
use sycee_core::ledger::Account as Place;
use sycee_node::{Closed, Receipt as Recorded};
use utoipa::IntoParams;

mod list;
mod parts;
mod view;
use list::Wanted;
pub(crate) use parts::joules;
pub(crate) use view::{OverviewReceipt, Receipt, summary};

#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct ReceiptsQuery {
    /// Only those that this account paid for, or that paid it as a site's account. Left out: those of all of the caller's
    /// accounts and sites, or every one for those who see all.
    account: Option<String>,
    /// `next` of the page before.
    cursor: Option<String>,
    /// Items of a page: 50 if left out, at most 200.
    limit: Option<usize>,
}

/// Receipts, newest first.
#[utoipa::path(get, path = "/receipts", operation_id = "receipts_list", tag = "receipts", params(ReceiptsQuery),
    responses((status = 200, body = Page<Receipt>), (status = 403, body = ErrorBody)))]
pub(crate) async fn list(
    State(api): State<Api>,
    caller: Caller,
    Asked(query): Asked<ReceiptsQuery>,
) -> Result<Json<Page<Receipt>>, Problem> {
    let page = PageQuery { cursor: query.cursor, limit: query.limit };
    let before = page.number()?;
    let wanted = wanted(&api, &caller, query.account.as_deref())?;
    let read = move |api: &Api| {
        let found = wanted.newest(api, before, page.limit() + 1)?;
        let more = found.len() > page.limit();
        let shown = &found[..found.len().min(page.limit())];
        let next = shown.last().filter(|_| more).map(|(cursor, _)| cursor.to_string());
        let mut items = Vec::with_capacity(shown.len());
        for (_, request) in shown {
            items.extend(api.node.receipt(*request)?.map(|recorded| show(api, &caller, &recorded)));
        }
        Ok(Page { items, next })
    };
    Ok(Json(api.read(read).await?))
}

fn wanted(api: &Api, caller: &Caller, account: Option<&str>) -> Result<Wanted, Problem> {
    let views = api.node.views();
    match account {
        Some(name) => match named(&views.state, caller, name)? {
            Place::Member(id) => Ok(Wanted::of_account(&views.state, id)),
            Place::Fees(_) | Place::Outside(_) => {
                Err(Problem::bad_request("api.bad_id", "a house account pays for no request"))
            }
        },
        None if caller.sees_all() => Ok(Wanted::Everything),
        None => Ok(Wanted::of_member(&views.state, caller.id)),
    }
}

/// One receipt: for the member who paid, the provider whose site served, operators and auditors.
#[utoipa::path(get, path = "/receipts/{id}", operation_id = "receipts_get", tag = "receipts", params(("id" = String, Path)),
    responses((status = 200, body = Receipt), (status = 403, body = ErrorBody), (status = 404, body = ErrorBody)))]
pub(crate) async fn get(
    State(api): State<Api>,
    caller: Caller,
    Named(id): Named<RequestId>,
) -> Result<Json<Receipt>, Problem> {
    let read = move |api: &Api| {
        let Some(recorded) = api.node.receipt(id)? else {
            return Err(Problem::not_found("receipt").hint("a receipt is there once its request has ended"));
        };
        may_see(&api.node.views().state, &caller, &recorded)?;
        Ok(show(api, &caller, &recorded))
    };
    Ok(Json(api.read(read).await?))
}

/// The account that paid, or would have.
pub(crate) fn payer(recorded: &Recorded) -> AccountId {
    match &recorded.closed {
        Closed::Settled { receipt, legs: _ } => receipt.account,
        Closed::Released { account, release: _ } => *account,
    }
}

fn owns_payer(state: &Core, caller: &Caller, recorded: &Recorded) -> bool {
    state.ledger.account(payer(recorded)).is_some_and(|details| details.member == caller.id)
}

fn may_see(state: &Core, caller: &Caller, recorded: &Recorded) -> Result<(), Problem> {
    let served = match &recorded.closed {
        Closed::Settled { receipt, legs: _ } => state.catalog.sites().get(&receipt.site),
        Closed::Released { account: _, release: _ } => None,
    };
    let provides = served.is_some_and(|site| caller.owns_site(state, site));
    if caller.sees_all() || provides || owns_payer(state, caller, recorded) {
        return Ok(());
    }
    Err(Problem::not_yours())
}

/// A receipt as the caller may see it: what a consumer calls its keys is its own affair.
fn show(api: &Api, caller: &Caller, recorded: &Recorded) -> Receipt {
    let checkpoint = api.node.checkpoint().size;
    let views = api.node.views();
    let knows_key = caller.sees_all() || owns_payer(&views.state, caller, recorded);
    let mut receipt = view::receipt(&views.state, recorded, checkpoint);
    if !knows_key {
        receipt.key_label = None;
    }
    receipt
}

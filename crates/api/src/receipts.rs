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
use sycee_core::ids::RequestId;
use sycee_core::ledger::Account as Place;
use sycee_node::Closed;
use utoipa::IntoParams;

mod view;
pub(crate) use view::{Receipt, Summary, joules, summary};

#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct ReceiptsQuery {
    /// Only those that this account paid; needed unless the caller sees all.
    account: Option<String>,
    cursor: Option<String>,
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
    let found = {
        let views = api.node.views();
        let own = || {
            let mut owned = views.state.ledger.accounts().iter().filter(|(_, it)| it.member == caller.id);
            owned.next().map(|(id, _)| *id)
        };
        let payer = match &query.account {
            Some(name) => match named(&views.state, &caller, name)? {
                Place::Member(id) => Some(id),
                Place::Fees(_) | Place::Outside(_) => {
                    return Err(Problem::bad_request("api.bad_id", "a house account pays nothing"));
                }
            },
            None if caller.sees_all() => None,
            None => match own() {
                Some(id) => Some(id),
                None => return Ok(Json(Page { items: Vec::new(), next: None })),
            },
        };
        views.receipts(payer, before, page.limit() + 1)
    };
    let more = found.len() > page.limit();
    let shown = &found[..found.len().min(page.limit())];
    let next = shown.last().filter(|_| more).map(|(cursor, _)| cursor.to_string());
    let mut items = Vec::with_capacity(shown.len());
    for (_, request) in shown {
        items.extend(read(&api, *request)?);
    }
    Ok(Json(Page { items, next }))
}

fn read(api: &Api, request: RequestId) -> Result<Option<Receipt>, Problem> {
    let Some(receipt) = api.node.receipt(request)? else { return Ok(None) };
    let checkpoint = api.node.checkpoint().size;
    Ok(Some(view::receipt(&api.node.views().state, &receipt, checkpoint)))
}

/// One receipt: for the member who paid, the provider whose site served, operators and auditors.
#[utoipa::path(get, path = "/receipts/{id}", operation_id = "receipts_get", tag = "receipts", params(("id" = String, Path)),
    responses((status = 200, body = Receipt), (status = 403, body = ErrorBody), (status = 404, body = ErrorBody)))]
pub(crate) async fn get(
    State(api): State<Api>,
    caller: Caller,
    Named(id): Named<RequestId>,
) -> Result<Json<Receipt>, Problem> {
    let found = api.node.receipt(id)?;
    let Some(receipt) = found else {
        return Err(Problem::not_found("receipt").hint("a receipt is there once its request has ended"));
    };
    {
        let views = api.node.views();
        let state = &views.state;
        let (payer, site) = match &receipt.closed {
            Closed::Settled { receipt, .. } => (receipt.account, Some(receipt.site)),
            Closed::Released { account, .. } => (*account, None),
        };
        let owner = state.ledger.account(payer).map(|details| details.member);
        let served = site.and_then(|site| state.catalog.sites().get(&site));
        let provides = served.is_some_and(|site| caller.owns_site(state, site));
        if !(caller.sees_all() || owner == Some(caller.id) || provides) {
            return Err(Problem::not_yours());
        }
    }
    let checkpoint = api.node.checkpoint().size;
    Ok(Json(view::receipt(&api.node.views().state, &receipt, checkpoint)))
}

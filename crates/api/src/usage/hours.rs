//! Hours: what lines came to, by the hour in which they started.
use crate::body::{Asked, bad_id, moment};
use crate::caller::Caller;
use crate::error::{ErrorBody, Problem};
use crate::money::Currency;
use crate::page::{Page, PageQuery};
use crate::receipts::joules;
use crate::state::Api;
use crate::time;
use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use sycee_core::State as Core;
use sycee_core::ids::{AccountId, Handle, OfferId, Time};
use sycee_core::ledger::Account;
use sycee_core::limits::HOUR;
use sycee_node::{OfferHour, PayerHour, Views};
use utoipa::{IntoParams, ToSchema};

/// What was metered elsewhere and started in an hour: of an offer, or of an account that paid.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct UsageHour {
    /// When it began, RFC 3339.
    hour: String,
    /// Null if it is of an account.
    offer: Option<String>,
    model_name: Option<String>,
    site_name: Option<String>,
    /// Null if it is of an offer.
    account: Option<String>,
    /// Lines that were counted.
    lines: u64,
    /// Of these, lines that could not be paid; null if it is of an account.
    unbilled: Option<u64>,
    /// Of all buckets.
    tokens: u64,
    /// Tokens by bucket, those above zero; null if it is of an account.
    buckets: Option<BTreeMap<&'static str, u64>>,
    /// What was paid.
    money: String,
    asset: String,
    /// Energy at the machine; null if it is of an account.
    joules: Option<f64>,
}

#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct UsageHoursQuery {
    /// Id of the account that paid; by offer if left out.
    account: Option<String>,
    /// RFC 3339; hours that begin then or later.
    from: Option<String>,
    /// RFC 3339; hours that begin before.
    to: Option<String>,
    /// `next` of the page before.
    cursor: Option<String>,
    /// Items of a page: 50 if left out, at most 200.
    limit: Option<usize>,
}

/// What was metered elsewhere by hour, oldest first: of each offer, those at one's own sites for those who do not see all; or of one
/// account.
#[utoipa::path(get, path = "/usage/hours", operation_id = "usage_hours_list", tag = "usage", params(UsageHoursQuery),
    responses((status = 200, body = Page<UsageHour>), (status = 403, body = ErrorBody), (status = 404, body = ErrorBody)))]
pub(crate) async fn list(
    State(api): State<Api>,
    caller: Caller,
    Asked(query): Asked<UsageHoursQuery>,
) -> Result<Json<Page<UsageHour>>, Problem> {
    let page = PageQuery { cursor: query.cursor, limit: query.limit };
    let account = query.account.as_deref().map(str::parse::<AccountId>).transpose();
    let account = account.map_err(|error| bad_id(&error))?;
    let from = moment(query.from.as_deref(), Time(0))?.0.div_ceil(HOUR);
    let to = moment(query.to.as_deref(), Time(u64::MAX))?.0.div_ceil(HOUR);
    let views = api.node.views();
    let span = Span { from, to, after: page.number()? };
    match account {
        Some(account) => {
            caller.may_see_account(&views.state, account)?;
            Ok(Json(of_account(&views, &page, &span, account)))
        }
        None => Ok(Json(of_offers(&views, &page, &span, &caller))),
    }
}

/// Which rows a page begins with. A row's number is its hour and, below, the handle of its offer.
struct Span {
    from: u64,
    to: u64,
    after: Option<u64>,
}

const OFFER_BITS: u32 = 32;

impl Span {
    fn hours<'a>(&self, views: &'a Views) -> impl Iterator<Item = u64> + use<'a> {
        let from = self.from.max(self.after.map_or(0, |last| last >> OFFER_BITS));
        let to = self.to;
        views.metered().hours().skip_while(move |hour| *hour < from).take_while(move |hour| *hour < to)
    }

    fn comes(&self, row: u64) -> bool {
        self.after.is_none_or(|last| row > last)
    }
}

fn of_account(views: &Views, page: &PageQuery, span: &Span, account: AccountId) -> Page<UsageHour> {
    let state = &views.state;
    let currency = Currency::of_account(state, account);
    let payer = state.ledger.handle(Account::Member(account)).expect("L3: accounts have handles");
    let rows = span.hours(views).map(|hour| (hour << OFFER_BITS, hour)).filter(|(row, _)| span.comes(*row));
    let rows = rows.filter_map(|(row, hour)| {
        let used = views.metered().payer(hour, payer).filter(|used| used.lines > 0)?;
        Some((row, (hour, used)))
    });
    page.of(rows, |_, (hour, used)| {
        let PayerHour { lines, tokens, money } = *used;
        UsageHour {
            hour: written(hour),
            offer: None,
            model_name: None,
            site_name: None,
            account: Some(account.to_string()),
            lines: lines.into(),
            unbilled: None,
            tokens,
            buckets: None,
            money: currency.write(money),
            asset: currency.code.clone(),
            joules: None,
        }
    })
}

fn of_offers(views: &Views, page: &PageQuery, span: &Span, caller: &Caller) -> Page<UsageHour> {
    let state = &views.state;
    let seen = offers_of(state, caller);
    let rows = span.hours(views).flat_map(|hour| {
        let numbered = seen
            .iter()
            .map(move |(handle, offer)| (hour << OFFER_BITS | u64::from(handle.0), hour, *handle, *offer));
        numbered.filter(|(row, ..)| span.comes(*row)).filter_map(|(row, hour, handle, offer)| {
            let sold = views.metered().offer(hour, handle).filter(|sold| sold.lines > 0)?;
            Some((row, (hour, offer, sold)))
        })
    });
    page.of(rows, |_, (hour, offer, sold)| of_offer(state, hour, offer, sold))
}

/// The offers that the caller sees the sales of, in the order of their handles.
fn offers_of(state: &Core, caller: &Caller) -> Vec<(Handle, OfferId)> {
    let catalog = &state.catalog;
    let is_seen = |offer: &OfferId| {
        let site = catalog.offers().get(offer).and_then(|offer| catalog.sites().get(&offer.site));
        caller.sees_all() || site.is_some_and(|site| caller.owns_site(state, site))
    };
    let all = (0..catalog.offer_handles()).map(Handle);
    let named = all.filter_map(|handle| Some((handle, catalog.offer_by_handle(handle)?)));
    named.filter(|(_, offer)| is_seen(offer)).collect()
}

fn of_offer(state: &Core, hour: u64, id: OfferId, sold: &OfferHour) -> UsageHour {
    let OfferHour { lines, unbilled, tokens, money, microjoules } = *sold;
    let catalog = &state.catalog;
    let offer = catalog.offers().get(&id).expect("C4: a handle names an offer");
    let site = catalog.sites().get(&offer.site).expect("C3: sites are never removed");
    // A site is paid in the asset of its account, whatever the schedule.
    let currency = Currency::of_account(state, site.account);
    let above_zero = tokens.iter().filter(|(_, tokens)| *tokens > 0);
    UsageHour {
        hour: written(hour),
        offer: Some(id.to_string()),
        model_name: catalog.models().get(&offer.model).map(|model| model.name.clone()),
        site_name: Some(site.name.clone()),
        account: None,
        lines,
        unbilled: Some(unbilled),
        tokens: tokens.iter().fold(0, |sum: u64, (_, tokens)| sum.saturating_add(tokens)),
        buckets: Some(above_zero.map(|(bucket, tokens)| (bucket.name(), tokens)).collect()),
        money: currency.write(money),
        asset: currency.code,
        joules: Some(joules(microjoules)),
    }
}

fn written(hour: u64) -> String {
    time::format(Time(hour.saturating_mul(HOUR)))
}

//! Statements: every movement of an account with what it had after it, as JSON in pages or as one CSV.
use crate::accounts::named;
use crate::body::{Asked, Named, moment};
use crate::caller::Caller;
use crate::error::{ErrorBody, Problem};
use crate::lines;
use crate::money::{Currency, account_name, party_name};
use crate::page::PageQuery;
use crate::state::Api;
use crate::time;
use crate::vocabulary::{MovementKind, PartyRole};
use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use sycee_core::State as Core;
use sycee_core::catalog;
use sycee_core::ids::Time;
use sycee_core::ledger::{Account, Purpose};
use sycee_node::{Cause, StatementLine as Movement};
use utoipa::{IntoParams, ToSchema};

/// Lines read from the log at a time.
const CHUNK: usize = 500;
/// Movements of one file; a longer period is refused, since a file that ends early would not add up.
pub(crate) const FILE_LINES_MAX: usize = if cfg!(test) { 300 } else { 200_000 };

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Statement {
    /// What the account had before the first line shown.
    opening: String,
    /// What it had after the last line shown.
    closing: String,
    asset: String,
    items: Vec<StatementLine>,
    /// Give this as `cursor` for the next page; null on the last, and in a file.
    next: Option<String>,
}

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct StatementLine {
    position: u64,
    at: String,
    kind: MovementKind,
    /// The receipt's id, or the words given with a deposit, payout or correction.
    reference: Option<String>,
    /// Position of the entry that a correction corrects.
    corrects: Option<u64>,
    /// Why the account was paid from a receipt.
    role: Option<PartyRole>,
    counterparty: String,
    counterparty_account: String,
    /// Why an operator did it.
    reason: Option<String>,
    /// Signed.
    amount: String,
    balance: String,
}

#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct StatementQuery {
    /// RFC 3339; the first moment shown.
    from: Option<String>,
    /// RFC 3339; the first moment not shown any more.
    to: Option<String>,
    /// `next` of the page before.
    cursor: Option<String>,
    /// Movements of a page: 50 if left out, at most 200. Those of one entry stay together, even if they are more.
    limit: Option<usize>,
    /// `json` in pages if left out, or `csv` whole.
    #[param(inline)]
    format: Option<Format>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum Format {
    Json,
    Csv,
}

/// The movements of an account, oldest first.
#[utoipa::path(get, path = "/accounts/{id}/statement", operation_id = "statements_get", tag = "accounts",
    params(("id" = String, Path), StatementQuery),
    responses((status = 200, content((Statement = "application/json"), (String = "text/csv"))), (status = 403, body = ErrorBody), (status = 404, body = ErrorBody),
        (status = 422, body = ErrorBody, description = "too long for one file")))]
pub(crate) async fn get(
    State(api): State<Api>,
    caller: Caller,
    Named(id): Named<String>,
    Asked(query): Asked<StatementQuery>,
) -> Result<Response, Problem> {
    let csv = query.format == Some(Format::Csv);
    let work = move |api: &Api| -> Result<Response, Problem> {
        let page = PageQuery { cursor: query.cursor, limit: query.limit };
        let limit = if csv { FILE_LINES_MAX } else { page.limit() };
        let span = Span {
            from: moment(query.from.as_deref(), Time(0))?,
            to: moment(query.to.as_deref(), Time(u64::MAX))?,
        };
        let start = usize::try_from(page.number()?.unwrap_or(0)).unwrap_or(usize::MAX);
        let statement = read(api, &caller, &id, span, start, limit)?;
        match (csv, &statement.next) {
            (false, _) => Ok(Json(statement).into_response()),
            (true, None) => Ok(as_csv(&id, &statement)),
            (true, Some(_)) => Err(too_long()),
        }
    };
    api.read(work).await
}

fn too_long() -> Problem {
    let message = format!("a file has at most {FILE_LINES_MAX} movements");
    Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "api.period_too_long", message)
        .hint("choose a shorter period by `from` and `to`")
}

#[derive(Clone, Copy)]
struct Span {
    from: Time,
    to: Time,
}

fn read(
    api: &Api,
    caller: &Caller,
    id: &str,
    span: Span,
    cursor: usize,
    limit: usize,
) -> Result<Statement, Problem> {
    let (place, currency, count) = {
        let views = api.node.views();
        let place = named(&views.state, caller, id)?;
        let balance = views.state.ledger.balance(place).ok_or_else(|| Problem::not_found("account"))?;
        (place, Currency::of(&views.state, balance.asset), views.line_count(place))
    };
    let first = lines::count_before(api, place, |line| line.at < span.from)?;
    let end = lines::count_before(api, place, |line| line.at < span.to)?.min(count);
    let start = cursor.max(first).min(end.max(first));
    let opening = match start.checked_sub(1) {
        Some(before) => api.node.statement(place, before..start)?.last().map_or(0, |line| line.balance),
        None => 0,
    };
    let (mut shown, reached) = movements(api, place, start, end, limit)?;
    let views = api.node.views();
    // Metering has no lines of its own; what it has moved since the last one is told where the statement reaches the present.
    if reached == count && views.state.at < span.to && views.state.at >= span.from {
        shown.extend(views.metered_since(place, count));
    }
    let closing = shown.last().map_or(opening, |line| line.balance);
    Ok(Statement {
        opening: currency.write(opening),
        closing: currency.write(closing),
        asset: currency.code.clone(),
        items: shown.iter().map(|line| view(&views.state, &currency, line)).collect(),
        next: (reached < end).then(|| reached.to_string()),
    })
}

/// At most `limit` movements from the lines between `start` and `end`, and the line that the next page begins with. All movements
/// of an entry are on one page, so a page of less than an entry has one.
fn movements(
    api: &Api,
    place: Account,
    start: usize,
    end: usize,
    limit: usize,
) -> Result<(Vec<Movement>, usize), Problem> {
    let (mut shown, mut reached) = (Vec::new(), start);
    while reached < end && shown.len() < limit {
        let read = api.node.statement(place, reached..end.min(reached + CHUNK.min(limit)))?;
        for entry in read.chunk_by(|line, next| line.position == next.position) {
            if !shown.is_empty() && shown.len() + entry.len() > limit {
                return Ok((shown, reached));
            }
            shown.extend_from_slice(entry);
            reached += 1;
        }
    }
    Ok((shown, reached))
}

fn view(state: &Core, currency: &Currency, line: &Movement) -> StatementLine {
    let (kind, reference, corrects) = match line.cause {
        Cause::Metering => (MovementKind::Metering, None, None),
        Cause::Posting(Purpose::Deposit) => (MovementKind::Deposit, line.reference.clone(), None),
        Cause::Posting(Purpose::Payout) => (MovementKind::Payout, line.reference.clone(), None),
        Cause::Posting(Purpose::Correction { corrects }) => {
            (MovementKind::Correction, line.reference.clone(), Some(corrects))
        }
        Cause::Posting(Purpose::Receipt { request }) => {
            (MovementKind::Receipt, Some(request.to_string()), None)
        }
    };
    StatementLine {
        position: line.position,
        at: time::format(line.at),
        kind,
        reference,
        corrects,
        role: line.role.map(PartyRole::from),
        counterparty: line.counterparty.map_or_else(String::new, |it| party_name(state, it)),
        counterparty_account: line.counterparty.map_or_else(String::new, |it| account_name(state, it)),
        reason: line.reason.clone(),
        amount: currency.write(line.amount),
        balance: currency.write(line.balance),
    }
}

fn as_csv(id: &str, statement: &Statement) -> Response {
    let mut text =
        String::from("position,at,kind,reference,corrects,role,counterparty,reason,amount,balance,asset\r\n");
    for line in &statement.items {
        let corrects = line.corrects.map_or_else(String::new, |position| position.to_string());
        let fields = [
            line.position.to_string(),
            line.at.clone(),
            line.kind.word().to_owned(),
            quoted(line.reference.as_deref()),
            corrects,
            line.role.map_or("", |role| catalog::PartyRole::from(role).name()).to_owned(),
            quoted(Some(&line.counterparty)),
            quoted(line.reason.as_deref()),
            line.amount.clone(),
            line.balance.clone(),
            statement.asset.clone(),
        ];
        text.push_str(&fields.join(","));
        text.push_str("\r\n");
    }
    let disposition = format!("attachment; filename=\"statement-{id}.csv\"");
    (
        [
            (header::CONTENT_TYPE, "text/csv; charset=utf-8".to_owned()),
            (header::CONTENT_DISPOSITION, disposition),
        ],
        text,
    )
        .into_response()
}

/// A field of RFC 4180, with an apostrophe before what a spreadsheet would take for a formula.
fn quoted(text: Option<&str>) -> String {
    let text = text.unwrap_or("");
    let guard = if text.starts_with(['=', '+', '-', '@', '\t', '\r']) { "'" } else { "" };
    format!("\"{guard}{}\"", text.replace('"', "\"\""))
}

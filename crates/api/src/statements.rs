//! Statements: every movement of an account with what it had after it, as JSON in pages or as one CSV.
use crate::accounts::named;
use crate::body::Asked;
use crate::caller::Caller;
use crate::error::{ErrorBody, Problem};
use crate::money::{Currency, account_name, party_name};
use crate::page::PageQuery;
use crate::state::Api;
use crate::time;
use axum::Json;
use axum::extract::{Path, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use sycee_core::State as Core;
use sycee_core::ids::Time;
use sycee_core::ledger::Purpose;
use sycee_node::StatementLine;
use utoipa::{IntoParams, ToSchema};

/// Lines read from the log at a time.
const CHUNK: usize = 500;
/// Lines of one CSV.
const CSV_LINES_MAX: usize = 1_000_000;

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Statement {
    /// What the account had before the first line shown.
    opening: String,
    /// What it had after the last line shown.
    closing: String,
    asset: String,
    items: Vec<Line>,
    next: Option<String>,
}

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Line {
    position: u64,
    at: String,
    /// `deposit`, `payout`, `correction` or `receipt`.
    kind: &'static str,
    /// The receipt's id, or the words given with a deposit, payout or correction.
    reference: Option<String>,
    /// Position of the entry that a correction corrects.
    corrects: Option<u64>,
    /// Why the account was paid from a receipt.
    role: Option<&'static str>,
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
    cursor: Option<String>,
    limit: Option<usize>,
    /// `json` in pages, or `csv` whole.
    format: Option<String>,
}

/// The movements of an account, oldest first.
#[utoipa::path(get, path = "/accounts/{id}/statement", operation_id = "statements_get", tag = "accounts",
    params(("id" = String, Path), StatementQuery),
    responses((status = 200, body = Statement), (status = 403, body = ErrorBody), (status = 404, body = ErrorBody)))]
pub(crate) async fn get(
    State(api): State<Api>,
    caller: Caller,
    Path(id): Path<String>,
    Asked(query): Asked<StatementQuery>,
) -> Result<Response, Problem> {
    let csv = match query.format.as_deref() {
        None | Some("json") => false,
        Some("csv") => true,
        Some(_) => return Err(Problem::bad_request("api.bad_query", "`format` is `json` or `csv`")),
    };
    let work = move || -> Result<Response, Problem> {
        let page = PageQuery { cursor: query.cursor, limit: query.limit };
        let limit = if csv { CSV_LINES_MAX } else { page.limit() };
        let span = Span {
            from: moment(query.from.as_deref(), Time(0))?,
            to: moment(query.to.as_deref(), Time(u64::MAX))?,
        };
        let start = usize::try_from(page.number()?.unwrap_or(0)).unwrap_or(usize::MAX);
        let statement = read(&api, &caller, &id, span, start, limit)?;
        if csv { Ok(as_csv(&id, &statement)) } else { Ok(Json(statement).into_response()) }
    };
    tokio::task::spawn_blocking(work).await.map_err(|error| {
        tracing::error!("reading a statement panicked: {error}");
        Problem::new(
            axum::http::StatusCode::INTERNAL_SERVER_ERROR,
            "api.internal",
            "the statement could not be read",
        )
    })?
}

#[derive(Clone, Copy)]
struct Span {
    from: Time,
    to: Time,
}

fn moment(text: Option<&str>, otherwise: Time) -> Result<Time, Problem> {
    let Some(text) = text else { return Ok(otherwise) };
    time::parse(text).ok_or_else(|| {
        Problem::bad_request("api.bad_query", format!("`{text}` is not a time"))
            .hint("RFC 3339, such as 2026-12-01T00:00:00Z")
    })
}

fn read(
    api: &Api,
    caller: &Caller,
    id: &str,
    span: Span,
    start: usize,
    limit: usize,
) -> Result<Statement, Problem> {
    let (place, currency, lines) = {
        let views = api.node.views();
        let place = named(&views.state, caller, id)?;
        let balance = views.state.ledger.balance(place).ok_or_else(|| Problem::not_found("account"))?;
        (place, Currency::of(&views.state, balance.asset), views.line_count(place))
    };
    let mut shown: Vec<StatementLine> = Vec::new();
    let (mut index, mut opening, mut ended) = (start, None, false);
    // A page ends between two entries, so that all movements of one entry are on one page.
    while index < lines && shown.len() < limit && !ended {
        let until = lines.min(index + CHUNK.min(limit));
        for line in api.node.statement(place, index..until)? {
            ended |= line.at >= span.to;
            let before = line.balance - line.amount;
            if line.at < span.from {
                opening = Some(line.balance);
            } else if !ended {
                opening = opening.or(Some(before));
                shown.push(line);
            }
        }
        index = until;
    }
    let opening = opening.unwrap_or(0);
    let closing = shown.last().map_or(opening, |line| line.balance);
    let next = (index < lines && !ended).then(|| index.to_string());
    let views = api.node.views();
    Ok(Statement {
        opening: currency.write(opening),
        closing: currency.write(closing),
        asset: currency.code.clone(),
        items: shown.iter().map(|line| view(&views.state, &currency, line)).collect(),
        next,
    })
}

fn view(state: &Core, currency: &Currency, line: &StatementLine) -> Line {
    let (kind, reference, corrects) = match line.purpose {
        Purpose::Deposit => ("deposit", line.reference.clone(), None),
        Purpose::Payout => ("payout", line.reference.clone(), None),
        Purpose::Correction { corrects } => ("correction", line.reference.clone(), Some(corrects)),
        Purpose::Receipt { request } => ("receipt", Some(request.to_string()), None),
    };
    Line {
        position: line.position,
        at: time::format(line.at),
        kind,
        reference,
        corrects,
        role: line.role.map(sycee_core::catalog::PartyRole::name),
        counterparty: party_name(state, line.counterparty),
        counterparty_account: account_name(state, line.counterparty),
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
            line.kind.to_owned(),
            quoted(line.reference.as_deref()),
            corrects,
            line.role.unwrap_or("").to_owned(),
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

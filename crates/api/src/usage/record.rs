//! Recording: lines as they come, one command, and what became of each.
use super::Last;
use super::events::Event;
use super::form::{EVENTS_BYTES_MAX, Form};
use super::room::{Held, discard};
use crate::caller::Caller;
use crate::error::{ErrorBody, Problem};
use crate::money::Currency;
use crate::state::Api;
use crate::submit::Done;
use axum::Json;
use axum::extract::{Request, State};
use axum::http::HeaderMap;
use axum::response::{IntoResponse as _, Response};
use serde::Serialize;
use std::collections::BTreeMap;
use sycee_core::membership::Role;
use sycee_core::metering::{self, Batch, Command, Counted, LineRefusal, Refusal};
use sycee_core::permission::Actor;
use sycee_core::{Outcome, State as Core, Submission};
use utoipa::ToSchema;

/// What became of a report. `accepted`, `duplicates` and the number of `refused` come to the number of its lines.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct UsageCounted {
    /// Where it is written; null if all of it was counted before.
    position: Option<u64>,
    /// Lines that were counted and paid.
    accepted: u64,
    /// Lines that were counted before: they changed nothing.
    duplicates: u64,
    /// Lines that were counted and could not be paid; they are among `refused`.
    unbilled: u64,
    /// The lines that brought no money, in order.
    refused: Vec<UsageLineRefused>,
    /// What was paid, by the asset's code.
    paid: BTreeMap<String, String>,
    /// The number of the source's next line.
    next: u64,
}

/// A line that brought no money.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct UsageLineRefused {
    /// The number of the line.
    sequence: u64,
    /// Which of the report it is, from zero.
    index: u32,
    /// Why: `metering.line.…`.
    code: &'static str,
}

/// Reports usage that was measured elsewhere: lines of one source, in order. Lines that cannot be counted are refused one by one;
/// sent again, a report changes nothing and says so.
#[utoipa::path(post, path = "/usage", operation_id = "usage_record", tag = "usage",
    request_body(content((Vec<Event<'static>> = "application/cloudevents-batch+json"), (Event<'static> = "application/cloudevents+json"),
        (String = "application/vnd.sycee.usage+cbor"))),
    responses((status = 200, body = UsageCounted), (status = 400, body = ErrorBody, description = "it is not JSON, or did not come whole"),
        (status = 403, body = ErrorBody), (status = 404, body = ErrorBody, description = "the caller has no such source"),
        (status = 409, body = ErrorBody, description = "lines before these are missing, `expected` is the number to go on with; or the numbers stand for other lines"),
        (status = 413, body = ErrorBody, description = "it is too large"), (status = 415, body = ErrorBody, description = "it is of another type"),
        (status = 422, body = ErrorBody), (status = 429, body = ErrorBody, description = "more is waiting than the platform keeps; `retry-after` says when again"),
        (status = 503, body = ErrorBody)))]
pub(crate) async fn record(
    State(api): State<Api>,
    caller: Caller,
    request: Request,
) -> Result<Response, Problem> {
    let (parts, mut body) = request.into_parts();
    match receive(&api, &caller, &parts.headers, &mut body).await {
        Ok((form, held)) => {
            let (member, held) = (caller.id, held);
            let read = move |api: &Api| {
                let batch = form.read(api, member, &held)?;
                // The node asks for it; here nobody waits for the thread that works it out.
                batch.hash();
                Ok((batch, held))
            };
            let (batch, _held) = api.read(read).await?;
            submit(&api, &caller, batch).await
        }
        Err(problem) => {
            discard(&mut body, EVENTS_BYTES_MAX).await;
            Err(problem)
        }
    }
}

async fn receive(
    api: &Api,
    caller: &Caller,
    headers: &HeaderMap,
    body: &mut axum::body::Body,
) -> Result<(Form, Held), Problem> {
    if !caller.member.roles.contains(&Role::Meter) {
        return Err(Problem::needs_meter());
    }
    let form = Form::of(headers)?;
    Ok((form, api.usage.room.read(headers, body, form.bytes_max()).await?))
}

async fn submit(api: &Api, caller: &Caller, batch: Batch) -> Result<Response, Problem> {
    let command = Command::Record { batch: batch.clone() };
    let submission = Submission::internal(Actor::Member(caller.id), command);
    let outcome = api.node.submit(submission).await.map_err(Problem::of_report)?;
    match outcome {
        Outcome::Applied { position, events } => {
            let counted = events.iter().find_map(|event| match event {
                sycee_core::Event::Metering(event) => event.recorded(),
                sycee_core::Event::Genesis(_)
                | sycee_core::Event::Ledger(_)
                | sycee_core::Event::Idempotency(_)
                | sycee_core::Event::Params(_)
                | sycee_core::Event::Membership(_)
                | sycee_core::Event::Catalog(_)
                | sycee_core::Event::Royalty(_)
                | sycee_core::Event::Settlement(_) => None,
            });
            let (batch, counted) = counted.expect("a batch that is applied was recorded");
            api.usage.counted(batch.source, Last { position, at: api.node.now() });
            let answer = answer(&api.node.views().state, position, batch, counted);
            Ok((Done { position, repeated: false }, Json(answer)).into_response())
        }
        Outcome::Refused(sycee_core::Refusal::Metering(Refusal::Duplicate)) => {
            Ok(Json(counted_before(&api.node.views().state, &batch)).into_response())
        }
        Outcome::Refused(refusal) | Outcome::Repeated { position: _, refusal: Some(refusal) } => {
            Err(refusal.into())
        }
        Outcome::Repeated { position: _, refusal: None } => unreachable!("a report has no id"),
    }
}

fn answer(state: &Core, position: u64, batch: &Batch, counted: &Counted) -> UsageCounted {
    let refused: Vec<_> = counted
        .refused
        .iter()
        .map(|(index, why)| UsageLineRefused {
            sequence: batch.first + u64::from(*index),
            index: *index,
            code: why.code(),
        })
        .collect();
    let unbilled = counted.refused.iter().filter(|(_, why)| *why == LineRefusal::Unbilled).count();
    let paid = counted.paid.iter().map(|(asset, paid)| {
        let currency = Currency::of(state, *asset);
        let total = currency.write(paid.total);
        (currency.code, total)
    });
    UsageCounted {
        position: Some(position),
        accepted: batch.len() - u64::from(counted.duplicates) - refused.len() as u64,
        duplicates: counted.duplicates.into(),
        unbilled: unbilled as u64,
        refused,
        paid: paid.collect(),
        next: batch.end().expect("it was recorded"),
    }
}

fn counted_before(state: &Core, batch: &Batch) -> UsageCounted {
    UsageCounted {
        position: None,
        accepted: 0,
        duplicates: batch.len(),
        unbilled: 0,
        refused: Vec::new(),
        paid: BTreeMap::new(),
        next: next_of(state, batch.source),
    }
}

fn next_of(state: &Core, source: sycee_core::ids::SourceId) -> u64 {
    state.metering.progress(source).map_or(0, |progress: &metering::Progress| progress.next)
}

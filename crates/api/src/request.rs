//! What every request has in common: an id, the position it was answered at, and waiting for one.
use crate::caller::Caller;
use crate::error::{ErrorBody, Problem, ProblemBody};
use crate::state::Api;
use axum::Json;
use axum::extract::{FromRequestParts as _, Request, State};
use axum::http::{HeaderName, HeaderValue, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use std::time::Duration;

pub(crate) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// Everything up to and including the entry at this position is in the answer.
pub(crate) const POSITION: HeaderName = HeaderName::from_static("x-sycee-position");
/// How long a read waits for the position it asks for.
const AT_LEAST_WAIT: Duration = Duration::from_secs(5);

pub(crate) async fn frame(State(api): State<Api>, request: Request, next: Next) -> Response {
    let id = match api.node.new_id() {
        Ok(id) => format!("{id:032x}"),
        Err(error) => return Problem::from(error).into_response(),
    };
    let tells = tells(request.uri().path());
    let (request, waited) = wait(&api, request).await;
    // Read before the answer is made: what is written meanwhile may be in it, what was written before is.
    let position = api.newest_position();
    let answer = match waited {
        Ok(()) => next.run(request).await,
        Err(problem) => problem.into_response(),
    };
    // What is read may be ahead of the disk; it is told when it is not.
    let answer = match api.node.settled().await {
        Err(unavailable) if tells => Problem::from(unavailable).into_response(),
        Ok(()) | Err(_) => answer,
    };
    let mut answer = with_id(answer, &id);
    let headers = answer.headers_mut();
    headers.entry(POSITION).or_insert(HeaderValue::from(position));
    headers.insert(REQUEST_ID, HeaderValue::from_str(&id).expect("hexadecimal digits"));
    answer
}

/// Whether an answer tells what the log holds. That the node is unwell is told even when it is.
fn tells(path: &str) -> bool {
    path != "/api/v1/health"
        && ["/api/", "/metrics", "/signin/"].iter().any(|prefix| path.starts_with(prefix))
}

/// `?at_least=POSITION`: the answer shows at least what the entry at that position did. Strangers do not wait: they are refused.
async fn wait(api: &Api, request: Request) -> (Request, Result<(), Problem>) {
    let query = request.uri().query().unwrap_or("");
    let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    let wanted = pairs.into_iter().find(|(name, _)| *name == "at_least").map(|(_, text)| text.to_owned());
    let Some(wanted) = wanted else { return (request, Ok(())) };
    let (mut parts, body) = request.into_parts();
    let waited = match Caller::from_request_parts(&mut parts, api).await {
        Ok(_) => reach(api, &wanted).await,
        Err(_) => Ok(()),
    };
    (Request::from_parts(parts, body), waited)
}

async fn reach(api: &Api, wanted: &str) -> Result<(), Problem> {
    let position =
        wanted.parse().map_err(|_| Problem::bad_request("api.bad_query", "`at_least` is not a position"))?;
    if api.node.reached(position, AT_LEAST_WAIT).await {
        return Ok(());
    }
    Err(Problem::unavailable("api.not_reached", format!("the log has not reached position {position}"))
        .hint("ask again later, or without `at_least`"))
}

/// An error names its request in the body too, since people copy bodies.
fn with_id(mut answer: Response, id: &str) -> Response {
    let Some(mut body) = answer.extensions_mut().remove::<ProblemBody>() else { return answer };
    id.clone_into(&mut body.request_id);
    let (mut parts, _) = answer.into_parts();
    parts.headers.remove(header::CONTENT_LENGTH);
    let headers = parts.headers.clone();
    let mut answer = (parts.status, Json(ErrorBody { error: body })).into_response();
    for (name, value) in &headers {
        answer.headers_mut().insert(name, value.clone());
    }
    answer
}

pub(crate) async fn no_such_endpoint() -> Problem {
    Problem::not_found("endpoint").hint("see /api/v1/openapi.json")
}

pub(crate) async fn no_such_method() -> Problem {
    let status = axum::http::StatusCode::METHOD_NOT_ALLOWED;
    Problem::new(status, "api.method_not_allowed", "this endpoint does not know that method")
        .hint("see /api/v1/openapi.json")
}

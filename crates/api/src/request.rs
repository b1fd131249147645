//! What every request has in common: an id, the position it was answered at, and waiting for one.
use crate::error::{ErrorBody, Problem, ProblemBody};
use crate::state::Api;
use axum::Json;
use axum::extract::{Request, State};
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use std::time::Duration;

static REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
static POSITION: HeaderName = HeaderName::from_static("x-sycee-position");
/// How long a read waits for the position it asks for.
const AT_LEAST_WAIT: Duration = Duration::from_secs(5);

pub(crate) async fn frame(State(api): State<Api>, request: Request, next: Next) -> Response {
    let id = match api.node.new_id() {
        Ok(id) => format!("{id:032x}"),
        Err(error) => return Problem::from(error).into_response(),
    };
    let answer = match wait(&api, request.uri().query()).await {
        Ok(()) => next.run(request).await,
        Err(problem) => problem.into_response(),
    };
    let mut answer = with_id(answer, &id);
    let headers = answer.headers_mut();
    headers.insert(&POSITION, HeaderValue::from(api.node.views().state.position));
    headers.insert(&REQUEST_ID, HeaderValue::from_str(&id).expect("hexadecimal digits"));
    answer
}

/// `?at_least=POSITION`: the answer shows at least what that position wrote.
async fn wait(api: &Api, query: Option<&str>) -> Result<(), Problem> {
    let pairs = query.unwrap_or("").split('&').filter_map(|pair| pair.split_once('='));
    let Some((_, text)) = pairs.into_iter().find(|(name, _)| *name == "at_least") else { return Ok(()) };
    let position =
        text.parse().map_err(|_| Problem::bad_request("api.bad_query", "`at_least` is not a position"))?;
    if api.node.reached(position, AT_LEAST_WAIT).await {
        return Ok(());
    }
    let message = format!("the log has not reached position {position}");
    Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, "api.not_reached", message)
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

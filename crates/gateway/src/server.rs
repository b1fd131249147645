//! The HTTP shell: who asks, for what, and in which headers the answer goes out.
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{ConnectInfo, Path, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use http_body_util::BodyExt;
use serde_json::Value;
use sha2::{Digest, Sha256};
use sycee_core::ids::{AccountId, Hash, KeyId, RequestId};
use sycee_core::settlement::Endpoint;
use tokio::time::timeout;

use crate::connection::Connection;
use crate::driver::Driver;
use crate::flow::Order;
use crate::gateway::{Gateway, Shared};
use crate::joins::{self, Joinable, Joined, Likeness};
use crate::models;
use crate::network::Network;
use crate::options::Options;
use crate::problem::Problem;
use crate::request::Parsed;
use crate::routing::{self, Wanted};
use crate::serve::TooSlow;
use crate::transcript::{Reader, Transcript};

#[cfg(test)]
mod site;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod world;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const RECEIPT: HeaderName = HeaderName::from_static("x-sycee-receipt");
const SCHEDULE: HeaderName = HeaderName::from_static("x-sycee-schedule");
const SHOULD_RETRY: HeaderName = HeaderName::from_static("x-should-retry");
const API_KEY: HeaderName = HeaderName::from_static("x-api-key");
const LIMIT_REQUESTS: HeaderName = HeaderName::from_static("x-ratelimit-limit-requests");
const REMAINING_REQUESTS: HeaderName = HeaderName::from_static("x-ratelimit-remaining-requests");
/// How much of a request that is too large is read all the same, and for how long.
const DISCARD_FACTOR: usize = 4;
const DISCARD_FOR: Duration = Duration::from_secs(10);
/// Requests up to here are parsed and rendered where they arrive: that takes well under a millisecond.
const INLINE_BYTES_MAX: usize = 64 << 10;
/// Headers that scripts in browsers may read.
const EXPOSED: HeaderValue = HeaderValue::from_static(
    "x-request-id, x-sycee-receipt, x-sycee-schedule, retry-after, x-should-retry, x-ratelimit-limit-requests, x-ratelimit-remaining-requests",
);

/// The data plane's paths, to be merged into what the binary serves: with [`crate::serve()`], so that marks know what has left.
pub fn router(gateway: Gateway) -> Router {
    Router::new()
        .route("/v1/models", get(list_models).fallback(wrong_method))
        // A name may have slashes in it.
        .route("/v1/models/{*id}", get(get_model).fallback(wrong_method))
        .route("/v1/chat/completions", post(chat).fallback(wrong_method))
        .route("/v1/embeddings", post(embeddings).fallback(wrong_method))
        .route("/v1", get(no_such_path).fallback(no_such_path))
        .route("/v1/{*rest}", get(no_such_path).fallback(no_such_path))
        .layer(from_fn_with_state(gateway.clone(), settled))
        .layer(from_fn(browsers))
        .with_state(gateway)
}

/// Who asks.
#[derive(Clone, Copy, Debug)]
struct Caller {
    key: KeyId,
    account: Option<AccountId>,
}

/// A list or a refusal rests on what was read, which may be ahead of the disk; it leaves when it is not. Whatever else is
/// answered has waited for the ledger.
async fn settled(State(gateway): State<Gateway>, request: Request, next: Next) -> Response {
    let is_read = request.method() == Method::GET;
    let response = next.run(request).await;
    if !is_read && response.status().is_success() {
        return response;
    }
    match gateway.0.handle.settled().await {
        Ok(()) => response,
        Err(unavailable) => refuse(&gateway.0, None, &Problem::undecided(unavailable)),
    }
}

/// CORS, and a request id on everything.
async fn browsers(request: Request, next: Next) -> Response {
    let preflight = request.method() == Method::OPTIONS;
    let wanted = request.headers().get(header::ACCESS_CONTROL_REQUEST_HEADERS).cloned();
    let mut response =
        if preflight { StatusCode::NO_CONTENT.into_response() } else { next.run(request).await };
    let headers = response.headers_mut();
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED);
    if preflight {
        let methods = HeaderValue::from_static("GET, POST, OPTIONS");
        headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, methods);
        let wanted =
            wanted.unwrap_or_else(|| HeaderValue::from_static("authorization, content-type, x-api-key"));
        headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, wanted);
        headers.insert(header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("86400"));
    }
    response
}

async fn wrong_method(State(gateway): State<Gateway>) -> Response {
    refuse(&gateway.0, None, &Problem::wrong_method())
}

async fn no_such_path(State(gateway): State<Gateway>, request: Request) -> Response {
    refuse(&gateway.0, None, &Problem::no_such_path(request.uri().path()))
}

async fn list_models(State(gateway): State<Gateway>, request: Request) -> Response {
    answer_or_refuse(&gateway.0, admit(&gateway.0, &request).map(|_| models::list(&gateway.0)))
}

async fn get_model(State(gateway): State<Gateway>, Path(name): Path<String>, request: Request) -> Response {
    let shared = &gateway.0;
    let found = admit(shared, &request)
        .and_then(|caller| models::get(shared, &name).map_err(|problem| noted(shared, caller.key, problem)));
    answer_or_refuse(shared, found)
}

async fn chat(State(gateway): State<Gateway>, request: Request) -> Response {
    serve(gateway.0, Endpoint::Chat, request).await
}

async fn embeddings(State(gateway): State<Gateway>, request: Request) -> Response {
    serve(gateway.0, Endpoint::Embeddings, request).await
}

fn answer_or_refuse(shared: &Shared, answer: Result<Value, Problem>) -> Response {
    match answer {
        Ok(value) => {
            let mut response = json_response(StatusCode::OK, &value);
            if let Ok(id) = shared.handle.new_id() {
                response.headers_mut().insert(REQUEST_ID, id_value(&RequestId(id)));
            }
            response
        }
        Err(problem) => refuse(shared, None, &problem),
    }
}

async fn serve(shared: Arc<Shared>, endpoint: Endpoint, request: Request) -> Response {
    let Ok(id) = shared.handle.new_id().map(RequestId) else {
        return refuse(&shared, None, &Problem::overloaded());
    };
    let caller = match admit(&shared, &request) {
        Ok(caller) => caller,
        Err(problem) => return refuse(&shared, Some(id), &problem),
    };
    let (request, answer) = match begin(&shared, id, endpoint, caller, request).await {
        Ok(begun) => (begun.request, respond(&shared, begun).await),
        Err(problem) => (id, Err(problem)),
    };
    answer.unwrap_or_else(|problem| refuse(&shared, Some(request), &noted(&shared, caller.key, problem)))
}

/// Who asks, if they may ask at all. Those who are refused all the time are told to wait.
fn admit(shared: &Shared, request: &Request) -> Result<Caller, Problem> {
    let (limits, now) = (shared.options().limits, Instant::now());
    match authenticate(shared, request.headers()) {
        Ok(caller) => shared.refusals.check(caller.key, &limits, now).map(|()| caller),
        Err(problem) => Err(match connection(request) {
            Some(connection) => {
                shared.refusals.stranger(Network::from(connection.peer()), problem, &limits, now)
            }
            None => problem,
        }),
    }
}

/// A problem that counts against the key that has it.
fn noted(shared: &Shared, key: KeyId, problem: Problem) -> Problem {
    shared.refusals.answered(key, &problem, &shared.options().limits, Instant::now());
    problem
}

fn connection(request: &Request) -> Option<&Connection> {
    request.extensions().get::<ConnectInfo<Connection>>().map(|ConnectInfo(connection)| connection)
}

/// A request that runs, or one that was joined.
struct Begun {
    request: RequestId,
    stream: bool,
    reader: Reader,
    requests_max: usize,
}

async fn begin(
    shared: &Arc<Shared>,
    id: RequestId,
    endpoint: Endpoint,
    caller: Caller,
    request: Request,
) -> Result<Begun, Problem> {
    let account = caller.account.ok_or_else(Problem::key_without_account)?;
    check_media_type(request.headers())?;
    let options = shared.options();
    let limits = options.limits;
    let connection = connection(&request).cloned();
    let mut likeness = likeness(request.headers(), account)?;
    let bytes = read_body(request.into_body(), limits.body_bytes_max).await?;
    likeness.content = content(endpoint, &bytes);
    let work = bytes.len();
    let parsed = off_thread(shared, work, move || Parsed::read(endpoint, &bytes, limits.choices_max)).await?;

    let stream = parsed.stream;
    let joinable = Joinable { request: id, stream, transcript: Transcript::new(limits.replay_bytes_max) };
    let requests_max = limits.requests_max;
    let joined = shared.joins.join_or_begin(&likeness, &joinable, connection.as_ref(), Instant::now())?;
    if let Some(joined) = joined {
        shared.metrics.joined();
        let Joined { request, stream, reader } = joined;
        return Ok(Begun { request, stream, reader, requests_max });
    }
    let transcript = Arc::clone(&joinable.transcript);
    let reader = transcript.read(connection).expect("a new transcript has its start");
    let asked = Asked { shared: Arc::clone(shared), request: id, transcript, likeness };
    let (of, with) = (Arc::clone(shared), Arc::clone(&options));
    let order =
        off_thread(shared, work, move || order(&of, &with, id, endpoint, (caller.key, account), parsed))
            .await;
    match order {
        Ok(order) => run(asked, &options, order)?,
        Err(problem) => return Err(asked.refused(problem)),
    }
    Ok(Begun { request: id, stream, reader, requests_max })
}

/// Does what takes long for large bodies on a thread where nobody waits behind it. Should it panic, this request fails alone.
async fn off_thread<T: Send + 'static>(
    shared: &Shared,
    bytes: usize,
    work: impl FnOnce() -> Result<T, Problem> + Send + 'static,
) -> Result<T, Problem> {
    let work = move || catch_unwind(AssertUnwindSafe(work));
    let done = if bytes <= INLINE_BYTES_MAX {
        work()
    } else {
        tokio::task::spawn_blocking(work).await.expect("a panic in it was caught")
    };
    done.unwrap_or_else(|_| {
        shared.metrics.panicked();
        Err(Problem::fault())
    })
}

fn authenticate(shared: &Shared, headers: &HeaderMap) -> Result<Caller, Problem> {
    let bearer = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let bearer = bearer.and_then(|value| {
        let (scheme, token) = value.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then_some(token.trim())
    });
    let key = bearer.or_else(|| headers.get(API_KEY)?.to_str().ok().map(str::trim));
    let key = key.filter(|key| !key.is_empty()).ok_or_else(Problem::no_key)?;
    let hash = Hash(Sha256::digest(key).into());
    let views = shared.handle.views();
    let (id, details) = views.state.membership.authenticate(hash).ok_or_else(Problem::wrong_key)?;
    Ok(Caller { key: id, account: details.account })
}

fn check_media_type(headers: &HeaderMap) -> Result<(), Problem> {
    let Some(kind) = headers.get(header::CONTENT_TYPE) else {
        return Ok(());
    };
    let kind = kind.to_str().unwrap_or("").split(';').next().unwrap_or("").trim().to_ascii_lowercase();
    let is_json = kind == "application/json" || kind.ends_with("+json");
    if is_json { Ok(()) } else { Err(Problem::not_json()) }
}

async fn read_body(mut body: Body, bytes_max: usize) -> Result<Bytes, Problem> {
    let mut whole = Vec::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| unread(&error))?;
        let Ok(bytes) = frame.into_data() else {
            continue;
        };
        if whole.len() + bytes.len() > bytes_max {
            // A client that is still sending would not hear the answer: the rest is read and thrown away, within reason.
            drop(timeout(DISCARD_FOR, discard(body, DISCARD_FACTOR * bytes_max)).await);
            return Err(Problem::too_large(bytes_max));
        }
        whole.extend_from_slice(&bytes);
    }
    Ok(Bytes::from(whole))
}

fn unread(error: &axum::Error) -> Problem {
    if TooSlow::is_cause_of(error) {
        Problem::too_slow()
    } else {
        Problem::bad_request("", "The request broke off.")
    }
}

async fn discard(mut body: Body, bytes_max: usize) {
    let mut discarded = 0;
    while let Some(Ok(frame)) = body.frame().await {
        discarded += frame.data_ref().map_or(0, Bytes::len);
        if discarded > bytes_max {
            break;
        }
    }
}

/// Who asks and whether it asks again; the content is not known yet.
fn likeness(headers: &HeaderMap, account: AccountId) -> Result<Likeness, Problem> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let key = text("idempotency-key").filter(|key| !key.is_empty());
    if key.is_some_and(|key| key.len() > joins::KEY_BYTES_MAX) {
        return Err(Problem::bad_request("", "The Idempotency-Key is too long."));
    }
    let retries = text("x-stainless-retry-count").and_then(|count| count.parse::<u32>().ok());
    let is_retry = retries.is_some_and(|count| count > 0);
    Ok(Likeness { account, content: Hash([0; 32]), key: key.map(str::to_owned), is_retry })
}

fn content(endpoint: Endpoint, bytes: &[u8]) -> Hash {
    let mut hash = Sha256::new();
    hash.update(endpoint.name().as_bytes());
    hash.update([0]);
    hash.update(bytes);
    Hash(hash.finalize().into())
}

fn order(
    shared: &Shared,
    options: &Options,
    request: RequestId,
    endpoint: Endpoint,
    (key, account): (KeyId, AccountId),
    parsed: Parsed,
) -> Result<Order, Problem> {
    let now = shared.handle.now();
    let wanted = Wanted {
        model: &parsed.model,
        endpoint,
        account,
        output_asked: parsed.output_asked,
        choices: parsed.choices,
        body: &parsed.body,
    };
    let survey = routing::survey(&shared.handle.views().state, &wanted, now)?;
    let route = routing::choose(&survey, &wanted, options, &shared.health, now)?;
    Ok(Order {
        request,
        account,
        key,
        model: route.model,
        model_name: parsed.model,
        context: route.context,
        endpoint,
        stream: parsed.stream,
        include_usage: parsed.include_usage,
        choices: parsed.choices,
        output_asked: parsed.output_asked,
        has_stops: parsed.has_stops,
        input_bound: route.input_bound,
        count_first: route.count_first,
        candidates: route.candidates,
        body: parsed.body,
        started: now,
    })
}

/// A request that others may have joined. However it ends, they hear the end.
struct Asked {
    shared: Arc<Shared>,
    request: RequestId,
    transcript: Arc<Transcript>,
    likeness: Likeness,
}

impl Asked {
    /// Whoever has joined meanwhile hears the same.
    fn refused(self, problem: Problem) -> Problem {
        self.transcript.begin(Err(problem.clone()));
        problem
    }
}

impl Drop for Asked {
    fn drop(&mut self) {
        if self.transcript.head().is_none() {
            self.transcript.begin(Err(Problem::fault()));
        }
        self.transcript.finish();
        let has_answer = matches!(self.transcript.head(), Some(Ok(_))) && !self.transcript.is_abandoned();
        self.shared.joins.ended(&self.likeness, self.request, has_answer, Instant::now());
    }
}

/// One of the places for running requests, free again however the request ends.
struct Running(Arc<Shared>);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.running.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Starts the task that runs the request, whatever becomes of its connection.
fn run(asked: Asked, options: &Arc<Options>, order: Order) -> Result<(), Problem> {
    let shared = Arc::clone(&asked.shared);
    if shared.is_closing() {
        return Err(asked.refused(Problem::stopping()));
    }
    let before = shared.running.fetch_add(1, Ordering::Relaxed);
    let running = Running(Arc::clone(&shared));
    if before >= options.limits.requests_max {
        return Err(asked.refused(Problem::overloaded()));
    }
    shared.metrics.request();
    let transcript = Arc::clone(&asked.transcript);
    let driver = Driver::new(Arc::clone(&shared), Arc::clone(options), order, transcript);
    shared.tasks.spawn(async move {
        driver.run().await;
        drop((asked, running));
    });
    Ok(())
}

async fn respond(shared: &Shared, begun: Begun) -> Result<Response, Problem> {
    let Begun { request, stream, reader, requests_max } = begun;
    let schedule = reader.head().await?;
    let kind = if stream { "text/event-stream; charset=utf-8" } else { "application/json" };
    // A plain answer is one frame, and has a length to say.
    let body = if stream { Body::from_stream(reader) } else { Body::from(reader.whole().await) };
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache, no-store"));
    if stream {
        headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    }
    mark(headers, request);
    headers.insert(SCHEDULE, id_value(&schedule));
    headers.insert(LIMIT_REQUESTS, HeaderValue::from(requests_max));
    headers.insert(REMAINING_REQUESTS, HeaderValue::from(free(&shared.running, requests_max)));
    Ok(response)
}

fn free(running: &AtomicUsize, requests_max: usize) -> usize {
    requests_max.saturating_sub(running.load(Ordering::Relaxed))
}

/// The request's id, which is also its receipt's.
fn mark(headers: &mut HeaderMap, request: RequestId) {
    headers.insert(REQUEST_ID, id_value(&request));
    headers.insert(RECEIPT, id_value(&request));
}

fn id_value(id: &impl ToString) -> HeaderValue {
    HeaderValue::from_str(&id.to_string()).expect("an id is printable")
}

fn refuse(shared: &Shared, request: Option<RequestId>, problem: &Problem) -> Response {
    shared.metrics.refused(problem.status, problem.code);
    let status = StatusCode::from_u16(problem.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = json_response(status, &problem.body());
    let headers = response.headers_mut();
    match request {
        Some(request) => mark(headers, request),
        None => {
            if let Ok(id) = shared.handle.new_id() {
                headers.insert(REQUEST_ID, id_value(&RequestId(id)));
            }
        }
    }
    if problem.status == StatusCode::REQUEST_TIMEOUT {
        // The rest of it may still come.
        headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    if let Some(seconds) = problem.retry_after_s {
        headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    if let Some(should_retry) = problem.should_retry {
        let value = if should_retry { "true" } else { "false" };
        headers.insert(SHOULD_RETRY, HeaderValue::from_static(value));
    }
    response
}

fn json_response(status: StatusCode, value: &Value) -> Response {
    let headers = [(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))];
    (status, headers, value.to_string()).into_response()
}

//! Signing in and out.
use crate::attempts::Source;
use crate::body::{Body, Named};
use crate::caller::{self, Caller};
use crate::error::{ErrorBody, Problem};
use crate::members::NamedRef;
use crate::session;
use crate::state::Api;
use crate::vocabulary::Role;
use axum::Json;
use axum::extract::{FromRequestParts, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use serde::{Deserialize, Serialize};
use std::convert::Infallible;
use std::time::Instant;
use sycee_core::ids::KeyId;
use utoipa::ToSchema;

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"key": "sk-sycee-…"}))]
pub(crate) struct Credentials {
    key: String,
}

/// Who is signed in, and their accounts.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Session {
    member: SessionMember,
    accounts: Vec<SessionAccount>,
}

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SessionMember {
    #[serde(flatten)]
    member: NamedRef,
    roles: Vec<Role>,
}

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SessionAccount {
    id: String,
    name: String,
    asset: String,
}

fn view(api: &Api, caller: &Caller) -> Session {
    let views = api.node.views();
    let owned = views.state.ledger.accounts().iter().filter(|(_, details)| details.member == caller.id);
    let accounts = owned.map(|(id, details)| SessionAccount {
        id: id.to_string(),
        name: details.name.clone(),
        asset: crate::money::Currency::of(&views.state, details.asset).code,
    });
    let roles = caller.member.roles.iter().copied().map(Role::from).collect();
    let member = NamedRef { id: caller.id.to_string(), name: caller.member.name.clone() };
    Session { member: SessionMember { member, roles }, accounts: accounts.collect() }
}

/// Who asks to be signed in: from where, and by which way.
pub(crate) struct Sender {
    source: Source,
    headers: HeaderMap,
}

impl FromRequestParts<Api> for Sender {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &Api) -> Result<Self, Infallible> {
        Ok(Self { source: Source::of(&parts.extensions), headers: parts.headers.clone() })
    }
}

/// Begins a session for a key, if it works.
fn begin(api: &Api, sender: &Sender, key: Option<KeyId>) -> Result<(Caller, String), Problem> {
    let Some(caller) = key.and_then(|key| caller::of_key(api, key)) else {
        return Err(failed(api, sender.source));
    };
    let token = api.sessions.begin(caller.key, caller.id, api.node.now()).map_err(Problem::no_randomness)?;
    Ok((caller, session::set_cookie(&token, &sender.headers)))
}

fn failed(api: &Api, source: Source) -> Problem {
    let now = Instant::now();
    let Some(wait) = api.attempts.wait(source, now) else {
        api.attempts.failed(source, now);
        return Problem::new(StatusCode::UNAUTHORIZED, "api.unauthenticated", "this key does not work")
            .hint("it may have been revoked; ask your operator for another");
    };
    let seconds = u32::try_from(wait.as_secs()).unwrap_or(u32::MAX).saturating_add(1);
    let message = "this key does not work, nor did many others from the same address";
    Problem::new(StatusCode::TOO_MANY_REQUESTS, "api.too_many_attempts", message)
        .retry_after(seconds)
        .hint("a key that works is taken at once, whoever else failed")
}

/// Exchanges a key for a session cookie.
#[utoipa::path(post, path = "/session", operation_id = "session_create", tag = "session", security(()),
    request_body = Credentials, responses((status = 200, body = Session), (status = 401, body = ErrorBody),
        (status = 429, body = ErrorBody, description = "The key does not work, nor did many others from this address.")))]
pub(crate) async fn create(
    State(api): State<Api>,
    sender: Sender,
    Body(credentials): Body<Credentials>,
) -> Result<Response, Problem> {
    let key = caller::by_secret(&api, &credentials.key);
    let (caller, cookie) = begin(&api, &sender, key)?;
    Ok(([(header::SET_COOKIE, cookie)], Json(view(&api, &caller))).into_response())
}

/// Who is signed in.
#[utoipa::path(get, path = "/session", operation_id = "session_get", tag = "session",
    responses((status = 200, body = Session)))]
pub(crate) async fn get(State(api): State<Api>, caller: Caller) -> Json<Session> {
    Json(view(&api, &caller))
}

/// Ends the session.
#[utoipa::path(delete, path = "/session", operation_id = "session_delete", tag = "session", security(()),
    responses((status = 204, description = "nobody is signed in with this cookie any more"),
        (status = 403, body = ErrorBody)))]
pub(crate) async fn delete(State(api): State<Api>, headers: HeaderMap) -> Result<Response, Problem> {
    if let Some(token) = caller::cookie(&headers) {
        caller::check_origin(&headers)?;
        api.sessions.end(token);
    }
    Ok((StatusCode::NO_CONTENT, [(header::SET_COOKIE, session::clear_cookie(&headers))]).into_response())
}

/// The demo's link: begins a session and goes to the first page.
pub(crate) async fn by_link(
    State(api): State<Api>,
    sender: Sender,
    Named(token): Named<String>,
) -> Result<Response, Problem> {
    let link = api.options.signin.as_ref();
    let key = link.filter(|link| constant_time_eq(&link.token, &token)).map(|link| link.key);
    let (_, cookie) = begin(&api, &sender, key).map_err(|problem| {
        if problem.code() == "api.unauthenticated" {
            problem.hint("a link works only while the demo that printed it runs")
        } else {
            problem
        }
    })?;
    Ok(([(header::SET_COOKIE, cookie), (header::CACHE_CONTROL, "no-store".to_owned())], Redirect::to("/"))
        .into_response())
}

/// Takes as long whichever character differs.
fn constant_time_eq(left: &str, right: &str) -> bool {
    let differing = left.bytes().zip(right.bytes()).fold(0, |sum, (left, right)| sum | (left ^ right));
    left.len() == right.len() && differing == 0
}

//! Signing in and out.
use crate::body::Body;
use crate::caller::{self, Caller};
use crate::error::{ErrorBody, Problem};
use crate::members::NamedRef;
use crate::session;
use crate::state::Api;
use axum::Json;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use serde::{Deserialize, Serialize};
use sycee_core::ids::KeyId;
use utoipa::ToSchema;

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
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
    roles: Vec<&'static str>,
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
    let roles = caller.member.roles.iter().map(|role| role.name()).collect();
    let member = NamedRef { id: caller.id.to_string(), name: caller.member.name.clone() };
    Session { member: SessionMember { member, roles }, accounts: accounts.collect() }
}

fn begin(api: &Api, key: KeyId) -> Result<String, Problem> {
    let token = api.sessions.begin(key, api.node.now()).map_err(|error| {
        tracing::error!("failed to draw a session: {error}");
        Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "api.internal", "the system has no randomness")
    })?;
    Ok(session::set_cookie(&token))
}

/// Exchanges a key for a session cookie.
#[utoipa::path(post, path = "/session", operation_id = "session_create", tag = "session", security(()),
    request_body = Credentials, responses((status = 200, body = Session), (status = 401, body = ErrorBody)))]
pub(crate) async fn create(
    State(api): State<Api>,
    Body(credentials): Body<Credentials>,
) -> Result<Response, Problem> {
    let key = caller::by_secret(&api, &credentials.key);
    let known = key.and_then(|key| Some((key, caller::of_key(&api, key)?)));
    let (key, caller) = known.ok_or_else(|| {
        Problem::new(StatusCode::UNAUTHORIZED, "api.unauthenticated", "this key does not work")
            .hint("it may have been revoked; ask your operator for another")
    })?;
    let cookie = begin(&api, key)?;
    Ok(([(header::SET_COOKIE, cookie)], Json(view(&api, &caller))).into_response())
}

/// Who is signed in.
#[utoipa::path(get, path = "/session", operation_id = "session_get", tag = "session",
    responses((status = 200, body = Session), (status = 401, body = ErrorBody)))]
pub(crate) async fn get(State(api): State<Api>, caller: Caller) -> Json<Session> {
    Json(view(&api, &caller))
}

/// Ends the session.
#[utoipa::path(delete, path = "/session", operation_id = "session_delete", tag = "session", security(()),
    responses((status = 204)))]
pub(crate) async fn delete(State(api): State<Api>, headers: HeaderMap) -> Response {
    if let Some(token) = caller::cookie(&headers) {
        api.sessions.end(token);
    }
    (StatusCode::NO_CONTENT, [(header::SET_COOKIE, session::clear_cookie())]).into_response()
}

/// The demo's link: begins a session and goes to the first page.
pub(crate) async fn by_link(State(api): State<Api>, Path(token): Path<String>) -> Result<Response, Problem> {
    let matching = api.options.signin.as_ref().filter(|signin| constant_time_eq(&signin.token, &token));
    let signin = matching.ok_or_else(|| {
        Problem::not_found("link").hint("a link works only while the demo that printed it runs")
    })?;
    let cookie = begin(&api, signin.key)?;
    Ok(([(header::SET_COOKIE, cookie), (header::CACHE_CONTROL, "no-store".to_owned())], Redirect::to("/"))
        .into_response())
}

/// Takes as long whichever character differs.
fn constant_time_eq(left: &str, right: &str) -> bool {
    let differing = left.bytes().zip(right.bytes()).fold(0, |sum, (left, right)| sum | (left ^ right));
    left.len() == right.len() && differing == 0
}

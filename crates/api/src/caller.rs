//! The caller: who asks, and what they may see.
//!
//! What may be *done* is decided by the core. What may be *seen* is decided here: operators and auditors see everything, others
//! what is theirs.
use crate::error::Problem;
use crate::secret;
use crate::session::COOKIE;
use crate::state::Api;
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use sycee_core::State;
use sycee_core::catalog::Site;
use sycee_core::ids::{AccountId, KeyId, MemberId};
use sycee_core::membership::{Member, Role};

/// An authenticated caller.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    pub(crate) key: KeyId,
    pub(crate) id: MemberId,
    pub(crate) member: Member,
}

impl Caller {
    /// Operators and auditors.
    pub(crate) fn sees_all(&self) -> bool {
        self.is_operator() || self.member.roles.contains(&Role::Auditor)
    }

    pub(crate) fn is_operator(&self) -> bool {
        self.member.roles.contains(&Role::Operator)
    }

    pub(crate) fn may_see_member(&self, member: MemberId) -> Result<(), Problem> {
        if self.sees_all() || self.id == member { Ok(()) } else { Err(Problem::not_yours()) }
    }

    /// An account of the caller's own, or any for those who see all. Whether it exists is told only to them.
    pub(crate) fn may_see_account(&self, state: &State, account: AccountId) -> Result<(), Problem> {
        match state.ledger.account(account) {
            Some(details) if self.sees_all() || details.member == self.id => Ok(()),
            None if self.sees_all() => Err(Problem::not_found("account")),
            Some(_) | None => Err(Problem::not_yours()),
        }
    }

    pub(crate) fn owns_site(&self, state: &State, site: &Site) -> bool {
        state.catalog.providers().get(&site.provider).is_some_and(|provider| provider.member == self.id)
    }
}

impl FromRequestParts<Api> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, Problem> {
        let key = match bearer(&parts.headers) {
            Some(secret) => by_secret(api, secret),
            None => by_cookie(api, parts)?,
        };
        let key = key.ok_or_else(Problem::unauthenticated)?;
        of_key(api, key).ok_or_else(Problem::unauthenticated)
    }
}

/// The key behind a secret, if it works.
pub(crate) fn by_secret(api: &Api, key: &str) -> Option<KeyId> {
    let hash = secret::hash(key);
    api.node.views().state.membership.authenticate(hash).map(|(id, _)| id)
}

/// The caller behind a key, if it still works.
pub(crate) fn of_key(api: &Api, key: KeyId) -> Option<Caller> {
    let views = api.node.views();
    let membership = &views.state.membership;
    let hash = membership.keys().get(&key)?.hash;
    let (id, details) = membership.authenticate(hash)?;
    let member = membership.member(details.member)?.clone();
    Some(Caller { key: id, id: details.member, member })
}

fn by_cookie(api: &Api, parts: &Parts) -> Result<Option<KeyId>, Problem> {
    let Some(token) = cookie(&parts.headers) else { return Ok(None) };
    let reads = matches!(parts.method, Method::GET | Method::HEAD | Method::OPTIONS);
    if !reads {
        check_origin(&parts.headers)?;
    }
    Ok(api.sessions.key_of(token, api.node.now()))
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, secret) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| secret.trim())
}

/// The session's token, if the request carries one.
pub(crate) fn cookie(headers: &HeaderMap) -> Option<&str> {
    let all = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let pairs = all.flat_map(|value| value.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.into_iter().find(|(name, _)| *name == COOKIE).map(|(_, token)| token)
}

/// Who acts by a cookie has to come from a page of ours.
pub(crate) fn check_origin(headers: &HeaderMap) -> Result<(), Problem> {
    if same_origin(headers) {
        return Ok(());
    }
    let message = "a page of another origin may not act in this session";
    Err(Problem::new(StatusCode::FORBIDDEN, "api.cross_origin", message)
        .hint("send `origin`, equal to this host, or a key instead of the cookie"))
}

fn same_origin(headers: &HeaderMap) -> bool {
    let text = |name| headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
    let (Some(origin), Some(host)) = (text(header::ORIGIN), text(header::HOST)) else { return false };
    origin.split_once("://").is_some_and(|(_, of_origin)| of_origin == host)
}

//! Sessions: a key exchanged for a cookie that scripts of a page cannot read.
//!
//! A session is bound to its key: when the key is revoked or its member suspended, the session ends at once. What is kept is a
//! hash, so that nobody who reads this memory is signed in.
use crate::secret::{self, NoRandomness};
use axum::http::HeaderMap;
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use sycee_core::ids::{KeyId, MemberId, Time};
use sycee_core::limits::{HOUR, SECOND};

/// The cookie's name.
pub(crate) const COOKIE: &str = "sycee_session";
/// How long a session lasts.
pub(crate) const LIFETIME: u64 = 12 * HOUR;
/// Sessions of one member at a time; its oldest gives way, so that nobody signs others out by signing in.
pub(crate) const PER_MEMBER_MAX: usize = 20;
/// Sessions at a time; the oldest gives way.
pub(crate) const SESSIONS_MAX: usize = 10_000;

/// Everybody who is signed in. Lost when the platform stops: people then sign in again.
#[derive(Debug, Default)]
pub(crate) struct Sessions {
    by_token: Mutex<BTreeMap<TokenHash, Session>>,
}

type TokenHash = [u8; 32];

#[derive(Clone, Copy, Debug)]
struct Session {
    key: KeyId,
    member: MemberId,
    until: Time,
}

impl Sessions {
    /// A new session for a key that has just been checked.
    pub(crate) fn begin(&self, key: KeyId, member: MemberId, now: Time) -> Result<String, NoRandomness> {
        let token = secret::random_text()?;
        let mut sessions = self.lock();
        if sessions.values().filter(|session| session.member == member).count() >= PER_MEMBER_MAX {
            end_oldest(&mut sessions, |session| session.member == member);
        }
        if sessions.len() >= SESSIONS_MAX {
            sessions.retain(|_, session| session.until > now);
        }
        if sessions.len() >= SESSIONS_MAX {
            end_oldest(&mut sessions, |_| true);
        }
        sessions.insert(hash(&token), Session { key, member, until: now.after(LIFETIME) });
        Ok(token)
    }

    pub(crate) fn key_of(&self, token: &str, now: Time) -> Option<KeyId> {
        let sessions = self.lock();
        sessions.get(&hash(token)).filter(|session| session.until > now).map(|session| session.key)
    }

    pub(crate) fn end(&self, token: &str) {
        self.lock().remove(&hash(token));
    }

    #[cfg(test)]
    pub(crate) fn count(&self) -> usize {
        self.lock().len()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<TokenHash, Session>> {
        // Each change is one call on the map, so a panic elsewhere leaves it whole.
        self.by_token.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn hash(token: &str) -> TokenHash {
    Sha256::digest(token).into()
}

fn end_oldest(sessions: &mut BTreeMap<TokenHash, Session>, among: impl Fn(&Session) -> bool) {
    let candidates = sessions.iter().filter(|(_, session)| among(session));
    let oldest = candidates.min_by_key(|(_, session)| session.until).map(|(token, _)| *token);
    if let Some(oldest) = oldest {
        sessions.remove(&oldest);
    }
}

/// The value of the cookie's header, as an answer to a request with `headers`.
pub(crate) fn set_cookie(token: &str, headers: &HeaderMap) -> String {
    cookie(token, LIFETIME / SECOND, headers)
}

pub(crate) fn clear_cookie(headers: &HeaderMap) -> String {
    cookie("", 0, headers)
}

fn cookie(value: &str, seconds: u64, headers: &HeaderMap) -> String {
    let secure = if came_by_https(headers) { "; Secure" } else { "" };
    format!("{COOKIE}={value}; Path=/; HttpOnly; SameSite=Strict; Max-Age={seconds}{secure}")
}

/// As the proxy in front says, the first one if there are several. Whoever says so without one only keeps their own cookie from
/// themselves.
fn came_by_https(headers: &HeaderMap) -> bool {
    let said = headers.get("x-forwarded-proto").and_then(|value| value.to_str().ok());
    let first = said.and_then(|value| value.split(',').next());
    first.is_some_and(|first| first.trim().eq_ignore_ascii_case("https"))
}

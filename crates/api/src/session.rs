//! Sessions: a key exchanged for a cookie that scripts of a page cannot read.
//!
//! A session is bound to its key: when the key is revoked or its member suspended, the session ends at once.
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use sycee_core::ids::{KeyId, Time};
use sycee_core::limits::HOUR;

/// The cookie's name.
pub(crate) const COOKIE: &str = "sycee_session";
/// How long a session lasts.
const LIFETIME: u64 = 12 * HOUR;
/// Sessions at a time; the oldest gives way.
const SESSIONS_MAX: usize = 10_000;

/// Everybody who is signed in. Lost when the platform stops: people then sign in again.
#[derive(Debug, Default)]
pub(crate) struct Sessions {
    by_token: Mutex<BTreeMap<String, Session>>,
}

#[derive(Clone, Copy, Debug)]
struct Session {
    key: KeyId,
    until: Time,
}

impl Sessions {
    /// A new session for a key that has just been checked.
    pub(crate) fn begin(&self, key: KeyId, now: Time) -> Result<String, getrandom::Error> {
        let mut bytes = [0u8; 32];
        getrandom::fill(&mut bytes)?;
        let token = URL_SAFE_NO_PAD.encode(bytes);
        let mut sessions = self.lock();
        if sessions.len() >= SESSIONS_MAX {
            sessions.retain(|_, session| session.until > now);
            let oldest =
                sessions.iter().min_by_key(|(_, session)| session.until).map(|(token, _)| token.clone());
            if let (true, Some(oldest)) = (sessions.len() >= SESSIONS_MAX, oldest) {
                sessions.remove(&oldest);
            }
        }
        sessions.insert(token.clone(), Session { key, until: now.after(LIFETIME) });
        Ok(token)
    }

    pub(crate) fn key_of(&self, token: &str, now: Time) -> Option<KeyId> {
        let sessions = self.lock();
        sessions.get(token).filter(|session| session.until > now).map(|session| session.key)
    }

    pub(crate) fn end(&self, token: &str) {
        self.lock().remove(token);
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Session>> {
        // Each change is one call on the map, so a panic elsewhere leaves it whole.
        self.by_token.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The value of the cookie's header.
pub(crate) fn set_cookie(token: &str) -> String {
    format!("{COOKIE}={token}; Path=/; HttpOnly; SameSite=Strict; Max-Age={}", LIFETIME / 1_000_000_000)
}

pub(crate) fn clear_cookie() -> String {
    format!("{COOKIE}=; Path=/; HttpOnly; SameSite=Strict; Max-Age=0")
}

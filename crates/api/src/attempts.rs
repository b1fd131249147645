//! Failed sign-ins: an address that sent many wrong keys is told to wait.
//!
//! A right key is not refused for what others sent: behind a proxy everybody comes from one address, and whoever could use up its
//! allowance would lock everybody out. Keys are too long to be guessed; what is spared is an answer to each guess.
//!
//! Requests that come with no address, as behind a server that tells none, share one wider allowance. What is kept is one moment
//! an address: when its failures will all be forgotten (the virtual scheduling form of ITU-T I.371's cell rate algorithm).
use axum::extract::ConnectInfo;
use axum::http::Extensions;
use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Failures in a row that an address may have.
pub(crate) const BURST: u32 = 10;
/// After that, one failure is forgotten so often.
pub(crate) const FORGIVEN_EVERY: Duration = Duration::from_secs(6);
/// How many times an address's allowance all unknown ones have together.
pub(crate) const UNKNOWN_SHARE: u32 = 10;
/// Addresses remembered at a time; further ones count as unknown.
pub(crate) const ADDRESSES_MAX: usize = 10_000;

/// Where a request comes from, as far as it is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Source {
    Unknown,
    V4(u32),
    /// The first 64 bits: whoever has one address of a network has all of them.
    V6(u64),
}

impl Source {
    pub(crate) fn of(extensions: &Extensions) -> Self {
        match extensions.get::<ConnectInfo<SocketAddr>>().map(|ConnectInfo(address)| address.ip()) {
            Some(IpAddr::V4(address)) => Self::V4(address.to_bits()),
            Some(IpAddr::V6(address)) => match address.to_ipv4_mapped() {
                Some(address) => Self::V4(address.to_bits()),
                None => Self::V6((address.to_bits() >> 64) as u64),
            },
            None => Self::Unknown,
        }
    }

    fn interval(self) -> Duration {
        match self {
            Self::Unknown => FORGIVEN_EVERY / UNKNOWN_SHARE,
            Self::V4(_) | Self::V6(_) => FORGIVEN_EVERY,
        }
    }
}

/// When the failures of each source will be forgotten.
#[derive(Debug, Default)]
pub(crate) struct Attempts {
    forgotten_at: Mutex<BTreeMap<Source, Instant>>,
}

impl Attempts {
    /// How long this source has to wait before a wrong key counts again, if it has to.
    pub(crate) fn wait(&self, source: Source, now: Instant) -> Option<Duration> {
        let forgotten_at = self.forgotten_at.lock().unwrap_or_else(PoisonError::into_inner);
        let counted = if forgotten_at.contains_key(&source) { source } else { Source::Unknown };
        if counted != source && forgotten_at.len() < ADDRESSES_MAX {
            return None;
        }
        let owed = forgotten_at.get(&counted)?.saturating_duration_since(now);
        let over = (owed + counted.interval()).saturating_sub(FORGIVEN_EVERY * BURST);
        (!over.is_zero()).then_some(over)
    }

    pub(crate) fn failed(&self, source: Source, now: Instant) {
        let mut forgotten_at = self.forgotten_at.lock().unwrap_or_else(PoisonError::into_inner);
        if forgotten_at.len() >= ADDRESSES_MAX && !forgotten_at.contains_key(&source) {
            forgotten_at.retain(|_, at| *at > now);
        }
        let full = forgotten_at.len() >= ADDRESSES_MAX && !forgotten_at.contains_key(&source);
        let source = if full { Source::Unknown } else { source };
        let at = forgotten_at.entry(source).or_insert(now);
        *at = (*at).max(now) + source.interval();
    }
}

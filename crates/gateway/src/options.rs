//! Options: what is local to one gateway. Everything that has a price is in the catalogue; what is here are addresses, secrets,
//! loaded tokenizers and limits.
use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use crate::registry::Registry;

/// What the binary hands to a gateway.
#[derive(Debug, Default)]
pub struct Options {
    /// Where each site is reached, by the site's name in the catalogue. A site without an entry is not routed to.
    pub upstreams: BTreeMap<String, Upstream>,
    /// Tokenizers and chat templates by hash, for the offers that pin them.
    pub registry: Registry,
    pub timeouts: Timeouts,
    pub limits: Limits,
}

/// How a site is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upstream {
    /// Where its protocol starts, such as `https://site.example/v1`.
    pub url: String,
    pub secret: Option<Secret>,
}

/// A key for a site. Never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(pub String);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// How long each part of a request may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// To connect to a site, TLS included.
    pub connect: Duration,
    /// From sending the request to the first token; a plain answer has its whole time instead.
    pub first_token: Duration,
    /// Between two pieces of a stream.
    pub idle: Duration,
    /// For the whole answer, before its length is considered.
    pub total: Duration,
    /// Added to `total` for each output token that the hold pays for, so that a long healthy answer is not cut.
    pub total_per_token: Duration,
    /// How long a client may take nothing of what is ready for it.
    pub client_stall: Duration,
    /// For the head of a request, from when the connection begins or the first byte has come.
    pub head: Duration,
    /// Between two pieces of a request's body.
    pub body_idle: Duration,
    /// For the whole body; a second more for each 64 KiB that have come.
    pub body: Duration,
    /// How long a connection may rest between two requests.
    pub keep_alive: Duration,
    /// How long running requests may go on once the gateway is told to stop.
    pub drain: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(5),
            first_token: Duration::from_mins(1),
            idle: Duration::from_secs(30),
            total: Duration::from_mins(2),
            total_per_token: Duration::from_millis(500),
            client_stall: Duration::from_mins(1),
            head: Duration::from_secs(15),
            body_idle: Duration::from_secs(20),
            body: Duration::from_mins(1),
            keep_alive: Duration::from_mins(2),
            drain: Duration::from_secs(20),
        }
    }
}

/// How much of everything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Largest request body.
    pub body_bytes_max: usize,
    /// Requests at a time; one more gets 503.
    pub requests_max: usize,
    /// Open connections; one more gets 503 and is closed. Never more than there are descriptors for.
    pub connections_max: usize,
    /// The same for each address, or network of 64 bits of IPv6. All that comes through a proxy has the proxy's address.
    pub connections_per_address_max: usize,
    /// Refusals in a row that a key may have, and, for keys that nobody has, an address; further ones are told to wait.
    pub refusals_burst: u32,
    /// How many of them are forgiven in a second.
    pub refusals_per_second: u32,
    /// Choices of one request.
    pub choices_max: u32,
    /// Largest plain answer of a provider.
    pub answer_bytes_max: usize,
    /// Bytes of a stream that may wait for a slow client before the provider is read no further.
    pub ahead_bytes_max: usize,
    /// Largest answer that is kept for those who ask again.
    pub replay_bytes_max: usize,
    /// Finished answers kept for those who ask again with their idempotency key.
    pub replays_max: usize,
    /// How long they are kept.
    pub replay_for: Duration,
    /// Prompts and answers longer than this are counted on a thread of their own.
    pub count_inline_bytes_max: usize,
    /// Threads that count at a time.
    pub counters_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            body_bytes_max: 16 << 20,
            requests_max: 4_096,
            connections_max: 16_384,
            connections_per_address_max: 4_096,
            refusals_burst: 2_000,
            refusals_per_second: 200,
            choices_max: 16,
            answer_bytes_max: 64 << 20,
            ahead_bytes_max: 256 << 10,
            replay_bytes_max: 1 << 20,
            replays_max: 1_024,
            replay_for: Duration::from_mins(10),
            count_inline_bytes_max: 8 << 10,
            counters_max: 2,
        }
    }
}

//! What the handlers share.
use crate::attempts::Attempts;
use crate::error::Problem;
use crate::overview::Board;
use crate::session::Sessions;
use crate::usage::Desk;
use std::fmt;
use std::sync::Arc;
use sycee_core::catalog::{Offer, Site};
use sycee_core::ids::{KeyId, OfferId, Time};
use sycee_node::Handle;

/// Text for `/metrics` from another part of the platform.
pub type MetricsText = Arc<dyn Fn() -> String + Send + Sync>;

/// How the data plane sees an open offer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sight {
    Serves,
    /// Its failures made it the last choice for a while, and it has not served since.
    Failing {
        since: Time,
    },
    /// Nothing is sent to it from here: its site has no address, or what it pins to count by is not loaded.
    Unconfigured,
}

/// Asks the data plane about an open offer at a site.
pub type Look = Arc<dyn Fn(&Site, OfferId, &Offer) -> Sight + Send + Sync>;

/// How the API is set up.
#[derive(Default)]
pub struct Options {
    /// A link that signs in without a key, for as long as the process lives: only a demo has one.
    pub signin: Option<SignIn>,
    /// More text for `/metrics`.
    pub metrics: Vec<MetricsText>,
    /// How offers are doing; without it every open one is taken to serve.
    pub look: Option<Look>,
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options").field("signin", &self.signin.is_some()).finish_non_exhaustive()
    }
}

/// A sign-in link.
#[derive(Clone)]
pub struct SignIn {
    /// The last part of the link.
    pub token: String,
    /// Whose session it begins.
    pub key: KeyId,
}

impl fmt::Debug for SignIn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SignIn").field("key", &self.key).finish_non_exhaustive()
    }
}

/// The API's own state; cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Api {
    pub(crate) node: Handle,
    pub(crate) sessions: Arc<Sessions>,
    pub(crate) attempts: Arc<Attempts>,
    pub(crate) options: Arc<Options>,
    pub(crate) board: Arc<Board>,
    pub(crate) usage: Arc<Desk>,
}

impl Api {
    pub(crate) fn new(node: Handle, options: Options) -> Self {
        Self {
            node,
            sessions: Arc::default(),
            attempts: Arc::default(),
            options: Arc::new(options),
            board: Arc::default(),
            usage: Arc::default(),
        }
    }

    /// Position of the newest entry that reads show.
    pub(crate) fn newest_position(&self) -> u64 {
        newest(self.node.views().state.position)
    }

    /// Reads of the log wait for the disk, so they are done where waiting holds up nobody.
    pub(crate) async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Self) -> Result<T, Problem> + Send + 'static,
    ) -> Result<T, Problem> {
        let api = self.clone();
        let done = tokio::task::spawn_blocking(move || work(&api)).await;
        done.map_err(|error| Problem::internal("this could not be read", &error))?
    }
}

/// Position of the newest of so many entries. A founded log has at least one.
pub(crate) fn newest(entries: u64) -> u64 {
    entries.saturating_sub(1)
}

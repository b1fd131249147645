//! What the handlers share.
use crate::session::Sessions;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use sycee_core::ids::KeyId;
use sycee_node::Handle;

/// Text for `/metrics` from another part of the platform.
pub type MetricsText = Arc<dyn Fn() -> String + Send + Sync>;

/// How the API is set up.
#[derive(Default)]
pub struct Options {
    /// A link that signs in without a key, for as long as the process lives: only a demo has one.
    pub signin: Option<SignIn>,
    /// More text for `/metrics`.
    pub metrics: Vec<MetricsText>,
    /// What else makes the platform unwell, such as an offer that nothing can count.
    pub complaints: Option<Arc<dyn Fn() -> Vec<String> + Send + Sync>>,
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
    pub(crate) options: Arc<Options>,
    /// Pages that follow the live stream.
    pub(crate) watchers: Arc<AtomicUsize>,
}

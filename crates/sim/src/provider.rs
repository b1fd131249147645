//! A simulated provider: a real HTTP server that speaks the OpenAI-compatible protocol and has no model behind it.
//!
//! It quotes Sycee's own documentation, at a speed, with the faults and with the lies that a
//! [`Behaviour`] asks for, and remembers what it was asked. Many run in one process: the demo starts three.
//!
//! ```text
//! GET  /v1/models, /v1/models/{id}          POST /v1/chat/completions, /v1/embeddings        GET /health
//! GET, POST, DELETE /sim/behaviour          GET, POST /sim/gate          GET, DELETE /sim/requests
//! ```
//!
//! Promises. A reply is a function of the seed, the model and the messages. Honest usage is the number of canonical
//! o200k tokens of the emitted text, one more where the model ended by itself, and for the prompt the number of
//! tokens of the messages rendered by [`CHAT_TEMPLATE`]. Faults apply to POST below `/v1` only, so a provider can
//! always be steered back. Every answer carries `server: sycee-simulated-provider`.

mod answer;
mod behaviour;
mod chat;
mod config;
mod control;
mod corpus;
mod embeddings;
mod pace;
mod plain;
mod reply;
mod request;
mod seen;
mod state;
mod stream;
#[cfg(test)]
mod tests;
mod tokens;
mod usage;

use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::DefaultBodyLimit;
use axum::http::{HeaderValue, Request, Response, header};
use axum::routing::{get, post};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::timeout;

pub use behaviour::{Behaviour, Failure, UsageLie, UsagePlace, UsageReport};
pub use config::{EnergyHeader, ModelConfig, ModelKind, ProviderConfig};
pub(crate) use corpus::passages;
pub use seen::{Outcome, SeenRequest};
pub use tokens::{CHAT_TEMPLATE, count, prompt};

use crate::error::{Error, ErrorKind};
use answer::CloseWithoutAnswer;
use state::Shared;

/// The `system_fingerprint` of every reply.
const FINGERPRINT: &str = "sycee-simulated";
const SERVER: HeaderValue = HeaderValue::from_static("sycee-simulated-provider");

/// A running simulated provider. Dropping it ends it at once, [`stop`](Self::stop) in good order.
#[derive(Debug)]
pub struct Provider {
    address: SocketAddr,
    shared: Arc<Shared>,
    stopping: watch::Sender<()>,
    server: JoinSet<()>,
}

impl Provider {
    /// Listens and serves until stopped or dropped. Must be called within a tokio runtime.
    pub async fn bind(config: ProviderConfig) -> Result<Self, Error> {
        config.check()?;
        let listen = config.listen;
        let failed = |error| {
            Error::new(ErrorKind::Listen, format!("listen on {listen} for a simulated provider"))
                .because(error)
        };
        let listener = TcpListener::bind(listen).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        tracing::info!(name = %config.name, %address, "simulated provider listens");
        let (stopping, stopped) = watch::channel(());
        let shared = Arc::new(Shared::new(config));
        let mut server = JoinSet::new();
        server.spawn(serve(listener, router(Arc::clone(&shared)), stopped));
        Ok(Self { address, shared, stopping, server })
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where the protocol starts: `http://127.0.0.1:PORT/v1`.
    pub fn base_url(&self) -> String {
        format!("http://{}/v1", self.address)
    }

    pub fn behaviour(&self) -> Behaviour {
        (*self.shared.current()).clone()
    }

    /// What `POST /sim/behaviour` does: applies a JSON merge patch, or refuses it and changes nothing.
    pub fn change_behaviour(&self, patch: &serde_json::Value) -> Result<(), Error> {
        self.shared.change(patch)
    }

    /// Requests that wait behind the gate or hang.
    pub fn waiting(&self) -> usize {
        self.shared.waiting()
    }

    /// The last requests, the oldest first.
    pub fn requests(&self) -> Vec<SeenRequest> {
        self.shared.ring.all()
    }

    /// Takes no more connections, lets running replies end for at most `grace`, then cuts them.
    pub async fn stop(mut self, grace: Duration) {
        self.stopping.send_replace(());
        // Past the grace the server is dropped, and its connections with it.
        let in_time = timeout(grace, self.server.join_next()).await.is_ok();
        tracing::info!(name = %self.shared.config.name, in_time, "simulated provider stopped");
    }
}

fn router(shared: Arc<Shared>) -> Router {
    Router::new()
        .route("/health", get(control::health))
        .route("/v1/models", get(control::list_models))
        .route("/v1/models/{id}", get(control::get_model))
        .route("/v1/chat/completions", post(chat::create))
        .route("/v1/embeddings", post(embeddings::create))
        .route(
            "/sim/behaviour",
            get(control::get_behaviour).post(control::change_behaviour).delete(control::reset_behaviour),
        )
        .route("/sim/gate", get(control::get_gate).post(control::set_gate))
        .route("/sim/requests", get(control::list_requests).delete(control::forget_requests))
        .fallback(control::no_such_path)
        .layer(DefaultBodyLimit::max(shared.config.body_bytes_max))
        .with_state(shared)
}

/// Owns the connections: they end with it.
async fn serve(listener: TcpListener, router: Router, stopped: watch::Receiver<()>) {
    let mut connections = JoinSet::new();
    let mut stopping = stopped.clone();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    connections.spawn(connection(stream, router.clone(), stopped.clone()));
                }
                Err(error) => {
                    tracing::warn!(%error, "simulated provider cannot accept a connection");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            },
            Some(_) = connections.join_next() => {}
            _ = stopping.changed() => break,
        }
    }
    drop(listener);
    while connections.join_next().await.is_some() {}
}

async fn connection(stream: TcpStream, router: Router, mut stopped: watch::Receiver<()>) {
    // A reply is many small writes, each of which someone waits for.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "simulated provider cannot set TCP_NODELAY");
    }
    let inner = TowerToHyperService::new(router);
    let service = service_fn(move |request: Request<Incoming>| {
        let answer = inner.call(request);
        async move {
            let Ok(mut response) = answer.await;
            if response.extensions().get::<CloseWithoutAnswer>().is_some() {
                return Err(io::Error::other("simulated close without an answer"));
            }
            response.headers_mut().insert(header::SERVER, SERVER);
            Ok::<Response<Body>, _>(response)
        }
    });
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new());
    let mut connection = pin!(builder.serve_connection(TokioIo::new(stream), service));
    let ended = tokio::select! {
        outcome = connection.as_mut() => Some(outcome),
        _ = stopped.changed() => None,
    };
    let outcome = match ended {
        Some(outcome) => outcome,
        None => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = outcome {
        tracing::debug!(%error, "simulated provider's connection ended early");
    }
}

//! The platform: a node, a gateway, the API and the console, on one port.
use anyhow::{Context as _, Result};
use axum::Router;
use axum::extract::{ConnectInfo, Request};
use axum::middleware::{Next, from_fn};
use axum::response::Response;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use sycee_api::{Look, Sight};
use sycee_gateway::{Connection, Gateway};
use sycee_node::{Handle, Node};
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// How long open connections may last once everything they wait for has ended.
const CONNECTIONS_GRACE: Duration = Duration::from_secs(2);

/// A running platform.
#[derive(Debug)]
pub(crate) struct Platform {
    node: Node,
    gateway: Gateway,
    closing: watch::Sender<bool>,
    server: JoinHandle<()>,
    stop: StopSignal,
    hangup: Signal,
}

/// A port of this machine, taken before anything is written, so that a used one is told at once.
pub(crate) async fn bind(address: SocketAddr) -> Result<TcpListener> {
    TcpListener::bind(address).await.with_context(|| match address.port() {
        0 => format!("failed to listen on {address}"),
        port => format!("failed to listen on {address}: port {port} is in use or not ours to use\n  hint: choose another port; 0 takes a free one"),
    })
}

impl Platform {
    pub(crate) async fn start(
        node: Node,
        listener: TcpListener,
        gateway: sycee_gateway::Options,
        mut api: sycee_api::Options,
    ) -> Result<Self> {
        // Before anyone is told that it is ready: whoever stops it at once is heard too.
        let stop = StopSignal::listen()?;
        let hangup = signal(SignalKind::hangup()).context("failed to listen for SIGHUP")?;
        let gateway = Gateway::start(node.handle(), gateway).await?;
        let metrics = gateway.clone();
        api.metrics.push(Arc::new(move || metrics.metrics_text()));
        api.look = Some(look(gateway.clone()));
        let app: Router = sycee_gateway::router(gateway.clone()).merge(sycee_api::router(node.handle(), api));
        let app = app.layer(from_fn(tell_address));
        let (closing, closed) = watch::channel(false);
        let server = sycee_gateway::serve(gateway.clone(), listener, app, closed);
        #[expect(clippy::disallowed_methods, reason = "the platform waits for it when it stops")]
        let server = tokio::spawn(server);
        Ok(Self { node, gateway, closing, server, stop, hangup })
    }

    pub(crate) fn handle(&self) -> Handle {
        self.node.handle()
    }

    /// Runs until it is told to stop or the node has stopped by itself, then stops in order: requests end and are settled,
    /// connections close, the log is signed and closed.
    pub(crate) async fn run(mut self, mut reload: impl FnMut(&Gateway)) -> Result<()> {
        let mut durable = self.handle().durable();
        loop {
            tokio::select! {
                () = self.stop.told() => break,
                _ = self.hangup.recv() => reload(&self.gateway),
                changed = durable.changed() => if changed.is_err() { break },
            }
        }
        self.close().await
    }

    async fn close(self) -> Result<()> {
        let Self { node, gateway, closing, server, stop: _, hangup: _ } = self;
        let settled = gateway.stop().await;
        closing.send_replace(true);
        let mut server = server;
        if tokio::time::timeout(CONNECTIONS_GRACE, &mut server).await.is_err() {
            server.abort();
        }
        if !settled {
            tracing::warn!(
                "some requests could not be settled; they will be at their last mark when the platform starts again"
            );
        }
        tokio::task::spawn_blocking(move || node.stop()).await.context("failed to stop the node")??;
        Ok(())
    }
}

/// The overview shows the gateway's own view of the offers; the two do not know each other.
fn look(gateway: Gateway) -> Look {
    Arc::new(move |site, id, offer| {
        if !gateway.can_send(&site.name, &offer.terms) {
            return Sight::Unconfigured;
        }
        let failing = gateway.health().of(id).failing_since;
        failing.map_or(Sight::Serves, |since| Sight::Failing { since })
    })
}

/// The gateway's server knows its connections by more than their address; the API wants that.
async fn tell_address(mut request: Request, next: Next) -> Response {
    let connection = request.extensions().get::<ConnectInfo<Connection>>();
    if let Some(peer) = connection.map(|ConnectInfo(connection)| connection.peer()) {
        request.extensions_mut().insert(ConnectInfo(peer));
    }
    next.run(request).await
}

/// SIGTERM and SIGINT, heard from when this is made.
#[derive(Debug)]
pub(crate) struct StopSignal {
    terminate: Signal,
    interrupt: Signal,
}

impl StopSignal {
    pub(crate) fn listen() -> Result<Self> {
        let terminate = signal(SignalKind::terminate()).context("failed to listen for SIGTERM")?;
        let interrupt = signal(SignalKind::interrupt()).context("failed to listen for SIGINT")?;
        Ok(Self { terminate, interrupt })
    }

    /// Resolves when either has come.
    pub(crate) async fn told(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

pub(crate) fn tokio_runtime() -> Result<tokio::runtime::Runtime> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    runtime.context("failed to start the runtime")
}

//! The server: one listener for everything, which nobody can hold up by connecting, by saying little or by taking little.
//!
//! A connection has `head` to say what it wants, from its start and from the first byte of each further request; `body_idle` and
//! `body` to send the rest; `keep_alive` to rest between requests; `client_stall` to take the next bytes of an answer. A body
//! that is late is answered 408 by whoever reads it, a head by the connection itself, and then the connection ends.
//!
//! Connections are limited in all, also by the descriptors that there are, and by network; one too many is told 503 and closed.
//! Where none can be accepted all the same, the listener waits a moment and goes on: connections that end make room.
use std::convert::Infallible;
use std::io;
use std::io::Write as _;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::ConnectInfo;
use axum::http::{Request, Response};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::connection::{Connection, Socket};
use crate::gateway::{Gateway, Shared};
use crate::network::Network;
use crate::options::{Limits, Timeouts};
use crate::problem::Problem;

mod body;
mod descriptors;
mod places;

pub(crate) use body::TooSlow;
use body::{Coming, Leaving};
use places::Place;
pub(crate) use places::Places;

/// The head of a request fits in this; so does what waits to be read of its body.
const BUFFER_BYTES: usize = 64 << 10;
/// How long the listener waits where it cannot accept.
const PAUSE: Duration = Duration::from_millis(100);
/// How often that is said.
const SAY_EVERY: Duration = Duration::from_secs(10);

/// Serves `app` and counts into `gateway` until `closing` is true or nobody can say so any more; then connections end with the
/// requests that they run. Handlers find their [`Connection`] in `ConnectInfo`.
pub async fn serve(gateway: Gateway, listener: TcpListener, app: Router, mut closing: watch::Receiver<bool>) {
    let room = descriptors::room().unwrap_or(usize::MAX);
    let wanted = gateway.0.options().limits.connections_max;
    if room < wanted {
        tracing::warn!("room for {room} connections, not {wanted}: raise the limit of open files");
    }
    let mut server = Server { shared: gateway.0, app, closing: closing.clone(), room, said: None };
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, peer)) => {
                    if let Some(connection) = server.admit(stream, peer) {
                        connections.spawn(connection);
                    }
                }
                Err(error) => server.not_accepted(&error).await,
            },
            Some(_) = connections.join_next() => {}
            () = told(&mut closing) => break,
        }
    }
    drop(listener);
    while connections.join_next().await.is_some() {}
}

struct Server {
    shared: Arc<Shared>,
    app: Router,
    closing: watch::Receiver<bool>,
    /// Connections for which there are descriptors.
    room: usize,
    /// When it was last said that nothing can be accepted.
    said: Option<Instant>,
}

impl Server {
    fn admit(&self, stream: TcpStream, peer: SocketAddr) -> Option<impl Future<Output = ()> + Send + use<>> {
        let options = self.shared.options();
        let connections_max = options.limits.connections_max.min(self.room);
        let limits = Limits { connections_max, ..options.limits };
        match self.shared.places.take(Network::from(peer), &limits) {
            Ok(place) => Some(self.connection(place, stream, peer, options.timeouts)),
            Err(full) => {
                self.shared.metrics.turned_away(full.name());
                turn_away(stream);
                None
            }
        }
    }

    fn connection(
        &self,
        place: Place,
        stream: TcpStream,
        peer: SocketAddr,
        timeouts: Timeouts,
    ) -> impl Future<Output = ()> + Send + use<> {
        // A stream is many small writes, each of which someone waits for.
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "a connection keeps its small writes back");
        }
        let connection = Connection::new(peer);
        let socket = Socket::new(stream, connection.clone(), timeouts, Arc::clone(&self.shared.metrics));
        let inner = TowerToHyperService::new(self.app.clone());
        let service = service_fn(move |request: Request<Incoming>| {
            let serving = connection.serve();
            let mut request = request.map(|body| Coming::new(body, timeouts));
            request.extensions_mut().insert(ConnectInfo(connection.clone()));
            let answer = inner.call(request);
            async move {
                let Ok(response) = answer.await;
                let leaving = response.map(|body| Leaving { body, _serving: serving });
                Ok::<Response<Leaving>, Infallible>(leaving)
            }
        });
        let mut builder = http1::Builder::new();
        builder.timer(TokioTimer::new()).header_read_timeout(timeouts.keep_alive).max_buf_size(BUFFER_BYTES);
        let connection = builder.serve_connection(TokioIo::new(socket), service);
        run(place, self.closing.clone(), connection)
    }

    async fn not_accepted(&mut self, error: &io::Error) {
        use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
        if matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset) {
            // Its client has left meanwhile.
            return;
        }
        self.shared.metrics.not_accepted();
        if self.said.is_none_or(|said| said.elapsed() >= SAY_EVERY) {
            tracing::warn!(%error, "connections cannot be accepted");
            self.said = Some(Instant::now());
        }
        // Out of descriptors, most likely: some will be free again.
        tokio::time::sleep(PAUSE).await;
    }
}

/// Says so as far as the kernel takes it at once: nobody waits for whoever is one too many.
fn turn_away(stream: TcpStream) {
    if let Ok(mut stream) = stream.into_std() {
        drop(stream.write(&Problem::too_many_connections().response()));
    }
}

async fn run<S>(
    place: Place,
    mut closing: watch::Receiver<bool>,
    connection: http1::Connection<TokioIo<Socket>, S>,
) where
    S: hyper::service::HttpService<Incoming, ResBody = Leaving, Error = Infallible>,
{
    let mut connection = pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = told(&mut closing) => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection ended early");
    }
    drop(place);
}

async fn told(closing: &mut watch::Receiver<bool>) {
    // An error means that nobody is left who could say so.
    drop(closing.wait_for(|closing| *closing).await);
}

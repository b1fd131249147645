//! Connections that know what has left them.
//!
//! A mark must never say more than a client receives, also when this process is killed in the next instant. Bytes in a server's
//! own buffer die with it; bytes that the kernel has taken are sent. An HTTP server flushes its connection when its buffer is
//! empty, so at that moment everything that the connection took from a transcript has left.
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::extract::connect_info::Connected;
use axum::serve::IncomingStream;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};

use crate::transcript::Transcript;

/// What a connection has taken from a transcript. Handed to requests as connect info:
/// `router.into_make_service_with_connect_info::<Connection>()`.
#[derive(Clone, Debug, Default)]
pub struct Connection {
    taken: Arc<Mutex<Option<Taken>>>,
    peer: Option<SocketAddr>,
}

#[derive(Debug)]
struct Taken {
    transcript: Arc<Transcript>,
    frames: u64,
}

impl Connection {
    /// Who is at the other end; unknown without a [`Listener`].
    pub fn peer(&self) -> Option<SocketAddr> {
        self.peer
    }

    /// The connection has taken so many frames into its buffer.
    pub(crate) fn took(&self, transcript: &Arc<Transcript>, frames: u64) {
        let mut taken = self.taken.lock().expect("nothing panics while it holds this");
        *taken = Some(Taken { transcript: Arc::clone(transcript), frames });
    }

    /// The buffer is empty.
    fn flushed(&self) {
        if let Some(taken) = self.taken.lock().expect("nothing panics while it holds this").take() {
            taken.transcript.delivered(taken.frames);
        }
    }
}

/// A listener whose connections tell what has left them: `axum::serve(Listener::new(tcp), …)`.
#[derive(Debug)]
pub struct Listener(TcpListener);

impl Listener {
    pub fn new(listener: TcpListener) -> Self {
        Self(listener)
    }
}

impl axum::serve::Listener for Listener {
    type Io = Socket;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Socket, SocketAddr) {
        loop {
            match self.0.accept().await {
                Ok((stream, address)) => {
                    // A stream is many small writes, each of which someone waits for.
                    if let Err(error) = stream.set_nodelay(true) {
                        tracing::debug!(%error, "a connection keeps its small writes back");
                    }
                    return (Socket { stream, connection: Connection::default() }, address);
                }
                Err(error) => {
                    // Out of descriptors, most likely: wait until some are free again.
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            }
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.0.local_addr()
    }
}

/// A connection of a [`Listener`].
#[derive(Debug)]
pub struct Socket {
    stream: TcpStream,
    connection: Connection,
}

impl Connected<IncomingStream<'_, Listener>> for Connection {
    fn connect_info(stream: IncomingStream<'_, Listener>) -> Self {
        Self { peer: Some(*stream.remote_addr()), ..stream.io().connection.clone() }
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.stream).poll_flush(context);
        if matches!(flushed, Poll::Ready(Ok(()))) {
            self.connection.flushed();
        }
        flushed
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::serve::Listener as _;
    use tokio::io::AsyncWriteExt;

    #[tokio::test]
    async fn what_was_taken_is_delivered_when_the_buffer_is_empty() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut listener = Listener::new(listener);
        let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (mut socket, _) = listener.accept().await;
        let transcript = Transcript::new(100);
        socket.connection.took(&transcript, 3);
        socket.write_all(b"three frames").await.unwrap();
        assert_eq!(transcript.heard().delivered, 0, "the server may still hold some of it");
        socket.flush().await.unwrap();
        assert_eq!(transcript.heard().delivered, 3);
        drop(client);
    }
}

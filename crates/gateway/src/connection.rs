//! Connections that know what has left them, and that end when their client keeps them waiting.
//!
//! A mark must never say more than a client receives, also when this process is killed in the next instant. Bytes in a server's
//! own buffer die with it; bytes that the kernel has taken are sent. An HTTP server flushes its connection when its buffer is
//! empty, so at that moment everything that the connection took from a transcript has left.
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep, sleep, sleep_until};

use crate::metrics::Metrics;
use crate::options::Timeouts;
use crate::problem::Problem;
use crate::transcript::Transcript;

/// What a connection has taken from a transcript, and how many requests it has begun and ended. Handed to requests as connect
/// info.
#[derive(Clone, Debug)]
pub struct Connection {
    shared: Arc<Shared>,
    peer: SocketAddr,
}

#[derive(Debug, Default)]
struct Shared {
    taken: Mutex<Option<Taken>>,
    begun: AtomicU64,
    ended: AtomicU64,
}

#[derive(Debug)]
struct Taken {
    transcript: Arc<Transcript>,
    frames: u64,
}

/// A request that is being served, from its head to the last byte that was taken of its answer.
#[derive(Debug)]
pub(crate) struct Serving(Arc<Shared>);

impl Drop for Serving {
    fn drop(&mut self) {
        self.0.ended.fetch_add(1, Ordering::Relaxed);
    }
}

impl Connection {
    pub(crate) fn new(peer: SocketAddr) -> Self {
        Self { shared: Arc::default(), peer }
    }

    /// Who is at the other end.
    pub fn peer(&self) -> SocketAddr {
        self.peer
    }

    /// A request begins.
    pub(crate) fn serve(&self) -> Serving {
        self.shared.begun.fetch_add(1, Ordering::Relaxed);
        Serving(Arc::clone(&self.shared))
    }

    /// The connection has taken so many frames into its buffer.
    pub(crate) fn took(&self, transcript: &Arc<Transcript>, frames: u64) {
        let mut taken = self.shared.taken.lock().expect("nothing panics while it holds this");
        *taken = Some(Taken { transcript: Arc::clone(transcript), frames });
    }

    /// The buffer is empty.
    fn flushed(&self) {
        if let Some(taken) = self.shared.taken.lock().expect("nothing panics while it holds this").take() {
            taken.transcript.delivered(taken.frames);
        }
    }

    fn begun(&self) -> u64 {
        self.shared.begun.load(Ordering::Relaxed)
    }

    fn is_served(&self) -> bool {
        self.begun() != self.shared.ended.load(Ordering::Relaxed)
    }
}

/// A client's socket.
#[derive(Debug)]
pub(crate) struct Socket {
    stream: TcpStream,
    connection: Connection,
    timeouts: Timeouts,
    metrics: Arc<Metrics>,
    head: Option<Head>,
    /// When a client that takes nothing is given up.
    stalled: Option<Pin<Box<Sleep>>>,
}

/// The head of a request that is awaited.
#[derive(Debug)]
struct Head {
    since: Instant,
    /// How many requests had begun before.
    begun: u64,
    /// Something of it has come.
    is_heard: bool,
    alarm: Option<Pin<Box<Sleep>>>,
}

impl Socket {
    pub(crate) fn new(
        stream: TcpStream,
        connection: Connection,
        timeouts: Timeouts,
        metrics: Arc<Metrics>,
    ) -> Self {
        let head = Head { since: Instant::now(), begun: 0, is_heard: false, alarm: None };
        Self { stream, connection, timeouts, metrics, head: Some(head), stalled: None }
    }

    /// Something has come. Unless it belongs to a request that is being served, it is the head of the next.
    fn heard(&mut self) {
        let begun = self.connection.begun();
        match self.head.as_mut().filter(|head| head.begun == begun) {
            Some(head) => head.is_heard = true,
            None if self.connection.is_served() => self.head = None,
            None => {
                self.head = Some(Head { since: Instant::now(), begun, is_heard: true, alarm: None });
            }
        }
    }

    /// Whether the head that is awaited is late.
    fn is_late(&mut self, context: &mut Context<'_>) -> bool {
        let begun = self.connection.begun();
        let Some(head) = self.head.as_mut().filter(|head| head.begun == begun) else {
            self.head = None;
            return false;
        };
        let deadline = head.since + self.timeouts.head;
        head.alarm.get_or_insert_with(|| Box::pin(sleep_until(deadline))).as_mut().poll(context).is_ready()
    }

    /// Tells a client that was too slow, if nothing else is on its way to it.
    fn complain(&self) {
        if self.stalled.is_none() && self.head.as_ref().is_some_and(|head| head.is_heard) {
            // As much as the kernel takes: nobody waits for it.
            drop(self.stream.try_write(&Problem::too_slow().response()));
        }
    }

    fn written(
        &mut self,
        context: &mut Context<'_>,
        written: Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        if written.is_ready() {
            self.stalled = None;
            return written;
        }
        let limit = self.timeouts.client_stall;
        let alarm = self.stalled.get_or_insert_with(|| Box::pin(sleep(limit)));
        alarm.as_mut().poll(context).map(|()| Err(self.gave_up()))
    }

    /// Why the connection ends.
    fn gave_up(&self) -> io::Error {
        self.metrics.timed_out();
        io::ErrorKind::TimedOut.into()
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(context, buffer);
        if read.is_pending() && self.is_late(context) {
            self.complain();
            return Poll::Ready(Err(self.gave_up()));
        }
        if buffer.filled().len() > before {
            self.heard();
        }
        read
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.written(context, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(context, slices);
        self.written(context, written)
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
    use tokio::io::AsyncWriteExt;
    use tokio::net::TcpListener;

    #[tokio::test]
    async fn what_was_taken_is_delivered_when_the_buffer_is_empty() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (stream, peer) = listener.accept().await.unwrap();
        let connection = Connection::new(peer);
        let mut socket = Socket::new(stream, connection.clone(), Timeouts::default(), Arc::default());
        let transcript = Transcript::new(100);
        connection.took(&transcript, 3);
        socket.write_all(b"three frames").await.unwrap();
        assert_eq!(transcript.heard().delivered, 0, "the server may still hold some of it");
        socket.flush().await.unwrap();
        assert_eq!(transcript.heard().delivered, 3);
        drop(client);
    }
}

//! Transcripts: what a request has said so far, for everyone who listens to it.
//!
//! A request writes; its client, and any client that asks the same again, read from the start. Small transcripts are kept whole
//! for a while; of large ones only what somebody has still to read. A request whose last reader has left may be abandoned, and
//! then it takes no new ones: what it would still say is no answer.
use std::collections::{BTreeMap, VecDeque};
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use futures_util::{Stream, StreamExt};
use sycee_core::ids::ScheduleId;
use tokio::sync::Notify;

use crate::connection::Connection;
use crate::problem::Problem;

/// How an answer begins: the prices that it is made at, or why there is none.
pub(crate) type Head = Result<ScheduleId, Problem>;

/// What a request has said.
#[derive(Debug)]
pub(crate) struct Transcript {
    inner: Mutex<Inner>,
    /// Tells the writer that something was delivered, or that the last reader has left.
    heard: Notify,
    kept_bytes_max: usize,
}

#[derive(Debug, Default)]
struct Inner {
    head: Option<Head>,
    frames: VecDeque<Bytes>,
    /// Frames that are no longer kept.
    dropped: u64,
    bytes: usize,
    finished: bool,
    abandoned: bool,
    readers: BTreeMap<u64, Place>,
    next_reader: u64,
    /// Frames that have left this process for some reader.
    delivered: u64,
}

#[derive(Debug, Default)]
struct Place {
    /// The next frame to read.
    next: u64,
    waker: Option<Waker>,
}

/// What a writer learns of its readers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Heard {
    pub(crate) delivered: u64,
    pub(crate) is_alone: bool,
}

impl Transcript {
    pub(crate) fn new(kept_bytes_max: usize) -> Arc<Self> {
        Arc::new(Self { inner: Mutex::default(), heard: Notify::new(), kept_bytes_max })
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().expect("nothing panics while it holds a transcript")
    }

    /// The answer begins, or there is none but a problem.
    pub(crate) fn begin(&self, head: Head) {
        let mut inner = self.lock();
        inner.finished |= head.is_err();
        inner.head = Some(head);
        inner.wake();
    }

    pub(crate) fn write(&self, frame: Bytes) {
        let mut inner = self.lock();
        inner.bytes += frame.len();
        inner.frames.push_back(frame);
        inner.trim(self.kept_bytes_max);
        inner.wake();
    }

    pub(crate) fn finish(&self) {
        let mut inner = self.lock();
        inner.finished = true;
        inner.wake();
    }

    /// What became of an answer, once it is known.
    pub(crate) fn head(&self) -> Option<Head> {
        self.lock().head.clone()
    }

    pub(crate) fn heard(&self) -> Heard {
        let inner = self.lock();
        Heard { delivered: inner.delivered, is_alone: inner.readers.is_empty() }
    }

    /// Gives the request up, unless somebody has come to read it meanwhile. Tells whether it is given up.
    pub(crate) fn abandon(&self) -> bool {
        let mut inner = self.lock();
        inner.abandoned |= inner.readers.is_empty();
        inner.abandoned
    }

    pub(crate) fn is_abandoned(&self) -> bool {
        self.lock().abandoned
    }

    /// Waits until there may be something new to hear.
    pub(crate) async fn wait(&self) {
        self.heard.notified().await;
    }

    /// A reader from the start; none if the start is no longer kept, or the request is abandoned.
    pub(crate) fn read(self: &Arc<Self>, connection: Option<Connection>) -> Option<Reader> {
        let mut inner = self.lock();
        if inner.dropped > 0 || inner.abandoned {
            return None;
        }
        let id = inner.next_reader;
        inner.next_reader += 1;
        inner.readers.insert(id, Place::default());
        drop(inner);
        Some(Reader { transcript: Arc::clone(self), id, connection })
    }

    /// So many frames have left this process for some reader.
    pub(crate) fn delivered(&self, frames: u64) {
        let mut inner = self.lock();
        if frames > inner.delivered {
            inner.delivered = frames;
            drop(inner);
            self.heard.notify_one();
        }
    }
}

impl Inner {
    fn wake(&mut self) {
        for place in self.readers.values_mut() {
            if let Some(waker) = place.waker.take() {
                waker.wake();
            }
        }
    }

    /// Above the limit, what everybody has read is dropped.
    fn trim(&mut self, kept_bytes_max: usize) {
        let read_by_all = self.readers.values().map(|place| place.next).min().unwrap_or(u64::MAX);
        while self.bytes > kept_bytes_max && self.dropped < read_by_all {
            let Some(frame) = self.frames.pop_front() else {
                break;
            };
            self.bytes -= frame.len();
            self.dropped += 1;
        }
    }
}

/// One who listens to a request, from its start to its end or until dropped.
#[derive(Debug)]
pub(crate) struct Reader {
    transcript: Arc<Transcript>,
    id: u64,
    connection: Option<Connection>,
}

impl Reader {
    /// Waits for the head of the answer.
    pub(crate) async fn head(&self) -> Head {
        std::future::poll_fn(|context| {
            let mut inner = self.transcript.lock();
            if let Some(head) = &inner.head {
                return Poll::Ready(head.clone());
            }
            inner.place(self.id).waker = Some(context.waker().clone());
            Poll::Pending
        })
        .await
    }
}

impl Reader {
    /// All of it, from where it was read to its end.
    pub(crate) async fn whole(mut self) -> Vec<u8> {
        let mut whole = Vec::new();
        while let Some(Ok(frame)) = self.next().await {
            whole.extend_from_slice(&frame);
        }
        whole
    }
}

impl Inner {
    fn place(&mut self, reader: u64) -> &mut Place {
        self.readers.get_mut(&reader).expect("a reader has its place until it is dropped")
    }
}

impl Stream for Reader {
    type Item = Result<Bytes, Infallible>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let mut inner = self.transcript.lock();
        let next = inner.place(self.id).next;
        let index =
            usize::try_from(next - inner.dropped).expect("frames are kept until everybody has read them");
        let Some(frame) = inner.frames.get(index).cloned() else {
            if inner.finished {
                return Poll::Ready(None);
            }
            inner.place(self.id).waker = Some(context.waker().clone());
            drop(inner);
            if self.connection.is_none() {
                // Nobody says when bytes leave; being asked for more is the best sign there is.
                self.transcript.delivered(next);
            }
            return Poll::Pending;
        };
        inner.place(self.id).next = next + 1;
        drop(inner);
        match &self.connection {
            Some(connection) => connection.took(&self.transcript, next + 1),
            None => self.transcript.delivered(next),
        }
        Poll::Ready(Some(Ok(frame)))
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        let mut inner = self.transcript.lock();
        inner.readers.remove(&self.id);
        let is_alone = inner.readers.is_empty();
        drop(inner);
        if is_alone {
            self.transcript.heard.notify_one();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn rest(reader: Reader) -> Vec<Bytes> {
        reader.map(|frame| frame.unwrap_or_else(|never| match never {})).collect().await
    }

    #[tokio::test]
    async fn late_readers_hear_everything_while_it_is_small() {
        let transcript = Transcript::new(100);
        let first = transcript.read(None).unwrap();
        transcript.begin(Ok(ScheduleId(7)));
        transcript.write(Bytes::from_static(b"one"));
        let second = transcript.read(None).unwrap();
        transcript.write(Bytes::from_static(b"two"));
        transcript.finish();
        assert_eq!(first.head().await, Ok(ScheduleId(7)));
        let (first, second) = (rest(first).await, rest(second).await);
        assert_eq!(first, ["one", "two"]);
        assert_eq!(second, first);
        assert_eq!(transcript.heard(), Heard { delivered: 1, is_alone: true });
        assert_eq!(rest(transcript.read(None).unwrap()).await, first, "and again after its end");
    }

    #[tokio::test]
    async fn a_large_one_is_dropped_behind_its_readers() {
        let transcript = Transcript::new(4);
        let mut reader = transcript.read(None).unwrap();
        for frame in [&b"one"[..], b"two", b"six"] {
            transcript.write(Bytes::copy_from_slice(frame));
        }
        assert_eq!(reader.next().await.unwrap().unwrap(), "one");
        transcript.write(Bytes::from_static(b"ten"));
        assert!(transcript.read(None).is_none(), "its start is gone");
        transcript.finish();
        assert_eq!(rest(reader).await, ["two", "six", "ten"]);
    }

    #[tokio::test]
    async fn the_writer_hears_when_the_last_reader_leaves() {
        let transcript = Transcript::new(100);
        let (first, second) = (transcript.read(None).unwrap(), transcript.read(None).unwrap());
        drop(first);
        assert!(!transcript.heard().is_alone && !transcript.abandon());
        drop(second);
        transcript.wait().await;
        assert!(transcript.heard().is_alone);
        assert!(transcript.read(None).is_some(), "while it is not given up it can be read");
        assert!(transcript.abandon() && transcript.read(None).is_none());
    }
}

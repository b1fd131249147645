//! Bodies: one that has to keep coming, and one that knows when all of it was taken.
use std::error::Error;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::BoxError;
use axum::body::{Body, Bytes};
use hyper::body::{Frame, Incoming, SizeHint};
use tokio::time::{Instant, Sleep, sleep_until};

use crate::connection::Serving;
use crate::options::Timeouts;

/// A large body may take a second longer for each so many bytes that have come.
const BYTES_PER_SECOND: u64 = 64 << 10;

/// The body did not come in time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TooSlow;

impl TooSlow {
    /// Whether this is why a body could not be read.
    pub(crate) fn is_cause_of(error: &(dyn Error + 'static)) -> bool {
        let mut causes = std::iter::successors(Some(error), |error| (*error).source());
        causes.any(<dyn Error>::is::<Self>)
    }
}

impl fmt::Display for TooSlow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the request did not come in time")
    }
}

impl Error for TooSlow {}

/// The body of a request as it comes.
#[derive(Debug)]
pub(super) struct Coming {
    body: Incoming,
    timeouts: Timeouts,
    came: u64,
    /// When it was first waited for, and when the last piece came.
    waited: Option<(Instant, Instant)>,
    alarm: Option<Pin<Box<Sleep>>>,
}

impl Coming {
    pub(super) fn new(body: Incoming, timeouts: Timeouts) -> Self {
        Self { body, timeouts, came: 0, waited: None, alarm: None }
    }

    fn deadline(&self, began: Instant, heard: Instant) -> Instant {
        let whole = self.timeouts.body + Duration::from_secs(self.came / BYTES_PER_SECOND);
        (began + whole).min(heard + self.timeouts.body_idle)
    }
}

impl hyper::body::Body for Coming {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let polled = Pin::new(&mut self.body).poll_frame(context);
        if let Poll::Ready(frame) = polled {
            let frame = frame.map(|frame| frame.map_err(BoxError::from));
            if let Some(bytes) = frame.as_ref().and_then(|frame| frame.as_ref().ok()?.data_ref()) {
                self.came += bytes.len() as u64;
            }
            if let Some((_, heard)) = &mut self.waited {
                *heard = Instant::now();
            }
            return Poll::Ready(frame);
        }
        let now = Instant::now();
        let (began, heard) = *self.waited.get_or_insert((now, now));
        let deadline = self.deadline(began, heard);
        let alarm = self.alarm.get_or_insert_with(|| Box::pin(sleep_until(deadline)));
        if alarm.deadline() != deadline {
            alarm.as_mut().reset(deadline);
        }
        alarm.as_mut().poll(context).map(|()| Some(Err(TooSlow.into())))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// The body of an answer. Until it is dropped, its connection is being served.
#[derive(Debug)]
pub(super) struct Leaving {
    pub(super) body: Body,
    pub(super) _serving: Serving,
}

impl hyper::body::Body for Leaving {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

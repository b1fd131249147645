//! Room: how much of reports is in memory at a time, whoever sends them.
use crate::error::Problem;
use axum::body::Body;
use axum::http::{HeaderMap, StatusCode, header};
use http_body_util::BodyExt as _;
use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Bytes of bodies that are being received or worked on, of all senders together.
pub(super) const BYTES_MAX: usize = if cfg!(test) { 32 << 20 } else { 256 << 20 };

/// Counts the bytes that are in memory.
#[derive(Debug)]
pub(super) struct Room(Arc<Semaphore>);

impl Default for Room {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(BYTES_MAX)))
    }
}

/// A body, which takes room for as long as this is there.
#[derive(Debug)]
pub(super) struct Held {
    pub(super) bytes: Vec<u8>,
    room: Option<OwnedSemaphorePermit>,
}

impl Room {
    /// Reads a body of at most `bytes_max`.
    pub(super) async fn read(
        &self,
        headers: &HeaderMap,
        body: &mut Body,
        bytes_max: usize,
    ) -> Result<Held, Problem> {
        let announced =
            headers.get(header::CONTENT_LENGTH).and_then(|it| it.to_str().ok()?.parse::<usize>().ok());
        if announced.is_some_and(|bytes| bytes > bytes_max) {
            return Err(too_large(bytes_max));
        }
        let mut held = Held { bytes: Vec::new(), room: None };
        while let Some(frame) = body.frame().await {
            let Ok(data) = frame.map_err(|_| broken_off())?.into_data() else { continue };
            if held.bytes.len() + data.len() > bytes_max {
                return Err(too_large(bytes_max));
            }
            let taken = u32::try_from(data.len()).ok();
            let taken = taken.and_then(|bytes| Arc::clone(&self.0).try_acquire_many_owned(bytes).ok());
            let taken = taken.ok_or_else(Problem::reports_crowd)?;
            match &mut held.room {
                Some(room) => room.merge(taken),
                None => held.room = Some(taken),
            }
            if held.bytes.is_empty() {
                held.bytes.reserve_exact(announced.unwrap_or(0));
            }
            held.bytes.extend_from_slice(&data);
        }
        Ok(held)
    }
}

/// Takes what is left of a body that nobody wants, as far as it would have been taken: a sender that is still writing when the
/// connection closes would not hear why.
pub(super) async fn discard(body: &mut Body, bytes_max: usize) {
    let mut bytes = 0;
    while let Some(Ok(frame)) = body.frame().await
        && bytes <= bytes_max
    {
        bytes += frame.data_ref().map_or(0, bytes::Bytes::len);
    }
}

fn too_large(bytes_max: usize) -> Problem {
    let message = format!("a report of this type has at most {bytes_max} bytes");
    Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "api.bad_body", message).hint("send fewer lines at a time")
}

fn broken_off() -> Problem {
    Problem::bad_request("api.bad_body", "the body did not come whole")
        .hint("send it again: nothing was counted")
}

#[cfg(test)]
mod tests {
    use super::{BYTES_MAX, Body, HeaderMap, Held, Problem, Room};
    use axum::response::IntoResponse as _;
    use bytes::Bytes;
    use futures_util::stream;

    async fn read(room: &Room, bytes: usize, bytes_max: usize) -> Result<Held, Problem> {
        let pieces = vec![0; bytes].chunks(1 << 20).map(Bytes::copy_from_slice).collect::<Vec<_>>();
        let pieces = stream::iter(pieces.into_iter().map(Ok::<_, std::io::Error>));
        room.read(&HeaderMap::new(), &mut Body::from_stream(pieces), bytes_max).await
    }

    #[tokio::test]
    async fn bodies_have_room_until_it_is_taken_and_again_when_it_is_given_back() {
        let room = Room::default();
        let half = read(&room, BYTES_MAX / 2, BYTES_MAX).await.unwrap();
        let other = read(&room, BYTES_MAX / 2, BYTES_MAX).await.unwrap();
        let crowded = read(&room, 1, BYTES_MAX).await.unwrap_err();
        assert_eq!(crowded.code(), "node.overloaded");
        let answer = crowded.into_response();
        assert_eq!((answer.status().as_u16(), answer.headers()["retry-after"].to_str().unwrap()), (429, "1"));
        drop(half);
        // What is refused midway gives back what it took.
        read(&room, BYTES_MAX / 4 * 3, BYTES_MAX).await.unwrap_err();
        assert_eq!(read(&room, BYTES_MAX / 2, BYTES_MAX).await.unwrap().bytes.len(), BYTES_MAX / 2);
        drop(other);
        assert_eq!(read(&room, BYTES_MAX, BYTES_MAX).await.unwrap().bytes.len(), BYTES_MAX);
    }

    #[tokio::test]
    async fn a_body_that_says_no_length_is_counted_as_it_comes() {
        let room = Room::default();
        assert_eq!(read(&room, 4 << 20, 4 << 20).await.unwrap().bytes.len(), 4 << 20);
        let refused = read(&room, (4 << 20) + 1, 4 << 20).await.unwrap_err();
        assert_eq!(refused.into_response().status().as_u16(), 413);
    }
}

//! The bodies of requests, to a limit of bytes and of time without one; bodies of answers.

use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use futures_util::StreamExt;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::OwnedSemaphorePermit;

use super::error::HttpError;
use super::state::{BODY_UNIT_BYTES, ServerState};

/// So much of a body that is too long is read and thrown away: a client that is still sending would not see the error.
const DISCARDED_BYTES_MAX: u64 = 64 << 20;
/// The longest time for a body that is not wanted at all.
const DISCARD_TIME: Duration = Duration::from_secs(5);
/// The first bytes of each body take no share of the memory for bodies: a short request does not wait for long ones.
const FREE_BYTES: u64 = 1 << 16;

/// A body, and its share of the memory for bodies, which ends when it is dropped.
pub struct ReceivedBody {
    /// The body.
    pub bytes: Bytes,
    /// Its share.
    pub share: BodyShare,
}

/// A share of the memory for bodies. It goes where the body goes: work that nobody waits for any more still has both.
#[derive(Default)]
pub struct BodyShare(Option<OwnedSemaphorePermit>);

impl BodyShare {
    /// The share of a body of so many bytes.
    fn of(length: u64, state: &ServerState) -> Result<Self, HttpError> {
        let mut share = Self::default();
        share.grow_to(length, state)?;
        Ok(share)
    }

    /// Grows to a body of so many bytes.
    ///
    /// # Errors
    /// `overloaded` if no memory for bodies is left.
    fn grow_to(&mut self, length: u64, state: &ServerState) -> Result<(), HttpError> {
        let units = length.saturating_sub(FREE_BYTES).div_ceil(BODY_UNIT_BYTES);
        let missing = units.saturating_sub(self.0.as_ref().map_or(0, |permit| permit.num_permits() as u64));
        let count = u32::try_from(missing).unwrap_or(u32::MAX);
        let Ok(more) = state.bodies.clone().try_acquire_many_owned(count) else {
            let error = HttpError::new("overloaded", "the memory for bodies is full of those of other requests");
            return Err(HttpError { retry_after: Some(Duration::from_secs(1)), ..error });
        };
        match &mut self.0 {
            Some(permit) => permit.merge(more),
            None => self.0 = Some(more),
        }
        Ok(())
    }
}

/// A body of at most so many bytes.
///
/// # Errors
/// `too_large`; `overloaded`; `slow_body` if it stops coming; `malformed` if the connection breaks.
pub async fn read(body: Body, bytes_max: u64, state: &ServerState) -> Result<ReceivedBody, HttpError> {
    let too_large =
        || HttpError::new("too_large", format!("the body has more than {bytes_max} bytes, the most that is taken"));
    if body.size_hint().lower() > bytes_max.saturating_add(DISCARDED_BYTES_MAX) {
        return Err(too_large());
    }
    // All at once: bodies that grow side by side would refuse each other where some of them have room.
    let stated = body.size_hint().lower();
    let mut received = if stated > bytes_max { Err(too_large()) } else { BodyShare::of(stated, state) }
        .map(|share| (Vec::new(), share));
    let (mut stream, mut length) = (body.into_data_stream(), 0);
    while let Some(piece) = in_time(stream.next(), state.http_limits.body_timeout).await? {
        let piece = piece.map_err(|_| HttpError::new("malformed", "the body ended too early"))?;
        length += piece.len() as u64;
        if length > bytes_max {
            received = Err(too_large());
        }
        if length > bytes_max.saturating_add(DISCARDED_BYTES_MAX) {
            break;
        }
        received = received.and_then(|(mut bytes, mut share)| {
            share.grow_to(length, state)?;
            bytes.extend_from_slice(&piece);
            Ok((bytes, share))
        });
    }
    received.map(|(bytes, share)| ReceivedBody { bytes: bytes.into(), share })
}

/// Reads a body that is not wanted, to its end or a limit: a client that is still sending would not see the answer.
pub async fn discard(body: Body) {
    let (mut stream, mut length) = (body.into_data_stream(), 0);
    let read = async {
        while let Some(Ok(piece)) = stream.next().await {
            length += piece.len() as u64;
            if length > DISCARDED_BYTES_MAX {
                break;
            }
        }
    };
    let _ = tokio::time::timeout(DISCARD_TIME, read).await; // a slow client does not see the answer
}

async fn in_time<T>(next: impl Future<Output = T>, time: Duration) -> Result<T, HttpError> {
    let slow = || HttpError::new("slow_body", format!("no byte of the body came for {} s", time.as_secs_f64()));
    tokio::time::timeout(time, next).await.map_err(|_| slow())
}

/// A body that is an object in JSON, and its share of the memory for bodies.
///
/// # Errors
/// Those of [`read`], and `malformed`.
pub async fn json<T: DeserializeOwned>(body: Body, state: &ServerState) -> Result<(T, BodyShare), HttpError> {
    let ReceivedBody { bytes, share } = read(body, state.http_limits.max_body, state).await?;
    Ok((parsed(&bytes)?, share))
}

fn parsed<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, HttpError> {
    let malformed = |message: &str| {
        HttpError::new("malformed", format!("the body: {message}")).with_hint("/openapi.json describes every request")
    };
    // A list would be taken for the fields of an object in their order.
    if bytes.trim_ascii_start().first().is_some_and(|first| *first == b'[') {
        return Err(malformed("expected an object, not a list"));
    }
    serde_json::from_slice(bytes).map_err(|error| malformed(&error.to_string()))
}

/// A response in JSON.
pub fn json_response(object: impl Serialize) -> Response {
    let content_type = [(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))];
    (content_type, serde_json::to_vec(&object).unwrap_or_default()).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_share_their_memory_and_short_ones_need_none() {
        let state = ServerState::for_tests();
        let all = state.bodies.available_permits() as u64 * BODY_UNIT_BYTES;
        let (mut long, mut other, mut short) = (BodyShare::default(), BodyShare::default(), BodyShare::default());
        long.grow_to(all / 2, &state).unwrap();
        long.grow_to(all + FREE_BYTES, &state).unwrap();
        short.grow_to(FREE_BYTES, &state).unwrap();
        let error = other.grow_to(FREE_BYTES + 1, &state).unwrap_err();
        assert_eq!((error.error_type, error.retry_after), ("overloaded", Some(Duration::from_secs(1))));
        drop(long);
        other.grow_to(all, &state).unwrap();
    }
}

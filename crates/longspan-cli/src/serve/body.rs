//! The bodies of requests, to a limit of bytes and of time without one; bodies of answers.

use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use futures_util::StreamExt;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::error::HttpError;
use super::state::ServerState;
use crate::cli::HttpLimitArgs;

/// So much of a body that is too long is read and thrown away: a client that is still sending would not see the error.
const DISCARDED_BYTES_MAX: u64 = 64 << 20;

/// A body of at most so many bytes.
///
/// # Errors
/// `too_large`; `slow_body` if it stops coming; `malformed` if the connection breaks.
pub async fn read(body: Body, bytes_max: u64, limits: &HttpLimitArgs) -> Result<Bytes, HttpError> {
    let too_large = || {
        HttpError::new("too_large", format!("the body has more than {bytes_max} bytes, the most that is taken"))
            .with_hint("the options --max-body and --max-upload set the limit")
    };
    if body.size_hint().lower() > bytes_max.saturating_add(DISCARDED_BYTES_MAX) {
        return Err(too_large());
    }
    let (mut stream, mut bytes, mut length) = (body.into_data_stream(), Vec::new(), 0);
    while let Some(piece) = in_time(stream.next(), limits.body_timeout).await? {
        let piece = piece.map_err(|_| HttpError::new("malformed", "the body ended too early"))?;
        length += piece.len() as u64;
        if length <= bytes_max {
            bytes.extend_from_slice(&piece);
        } else {
            bytes = Vec::new();
        }
        if length > bytes_max.saturating_add(DISCARDED_BYTES_MAX) {
            break;
        }
    }
    if length > bytes_max { Err(too_large()) } else { Ok(bytes.into()) }
}

/// Reads a body that is not wanted, to its end or a limit: a client that is still sending would not see the answer.
pub async fn discard(body: Body, limits: &HttpLimitArgs) {
    let _ = read(body, 0, limits).await;
}

async fn in_time<T>(next: impl Future<Output = T>, time: Duration) -> Result<T, HttpError> {
    let slow = || HttpError::new("slow_body", format!("no byte of the body came for {} s", time.as_secs_f64()));
    tokio::time::timeout(time, next).await.map_err(|_| slow())
}

/// A body in JSON.
///
/// # Errors
/// Those of [`read`], and `malformed`.
pub async fn json<T: DeserializeOwned>(body: Body, state: &ServerState) -> Result<T, HttpError> {
    let bytes = read(body, state.http_limits.max_body, &state.http_limits).await?;
    parsed(&bytes)
}

/// JSON from bytes.
///
/// # Errors
/// `malformed`.
pub fn parsed<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, HttpError> {
    serde_json::from_slice(bytes).map_err(|error| {
        HttpError::new("malformed", format!("the body: {error}")).with_hint("/openapi.json describes every request")
    })
}

/// A response in JSON.
pub fn json_response(object: impl Serialize) -> Response {
    let content_type = [(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))];
    (content_type, serde_json::to_vec(&object).unwrap_or_default()).into_response()
}

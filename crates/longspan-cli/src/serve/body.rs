//! The bodies of requests: to a limit of bytes, and of time without one.

use std::future::Future;
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use futures_util::StreamExt;
use serde::de::DeserializeOwned;

use super::error::HttpError;
use super::state::ServerState;
use crate::cli::LimitArgs;

/// A body of at most so many bytes.
///
/// # Errors
/// `too_large`; `slow_body` if it stops coming; `malformed` if the connection breaks.
pub async fn read(body: Body, bytes_max: u64, limits: &LimitArgs) -> Result<Bytes, HttpError> {
    let too_large = || {
        HttpError::new("too_large", format!("the body has more than {bytes_max} bytes, the most that is taken"))
            .with_hint("the options --max-body and --max-upload set the limit")
    };
    if body.size_hint().lower() > bytes_max {
        return Err(too_large());
    }
    let (mut stream, mut bytes) = (body.into_data_stream(), Vec::new());
    while let Some(piece) = in_time(stream.next(), limits.body_timeout).await? {
        let piece = piece.map_err(|_| HttpError::new("malformed", "the body ended too early"))?;
        if (bytes.len() + piece.len()) as u64 > bytes_max {
            return Err(too_large());
        }
        bytes.extend_from_slice(&piece);
    }
    Ok(bytes.into())
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
    let bytes = read(body, state.limits.max_body, &state.limits).await?;
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

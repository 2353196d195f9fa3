//! The page: its files are in the binary.

use axum::extract::Request;
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use sha2::{Digest, Sha256};

/// Each file: its path, its type, its content.
pub const FILES: [(&str, &str, &[u8]); 1] =
    [("/", "text/html; charset=utf-8", include_bytes!("page/index.html"))];

/// Whether a route needs no key: the page, which asks for it, and what says whether the server is ready.
pub fn is_open(method: &Method, route: &str) -> bool {
    let is_read = method == Method::GET || method == Method::HEAD;
    is_read && (route == "/health" || FILES.iter().any(|(path, ..)| *path == route))
}

/// Serves a file of the page.
pub async fn file(request: Request) -> Response {
    let Some((_, kind, content)) = FILES.iter().find(|(path, ..)| *path == request.uri().path()) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    // Another version of the program may have another file.
    let digest = Sha256::digest(content);
    let tag = format!("\"{:02x}{:02x}{:02x}{:02x}{:02x}{:02x}\"", digest[0], digest[1], digest[2], digest[3], digest[4], digest[5]);
    let known = request.headers().get(header::IF_NONE_MATCH);
    if known.is_some_and(|known| known.as_bytes() == tag.as_bytes()) {
        return StatusCode::NOT_MODIFIED.into_response();
    }
    let mut response = (*content).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        headers.insert(header::ETAG, tag);
    }
    response
}

//! The page: its files are in the binary.

use axum::extract::Request;
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use sha2::{Digest, Sha256};

const HTML: &str = "text/html; charset=utf-8";
const STYLE: &str = "text/css; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";
const TEXT: &str = "text/plain; charset=utf-8";

/// Where the page is.
pub const PATH: &str = "/";

/// Each file: its path, its type, its content. The licence is what the sample questions are asked.
pub const FILES: [(&str, &str, &[u8]); 15] = [
    (PATH, HTML, include_bytes!("page/index.html")),
    ("/style.css", STYLE, include_bytes!("page/style.css")),
    ("/icon.svg", "image/svg+xml", include_bytes!("page/icon.svg")),
    ("/app.js", SCRIPT, include_bytes!("page/app.js")),
    ("/answers.js", SCRIPT, include_bytes!("page/answers.js")),
    ("/api.js", SCRIPT, include_bytes!("page/api.js")),
    ("/documents.js", SCRIPT, include_bytes!("page/documents.js")),
    ("/dom.js", SCRIPT, include_bytes!("page/dom.js")),
    ("/export.js", SCRIPT, include_bytes!("page/export.js")),
    ("/pages.js", SCRIPT, include_bytes!("page/pages.js")),
    ("/quotations.js", SCRIPT, include_bytes!("page/quotations.js")),
    ("/score.js", SCRIPT, include_bytes!("page/score.js")),
    ("/text.js", SCRIPT, include_bytes!("page/text.js")),
    ("/view.js", SCRIPT, include_bytes!("page/view.js")),
    ("/license.txt", TEXT, include_bytes!("../../../../LICENSE")),
];

/// Whether a route needs no key: the page, which asks for it, and what says whether the server is ready.
pub fn is_open(method: &Method, route: &str) -> bool {
    let is_read = method == Method::GET || method == Method::HEAD;
    is_read && (route == "/health" || FILES.iter().any(|(path, ..)| *path == route))
}

/// Serves a file of the page.
pub async fn file(request: Request) -> Response {
    let Some(&(_, kind, content)) = FILES.iter().find(|(path, ..)| *path == request.uri().path()) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    // Another version of the program may have another file.
    let digest = Sha256::digest(content);
    let tag = format!(
        "\"{:02x}{:02x}{:02x}{:02x}{:02x}{:02x}\"",
        digest[0], digest[1], digest[2], digest[3], digest[4], digest[5]
    );
    let known = request.headers().get(header::IF_NONE_MATCH);
    let is_known = known.is_some_and(|known| known.as_bytes() == tag.as_bytes());
    let mut response = if is_known { StatusCode::NOT_MODIFIED.into_response() } else { content.into_response() };
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        headers.insert(header::ETAG, tag);
    }
    response
}

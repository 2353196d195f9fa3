//! What surrounds every request: its id, its line in the log, its turn; who may ask; headers that protect browsers.

use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use tokio::sync::OwnedSemaphorePermit;

use super::body;
use super::error::HttpError;
use super::page::is_open;
use super::state::{AccessRules, ServerState};

/// The policy for pages: nothing from elsewhere, nothing inline.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; \
                                       connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'";

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const TRACE_PARENT: HeaderName = HeaderName::from_static("traceparent");
/// The longest id that is taken from a request.
const ID_BYTES_MAX: usize = 64;
/// The status in the log of a request whose client has left.
const CLIENT_GONE: u16 = 499;

/// What the log says of a request. The line is written when the last holder drops it: the handler, or the stream of its
/// answer.
pub struct RequestRecord {
    state: Arc<ServerState>,
    id: String,
    trace_parent: Option<String>,
    method: &'static str,
    route: String,
    started: Instant,
    status: OnceLock<u16>,
    tokens: AtomicU64,
    queue_micros: AtomicU64,
    /// Its turn among the requests at once.
    _permit: Option<OwnedSemaphorePermit>,
}

impl RequestRecord {
    /// The work that the model has for it.
    pub fn set_work(&self, tokens: usize, queue_time: Duration) {
        self.tokens.store(tokens as u64, Ordering::Relaxed);
        self.queue_micros.store(queue_time.as_micros() as u64, Ordering::Relaxed);
    }

    /// The id of the request.
    pub fn id(&self) -> &str {
        &self.id
    }
}

impl Drop for RequestRecord {
    fn drop(&mut self) {
        let (seconds, status) = (self.started.elapsed(), self.status.get().copied().unwrap_or(CLIENT_GONE));
        self.state.metrics.request(&self.route, status, seconds);
        tracing::info!(
            id = self.id,
            traceparent = self.trace_parent,
            method = self.method,
            route = self.route,
            status,
            tokens = self.tokens.load(Ordering::Relaxed),
            seconds = seconds.as_secs_f64(),
            queue_seconds = self.queue_micros.load(Ordering::Relaxed) as f64 / 1e6,
            "request"
        );
    }
}

/// Surrounds a request.
pub async fn surround(
    State(state): State<Arc<ServerState>>,
    matched: Option<MatchedPath>,
    mut request: Request,
    next: Next,
) -> Response {
    // Paths that are not served are one route, so that labels stay few.
    let route = matched.as_ref().map_or("other", MatchedPath::as_str).to_owned();
    let is_open = is_open(request.method(), &route);
    // Only a request that may be answered takes a turn of others.
    let admitted = admitted(&state.access, is_open, request.headers(), request.uri());
    let permit = admitted.is_ok().then(|| state.requests.clone().try_acquire_owned().ok()).flatten();
    let is_full = permit.is_none() && route != "/health" && route != "/metrics";
    let record = Arc::new(RequestRecord {
        id: request_id(request.headers()),
        trace_parent: request.headers().get(TRACE_PARENT).and_then(plain).map(str::to_owned),
        method: method_name(request.method()),
        route,
        started: Instant::now(),
        status: OnceLock::new(),
        tokens: AtomicU64::new(0),
        queue_micros: AtomicU64::new(0),
        _permit: permit,
        state: state.clone(),
    });
    request.extensions_mut().insert(record.clone());
    let refused = admitted.err().or_else(|| is_full.then(|| full(&state)));
    let response = match refused {
        None => next.run(request).await,
        Some(error) => {
            body::discard(request.into_body()).await;
            error.into_response()
        }
    };
    finished(&record, response)
}

fn full(state: &ServerState) -> HttpError {
    let message =
        format!("{} requests are being answered, the most at once", state.http_limits.max_concurrent_requests);
    let retry_after = Some(Duration::from_secs(1));
    HttpError { retry_after, ..HttpError::new("overloaded", message) }
}

/// The response with its headers, and with the body of an error.
fn finished(record: &RequestRecord, mut response: Response) -> Response {
    if let Some(error) = response.extensions_mut().remove::<HttpError>() {
        if error.status().is_client_error() || error.status() == StatusCode::SERVICE_UNAVAILABLE {
            record.state.metrics.reject(error.error_type);
        }
        let object = serde_json::to_string(&error.object(Some(&record.id))).unwrap_or_default();
        let (mut parts, _) = response.into_parts();
        parts.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        parts.headers.remove(header::CONTENT_LENGTH);
        response = Response::from_parts(parts, object.into());
    }
    let headers = response.headers_mut();
    for (name, value) in [
        (header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    if !headers.contains_key(header::CACHE_CONTROL) {
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
    if let Ok(id) = HeaderValue::from_str(&record.id) {
        headers.insert(REQUEST_ID, id);
    }
    let _ = record.status.set(response.status().as_u16()); // set once
    response
}

/// The id that a request brings, or a new one.
fn request_id(headers: &HeaderMap) -> String {
    static RANDOM: OnceLock<RandomState> = OnceLock::new();
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let brought = headers.get(REQUEST_ID).and_then(plain);
    brought.map_or_else(
        || {
            let count = COUNT.fetch_add(1, Ordering::Relaxed);
            format!("{:016x}", RANDOM.get_or_init(RandomState::new).hash_one(count))
        },
        str::to_owned,
    )
}

/// A value that can stand in a log.
fn plain(value: &HeaderValue) -> Option<&str> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_' || c == '.';
    value.to_str().ok().filter(|text| (1..=ID_BYTES_MAX).contains(&text.len()) && text.chars().all(is_plain))
}

fn method_name(method: &Method) -> &'static str {
    let known = ["GET", "POST", "DELETE", "HEAD", "OPTIONS", "PUT", "PATCH"];
    known.into_iter().find(|name| *name == method.as_str()).unwrap_or("other")
}

/// Whether a request may be answered.
///
/// # Errors
/// `host`, `origin` or `key`.
fn admitted(rules: &AccessRules, is_open: bool, headers: &HeaderMap, uri: &Uri) -> Result<(), HttpError> {
    let text = |name: HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    let host = uri.authority().map(|authority| authority.as_str()).or_else(|| text(header::HOST)).unwrap_or_default();
    if !is_own_name(rules, host) {
        let hint = "whoever runs the server adds the name with --allow-host";
        return Err(HttpError::new("host", "the Host header is not a name of this server").with_hint(hint));
    }
    if headers.contains_key(header::ORIGIN) {
        let origin = text(header::ORIGIN).unwrap_or_default();
        let is_own = origin.split_once("://").is_some_and(|(_, authority)| authority.eq_ignore_ascii_case(host));
        if !is_own && !rules.allowed_origins.iter().any(|allowed| allowed == origin) {
            let hint = "whoever runs the server lets the site ask with --cors-allow-origin";
            return Err(HttpError::new("origin", "pages of other sites may not ask this server").with_hint(hint));
        }
    }
    match &rules.key_digest {
        Some(digest) if !is_open && !has_key(digest, text(header::AUTHORIZATION).unwrap_or_default()) => {
            let hint = "send it as `Authorization: Bearer KEY`";
            Err(HttpError::new("key", "the key is missing or wrong").with_hint(hint))
        }
        _ => Ok(()),
    }
}

/// Whether a Host header names this server. A server that only this machine reaches answers no other name: a page of
/// another site whose name was pointed here (DNS rebinding) would have that name.
fn is_own_name(rules: &AccessRules, host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    let name = name.trim_start_matches('[').trim_end_matches(']').to_ascii_lowercase();
    let is_allowed = || rules.allowed_hosts.iter().any(|allowed| allowed.eq_ignore_ascii_case(&name));
    let is_of_host = |address: std::net::IpAddr| address.is_loopback() || address == rules.host;
    let is_own = name == "localhost" || name.parse().is_ok_and(is_of_host);
    let has_every_name = !rules.host.is_loopback() && rules.allowed_hosts.is_empty();
    has_every_name || is_own || is_allowed()
}

/// Whether a header has the key. The comparison takes the same time for every key.
fn has_key(digest: &[u8; 32], authorization: &str) -> bool {
    let scheme = authorization.get(..7).filter(|scheme| scheme.eq_ignore_ascii_case("bearer "));
    let key = scheme.map_or("", |_| authorization[7..].trim());
    key_digest(key).ct_eq(digest).into()
}

/// The digest of a key, which is compared instead of it: it has one length.
pub fn key_digest(key: &str) -> [u8; 32] {
    Sha256::digest(key.as_bytes()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(host: &str, allowed_hosts: &[&str], key: Option<&str>) -> AccessRules {
        AccessRules {
            key_digest: key.map(key_digest),
            host: host.parse().unwrap(),
            allowed_hosts: allowed_hosts.iter().map(|name| name.to_string()).collect(),
            allowed_origins: vec!["https://example.com".into()],
        }
    }

    #[test]
    fn a_server_of_this_machine_has_its_names() {
        let check = |rules: &AccessRules, host: &str, is_own: bool| {
            assert_eq!(is_own_name(rules, host), is_own, "{host}");
        };
        let own = rules("127.0.0.1", &["qa.example"], None);
        for host in ["localhost:8737", "LOCALHOST", "127.0.0.1:8737", "[::1]:8737", "127.8.9.1", "qa.example:443"] {
            check(&own, host, true);
        }
        for host in ["", "example.com", "localhost.example.com", "192.168.1.1:8737", "qa.example.org"] {
            check(&own, host, false);
        }
        check(&rules("0.0.0.0", &[], None), "any.example", true);
        let named = rules("0.0.0.0", &["qa.example"], None);
        check(&named, "any.example", false);
        check(&named, "127.0.0.1:8737", true);
        check(&rules("192.168.1.5", &["qa.example"], None), "192.168.1.5:8737", true);
    }

    #[test]
    fn pages_of_other_sites_and_requests_without_the_key_are_refused() {
        let rules = rules("127.0.0.1", &[], Some("secret"));
        let check = |origin: Option<&str>, authorization: Option<&str>, error: Option<&str>| {
            let mut headers = HeaderMap::new();
            headers.insert(header::HOST, HeaderValue::from_static("localhost:8737"));
            for (name, value) in [(header::ORIGIN, origin), (header::AUTHORIZATION, authorization)] {
                value.map(|value| headers.insert(name, HeaderValue::from_str(value).unwrap()));
            }
            let admitted = admitted(&rules, false, &headers, &Uri::from_static("/v1/ask"));
            assert_eq!(admitted.err().map(|error| error.error_type), error, "{origin:?} {authorization:?}");
        };
        let key = Some("Bearer secret");
        check(None, key, None);
        check(Some("http://localhost:8737"), key, None);
        check(Some("https://example.com"), Some("bearer  secret"), None);
        check(Some("http://localhost:9999"), key, Some("origin"));
        check(Some("null"), key, Some("origin"));
        for wrong in [None, Some(""), Some("secret"), Some("Bearer"), Some("Bearer secre"), Some("Basic secret")] {
            check(None, wrong, Some("key"));
        }
    }

    #[test]
    fn an_id_is_taken_if_it_can_stand_in_a_log() {
        let id =
            |value: &'static str| request_id(&HeaderMap::from_iter([(REQUEST_ID, HeaderValue::from_static(value))]));
        assert_eq!(id("a-1_b.c"), "a-1_b.c");
        assert!(id("a b").len() == 16 && id("").len() == 16 && id("a") != id("a\""));
    }
}

//! The hub's HTTP interface: lists the files of a revision and requests them.
//!
//! A `HEAD` request returns ETag and length of a file. Large files are on other hosts: the hub then redirects, and sends
//! both in `X-Linked-*`. A hub that is busy says how long it asks to wait.

use std::io::{self, Read};
use std::thread;
use std::time::{Duration, Instant};

use ureq::http::{HeaderMap, Response, Uri};
use ureq::{Agent, Body};

use super::event::{DownloadProgress, FetchEvent};
use super::listing::RevisionFiles;
use super::repository::{Repository, is_commit};
use super::token::{HubToken, is_token};
use crate::error::HubFault;
use crate::{Error, Result};

/// The longest list of files that is read.
const LISTING_BYTES_MAX: u64 = 16 << 20;
/// Redirects within the hub that are followed. A renamed model takes one.
const HOPS_MAX: usize = 5;
/// How often, and how long in all, a fetch waits because the hub is busy. The hub counts requests in 5 minutes.
const WAITS_MAX: u32 = 6;
const WAITED_MAX: Duration = Duration::from_secs(600);
/// Limits for connecting, and for each read.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
const SILENCE_TIMEOUT: Duration = Duration::from_secs(30);
/// The least that is received in each [`SILENCE_TIMEOUT`]: 1 KiB a second.
const BYTES_MIN: usize = 30 << 10;

/// A file as a `HEAD` request describes it.
pub(super) struct RemoteFile {
    /// URL of the file after all redirects within the hub.
    pub url: String,
    pub etag: String,
    pub bytes: u64,
}

pub(super) struct HubClient<'a> {
    endpoint: &'a str,
    token: Option<String>,
    /// Why there is no token where there should be one.
    unread_token: Option<String>,
    repository: &'a Repository,
    agent: Agent,
    on_event: &'a mut dyn FnMut(FetchEvent<'_>),
    waits: u32,
    waited: Duration,
}

impl<'a> HubClient<'a> {
    pub(super) fn new(
        endpoint: &'a str,
        token: &HubToken,
        repository: &'a Repository,
        on_event: &'a mut dyn FnMut(FetchEvent<'_>),
    ) -> Result<Self> {
        let is_address = |uri: Uri| {
            matches!(uri.scheme_str(), Some("http" | "https")) && uri.host().is_some_and(|host| !host.is_empty())
        };
        if !endpoint.parse().is_ok_and(is_address) {
            let message = format!("the address of the hub, `{endpoint}`, does not have the form https://HOST");
            return Err(repository.error(HubFault::Endpoint, message));
        }
        if matches!(token, HubToken::Given(token) if !is_token(token)) {
            let message = "the token has characters that no token has".to_owned(); // which are not shown
            return Err(repository.error(HubFault::Token, message));
        }
        let mut notice = |text: &str| on_event(FetchEvent::Notice(text));
        let (token, unread_token) = match token.read(&mut notice) {
            Ok(token) => (token, None),
            Err(wrong) => {
                notice(&format!("{wrong}: the hub is asked without a token"));
                (None, Some(wrong))
            }
        };
        let config = Agent::config_builder()
            .user_agent(concat!("longspan/", env!("CARGO_PKG_VERSION")))
            .http_status_as_error(false)
            .timeout_resolve(Some(CONNECT_TIMEOUT))
            .timeout_connect(Some(CONNECT_TIMEOUT))
            .timeout_recv_response(Some(SILENCE_TIMEOUT))
            .timeout_per_read(Some(SILENCE_TIMEOUT));
        let agent = config.build().into();
        Ok(HubClient { endpoint, token, unread_token, repository, agent, on_event, waits: 0, waited: Duration::ZERO })
    }

    /// Requests the commit that the revision points to, and the list of its files.
    pub(super) fn list(&mut self, may_wait: bool) -> Result<RevisionFiles> {
        let Repository { id, revision } = self.repository;
        let url = format!("{}/api/models/{id}/revision/{}", self.endpoint, escape(revision));
        let get = |hub: &Self| hub.get(&url, None);
        let response = if may_wait { self.patiently(get) } else { get(self) };
        let response = response.map_err(|e| self.failed(&e))?;
        self.check(&response, None)?;
        let mut body = Vec::new();
        let received = body_of(response).take(LISTING_BYTES_MAX + 1).read_to_end(&mut body);
        received.map_err(|e| self.failed(&e.into()))?;
        if body.len() as u64 > LISTING_BYTES_MAX {
            return Err(self.strange(format!("its list of files is longer than {LISTING_BYTES_MAX} bytes")));
        }
        let files: Option<RevisionFiles> = serde_json::from_slice(&body).ok();
        let files = files.filter(|files| is_commit(&files.commit));
        files.ok_or_else(|| self.strange("the answer is not that of a hub"))
    }

    pub(super) fn head(&mut self, commit: &str, file: &str) -> Result<RemoteFile> {
        let mut url = format!("{}/{}/resolve/{commit}/{file}", self.endpoint, self.repository.id);
        for _ in 0..HOPS_MAX {
            let response = self.patiently(|hub| {
                let request = hub.agent.head(&url).header("Accept-Encoding", "identity");
                hub.authorize(request.config().max_redirects(0).build()).call()
            });
            let response = response.map_err(|e| self.failed(&e))?;
            self.check(&response, Some(file))?;
            let headers = response.headers();
            let location = redirect(&response);
            if let Some(hop) = location.and_then(|location| self.within_hub(location)) {
                // Only the last response describes the file.
                url = hop;
                continue;
            }
            let etag = text(headers, "x-linked-etag").or_else(|| text(headers, "etag"));
            let etag = etag.map(|etag| etag.trim_start_matches("W/").trim_matches('"').to_owned());
            // It becomes a file name.
            let is_name = |etag: &String| {
                (1..=128).contains(&etag.len())
                    && !etag.starts_with('.')
                    && etag.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
            };
            let etag = etag.filter(is_name).ok_or_else(|| self.strange(format!("`{file}` has no usable ETag")))?;
            let length = if location.is_none() { text(headers, "content-length") } else { None };
            let bytes = text(headers, "x-linked-size").or(length).and_then(|bytes| bytes.parse().ok());
            let bytes = bytes.ok_or_else(|| self.strange(format!("`{file}` has no usable length")))?;
            return Ok(RemoteFile { url, etag, bytes });
        }
        Err(self.strange(format!("`{file}` is redirected more than {HOPS_MAX} times")))
    }

    /// Requests a file, optionally from an offset.
    pub(super) fn request(&mut self, remote: &RemoteFile, from: Option<u64>) -> Result<Response<Body>, ureq::Error> {
        self.patiently(|hub| hub.get(&remote.url, from))
    }

    pub(super) fn notice(&mut self, text: &str) {
        (self.on_event)(FetchEvent::Notice(text));
    }

    pub(super) fn report(&mut self, progress: DownloadProgress<'_>) {
        (self.on_event)(FetchEvent::Download(progress));
    }

    /// Sends a request, and again while the hub is busy, after the time that it asks for.
    fn patiently(
        &mut self,
        send: impl Fn(&Self) -> Result<Response<Body>, ureq::Error>,
    ) -> Result<Response<Body>, ureq::Error> {
        loop {
            let response = send(self)?;
            let wait = wait_asked(response.headers()).unwrap_or(Duration::from_secs(1 << self.waits));
            let has_ended = self.waits == WAITS_MAX || wait > WAITED_MAX.saturating_sub(self.waited);
            if !is_busy(&response) || has_ended {
                return Ok(response);
            }
            let status = response.status().as_u16();
            self.notice(&format!("{} is busy (status {status}): waiting {} s", self.endpoint, wait.as_secs()));
            thread::sleep(wait);
            self.waits += 1;
            self.waited += wait;
        }
    }

    /// The target of a redirect that stays on the hub, as for a renamed model. Only such a target may receive the token.
    fn within_hub(&self, location: &str) -> Option<String> {
        let origin = origin(self.endpoint);
        let path = location.strip_prefix(origin).unwrap_or(location);
        path.starts_with('/').then(|| format!("{origin}{path}"))
    }

    /// Sends a `GET` to the hub, optionally for the bytes from an offset. The first redirect is followed here, because only
    /// the hub may receive the token (ureq compares hosts without their ports). Later ones are followed without it.
    fn get(&self, url: &str, from: Option<u64>) -> Result<Response<Body>, ureq::Error> {
        let request = |url: &str| {
            let request = self.agent.get(url).header("Accept-Encoding", "identity");
            match from {
                Some(from) => request.header("Range", format!("bytes={from}-")),
                None => request,
            }
        };
        let response = self.authorize(request(url)).config().max_redirects(0).build().call()?;
        let Some(location) = redirect(&response) else { return Ok(response) };
        match self.within_hub(location) {
            Some(hop) => self.authorize(request(&hop)).call(),
            None => request(location).call(),
        }
    }

    fn authorize<T>(&self, request: ureq::RequestBuilder<T>) -> ureq::RequestBuilder<T> {
        match &self.token {
            Some(token) => request.header("Authorization", format!("Bearer {token}")),
            None => request,
        }
    }

    /// Translates an error response. Where the status is ambiguous, `X-Error-Code` decides: without a token, a missing and
    /// a private model are both 401.
    pub(super) fn check(&self, response: &Response<Body>, file: Option<&str>) -> Result<()> {
        let status = response.status().as_u16();
        if status < 400 {
            let is_plain = text(response.headers(), "content-encoding").is_none_or(|coding| coding == "identity");
            let packed = || self.strange("it sends packed data, although it is asked for plain ones");
            return if is_plain { Ok(()) } else { Err(packed()) };
        }
        let code = text(response.headers(), "x-error-code").unwrap_or_default();
        let words = text(response.headers(), "x-error-message").unwrap_or_default();
        let token = match (&self.token, &self.unread_token) {
            (Some(_), _) => "the token in HF_TOKEN may not read it".to_owned(),
            (None, Some(wrong)) => format!("no token was sent: {wrong}"),
            (None, None) => "no token was sent: set HF_TOKEN to one that may read it".to_owned(),
        };
        let page = format!("{}/{}", self.endpoint, self.repository.id);
        let (fault, message) = match (status, code) {
            (_, "GatedRepo") => {
                (HubFault::Access, format!("the model is gated: accept its terms at {page} and set HF_TOKEN ({token})"))
            }
            (401, _) if words == INVALID_TOKEN => {
                (HubFault::Token, "the hub does not know the token in HF_TOKEN".to_owned())
            }
            (401, "RepoNotFound") => (HubFault::NotFound, format!("no such model, or a private one ({token})")),
            (401, _) if self.token.is_some() => {
                (HubFault::Token, "the hub refuses the token in HF_TOKEN with status 401".to_owned())
            }
            (401 | 403, _) => (HubFault::Access, format!("the hub refuses access with status {status} ({token})")),
            (404, "RevisionNotFound") => {
                (HubFault::NotFound, format!("the model has no revision `{}`", self.repository.revision))
            }
            (404, _) => match file {
                Some(file) => (HubFault::NotFound, format!("the model has no file `{file}`")),
                None => (HubFault::NotFound, format!("no such model at {}", self.endpoint)),
            },
            _ if is_busy(response) => return Err(self.busy(response)),
            _ => return Err(self.strange(format!("it answers with status {status}"))),
        };
        Err(self.repository.error(fault, message))
    }

    fn busy(&self, response: &Response<Body>) -> Error {
        let asked = wait_asked(response.headers());
        let asked = asked.map(|wait| format!(" and asks to wait {} s", wait.as_secs())).unwrap_or_default();
        let waits = if self.waits > 0 { format!(", after {} waits", self.waits) } else { String::new() };
        let status = response.status().as_u16();
        self.cannot(HubFault::Busy, format!("it is busy{asked} (status {status}{waits})"))
    }

    /// Translates an error of the connection.
    fn failed(&self, error: &ureq::Error) -> Error {
        self.cannot(connection_fault(error), error)
    }

    /// An answer that is not that of a hub.
    pub(super) fn strange(&self, what: impl std::fmt::Display) -> Error {
        self.cannot(HubFault::Answer, what)
    }

    pub(super) fn cannot(&self, fault: HubFault, what: impl std::fmt::Display) -> Error {
        self.repository.error(fault, format!("cannot be had from {}: {what}", self.endpoint))
    }
}

fn connection_fault(error: &ureq::Error) -> HubFault {
    use ureq::Error::{BadUri, HostNotFound, Http, Io, Pem, Protocol, Rustls, Tls};
    match error {
        HostNotFound => HubFault::Host,
        // The resolver of the standard library has no kind of its own.
        Io(e) if e.to_string().starts_with("failed to lookup address") => HubFault::Host,
        Tls(_) | Rustls(_) | Pem(_) => HubFault::Certificate,
        Io(e) if e.kind() == io::ErrorKind::InvalidData => HubFault::Certificate, // rustls, within a handshake
        BadUri(_) | Http(_) | Protocol(_) => HubFault::Answer,
        _ => HubFault::Unreachable,
    }
}

fn is_busy(response: &Response<Body>) -> bool {
    matches!(response.status().as_u16(), 429 | 503)
}

/// How long a busy hub asks to wait: in `Retry-After`, or as the time until its limit is reset, in `RateLimit`.
fn wait_asked(headers: &HeaderMap) -> Option<Duration> {
    let reset = || text(headers, "ratelimit")?.split(';').find_map(|part| part.trim().strip_prefix("t="));
    let seconds = text(headers, "retry-after").or_else(reset)?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds))
}

/// The body of a response, unless it comes too slowly.
pub(super) fn body_of(response: Response<Body>) -> impl Read {
    let inner = response.into_body().into_reader();
    Hurried { inner, since: Instant::now(), period: SILENCE_TIMEOUT, bytes: 0 }
}

/// A reader that fails if less than [`BYTES_MIN`] comes in a period: a server that sends a byte now and then is never silent.
struct Hurried<R> {
    inner: R,
    since: Instant,
    period: Duration,
    /// Received in the period.
    bytes: usize,
}

impl<R: Read> Read for Hurried<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.bytes += count;
        if count > 0 && self.since.elapsed() >= self.period {
            if self.bytes < BYTES_MIN {
                return Err(io::Error::new(io::ErrorKind::TimedOut, "less than 1 KiB comes in a second"));
            }
            (self.since, self.bytes) = (Instant::now(), 0);
        }
        Ok(count)
    }
}

/// The `X-Error-Message` to a token that the hub does not know, as `hf_raise_for_status` of huggingface_hub compares it: the
/// hub has no code for it.
const INVALID_TOKEN: &str = "Invalid credentials in Authorization header";

pub(super) fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

fn redirect(response: &Response<Body>) -> Option<&str> {
    text(response.headers(), "location").filter(|_| response.status().is_redirection())
}

/// Scheme and host of a URL.
fn origin(endpoint: &str) -> &str {
    let host = endpoint.find("://").map_or(0, |at| at + 3);
    endpoint[host..].find('/').map_or(endpoint, |at| &endpoint[..host + at])
}

/// A revision as one segment of a URL: branch names may contain slashes.
fn escape(revision: &str) -> String {
    revision.replace('/', "%2F").replace('+', "%2B")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn causes_are_told_apart() {
        let io = |kind: io::ErrorKind| ureq::Error::Io(kind.into());
        for (error, fault) in [
            (ureq::Error::HostNotFound, HubFault::Host),
            (ureq::Error::Io(io::Error::other("failed to lookup address information: …")), HubFault::Host),
            (ureq::Error::Tls("bad certificate"), HubFault::Certificate),
            (io(io::ErrorKind::InvalidData), HubFault::Certificate),
            (io(io::ErrorKind::ConnectionRefused), HubFault::Unreachable),
            (ureq::Error::Timeout(ureq::Timeout::Connect), HubFault::Unreachable),
            (ureq::Error::BadUri("x".to_owned()), HubFault::Answer),
        ] {
            assert_eq!(connection_fault(&error), fault, "{error}");
        }
    }

    #[test]
    fn the_time_to_wait() {
        for (name, value, seconds) in [
            ("retry-after", "7", Some(7)),
            ("retry-after", "-7", None),
            ("retry-after", "18446744073709551615", Some(u64::MAX)),
            ("retry-after", "Wed, 21 Oct 2037 07:28:00 GMT", None),
            ("ratelimit", "\"api\";r=0;t=55", Some(55)),
            ("x-other", "7", None),
        ] {
            let headers = HeaderMap::from_iter([(name.parse().unwrap(), value.parse().unwrap())]);
            assert_eq!(wait_asked(&headers), seconds.map(Duration::from_secs), "{name}: {value}");
        }
    }

    #[test]
    fn a_trickle_is_given_up() {
        let received = |bytes_a_read: usize| {
            let inner = io::repeat(0);
            let mut body = Hurried { inner, since: Instant::now(), period: Duration::ZERO, bytes: 0 };
            body.read(&mut vec![0; bytes_a_read]).map_err(|e| e.kind())
        };
        assert_eq!(received(1), Err(io::ErrorKind::TimedOut));
        assert_eq!(received(BYTES_MIN), Ok(BYTES_MIN));
    }
}

//! The hub's HTTP interface: lists the files of a revision and downloads them.
//!
//! A `HEAD` request returns ETag and length of a file. Large files are on other hosts: the hub then redirects, and sends
//! both in `X-Linked-*`. An interrupted download is resumed where it stopped, by the same call or a later one.

use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::time::Duration;

use ureq::http::{HeaderMap, Response};
use ureq::{Agent, Body};

use super::cache::{CachedModel, create_folder_of};
use super::listing::RevisionFiles;
use super::repository::{Repository, is_commit};
use crate::error::HubFault;
use crate::{Error, Result};

/// The longest list of files that is read.
const LISTING_BYTES_MAX: u64 = 16 << 20;
/// Redirects within the hub that are followed. A renamed model takes one.
const HOPS_MAX: usize = 5;
/// Attempts in a row that may fail without receiving a byte.
const BREAKS_MAX: usize = 3;
/// Limits for connecting, and for each read.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
const SILENCE_TIMEOUT: Duration = Duration::from_secs(30);

/// Progress of the download of one file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DownloadProgress<'a> {
    /// Name of the file.
    pub file: &'a str,
    /// Bytes on disk, including those of an earlier, interrupted download.
    pub bytes_done: u64,
    /// Length of the file, if the hub sends it.
    pub bytes_total: Option<u64>,
}

pub(super) struct HubClient<'a> {
    endpoint: &'a str,
    token: Option<&'a str>,
    pub repository: &'a Repository,
    agent: Agent,
}

/// A file as a `HEAD` request describes it.
struct RemoteFile {
    /// URL of the file after all redirects within the hub.
    url: String,
    etag: String,
    bytes: Option<u64>,
}

/// Why an attempt to download failed.
enum AttemptError {
    /// The connection broke: another attempt may continue from here.
    Broken(String),
    /// Another attempt would fail too.
    Final(Error),
}

impl<'a> HubClient<'a> {
    pub(super) fn new(endpoint: &'a str, token: Option<&'a str>, repository: &'a Repository) -> Self {
        let config = Agent::config_builder()
            .user_agent(concat!("longspan/", env!("CARGO_PKG_VERSION")))
            .http_status_as_error(false)
            .timeout_resolve(Some(CONNECT_TIMEOUT))
            .timeout_connect(Some(CONNECT_TIMEOUT))
            .timeout_recv_response(Some(SILENCE_TIMEOUT))
            .timeout_per_read(Some(SILENCE_TIMEOUT));
        HubClient { endpoint, token, repository, agent: config.build().into() }
    }

    /// Requests the commit that the revision points to, and the list of its files.
    pub(super) fn list(&self) -> Result<RevisionFiles> {
        let Repository { id, revision } = self.repository;
        let url = format!("{}/api/models/{id}/revision/{}", self.endpoint, escape(revision));
        let mut response = self.get(&url, None).map_err(|e| self.unreachable(e))?;
        self.check(&response, None)?;
        let body = response.body_mut().with_config().limit(LISTING_BYTES_MAX).read_to_vec();
        let files: Option<RevisionFiles> = serde_json::from_slice(&body.map_err(|e| self.unreachable(e))?).ok();
        let files = files.filter(|files| is_commit(&files.commit));
        files.ok_or_else(|| self.unreachable("the answer is not that of a hub"))
    }

    /// Downloads one file into a snapshot, unless it is there.
    pub(super) fn download_into(
        &self,
        cached: &CachedModel,
        commit: &str,
        file: &str,
        progress: &mut dyn FnMut(DownloadProgress<'_>),
    ) -> Result<()> {
        if cached.snapshot(commit).join(file).is_file() {
            return Ok(());
        }
        let remote = self.head(commit, file)?;
        let blob = cached.blob(&remote.etag);
        let _lock = cached.lock(&remote.etag)?;
        let on_disk = blob.metadata().ok().map(|blob| blob.len());
        if on_disk.is_none() || remote.bytes.is_some_and(|bytes| on_disk != Some(bytes)) {
            // ETags may contain dots, so the extension is appended.
            let partial = cached.blob(&format!("{}.incomplete", remote.etag));
            create_folder_of(&partial)?;
            self.download(file, &remote, &partial, progress)?;
            std::fs::rename(&partial, &blob).map_err(Error::write(&blob))?;
        }
        cached.link(&remote.etag, commit, file)
    }

    fn head(&self, commit: &str, file: &str) -> Result<RemoteFile> {
        let mut url = format!("{}/{}/resolve/{commit}/{file}", self.endpoint, self.repository.id);
        for _ in 0..HOPS_MAX {
            let request = self.agent.head(&url).header("Accept-Encoding", "identity").config().max_redirects(0).build();
            let response = self.authorize(request).call().map_err(|e| self.unreachable(e))?;
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
            let etag = etag.filter(is_name).ok_or_else(|| self.unreachable(format!("`{file}` has no usable ETag")))?;
            let length = if location.is_none() { text(headers, "content-length") } else { None };
            let bytes = text(headers, "x-linked-size").or(length).and_then(|bytes| bytes.parse().ok());
            return Ok(RemoteFile { url, etag, bytes });
        }
        Err(self.unreachable(format!("`{file}` is redirected more than {HOPS_MAX} times")))
    }

    /// The target of a redirect that stays on the hub, as for a renamed model. Only such a target may receive the token.
    fn within_hub(&self, location: &str) -> Option<String> {
        let origin = origin(self.endpoint);
        let path = location.strip_prefix(origin).unwrap_or(location);
        path.starts_with('/').then(|| format!("{origin}{path}"))
    }

    fn download(
        &self,
        file: &str,
        remote: &RemoteFile,
        partial: &Path,
        progress: &mut dyn FnMut(DownloadProgress<'_>),
    ) -> Result<()> {
        let output = OpenOptions::new().create(true).write(true).truncate(false).open(partial);
        let mut output = output.map_err(Error::write(partial))?;
        let mut report = |bytes_done| progress(DownloadProgress { file, bytes_done, bytes_total: remote.bytes });
        let mut breaks = 0;
        let mut reached = 0;
        loop {
            let message = match self.download_rest(file, remote, partial, &mut output, &mut report) {
                Ok(()) => return Ok(()),
                Err(AttemptError::Final(error)) => return Err(error),
                Err(AttemptError::Broken(message)) => message,
            };
            let done = output.metadata().map_err(Error::write(partial))?.len();
            breaks = if done > reached { 0 } else { breaks + 1 };
            reached = done;
            if breaks == BREAKS_MAX {
                let total = remote.bytes.map_or_else(|| "an unknown number".to_owned(), |bytes| bytes.to_string());
                let stopped = format!("the download of `{file}` broke off after {done} of {total} bytes");
                return Err(self.unreachable(format!("{stopped} and will be resumed from there ({message})")));
            }
        }
    }

    /// One attempt to download the missing part of a file.
    fn download_rest(
        &self,
        file: &str,
        remote: &RemoteFile,
        partial: &Path,
        output: &mut File,
        report: &mut dyn FnMut(u64),
    ) -> Result<(), AttemptError> {
        let disk = |source| AttemptError::Final(Error::write(partial)(source));
        let network = |e: &dyn std::fmt::Display| AttemptError::Broken(e.to_string());
        let mut done = output.seek(SeekFrom::End(0)).map_err(disk)?;
        if remote.bytes.is_some_and(|bytes| done > bytes) {
            done = restart(output).map_err(disk)?;
        }
        report(done);
        if remote.bytes == Some(done) {
            return Ok(());
        }
        let response = self.get(&remote.url, (done > 0).then_some(done)).map_err(|e| network(&e))?;
        match response.status().as_u16() {
            206 if text(response.headers(), "content-range")
                .is_some_and(|r| r.starts_with(&format!("bytes {done}-"))) => {}
            200 => done = restart(output).map_err(disk)?,
            // The server does not continue from here, so the download starts again.
            206 | 416 => {
                restart(output).map_err(disk)?;
                return Err(AttemptError::Broken("the server does not resume".to_owned()));
            }
            _ => {
                return Err(AttemptError::Final(
                    self.check(&response, Some(file)).err().unwrap_or_else(|| self.strange(&response)),
                ));
            }
        }
        let limit = remote.bytes.map_or(u64::MAX, |bytes| bytes - done);
        let mut body = response.into_body().into_reader().take(limit);
        let mut buffer = vec![0; 1 << 16];
        loop {
            let count = body.read(&mut buffer).map_err(|e| network(&e))?;
            if count == 0 {
                break;
            }
            output.write_all(&buffer[..count]).map_err(disk)?;
            done += count as u64;
            report(done);
        }
        match remote.bytes {
            Some(bytes) if done < bytes => Err(AttemptError::Broken("the connection ended early".to_owned())),
            _ => Ok(()),
        }
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
        match self.token {
            Some(token) => request.header("Authorization", format!("Bearer {token}")),
            None => request,
        }
    }

    /// Translates an error response. Where the status is ambiguous, `X-Error-Code` decides: without a token, a missing and
    /// a private model are both 401.
    fn check(&self, response: &Response<Body>, file: Option<&str>) -> Result<()> {
        let status = response.status().as_u16();
        if status < 400 {
            return Ok(());
        }
        let code = text(response.headers(), "x-error-code").unwrap_or_default();
        let words = text(response.headers(), "x-error-message").unwrap_or_default();
        let token = match self.token {
            None => "no token was sent: set HF_TOKEN to one that may read it",
            Some(_) => "the token in HF_TOKEN may not read it",
        };
        let page = format!("{}/{}", self.endpoint, self.repository.id);
        let (fault, message) = match (status, code) {
            (_, "GatedRepo") => {
                (HubFault::Access, format!("the model is gated: accept its terms at {page} and set HF_TOKEN ({token})"))
            }
            (401, _) if words == INVALID_TOKEN => {
                (HubFault::Access, "the hub does not know the token in HF_TOKEN".to_owned())
            }
            (401, "RepoNotFound") => (HubFault::NotFound, format!("no such model, or a private one ({token})")),
            (401 | 403, _) => (HubFault::Access, format!("the hub refuses access with status {status} ({token})")),
            (404, "RevisionNotFound") => {
                (HubFault::NotFound, format!("the model has no revision `{}`", self.repository.revision))
            }
            (404, _) => match file {
                Some(file) => (HubFault::NotFound, format!("the model has no file `{file}`")),
                None => (HubFault::NotFound, format!("no such model at {}", self.endpoint)),
            },
            _ => return Err(self.strange(response)),
        };
        Err(self.repository.error(fault, message))
    }

    fn strange(&self, response: &Response<Body>) -> Error {
        self.unreachable(format!("it answers with status {}", response.status()))
    }

    fn unreachable(&self, what: impl std::fmt::Display) -> Error {
        self.repository.error(HubFault::Unreachable, format!("cannot be had from {}: {what}", self.endpoint))
    }
}

/// The `X-Error-Message` to a token that the hub does not know, as `hf_raise_for_status` of huggingface_hub compares it: the
/// hub has no code for it.
const INVALID_TOKEN: &str = "Invalid credentials in Authorization header";

fn restart(output: &mut File) -> std::io::Result<u64> {
    output.set_len(0)?;
    output.seek(SeekFrom::Start(0))
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
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

//! The Hugging Face hub and its cache on disk.
//!
//! The cache is shared with Python's `huggingface_hub`: each finds the models that the other has downloaded. A commit
//! never changes, so the hub is asked only about branches and tags. If it cannot be reached, the cached copy is used.
//!
//! Every fetch ends: a download breaks off and begins anew a limited number of times, a busy hub is waited for a limited
//! time, and silent or very slow connections are given up. [`FetchEvent::Notice`] announces each wait. Only a pipe that the
//! user has named for the token is waited for as long as it takes.
//!
//! Environment variables, as in Python: `HF_HUB_CACHE` or `HF_HOME` (location of the cache), `HF_TOKEN` or
//! `HF_TOKEN_PATH` (for private and gated models), `HF_HUB_OFFLINE=1` (use the cache alone), `HF_ENDPOINT` (another hub),
//! `HTTPS_PROXY` and the like.

mod event;
mod listing;
mod repository;

mod cache;
mod token;

mod client;
mod download;

use std::ffi::OsString;
use std::path::PathBuf;

use self::cache::CachedModel;
use self::client::HubClient;
pub use self::event::{CachedFiles, DownloadProgress, FetchEvent};
use self::listing::RevisionFiles;
pub use self::repository::Repository;
pub use self::token::HubToken;
use crate::checkpoint::{FILES, LONGSPAN};
use crate::error::HubFault;
use crate::{Error, Result};

/// Downloads a model into the cache and returns the folder (a snapshot) that holds its files.
///
/// Files that are in the cache are not downloaded again. With `offline` (or `HF_HUB_OFFLINE=1`) the network is not used.
/// `on_event` is called at the start of each download, repeatedly during it, at its end, and before each wait.
///
/// # Errors
/// [`Error::Hub`], whose [`HubFault`] distinguishes a model that does not exist, one that needs a token, a network that
/// is down, and more; [`Error::Write`] if the cache cannot be written.
pub fn fetch(repository: &Repository, offline: bool, on_event: &mut dyn FnMut(FetchEvent<'_>)) -> Result<PathBuf> {
    let mut hub = Hub::from_env();
    hub.offline |= offline;
    hub.fetch(repository, on_event)
}

/// A hub and a cache. [`fetch`] takes them from the environment.
#[derive(Clone)]
pub struct Hub {
    /// URL without a trailing slash.
    pub endpoint: String,
    /// The folder that holds `models--ORG--NAME`, or `models--NAME`.
    pub cache: PathBuf,
    /// Sent to the endpoint, but to no host that it redirects to.
    pub token: HubToken,
    /// Whether to use the cache alone.
    pub offline: bool,
    /// What to do with files that are in the cache.
    pub cached_files: CachedFiles,
}

impl Hub {
    /// Reads the environment variables that Python's `huggingface_hub` reads. A path may begin with `~`.
    pub fn from_env() -> Self {
        Self::from_variables(|name| std::env::var_os(name))
    }

    /// Like [`Hub::from_env`], with a function that returns the value of a variable.
    pub fn from_variables<V: Into<OsString>>(variable: impl Fn(&str) -> Option<V>) -> Self {
        let is_set = |value: &OsString| !value.to_str().is_some_and(|value| value.trim().is_empty());
        let value = |name: &str| variable(name).map(Into::into).filter(is_set);
        let set = |name: &str| value(name)?.into_string().ok();
        let user = || std::env::home_dir().unwrap_or_default();
        let path = |name: &str| {
            let path = PathBuf::from(value(name)?);
            Some(path.strip_prefix("~").map_or_else(|_| path.clone(), |rest| user().join(rest)))
        };
        let user_cache = || path("XDG_CACHE_HOME").unwrap_or_else(|| user().join(".cache"));
        let home = path("HF_HOME").unwrap_or_else(|| user_cache().join("huggingface"));
        let token = match (set("HF_TOKEN").or_else(|| set("HUGGING_FACE_HUB_TOKEN")), path("HF_TOKEN_PATH")) {
            (Some(token), _) => HubToken::Given(token.trim().to_owned()),
            (None, Some(path)) => HubToken::NamedFile(path),
            (None, None) => HubToken::File(home.join("token")),
        };
        let cache = path("HF_HUB_CACHE").or_else(|| path("HUGGINGFACE_HUB_CACHE"));
        let endpoint = set("HF_ENDPOINT").unwrap_or_else(|| "https://huggingface.co".to_owned());
        let offline = set("HF_HUB_OFFLINE").or_else(|| set("TRANSFORMERS_OFFLINE"));
        Hub {
            endpoint: endpoint.trim().trim_end_matches('/').to_owned(),
            cache: cache.unwrap_or_else(|| home.join("hub")),
            token,
            offline: offline
                .is_some_and(|value| matches!(value.trim().to_ascii_uppercase().as_str(), "1" | "ON" | "YES" | "TRUE")),
            cached_files: CachedFiles::default(),
        }
    }

    /// Downloads a model into the cache: see [`fetch`].
    ///
    /// # Errors
    /// Those of [`fetch`].
    pub fn fetch(&self, repository: &Repository, on_event: &mut dyn FnMut(FetchEvent<'_>)) -> Result<PathBuf> {
        let cached = CachedModel::new(&self.cache, repository);
        let known = cached.commit();
        let complete = known.as_deref().filter(|commit| cached.missing(commit).is_none());
        if self.offline && self.cached_files == CachedFiles::Replace {
            let message = "downloads are off (offline), so nothing can be downloaded again".to_owned();
            return Err(repository.error(HubFault::NotCached, message));
        }
        if self.offline {
            let commit = complete.ok_or_else(|| not_cached(repository, &cached, known.as_deref()))?;
            return self.without_network(&cached, commit);
        }
        let keeps = self.cached_files == CachedFiles::Keep;
        if let Some(commit) = complete
            && keeps
            && repository.is_commit()
            && cached.is_settled(commit)
        {
            return Ok(cached.snapshot(commit));
        }
        let mut client = HubClient::new(&self.endpoint, &self.token, repository, on_event)?;
        let may_wait = complete.is_none() || !keeps; // a copy in the cache is better than a wait
        let listing = match (client.list(may_wait), complete) {
            (Err(error), Some(commit)) if is_outage(&error) && self.cached_files != CachedFiles::Replace => {
                client.notice(&format!("{error}: the copy in the cache is used"));
                return self.without_network(&cached, commit);
            }
            (listing, _) => listing?,
        };
        let commit = &listing.commit;
        let downloaded = download_missing(&mut client, &cached, &listing, self.cached_files);
        // All files that affect the answers.
        let is_whole = || cached.missing(commit).is_none() && (!listing.has(LONGSPAN) || cached.is_settled(commit));
        match downloaded.and_then(|()| cached.write_commit(commit)) {
            Err(Error::Write { .. }) if keeps && is_whole() => {} // a read-only cache that several people share
            result => result?,
        }
        Ok(cached.snapshot(commit))
    }

    /// The complete snapshot of a commit, checked if that is wanted, as far as it can be without the hub.
    fn without_network(&self, cached: &CachedModel, commit: &str) -> Result<PathBuf> {
        let snapshot = cached.snapshot(commit);
        if self.cached_files != CachedFiles::Keep
            && let Some(file) = cached.damaged(commit)
        {
            let message = format!("the copy of `{file}` in {} is damaged", snapshot.display());
            return Err(cached.repository.error(HubFault::NotCached, message));
        }
        Ok(snapshot)
    }
}

/// Whether the hub could not be asked, for reasons that have nothing to do with the model.
fn is_outage(error: &Error) -> bool {
    use HubFault::{Answer, Busy, Certificate, Host, Unreachable};
    matches!(error, Error::Hub { fault: Answer | Busy | Certificate | Host | Unreachable, .. })
}

/// Downloads the missing files of a snapshot. Small files come first: they show early if the model is unsupported.
fn download_missing(
    client: &mut HubClient<'_>,
    cached: &CachedModel<'_>,
    listing: &RevisionFiles,
    cached_files: CachedFiles,
) -> Result<()> {
    let lacks = |what| cached.repository.error(HubFault::Incomplete, format!("the model has no {what}"));
    let preferred = listing::weights(|file| listing.has(file)).map_err(lacks)?; // before anything is downloaded
    let commit = &listing.commit;
    let mut download = |file: &str| client.download_into(cached, commit, file, cached_files);
    for file in FILES.iter().filter(|file| **file != LONGSPAN && listing.has(file)) {
        download(file)?;
    }
    // The cache may have the weights in another format than the preferred one. They are as good.
    let in_cache = listing::weights(|file| listing.has(file) && cached.snapshot(commit).join(file).is_file()).ok();
    let is_kept = cached_files != CachedFiles::Replace && cached.missing(commit).is_none();
    let weights = in_cache.filter(|_| is_kept).unwrap_or(preferred);
    download(weights.file)?;
    if weights.sharded {
        for shard in cached.index(commit, weights.file)?.shards() {
            download(shard)?;
        }
    }
    if listing.has(LONGSPAN) { download(LONGSPAN) } else { cached.write_absent(commit, LONGSPAN) }
}

fn not_cached(repository: &Repository, cached: &CachedModel, known: Option<&str>) -> Error {
    let missing = match known {
        None => format!("no copy of it in {}", cached.folder().display()),
        Some(commit) => {
            let missing = cached.missing(commit).unwrap_or_default();
            format!("the copy in {} lacks {missing}", cached.snapshot(commit).display())
        }
    };
    let message = format!("{missing}, and downloads are off (offline): allow them once, or give a folder instead");
    repository.error(HubFault::NotCached, message)
}

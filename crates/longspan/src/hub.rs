//! The Hugging Face hub and its cache on disk.
//!
//! The cache is shared with Python's `huggingface_hub`: each finds the models that the other has downloaded. A commit
//! never changes, so the hub is asked only about branches and tags. If it cannot be reached, the cached copy is used.
//!
//! Environment variables, as in Python: `HF_HUB_CACHE` or `HF_HOME` (location of the cache), `HF_TOKEN` (for private and
//! gated models), `HF_HUB_OFFLINE=1` (use the cache alone), `HF_ENDPOINT` (another hub), `HTTPS_PROXY` and the like.

mod cache;
mod client;

use std::collections::BTreeSet;
use std::fmt;
use std::path::PathBuf;

use self::cache::CachedModel;
use self::client::HubClient;
use crate::checkpoint::{CONFIG, FILES, LONGSPAN, WEIGHTS, WEIGHTS_WANTED, WeightsFile};
use crate::error::HubFault;
use crate::{Error, Result};

/// The ways to store a vocabulary. A model needs all files of one of them.
const VOCABULARIES: [&[&str]; 3] = [&["tokenizer.json"], &["vocab.json", "merges.txt"], &["vocab.txt"]];

/// A model on the hub: `ORG/NAME`, or `ORG/NAME@REVISION` for a branch, tag or commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Repository {
    /// `ORG/NAME`.
    pub id: String,
    /// Branch, tag or commit; `main` by default.
    pub revision: String,
}

impl Repository {
    /// Parses `ORG/NAME` or `ORG/NAME@REVISION`.
    ///
    /// # Errors
    /// [`Error::Hub`] for a name or revision that the hub cannot have. Both become parts of paths, so they are checked.
    ///
    /// ```
    /// use longspan::hub::Repository;
    ///
    /// let repository = Repository::parse("allenai/longformer-base-4096@refs/pr/3")?;
    /// assert_eq!(repository.id, "allenai/longformer-base-4096");
    /// assert_eq!(repository.revision, "refs/pr/3");
    /// assert_eq!(Repository::parse("allenai/longformer-base-4096")?.revision, "main");
    /// # Ok::<(), longspan::Error>(())
    /// ```
    pub fn parse(text: &str) -> Result<Self> {
        let (id, revision) = text.split_once('@').unwrap_or((text, "main"));
        let repository = Repository { id: id.to_owned(), revision: revision.to_owned() };
        match id.split_once('/') {
            Some((org, name)) if is_name(org) && is_name(name) && !id.ends_with(".git") => {}
            _ => {
                return Err(
                    repository.error(HubFault::Name, "a model is named ORG/NAME or ORG/NAME@REVISION".to_owned())
                );
            }
        }
        if !revision.split('/').all(is_revision_part) {
            return Err(repository.error(HubFault::Name, format!("{revision:?} is not a branch, tag or commit")));
        }
        Ok(repository)
    }

    /// Whether the revision is a commit, which never changes.
    fn is_commit(&self) -> bool {
        is_commit(&self.revision)
    }

    fn error(&self, fault: HubFault, message: String) -> Error {
        Error::Hub { repository: self.to_string(), fault, message }
    }
}

impl fmt::Display for Repository {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.id)?;
        if self.revision == "main" { Ok(()) } else { write!(f, "@{}", self.revision) }
    }
}

/// The hub's rule for names of users and models.
fn is_name(name: &str) -> bool {
    let edge = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric() || c == '_');
    (1..=96).contains(&name.len())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
        && edge(name.chars().next())
        && edge(name.chars().last())
        && !name.contains("--")
        && !name.contains("..")
}

/// git's rule for names of branches and tags, a little stricter.
fn is_revision_part(part: &str) -> bool {
    let allowed = part.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.+".contains(&b));
    allowed && (1..=128).contains(&part.len()) && !part.starts_with('.') && !part.contains("..")
}

fn is_commit(revision: &str) -> bool {
    revision.len() == 40 && revision.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

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

/// Downloads a model into the cache and returns the folder (a snapshot) that holds its files.
///
/// Files that are in the cache are not downloaded again. With `offline` (or `HF_HUB_OFFLINE=1`) the network is not used.
/// `progress` is called at the start of each download, repeatedly during it, and at its end.
///
/// # Errors
/// [`Error::Hub`], whose [`HubFault`] distinguishes a model that does not exist, one that needs a token, and a network
/// that is down; [`Error::Write`] if the cache cannot be written.
pub fn fetch(
    repository: &Repository,
    offline: bool,
    progress: &mut dyn FnMut(DownloadProgress<'_>),
) -> Result<PathBuf> {
    let mut hub = Hub::from_env();
    hub.offline |= offline;
    hub.fetch(repository, progress)
}

/// A hub and a cache. [`fetch`] takes them from the environment.
#[derive(Clone)]
pub struct Hub {
    /// URL without a trailing slash.
    pub endpoint: String,
    /// The folder that holds `models--ORG--NAME`.
    pub cache: PathBuf,
    /// Sent to the endpoint, but to no host that it redirects to.
    pub token: Option<String>,
    /// Whether to use the cache alone.
    pub offline: bool,
}

impl Hub {
    /// Reads the environment variables that Python's `huggingface_hub` reads.
    pub fn from_env() -> Self {
        Self::from_variables(|name| std::env::var(name).ok())
    }

    /// Like [`Hub::from_env`], with a function that returns the value of a variable.
    pub fn from_variables(variable: impl Fn(&str) -> Option<String>) -> Self {
        let set = |name: &str| variable(name).filter(|value| !value.trim().is_empty());
        let path = |name: &str| set(name).map(PathBuf::from);
        let user_cache =
            || path("XDG_CACHE_HOME").unwrap_or_else(|| std::env::home_dir().unwrap_or_default().join(".cache"));
        let home = path("HF_HOME").unwrap_or_else(|| user_cache().join("huggingface"));
        let token_file = path("HF_TOKEN_PATH").unwrap_or_else(|| home.join("token"));
        let token = set("HF_TOKEN").or_else(|| set("HUGGING_FACE_HUB_TOKEN"));
        let token = token.or_else(|| std::fs::read_to_string(token_file).ok());
        let cache = path("HF_HUB_CACHE").or_else(|| path("HUGGINGFACE_HUB_CACHE"));
        let endpoint = set("HF_ENDPOINT").unwrap_or_else(|| "https://huggingface.co".to_owned());
        let offline = set("HF_HUB_OFFLINE").or_else(|| set("TRANSFORMERS_OFFLINE"));
        Hub {
            endpoint: endpoint.trim().trim_end_matches('/').to_owned(),
            cache: cache.unwrap_or_else(|| home.join("hub")),
            token: token.map(|token| token.trim().to_owned()).filter(|token| !token.is_empty()),
            offline: offline
                .is_some_and(|value| matches!(value.trim().to_ascii_uppercase().as_str(), "1" | "ON" | "YES" | "TRUE")),
        }
    }

    /// Downloads a model into the cache: see [`fetch`].
    ///
    /// # Errors
    /// Those of [`fetch`].
    pub fn fetch(&self, repository: &Repository, progress: &mut dyn FnMut(DownloadProgress<'_>)) -> Result<PathBuf> {
        let cached = CachedModel::new(&self.cache, repository);
        let known = cached.commit();
        let complete = known.as_deref().filter(|commit| cached.missing(commit).is_none());
        if self.offline {
            let found = complete.map(|commit| cached.snapshot(commit));
            return found.ok_or_else(|| self.not_cached(repository, &cached, known.as_deref()));
        }
        if let Some(commit) = complete
            && repository.is_commit()
            && cached.is_settled(commit)
        {
            return Ok(cached.snapshot(commit));
        }
        let client = HubClient::new(self, repository);
        let listing = match (client.list(), complete) {
            (Err(Error::Hub { fault: HubFault::Unreachable, .. }), Some(commit)) => return Ok(cached.snapshot(commit)),
            (listing, _) => listing?,
        };
        let commit = &listing.commit;
        let downloaded = self.download_missing(repository, &cached, &client, &listing, progress);
        match downloaded.and_then(|()| cached.write_commit(commit)) {
            // A read-only cache that several people share will do if it has all files that affect the answers.
            Err(Error::Write { .. }) if cached.missing(commit).is_none() && listing.settings_are_in(&cached) => {}
            result => result?,
        }
        Ok(cached.snapshot(commit))
    }

    /// Downloads the missing files of a snapshot. Small files come first: they show early if the model is unsupported.
    fn download_missing(
        &self,
        repository: &Repository,
        cached: &CachedModel,
        client: &HubClient,
        listing: &RevisionFiles,
        progress: &mut dyn FnMut(DownloadProgress<'_>),
    ) -> Result<()> {
        let weights = listing.check(repository)?;
        let commit = &listing.commit;
        let mut download = |file: &str| client.download_into(cached, commit, file, progress);
        for file in FILES.iter().filter(|file| **file != LONGSPAN && listing.has(file)) {
            download(file)?;
        }
        // The cache may have the weights in another format than the preferred one. They are as good.
        if cached.missing(commit).is_some() {
            download(weights.file)?;
            if weights.sharded {
                for shard in cached.index(commit, weights.file)?.shards() {
                    download(shard)?;
                }
            }
        }
        if listing.has(LONGSPAN) { download(LONGSPAN) } else { cached.write_absent(commit, LONGSPAN) }
    }

    fn not_cached(&self, repository: &Repository, cached: &CachedModel, known: Option<&str>) -> Error {
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
}

/// The files of a revision, as the hub lists them.
struct RevisionFiles {
    /// The commit that the revision points to now.
    commit: String,
    files: BTreeSet<String>,
}

impl RevisionFiles {
    fn has(&self, file: &str) -> bool {
        self.files.contains(file)
    }

    /// Whether the snapshot has `longspan.json` if the model has one. Without it answers would differ.
    fn settings_are_in(&self, cached: &CachedModel) -> bool {
        !self.has(LONGSPAN) || cached.is_settled(&self.commit)
    }

    /// Finds the weights. An unsupported model is refused before anything is downloaded.
    fn check(&self, repository: &Repository) -> Result<&'static WeightsFile> {
        let lacks = |what: &str| repository.error(HubFault::NotFound, format!("the model has no {what}"));
        if !self.has(CONFIG) {
            return Err(lacks("`config.json`"));
        }
        if !has_vocabulary(|file| self.has(file)) {
            return Err(lacks(VOCABULARY_WANTED));
        }
        WEIGHTS.iter().find(|weights| self.has(weights.file)).ok_or_else(|| lacks(WEIGHTS_WANTED))
    }
}

const VOCABULARY_WANTED: &str = "vocabulary: `tokenizer.json`, `vocab.json` with `merges.txt`, or `vocab.txt`";

fn has_vocabulary(has: impl Fn(&str) -> bool) -> bool {
    VOCABULARIES.iter().any(|files| files.iter().all(|file| has(file)))
}

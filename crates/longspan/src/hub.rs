//! The Hugging Face hub and its cache on disk.
//!
//! The cache is the one that Python's `huggingface_hub` keeps, so a model that one of the two has brought is there
//! for the other. A commit never changes: only for a branch or a tag is the hub asked, and if it cannot be reached,
//! what the cache has is used.
//!
//! Environment, as in Python: `HF_HUB_CACHE` or `HF_HOME` (where the cache is), `HF_TOKEN` (for private and gated
//! models), `HF_HUB_OFFLINE=1` (the cache only), `HF_ENDPOINT` (another hub), `HTTPS_PROXY` and its kin.

mod cache;
mod client;

use std::collections::BTreeSet;
use std::fmt;
use std::path::PathBuf;

use self::cache::CachedModel;
use self::client::HubClient;
use crate::checkpoint::{CONFIG, FILES, LONGSPAN, WEIGHTS, WEIGHTS_WANTED, Weights};
use crate::error::HubFault;
use crate::{Error, Result};

/// The ways to store a vocabulary: one of them must be complete.
const VOCABULARIES: [&[&str]; 3] = [&["tokenizer.json"], &["vocab.json", "merges.txt"], &["vocab.txt"]];

/// A model on the hub: `ORG/NAME`, with `@REVISION` (branch, tag or commit) where one is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Repository {
    /// `ORG/NAME`.
    pub id: String,
    /// Branch, tag or commit; `main` by default.
    pub revision: String,
}

impl Repository {
    /// Reads `ORG/NAME` or `ORG/NAME@REVISION`.
    ///
    /// # Errors
    /// [`Error::Hub`] for a name or revision that the hub could not have: both become parts of paths.
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

/// How far the download of one file has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DownloadProgress<'a> {
    /// Name of the file.
    pub file: &'a str,
    /// Bytes that are on disk, those of an earlier, interrupted download included.
    pub bytes_done: u64,
    /// Length of the file, where the hub tells.
    pub bytes_total: Option<u64>,
}

/// Brings the files of a model into the cache and returns the folder (a snapshot) that holds them.
///
/// What the cache has is not brought again. With `offline` (or `HF_HUB_OFFLINE=1`) the network is not used.
/// `progress` is called for each file that is downloaded: when it begins, as it goes on, and when it is complete.
///
/// # Errors
/// [`Error::Hub`], whose [`HubFault`] tells a model that does not exist from one that asks for a token and from a
/// network that is down; [`Error::Write`] where the cache cannot be written.
pub fn fetch(
    repository: &Repository,
    offline: bool,
    progress: &mut dyn FnMut(DownloadProgress<'_>),
) -> Result<PathBuf> {
    let mut hub = Hub::from_env();
    hub.offline |= offline;
    hub.fetch(repository, progress)
}

/// A hub and a cache: what [`fetch`] takes from the environment.
#[derive(Clone)]
pub struct Hub {
    /// Address, without a slash at its end.
    pub endpoint: String,
    /// The folder that holds `models--ORG--NAME`.
    pub cache: PathBuf,
    /// Sent to the endpoint, and to no host that it redirects to.
    pub token: Option<String>,
    /// Whether only the cache may be used.
    pub offline: bool,
}

impl Hub {
    /// The hub and the cache that the environment names, by the variables that Python's `huggingface_hub` reads.
    pub fn from_env() -> Self {
        Self::from_variables(|name| std::env::var(name).ok())
    }

    /// The same for any environment.
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

    /// Brings the files of a model into the cache: see [`fetch`].
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
        let brought = self.bring(repository, &cached, &client, &listing, progress);
        match brought.and_then(|()| cached.write_commit(commit)) {
            // A cache that may only be read, shared by several people, does if it has all that matters.
            Err(Error::Write { .. }) if cached.missing(commit).is_none() && listing.settings_are_in(&cached) => {}
            result => result?,
        }
        Ok(cached.snapshot(commit))
    }

    /// Downloads what a snapshot lacks. Small files first: they tell early that a model is not one to be read.
    fn bring(
        &self,
        repository: &Repository,
        cached: &CachedModel,
        client: &HubClient,
        listing: &RevisionFiles,
        progress: &mut dyn FnMut(DownloadProgress<'_>),
    ) -> Result<()> {
        let weights = listing.check(repository)?;
        let commit = &listing.commit;
        let mut bring = |file: &str| client.bring(cached, commit, file, progress);
        for file in FILES.iter().filter(|file| **file != LONGSPAN && listing.has(file)) {
            bring(file)?;
        }
        // Weights in another format than the preferred one are as good, if the cache has them.
        if cached.missing(commit).is_some() {
            bring(weights.file)?;
            if weights.sharded {
                for shard in cached.index(commit, weights.file)?.shards() {
                    bring(shard)?;
                }
            }
        }
        if listing.has(LONGSPAN) { bring(LONGSPAN) } else { cached.write_absent(commit, LONGSPAN) }
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

/// What the hub says about a revision.
struct RevisionFiles {
    /// The commit that the revision names now.
    commit: String,
    files: BTreeSet<String>,
}

impl RevisionFiles {
    fn has(&self, file: &str) -> bool {
        self.files.contains(file)
    }

    /// Whether a snapshot has the settings of Longspan that the model has: without them answers would differ.
    fn settings_are_in(&self, cached: &CachedModel) -> bool {
        !self.has(LONGSPAN) || cached.is_settled(&self.commit)
    }

    /// Finds the weights, and refuses a model that could not be read before anything is downloaded.
    fn check(&self, repository: &Repository) -> Result<&'static Weights> {
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

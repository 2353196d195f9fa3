//! The cache's layout, which is that of Python's `huggingface_hub`:
//!
//! ```text
//! .locks/models--ORG--NAME/ETAG.lock      held while a blob is written
//! models--ORG--NAME/
//!     refs/REVISION                       a commit, as text
//!     blobs/ETAG                          the files, named by a hash of their content
//!     blobs/ETAG.incomplete               a download under way or interrupted
//!     snapshots/COMMIT/FILE               a link to a blob
//!     .no_exist/COMMIT/FILE               an empty file: the commit has no such file
//! ```

use std::fs::{self, File};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::listing::weights;
use super::repository::{Repository, is_commit};
use crate::checkpoint::{LONGSPAN, ShardIndex};
use crate::{Error, FormatKind, Result};

/// The longest index of shards that is read.
const INDEX_BYTES_MAX: u64 = 16 << 20;

/// The part of the cache that belongs to one model.
pub(super) struct CachedModel<'a> {
    repository: &'a Repository,
    /// `models--ORG--NAME`.
    name: String,
    cache: &'a Path,
}

impl<'a> CachedModel<'a> {
    pub(super) fn new(cache: &'a Path, repository: &'a Repository) -> Self {
        CachedModel { repository, name: format!("models--{}", repository.id.replace('/', "--")), cache }
    }

    /// The folder of this model. Its locks are elsewhere.
    pub(super) fn folder(&self) -> PathBuf {
        self.cache.join(&self.name)
    }

    pub(super) fn snapshot(&self, commit: &str) -> PathBuf {
        self.folder().join("snapshots").join(commit)
    }

    /// The commit that the revision points to, or pointed to when the hub was last asked.
    pub(super) fn commit(&self) -> Option<String> {
        if self.repository.is_commit() {
            return Some(self.repository.revision.clone());
        }
        let commit = fs::read_to_string(self.folder().join("refs").join(&self.repository.revision)).ok()?;
        // It becomes part of a path.
        Some(commit.trim().to_owned()).filter(|commit| is_commit(commit))
    }

    /// Records the commit that the revision points to.
    pub(super) fn write_commit(&self, commit: &str) -> Result<()> {
        if self.commit().as_deref() == Some(commit) {
            return Ok(());
        }
        let path = self.folder().join("refs").join(&self.repository.revision);
        // Written under another name and renamed, so that no other program sees half of it.
        let mut temporary = path.clone().into_os_string();
        temporary.push(format!(".{}.tmp", std::process::id()));
        create_folder_of(&path)?;
        fs::write(&temporary, commit).and_then(|()| fs::rename(&temporary, &path)).map_err(Error::write(&path))
    }

    /// Describes the first file that a snapshot lacks, or `None` if it is complete.
    pub(super) fn missing(&self, commit: &str) -> Option<String> {
        let snapshot = self.snapshot(commit);
        let has = |file: &str| snapshot.join(file).is_file();
        match weights(has) {
            Err(lacking) => Some(lacking.to_owned()),
            Ok(weights) if weights.sharded => match self.index(commit, weights.file) {
                Ok(index) => index.shards().into_iter().find(|shard| !has(shard)).map(|shard| format!("`{shard}`")),
                Err(_) => Some(format!("a readable `{}`", weights.file)),
            },
            Ok(_) => None,
        }
    }

    /// Whether each file is either in the snapshot or known to be missing from the commit. Other programs download only
    /// the files that they need, so a complete snapshot may lack `longspan.json`, which [`super::fetch`] looks for last.
    pub(super) fn is_settled(&self, commit: &str) -> bool {
        self.snapshot(commit).join(LONGSPAN).is_file() || self.absent(commit, LONGSPAN).is_file()
    }

    /// Records that a commit has no such file.
    pub(super) fn write_absent(&self, commit: &str, file: &str) -> Result<()> {
        let path = self.absent(commit, file);
        if path.is_file() {
            return Ok(());
        }
        create_folder_of(&path)?;
        fs::write(&path, "").map_err(Error::write(&path))
    }

    fn absent(&self, commit: &str, file: &str) -> PathBuf {
        self.folder().join(".no_exist").join(commit).join(file)
    }

    /// Reads an index of shards.
    pub(super) fn index(&self, commit: &str, file: &str) -> Result<ShardIndex> {
        let path = self.snapshot(commit).join(file);
        let read_error = Error::read(&path);
        let format_error = |message: String| Error::format(path.display().to_string(), FormatKind::Weights, message);
        let bytes = path.metadata().map_err(read_error)?.len();
        if bytes > INDEX_BYTES_MAX {
            return Err(format_error(format!("{bytes} bytes, at most {INDEX_BYTES_MAX} are read")));
        }
        ShardIndex::parse(&fs::read(&path).map_err(read_error)?).map_err(format_error)
    }

    /// The path of the file with this ETag.
    pub(super) fn blob(&self, etag: &str) -> PathBuf {
        self.folder().join("blobs").join(etag)
    }

    /// Waits until no other program writes this blob. Dropping the returned file releases the lock.
    pub(super) fn lock(&self, etag: &str) -> Result<File> {
        let path = self.cache.join(".locks").join(&self.name).join(format!("{etag}.lock"));
        create_folder_of(&path)?;
        let file = File::create(&path).map_err(Error::write(&path))?;
        match file.lock() {
            // A file system without locks. Two programs then write the same bytes to the same places.
            Err(e) if e.kind() == ErrorKind::Unsupported => Ok(file),
            locked => locked.map(|()| file).map_err(Error::write(&path)),
        }
    }

    /// Links a blob into a snapshot.
    pub(super) fn link(&self, etag: &str, commit: &str, file: &str) -> Result<()> {
        let path = self.snapshot(commit).join(file);
        create_folder_of(&path)?;
        // A dangling link to a deleted blob would be in the way.
        if path.symlink_metadata().is_ok() {
            fs::remove_file(&path).map_err(Error::write(&path))?;
        }
        match place(&self.blob(etag), etag, &path) {
            Err(e) if e.kind() == ErrorKind::AlreadyExists => Ok(()),
            placed => placed.map_err(Error::write(&path)),
        }
    }
}

#[cfg(unix)]
fn place(_blob: &Path, etag: &str, path: &Path) -> std::io::Result<()> {
    std::os::unix::fs::symlink(Path::new("../../blobs").join(etag), path)
}

/// Links need a permission on Windows; Python's cache moves the blob into the snapshot there as well.
#[cfg(not(unix))]
fn place(blob: &Path, _etag: &str, path: &Path) -> std::io::Result<()> {
    fs::rename(blob, path)
}

pub(super) fn create_folder_of(path: &Path) -> Result<()> {
    let folder = path.parent().unwrap_or(path);
    fs::create_dir_all(folder).map_err(Error::write(folder))
}

//! The cache's layout, which is that of Python's `huggingface_hub`:
//!
//! ```text
//! .locks/models--ORG--NAME/ETAG.lock      locked while a blob is written, and has the process id of the writer
//! models--ORG--NAME/
//!     refs/REVISION                       a commit, as text
//!     blobs/ETAG                          the files, named by a hash of their content
//!     blobs/ETAG.incomplete               a download under way or interrupted
//!     snapshots/COMMIT/FILE               a link to a blob
//!     .no_exist/COMMIT/FILE               an empty file: the commit has no such file
//! ```
//!
//! Whatever happens to a writer, a blob is whole: it gets its name when it has been checked. What is written is a plain
//! file of its own: a link that stands in its place is removed, not followed.

use std::fs::{self, File, TryLockError};
use std::io::{self, ErrorKind, Read, Write};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::listing::weights;
use super::repository::{Repository, is_commit};
use crate::checkpoint::{LONGSPAN, ShardIndex, open_plain_to_read};
use crate::{Error, FormatKind, Result};

/// The longest index of shards that is read.
const INDEX_BYTES_MAX: u64 = 16 << 20;

/// The most that is read of the file of a token, of a revision or of a lock.
const SHORT_FILE_BYTES_MAX: u64 = 4096;

/// The text of a file that has one short line.
fn read_short(path: &Path) -> io::Result<String> {
    short_text(open_plain_to_read(path)?)
}

/// The rest of an open file that has one short line.
pub(super) fn short_text(file: File) -> io::Result<String> {
    let mut text = String::new();
    file.take(SHORT_FILE_BYTES_MAX).read_to_string(&mut text)?;
    Ok(text.trim().to_owned())
}

/// The part of the cache that belongs to one model.
pub(super) struct CachedModel<'a> {
    pub repository: &'a Repository,
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
        let commit = read_short(&self.folder().join("refs").join(&self.repository.revision)).ok();
        commit.filter(|commit| is_commit(commit)) // it becomes part of a path
    }

    /// Records the commit that the revision points to.
    pub(super) fn write_commit(&self, commit: &str) -> Result<()> {
        if self.commit().as_deref() == Some(commit) {
            return Ok(());
        }
        let path = self.folder().join("refs").join(&self.repository.revision);
        // All commits have one length, so that one write replaces one by another: no other program sees half of it.
        let mut file = open_plain(&path)?;
        let written = file.write_all(commit.as_bytes()).and_then(|()| file.set_len(commit.len() as u64));
        written.map_err(Error::write(&path))
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
        open_plain(&path).map(drop)
    }

    fn absent(&self, commit: &str, file: &str) -> PathBuf {
        self.folder().join(".no_exist").join(commit).join(file)
    }

    /// Reads an index of shards.
    pub(super) fn index(&self, commit: &str, file: &str) -> Result<ShardIndex> {
        let path = self.snapshot(commit).join(file);
        let read_error = Error::read(&path);
        let format_error = |message: String| Error::format(&path, FormatKind::Weights, message);
        let mut index = Vec::new();
        let opened = open_plain_to_read(&path).and_then(|file| file.take(INDEX_BYTES_MAX + 1).read_to_end(&mut index));
        if opened.map_err(read_error)? as u64 > INDEX_BYTES_MAX {
            return Err(format_error(format!("longer than {INDEX_BYTES_MAX} bytes")));
        }
        ShardIndex::parse(&index).map_err(format_error)
    }

    /// The path of the file with this ETag.
    pub(super) fn blob(&self, etag: &str) -> PathBuf {
        self.folder().join("blobs").join(etag)
    }

    /// The first file of a snapshot whose content is not that of its name, as far as the names of blobs tell.
    pub(super) fn damaged(&self, commit: &str) -> Option<String> {
        let files = fs::read_dir(self.snapshot(commit)).ok()?.flatten();
        let mut damaged = files.filter(|file| {
            let blob = fs::read_link(file.path()).unwrap_or_default();
            blob.file_name().and_then(|etag| etag.to_str()).is_some_and(|etag| !has_digest(&file.path(), etag))
        });
        damaged.next().map(|file| file.file_name().to_string_lossy().into_owned())
    }

    /// Waits until no other program writes this blob. `notice` is called with the reason before a wait.
    pub(super) fn lock(&self, etag: &str, notice: &mut dyn FnMut(&str)) -> Result<BlobLock> {
        let path = self.cache.join(".locks").join(&self.name).join(format!("{etag}.lock"));
        let file = open_plain(&path)?;
        let locked = match file.try_lock() {
            Err(TryLockError::WouldBlock) => {
                notice(&wait_for(&path));
                file.lock()
            }
            Err(TryLockError::Error(e)) => Err(e),
            Ok(()) => Ok(()),
        };
        match locked {
            // A file system without locks. Two programs then write the same bytes to the same places.
            Err(e) if e.kind() == ErrorKind::Unsupported => {}
            locked => locked.map_err(Error::write(&path))?,
        }
        // The lock holds without the process id: that it cannot be written is no reason to stop.
        let _ = file.set_len(0).and_then(|()| write!(&file, "{}", std::process::id()));
        Ok(BlobLock(file))
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
fn place(_blob: &Path, etag: &str, path: &Path) -> io::Result<()> {
    std::os::unix::fs::symlink(Path::new("../../blobs").join(etag), path)
}

/// Links need a permission on Windows; Python's cache moves the blob into the snapshot there as well.
#[cfg(not(unix))]
fn place(blob: &Path, _etag: &str, path: &Path) -> io::Result<()> {
    fs::rename(blob, path)
}

/// Dropping it releases the lock.
pub(super) struct BlobLock(File);

impl Drop for BlobLock {
    fn drop(&mut self) {
        let _ = self.0.set_len(0); // nobody holds it any more
    }
}

/// What another program's lock makes this one wait for.
fn wait_for(lock: &Path) -> String {
    let holder = match read_short(lock).ok().and_then(|id| id.parse::<u32>().ok()) {
        Some(id) => format!("process {id}"),
        None => "another program".to_owned(),
    };
    let since = lock.metadata().and_then(|lock| lock.modified()).ok().and_then(|since| since.elapsed().ok());
    let since = since.map(|since| format!(" for {} s", since.as_secs())).unwrap_or_default();
    format!("waiting for {holder}, which has downloaded the same file{since} (it holds `{}`)", lock.display())
}

/// Opens a file for reading and writing, and makes it and its folder if there is none. What stands in its place and is no
/// plain file is removed: a link would lead the bytes elsewhere.
pub(super) fn open_plain(path: &Path) -> Result<File> {
    create_folder_of(path)?;
    if path.symlink_metadata().is_ok_and(|found| !found.is_file() && !found.is_dir()) {
        fs::remove_file(path).map_err(Error::write(path))?;
    }
    let mut options = File::options();
    options.read(true).write(true).create(true).truncate(false);
    #[cfg(unix)] // for a link that has come meanwhile
    std::os::unix::fs::OpenOptionsExt::custom_flags(&mut options, libc::O_NOFOLLOW);
    options.open(path).map_err(Error::write(path))
}

/// Whether a file has this length and, where the ETag tells it, this content.
pub(super) fn is_intact(path: &Path, etag: &str, bytes: u64) -> bool {
    path.metadata().is_ok_and(|file| file.is_file() && file.len() == bytes) && has_digest(path, etag)
}

/// Whether the content of a file has this SHA-256. An ETag that is none tells nothing; a file that cannot be read has
/// none.
pub(super) fn has_digest(path: &Path, etag: &str) -> bool {
    let is_sha256 = etag.len() == 64 && etag.bytes().all(|digit| digit.is_ascii_hexdigit());
    !is_sha256 || sha256(path).is_ok_and(|digest| digest.eq_ignore_ascii_case(etag))
}

fn sha256(path: &Path) -> io::Result<String> {
    let (mut file, mut digest, mut buffer) = (open_plain_to_read(path)?, Sha256::new(), vec![0; 1 << 16]);
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect()),
            count => digest.update(&buffer[..count]),
        }
    }
}

fn create_folder_of(path: &Path) -> Result<()> {
    let folder = path.parent().unwrap_or(path);
    fs::create_dir_all(folder).map_err(Error::write(folder))
}

//! The token of the hub: where it is from, and what is said where it cannot be read.

use std::fs::File;
use std::io::{self, ErrorKind, IsTerminal};
use std::path::{Path, PathBuf};

use ureq::http::HeaderValue;

use super::cache::short_text;
use crate::checkpoint::open_plain_to_read;

/// The token that is sent to the endpoint, but to no host that it redirects to.
///
/// A file is read when the hub is asked, by each fetch; it may be missing or empty. If it cannot be read, a
/// [`FetchEvent::Notice`](super::FetchEvent::Notice) says so, and the hub is asked without a token: most models need none.
#[derive(Clone)]
pub enum HubToken {
    /// None is sent.
    None,
    /// This one.
    Given(String),
    /// That of a plain file.
    File(PathBuf),
    /// That of a file that the user has named, which may be a pipe or a device. A pipe is waited for as long as it takes,
    /// after a notice.
    NamedFile(PathBuf),
}

impl HubToken {
    /// The token, or why there is none where there should be. `notice` is called with the reason before a wait.
    pub(super) fn read(&self, notice: &mut dyn FnMut(&str)) -> Result<Option<String>, String> {
        let (path, opened) = match self {
            Self::None => return Ok(None),
            Self::Given(token) => return Ok(Some(token.clone())),
            Self::File(path) => (path, open_plain_to_read(path)),
            Self::NamedFile(path) => (path, open_named(path, notice)),
        };
        let wrong = |what: &dyn std::fmt::Display| format!("the token in `{}` cannot be read: {what}", path.display());
        match opened.and_then(short_text) {
            Ok(token) if token.is_empty() => Ok(None),
            Ok(token) if is_token(&token) => Ok(Some(token)),
            Ok(_) => Err(wrong(&"it has characters that no token has")),
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => Ok(None),
            Err(error) if error.raw_os_error().is_some() => Err(wrong(&error.kind())),
            Err(error) => Err(wrong(&error)),
        }
    }
}

/// Whether a token can be sent.
pub(super) fn is_token(token: &str) -> bool {
    HeaderValue::from_str(token).is_ok()
}

/// Opens a file of any kind. A pipe may have no writer yet, and at a terminal a user must type.
fn open_named(path: &Path, notice: &mut dyn FnMut(&str)) -> io::Result<File> {
    let mut wait = || notice(&format!("waiting for the token of the hub from `{}`", path.display()));
    if is_pipe(path) {
        wait();
        return File::open(path);
    }
    File::open(path).inspect(|file| {
        if file.is_terminal() {
            wait()
        }
    })
}

#[cfg(unix)]
fn is_pipe(path: &Path) -> bool {
    use std::os::unix::fs::FileTypeExt;
    path.metadata().is_ok_and(|found| found.file_type().is_fifo())
}

/// Elsewhere a pipe without a writer cannot be opened.
#[cfg(not(unix))]
fn is_pipe(_path: &Path) -> bool {
    false
}

//! The files of a case, and folders to put them in.

use std::fs;
use std::path::{Path, PathBuf};

use longspan::checkpoint::Source;
use tempfile::TempDir;

/// Stands between the files of a case.
pub const SEPARATOR: &[u8] = b"\n=====\n";

/// The files of a case, at least one.
pub fn split(case: &[u8]) -> Vec<&[u8]> {
    let (mut files, mut rest) = (Vec::new(), case);
    while let Some(at) = rest.windows(SEPARATOR.len()).position(|window| window == SEPARATOR) {
        files.push(&rest[..at]);
        rest = &rest[at + SEPARATOR.len()..];
    }
    files.push(rest);
    files
}

/// The case of these files.
pub fn join<T: AsRef<[u8]>>(files: &[T]) -> Vec<u8> {
    files.iter().map(AsRef::as_ref).collect::<Vec<_>>().join(SEPARATOR)
}

/// A golden file of the library's tests, such as `convert/bert-qa/config.json`.
///
/// # Panics
/// If there is no such file.
pub fn golden(name: &str) -> Vec<u8> {
    let path = golden_path(name);
    fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

pub(crate) fn golden_path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates/longspan/tests/golden").join(name)
}

/// A folder for the files of case after case.
pub(crate) struct Folder(TempDir);

impl Folder {
    pub fn new() -> Self {
        Self(tempfile::tempdir().expect("a folder for temporary files"))
    }

    pub fn path(&self) -> &Path {
        self.0.path()
    }

    pub fn source(&self) -> Source {
        Source::Folder(self.path().to_owned())
    }

    /// Puts a file in the place of the one before; none, where a case has none. The file is a new one, because one that
    /// is mapped must not shrink.
    pub fn put(&self, name: &str, content: Option<&[u8]>) {
        let path = self.path().join(name);
        let _ = fs::remove_file(&path);
        if let Some(content) = content {
            fs::write(path, content).expect("space for a case");
        }
    }
}

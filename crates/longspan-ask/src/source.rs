//! Where documents come from: files, standard input, bytes.

use std::fs::{self, File};
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use longspan_documents::{Content, Hints, Limits, ReadError, read_from, read_text};

use crate::text::{io_message, quoted};

/// Where a document comes from.
///
/// ```
/// use longspan_ask::{Limits, DocumentSource};
///
/// let source = DocumentSource::Bytes { name: "pump.txt".into(), bytes: b"It ran in 1911.".to_vec() };
/// assert_eq!(&**source.read(&Limits::default())?.text(), "It ran in 1911.");
///
/// let missing = DocumentSource::File("missing.txt".into()).read(&Limits::default()).unwrap_err();
/// assert_eq!((missing.to_string().as_str(), missing.code()), ("`missing.txt`: no such file", "unreadable"));
/// # Ok::<(), longspan_ask::SourceError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum DocumentSource {
    /// A file; its path is the name of the document.
    File(PathBuf),
    /// Standard input; the name of the document is `-`.
    Stdin,
    /// Bytes that are in memory, such as an upload.
    Bytes {
        /// The name of the document.
        name: String,
        /// As they would stand in a file.
        bytes: Vec<u8>,
    },
}

/// A source that cannot be read as a document.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{}: {kind}", quoted(name))]
pub struct SourceError {
    /// Name of the document.
    pub name: String,
    /// What is wrong with it.
    pub kind: SourceErrorKind,
}

/// What can be wrong with a source.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum SourceErrorKind {
    /// The operating system refused to open it.
    #[error("{}", io_message(.0))]
    Io(Arc<io::Error>),
    /// It is a folder.
    #[error("a folder, not a file")]
    Folder,
    /// Its bytes cannot be read as a document.
    #[error("{0}")]
    Read(ReadError),
}

impl From<ReadError> for SourceErrorKind {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Io(error) => Self::Io(error),
            error => Self::Read(error),
        }
    }
}

impl SourceError {
    /// A stable code for programs: `unreadable`, or that of [`ReadError::code`].
    pub fn code(&self) -> &'static str {
        match &self.kind {
            SourceErrorKind::Io(_) | SourceErrorKind::Folder => "unreadable",
            SourceErrorKind::Read(error) => error.code(),
        }
    }
}

impl DocumentSource {
    /// The name of the document: the path of a file as it was given, `-` for standard input.
    pub fn name(&self) -> String {
        match self {
            Self::File(path) => path.to_string_lossy().into_owned(),
            Self::Stdin => "-".into(),
            Self::Bytes { name, .. } => name.clone(),
        }
    }

    /// Reads a document.
    ///
    /// # Errors
    /// When it cannot be opened, and those of [`longspan_documents::read`].
    pub fn read(&self, limits: &Limits) -> Result<Content, SourceError> {
        let hints = Hints { name: Some(self.name()), ..Hints::default() };
        let read = match self {
            Self::File(path) => open(path).and_then(|file| Ok(read_from(file, &hints, limits)?)),
            Self::Stdin => read_from(io::stdin().lock(), &hints, limits).map_err(Into::into),
            Self::Bytes { bytes, .. } => read_from(bytes.as_slice(), &hints, limits).map_err(Into::into),
        };
        read.map_err(|kind| SourceError { name: self.name(), kind })
    }

    /// Reads plain text, which may be empty, whatever the name.
    ///
    /// # Errors
    /// When it cannot be opened, and those of [`longspan_documents::read_text`].
    pub fn read_text(&self, limits: &Limits) -> Result<String, SourceError> {
        let read = match self {
            Self::File(path) => open(path).and_then(|file| Ok(read_text(file, limits)?)),
            Self::Stdin => read_text(io::stdin().lock(), limits).map_err(Into::into),
            Self::Bytes { bytes, .. } => read_text(bytes.as_slice(), limits).map_err(Into::into),
        };
        read.map_err(|kind| SourceError { name: self.name(), kind })
    }
}

fn open(path: &PathBuf) -> Result<File, SourceErrorKind> {
    let unreadable = |error| SourceErrorKind::Io(Arc::new(error));
    if fs::metadata(path).map_err(unreadable)?.is_dir() {
        return Err(SourceErrorKind::Folder);
    }
    File::open(path).map_err(unreadable)
}

//! Where documents come from: files, standard input, bytes.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use longspan_documents::{
    Content, Format, Hints, Limits, PictureSize, ReadError, START_BYTES, draw, is_plain, read_from, read_text,
};

use crate::ReadingProcess;
use crate::text::{io_message, quoted};

/// How sources are read.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct SourceOptions {
    /// How much is read of each.
    pub limits: Limits,
    /// Their format; without one, it is found out for each.
    pub format: Option<Format>,
    /// The password of those that are encrypted.
    pub password: Option<String>,
    /// The child process that reads everything but plain text; without one, this process reads. A program that reads files
    /// of strangers has one, for only a process of its own can be stopped when a file takes too much memory.
    pub process: Option<Arc<ReadingProcess>>,
}

/// Where a document comes from.
///
/// ```
/// use longspan_ask::{DocumentSource, SourceOptions};
///
/// let source = DocumentSource::Bytes { name: "pump.txt".into(), bytes: b"It ran in 1911.".to_vec() };
/// assert_eq!(&**source.read(&SourceOptions::default())?.text(), "It ran in 1911.");
///
/// let missing = DocumentSource::File("missing.txt".into()).read(&SourceOptions::default()).unwrap_err();
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
    /// It is an address on the network: no file has its name.
    #[error("an address, not a file")]
    Address,
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
            SourceErrorKind::Io(_) | SourceErrorKind::Folder | SourceErrorKind::Address => "unreadable",
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
    pub fn read(&self, options: &SourceOptions) -> Result<Content, SourceError> {
        let name = Some(self.name());
        let read = match self {
            Self::File(path) => open(path).and_then(|file| Ok(content(file, name, options)?)),
            Self::Stdin => content(io::stdin().lock(), name, options).map_err(Into::into),
            Self::Bytes { bytes, .. } => content(bytes.as_slice(), name, options).map_err(Into::into),
        };
        read.map_err(|kind| SourceError { name: self.name(), kind })
    }

    /// Draws a page of a document that has pages to draw, which PDF documents have: a PNG.
    ///
    /// # Errors
    /// When it cannot be opened, and those of [`longspan_documents::draw`].
    pub fn draw(&self, picture: PictureSize, options: &SourceOptions) -> Result<Vec<u8>, SourceError> {
        let read = || {
            let mut bytes = Vec::new();
            let read = match self {
                Self::File(path) => open(path)?.read_to_end(&mut bytes),
                Self::Stdin => io::stdin().lock().read_to_end(&mut bytes),
                Self::Bytes { bytes: given, .. } => given.as_slice().read_to_end(&mut bytes),
            };
            read.map_err(|error| SourceErrorKind::Io(Arc::new(error)))?;
            let SourceOptions { limits, format, password, process } = options;
            let hints = Hints { name: Some(self.name()), format: *format, password: password.clone() };
            Ok(match process {
                Some(process) => process.draw(bytes.as_slice(), picture, &hints, limits)?,
                None => draw(&bytes, picture, &hints, limits)?,
            })
        };
        read().map_err(|kind| SourceError { name: self.name(), kind })
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

/// What an input is read as: plain text here, anything else in the child, if there is one.
fn content(mut input: impl Read, name: Option<String>, options: &SourceOptions) -> Result<Content, ReadError> {
    let SourceOptions { limits, format, password, process } = options;
    let hints = Hints { name, format: *format, password: password.clone() };
    let Some(process) = process else { return read_from(input, &hints, limits) };
    let mut start = Vec::new();
    let begun = input.by_ref().take(START_BYTES).read_to_end(&mut start);
    begun.map_err(|error| ReadError::Io(Arc::new(error)))?;
    let is_plain = is_plain(&start, &hints);
    let whole = start.as_slice().chain(input);
    if is_plain { read_from(whole, &hints, limits) } else { process.read(whole, &hints, limits) }
}

fn open(path: &Path) -> Result<File, SourceErrorKind> {
    let unreadable = |error: io::Error| match error.kind() {
        io::ErrorKind::NotFound if is_address(path) => SourceErrorKind::Address,
        _ => SourceErrorKind::Io(Arc::new(error)),
    };
    if fs::metadata(path).map_err(unreadable)?.is_dir() {
        return Err(SourceErrorKind::Folder);
    }
    File::open(path).map_err(unreadable)
}

/// Whether a path is an address of the web.
fn is_address(path: &Path) -> bool {
    let path = path.to_string_lossy();
    path.split_once("://").is_some_and(|(scheme, _)| ["http", "https", "ftp", "file"].contains(&scheme))
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn plain_text_is_read_here_and_other_formats_in_the_child() {
        let process = Some(Arc::new(ReadingProcess::new("sh", &["-c", "exit 3"])));
        let mut options = SourceOptions { process, ..SourceOptions::default() };
        let read = |name: &str, text: &str| {
            let source = DocumentSource::Bytes { name: name.into(), bytes: text.into() };
            source.read(&options).map_or_else(|error| error.to_string(), |content| content.text().to_string())
        };
        let long = "A long text. ".repeat(1000);
        for (name, text) in [("a.txt", "It ran."), ("a", &long), ("a.csv", "a,b\n"), ("-", "\u{feff}\r\n# a")] {
            assert_eq!(read(name, text), text, "{name}");
        }
        for (name, text) in
            [("a.html", "It ran."), ("a.md", "# It ran"), ("a", "<!doctype html><p>a"), ("a.txt", "%PDF-1.7")]
        {
            let error = format!("`{name}`: its reader failed: exit status: 3");
            assert_eq!(read(name, text), error);
        }
        options.format = Some(Format::Text);
        let source = DocumentSource::Bytes { name: "a.html".into(), bytes: b"<html>".to_vec() };
        assert_eq!(&**source.read(&options).unwrap().text(), "<html>");
    }
}

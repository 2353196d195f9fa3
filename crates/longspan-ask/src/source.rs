//! Where documents come from: files, standard input, bytes.

use std::fmt;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use longspan_documents::{
    Content, Format, Hints, Limits, PictureSize, ReadError, START_BYTES, draw, is_plain, read_from, read_text,
};

use crate::child::ChildError;
use crate::text::{io_message, quoted};
use crate::{ReadingProcess, ReadingStop};

/// How sources are read.
#[derive(Clone, Default)]
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
    /// Ends the reading of files in the child process, from another thread.
    pub stop: Option<ReadingStop>,
}

/// Without the password.
impl fmt::Debug for SourceOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { limits, format, password, process, stop } = self;
        let has_password = password.is_some();
        f.debug_struct("SourceOptions")
            .field("limits", limits)
            .field("format", format)
            .field("has_password", &has_password)
            .field("process", process)
            .field("stop", stop)
            .finish()
    }
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
    /// The caller stopped the reading.
    #[error("stopped before it was read")]
    Stopped,
}

impl From<ReadError> for SourceErrorKind {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Io(error) => Self::Io(error),
            error => Self::Read(error),
        }
    }
}

impl From<ChildError> for SourceErrorKind {
    fn from(error: ChildError) -> Self {
        match error {
            ChildError::Read(error) | ChildError::OfKept(error) => error.into(),
            ChildError::Stopped => Self::Stopped,
        }
    }
}

impl SourceError {
    /// A stable code for programs: `unreadable`, `cancelled`, or that of [`ReadError::code`].
    pub fn code(&self) -> &'static str {
        match &self.kind {
            SourceErrorKind::Io(_) | SourceErrorKind::Folder | SourceErrorKind::Address => "unreadable",
            SourceErrorKind::Read(error) => error.code(),
            SourceErrorKind::Stopped => "cancelled",
        }
    }
}

impl DocumentSource {
    /// The name of the document: the path of a file as it was given, `-` for standard input. A byte of a path that is no
    /// UTF-8 is written as `\xff`, so that other files have other names.
    pub fn name(&self) -> String {
        match self {
            Self::File(path) => name_of(path),
            Self::Stdin => "-".into(),
            Self::Bytes { name, .. } => name.clone(),
        }
    }

    /// Reads a document.
    ///
    /// # Errors
    /// When it cannot be opened, and those of [`longspan_documents::read`].
    pub fn read(&self, options: &SourceOptions) -> Result<Content, SourceError> {
        let read = match self {
            Self::File(path) => self.content(&mut || open(path), path.is_file(), options),
            Self::Stdin => self.content(&mut || Ok(io::stdin().lock()), false, options),
            Self::Bytes { bytes, .. } => self.content(&mut || Ok(bytes.as_slice()), true, options),
        };
        read.map_err(|kind| SourceError { name: self.name(), kind })
    }

    /// What an input is read as: plain text here, anything else in a child, if there may be one.
    ///
    /// - `is_lasting`: whether the input can be opened again, as a pipe cannot
    fn content<R: Read>(
        &self,
        open: &mut dyn FnMut() -> Result<R, SourceErrorKind>,
        is_lasting: bool,
        options: &SourceOptions,
    ) -> Result<Content, SourceErrorKind> {
        let SourceOptions { limits, format, password, process, stop } = options;
        let stop = stop.clone().unwrap_or_default();
        if stop.is_stopped() {
            return Err(SourceErrorKind::Stopped);
        }
        let hints = Hints { name: Some(self.name()), format: *format, password: password.clone() };
        let mut input = open()?;
        let Some(process) = process else { return Ok(read_from(input, &hints, limits)?) };
        let mut start = Vec::new();
        let begun = input.by_ref().take(START_BYTES).read_to_end(&mut start);
        begun.map_err(|error| ReadError::Io(Arc::new(error)))?;
        let is_plain = is_plain(&start, &hints);
        let whole = start.as_slice().chain(input);
        if is_plain {
            return Ok(read_from(whole, &hints, limits)?);
        }
        match process.read(whole, &hints, limits, &stop, is_lasting) {
            // Earlier files may have left it with less memory than a new one has.
            Err(ChildError::OfKept(_)) => Ok(process.read(open()?, &hints, limits, &stop, false)?),
            read => Ok(read?),
        }
    }

    /// Draws a page of a document that has pages to draw, which PDF documents have: a PNG.
    ///
    /// # Errors
    /// When it cannot be opened, and those of [`longspan_documents::draw`].
    pub fn draw(&self, picture: PictureSize, options: &SourceOptions) -> Result<Vec<u8>, SourceError> {
        let read = || {
            let SourceOptions { limits, format, password, process, stop } = options;
            let mut bytes = Vec::new();
            let text_bytes_max = limits.text_bytes_max; // as for a file that is read
            let longest = text_bytes_max.saturating_add(1);
            let read = match self {
                Self::File(path) => open(path)?.take(longest).read_to_end(&mut bytes),
                Self::Stdin => io::stdin().lock().take(longest).read_to_end(&mut bytes),
                Self::Bytes { bytes: given, .. } => given.as_slice().read_to_end(&mut bytes),
            };
            read.map_err(|error| SourceErrorKind::Io(Arc::new(error)))?;
            if bytes.len() as u64 > text_bytes_max {
                return Err(ReadError::TooLong { text_bytes_max }.into());
            }
            let hints = Hints { name: Some(self.name()), format: *format, password: password.clone() };
            let stop = stop.clone().unwrap_or_default();
            Ok(match process {
                Some(process) => process.draw(&bytes, picture, &hints, limits, &stop)?,
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

/// The name of the document in a file.
fn name_of(path: &Path) -> String {
    let mut name = String::new();
    for chunk in path.as_os_str().as_encoded_bytes().utf8_chunks() {
        name.push_str(chunk.valid());
        chunk.invalid().iter().for_each(|byte| name.push_str(&format!("\\x{byte:02x}")));
    }
    name
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
    fn two_files_have_two_names() {
        use std::ffi::OsStr;
        use std::os::unix::ffi::OsStrExt;
        let name = |bytes: &[u8]| DocumentSource::File(OsStr::from_bytes(bytes).into()).name();
        assert_eq!(name("dé/a b.txt".as_bytes()), "dé/a b.txt");
        assert_eq!((name(b"a\xff.txt"), name(b"a\xe9\xfe")), (r"a\xff.txt".into(), r"a\xe9\xfe".into()));
    }

    #[test]
    fn a_password_is_not_shown() {
        let options = SourceOptions { password: Some("open sesame".into()), ..SourceOptions::default() };
        let hints = Hints { password: options.password.clone(), ..Hints::default() };
        let shown = format!("{options:?} {hints:?}");
        assert!(!shown.contains("sesame") && shown.matches("has_password: true").count() == 2, "{shown}");
    }

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
        let stop = ReadingStop::default();
        options.stop = Some(stop.clone());
        stop.stop();
        let stopped = DocumentSource::Bytes { name: "a.html".into(), bytes: Vec::new() }.read(&options).unwrap_err();
        assert_eq!(
            (stopped.to_string().as_str(), stopped.code()),
            ("`a.html`: stopped before it was read", "cancelled")
        );
        options.stop = None;
        options.format = Some(Format::Text);
        let source = DocumentSource::Bytes { name: "a.html".into(), bytes: b"<html>".to_vec() };
        assert_eq!(&**source.read(&options).unwrap().text(), "<html>");
    }
}

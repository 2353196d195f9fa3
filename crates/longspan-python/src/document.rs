//! Documents as Python holds them, and how they are read: in this process, or in a child that may be stopped.

use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use longspan_ask::{
    Content, ContentObject, DocumentSource, Format, NamedDocument, PictureSize, ReadingProcess, ReadingStop,
    SourceOptions, StopWhenDropped,
};
use longspan_documents::{Limits, decode, encode};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBytes, PyString};

use crate::errors::{of_bug, of_option, of_source};
use crate::watch::{PerProcess, without_gil};

/// A document: its text and its map.
#[pyclass(frozen, module = "longspan._native")]
pub struct NativeDocument {
    pub name: String,
    pub content: Content,
    /// Python's copy of the text, made when it is asked for.
    text: PyOnceLock<Py<PyString>>,
    /// Its tokens for the reader that asked it last, with the number of that reader. It is locked with the GIL only.
    tokenized: Mutex<Option<(u64, NamedDocument)>>,
}

impl NativeDocument {
    fn new(name: String, content: Content) -> Self {
        Self { name, content, text: PyOnceLock::new(), tokenized: Mutex::new(None) }
    }

    /// The tokens for a reader, if it asked last.
    pub fn tokenized_for(&self, reader: u64) -> Option<NamedDocument> {
        let known = self.tokenized.lock().unwrap_or_else(PoisonError::into_inner);
        known.as_ref().filter(|(of, _)| *of == reader).map(|(_, document)| document.clone())
    }

    /// Keeps the tokens for a reader.
    pub fn keep_tokens(&self, reader: u64, document: NamedDocument) {
        *self.tokenized.lock().unwrap_or_else(PoisonError::into_inner) = Some((reader, document));
    }
}

#[pymethods]
impl NativeDocument {
    /// A text as it is.
    #[staticmethod]
    fn of_text(py: Python<'_>, name: String, text: &str) -> Self {
        Self::new(name, py.detach(|| Content::plain(text)))
    }

    /// Reads a file or bytes.
    #[staticmethod]
    #[pyo3(signature = (source, name=None, format=None, password=None, child=None))]
    fn read(
        py: Python<'_>,
        source: GivenSource,
        name: Option<String>,
        format: Option<&str>,
        password: Option<String>,
        child: Option<Vec<String>>,
    ) -> PyResult<Self> {
        let source = source.document_source(name.clone());
        let (options, _stop) = source_options(py, format, password, child)?;
        let name = name.unwrap_or_else(|| source.name());
        let read = without_gil(py, move || source.read(&options))?;
        Ok(Self::new(name, read.map_err(|error| of_source(py, error))?))
    }

    /// What `encode` gave.
    #[staticmethod]
    fn decode(py: Python<'_>, name: String, encoded: &[u8]) -> PyResult<Self> {
        let content = py.detach(|| decode(encoded, &Limits::default()));
        Ok(Self::new(name, content.map_err(|error| of_bug(py, &format!("pickled document: {error}")))?))
    }

    /// Its text and map in bytes, for another process of this version.
    fn encode<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, &py.detach(|| encode(&Ok(self.content.clone()))))
    }

    /// Its name.
    #[getter]
    fn name(&self) -> &str {
        &self.name
    }

    /// Its text.
    #[getter]
    fn text(&self, py: Python<'_>) -> Py<PyString> {
        self.text.get_or_init(py, || PyString::new(py, self.content.text()).unbind()).clone_ref(py)
    }

    /// The name of the format that it was read from.
    #[getter]
    fn format(&self) -> &'static str {
        self.content.format().name()
    }

    /// The title that the file states.
    #[getter]
    fn title(&self) -> Option<&str> {
        self.content.title()
    }

    /// How many pages it has.
    #[getter]
    fn pages(&self) -> usize {
        self.content.pages().len()
    }

    /// What a reader should know about its text.
    #[getter]
    fn warnings(&self) -> Vec<String> {
        self.content.warnings().iter().map(ToString::to_string).collect()
    }

    /// Its map, the object of `longspan text --json`.
    fn map(&self, py: Python<'_>) -> PyResult<String> {
        let map = py.detach(|| serde_json::to_string(&ContentObject::new(&self.name, &self.content)));
        map.map_err(|error| of_bug(py, &error.to_string()))
    }
}

/// A path, or bytes.
#[derive(FromPyObject)]
pub enum GivenSource {
    Bytes(Vec<u8>),
    File(PathBuf),
}

impl GivenSource {
    fn document_source(self, name: Option<String>) -> DocumentSource {
        match self {
            Self::Bytes(bytes) => DocumentSource::Bytes { name: name.unwrap_or_else(|| "bytes".into()), bytes },
            Self::File(path) => DocumentSource::File(path),
        }
    }
}

/// Draws a page of a PDF: a PNG.
#[pyfunction]
#[pyo3(signature = (source, page, width, name=None, password=None, child=None))]
pub fn draw<'py>(
    py: Python<'py>,
    source: GivenSource,
    page: usize,
    width: u16,
    name: Option<String>,
    password: Option<String>,
    child: Option<Vec<String>>,
) -> PyResult<Bound<'py, PyBytes>> {
    let source = source.document_source(name);
    let (options, _stop) = source_options(py, None, password, child)?;
    let drawn = without_gil(py, move || source.draw(PictureSize { page, width }, &options))?;
    Ok(PyBytes::new(py, &drawn.map_err(|error| of_source(py, error))?))
}

/// Is a child that reads files for another process, until that ends.
#[pyfunction]
pub fn serve_parent(py: Python<'_>) -> PyResult<()> {
    Ok(py.detach(longspan_ask::serve_parent)?)
}

/// The children of this process.
static CHILDREN: PerProcess<ReadingProcess> = PerProcess::new();

/// How a source is read, with a switch that ends the reading when it is dropped, as it is by Ctrl-C.
///
/// - `child`: the command of a child, which calls `serve_parent`
fn source_options(
    py: Python<'_>,
    format: Option<&str>,
    password: Option<String>,
    child: Option<Vec<String>>,
) -> PyResult<(SourceOptions, StopWhenDropped)> {
    let mut options = SourceOptions::default();
    options.password = password;
    if let Some(name) = format {
        let format = Format::ALL.into_iter().find(|format| format.name() == name);
        let all = || Format::ALL.map(Format::name).join(", ");
        let unknown = || of_option(py, &format!("`format`: {name:?}: expected one of {}", all()));
        options.format = Some(format.ok_or_else(unknown)?);
    }
    if let Some([program, arguments @ ..]) = child.as_deref() {
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let children_max = std::thread::available_parallelism().map_or(1, usize::from);
        let start = || Ok(ReadingProcess::new(program, &arguments).with_children_max(children_max));
        options.process = Some(CHILDREN.get(py, start)?);
    }
    let stop = ReadingStop::default();
    options.stop = Some(stop.clone());
    Ok((options, stop.when_dropped()))
}

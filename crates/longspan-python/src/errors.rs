//! Errors as the classes of `longspan.errors`, with their stable codes.

use longspan::{Error, ErrorKind};
use longspan_ask::{AskError, SourceError, error_code};
use pyo3::PyTypeInfo;
use pyo3::prelude::*;

mod classes {
    use pyo3::import_exception;

    import_exception!(longspan.errors, DatasetError);
    import_exception!(longspan.errors, DocumentError);
    import_exception!(longspan.errors, Error);
    import_exception!(longspan.errors, HubError);
    import_exception!(longspan.errors, ModelError);
    import_exception!(longspan.errors, NoText);
    import_exception!(longspan.errors, OptionError);
    import_exception!(longspan.errors, PasswordRequired);
    import_exception!(longspan.errors, QuestionError);
    import_exception!(longspan.errors, QuestionTooLong);
}

/// The exception of this class.
fn raised<E: PyTypeInfo>(py: Python<'_>, message: &str, code: &str, document: Option<&str>) -> PyErr {
    match py.get_type::<E>().call1((message, code, document)) {
        Ok(exception) => PyErr::from_value(exception),
        Err(error) => error,
    }
}

/// An error of the library.
///
/// - `about`: what is put before its message, such as the name of a model
pub fn of_library(py: Python<'_>, error: &Error, about: Option<&str>) -> PyErr {
    let message = about.map_or_else(|| error.to_string(), |about| format!("{about}: {error}"));
    of_kind(py, error.kind(), error_code(error), &message, None)
}

/// An error of a document that is asked.
pub fn of_document(py: Python<'_>, error: &AskError) -> PyErr {
    of_kind(py, error.kind(), error.code(), &error.to_string(), Some(error.document()))
}

/// An error of a document that is read.
pub fn of_source(py: Python<'_>, error: SourceError) -> PyErr {
    of_document(py, &error.into())
}

fn of_kind(py: Python<'_>, kind: ErrorKind, code: &str, message: &str, document: Option<&str>) -> PyErr {
    let raise = match (kind, code) {
        (_, "password_required" | "wrong_password") => raised::<classes::PasswordRequired>,
        (_, "no_text") => raised::<classes::NoText>,
        (_, "question_too_long") => raised::<classes::QuestionTooLong>,
        (ErrorKind::Option, _) => raised::<classes::OptionError>,
        (ErrorKind::Model, _) => raised::<classes::ModelError>,
        (ErrorKind::Question, _) => raised::<classes::QuestionError>,
        (ErrorKind::Dataset, _) => raised::<classes::DatasetError>,
        (ErrorKind::Hub, _) => raised::<classes::HubError>,
        (ErrorKind::Document, _) => raised::<classes::DocumentError>,
        (ErrorKind::Io, _) if document.is_some() => raised::<classes::DocumentError>,
        (ErrorKind::Io | ErrorKind::Training | ErrorKind::Cancelled, _) => raised::<classes::Error>,
    };
    raise(py, message, code, document)
}

/// An option that is out of its range.
pub fn of_option(py: Python<'_>, message: &str) -> PyErr {
    raised::<classes::OptionError>(py, message, "option", None)
}

/// A bug, which should be reported.
pub fn of_bug(py: Python<'_>, message: &str) -> PyErr {
    raised::<classes::Error>(py, message, "internal", None)
}

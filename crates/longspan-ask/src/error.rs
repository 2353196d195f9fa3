//! Errors of documents that are asked.

use longspan::{Error, ErrorKind};

use crate::text::quoted;
use crate::{SourceError, SourceErrorKind};

/// A document that cannot be read or asked. What is wrong with a question or an option is a [`longspan::Error`].
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum AskError {
    /// It cannot be read.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// It cannot be asked.
    #[error("{}: {source}", quoted(document))]
    Document {
        /// Name of the document.
        document: String,
        /// Why not.
        source: Error,
    },
}

impl AskError {
    pub(crate) fn about(document: &str, source: Error) -> Self {
        Self::Document { document: document.into(), source }
    }

    /// Name of the document.
    pub fn document(&self) -> &str {
        match self {
            Self::Source(error) => &error.name,
            Self::Document { document, .. } => document,
        }
    }

    /// The class of the error, which a server maps to a status: [`ErrorKind::Document`] if the document must be changed,
    /// [`ErrorKind::Io`] if there is none to read, [`ErrorKind::Cancelled`] if the caller stopped the work.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Source(SourceError { kind: SourceErrorKind::Read(_), .. }) => ErrorKind::Document,
            Self::Source(SourceError { kind: SourceErrorKind::Stopped, .. }) => ErrorKind::Cancelled,
            Self::Source(_) => ErrorKind::Io,
            Self::Document { source, .. } => source.kind(),
        }
    }

    /// A stable code for programs: those of [`SourceError::code`] and [`error_code`].
    pub fn code(&self) -> &'static str {
        match self {
            Self::Source(error) => error.code(),
            Self::Document { source, .. } => error_code(source),
        }
    }
}

/// The stable code of an error of the library, for programs: `empty_question`, `question_too_long`, `empty_document`,
/// `too_large`, `option`, `model`, `hub`, `dataset`, `cancelled`, or `internal` for what no caller can mend.
pub fn error_code(error: &Error) -> &'static str {
    match error {
        Error::EmptyQuestion => "empty_question",
        Error::QuestionTooLong { .. } => "question_too_long",
        Error::EmptyDocument => "empty_document",
        Error::TextTooLong { .. } => "too_large",
        Error::Option { .. } => "option",
        Error::Cancelled => "cancelled",
        error => match error.kind() {
            ErrorKind::Model => "model",
            ErrorKind::Hub => "hub",
            ErrorKind::Dataset => "dataset",
            _ => "internal",
        },
    }
}

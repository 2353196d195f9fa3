//! Errors of documents that are asked.

use longspan::Error;

use crate::SourceError;

/// A document that cannot be read or asked. What is wrong with a question or an option is a [`longspan::Error`].
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum AskError {
    /// It cannot be read.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// It cannot be asked.
    #[error("`{document}`: {source}")]
    Document {
        /// Name of the document.
        document: String,
        /// Why not.
        source: Error,
    },
}

impl AskError {
    pub(crate) fn document(name: &str, source: Error) -> Self {
        Self::Document { document: name.into(), source }
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
/// `too_large`, `option`, `cancelled`, or `internal` for what no caller can mend.
pub fn error_code(error: &Error) -> &'static str {
    match error {
        Error::EmptyQuestion => "empty_question",
        Error::QuestionTooLong { .. } => "question_too_long",
        Error::EmptyDocument => "empty_document",
        Error::TextTooLong { .. } => "too_large",
        Error::Option { .. } => "option",
        Error::Cancelled => "cancelled",
        _ => "internal",
    }
}

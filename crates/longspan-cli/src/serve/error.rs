//! What is wrong with a request: one table of codes, and one form on the wire.

use std::time::Duration;

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use longspan_ask::{AskError, SourceError, SourceErrorKind, error_code};
use schemars::JsonSchema;
use serde::Serialize;

use crate::data::gathered::is_no_document;
use crate::terminal::hints;

/// Every code of an error, its status, and what it means.
pub const ERRORS: [(&str, u16, &str); 27] = [
    ("malformed", 400, "The body, a parameter or a header is malformed, or a key is unknown."),
    ("option", 400, "An option is out of its range."),
    ("key", 401, "The key is missing or wrong."),
    ("host", 403, "The Host header is not a name of this server."),
    ("origin", 403, "A page of another site asks."),
    ("read_only", 403, "The document is one of the folder that is served."),
    ("not_found", 404, "There is nothing at this path."),
    ("unknown_document", 404, "There is no such document, or no such page of it; it may have made room for others."),
    ("method", 405, "The path has other methods."),
    ("slow_body", 408, "The body stopped coming."),
    ("too_large", 413, "The body, the text or the work is over a limit."),
    ("document_too_long", 413, "The document has more tokens than --max-document-tokens."),
    ("too_many_pairs", 413, "There are more questions times documents than --max-pairs."),
    ("unknown_format", 415, "The file is of a format that is not read."),
    ("empty_question", 422, "The question is empty."),
    ("question_too_long", 422, "The question leaves no room for a document."),
    ("empty_document", 422, "The document has no text."),
    ("no_text", 422, "The pages of the document are pictures."),
    ("password_required", 422, "The document is encrypted."),
    ("wrong_password", 422, "The document is encrypted with another password."),
    ("encrypted", 422, "The document is encrypted in a way that is not read."),
    ("unreadable", 422, "The file is damaged, or reading it takes too much time or memory."),
    ("overloaded", 429, "The server has too much to do; Retry-After says when to come again."),
    ("internal", 500, "A bug; the log has the request."),
    ("loading", 503, "The model is being loaded."),
    ("draining", 503, "The server ends."),
    ("deadline", 503, "The request took longer than --request-timeout."),
];

const PASSWORD_HINT: &str = "send the password in the header X-Document-Password, or as the part `password` of a form";

/// An error of a request. The middleware makes its body, since that has the id of the request.
#[derive(Debug, Clone)]
pub struct HttpError {
    /// One of `ERRORS`.
    pub error_type: &'static str,
    /// For people.
    pub message: String,
    /// What would help.
    pub hint: Option<&'static str>,
    /// When to come again.
    pub retry_after: Option<Duration>,
    /// Whether it is that of a file that is empty, or no document at all.
    pub is_of_no_document: bool,
}

/// An error as it goes over the wire.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(title = "Error")]
pub struct ErrorObject<'a> {
    /// What is wrong, for people.
    pub error: &'a str,
    /// What is wrong, for programs.
    pub error_type: &'a str,
    /// What would help.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<&'a str>,
    /// The id of the request, which the log has too.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_id: Option<&'a str>,
}

impl HttpError {
    /// An error of a type in the table.
    pub fn new(error_type: &'static str, message: impl Into<String>) -> Self {
        Self { error_type, message: message.into(), hint: None, retry_after: None, is_of_no_document: false }
    }

    /// The same with a hint.
    pub fn with_hint(self, hint: &'static str) -> Self {
        Self { hint: Some(hint), ..self }
    }

    /// Its status.
    pub fn status(&self) -> StatusCode {
        let listed = ERRORS.iter().find(|(error_type, ..)| *error_type == self.error_type);
        listed
            .and_then(|(_, status, _)| StatusCode::from_u16(*status).ok())
            .unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    /// Its object.
    pub fn object<'a>(&'a self, request_id: Option<&'a str>) -> ErrorObject<'a> {
        ErrorObject { error: &self.message, error_type: self.error_type, hint: self.hint, request_id }
    }

    /// Of a document that cannot be read or asked.
    pub fn of_document(error: &AskError) -> Self {
        let error_type = error.code();
        let hint = match error_type {
            "password_required" | "wrong_password" => Some(PASSWORD_HINT),
            _ => hint_of(error_type, &anyhow::Error::from(error.clone())),
        };
        let is_of_no_document = match error {
            AskError::Source(SourceError { kind: SourceErrorKind::Read(error), name }) => is_no_document(error, name),
            _ => false,
        };
        Self { hint, is_of_no_document, ..Self::new(listed(error_type), error.to_string()) }
    }

    /// Of a question or an option.
    pub fn of_question(error: &longspan::Error) -> Self {
        let message = match error {
            longspan::Error::Option { name, message } => format!("`{name}`: {message}"),
            error => error.to_string(),
        };
        let error_type = error_code(error);
        let hint = hint_of(error_type, &anyhow::Error::from(error.clone()));
        Self { hint, ..Self::new(listed(error_type), message) }
    }
}

/// What would help whoever sent a request. Hints that name options or commands are for a terminal.
fn hint_of(error_type: &str, error: &anyhow::Error) -> Option<&'static str> {
    match error_type {
        "empty_question" => Some("a question has words"),
        "question_too_long" => Some("shorten the question"),
        _ => hints::hint(error).filter(|hint| !hint.contains("--") && !hint.contains("`longspan ")),
    }
}

/// A code of the table; `internal` for any other.
fn listed(error_type: &'static str) -> &'static str {
    if ERRORS.iter().any(|(listed, ..)| *listed == error_type) { error_type } else { "internal" }
}

impl IntoResponse for HttpError {
    fn into_response(self) -> Response {
        let mut response = self.status().into_response();
        if let Some(seconds) = self.retry_after.map(|after| after.as_secs().max(1)) {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if self.error_type == "key" {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response.extensions_mut().insert(self);
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use longspan_ask::ReadError;

    #[test]
    fn every_code_stands_once_and_in_the_order_of_statuses() {
        assert!(ERRORS.is_sorted_by(|a, b| a.1 <= b.1 && a.0 != b.0));
        assert_eq!(HttpError::new("overloaded", "").status(), StatusCode::TOO_MANY_REQUESTS);
    }

    #[test]
    fn no_hint_is_for_a_terminal() {
        for error in [
            longspan::Error::Option { name: "doc_stride", message: "9: too much".into() },
            longspan::Error::EmptyQuestion,
            longspan::Error::QuestionTooLong { tokens: 9, tokens_max: 3 },
        ] {
            let hint = HttpError::of_question(&error).hint.unwrap_or_default();
            assert!(!hint.contains("--") && !hint.contains("command line"), "{hint}");
        }
    }

    #[test]
    fn errors_of_documents_have_their_codes() {
        let of = |error: ReadError| {
            let error = AskError::Source(SourceError { name: "a.pdf".into(), kind: SourceErrorKind::Read(error) });
            HttpError::of_document(&error)
        };
        for (error, error_type, status) in [
            (ReadError::PasswordRequired, "password_required", 422),
            (ReadError::PasswordWrong, "wrong_password", 422),
            (ReadError::PasswordNotAscii, "wrong_password", 422),
            (ReadError::TooSlow(Duration::from_secs(60)), "unreadable", 422),
            (ReadError::TooMany { what: "pages".into(), limit: 1 }, "unreadable", 422),
            (ReadError::TooLong { text_bytes_max: 1 }, "too_large", 413),
            (ReadError::NoText { pages: 3 }, "no_text", 422),
            (ReadError::Empty, "empty_document", 422),
        ] {
            let error = of(error);
            assert_eq!((error.error_type, error.status().as_u16()), (error_type, status));
            assert!(error.message.starts_with("`a.pdf`: "));
        }
    }
}

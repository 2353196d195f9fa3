//! What holds for every error and every span.

use std::fmt::Display;
use std::ops::Range;

use longspan_ask::Content;

/// The longest message.
const MESSAGE_BYTES_MAX: usize = 2000;

/// Checks that an error can be shown: one line, not long, without control characters.
pub fn presentable(error: &impl Display) {
    let message = error.to_string();
    let shown: String = message.chars().take(300).collect();
    assert!(!message.is_empty(), "an empty message");
    assert!(message.len() <= MESSAGE_BYTES_MAX, "a message of {} bytes: {shown:?}", message.len());
    assert!(!message.chars().any(char::is_control), "a message with control characters: {shown:?}");
}

/// The value, or `None` for an error, which must be presentable.
pub fn taken<T, E: Display>(result: Result<T, E>) -> Option<T> {
    result.inspect_err(presentable).ok()
}

/// The most bytes of a warning, a title, the label of a page or a heading of a place: these have 300 characters.
const SHORT_BYTES_MAX: usize = 1500;

/// Checks that what stands beside the text of a document is short.
pub fn short(content: &Content) {
    let end = content.text().len();
    let warnings: Vec<String> = content.warnings().iter().map(ToString::to_string).collect();
    assert!(warnings.len() <= 100, "{} warnings", warnings.len());
    let labels = content.pages().iter().filter_map(|page| page.label.as_deref());
    let stated = content.title().into_iter().chain(content.language());
    let headings = content.place(end..end).headings;
    let all =
        warnings.iter().map(String::as_str).chain(labels).chain(stated).chain(headings.iter().map(String::as_str));
    for text in all {
        let shown: String = text.chars().take(300).collect();
        assert!(text.len() <= SHORT_BYTES_MAX, "{} bytes: {shown:?}", text.len());
        assert!(!text.chars().any(char::is_control), "control characters: {shown:?}");
    }
}

/// The text of a span, which must lie between characters and have no white space at its ends.
pub fn span(text: &str, bytes: Range<usize>) -> &str {
    let found = text.get(bytes.clone());
    let found = found.unwrap_or_else(|| panic!("span {bytes:?} of a text of {} bytes", text.len()));
    assert_eq!(found.trim(), found, "span {bytes:?} has white space at its ends");
    found
}

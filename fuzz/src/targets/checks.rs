//! What holds for every error and every span.

use std::fmt::Display;
use std::ops::Range;

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

/// The text of a span, which must lie between characters and have no white space at its ends.
pub fn span(text: &str, bytes: Range<usize>) -> &str {
    let found = text.get(bytes.clone());
    let found = found.unwrap_or_else(|| panic!("span {bytes:?} of a text of {} bytes", text.len()));
    assert_eq!(found.trim(), found, "span {bytes:?} has white space at its ends");
    found
}

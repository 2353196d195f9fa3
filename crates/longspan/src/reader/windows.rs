//! How a long document is cut into windows.

use std::ops::Range;

/// A part of the document that goes through the model at once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Window {
    /// Tokens of the document in this window.
    pub tokens: Range<usize>,
    /// Those of `tokens` at which an answer may start here: the tokens for which no other window has a larger
    /// smaller context (ties: the first window).
    pub starts: Range<usize>,
}

/// Windows of at most `room` tokens over a document of `tokens`, neighbours sharing `doc_stride`.
pub fn windows(_tokens: usize, _room: usize, _doc_stride: usize) -> Vec<Window> {
    todo!()
}

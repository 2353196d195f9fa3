//! Questions and documents, each tokenized once.

use std::sync::Arc;

use crate::tokenizer::Tokens;

/// A document: its text and its tokens. A clone shares both.
#[derive(Debug, Clone)]
pub struct Document {
    text: Arc<str>,
    tokens: Arc<Tokens>,
}

impl Document {
    pub(super) fn new(text: Arc<str>, tokens: Tokens) -> Self {
        Self { text, tokens: Arc::new(tokens) }
    }

    /// The text, unchanged.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Number of its tokens.
    pub fn tokens(&self) -> usize {
        self.tokens.ids.len()
    }

    /// How many of its tokens end at or before a byte of the text.
    pub fn tokens_before(&self, byte: usize) -> usize {
        self.tokens.before(byte)
    }

    pub(super) fn ids_and_spans(&self) -> &Tokens {
        &self.tokens
    }
}

/// A question: its text and its tokens, for any number of documents. A clone shares both.
#[derive(Debug, Clone)]
pub struct Question {
    text: Arc<str>,
    ids: Arc<[u32]>,
}

impl Question {
    pub(super) fn new(text: &str, ids: Vec<u32>) -> Self {
        Self { text: text.into(), ids: ids.into() }
    }

    /// The text, unchanged.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Number of its tokens.
    pub fn tokens(&self) -> usize {
        self.ids.len()
    }

    pub(super) fn ids(&self) -> &[u32] {
        &self.ids
    }
}

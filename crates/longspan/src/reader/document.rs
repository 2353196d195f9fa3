//! Questions and documents, each tokenized once.

use std::sync::Arc;

use super::borders::borders;
use crate::tokenizer::Tokens;

/// A document: its text, its tokens and its borders. A clone shares all.
#[derive(Debug, Clone)]
pub struct Document {
    text: Arc<str>,
    tokens: Arc<Tokens>,
    /// Where a token begins a new part of the text, counted in tokens, in order.
    borders: Arc<[u32]>,
}

impl Document {
    pub(super) fn new(text: Arc<str>, tokens: Tokens) -> Self {
        let borders = token_borders(&tokens, borders(&text));
        Self { text, tokens: Arc::new(tokens), borders }
    }

    /// The same document with further borders: byte offsets that no answer runs over, such as the ends of table cells, in any
    /// order. They count where [`ReadOptions::respect_borders`](super::ReadOptions::respect_borders) is on. An offset within a
    /// token stands before that token.
    ///
    /// ```
    /// # let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../models/embedded");
    /// let text = "Mayor of Odde: Kari Moen. Mayor of Ribe: Jens Lund.";
    /// let document = longspan::Reader::open(folder)?.document(text)?.with_borders(&[26]);
    /// assert_eq!(document.text(), text);
    /// # Ok::<(), longspan::Error>(())
    /// ```
    pub fn with_borders(self, offsets: &[usize]) -> Self {
        let further = token_borders(&self.tokens, offsets.iter().copied());
        let mut all = [&self.borders[..], &further].concat();
        all.sort_unstable();
        all.dedup();
        Self { borders: all.into(), ..self }
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

    /// The tokens that begin a new part of the text, in order: no answer has such a token and the one before it.
    pub(super) fn borders(&self) -> &Arc<[u32]> {
        &self.borders
    }
}

/// Borders as tokens instead of bytes.
fn token_borders(tokens: &Tokens, offsets: impl Iterator<Item = usize>) -> Arc<[u32]> {
    offsets.map(|offset| tokens.before(offset) as u32).collect()
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

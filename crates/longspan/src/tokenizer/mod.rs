//! Text → tokens with byte offsets.

use std::borrow::Cow;

use crate::Result;

/// A range of bytes of a text: `text[start..end]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct ByteSpan {
    /// First byte.
    pub start: usize,
    /// One past the last byte.
    pub end: usize,
}

/// The tokens of a text, without special tokens: 12 bytes each.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tokens {
    /// Vocabulary ids.
    pub ids: Vec<u32>,
    /// For each token its (start, end) in bytes of the text, white space at both ends left out.
    pub spans: Vec<(u32, u32)>,
}

/// A tokenizer and the ids of its special tokens.
pub struct Tokenizer {
    /// `<s>` or `[CLS]`.
    pub cls_token_id: u32,
    /// `</s>` or `[SEP]`.
    pub sep_token_id: u32,
}

impl Tokenizer {
    /// Loads `tokenizer.json`, or `vocab.json` + `merges.txt`, or `vocab.txt`; `read` gives the content of a file.
    pub fn load(_read: impl Fn(&str) -> Result<Option<Cow<'static, [u8]>>>) -> Result<Self> {
        todo!()
    }

    /// Tokens of `text`, of any length; a literal `</s>` or `[MASK]` stays plain text.
    pub fn encode(&self, _text: &str) -> Result<Tokens> {
        todo!()
    }
}

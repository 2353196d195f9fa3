//! Text → tokens with byte offsets.
//!
//! ```text
//! files        tokenizer.json, or the vocabulary files that stand for one
//! pieces       long texts are cut where the pieces give the same tokens as the whole
//! ```

mod files;
mod pieces;

use std::borrow::Cow;

use rayon::prelude::*;

use crate::{Error, Result};

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
    /// For each token its (start, end) in bytes of the text, white space at both ends left out: a token of white space
    /// alone is empty. Starts never fall; a token that is part of a character covers the whole of it.
    pub spans: Vec<(u32, u32)>,
}

/// A tokenizer and the ids of its special tokens.
pub struct Tokenizer {
    inner: tokenizers::Tokenizer,
    /// Ids are below this.
    pub vocab_size: usize,
    /// `<s>` or `[CLS]`: the first token of an input.
    pub cls_token_id: u32,
    /// `</s>` or `[SEP]`: between the parts of an input, and at its end.
    pub sep_token_id: u32,
    /// `<mask>` or `[MASK]`, where there is one.
    pub mask_token_id: Option<u32>,
}

impl Tokenizer {
    /// Loads `tokenizer.json`, or `vocab.json` + `merges.txt`, or `vocab.txt`; `read` gives the content of a file.
    ///
    /// # Errors
    /// When none of them is there, one is malformed, or the special tokens are not in the vocabulary.
    pub fn load(read: impl Fn(&str) -> Result<Option<Cow<'static, [u8]>>>) -> Result<Self> {
        let files::Loaded { mut tokenizer, special } = files::load(&read)?;
        // What the file says about whole inputs is not for documents: they are never cut nor padded, and a literal `</s>`
        // in a text is text.
        tokenizer.with_truncation(None).map_err(|e| files::wrong("tokenizer.json", e))?;
        tokenizer.with_padding(None);
        tokenizer.set_encode_special_tokens(true);
        let id = |role: &str| {
            let names = special.names(role);
            names.iter().find_map(|name| tokenizer.token_to_id(name)).ok_or_else(|| {
                let names = names.join("` or `");
                files::wrong("tokenizer", format!("no {role} `{names}` in the vocabulary"))
            })
        };
        Ok(Self {
            vocab_size: tokenizer.get_vocab(true).values().max().map_or(0, |&id| id as usize + 1),
            cls_token_id: id("cls_token")?,
            sep_token_id: id("sep_token")?,
            mask_token_id: id("mask_token").ok(),
            inner: tokenizer,
        })
    }

    /// Tokens of `text`, of any length.
    ///
    /// # Errors
    /// When the text is longer than 4 GiB, or the tokenizer fails on it.
    pub fn encode(&self, text: &str) -> Result<Tokens> {
        self.encode_in_pieces(text, pieces::BYTES)
    }

    fn encode_in_pieces(&self, text: &str, bytes: usize) -> Result<Tokens> {
        let bytes_max = u32::MAX as usize;
        if text.len() > bytes_max {
            return Err(Error::DocumentTooLong { bytes: text.len(), bytes_max });
        }
        let pieces = pieces::cut(text, bytes);
        let mut tokens = Tokens::default();
        // A few pieces at a time, so that what the tokenizer makes of them does not add up over the document.
        for pieces in pieces.chunks(4 * rayon::current_num_threads()) {
            let done: Vec<Tokens> =
                pieces.par_iter().map(|piece| self.encode_piece(text, piece.clone())).collect::<Result<_>>()?;
            for piece in done {
                tokens.ids.extend(piece.ids);
                tokens.spans.extend(piece.spans);
            }
        }
        Ok(tokens)
    }

    fn encode_piece(&self, text: &str, piece: std::ops::Range<usize>) -> Result<Tokens> {
        let encoding = self.inner.encode(&text[piece.clone()], false).map_err(|e| files::wrong("tokenizer", e))?;
        let spans = encoding.get_offsets().iter().map(|&(start, end)| {
            let token = &text[piece.start + start..piece.start + end];
            let start = piece.start + end - token.trim_start().len();
            let end = start + token.trim().len();
            (start as u32, end as u32)
        });
        Ok(Tokens { spans: spans.collect(), ids: encoding.get_ids().to_vec() })
    }
}

//! Text → tokens with byte offsets.
//!
//! A text is only ever text here: whatever is in the files of a checkpoint, no special token is added, none is recognised
//! in a text, nothing is truncated and nothing is padded. The reader adds the special tokens.

mod check;
mod form;
mod growth;
mod load;
mod outline;
mod pairs;
mod pieces;
mod sentencepiece;

use std::fmt::Display;
use std::ops::Range;

use rayon::prelude::*;
use tokenizers::{Encoding, Model, OffsetType, PreTokenizer};

use crate::config::Config;
use crate::error::unless_it_panics;
use crate::{Error, FormatKind, Result};
use check::MISSING_SHARE;
use form::PairForm;
pub(crate) use pairs::PairFiles;
use pieces::{CutRule, PieceSizes};

/// A range of bytes of a text: `text[start..end]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct ByteSpan {
    /// First byte.
    pub start: usize,
    /// One past the last byte.
    pub end: usize,
}

impl From<ByteSpan> for Range<usize> {
    fn from(span: ByteSpan) -> Self {
        span.start..span.end
    }
}

/// A [`ByteSpan`] in 8 bytes: those of tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct ByteSpan32 {
    /// First byte.
    pub start: u32,
    /// One past the last byte.
    pub end: u32,
}

impl ByteSpan32 {
    /// Whether it has no byte.
    pub fn is_empty(self) -> bool {
        self.start == self.end
    }
}

/// The tokens of a text, without special tokens: 12 bytes each.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tokens {
    /// Vocabulary ids.
    pub ids: Vec<u32>,
    /// For each token its bytes of the text, without white space at both ends; empty where the token is nothing but white
    /// space. Both ends lie between characters, and no start lies before the start of the token before.
    pub spans: Vec<ByteSpan32>,
}

impl Tokens {
    /// How many tokens end at or before a byte of the text.
    pub fn before(&self, byte: usize) -> usize {
        self.spans.partition_point(|span| span.end as usize <= byte)
    }

    /// Whether the text has nothing but white space.
    pub fn is_blank(&self) -> bool {
        self.spans.iter().all(|span| span.is_empty())
    }
}

/// A tokenizer and the ids of its special tokens.
#[derive(Debug)]
pub struct Tokenizer {
    /// `<s>` or `[CLS]`.
    pub cls_token_id: u32,
    /// `</s>` or `[SEP]`.
    pub sep_token_id: u32,
    /// `<pad>` or `[PAD]`.
    pub pad_token_id: Option<u32>,
    /// `<mask>` or `[MASK]`.
    pub mask_token_id: Option<u32>,
    /// `<unk>` or `[UNK]`.
    pub unk_token_id: Option<u32>,
    /// One more than the largest id: how many rows an embedding must have.
    pub vocab_size: usize,
    /// The form of pairs that its files state.
    pairs: PairForm,
    /// Whether the document of a pair has a type of its own: as its files state, else or in a Longformer as the kind of the
    /// model has it, once [`Tokenizer::fit`] knows that.
    pair_types: bool,
    /// The file that the tokenizer was made of, for messages.
    file: &'static str,
    /// How many embeddings the model has, once [`Tokenizer::fit`] knows it.
    embeddings: usize,
    /// Special tokens without an embedding, which no other code looks for.
    unknown: Vec<String>,
    inner: tokenizers::Tokenizer,
    cut_rule: CutRule,
}

/// Texts up to about this size are tokenized at once, longer ones in pieces of about this size.
const PIECES: PieceSizes = PieceSizes { piece_bytes: 64 << 10, stretch_bytes: 64 << 10 };

impl Tokenizer {
    /// Checks that a model has an embedding for each token but added ones, and the tokenizer a token for nearly each
    /// embedding. From now on, a text with an added token that has none is refused.
    pub(crate) fn fit(&mut self, config: &Config) -> Result<()> {
        let (tokens, rows) = (self.inner.get_vocab_size(true), config.vocab_size);
        let wrong = |message: String| Err(Error::format("tokenizer", FormatKind::Tokenizer, message));
        let own = self.inner.get_vocab(false).into_values().max().unwrap_or(0);
        let largest = own.max(self.cls_token_id).max(self.sep_token_id);
        if largest as usize >= rows {
            return wrong(format!("{} tokens, the model has {rows}", largest + 1));
        }
        self.embeddings = rows;
        self.fit_pairs(config);
        let added = self.inner.get_added_tokens_decoder().into_iter();
        let unknown = added.filter(|(id, token)| token.special && *id as usize >= rows);
        self.unknown = unknown.map(|(_, token)| token.content).collect();
        if tokens + rows / MISSING_SHARE + 1 < rows {
            let most = format!("at most one of {MISSING_SHARE} may be missing");
            return wrong(format!("{tokens} tokens in `{}`, the model has {rows}: {most}", self.file));
        }
        Ok(())
    }

    /// Takes what the files do not state about pairs from the kind of the model.
    pub(crate) fn fit_pairs(&mut self, config: &Config) {
        let stated = self.pairs.pair_types.filter(|_| !config.is_long);
        self.pair_types = stated.unwrap_or(config.kind.pair_types);
    }

    /// Separators between question and document, as transformers has them: those of the tokenizer's files, or, where these
    /// state none, of the model's kind. A Longformer has two whatever its tokenizer: by three separators it finds the end
    /// of the question.
    pub fn separators(&self, config: &Config) -> usize {
        self.pairs.separators.filter(|_| !config.is_long).unwrap_or(config.separators())
    }

    /// The type of the tokens of a document.
    pub(crate) fn document_type(&self) -> u32 {
        u32::from(self.pair_types)
    }

    /// Tokens of `text`, of any length up to 4 GiB; a literal `</s>` or `[MASK]` stays plain text.
    ///
    /// Long texts are tokenized in parallel on the current `rayon` pool, in pieces that give the same tokens as the whole.
    /// Two kinds of text are cut where tokens can differ from those of the whole. A word of more than 64 KiB is cut every
    /// 64 KiB. For other tokenizers than those of BERT and RoBERTa, texts are cut before white space, every 2 MiB at most and
    /// more often where the steps of the tokenizer can make a text longer; so are words that are longer than that.
    ///
    /// # Errors
    /// [`Error::TextTooLong`] above 4 GiB, [`Error::Format`] if the tokenizer cannot take the text, and
    /// [`Error::UnknownToken`] for an added token without an embedding in the model that the tokenizer was loaded with.
    pub fn encode(&self, text: &str) -> Result<Tokens> {
        self.encode_in_pieces(text, PIECES)
    }

    /// Whether every id is the same token for both.
    pub fn same_vocabulary(&self, other: &Self) -> bool {
        self.inner.get_vocab(true) == other.inner.get_vocab(true)
    }

    /// For each id, whether its token continues the word of the token before it: (vocabulary).
    ///
    /// WordPiece marks such tokens with `##`; byte-level BPE and SentencePiece mark those that begin a word, with a space.
    pub fn continues_word(&self) -> Vec<bool> {
        let vocabulary = self.inner.get_vocab(true);
        let is_word_piece = matches!(self.inner.get_model(), tokenizers::ModelWrapper::WordPiece(_));
        // How byte-level BPE writes a space, a tab, a line feed and a carriage return, and SentencePiece a space.
        let spaces = ['\u{120}', '\u{109}', '\u{10a}', '\u{10d}', '\u{2581}'];
        let continues = |token: &str| match is_word_piece {
            true => token.len() > 2 && token.starts_with("##"),
            false => !token.starts_with(spaces),
        };
        let special = [Some(self.cls_token_id), Some(self.sep_token_id), self.pad_token_id, self.mask_token_id];
        let mut all = vec![false; self.vocab_size];
        for (token, &id) in &vocabulary {
            all[id as usize] = continues(token) && !special.contains(&Some(id));
        }
        all
    }

    fn encode_in_pieces(&self, text: &str, sizes: PieceSizes) -> Result<Tokens> {
        let bytes_max = u32::MAX as usize;
        if text.len() > bytes_max {
            return Err(Error::TextTooLong { bytes: text.len(), bytes_max });
        }
        if let Some(token) = self.unknown.iter().find(|token| text.contains(&***token)) {
            return Err(Error::UnknownToken { token: token.clone() });
        }
        let pieces: Vec<_> = self.cut_rule.pieces(text, sizes).collect();
        if let [_] = pieces[..] {
            return self.encode_piece(text, 0..text.len());
        }
        // English has about four bytes a token. Groups bound the memory of tokens that are not yet appended.
        let expected = text.len() / 4;
        let mut tokens = Tokens { ids: Vec::with_capacity(expected), spans: Vec::with_capacity(expected) };
        for group in pieces.chunks(8 * rayon::current_num_threads()) {
            let encode = |piece: &Range<usize>| self.encode_piece(text, piece.clone());
            let parts: Vec<Tokens> = group.par_iter().map(encode).collect::<Result<_>>()?;
            for part in parts {
                tokens.ids.extend(part.ids);
                tokens.spans.extend(part.spans);
            }
        }
        Ok(tokens)
    }

    /// Tokens of a piece of a text, none of which is special, whatever the steps make of it.
    fn encode_piece(&self, text: &str, piece: Range<usize>) -> Result<Tokens> {
        let tokens = self.tokens(text, piece)?;
        if let Some(id) = tokens.ids.iter().find(|&&id| self.is_special(id)) {
            return Err(format_error(self.file, format!("a text would become the special token {id}")));
        }
        match tokens.ids.iter().find(|&&id| id as usize >= self.embeddings) {
            Some(&id) => Err(Error::UnknownToken { token: self.inner.id_to_token(id).unwrap_or_default() }),
            None => Ok(tokens),
        }
    }

    /// Whether it is the id of a token that the reader adds.
    fn is_special(&self, id: u32) -> bool {
        let special = [Some(self.cls_token_id), Some(self.sep_token_id), self.pad_token_id, self.mask_token_id];
        special.contains(&Some(id)) && self.unk_token_id != Some(id)
    }

    fn tokens(&self, text: &str, piece: Range<usize>) -> Result<Tokens> {
        let (at, before) = (piece.start, text[..piece.start].chars().next_back());
        let piece = &text[piece];
        let encoding = unless_it_panics(|| self.encoding(piece, before));
        let encoding = encoding.unwrap_or_else(|| Err("its parts contradict each other".into()));
        let encoding = encoding.map_err(|error| format_error(self.file, error))?;
        let mut latest_start = 0;
        let span = |&(start, end): &(usize, usize)| {
            let ByteSpan { start, end } = trimmed(piece, ByteSpan { start, end });
            // A token may be a part of a character, or come from characters that a normaliser has reordered. Spans keep
            // the order of the tokens all the same.
            latest_start = start.max(latest_start);
            ByteSpan32 { start: (at + latest_start) as u32, end: (at + end.max(latest_start)) as u32 }
        };
        Ok(Tokens { ids: encoding.get_ids().to_vec(), spans: encoding.get_offsets().iter().map(span).collect() })
    }

    /// The steps of the crate's `encode`, with another pre-tokenizer for later pieces.
    ///
    /// - `before`: the character before the piece; the first one has none
    fn encoding(&self, piece: &str, before: Option<char>) -> tokenizers::Result<Encoding> {
        let Self { inner, cut_rule, .. } = self;
        let mut words = inner.get_added_vocabulary().extract_and_normalize(inner.get_normalizer(), piece);
        match (before, inner.get_pre_tokenizer()) {
            (Some(before), _) => cut_rule.pre_tokenize(&mut words, before)?,
            (None, Some(pre_tokenizer)) => pre_tokenizer.pre_tokenize(&mut words)?,
            (None, None) => {}
        }
        words.tokenize(|word| inner.get_model().tokenize(word.get()))?;
        words.into_encoding(None, 0, OffsetType::Byte)
    }
}

/// A span of a text without white space at its ends, widened to whole characters; of white space alone, the empty span
/// at its end.
pub(crate) fn trimmed(text: &str, span: ByteSpan) -> ByteSpan {
    let end = text.ceil_char_boundary(span.end);
    let start = text.floor_char_boundary(span.start.min(end));
    let from_text = text[start..end].trim_start();
    let start = end - from_text.len();
    ByteSpan { start, end: start + from_text.trim_end().len() }
}

fn format_error(file: &str, message: impl Display) -> Error {
    Error::format(file, FormatKind::Tokenizer, message.to_string())
}

#[cfg(test)]
mod tests;

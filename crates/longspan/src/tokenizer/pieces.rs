//! Where a text is cut into pieces.
//!
//! A piece ends at the first *exact place* after a number of bytes: a place where the pieces give the same tokens as the
//! whole. A stretch without such a place, a word of more than 64 KiB, ends where it has that length. It is cut before white
//! space if it has any, else between two characters. So no piece, and no memory for it, is large.
//!
//! A cut is between two characters, the first of which is not white space. It is exact where three conditions hold:
//!
//! 1. The normaliser works on one character at a time, or on a base with its combining marks, and keeps white space.
//!    The character after the cut is a base, so no mark moves or merges across the cut. The normaliser may remove the
//!    character before a cut: see 2.
//! 2. The pre-tokenizer always splits at the cut and depends on nothing beyond it.
//!    - GPT-2's pattern, ` ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+` and contractions: no alternative continues
//!      from a letter, a number or another character into another of these three classes or into white space, except
//!      contractions from an apostrophe into letters. So a match ends at the cut. It looks ahead only from white space,
//!      whose next other character is before the cut. The length of a run of white space matters, so no normaliser may
//!      remove the text between two runs: there must be no normaliser.
//!    - BERT's drops white space and splits before punctuation, so it splits at the cut, and the length of white space
//!      does not matter. Its normaliser writes white space around Chinese characters.
//!    - Metaspace splits before each space, at no other white space, and depends on nothing else.
//! 3. Nothing is added before a later piece that is not added there in the whole: see `later`.
//!
//! The model of the tokenizer then sees the same words. Tokens that were added to the vocabulary are recognised before all
//! that. They must neither contain white space nor absorb what follows them, and where there are any, cuts are before white
//! space only: a token that absorbs the white space before it then has all of it in its piece. It may not where there is a
//! normaliser, which makes white space of other characters.
//!
//! Every other tokenizer is known too little, also those of ALBERT, XLM-RoBERTa and CamemBERT, whose normalisers map
//! characters by tables of their files. It gets larger pieces, the smaller the longer it may make a text, each of which it
//! takes as a text of its own. But no space is added before a piece that begins within a word.

use std::ops::Range;
use std::sync::LazyLock;

use regex::Regex;
use tokenizers::pre_tokenizers::metaspace::PrependScheme;
use tokenizers::{
    NormalizerWrapper, OffsetReferential, OffsetType, PreTokenizedString, PreTokenizer, PreTokenizerWrapper, normalizer,
};

use super::growth::growth;

/// How a text is cut for a tokenizer.
#[derive(Debug)]
pub(super) struct CutRule {
    /// Patterns of the two characters around a cut. One that matches earlier in this list is better.
    places: Vec<&'static Regex>,
    /// The lengths of pieces for tokenizers without exact places.
    piece_sizes: Option<PieceSizes>,
    /// The pre-tokenizer of pieces after the first.
    later: Option<PreTokenizerWrapper>,
    /// The space that it may add before the first word.
    added_space: Option<char>,
}

/// Lengths of pieces, in bytes.
#[derive(Debug, Clone, Copy)]
pub(super) struct PieceSizes {
    /// From here on, a piece ends at the first place to cut.
    pub piece_bytes: usize,
    /// A stretch without a place to cut ends here.
    pub stretch_bytes: usize,
}

/// The text of a piece after all steps, for tokenizers without exact places.
const OTHER_NORMALIZED_BYTES: f64 = (2 << 20) as f64;
const OTHER_PIECE_BYTES_MAX: f64 = (1 << 20) as f64;

macro_rules! pattern {
    ($name:ident, $pattern:expr) => {
        static $name: LazyLock<Regex> = LazyLock::new(|| Regex::new($pattern).expect("a valid pattern"));
    };
}
pattern!(SPACE, r"\S ");
pattern!(SPACE_OR_NEWLINE, r"\S[ \n]");
pattern!(WHITE, r"\S\s");
// Its normaliser removes other white space: control characters.
pattern!(BERT_WHITE, r"\S[\t\n\r\p{Z}]");
pattern!(BERT_WORD, r"\S[\t\n\r\p{Z}!-/:-@\[-`{-~、。，！？；：]");
pattern!(BERT_CHINESE, r"\S[\t\n\r\p{Z}!-/:-@\[-`{-~、。，！？；：\x{3400}-\x{4DBF}\x{4E00}-\x{9FFF}]");
pattern!(GPT2_WORD, r"\p{L}\P{L}|\p{N}\P{N}|[^\s\p{L}\p{N}][\s\p{N}]|[^\s\p{L}\p{N}']\p{L}");

impl CutRule {
    /// The rule for this tokenizer.
    pub(super) fn of(tokenizer: &tokenizers::Tokenizer) -> Self {
        let added = tokenizer.get_added_tokens_decoder();
        let takes_space = added.values().any(|token| {
            let absorbs = token.rstrip || (token.lstrip && tokenizer.get_normalizer().is_some());
            !token.content.bytes().all(|byte| byte.is_ascii_graphic()) || (absorbs && !token.special)
        });
        let words = added.values().all(|token| token.special);
        let (normalizer, mut later) = (tokenizer.get_normalizer(), tokenizer.get_pre_tokenizer().cloned());
        let places: &[&'static Regex] = match (normalizer, &mut later) {
            _ if takes_space => &[],
            (None, Some(PreTokenizerWrapper::ByteLevel(split))) if split.use_regex => {
                split.add_prefix_space = false;
                &[&SPACE_OR_NEWLINE, if words { &GPT2_WORD } else { &WHITE }]
            }
            (None, Some(PreTokenizerWrapper::BertPreTokenizer(_))) => {
                &[&SPACE_OR_NEWLINE, if words { &BERT_WORD } else { &BERT_WHITE }]
            }
            (Some(NormalizerWrapper::BertNormalizer(step)), Some(PreTokenizerWrapper::BertPreTokenizer(_))) => {
                let word = if step.handle_chinese_chars { &BERT_CHINESE } else { &BERT_WORD };
                &[&SPACE_OR_NEWLINE, if words { word } else { &BERT_WHITE }]
            }
            (None, Some(PreTokenizerWrapper::Metaspace(split))) if split.get_split() => {
                split.set_prepend_scheme(PrependScheme::Never);
                &[&SPACE]
            }
            _ => &[],
        };
        let grown = OTHER_NORMALIZED_BYTES / growth(normalizer, tokenizer.get_pre_tokenizer());
        let bytes = grown.min(OTHER_PIECE_BYTES_MAX) as usize;
        let piece_sizes = places.is_empty().then_some(PieceSizes { piece_bytes: bytes, stretch_bytes: bytes });
        let added_space = later.as_ref().and_then(added_space);
        Self { places: places.to_vec(), piece_sizes, later, added_space }
    }

    /// Splits a piece after the first into words.
    ///
    /// - `before`: the character before the piece
    pub(super) fn pre_tokenize(&self, words: &mut PreTokenizedString, before: char) -> tokenizers::Result<()> {
        let Some(pre_tokenizer) = &self.later else { return Ok(()) };
        let begin = words.get_splits(OffsetReferential::Normalized, OffsetType::Byte);
        let first = begin.first().and_then(|(text, ..)| text.chars().next());
        pre_tokenizer.pre_tokenize(words)?;
        match (self.added_space, first) {
            (Some(space), Some(first)) if first != space && !before.is_whitespace() => without(words, space, first),
            _ => Ok(()),
        }
    }

    /// Whether the pieces of a text give the tokens of the whole, if no stretch is too long.
    #[cfg(test)]
    pub(super) fn is_exact(&self) -> bool {
        self.piece_sizes.is_none()
    }

    /// Leaves the last kind of places only.
    #[cfg(test)]
    pub(super) fn keep_the_last_places(&mut self) {
        self.places.drain(..self.places.len() - 1);
    }

    /// Cuts `text` into pieces. There is at least one piece; it is empty only if the text is.
    pub(super) fn pieces(&self, text: &str, sizes: PieceSizes) -> impl Iterator<Item = Range<usize>> {
        let PieceSizes { piece_bytes, stretch_bytes } = self.piece_sizes.unwrap_or(sizes);
        let mut next_start = Some(0);
        std::iter::from_fn(move || {
            let start = next_start?;
            next_start = self.next_cut(text, start + piece_bytes.max(1), stretch_bytes);
            Some(start..next_start.unwrap_or(text.len()))
        })
    }

    /// The first place to cut at or after `from`, `None` if the text ends before.
    fn next_cut(&self, text: &str, from: usize, stretch_bytes: usize) -> Option<usize> {
        if from >= text.len() {
            return None;
        }
        let start = text.floor_char_boundary(from - 1);
        let end = text.ceil_char_boundary(from.saturating_add(stretch_bytes).min(text.len()));
        let stretch = &text[start..end];
        let is_long = end < text.len();
        let exact = self.places.iter().find_map(|place| place.find(stretch));
        let place = exact.or_else(|| if is_long { WHITE.find(stretch) } else { None });
        let before = place.and_then(|place| Some((place.start(), stretch[place.start()..].chars().next()?)));
        before.map(|(at, character)| start + at + character.len_utf8()).or(is_long.then_some(end))
    }
}

/// The space that a pre-tokenizer may add before the first word of a text.
fn added_space(step: &PreTokenizerWrapper) -> Option<char> {
    match step {
        PreTokenizerWrapper::Sequence(steps) => steps.as_ref().iter().find_map(added_space),
        PreTokenizerWrapper::Metaspace(split) if split.get_prepend_scheme() != PrependScheme::Never => {
            Some(split.get_replacement())
        }
        _ => None,
    }
}

/// Takes away a space that was added before the first character.
fn without(words: &mut PreTokenizedString, space: char, first: char) -> tokenizers::Result<()> {
    words.split(|at, word| {
        let is_added = at == 0 && word.get().strip_prefix(space).is_some_and(|rest| rest.starts_with(first));
        let rest = word.slice(normalizer::Range::Normalized(space.len_utf8()..)).filter(|_| is_added);
        Ok([rest.unwrap_or(word)])
    })
}

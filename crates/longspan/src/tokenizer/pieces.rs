//! Where a text may be cut so that its pieces give the same tokens as the whole.
//!
//! A cut is before a space or a newline that follows a character that is not white space. It is exact where three
//! conditions hold:
//!
//! 1. The normaliser works on one character at a time, or on a base with its combining marks, and keeps white space.
//!    A space is a base, so no mark moves or merges across the cut. It may remove the character before a cut: see 2.
//! 2. The pre-tokenizer always splits at the cut and depends on nothing beyond it.
//!    - GPT-2's pattern, ` ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+` and contractions: no alternative
//!      continues from another character into white space, so a match ends at the cut; it looks ahead only from white
//!      space, whose next other character is before the cut. The length of a run of white space matters, so no
//!      normaliser may remove the text between two runs: there must be no normaliser.
//!    - BERT's drops white space, so it splits at the cut, and the length of white space does not matter.
//!    - Metaspace splits before each space, at no other white space, and depends on nothing else.
//! 3. Nothing is added before a later piece that is not added there in the whole. Where a space is added before a text
//!    that does not start with one, only cuts before a space are exact.
//!
//! The model of the tokenizer then sees the same words. Tokens that were added to the vocabulary are recognised before all
//! that, so they must neither contain nor absorb white space. The text of every other tokenizer stays whole.

use std::ops::Range;

use tokenizers::{NormalizerWrapper, PreTokenizerWrapper};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum CutRule {
    Nowhere,
    BeforeSpace,
    BeforeSpaceOrNewline,
}

impl CutRule {
    /// The rule that is exact for this tokenizer.
    pub(super) fn of(tokenizer: &tokenizers::Tokenizer) -> Self {
        let takes_space = tokenizer.get_added_tokens_decoder().into_values().any(|token| {
            !token.content.bytes().all(|byte| byte.is_ascii_graphic()) || (token.rstrip && !token.special)
        });
        if takes_space {
            return CutRule::Nowhere;
        }
        match (tokenizer.get_normalizer(), tokenizer.get_pre_tokenizer()) {
            (None, Some(PreTokenizerWrapper::ByteLevel(split))) if split.use_regex => match split.add_prefix_space {
                true => CutRule::BeforeSpace,
                false => CutRule::BeforeSpaceOrNewline,
            },
            (None | Some(NormalizerWrapper::BertNormalizer(_)), Some(PreTokenizerWrapper::BertPreTokenizer(_))) => {
                CutRule::BeforeSpaceOrNewline
            }
            (None, Some(PreTokenizerWrapper::Metaspace(split))) if split.get_split() => CutRule::BeforeSpace,
            _ => CutRule::Nowhere,
        }
    }

    /// Cuts `text` into pieces of at least `piece_bytes`, each up to the next place to cut. There is at least one piece; it
    /// is empty only if the text is.
    pub(super) fn pieces(self, text: &str, piece_bytes: usize) -> impl Iterator<Item = Range<usize>> {
        let mut next_start = Some(0);
        std::iter::from_fn(move || {
            let start = next_start?;
            next_start = self.next_cut(text, start + piece_bytes.max(1));
            Some(start..next_start.unwrap_or(text.len()))
        })
    }

    /// The first place to cut at or after `from`.
    fn next_cut(self, text: &str, from: usize) -> Option<usize> {
        let is_place = |at: usize, byte: u8| {
            let is_cut = match self {
                CutRule::Nowhere => false,
                CutRule::BeforeSpace => byte == b' ',
                CutRule::BeforeSpaceOrNewline => byte == b' ' || byte == b'\n',
            };
            is_cut && text[..at].ends_with(|before: char| !before.is_whitespace())
        };
        let mut places = (from..).zip(text.as_bytes().get(from..)?);
        places.find(|&(at, &byte)| is_place(at, byte)).map(|(at, _)| at)
    }
}

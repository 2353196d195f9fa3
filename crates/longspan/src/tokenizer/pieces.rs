//! Where a long text may be cut so that its pieces give the same tokens as the whole.
//!
//! Before an ASCII space that follows a character other than white space:
//! - byte-level BPE splits there, for none of its words goes on over white space (`\s+(?!\S)` looks ahead only, and what
//!   lies ahead stays in the piece), and adds no space to a text that begins with one;
//! - BERT splits at white space, and neither its removal of control characters nor the decomposition of accents
//!   reaches across a space, which begins a new character.

use std::ops::Range;

/// Size of a piece, about.
pub(super) const BYTES: usize = 1 << 16;

/// Pieces of at least `bytes` bytes each but the last; a text without a place to cut is one piece.
pub(super) fn cut(text: &str, bytes: usize) -> Vec<Range<usize>> {
    let mut pieces = Vec::new();
    let mut start = 0;
    while text.len() - start > bytes {
        let Some(end) = next_place(text, start + bytes) else { break };
        pieces.push(start..end);
        start = end;
    }
    pieces.push(start..text.len());
    pieces
}

/// The first place at or after byte `from`, which may lie inside a character.
fn next_place(text: &str, from: usize) -> Option<usize> {
    let spaces = text.as_bytes().iter().enumerate().skip(from.max(1)).filter(|&(_, &byte)| byte == b' ');
    let after_a_word = |at: usize| text[..at].chars().next_back().is_some_and(|before| !before.is_whitespace());
    spaces.map(|(at, _)| at).find(|&at| after_a_word(at))
}

//! A quotation beside a text, sign by sign: the two are equal, or differ only in ways that have a name.

use std::collections::BTreeSet;
use std::ops::Range;

use crate::fold::{Folded, Side, flag, is_invisible};
use crate::joints::{Border, joins_numbers};
use crate::meaning::{is_first_word, may_differ_in_case};

/// A way in which a quotation may differ from its passage and still say the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Reason {
    /// White space within a line.
    WhiteSpace,
    /// The end of a line.
    LineEnd,
    /// A hyphen before white space, as at the end of a line, or one that a line's end took away.
    Hyphenation,
    /// A soft hyphen.
    SoftHyphen,
    /// Characters that nobody sees.
    Invisible,
    /// Ligatures and other compatibility forms of Unicode, or three dots for an ellipsis.
    Compatibility,
    /// Quotation marks and apostrophes of another kind.
    QuotationMarks,
    /// Dashes of another kind.
    Dashes,
    /// Case of the first letter.
    Case,
    /// A running head, a page number or a note between, in the text.
    Furniture,
    /// Words left out, where the quotation shows so by `…`.
    Elision,
    /// Words put in, in brackets.
    Brackets,
    /// A full stop or comma at the end.
    FinalPunctuation,
}

impl Reason {
    /// All of them.
    pub const ALL: [Self; 13] = [
        Self::WhiteSpace,
        Self::LineEnd,
        Self::Hyphenation,
        Self::SoftHyphen,
        Self::Invisible,
        Self::Compatibility,
        Self::QuotationMarks,
        Self::Dashes,
        Self::Case,
        Self::Furniture,
        Self::Elision,
        Self::Brackets,
        Self::FinalPunctuation,
    ];

    /// Its name for programs.
    pub fn name(self) -> &'static str {
        match self {
            Self::WhiteSpace => "white_space",
            Self::LineEnd => "line_end",
            Self::Hyphenation => "hyphenation",
            Self::SoftHyphen => "soft_hyphen",
            Self::Invisible => "invisible",
            Self::Compatibility => "compatibility",
            Self::QuotationMarks => "quotation_marks",
            Self::Dashes => "dashes",
            Self::Case => "case",
            Self::Furniture => "furniture",
            Self::Elision => "elision",
            Self::Brackets => "brackets",
            Self::FinalPunctuation => "final_punctuation",
        }
    }

    /// Its name for people.
    pub fn description(self) -> &'static str {
        match self {
            Self::WhiteSpace => "white space",
            Self::LineEnd => "line end",
            Self::Hyphenation => "hyphen",
            Self::SoftHyphen => "soft hyphen",
            Self::Invisible => "invisible characters",
            Self::Compatibility => "ligature or other form",
            Self::QuotationMarks => "quotation marks",
            Self::Dashes => "dash",
            Self::Case => "case at the beginning",
            Self::Furniture => "running head, page number or note between",
            Self::Elision => "left out at …",
            Self::Brackets => "put in, in brackets",
            Self::FinalPunctuation => "full stop or comma at the end",
        }
    }
}

/// How many signs may still be compared.
pub(crate) struct Work {
    pub left: u64,
}

impl Work {
    /// Whether there is some left, after so many more.
    pub fn spend(&mut self, signs: u64) -> bool {
        self.left = self.left.saturating_sub(signs);
        self.left > 0
    }
}

/// Tokens of a quotation that stand together, and where the text is thought to have them.
pub(crate) struct SideBySide<'a> {
    pub quotation: Side<'a>,
    /// Tokens of the quotation.
    pub part: Range<usize>,
    /// Whether a full stop or comma at the end may be missing in the text.
    pub is_last: bool,
    pub text: Side<'a>,
}

/// Where the walk through two texts is: a token, and a byte in it.
#[derive(Clone, Copy)]
struct At {
    token: usize,
    byte: usize,
    /// Whether nothing but a hyphen that was passed over is between this token and the word before.
    is_glued: bool,
}

impl SideBySide<'_> {
    /// The token of the text behind the part, if the text has the part from `start` on.
    pub fn end(&self, start: usize, work: &mut Work) -> Option<usize> {
        self.walk(start, work, &mut |_, _| {})
    }

    /// In what the two differ, where the text has the part from `start` on.
    pub fn reasons(&self, start: usize, reasons: &mut BTreeSet<Reason>) {
        let mut last: Option<(usize, usize)> = None;
        let mut work = Work { left: u64::MAX };
        let end = self.walk(start, &mut work, &mut |q, t| {
            if last == Some((q, t)) {
                return;
            }
            self.differences(q, t, last, reasons);
            last = Some((q, t));
        });
        if end.is_some() && last.is_some_and(|(q, _)| (q + 1..self.part.end).any(|rest| !self.is_optional(rest))) {
            reasons.insert(Reason::FinalPunctuation);
        }
    }

    fn is_optional(&self, token: usize) -> bool {
        self.quotation.folded.tokens[token].has(flag::OPTIONAL)
    }

    /// Notes in what two tokens differ, and what is before them.
    fn differences(&self, q: usize, t: usize, last: Option<(usize, usize)>, reasons: &mut BTreeSet<Reason>) {
        let (quotation, text) = (&self.quotation, &self.text);
        let (own, other) = (quotation.folded.tokens[q], text.folded.tokens[t]);
        let is_whole = quotation.folded.token(q) == text.folded.token(t);
        let (written, printed) = (quotation.written(q), text.written(t));
        if is_whole && written != printed {
            reasons.insert(match quotation.folded.token(q) {
                "\"" => Reason::QuotationMarks,
                sign if sign.starts_with('\'') => Reason::QuotationMarks,
                "-" if own.has(flag::SOFT) || other.has(flag::SOFT) => Reason::SoftHyphen,
                "-" if own.has(flag::OPTIONAL) || other.has(flag::OPTIONAL) => Reason::Hyphenation,
                "-" => Reason::Dashes,
                _ if own.has(flag::FREE_CASE) || other.has(flag::FREE_CASE) => Reason::Brackets,
                _ if without_invisible(written) == without_invisible(printed) => Reason::Invisible,
                _ => Reason::Compatibility,
            });
        } else if !is_whole && q == self.first_word() {
            let first = |side: &Side<'_>, index: usize| side.folded.token(index).chars().next();
            if first(quotation, q) != first(text, t) {
                reasons.insert(Reason::Case);
            }
        }
        let Some((q_last, t_last)) = last else { return };
        for (side, from, to) in [(quotation, q_last, q), (text, t_last, t)] {
            for passed in from + 1..to {
                let is_soft = side.folded.tokens[passed].has(flag::SOFT);
                reasons.insert(if is_soft { Reason::SoftHyphen } else { Reason::Hyphenation });
            }
            if side.folded.tokens[to].has(flag::FURNITURE) && from < to {
                reasons.insert(Reason::Furniture);
            }
        }
        if q_last + 1 != q || t_last + 1 != t || own.has(flag::FURNITURE) || other.has(flag::FURNITURE) {
            return;
        }
        let (here, there) = (quotation.between(q), text.between(t));
        if here != there {
            let is_space = |c: char| c.is_whitespace();
            if here.chars().filter(|&c| is_space(c)).eq(there.chars().filter(|&c| is_space(c))) {
                reasons.insert(Reason::Invisible);
            } else if own.has(flag::LINE) || other.has(flag::LINE) {
                reasons.insert(Reason::LineEnd);
            } else {
                reasons.insert(Reason::WhiteSpace);
            }
        }
    }

    /// Walks through both, and calls `pair` with each two tokens that have signs in common.
    fn walk(&self, start: usize, work: &mut Work, pair: &mut dyn FnMut(usize, usize)) -> Option<usize> {
        let (quotation, text) = (self.quotation.folded, self.text.folded);
        let (mut q, mut t) = (At::new(self.part.start), At::new(start));
        if self.is_cut_at(start) {
            return None;
        }
        loop {
            if !work.spend(1) {
                return None;
            }
            while q.token < self.part.end && q.byte == 0 && self.is_optional(q.token) {
                if t.byte == 0 && t.token < text.tokens.len() && text.is_dash(t.token) {
                    break;
                }
                q.pass();
            }
            if q.token == self.part.end {
                let is_whole = t.byte == 0 && !self.is_cut_at(t.token);
                return is_whole.then_some(t.token);
            }
            let is_dash = q.byte == 0 && quotation.is_dash(q.token);
            while t.token < text.tokens.len() && t.byte == 0 && text.tokens[t.token].has(flag::OPTIONAL) && !is_dash {
                t.pass();
            }
            let goes_on = t.token < text.tokens.len()
                && (t.token == start || t.byte > 0 || !text.tokens[t.token].has(flag::BARRIER))
                && self.step(&mut q, &mut t, start, pair);
            if !goes_on {
                return self.ends_early(q, t);
            }
        }
    }

    /// One pair of equal tokens, or of equal parts of words.
    fn step(&self, q: &mut At, t: &mut At, start: usize, pair: &mut dyn FnMut(usize, usize)) -> bool {
        let (quotation, text) = (self.quotation.folded, self.text.folded);
        let (own, other) = (quotation.tokens[q.token], text.tokens[t.token]);
        let parted = |at: &At, folded: &Folded, first: usize| {
            at.byte == 0
                && at.token > first
                && !at.is_glued
                && folded.tokens[at.token].is_word()
                && folded.tokens[at.token - 1].is_word()
                && !folded.tokens[at.token - 1].has(flag::UNSPACED)
                && !folded.tokens[at.token].has(flag::UNSPACED)
        };
        if own.is_word() != other.is_word()
            || parted(q, quotation, self.part.start) != parted(t, text, start)
            || !self.has_spaces_of_number(q, t, start)
            || (!own.is_word() && self.is_other_dash(q.token, t.token))
        {
            return false;
        }
        let (here, there) = (&quotation.token(q.token)[q.byte..], &text.token(t.token)[t.byte..]);
        let (own_token, other_token) = (q.token, t.token);
        let equal = if here == there {
            here.len()
        } else {
            here.bytes().zip(there.bytes()).take_while(|(a, b)| a == b).count()
        };
        if equal == here.len() || equal == there.len() {
            if equal == 0 {
                return false;
            }
            pair(own_token, other_token);
            q.go(equal, here.len());
            t.go(equal, there.len());
            return true;
        }
        // The first letter alone may differ in case.
        let is_free = q.byte == 0 && t.byte == 0 && equal < 4 && self.is_free(q.token, t.token);
        let (mut first, mut second) = (here.chars(), there.chars());
        let (Some(a), Some(b)) = (first.next(), second.next()) else { return false };
        if !is_free || a == b || !a.to_lowercase().eq(b.to_lowercase()) {
            return false;
        }
        pair(own_token, other_token);
        q.go(a.len_utf8(), here.len());
        t.go(b.len_utf8(), there.len());
        true
    }

    /// The first word of the part.
    pub fn first_word(&self) -> usize {
        let mut tokens = self.part.clone();
        tokens.find(|&token| self.quotation.folded.tokens[token].is_word()).unwrap_or(self.part.start)
    }

    /// A full stop or comma that the text does not have, as the last sign of the quotation.
    fn ends_early(&self, q: At, t: At) -> Option<usize> {
        let folded = self.quotation.folded;
        let is_sign = self.is_last
            && q.byte == 0
            && q.token > self.part.start
            && q.token + 1 == self.part.end
            && matches!(folded.token(q.token), "." | ",")
            && folded.tokens[q.token - 1].end == folded.tokens[q.token].start;
        (is_sign && t.byte == 0 && !self.is_cut_at(t.token)).then_some(t.token)
    }

    /// Within a number, white space counts: `1. 5` is not `1.5`, and `- 5` is not `-5`.
    fn has_spaces_of_number(&self, q: &At, t: &At, start: usize) -> bool {
        let spaces = |side: &Side<'_>, at: &At, first: usize| {
            let (folded, is_digit) = (side.folded, char::is_numeric as fn(char) -> bool);
            if at.byte > 0 || at.token < first + 1 || !folded.token(at.token).starts_with(is_digit) {
                return None;
            }
            let (sign, own) = (folded.tokens[at.token - 1], folded.tokens[at.token]);
            if folded.is_dash(at.token - 1) {
                let is_negative = sign.has(flag::SPACE) || at.token == first + 1;
                return Some(is_negative && !own.has(flag::SPACE));
            }
            let is_number = at.token >= first + 2
                && !sign.is_word()
                && joins_numbers(folded.token(at.token - 1))
                && folded.ends_with(at.token - 2, is_digit);
            is_number.then(|| sign.has(flag::SPACE) || own.has(flag::SPACE))
        };
        spaces(&self.quotation, q, self.part.start) == spaces(&self.text, t, start)
    }

    /// Whether a passage that begins or ends before a token would cut a word or a number of the text.
    fn is_cut_at(&self, token: usize) -> bool {
        Border { text: self.text, token }.is_within()
    }

    /// A hyphen that nobody sees is a visible one, but no other dash.
    fn is_other_dash(&self, q: usize, t: usize) -> bool {
        let is_hidden = |side: &Side<'_>, token: usize| {
            let own = side.folded.tokens[token];
            own.has(flag::SOFT) || (own.has(flag::OPTIONAL) && own.bytes().is_empty())
        };
        let is_other = |side: &Side<'_>, token: usize| {
            !is_hidden(side, token) && !matches!(side.written(token), "-" | "\u{2010}" | "\u{2011}")
        };
        (is_hidden(&self.quotation, q) && is_other(&self.text, t))
            || (is_hidden(&self.text, t) && is_other(&self.quotation, q))
    }

    /// Whether the first letters of two words may differ in case: at the beginning of a quotation that begins a sentence, or
    /// is from the beginning of one. `MW` is not `mW`.
    fn is_free(&self, q: usize, t: usize) -> bool {
        let (quotation, text) = (self.quotation.folded, self.text.folded);
        if quotation.tokens[q].has(flag::FREE_CASE) || text.tokens[t].has(flag::FREE_CASE) {
            return true;
        }
        is_first_word(quotation, q) && may_differ_in_case(quotation.token(q), text, t)
    }
}

impl At {
    fn new(token: usize) -> Self {
        Self { token, byte: 0, is_glued: false }
    }

    /// Passes over a hyphen.
    fn pass(&mut self) {
        *self = Self { token: self.token + 1, byte: 0, is_glued: true };
    }

    /// Goes on by some bytes of what is left of the token.
    fn go(&mut self, bytes: usize, left: usize) {
        *self = if bytes == left { Self::new(self.token + 1) } else { Self { byte: self.byte + bytes, ..*self } };
    }
}

fn without_invisible(text: &str) -> String {
    text.chars().filter(|&c| !is_invisible(c)).collect()
}

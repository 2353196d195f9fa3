//! A quotation beside a text, sign by sign: the two are equal, or differ only in ways that have a name.

use std::collections::BTreeSet;
use std::ops::Range;

use crate::fold::{Folded, flag};
use crate::words::{is_numeral, is_percent};

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
    pub fn words(self) -> &'static str {
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

/// A folded text beside the text itself.
#[derive(Clone, Copy)]
pub(crate) struct Side<'a> {
    pub text: &'a str,
    pub folded: &'a Folded,
}

impl<'a> Side<'a> {
    /// What stands before a token, from the token before it on.
    fn gap(&self, index: usize) -> &'a str {
        let (before, own) = (self.folded.tokens[index - 1].end as usize, self.folded.tokens[index].start as usize);
        self.text.get(before..own).unwrap_or("")
    }

    fn written(&self, index: usize) -> &'a str {
        &self.text[self.folded.tokens[index].bytes()]
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
    pub fn end(&self, start: usize, budget: &mut Work) -> Option<usize> {
        self.walk(start, budget, &mut |_, _| {})
    }

    /// In what the two differ, where the text has the part from `start` on.
    pub fn reasons(&self, start: usize, reasons: &mut BTreeSet<Reason>) {
        let mut last: Option<(usize, usize)> = None;
        let mut budget = Work { left: u64::MAX };
        let end = self.walk(start, &mut budget, &mut |q, t| {
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
        let (here, there) = (quotation.gap(q), text.gap(t));
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
    fn walk(&self, start: usize, budget: &mut Work, pair: &mut dyn FnMut(usize, usize)) -> Option<usize> {
        let (quotation, text) = (self.quotation.folded, self.text.folded);
        let (mut q, mut t) = (At::new(self.part.start), At::new(start));
        if self.is_cut_before(start) {
            return None;
        }
        loop {
            if !budget.spend(1) {
                return None;
            }
            while q.token < self.part.end && q.byte == 0 && self.is_optional(q.token) {
                if t.byte == 0 && t.token < text.tokens.len() && text.is_dash(t.token) {
                    break;
                }
                q.pass();
            }
            if q.token == self.part.end {
                let is_whole = t.byte == 0 && !self.is_cut_behind(t);
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
        let is_free = q.byte == 0
            && t.byte == 0
            && equal < 4
            && (q.token == self.first_word() || own.has(flag::FREE_CASE) || other.has(flag::FREE_CASE));
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
        (is_sign && t.byte == 0 && !self.is_cut_behind(t)).then_some(t.token)
    }

    /// Within a number, white space counts: `1. 5` is not `1.5`.
    fn has_spaces_of_number(&self, q: &At, t: &At, start: usize) -> bool {
        let spaces = |side: &Side<'_>, at: &At, first: usize| {
            let (folded, is_digit) = (side.folded, char::is_numeric as fn(char) -> bool);
            let is_number = at.byte == 0
                && at.token >= first + 2
                && !folded.tokens[at.token - 1].is_word()
                && matches!(folded.token(at.token - 1), "." | "," | ":" | "/" | "\"")
                && folded.ends_with(at.token - 2, is_digit)
                && folded.token(at.token).starts_with(is_digit);
            is_number.then(|| folded.tokens[at.token - 1..=at.token].iter().any(|token| token.has(flag::SPACE)))
        };
        spaces(&self.quotation, q, self.part.start) == spaces(&self.text, t, start)
    }

    /// Whether the passage would begin within a word or a number of the text.
    fn is_cut_before(&self, start: usize) -> bool {
        let folded = self.text.folded;
        let own = folded.tokens[start];
        if start == 0 || own.has(flag::BARRIER) {
            return false;
        }
        let before = start - 1;
        let is_numeral = |c: char| c.is_numeric() || is_numeral(c);
        if own.has(flag::SPACE) {
            return own.is_word() && own.has(flag::LINE) && folded.tokens[before].has(flag::OPTIONAL);
        }
        if !own.is_word() {
            let next = folded.tokens.get(start + 1).filter(|next| next.is_word() && !next.has(flag::SPACE));
            return matches!(folded.token(start), "." | "," | "/" | ":")
                && folded.ends_with(before, char::is_numeric)
                && next.is_some_and(|_| folded.token(start + 1).starts_with(char::is_numeric));
        }
        let starts_with_number = folded.token(start).starts_with(is_numeral);
        if folded.tokens[before].is_word() {
            // Between scripts there is no border but that of a number.
            return starts_with_number && folded.ends_with(before, is_numeral);
        }
        if folded.is_dash(before) {
            let is_near = !folded.tokens[before].has(flag::SPACE) && before > 0 && folded.tokens[before - 1].is_word();
            let is_range = starts_with_number && (!is_near || folded.ends_with(before - 1, char::is_numeric));
            return is_range
                || (is_near && self.is_hyphen(before) && folded.token(start).starts_with(char::is_alphabetic));
        }
        let is_part = matches!(folded.token(before), "." | "," | "/" | ":") && starts_with_number;
        is_part
            && !folded.tokens[before].has(flag::SPACE)
            && before > 0
            && folded.tokens[before - 1].is_word()
            && folded.ends_with(before - 1, char::is_numeric)
            || (folded.token(before) == "." && starts_with_number && folded.tokens[before].has(flag::SPACE))
    }

    fn is_hyphen(&self, token: usize) -> bool {
        matches!(self.text.written(token), "-" | "\u{2010}" | "\u{2011}" | "\u{ad}" | "")
    }

    /// Whether the passage would end within a word or a number of the text.
    fn is_cut_behind(&self, t: At) -> bool {
        let (folded, last) = (self.text.folded, t.token - 1);
        let next = |ahead: usize| folded.tokens.get(last + ahead).filter(|token| !token.has(flag::BARRIER));
        if !folded.tokens[last].is_word() {
            let is_digit = |token: usize| folded.tokens[token].is_word() && !folded.tokens[token].has(flag::SPACE);
            return matches!(folded.token(last), "." | "," | ":" | "/")
                && last > 0
                && !folded.tokens[last].has(flag::SPACE)
                && folded.ends_with(last - 1, char::is_numeric)
                && next(1).is_some_and(|_| is_digit(last + 1) && folded.token(last + 1).starts_with(char::is_numeric));
        }
        let Some(sign) = next(1) else { return false };
        let is_numeral = |c: char| c.is_numeric() || is_numeral(c);
        let ends_with_number = folded.ends_with(last, is_numeral);
        if sign.is_word() {
            return !sign.has(flag::SPACE) && ends_with_number && folded.token(last + 1).starts_with(is_numeral);
        }
        if sign.has(flag::SPACE) {
            return false;
        }
        if ends_with_number
            && (is_percent(folded.token(last + 1)) || folded.token(last + 1).starts_with(char::is_numeric))
        {
            return true;
        }
        let Some(word) = next(2).filter(|word| word.is_word()) else { return false };
        if sign.has(flag::OPTIONAL) && (word.has(flag::LINE) || !word.has(flag::SPACE)) {
            return true;
        }
        if word.has(flag::SPACE) {
            return false;
        }
        let is_number = ends_with_number && folded.token(last + 2).starts_with(char::is_numeric);
        let sign = folded.token(last + 1);
        (is_number && matches!(sign, "." | "," | "/" | ":" | "-"))
            || (sign == "-" && self.is_hyphen(last + 1) && folded.ends_with(last, char::is_alphabetic))
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
    text.chars()
        .filter(|&c| c == '\u{ad}' || !matches!(c, '\u{200b}'..='\u{200f}' | '\u{2060}'..='\u{2064}' | '\u{feff}'))
        .collect()
}

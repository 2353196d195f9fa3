//! A text as tokens that compare equal where two texts differ only in form, with a map back to the text.
//!
//! A token is a word, a run of letters and digits, or one other sign. White space is no token. What is folded: compatibility
//! forms such as ligatures (NFKC), quotation marks and apostrophes to `"` (directly behind a digit to strokes: feet are not
//! inches), dashes to `-`, three dots or more to `…`. Soft
//! hyphens, and hyphens before white space between letters, are tokens that may be passed over. Other invisible characters
//! are nothing. Case stays.

use std::ops::Range;

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

/// What is known of a text beside its characters.
#[derive(Debug, Clone, Default)]
pub struct TextLayout {
    /// What stands beside the text and may stand in the middle of a sentence, in bytes: running heads, page numbers, notes.
    /// Sorted, and apart from each other.
    pub furniture: Vec<Range<usize>>,
    /// Bytes where the text had a hyphen at the end of a printed line, which was taken away. Sorted.
    pub joins: Vec<usize>,
}

/// What a token is, and what is before it.
pub(crate) mod flag {
    /// A word; another token is a sign.
    pub const WORD: u16 = 1;
    /// A character of a script without spaces.
    pub const UNSPACED: u16 = 2;
    /// White space is before it.
    pub const SPACE: u16 = 4;
    /// The end of a line is before it.
    pub const LINE: u16 = 8;
    /// A blank line is before it.
    pub const PARAGRAPH: u16 = 16;
    /// Furniture is before it.
    pub const FURNITURE: u16 = 32;
    /// A hyphen that may be passed over.
    pub const OPTIONAL: u16 = 64;
    /// A soft hyphen.
    pub const SOFT: u16 = 128;
    /// The first token of a stream: what is before it is elsewhere.
    pub const BARRIER: u16 = 256;
    /// A word whose first letter stood in brackets, so that its case is free.
    pub const FREE_CASE: u16 = 512;
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct Token {
    /// Bytes of the text.
    pub start: u32,
    pub end: u32,
    /// First byte of its folded characters.
    at: u32,
    /// Letters and digits before it in the order of the tokens.
    pub letters: u32,
    pub flags: u16,
}

impl Token {
    pub fn has(&self, flags: u16) -> bool {
        self.flags & flags != 0
    }

    pub fn is_word(&self) -> bool {
        self.has(flag::WORD)
    }

    pub fn bytes(&self) -> Range<usize> {
        self.start as usize..self.end as usize
    }
}

/// A folded text.
#[derive(Debug)]
pub(crate) struct Folded {
    /// The folded characters of all tokens, one after the other.
    characters: String,
    pub tokens: Vec<Token>,
}

impl Folded {
    /// The folded characters of a token.
    pub fn token(&self, index: usize) -> &str {
        let end = self.tokens.get(index + 1).map_or(self.characters.len(), |next| next.at as usize);
        &self.characters[self.tokens[index].at as usize..end]
    }

    /// Whether a token is a hyphen or dash.
    pub fn is_dash(&self, index: usize) -> bool {
        !self.tokens[index].is_word() && self.token(index) == "-"
    }

    pub fn ends_with(&self, index: usize, of: fn(char) -> bool) -> bool {
        self.token(index).ends_with(of)
    }

    /// Index of the token at so many letters, or of the first behind it.
    pub fn at_letters(&self, letters: u32) -> usize {
        self.tokens.partition_point(|token| token.letters < letters)
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
    pub fn between(&self, index: usize) -> &'a str {
        let (before, own) = (self.folded.tokens[index - 1].end as usize, self.folded.tokens[index].start as usize);
        self.text.get(before..own).unwrap_or("")
    }

    /// A token as it was written.
    pub fn written(&self, index: usize) -> &'a str {
        &self.text[self.folded.tokens[index].bytes()]
    }
}

/// How many letters lie between two streams, so that no span of letters runs over both, unless there are very many streams:
/// then what stands between keeps them apart.
const BARRIER_LETTERS: u32 = 4096;
/// All these letters together. A text has six letters a byte at most, so that 32 bits count both.
const BARRIER_LETTERS_MAX: u32 = 1 << 30;

/// So many characters that nobody sees are looked through for the letter behind them.
const UNSEEN_MAX: usize = 8;

/// A text whose furniture comes behind all of it, each piece alone.
pub(crate) fn fold_apart(text: &str, layout: &TextLayout) -> Folded {
    let mut folder = TextFolder::new(text, &layout.joins);
    let mut from = 0;
    for apart in &layout.furniture {
        folder.segment(from..apart.start.max(from));
        folder.pending |= flag::FURNITURE;
        from = apart.end.max(from);
    }
    folder.segment(from..text.len());
    let letters = (BARRIER_LETTERS_MAX / layout.furniture.len().max(1) as u32).min(BARRIER_LETTERS);
    for apart in &layout.furniture {
        folder.barrier(letters);
        folder.segment(apart.clone());
    }
    folder.folded()
}

/// A text in the order in which it stands.
pub(crate) fn fold_whole(text: &str, layout: &TextLayout) -> Folded {
    let mut folder = TextFolder::new(text, &layout.joins);
    folder.segment(0..text.len());
    folder.folded()
}

/// A character that is folded without the marks on it.
fn is_folded_alone(c: char) -> bool {
    c.is_whitespace()
        || c == '\u{ad}'
        || is_invisible(c)
        || is_quotation_mark(c)
        || is_dash(c)
        || matches!(c, '.' | '…' | '⋯')
}

/// A character that nobody sees and that means nothing for what is said.
pub(crate) fn is_invisible(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2064}' | '\u{2066}'..='\u{2069}'
        | '\u{feff}' | '\u{61c}' | '\u{640}' | '\u{180e}')
}

pub(crate) fn is_quotation_mark(c: char) -> bool {
    matches!(c, '"' | '\'' | '`' | '´' | '«' | '»' | '‘'..='‟' | '‹' | '›' | '〝'..='〟' | '「'..='』' | 'ʼ' | 'ʻ'
        | '＂' | '＇' | '｢' | '｣')
}

/// A quotation mark of one stroke.
fn is_single_mark(c: char) -> bool {
    matches!(c, '\'' | '`' | '´' | '‘'..='‛' | '‹' | '›' | 'ʼ' | 'ʻ' | '＇')
}

pub(crate) fn is_dash(c: char) -> bool {
    matches!(
        c,
        '-' | '\u{2010}'..='\u{2015}' | '\u{2212}' | '\u{fe58}' | '\u{fe63}' | '\u{ff0d}' | '\u{2e3a}' | '\u{2e3b}'
    )
}

/// A character of a script that puts no spaces between words.
pub(crate) fn is_unspaced(c: char) -> bool {
    matches!(c, '\u{e00}'..='\u{eff}' | '\u{1000}'..='\u{109f}' | '\u{1780}'..='\u{17ff}' | '\u{3005}'..='\u{3007}'
        | '\u{3040}'..='\u{30ff}' | '\u{31f0}'..='\u{31ff}' | '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}'
        | '\u{f900}'..='\u{faff}' | '\u{20000}'..='\u{323af}')
}

/// Jamo that continue a syllable.
fn continues(c: char) -> bool {
    c > '\u{2ff}' && (is_combining_mark(c) || matches!(c, '\u{1160}'..='\u{11ff}'))
}

struct TextFolder<'a> {
    text: &'a str,
    /// Those that are still ahead.
    joins: &'a [usize],
    folded: Folded,
    letters: u32,
    /// Flags of the next token.
    pending: u16,
    line_feeds: u32,
    /// The last token, if it is a word that nothing has ended yet.
    is_open: bool,
}

impl<'a> TextFolder<'a> {
    fn new(text: &'a str, joins: &'a [usize]) -> Self {
        let folded = Folded { characters: String::with_capacity(text.len()), tokens: Vec::new() };
        Self { text, joins, folded, letters: 0, pending: flag::BARRIER, line_feeds: 0, is_open: false }
    }

    fn folded(self) -> Folded {
        self.folded
    }

    fn barrier(&mut self, letters: u32) {
        (self.pending, self.line_feeds, self.is_open) = (flag::BARRIER, 0, false);
        self.letters += letters;
    }

    fn segment(&mut self, bytes: Range<usize>) {
        let (text, end) = (self.text, bytes.end);
        let passed = self.joins.partition_point(|&join| join < bytes.start);
        self.joins = if bytes.start == 0 { self.joins } else { &self.joins[passed..] };
        let mut at = bytes.start;
        while at < end {
            while self.joins.first().is_some_and(|&join| join <= at) {
                if self.joins[0] == at && self.is_between_letters(at) {
                    self.push(at..at, "-", flag::OPTIONAL);
                }
                self.joins = &self.joins[1..];
            }
            let rest = &text[at..end];
            let Some(first) = rest.chars().next() else { break };
            let mut length = first.len_utf8();
            for c in rest[length..].chars().take_while(|&c| continues(c)) {
                length += c.len_utf8();
            }
            if is_folded_alone(first) && length > first.len_utf8() {
                // Marks on what is nothing, or is one of many forms, are marks all the same.
                self.cluster(at..at + first.len_utf8(), first);
                self.compatible(at + first.len_utf8()..at + length);
            } else {
                self.cluster(at..at + length, first);
            }
            at += length;
        }
    }

    /// A character with the marks on it.
    fn cluster(&mut self, bytes: Range<usize>, first: char) {
        let cluster = &self.text[bytes.clone()];
        match first {
            _ if first.is_ascii_alphanumeric() && cluster.len() == 1 => self.word(bytes, cluster),
            _ if first.is_whitespace() => self.white_space(first),
            '\u{ad}' => {
                if self.is_between_letters(bytes.end) {
                    self.push(bytes, "-", flag::OPTIONAL | flag::SOFT);
                }
            }
            _ if is_invisible(first) => {}
            _ if is_quotation_mark(first) => self.mark(bytes, first),
            _ if is_dash(first) => self.run(bytes, "-"),
            '.' => self.dot(bytes),
            '…' | '⋯' => self.run(bytes, "…"),
            _ if is_part_of_number(first) && !self.takes_raised(bytes.end) => self.push(bytes, cluster, 0),
            _ if first.is_ascii() && cluster.len() == 1 => {
                self.push(bytes.clone(), cluster, 0);
                if first == ']' {
                    self.letter_in_brackets();
                }
            }
            _ => self.compatible(bytes),
        }
    }

    /// What NFKC makes of a cluster.
    fn compatible(&mut self, bytes: Range<usize>) {
        let mut word = String::new();
        for c in self.text[bytes.clone()].nfkc() {
            if c.is_alphanumeric() || (continues(c) && (self.is_open || !word.is_empty() || is_unspaced(c))) {
                if !matches!(c, '\u{fe00}'..='\u{fe0f}') {
                    word.push(c);
                }
                continue;
            }
            if !word.is_empty() {
                self.word(bytes.clone(), &std::mem::take(&mut word));
            }
            if !c.is_whitespace() && !matches!(c, '\u{fe00}'..='\u{fe0f}') {
                let mut buffer = [0; 4];
                let sign = if is_quotation_mark(c) {
                    "\""
                } else if is_dash(c) {
                    "-"
                } else {
                    c.encode_utf8(&mut buffer)
                };
                self.push(bytes.clone(), sign, 0);
            }
        }
        if !word.is_empty() {
            self.word(bytes, &word);
        }
    }

    fn white_space(&mut self, c: char) {
        self.is_open = false;
        self.pending |= flag::SPACE;
        if matches!(c, '\n' | '\r' | '\u{b}' | '\u{c}' | '\u{85}' | '\u{2028}' | '\u{2029}') {
            self.pending |= flag::LINE;
            self.line_feeds += u32::from(c != '\r' && c != '\u{c}') + u32::from(c == '\u{2029}');
        }
        if self.line_feeds > 1 {
            self.pending |= flag::PARAGRAPH;
        }
    }

    /// Letters and digits: a new word, or more of the last one.
    fn word(&mut self, bytes: Range<usize>, characters: &str) {
        let first = characters.chars().next().unwrap_or(' ');
        if is_unspaced(first) {
            for c in characters.chars() {
                self.is_open = false;
                self.push(bytes.clone(), c.encode_utf8(&mut [0; 4]), flag::WORD | flag::UNSPACED);
                self.letters += 1;
            }
            self.is_open = false;
            return;
        }
        let is_new = !self.is_open;
        if is_new {
            self.hyphen_before(first);
            self.push(bytes.clone(), "", flag::WORD);
            self.is_open = true;
        }
        self.folded.characters.push_str(characters);
        self.letters += if characters.len() == 1 { 1 } else { characters.chars().count() as u32 };
        if let Some(last) = self.folded.tokens.last_mut() {
            last.end = bytes.end as u32;
        }
        if is_part_of_number(self.text[bytes].chars().next().unwrap_or(' ')) {
            self.is_open = false; // a raised number ends a word
        }
    }

    /// A hyphen before white space and behind a word may be one that the end of a line put in.
    fn hyphen_before(&mut self, first: char) {
        let count = self.folded.tokens.len();
        if count < 2 || self.pending & flag::SPACE == 0 || self.pending & flag::BARRIER != 0 || !first.is_alphabetic() {
            return;
        }
        let [word, hyphen] = [self.folded.tokens[count - 2], self.folded.tokens[count - 1]];
        let is_hyphen = matches!(&self.text[hyphen.bytes()], "-" | "\u{2010}");
        if is_hyphen
            && word.is_word()
            && word.end == hyphen.start
            && self.folded.ends_with(count - 2, char::is_alphabetic)
        {
            self.folded.tokens[count - 1].flags |= flag::OPTIONAL;
        }
    }

    /// `[T]he` is `The`.
    fn letter_in_brackets(&mut self) {
        let count = self.folded.tokens.len();
        if count < 3 || !self.text[self.folded.tokens[count - 1].end as usize..].starts_with(char::is_alphabetic) {
            return;
        }
        let open = self.folded.tokens[count - 3];
        let is_letter = self.folded.tokens[count - 2].is_word()
            && self.folded.token(count - 2).chars().count() == 1
            && self.folded.ends_with(count - 2, char::is_alphabetic);
        let is_glued = !self.folded.tokens[count - 2..].iter().any(|token| token.has(flag::SPACE | flag::BARRIER));
        if !is_letter || !is_glued || self.folded.token(count - 3) != "[" {
            return;
        }
        let letter = self.folded.token(count - 2).to_owned();
        self.folded.characters.truncate(open.at as usize);
        self.folded.characters.push_str(&letter);
        let word =
            Token { end: self.folded.tokens[count - 1].end, flags: open.flags | flag::WORD | flag::FREE_CASE, ..open };
        self.folded.tokens.truncate(count - 3);
        self.folded.tokens.push(word);
        self.is_open = true;
    }

    /// Whether a hyphen that nobody sees stands between letters: between digits it is nothing.
    fn is_between_letters(&self, behind: usize) -> bool {
        let last = self.folded.tokens.len().wrapping_sub(1);
        let is_unseen = |c: &char| c.is_whitespace() || is_invisible(*c) || *c == '\u{ad}';
        self.is_open
            && self.folded.ends_with(last, |c| c.is_alphabetic() || is_combining_mark(c))
            && self.text[behind..].chars().take(UNSEEN_MAX).find(|c| !is_unseen(c)).is_some_and(char::is_alphabetic)
    }

    /// A quotation mark. Behind a digit it may be that of feet or inches, minutes or seconds, so that its kind counts.
    fn mark(&mut self, bytes: Range<usize>, first: char) {
        let strokes = if is_single_mark(first) { "'" } else { "\'\'" };
        let last = self.folded.tokens.len().wrapping_sub(1);
        let is_behind = |of: fn(char) -> bool| {
            self.pending == 0 && !self.folded.tokens.is_empty() && self.folded.ends_with(last, of)
        };
        if is_behind(|c| c == '\'') {
            self.folded.characters.push_str(strokes);
            self.folded.tokens[last].end = bytes.end as u32;
        } else if is_behind(char::is_numeric) {
            self.push(bytes, strokes, 0);
        } else {
            self.run(bytes, "\"");
        }
    }

    /// A sign of which several beside each other count as one, but for dashes beside a digit.
    fn run(&mut self, bytes: Range<usize>, sign: &str) {
        let last = self.folded.tokens.len().wrapping_sub(1);
        let is_beside_digit = || {
            let before = last > 0 && self.folded.ends_with(last - 1, char::is_numeric);
            before || self.text[bytes.end..].starts_with(char::is_numeric)
        };
        let goes_on = self.pending == 0
            && self.folded.tokens.last().is_some_and(|token| {
                !token.is_word() && !token.has(flag::OPTIONAL) && token.end as usize == bytes.start
            })
            && self.folded.token(last) == sign
            && !(sign == "-" && is_beside_digit());
        if goes_on {
            self.folded.tokens[last].end = bytes.end as u32;
        } else {
            self.push(bytes, sign, 0);
        }
    }

    /// Three dots are `…`, with spaces between them or without.
    fn dot(&mut self, bytes: Range<usize>) {
        let count = self.folded.tokens.len();
        let is = |back: usize, sign: &str| count >= back && self.folded.token(count - back) == sign;
        let goes_on = self.pending & (flag::BARRIER | flag::PARAGRAPH) == 0;
        let is_near = |back: usize| bytes.start - self.folded.tokens[count - back].end as usize <= 2 * back;
        if goes_on && is(1, "…") && self.folded.tokens[count - 1].end as usize == bytes.start {
            self.folded.tokens[count - 1].end = bytes.end as u32;
        } else if goes_on
            && is(1, ".")
            && is(2, ".")
            && !self.folded.tokens[count - 1].has(flag::BARRIER)
            && is_near(1)
            && is_near(2)
        {
            let first = self.folded.tokens[count - 2];
            self.folded.tokens.truncate(count - 2);
            self.folded.characters.truncate(first.at as usize);
            let flags = first.flags;
            self.pending = 0;
            self.push(first.start as usize..bytes.end, "…", flags);
        } else {
            self.push(bytes, ".", 0);
        }
    }

    /// Whether a raised or lowered number belongs to the word before it, as in `CO₂` and `m²`: `10²` is not `102`.
    fn takes_raised(&self, end: usize) -> bool {
        let last = self.folded.tokens.len().wrapping_sub(1);
        self.is_open
            && self.folded.ends_with(last, char::is_alphabetic)
            && !self.text[end..].starts_with(char::is_alphanumeric)
    }

    fn push(&mut self, bytes: Range<usize>, characters: &str, flags: u16) {
        self.is_open = false;
        let at = self.folded.characters.len() as u32;
        self.folded.characters.push_str(characters);
        let (start, end) = (bytes.start as u32, bytes.end as u32);
        self.folded.tokens.push(Token { start, end, at, letters: self.letters, flags: flags | self.pending });
        (self.pending, self.line_feeds) = (0, 0);
    }
}

/// Whether a character is a number that is neither a digit nor a letter: `²`, `½`, `①`.
fn is_part_of_number(c: char) -> bool {
    c > '\u{7f}' && c.is_numeric() && !c.is_alphabetic() && !c.nfkd().eq([c]) && !is_wide_digit(c)
}

/// A digit that is written in another width or style.
fn is_wide_digit(c: char) -> bool {
    matches!(c, '\u{ff10}'..='\u{ff19}' | '\u{1d7ce}'..='\u{1d7ff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The tokens, with `|` between them, ` ` where white space is between them, `?` behind a hyphen that may be passed over.
    fn shown(text: &str) -> String {
        let folded = fold_whole(text, &TextLayout::default());
        let mut shown = String::new();
        for (index, token) in folded.tokens.iter().enumerate() {
            if index > 0 {
                shown.push(if token.has(flag::SPACE) { ' ' } else { '|' });
            }
            shown.push_str(folded.token(index));
            shown.push_str(if token.has(flag::OPTIONAL) { "?" } else { "" });
        }
        shown
    }

    #[test]
    fn texts_that_differ_in_form_have_the_same_tokens() {
        for (text, tokens) in [
            ("twelve (12)\n months", "twelve (|12|) months"),
            ("ﬁne oﬃces, ＡＢＣ１２", "fine offices|, ABC12"),
            ("“the ‘March’” – „X“ «y»", "\"|the \"|March|\" - \"|X|\" \"|y|\""),
            ("word--word — x−y", "word|-|word - x|-|y"),
            ("termi-\nnation long- term 3-\n4", "termi|-? nation long|-? term 3|- 4"),
            ("By\u{ad}Laws a\u{200b}b \u{feff}c", "By|-?|Laws ab c"),
            ("a … b ... c . . . d [...] e.", "a … b … c … d [|…|] e|."),
            ("10² m² CO₂ 5½ x²y", "10|² m2 CO2 5|½ x|²|y"),
            ("[T]he [the] x", "The [|the|] x"),
            ("在2014年　三十天。", "在|2014|年 三|十|天|。"),
            ("e\u{301}te\u{301} Cafe\u{301}s 각", "été Cafés 각"),
            ("1,000.50", "1|,|000|.|50"),
            ("5' 5” 5'' 5- 5--3 1'000", "5|' 5|'' 5|'' 5|- 5|-|-|3 1|'|000"),
            ("Mu\u{200b}\u{308}ller \u{ad}\u{308}x", "Mu\u{308}ller \u{308}|x"),
            ("3\u{ad}0 a\u{ad}5 a\u{ad}b", "30 a5 a|-?|b"),
            ("م\u{640}حمد", "محمد"),
        ] {
            assert_eq!(shown(text), tokens, "{text:?}");
        }
    }

    #[test]
    fn furniture_is_apart() {
        let text = "It ran\n\n12\n\nin May.";
        let layout = TextLayout { furniture: std::iter::once(8..12).collect(), joins: vec![] };
        let folded = fold_apart(text, &layout);
        let tokens: Vec<&str> = (0..folded.tokens.len()).map(|index| folded.token(index)).collect();
        assert_eq!(tokens, ["It", "ran", "in", "May", ".", "12"]);
        assert!(folded.tokens[2].has(flag::FURNITURE) && folded.tokens[5].has(flag::BARRIER));
        let joined = fold_whole("a longterm plan", &TextLayout { furniture: vec![], joins: vec![6] });
        let tokens: Vec<&str> = (0..joined.tokens.len()).map(|index| joined.token(index)).collect();
        assert_eq!(tokens, ["a", "long", "-", "term", "plan"]);
    }
}

//! The sentence around an answer, as one printable line.
//!
//! Blank lines bound a sentence. A line break within a paragraph (hard-wrapped text) and indentation become one space
//! before sentences are looked for, since the rules of Unicode (UAX #29) end a sentence at every line break.

use std::ops::Range;

use unicode_segmentation::UnicodeSegmentation;

use crate::text::one_line;

/// How far a sentence is looked for on either side.
const REACH_BYTES: usize = 1000;
/// How much of it is kept on either side, in user-perceived characters.
const SIDE_MAX: usize = 160;
/// Of a longer answer the beginning and the end are kept.
const ANSWER_MAX: usize = 400;

const CUT: &str = "…";

/// An answer within its sentence, each part one line without control characters; `…` stands where text was left out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snippet {
    /// What precedes the answer in its sentence.
    pub before: String,
    /// The answer.
    pub answer: String,
    /// What follows it there. The three parts after each other are the whole line, spaces included.
    pub after: String,
}

impl Snippet {
    /// The sentence around `text[bytes]`, or the sentences, where the answer lies in several.
    ///
    /// ```
    /// use longspan_ask::Snippet;
    ///
    /// let snippet = Snippet::new("It stopped. Dr. Brown,\n  of Lincoln, mended it. It ran.", 28..35);
    /// assert_eq!([snippet.before, snippet.answer, snippet.after], ["Dr. Brown, of ", "Lincoln", ", mended it."]);
    /// ```
    ///
    /// # Panics
    /// If the bytes are not a range of whole characters of the text.
    pub fn new(text: &str, bytes: Range<usize>) -> Self {
        let (start, cut_before) = paragraph_start(text, bytes.start);
        let (end, cut_after) = paragraph_end(text, bytes.end);
        let before = one_line(&text[start..bytes.start]);
        let before = before.trim_start();
        let answer = one_line(&text[bytes.clone()]);
        let after = one_line(&text[bytes.end..end]);
        let after = after.trim_end();

        let paragraph = [before, &answer, after].concat();
        let (answer_start, answer_end) = (before.len(), before.len() + answer.len());
        let (start, end) = sentences(&paragraph, answer_start, answer_end);
        let mut before = last(paragraph[start..answer_start].trim_start(), SIDE_MAX);
        if cut_before && start == 0 && !before.starts_with(CUT) {
            before.insert_str(0, CUT);
        }
        let mut after = first(paragraph[answer_end..end].trim_end(), SIDE_MAX);
        if cut_after && end == paragraph.len() && !after.ends_with(CUT) {
            after.push_str(CUT);
        }
        Self { before, answer: middle_cut(&answer), after }
    }

    /// The same with less around the answer: at most `side_max` characters on either side.
    pub fn shortened(&self, side_max: usize) -> Self {
        let answer = self.answer.clone();
        Self { before: last(&self.before, side_max), answer, after: first(&self.after, side_max) }
    }
}

/// Where the paragraph of `at` begins, and whether it was cut there.
fn paragraph_start(text: &str, at: usize) -> (usize, bool) {
    let from = text.floor_char_boundary(at.saturating_sub(REACH_BYTES));
    let (mut start, mut cut, mut passed) = (from, from > 0, from);
    for line in text[from..at].split_inclusive('\n') {
        passed += line.len();
        if line.ends_with('\n') && line.trim().is_empty() {
            (start, cut) = (passed, false);
        }
    }
    (start, cut)
}

/// Where the paragraph of `at` ends, and whether it was cut there.
fn paragraph_end(text: &str, at: usize) -> (usize, bool) {
    let to = text.ceil_char_boundary((at + REACH_BYTES).min(text.len()));
    let mut end = at;
    for (number, line) in text[at..to].split_inclusive('\n').enumerate() {
        // The first piece is the rest of the line on which the answer ends.
        if number > 0 && line.trim().is_empty() {
            return (end, false);
        }
        end += line.len();
    }
    (to, to < text.len())
}

/// From the start of the sentence of `start` to the end of the sentence of `end`.
fn sentences(paragraph: &str, start: usize, end: usize) -> (usize, usize) {
    let (mut from, mut to) = (0, paragraph.len());
    for (at, sentence) in paragraph.split_sentence_bound_indices() {
        let after = at + sentence.len();
        if ends_with_abbreviation(sentence) {
            continue;
        }
        if after <= start {
            from = after;
        } else if after >= end {
            to = after;
            break;
        }
    }
    (from, to)
}

/// Whether the full stop at the end belongs to an abbreviation such as `Dr.`, `J.` or `U.S.` rather than to a sentence.
///
/// UAX #29 knows no abbreviations. Of two mistakes, a sentence too many is better than a sentence cut in its middle.
fn ends_with_abbreviation(sentence: &str) -> bool {
    let Some(word) = sentence.trim_end().strip_suffix('.').and_then(|rest| rest.split([' ', '(']).next_back()) else {
        return false;
    };
    let initial = word.chars().count() == 1 && word.starts_with(char::is_uppercase);
    initial || word.contains('.') || ABBREVIATIONS.contains(&word)
}

const ABBREVIATIONS: [&str; 24] = [
    "Mr", "Mrs", "Ms", "Dr", "Prof", "St", "Gen", "Col", "Capt", "Lt", "Sgt", "Rev", "Hon", "No", "Nos", "Vol", "Fig",
    "Sec", "Art", "Inc", "Ltd", "Corp", "vs", "cf",
];

/// The last characters, behind a `…` if there are more.
fn last(text: &str, max: usize) -> String {
    match text.grapheme_indices(true).rev().nth(max) {
        None => text.to_string(),
        Some((at, left_out)) => {
            let rest = &text[at + left_out.len()..];
            // A word that would be cut is left out, unless the text has no spaces.
            let word = rest.find(' ').filter(|&space| space < 20).map_or(0, |space| space + 1);
            format!("{CUT}{}", &rest[word..])
        }
    }
}

/// The first characters, with a `…` behind them if there are more.
fn first(text: &str, max: usize) -> String {
    match text.grapheme_indices(true).nth(max) {
        None => text.to_string(),
        Some((at, _)) => {
            let rest = &text[..at];
            let word = rest.rfind(' ').filter(|&space| at - space < 20).unwrap_or(at);
            format!("{}{CUT}", &rest[..word])
        }
    }
}

fn middle_cut(answer: &str) -> String {
    if answer.graphemes(true).nth(ANSWER_MAX).is_none() {
        return answer.to_string();
    }
    format!("{} {}", first(answer, ANSWER_MAX / 2), last(answer, ANSWER_MAX / 2))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The snippet around the first `answer` in `text`, marked.
    fn marked(text: &str, answer: &str) -> String {
        let start = text.find(answer).unwrap();
        let snippet = Snippet::new(text, start..start + answer.len());
        format!("{}[{}]{}", snippet.before, snippet.answer, snippet.after)
    }

    #[test]
    fn the_sentence_is_found() {
        for (text, answer, expected) in [
            ("One. It ran in 1848 here. Three.", "1848", "It ran in [1848] here."),
            ("1848", "1848", "[1848]"),
            ("One. Two three. Four.", "One. Two", "[One. Two] three."),
            ("A b.\n\nC d\n   e 1 f\r\n   g. H.", "1", "C d e [1] f g."),
            ("Title\n \t\r\nIn 1848.\n\n\nNext.", "1848", "In [1848]."),
            ("Then Mr. Bennet left. He", "Bennet", "Then Mr. [Bennet] left."),
            ("of the U.S. Navy (No. 5) was. So", "Navy", "of the U.S. [Navy] (No. 5) was."),
            ("line\rother 5 end", "5", "line other [5] end"),
            ("He said: “It is 5.” Then", "5", "He said: “It is [5].”"),
            ("東京は日本の首都です。人口は1400万人です。以上。", "1400万人", "人口は[1400万人]です。"),
            ("e\u{301}te\u{301} 👩‍👩‍👧 x 5", "👩‍👩‍👧", "e\u{301}te\u{301} [👩‍👩‍👧] x 5"),
            ("a\x1b[31m 5 \u{202e}b", "5", "a\u{fffd}[31m [5] \u{fffd}b"),
            ("a 5\nb", "5\nb", "a [5 b]"),
        ] {
            assert_eq!(marked(text, answer), expected, "{text:?}");
        }
    }

    #[test]
    fn long_sentences_are_shortened() {
        let text = format!("{}answer {}", "word ".repeat(500), "after ".repeat(500));
        let shown = marked(&text, "answer");
        assert!(shown.starts_with("…word ") && shown.ends_with(" after…"), "{shown}");
        assert!(shown.chars().count() <= 2 * SIDE_MAX + 10);
        let text = format!("{}答{}", "漢".repeat(500), "字".repeat(500));
        let shown = marked(&text, "答");
        assert_eq!(shown, format!("…{}[答]{}…", "漢".repeat(SIDE_MAX), "字".repeat(SIDE_MAX)));
        let answer = "long ".repeat(200);
        let shown = marked(&answer, answer.trim_end());
        assert!(shown.starts_with("[long") && shown.contains("long… …long") && shown.ends_with("long]"), "{shown}");
    }

    #[test]
    fn every_span_of_a_nasty_text_has_a_snippet_with_its_answer() {
        let text = "\u{feff}a\r\n\r\nbé. e\u{301}\r c\n\n👩‍👩‍👧\u{a0}\u{200b}漢字。\u{2028}x\n \u{7}Mr. y\n";
        let bounds: Vec<usize> = text.char_indices().map(|(at, _)| at).chain([text.len()]).collect();
        for &start in &bounds {
            for &end in bounds.iter().filter(|&&end| end >= start) {
                let found = Snippet::new(text, start..end);
                assert_eq!(found.answer, one_line(&text[start..end]));
                let whole = [found.before, found.answer, found.after].concat();
                assert!(!whole.chars().any(char::is_control), "{whole:?}");
            }
        }
    }
}

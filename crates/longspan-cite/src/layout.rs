//! What stands beside a plain text: lines at the ends of pages that come again, and page numbers.

use std::collections::HashMap;
use std::ops::Range;

use crate::fold::{TextLayout, is_unspaced};

/// Lines at either end of a page that may be furniture.
const EDGE_LINES: usize = 3;
/// A line that comes at the ends of so many pages, each near the next one, is furniture.
const PAGES_MIN: usize = 3;
/// How many pages from one to the next.
const PAGES_APART: usize = 4;
/// The longest line of furniture, in bytes.
const LINE_BYTES_MAX: usize = 160;
/// Words before a page number, in the line that it parts from the next one.
const OPEN_WORDS_MIN: usize = 4;

struct Line<'a> {
    bytes: Range<usize>,
    text: &'a str,
    /// Whether a page ends before it.
    begins_page: bool,
    /// Whether a blank line or the end of a page is before it.
    is_apart: bool,
}

impl TextLayout {
    /// The layout of a text without one: page numbers and running heads, which are found by where they stand.
    ///
    /// Beside a form feed they are lines that come at three pages or more, but for their numbers, and page numbers that count
    /// on from one page to the next. Elsewhere they are numbers alone between blank lines in the middle of a sentence, three
    /// or more that count on.
    pub fn of_plain(text: &str) -> Self {
        let lines = lines(text);
        let mut is_furniture = vec![false; lines.len()];
        beside_form_feeds(&lines, &mut is_furniture);
        counted(&lines, &mut is_furniture);
        let furniture = lines.iter().zip(is_furniture).filter(|(_, is)| *is).map(|(line, _)| line.bytes.clone());
        Self { furniture: furniture.collect(), joins: Vec::new() }
    }
}

fn lines(text: &str) -> Vec<Line<'_>> {
    let (mut lines, mut at, mut begins_page, mut is_apart) = (Vec::new(), 0, false, true);
    for piece in text.split_inclusive(['\n', '\u{c}']) {
        let bytes = at..at + piece.len();
        at += piece.len();
        let line = piece.trim();
        if !line.is_empty() {
            lines.push(Line { bytes, text: line, begins_page, is_apart });
            (begins_page, is_apart) = (false, false);
        } else {
            is_apart = true;
        }
        is_apart |= piece.ends_with('\u{c}');
        begins_page |= piece.ends_with('\u{c}');
    }
    lines
}

/// A line without its numbers.
fn pattern(line: &str) -> String {
    let mut pattern = String::new();
    for c in line.chars() {
        let c = if c.is_ascii_digit() { '#' } else { c };
        if !(matches!(c, '#' | ' ') && pattern.ends_with(c)) {
            pattern.push(c);
        }
    }
    pattern
}

fn beside_form_feeds(lines: &[Line<'_>], is_furniture: &mut [bool]) {
    let starts: Vec<usize> = (0..lines.len()).filter(|&line| lines[line].begins_page).collect();
    let before = |start: usize| start.saturating_sub(EDGE_LINES)..start;
    let behind = |start: usize| start..(start + EDGE_LINES).min(lines.len());
    let mut pages: HashMap<String, Vec<usize>> = HashMap::new();
    for (page, &start) in starts.iter().enumerate() {
        for line in before(start).chain(behind(start)).filter(|&line| lines[line].text.len() <= LINE_BYTES_MAX) {
            let of_line = pages.entry(pattern(lines[line].text)).or_default();
            if of_line.last() != Some(&page) {
                of_line.push(page);
            }
        }
    }
    let is_near = |pages: &[usize]| pages[PAGES_MIN - 1] - pages[0] <= (PAGES_MIN - 1) * PAGES_APART;
    pages.retain(|_, pages| pages.windows(PAGES_MIN).any(is_near));
    // A number alone is one of a page if the page before or behind has the number before or behind it.
    let numbers: Vec<Vec<u32>> = starts
        .iter()
        .map(|&start| before(start).chain(behind(start)).filter_map(|line| page_number(lines[line].text)).collect())
        .collect();
    let is_bare = |line: &str| page_number(line).is_some() && !line.contains(char::is_alphabetic);
    let counts_on = |page: usize, number: u32| {
        let has = |page: Option<usize>, number: Option<u32>| {
            page.and_then(|page| numbers.get(page))
                .is_some_and(|own| number.is_some_and(|number| own.contains(&number)))
        };
        has(page.checked_sub(1), number.checked_sub(1)) || has(Some(page + 1), number.checked_add(1))
    };
    for (page, &start) in starts.iter().enumerate() {
        let is_beside = |line: usize| {
            page_number(lines[line].text).is_some_and(|number| counts_on(page, number))
                || (!is_bare(lines[line].text) && pages.contains_key(&pattern(lines[line].text)))
        };
        before(start).rev().take_while(|&line| is_beside(line)).for_each(|line| is_furniture[line] = true);
        behind(start).take_while(|&line| is_beside(line)).for_each(|line| is_furniture[line] = true);
    }
}

/// Page numbers that are counted through the text: three or more, each in the middle of a sentence. What stands between
/// labels, as the numbers of a table do, is text.
fn counted(lines: &[Line<'_>], is_furniture: &mut [bool]) {
    let is_alone = |index: usize| lines[index].is_apart && lines.get(index + 1).is_none_or(|next| next.is_apart);
    let numbers: Vec<(usize, u32)> = (0..lines.len())
        .filter(|&index| is_alone(index))
        .filter_map(|index| Some((index, page_number(lines[index].text)?)))
        .collect();
    for run in numbers.chunk_by(|one, next| one.1 + 1 == next.1 && one.0 + 1 < next.0) {
        if run.len() >= PAGES_MIN {
            for &(index, _) in run.iter().filter(|&&(index, _)| is_within_sentence(lines, index)) {
                is_furniture[index] = true;
            }
        }
    }
}

/// Whether a line stands in the middle of a sentence: the line before it has words and no end, and the next one goes on.
fn is_within_sentence(lines: &[Line<'_>], index: usize) -> bool {
    let (Some(before), Some(behind)) = (index.checked_sub(1).map(|before| &lines[before]), lines.get(index + 1)) else {
        return false;
    };
    let goes_on = |c: char| c.is_lowercase() || is_unspaced(c);
    let is_open = |c: char| c.is_alphabetic() || matches!(c, ',' | '-');
    let has_words = before.text.split_whitespace().count() >= OPEN_WORDS_MIN || before.text.contains(is_unspaced);
    behind.text.starts_with(goes_on) && before.text.ends_with(is_open) && has_words
}

/// The number of a line that is nothing but a page number: `12`, `- 12 -`, `Page 12 of 40`, `[Page 12]`.
fn page_number(line: &str) -> Option<u32> {
    if line.len() > 24 {
        return None;
    }
    let is_sign = |c: char| !c.is_alphanumeric();
    let mut words = line.split(is_sign).filter(|word| !word.is_empty());
    let mut word = words.next()?;
    if ["page", "seite", "página", "pagina", "p"].contains(&word.to_lowercase().as_str()) {
        word = words.next()?;
    }
    let number = word.parse().ok().filter(|_| word.len() < 5)?;
    let rest: Vec<&str> = words.collect();
    let has_total = rest.len() == 2 && ["of", "von", "de", "sur"].contains(&rest[0]) && rest[1].parse::<u32>().is_ok();
    (rest.is_empty() || has_total).then_some(number).filter(|_| !line.contains(['.', '$', '%', '€', '(']))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn running_heads_and_page_numbers_are_furniture() {
        for (text, furniture) in [
            ("It ran in the\n\n1\n\nyear of two ships\n\n2\n\nand it ran in\n\n3\n\nMay.", vec!["1", "2"]),
            ("It ran in the\n\n1\n\nyear of two ships\n\n2\n\nand so on.", vec![]),
            ("Notice:\n\n30\n\nCure:\n\n31\n\nTerm:\n\n32\n\nend", vec![]),
            ("Notice:\n\n30\n\u{c}Cure: none.", vec![]),
            ("One.\n\n500\n\nTwo.\n\n7\n\nThree.", vec![]),
            ("A\n\n- 4 -\n\u{c}B\n\nPage 5 of 9\n\u{c}C", vec!["- 4 -", "Page 5 of 9"]),
            (
                "Head 1\na b\nx [Page 1]\n\u{c}Head 2\nc d\nx [Page 2]\n\u{c}Head 3\ne f\nx [Page 3]\n\u{c}Head 4\ng",
                vec!["x [Page 1]", "Head 2", "x [Page 2]", "Head 3", "x [Page 3]", "Head 4"],
            ),
            ("1\nOne\n2\nTwo\n3\n", vec![]),
        ] {
            let layout = TextLayout::of_plain(text);
            let found: Vec<&str> = layout.furniture.iter().map(|bytes| text[bytes.clone()].trim()).collect();
            assert_eq!(found, furniture, "{text:?}");
        }
    }
}

//! Running heads, feet and page numbers: what stands at the same place on many pages, but for its numbers, and numbers alone on
//! the first or last line of their pages that count up with them.

use std::collections::{HashMap, HashSet};

use super::pieces::TextPiece;

/// Lines at the top and at the bottom of a page that are looked at.
const LINES: usize = 3;
/// How much of the page, at its top and at its bottom, may be furniture.
const MARGIN: f32 = 0.15;
/// Points by which furniture may move from page to page.
const STEP: f32 = 4.0;

/// A line of furniture without its numbers, at its place.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct FurnitureKey {
    text: String,
    /// Its baseline, in steps.
    step: i32,
}

/// The pieces of a page, and its height.
pub(super) struct PageFrame<'a> {
    pub pieces: &'a mut Vec<TextPiece>,
    pub height: f32,
}

/// A number on the first or last line of a page.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct PageNumber {
    /// The line without its numbers.
    text: String,
    is_last: bool,
    /// How much the number is ahead of that of the page.
    ahead: i64,
}

/// Marks the furniture of pages.
pub(super) fn mark(pages: &mut [PageFrame<'_>]) {
    mark_repeated(pages);
    mark_numbers(pages);
}

/// Marks what stands at the same place on many pages.
fn mark_repeated(pages: &mut [PageFrame<'_>]) {
    let mut counts: HashMap<FurnitureKey, usize> = HashMap::new();
    for PageFrame { pieces, height } in pages.iter() {
        let keys: HashSet<FurnitureKey> =
            margins(pieces, *height).into_iter().flat_map(|(index, _)| keys(&pieces[index])).collect();
        keys.into_iter().for_each(|key| *counts.entry(key).or_default() += 1);
    }
    let number = pages.len();
    for PageFrame { pieces, height } in pages {
        for (index, is_alone) in margins(pieces, *height) {
            let count = keys(&pieces[index]).filter_map(|key| counts.get(&key)).max().copied().unwrap_or(0);
            let has_letters = pieces[index].text().chars().filter(|c| c.is_alphabetic()).count() > 2;
            // Numbers alone may be the cells of a table.
            let many = if has_letters { 3.min(number) } else { 3.min(number).max(number.div_ceil(2)) };
            pieces[index].is_furniture |= count >= many.max(2) && (has_letters || is_alone || 2 * count >= number);
        }
    }
}

/// Marks the numbers of pages that are alone on the first or last line that is no furniture yet, wherever that is.
fn mark_numbers(pages: &mut [PageFrame<'_>]) {
    let numbers = pages.iter().enumerate().map(|(page, frame)| numbers(page, frame.pieces));
    let numbers: Vec<Vec<(usize, PageNumber)>> = numbers.collect();
    let mut counts: HashMap<&PageNumber, usize> = HashMap::new();
    numbers.iter().flatten().for_each(|(_, number)| *counts.entry(number).or_default() += 1);
    let many = 3.min(pages.len()).max(2);
    for (frame, numbers) in pages.iter_mut().zip(&numbers) {
        for (index, number) in numbers {
            frame.pieces[*index].is_furniture |= counts[number] >= many;
        }
    }
}

/// The pieces of a page that may be its number.
fn numbers(page: usize, pieces: &[TextPiece]) -> Vec<(usize, PageNumber)> {
    let body: Vec<usize> = (0..pieces.len()).filter(|&index| !pieces[index].is_furniture).collect();
    let lines = lines(body, pieces);
    let (Some(first), Some(last)) = (lines.first(), lines.last()) else { return Vec::new() };
    let number = |(line, is_last): (&Vec<usize>, bool)| {
        let &[index] = line.as_slice() else { return None };
        let text = pieces[index].text();
        let digits = text.trim_start_matches(|c: char| !c.is_ascii_digit());
        let end = digits.find(|c: char| !c.is_ascii_digit()).unwrap_or(digits.len());
        let value: i64 = digits[..end].parse().ok()?;
        let text = without_numbers(&text);
        let is_alone = !text.contains(char::is_alphabetic);
        is_alone.then(|| (index, PageNumber { text, is_last, ahead: value.saturating_sub(page as i64) }))
    };
    [(first, false), (last, true)].into_iter().filter_map(number).collect()
}

/// The indices of pieces by their lines, from top to bottom.
pub(super) fn lines(mut order: Vec<usize>, pieces: &[TextPiece]) -> Vec<Vec<usize>> {
    order.sort_by(|&a, &b| pieces[a].y.total_cmp(&pieces[b].y));
    let is_line = |a: &usize, b: &usize| pieces[*b].y - pieces[*a].y < 0.4 * pieces[*b].size;
    order.chunk_by(is_line).map(<[usize]>::to_vec).collect()
}

/// The indices of the pieces on the first and last lines of a page, and whether each is alone on its line.
fn margins(pieces: &[TextPiece], height: f32) -> Vec<(usize, bool)> {
    let lines = lines((0..pieces.len()).collect(), pieces);
    let is_high = |line: &&Vec<usize>| pieces[line[0]].y < MARGIN * height;
    let is_low = |line: &&Vec<usize>| pieces[line[0]].y > (1.0 - MARGIN) * height;
    let top = lines.iter().take(LINES).filter(is_high);
    let bottom = lines.iter().rev().take(LINES).filter(is_low);
    top.chain(bottom).flat_map(|line| line.iter().map(move |&index| (index, line.len() == 1))).collect()
}

/// The keys of a piece: two, since it may stand near the border of a step.
fn keys(piece: &TextPiece) -> impl Iterator<Item = FurnitureKey> {
    let words = piece.words.iter().map(|word| without_numbers(&word.text));
    let text = words.collect::<Vec<_>>().join(" ");
    let step = (piece.y / STEP).floor() as i32;
    [step, step + 1].into_iter().map(move |step| FurnitureKey { text: text.clone(), step })
}

/// A word with `#` for its numbers: those of digits, and Roman ones.
fn without_numbers(word: &str) -> String {
    let letters = word.trim_matches(|c: char| !c.is_alphanumeric());
    if !letters.is_empty() && letters.len() <= 8 && letters.chars().all(|c| "ivxlcIVXLC".contains(c)) {
        return word.replace(letters, "#");
    }
    let mut text = String::new();
    for c in word.chars() {
        match c.is_numeric() {
            true if text.ends_with('#') => {}
            true => text.push('#'),
            false => text.extend(c.to_lowercase()),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pdf::pieces::PieceWord;

    #[test]
    fn numbers_of_pages_count_up_with_them() {
        // The lines of each page, and which of them are furniture.
        let check = |pages: &[&[&str]], furniture: &[&str]| {
            let piece = |(line, text): (usize, &&str)| {
                let (y, size) = (300.0 + 12.0 * line as f32, 10.0);
                let words =
                    text.split(' ').map(|word| PieceWord { text: word.into(), ..PieceWord::default() }).collect();
                TextPiece { words, y, size, ..TextPiece::default() }
            };
            let mut pages: Vec<Vec<TextPiece>> =
                pages.iter().map(|page| page.iter().enumerate().map(piece).collect()).collect();
            let frame = |pieces| PageFrame { pieces, height: 800.0 };
            mark(&mut pages.iter_mut().map(frame).collect::<Vec<_>>());
            let found: Vec<String> =
                pages.iter().flatten().filter(|piece| piece.is_furniture).map(TextPiece::text).collect();
            assert_eq!(found, furniture, "{pages:?}");
        };
        check(&[&["It ran.", "7"], &["So it did.", "and ended", "8"], &["9"]], &["7", "8", "9"]);
        check(&[&["- 1 -", "a"], &["- 2 -", "b"]], &["- 1 -", "- 2 -"]);
        check(&[&["a", "1 / 3"], &["b", "2 / 3"], &["c", "3 / 3"], &["d", "12"]], &["1 / 3", "2 / 3", "3 / 3"]);
        check(&[&["a", "1"], &["b"], &["c", "4"], &["d", "4"]], &[]); // two of four
        check(&[&["a", "12"], &["b", "12"], &["c", "40"]], &[]);
        check(&[&["Question 1", "a"], &["Question 2", "b"], &["Question 3", "c"]], &[]);
        check(&[&["1"]], &[]);
    }
}

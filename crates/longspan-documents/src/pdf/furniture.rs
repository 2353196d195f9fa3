//! Running heads, feet and page numbers: what stands at the same place on many pages, but for its numbers.

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
struct Key {
    text: String,
    /// Its baseline, in steps.
    step: i32,
}

/// The pieces of a page, and its height.
pub(super) struct PageFrame<'a> {
    pub pieces: &'a mut Vec<TextPiece>,
    pub height: f32,
}

/// Marks the furniture of pages.
pub(super) fn mark(pages: &mut [PageFrame<'_>]) {
    let mut counts: HashMap<Key, usize> = HashMap::new();
    for PageFrame { pieces, height } in pages.iter() {
        let keys: HashSet<Key> =
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

/// The indices of the pieces on the first and last lines of a page, and whether each is alone on its line.
fn margins(pieces: &[TextPiece], height: f32) -> Vec<(usize, bool)> {
    let mut order: Vec<usize> = (0..pieces.len()).collect();
    order.sort_by(|&a, &b| pieces[a].y.total_cmp(&pieces[b].y));
    let is_line = |a: &usize, b: &usize| pieces[*b].y - pieces[*a].y < 0.4 * pieces[*b].size;
    let lines: Vec<&[usize]> = order.chunk_by(is_line).collect();
    let is_high = |line: &&[usize]| pieces[line[0]].y < MARGIN * height;
    let is_low = |line: &&[usize]| pieces[line[0]].y > (1.0 - MARGIN) * height;
    let top = lines.iter().copied().take(LINES).filter(is_high);
    let bottom = lines.iter().copied().rev().take(LINES).filter(is_low);
    top.chain(bottom).flat_map(|line| line.iter().map(move |&index| (index, line.len() == 1))).collect()
}

/// The keys of a piece: two, since it may stand near the border of a step.
fn keys(piece: &TextPiece) -> impl Iterator<Item = Key> {
    let words = piece.words.iter().map(|word| without_numbers(&word.text));
    let text = words.collect::<Vec<_>>().join(" ");
    let step = (piece.y / STEP).floor() as i32;
    [step, step + 1].into_iter().map(move |step| Key { text: text.clone(), step })
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

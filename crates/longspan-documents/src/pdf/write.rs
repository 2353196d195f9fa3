//! Blocks of pages → the text and its map.
//!
//! A hyphen at the end of a line between letters, the next one lower-case, goes when the joined word stands elsewhere in the
//! document or the hyphenated one does not. The line then ends behind the word.

use std::collections::HashSet;

use super::bidi::runs_left;
use super::blocks::{PrintedBlock, ends_sentence};
use super::glyphs::to_page;
use super::pieces::PieceWord;
use crate::BlockKind;
use crate::builder::Builder;
use crate::map::{PageBox, PageSize, TextDirection};

/// How far letters reach above and below the baseline, in em.
const ASCENT: f32 = 0.8;
const DESCENT: f32 = 0.22;

/// A page with its blocks in the order of reading.
pub(super) struct PrintedPage {
    pub label: Option<String>,
    pub size: PageSize,
    pub blocks: Vec<PrintedBlock>,
}

/// Writes pages into a builder.
pub(super) fn write(pages: &[PrintedPage], builder: &mut Builder) {
    let vocabulary = vocabulary(pages);
    let mut last: Option<&PrintedBlock> = None;
    for page in pages {
        builder.page(page.label.as_deref(), Some(page.size));
        for (index, block) in page.blocks.iter().enumerate() {
            if !(index == 0 && last.is_some_and(|last| goes_on(last, block))) {
                builder.block(block.kind);
            }
            block_lines(block, page.size, &vocabulary, builder);
        }
        last = page.blocks.last();
    }
}

/// Whether a paragraph goes on at the top of the next page.
fn goes_on(last: &PrintedBlock, next: &PrintedBlock) -> bool {
    let is_text = |block: &PrintedBlock| matches!(block.kind, BlockKind::Paragraph | BlockKind::ListItem);
    is_text(last)
        && next.kind == BlockKind::Paragraph
        && !ends_sentence(last.last_word())
        && next.first_word().starts_with(char::is_lowercase)
}

fn block_lines(block: &PrintedBlock, size: PageSize, vocabulary: &HashSet<String>, builder: &mut Builder) {
    let words: Vec<(&PieceWord, bool)> = block
        .lines
        .iter()
        .flat_map(|line| line.iter().enumerate().map(|(index, word)| (word, index + 1 == line.len())))
        .collect();
    // Whether the last line ends behind the word, whose first part stands there.
    let mut is_joined = false;
    for (index, &(word, ends_line)) in words.iter().enumerate() {
        let next = words.get(index + 1).map(|(next, _)| next.text.as_str());
        let part = next.filter(|_| ends_line).and_then(|next| first_part(&word.text, next, vocabulary));
        let text = part.map_or_else(|| without_soft_hyphens(&word.text, ends_line), str::to_owned);
        builder.word(&text, at(word, block.angle, size), direction(word, block.angle));
        let is_last = next.is_none();
        builder.add(match () {
            () if is_last || part.is_some() => "",
            () if ends_line || is_joined => "\n",
            () => " ",
        });
        is_joined = part.is_some();
    }
}

/// The part of a word before its hyphen at the end of a line, if the hyphen goes.
fn first_part<'a>(word: &'a str, next: &str, vocabulary: &HashSet<String>) -> Option<&'a str> {
    let part = word.strip_suffix(['-', '\u{2010}', '\u{ad}'])?;
    let is_soft = word.ends_with('\u{ad}');
    let is_between = part.ends_with(char::is_alphabetic) && next.starts_with(char::is_lowercase);
    if !is_between {
        return is_soft.then_some(part);
    }
    let (start, end) = (bare(part), bare(next));
    let is_known = |word: &str| vocabulary.contains(word);
    (is_soft || is_known(&format!("{start}{end}")) || !is_known(&format!("{start}-{end}"))).then_some(part)
}

/// A soft hyphen within a line is printed.
fn without_soft_hyphens(word: &str, ends_line: bool) -> String {
    let word = if ends_line { word.trim_end_matches('\u{ad}') } else { word };
    word.replace('\u{ad}', "-")
}

/// The words of a document that do not end with a hyphen at the end of a line, in lower case and without signs around them.
fn vocabulary(pages: &[PrintedPage]) -> HashSet<String> {
    let lines = pages.iter().flat_map(|page| &page.blocks).flat_map(|block| &block.lines);
    let is_first_part = |word: &PieceWord| word.text.ends_with(['-', '\u{2010}']);
    // Only in a document that hyphenates.
    if !lines.clone().any(|line| line.last().is_some_and(is_first_part)) {
        return HashSet::new();
    }
    let words = lines.flat_map(|line| match line.split_last() {
        Some((last, words)) if is_first_part(last) => words,
        _ => line,
    });
    words.map(|word| bare(&word.text)).collect()
}

fn bare(word: &str) -> String {
    word.trim_matches(|c: char| !c.is_alphanumeric()).to_lowercase().replace('\u{2010}', "-")
}

/// Which way a word is read on its page.
fn direction(word: &PieceWord, angle: i16) -> TextDirection {
    let turned = if runs_left(std::iter::once(word)) { angle + 180 } else { angle };
    match (turned + 45) / 90 % 4 {
        0 => TextDirection::Right,
        1 => TextDirection::Down,
        2 => TextDirection::Left,
        _ => TextDirection::Up,
    }
}

/// The box of a word on its page.
fn at(word: &PieceWord, angle: i16, size: PageSize) -> PageBox {
    let (top, bottom) = (word.y - ASCENT * word.size, word.y + DESCENT * word.size);
    let corners = [(word.x, top), (word.right, top), (word.x, bottom), (word.right, bottom)];
    let corners = corners.map(|(x, y)| to_page(x, y, angle));
    let within = |at: f32, end: f32| at.clamp(0.0, end.max(0.0));
    let lowest = |of: fn((f32, f32)) -> f32| corners.map(of).into_iter().fold(f32::MAX, f32::min);
    let highest = |of: fn((f32, f32)) -> f32| corners.map(of).into_iter().fold(f32::MIN, f32::max);
    let (x, right) = (within(lowest(|at| at.0), size.width), within(highest(|at| at.0), size.width));
    let (y, bottom) = (within(lowest(|at| at.1), size.height), within(highest(|at| at.1), size.height));
    PageBox { page: 0, x, y, width: right - x, height: bottom - y }
}

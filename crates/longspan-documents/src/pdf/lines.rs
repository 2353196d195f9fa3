//! Columns → printed lines, and what lines are compared by: the usual size and ink of the document.

use std::collections::HashMap;

use super::budget::Budget;
use super::glyphs::Inks;
use super::pieces::{PieceWord, TextPiece};

/// Type whose letters have so much more ink than usual is bold.
const BOLD_MIN: f32 = 1.22;
/// Pieces of a line that another one is compared with.
const PIECES_LOOKED_AT: usize = 64;

/// A printed line in the frame of its angle.
#[derive(Debug, Clone)]
pub(super) struct PrintedLine {
    /// From left to right.
    pub pieces: Vec<TextPiece>,
    /// Degrees by which it is turned clockwise.
    pub angle: i16,
    /// The number of its column on the page.
    pub column: usize,
    pub x: f32,
    pub right: f32,
    /// The baseline.
    pub y: f32,
    /// The size of its longest word.
    pub size: f32,
    /// Whether it stands beside the text.
    pub is_furniture: bool,
}

impl PrintedLine {
    fn of(mut pieces: Vec<TextPiece>, angle: i16, column: usize) -> Self {
        pieces.sort_by(|a, b| a.x.total_cmp(&b.x));
        let (y, is_furniture) = (pieces[0].y, pieces[0].is_furniture);
        let pieces = TextPiece::joined(pieces);
        let x = pieces.iter().map(|piece| piece.x).fold(f32::MAX, f32::min);
        let right = pieces.iter().map(|piece| piece.right).fold(f32::MIN, f32::max);
        let longest = pieces.iter().flat_map(|piece| &piece.words).max_by_key(|word| word.text.len());
        let size = longest.map_or(0.0, |word| word.size);
        Self { pieces, angle, column, x, right, y, size, is_furniture }
    }

    /// Its words from left to right.
    pub fn words(&self) -> impl Iterator<Item = &PieceWord> {
        self.pieces.iter().flat_map(|piece| &piece.words)
    }

    /// The first word.
    pub fn first_word(&self) -> &str {
        self.words().next().map_or("", |word| &word.text)
    }

    /// The last word.
    pub fn last_word(&self) -> &str {
        self.words().last().map_or("", |word| &word.text)
    }

    /// Its bytes without white space.
    pub fn len(&self) -> usize {
        self.words().map(|word| word.text.len()).sum()
    }
}

/// The lines of a column from top to bottom. Furniture has lines of its own.
pub(super) fn lines(mut column: Vec<TextPiece>, angle: i16, number: usize, budget: &Budget<'_>) -> Vec<PrintedLine> {
    column.sort_by(|a, b| a.y.total_cmp(&b.y).then(a.x.total_cmp(&b.x)));
    let mut lines: Vec<Vec<TextPiece>> = Vec::new();
    for piece in column {
        budget.look();
        let is_on = |line: &Vec<TextPiece>| {
            let near = |other: &TextPiece| piece.y - other.y < 0.4 * other.size.min(piece.size);
            let is_beside = |other: &TextPiece| {
                piece.x >= other.right - 0.2 * piece.size || piece.right <= other.x + 0.2 * piece.size
            };
            near(&line[0])
                && line.iter().rev().take(PIECES_LOOKED_AT).all(is_beside)
                && line[0].is_furniture == piece.is_furniture
        };
        match lines.iter_mut().rev().take(3).find(|line| is_on(line)) {
            Some(line) => line.push(piece),
            None => lines.push(vec![piece]),
        }
    }
    lines.into_iter().map(|line| PrintedLine::of(line, angle, number)).collect()
}

/// What is usual in a document.
pub(super) struct PrintStyle {
    /// The size of most of its text.
    pub size: f32,
    inks: Inks,
}

impl PrintStyle {
    /// The style of all lines.
    pub fn of<'a>(lines: impl Iterator<Item = &'a PrintedLine>, inks: Inks) -> Self {
        let mut sizes: HashMap<u32, usize> = HashMap::new();
        for word in lines.filter(|line| !line.is_furniture).flat_map(PrintedLine::words) {
            *sizes.entry(half_points(word.size)).or_default() += word.text.len();
        }
        let size =
            sizes.into_iter().max_by_key(|&(size, bytes)| (bytes, size)).map_or(10.0, |(size, _)| size as f32 / 2.0);
        Self { size, inks }
    }

    /// Whether lines are in bold type.
    pub fn is_bold(&self, lines: &[PrintedLine]) -> bool {
        let words = || lines.iter().flat_map(PrintedLine::words).filter(|word| word.ink > 0.0);
        let ink: f32 = words().map(|word| word.ink).sum();
        let usual = |c: char| self.inks.get(&c).map_or(0.0, |&(sum, count)| sum / count as f32);
        let usual: f32 = words().flat_map(|word| word.text.chars()).map(usual).sum();
        ink > BOLD_MIN * usual && usual > 0.0
    }
}

/// A size in half points, so that rounding makes no difference.
pub(super) fn half_points(size: f32) -> u32 {
    (2.0 * size).round() as u32
}

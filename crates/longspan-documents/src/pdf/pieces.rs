//! Glyphs → words → pieces: words that stand beside each other on a baseline.
//!
//! 1. A glyph that is drawn twice at one place, for boldness or as a shadow, counts once.
//! 2. A raised or lowered glyph beside a larger one, such as the mark of a footnote, is put on the baseline of that one. If it
//!    is a digit, it is the raised or lowered one.
//! 3. On a baseline, from left to right, a gap of up to 0.17 em continues a word, one of up to 0.6 em is a space, and a larger
//!    one begins another piece. Of one column, pieces that are up to 1.1 em apart are joined later. Where the letters of a
//!    whole piece are apart, its usual gap is no space.

use std::collections::HashMap;

use hayro_interpret::hayro_cmap::BfString;
use unicode_bidi::{BidiClass, bidi_class};

use super::budget::Budget;
use super::glyphs::TextGlyph;
use crate::shift::{BaselineShift, ShiftedText};

/// The widest gap within a word, in em.
const LETTER_GAP_MAX: f32 = 0.17;
/// The widest gap within a piece, in em: first where columns are to be found, which may stand close together, then in a line
/// of a column.
const NARROW_GAP_MAX: f32 = 0.6;
const WORD_GAP_MAX: f32 = 1.1;
/// The least that a space must move the text on to be one, in em.
const SPACE_MIN: f32 = 0.08;
/// Glyphs of one text that are apart by at most so much are one glyph, in em and in points.
const DOUBLE_EM: f32 = 0.15;
const DOUBLE_POINTS: f32 = 2.0;
/// How large the letters of raised and lowered text are, and how far they stand above or below the baseline, in em of the
/// text around.
const SHIFTED_SIZES: std::ops::Range<f32> = 0.5..0.85;
const RAISED_MIN: f32 = 0.2;
const LOWERED_MIN: f32 = 0.08;
/// Glyphs of a raised or lowered text. More of them are a line beside a large letter.
const SHIFTED_GLYPHS_MAX: usize = 12;

/// A word in the frame of the angle of its text.
#[derive(Debug, Clone, Default)]
pub(super) struct PieceWord {
    /// Its characters from left to right.
    pub text: String,
    pub x: f32,
    pub right: f32,
    /// The baseline.
    pub y: f32,
    pub size: f32,
    /// The sum of the ink of its glyphs, but for raised and lowered digits.
    pub ink: f32,
    /// Whether it is not shown.
    pub is_hidden: bool,
    /// Whether the file says that it is no part of the text.
    pub is_artifact: bool,
}

/// Words that stand beside each other.
#[derive(Debug, Clone, Default)]
pub(super) struct TextPiece {
    pub words: Vec<PieceWord>,
    pub x: f32,
    pub right: f32,
    /// The baseline.
    pub y: f32,
    /// The size of the largest word.
    pub size: f32,
    /// Whether it stands beside the text, as a page number.
    pub is_furniture: bool,
}

impl TextPiece {
    /// Its words with spaces between them.
    pub fn text(&self) -> String {
        self.words.iter().map(|word| word.text.as_str()).collect::<Vec<_>>().join(" ")
    }

    /// Joins pieces of a line that stand close together. They come from left to right.
    pub fn joined(pieces: Vec<Self>) -> Vec<Self> {
        let mut joined: Vec<Vec<PieceWord>> = Vec::new();
        let mut right = f32::MIN;
        for piece in pieces {
            match joined.last_mut() {
                Some(words) if piece.x - right <= WORD_GAP_MAX * piece.size => words.extend(piece.words),
                _ => joined.push(piece.words),
            }
            right = piece.right;
        }
        joined.into_iter().map(Self::of).collect()
    }

    fn of(words: Vec<PieceWord>) -> Self {
        let x = words.iter().map(|word| word.x).fold(f32::MAX, f32::min);
        let right = words.iter().map(|word| word.right).fold(f32::MIN, f32::max);
        let size = words.iter().map(|word| word.size).fold(0.0, f32::max);
        let y = words[0].y;
        let is_furniture = words.iter().all(|word| word.is_artifact);
        Self { words, x, right, y, size, is_furniture }
    }
}

/// The pieces of the glyphs of one angle, which come in the order of the file.
pub(super) fn pieces(mut glyphs: Vec<TextGlyph>, budget: &Budget<'_>) -> Vec<TextPiece> {
    drop_doubles(&mut glyphs);
    level(&mut glyphs);
    glyphs.sort_by(|a, b| a.y.total_cmp(&b.y));
    let mut pieces = Vec::new();
    let mut start = 0;
    while start < glyphs.len() {
        budget.look();
        let mut end = start + 1;
        while let Some(glyph) = glyphs.get(end) {
            let step = glyph.y - glyphs[end - 1].y;
            if step > 0.2 * glyph.size || glyph.y - glyphs[start].y > 0.5 * glyph.size {
                break;
            }
            end += 1;
        }
        let line = &mut glyphs[start..end];
        line.sort_by(|a, b| a.x.total_cmp(&b.x));
        line.chunk_by(|a, b| b.x - (a.x + a.width) <= NARROW_GAP_MAX * em(a, b)).for_each(|glyphs| {
            let words = words(glyphs);
            if !words.is_empty() {
                pieces.push(TextPiece::of(words));
            }
        });
        start = end;
    }
    pieces
}

/// Removes glyphs that are drawn again where they are.
fn drop_doubles(glyphs: &mut Vec<TextGlyph>) {
    let cell = |at: f32| (at / DOUBLE_POINTS).floor() as i32;
    let mut seen: HashMap<(char, i32, i32), (f32, f32)> = HashMap::new();
    glyphs.retain(|glyph| {
        let Some(c) = first(&glyph.text) else { return false };
        let near = (DOUBLE_EM * glyph.size).min(DOUBLE_POINTS);
        let (x, y) = (glyph.x, glyph.y);
        for column in cell(x - near)..=cell(x + near) {
            for row in cell(y - near)..=cell(y + near) {
                if let Some((other_x, other_y)) = seen.get(&(c, column, row))
                    && (x - other_x).abs() < near
                    && (y - other_y).abs() < near
                {
                    return false;
                }
            }
        }
        seen.insert((c, cell(x), cell(y)), (x, y));
        true
    });
}

/// Puts raised and lowered glyphs on the baseline of the larger one that they stand beside in the order of the file.
fn level(glyphs: &mut [TextGlyph]) {
    let baselines: Vec<f32> = glyphs.iter().map(|glyph| glyph.y).collect();
    for index in 1..glyphs.len() {
        let (last, glyph) = (&glyphs[index - 1], &glyphs[index]);
        // What follows a raised glyph is raised by as much.
        let follows = last.y != baselines[index - 1] && (glyph.y - baselines[index - 1]).abs() < 0.02 * glyph.size;
        if is_beside(last, glyph) && (follows || is_raised(glyph, last)) {
            let shift = if follows { last.shift } else { shift(glyph, last) };
            (glyphs[index].y, glyphs[index].shift) = (last.y, shift);
        }
    }
    for index in (1..glyphs.len()).rev() {
        let (last, glyph) = (&glyphs[index - 1], &glyphs[index]);
        let follows = glyph.y != baselines[index] && (last.y - baselines[index]).abs() < 0.02 * last.size;
        if is_beside(last, glyph) && (follows || is_raised(last, glyph)) {
            let shift = if follows { glyph.shift } else { shift(last, glyph) };
            (glyphs[index - 1].y, glyphs[index - 1].shift) = (glyph.y, shift);
        }
    }
    let is_long = |glyphs: &&mut [TextGlyph]| glyphs.len() > SHIFTED_GLYPHS_MAX;
    let shifted = glyphs.chunk_by_mut(|one, next| one.shift == next.shift);
    shifted.filter(is_long).flatten().for_each(|glyph| glyph.shift = None);
}

/// Whether a glyph follows another one closely, on whatever baseline.
fn is_beside(left: &TextGlyph, right: &TextGlyph) -> bool {
    (right.x - left.x - left.width).abs() < 0.25 * left.size.max(right.size)
}

/// Whether a glyph is smaller than another one, and a little higher or lower.
fn is_raised(small: &TextGlyph, large: &TextGlyph) -> bool {
    let step = (small.y - large.y).abs();
    small.size < 0.9 * large.size && (0.02 * large.size..0.6 * large.size).contains(&step)
}

/// How a glyph that is a little higher or lower than a larger one is printed, if its size and its place both say so.
fn shift(small: &TextGlyph, large: &TextGlyph) -> Option<BaselineShift> {
    let rise = (large.y - small.y) / large.size;
    match () {
        () if !SHIFTED_SIZES.contains(&(small.size / large.size)) => None,
        () if rise >= RAISED_MIN => Some(BaselineShift::Raised),
        () if rise <= -LOWERED_MIN => Some(BaselineShift::Lowered),
        () => None,
    }
}

/// The words of glyphs from left to right.
fn words(glyphs: &[TextGlyph]) -> Vec<PieceWord> {
    let letter_gap_max = letter_gap_max(glyphs);
    let mut words: Vec<PieceWord> = Vec::new();
    let mut space: Option<&TextGlyph> = None;
    let mut last: Option<&TextGlyph> = None;
    let mut shifted: Option<ShiftedText> = None;
    for glyph in glyphs {
        if is_space(glyph) {
            space = Some(glyph);
            continue;
        }
        let is_apart = last.is_none_or(|last| {
            let em = em(last, glyph);
            let is_space = space.is_some_and(|space| glyph.x - space.x > SPACE_MIN * em);
            is_space || glyph.x - (last.x + last.width) > letter_gap_max * em
        });
        if is_apart {
            let (is_hidden, is_artifact) = (glyph.is_hidden, glyph.is_artifact);
            let word =
                PieceWord { x: glyph.x, right: glyph.x, y: glyph.y, is_hidden, is_artifact, ..PieceWord::default() };
            words.push(word);
        }
        let Some(word) = words.last_mut() else { continue };
        if is_apart || last.is_none_or(|last| last.shift != glyph.shift) {
            shifted = glyph.shift.map(ShiftedText::new);
        }
        match (&mut shifted, &glyph.text) {
            // Letters are taken one by one: whether they are of a word is not known.
            (Some(shifted), BfString::Char(c)) if !c.is_alphabetic() => {
                word.text.push_str(&shifted.take(c.encode_utf8(&mut [0; 4])));
            }
            (_, text) => {
                push(&mut word.text, text);
                word.ink += glyph.ink;
            }
        }
        word.right = word.right.max(glyph.x + glyph.width);
        word.size = word.size.max(glyph.size);
        word.is_hidden &= glyph.is_hidden;
        word.is_artifact &= glyph.is_artifact;
        (space, last) = (None, Some(glyph));
    }
    words
}

/// The widest gap within a word, in em, where letters may be apart.
fn letter_gap_max(glyphs: &[TextGlyph]) -> f32 {
    let gap = |pair: &[TextGlyph]| (pair[1].x - pair[0].x - pair[0].width) / em(&pair[0], &pair[1]);
    let is_letter = |glyph: &TextGlyph| first(&glyph.text).is_some_and(char::is_alphanumeric);
    let letters = |pair: &&[TextGlyph]| is_letter(&pair[0]) && is_letter(&pair[1]);
    let mut gaps: Vec<f32> = glyphs.windows(2).filter(letters).map(gap).collect();
    if gaps.len() < 4 {
        return LETTER_GAP_MAX;
    }
    gaps.sort_by(f32::total_cmp);
    LETTER_GAP_MAX.max(1.5 * gaps[gaps.len() / 2])
}

fn em(left: &TextGlyph, right: &TextGlyph) -> f32 {
    0.5 * (left.size + right.size)
}

fn is_space(glyph: &TextGlyph) -> bool {
    match &glyph.text {
        BfString::Char(c) => c.is_whitespace(),
        BfString::String(text) => text.chars().all(char::is_whitespace),
    }
}

fn first(text: &BfString) -> Option<char> {
    match text {
        BfString::Char(c) => Some(*c),
        BfString::String(text) => text.chars().next(),
    }
}

/// Adds the text of a glyph. Characters of a word stand from left to right; a glyph of several letters that are read from
/// right to left has them in the order of reading.
fn push(word: &mut String, text: &BfString) {
    match text {
        BfString::Char(c) => word.push(*c),
        BfString::String(text) if text.chars().any(is_right_to_left) => word.extend(text.chars().rev()),
        BfString::String(text) => word.extend(text.chars().filter(|c| !c.is_whitespace())),
    }
}

/// Whether a character belongs to a script that is read from right to left.
pub(super) fn is_right_to_left(c: char) -> bool {
    matches!(bidi_class(c), BidiClass::R | BidiClass::AL)
}

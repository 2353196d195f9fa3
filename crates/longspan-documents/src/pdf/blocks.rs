//! Printed lines → blocks: paragraphs, items of lists, headings, the cells of tables.

use std::collections::HashMap;

use super::bidi;
use super::budget::Budget;
use super::lines::{PrintStyle, PrintedLine, half_points};
use super::marker::{depth, is_marker};
use super::pieces::{PieceWord, TextPiece};
use super::tables::{Edges, TableRows, table};
use crate::BlockKind;

/// Type of a heading is so much larger than usual.
const HEADING_SIZE: f32 = 1.12;
/// A heading has at most so many lines and bytes.
const HEADING_LINES_MAX: usize = 3;
const HEADING_BYTES_MAX: usize = 200;
/// Lines that are farther apart than usual by this factor are of two paragraphs.
const GAP: f32 = 1.3;
/// Levels of headings.
const LEVELS: u8 = 6;
/// Lines among which the end of a table is looked for.
const TABLE_LINES_MAX: usize = 2000;

/// A block with its lines, words in the order of reading.
#[derive(Debug)]
pub(super) struct PrintedBlock {
    pub kind: BlockKind,
    /// Degrees by which it is turned clockwise.
    pub angle: i16,
    pub lines: Vec<Vec<PieceWord>>,
    /// What a heading is compared by: its size in half points, and whether it is bold.
    look: (u32, bool),
}

impl PrintedBlock {
    /// Its last word.
    pub fn last_word(&self) -> &str {
        self.lines.last().and_then(|line| line.last()).map_or("", |word| &word.text)
    }

    /// Its first word.
    pub fn first_word(&self) -> &str {
        self.lines.first().and_then(|line| line.first()).map_or("", |word| &word.text)
    }
}

/// The blocks of the lines of a page.
pub(super) fn blocks(lines: &[PrintedLine], style: &PrintStyle, budget: &Budget<'_>) -> Vec<PrintedBlock> {
    let mut blocks = Vec::new();
    let mut rest = lines;
    let looks = column_looks(lines);
    while let Some(first) = rest.first() {
        budget.look();
        let is_same = |line: &PrintedLine| {
            (line.column, line.angle, line.is_furniture) == (first.column, first.angle, first.is_furniture)
        };
        let column = rest.iter().take(TABLE_LINES_MAX).take_while(|line| is_same(line)).count();
        if first.is_furniture {
            blocks.push(block(BlockKind::Furniture, &rest[..1]));
            rest = &rest[1..];
        } else if let Some(table) = table(&rest[..column], budget) {
            cells(&rest[..table.lines], &table, &mut blocks);
            rest = &rest[table.lines..];
        } else {
            let end = (1..rest.len()).find(|&next| {
                let starts_table = || {
                    rest[next].pieces.len() > 1 && {
                        let column = rest[next..].iter().take(TABLE_LINES_MAX).take_while(|line| is_same(line)).count();
                        table(&rest[next..next + column], budget).is_some()
                    }
                };
                !is_same_block(&rest[..next], &rest[next], &looks, style) || starts_table()
            });
            let (own, below) = rest.split_at(end.unwrap_or(rest.len()));
            blocks.push(text_block(own, style));
            rest = below;
        }
    }
    blocks
}

/// What a column is like.
struct ColumnLook {
    left: f32,
    right: f32,
    /// The usual distance of baselines.
    pitch: f32,
}

/// How the columns of a page look, by their numbers.
fn column_looks(lines: &[PrintedLine]) -> HashMap<usize, ColumnLook> {
    let mut looks = HashMap::new();
    for column in lines.chunk_by(|a, b| a.column == b.column) {
        let sorted = |of: &dyn Fn(&PrintedLine) -> f32| {
            let mut all: Vec<f32> = column.iter().map(of).collect();
            all.sort_by(f32::total_cmp);
            all
        };
        let (lefts, rights) = (sorted(&|line: &PrintedLine| line.x), sorted(&|line: &PrintedLine| line.right));
        let mut pitches: Vec<f32> =
            column.windows(2).map(|pair| pair[1].y - pair[0].y).filter(|&pitch| pitch > 0.0).collect();
        pitches.sort_by(f32::total_cmp);
        // Of the pitches, those within paragraphs are the smaller half.
        let pitch = pitches.get(pitches.len() * 2 / 5).copied().unwrap_or(0.0);
        let look =
            ColumnLook { left: lefts[lefts.len() / 10], right: rights[rights.len() - 1 - rights.len() / 10], pitch };
        looks.insert(column[0].column, look);
    }
    looks
}

/// Whether a line goes on with the paragraph of the lines above it.
fn is_same_block(
    above: &[PrintedLine],
    line: &PrintedLine,
    looks: &HashMap<usize, ColumnLook>,
    style: &PrintStyle,
) -> bool {
    let Some(last) = above.last() else { return false };
    if line.is_furniture || line.angle != last.angle || (line.size - last.size).abs() > 0.12 * last.size {
        return false;
    }
    let ends = ends_sentence(last.last_word());
    let starts_lower = line.first_word().starts_with(char::is_lowercase);
    if line.column != last.column {
        return !ends && starts_lower;
    }
    let Some(look) = looks.get(&line.column) else { return false };
    let pitch = line.y - last.y;
    let usual = look.pitch.clamp(0.9 * line.size, 1.9 * line.size);
    if pitch > GAP * usual || pitch < 0.0 {
        return false;
    }
    let is_moved = (line.x - last.x).abs() > 0.5 * line.size;
    let first_width = line.words().next().map_or(0.0, |word| word.right - word.x);
    let would_fit = look.right - last.right > first_width + 1.2 * line.size;
    if is_marker(line.first_word())
        && (would_fit || ends || (is_moved && !starts_lower))
        && !starts_lower_marker(line, last)
    {
        return false;
    }
    let is_indented = line.x > look.left + 0.8 * line.size && line.x > last.x + 0.8 * line.size;
    let hangs = above.len() == 1 && is_marker(last.first_word());
    if is_indented && ends && !hangs && !starts_lower {
        return false;
    }
    if would_fit && ends && !starts_lower {
        return false;
    }
    // A heading right above its text.
    style.is_bold(std::slice::from_ref(last)) == style.is_bold(std::slice::from_ref(line)) || !would_fit
}

/// Whether a marker at the start of a line is a part of the sentence before it, such as a number.
fn starts_lower_marker(line: &PrintedLine, last: &PrintedLine) -> bool {
    let second = line.words().nth(1).map_or("", |word| &word.text);
    let is_sentence = !ends_sentence(last.last_word()) && !last.last_word().ends_with([';', ':', ',']);
    is_sentence && second.starts_with(char::is_lowercase) && !matches!(last.last_word(), "and" | "or")
}

/// Whether a sentence ends with a word.
pub(super) fn ends_sentence(word: &str) -> bool {
    let word = word.trim_end_matches(['"', '”', '’', '\'', ')', ']', '»']);
    word.ends_with(['.', '!', '?', ':', ';', '。', '！', '？'])
}

fn block(kind: BlockKind, lines: &[PrintedLine]) -> PrintedBlock {
    let words = |line: &PrintedLine| {
        let mut words: Vec<PieceWord> = line.words().cloned().collect();
        bidi::in_order(&mut words);
        words
    };
    PrintedBlock { kind, angle: lines[0].angle, lines: lines.iter().map(words).collect(), look: (0, false) }
}

/// A paragraph, item of a list, or heading.
fn text_block(lines: &[PrintedLine], style: &PrintStyle) -> PrintedBlock {
    let size = lines.iter().map(|line| line.size).fold(0.0, f32::max);
    let is_bold = style.is_bold(lines);
    let first = lines[0].first_word();
    let is_heading = lines.len() <= HEADING_LINES_MAX
        && lines.iter().map(PrintedLine::len).sum::<usize>() <= HEADING_BYTES_MAX
        && lines
            .iter()
            .flat_map(PrintedLine::words)
            .flat_map(|word| word.text.chars())
            .filter(|c| c.is_alphabetic())
            .count()
            > 2
        && !lines[lines.len() - 1].last_word().ends_with([',', ';'])
        && (size >= HEADING_SIZE * style.size
            || (is_bold && size > 0.85 * style.size)
            || is_title(lines)
            || is_numbered_title(lines));
    let kind = match () {
        () if is_heading => BlockKind::Heading(1),
        () if is_marker(first) => BlockKind::ListItem,
        () => BlockKind::Paragraph,
    };
    PrintedBlock { look: (half_points(size), is_bold), ..block(kind, lines) }
}

/// Whether lines are a heading by their letters: `ARTICLE IV`, `3.2 RESULTS`.
fn is_title(lines: &[PrintedLine]) -> bool {
    let letters =
        || lines.iter().flat_map(PrintedLine::words).flat_map(|word| word.text.chars()).filter(|c| c.is_alphabetic());
    lines.len() == 1
        && (5..80).contains(&letters().count())
        && letters().all(char::is_uppercase)
        && lines[0].pieces.len() == 1
}

/// Whether lines are a heading by its number and its capitals: `3. Board Nomination and Other Matters.`
fn is_numbered_title(lines: &[PrintedLine]) -> bool {
    let words: Vec<&str> = lines[0].words().map(|word| word.text.as_str()).collect();
    let [number, first, middle @ ..] = words.as_slice() else { return false };
    let is_number = number.contains('.') && depth(number).is_some();
    let starts_upper = |word: &str| word.starts_with(char::is_uppercase);
    let long = || middle.iter().filter(|word| word.chars().count() > 3);
    let is_sentence = words[1..words.len() - 1].iter().any(|word| word.ends_with(['.', ',', ';', ':']));
    lines.len() == 1
        && words.len() <= 14
        && is_number
        && starts_upper(first)
        && !is_sentence
        && 3 * long().filter(|word| starts_upper(word)).count() >= 2 * long().count()
}

/// The cells of a table, row by row.
fn cells(lines: &[PrintedLine], table: &TableRows, blocks: &mut Vec<PrintedBlock>) {
    let TableRows { rows, columns, .. } = table;
    let mut columns = columns.clone();
    let is_in =
        |piece: &TextPiece, edges: &Edges| (edges.left..=edges.right).contains(&(0.5 * (piece.x + piece.right)));
    if bidi::runs_left(lines.iter().flat_map(PrintedLine::words)) {
        columns.reverse();
    }
    for (row, &start) in rows.iter().enumerate() {
        let lines = &lines[start..rows.get(row + 1).copied().unwrap_or(lines.len())];
        let mut pieces = lines.iter().flat_map(|line| &line.pieces);
        debug_assert!(pieces.all(|piece| columns.iter().any(|edges| is_in(piece, edges))), "{columns:?}");
        for (column, edges) in columns.iter().enumerate() {
            let cell = lines.iter().filter_map(|line| {
                let pieces = line.pieces.iter().filter(|piece| is_in(piece, edges));
                let mut words: Vec<PieceWord> = pieces.flat_map(|piece| &piece.words).cloned().collect();
                bidi::in_order(&mut words);
                (!words.is_empty()).then_some(words)
            });
            let kind = BlockKind::Cell { row: row as u32, column: column as u16 };
            blocks.push(PrintedBlock { kind, angle: lines[0].angle, lines: cell.collect(), look: (0, false) });
        }
    }
}

/// Gives the headings of a document their levels: the larger the higher, bold before others, numbers below each other.
pub(super) fn rank<'a>(blocks: impl Iterator<Item = &'a mut PrintedBlock>) {
    let mut headings: Vec<&mut PrintedBlock> =
        blocks.filter(|block| matches!(block.kind, BlockKind::Heading(_))).collect();
    let mut looks: Vec<(u32, bool)> = headings.iter().map(|heading| heading.look).collect();
    looks.sort_by(|a, b| b.cmp(a));
    looks.dedup();
    for heading in &mut headings {
        let rank = looks.iter().position(|look| *look == heading.look).unwrap_or(0);
        let deeper = depth(heading.first_word()).unwrap_or(1) - 1;
        heading.kind = BlockKind::Heading(u8::try_from(1 + rank + deeper).unwrap_or(LEVELS).min(LEVELS));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Limits;
    use crate::pdf::lines::lines;

    #[test]
    fn each_piece_of_a_table_is_in_a_cell() {
        let limits = Limits::default();
        let budget = Budget::new(&limits);
        let piece = |(text, x, right, y): (&str, f32, f32, f32)| {
            let word = PieceWord { text: text.into(), x, right, y, size: 10.0, ..PieceWord::default() };
            TextPiece { words: vec![word], x, right, y, size: 10.0, is_furniture: false }
        };
        // One piece has no width.
        let rows = [("Part", 20.0, 44.0, 10.0), ("Price", 120.0, 150.0, 10.0), ("Valve", 20.0, 50.0, 22.0)];
        let rest = [("7.00", 120.0, 144.0, 22.0), ("\u{301}", 200.0, 200.0, 22.0), ("Rod", 20.0, 38.0, 34.0)];
        let last = [("9.00", 120.0, 144.0, 34.0)];
        let pieces = rows.into_iter().chain(rest).chain(last).map(piece).collect();
        let lines = lines(pieces, 0, 0, &budget);
        let style = PrintStyle::of(lines.iter(), HashMap::new());
        let blocks = blocks(&lines, &style, &budget);
        let cells: Vec<&str> = blocks.iter().map(PrintedBlock::first_word).collect();
        assert_eq!(cells, ["Part", "Price", "", "Valve", "7.00", "\u{301}", "Rod", "9.00", ""]);
    }
}

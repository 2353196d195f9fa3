//! Lines → tables: lines of a column whose pieces stand below each other.

use super::budget::Budget;
use super::lines::PrintedLine;
use super::marker::is_marker;

/// The left and right edge of a column.
#[derive(Debug, Clone, Copy)]
pub(super) struct Edges {
    pub left: f32,
    pub right: f32,
}

/// A table has at most so many columns.
const COLUMNS_MAX: usize = 64;

/// A table's rows, with the lines of each.
pub(super) struct TableRows {
    /// Lines of the column that the table takes.
    pub lines: usize,
    pub columns: Vec<Edges>,
    /// The first line of each row.
    pub rows: Vec<usize>,
}

/// The table with which lines of one column begin, if they do.
pub(super) fn table(lines: &[PrintedLine], budget: &Budget<'_>) -> Option<TableRows> {
    if lines.first()?.pieces.len() < 2 {
        return None;
    }
    // The columns of all lines so far, and those up to `end`.
    let (mut current, mut columns): (Vec<Edges>, Vec<Edges>) = Default::default();
    // Lines up to the last one with two pieces or more, and how many of these there are.
    let (mut end, mut full) = (0, 0);
    for (index, line) in lines.iter().enumerate() {
        budget.look();
        let is_far =
            index > end + 3 || (index > 0 && line.y - lines[index - 1].y > 4.0 * line.size.max(lines[index - 1].size));
        let Some(joined) = joined(&current, line).filter(|_| !is_far) else { break };
        current = joined;
        if line.pieces.len() > 1 {
            // The lines of one piece before it belong to the table too.
            (columns, end, full) = (current.clone(), index + 1, full + 1);
        }
    }
    let is_list = columns.len() == 2
        && lines[..end].iter().all(|line| {
            let first = &line.pieces[0];
            first.x >= columns[1].left || (first.words.len() == 1 && is_marker(&first.words[0].text))
        });
    (full >= 2 && !is_list).then(|| TableRows { lines: end, rows: rows(&lines[..end], &columns), columns })
}

/// The columns with the pieces of a line, if each piece has a column of its own.
fn joined(columns: &[Edges], line: &PrintedLine) -> Option<Vec<Edges>> {
    let mut joined = columns.to_vec();
    let mut own = Vec::new();
    for piece in &line.pieces {
        let mut touched =
            joined.iter().enumerate().filter(|(_, column)| column.left < piece.right && piece.x < column.right);
        match (touched.next().map(|(index, _)| index), touched.next().is_some()) {
            (_, true) => return None,
            (Some(index), false) if own.contains(&index) => return None,
            (Some(index), false) => {
                own.push(index);
                let Edges { left, right } = joined[index];
                joined[index] = Edges { left: left.min(piece.x), right: right.max(piece.right) };
            }
            (None, false) => {
                if joined.len() == COLUMNS_MAX {
                    return None;
                }
                own.push(joined.len());
                joined.push(Edges { left: piece.x, right: piece.right });
            }
        }
    }
    joined.sort_by(|a, b| a.left.total_cmp(&b.left));
    let is_apart = joined.windows(2).all(|pair| pair[0].right < pair[1].left);
    is_apart.then_some(joined)
}

/// The first line of each row: a line whose first cell is empty goes on with the row above it if it is near.
fn rows(lines: &[PrintedLine], columns: &[Edges]) -> Vec<usize> {
    let mut rows = vec![0];
    for (index, pair) in lines.windows(2).enumerate() {
        let is_first_empty = pair[1].x > columns[0].right;
        let is_near = pair[1].y - pair[0].y < 1.45 * pair[1].size.max(pair[0].size);
        if !(is_first_empty && is_near) {
            rows.push(index + 1);
        }
    }
    rows
}

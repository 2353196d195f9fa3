//! Pieces → columns in the order of reading.
//!
//! Where a gutter has prose on both sides, over three lines or more, the left side is read before the right one; what crosses
//! the gutter stands above or below. The parts are cut again. The cells of tables are no prose, so that rows stay rows.

use super::budget::Budget;
use super::pieces::TextPiece;

/// Lines that each side of a gutter must have.
const LINES_MIN: usize = 3;
/// How wide the median line of prose is at least: as a share of its column, and in em.
const SHARE_MIN: f32 = 0.6;
const EM_MIN: f32 = 8.0;
/// Cuts within cuts.
const DEPTH_MAX: usize = 16;
/// Gutters that are looked at for one cut.
const GUTTERS_MAX: usize = 64;
/// The narrowest gutter, in points: a page number may stand in the middle of a wider one.
const GUTTER_MIN: f32 = 1.0;

/// Puts pieces into columns, one after the other.
pub(super) fn columns(pieces: Vec<TextPiece>, budget: &Budget<'_>) -> Vec<Vec<TextPiece>> {
    let mut columns = Vec::new();
    cut(pieces, 0, &mut columns, budget);
    columns
}

fn cut(mut pieces: Vec<TextPiece>, depth: usize, columns: &mut Vec<Vec<TextPiece>>, budget: &Budget<'_>) {
    pieces.sort_by(|a, b| a.y.total_cmp(&b.y));
    let best = if depth < DEPTH_MAX { gutter(&pieces, budget) } else { None };
    let Some(Gutter { x, start, end, .. }) = best else {
        columns.push(pieces);
        return;
    };
    let below = pieces.split_off(end);
    let (left, right) = pieces.split_off(start).into_iter().partition(|piece| piece.x < x);
    for part in [pieces, left, right, below] {
        if !part.is_empty() {
            cut(part, depth + 1, columns, budget);
        }
    }
}

/// A gutter between pieces, which are sorted from top to bottom.
#[derive(Debug)]
struct Gutter {
    x: f32,
    /// The pieces beside it.
    start: usize,
    end: usize,
    /// Lines on the side that has fewer.
    lines: usize,
}

/// The gutter with the most lines beside it.
fn gutter(pieces: &[TextPiece], budget: &Budget<'_>) -> Option<Gutter> {
    if pieces.len() < 2 * LINES_MIN {
        return None;
    }
    let gutters = places(pieces).into_iter().inspect(|_| budget.look()).filter_map(|x| beside(pieces, x));
    gutters.max_by_key(|gutter| gutter.lines)
}

/// Where gutters may be: the middles of places that few pieces cross.
fn places(pieces: &[TextPiece]) -> Vec<f32> {
    let mut edges: Vec<(f32, i32)> = pieces.iter().flat_map(|piece| [(piece.x, 1), (piece.right, -1)]).collect();
    edges.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
    // Between a right edge and the next left edge fewer pieces cross than beside it.
    let mut places: Vec<(i32, f32)> = Vec::new();
    let mut crossing = 0;
    for pair in edges.windows(2) {
        crossing += pair[0].1;
        if pair[0].1 < 0 && pair[1].1 > 0 && pair[1].0 - pair[0].0 >= GUTTER_MIN {
            places.push((crossing, 0.5 * (pair[0].0 + pair[1].0)));
        }
    }
    places.sort_by_key(|place| place.0);
    places.truncate(GUTTERS_MAX);
    places.into_iter().map(|(_, x)| x).collect()
}

/// The longest run of pieces that do not cross a place and are prose on both sides.
fn beside(pieces: &[TextPiece], x: f32) -> Option<Gutter> {
    let mut best: Option<Gutter> = None;
    let mut start = 0;
    while start < pieces.len() {
        let crosses = |piece: &TextPiece| piece.x < x && piece.right > x;
        let end = pieces[start..].iter().position(crosses).map_or(pieces.len(), |length| start + length);
        let lines = |is_left: bool| prose_lines(pieces[start..end].iter().filter(|piece| (piece.x < x) == is_left));
        if let Some(left) = lines(true)
            && let Some(right) = lines(false)
            && best.as_ref().is_none_or(|best| best.lines < left.min(right))
        {
            best = Some(Gutter { x, start, end, lines: left.min(right) });
        }
        start = end + 1;
    }
    best
}

/// How many lines pieces have, if they are prose.
fn prose_lines<'a>(pieces: impl Iterator<Item = &'a TextPiece>) -> Option<usize> {
    // The left edge, right edge, baseline and size of each line.
    let mut lines: Vec<[f32; 4]> = Vec::new();
    for piece in pieces {
        match lines.last_mut() {
            Some([x, right, y, size]) if piece.y - *y < 0.5 * piece.size => {
                (*x, *right, *size) = (x.min(piece.x), right.max(piece.right), size.max(piece.size));
            }
            _ => lines.push([piece.x, piece.right, piece.y, piece.size]),
        }
    }
    if lines.len() < LINES_MIN {
        return None;
    }
    let left = lines.iter().map(|line| line[0]).fold(f32::MAX, f32::min);
    let right = lines.iter().map(|line| line[1]).fold(f32::MIN, f32::max);
    let mut widths: Vec<(f32, f32)> = lines.iter().map(|line| (line[1] - line[0], line[3])).collect();
    widths.sort_by(|a, b| a.0.total_cmp(&b.0));
    let (width, size) = widths[widths.len() / 2];
    (width >= SHARE_MIN * (right - left) && width >= EM_MIN * size).then_some(lines.len())
}

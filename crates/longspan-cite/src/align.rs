//! The alignment of a quotation with a region of a text: which words agree, and which were changed, put in or left out.
//!
//! ```text
//! best(i, j)  = the best score of the first i units of the quotation that ends at unit j of the text:
//!     0                                             where i = 0: the region is free at both ends
//!     best(i-1, j-1) + weight, or - cost            two units that agree, or that stand for each other
//!     best(i-1, j) - cost                           a unit that the text lacks
//!     skip(i, j)                                    units that the quotation lacks
//! skip(i, j)  = max(best(i, j-1) - open, skip(i, j-1)) - cost
//! ```
//!
//! The two recurrences are Gotoh's (1982). Only cells near a diagonal are computed where there would be too many, and none
//! where even these are too many.

use std::ops::Range;

use crate::compare::Work;
use crate::units::Unit;

/// So many cells are computed without a band.
const UNBANDED_CELLS_MAX: usize = 1 << 21;
/// Units to either side of the diagonals in a band.
const BAND_UNITS: usize = 160;
/// Most cells of a band.
const CELLS_MAX: usize = 1 << 25;
/// So many cells take the time of one sign that is compared.
const CELLS_OF_SIGN: u64 = 8;

/// What a step of an alignment does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// Two units that agree but for case.
    Agree,
    /// Two units that differ.
    Change,
    /// A unit of the quotation alone.
    Quotation,
    /// A unit of the text alone.
    Text,
}

/// The steps from the first unit of a quotation to the last one.
#[derive(Debug)]
pub(crate) struct Alignment {
    pub score: i32,
    /// The units of the text that it covers.
    pub text: Range<usize>,
    pub steps: Vec<Step>,
}

/// The letters of the text at which the quotation may begin.
pub(crate) struct Diagonals {
    pub first: i64,
    pub last: i64,
}

const IMPOSSIBLE: i32 = i32::MIN / 2;

const FROM_START: u8 = 0;
const FROM_BOTH: u8 = 1;
const FROM_QUOTATION: u8 = 2;
const FROM_SKIP: u8 = 3;
const OPENS: u8 = 4;

struct Cell {
    best: i32,
    skip: i32,
}

/// The best alignment of all of a quotation with some of a text. `None` if no unit agrees, or the work is at its end.
pub(crate) fn align(quotation: &[Unit], text: &[Unit], near: &Diagonals, work: &mut Work) -> Option<Alignment> {
    let rows = rows(quotation, text, near, work)?;
    let offsets: Vec<usize> = rows
        .iter()
        .scan(0, |sum, row| {
            let start = *sum;
            *sum += row.len();
            Some(start)
        })
        .collect();
    let cells: usize = rows.iter().map(ExactSizeIterator::len).sum();
    let mut trace = vec![FROM_START; cells];
    let mut above: Vec<Cell> = rows[0].clone().map(|_| Cell { best: 0, skip: IMPOSSIBLE }).collect();
    for (i, unit) in quotation.iter().enumerate() {
        let (before, own) = (&rows[i], &rows[i + 1]);
        let upper = |j: usize| if before.contains(&j) { above[j - before.start].best } else { IMPOSSIBLE };
        let mut row: Vec<Cell> = Vec::with_capacity(own.len());
        for j in own.clone() {
            let (mut best, mut from) = (upper(j) - cost(unit), FROM_QUOTATION);
            if j > 0 {
                let both = upper(j - 1).saturating_add(pair(unit, &text[j - 1]));
                if both >= best {
                    (best, from) = (both, FROM_BOTH);
                }
            }
            let left = row.last().map_or((IMPOSSIBLE, IMPOSSIBLE), |cell| (cell.best - 3, cell.skip));
            let opens = left.0 > left.1;
            let skip = if j > 0 { left.0.max(left.1) - skip_cost(&text[j - 1]) } else { IMPOSSIBLE };
            if skip > best {
                (best, from) = (skip, FROM_SKIP);
            }
            trace[offsets[i + 1] + j - own.start] = from | if opens { OPENS } else { 0 };
            row.push(Cell { best: best.max(IMPOSSIBLE), skip: skip.max(IMPOSSIBLE) });
        }
        above = row;
    }
    let last = &rows[quotation.len()];
    let (score, end) =
        last.clone().map(|j| (above[j - last.start].best, j)).max_by_key(|&(score, j)| (score, usize::MAX - j))?;
    (score > 0).then(|| {
        let at = |i: usize, j: usize| trace[offsets[i] + j - rows[i].start];
        let (start, steps) = steps_back(quotation, text, end, &at);
        Alignment { score, text: start..end, steps }
    })
}

fn steps_back(quotation: &[Unit], text: &[Unit], end: usize, at: &dyn Fn(usize, usize) -> u8) -> (usize, Vec<Step>) {
    let (mut i, mut j, mut steps) = (quotation.len(), end, Vec::new());
    while i > 0 {
        match at(i, j) & !OPENS {
            FROM_BOTH => {
                let agree = quotation[i - 1].lower == text[j - 1].lower;
                steps.push(if agree { Step::Agree } else { Step::Change });
                (i, j) = (i - 1, j - 1);
            }
            FROM_QUOTATION => {
                steps.push(Step::Quotation);
                i -= 1;
            }
            _ => {
                while at(i, j) & OPENS == 0 {
                    steps.push(Step::Text);
                    j -= 1;
                }
                steps.push(Step::Text);
                j -= 1;
            }
        }
    }
    steps.reverse();
    (j, steps)
}

/// For each number of units of the quotation the ends in the text that are computed. `None` if these are more than the work
/// that is left, all of which is taken then.
fn rows(quotation: &[Unit], text: &[Unit], near: &Diagonals, work: &mut Work) -> Option<Vec<Range<usize>>> {
    let units = text.len() + 1;
    let at = |letters: i64| text.partition_point(|unit| i64::from(unit.letters) < letters);
    let (first, last) = (at(near.first).saturating_sub(BAND_UNITS), at(near.last) + BAND_UNITS + 1);
    let is_banded = (quotation.len() + 1).saturating_mul(units) > UNBANDED_CELLS_MAX;
    let row = |i: usize| match is_banded {
        true => (first + i).min(units - 1)..(last + i).min(units),
        false => 0..units,
    };
    let cells: usize = (0..=quotation.len()).map(|i| row(i).len()).sum();
    let cost = if cells > CELLS_MAX { u64::MAX } else { cells as u64 / CELLS_OF_SIGN };
    work.spend(cost).then(|| (0..=quotation.len()).map(row).collect())
}

/// Whether a unit only shows that something was left out.
pub(crate) fn is_elision(unit: &Unit) -> bool {
    unit.folded == "…"
}

fn cost(unit: &Unit) -> i32 {
    match unit {
        unit if is_elision(unit) => 0,
        unit if unit.is_word => 3,
        _ => 1,
    }
}

fn skip_cost(unit: &Unit) -> i32 {
    i32::from(unit.is_word)
}

/// What two units add to the score if they stand for each other.
fn pair(quotation: &Unit, text: &Unit) -> i32 {
    if quotation.lower == text.lower {
        quotation.weight
    } else if quotation.is_word != text.is_word {
        IMPOSSIBLE
    } else if !quotation.is_word {
        -1
    } else if are_similar(&quotation.lower, &text.lower) {
        0
    } else {
        -2
    }
}

/// Whether two words have most of their letters in common, at both ends.
pub(crate) fn are_similar(one: &str, other: &str) -> bool {
    if one.bytes().next() != other.bytes().next() && one.bytes().next_back() != other.bytes().next_back() {
        return false; // neither the first letters agree nor the last ones
    }
    let start = one.chars().zip(other.chars()).take_while(|(a, b)| a == b).count();
    let (short, long) =
        (one.chars().count().min(other.chars().count()), one.chars().count().max(other.chars().count()));
    let ends =
        one.chars().rev().zip(other.chars().rev()).take(short - start.min(short)).take_while(|(a, b)| a == b).count();
    3 * (start + ends) >= 2 * long
}

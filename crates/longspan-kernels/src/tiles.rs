//! The left operand of a product: [`Tiles`] of A.
//!
//! Rows stand in slabs of R, what a product works on at once, and in a slab line by line of the reduced index, which is
//! padded with zeros to whole lines, so that a product has no remainder there:
//!
//! ```text
//! (slabs, lines, R rows, 16 groups)
//! ```

use std::ops::Range;

use rten_simd::Isa as Token;

use crate::arithmetic::{Arithmetic, Precision};
use crate::format::{Format, FormatOp, LINE, Scale, scale_of};
use crate::matrix::Matrix;
use crate::packing::{PackedGroups, check_k, pair};

/// The left operand A (M, K) of a product. One can be filled again and again, in the same memory.
#[derive(Debug, Clone)]
pub struct Tiles {
    arithmetic: Arithmetic,
    groups: PackedGroups, // (slabs, steps, R, 16)
    rows: usize,
    k: usize,
    scales: Vec<Scale>, // (blocks of K, M); int8 only
    row: Vec<f32>,      // (padded K)
}

impl Tiles {
    /// Without rows.
    pub fn new(arithmetic: Arithmetic) -> Self {
        Self { arithmetic, groups: PackedGroups::default(), rows: 0, k: 0, scales: Vec::new(), row: Vec::new() }
    }

    /// How it is multiplied.
    pub fn arithmetic(&self) -> Arithmetic {
        self.arithmetic
    }

    /// Puts in the rows of `x`: (M, K).
    pub fn encode(&mut self, x: Matrix<'_>) {
        self.encode_with(x.rows(), x.columns(), |i, row| row.copy_from_slice(x.row(i)));
    }

    /// Puts in `rows` rows of `k` numbers, which `fill` writes one by one.
    pub fn encode_with(&mut self, rows: usize, k: usize, fill: impl FnMut(usize, &mut [f32])) {
        self.resize(rows, k);
        self.row.clear();
        self.row.resize(k.next_multiple_of(self.arithmetic.step()), 0.0);
        self.arithmetic.run(EncodeTiles { tiles: self, fill });
    }

    /// Puts in rows of groups that were encoded before: (M, K / group).
    ///
    /// # Panics
    /// In int8, whose rows need scales.
    pub fn copy(&mut self, x: Matrix<'_, i32>) {
        self.resize(x.rows(), x.columns() * self.group_of_floats());
        let r = self.arithmetic.tile_rows();
        for i in 0..x.rows() {
            let mut line = self.row_at(i);
            let (whole, rest) = x.row(i).as_chunks::<LINE>();
            for groups in whole {
                self.groups[line..line + LINE].copy_from_slice(groups);
                line += r * LINE;
            }
            if !rest.is_empty() {
                self.groups[line..line + rest.len()].copy_from_slice(rest);
                self.groups[line + rest.len()..line + LINE].fill(0);
            }
        }
    }

    /// Puts in the transpose of rows of groups that were encoded before: `x` is (K, M / group), A is (M, K).
    ///
    /// # Panics
    /// In int8, whose rows need scales.
    pub fn copy_transposed(&mut self, x: Matrix<'_, i32>) {
        let group = self.group_of_floats();
        self.resize(x.columns() * group, x.rows());
        let arithmetic = self.arithmetic;
        arithmetic.run(Transpose { x, tiles: self });
    }

    /// Where the first group of a row stands.
    fn row_at(&self, i: usize) -> usize {
        let r = self.arithmetic.tile_rows();
        (i / r * self.steps() * r + i % r) * LINE
    }

    fn group_of_floats(&self) -> usize {
        assert_ne!(self.arithmetic.precision, Precision::Int8, "rows in int8 need scales");
        self.arithmetic.precision.group()
    }

    /// The operand made of the first `k` columns, behind which zeros stand.
    pub(crate) fn first_columns(&self, k: usize) -> TilesPart<'_> {
        assert!(k <= self.k, "{k} of {} columns", self.k);
        TilesPart { tiles: self, rows: 0..self.rows, k: 0..k }
    }

    /// Makes room for `rows` rows of `k` numbers, to be written line by line; what is there is left as it is.
    pub(crate) fn lines_mut(&mut self, rows: usize, k: usize) -> TilesMut<'_> {
        self.resize(rows, k);
        TilesMut { rows: self.arithmetic.tile_rows(), steps: self.steps(), groups: &mut self.groups }
    }

    /// Rows beyond the last are padding: their values do not matter, for their products are not stored.
    fn resize(&mut self, rows: usize, k: usize) {
        (self.rows, self.k) = (rows, k);
        let r = self.arithmetic.tile_rows();
        let slabs = rows.div_ceil(r);
        self.groups.resize(slabs * self.steps() * r * LINE);
        let blocks = k.div_ceil(self.arithmetic.k_block());
        if self.arithmetic.precision == Precision::Int8 {
            self.scales.clear();
            self.scales.resize(blocks * rows, Scale::NONE);
        }
    }

    fn steps(&self) -> usize {
        self.k.div_ceil(self.arithmetic.step())
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Number of columns: the reduced size.
    pub fn k(&self) -> usize {
        self.k
    }

    /// The whole operand.
    pub fn all(&self) -> TilesPart<'_> {
        self.part(0..self.rows, 0..self.k)
    }

    /// The operand made of these rows and columns of A.
    ///
    /// # Panics
    /// If the first row begins no slab, or the first column no line (in int8: no block of the reduced index).
    pub fn part(&self, rows: Range<usize>, k: Range<usize>) -> TilesPart<'_> {
        let r = self.arithmetic.tile_rows();
        assert!(rows.start <= rows.end && rows.end <= self.rows, "{rows:?} of {} rows", self.rows);
        assert_eq!(rows.start % r, 0, "row {} begins no slab of {r}", rows.start);
        check_k(self.arithmetic, &k, self.k);
        // Whole lines are multiplied: what stands behind the end must be the zeros behind the last column.
        assert!(k.end == self.k || k.end.is_multiple_of(self.arithmetic.step()), "{k:?} ends within a line");
        TilesPart { tiles: self, rows, k }
    }
}

/// A left operand that is written row by row in parts of lines.
pub(crate) struct TilesMut<'a> {
    groups: &'a mut [i32],
    /// Of a slab.
    rows: usize,
    /// Lines of a row.
    steps: usize,
}

impl TilesMut<'_> {
    /// Groups of row `i` from `first` on, within one line.
    #[inline(always)]
    pub fn part(&mut self, i: usize, first: usize, count: usize) -> &mut [i32] {
        let line = i / self.rows * self.steps * self.rows + first / LINE * self.rows + i % self.rows;
        &mut self.groups[line * LINE + first % LINE..][..count]
    }

    /// Groups of a row, padding among them.
    pub fn row_groups(&self) -> usize {
        self.steps * LINE
    }
}

struct EncodeTiles<'a, W> {
    tiles: &'a mut Tiles,
    fill: W,
}

impl<W: FnMut(usize, &mut [f32])> FormatOp for EncodeTiles<'_, W> {
    type Output = ();

    #[inline(always)]
    fn eval<I: Token, F: Format<I>>(mut self, isa: I, format: F) {
        let Tiles { arithmetic, groups, rows, k, scales, row } = self.tiles;
        let (r, step, block) = (arithmetic.tile_rows(), arithmetic.step(), arithmetic.k_block());
        let steps = k.div_ceil(step);
        for i in 0..*rows {
            (self.fill)(i, &mut row[..*k]);
            for (b, part) in row.chunks(block).enumerate() {
                let mut scale = Scale::NONE;
                if F::INTEGER {
                    scale = scale_of(part);
                    scales[b * *rows + i] = scale;
                }
                for (s, x) in part.chunks_exact(step).enumerate() {
                    let line = ((i / r * steps + b * (block / step) + s) * r + i % r) * LINE;
                    format.encode(isa, x, scale, &mut groups[line..line + LINE]);
                }
            }
        }
    }
}

struct Transpose<'a, 't> {
    x: Matrix<'a, i32>, // (K, M / group)
    tiles: &'t mut Tiles,
}

impl FormatOp for Transpose<'_, '_> {
    type Output = ();

    /// Squares of 16 by 16 groups: rows of groups along K, one for each column of numbers, become rows of a tile.
    #[inline(always)]
    fn eval<I: Token, F: Format<I>>(self, _: I, format: F) {
        let Self { x, tiles } = self;
        let line = tiles.arithmetic.tile_rows() * LINE; // from a line of a row to its next
        for s in 0..tiles.steps() {
            for column in (0..x.columns()).step_by(LINE) {
                // Numbers of GROUP rows of `x` stand together: (16 rows of groups, GROUP squares of 16)
                let mut squares = [[[0; LINE]; LINE]; 2];
                for k in 0..LINE {
                    let row = (s * LINE + k) * F::GROUP;
                    if row >= x.rows() {
                        break;
                    }
                    let low = line_of(&x.row(row)[column..]);
                    if F::GROUP == 1 {
                        squares[0][k] = low;
                        continue;
                    }
                    let high = if row + 1 < x.rows() { line_of(&x.row(row + 1)[column..]) } else { [0; LINE] };
                    for (half, square) in squares.iter_mut().enumerate() {
                        let (low, high) = (&low[half * 8..half * 8 + 8], &high[half * 8..half * 8 + 8]);
                        pair(low, high, &mut square[k]);
                    }
                }
                for (half, square) in squares.iter_mut().enumerate().take(F::GROUP) {
                    format.transpose(square);
                    let first = column * F::GROUP + half * LINE;
                    for (i, row) in (first..tiles.rows.min(first + LINE)).zip(square) {
                        let at = tiles.row_at(i) + s * line;
                        tiles.groups[at..at + LINE].copy_from_slice(row);
                    }
                }
            }
        }
    }
}

/// The first line of a row, padded with zeros. Of whole lines the size is known, so that they are moved without a call.
#[inline(always)]
fn line_of(row: &[i32]) -> [i32; LINE] {
    match row.first_chunk() {
        Some(line) => *line,
        None => {
            let mut line = [0; LINE];
            line[..row.len()].copy_from_slice(row);
            line
        }
    }
}

/// A part of a left operand, itself an operand.
#[derive(Debug, Clone)]
pub struct TilesPart<'a> {
    tiles: &'a Tiles,
    rows: Range<usize>,
    k: Range<usize>,
}

impl TilesPart<'_> {
    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.rows.len()
    }

    /// Number of columns: the reduced size.
    pub fn k(&self) -> usize {
        self.k.len()
    }

    /// How it is multiplied.
    pub(crate) fn arithmetic(&self) -> Arithmetic {
        self.tiles.arithmetic
    }

    /// Lines `steps` of the slab that begins at row `first` of the part: (steps, R, 16).
    pub(crate) fn slab(&self, first: usize, steps: &Range<usize>) -> &[i32] {
        let (r, all) = (self.tiles.arithmetic.tile_rows(), self.tiles.steps());
        let line = ((self.rows.start + first) / r * all + self.k.start / self.tiles.arithmetic.step()) * r;
        &self.tiles.groups[(line + steps.start * r) * LINE..(line + steps.end * r) * LINE]
    }

    /// Groups from the beginning of a slab to that of the next.
    pub(crate) fn slab_groups(&self) -> usize {
        self.tiles.steps() * self.tiles.arithmetic.tile_rows() * LINE
    }

    /// Scales of the rows for the block of the reduced index that begins at `k` of the part: (M).
    pub(crate) fn scales(&self, k: usize) -> &[Scale] {
        let block = (self.k.start + k) / self.tiles.arithmetic.k_block();
        &self.tiles.scales[block * self.tiles.rows..][self.rows.clone()]
    }
}

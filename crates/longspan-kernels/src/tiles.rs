//! The left operand of a product: [`Tiles`] of A.
//!
//! Rows are grouped into slabs of R, which a product reads together. A slab is stored line by line along the reduced
//! index, which is padded with zeros to whole lines, so that a product has no remainder to treat:
//!
//! ```text
//! (slabs, lines, R rows, 16 groups)
//! ```

use std::ops::Range;

use rten_simd::Isa as Token;

use crate::arithmetic::{Arithmetic, Precision};
use crate::format::{FormatOp, LINE, NumberFormat, Scale, scale_of};
use crate::matrix::Matrix;
use crate::packing::{PackedGroups, check_k, pair_rows};

/// The left operand A (M, K) of a product. It can be filled repeatedly and keeps its memory.
#[derive(Debug, Clone)]
pub struct Tiles {
    arithmetic: Arithmetic,
    groups: PackedGroups, // (slabs, lines, R, 16)
    rows: usize,
    k: usize,
    scales: Vec<Scale>, // (blocks of K, M); int8 only
    row: Vec<f32>,      // (padded K)
}

impl Tiles {
    /// An operand without rows.
    pub fn new(arithmetic: Arithmetic) -> Self {
        Self { arithmetic, groups: PackedGroups::default(), rows: 0, k: 0, scales: Vec::new(), row: Vec::new() }
    }

    /// How the operand is multiplied.
    pub fn arithmetic(&self) -> Arithmetic {
        self.arithmetic
    }

    /// Sets A to `x`, (M, K).
    pub fn encode(&mut self, x: Matrix<'_>) {
        self.encode_with(x.rows(), x.columns(), |i, row| row.copy_from_slice(x.row(i)));
    }

    /// Sets A to `rows` rows of `k` numbers: `fill(i, row)` writes row i.
    pub fn encode_with(&mut self, rows: usize, k: usize, fill: impl FnMut(usize, &mut [f32])) {
        self.resize(rows, k);
        self.row.clear();
        self.row.resize(k.next_multiple_of(self.arithmetic.numbers_per_line()), 0.0);
        self.arithmetic.run(EncodeTiles { tiles: self, fill });
    }

    /// Sets A to rows that are encoded already: (M, K / group).
    ///
    /// # Panics
    /// In int8, which needs the scales of the rows.
    pub fn copy(&mut self, x: Matrix<'_, i32>) {
        self.resize(x.rows(), x.columns() * self.unscaled_group());
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

    /// Sets A to the transpose of rows that are encoded already: `x` is (K, M / group), A is (M, K).
    ///
    /// # Panics
    /// In int8, which needs the scales of the rows.
    pub fn copy_transposed(&mut self, x: Matrix<'_, i32>) {
        let group = self.unscaled_group();
        self.resize(x.columns() * group, x.rows());
        self.arithmetic.run(Transpose { x, tiles: self });
    }

    /// Index of the first group of a row.
    fn row_at(&self, i: usize) -> usize {
        let r = self.arithmetic.tile_rows();
        (i / r * self.lines() * r + i % r) * LINE
    }

    /// Numbers in a group of a format without scales.
    fn unscaled_group(&self) -> usize {
        assert_ne!(self.arithmetic.precision, Precision::Int8, "rows in int8 need scales");
        self.arithmetic.group()
    }

    /// The first `k` columns as an operand; zeros must follow them.
    pub(crate) fn first_columns(&self, k: usize) -> TilesPart<'_> {
        assert!(k <= self.k, "{k} of {} columns", self.k);
        TilesPart { tiles: self, rows: 0..self.rows, k: 0..k }
    }

    /// Makes room for `rows` rows of `k` numbers, for the caller to write. The content is left as it is.
    pub(crate) fn lines_mut(&mut self, rows: usize, k: usize) -> TilesMut<'_> {
        self.resize(rows, k);
        TilesMut { rows: self.arithmetic.tile_rows(), lines: self.lines(), groups: &mut self.groups }
    }

    /// Rows after the last are padding. Their values do not matter, because their products are not stored.
    fn resize(&mut self, rows: usize, k: usize) {
        (self.rows, self.k) = (rows, k);
        let r = self.arithmetic.tile_rows();
        let slabs = rows.div_ceil(r);
        self.groups.resize(slabs * self.lines() * r * LINE);
        let blocks = k.div_ceil(self.arithmetic.k_block());
        if self.arithmetic.precision == Precision::Int8 {
            self.scales.clear();
            self.scales.resize(blocks * rows, Scale::NONE);
        }
    }

    /// Lines of a row.
    fn lines(&self) -> usize {
        self.k.div_ceil(self.arithmetic.numbers_per_line())
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

    /// These rows and columns of A as an operand.
    ///
    /// # Panics
    /// If the first row is not the first of a slab, or the first column not the first of a line (in int8: of a block).
    pub fn part(&self, rows: Range<usize>, k: Range<usize>) -> TilesPart<'_> {
        let r = self.arithmetic.tile_rows();
        assert!(rows.start <= rows.end && rows.end <= self.rows, "{rows:?} of {} rows", self.rows);
        assert_eq!(rows.start % r, 0, "row {} begins no slab of {r}", rows.start);
        check_k(self.arithmetic, &k, self.k);
        // Whole lines are multiplied, so only the padding of A may follow the last column within its line.
        assert!(
            k.end == self.k || k.end.is_multiple_of(self.arithmetic.numbers_per_line()),
            "{k:?} ends within a line"
        );
        TilesPart { tiles: self, rows, k }
    }
}

/// A left operand whose lines are written in parts.
pub(crate) struct TilesMut<'a> {
    groups: &'a mut [i32],
    /// Rows of a slab.
    rows: usize,
    /// Lines of a row.
    lines: usize,
}

impl TilesMut<'_> {
    /// `count` groups of row `i` from group `first` on, all within one line.
    #[inline(always)]
    pub fn part(&mut self, i: usize, first: usize, count: usize) -> &mut [i32] {
        let line = i / self.rows * self.lines * self.rows + first / LINE * self.rows + i % self.rows;
        &mut self.groups[line * LINE + first % LINE..][..count]
    }

    /// Groups of a row, including padding.
    pub fn row_groups(&self) -> usize {
        self.lines * LINE
    }
}

struct EncodeTiles<'a, W> {
    tiles: &'a mut Tiles,
    fill: W,
}

impl<W: FnMut(usize, &mut [f32])> FormatOp for EncodeTiles<'_, W> {
    type Output = ();

    #[inline(always)]
    fn eval<I: Token, F: NumberFormat<I>>(mut self, isa: I, format: F) {
        let Tiles { arithmetic, groups, rows, k, scales, row } = self.tiles;
        let (r, per_line, block) = (arithmetic.tile_rows(), arithmetic.numbers_per_line(), arithmetic.k_block());
        let lines = k.div_ceil(per_line);
        for i in 0..*rows {
            (self.fill)(i, &mut row[..*k]);
            for (b, part) in row.chunks(block).enumerate() {
                let mut scale = Scale::NONE;
                if F::INTEGER {
                    scale = scale_of(part);
                    scales[b * *rows + i] = scale;
                }
                for (l, x) in part.chunks_exact(per_line).enumerate() {
                    let line = ((i / r * lines + b * (block / per_line) + l) * r + i % r) * LINE;
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

    /// Transposes squares of 16 by 16 groups: their rows run along M, those of a tile along K.
    #[inline(always)]
    fn eval<I: Token, F: NumberFormat<I>>(self, _: I, format: F) {
        let Self { x, tiles } = self;
        let line = tiles.arithmetic.tile_rows() * LINE; // from a line of a row to its next
        for l in 0..tiles.lines() {
            for column in (0..x.columns()).step_by(LINE) {
                // A group of A joins GROUP rows of `x`, so a line of `x` becomes a row of each of GROUP squares.
                let mut squares = [[[0; LINE]; LINE]; 2];
                for k in 0..LINE {
                    let row = (l * LINE + k) * F::GROUP;
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
                        pair_rows(low, high, &mut square[k]);
                    }
                }
                for (half, square) in squares.iter_mut().enumerate().take(F::GROUP) {
                    format.transpose(square);
                    let first = column * F::GROUP + half * LINE;
                    for (i, row) in (first..tiles.rows.min(first + LINE)).zip(square) {
                        let at = tiles.row_at(i) + l * line;
                        tiles.groups[at..at + LINE].copy_from_slice(row);
                    }
                }
            }
        }
    }
}

/// The first line of a row, padded with zeros. A whole line has a constant size, so it is moved without a call.
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

/// A part of a left operand, which is an operand itself.
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

    /// How the operand is multiplied.
    pub(crate) fn arithmetic(&self) -> Arithmetic {
        self.tiles.arithmetic
    }

    /// These lines of the slab that begins at row `first` of the part: (lines, R, 16).
    pub(crate) fn slab(&self, first: usize, lines: &Range<usize>) -> &[i32] {
        let (r, all) = (self.tiles.arithmetic.tile_rows(), self.tiles.lines());
        let line = ((self.rows.start + first) / r * all + self.k.start / self.tiles.arithmetic.numbers_per_line()) * r;
        &self.tiles.groups[(line + lines.start * r) * LINE..(line + lines.end * r) * LINE]
    }

    /// Number of groups of a whole slab: the distance to the next.
    #[cfg(target_arch = "x86_64")]
    pub(crate) fn slab_groups(&self) -> usize {
        self.tiles.lines() * self.tiles.arithmetic.tile_rows() * LINE
    }

    /// Scales of the rows, (M), in the block of the reduced index that begins at `k` of this part.
    pub(crate) fn scales(&self, k: usize) -> &[Scale] {
        let block = (self.k.start + k) / self.tiles.arithmetic.k_block();
        &self.tiles.scales[block * self.tiles.rows..][self.rows.clone()]
    }
}

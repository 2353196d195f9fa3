//! The packed operands of a product: [`Tiles`] of A and [`Panels`] of B, in lines of 16 groups (see `numbers`).
//!
//! Both are padded with zeros to whole lines of the reduced index, so that a product has no remainder there:
//!
//! ```text
//! Tiles   (slabs, steps, R rows, 16 groups)      a slab is what a product works on at once
//! Panels  (panels, steps · 16 groups, width)     a panel is two vectors of columns
//! ```

use std::ops::{Deref, DerefMut, Range};

use rten_simd::{Isa as Token, SimdOp};

use crate::numbers::{Arithmetic, LINE, Numbers, NumbersOp, Precision, Scale, scale_of};
use crate::{Matrix, MatrixMut};

/// Groups, aligned to lines of 64 bytes: a row of a tile never crosses one.
#[derive(Debug, Clone, Default)]
struct Groups(Vec<Line>);

#[derive(Debug, Clone, Copy)]
#[repr(C, align(64))]
struct Line([i32; LINE]);

impl Groups {
    /// Makes room for `count` groups; what is in them is left as it is.
    fn resize(&mut self, count: usize) {
        self.0.resize(count.div_ceil(LINE), Line([0; LINE]));
    }
}

impl Deref for Groups {
    type Target = [i32];

    fn deref(&self) -> &[i32] {
        // SAFETY: a `Line` is 16 groups without padding between or after them.
        unsafe { std::slice::from_raw_parts(self.0.as_ptr().cast(), self.0.len() * LINE) }
    }
}

impl DerefMut for Groups {
    fn deref_mut(&mut self) -> &mut [i32] {
        // SAFETY: as for `deref`; the borrow is unique.
        unsafe { std::slice::from_raw_parts_mut(self.0.as_mut_ptr().cast(), self.0.len() * LINE) }
    }
}

/// The left operand A (M, K) of a product. One can be filled again and again, without a new allocation.
#[derive(Debug, Clone)]
pub struct Tiles {
    arithmetic: Arithmetic,
    groups: Groups, // (slabs, steps, R, 16)
    rows: usize,
    k: usize,
    scales: Vec<Scale>, // (blocks of K, M); int8 only
    row: Vec<f32>,      // (padded K)
}

impl Tiles {
    /// Without rows.
    pub fn new(arithmetic: Arithmetic) -> Self {
        Self { arithmetic, groups: Groups::default(), rows: 0, k: 0, scales: Vec::new(), row: Vec::new() }
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
        let line = self.arithmetic.tile_rows() * LINE; // from a line of a row to its next
        let rows: Vec<usize> = (0..self.rows).map(|i| self.row_at(i)).collect();
        let zeros = vec![0; x.columns()]; // what follows an odd number of rows
        let count = self.k.div_ceil(group);
        if !count.is_multiple_of(LINE) {
            // What stands beyond K in the last line is multiplied too, if by zeros only.
            for row in &rows {
                self.groups[row + count / LINE * line..][..LINE].fill(0);
            }
        }
        for k in 0..count {
            let at = k / LINE * line + k % LINE;
            if group == 1 {
                for (row, &value) in rows.iter().zip(x.row(k)) {
                    self.groups[row + at] = value;
                }
                continue;
            }
            let low = x.row(2 * k);
            let high = if 2 * k + 1 < x.rows() { x.row(2 * k + 1) } else { &zeros };
            for ((rows, &low), &high) in rows.as_chunks::<2>().0.iter().zip(low).zip(high) {
                let (low, high) = (low as u32, high as u32);
                self.groups[rows[0] + at] = (low & 0xffff | high << 16) as i32;
                self.groups[rows[1] + at] = (low >> 16 | high & 0xffff_0000) as i32;
            }
        }
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

/// A part of the reduced index begins where a line begins, and in int8 where a scale does.
fn check_k(arithmetic: Arithmetic, k: &Range<usize>, all: usize) {
    assert!(k.start <= k.end && k.end <= all, "{k:?} of a reduced size of {all}");
    let step = if arithmetic.precision == Precision::Int8 { arithmetic.k_block() } else { arithmetic.step() };
    assert_eq!(k.start % step, 0, "{k:?} begins no {step}");
}

struct EncodeTiles<'a, F> {
    tiles: &'a mut Tiles,
    fill: F,
}

impl<F: FnMut(usize, &mut [f32])> NumbersOp for EncodeTiles<'_, F> {
    type Output = ();

    #[inline(always)]
    fn eval<I: Token, N: Numbers<I>>(mut self, isa: I, numbers: N) {
        let Tiles { arithmetic, groups, rows, k, scales, row } = self.tiles;
        let (r, step, block) = (arithmetic.tile_rows(), arithmetic.step(), arithmetic.k_block());
        let steps = k.div_ceil(step);
        for i in 0..*rows {
            (self.fill)(i, &mut row[..*k]);
            for (b, part) in row.chunks(block).enumerate() {
                let mut scale = Scale::NONE;
                if N::INTEGER {
                    scale = scale_of(part);
                    scales[b * *rows + i] = scale;
                }
                for (s, x) in part.chunks_exact(step).enumerate() {
                    let line = ((i / r * steps + b * (block / step) + s) * r + i % r) * LINE;
                    numbers.encode(isa, x, scale, &mut groups[line..line + LINE]);
                }
            }
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
        self.tiles.scales.get(block * self.tiles.rows..).map_or(&[], |scales| &scales[self.rows.clone()])
    }
}

/// The right operand B (K, N) of a product.
#[derive(Debug, Clone)]
pub struct Panels {
    arithmetic: Arithmetic,
    groups: Groups, // (panels, lines of K · 16, width)
    k: usize,
    n: usize,
    /// Int8 only.
    scales: Vec<f32>, // (panels · width)
    /// Sums of the bytes of each column within a block of K; int8 only.
    sums: Vec<f32>, // (blocks of K, panels · width)
}

impl Panels {
    /// Packs B given by its columns: `column(j, x)` writes column j, (K), as row j of the weight of a linear layer.
    pub fn from_columns(arithmetic: Arithmetic, k: usize, n: usize, mut column: impl FnMut(usize, &mut [f32])) -> Self {
        let mut panels = Self::zeroed(arithmetic, k, n);
        let int8 = arithmetic.precision == Precision::Int8;
        let padded = panels.width() * n.div_ceil(panels.width());
        let blocks = k.div_ceil(arithmetic.k_block());
        if int8 {
            panels.scales.resize(padded, 1.0);
            panels.sums.resize(blocks * padded, 0.0);
        }
        let mut x = vec![0.0; panels.lines() * arithmetic.step()]; // (padded K)
        let mut groups = vec![0; panels.lines() * LINE];
        let mut sums = vec![0.0; blocks];
        for j in 0..n {
            column(j, &mut x[..k]);
            if int8 {
                let op = SignedBytes { x: &x, groups: &mut groups, sums: &mut sums, k_block: arithmetic.k_block() };
                panels.scales[j] = arithmetic.isa.run(op);
                sums.iter().enumerate().for_each(|(b, &sum)| panels.sums[b * padded + j] = sum);
            } else {
                arithmetic.run(Encode { x: &x, groups: &mut groups });
            }
            panels.put_column(j, &groups);
        }
        panels
    }

    /// Packs B given by its rows: `row(i, x)` writes row i, (N).
    ///
    /// # Panics
    /// In int8.
    pub fn from_rows(arithmetic: Arithmetic, k: usize, n: usize, mut row: impl FnMut(usize, &mut [f32])) -> Self {
        let mut x = vec![0.0; k * n]; // (K, N)
        x.chunks_exact_mut(n).enumerate().for_each(|(i, x)| row(i, x));
        assert_ne!(arithmetic.precision, Precision::Int8, "scales go by columns");
        Self::from_columns(arithmetic, k, n, |j, column| {
            column.iter_mut().zip(x.chunks_exact(n)).for_each(|(value, row)| *value = row[j]);
        })
    }

    /// One panel of zeros with room for `k`: what queries and probabilities are put into.
    pub(crate) fn one(arithmetic: Arithmetic, k: usize) -> Self {
        Self::zeroed(arithmetic, k, arithmetic.panel_width())
    }

    /// Replaces the columns by rows of groups that were encoded before, at most a panel of them: (columns, K / group).
    pub(crate) fn set_columns(&mut self, x: Matrix<'_, i32>) {
        assert!(x.rows() <= self.n, "{} columns for a panel of {}", x.rows(), self.n);
        for j in 0..x.rows() {
            self.put_column(j, x.row(j));
        }
    }

    fn zeroed(arithmetic: Arithmetic, k: usize, n: usize) -> Self {
        let mut panels = Self { arithmetic, groups: Groups::default(), k, n, scales: Vec::new(), sums: Vec::new() };
        panels.groups.resize(n.div_ceil(panels.width()) * panels.lines() * LINE * panels.width());
        panels
    }

    fn put_column(&mut self, j: usize, groups: &[i32]) {
        let width = self.width();
        let panel = self.lines() * LINE * width;
        let rows = self.groups[j / width * panel..][..panel].chunks_exact_mut(width);
        rows.zip(groups).for_each(|(row, group)| row[j % width] = *group);
    }

    /// Lines of the reduced index.
    fn lines(&self) -> usize {
        self.k.div_ceil(self.arithmetic.step())
    }

    fn width(&self) -> usize {
        self.arithmetic.panel_width()
    }

    /// The groups: for one panel, (lines · 16, width).
    pub(crate) fn groups_mut(&mut self) -> &mut [i32] {
        &mut self.groups
    }

    /// How it is multiplied.
    pub fn arithmetic(&self) -> Arithmetic {
        self.arithmetic
    }

    /// Rows of B: the reduced size.
    pub fn k(&self) -> usize {
        self.k
    }

    /// Columns of B.
    pub fn n(&self) -> usize {
        self.n
    }

    /// The whole operand.
    pub fn all(&self) -> PanelsPart<'_> {
        self.part(0..self.k, 0..self.n)
    }

    /// The operand made of these rows and columns of B.
    ///
    /// # Panics
    /// If the first column begins no panel, or the first row no line (in int8: no block of the reduced index).
    pub fn part(&self, k: Range<usize>, columns: Range<usize>) -> PanelsPart<'_> {
        assert!(columns.start <= columns.end && columns.end <= self.n, "{columns:?} of {} columns", self.n);
        assert_eq!(columns.start % self.width(), 0, "column {} begins no panel of {}", columns.start, self.width());
        check_k(self.arithmetic, &k, self.k);
        PanelsPart { panels: self, k, columns }
    }
}

/// Numbers as signed bytes from −127 to 127 in groups, for one column of B.
struct SignedBytes<'a> {
    x: &'a [f32],
    groups: &'a mut [i32],
    /// Sums of the bytes of each block of the reduced index.
    sums: &'a mut [f32],
    k_block: usize,
}

impl SimdOp for SignedBytes<'_> {
    /// The scale.
    type Output = f32;

    #[inline(always)]
    fn eval<I: Token>(self, _: I) -> f32 {
        let mut largest = [0.0f32; 16];
        for x in self.x.as_chunks::<16>().0 {
            for i in 0..16 {
                largest[i] = if x[i].abs() <= largest[i] { largest[i] } else { x[i].abs() }; // keeps NaN
            }
        }
        let mut most = 0.0;
        for largest in largest {
            most = if largest <= most { most } else { largest };
        }
        let scale = if most == 0.0 { 1.0 } else { most / 127.0 };
        let over = 1.0 / scale;
        let blocks = self.x.chunks(self.k_block).zip(self.groups.chunks_mut(self.k_block / 4));
        for ((x, groups), sum) in blocks.zip(self.sums) {
            let mut total = 0;
            for (group, x) in groups.iter_mut().zip(x.as_chunks::<4>().0) {
                let mut bytes = 0;
                for (i, x) in x.iter().enumerate() {
                    // 1.5 · 2²³ leaves a whole number, rounded to nearest even, in the lowest bits of the sum.
                    let q = (x * over + 12_582_912.0).to_bits() as i32 - 0x4b40_0000;
                    total += q;
                    bytes |= (q & 0xff) << (8 * i);
                }
                *group = bytes;
            }
            *sum = total as f32;
        }
        scale
    }
}

struct Encode<'a> {
    x: &'a [f32],
    groups: &'a mut [i32],
}

impl NumbersOp for Encode<'_> {
    type Output = ();

    #[inline(always)]
    fn eval<I: Token, N: Numbers<I>>(self, isa: I, numbers: N) {
        numbers.encode(isa, self.x, Scale::NONE, self.groups);
    }
}

/// Writes rows of numbers as rows of groups.
///
/// - `x`: (M, N), N a multiple of the group
/// - `out`: (M, N / group)
///
/// # Panics
/// In int8, whose rows need scales.
pub fn encode(arithmetic: Arithmetic, x: Matrix<'_>, out: &mut MatrixMut<'_, i32>) {
    assert_ne!(arithmetic.precision, Precision::Int8, "rows in int8 need scales");
    assert_eq!(x.columns(), out.columns() * arithmetic.precision.group(), "columns of numbers and of groups");
    arithmetic.run(EncodeRows { x, out });
}

struct EncodeRows<'a, 'o> {
    x: Matrix<'a>,
    out: &'a mut MatrixMut<'o, i32>,
}

impl NumbersOp for EncodeRows<'_, '_> {
    type Output = ();

    #[inline(always)]
    fn eval<I: Token, N: Numbers<I>>(self, isa: I, numbers: N) {
        for i in 0..self.x.rows() {
            numbers.encode(isa, self.x.row(i), Scale::NONE, self.out.row_mut(i));
        }
    }
}

/// A part of a right operand, itself an operand.
#[derive(Debug, Clone)]
pub struct PanelsPart<'a> {
    panels: &'a Panels,
    k: Range<usize>,
    columns: Range<usize>,
}

impl PanelsPart<'_> {
    /// Rows: the reduced size.
    pub fn k(&self) -> usize {
        self.k.len()
    }

    /// Columns.
    pub fn n(&self) -> usize {
        self.columns.len()
    }

    /// How it is multiplied.
    pub(crate) fn arithmetic(&self) -> Arithmetic {
        self.panels.arithmetic
    }

    /// The columns, counted within this part, that panel `p` holds.
    pub(crate) fn panel_columns(&self, p: usize) -> Range<usize> {
        let width = self.panels.width();
        p * width..self.n().min((p + 1) * width)
    }

    /// Number of panels.
    pub(crate) fn panels(&self) -> usize {
        self.n().div_ceil(self.panels.width())
    }

    /// Lines `steps` of panel `p`: (steps · 16, width). Columns past the end of this part may hold anything.
    pub(crate) fn panel(&self, p: usize, steps: &Range<usize>) -> &[i32] {
        let Panels { arithmetic, groups, .. } = self.panels;
        let width = self.panels.width();
        let line = (self.columns.start / width + p) * self.panels.lines() + self.k.start / arithmetic.step();
        &groups[(line + steps.start) * LINE * width..(line + steps.end) * LINE * width]
    }

    /// Scales of the columns of panel `p`, and sums of their bytes in the block of the reduced index that begins at `k`
    /// of the part: (width) each.
    pub(crate) fn scales(&self, p: usize, k: usize) -> (&[f32], &[f32]) {
        let Panels { arithmetic, scales, sums, .. } = self.panels;
        let width = self.panels.width();
        let first = self.columns.start + p * width;
        let block = (self.k.start + k) / arithmetic.k_block();
        (&scales[first..first + width], &sums[block * scales.len() + first..][..width])
    }
}

//! The right operand of a product: [`Panels`] of B.
//!
//! Columns are grouped into panels as wide as two vectors. A panel is stored row by row of groups; the reduced index is
//! padded with zeros to whole lines of 16 groups, as in [`Tiles`](crate::Tiles):
//!
//! ```text
//! (panels, lines · 16 groups, width)
//! ```

use std::ops::Range;

use rten_simd::{Isa as Token, SimdOp};

use crate::arithmetic::{Arithmetic, Precision};
use crate::format::{FormatOp, LINE, NumberFormat, SMALLEST};
use crate::matrix::{Matrix, MatrixMut};
use crate::packing::{PackedGroups, check_k, encode, pair_rows};

/// Number of columns of the widest panel.
pub(crate) const WIDTH_MAX: usize = 32;

/// The right operand B (K, N) of a product.
#[derive(Debug, Clone)]
pub struct Panels {
    arithmetic: Arithmetic,
    groups: PackedGroups, // (panels, lines of K · 16, width)
    k: usize,
    n: usize,
    /// Only in int8.
    scales: Vec<f32>, // (panels · width)
    /// Sums of the bytes of each column in each block of K. Only in int8.
    sums: Vec<f32>, // (blocks of K, panels · width)
}

impl Panels {
    /// Packs B from its columns: `column(j, x)` writes column j, (K), which is row j of the weight of a linear layer.
    pub fn from_columns(arithmetic: Arithmetic, k: usize, n: usize, mut column: impl FnMut(usize, &mut [f32])) -> Self {
        let mut panels = Self::zeroed(arithmetic, k, n);
        let int8 = arithmetic.precision == Precision::Int8;
        let padded = panels.width() * n.div_ceil(panels.width());
        let blocks = k.div_ceil(arithmetic.k_block());
        if int8 {
            panels.scales.resize(padded, 1.0);
            panels.sums.resize(blocks * padded, 0.0);
        }
        let mut x = vec![0.0; panels.lines() * arithmetic.numbers_per_line()]; // (padded K)
        let mut groups = vec![0; panels.lines() * LINE];
        let mut sums = vec![0.0; blocks];
        for j in 0..n {
            column(j, &mut x[..k]);
            if int8 {
                let op =
                    EncodeInt8Column { x: &x, groups: &mut groups, sums: &mut sums, k_block: arithmetic.k_block() };
                panels.scales[j] = arithmetic.isa.run(op);
                sums.iter().enumerate().for_each(|(b, &sum)| panels.sums[b * padded + j] = sum);
            } else {
                let mut out = MatrixMut::new(&mut groups, panels.lines() * LINE);
                encode(arithmetic, Matrix::new(&x, panels.lines() * arithmetic.numbers_per_line()), &mut out);
            }
            panels.put_column(j, &groups);
        }
        panels
    }

    /// Packs B from its rows: `row(i, x)` writes row i, (N).
    ///
    /// # Panics
    /// In int8, which needs whole columns for their scales.
    pub fn from_rows(arithmetic: Arithmetic, k: usize, n: usize, mut row: impl FnMut(usize, &mut [f32])) -> Self {
        let group = arithmetic.group();
        let width = n.div_ceil(group);
        let mut x = vec![0.0; width * group]; // (N), padded
        let mut rows = vec![0; k * width]; // (K, N / group)
        for i in 0..k {
            row(i, &mut x[..n]);
            let mut out = MatrixMut::new(&mut rows[i * width..][..width], width);
            encode(arithmetic, Matrix::new(&x, width * group), &mut out);
        }
        let mut panels = Self::new(arithmetic);
        panels.set_rows(Matrix::new(&rows, width));
        panels.n = n;
        panels
    }

    /// An operand without rows and columns.
    pub fn new(arithmetic: Arithmetic) -> Self {
        Self::zeroed(arithmetic, 0, 0)
    }

    /// Sets B to rows that are encoded already: (K, N / group).
    ///
    /// # Panics
    /// In int8, which needs whole columns for their scales.
    pub fn set_rows(&mut self, x: Matrix<'_, i32>) {
        assert_ne!(self.arithmetic.precision, Precision::Int8, "int8 needs the scales of columns");
        (self.k, self.n) = (x.rows(), x.columns() * self.arithmetic.group());
        let (width, lines) = (self.width(), self.lines());
        self.groups.resize(self.n.div_ceil(width) * lines * LINE * width);
        let groups = &mut self.groups[..];
        self.arithmetic.run(Interleave { x, groups, width, rows: lines * LINE });
    }

    /// Sets the first columns to rows that are encoded already: (columns, K / group).
    pub(crate) fn set_columns(&mut self, x: Matrix<'_, i32>) {
        assert!(x.rows() <= self.n, "{} columns for {}", x.rows(), self.n);
        for j in 0..x.rows() {
            self.put_column(j, x.row(j));
        }
    }

    /// An operand of zeros.
    pub(crate) fn zeroed(arithmetic: Arithmetic, k: usize, n: usize) -> Self {
        let mut panels =
            Self { arithmetic, groups: PackedGroups::default(), k, n, scales: Vec::new(), sums: Vec::new() };
        panels.groups.resize(n.div_ceil(panels.width()) * panels.lines() * LINE * panels.width());
        panels
    }

    fn put_column(&mut self, j: usize, groups: &[i32]) {
        let width = self.width();
        let panel = self.lines() * LINE * width;
        let rows = self.groups[j / width * panel..][..panel].chunks_exact_mut(width);
        rows.zip(groups).for_each(|(row, group)| row[j % width] = *group);
    }

    /// Lines of a column.
    fn lines(&self) -> usize {
        self.k.div_ceil(self.arithmetic.numbers_per_line())
    }

    fn width(&self) -> usize {
        self.arithmetic.panel_width()
    }

    /// The groups. One panel is (lines · 16, width).
    pub(crate) fn groups_mut(&mut self) -> &mut [i32] {
        &mut self.groups
    }

    /// How the operand is multiplied.
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

    /// These rows and columns of B as an operand.
    ///
    /// # Panics
    /// If the first column is not the first of a panel, or the first row not the first of a line (in int8: of a block).
    pub fn part(&self, k: Range<usize>, columns: Range<usize>) -> PanelsPart<'_> {
        assert!(columns.start <= columns.end && columns.end <= self.n, "{columns:?} of {} columns", self.n);
        assert_eq!(columns.start % self.width(), 0, "column {} begins no panel of {}", columns.start, self.width());
        check_k(self.arithmetic, &k, self.k);
        PanelsPart { panels: self, k, columns }
    }
}

/// Converts a column of B to groups of signed bytes from −127 to 127.
struct EncodeInt8Column<'a> {
    x: &'a [f32],
    groups: &'a mut [i32],
    /// Sums of the bytes of each block of the reduced index.
    sums: &'a mut [f32],
    k_block: usize,
}

impl SimdOp for EncodeInt8Column<'_> {
    /// The scale.
    type Output = f32;

    #[inline(always)]
    fn eval<I: Token>(self, _: I) -> f32 {
        // `nan` sums up 0 · x: 0 for finite numbers, else NaN.
        let (mut max, mut nan) = ([0.0f32; LINE], [0.0f32; LINE]);
        for x in self.x.as_chunks::<LINE>().0 {
            for i in 0..LINE {
                max[i] = if x[i].abs() > max[i] { x[i].abs() } else { max[i] };
                nan[i] += x[i] * 0.0;
            }
        }
        let (mut largest, mut any_nan) = (0.0, 0.0);
        for i in 0..LINE {
            largest = if max[i] > largest { max[i] } else { largest };
            any_nan += nan[i];
        }
        let scale = if largest < SMALLEST { 1.0 } else { largest / 127.0 } + any_nan;
        if !scale.is_finite() {
            // A NaN or infinity in the column makes its scale NaN, and with that every product with the column.
            self.groups.fill(0);
            self.sums.fill(0.0);
            return f32::NAN;
        }
        let inverse = 1.0 / scale;
        let blocks = self.x.chunks(self.k_block).zip(self.groups.chunks_mut(self.k_block / 4));
        for ((x, groups), sum) in blocks.zip(self.sums) {
            let mut total = 0;
            for (group, x) in groups.iter_mut().zip(x.as_chunks::<4>().0) {
                let mut bytes = 0;
                for (i, x) in x.iter().enumerate() {
                    // Adding 1.5 · 2²³ rounds to the nearest even integer, which is then in the lowest bits of the sum.
                    let q = (x * inverse + 12_582_912.0).to_bits() as i32 - 0x4b40_0000;
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

/// Packs encoded rows of B into panels: a group joins the numbers that neighbouring rows have in one column.
struct Interleave<'a> {
    x: Matrix<'a, i32>,
    groups: &'a mut [i32], // (panels, rows, width)
    width: usize,
    /// Rows of groups in a panel.
    rows: usize,
}

impl FormatOp for Interleave<'_> {
    type Output = ();

    #[inline(always)]
    fn eval<I: Token, F: NumberFormat<I>>(self, _: I, _: F) {
        let own = self.width / F::GROUP; // groups of a row in one panel
        let filled = self.x.rows().div_ceil(F::GROUP);
        for k in 0..filled {
            let (low, next) = (self.x.row(F::GROUP * k), F::GROUP * k + 1);
            for (p, low) in low.chunks(own).enumerate() {
                let out = &mut self.groups[(p * self.rows + k) * self.width..][..self.width];
                if F::GROUP == 1 {
                    out[..low.len()].copy_from_slice(low);
                } else if next < self.x.rows() {
                    pair_rows(low, &self.x.row(next)[p * own..], out);
                } else {
                    pair_rows(low, &ZEROS[..low.len()], out);
                }
            }
        }
        for panel in self.groups.chunks_exact_mut(self.rows * self.width) {
            panel[filled * self.width..].fill(0);
        }
    }
}

/// The row that follows an odd number of rows, as wide as any panel.
static ZEROS: [i32; WIDTH_MAX] = [0; WIDTH_MAX];

/// A part of a right operand, which is an operand itself.
#[derive(Debug, Clone)]
pub struct PanelsPart<'a> {
    panels: &'a Panels,
    k: Range<usize>,
    columns: Range<usize>,
}

impl PanelsPart<'_> {
    /// Number of rows: the reduced size.
    pub fn k(&self) -> usize {
        self.k.len()
    }

    /// Number of columns.
    pub fn n(&self) -> usize {
        self.columns.len()
    }

    /// How the operand is multiplied.
    pub(crate) fn arithmetic(&self) -> Arithmetic {
        self.panels.arithmetic
    }

    /// The columns of panel `p`, counted from the first column of this part.
    pub(crate) fn panel_columns(&self, p: usize) -> Range<usize> {
        let width = self.panels.width();
        p * width..self.n().min((p + 1) * width)
    }

    /// Number of panels.
    pub(crate) fn panels(&self) -> usize {
        self.n().div_ceil(self.panels.width())
    }

    /// These lines of panel `p`: (lines · 16, width). Columns past the end of this part hold arbitrary groups.
    pub(crate) fn panel(&self, p: usize, lines: &Range<usize>) -> &[i32] {
        let Panels { arithmetic, groups, .. } = self.panels;
        let width = self.panels.width();
        let line =
            (self.columns.start / width + p) * self.panels.lines() + self.k.start / arithmetic.numbers_per_line();
        &groups[(line + lines.start) * LINE * width..(line + lines.end) * LINE * width]
    }

    /// For panel `p`, (width) each: scales of the columns, and sums of their bytes in the block of the reduced index
    /// that begins at `k` of this part.
    pub(crate) fn scales(&self, p: usize, k: usize) -> (&[f32], &[f32]) {
        let Panels { arithmetic, scales, sums, .. } = self.panels;
        let width = self.panels.width();
        let first = self.columns.start + p * width;
        let block = (self.k.start + k) / arithmetic.k_block();
        (&scales[first..first + width], &sums[block * scales.len() + first..][..width])
    }
}

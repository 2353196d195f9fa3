//! Views of row-major matrices, and the packed operand of a product.

use std::ops::Range;

use crate::Isa;

/// A row-major matrix whose rows may lie apart: row i is `data[i * stride..][..columns]`.
#[derive(Debug, Clone, Copy)]
pub struct Matrix<'a> {
    data: &'a [f32],
    stride: usize,
    columns: usize,
    rows: usize,
}

impl<'a> Matrix<'a> {
    /// Rows that follow each other without a gap; their number follows from the length of `data`.
    pub fn new(data: &'a [f32], columns: usize) -> Self {
        assert_eq!(data.len() % columns, 0, "{} numbers are no rows of {columns}", data.len());
        Self { data, stride: columns, columns, rows: data.len() / columns }
    }

    /// The same rows, but only these columns of them.
    pub fn columns_in(self, range: Range<usize>) -> Self {
        assert!(range.start <= range.end && range.end <= self.columns, "{range:?} of {} columns", self.columns);
        let data = if self.rows == 0 { &[] } else { &self.data[range.start..] };
        Self { data, columns: range.len(), ..self }
    }

    /// The same columns, but only these rows.
    pub fn rows_in(self, range: Range<usize>) -> Self {
        assert!(range.start <= range.end && range.end <= self.rows, "{range:?} of {} rows", self.rows);
        let data = if range.is_empty() { &[] } else { &self.data[range.start * self.stride..] };
        Self { data, rows: range.len(), ..self }
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Number of columns.
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// Row `i`.
    pub fn row(&self, i: usize) -> &'a [f32] {
        assert!(i < self.rows, "row {i} of {}", self.rows);
        &self.data[i * self.stride..][..self.columns]
    }
}

/// A row-major matrix to write to: row i is `data[i * stride..][..columns]`.
#[derive(Debug)]
pub struct MatrixMut<'a> {
    data: &'a mut [f32],
    stride: usize,
    columns: usize,
    rows: usize,
}

impl<'a> MatrixMut<'a> {
    /// Rows that follow each other without a gap; their number follows from the length of `data`.
    pub fn new(data: &'a mut [f32], columns: usize) -> Self {
        assert_eq!(data.len() % columns, 0, "{} numbers are no rows of {columns}", data.len());
        let rows = data.len() / columns;
        Self::with_stride(data, columns, columns, rows)
    }

    /// `rows` rows of `columns` numbers, each `stride` numbers after the one before.
    pub fn with_stride(data: &'a mut [f32], stride: usize, columns: usize, rows: usize) -> Self {
        assert!(columns <= stride, "{columns} columns in rows that lie {stride} apart");
        assert!(rows == 0 || data.len() >= (rows - 1) * stride + columns, "{} numbers are too few", data.len());
        Self { data, stride, columns, rows }
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Number of columns.
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// Row `i`.
    pub fn row_mut(&mut self, i: usize) -> &mut [f32] {
        assert!(i < self.rows, "row {i} of {}", self.rows);
        &mut self.data[i * self.stride..][..self.columns]
    }
}

/// The right operand B (K, N) of a product, packed for one instruction set.
///
/// Columns are cut into panels of two vectors; a panel holds its K rows one after the other, the missing columns of
/// the last panel are zero. So the product reads it from front to back, and a range of rows or of panels is as good an
/// operand as the whole.
#[derive(Debug, Clone)]
pub struct Panels {
    data: Vec<f32>, // (panels, K, width)
    k: usize,
    n: usize,
    width: usize,
}

impl Panels {
    /// Columns of a panel on `isa`.
    pub fn width(isa: Isa) -> usize {
        2 * isa.lanes()
    }

    /// Packs B given by its columns: `columns` is (N, K), as the weight of a linear layer is stored.
    pub fn from_columns(isa: Isa, columns: Matrix<'_>) -> Self {
        let (n, k) = (columns.rows(), columns.columns());
        let mut panels = Self::zeroed(isa, k, n);
        let width = panels.width;
        for j in 0..n {
            let panel = &mut panels.data[j / width * k * width..][..k * width];
            for (row, &value) in panel.chunks_exact_mut(width).zip(columns.row(j)) {
                row[j % width] = value;
            }
        }
        panels
    }

    /// Packs B given by its rows: `rows` is (K, N).
    pub fn from_rows(isa: Isa, rows: Matrix<'_>) -> Self {
        let (k, n) = (rows.rows(), rows.columns());
        let mut panels = Self::zeroed(isa, k, n);
        let width = panels.width;
        for p in 0..n.div_ceil(width) {
            let columns = p * width..n.min((p + 1) * width);
            let panel = &mut panels.data[p * k * width..][..k * width];
            for (i, row) in panel.chunks_exact_mut(width).enumerate() {
                row[..columns.len()].copy_from_slice(&rows.row(i)[columns.clone()]);
            }
        }
        panels
    }

    fn zeroed(isa: Isa, k: usize, n: usize) -> Self {
        let width = Self::width(isa);
        Self { data: vec![0.0; n.div_ceil(width) * k * width], k, n, width }
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
    /// If the first column does not begin a panel.
    pub fn part(&self, rows: Range<usize>, columns: Range<usize>) -> PanelsPart<'_> {
        assert!(rows.start <= rows.end && rows.end <= self.k, "{rows:?} of {} rows", self.k);
        assert!(columns.start <= columns.end && columns.end <= self.n, "{columns:?} of {} columns", self.n);
        assert_eq!(columns.start % self.width, 0, "column {} begins no panel of {}", columns.start, self.width);
        PanelsPart { panels: self, rows, columns }
    }
}

/// A part of a packed operand, itself an operand.
#[derive(Debug, Clone)]
pub struct PanelsPart<'a> {
    panels: &'a Panels,
    rows: Range<usize>,
    columns: Range<usize>,
}

impl PanelsPart<'_> {
    /// Rows: the reduced size.
    pub fn k(&self) -> usize {
        self.rows.len()
    }

    /// Columns.
    pub fn n(&self) -> usize {
        self.columns.len()
    }

    /// Columns of a panel.
    pub(crate) fn width(&self) -> usize {
        self.panels.width
    }

    /// Number of panels.
    pub(crate) fn panels(&self) -> usize {
        self.n().div_ceil(self.width())
    }

    /// The columns, counted within this part, that panel `p` holds.
    pub(crate) fn panel_columns(&self, p: usize) -> Range<usize> {
        p * self.width()..self.n().min((p + 1) * self.width())
    }

    /// Rows `rows` of panel `p`: (rows, width). Columns past the end of this part may hold anything.
    pub(crate) fn panel(&self, p: usize, rows: Range<usize>) -> &[f32] {
        let panels = self.panels;
        let first = (self.columns.start / panels.width + p) * panels.k + self.rows.start;
        &panels.data[(first + rows.start) * panels.width..(first + rows.end) * panels.width]
    }
}

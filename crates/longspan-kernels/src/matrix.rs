//! Views of row-major matrices.

use std::ops::Range;

/// A row-major matrix whose rows may have gaps between them: row i is `data[i * stride..][..columns]`. Its elements are
/// numbers or groups of numbers.
#[derive(Debug, Clone, Copy)]
pub struct Matrix<'a, T = f32> {
    data: &'a [T],
    stride: usize,
    columns: usize,
    rows: usize,
}

impl<'a, T: Copy> Matrix<'a, T> {
    /// Rows that follow each other without a gap; their number follows from the length of `data`.
    pub fn new(data: &'a [T], columns: usize) -> Self {
        assert_eq!(data.len() % columns, 0, "{} numbers cannot be rows of {columns}", data.len());
        Self { data, stride: columns, columns, rows: data.len() / columns }
    }

    /// All rows, but only these columns.
    pub fn columns_in(self, range: Range<usize>) -> Self {
        assert!(range.start <= range.end && range.end <= self.columns, "{range:?} of {} columns", self.columns);
        let data = if self.rows == 0 { &[] } else { &self.data[range.start..] };
        Self { data, columns: range.len(), ..self }
    }

    /// All columns, but only these rows.
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
    pub fn row(&self, i: usize) -> &'a [T] {
        assert!(i < self.rows, "row {i} of {}", self.rows);
        &self.data[i * self.stride..][..self.columns]
    }
}

/// A row-major matrix to write to, whose rows may have gaps between them: row i is `data[i * stride..][..columns]`.
#[derive(Debug)]
pub struct MatrixMut<'a, T = f32> {
    data: &'a mut [T],
    stride: usize,
    columns: usize,
    rows: usize,
}

impl<'a, T: Copy> MatrixMut<'a, T> {
    /// Rows that follow each other without a gap; their number follows from the length of `data`.
    pub fn new(data: &'a mut [T], columns: usize) -> Self {
        assert_eq!(data.len() % columns, 0, "{} numbers cannot be rows of {columns}", data.len());
        let rows = data.len() / columns;
        Self::with_stride(data, columns, columns, rows)
    }

    /// `rows` rows of `columns` numbers, each of which begins `stride` numbers after the previous one.
    pub fn with_stride(data: &'a mut [T], stride: usize, columns: usize, rows: usize) -> Self {
        assert!(columns <= stride, "{columns} columns in rows with a stride of {stride}");
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
    pub fn row_mut(&mut self, i: usize) -> &mut [T] {
        assert!(i < self.rows, "row {i} of {}", self.rows);
        &mut self.data[i * self.stride..][..self.columns]
    }

    /// Only these rows and columns.
    pub fn part(&mut self, rows: Range<usize>, columns: Range<usize>) -> MatrixMut<'_, T> {
        let count = rows.len();
        let stride = self.stride;
        let data = if rows.is_empty() { &mut [][..] } else { self.rows_mut(rows, &columns) };
        MatrixMut { data, stride, columns: columns.len(), rows: count }
    }

    /// The distance from the start of a row to the start of the next.
    pub(crate) fn stride(&self) -> usize {
        self.stride
    }

    /// The numbers from the first of these columns in the first row to the last of these columns in the last row.
    pub(crate) fn rows_mut(&mut self, rows: Range<usize>, columns: &Range<usize>) -> &mut [T] {
        assert!(!rows.is_empty() && rows.end <= self.rows && columns.end <= self.columns, "{rows:?}, {columns:?}");
        &mut self.data[rows.start * self.stride + columns.start..(rows.end - 1) * self.stride + columns.end]
    }
}

//! Rows and columns of a table.

/// Cells that reach into later rows and are kept in mind, at most.
const SPANS_MAX: usize = 64;

/// The limits of HTML itself.
const COLSPAN_MAX: u32 = 1000;
const ROWSPAN_MAX: u32 = 65_534;

/// Where the next cell of a table stands.
#[derive(Debug, Default)]
pub(crate) struct CellGrid {
    /// Rows that have begun.
    rows: u32,
    /// The column of the next cell, if none from above is in its way.
    column: u16,
    /// Cells that reach into later rows.
    spans: Vec<RowSpan>,
}

#[derive(Debug)]
struct RowSpan {
    first_column: u16,
    end_column: u16,
    end_row: u32,
}

impl CellGrid {
    pub fn begin_row(&mut self) {
        let row = self.rows;
        self.rows = row.saturating_add(1);
        self.column = 0;
        self.spans.retain(|span| span.end_row > row);
    }

    /// The row and column of the next cell, which counts from 0.
    pub fn cell(&mut self, rowspan: u32, colspan: u32) -> (u32, u16) {
        if self.rows == 0 {
            self.begin_row();
        }
        let row = self.rows - 1;
        let covers =
            |span: &&RowSpan, column| (span.first_column..span.end_column).contains(&column) && span.end_row > row;
        let mut column = self.column;
        while let Some(span) = self.spans.iter().find(|span| covers(span, column)) {
            column = span.end_column;
        }
        self.column = column.saturating_add(colspan.clamp(1, COLSPAN_MAX) as u16);
        let rows = if rowspan == 0 { ROWSPAN_MAX } else { rowspan.min(ROWSPAN_MAX) };
        if rows > 1 && self.spans.len() < SPANS_MAX {
            let end_row = row.saturating_add(rows);
            self.spans.push(RowSpan { first_column: column, end_column: self.column, end_row });
        }
        (row, column)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_stand_where_a_browser_puts_them() {
        let mut table = CellGrid::default();
        let mut row = |cells: &[(u32, u32)]| {
            table.begin_row();
            cells.iter().map(|&(rowspan, colspan)| table.cell(rowspan, colspan)).collect::<Vec<_>>()
        };
        assert_eq!(row(&[(2, 1), (1, 2), (3, 1)]), [(0, 0), (0, 1), (0, 3)]);
        assert_eq!(row(&[(1, 1), (1, 1), (1, 1)]), [(1, 1), (1, 2), (1, 4)]);
        assert_eq!(row(&[(0, 3), (1, 1)]), [(2, 0), (2, 4)]);
        assert_eq!(row(&[(1, 1)]), [(3, 3)]);
        assert_eq!(CellGrid::default().cell(1, 1), (0, 0));
        let mut wide = CellGrid::default();
        let cells: Vec<(u32, u16)> = (0..100).map(|_| wide.cell(9, u32::MAX)).collect();
        assert_eq!(cells[99], (0, u16::MAX));
    }
}

//! Products in vector registers: a tile of R rows by one panel at a time.

use rten_simd::Isa as Token;
use rten_simd::ops::BitOps;

use super::block::{KBlock, Start, scaled};
use crate::format::{FormatOp, LINE, NumberFormat};
use crate::matrix::MatrixMut;
use crate::panels::WIDTH_MAX;

/// A product in tiles of `R` rows.
pub(crate) struct Tiled<'a, 'o, const R: usize> {
    pub block: KBlock<'a>,
    pub out: &'a mut MatrixMut<'o>,
}

impl<const R: usize> FormatOp for Tiled<'_, '_, R> {
    type Output = ();

    #[inline(always)]
    fn eval<I: Token, F: NumberFormat<I>>(mut self, isa: I, format: F) {
        let rows = self.block.a.rows();
        let (panels, lines) = (self.block.b.panels(), self.block.lines());
        for panel in 0..panels {
            // With few rows, loading B takes longest: the next panel is prefetched while this one is used.
            let next = if panel + 1 < panels { self.block.b.panel(panel + 1, &lines) } else { &[] };
            let mut ahead = next.chunks(next.len().div_ceil(rows.div_ceil(R)).max(1));
            for first in (0..rows).step_by(R) {
                for line in ahead.next().unwrap_or(&[]).chunks(LINE) {
                    isa.i32().prefetch(line.as_ptr());
                }
                self.tile_of_rows(isa, format, panel, first, R.min(rows - first));
            }
        }
    }
}

impl<const R: usize> Tiled<'_, '_, R> {
    /// Makes the number of rows a constant, so that the sums can stay in registers.
    #[inline(always)]
    fn tile_of_rows<I: Token, F: NumberFormat<I>>(
        &mut self,
        isa: I,
        format: F,
        panel: usize,
        first: usize,
        rows: usize,
    ) {
        match rows {
            _ if rows == R => self.tile::<I, F, R>(isa, format, panel, first),
            1 => self.tile::<I, F, 1>(isa, format, panel, first),
            2 => self.tile::<I, F, 2>(isa, format, panel, first),
            3 => self.tile::<I, F, 3>(isa, format, panel, first),
            4 => self.tile::<I, F, 4>(isa, format, panel, first),
            5 => self.tile::<I, F, 5>(isa, format, panel, first),
            6 => self.tile::<I, F, 6>(isa, format, panel, first),
            7 => self.tile::<I, F, 7>(isa, format, panel, first),
            8 => self.tile::<I, F, 8>(isa, format, panel, first),
            9 => self.tile::<I, F, 9>(isa, format, panel, first),
            10 => self.tile::<I, F, 10>(isa, format, panel, first),
            11 => self.tile::<I, F, 11>(isa, format, panel, first),
            _ => unreachable!("a tile of {rows} rows where {R} are the most"),
        }
    }

    /// One tile. If its columns do not fill the panel, it is computed in a buffer of its own.
    #[inline(always)]
    fn tile<I: Token, F: NumberFormat<I>, const ROWS: usize>(&mut self, isa: I, format: F, panel: usize, first: usize) {
        let tile = OutputTile { block: &self.block, panel, first };
        let columns = self.block.b.panel_columns(panel);
        if columns.len() == 2 * isa.f32().len() {
            let start = match self.block.start {
                Start::Bias(bias) => Start::Bias(&bias[columns.clone()]),
                other => other,
            };
            let stride = self.out.stride();
            let out = self.out.rows_mut(first..first + ROWS, &columns);
            return tile.compute::<I, F, R, ROWS>(isa, format, start, out, stride);
        }
        let (mut edge, mut padded) = ([[0.0; WIDTH_MAX]; ROWS], [0.0; WIDTH_MAX]);
        let start = match self.block.start {
            Start::Zero => Start::Zero,
            Start::Bias(bias) => {
                padded[..columns.len()].copy_from_slice(&bias[columns.clone()]);
                Start::Bias(&padded)
            }
            Start::Out => {
                for (i, edge) in edge.iter_mut().enumerate() {
                    edge[..columns.len()].copy_from_slice(&self.out.row_mut(first + i)[columns.clone()]);
                }
                Start::Out
            }
        };
        tile.compute::<I, F, R, ROWS>(isa, format, start, edge.as_flattened_mut(), WIDTH_MAX);
        for (i, edge) in edge.iter().enumerate() {
            self.out.row_mut(first + i)[columns.clone()].copy_from_slice(&edge[..columns.len()]);
        }
    }
}

/// The outputs of the rows from `first` on and the columns of one panel.
struct OutputTile<'a> {
    block: &'a KBlock<'a>,
    panel: usize,
    first: usize,
}

impl OutputTile<'_> {
    /// - `start`: a bias is that of the panel's columns
    /// - `out`: `ROWS` rows of a panel's width with this `stride`
    #[inline(always)]
    fn compute<I: Token, F: NumberFormat<I>, const R: usize, const ROWS: usize>(
        &self,
        isa: I,
        format: F,
        start: Start<'_>,
        out: &mut [f32],
        stride: usize,
    ) {
        let (ops, ints) = (isa.f32(), isa.i32());
        let lanes = ops.len();
        let lines = self.block.lines();
        // Integers begin at 0, whose bits are those of 0.0; they are added to the start when they are scaled.
        let mut sums = match start {
            Start::Bias(bias) if !F::INTEGER => [[ops.load(bias), ops.load(&bias[lanes..])]; ROWS],
            _ => [[ops.zero(); 2]; ROWS],
        };
        if let (Start::Out, false) = (start, F::INTEGER) {
            for (i, sum) in sums.iter_mut().enumerate() {
                let row = &out[i * stride..];
                *sum = [ops.load(row), ops.load(&row[lanes..])];
            }
        }
        let slab = self.block.a.slab(self.first, &lines).as_chunks::<LINE>().0.as_chunks::<R>().0; // (lines), (R, 16)
        let panel = self.block.b.panel(self.panel, &lines).chunks_exact(LINE * 2 * lanes); // (lines), (16, width)
        for (a, b) in slab.iter().zip(panel) {
            for (g, b) in b.chunks_exact(2 * lanes).enumerate().take(LINE) {
                let b = [ints.load(b), ints.load(&b[lanes..])];
                for (sum, a) in sums.iter_mut().zip(a) {
                    *sum = [format.multiply_add(isa, a[g], b[0], sum[0]), format.multiply_add(isa, a[g], b[1], sum[1])];
                }
            }
        }
        for (i, mut x) in sums.into_iter().enumerate() {
            let row = &mut out[i * stride..];
            if F::INTEGER {
                x = scaled(isa, x, start, row, self.block, self.panel, self.first + i);
            }
            ops.store(x[0], row);
            ops.store(x[1], &mut row[lanes..]);
        }
    }
}

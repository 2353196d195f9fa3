//! C (M, N) = A (M, K) · B (K, N) + start.
//!
//! ```text
//! for i in 0..M, j in 0..N:
//!     c[i][j] = start[i][j]
//!     for k in 0..K:  c[i][j] = a[i][k] * b[k][j] + c[i][j]
//! ```
//!
//! Departures, none of which makes a result depend on how the product is cut:
//! 1. A and B come packed in groups of 32 bits ([`Tiles`](crate::Tiles), [`Panels`](crate::Panels)): an instruction adds
//!    the 1, 2 or 4 products of a group at once.
//! 2. K is cut into blocks ([`Arithmetic::k_block`]), so that what is used of a panel of B stays in the first cache
//!    while all slabs of A pass by; the sum goes on from the value that the block before stored.
//! 3. A tile of R rows by two vectors stays in registers while k runs: an output is one chain of sums over k.
//! 4. Rows that do not fill a tile go through tiles of fewer rows; columns beyond N are computed on zeros, not stored.
//! 5. In int8 the sum over a block of K is a whole number and exact; it is scaled and added to C once a block.
//! 6. On AMX, tiles are multiplied by `amx`, in the same blocks.

use std::ops::Range;

use rten_simd::ops::{BitOps, NumOps, ToFloat};
use rten_simd::{Isa as Token, Simd};

use crate::MatrixMut;
#[cfg(target_arch = "x86_64")]
use crate::amx;
use crate::format::{Arithmetic, Format, FormatOp, LINE};
use crate::panels::PanelsPart;
use crate::tiles::TilesPart;

/// What the outputs of a product start from.
#[derive(Debug, Clone, Copy)]
pub enum Start<'a> {
    /// Zero.
    Zero,
    /// A bias for each column: (N).
    Bias(&'a [f32]),
    /// What `out` holds already.
    Out,
}

/// C = A·B + start.
///
/// - `a`: (M, K)
/// - `b`: (K, N)
/// - `out`: C (M, N)
///
/// # Panics
/// If sizes do not agree or the operands were packed for different arithmetic.
pub fn product(a: TilesPart<'_>, b: PanelsPart<'_>, start: Start<'_>, out: &mut MatrixMut<'_>) {
    let arithmetic = a.arithmetic();
    assert_eq!(arithmetic, b.arithmetic(), "A and B were packed for different arithmetic");
    assert_eq!(a.k(), b.k(), "A has {} columns, B {} rows", a.k(), b.k());
    assert!(a.k() > 0, "a product over nothing");
    assert_eq!(a.rows(), out.rows(), "A has {} rows, C {}", a.rows(), out.rows());
    assert_eq!(b.n(), out.columns(), "B has {} columns, C {}", b.n(), out.columns());
    if let Start::Bias(bias) = start {
        assert_eq!(bias.len(), b.n(), "a bias of {} for {} columns", bias.len(), b.n());
    }
    let mut start = start;
    let mut from = 0;
    loop {
        let to = a.k().min(from + arithmetic.k_block());
        let block = KBlock { a: &a, b: &b, start, k: from..to };
        match arithmetic.tile_rows() {
            #[cfg(target_arch = "x86_64")]
            32 => amx::product(block, out),
            6 => arithmetic.run(Tiled::<6> { block, out }),
            12 => arithmetic.run(Tiled::<12> { block, out }),
            rows => unreachable!("tiles of {rows} rows"),
        }
        if to == a.k() {
            return;
        }
        start = Start::Out;
        from = to;
    }
}

/// A product over one block of K.
pub(crate) struct KBlock<'a> {
    pub a: &'a TilesPart<'a>,
    pub b: &'a PanelsPart<'a>,
    pub start: Start<'a>,
    pub k: Range<usize>,
}

impl KBlock<'_> {
    pub fn arithmetic(&self) -> Arithmetic {
        self.a.arithmetic()
    }

    /// Lines of the block.
    pub fn steps(&self) -> Range<usize> {
        let step = self.arithmetic().step();
        self.k.start / step..self.k.end.div_ceil(step)
    }
}

/// The operation with tiles of `R` rows.
struct Tiled<'a, 'o, const R: usize> {
    block: KBlock<'a>,
    out: &'a mut MatrixMut<'o>,
}

impl<const R: usize> FormatOp for Tiled<'_, '_, R> {
    type Output = ();

    #[inline(always)]
    fn eval<I: Token, F: Format<I>>(mut self, isa: I, format: F) {
        let rows = self.block.a.rows();
        let (panels, steps) = (self.block.b.panels(), self.block.steps());
        for panel in 0..panels {
            // The next panel comes from far when weights are used by few rows: it is asked for while this one is used.
            let next = if panel + 1 < panels { self.block.b.panel(panel + 1, &steps) } else { &[] };
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
    /// The number of rows becomes a constant, so that the accumulators become registers.
    #[inline(always)]
    fn tile_of_rows<I: Token, F: Format<I>>(&mut self, isa: I, format: F, panel: usize, first: usize, rows: usize) {
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

    /// One tile; where columns do not fill the panel, it is computed beside.
    #[inline(always)]
    fn tile<I: Token, F: Format<I>, const ROWS: usize>(&mut self, isa: I, format: F, panel: usize, first: usize) {
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

/// Rows from `first` on by the columns of one panel.
struct OutputTile<'a> {
    block: &'a KBlock<'a>,
    panel: usize,
    first: usize,
}

impl OutputTile<'_> {
    /// - `start`: the bias is that of the panel's columns
    /// - `out`: `ROWS` rows of a panel's width that lie `stride` apart
    #[inline(always)]
    fn compute<I: Token, F: Format<I>, const R: usize, const ROWS: usize>(
        &self,
        isa: I,
        format: F,
        start: Start<'_>,
        out: &mut [f32],
        stride: usize,
    ) {
        let (ops, ints) = (isa.f32(), isa.i32());
        let lanes = ops.len();
        let steps = self.block.steps();
        // Whole numbers begin at 0, the bits of which are those of 0.0, and are added to the start when they are scaled.
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
        let slab = self.block.a.slab(self.first, &steps).as_chunks::<LINE>().0.as_chunks::<R>().0; // (steps), (R, 16)
        let panel = self.block.b.panel(self.panel, &steps).chunks_exact(LINE * 2 * lanes); // (steps), (16, width)
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

/// start + (x − zero · sums of the bytes of B) · scale of the row · scales of the columns.
///
/// - `x`: sums, whole numbers by their bits
/// - `start`: the bias is that of the panel's columns
/// - `out`: what the row holds already
#[inline(always)]
pub(crate) fn scaled<I: Token>(
    isa: I,
    x: [I::F32; 2],
    start: Start<'_>,
    out: &[f32],
    block: &KBlock<'_>,
    panel: usize,
    row: usize,
) -> [I::F32; 2] {
    let ops = isa.f32();
    let lanes = ops.len();
    let start = match start {
        Start::Zero => [ops.zero(); 2],
        Start::Bias(bias) => [ops.load(bias), ops.load(&bias[lanes..])],
        Start::Out => [ops.load(out), ops.load(&out[lanes..])],
    };
    let ints = isa.i32();
    let x = [ints.to_float(x[0].reinterpret_cast::<I::I32>()), ints.to_float(x[1].reinterpret_cast::<I::I32>())];
    let own = block.a.scales(block.k.start)[row];
    let (scales, sums) = block.b.scales(panel, block.k.start);
    let (scale, zero) = (ops.splat(own.scale), ops.splat(-own.zero));
    let low = ops.mul(ops.mul_add(zero, ops.load(sums), x[0]), scale);
    let high = ops.mul(ops.mul_add(zero, ops.load(&sums[lanes..]), x[1]), scale);
    [ops.mul_add(low, ops.load(scales), start[0]), ops.mul_add(high, ops.load(&scales[lanes..]), start[1])]
}

/// Columns of the widest panel.
const WIDTH_MAX: usize = 32;

//! C (M, N) = A (M, K) · B (K, N) + bias, in f32.
//!
//! ```text
//! for i in 0..M, j in 0..N:
//!     c[i][j] = bias[j]
//!     for k in 0..K:  c[i][j] = a[i][k] * b[k][j] + c[i][j]
//! ```
//!
//! Departures, none of which changes a bit of the result where multiply-add is fused:
//! 1. Tiles of R rows by two vectors stay in registers while k runs: an output is still one chain over k.
//! 2. K is cut into blocks of `K_BLOCK`, so that a panel of B and the tiles of A stay in the first caches; the chain
//!    goes on from the value that the block before stored.
//! 3. A is packed into its tiles (k, R): rows that lie a power of two apart would share cache sets.
//! 4. B comes packed ([`Panels`]); columns beyond N are computed on zeros and not stored.
//! 5. Rows that do not fill a tile go through tiles of fewer rows: the chain of each output is the same.

use rten_simd::ops::{BitOps, NumOps};
use rten_simd::{Isa as Token, SimdOp};

use crate::Isa;
use crate::matrix::{Matrix, MatrixMut, PanelsPart};

/// Rows of B that are used together.
const K_BLOCK: usize = 256;

/// Working memory of the kernels, grown as needed: keep one for each thread.
#[derive(Debug, Default)]
pub struct Scratch {
    /// A, packed into tiles.
    tiles: Vec<f32>, // (tiles, K, R)
    /// Scores of a block of queries.
    pub(crate) scores: Vec<f32>, // (M, keys)
}

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
/// - `b`: (K, N), or a part of a larger operand
/// - `out`: C (M, N)
///
/// # Panics
/// If sizes do not agree or `b` was packed for another instruction set.
pub fn product(
    isa: Isa,
    a: Matrix<'_>,
    b: PanelsPart<'_>,
    start: Start<'_>,
    out: &mut MatrixMut<'_>,
    scratch: &mut Scratch,
) {
    assert_eq!(a.columns(), b.k(), "A has {} columns, B {} rows", a.columns(), b.k());
    assert_eq!(a.rows(), out.rows(), "A has {} rows, C {}", a.rows(), out.rows());
    assert_eq!(b.n(), out.columns(), "B has {} columns, C {}", b.n(), out.columns());
    assert_eq!(b.width(), 2 * isa.lanes(), "B was packed for another instruction set than {isa}");
    if let Start::Bias(bias) = start {
        assert_eq!(bias.len(), b.n(), "a bias of {} for {} columns", bias.len(), b.n());
    }
    // Accumulators, two vectors of B and one of A: 12 rows fit in 32 registers, 6 in 16.
    match isa {
        Isa::Avx512 | Isa::Neon => isa.run(Product::<12> { a, b, start, out, tiles: &mut scratch.tiles }),
        Isa::Avx2 | Isa::Portable => isa.run(Product::<6> { a, b, start, out, tiles: &mut scratch.tiles }),
    }
}

/// The operation with tiles of `R` rows.
struct Product<'a, 'o, const R: usize> {
    a: Matrix<'a>,
    b: PanelsPart<'a>,
    start: Start<'a>,
    out: &'a mut MatrixMut<'o>,
    tiles: &'a mut Vec<f32>,
}

impl<const R: usize> SimdOp for Product<'_, '_, R> {
    type Output = ();

    #[inline(always)]
    fn eval<I: Token>(mut self, isa: I) {
        self.pack();
        let k = self.b.k();
        let mut from = 0;
        loop {
            let to = k.min(from + K_BLOCK);
            for panel in 0..self.b.panels() {
                for first in (0..self.a.rows()).step_by(R) {
                    let rows = R.min(self.a.rows() - first);
                    self.tile_of_rows(isa, Tile { panel, first, from, to }, rows);
                }
            }
            if to == k {
                return;
            }
            self.start = Start::Out;
            from = to;
        }
    }
}

/// The outputs that stay in registers together: rows from `first` on, the columns of one panel; and the part of K.
#[derive(Clone, Copy)]
struct Tile {
    panel: usize,
    first: usize,
    from: usize,
    to: usize,
}

impl<const R: usize> Product<'_, '_, R> {
    /// A (M, K) → tiles of (K, R), the last one (K, rows left).
    fn pack(&mut self) {
        let (m, k) = (self.a.rows(), self.a.columns());
        self.tiles.resize(m * k, 0.0);
        for first in (0..m).step_by(R) {
            let rows = R.min(m - first);
            let tile = &mut self.tiles[first * k..(first + rows) * k]; // (K, rows)
            for i in 0..rows {
                for (group, &value) in tile.chunks_exact_mut(rows).zip(self.a.row(first + i)) {
                    group[i] = value;
                }
            }
        }
    }

    /// The number of rows becomes a constant, so that the accumulators become registers.
    #[inline(always)]
    fn tile_of_rows<I: Token>(&mut self, isa: I, tile: Tile, rows: usize) {
        match rows {
            _ if rows == R => self.tile::<I, R>(isa, tile),
            1 => self.tile::<I, 1>(isa, tile),
            2 => self.tile::<I, 2>(isa, tile),
            3 => self.tile::<I, 3>(isa, tile),
            4 => self.tile::<I, 4>(isa, tile),
            5 => self.tile::<I, 5>(isa, tile),
            6 => self.tile::<I, 6>(isa, tile),
            7 => self.tile::<I, 7>(isa, tile),
            8 => self.tile::<I, 8>(isa, tile),
            9 => self.tile::<I, 9>(isa, tile),
            10 => self.tile::<I, 10>(isa, tile),
            11 => self.tile::<I, 11>(isa, tile),
            _ => unreachable!("a tile of {rows} rows where {R} are the most"),
        }
    }

    #[inline(always)]
    fn tile<I: Token, const ROWS: usize>(&mut self, isa: I, tile: Tile) {
        let ops = isa.f32();
        let lanes = ops.len();
        let columns = self.b.panel_columns(tile.panel);
        let whole = columns.len() == 2 * lanes;
        let mut edge = [0.0; EDGE]; // a row of the last panel, where it is not full

        let mut sums = [[ops.zero(); 2]; ROWS];
        for (i, sum) in sums.iter_mut().enumerate() {
            let from = match self.start {
                Start::Zero => continue,
                Start::Bias(bias) => &bias[columns.clone()],
                Start::Out => &self.out.row_mut(tile.first + i)[columns.clone()],
            };
            let from = if whole {
                from
            } else {
                edge[..columns.len()].copy_from_slice(from);
                &edge
            };
            *sum = [ops.load(from), ops.load(&from[lanes..])];
        }

        let k = self.a.columns();
        let a = &self.tiles[tile.first * k + tile.from * ROWS..tile.first * k + tile.to * ROWS];
        let b = self.b.panel(tile.panel, tile.from..tile.to);
        for (a, b) in a.as_chunks::<ROWS>().0.iter().zip(b.chunks_exact(2 * lanes)) {
            let b = [ops.load(b), ops.load(&b[lanes..])];
            for (sum, &a) in sums.iter_mut().zip(a) {
                let a = ops.splat(a);
                *sum = [ops.mul_add(a, b[0], sum[0]), ops.mul_add(a, b[1], sum[1])];
            }
        }

        for (i, [low, high]) in sums.into_iter().enumerate() {
            let row = &mut self.out.row_mut(tile.first + i)[columns.clone()];
            if whole {
                ops.store(low, row);
                ops.store(high, &mut row[lanes..]);
            } else {
                ops.store(low, &mut edge);
                ops.store(high, &mut edge[lanes..]);
                row.copy_from_slice(&edge[..columns.len()]);
            }
        }
    }
}

/// Columns of the widest panel.
const EDGE: usize = 32;

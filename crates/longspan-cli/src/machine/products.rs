//! The peak rate of matrix products on this machine, and the rate of products in the sizes of a model.

use std::sync::Barrier;
use std::time::{Duration, Instant};

use longspan::random;
use longspan_kernels::{Arithmetic, MatrixMut, Panels, Start, Tiles, product};
use rayon::ThreadPool;
use rayon::prelude::*;

/// How often the peak is measured, and how long each time; the best counts.
const REPETITIONS: usize = 5;
const REPETITION: Duration = Duration::from_millis(40);

/// Products between two readings of the clock.
const PRODUCTS: usize = 8;

/// Rows of A for the peak: a multiple of every tile.
const PEAK_ROWS: usize = 96;

/// Rows of A that a thread computes at once, as in the model.
const BLOCK_ROWS: usize = 192;

/// Sizes of a product (M, K) · (K, N).
#[derive(Debug, Clone, Copy)]
pub struct Size {
    /// Rows of A.
    pub m: usize,
    /// Columns of B.
    pub n: usize,
    /// Columns of A, rows of B.
    pub k: usize,
}

impl Size {
    /// Multiplications and additions, in units of 10⁹.
    fn gflop(self) -> f64 {
        2.0 * self.m as f64 * self.n as f64 * self.k as f64 / 1e9
    }
}

/// The highest rate of all threads together, in GFLOP/s. Each multiplies its own operands, which stay in the caches of its
/// core (the panel of B in the first), all at the same time.
pub fn peak(arithmetic: Arithmetic, pool: &ThreadPool) -> f64 {
    let barrier = Barrier::new(pool.current_num_threads());
    let rates = pool.broadcast(|_| {
        let size = Size { m: PEAK_ROWS, n: arithmetic.panel_width(), k: arithmetic.k_block() };
        let (a, b) = (tiles(arithmetic, size.m, size.k), panels(arithmetic, size.n, size.k));
        let mut out = vec![0.0; size.m * size.n];
        let mut repetition = || {
            barrier.wait();
            let (started, mut done) = (Instant::now(), 0);
            while started.elapsed() < REPETITION {
                for _ in 0..PRODUCTS {
                    product(a.all(), b.all(), Start::Zero, &mut MatrixMut::new(&mut out, size.n));
                }
                done += PRODUCTS;
            }
            done as f64 * size.gflop() / started.elapsed().as_secs_f64()
        };
        (0..REPETITIONS).map(|_| repetition()).collect::<Vec<_>>()
    }); // (threads), (REPETITIONS)
    let together = |repetition: usize| rates.iter().map(|rates| rates[repetition]).sum();
    (0..REPETITIONS).map(together).fold(0.0, f64::max)
}

/// The best rate of a product in GFLOP/s, computed as in the model: blocks of rows over the threads, with packed operands.
pub fn rate(arithmetic: Arithmetic, size: Size, pool: &ThreadPool) -> f64 {
    pool.install(|| {
        let rows: Vec<usize> = (0..size.m).step_by(BLOCK_ROWS).map(|first| BLOCK_ROWS.min(size.m - first)).collect();
        let a: Vec<Tiles> = rows.par_iter().map(|&rows| tiles(arithmetic, rows, size.k)).collect();
        let b = panels(arithmetic, size.n, size.k);
        let mut out = vec![0.0; size.m * size.n];
        let mut multiply = || {
            let blocks = a.par_iter().zip(out.par_chunks_mut(BLOCK_ROWS * size.n)).with_max_len(1);
            blocks.for_each(|(a, out)| product(a.all(), b.all(), Start::Zero, &mut MatrixMut::new(out, size.n)));
        };
        multiply(); // touches the outputs
        let timed = || {
            let started = Instant::now();
            multiply();
            size.gflop() / started.elapsed().as_secs_f64()
        };
        std::iter::repeat_with(timed).take(REPETITIONS).fold(0.0, f64::max)
    })
}

fn tiles(arithmetic: Arithmetic, rows: usize, k: usize) -> Tiles {
    let mut tiles = Tiles::new(arithmetic);
    tiles.encode_with(rows, k, fill);
    tiles
}

fn panels(arithmetic: Arithmetic, n: usize, k: usize) -> Panels {
    Panels::from_columns(arithmetic, k, n, fill)
}

/// Numbers between −1 and 1, the same at every call.
fn fill(row: usize, numbers: &mut [f32]) {
    let number = |at: usize| 2.0 * random::fraction(1, &[row as u64, at as u64]) as f32 - 1.0;
    numbers.iter_mut().enumerate().for_each(|(at, out)| *out = number(at));
}

#[cfg(test)]
mod tests {
    use super::*;
    use longspan_kernels::{Isa, Precision};

    #[test]
    fn every_precision_has_a_rate() {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(3).build().unwrap();
        let isa = Isa::current().unwrap();
        for precision in [Precision::F32, Precision::Bf16, Precision::Int8] {
            let arithmetic = Arithmetic { isa, precision };
            for size in [Size { m: 1, n: 1, k: 1 }, Size { m: 200, n: 40, k: 500 }] {
                let rate = rate(arithmetic, size, &pool);
                assert!(rate > 0.0 && rate.is_finite(), "{precision} {size:?}: {rate}");
            }
            assert!(peak(arithmetic, &pool).is_normal(), "{precision}");
        }
    }
}

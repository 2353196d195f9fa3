//! Gradients of weights: sums over the tokens of a batch.
//!
//! ```text
//! y = x·Wᵀ + b:        dW += dyᵀ·x        db += Σ dy
//! ```
//!
//! Both factors are packed once, in chunks of a fixed number of tokens. A gradient is cut into blocks that stay in the L2
//! cache while all chunks are added to it in order; threads divide the blocks. So no sum depends on the number of threads.

use std::ops::Range;

use longspan_kernels::{Arithmetic, Matrix, MatrixMut, Panels, Start, Tiles, product};

use super::parallel::{par_map, par_run, ranges, split_rows};

/// Tokens that are packed together: a multiple of the block of the reduced index.
const TOKENS: usize = 768;

/// Rows and columns of a block: multiples of the sides of every tile.
const ROWS: usize = 192;
const COLUMNS: usize = 384;

/// The gradient of one weight.
pub(crate) struct WeightGradient<'a> {
    /// Encoded gradients of the outputs: (T, N / group), N rounded up to whole groups.
    pub dout: Matrix<'a, i32>,
    /// The sum to which it is added: (N, K).
    pub dweight: &'a mut [f32],
}

/// Packed factors, whose memory the next ones reuse.
#[derive(Debug, Default)]
pub(crate) struct PackedFactors {
    tiles: Vec<Tiles>,
    panels: Vec<Panels>,
}

/// Rows of one gradient.
struct GradientRows<'a> {
    dout: Matrix<'a, i32>,  // (T, rows / group), rows rounded up to whole groups
    dweight: &'a mut [f32], // (rows, K)
}

/// Adds the gradients of weights that have the same input.
///
/// - `x`: the encoded input, (T, K / group)
pub(crate) fn weight_gradients(
    arithmetic: Arithmetic,
    x: Matrix<'_, i32>,
    weights: Vec<WeightGradient<'_>>,
    factors: &mut PackedFactors,
) {
    let (t, k, group) = (x.rows(), x.columns() * arithmetic.group(), arithmetic.group());
    let groups = |range: &Range<usize>| range.start / group..range.end.div_ceil(group);
    let mut all: Vec<GradientRows<'_>> = Vec::new();
    for WeightGradient { dout, dweight } in weights {
        assert_eq!(dout.rows(), t, "rows of inputs and of gradients");
        let n = dweight.len() / k;
        let fits = n * k == dweight.len() && n.div_ceil(group) == dout.columns();
        assert!(fits, "a gradient of {} numbers for {} groups by {k}", dweight.len(), dout.columns());
        let rows = ranges(n, n.div_ceil(ROWS), ROWS);
        let own = split_rows(&rows, dweight, k).into_iter();
        all.extend(own.map(|(rows, dweight)| GradientRows { dout: dout.columns_in(groups(rows)), dweight }));
    }
    let chunks = ranges(t, t.div_ceil(TOKENS), TOKENS);
    let columns = ranges(k, k.div_ceil(COLUMNS), COLUMNS);

    if factors.tiles.first().is_some_and(|tiles| tiles.arithmetic() != arithmetic) {
        *factors = PackedFactors::default(); // left by a pass in another precision
    }
    let PackedFactors { tiles, panels } = factors;
    grow(tiles, all.len() * chunks.len(), || Tiles::new(arithmetic)); // (rows, chunks)
    grow(panels, columns.len() * chunks.len(), || Panels::new(arithmetic)); // (columns, chunks)
    par_run(tiles.iter_mut().zip(pairs(&all, &chunks)).collect(), |(tiles, (rows, chunk))| {
        tiles.copy_transposed(rows.dout.rows_in(chunk.clone()));
    });
    par_run(panels.iter_mut().zip(pairs(&columns, &chunks)).collect(), |(panels, (columns, chunk))| {
        panels.set_rows(x.rows_in(chunk.clone()).columns_in(groups(columns)));
    });
    let count = chunks.len();
    let blocks: Vec<_> = (0..all.len()).flat_map(|i| (0..columns.len()).map(move |j| (i, j))).collect();
    let found = par_map(&blocks, |&(i, j)| {
        let own = tiles[i * count..].iter().zip(&panels[j * count..(j + 1) * count]);
        let mut out = vec![0.0; all[i].dout.columns() * group * columns[j].len()]; // (rows, columns)
        for (tiles, panels) in own {
            product(tiles.all(), panels.all(), Start::Out, &mut MatrixMut::new(&mut out, columns[j].len()));
        }
        out
    });
    for (&(i, j), block) in blocks.iter().zip(&found) {
        let rows = all[i].dweight.chunks_exact_mut(k).zip(block.chunks_exact(columns[j].len()));
        rows.for_each(|(out, row)| add(&mut out[columns[j].clone()], row));
    }
}

fn grow<T>(all: &mut Vec<T>, count: usize, new: impl FnMut() -> T) {
    if all.len() < count {
        all.resize_with(count, new);
    }
}

/// Every pair, in the order of `a` and then of `b`.
fn pairs<'a, A, B>(a: &'a [A], b: &'a [B]) -> impl Iterator<Item = (&'a A, &'a B)> {
    a.iter().flat_map(move |a| b.iter().map(move |b| (a, b)))
}

/// out += x
pub(crate) fn add(out: &mut [f32], x: &[f32]) {
    out.iter_mut().zip(x).for_each(|(out, x)| *out += x);
}

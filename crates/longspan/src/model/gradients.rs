//! Gradients of weights: sums over the tokens of a batch.
//!
//! ```text
//! y = x·Wᵀ + b:        dW += dyᵀ·x        db += Σ dy
//! ```
//!
//! Both factors are packed once, in chunks of a fixed number of tokens. A gradient is cut into blocks that stay in the second
//! cache while all chunks pass by, one after the other; threads divide the blocks. So a sum depends neither on their number
//! nor on what they do.

use std::ops::Range;

use longspan_kernels::{Arithmetic, Matrix, MatrixMut, Panels, Start, Tiles, product};

use super::split;

/// Tokens that are packed together: a multiple of the block of the reduced index.
const TOKENS: usize = 768;

/// Rows and columns of a block: multiples of the sides of every tile.
const ROWS: usize = 192;
const COLUMNS: usize = 384;

/// The gradient of one weight.
pub(crate) struct WeightGradient<'a> {
    /// Encoded gradients of the outputs: (T, N / group), N rounded up to whole groups.
    pub dout: Matrix<'a, i32>,
    /// What it is added to: (N, K).
    pub dweight: &'a mut [f32],
}

/// Packed factors, in the memory of those before.
#[derive(Debug, Default)]
pub(crate) struct Factors {
    tiles: Vec<Tiles>,
    panels: Vec<Panels>,
}

/// Rows of one gradient.
struct Rows<'a> {
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
    factors: &mut Factors,
) {
    let (t, k, group) = (x.rows(), x.columns() * arithmetic.group(), arithmetic.group());
    let groups = |range: &Range<usize>| range.start / group..range.end.div_ceil(group);
    let mut all: Vec<Rows<'_>> = Vec::new();
    for WeightGradient { dout, dweight } in weights {
        assert_eq!(dout.rows(), t, "rows of inputs and of gradients");
        let n = dweight.len() / k;
        let fits = n * k == dweight.len() && n.div_ceil(group) == dout.columns();
        assert!(fits, "a gradient of {} numbers for {} groups by {k}", dweight.len(), dout.columns());
        let rows = split::ranges(n, n.div_ceil(ROWS), ROWS);
        let own = split::cut(&rows, dweight, |rows| rows.len() * k);
        all.extend(rows.iter().zip(own).map(|(rows, dweight)| Rows { dout: dout.columns_in(groups(rows)), dweight }));
    }
    let chunks = split::ranges(t, t.div_ceil(TOKENS), TOKENS);
    let columns = split::ranges(k, k.div_ceil(COLUMNS), COLUMNS);

    if factors.tiles.first().is_some_and(|tiles| tiles.arithmetic() != arithmetic) {
        *factors = Factors::default(); // of a pass in another precision
    }
    let Factors { tiles, panels } = factors;
    grow(tiles, all.len() * chunks.len(), || Tiles::new(arithmetic)); // (rows, chunks)
    grow(panels, columns.len() * chunks.len(), || Panels::new(arithmetic)); // (columns, chunks)
    split::run(tiles.iter_mut().zip(pairs(&all, &chunks)).collect(), |(tiles, (rows, chunk))| {
        tiles.copy_transposed(rows.dout.rows_in(chunk.clone()));
    });
    split::run(panels.iter_mut().zip(pairs(&columns, &chunks)).collect(), |(panels, (columns, chunk))| {
        panels.set_rows(x.rows_in(chunk.clone()).columns_in(groups(columns)));
    });
    let count = chunks.len();
    let blocks: Vec<_> = (0..all.len()).flat_map(|i| (0..columns.len()).map(move |j| (i, j))).collect();
    let found = split::map(&blocks, |&(i, j)| {
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

/// Every pair, the second fastest.
fn pairs<'a, A, B>(a: &'a [A], b: &'a [B]) -> impl Iterator<Item = (&'a A, &'a B)> {
    a.iter().flat_map(move |a| b.iter().map(move |b| (a, b)))
}

/// Sums of blocks of rows, added in the order of the blocks.
///
/// - `sums`: (blocks), of each the part that is meant
pub(crate) fn add_sums(sums: &[Vec<f32>], part: Range<usize>, out: &mut [f32]) {
    sums.iter().for_each(|sums| add(out, &sums[part.clone()]));
}

/// out += x
pub(crate) fn add(out: &mut [f32], x: &[f32]) {
    out.iter_mut().zip(x).for_each(|(out, x)| *out += x);
}

//! One head of attention for a block of queries, in f32.
//!
//! A query without global attention sees the union of the global tokens and of its window:
//!
//! ```text
//! for i in queries:
//!     keys = globals ∪ { j : |i - j| <= W, j not global }
//!     p    = softmax over keys of  q[i] · k[j]              (q is scaled already)
//!     out[i] = sum over keys of  p[j] * v[j]
//! ```
//!
//! A query with global attention sees all tokens: the same with keys = everything ([`full_attention`]).
//!
//! Departures:
//! 1. A block of queries is scored against the global tokens and against all keys that any of its windows reaches, by
//!    products; the scores outside a query's own window, and those of global tokens inside it (they stand among the
//!    globals already), are −∞ before the softmax and so weigh exactly 0.
//! 2. The first key of a block is rounded down to a panel, and the scores of the global tokens up to a whole panel: a
//!    key's lane in the softmax then depends on its position alone, so blocks may be cut anywhere.

use std::ops::Range;

use crate::matrix::{Matrix, MatrixMut, Panels};
use crate::product::{Scratch, Start, product};
use crate::{Isa, softmax};

/// What the queries of one head of one sequence see in band attention.
#[derive(Debug, Clone, Copy)]
pub struct BandAttention<'a> {
    /// Keys of all tokens, as columns: (D, T).
    pub keys: &'a Panels,
    /// Values of all tokens, as rows: (T, D).
    pub values: &'a Panels,
    /// Keys of the global tokens, as columns: (D, G).
    pub global_keys: &'a Panels,
    /// Values of the global tokens, as rows: (G, D).
    pub global_values: &'a Panels,
    /// Positions of the global tokens, ascending: (G).
    pub globals: &'a [usize],
    /// How many neighbours a token sees on each side.
    pub one_sided_window: usize,
}

/// Attention of the queries of the tokens from `first` on, which are not global (rows of those that are get what they
/// would get if they were not).
///
/// - `queries`: (M, D), scaled by 1/√D
/// - `out`: (M, D)
pub fn band_attention(
    isa: Isa,
    seen: BandAttention<'_>,
    queries: Matrix<'_>,
    first: usize,
    out: &mut MatrixMut<'_>,
    scratch: &mut Scratch,
) {
    let (t, g, w) = (seen.keys.n(), seen.globals.len(), seen.one_sided_window);
    let m = queries.rows();
    assert!(first + m <= t, "queries {first}..{} of {t} tokens", first + m);
    assert_eq!(seen.global_keys.n(), g, "{} global keys for {g} global tokens", seen.global_keys.n());
    let width = Panels::width(isa);
    let band = first.saturating_sub(w) / width * width..t.min(first + m + w);
    let offset = g.next_multiple_of(width); // of the band in a row of scores
    let columns = offset + band.len();

    let mut scores = std::mem::take(&mut scratch.scores); // (M, columns)
    scores.clear();
    scores.resize(m * columns, f32::NEG_INFINITY);
    let mut part = MatrixMut::with_stride(&mut scores, columns, g, m);
    product(isa, queries, seen.global_keys.all(), Start::Zero, &mut part, scratch);
    let mut part = MatrixMut::with_stride(&mut scores[offset..], columns, band.len(), m);
    product(isa, queries, seen.keys.part(0..seen.keys.k(), band.clone()), Start::Zero, &mut part, scratch);

    let globals_in_band = range_of(seen.globals, &band);
    for (i, row) in scores.chunks_exact_mut(columns).enumerate() {
        let position = first + i;
        let window = position.saturating_sub(w)..t.min(position + w + 1);
        let band_scores = &mut row[offset..];
        band_scores[..window.start - band.start].fill(f32::NEG_INFINITY);
        band_scores[window.end - band.start..].fill(f32::NEG_INFINITY);
        for &j in &seen.globals[globals_in_band.clone()] {
            band_scores[j - band.start] = f32::NEG_INFINITY;
        }
        softmax(isa, row);
    }

    let all = Matrix::new(&scores, columns);
    product(isa, all.columns_in(0..g), seen.global_values.all(), Start::Zero, out, scratch);
    let values = seen.values.part(band, 0..seen.values.n());
    product(isa, all.columns_in(offset..columns), values, Start::Out, out, scratch);
    scratch.scores = scores;
}

/// Attention of queries that see all tokens.
///
/// - `keys`: (D, T), `values`: (T, D)
/// - `queries`: (M, D), scaled by 1/√D
/// - `out`: (M, D)
pub fn full_attention(
    isa: Isa,
    keys: &Panels,
    values: &Panels,
    queries: Matrix<'_>,
    out: &mut MatrixMut<'_>,
    scratch: &mut Scratch,
) {
    let t = keys.n();
    let mut scores = std::mem::take(&mut scratch.scores); // (M, T)
    scores.resize(queries.rows() * t, 0.0);
    product(isa, queries, keys.all(), Start::Zero, &mut MatrixMut::new(&mut scores, t), scratch);
    for row in scores.chunks_exact_mut(t) {
        softmax(isa, row);
    }
    product(isa, Matrix::new(&scores, t), values.all(), Start::Zero, out, scratch);
    scratch.scores = scores;
}

/// Where in the ascending `positions` those within `range` stand.
fn range_of(positions: &[usize], range: &Range<usize>) -> Range<usize> {
    positions.partition_point(|&j| j < range.start)..positions.partition_point(|&j| j < range.end)
}

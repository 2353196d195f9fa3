//! The backward pass of attention, for a block of queries at a time.
//!
//! ```text
//! for each query i of the block:               l[i] = m + ln s of the forward pass, D[i] = dout[i] · out[i]
//!     for each key j that it sees:
//!         p     = exp(q[i] · k[j] - l[i])
//!         dp    = dout[i] · v[j]
//!         ds    = p * (dp - D[i])
//!         dq[i] += ds * k[j]       dk[j] += ds * q[i]       dv[j] += p * dout[i]
//! ```
//!
//! (Dao et al., "FlashAttention", arXiv 2205.14135, appendix B.)
//!
//! 1. As in the forward pass, each query has a lane: scores are K·qᵀ, dp is V·doutᵀ, and dqᵀ = Kᵀ·ds.
//! 2. dk and dv are sums over queries: p and ds of all panels of a block are collected, one row per key, and are the
//!    left operands of one product each.
//! 3. Lanes without a query have an l so large that their p is 0.

use std::ops::Range;

use rten_simd::Isa as Token;
use rten_simd::ops::{BitOps, NumOps};

use super::visibility::{KEY_CHUNK, Visibility, mask_scores};
use crate::arithmetic::Arithmetic;
use crate::format::{FormatOp, LINE, NumberFormat, Scale};
use crate::matrix::{Matrix, MatrixMut};
use crate::panels::{Panels, WIDTH_MAX};
use crate::product::{Start, product};
use crate::row_ops::exp;
use crate::tiles::{Tiles, TilesMut};

/// The most queries in a block of the backward pass.
pub const QUERY_BLOCK: usize = 192;

/// Keys and values of one head for the backward pass.
#[derive(Debug, Clone)]
pub struct BackwardKeys {
    keys: Tiles,       // (N, D)
    values: Tiles,     // (N, D)
    transposed: Tiles, // the keys: (D, N)
}

impl BackwardKeys {
    /// No keys.
    pub fn new(arithmetic: Arithmetic) -> Self {
        let [keys, values, transposed] = [(); 3].map(|()| Tiles::new(arithmetic));
        Self { keys, values, transposed }
    }

    /// Sets the keys and values, encoded: (N, D / group) each.
    pub fn set(&mut self, keys: Matrix<'_, i32>, values: Matrix<'_, i32>) {
        assert_eq!(keys.rows(), values.rows(), "keys and values");
        self.keys.copy(keys);
        self.values.copy(values);
        self.transposed.copy_transposed(keys);
    }
}

/// The inputs of the backward pass of a block of queries.
#[derive(Debug, Clone, Copy)]
pub struct BackwardInputs<'a> {
    /// The queries of the forward pass, encoded and scaled: (count, D / group).
    pub queries: Matrix<'a, i32>,
    /// Gradients of the outputs, encoded: (count, D / group).
    pub douts: Matrix<'a, i32>,
    /// The results of [`Queries::log_sums`](crate::Queries::log_sums): (count).
    pub log_sums: &'a [f32],
    /// Dot products of outputs and their gradients: (count).
    pub deltas: &'a [f32],
}

/// A block of queries with their gradients and the working memory of the backward pass.
#[derive(Debug, Clone)]
pub struct BackwardQueries {
    arithmetic: Arithmetic,
    d: usize,
    count: usize,
    queries: Panels,     // (D, QUERY_BLOCK)
    douts: Panels,       // (D, QUERY_BLOCK)
    query_rows: Panels,  // (count, D)
    dout_rows: Panels,   // (count, D)
    log_sums: Vec<f32>,  // (QUERY_BLOCK)
    deltas: Vec<f32>,    // (QUERY_BLOCK)
    dqueries: Vec<f32>,  // (panels, D, width)
    scores: Vec<f32>,    // (KEY_CHUNK, width)
    dweights: Vec<f32>,  // (KEY_CHUNK, width)
    weights: Tiles,      // (keys of a chunk, count rounded up to whole panels)
    dscores: Tiles,      // the same
    dscore_rows: Panels, // (KEY_CHUNK, width)
}

impl BackwardQueries {
    /// Room for a block of queries of `d` numbers.
    pub fn new(arithmetic: Arithmetic, d: usize) -> Self {
        let width = arithmetic.panel_width();
        let zeros = |count: usize| vec![0.0; count];
        Self {
            arithmetic,
            d,
            count: 0,
            queries: Panels::zeroed(arithmetic, d, QUERY_BLOCK),
            douts: Panels::zeroed(arithmetic, d, QUERY_BLOCK),
            query_rows: Panels::new(arithmetic),
            dout_rows: Panels::new(arithmetic),
            log_sums: zeros(QUERY_BLOCK),
            deltas: zeros(QUERY_BLOCK),
            dqueries: zeros(d * QUERY_BLOCK),
            scores: zeros(KEY_CHUNK * width),
            dweights: zeros(KEY_CHUNK * width),
            weights: Tiles::new(arithmetic),
            dscores: Tiles::new(arithmetic),
            dscore_rows: Panels::zeroed(arithmetic, KEY_CHUNK, width),
        }
    }

    /// Starts with new queries, at most [`QUERY_BLOCK`].
    pub fn set(&mut self, inputs: BackwardInputs<'_>) {
        let BackwardInputs { queries, douts, log_sums, deltas } = inputs;
        let count = queries.rows();
        assert!(count <= QUERY_BLOCK, "{count} queries for a block of {QUERY_BLOCK}");
        assert_eq!(queries.columns(), self.d.div_ceil(self.arithmetic.group()), "groups of a query");
        assert!(
            douts.rows() == count && log_sums.len() == count && deltas.len() == count,
            "{count} queries, {} gradients, {} log-sums, {} deltas",
            douts.rows(),
            log_sums.len(),
            deltas.len()
        );
        self.count = count;
        self.queries.set_columns(queries);
        self.douts.set_columns(douts);
        self.query_rows.set_rows(queries);
        self.dout_rows.set_rows(douts);
        self.log_sums[..count].copy_from_slice(log_sums);
        self.log_sums[count..].fill(f32::MAX);
        self.deltas[..count].copy_from_slice(deltas);
        self.deltas[count..].fill(0.0);
        self.dqueries.fill(0.0);
    }

    /// Writes the gradients of the scaled queries: (count, D).
    pub fn write(&self, out: &mut MatrixMut<'_>) {
        assert_eq!(out.rows(), self.count, "rows for {} queries", self.count);
        let width = self.arithmetic.panel_width();
        for i in 0..self.count {
            let panel = &self.dqueries[i / width * self.d * width..][..self.d * width];
            let column = panel[i % width..].iter().step_by(width);
            out.row_mut(i).iter_mut().zip(column).for_each(|(out, x)| *out = *x);
        }
    }
}

/// Adds the contribution of the keys that the queries see to the gradients of queries, keys and values.
///
/// - `dkeys`, `dvalues`: (N, D)
pub fn attend_backward(
    queries: &mut BackwardQueries,
    keys: &BackwardKeys,
    visibility: Visibility<'_>,
    dkeys: &mut MatrixMut<'_>,
    dvalues: &mut MatrixMut<'_>,
) {
    let n = keys.keys.rows();
    assert!(dkeys.rows() == n && dvalues.rows() == n, "{n} keys, {} and {} gradients", dkeys.rows(), dvalues.rows());
    let reach = visibility.reach(queries.count, n);
    let (mut first, d) = (reach.start / KEY_CHUNK * KEY_CHUNK, queries.d);
    while first < reach.end {
        let rows = first..n.min(first + KEY_CHUNK);
        let width = queries.arithmetic.panel_width();
        for p in 0..queries.count.div_ceil(width) {
            attend_panel(queries, keys, visibility, &rows, p);
        }
        let BackwardQueries { count, weights, dscores, dout_rows, query_rows, .. } = &*queries;
        let outs = [dvalues.part(rows.clone(), 0..d), dkeys.part(rows.clone(), 0..d)];
        for ((left, right), mut out) in [(weights, dout_rows), (dscores, query_rows)].into_iter().zip(outs) {
            product(left.first_columns(*count), right.all(), Start::Out, &mut out);
        }
        first += KEY_CHUNK;
    }
}

/// The backward pass of one panel of queries and one chunk of keys: writes the panel's columns of weights and gradients
/// of scores, and adds to the gradients of its queries.
fn attend_panel(
    queries: &mut BackwardQueries,
    keys: &BackwardKeys,
    visibility: Visibility<'_>,
    rows: &Range<usize>,
    p: usize,
) {
    let BackwardQueries { arithmetic, d, scores, dweights, weights, dscores, dscore_rows, .. } = queries;
    let (width, d) = (arithmetic.panel_width(), *d);
    let lanes = p * width..(p + 1) * width;
    let count = width.min(queries.count - lanes.start);
    let visibility = visibility.for_later_query(lanes.start);
    let seen = visibility.reach(count, keys.keys.rows());
    let group = arithmetic.group();
    let [mut weights, mut dscores] =
        [weights, dscores].map(|tiles| tiles.lines_mut(rows.len(), queries.count.next_multiple_of(width)));
    let columns = lanes.start / group..lanes.end / group;
    let is_last = lanes.end >= queries.count;
    let is_seen = seen.start < rows.end && rows.start < seen.end;
    for tiles in [&mut weights, &mut dscores] {
        // The line of the last panel is multiplied to its end.
        let rest = if is_last { columns.end..tiles.row_groups() } else { 0..0 };
        let unseen = if is_seen { 0..0 } else { columns.clone() };
        for range in [unseen, rest] {
            for part in range.clone().step_by(PART) {
                let count = PART.min(range.end - part);
                (0..rows.len()).for_each(|i| tiles.part(i, part, count).fill(0));
            }
        }
    }
    if !is_seen {
        return;
    }
    let [scores, dweights] = [scores, dweights].map(|x| &mut x[..rows.len() * width]);
    for (left, right, out) in [(&keys.keys, &queries.queries, &mut *scores), (&keys.values, &queries.douts, dweights)] {
        let right = right.part(0..d, lanes.clone());
        product(left.part(rows.clone(), 0..d), right, Start::Zero, &mut MatrixMut::new(out, width));
    }
    mask_scores(scores, width, count, visibility, rows.start);
    arithmetic.run(ChunkSoftmaxBackward {
        scores,
        dweights,
        log_sums: &queries.log_sums[lanes.clone()],
        deltas: &queries.deltas[lanes.clone()],
        weights,
        dscores,
        first: columns.start,
        groups: dscore_rows.groups_mut(),
    });
    let dqueries = &mut queries.dqueries[p * d * width..][..d * width];
    let right = dscore_rows.part(0..rows.len(), 0..width);
    product(keys.transposed.part(0..d, rows.clone()), right, Start::Out, &mut MatrixMut::new(dqueries, width));
}

/// Every panel and every line begins at a multiple of this number of groups.
const PART: usize = 4;

/// Computes weights and gradients of scores from scores and gradients of weights.
struct ChunkSoftmaxBackward<'a> {
    scores: &'a [f32],     // (keys, width)
    dweights: &'a [f32],   // (keys, width)
    log_sums: &'a [f32],   // (width)
    deltas: &'a [f32],     // (width)
    weights: TilesMut<'a>, // (keys, count)
    dscores: TilesMut<'a>, // (keys, count)
    /// The first group of the panel in a row of `weights` and `dscores`.
    first: usize,
    groups: &'a mut [i32], // dscores as a right operand: (keys / group, width)
}

impl FormatOp for ChunkSoftmaxBackward<'_> {
    type Output = ();

    #[inline(always)]
    fn eval<I: Token, F: NumberFormat<I>>(mut self, isa: I, format: F) {
        let (ops, ints) = (isa.f32(), isa.i32());
        let lanes = ops.len();
        let width = 2 * lanes;
        let keys = self.scores.len() / width;
        let zero = [ops.zero(); 2];
        let log_sums = [ops.load(self.log_sums), ops.load(&self.log_sums[lanes..])];
        let deltas = [ops.load(self.deltas), ops.load(&self.deltas[lanes..])];
        let own = width / F::GROUP; // groups of a panel
        let mut row = [0.0; WIDTH_MAX];
        // Macros, because a closure would be compiled without the instruction set of its caller.
        macro_rules! put {
            ($x:expr, $tiles:expr, $key:expr) => {
                ops.store($x[0], &mut row);
                ops.store($x[1], &mut row[lanes..]);
                for at in (0..own).step_by(LINE) {
                    let count = LINE.min(own);
                    let part = $tiles.part($key, self.first + at, count);
                    format.encode(isa, &row[at * F::GROUP..][..count * F::GROUP], Scale::NONE, part);
                }
            };
        }
        macro_rules! dscores {
            ($key:expr) => {{
                let at = $key * width;
                let (x, dx) = (&self.scores[at..at + width], &self.dweights[at..at + width]);
                let p = [
                    exp(isa, ops.sub(ops.load(x), log_sums[0])),
                    exp(isa, ops.sub(ops.load(&x[lanes..]), log_sums[1])),
                ];
                let ds = [
                    ops.mul(p[0], ops.sub(ops.load(dx), deltas[0])),
                    ops.mul(p[1], ops.sub(ops.load(&dx[lanes..]), deltas[1])),
                ];
                put!(p, self.weights, $key);
                put!(ds, self.dscores, $key);
                ds
            }};
        }
        for (i, out) in self.groups.chunks_exact_mut(width).take(keys.div_ceil(F::GROUP)).enumerate() {
            let key = i * F::GROUP;
            let first = dscores!(key);
            let second = if F::GROUP == 2 && key + 1 < keys { dscores!(key + 1) } else { zero };
            ints.store(format.pair_lanes(isa, [first[0], second[0]]), out);
            ints.store(format.pair_lanes(isa, [first[1], second[1]]), &mut out[lanes..]);
        }
        // Whole lines are multiplied, so the groups after the last key must be finite.
        let filled = keys.div_ceil(F::GROUP);
        let end = filled.next_multiple_of(LINE);
        self.groups[filled * width..end * width].fill(0);
    }
}

//! The forward pass of attention.

use std::ops::Range;

use rten_simd::Isa as Token;
use rten_simd::ops::{BitOps, NumOps};

use super::visibility::{KEY_CHUNK, Visibility, mask_scores};
use crate::arithmetic::Arithmetic;
use crate::format::{FormatOp, LINE, NumberFormat};
use crate::matrix::{Matrix, MatrixMut};
use crate::panels::Panels;
use crate::product::{Start, product};
use crate::row_ops::exp;
use crate::tiles::Tiles;

/// Keys and values of one head.
#[derive(Debug, Clone)]
pub struct Keys {
    /// (N, D)
    keys: Tiles,
    /// (D, N)
    values: Tiles,
}

impl Keys {
    /// No keys.
    pub fn new(arithmetic: Arithmetic) -> Self {
        Self { keys: Tiles::new(arithmetic), values: Tiles::new(arithmetic) }
    }

    /// Sets the keys and values, encoded: (N, D / group) each.
    pub fn set(&mut self, keys: Matrix<'_, i32>, values: Matrix<'_, i32>) {
        assert_eq!(keys.rows(), values.rows(), "keys and values");
        self.keys.copy(keys);
        self.values.copy_transposed(values);
    }

    /// Number of keys.
    pub fn count(&self) -> usize {
        self.keys.rows()
    }
}

/// A block of queries with their running results and working memory.
#[derive(Debug, Clone)]
pub struct Queries {
    arithmetic: Arithmetic,
    count: usize,
    queries: Panels,  // (D, width)
    max: Vec<f32>,    // (width)
    sum: Vec<f32>,    // (width)
    out: Vec<f32>,    // (D, width)
    scores: Vec<f32>, // (KEY_CHUNK, width)
    weights: Panels,  // (KEY_CHUNK, width)
}

impl Queries {
    /// Room for a panel of queries of `d` numbers.
    pub fn new(arithmetic: Arithmetic, d: usize) -> Self {
        let width = arithmetic.panel_width();
        Self {
            arithmetic,
            count: 0,
            queries: Panels::zeroed(arithmetic, d, width),
            max: vec![0.0; width],
            sum: vec![0.0; width],
            out: vec![0.0; d * width],
            scores: vec![0.0; KEY_CHUNK * width],
            weights: Panels::zeroed(arithmetic, KEY_CHUNK, width),
        }
    }

    /// The most queries that a block holds.
    pub fn count_max(&self) -> usize {
        self.arithmetic.panel_width()
    }

    /// Starts with new queries, encoded and scaled by 1/√D: (count, D / group).
    pub fn set(&mut self, queries: Matrix<'_, i32>) {
        assert_eq!(queries.columns(), self.queries.k().div_ceil(self.arithmetic.group()), "groups of a query");
        self.count = queries.rows();
        self.queries.set_columns(queries);
        self.max.fill(f32::MIN);
        self.sum.fill(0.0);
        self.out.fill(0.0);
    }

    /// For each query ln Σ e^x over its keys, for the backward pass: (count).
    pub fn log_sums(&self, out: &mut [f32]) {
        assert_eq!(out.len(), self.count, "log-sums of {} queries", self.count);
        let running = self.max.iter().zip(&self.sum);
        out.iter_mut().zip(running).for_each(|(out, (max, sum))| *out = max + sum.ln());
    }

    /// Writes the results, weighted means of the values: (count, D).
    pub fn write(&self, out: &mut MatrixMut<'_>) {
        assert_eq!(out.rows(), self.count, "rows for {} queries", self.count);
        let width = self.max.len();
        for lane in 0..self.count {
            let inverse = 1.0 / self.sum[lane];
            let row = out.row_mut(lane).iter_mut();
            row.zip(self.out[lane..].iter().step_by(width)).for_each(|(out, x)| *out = x * inverse);
        }
    }
}

/// Continues the results of the queries with the keys that they see.
pub fn attend(queries: &mut Queries, keys: &Keys, visibility: Visibility<'_>) {
    let reach = visibility.reach(queries.count, keys.count());
    let mut first = reach.start / KEY_CHUNK * KEY_CHUNK;
    while first < reach.end {
        let seen = reach.start.max(first)..reach.end.min(first + KEY_CHUNK);
        attend_chunk(queries, keys, visibility, first, seen);
        first += KEY_CHUNK;
    }
}

/// Continues the results of the queries with one chunk.
///
/// - `first`: the first key of the chunk
/// - `seen`: the keys of the chunk that at least one query sees
fn attend_chunk(queries: &mut Queries, keys: &Keys, visibility: Visibility<'_>, first: usize, seen: Range<usize>) {
    let Queries { arithmetic, queries: panel, max, sum, out, scores, weights, count } = queries;
    let (width, n, d) = (max.len(), keys.count(), keys.values.rows());
    // The products read whole slabs of keys and whole lines of weights.
    let slab = arithmetic.tile_rows();
    let scored = (seen.start - first) / slab * slab + first..n.min((seen.end - first).next_multiple_of(slab) + first);
    let line = arithmetic.numbers_per_line();
    let weighed = (seen.start - first) / line * line..(seen.end - first).next_multiple_of(line);

    let scores = &mut scores[(scored.start - first) * width..(scored.end - first) * width];
    let mut rows = MatrixMut::new(scores, width);
    product(keys.keys.part(scored.clone(), 0..d), panel.all(), Start::Zero, &mut rows);
    let scores = &mut scores[(seen.start - scored.start) * width..(seen.end - scored.start) * width];
    mask_scores(scores, width, *count, visibility, seen.start);

    let groups = weights.groups_mut(); // (KEY_CHUNK / group, width)
    let weights_of = weighed.start / line * LINE * width..weighed.end / line * LINE * width;
    let skipped = seen.start - first - weighed.start;
    arithmetic.run(ChunkSoftmax { scores, max, sum, out, groups: &mut groups[weights_of], skipped });
    let values = keys.values.part(0..d, first + weighed.start..n.min(first + weighed.end));
    let weights = weights.part(weighed.start..weighed.start + values.k(), 0..width);
    product(values, weights, Start::Out, &mut MatrixMut::new(out, width));
}

/// Loads two vectors. It is a macro because a closure would be compiled without the instruction set of its caller.
macro_rules! load {
    ($ops:ident, $x:expr) => {{
        let x: &[f32] = $x;
        [$ops.load(x), $ops.load(&x[$ops.len()..])]
    }};
}

/// Computes the weights of a chunk from its scores, and scales the running results to the new maximum.
struct ChunkSoftmax<'a> {
    scores: &'a [f32],     // (seen keys, width)
    max: &'a mut [f32],    // (width)
    sum: &'a mut [f32],    // (width)
    out: &'a mut [f32],    // (D, width)
    groups: &'a mut [i32], // (rows / group, width)
    /// Rows of `groups` before the first seen key.
    skipped: usize,
}

impl FormatOp for ChunkSoftmax<'_> {
    type Output = ();

    #[inline(always)]
    fn eval<I: Token, F: NumberFormat<I>>(self, isa: I, format: F) {
        let ops = isa.f32();
        let ints = isa.i32();
        let lanes = ops.len();
        let width = 2 * lanes;
        let before = load!(ops, self.max);
        let max = running_max::<I>(isa, before, self.scores);
        let scale = [exp(isa, ops.sub(before[0], max[0])), exp(isa, ops.sub(before[1], max[1]))];
        ops.store(max[0], self.max);
        ops.store(max[1], &mut self.max[lanes..]);

        // The first and the last group may contain keys that no query sees; their weight is 0.
        let zero = [ops.zero(); 2];
        let sum = load!(ops, self.sum);
        let mut sum = [ops.mul(sum[0], scale[0]), ops.mul(sum[1], scale[1])];
        let lead = (self.skipped.next_multiple_of(F::GROUP) - self.skipped).min(self.scores.len() / width);
        let (lead, rest) = self.scores.split_at(lead * width);
        let (before, groups) = self.groups.split_at_mut(self.skipped / F::GROUP * width);
        before.fill(0);
        let mut groups = groups.chunks_exact_mut(width);
        // At most two keys; macros for the same reason as `load`.
        macro_rules! group {
            ($first:expr, $second:expr) => {{
                let (x, y) = ($first, $second);
                sum = [ops.add(sum[0], ops.add(x[0], y[0])), ops.add(sum[1], ops.add(x[1], y[1]))];
                if let Some(row) = groups.next() {
                    ints.store(format.pair_lanes(isa, [x[0], y[0]]), row);
                    ints.store(format.pair_lanes(isa, [x[1], y[1]]), &mut row[lanes..]);
                }
            }};
        }
        macro_rules! weight {
            ($x:expr) => {{
                let x = load!(ops, $x);
                [exp(isa, ops.sub(x[0], max[0])), exp(isa, ops.sub(x[1], max[1]))]
            }};
        }
        if !lead.is_empty() {
            group!(zero, weight!(lead));
        }
        let whole = rest.chunks_exact(F::GROUP * width);
        let last = whole.remainder();
        for x in whole {
            if F::GROUP == 1 {
                group!(weight!(x), zero);
            } else {
                group!(weight!(x), weight!(&x[width..]));
            }
        }
        if !last.is_empty() {
            group!(weight!(last), zero);
        }
        for row in groups {
            row.fill(0);
        }
        ops.store(sum[0], self.sum);
        ops.store(sum[1], &mut self.sum[lanes..]);
        for row in self.out.chunks_exact_mut(width) {
            let x = load!(ops, row);
            ops.store(ops.mul(x[0], scale[0]), row);
            ops.store(ops.mul(x[1], scale[1]), &mut row[lanes..]);
        }
    }
}

/// The maximum of each query over `max` and these scores, (keys, width).
#[inline(always)]
fn running_max<I: Token>(isa: I, mut max: [I::F32; 2], scores: &[f32]) -> [I::F32; 2] {
    let ops = isa.f32();
    let lanes = ops.len();
    // Two keys at once. The maximum of NaN and a number may be either; the weights become NaN in both cases.
    let pairs = scores.chunks_exact(4 * lanes);
    for x in pairs.remainder().chunks_exact(2 * lanes) {
        max = [ops.max(max[0], ops.load(x)), ops.max(max[1], ops.load(&x[lanes..]))];
    }
    for x in pairs {
        let low = ops.max(ops.load(x), ops.load(&x[2 * lanes..]));
        let high = ops.max(ops.load(&x[lanes..]), ops.load(&x[3 * lanes..]));
        max = [ops.max(max[0], low), ops.max(max[1], high)];
    }
    max
}

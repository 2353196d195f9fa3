//! Attention of all tokens over their windows and the global tokens, by the local projections.
//!
//! Heads of sequences are worked off one by one, long ones in pieces, each with the keys that its windows reach.

use std::ops::Range;

use longspan_kernels::{
    BackwardInputs, BackwardKeys, BackwardQueries, KEY_CHUNK, Keys, Matrix, MatrixMut, QUERY_BLOCK, Queries,
    Visibility, attend, attend_backward, encode,
};

use super::encoder::Pass;
use super::split::{self, Pool};
use super::times::Phase;
use super::weights::scale_of_queries;

/// Queries of a piece at most: with the keys of their windows they stay in the second cache.
const QUERIES_MAX: usize = 1024;

/// Some queries of one head of one sequence.
struct Piece {
    sequence: usize,
    head: usize,
    queries: Range<usize>,
}

struct Workspace {
    keys: Keys,
    globals: Keys,
    queries: Queries,
}

/// - `qkv`: (T, 3C / group), query, key and value side by side, and perhaps more columns
/// - `attended`: by sequence (H, T, D), replaced; rows of global tokens get what they would get if they were not
/// - `log_sums`: by sequence (H, T), or empty
pub(crate) fn local_attention(
    pass: &Pass<'_>,
    qkv: Matrix<'_, i32>,
    layer: usize,
    attended: &mut [f32],
    log_sums: &mut [f32],
) {
    let one_sided_window = pass.model.config.attention_window[layer] / 2;
    let (config, arithmetic) = (&pass.model.config, pass.model.computing.attention);
    let (heads, d) = (config.num_attention_heads, config.head_size());
    let mut pieces = Vec::new();
    for sequence in 0..pass.batch.sequences() {
        let t = pass.batch.range(sequence).len();
        let parts = split::parts(t, QUERIES_MAX, heads * pass.batch.sequences());
        for head in 0..heads {
            let ranges = split::ranges(t, parts, arithmetic.panel_width());
            pieces.extend(ranges.into_iter().map(|queries| Piece { sequence, head, queries }));
        }
    }
    let workspaces = Pool::new();
    let new = || Workspace {
        keys: Keys::new(arithmetic),
        globals: Keys::new(arithmetic),
        queries: Queries::new(arithmetic, d),
    };
    let outs = split::cut(&pieces, attended, |piece| piece.queries.len() * d);
    let log_sums = split::cut(&pieces, log_sums, |piece| piece.queries.len());
    split::run(pieces.iter().zip(outs).zip(log_sums).collect(), |((piece, out), log_sums)| {
        let qkv = qkv.rows_in(pass.batch.range(piece.sequence));
        let globals = pass.batch.globals(piece.sequence);
        pass.times.count(Phase::LocalAttention, 1, || {
            workspaces.with(new, |workspace| {
                attend_piece(
                    piece,
                    qkv,
                    (heads, d / arithmetic.group()),
                    globals,
                    one_sided_window,
                    (out, log_sums),
                    workspace,
                );
            });
        });
    });
}

/// - `qkv`: (tokens of the sequence, 3C / group)
/// - `heads`: how many there are, and how many groups each has
/// - `out`: (queries, D)
/// - `log_sums`: (queries), or empty
fn attend_piece(
    piece: &Piece,
    qkv: Matrix<'_, i32>,
    (heads, width): (usize, usize),
    globals: &[usize],
    one_sided_window: usize,
    (out, log_sums): (&mut [f32], &mut [f32]),
    workspace: &mut Workspace,
) {
    let Workspace { keys, globals: global_keys, queries } = workspace;
    let [q, k, v] = [0, heads, 2 * heads].map(|first| qkv.columns_in(columns(first + piece.head, width)));
    let first = piece.queries.start.saturating_sub(one_sided_window) / KEY_CHUNK * KEY_CHUNK;
    let reached = first..qkv.rows().min(piece.queries.end + one_sided_window);
    keys.set(k.rows_in(reached.clone()), v.rows_in(reached));
    if !globals.is_empty() {
        let [k, v] = [k, v].map(|x| gathered(x, globals));
        global_keys.set(Matrix::new(&k, width), Matrix::new(&v, width));
    }
    let d = out.len() / piece.queries.len();
    for (block, out) in out.chunks_mut(queries.count_max() * d).enumerate() {
        let from = piece.queries.start + block * queries.count_max();
        queries.set(q.rows_in(from..from + out.len() / d));
        if !globals.is_empty() {
            attend(queries, global_keys, Visibility::All);
        }
        let visibility = Visibility::Window { query: from, key: first, one_sided_window, masked: globals };
        attend(queries, keys, visibility);
        queries.write(&mut MatrixMut::new(out, d));
        if !log_sums.is_empty() {
            queries.log_sums(&mut log_sums[from - piece.queries.start..][..out.len() / d]);
        }
    }
}

/// The columns of a head among heads of `width` groups.
pub(crate) fn columns(head: usize, width: usize) -> Range<usize> {
    head * width..(head + 1) * width
}

/// Some rows, one after the other.
pub(crate) fn gathered(x: Matrix<'_, i32>, rows: &[usize]) -> Vec<i32> {
    rows.iter().flat_map(|&row| x.row(row)).copied().collect()
}

/// Working memory of one head of one sequence on the way back.
struct WorkspaceBack {
    keys: BackwardKeys,
    globals: BackwardKeys,
    queries: BackwardQueries,
    /// Gradients of queries, keys and values: (3, T of the sequence, D).
    sums: Vec<f32>,
}

/// The gradients of queries, not scaled, keys and values.
///
/// - `qkv`: (T, 3C / group), query, key and value side by side, and perhaps more columns
/// - `douts`: of what attention gave, zero for global tokens: (T, C / group)
/// - `log_sums`: by sequence (H, T); `deltas`: (T, H)
/// - `out`: by sequence (H, P, T, D / group), of which the first three parts are replaced
pub(crate) fn local_backward(
    pass: &Pass<'_>,
    layer: usize,
    qkv: Matrix<'_, i32>,
    douts: Matrix<'_, i32>,
    (log_sums, deltas): (&[f32], &[f32]),
    out: &mut [i32],
) {
    let (config, arithmetic) = (&pass.model.config, pass.model.computing.attention);
    let (heads, d) = (config.num_attention_heads, config.head_size());
    let all: Vec<_> = (0..pass.batch.sequences()).flat_map(|s| (0..heads).map(move |head| (s, head))).collect();
    let groups = d / arithmetic.group();
    let outs = split::cut(&all, out, |&(s, _)| pass.projections() * pass.batch.range(s).len() * groups);
    let workspaces = Pool::new();
    let new = || WorkspaceBack {
        keys: BackwardKeys::new(arithmetic),
        globals: BackwardKeys::new(arithmetic),
        queries: BackwardQueries::new(arithmetic, d),
        sums: Vec::new(),
    };
    split::run(all.iter().zip(outs).collect(), |(&(s, head), out)| {
        let range = pass.batch.range(s);
        let at = range.start * heads + head * range.len();
        let deltas: Vec<f32> = range.clone().map(|t| deltas[t * heads + head]).collect();
        let columns = |projection: usize| columns(projection * heads + head, groups);
        let qkv = qkv.rows_in(range.clone());
        let back = HeadBackward {
            qkv: [0, 1, 2].map(|projection| qkv.columns_in(columns(projection))),
            douts: douts.rows_in(range.clone()).columns_in(columns(0)),
            log_sums: &log_sums[at..at + range.len()],
            deltas: &deltas,
            globals: pass.batch.globals(s),
            one_sided_window: config.attention_window[layer] / 2,
        };
        workspaces.with(new, |workspace| {
            back.head_backward(d, workspace);
            let (scale, sums) = (scale_of_queries(config), &mut workspace.sums);
            sums[..range.len() * d].iter_mut().for_each(|x| *x *= scale);
            let mut out = MatrixMut::new(&mut out[..3 * range.len() * groups], groups);
            encode(arithmetic, Matrix::new(sums, d), &mut out);
        });
    });
}

/// What one head of one sequence goes back with.
struct HeadBackward<'a> {
    qkv: [Matrix<'a, i32>; 3], // (T of the sequence, D / group)
    douts: Matrix<'a, i32>,    // (T of the sequence, D / group)
    log_sums: &'a [f32],       // (T of the sequence)
    deltas: &'a [f32],         // the same
    globals: &'a [usize],
    one_sided_window: usize,
}

impl HeadBackward<'_> {
    /// Leaves the gradients in `workspace.sums`.
    fn head_backward(&self, d: usize, workspace: &mut WorkspaceBack) {
        let WorkspaceBack { keys, globals: global_keys, queries, sums } = workspace;
        let [q, k, v] = self.qkv;
        let t = q.rows();
        sums.clear();
        sums.resize(3 * t * d, 0.0);
        let (dqueries, rest) = sums.split_at_mut(t * d);
        let (dkeys, dvalues) = rest.split_at_mut(t * d);
        let [mut global_dkeys, mut global_dvalues] = [(); 2].map(|()| vec![0.0; self.globals.len() * d]);
        if !self.globals.is_empty() {
            let [global_k, global_v] = [k, v].map(|x| gathered(x, self.globals));
            global_keys.set(Matrix::new(&global_k, k.columns()), Matrix::new(&global_v, v.columns()));
        }
        // Blocks share the keys of the same chunks: those that the windows of some blocks reach are packed together.
        for first in (0..t).step_by(QUERIES_MAX / QUERY_BLOCK * QUERY_BLOCK) {
            let end = t.min(first + QUERIES_MAX / QUERY_BLOCK * QUERY_BLOCK);
            let from = first.saturating_sub(self.one_sided_window) / KEY_CHUNK * KEY_CHUNK;
            let reached = from..t.min(end + self.one_sided_window);
            keys.set(k.rows_in(reached.clone()), v.rows_in(reached.clone()));
            let own = reached.start * d..reached.end * d;
            let mut dkeys = MatrixMut::new(&mut dkeys[own.clone()], d);
            let mut dvalues = MatrixMut::new(&mut dvalues[own], d);
            for query in (first..end).step_by(QUERY_BLOCK) {
                let rows = query..end.min(query + QUERY_BLOCK);
                queries.set(BackwardInputs {
                    queries: q.rows_in(rows.clone()),
                    douts: self.douts.rows_in(rows.clone()),
                    log_sums: &self.log_sums[rows.clone()],
                    deltas: &self.deltas[rows.clone()],
                });
                let HeadBackward { globals: masked, one_sided_window, .. } = *self;
                let visibility = Visibility::Window { query, key: from, one_sided_window, masked };
                attend_backward(queries, keys, visibility, &mut dkeys, &mut dvalues);
                if !masked.is_empty() {
                    let (mut dkeys, mut dvalues) =
                        (MatrixMut::new(&mut global_dkeys, d), MatrixMut::new(&mut global_dvalues, d));
                    attend_backward(queries, global_keys, Visibility::All, &mut dkeys, &mut dvalues);
                }
                queries.write(&mut MatrixMut::new(&mut dqueries[rows.start * d..rows.end * d], d));
            }
        }
        for (out, of_globals) in [(dkeys, &global_dkeys), (dvalues, &global_dvalues)] {
            for (&i, row) in self.globals.iter().zip(of_globals.chunks_exact(d)) {
                out[i * d..(i + 1) * d].copy_from_slice(row);
            }
        }
    }
}

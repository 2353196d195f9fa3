//! Attention of all tokens over their windows and the global tokens, by the local projections, forward and backward:
//! `_sliding_chunks_query_key_matmul`, `_concat_with_global_key_attn_probs`, `_sliding_chunks_matmul_attn_probs_value` and
//! `_compute_attn_output_with_global_indices` of `LongformerSelfAttention` in transformers' modeling_longformer.py.
//!
//! Heads of sequences are computed one by one, long ones in pieces, each with the keys that its windows reach.

use std::ops::Range;

use longspan_kernels::{
    BackwardInputs, BackwardKeys, BackwardQueries, KEY_CHUNK, Keys, Matrix, MatrixMut, QUERY_BLOCK, Queries,
    Visibility, attend, attend_backward, encode,
};

use super::Phase;
use super::activations::{ActivationGradients, LayerActivations};
use super::batch::LOCAL_PROJECTIONS;
use super::parallel::{WorkspacePool, par_run, query_parts, ranges, take};
use super::pass::Pass;
use super::weights::query_scale;

/// The most queries of a piece: with the keys of their windows they stay in the L2 cache.
const QUERIES_MAX: usize = 1024;

/// Some queries of one head of one sequence.
struct QueryPiece<'a> {
    sequence: usize,
    head: usize,
    queries: Range<usize>,
    out: &'a mut [f32],              // (queries, D)
    log_sums: Option<&'a mut [f32]>, // (queries)
}

struct AttentionWorkspace {
    keys: Keys,
    globals: Keys,
    queries: Queries,
}

/// - `projections`: (T, P · C / group), of which query, key and value come first
/// - `attended`: by sequence (H, T, D), replaced; the rows of global tokens are as if they were not global
pub(crate) fn local_attention(
    pass: &Pass<'_>,
    layer: usize,
    projections: &[i32],
    mut attended: &mut [f32],
    save: Option<&mut LayerActivations>,
) {
    let (config, arithmetic) = (&pass.model.config, pass.model.computing.attention);
    let (heads, d, sequences) = (config.num_attention_heads, config.head_size(), pass.batch.sequences());
    let mut log_sums = save.map(|save| &mut save.log_sums[..]);
    let mut pieces = Vec::new();
    for (sequence, head) in (0..sequences).flat_map(|s| (0..heads).map(move |head| (s, head))) {
        let t = pass.batch.range(sequence).len();
        let parts = query_parts(t, QUERIES_MAX, heads * sequences);
        for queries in ranges(t, parts, arithmetic.panel_width()) {
            let out = take(&mut attended, queries.len() * d);
            let log_sums = log_sums.as_mut().map(|log_sums| take(log_sums, queries.len()));
            pieces.push(QueryPiece { sequence, head, queries, out, log_sums });
        }
    }
    let workspaces = WorkspacePool::new();
    let new = || AttentionWorkspace {
        keys: Keys::new(arithmetic),
        globals: Keys::new(arithmetic),
        queries: Queries::new(arithmetic, d),
    };
    par_run(pieces, |piece| {
        pass.times.count(Phase::LocalAttention, 1, || {
            workspaces.with(new, |workspace| attend_piece(pass, layer, projections, piece, workspace));
        });
    });
}

fn attend_piece(
    pass: &Pass<'_>,
    layer: usize,
    projections: &[i32],
    piece: QueryPiece<'_>,
    workspace: &mut AttentionWorkspace,
) {
    let AttentionWorkspace { keys, globals: global_keys, queries } = workspace;
    let QueryPiece { sequence, head, queries: own, out, mut log_sums } = piece;
    let (d, one_sided_window) = (pass.model.config.head_size(), pass.model.config.attention_window[layer] / 2);
    let [q, k, v] = [0, 1, 2].map(|projection| head_of(pass, projections, sequence, projection, head));
    let globals = pass.globals(sequence);
    let first = own.start.saturating_sub(one_sided_window) / KEY_CHUNK * KEY_CHUNK;
    let reached = first..q.rows().min(own.end + one_sided_window);
    keys.set(k.rows_in(reached.clone()), v.rows_in(reached));
    if !globals.is_empty() {
        let [k, v] = [k, v].map(|x| gathered(x, globals));
        global_keys.set(Matrix::new(&k, q.columns()), Matrix::new(&v, q.columns()));
    }
    for (block, out) in out.chunks_mut(queries.count_max() * d).enumerate() {
        let from = own.start + block * queries.count_max();
        queries.set(q.rows_in(from..from + out.len() / d));
        if !globals.is_empty() {
            attend(queries, global_keys, Visibility::All);
        }
        let visibility = Visibility::Window { query: from, key: first, one_sided_window, masked: globals };
        attend(queries, keys, visibility);
        queries.write(&mut MatrixMut::new(out, d));
        if let Some(log_sums) = &mut log_sums {
            queries.log_sums(&mut log_sums[from - own.start..][..out.len() / d]);
        }
    }
}

/// One projection of one head of one sequence: (T of the sequence, D / group).
///
/// - `projections`: (T, P · C / group)
/// - `projection`: of query, key, value, global key, global value
pub(crate) fn head_of<'x>(
    pass: &Pass<'_>,
    projections: &'x [i32],
    sequence: usize,
    projection: usize,
    head: usize,
) -> Matrix<'x, i32> {
    let (config, group) = (&pass.model.config, pass.model.computing.attention.group());
    let all = Matrix::new(projections, pass.projections() * config.hidden_size / group);
    let column = projection * config.num_attention_heads + head;
    all.rows_in(pass.batch.range(sequence)).columns_in(head_columns(column, config.head_size() / group))
}

/// The columns of a head among heads of `width` groups.
pub(crate) fn head_columns(head: usize, width: usize) -> Range<usize> {
    head * width..(head + 1) * width
}

/// Some rows, one after the other.
pub(crate) fn gathered(x: Matrix<'_, i32>, rows: &[usize]) -> Vec<i32> {
    rows.iter().flat_map(|&row| x.row(row)).copied().collect()
}

/// Working memory of the backward pass of one head of one sequence.
struct BackwardWorkspace {
    keys: BackwardKeys,
    globals: BackwardKeys,
    queries: BackwardQueries,
    /// Gradients of queries, keys and values: (3, T of the sequence, D).
    sums: Vec<f32>,
}

/// The gradients of queries, not scaled, keys and values: the first three parts of `dacts.dheads` are replaced.
pub(crate) fn local_backward(pass: &Pass<'_>, layer: usize, saved: &LayerActivations, dacts: &mut ActivationGradients) {
    let (config, arithmetic) = (&pass.model.config, pass.model.computing.attention);
    let (heads, d) = (config.num_attention_heads, config.head_size());
    let width = d / arithmetic.group();
    let ActivationGradients { dattended, deltas, dheads, .. } = dacts;
    let dattended = Matrix::new(dattended, heads * width);
    let mut dheads = &mut dheads[..];
    let mut work = Vec::new();
    for (sequence, head) in (0..pass.batch.sequences()).flat_map(|s| (0..heads).map(move |head| (s, head))) {
        let range = pass.batch.range(sequence);
        let log_sums = range.start * heads + head * range.len();
        let inputs = HeadBackward {
            qkv: [0, 1, 2].map(|projection| head_of(pass, &saved.projections, sequence, projection, head)),
            douts: dattended.rows_in(range.clone()).columns_in(head_columns(head, width)),
            log_sums: &saved.log_sums[log_sums..log_sums + range.len()],
            deltas: range.clone().map(|t| deltas[t * heads + head]).collect(),
            globals: pass.globals(sequence),
            one_sided_window: config.attention_window[layer] / 2,
        };
        work.push((inputs, take(&mut dheads, pass.projections() * range.len() * width)));
    }
    let workspaces = WorkspacePool::new();
    let new = || BackwardWorkspace {
        keys: BackwardKeys::new(arithmetic),
        globals: BackwardKeys::new(arithmetic),
        queries: BackwardQueries::new(arithmetic, d),
        sums: Vec::new(),
    };
    par_run(work, |(inputs, out)| {
        workspaces.with(new, |workspace| {
            head_backward(&inputs, d, workspace);
            let (t, scale, sums) = (inputs.douts.rows(), query_scale(config), &mut workspace.sums);
            sums[..t * d].iter_mut().for_each(|x| *x *= scale);
            encode(
                arithmetic,
                Matrix::new(sums, d),
                &mut MatrixMut::new(&mut out[..LOCAL_PROJECTIONS * t * width], width),
            );
        });
    });
}

/// What the backward pass of one head of one sequence reads.
struct HeadBackward<'a> {
    qkv: [Matrix<'a, i32>; LOCAL_PROJECTIONS], // (T of the sequence, D / group)
    douts: Matrix<'a, i32>,                    // (T of the sequence, D / group)
    log_sums: &'a [f32],                       // (T of the sequence)
    deltas: Vec<f32>,                          // the same
    globals: &'a [usize],
    one_sided_window: usize,
}

/// Leaves the gradients in `workspace.sums`.
fn head_backward(inputs: &HeadBackward<'_>, d: usize, workspace: &mut BackwardWorkspace) {
    let HeadBackward { qkv: [q, k, v], douts, log_sums, ref deltas, globals, one_sided_window } = *inputs;
    let BackwardWorkspace { keys, globals: global_keys, queries, sums } = workspace;
    let t = q.rows();
    sums.clear();
    sums.resize(LOCAL_PROJECTIONS * t * d, 0.0);
    let (dqueries, rest) = sums.split_at_mut(t * d);
    let (dkeys, dvalues) = rest.split_at_mut(t * d);
    let [mut global_dkeys, mut global_dvalues] = [(); 2].map(|()| vec![0.0; globals.len() * d]);
    if !globals.is_empty() {
        let [global_k, global_v] = [k, v].map(|x| gathered(x, globals));
        global_keys.set(Matrix::new(&global_k, k.columns()), Matrix::new(&global_v, v.columns()));
    }
    // Blocks share the keys of the same chunks: those that the windows of some blocks reach are packed together.
    for first in (0..t).step_by(QUERIES_MAX / QUERY_BLOCK * QUERY_BLOCK) {
        let end = t.min(first + QUERIES_MAX / QUERY_BLOCK * QUERY_BLOCK);
        let from = first.saturating_sub(one_sided_window) / KEY_CHUNK * KEY_CHUNK;
        let reached = from..t.min(end + one_sided_window);
        keys.set(k.rows_in(reached.clone()), v.rows_in(reached.clone()));
        let own = reached.start * d..reached.end * d;
        let mut dkeys = MatrixMut::new(&mut dkeys[own.clone()], d);
        let mut dvalues = MatrixMut::new(&mut dvalues[own], d);
        for query in (first..end).step_by(QUERY_BLOCK) {
            let rows = query..end.min(query + QUERY_BLOCK);
            queries.set(BackwardInputs {
                queries: q.rows_in(rows.clone()),
                douts: douts.rows_in(rows.clone()),
                log_sums: &log_sums[rows.clone()],
                deltas: &deltas[rows.clone()],
            });
            let visibility = Visibility::Window { query, key: from, one_sided_window, masked: globals };
            attend_backward(queries, keys, visibility, &mut dkeys, &mut dvalues);
            if !globals.is_empty() {
                let mut dkeys = MatrixMut::new(&mut global_dkeys, d);
                let mut dvalues = MatrixMut::new(&mut global_dvalues, d);
                attend_backward(queries, global_keys, Visibility::All, &mut dkeys, &mut dvalues);
            }
            queries.write(&mut MatrixMut::new(&mut dqueries[rows.start * d..rows.end * d], d));
        }
    }
    for (out, of_globals) in [(dkeys, &global_dkeys), (dvalues, &global_dvalues)] {
        for (&i, row) in globals.iter().zip(of_globals.chunks_exact(d)) {
            out[i * d..(i + 1) * d].copy_from_slice(row);
        }
    }
}

//! Attention of the global tokens over all tokens of their sequence, in training, forward and backward, in its plain form:
//! `LongformerSelfAttention._compute_global_attn_output_from_hidden` in transformers' modeling_longformer.py.
//!
//! ```text
//! q = x·Wq/√D of global tokens      k, v = x·Wk, x·Wv + bv of all tokens, beside the local ones       (layer.rs)
//! out = softmax(q·k[j]) over j, times v[j]
//! ```
//!
//! Most inputs of training are short, and many go through a pass: there the plain form is faster than the absorbed one of
//! inference, and its backward pass is that of any attention. Keys have no bias: it adds the same to all scores of a query,
//! so it changes nothing and its gradient is zero.

use longspan_kernels::{
    BackwardInputs, BackwardKeys, BackwardQueries, Keys, Matrix, MatrixMut, QUERY_BLOCK, Queries, Start, Tiles,
    Visibility, add_rows, attend, attend_backward, encode, product,
};

use super::Parameters;
use super::activations::{ActivationGradients, BackwardLayer, GlobalActivations, GlobalGradients, LayerActivations};
use super::batch::LOCAL_PROJECTIONS;
use super::gradients::{WeightGradient, add, weight_gradients};
use super::local_attention::{gathered, head_columns, head_of};
use super::parallel::{WorkspacePool, par_run, take};
use super::pass::Pass;
use super::weights::{LinearWeights, query_scale};

/// The places of global key and value among the projections of a token.
const GLOBAL_KEY_VALUE: [usize; 2] = [LOCAL_PROJECTIONS, LOCAL_PROJECTIONS + 1];

/// One head of one sequence.
struct SequenceHead {
    sequence: usize,
    head: usize,
    /// Its first global token among those of all sequences.
    first: usize,
    globals: usize,
}

/// Rows of the global tokens of all sequences: (G).
fn global_rows(pass: &Pass<'_>) -> Vec<usize> {
    let of = |s: usize| pass.globals(s).iter().map(move |&i| pass.batch.range(s).start + i);
    (0..pass.batch.sequences()).flat_map(of).collect()
}

fn sequence_heads(pass: &Pass<'_>) -> Vec<SequenceHead> {
    let (mut all, mut first) = (Vec::new(), 0);
    for sequence in 0..pass.batch.sequences() {
        let globals = pass.globals(sequence).len();
        let of = |head| SequenceHead { sequence, head, first, globals };
        all.extend((0..pass.model.config.num_attention_heads).map(of));
        first += globals;
    }
    all
}

/// Replaces the rows of global tokens.
///
/// - `x`: the layer's input: (T, C)
/// - `projections`: (T, P · C / group), global keys and values last where there are any
/// - `attended`: by sequence (H, T, D)
pub(crate) fn forward(
    pass: &Pass<'_>,
    query: &LinearWeights,
    x: &[f32],
    projections: &[i32],
    attended: &mut [f32],
) -> GlobalActivations {
    let (arithmetic, config) = (pass.model.computing.linear, &pass.model.config);
    let (c, d, h) = (config.hidden_size, config.head_size(), config.num_attention_heads);
    let (groups, width) = (c / arithmetic.group(), d / arithmetic.group());
    let rows = global_rows(pass);
    if rows.is_empty() {
        return GlobalActivations::default();
    }
    let mut saved = GlobalActivations { queries: vec![0; rows.len() * groups], log_sums: vec![0.0; rows.len() * h] };
    let mut tiles = Tiles::new(arithmetic);
    tiles.encode_with(rows.len(), c, |i, row| row.copy_from_slice(&x[rows[i] * c..][..c]));
    let mut queries = vec![0.0; rows.len() * c]; // (G, C)
    query.apply(tiles.all(), 0..c, &mut MatrixMut::new(&mut queries, c));
    encode(arithmetic, Matrix::new(&queries, c), &mut MatrixMut::new(&mut saved.queries, groups));

    let heads = sequence_heads(pass);
    let queries = Matrix::new(&saved.queries, groups);
    let mut log_sums = &mut saved.log_sums[..];
    let work = heads.iter().map(|own| (own, take(&mut log_sums, own.globals)));
    let workspaces = WorkspacePool::new();
    let new = || (Keys::new(arithmetic), Queries::new(arithmetic, d));
    let outs = par_run(work.collect(), |(own, log_sums)| {
        let [k, v] = GLOBAL_KEY_VALUE.map(|projection| head_of(pass, projections, own.sequence, projection, own.head));
        workspaces.with(new, |(keys, block)| {
            keys.set(k, v);
            let mut out = vec![0.0; own.globals * d]; // (G of the sequence, D)
            let step = block.count_max();
            for (from, out) in (0..own.globals).step_by(step).zip(out.chunks_mut(step * d)) {
                let count = out.len() / d;
                let rows = own.first + from..own.first + from + count;
                block.set(queries.rows_in(rows).columns_in(head_columns(own.head, width)));
                attend(block, keys, Visibility::All);
                block.write(&mut MatrixMut::new(out, d));
                block.log_sums(&mut log_sums[from..from + count]);
            }
            out
        })
    });
    for (own, out) in heads.iter().zip(&outs) {
        let sequence = pass.batch.range(own.sequence);
        for (&i, out) in pass.globals(own.sequence).iter().zip(out.chunks_exact(d)) {
            let at = sequence.start * c + (own.head * sequence.len() + i) * d;
            attended[at..at + d].copy_from_slice(out);
        }
    }
    saved
}

/// Takes the rows of global tokens out of the gradients of attention. Zeros stay: global attention replaced what local
/// attention gave these tokens.
pub(crate) fn take_global_rows(pass: &Pass<'_>, dacts: &mut ActivationGradients) {
    let config = &pass.model.config;
    let (groups, h) = (config.hidden_size / pass.model.computing.linear.group(), config.num_attention_heads);
    let ActivationGradients { dattended, deltas, globals, .. } = dacts;
    globals.dattended.clear();
    globals.deltas.clear();
    for row in global_rows(pass) {
        let own = &mut dattended[row * groups..(row + 1) * groups];
        globals.dattended.extend_from_slice(own);
        own.fill(0);
        let own = &mut deltas[row * h..(row + 1) * h];
        globals.deltas.extend_from_slice(own);
        own.fill(0.0);
    }
}

/// Replaces the gradients of global keys and values, the last two parts of `dacts.dheads`. Adds those of the queries'
/// parameters and, to `dx`, of the rows of global tokens.
///
/// - `dx`: (T, C)
pub(crate) fn backward(
    own: BackwardLayer<'_>,
    dacts: &mut ActivationGradients,
    dx: &mut [f32],
    gradients: &mut Parameters,
) {
    let BackwardLayer { pass, layer, saved, .. } = own;
    let (arithmetic, c) = (pass.model.computing.linear, pass.model.config.hidden_size);
    let (groups, rows, scale) = (c / arithmetic.group(), global_rows(pass), query_scale(&pass.model.config));
    let Some(global_query) = layer.global_query.as_ref().filter(|_| !rows.is_empty()) else { return };
    let mut dqueries = attention_backward(pass, saved, dacts); // (G, C), not scaled
    dqueries.iter_mut().for_each(|x| *x *= scale);
    let name = format!("{}.attention.self.query_global", own.name());
    add_rows(pass.model.isa(), &dqueries, gradients.get_mut(&format!("{name}.bias")));
    let mut encoded = vec![0; rows.len() * groups];
    encode(arithmetic, Matrix::new(&dqueries, c), &mut MatrixMut::new(&mut encoded, groups));
    let (input, dout) = (gathered(Matrix::new(&saved.input, groups), &rows), Matrix::new(&encoded, groups));
    let weight = WeightGradient { dout, dweight: gradients.get_mut(&format!("{name}.weight")) };
    weight_gradients(arithmetic, Matrix::new(&input, groups), vec![weight], &mut dacts.factors);
    let mut tiles = Tiles::new(arithmetic);
    tiles.copy(dout);
    product(tiles.all(), global_query.all(), Start::Zero, &mut MatrixMut::new(&mut dqueries, c));
    for (&row, own) in rows.iter().zip(dqueries.chunks_exact(c)) {
        add(&mut dx[row * c..(row + 1) * c], own);
    }
}

/// The gradients of the queries as attention took them: (G, C). Those of keys and values go to `dacts.dheads`.
fn attention_backward(pass: &Pass<'_>, saved: &LayerActivations, dacts: &mut ActivationGradients) -> Vec<f32> {
    let (arithmetic, config) = (pass.model.computing.linear, &pass.model.config);
    let (c, d, h) = (config.hidden_size, config.head_size(), config.num_attention_heads);
    let (groups, width) = (c / arithmetic.group(), d / arithmetic.group());
    let ActivationGradients { globals: GlobalGradients { dattended, deltas }, dheads, .. } = dacts;
    let (mut log_sums, mut dheads) = (&saved.globals.log_sums[..], &mut dheads[..]);
    let heads = sequence_heads(pass);
    let mut work = Vec::new();
    for own in &heads {
        let (own_log_sums, rest) = log_sums.split_at(own.globals);
        log_sums = rest;
        work.push((
            own,
            own_log_sums,
            take(&mut dheads, pass.projections() * pass.batch.range(own.sequence).len() * width),
        ));
    }
    let (queries, douts) = (Matrix::new(&saved.globals.queries, groups), Matrix::new(dattended, groups));
    let workspaces = WorkspacePool::new();
    let new = || (BackwardKeys::new(arithmetic), BackwardQueries::new(arithmetic, d), Vec::new());
    let found = par_run(work, |(own, log_sums, dheads)| {
        let [k, v] =
            GLOBAL_KEY_VALUE.map(|projection| head_of(pass, &saved.projections, own.sequence, projection, own.head));
        let (t, columns) = (k.rows(), head_columns(own.head, width));
        workspaces.with(new, |(keys, block, sums)| {
            keys.set(k, v);
            sums.clear();
            sums.resize(2 * t * d, 0.0);
            let (dkeys, dvalues) = sums.split_at_mut(t * d);
            let mut dqueries = vec![0.0; own.globals * d]; // (G of the sequence, D)
            for (from, dqueries) in (0..own.globals).step_by(QUERY_BLOCK).zip(dqueries.chunks_mut(QUERY_BLOCK * d)) {
                let count = dqueries.len() / d;
                let rows = own.first + from..own.first + from + count;
                let deltas: Vec<f32> = rows.clone().map(|row| deltas[row * h + own.head]).collect();
                block.set(BackwardInputs {
                    queries: queries.rows_in(rows.clone()).columns_in(columns.clone()),
                    douts: douts.rows_in(rows).columns_in(columns.clone()),
                    log_sums: &log_sums[from..from + count],
                    deltas: &deltas,
                });
                let (mut dkeys, mut dvalues) = (MatrixMut::new(dkeys, d), MatrixMut::new(dvalues, d));
                attend_backward(block, keys, Visibility::All, &mut dkeys, &mut dvalues);
                block.write(&mut MatrixMut::new(dqueries, d));
            }
            encode(
                arithmetic,
                Matrix::new(sums, d),
                &mut MatrixMut::new(&mut dheads[LOCAL_PROJECTIONS * t * width..], width),
            );
            dqueries
        })
    });
    let mut dqueries = vec![0.0; queries.rows() * c]; // (G, C)
    for (own, found) in heads.iter().zip(&found) {
        for (i, row) in found.chunks_exact(d).enumerate() {
            dqueries[(own.first + i) * c + own.head * d..][..d].copy_from_slice(row);
        }
    }
    dqueries
}

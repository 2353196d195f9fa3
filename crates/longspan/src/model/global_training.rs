//! Attention of the global tokens in training, forward and backward, in its plain form.
//!
//! ```text
//! q = x·Wq/√D of global tokens      k, v = x·Wk, x·Wv + bv of all tokens, beside the local ones       (encoder.rs)
//! out = softmax(q·k[j]) over j, times v[j]
//! ```
//!
//! Training goes by short inputs mostly, of many sequences: there the plain form is faster than the absorbed one of
//! inference, and its way back is that of any attention. Keys have no bias: it adds the same to all scores of a query, so
//! that it changes nothing and its gradient is zero.

use longspan_kernels::{
    BackwardInputs, BackwardKeys, BackwardQueries, Keys, Matrix, MatrixMut, QUERY_BLOCK, Queries, Start, Tiles,
    Visibility, add_rows, attend, attend_backward, encode, product,
};

use super::attention::{columns, gathered};
use super::encoder::Pass;
use super::gradients::{Factors, WeightGradient, add, weight_gradients};
use super::parameters::layer_name;
use super::split::{self, Pool};
use super::weights::LayerTraining;
use super::{Batch, Parameters};

/// What global attention of one layer keeps for the way back.
#[derive(Debug, Default)]
pub(crate) struct KeptGlobals {
    queries: Vec<i32>,  // (G, C / group), scaled
    log_sums: Vec<f32>, // by sequence (H, G)
}

/// One head of one sequence.
struct Head {
    sequence: usize,
    head: usize,
    /// Its first global token among those of all sequences.
    first: usize,
    globals: usize,
}

/// Rows of the global tokens of all sequences: (G).
fn rows(batch: &Batch) -> Vec<usize> {
    let of = |s: usize| batch.globals(s).iter().map(move |&i| batch.range(s).start + i);
    (0..batch.sequences()).flat_map(of).collect()
}

fn heads(pass: &Pass<'_>) -> Vec<Head> {
    let (mut all, mut first) = (Vec::new(), 0);
    for sequence in 0..pass.batch.sequences() {
        let globals = pass.batch.globals(sequence).len();
        let of = |head| Head { sequence, head, first, globals };
        all.extend((0..pass.model.config.num_attention_heads).map(of));
        first += globals;
    }
    all
}

/// Replaces the rows of global tokens.
///
/// - `x`: the layer's input, encoded: (T, C / group)
/// - `projections`: (T, P · C / group), global keys and values last where there are any
/// - `attended`: by sequence (H, T, D)
pub(crate) fn forward(
    pass: &Pass<'_>,
    layer: &LayerTraining,
    x: Matrix<'_, i32>,
    projections: Matrix<'_, i32>,
    attended: &mut [f32],
    kept: &mut KeptGlobals,
) {
    let (arithmetic, config) = (pass.model.computing.linear, &pass.model.config);
    let (c, d, h) = (config.hidden_size, config.head_size(), config.num_attention_heads);
    let (groups, width) = (c / arithmetic.group(), d / arithmetic.group());
    let rows = rows(pass.batch);
    kept.queries.resize(rows.len() * groups, 0);
    kept.log_sums.resize(rows.len() * h, 0.0);
    if rows.is_empty() {
        return;
    }
    let input: Vec<i32> = gathered(x, &rows);
    let mut tiles = Tiles::new(arithmetic);
    tiles.copy(Matrix::new(&input, groups));
    let mut queries = vec![0.0; rows.len() * c]; // (G, C)
    let weight = &layer.global_query;
    product(tiles.all(), weight.panels.all(), Start::Bias(&weight.bias), &mut MatrixMut::new(&mut queries, c));
    encode(arithmetic, Matrix::new(&queries, c), &mut MatrixMut::new(&mut kept.queries, groups));

    let all = heads(pass);
    let queries = Matrix::new(&kept.queries, groups);
    let workspaces = Pool::new();
    let sums = split::cut(&all, &mut kept.log_sums, |head| head.globals);
    let outs = split::run(all.iter().zip(sums).collect(), |(own, log_sums)| {
        workspaces.with(
            || (Keys::new(arithmetic), Queries::new(arithmetic, d)),
            |(keys, block)| {
                let columns = |projection: usize| columns(projection * h + own.head, width);
                let of_sequence = projections.rows_in(pass.batch.range(own.sequence));
                keys.set(of_sequence.columns_in(columns(3)), of_sequence.columns_in(columns(4)));
                let mut out = vec![0.0; own.globals * d]; // (G of the sequence, D)
                let step = block.count_max();
                for (from, out) in (0..own.globals).step_by(step).zip(out.chunks_mut(step * d)) {
                    let count = out.len() / d;
                    let rows = own.first + from..own.first + from + count;
                    block.set(queries.rows_in(rows).columns_in(columns(0)));
                    attend(block, keys, Visibility::All);
                    block.write(&mut MatrixMut::new(out, d));
                    block.log_sums(&mut log_sums[from..from + count]);
                }
                out
            },
        )
    });
    for (own, out) in all.iter().zip(&outs) {
        let sequence = pass.batch.range(own.sequence);
        for (&i, out) in pass.batch.globals(own.sequence).iter().zip(out.chunks_exact(d)) {
            let at = sequence.start * c + (own.head * sequence.len() + i) * d;
            attended[at..at + d].copy_from_slice(out);
        }
    }
}

/// Gradients of what global tokens received.
pub(crate) struct Douts {
    pub rows: Vec<i32>,   // (G, C / group)
    pub deltas: Vec<f32>, // (G, H)
}

/// Writes the gradients of global keys and values, and adds those of the queries' weights and, to `dx`, of the rows of
/// global tokens.
///
/// - `x`, `projections`: as forward
/// - `out`: by sequence (H, P, T, D / group), of which the last two parts are replaced
/// - `dx`: (T, C)
pub(crate) fn backward(
    pass: &Pass<'_>,
    layer: &LayerTraining,
    (x, projections): (Matrix<'_, i32>, Matrix<'_, i32>),
    from: (&KeptGlobals, &Douts),
    (out, dx): (&mut [i32], &mut [f32]),
    (gradients, factors): (&mut Parameters, &mut Factors),
) {
    let (arithmetic, c) = (pass.model.computing.linear, pass.model.config.hidden_size);
    let (groups, rows) = (c / arithmetic.group(), rows(pass.batch));
    if rows.is_empty() {
        return;
    }
    let mut dqueries = attention_backward(pass, projections, from, out); // (G, C), not scaled
    dqueries.iter_mut().for_each(|x| *x *= layer.query_scale);
    let name = format!("{}.attention.self.query_global", layer_name(layer.index));
    add_rows(pass.model.isa(), &dqueries, gradients.get_mut(&format!("{name}.bias")));
    let mut encoded = vec![0; rows.len() * groups];
    encode(arithmetic, Matrix::new(&dqueries, c), &mut MatrixMut::new(&mut encoded, groups));
    let (input, dout) = (gathered(x, &rows), Matrix::new(&encoded, groups));
    let dweight = gradients.get_mut(&format!("{name}.weight"));
    weight_gradients(arithmetic, Matrix::new(&input, groups), vec![WeightGradient { dout, dweight }], factors);
    let mut tiles = Tiles::new(arithmetic);
    tiles.copy(dout);
    product(tiles.all(), layer.global_query_back.all(), Start::Zero, &mut MatrixMut::new(&mut dqueries, c));
    for (&row, back) in rows.iter().zip(dqueries.chunks_exact(c)) {
        add(&mut dx[row * c..(row + 1) * c], back);
    }
}

/// The gradients of the queries as they were put in, (G, C); those of keys and values are written.
fn attention_backward(
    pass: &Pass<'_>,
    projections: Matrix<'_, i32>,
    (kept, douts): (&KeptGlobals, &Douts),
    out: &mut [i32],
) -> Vec<f32> {
    let (arithmetic, config) = (pass.model.computing.linear, &pass.model.config);
    let (c, d, h) = (config.hidden_size, config.head_size(), config.num_attention_heads);
    let (groups, width) = (c / arithmetic.group(), d / arithmetic.group());
    let all = heads(pass);
    let outs = split::cut(&all, out, |own| pass.projections() * pass.batch.range(own.sequence).len() * width);
    let mut log_sums = &kept.log_sums[..]; // by sequence (H, G)
    let work = all.iter().zip(outs).map(|(own, out)| {
        let (own_sums, rest) = log_sums.split_at(own.globals);
        log_sums = rest;
        (own, own_sums, out)
    });
    let (queries, dout_rows) = (Matrix::new(&kept.queries, groups), Matrix::new(&douts.rows, groups));
    let workspaces = Pool::new();
    let new = || (BackwardKeys::new(arithmetic), BackwardQueries::new(arithmetic, d), Vec::new());
    let found = split::run(work.collect(), |(own, log_sums, out)| {
        let columns = |projection: usize| columns(projection * h + own.head, width);
        let of_sequence = projections.rows_in(pass.batch.range(own.sequence));
        let t = of_sequence.rows();
        workspaces.with(new, |(keys, block, sums)| {
            keys.set(of_sequence.columns_in(columns(3)), of_sequence.columns_in(columns(4)));
            sums.clear();
            sums.resize(2 * t * d, 0.0);
            let (dkeys, dvalues) = sums.split_at_mut(t * d);
            let mut dqueries = vec![0.0; own.globals * d]; // (G of the sequence, D)
            for (from, dqueries) in (0..own.globals).step_by(QUERY_BLOCK).zip(dqueries.chunks_mut(QUERY_BLOCK * d)) {
                let count = dqueries.len() / d;
                let rows = own.first + from..own.first + from + count;
                let deltas: Vec<f32> = rows.clone().map(|row| douts.deltas[row * h + own.head]).collect();
                block.set(BackwardInputs {
                    queries: queries.rows_in(rows.clone()).columns_in(columns(0)),
                    douts: dout_rows.rows_in(rows).columns_in(columns(0)),
                    log_sums: &log_sums[from..from + count],
                    deltas: &deltas,
                });
                let (mut dkeys, mut dvalues) = (MatrixMut::new(dkeys, d), MatrixMut::new(dvalues, d));
                attend_backward(block, keys, Visibility::All, &mut dkeys, &mut dvalues);
                block.write(&mut MatrixMut::new(dqueries, d));
            }
            encode(arithmetic, Matrix::new(sums, d), &mut MatrixMut::new(&mut out[3 * t * width..], width));
            dqueries
        })
    });
    let mut dqueries = vec![0.0; kept.queries.len() * arithmetic.group()]; // (G, C)
    for (own, found) in all.iter().zip(&found) {
        for (i, row) in found.chunks_exact(d).enumerate() {
            dqueries[(own.first + i) * c + own.head * d..][..d].copy_from_slice(row);
        }
    }
    dqueries
}

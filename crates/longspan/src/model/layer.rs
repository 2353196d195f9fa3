//! One layer, forward: `LongformerLayer.forward` in transformers' modeling_longformer.py.
//!
//! ```text
//! q, k, v = (x·Wq + bq)/√D, x·Wk + bk, x·Wv + bv
//! a = attention(q, k, v), each token over its window and the global tokens             (local_attention.rs)
//! a[i] = attention by the global projections over all tokens, for each global token i (global_attention.rs)
//! x = LN(dropout(a·Wo + bo) + x)
//! x = LN(dropout(act(x·Wi + bi)·Wf + bf) + x)
//! ```
//!
//! LN has a weight and a bias too; act is GELU in most models. Dropout is that of training; inference has none. Unlike transformers, no attention weight
//! is dropped.
//!
//! Shapes and rules are those of Beltagy et al., "Longformer" (arXiv 2004.05150), section 3, in the post-LN block of BERT.

use std::ops::Range;

use longspan_kernels::{
    Activation, Arithmetic, Matrix, MatrixMut, Start, Tiles, activate, add_layer_norm, encode, layer_norm, product,
};

use super::activations::{LayerActivations, LayerScratch, RowBlock, row_blocks};
use super::batch::{ALL_PROJECTIONS, LOCAL_PROJECTIONS};
use super::local_attention::local_attention;
use super::parallel::{par_map, par_run, ranges, split_rows, take};
use super::pass::{Pass, Workspace};
use super::weights::{GlobalWeights, LayerWeights, LinearWeights, NormWeights};
use super::{Phase, global_attention, global_training};

/// Columns of the middle of a feed-forward, and of queries, keys and values, that are computed at once. It is a whole
/// number of int8's blocks of the reduced index, so that scales do not depend on it.
pub(crate) const PIECE: usize = 384;

/// Replaces hidden states by those of the next layer.
///
/// - `x`: (T, C)
/// - `save`: where to save the activations; `None` if no backward pass needs them
pub(crate) fn layer(
    pass: &Pass<'_>,
    index: usize,
    x: &mut [f32],
    scratch: &mut LayerScratch,
    mut save: Option<&mut LayerActivations>,
) {
    let LayerScratch { projections, attended } = scratch;
    if let Some(save) = &mut save {
        save.resize(pass);
        *projections = std::mem::take(&mut save.projections); // reuse the memory of the last pass
    }
    project(pass, index, x, projections, save.as_deref_mut());
    local_attention(pass, index, projections, attended, save.as_deref_mut());
    global_attention(pass, index, x, projections, attended, save.as_deref_mut());
    // A block of rows takes both steps at once, so that it stays in the cache.
    par_run(row_blocks(pass, x, save.as_deref_mut()), |mut block| {
        pass.with_workspace(|workspace| {
            attention_output(pass, index, attended, &mut block, workspace);
            feed_forward(pass, index, &mut block, workspace);
        });
    });
    if let Some(save) = save {
        save.projections = std::mem::take(projections);
    }
}

/// Queries, keys and values of all tokens: `query`, `key` and `value` in `LongformerSelfAttention.forward`, and in training
/// `key_global` and `value_global`.
///
/// - `x`: (T, C)
/// - `projections`: (T, P · C / group)
fn project(pass: &Pass<'_>, index: usize, x: &[f32], projections: &mut Vec<i32>, save: Option<&mut LayerActivations>) {
    let (layer, config, computing) = (pass.model.layer(index), &pass.model.config, pass.model.computing);
    let (c, count) = (config.hidden_size, pass.projections());
    let (group, groups) = (computing.linear.group(), pass.projection_groups());
    projections.resize(pass.batch.tokens() * groups, 0);
    let (mut out, mut saved) = (&mut projections[..], save.map(|save| &mut save.input[..]));
    let block = |rows: &Range<usize>| {
        let input = saved.as_mut().map(|input| take(input, rows.len() * c / group));
        (rows.clone(), take(&mut out, rows.len() * groups), input)
    };
    par_run(pass.partition.blocks.iter().map(block).collect(), |(rows, out, saved_input)| {
        pass.times.count(Phase::Projections, pass.partition.columns, || {
            pass.with_workspace(|workspace| {
                let x = Matrix::new(&x[rows.start * c..rows.end * c], c);
                match saved_input {
                    None => workspace.input.encode(x),
                    Some(saved) => encode_saving(&mut workspace.input, x, saved),
                }
                project_rows(pass, &layer.query_key_value, 0, out, workspace);
                if let GlobalWeights::Training(weights) = &layer.global
                    && count == ALL_PROJECTIONS
                {
                    project_rows(pass, &weights.key_value, LOCAL_PROJECTIONS * c, out, workspace);
                }
            });
        });
    });
}

/// Projections of the rows in `workspace.input`, as groups.
///
/// - `out`: (rows, P · C / group), of which these begin at column `at`
fn project_rows(pass: &Pass<'_>, weights: &LinearWeights, at: usize, out: &mut [i32], workspace: &mut Workspace) {
    let Workspace { input, piece, .. } = workspace;
    let (n, all) = (weights.bias.len(), pass.projections() * pass.model.config.hidden_size);
    let pieces = ranges(n, n.div_ceil(PIECE), PIECE);
    let compute = |columns: &Range<usize>, piece: &mut Vec<f32>| {
        piece.resize(input.rows() * columns.len(), 0.0);
        weights.apply(input.all(), columns.clone(), &mut MatrixMut::new(piece, columns.len()));
    };
    let mut put = |columns: &Range<usize>, piece: &[f32]| {
        encode_columns(pass.model.computing.attention, piece, &(at + columns.start..at + columns.end), out, all);
    };
    if pass.partition.columns == 1 {
        for columns in &pieces {
            compute(columns, piece);
            put(columns, piece);
        }
        return;
    }
    let computed = par_map(&pieces, |columns| {
        let mut piece = Vec::new();
        compute(columns, &mut piece);
        piece
    });
    pieces.iter().zip(&computed).for_each(|(columns, piece)| put(columns, piece));
}

/// Attention of the global tokens, whose rows are replaced: `_compute_global_attn_output_from_hidden` in
/// `LongformerSelfAttention`.
///
/// - `x`: (T, C)
/// - `projections`: (T, P · C / group)
/// - `attended`: by sequence (H, T, D)
fn global_attention(
    pass: &Pass<'_>,
    index: usize,
    x: &[f32],
    projections: &[i32],
    attended: &mut [f32],
    save: Option<&mut LayerActivations>,
) {
    pass.times.count(Phase::GlobalAttention, rayon::current_num_threads(), || match &pass.model.layer(index).global {
        GlobalWeights::None => {}
        GlobalWeights::Inference(heads) => global_attention::forward(pass, heads, x, attended),
        GlobalWeights::Training(weights) => {
            let globals = global_training::forward(pass, &weights.query, x, projections, attended);
            if let Some(save) = save {
                save.globals = globals;
            }
        }
    });
}

/// x = LN(dropout(a·Wo + bo) + x): `LongformerSelfOutput.forward`.
///
/// - `attended`: a, by sequence (H, T, D)
fn attention_output(
    pass: &Pass<'_>,
    index: usize,
    attended: &[f32],
    block: &mut RowBlock<'_>,
    workspace: &mut Workspace,
) {
    let layer = pass.model.layer(index);
    pass.times.count(Phase::AttentionOutput, pass.partition.columns, || {
        gather_heads(pass, attended, block, workspace);
        let Workspace { input, update, .. } = workspace;
        update.resize(block.x.len(), 0.0);
        all_columns(pass, layer.attention_output.bias.len(), update, |columns, out| {
            layer.attention_output.apply(input.all(), columns, out);
        });
        pass.apply_dropout(2 * index + 1, &block.rows, update);
        let sum = block.saved.as_mut().map(|saved| &mut *saved.attention_sum);
        add_norm(pass, block.x, update, &layer.attention_norm, sum);
    });
}

/// x = LN(dropout(act(x·Wi + bi)·Wf + bf) + x): `LongformerLayer.ff_chunk`. The middle is made in pieces that stay in the cache.
fn feed_forward(pass: &Pass<'_>, index: usize, block: &mut RowBlock<'_>, workspace: &mut Workspace) {
    let (layer, linear) = (pass.model.layer(index), pass.model.computing.linear);
    let (c, f, activation) =
        (pass.model.config.hidden_size, layer.intermediate.bias.len(), pass.model.config.hidden_act);
    let pieces = ranges(f, f.div_ceil(PIECE), PIECE);
    pass.times.count(Phase::FeedForward, pass.partition.columns, || {
        let Workspace { input, middle, piece, update, .. } = workspace;
        input.encode(Matrix::new(block.x, c));
        update.resize(block.x.len(), 0.0);
        if pass.partition.columns == 1 {
            for columns in &pieces {
                let saved = block.saved.as_mut().map(|saved| &mut *saved.before_activation);
                intermediate(layer, activation, input, columns, piece, middle, saved);
                output(layer, middle, columns, 0..c, &mut MatrixMut::new(update, c));
            }
        } else {
            let middles = par_map(&pieces, |columns| {
                let mut middle = Tiles::new(linear);
                intermediate(layer, activation, input, columns, &mut Vec::new(), &mut middle, None);
                middle
            });
            all_columns(pass, c, update, |columns, out| {
                let middles = middles.iter().zip(&pieces);
                middles.for_each(|(middle, piece)| output(layer, middle, piece, columns.clone(), out));
            });
        }
        pass.apply_dropout(2 * index + 2, &block.rows, update);
        let sum = block.saved.as_mut().map(|saved| &mut *saved.output_sum);
        add_norm(pass, block.x, update, &layer.output_norm, sum);
    });
}

/// Some columns of act(x·Wi + bi), as left operand: `LongformerIntermediate.forward`.
///
/// - `x`: (rows, C)
/// - `piece`: working memory
/// - `saved`: all columns before GELU, (rows, F / group)
fn intermediate(
    layer: &LayerWeights,
    activation: Activation,
    x: &Tiles,
    columns: &Range<usize>,
    piece: &mut Vec<f32>,
    middle: &mut Tiles,
    saved: Option<&mut [i32]>,
) {
    let LinearWeights { panels, bias } = &layer.intermediate;
    piece.resize(x.rows() * columns.len(), 0.0);
    layer.intermediate.apply(x.all(), columns.clone(), &mut MatrixMut::new(piece, columns.len()));
    if let Some(saved) = saved {
        encode_columns(panels.arithmetic(), piece, columns, saved, bias.len());
    }
    activate(panels.arithmetic().isa, activation, piece);
    middle.encode(Matrix::new(piece, columns.len()));
}

/// Adds what a piece of the middle gives to some columns of the output; the first piece begins with the bias: the product
/// of `LongformerOutput.forward`.
fn output(layer: &LayerWeights, middle: &Tiles, piece: &Range<usize>, columns: Range<usize>, out: &mut MatrixMut<'_>) {
    let LinearWeights { panels, bias } = &layer.output;
    let weight = panels.part(piece.clone(), columns.clone());
    let start = if piece.start == 0 { Start::Bias(&bias[columns]) } else { Start::Out };
    product(middle.all(), weight, start, out);
}

/// x = LN(x + update): the layer norm of `LongformerSelfOutput.forward` and `LongformerOutput.forward`.
///
/// - `x`, `update`: (rows, C)
/// - `sum`: where x + update is saved, (rows, C)
fn add_norm(pass: &Pass<'_>, x: &mut [f32], update: &[f32], norm: &NormWeights, sum: Option<&mut [f32]>) {
    let (isa, eps) = (pass.model.isa(), pass.model.config.layer_norm_eps);
    let Some(sum) = sum else {
        return add_layer_norm(isa, x, update, &norm.weight, &norm.bias, eps);
    };
    for ((sum, x), update) in sum.iter_mut().zip(&mut *x).zip(update) {
        *sum = *x + update;
        *x = *sum;
    }
    layer_norm(isa, x, &norm.weight, &norm.bias, eps);
}

/// Computes all columns of `out`, (rows, N): at once, or parts of them on all threads.
fn all_columns(pass: &Pass<'_>, n: usize, out: &mut [f32], compute: impl Fn(Range<usize>, &mut MatrixMut<'_>) + Sync) {
    let parts = pass.partition.columns;
    if parts == 1 {
        return compute(0..n, &mut MatrixMut::new(out, n));
    }
    let ranges_of_columns = ranges(n, parts, pass.model.computing.linear.panel_width());
    let rows = out.len() / n;
    let computed = par_map(&ranges_of_columns, |columns| {
        let mut part = vec![0.0; rows * columns.len()]; // (rows, columns)
        compute(columns.clone(), &mut MatrixMut::new(&mut part, columns.len()));
        part
    });
    par_run(split_rows(&ranges(rows, parts, 1), out, n), |(block, out)| {
        for (i, row) in block.clone().zip(out.chunks_exact_mut(n)) {
            for (columns, part) in ranges_of_columns.iter().zip(&computed) {
                row[columns.clone()].copy_from_slice(&part[i * columns.len()..][..columns.len()]);
            }
        }
    });
}

/// The rows of a block, with the outputs of all heads side by side, become the left operand.
///
/// - `attended`: by sequence (H, T, D)
fn gather_heads(pass: &Pass<'_>, attended: &[f32], block: &mut RowBlock<'_>, workspace: &mut Workspace) {
    let (c, d) = (pass.model.config.hidden_size, pass.model.config.head_size());
    let Workspace { input, update, .. } = workspace;
    let (first, count) = (block.rows.start, block.rows.len());
    let fill = |i: usize, row: &mut [f32]| {
        let sequence = pass.batch.range(pass.sequence_of[first + i]);
        let attended = &attended[sequence.start * c..sequence.end * c];
        let at = first + i - sequence.start;
        for (head, out) in row.chunks_exact_mut(d).enumerate() {
            copy(&attended[(head * sequence.len() + at) * d..][..d], out);
        }
    };
    match &mut block.saved {
        None => input.encode_with(count, c, fill),
        Some(saved) => {
            update.resize(count * c, 0.0);
            update.chunks_exact_mut(c).enumerate().for_each(|(i, row)| fill(i, row));
            encode_saving(input, Matrix::new(update, c), saved.attended);
        }
    }
}

/// Rows become the left operand, and are saved as groups: (rows, K / group).
fn encode_saving(tiles: &mut Tiles, x: Matrix<'_>, saved: &mut [i32]) {
    let groups = saved.len() / x.rows();
    encode(tiles.arithmetic(), x, &mut MatrixMut::new(saved, groups));
    tiles.copy(Matrix::new(saved, groups));
}

/// Copies a head's numbers of a token: so few that the call of a general copy would cost more than the copy.
pub(crate) fn copy<T: Copy>(from: &[T], to: &mut [T]) {
    let ((from, rest), (to, to_rest)) = (from.as_chunks::<16>(), to.as_chunks_mut::<16>());
    to.iter_mut().zip(from).for_each(|(to, from)| *to = *from);
    to_rest.iter_mut().zip(rest).for_each(|(to, from)| *to = *from);
}

/// Numbers of some columns become groups of rows of N columns.
///
/// - `x`: (rows, columns)
/// - `out`: (rows, N / group)
pub(crate) fn encode_columns(arithmetic: Arithmetic, x: &[f32], columns: &Range<usize>, out: &mut [i32], n: usize) {
    let x = Matrix::new(x, columns.len());
    let (at, stride) = (columns.start / arithmetic.group(), n / arithmetic.group());
    let mut out = MatrixMut::with_stride(&mut out[at..], stride, columns.len() / arithmetic.group(), x.rows());
    encode(arithmetic, x, &mut out);
}

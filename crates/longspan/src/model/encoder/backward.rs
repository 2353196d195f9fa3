//! The way back through the layers.
//!
//! ```text
//! from dx, the gradient of a layer's output:
//!     ds = LN'(dx)                            s = g·Wf + x1, g = gelu(h), h = x1·Wi
//!     dh = ds·Wfᵀ * gelu'(h)                  dWf = dsᵀ·g      dWi = dhᵀ·x1
//!     dx1 = ds + dh·Wiᵀ
//!     dt = LN'(dx1)                           t = a·Wo + x
//!     da = dt·Woᵀ                             dWo = dtᵀ·a
//!     dq, dk, dv = attention'(da)                                     (attention.rs, global_training.rs)
//!     dx = dt + dq·Wqᵀ + dk·Wkᵀ + dv·Wvᵀ      dWq = dqᵀ·x ...
//! ```
//!
//! What dropout dropped on the way forth is dropped from ds and dt where they enter a product. Gradients that are factors
//! are rounded as their values were; sums and norms are f32.

use std::ops::Range;

use longspan_kernels::{
    Matrix, MatrixMut, Start, add_rows, decode, encode, gelu_backward, layer_norm, layer_norm_backward, product,
};

use super::{Kept, KeptLayer, PIECE, Pass, Workspace, copy, encode_columns};
use crate::model::attention::local_backward;
use crate::model::embeddings::embed_backward;
use crate::model::global_training::{self, Douts};
use crate::model::gradients::{Factors, WeightGradient, add_sums, weight_gradients};
use crate::model::parameters::layer_name;
use crate::model::weights::LayerTraining;
use crate::model::{Parameters, split};

/// Gradients on their way through a layer, in the memory of passes before.
#[derive(Debug, Default)]
pub(crate) struct LayerGradients {
    output: Vec<i32>,       // of the feed-forward: (T, C / group)
    middle: Vec<i32>,       // gelu(h): (T, F / group)
    dmiddle: Vec<i32>,      // of h: (T, F / group)
    normed: Vec<i32>,       // x1: (T, C / group)
    attention: Vec<i32>,    // of the projection of attention: (T, C / group)
    dattended: Vec<i32>,    // of attention: (T, C / group); zero for global tokens
    deltas: Vec<f32>,       // (T, H)
    dprojections: Vec<i32>, // (T, P · C / group)
    heads: Vec<i32>,        // by sequence (H, P, T, D / group)
    factors: Factors,
}

impl LayerGradients {
    fn resize(&mut self, pass: &Pass<'_>) {
        let (t, config, group) = (pass.batch.tokens(), &pass.model.config, pass.model.computing.linear.group());
        let (c, f) = (config.hidden_size, config.intermediate_size);
        for x in [&mut self.output, &mut self.normed, &mut self.attention, &mut self.dattended] {
            x.resize(t * c / group, 0);
        }
        self.middle.resize(t * f / group, 0);
        self.dmiddle.resize(t * f / group, 0);
        self.deltas.resize(t * config.num_attention_heads, 0.0);
        self.dprojections.resize(t * pass.projections() * c / group, 0);
        self.heads.resize(t * pass.projections() * c / group, 0);
    }
}

/// A block of rows of what is on its way.
struct Block<'a> {
    rows: &'a Range<usize>,
    dx: &'a mut [f32], // (rows, C)
    output: &'a mut [i32],
    middle: &'a mut [i32],
    dmiddle: &'a mut [i32],
    normed: &'a mut [i32],
    attention: &'a mut [i32],
    dattended: &'a mut [i32],
    deltas: &'a mut [f32], // (rows, H)
}

/// Adds the gradients of the layers from `first` on, and where that is 0 those of the embeddings.
///
/// - `dx`: of the last hidden states: (T, C)
pub(crate) fn backward(
    pass: &Pass<'_>,
    (kept, returning): (&mut Kept, &mut LayerGradients),
    first: usize,
    mut dx: Vec<f32>,
    gradients: &mut Parameters,
) {
    returning.resize(pass);
    for (index, layer) in pass.training.iter().enumerate().skip(first).rev() {
        let kept = match kept.inputs.get_mut(index - first) {
            None => &mut kept.layers[index - first],
            Some(x) => {
                let mut attended = vec![0.0; x.len()];
                pass.layer(index, x, &mut attended, &mut kept.layers[0], true);
                &mut kept.layers[0]
            }
        };
        layer_backward(pass, layer, kept, returning, &mut dx, gradients);
    }
    if first == 0 {
        embed_backward(pass, &mut dx, gradients);
    }
}

fn layer_backward(
    pass: &Pass<'_>,
    layer: &LayerTraining,
    kept: &KeptLayer,
    returning: &mut LayerGradients,
    dx: &mut [f32],
    gradients: &mut Parameters,
) {
    let (config, linear) = (&pass.model.config, pass.model.computing.linear);
    let (c, f, group) = (config.hidden_size, config.intermediate_size, linear.group());
    let name = |part: &str| format!("{}.{part}", layer_name(layer.index));
    blocks_backward(pass, layer, kept, returning, dx, gradients);
    for (x, dout, part) in [
        (Matrix::new(&returning.middle, f / group), Matrix::new(&returning.output, c / group), "output.dense.weight"),
        (
            Matrix::new(&returning.normed, c / group),
            Matrix::new(&returning.dmiddle, f / group),
            "intermediate.dense.weight",
        ),
        (
            Matrix::new(&kept.attended, c / group),
            Matrix::new(&returning.attention, c / group),
            "attention.output.dense.weight",
        ),
    ] {
        let dweight = gradients.get_mut(&name(part));
        weight_gradients(linear, x, vec![WeightGradient { dout, dweight }], &mut returning.factors);
    }

    let groups = pass.projections() * c / group;
    let (input, projections) = (Matrix::new(&kept.input, c / group), Matrix::new(&kept.projections, groups));
    let of_globals = take_globals(pass, &mut returning.dattended, &mut returning.deltas);
    let douts = Matrix::new(&returning.dattended, c / group);
    let sums = (&kept.log_sums[..], &returning.deltas[..]);
    local_backward(pass, layer.index, projections, douts, sums, &mut returning.heads);
    let (kept, outs) = ((&kept.globals, &of_globals), (&mut returning.heads[..], &mut *dx));
    let sums = (&mut *gradients, &mut returning.factors);
    global_training::backward(pass, layer, (input, projections), kept, outs, sums);
    projections_backward(pass, layer, returning, dx, gradients);
    let all = Matrix::new(&returning.dprojections, groups);
    let names = PROJECTIONS.map(|projection| name(&format!("attention.self.{projection}.weight")));
    let names = &names[..pass.projections()];
    let weights = gradients.get_many_mut(names).into_iter().enumerate().map(|(i, dweight)| {
        let dout = all.columns_in(i * c / group..(i + 1) * c / group);
        WeightGradient { dout, dweight }
    });
    weight_gradients(linear, input, weights.collect(), &mut returning.factors);
}

/// In the order of [`KeptLayer::projections`].
const PROJECTIONS: [&str; 5] = ["query", "key", "value", "key_global", "value_global"];

/// From the gradient of the output to that of attention, block by block.
fn blocks_backward(
    pass: &Pass<'_>,
    layer: &LayerTraining,
    kept: &KeptLayer,
    returning: &mut LayerGradients,
    dx: &mut [f32],
    gradients: &mut Parameters,
) {
    let (config, group) = (&pass.model.config, pass.model.computing.linear.group());
    let (c, f, h) = (config.hidden_size, config.intermediate_size, config.num_attention_heads);
    let LayerGradients { output, middle, dmiddle, normed, attention, dattended, deltas, .. } = returning;
    let mut narrow = [output, normed, attention, dattended].map(|x| pass.cut(x, c / group).into_iter());
    let mut wide = [middle, dmiddle].map(|x| pass.cut(x, f / group).into_iter());
    let (mut dx, mut deltas) = (pass.cut(dx, c).into_iter(), pass.cut(deltas, h).into_iter());
    let mut work = Vec::new();
    for rows in &pass.split.blocks {
        let [Some(output), Some(normed), Some(attention), Some(dattended)] = narrow.each_mut().map(Iterator::next)
        else {
            unreachable!("as many parts as blocks");
        };
        let [Some(middle), Some(dmiddle)] = wide.each_mut().map(Iterator::next) else {
            unreachable!("as many parts as blocks");
        };
        let (Some(dx), Some(deltas)) = (dx.next(), deltas.next()) else { unreachable!("as many parts as blocks") };
        work.push(Block { rows, dx, output, middle, dmiddle, normed, attention, dattended, deltas });
    }
    let sums = split::run(work, |mut block| {
        pass.with_workspace(|workspace| {
            let mut sums = vec![0.0; 6 * c + f];
            let (of_feed_forward, of_attention) = sums.split_at_mut(3 * c + f);
            feed_forward_backward(pass, layer, kept, &mut block, of_feed_forward, workspace);
            attention_output_backward(pass, layer, kept, &mut block, of_attention, workspace);
            sums
        })
    });
    let mut at = 0;
    for (part, count) in [
        ("output.LayerNorm.weight", c),
        ("output.LayerNorm.bias", c),
        ("output.dense.bias", c),
        ("intermediate.dense.bias", f),
        ("attention.output.LayerNorm.weight", c),
        ("attention.output.LayerNorm.bias", c),
        ("attention.output.dense.bias", c),
    ] {
        add_sums(&sums, at..at + count, gradients.get_mut(&format!("{}.{part}", layer_name(layer.index))));
        at += count;
    }
}

/// `block.dx` becomes the gradient of what goes into the feed-forward.
///
/// - `sums`: of the layer norm's weight and bias, of the biases of the output and of the middle: (C + C + C + F)
fn feed_forward_backward(
    pass: &Pass<'_>,
    layer: &LayerTraining,
    kept: &KeptLayer,
    block: &mut Block<'_>,
    sums: &mut [f32],
    workspace: &mut Workspace,
) {
    let (model, config, linear) = (pass.model, &pass.model.config, pass.model.computing.linear);
    let (c, f, isa, group) = (config.hidden_size, config.intermediate_size, model.isa(), linear.group());
    let (rows, own) = (block.rows.len(), block.rows.start * c..block.rows.end * c);
    let Workspace { input, middle_tiles, piece, update, other } = workspace;
    let (norm_sums, biases) = sums.split_at_mut(2 * c);
    let norm = &model.weights.layers[layer.index].output_norm;
    layer_norm_backward(
        isa,
        &kept.output_sum[own],
        &norm.weight,
        config.layer_norm_eps,
        block.dx,
        norm_sums.split_at_mut(c),
    );
    let out = (&mut *block.output, &mut biases[..c]);
    to_product(pass, 2 * layer.index + 2, (block.rows, block.dx), update, out);
    input.copy(Matrix::new(block.output, c / group));
    let middle = Matrix::new(&kept.middle, f / group).rows_in(block.rows.clone());
    for columns in split::ranges(f, f.div_ceil(PIECE), PIECE) {
        let groups = columns.start / group..columns.end / group;
        piece.resize(rows * columns.len(), 0.0);
        other.resize(rows * columns.len(), 0.0);
        let weight = layer.output_back.part(0..c, columns.clone());
        product(input.all(), weight, Start::Zero, &mut MatrixMut::new(piece, columns.len()));
        decode(linear, middle.columns_in(groups.clone()), &mut MatrixMut::new(other, columns.len()));
        gelu_backward(isa, other, piece);
        add_rows(isa, piece, &mut biases[c..][columns.clone()]);
        encode_columns(linear, other, &columns, block.middle, f);
        encode_columns(linear, piece, &columns, block.dmiddle, f);
        middle_tiles.copy(Matrix::new(block.dmiddle, f / group).columns_in(groups));
        let weight = layer.intermediate_back.part(columns, 0..c);
        product(middle_tiles.all(), weight, Start::Out, &mut MatrixMut::new(block.dx, c));
    }
}

/// `block.dx` becomes the gradient of what attention's output was added to.
///
/// - `sums`: of the layer norm's weight and bias, of the output's bias: (C + C + C)
fn attention_output_backward(
    pass: &Pass<'_>,
    layer: &LayerTraining,
    kept: &KeptLayer,
    block: &mut Block<'_>,
    sums: &mut [f32],
    workspace: &mut Workspace,
) {
    let (model, config, linear) = (pass.model, &pass.model.config, pass.model.computing.linear);
    let (c, d, isa, groups) =
        (config.hidden_size, config.head_size(), model.isa(), config.hidden_size / linear.group());
    let sum = &kept.attention_sum[block.rows.start * c..block.rows.end * c];
    let Workspace { input, piece, update, .. } = workspace;
    let (norm_sums, bias) = sums.split_at_mut(2 * c);
    let (norm, eps) = (&model.weights.layers[layer.index].attention_norm, config.layer_norm_eps);
    update.clear();
    update.extend_from_slice(sum);
    layer_norm(isa, update, &norm.weight, &norm.bias, eps);
    encode(linear, Matrix::new(update, c), &mut MatrixMut::new(block.normed, groups));

    layer_norm_backward(isa, sum, &norm.weight, eps, block.dx, norm_sums.split_at_mut(c));
    to_product(pass, 2 * layer.index + 1, (block.rows, block.dx), update, (block.attention, bias));
    input.copy(Matrix::new(block.attention, groups));
    product(input.all(), layer.attention_output_back.all(), Start::Zero, &mut MatrixMut::new(update, c));
    encode(linear, Matrix::new(update, c), &mut MatrixMut::new(block.dattended, groups));

    // Of what attention goes back with, rounded: gradients of scores then sum to zero.
    decode(linear, Matrix::new(block.dattended, groups), &mut MatrixMut::new(update, c));
    piece.resize(update.len(), 0.0);
    let attended = Matrix::new(&kept.attended, groups).rows_in(block.rows.clone());
    decode(linear, attended, &mut MatrixMut::new(piece, c));
    let heads = update.chunks_exact(d).zip(piece.chunks_exact(d));
    for (delta, (dout, out)) in block.deltas.iter_mut().zip(heads) {
        *delta = dout.iter().zip(out).map(|(x, y)| x * y).sum();
    }
}

/// Gradients of sums on their way into a product: without what dropout dropped, and encoded.
///
/// - `place`: as [`Pass::drop`] has it
/// - `dx`, `update`: (rows, C), the second is working memory
/// - `out`: (rows, C / group), and the gradient of the bias, (C), to which they are added
fn to_product(
    pass: &Pass<'_>,
    place: usize,
    (rows, dx): (&Range<usize>, &[f32]),
    update: &mut Vec<f32>,
    (out, dbias): (&mut [i32], &mut [f32]),
) {
    let (linear, c) = (pass.model.computing.linear, pass.model.config.hidden_size);
    update.clear();
    update.extend_from_slice(dx);
    pass.drop(place, rows, update);
    add_rows(linear.isa, update, dbias);
    encode(linear, Matrix::new(update, c), &mut MatrixMut::new(out, c / linear.group()));
}

/// Takes the rows of global tokens out. Zeros stay: global attention replaced what local attention gave them.
///
/// - `dattended`: (T, C / group)
/// - `deltas`: (T, H)
fn take_globals(pass: &Pass<'_>, dattended: &mut [i32], deltas: &mut [f32]) -> Douts {
    let config = &pass.model.config;
    let (groups, h) = (config.hidden_size / pass.model.computing.linear.group(), config.num_attention_heads);
    let mut taken = Douts { rows: Vec::new(), deltas: Vec::new() };
    for s in 0..pass.batch.sequences() {
        for &i in pass.batch.globals(s) {
            let row = pass.batch.range(s).start + i;
            let own = &mut dattended[row * groups..(row + 1) * groups];
            taken.rows.extend_from_slice(own);
            own.fill(0);
            let own = &mut deltas[row * h..(row + 1) * h];
            taken.deltas.extend_from_slice(own);
            own.fill(0.0);
        }
    }
    taken
}

/// Adds what the projections give back to the layer's input to `dx`, and the gradients of their biases.
fn projections_backward(
    pass: &Pass<'_>,
    layer: &LayerTraining,
    returning: &mut LayerGradients,
    dx: &mut [f32],
    gradients: &mut Parameters,
) {
    let (config, linear) = (&pass.model.config, pass.model.computing.linear);
    let (c, d, count) = (config.hidden_size, config.head_size(), pass.projections());
    let groups = count * c / linear.group();
    let heads = &returning.heads;
    let work = pass.split.blocks.iter().zip(pass.cut(&mut returning.dprojections, groups)).zip(pass.cut(dx, c));
    let sums = split::run(work.collect(), |((rows, dprojections), dx)| {
        pass.with_workspace(|workspace| {
            let Workspace { input, other, .. } = workspace;
            let width = d / linear.group();
            for (t, row) in rows.clone().zip(dprojections.chunks_exact_mut(groups)) {
                let sequence = pass.batch.range(pass.sequence_of[t]);
                let (n, at) = (sequence.len(), t - sequence.start);
                let heads = &heads[sequence.start * groups..sequence.end * groups]; // (H, P, n, D / group)
                for (i, out) in row.chunks_exact_mut(width).enumerate() {
                    let (projection, head) = (i / (c / d), i % (c / d));
                    copy(&heads[((head * count + projection) * n + at) * width..][..width], out);
                }
            }
            input.copy(Matrix::new(dprojections, groups));
            let weight = layer.projections_back.part(0..count * c, 0..c);
            product(input.all(), weight, Start::Out, &mut MatrixMut::new(dx, c));
            other.resize(rows.len() * count * c, 0.0);
            decode(linear, Matrix::new(dprojections, groups), &mut MatrixMut::new(other, count * c));
            let mut sums = vec![0.0; count * c];
            add_rows(pass.model.isa(), other, &mut sums);
            sums
        })
    });
    for (i, projection) in PROJECTIONS.into_iter().enumerate().take(count).filter(|(_, name)| *name != "key_global") {
        let name = format!("{}.attention.self.{projection}.bias", layer_name(layer.index));
        add_sums(&sums, i * c..(i + 1) * c, gradients.get_mut(&name));
    }
}

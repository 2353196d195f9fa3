//! One layer, backward. Weights are (outputs, inputs), as in torch.
//!
//! ```text
//! from dx, the gradient of a layer's output:
//!     ds = LN'(dx)                            s = m ∘ (g·Wfᵀ + bf) + x1, g = gelu(h), h = x1·Wiᵀ + bi, x1 = LN(t)
//!     do = m ∘ ds                             dWf = doᵀ·g, dbf = Σ do
//!     dh = do·Wf ∘ gelu'(h)                   dWi = dhᵀ·x1, dbi = Σ dh
//!     dx1 = ds + dh·Wi
//!     dt = LN'(dx1)                           t = n ∘ (a·Woᵀ + bo) + x
//!     du = n ∘ dt                             dWo = duᵀ·a, dbo = Σ du
//!     da = du·Wo
//!     dq, dk, dv = attention'(da)             (local_attention.rs, global_training.rs)
//!     dx = dt + dq·Wq + dk·Wk + dv·Wv         dWq = dqᵀ·x, dbq = Σ dq, and so on
//! ```
//!
//! m and n are the factors of dropout: 0, or 1 / (1 − share); ∘ multiplies element by element, and Σ adds the rows of all
//! tokens. LN' also adds the gradients of the norm's weight and bias. dq is scaled by 1/√D, as q is. Factors of products
//! are rounded as in the forward pass; sums and norms are f32.

use std::ops::Range;

use longspan_kernels::{
    Matrix, MatrixMut, NormGradients, Start, activate_backward, add_rows, decode, encode, layer_norm,
    layer_norm_backward, product,
};

use super::Parameters;
use super::activations::{ActivationGradients, BackwardLayer};
use super::batch::PROJECTION_NAMES;
use super::global_training::{self, take_global_rows};
use super::gradients::{WeightGradient, add, weight_gradients};
use super::layer::{PIECE, copy, encode_columns};
use super::local_attention::local_backward;
use super::parallel::{par_run, ranges, take};
use super::pass::{Pass, Workspace};

/// Parameters whose gradients are sums over rows, in the order of [`BackwardBlock::sums`].
const SUMMED: [&str; 7] = [
    "output.LayerNorm.weight",
    "output.LayerNorm.bias",
    "output.dense.bias",
    "intermediate.dense.bias",
    "attention.output.LayerNorm.weight",
    "attention.output.LayerNorm.bias",
    "attention.output.dense.bias",
];

/// A block of rows, for the steps between the output of a layer and attention.
struct BackwardBlock<'a> {
    rows: &'a Range<usize>,
    dx: &'a mut [f32],                 // (rows, C)
    doutput: &'a mut [i32],            // (rows, C / group)
    after_activation: &'a mut [i32],   // (rows, F / group)
    dbefore_activation: &'a mut [i32], // (rows, F / group)
    normed: &'a mut [i32],             // (rows, C / group)
    dattention: &'a mut [i32],         // (rows, C / group)
    dattended: &'a mut [i32],          // (rows, C / group)
    deltas: &'a mut [f32],             // (rows, H)
    sums: [Vec<f32>; SUMMED.len()],
}

/// Replaces the gradient of the layer's output by that of its input, and adds those of its parameters.
///
/// - `dacts`: working memory, of the size of the pass
/// - `dx`: (T, C)
pub(crate) fn layer_backward(
    own: BackwardLayer<'_>,
    dacts: &mut ActivationGradients,
    dx: &mut [f32],
    gradients: &mut Parameters,
) {
    let BackwardLayer { pass, index, saved, .. } = own;
    let sums = par_run(backward_blocks(pass, dacts, dx), |mut block| {
        pass.with_workspace(|workspace| {
            feed_forward_backward(own, &mut block, workspace);
            attention_output_backward(own, &mut block, workspace);
        });
        block.sums
    });
    for (i, part) in SUMMED.iter().enumerate() {
        let out = gradients.get_mut(&format!("{}.{part}", own.name()));
        sums.iter().for_each(|sums| add(out, &sums[i]));
    }
    take_global_rows(pass, dacts);
    local_backward(pass, index, saved, dacts);
    global_training::backward(own, dacts, dx, gradients);
    projections_backward(own, dacts, dx, gradients);
    all_weight_gradients(own, dacts, gradients);
}

/// Cuts gradients into the blocks of the pass.
fn backward_blocks<'a>(
    pass: &'a Pass<'_>,
    dacts: &'a mut ActivationGradients,
    mut dx: &'a mut [f32],
) -> Vec<BackwardBlock<'a>> {
    let (config, group) = (&pass.model.config, pass.model.computing.linear.group());
    let (c, f, h) = (config.hidden_size, config.intermediate_size, config.num_attention_heads);
    let ActivationGradients {
        doutput,
        after_activation,
        dbefore_activation,
        normed,
        dattention,
        dattended,
        deltas,
        ..
    } = dacts;
    let narrow = [doutput, normed, dattention, dattended].map(Vec::as_mut_slice);
    let ([mut doutput, mut normed, mut dattention, mut dattended], mut deltas) = (narrow, &mut deltas[..]);
    let [mut after_activation, mut dbefore_activation] = [after_activation, dbefore_activation].map(Vec::as_mut_slice);
    let block = |rows: &'a Range<usize>| BackwardBlock {
        rows,
        dx: take(&mut dx, rows.len() * c),
        doutput: take(&mut doutput, rows.len() * c / group),
        after_activation: take(&mut after_activation, rows.len() * f / group),
        dbefore_activation: take(&mut dbefore_activation, rows.len() * f / group),
        normed: take(&mut normed, rows.len() * c / group),
        dattention: take(&mut dattention, rows.len() * c / group),
        dattended: take(&mut dattended, rows.len() * c / group),
        deltas: take(&mut deltas, rows.len() * h),
        sums: [c, c, c, f, c, c, c].map(|count| vec![0.0; count]),
    };
    pass.partition.blocks.iter().map(block).collect()
}

/// `block.dx` becomes the gradient of the input of the feed-forward.
fn feed_forward_backward(own: BackwardLayer<'_>, block: &mut BackwardBlock<'_>, workspace: &mut Workspace) {
    let BackwardLayer { pass, index, layer, saved } = own;
    let (config, linear) = (&pass.model.config, pass.model.computing.linear);
    let (c, f, isa, group) = (config.hidden_size, config.intermediate_size, linear.isa, linear.group());
    let (rows, own) = (block.rows.len(), block.rows.start * c..block.rows.end * c);
    let Workspace { input, middle: dbefore_activation, piece, update, other } = workspace;
    let [dnorm_weight, dnorm_bias, dbias, dintermediate_bias, ..] = &mut block.sums;
    let norm = &pass.model.layer(index).output_norm;
    let dnorm = NormGradients { dweight: dnorm_weight, dbias: dnorm_bias };
    layer_norm_backward(isa, &saved.output_sum[own], &norm.weight, config.layer_norm_eps, block.dx, dnorm);
    into_product(pass, 2 * index + 2, block.rows, block.dx, update, block.doutput, dbias);
    input.copy(Matrix::new(block.doutput, c / group));
    let before_activation = Matrix::new(&saved.before_activation, f / group).rows_in(block.rows.clone());
    for columns in ranges(f, f.div_ceil(PIECE), PIECE) {
        let groups = columns.start / group..columns.end / group;
        piece.resize(rows * columns.len(), 0.0);
        other.resize(rows * columns.len(), 0.0);
        let weight = layer.output.part(0..c, columns.clone());
        product(input.all(), weight, Start::Zero, &mut MatrixMut::new(piece, columns.len()));
        decode(linear, before_activation.columns_in(groups.clone()), &mut MatrixMut::new(other, columns.len()));
        activate_backward(isa, config.hidden_act, other, piece);
        add_rows(isa, piece, &mut dintermediate_bias[columns.clone()]);
        encode_columns(linear, other, &columns, block.after_activation, f);
        encode_columns(linear, piece, &columns, block.dbefore_activation, f);
        dbefore_activation.copy(Matrix::new(block.dbefore_activation, f / group).columns_in(groups));
        let weight = layer.intermediate.part(columns, 0..c);
        product(dbefore_activation.all(), weight, Start::Out, &mut MatrixMut::new(block.dx, c));
    }
}

/// `block.dx` becomes the gradient of the layer's input through the residual connection, without attention.
fn attention_output_backward(own: BackwardLayer<'_>, block: &mut BackwardBlock<'_>, workspace: &mut Workspace) {
    let BackwardLayer { pass, index, layer, saved } = own;
    let (config, linear) = (&pass.model.config, pass.model.computing.linear);
    let (c, d, isa, groups) = (config.hidden_size, config.head_size(), linear.isa, config.hidden_size / linear.group());
    let sum = &saved.attention_sum[block.rows.start * c..block.rows.end * c];
    let Workspace { input, piece, update, .. } = workspace;
    let [.., dnorm_weight, dnorm_bias, dbias] = &mut block.sums;
    let (norm, eps) = (&pass.model.layer(index).attention_norm, config.layer_norm_eps);
    update.clear();
    update.extend_from_slice(sum);
    layer_norm(isa, update, &norm.weight, &norm.bias, eps);
    encode(linear, Matrix::new(update, c), &mut MatrixMut::new(block.normed, groups));

    let dnorm = NormGradients { dweight: dnorm_weight, dbias: dnorm_bias };
    layer_norm_backward(isa, sum, &norm.weight, eps, block.dx, dnorm);
    into_product(pass, 2 * index + 1, block.rows, block.dx, update, block.dattention, dbias);
    input.copy(Matrix::new(block.dattention, groups));
    product(input.all(), layer.attention_output.all(), Start::Zero, &mut MatrixMut::new(update, c));
    encode(linear, Matrix::new(update, c), &mut MatrixMut::new(block.dattended, groups));

    // Computed from the rounded gradients, which attention uses: the gradients of the scores then sum to zero.
    decode(linear, Matrix::new(block.dattended, groups), &mut MatrixMut::new(update, c));
    piece.resize(update.len(), 0.0);
    let attended = Matrix::new(&saved.attended, groups).rows_in(block.rows.clone());
    decode(linear, attended, &mut MatrixMut::new(piece, c));
    let heads = update.chunks_exact(d).zip(piece.chunks_exact(d));
    for (delta, (dout, out)) in block.deltas.iter_mut().zip(heads) {
        *delta = dout.iter().zip(out).map(|(x, y)| x * y).sum();
    }
}

/// Encodes gradients of sums as factors of a product, without what dropout dropped.
///
/// - `site`: as [`Pass::apply_dropout`] has it
/// - `dx`, `update`: (rows, C), the second is working memory
/// - `out`: (rows, C / group)
/// - `dbias`: (C), the gradient of the bias, to which the rows are added
fn into_product(
    pass: &Pass<'_>,
    site: usize,
    rows: &Range<usize>,
    dx: &[f32],
    update: &mut Vec<f32>,
    out: &mut [i32],
    dbias: &mut [f32],
) {
    let (linear, c) = (pass.model.computing.linear, pass.model.config.hidden_size);
    update.clear();
    update.extend_from_slice(dx);
    pass.apply_dropout(site, rows, update);
    add_rows(linear.isa, update, dbias);
    encode(linear, Matrix::new(update, c), &mut MatrixMut::new(out, c / linear.group()));
}

/// Adds the gradients that pass through the projections to `dx`, and those of the projections' biases.
///
/// - `dx`: (T, C)
fn projections_backward(
    own: BackwardLayer<'_>,
    dacts: &mut ActivationGradients,
    dx: &mut [f32],
    gradients: &mut Parameters,
) {
    let BackwardLayer { pass, layer, .. } = own;
    let (config, linear) = (&pass.model.config, pass.model.computing.linear);
    let (c, d, count) = (config.hidden_size, config.head_size(), pass.projections());
    let groups = count * c / linear.group();
    let ActivationGradients { dheads, dprojections, .. } = dacts;
    let work = pass.split_rows(dprojections, groups).into_iter().zip(pass.split_rows(dx, c));
    let sums = par_run(work.collect(), |((rows, dprojections), (_, dx))| {
        pass.with_workspace(|workspace| {
            let Workspace { input, other, .. } = workspace;
            let width = d / linear.group();
            for (t, row) in rows.clone().zip(dprojections.chunks_exact_mut(groups)) {
                let sequence = pass.batch.range(pass.sequence_of[t]);
                let (n, at) = (sequence.len(), t - sequence.start);
                let heads = &dheads[sequence.start * groups..sequence.end * groups]; // (H, P, n, D / group)
                for (i, out) in row.chunks_exact_mut(width).enumerate() {
                    let (projection, head) = (i / (c / d), i % (c / d));
                    copy(&heads[((head * count + projection) * n + at) * width..][..width], out);
                }
            }
            input.copy(Matrix::new(dprojections, groups));
            let weight = layer.projections.part(0..count * c, 0..c);
            product(input.all(), weight, Start::Out, &mut MatrixMut::new(dx, c));
            other.resize(rows.len() * count * c, 0.0);
            decode(linear, Matrix::new(dprojections, groups), &mut MatrixMut::new(other, count * c));
            let mut sums = vec![0.0; count * c];
            add_rows(linear.isa, other, &mut sums);
            sums
        })
    });
    for (i, projection) in
        PROJECTION_NAMES.into_iter().enumerate().take(count).filter(|(_, name)| *name != "key_global")
    {
        let out = gradients.get_mut(&format!("{}.attention.self.{projection}.bias", own.name()));
        sums.iter().for_each(|sums| add(out, &sums[i * c..(i + 1) * c]));
    }
}

/// Adds the gradients of the layer's weights, but for the query of global attention.
fn all_weight_gradients(own: BackwardLayer<'_>, dacts: &mut ActivationGradients, gradients: &mut Parameters) {
    let BackwardLayer { pass, saved, .. } = own;
    let (config, linear) = (&pass.model.config, pass.model.computing.linear);
    let (c, f) = (config.hidden_size / linear.group(), config.intermediate_size / linear.group());
    let name = |part: &str| format!("{}.{part}.weight", own.name());
    let ActivationGradients {
        doutput,
        after_activation,
        dbefore_activation,
        normed,
        dattention,
        dprojections,
        factors,
        ..
    } = dacts;
    for (part, x, dout) in [
        ("output.dense", Matrix::new(after_activation, f), Matrix::new(doutput, c)),
        ("intermediate.dense", Matrix::new(normed, c), Matrix::new(dbefore_activation, f)),
        ("attention.output.dense", Matrix::new(&saved.attended, c), Matrix::new(dattention, c)),
    ] {
        let weight = WeightGradient { dout, dweight: gradients.get_mut(&name(part)) };
        weight_gradients(linear, x, vec![weight], factors);
    }
    let dprojections = Matrix::new(dprojections, pass.projections() * c);
    let names = PROJECTION_NAMES.map(|projection| name(&format!("attention.self.{projection}")));
    let dweights = gradients.get_many_mut(&names[..pass.projections()]).into_iter().enumerate();
    let weights = dweights.map(|(i, dweight)| {
        let dout = dprojections.columns_in(i * c..(i + 1) * c);
        WeightGradient { dout, dweight }
    });
    weight_gradients(linear, Matrix::new(&saved.input, c), weights.collect(), factors);
}

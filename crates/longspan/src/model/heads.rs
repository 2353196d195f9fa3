//! The five heads, which make logits of the last hidden states: `LongformerForQuestionAnswering` and its siblings,
//! `LongformerLMHead`, `LongformerClassificationHead` and `LongformerPooler` in transformers' modeling_longformer.py.
//!
//! ```text
//! question answering, token classification:   logits[t] = x[t]·W + b
//! masked language model:                      logits[t] = LN(gelu(x[t]·Wd + bd))·E + b      E: the word embeddings
//! sequence classification, multiple choice:   logits[s] = tanh(x[first of s]·Wd + bd)·W + b
//! ```

use longspan_kernels::{Activation, Matrix, MatrixMut, Tiles, activate, layer_norm};

use super::gradients::add;
use super::parallel::{Partition, par_run, split_rows};
use super::weights::{HeadWeights, LinearWeights, LmHeadWeights, Network};
use super::{Batch, Parameters};

/// Rows of logits.
#[derive(Debug, Clone, PartialEq)]
pub struct Logits {
    /// (rows, columns); rows are tokens or sequences of the batch, see [`Task`](super::Task). An encoder has no rows.
    pub values: Vec<f32>,
    /// Two for question answering (start, end), V, `num_labels`, or 1.
    pub columns: usize,
}

/// - `hidden`: (T, C)
pub(crate) fn forward(model: &Network, batch: &Batch, hidden: &[f32]) -> Logits {
    match &model.head {
        HeadWeights::Encoder => Logits { values: Vec::new(), columns: 1 },
        HeadWeights::PerToken(projection) => per_row(projection, hidden, |_| {}),
        HeadWeights::MaskedLm(LmHeadWeights { dense, norm, decoder }) => {
            let middle = per_row(dense, hidden, |rows| {
                activate(model.isa(), Activation::Gelu, rows);
                layer_norm(model.isa(), rows, &norm.weight, &norm.bias, model.config.layer_norm_eps);
            });
            per_row(decoder, &middle.values, |_| {})
        }
        HeadWeights::PerSequence { dense, projection } => {
            let c = model.config.hidden_size;
            let first = |sequence| &hidden[batch.range(sequence).start * c..][..c];
            let rows: Vec<f32> = (0..batch.sequences()).flat_map(first).copied().collect(); // (S, C)
            let middle = per_row(dense, &rows, |rows| rows.iter_mut().for_each(|x| *x = x.tanh()));
            per_row(projection, &middle.values, |_| {})
        }
    }
}

/// The backward pass of a head of one linear layer: the gradient of the last hidden states, (T, C).
///
/// - `hidden`: (T, C)
/// - `dlogits`: (T, labels)
/// - `gradients`: to which those of the layer are added
/// - `name`: of the layer
pub(crate) fn per_token_backward(
    hidden: &[f32],
    dlogits: &[f32],
    parameters: &Parameters,
    gradients: &mut Parameters,
    name: &str,
) -> Vec<f32> {
    let weight = parameters.get(&format!("{name}.weight")); // (labels, C)
    let labels = parameters.get(&format!("{name}.bias")).len();
    let c = weight.len() / labels;
    let mut dx = vec![0.0; hidden.len()];
    let blocks = Partition::fixed(hidden.len() / c).blocks;
    let sums = par_run(split_rows(&blocks, &mut dx, c), |(block, dx)| {
        let (mut dweight, mut dbias) = (vec![0.0; labels * c], vec![0.0; labels]);
        for (t, dx) in block.clone().zip(dx.chunks_exact_mut(c)) {
            let hidden = &hidden[t * c..(t + 1) * c];
            for (label, &dlogit) in dlogits[t * labels..(t + 1) * labels].iter().enumerate() {
                let own = label * c..(label + 1) * c;
                dx.iter_mut().zip(&weight[own.clone()]).for_each(|(dx, w)| *dx += dlogit * w);
                dweight[own].iter_mut().zip(hidden).for_each(|(sum, x)| *sum += dlogit * x);
                dbias[label] += dlogit;
            }
        }
        (dweight, dbias)
    });
    for (dweight, dbias) in &sums {
        add(gradients.get_mut(&format!("{name}.weight")), dweight);
        add(gradients.get_mut(&format!("{name}.bias")), dbias);
    }
    dx
}

/// A linear layer over rows, and then `f` on each block of them.
///
/// - `x`: (rows, K)
fn per_row(layer: &LinearWeights, x: &[f32], f: impl Fn(&mut [f32]) + Sync) -> Logits {
    let (k, columns) = (layer.panels.k(), layer.bias.len());
    let x = Matrix::new(x, k);
    let mut values = vec![0.0; x.rows() * columns]; // (rows, columns)
    let blocks = Partition::new(x.rows(), layer.panels.arithmetic().tile_rows()).blocks;
    par_run(split_rows(&blocks, &mut values, columns), |(block, rows)| {
        let mut input = Tiles::new(layer.panels.arithmetic());
        input.encode(x.rows_in(block.clone()));
        layer.apply(input.all(), 0..columns, &mut MatrixMut::new(rows, columns));
        f(rows);
    });
    Logits { values, columns }
}

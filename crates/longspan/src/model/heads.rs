//! What is made of the last hidden states: the five heads.
//!
//! ```text
//! question answering, token classification:   logits[t] = x[t]·W + b
//! masked language model:                      logits[t] = LN(gelu(x[t]·Wd + bd))·E + b      E: the word embeddings
//! sequence classification, multiple choice:   logits[s] = tanh(x[first of s]·Wd + bd)·W + b
//! ```

use std::ops::Range;

use longspan_kernels::{Matrix, MatrixMut, Tiles, gelu, layer_norm};

use super::encoder::linear;
use super::gradients::add_sums;
use super::split::{self, Split};
use super::weights::{Head, Linear, Network};
use super::{Batch, Parameters};

/// What a model is for: which head it has, and which tokens are global by default.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Task {
    /// No head: only hidden states.
    Encoder,
    /// The start and the end of an answer: two logits for each token.
    QuestionAnswering,
    /// The token that a mask hides: V logits for each token.
    MaskedLm,
    /// The class of a sequence: `num_labels` logits for each sequence.
    SequenceClassification,
    /// The class of a token: `num_labels` logits for each token.
    TokenClassification,
    /// How well a choice fits: one logit for each sequence, a sequence being a context with one choice.
    MultipleChoice,
}

impl Task {
    /// The task that a class of transformers stands for, such as `LongformerForQuestionAnswering`.
    pub fn from_architecture(name: &str) -> Option<Task> {
        match name.strip_prefix("Longformer")? {
            "Model" => Some(Task::Encoder),
            "ForQuestionAnswering" => Some(Task::QuestionAnswering),
            "ForMaskedLM" => Some(Task::MaskedLm),
            "ForSequenceClassification" => Some(Task::SequenceClassification),
            "ForTokenClassification" => Some(Task::TokenClassification),
            "ForMultipleChoice" => Some(Task::MultipleChoice),
            _ => None,
        }
    }

    /// The class of transformers that stands for it.
    pub fn architecture(self) -> &'static str {
        match self {
            Task::Encoder => "LongformerModel",
            Task::QuestionAnswering => "LongformerForQuestionAnswering",
            Task::MaskedLm => "LongformerForMaskedLM",
            Task::SequenceClassification => "LongformerForSequenceClassification",
            Task::TokenClassification => "LongformerForTokenClassification",
            Task::MultipleChoice => "LongformerForMultipleChoice",
        }
    }

    /// The positions that are global by default in an input of `tokens`, of which `first_segment` stand before the
    /// first separator (`<s>` and the question). The second segment begins after two separators.
    pub fn default_globals(self, first_segment: usize, tokens: usize) -> Range<usize> {
        match self {
            Task::QuestionAnswering => 0..first_segment,
            Task::SequenceClassification => 0..1,
            Task::MultipleChoice => (first_segment + 2).min(tokens)..tokens,
            Task::Encoder | Task::MaskedLm | Task::TokenClassification => 0..0,
        }
    }
}

/// Rows of logits.
#[derive(Debug, Clone, PartialEq)]
pub struct Logits {
    /// (rows, columns); rows are tokens or sequences of the batch, as [`Task`] says. No rows for [`Task::Encoder`].
    pub values: Vec<f32>,
    /// Two for question answering (start, end), V, `num_labels`, or 1.
    pub columns: usize,
}

/// - `hidden`: (T, C)
pub(crate) fn forward(model: &Network, batch: &Batch, hidden: &[f32]) -> Logits {
    match &model.weights.head {
        Head::Encoder => Logits { values: Vec::new(), columns: 1 },
        Head::PerToken(projection) => per_row(projection, hidden, |_| {}),
        Head::MaskedLm { dense, norm, decoder } => {
            let middle = per_row(dense, hidden, |rows| {
                gelu(model.isa(), rows);
                layer_norm(model.isa(), rows, &norm.weight, &norm.bias, model.config.layer_norm_eps);
            });
            per_row(decoder, &middle.values, |_| {})
        }
        Head::PerSequence { dense, projection } => {
            let c = model.config.hidden_size;
            let first = |sequence| &hidden[batch.range(sequence).start * c..][..c];
            let rows: Vec<f32> = (0..batch.sequences()).flat_map(first).copied().collect(); // (S, C)
            let middle = per_row(dense, &rows, |rows| rows.iter_mut().for_each(|x| *x = x.tanh()));
            per_row(projection, &middle.values, |_| {})
        }
    }
}

/// The way back through a head of one linear layer: the gradient of the last hidden states, (T, C).
///
/// - `hidden`: (T, C)
/// - `dlogits`: (T, labels)
/// - `name`: of the layer
pub(crate) fn per_token_backward(
    hidden: &[f32],
    dlogits: &[f32],
    (parameters, gradients): (&Parameters, &mut Parameters),
    name: &str,
) -> Vec<f32> {
    let weight = parameters.get(&format!("{name}.weight")); // (labels, C)
    let labels = parameters.get(&format!("{name}.bias")).len();
    let c = weight.len() / labels;
    let mut dx = vec![0.0; hidden.len()];
    let blocks = Split::fixed(hidden.len() / c).blocks;
    let own = split::cut(&blocks, &mut dx, |block| block.len() * c);
    let sums = split::run(blocks.iter().zip(own).collect(), |(block, dx)| {
        let mut sums = vec![0.0; labels * c + labels]; // of the weight and the bias
        for (t, dx) in block.clone().zip(dx.chunks_exact_mut(c)) {
            let hidden = &hidden[t * c..(t + 1) * c];
            for (label, &dlogit) in dlogits[t * labels..(t + 1) * labels].iter().enumerate() {
                let own = label * c..(label + 1) * c;
                dx.iter_mut().zip(&weight[own.clone()]).for_each(|(dx, w)| *dx += dlogit * w);
                sums[own].iter_mut().zip(hidden).for_each(|(sum, x)| *sum += dlogit * x);
                sums[labels * c + label] += dlogit;
            }
        }
        sums
    });
    add_sums(&sums, 0..labels * c, gradients.get_mut(&format!("{name}.weight")));
    add_sums(&sums, labels * c..labels * c + labels, gradients.get_mut(&format!("{name}.bias")));
    dx
}

/// A linear layer over rows, and then `f` on each block of them.
///
/// - `x`: (rows, K)
fn per_row(layer: &Linear, x: &[f32], f: impl Fn(&mut [f32]) + Sync) -> Logits {
    let (k, columns) = (layer.panels.k(), layer.bias.len());
    let x = Matrix::new(x, k);
    let mut values = vec![0.0; x.rows() * columns]; // (rows, columns)
    let blocks = Split::new(x.rows(), layer.panels.arithmetic().tile_rows()).blocks;
    split::for_each(
        &blocks,
        &mut values,
        |block| block.len() * columns,
        |block, rows| {
            let mut input = Tiles::new(layer.panels.arithmetic());
            input.encode(x.rows_in(block.clone()));
            linear(layer, input.all(), 0..columns, &mut MatrixMut::new(rows, columns));
            f(rows);
        },
    );
    Logits { values, columns }
}

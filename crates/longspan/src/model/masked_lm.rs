//! Masked language modelling: the loss of the masked tokens and its backward pass through the head,
//! `LongformerForMaskedLM` and `LongformerLMHead` in transformers' modeling_longformer.py.
//!
//! ```text
//! h = x·Wdᵀ + bd          n = LN(gelu(h))          logits = n·Eᵀ + b          E: the word embeddings
//! loss = −log softmax(logits)[target]
//!
//! dlogits = softmax(logits), less 1 at the target        db = Σ dlogits        dE = dlogitsᵀ·n
//! dh = LN'(dlogits·E) ∘ gelu'(h)                         dbd = Σ dh            dWd = dhᵀ·x
//! dx = dh·Wd
//! ```
//!
//! V is large: logits are made of masked tokens alone, of a block of rows at a time, and only their rounded gradients are
//! kept until they were multiplied by n. R is the number of masked tokens.

use std::ops::Range;

use longspan_kernels::{
    Activation, Matrix, MatrixMut, NormGradients, Start, Tiles, activate, activate_backward, add_rows, cross_entropy,
    encode, layer_norm, layer_norm_backward, product,
};

use super::Parameters;
use super::gradients::{PackedFactors, WeightGradient, add, weight_gradients};
use super::parallel::{par_map, par_run, ranges, take};
use super::parameters::WORDS;
use super::training_weights::LmHeadTrainingWeights;
use super::weights::{HeadWeights, LmHeadWeights, Network};

/// Rows of a block. E is read once for each block.
const ROWS: usize = 128;

/// Rows whose gradients are kept at once: a multiple of `ROWS`, and of the tokens that gradients of weights pack together.
const CHUNK: usize = 768;

/// The masked tokens of a batch, and their original ids.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Masked {
    /// Their places among the tokens of the batch, ascending: (R).
    pub places: Vec<usize>,
    /// Their ids: (R).
    pub targets: Vec<u32>,
}

/// What the backward pass reads and writes.
pub(crate) struct MaskedLmBackward<'a> {
    pub weights: &'a LmHeadTrainingWeights,
    /// Gradients of the hidden states, zero where no token is masked: (T, C).
    pub dx: &'a mut [f32],
    pub gradients: &'a mut Parameters,
    /// Whether E is trained.
    pub with_words: bool,
}

/// The loss of each masked token, in nats: (R). With `backward`, also the gradients of their sum.
///
/// - `hidden`: (T, C)
pub(crate) fn losses(
    model: &Network,
    hidden: &[f32],
    masked: &Masked,
    mut backward: Option<MaskedLmBackward<'_>>,
) -> Vec<f32> {
    let HeadWeights::MaskedLm(head) = &model.head else {
        panic!("a model for {:?} has no masked language modelling", model.task);
    };
    let Masked { places, targets } = masked;
    assert_eq!(places.len(), targets.len(), "masked tokens and their ids");
    let tokens = hidden.len() / model.config.hidden_size;
    assert!(places.windows(2).all(|pair| pair[0] < pair[1]), "masked tokens must ascend");
    assert!(places.last().is_none_or(|&last| last < tokens), "masked tokens of {tokens}");
    let mut losses = Vec::with_capacity(places.len());
    for (places, targets) in places.chunks(CHUNK).zip(targets.chunks(CHUNK)) {
        let chunk = MaskedChunk { model, head, hidden, places, targets };
        match &mut backward {
            None => {
                let blocks = ranges(places.len(), places.len().div_ceil(ROWS), 1);
                losses.extend(par_map(&blocks, |block| chunk.forward(block).losses).into_iter().flatten());
            }
            Some(backward) => losses.extend(chunk.forward_backward(backward)),
        }
    }
    losses
}

/// The masked tokens of a chunk.
struct MaskedChunk<'a> {
    model: &'a Network,
    head: &'a LmHeadWeights,
    hidden: &'a [f32], // (T, C)
    places: &'a [usize],
    targets: &'a [u32],
}

/// Activations of a block of rows.
struct MaskedBlock {
    x: Vec<f32>,           // (rows, C)
    before_gelu: Vec<f32>, // h: (rows, C)
    after_gelu: Vec<f32>,  // gelu(h): (rows, C)
    normed: Vec<f32>,      // n: (rows, C)
    dlogits: Vec<f32>,     // (rows, V rounded up to whole groups)
    losses: Vec<f32>,      // (rows)
    tiles: Tiles,
}

/// A block of rows in the backward pass: factors of the gradients of weights, as groups, and other gradients.
struct MaskedRows<'a> {
    rows: Range<usize>,
    x: &'a mut [i32],            // (rows, C / group)
    normed: &'a mut [i32],       // (rows, C / group)
    dbefore_gelu: &'a mut [i32], // (rows, C / group)
    dlogits: &'a mut [i32],      // (rows, V / group), V rounded up to whole groups
    dx: Vec<f32>,                // (rows, C)
    /// In the order of [`SUMMED`].
    sums: [Vec<f32>; SUMMED.len()],
}

/// Parameters of the head whose gradients are sums over rows.
const SUMMED: [&str; 4] = ["bias", "layer_norm.weight", "layer_norm.bias", "dense.bias"];

impl MaskedChunk<'_> {
    fn forward(&self, rows: &Range<usize>) -> MaskedBlock {
        let (config, isa, linears) = (&self.model.config, self.model.isa(), self.model.computing.linear);
        let LmHeadWeights { dense, norm, decoder } = self.head;
        let (c, v, width) = (config.hidden_size, config.vocab_size, width(self.model));
        let x: Vec<f32> = self.places[rows.clone()].iter().flat_map(|&t| &self.hidden[t * c..][..c]).copied().collect();
        let mut tiles = Tiles::new(linears);
        tiles.encode(Matrix::new(&x, c));
        let mut before_gelu = vec![0.0; rows.len() * c];
        dense.apply(tiles.all(), 0..c, &mut MatrixMut::new(&mut before_gelu, c));
        let mut after_gelu = before_gelu.clone();
        activate(isa, Activation::Gelu, &mut after_gelu);
        let mut normed = after_gelu.clone();
        layer_norm(isa, &mut normed, &norm.weight, &norm.bias, config.layer_norm_eps);
        tiles.encode(Matrix::new(&normed, c));
        let mut logits = vec![f32::NEG_INFINITY; rows.len() * width]; // what fills a group has probability 0
        decoder.apply(tiles.all(), 0..v, &mut MatrixMut::with_stride(&mut logits, width, v, rows.len()));
        let targets = self.targets[rows.clone()].iter();
        let losses = logits.chunks_exact_mut(width).zip(targets).map(|(row, &id)| {
            assert!((id as usize) < v, "token id {id}, the model has {v}");
            cross_entropy(isa, row, id as usize) // which leaves the gradients
        });
        let losses = losses.collect();
        MaskedBlock { x, before_gelu, after_gelu, normed, dlogits: logits, losses, tiles }
    }

    fn forward_backward(&self, backward: &mut MaskedLmBackward<'_>) -> Vec<f32> {
        let (config, linears) = (&self.model.config, self.model.computing.linear);
        let (c, v, count) = (config.hidden_size, config.vocab_size, self.places.len());
        let (groups, wide) = (c / linears.group(), width(self.model) / linears.group());
        let [mut x, mut normed, mut dbefore_gelu] = [(); 3].map(|()| vec![0; count * groups]);
        let mut dlogits = vec![0; count * wide];
        let [mut x_rest, mut normed_rest, mut dbefore_gelu_rest, mut dlogits_rest] =
            [&mut x, &mut normed, &mut dbefore_gelu, &mut dlogits].map(Vec::as_mut_slice);
        // Blocks of one size for any number of threads: sums over them do not depend on it.
        let work = (0..count).step_by(ROWS).map(|start| {
            let rows = start..count.min(start + ROWS);
            let n = rows.len();
            MaskedRows {
                rows,
                x: take(&mut x_rest, n * groups),
                normed: take(&mut normed_rest, n * groups),
                dbefore_gelu: take(&mut dbefore_gelu_rest, n * groups),
                dlogits: take(&mut dlogits_rest, n * wide),
                dx: vec![0.0; n * c],
                sums: [v, c, c, c].map(|count| vec![0.0; count]),
            }
        });
        let found = par_run(work.collect(), |mut out| {
            let mut block = self.forward(&out.rows);
            self.backward(&mut block, backward.weights, &mut out);
            (block.losses, out)
        });

        let mut losses = Vec::with_capacity(count);
        for (block_losses, out) in found {
            for (&t, dx) in self.places[out.rows].iter().zip(out.dx.chunks_exact(c)) {
                backward.dx[t * c..(t + 1) * c].copy_from_slice(dx);
            }
            for (name, sum) in SUMMED.iter().zip(&out.sums) {
                add(backward.gradients.get_mut(&format!("lm_head.{name}")), sum);
            }
            losses.extend(block_losses);
        }
        let mut factors = PackedFactors::default();
        let mut add_weight = |x: &[i32], dout: &[i32], width: usize, name: &str| {
            let (x, dout) = (Matrix::new(x, groups), Matrix::new(dout, width));
            let dweight = backward.gradients.get_mut(name);
            weight_gradients(linears, x, vec![WeightGradient { dout, dweight }], &mut factors);
        };
        add_weight(&x, &dbefore_gelu, groups, "lm_head.dense.weight");
        if backward.with_words {
            add_weight(&normed, &dlogits, wide, WORDS);
        }
        losses
    }

    fn backward(&self, block: &mut MaskedBlock, weights: &LmHeadTrainingWeights, out: &mut MaskedRows<'_>) {
        let (config, isa, linears) = (&self.model.config, self.model.isa(), self.model.computing.linear);
        let (c, v, width, group) = (config.hidden_size, config.vocab_size, width(self.model), linears.group());
        let MaskedBlock { x, before_gelu, after_gelu, normed, dlogits, tiles, .. } = block;
        let pack = |numbers: &[f32], columns: usize, out: &mut [i32]| {
            encode(linears, Matrix::new(numbers, columns), &mut MatrixMut::new(out, columns / group));
        };
        pack(x, c, out.x);
        pack(normed, c, out.normed);
        pack(dlogits, width, out.dlogits);
        let [dbias, dnorm_weight, dnorm_bias, ddense_bias] = &mut out.sums;
        if width == v {
            add_rows(isa, dlogits, dbias);
        } else {
            dlogits.chunks_exact(width).for_each(|row| add_rows(isa, &row[..v], dbias));
        }
        let mut dbefore_gelu = vec![0.0; x.len()];
        tiles.copy(Matrix::new(out.dlogits, width / group));
        product(tiles.all(), weights.decoder.all(), Start::Zero, &mut MatrixMut::new(&mut dbefore_gelu, c));
        let norm = &self.head.norm.weight;
        let dnorm = NormGradients { dweight: dnorm_weight, dbias: dnorm_bias };
        layer_norm_backward(isa, after_gelu, norm, config.layer_norm_eps, &mut dbefore_gelu, dnorm);
        activate_backward(isa, Activation::Gelu, before_gelu, &mut dbefore_gelu);
        add_rows(isa, &dbefore_gelu, ddense_bias);
        pack(&dbefore_gelu, c, out.dbefore_gelu);
        tiles.copy(Matrix::new(out.dbefore_gelu, c / group));
        product(tiles.all(), weights.dense.all(), Start::Zero, &mut MatrixMut::new(&mut out.dx, c));
    }
}

/// V rounded up to whole groups.
fn width(model: &Network) -> usize {
    model.config.vocab_size.next_multiple_of(model.computing.linear.group())
}

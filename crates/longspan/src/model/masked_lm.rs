//! Masked language modelling: the loss at the tokens that a mask hides, and the way back through its head.
//!
//! ```text
//! h = x·Wdᵀ + bd          n = LN(gelu(h))          logits = n·Eᵀ + b          E: the word embeddings
//! loss = −log softmax(logits)[target]
//!
//! dlogits = softmax(logits), less 1 at the target        db = Σ dlogits        dE = dlogitsᵀ·n
//! dh = gelu'(LN'(dlogits·E))                             dbd = Σ dh            dWd = dhᵀ·x
//! dx = dh·Wd
//! ```
//!
//! V is large: logits are made of masked tokens alone, of a block of rows at a time, and only their rounded gradients stay
//! for as long as it takes to multiply them by n. R are the tokens that a mask hides.

use std::ops::Range;

use longspan_kernels::{
    Matrix, MatrixMut, Start, Tiles, add_rows, cross_entropy, encode, gelu, gelu_backward, layer_norm,
    layer_norm_backward, product,
};

use super::encoder::linear;
use super::gradients::{Factors, WeightGradient, add_sums, weight_gradients};
use super::parameters::WORDS;
use super::weights::{Head, Linear, MaskedLmTraining, Network, Norm};
use super::{Parameters, split};

/// Rows whose logits are made at once: E is read once for each.
const ROWS: usize = 128;

/// Rows whose gradients are kept at once: a multiple of `ROWS`, and of the tokens that gradients of weights pack together.
const CHUNK: usize = 768;

/// The tokens of a batch that a mask hides, and what they are in truth.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Masked {
    /// Their places among the tokens of the batch, ascending: (R).
    pub places: Vec<usize>,
    /// Their ids: (R).
    pub targets: Vec<u32>,
}

/// What the way back reads and writes.
pub(crate) struct Back<'a> {
    pub weights: &'a MaskedLmTraining,
    /// Of the hidden states, zero where no token is masked: (T, C).
    pub dx: &'a mut [f32],
    pub gradients: &'a mut Parameters,
    /// Whether E is trained.
    pub with_words: bool,
}

/// The layers of the head.
#[derive(Clone, Copy)]
struct Layers<'a> {
    dense: &'a Linear,
    norm: &'a Norm,
    decoder: &'a Linear,
}

/// What the gradients of weights are made of, in groups: rows of a chunk.
struct Kept<'a> {
    x: &'a mut [i32],       // (rows, C / group)
    normed: &'a mut [i32],  // (rows, C / group)
    dmiddle: &'a mut [i32], // (rows, C / group)
    dlogits: &'a mut [i32], // (rows, V / group), V rounded up to whole groups
}

/// The loss of each masked token, in nats: (R). With `back`, also the gradients of their sum.
///
/// - `hidden`: (T, C)
pub(crate) fn losses(model: &Network, hidden: &[f32], masked: &Masked, mut back: Option<Back<'_>>) -> Vec<f32> {
    let Head::MaskedLm { dense, norm, decoder } = &model.weights.head else {
        panic!("a model for {:?} has no masked language modelling", model.task);
    };
    let Masked { places, targets } = masked;
    assert_eq!(places.len(), targets.len(), "masked tokens and what they are");
    let tokens = hidden.len() / model.config.hidden_size;
    assert!(places.windows(2).all(|pair| pair[0] < pair[1]), "masked tokens must ascend");
    assert!(places.last().is_none_or(|&last| last < tokens), "masked tokens of {tokens}");
    let layers = Layers { dense, norm, decoder };
    let mut losses = Vec::with_capacity(places.len());
    for (places, targets) in places.chunks(CHUNK).zip(targets.chunks(CHUNK)) {
        let rows = Rows { model, layers, hidden, places, targets };
        match &mut back {
            None => {
                let blocks = split::ranges(places.len(), places.len().div_ceil(ROWS), 1);
                let found = split::map(&blocks, |block| rows.forward(block, |_, _| {}).losses);
                losses.extend(found.into_iter().flatten());
            }
            Some(back) => losses.extend(rows.forward_and_back(back)),
        }
    }
    losses
}

/// The masked tokens of a chunk.
#[derive(Clone, Copy)]
struct Rows<'a> {
    model: &'a Network,
    layers: Layers<'a>,
    hidden: &'a [f32], // (T, C)
    places: &'a [usize],
    targets: &'a [u32],
}

/// A block of rows on its way.
struct Block {
    x: Vec<f32>,         // (rows, C)
    middle: Vec<f32>,    // h: (rows, C)
    activated: Vec<f32>, // gelu(h): (rows, C)
    normed: Vec<f32>,    // n: (rows, C)
    losses: Vec<f32>,    // (rows)
    tiles: Tiles,
}

impl Rows<'_> {
    /// - `take`: is given the gradients of the logits, (rows, V rounded up to whole groups), and the block without losses
    fn forward(&self, block: &Range<usize>, take: impl FnOnce(&[f32], &mut Block)) -> Block {
        let (config, isa, linears) = (&self.model.config, self.model.isa(), self.model.computing.linear);
        let Layers { dense, norm, decoder } = self.layers;
        let (c, v, rows) = (config.hidden_size, config.vocab_size, block.len());
        let x: Vec<f32> =
            self.places[block.clone()].iter().flat_map(|&t| &self.hidden[t * c..][..c]).copied().collect();
        let mut tiles = Tiles::new(linears);
        tiles.encode(Matrix::new(&x, c));
        let mut middle = vec![0.0; rows * c];
        linear(dense, tiles.all(), 0..c, &mut MatrixMut::new(&mut middle, c));
        let mut activated = middle.clone();
        gelu(isa, &mut activated);
        let mut normed = activated.clone();
        layer_norm(isa, &mut normed, &norm.weight, &norm.bias, config.layer_norm_eps);
        tiles.encode(Matrix::new(&normed, c));
        let width = width(self.model);
        let mut logits = vec![f32::NEG_INFINITY; rows * width]; // what fills a group counts as if it was not there
        linear(decoder, tiles.all(), 0..v, &mut MatrixMut::with_stride(&mut logits, width, v, rows));
        let targets = self.targets[block.clone()].iter();
        let losses = logits.chunks_exact_mut(width).zip(targets).map(|(row, &id)| {
            assert!((id as usize) < v, "token id {id}, the model has {v}");
            cross_entropy(isa, row, id as usize)
        });
        let losses = losses.collect();
        let mut block = Block { x, middle, activated, normed, losses, tiles };
        take(&logits, &mut block);
        block
    }

    fn forward_and_back(&self, back: &mut Back<'_>) -> Vec<f32> {
        let (config, linears) = (&self.model.config, self.model.computing.linear);
        let (c, v, rows) = (config.hidden_size, config.vocab_size, self.places.len());
        let (groups, wide) = (c / linears.group(), width(self.model) / linears.group());
        let [mut x, mut normed, mut dmiddle] = [(); 3].map(|()| vec![0; rows * groups]);
        let mut dlogits = vec![0; rows * wide];
        // Blocks of one size whatever the threads are: sums over them do not depend on those.
        let blocks: Vec<_> = (0..rows).step_by(ROWS).map(|start| start..rows.min(start + ROWS)).collect();
        let narrow = [&mut x, &mut normed, &mut dmiddle].map(|x| split::cut(&blocks, x, |block| block.len() * groups));
        let wide_parts = split::cut(&blocks, &mut dlogits, |block| block.len() * wide);
        let [of_x, of_normed, of_dmiddle] = narrow;
        let kept = of_x.into_iter().zip(of_normed).zip(of_dmiddle).zip(wide_parts);
        let kept = kept.map(|(((x, normed), dmiddle), dlogits)| Kept { x, normed, dmiddle, dlogits });
        let weights = back.weights;
        let found = split::run(blocks.iter().zip(kept).collect(), |(block, mut kept)| {
            let (mut sums, mut dx) = (vec![0.0; v + 3 * c], vec![0.0; block.len() * c]);
            let losses = self.forward(block, |dlogits, block| {
                self.backward(dlogits, block, weights, &mut kept, (&mut dx, &mut sums));
            });
            (losses.losses, dx, sums)
        });

        let mut losses = Vec::with_capacity(rows);
        let mut all_sums = Vec::with_capacity(blocks.len());
        for ((block_losses, dx, sums), block) in found.into_iter().zip(&blocks) {
            for (&t, dx) in self.places[block.clone()].iter().zip(dx.chunks_exact(c)) {
                back.dx[t * c..(t + 1) * c].copy_from_slice(dx);
            }
            losses.extend(block_losses);
            all_sums.push(sums);
        }
        let mut at = 0;
        for (name, count) in [("bias", v), ("layer_norm.weight", c), ("layer_norm.bias", c), ("dense.bias", c)] {
            add_sums(&all_sums, at..at + count, back.gradients.get_mut(&format!("lm_head.{name}")));
            at += count;
        }
        let mut factors = Factors::default();
        let mut add = |x: &[i32], dout: &[i32], width: usize, name: &str| {
            let (x, dout) = (Matrix::new(x, groups), Matrix::new(dout, width));
            let dweight = back.gradients.get_mut(name);
            weight_gradients(linears, x, vec![WeightGradient { dout, dweight }], &mut factors);
        };
        add(&x, &dmiddle, groups, "lm_head.dense.weight");
        if back.with_words {
            add(&normed, &dlogits, wide, WORDS);
        }
        losses
    }

    /// - `dlogits`: (rows, V rounded up to whole groups)
    /// - `dx`: (rows, C)
    /// - `sums`: of the decoder's bias, the layer norm's weight and bias, the dense layer's bias: (V + C + C + C)
    fn backward(
        &self,
        dlogits: &[f32],
        block: &mut Block,
        weights: &MaskedLmTraining,
        kept: &mut Kept<'_>,
        (dx, sums): (&mut [f32], &mut [f32]),
    ) {
        let (config, isa, linears) = (&self.model.config, self.model.isa(), self.model.computing.linear);
        let (c, v, width, group) = (config.hidden_size, config.vocab_size, width(self.model), linears.group());
        let Block { x, middle, activated, normed, tiles, .. } = block;
        let pack = |numbers: &[f32], columns: usize, out: &mut [i32]| {
            encode(linears, Matrix::new(numbers, columns), &mut MatrixMut::new(out, columns / group));
        };
        pack(x, c, kept.x);
        pack(normed, c, kept.normed);
        pack(dlogits, width, kept.dlogits);
        let (of_bias, of_norm) = sums.split_at_mut(v);
        let (of_norm, of_dense) = of_norm.split_at_mut(2 * c);
        if width == v {
            add_rows(isa, dlogits, of_bias);
        } else {
            dlogits.chunks_exact(width).for_each(|row| add_rows(isa, &row[..v], of_bias));
        }
        let mut dmiddle = vec![0.0; x.len()];
        tiles.copy(Matrix::new(kept.dlogits, width / group));
        product(tiles.all(), weights.decoder_back.all(), Start::Zero, &mut MatrixMut::new(&mut dmiddle, c));
        let norm = &self.layers.norm.weight;
        layer_norm_backward(isa, activated, norm, config.layer_norm_eps, &mut dmiddle, of_norm.split_at_mut(c));
        gelu_backward(isa, middle, &mut dmiddle);
        add_rows(isa, &dmiddle, of_dense);
        pack(&dmiddle, c, kept.dmiddle);
        tiles.copy(Matrix::new(kept.dmiddle, c / group));
        product(tiles.all(), weights.dense_back.all(), Start::Zero, &mut MatrixMut::new(dx, c));
    }
}

/// V rounded up to whole groups.
fn width(model: &Network) -> usize {
    model.config.vocab_size.next_multiple_of(model.computing.linear.group())
}

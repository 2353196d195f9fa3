//! Token ids → the first hidden states: `LongformerEmbeddings.forward` in transformers' modeling_longformer.py.
//!
//! ```text
//! x = LN(word[id] + position[i] + token_type[type])
//! ```

use std::ops::Range;

use longspan_kernels::{NormGradients, layer_norm, layer_norm_backward};

use super::gradients::add;
use super::parallel::par_run;
use super::parameters::PREFIX;
use super::pass::Pass;
use super::tables::{EmbeddingTables, table_name};
use super::{Parameters, Phase};

/// The row of each table for each token of a batch.
struct EmbeddingRows {
    words: Vec<usize>,       // (T)
    positions: Vec<usize>,   // (T)
    token_types: Vec<usize>, // (T)
}

impl EmbeddingRows {
    fn new(pass: &Pass<'_>) -> Self {
        let (config, batch) = (&pass.model.config, pass.batch);
        let mut positions = Vec::with_capacity(batch.tokens());
        for sequence in 0..batch.sequences() {
            let from = positions.len();
            positions.extend(batch.positions(sequence, config.pad_token_id));
            let (last, most) = (positions[from..].iter().max(), config.max_tokens());
            let reached = last.map_or(0, |last| last - config.pad_token_id);
            assert!(reached <= most, "a sequence of {reached} tokens, the model has positions for {most}");
        }
        let word = |&id: &u32| {
            assert!((id as usize) < config.vocab_size, "token id {id}, the model has {}", config.vocab_size);
            id as usize
        };
        let token_type = |&kind: &u32| (kind as usize).min(config.type_vocab_size - 1);
        Self {
            words: batch.ids.iter().map(word).collect(),
            positions,
            token_types: batch.token_type_ids.iter().map(token_type).collect(),
        }
    }

    /// Adds the rows of some tokens to `x`, which is zero: (tokens, C).
    fn add(&self, tables: &EmbeddingTables<'_>, tokens: Range<usize>, x: &mut [f32]) {
        for (t, x) in tokens.clone().zip(x.chunks_exact_mut(x.len() / tokens.len())) {
            tables.words.add_row(self.words[t], x);
            tables.positions.add_row(self.positions[t], x);
            tables.token_types.add_row(self.token_types[t], x);
        }
    }
}

/// The first hidden states of a batch: (T, C).
pub(crate) fn embed(pass: &Pass<'_>) -> Vec<f32> {
    let (config, tables) = (&pass.model.config, pass.tables);
    let mut x = vec![0.0; pass.batch.tokens() * config.hidden_size]; // (T, C)
    pass.times.count(Phase::Embeddings, rayon::current_num_threads(), || {
        let rows = EmbeddingRows::new(pass);
        par_run(pass.split_rows(&mut x, config.hidden_size), |(block, x)| {
            rows.add(tables, block.clone(), x);
            layer_norm(pass.model.isa(), x, &tables.norm.weight, &tables.norm.bias, config.layer_norm_eps);
            pass.apply_dropout(0, block, x);
        });
    });
    x
}

/// Adds the gradients of the tables and their layer norm.
///
/// - `dx`: gradients of the first hidden states: (T, C)
pub(crate) fn embed_backward(pass: &Pass<'_>, dx: &mut [f32], gradients: &mut Parameters) {
    let (config, tables) = (&pass.model.config, pass.tables);
    let (c, rows) = (config.hidden_size, EmbeddingRows::new(pass));
    let sums = par_run(pass.split_rows(dx, c), |(block, dx)| {
        pass.apply_dropout(0, block, dx);
        let mut x = vec![0.0; dx.len()];
        rows.add(tables, block.clone(), &mut x);
        let (mut dweight, mut dbias) = (vec![0.0; c], vec![0.0; c]);
        let sums = NormGradients { dweight: &mut dweight, dbias: &mut dbias };
        layer_norm_backward(pass.model.isa(), &x, &tables.norm.weight, config.layer_norm_eps, dx, sums);
        [dweight, dbias]
    });
    for (part, name) in ["weight", "bias"].iter().enumerate() {
        let out = gradients.get_mut(&format!("{PREFIX}embeddings.LayerNorm.{name}"));
        sums.iter().for_each(|sums| add(out, &sums[part]));
    }
    for (name, rows) in [("word", &rows.words), ("position", &rows.positions), ("token_type", &rows.token_types)] {
        let table = gradients.get_mut(&table_name(name));
        for (&row, dx) in rows.iter().zip(dx.chunks_exact(c)) {
            add(&mut table[row * c..(row + 1) * c], dx);
        }
    }
}

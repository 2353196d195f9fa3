//! Token ids → the first hidden states: `LongformerEmbeddings.forward` in transformers' modeling_longformer.py, and
//! `embeddings_project` in `ElectraModel.forward`.
//!
//! ```text
//! e = dropout(LN(word[id] + position[i] + token_type[type]))
//! x = e, or e·Wp + bp where the embeddings are narrower than the model
//! ```

use std::ops::Range;

use longspan_kernels::{
    Matrix, MatrixMut, NormGradients, Panels, Start, add_rows, encode, layer_norm, layer_norm_backward, product,
};

use super::gradients::{PackedFactors, WeightGradient, add, weight_gradients};
use super::parallel::par_run;
use super::parameters::PROJECTION;
use super::pass::Pass;
use super::tables::{EmbeddingTables, table_name};
use super::{Parameters, Phase};
use crate::config::PREFIX;

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
            positions.extend(batch.positions(sequence, config));
            let (last, most) = (positions[from..].iter().max(), config.max_tokens());
            let reached = last.map_or(0, |last| (last + 1).saturating_sub(config.first_position()));
            assert!(reached <= most, "a sequence of {reached} tokens, the model has positions for {most}");
        }
        let word = |&id: &u32| {
            assert!((id as usize) < config.vocab_size, "token id {id}, the model has {}", config.vocab_size);
            id as usize
        };
        let token_type = |&kind: &u32| (kind as usize).min(config.type_vocab_size.saturating_sub(1));
        Self {
            words: batch.ids.iter().map(word).collect(),
            positions,
            token_types: batch.token_type_ids.iter().map(token_type).collect(),
        }
    }

    /// Adds the rows of some tokens to `x`, which is zero: (tokens, E).
    fn add(&self, tables: &EmbeddingTables<'_>, tokens: Range<usize>, x: &mut [f32]) {
        for (t, x) in tokens.clone().zip(x.chunks_exact_mut(x.len() / tokens.len())) {
            tables.words.add_row(self.words[t], x);
            tables.positions.add_row(self.positions[t], x);
            if let Some(token_types) = &tables.token_types {
                token_types.add_row(self.token_types[t], x);
            }
        }
    }
}

/// The first hidden states of a batch.
///
/// - `out`: zero: (T, C)
pub(crate) fn embed(pass: &Pass<'_>, out: &mut [f32]) {
    pass.times.count(Phase::Embeddings, rayon::current_num_threads(), || {
        let Some(projection) = &pass.model.projection else { return embeddings(pass, out) };
        let (c, e) = (pass.model.config.hidden_size, pass.model.config.embedding_size);
        let mut x = vec![0.0; pass.batch.tokens() * e]; // (T, E)
        embeddings(pass, &mut x);
        par_run(pass.split_rows(out, c), |(rows, out)| {
            pass.with_workspace(|workspace| {
                workspace.input.encode(Matrix::new(&x[rows.start * e..rows.end * e], e));
                projection.apply(workspace.input.all(), 0..c, &mut MatrixMut::new(out, c));
            });
        });
    });
}

/// What the tables give.
///
/// - `x`: zero: (T, E)
fn embeddings(pass: &Pass<'_>, x: &mut [f32]) {
    let (config, tables, rows) = (&pass.model.config, pass.tables, EmbeddingRows::new(pass));
    par_run(pass.split_rows(x, config.embedding_size), |(block, x)| {
        rows.add(tables, block.clone(), x);
        layer_norm(pass.model.isa(), x, &tables.norm.weight, &tables.norm.bias, config.layer_norm_eps);
        pass.apply_dropout(0, block, x);
    });
}

/// Adds the gradients of the tables, their layer norm and the projection.
///
/// - `projection`: the weight of the projection, if there is one: (C, E)
/// - `dx`: gradients of the first hidden states: (T, C)
/// - `factors`: working memory
pub(crate) fn embed_backward(
    pass: &Pass<'_>,
    projection: Option<&Panels>,
    dx: &mut [f32],
    factors: &mut PackedFactors,
    gradients: &mut Parameters,
) {
    match projection {
        None => tables_backward(pass, dx, gradients),
        Some(weight) => {
            let mut dx = projection_backward(pass, weight, dx, factors, gradients);
            tables_backward(pass, &mut dx, gradients);
        }
    }
}

/// Adds the gradients of the projection, and returns those of what the tables give: (T, E).
fn projection_backward(
    pass: &Pass<'_>,
    weight: &Panels,
    dx: &[f32],
    factors: &mut PackedFactors,
    gradients: &mut Parameters,
) -> Vec<f32> {
    let (config, linear) = (&pass.model.config, pass.model.computing.linear);
    let (c, e, t) = (config.hidden_size, config.embedding_size, pass.batch.tokens());
    let mut x = vec![0.0; t * e]; // (T, E)
    embeddings(pass, &mut x);
    let encoded = |x: &[f32], columns: usize| {
        let groups = columns / linear.group();
        let mut out = vec![0; t * groups]; // (T, columns / group)
        encode(linear, Matrix::new(x, columns), &mut MatrixMut::new(&mut out, groups));
        out
    };
    let (x, dout) = (encoded(&x, e), encoded(dx, c));
    let (x, dout) = (Matrix::new(&x, e / linear.group()), Matrix::new(&dout, c / linear.group()));
    add_rows(linear.isa, dx, gradients.get_mut(&format!("{PROJECTION}.bias")));
    let dweight = gradients.get_mut(&format!("{PROJECTION}.weight"));
    weight_gradients(linear, x, vec![WeightGradient { dout, dweight }], factors);
    let mut dx = vec![0.0; t * e]; // (T, E)
    par_run(pass.split_rows(&mut dx, e), |(rows, dx)| {
        pass.with_workspace(|workspace| {
            workspace.input.copy(dout.rows_in(rows.clone()));
            product(workspace.input.all(), weight.all(), Start::Zero, &mut MatrixMut::new(dx, e));
        });
    });
    dx
}

/// Adds the gradients of the tables and their layer norm.
///
/// - `dx`: gradients of what the tables give: (T, E)
fn tables_backward(pass: &Pass<'_>, dx: &mut [f32], gradients: &mut Parameters) {
    let (config, tables) = (&pass.model.config, pass.tables);
    let (e, rows) = (config.embedding_size, EmbeddingRows::new(pass));
    let sums = par_run(pass.split_rows(dx, e), |(block, dx)| {
        pass.apply_dropout(0, block, dx);
        let mut x = vec![0.0; dx.len()];
        rows.add(tables, block.clone(), &mut x);
        let (mut dweight, mut dbias) = (vec![0.0; e], vec![0.0; e]);
        let sums = NormGradients { dweight: &mut dweight, dbias: &mut dbias };
        layer_norm_backward(pass.model.isa(), &x, &tables.norm.weight, config.layer_norm_eps, dx, sums);
        [dweight, dbias]
    });
    for (part, name) in ["weight", "bias"].iter().enumerate() {
        let out = gradients.get_mut(&format!("{PREFIX}embeddings.LayerNorm.{name}"));
        sums.iter().for_each(|sums| add(out, &sums[part]));
    }
    let mut of_tables = vec![("word", &rows.words), ("position", &rows.positions)];
    of_tables.extend(tables.token_types.is_some().then_some(("token_type", &rows.token_types)));
    for (name, rows) in of_tables {
        let table = gradients.get_mut(&table_name(name));
        for (&row, dx) in rows.iter().zip(dx.chunks_exact(e)) {
            add(&mut table[row * e..(row + 1) * e], dx);
        }
    }
}

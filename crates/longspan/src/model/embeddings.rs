//! Token ids → the first hidden states.
//!
//! ```text
//! x = LN(word[id] + position[i] + token_type[type])
//! ```

use half::bf16;
use longspan_kernels::{Precision, layer_norm};

use super::encoder::Pass;
use super::weights::{Loader, Norm};
use super::{batch, split};

/// The tables.
pub(crate) struct Embeddings {
    pub words: Table,       // (V, C)
    pub positions: Table,   // (max_position_embeddings, C)
    pub token_types: Table, // (type_vocab_size, C)
    pub norm: Norm,
}

/// Rows in the precision of the model.
pub(crate) enum Table {
    F32(Vec<f32>),
    Bf16(Vec<bf16>),
    /// Each row has a scale.
    Int8 {
        bytes: Vec<i8>,
        scales: Vec<f32>,
    },
}

/// Rows of a table that are packed together.
const ROWS: usize = 512;

impl Table {
    pub fn pack(loader: &Loader<'_>, precision: Precision, name: &str) -> Self {
        let size @ (rows, columns) = loader.size(name);
        let source = loader.matrix(name);
        let row = |i: usize, x: &mut [f32]| source.row(i, x);
        let table = match precision {
            Precision::F32 => Table::F32(fill(size, row, |x, out| out.copy_from_slice(x))),
            Precision::Bf16 => Table::Bf16(fill(size, row, |x, out: &mut [bf16]| {
                out.iter_mut().zip(x).for_each(|(out, &x)| *out = bf16::from_f32(x));
            })),
            Precision::Int8 => {
                let scale = |i: usize, scale: &mut [f32]| {
                    let mut x = vec![0.0; columns];
                    row(i, &mut x);
                    scale[0] = scale_of(&x);
                };
                let bytes = fill(size, row, |x, out: &mut [i8]| {
                    let over = 1.0 / scale_of(x);
                    out.iter_mut().zip(x).for_each(|(out, x)| *out = (x * over).round_ties_even() as i8);
                });
                Table::Int8 { bytes, scales: fill((rows, 1), scale, |scale, out| out.copy_from_slice(scale)) }
            }
        };
        loader.release(name);
        table
    }

    /// Adds row `i` to `x`: (C).
    fn add_row(&self, i: usize, x: &mut [f32]) {
        let own = i * x.len()..(i + 1) * x.len();
        match self {
            Table::F32(table) => x.iter_mut().zip(&table[own]).for_each(|(x, y)| *x += y),
            Table::Bf16(table) => x.iter_mut().zip(&table[own]).for_each(|(x, y)| *x += y.to_f32()),
            Table::Int8 { bytes, scales } => {
                x.iter_mut().zip(&bytes[own]).for_each(|(x, &y)| *x += f32::from(y) * scales[i]);
            }
        }
    }
}

/// A table of `rows` by `columns`: `put` makes its rows of what `row` writes, on all threads.
fn fill<T: Copy + Default + Send>(
    (rows, columns): (usize, usize),
    row: impl Fn(usize, &mut [f32]) + Sync,
    put: impl Fn(&[f32], &mut [T]) + Sync,
) -> Vec<T> {
    let mut table = vec![T::default(); rows * columns];
    let blocks = split::ranges(rows, rows.div_ceil(ROWS), 1);
    split::for_each(
        &blocks,
        &mut table,
        |block| block.len() * columns,
        |block, part| {
            let mut x = vec![0.0; columns];
            for (i, out) in block.clone().zip(part.chunks_exact_mut(columns)) {
                row(i, &mut x);
                put(&x, out);
            }
        },
    );
    table
}

/// What a byte of a row stands for: its largest number is 127. NaN where a number is none.
fn scale_of(x: &[f32]) -> f32 {
    let largest = x.iter().fold(0.0, |largest: f32, x| largest.max(x.abs()));
    let nothing: f32 = x.iter().map(|x| x * 0.0).sum();
    (if largest < 1e-30 { 1.0 } else { largest / 127.0 }) + nothing
}

/// The first hidden states of a batch: (T, C).
pub(crate) fn embed(pass: &Pass<'_>) -> Vec<f32> {
    let (model, batch) = (pass.model, pass.batch);
    let (config, tables) = (&model.config, &model.weights.embeddings);
    let c = config.hidden_size;
    let mut positions = Vec::with_capacity(batch.tokens()); // (T)
    for sequence in 0..batch.sequences() {
        let range = batch.range(sequence);
        let (t, most) = (range.len(), config.max_tokens());
        assert!(t <= most, "a sequence of {t} tokens, the model has positions for {most}");
        positions.extend(batch::positions(&batch.ids[range], config.pad_token_id));
    }
    let mut x = vec![0.0; batch.tokens() * c]; // (T, C)
    pass.for_each_block(&mut x, c, |block, rows, _| {
        for (row, t) in rows.chunks_exact_mut(c).zip(block) {
            let id = batch.ids[t] as usize;
            assert!(id < config.vocab_size, "token id {id}, the model has {}", config.vocab_size);
            tables.words.add_row(id, row);
            tables.positions.add_row(positions[t], row);
            tables.token_types.add_row((batch.token_type_ids[t] as usize).min(config.type_vocab_size - 1), row);
        }
        layer_norm(model.isa(), rows, &tables.norm.weight, &tables.norm.bias, config.layer_norm_eps);
    });
    x
}

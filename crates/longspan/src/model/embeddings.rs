//! Token ids → the first hidden states.
//!
//! ```text
//! x = LN(word[id] + position[i] + token_type[type])
//! ```

use std::borrow::Cow;
use std::ops::Range;

use half::bf16;
use longspan_kernels::{Precision, layer_norm, layer_norm_backward};

use super::encoder::Pass;
use super::gradients::add;
use super::parameters::PREFIX;
use super::weights::{Loader, Norm};
use super::{Parameters, split};

/// The tables.
pub(crate) struct Embeddings<'a> {
    pub words: Table<'a>,       // (V, C)
    pub positions: Table<'a>,   // (max_position_embeddings, C)
    pub token_types: Table<'a>, // (type_vocab_size, C)
    pub norm: Norm,
}

/// Rows in the precision of the model; those of a model in training are the parameters themselves.
pub(crate) enum Table<'a> {
    F32(Cow<'a, [f32]>),
    Bf16(Vec<bf16>),
    /// Each row has a scale.
    Int8 {
        bytes: Vec<i8>,
        scales: Vec<f32>,
    },
}

/// Rows of a table that are packed together.
const ROWS: usize = 512;

impl Table<'_> {
    pub fn pack(loader: &Loader<'_>, precision: Precision, name: &str) -> Self {
        let size @ (rows, columns) = loader.size(name);
        let source = loader.matrix(name);
        let row = |i: usize, x: &mut [f32]| source.row(i, x);
        let table = match precision {
            Precision::F32 => Table::F32(Cow::Owned(fill(size, row, |x, out| out.copy_from_slice(x)))),
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

impl Embeddings<'static> {
    pub fn pack(loader: &Loader<'_>, precision: Precision) -> Self {
        let table = |name: &str| Table::pack(loader, precision, &table_name(name));
        Self {
            words: table("word"),
            positions: table("position"),
            token_types: table("token_type"),
            norm: loader.norm("longformer.embeddings.LayerNorm"),
        }
    }
}

impl<'a> Embeddings<'a> {
    /// The tables of a model in training, where they are.
    pub fn of(parameters: &'a Parameters) -> Self {
        let table = |name: &str| Table::F32(Cow::Borrowed(parameters.get(&table_name(name))));
        let norm = |name: &str| parameters.get(&format!("{PREFIX}embeddings.LayerNorm.{name}")).to_vec();
        Self {
            words: table("word"),
            positions: table("position"),
            token_types: table("token_type"),
            norm: Norm { weight: norm("weight"), bias: norm("bias") },
        }
    }
}

fn table_name(name: &str) -> String {
    format!("{PREFIX}embeddings.{name}_embeddings.weight")
}

/// The rows of the tables that belong to each token of a batch.
struct Rows {
    words: Vec<usize>,       // (T)
    positions: Vec<usize>,   // (T)
    token_types: Vec<usize>, // (T)
}

impl Rows {
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

    /// The sums of the rows of some tokens, before the layer norm, added to zeros: (tokens, C).
    fn add(&self, tables: &Embeddings<'_>, tokens: Range<usize>, x: &mut [f32]) {
        for (t, x) in tokens.clone().zip(x.chunks_exact_mut(x.len() / tokens.len())) {
            tables.words.add_row(self.words[t], x);
            tables.positions.add_row(self.positions[t], x);
            tables.token_types.add_row(self.token_types[t], x);
        }
    }
}

/// The first hidden states of a batch: (T, C).
pub(crate) fn embed(pass: &Pass<'_>) -> Vec<f32> {
    let (config, tables) = (&pass.model.config, pass.embeddings);
    let rows = Rows::new(pass);
    let mut x = vec![0.0; pass.batch.tokens() * config.hidden_size]; // (T, C)
    let work = pass.split.blocks.iter().zip(pass.cut(&mut x, config.hidden_size));
    split::run(work.collect(), |(block, x)| {
        rows.add(tables, block.clone(), x);
        layer_norm(pass.model.isa(), x, &tables.norm.weight, &tables.norm.bias, config.layer_norm_eps);
        pass.drop(0, block, x);
    });
    x
}

/// The gradients of the tables and their layer norm.
///
/// - `dx`: (T, C), those of the first hidden states
pub(crate) fn embed_backward(pass: &Pass<'_>, dx: &mut [f32], gradients: &mut Parameters) {
    let (config, tables) = (&pass.model.config, pass.embeddings);
    let (c, rows) = (config.hidden_size, Rows::new(pass));
    let work = pass.split.blocks.iter().zip(pass.cut(dx, c));
    let sums = split::run(work.collect(), |(block, dx)| {
        pass.drop(0, block, dx);
        let mut x = vec![0.0; dx.len()];
        rows.add(tables, block.clone(), &mut x);
        let (mut dweight, mut dbias) = (vec![0.0; c], vec![0.0; c]);
        let sums = (&mut dweight[..], &mut dbias[..]);
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

//! The embedding tables, in the precision of the model.

use std::borrow::Cow;

use half::bf16;
use longspan_kernels::Precision;

use super::Parameters;
use super::loader::Loader;
use super::parallel::{par_run, ranges, split_rows};
use super::weights::NormWeights;
use crate::config::{Config, PREFIX};

/// The tables of `LongformerEmbeddings` and their layer norm.
pub(crate) struct EmbeddingTables<'a> {
    pub words: EmbeddingTable<'a>,               // (V, E)
    pub positions: EmbeddingTable<'a>,           // (max_position_embeddings, E)
    pub token_types: Option<EmbeddingTable<'a>>, // (type_vocab_size, E)
    pub norm: NormWeights,
}

/// A table in the precision of the model. The tables of a model in training are the parameters themselves.
pub(crate) enum EmbeddingTable<'a> {
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

impl EmbeddingTable<'_> {
    fn pack(loader: &Loader<'_>, precision: Precision, name: &str) -> Self {
        let source = loader.matrix(name);
        let (rows, columns) = (source.rows, source.columns);
        let row = |i: usize, x: &mut [f32]| source.row(i, x);
        let table = match precision {
            Precision::F32 => {
                EmbeddingTable::F32(Cow::Owned(fill(rows, columns, row, |x, out| out.copy_from_slice(x))))
            }
            Precision::Bf16 => EmbeddingTable::Bf16(fill(rows, columns, row, |x, out: &mut [bf16]| {
                out.iter_mut().zip(x).for_each(|(out, &x)| *out = bf16::from_f32(x));
            })),
            Precision::Int8 => {
                let scale = |i: usize, scale: &mut [f32]| {
                    let mut x = vec![0.0; columns];
                    row(i, &mut x);
                    scale[0] = scale_of(&x);
                };
                let bytes = fill(rows, columns, row, |x, out: &mut [i8]| {
                    let over = 1.0 / scale_of(x);
                    out.iter_mut().zip(x).for_each(|(out, x)| *out = (x * over).round_ties_even() as i8);
                });
                EmbeddingTable::Int8 { bytes, scales: fill(rows, 1, scale, |scale, out| out.copy_from_slice(scale)) }
            }
        };
        loader.release(name);
        table
    }

    /// Adds row `i` to `x`: (C).
    pub fn add_row(&self, i: usize, x: &mut [f32]) {
        let own = i * x.len()..(i + 1) * x.len();
        match self {
            EmbeddingTable::F32(table) => x.iter_mut().zip(&table[own]).for_each(|(x, y)| *x += y),
            EmbeddingTable::Bf16(table) => x.iter_mut().zip(&table[own]).for_each(|(x, y)| *x += y.to_f32()),
            EmbeddingTable::Int8 { bytes, scales } => {
                x.iter_mut().zip(&bytes[own]).for_each(|(x, &y)| *x += f32::from(y) * scales[i]);
            }
        }
    }
}

/// A table of `rows` by `columns`, on all threads: `row` writes the numbers of a row, `put` converts them.
fn fill<T: Copy + Default + Send>(
    rows: usize,
    columns: usize,
    row: impl Fn(usize, &mut [f32]) + Sync,
    put: impl Fn(&[f32], &mut [T]) + Sync,
) -> Vec<T> {
    let mut table = vec![T::default(); rows * columns];
    par_run(split_rows(&ranges(rows, rows.div_ceil(ROWS), 1), &mut table, columns), |(block, part)| {
        let mut x = vec![0.0; columns];
        for (i, out) in block.clone().zip(part.chunks_exact_mut(columns)) {
            row(i, &mut x);
            put(&x, out);
        }
    });
    table
}

/// The value of the byte 1 in a row: its largest number is 127. NaN where a number is NaN or infinite.
fn scale_of(x: &[f32]) -> f32 {
    let largest = x.iter().fold(0.0, |largest: f32, x| largest.max(x.abs()));
    let nothing: f32 = x.iter().map(|x| x * 0.0).sum();
    (if largest < 1e-30 { 1.0 } else { largest / 127.0 }) + nothing
}

impl<'a> EmbeddingTables<'a> {
    pub fn pack(loader: &Loader<'_>, precision: Precision, config: &Config) -> Self {
        Self::new(config, |name| EmbeddingTable::pack(loader, precision, name), |name| loader.read(name))
    }

    /// The tables of a model in training, borrowed from its parameters.
    pub fn of(parameters: &'a Parameters, config: &Config) -> Self {
        let table = |name: &str| EmbeddingTable::F32(Cow::Borrowed(parameters.get(name)));
        Self::new(config, table, |name| parameters.get(name).to_vec())
    }

    fn new(config: &Config, table: impl Fn(&str) -> EmbeddingTable<'a>, norm: impl Fn(&str) -> Vec<f32>) -> Self {
        let norm = |name: &str| norm(&format!("{PREFIX}embeddings.LayerNorm.{name}"));
        Self {
            words: table(&table_name("word")),
            positions: table(&table_name("position")),
            token_types: (config.type_vocab_size > 0).then(|| table(&table_name("token_type"))),
            norm: NormWeights { weight: norm("weight"), bias: norm("bias") },
        }
    }
}

pub(crate) fn table_name(name: &str) -> String {
    format!("{PREFIX}embeddings.{name}_embeddings.weight")
}

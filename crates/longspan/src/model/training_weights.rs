//! The weights of the backward pass: matrices that take the gradients of outputs to those of inputs.

use longspan_kernels::{Arithmetic, Panels};

use super::Task;
use super::batch::{LOCAL_PROJECTIONS, PROJECTION_NAMES};
use super::loader::Loader;
use super::parallel::par_map;
use super::parameters::{PROJECTION, WORDS, layer_name};
use crate::config::Config;

/// All that the backward pass reads. A weight is (N, K): its rows are those of the operand that takes N gradients to K.
#[derive(Default)]
pub(crate) struct TrainingWeights {
    /// Layers that share their weights have them once.
    pub layers: Vec<LayerTrainingWeights>,
    /// Of embeddings that are narrower than the model: (C, E).
    pub projection: Option<Panels>,
    /// For masked language modelling.
    pub lm_head: Option<LmHeadTrainingWeights>,
}

impl TrainingWeights {
    pub fn pack(loader: &Loader<'_>, config: &Config, task: Task, arithmetic: Arithmetic) -> Self {
        let indices: Vec<usize> = (0..config.num_hidden_groups).collect();
        let projection = format!("{PROJECTION}.weight");
        Self {
            lm_head: (task == Task::MaskedLm).then(|| LmHeadTrainingWeights::pack(loader, config, arithmetic)),
            projection: config.has_projection().then(|| untransposed(loader, arithmetic, &projection)),
            layers: par_map(&indices, |&index| LayerTrainingWeights::pack(loader, index, config, arithmetic)),
        }
    }
}

/// The head of masked language modelling.
pub(crate) struct LmHeadTrainingWeights {
    pub dense: Panels, // (C, C)
    /// The word embeddings, with rows of zeros up to whole groups: (V, C).
    pub decoder: Panels,
}

impl LmHeadTrainingWeights {
    fn pack(loader: &Loader<'_>, config: &Config, arithmetic: Arithmetic) -> Self {
        let (c, v) = (config.hidden_size, config.vocab_size);
        let words = loader.matrix(WORDS);
        let width = v.next_multiple_of(arithmetic.group());
        let word = |i: usize, row: &mut [f32]| if i < v { words.row(i, row) } else { row.fill(0.0) };
        Self {
            dense: untransposed(loader, arithmetic, "lm_head.dense.weight"),
            decoder: Panels::from_rows(arithmetic, width, c, word),
        }
    }
}

/// One layer. Queries are not scaled here.
pub(crate) struct LayerTrainingWeights {
    pub global_query: Option<Panels>, // (C, C)
    /// Query, key, value and, if there is global attention, global key and global value.
    pub projections: Panels, // (5C, C) or (3C, C)
    pub attention_output: Panels,     // (C, C)
    pub intermediate: Panels,         // (F, C)
    pub output: Panels,               // (C, F)
}

impl LayerTrainingWeights {
    fn pack(loader: &Loader<'_>, index: usize, config: &Config, arithmetic: Arithmetic) -> Self {
        let c = config.hidden_size;
        let name = |part: &str| format!("{}.{part}.weight", layer_name(index));
        let names = if config.is_long { &PROJECTION_NAMES[..] } else { &PROJECTION_NAMES[..LOCAL_PROJECTIONS] };
        let matrix = |projection: &&str| loader.matrix(&name(&format!("attention.self.{projection}")));
        let rows: Vec<_> = names.iter().map(matrix).collect();
        let backward = |part: &str| untransposed(loader, arithmetic, &name(part));
        Self {
            global_query: config.is_long.then(|| backward("attention.self.query_global")),
            projections: Panels::from_rows(arithmetic, names.len() * c, c, |i, row| rows[i / c].row(i % c, row)),
            attention_output: backward("attention.output.dense"),
            intermediate: backward("intermediate.dense"),
            output: backward("output.dense"),
        }
    }
}

/// A weight (N, K) as it is.
fn untransposed(loader: &Loader<'_>, arithmetic: Arithmetic, weight: &str) -> Panels {
    let weight = loader.matrix(weight);
    Panels::from_rows(arithmetic, weight.rows, weight.columns, |i, row| weight.row(i, row))
}

//! The weights of a forward pass: the parameters, packed for the arithmetic of this machine.

use std::ops::Range;

use longspan_kernels::{Arithmetic, Isa, MatrixMut, Panels, Precision, Start, TilesPart, product};

use super::Task;
use super::loader::Loader;
use super::parallel::par_map;
use super::parameters::{PROJECTION, WORDS, layer_name};
use crate::config::Config;

/// The arithmetic of each part of a model.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Computing {
    /// Linear layers.
    pub linear: Arithmetic,
    /// Attention, local and global.
    pub attention: Arithmetic,
    /// Heads.
    pub head: Arithmetic,
}

impl Computing {
    /// Attention is not computed in bytes: in bf16 where the machine has instructions for it, else in f32. It is f32 too
    /// where a head does not fill groups of bf16.
    pub fn new(isa: Isa, precision: Precision, config: &Config) -> Self {
        let attention = match precision {
            _ if !config.head_size().is_multiple_of(2) => Precision::F32,
            Precision::Int8 => Precision::best(isa),
            other => other,
        };
        let arithmetic = |precision| Arithmetic { isa, precision };
        Self { linear: arithmetic(precision), attention: arithmetic(attention), head: arithmetic(Precision::F32) }
    }

    /// Training has one arithmetic for linear layers and attention. It is f32 where rows do not fill groups of bf16.
    pub fn training(isa: Isa, precision: Precision, config: &Config) -> Self {
        let sizes = [config.head_size(), config.intermediate_size, config.embedding_size];
        let odd = sizes.iter().any(|size| !size.is_multiple_of(2));
        let one = Arithmetic { isa, precision: if odd { Precision::F32 } else { precision } };
        Self { linear: one, attention: one, head: Arithmetic { isa, precision: Precision::F32 } }
    }
}

/// A model without its embeddings.
pub(crate) struct Network {
    pub config: Config,
    pub task: Task,
    pub computing: Computing,
    /// Of embeddings that are narrower than the model: (E, C).
    pub projection: Option<LinearWeights>,
    /// Layers that share their weights have them once: see [`Network::layer`].
    pub layers: Vec<LayerWeights>,
    pub head: HeadWeights,
}

/// One layer. Queries leave their projections scaled by 1/√D.
pub(crate) struct LayerWeights {
    /// Query, key and value side by side: (C, 3C).
    pub query_key_value: LinearWeights,
    pub global: GlobalWeights,
    pub attention_output: LinearWeights,
    pub attention_norm: NormWeights,
    pub intermediate: LinearWeights, // (C, F)
    pub output: LinearWeights,       // (F, C)
    pub output_norm: NormWeights,
}

/// Projections of global attention. Keys have no bias: it adds the same to all scores of a query.
pub(crate) enum GlobalWeights {
    /// Of a short model.
    None,
    /// See `global_attention.rs`.
    Inference(Vec<GlobalHeadWeights>), // (H)
    /// See `global_training.rs`.
    Training(Box<GlobalPlainWeights>),
}

/// Global attention of all heads.
pub(crate) struct GlobalPlainWeights {
    pub query: LinearWeights, // (C, C), scaled
    /// Key and value side by side.
    pub key_value: LinearWeights, // (C, 2C)
}

/// Global attention of one head.
pub(crate) struct GlobalHeadWeights {
    pub query: LinearWeights, // (C, D), scaled
    /// From a query to one over hidden states, for absorbed attention.
    pub absorbed_key: Panels, // (D, C)
    pub key: Panels,          // (C, D)
    pub value: LinearWeights, // (C, D)
}

/// The head of a task.
pub(crate) enum HeadWeights {
    Encoder,
    /// Question answering, token classification: (C, labels).
    PerToken(LinearWeights),
    MaskedLm(LmHeadWeights),
    /// Dense, tanh and a projection of the first token: sequence classification, multiple choice.
    PerSequence {
        dense: LinearWeights,
        projection: LinearWeights,
    },
}

/// `LongformerLMHead`: the decoder is tied to the word embeddings.
pub(crate) struct LmHeadWeights {
    pub dense: LinearWeights, // (C, C)
    pub norm: NormWeights,
    pub decoder: LinearWeights, // (C, V)
}

impl Network {
    /// Packs all parameters of the list but the embeddings.
    ///
    /// - `global`: [`GlobalWeights::inference`] or [`GlobalWeights::training`]
    pub fn pack(
        loader: &Loader<'_>,
        config: Config,
        task: Task,
        computing: Computing,
        global: fn(&Loader<'_>, &str, &Config, Computing) -> GlobalWeights,
    ) -> Self {
        let names: Vec<String> = (0..config.num_hidden_groups).map(layer_name).collect();
        let layers = par_map(&names, |name| {
            let own = if config.is_long { global(loader, name, &config, computing) } else { GlobalWeights::None };
            let layer = LayerWeights::pack(loader, name, &config, computing, own);
            loader.release(&format!("{name}."));
            layer
        });
        let head = HeadWeights::pack(loader, task, computing);
        let projection = config.has_projection().then(|| LinearWeights::pack(loader, computing.linear, PROJECTION));
        Self { config, task, computing, projection, layers, head }
    }

    /// The weights of a layer.
    pub fn layer(&self, index: usize) -> &LayerWeights {
        &self.layers[self.config.group_of_layer(index)]
    }

    /// The instruction set that the model runs on.
    pub fn isa(&self) -> Isa {
        self.computing.linear.isa
    }
}

impl HeadWeights {
    fn pack(loader: &Loader<'_>, task: Task, computing: Computing) -> Self {
        let linear = |name| LinearWeights::pack(loader, computing.head, name);
        match task {
            Task::Encoder => Self::Encoder,
            Task::QuestionAnswering => Self::PerToken(linear("qa_outputs")),
            Task::TokenClassification => Self::PerToken(linear("classifier")),
            Task::MaskedLm => Self::MaskedLm(LmHeadWeights {
                dense: LinearWeights::pack(loader, computing.linear, "lm_head.dense"),
                norm: NormWeights::read(loader, "lm_head.layer_norm"),
                decoder: LinearWeights { panels: decoder(loader, computing.linear), bias: loader.read("lm_head.bias") },
            }),
            Task::SequenceClassification => {
                Self::PerSequence { dense: linear("classifier.dense"), projection: linear("classifier.out_proj") }
            }
            Task::MultipleChoice => {
                Self::PerSequence { dense: linear("longformer.pooler.dense"), projection: linear("classifier") }
            }
        }
    }
}

impl LayerWeights {
    fn pack(loader: &Loader<'_>, layer: &str, config: &Config, computing: Computing, global: GlobalWeights) -> Self {
        let [query, key, value] = ["query", "key", "value"].map(|name| format!("{layer}.attention.self.{name}"));
        let local = [(&query[..], query_scale(config)), (&key, 1.0), (&value, 1.0)];
        let linear = |name: &str| LinearWeights::pack(loader, computing.linear, &format!("{layer}.{name}"));
        let norm = |name: &str| NormWeights::read(loader, &format!("{layer}.{name}"));
        Self {
            query_key_value: LinearWeights::side_by_side(loader, computing.linear, &local, 0..config.hidden_size),
            global,
            attention_output: linear("attention.output.dense"),
            attention_norm: norm("attention.output.LayerNorm"),
            intermediate: linear("intermediate.dense"),
            output: linear("output.dense"),
            output_norm: norm("output.LayerNorm"),
        }
    }
}

impl GlobalWeights {
    pub fn inference(loader: &Loader<'_>, layer: &str, config: &Config, computing: Computing) -> Self {
        let heads = 0..config.num_attention_heads;
        Self::Inference(heads.map(|head| GlobalHeadWeights::pack(loader, layer, config, computing, head)).collect())
    }

    pub fn training(loader: &Loader<'_>, layer: &str, config: &Config, computing: Computing) -> Self {
        let projection = |name: &str| format!("{layer}.attention.self.{name}_global");
        let c = config.hidden_size;
        let side_by_side = |names: &[(&str, f32)]| LinearWeights::side_by_side(loader, computing.linear, names, 0..c);
        let mut key_value = side_by_side(&[(&projection("key"), 1.0), (&projection("value"), 1.0)]);
        key_value.bias[..c].fill(0.0);
        let query = side_by_side(&[(&projection("query"), query_scale(config))]);
        Self::Training(Box::new(GlobalPlainWeights { query, key_value }))
    }
}

impl GlobalHeadWeights {
    fn pack(loader: &Loader<'_>, layer: &str, config: &Config, computing: Computing, head: usize) -> Self {
        let (c, d, arithmetic) = (config.hidden_size, config.head_size(), computing.attention);
        let projection = |name: &str| format!("{layer}.attention.self.{name}_global");
        let linear = |name: &str, scale: f32| {
            LinearWeights::side_by_side(loader, arithmetic, &[(&projection(name), scale)], head * d..(head + 1) * d)
        };
        let key = loader.matrix(&format!("{}.weight", projection("key")));
        let key_row = |i: usize, x: &mut [f32]| key.row(head * d + i, x);
        Self {
            query: linear("query", query_scale(config)),
            absorbed_key: Panels::from_rows(arithmetic, d, c, key_row),
            key: Panels::from_columns(arithmetic, c, d, key_row),
            value: linear("value", 1.0),
        }
    }
}

/// y = x·W + b for rows of x: `nn.Linear`.
pub(crate) struct LinearWeights {
    pub panels: Panels, // (K, N)
    pub bias: Vec<f32>, // (N)
}

impl LinearWeights {
    fn pack(loader: &Loader<'_>, arithmetic: Arithmetic, name: &str) -> Self {
        let n = loader.matrix(&format!("{name}.weight")).rows;
        Self::side_by_side(loader, arithmetic, &[(name, 1.0)], 0..n)
    }

    /// The same `rows` of the weights of several layers of one input, side by side, each times its scale.
    fn side_by_side(loader: &Loader<'_>, arithmetic: Arithmetic, layers: &[(&str, f32)], rows: Range<usize>) -> Self {
        let weights: Vec<_> = layers.iter().map(|(name, _)| loader.matrix(&format!("{name}.weight"))).collect();
        let n = rows.len();
        let row = |j: usize, x: &mut [f32]| {
            weights[j / n].row(rows.start + j % n, x);
            let scale = layers[j / n].1;
            if scale != 1.0 {
                x.iter_mut().for_each(|x| *x *= scale);
            }
        };
        let panels = Panels::from_columns(arithmetic, weights[0].columns, n * layers.len(), row);
        let bias = layers.iter().flat_map(|(name, scale)| {
            let bias = loader.read(&format!("{name}.bias"));
            bias[rows.clone()].iter().map(|x| x * scale).collect::<Vec<_>>()
        });
        Self { panels, bias: bias.collect() }
    }

    /// Some columns of the output: (rows, K) → (rows, columns).
    pub fn apply(&self, x: TilesPart<'_>, columns: Range<usize>, y: &mut MatrixMut<'_>) {
        let weight = self.panels.part(0..self.panels.k(), columns.clone());
        product(x, weight, Start::Bias(&self.bias[columns]), y);
    }
}

/// Weight and bias of a layer norm.
pub(crate) struct NormWeights {
    pub weight: Vec<f32>, // (C)
    pub bias: Vec<f32>,   // (C)
}

impl NormWeights {
    pub fn read(loader: &Loader<'_>, name: &str) -> Self {
        Self { weight: loader.read(&format!("{name}.weight")), bias: loader.read(&format!("{name}.bias")) }
    }
}

/// The word embeddings (V, C) as the right operand of a product: (C, V).
fn decoder(loader: &Loader<'_>, arithmetic: Arithmetic) -> Panels {
    let words = loader.matrix(WORDS);
    Panels::from_columns(arithmetic, words.columns, words.rows, |j, x| words.row(j, x))
}

/// The scale of queries: 1/√D.
pub(crate) fn query_scale(config: &Config) -> f32 {
    1.0 / (config.head_size() as f32).sqrt()
}

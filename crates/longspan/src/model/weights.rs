//! What a forward pass reads: the parameters, packed for the arithmetic of this machine.

mod training;

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::ops::Range;

use longspan_kernels::{Arithmetic, Isa, Panels, Precision};

pub(crate) use training::{LayerTraining, MaskedLmTraining};

use super::parameters::{PREFIX, WORDS, layer_name, parameters};
use super::{Parameter, Parameters, Task, split};
use crate::checkpoint::{CONFIG, Tensors};
use crate::config::Config;
use crate::tensor::TensorView;
use crate::{Error, FormatKind, Result};

/// How a model computes.
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

    /// That of training: one arithmetic for all. Rows that do not fill groups of bf16 make it f32.
    pub fn training(isa: Isa, precision: Precision, config: &Config) -> Self {
        let odd = !config.head_size().is_multiple_of(2) || !config.intermediate_size.is_multiple_of(2);
        let one = Arithmetic { isa, precision: if odd { Precision::F32 } else { precision } };
        Self { linear: one, attention: one, head: Arithmetic { isa, precision: Precision::F32 } }
    }
}

/// y = x·W + b for rows of x.
pub(crate) struct Linear {
    pub panels: Panels, // (K, N)
    pub bias: Vec<f32>, // (N)
}

/// Weight and bias of a layer norm.
pub(crate) struct Norm {
    pub weight: Vec<f32>, // (C)
    pub bias: Vec<f32>,   // (C)
}

/// One layer. Queries leave their projections scaled by 1/√D.
pub(crate) struct Layer {
    /// Query, key and value side by side: (C, 3C).
    pub query_key_value: Linear,
    /// In inference only.
    pub global: Vec<GlobalHead>, // (H)
    pub attention_output: Linear,
    pub attention_norm: Norm,
    pub intermediate: Linear, // (C, F)
    pub output: Linear,       // (F, C)
    pub output_norm: Norm,
}

/// Global attention of one head. Keys have no bias: it adds the same to all scores of a query.
pub(crate) struct GlobalHead {
    pub query: Linear, // (C, D)
    /// From a query to one over hidden states, as absorbed attention has them.
    pub absorbed_key: Panels, // (D, C)
    pub key: Panels,   // (C, D)
    pub value: Linear, // (C, D)
}

pub(crate) enum Head {
    Encoder,
    /// Question answering, token classification: (C, labels).
    PerToken(Linear),
    /// The decoder is tied to the word embeddings: (C, V).
    MaskedLm {
        dense: Linear,
        norm: Norm,
        decoder: Linear,
    },
    /// Dense, tanh and a projection of the first token: sequence classification, multiple choice.
    PerSequence {
        dense: Linear,
        projection: Linear,
    },
}

/// All but the embeddings.
pub(crate) struct Weights {
    pub layers: Vec<Layer>,
    pub head: Head,
}

impl Weights {
    /// Packs all parameters of the list; those of global attention for these heads: all in inference, none
    /// in training, which has its own.
    pub fn pack(
        loader: &Loader<'_>,
        config: &Config,
        task: Task,
        computing: Computing,
        global_heads: Range<usize>,
    ) -> Self {
        let head = match task {
            Task::Encoder => Head::Encoder,
            Task::QuestionAnswering => Head::PerToken(loader.linear(computing.head, "qa_outputs")),
            Task::TokenClassification => Head::PerToken(loader.linear(computing.head, "classifier")),
            Task::MaskedLm => Head::MaskedLm {
                dense: loader.linear(computing.linear, "lm_head.dense"),
                norm: loader.norm("lm_head.layer_norm"),
                decoder: Linear { panels: loader.panels(computing.linear, WORDS), bias: loader.read("lm_head.bias") },
            },
            Task::SequenceClassification => Head::PerSequence {
                dense: loader.linear(computing.head, "classifier.dense"),
                projection: loader.linear(computing.head, "classifier.out_proj"),
            },
            Task::MultipleChoice => Head::PerSequence {
                dense: loader.linear(computing.head, "longformer.pooler.dense"),
                projection: loader.linear(computing.head, "classifier"),
            },
        };
        let names: Vec<String> = (0..config.num_hidden_layers).map(layer_name).collect();
        let layers = split::map(&names, |name| Layer::pack(loader, name, config, computing, &global_heads));
        Self { layers, head }
    }
}

/// What a pass reads beside the embeddings.
pub(crate) struct Network {
    pub config: Config,
    pub task: Task,
    pub computing: Computing,
    pub weights: Weights,
}

impl Network {
    pub fn pack(loader: &Loader<'_>, config: Config, task: Task, computing: Computing) -> Self {
        let weights = Weights::pack(loader, &config, task, computing, 0..config.num_attention_heads);
        Self { config, task, computing, weights }
    }

    pub fn isa(&self) -> Isa {
        self.computing.linear.isa
    }
}

/// What queries are multiplied with: 1/√D.
pub(crate) fn scale_of_queries(config: &Config) -> f32 {
    1.0 / (config.head_size() as f32).sqrt()
}

impl Layer {
    fn pack(
        loader: &Loader<'_>,
        layer: &str,
        config: &Config,
        computing: Computing,
        global_heads: &Range<usize>,
    ) -> Self {
        let scale = scale_of_queries(config);
        let projection = |name: &str| format!("{layer}.attention.self.{name}");
        let [query, key, value] = ["query", "key", "value"].map(projection);
        let linear = |name: &str| loader.linear(computing.linear, &format!("{layer}.{name}"));
        let heads = global_heads.clone().map(|head| GlobalHead::pack(loader, layer, config, computing, head));
        let packed = Self {
            query_key_value: loader.linears(computing.linear, &[(&query, scale), (&key, 1.0), (&value, 1.0)]),
            global: heads.collect(),
            attention_output: linear("attention.output.dense"),
            attention_norm: loader.norm(&format!("{layer}.attention.output.LayerNorm")),
            intermediate: linear("intermediate.dense"),
            output: linear("output.dense"),
            output_norm: loader.norm(&format!("{layer}.output.LayerNorm")),
        };
        loader.release(&format!("{layer}."));
        packed
    }
}

impl GlobalHead {
    fn pack(loader: &Loader<'_>, layer: &str, config: &Config, computing: Computing, head: usize) -> Self {
        let (c, d, arithmetic) = (config.hidden_size, config.head_size(), computing.attention);
        let scale = scale_of_queries(config);
        let linear = |name: &str, scale: f32| {
            let name = format!("{layer}.attention.self.{name}");
            let weight = loader.matrix(&format!("{name}.weight"));
            let bias = &loader.read(&format!("{name}.bias"))[head * d..(head + 1) * d];
            let row = |j: usize, x: &mut [f32]| {
                weight.row(head * d + j, x);
                x.iter_mut().for_each(|x| *x *= scale);
            };
            let bias = bias.iter().map(|x| x * scale).collect();
            Linear { panels: Panels::from_columns(arithmetic, c, d, row), bias }
        };
        let key = loader.matrix(&format!("{layer}.attention.self.key_global.weight"));
        let key_row = |i: usize, x: &mut [f32]| key.row(head * d + i, x);
        Self {
            query: linear("query_global", scale),
            absorbed_key: Panels::from_rows(arithmetic, d, c, key_row),
            key: Panels::from_columns(arithmetic, c, d, key_row),
            value: linear("value_global", 1.0),
        }
    }
}

/// The values of the parameters of the list: those of a checkpoint, all there and of the right shape, those of a model in
/// training, or random ones.
pub(crate) struct Loader<'a> {
    parameters: HashMap<String, Parameter>,
    found: HashMap<String, Found<'a>>,
    tensors: Option<&'a Tensors>,
}

/// Where values are.
enum Found<'a> {
    Stored(TensorView<'a>),
    Values(&'a [f32]),
}

impl<'a> Loader<'a> {
    /// Finds every parameter before any is read.
    pub fn new(config: &Config, task: Task, tensors: &'a Tensors) -> Result<Self> {
        let mut loader = Self::random(config, task);
        for Parameter { name, shape: expected, .. } in parameters(config, task) {
            let view = find(tensors, &name)?;
            if view.shape != expected {
                return Err(Error::TensorShape { name, expected, found: view.shape });
            }
            loader.found.insert(name, Found::Stored(view));
        }
        let more = format!("{}.attention.self.query.weight", layer_name(config.num_hidden_layers));
        if find(tensors, &more).is_ok() {
            let message = format!("num_hidden_layers {}: the weights have more", config.num_hidden_layers);
            return Err(Error::format(CONFIG, FormatKind::Config, message));
        }
        loader.tensors = Some(tensors);
        Ok(loader)
    }

    /// The values of a model in training.
    pub fn of(parameters: &'a Parameters) -> Self {
        let found =
            |parameter: &Parameter| (parameter.name.clone(), Found::Values(&parameters.values()[parameter.range()]));
        let list = parameters.list().iter();
        Self {
            parameters: list.clone().map(|parameter| (parameter.name.clone(), parameter.clone())).collect(),
            found: list.map(found).collect(),
            tensors: None,
        }
    }

    /// Weights that keep the size of what passes through them, for measurements.
    pub fn random(config: &Config, task: Task) -> Self {
        let list = parameters(config, task).into_iter();
        let parameters = list.map(|parameter| (parameter.name.clone(), parameter)).collect();
        Self { parameters, found: HashMap::new(), tensors: None }
    }

    /// One parameter, widened to f32.
    pub fn read(&self, name: &str) -> Vec<f32> {
        let mut values = vec![0.0; self.shape(name).iter().product()];
        self.copy(name, &mut values);
        values
    }

    /// Writes one parameter, widened to f32, over zeros.
    pub fn copy(&self, name: &str, values: &mut [f32]) {
        let shape = self.shape(name);
        match self.found.get(name) {
            Some(Found::Stored(view)) => view.copy_to(values),
            Some(Found::Values(found)) => values.copy_from_slice(found),
            None if name.ends_with("orm.weight") => values.fill(1.0),
            None if shape.len() == 1 => {}
            None => {
                let matrix = self.matrix(name);
                values.chunks_exact_mut(shape[1]).enumerate().for_each(|(i, row)| matrix.row(i, row));
            }
        }
    }

    /// A parameter to be read row by row.
    pub fn matrix(&self, name: &str) -> Rows<'_> {
        let shape = self.shape(name);
        match self.found.get(name) {
            Some(Found::Stored(view)) => Rows::Stored(view.clone()),
            Some(Found::Values(values)) => Rows::Values { values, columns: shape[1] },
            None => Rows::Random { name: name.into(), columns: shape[1] },
        }
    }

    /// Rows and columns of a parameter.
    pub fn size(&self, name: &str) -> (usize, usize) {
        let shape = self.shape(name);
        (shape[0], shape[1])
    }

    fn shape(&self, name: &str) -> &[usize] {
        match self.parameters.get(name) {
            Some(parameter) => &parameter.shape,
            None => panic!("`{name}` is not in the list of parameters"),
        }
    }

    pub fn norm(&self, name: &str) -> Norm {
        Norm { weight: self.read(&format!("{name}.weight")), bias: self.read(&format!("{name}.bias")) }
    }

    /// A weight (N, K) as the right operand of a product.
    fn panels(&self, arithmetic: Arithmetic, name: &str) -> Panels {
        let ((n, k), rows) = (self.size(name), self.matrix(name));
        Panels::from_columns(arithmetic, k, n, |j, x| rows.row(j, x))
    }

    fn linear(&self, arithmetic: Arithmetic, name: &str) -> Linear {
        self.linears(arithmetic, &[(name, 1.0)])
    }

    /// Linear layers of one input side by side, each times its scale.
    pub fn linears(&self, arithmetic: Arithmetic, names: &[(&str, f32)]) -> Linear {
        let weights: Vec<Rows> = names.iter().map(|(name, _)| self.matrix(&format!("{name}.weight"))).collect();
        let (n, k) = self.size(&format!("{}.weight", names[0].0));
        let row = |j: usize, x: &mut [f32]| {
            weights[j / n].row(j % n, x);
            let scale = names[j / n].1;
            if scale != 1.0 {
                x.iter_mut().for_each(|x| *x *= scale);
            }
        };
        let panels = Panels::from_columns(arithmetic, k, n * names.len(), row);
        let bias = names.iter().flat_map(|(name, scale)| {
            let bias = self.read(&format!("{name}.bias"));
            bias.into_iter().map(move |x| x * scale)
        });
        Linear { panels, bias: bias.collect() }
    }

    /// Says that the parameters whose names begin so were packed.
    pub fn release(&self, prefix: &str) {
        let Some(tensors) = self.tensors else { return };
        for name in self.parameters.keys().filter(|name| name.starts_with(prefix)) {
            candidates(name).iter().for_each(|name| tensors.release(name));
        }
    }
}

/// The rows of a parameter.
pub(crate) enum Rows<'a> {
    Stored(TensorView<'a>),
    Values { values: &'a [f32], columns: usize },
    Random { name: String, columns: usize },
}

impl Rows<'_> {
    /// Row `i`: (K).
    pub fn row(&self, i: usize, out: &mut [f32]) {
        match self {
            Rows::Stored(view) => view.row(i).copy_to(out),
            Rows::Values { values, columns } => out.copy_from_slice(&values[i * columns..(i + 1) * columns]),
            Rows::Random { name, columns } => {
                let mut hasher = DefaultHasher::new();
                (name, i).hash(&mut hasher);
                let mut state = hasher.finish() | 1;
                let size = (3.0 / *columns as f32).sqrt();
                for x in out {
                    state ^= state << 13;
                    state ^= state >> 7;
                    state ^= state << 17;
                    *x = ((state >> 40) as f32 / (1 << 23) as f32 - 1.0) * size;
                }
            }
        }
    }
}

/// A tensor by its name, or by the names that other files give it.
fn find<'a>(tensors: &'a Tensors, name: &str) -> Result<TensorView<'a>> {
    for candidate in candidates(name) {
        if let Some(view) = tensors.get(&candidate)? {
            return Ok(view);
        }
    }
    Err(Error::MissingTensor { name: name.to_string() })
}

/// What files call a parameter: without the prefix where the encoder was saved alone, with `roberta.` in files of
/// allenai's first code, `gamma` and `beta` in files converted from TensorFlow.
fn candidates(name: &str) -> Vec<String> {
    let bare = name.strip_prefix(PREFIX);
    let old = name.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta");
    [Some(name.to_string()), bare.map(str::to_string), bare.map(|bare| format!("roberta.{bare}")), Some(old)]
        .into_iter()
        .flatten()
        .collect()
}

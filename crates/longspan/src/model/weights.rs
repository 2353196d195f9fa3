//! What a forward pass reads: the parameters, packed for one instruction set.

use std::collections::HashMap;

use longspan_kernels::{Isa, Matrix, Panels};
use rayon::prelude::*;

use super::parameters::{PREFIX, layer_name, parameters};
use super::{Parameter, Task};
use crate::checkpoint::Tensors;
use crate::config::Config;
use crate::tensor::TensorView;
use crate::{Error, Result};

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

pub(crate) struct Embeddings {
    pub words: Vec<f32>,       // (V, C)
    pub positions: Vec<f32>,   // (max_position_embeddings, C)
    pub token_types: Vec<f32>, // (type_vocab_size, C)
    pub norm: Norm,
}

/// One layer. Queries leave their projections scaled by 1/√D.
pub(crate) struct Layer {
    /// Query, key and value side by side: (C, 3C).
    pub query_key_value: Linear,
    pub query_global: Linear,
    /// Global key and value side by side: (C, 2C).
    pub key_value_global: Linear,
    pub attention_output: Linear,
    pub attention_norm: Norm,
    pub intermediate: Linear, // (C, F)
    pub output: Linear,       // (F, C)
    pub output_norm: Norm,
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

pub(crate) struct Weights {
    pub embeddings: Embeddings,
    pub layers: Vec<Layer>,
    pub head: Head,
}

impl Weights {
    /// Reads and packs all parameters of the list.
    pub fn load(config: &Config, task: Task, isa: Isa, tensors: &Tensors) -> Result<Self> {
        let loader = Loader::new(config, task, isa, tensors)?;
        let embeddings = Embeddings {
            words: loader.read("longformer.embeddings.word_embeddings.weight"),
            positions: loader.read("longformer.embeddings.position_embeddings.weight"),
            token_types: loader.read("longformer.embeddings.token_type_embeddings.weight"),
            norm: loader.norm("longformer.embeddings.LayerNorm"),
        };
        let layers = (0..config.num_hidden_layers).into_par_iter();
        let layers = layers.map(|layer| Layer::load(&loader, &layer_name(layer), config)).collect();
        let head = match task {
            Task::Encoder => Head::Encoder,
            Task::QuestionAnswering => Head::PerToken(loader.linear(&["qa_outputs"])),
            Task::TokenClassification => Head::PerToken(loader.linear(&["classifier"])),
            Task::MaskedLm => Head::MaskedLm {
                dense: loader.linear(&["lm_head.dense"]),
                norm: loader.norm("lm_head.layer_norm"),
                decoder: Linear {
                    panels: Panels::from_columns(isa, Matrix::new(&embeddings.words, config.hidden_size)),
                    bias: loader.read("lm_head.bias"),
                },
            },
            Task::SequenceClassification => Head::PerSequence {
                dense: loader.linear(&["classifier.dense"]),
                projection: loader.linear(&["classifier.out_proj"]),
            },
            Task::MultipleChoice => Head::PerSequence {
                dense: loader.linear(&["longformer.pooler.dense"]),
                projection: loader.linear(&["classifier"]),
            },
        };
        Ok(Self { embeddings, layers, head })
    }
}

impl Layer {
    fn load(loader: &Loader, layer: &str, config: &Config) -> Self {
        let scale = 1.0 / (config.head_size() as f32).sqrt();
        let projection = |name: &str| format!("{layer}.attention.self.{name}");
        let [query, key, value] = ["query", "key", "value"].map(projection);
        let [query_global, key_global, value_global] = ["query_global", "key_global", "value_global"].map(projection);
        Self {
            query_key_value: loader.scaled_linear(&[&query, &key, &value], &[scale, 1.0, 1.0]),
            query_global: loader.scaled_linear(&[&query_global], &[scale]),
            key_value_global: loader.linear(&[&key_global, &value_global]),
            attention_output: loader.linear(&[&format!("{layer}.attention.output.dense")]),
            attention_norm: loader.norm(&format!("{layer}.attention.output.LayerNorm")),
            intermediate: loader.linear(&[&format!("{layer}.intermediate.dense")]),
            output: loader.linear(&[&format!("{layer}.output.dense")]),
            output_norm: loader.norm(&format!("{layer}.output.LayerNorm")),
        }
    }
}

/// The tensors of a checkpoint that the list of parameters asks for, all there and of the right shape.
pub(crate) struct Loader<'a> {
    isa: Isa,
    found: HashMap<String, (Parameter, TensorView<'a>)>,
}

impl<'a> Loader<'a> {
    /// Finds every parameter before any is read.
    pub fn new(config: &Config, task: Task, isa: Isa, tensors: &'a Tensors) -> Result<Self> {
        let mut found = HashMap::new();
        for parameter in parameters(config, task) {
            let view = find(tensors, &parameter.name)?;
            if view.shape != parameter.shape {
                let Parameter { name, shape, .. } = parameter;
                return Err(Error::TensorShape { name, expected: shape, found: view.shape });
            }
            found.insert(parameter.name.clone(), (parameter, view));
        }
        let more = format!("{}.attention.self.query.weight", layer_name(config.num_hidden_layers));
        if find(tensors, &more).is_ok() {
            let message = format!("num_hidden_layers {}: the weights have more", config.num_hidden_layers);
            return Err(Error::Format { file: "config.json".into(), message });
        }
        Ok(Self { isa, found })
    }

    /// One parameter, widened to f32.
    pub fn read(&self, name: &str) -> Vec<f32> {
        let Some((parameter, view)) = self.found.get(name) else {
            panic!("`{name}` is not in the list of parameters");
        };
        let mut values = vec![0.0; parameter.shape.iter().product()];
        view.copy_to(&mut values);
        values
    }

    fn norm(&self, name: &str) -> Norm {
        Norm { weight: self.read(&format!("{name}.weight")), bias: self.read(&format!("{name}.bias")) }
    }

    fn linear(&self, names: &[&str]) -> Linear {
        self.scaled_linear(names, &vec![1.0; names.len()])
    }

    /// Linear layers of one input side by side, each times its scale.
    fn scaled_linear(&self, names: &[&str], scales: &[f32]) -> Linear {
        let mut weight = Vec::new(); // (N, K)
        let mut bias = Vec::new(); // (N)
        for (name, scale) in names.iter().zip(scales) {
            weight.extend(self.read(&format!("{name}.weight")).iter().map(|x| x * scale));
            bias.extend(self.read(&format!("{name}.bias")).iter().map(|x| x * scale));
        }
        let k = weight.len() / bias.len();
        Linear { panels: Panels::from_columns(self.isa, Matrix::new(&weight, k)), bias }
    }
}

/// A tensor by its name, or by the names that other files give it: without the prefix where the encoder was saved
/// alone, with `roberta.` in files of allenai's first code, `gamma` and `beta` in files converted from TensorFlow.
fn find<'a>(tensors: &'a Tensors, name: &str) -> Result<TensorView<'a>> {
    let bare = name.strip_prefix(PREFIX);
    let old = name.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta");
    let names =
        [Some(name.to_string()), bare.map(str::to_string), bare.map(|bare| format!("roberta.{bare}")), Some(old)];
    for name in names.iter().flatten() {
        if let Some(view) = tensors.get(name)? {
            return Ok(view);
        }
    }
    Err(Error::MissingTensor { name: name.to_string() })
}

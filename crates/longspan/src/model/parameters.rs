//! The one list of a model's parameters: Hugging Face's names and shapes, from the config; and their values in training.

use std::ops::Range;

use super::Task;
use super::weights::Loader;
use crate::checkpoint::{NamedTensor, Tensors};
use crate::config::Config;
use crate::{Result, random};

/// A parameter of the model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parameter {
    /// Hugging Face's name.
    pub name: String,
    /// Row-major sizes.
    pub shape: Vec<usize>,
    /// Where it begins in a flat buffer of all parameters.
    pub offset: usize,
}

impl Parameter {
    /// How many numbers it has.
    pub fn count(&self) -> usize {
        self.shape.iter().product()
    }

    /// Its place in a flat buffer of all parameters.
    pub fn range(&self) -> Range<usize> {
        self.offset..self.offset + self.count()
    }
}

/// The values of all parameters of a model in f32, end to end: weights, and whatever training keeps for each of them.
#[derive(Debug, Clone, PartialEq)]
pub struct Parameters {
    list: Vec<Parameter>,
    values: Vec<f32>,
}

impl Parameters {
    /// All zero.
    pub fn zeros(config: &Config, task: Task) -> Self {
        let list = parameters(config, task);
        let count = list.iter().map(Parameter::count).sum();
        Self { list, values: vec![0.0; count] }
    }

    /// Random weights, for measurements: those of [`Model::random`](super::Model::random).
    pub fn random(config: &Config, task: Task) -> Self {
        let (mut all, loader) = (Self::zeros(config, task), Loader::random(config, task));
        for parameter in &all.list {
            loader.copy(&parameter.name, &mut all.values[parameter.range()]);
        }
        all
    }

    /// The weights of a checkpoint. A head that it lacks altogether begins anew by the seed: normal numbers of deviation
    /// 0.02, and biases of zero.
    ///
    /// # Errors
    /// When a tensor is missing or has another shape than `config` asks for.
    pub fn load(config: &Config, task: Task, tensors: &Tensors, seed: u64) -> Result<Self> {
        let mut all = Self::zeros(config, task);
        let encoder = parameters(config, Task::Encoder).len();
        let head_is_there =
            all.list[encoder..].iter().any(|parameter| tensors.get(&parameter.name).is_ok_and(|t| t.is_some()));
        let from = if head_is_there { task } else { Task::Encoder };
        let loader = Loader::new(config, from, tensors)?;
        for (i, parameter) in all.list.iter().enumerate() {
            let values = &mut all.values[parameter.range()];
            if i < encoder || head_is_there {
                loader.copy(&parameter.name, values);
            } else {
                begin(parameter, values, random::number(seed, &[i as u64]));
            }
        }
        Ok(all)
    }

    /// Names, shapes and places.
    pub fn list(&self) -> &[Parameter] {
        &self.list
    }

    /// What [`write_checkpoint`](crate::checkpoint::write_checkpoint) wants.
    pub fn tensors(&self) -> Vec<NamedTensor<'_>> {
        self.list.iter().map(|p| (p.name.as_str(), p.shape.as_slice(), &self.values[p.range()])).collect()
    }

    /// All values.
    pub fn values(&self) -> &[f32] {
        &self.values
    }

    /// All values, to change.
    pub fn values_mut(&mut self) -> &mut [f32] {
        &mut self.values
    }

    /// The values of one.
    ///
    /// # Panics
    /// If there is none of this name.
    pub fn get(&self, name: &str) -> &[f32] {
        &self.values[self.find(name).range()]
    }

    /// The values of one, to change.
    ///
    /// # Panics
    /// If there is none of this name.
    pub fn get_mut(&mut self, name: &str) -> &mut [f32] {
        let range = self.find(name).range();
        &mut self.values[range]
    }

    /// The values of several, to change.
    ///
    /// # Panics
    /// If there is none of one of these names, or they do not stand in the order of the list.
    pub(crate) fn get_many_mut(&mut self, names: &[String]) -> Vec<&mut [f32]> {
        let ranges: Vec<_> = names.iter().map(|name| self.find(name).range()).collect();
        let (mut rest, mut at) = (&mut self.values[..], 0);
        let own = ranges.into_iter().map(|range| {
            let (own, after) = std::mem::take(&mut rest).split_at_mut(range.end - at);
            let own = &mut own[range.start - at..];
            (rest, at) = (after, range.end);
            own
        });
        own.collect()
    }

    fn find(&self, name: &str) -> &Parameter {
        let found = self.list.iter().find(|parameter| parameter.name == name);
        found.unwrap_or_else(|| panic!("`{name}` is not in the list of parameters"))
    }
}

/// Values of a new head.
fn begin(parameter: &Parameter, values: &mut [f32], seed: u64) {
    if parameter.name.ends_with("norm.weight") {
        values.fill(1.0);
    } else if parameter.shape.len() > 1 {
        for (i, value) in values.iter_mut().enumerate() {
            let place = [i as u64];
            // Box and Muller: 1 - fraction is above zero.
            let radius = (-2.0 * (1.0 - random::fraction(seed, &place)).ln()).sqrt();
            let angle = std::f64::consts::TAU * random::fraction(seed.wrapping_add(1), &place);
            *value = (0.02 * radius * angle.cos()) as f32;
        }
    }
}

/// The table of the words, which is the decoder of masked language modelling too.
pub(crate) const WORDS: &str = "longformer.embeddings.word_embeddings.weight";

/// The table of positions.
pub const POSITIONS: &str = "longformer.embeddings.position_embeddings.weight";

/// What the names of the encoder begin with in a checkpoint that has a head.
pub(crate) const PREFIX: &str = "longformer.";

/// All parameters of a model with the head of `task`, in the order of the layers.
///
/// A tied weight stands once: the decoder of masked language modelling is
/// `longformer.embeddings.word_embeddings.weight`, its bias `lm_head.bias`.
pub fn parameters(config: &Config, task: Task) -> Vec<Parameter> {
    let mut list = List(Vec::new());
    let (c, f) = (config.hidden_size, config.intermediate_size);
    let embeddings = format!("{PREFIX}embeddings");
    list.add(WORDS.into(), &[config.vocab_size, c]);
    list.add(POSITIONS.into(), &[config.max_position_embeddings, c]);
    list.add(format!("{embeddings}.token_type_embeddings.weight"), &[config.type_vocab_size, c]);
    list.norm(&format!("{embeddings}.LayerNorm"), c);
    for layer in 0..config.num_hidden_layers {
        let layer = layer_name(layer);
        for projection in ["query", "key", "value", "query_global", "key_global", "value_global"] {
            list.linear(&format!("{layer}.attention.self.{projection}"), c, c);
        }
        list.linear(&format!("{layer}.attention.output.dense"), c, c);
        list.norm(&format!("{layer}.attention.output.LayerNorm"), c);
        list.linear(&format!("{layer}.intermediate.dense"), f, c);
        list.linear(&format!("{layer}.output.dense"), c, f);
        list.norm(&format!("{layer}.output.LayerNorm"), c);
    }
    match task {
        Task::Encoder => {}
        Task::QuestionAnswering => list.linear("qa_outputs", 2, c),
        Task::MaskedLm => {
            list.linear("lm_head.dense", c, c);
            list.norm("lm_head.layer_norm", c);
            list.add("lm_head.bias".into(), &[config.vocab_size]);
        }
        Task::SequenceClassification => {
            list.linear("classifier.dense", c, c);
            list.linear("classifier.out_proj", config.num_labels, c);
        }
        Task::TokenClassification => list.linear("classifier", config.num_labels, c),
        Task::MultipleChoice => {
            list.linear(&format!("{PREFIX}pooler.dense"), c, c);
            list.linear("classifier", 1, c);
        }
    }
    list.0
}

/// What the names of a layer's parameters begin with.
pub(crate) fn layer_name(layer: usize) -> String {
    format!("{PREFIX}encoder.layer.{layer}")
}

struct List(Vec<Parameter>);

impl List {
    fn add(&mut self, name: String, shape: &[usize]) {
        let offset = self.0.last().map_or(0, |last| last.range().end);
        self.0.push(Parameter { name, shape: shape.to_vec(), offset });
    }

    /// `n` outputs from `k` inputs.
    fn linear(&mut self, name: &str, n: usize, k: usize) {
        self.add(format!("{name}.weight"), &[n, k]);
        self.add(format!("{name}.bias"), &[n]);
    }

    fn norm(&mut self, name: &str, c: usize) {
        self.add(format!("{name}.weight"), &[c]);
        self.add(format!("{name}.bias"), &[c]);
    }
}

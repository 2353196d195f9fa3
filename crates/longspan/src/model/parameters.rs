//! The one list of a model's parameters: Hugging Face's names and shapes, from the config. And a flat buffer of values.

use std::ops::Range;

use super::Task;
use crate::checkpoint::NamedTensor;
use crate::config::{Config, ModelKind, PREFIX};

/// A parameter of the model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parameter {
    /// Hugging Face's name, that of a Longformer whatever the kind.
    pub name: String,
    /// The name in a checkpoint of the kind.
    pub stored_name: String,
    /// Row-major sizes.
    pub shape: Vec<usize>,
    /// Where the parameter begins in a flat buffer of all parameters.
    pub offset: usize,
}

impl Parameter {
    /// The number of its elements.
    pub fn count(&self) -> usize {
        self.shape.iter().product()
    }

    /// The place of the parameter in a flat buffer of all parameters.
    pub fn range(&self) -> Range<usize> {
        self.offset..self.offset + self.count()
    }
}

/// A number for each number of all parameters of a model, in f32, end to end: weights, gradients or moments.
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

    /// Names, shapes and offsets.
    pub fn list(&self) -> &[Parameter] {
        &self.list
    }

    /// The arguments of [`write_checkpoint`](crate::checkpoint::write_checkpoint).
    pub fn tensors(&self) -> Vec<NamedTensor<'_>> {
        self.list.iter().map(|p| (p.stored_name.as_str(), p.shape.as_slice(), &self.values[p.range()])).collect()
    }

    /// All values.
    pub fn values(&self) -> &[f32] {
        &self.values
    }

    /// All values, mutable.
    pub fn values_mut(&mut self) -> &mut [f32] {
        &mut self.values
    }

    /// The values of one parameter.
    ///
    /// # Panics
    /// If no parameter has this name.
    pub fn get(&self, name: &str) -> &[f32] {
        &self.values[self.find(name).range()]
    }

    /// The values of one parameter, mutable.
    ///
    /// # Panics
    /// If no parameter has this name.
    pub fn get_mut(&mut self, name: &str) -> &mut [f32] {
        let range = self.find(name).range();
        &mut self.values[range]
    }

    /// The values of several parameters, mutable.
    ///
    /// # Panics
    /// If no parameter has one of these names, or the names are not in the order of the list.
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

/// The table of word embeddings, which is the decoder of masked language modelling too.
pub(crate) const WORDS: &str = "longformer.embeddings.word_embeddings.weight";

/// The table of positions.
pub const POSITIONS: &str = "longformer.embeddings.position_embeddings.weight";

/// All parameters of a model with the head of `task`, in the order of the layers.
///
/// Layers that share their weights are listed once, by the number of their group. A tied weight is listed once: the decoder of masked language modelling is
/// `longformer.embeddings.word_embeddings.weight`, its bias `lm_head.bias`.
pub fn parameters(config: &Config, task: Task) -> Vec<Parameter> {
    let mut list = ParameterList { kind: config.kind, parameters: Vec::new() };
    let (c, e, f) = (config.hidden_size, config.embedding_size, config.intermediate_size);
    let embeddings = format!("{PREFIX}embeddings");
    list.add(WORDS.into(), &[config.vocab_size, e]);
    list.add(POSITIONS.into(), &[config.max_position_embeddings, e]);
    if config.type_vocab_size > 0 {
        list.add(format!("{embeddings}.token_type_embeddings.weight"), &[config.type_vocab_size, e]);
    }
    list.norm(&format!("{embeddings}.LayerNorm"), e);
    if config.has_projection() {
        list.linear(PROJECTION, c, e);
    }
    for layer in 0..config.num_hidden_groups {
        let layer = layer_name(layer);
        let global: &[&str] = if config.is_long { &["query_global", "key_global", "value_global"] } else { &[] };
        for projection in ["query", "key", "value"].iter().chain(global) {
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
    list.parameters
}

/// The projection of embeddings to the width of the model.
pub(crate) const PROJECTION: &str = "longformer.embeddings_project";

/// The prefix of the names of a layer's parameters.
pub(crate) fn layer_name(layer: usize) -> String {
    format!("{PREFIX}encoder.layer.{layer}")
}

struct ParameterList {
    kind: &'static ModelKind,
    parameters: Vec<Parameter>,
}

impl ParameterList {
    fn add(&mut self, name: String, shape: &[usize]) {
        let offset = self.parameters.last().map_or(0, |last| last.range().end);
        let stored_name = self.kind.stored_name(&name);
        self.parameters.push(Parameter { name, stored_name, shape: shape.to_vec(), offset });
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

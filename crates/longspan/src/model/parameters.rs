//! The one list of a model's parameters: Hugging Face's names and shapes, from the config.

use super::Task;
use crate::config::Config;

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
    list.add(format!("{embeddings}.word_embeddings.weight"), &[config.vocab_size, c]);
    list.add(format!("{embeddings}.position_embeddings.weight"), &[config.max_position_embeddings, c]);
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
        let offset = self.0.last().map_or(0, |last| last.offset + last.shape.iter().product::<usize>());
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

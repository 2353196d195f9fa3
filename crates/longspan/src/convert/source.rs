//! The source of a conversion: its sizes, the names of its parameters, and its head.

use serde_json::{Map, Value, json};

use crate::checkpoint::{CONFIG, Source, Tensors};
use crate::config::{Config, ModelKind, has_windows, wrong};
use crate::model::{Task, TensorNames, WORDS};
use crate::{Error, Result};
use longspan_kernels::Activation;

/// A short model, or a Longformer of any make.
pub(super) struct ShortModel {
    /// The content of its `config.json`.
    pub keys: Map<String, Value>,
    pub config: Config,
}

impl ShortModel {
    /// Reads `config.json`. `one_sided_windows` doubles the windows of a Longformer.
    pub fn read(source: &Source, one_sided_windows: bool) -> Result<Self> {
        let missing = || source.lacks("`config.json`");
        let keys = Config::keys(&source.read(CONFIG)?.ok_or_else(missing)?)?;
        let mut read = keys.clone();
        if let Some(mode @ ("tvm" | "sliding_chunks")) = keys.get("attention_mode").and_then(Value::as_str) {
            if !one_sided_windows && keys.get("model_type") != Some(&json!("longformer")) {
                let message = format!("must be chosen: with attention_mode `{mode}` windows are one-sided");
                return Err(Error::option("one_sided_windows", message));
            }
            read.remove("attention_mode");
        }
        if one_sided_windows {
            double(&mut read)?;
        }
        let config = Config::from_keys(read)?;
        if one_sided_windows && !has_windows(&keys) && config.kind != ModelKind::LONGFORMER {
            let message = format!("needs a Longformer: the model is a `{}`", config.kind.model_type);
            return Err(Error::option("one_sided_windows", message));
        }
        let parts = [
            (config.has_projection(), "its embeddings are narrower than the model"),
            (config.kind.shared_layers, "its layers share their weights"),
        ];
        if let Some((_, what)) = parts.into_iter().find(|(is_there, _)| *is_there) {
            let model_type = config.kind.model_type;
            return Err(wrong(format!(
                "model_type `{model_type}`: no Longformer is like it, for {what}; ask it as it is"
            )));
        }
        Ok(Self { keys, config })
    }

    /// `longformer` for one of any make, or the type of a short model.
    pub fn model_type(&self) -> &'static str {
        if self.config.is_long { ModelKind::LONGFORMER.model_type } else { self.config.kind.model_type }
    }

    /// The head that the weights contain.
    pub fn find_task(&self, names: &TensorNames, tensors: &Tensors) -> Result<Task> {
        let has = |name: &str| names.has(tensors, name);
        let architecture = self.config.architecture.as_deref().unwrap_or_default();
        let is = |class: &str| architecture.ends_with(class);
        // The names of the classifiers of BERT and RoBERTa meet in those of the list.
        let of_sequences = has("classifier.dense.weight") && has("classifier.out_proj.weight");
        let is_other = is("ForTokenClassification") || is("ForMultipleChoice");
        Ok(match () {
            () if has("qa_outputs.weight") => Task::QuestionAnswering,
            () if of_sequences && (self.config.kind.positions_after_padding || is("ForSequenceClassification")) => {
                Task::SequenceClassification.check_head(&self.config)?;
                Task::SequenceClassification
            }
            () if is_other && has("classifier.weight") && is("ForTokenClassification") => Task::TokenClassification,
            () if is_other && has("classifier.weight") && has("longformer.pooler.dense.weight") => Task::MultipleChoice,
            () if has("lm_head.dense.weight") && self.is_tied(names, tensors)? => {
                if self.config.hidden_act != Activation::Gelu {
                    let message = "the head of a Longformer for masked language modelling has GELU in its exact form";
                    return Err(wrong(message.into()));
                }
                Task::MaskedLm
            }
            () => Task::Encoder,
        })
    }

    /// Whether the decoder of a head is tied to the word embeddings, and its bias to that of the head. A Longformer has no
    /// other kind.
    fn is_tied(&self, names: &TensorNames, tensors: &Tensors) -> Result<bool> {
        let bias = names.name("lm_head.bias");
        let head = bias.trim_end_matches("bias");
        let same = |decoder: &str, other: &str, absent: bool| -> Result<bool> {
            match tensors.get(&format!("{head}decoder.{decoder}"))? {
                None => Ok(absent),
                Some(decoder) => Ok(decoder == names.get(tensors, other)?.1),
            }
        };
        let by_config = self.keys.get("tie_word_embeddings") != Some(&json!(false));
        Ok(same("weight", WORDS, by_config)? && same("bias", "lm_head.bias", true)?)
    }
}

/// Turns one-sided widths into two-sided ones.
fn double(keys: &mut Map<String, Value>) -> Result<()> {
    let Some(window) = keys.get_mut("attention_window").filter(|window| !window.is_null()) else { return Ok(()) };
    let twice = |value: &Value| {
        let width = value.as_u64().filter(|&width| width > 0 && width < 1 << 32);
        let wanted = || wrong(format!("attention_window `{value}`: expected a whole number"));
        width.map(|width| json!(2 * width)).ok_or_else(wanted)
    };
    *window = match &*window {
        Value::Array(list) => Value::Array(list.iter().map(twice).collect::<Result<_>>()?),
        one => twice(one)?,
    };
    Ok(())
}

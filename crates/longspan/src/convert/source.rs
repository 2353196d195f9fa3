//! The source of a conversion: the kind of model, its sizes, the names of its parameters, and its head.

use serde_json::{Map, Value, json};

use crate::checkpoint::{CONFIG, Source, Tensors};
use crate::config::Config;
use crate::model::Task;
use crate::tensor::TensorView;
use crate::{Error, FormatKind, Result};

/// Kinds of models that differ in their positions and names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ModelKind {
    /// Positions start at the first row.
    Bert,
    /// Positions start after that of the padding.
    Roberta,
    /// As RoBERTa, but already long.
    Longformer,
}

/// A short model.
pub(super) struct ShortModel {
    pub kind: ModelKind,
    pub model_type: String,
    /// Its sizes as those of a Longformer. The windows are placeholders unless it is one.
    pub config: Config,
    /// Prefix of the names of its encoder. [`ShortModel::with_weights`] sets it and the task.
    pub prefix: &'static str,
    pub task: Task,
}

/// A `model_type` of `config.json`, the prefix of its classes in transformers, its kind, and transformers' default for the
/// size of the vocabulary.
struct KnownType {
    model_type: &'static str,
    class: &'static str,
    kind: ModelKind,
    vocab_size: usize,
}

const KNOWN_TYPES: [KnownType; 5] = [
    KnownType { model_type: "longformer", class: "Longformer", kind: ModelKind::Longformer, vocab_size: 50_265 },
    KnownType { model_type: "roberta", class: "Roberta", kind: ModelKind::Roberta, vocab_size: 50_265 },
    KnownType { model_type: "xlm-roberta", class: "XLMRoberta", kind: ModelKind::Roberta, vocab_size: 30_522 },
    KnownType { model_type: "camembert", class: "Camembert", kind: ModelKind::Roberta, vocab_size: 30_522 },
    KnownType { model_type: "bert", class: "Bert", kind: ModelKind::Bert, vocab_size: 30_522 },
];

/// Prefixes of the names of an encoder, in files of any kind.
const PREFIXES: [&str; 4] = ["longformer.", "roberta.", "bert.", ""];

impl ShortModel {
    /// Reads `config.json`. `one_sided_windows` doubles the windows of a Longformer.
    pub fn read(source: &Source, one_sided_windows: bool) -> Result<Self> {
        let missing = || Error::MissingFile { checkpoint: source.to_string(), wanted: "`config.json`" };
        let json = source.read(CONFIG)?.ok_or_else(missing)?;
        let mut keys: Map<String, Value> =
            serde_json::from_slice(&json).map_err(|e| wrong(format!("expected a JSON object: {e}")))?;
        let known = kind_of(&keys)?;
        for key in ["is_decoder", "add_cross_attention"] {
            if let Some(other) = keys.get(key).filter(|value| !value.is_null() && **value != false) {
                return Err(wrong(format!("{key} {other}: a decoder cannot be converted")));
            }
        }
        let dilations = keys.get("attention_dilation").and_then(Value::as_array).into_iter().flatten();
        if let Some(other) = dilations.into_iter().find(|&dilation| *dilation != json!(1)) {
            return Err(wrong(format!("attention_dilation {other}: only 1 is known")));
        }
        keys.insert("model_type".into(), json!("longformer"));
        let pad_token_id = usize::from(known.kind != ModelKind::Bert);
        for (key, usual) in [("pad_token_id", pad_token_id), ("vocab_size", known.vocab_size)] {
            if keys.get(key).is_none_or(Value::is_null) {
                keys.insert(key.into(), json!(usual));
            }
        }
        let is_long = known.kind == ModelKind::Longformer;
        if !is_long {
            keys.insert("attention_window".into(), json!(2));
        } else if one_sided_windows {
            double(&mut keys)?;
        }
        if one_sided_windows && !is_long {
            let message = format!("needs a Longformer: the model is a `{}`", known.model_type);
            return Err(Error::option("one_sided_windows", message));
        }
        let config = Config::from_json(&serde_json::to_vec(&keys).expect("it was JSON"))?;
        let model_type = known.model_type.to_owned();
        Ok(Self { kind: known.kind, model_type, config, prefix: "", task: Task::Encoder })
    }

    /// Finds the prefix of the weights and their head.
    pub fn with_weights(mut self, tensors: &Tensors) -> Result<Self> {
        let words = "embeddings.word_embeddings.weight";
        let has = |prefix: &&&str| tensors.names().any(|name| name == format!("{prefix}{words}"));
        let prefix = PREFIXES.iter().find(has).ok_or_else(|| Error::MissingTensor { name: words.into() })?;
        self.prefix = prefix;
        self.task = self.find_task(tensors)?;
        Ok(self)
    }

    /// The longest input, in tokens.
    pub fn max_tokens(&self) -> usize {
        self.config.max_position_embeddings - self.first_position()
    }

    /// The position of the first token.
    pub fn first_position(&self) -> usize {
        match self.kind {
            ModelKind::Bert => 0,
            ModelKind::Roberta | ModelKind::Longformer => self.config.pad_token_id + 1,
        }
    }

    /// The head that the weights contain.
    fn find_task(&self, tensors: &Tensors) -> Result<Task> {
        let has = |name: &str| Ok::<_, Error>(get(tensors, name)?.is_some());
        let architecture = self.config.architecture.as_deref().unwrap_or_default();
        let is = |class: &str| architecture.ends_with(class);
        let pooled = has(&format!("{}pooler.dense.weight", self.prefix))?;
        let masked_lm = match self.kind {
            ModelKind::Bert => ["cls.predictions.transform.dense.weight", "cls.predictions.decoder.weight"],
            ModelKind::Roberta | ModelKind::Longformer => ["lm_head.dense.weight", "lm_head.decoder.weight"],
        };
        Ok(match () {
            () if has("qa_outputs.weight")? => Task::QuestionAnswering,
            () if has("classifier.out_proj.weight")? => Task::SequenceClassification,
            () if has("classifier.weight")? && is("ForTokenClassification") => Task::TokenClassification,
            () if has("classifier.weight")? && is("ForMultipleChoice") && pooled => Task::MultipleChoice,
            () if has("classifier.weight")? && is("ForSequenceClassification") && pooled => {
                Task::SequenceClassification
            }
            () if has(masked_lm[0])? && self.is_tied(tensors, masked_lm[1])? => Task::MaskedLm,
            () => Task::Encoder,
        })
    }

    /// Whether a decoder is tied to the word embeddings. A Longformer has no other kind.
    fn is_tied(&self, tensors: &Tensors, decoder: &str) -> Result<bool> {
        let words = get(tensors, &format!("{}embeddings.word_embeddings.weight", self.prefix))?;
        Ok(get(tensors, decoder)?.is_none_or(|decoder| Some(decoder) == words))
    }
}

/// A tensor by its name, or by its name in files converted from TensorFlow.
pub(super) fn get<'a>(tensors: &'a Tensors, name: &str) -> Result<Option<TensorView<'a>>> {
    let old = name.replace("orm.weight", "orm.gamma").replace("orm.bias", "orm.beta");
    Ok(match tensors.get(name)? {
        None if old != name => tensors.get(&old)?,
        found => found,
    })
}

fn kind_of(keys: &Map<String, Value>) -> Result<&'static KnownType> {
    let text = |value: Option<&Value>| value.and_then(Value::as_str).map(str::to_owned);
    let model_type = text(keys.get("model_type"));
    let class = text(keys.get("architectures").and_then(|names| names.get(0))).unwrap_or_default();
    // The first Longformers have the `model_type` of RoBERTa, or none.
    if keys.contains_key("attention_window") {
        return Ok(&KNOWN_TYPES[0]);
    }
    let found = KNOWN_TYPES.iter().find(|known| match &model_type {
        Some(model_type) => model_type == known.model_type,
        None => class.starts_with(known.class),
    });
    found.ok_or_else(|| {
        let expected = "`bert`, `roberta`, `xlm-roberta`, `camembert` and `longformer` can be converted";
        match model_type {
            Some(found) => Error::ModelType { found, expected },
            None => wrong(format!("no `model_type`: {expected}")),
        }
    })
}

/// Turns one-sided widths into two-sided ones.
fn double(keys: &mut Map<String, Value>) -> Result<()> {
    let window = keys.entry("attention_window").or_insert(json!(256));
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

fn wrong(message: String) -> Error {
    Error::format(CONFIG, FormatKind::Config, message)
}

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
}

/// A short model, or a Longformer of any make.
pub(super) struct ShortModel {
    pub kind: ModelKind,
    /// Whether it has windows and global projections already.
    pub is_long: bool,
    pub model_type: String,
    /// The content of its `config.json`.
    pub keys: Map<String, Value>,
    /// Its sizes as those of a Longformer. The windows are placeholders unless it is one.
    pub config: Config,
    /// Prefixes that the names of its encoder may have. The first is usual.
    prefixes: &'static [&'static str],
    /// Prefix of the names of its encoder. [`ShortModel::with_weights`] sets it and the task.
    pub prefix: &'static str,
    pub task: Task,
}

/// A `model_type` of `config.json`, the prefix of its classes in transformers, its kind, the prefixes of the names of its
/// encoder, and transformers' default for the size of the vocabulary.
struct KnownType {
    model_type: &'static str,
    class: &'static str,
    kind: ModelKind,
    prefixes: &'static [&'static str],
    vocab_size: usize,
}

/// The first Longformers have RoBERTa's names.
const LONGFORMER: KnownType = KnownType {
    model_type: "longformer",
    class: "Longformer",
    kind: ModelKind::Roberta,
    prefixes: &["longformer.", "roberta.", ""],
    vocab_size: 50_265,
};
const ROBERTA: KnownType = KnownType {
    model_type: "roberta",
    class: "Roberta",
    kind: ModelKind::Roberta,
    prefixes: &["roberta.", "longformer.", ""],
    vocab_size: 50_265,
};
const KNOWN_TYPES: [KnownType; 5] = [
    LONGFORMER,
    ROBERTA,
    KnownType { model_type: "xlm-roberta", class: "XLMRoberta", vocab_size: 30_522, ..ROBERTA },
    KnownType { model_type: "camembert", class: "Camembert", vocab_size: 30_522, ..ROBERTA },
    KnownType {
        model_type: "bert",
        class: "Bert",
        kind: ModelKind::Bert,
        prefixes: &["bert.", ""],
        vocab_size: 30_522,
    },
];

impl ShortModel {
    /// Reads `config.json`. `one_sided_windows` doubles the windows of a Longformer.
    pub fn read(source: &Source, one_sided_windows: bool) -> Result<Self> {
        let missing = || source.lacks("`config.json`");
        let json = source.read(CONFIG)?.ok_or_else(missing)?;
        let keys: Map<String, Value> =
            serde_json::from_slice(&json).map_err(|e| wrong(format!("expected a JSON object: {e}")))?;
        let known = kind_of(&keys)?;
        let is_long = known.model_type == LONGFORMER.model_type || has_windows(&keys);
        for key in ["is_decoder", "add_cross_attention", "autoregressive"] {
            if let Some(other) = keys.get(key).filter(|value| !value.is_null() && **value != false) {
                return Err(wrong(format!("{key} {other}: a decoder cannot be converted")));
            }
        }
        let dilations = keys.get("attention_dilation").and_then(Value::as_array).into_iter().flatten();
        if let Some(other) = dilations.into_iter().find(|&dilation| *dilation != json!(1)) {
            return Err(wrong(format!("attention_dilation {other}: only 1 is known")));
        }
        check_mode(&keys, one_sided_windows)?;
        let mut long = keys.clone();
        long.insert("model_type".into(), json!("longformer"));
        let pad_token_id = usize::from(known.kind != ModelKind::Bert);
        for (key, usual) in [("pad_token_id", pad_token_id), ("vocab_size", known.vocab_size)] {
            if long.get(key).is_none_or(Value::is_null) {
                long.insert(key.into(), json!(usual));
            }
        }
        if !is_long {
            long.insert("attention_window".into(), json!(2));
        } else if one_sided_windows {
            double(&mut long)?;
        }
        if one_sided_windows && !is_long {
            let message = format!("needs a Longformer: the model is a `{}`", known.model_type);
            return Err(Error::option("one_sided_windows", message));
        }
        let config = Config::from_json(&serde_json::to_vec(&long).expect("it was JSON"))?;
        let model_type = if is_long { LONGFORMER.model_type } else { known.model_type }.to_owned();
        let KnownType { kind, prefixes, .. } = *known;
        Ok(Self { kind, is_long, model_type, keys, config, prefixes, prefix: "", task: Task::Encoder })
    }

    /// Finds the prefix of the weights and their head.
    pub fn with_weights(mut self, tensors: &Tensors) -> Result<Self> {
        let words = "embeddings.word_embeddings.weight";
        let has = |prefix: &&&str| tensors.names().any(|name| name == format!("{prefix}{words}"));
        let missing = || Error::MissingTensor { name: format!("{}{words}", self.prefixes[0]) };
        self.prefix = self.prefixes.iter().find(has).ok_or_else(missing)?;
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
            ModelKind::Roberta => self.config.pad_token_id + 1,
        }
    }

    /// The head that the weights contain.
    fn find_task(&self, tensors: &Tensors) -> Result<Task> {
        let has = |name: &str| Ok::<_, Error>(get(tensors, name)?.is_some());
        let architecture = self.config.architecture.as_deref().unwrap_or_default();
        let is = |class: &str| architecture.ends_with(class);
        let pooled = has(&format!("{}pooler.dense.weight", self.prefix))?;
        let [dense, head] = match self.kind {
            ModelKind::Bert => ["cls.predictions.transform.dense.weight", "cls.predictions"],
            ModelKind::Roberta => ["lm_head.dense.weight", "lm_head"],
        };
        Ok(match () {
            () if has("qa_outputs.weight")? => Task::QuestionAnswering,
            () if has("classifier.out_proj.weight")? => Task::SequenceClassification,
            () if has("classifier.weight")? && is("ForTokenClassification") => Task::TokenClassification,
            () if has("classifier.weight")? && is("ForMultipleChoice") && pooled => Task::MultipleChoice,
            () if has("classifier.weight")? && is("ForSequenceClassification") && pooled => {
                Task::SequenceClassification
            }
            () if has(dense)? && self.is_tied(tensors, head)? => Task::MaskedLm,
            () => Task::Encoder,
        })
    }

    /// Whether the decoder of a head is tied to the word embeddings, and its bias to that of the head. A Longformer has no
    /// other kind.
    fn is_tied(&self, tensors: &Tensors, head: &str) -> Result<bool> {
        let words = format!("{}embeddings.word_embeddings.weight", self.prefix);
        let same = |decoder: &str, other: &str, absent: bool| -> Result<bool> {
            let decoder = get(tensors, &format!("{head}.decoder.{decoder}"))?;
            Ok(if decoder.is_none() { absent } else { decoder == get(tensors, other)? })
        };
        let by_config = self.keys.get("tie_word_embeddings") != Some(&json!(false));
        Ok(same("weight", &words, by_config)? && same("bias", &format!("{head}.bias"), true)?)
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
    let of_class = KNOWN_TYPES.iter().find(|known| class.starts_with(known.class));
    let found = match &model_type {
        Some(model_type) => KNOWN_TYPES.iter().find(|known| model_type == known.model_type),
        None => of_class,
    };
    if let (Some(KnownType { model_type, kind, .. }), Some(of_class)) = (found, of_class)
        && *kind != of_class.kind
    {
        return Err(wrong(format!("model_type `{model_type}` contradicts the architecture `{class}`")));
    }
    // Some of the first Longformers have neither.
    let first = (model_type.is_none() && class.is_empty() && has_windows(keys)).then_some(&LONGFORMER);
    found.or(first).ok_or_else(|| {
        let expected = "`bert`, `roberta`, `xlm-roberta`, `camembert` and `longformer` can be converted";
        match model_type {
            Some(found) => Error::ModelType { found, expected },
            None => wrong(format!("no `model_type`: {expected}")),
        }
    })
}

/// Whether it is that of a Longformer. Those that the authors' notebook made of other models have the `model_type` of these.
fn has_windows(keys: &Map<String, Value>) -> bool {
    keys.get("attention_window").is_some_and(|window| !window.is_null())
}

/// The code of Longformer's authors chooses the kind of attention by `attention_mode`, which transformers ignores.
fn check_mode(keys: &Map<String, Value>, one_sided_windows: bool) -> Result<()> {
    let text = |key: &str| keys.get(key).and_then(Value::as_str);
    match text("attention_mode") {
        None | Some("longformer") => Ok(()),
        Some(_) if text("model_type") == Some(LONGFORMER.model_type) => Ok(()),
        Some("tvm" | "sliding_chunks") if one_sided_windows => Ok(()),
        Some(mode @ ("tvm" | "sliding_chunks")) => {
            let message = format!("must be chosen: with attention_mode `{mode}` windows are one-sided");
            Err(Error::option("one_sided_windows", message))
        }
        Some(mode) => Err(wrong(format!("attention_mode `{mode}`: only `tvm` and `sliding_chunks` are known"))),
    }
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

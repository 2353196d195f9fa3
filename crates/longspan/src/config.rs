//! `config.json`: the kind and the sizes of a model, checked once.

mod keys;
mod kind;

use std::collections::BTreeMap;

use longspan_kernels::Activation;
use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::{Map, Value};

use crate::{Result, json};
use keys::{ConfigKeys, SIZE_MAX, activation, activation_name};

pub(crate) use keys::{has_windows, kind_of, tokenizer_class, wrong};
pub use kind::ModelKind;
pub(crate) use kind::PREFIX;

/// The kind and the sizes of a model, spelled as in `config.json`.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// The kind: its positions, its inputs and its names.
    pub kind: &'static ModelKind,
    /// Whether it has windows and projections of global attention: it is a Longformer, or was made of another kind by the
    /// notebook of Longformer's authors. A model without has windows that cover every input, and no token of it is global.
    pub is_long: bool,
    /// Rows of the word embeddings.
    pub vocab_size: usize,
    /// E: width of the embeddings; that of a token unless the kind projects them.
    pub embedding_size: usize,
    /// C: width of the vector of a token.
    pub hidden_size: usize,
    /// L: layers.
    pub num_hidden_layers: usize,
    /// How many layers have weights of their own: all, or groups of layers share theirs.
    pub num_hidden_groups: usize,
    /// H: heads; each has `hidden_size / num_attention_heads` numbers.
    pub num_attention_heads: usize,
    /// F: width of the hidden layer of the feed-forward.
    pub intermediate_size: usize,
    /// The function between the two products of the feed-forward.
    pub hidden_act: Activation,
    /// Rows of the position table. The first [`Config::first_position`] belong to no token.
    pub max_position_embeddings: usize,
    /// Rows of the token-type table; 0 if there is none.
    pub type_vocab_size: usize,
    /// Id of the padding token; the positions of some kinds start after it.
    pub pad_token_id: usize,
    /// Id of the first token of an input: `<s>` or `[CLS]`.
    pub bos_token_id: usize,
    /// Id of the last token of an input: `</s>` or `[SEP]`.
    pub eos_token_id: usize,
    /// Id of the separator, by which transformers finds the end of the question.
    pub sep_token_id: usize,
    /// The two-sided width of the window of each layer: even, positive. A token attends to half of it on either side.
    pub attention_window: Vec<usize>,
    /// Added to the variance in a layer norm.
    pub layer_norm_eps: f32,
    /// Classes of a classification head.
    pub num_labels: usize,
    /// Names of the classes, if the checkpoint has them.
    pub labels: Vec<String>,
    /// The class of transformers that wrote the checkpoint, such as `LongformerForQuestionAnswering`.
    pub architecture: Option<String>,
    /// The class of its tokenizer, such as `BertTokenizer`. It counts where `tokenizer_config.json` names none.
    pub tokenizer_class: Option<String>,
}

impl Config {
    /// Reads and checks the content of a `config.json`, in which NaN and infinities are allowed, as Python writes them.
    /// Unknown keys are ignored.
    ///
    /// # Errors
    /// [`ModelType`](crate::Error::ModelType) when the model is of no kind of [`ModelKind::ALL`],
    /// [`Format`](crate::Error::Format) when the JSON is malformed, a size makes no sense, or the model has parts that its
    /// kind has not.
    pub fn from_json(json: &[u8]) -> Result<Self> {
        Self::from_keys(Self::keys(json)?)
    }

    /// The content of a `config.json`.
    pub(crate) fn keys(json: &[u8]) -> Result<Map<String, Value>> {
        let value: Value =
            serde_json::from_slice(&json::of_python(json)).map_err(|e| wrong(format!("no JSON: {e}")))?;
        match value {
            Value::Object(keys) => Ok(keys),
            _ => Err(wrong("expected an object".into())),
        }
    }

    /// The same for parsed JSON.
    pub(crate) fn from_keys(keys: Map<String, Value>) -> Result<Self> {
        let keys = ConfigKeys { kind: kind_of(&keys)?, keys };
        keys.check_parts()?;
        let ConfigKeys { kind, .. } = keys;
        let is_long = keys.is_long();
        let num_hidden_layers = keys.size("num_hidden_layers")?;
        if num_hidden_layers > LAYERS_MAX {
            return Err(wrong(format!("num_hidden_layers {num_hidden_layers}: expected 1 to {LAYERS_MAX}")));
        }
        let (hidden_size, labels) = (keys.size("hidden_size")?, keys.labels());
        let mut config = Self {
            kind,
            is_long,
            vocab_size: keys.size("vocab_size")?,
            embedding_size: if kind.narrow_embeddings { keys.size("embedding_size")? } else { hidden_size },
            hidden_size,
            num_hidden_layers,
            num_hidden_groups: if kind.shared_layers { keys.size("num_hidden_groups")? } else { num_hidden_layers },
            num_attention_heads: keys.size("num_attention_heads")?,
            intermediate_size: keys.size("intermediate_size")?,
            hidden_act: activation(keys.text("hidden_act")?.unwrap_or(kind.hidden_act))?,
            max_position_embeddings: keys.whole("max_position_embeddings")?,
            type_vocab_size: keys.whole("type_vocab_size")?,
            pad_token_id: keys.whole("pad_token_id")?,
            bos_token_id: keys.whole("bos_token_id")?,
            eos_token_id: keys.whole("eos_token_id")?,
            sep_token_id: keys.whole("sep_token_id")?,
            attention_window: if is_long { keys.windows(num_hidden_layers)? } else { Vec::new() },
            layer_norm_eps: keys.eps()?,
            num_labels: if labels.is_empty() { keys.size("num_labels")? } else { labels.len() },
            labels,
            architecture: keys.architecture(),
            tokenizer_class: tokenizer_class(&keys.keys).map(str::to_owned),
        };
        config.check()?;
        if !is_long {
            config.attention_window = vec![2 * config.max_tokens(); num_hidden_layers];
        }
        Ok(config)
    }

    /// The content of a `config.json` that transformers reads too.
    pub fn to_json(&self) -> String {
        serde_json::to_string_pretty(&ConfigJson(self)).expect("finite numbers and text") + "\n"
    }

    fn check(&self) -> Result<()> {
        let (hidden, heads) = (self.hidden_size, self.num_attention_heads);
        if hidden % heads != 0 {
            return Err(wrong(format!("hidden_size {hidden} is not a multiple of num_attention_heads {heads}")));
        }
        let (layers, groups) = (self.num_hidden_layers, self.num_hidden_groups);
        if groups > layers {
            return Err(wrong(format!("num_hidden_groups {groups}: expected at most num_hidden_layers, {layers}")));
        }
        let (rows, first) = (self.max_position_embeddings, self.first_position());
        for (key, size) in [("max_position_embeddings", rows), ("type_vocab_size", self.type_vocab_size)] {
            if size > SIZE_MAX {
                return Err(wrong(format!("{key} {size}: at most {SIZE_MAX} are read")));
            }
        }
        if self.type_vocab_size == 0 && self.kind.default_of("type_vocab_size") != Some(0) {
            return Err(wrong(format!("type_vocab_size 0: expected 1 to {SIZE_MAX}")));
        }
        if rows <= first {
            let pad = self.pad_token_id;
            return Err(wrong(match self.kind.positions_after_padding {
                true => format!("max_position_embeddings {rows} leaves no position after pad_token_id {pad}"),
                false => format!("max_position_embeddings {rows}: expected 1 to {SIZE_MAX}"),
            }));
        }
        for (layer, &window) in self.attention_window.iter().enumerate() {
            if window == 0 || window % 2 != 0 || window > SIZE_MAX {
                let place = format!("attention_window {window} of layer {layer}");
                return Err(wrong(format!("{place}: expected an even number of tokens from 2 to {SIZE_MAX}")));
            }
        }
        Ok(())
    }

    /// D: width of a head.
    pub fn head_size(&self) -> usize {
        self.hidden_size / self.num_attention_heads
    }

    /// The longest input, in tokens, that the position table allows.
    pub fn max_tokens(&self) -> usize {
        self.max_position_embeddings - self.first_position()
    }

    /// The row of the position table for the first token.
    pub fn first_position(&self) -> usize {
        if self.kind.positions_after_padding { self.pad_token_id.saturating_add(1) } else { 0 }
    }

    /// Separators between question and document, unless the files of the tokenizer or `longspan.json` state others.
    pub fn separators(&self) -> usize {
        if self.is_long { ModelKind::LONGFORMER.separators } else { self.kind.separators }
    }

    /// Whether the embeddings are projected to the width of the model.
    pub fn has_projection(&self) -> bool {
        // ALBERT has the projection where the widths are equal too.
        self.kind.shared_layers || self.embedding_size != self.hidden_size
    }

    /// Which of the weights of layers a layer has.
    pub fn group_of_layer(&self, layer: usize) -> usize {
        layer * self.num_hidden_groups / self.num_hidden_layers
    }
}

/// No model has this many layers.
const LAYERS_MAX: usize = 1 << 12;

/// A configuration as it is written, with its keys in this order.
struct ConfigJson<'a>(&'a Config);

impl Serialize for ConfigJson<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self(config) = self;
        let kind = config.kind;
        let mut keys = serializer.serialize_map(None)?;
        keys.serialize_entry("model_type", kind.model_type)?;
        if let Some(architecture) = &config.architecture {
            keys.serialize_entry("architectures", &[architecture])?;
        }
        if let Some(class) = &config.tokenizer_class {
            keys.serialize_entry("tokenizer_class", class)?;
        }
        if config.is_long {
            keys.serialize_entry("attention_window", &config.attention_window)?;
        }
        keys.serialize_entry(kind.key("attention_probs_dropout_prob"), &0.1)?;
        keys.serialize_entry(kind.key("hidden_act"), activation_name(config.hidden_act))?;
        keys.serialize_entry(kind.key("hidden_dropout_prob"), &0.1)?;
        keys.serialize_entry(kind.key("hidden_size"), &config.hidden_size)?;
        keys.serialize_entry("initializer_range", &0.02)?;
        keys.serialize_entry(kind.key("intermediate_size"), &config.intermediate_size)?;
        keys.serialize_entry("layer_norm_eps", &as_written(config.layer_norm_eps))?;
        keys.serialize_entry("max_position_embeddings", &config.max_position_embeddings)?;
        keys.serialize_entry(kind.key("num_attention_heads"), &config.num_attention_heads)?;
        keys.serialize_entry(kind.key("num_hidden_layers"), &config.num_hidden_layers)?;
        keys.serialize_entry("pad_token_id", &config.pad_token_id)?;
        keys.serialize_entry("bos_token_id", &config.bos_token_id)?;
        keys.serialize_entry("eos_token_id", &config.eos_token_id)?;
        keys.serialize_entry("sep_token_id", &config.sep_token_id)?;
        keys.serialize_entry("position_embedding_type", "absolute")?;
        if config.type_vocab_size > 0 {
            keys.serialize_entry("type_vocab_size", &config.type_vocab_size)?;
        }
        keys.serialize_entry("vocab_size", &config.vocab_size)?;
        if kind.narrow_embeddings {
            keys.serialize_entry("embedding_size", &config.embedding_size)?;
        }
        if kind.shared_layers {
            keys.serialize_entry("num_hidden_groups", &config.num_hidden_groups)?;
            keys.serialize_entry("inner_group_num", &1)?;
        }
        if !config.labels.is_empty() {
            let labels = || config.labels.iter().enumerate();
            keys.serialize_entry("id2label", &labels().collect::<BTreeMap<_, _>>())?;
            keys.serialize_entry("label2id", &labels().map(|(id, label)| (label, id)).collect::<BTreeMap<_, _>>())?;
        } else if config.num_labels != 2 {
            keys.serialize_entry("num_labels", &config.num_labels)?;
        }
        keys.end()
    }
}

/// The shortest decimal of an f32: 0.00001 instead of all digits of the nearest f32.
fn as_written(number: f32) -> f64 {
    number.to_string().parse().expect("numbers are printed as they are read")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(changes: &str) -> Result<Config> {
        let base = r#"{"model_type":"longformer","vocab_size":100,"hidden_size":64,"num_hidden_layers":2,
            "num_attention_heads":2,"intermediate_size":128,"max_position_embeddings":130,"type_vocab_size":1,
            "pad_token_id":1,"attention_window":[8,16],"layer_norm_eps":1e-5"#;
        // Of two equal keys the last one counts.
        Config::from_json(format!("{base}{changes}}}").as_bytes())
    }

    #[test]
    fn head_size_and_positions_follow_from_the_keys() {
        let config = config("").unwrap();
        assert_eq!((config.head_size(), config.max_tokens()), (32, 128));
        assert_eq!(config.attention_window, [8, 16]);
    }

    #[test]
    fn one_window_stands_for_all_layers() {
        assert_eq!(config(r#","attention_window":32"#).unwrap().attention_window, [32, 32]);
    }

    #[test]
    fn activations_have_the_names_of_transformers() {
        for (name, activation) in [
            ("gelu_python", Activation::Gelu),
            ("gelu_accurate", Activation::GeluTanh),
            ("gelu_python_tanh", Activation::GeluTanh),
            ("relu", Activation::Relu),
        ] {
            assert_eq!(config(&format!(r#","hidden_act":"{name}""#)).unwrap().hidden_act, activation);
        }
    }

    #[test]
    fn labels_count_the_classes() {
        assert_eq!(config(r#","id2label":{"1":"b","0":"a","2":"c"}"#).unwrap().labels, ["a", "b", "c"]);
        assert_eq!(config(r#","num_labels":5"#).unwrap().num_labels, 5);
    }

    #[test]
    fn written_configurations_read_back_equal() {
        for changes in [
            r#","architectures":["LongformerForQuestionAnswering"],"layer_norm_eps":1e-12"#,
            r#","id2label":{"1":"b","0":"a","2":"c"},"bos_token_id":101,"eos_token_id":102,"sep_token_id":102"#,
            r#","num_labels":5,"tokenizer_class":"BertTokenizer""#,
        ] {
            let config = config(changes).unwrap();
            assert_eq!(Config::from_json(config.to_json().as_bytes()).unwrap(), config, "{changes}");
        }
        for (number, written) in [("1e-12", "1e-12"), ("1e-05", "0.00001"), ("0.00001", "0.00001"), ("0.001", "0.001")]
        {
            let json = config(&format!(r#","layer_norm_eps":{number}"#)).unwrap().to_json();
            assert!(json.contains(&format!("\"layer_norm_eps\": {written},")), "{json}");
        }
    }

    #[test]
    fn a_kind_has_its_own_keys_positions_and_defaults() {
        let config = |json: &str| Config::from_json(json.as_bytes()).unwrap();
        let small = config(
            r#"{"model_type":"distilbert","dim":24,"n_heads":2,"n_layers":3,"hidden_dim":48,"activation":"relu",
            "max_position_embeddings":20,"initializer_range":NaN,"layer_norm_eps":1e-3,"type_vocab_size":2}"#,
        );
        assert_eq!(small.layer_norm_eps, 1e-12);
        assert_eq!((small.hidden_size, small.head_size(), small.num_hidden_layers), (24, 12, 3));
        assert_eq!((small.type_vocab_size, small.hidden_act, small.vocab_size), (0, Activation::Relu, 30_522));
        assert_eq!((small.max_tokens(), small.first_position(), small.separators()), (20, 0, 1));
        assert_eq!((small.attention_window.as_slice(), small.is_long), (&[40, 40, 40][..], false));
        let roberta = config(r#"{"architectures":["RobertaForQuestionAnswering"],"max_position_embeddings":514}"#);
        assert_eq!((roberta.kind.model_type, roberta.max_tokens(), roberta.separators()), ("roberta", 512, 2));
        assert_eq!(roberta.type_vocab_size, 2);
        let albert = config(r#"{"model_type":"albert"}"#);
        assert_eq!((albert.hidden_size, albert.embedding_size, albert.num_hidden_groups), (4096, 128, 1));
        assert_eq!((albert.hidden_act, albert.has_projection()), (Activation::GeluTanh, true));
        let groups: Vec<usize> = (0..12).map(|layer| albert.group_of_layer(layer)).collect();
        assert_eq!(groups, [0; 12]);
        let long = config(r#"{"model_type":"bert","attention_window":8,"max_position_embeddings":66}"#);
        assert_eq!((long.is_long, long.max_tokens(), long.separators(), long.type_vocab_size), (true, 66, 2, 2));
        for config in [small, roberta, albert, long] {
            assert_eq!(Config::from_json(config.to_json().as_bytes()).unwrap(), config);
        }
    }

    #[test]
    fn invalid_values_are_named() {
        for (changes, message) in [
            (r#","attention_window":[8,7]"#, "attention_window 7 of layer 1: expected an even"),
            (r#","attention_window":0"#, "attention_window 0 of layer 0: expected an even"),
            (r#","attention_window":[8]"#, "attention_window has 1 entries for num_hidden_layers 2"),
            (r#","attention_window":"wide""#, "attention_window `\"wide\"`: expected a whole number"),
            (r#","model_type":"deberta-v2""#, "model_type `deberta-v2`: expected `longformer`, `bert`"),
            (r#","model_type":7"#, "model_type `7`: expected a text"),
            (r#","model_type":null,"architectures":["T5ForQuestionAnswering"]"#, "model_type `T5ForQuestionAnswering`"),
            (
                r#","model_type":"bert","architectures":["RobertaModel"]"#,
                "model_type `bert` contradicts the architecture",
            ),
            (r#","model_type":null,"attention_mode":"tvm""#, "attention_mode `tvm`: its windows are one-sided"),
            (r#","hidden_act":"swish""#, "hidden_act `swish`: expected `gelu`"),
            (r#","is_decoder":true"#, "is_decoder true: a decoder cannot be read"),
            (r#","position_embedding_type":"relative_key""#, "position_embedding_type `relative_key`: only"),
            (r#","model_type":"albert","inner_group_num":2"#, "inner_group_num 2: only 1 is known"),
            (r#","model_type":"albert","num_hidden_groups":3"#, "num_hidden_groups 3: expected at most"),
            (r#","layer_norm_eps":NaN"#, "layer_norm_eps `\"NaN\"`: expected a number"),
            (r#","num_attention_heads":3"#, "hidden_size 64 is not a multiple of num_attention_heads 3"),
            (r#","num_attention_heads":0"#, "num_attention_heads 0: expected 1"),
            (r#","hidden_size":-1"#, "hidden_size `-1`: expected a whole number"),
            (r#","max_position_embeddings":2"#, "max_position_embeddings 2 leaves no position"),
            (
                r#","max_position_embeddings":1099511627776"#,
                "max_position_embeddings 1099511627776: at most 16777216 are read",
            ),
            (r#","num_hidden_layers":99999999999,"attention_window":8"#, "num_hidden_layers 99999999999"),
            (r#","layer_norm_eps":0"#, "layer_norm_eps `0`: expected a number from 1e-30 to 0.1"),
            (r#","layer_norm_eps":-1e-5"#, "layer_norm_eps `-0.00001`: expected a number from"),
            (r#","layer_norm_eps":1e-60"#, "layer_norm_eps `1e-60`: expected a number from"),
            (r#","layer_norm_eps":0.5"#, "layer_norm_eps `0.5`: expected a number from"),
            (r#","layer_norm_eps":1e308"#, "layer_norm_eps `1e+308`: expected a number from"),
            (r#","layer_norm_eps":1e400"#, "number out of range"),
            (r#","layer_norm_eps":"1e-5""#, "layer_norm_eps `\"1e-5\"`: expected a number from"),
            ("", ""),
        ] {
            match config(changes) {
                Ok(_) => assert_eq!(changes, "", "{changes} was taken"),
                Err(error) => assert!(error.to_string().contains(message), "{changes}: {error}"),
            }
        }
        assert!(Config::from_json(b"<html>").unwrap_err().to_string().contains("no JSON"));
        assert!(Config::from_json(b"[]").unwrap_err().to_string().contains("expected an object"));
    }
}

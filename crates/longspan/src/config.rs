//! `config.json`: the sizes of a Longformer, checked once.

use std::collections::BTreeMap;

use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::{Map, Value};

use crate::{Error, FormatKind, Result};

const FILE: &str = "config.json";

/// The sizes of a Longformer, spelled as in `config.json`.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// Rows of the word embeddings.
    pub vocab_size: usize,
    /// C: width of the vector of a token.
    pub hidden_size: usize,
    /// L: layers.
    pub num_hidden_layers: usize,
    /// H: heads; each has `hidden_size / num_attention_heads` numbers.
    pub num_attention_heads: usize,
    /// F: width of the hidden layer of the feed-forward.
    pub intermediate_size: usize,
    /// Rows of the position table. The first `pad_token_id + 1` belong to no token.
    pub max_position_embeddings: usize,
    /// Rows of the token-type table.
    pub type_vocab_size: usize,
    /// Id of the padding token; positions start after it.
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
}

impl Config {
    /// Reads and checks the content of a `config.json`. Unknown keys are ignored.
    ///
    /// # Errors
    /// [`Error::ModelType`] when the model is not a Longformer, [`Error::Format`] when the JSON is malformed or a size makes no
    /// sense.
    pub fn from_json(json: &[u8]) -> Result<Self> {
        let value: Value = serde_json::from_slice(json).map_err(|e| wrong(format!("no JSON: {e}")))?;
        let Value::Object(keys) = value else {
            return Err(wrong("expected an object".into()));
        };
        let config = Self::from_keys(&ConfigKeys(keys))?;
        config.check()?;
        Ok(config)
    }

    fn from_keys(keys: &ConfigKeys) -> Result<Self> {
        let architecture = keys.0.get("architectures").and_then(|names| Some(names.get(0)?.as_str()?.to_owned()));
        match keys.text("model_type")? {
            Some("longformer") => {}
            Some(other) => {
                return Err(Error::ModelType { found: other.into(), expected: "expected `longformer`" });
            }
            // Files from before `model_type` was written. BERT has other positions, and other modes have one-sided windows.
            None if keys.0.contains_key("attention_window") => {
                if let Some(other) = architecture.as_ref().filter(|class| class.starts_with("Bert")) {
                    return Err(Error::ModelType { found: other.clone(), expected: "expected `longformer`" });
                }
                if let Some(other) = keys.text("attention_mode")?.filter(|mode| *mode != "longformer") {
                    let message = "convert the checkpoint, and choose one-sided windows if it has such";
                    return Err(wrong(format!("no `model_type`, attention_mode `{other}`: {message}")));
                }
            }
            None => return Err(wrong("no `model_type`: expected `longformer`".into())),
        }
        for (key, wanted) in [("hidden_act", "gelu"), ("position_embedding_type", "absolute")] {
            if let Some(other) = keys.text(key)?.filter(|found| *found != wanted) {
                return Err(wrong(format!("{key} `{other}`: only `{wanted}` is known")));
            }
        }
        let num_hidden_layers = keys.size("num_hidden_layers", Some(12))?;
        if num_hidden_layers > LAYERS_MAX {
            return Err(wrong(format!("num_hidden_layers {num_hidden_layers}: expected 1 to {LAYERS_MAX}")));
        }
        let labels = keys.labels();
        Ok(Self {
            vocab_size: keys.size("vocab_size", None)?,
            hidden_size: keys.size("hidden_size", Some(768))?,
            num_hidden_layers,
            num_attention_heads: keys.size("num_attention_heads", Some(12))?,
            intermediate_size: keys.size("intermediate_size", Some(3072))?,
            max_position_embeddings: keys.whole("max_position_embeddings", Some(512))?,
            type_vocab_size: keys.size("type_vocab_size", Some(2))?,
            pad_token_id: keys.whole("pad_token_id", Some(1))?,
            bos_token_id: keys.whole("bos_token_id", Some(0))?,
            eos_token_id: keys.whole("eos_token_id", Some(2))?,
            sep_token_id: keys.whole("sep_token_id", Some(2))?,
            attention_window: keys.windows(num_hidden_layers)?,
            layer_norm_eps: keys.eps()?,
            num_labels: if labels.is_empty() { keys.size("num_labels", Some(2))? } else { labels.len() },
            labels,
            architecture,
        })
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
        let (rows, pad) = (self.max_position_embeddings, self.pad_token_id);
        if rows > SIZE_MAX {
            return Err(wrong(format!("max_position_embeddings {rows}: at most {SIZE_MAX} are read")));
        }
        if rows <= pad.saturating_add(1) {
            return Err(wrong(format!("max_position_embeddings {rows} leaves no position after pad_token_id {pad}")));
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
        self.max_position_embeddings - self.pad_token_id - 1
    }
}

/// No model comes near this size, and products of two sizes stay far below overflow.
const SIZE_MAX: usize = 1 << 24;

/// Models have 1e-12 to 1e-3.
const EPS_MIN: f64 = 1e-30;
const EPS_MAX: f64 = 0.1;

/// No model has this many layers.
const LAYERS_MAX: usize = 1 << 12;

fn wrong(message: String) -> Error {
    Error::format(FILE, FormatKind::Config, message)
}

/// A configuration as it is written, with its keys in this order.
struct ConfigJson<'a>(&'a Config);

impl Serialize for ConfigJson<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self(config) = self;
        let mut keys = serializer.serialize_map(None)?;
        keys.serialize_entry("model_type", "longformer")?;
        if let Some(architecture) = &config.architecture {
            keys.serialize_entry("architectures", &[architecture])?;
        }
        keys.serialize_entry("attention_window", &config.attention_window)?;
        keys.serialize_entry("attention_probs_dropout_prob", &0.1)?;
        keys.serialize_entry("hidden_act", "gelu")?;
        keys.serialize_entry("hidden_dropout_prob", &0.1)?;
        keys.serialize_entry("hidden_size", &config.hidden_size)?;
        keys.serialize_entry("initializer_range", &0.02)?;
        keys.serialize_entry("intermediate_size", &config.intermediate_size)?;
        keys.serialize_entry("layer_norm_eps", &as_written(config.layer_norm_eps))?;
        keys.serialize_entry("max_position_embeddings", &config.max_position_embeddings)?;
        keys.serialize_entry("num_attention_heads", &config.num_attention_heads)?;
        keys.serialize_entry("num_hidden_layers", &config.num_hidden_layers)?;
        keys.serialize_entry("pad_token_id", &config.pad_token_id)?;
        keys.serialize_entry("bos_token_id", &config.bos_token_id)?;
        keys.serialize_entry("eos_token_id", &config.eos_token_id)?;
        keys.serialize_entry("sep_token_id", &config.sep_token_id)?;
        keys.serialize_entry("position_embedding_type", "absolute")?;
        keys.serialize_entry("type_vocab_size", &config.type_vocab_size)?;
        keys.serialize_entry("vocab_size", &config.vocab_size)?;
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

/// The keys of the file, with typed access.
struct ConfigKeys(Map<String, Value>);

impl ConfigKeys {
    fn size(&self, key: &str, default: Option<usize>) -> Result<usize> {
        match self.whole(key, default)? {
            size @ 1..=SIZE_MAX => Ok(size),
            size => Err(wrong(format!("{key} {size}: expected 1 to {SIZE_MAX}"))),
        }
    }

    fn whole(&self, key: &str, default: Option<usize>) -> Result<usize> {
        match (self.0.get(key), default) {
            (None | Some(Value::Null), Some(default)) => Ok(default),
            (None | Some(Value::Null), None) => Err(wrong(format!("no `{key}`"))),
            (Some(value), _) => whole_of(key, value),
        }
    }

    fn eps(&self) -> Result<f32> {
        let key = "layer_norm_eps";
        match self.0.get(key) {
            None | Some(Value::Null) => Ok(1e-12),
            Some(value) => {
                let number = value.as_f64().filter(|number| (EPS_MIN..=EPS_MAX).contains(number));
                let expected = || wrong(format!("{key} `{value}`: expected a number from {EPS_MIN:e} to {EPS_MAX}"));
                Ok(number.ok_or_else(expected)? as f32)
            }
        }
    }

    fn text(&self, key: &str) -> Result<Option<&str>> {
        match self.0.get(key) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(other) => Err(wrong(format!("{key} `{other}`: expected a text"))),
        }
    }

    /// One number for all layers, or a list with one per layer.
    fn windows(&self, layers: usize) -> Result<Vec<usize>> {
        let key = "attention_window";
        match self.0.get(key) {
            Some(Value::Array(list)) if list.len() == layers => list.iter().map(|value| whole_of(key, value)).collect(),
            Some(Value::Array(list)) => {
                Err(wrong(format!("{key} has {} entries for num_hidden_layers {layers}", list.len())))
            }
            _ => Ok(vec![self.whole(key, Some(512))?; layers]),
        }
    }

    /// `id2label` in the order of the ids; empty if the file has none or ids are missing.
    fn labels(&self) -> Vec<String> {
        let Some(Value::Object(names)) = self.0.get("id2label") else {
            return Vec::new();
        };
        let label = |id: usize| names.get(&id.to_string()).and_then(Value::as_str).map(str::to_string);
        (0..names.len()).map(label).collect::<Option<_>>().unwrap_or_default()
    }
}

fn whole_of(key: &str, value: &Value) -> Result<usize> {
    let size = value.as_u64().and_then(|size| usize::try_from(size).ok());
    size.ok_or_else(|| wrong(format!("{key} `{value}`: expected a whole number")))
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
    fn labels_count_the_classes() {
        assert_eq!(config(r#","id2label":{"1":"b","0":"a","2":"c"}"#).unwrap().labels, ["a", "b", "c"]);
        assert_eq!(config(r#","num_labels":5"#).unwrap().num_labels, 5);
    }

    #[test]
    fn written_configurations_read_back_equal() {
        for changes in [
            r#","architectures":["LongformerForQuestionAnswering"],"layer_norm_eps":1e-12"#,
            r#","id2label":{"1":"b","0":"a","2":"c"},"bos_token_id":101,"eos_token_id":102,"sep_token_id":102"#,
            r#","num_labels":5"#,
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
    fn invalid_values_are_named() {
        for (changes, message) in [
            (r#","attention_window":[8,7]"#, "attention_window 7 of layer 1: expected an even"),
            (r#","attention_window":0"#, "attention_window 0 of layer 0: expected an even"),
            (r#","attention_window":[8]"#, "attention_window has 1 entries for num_hidden_layers 2"),
            (r#","attention_window":"wide""#, "attention_window `\"wide\"`: expected a whole number"),
            (r#","model_type":"bert""#, "model_type `bert`"),
            (r#","model_type":null,"architectures":["BertLongForMaskedLM"]"#, "model_type `BertLongForMaskedLM`"),
            (r#","model_type":null,"attention_mode":"tvm""#, "no `model_type`, attention_mode `tvm`: convert the"),
            (r#","hidden_act":"relu""#, "hidden_act `relu`"),
            (r#","num_attention_heads":3"#, "hidden_size 64 is not a multiple of num_attention_heads 3"),
            (r#","num_attention_heads":0"#, "num_attention_heads 0: expected 1"),
            (r#","hidden_size":-1"#, "hidden_size `-1`: expected a whole number"),
            (r#","vocab_size":null"#, "no `vocab_size`"),
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

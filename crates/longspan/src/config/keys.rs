//! The keys of `config.json`, with typed access.

use longspan_kernels::Activation;
use serde_json::{Map, Value, json};

use super::ModelKind;
use super::kind::EXPECTED;
use crate::{Error, FormatKind, Result};

const FILE: &str = "config.json";

/// No model comes near this size, and products of two sizes stay far below overflow.
pub(super) const SIZE_MAX: usize = 1 << 24;

/// Models have 1e-12 to 1e-3.
const EPS_MIN: f64 = 1e-30;
const EPS_MAX: f64 = 0.1;

/// The keys of the file, by the names that most kinds have for them.
pub(super) struct ConfigKeys {
    pub kind: &'static ModelKind,
    pub keys: Map<String, Value>,
}

impl ConfigKeys {
    /// Whether it is that of a model with windows. Those that the authors' notebook made of other models have the
    /// `model_type` of these.
    pub fn is_long(&self) -> bool {
        self.kind == ModelKind::LONGFORMER || has_windows(&self.keys)
    }

    /// Checks that the model has no part that would be ignored.
    pub fn check_parts(&self) -> Result<()> {
        for key in ["is_decoder", "add_cross_attention", "autoregressive"] {
            if let Some(other) = self.keys.get(key).filter(|value| !value.is_null() && **value != false) {
                return Err(wrong(format!("{key} {other}: a decoder cannot be read")));
            }
        }
        if let Some(other) = self.text("position_embedding_type")?.filter(|found| *found != "absolute") {
            return Err(wrong(format!("position_embedding_type `{other}`: only `absolute` is known")));
        }
        if let Some(number) = self.keys.get("inner_group_num").filter(|number| !number.is_null() && **number != 1) {
            return Err(wrong(format!("inner_group_num {number}: only 1 is known")));
        }
        let dilations = self.keys.get("attention_dilation").and_then(Value::as_array).into_iter().flatten();
        if let Some(other) = dilations.into_iter().find(|&dilation| *dilation != json!(1)) {
            return Err(wrong(format!("attention_dilation {other}: only 1 is known")));
        }
        // The code of Longformer's authors chooses the kind of attention by it, and transformers ignores it.
        let of_transformers = self.keys.get("model_type").is_some_and(|name| name == "longformer");
        match self.text("attention_mode")?.filter(|mode| *mode != "longformer" && !of_transformers && self.is_long()) {
            None => Ok(()),
            Some(mode @ ("tvm" | "sliding_chunks")) => {
                let message = "its windows are one-sided: convert the checkpoint, and choose one-sided windows";
                Err(wrong(format!("attention_mode `{mode}`: {message}")))
            }
            Some(mode) => Err(wrong(format!("attention_mode `{mode}`: only `tvm` and `sliding_chunks` are known"))),
        }
    }

    /// The class of transformers.
    pub fn architecture(&self) -> Option<String> {
        class_of(&self.keys).map(str::to_owned)
    }

    pub fn size(&self, key: &str) -> Result<usize> {
        match self.whole(key)? {
            size @ 1..=SIZE_MAX => Ok(size),
            size => Err(wrong(format!("{} {size}: expected 1 to {SIZE_MAX}", self.kind.key(key)))),
        }
    }

    pub fn whole(&self, key: &str) -> Result<usize> {
        match (self.get(key), self.kind.default_of(key)) {
            (None, Some(default)) => Ok(default),
            (None, None) => Err(wrong(format!("no `{}`", self.kind.key(key)))),
            (Some(value), _) => whole_of(self.kind.key(key), value),
        }
    }

    pub fn eps(&self) -> Result<f32> {
        let key = "layer_norm_eps";
        match self.get(key) {
            None => Ok(1e-12),
            Some(value) => {
                let number = value.as_f64().filter(|number| (EPS_MIN..=EPS_MAX).contains(number));
                let expected = || wrong(format!("{key} `{value}`: expected a number from {EPS_MIN:e} to {EPS_MAX}"));
                Ok(number.ok_or_else(expected)? as f32)
            }
        }
    }

    pub fn text(&self, key: &str) -> Result<Option<&str>> {
        match self.get(key) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(other) => Err(wrong(format!("{} `{other}`: expected a text", self.kind.key(key)))),
        }
    }

    /// One number for all layers, or a list with one per layer.
    pub fn windows(&self, layers: usize) -> Result<Vec<usize>> {
        let key = "attention_window";
        match self.get(key) {
            Some(Value::Array(list)) if list.len() == layers => list.iter().map(|value| whole_of(key, value)).collect(),
            Some(Value::Array(list)) => {
                Err(wrong(format!("{key} has {} entries for num_hidden_layers {layers}", list.len())))
            }
            Some(one) => Ok(vec![whole_of(key, one)?; layers]),
            None => Ok(vec![512; layers]),
        }
    }

    /// `id2label` in the order of the ids; empty if the file has none or ids are missing.
    pub fn labels(&self) -> Vec<String> {
        let Some(Value::Object(names)) = self.get("id2label") else {
            return Vec::new();
        };
        let label = |id: usize| names.get(&id.to_string()).and_then(Value::as_str).map(str::to_string);
        (0..names.len()).map(label).collect::<Option<_>>().unwrap_or_default()
    }

    /// The value of a key by its usual name, `None` where it is null, missing or ignored.
    fn get(&self, key: &str) -> Option<&Value> {
        if self.kind.ignored.contains(&key) {
            return None;
        }
        self.keys.get(self.kind.key(key)).filter(|value| !value.is_null())
    }
}

/// The kind of a model by its `model_type` or, in files from before that was written, by its class.
pub(crate) fn kind_of(keys: &Map<String, Value>) -> Result<&'static ModelKind> {
    let model_type = match keys.get("model_type") {
        None | Some(Value::Null) => None,
        Some(Value::String(name)) => Some(name.as_str()),
        Some(other) => return Err(wrong(format!("model_type `{other}`: expected a text"))),
    };
    let class = class_of(keys);
    let of_class = class.and_then(ModelKind::of_class).map(|(kind, _)| kind);
    let found = match model_type {
        Some(name) => ModelKind::of_type(name),
        // Some of the first Longformers have neither.
        None => of_class.or((class.is_none() && has_windows(keys)).then_some(ModelKind::LONGFORMER)),
    };
    if let (Some(kind), Some(of_class), Some(class)) = (found, of_class, class)
        && (kind.positions_after_padding, kind.key("hidden_size"))
            != (of_class.positions_after_padding, of_class.key("hidden_size"))
    {
        let model_type = kind.model_type;
        return Err(wrong(format!("model_type `{model_type}` contradicts the architecture `{class}`")));
    }
    found.ok_or_else(|| match model_type.or(class) {
        Some(found) => Error::ModelType { found: found.into(), expected: EXPECTED },
        None => wrong(format!("no `model_type`: {EXPECTED}")),
    })
}

fn class_of(keys: &Map<String, Value>) -> Option<&str> {
    keys.get("architectures")?.get(0)?.as_str()
}

/// The class of the tokenizer.
pub(crate) fn tokenizer_class(keys: &Map<String, Value>) -> Option<&str> {
    keys.get("tokenizer_class")?.as_str()
}

pub(crate) fn has_windows(keys: &Map<String, Value>) -> bool {
    keys.get("attention_window").is_some_and(|window| !window.is_null())
}

/// The names that transformers has for activations; the first of each is written.
const ACTIVATIONS: [(Activation, &[&str]); 3] = [
    (Activation::Gelu, &["gelu", "gelu_python"]),
    (Activation::GeluTanh, &["gelu_new", "gelu_pytorch_tanh", "gelu_fast", "gelu_accurate", "gelu_python_tanh"]),
    (Activation::Relu, &["relu"]),
];

/// The activation of a name.
pub(super) fn activation(name: &str) -> Result<Activation> {
    let found = ACTIVATIONS.iter().find(|(_, names)| names.contains(&name));
    let known = || ACTIVATIONS.map(|(_, names)| names.join("`, `")).join("`, `");
    found
        .map(|(activation, _)| *activation)
        .ok_or_else(|| wrong(format!("hidden_act `{name}`: expected `{}`", known())))
}

/// The name of an activation.
pub(super) fn activation_name(activation: Activation) -> &'static str {
    let found = ACTIVATIONS.iter().find(|(own, _)| *own == activation);
    found.map_or("", |(_, names)| names[0])
}

fn whole_of(key: &str, value: &Value) -> Result<usize> {
    let size = value.as_u64().and_then(|size| usize::try_from(size).ok());
    size.ok_or_else(|| wrong(format!("{key} `{value}`: expected a whole number")))
}

/// An error of the file.
pub(crate) fn wrong(message: String) -> Error {
    Error::format(FILE, FormatKind::Config, message)
}

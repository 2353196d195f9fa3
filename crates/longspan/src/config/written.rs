//! How a configuration is written.

use std::collections::BTreeMap;

use serde::ser::{Serialize, SerializeMap, Serializer};

use super::Config;
use super::keys::activation_name;
use crate::Result;

/// A configuration as it is written, with its keys in this order.
pub(super) struct ConfigJson<'a>(pub &'a Config);

impl Serialize for ConfigJson<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self(config) = self;
        let kind = config.kind;
        let mut keys = serializer.serialize_map(None)?;
        keys.serialize_entry("model_type", kind.model_type)?;
        if let Some(architecture) = &config.architecture {
            keys.serialize_entry("architectures", &[architecture])?;
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

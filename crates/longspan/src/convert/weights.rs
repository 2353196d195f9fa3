//! The weights of the long model: each of its parameters is filled from the corresponding one of the source.

use std::collections::BTreeSet;

use super::source::{ModelKind, ShortModel, get};
use crate::checkpoint::{CONFIG, Tensors};
use crate::config::Config;
use crate::model::{POSITIONS, Parameter, Parameters, Task, parameters};
use crate::{Error, FormatKind, Result};

/// Prefix of the encoder's parameters in a Longformer.
const LONG: &str = "longformer.";

/// All parameters of the long model, and the modules of the source that have no place in it.
pub(super) fn lengthen(short: &ShortModel, tensors: &Tensors, config: &Config) -> Result<(Parameters, Vec<String>)> {
    let layers = config.num_hidden_layers;
    let more = format!("{}encoder.layer.{layers}.attention.self.query.weight", short.prefix);
    if get(tensors, &more)?.is_some() {
        return Err(wrong(format!("num_hidden_layers {layers}: the weights have more")));
    }
    let list = parameters(config, short.task);
    // Every shape is compared before the weights are allocated: sizes may be claims.
    let source_shape = |parameter: &Parameter| match parameter.name == POSITIONS {
        true => vec![short.config.max_position_embeddings, config.hidden_size],
        false => parameter.shape.clone(),
    };
    let mut views = Vec::new();
    for parameter in &list {
        let name = source_name(short, &parameter.name);
        let view = get(tensors, &name)?.ok_or_else(|| Error::MissingTensor { name: name.clone() })?;
        let expected = source_shape(parameter);
        if view.shape != expected {
            return Err(Error::TensorShape { name, expected, found: view.shape });
        }
        views.push((name, view));
    }
    let mut long = Parameters::zeros(config, short.task);
    for (parameter, (_, view)) in list.iter().zip(&views) {
        let values = long.get_mut(&parameter.name);
        if parameter.name == POSITIONS {
            let mut rows = vec![0.0; view.shape.iter().product()]; // (source's positions, C)
            view.copy_to(&mut rows);
            repeat(short, &rows, values, config);
        } else {
            view.copy_to(values);
        }
    }
    let used = views.into_iter().map(|(name, _)| name).collect();
    Ok((long, left_out(short, tensors, &used)?))
}

fn wrong(message: String) -> Error {
    Error::format(CONFIG, FormatKind::Config, message)
}

/// Repeats the rows of the position table.
///
/// - `old`: (source's positions, C), `new`: (positions, C), zero. Rows up to that of the padding belong to no
///   token and are kept if the source has them.
fn repeat(short: &ShortModel, old: &[f32], new: &mut [f32], config: &Config) {
    let c = config.hidden_size;
    let (before, first, tokens) = (config.pad_token_id + 1, short.first_position(), short.max_tokens());
    if short.kind != ModelKind::Bert {
        new[..before * c].copy_from_slice(&old[..before * c]);
    }
    for (i, row) in new[before * c..].chunks_exact_mut(c).enumerate() {
        row.copy_from_slice(&old[(first + i % tokens) * c..][..c]);
    }
}

/// The name in the source of a parameter of the long model.
fn source_name(short: &ShortModel, name: &str) -> String {
    if let Some(rest) = name.strip_prefix(LONG) {
        let rest = if short.is_long { rest.to_owned() } else { rest.replace("_global.", ".") };
        return format!("{}{rest}", short.prefix);
    }
    if short.kind != ModelKind::Bert {
        return name.to_owned();
    }
    let pairs = [
        ("lm_head.dense.", "cls.predictions.transform.dense."),
        ("lm_head.layer_norm.", "cls.predictions.transform.LayerNorm."),
        ("lm_head.bias", "cls.predictions.bias"),
        // BERT's pooler is the dense layer of RoBERTa's classifier.
        ("classifier.dense.", &format!("{}pooler.dense.", short.prefix)),
        ("classifier.out_proj.", "classifier."),
    ];
    let pair = pairs.iter().find(|(long, _)| name.starts_with(long));
    pair.map_or(name.to_owned(), |(long, own)| name.replacen(long, own, 1))
}

/// The modules that were not used, each once, without buffers and second names of tied weights. They belong to heads: an
/// encoder that has more, such as relative positions or adapters, would compute something else.
fn left_out(short: &ShortModel, tensors: &Tensors, used: &BTreeSet<String>) -> Result<Vec<String>> {
    let tied = ["lm_head.decoder.weight", "lm_head.decoder.bias"];
    let tied_of_bert = ["cls.predictions.decoder.weight", "cls.predictions.decoder.bias"];
    let mut modules = BTreeSet::new();
    for name in tensors.names() {
        let current = name.replace("orm.gamma", "orm.weight").replace("orm.beta", "orm.bias");
        let is_tied = short.task == Task::MaskedLm && tied.iter().chain(&tied_of_bert).any(|tied| *tied == name);
        let is_buffer = ["position_ids", "token_type_ids"].iter().any(|buffer| name.ends_with(buffer));
        if !used.contains(&current) && !is_tied && !is_buffer {
            let own = name.strip_prefix(short.prefix).unwrap_or_default();
            if own.starts_with("embeddings.") || own.starts_with("encoder.") {
                let model_type = &short.model_type;
                return Err(wrong(format!("model_type `{model_type}`: it has no `{name}`, which the weights have")));
            }
            modules.insert(name.rsplit_once('.').map_or(name, |(module, _)| module).to_owned());
        }
    }
    Ok(modules.into_iter().collect())
}

//! The weights of the long model: each of its parameters is filled from the corresponding one of the source.

use std::collections::BTreeSet;

use super::source::ShortModel;
use crate::Result;
use crate::checkpoint::Tensors;
use crate::config::{Config, wrong};
use crate::model::{POSITIONS, Parameters, Task, TensorNames, parameters};

/// All parameters of the long model, and the modules of the source that have no place in it.
pub(super) fn lengthen(
    short: &ShortModel,
    task: Task,
    names: &TensorNames,
    tensors: &Tensors,
    config: &Config,
) -> Result<(Parameters, Vec<String>)> {
    // Every shape is compared before the weights are allocated: sizes may be claims.
    let found = names.find_all(&short.config, task, tensors, |parameter| parameter.shape.clone())?;
    let mut long = Parameters::zeros(config, task);
    for (parameter, (_, view)) in parameters(&short.config, task).iter().zip(&found) {
        if parameter.name == POSITIONS {
            let mut rows = vec![0.0; parameter.count()]; // (source's positions, C)
            view.copy_to(&mut rows);
            repeat(&short.config, &rows, long.get_mut(POSITIONS), config);
            continue;
        }
        view.copy_to(long.get_mut(&parameter.name));
        let projections = ["query", "key", "value"];
        for projection in projections.iter().filter(|_| !short.config.is_long) {
            let local = format!(".attention.self.{projection}.");
            if parameter.name.contains(&local) {
                let global = parameter.name.replace(&local, &format!(".attention.self.{projection}_global."));
                view.copy_to(long.get_mut(&global));
            }
        }
    }
    let used = found.into_iter().map(|(name, _)| name).collect();
    Ok((long, left_out(names, task, tensors, &used)?))
}

/// Repeats the rows of the position table.
///
/// - `short`: sizes of the source
/// - `old`: (source's positions, C), `new`: (positions, C), zero. Rows up to that of the padding belong to no
///   token and are kept if the source has them.
fn repeat(short: &Config, old: &[f32], new: &mut [f32], config: &Config) {
    let c = config.hidden_size;
    let (before, first, tokens) = (config.first_position(), short.first_position(), short.max_tokens());
    if first == before {
        new[..before * c].copy_from_slice(&old[..before * c]);
    }
    for (i, row) in new[before * c..].chunks_exact_mut(c).enumerate() {
        row.copy_from_slice(&old[(first + i % tokens) * c..][..c]);
    }
}

/// The modules that were not used, each once, without buffers and second names of tied weights. They belong to heads: an
/// encoder that has more would compute something else.
fn left_out(names: &TensorNames, task: Task, tensors: &Tensors, used: &BTreeSet<String>) -> Result<Vec<String>> {
    let bias = names.name("lm_head.bias");
    let tied = ["weight", "bias"].map(|part| format!("{}decoder.{part}", bias.trim_end_matches("bias")));
    let mut modules = BTreeSet::new();
    for name in tensors.names() {
        let current = name.replace("orm.gamma", "orm.weight").replace("orm.beta", "orm.bias");
        let is_tied = task == Task::MaskedLm && tied.iter().any(|tied| tied == name);
        let is_buffer = ["position_ids", "token_type_ids"].iter().any(|buffer| name.ends_with(buffer));
        if !used.contains(name) && !used.contains(&current) && !is_tied && !is_buffer {
            let own = name.strip_prefix(&names.encoder).unwrap_or_default();
            if ["embeddings.", "encoder.", "transformer."].iter().any(|part| own.starts_with(part)) {
                let model_type = names.kind.model_type;
                return Err(wrong(format!("model_type `{model_type}`: it has no `{name}`, which the weights have")));
            }
            modules.insert(name.rsplit_once('.').map_or(name, |(module, _)| module).to_owned());
        }
    }
    Ok(modules.into_iter().collect())
}

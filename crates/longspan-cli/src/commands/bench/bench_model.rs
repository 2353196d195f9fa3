//! The model that is measured: a checkpoint, or random weights in a known size.

use anyhow::Result;
use longspan::checkpoint::{Source, Tensors};
use longspan::config::Config;
use longspan::model::{Model, Parameters, Precision, Task};
use serde_json::json;

use crate::cli::{BenchArgs, Preset};
use crate::model::{self, Checkpoint, windows};
use crate::terminal::counted;
use crate::terminal::hints::fault;

/// A model that can be loaded in any precision.
pub struct BenchModel {
    /// Its name in every output.
    pub name: String,
    /// Its sizes.
    pub config: Config,
    /// Its files; random weights without.
    source: Option<Source>,
}

impl BenchModel {
    /// The model that the command line names.
    pub fn find(args: &BenchArgs) -> Result<Self> {
        if let Some(preset) = args.preset {
            // --preset overrides the variable LONGSPAN_MODEL, which clap cannot tell from `--model`.
            let given = args.model.model.as_deref().filter(|name| !name.is_empty());
            if given.is_some() && given != std::env::var_os("LONGSPAN_MODEL").as_deref() {
                let hint = "--preset measures random weights, --model those of a checkpoint: give one of them";
                return Err(fault("--preset cannot be used with --model", hint));
            }
            let (name, config) = sizes(preset)?;
            return Ok(Self { name: format!("{name} (random weights)"), config, source: None });
        }
        let Checkpoint { name, source, .. } = model::find(&args.model)?;
        let config = model::named(&name, source.config())?;
        Ok(Self { name, config, source: Some(source) })
    }

    /// Packs its weights on the threads of the current pool.
    pub fn load(&self, precision: Precision) -> Result<Model> {
        let (config, task) = (self.config.clone(), Task::QuestionAnswering);
        let loaded = match &self.source {
            Some(source) => Tensors::open(source).and_then(|tensors| Model::load(config, task, precision, &tensors)),
            None => Model::random(config, task, precision),
        };
        model::named(&self.name, loaded)
    }

    /// Its weights in f32, as training needs them.
    pub fn parameters(&self, task: Task) -> Result<Parameters> {
        let loaded = match &self.source {
            Some(source) => Tensors::open(source).and_then(|tensors| Parameters::load(&self.config, task, &tensors, 1)),
            None => Ok(Parameters::random(&self.config, task)),
        };
        model::named(&self.name, loaded)
    }

    /// Its size in words.
    pub fn size(&self) -> String {
        let Config { num_hidden_layers: layers, hidden_size, num_attention_heads: heads, .. } = self.config;
        let windows = match self.config.is_long {
            true => format!("window {}", windows(&self.config.attention_window)),
            false => "no window".into(),
        };
        let (layers, heads) = (counted(layers, "layer"), counted(heads, "head"));
        format!("{layers}, {hidden_size} wide, {heads}, {windows}")
    }
}

/// Name and sizes.
fn sizes(preset: Preset) -> longspan::Result<(&'static str, Config)> {
    let (name, layers, hidden, heads, window, vocabulary) = match preset {
        Preset::Mini => ("mini", 6, 384, 12, 256, 30_522),
        Preset::Base => ("base", 12, 768, 12, 512, 50_265),
        Preset::Large => ("large", 24, 1024, 16, 512, 50_265),
    };
    let config = json!({
        "model_type": "longformer",
        "num_hidden_layers": layers,
        "hidden_size": hidden,
        "num_attention_heads": heads,
        "intermediate_size": 4 * hidden,
        "attention_window": window,
        "vocab_size": vocabulary,
        "max_position_embeddings": 4096 + 2,
        "type_vocab_size": 1,
        "pad_token_id": 1,
        "layer_norm_eps": 1e-5,
    });
    Ok((name, Config::from_json(config.to_string().as_bytes())?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use longspan::model::parameters;

    #[test]
    fn presets_have_the_sizes_of_published_models() {
        for (preset, millions) in [(Preset::Mini, 26), (Preset::Base, 148), (Preset::Large, 433)] {
            let (name, config) = sizes(preset).unwrap();
            let parameters = parameters(&config, Task::QuestionAnswering);
            let count: usize = parameters.iter().map(|parameter| parameter.shape.iter().product::<usize>()).sum();
            assert_eq!((count / 1_000_000, config.max_tokens()), (millions, 4096), "{name}");
        }
    }
}

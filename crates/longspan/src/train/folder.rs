//! The checkpoint that a run starts from, and the folder that it writes: checked first, then the checkpoint in it.

use std::fs;
use std::path::Path;

use super::{TrainSettings, state};
use crate::checkpoint::{CONFIG, LONGSPAN, Source, Tensors, write_checkpoint, write_whole};
use crate::config::Config;
use crate::model::{Parameters, Task, TrainableModel};
use crate::reader::ReaderSettings;
use crate::tokenizer::Tokenizer;
use crate::{Error, Result};

const WEIGHTS: &str = "model.safetensors";

/// Checks that the run would replace only its own files.
pub(crate) fn check(out: &Path, resume: bool) -> Result<()> {
    let taken = |name: &str, what: &str| Err(Error::Conflict { path: out.join(name), message: what.into() });
    let state = out.join(state::FOLDER).exists();
    if state && !resume {
        return taken(state::FOLDER, "a run was begun here: resume it, or choose another folder");
    }
    match [CONFIG, WEIGHTS].into_iter().find(|name| out.join(name).exists()) {
        Some(name) if !state => taken(name, "a checkpoint is here already: choose another folder"),
        _ => Ok(()),
    }
}

/// The tokenizer of a checkpoint. The model must have embeddings for all its tokens.
pub(crate) fn tokenizer(source: &Source, config: &Config) -> Result<Tokenizer> {
    let mut tokenizer = Tokenizer::load(|name| source.read(name))?;
    tokenizer.fit(config)?;
    Ok(tokenizer)
}

/// Whether the folder holds a checkpoint with these weights; makes the folder if it is missing.
fn holds(out: &Path, config: &Config, task: Task, weights: &Parameters) -> Result<bool> {
    fs::create_dir_all(out).map_err(Error::write(out))?;
    let there = Tensors::open(&Source::Folder(out.to_owned()));
    Ok(there.and_then(|tensors| Parameters::load(config, task, &tensors, 0)).is_ok_and(|there| there == *weights))
}

/// The checkpoint that a run starts from.
pub(crate) struct Base<'a> {
    pub source: &'a Source,
    pub config: Config,
    pub tokenizer: Tokenizer,
    /// Its `longspan.json`.
    pub settings: ReaderSettings,
}

impl<'a> Base<'a> {
    pub fn open(source: &'a Source) -> Result<Self> {
        let config = source.config()?;
        let tokenizer = tokenizer(source, &config)?;
        let settings = ReaderSettings::load(source, tokenizer.separators(&config))?;
        Ok(Self { source, config, tokenizer, settings })
    }

    /// The model to train; a head that the checkpoint lacks starts with random weights.
    pub fn trainable(&self, task: Task, settings: &TrainSettings) -> Result<TrainableModel> {
        let tensors = Tensors::open(self.source)?;
        let parameters = Parameters::load(&self.config, task, &tensors, settings.seed)?;
        if settings.train_only.is_some() && !Parameters::check(&self.config, task, &tensors)? {
            return Err(Error::option("train_only", "positions: the model has no head for what it is to learn"));
        }
        let model = TrainableModel::new(self.config.clone(), task, settings.precision, parameters)?;
        let model = model.with_frozen_layers(settings.frozen_layers);
        Ok(if settings.recompute { model.with_recomputation() } else { model })
    }

    /// Writes a checkpoint with these weights, a head for the task and the tokenizer of the base. If one with the same
    /// weights is already there, it stays, because it may have been calibrated since.
    pub fn keep(&self, task: Task, weights: &Parameters, out: &Path) -> Result<()> {
        let Self { source, config, tokenizer, settings } = self;
        if holds(out, config, task, weights)? {
            return Ok(());
        }
        // The calibration of the base does not hold for its successor.
        let defaults = ReaderSettings { separators: tokenizer.separators(config), ..ReaderSettings::default() };
        let ReaderSettings { max_answer_length, respect_borders, separators, .. } = *settings;
        let settings = ReaderSettings { max_answer_length, respect_borders, separators, ..defaults.clone() };
        if settings != defaults || out.join(LONGSPAN).exists() {
            write_whole(&out.join(LONGSPAN), settings.to_json().as_bytes())?;
        }
        let architecture = Some(task.architecture(config.kind));
        let config = Config { architecture, num_labels: 2, labels: Vec::new(), ..config.clone() };
        write_checkpoint(out, &config, &weights.tensors(), source)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kept_checkpoint_reads_pairs_as_its_base_does() {
        let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/convert/bert-qa");
        let temporary = tempfile::tempdir().unwrap();
        for (class, document_type) in [("DistilBertTokenizer", 0), ("BertTokenizer", 1)] {
            let base = temporary.path().join(class);
            fs::create_dir(&base).unwrap();
            for name in ["model.safetensors", "vocab.txt"] {
                fs::copy(golden.join(name), base.join(name)).unwrap();
            }
            let json = fs::read_to_string(golden.join(CONFIG)).unwrap();
            fs::write(base.join(CONFIG), json.replacen('{', &format!(r#"{{"tokenizer_class": "{class}","#), 1))
                .unwrap();

            let (source, out) = (Source::Folder(base.clone()), base.join("out"));
            let base = Base::open(&source).unwrap();
            let tensors = Tensors::open(&source).unwrap();
            let weights = Parameters::load(&base.config, Task::QuestionAnswering, &tensors, 1).unwrap();
            base.keep(Task::QuestionAnswering, &weights, &out).unwrap();
            let kept = Source::Folder(out);
            let kept = Base::open(&kept).unwrap();
            for Base { config, tokenizer, .. } in [&base, &kept] {
                assert_eq!((tokenizer.document_type(), tokenizer.separators(config)), (document_type, 1), "{class}");
            }
        }
    }
}

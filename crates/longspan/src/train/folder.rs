//! Where a run writes: a folder that it may have, and the checkpoint in it.

use std::fs;
use std::path::Path;

use super::state;
use crate::checkpoint::{CONFIG, LONGSPAN, Source, Tensors, write_checkpoint, write_whole};
use crate::config::Config;
use crate::model::{Parameters, Task};
use crate::reader::ReaderSettings;
use crate::tokenizer::Tokenizer;
use crate::{Error, Result};

const WEIGHTS: &str = "model.safetensors";

/// A run replaces nothing but what it wrote itself.
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

/// The tokenizer of a checkpoint, all of whose tokens the model knows.
pub(crate) fn tokenizer(source: &Source, config: &Config) -> Result<Tokenizer> {
    let tokenizer = Tokenizer::load(|name| source.read(name))?;
    tokenizer.check_fits(config)?;
    Ok(tokenizer)
}

/// Whether the folder has a checkpoint of these weights; the folder is made where it is missing.
fn holds(out: &Path, config: &Config, task: Task, weights: &Parameters) -> Result<bool> {
    fs::create_dir_all(out).map_err(Error::write(out))?;
    let there = Tensors::open(&Source::Folder(out.to_owned()));
    Ok(there.and_then(|tensors| Parameters::load(config, task, &tensors, 0)).is_ok_and(|there| there == *weights))
}

/// Writes a checkpoint with this head and the tokenizer of `base`, whose settings are `own`; one of these weights that is
/// there stays, for it may have been calibrated since.
pub(crate) fn keep(
    base: &Source,
    own: &ReaderSettings,
    config: &Config,
    task: Task,
    weights: &Parameters,
    out: &Path,
) -> Result<()> {
    if holds(out, config, task, weights)? {
        return Ok(());
    }
    // What was fitted to the base says nothing of its successor.
    let defaults = ReaderSettings::default();
    let ReaderSettings { max_answer_length, separators, .. } = *own;
    let settings = ReaderSettings { max_answer_length, separators, ..defaults.clone() };
    if settings != defaults || out.join(LONGSPAN).exists() {
        write_whole(&out.join(LONGSPAN), settings.to_json().as_bytes())?;
    }
    let architecture = Some(task.architecture().into());
    let config = Config { architecture, num_labels: 2, labels: Vec::new(), ..config.clone() };
    write_checkpoint(out, &config, &weights.tensors(), base)
}

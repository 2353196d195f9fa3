//! A run: checks everything first, trains, and keeps the best weights as a checkpoint that Hugging Face loads too.

use std::ops::ControlFlow;
use std::path::Path;

use super::bits::{self, bits_of};
use super::sequences::{Part, Sequences};
use super::{LanguageSettings, Masking, Measuring, TokenFile};
use crate::checkpoint::{Source, Tensors};
use crate::config::Config;
use crate::model::{Batch, Masked, Model, Parameters, Task, TrainableModel, TrainingPass};
use crate::reader::ReaderSettings;
use crate::tokenizer::Tokenizer;
use crate::train::state;
use crate::train::steps::{self, Course, Inputs, Learner, Passed};
use crate::train::{Event, Figures, Outcome, Settings, Trained, flop, folder};
use crate::{Error, Result};

const TASK: Task = Task::MaskedLm;

/// What is to be trained on what.
#[derive(Clone, Copy)]
pub struct Job<'a> {
    /// The checkpoint to begin with; a head that it lacks begins anew.
    pub base: &'a Source,
    /// The documents to learn from, tokenized by its tokenizer.
    pub train: &'a TokenFile,
    /// The documents that say which weights are the best; without them the last ones are kept.
    pub valid: Option<&'a TokenFile>,
    /// How inputs are made.
    pub language: &'a LanguageSettings,
    /// What is done with them.
    pub settings: &'a Settings,
    /// The folder of the result: a checkpoint, and in `state` what the run can go on from.
    pub out: &'a Path,
    /// Whether it goes on from the state in `out`; it begins anew where there is none.
    pub resume: bool,
}

/// Whether a checkpoint has a head of masked language modelling.
///
/// # Errors
/// Those of opening it.
pub fn has_head(source: &Source) -> Result<bool> {
    Ok(Tensors::open(source)?.get("lm_head.dense.weight")?.is_some())
}

/// Trains. `watch` is told of every step and may end the run after it: it is saved then and can go on.
///
/// No token is global, so global projections are not trained: those of what is kept are copies of the local ones.
///
/// # Errors
/// Before the first step: what is wrong with settings and checkpoint, an `out` that holds another checkpoint or run. Later:
/// [`Error::Diverged`], and [`Error::Write`]; what was written before is there still.
pub fn run(job: &Job<'_>, watch: &mut dyn FnMut(&Event) -> ControlFlow<()>) -> Result<Outcome> {
    let Job { base, settings, language, .. } = *job;
    folder::check(job.out, job.resume)?;
    check_settings(base, settings, language)?;
    let config = base.config()?;
    let tokenizer = folder::tokenizer(base, &config)?;
    let masking = Masking::new(language, &tokenizer)?;
    let sequences = Sequences::new(job.train, &masking, &tokenizer, language, settings.seed);
    if let Some(valid) = job.valid {
        bits::check(&Sequences::new(valid, &masking, &tokenizer, language, settings.seed))?;
    }
    let identity = state::identity(settings, sources(job)?);
    let parameters = Parameters::load(&config, TASK, &Tensors::open(base)?, settings.seed)?;
    if settings.trained == Trained::Positions && !has_head(base)? {
        return Err(Error::option("train_only", "positions: the model has no head for masked language modelling"));
    }
    let trainable = steps::trainable(settings, &config, TASK, parameters)?;
    let layers = config.num_hidden_layers;
    let own = ReaderSettings::load(base)?;
    let mut learner = Guessing { job, config, own, tokenizer: &tokenizer, trainable, pass: TrainingPass::default() };
    let course = Course { settings, layers, dev: job.valid.is_some(), out: job.out, resume: job.resume, identity };
    steps::train(course, &Data { sequences, settings }, &mut learner, watch)
}

/// Says what is wrong with settings and checkpoint, before texts are tokenized.
///
/// # Errors
/// [`Error::Option`] for a setting that is out of its range, [`Error::Format`] for a tokenizer without a mask, and those of
/// loading the checkpoint.
pub fn check(base: &Source, settings: &Settings, language: &LanguageSettings) -> Result<()> {
    check_settings(base, settings, language)?;
    Parameters::load(&base.config()?, TASK, &Tensors::open(base)?, settings.seed).map(drop)
}

fn check_settings(base: &Source, settings: &Settings, language: &LanguageSettings) -> Result<()> {
    let config = base.config()?;
    settings.check(&config)?;
    if !(3..=config.max_tokens()).contains(&language.max_tokens) {
        let (wanted, has) = (language.max_tokens, config.max_tokens());
        return Err(Error::option("max_tokens", format!("{wanted}: expected 3 to {has}, the positions of the model")));
    }
    Masking::new(language, &folder::tokenizer(base, &config)?).map(drop)
}

/// Floating-point operations of the products of the head in a step, forward and twice that backward.
///
/// - `masked`: tokens that a mask hides
/// - `trained`: whether the word embeddings are trained
pub fn head_flop(config: &Config, masked: usize, trained: bool) -> f64 {
    let (c, v) = (config.hidden_size as f64, config.vocab_size as f64);
    masked as f64 * c * (6.0 * c + if trained { 6.0 } else { 4.0 } * v)
}

/// Checksums of text and checkpoint, and how inputs are made.
fn sources(job: &Job<'_>) -> Result<state::Identity> {
    let LanguageSettings { max_tokens, mask_share, whole_words } = job.language;
    Ok(vec![
        ("base", format!("{:08x}", job.base.checksum()?)),
        ("text", format!("{:08x}", job.train.checksum())),
        ("valid text", job.valid.map_or("none".into(), |valid| format!("{:08x}", valid.checksum()))),
        ("max_tokens", max_tokens.to_string()),
        ("mask_share", mask_share.to_string()),
        ("whole_words", whole_words.to_string()),
    ])
}

struct Data<'a> {
    sequences: Sequences<'a>,
    settings: &'a Settings,
}

impl Inputs for Data<'_> {
    type Pass = Part;
    type Input = (Batch, Masked);

    const NONE: &'static str = "the text gives no input to learn from";

    fn epoch(&self, epoch: usize) -> Vec<Vec<Part>> {
        self.sequences.epoch(epoch as u64, self.settings.batch_tokens, self.settings.pass_tokens)
    }

    fn input(&self, pass: &Part) -> Result<Self::Input> {
        Ok(self.sequences.batch(pass))
    }
}

/// A model that learns to guess.
struct Guessing<'a> {
    job: &'a Job<'a>,
    config: Config,
    /// The base's own settings.
    own: ReaderSettings,
    tokenizer: &'a Tokenizer,
    trainable: TrainableModel,
    pass: TrainingPass,
}

impl Learner for Guessing<'_> {
    type Input = (Batch, Masked);

    fn parameters(&self) -> &Parameters {
        self.trainable.parameters()
    }

    fn update<R>(&mut self, change: impl FnOnce(&mut Parameters) -> Result<R>) -> Result<R> {
        self.trainable.update(change)
    }

    fn pass(
        &mut self,
        place: (usize, usize),
        (batch, masked): &Self::Input,
        gradients: &mut Parameters,
    ) -> Result<Passed> {
        let settings = self.job.settings;
        let dropout = steps::dropout(settings, place);
        let frozen_layers = settings.trained.frozen_layers();
        let losses = self.trainable.masked_lm(batch, masked, dropout, &mut self.pass, gradients);
        Ok(Passed {
            loss: losses.iter().map(|&loss| f64::from(loss)).sum(),
            terms: losses.len(),
            sequences: batch.sequences(),
            tokens: batch.tokens(),
            flop: flop(&self.config, batch, frozen_layers) + head_flop(&self.config, losses.len(), frozen_layers == 0),
        })
    }

    fn evaluate(&self, weights: &Parameters) -> Result<(f64, Figures)> {
        let Job { settings, language, .. } = *self.job;
        let valid = self.job.valid.expect("evaluations are for runs with text for them");
        let model = Model::from_parameters(self.config.clone(), TASK, settings.precision, weights)?;
        let measuring = Measuring::new(settings, language, None);
        let found = bits_of(&model, self.tokenizer, valid, &measuring, &mut |_, _| {})?;
        let figures = [("bits", Some(found.bits)), ("bits_per_character", Some(found.bits_per_character))];
        Ok((-found.bits, Figures::of(&figures)))
    }

    fn keep(&self, weights: &Parameters) -> Result<()> {
        let mut kept = weights.clone();
        for global in weights.list().iter().filter(|parameter| parameter.name.contains("_global.")) {
            kept.get_mut(&global.name).copy_from_slice(weights.get(&global.name.replace("_global.", ".")));
        }
        folder::keep(self.job.base, &self.own, &self.config, TASK, &kept, self.job.out)
    }
}

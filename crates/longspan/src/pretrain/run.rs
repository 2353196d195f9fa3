//! A run of training: checks everything first, trains, and keeps the best weights as a checkpoint that Hugging Face's
//! libraries load too.

use std::ops::ControlFlow;
use std::path::Path;

use super::bits::{self, bits_of};
use super::masking::Masking;
use super::sequences::{MlmPass, Sequences};
use super::{Measuring, MlmSettings, TokenFile, check_kind};
use crate::checkpoint::{Source, Tensors};
use crate::config::Config;
use crate::model::{Batch, Masked, Model, Parameters, Task, TrainableModel, TrainingPass};
use crate::train::folder::{self, Base};
use crate::train::state;
use crate::train::steps::{self, Inputs, Learner, PassPosition, PassStats, RunPlan};
use crate::train::{DevFigures, RunEvent, RunOutcome, SettingValue, SettingsTable, TrainSettings, flop};
use crate::{Error, Result};

const TASK: Task = Task::MaskedLm;

/// A run of training.
#[derive(Clone, Copy)]
pub struct MlmJob<'a> {
    /// The checkpoint to start from; a head that it lacks starts with random weights.
    pub base: &'a Source,
    /// The documents to learn from, tokenized by its tokenizer.
    pub train: &'a TokenFile,
    /// The documents that choose the best weights; without them the last weights are kept.
    pub valid: Option<&'a TokenFile>,
    /// How inputs are made.
    pub mlm: &'a MlmSettings,
    /// What the run does.
    pub settings: &'a TrainSettings,
    /// The folder of the result: a checkpoint, and in `state` the state from which the run can be resumed.
    pub out: &'a Path,
    /// Whether to resume from the state in `out`; without one, the run starts from the beginning.
    pub resume: bool,
}

/// Whether a checkpoint has a head for masked language modelling.
///
/// # Errors
/// Those of opening it.
pub fn has_head(source: &Source) -> Result<bool> {
    Ok(Tensors::open(source)?.get("lm_head.dense.weight")?.is_some())
}

/// Trains. `on_event` may stop the run after any event; the run is then saved and can be resumed.
///
/// No token is global, so the global projections are not trained: the result has copies of the local ones.
///
/// # Errors
/// Before the first step: those of settings and checkpoint, and [`Error::Conflict`] if `out` holds another checkpoint or
/// run. Later: [`Error::Diverged`] and [`Error::Write`]; files written before remain.
pub fn run(job: &MlmJob<'_>, on_event: &mut dyn FnMut(&RunEvent) -> ControlFlow<()>) -> Result<RunOutcome> {
    let MlmJob { settings, mlm, out, resume, .. } = *job;
    folder::check(out, resume)?;
    let base = Base::open(job.base)?;
    let Base { config, tokenizer, .. } = &base;
    let masking = check_settings(&base, settings, mlm)?;
    let sequences = |file| Sequences::new(file, &masking, tokenizer, mlm, settings.seed);
    if let Some(valid) = job.valid {
        bits::check(&sequences(valid))?;
    }
    let identity = state::identity(settings, sources(job)?);
    let model = base.trainable(TASK, settings)?;
    let mut learner = MlmLearner { job, base: &base, model, pass: TrainingPass::default() };
    let layers = config.num_hidden_layers;
    let plan = RunPlan { settings, layers, dev: job.valid.is_some(), out, resume, identity };
    steps::train(plan, &MlmInputs { sequences: sequences(job.train), settings }, &mut learner, on_event)
}

/// Checks settings and checkpoint, before texts are tokenized.
///
/// # Errors
/// [`Error::Option`] for a setting that is out of its range, [`Error::Format`] for a tokenizer without a mask, and those of
/// loading the checkpoint.
pub fn check(source: &Source, settings: &TrainSettings, mlm: &MlmSettings) -> Result<()> {
    let base = Base::open(source)?;
    check_settings(&base, settings, mlm)?;
    Parameters::check(&base.config, TASK, &Tensors::open(source)?).map(drop)
}

fn check_settings(base: &Base<'_>, settings: &TrainSettings, mlm: &MlmSettings) -> Result<Masking> {
    settings.check(&base.config)?;
    check_kind(&base.config)?;
    let (wanted, has) = (mlm.max_tokens, base.config.max_tokens());
    if !(3..=has).contains(&wanted) {
        return Err(Error::option("max_tokens", format!("{wanted}: expected 3 to {has}, the positions of the model")));
    }
    Masking::new(mlm, &base.tokenizer, base.config.vocab_size)
}

/// Floating-point operations of the matrix products of the head in a step: forward, and twice as many backward.
///
/// - `masked`: number of masked tokens
/// - `trained`: whether the word embeddings are trained
pub fn head_flop(config: &Config, masked: usize, trained: bool) -> f64 {
    let (c, v) = (config.hidden_size as f64, config.vocab_size as f64);
    masked as f64 * c * (6.0 * c + if trained { 6.0 } else { 4.0 } * v)
}

/// Checksums of text and checkpoint, and the settings of inputs.
fn sources(job: &MlmJob<'_>) -> Result<state::Identity> {
    let mut identity = vec![
        ("base", format!("{:08x}", job.base.checksum()?)),
        ("text", format!("{:08x}", job.train.checksum())),
        ("valid text", job.valid.map_or("none".into(), |valid| format!("{:08x}", valid.checksum()))),
    ];
    identity.extend(job.mlm.values().into_iter().map(|SettingValue { key, text, .. }| match key {
        "mask_share" => (key, job.mlm.mask_share.to_string()), // as earlier states have it
        _ => (key, text),
    }));
    Ok(identity)
}

struct MlmInputs<'a> {
    sequences: Sequences<'a>,
    settings: &'a TrainSettings,
}

impl Inputs for MlmInputs<'_> {
    type Pass = MlmPass;
    type Input = (Batch, Masked);

    const NONE: &'static str = "the text gives no input to learn from";

    fn epoch(&self, epoch: usize) -> Vec<Vec<MlmPass>> {
        self.sequences.epoch(epoch as u64, self.settings.batch_tokens, self.settings.pass_tokens)
    }

    fn input(&self, pass: &MlmPass) -> Result<Self::Input> {
        Ok(self.sequences.batch(pass))
    }
}

/// A model that learns to predict masked tokens.
struct MlmLearner<'a> {
    job: &'a MlmJob<'a>,
    base: &'a Base<'a>,
    model: TrainableModel,
    pass: TrainingPass,
}

impl Learner for MlmLearner<'_> {
    type Input = (Batch, Masked);

    fn parameters(&self) -> &Parameters {
        self.model.parameters()
    }

    fn update<R>(&mut self, change: impl FnOnce(&mut Parameters) -> Result<R>) -> Result<R> {
        self.model.update(change)
    }

    fn pass(
        &mut self,
        at: PassPosition,
        (batch, masked): &Self::Input,
        gradients: &mut Parameters,
    ) -> Result<PassStats> {
        let settings = self.job.settings;
        let dropout = steps::dropout(settings, at);
        let (config, frozen_layers) = (&self.base.config, settings.frozen_layers);
        let losses = self.model.masked_lm(batch, masked, dropout, &mut self.pass, gradients);
        Ok(PassStats {
            loss: losses.iter().map(|&loss| f64::from(loss)).sum(),
            terms: losses.len(),
            sequences: batch.sequences(),
            tokens: batch.tokens(),
            flop: flop(config, batch, frozen_layers) + head_flop(config, losses.len(), frozen_layers == 0),
        })
    }

    fn evaluate(&self, weights: &Parameters) -> Result<(f64, DevFigures)> {
        let MlmJob { settings, mlm, .. } = *self.job;
        let valid = self.job.valid.expect("a run without text for them has no evaluations");
        let model = Model::from_parameters(self.base.config.clone(), TASK, settings.precision, weights)?;
        let measuring = Measuring::new(settings, mlm, None);
        let found = bits_of(&model, &self.base.tokenizer, valid, &measuring, &mut |_, _| {})?;
        let figures = [("bits", Some(found.bits)), ("bits_per_character", Some(found.bits_per_character))];
        Ok((-found.bits, DevFigures::of(&figures)))
    }

    fn keep(&self, weights: &Parameters) -> Result<()> {
        let mut kept = weights.clone();
        for global in weights.list().iter().filter(|parameter| parameter.name.contains("_global.")) {
            kept.get_mut(&global.name).copy_from_slice(weights.get(&global.name.replace("_global.", ".")));
        }
        self.base.keep(TASK, &kept, self.job.out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tokenizer::Tokenizer;

    /// `--resume` continues a run that an earlier version began only if none of these texts changes: change a text here
    /// only if that is intended.
    #[test]
    fn the_identity_of_the_sources_is_that_of_earlier_states() {
        let embedded = Source::Folder(concat!(env!("CARGO_MANIFEST_DIR"), "/../../models/embedded").into());
        let tokenizer = Tokenizer::load(|name| embedded.read(name)).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let texts = [Ok::<_, Error>("A mill stood here.".to_owned())].into_iter();
        let text = TokenFile::build(&folder.path().join("text"), "x", &tokenizer, texts, &mut |_| {}).unwrap();
        let base = Source::Memory(&[("model.safetensors", b"weights")]);
        let settings = TrainSettings::default();
        let job = MlmJob {
            base: &base,
            train: &text,
            valid: None,
            mlm: &MlmSettings::default(),
            settings: &settings,
            out: Path::new("out"),
            resume: false,
        };
        let check = |job: &MlmJob<'_>, expected: &str| {
            let found = sources(job).unwrap();
            let found: String = found.iter().map(|(key, text)| format!("{key}: {text}\n")).collect();
            assert_eq!(found, expected);
        };
        check(
            &job,
            "base: 5fdb3d15\ntext: 316c7126\nvalid text: none\n\
             max_tokens: 4096\nmask_share: 0.15\nwhole_words: false\n",
        );
        let mlm = MlmSettings { max_tokens: 512, mask_share: 1.0, whole_words: true };
        check(
            &MlmJob { valid: Some(&text), mlm: &mlm, ..job },
            "base: 5fdb3d15\ntext: 316c7126\nvalid text: 316c7126\n\
             max_tokens: 512\nmask_share: 1\nwhole_words: true\n",
        );
    }
}

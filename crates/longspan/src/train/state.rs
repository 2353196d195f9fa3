//! The saved state of a run, in one file: `state/state.safetensors` in the folder of the result.
//!
//! It holds the weights, both moments and the average as flat tensors. Its header holds the progress of the run and its
//! identity: settings, data and base. The file is replaced atomically.

use std::collections::HashMap;
use std::path::Path;

use super::optimizer::Optimizer;
use super::settings_table::{SettingValue, SettingsTable};
use super::{DevFigures, Schedule, TrainSettings};
use crate::checkpoint::{Tensors, write_safetensors};
use crate::model::Parameters;
use crate::{Error, FormatKind, Result};

/// Its folder, inside that of the result.
pub(crate) const FOLDER: &str = "state";
const FILE: &str = "state.safetensors";

/// The progress of a run.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct RunProgress {
    /// Steps done.
    pub step: usize,
    /// Steps before the last evaluation.
    pub evaluated: usize,
    /// The best evaluation.
    pub best: Option<BestEvaluation>,
    /// Evaluations since then.
    pub worse: usize,
    /// Running mean of the loss; 0 before the first step.
    pub mean_loss: f64,
    /// Consecutive steps with a loss far above it.
    pub high: usize,
}

/// The evaluation of the kept weights.
#[derive(Debug, Clone, PartialEq)]
pub struct BestEvaluation {
    /// Steps before it.
    pub step: usize,
    /// Its score; the best has the highest.
    pub score: f64,
    /// The measurements.
    pub figures: DevFigures,
}

/// The identity of a run, as (key, value): a run resumes only if all are the same.
pub(crate) type Identity = Vec<(&'static str, String)>;

/// The identity of a run: everything that its weights depend on, except the instruction set of the machine.
///
/// - `sources`: checksums of data and checkpoints, and settings of the task
pub(crate) fn identity(settings: &TrainSettings, sources: Identity) -> Identity {
    let mut identity = sources;
    for SettingValue { key, text, .. } in settings.values() {
        match key {
            // The weights do not depend on when they are saved.
            "save_every" => {}
            // Parts of `schedule` and `trained`.
            "power" | "frozen_layers" => {}
            "schedule" => identity.push((key, schedule(settings))),
            "train_only" => identity.push(("trained", trained(settings))),
            _ => identity.push((key, text)),
        }
    }
    identity
}

fn schedule(settings: &TrainSettings) -> String {
    match settings.schedule {
        Schedule::Linear | Schedule::Polynomial => format!("Polynomial({:?})", settings.decay_power()),
        schedule => format!("{schedule:?}"),
    }
}

fn trained(settings: &TrainSettings) -> String {
    match (settings.train_only, settings.frozen_layers) {
        (Some(part), _) => format!("{part:?}"),
        (None, 0) => "All".into(),
        (None, layers) => format!("Above({layers})"),
    }
}

/// Writes the state.
///
/// # Errors
/// [`Error::Write`]; the earlier state then remains.
pub(super) fn save(
    out: &Path,
    identity: &Identity,
    progress: &RunProgress,
    weights: &Parameters,
    optimizer: &Optimizer,
) -> Result<()> {
    let folder = out.join(FOLDER);
    std::fs::create_dir_all(&folder).map_err(Error::write(&folder))?;
    let shape = [weights.values().len()];
    let mut tensors = vec![
        ("weights", &shape[..], weights.values()),
        ("first_moment", &shape[..], &optimizer.first_moment[..]),
        ("second_moment", &shape[..], &optimizer.second_moment[..]),
    ];
    if let Some(average) = &optimizer.average {
        tensors.push(("average", &shape[..], average.values()));
    }
    let entries = progress.entries();
    let metadata = entries.iter().chain(identity).map(|(key, value)| (*key, value.as_str()));
    write_safetensors(&folder.join(FILE), &tensors, &metadata.collect::<Vec<_>>())
}

/// Reads the state into `weights` and `optimizer`; `None` if there is none.
///
/// # Errors
/// [`Error::Conflict`], which names the first difference, where the state is that of another run; [`Error::Format`] where the
/// file is not what [`save`] writes.
pub(super) fn load(
    out: &Path,
    identity: &Identity,
    weights: &mut Parameters,
    optimizer: &mut Optimizer,
) -> Result<Option<RunProgress>> {
    let folder = out.join(FOLDER);
    if !folder.join(FILE).exists() {
        return Ok(None);
    }
    let wrong = |message| Error::format(folder.join(FILE).display().to_string(), FormatKind::TrainingState, message);
    let opened = Tensors::open_file(&folder, FILE).map_err(|error| match error {
        Error::Format { message, .. } => wrong(message),
        other => other,
    })?;
    let Some((tensors, metadata)) = opened else { return Ok(None) };
    for (key, now) in identity {
        let then = metadata.get(*key).map_or("not there", String::as_str);
        if then != now {
            let message = format!("{key} was {then} when the run began and is {now} now");
            return Err(Error::Conflict { path: folder.join(FILE), message });
        }
    }
    let read = |name: &str, values: &mut [f32]| {
        let tensor = tensors.get(name)?.ok_or_else(|| wrong(format!("no tensor `{name}`")))?;
        if tensor.shape != [values.len()] {
            let (expected, found) = (values.len(), tensor.shape);
            return Err(wrong(format!("tensor `{name}`: expected shape [{expected}], file has {found:?}")));
        }
        tensor.copy_to(values);
        Ok(())
    };
    read("weights", weights.values_mut())?;
    read("first_moment", &mut optimizer.first_moment)?;
    read("second_moment", &mut optimizer.second_moment)?;
    if let Some(average) = &mut optimizer.average {
        read("average", average.values_mut())?;
    }
    RunProgress::from_entries(&metadata).map(Some).map_err(wrong)
}

impl RunProgress {
    /// As (key, value). Rust writes an f64 so that it reads back as the same bits.
    fn entries(&self) -> Vec<(&'static str, String)> {
        let Self { step, evaluated, best, worse, mean_loss, high } = self;
        let mut entries = vec![
            ("step", step.to_string()),
            ("evaluated", evaluated.to_string()),
            ("worse", worse.to_string()),
            ("mean_loss", mean_loss.to_string()),
            ("high", high.to_string()),
        ];
        if let Some(BestEvaluation { step, score, figures: DevFigures(figures) }) = best {
            entries.push(("best_step", step.to_string()));
            entries.push(("best_score", score.to_string()));
            let figures = figures.iter().map(|(name, value)| format!("{name}={value}"));
            entries.push(("best_figures", figures.collect::<Vec<_>>().join(" ")));
        }
        entries
    }

    fn from_entries(metadata: &HashMap<String, String>) -> Result<Self, String> {
        fn get<T: std::str::FromStr>(metadata: &HashMap<String, String>, key: &str) -> Result<T, String> {
            let value = metadata.get(key).ok_or_else(|| format!("its header has no `{key}`"))?;
            value.parse().map_err(|_| format!("{key} `{value}`: expected a number"))
        }
        let best = match metadata.contains_key("best_step") {
            true => {
                let text: String = get(metadata, "best_figures")?;
                let figure = |part: &str| {
                    let (name, value) = part.split_once('=')?;
                    Some((name.to_string(), value.parse().ok()?))
                };
                let figures: Option<_> = text.split_whitespace().map(figure).collect();
                let figures = DevFigures(figures.ok_or_else(|| format!("best_figures `{text}`: expected numbers"))?);
                Some(BestEvaluation { step: get(metadata, "best_step")?, score: get(metadata, "best_score")?, figures })
            }
            false => None,
        };
        Ok(Self {
            step: get(metadata, "step")?,
            evaluated: get(metadata, "evaluated")?,
            best,
            worse: get(metadata, "worse")?,
            mean_loss: get(metadata, "mean_loss")?,
            high: get(metadata, "high")?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use crate::model::Task;
    use crate::train::TrainOnly;

    fn parameters(value: f32) -> Parameters {
        let json = br#"{"model_type":"longformer","vocab_size":7,"hidden_size":4,"num_hidden_layers":1,"num_attention_heads":2,
            "intermediate_size":6,"max_position_embeddings":10,"type_vocab_size":1,"attention_window":4}"#;
        let mut parameters = Parameters::zeros(&Config::from_json(json).unwrap(), Task::QuestionAnswering);
        parameters.values_mut().fill(value);
        parameters
    }

    fn settings(average_decay: f64) -> TrainSettings {
        TrainSettings { average_decay, ..Default::default() }
    }

    fn sources() -> Identity {
        vec![("base", "00c0ffee".into()), ("data", "1".into())]
    }

    #[test]
    fn a_saved_state_reads_back_equal() {
        let figures = DevFigures::of(&[("exact", Some(1.0 / 3.0)), ("f1", Some(71.1))]);
        let best = Some(BestEvaluation { step: 3, score: 71.1, figures });
        for (average_decay, best) in [(0.0, None), (0.9, best)] {
            let folder = tempfile::tempdir().unwrap();
            let settings = settings(average_decay);
            let identity = identity(&settings, sources());
            let (mut weights, mut none) = (parameters(-0.1), parameters(0.0));
            let mut optimizer = Optimizer::new(&settings, 1, &weights);
            assert_eq!(load(folder.path(), &identity, &mut weights, &mut optimizer).unwrap(), None);
            optimizer.first_moment.fill(0.25);
            optimizer.second_moment.fill(1e-30);
            let progress = RunProgress { step: 7, evaluated: 6, best, worse: 1, mean_loss: 0.1 + 0.2, high: 2 };
            save(folder.path(), &identity, &progress, &weights, &optimizer).unwrap();
            let mut again = Optimizer::new(&settings, 1, &none);
            assert_eq!(load(folder.path(), &identity, &mut none, &mut again).unwrap(), Some(progress));
            assert!(none == weights && again.average == optimizer.average);
            assert_eq!(
                (&again.first_moment, &again.second_moment),
                (&optimizer.first_moment, &optimizer.second_moment)
            );
        }
    }

    /// `--resume` continues a state that an earlier version saved only if none of these texts changes. A new setting
    /// refuses all of them: add it here only if that is intended.
    #[test]
    fn the_identity_is_that_of_earlier_states() {
        let settings = TrainSettings { precision: crate::model::Precision::F32, ..Default::default() };
        let found = |settings: &TrainSettings| {
            identity(settings, sources()).iter().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>()
        };
        let mut wanted: Vec<&str> = "base=00c0ffee data=1 precision=F32 seed=1 epochs=2.0 steps=0 batch_tokens=8192 \
            pass_tokens=8192 dropout=0.1 trained=All recompute=false dev_every=0 patience=0 learning_rate=5e-5 \
            schedule=Polynomial(1.0) warmup=0.1 weight_decay=0.01 beta1=0.9 beta2=0.999 eps=1e-8 clip_norm=1.0 \
            layer_decay=1.0 average_decay=0.0"
            .split_whitespace()
            .collect();
        let mut all = found(&settings);
        all.sort_unstable();
        wanted.sort_unstable();
        assert_eq!(all, wanted);
        let has = |change: fn(&mut TrainSettings), wanted: &str| {
            let mut settings = settings.clone();
            change(&mut settings);
            assert!(found(&settings).iter().any(|entry| entry == wanted), "{wanted}");
        };
        has(|s| (s.schedule, s.power) = (Schedule::Polynomial, Some(3.0)), "schedule=Polynomial(3.0)");
        has(|s| s.schedule = Schedule::Cosine, "schedule=Cosine");
        has(|s| s.frozen_layers = 2, "trained=Above(2)");
        has(|s| s.train_only = Some(TrainOnly::Positions), "trained=Positions");
    }

    #[test]
    fn a_state_of_another_run_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let settings = settings(0.0);
        let mut weights = parameters(0.5);
        let mut optimizer = Optimizer::new(&settings, 1, &weights);
        save(folder.path(), &identity(&settings, sources()), &RunProgress::default(), &weights, &optimizer).unwrap();
        let mut changes: Vec<(TrainSettings, Identity, &str)> = Vec::new();
        let mut with = |change: &dyn Fn(&mut TrainSettings), message| {
            let mut changed = settings.clone();
            change(&mut changed);
            changes.push((changed, sources(), message));
        };
        with(&|s| s.seed = 5, "seed was 1 when the run began and is 5 now");
        with(&|s| s.learning_rate = 3e-5, "learning_rate was 5e-5 when the run began and is 3e-5 now");
        with(&|s| s.train_only = Some(TrainOnly::Positions), "trained was All when the run began and is Positions now");
        with(&|s| s.save_every = 7, "");
        changes.push((
            settings.clone(),
            vec![("base", "1".into())],
            "base was 00c0ffee when the run began and is 1 now",
        ));
        changes.push((settings.clone(), vec![("teacher", "1".into())], "teacher was not there when"));
        for (settings, sources, message) in changes {
            match load(folder.path(), &identity(&settings, sources), &mut weights, &mut optimizer) {
                Ok(_) => assert_eq!(message, ""),
                Err(error) => assert!(error.to_string().contains(message) && !message.is_empty(), "{error}"),
            }
        }
    }

    #[test]
    fn a_broken_state_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let settings = settings(0.0);
        let identity = identity(&settings, sources());
        let mut weights = parameters(0.5);
        let mut optimizer = Optimizer::new(&settings, 1, &weights);
        save(folder.path(), &identity, &RunProgress::default(), &weights, &optimizer).unwrap();
        let path = folder.path().join(FOLDER).join(FILE);
        let whole = std::fs::read(&path).unwrap();
        std::fs::write(&path, &whole[..whole.len() - 1]).unwrap();
        let error = load(folder.path(), &identity, &mut weights, &mut optimizer).unwrap_err();
        assert!(error.to_string().contains("truncated"), "{error}");
        assert!(matches!(error, Error::Format { kind: FormatKind::TrainingState, .. }), "{error:?}");
    }
}

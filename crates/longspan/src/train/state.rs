//! What a stopped run goes on from: one file, `state/state.safetensors` in the folder of the result.
//!
//! It holds the weights, both moments and the average as flat tensors, and in its header how far the run has come and what
//! the run is: its settings, data and base. The file takes the place of the one before it at once and whole.

use std::collections::HashMap;
use std::path::Path;

use super::optimizer::Optimizer;
use super::{Figures, OptimizerSettings, Settings};
use crate::checkpoint::{Tensors, write_safetensors};
use crate::model::Parameters;
use crate::{Error, FormatKind, Result};

/// Its folder in that of the result.
pub(crate) const FOLDER: &str = "state";
const FILE: &str = "state.safetensors";

/// How far a run has come.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Progress {
    /// Steps done.
    pub step: usize,
    /// Steps before the last evaluation.
    pub evaluated: usize,
    /// The best evaluation.
    pub best: Option<Best>,
    /// Evaluations since that.
    pub worse: usize,
    /// Running mean of the loss; 0 before the first step.
    pub mean_loss: f64,
    /// Steps in a row whose loss was far above it.
    pub high: usize,
}

/// An evaluation whose weights are kept.
#[derive(Debug, Clone, PartialEq)]
pub struct Best {
    /// Steps before it.
    pub step: usize,
    /// What says which is the best: the largest.
    pub score: f64,
    /// What was measured.
    pub figures: Figures,
}

/// What a run is, as (key, value): a run goes on only where all are the same.
pub(crate) type Identity = Vec<(&'static str, String)>;

/// The identity of a run: everything that its weights depend on, but for the instruction set of the machine.
///
/// - `sources`: checksums of data and checkpoints and settings of their own, by what they are
pub(crate) fn identity(settings: &Settings, sources: Identity) -> Identity {
    // Every field by name: none can be forgotten. When the state is saved changes nothing of what is saved.
    let Settings {
        precision,
        seed,
        epochs,
        steps,
        batch_tokens,
        pass_tokens,
        dropout,
        trained,
        recompute,
        dev_every,
        patience,
        save_every: _,
        optimizer,
    } = settings;
    let OptimizerSettings {
        learning_rate,
        schedule,
        warmup,
        weight_decay,
        beta1,
        beta2,
        eps,
        clip_norm,
        layer_decay,
        average_decay,
    } = optimizer;
    let mut identity = sources;
    macro_rules! add {
        ($($field:ident)*) => { $(identity.push((stringify!($field), format!("{:?}", $field)));)* };
    }
    add!(precision seed epochs steps batch_tokens pass_tokens dropout trained recompute dev_every patience);
    add!(learning_rate schedule warmup weight_decay beta1 beta2 eps clip_norm layer_decay average_decay);
    identity
}

/// Writes the state.
///
/// # Errors
/// [`Error::Write`]: the state that was there before is there still.
pub(super) fn save(
    out: &Path,
    identity: &Identity,
    progress: &Progress,
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
    let told = progress.told();
    let metadata = told.iter().chain(identity).map(|(key, value)| (*key, value.as_str()));
    write_safetensors(&folder.join(FILE), &tensors, &metadata.collect::<Vec<_>>())
}

/// Reads the state into `weights` and `optimizer`; `None` where there is none.
///
/// # Errors
/// [`Error::Conflict`], which names the first difference, where the state is that of another run; [`Error::Format`] where the
/// file is not what [`save`] writes.
pub(super) fn load(
    out: &Path,
    identity: &Identity,
    weights: &mut Parameters,
    optimizer: &mut Optimizer,
) -> Result<Option<Progress>> {
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
            return Err(wrong(format!(
                "tensor `{name}`: expected shape [{}], file has {:?}",
                values.len(),
                tensor.shape
            )));
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
    Progress::of(&metadata).map(Some).map_err(wrong)
}

impl Progress {
    /// As (key, value). Rust writes an f64 so that it reads back as the same bits.
    fn told(&self) -> Vec<(&'static str, String)> {
        let Self { step, evaluated, best, worse, mean_loss, high } = self;
        let mut told = vec![
            ("step", step.to_string()),
            ("evaluated", evaluated.to_string()),
            ("worse", worse.to_string()),
            ("mean_loss", mean_loss.to_string()),
            ("high", high.to_string()),
        ];
        if let Some(Best { step, score, figures: Figures(figures) }) = best {
            told.push(("best_step", step.to_string()));
            told.push(("best_score", score.to_string()));
            let figures = figures.iter().map(|(name, value)| format!("{name}={value}"));
            told.push(("best_figures", figures.collect::<Vec<_>>().join(" ")));
        }
        told
    }

    fn of(metadata: &HashMap<String, String>) -> std::result::Result<Self, String> {
        fn get<T: std::str::FromStr>(metadata: &HashMap<String, String>, key: &str) -> std::result::Result<T, String> {
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
                let figures = Figures(figures.ok_or_else(|| format!("best_figures `{text}`: expected numbers"))?);
                Some(Best { step: get(metadata, "best_step")?, score: get(metadata, "best_score")?, figures })
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
    use crate::train::Trained;

    fn parameters(value: f32) -> Parameters {
        let json = br#"{"model_type":"longformer","vocab_size":7,"hidden_size":4,"num_hidden_layers":1,"num_attention_heads":2,
            "intermediate_size":6,"max_position_embeddings":10,"type_vocab_size":1,"attention_window":4}"#;
        let mut parameters = Parameters::zeros(&Config::from_json(json).unwrap(), Task::QuestionAnswering);
        parameters.values_mut().fill(value);
        parameters
    }

    fn settings(average_decay: f64) -> Settings {
        let optimizer = OptimizerSettings { average_decay, ..Default::default() };
        Settings { optimizer, ..Default::default() }
    }

    fn sources() -> Identity {
        vec![("base", "00c0ffee".into()), ("data", "1".into())]
    }

    #[test]
    fn what_was_saved_is_read_again() {
        let figures = Figures::of(&[("exact", Some(1.0 / 3.0)), ("f1", Some(71.1))]);
        let best = Some(Best { step: 3, score: 71.1, figures });
        for (average_decay, best) in [(0.0, None), (0.9, best)] {
            let folder = tempfile::tempdir().unwrap();
            let settings = settings(average_decay);
            let identity = identity(&settings, sources());
            let (mut weights, mut none) = (parameters(-0.1), parameters(0.0));
            let mut optimizer = Optimizer::new(&settings.optimizer, 1, Trained::All, &weights);
            assert_eq!(load(folder.path(), &identity, &mut weights, &mut optimizer).unwrap(), None);
            optimizer.first_moment.fill(0.25);
            optimizer.second_moment.fill(1e-30);
            let progress = Progress { step: 7, evaluated: 6, best, worse: 1, mean_loss: 0.1 + 0.2, high: 2 };
            save(folder.path(), &identity, &progress, &weights, &optimizer).unwrap();
            let mut again = Optimizer::new(&settings.optimizer, 1, Trained::All, &none);
            assert_eq!(load(folder.path(), &identity, &mut none, &mut again).unwrap(), Some(progress));
            assert!(none == weights && again.average == optimizer.average);
            assert_eq!(
                (&again.first_moment, &again.second_moment),
                (&optimizer.first_moment, &optimizer.second_moment)
            );
        }
    }

    #[test]
    fn another_run_is_refused_by_what_differs() {
        let folder = tempfile::tempdir().unwrap();
        let settings = settings(0.0);
        let mut weights = parameters(0.5);
        let mut optimizer = Optimizer::new(&settings.optimizer, 1, Trained::All, &weights);
        save(folder.path(), &identity(&settings, sources()), &Progress::default(), &weights, &optimizer).unwrap();
        let mut changes: Vec<(Settings, Identity, &str)> = Vec::new();
        let mut with = |change: &dyn Fn(&mut Settings), message| {
            let mut changed = settings.clone();
            change(&mut changed);
            changes.push((changed, sources(), message));
        };
        with(&|s| s.seed = 5, "seed was 1 when the run began and is 5 now");
        with(&|s| s.optimizer.learning_rate = 3e-5, "learning_rate was 5e-5 when the run began and is 3e-5 now");
        with(&|s| s.trained = Trained::Positions, "trained was All when the run began and is Positions now");
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
    fn a_broken_state_says_so() {
        let folder = tempfile::tempdir().unwrap();
        let settings = settings(0.0);
        let identity = identity(&settings, sources());
        let mut weights = parameters(0.5);
        let mut optimizer = Optimizer::new(&settings.optimizer, 1, Trained::All, &weights);
        save(folder.path(), &identity, &Progress::default(), &weights, &optimizer).unwrap();
        let path = folder.path().join(FOLDER).join(FILE);
        let whole = std::fs::read(&path).unwrap();
        std::fs::write(&path, &whole[..whole.len() - 1]).unwrap();
        let error = load(folder.path(), &identity, &mut weights, &mut optimizer).unwrap_err();
        assert!(error.to_string().contains("truncated"), "{error}");
        assert!(matches!(error, Error::Format { kind: FormatKind::TrainingState, .. }), "{error:?}");
    }
}

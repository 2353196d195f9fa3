//! The saved state of a run, in one file: `state/state.safetensors` in the folder of the result.
//!
//! It holds the weights, both moments and the average as flat tensors. Its header holds the progress of the run, its
//! identity (settings, data and base), and a checksum of all these. The file is replaced atomically.

use std::collections::HashMap;
use std::path::Path;

use super::optimizer::Optimizer;
use super::settings_table::{SettingValue, SettingsTable};
use super::{DevFigures, Schedule, TrainSettings};
use crate::checkpoint::{Tensors, write_safetensors};
use crate::model::Parameters;
use crate::tensor::DType;
use crate::{Error, FormatKind, Result};

/// Its folder, inside that of the result.
pub(crate) const FOLDER: &str = "state";
const FILE: &str = "state.safetensors";
/// The key of the checksum in its header.
const CHECKSUM: &str = "checksum";
/// The entry that every file of safetensors has.
const EVERY_FILE: (&str, &str) = ("format", "pt");
/// So many numbers are turned into bytes at a time.
const CHECKED_AT_ONCE: usize = 1 << 14;

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
    tensors.sort_unstable_by_key(|(name, ..)| *name);
    let mut sum = Checksum::default();
    for (name, _, values) in &tensors {
        sum.add(name.as_bytes());
        let bytes = |piece: &[f32]| piece.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<_>>();
        values.chunks(CHECKED_AT_ONCE).for_each(|piece| sum.add(&bytes(piece)));
    }
    let entries = progress.entries();
    let mut metadata: Vec<_> = entries.iter().chain(identity).map(|(key, value)| (*key, value.as_str())).collect();
    let sum = sum.with_entries(metadata.iter().copied().chain([EVERY_FILE]));
    metadata.push((CHECKSUM, &sum));
    write_safetensors(&folder.join(FILE), DType::F32, &tensors, &metadata)
}

/// Whether a state was saved in the folder of a result.
pub fn has_state(out: &Path) -> bool {
    out.join(FOLDER).join(FILE).exists()
}

/// CRC-32 of the content of a state: of each tensor its name and its bytes, in the order of the names; then the entries of
/// the header, in the order of their keys, each with its length.
#[derive(Default)]
struct Checksum(crc32fast::Hasher);

impl Checksum {
    fn add(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    fn with_entries<'a>(mut self, entries: impl Iterator<Item = (&'a str, &'a str)>) -> String {
        let mut entries: Vec<_> = entries.filter(|(key, _)| *key != CHECKSUM).collect();
        entries.sort_unstable();
        for text in entries.iter().flat_map(|(key, value)| [key, value]) {
            self.add(&(text.len() as u64).to_le_bytes());
            self.add(text.as_bytes());
        }
        format!("{:08x}", self.0.finalize())
    }
}

/// Reads the state of a run of `steps` steps into `weights` and `optimizer`; `None` if there is none.
///
/// # Errors
/// [`Error::Conflict`], which names the first difference, where the state is that of another run; [`Error::Format`] where the
/// file is not what [`save`] writes: then `weights` and `optimizer` may be partly changed.
pub(super) fn load(
    out: &Path,
    identity: &Identity,
    steps: usize,
    weights: &mut Parameters,
    optimizer: &mut Optimizer,
) -> Result<Option<RunProgress>> {
    if !has_state(out) {
        return Ok(None);
    }
    let folder = out.join(FOLDER);
    let wrong = |message| Error::format(folder.join(FILE), FormatKind::TrainingState, message);
    let opened = Tensors::open_file(&folder, FILE).map_err(|error| match error {
        Error::Format { message, .. } => wrong(message),
        other => other,
    })?;
    let Some((tensors, metadata)) = opened else { return Ok(None) };
    let Some(expected) = metadata.get(CHECKSUM) else {
        return Err(wrong(
            "its header has no checksum: an earlier version of Longspan wrote it, or it is damaged".into(),
        ));
    };
    let mut sum = Checksum::default();
    for name in tensors.names() {
        sum.add(name.as_bytes());
        sum.add(tensors.get(name).map_err(|error| wrong(error.to_string()))?.map_or(&[], |tensor| tensor.data));
    }
    let found = sum.with_entries(metadata.iter().map(|(key, value)| (key.as_str(), value.as_str())));
    if found != *expected {
        return Err(wrong(format!("it is damaged: its checksum is {found}, its header has {expected:.8}")));
    }
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
    let progress = RunProgress::from_entries(&metadata).map_err(wrong)?;
    progress.check(steps).map_err(wrong)?;
    Ok(Some(progress))
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

    /// Checks that a run of `steps` steps can have come here.
    fn check(&self, steps: usize) -> Result<(), String> {
        let Self { step, evaluated, ref best, worse, mean_loss, high } = *self;
        let at_most = |key: &str, found: usize, of: &str, most: usize| match found <= most {
            true => Ok(()),
            false => Err(format!("{key} {found}: {of} {most}")),
        };
        at_most("step", step, "the run has steps up to", steps)?;
        at_most("evaluated", evaluated, "the steps done are", step)?;
        at_most("worse", worse, "the steps before the last evaluation are", evaluated)?;
        at_most("high", high, "the steps done are", step)?;
        if !(mean_loss.is_finite() && mean_loss >= 0.0) {
            return Err(format!("mean_loss {mean_loss}: expected a number from 0 on"));
        }
        let Some(BestEvaluation { step: best_step, score, .. }) = best else { return Ok(()) };
        at_most("best_step", *best_step, "the steps before the last evaluation are", evaluated)?;
        if score.is_nan() { Err(format!("best_score {score}: expected a number")) } else { Ok(()) }
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
            assert_eq!(load(folder.path(), &identity, 9, &mut weights, &mut optimizer).unwrap(), None);
            optimizer.first_moment.fill(0.25);
            optimizer.second_moment.fill(1e-30);
            let progress = RunProgress { step: 7, evaluated: 6, best, worse: 1, mean_loss: 0.1 + 0.2, high: 2 };
            save(folder.path(), &identity, &progress, &weights, &optimizer).unwrap();
            let mut again = Optimizer::new(&settings, 1, &none);
            assert_eq!(load(folder.path(), &identity, 9, &mut none, &mut again).unwrap(), Some(progress));
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
            match load(folder.path(), &identity(&settings, sources), 9, &mut weights, &mut optimizer) {
                Ok(_) => assert_eq!(message, ""),
                Err(error) => assert!(error.to_string().contains(message) && !message.is_empty(), "{error}"),
            }
        }
    }

    /// A saved state in a folder, and a run that would continue it.
    struct Saved {
        folder: tempfile::TempDir,
        identity: Identity,
        weights: Parameters,
        optimizer: Optimizer,
    }

    impl Saved {
        fn new(progress: &RunProgress) -> Self {
            let settings = settings(0.0);
            let weights = parameters(0.1);
            let optimizer = Optimizer::new(&settings, 1, &weights);
            let (folder, identity) = (tempfile::tempdir().unwrap(), identity(&settings, sources()));
            save(folder.path(), &identity, progress, &weights, &optimizer).unwrap();
            Self { folder, identity, weights, optimizer }
        }

        fn path(&self) -> std::path::PathBuf {
            self.folder.path().join(FOLDER).join(FILE)
        }

        fn load(&mut self) -> Result<Option<RunProgress>> {
            load(self.folder.path(), &self.identity, 9, &mut self.weights, &mut self.optimizer)
        }

        /// Loads other bytes, which must be refused in one line.
        fn refused(&mut self, bytes: &[u8]) -> String {
            std::fs::write(self.path(), bytes).unwrap();
            let error = self.load().unwrap_err();
            let kind = matches!(error, Error::Format { kind: FormatKind::TrainingState, .. } | Error::Conflict { .. });
            let message = error.to_string();
            assert!(kind && message.lines().count() == 1, "{error:?}");
            message
        }
    }

    /// Figures of SECURITY.md: of 1,000 flipped bits and 1,000 shorter lengths, none is accepted.
    #[test]
    fn no_damaged_state_is_accepted() {
        let mut saved = Saved::new(&RunProgress { step: 7, mean_loss: 2.5, ..Default::default() });
        let whole = std::fs::read(saved.path()).unwrap();
        for trial in 0..1000 {
            let at = crate::random::number(1, &[trial]) as usize % (8 * whole.len());
            let mut flipped = whole.clone();
            flipped[at / 8] ^= 1 << (at % 8);
            saved.refused(&flipped);
            saved.refused(&whole[..at / 8]);
        }
        std::fs::write(saved.path(), &whole).unwrap();
        saved.load().unwrap().unwrap();
        let unsigned = String::from_utf8_lossy(&whole[8..]).find("checksum").unwrap() + 8;
        let mut flipped = whole.clone();
        flipped[unsigned..unsigned + 8].copy_from_slice(b"checkbox");
        assert!(saved.refused(&flipped).ends_with("an earlier version of Longspan wrote it, or it is damaged"));
    }

    #[test]
    fn a_progress_that_no_run_makes_is_refused() {
        let figures = DevFigures::of(&[("f1", Some(71.1))]);
        let best = |step, score| Some(BestEvaluation { step, score, figures: figures.clone() });
        let good = RunProgress { step: 9, evaluated: 6, best: best(3, 71.1), worse: 1, mean_loss: 2.5, high: 2 };
        let huge = usize::MAX;
        for (progress, message) in [
            (RunProgress { step: 10, ..good.clone() }, "step 10: the run has steps up to 9"),
            (RunProgress { step: huge, ..good.clone() }, "step 18446744073709551615: the run has steps up to 9"),
            (RunProgress { evaluated: 10, ..good.clone() }, "evaluated 10: the steps done are 9"),
            (RunProgress { worse: huge, ..good.clone() }, "worse 18446744073709551615: the steps before the last"),
            (RunProgress { high: huge, ..good.clone() }, "high 18446744073709551615: the steps done are 9"),
            (RunProgress { mean_loss: f64::NAN, ..good.clone() }, "mean_loss NaN: expected a number from 0 on"),
            (RunProgress { mean_loss: -1.0, ..good.clone() }, "mean_loss -1: expected a number from 0 on"),
            (RunProgress { best: best(7, 71.1), ..good.clone() }, "best_step 7: the steps before the last evaluation"),
            (RunProgress { best: best(3, f64::NAN), ..good.clone() }, "best_score NaN: expected a number"),
        ] {
            let mut saved = Saved::new(&progress);
            let bytes = std::fs::read(saved.path()).unwrap();
            let found = saved.refused(&bytes);
            assert!(found.contains(message), "{found}");
        }
        assert_eq!(Saved::new(&good).load().unwrap(), Some(good));
    }
}

//! A run of training: checks everything first, trains, and keeps the best weights as a checkpoint that Hugging Face's
//! libraries load too.

use std::io;
use std::ops::ControlFlow;
use std::path::Path;

use super::examples::{ExampleBatch, ExampleKey, Examples};
use super::folder::{self, Base};
use super::loss::{Teacher, question_answering, teacher_probabilities};
use super::state::{self, Identity};
use super::steps::{self, Inputs, Learner, PassPosition, PassStats, RunOutcome, RunPlan};
use super::{DevFigures, QaSettings, RunEvent, SettingValue, SettingsTable, TrainSettings};
use crate::checkpoint::{Source, Tensors};
use crate::config::Config;
use crate::error::counted;
use crate::evaluate::{Asked, Scored, TeacherAnswers, ask, ranking};
use crate::model::{Batch, Model, Parameters, Task, TrainableModel, TrainingPass};
use crate::reader::{ReadOptions, Reader, ReaderSettings};
use crate::squad::metrics::Scores;
use crate::squad::{Dataset, Paragraph};
use crate::tokenizer::Tokenizer;
use crate::{Error, Result};

const TASK: Task = Task::QuestionAnswering;

/// A run of training.
#[derive(Clone, Copy)]
pub struct QaJob<'a> {
    /// The checkpoint to start from; a head that it lacks starts with random weights.
    pub base: &'a Source,
    /// The questions to learn from.
    pub train: &'a Dataset,
    /// The questions that choose the best weights; without them the last weights are kept.
    pub dev: Option<&'a Dataset>,
    /// How these questions are asked; the threshold is always 0.
    pub dev_options: &'a ReadOptions,
    /// What is learned from beside the gold answers.
    pub teacher: Option<QaTeacher<'a>>,
    /// How inputs are made, and how a teacher counts.
    pub qa: &'a QaSettings,
    /// What the run does.
    pub settings: &'a TrainSettings,
    /// The folder of the result: a checkpoint, and in `state` the state from which the run can be resumed.
    pub out: &'a Path,
    /// Whether to resume from the state in `out`; without one, the run starts from the beginning.
    pub resume: bool,
}

/// What a run learns from beside the gold answers.
#[derive(Clone, Copy)]
pub enum QaTeacher<'a> {
    /// A checkpoint of the same vocabulary, which reads every input too.
    Model(&'a Source),
    /// Saved answers to questions of the training data, of models of any kind. Questions without one learn from their gold
    /// answers alone.
    Answers(&'a TeacherAnswers<'a>),
}

/// Trains. `on_event` may stop the run after any event; the run is then saved and can be resumed.
///
/// # Errors
/// Before the first step: those of settings, data and checkpoints, and [`Error::Conflict`] if `out` holds another
/// checkpoint or run. Later: [`Error::Diverged`] and [`Error::Write`]; files written before remain.
pub fn run(job: &QaJob<'_>, on_event: &mut dyn FnMut(&RunEvent) -> ControlFlow<()>) -> Result<RunOutcome> {
    let QaJob { settings, out, resume, .. } = *job;
    folder::check(out, resume)?;
    let base = Base::open(job.base)?;
    let Base { config, tokenizer, .. } = &base;
    settings.check(config)?;
    job.qa.check()?;
    let separators = base.settings.separators;
    if let Some(dev) = job.dev {
        check_questions(dev, tokenizer, job.dev_options.max_tokens.unwrap_or(config.max_tokens()), separators)?;
    }
    let (teacher, answers) = match job.teacher {
        Some(QaTeacher::Model(source)) => (Some(teacher(source, job, tokenizer, config)?), None),
        Some(QaTeacher::Answers(answers)) => (None, Some(answers)),
        None => (None, None),
    };
    let examples = Examples::new(job.train, tokenizer, config, separators, job.qa, answers, settings.seed)?;
    let identity = state::identity(settings, sources(job, &base.settings)?);
    let model = base.trainable(TASK, settings)?;
    let mut learner = QaLearner { job, base: &base, model, pass: TrainingPass::default(), teacher };
    let layers = config.num_hidden_groups;
    let plan = RunPlan { settings, layers, dev: job.dev.is_some(), out, resume, identity };
    steps::train(plan, &QaInputs { examples, settings }, &mut learner, on_event)
}

/// Checks a checkpoint to start from, and the settings for it, before anything is made for the run.
///
/// # Errors
/// [`Error::Option`] for a setting that is out of its range, and those of loading the checkpoint.
pub fn check_base(source: &Source, settings: &TrainSettings) -> Result<()> {
    let Base { config, .. } = Base::open(source)?;
    settings.check(&config)?;
    Parameters::check(&config, TASK, &Tensors::open(source)?).map(drop)
}

/// Checks a teacher by itself, before anything is made for the run.
///
/// # Errors
/// Those of loading the checkpoint.
pub fn check_teacher(source: &Source) -> Result<()> {
    let config = source.config()?;
    folder::tokenizer(source, &config)?;
    Model::check(&config, TASK, &Tensors::open(source)?)
}

/// Rejects at once the questions that the evaluation would reject hours later.
fn check_questions(dev: &Dataset, tokenizer: &Tokenizer, max_tokens: usize, separators: usize) -> Result<()> {
    let tokens_max = max_tokens.saturating_sub(1 + separators + 1 + 1); // one token of the document at least
    let mut last: Option<(&Paragraph, bool)> = None; // and whether its text is blank
    for (paragraph, question) in dev.questions() {
        let tokens = tokenizer.encode(&question.question)?;
        let is_blank = match last {
            Some((same, is_blank)) if std::ptr::eq(same, paragraph) => is_blank,
            _ => tokenizer.encode(&paragraph.context)?.is_blank(),
        };
        last = Some((paragraph, is_blank));
        let wrong = match tokens.ids.len() {
            _ if tokens.is_blank() => Error::EmptyQuestion,
            _ if is_blank => Error::EmptyDocument,
            tokens if tokens > tokens_max => Error::QuestionTooLong { tokens, tokens_max },
            _ => continue,
        };
        return Err(Error::Question { id: question.id.clone(), source: Box::new(wrong) });
    }
    Ok(())
}

/// The teacher, checked to have the same vocabulary and enough positions for the inputs.
fn teacher(source: &Source, job: &QaJob<'_>, tokenizer: &Tokenizer, config: &Config) -> Result<Model> {
    let theirs = source.config()?;
    let mut their_tokenizer = Tokenizer::load(|name| source.read(name))?;
    their_tokenizer.fit(&theirs)?;
    let separators = ReaderSettings::load(source, their_tokenizer.separators(&theirs))?.separators;
    let own = ReaderSettings::load(job.base, tokenizer.separators(config))?.separators;
    if separators != own {
        let separators = counted(separators, "separator");
        let message = format!("`{source}`: {separators} between question and document, `{}` has {own}", job.base);
        return Err(Error::option("teacher", message));
    }
    if !tokenizer.same_vocabulary(&their_tokenizer) {
        let message = format!("`{source}`: its vocabulary is not that of `{}`", job.base);
        return Err(Error::option("teacher", message));
    }
    let longest = if job.qa.random_positions > 0.0 { config.max_tokens() } else { job.qa.max_tokens };
    if theirs.max_tokens() < longest {
        let has = theirs.max_tokens();
        return Err(Error::option("teacher", format!("`{source}`: it has {has} positions, inputs reach to {longest}")));
    }
    Model::load(theirs, TASK, job.settings.precision, &Tensors::open(source)?)
}

/// Checksums of data and checkpoints, and the settings of their use.
fn sources(job: &QaJob<'_>, own: &ReaderSettings) -> Result<Identity> {
    let data = |dataset: &Dataset| {
        let mut sum = ChecksumWriter(crc32fast::Hasher::new());
        dataset.write(&mut sum).expect("a checksum never fails to write");
        format!("{:08x}", sum.0.finalize())
    };
    let teacher = match job.teacher {
        Some(QaTeacher::Model(source)) => format!("{:08x}", source.checksum()?),
        Some(QaTeacher::Answers(answers)) => format!("answers {:08x}", answers.checksum()),
        None => "none".into(),
    };
    let mut identity = vec![
        ("base", format!("{:08x}", job.base.checksum()?)),
        ("settings of the base", format!("{own:?}")),
        ("training data", data(job.train)),
        ("dev data", job.dev.map_or("none".into(), data)),
        ("dev options", format!("{:?}", job.dev_options)),
        ("teacher", teacher),
    ];
    identity.extend(job.qa.values().into_iter().map(|SettingValue { key, text, .. }| match key {
        "teacher_weight" => (key, format!("{:?}", job.teacher.map(|_| job.qa.teacher_weight))),
        "teacher_temperature" => (key, format!("{:?}", job.teacher.map(|_| job.qa.teacher_temperature))),
        _ => (key, text),
    }));
    Ok(identity)
}

struct ChecksumWriter(crc32fast::Hasher);

impl io::Write for ChecksumWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

struct QaInputs<'a> {
    examples: Examples<'a>,
    settings: &'a TrainSettings,
}

impl Inputs for QaInputs<'_> {
    type Pass = Vec<ExampleKey>;
    type Input = ExampleBatch;

    const NONE: &'static str = "the data give no input to learn from: all were left out by negative_windows";

    fn epoch(&self, epoch: usize) -> Vec<Vec<Vec<ExampleKey>>> {
        let TrainSettings { batch_tokens, pass_tokens, .. } = *self.settings;
        self.examples.epoch(epoch as u64, batch_tokens, pass_tokens).into_iter().map(|plan| plan.passes).collect()
    }

    fn input(&self, pass: &Vec<ExampleKey>) -> Result<Self::Input> {
        self.examples.batch(pass)
    }
}

/// A model that learns to answer questions.
struct QaLearner<'a> {
    job: &'a QaJob<'a>,
    base: &'a Base<'a>,
    model: TrainableModel,
    pass: TrainingPass,
    teacher: Option<Model>,
}

impl Learner for QaLearner<'_> {
    type Input = ExampleBatch;

    fn parameters(&self) -> &Parameters {
        self.model.parameters()
    }

    fn update<R>(&mut self, change: impl FnOnce(&mut Parameters) -> Result<R>) -> Result<R> {
        self.model.update(change)
    }

    fn pass(
        &mut self,
        at: PassPosition,
        ExampleBatch { batch, answers, taught }: &Self::Input,
        gradients: &mut Parameters,
    ) -> Result<PassStats> {
        let settings = self.job.settings;
        let dropout = steps::dropout(settings, at);
        let logits = self.model.forward(batch, dropout, &mut self.pass);
        let QaSettings { teacher_weight: weight, teacher_temperature, .. } = *self.job.qa;
        let computed = match &self.teacher {
            Some(teacher) => Some(teacher_probabilities(batch, &teacher.logits(batch)?, teacher_temperature)),
            None => None,
        };
        let probabilities = computed.as_ref().unwrap_or(taught);
        let (loss, dlogits) = question_answering(batch, &logits, answers, Some(Teacher { probabilities, weight }));
        self.model.backward(batch, &mut self.pass, &dlogits, gradients);
        let flop = flop(&self.base.config, batch, settings.frozen_layers);
        Ok(PassStats { loss, terms: batch.sequences(), sequences: batch.sequences(), tokens: batch.tokens(), flop })
    }

    fn evaluate(&self, weights: &Parameters) -> Result<(f64, DevFigures)> {
        let dev = self.job.dev.expect("a run without questions for them has no evaluations");
        let Base { source, config, settings, .. } = self.base;
        let model = Model::from_parameters(config.clone(), TASK, self.job.settings.precision, weights)?;
        let reader = Reader::from_parts(folder::tokenizer(source, config)?, model, settings.clone())?;
        let options =
            ReadOptions { threshold: Some(0.0), abstain: None, verify_tokens: Some(0), ..self.job.dev_options.clone() };
        evaluate(&reader, dev, &options)
    }

    fn keep(&self, weights: &Parameters) -> Result<()> {
        self.base.keep(TASK, weights, self.job.out)
    }
}

/// Floating-point operations of the matrix products of a step over a batch: forward, and twice as many backward in the
/// layers that are trained.
///
/// Global attention counts in the plain form of training, which inference does not use. A query counts the keys of a whole
/// window, also near an end of its sequence.
pub fn flop(config: &Config, batch: &Batch, frozen_layers: usize) -> f64 {
    let (c, f) = (config.hidden_size as f64, config.intermediate_size as f64);
    // Multiplications of a token in a layer: projections, the output of attention, the feed-forward.
    let globals_of = |s: usize| if config.is_long { batch.globals(s).len() } else { 0 };
    let has_globals = (0..batch.sequences()).any(|s| globals_of(s) > 0);
    let linear = (if has_globals { 6.0 } else { 4.0 }) * c * c + 2.0 * c * f;
    let layer = |(layer, &window): (usize, &usize)| {
        let mut multiplications = linear * batch.tokens() as f64;
        for s in 0..batch.sequences() {
            let (tokens, globals) = (batch.range(s).len(), globals_of(s));
            let keys = (tokens * tokens.min(window + 1 + globals) + globals * tokens) as f64; // of all queries
            multiplications += 2.0 * c * keys + globals as f64 * c * c;
        }
        let times = if layer < frozen_layers { 1.0 } else { 3.0 };
        2.0 * times * multiplications
    };
    config.attention_window.iter().enumerate().map(layer).sum()
}

/// Asks all questions. Gives the F1 at the threshold of the options, and the measurements.
fn evaluate(reader: &Reader, dev: &Dataset, options: &ReadOptions) -> Result<(f64, DevFigures)> {
    let mut scored = Vec::new();
    ask(reader, &Asked::all(dev), std::slice::from_ref(options), &mut |asked, outcomes, _| -> Result<()> {
        scored.extend(outcomes?.into_iter().map(|outcome| Scored::new(asked, outcome)));
        Ok(())
    })?;
    let predicted: std::collections::HashMap<&str, &str> =
        scored.iter().map(|scored| (scored.asked.question.id.as_str(), scored.predicted_text())).collect();
    let mut figures = Scores::of(dev, |id| predicted.get(id).copied()).figures();
    figures.extend(ranking(&scored).figures());
    let figure = |key: &str| figures.iter().find(|(name, _)| name == key).and_then(|(_, value)| value.as_f64());
    let figures = DevFigures::of(&[
        ("exact", figure("exact")),
        ("f1", figure("f1")),
        ("has_answer_f1", figure("HasAns_f1")),
        ("no_answer_f1", figure("NoAns_f1")),
        ("best_f1", figure("best_f1")),
        ("best_f1_thresh", figure("best_f1_thresh")),
    ]);
    Ok((figures.get("f1").unwrap_or_default(), figures))
}

#[cfg(test)]
mod tests {
    use std::sync::LazyLock;

    use super::*;
    use crate::evaluate::teacher_answer_line;
    use crate::reader::{Calibration, GlobalAttention, Logistic, SpanList};
    use crate::squad::{Article, Gold, SquadQuestion};
    use crate::tokenizer::ByteSpan;

    const EMBEDDED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../models/embedded");

    fn dataset(questions: &[(&str, &str)], context: &str) -> Dataset {
        let question = |&(question, answer): &(&str, &str)| SquadQuestion {
            id: question.into(),
            question: question.into(),
            answers: context
                .match_indices(answer)
                .take(usize::from(!answer.is_empty()))
                .map(|(start, text)| Gold {
                    text: text.into(),
                    bytes: Some(ByteSpan { start, end: start + text.len() }),
                })
                .collect(),
            is_impossible: answer.is_empty(),
        };
        let paragraph = Paragraph { context: context.into(), questions: questions.iter().map(question).collect() };
        Dataset { articles: vec![Article { title: String::new(), paragraphs: vec![paragraph] }] }
    }

    #[test]
    fn unusable_dev_questions_are_named_before_the_first_step() {
        let base = Source::Folder(EMBEDDED.into());
        let tokenizer = folder::tokenizer(&base, &base.config().unwrap()).unwrap();
        for (question, context, max_tokens, message) in [
            ("Where is it?", "Here.", 9, ""),
            ("Where is it?", "Here.", 8, "question `Where is it?`: the question has 4 tokens, at most 3"),
            (" ", "Here.", 100, "the question is empty"),
            ("Where?", " \n", 100, "the document is empty"),
        ] {
            match check_questions(&dataset(&[(question, "")], context), &tokenizer, max_tokens, 2) {
                Ok(()) => assert_eq!(message, ""),
                Err(error) => assert!(error.to_string().contains(message) && !message.is_empty(), "{error}"),
            }
        }
    }

    fn data() -> Dataset {
        dataset(&[("Where?", "Here")], "Here.")
    }

    const BASE: Source = Source::Memory(&[("model.safetensors", b"weights")]);

    fn job<'a>(train: &'a Dataset, dev_options: &'a ReadOptions, qa: &'a QaSettings) -> QaJob<'a> {
        static SETTINGS: LazyLock<TrainSettings> = LazyLock::new(TrainSettings::default); // not part of the sources
        let (base, settings, out) = (&BASE, &*SETTINGS, Path::new("out"));
        QaJob { base, train, dev: None, dev_options, teacher: None, qa, settings, out, resume: false }
    }

    /// Compares the identity of a run's sources, one entry a line. `--resume` continues a run that an earlier version began
    /// only if none of these texts changes. A new setting adds a line here and so refuses all earlier states, and so does a
    /// renamed field or another derived `Debug`: the commit says so.
    fn check_identity(job: &QaJob<'_>, own: &ReaderSettings, expected: &str) {
        let found = sources(job, own).unwrap();
        let found: String = found.iter().map(|(key, text)| format!("{key}: {text}\n")).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn the_identity_of_the_default_settings_is_kept() {
        let expected = "base: 5fdb3d15\n\
            settings of the base: ReaderSettings { null_score_diff_threshold: 0.0, abstain: {}, max_answer_length: 30, \
            respect_borders: false, separators: 2, verify_tokens: 0, calibration: None }\n\
            training data: 6e2b3c13\n\
            dev data: none\n\
            dev options: ReadOptions { max_tokens: None, doc_stride: None, max_answer_length: None, \
            respect_borders: None, threshold: None, abstain: None, verify_tokens: None, spans: Top(1), endpoints: 0, global_attention: Question }\n\
            teacher: none\nteacher_weight: None\nteacher_temperature: None\n\
            max_tokens: 4096\ndoc_stride: None\nlong_share: 0.0\ncontext_tokens: 512..=4096\nrandom_positions: 0.0\n\
            negative_windows: 1.0\n";
        let (train, dev_options, qa) = (data(), ReadOptions::default(), QaSettings::default());
        check_identity(&job(&train, &dev_options, &qa), &ReaderSettings::default(), expected);
    }

    #[test]
    fn the_identity_of_other_settings_is_kept() {
        let logistic = |logit| Logistic { logit, ln_tokens: -0.25, constant: 1e-7 };
        let (score, no_answer_score, fitted_on) = (logistic(0.6), logistic(1.0), "SQuAD".into());
        let own = ReaderSettings {
            null_score_diff_threshold: -1.5,
            calibration: Some(Calibration { score, no_answer_score, fitted_on }),
            ..Default::default()
        };
        let dev_options = ReadOptions {
            max_tokens: Some(512),
            doc_stride: Some(0),
            max_answer_length: Some(20),
            respect_borders: Some(true),
            threshold: Some(f64::INFINITY),
            abstain: None,
            verify_tokens: Some(256),
            spans: SpanList::All(7),
            endpoints: 0,
            global_attention: GlobalAttention::List(vec![0, 5]),
        };
        let qa = QaSettings { doc_stride: Some(128), context_tokens: 8..=9, ..Default::default() };
        let expected = "base: 5fdb3d15\n\
            settings of the base: ReaderSettings { null_score_diff_threshold: -1.5, abstain: {}, max_answer_length: 30, \
            respect_borders: false, separators: 2, verify_tokens: 0, calibration: Some(Calibration { score: Logistic { logit: 0.6, ln_tokens: -0.25, \
            constant: 1e-7 }, no_answer_score: Logistic { logit: 1.0, ln_tokens: -0.25, constant: 1e-7 }, fitted_on: \
            \"SQuAD\" }) }\n\
            training data: 6e2b3c13\n\
            dev data: 6e2b3c13\n\
            dev options: ReadOptions { max_tokens: Some(512), doc_stride: Some(0), max_answer_length: Some(20), \
            respect_borders: Some(true), threshold: Some(inf), abstain: None, verify_tokens: Some(256), spans: All(7), endpoints: 0, global_attention: List([0, 5]) \
            }\n\
            teacher: 5fdb3d15\nteacher_weight: Some(0.5)\nteacher_temperature: Some(1.0)\n\
            max_tokens: 4096\ndoc_stride: Some(128)\nlong_share: 0.0\ncontext_tokens: 8..=9\nrandom_positions: 0.0\n\
            negative_windows: 1.0\n";
        let train = data();
        let job = QaJob { dev: Some(&train), teacher: Some(QaTeacher::Model(&BASE)), ..job(&train, &dev_options, &qa) };
        check_identity(&job, &own, expected);
    }

    /// The loss of a student that is its own teacher is the entropy of the teacher, where it is least.
    #[test]
    fn a_model_has_nothing_to_learn_from_its_own_answers() {
        let base = Source::Folder(EMBEDDED.into());
        let reader = Reader::from_source(&base, crate::Precision::F32).unwrap();
        let context = "The Shuttleworth locomotive was built in Lincoln. It first ran in 1848.";
        let questions =
            [("Where was it built?", "Lincoln"), ("Who painted the ceiling?", ""), ("When?", "ran in 1848")];
        let data = dataset(&questions, context);
        let options = ReadOptions { endpoints: 99, ..ReadOptions::default() };
        let mut lines = String::new();
        ask(&reader, &Asked::all(&data), &[options], &mut |asked, outcomes, _| -> Result<()> {
            let whole = ByteSpan { start: 0, end: context.len() };
            let endpoints = outcomes?.remove(0).answer.endpoints.expect("endpoints that were asked for");
            lines += &(teacher_answer_line(&asked.question.id, context, whole, &endpoints) + "\n");
            Ok(())
        })
        .unwrap();
        let mut answers = TeacherAnswers::new(&data);
        answers.add("f", lines.as_bytes()).unwrap();

        let (config, separators) = (reader.model().config(), reader.settings().separators);
        let qa = QaSettings { max_tokens: 512, ..QaSettings::default() };
        let examples = Examples::new(&data, reader.tokenizer(), config, separators, &qa, Some(&answers), 1).unwrap();
        let ExampleBatch { batch, answers, taught } = examples.batch(&examples.keys(0)).unwrap();
        let logits = reader.model().logits(&batch).unwrap();
        let learn = |weight: f64| {
            let teacher = Teacher { probabilities: &taught, weight };
            let (loss, dlogits) = question_answering(&batch, &logits, &answers, Some(teacher));
            (loss, dlogits.iter().map(|d| f64::from(*d).powi(2)).sum::<f64>().sqrt())
        };
        let entropy = taught.iter().flatten().flatten().filter(|p| **p > 0.0).map(|p| -p * p.ln() / 2.0).sum::<f64>();
        let ((loss, norm), (_, norm_of_gold)) = (learn(1.0), learn(0.0));
        println!("loss {loss}, entropy {entropy}, gradient {norm}, that of the gold answers {norm_of_gold}");
        // What the tokens of the question take is all that differs.
        assert!((0.0..0.01 * entropy).contains(&(loss - entropy)), "a loss of {loss}, an entropy of {entropy}");
        assert!(norm < 0.01 * norm_of_gold, "a gradient of {norm}, that of the gold answers is {norm_of_gold}");
    }

    #[test]
    fn operations_are_counted() {
        let config = Source::Folder(EMBEDDED.into()).config().unwrap();
        let ids = [1; 100];
        let batch = Batch::of(crate::model::Sequence { ids: &ids, token_type_ids: None, globals: &[0] });
        let local = (6.0 * 384.0 * 384.0 + 2.0 * 384.0 * 1536.0 + 2.0 * 384.0 * 100.0) * 100.0;
        let forward = 2.0 * (local + 2.0 * 384.0 * 100.0 + 384.0 * 384.0);
        assert_eq!(flop(&config, &batch, 0), 6.0 * 3.0 * forward);
        assert_eq!(flop(&config, &batch, 6), 6.0 * forward);
        let batch = Batch::of(crate::model::Sequence { ids: &ids, token_type_ids: None, globals: &[] });
        let forward = 2.0 * (4.0 * 384.0 * 384.0 + 2.0 * 384.0 * 1536.0 + 2.0 * 384.0 * 100.0) * 100.0;
        assert_eq!(flop(&config, &batch, 0), 6.0 * 3.0 * forward);
    }

    #[test]
    fn the_kept_checkpoint_reads_back_and_can_be_evaluated() {
        let base = Source::Folder(EMBEDDED.into());
        let config = base.config().unwrap();
        let weights = Parameters::load(&config, TASK, &Tensors::open(&base).unwrap(), 1).unwrap();
        let temporary = tempfile::tempdir().unwrap();
        let out = temporary.path().join("out");
        folder::check(&out, false).unwrap();
        let mut opened = Base::open(&base).unwrap();
        opened.settings.max_answer_length = 20;
        opened.keep(TASK, &weights, &out).unwrap();
        assert!(folder::check(&out, true).unwrap_err().to_string().contains("a checkpoint is here already"));
        std::fs::create_dir(out.join(state::FOLDER)).unwrap();
        assert!(folder::check(&out, true).is_ok());
        assert!(folder::check(&out, false).unwrap_err().to_string().contains("a run was begun here"));

        let kept = Source::Folder(out);
        assert_eq!(kept.config().unwrap(), config);
        let again = Parameters::load(&config, TASK, &Tensors::open(&kept).unwrap(), 1).unwrap();
        assert!(again == weights);
        let settings = ReaderSettings::load(&kept, opened.tokenizer.separators(&config)).unwrap();
        let expected = ReaderSettings { max_answer_length: 20, respect_borders: true, ..Default::default() };
        assert_eq!(settings, expected);

        let reader = Reader::from_source(&kept, crate::Precision::F32).unwrap();
        let context = "The Shuttleworth locomotive was built in Lincoln. It first ran in 1848.";
        let questions = [("Where was the locomotive built?", "Lincoln"), ("Who painted the ceiling?", "")];
        let dev = dataset(&questions, context);
        let options = ReadOptions { threshold: Some(0.0), ..Default::default() };
        let (score, figures) = evaluate(&reader, &dev, &options).unwrap();
        assert_eq!(score, 100.0);
        for name in ["exact", "f1", "has_answer_f1", "no_answer_f1", "best_f1"] {
            assert_eq!(figures.get(name), Some(100.0), "{name}");
        }
    }
}

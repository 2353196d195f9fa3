//! A run: checks everything first, trains, and keeps the best weights as a checkpoint that Hugging Face loads too.

use std::io;
use std::ops::ControlFlow;
use std::path::Path;

use super::examples::{Examples, Place};
use super::loss::{Golds, Teacher, question_answering};
use super::state::{self, Identity};
use super::steps::{self, Course, Inputs, Learner, Outcome, Passed};
use super::{DataSettings, Event, Figures, Settings, Trained, folder};
use crate::checkpoint::{Source, Tensors};
use crate::config::Config;
use crate::evaluate::{Asked, Scored, ask, ranking};
use crate::model::{Batch, Model, Parameters, Task, TrainableModel, TrainingPass};
use crate::reader::{ReadOptions, Reader, ReaderSettings};
use crate::squad::metrics::Scores;
use crate::squad::{Dataset, Paragraph};
use crate::tokenizer::Tokenizer;
use crate::{Error, Result};

const TASK: Task = Task::QuestionAnswering;

/// What is to be trained on what.
#[derive(Clone, Copy)]
pub struct Job<'a> {
    /// The checkpoint to begin with; a head that it lacks begins anew.
    pub base: &'a Source,
    /// The questions to learn from.
    pub train: &'a Dataset,
    /// The questions that say which weights are the best; without them the last ones are kept.
    pub dev: Option<&'a Dataset>,
    /// How those are asked; the threshold is 0 whatever it says.
    pub dev_options: &'a ReadOptions,
    /// A larger model that is learnt from too.
    pub teacher: Option<Teaching<'a>>,
    /// How inputs are made.
    pub data: &'a DataSettings,
    /// What is done with them.
    pub settings: &'a Settings,
    /// The folder of the result: a checkpoint, and in `state` what the run can go on from.
    pub out: &'a Path,
    /// Whether it goes on from the state in `out`; it begins anew where there is none.
    pub resume: bool,
}

/// A model whose logits are learnt from.
#[derive(Clone, Copy)]
pub struct Teaching<'a> {
    /// A checkpoint of the same vocabulary.
    pub source: &'a Source,
    /// How much its answers count beside those of the data: 0 to 1.
    pub weight: f64,
}

/// Trains. `watch` is told of every step and may end the run after it: it is saved then and can go on.
///
/// # Errors
/// Before the first step: what is wrong with settings, data and checkpoints, an `out` that holds another checkpoint or run.
/// Later: [`Error::Diverged`], and [`Error::Write`]; what was written before is there still.
pub fn run(job: &Job<'_>, watch: &mut dyn FnMut(&Event) -> ControlFlow<()>) -> Result<Outcome> {
    let Job { base, settings, .. } = *job;
    folder::check(job.out, job.resume)?;
    let config = base.config()?;
    settings.check(&config)?;
    let own = ReaderSettings::load(base)?;
    let tokenizer = folder::tokenizer(base, &config)?;
    if let Some(dev) = job.dev {
        check_questions(dev, &tokenizer, job.dev_options.max_tokens.unwrap_or(config.max_tokens()), own.separators)?;
    }
    let teacher = job.teacher.map(|teaching| teacher(teaching, job, &tokenizer, &config)).transpose()?;
    let examples = Examples::new(job.train, &tokenizer, &config, own.separators, job.data, settings.seed)?;
    let identity = state::identity(settings, sources(job, &own)?);
    let tensors = Tensors::open(base)?;
    if settings.trained == Trained::Positions && tensors.get("qa_outputs.weight")?.is_none() {
        return Err(Error::option("train_only", "positions: the model has no head for question answering"));
    }
    let parameters = Parameters::load(&config, TASK, &tensors, settings.seed)?;
    let trainable = steps::trainable(settings, &config, TASK, parameters)?;
    let layers = config.num_hidden_layers;
    let mut learner = Reading { job, config, own, trainable, pass: TrainingPass::default(), teacher };
    let course = Course { settings, layers, dev: job.dev.is_some(), out: job.out, resume: job.resume, identity };
    steps::train(course, &Data { examples, settings }, &mut learner, watch)
}

/// What the evaluation would reject, hours later.
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

/// The teacher's model, once it is sure that the student's inputs mean the same to it.
fn teacher(teaching: Teaching<'_>, job: &Job<'_>, tokenizer: &Tokenizer, config: &Config) -> Result<(Model, f64)> {
    let Teaching { source, weight } = teaching;
    if !(0.0..=1.0).contains(&weight) {
        return Err(Error::option("teacher_weight", format!("{weight}: expected 0 to 1")));
    }
    let theirs = source.config()?;
    if !tokenizer.same_vocabulary(&Tokenizer::load(|name| source.read(name))?) {
        let message = format!("`{source}`: its vocabulary is not that of `{}`", job.base);
        return Err(Error::option("teacher", message));
    }
    let longest = if job.data.random_positions > 0.0 { config.max_tokens() } else { job.data.max_tokens };
    if theirs.max_tokens() < longest {
        let has = theirs.max_tokens();
        return Err(Error::option("teacher", format!("`{source}`: it has {has} positions, inputs reach to {longest}")));
    }
    Ok((Model::load(theirs, TASK, job.settings.precision, &Tensors::open(source)?)?, weight))
}

/// Checksums of data and checkpoints, and how inputs are made of them.
fn sources(job: &Job<'_>, own: &ReaderSettings) -> Result<Identity> {
    let data = |dataset: &Dataset| {
        let mut sum = Sum(crc32fast::Hasher::new());
        dataset.write(&mut sum).expect("a sum takes everything");
        format!("{:08x}", sum.0.finalize())
    };
    let teacher = job.teacher.map(|teaching| teaching.source.checksum()).transpose()?;
    let teacher_weight = job.teacher.map(|teaching| teaching.weight);
    let mut identity = vec![
        ("base", format!("{:08x}", job.base.checksum()?)),
        // By the name that it has in the states of older versions.
        ("settings of the base", format!("{own:?}").replacen("ReaderSettings", "Settings", 1)),
        ("training data", data(job.train)),
        ("dev data", job.dev.map_or("none".into(), data)),
        ("dev options", format!("{:?}", job.dev_options)),
        ("teacher", teacher.map_or("none".into(), |sum| format!("{sum:08x}"))),
        ("teacher_weight", format!("{teacher_weight:?}")),
    ];
    // Every field by name: none can be forgotten.
    let DataSettings { max_tokens, doc_stride, long_share, context_tokens, random_positions, negative_windows } =
        job.data;
    identity.extend([
        ("max_tokens", format!("{max_tokens:?}")),
        ("doc_stride", format!("{doc_stride:?}")),
        ("long_share", format!("{long_share:?}")),
        ("context_tokens", format!("{context_tokens:?}")),
        ("random_positions", format!("{random_positions:?}")),
        ("negative_windows", format!("{negative_windows:?}")),
    ]);
    Ok(identity)
}

struct Sum(crc32fast::Hasher);

impl io::Write for Sum {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

struct Data<'a> {
    examples: Examples<'a>,
    settings: &'a Settings,
}

impl Inputs for Data<'_> {
    type Pass = Vec<Place>;
    type Input = (Batch, Vec<Golds>);

    const NONE: &'static str = "the data give no input to learn from: all were left out by negative_windows";

    fn epoch(&self, epoch: usize) -> Vec<Vec<Vec<Place>>> {
        let Settings { batch_tokens, pass_tokens, .. } = *self.settings;
        self.examples.epoch(epoch as u64, batch_tokens, pass_tokens).into_iter().map(|plan| plan.passes).collect()
    }

    fn input(&self, pass: &Vec<Place>) -> Result<Self::Input> {
        self.examples.batch(pass)
    }
}

/// A model that learns to read.
struct Reading<'a> {
    job: &'a Job<'a>,
    config: Config,
    /// The base's own settings.
    own: ReaderSettings,
    trainable: TrainableModel,
    pass: TrainingPass,
    /// And how much its answers count.
    teacher: Option<(Model, f64)>,
}

impl Learner for Reading<'_> {
    type Input = (Batch, Vec<Golds>);

    fn parameters(&self) -> &Parameters {
        self.trainable.parameters()
    }

    fn update<R>(&mut self, change: impl FnOnce(&mut Parameters) -> Result<R>) -> Result<R> {
        self.trainable.update(change)
    }

    fn pass(
        &mut self,
        place: (usize, usize),
        (batch, golds): &Self::Input,
        gradients: &mut Parameters,
    ) -> Result<Passed> {
        let settings = self.job.settings;
        let dropout = steps::dropout(settings, place);
        let logits = self.trainable.forward(batch, dropout, &mut self.pass);
        let taught = self.teacher.as_ref().map(|(teacher, weight)| Ok::<_, Error>((teacher.logits(batch)?, *weight)));
        let taught = taught.transpose()?;
        let taught = taught.as_ref().map(|(logits, weight)| Teacher { logits, weight: *weight });
        let (loss, dlogits) = question_answering(batch, &logits, golds, taught);
        self.trainable.backward(batch, &mut self.pass, &dlogits, gradients);
        let flop = flop(&self.config, batch, settings.trained.frozen_layers());
        Ok(Passed { loss, terms: batch.sequences(), sequences: batch.sequences(), tokens: batch.tokens(), flop })
    }

    fn evaluate(&self, weights: &Parameters) -> Result<(f64, Figures)> {
        let dev = self.job.dev.expect("evaluations are for runs with questions for them");
        let model = Model::from_parameters(self.config.clone(), TASK, self.job.settings.precision, weights)?;
        let reader = Reader::from_parts(folder::tokenizer(self.job.base, &self.config)?, model, self.own.clone())?;
        let options = ReadOptions {
            null_score_diff_threshold: Some(0.0),
            verify_tokens: Some(0),
            ..self.job.dev_options.clone()
        };
        evaluate(&reader, dev, &options)
    }

    fn keep(&self, weights: &Parameters) -> Result<()> {
        folder::keep(self.job.base, &self.own, &self.config, TASK, weights, self.job.out)
    }
}

/// Floating-point operations of the products of a step over a batch: forward, and twice that backward in layers that are
/// trained.
pub fn flop(config: &Config, batch: &Batch, frozen_layers: usize) -> f64 {
    let (c, f) = (config.hidden_size as f64, config.intermediate_size as f64);
    // Multiplications of a token in a layer: projections, the output of attention, the feed-forward.
    let linear = (batch.projections() as f64 + 1.0) * c * c + 2.0 * c * f;
    let layer = |(layer, &window): (usize, &usize)| {
        let mut multiplications = linear * batch.tokens() as f64;
        for s in 0..batch.sequences() {
            let (tokens, globals) = (batch.range(s).len(), batch.globals(s).len());
            let keys = (tokens * tokens.min(window + 1 + globals) + globals * tokens) as f64; // of all queries
            multiplications += 2.0 * c * keys + globals as f64 * c * c;
        }
        let times = if layer < frozen_layers { 1.0 } else { 3.0 };
        2.0 * times * multiplications
    };
    config.attention_window.iter().enumerate().map(layer).sum()
}

/// Asks all questions.
fn evaluate(reader: &Reader, dev: &Dataset, options: &ReadOptions) -> Result<(f64, Figures)> {
    let mut scored = Vec::new();
    ask(reader, &Asked::all(dev), options, &mut |asked, outcome, _| -> Result<()> {
        scored.push(Scored::new(asked, outcome?));
        Ok(())
    })?;
    let said: std::collections::HashMap<&str, &str> =
        scored.iter().map(|scored| (scored.asked.question.id.as_str(), scored.predicted_text())).collect();
    let mut figures = Scores::of(dev, |id| said.get(id).copied()).figures();
    figures.extend(ranking(&scored).figures());
    let figure = |key: &str| figures.iter().find(|(name, _)| name == key).and_then(|(_, value)| value.as_f64());
    let figures = Figures::of(&[
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
    use super::*;
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
                .map(|(start, text)| Gold { text: text.into(), bytes: ByteSpan { start, end: start + text.len() } })
                .collect(),
            is_impossible: answer.is_empty(),
        };
        let paragraph = Paragraph { context: context.into(), questions: questions.iter().map(question).collect() };
        Dataset { articles: vec![Article { title: String::new(), paragraphs: vec![paragraph] }] }
    }

    #[test]
    fn questions_that_cannot_be_asked_are_named_before_the_first_step() {
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

    #[test]
    fn operations_are_counted() {
        let config = Source::Folder(EMBEDDED.into()).config().unwrap();
        let ids = [1; 100];
        let batch = Batch::of(crate::model::Sequence { ids: &ids, token_type_ids: &[], globals: &[0] });
        let local = (6.0 * 384.0 * 384.0 + 2.0 * 384.0 * 1536.0 + 2.0 * 384.0 * 100.0) * 100.0;
        let forward = 2.0 * (local + 2.0 * 384.0 * 100.0 + 384.0 * 384.0);
        assert_eq!(flop(&config, &batch, 0), 6.0 * 3.0 * forward);
        assert_eq!(flop(&config, &batch, 6), 6.0 * forward);
        let batch = Batch::of(crate::model::Sequence { ids: &ids, token_type_ids: &[], globals: &[] });
        let forward = 2.0 * (4.0 * 384.0 * 384.0 + 2.0 * 384.0 * 1536.0 + 2.0 * 384.0 * 100.0) * 100.0;
        assert_eq!(flop(&config, &batch, 0), 6.0 * 3.0 * forward);
    }

    #[test]
    fn what_is_kept_is_a_checkpoint_and_is_evaluated_as_its_base() {
        let base = Source::Folder(EMBEDDED.into());
        let config = base.config().unwrap();
        let weights = Parameters::load(&config, TASK, &Tensors::open(&base).unwrap(), 1).unwrap();
        let temporary = tempfile::tempdir().unwrap();
        let out = temporary.path().join("out");
        folder::check(&out, false).unwrap();
        let own = ReaderSettings { max_answer_length: 20, ..ReaderSettings::load(&base).unwrap() };
        folder::keep(&base, &own, &config, TASK, &weights, &out).unwrap();
        assert!(folder::check(&out, true).unwrap_err().to_string().contains("a checkpoint is here already"));
        std::fs::create_dir(out.join(state::FOLDER)).unwrap();
        assert!(folder::check(&out, true).is_ok());
        assert!(folder::check(&out, false).unwrap_err().to_string().contains("a run was begun here"));

        let kept = Source::Folder(out);
        assert_eq!(kept.config().unwrap(), config);
        let again = Parameters::load(&config, TASK, &Tensors::open(&kept).unwrap(), 1).unwrap();
        assert!(again == weights);
        let settings = ReaderSettings::load(&kept).unwrap();
        assert_eq!(settings, ReaderSettings { max_answer_length: 20, ..Default::default() });

        let reader = Reader::from_source(&kept, crate::Precision::F32).unwrap();
        let context = "The Shuttleworth locomotive was built in Lincoln. It first ran in 1848.";
        let questions = [("Where was the locomotive built?", "Lincoln"), ("Who painted the ceiling?", "")];
        let dev = dataset(&questions, context);
        let options = ReadOptions { null_score_diff_threshold: Some(0.0), ..Default::default() };
        let (score, figures) = evaluate(&reader, &dev, &options).unwrap();
        assert_eq!(score, 100.0);
        for name in ["exact", "f1", "has_answer_f1", "no_answer_f1", "best_f1"] {
            assert_eq!(figures.get(name), Some(100.0), "{name}");
        }
    }
}

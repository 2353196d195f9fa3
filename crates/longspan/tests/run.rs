//! Whole runs of training on a tiny model: the model learns, and a run that was stopped and resumed gives the same weights
//! as one that was not.

use std::fs;
use std::ops::ControlFlow;
use std::path::Path;

use longspan::checkpoint::{Source, Tensors, write_checkpoint};
use longspan::config::Config;
use longspan::evaluate::{TeacherAnswers, teacher_answer_line};
use longspan::model::{Parameters, Task};
use longspan::pretrain::{self, Measuring, MlmSettings, TokenFile, has_head, measure, source_tokens};
use longspan::squad::{Dataset, Paragraph, SquadQuestion};
use longspan::tokenizer::{ByteSpan, Tokenizer};
use longspan::train::{QaJob, QaSettings, QaTeacher, RunEnd, RunEvent, RunOutcome, TrainOnly, TrainSettings, run};
use longspan::{Error, Precision, ReadOptions, Reader, random};

const NAMES: [&str; 8] = ["ada", "bea", "cleo", "dora", "emma", "fay", "gwen", "hana"];
const THINGS: [&str; 8] = ["pump", "mill", "boat", "lamp", "door", "well", "kiln", "gate"];

/// A base without a head: `[CLS]`, `[SEP]` and words.
fn base(folder: &Path) -> Source {
    let words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "who", "made", "the", "?", "."];
    let words: Vec<&str> = words.into_iter().chain(NAMES).chain(THINGS).collect();
    let json = format!(
        r#"{{"model_type": "longformer", "vocab_size": {}, "hidden_size": 32, "num_hidden_layers": 2,
        "num_attention_heads": 2, "intermediate_size": 64, "max_position_embeddings": 65, "type_vocab_size": 2,
        "pad_token_id": 0, "attention_window": 16, "layer_norm_eps": 1e-5}}"#,
        words.len()
    );
    let config = Config::from_json(json.as_bytes()).unwrap();
    let mut weights = Parameters::zeros(&config, Task::Encoder);
    let list = weights.list().to_vec();
    for parameter in &list {
        let values = &mut weights.values_mut()[parameter.range()];
        if parameter.name.ends_with("LayerNorm.weight") {
            values.fill(1.0);
        } else if parameter.shape.len() > 1 {
            for (i, value) in values.iter_mut().enumerate() {
                *value = 0.2 * (random::fraction(7, &[(parameter.offset + i) as u64]) as f32 - 0.5);
            }
        }
    }
    fs::create_dir_all(folder).unwrap();
    fs::write(folder.join("vocab.txt"), words.join("\n")).unwrap();
    let tensors: Vec<_> = list.iter().map(|p| (p.name.as_str(), &p.shape[..], &weights.values()[p.range()])).collect();
    let source = Source::Folder(folder.to_owned());
    write_checkpoint(folder, &config, &tensors, &source).unwrap();
    source
}

/// Documents of three sentences. The questions ask who made each thing of a document, and one thing that it lacks.
fn dataset(name: &str, documents: usize) -> Dataset {
    let mut paragraphs = Vec::new();
    for d in 0..documents {
        let draw = |place: u64| random::number(3, &[d as u64, name.len() as u64, place]) as usize;
        let first = draw(9) % 5;
        let sentence = |i: usize| format!("{} made the {} .", NAMES[draw(i as u64) % 8], THINGS[first + i]);
        let context = (0..3).map(sentence).collect::<Vec<_>>().join(" ");
        let question = |i: usize| {
            let end = context.find(&format!("made the {}", THINGS[(first + i) % 8]));
            let answers = end.map(|end| {
                let start = context[..end - 1].rfind(' ').map_or(0, |space| space + 1);
                format!(r#"{{"text": "{}", "answer_start": {start}}}"#, &context[start..end - 1])
            });
            let (thing, answers) = (THINGS[(first + i) % 8], answers.unwrap_or_default());
            format!(r#"{{"id": "{name}{d}-{i}", "question": "who made the {thing} ?", "answers": [{answers}]}}"#)
        };
        let questions = (0..4).map(question).collect::<Vec<_>>().join(", ");
        paragraphs.push(format!(r#"{{"context": "{context}", "qas": [{questions}]}}"#));
    }
    let json = format!(r#"{{"data": [{{"paragraphs": [{}]}}]}}"#, paragraphs.join(", "));
    Dataset::parse(name, json.as_bytes()).unwrap()
}

fn settings() -> TrainSettings {
    TrainSettings {
        precision: Precision::F32,
        epochs: 3.0,
        batch_tokens: 256,
        pass_tokens: 128,
        dev_every: 20,
        save_every: 7,
        learning_rate: 3e-3,
        average_decay: 0.9,
        ..Default::default()
    }
}

fn qa() -> QaSettings {
    QaSettings { max_tokens: 64, random_positions: 0.3, context_tokens: 16..=64, ..Default::default() }
}

/// Runs until this step, or to the end.
fn go(job: &QaJob<'_>, stop: Option<usize>) -> (longspan::Result<RunOutcome>, Vec<RunEvent>) {
    let mut events = Vec::new();
    let outcome = run(job, &mut |event| {
        events.push(event.clone());
        match event {
            RunEvent::Step(report) if Some(report.step) == stop => ControlFlow::Break(()),
            _ => ControlFlow::Continue(()),
        }
    });
    (outcome, events)
}

fn weights(folder: &Path) -> Vec<u8> {
    fs::read(folder.join("model.safetensors")).unwrap()
}

#[test]
fn a_run_learns_and_resumes_where_it_stopped() {
    let folder = tempfile::tempdir().unwrap();
    let base = base(&folder.path().join("base"));
    let (train, dev, settings) = (dataset("train", 48), dataset("dev", 6), settings());
    let (whole, parts) = (folder.path().join("whole"), folder.path().join("parts"));
    let dev_options = ReadOptions::default();
    let job = QaJob {
        base: &base,
        train: &train,
        dev: Some(&dev),
        dev_options: &dev_options,
        teacher: None,
        qa: &qa(),
        settings: &settings,
        out: &whole,
        resume: false,
    };
    let (outcome, events) = go(&job, None);
    let outcome = outcome.unwrap();
    assert_eq!(outcome.end, RunEnd::Done);
    let losses: Vec<f64> = events
        .iter()
        .filter_map(|event| match event {
            RunEvent::Step(report) => Some(report.loss),
            _ => None,
        })
        .collect();
    assert_eq!(losses.len(), outcome.steps);
    let mean = |losses: &[f64]| losses.iter().sum::<f64>() / losses.len() as f64;
    let (first, last) = (mean(&losses[..8]), mean(&losses[losses.len() - 8..]));
    assert!(last < 0.8 * first, "the loss went from {first} to {last}");

    // The result is a checkpoint with a head, which a reader can open.
    let reader = Reader::from_source(&Source::Folder(whole.clone()), Precision::F32).unwrap();
    assert_eq!(reader.model().config().architecture.as_deref(), Some("LongformerForQuestionAnswering"));
    let tensors = Tensors::open(&Source::Folder(whole.clone())).unwrap();
    assert!(tensors.get("qa_outputs.weight").unwrap().is_some());

    // The same run, stopped several times and resumed on other numbers of threads.
    let mut steps = 0;
    for (stop, threads) in [(Some(5), 1), (Some(20), 3), (Some(29), 2), (None, 1)] {
        let job = QaJob { out: &parts, resume: steps > 0, ..job };
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let (part, _) = pool.install(|| go(&job, stop));
        let part = part.unwrap();
        steps = stop.unwrap_or(outcome.steps);
        assert_eq!((part.steps, part.end), (steps, if stop.is_some() { RunEnd::Stopped } else { RunEnd::Done }));
        if stop.is_none() {
            assert_eq!(part, outcome);
        }
    }
    assert!(weights(&whole) == weights(&parts), "a resumed run gave other weights");
    refuses(&QaJob { out: &parts, ..job }, folder.path());
}

/// Checks that a run refuses these changes when it is resumed or started again.
///
/// - `free`: a folder without a run
fn refuses(job: &QaJob<'_>, free: &Path) {
    let (settings, job) = (job.settings, *job);
    let other = TrainSettings { seed: 2, ..settings.clone() };
    let fewer = dataset("train", 47);
    let other_data = QaSettings { random_positions: 0.4, ..qa() };
    let too_much = QaSettings { teacher_weight: 2.0, ..qa() };
    for (job, message) in [
        (QaJob { resume: false, ..job }, "a run was begun here"),
        (QaJob { settings: &other, resume: true, ..job }, "seed was 1 when the run began and is 2 now"),
        (QaJob { train: &fewer, resume: true, ..job }, "training data was "),
        (QaJob { dev: None, resume: true, ..job }, "dev data was "),
        (QaJob { qa: &other_data, resume: true, ..job }, "random_positions was 0.3 when the run began and is 0.4 now"),
        (QaJob { out: free, teacher: Some(QaTeacher::Model(&EMBEDDED)), ..job }, "its vocabulary is not that of"),
        (
            QaJob { out: free, teacher: Some(QaTeacher::Model(&EMBEDDED)), qa: &too_much, ..job },
            "teacher_weight 2: expected a share",
        ),
    ] {
        match go(&job, None).0 {
            Err(error @ (Error::Option { .. } | Error::Conflict { .. })) => {
                assert!(error.to_string().contains(message), "{error}")
            }
            other => panic!("{message}: {other:?}"),
        }
    }
}

/// A checkpoint with another vocabulary.
const EMBEDDED: Source = Source::Memory(&[
    ("config.json", include_bytes!("../../../models/embedded/config.json")),
    ("tokenizer.json", include_bytes!("../../../models/embedded/tokenizer.json")),
]);

#[test]
fn a_student_learns_from_its_teacher() {
    let folder = tempfile::tempdir().unwrap();
    let base = base(&folder.path().join("base"));
    let train = dataset("train", 6);
    let dev_options = ReadOptions::default();
    let settings = TrainSettings { epochs: 1.0, dropout: 0.0, ..settings() };
    let out = folder.path().join("out");
    let job = QaJob {
        base: &base,
        train: &train,
        dev: None,
        dev_options: &dev_options,
        teacher: None,
        qa: &qa(),
        settings: &settings,
        out: &out,
        resume: false,
    };
    assert_eq!(go(&job, None).0.unwrap().best, None);
    let teacher = Source::Folder(out.clone());
    let second = folder.path().join("second");
    let taught = QaSettings { teacher_weight: 1.0, ..qa() };
    let (outcome, events) =
        go(&QaJob { teacher: Some(QaTeacher::Model(&teacher)), qa: &taught, out: &second, ..job }, None);
    outcome.unwrap();
    assert_ne!(weights(&out), weights(&second));
    assert!(events.iter().any(|event| matches!(event, RunEvent::Saved { .. })), "{events:?}");
}

/// What a model believes about the questions of a dataset but the first few, as a file of teacher answers.
fn teacher_lines(teacher: &Source, dataset: &Dataset, left_out: usize) -> String {
    let reader = Reader::from_source(teacher, Precision::F32).unwrap();
    let mut options = ReadOptions::default();
    options.endpoints = 20;
    let line = |(paragraph, question): (&Paragraph, &SquadQuestion)| {
        let document = reader.document(paragraph.context.as_str()).unwrap();
        let answer = reader.answer_with(&question.question, &document, &options).unwrap();
        let whole = ByteSpan { start: 0, end: paragraph.context.len() };
        teacher_answer_line(&question.id, &paragraph.context, whole, &answer.endpoints.unwrap()) + "\n"
    };
    dataset.questions().skip(left_out).map(line).collect()
}

#[test]
fn a_student_learns_from_saved_answers() {
    let folder = tempfile::tempdir().unwrap();
    let base = base(&folder.path().join("base"));
    let (train, dev_options) = (dataset("train", 48), ReadOptions::default());
    let settings = TrainSettings { dropout: 0.0, dev_every: 0, ..settings() };
    let (first, second) = (folder.path().join("first"), folder.path().join("second"));
    let gold = qa();
    let job = QaJob {
        base: &base,
        train: &train,
        dev: None,
        dev_options: &dev_options,
        teacher: None,
        qa: &gold,
        settings: &settings,
        out: &first,
        resume: false,
    };
    go(&job, None).0.unwrap();
    let lines = teacher_lines(&Source::Folder(first.clone()), &train, 2);
    let mut answers = TeacherAnswers::new(&train);
    answers.add("t.jsonl", lines.as_bytes()).unwrap();
    assert_eq!(answers.missing(), 2);

    let taught = QaSettings { teacher_weight: 0.9, long_share: 0.3, ..qa() };
    let job = QaJob { teacher: Some(QaTeacher::Answers(&answers)), qa: &taught, out: &second, ..job };
    let (outcome, events) = go(&job, Some(30));
    outcome.unwrap();
    let loss = |event: &RunEvent| if let RunEvent::Step(report) = event { Some(report.loss) } else { None };
    let losses: Vec<f64> = events.iter().filter_map(loss).collect();
    let mean = |losses: &[f64]| losses.iter().sum::<f64>() / losses.len() as f64;
    let (first, last) = (mean(&losses[..8]), mean(&losses[losses.len() - 8..]));
    println!("the loss went from {first} to {last}");
    assert!(last < 0.95 * first, "the loss went from {first} to {last}");

    // Other answers, another use of them, or none: another run.
    let mut others = TeacherAnswers::new(&train);
    others.add("t.jsonl", lines.replacen("\"no_answer\":[0.", "\"no_answer\":[0.0", 1).as_bytes()).unwrap();
    let warmer = QaSettings { teacher_temperature: 2.0, ..taught.clone() };
    let job = QaJob { resume: true, ..job };
    for (job, message) in [
        (QaJob { teacher: Some(QaTeacher::Answers(&others)), ..job }, "teacher was answers "),
        (QaJob { teacher: None, ..job }, "teacher was answers "),
        (QaJob { qa: &warmer, ..job }, "teacher_temperature was Some(1.0) when the run began and is Some(2.0) now"),
    ] {
        let error = go(&job, None).0.unwrap_err().to_string();
        assert!(error.contains(message), "{error}");
    }
    go(&job, None).0.unwrap();
}

/// Documents of sentences from a set of eight.
fn tokens(path: &Path, base: &Source, documents: usize) -> TokenFile {
    let tokenizer = Tokenizer::load(|name| base.read(name)).unwrap();
    let text = |d: usize| {
        let sentence = |i: u64| {
            let draw = random::number(5, &[documents as u64, d as u64, i]) as usize % 8;
            format!("{} made the {} .", NAMES[draw], THINGS[draw])
        };
        Ok::<_, Error>((0..3 + d as u64 % 20).map(sentence).collect::<Vec<_>>().join(" "))
    };
    TokenFile::build(path, "", &tokenizer, (0..documents).map(text), &mut |_| {}).unwrap()
}

#[test]
fn a_run_of_pretraining_learns_and_resumes_where_it_stopped() {
    let folder = tempfile::tempdir().unwrap();
    let base = base(&folder.path().join("base"));
    let (train, valid) = (tokens(&folder.path().join("t"), &base, 60), tokens(&folder.path().join("v"), &base, 9));
    let mlm = MlmSettings { max_tokens: 48, ..Default::default() };
    let settings = TrainSettings { epochs: 1.0, steps: 60, dev_every: 25, ..settings() };
    let (whole, parts) = (folder.path().join("whole"), folder.path().join("parts"));
    let job = pretrain::MlmJob {
        base: &base,
        train: &train,
        valid: Some(&valid),
        mlm: &mlm,
        settings: &settings,
        out: &whole,
        resume: false,
    };
    let go = |job: &pretrain::MlmJob<'_>, stop: Option<usize>| {
        let outcome = pretrain::run(job, &mut |event| match event {
            RunEvent::Step(report) if Some(report.step) == stop => ControlFlow::Break(()),
            _ => ControlFlow::Continue(()),
        });
        outcome.map(|outcome| (outcome.steps, outcome.best))
    };
    assert!(!has_head(&base).unwrap());
    let (steps, best) = go(&job, None).unwrap();
    let (best, made) = (best.unwrap(), Source::Folder(whole.clone()));
    assert!(steps == 60 && has_head(&made).unwrap());

    // The saved model has the reported loss, which is below that of the word frequencies alone, 3.5 bits. Whole inputs and
    // pieces of them have the same masked tokens.
    let measuring = Measuring { mlm: &mlm, precision: Precision::F32, seed: 1, pass_tokens: 100, pieces: None };
    let bits = measure(&made, &valid, &measuring, &mut |_, _| {}).unwrap();
    assert!((bits.bits - best.figures.get("bits").unwrap()).abs() < 1e-6, "{bits:?} {best:?}");
    assert!(bits.bits < 3.5 && bits.bits_per_character < bits.bits, "{bits:?}");
    let pieces = measure(&made, &valid, &Measuring { pieces: Some(12), ..measuring }, &mut |_, _| {}).unwrap();
    assert_eq!(pieces.masked, bits.masked);
    assert_ne!(pieces.bits, bits.bits);

    // Global projections are copies of the local ones.
    let config = made.config().unwrap();
    assert_eq!(config.architecture.as_deref(), Some("LongformerForMaskedLM"));
    let load = |source: &Source| Parameters::load(&config, Task::MaskedLm, &Tensors::open(source).unwrap(), 1).unwrap();
    let kept = load(&made);
    for parameter in kept.list().iter().filter(|parameter| parameter.name.contains("_global.")) {
        assert_eq!(kept.get(&parameter.name), kept.get(&parameter.name.replace("_global.", ".")));
    }

    let mut resume = false;
    for (stop, threads) in [(Some(3), 1), (Some(31), 2), (None, 3)] {
        let job = pretrain::MlmJob { out: &parts, resume, ..job };
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        assert_eq!(pool.install(|| go(&job, stop)).unwrap().0, stop.unwrap_or(steps));
        resume = true;
    }
    assert!(weights(&whole) == weights(&parts), "a resumed run gave other weights");
    let other = MlmSettings { whole_words: true, ..mlm.clone() };
    let error = go(&pretrain::MlmJob { mlm: &other, out: &parts, resume: true, ..job }, None).unwrap_err();
    assert!(error.to_string().contains("whole_words was false when the run began and is true now"), "{error}");

    trains_parts(&pretrain::MlmJob { base: &made, ..job }, folder.path());
    assert_eq!(source_tokens(&made).unwrap(), None);
}

/// Checks that training the head alone, or positions alone, changes no other parameter.
fn trains_parts(job: &pretrain::MlmJob<'_>, folder: &Path) {
    let config = job.base.config().unwrap();
    let load = |source: &Source| Parameters::load(&config, Task::MaskedLm, &Tensors::open(source).unwrap(), 1).unwrap();
    let before = load(job.base);
    for (frozen_layers, train_only, changed) in
        [(2, None, "lm_head."), (0, Some(TrainOnly::Positions), "position_embeddings")]
    {
        let out = folder.join(changed);
        let settings = TrainSettings { frozen_layers, train_only, steps: 4, ..job.settings.clone() };
        let job = pretrain::MlmJob { settings: &settings, out: &out, ..*job };
        pretrain::run(&job, &mut |_| ControlFlow::Continue(())).unwrap();
        let now = load(&Source::Folder(out));
        for parameter in before.list() {
            let name = &parameter.name;
            assert_eq!(now.get(name) != before.get(name), name.contains(changed), "{name}");
        }
    }
}

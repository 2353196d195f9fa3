//! A model, asked all questions of the data.

use std::collections::HashMap;
use std::io;
use std::time::Instant;

use anyhow::Result;
use flate2::CrcWriter;
use longspan::evaluate::{Asked, Done, Judged, Outcome, ask, ranking};
use longspan::model::Model;
use longspan::reader::Settings;
use longspan::squad::Dataset;
use longspan::squad::metrics::Scores;
use longspan::{Error, ReadOptions, Reader};
use serde_json::{Value, json};

use super::answers::{Answers, Head};
use super::data::{self, Data, Skipped};
use super::report::{DataSummary, Report, RunSummary};
use super::{Evaluation, Item, files, show};
use crate::cli::EvalArgs;
use crate::documents;
use crate::hints::{self, fault};
use crate::memory::PeakMemory;
use crate::model::{self, Opened};
use crate::progress::QuestionBar;

/// Asks and measures.
pub fn evaluate(args: &EvalArgs, mut data: Data) -> Result<()> {
    args.machine.start_threads()?;
    let opened = model::open(&args.model, &args.machine)?;
    let reader = &opened.reader;
    if let Some(limit) = args.chosen.limit {
        data.dataset.sample(limit, args.chosen.seed);
    }
    if let Some(tokens) = args.context_tokens {
        data.dataset = data::lengthen(&data.dataset, tokens, args.chosen.seed, reader.tokenizer())?;
    }
    if let Some(path) = &args.save_data {
        data::save(&data.dataset, path, &args.data)?;
    }
    let options = args.read_options();
    let mut answers = match &args.out {
        Some(folder) => {
            if args.resume {
                files::make(folder)?
            } else {
                files::make_new(folder)?
            }
            Some(Answers::open(folder, &head(&opened, &data.dataset, &options)?)?)
        }
        None => None,
    };
    let asking = Asking { reader, options: &options, dataset: &data.dataset, skip_bad: args.chosen.skip_bad };
    let asked = ask_all(&asking, answers.as_mut(), &mut data.skipped)?;

    let evaluation = measured(&data.dataset, &asked.judged);
    warn_of_fitted(&data, reader.settings());
    let report = Report::new(
        &evaluation,
        DataSummary::new(args, &data, &evaluation.items),
        Some(run_summary(&opened, &options, &asked)),
    );
    if let Some(folder) = &args.out {
        files::write_answers(folder, &asked.judged)?;
        files::write_report(folder, &report, &evaluation)?;
    }
    show(args, &report, args.out.as_deref())
}

/// Warns where the model may have been fitted on the data that judge it.
pub fn warn_of_fitted(data: &Data, settings: &Settings) {
    let Some(calibration) = &settings.calibration else { return };
    let fitted: Vec<&str> = calibration.fitted_on.split(": ").next().unwrap_or_default().split(", ").collect();
    let names = data.files.iter().map(|file| documents::short(file));
    for name in names.filter(|name| fitted.contains(&name.as_str())) {
        hints::warn(&format!(
            "threshold and scores of the model were fitted on a file of the name `{name}`: if it is this one, their figures \
             are too good; `longspan calibrate` gives those of articles that were not fitted on"
        ));
    }
}

/// Everything that an answer depends on.
fn head(opened: &Opened, dataset: &Dataset, options: &ReadOptions) -> Result<Head> {
    let Opened { checkpoint, reader } = opened;
    let mut data = CrcWriter::new(io::sink());
    dataset.write(&mut data)?;
    let ReadOptions {
        max_tokens,
        doc_stride,
        max_answer_length,
        null_score_diff_threshold,
        verify_tokens,
        spans,
        global_attention,
    } = options;
    let settings: Value = serde_json::from_str(&reader.settings().to_json())?;
    let head = [
        ("longspan", json!(env!("CARGO_PKG_VERSION"))),
        ("model_checksum", json!(checkpoint.source.checksum()?)),
        ("settings", settings),
        ("data_checksum", json!(data.crc().sum())),
        ("precision", json!(reader.model().precision().to_string())),
        ("instruction_set", json!(reader.model().isa().to_string())),
        ("max_tokens", json!(max_tokens)),
        ("doc_stride", json!(doc_stride)),
        ("max_answer_length", json!(max_answer_length)),
        // As text, for infinity is no number of JSON.
        ("threshold", json!(null_score_diff_threshold.map(|threshold| threshold.to_string()))),
        ("verify_tokens", json!(verify_tokens)),
        ("spans", json!(format!("{spans:?}"))),
        ("global_attention", json!(format!("{global_attention:?}"))),
    ];
    Ok(head.into_iter().map(|(key, value)| (key.to_owned(), value)).collect())
}

/// What is asked of what.
pub struct Asking<'a> {
    /// The model.
    pub reader: &'a Reader,
    /// How documents are read.
    pub options: &'a ReadOptions,
    /// The questions.
    pub dataset: &'a Dataset,
    /// Whether questions that cannot be asked are left out.
    pub skip_bad: bool,
}

/// What was asked, and how fast.
pub struct AskedAll<'a> {
    /// Every question that could be asked, in the order of the data.
    pub judged: Vec<Judged<'a>>,
    /// What was done in this run.
    pub done: Done,
    /// Seconds that it took.
    pub seconds: f64,
}

/// Asks every question that is not known from an earlier run.
///
/// # Errors
/// When a question cannot be asked, unless these are to be left out, which `skipped` counts.
pub fn ask_all<'a>(
    asking: &Asking<'a>,
    mut answers: Option<&mut Answers>,
    skipped: &mut Skipped,
) -> Result<AskedAll<'a>> {
    let Asking { reader, options, dataset, skip_bad } = asking;
    let questions = Asked::all(dataset);
    let known = |asked: &Asked<'a>| answers.as_ref().map_or(Ok(None), |answers| answers.known(asked));
    let mut outcomes: Vec<Option<Outcome>> = questions.iter().map(known).collect::<Result<_>>()?;
    let unknown: Vec<usize> = (0..questions.len()).filter(|&q| outcomes[q].is_none()).collect();
    let rest: Vec<Asked<'a>> = unknown.iter().map(|&q| questions[q]).collect();
    let bytes = rest.iter().map(|asked| asked.paragraph.context.len()).sum();

    let bar = QuestionBar::new(Done { questions: rest.len(), bytes, ..Done::default() });
    let started = Instant::now();
    let mut last = Done::default();
    let mut order = unknown.into_iter();
    ask(reader, &rest, options, &mut |asked, outcome, done| -> Result<()> {
        let q = order.next().expect("every question is told of once");
        match outcome {
            Ok(outcome) => {
                if let Some(answers) = answers.as_deref_mut() {
                    answers.add(&asked.question.id, &outcome)?;
                }
                outcomes[q] = Some(outcome);
            }
            Err(error @ (Error::Option(_) | Error::NotFinite { .. })) => return Err(error.into()),
            Err(error) if *skip_bad => {
                let place = data::place(dataset, &asked);
                bar.suspend(|| skipped.add(&format!("{place}: {error}")));
            }
            Err(error) => {
                let message = format!("{}: {error}", data::place(dataset, &asked));
                return Err(fault(message, "--skip-bad leaves out and counts questions that cannot be asked"));
            }
        }
        last = done;
        bar.update(done);
        Ok(())
    })?;
    drop(bar);
    let seconds = started.elapsed().as_secs_f64();
    let judged = questions.into_iter().zip(outcomes);
    let judged = judged.filter_map(|(asked, outcome)| Some(Judged::new(asked, outcome?)));
    let judged: Vec<_> = judged.collect();
    if judged.is_empty() {
        return Err(fault("no question could be asked", data::DATA_HINT));
    }
    Ok(AskedAll { judged, done: last, seconds })
}

/// The official figures: those of the decisions, then those of the best spans and their odds.
fn measured<'a>(dataset: &'a Dataset, judged: &[Judged<'a>]) -> Evaluation<'a> {
    let said: HashMap<&str, &str> =
        judged.iter().map(|judged| (judged.asked.question.id.as_str(), judged.said())).collect();
    let ranking = ranking(judged);
    let mut figures = Scores::of(dataset, |id| said.get(id).copied()).figures();
    figures.extend(ranking.figures());
    let item = |judged: &Judged<'a>| Item {
        asked: judged.asked,
        title: &dataset.articles[judged.asked.article].title,
        said: judged.said(),
        place: judged.outcome.answer.best().map(|span| span.bytes),
        decision: judged.decision,
        confidence: Some(judged.outcome.answer.score()),
        certainty: Some(judged.outcome.answer.score()),
        tokens: Some(judged.outcome.answer.tokens),
        position: judged.outcome.answer_position,
    };
    Evaluation { figures, items: judged.iter().map(item).collect(), ranking: Some(ranking) }
}

fn run_summary(opened: &Opened, options: &ReadOptions, asked: &AskedAll<'_>) -> RunSummary {
    let reader = &opened.reader;
    let model: &Model = reader.model();
    let settings = reader.settings();
    let AskedAll { done, seconds, .. } = asked;
    RunSummary {
        model: opened.checkpoint.name.clone(),
        precision: model.precision().to_string(),
        instruction_set: model.isa().to_string(),
        threads: rayon::current_num_threads(),
        null_score_diff_threshold: options.null_score_diff_threshold.unwrap_or(settings.null_score_diff_threshold),
        verify_tokens: options.verify_tokens.unwrap_or(settings.verify_tokens),
        calibrated_on: settings.calibration.as_ref().map(|calibration| calibration.fitted_on.clone()),
        asked: done.questions,
        seconds: *seconds,
        questions_per_second: done.questions as f64 / seconds,
        tokens_per_second: done.tokens as f64 / seconds,
        peak_memory_bytes: PeakMemory::default().read(),
    }
}

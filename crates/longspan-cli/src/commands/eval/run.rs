//! A model, asked all questions of the data.

use std::collections::HashMap;
use std::io;

use anyhow::Result;
use flate2::CrcWriter;
use longspan::ReadOptions;
use longspan::evaluate::{Judged, ranking};
use longspan::model::Model;
use longspan::squad::Dataset;
use longspan::squad::metrics::Scores;
use serde_json::{Value, json};

use super::report::{DataSummary, Report, RunSummary};
use super::{Evaluation, Item, files, show};
use crate::cli::EvalArgs;
use crate::data::answers::{Answers, Head};
use crate::data::asking::{AskedAll, Asking, ask_all, warn_of_fitted};
use crate::data::squad::{self as data, Data};
use crate::folder;
use crate::memory::PeakMemory;
use crate::model::{self, Opened};

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
                folder::make(folder)?
            } else {
                folder::make_new(folder)?
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
        ..
    } = options;
    let settings: Value = serde_json::from_str(&reader.settings().to_json())?;
    let head = [
        ("longspan", json!(env!("CARGO_PKG_VERSION"))),
        ("model_checksum", json!(checkpoint.source.checksum()?)),
        ("settings", settings),
        ("data_checksum", json!(data.crc().sum())),
        ("precision", json!(reader.model().precision().to_string())),
        ("instruction_set", json!(reader.model().device().to_string())),
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
        instruction_set: model.device().to_string(),
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

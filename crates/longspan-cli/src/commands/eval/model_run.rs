//! A model that was asked all questions of the data.

use std::collections::HashMap;
use std::io;

use anyhow::Result;
use flate2::CrcWriter;
use longspan::ReadOptions;
use longspan::evaluate::{Scored, ranking};
use longspan::squad::Dataset;
use longspan::squad::metrics::Scores;
use serde_json::{Value, json};

use super::evaluation::{Evaluation, QuestionResult};
use super::report::RunSummary;
use crate::data::answers::RunIdentity;
use crate::data::asking::AskedAll;
use crate::memory::PeakMemory;
use crate::model::OpenedModel;

/// Everything that an answer depends on.
pub fn identity(opened: &OpenedModel, dataset: &Dataset, options: &ReadOptions) -> Result<RunIdentity> {
    let OpenedModel { checkpoint, reader } = opened;
    let mut data = CrcWriter::new(io::sink());
    dataset.write(&mut data)?;
    let settings: Value = serde_json::from_str(&reader.settings().to_json())?;
    let mut identity = json!({
        "longspan": env!("CARGO_PKG_VERSION"),
        "model_checksum": checkpoint.source.checksum()?,
        "settings": settings,
        "data_checksum": data.crc().sum(),
        "precision": reader.model().precision().to_string(),
        "instruction_set": reader.model().device().to_string(),
        "max_tokens": options.max_tokens,
        "doc_stride": options.doc_stride,
        "max_answer_length": options.max_answer_length,
        "respect_borders": options.respect_borders,
        // As text, because JSON has no infinity.
        "threshold": options.null_score_diff_threshold.map(|threshold| threshold.to_string()),
        "verify_tokens": options.verify_tokens,
        "spans": format!("{:?}", options.spans),
        "global_attention": format!("{:?}", options.global_attention),
    });
    if options.endpoints > 0 {
        identity["save_teacher_answers"] = json!(true);
    }
    Ok(serde_json::from_value(identity)?)
}

/// The official figures, first those of the decisions, then those of the best spans and their odds; and every result.
pub fn evaluation<'a>(dataset: &'a Dataset, scored: &[Scored<'a>]) -> Evaluation<'a> {
    let predicted: HashMap<&str, &str> =
        scored.iter().map(|scored| (scored.asked.question.id.as_str(), scored.predicted_text())).collect();
    let ranking = ranking(scored);
    let mut figures = Scores::of(dataset, |id| predicted.get(id).copied()).figures();
    figures.extend(ranking.figures());
    let result = |scored: &Scored<'a>| {
        let answer = &scored.outcome.answer;
        QuestionResult {
            asked: scored.asked,
            title: &dataset.articles[scored.asked.article].title,
            predicted: scored.predicted_text(),
            span: answer.best().map(|span| span.bytes),
            score: scored.decision,
            confidence: Some(answer.score()),
            certainty: Some(answer.score()),
            tokens: Some(answer.tokens),
            position: scored.outcome.answer_position,
        }
    };
    Evaluation { figures, results: scored.iter().map(result).collect(), ranking: Some(ranking), missing: 0 }
}

/// How the model was asked, and how fast it was.
pub fn summary(opened: &OpenedModel, options: &ReadOptions, asked: &AskedAll<'_>) -> RunSummary {
    let (model, settings) = (opened.reader.model(), opened.reader.settings());
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

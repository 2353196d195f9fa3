//! A model that was asked all questions of the data.

use std::collections::HashMap;
use std::io;

use anyhow::Result;
use flate2::CrcWriter;
use longspan::ReadOptions;
use longspan::evaluate::{Scored, ranking};
use longspan::squad::Dataset;
use longspan::squad::metrics::Scores;

use super::evaluation::{Evaluation, QuestionResult};
use super::report::RunSummary;
use crate::data::answers::{self, RunIdentity};
use crate::data::asking::AskedAll;
use crate::memory::PeakMemory;
use crate::model::OpenedModel;

/// Everything that an answer depends on.
pub fn identity(opened: &OpenedModel, dataset: &Dataset, options: &ReadOptions) -> Result<RunIdentity> {
    let mut data = CrcWriter::new(io::sink());
    dataset.write(&mut data)?;
    let mut identity = answers::identity(&opened.checkpoint.source, &opened.reader, options)?;
    identity.insert("data_checksum".into(), data.crc().sum().into());
    if options.endpoints > 0 {
        identity.insert("save_teacher_answers".into(), true.into());
    }
    Ok(identity)
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
pub fn summary(opened: &OpenedModel, options: &ReadOptions, asked: &AskedAll<'_>) -> Result<RunSummary> {
    let (model, settings) = (opened.reader.model(), opened.reader.settings());
    let AskedAll { done, seconds, .. } = asked;
    Ok(RunSummary {
        model: opened.checkpoint.name.clone(),
        precision: model.precision().to_string(),
        instruction_set: model.device().to_string(),
        threads: rayon::current_num_threads(),
        threshold: options.threshold_of(settings)?,
        abstain: options.abstain,
        verify_tokens: options.verify_tokens.unwrap_or(settings.verify_tokens),
        calibrated_on: settings.calibration.as_ref().map(|calibration| calibration.fitted_on.clone()),
        asked: done.questions,
        seconds: *seconds,
        questions_per_second: done.questions as f64 / seconds,
        tokens_per_second: done.tokens as f64 / seconds,
        peak_memory_bytes: PeakMemory::default().read(),
    })
}

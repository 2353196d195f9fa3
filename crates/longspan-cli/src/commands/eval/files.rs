//! The files of a report, in a folder.
//!
//! ```text
//! predictions.json        the decisions, empty where there is no answer
//! predictions_best.json   always the best span
//! null_odds.json          above the threshold there is no answer
//! nbest_predictions.json  the best spans of each question
//! report.json             every measurement
//! report.html             the same to look at, with plots and mistakes
//! plots/                  the plots, as SVG and PNG
//! answers.jsonl           from which --resume continues
//! ```

use std::collections::HashMap;
use std::ops::Range;
use std::path::Path;

use anyhow::Result;
use longspan::Span;
use longspan::error::excerpt;
use longspan::evaluate::{Scored, teacher_answer_line};
use longspan::squad::Dataset;
use longspan::tokenizer::ByteSpan;
use longspan_ask::Content;
use serde::Serialize;

use super::evaluation::Evaluation;
use super::report::{EvalReport, JsonObject};
use super::{page, plots};
use crate::folder;
use crate::terminal::hints::fault;

/// Writes the answers of a model, in the formats of the official script and those of its kin.
pub fn write_answers(folder: &Path, scored: &[Scored<'_>]) -> Result<()> {
    write_json(&folder.join("predictions.json"), &by_id(scored, |scored| scored.predicted_text()))?;
    write_json(&folder.join("predictions_best.json"), &by_id(scored, |scored| scored.best_text()))?;
    write_json(&folder.join("null_odds.json"), &by_id(scored, |scored| scored.outcome.answer.null_odds))?;
    write_json(&folder.join("nbest_predictions.json"), &by_id(scored, nbest))
}

/// The lines that `longspan train --teacher-answers` learns from, one for each question.
///
/// - `places`: the bytes of each paragraph in its document; without them a paragraph is the document
pub fn teacher_answers(dataset: &Dataset, places: Option<&[ByteSpan]>, scored: &[Scored<'_>]) -> Result<String> {
    let mut place_of = HashMap::new();
    for (p, paragraph) in dataset.articles.iter().flat_map(|article| &article.paragraphs).enumerate() {
        let whole = ByteSpan { start: 0, end: paragraph.context.len() };
        let place = places.map_or(whole, |places| places[p]);
        place_of.extend(paragraph.questions.iter().map(|question| (question.id.as_str(), place)));
    }
    let mut lines = String::new();
    for Scored { asked, outcome, .. } in scored {
        let id = asked.question.id.as_str();
        let Some(endpoints) = &outcome.answer.endpoints else {
            let message = format!("answers.jsonl: no starts and ends of question `{}`", excerpt(id));
            return Err(fault(message, "the file was changed since it was written: begin the run in another folder"));
        };
        lines += &teacher_answer_line(id, &asked.paragraph.context, place_of[id], endpoints);
        lines.push('\n');
    }
    Ok(lines)
}

/// Writes the report, its plots and its page.
pub fn write_report(folder: &Path, report: &EvalReport, evaluation: &Evaluation<'_>) -> Result<()> {
    write_json(&folder.join("report.json"), report)?;
    let pictures = folder.join("plots");
    folder::make(&pictures)?;
    let plots = plots::draw(report)?;
    for plot in &plots {
        folder::write(&pictures.join(format!("{}.svg", plot.name)), plot.svg.as_bytes())?;
        folder::write(&pictures.join(format!("{}.png", plot.name)), &plot.png)?;
    }
    folder::write(&folder.join("report.html"), page::render(report, &plots, evaluation)?.as_bytes())
}

/// A span as transformers lists it, with its place in characters.
#[derive(Serialize)]
struct Nbest<'a> {
    text: &'a str,
    probability: f64,
    start_logit: f32,
    end_logit: f32,
    start: usize,
    end: usize,
}

fn nbest<'a>(scored: &Scored<'a>) -> Vec<Nbest<'a>> {
    let context = scored.asked.paragraph.context.as_str();
    let content = Content::plain(context);
    let listed = |span: &Span| {
        let Span { bytes, score: probability, start_logit, end_logit, .. } = *span;
        let Range { start, end } = content.place(bytes.into()).characters;
        Nbest { text: span.text(context), probability, start_logit, end_logit, start, end }
    };
    scored.outcome.answer.spans.iter().map(listed).collect()
}

/// A value for each question, in the order of the data.
fn by_id<'a, T>(scored: &'a [Scored<'a>], value: impl Fn(&'a Scored<'a>) -> T) -> JsonObject<&'a str, T> {
    JsonObject(scored.iter().map(|scored| (scored.asked.question.id.as_str(), value(scored))).collect())
}

fn write_json(path: &Path, value: &impl Serialize) -> Result<()> {
    let mut json = serde_json::to_vec_pretty(value)?;
    json.push(b'\n');
    folder::write(path, &json)
}

//! The report as one HTML page that stands alone: figures, plots, tables, and the most confident mistakes.

use std::ops::Range;

use anyhow::{Context, Result};
use askama::Template;
use longspan::tokenizer::ByteSpan;

use super::evaluation::{Evaluation, QuestionResult};
use super::plots::Picture;
use super::report::EvalReport;
use super::tables::{data_line, run_lines, tables};
use crate::data::documents::short;
use crate::terminal::thousands;

/// Mistakes that are shown.
const MISTAKES_MAX: usize = 50;
/// What is shown around a mark, in bytes on either side.
const AROUND_BYTES: usize = 160;

#[derive(Template)]
#[template(path = "report.html")]
struct ReportPage<'a> {
    /// The data files without their folders.
    title: String,
    data: String,
    run: Vec<String>,
    /// Figures and their names.
    cards: Vec<(String, String)>,
    tables: Vec<(String, Vec<Vec<String>>)>,
    plots: &'a [Picture],
    /// How many mistakes there are, and which of them are shown.
    which: String,
    mistakes: Vec<Mistake<'a>>,
}

/// An answer that does not match exactly, the gold answers, each once, and the document around all of them.
type Mistake<'a> = (&'a QuestionResult<'a>, Vec<&'a str>, Vec<MarkedText<'a>>);

/// A piece of a document, and its class: `predicted`, `gold`, `both`, `gap` between pieces, or none.
#[derive(Debug, PartialEq)]
struct MarkedText<'a> {
    text: &'a str,
    class: &'static str,
}

/// Renders the page.
pub fn render(report: &EvalReport, plots: &[Picture], evaluation: &Evaluation<'_>) -> Result<String> {
    let results = &evaluation.results;
    let mut wrong: Vec<&QuestionResult<'_>> = results.iter().filter(|result| result.score.exact == 0.0).collect();
    let certainty = |result: &QuestionResult<'_>| result.certainty.unwrap_or(0.0);
    wrong.sort_by(|a, b| certainty(b).total_cmp(&certainty(a)));
    let order =
        if results.iter().all(|result| result.certainty.is_some()) { "The most confident" } else { "The first" };
    let [count, all] = [wrong.len(), results.len()].map(thousands);
    let mistakes: Vec<_> = wrong.iter().take(MISTAKES_MAX).map(|result| mistake(result)).collect();
    let run = report.run.as_ref().map(|run| run_lines(run).into());
    let page = ReportPage {
        title: report.data.files.iter().map(|file| short(file)).collect::<Vec<_>>().join(", "),
        data: data_line(&report.data),
        run: run.unwrap_or_else(|| vec!["predictions of another system".into()]),
        cards: cards(report),
        tables: tables(report),
        plots,
        which: format!("{count} of {all} do not match exactly. {order} {}", mistakes.len()),
        mistakes,
    };
    page.render().context("report.html")
}

/// The most important figures, as far as the report has them.
fn cards(report: &EvalReport) -> Vec<(String, String)> {
    let figure = |key: &str| Some(format!("{:.2}", report.figure(key)?.as_f64()?));
    let mut cards: Vec<(String, String)> =
        [("f1", "F1"), ("exact", "exact match"), ("HasAns_f1", "F1 with an answer"), ("NoAns_f1", "without an answer")]
            .into_iter()
            .filter_map(|(key, name)| Some((figure(key)?, name.into())))
            .collect();
    if let Some((best, threshold)) = figure("best_f1").zip(figure("best_f1_thresh")) {
        cards.push((best, format!("F1 at {threshold}")));
    }
    let calibration = report.calibration.as_ref();
    if let Some(error) = calibration.and_then(|calibration| calibration.all.expected_calibration_error) {
        cards.push((format!("{error:.3}"), "calibration error".into()));
    }
    cards
}

fn mistake<'a>(result: &'a QuestionResult<'a>) -> Mistake<'a> {
    let answers = &result.asked.question.answers;
    let mut golds: Vec<&str> = Vec::new();
    for gold in answers {
        if !golds.contains(&gold.text.as_str()) {
            golds.push(&gold.text);
        }
    }
    let spans: Vec<ByteSpan> = answers.iter().filter_map(|gold| gold.bytes).collect();
    (result, golds, marked(&result.asked.paragraph.context, result.span, &spans))
}

/// The document around the answer and the first gold answer, with all answers in it marked; its beginning where there is
/// neither.
fn marked<'a>(context: &'a str, predicted: Option<ByteSpan>, golds: &[ByteSpan]) -> Vec<MarkedText<'a>> {
    let shown = shown(context, predicted.iter().chain(golds.first()));
    let mut parts: Vec<MarkedText<'a>> = Vec::new();
    let gap = || MarkedText { text: " … ", class: "gap" };
    let mut end = 0;
    for piece in shown {
        if piece.start > end {
            parts.push(gap());
        }
        end = piece.end;
        let mut cuts: Vec<usize> = predicted.iter().chain(golds).flat_map(|span| [span.start, span.end]).collect();
        cuts.retain(|at| piece.contains(at));
        cuts.extend([piece.start, piece.end]);
        cuts.sort_unstable();
        cuts.dedup();
        let class = |cut: &[usize]| {
            let within = |span: &ByteSpan| span.start <= cut[0] && cut[1] <= span.end;
            match (predicted.as_ref().is_some_and(within), golds.iter().any(within)) {
                (true, true) => "both",
                (true, false) => "predicted",
                (false, true) => "gold",
                (false, false) => "",
            }
        };
        // Neighbours of one class become one piece, however many gold answers end within it.
        let cuts: Vec<&[usize]> = cuts.windows(2).collect();
        for run in cuts.chunk_by(|a, b| class(a) == class(b)) {
            let text = &context[run[0][0]..run[run.len() - 1][1]];
            parts.push(MarkedText { text, class: class(run[0]) });
        }
    }
    if end < context.len() {
        parts.push(gap());
    }
    parts
}

/// The ranges around spans, whole words where that is possible, those that touch made one.
fn shown<'s>(context: &str, spans: impl Iterator<Item = &'s ByteSpan>) -> Vec<Range<usize>> {
    let mut pieces: Vec<Range<usize>> = spans.map(|span| around(context, span)).collect();
    if pieces.is_empty() {
        pieces.push(around(context, &ByteSpan { start: 0, end: 0 }));
    }
    pieces.sort_by_key(|piece| piece.start);
    pieces.dedup_by(|piece, last| {
        let touches = piece.start <= last.end;
        last.end = if touches { last.end.max(piece.end) } else { last.end };
        touches
    });
    pieces
}

fn around(context: &str, span: &ByteSpan) -> Range<usize> {
    let from = context.floor_char_boundary(span.start.saturating_sub(AROUND_BYTES));
    let to = context.ceil_char_boundary((span.end + AROUND_BYTES).min(context.len()));
    let before = &context[from..span.start];
    let start = if from == 0 { 0 } else { before.find(' ').map_or(from, |space| from + space + 1) };
    let after = &context[span.end..to];
    let end = if to == context.len() { to } else { after.rfind(' ').map_or(to, |space| span.end + space) };
    start..end
}

#[cfg(test)]
mod tests {
    use super::*;

    fn span(text: &str, part: &str) -> ByteSpan {
        let start = text.find(part).unwrap();
        ByteSpan { start, end: start + part.len() }
    }

    #[test]
    fn answers_are_marked_in_their_document() {
        let text = "Ada Brown built it in May 1911 in the town of Lincoln.";
        let check = |predicted: Option<&str>, golds: &[&str], expected: &[(&str, &str)]| {
            let golds: Vec<_> = golds.iter().map(|gold| span(text, gold)).collect();
            let parts = marked(text, predicted.map(|predicted| span(text, predicted)), &golds);
            let found: Vec<_> = parts.iter().map(|part| (part.text, part.class)).collect();
            assert_eq!(found, expected);
            assert_eq!(parts.iter().map(|part| part.text).collect::<String>(), text);
        };
        check(
            Some("May 1911"),
            &["1911 in", "Ada"],
            &[
                ("Ada", "gold"),
                (" Brown built it in ", ""),
                ("May ", "predicted"),
                ("1911", "both"),
                (" in", "gold"),
                (" the town of Lincoln.", ""),
            ],
        );
        check(None, &[], &[(text, "")]);
    }

    #[test]
    fn far_apart_answers_have_a_gap_between() {
        let filler = "wörd ".repeat(200);
        let text = format!("{filler}FIRST {filler}{filler}SECOND {filler}");
        let parts = marked(&text, Some(span(&text, "SECOND")), &[span(&text, "FIRST")]);
        let classes: Vec<_> = parts.iter().map(|part| part.class).collect();
        assert_eq!(classes, ["gap", "", "gold", "", "gap", "", "predicted", "", "gap"]);
        assert!(parts.iter().all(|part| part.text.len() <= AROUND_BYTES + 1), "{parts:?}");
        assert!(parts[1].text.starts_with("wörd"));
    }
}

//! The report as one HTML page that stands alone: figures, plots, tables, and the most confident mistakes.

use std::ops::Range;

use anyhow::{Context, Result};
use askama::Template;
use longspan::tokenizer::ByteSpan;

use super::plots::Picture;
use super::report::{Report, Row};
use super::tables::{range, tells_kinds};
use super::{Evaluation, Item};
use crate::data::documents::short;
use crate::terminal::table;
use crate::terminal::thousands;

/// Mistakes that are shown.
const MISTAKES_MAX: usize = 50;
/// What is shown around a mark, in bytes on either side.
const AROUND_BYTES: usize = 160;

#[derive(Template)]
#[template(path = "report.html")]
struct Page<'a> {
    report: &'a Report,
    plots: &'a [Picture],
    mistakes: Vec<Mistake<'a>>,
    /// Which of the wrong ones they are.
    order: &'static str,
    wrong: usize,
}

/// A table by length or position.
struct Table<'a> {
    title: &'static str,
    rows: &'a [Row],
    /// Whether it tells questions with an answer from those without.
    kinds: bool,
}

/// Something that was said and is not right to the letter.
struct Mistake<'a> {
    question: &'a str,
    id: &'a str,
    title: String,
    said: &'a str,
    /// The gold answers, each once.
    golds: Vec<&'a str>,
    confidence: Option<f64>,
    f1: f64,
    /// The document where the answers stand.
    parts: Vec<Part<'a>>,
}

/// A piece of a document, and what it is: `said`, `gold`, `both`, `gap` between pieces, or nothing of these.
#[derive(Debug, PartialEq)]
struct Part<'a> {
    text: &'a str,
    class: &'static str,
}

/// Renders the page.
pub fn render(report: &Report, plots: &[Picture], evaluation: &Evaluation<'_>) -> Result<String> {
    let mut wrong: Vec<&Item<'_>> = evaluation.items.iter().filter(|item| item.decision.exact == 0.0).collect();
    let certainty = |item: &Item<'_>| item.certainty.unwrap_or(0.0);
    wrong.sort_by(|a, b| certainty(b).total_cmp(&certainty(a)));
    let mistakes = wrong.iter().take(MISTAKES_MAX).map(|item| mistake(item)).collect();
    let order = match evaluation.items.iter().all(|item| item.certainty.is_some()) {
        true => "The most confident",
        false => "The first",
    };
    Page { report, plots, mistakes, order, wrong: wrong.len() }.render().context("report.html")
}

impl Page<'_> {
    /// A figure with two digits.
    fn figure(&self, key: &str) -> String {
        let value = self.report.figure(key).and_then(serde_json::Number::as_f64);
        value.map_or_else(|| "–".into(), |value| format!("{value:.2}"))
    }

    fn has(&self, key: &str) -> bool {
        self.report.figure(key).is_some()
    }

    fn total(&self, key: &str) -> String {
        let value = self.report.figure(key).and_then(serde_json::Number::as_u64);
        value.map_or_else(String::new, |value| thousands(value as usize))
    }

    /// The tables by length and position.
    fn tables(&self) -> Vec<Table<'_>> {
        let Report { by_length, by_position, .. } = self.report;
        let tables = [("Length of the document", by_length), ("Tokens before the answer", by_position)];
        let filled = tables.into_iter().filter(|(_, rows)| !rows.is_empty());
        filled.map(|(title, rows)| Table { title, rows, kinds: tells_kinds(rows) }).collect()
    }

    /// The data files without their folders.
    fn names(&self) -> String {
        self.report.data.files.iter().map(|file| short(file)).collect::<Vec<_>>().join(", ")
    }

    fn grouped(&self, number: &usize) -> String {
        thousands(*number)
    }

    fn rounded(&self, number: &f64) -> String {
        thousands(number.round() as usize)
    }

    fn megabytes(&self, bytes: &u64) -> String {
        table::megabytes(*bytes)
    }

    fn short(&self, number: &f64) -> String {
        table::short(*number)
    }

    fn percent(&self, share: &f64) -> String {
        format!("{:.1}%", 100.0 * share)
    }

    fn fixed(&self, number: &f64, digits: usize) -> String {
        format!("{number:.digits$}")
    }

    fn range(&self, row: &Row) -> String {
        range(row)
    }
}

fn mistake<'a>(item: &Item<'a>) -> Mistake<'a> {
    let (question, context) = (item.asked.question, item.asked.paragraph.context.as_str());
    let mut golds: Vec<&str> = Vec::new();
    for gold in &question.answers {
        if !golds.contains(&gold.text.as_str()) {
            golds.push(&gold.text);
        }
    }
    let spans: Vec<ByteSpan> = question.answers.iter().map(|gold| gold.bytes).collect();
    Mistake {
        question: &question.question,
        id: &question.id,
        title: item.title.replace('_', " "),
        said: item.said,
        golds,
        confidence: item.confidence,
        f1: 100.0 * item.decision.f1,
        parts: marked(context, item.place, &spans),
    }
}

/// The document around the answer and the first gold answer, with everything marked that stands there; its beginning where
/// there is neither.
fn marked<'a>(context: &'a str, said: Option<ByteSpan>, golds: &[ByteSpan]) -> Vec<Part<'a>> {
    let shown = shown(context, said.iter().chain(golds.first()));
    let mut parts: Vec<Part<'a>> = Vec::new();
    let gap = || Part { text: " … ", class: "gap" };
    let mut end = 0;
    for piece in shown {
        if piece.start > end {
            parts.push(gap());
        }
        end = piece.end;
        let mut cuts: Vec<usize> = said.iter().chain(golds).flat_map(|span| [span.start, span.end]).collect();
        cuts.retain(|at| piece.contains(at));
        cuts.extend([piece.start, piece.end]);
        cuts.sort_unstable();
        cuts.dedup();
        let class = |cut: &[usize]| {
            let within = |span: &ByteSpan| span.start <= cut[0] && cut[1] <= span.end;
            match (said.as_ref().is_some_and(within), golds.iter().any(within)) {
                (true, true) => "both",
                (true, false) => "said",
                (false, true) => "gold",
                (false, false) => "",
            }
        };
        // What has one class is one part, however many gold answers end within it.
        let cuts: Vec<&[usize]> = cuts.windows(2).collect();
        for run in cuts.chunk_by(|a, b| class(a) == class(b)) {
            let text = &context[run[0][0]..run[run.len() - 1][1]];
            parts.push(Part { text, class: class(run[0]) });
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
    let mut merged: Vec<Range<usize>> = Vec::new();
    for piece in pieces {
        match merged.last_mut() {
            Some(last) if piece.start <= last.end => last.end = last.end.max(piece.end),
            _ => merged.push(piece),
        }
    }
    merged
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
        let check = |said: Option<&str>, golds: &[&str], expected: &[(&str, &str)]| {
            let golds: Vec<_> = golds.iter().map(|gold| span(text, gold)).collect();
            let parts = marked(text, said.map(|said| span(text, said)), &golds);
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
                ("May ", "said"),
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
        assert_eq!(classes, ["gap", "", "gold", "", "gap", "", "said", "", "gap"]);
        assert!(parts.iter().all(|part| part.text.len() <= AROUND_BYTES + 1), "{parts:?}");
        assert!(parts[1].text.starts_with("wörd"));
    }
}

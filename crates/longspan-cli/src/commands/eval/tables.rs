//! The report as tables and sentences: the terminal and the page show the same ones.

use std::fmt::Write;
use std::path::Path;

use longspan::evaluate::coverage::Coverage;
use longspan_ask::text::title;
use serde_json::Number;

use super::report::{CalibrationCheck, DataSummary, EvalReport, RunSummary, SliceRow, ThresholdPoint};
use crate::terminal::numbers::{megabytes, percent, short};
use crate::terminal::table::{aligned, row};
use crate::terminal::{counted, one_line, thousands};

const OFFICIAL: &str = "official figures";
const SUREST: &str = "answering only the surest, by null odds";

/// The report for the terminal; `folder` holds its files, where they were asked for.
pub fn show(report: &EvalReport, folder: Option<&Path>) -> String {
    let names: Vec<String> = report.data.files.iter().map(|name| one_line(title(name))).collect();
    let mut shown = format!("{}\n{}\n", names.join(", "), data_line(&report.data));
    for (title, rows) in tables(report) {
        let _ = write!(shown, "\n{title}\n\n{}", aligned(&rows));
        if let Some(note) = note(&title) {
            let _ = writeln!(shown, "\n{note}");
        }
    }
    if let Some(run) = &report.run {
        let _ = writeln!(shown, "\n{}", run_lines(run).join("\n"));
    }
    if let Some(folder) = folder {
        let page = folder.join("report.html");
        let _ = writeln!(shown, "\nwritten to {}; open {}", folder.display(), page.display());
    }
    shown
}

/// What the rows of a table mean, for people.
fn note(title: &str) -> Option<&'static str> {
    match title {
        OFFICIAL => Some(
            "'these thresholds' are the null odds above which there is no answer, for the best exact match and the best F1;\n\
             average precision is over all thresholds, '… if every answer were right' the most that the null odds allow",
        ),
        title if title.contains("mean risk") => Some(
            "mean risk is the mean share of wrong answers over all shares that are answered, the surest first: lower is better",
        ),
        _ => None,
    }
}

/// Every table with its title; the first row holds the headings.
pub fn tables(report: &EvalReport) -> Vec<(String, Vec<Vec<String>>)> {
    let mut tables = vec![
        (OFFICIAL.into(), official(report)),
        ("by length of the document, in tokens".into(), by_tokens(&report.by_length)),
        ("by tokens before the answer".into(), by_tokens(&report.by_position)),
    ];
    if let Some(abstention) = &report.abstention {
        let risk = abstention.risk_coverage_area.map(|area| format!("; mean risk {area:.3}")).unwrap_or_default();
        let mut surest = thresholds(&abstention.at_coverage);
        surest.iter_mut().for_each(|row| drop(row.remove(0))); // its place is taken by the share that is answered
        tables.push((format!("{SUREST}{risk}"), surest));
        let precise = thresholds(&abstention.for_precision);
        tables.push(("for a precision, where 30 answers or more reach it".into(), precise));
    }
    if let Some(calibration) = &report.calibration {
        let title = "calibration: mean distance of scores from how often they are right";
        tables.push((title.into(), errors(calibration)));
    }
    tables.retain(|(_, rows)| rows.len() > 1);
    tables
}

/// What was asked.
pub fn data_line(data: &DataSummary) -> String {
    let DataSummary { questions, articles, documents, .. } = data;
    let counts = [(questions, "question"), (documents, "document"), (articles, "article")];
    let [questions, documents, articles] = counts.map(|(count, thing)| counted(*count, thing));
    let mut line = format!("{questions} about {documents} of {articles}");
    if data.limit.is_some() {
        line.push_str(", drawn at random");
    }
    if let Some(tokens) = data.context_tokens {
        let _ = write!(line, ", paragraphs among their neighbours up to {}", counted(tokens, "token"));
    }
    if let Some(tokens) = data.mean_tokens {
        let _ = write!(line, ", {} on average", counted(tokens.round() as usize, "token"));
    }
    if data.skipped > 0 {
        let _ = write!(line, ", {} left out", counted(data.skipped, "bad part"));
    }
    if data.missing > 0 {
        let _ = write!(line, ", {} without a prediction left out", thousands(data.missing));
    }
    line
}

/// The official figures, side by side.
fn official(report: &EvalReport) -> Vec<Vec<String>> {
    let figure = |key: &str| report.figure(key).and_then(Number::as_f64);
    let value = |key: &str| figure(key).map_or_else(String::new, |value| format!("{value:.2}"));
    let count = |key: &str| figure(key).map_or_else(String::new, |value| thousands(value as usize));
    let mut rows = vec![row(["", "exact", "f1", "questions"])];
    for (name, exact, f1, total) in [
        ("all", "exact", "f1", "total"),
        ("with an answer", "HasAns_exact", "HasAns_f1", "HasAns_total"),
        ("without an answer", "NoAns_exact", "NoAns_f1", "NoAns_total"),
        ("at the best thresholds", "best_exact", "best_f1", ""),
        ("these thresholds", "best_exact_thresh", "best_f1_thresh", ""),
        ("average precision", "pr_exact_ap", "pr_f1_ap", ""),
        ("… if every answer were right", "pr_oracle_ap", "pr_oracle_ap", ""),
    ] {
        if figure(f1).is_some() {
            rows.push(row([name, &value(exact), &value(f1), &count(total)]));
        }
    }
    rows
}

fn by_tokens(slices: &[SliceRow]) -> Vec<Vec<String>> {
    let number = |value: f64| format!("{value:.1}");
    let mut rows = vec![row(["tokens", "questions", "exact", "f1", "±", "f1 with", "f1 without"])];
    for SliceRow { tokens_from, tokens_to, all, has_answer, no_answer } in slices {
        let from = thousands(*tokens_from);
        let range = tokens_to.map(|to| format!("{from} to {}", thousands(to - 1)));
        let range = range.unwrap_or_else(|| format!("from {from}"));
        let [with, without] =
            [has_answer, no_answer].map(|kind| kind.as_ref().map_or("–".into(), |kind| number(kind.f1)));
        let [exact, f1, error] = [all.exact, all.f1, all.f1_error].map(number);
        rows.push(vec![range, thousands(all.questions), exact, f1, error, with, without]);
    }
    if slices.iter().all(|slice| slice.has_answer.is_none() && slice.no_answer.is_none()) {
        rows.iter_mut().for_each(|row| row.truncate(5));
    }
    rows
}

/// The thresholds for the coverages or precisions that were wanted.
fn thresholds(points: &[ThresholdPoint]) -> Vec<Vec<String>> {
    let mut rows = vec![row(["wanted", "answered", "precision", "f1", "threshold"])];
    for ThresholdPoint { wanted, found: Coverage { threshold, coverage, precision, f1, .. } } in points {
        let [coverage, precision] = [coverage, precision].map(|share| format!("{:.1}%", 100.0 * share));
        let wanted = percent(wanted.unwrap_or_default());
        rows.push(vec![wanted, coverage, precision, format!("{f1:.1}"), format!("{threshold:.2}")]);
    }
    rows
}

fn errors(calibration: &CalibrationCheck) -> Vec<Vec<String>> {
    let mut rows = vec![row(["", "error", "questions"])];
    let CalibrationCheck { all, answers, abstentions } = calibration;
    for (name, diagram) in [("all", all), ("answers", answers), ("abstentions", abstentions)] {
        let count: usize = diagram.bins.iter().map(|bin| bin.count).sum();
        let error = diagram.expected_calibration_error.map_or("–".into(), |error| format!("{error:.3}"));
        rows.push(row([name, &error, &thousands(count)]));
    }
    rows
}

/// How the model was asked, whether its scores are calibrated, and how fast it was.
pub fn run_lines(run: &RunSummary) -> [String; 3] {
    let RunSummary { precision, instruction_set, threads, verify_tokens, seconds, .. } = run;
    let (asked, tokens) = (counted(run.asked, "question"), thousands(run.tokens_per_second.round() as usize));
    let per_second = run.questions_per_second;
    let model = one_line(&run.model);
    let name = run.abstain.map(|abstain| format!(" ({abstain})")).unwrap_or_default();
    let threshold = short(run.threshold) + &name;
    let verified =
        if *verify_tokens == 0 { String::new() } else { format!(", verified by {}", counted(*verify_tokens, "token")) };
    let threads = counted(*threads, "thread");
    let calibrated = run.calibrated_on.as_ref().map(|data| format!("scores calibrated on {}", one_line(data)));
    let memory = run.peak_memory_bytes.map(|bytes| format!(", {} MB at most", megabytes(bytes))).unwrap_or_default();
    [
        format!("{model}, threshold {threshold}{verified}, {precision} on {instruction_set}, {threads}"),
        calibrated.unwrap_or_else(|| "scores not calibrated: `longspan calibrate` does that".into()),
        format!("{asked} asked in {seconds:.1} s: {per_second:.1} questions/s, {tokens} tokens/s{memory}"),
    ]
}

//! The report on the terminal.

use std::fmt::Write;
use std::path::Path;

use super::report::{Abstention, Calibration, DataSummary, Point, Report, Row, RunSummary};
use crate::terminal::one_line;
use crate::terminal::table::{aligned, megabytes, percent, row, short};
use crate::terminal::thousands;

/// The report for people; `folder` holds its files, where they were asked for.
pub fn show(report: &Report, folder: Option<&Path>) -> String {
    let mut shown = headline(&report.data);
    let mut table = |title: &str, rows: Vec<Vec<String>>| {
        if rows.len() > 1 {
            let _ = write!(shown, "\n{title}\n\n{}", aligned(&rows));
        }
    };
    table("official figures", official(report));
    table("by length of the document, in tokens", by_tokens(&report.by_length));
    table("by tokens before the answer", by_tokens(&report.by_position));
    if let Some(abstention) = &report.abstention {
        let risk = abstention.risk_coverage_area.map(|area| format!("; mean risk {area:.3}")).unwrap_or_default();
        table(&format!("answering only the surest, by null odds{risk}"), coverages(abstention));
        table("for a precision, where 30 answers or more reach it", precisions(abstention));
    }
    if let Some(calibration) = &report.calibration {
        table("calibration: mean distance of scores from how often they are right", errors(calibration));
    }
    if let Some(run) = &report.run {
        shown.push_str(&footer(run));
    }
    if let Some(folder) = folder {
        let _ = writeln!(shown, "\n{}: report.html, and all of it as files", folder.join("report.html").display());
    }
    shown
}

fn headline(data: &DataSummary) -> String {
    let DataSummary { files, questions, articles, documents, .. } = data;
    let names: Vec<String> = files.iter().map(|name| one_line(name)).collect();
    let mut line = format!(
        "{}\n{} questions about {} documents of {} articles",
        names.join(", "),
        thousands(*questions),
        thousands(*documents),
        thousands(*articles)
    );
    if data.limit.is_some() {
        let _ = write!(line, ", drawn at random");
    }
    if let Some(tokens) = data.context_tokens {
        let _ = write!(line, ", paragraphs among their neighbours up to {} tokens", thousands(tokens));
    }
    if let Some(tokens) = data.mean_tokens {
        let _ = write!(line, ", {} tokens on average", thousands(tokens.round() as usize));
    }
    for (count, what) in [(data.skipped, "bad parts left out"), (data.missing, "without a prediction left out")] {
        if count > 0 {
            let _ = write!(line, ", {} {what}", thousands(count));
        }
    }
    line + "\n"
}

/// The official figures, side by side.
fn official(report: &Report) -> Vec<Vec<String>> {
    let figure = |key: String| report.figure(&key).map(ToString::to_string).unwrap_or_default();
    let number = |key: String| report.figure(&key).and_then(serde_json::Number::as_f64);
    let value = |key: String| number(key).map_or_else(String::new, |value| format!("{value:.2}"));
    let mut rows = vec![row(["", "exact", "f1", "questions"])];
    for (name, prefix) in [("all", ""), ("with an answer", "HasAns_"), ("without an answer", "NoAns_")] {
        if number(format!("{prefix}total")).is_some() {
            let total = figure(format!("{prefix}total")).parse().map_or_else(|_| String::new(), thousands);
            rows.push(row([name, &value(format!("{prefix}exact")), &value(format!("{prefix}f1")), &total]));
        }
    }
    if number("best_f1".into()).is_some() {
        rows.push(row(["at the best thresholds", &value("best_exact".into()), &value("best_f1".into()), ""]));
        rows.push(row(["these thresholds", &value("best_exact_thresh".into()), &value("best_f1_thresh".into()), ""]));
    }
    if number("pr_f1_ap".into()).is_some() {
        rows.push(row(["average precision", &value("pr_exact_ap".into()), &value("pr_f1_ap".into()), ""]));
        let oracle = value("pr_oracle_ap".into());
        rows.push(row(["… if every answer were right", &oracle, &oracle, ""]));
    }
    rows
}

/// The name of a range of tokens.
pub fn range(row: &Row) -> String {
    match row.tokens_to {
        Some(to) => format!("{} to {}", thousands(row.tokens_from), thousands(to - 1)),
        None => format!("from {}", thousands(row.tokens_from)),
    }
}

/// Whether rows tell questions with an answer from those without.
pub fn tells_kinds(rows: &[Row]) -> bool {
    rows.iter().any(|row| row.has_answer.is_some() || row.no_answer.is_some())
}

fn by_tokens(rows: &[Row]) -> Vec<Vec<String>> {
    let kinds = tells_kinds(rows);
    let mut shown = vec![row(["tokens", "questions", "exact", "f1", "±"])];
    if kinds {
        shown[0].extend(row(["f1 with", "f1 without"]));
    }
    for line in rows {
        let Row { questions, exact, f1, f1_error, .. } = line;
        let number = |value: f64| format!("{value:.1}");
        let mut cells = row([&range(line), &thousands(*questions), &number(*exact), &number(*f1), &number(*f1_error)]);
        if kinds {
            let parts = [&line.has_answer, &line.no_answer];
            cells.extend(parts.map(|part| part.as_ref().map_or_else(|| "–".into(), |part| number(part.f1))));
        }
        shown.push(cells);
    }
    shown
}

fn coverages(abstention: &Abstention) -> Vec<Vec<String>> {
    let mut rows = vec![row(["answered", "precision", "f1", "threshold"])];
    rows.extend(abstention.at_coverage.iter().map(point));
    rows
}

fn precisions(abstention: &Abstention) -> Vec<Vec<String>> {
    let mut rows = vec![row(["wanted", "answered", "precision", "f1", "threshold"])];
    for found in &abstention.for_precision {
        let mut cells = row([&percent(found.wanted.unwrap_or_default())]);
        cells.extend(point(found));
        rows.push(cells);
    }
    rows
}

fn point(point: &Point) -> Vec<String> {
    let share = |share: f64| format!("{:.1}%", 100.0 * share);
    row([
        &share(point.coverage),
        &share(point.precision),
        &format!("{:.1}", point.f1),
        &format!("{:.2}", point.threshold),
    ])
}

fn errors(calibration: &Calibration) -> Vec<Vec<String>> {
    let mut rows = vec![row(["", "error", "questions"])];
    let Calibration { all, answers, abstentions } = calibration;
    for (name, diagram) in [("all", all), ("answers", answers), ("abstentions", abstentions)] {
        let count: usize = diagram.bins.iter().map(|bin| bin.count).sum();
        let error = diagram.expected_calibration_error.map_or("–".into(), |error| format!("{error:.3}"));
        rows.push(row([name, &error, &thousands(count)]));
    }
    rows
}

fn footer(run: &RunSummary) -> String {
    let RunSummary { model, precision, instruction_set, threads, null_score_diff_threshold, verify_tokens, .. } = run;
    let threshold = short(*null_score_diff_threshold);
    let verified = if *verify_tokens == 0 { String::new() } else { format!(", verified by {verify_tokens} tokens") };
    let threads = if *threads == 1 { "1 thread".into() } else { format!("{threads} threads") };
    let mut shown = format!(
        "\n{}, threshold {threshold}{verified}, {precision} on {instruction_set}, {threads}\n",
        one_line(model)
    );
    match &run.calibrated_on {
        Some(data) => {
            let _ = writeln!(shown, "scores calibrated on {}", one_line(data));
        }
        None => shown.push_str("scores not calibrated: `longspan calibrate` does that\n"),
    }
    let memory = run.peak_memory_bytes.map(|bytes| format!(", {} MB at most", megabytes(bytes)));
    let _ = writeln!(
        shown,
        "{} questions asked in {:.1} s: {:.1} questions/s, {} tokens/s{}",
        thousands(run.asked),
        run.seconds,
        run.questions_per_second,
        thousands(run.tokens_per_second.round() as usize),
        memory.unwrap_or_default()
    );
    shown
}

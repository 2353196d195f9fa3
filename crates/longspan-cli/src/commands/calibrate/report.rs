//! What was fitted, and how good it is.

use std::collections::BTreeMap;
use std::fmt::Write;

use longspan::Abstain;
use longspan::evaluate::calibration::{Aim, CalibrationQuality, Fit, HeldOut, Observation, STRICT_PRECISION, held_out};
use longspan::evaluate::coverage::ANSWERS_MIN;
use longspan::reader::{Calibration, Logistic};
use serde::Serialize;

use super::mixture::Part;
use crate::terminal::hints;
use crate::terminal::numbers::short;
use crate::terminal::table::{aligned, row};
use crate::terminal::{counted, one_line, thousands};

/// The content of `--json`.
#[derive(Serialize)]
pub struct CalibrationReport {
    pub model: String,
    pub written: String,
    pub threshold: f64,
    pub abstain: BTreeMap<Abstain, f64>,
    pub max_answer_length: usize,
    pub calibration: Calibration,
    /// Questions and other parts of the data that were left out, counted once for each length.
    pub skipped: usize,
    /// All questions, then those of each part.
    pub parts: Vec<CalibratedPart>,
    /// The longest answers that were tried, from the shortest; empty if none but the model's own was.
    pub lengths: Vec<LengthTried>,
}

/// A part of the mixture, or all of it. Fits are those to other articles; null where that is not possible.
#[derive(Serialize)]
pub struct CalibratedPart {
    name: String,
    questions: usize,
    /// With the model's old threshold, scores and longest answer. Otherwise documents are read as the options say, here and
    /// below.
    before: CalibrationQuality,
    /// With the balanced threshold and scores fitted on the other half of the articles.
    after: Option<CalibrationQuality>,
    /// With those fitted on the other kinds of data.
    other_kinds: Option<CalibrationQuality>,
    /// With the strict threshold fitted on the other half of the articles.
    strict: Option<CalibrationQuality>,
    /// With the eager one.
    eager: Option<CalibrationQuality>,
}

/// What a longest answer gives, at the threshold that is fitted to it. The fit is measured on the questions that it was
/// fitted on.
#[derive(Serialize)]
pub struct LengthTried {
    max_answer_length: usize,
    threshold: Option<f64>,
    /// F1 of all questions and of each part, in percent.
    f1: Vec<f64>,
    /// F1 of those that have an answer, if all are answered.
    always_answering_f1: Vec<Option<f64>>,
}

impl LengthTried {
    /// Measures all questions and each part.
    pub fn new(max_answer_length: usize, parts: &[Part], observed: &[Observation], aim: Aim) -> Self {
        let fit = Fit::to(observed, aim);
        let quality = |fit: Fit| all_and_parts(parts, |part| quality(observed, part, |_| Some(fit)));
        let f1 = fit.map_or_else(Vec::new, |fit| quality(fit).into_iter().flatten().map(|found| found.f1).collect());
        let always = quality(Fit::unchanged(f64::INFINITY));
        let always = always.into_iter().map(|found| found.and_then(|found| found.has_answer_f1)).collect();
        let threshold = fit.map(|fit| fit.threshold);
        Self { max_answer_length, threshold, f1, always_answering_f1: always }
    }
}

/// Something of all questions, then of each part.
fn all_and_parts<T>(parts: &[Part], of: impl Fn(Option<usize>) -> T) -> Vec<T> {
    std::iter::once(None).chain((0..parts.len()).map(Some)).map(of).collect()
}

/// The quality of the fits by question, of all questions or of those of a part; `None` where a question has no fit.
fn quality(
    observed: &[Observation],
    part: Option<usize>,
    fit: impl Fn(usize) -> Option<Fit>,
) -> Option<CalibrationQuality> {
    let own = observed.iter().enumerate().filter(|(_, observed)| part.is_none_or(|part| observed.part == part));
    let fitted = own.map(|(q, observed)| Some((observed, fit(q)?))).collect::<Option<Vec<_>>>()?;
    Some(CalibrationQuality::of(fitted))
}

/// How good the old and the new thresholds and scores are, for all questions and for each part.
///
/// - `own`: what was answered with the old longest answer, and `best` with the new one
pub fn parts(parts: &[Part], own: &[Observation], before: Fit, best: &[Observation], aim: Aim) -> Vec<CalibratedPart> {
    let halves = held_out(best, aim, HeldOut::HalfOfArticles);
    let kinds = held_out(best, aim, HeldOut::Kind);
    let calibrated = |part: Option<usize>| {
        let is_own = |observed: &&Observation| part.is_none_or(|part| observed.part == part);
        let at = |abstain| quality(best, part, |q| halves.as_ref()?[q].at(abstain));
        CalibratedPart {
            name: part.map_or("all", |part| &parts[part].name).to_owned(),
            questions: best.iter().filter(is_own).count(),
            before: CalibrationQuality::of(own.iter().filter(is_own).map(|observed| (observed, before))),
            after: at(Abstain::Balanced),
            other_kinds: quality(best, part, |q| Some(kinds.as_ref()?[q])),
            strict: at(Abstain::Strict),
            eager: at(Abstain::Eager),
        }
    };
    let mut calibrated = all_and_parts(parts, calibrated);
    if parts.len() == 1 {
        calibrated.truncate(1); // the part is all
    }
    calibrated
}

/// Warns where the fit does not hold on other articles.
pub fn warn_of_quality(all: &CalibratedPart, target_precision: Option<f64>) {
    let Some(after) = &all.after else {
        hints::warn("too few articles, or too few answers in them, to check what was fitted: give more data");
        return;
    };
    let before = &all.before;
    let errors = [(after.answers_error, before.answers_error), (after.abstentions_error, before.abstentions_error)];
    if errors.into_iter().any(|(after, before)| before.is_some() && after > before) {
        hints::warn("on articles that were not used for fitting, scores are no better than they were: give more data");
    }
    if let Some((target, found)) = target_precision.zip(after.precision).filter(|(target, found)| found < target) {
        let [target, found] = [100.0 * target, 100.0 * found];
        let precision = format!("the precision is {found:.1}%, not {target}%");
        hints::warn(&format!("on articles that were not used for fitting, {precision}"));
    }
}

/// Warns where a threshold could not be fitted.
pub fn warn_of_missing(fitted: &Fit) {
    if fitted.strict.is_none() {
        let wanted = 100.0 * STRICT_PRECISION;
        hints::warn(&format!(
            "no threshold reaches a precision of {wanted}% with {ANSWERS_MIN} answers or more: the model has none for \
             `--abstain {}`",
            Abstain::Strict
        ));
    }
}

/// The report on the terminal.
pub fn table(report: &CalibrationReport) -> String {
    let Calibration { score, no_answer_score, fitted_on } = &report.calibration;
    let mut shown = format!("{}\nfitted on {}\n\n", one_line(&report.model), one_line(fitted_on));
    shown.push_str(&aligned(&quality_rows(&report.parts)));
    shown.push_str(
        "\neach part counts the same in 'all'; 'with' and 'without' are the F1 of questions with and without an answer\n\
         the last two columns are calibration errors: the mean distance of scores from how often they are right\n",
    );
    let all = &report.parts[0];
    shown.push_str(match all.after {
        Some(_) => "'after', 'strict' and 'eager' use thresholds and scores that were fitted on the other half of the articles\n",
        None => "there are too few articles, or too few answers in them, to fit on some and measure on others\n",
    });
    if all.other_kinds.is_some() {
        shown.push_str("'other kinds' uses what was fitted on the other files and kinds of questions\n");
    }
    if !report.lengths.is_empty() {
        let _ = writeln!(shown, "\nF1 by the longest answer (and of questions with an answer, if all are answered)\n");
        shown.push_str(&aligned(&length_rows(report)));
    }
    let _ = writeln!(shown, "\nthreshold        {:.4}", report.threshold);
    for (abstain, threshold) in &report.abstain {
        let _ = writeln!(shown, "  {:<14} {threshold:.4}", abstain.name());
    }
    let _ = writeln!(shown, "longest answer   {}", counted(report.max_answer_length, "token"));
    for (name, logistic) in [("score", score), ("no_answer_score", no_answer_score)] {
        let Logistic { logit, ln_tokens, constant } = logistic;
        let _ = writeln!(shown, "{name:<16} σ({logit:.4}·logit({name}) {ln_tokens:+.4}·ln(tokens) {constant:+.4})");
    }
    let _ = writeln!(shown, "\nwritten to {}", report.written);
    shown
}

fn quality_rows(parts: &[CalibratedPart]) -> Vec<Vec<String>> {
    let head = ["", "questions", "f1", "with", "without", "answered", "precision", "answers", "abstentions"];
    let mut rows = vec![row(head)];
    for part in parts {
        let CalibratedPart { name, before, after, other_kinds, strict, eager, .. } = part;
        for (which, found) in [
            ("before", Some(before)),
            ("after", after.as_ref()),
            ("other kinds", other_kinds.as_ref()),
            (Abstain::Strict.name(), strict.as_ref()),
            (Abstain::Eager.name(), eager.as_ref()),
        ] {
            let Some(found) = found else { continue };
            let percent = |share: f64| format!("{:.1}%", 100.0 * share);
            let or_none = |shown: Option<String>| shown.unwrap_or("–".into());
            let f1 = |f1: Option<f64>| or_none(f1.map(|f1| format!("{f1:.2}")));
            let error = |error: Option<f64>| or_none(error.map(|error| format!("{error:.3}")));
            rows.push(row([
                &format!("{name}, {which}"),
                &thousands(part.questions),
                &f1(Some(found.f1)),
                &f1(found.has_answer_f1),
                &f1(found.no_answer_f1),
                &percent(found.answered),
                &or_none(found.precision.map(percent)),
                &error(found.answers_error),
                &error(found.abstentions_error),
            ]));
        }
    }
    rows
}

fn length_rows(report: &CalibrationReport) -> Vec<Vec<String>> {
    let names = report.parts.iter().map(|part| part.name.clone());
    let mut rows = vec![["tokens".to_owned(), "threshold".to_owned()].into_iter().chain(names).collect::<Vec<_>>()];
    let columns = rows[0].len();
    for tried in &report.lengths {
        let threshold = tried.threshold.map_or("–".into(), short);
        let figure = |(f1, always): (&f64, &Option<f64>)| match always {
            Some(always) => format!("{f1:.2} ({always:.2})"),
            None => format!("{f1:.2}"),
        };
        let mut row = vec![thousands(tried.max_answer_length), threshold];
        row.extend(tried.f1.iter().zip(&tried.always_answering_f1).map(figure));
        row.resize(columns, "–".into());
        rows.push(row);
    }
    rows
}

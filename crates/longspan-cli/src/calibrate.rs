//! `longspan calibrate`: the threshold of a model, and its scores made probabilities of being right.

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use longspan::checkpoint::Source;
use longspan::evaluate::calibration::{Aim, Fitted, Observed, Worth, held_out};
use longspan::reader::{Calibration, Logistic, Settings};
use longspan::{ReadOptions, Reader, SpanList};
use serde::Serialize;

use crate::cli::CalibrateArgs;
use crate::eval::data::{self, Data};
use crate::eval::{Asking, ask_all};
use crate::hints::fault;
use crate::info::thousands;
use crate::model::{self, Opened};
use crate::render;
use crate::render::table::{aligned, row};

/// Without `--limit`, so many questions are asked about long documents.
const LONG_QUESTIONS: usize = 1000;

/// What was fitted, and what it is worth.
#[derive(Serialize)]
struct Report {
    model: String,
    written: PathBuf,
    null_score_diff_threshold: f64,
    calibration: Calibration,
    /// Of all questions, then of each length.
    parts: Vec<Part>,
}

/// Questions asked at one length, or all of them.
#[derive(Serialize)]
struct Part {
    name: String,
    questions: usize,
    /// At the threshold that the model had, with the scores that it had.
    before: Row,
    /// At the threshold and with the scores that were fitted on other articles; null where that cannot be said.
    after: Option<Row>,
}

/// What a threshold and scores are worth: [`Worth`] says what each figure is.
#[derive(Serialize)]
struct Row {
    f1: f64,
    answered: f64,
    precision: f64,
    answers_error: f64,
    abstentions_error: f64,
}

/// Runs the command.
pub fn run(args: &CalibrateArgs) -> Result<()> {
    let mut data = data::read(&args.data, args.chosen.skip_bad)?;
    args.machine.start_threads()?;
    let Opened { checkpoint, reader } = model::open(&args.model, &args.machine)?;
    if args.out.is_none() && !checkpoint.is_local {
        let message = format!("model `{}`: not a folder of yours, so nothing can be written into it", checkpoint.name);
        return Err(fault(message, "--out DIR copies the model into a folder and calibrates the copy"));
    }
    let settings = reader.settings().clone();
    // Scores are fitted as they are without calibration.
    let reader = reader.with_settings(Settings { calibration: None, ..settings.clone() });
    let options = args.reading.options(SpanList::Top(1));
    let mut lengths = vec![None];
    lengths.extend(args.context_tokens.iter().copied().filter(|&tokens| tokens > 0).map(Some));
    let observed = observe(args, &mut data, &reader, &options, &lengths)?;

    let aim = args.target_precision.map_or(Aim::BestF1, Aim::Precision);
    let Some(Fitted { threshold, score, no_answer_score }) = Fitted::to(observed.iter().map(|(_, o)| o), aim) else {
        let wanted = args.target_precision.unwrap_or_default();
        let message = format!("--target-precision {wanted}: no threshold reaches it on these data");
        return Err(fault(message, "ask for less: `longspan eval` shows which precision each threshold gives"));
    };
    let fitted_on = fitted_on(&data.files, &lengths, &observed);
    let calibration = Calibration { score, no_answer_score, fitted_on };
    let before = options.null_score_diff_threshold.unwrap_or(settings.null_score_diff_threshold);
    let parts = parts(&observed, &lengths, Fitted::unchanged(before), aim);
    let fitted = Settings { null_score_diff_threshold: threshold, calibration: Some(calibration.clone()), ..settings };
    let written = write(&checkpoint.source, args.out.as_deref(), &fitted)?;
    let report = Report { model: checkpoint.name, written, null_score_diff_threshold: threshold, calibration, parts };
    let shown = if args.json { serde_json::to_string_pretty(&report)? + "\n" } else { table(&report) };
    render::print(shown.as_bytes()).context("standard output")
}

/// Asks the data at every length.
///
/// Gives each question with the number of the length.
fn observe(
    args: &CalibrateArgs,
    data: &mut Data,
    reader: &Reader,
    options: &ReadOptions,
    lengths: &[Option<usize>],
) -> Result<Vec<(usize, Observed)>> {
    let mut observed = Vec::new();
    for (length, tokens) in lengths.iter().enumerate() {
        let mut dataset = data.dataset.clone();
        let limit = args.chosen.limit.or(tokens.map(|_| LONG_QUESTIONS));
        if let Some(limit) = limit {
            dataset.sample(limit, args.chosen.seed);
        }
        if let Some(tokens) = *tokens {
            dataset = data::lengthen(&dataset, tokens, args.chosen.seed, reader.tokenizer())?;
        }
        let asking = Asking { reader, options, dataset: &dataset, skip_bad: args.chosen.skip_bad };
        let asked = ask_all(&asking, None, &mut data.skipped)?;
        observed.extend(asked.judged.iter().map(|judged| (length, Observed::from(judged))));
    }
    Ok(observed)
}

/// What everything is worth, for all questions and for each length.
fn parts(observed: &[(usize, Observed)], lengths: &[Option<usize>], before: Fitted, aim: Aim) -> Vec<Part> {
    let questions: Vec<Observed> = observed.iter().map(|(_, observed)| observed.clone()).collect();
    let after = held_out(&questions, aim);
    let part = |name: String, length: Option<usize>| {
        let within: Vec<usize> =
            (0..observed.len()).filter(|&q| length.is_none_or(|length| observed[q].0 == length)).collect();
        let worth =
            |fitted: &dyn Fn(usize) -> Fitted| Row::from(Worth::of(within.iter().map(|&q| (&questions[q], fitted(q)))));
        Part {
            name,
            questions: within.len(),
            before: worth(&|_| before),
            after: after.as_ref().map(|after| worth(&|q| after[q])),
        }
    };
    let mut parts = vec![part("all".into(), None)];
    if lengths.len() > 1 {
        parts.extend(lengths.iter().enumerate().map(|(length, tokens)| part(name(*tokens), Some(length))));
    }
    parts
}

impl From<Worth> for Row {
    fn from(worth: Worth) -> Self {
        let Worth { f1, answered, precision, answers_error, abstentions_error, .. } = worth;
        Self { f1, answered, precision, answers_error, abstentions_error }
    }
}

fn name(length: Option<usize>) -> String {
    length.map_or_else(|| "as they are".into(), |tokens| format!("{} tokens", thousands(tokens)))
}

/// The data in words.
fn fitted_on(files: &[String], lengths: &[Option<usize>], observed: &[(usize, Observed)]) -> String {
    let names = files
        .iter()
        .map(|file| Path::new(file).file_name().map_or(file.as_str().into(), |name| name.to_string_lossy()));
    let counts = lengths.iter().enumerate().map(|(length, tokens)| {
        let count = thousands(observed.iter().filter(|(own, _)| *own == length).count());
        match tokens {
            None => format!("{count} questions as they are"),
            Some(tokens) => format!("{count} among neighbours up to {} tokens", thousands(*tokens)),
        }
    });
    format!("{}: {}", names.collect::<Vec<_>>().join(", "), counts.collect::<Vec<_>>().join(", "))
}

/// Writes the settings beside the model, or beside a copy of it. A file that is there is replaced at once and whole.
fn write(source: &Source, out: Option<&Path>, settings: &Settings) -> Result<PathBuf> {
    let folder = match (out, source) {
        (Some(folder), _) => {
            source.copy_to(folder)?;
            folder.to_owned()
        }
        (None, Source::Folder(folder)) => folder.clone(),
        (None, Source::Memory(_)) => unreachable!("a checkpoint in memory needs --out"),
    };
    let path = folder.join(Settings::FILE);
    let temporary = folder.join(format!("{}.new", Settings::FILE));
    let written = fs::write(&temporary, settings.to_json()).and_then(|()| fs::rename(&temporary, &path));
    written.map_err(|error| data::cannot_write(&path, &error))?;
    Ok(path)
}

fn table(report: &Report) -> String {
    let Calibration { score, no_answer_score, fitted_on } = &report.calibration;
    let mut shown = format!("{}\nfitted on {}\n\n", render::one_line(&report.model), render::one_line(fitted_on));
    let mut rows = vec![row(["", "questions", "f1", "answered", "precision", "answers", "abstentions"])];
    for part in &report.parts {
        for (when, worth) in [("before", Some(&part.before)), ("after", part.after.as_ref())] {
            let Some(worth) = worth else { continue };
            let percent = |share: f64| format!("{:.1}%", 100.0 * share);
            rows.push(row([
                &format!("{}, {when}", part.name),
                &thousands(part.questions),
                &format!("{:.2}", worth.f1),
                &percent(worth.answered),
                &percent(worth.precision),
                &format!("{:.3}", worth.answers_error),
                &format!("{:.3}", worth.abstentions_error),
            ]));
        }
    }
    shown.push_str(&aligned(&rows));
    shown.push_str(
        "\nthe last two columns are calibration errors: the mean distance of scores from how often they are right\n",
    );
    if report.parts[0].after.is_some() {
        shown.push_str("'after' is judged by what was fitted on other articles\n");
    } else {
        shown.push_str("there are too few articles to fit on some and judge by others\n");
    }
    let _ = writeln!(shown, "\nthreshold        {:.4}", report.null_score_diff_threshold);
    for (name, logistic) in [("score", score), ("no_answer_score", no_answer_score)] {
        let Logistic { logit, ln_tokens, constant } = logistic;
        let _ = writeln!(shown, "{name:<16} σ({logit:.4}·logit(score) {ln_tokens:+.4}·ln(tokens) {constant:+.4})");
    }
    let _ = writeln!(shown, "\nwritten to {}", report.written.display());
    shown
}

//! `longspan calibrate`: fits the threshold of a model, and turns its scores into probabilities of being right.

use std::fmt::Write;
use std::ops::Range;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use longspan::checkpoint::{DraftFolder, Source, is_free, write_whole};
use longspan::evaluate::calibration::{Aim, CalibrationQuality, Fit, Observation, held_out};
use longspan::evaluate::coverage::ANSWERS_MIN;
use longspan::reader::{Calibration, Logistic, ReaderSettings};
use longspan::squad::Dataset;
use longspan::{GlobalAttention, ReadOptions, Reader, SpanList};
use serde::Serialize;

use crate::cli::CalibrateArgs;
use crate::data::asking::{Asking, ask_all, warn_of_fitted};
use crate::data::documents::short;
use crate::data::squad::{self, SquadData};
use crate::folder;
use crate::model::{self, Checkpoint, OpenedModel};
use crate::terminal::hints::{self, fault};
use crate::terminal::table::{aligned, row};
use crate::terminal::{self, counted, one_line, thousands};

/// Without `--limit`, so many questions are asked about long documents.
const LONG_QUESTIONS: usize = 1000;

/// What was fitted, and how good it is.
#[derive(Serialize)]
struct CalibrationReport {
    model: String,
    written: String,
    null_score_diff_threshold: f64,
    calibration: Calibration,
    /// Questions and other parts of the data that were left out, counted once for each length.
    skipped: usize,
    /// All questions, then those of each length.
    parts: Vec<CalibratedPart>,
}

/// Questions asked at one length, or all of them.
#[derive(Serialize)]
struct CalibratedPart {
    name: String,
    questions: usize,
    /// With the model's old threshold and scores. Documents are read as the options say, here and in `after`.
    before: CalibrationQuality,
    /// With a threshold and scores that were fitted on other articles; null where that is not possible.
    after: Option<CalibrationQuality>,
}

/// Runs the command.
pub fn run(args: &CalibrateArgs) -> Result<()> {
    let mut data = squad::read(&args.data, args.sampling.skip_bad)?;
    args.machine.threads.start()?;
    let OpenedModel { checkpoint, reader } = model::open(&args.model, &args.machine)?;
    let target = Target::new(&checkpoint, args.out.as_deref())?; // before hours of work
    let mut settings = reader.settings().clone();
    warn_of_fitted(&data, &settings);
    // The fit starts from scores without calibration.
    let mut uncalibrated = settings.clone();
    uncalibrated.calibration = None;
    let reader = reader.with_settings(uncalibrated);
    let options = args.reading.options(None, SpanList::Top(1));
    let groups = observe(args, &mut data, &reader, &options)?;

    let aim = args.target_precision.map_or(Aim::BestF1, Aim::Precision);
    let fitted = Fit::to(groups.iter().flat_map(|(_, observed)| observed), aim);
    let Some(Fit { threshold, score, no_answer_score }) = fitted else {
        let wanted = args.target_precision.unwrap_or_default();
        let message =
            format!("--target-precision {wanted}: no threshold reaches it with {ANSWERS_MIN} answers or more");
        return Err(fault(message, "ask for less, or give more data: `longspan eval` shows what each threshold gives"));
    };
    let fitted_on = fitted_on(&data.files, &groups, &how(&reader, &options));
    let calibration = Calibration { score, no_answer_score, fitted_on };
    let parts = parts(&groups, before(&settings), aim);
    warn_of_quality(&parts[0], args.target_precision);
    settings.null_score_diff_threshold = threshold;
    settings.max_answer_length = options.max_answer_length.unwrap_or(settings.max_answer_length);
    settings.respect_borders = options.respect_borders.unwrap_or(settings.respect_borders);
    settings.verify_tokens = options.verify_tokens.unwrap_or(settings.verify_tokens);
    settings.calibration = Some(calibration.clone());
    let written = args.out.as_deref().unwrap_or(Path::new(&checkpoint.name)).join(ReaderSettings::FILE);
    target.write(&checkpoint, &settings)?;
    let (model, skipped) = (checkpoint.name, data.skipped.count);
    let report = CalibrationReport {
        model,
        written: written.display().to_string(),
        null_score_diff_threshold: threshold,
        calibration,
        skipped,
        parts,
    };
    let shown = if args.json { serde_json::to_string_pretty(&report)? + "\n" } else { table(&report) };
    terminal::print(shown.as_bytes()).context("standard output")
}

/// Where the settings are written to.
enum Target {
    /// The folder of the model.
    Model(PathBuf),
    /// A folder for a copy of the model.
    Copy(DraftFolder),
}

impl Target {
    fn new(checkpoint: &Checkpoint, out: Option<&Path>) -> Result<Self> {
        let Some(folder) = out else {
            if let (true, Source::Folder(folder)) = (checkpoint.is_local, &checkpoint.source) {
                folder::check_writable(folder)?;
                return Ok(Self::Model(folder.clone()));
            }
            let message =
                format!("model `{}`: not a folder of yours, so nothing can be written into it", checkpoint.name);
            return Err(fault(message, "--out DIR copies the model into a folder and calibrates the copy"));
        };
        folder::check_no_file(folder)?;
        if is_free(folder)? {
            return Ok(Self::Copy(DraftFolder::begin(folder)?));
        }
        if Source::Folder(folder.to_owned()).checksum().ok() != Some(checkpoint.source.checksum()?) {
            let message = format!("`{}`: the folder holds something other than this model", folder.display());
            return Err(fault(message, "name a new folder"));
        }
        folder::check_writable(folder)?;
        Ok(Self::Model(folder.to_owned()))
    }

    fn write(self, checkpoint: &Checkpoint, settings: &ReaderSettings) -> longspan::Result<()> {
        let write = |folder: &Path| write_whole(&folder.join(ReaderSettings::FILE), settings.to_json().as_bytes());
        match self {
            Self::Model(folder) => write(&folder),
            Self::Copy(draft) => draft.fill(|folder| checkpoint.source.copy_to(folder).and_then(|()| write(folder))),
        }
    }
}

/// The questions that were asked with contexts of so many tokens; `None`: as they are.
type LengthGroup = (Option<usize>, Vec<Observation>);

/// Asks the data as they are, and at every length.
fn observe(
    args: &CalibrateArgs,
    data: &mut SquadData,
    reader: &Reader,
    options: &ReadOptions,
) -> Result<Vec<LengthGroup>> {
    let mut lengths = vec![None];
    lengths.extend(args.context_tokens.iter().copied().filter(|&tokens| tokens > 0).map(Some));
    lengths.dedup();
    let mut groups = Vec::new();
    for length in lengths {
        let mut dataset = data.dataset.clone();
        let limit = args.sampling.limit.or(length.map(|_| LONG_QUESTIONS));
        if let Some(limit) = limit {
            dataset.sample(limit, args.sampling.seed);
        }
        check_kinds(&dataset)?; // before hours of work
        if let Some(tokens) = length {
            (dataset, _) = squad::lengthen(&dataset, tokens, args.sampling.seed, reader.tokenizer())?;
        }
        let asking = Asking { reader, options, dataset: &dataset, skip_bad: args.sampling.skip_bad };
        let asked = ask_all(&asking, None, &mut data.skipped)?;
        groups.push((length, asked.scored.iter().map(Observation::from).collect()));
    }
    Ok(groups)
}

/// Checks that there are questions with an answer and without one: each kind is fitted.
fn check_kinds(dataset: &Dataset) -> Result<()> {
    for (kind, has_answer) in [("with", true), ("without", false)] {
        if dataset.questions().all(|(_, question)| question.answers.is_empty() == has_answer) {
            return Err(fault(format!("the data have no question {kind} an answer"), "give data of both kinds"));
        }
    }
    Ok(())
}

/// How good the old and the new scores are, for all questions and for each length.
fn parts(groups: &[LengthGroup], before: Fit, aim: Aim) -> Vec<CalibratedPart> {
    let questions: Vec<Observation> = groups.iter().flat_map(|(_, observed)| observed).cloned().collect();
    let after = held_out(&questions, aim);
    let part = |name: String, within: Range<usize>| {
        let quality =
            |fitted: &dyn Fn(usize) -> Fit| CalibrationQuality::of(within.clone().map(|q| (&questions[q], fitted(q))));
        let after = after.as_ref().map(|after| quality(&|q| after[q]));
        CalibratedPart { name, questions: within.len(), before: quality(&|_| before), after }
    };
    let mut parts = vec![part("all".into(), 0..questions.len())];
    let mut start = 0;
    for (length, observed) in groups.iter().filter(|_| groups.len() > 1) {
        let name = length.map_or_else(|| "as they are".into(), |tokens| counted(tokens, "token"));
        parts.push(part(name, start..start + observed.len()));
        start += observed.len();
    }
    parts
}

/// Warns where the fit does not hold on other articles.
fn warn_of_quality(all: &CalibratedPart, target_precision: Option<f64>) {
    let Some(after) = &all.after else { return };
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

/// The threshold and scores that the model had.
fn before(settings: &ReaderSettings) -> Fit {
    let threshold = settings.null_score_diff_threshold;
    let Some(Calibration { score, no_answer_score, .. }) = settings.calibration else {
        return Fit::unchanged(threshold);
    };
    Fit { threshold, score, no_answer_score }
}

/// How the questions were asked, as far as scores depend on it and the model does not determine it.
fn how(reader: &Reader, options: &ReadOptions) -> String {
    let mut how = format!("in {}", reader.model().precision());
    for (name, value) in [("max_tokens", options.max_tokens), ("doc_stride", options.doc_stride)] {
        if let Some(value) = value {
            let _ = write!(how, ", {name} {value}");
        }
    }
    if options.global_attention != GlobalAttention::default() {
        let _ = write!(how, ", global attention {:?}", options.global_attention);
    }
    how
}

/// The data in words.
fn fitted_on(files: &[String], groups: &[LengthGroup], how: &str) -> String {
    let names: Vec<String> = files.iter().map(|file| short(file)).collect();
    let counts = groups.iter().map(|(length, observed)| match length {
        None => format!("{} as they are", counted(observed.len(), "question")),
        Some(tokens) => format!("{} among neighbours up to {}", thousands(observed.len()), counted(*tokens, "token")),
    });
    format!("{}: {}, {how}", names.join(", "), counts.collect::<Vec<_>>().join(", "))
}

fn table(report: &CalibrationReport) -> String {
    let Calibration { score, no_answer_score, fitted_on } = &report.calibration;
    let mut shown = format!("{}\nfitted on {}\n\n", one_line(&report.model), one_line(fitted_on));
    let mut rows = vec![row(["", "questions", "f1", "answered", "precision", "answers", "abstentions"])];
    for part in &report.parts {
        for (when, worth) in [("before", Some(&part.before)), ("after", part.after.as_ref())] {
            let Some(worth) = worth else { continue };
            let percent = |share: f64| format!("{:.1}%", 100.0 * share);
            let or_none = |shown: Option<String>| shown.unwrap_or("–".into());
            let error = |error: Option<f64>| or_none(error.map(|error| format!("{error:.3}")));
            rows.push(row([
                &format!("{}, {when}", part.name),
                &thousands(part.questions),
                &format!("{:.2}", worth.f1),
                &percent(worth.answered),
                &or_none(worth.precision.map(percent)),
                &error(worth.answers_error),
                &error(worth.abstentions_error),
            ]));
        }
    }
    shown.push_str(&aligned(&rows));
    shown.push_str(
        "\nthe last two columns are calibration errors: the mean distance of scores from how often they are right\n",
    );
    shown.push_str(match report.parts[0].after {
        Some(_) => "'after' uses a threshold and scores that were fitted on other articles\n",
        None => "there are too few articles, or too few answers in them, to fit on some and measure on others\n",
    });
    let _ = writeln!(shown, "\nthreshold        {:.4}", report.null_score_diff_threshold);
    for (name, logistic) in [("score", score), ("no_answer_score", no_answer_score)] {
        let Logistic { logit, ln_tokens, constant } = logistic;
        let _ = writeln!(shown, "{name:<16} σ({logit:.4}·logit({name}) {ln_tokens:+.4}·ln(tokens) {constant:+.4})");
    }
    let _ = writeln!(shown, "\nwritten to {}", report.written);
    shown
}

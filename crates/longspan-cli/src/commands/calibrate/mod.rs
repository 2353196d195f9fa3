//! `longspan calibrate`: fits the thresholds of a model, and turns its scores into probabilities of being right.
//!
//! ```text
//! mixture  the questions, in parts, and what the model answers
//! report   what was fitted, and how good it is
//! ```

mod mixture;
mod report;

use std::fmt::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use longspan::checkpoint::{DraftFolder, Source, is_free, write_whole};
use longspan::evaluate::calibration::{Aim, CalibrationQuality, Fit, Observation};
use longspan::evaluate::coverage::ANSWERS_MIN;
use longspan::reader::{Calibration, ReaderSettings};
use longspan::{GlobalAttention, ReadOptions, Reader, SpanList};

use crate::cli::CalibrateArgs;
use crate::data::asking::warn_of_fitted;
use crate::data::squad;
use crate::folder;
use crate::model::{self, Checkpoint, OpenedModel};
use crate::terminal;
use crate::terminal::hints::{self, fault};
use mixture::{fitted_on, observe};
use report::{CalibrationReport, LengthTried};

/// The longest answers that are tried, in tokens.
const LENGTHS: [usize; 9] = [15, 20, 30, 45, 64, 90, 128, 180, 256];

/// Runs the command.
pub fn run(args: &CalibrateArgs) -> Result<()> {
    let mut data = squad::read(&args.data, args.sampling.skip_bad, args.sampling.dataset_options())?;
    args.machine.threads.start()?;
    let open = |model: &_| model::open(model, &args.machine);
    let opened = args.out.as_deref().map_or_else(|| open(&args.model), |out| model::for_folder(out, &args.model, open));
    let OpenedModel { checkpoint, reader } = opened?;
    let target = Target::new(&checkpoint, args.out.as_deref())?; // before hours of work
    let mut settings = reader.settings().clone();
    warn_of_fitted(&data, &settings);
    // The fit starts from scores without calibration.
    let mut uncalibrated = settings.clone();
    uncalibrated.calibration = None;
    let reader = reader.with_settings(uncalibrated);
    let options = args.reading.options(None, SpanList::Top(1));
    let parts = mixture::parts(args, &data, reader.tokenizer())?;
    let own_length = options.max_answer_length.unwrap_or(settings.max_answer_length);
    let lengths = lengths(own_length, args.fit_max_answer_length);
    let tried: Vec<ReadOptions> = lengths.iter().map(|&length| with_length(&options, length)).collect();
    let observed = observe(args, &parts, &mut data, &reader, &tried)?;

    let aim = args.target_precision.map_or(Aim::BestF1, Aim::Precision);
    let Some((best, fitted)) = best_fit(&observed, aim) else {
        let wanted = args.target_precision.unwrap_or_default();
        let message =
            format!("--target-precision {wanted}: no threshold reaches it with {ANSWERS_MIN} answers or more");
        return Err(fault(message, "ask for less, or give more data: `longspan eval` shows what each threshold gives"));
    };
    let fitted_on = fitted_on(&data, &parts, &observed[best], &how(&reader, &options));
    let own = lengths.iter().position(|&length| length == own_length).expect("it is tried");
    let calibrated = report::parts(&parts, &observed[own], before(&settings), &observed[best], aim);
    report::warn_of_missing(&fitted);
    report::warn_of_quality(&calibrated[0], args.target_precision);
    settings.null_score_diff_threshold = fitted.threshold;
    settings.abstain = fitted.thresholds();
    settings.max_answer_length = lengths[best];
    settings.respect_borders = options.respect_borders.unwrap_or(settings.respect_borders);
    settings.verify_tokens = options.verify_tokens.unwrap_or(settings.verify_tokens);
    let calibration = Calibration { score: fitted.score, no_answer_score: fitted.no_answer_score, fitted_on };
    settings.calibration = Some(calibration.clone());
    let written = args.out.as_deref().unwrap_or(Path::new(&checkpoint.name)).join(ReaderSettings::FILE);
    target.write(&checkpoint, &settings)?;
    let tried = lengths.iter().zip(&observed).filter(|_| args.fit_max_answer_length);
    let report = CalibrationReport {
        model: checkpoint.name,
        written: written.display().to_string(),
        threshold: fitted.threshold,
        abstain: settings.abstain,
        max_answer_length: settings.max_answer_length,
        calibration,
        skipped: data.skipped.count,
        parts: calibrated,
        lengths: tried.rev().map(|(&length, observed)| LengthTried::new(length, &parts, observed, aim)).collect(),
    };
    let shown = if args.json { serde_json::to_string_pretty(&report)? + "\n" } else { report::table(&report) };
    terminal::print(shown.as_bytes()).context("standard output")
}

/// The longest answers to try, the longest first, because the others are found in what it reads.
fn lengths(own: usize, fit: bool) -> Vec<usize> {
    let mut lengths: Vec<usize> = LENGTHS.into_iter().filter(|_| fit).chain([own]).collect();
    lengths.sort_by_key(|&length| std::cmp::Reverse(length));
    lengths.dedup();
    lengths
}

fn with_length(options: &ReadOptions, length: usize) -> ReadOptions {
    let mut options = options.clone();
    options.max_answer_length = Some(length);
    options
}

/// The answers with the best F1 at their own threshold, and the fit to them; of equals, those of the shortest limit, which
/// comes last.
fn best_fit(observed: &[Vec<Observation>], aim: Aim) -> Option<(usize, Fit)> {
    let fits = observed.iter().enumerate().filter_map(|(i, observed)| Some((i, Fit::to(observed, aim)?)));
    let f1 = |(i, fit): &(usize, Fit)| CalibrationQuality::of(observed[*i].iter().map(|o| (o, *fit))).f1;
    fits.max_by(|a, b| f1(a).total_cmp(&f1(b)))
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
        if folder.join(ReaderSettings::FILE).exists() {
            let name = folder.display();
            hints::warn(&format!("`{name}`: this model is there already, and its calibration is replaced"));
        }
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

/// The threshold and scores that the model had.
fn before(settings: &ReaderSettings) -> Fit {
    let threshold = settings.null_score_diff_threshold;
    let Some(Calibration { score, no_answer_score, .. }) = settings.calibration else {
        return Fit::unchanged(threshold);
    };
    Fit { score, no_answer_score, ..Fit::unchanged(threshold) }
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

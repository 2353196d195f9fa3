//! `longspan eval`: how good a model is on data in SQuAD's form, or how good the predictions of another system are.
//!
//! ```text
//! evaluation   figures and results of all questions
//! model_run    … of a model that was asked
//! predictions  … of another system, without a model
//! report       every measurement
//! tables       … on the terminal
//! plots        … as pictures
//! page         … as a page that stands alone
//! files        all of it in a folder
//! ```

mod evaluation;
mod files;
mod model_run;
mod page;
mod plots;
mod predictions;
mod report;
mod tables;

use anyhow::{Context, Result};
use longspan::SpanList;
use longspan::squad::official::to_json;

use crate::cli::EvalArgs;
use crate::data::answers::AnswerFile;
use crate::data::asking::{Asking, ask_all, warn_of_fitted};
use crate::data::squad::{self, SquadData};
use crate::folder::{self, RESUME_HINT};
use crate::model;
use crate::terminal;
use evaluation::Evaluation;
use predictions::PredictionFiles;
use report::{DataSummary, EvalReport, RunSummary};

/// So many starts and ends of each question are written for `longspan train --teacher-answers`.
const TEACHER_ENDPOINTS: usize = 20;

/// Runs the command.
pub fn run(args: &EvalArgs) -> Result<()> {
    let mut data = squad::read(&args.data, args.sampling.skip_bad, args.sampling.dataset_options())?;
    if let Some(limit) = args.sampling.limit {
        data.dataset.sample(limit, args.sampling.seed);
    }
    let Some(path) = &args.predictions else { return evaluate_model(args, data) };
    let files = PredictionFiles::read(path, args.null_odds.as_deref())?;
    if let Some(folder) = &args.out {
        folder::make_new(folder, "name a new folder")?;
    }
    let mut evaluation = predictions::evaluation(&data.dataset, &files, args.threshold.threshold)?;
    if args.out.is_some() {
        predictions::measure_lengths(&model::find(&args.model)?, &mut evaluation.results)?;
    }
    report(args, &data, &evaluation, None)
}

/// Asks the model and measures its answers.
fn evaluate_model(args: &EvalArgs, mut data: SquadData) -> Result<()> {
    args.machine.threads.start()?;
    match &args.out {
        Some(folder) if !args.resume => folder::check_new(folder, RESUME_HINT)?, // before a model is fetched
        _ => {}
    }
    let opened = model::open(&args.model, &args.machine)?;
    let reader = &opened.reader;
    let mut places = None;
    if let Some(tokens) = args.context_tokens {
        let (longer, own) = squad::lengthen(&data.dataset, tokens, args.sampling.seed, reader.tokenizer())?;
        (data.dataset, places) = (longer, Some(own));
    }
    let mut options = args.reading.options(Some(&args.threshold), SpanList::Top(args.n_best_size));
    if let Some(path) = &args.save_teacher_answers {
        squad::check_output(path, &args.data)?;
        options.endpoints = TEACHER_ENDPOINTS;
    }
    let asking = Asking {
        reader,
        options: std::slice::from_ref(&options),
        dataset: &data.dataset,
        skip_bad: args.sampling.skip_bad,
    };
    asking.check_options()?; // before anything is written
    if let Some(path) = &args.save_data {
        squad::save(&data.dataset, path, &args.data)?;
    }
    let mut answers = None;
    if let Some(folder) = &args.out {
        match args.resume {
            true => folder::make(folder)?,
            false => folder::make_new(folder, RESUME_HINT)?,
        }
    }
    args.save_teacher_answers.as_deref().map_or(Ok(()), squad::check_writable)?; // perhaps in that folder
    if let Some(folder) = &args.out {
        answers = Some(AnswerFile::open(folder, &model_run::identity(&opened, &data.dataset, &options)?)?);
    }
    let asked = ask_all(&asking, answers.as_mut(), &mut data.skipped)?;
    let evaluation = model_run::evaluation(&data.dataset, &asked.scored[0]);
    warn_of_fitted(&data, reader.settings());
    if let Some(folder) = &args.out {
        files::write_answers(folder, &asked.scored[0])?;
    }
    if let Some(path) = &args.save_teacher_answers {
        squad::write(path, files::teacher_answers(&data.dataset, places.as_deref(), &asked.scored[0])?.as_bytes())?;
    }
    report(args, &data, &evaluation, Some(model_run::summary(&opened, &options, &asked)?))
}

/// Writes the files and prints the report.
fn report(args: &EvalArgs, data: &SquadData, evaluation: &Evaluation<'_>, run: Option<RunSummary>) -> Result<()> {
    let report = EvalReport::new(evaluation, DataSummary::new(args, data, evaluation), run);
    if let Some(folder) = &args.out {
        files::write_report(folder, &report, evaluation)?;
    }
    let shown = if args.json { to_json(&report.official.0) + "\n" } else { tables::show(&report, args.out.as_deref()) };
    terminal::print(shown.as_bytes()).context("standard output")
}

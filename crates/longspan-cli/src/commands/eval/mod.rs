//! `longspan eval`: how good a model is on data in SQuAD's form, or how good predictions are that were made elsewhere.
//!
//! ```text
//! run          a model, asked all of them
//! predictions  predictions of another system, without a model
//! report       what is measured
//! tables       … on the terminal
//! plots        … as pictures
//! page         … as a page that stands alone
//! files        all of it in a folder
//! ```

mod files;
mod page;
mod plots;
mod predictions;
mod report;
mod run;
mod tables;

use std::path::Path;

use anyhow::{Context, Result};
use longspan::evaluate::Asked;
use longspan::squad::metrics::Score;
use longspan::squad::official::{Figures, to_json};
use longspan::squad::ranking::Ranking;
use longspan::tokenizer::ByteSpan;

use crate::cli::EvalArgs;
use crate::data::squad as data;
use crate::terminal;
use report::Report;

/// Everything that was found.
pub struct Evaluation<'a> {
    /// The official figures.
    pub figures: Figures,
    /// Every question.
    pub items: Vec<Item<'a>>,
    /// The questions by their null odds, where they have any.
    pub ranking: Option<Ranking>,
}

/// One question, what was said to it, and how right that was.
pub struct Item<'a> {
    /// The question.
    pub asked: Asked<'a>,
    /// Title of its article.
    pub title: &'a str,
    /// The answer; empty on abstention.
    pub said: &'a str,
    /// Where it stands, if that is known.
    pub place: Option<ByteSpan>,
    /// How right it is.
    pub decision: Score,
    /// The score that a model gave it.
    pub confidence: Option<f64>,
    /// By what the most confident come first: the score, or how far the null odds are from the threshold.
    pub certainty: Option<f64>,
    /// Tokens of the document, if they were counted.
    pub tokens: Option<usize>,
    /// Tokens before the first gold answer.
    pub position: Option<usize>,
}

impl Item<'_> {
    /// Whether the data give an answer.
    pub fn has_answer(&self) -> bool {
        !self.asked.question.answers.is_empty()
    }
}

/// Runs the command.
pub fn run(args: &EvalArgs) -> Result<()> {
    let data = data::read(&args.data, args.chosen.skip_bad)?;
    match &args.predictions {
        Some(path) => predictions::evaluate(args, path, data),
        None => run::evaluate(args, data),
    }
}

/// Shows what was found, once the files are written.
fn show(args: &EvalArgs, report: &Report, folder: Option<&Path>) -> Result<()> {
    let shown = if args.json { to_json(&report.official) + "\n" } else { tables::show(report, folder) };
    terminal::print(shown.as_bytes()).context("standard output")
}

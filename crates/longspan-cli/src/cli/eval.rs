//! Arguments of `longspan eval` and `longspan calibrate`.

use std::path::PathBuf;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, ValueHint};
use longspan::squad::{AnswerOffsets, DatasetOptions, MisplacedAnswers};

use super::common::{DATA, MachineArgs, ModelArgs, ReadingArgs, ThresholdArgs};
use super::values::{count, count_or_zero, seed, share, spans};

const WITHOUT_MODEL: &str = "Without a model";

/// Arguments of `longspan eval`.
#[derive(Debug, Args)]
pub struct EvalArgs {
    /// The data: SQuAD v1.1 or v2.0, or rows of Hugging Face's datasets in JSON, plain or gzip
    #[arg(value_name = "DATA", required = true, value_hint = ValueHint::FilePath)]
    pub data: Vec<PathBuf>,
    /// The model to measure.
    #[command(flatten)]
    pub model: ModelArgs,
    /// Print the official figures only, as the official script prints them
    #[arg(long)]
    pub json: bool,
    /// Write predictions, the report and its plots into this folder
    #[arg(short, long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub out: Option<PathBuf>,
    /// Continue the interrupted run in --out
    #[arg(long, requires = "out", conflicts_with = "predictions")]
    pub resume: bool,
    /// Spans that nbest_predictions.json lists for each question
    #[arg(long, value_name = "N", default_value = "20", value_parser = spans, allow_hyphen_values = true)]
    pub n_best_size: usize,
    /// Which questions are asked.
    #[command(flatten)]
    pub sampling: SamplingArgs,
    /// Put every paragraph among its neighbours, up to N tokens
    #[arg(long, value_name = "N", value_parser = count, allow_hyphen_values = true, help_heading = DATA,
          conflicts_with = "predictions")]
    pub context_tokens: Option<usize>,
    /// Write the questions as they are asked to this file, so that another system can be asked the same; answers without a
    /// place have no answer_start there
    #[arg(long, value_name = "FILE", help_heading = DATA, value_hint = ValueHint::FilePath, conflicts_with = "predictions")]
    pub save_data: Option<PathBuf>,
    /// Write the probabilities of starts and ends to this file, so that `longspan train --teacher-answers` can learn from them
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, conflicts_with = "predictions")]
    pub save_teacher_answers: Option<PathBuf>,
    /// Predictions to evaluate instead of a model: JSON, texts by question id, or the list that Hugging Face's `evaluate` takes.
    /// Options of the model have no effect
    #[arg(long, value_name = "FILE", help_heading = WITHOUT_MODEL, value_hint = ValueHint::FilePath,
          conflicts_with = "abstain")]
    pub predictions: Option<PathBuf>,
    /// Their null odds, or other scores of 'no answer': JSON, numbers by question id
    #[arg(long, value_name = "FILE", help_heading = WITHOUT_MODEL, value_hint = ValueHint::FilePath,
          requires = "predictions")]
    pub null_odds: Option<PathBuf>,
    /// How documents are read.
    #[command(flatten)]
    pub reading: ReadingArgs,
    /// When there is no answer.
    #[command(flatten)]
    pub threshold: ThresholdArgs,
    /// On what the command computes.
    #[command(flatten)]
    pub machine: MachineArgs,
}

/// Arguments of `longspan calibrate`.
#[derive(Debug, Args)]
pub struct CalibrateArgs {
    /// The data: SQuAD v2.0, plain or gzip; each file is a part of its own, and all parts count the same
    #[arg(value_name = "DATA", required = true, value_hint = ValueHint::FilePath)]
    pub data: Vec<PathBuf>,
    /// The model to calibrate.
    #[command(flatten)]
    pub model: ModelArgs,
    /// Copy the model into this folder and calibrate the copy; needed for models of the hub and the embedded one
    #[arg(short, long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub out: Option<PathBuf>,
    /// Choose the threshold at which this share of the answers is right, instead of the one with the best F1
    #[arg(long, value_name = "P", value_parser = share, allow_hyphen_values = true)]
    pub target_precision: Option<f64>,
    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
    /// Which questions are asked.
    #[command(flatten)]
    pub sampling: SamplingArgs,
    /// Ask again with paragraphs among their neighbours, up to these numbers of tokens; 0 for none
    #[arg(long, value_name = "N,N", value_delimiter = ',', default_value = "3500,8000", help_heading = DATA,
          value_parser = count_or_zero, allow_hyphen_values = true)]
    pub context_tokens: Vec<usize>,
    /// Put questions also to paragraphs of other articles, which do not answer them, at the same lengths
    #[arg(long, help_heading = DATA)]
    pub unrelated: bool,
    /// Choose the longest answer too, from 15 to 256 tokens: the one with the best F1
    #[arg(long, conflicts_with = "max_answer_length")]
    pub fit_max_answer_length: bool,
    /// How documents are read.
    #[command(flatten)]
    pub reading: ReadingArgs,
    /// On what the command computes.
    #[command(flatten)]
    pub machine: MachineArgs,
}

/// Which questions of the data are asked.
#[derive(Debug, Args)]
#[command(next_help_heading = DATA)]
pub struct SamplingArgs {
    /// Ask only N questions, drawn at random; `calibrate` asks N in each part
    #[arg(long, value_name = "N", value_parser = count, allow_hyphen_values = true)]
    pub limit: Option<usize>,
    /// Draw other questions and other neighbours
    #[arg(long, value_name = "N", default_value = "1", value_parser = seed, allow_hyphen_values = true)]
    pub seed: u64,
    /// Leave out and count the faulty parts of the data
    #[arg(long)]
    pub skip_bad: bool,
    /// What answer_start counts: `characters`, `utf16` units, `bytes`, or nothing: `search` takes the nearest place of the text
    #[arg(long, value_name = "UNIT", default_value = "characters", hide_possible_values = true, value_parser = offsets())]
    pub offsets: AnswerOffsets,
}

impl SamplingArgs {
    /// How the data are read: their answers are compared as texts, so each counts wherever it stands.
    pub fn dataset_options(&self) -> DatasetOptions {
        DatasetOptions { offsets: self.offsets, misplaced: MisplacedAnswers::Keep }
    }
}

fn offsets() -> impl TypedValueParser<Value = AnswerOffsets> {
    PossibleValuesParser::new(AnswerOffsets::ALL.map(AnswerOffsets::name))
        .map(|name| AnswerOffsets::ALL.into_iter().find(|offsets| offsets.name() == name).expect("one of the names"))
}

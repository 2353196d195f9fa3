//! Arguments of `longspan bench`.

use clap::{Args, ValueEnum};
use serde::Serialize;

use super::common::{MACHINE, ModelArgs, PrecisionArg};
use super::values::{count, count_or_zero, threads};

/// Arguments of `longspan bench`.
#[derive(Debug, Args)]
pub struct BenchArgs {
    /// The model to measure.
    #[command(flatten)]
    pub model: ModelArgs,
    /// A model of this size with random weights instead
    #[arg(long, value_name = "SIZE")]
    pub preset: Option<Preset>,
    /// Tokens of an input, a comma list [default: 128,512,4096, as far as the model has positions]
    #[arg(long, value_name = "N,N", value_delimiter = ',', value_parser = count, allow_hyphen_values = true)]
    pub lengths: Vec<usize>,
    /// Inputs in a batch
    #[arg(long, value_name = "N", default_value = "1", value_parser = count, allow_hyphen_values = true)]
    pub sequences: usize,
    /// Tokens with global attention, the first of each input [default: 12, in a short model and with =masked-lm 0]
    #[arg(long, value_name = "N", value_parser = count_or_zero, allow_hyphen_values = true)]
    pub globals: Option<usize>,
    /// Passes that are timed
    #[arg(long, value_name = "N", default_value = "5", value_parser = count, allow_hyphen_values = true)]
    pub passes: usize,
    /// Also measure matrix products alone, in sizes of a base model
    #[arg(long)]
    pub products: bool,
    /// Measure training steps (forward, backward and AdamW, with dropout) instead of passes: of question answering, or
    /// with =masked-lm of masked language modelling
    #[arg(long, value_name = "WHAT", num_args = 0..=1, require_equals = true, default_missing_value = "questions",
          hide_possible_values = true)]
    pub training: Option<TrainingTask>,
    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
    /// Threads to compute on, a comma list [default: all cores]
    #[arg(long, value_name = "N,N", value_delimiter = ',', value_parser = threads, allow_hyphen_values = true,
          help_heading = MACHINE)]
    pub threads: Vec<usize>,
    /// Number formats to compute in, a comma list
    #[arg(long, value_name = "WHICH,WHICH", value_delimiter = ',', default_value = "auto", env = "LONGSPAN_PRECISION",
          hide_env_values = true, help_heading = MACHINE)]
    pub precision: Vec<PrecisionArg>,
}

/// What the measured steps train.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum TrainingTask {
    /// Question answering.
    Questions,
    /// Masked language modelling, no token global.
    MaskedLm,
}

/// A size of model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Preset {
    /// 6 layers, 384 wide, window 256
    Mini,
    /// 12 layers, 768 wide, window 512
    Base,
    /// 24 layers, 1,024 wide, window 512
    Large,
}

//! Arguments that several commands have.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, ValueEnum, ValueHint};
use longspan::{Abstain, GlobalAttention, ReadOptions, SpanList};
use longspan_ask::Format;

use super::values::{count, count_or_zero, global_attention, threads, threshold};
use crate::terminal::hints::fault;

pub const DATA: &str = "Data";
pub const MACHINE: &str = "Machine";
pub const DOCUMENTS: &str = "Documents";
const READING: &str = "How documents are read";

/// Which model.
#[derive(Debug, Clone, Args)]
pub struct ModelArgs {
    /// The model: a folder, ORG/NAME[@REVISION] on the Hugging Face hub, or `embedded` [default: embedded]
    #[arg(short, long, env = "LONGSPAN_MODEL", hide_env_values = true, value_hint = ValueHint::DirPath)]
    pub model: Option<OsString>,
    /// Use no network: a model of the hub must be in the cache
    #[arg(long)]
    pub offline: bool,
}

/// How the files of documents are read.
#[derive(Debug, Args)]
#[command(next_help_heading = DOCUMENTS)]
pub struct DocumentArgs {
    /// The format of the documents; `text` is any text as it is [default: found out for each, by its bytes, then its name]
    #[arg(long, value_name = "FORMAT", value_parser = format())]
    pub format: Option<Format>,
    /// The first line of FILE is the password of encrypted documents [default: asked for at a terminal]
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub password_file: Option<PathBuf>,
}

fn format() -> impl TypedValueParser<Value = Format> {
    let of_name = |name: String| Format::ALL.into_iter().find(|format| format.name() == name);
    PossibleValuesParser::new(Format::ALL.map(Format::name)).try_map(move |name| of_name(name).ok_or("no such format"))
}

/// How documents are read.
#[derive(Debug, Args)]
#[command(next_help_heading = READING)]
pub struct ReadingArgs {
    /// Longest answer, in tokens [default: the model's setting, or 30]
    #[arg(long, value_name = "N", value_parser = count, allow_hyphen_values = true)]
    max_answer_length: Option<usize>,
    /// Whether no answer may run over a blank line, a form feed, or the border of a heading, a cell, a note, code or what
    /// stands beside the text, such as a running head [default: the model's setting, or false]
    #[arg(long, value_name = "true|false")]
    respect_borders: Option<bool>,
    /// Longest input of the model, in tokens: question and window [default and maximum: the model's positions]
    #[arg(long, value_name = "N", value_parser = count, allow_hyphen_values = true)]
    max_tokens: Option<usize>,
    /// Tokens that neighbouring windows of a longer document share [default: the model's largest attention window, at most a
    /// quarter of the room that an input has for the document]
    #[arg(long, value_name = "N", value_parser = count_or_zero, allow_hyphen_values = true)]
    doc_stride: Option<usize>,
    /// Read N tokens around the best span of a longer document once more, alone; an answer must convince there too. 0
    /// switches this off. Thresholds depend on it [default: the model's setting, or 0]
    #[arg(long, value_name = "N", value_parser = count_or_zero, allow_hyphen_values = true)]
    verify_tokens: Option<usize>,
    /// Tokens with global attention: `question`, `first`, `none`, or positions in the input such as `0,1,5`
    /// (0 is `<s>`, the question follows); a short model has none
    #[arg(long, value_name = "WHICH", default_value = "question", value_parser = global_attention,
          allow_hyphen_values = true)]
    global_attention: GlobalAttention,
}

impl ReadingArgs {
    /// The reader's options, for answers that list `spans`; without a threshold, the model's.
    pub fn options(&self, threshold: Option<&ThresholdArgs>, spans: SpanList) -> ReadOptions {
        let mut options = ReadOptions::default();
        options.max_tokens = self.max_tokens;
        options.doc_stride = self.doc_stride;
        options.max_answer_length = self.max_answer_length;
        options.respect_borders = self.respect_borders;
        options.threshold = threshold.and_then(|given| given.threshold);
        options.abstain = threshold.and_then(|given| given.abstain);
        options.verify_tokens = self.verify_tokens;
        options.spans = spans;
        options.global_attention = self.global_attention.clone();
        options
    }
}

/// When there is no answer.
#[derive(Debug, Args)]
#[command(next_help_heading = READING)]
pub struct ThresholdArgs {
    /// Report no answer when null_odds (see --json) is above X; a higher X answers more often [default: the model's setting, or 0]
    #[arg(long, value_name = "X", allow_hyphen_values = true, value_parser = threshold)]
    pub threshold: Option<f64>,
    /// How ready to answer, by a threshold that `longspan calibrate` has fitted to the model: `strict` answers if sure (85% of
    /// its answers are right on the data of the calibration), `balanced` is the default, `eager` refuses at most one in
    /// five of the questions that have an answer there
    #[arg(long, value_name = "HOW", conflicts_with = "threshold", hide_possible_values = true, value_parser = abstain())]
    pub abstain: Option<Abstain>,
}

/// The names of thresholds, as possible values: so completions have them too.
fn abstain() -> impl TypedValueParser<Value = Abstain> {
    PossibleValuesParser::new(Abstain::ALL.map(Abstain::name))
        .map(|name| Abstain::from_name(&name).expect("one of the names"))
}

/// On what the command computes.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = MACHINE)]
pub struct MachineArgs {
    /// How many threads.
    #[command(flatten)]
    pub threads: ThreadsArgs,
    /// Number format to compute in
    #[arg(long, value_name = "WHICH", default_value = "auto", env = "LONGSPAN_PRECISION", hide_env_values = true)]
    pub precision: PrecisionArg,
}

/// How many threads compute.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = MACHINE)]
pub struct ThreadsArgs {
    /// Threads to compute on [default: all cores]
    #[arg(long, value_name = "N", value_parser = threads, allow_hyphen_values = true)]
    threads: Option<usize>,
}

impl ThreadsArgs {
    /// Starts the threads.
    ///
    /// # Errors
    /// When they cannot be started.
    pub fn start(&self) -> anyhow::Result<()> {
        if let Some(threads) = self.threads {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads);
            pool.build_global().map_err(|error| cannot_start(threads, &error))?;
        }
        Ok(())
    }
}

/// The error that so many threads cannot be started.
pub fn cannot_start(threads: usize, error: &rayon::ThreadPoolBuildError) -> anyhow::Error {
    fault(format!("--threads {threads}: {error}"), "give a smaller number: more threads than cores gain nothing")
}

/// Number format to compute in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum PrecisionArg {
    /// bf16 where the machine has instructions for it, else f32
    Auto,
    /// Single precision
    F32,
    /// 8 bits of precision: twice as fast where the machine has instructions for it, and half the memory
    Bf16,
    /// Bytes in the linear layers: a third of the memory, at some cost in answers
    Int8,
}

impl PrecisionArg {
    /// The precision on this machine.
    ///
    /// # Errors
    /// When `LONGSPAN_ISA` names an instruction set that this machine lacks.
    pub fn on_this_machine(self) -> longspan::Result<longspan::Precision> {
        Ok(match self {
            Self::Auto => longspan::best_precision()?,
            Self::F32 => longspan::Precision::F32,
            Self::Bf16 => longspan::Precision::Bf16,
            Self::Int8 => longspan::Precision::Int8,
        })
    }
}

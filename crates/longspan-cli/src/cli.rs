//! The command line: every command, option and help text. Completions and manual pages are made from it too.

mod convert;
mod help;
mod train;

use std::ffi::OsString;
use std::path::PathBuf;

use anyhow::Context;
use clap::builder::styling::{AnsiColor, Styles};
use clap::{Args, ColorChoice, CommandFactory, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use longspan::{GlobalAttention, ReadOptions, SpanList};
use serde::Serialize;

pub use convert::ConvertArgs;
use help::{ASK_MORE, BENCH_MORE, CALIBRATE_MORE, CONVERT_MORE, EVAL_MORE, EXAMPLES, PRETRAIN_MORE, TRAIN_MORE};
pub use train::{PretrainArgs, RunArgs, TrainArgs};

const STYLES: Styles =
    Styles::styled().header(AnsiColor::Green.on_default().bold()).usage(AnsiColor::Green.on_default().bold());

/// Exact answers from long documents, or an honest 'no answer'
///
/// A question and a document go in; the exact span of the text that answers comes out with its place, or the word that
/// the document has no answer. The model that the program carries needs no download; any Longformer for question
/// answering can take its place.
#[derive(Debug, Parser)]
#[command(name = "longspan", version, styles = STYLES, max_term_width = 100, after_long_help = EXAMPLES)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
    /// Colours: `auto` (on a terminal that has them; NO_COLOR and CLICOLOR are heeded), `always` or `never`
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto", hide_possible_values = true)]
    pub color: ColorChoice,
}

/// The commands of the program.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Ask documents a question
    #[command(after_long_help = ASK_MORE, override_usage = ASK_USAGE)]
    Ask(Box<AskArgs>),
    /// Measure how good a model is on data in SQuAD's form
    #[command(after_long_help = EVAL_MORE)]
    Eval(Box<EvalArgs>),
    /// Make the scores of a model probabilities of being right, and choose its threshold
    #[command(after_long_help = CALIBRATE_MORE)]
    Calibrate(Box<CalibrateArgs>),
    /// Make a long model of a short one
    #[command(after_long_help = CONVERT_MORE)]
    Convert(ConvertArgs),
    /// Train a model on data in SQuAD's form
    #[command(after_long_help = TRAIN_MORE)]
    Train(Box<TrainArgs>),
    /// Go on with the pretraining of a model on long documents
    #[command(after_long_help = PRETRAIN_MORE)]
    Pretrain(Box<PretrainArgs>),
    /// Show a model and this machine
    Info(InfoArgs),
    /// Measure how fast this machine runs a model
    #[command(after_long_help = BENCH_MORE)]
    Bench(BenchArgs),
    /// Fetch a model from the Hugging Face hub into the cache and print its folder
    Fetch(FetchArgs),
    /// Write the completions of a shell to standard output
    Completions {
        /// The shell
        shell: Shell,
    },
    /// Write a manual page to standard output
    Man {
        /// The command that it is about; without one, the program
        #[arg(value_name = "COMMAND")]
        command: Option<String>,
    },
}

const ASK_USAGE: &str = "longspan ask [OPTIONS] QUESTION [FILE]...
       longspan ask [OPTIONS] --questions QUESTIONS [FILE]...
       longspan ask [OPTIONS] --interactive FILE...";

/// Arguments of `longspan ask`.
#[derive(Debug, Args)]
pub struct AskArgs {
    /// The question; a FILE too with --questions or --interactive
    #[arg(value_name = "QUESTION", required_unless_present_any = ["questions", "interactive"])]
    question: Option<OsString>,
    /// The documents: UTF-8 text, plain or gzip; standard input when there is none, or for `-`
    #[arg(value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    files: Vec<PathBuf>,
    /// The model to ask.
    #[command(flatten)]
    pub model: ModelArgs,
    /// Ask the questions of this file, one per line; every other argument is then a document
    #[arg(long, value_name = "QUESTIONS", conflicts_with = "interactive", value_hint = clap::ValueHint::FilePath)]
    pub questions: Option<PathBuf>,
    /// Read the documents once, then ask at a prompt
    #[arg(short, long)]
    pub interactive: bool,
    /// Print one JSON object per line, for each document and question
    #[arg(long)]
    pub json: bool,
    /// List up to N spans for each document; they do not overlap
    #[arg(short = 'k', long, value_name = "N", conflicts_with = "all", value_parser = count,
          allow_negative_numbers = true)]
    top_k: Option<usize>,
    /// List every span above the threshold, as a search tool would
    #[arg(short, long)]
    all: bool,
    /// How documents are read.
    #[command(flatten)]
    reading: ReadingArgs,
    /// When there is no answer.
    #[command(flatten)]
    threshold: ThresholdArgs,
    /// What it runs on.
    #[command(flatten)]
    pub machine: MachineArgs,
}

/// How documents are read.
#[derive(Debug, Args)]
pub struct ReadingArgs {
    /// Longest answer, in tokens [default: what the model says, else 30]
    #[arg(long, value_name = "N", value_parser = count, allow_negative_numbers = true, help_heading = READING)]
    max_answer_length: Option<usize>,
    /// Longest input of the model, in tokens: question and window [default and most: the model's positions]
    #[arg(long, value_name = "N", value_parser = count, allow_negative_numbers = true, help_heading = READING)]
    max_tokens: Option<usize>,
    /// Tokens that neighbouring windows of a longer document share [default: the model's largest attention window, at most a
    /// quarter of the room that an input has for the document]
    #[arg(long, value_name = "N", value_parser = count_or_zero, allow_negative_numbers = true, help_heading = READING)]
    doc_stride: Option<usize>,
    /// Read N tokens around the best span of a longer document once more, alone: an answer must convince there too; 0:
    /// do not. Thresholds are fitted with it [default: what the model says, else 0]
    #[arg(long, value_name = "N", value_parser = count_or_zero, allow_negative_numbers = true, help_heading = READING)]
    verify_tokens: Option<usize>,
    /// Tokens with global attention: `question`, `first`, `none`, or positions in the input such as `0,1,5`
    /// (0 is `<s>`, the question follows)
    #[arg(long, value_name = "WHICH", default_value = "question", value_parser = global_attention,
          help_heading = READING)]
    global_attention: GlobalAttention,
}

/// When there is no answer.
#[derive(Debug, Args)]
pub struct ThresholdArgs {
    /// Say 'no answer' when null_odds is above X; higher answers more often [default: what the model says, else 0]
    #[arg(long, value_name = "X", allow_hyphen_values = true, value_parser = threshold, help_heading = READING)]
    pub threshold: Option<f64>,
}

/// What it runs on.
#[derive(Debug, Args)]
pub struct MachineArgs {
    /// How many threads.
    #[command(flatten)]
    threads: ThreadsArgs,
    /// Numbers to compute with
    #[arg(long, value_name = "WHICH", default_value = "auto", env = "LONGSPAN_PRECISION", hide_env_values = true,
          help_heading = MACHINE)]
    pub precision: Precision,
}

/// How many threads compute.
#[derive(Debug, Args)]
pub struct ThreadsArgs {
    /// Threads to compute on [default: all cores]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=THREADS_MAX), help_heading = MACHINE)]
    threads: Option<u16>,
}

const READING: &str = "How documents are read";
const MACHINE: &str = "Machine";
const DATA: &str = "Data";
const WITHOUT: &str = "Without a model";
const THREADS_MAX: i64 = 4096;

impl AskArgs {
    /// The question of the command line, where it has one.
    pub fn question(&self) -> Option<&OsString> {
        self.question.as_ref().filter(|_| self.questions.is_none() && !self.interactive)
    }

    /// The documents, in the order of the command line; empty for standard input.
    pub fn files(&self) -> Vec<PathBuf> {
        let first = self.question.iter().filter(|_| self.question().is_none()).map(PathBuf::from);
        first.chain(self.files.iter().cloned()).collect()
    }

    /// What the library needs to know of the options.
    pub fn read_options(&self) -> ReadOptions {
        let spans = if self.all { SpanList::All } else { SpanList::Top(self.top_k.unwrap_or(1)) };
        self.reading.options(&self.threshold, spans)
    }
}

impl EvalArgs {
    /// What the library needs to know of the options.
    pub fn read_options(&self) -> ReadOptions {
        self.reading.options(&self.threshold, SpanList::Top(self.n_best_size))
    }
}

impl CalibrateArgs {
    /// What the library needs to know of the options.
    pub fn read_options(&self) -> ReadOptions {
        self.reading.options(&ThresholdArgs { threshold: None }, SpanList::Top(1))
    }
}

impl ReadingArgs {
    /// What the library needs to know of the options, for answers that list `spans`.
    fn options(&self, threshold: &ThresholdArgs, spans: SpanList) -> ReadOptions {
        let mut options = ReadOptions::default();
        options.max_tokens = self.max_tokens;
        options.doc_stride = self.doc_stride;
        options.max_answer_length = self.max_answer_length;
        options.null_score_diff_threshold = threshold.threshold;
        options.verify_tokens = self.verify_tokens;
        options.spans = spans;
        options.global_attention = self.global_attention.clone();
        options
    }
}

impl MachineArgs {
    /// Starts the threads.
    ///
    /// # Errors
    /// When they cannot be started.
    pub fn start_threads(&self) -> anyhow::Result<()> {
        self.threads.start()
    }
}

impl ThreadsArgs {
    /// Starts the threads.
    ///
    /// # Errors
    /// When they cannot be started.
    pub fn start(&self) -> anyhow::Result<()> {
        if let Some(threads) = self.threads {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads.into());
            pool.build_global().with_context(|| format!("{threads} threads"))?;
        }
        Ok(())
    }
}

/// Not a doc comment, where the brackets would be a link.
const MODEL_HELP: &str = "The model: a folder, or ORG/NAME[@REVISION] on the Hugging Face hub [default: the one in the \
                          program]";

/// Which model.
#[derive(Debug, Args)]
pub struct ModelArgs {
    /// The model as it was given.
    #[arg(short, long, help = MODEL_HELP, value_name = "MODEL", env = "LONGSPAN_MODEL", hide_env_values = true,
          value_hint = clap::ValueHint::DirPath)]
    pub model: Option<String>,
    /// Use no network: a model of the hub must be in the cache
    #[arg(long)]
    pub offline: bool,
}

/// Arguments of `longspan eval`.
#[derive(Debug, Args)]
pub struct EvalArgs {
    /// The data: SQuAD v1.1 or v2.0, plain or gzip
    #[arg(value_name = "DATA", required = true, value_hint = clap::ValueHint::FilePath)]
    pub data: Vec<PathBuf>,
    /// The model to measure.
    #[command(flatten)]
    pub model: ModelArgs,
    /// Print the official figures only, as the official script prints them
    #[arg(long)]
    pub json: bool,
    /// Write predictions, the report and its plots into this folder
    #[arg(short, long, value_name = "DIR", value_hint = clap::ValueHint::DirPath)]
    pub out: Option<PathBuf>,
    /// Go on with the run in --out that was broken off
    #[arg(long, requires = "out", conflicts_with = "predictions")]
    pub resume: bool,
    /// Spans that nbest_predictions.json lists for each question
    #[arg(long, value_name = "N", default_value = "20", value_parser = count, allow_negative_numbers = true)]
    n_best_size: usize,
    /// What is asked.
    #[command(flatten)]
    pub chosen: ChosenArgs,
    /// Put every paragraph among its neighbours, up to N tokens
    #[arg(long, value_name = "N", value_parser = count, allow_negative_numbers = true, help_heading = DATA,
          conflicts_with = "predictions")]
    pub context_tokens: Option<usize>,
    /// Write the questions as they are asked to this file, so that another system can be asked the same
    #[arg(long, value_name = "FILE", help_heading = DATA, value_hint = clap::ValueHint::FilePath,
          conflicts_with = "predictions")]
    pub save_data: Option<PathBuf>,
    /// Evaluate these predictions: JSON, texts by question id. No model is asked, so options of the model have no effect
    #[arg(long, value_name = "FILE", help_heading = WITHOUT, value_hint = clap::ValueHint::FilePath)]
    pub predictions: Option<PathBuf>,
    /// Their null odds, or other scores of 'no answer': JSON, numbers by question id
    #[arg(long, value_name = "FILE", help_heading = WITHOUT, value_hint = clap::ValueHint::FilePath,
          requires = "predictions")]
    pub null_odds: Option<PathBuf>,
    /// How documents are read.
    #[command(flatten)]
    reading: ReadingArgs,
    /// When there is no answer.
    #[command(flatten)]
    pub threshold: ThresholdArgs,
    /// What it runs on.
    #[command(flatten)]
    pub machine: MachineArgs,
}

/// Which questions of the data are asked.
#[derive(Debug, Args)]
pub struct ChosenArgs {
    /// Ask N questions only, drawn at random; `calibrate` N at each length
    #[arg(long, value_name = "N", value_parser = count, allow_negative_numbers = true, help_heading = DATA)]
    pub limit: Option<usize>,
    /// Draw other questions and other neighbours
    #[arg(long, value_name = "N", default_value = "1", allow_negative_numbers = true, help_heading = DATA)]
    pub seed: u64,
    /// Leave out and count what is wrong with the data
    #[arg(long, help_heading = DATA)]
    pub skip_bad: bool,
}

/// Arguments of `longspan calibrate`.
#[derive(Debug, Args)]
pub struct CalibrateArgs {
    /// The data: SQuAD v2.0, plain or gzip
    #[arg(value_name = "DATA", required = true, value_hint = clap::ValueHint::FilePath)]
    pub data: Vec<PathBuf>,
    /// The model to calibrate.
    #[command(flatten)]
    pub model: ModelArgs,
    /// Copy the model into this folder and calibrate the copy; models of the hub and the one in the program need it
    #[arg(short, long, value_name = "DIR", value_hint = clap::ValueHint::DirPath)]
    pub out: Option<PathBuf>,
    /// Choose the threshold at which this share of the answers is right, instead of the one of the best F1
    #[arg(long, value_name = "P", value_parser = share)]
    pub target_precision: Option<f64>,
    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
    /// Which questions are asked.
    #[command(flatten)]
    pub chosen: ChosenArgs,
    /// Ask again with paragraphs among their neighbours, up to so many tokens, in a comma list; 0 for none
    #[arg(long, value_name = "N,N", value_delimiter = ',', default_value = "3500,8000", help_heading = DATA)]
    pub context_tokens: Vec<usize>,
    /// How documents are read.
    #[command(flatten)]
    reading: ReadingArgs,
    /// What it runs on.
    #[command(flatten)]
    pub machine: MachineArgs,
}

/// Arguments of `longspan info`.
#[derive(Debug, Args)]
pub struct InfoArgs {
    /// The model to show.
    #[command(flatten)]
    pub model: ModelArgs,
    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `longspan bench`.
#[derive(Debug, Args)]
pub struct BenchArgs {
    /// The model to measure.
    #[command(flatten)]
    pub model: ModelArgs,
    /// A model of this size with random weights instead
    #[arg(long, value_name = "SIZE")]
    pub preset: Option<Preset>,
    /// Tokens of an input, in a comma list [default: 128,512,4096, as far as the model has positions]
    #[arg(long, value_name = "N,N", value_delimiter = ',', value_parser = count, allow_negative_numbers = true)]
    pub lengths: Vec<usize>,
    /// Inputs in a batch
    #[arg(long, value_name = "N", default_value = "1", value_parser = count, allow_negative_numbers = true)]
    pub sequences: usize,
    /// Tokens with global attention, the first of each input
    #[arg(long, value_name = "N", default_value = "12", value_parser = count_or_zero, allow_negative_numbers = true)]
    pub globals: usize,
    /// Passes that are timed
    #[arg(long, value_name = "N", default_value = "5", value_parser = count, allow_negative_numbers = true)]
    pub passes: usize,
    /// Measure products of matrices alone too, in sizes of a base model
    #[arg(long)]
    pub products: bool,
    /// Measure steps of training instead of passes, forward, backward and AdamW, with dropout: of question answering, or
    /// with =masked-lm of masked language modelling
    #[arg(long, value_name = "WHAT", num_args = 0..=1, require_equals = true, default_missing_value = "questions",
          hide_possible_values = true)]
    pub training: Option<Training>,
    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
    /// Threads to compute on, in a comma list [default: all cores]
    #[arg(long, value_name = "N,N", value_delimiter = ',', value_parser = clap::value_parser!(u16).range(1..=THREADS_MAX),
          help_heading = MACHINE)]
    pub threads: Vec<u16>,
    /// Numbers to compute with, in a comma list
    #[arg(long, value_name = "WHICH,WHICH", value_delimiter = ',', default_value = "auto", env = "LONGSPAN_PRECISION",
          hide_env_values = true, help_heading = MACHINE)]
    pub precision: Vec<Precision>,
}

/// What a model may be trained for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Training {
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

/// Arguments of `longspan fetch`.
#[derive(Debug, Args)]
pub struct FetchArgs {
    /// The model, with @REVISION for a branch, tag or commit
    #[arg(value_name = "ORG/NAME[@REVISION]")]
    pub repository: String,
    /// Use no network: only say where in the cache the model is
    #[arg(long)]
    pub offline: bool,
}

/// Numbers to compute with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Precision {
    /// bf16 where the machine has instructions for it, else f32
    Auto,
    /// Single precision
    F32,
    /// 8 bits of precision: twice as fast where the machine has instructions for it, and half the memory
    Bf16,
    /// Bytes in the linear layers: a third of the memory, at some cost in answers
    Int8,
}

impl Precision {
    /// What it stands for on this machine.
    ///
    /// # Errors
    /// When `LONGSPAN_ISA` names an instruction set that this machine lacks.
    pub fn on_this_machine(self) -> longspan::Result<longspan::Precision> {
        Ok(match self {
            Precision::Auto => longspan::best_precision()?,
            Precision::F32 => longspan::Precision::F32,
            Precision::Bf16 => longspan::Precision::Bf16,
            Precision::Int8 => longspan::Precision::Int8,
        })
    }
}

/// The whole command line, for completions and manual pages.
pub fn command() -> clap::Command {
    Cli::command()
}

/// A whole number from 1 on.
pub fn count(text: &str) -> Result<usize, String> {
    text.parse().ok().filter(|&number| number > 0).ok_or_else(|| "expected a whole number from 1 on".into())
}

/// A whole number from 0 on.
pub fn count_or_zero(text: &str) -> Result<usize, String> {
    text.parse().map_err(|_| "expected a whole number from 0 on".into())
}

/// A number that is one.
pub fn number(text: &str) -> Result<f64, String> {
    text.parse().ok().filter(|number: &f64| number.is_finite()).ok_or_else(|| "expected a number, such as 0.1".into())
}

fn threshold(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(number) if !number.is_nan() => Ok(number),
        _ => Err("expected a number, such as 0, -2.5 or inf".into()),
    }
}

fn share(text: &str) -> Result<f64, String> {
    text.parse().ok().filter(|share| *share > 0.0 && *share <= 1.0).ok_or_else(|| "expected a share such as 0.9".into())
}

fn global_attention(text: &str) -> Result<GlobalAttention, String> {
    match text {
        "question" => return Ok(GlobalAttention::Question),
        "first" => return Ok(GlobalAttention::First),
        "none" => return Ok(GlobalAttention::None),
        _ => {}
    }
    let positions: Result<Vec<usize>, _> = text.split(',').map(|position| position.trim().parse()).collect();
    positions
        .map(GlobalAttention::List)
        .map_err(|_| "expected `question`, `first`, `none`, or positions such as `0,1,5`".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(arguments: &[&str]) -> AskArgs {
        let line = ["longspan", "ask"].iter().chain(arguments);
        match Cli::try_parse_from(line).map(|cli| cli.command) {
            Ok(Command::Ask(args)) => *args,
            other => panic!("{arguments:?}: {other:?}"),
        }
    }

    #[test]
    fn the_definitions_are_sound() {
        command().debug_assert();
    }

    #[test]
    fn the_first_argument_is_the_question_unless_questions_come_from_elsewhere() {
        let check = |arguments: &[&str], question: Option<&str>, files: &[&str]| {
            let args = ask(arguments);
            assert_eq!(args.question().map(|q| q.to_str().unwrap()), question, "{arguments:?}");
            assert_eq!(args.files(), files.iter().map(PathBuf::from).collect::<Vec<_>>(), "{arguments:?}");
        };
        check(&["who?"], Some("who?"), &[]);
        check(&["who?", "a", "-"], Some("who?"), &["a", "-"]);
        check(&["--questions", "q", "a", "b"], None, &["a", "b"]);
        check(&["--questions", "q"], None, &[]);
        check(&["a", "b", "-i"], None, &["a", "b"]);
    }

    #[test]
    fn options_become_those_of_the_library() {
        let options = ask(&["q", "--top-k", "3", "--threshold", "-2.5", "--doc-stride", "0"]).read_options();
        assert_eq!(options.spans, SpanList::Top(3));
        assert_eq!((options.null_score_diff_threshold, options.doc_stride), (Some(-2.5), Some(0)));
        assert_eq!(ask(&["q"]).read_options(), ReadOptions::default());
        assert_eq!(ask(&["q", "--all"]).read_options().spans, SpanList::All);
    }

    #[test]
    fn values_out_of_range_are_refused() {
        for (arguments, said) in [
            (&["--top-k", "0"][..], "expected a whole number from 1 on"),
            (&["--threshold", "NaN"], "expected a number"),
            (&["--threads", "0"], "--threads"),
            (&["--max-tokens", "-1"], "expected a whole number from 1 on"),
            (&["--doc-stride", "-3"], "expected a whole number from 0 on"),
            (&["--global-attention", "1,x"], "expected `question`"),
            (&["--global-attention", ""], "expected `question`"),
            (&["--precision", "f16"], "bf16"),
            (&["--top-k", "2", "--all"], "--all"),
            (&["--questions", "q", "--interactive"], "--interactive"),
        ] {
            let error = Cli::try_parse_from(["longspan", "ask", "question"].iter().chain(arguments)).unwrap_err();
            assert!(error.to_string().contains(said), "{arguments:?}: {error}");
            assert_eq!(error.exit_code(), 2);
        }
        assert_eq!(global_attention("5, 0"), Ok(GlobalAttention::List(vec![5, 0])));
        assert_eq!(threshold("-inf"), Ok(f64::NEG_INFINITY));
    }
}

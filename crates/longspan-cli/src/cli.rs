//! The command line: every command, option and help text. Completions and manual pages are made from it too.

mod values;

mod common;

mod ask;
mod bench;
mod convert;
mod eval;
mod train;

use clap::builder::styling::{AnsiColor, Styles};
use clap::{Args, ColorChoice, CommandFactory, Parser, Subcommand};
use clap_complete::Shell;

pub use ask::AskArgs;
pub use bench::{BenchArgs, Preset, TrainingTask};
pub use common::{MachineArgs, ModelArgs, PrecisionArg};
pub use convert::ConvertArgs;
pub use eval::{CalibrateArgs, EvalArgs};
pub use train::{PretrainArgs, RunArgs, TrainArgs};
pub use values::{count, count_or_zero, number};

const STYLES: Styles =
    Styles::styled().header(AnsiColor::Green.on_default().bold()).usage(AnsiColor::Green.on_default().bold());

/// Exact answers from long documents, or an honest 'no answer'
///
/// Longspan takes a question and a document, and prints the exact span of the text that answers, with its place, or
/// reports that the document has no answer. The embedded model needs no download; any Longformer for question answering
/// can replace it.
#[derive(Debug, Parser)]
#[command(name = "longspan", version, styles = STYLES, max_term_width = 100)]
#[command(after_long_help = include_str!("cli/help/program.txt"))]
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
    #[command(after_long_help = include_str!("cli/help/ask.txt"), override_usage = ask::USAGE)]
    Ask(Box<AskArgs>),
    /// Measure how good a model is on data in SQuAD's form
    #[command(after_long_help = include_str!("cli/help/eval.txt"))]
    Eval(Box<EvalArgs>),
    /// Turn the scores of a model into probabilities of being right, and choose its threshold
    #[command(after_long_help = include_str!("cli/help/calibrate.txt"))]
    Calibrate(Box<CalibrateArgs>),
    /// Make a long model of a short one
    #[command(after_long_help = include_str!("cli/help/convert.txt"))]
    Convert(ConvertArgs),
    /// Train a model on data in SQuAD's form
    #[command(after_long_help = include_str!("cli/help/train.txt"))]
    Train(Box<TrainArgs>),
    /// Continue the pretraining of a model on long documents
    #[command(after_long_help = include_str!("cli/help/pretrain.txt"))]
    Pretrain(Box<PretrainArgs>),
    /// Show a model and this machine
    Info(InfoArgs),
    /// Measure how fast this machine runs a model
    #[command(after_long_help = include_str!("cli/help/bench.txt"))]
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
        /// The command that the page describes; by default, the program
        #[arg(value_name = "COMMAND")]
        command: Option<String>,
    },
}

<<<<<<< HEAD
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

=======
>>>>>>> 63bbf05 (The help is plain English in text files; each command's arguments are a file, and headings are set once)
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

/// Arguments of `longspan fetch`.
#[derive(Debug, Args)]
pub struct FetchArgs {
    /// The model, with @REVISION for a branch, tag or commit
    #[arg(value_name = "ORG/NAME[@REVISION]")]
    pub repository: String,
    /// Use no network: only print where in the cache the model is
    #[arg(long)]
    pub offline: bool,
}

/// The whole command line, for completions and manual pages.
pub fn command() -> clap::Command {
    Cli::command()
}

//! The command line: every command, option and help text. Completions and manual pages are made from it too.

mod values;

mod common;

mod ask;
mod bench;
mod cite;
mod convert;
mod eval;
mod serve;
mod text;
mod train;

use std::env;
use std::ffi::OsString;

use clap::builder::StyledStr;
use clap::builder::styling::{AnsiColor, Styles};
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Arg, Args, ColorChoice, CommandFactory, FromArgMatches, Parser, Subcommand};
use clap_complete::Shell;
use longspan::error::excerpt;

pub use ask::{AskArgs, FolderArgs, PrintArgs};
pub use bench::{BenchArgs, Preset, TrainingTask};
pub use cite::{CiteArgs, QUOTATION_WORDS_MIN};
pub use common::{DocumentArgs, MachineArgs, ModelArgs, PrecisionArg, cannot_start};
pub use convert::ConvertArgs;
pub use eval::{CalibrateArgs, EvalArgs};
pub use serve::{AccessArgs, DrainArgs, HealthArgs, HttpLimitArgs, LogFormat, McpArgs, ServeArgs, WorkLimitArgs};
pub use text::TextArgs;
pub use train::{PretrainArgs, RunArgs, TrainArgs};

use crate::terminal::printable;

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
    #[arg(
        long,
        global = true,
        value_name = "WHEN",
        default_value = "auto",
        hide_possible_values = true,
        display_order = 900
    )] // below the options of each command
    pub color: ColorChoice,
}

/// The commands of the program.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Ask documents a question
    #[command(after_long_help = include_str!("cli/help/ask.txt"), override_usage = ask::USAGE)]
    Ask(Box<AskArgs>),
    /// Check the quotations of a text against the documents that it quotes
    #[command(after_long_help = include_str!("cli/help/cite.txt"), override_usage = cite::USAGE)]
    Cite(Box<CiteArgs>),
    /// Print the text of a document as it is read
    #[command(after_long_help = include_str!("cli/help/text.txt"))]
    Text(TextArgs),
    /// Serve a page, an API and metrics: upload documents once, ask many questions
    #[command(after_long_help = include_str!("cli/help/serve.txt"))]
    Serve(Box<ServeArgs>),
    /// Serve documents to programs that speak MCP, the Model Context Protocol, on standard input and output
    #[command(after_long_help = include_str!("cli/help/mcp.txt"))]
    Mcp(Box<McpArgs>),
    /// Ask a server whether it is ready; the exit status says so
    Health(HealthArgs),
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
    /// Fetch a model from the Hugging Face hub into the cache, repair damaged files, and print its folder
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
    /// Use no network: only check the model in the cache and print where it is
    #[arg(long)]
    pub offline: bool,
    /// Download all files again, even if the cache has them
    #[arg(long, conflicts_with = "offline")]
    pub force: bool,
}

/// The longest tip of an error that is shown. A tip repeats an argument twice.
const TIP_CHARACTERS: usize = 300;

/// Reads the command line. A variable of the environment that is empty counts as unset.
///
/// # Errors
/// What there is to print instead: an error, a help text or the version.
pub fn read() -> Result<Cli, clap::Error> {
    let is_empty = |arg: &Arg| arg.get_env().and_then(env::var_os).is_some_and(|value| value.is_empty());
    let set = |arg: Arg| if is_empty(&arg) { arg.env(None::<&'static str>) } else { arg };
    let mut command = command().mut_subcommands(|command| command.mut_args(set));
    let mut matches = command.try_get_matches_from_mut(env::args_os()).map_err(with_excerpts)?;
    Cli::from_arg_matches_mut(&mut matches).map_err(|error| error.format(&mut command))
}

/// An error with excerpts of what the user wrote, and without tips that repeat more of it, or anything that a terminal obeys.
fn with_excerpts(mut error: clap::Error) -> clap::Error {
    // The message lists the values, and the one with the most letters in common may mean the opposite.
    error.remove(ContextKind::SuggestedValue);
    add_tips(&mut error);
    let texts = error.context().filter_map(|(kind, value)| match value {
        ContextValue::String(text) => Some((kind, printable(&excerpt(text)))),
        _ => None,
    });
    for (kind, text) in texts.collect::<Vec<_>>() {
        error.insert(kind, ContextValue::String(text));
    }
    let is_long = |tip: &StyledStr| tip.to_string().chars().count() > TIP_CHARACTERS;
    // A tip has control characters of its own: only the arguments show whether it repeats others.
    let has_controls = |argument: OsString| printable(&argument.to_string_lossy()) != argument.to_string_lossy();
    if let Some(ContextValue::StyledStrs(tips)) = error.get(ContextKind::Suggested)
        && (tips.iter().any(is_long) || env::args_os().any(has_controls))
    {
        error.remove(ContextKind::Suggested);
    }
    error
}

/// Adds what would help where the parser has no tip.
fn add_tips(error: &mut clap::Error) {
    let text = |kind: ContextKind| match error.get(kind) {
        Some(ContextValue::String(text)) => text.clone(),
        Some(ContextValue::Strings(texts)) => texts.join(" "),
        Some(ContextValue::StyledStr(text)) => text.to_string(),
        _ => String::new(),
    };
    let tip = match error.kind() {
        ErrorKind::ArgumentConflict => {
            let both = text(ContextKind::InvalidArg) + " " + &text(ContextKind::PriorArg);
            (both.contains("--csv") && both.contains("--out")).then_some("`--csv > FILE` writes the table to a file")
        }
        ErrorKind::UnknownArgument if text(ContextKind::Usage).contains("longspan text") => {
            let is_file = !text(ContextKind::InvalidArg).starts_with('-');
            is_file.then_some("one file at a time")
        }
        ErrorKind::InvalidSubcommand => {
            let given = text(ContextKind::InvalidSubcommand);
            if let Some(name) = of_same_letters(&given) {
                error.insert(ContextKind::SuggestedSubcommand, ContextValue::Strings(vec![name]));
            }
            None
        }
        _ => None,
    };
    if let Some(tip) = tip {
        error.insert(ContextKind::Suggested, ContextValue::StyledStrs(vec![tip.into()]));
    }
}

/// The command whose letters a name has in another order: of short names, the parser's own measure finds no such one.
fn of_same_letters(given: &str) -> Option<String> {
    let sorted = |name: &str| {
        let mut letters: Vec<char> = name.chars().collect();
        letters.sort_unstable();
        letters
    };
    let letters = sorted(given);
    command().get_subcommands().map(clap::Command::get_name).find(|name| sorted(name) == letters).map(str::to_owned)
}

/// The whole command line, for completions and manual pages.
pub fn command() -> clap::Command {
    Cli::command()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tips_help() {
        let message = |line: &[&str]| {
            let mut error = Cli::try_parse_from(["longspan"].iter().chain(line)).unwrap_err();
            error = with_excerpts(error);
            error.to_string()
        };
        let reversed: String = "ask".chars().rev().collect();
        for (line, tip) in [
            (&[reversed.as_str(), "a"][..], "a similar subcommand exists: 'ask'"),
            (&["text", "a", "b"], "tip: one file at a time"),
            (&["ask", "who?", "--csv", "--out", "a"], "tip: `--csv > FILE` writes the table to a file"),
        ] {
            assert!(message(line).contains(tip), "{line:?}: {}", message(line));
        }
        let refused = message(&["ask", "who?", "--abstain", "never"]);
        assert!(
            refused.contains("[possible values: strict, balanced, eager]") && !refused.contains("tip"),
            "{refused}"
        );
    }
}

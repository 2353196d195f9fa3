//! Arguments of `longspan ask`.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, ValueHint};
use longspan::{ReadOptions, SpanList};

use super::common::{DOCUMENTS, DocumentArgs, MachineArgs, ModelArgs, ReadingArgs, ThresholdArgs};
use super::values::{count, share};

/// Three ways to give questions.
pub const USAGE: &str = "longspan ask [OPTIONS] QUESTION [FILE]...
       longspan ask [OPTIONS] --questions QUESTIONS [FILE]...
       longspan ask [OPTIONS] --interactive FILE...";

/// Arguments of `longspan ask`.
#[derive(Debug, Args)]
pub struct AskArgs {
    /// The question; with --questions or --interactive, another FILE
    #[arg(value_name = "QUESTION", required_unless_present_any = ["questions", "interactive", "json_schema"])]
    question: Option<OsString>,
    /// The documents: PDF, DOCX, ODT, EPUB, HTML, Markdown or text; standard input when there is none, or for `-`
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
    files: Vec<PathBuf>,
    /// The model to ask.
    #[command(flatten)]
    pub model: ModelArgs,
    /// Ask the questions of this file, one per line; every other argument is then a document
    #[arg(long, value_name = "QUESTIONS", conflicts_with = "interactive", value_hint = ValueHint::FilePath)]
    pub questions: Option<PathBuf>,
    /// Read the documents once, then ask at a prompt, where `help` and `quit` are no questions (nor `?` and `exit`), or
    /// each line of standard input
    #[arg(short, long)]
    pub interactive: bool,
    /// Print the JSON Schema of the objects of --json, and ask nothing
    #[arg(long)]
    pub json_schema: bool,
    /// List up to N spans for each document; they do not overlap
    #[arg(short = 'k', long, value_name = "N", conflicts_with = "all", value_parser = count, allow_hyphen_values = true)]
    top_k: Option<usize>,
    /// List every span that would be an answer if it were the best one, as a search tool would
    #[arg(short, long)]
    all: bool,
    /// Write the objects of --json to FILE as soon as each document is read, instead of printing them; the first line
    /// identifies the run
    #[arg(short, long, value_name = "FILE", value_hint = ValueHint::FilePath,
          conflicts_with_all = ["json", "csv", "interactive", "unranked", "answered_only", "best_documents", "min_score"])]
    pub out: Option<PathBuf>,
    /// Continue the interrupted run of --out: ask the documents that it lacks, and those that have changed
    #[arg(long, requires = "out")]
    pub resume: bool,
    /// Which files of folders are asked.
    #[command(flatten)]
    pub folders: FolderArgs,
    /// How the files of the documents are read.
    #[command(flatten)]
    pub document: DocumentArgs,
    /// What is printed.
    #[command(flatten)]
    pub print: PrintArgs,
    /// How documents are read.
    #[command(flatten)]
    reading: ReadingArgs,
    /// When there is no answer.
    #[command(flatten)]
    threshold: ThresholdArgs,
    /// On what the command computes.
    #[command(flatten)]
    pub machine: MachineArgs,
}

/// Which files of folders are read.
#[derive(Debug, Args)]
#[command(next_help_heading = DOCUMENTS)]
pub struct FolderArgs {
    /// Read the files in the folders that are given, and in those below, in the order of their paths; not hidden files, nor
    /// those that git ignores
    #[arg(short, long)]
    pub recursive: bool,
    /// Read only files whose path in the folder matches GLOB, or does not match if it begins with `!`; may be given again
    #[arg(long, value_name = "GLOB", requires = "recursive")]
    pub glob: Vec<String>,
}

/// What is printed. None of these options changes the exit status.
#[derive(Debug, Args)]
#[command(next_help_heading = "What is printed")]
pub struct PrintArgs {
    /// Print one JSON object per line, for each document and question
    #[arg(long)]
    pub json: bool,
    /// Print one table in CSV: a row for each document, with its best answer to each question, the score and the place
    #[arg(long, conflicts_with_all = ["json", "interactive", "unranked", "best_documents", "top_k", "all"])]
    pub csv: bool,
    /// Print each result as soon as it is known, in the order of the documents
    #[arg(long, conflicts_with = "best_documents")]
    pub unranked: bool,
    /// Print only documents with an answer, and how many others there are
    #[arg(long)]
    pub answered_only: bool,
    /// Print only the N best documents for each question
    #[arg(long, value_name = "N", value_parser = count, allow_hyphen_values = true)]
    pub best_documents: Option<usize>,
    /// Print only answers with a score of X or more
    #[arg(long, value_name = "X", value_parser = share, allow_hyphen_values = true)]
    pub min_score: Option<f64>,
}

impl PrintArgs {
    /// Whether documents without an answer are not printed.
    pub fn only_answers(&self) -> bool {
        self.answered_only || self.min_score.is_some()
    }
}

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

    /// The reader's options.
    pub fn read_options(&self) -> ReadOptions {
        let spans = if self.all { SpanList::All(usize::MAX) } else { SpanList::Top(self.top_k.unwrap_or(1)) };
        self.reading.options(Some(&self.threshold), spans)
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use longspan::{Abstain, GlobalAttention};

    use super::super::values::{global_attention, threshold};
    use super::super::{Cli, Command, command};
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
        assert_eq!((options.threshold, options.doc_stride), (Some(-2.5), Some(0)));
        assert_eq!(ask(&["q"]).read_options(), ReadOptions::default());
        for abstain in Abstain::ALL {
            assert_eq!(ask(&["q", "--abstain", abstain.name()]).read_options().abstain, Some(abstain));
        }
        assert_eq!(ask(&["q", "--all"]).read_options().spans, SpanList::All(usize::MAX));
    }

    #[test]
    fn a_negative_number_is_a_value_of_every_numeric_option() {
        let numeric = ["N", "X", "P", "N,N", "A..B"];
        let is_numeric =
            |option: &&clap::Arg| option.get_value_names().is_some_and(|names| numeric.contains(&names[0].as_str()));
        let mut checked = 0;
        for command in command().get_subcommands() {
            for option in command.get_arguments().filter(is_numeric) {
                let option = format!("--{}", option.get_long().unwrap());
                for value in ["-1", "-1,2", "-5..9", "-.5", "-1e3", "-inf"] {
                    let line = ["longspan", command.get_name(), &option, value];
                    let error = Cli::try_parse_from(line).unwrap_err().to_string();
                    let is_value = error.contains(": expected ") || option == "--threshold";
                    assert!(is_value && !error.contains("tip:"), "{line:?}: {error}");
                    checked += 1;
                }
            }
        }
        assert!(checked > 300, "{checked}");
    }

    #[test]
    fn every_command_that_computes_takes_threads() {
        let takes_threads = |command: &&clap::Command| command.get_arguments().any(|arg| arg.get_id() == "threads");
        let commands = command();
        let names: Vec<&str> =
            commands.get_subcommands().filter(takes_threads).map(|command| command.get_name()).collect();
        assert_eq!(names, ["ask", "serve", "mcp", "eval", "calibrate", "convert", "train", "pretrain", "bench"]);
    }

    #[test]
    fn values_out_of_range_are_refused() {
        for (arguments, said) in [
            (&["--top-k", "0"][..], "expected a whole number from 1 to"),
            (&["--threshold", "NaN"], "expected a number"),
            (&["--abstain", "never"], "[possible values: strict, balanced, eager]"),
            (&["--abstain", "eager", "--threshold", "1"], "'--abstain <HOW>' cannot be used with '--threshold <X>'"),
            (&["--threads", "0"], "expected a whole number from 1 to 4096"),
            (&["--threads", "4097"], "expected a whole number from 1 to 4096"),
            (&["--max-tokens", "-1"], "expected a whole number from 1 to"),
            (&["--doc-stride", "-3"], "expected a whole number from 0 to"),
            (&["--global-attention", "1,x"], "expected `question`"),
            (&["--global-attention", ""], "expected `question`"),
            (&["--precision", "f16"], "bf16"),
            (&["--top-k", "2", "--all"], "--all"),
            (&["--questions", "q", "--interactive"], "--interactive"),
            (&["--csv", "--json"], "--csv"),
            (&["--csv", "--unranked"], "--csv"),
            (&["--csv", "--top-k", "3"], "--top-k"),
            (&["--csv", "--all"], "--all"),
            (&["--unranked", "--best-documents", "3"], "--unranked"),
            (&["--min-score", "1.5"], "expected a number between 0 and 1, such as 0.9"),
        ] {
            let error = Cli::try_parse_from(["longspan", "ask", "question"].iter().chain(arguments)).unwrap_err();
            assert!(error.to_string().contains(said), "{arguments:?}: {error}");
            assert_eq!(error.exit_code(), 2);
        }
        assert_eq!(global_attention("5, 0"), Ok(GlobalAttention::List(vec![5, 0])));
        assert_eq!(threshold("-inf"), Ok(f64::NEG_INFINITY));
    }
}

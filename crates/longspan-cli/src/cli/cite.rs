//! Arguments of `longspan cite`.

use std::path::PathBuf;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, ValueHint};
use longspan_ask::CitationStatus;

use super::ask::FolderArgs;
use super::common::DocumentArgs;
use super::values::count;

/// Two ways to give quotations.
pub const USAGE: &str = "longspan cite [OPTIONS] TEXT FILE...
       longspan cite [OPTIONS] --quotes QUOTES FILE...";

/// What `--fail-on` calls a quotation that is not where its author says.
const MISPLACED: &str = "misplaced";

/// Words of the shortest quotation that is taken from a text.
pub const QUOTATION_WORDS_MIN: usize = 3;

/// Arguments of `longspan cite`.
#[derive(Debug, Args)]
pub struct CiteArgs {
    /// The text whose quotations are checked, `-` for standard input; with --quotes, another FILE
    #[arg(value_name = "TEXT", required_unless_present_any = ["quotes", "json_schema"], value_hint = ValueHint::FilePath)]
    text: Option<PathBuf>,
    /// The documents that it quotes: PDF, DOCX, ODT, EPUB, HTML, Markdown or text
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
    files: Vec<PathBuf>,
    /// Check the quotations of this file, one per line, or JSON lines with quote and perhaps id, document and page
    #[arg(long, value_name = "QUOTES", conflicts_with = "min_words", value_hint = ValueHint::FilePath)]
    pub quotes: Option<PathBuf>,
    /// Check quotations of N words or more; block quotes are checked whatever their length
    #[arg(long, value_name = "N", default_value_t = QUOTATION_WORDS_MIN, value_parser = count, allow_hyphen_values = true)]
    pub min_words: usize,
    /// End with status 1 if a quotation is one of these: exact, normalised, altered, not_found, unchecked, or misplaced, which
    /// is proven but not where its author says; or `none`
    #[arg(long, value_name = "STATUSES", default_value = "altered,not_found", value_delimiter = ',',
          hide_possible_values = true, value_parser = failing())]
    fail_on: Vec<String>,
    /// Print one JSON object per line, for each quotation
    #[arg(long)]
    pub json: bool,
    /// Print one table in CSV: a row for each quotation
    #[arg(long, conflicts_with = "json")]
    pub csv: bool,
    /// Print the JSON Schema of the objects of --json, and check nothing
    #[arg(long)]
    pub json_schema: bool,
    /// Which files of folders are read.
    #[command(flatten)]
    pub folders: FolderArgs,
    /// How the files of the documents are read.
    #[command(flatten)]
    pub document: DocumentArgs,
}

fn failing() -> impl TypedValueParser<Value = String> {
    PossibleValuesParser::new(CitationStatus::ALL.map(CitationStatus::name).into_iter().chain([MISPLACED, "none"]))
}

impl CiteArgs {
    /// The text that quotes, where there is one.
    pub fn text(&self) -> Option<&PathBuf> {
        self.text.as_ref().filter(|_| self.quotes.is_none())
    }

    /// The documents, in the order of the command line.
    pub fn files(&self) -> Vec<PathBuf> {
        let first = self.text.iter().filter(|_| self.text().is_none());
        first.chain(&self.files).cloned().collect()
    }

    /// Whether a quotation with a status ends the program with status 1.
    pub fn fails_on(&self, status: CitationStatus, is_misplaced: bool) -> bool {
        self.fail_on.iter().any(|name| name == status.name() || (is_misplaced && name == MISPLACED))
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::super::{Cli, Command};
    use super::*;

    fn cite(arguments: &[&str]) -> Result<CiteArgs, String> {
        match Cli::try_parse_from(["longspan", "cite"].iter().chain(arguments)).map(|cli| cli.command) {
            Ok(Command::Cite(args)) => Ok(*args),
            other => Err(other.map_or_else(|error| error.to_string(), |other| format!("{other:?}"))),
        }
    }

    #[test]
    fn the_first_argument_is_the_text_unless_quotations_come_from_elsewhere() {
        let args = cite(&["a.md", "b", "c"]).unwrap();
        assert_eq!((args.text(), args.files()), (Some(&"a.md".into()), vec!["b".into(), "c".into()]));
        let args = cite(&["--quotes", "q", "b", "c"]).unwrap();
        assert_eq!((args.text(), args.files()), (None, vec!["b".into(), "c".into()]));
    }

    #[test]
    fn statuses_that_fail_are_named() {
        let fails = |args: &CiteArgs| CitationStatus::ALL.map(|status| args.fails_on(status, false));
        assert_eq!(fails(&cite(&["a", "b"]).unwrap()), [false, false, true, true, false]);
        let args = cite(&["a", "b", "--fail-on", "unchecked,misplaced"]).unwrap();
        assert_eq!(fails(&args), [false, false, false, false, true]);
        assert!(args.fails_on(CitationStatus::Exact, true));
        assert_eq!(fails(&cite(&["a", "b", "--fail-on", "none"]).unwrap()), [false; 5]);
        assert!(cite(&["a", "b", "--fail-on", "wrong"]).unwrap_err().contains("[possible values: exact, normalised, "));
    }
}

//! `longspan ask`: questions and documents from the command line, answers to standard output.

mod grid;
mod interactive;
mod session;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use longspan::{Error, error::excerpt};
use longspan_ask::text::quoted;
use longspan_ask::{AnswerObject, Limits};

use crate::cli::AskArgs;
use crate::data::documents;
use crate::status::Status;
use crate::terminal::{self, counted, hints::fault, thousands};
use session::{GivenQuestion, Round};

const SPLIT_HINT: &str = "split the file, and ask the parts one after the other";

/// The longest file of questions.
const QUESTIONS_BYTES_MAX: u64 = 1 << 24;
/// Most questions in it.
const QUESTIONS_MAX: usize = 100_000;

/// Runs the command.
pub fn run(args: &AskArgs) -> Result<Status> {
    if args.json_schema {
        let schema = serde_json::to_string_pretty(&AnswerObject::schema())?;
        terminal::print(format!("{schema}\n").as_bytes()).context("standard output")?;
        return Ok(Status::Answered);
    }
    args.machine.threads.start()?;
    if args.interactive {
        return interactive::run(args);
    }
    let mut files = args.files();
    if files.is_empty() {
        files.push(PathBuf::from("-"));
    }
    let given = questions(args, &files)?;
    let (asker, mut output) = session::open(args)?;
    let mut round = Round::new(&asker, &given, &args.print, &mut output)?;
    if round.questions.is_empty() {
        return round.end(); // before documents are read for nothing
    }
    let (questions, sources) = (round.questions.clone(), files.iter().map(|path| documents::source(path)));
    let _ = asker.ask_sources(&questions, sources, &Limits::default(), &mut |event| round.take(event));
    round.end()
}

/// The question of the command line, or those of a file.
fn questions(args: &AskArgs, files: &[PathBuf]) -> Result<Vec<GivenQuestion>> {
    if let Some(path) = &args.questions {
        return questions_of(path, files);
    }
    let Some(question) = args.question() else { return Ok(Vec::new()) };
    let Some(question) = question.to_str() else {
        return Err(fault("the question: invalid UTF-8", "type the question in a UTF-8 terminal"));
    };
    if question.trim().is_empty() {
        return Err(Error::EmptyQuestion.into());
    }
    if Path::new(question).is_file() {
        let hint = "the question comes first, in quotes, then the documents";
        return Err(fault(format!("`{}`: a file where the question should be", excerpt(question)), hint));
    }
    Ok(vec![GivenQuestion { text: question.to_owned(), place: None }])
}

fn questions_of(path: &Path, files: &[PathBuf]) -> Result<Vec<GivenQuestion>> {
    if documents::is_stdin(path) && files.iter().any(|file| documents::is_stdin(file)) {
        let hint = "name a file for one of them";
        return Err(fault("standard input cannot hold both the questions and a document", hint));
    }
    let mut limits = Limits::default();
    limits.text_bytes_max = QUESTIONS_BYTES_MAX;
    let text = documents::source(path).read(&limits).map_err(|error| match error.code() {
        "empty_document" => fault(format!("questions: {error}"), "a file of questions has one on each line"),
        "too_large" => fault(format!("questions: {error}"), SPLIT_HINT),
        _ => anyhow::Error::from(error).context("questions"),
    })?;
    let lines = (1..).zip(text.text().trim_start_matches('\u{feff}').lines().map(str::trim));
    let name = quoted(&documents::name(path));
    let given = |(number, line): (usize, &str)| GivenQuestion {
        text: line.to_owned(),
        place: Some(format!("{name}, line {}", thousands(number))),
    };
    let questions: Vec<_> = lines.filter(|(_, line)| !line.is_empty()).map(given).take(QUESTIONS_MAX + 1).collect();
    if questions.len() > QUESTIONS_MAX {
        let message = format!("questions: {name}: more than {}", counted(QUESTIONS_MAX, "question"));
        return Err(fault(message, SPLIT_HINT));
    }
    Ok(questions)
}

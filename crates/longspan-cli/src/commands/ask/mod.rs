//! `longspan ask`: questions and documents from the command line, answers to standard output.

mod grid;
mod interactive;
mod session;

use std::collections::HashSet;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use flate2::Crc;
use longspan::{Error, Question, error::excerpt};
use longspan_ask::text::quoted;
use longspan_ask::{AnswerObject, AskEvent, Asker, Format, Limits, SourceOptions};

use crate::cli::AskArgs;
use crate::data::answers::RunIdentity;
use crate::data::documents;
use crate::data::gathered::GatheredFiles;
use crate::data::results::{FileStamp, ResultFile};
use crate::status::Status;
use crate::terminal::hints::{self, fault};
use crate::terminal::{self, counted, thousands};
use session::{GivenQuestion, Round};

const QUESTIONS_HINT: &str = "a file of questions has one on each line";
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
    let mut given = args.files();
    if given.is_empty() {
        given.push(PathBuf::from(if args.folders.recursive { "." } else { "-" }));
    }
    check_quotes(args, &given)?;
    let (asked, options) = (questions(args, &given)?, documents::options(&args.document)?);
    let mut files = GatheredFiles::new(&given, &args.folders, args.out.as_deref())?;
    let (asker, mut output, identity) = session::open(args)?;
    let mut round = Round::new(&asker, &asked, &args.print, &mut output)?;
    if round.questions.is_empty() {
        return round.end(); // before documents are read for nothing
    }
    files.errors.drain(..).for_each(|error| round.fail(error));
    if let (Some(path), Some(identity)) = (&args.out, identity) {
        let results = results(path, identity, args, &round.questions, &files.paths)?;
        round.write_to(results, files.paths.iter().map(|path| documents::name(path)));
        files.paths.retain(|path| !round.knows(&documents::name(path)));
    }
    ask(&asker, &mut files, &options, &mut round);
    round.clear_bar();
    files.report_skipped();
    round.end()
}

/// Asks every file.
fn ask(asker: &Asker, files: &mut GatheredFiles, options: &SourceOptions, round: &mut Round<'_>) {
    let (questions, paths, mut locked) = (round.questions.clone(), std::mem::take(&mut files.paths), HashSet::new());
    let sources = paths.iter().map(|path| documents::source(path));
    let flow = asker.ask_sources(&questions, sources, options, &mut |event| match event {
        AskEvent::Error { question: None, error } if documents::can_unlock(&error, options) => {
            locked.insert(error.document().to_owned());
            ControlFlow::Continue(())
        }
        AskEvent::Error { question: None, error } if files.skips(&error) => ControlFlow::Continue(()),
        event => take(round, event),
    });
    if flow.is_break() {
        return;
    }
    for path in paths.iter().filter(|path| locked.contains(&documents::name(path))) {
        round.clear_bar(); // the user types where it was
        let source = documents::source(path);
        let flow = match documents::unlocked(&source, options, |options| asker.read(&source, options)) {
            Ok(document) => asker.ask_documents(&questions, &[document], &mut |event| take(round, event)),
            Err(error) => round.take(AskEvent::Error { question: None, error }),
        };
        if flow.is_break() {
            return;
        }
    }
}

/// The file of `--out`.
fn results(
    path: &Path,
    mut identity: RunIdentity,
    args: &AskArgs,
    questions: &[Question],
    paths: &[PathBuf],
) -> Result<ResultFile> {
    let questions: Vec<&str> = questions.iter().map(Question::text).collect();
    let mut all = Crc::new();
    all.update(serde_json::to_string(&questions)?.as_bytes());
    identity.insert("questions_checksum".into(), all.sum().into());
    identity.insert("format".into(), args.document.format.map(Format::name).into());
    let stamps = paths.iter().map(|path| (documents::name(path), FileStamp::of(path))).collect();
    ResultFile::open(path, args.resume, &identity, &questions, stamps)
}

/// Takes an event, and says what a reader should know about documents before they are asked.
fn take(round: &mut Round<'_>, event: AskEvent<'_>) -> ControlFlow<()> {
    let documents = if let AskEvent::Begin(documents) = event { documents } else { &[] };
    let flow = round.take(event);
    documents.iter().for_each(|document| documents::warn(document.name(), document.content().warnings()));
    flow
}

/// Checks that the shell has not taken a question apart, and that none stands where a document should.
fn check_quotes(args: &AskArgs, files: &[PathBuf]) -> Result<()> {
    let is_missing = |path: &PathBuf| !documents::is_stdin(path) && path.symlink_metadata().is_err();
    let names = files.iter().map(|path| (path.to_string_lossy(), is_missing(path)));
    let (name, hint) = match args.question() {
        Some(question) if question.to_string_lossy().contains(char::is_whitespace) => return Ok(()),
        Some(_) => {
            // Words stand in front of the first file.
            let mut words = names.take_while(|(name, is_missing)| *is_missing && !name.contains(['.', '/', '\\']));
            let (Some((first, _)), Some(_)) = (words.next(), words.next()) else { return Ok(()) };
            (first, "put the question in quotes: `longspan ask \"Who wrote it?\" FILE`")
        }
        None => {
            let mut names = names.filter(|(name, is_missing)| *is_missing && name.ends_with('?'));
            let Some((question, _)) = names.next() else { return Ok(()) };
            (
                question,
                "with --questions every argument is a document: the questions stand in the file that --questions names",
            )
        }
    };
    Err(fault(format!("{}: no such file", quoted(&name)), hint))
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
    let text = documents::source(path).read_text(&limits).map_err(|error| match error.code() {
        "too_large" => fault(format!("questions: {error}"), SPLIT_HINT),
        _ => hints::of_text(error, QUESTIONS_HINT).context("questions"),
    })?;
    let (text, name) = (text.trim_start_matches('\u{feff}'), quoted(&documents::name(path)));
    if text.trim().is_empty() {
        return Err(fault(format!("questions: {name}: empty"), QUESTIONS_HINT));
    }
    let lines = (1..).zip(text.lines().map(str::trim));
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

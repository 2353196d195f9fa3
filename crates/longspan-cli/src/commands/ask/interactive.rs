//! `longspan ask --interactive`: reads the documents once, then takes each line as a question.

use std::collections::VecDeque;
use std::io::{self, ErrorKind, IsTerminal, Write};

use anyhow::{Context, Result};
use longspan_ask::{Asker, NamedDocument};
use rustyline::DefaultEditor;
use rustyline::error::ReadlineError;

use super::session::{self, GivenQuestion, Round};
use crate::cli::{AskArgs, PrintArgs};
use crate::data::documents;
use crate::data::gathered::GatheredFiles;
use crate::lines::next_line;
use crate::status::Status;
use crate::terminal::hints::{fault, report};
use crate::terminal::{Output, counted};

const PROMPT: &str = "? ";

/// Which lines are no questions, at the prompt.
const HELP: &str = "a line is a question about all documents; `quit`, `exit` or Ctrl-D ends";

/// The longest line of standard input.
const QUESTION_BYTES_MAX: u64 = 1 << 20;

/// Runs the command.
pub fn run(args: &AskArgs) -> Result<Status> {
    let files = args.files();
    if files.is_empty() || files.iter().any(|file| documents::is_stdin(file)) {
        let hint = "name the documents: `longspan ask --interactive FILE...`";
        return Err(fault("--interactive reads questions from standard input, so documents must be files", hint));
    }
    let options = documents::options(&args.document)?;
    let mut files = GatheredFiles::new(&files, &args.folders, None)?;
    let (asker, mut output, _) = session::open(args)?;
    let (mut status, mut loaded) = (Status::Answered, Vec::new());
    for error in files.errors.drain(..) {
        status = failed(&error);
    }
    for path in std::mem::take(&mut files.paths) {
        let source = documents::source(&path);
        match documents::unlocked(&source, &options, |options| asker.read(&source, options)) {
            Ok(document) => {
                documents::warn(document.name(), document.content().warnings());
                loaded.push(document);
            }
            Err(error) if files.skips(&error) => {}
            Err(error) => status = failed(&error.into()),
        }
    }
    files.report_skipped();
    if loaded.is_empty() {
        return Ok(status);
    }
    Ok(status.max(converse(&asker, &args.print, &mut output, &loaded)?))
}

/// Asks the documents line by line.
fn converse(asker: &Asker, args: &PrintArgs, output: &mut Output, documents: &[NamedDocument]) -> Result<Status> {
    let mut lines = Lines::open()?;
    let is_prompt = matches!(lines, Lines::Prompt { .. });
    if is_prompt {
        output.set_apart();
        let tokens: usize = documents.iter().map(NamedDocument::tokens).sum();
        let (documents, tokens) = (counted(documents.len(), "document"), counted(tokens, "token"));
        let _ = writeln!(io::stderr(), "{documents}, {tokens}: ask a question; `help`, or `quit` to end");
    }
    let mut status = Status::Answered;
    while let Some(line) = lines.next()? {
        match line.as_deref().map_or("", str::trim) {
            "quit" | "exit" if is_prompt => break,
            "help" | "?" if is_prompt => {
                let _ = writeln!(io::stderr(), "{HELP}");
                continue;
            }
            _ => {}
        }
        let asked = line.and_then(|question| {
            if question.trim().is_empty() {
                return Ok(Status::Answered);
            }
            let question = GivenQuestion { text: question.trim().to_owned(), place: None };
            let mut round = Round::new(asker, &[question], args, output)?;
            let questions = round.questions.clone();
            let _ = asker.ask_documents(&questions, documents, &mut |event| round.take(event));
            round.end()
        });
        // An error in one line leaves the others.
        status = status.max(asked.unwrap_or_else(|error| failed(&error)));
    }
    Ok(status)
}

fn invalid() -> anyhow::Error {
    fault("the question: invalid UTF-8", "questions are UTF-8")
}

fn failed(error: &anyhow::Error) -> Status {
    report(error);
    Status::Failed
}

/// Where questions come from: a prompt on a terminal, plain lines otherwise.
enum Lines {
    Prompt { editor: Box<DefaultEditor>, pasted: VecDeque<String> },
    Plain(io::StdinLock<'static>),
}

impl Lines {
    fn open() -> Result<Self> {
        if !io::stdin().is_terminal() {
            return Ok(Self::Plain(io::stdin().lock()));
        }
        let editor = Box::new(DefaultEditor::new().context("the prompt")?);
        Ok(Self::Prompt { editor, pasted: VecDeque::new() })
    }

    /// The next line, or `None` at the end. The inner error concerns that line alone.
    fn next(&mut self) -> Result<Option<Result<String>>> {
        match self {
            Self::Plain(stdin) => {
                let mut line = Vec::new();
                let read = next_line(stdin, &mut line, QUESTION_BYTES_MAX).map_err(|error| match error.kind() {
                    ErrorKind::FileTooLarge => fault(format!("standard input: {error}"), "a question is one line"),
                    _ => anyhow::Error::from(error).context("standard input"),
                });
                if !read? {
                    return Ok(None);
                }
                Ok(Some(String::from_utf8(line).map_err(|_| invalid())))
            }
            Self::Prompt { editor, pasted } => loop {
                if let Some(line) = pasted.pop_front() {
                    // History is a convenience: an error in it stops nothing.
                    let _ = editor.add_history_entry(&line);
                    return Ok(Some(Ok(line)));
                }
                match editor.readline(PROMPT) {
                    // A pasted block is one input of several lines.
                    Ok(lines) => pasted.extend(lines.split(['\n', '\r']).map(str::to_owned)),
                    Err(ReadlineError::Interrupted) => {} // the line is dropped, as in a shell
                    // It comes with the byte that is no text; the editor drops what was typed before.
                    Err(ReadlineError::Io(error)) if error.kind() == ErrorKind::InvalidData => {
                        return Ok(Some(Err(invalid())));
                    }
                    Err(ReadlineError::Eof) => return Ok(None),
                    Err(error) => return Err(error).context("the prompt"),
                }
            },
        }
    }
}

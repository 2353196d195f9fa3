//! `longspan ask`: questions and documents from the command line, answers to standard output.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use longspan::Error;

use super::interactive;
use crate::cli::AskArgs;
use crate::data::documents;
use crate::session::{Round, Session};
use crate::status::Status;
use crate::terminal::hints::fault;

/// Documents are asked in groups of about so much text: enough to fill batches, little enough to keep no more than that.
const GROUP_BYTES: usize = 1 << 18;

/// Runs the command.
pub fn run(args: &AskArgs) -> Result<Status> {
    args.machine.threads.start()?;
    if args.interactive {
        return interactive::run(args);
    }
    let mut files = args.files();
    if files.is_empty() {
        files.push(PathBuf::from("-"));
    }
    let mut round = Round::new(questions(args, &files)?);
    let session = Session::open(args)?;
    let asked = ask_files(&session, &files, &mut round);
    // What was found is shown, whatever happened afterwards.
    let shown = round.show(&mut session.output(args));
    asked?;
    shown
}

/// Reads and asks the documents, group by group.
fn ask_files(session: &Session, files: &[PathBuf], round: &mut Round) -> Result<()> {
    let mut group: Vec<(String, String)> = Vec::new(); // (name, text)
    for (number, path) in files.iter().enumerate() {
        match documents::read(path) {
            Ok(text) => group.push((documents::name(path), text)),
            Err(error) => round.fail(&error),
        }
        let bytes: usize = group.iter().map(|(_, text)| text.len()).sum();
        if bytes < GROUP_BYTES && number + 1 < files.len() {
            continue;
        }
        let mut loaded = Vec::with_capacity(group.len());
        for (name, text) in &group {
            match session.load(name, text) {
                Ok(document) => loaded.push(document),
                Err(error) => round.fail(&error),
            }
        }
        session.ask(&loaded, round)?;
        drop(loaded);
        group.clear();
    }
    Ok(())
}

/// The question of the command line, or those of a file.
fn questions(args: &AskArgs, files: &[PathBuf]) -> Result<Vec<String>> {
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
        return Err(fault(format!("`{question}`: a file where the question should be"), hint));
    }
    Ok(vec![question.to_string()])
}

fn questions_of(path: &Path, files: &[PathBuf]) -> Result<Vec<String>> {
    if documents::is_stdin(path) && files.iter().any(|file| documents::is_stdin(file)) {
        let hint = "name a file for one of them";
        return Err(fault("standard input cannot hold both the questions and a document", hint));
    }
    let text = documents::read(path).context("questions")?;
    let lines = text.trim_start_matches('\u{feff}').lines().map(str::trim);
    Ok(lines.filter(|line| !line.is_empty()).map(str::to_string).collect())
}

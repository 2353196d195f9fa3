//! The model that is asked, and what is shown while and after it is asked.

use std::ops::ControlFlow;
use std::sync::Arc;

use anyhow::{Context, Result};
use longspan::{ErrorKind, Question};
use longspan_ask::{AskEvent, Asker, DocumentAnswer, NamedDocument, rank};

use crate::cli::AskArgs;
use crate::data::documents::short;
use crate::model::{self, OpenedModel};
use crate::status::Status;
use crate::terminal::progress::ReadingBar;
use crate::terminal::{Output, OutputFormat, hints, one_line};

/// An error message shows at most so many characters of a question.
const MESSAGE_QUESTION_MAX: usize = 60;

/// Opens the model that the command line names, and standard output in the format that it asks for.
pub fn open(args: &AskArgs) -> Result<(Asker, Output)> {
    let OpenedModel { checkpoint, reader } = model::open(&args.model, &args.machine)?;
    let precision = reader.model().precision().to_string();
    let output = Output::new(OutputFormat { json: args.json, model: checkpoint.name, precision });
    Ok((Asker::new(Arc::new(reader), args.read_options()), output))
}

/// Questions that are asked together, and their answers so far.
pub struct Round {
    /// Those that can be asked.
    pub questions: Arc<[Question]>,
    /// For each of `questions`.
    answers: Vec<Vec<DocumentAnswer>>,
    /// Whether there are several questions, so that each is named.
    several: bool,
    failed: bool,
    bar: Option<ReadingBar>,
}

impl Round {
    /// Tokenizes the questions. One that cannot be asked is reported and left out.
    ///
    /// # Errors
    /// When an option does not fit the model.
    pub fn new(asker: &Asker, texts: &[String]) -> Result<Self> {
        let several = texts.len() > 1;
        let mut round = Self { questions: [].into(), answers: Vec::new(), several, failed: false, bar: None };
        let mut questions = Vec::new();
        for text in texts {
            match asker.question(text) {
                Ok(question) => questions.push(question),
                Err(error) if error.kind() == ErrorKind::Option => return Err(error.into()),
                Err(error) if several => {
                    round.fail(anyhow::Error::from(error).context(format!("question `{}`", shortened(text))));
                }
                Err(error) => round.fail(error.into()),
            }
        }
        round.answers.resize_with(questions.len(), Vec::new);
        round.questions = questions.into();
        Ok(round)
    }

    /// Shows progress, reports errors, and keeps answers.
    pub fn take(&mut self, event: AskEvent<'_>) -> ControlFlow<()> {
        match event {
            AskEvent::Begin(documents) => self.bar = Some(ReadingBar::new(&label(documents))),
            AskEvent::Progress(progress) => {
                if let Some(bar) = &mut self.bar {
                    bar.update(progress);
                }
            }
            AskEvent::Answer { question, answer } => {
                self.bar = None;
                self.answers[question].push(answer);
            }
            AskEvent::Error { error, .. } => self.fail(error.into()),
            _ => {}
        }
        ControlFlow::Continue(())
    }

    fn fail(&mut self, error: anyhow::Error) {
        self.bar = None;
        hints::report(&error);
        self.failed = true;
    }

    /// Shows all answers, ranked, and returns how the program ends.
    pub fn show(mut self, output: &mut Output) -> Result<Status> {
        for (question, answers) in self.questions.iter().zip(&mut self.answers) {
            rank(answers);
            if !answers.is_empty() {
                output.show(self.several.then_some(question.text()), answers).context("standard output")?;
            }
        }
        let answered = self.answers.iter().all(|answers| answers.iter().any(|answer| answer.answered));
        Ok(match (self.failed, answered) {
            (true, _) => Status::Failed,
            (false, true) => Status::Answered,
            (false, false) => Status::Unanswered,
        })
    }
}

/// The text of the bar: which documents are read.
fn label(documents: &[NamedDocument]) -> String {
    match documents {
        [first, .., last] if first.name() != last.name() => {
            format!("{} to {}", short(first.name()), short(last.name()))
        }
        [one, ..] => short(one.name()),
        [] => String::new(),
    }
}

fn shortened(question: &str) -> String {
    let line = one_line(question);
    match line.char_indices().nth(MESSAGE_QUESTION_MAX) {
        Some((at, _)) => format!("{}…", &line[..at]),
        None => line,
    }
}

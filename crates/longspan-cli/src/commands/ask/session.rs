//! The model that is asked, and what is shown while and after it is asked.

use std::io;
use std::ops::ControlFlow;
use std::sync::Arc;

use anyhow::{Context, Result};
use longspan::{ErrorKind, Question, error::shortened};
use longspan_ask::{AskEvent, Asker, DocumentAnswer, NamedDocument, rank};

use super::grid;
use crate::cli::{AskArgs, PrintArgs};
use crate::data::answers::{self, RunIdentity};
use crate::data::documents::short;
use crate::data::results::ResultFile;
use crate::model::{self, OpenedModel};
use crate::status::Status;
use crate::terminal::progress::ReadingBar;
use crate::terminal::{self, Output, OutputFormat, Results, hints, one_line};

/// An error message shows at most so many characters of a question.
const MESSAGE_QUESTION_MAX: usize = 60;

/// Opens the model that the command line names, and standard output in the format that it asks for. With `--out`, adds
/// what every answer depends on.
pub fn open(args: &AskArgs) -> Result<(Asker, Output, Option<RunIdentity>)> {
    let OpenedModel { checkpoint, reader } = model::open(&args.model, &args.machine)?;
    let options = args.read_options();
    let identity = args.out.as_ref().map(|_| answers::identity(&checkpoint.source, &reader, &options)).transpose()?;
    let precision = reader.model().precision().to_string();
    let output = Output::new(OutputFormat { json: args.print.json, model: checkpoint.name, precision });
    Ok((Asker::new(Arc::new(reader), options), output, identity))
}

/// A question as it was given.
pub struct GivenQuestion {
    /// The question.
    pub text: String,
    /// Its file and line, if it is from a file.
    pub place: Option<String>,
}

/// Questions that are asked together, and their answers.
pub struct Round<'a> {
    /// Those that can be asked.
    pub questions: Arc<[Question]>,
    /// Whether some document answers each of them.
    answered: Vec<bool>,
    /// Whether there are several questions, so that each is named.
    several: bool,
    /// Names of the documents so far.
    documents: Vec<String>,
    /// (documents, questions): answers that are not shown yet. `None` after an error.
    answers: Vec<Option<DocumentAnswer>>,
    /// How many results with `--unranked` were not wanted.
    hidden: usize,
    failed: bool,
    written: Result<()>,
    args: &'a PrintArgs,
    output: &'a mut Output,
    /// Where answers go instead of standard output, and those of the document that is not complete yet.
    results: Option<(ResultFile, Vec<DocumentAnswer>)>,
    bar: Option<ReadingBar>,
}

impl<'a> Round<'a> {
    /// Tokenizes the questions. One that cannot be asked is reported and left out.
    ///
    /// # Errors
    /// When an option does not fit the model.
    pub fn new(asker: &Asker, given: &[GivenQuestion], args: &'a PrintArgs, output: &'a mut Output) -> Result<Self> {
        let mut round = Self {
            questions: [].into(),
            answered: Vec::new(),
            several: given.len() > 1,
            documents: Vec::new(),
            answers: Vec::new(),
            hidden: 0,
            failed: false,
            written: Ok(()),
            args,
            output,
            results: None,
            bar: None,
        };
        let mut questions = Vec::new();
        for GivenQuestion { text, place } in given {
            match (asker.question(text), place) {
                (Ok(question), _) => questions.push(question),
                (Err(error), _) if error.kind() == ErrorKind::Option => return Err(error.into()),
                (Err(error), Some(place)) => {
                    round.fail(anyhow::Error::from(error).context(format!("{place}: {}", named(text))));
                }
                (Err(error), None) => round.fail(error.into()),
            }
        }
        round.answered.resize(questions.len(), false);
        round.questions = questions.into();
        Ok(round)
    }

    /// Writes the answers to a file instead, and counts those that it has of these documents.
    ///
    /// - `names`: all documents that are given
    pub fn write_to(&mut self, results: ResultFile, names: impl Iterator<Item = String>) {
        for known in names.filter_map(|name| results.known(&name).map(<[bool]>::to_vec)) {
            self.answered.iter_mut().zip(known).for_each(|(answered, known)| *answered |= known);
        }
        self.results = Some((results, Vec::new()));
    }

    /// Whether the file of the answers has those of a document.
    pub fn knows(&self, name: &str) -> bool {
        self.results.as_ref().is_some_and(|(results, _)| results.known(name).is_some())
    }

    /// Shows progress, reports errors, and shows or keeps answers. Stops the work when nothing can be shown any more.
    pub fn take(&mut self, event: AskEvent<'_>) -> ControlFlow<()> {
        match event {
            AskEvent::Begin(documents) => {
                self.documents.extend(documents.iter().map(|document| document.name().to_owned()));
                self.bar = Some(ReadingBar::new(&label(documents)));
            }
            AskEvent::Progress(progress) => {
                if let Some(bar) = &mut self.bar {
                    bar.update(progress);
                }
            }
            AskEvent::Answer { question, answer } => {
                self.answered[question] |= answer.answered;
                if self.results.is_some() {
                    self.write(question, Some(answer));
                } else if self.args.unranked {
                    self.show_at_once(question, answer);
                } else {
                    self.answers.push(Some(answer));
                }
            }
            // These pairs were left when nothing could be shown any more.
            AskEvent::Error { error, .. } if self.has_ended() && error.kind() == ErrorKind::Cancelled => {}
            AskEvent::Error { question: None, error } => self.fail(error.into()),
            AskEvent::Error { question: Some(question), error } => {
                self.fail(anyhow::Error::from(error).context(named(self.questions[question].text())));
                self.answers.push(None);
                self.write(question, None);
            }
            _ => {}
        }
        if self.has_ended() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }

    /// Whether nothing can be shown any more.
    fn has_ended(&self) -> bool {
        self.written.is_err() || self.output.is_closed()
    }

    /// Takes an answer for the file, and writes those of a document with its last one. After an error there are fewer, and none
    /// is written, nor are any if one is too long for the file.
    fn write(&mut self, question: usize, answer: Option<DocumentAnswer>) {
        let Some((results, answers)) = &mut self.results else { return };
        answers.extend(answer);
        if question + 1 < self.questions.len() {
            return;
        }
        let answers = std::mem::take(answers);
        if answers.len() < self.questions.len() {
            return;
        }
        let OutputFormat { model, precision, .. } = self.output.format();
        match results.lines(&answers, model, precision) {
            Ok(lines) => self.written = results.add(&lines),
            Err(error) => self.fail(error),
        }
    }

    /// Takes the bar away, so that something else can be shown in its place.
    pub fn clear_bar(&mut self) {
        self.bar = None;
    }

    /// Reports an error of one document.
    pub fn fail(&mut self, error: anyhow::Error) {
        self.clear_bar();
        hints::report(&error);
        self.failed = true;
    }

    fn show_at_once(&mut self, question: usize, answer: DocumentAnswer) {
        let Some(answer) = wanted(self.args, answer) else {
            self.hidden += 1;
            return;
        };
        self.bar = None;
        let heading = self.several.then(|| self.questions[question].text());
        let shown = self.output.show(&Results { heading, answers: &[answer], hidden: 0 });
        self.written = shown.context("standard output");
    }

    /// Shows the answers that were not shown yet, and returns how the program ends.
    pub fn end(mut self) -> Result<Status> {
        self.bar = None;
        std::mem::replace(&mut self.written, Ok(()))?;
        self.show_rest().context("standard output")?;
        Ok(match (self.failed, self.answered.iter().all(|&answered| answered)) {
            (true, _) => Status::Failed,
            (false, true) => Status::Answered,
            (false, false) => Status::Unanswered,
        })
    }

    fn show_rest(&mut self) -> io::Result<()> {
        let mut answers = std::mem::take(&mut self.answers);
        if self.args.csv {
            let wanted: Vec<_> = answers.into_iter().map(|answer| wanted(self.args, answer?)).collect();
            let table = grid::csv(&self.questions, &self.documents, &wanted, self.args.only_answers())?;
            return terminal::print_text(&table);
        }
        for (q, question) in self.questions.iter().enumerate() {
            let own = answers.iter_mut().skip(q).step_by(self.questions.len());
            let mut own: Vec<DocumentAnswer> = own.filter_map(Option::take).collect();
            rank(&mut own);
            let count = own.len();
            let mut shown: Vec<_> = own.into_iter().filter_map(|answer| wanted(self.args, answer)).collect();
            shown.truncate(self.args.best_documents.unwrap_or(usize::MAX));
            if count > 0 {
                let heading = self.several.then_some(question.text());
                self.output.show(&Results { heading, answers: &shown, hidden: count - shown.len() })?;
            }
        }
        if self.hidden > 0 {
            self.output.show(&Results { heading: None, answers: &[], hidden: self.hidden })?;
        }
        Ok(())
    }
}

/// The answer as far as it is to be printed; `None` where nothing of it is.
fn wanted(args: &PrintArgs, mut answer: DocumentAnswer) -> Option<DocumentAnswer> {
    let score_min = args.min_score.unwrap_or(0.0);
    answer.candidates.retain(|candidate| candidate.score >= score_min);
    (answer.best().is_some() || !args.only_answers()).then_some(answer)
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

/// What a message calls a question.
fn named(question: &str) -> String {
    format!("question `{}`", shortened(&one_line(question), MESSAGE_QUESTION_MAX))
}

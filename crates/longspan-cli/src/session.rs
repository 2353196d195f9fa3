//! The model that is asked, and the asking: many documents with many questions, where an error in one leaves the others.

use std::ops::ControlFlow;
use std::time::Instant;

use anyhow::{Context, Result};
use longspan::{Document, Error, ErrorKind, Question, ReadOptions, Reader};

use crate::cli::AskArgs;
use crate::data::documents::short;
use crate::finding::{Finding, rank};
use crate::model::{self, OpenedModel};
use crate::status::Status;
use crate::terminal::hints;
use crate::terminal::progress::ReadingBar;
use crate::terminal::{Format, Output, one_line};

/// A question of a message is shortened to so many characters.
const MESSAGE_QUESTION_MAX: usize = 60;

/// A model, ready to be asked as the command line says.
pub struct Session {
    reader: Reader,
    options: ReadOptions,
    model: String,
}

/// A document, read and tokenized.
pub struct Loaded<'a> {
    name: &'a str,
    document: Document,
}

impl Loaded<'_> {
    /// Number of its tokens.
    pub fn tokens(&self) -> usize {
        self.document.tokens()
    }
}

impl Session {
    /// Opens the model.
    pub fn open(args: &AskArgs) -> Result<Self> {
        let OpenedModel { checkpoint, reader } = model::open(&args.model, &args.machine)?;
        Ok(Self { reader, options: args.read_options(), model: checkpoint.name })
    }

    /// Standard output as the command line wants it.
    pub fn output(&self, args: &AskArgs) -> Output {
        let precision = self.reader.model().precision().to_string();
        Output::new(match args.json {
            true => Format::Json { model: self.model.clone(), precision },
            false => Format::Human { precision },
        })
    }

    /// Tokenizes a document.
    pub fn load<'a>(&self, name: &'a str, text: &'a str) -> Result<Loaded<'a>> {
        let document = self.reader.document(text).with_context(|| format!("`{name}`"))?;
        Ok(Loaded { name, document })
    }

    /// Asks every document every question.
    ///
    /// # Errors
    /// When an option does not fit the model, which nothing else can mend; what is wrong with one question or document
    /// is told and remembered in `round`.
    pub fn ask(&self, documents: &[Loaded<'_>], round: &mut Round) -> Result<()> {
        let started = Instant::now();
        let Some(first) = documents.first() else { return Ok(()) };
        let mut questions = Vec::new();
        for q in (0..round.questions.len()).filter(|&q| !round.questions[q].refused).collect::<Vec<_>>() {
            match self.reader.question(&round.questions[q].text) {
                Ok(question) => questions.push((q, question)),
                Err(error) => refuse(error, (q, first), round)?,
            }
        }
        let pairs: Vec<(usize, &Question, &Loaded<'_>)> = documents
            .iter()
            .flat_map(|document| questions.iter().map(move |(q, question)| (*q, question, document)))
            .collect();
        let asked: Vec<_> = pairs.iter().map(|&(_, question, loaded)| (question, &loaded.document)).collect();
        let mut bar = ReadingBar::new(&label(&pairs));
        let answers = self.reader.answer_batch(&asked, &self.options, &mut |progress| {
            bar.update(progress);
            ControlFlow::Continue(())
        });
        drop(bar);
        let seconds = started.elapsed().as_secs_f64();
        let tokens: usize = pairs.iter().map(|(_, _, loaded)| loaded.tokens()).sum();
        for (&(q, _, loaded), answer) in pairs.iter().zip(answers) {
            let Loaded { name, document } = loaded;
            match answer {
                Err(error) => refuse(error, (q, loaded), round)?,
                Ok(answer) => {
                    let share = seconds * document.tokens() as f64 / tokens.max(1) as f64;
                    let question = &mut round.questions[q];
                    question.findings.push(Finding::new(name, document.text(), &question.text, &answer, share));
                }
            }
        }
        Ok(())
    }
}

/// What the bar says it reads.
fn label(pairs: &[(usize, &Question, &Loaded<'_>)]) -> String {
    match pairs {
        [(_, _, first), .., (_, _, last)] if first.name != last.name => {
            format!("{} to {}", short(first.name), short(last.name))
        }
        [(_, _, one), ..] => short(one.name),
        [] => String::new(),
    }
}

/// Tells what is wrong with a pair, and of a question once; passed on where it is wrong with all of them.
fn refuse(error: Error, (q, loaded): (usize, &Loaded<'_>), round: &mut Round) -> Result<()> {
    let several = round.questions.len() > 1;
    let question = &mut round.questions[q];
    let error = match error.kind() {
        ErrorKind::Option => return Err(error.into()),
        ErrorKind::Question => {
            if std::mem::replace(&mut question.refused, true) {
                return Ok(());
            }
            let error = anyhow::Error::from(error);
            if several { error.context(format!("question `{}`", shortened(&question.text))) } else { error }
        }
        _ => anyhow::Error::from(error).context(format!("`{}`", loaded.name)),
    };
    round.fail(&error);
    Ok(())
}

fn shortened(question: &str) -> String {
    let line = one_line(question);
    match line.char_indices().nth(MESSAGE_QUESTION_MAX) {
        Some((at, _)) => format!("{}…", &line[..at]),
        None => line,
    }
}

/// Questions, and what was found so far.
pub struct Round {
    questions: Vec<AskedQuestion>,
    failed: bool,
}

struct AskedQuestion {
    text: String,
    /// It cannot be asked, and that was said.
    refused: bool,
    findings: Vec<Finding>,
}

impl Round {
    /// Questions to be asked.
    pub fn new(questions: Vec<String>) -> Self {
        let question = |text| AskedQuestion { text, refused: false, findings: Vec::new() };
        Self { questions: questions.into_iter().map(question).collect(), failed: false }
    }

    /// Tells the user of an error and goes on.
    pub fn fail(&mut self, error: &anyhow::Error) {
        hints::report(error);
        self.failed = true;
    }

    /// Shows everything, ranked, and says how it went.
    pub fn show(mut self, output: &mut Output) -> Result<Status> {
        let several = self.questions.len() > 1;
        for question in &mut self.questions {
            rank(&mut question.findings);
            if !question.findings.is_empty() {
                let heading = several.then_some(question.text.as_str());
                output.show(heading, &question.findings).context("standard output")?;
            }
        }
        let answered = self.questions.iter().all(|question| question.findings.iter().any(|finding| finding.answered));
        Ok(match (self.failed, answered) {
            (true, _) => Status::Failed,
            (false, true) => Status::Answered,
            (false, false) => Status::Unanswered,
        })
    }
}

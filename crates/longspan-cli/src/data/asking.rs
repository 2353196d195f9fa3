//! Asks a model all questions of a dataset.

use std::time::Instant;

use anyhow::Result;
use longspan::evaluate::{AskOutcome, AskProgress, Asked, Scored, ask};
use longspan::reader::ReaderSettings;
use longspan::squad::{Dataset, SquadQuestion};
use longspan::{Error, ErrorKind, ReadOptions, Reader};

use super::answers::AnswerFile;
use super::documents;
use super::squad::{self, Skipped, SquadData};
use crate::terminal::hints::{self, fault};
use crate::terminal::progress::Bar;
use crate::terminal::{counted, thousands};

/// Questions, and how they are asked.
pub struct Asking<'a> {
    /// The model.
    pub reader: &'a Reader,
    /// How documents are read: one or more, as [`ask`] takes them.
    pub options: &'a [ReadOptions],
    /// The questions.
    pub dataset: &'a Dataset,
    /// Whether questions that cannot be asked are left out.
    pub skip_bad: bool,
}

impl Asking<'_> {
    /// Checks that the options fit the model and all questions that can be asked.
    ///
    /// # Errors
    /// When one does not.
    pub fn check_options(&self) -> Result<()> {
        for (_, SquadQuestion { question, .. }) in self.dataset.questions() {
            let checked = self
                .reader
                .question(question)
                .and_then(|asked| self.options.iter().try_for_each(|options| self.reader.check(&asked, options)));
            checked.or_else(|error| if error.kind() == ErrorKind::Option { Err(error) } else { Ok(()) })?;
        }
        Ok(())
    }
}

/// The scored answers, and how fast they were made.
pub struct AskedAll<'a> {
    /// For each of the options every question that could be asked, in the order of the data.
    pub scored: Vec<Vec<Scored<'a>>>,
    /// What was done in this run.
    pub done: AskProgress,
    /// Seconds that it took.
    pub seconds: f64,
}

/// Asks every question that is not known from an earlier run.
///
/// - `answers`: an earlier run, and a record of this one; for a single set of options
///
/// # Errors
/// When a question cannot be asked, unless such questions are to be left out; `skipped` counts them.
pub fn ask_all<'a>(
    asking: &Asking<'a>,
    mut answers: Option<&mut AnswerFile>,
    skipped: &mut Skipped,
) -> Result<AskedAll<'a>> {
    let Asking { reader, options, dataset, skip_bad } = asking;
    let questions = Asked::all(dataset);
    assert!(answers.is_none() || options.len() == 1, "a record of answers by {} options", options.len());
    let known = |asked: &Asked<'a>| answers.as_ref().map_or(Ok(None), |answers| answers.known(asked));
    let known = |asked: &Asked<'a>| known(asked).map(|outcome| outcome.map(|outcome| vec![outcome]));
    let mut outcomes: Vec<Option<Vec<AskOutcome>>> = questions.iter().map(known).collect::<Result<_>>()?;
    let unknown: Vec<usize> = (0..questions.len()).filter(|&q| outcomes[q].is_none()).collect();
    let rest: Vec<Asked<'a>> = unknown.iter().map(|&q| questions[q]).collect();
    let bytes: usize = rest.iter().map(|asked| asked.paragraph.context.len()).sum();
    if !skip_bad {
        rest.iter().try_for_each(|asked| check_texts(asking, asked))?; // before the first one is asked
    }

    // The time left is estimated by bytes: how many tokens these are is not known beforehand.
    let bar = Bar::share(bytes as u64);
    bar.say(&counted(rest.len(), "question"));
    let started = Instant::now();
    let mut last = AskProgress::default();
    let mut order = unknown.into_iter();
    ask(reader, &rest, options, &mut |asked, found, done| -> Result<()> {
        let q = order.next().expect("every question comes once");
        match found {
            Ok(found) => {
                if let Some(answers) = answers.as_deref_mut() {
                    answers.add(&asked.question.id, &found[0])?;
                }
                outcomes[q] = Some(found);
            }
            Err(error) if matches!(error.kind(), ErrorKind::Option | ErrorKind::Model) => return Err(error.into()),
            Err(error) if *skip_bad => {
                let question = squad::name_of(dataset, &asked);
                bar.suspend(|| skipped.add(&format!("{question}: {error}")));
            }
            Err(error) => {
                return Err(cannot_ask(dataset, &asked, &error));
            }
        }
        last = done;
        bar.set_position(done.bytes as u64);
        bar.say(&pace(done, rest.len(), started.elapsed().as_secs_f64()));
        Ok(())
    })?;
    drop(bar);
    let seconds = started.elapsed().as_secs_f64();
    let mut scored: Vec<Vec<Scored<'a>>> = options.iter().map(|_| Vec::new()).collect();
    for (asked, outcomes) in questions.into_iter().zip(outcomes) {
        for (scored, outcome) in scored.iter_mut().zip(outcomes.into_iter().flatten()) {
            scored.push(Scored::new(asked, outcome));
        }
    }
    if scored[0].is_empty() {
        return Err(fault("no question could be asked", "each was left out, as the warnings say"));
    }
    Ok(AskedAll { scored, done: last, seconds })
}

/// Checks that there is something to ask, and room for it.
fn check_texts(asking: &Asking<'_>, asked: &Asked<'_>) -> Result<()> {
    let Asking { reader, options, dataset, .. } = asking;
    let context = &asked.paragraph.context;
    // To tokenize all documents takes long. Letters and digits always give tokens.
    let document = match context.chars().any(char::is_alphanumeric) {
        true => Ok(()),
        false => reader.document(context.as_str()).map(drop),
    };
    let question = document.and_then(|()| reader.question(&asked.question.question));
    let checked = question.and_then(|question| options.iter().try_for_each(|options| reader.check(&question, options)));
    checked.map_err(|error| match error.kind() {
        ErrorKind::Option => error.into(),
        _ => cannot_ask(dataset, asked, &error),
    })
}

fn cannot_ask(dataset: &Dataset, asked: &Asked<'_>, error: &Error) -> anyhow::Error {
    let message = format!("{}: {error}", squad::name_of(dataset, asked));
    fault(message, "--skip-bad leaves out and counts questions that cannot be asked")
}

/// How many questions were asked, and how fast.
fn pace(done: AskProgress, questions: usize, seconds: f64) -> String {
    let (asked, all) = (thousands(done.questions), counted(questions, "question"));
    let tokens = thousands((done.tokens as f64 / seconds) as usize);
    format!("{asked} of {all}, {:.1}/s, {tokens} tokens/s", done.questions as f64 / seconds)
}

/// Warns where the model may have been calibrated on the data that judge it.
pub fn warn_of_fitted(data: &SquadData, settings: &ReaderSettings) {
    let Some(calibration) = &settings.calibration else { return };
    let fitted: Vec<&str> = calibration.fitted_on.split(": ").next().unwrap_or_default().split(", ").collect();
    let names = data.files.iter().map(|file| documents::short(file));
    for name in names.filter(|name| fitted.contains(&name.as_str())) {
        hints::warn(&format!(
            "threshold and scores of the model were fitted on a file of the name `{name}`: if it is this one, their figures \
             are too good; `longspan calibrate` gives figures for articles that were not used for fitting"
        ));
    }
}

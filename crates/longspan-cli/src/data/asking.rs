//! A model, asked all questions of a dataset.

use std::time::Instant;

use anyhow::Result;
use longspan::evaluate::{Asked, Done, Judged, Outcome, ask};
use longspan::reader::Settings;
use longspan::squad::Dataset;
use longspan::{ErrorKind, ReadOptions, Reader};

use super::answers::Answers;
use super::documents;
use super::squad::{self, Data, Skipped};
use crate::terminal::hints::{self, DATA_HINT, fault};
use crate::terminal::progress::QuestionBar;

/// What is asked of what.
pub struct Asking<'a> {
    /// The model.
    pub reader: &'a Reader,
    /// How documents are read.
    pub options: &'a ReadOptions,
    /// The questions.
    pub dataset: &'a Dataset,
    /// Whether questions that cannot be asked are left out.
    pub skip_bad: bool,
}

/// What was asked, and how fast.
pub struct AskedAll<'a> {
    /// Every question that could be asked, in the order of the data.
    pub judged: Vec<Judged<'a>>,
    /// What was done in this run.
    pub done: Done,
    /// Seconds that it took.
    pub seconds: f64,
}

/// Asks every question that is not known from an earlier run.
///
/// # Errors
/// When a question cannot be asked, unless these are to be left out, which `skipped` counts.
pub fn ask_all<'a>(
    asking: &Asking<'a>,
    mut answers: Option<&mut Answers>,
    skipped: &mut Skipped,
) -> Result<AskedAll<'a>> {
    let Asking { reader, options, dataset, skip_bad } = asking;
    let questions = Asked::all(dataset);
    let known = |asked: &Asked<'a>| answers.as_ref().map_or(Ok(None), |answers| answers.known(asked));
    let mut outcomes: Vec<Option<Outcome>> = questions.iter().map(known).collect::<Result<_>>()?;
    let unknown: Vec<usize> = (0..questions.len()).filter(|&q| outcomes[q].is_none()).collect();
    let rest: Vec<Asked<'a>> = unknown.iter().map(|&q| questions[q]).collect();
    let bytes = rest.iter().map(|asked| asked.paragraph.context.len()).sum();

    let bar = QuestionBar::new(Done { questions: rest.len(), bytes, ..Done::default() });
    let started = Instant::now();
    let mut last = Done::default();
    let mut order = unknown.into_iter();
    ask(reader, &rest, options, &mut |asked, outcome, done| -> Result<()> {
        let q = order.next().expect("every question is told of once");
        match outcome {
            Ok(outcome) => {
                if let Some(answers) = answers.as_deref_mut() {
                    answers.add(&asked.question.id, &outcome)?;
                }
                outcomes[q] = Some(outcome);
            }
            Err(error) if matches!(error.kind(), ErrorKind::Option | ErrorKind::Model) => return Err(error.into()),
            Err(error) if *skip_bad => {
                let place = squad::place(dataset, &asked);
                bar.suspend(|| skipped.add(&format!("{place}: {error}")));
            }
            Err(error) => {
                let message = format!("{}: {error}", squad::place(dataset, &asked));
                return Err(fault(message, "--skip-bad leaves out and counts questions that cannot be asked"));
            }
        }
        last = done;
        bar.update(done);
        Ok(())
    })?;
    drop(bar);
    let seconds = started.elapsed().as_secs_f64();
    let judged = questions.into_iter().zip(outcomes);
    let judged = judged.filter_map(|(asked, outcome)| Some(Judged::new(asked, outcome?)));
    let judged: Vec<_> = judged.collect();
    if judged.is_empty() {
        return Err(fault("no question could be asked", DATA_HINT));
    }
    Ok(AskedAll { judged, done: last, seconds })
}

/// Warns where the model may have been fitted on the data that judge it.
pub fn warn_of_fitted(data: &Data, settings: &Settings) {
    let Some(calibration) = &settings.calibration else { return };
    let fitted: Vec<&str> = calibration.fitted_on.split(": ").next().unwrap_or_default().split(", ").collect();
    let names = data.files.iter().map(|file| documents::short(file));
    for name in names.filter(|name| fitted.contains(&name.as_str())) {
        hints::warn(&format!(
            "threshold and scores of the model were fitted on a file of the name `{name}`: if it is this one, their figures \
             are too good; `longspan calibrate` gives those of articles that were not fitted on"
        ));
    }
}

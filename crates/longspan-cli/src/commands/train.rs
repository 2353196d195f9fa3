//! `longspan train`: a model and data → a better model.

use std::collections::HashSet;
use std::fmt::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use longspan::ReadOptions;
use longspan::squad::{DatasetOptions, MisplacedAnswers};
use longspan::train::{self, BestEvaluation, QaJob, QaTeacher, RunOutcome};

use crate::cli::TrainArgs;
use crate::data::squad::{self as data, SquadData};
use crate::machine::instruction_set;
use crate::model::{self, named};
use crate::run::folder::{self, RunFolder};
use crate::run::made;
use crate::run::watch::RunWatcher;
use crate::terminal;
use crate::terminal::counted;
use crate::terminal::hints::{self, fault};

/// Runs the command.
pub fn run(args: &TrainArgs) -> Result<()> {
    let isa = instruction_set()?; // first, for a recipe may ask for the best precision of the machine
    let recipe = folder::recipe(&args.run, &args.recipe)?;
    let command = recipe.command_settings()?;
    if command.train.is_empty() {
        return Err(fault("no data to learn from", "--train FILE names them, or `train` in the recipe does"));
    }
    let read = |paths: &[PathBuf], misplaced| {
        data::read(paths, command.skip_bad, DatasetOptions { offsets: command.offsets, misplaced })
    };
    let train = read(&command.train, MisplacedAnswers::TakeOnly)?;
    let dev = (!command.dev.is_empty()).then(|| read(&command.dev, MisplacedAnswers::Keep)).transpose()?;
    if let Some(dev) = &dev {
        warn_of_shared(&train, dev);
    }
    if command.teacher.is_some() && !command.teacher_answers.is_empty() {
        return Err(fault("--teacher-answers: there is a --teacher too", "learn from one of them"));
    }
    let answers = data::teacher_answers(&command.teacher_answers, &train.dataset)?;
    args.run.threads.start()?;
    let base = model::find(&args.run.model(command.model.as_deref()))?;
    let teacher = command.teacher.as_deref().map(|name| model::find_as("--teacher", &args.run.model(Some(name))));
    let teacher = teacher.transpose()?;
    let config = named(&base.name, base.source.config())?;
    let settings = recipe.all_settings(config.max_tokens())?;
    named(&base.name, train::check_base(&base.source, &settings.train))?;
    if let Some(teacher) = &teacher {
        named(&teacher.name, train::check_teacher(&teacher.source))?;
    }
    settings.task.check()?;

    let out = &args.run.out;
    let RunFolder { metrics, resume } = folder::prepare(&args.run, &settings)?;
    let watch = RunWatcher::new(out, metrics, isa, settings.train.precision);
    let teacher = teacher.as_ref().map(|teacher| &teacher.source);
    let job = QaJob {
        base: &base.source,
        train: &train.dataset,
        dev: dev.as_ref().map(|dev| &dev.dataset),
        dev_options: &ReadOptions::default(),
        teacher: teacher.map(QaTeacher::Model).or(answers.as_ref().map(QaTeacher::Answers)),
        qa: &settings.task,
        settings: &settings.train,
        out,
        resume,
    };
    let (outcome, has_begun) = watch.watch(|watch| train::run(&job, watch));
    if outcome.is_err() && !has_begun && !resume {
        folder::unmake(out);
    }
    terminal::print(ended(out, &outcome?).as_bytes()).context("standard output")
}

/// Warns if the training data contain questions of the evaluation data.
fn warn_of_shared(train: &SquadData, dev: &SquadData) {
    let ids =
        |data: &'_ SquadData| data.dataset.questions().map(|(_, question)| question.id.clone()).collect::<HashSet<_>>();
    let shared = ids(train).intersection(&ids(dev)).count();
    if shared > 0 {
        let shared = counted(shared, "question");
        hints::warn(&format!("--dev: it shares {shared} with the training data, so its figures will be too good"));
    }
}

/// Reports the model, how good it is, and what to do next.
fn ended(folder: &Path, outcome: &RunOutcome) -> String {
    let name = terminal::one_line(&folder.display().to_string());
    let mut shown = made(folder, outcome);
    if let Some(BestEvaluation { figures, .. }) = &outcome.best {
        let figure = |key: &str| figures.get(key).unwrap_or(f64::NAN);
        let _ = write!(shown, "exact {:.2}, F1 {:.2}", figure("exact"), figure("f1"));
        for (kind, key) in [("with", "has_answer_f1"), ("without", "no_answer_f1")] {
            if let Some(f1) = figures.get(key) {
                let _ = write!(shown, ", {kind} an answer {f1:.2}");
            }
        }
        let _ = writeln!(shown, "; at the threshold {:.2} F1 {:.2}", figure("best_f1_thresh"), figure("best_f1"));
    }
    let _ = writeln!(shown, "\nnext, on data used neither for training nor for --dev:");
    let _ = writeln!(shown, "  longspan calibrate -m {name} DATA");
    let _ = writeln!(shown, "  longspan eval -m {name} --context-tokens 3500 DATA");
    shown
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::tests::figures;
    use longspan::train::{DevFigures, RunEnd};

    #[test]
    fn the_end_says_what_was_made() {
        let next = "\nnext, on data used neither for training nor for --dev:\n  longspan calibrate -m out DATA\n  \
                    longspan eval -m out --context-tokens 3500 DATA\n";
        let DevFigures(mut figures) = figures(70.0);
        figures.push(("has_answer_f1".into(), 68.0));
        let best = Some(BestEvaluation { step: 900, score: 70.0, figures: DevFigures(figures) });
        let outcome = RunOutcome { steps: 1000, best, end: RunEnd::Patience };
        let expected = "out: the model after 1,000 steps, stopped because evaluations no longer improved\n\
                        the best weights, from step 900, were kept\n\
                        exact 69.00, F1 70.00, with an answer 68.00; at the threshold -1.50 F1 71.00\n";
        assert_eq!(ended(Path::new("out"), &outcome), format!("{expected}{next}"));
        let outcome = RunOutcome { steps: 1, best: None, end: RunEnd::Done };
        assert_eq!(ended(Path::new("out"), &outcome), format!("out: the model after 1 step\n{next}"));
    }
}

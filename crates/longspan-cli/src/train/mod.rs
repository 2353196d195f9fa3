//! `longspan train`: a model and data → a better model; and what every run of training has, whatever is learned.
//!
//! ```text
//! recipe       what a run does, as far as it was said: options, and keys of a TOML file
//! course       … the part that all runs have
//! reading      … and how inputs are made of questions
//! folder       where a run writes, and by which recipe it goes on
//! watch        what a person sees of it, and what it leaves behind
//! metrics      … as JSON, a line a step
//! tensorboard  … as event files of TensorBoard
//! plot         … as a picture
//! ```

pub mod course;
pub mod folder;
pub mod metrics;
pub mod plot;
mod reading;
pub mod recipe;
mod tensorboard;
pub mod watch;

use std::collections::HashSet;
use std::fmt::Write;
use std::ops::ControlFlow;
use std::path::Path;

use anyhow::{Context, Result};
use longspan::ReadOptions;
use longspan::train::{self, Best, End, Job, Outcome, Teaching};

pub use reading::TrainRecipe;

use crate::cli::{ModelArgs, RunArgs, TrainArgs};
use crate::eval::data::{self, Data};
use crate::hints::{self, fault};
use crate::info::{instruction_set, thousands};
use crate::model::{self, Checkpoint, named};
use crate::render;

use watch::Watch;

/// Runs the command.
pub fn run(args: &TrainArgs) -> Result<()> {
    let recipe = folder::recipe(&args.run, &args.said)?;
    if recipe.train.is_empty() {
        return Err(fault("no data to learn from", "--train FILE names them, or `train` in the recipe does"));
    }
    let skip_bad = recipe.skip_bad.unwrap_or(false);
    let train = data::read(&recipe.train, skip_bad)?;
    let dev = if recipe.dev.is_empty() { None } else { Some(data::read(&recipe.dev, skip_bad)?) };
    if let Some(dev) = &dev {
        warn_of_shared(&train, dev);
    }
    args.run.threads.start()?;
    let isa = instruction_set()?; // before anything is fetched for it
    let base = find(recipe.course.model.as_deref(), &args.run)?;
    let teacher = recipe.teacher.as_deref().map(|name| find(Some(name), &args.run)).transpose()?;
    let (settings, data) = recipe.settings(named(&base.name, base.source.config())?.max_tokens())?;

    let RunArgs { out, resume, .. } = &args.run;
    let metrics = folder::prepare(&args.run, &recipe.complete(&settings, &data))?;
    let mut watch = Watch::new(out, metrics, isa, settings.precision);
    let weight = recipe.teacher_weight();
    let job = Job {
        base: &base.source,
        train: &train.dataset,
        dev: dev.as_ref().map(|dev| &dev.dataset),
        dev_options: &ReadOptions::default(),
        teacher: teacher.as_ref().map(|teacher| Teaching { source: &teacher.source, weight }),
        data: &data,
        settings: &settings,
        out,
        resume: *resume,
    };
    let outcome = train::run(&job, &mut |event| {
        watch.see(event);
        ControlFlow::Continue(())
    });
    let outcome = match outcome {
        Err(error) if !resume && !watch.has_begun() => {
            drop(watch);
            folder::unmake(out);
            return Err(error.into());
        }
        outcome => outcome,
    };
    watch.end();
    let shown = ended(out, &outcome?);
    render::print(shown.as_bytes()).context("standard output")
}

/// A model of the command line or the recipe; without a name the one in the program.
pub fn find(name: Option<&str>, args: &RunArgs) -> Result<Checkpoint> {
    model::find(&ModelArgs { model: name.map(str::to_owned), offline: args.offline })
}

/// Warns where what judges was learned from.
fn warn_of_shared(train: &Data, dev: &Data) {
    let ids =
        |data: &'_ Data| data.dataset.questions().map(|(_, question)| question.id.clone()).collect::<HashSet<_>>();
    let shared = ids(train).intersection(&ids(dev)).count();
    if shared > 0 {
        let shared = thousands(shared);
        hints::warn(&format!("--dev: {shared} of its questions are learned from: their figures are too good"));
    }
}

/// What was made, how good it is, and what to do next.
fn ended(folder: &Path, outcome: &Outcome) -> String {
    let name = render::one_line(&folder.display().to_string());
    let mut shown = made(folder, outcome);
    if let Some(Best { figures, .. }) = &outcome.best {
        let figure = |key: &str| figures.get(key).unwrap_or(f64::NAN);
        let _ = write!(shown, "exact {:.2}, F1 {:.2}", figure("exact"), figure("f1"));
        for (kind, key) in [("with", "has_answer_f1"), ("without", "no_answer_f1")] {
            if let Some(f1) = figures.get(key) {
                let _ = write!(shown, ", {kind} an answer {f1:.2}");
            }
        }
        let _ = writeln!(shown, "; at the threshold {:.2} F1 {:.2}", figure("best_f1_thresh"), figure("best_f1"));
    }
    let _ = writeln!(shown, "\nnext, on data that were neither learned from nor chosen by:");
    let _ = writeln!(shown, "  longspan calibrate -m {name} DATA");
    let _ = writeln!(shown, "  longspan eval -m {name} --context-tokens 3500 DATA");
    shown
}

/// What was made, and after which step.
pub fn made(folder: &Path, outcome: &Outcome) -> String {
    let name = render::one_line(&folder.display().to_string());
    let steps = if outcome.steps == 1 { "1 step".into() } else { format!("{} steps", thousands(outcome.steps)) };
    let early = if outcome.end == End::Patience { ", stopped since evaluations grew no better" } else { "" };
    let mut shown = format!("{name}: the model after {steps}{early}\n");
    if let Some(Best { step, .. }) = outcome.best
        && step != outcome.steps
    {
        let _ = writeln!(shown, "the best was after step {}: its weights were kept", thousands(step));
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::recipe::Recipe;
    use super::*;
    use longspan::train::{DevReport, Figures, StepReport};

    /// A step of four.
    pub fn step(step: usize, loss: f64) -> StepReport {
        StepReport {
            step,
            steps: 4,
            epoch: step as f64 / 4.0,
            loss,
            learning_rate: 5e-5,
            gradient_norm: 1.5,
            tokens: 8192,
            sequences: 40,
            seconds: 0.5,
            flop: 1e9,
        }
    }

    /// An evaluation.
    pub fn dev(step: usize, f1: f64, is_best: bool) -> DevReport {
        DevReport { step, figures: figures(f1), is_best, seconds: 65.0 }
    }

    fn figures(f1: f64) -> Figures {
        let (exact, best) = (Some(f1 - 1.0), Some(f1 + 1.0));
        let threshold = Some(-1.5);
        Figures::of(&[("exact", exact), ("f1", Some(f1)), ("best_f1", best), ("best_f1_thresh", threshold)])
    }

    #[test]
    fn the_end_says_what_was_made() {
        let next = "\nnext, on data that were neither learned from nor chosen by:\n  longspan calibrate -m out DATA\n  \
                    longspan eval -m out --context-tokens 3500 DATA\n";
        let Figures(mut figures) = figures(70.0);
        figures.push(("has_answer_f1".into(), 68.0));
        let best = Some(Best { step: 900, score: 70.0, figures: Figures(figures) });
        let outcome = Outcome { steps: 1000, best, end: End::Patience };
        let expected = "out: the model after 1,000 steps, stopped since evaluations grew no better\n\
                        the best was after step 900: its weights were kept\n\
                        exact 69.00, F1 70.00, with an answer 68.00; at the threshold -1.50 F1 71.00\n";
        assert_eq!(ended(Path::new("out"), &outcome), format!("{expected}{next}"));
        let outcome = Outcome { steps: 1, best: None, end: End::Done };
        assert_eq!(ended(Path::new("out"), &outcome), format!("out: the model after 1 step\n{next}"));
    }

    #[test]
    fn the_recipes_of_the_repository_can_be_read() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../recipes");
        let mut read = 0;
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap();
            if name.starts_with("pretrain") || !name.ends_with(".toml") {
                continue;
            }
            let recipe = TrainRecipe::read(&path).unwrap();
            // They name everything but where the data and the model are, which are not the same everywhere.
            let filled = TrainRecipe { dev: vec!["dev.json".into()], ..recipe.clone() };
            filled.settings(4096).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            read += 1;
        }
        assert!(read >= 3, "{read}");
    }
}

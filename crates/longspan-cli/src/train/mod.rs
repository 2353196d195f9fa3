//! `longspan train`: a model and data → a better model, and what there is to see while it is made.
//!
//! ```text
//! recipe       what a run does, as far as it was said: options, and keys of a TOML file
//! settings     … checked, and made the library's settings
//! watch        what a person sees of it, and what it leaves behind
//! metrics      … as JSON, a line a step
//! tensorboard  … as event files of TensorBoard
//! plot         … as a picture
//! ```

mod metrics;
mod plot;
mod recipe;
mod settings;
mod tensorboard;
mod watch;

use std::collections::HashSet;
use std::fmt::Write;
use std::fs;
use std::ops::ControlFlow;
use std::path::Path;

use anyhow::{Context, Result};
use longspan::ReadOptions;
use longspan::checkpoint::write_whole;
use longspan::train::{self, Best, DevReport, End, Job, Outcome};

pub use recipe::Recipe;

use crate::cli::{ModelArgs, TrainArgs};
use crate::eval::data::{self, Data};
use crate::eval::files;
use crate::hints::{self, fault};
use crate::info::{instruction_set, thousands};
use crate::model::{self, Checkpoint, named};
use crate::render;
use metrics::Metrics;
use watch::Watch;

/// The recipe that a run leaves behind, and goes on by.
const RECIPE: &str = "recipe.toml";

/// Runs the command.
pub fn run(args: &TrainArgs) -> Result<()> {
    let recipe = recipe(args)?;
    if recipe.train.is_empty() {
        return Err(fault("no data to learn from", "--train FILE names them, or `train` in the recipe does"));
    }
    let skip_bad = recipe.skip_bad.unwrap_or(false);
    let train = data::read(&recipe.train, skip_bad)?;
    let dev = if recipe.dev.is_empty() { None } else { Some(data::read(&recipe.dev, skip_bad)?) };
    if let Some(dev) = &dev {
        warn_of_shared(&train, dev);
    }
    args.threads.start()?;
    let isa = instruction_set()?; // before anything is fetched for it
    let base = find(recipe.model.as_deref(), args)?;
    let teacher = recipe.teacher.as_deref().map(|name| find(Some(name), args)).transpose()?;
    let settings = recipe.settings(named(&base.name, base.source.config())?.max_tokens())?;

    let metrics = prepare(args, &recipe.complete(&settings))?;
    let mut watch = Watch::new(&args.out, metrics, isa, settings.precision);
    let job = Job {
        base: &base.source,
        train: &train.dataset,
        dev: dev.as_ref().map(|dev| &dev.dataset),
        dev_options: &ReadOptions::default(),
        teacher: teacher.as_ref().map(|teacher| &teacher.source),
        settings: &settings,
        out: &args.out,
        resume: args.resume,
    };
    let outcome = train::run(&job, &mut |event| {
        watch.see(event);
        ControlFlow::Continue(())
    });
    let outcome = match outcome {
        Err(error) if !args.resume && !watch.has_begun() => {
            drop(watch);
            unmake(&args.out);
            return Err(error.into());
        }
        outcome => outcome,
    };
    let best = watch.best_dev().cloned();
    watch.end();
    let shown = ended(&args.out, &outcome?, best.as_ref());
    render::print(shown.as_bytes()).context("standard output")
}

/// What the run does: what the command line says, else the recipe that it names; of a run that goes on, its own.
fn recipe(args: &TrainArgs) -> Result<Recipe> {
    args.said.check_options()?;
    let said = match &args.recipe_file {
        None => args.said.clone(),
        Some(path) => Recipe::read(path)?.but(&args.said)?,
    };
    let own = args.out.join(RECIPE);
    if !args.resume || !own.exists() {
        return Ok(said);
    }
    let own_recipe = Recipe::read(&own)?;
    let mut wanted = said;
    if wanted.precision.is_some() {
        // Of `auto` a recipe says what it came to.
        wanted.precision = Some(if wanted.numbers()? == longspan::Precision::F32 {
            recipe::Precision::F32
        } else {
            recipe::Precision::Bf16
        });
    }
    if let Some((option, has, wants)) = wanted.differs_from(&own_recipe)? {
        let message = format!("`{}`: that run has {option} {has}, this one would have {wants}", own.display());
        return Err(fault(message, "go on without other options than --threads, or name another folder"));
    }
    Ok(own_recipe)
}

/// Makes the folder and writes the recipe into it, before there is anything else to write. Gives the file of metrics,
/// which locks the folder.
fn prepare(args: &TrainArgs, complete: &Recipe) -> Result<Metrics> {
    let own = args.out.join(RECIPE);
    if args.resume && own.exists() {
        return Metrics::open(&args.out);
    }
    files::make_new(&args.out)?;
    let head = "# The recipe of this run, complete. The same again, from the same folder as the first time:\n\
                # longspan train --recipe FILE --out NEW\n\n";
    write_whole(&own, format!("{head}{}", complete.to_toml()?).as_bytes())?;
    Metrics::open(&args.out)
}

/// Takes away what [`prepare`] made for a run that did not come to its first step: another one may have the folder. What
/// cannot be removed does no harm.
fn unmake(folder: &Path) {
    for name in [RECIPE, metrics::FILE] {
        let _ = fs::remove_file(folder.join(name));
    }
    let _ = fs::remove_dir(folder);
}

/// A model of the command line or the recipe; without a name the one in the program.
fn find(name: Option<&str>, args: &TrainArgs) -> Result<Checkpoint> {
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
///
/// - `seen`: the best evaluation that this run saw: of one that went on, perhaps not that of the weights
fn ended(folder: &Path, outcome: &Outcome, seen: Option<&DevReport>) -> String {
    let name = render::one_line(&folder.display().to_string());
    let steps = if outcome.steps == 1 { "1 step".into() } else { format!("{} steps", thousands(outcome.steps)) };
    let early = if outcome.end == End::Patience { ", stopped since evaluations grew no better" } else { "" };
    let mut shown = format!("{name}: the model after {steps}{early}\n");
    if let Some(Best { step, exact, f1 }) = outcome.best {
        if step != outcome.steps {
            let _ = writeln!(shown, "the best was after step {}: its weights were kept", thousands(step));
        }
        let _ = write!(shown, "exact {exact:.2}, F1 {f1:.2}");
        if let Some(DevReport { has_answer_f1, no_answer_f1, best_f1, best_f1_thresh, .. }) =
            seen.filter(|seen| seen.step == step)
        {
            for (kind, f1) in [("with", has_answer_f1), ("without", no_answer_f1)] {
                if let Some(f1) = f1 {
                    let _ = write!(shown, ", {kind} an answer {f1:.2}");
                }
            }
            let _ = write!(shown, "; at the threshold {best_f1_thresh:.2} F1 {best_f1:.2}");
        }
        let _ = writeln!(shown);
    }
    let _ = writeln!(shown, "\nnext, on data that were neither learned from nor chosen by:");
    let _ = writeln!(shown, "  longspan calibrate -m {name} DATA");
    let _ = writeln!(shown, "  longspan eval -m {name} --context-tokens 3500 DATA");
    shown
}

#[cfg(test)]
mod tests {
    use super::*;
    use longspan::train::StepReport;

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
        DevReport {
            step,
            exact: f1 - 1.0,
            f1,
            has_answer_f1: Some(f1 - 2.0),
            no_answer_f1: None,
            best_f1: f1 + 1.0,
            best_f1_thresh: -1.5,
            is_best,
            seconds: 65.0,
        }
    }

    #[test]
    fn the_end_says_what_was_made() {
        let next = "\nnext, on data that were neither learned from nor chosen by:\n  longspan calibrate -m out DATA\n  \
                    longspan eval -m out --context-tokens 3500 DATA\n";
        let best = Some(Best { step: 900, exact: 69.0, f1: 70.0 });
        let outcome = Outcome { steps: 1000, best, end: End::Patience };
        let expected = "out: the model after 1,000 steps, stopped since evaluations grew no better\n\
                        the best was after step 900: its weights were kept\n\
                        exact 69.00, F1 70.00, with an answer 68.00; at the threshold -1.50 F1 71.00\n";
        let seen = dev(900, 70.0, true);
        assert_eq!(ended(Path::new("out"), &outcome, Some(&seen)), format!("{expected}{next}"));
        let outcome = Outcome { steps: 1, best: None, end: End::Done };
        assert_eq!(ended(Path::new("out"), &outcome, None), format!("out: the model after 1 step\n{next}"));
    }
}

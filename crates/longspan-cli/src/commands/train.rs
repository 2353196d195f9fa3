//! `longspan train`: a model and data → a better model.

use std::collections::HashSet;
use std::fmt::Write;
use std::ops::ControlFlow;
use std::path::Path;

use anyhow::{Context, Result};
use longspan::ReadOptions;
use longspan::train::{self, Best, Job, Outcome, Teaching};

use crate::cli::{RunArgs, TrainArgs};
use crate::data::squad::{self as data, SquadData};
use crate::machine::instruction_set;
use crate::model::named;
use crate::run::{find, folder, made};
use crate::terminal;
use crate::terminal::hints::{self, fault};
use crate::terminal::thousands;

use crate::run::watch::Watch;

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
    terminal::print(shown.as_bytes()).context("standard output")
}

/// Warns where what judges was learned from.
fn warn_of_shared(train: &SquadData, dev: &SquadData) {
    let ids =
        |data: &'_ SquadData| data.dataset.questions().map(|(_, question)| question.id.clone()).collect::<HashSet<_>>();
    let shared = ids(train).intersection(&ids(dev)).count();
    if shared > 0 {
        let shared = thousands(shared);
        hints::warn(&format!("--dev: {shared} of its questions are learned from: their figures are too good"));
    }
}

/// What was made, how good it is, and what to do next.
fn ended(folder: &Path, outcome: &Outcome) -> String {
    let name = terminal::one_line(&folder.display().to_string());
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::recipe::Recipe;
    use crate::run::tests::figures;
    use crate::run::train_recipe::TrainRecipe;
    use longspan::train::{End, Figures};

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

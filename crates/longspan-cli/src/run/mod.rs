//! What every run of training has, whatever is learned.
//!
//! ```text
//! recipe       what a run does, as far as it was said: options, and keys of a TOML file
//! course       … the part that all runs have
//! train_recipe, pretrain_recipe   … and how inputs are made of questions
//! folder       where a run writes, and by which recipe it goes on
//! watch        what a person sees of it, and what it leaves behind
//! metrics      … as JSON, a line a step
//! tensorboard  … as event files of TensorBoard
//! plot         … as a picture
//! ```

pub mod course;
pub mod folder;
pub mod metrics;
pub mod options;
pub mod plot;
pub mod pretrain_recipe;
pub mod recipe;
mod tensorboard;
pub mod train_recipe;
pub mod watch;

use std::fmt::Write;
use std::path::Path;

use anyhow::Result;
use longspan::train::{Best, End, Outcome};

use crate::cli::{ModelArgs, RunArgs};
use crate::model::{self, Checkpoint};
use crate::terminal::{self, thousands};

/// A model of the command line or the recipe; without a name the one in the program.
pub fn find(name: Option<&str>, args: &RunArgs) -> Result<Checkpoint> {
    model::find(&ModelArgs { model: name.map(str::to_owned), offline: args.offline })
}

/// What was made, and after which step.
pub fn made(folder: &Path, outcome: &Outcome) -> String {
    let name = terminal::one_line(&folder.display().to_string());
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
pub mod tests {
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

    /// Figures around an F1.
    pub fn figures(f1: f64) -> Figures {
        let (exact, best) = (Some(f1 - 1.0), Some(f1 + 1.0));
        let threshold = Some(-1.5);
        Figures::of(&[("exact", exact), ("f1", Some(f1)), ("best_f1", best), ("best_f1_thresh", threshold)])
    }
}

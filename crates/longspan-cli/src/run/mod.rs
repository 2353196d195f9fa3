//! What the commands that train share.
//!
//! ```text
//! folder        the folder of a run, and the recipe in it by which the run resumes
//! watch         the progress of a run on the terminal, and its records:
//! metrics       as JSON, a line a step
//! tensorboard   as event files of TensorBoard
//! plot          as a picture
//! ```

pub mod folder;

pub mod metrics;
pub mod plot;
mod tensorboard;
pub mod watch;

use std::fmt::Write;
use std::path::Path;

use longspan::train::{RunEnd, RunOutcome};

use crate::terminal::{self, counted, thousands};

/// Reports the model, and the step that it comes from.
pub fn made(folder: &Path, outcome: &RunOutcome) -> String {
    let name = terminal::one_line(&folder.display().to_string());
    let steps = counted(outcome.steps, "step");
    let early = if outcome.end == RunEnd::Patience { ", stopped because evaluations no longer improved" } else { "" };
    let mut shown = format!("{name}: the model after {steps}{early}\n");
    if let Some(best) = outcome.best.as_ref().filter(|best| best.step != outcome.steps) {
        let _ = writeln!(shown, "the best weights, from step {}, were kept", thousands(best.step));
    }
    shown
}

#[cfg(test)]
pub mod tests {
    use longspan::train::{DevFigures, DevReport, StepReport};

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
    pub fn figures(f1: f64) -> DevFigures {
        let (exact, best) = (Some(f1 - 1.0), Some(f1 + 1.0));
        let threshold = Some(-1.5);
        DevFigures::of(&[("exact", exact), ("f1", Some(f1)), ("best_f1", best), ("best_f1_thresh", threshold)])
    }
}

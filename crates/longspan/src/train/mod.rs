//! Training: a checkpoint and data → a better checkpoint.
//!
//! ```text
//! settings     what a run does
//! schedule     the learning rate of a step
//! optimizer    AdamW over the flat parameters, with clipping and a moving average
//! state        what a stopped run goes on from
//! steps        the loop, over anything that learns
//! folder       where a run writes: checked first, and the checkpoint in it
//! examples     SQuAD data → inputs with the answers that they teach, in steps of a token budget
//! loss         logits and gold spans → loss and its gradient
//! run          of a model for question answering, on data, into a folder
//! ```
//!
//! Everything random is a function of the seed and a place (epoch, step, input, layer, token): a run that was stopped and
//! resumed is the run that never stopped.

mod settings;

mod optimizer;
mod schedule;
pub(crate) mod state;
pub(crate) mod steps;

pub(crate) mod folder;

mod examples;
pub mod loss;
mod run;

pub use optimizer::{Optimizer, Stride};
pub use run::{Job, Teaching, flop, run};
pub use settings::{DataSettings, OptimizerSettings, Schedule, Settings, Trained};
pub use state::Best;
pub use steps::{End, Outcome};

/// A step, after it.
#[derive(Debug, Clone, PartialEq)]
pub struct StepReport {
    /// Which one, from 1.
    pub step: usize,
    /// Steps of the run.
    pub steps: usize,
    /// Epochs done: 1.5 in the middle of the second.
    pub epoch: f64,
    /// Mean loss, of its inputs or of their masked tokens; NaN where it had none.
    pub loss: f64,
    /// Learning rate of the last layer.
    pub learning_rate: f64,
    /// Norm of the gradient of all parameters, before it was clipped.
    pub gradient_norm: f64,
    /// Tokens of its inputs.
    pub tokens: usize,
    /// Inputs.
    pub sequences: usize,
    /// Time that it took, in seconds.
    pub seconds: f64,
    /// Floating-point operations of its products, recomputation left out.
    pub flop: f64,
}

/// An evaluation on the way.
#[derive(Debug, Clone, PartialEq)]
pub struct DevReport {
    /// Steps before it.
    pub step: usize,
    /// What was measured.
    pub figures: Figures,
    /// Whether it is the best so far: its weights are kept.
    pub is_best: bool,
    /// Time that it took, in seconds.
    pub seconds: f64,
}

/// What was measured, by name.
///
/// Of question answering `exact`, `f1`, `has_answer_f1` and `no_answer_f1` where there are such questions, in percent at the
/// threshold 0; and `best_f1` with its `best_f1_thresh`, over all thresholds. Of masked language modelling `bits`, a masked
/// token, and `bits_per_character`.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Figures(pub Vec<(String, f64)>);

impl Figures {
    /// Those of a list, but for what is not there.
    pub fn of(figures: &[(&str, Option<f64>)]) -> Self {
        let there = figures.iter().filter_map(|(name, value)| Some(((*name).to_string(), (*value)?)));
        Self(there.collect())
    }

    /// One of them.
    pub fn get(&self, name: &str) -> Option<f64> {
        self.0.iter().find(|(own, _)| own == name).map(|(_, value)| *value)
    }
}

/// What a run tells of while it goes.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// A step was done.
    Step(StepReport),
    /// The weights were evaluated.
    Dev(DevReport),
    /// Everything was written that the run can go on from.
    Saved {
        /// Steps before it.
        step: usize,
    },
}

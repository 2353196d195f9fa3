//! Training: a checkpoint and data → a better checkpoint.
//!
//! ```text
//! settings     what a run does
//! examples     SQuAD data → inputs with the answers that they teach, in steps of a token budget
//! loss         logits and gold spans → loss and its gradient
//! schedule     the learning rate of a step
//! optimizer    AdamW over the flat parameters, with clipping and a moving average
//! state        what a stopped run goes on from
//! steps        the loop, over anything that learns
//! run          of a model, on data, into a folder
//! ```
//!
//! Everything random is a function of the seed and a place (epoch, step, input, layer, token): a run that was stopped and
//! resumed is the run that never stopped.

mod settings;

mod examples;
pub mod loss;
mod optimizer;
mod run;
mod schedule;
mod state;
mod steps;

pub use optimizer::{Optimizer, Stride};
pub use run::{Job, flop, run};
pub use settings::{DataSettings, OptimizerSettings, Schedule, Settings};
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
    /// Mean loss of its inputs.
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
    /// Official figures at the threshold 0, in percent.
    pub exact: f64,
    /// F1 at the threshold 0, in percent.
    pub f1: f64,
    /// F1 of questions with an answer, where there are any.
    pub has_answer_f1: Option<f64>,
    /// F1 of questions without one, where there are any.
    pub no_answer_f1: Option<f64>,
    /// The best F1 over all thresholds, and the threshold.
    pub best_f1: f64,
    /// See `best_f1`.
    pub best_f1_thresh: f64,
    /// Whether it is the best so far: its weights are kept.
    pub is_best: bool,
    /// Time that it took, in seconds.
    pub seconds: f64,
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

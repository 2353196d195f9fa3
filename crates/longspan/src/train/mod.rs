//! Training: a checkpoint and data → a better checkpoint.
//!
//! ```text
//! settings_table  how settings are declared: a struct with its table of keys, ranges, defaults and help
//! settings        the settings of a run
//! schedule        the learning rate of a step
//! optimizer       AdamW over the flat parameters, with clipping and a moving average
//! state           what an interrupted run continues from
//! steps           the loop, for any learner
//! folder          the checkpoint that a run starts from, and the folder that it writes
//! examples        SQuAD data → inputs with their answers, in steps of a token budget
//! loss            logits and gold spans → loss and its gradient
//! run             training for question answering
//! ```
//!
//! Everything random is a function of the seed and a place (epoch, step, input, layer, token): a run that was interrupted
//! and resumed gives the same weights as one that never was.

pub mod settings_table;

mod settings;

mod optimizer;
mod schedule;
pub(crate) mod state;
pub(crate) mod steps;

pub(crate) mod folder;

mod examples;
pub mod loss;
mod run;

pub use optimizer::{Optimizer, StepScale};
pub use run::{QaJob, QaTeacher, check_base, check_teacher, flop, run};
pub use settings::{QaSettings, Schedule, TrainOnly, TrainSettings};
pub use settings_table::{Setting, SettingValue, SettingsTable};
pub use state::{BestEvaluation, has_state};
pub use steps::{RunEnd, RunOutcome};

/// A step that was done.
#[derive(Debug, Clone, PartialEq)]
pub struct StepReport {
    /// Its number, from 1.
    pub step: usize,
    /// Number of steps of the run.
    pub steps: usize,
    /// Epochs done: 1.5 in the middle of the second.
    pub epoch: f64,
    /// Mean loss of its inputs or its masked tokens; NaN if it had none.
    pub loss: f64,
    /// Learning rate of the last layer.
    pub learning_rate: f64,
    /// Norm of the gradient of all parameters, before clipping.
    pub gradient_norm: f64,
    /// Tokens of its inputs.
    pub tokens: usize,
    /// Number of its inputs.
    pub sequences: usize,
    /// Duration in seconds.
    pub seconds: f64,
    /// Floating-point operations of its products, without recomputation.
    pub flop: f64,
}

/// An evaluation during a run.
#[derive(Debug, Clone, PartialEq)]
pub struct DevReport {
    /// Number of steps before it.
    pub step: usize,
    /// The measurements.
    pub figures: DevFigures,
    /// Whether it is the best so far, so that its weights are kept.
    pub is_best: bool,
    /// Duration in seconds.
    pub seconds: f64,
}

/// The measurements of an evaluation, by name.
///
/// For question answering `exact`, `f1`, `has_answer_f1` and `no_answer_f1` in percent at the threshold 0, the last two if
/// there are such questions; and `best_f1` with its `best_f1_thresh`, over all thresholds. For masked language modelling
/// `bits` per masked token, and `bits_per_character`.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct DevFigures(pub Vec<(String, f64)>);

impl DevFigures {
    /// The measurements that have a value.
    pub fn of(figures: &[(&str, Option<f64>)]) -> Self {
        let present = figures.iter().filter_map(|(name, value)| Some(((*name).to_string(), (*value)?)));
        Self(present.collect())
    }

    /// One of them.
    pub fn get(&self, name: &str) -> Option<f64> {
        self.0.iter().find(|(own, _)| own == name).map(|(_, value)| *value)
    }
}

/// Something that happened in a run.
#[derive(Debug, Clone, PartialEq)]
pub enum RunEvent {
    /// A step was done.
    Step(StepReport),
    /// The weights were evaluated.
    Dev(DevReport),
    /// The state was saved, from which the run can be resumed.
    Saved {
        /// Number of steps before it.
        step: usize,
    },
}

//! The settings that `longspan train` and `longspan pretrain` have beside those of the library.

use std::path::PathBuf;

use longspan::pretrain::MlmSettings;
use longspan::squad::AnswerOffsets;
use longspan::train::settings_table::{self, ABOVE_ZERO, Domain, STEPS};
use longspan::train::{QaSettings, Schedule, TrainSettings};

use super::{AllSettings, CommandSettings, Recipe};

/// The recipe of `longspan train`.
pub type TrainRecipe = Recipe<TrainCommand>;
/// The recipe of `longspan pretrain`.
pub type PretrainRecipe = Recipe<PretrainCommand>;

settings_table::declare! {
    /// The model and the data of `longspan train`, which the program opens; what they are used for stands in `QaSettings`.
    pub struct TrainCommand;
    _ {
        /// Model to start from: a folder, or ORG/NAME@REVISION on the hub.
        model: Option<String> = None, Domain::Model, "the embedded model";
        /// Data to learn from: SQuAD v1.1 or v2.0, plain or gzip.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        train: Vec<PathBuf> = Vec::new(), Domain::Paths;
        /// Data to evaluate on: the best weights are kept.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        dev: Vec<PathBuf> = Vec::new(), Domain::Paths;
        /// Skip and count malformed parts of the data.
        skip_bad: bool = false, Domain::Flag;
        /// What answer_start counts in the data: characters, UTF-16 units, bytes, or nothing (search: take the nearest place).
        offsets: AnswerOffsets = AnswerOffsets::Characters, Domain::OneOf(&["characters", "utf16", "bytes", "search"]);
        /// Larger model to learn from too: a folder, or ORG/NAME@REVISION on the hub.
        teacher: Option<String> = None, Domain::Model;
        /// Saved answers to learn from too: files of `longspan eval --save-teacher-answers`; several are averaged.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        teacher_answers: Vec<PathBuf> = Vec::new(), Domain::Paths;
    }
}

settings_table::declare! {
    /// The model and the texts of `longspan pretrain`, which the program opens, and the training of a new head; the other
    /// settings of the task stand in `MlmSettings`.
    pub struct PretrainCommand;
    _ {
        /// Model to start from: a folder, or ORG/NAME@REVISION on the hub.
        model: Option<String> = None, Domain::Model, "the embedded model";
        /// Texts to learn from: files or folders of them; plain or gzip, one document each, or JSONL, one a line.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        text: Vec<PathBuf> = Vec::new(), Domain::Paths;
        /// Texts to evaluate on, in the same forms: the best weights are kept.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        valid: Vec<PathBuf> = Vec::new(), Domain::Paths;
        /// Key of the text in a line of JSONL.
        text_field: String = "text".into(), Domain::Text;
    }
    "Optimizer" {
        /// Steps for which a head that the model lacks is trained alone first; 0: train it with the rest.
        head_steps: usize = 300, STEPS;
        /// Highest learning rate of these steps.
        head_learning_rate: f64 = 1e-3, ABOVE_ZERO;
    }
}

impl CommandSettings for TrainCommand {
    type Task = QaSettings;
    type Other = PretrainCommand;

    const DEV: &'static str = "--dev";

    fn has_dev(&self) -> bool {
        !self.dev.is_empty()
    }
}

impl CommandSettings for PretrainCommand {
    type Task = MlmSettings;
    type Other = TrainCommand;

    const DEV: &'static str = "--valid";

    fn has_dev(&self) -> bool {
        !self.valid.is_empty()
    }
}

impl AllSettings<PretrainCommand> {
    /// The settings with which a new head is trained alone, in a model with this many layers; `None` if it is not.
    pub fn of_head(&self, layers: usize) -> Option<TrainSettings> {
        let settings = TrainSettings {
            steps: self.command.head_steps,
            frozen_layers: layers,
            train_only: None,
            learning_rate: self.command.head_learning_rate,
            schedule: Schedule::Linear,
            power: None,
            dropout: 0.0,
            dev_every: 0,
            patience: 0,
            ..self.train.clone()
        };
        (settings.steps > 0).then_some(settings)
    }
}

#[cfg(test)]
mod tests;

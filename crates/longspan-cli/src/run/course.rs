//! What every run of training is told, whatever it learns: options of the command line, and keys of a recipe.

use anyhow::Result;
use clap::{Args, ValueEnum, ValueHint};
use longspan::model::Precision as Numbers;
use longspan::train::{OptimizerSettings, Schedule as Fall, Settings, Trained};
use serde::{Deserialize, Serialize};

use super::options::{INPUTS, OPTIMIZER, OPTIONS_HINT, WATCHED, option};
use crate::cli::{count, count_or_zero, number};
use crate::terminal::hints::fault;

/// Without --max-tokens inputs are no longer than this, even where the model has more positions.
const TOKENS_MAX: usize = 4096;

/// The part of a recipe that all recipes have; each field that was not said is `None`.
#[derive(Debug, Clone, Default, PartialEq, Args, Serialize, Deserialize)]
#[serde(default)]
pub struct Course {
    /// The model to begin with: a folder, or ORG/NAME@REVISION on the hub [default: the one in the program]
    #[arg(short, long, value_name = "BASE", value_hint = ValueHint::DirPath)]
    pub model: Option<String>,
    /// Passes over the data; 0.5 is half of them [default: 2]
    #[arg(long, value_name = "X", value_parser = number, allow_negative_numbers = true)]
    pub epochs: Option<f64>,
    /// Steps, whatever that makes of epochs; 0 for as many as --epochs says [default: 0]
    #[arg(long, value_name = "N", value_parser = count_or_zero, allow_negative_numbers = true)]
    pub steps: Option<usize>,
    /// All that is random follows from it [default: 1]
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    pub seed: Option<u64>,
    /// What products are computed in: bf16 where the machine has instructions for it, else f32 [default: auto]
    #[arg(long, value_name = "auto|f32|bf16", hide_possible_values = true)]
    pub precision: Option<Precision>,
    /// Keep only the inputs of layers and compute the rest again on the way back: slower, less memory
    #[arg(long, value_name = "true|false", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub recompute: Option<bool>,

    /// Tokens of an input at most; longer texts are cut [default: the model's positions, at most 4096]
    #[arg(long, value_name = "N", value_parser = count, allow_negative_numbers = true, help_heading = INPUTS)]
    pub max_tokens: Option<usize>,
    /// Tokens of the inputs of a step, about [default: 8192]
    #[arg(long, value_name = "N", value_parser = count, allow_negative_numbers = true, help_heading = INPUTS)]
    pub batch_tokens: Option<usize>,
    /// Tokens that go through the model at once, but for a longer input: memory follows from it [default: 8192]
    #[arg(long, value_name = "N", value_parser = count, allow_negative_numbers = true, help_heading = INPUTS)]
    pub pass_tokens: Option<usize>,

    /// The highest learning rate [default: 0.00005]
    #[arg(long, value_name = "X", value_parser = number, allow_negative_numbers = true, help_heading = OPTIMIZER)]
    pub learning_rate: Option<f64>,
    /// How it falls after the warm-up: linear, cosine, polynomial, or constant: not at all [default: linear]
    #[arg(long, value_name = "WHICH", hide_possible_values = true, help_heading = OPTIMIZER)]
    pub schedule: Option<Schedule>,
    /// Power of the schedule `polynomial`: the rate is (1 − progress) to this power
    #[arg(long, value_name = "X", value_parser = number, allow_negative_numbers = true, help_heading = OPTIMIZER)]
    pub power: Option<f64>,
    /// Share of the steps in which the learning rate rises, 0 to 1 [default: 0.1]
    #[arg(long, value_name = "P", value_parser = number, allow_negative_numbers = true, help_heading = OPTIMIZER)]
    pub warmup: Option<f64>,
    /// The learning rate of a layer is that of the layer above times this [default: 1]
    #[arg(long, value_name = "X", value_parser = number, allow_negative_numbers = true, help_heading = OPTIMIZER)]
    pub layer_decay: Option<f64>,
    /// Lowest layers that are not trained, and the embeddings with them [default: 0]
    #[arg(long, value_name = "N", value_parser = count_or_zero, allow_negative_numbers = true, help_heading = OPTIMIZER)]
    pub frozen_layers: Option<usize>,
    /// Train the table of positions alone: `positions`
    #[arg(long, value_name = "WHICH", hide_possible_values = true, help_heading = OPTIMIZER)]
    pub train_only: Option<TrainOnly>,
    /// Share of the hidden numbers that are dropped, below 1 [default: 0.1]
    #[arg(long, value_name = "P", value_parser = number, allow_negative_numbers = true, help_heading = OPTIMIZER)]
    pub dropout: Option<f64>,
    /// Decay of weights, times the learning rate; none of biases and norms [default: 0.01]
    #[arg(long, value_name = "X", value_parser = number, allow_negative_numbers = true, help_heading = OPTIMIZER)]
    pub weight_decay: Option<f64>,
    /// The largest norm of the gradient, 0 for any [default: 1]
    #[arg(long, value_name = "X", value_parser = number, allow_negative_numbers = true, help_heading = OPTIMIZER)]
    pub clip_norm: Option<f64>,
    /// Decay of a moving average of the weights, which is then what is evaluated and kept; 0: none [default: 0]
    #[arg(long, value_name = "X", value_parser = number, allow_negative_numbers = true, help_heading = OPTIMIZER)]
    pub average_decay: Option<f64>,
    /// AdamW's decay of the mean of gradients [default: 0.9]
    #[arg(long, value_name = "X", value_parser = number, allow_negative_numbers = true, help_heading = OPTIMIZER)]
    pub beta1: Option<f64>,
    /// AdamW's decay of the mean of their squares [default: 0.999]
    #[arg(long, value_name = "X", value_parser = number, allow_negative_numbers = true, help_heading = OPTIMIZER)]
    pub beta2: Option<f64>,
    /// AdamW's addition to the root of that [default: 0.00000001]
    #[arg(long, value_name = "X", value_parser = number, allow_negative_numbers = true, help_heading = OPTIMIZER)]
    pub eps: Option<f64>,

    /// Steps between evaluations; 0 for one at the end [default: 0]
    #[arg(long, value_name = "N", value_parser = count_or_zero, allow_negative_numbers = true, help_heading = WATCHED)]
    pub dev_every: Option<usize>,
    /// Evaluations without a better one before the run stops; 0 for never [default: 0]
    #[arg(long, value_name = "N", value_parser = count_or_zero, allow_negative_numbers = true, help_heading = WATCHED)]
    pub patience: Option<usize>,
    /// Steps between savings of what --resume goes on from; 0 for at evaluations and at the end [default: 500]
    #[arg(long, value_name = "N", value_parser = count_or_zero, allow_negative_numbers = true, help_heading = WATCHED)]
    pub save_every: Option<usize>,
}

/// Numbers that training computes with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    /// bf16 where the machine has instructions for it, else f32.
    Auto,
    /// Single precision.
    F32,
    /// Numbers of 8 significant bits, added in single precision.
    Bf16,
}

/// A part of a model that may be trained alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TrainOnly {
    /// The table of positions.
    Positions,
}

/// How the learning rate falls.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Schedule {
    /// In a straight line.
    Linear,
    /// As half a cosine.
    Cosine,
    /// Not at all.
    Constant,
    /// As a power of what is left.
    Polynomial,
}

impl Course {
    /// What the library is told.
    ///
    /// - `tokens_max`: positions of the model
    /// - `judge`: the option that names what weights are judged by, where it was said
    ///
    /// # Errors
    /// When values do not go together, with each other or with the model.
    pub fn settings(&self, tokens_max: usize, judge: Judge) -> Result<Settings> {
        let default = Settings::default();
        self.check_together(tokens_max, judge)?;
        Ok(Settings {
            precision: self.numbers()?,
            seed: self.seed.unwrap_or(default.seed),
            epochs: self.epochs.unwrap_or(default.epochs),
            steps: self.steps.unwrap_or(default.steps),
            batch_tokens: self.batch_tokens.unwrap_or(default.batch_tokens),
            pass_tokens: self.pass_tokens.unwrap_or(default.pass_tokens),
            dropout: self.dropout.unwrap_or(default.dropout),
            trained: match (self.train_only, self.frozen_layers) {
                (Some(TrainOnly::Positions), _) => Trained::Positions,
                (None, Some(layers)) if layers > 0 => Trained::Above(layers),
                _ => Trained::All,
            },
            recompute: self.recompute.unwrap_or(default.recompute),
            dev_every: self.dev_every.unwrap_or(default.dev_every),
            patience: self.patience.unwrap_or(default.patience),
            save_every: self.save_every.unwrap_or(default.save_every),
            optimizer: self.optimizer(default.optimizer),
        })
    }

    /// Tokens of an input at most.
    pub fn input_tokens(&self, tokens_max: usize) -> usize {
        self.max_tokens.unwrap_or(tokens_max.min(TOKENS_MAX))
    }

    fn optimizer(&self, default: OptimizerSettings) -> OptimizerSettings {
        OptimizerSettings {
            learning_rate: self.learning_rate.unwrap_or(default.learning_rate),
            schedule: match (self.schedule, self.power) {
                (None, _) => default.schedule,
                (Some(Schedule::Constant), _) => Fall::Constant,
                (Some(Schedule::Cosine), _) => Fall::Cosine,
                (Some(Schedule::Linear | Schedule::Polynomial), power) => Fall::Polynomial(power.unwrap_or(1.0)),
            },
            warmup: self.warmup.unwrap_or(default.warmup),
            weight_decay: self.weight_decay.unwrap_or(default.weight_decay),
            beta1: self.beta1.unwrap_or(default.beta1),
            beta2: self.beta2.unwrap_or(default.beta2),
            eps: self.eps.unwrap_or(default.eps),
            clip_norm: self.clip_norm.unwrap_or(default.clip_norm),
            layer_decay: self.layer_decay.unwrap_or(default.layer_decay),
            average_decay: self.average_decay.unwrap_or(default.average_decay),
        }
    }

    /// What products are computed in on this machine.
    ///
    /// # Errors
    /// When `LONGSPAN_ISA` names an instruction set that this machine lacks.
    pub fn numbers(&self) -> longspan::Result<Numbers> {
        match self.precision.unwrap_or(Precision::Auto) {
            Precision::Auto => longspan::best_precision(),
            Precision::F32 => Ok(Numbers::F32),
            Precision::Bf16 => Ok(Numbers::Bf16),
        }
    }

    /// Checks what is about several values.
    fn check_together(&self, tokens_max: usize, Judge { option: judge, is_there }: Judge) -> Result<()> {
        let some = |number: Option<usize>| number.filter(|&number| number > 0);
        let without_judge = |key: &str, number: usize| format!("{} {number}: needs {judge}", option(key));
        let wrong = match self {
            Course { schedule: Some(Schedule::Polynomial), power: None, .. } => {
                Some("--schedule polynomial: needs --power, such as 3".into())
            }
            Course { schedule, power: Some(power), .. } if *schedule != Some(Schedule::Polynomial) => {
                Some(format!("--power {power}: needs --schedule polynomial"))
            }
            Course { max_tokens: Some(tokens), .. } if *tokens > tokens_max => {
                Some(format!("--max-tokens {tokens}: the model has positions for {tokens_max} tokens"))
            }
            Course { train_only: Some(_), frozen_layers: Some(layers), .. } if *layers > 0 => {
                Some(format!("--frozen-layers {layers}: --train-only says already what is trained"))
            }
            Course { dev_every, patience, .. } => match (some(*dev_every), some(*patience)) {
                (Some(every), _) if !is_there => Some(without_judge("dev_every", every)),
                (_, Some(patience)) if !is_there => Some(without_judge("patience", patience)),
                (None, Some(patience)) => Some(format!(
                    "--patience {patience}: needs --dev-every, for without it there is one evaluation, at the end"
                )),
                _ => None,
            },
        };
        wrong.map_or(Ok(()), |message: String| Err(fault(message, OPTIONS_HINT)))
    }

    /// The same with every value that the settings have: read back, it gives the same run.
    pub fn complete(&self, settings: &Settings, tokens_max: usize) -> Course {
        let Settings { optimizer, .. } = settings;
        let (schedule, power) = match optimizer.schedule {
            Fall::Constant => (Schedule::Constant, None),
            Fall::Cosine => (Schedule::Cosine, None),
            Fall::Polynomial(power) if self.schedule == Some(Schedule::Polynomial) => {
                (Schedule::Polynomial, Some(power))
            }
            Fall::Polynomial(_) => (Schedule::Linear, None),
        };
        Course {
            model: self.model.clone(),
            epochs: Some(settings.epochs),
            steps: Some(settings.steps),
            seed: Some(settings.seed),
            precision: Some(if settings.precision == Numbers::F32 { Precision::F32 } else { Precision::Bf16 }),
            recompute: Some(settings.recompute),
            max_tokens: Some(self.input_tokens(tokens_max)),
            batch_tokens: Some(settings.batch_tokens),
            pass_tokens: Some(settings.pass_tokens),
            learning_rate: Some(optimizer.learning_rate),
            schedule: Some(schedule),
            power,
            warmup: Some(optimizer.warmup),
            layer_decay: Some(optimizer.layer_decay),
            frozen_layers: Some(settings.trained.frozen_layers()),
            train_only: (settings.trained == Trained::Positions).then_some(TrainOnly::Positions),
            dropout: Some(settings.dropout),
            weight_decay: Some(optimizer.weight_decay),
            clip_norm: Some(optimizer.clip_norm),
            average_decay: Some(optimizer.average_decay),
            beta1: Some(optimizer.beta1),
            beta2: Some(optimizer.beta2),
            eps: Some(optimizer.eps),
            dev_every: Some(settings.dev_every),
            patience: Some(settings.patience),
            save_every: Some(settings.save_every),
        }
    }
}

/// What weights are judged by.
#[derive(Debug, Clone, Copy)]
pub struct Judge {
    /// The option that names it.
    pub option: &'static str,
    /// Whether it was said.
    pub is_there: bool,
}

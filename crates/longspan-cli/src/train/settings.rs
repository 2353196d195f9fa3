//! Recipes → the settings of the library, every value checked; and back, complete, for the recipe that a run leaves
//! behind.

use anyhow::Result;
use longspan::model::Precision as Numbers;
use longspan::train::{DataSettings, OptimizerSettings, Schedule as Fall, Settings};
use toml::{Table, Value};

use super::recipe::{Precision, Recipe, Schedule, Tokens, option};
use crate::hints::fault;

/// Hint to options that are out of their range.
pub const OPTIONS_HINT: &str = "`longspan train --help` explains the options";

/// Without --max-tokens inputs are no longer than this, even where the model has more positions.
const TOKENS_MAX: usize = 4096;

/// What values a key may have.
struct Range {
    keys: &'static [&'static str],
    /// In words, behind 'expected'.
    expected: &'static str,
    holds: fn(f64) -> bool,
}

/// Every key whose value is not any text, file or number.
const RANGES: [Range; 12] = [
    Range { keys: &["epochs", "learning_rate", "eps", "power"], expected: "a number above 0", holds: |x| x > 0.0 },
    Range { keys: &["weight_decay", "clip_norm"], expected: "a number from 0 on", holds: |x| x >= 0.0 },
    Range {
        keys: &["teacher_weight", "warmup", "long_share", "random_positions", "negative_windows"],
        expected: "a share from 0 to 1",
        holds: |x| (0.0..=1.0).contains(&x),
    },
    Range {
        keys: &["dropout", "average_decay", "beta1", "beta2"],
        expected: "a number from 0 on, below 1",
        holds: |x| (0.0..1.0).contains(&x),
    },
    Range { keys: &["layer_decay"], expected: "a number above 0, at most 1", holds: |x| x > 0.0 && x <= 1.0 },
    Range {
        keys: &["max_tokens", "batch_tokens", "pass_tokens"],
        expected: "a whole number from 1 on",
        holds: |x| x >= 1.0,
    },
    Range {
        keys: &["doc_stride", "frozen_layers", "dev_every", "patience", "save_every", "seed"],
        expected: "a whole number from 0 on",
        holds: |x| x >= 0.0,
    },
    Range { keys: &["context_tokens"], expected: "a range such as 512..4096, or one number, as text", holds: |_| true },
    Range { keys: &["recompute", "skip_bad"], expected: "true or false", holds: |_| true },
    Range { keys: &["precision"], expected: "`auto`, `f32` or `bf16`", holds: |_| true },
    Range { keys: &["schedule"], expected: "`linear`, `cosine`, `constant` or `polynomial`", holds: |_| true },
    Range { keys: &["train", "dev"], expected: "a list of files", holds: |_| true },
];

/// What a key may say, in words.
pub fn expected(key: &str) -> &'static str {
    RANGES.iter().find(|range| range.keys.contains(&key)).map_or("text", |range| range.expected)
}

/// The first key whose value is out of its range, and what is wrong with it.
pub fn check(table: &Table) -> Option<(&str, String)> {
    table.iter().find_map(|(key, value)| {
        let number = match value {
            Value::Float(number) => *number,
            Value::Integer(number) => *number as f64,
            _ => return None,
        };
        let range = RANGES.iter().find(|range| range.keys.contains(&key.as_str()))?;
        let wrong = !number.is_finite() || !(range.holds)(number);
        wrong.then(|| (key.as_str(), format!("{}: expected {}", shown(value), range.expected)))
    })
}

/// A value as people type it: 2, not 2.0.
pub fn shown(value: &Value) -> String {
    match value {
        Value::Float(number) => number.to_string(),
        value => value.to_string(),
    }
}

impl Recipe {
    /// What the library is told, for a model of so many positions.
    ///
    /// # Errors
    /// When values do not go together, with each other or with the model.
    pub fn settings(&self, tokens_max: usize) -> Result<Settings> {
        let default = Settings::default();
        self.check_together(tokens_max)?;
        let DataSettings { long_share, context_tokens, random_positions, negative_windows, .. } = default.data.clone();
        Ok(Settings {
            precision: self.numbers()?,
            seed: self.seed.unwrap_or(default.seed),
            epochs: self.epochs.unwrap_or(default.epochs),
            batch_tokens: self.batch_tokens.unwrap_or(default.batch_tokens),
            pass_tokens: self.pass_tokens.unwrap_or(default.pass_tokens),
            dropout: self.dropout.unwrap_or(default.dropout),
            frozen_layers: self.frozen_layers.unwrap_or(default.frozen_layers),
            recompute: self.recompute.unwrap_or(default.recompute),
            teacher_weight: self.teacher_weight.unwrap_or(default.teacher_weight),
            dev_every: self.dev_every.unwrap_or(default.dev_every),
            patience: self.patience.unwrap_or(default.patience),
            save_every: self.save_every.unwrap_or(default.save_every),
            data: DataSettings {
                max_tokens: self.max_tokens.unwrap_or(tokens_max.min(TOKENS_MAX)),
                doc_stride: self.doc_stride,
                long_share: self.long_share.unwrap_or(long_share),
                context_tokens: self.context_tokens.clone().map_or(context_tokens, |tokens| tokens.0),
                random_positions: self.random_positions.unwrap_or(random_positions),
                negative_windows: self.negative_windows.unwrap_or(negative_windows),
            },
            optimizer: self.optimizer(default.optimizer),
        })
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
    fn check_together(&self, tokens_max: usize) -> Result<()> {
        let some = |number: Option<usize>| number.filter(|&number| number > 0);
        let without_dev = |key: &str, number: usize| format!("{} {number}: needs --dev", option(key));
        let wrong = match self {
            Recipe { schedule: Some(Schedule::Polynomial), power: None, .. } => {
                Some("--schedule polynomial: needs --power, such as 3".into())
            }
            Recipe { schedule, power: Some(power), .. } if *schedule != Some(Schedule::Polynomial) => {
                Some(format!("--power {power}: needs --schedule polynomial"))
            }
            Recipe { max_tokens: Some(tokens), .. } if *tokens > tokens_max => {
                Some(format!("--max-tokens {tokens}: the model has positions for {tokens_max} tokens"))
            }
            Recipe { dev, dev_every, patience, .. } => match (some(*dev_every), some(*patience)) {
                (Some(every), _) if dev.is_empty() => Some(without_dev("dev_every", every)),
                (_, Some(patience)) if dev.is_empty() => Some(without_dev("patience", patience)),
                (None, Some(patience)) => Some(format!(
                    "--patience {patience}: needs --dev-every, for without it there is one evaluation, at the end"
                )),
                _ => None,
            },
        };
        wrong.map_or(Ok(()), |message: String| Err(fault(message, OPTIONS_HINT)))
    }

    /// The same with every value that the settings have: read back, it gives the same run.
    pub fn complete(&self, settings: &Settings) -> Recipe {
        let Settings { data, optimizer, .. } = settings;
        let (schedule, power) = match optimizer.schedule {
            Fall::Constant => (Schedule::Constant, None),
            Fall::Cosine => (Schedule::Cosine, None),
            Fall::Polynomial(1.0) => (Schedule::Linear, None),
            Fall::Polynomial(power) => (Schedule::Polynomial, Some(power)),
        };
        Recipe {
            model: self.model.clone(),
            train: self.train.clone(),
            dev: self.dev.clone(),
            skip_bad: Some(self.skip_bad.unwrap_or(false)),
            teacher: self.teacher.clone(),
            teacher_weight: Some(settings.teacher_weight),
            epochs: Some(settings.epochs),
            seed: Some(settings.seed),
            precision: Some(if settings.precision == Numbers::F32 { Precision::F32 } else { Precision::Bf16 }),
            recompute: Some(settings.recompute),
            max_tokens: Some(data.max_tokens),
            doc_stride: data.doc_stride,
            batch_tokens: Some(settings.batch_tokens),
            pass_tokens: Some(settings.pass_tokens),
            long_share: Some(data.long_share),
            context_tokens: Some(Tokens(data.context_tokens.clone())),
            random_positions: Some(data.random_positions),
            negative_windows: Some(data.negative_windows),
            learning_rate: Some(optimizer.learning_rate),
            schedule: Some(schedule),
            power,
            warmup: Some(optimizer.warmup),
            layer_decay: Some(optimizer.layer_decay),
            frozen_layers: Some(settings.frozen_layers),
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

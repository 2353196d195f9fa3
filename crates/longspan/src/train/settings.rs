//! The settings of a run.

use std::ops::RangeInclusive;

use serde::de::{Deserializer, Error as _};
use serde::{Deserialize, Serialize, Serializer};

use super::settings_table::{
    self, ABOVE_ZERO, ABOVE_ZERO_TO_ONE, BELOW_ONE, Domain, EPOCHS, FROM_ZERO, SHARE, STEPS, SettingsTable, TOKENS,
    TOKENS_MAX,
};
use crate::config::Config;
use crate::model::{Precision, best_precision};
use crate::{Error, Result};

settings_table::declare! {
    /// The settings of `longspan train` and `longspan pretrain` alike.
    pub struct TrainSettings;
    _ {
        /// How many times the data are used; 0.5 uses half of them.
        epochs: f64 = 2.0, EPOCHS;
        /// Number of steps, in place of `epochs`; 0: as many as `epochs` gives.
        steps: usize = 0, STEPS;
        /// Seed of everything random.
        seed: u64 = 1, Domain::Whole(0, u64::MAX);
        /// Number format of matrix products; `auto`: bf16 where the machine has instructions for it, else f32.
        #[serde(with = "precision_name")]
        precision: Precision = Precision::Bf16, Domain::OneOf(&["auto", "f32", "bf16"]), "auto";
        /// Keep only the inputs of layers and recompute the rest in the backward pass: slower, less memory.
        recompute: bool = false, Domain::Flag;
    }
    "Inputs" {
        /// Tokens of a step, approximately.
        batch_tokens: usize = 8192, TOKENS;
        /// Most tokens in one forward and backward pass, except for a longer input; determines the memory.
        pass_tokens: usize = 8192, TOKENS;
    }
    "Optimizer" {
        /// Highest learning rate.
        learning_rate: f64 = 5e-5, ABOVE_ZERO;
        /// How the learning rate falls after the warm-up: linear, cosine, polynomial, or constant for not at all.
        schedule: Schedule = Schedule::Linear, Domain::OneOf(&["linear", "cosine", "constant", "polynomial"]);
        /// Power of the polynomial schedule: the learning rate falls with (1 − progress) to this power.
        power: Option<f64> = None, ABOVE_ZERO;
        /// Share of the steps in which the learning rate rises, 0 to 1.
        warmup: f64 = 0.1, SHARE;
        /// Learning rate of a layer, as a multiple of the layer above; the embeddings are below the first layer.
        layer_decay: f64 = 1.0, ABOVE_ZERO_TO_ONE;
        /// Freeze this many of the lowest layers, and if there are any, the embeddings.
        frozen_layers: usize = 0, Domain::Whole(0, 1 << 12);
        /// Train only a part of the model: positions, the table of position embeddings.
        train_only: Option<TrainOnly> = None, Domain::OneOf(&["positions"]);
        /// Dropout after the embeddings, attention and feed-forward layers, below 1.
        dropout: f64 = 0.1, BELOW_ONE;
        /// Weight decay per step, multiplied by the learning rate; not applied to biases and norms.
        weight_decay: f64 = 0.01, FROM_ZERO;
        /// Clip the gradient to this norm; 0: do not clip.
        clip_norm: f64 = 1.0, FROM_ZERO;
        /// Decay of a moving average of the weights, which is evaluated and kept in their place; 0: no average.
        average_decay: f64 = 0.0, BELOW_ONE;
        /// Decay of AdamW's mean of gradients.
        beta1: f64 = 0.9, BELOW_ONE;
        /// Decay of AdamW's mean of squared gradients.
        beta2: f64 = 0.999, BELOW_ONE;
        /// Number that AdamW adds to the root of that mean.
        eps: f64 = 1e-8, ABOVE_ZERO;
    }
    "Evaluation and saving" {
        /// Steps between evaluations; 0: evaluate once, at the end.
        dev_every: usize = 0, STEPS;
        /// Stop after this many evaluations without improvement; 0: never.
        patience: usize = 0, STEPS;
        /// Steps between saved states; 0: save at evaluations and at the end.
        save_every: usize = 500, STEPS;
    }
}

settings_table::declare! {
    /// The settings of `longspan train` alone: its inputs, and how it learns from a teacher.
    pub struct QaSettings;
    _ {
        /// Weight of the teacher's answers; those of the data have the rest to 1.
        teacher_weight: f64 = 0.5, SHARE;
        /// Temperature of the teacher's answers: their probabilities are raised to 1/X; above 1 makes them more even.
        teacher_temperature: f64 = 1.0, ABOVE_ZERO;
    }
    "Inputs" {
        /// Most tokens of an input; longer documents are cut into windows.
        max_tokens: usize = 4096, TOKENS, "the model's positions, at most 4096";
        /// Tokens that neighbouring windows share.
        doc_stride: Option<usize> = None, Domain::Whole(0, TOKENS_MAX), "as `longspan ask` chooses it";
        /// Share of the tokens in long documents, each a paragraph in context: among its neighbours, 0 to 1.
        long_share: f64 = 0.0, SHARE;
        /// Length of these documents in tokens.
        #[serde(with = "token_range")]
        context_tokens: RangeInclusive<usize> = 512..=4096, Domain::TokenRange;
        /// Share of the inputs whose document is shifted to random positions, 0 to 1.
        random_positions: f64 = 0.0, SHARE;
        /// Share of the windows without an answer to keep, of documents with several windows, 0 to 1.
        negative_windows: f64 = 1.0, SHARE;
    }
}

/// How the learning rate falls after the warm-up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Schedule {
    /// In a straight line.
    Linear,
    /// As half a cosine.
    Cosine,
    /// Not at all.
    Constant,
    /// As (1 − progress) to the power [`TrainSettings::power`].
    Polynomial,
}

/// A part of a model that can be trained alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TrainOnly {
    /// The table of position embeddings.
    Positions,
}

impl TrainSettings {
    /// The power with which the learning rate of a linear or polynomial schedule falls.
    pub(super) fn decay_power(&self) -> f64 {
        self.power.unwrap_or(1.0)
    }

    /// Checks the values, each alone and together, before any work is done.
    ///
    /// # Errors
    /// [`Error::Option`].
    pub fn check(&self, config: &Config) -> Result<()> {
        self.check_ranges()?;
        let Self { precision, schedule, power, eps, dropout, frozen_layers, train_only, .. } = *self;
        let layers = config.num_hidden_layers;
        // Both are used in single precision.
        for (key, value, holds) in [("eps", eps, eps as f32 > 0.0), ("dropout", dropout, (dropout as f32) < 1.0)] {
            if !holds {
                return Err(Error::option(key, format!("{value}: too near to its limit")));
            }
        }
        let (key, message) = match (schedule, power) {
            (Schedule::Polynomial, None) => ("schedule", "polynomial: needs a power, such as 3".into()),
            (Schedule::Linear | Schedule::Cosine | Schedule::Constant, Some(power)) => {
                ("power", format!("{power}: only the polynomial schedule has a power"))
            }
            _ if frozen_layers > layers => ("frozen_layers", format!("{frozen_layers}: the model has {layers}")),
            _ if frozen_layers > 0 && config.kind.shared_layers => {
                let model_type = config.kind.model_type;
                (
                    "frozen_layers",
                    format!("{frozen_layers}: the layers of a model of type {model_type} share their weights"),
                )
            }
            _ if frozen_layers > 0 && train_only.is_some() => {
                ("frozen_layers", format!("{frozen_layers}: has no effect beside train_only"))
            }
            _ if precision == Precision::Int8 => {
                ("precision", format!("{precision}: training computes in f32 or bf16"))
            }
            _ => return Ok(()),
        };
        Err(Error::option(key, message))
    }
}

impl QaSettings {
    /// Checks the values.
    ///
    /// # Errors
    /// [`Error::Option`].
    pub fn check(&self) -> Result<()> {
        self.check_ranges()?;
        let (least, most) = (self.context_tokens.start(), self.context_tokens.end());
        if *least == 0 || least > most || *most as u64 > TOKENS_MAX {
            let expected = format!("expected numbers from 1 to {TOKENS_MAX}, the smaller first");
            return Err(Error::option("context_tokens", format!("{least}..{most}: {expected}")));
        }
        Ok(())
    }
}

/// A precision by its name; `auto` is read as the best of this machine.
mod precision_name {
    use super::*;

    pub fn serialize<S: Serializer>(precision: &Precision, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(precision)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Precision, D::Error> {
        match String::deserialize(deserializer)?.as_str() {
            "auto" => best_precision().map_err(D::Error::custom),
            "f32" => Ok(Precision::F32),
            "bf16" => Ok(Precision::Bf16),
            other => Err(D::Error::custom(format!("no precision of training: `{other}`"))),
        }
    }
}

/// A range of tokens as `A..B` with both included, or as a single number.
mod token_range {
    use super::*;

    pub fn serialize<S: Serializer>(range: &RangeInclusive<usize>, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{}..{}", range.start(), range.end()))
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<RangeInclusive<usize>, D::Error> {
        let text = String::deserialize(deserializer)?;
        let (from, to) = text.split_once("..").unwrap_or((&text, &text));
        match (from.trim().parse(), to.trim().parse()) {
            (Ok(from), Ok(to)) if 0 < from && from <= to && to as u64 <= TOKENS_MAX => Ok(from..=to),
            _ => Err(D::Error::custom(format!("no range of tokens: `{text}`"))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_of_a_table_is_checked() {
        fn rows<T: SettingsTable>()
        -> impl Iterator<Item = (settings_table::SettingValue, &'static settings_table::Setting)> {
            T::default().values().into_iter().zip(T::TABLE)
        }
        let all = rows::<TrainSettings>().chain(rows::<QaSettings>()).chain(rows::<crate::pretrain::MlmSettings>());
        for (value, row) in all {
            let is_number = matches!(row.domain, Domain::Number(..) | Domain::Whole(..)) && value.text != "None";
            assert_eq!(value.number.is_some(), is_number, "{}", row.key);
        }
    }

    #[test]
    fn settings_out_of_range_are_named() {
        let json = br#"{"model_type":"longformer","vocab_size":7,"hidden_size":4,"num_hidden_layers":2,"num_attention_heads":2,
            "intermediate_size":6,"max_position_embeddings":10,"type_vocab_size":1,"attention_window":4}"#;
        let config = Config::from_json(json).unwrap();
        let check = |change: fn(&mut TrainSettings), message: &str| {
            let mut settings = TrainSettings::default();
            change(&mut settings);
            let found = settings.check(&config).err().map(|e| e.to_string()).unwrap_or_default();
            assert_eq!(found, message);
        };
        check(|_| {}, "");
        check(|s| s.frozen_layers = 2, "");
        check(|s| s.frozen_layers = 3, "frozen_layers 3: the model has 2");
        for (epochs, shown) in [(0.0, "0"), (f64::INFINITY, "inf"), (1_000_000.5, "1000000.5")] {
            let settings = TrainSettings { epochs, ..Default::default() };
            let error = settings.check(&config).unwrap_err().to_string();
            assert_eq!(error, format!("epochs {shown}: expected a number above 0, at most 1000000"));
        }
        check(|s| s.epochs = 1e6, "");
        check(|s| s.steps = 10_000_001, "steps 10000001: expected a whole number from 0 to 10000000");
        check(|s| s.batch_tokens = 1 << 25, "batch_tokens 33554432: expected a whole number from 1 to 16777216");
        check(|s| s.pass_tokens = 0, "pass_tokens 0: expected a whole number from 1 to 16777216");
        check(
            |s| s.save_every = usize::MAX,
            &format!("save_every {}: expected a whole number from 0 to 10000000", 2.0_f64.powi(64)),
        );
        check(|s| s.seed = u64::MAX, "");
        check(|s| s.dropout = 1.0, "dropout 1: expected a number from 0 on, below 1");
        check(|s| s.dropout = 1.0 - f64::EPSILON, "dropout 0.9999999999999998: too near to its limit");
        check(|s| s.eps = 1e-60, &format!("eps {}: too near to its limit", 1e-60));
        check(|s| s.learning_rate = f64::NAN, "learning_rate NaN: expected a number above 0");
        check(|s| s.warmup = -0.1, "warmup -0.1: expected a share from 0 to 1");
        check(|s| s.layer_decay = 1.5, "layer_decay 1.5: expected a number above 0, at most 1");
        check(|s| (s.schedule, s.power) = (Schedule::Polynomial, Some(0.0)), "power 0: expected a number above 0");
        check(|s| s.precision = Precision::Int8, "precision int8: training computes in f32 or bf16");
    }

    #[test]
    fn settings_are_read_by_their_keys() {
        let read = |json: &str| serde_json::from_str::<QaSettings>(json).map_err(|error| error.to_string());
        let wanted = QaSettings { context_tokens: 8..=9, long_share: 0.5, ..Default::default() };
        assert_eq!(read(r#"{"context_tokens": "8..9", "long_share": 0.5}"#).unwrap(), wanted);
        for range in ["9..8", "0..8", "8..16777217", "1152921504606846976"] {
            let json = format!(r#"{{"context_tokens": "{range}"}}"#);
            assert!(read(&json).unwrap_err().contains(&format!("no range of tokens: `{range}`")));
        }
        assert!(read(r#"{"epochs": 1}"#).unwrap_err().contains("unknown field `epochs`"));
        let json = serde_json::to_string(&TrainSettings::default()).unwrap();
        assert_eq!(serde_json::from_str::<TrainSettings>(&json).unwrap(), TrainSettings::default());
    }
}

//! What a run does.

use std::ops::RangeInclusive;

use crate::config::Config;
use crate::model::Precision;
use crate::{Error, Result};

/// What a run does: see [`Settings::default`] for what it does unless it is told otherwise.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// What products are computed in: f32 or bf16. Weights, sums, norms, softmax and the loss are f32 always.
    pub precision: Precision,
    /// All that is random follows from it.
    pub seed: u64,
    /// Passes over the data; 0.5 is half of them.
    pub epochs: f64,
    /// Steps, whatever that makes of epochs; 0: as `epochs` says.
    pub steps: usize,
    /// Tokens of the inputs of a step, about: one step changes the weights once.
    pub batch_tokens: usize,
    /// Tokens that go through the model at once, at most, but for a longer input: memory follows from it.
    pub pass_tokens: usize,
    /// Share of hidden numbers that are dropped: after the embeddings, after attention, after the feed-forward.
    pub dropout: f64,
    /// Which weights are trained.
    pub trained: Trained,
    /// Keeps only the inputs of layers, and computes the rest again on the way back.
    pub recompute: bool,
    /// Steps between evaluations; 0: once, at the end.
    pub dev_every: usize,
    /// Evaluations without a better one before the run stops; 0: never.
    pub patience: usize,
    /// Steps between savings of what the run can go on from; 0: at evaluations and at the end.
    pub save_every: usize,
    /// How weights change.
    pub optimizer: OptimizerSettings,
}

/// Which weights are trained.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Trained {
    /// All.
    #[default]
    All,
    /// Those above so many of the lowest layers, which are 1 at least; the embeddings are not trained then.
    Above(usize),
    /// The table of positions alone.
    Positions,
}

/// How inputs are made of questions.
#[derive(Debug, Clone, PartialEq)]
pub struct DataSettings {
    /// Tokens of an input at most; longer documents are cut into windows.
    pub max_tokens: usize,
    /// Tokens that neighbouring windows share; `None` as [`ReadOptions`](crate::ReadOptions) does it.
    pub doc_stride: Option<usize>,
    /// Share of the tokens that are paragraphs among their neighbours: 0 to 1.
    pub long_share: f64,
    /// How long those are, in tokens of their document.
    pub context_tokens: RangeInclusive<usize>,
    /// Share of the inputs whose document is shifted to random positions: 0 to 1.
    pub random_positions: f64,
    /// Share of the windows without the answer that are kept, of documents of several windows: 0 to 1.
    pub negative_windows: f64,
}

/// How weights change.
#[derive(Debug, Clone, PartialEq)]
pub struct OptimizerSettings {
    /// The highest learning rate.
    pub learning_rate: f64,
    /// How it falls.
    pub schedule: Schedule,
    /// Share of the steps in which it rises.
    pub warmup: f64,
    /// Decay of weights in a step, times the learning rate; none of biases and norms.
    pub weight_decay: f64,
    /// Decay of the mean of gradients.
    pub beta1: f64,
    /// Decay of the mean of their squares.
    pub beta2: f64,
    /// Added to the root of that.
    pub eps: f64,
    /// The largest norm of the gradient of all parameters; 0: any.
    pub clip_norm: f64,
    /// The learning rate of a layer is that of the layer above times this; the embeddings stand below the first.
    pub layer_decay: f64,
    /// Decay of a moving average of the weights, which is then what is evaluated and kept; 0: none.
    pub average_decay: f64,
}

/// How the learning rate falls after the warm-up.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Schedule {
    /// Not at all.
    Constant,
    /// (1 − progress) to this power; 1 is a straight line.
    Polynomial(f64),
    /// Half a cosine.
    Cosine,
}

impl Trained {
    /// Lowest layers that are not trained. Where there are any, the embeddings are not either.
    pub fn frozen_layers(self) -> usize {
        match self {
            Trained::All | Trained::Positions => 0,
            Trained::Above(layers) => layers,
        }
    }
}

impl Settings {
    /// Says what is out of its range, before anything is done.
    ///
    /// # Errors
    /// [`Error::Option`].
    pub fn check(&self, config: &Config) -> Result<()> {
        let Self { optimizer, precision, trained, .. } = self;
        let OptimizerSettings { learning_rate, schedule, warmup, weight_decay, beta1, beta2, eps, clip_norm, .. } =
            *optimizer;
        let power = if let Schedule::Polynomial(power) = schedule { power } else { 1.0 };
        let above_zero = f64::MIN_POSITIVE..=f64::MAX;
        let below_one = 0.0..=1.0 - f64::EPSILON;
        for (name, value, range, wanted) in [
            ("epochs", self.epochs, above_zero.clone(), "more than 0"),
            ("learning_rate", learning_rate, above_zero.clone(), "more than 0"),
            ("power", power, above_zero.clone(), "more than 0"),
            ("eps", eps, above_zero.clone(), "more than 0"),
            ("layer_decay", optimizer.layer_decay, above_zero, "more than 0"),
            ("weight_decay", weight_decay, 0.0..=f64::MAX, "0 or more"),
            ("clip_norm", clip_norm, 0.0..=f64::MAX, "0 or more"),
            ("dropout", self.dropout, below_one.clone(), "0 or more, below 1"),
            ("beta1", beta1, below_one.clone(), "0 or more, below 1"),
            ("beta2", beta2, below_one.clone(), "0 or more, below 1"),
            ("average_decay", optimizer.average_decay, below_one, "0 or more, below 1"),
            ("warmup", warmup, 0.0..=1.0, "0 to 1"),
        ] {
            if !range.contains(&value) {
                return Err(Error::option(name, format!("{value}: expected {wanted}")));
            }
        }
        // They are used in single precision.
        for (name, value, is_right) in
            [("eps", eps, eps as f32 > 0.0), ("dropout", self.dropout, (self.dropout as f32) < 1.0)]
        {
            if !is_right {
                return Err(Error::option(name, format!("{value}: too near to its limit")));
            }
        }
        let (layers, frozen_layers) = (config.num_hidden_layers, trained.frozen_layers());
        if frozen_layers > layers {
            return Err(Error::option("frozen_layers", format!("{frozen_layers}: the model has {layers}")));
        }
        if *precision == Precision::Int8 {
            return Err(Error::option("precision", format!("{precision}: training computes in f32 or bf16")));
        }
        Ok(())
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            precision: Precision::Bf16,
            seed: 1,
            epochs: 2.0,
            steps: 0,
            batch_tokens: 8192,
            pass_tokens: 8192,
            dropout: 0.1,
            trained: Trained::All,
            recompute: false,
            dev_every: 0,
            patience: 0,
            save_every: 500,
            optimizer: OptimizerSettings::default(),
        }
    }
}

impl Default for DataSettings {
    fn default() -> Self {
        Self {
            max_tokens: 4096,
            doc_stride: None,
            long_share: 0.0,
            context_tokens: 512..=4096,
            random_positions: 0.0,
            negative_windows: 1.0,
        }
    }
}

impl Default for OptimizerSettings {
    fn default() -> Self {
        Self {
            learning_rate: 5e-5,
            schedule: Schedule::Polynomial(1.0),
            warmup: 0.1,
            weight_decay: 0.01,
            beta1: 0.9,
            beta2: 0.999,
            eps: 1e-8,
            clip_norm: 1.0,
            layer_decay: 1.0,
            average_decay: 0.0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_out_of_its_range_is_named() {
        let json = br#"{"model_type":"longformer","vocab_size":7,"hidden_size":4,"num_hidden_layers":2,"num_attention_heads":2,
            "intermediate_size":6,"max_position_embeddings":10,"type_vocab_size":1,"attention_window":4}"#;
        let config = Config::from_json(json).unwrap();
        let check = |change: fn(&mut Settings), message: &str| {
            let mut settings = Settings::default();
            change(&mut settings);
            let found = settings.check(&config).err().map(|e| e.to_string()).unwrap_or_default();
            assert_eq!(found, message);
        };
        check(|_| {}, "");
        check(|s| s.trained = Trained::Above(2), "");
        check(|s| s.trained = Trained::Above(3), "frozen_layers 3: the model has 2");
        check(|s| s.epochs = 0.0, "epochs 0: expected more than 0");
        check(|s| s.epochs = f64::INFINITY, "epochs inf: expected more than 0");
        check(|s| s.dropout = 1.0, "dropout 1: expected 0 or more, below 1");
        check(|s| s.optimizer.learning_rate = f64::NAN, "learning_rate NaN: expected more than 0");
        check(|s| s.optimizer.warmup = -0.1, "warmup -0.1: expected 0 to 1");
        check(|s| s.precision = Precision::Int8, "precision int8: training computes in f32 or bf16");
    }
}

//! Steps of training: forward, loss, backward, AdamW and repacking.

use std::time::Instant;

use anyhow::Result;
use longspan::config::Config;
use longspan::model::{Batch, Dropout, Masked, Parameters, Precision, Task, TrainableModel, TrainingPass};
use longspan::pretrain::head_flop;
use longspan::train::loss::{GoldSpan, question_answering};
use longspan::train::{Optimizer, StepScale, TrainSettings};

use super::timing::PassTimes;
use crate::cli::TrainingTask;

/// Masked language modelling masks one token in so many.
const MASK_EVERY: usize = 7;

/// What the steps teach.
pub enum TrainingTargets {
    /// Answers of three tokens at the end of each sequence.
    Questions(Vec<Vec<GoldSpan>>),
    /// The masked tokens.
    MaskedLm(Masked),
}

impl TrainingTargets {
    /// The targets of a batch.
    pub fn new(task: TrainingTask, batch: &Batch) -> Self {
        match task {
            TrainingTask::Questions => {
                let last = |s: usize| batch.range(s).len() - 1;
                let span = |s: usize| GoldSpan { start: last(s).saturating_sub(2), end: last(s) };
                Self::Questions((0..batch.sequences()).map(|s| vec![span(s)]).collect())
            }
            TrainingTask::MaskedLm => {
                let places: Vec<usize> = (0..batch.tokens()).step_by(MASK_EVERY).collect();
                let targets = places.iter().map(|&place| batch.id(place)).collect();
                Self::MaskedLm(Masked { places, targets })
            }
        }
    }

    /// The head that is trained.
    pub fn task(&self) -> Task {
        match self {
            Self::Questions(_) => Task::QuestionAnswering,
            Self::MaskedLm(_) => Task::MaskedLm,
        }
    }

    /// Floating-point operations of the head, where they are many.
    pub fn flop(&self, config: &Config) -> f64 {
        match self {
            Self::Questions(_) => 0.0,
            Self::MaskedLm(masked) => head_flop(config, masked.places.len(), true),
        }
    }

    /// The times of this many steps on the batch, after one that is not timed; `say` hears of each before it begins.
    pub fn steps(
        &self,
        config: &Config,
        precision: Precision,
        parameters: Parameters,
        batch: &Batch,
        count: usize,
        say: impl Fn(usize),
    ) -> Result<PassTimes> {
        let mut gradients = Parameters::zeros(config, self.task());
        let settings = TrainSettings::default();
        let mut optimizer = Optimizer::new(&settings, config.num_hidden_layers, &parameters);
        let mut trainable = TrainableModel::new(config.clone(), self.task(), precision, parameters)?;
        let (mut pass, mut times) = (TrainingPass::default(), PassTimes::default());
        for step in 0..=count {
            say(step);
            let mut at = vec![Instant::now()];
            let dropout = Dropout { share: settings.dropout as f32, seed: step as u64, first_sequence: 0 };
            match self {
                Self::Questions(golds) => {
                    let logits = trainable.forward(batch, dropout, &mut pass);
                    at.push(Instant::now());
                    let (_, dlogits) = question_answering(batch, &logits, golds, None);
                    at.push(Instant::now());
                    trainable.backward(batch, &mut pass, &dlogits, &mut gradients);
                }
                Self::MaskedLm(masked) => {
                    trainable.masked_lm(batch, masked, dropout, &mut pass, &mut gradients);
                }
            }
            at.push(Instant::now());
            let step_scale = StepScale { step: step + 1, learning_rate: 1e-5, scale: 1.0 / batch.sequences() as f64 };
            optimizer.norm(gradients.values());
            trainable.update(|weights| {
                optimizer.step(step_scale, weights.values_mut(), gradients.values_mut());
                Ok(())
            })?;
            at.push(Instant::now());
            if step > 0 {
                let by_part = at.windows(2).map(|at| (at[1] - at[0]).as_secs_f64());
                times.add((at[at.len() - 1] - at[0]).as_secs_f64(), by_part);
            }
        }
        Ok(times)
    }
}

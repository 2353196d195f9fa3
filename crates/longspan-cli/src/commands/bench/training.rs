//! Steps of training: forward, loss, backward, AdamW and packing anew.

use std::time::Instant;

use anyhow::Result;
use longspan::config::Config;
use longspan::model::{Batch, Dropout, Masked, Parameters, Precision, Task, TrainableModel, TrainingPass};
use longspan::pretrain::head_flop;
use longspan::train::loss::{Golds, question_answering};
use longspan::train::{Optimizer, OptimizerSettings, Settings, Stride, Trained};

use super::Times;
use crate::cli::Training;

/// The parts of a step.
pub fn parts(what: Training) -> &'static [&'static str] {
    match what {
        Training::Questions => &["forward", "loss", "backward", "update"],
        Training::MaskedLm => &["passes", "update"],
    }
}

/// Of the tokens of masked language modelling so many are hidden: one in seven.
const EVERY: usize = 7;

/// What the steps teach.
pub enum Learnt {
    /// Answers of three tokens at the end of each sequence.
    Questions(Vec<Golds>),
    /// What stands at one place in seven.
    MaskedLm(Masked),
}

impl Learnt {
    /// That of a batch.
    pub fn new(what: Training, batch: &Batch) -> Self {
        match what {
            Training::Questions => {
                let last = |s: usize| batch.range(s).len() - 1;
                Learnt::Questions((0..batch.sequences()).map(|s| vec![(last(s).saturating_sub(2), last(s))]).collect())
            }
            Training::MaskedLm => {
                let places: Vec<usize> = (0..batch.tokens()).step_by(EVERY).collect();
                let targets = places.iter().map(|&place| batch.id(place)).collect();
                Learnt::MaskedLm(Masked { places, targets })
            }
        }
    }

    /// The head that is trained.
    pub fn task(&self) -> Task {
        match self {
            Learnt::Questions(_) => Task::QuestionAnswering,
            Learnt::MaskedLm(_) => Task::MaskedLm,
        }
    }

    /// Floating-point operations of the head, where they are many.
    pub fn flop(&self, config: &Config) -> f64 {
        match self {
            Learnt::Questions(_) => 0.0,
            Learnt::MaskedLm(masked) => head_flop(config, masked.places.len(), true),
        }
    }

    fn parts(&self) -> &'static [&'static str] {
        parts(match self {
            Learnt::Questions(_) => Training::Questions,
            Learnt::MaskedLm(_) => Training::MaskedLm,
        })
    }
}

/// The time of every step but the first, and the share of each part in them.
pub fn steps(
    (config, parameters): (&Config, Parameters),
    precision: Precision,
    (batch, learnt): (&Batch, &Learnt),
    count: usize,
    say: impl Fn(usize),
) -> Result<Times> {
    let mut gradients = Parameters::zeros(config, learnt.task());
    let settings = OptimizerSettings::default();
    let mut optimizer = Optimizer::new(&settings, config.num_hidden_layers, Trained::All, &parameters);
    let mut trainable = TrainableModel::new(config.clone(), learnt.task(), precision, parameters)?;
    let parts = learnt.parts();
    let (mut pass, mut times, mut sums) = (TrainingPass::default(), Vec::new(), vec![0.0; parts.len()]);
    for step in 0..=count {
        say(step);
        let mut at = vec![Instant::now()];
        let dropout = Dropout { share: Settings::default().dropout as f32, seed: step as u64, first_sequence: 0 };
        match learnt {
            Learnt::Questions(golds) => {
                let logits = trainable.forward(batch, dropout, &mut pass);
                at.push(Instant::now());
                let (_, dlogits) = question_answering(batch, &logits, golds, None);
                at.push(Instant::now());
                trainable.backward(batch, &mut pass, &dlogits, &mut gradients);
            }
            Learnt::MaskedLm(masked) => {
                trainable.masked_lm(batch, masked, dropout, &mut pass, &mut gradients);
            }
        }
        at.push(Instant::now());
        let stride = Stride { step: step + 1, learning_rate: 1e-5, scale: 1.0 / batch.sequences() as f64 };
        optimizer.norm(gradients.values());
        trainable.update(|weights| {
            optimizer.step(stride, weights.values_mut(), gradients.values_mut());
            Ok(())
        })?;
        at.push(Instant::now());
        if step > 0 {
            times.push((at[parts.len()] - at[0]).as_secs_f64());
            sums.iter_mut().zip(at.windows(2)).for_each(|(sum, at)| *sum += (at[1] - at[0]).as_secs_f64());
        }
    }
    let all: f64 = sums.iter().sum();
    Ok((times, parts.iter().zip(sums).map(|(name, sum)| (name.to_string(), sum / all)).collect()))
}

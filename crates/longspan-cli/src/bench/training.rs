//! Steps of training: forward, loss, backward, AdamW and packing anew.

use std::time::Instant;

use super::Times;
use anyhow::Result;
use longspan::config::Config;
use longspan::model::{Batch, Dropout, Parameters, Precision, Task, Trainee, TrainingPass};
use longspan::train::loss::question_answering;
use longspan::train::{Optimizer, OptimizerSettings, Settings, Stride, Trained};

/// The parts of a step, and the heads of their columns.
pub const PARTS: [(&str, &str); 4] =
    [("forward", "forward"), ("loss", "loss"), ("backward", "backward"), ("update", "update")];

/// The time of every step but the first, and the share of each part in them.
pub fn steps(
    (config, parameters): (&Config, Parameters),
    precision: Precision,
    batch: &Batch,
    count: usize,
    say: impl Fn(usize),
) -> Result<Times> {
    let mut gradients = Parameters::zeros(config, Task::QuestionAnswering);
    let settings = OptimizerSettings::default();
    let mut optimizer = Optimizer::new(&settings, config.num_hidden_layers, Trained::All, &parameters);
    let mut trainee = Trainee::new(config.clone(), Task::QuestionAnswering, precision, parameters)?;
    // Answers of three tokens at the end.
    let golds: Vec<_> = (0..batch.sequences()).map(|s| batch.range(s).len() - 1).collect();
    let golds: Vec<_> = golds.into_iter().map(|last| vec![(last.saturating_sub(2), last)]).collect();
    let (mut pass, mut times, mut sums) = (TrainingPass::default(), Vec::new(), [0.0; PARTS.len()]);
    for step in 0..=count {
        say(step);
        let mut at = vec![Instant::now()];
        let dropout = Dropout { share: Settings::default().dropout as f32, seed: step as u64, first_sequence: 0 };
        let logits = trainee.forward(batch, dropout, &mut pass);
        at.push(Instant::now());
        let (_, dlogits) = question_answering(batch, &logits, &golds, None);
        at.push(Instant::now());
        trainee.backward(batch, &mut pass, &dlogits, &mut gradients);
        at.push(Instant::now());
        let stride = Stride { step: step + 1, learning_rate: 1e-5, scale: 1.0 / batch.sequences() as f64 };
        optimizer.norm(gradients.values());
        trainee.update(|weights| optimizer.step(stride, weights.values_mut(), gradients.values_mut()));
        at.push(Instant::now());
        if step > 0 {
            times.push((at[PARTS.len()] - at[0]).as_secs_f64());
            sums.iter_mut().zip(at.windows(2)).for_each(|(sum, at)| *sum += (at[1] - at[0]).as_secs_f64());
        }
    }
    let all: f64 = sums.iter().sum();
    Ok((times, PARTS.iter().zip(sums).map(|((name, _), sum)| (name.to_string(), sum / all)).collect()))
}

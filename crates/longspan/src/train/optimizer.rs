//! AdamW over the flat parameters, with clipping by the global norm and a moving average of the weights.
//!
//! ```text
//! g = scale·gradient                      scale: 1/terms of the loss, times clipping
//! m = m + (1 − β1)(g − m)
//! v = β2·v + (1 − β2)·g²
//! w = w(1 − rate·decay) − rate/(1 − β1^t) · m / (√v/√(1 − β2^t) + eps)
//! a = a + (1 − d)(w − a)                  d = min(average decay, (1 + t)/(10 + t))
//! ```
//!
//! Loshchilov, Hutter, "Decoupled weight decay regularization" (2019), in the order of operations of `torch.optim.AdamW`.
//! The step is bound by memory, so it is a single pass, which also sets the gradients to zero for the next step.
//! The blocks are fixed, so that neither the weights nor the norm depend on the number of threads.

use std::ops::Range;

use rayon::prelude::*;

use super::{TrainOnly, TrainSettings};
use crate::model::{POSITIONS, Parameter, Parameters};

/// Weights of a block: with their gradients, moments and average they stay in the second-level cache.
const BLOCK: usize = 1 << 16;

/// AdamW with its state for every weight.
pub struct Optimizer {
    settings: TrainSettings,
    blocks: Vec<WeightBlock>,
    /// Mean of the gradients, (weights).
    pub(super) first_moment: Vec<f32>,
    /// Mean of their squares, (weights).
    pub(super) second_moment: Vec<f32>,
    /// Moving average of the weights, if the settings ask for one.
    pub(super) average: Option<Parameters>,
}

/// Neighbouring weights with the same treatment. Frozen weights are in no block.
struct WeightBlock {
    range: Range<usize>,
    /// Factor of the learning rate.
    factor: f64,
    weight_decay: f64,
}

/// The size of a step.
#[derive(Debug, Clone, Copy)]
pub struct StepScale {
    /// Its number, from 1.
    pub step: usize,
    /// The learning rate of the last layer.
    pub learning_rate: f64,
    /// Factor of the gradients.
    pub scale: f64,
}

impl Optimizer {
    /// The optimizer before its first step, for these weights.
    pub fn new(settings: &TrainSettings, layers: usize, weights: &Parameters) -> Self {
        let mut blocks = Vec::new();
        for parameter in weights.list() {
            // Heights: 0 the embeddings, then the layers from 1, then the head.
            let height = height(parameter, layers);
            let is_trained = match settings.train_only {
                Some(TrainOnly::Positions) => parameter.name == POSITIONS,
                None => settings.frozen_layers == 0 || height > settings.frozen_layers,
            };
            if !is_trained {
                continue;
            }
            let below = layers.saturating_sub(height); // layers between this one and the head
            let factor = settings.layer_decay.powi(below as i32);
            let plain = parameter.name.ends_with("bias") || parameter.shape.len() == 1;
            let weight_decay = if plain { 0.0 } else { settings.weight_decay };
            let Range { start, end } = parameter.range();
            let starts = (start..end).step_by(BLOCK);
            blocks.extend(starts.map(|start| WeightBlock {
                range: start..end.min(start + BLOCK),
                factor,
                weight_decay,
            }));
        }
        let count = weights.values().len();
        Self {
            settings: settings.clone(),
            blocks,
            first_moment: vec![0.0; count],
            second_moment: vec![0.0; count],
            average: (settings.average_decay > 0.0).then(|| weights.clone()),
        }
    }

    /// Norm of the gradient of all trained weights; not finite if one of its numbers is not.
    pub fn norm(&self, gradients: &[f32]) -> f64 {
        let squares = |block: &WeightBlock| sum_of_squares(&gradients[block.range.clone()]);
        let sums: Vec<f64> = self.blocks.par_iter().map(squares).collect();
        sums.iter().sum::<f64>().sqrt()
    }

    /// Updates the weights, and sets the gradients of trained weights to zero.
    pub fn step(&mut self, step_scale: StepScale, weights: &mut [f32], gradients: &mut [f32]) {
        let Self { settings, blocks, first_moment, second_moment, average } = self;
        let average = average.as_mut().map_or(&mut [][..], Parameters::values_mut);
        let mut rest = WeightSlices { weights, gradients, first_moment, second_moment, average };
        let mut at = 0;
        let mut work = Vec::with_capacity(blocks.len());
        for block in &*blocks {
            rest.take(block.range.start - at); // not trained
            at = block.range.end;
            work.push((rest.take(block.range.len()), StepFactors::new(settings, step_scale, block)));
        }
        work.into_par_iter().for_each(|(numbers, factors)| numbers.step(&factors));
    }
}

/// Adds in eight sums side by side, so that the loop is vectorized.
fn sum_of_squares(numbers: &[f32]) -> f64 {
    let square = |x: f32| f64::from(x) * f64::from(x);
    let (lines, rest) = numbers.as_chunks::<8>();
    let add = |sums: [f64; 8], line: &[f32; 8]| std::array::from_fn(|i| sums[i] + square(line[i]));
    let sums = lines.iter().fold([0.0; 8], add);
    sums.iter().sum::<f64>() + rest.iter().map(|&x| square(x)).sum::<f64>()
}

/// The height of a parameter: 0 in the embeddings, l + 1 in layer l, above all layers in the head.
fn height(parameter: &Parameter, layers: usize) -> usize {
    let name = parameter.name.strip_prefix("longformer.").unwrap_or(&parameter.name);
    let layer = name.strip_prefix("encoder.layer.").and_then(|rest| rest.split('.').next()?.parse::<usize>().ok());
    match layer {
        Some(layer) => layer + 1,
        None if name.starts_with("embeddings") => 0,
        None => layers + 1,
    }
}

/// The factors of the step formulas, for one block.
struct StepFactors {
    scale: f32,
    one_minus_beta1: f32,
    beta2: f32,
    one_minus_beta2: f32,
    /// 1 − rate·decay
    keep: f32,
    /// rate/(1 − β1^t)
    size: f32,
    /// √(1 − β2^t)
    root: f32,
    eps: f32,
    one_minus_average: f32,
}

impl StepFactors {
    fn new(settings: &TrainSettings, step_scale: StepScale, block: &WeightBlock) -> Self {
        let TrainSettings { beta1, beta2, eps, average_decay, .. } = *settings;
        let rate = step_scale.learning_rate * block.factor;
        let t = step_scale.step as f64;
        Self {
            scale: step_scale.scale as f32,
            one_minus_beta1: (1.0 - beta1) as f32,
            beta2: beta2 as f32,
            one_minus_beta2: (1.0 - beta2) as f32,
            keep: (1.0 - rate * block.weight_decay) as f32,
            size: (rate / (1.0 - beta1.powf(t))) as f32,
            root: (1.0 - beta2.powf(t)).sqrt() as f32,
            eps: eps as f32,
            one_minus_average: (1.0 - average_decay.min((1.0 + t) / (10.0 + t))) as f32,
        }
    }
}

/// The numbers of neighbouring weights; `average` may be empty.
struct WeightSlices<'a> {
    weights: &'a mut [f32],
    gradients: &'a mut [f32],
    first_moment: &'a mut [f32],
    second_moment: &'a mut [f32],
    average: &'a mut [f32],
}

impl<'a> WeightSlices<'a> {
    /// Splits the first `count` off.
    fn take(&mut self, count: usize) -> WeightSlices<'a> {
        fn split<'a>(numbers: &mut &'a mut [f32], count: usize) -> &'a mut [f32] {
            let (own, rest) = std::mem::take(numbers).split_at_mut(count);
            *numbers = rest;
            own
        }
        let averaged = if self.average.is_empty() { 0 } else { count };
        WeightSlices {
            weights: split(&mut self.weights, count),
            gradients: split(&mut self.gradients, count),
            first_moment: split(&mut self.first_moment, count),
            second_moment: split(&mut self.second_moment, count),
            average: split(&mut self.average, averaged),
        }
    }

    fn step(self, factors: &StepFactors) {
        let StepFactors { scale, one_minus_beta1, beta2, one_minus_beta2, keep, size, root, eps, one_minus_average } =
            *factors;
        let n = self.weights.len();
        // Slices of equal length need no bounds checks, so that the loop is vectorized.
        let (w, g) = (&mut self.weights[..n], &mut self.gradients[..n]);
        let (m, v) = (&mut self.first_moment[..n], &mut self.second_moment[..n]);
        for i in 0..n {
            let gradient = g[i] * scale;
            g[i] = 0.0;
            m[i] += one_minus_beta1 * (gradient - m[i]);
            v[i] = beta2 * v[i] + one_minus_beta2 * gradient * gradient;
            w[i] = keep * w[i] - size * (m[i] / (v[i].sqrt() / root + eps));
        }
        // The weights are still in the cache.
        for (a, &w) in self.average.iter_mut().zip(&*w) {
            *a += one_minus_average * (w - *a);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use crate::model::Task;

    fn parameters() -> (Config, Parameters) {
        let json = br#"{"model_type":"longformer","vocab_size":9000,"hidden_size":8,"num_hidden_layers":3,"num_attention_heads":2,
            "intermediate_size":16,"max_position_embeddings":10,"type_vocab_size":1,"attention_window":4}"#;
        let config = Config::from_json(json).unwrap();
        let parameters = Parameters::zeros(&config, Task::QuestionAnswering);
        (config, parameters)
    }

    fn fill(values: &mut [f32], seed: u64) {
        for (i, value) in values.iter_mut().enumerate() {
            *value = crate::random::fraction(seed, &[i as u64]) as f32 - 0.5;
        }
    }

    /// From torch 2.15:
    ///
    /// ```python
    /// w = torch.nn.Parameter(torch.tensor([0.5, -1.0, 0.25, 2.0, -0.125]))
    /// b = torch.nn.Parameter(torch.tensor([0.75, -0.5, 0.1]))
    /// o = torch.optim.AdamW([{"params": [w], "weight_decay": 0.1}, {"params": [b], "weight_decay": 0.0}],
    ///                       lr=0.01, betas=(0.9, 0.98), eps=1e-6, foreach=False)
    /// for t in range(1, 11):
    ///     w.grad = torch.tensor([((i*7 + t*3) % 11 - 5) / 4 for i in range(5)])
    ///     b.grad = torch.tensor([((i*5 + t*2) % 7 - 3) / 8 for i in range(3)])
    ///     norm = torch.nn.utils.clip_grad_norm_([w, b], 1.0)
    ///     for g in o.param_groups: g["lr"] = 0.01 * t / 10
    ///     o.step()
    /// ```
    #[test]
    fn ten_steps_agree_with_torch() {
        let (_, none) = parameters();
        let settings = TrainSettings { weight_decay: 0.1, beta2: 0.98, eps: 1e-6, ..Default::default() };
        let mut optimizer = Optimizer::new(&settings, 3, &none);
        optimizer.blocks = vec![
            WeightBlock { range: 0..5, factor: 1.0, weight_decay: 0.1 },
            WeightBlock { range: 5..8, factor: 1.0, weight_decay: 0.0 },
        ];
        let mut weights = [0.5, -1.0, 0.25, 2.0, -0.125, 0.75, -0.5, 0.1];
        let norms = [
            1.9121322631835938,
            1.6723859310150146,
            1.6723859310150146,
            1.9121322631835938,
            1.9724667072296143,
            1.6770509481430054,
            1.8413649797439575,
            1.828592300415039,
            1.832859754562378,
            1.690968632698059,
        ];
        for (step, wanted) in (1..=10).zip(norms) {
            // Sums over four sequences.
            let w = (0..5).map(|i| ((i * 7 + step * 3) % 11) as f32 - 5.0);
            let b = (0..3).map(|i| (((i * 5 + step * 2) % 7) as f32 - 3.0) / 2.0);
            let mut gradients: Vec<f32> = w.chain(b).collect();
            let norm = optimizer.norm(&gradients) / 4.0;
            assert!((norm - wanted).abs() < 1e-6, "norm {norm}, not {wanted}");
            let scale = (1.0 / (norm + 1e-6)).min(1.0) / 4.0;
            let step_scale = StepScale { step, learning_rate: 0.01 * step as f64 / 10.0, scale };
            optimizer.step(step_scale, &mut weights, &mut gradients);
            assert_eq!(gradients, [0.0; 8]);
            if step == 1 {
                close(
                    &weights,
                    &[0.50094998, -1.00090003, 0.24897501, 2.00079989, -0.1259875, 0.75099999, -0.499, 0.099],
                );
            }
        }
        let w = [0.490239829, -0.993452191, 0.238570467, 2.000362158, -0.126391172];
        let b = [0.743785977, -0.491376936, 0.103655189];
        close(&weights, &[&w[..], &b[..]].concat());
        close(&optimizer.first_moment[..2], &[0.0698, -0.0398]);
        close(&optimizer.second_moment[..2], &[0.0303, 0.0345]);
    }

    /// Compares to the digits given.
    fn close(found: &[f32], wanted: &[f64]) {
        for (&f, w) in found.iter().zip(wanted) {
            let digits = w.to_string().rsplit('.').next().map_or(0, str::len) as i32;
            assert!(
                (f64::from(f) - w).abs() <= (0.5 * 10_f64.powi(-digits)).max(2e-7 * w.abs()),
                "{found:?}, not {wanted:?}"
            );
        }
    }

    #[test]
    fn learning_rate_and_weight_decay_depend_on_the_parameter() {
        let (config, parameters) = parameters();
        let settings = TrainSettings { layer_decay: 0.5, weight_decay: 0.1, ..Default::default() };
        let layers = config.num_hidden_layers;
        for frozen_layers in 0..=layers {
            let settings = TrainSettings { frozen_layers, ..settings.clone() };
            let optimizer = Optimizer::new(&settings, layers, &parameters);
            let found = |name: &str| {
                let parameter = parameters.list().iter().find(|parameter| parameter.name == name).unwrap();
                let inside = |block: &&WeightBlock| block.range.start == parameter.offset;
                optimizer.blocks.iter().find(inside).map(|block| (block.factor, block.weight_decay))
            };
            for (name, height, wanted) in [
                ("longformer.embeddings.word_embeddings.weight", 0, (0.125, 0.1)),
                ("longformer.embeddings.LayerNorm.weight", 0, (0.125, 0.0)),
                ("longformer.encoder.layer.0.attention.self.query_global.weight", 1, (0.25, 0.1)),
                ("longformer.encoder.layer.1.output.LayerNorm.bias", 2, (0.5, 0.0)),
                ("longformer.encoder.layer.2.output.dense.weight", 3, (1.0, 0.1)),
                ("longformer.encoder.layer.2.output.dense.bias", 3, (1.0, 0.0)),
                ("qa_outputs.weight", 4, (1.0, 0.1)),
                ("qa_outputs.bias", 4, (1.0, 0.0)),
            ] {
                let frozen = frozen_layers > 0 && height <= frozen_layers;
                assert_eq!(found(name), (!frozen).then_some(wanted), "{name}, {frozen_layers} frozen");
            }
        }
        let settings = TrainSettings { train_only: Some(TrainOnly::Positions), ..settings };
        let optimizer = Optimizer::new(&settings, layers, &parameters);
        let positions = parameters.list().iter().find(|parameter| parameter.name == POSITIONS).unwrap().range();
        assert!(optimizer.blocks.iter().map(|block| block.range.clone()).eq([positions]));
    }

    #[test]
    fn frozen_parameters_stay_and_do_not_count_in_the_norm() {
        let (config, mut weights) = parameters();
        fill(weights.values_mut(), 1);
        let settings = TrainSettings { average_decay: 0.9, frozen_layers: 1, ..Default::default() };
        let mut optimizer = Optimizer::new(&settings, config.num_hidden_layers, &weights);
        let before = weights.clone();
        let trained = weights.list().iter().find(|p| p.name.starts_with("longformer.encoder.layer.1")).unwrap().offset;
        let mut gradients = weights.clone();
        gradients.values_mut()[..trained].fill(f32::NAN);
        let plain: f64 = gradients.values()[trained..].iter().map(|g| f64::from(*g).powi(2)).sum();
        assert!((optimizer.norm(gradients.values()) - plain.sqrt()).abs() < 1e-9);
        let step_scale = StepScale { step: 1, learning_rate: 0.1, scale: 1.0 };
        optimizer.step(step_scale, weights.values_mut(), gradients.values_mut());
        assert_eq!(weights.values()[..trained], before.values()[..trained]);
        assert!(weights.values()[trained..].iter().zip(&before.values()[trained..]).all(|(w, b)| w != b));
        let average = optimizer.average.as_ref().unwrap().values();
        for ((a, w), b) in average.iter().zip(weights.values()).zip(before.values()) {
            let d = 2.0 / 11.0; // the start: less than 0.9
            assert!((a - (d * b + (1.0 - d) * w)).abs() < 1e-6);
        }
        gradients.values_mut()[trained] = f32::INFINITY;
        assert!(!optimizer.norm(gradients.values()).is_finite());
    }

    #[test]
    fn results_do_not_depend_on_the_number_of_threads() {
        let (_, mut weights) = parameters();
        let count = weights.values().len();
        fill(weights.values_mut(), 2);
        let run = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| {
                let settings = TrainSettings { average_decay: 0.99, ..Default::default() };
                let mut optimizer = Optimizer::new(&settings, 3, &weights);
                let mut values = weights.values().to_vec();
                let mut norms = Vec::new();
                for step in 1..4 {
                    let mut gradients = vec![0.0; count];
                    fill(&mut gradients, step);
                    norms.push(optimizer.norm(&gradients).to_bits());
                    let step_scale = StepScale { step: step as usize, learning_rate: 0.01, scale: 1.0 };
                    optimizer.step(step_scale, &mut values, &mut gradients);
                }
                (values, norms, optimizer.average)
            })
        };
        assert!(run(1) == run(3));
    }
}

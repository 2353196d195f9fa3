//! Compares the long model with its source, on inputs that every window covers whole.

use serde_json::{Map, Value};

use super::oracle::{Oracle, Placed};
use crate::checkpoint::{Source, Tensors};
use crate::config::Config;
use crate::model::{Batch, Model, PositionShift, Precision, Sequence, Task};
use crate::random;
use crate::{Error, Result};

/// The largest differences between the outputs of a long model and those of its source.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Comparison {
    /// The longest input that was compared, in tokens.
    pub tokens: usize,
    /// The largest difference of an element of the last hidden states.
    pub difference: f64,
    /// The largest difference of a logit, if there is a head.
    pub logit_difference: Option<f64>,
}

/// The largest difference that rounding to f32 explains, relative to the largest output of the source (at least 1): about
/// 24 layers, each with sums of about a thousand terms with an error of 2^-24.
const DIFFERENCE_MAX: f64 = 1e-4;
/// Longer inputs skip the head: a language model has one logit for each word of the vocabulary.
const HEAD_TOKENS_MAX: usize = 33;
const SEED: u64 = 1;

/// Runs both models on the same inputs.
///
/// - `keys`: the content of the source's `config.json`, `tensors`: its weights
/// - `config`, `task`, `long`: of the long model
pub(super) fn compare(
    keys: &Map<String, Value>,
    tensors: &Tensors,
    config: &Config,
    task: Task,
    long: &Source,
) -> Result<Comparison> {
    let oracle = Oracle::new(keys, tensors)?;
    let inputs = inputs(oracle.max_tokens()?, config);
    let sequences: Vec<Placed<'_>> = inputs.iter().map(|input| (input.sequence(), input.shift)).collect();
    let model = Model::load(config.clone(), task, Precision::F32, &Tensors::open(long)?)?;
    let mut hidden = MaxDifference::default();
    let mut logits = MaxDifference::default();
    for ((sequence, shift), expected) in sequences.iter().zip(oracle.hidden_states(&sequences)?) {
        let mut batch = Batch::new();
        batch.push_shifted(*sequence, PositionShift { from: 0, by: *shift });
        hidden.add(&model.hidden_states(&batch)?, &expected);
        if task != Task::Encoder && sequence.ids.len() <= HEAD_TOKENS_MAX {
            logits.add(&model.logits(&batch)?.values, &oracle.logits(task, &expected)?);
        }
    }
    let tokens = inputs.iter().map(|input| input.ids.len()).max().unwrap_or(0);
    hidden.check(tokens)?;
    logits.check(tokens)?;
    let logit_difference = (task != Task::Encoder).then_some(logits.largest);
    Ok(Comparison { tokens, difference: hidden.largest, logit_difference })
}

struct TestInput {
    ids: Vec<u32>,
    token_type_ids: Vec<u32>,
    globals: Vec<usize>,
    /// How many positions later than the first the input begins.
    shift: usize,
}

impl TestInput {
    fn sequence(&self) -> Sequence<'_> {
        Sequence { ids: &self.ids, token_type_ids: Some(&self.token_type_ids), globals: &self.globals }
    }
}

/// Inputs of several lengths, up to the longest that every window covers whole: half of the narrowest and one token. They
/// begin at the first position. One of them is there a second time, at the last positions.
fn inputs(max_tokens: usize, config: &Config) -> Vec<TestInput> {
    let narrowest = config.attention_window.iter().min().copied().unwrap_or(0);
    let longest = (narrowest / 2 + 1).min(max_tokens).min(config.max_tokens());
    let mut lengths: Vec<usize> = [1, 2, 9, HEAD_TOKENS_MAX, longest].iter().map(|&t| t.min(longest)).collect();
    lengths.dedup();
    let last = lengths[lengths.len() / 2];
    let places = lengths.iter().map(|&tokens| (tokens, 0)).chain([(last, config.max_tokens() - last)]);
    places.map(|(tokens, shift)| TestInput { shift, ..input(tokens, config) }).collect()
}

/// A question with global attention and a document, of random tokens other than padding.
fn input(tokens: usize, config: &Config) -> TestInput {
    let below = |bound: usize, place: &[u64]| (random::fraction(SEED, place) * bound as f64) as usize;
    let question = below(tokens.div_ceil(3) + 1, &[tokens as u64]);
    let id = |i: usize| {
        let id = below(config.vocab_size - 1, &[tokens as u64, i as u64]);
        (if id >= config.pad_token_id { id + 1 } else { id }) as u32
    };
    let token_type = |i: usize| u32::from(config.type_vocab_size > 1 && i > question);
    TestInput {
        ids: (0..tokens).map(id).collect(),
        token_type_ids: (0..tokens).map(token_type).collect(),
        globals: (0..question).collect(),
        shift: 0,
    }
}

#[derive(Default)]
struct MaxDifference {
    largest: f64,
    /// The largest expected magnitude.
    size: f64,
}

impl MaxDifference {
    fn add(&mut self, found: &[f32], expected: &[f64]) {
        assert_eq!(found.len(), expected.len(), "outputs of two models of one size");
        for (&found, &expected) in found.iter().zip(expected) {
            let difference = (f64::from(found) - expected).abs();
            // NaN counts as an infinite difference.
            self.largest = self.largest.max(if difference.is_nan() { f64::INFINITY } else { difference });
            self.size = self.size.max(expected.abs());
        }
    }

    fn check(&self, tokens: usize) -> Result<()> {
        let difference_max = DIFFERENCE_MAX * self.size.max(1.0);
        if self.largest <= difference_max {
            return Ok(());
        }
        Err(Error::Conversion { difference: self.largest, difference_max, tokens })
    }
}

//! How well a model predicts masked tokens, in bits by the position in the input.
//!
//! Tokens are masked as in training, but always the same ones, so that models can be compared: with each other, and with
//! the source that they were converted from, which gets the same inputs in pieces of the length that it was made for.

use serde::{Deserialize, Serialize};

use super::masking::Masking;
use super::sequences::{Sequences, push};
use super::{MlmSettings, TokenFile, Tokenized, check_kind};
use crate::checkpoint::{Source, Tensors};
use crate::config::Config;
use crate::model::{Batch, Masked, Model, POSITIONS, Parameters, Precision, Task};
use crate::tokenizer::Tokenizer;
use crate::train::{TrainSettings, folder};
use crate::{Error, Result};

/// Positions of a stretch.
pub const STRETCH: usize = 512;

/// Loss of masked tokens, in bits.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Bits {
    /// Number of masked tokens.
    pub masked: usize,
    /// The mean loss of a masked token, in bits. The Longformer paper calls this BPC.
    pub bits: f64,
    /// Bits per character: the bits of a token divided by the average characters of a token, blanks included.
    pub bits_per_character: f64,
    /// The same by the position in the input, [`STRETCH`] positions each.
    pub stretches: Vec<BitsStretch>,
}

/// The loss at a range of positions.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct BitsStretch {
    /// The first position.
    pub from: usize,
    /// Number of masked tokens.
    pub masked: usize,
    /// The mean loss of one, in bits.
    pub bits: f64,
}

/// How the loss is measured.
#[derive(Debug, Clone, Copy)]
pub struct Measuring<'a> {
    /// How inputs are made.
    pub mlm: &'a MlmSettings,
    /// Number format of matrix products.
    pub precision: Precision,
    /// Determines which tokens are masked.
    pub seed: u64,
    /// Most tokens of a pass, except for a longer input.
    pub pass_tokens: usize,
    /// If set, inputs are cut into pieces of this many tokens with full attention inside, as the source of a converted
    /// model was made for.
    pub pieces: Option<usize>,
}

impl<'a> Measuring<'a> {
    /// Measures as a run with these settings does.
    pub fn new(settings: &TrainSettings, mlm: &'a MlmSettings, pieces: Option<usize>) -> Self {
        let TrainSettings { precision, seed, pass_tokens, .. } = *settings;
        Self { mlm, precision, seed, pass_tokens, pieces }
    }
}

/// Measures a checkpoint with a head of masked language modelling on documents.
///
/// - `on_progress`: receives the number of inputs done and of all inputs
///
/// # Errors
/// Those of loading it, and [`Error::NoData`] where there is nothing to mask.
pub fn measure(
    source: &Source,
    valid: &TokenFile,
    measuring: &Measuring<'_>,
    on_progress: &mut dyn FnMut(usize, usize),
) -> Result<Bits> {
    let config = source.config()?;
    check_kind(&config)?;
    let tokenizer = folder::tokenizer(source, &config)?;
    let config = match measuring.pieces {
        Some(tokens) => Config { attention_window: vec![2 * tokens; config.num_hidden_layers], ..config },
        None => config,
    };
    let model = Model::load(config, Task::MaskedLm, measuring.precision, &Tensors::open(source)?)?;
    bits_of(&model, &tokenizer, valid, measuring, on_progress)
}

/// Checks that documents have something to measure.
///
/// # Errors
/// [`Error::NoData`] for a text so short that none of its tokens is masked.
pub(super) fn check(sequences: &Sequences<'_>) -> Result<()> {
    let layout = sequences.in_order();
    match (0..layout.count()).any(|sequence| !sequences.masked(&layout, 0, sequence).1.is_empty()) {
        true => Ok(()),
        false => Err(Error::NoData("the text is too short: none of its tokens was masked".into())),
    }
}

/// Measures a model.
pub(super) fn bits_of(
    model: &Model,
    tokenizer: &Tokenizer,
    valid: &TokenFile,
    measuring: &Measuring<'_>,
    on_progress: &mut dyn FnMut(usize, usize),
) -> Result<Bits> {
    let Measuring { mlm, seed, pass_tokens, pieces, .. } = *measuring;
    let masking = Masking::new(mlm, tokenizer, model.config().vocab_size)?;
    let sequences = Sequences::new(valid, &masking, tokenizer, mlm, seed);
    check(&sequences)?;
    let layout = sequences.in_order();
    let mut sums = vec![(0, 0.0); mlm.max_tokens.div_ceil(STRETCH)];
    let mut pass = PendingPass::default();
    let run = |pass: &mut PendingPass, sums: &mut Vec<(usize, f64)>| -> Result<()> {
        let losses = model.masked_lm_losses(&pass.batch, &pass.masked)?;
        for (&position, loss) in pass.positions.iter().zip(losses) {
            let (masks, bits) = &mut sums[position / STRETCH];
            *masks += 1;
            *bits += f64::from(loss) / std::f64::consts::LN_2;
        }
        *pass = PendingPass::default();
        Ok(())
    };
    for sequence in 0..layout.count() {
        let (ids, masks) = sequences.masked(&layout, 0, sequence);
        for (ids, masks, before) in cut(&ids, &masks, pieces) {
            if !masks.is_empty() {
                if pass.batch.sequences() > 0 && pass.batch.tokens() + ids.len() > pass_tokens {
                    run(&mut pass, &mut sums)?;
                }
                pass.positions.extend(masks.iter().map(|(place, _)| before + place));
                push(&mut pass.batch, &mut pass.masked, &ids, &masks);
            }
        }
        on_progress(sequence + 1, layout.count());
    }
    if pass.batch.sequences() > 0 {
        run(&mut pass, &mut sums)?;
    }
    let (masks, bits) = sums.iter().fold((0, 0.0), |(masks, bits), sum| (masks + sum.0, bits + sum.1));
    let Tokenized { tokens, characters, .. } = valid.size();
    let bits = bits / masks as f64;
    let stretch = |(i, &(masks, bits)): (usize, &(usize, f64))| {
        (masks > 0).then(|| BitsStretch { from: i * STRETCH, masked: masks, bits: bits / masks as f64 })
    };
    Ok(Bits {
        masked: masks,
        bits,
        bits_per_character: bits * tokens as f64 / characters as f64,
        stretches: sums.iter().enumerate().filter_map(stretch).collect(),
    })
}

/// Inputs collected for the next pass.
#[derive(Default)]
struct PendingPass {
    batch: Batch,
    masked: Masked,
    /// The position of each masked token in its whole input.
    positions: Vec<usize>,
}

type Masks = Vec<(usize, u32)>;

/// An input whole, or in pieces of `pieces` tokens: for each its ids, its masked places, and their distance from those in
/// the whole input.
fn cut(ids: &[u32], masks: &[(usize, u32)], pieces: Option<usize>) -> Vec<(Vec<u32>, Masks, usize)> {
    let Some(tokens) = pieces else { return vec![(ids.to_vec(), masks.to_vec(), 0)] };
    let [first, .., last] = ids else { unreachable!("an input has a first and a last token") };
    let inside = &ids[1..ids.len() - 1];
    let piece = |(i, part): (usize, &[u32])| {
        let before = i * (tokens - 2);
        let own = before + 1..before + 1 + part.len();
        let places = masks.iter().filter(|(place, _)| own.contains(place)).map(|(place, id)| (place - before, *id));
        ([&[*first], part, &[*last]].concat(), places.collect(), before)
    };
    inside.chunks(tokens - 2).enumerate().map(piece).collect()
}

/// The number of tokens that the source of a converted model was made for: the period of its position embeddings. `None` if
/// they have none, as after training.
///
/// # Errors
/// Those of loading it.
pub fn source_tokens(source: &Source) -> Result<Option<usize>> {
    let config = source.config()?;
    let parameters = Parameters::load(&config, Task::Encoder, &Tensors::open(source)?, 0)?;
    let table = &parameters.get(POSITIONS)[config.first_position() * config.hidden_size..];
    let (tokens, c) = (config.max_tokens(), config.hidden_size);
    let again = |&period: &usize| table[period * c..] == table[..(tokens - period) * c];
    Ok((3..tokens).find(again))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_have_the_tokens_and_masks_of_the_input() {
        let ids: Vec<u32> = [1].into_iter().chain(10..21).chain([2]).collect();
        let masks = [(1, 50), (4, 51), (5, 52), (11, 53)];
        assert_eq!(cut(&ids, &masks, None), [(ids.clone(), masks.to_vec(), 0)]);
        let pieces = cut(&ids, &masks, Some(6));
        assert_eq!(pieces.len(), 3);
        assert_eq!(pieces[0], (vec![1, 10, 11, 12, 13, 2], vec![(1, 50), (4, 51)], 0));
        assert_eq!(pieces[1], (vec![1, 14, 15, 16, 17, 2], vec![(1, 52)], 4));
        assert_eq!(pieces[2], (vec![1, 18, 19, 20, 2], vec![(3, 53)], 8));
    }
}

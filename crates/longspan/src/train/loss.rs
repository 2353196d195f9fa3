//! Logits and gold spans → the loss and its gradient.
//!
//! ```text
//! of a sequence:   gold = (-ln Σ p_start(s) over the starts s of gold spans  -ln Σ p_end(e) over their ends e) / 2
//! with a teacher:  (1 - w) gold + w (H(teacher's p_start, p_start) + H(teacher's p_end, p_end)) / 2
//! ```
//!
//! A teacher's p_start and p_end are those of another model for the same input, or are made of saved answers. Where it has none,
//! the gold spans alone count, as without a teacher.
//!
//! p is the softmax over all tokens of the sequence, in f64. With one gold span this is the loss of BERT's authors and of
//! transformers; with several, the probability of finding any one of them counts (Clark and Gardner, "Simple and effective
//! multi-paragraph reading comprehension", arXiv 1710.10723, section 3.2). A sequence without a gold span has its first
//! token as start and end, as SQuAD 2.0 models do.

use crate::model::{Batch, Logits};

/// An answer in the data, as tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct GoldSpan {
    /// The first token.
    pub start: usize,
    /// The last token.
    pub end: usize,
}

impl GoldSpan {
    /// The same span, counted from another token.
    pub(super) fn moved_by(self, tokens: isize) -> Self {
        let moved = |token: usize| token.checked_add_signed(tokens).expect("a span within its text");
        Self { start: moved(self.start), end: moved(self.end) }
    }
}

/// A teacher's probabilities for the same batch.
#[derive(Debug, Clone, Copy)]
pub struct Teacher<'a> {
    /// For each sequence those of its tokens, (T, 2), start and end side by side, each side with the sum 1; `None` where the
    /// teacher has none.
    pub probabilities: &'a [Option<Vec<f64>>],
    /// Their weight, 0 to 1.
    pub weight: f64,
}

/// A teacher's probabilities, raised to 1 / `temperature` and scaled to a sum of 1 again.
///
/// - `logits`: those of a teacher that read the batch itself, (T, 2)
///
/// # Panics
/// If there are not two logits for each token.
pub fn teacher_probabilities(batch: &Batch, logits: &Logits, temperature: f64) -> Vec<Option<Vec<f64>>> {
    assert_eq!(logits.values.len(), 2 * batch.tokens(), "two logits for each of {} tokens", batch.tokens());
    let of_sequence = |s: usize| {
        let range = batch.range(s);
        let [starts, ends] = [0, 1].map(|side| {
            let ln_p: Vec<f64> = range.clone().map(|t| f64::from(logits.values[2 * t + side])).collect();
            at_temperature(&ln_p, temperature)
        });
        starts.into_iter().zip(ends).flat_map(|(start, end)| [start, end]).collect()
    };
    (0..batch.sequences()).map(|s| Some(of_sequence(s))).collect()
}

/// Probabilities proportional to the powers e^(x / `temperature`).
pub(super) fn at_temperature(x: &[f64], temperature: f64) -> Vec<f64> {
    // The largest x is subtracted first: any temperature leaves its power 1.
    let max = x.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let powers: Vec<f64> = x.iter().map(|x| ((x - max) / temperature).exp()).collect();
    let sum: f64 = powers.iter().sum();
    powers.into_iter().map(|power| power / sum).collect()
}

/// The sum of the losses of all sequences, and its gradient: (T, 2).
///
/// - `logits`: (T, 2), start and end side by side
/// - `golds`: for each sequence its spans, ascending, each once; none if it has no answer
///
/// # Panics
/// If there are not as many golds, or probabilities of a teacher, as sequences, or a position lies outside its sequence.
///
/// ```
/// use longspan::model::{Batch, Logits, Sequence};
/// use longspan::train::loss::{GoldSpan, question_answering};
///
/// let batch = Batch::of(Sequence { ids: &[0, 5, 2], token_type_ids: None, globals: &[] });
/// let logits = Logits { values: vec![0.0; 6], columns: 2 };
/// let (loss, dlogits) = question_answering(&batch, &logits, &[vec![GoldSpan { start: 1, end: 2 }]], None);
/// assert!((loss - 3.0_f64.ln()).abs() < 1e-12);
/// assert!((dlogits[2] + 1.0 / 3.0).abs() < 1e-6); // (1/3 - 1) / 2
/// ```
pub fn question_answering(
    batch: &Batch,
    logits: &Logits,
    golds: &[Vec<GoldSpan>],
    teacher: Option<Teacher<'_>>,
) -> (f64, Vec<f32>) {
    assert_eq!(golds.len(), batch.sequences(), "golds for {} sequences", batch.sequences());
    assert_eq!(logits.values.len(), 2 * batch.tokens(), "two logits for each of {} tokens", batch.tokens());
    let taught_sequences = teacher.map_or(batch.sequences(), |teacher| teacher.probabilities.len());
    assert_eq!(taught_sequences, batch.sequences(), "a teacher's probabilities for {} sequences", batch.sequences());
    let mut dlogits = vec![0.0; logits.values.len()];
    let mut loss = 0.0;
    for (s, golds) in golds.iter().enumerate() {
        let range = batch.range(s);
        let taught = teacher.and_then(|Teacher { probabilities, weight }| Some((probabilities[s].as_ref()?, weight)));
        let hard = 1.0 - taught.map_or(0.0, |(_, weight)| weight);
        for side in 0..2 {
            let mut is_gold = vec![golds.is_empty(); 1];
            is_gold.resize(range.len(), false);
            for gold in golds {
                is_gold[if side == 0 { gold.start } else { gold.end }] = true;
            }
            let x: Vec<f64> = range.clone().map(|t| f64::from(logits.values[2 * t + side])).collect();
            let all = log_sum_exp(x.iter());
            let found = log_sum_exp(x.iter().zip(&is_gold).filter_map(|(x, gold)| gold.then_some(x)));
            loss += hard * (all - found) / 2.0;
            for (i, t) in range.clone().enumerate() {
                let ln_p = x[i] - all;
                let gold = if is_gold[i] { (x[i] - found).exp() } else { 0.0 };
                let mut gradient = hard * (ln_p.exp() - gold);
                if let Some((probabilities, weight)) = taught {
                    let teacher = probabilities[2 * i + side];
                    gradient += weight * (ln_p.exp() - teacher);
                    loss -= weight * teacher * ln_p / 2.0;
                }
                dlogits[2 * t + side] = (gradient / 2.0) as f32;
            }
        }
    }
    (loss, dlogits)
}

/// ln Σ e^x, also where every e^x is too small or too large for an f64.
fn log_sum_exp<'a>(x: impl Iterator<Item = &'a f64> + Clone) -> f64 {
    let max = x.clone().copied().fold(f64::NEG_INFINITY, f64::max);
    max + x.map(|x| (x - max).exp()).sum::<f64>().ln()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Sequence;

    /// The loss is half the distance of the gold token from the best one, on either side, however far it is.
    #[test]
    fn a_gold_token_far_below_the_best_has_a_finite_loss_and_a_gradient() {
        let batch = Batch::of(Sequence { ids: &[0, 5, 2], token_type_ids: None, globals: &[] });
        for distance in [700.0_f32, 746.0, 2000.0, 1e30] {
            let logits = Logits { values: vec![distance, distance, 0.0, 0.0, -distance, -distance], columns: 2 };
            let teacher = Logits { values: vec![0.0, 0.0, distance, distance, -distance, 0.0], columns: 2 };
            let probabilities = teacher_probabilities(&batch, &teacher, 1.0);
            for teacher in [None, Some(Teacher { probabilities: &probabilities, weight: 0.5 })] {
                let golds = [vec![GoldSpan { start: 1, end: 1 }]];
                let (loss, dlogits) = question_answering(&batch, &logits, &golds, teacher);
                assert_eq!(loss, f64::from(distance), "{distance}");
                assert_eq!(dlogits, [0.5, 0.5, -0.5, -0.5, 0.0, 0.0], "{distance}");
            }
        }
    }

    #[test]
    fn a_temperature_raises_probabilities_to_its_inverse() {
        let p = [0.6, 0.3, 0.1, 0.0];
        for temperature in [0.25, 1.0, 2.0, 8.0] {
            let found = at_temperature(&p.map(f64::ln), temperature);
            let powers = p.map(|p| p.powf(1.0 / temperature));
            let expected = powers.map(|power| power / powers.iter().sum::<f64>());
            assert!(found.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-12), "{found:?} for {expected:?}");
        }
        assert_eq!(at_temperature(&p.map(f64::ln), f64::MIN_POSITIVE), [1.0, 0.0, 0.0, 0.0]);
        assert_eq!(at_temperature(&p.map(f64::ln), f64::MAX), [1.0 / 3.0, 1.0 / 3.0, 1.0 / 3.0, 0.0]);
    }

    /// Of two sequences that differ in nothing else, the teacher has answered one.
    #[test]
    fn a_sequence_without_a_teacher_learns_from_its_gold_alone() {
        let sequence = Sequence { ids: &[0, 5, 2], token_type_ids: None, globals: &[] };
        let mut batch = Batch::of(sequence);
        batch.push(sequence);
        let logits = Logits { values: [0.5, 0.0, 1.0, -1.0, 0.0, 2.0].repeat(2), columns: 2 };
        let golds = [vec![GoldSpan { start: 1, end: 2 }], vec![GoldSpan { start: 1, end: 2 }]];
        let probabilities = [None, Some(vec![0.25, 0.5, 0.75, 0.0, 0.0, 0.5])];
        let teacher = |weight: f64| Some(Teacher { probabilities: &probabilities, weight });
        let (plain, dplain) = question_answering(&batch, &logits, &golds, None);
        let (taught, dtaught) = question_answering(&batch, &logits, &golds, teacher(1.0));
        assert_eq!(dtaught[..6], dplain[..6]);
        assert_ne!(dtaught[6..], dplain[6..]);
        // Half a weight is the mean, and the gradient is the slope.
        let (half, dhalf) = question_answering(&batch, &logits, &golds, teacher(0.5));
        assert!((half - (plain + taught) / 2.0).abs() < 1e-12);
        for (i, gradient) in dhalf.into_iter().enumerate() {
            let at = |step: f32| {
                let mut moved = logits.clone();
                moved.values[i] += step;
                question_answering(&batch, &moved, &golds, teacher(0.5)).0
            };
            let slope = (at(1.0 / 64.0) - at(-1.0 / 64.0)) * 32.0;
            assert!((slope - f64::from(gradient)).abs() < 1e-4, "{i}: {slope} for {gradient}");
        }
    }
}

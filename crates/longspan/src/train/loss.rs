//! Logits and gold spans → the loss and its gradient.
//!
//! ```text
//! of a sequence:   gold = (-ln Σ p_start(s) over the starts s of gold spans  -ln Σ p_end(e) over their ends e) / 2
//! with a teacher:  (1 - w) gold + w (H(teacher's p_start, p_start) + H(teacher's p_end, p_end)) / 2
//! ```
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

/// The output of a teacher for the same batch.
#[derive(Debug, Clone, Copy)]
pub struct Teacher<'a> {
    /// Its logits: (T, 2).
    pub logits: &'a Logits,
    /// Their weight, 0 to 1.
    pub weight: f64,
}

/// The sum of the losses of all sequences, and its gradient: (T, 2).
///
/// - `logits`: (T, 2), start and end side by side
/// - `golds`: for each sequence its spans, ascending, each once; none if it has no answer
///
/// # Panics
/// If there are not as many golds as sequences, or a position lies outside its sequence.
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
    let mut dlogits = vec![0.0; logits.values.len()];
    let mut loss = 0.0;
    for (s, golds) in golds.iter().enumerate() {
        let range = batch.range(s);
        for side in 0..2 {
            let of =
                |logits: &Logits| range.clone().map(|t| f64::from(logits.values[2 * t + side])).collect::<Vec<_>>();
            let mut is_gold = vec![golds.is_empty(); 1];
            is_gold.resize(range.len(), false);
            for gold in golds {
                is_gold[if side == 0 { gold.start } else { gold.end }] = true;
            }
            let x = of(logits);
            let all = log_sum_exp(x.iter());
            let found = log_sum_exp(x.iter().zip(&is_gold).filter_map(|(x, gold)| gold.then_some(x)));
            let hard = 1.0 - teacher.map_or(0.0, |teacher| teacher.weight);
            loss += hard * (all - found) / 2.0;
            let taught = teacher.map(|Teacher { logits, weight }| {
                let x = of(logits);
                (log_sum_exp(x.iter()), x, weight)
            });
            for (i, t) in range.clone().enumerate() {
                let ln_p = x[i] - all;
                let gold = if is_gold[i] { (x[i] - found).exp() } else { 0.0 };
                let mut gradient = hard * (ln_p.exp() - gold);
                if let Some((all, x, weight)) = &taught {
                    let teacher = (x[i] - all).exp();
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
            for teacher in [None, Some(Teacher { logits: &teacher, weight: 0.5 })] {
                let golds = [vec![GoldSpan { start: 1, end: 1 }]];
                let (loss, dlogits) = question_answering(&batch, &logits, &golds, teacher);
                assert_eq!(loss, f64::from(distance), "{distance}");
                assert_eq!(dlogits, [0.5, 0.5, -0.5, -0.5, 0.0, 0.0], "{distance}");
            }
        }
    }
}

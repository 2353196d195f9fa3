//! Turns scores into probabilities of being right: logistic regression with three coefficients.

use crate::reader::Logistic;

/// The score of an answer or an abstention, and whether it was right.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sample {
    /// The score, without calibration.
    pub score: f64,
    /// Tokens of the document.
    pub tokens: usize,
    /// Whether it was right.
    pub right: bool,
    /// How much it counts: as so many samples.
    pub weight: f64,
}

/// Weight of the L2 penalty that pulls the coefficients towards [`UNCHANGED`], in samples. It decides where the data do
/// not.
const PENALTY: f64 = 1.0;

/// Newton's method ends when no coefficient moves by more than this.
const STEP_MIN: f64 = 1e-10;
/// Far more steps than a convex function of three variables takes.
const STEPS_MAX: usize = 100;
const HALVINGS_MAX: usize = 60;

/// The coefficients that leave scores as they are.
const UNCHANGED: [f64; 3] = [1.0, 0.0, 0.0];

/// The maximum-likelihood fit.
///
/// Newton's method on the logistic loss, which is convex; each step is halved until the loss falls. Hastie, Tibshirani, Friedman,
/// "The elements of statistical learning", section 4.4.1.
pub fn fit(samples: &[Sample]) -> Logistic {
    let mut w = UNCHANGED;
    let mut least = loss(w, samples);
    for _ in 0..STEPS_MAX {
        let step = newton_step(w, samples);
        let shares = (0..HALVINGS_MAX).map(|halvings| 0.5_f64.powi(halvings as i32));
        let tried = shares.map(|share| std::array::from_fn(|i| w[i] - share * step[i]));
        let Some(next) = tried.into_iter().find(|&next| loss(next, samples) < least) else { break };
        let moved = (0..3).fold(0.0_f64, |most, i| most.max((next[i] - w[i]).abs()));
        (w, least) = (next, loss(next, samples));
        if moved <= STEP_MIN {
            break;
        }
    }
    logistic(w)
}

/// The negative log-likelihood and the penalty.
fn loss(w: [f64; 3], samples: &[Sample]) -> f64 {
    let of = |sample: &Sample| {
        let [logit, ln_tokens] = Logistic::features(sample.score, sample.tokens);
        let z = w[0] * logit + w[1] * ln_tokens + w[2];
        let z = if sample.right { -z } else { z };
        sample.weight * (z.max(0.0) + (-z.abs()).exp().ln_1p()) // ln(1 + e^z)
    };
    let penalty: f64 = w.iter().zip(UNCHANGED).map(|(w, unchanged)| (w - unchanged).powi(2)).sum();
    samples.iter().map(of).sum::<f64>() + PENALTY / 2.0 * penalty
}

/// The Hessian's inverse times the gradient of the loss.
fn newton_step(w: [f64; 3], samples: &[Sample]) -> [f64; 3] {
    let mut gradient: [f64; 3] = std::array::from_fn(|i| PENALTY * (w[i] - UNCHANGED[i]));
    let mut hessian: [[f64; 3]; 3] =
        std::array::from_fn(|i| std::array::from_fn(|j| if i == j { PENALTY } else { 0.0 }));
    for sample in samples {
        let [logit, ln_tokens] = Logistic::features(sample.score, sample.tokens);
        let x = [logit, ln_tokens, 1.0];
        let p = logistic(w).probability(sample.score, sample.tokens);
        let right = if sample.right { 1.0 } else { 0.0 };
        for i in 0..3 {
            gradient[i] += sample.weight * (p - right) * x[i];
            for j in 0..3 {
                hessian[i][j] += sample.weight * p * (1.0 - p) * x[i] * x[j];
            }
        }
    }
    solve(hessian, gradient)
}

fn logistic([logit, ln_tokens, constant]: [f64; 3]) -> Logistic {
    Logistic { logit, ln_tokens, constant }
}

/// Solves a·x = b by Gaussian elimination, which needs no pivoting where a is symmetric and positive definite.
fn solve(mut a: [[f64; 3]; 3], mut b: [f64; 3]) -> [f64; 3] {
    for i in 0..3 {
        for j in i + 1..3 {
            let factor = a[j][i] / a[i][i];
            let above = a[i];
            a[j].iter_mut().zip(above).for_each(|(below, above)| *below -= factor * above);
            b[j] -= factor * b[i];
        }
    }
    let mut x = [0.0; 3];
    for i in (0..3).rev() {
        let known: f64 = (i + 1..3).map(|j| a[i][j] * x[j]).sum();
        x[i] = (b[i] - known) / a[i][i];
    }
    x
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random;

    /// Samples that are right with the probability that `truth` gives.
    fn samples(truth: &Logistic, count: u64) -> Vec<Sample> {
        let sample = |i: u64| {
            let (score, tokens) = (random::fraction(1, &[i, 0]), 1 + (random::number(1, &[i, 1]) % 9) as usize);
            let right = random::fraction(1, &[i, 2]) < truth.probability(score, tokens);
            Sample { score, tokens, right, weight: 1.0 }
        };
        (0..count).map(sample).collect()
    }

    #[test]
    fn the_true_coefficients_are_found() {
        let truth = Logistic { logit: 0.6, ln_tokens: -0.5, constant: 0.8 };
        let found = fit(&samples(&truth, 40_000));
        for (found, truth) in
            [(found.logit, truth.logit), (found.ln_tokens, truth.ln_tokens), (found.constant, truth.constant)]
        {
            assert!((found - truth).abs() < 0.05, "{found} for {truth}");
        }
    }

    #[test]
    fn the_loss_is_least_at_the_fit() {
        let mixed = samples(&Logistic { logit: 1.5, ln_tokens: 0.2, constant: -1.0 }, 300);
        let wrong = [0.0, 1.0, 1e-320, 1.0 - 1e-16].map(|score| Sample {
            score,
            tokens: 1000,
            right: score < 0.5,
            weight: 1.0,
        });
        for samples in [&mixed[..], &wrong, &[]] {
            let found = fit(samples);
            let w = [found.logit, found.ln_tokens, found.constant];
            for i in 0..3 {
                let moved = |by: f64| loss(std::array::from_fn(|j| w[j] + if i == j { by } else { 0.0 }), samples);
                let slope = (moved(1e-5) - moved(-1e-5)) / 2e-5;
                assert!(slope.abs() < 1e-3, "{slope} along {i} at {w:?}");
            }
        }
        assert!(fit(&wrong).logit < 0.0, "a score that is high where answers are wrong gets a negative coefficient");
    }

    #[test]
    fn a_sample_of_weight_2_counts_as_two() {
        let once = samples(&Logistic { logit: 0.7, ln_tokens: 0.3, constant: -0.4 }, 60);
        let twice: Vec<Sample> = once.iter().take(20).chain(&once).copied().collect();
        let weight = |(i, sample): (usize, &Sample)| Sample { weight: if i < 20 { 2.0 } else { 1.0 }, ..*sample };
        let (found, expected) = (fit(&once.iter().enumerate().map(weight).collect::<Vec<_>>()), fit(&twice));
        assert_ne!(expected, fit(&once));
        let close = |a: f64, b: f64| (a - b).abs() < 1e-9;
        assert!(close(found.logit, expected.logit) && close(found.ln_tokens, expected.ln_tokens), "{found:?}");
        assert!(close(found.constant, expected.constant), "{found:?} {expected:?}");
    }

    #[test]
    fn coefficients_stay_where_the_data_do_not_decide() {
        let unchanged = Logistic { logit: 1.0, ln_tokens: 0.0, constant: 0.0 };
        assert_eq!(fit(&[]), unchanged);
        let all_right: Vec<_> =
            samples(&unchanged, 500).into_iter().map(|sample| Sample { right: true, tokens: 1, ..sample }).collect();
        let found = fit(&all_right);
        assert_eq!(found.ln_tokens, 0.0);
        assert!(found.probability(0.5, 1) > 0.9 && found.constant.is_finite(), "{found:?}");
    }
}

//! Fits the threshold of a model and turns its scores into probabilities; measures both on articles that were not fitted
//! on.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::Scored;
use super::coverage::{coverage, for_precision};
use super::logistic::{self, Sample};
use super::reliability::reliability;
use crate::reader::Logistic;
use crate::squad::metrics::Score;
use crate::squad::ranking::{Ranked, Ranking};

/// The goal of a threshold.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Aim {
    /// The best F1 over all questions, on a smoothed curve.
    BestF1,
    /// As many answers as possible, of which at least this share are exact matches.
    Precision(f64),
}

/// The answer of a model without calibration to a question, as far as it matters here.
#[derive(Debug, Clone, PartialEq)]
pub struct Observation {
    /// The article of the question: a fit is never measured on an article that it was fitted on.
    pub article: usize,
    /// Tokens of the document.
    pub tokens: usize,
    /// Whether there is a gold answer.
    pub has_answer: bool,
    /// Exact match and F1 of the best span.
    pub best: Score,
    /// Null odds of the question.
    pub null_odds: f64,
    /// Score of the best span.
    pub score: f64,
    /// Score of 'no answer'.
    pub no_answer_score: f64,
}

impl From<&Scored<'_>> for Observation {
    fn from(scored: &Scored<'_>) -> Self {
        let answer = &scored.outcome.answer;
        Self {
            article: scored.asked.article,
            tokens: answer.tokens,
            has_answer: scored.has_answer(),
            best: scored.best,
            null_odds: answer.null_odds,
            score: scored.best_span().score,
            no_answer_score: answer.no_answer_score,
        }
    }
}

/// A threshold, and the functions that turn scores into probabilities at that threshold.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Fit {
    /// There is no answer where the null odds are larger.
    pub threshold: f64,
    /// For the scores of answers.
    pub score: Logistic,
    /// For the scores of abstentions.
    pub no_answer_score: Logistic,
}

impl Fit {
    /// This threshold, with scores unchanged.
    pub fn unchanged(threshold: f64) -> Self {
        let as_it_is = Logistic { logit: 1.0, ln_tokens: 0.0, constant: 0.0 };
        Self { threshold, score: as_it_is, no_answer_score: as_it_is }
    }

    /// Fits the threshold, then the scores at that threshold: those of answers to whether they are exact matches, those of
    /// abstentions to whether there is no gold answer. `None` where no threshold reaches the precision.
    pub fn to<'a>(observed: impl IntoIterator<Item = &'a Observation>, aim: Aim) -> Option<Self> {
        let observed: Vec<&Observation> = observed.into_iter().collect();
        let threshold = threshold(&observed, aim)?;
        let (answers, abstentions): (Vec<_>, Vec<_>) = observed.into_iter().partition(|o| o.null_odds <= threshold);
        let answer = |o: &Observation| Sample { score: o.score, tokens: o.tokens, right: o.best.exact == 1.0 };
        let abstention = |o: &Observation| Sample { score: o.no_answer_score, tokens: o.tokens, right: !o.has_answer };
        let answers: Vec<_> = answers.into_iter().map(answer).collect();
        let abstentions: Vec<_> = abstentions.into_iter().map(abstention).collect();
        Some(Self { threshold, score: logistic::fit(&answers), no_answer_score: logistic::fit(&abstentions) })
    }
}

fn threshold(observed: &[&Observation], aim: Aim) -> Option<f64> {
    match aim {
        Aim::BestF1 => Some(best_f1(observed)),
        Aim::Precision(precision) => {
            let ranked = observed.iter().map(|observed| {
                let Observation { has_answer, best, null_odds, .. } = **observed;
                Ranked { has_answer, predicted: true, score: best, null_odds }
            });
            let ranking = Ranking::new(ranked.collect());
            for_precision(&coverage(&ranking), precision).map(|point| point.threshold)
        }
    }
}

/// How many of the odds are tried as thresholds, at most.
const CANDIDATES: usize = 500;

/// The threshold of the best F1, after the odds of each question are smoothed. Near its best, the counted F1 varies more by
/// chance than by threshold, so that its highest point may lie anywhere there.
///
/// The kernel is a logistic distribution as wide as Silverman's normal one, 1.06 σ n^(-1/5): "Density estimation for
/// statistics and data analysis", section 3.4.2. The narrower kernel that he prefers, for the shape of a density, smooths
/// less.
fn best_f1(observed: &[&Observation]) -> f64 {
    let mut odds: Vec<f64> = observed.iter().map(|observed| observed.null_odds).collect();
    odds.sort_by(f64::total_cmp);
    let count = odds.len().max(1) as f64;
    let mean = odds.iter().sum::<f64>() / count;
    let deviation = (odds.iter().map(|odds| (odds - mean).powi(2)).sum::<f64>() / count).sqrt();
    let scale = 1.06 * deviation * count.powf(-0.2) * 3.0_f64.sqrt() / std::f64::consts::PI;
    let scale = scale.max(f64::MIN_POSITIVE); // 0 where all odds are the same
    // The F1 that a threshold gains over never answering, times the number of questions.
    let gain = |threshold: f64| -> f64 {
        let of = |observed: &&Observation| {
            let answered = 1.0 / (1.0 + ((observed.null_odds - threshold) / scale).exp());
            answered * if observed.has_answer { observed.best.f1 } else { -1.0 }
        };
        observed.iter().map(of).sum()
    };
    // A threshold below all odds answers nothing.
    let mut best = (odds.first().map_or(0.0, |first| first - 1.0), 0.0);
    let candidates = odds.iter().rev().step_by(odds.len().div_ceil(CANDIDATES).max(1)).copied();
    // Between odds that lie further apart than the width of the kernel, the threshold is in the middle.
    let gaps = odds.windows(2).filter(|pair| pair[1] - pair[0] > scale).map(|pair| f64::midpoint(pair[0], pair[1]));
    for threshold in candidates.chain(gaps) {
        let gain = gain(threshold);
        if gain > best.1 {
            best = (threshold, gain);
        }
    }
    best.0
}

/// Folds of the cross-validation; fewer where there are fewer articles.
const FOLDS: usize = 10;

/// Cross-validation: for each question the fit to the articles of the other folds; articles go to the folds in turn. `None`
/// where there is only one article, or where some fit does not reach the precision.
pub fn held_out(observed: &[Observation], aim: Aim) -> Option<Vec<Fit>> {
    let articles: BTreeSet<usize> = observed.iter().map(|observed| observed.article).collect();
    let folds = FOLDS.min(articles.len());
    if folds < 2 {
        return None;
    }
    let fold_of: BTreeMap<usize, usize> = articles.into_iter().zip((0..folds).cycle()).collect();
    let others =
        |fold: usize| observed.iter().filter(|observed| fold_of[&observed.article] != fold).collect::<Vec<_>>();
    let fits = (0..folds).map(|fold| Fit::to(others(fold), aim)).collect::<Option<Vec<_>>>()?;
    Some(observed.iter().map(|observed| fits[fold_of[&observed.article]]).collect())
}

/// How good thresholds and scores are.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct CalibrationQuality {
    /// F1 of all questions, in percent.
    pub f1: f64,
    /// Share of the questions that are answered.
    pub answered: f64,
    /// Share of exact matches among the answers; `None` without answers.
    pub precision: Option<f64>,
    /// Expected calibration error of the scores of answers; `None` without answers.
    pub answers_error: Option<f64>,
    /// Expected calibration error of the scores of abstentions; `None` without abstentions.
    pub abstentions_error: Option<f64>,
}

impl CalibrationQuality {
    /// Measures questions, each with the fit to be used for it.
    pub fn of<'a>(questions: impl IntoIterator<Item = (&'a Observation, Fit)>) -> Self {
        let (mut answers, mut abstentions, mut f1) = (Vec::new(), Vec::new(), 0.0);
        for (observed, fitted) in questions {
            let Observation { tokens, best, .. } = *observed;
            if observed.null_odds <= fitted.threshold {
                f1 += best.f1;
                answers.push((fitted.score.probability(observed.score, tokens), best.exact));
            } else {
                let right = if observed.has_answer { 0.0 } else { 1.0 };
                f1 += right;
                abstentions.push((fitted.no_answer_score.probability(observed.no_answer_score, tokens), right));
            }
        }
        let questions = (answers.len() + abstentions.len()).max(1) as f64;
        let right: f64 = answers.iter().map(|(_, exact)| exact).sum();
        Self {
            f1: 100.0 * f1 / questions,
            answered: answers.len() as f64 / questions,
            precision: (!answers.is_empty()).then(|| right / answers.len() as f64),
            answers_error: reliability(answers).expected_calibration_error,
            abstentions_error: reliability(abstentions).expected_calibration_error,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random;

    const WRONG: Score = Score { exact: 0.0, f1: 0.0 };

    /// Questions of 17 articles with overconfident scores: the odds are the true ones times three.
    fn observed(count: u64) -> Vec<Observation> {
        let question = |i: u64| {
            let draw = |part| random::fraction(7, &[i, part]);
            let true_odds = 6.0 * draw(0) - 3.0;
            let has_answer = draw(1) < 1.0 / (1.0 + f64::exp(true_odds));
            let exact = if has_answer && draw(2) < 0.9 { 1.0 } else { 0.0 };
            let no_answer_score = 1.0 / (1.0 + f64::exp(-3.0 * true_odds));
            Observation {
                article: (i % 17) as usize,
                tokens: 1,
                has_answer,
                best: Score { exact, f1: exact },
                null_odds: 3.0 * true_odds,
                score: 1.0 - no_answer_score,
                no_answer_score,
            }
        };
        (0..count).map(question).collect()
    }

    #[test]
    fn scores_become_probabilities_on_articles_that_were_not_fitted_on() {
        let observed = observed(20_000);
        let before = CalibrationQuality::of(observed.iter().map(|observed| (observed, Fit::unchanged(0.0))));
        let fits = held_out(&observed, Aim::BestF1).unwrap();
        let after = CalibrationQuality::of(observed.iter().zip(fits));
        assert!(before.answers_error > Some(0.1) && before.abstentions_error > Some(0.1), "{before:?}");
        assert!(after.answers_error < Some(0.02) && after.abstentions_error < Some(0.02), "{after:?}");
        assert!((after.f1 - before.f1).abs() < 1.0, "{before:?} {after:?}");
        let fitted = Fit::to(&observed, Aim::BestF1).unwrap();
        assert!((fitted.no_answer_score.logit - 1.0 / 3.0).abs() < 0.05, "{fitted:?}");
    }

    #[test]
    fn the_best_threshold_balances_gains_and_costs() {
        // An answer gains 0.9 where there is a gold answer and costs 1 where there is none. Gain and cost are equal where the
        // true odds are ln 0.9, which are scaled by three here. With so few questions the highest counted F1 is often further
        // off.
        for first in 0..10 {
            let observed = &observed(22_000)[first * 2_000..][..4_000];
            let fitted = Fit::to(observed, Aim::BestF1).unwrap();
            assert!((fitted.threshold - 3.0 * 0.9_f64.ln()).abs() < 0.5, "{}", fitted.threshold);
        }
    }

    #[test]
    fn the_threshold_is_midway_between_distant_odds() {
        for (answered, unanswered) in [(1, 1), (10, 5), (5, 10)] {
            let right = Observation { null_odds: -5.0, has_answer: true, ..observed(1).remove(0) };
            let right = Observation { best: Score { exact: 1.0, f1: 1.0 }, ..right };
            let wrong = Observation { null_odds: 5.0, has_answer: false, best: WRONG, ..right.clone() };
            let observed = [vec![right; answered], vec![wrong; unanswered]].concat();
            assert_eq!(Fit::to(&observed, Aim::BestF1).unwrap().threshold, 0.0);
        }
    }

    #[test]
    fn a_precision_is_reached_or_there_is_no_threshold() {
        let observed = observed(20_000);
        let fitted = Fit::to(&observed, Aim::Precision(0.75)).unwrap();
        let quality = CalibrationQuality::of(observed.iter().map(|observed| (observed, fitted)));
        assert!(quality.precision >= Some(0.75) && quality.precision < Some(0.76), "{quality:?}");
        let held = held_out(&observed, Aim::Precision(0.75)).unwrap();
        assert!((CalibrationQuality::of(observed.iter().zip(held)).precision.unwrap() - 0.75).abs() < 0.02);
        assert_eq!(Fit::to(&observed, Aim::Precision(0.99)), None);
    }

    #[test]
    fn a_question_is_measured_by_fits_to_other_articles() {
        let mut observed = observed(2000);
        let before = held_out(&observed, Aim::BestF1).unwrap();
        // A change within a fold changes the fits of all other folds, and not its own.
        for observed in observed.iter_mut().filter(|observed| observed.article % FOLDS == 3) {
            observed.has_answer = !observed.has_answer;
        }
        let after = held_out(&observed, Aim::BestF1).unwrap();
        for ((observed, before), after) in observed.iter().zip(before).zip(after) {
            assert_eq!(before == after, observed.article % FOLDS == 3);
        }
        let one: Vec<_> = observed.iter().filter(|observed| observed.article == 0).cloned().collect();
        assert_eq!(held_out(&one, Aim::BestF1), None);
        assert_eq!(held_out(&[], Aim::BestF1), None);
        let last: Vec<_> = observed.iter().filter(|observed| observed.article == 16).cloned().collect();
        assert_eq!(held_out(&last, Aim::BestF1), None);
    }

    #[test]
    fn a_model_that_is_always_wrong_never_answers() {
        let wrong: Vec<_> =
            observed(100).into_iter().map(|o| Observation { has_answer: false, best: WRONG, ..o }).collect();
        let fitted = Fit::to(&wrong, Aim::BestF1).unwrap();
        let quality = CalibrationQuality::of(wrong.iter().map(|observed| (observed, fitted)));
        assert_eq!((quality.f1, quality.answered, quality.precision, quality.answers_error), (100.0, 0.0, None, None));
    }
}

//! Fits the thresholds of a model and turns its scores into probabilities; measures both on articles, and on kinds of data,
//! that were not fitted on.
//!
//! The questions are a mixture of parts. Each part counts the same, whatever its number of questions: every question has the
//! weight at which those of its part have the same sum as those of any other, and the mean weight is 1.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::Scored;
use super::coverage::ANSWERS_MIN;
use super::logistic::{self, Sample};
use super::reliability::weighted;
use crate::reader::{Abstain, Logistic};
use crate::squad::metrics::Score;

/// The goal of the threshold [`Abstain::Balanced`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Aim {
    /// The best F1 over all questions, on a smoothed curve.
    BestF1,
    /// As many answers as possible, of which at least this share are exact matches.
    Precision(f64),
}

/// The share of exact matches among the answers that [`Abstain::Strict`] gives.
pub const STRICT_PRECISION: f64 = 0.85;

/// The share that [`Abstain::Eager`] may refuse of the questions with an answer.
pub const EAGER_REFUSED: f64 = 0.2;

/// The answer of a model without calibration to a question, as far as it matters here.
#[derive(Debug, Clone, PartialEq)]
pub struct Observation {
    /// The article of the document: no fit is measured on an article that it was fitted on.
    pub article: usize,
    /// The part of the mixture.
    pub part: usize,
    /// The kind of data of this part; several parts may be of one kind.
    pub kind: usize,
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

impl Observation {
    /// The answer to a question of a part.
    pub fn new(scored: &Scored<'_>, part: usize, kind: usize) -> Self {
        let answer = &scored.outcome.answer;
        Self {
            article: scored.asked.article,
            part,
            kind,
            tokens: answer.tokens,
            has_answer: scored.has_answer(),
            best: scored.best,
            null_odds: answer.null_odds,
            score: scored.best_span().score,
            no_answer_score: answer.no_answer_score,
        }
    }
}

/// Thresholds, and the functions that turn scores into probabilities at the balanced one.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Fit {
    /// There is no answer where the null odds are larger: that of [`Abstain::Balanced`].
    pub threshold: f64,
    /// That of [`Abstain::Strict`]; `None` where the share of exact matches is reached by none, or by fewer answers than
    /// [`ANSWERS_MIN`].
    pub strict: Option<f64>,
    /// That of [`Abstain::Eager`].
    pub eager: f64,
    /// For the scores of answers.
    pub score: Logistic,
    /// For the scores of abstentions.
    pub no_answer_score: Logistic,
}

impl Fit {
    /// This threshold, with scores unchanged.
    pub fn unchanged(threshold: f64) -> Self {
        let as_it_is = Logistic { logit: 1.0, ln_tokens: 0.0, constant: 0.0 };
        Self { threshold, strict: None, eager: threshold, score: as_it_is, no_answer_score: as_it_is }
    }

    /// Fits the thresholds, then the scores at the balanced one: those of answers to whether they are exact matches, those of
    /// abstentions to whether there is no gold answer. `None` where no threshold reaches the precision.
    ///
    /// - strict: the largest threshold that is not above the balanced one at which the share of exact matches among the
    ///   answers is [`STRICT_PRECISION`]
    /// - eager: the smallest that is not below it at which the share of questions without an answer given, of those that
    ///   have one, is [`EAGER_REFUSED`]
    pub fn to<'a>(observed: impl IntoIterator<Item = &'a Observation>, aim: Aim) -> Option<Self> {
        let observed = weigh(observed);
        let threshold = match aim {
            Aim::BestF1 => best_f1(&observed),
            Aim::Precision(precision) => for_precision(&observed, precision, f64::INFINITY)?,
        };
        let strict = for_precision(&observed, STRICT_PRECISION, threshold);
        let eager = for_refused(&observed, EAGER_REFUSED).map_or(threshold, |eager| eager.max(threshold));
        let (answers, abstentions): (Vec<_>, Vec<_>) = observed.iter().partition(|(o, _)| o.null_odds <= threshold);
        let answer = |&(o, weight): &Weighted<'_>| Sample {
            score: o.score,
            tokens: o.tokens,
            right: o.best.exact == 1.0,
            weight,
        };
        let abstention = |&(o, weight): &Weighted<'_>| Sample {
            score: o.no_answer_score,
            tokens: o.tokens,
            right: !o.has_answer,
            weight,
        };
        let score = logistic::fit(&answers.iter().map(answer).collect::<Vec<_>>());
        let no_answer_score = logistic::fit(&abstentions.iter().map(abstention).collect::<Vec<_>>());
        Some(Self { threshold, strict, eager, score, no_answer_score })
    }

    /// The thresholds by name.
    pub fn thresholds(&self) -> BTreeMap<Abstain, f64> {
        Abstain::ALL.into_iter().filter_map(|abstain| Some((abstain, self.at(abstain)?.threshold))).collect()
    }

    /// The same fit with another threshold as the one in use; `None` where it has none of this name.
    pub fn at(&self, abstain: Abstain) -> Option<Self> {
        let threshold = match abstain {
            Abstain::Strict => self.strict?,
            Abstain::Balanced => self.threshold,
            Abstain::Eager => self.eager,
        };
        Some(Self { threshold, ..*self })
    }
}

/// An answer and its weight.
type Weighted<'a> = (&'a Observation, f64);

/// Gives each part the same weight, in order of the null odds, the least first.
fn weigh<'a>(observed: impl IntoIterator<Item = &'a Observation>) -> Vec<Weighted<'a>> {
    let mut observed: Vec<&Observation> = observed.into_iter().collect();
    observed.sort_by(|a, b| a.null_odds.total_cmp(&b.null_odds));
    let mut counts: BTreeMap<usize, usize> = BTreeMap::new();
    observed.iter().for_each(|observed| *counts.entry(observed.part).or_default() += 1);
    let share = observed.len() as f64 / counts.len().max(1) as f64; // of each part
    observed.into_iter().map(|observed| (observed, share / counts[&observed.part] as f64)).collect()
}

/// The largest threshold, at most `most`, at which this share of the answers are exact matches, with [`ANSWERS_MIN`] answers
/// or more.
fn for_precision(observed: &[Weighted<'_>], precision: f64, most: f64) -> Option<f64> {
    let (mut answers, mut right) = (0.0, 0.0);
    let mut found = None;
    for (i, (answer, weight)) in observed.iter().enumerate().take_while(|(_, (answer, _))| answer.null_odds <= most) {
        answers += weight;
        right += weight * answer.best.exact;
        let last_of_its_odds = observed.get(i + 1).is_none_or(|(next, _)| next.null_odds != answer.null_odds);
        if last_of_its_odds && i + 1 >= ANSWERS_MIN && right >= precision * answers {
            found = Some(answer.null_odds);
        }
    }
    found
}

/// The smallest threshold that refuses at most this share of the questions with an answer; `None` without such questions.
fn for_refused(observed: &[Weighted<'_>], share: f64) -> Option<f64> {
    let has_answer: Vec<_> = observed.iter().filter(|(observed, _)| observed.has_answer).collect();
    let all: f64 = has_answer.iter().map(|(_, weight)| weight).sum();
    let mut answered = 0.0;
    // The weights are sums of rounded numbers.
    let is_enough = |(_, weight): &&Weighted<'_>| {
        answered += weight;
        answered >= (1.0 - share) * all * (1.0 - 1e-12)
    };
    has_answer.into_iter().find(is_enough).map(|(observed, _)| observed.null_odds)
}

/// How many of the odds are tried as thresholds, at most.
const CANDIDATES: usize = 500;

/// The threshold of the best F1, after the odds of each question are smoothed. Near its best, the counted F1 varies more by
/// chance than by threshold, so that its highest point may lie anywhere there.
///
/// The kernel is a logistic distribution as wide as Silverman's normal one, 1.06 σ n^(-1/5): "Density estimation for
/// statistics and data analysis", section 3.4.2. The narrower kernel that he prefers, for the shape of a density, smooths
/// less. Where weights differ, n is Kish's effective number of questions, (Σw)² / Σw²: "Survey sampling" (1965).
fn best_f1(observed: &[Weighted<'_>]) -> f64 {
    let odds: Vec<f64> = observed.iter().map(|(observed, _)| observed.null_odds).collect();
    let sum = |value: &dyn Fn(&Weighted<'_>) -> f64| observed.iter().map(value).sum::<f64>();
    let weights = sum(&|(_, weight)| *weight).max(f64::MIN_POSITIVE);
    let count = weights.powi(2) / sum(&|(_, weight)| weight.powi(2)).max(f64::MIN_POSITIVE);
    let mean = sum(&|(observed, weight)| weight * observed.null_odds) / weights;
    let deviation = (sum(&|(observed, weight)| weight * (observed.null_odds - mean).powi(2)) / weights).sqrt();
    let scale = 1.06 * deviation * count.max(1.0).powf(-0.2) * 3.0_f64.sqrt() / std::f64::consts::PI;
    let scale = scale.max(f64::MIN_POSITIVE); // 0 where all odds are the same
    // The F1 that a threshold gains over never answering, times the number of questions.
    let gain = |threshold: f64| -> f64 {
        sum(&|(observed, weight)| {
            let answered = 1.0 / (1.0 + ((observed.null_odds - threshold) / scale).exp());
            weight * answered * if observed.has_answer { observed.best.f1 } else { -1.0 }
        })
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

/// What a fit is measured on that it was not fitted on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HeldOut {
    /// Every second article, then the others.
    HalfOfArticles,
    /// Each kind of data in turn.
    Kind,
}

/// For each question the fit to those that were not held out with it. `None` where all would be held out, or where some fit
/// does not reach the precision.
pub fn held_out(observed: &[Observation], aim: Aim, held: HeldOut) -> Option<Vec<Fit>> {
    let group = |observed: &Observation| match held {
        HeldOut::HalfOfArticles => observed.article,
        HeldOut::Kind => observed.kind,
    };
    let groups: BTreeSet<usize> = observed.iter().map(group).collect();
    let folds = if held == HeldOut::HalfOfArticles { groups.len().min(2) } else { groups.len() };
    if folds < 2 {
        return None;
    }
    let fold_of: BTreeMap<usize, usize> = groups.into_iter().zip((0..folds).cycle()).collect();
    let fold_of = |observed: &Observation| fold_of[&group(observed)];
    let others = |fold: usize| observed.iter().filter(move |observed| fold_of(observed) != fold);
    let fits = (0..folds).map(|fold| Fit::to(others(fold), aim)).collect::<Option<Vec<_>>>()?;
    Some(observed.iter().map(|observed| fits[fold_of(observed)]).collect())
}

/// How good thresholds and scores are, where each part of the mixture counts the same.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct CalibrationQuality {
    /// F1 of all questions, in percent.
    pub f1: f64,
    /// F1 of those that have an answer, in percent; `None` without any.
    pub has_answer_f1: Option<f64>,
    /// F1 of those that have none, in percent: how many are refused; `None` without any.
    pub no_answer_f1: Option<f64>,
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
        let questions: Vec<(&Observation, Fit)> = questions.into_iter().collect();
        let mut counts: BTreeMap<usize, f64> = BTreeMap::new();
        questions.iter().for_each(|(observed, _)| *counts.entry(observed.part).or_default() += 1.0);
        let (mut answers, mut abstentions) = (Vec::new(), Vec::new());
        let mut f1 = [(0.0, 0.0); 2]; // (sum, weight) without and with an answer
        for (observed, fitted) in questions {
            let Observation { tokens, best, .. } = *observed;
            let weight = 1.0 / counts[&observed.part];
            let no_answer = if observed.has_answer { 0.0 } else { 1.0 };
            let is_answered = observed.null_odds <= fitted.threshold;
            let (sum, weights) = &mut f1[usize::from(observed.has_answer)];
            *sum += weight * if is_answered { best.f1 } else { no_answer };
            *weights += weight;
            if is_answered {
                answers.push((fitted.score.probability(observed.score, tokens), best.exact, weight));
            } else {
                let confidence = fitted.no_answer_score.probability(observed.no_answer_score, tokens);
                abstentions.push((confidence, no_answer, weight));
            }
        }
        // From 0 on, because the sum of no numbers is -0.
        let sum = |of: &[(f64, f64, f64)], value: fn(&(f64, f64, f64)) -> f64| {
            of.iter().map(value).fold(0.0, |sum, x| sum + x)
        };
        let answered = sum(&answers, |answer| answer.2);
        let right = sum(&answers, |answer| answer.1 * answer.2);
        let percent = |(sum, weights): (f64, f64)| (weights > 0.0).then(|| 100.0 * sum / weights);
        let [without, with] = f1;
        let all = (without.0 + with.0, without.1 + with.1);
        Self {
            f1: percent(all).unwrap_or(0.0),
            has_answer_f1: percent(with),
            no_answer_f1: percent(without),
            answered: if all.1 > 0.0 { answered / all.1 } else { 0.0 },
            precision: (!answers.is_empty()).then(|| right / answered),
            answers_error: weighted(answers).expected_calibration_error,
            abstentions_error: weighted(abstentions).expected_calibration_error,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random;

    const HALVES: HeldOut = HeldOut::HalfOfArticles;
    const RIGHT: Score = Score { exact: 1.0, f1: 1.0 };
    const HALF_RIGHT: Score = Score { exact: 0.0, f1: 0.5 };
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
                part: 0,
                kind: 0,
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
        let fits = held_out(&observed, Aim::BestF1, HALVES).unwrap();
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
        let held = held_out(&observed, Aim::Precision(0.75), HALVES).unwrap();
        assert!((CalibrationQuality::of(observed.iter().zip(held)).precision.unwrap() - 0.75).abs() < 0.02);
        assert_eq!(Fit::to(&observed, Aim::Precision(0.99)), None);
    }

    #[test]
    fn a_question_is_measured_by_fits_to_other_articles() {
        let mut observed = observed(2000);
        let before = held_out(&observed, Aim::BestF1, HALVES).unwrap();
        // A change within one half changes the fit of the other half, and not its own.
        for observed in observed.iter_mut().filter(|observed| observed.article % 2 == 1) {
            observed.has_answer = !observed.has_answer;
        }
        let after = held_out(&observed, Aim::BestF1, HALVES).unwrap();
        for ((observed, before), after) in observed.iter().zip(before).zip(after) {
            assert_eq!(before == after, observed.article % 2 == 1);
        }
        let one: Vec<_> = observed.iter().filter(|observed| observed.article == 0).cloned().collect();
        assert_eq!(held_out(&one, Aim::BestF1, HALVES), None);
        assert_eq!(held_out(&[], Aim::BestF1, HALVES), None);
        let last: Vec<_> = observed.iter().filter(|observed| observed.article == 16).cloned().collect();
        assert_eq!(held_out(&last, Aim::BestF1, HALVES), None);
    }

    /// Questions of a part whose null odds are these numbers; without a score, they have no answer.
    fn part(part: usize, odds: std::ops::Range<i32>, best: Option<Score>) -> Vec<Observation> {
        let usual = observed(1).remove(0);
        let of = |odds: i32| Observation {
            article: odds as usize % 10,
            part,
            kind: part,
            has_answer: best.is_some(),
            best: best.unwrap_or(WRONG),
            null_odds: f64::from(odds),
            ..usual.clone()
        };
        odds.map(of).collect()
    }

    #[test]
    fn strict_answers_are_right_as_often_as_it_promises() {
        // Of 117 answers 100 are exact matches, which is more than 85%, and of 118 it is less. More answers still raise F1.
        let questions = [part(0, 0..100, Some(RIGHT)), part(0, 100..200, Some(HALF_RIGHT))].concat();
        let fitted = Fit::to(&questions, Aim::BestF1).unwrap();
        assert_eq!((fitted.threshold, fitted.strict, fitted.eager), (199.0, Some(116.0), 199.0));
        let names = [(Abstain::Strict, 116.0), (Abstain::Balanced, 199.0), (Abstain::Eager, 199.0)];
        assert_eq!(fitted.thresholds(), names.into());
        // As two parts of the same weight, 50 of one count as 100 of the other: at 107 it is 100 of 116, at 108 of 118.
        let questions = [part(0, 0..100, Some(RIGHT)), part(1, 100..150, Some(HALF_RIGHT))].concat();
        assert_eq!(Fit::to(&questions, Aim::BestF1).unwrap().strict, Some(107.0));
        // Equal odds stand together, and 20 answers prove nothing.
        let equal = [part(0, 0..40, Some(RIGHT)), vec![part(0, 40..41, None).remove(0); 10]].concat();
        assert_eq!(Fit::to(&equal, Aim::Precision(0.85)).unwrap().threshold, 39.0);
        let few = [part(0, 0..20, Some(RIGHT)), part(0, 20..60, Some(HALF_RIGHT))].concat();
        let fitted = Fit::to(&few, Aim::BestF1).unwrap();
        assert_eq!((fitted.strict, fitted.at(Abstain::Strict)), (None, None));
        assert_eq!(fitted.thresholds().keys().collect::<Vec<_>>(), [&Abstain::Balanced, &Abstain::Eager]);
        // Where the balanced answers are right more often than strict ones need to be, both are the same.
        let good = [part(0, 0..100, Some(RIGHT)), part(0, 300..400, None)].concat();
        let fitted = Fit::to(&good, Aim::BestF1).unwrap();
        assert!(fitted.strict == Some(99.0) && fitted.threshold >= 99.0 && fitted.threshold < 300.0, "{fitted:?}");
    }

    #[test]
    fn eager_refuses_at_most_one_in_five_that_have_an_answer() {
        // 70 answers, then 70 questions without one, then 30 answers: the 80th answer has the odds 209.
        let questions = [part(0, 0..70, Some(RIGHT)), part(0, 100..170, None), part(0, 200..230, Some(RIGHT))];
        let fitted = Fit::to(&questions.concat(), Aim::BestF1).unwrap();
        assert!(fitted.threshold < 105.0, "{fitted:?}");
        assert_eq!(fitted.eager, 209.0);
        // Parts count the same: all 100 of one and 6 of the 10 of the other are four fifths.
        let parts = [part(0, 0..100, Some(RIGHT)), part(1, 1000..1010, Some(HALF_RIGHT)), part(2, 500..600, None)];
        let fitted = Fit::to(&parts.concat(), Aim::BestF1).unwrap();
        assert!(fitted.threshold < 550.0, "{fitted:?}");
        assert_eq!(fitted.eager, 1005.0);
        // Without any question that has an answer there is nothing to be refused.
        let none = Fit::to(&part(0, 0..9, None), Aim::BestF1).unwrap();
        assert_eq!((none.threshold, none.eager, none.strict), (-1.0, -1.0, None));
    }

    #[test]
    fn every_part_counts_the_same() {
        let questions = [part(0, 0..1, Some(RIGHT)), part(1, 5..8, Some(HALF_RIGHT)), part(2, 3..4, None)].concat();
        let found = CalibrationQuality::of(questions.iter().map(|observed| (observed, Fit::unchanged(6.0))));
        // Part 1 has F1 0.5, 0.5 and 0; the answer of part 2 is wrong.
        let close = |found: Option<f64>, wanted: f64| (found.unwrap() - wanted).abs() < 1e-9;
        assert!(close(Some(found.f1), 100.0 * (1.0 + 1.0 / 3.0) / 3.0), "{found:?}");
        assert!(close(found.has_answer_f1, 100.0 * (1.0 + 1.0 / 3.0) / 2.0) && close(found.no_answer_f1, 0.0));
        assert!(close(Some(found.answered), (1.0 + 2.0 / 3.0 + 1.0) / 3.0), "{found:?}");
        assert!(close(found.precision, 1.0 / (1.0 + 2.0 / 3.0 + 1.0)), "{found:?}");
    }

    #[test]
    fn a_kind_of_data_is_measured_by_fits_to_the_others() {
        let mut observed = observed(900);
        observed.iter_mut().enumerate().for_each(|(i, observed)| (observed.part, observed.kind) = (i % 6, i % 3));
        let before = held_out(&observed, Aim::BestF1, HeldOut::Kind).unwrap();
        for observed in observed.iter_mut().filter(|observed| observed.kind == 1) {
            observed.has_answer = !observed.has_answer;
        }
        let after = held_out(&observed, Aim::BestF1, HeldOut::Kind).unwrap();
        for ((observed, before), after) in observed.iter().zip(before).zip(after) {
            assert_eq!(before == after, observed.kind == 1);
        }
        observed.retain(|observed| observed.kind == 1);
        assert_eq!(held_out(&observed, Aim::BestF1, HeldOut::Kind), None);
    }

    #[test]
    fn a_model_that_is_always_wrong_never_answers() {
        let wrong: Vec<_> =
            observed(100).into_iter().map(|o| Observation { has_answer: false, best: WRONG, ..o }).collect();
        let fitted = Fit::to(&wrong, Aim::BestF1).unwrap();
        let quality = CalibrationQuality::of(wrong.iter().map(|observed| (observed, fitted)));
        assert_eq!((quality.f1, quality.answered, quality.precision, quality.answers_error), (100.0, 0.0, None, None));
        assert!(quality.answered.is_sign_positive(), "{quality:?}");
    }
}

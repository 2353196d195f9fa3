//! Risk over coverage: how often answers are wrong when only those with the best odds are given.
//!
//! A threshold answers the questions whose null odds are not above it. Its coverage is their share of all questions,
//! including those without a gold answer; its precision is the share of exact matches among the answers; its risk is
//! 1 − precision.
//! El-Yaniv, Wiener, "On the foundations of noise-free selective classification" (2010).

use serde::Serialize;

use crate::squad::ranking::Ranking;

/// One point of the curve.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Coverage {
    /// The threshold: there is no answer where the null odds are larger.
    pub threshold: f64,
    /// Questions that are answered.
    pub answers: usize,
    /// Their share of all questions.
    pub coverage: f64,
    /// Share of the answers that are exact matches.
    pub precision: f64,
    /// Mean F1 of the answers, in percent.
    pub f1: f64,
}

/// A point for every threshold that answers more questions than the one before, from few answers to all.
pub fn coverage(ranking: &Ranking) -> Vec<Coverage> {
    let questions = ranking.questions();
    let (mut answers, mut exact, mut f1) = (0, 0.0, 0.0);
    let mut curve = Vec::new();
    for (i, question) in questions.iter().enumerate() {
        if question.predicted {
            answers += 1;
            exact += question.score.exact;
            f1 += question.score.f1;
        }
        let last_of_its_odds = questions.get(i + 1).is_none_or(|next| next.null_odds != question.null_odds);
        if last_of_its_odds && answers > curve.last().map_or(0, |point: &Coverage| point.answers) {
            let count = answers as f64;
            let (coverage, precision, f1) = (count / questions.len() as f64, exact / count, 100.0 * (f1 / count));
            curve.push(Coverage { threshold: question.null_odds, answers, coverage, precision, f1 });
        }
    }
    curve
}

/// The mean risk over all coverages that the curve reaches, which is the area under risk over coverage. `None` where no
/// question is answered.
pub fn risk_area(curve: &[Coverage]) -> Option<f64> {
    let mut before = 0.0;
    let step = |point: &Coverage| {
        let width = point.coverage - before;
        before = point.coverage;
        width * (1.0 - point.precision)
    };
    let area: f64 = curve.iter().map(step).sum();
    curve.last().map(|last| area / last.coverage)
}

/// The first point whose coverage is at least `share`.
pub fn at_coverage(curve: &[Coverage], share: f64) -> Option<Coverage> {
    curve.get(curve.partition_point(|point| point.coverage < share)).copied()
}

/// The precision of fewer answers is not reliable.
pub const ANSWERS_MIN: usize = 30;

/// The point of largest coverage among those with at least this precision and at least [`ANSWERS_MIN`] answers.
pub fn for_precision(curve: &[Coverage], precision: f64) -> Option<Coverage> {
    let enough = |point: &&Coverage| point.answers >= ANSWERS_MIN && point.precision >= precision;
    curve.iter().rev().find(enough).copied()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::squad::metrics::Score;
    use crate::squad::ranking::Ranked;

    #[test]
    fn the_curve_agrees_with_counting_by_hand() {
        let ranked = |(null_odds, exact, predicted)| Ranked {
            has_answer: true,
            predicted,
            score: Score { exact, f1: exact },
            null_odds,
        };
        let questions = [(-2.0, 1.0, true), (-1.0, 0.0, true), (-1.0, 1.0, true), (0.0, 0.0, false), (3.0, 0.0, true)];
        let ranking = Ranking::new(questions.map(ranked).into());
        let curve = coverage(&ranking);
        // By hand: how many of the five are answered, and right, at each threshold.
        let expected = [(-2.0, 1.0, 1.0), (-1.0, 3.0, 2.0), (3.0, 4.0, 2.0)];
        assert_eq!(curve.len(), expected.len());
        for (point, (threshold, answers, right)) in curve.iter().zip(expected) {
            assert_eq!((point.threshold, point.answers), (threshold, answers as usize));
            assert_eq!((point.coverage, point.precision), (answers / 5.0, right / answers));
        }
        let area = (1.0 * 0.0 + 2.0 / 3.0 + 0.5) / 4.0;
        assert!((risk_area(&curve).unwrap() - area).abs() < 1e-12);
        assert_eq!(at_coverage(&curve, 0.3), Some(curve[1]));
        assert_eq!(at_coverage(&curve, 0.9), None);
        assert_eq!(for_precision(&curve, 0.6), None);
        let many = curve.iter().map(|point| Coverage { answers: 30 * point.answers, ..*point }).collect::<Vec<_>>();
        assert_eq!(for_precision(&many, 0.6), Some(many[1]));
        assert_eq!(for_precision(&many, 1.1), None);
        assert_eq!(risk_area(&[]), None);
        let tied = Ranking::new(vec![ranked((1.0, 1.0, true)), ranked((1.0, 0.0, false))]);
        assert_eq!(coverage(&tied).len(), 1);
    }
}

//! What evaluate-v2.0.py computes from predictions and their null odds: the best thresholds, and the curves of precision
//! and recall.
//!
//! Questions are sorted by their odds, the least first. Questions of equal odds stay in the order of the file. Of these the
//! best threshold takes one after the other, as the script does; the curves take them together.

use serde::Serialize;
use serde_json::Number;

use super::metrics::{OfficialFigures, Score};

/// A question of a ranking.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Ranked {
    /// Whether it has a gold answer.
    pub has_answer: bool,
    /// Whether the prediction has any text.
    pub predicted: bool,
    /// Exact match and F1 of the prediction, whatever the odds.
    pub score: Score,
    /// The larger, the less likely is an answer. Probabilities of 'no answer' will do too.
    pub null_odds: f64,
}

/// Questions by their null odds, the least first.
#[derive(Debug, Clone, PartialEq)]
pub struct Ranking {
    questions: Vec<Ranked>,
}

/// The value of a metric at a threshold.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AtThreshold {
    /// The value, in percent.
    pub value: f64,
    /// There is no answer where the odds are larger than this.
    pub threshold: f64,
}

/// A curve of precision over recall.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PrecisionRecall {
    /// The area under its steps, in percent.
    pub average_precision: f64,
    /// (recall, precision) at every threshold, from 0 to 1; it begins at (0, 1).
    pub points: Vec<(f64, f64)>,
}

impl Ranking {
    /// Ranks questions; those of equal odds stay in order. Odds that are no number come last.
    pub fn new(mut questions: Vec<Ranked>) -> Self {
        // `total_cmp` tells -0 from 0, and signs of NaN: a sum with 0 is never -0.
        let key = |odds: f64| if odds.is_nan() { f64::NAN } else { odds + 0.0 };
        questions.sort_by(|a, b| key(a.null_odds).total_cmp(&key(b.null_odds)));
        Self { questions }
    }

    /// The questions, the least odds first.
    pub fn questions(&self) -> &[Ranked] {
        &self.questions
    }

    /// How many of them have an answer.
    pub fn has_answer(&self) -> usize {
        self.questions.iter().filter(|question| question.has_answer).count()
    }

    /// The threshold with the best mean `value` of the scores; 0 where none is better than never answering.
    pub fn best_threshold(&self, value: impl Fn(&Score) -> f64) -> AtThreshold {
        let mut best = (0.0, (self.questions.len() - self.has_answer()) as f64);
        for (threshold, sum) in self.sums(value) {
            if sum > best.1 {
                best = (threshold, sum);
            }
        }
        AtThreshold { value: self.percent(best.1), threshold: best.0 }
    }

    /// The mean value over all questions with each of the odds as the threshold, ascending. Unlike the best threshold this
    /// takes equal odds together, as a threshold does.
    pub fn by_threshold(&self, value: impl Fn(&Score) -> f64) -> Vec<AtThreshold> {
        let mut points: Vec<AtThreshold> = Vec::new();
        for (threshold, sum) in self.sums(value) {
            points.pop_if(|last| last.threshold == threshold);
            points.push(AtThreshold { value: self.percent(sum), threshold });
        }
        points
    }

    /// (threshold, sum of the values of all questions) when the questions up to this one are answered.
    fn sums(&self, value: impl Fn(&Score) -> f64) -> impl Iterator<Item = (f64, f64)> {
        let mut sum = (self.questions.len() - self.has_answer()) as f64;
        self.questions.iter().map(move |question| {
            sum += match question {
                Ranked { has_answer: true, score, .. } => value(score),
                Ranked { predicted: true, .. } => -1.0,
                _ => 0.0,
            };
            (question.null_odds, sum)
        })
    }

    fn percent(&self, sum: f64) -> f64 {
        100.0 * sum / self.questions.len().max(1) as f64
    }

    /// Precision over recall, where `value` is that of a prediction whose question has a gold answer. `None` where no
    /// question has one.
    pub fn precision_recall(&self, value: impl Fn(&Score) -> f64) -> Option<PrecisionRecall> {
        let has_answer = self.has_answer();
        if has_answer == 0 {
            return None;
        }
        let mut points = vec![(0.0, 1.0)];
        let (mut right, mut area) = (0.0, 0.0);
        for (i, question) in self.questions.iter().enumerate() {
            if question.has_answer {
                right += value(&question.score);
            }
            // A threshold can only lie behind the last of equal odds.
            if self.questions.get(i + 1).is_some_and(|next| next.null_odds == question.null_odds) {
                continue;
            }
            let (precision, recall) = (right / (i + 1) as f64, right / has_answer as f64);
            area += precision * (recall - points[points.len() - 1].0);
            points.push((recall, precision));
        }
        Some(PrecisionRecall { points, average_precision: 100.0 * area })
    }

    /// The figures under the official keys, in the official order.
    ///
    /// # Panics
    /// If odds are infinite or no number. [`odds_of`](super::official::odds_of) finds these.
    pub fn figures(&self) -> OfficialFigures {
        let mut figures = Vec::new();
        let mut add = |key: String, value: f64| figures.push((key, Number::from_f64(value).expect("finite odds")));
        for (name, value) in METRICS {
            let AtThreshold { value, threshold } = self.best_threshold(value);
            add(format!("best_{name}"), value);
            add(format!("best_{name}_thresh"), threshold);
        }
        for (name, value) in METRICS.into_iter().chain([ORACLE]) {
            if let Some(curve) = self.precision_recall(value) {
                add(format!("pr_{name}_ap"), curve.average_precision);
            }
        }
        figures
    }
}

type Metric = (&'static str, fn(&Score) -> f64);

/// The two metrics of a prediction.
pub const METRICS: [Metric; 2] = [("exact", |score| score.exact), ("f1", |score| score.f1)];

/// The metric of an oracle, which is right wherever there is a gold answer: how well the odds separate questions with an
/// answer from those without.
pub const ORACLE: Metric = ("oracle", |_| 1.0);

#[cfg(test)]
mod tests {
    use super::*;

    fn ranking(questions: &[(f64, bool, f64)]) -> Ranking {
        let ranked = |&(null_odds, has_answer, f1): &(f64, bool, f64)| Ranked {
            has_answer,
            predicted: true,
            score: Score { exact: f1.floor(), f1 },
            null_odds,
        };
        Ranking::new(questions.iter().map(ranked).collect())
    }

    #[test]
    fn the_best_threshold_may_split_equal_odds_but_points_of_curves_may_not() {
        let ranking = ranking(&[(1.0, true, 1.0), (-1.0, true, 0.5), (1.0, false, 0.0), (2.0, true, 1.0)]);
        let best = |value: f64, threshold: f64| AtThreshold { value, threshold };
        assert_eq!(ranking.best_threshold(|score| score.f1), best(62.5, 1.0));
        let sums: Vec<_> = ranking.by_threshold(|score| score.f1).iter().map(|at| at.value).collect();
        assert_eq!(sums, [37.5, 37.5, 62.5]);
        let curve = ranking.precision_recall(|score| score.f1).unwrap();
        assert_eq!(curve.points, [(0.0, 1.0), (0.5 / 3.0, 0.5), (0.5, 0.5), (2.5 / 3.0, 0.625)]);
    }

    #[test]
    fn odds_of_any_kind_have_an_order() {
        let odds = [f64::NAN, 0.0, f64::INFINITY, -f64::NAN, -0.0, f64::NEG_INFINITY, 1.0];
        let questions: Vec<_> = odds.into_iter().zip(0..).map(|(odds, at)| (odds, true, f64::from(at))).collect();
        let order: Vec<_> = ranking(&questions.repeat(9)).questions().iter().map(|one| one.score.f1 as usize).collect();
        let repeated = |ones: &[usize]| ones.repeat(9);
        assert_eq!(
            order,
            [repeated(&[5]), repeated(&[1, 4]), repeated(&[6]), repeated(&[2]), repeated(&[0, 3])].concat()
        );
    }

    #[test]
    fn without_questions_there_is_nothing_to_rank() {
        let none = ranking(&[]);
        assert_eq!(none.best_threshold(|score| score.f1), AtThreshold { value: 0.0, threshold: 0.0 });
        assert_eq!(none.precision_recall(|score| score.f1), None);
        assert_eq!(ranking(&[(0.0, false, 0.0)]).figures().len(), 4);
    }
}

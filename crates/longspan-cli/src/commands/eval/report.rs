//! Every measurement. The fields are the keys of report.json; terminal, plots and page show the same.
//!
//! Exact match, F1, their errors and average precision are in percent, as in the official figures; all other shares
//! (coverage, precision, recall, confidence, accuracy) are from 0 to 1.

use std::collections::BTreeSet;

use longspan::Abstain;
use longspan::evaluate::coverage::{Coverage, at_coverage, coverage, for_precision, risk_area};
use longspan::evaluate::reliability::{Reliability, reliability};
use longspan::evaluate::slices::{Slice, SliceFigures, slices};
use longspan::squad::ranking::{METRICS, ORACLE, PrecisionRecall, Ranking};
use serde::{Serialize, Serializer};
use serde_json::Number;

use super::evaluation::{Evaluation, QuestionResult};
use crate::cli::EvalArgs;
use crate::data::squad::SquadData;

/// Coverages whose precision is shown.
const COVERAGES: [f64; 10] = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0];
/// Precisions whose threshold is shown.
const PRECISIONS: [f64; 7] = [0.95, 0.9, 0.85, 0.8, 0.75, 0.7, 0.6];
/// A curve keeps about so many points, from its first to its last.
const POINTS_MAX: usize = 400;
/// The official histogram has so many bins; these have a round width, so there may be one more or fewer.
const HISTOGRAM_BINS: usize = 20;

/// The content of report.json.
#[derive(Debug, Serialize)]
pub struct EvalReport {
    /// Under the official keys, in their order.
    pub official: JsonObject<String, Number>,
    pub data: DataSummary,
    /// How a model was asked; null where predictions were read.
    pub run: Option<RunSummary>,
    pub by_length: Vec<SliceRow>,
    pub by_position: Vec<SliceRow>,
    /// Null without null odds.
    pub abstention: Option<Abstention>,
    /// Whether scores are probabilities; null where predictions were read.
    pub calibration: Option<CalibrationCheck>,
}

/// A JSON object whose keys stay in this order.
#[derive(Debug)]
pub struct JsonObject<K, V>(pub Vec<(K, V)>);

impl<K: Serialize, V: Serialize> Serialize for JsonObject<K, V> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(key, value)| (key, value)))
    }
}

/// What was asked.
#[derive(Debug, Serialize)]
pub struct DataSummary {
    pub files: Vec<String>,
    pub questions: usize,
    pub articles: usize,
    pub documents: usize,
    /// Tokens of a document, on average over the questions; null where they were not counted.
    pub mean_tokens: Option<f64>,
    pub context_tokens: Option<usize>,
    pub limit: Option<usize>,
    pub seed: u64,
    /// Bad parts of the data that were left out.
    pub skipped: usize,
    /// Questions without a prediction; they are left out too.
    pub missing: usize,
}

/// How a model was asked.
#[derive(Debug, Serialize)]
pub struct RunSummary {
    pub model: String,
    pub precision: String,
    pub instruction_set: String,
    pub threads: usize,
    pub threshold: f64,
    /// The name of this threshold, where it was asked for by name.
    pub abstain: Option<Abstain>,
    /// Tokens that verified an answer; 0: none did.
    pub verify_tokens: usize,
    /// The data that its scores were calibrated on.
    pub calibrated_on: Option<String>,
    /// Questions that were asked in this run; the others were known from an earlier one.
    pub asked: usize,
    pub seconds: f64,
    pub questions_per_second: f64,
    pub tokens_per_second: f64,
    pub peak_memory_bytes: Option<u64>,
}

/// Questions of a range of lengths or positions.
#[derive(Debug, Serialize)]
pub struct SliceRow {
    pub tokens_from: usize,
    /// Null where the range has no end.
    pub tokens_to: Option<usize>,
    #[serde(flatten)]
    pub all: SliceFigures,
    /// Those that have an answer and those that have none; null where there are none, or all questions are of one kind.
    pub has_answer: Option<SliceFigures>,
    pub no_answer: Option<SliceFigures>,
}

/// What thresholds on the null odds give.
#[derive(Debug, Serialize)]
pub struct Abstention {
    /// Mean risk over all coverages; null without any answer.
    pub risk_coverage_area: Option<f64>,
    pub at_coverage: Vec<ThresholdPoint>,
    pub for_precision: Vec<ThresholdPoint>,
    pub risk_coverage: Vec<ThresholdPoint>,
    /// (recall, precision), by name.
    pub precision_recall: Vec<PrecisionRecallCurve>,
    pub null_odds: NullOddsHistogram,
    /// (threshold, exact, F1 over all questions), in percent.
    pub by_threshold: Vec<(f64, f64, f64)>,
}

/// What one threshold gives.
#[derive(Debug, Serialize)]
pub struct ThresholdPoint {
    /// The coverage or precision that was wanted.
    pub wanted: Option<f64>,
    #[serde(flatten)]
    pub found: Coverage,
}

/// A curve of precision over recall.
#[derive(Debug, Serialize)]
pub struct PrecisionRecallCurve {
    pub name: &'static str,
    #[serde(flatten)]
    pub curve: PrecisionRecall,
}

/// How the null odds are spread.
#[derive(Debug, Serialize)]
pub struct NullOddsHistogram {
    /// One more than bins.
    pub edges: Vec<f64>,
    /// Shares of the questions that have an answer.
    pub has_answer: Vec<f64>,
    /// Shares of those that have none.
    pub no_answer: Vec<f64>,
}

/// Reliability diagrams.
#[derive(Debug, Serialize)]
pub struct CalibrationCheck {
    pub all: Reliability,
    /// Of answers, by their score.
    pub answers: Reliability,
    /// Of abstentions, by their no-answer score.
    pub abstentions: Reliability,
}

impl DataSummary {
    /// Counts what was asked.
    pub fn new(args: &EvalArgs, data: &SquadData, evaluation: &Evaluation<'_>) -> Self {
        let Evaluation { results, missing, .. } = evaluation;
        let articles: BTreeSet<_> = results.iter().map(|result| result.asked.article).collect();
        let documents: BTreeSet<_> = results.iter().map(|result| std::ptr::from_ref(result.asked.paragraph)).collect();
        let tokens: Vec<usize> = results.iter().filter_map(|result| result.tokens).collect();
        Self {
            files: data.files.clone(),
            questions: results.len(),
            articles: articles.len(),
            documents: documents.len(),
            mean_tokens: (!tokens.is_empty()).then(|| tokens.iter().sum::<usize>() as f64 / tokens.len() as f64),
            context_tokens: args.context_tokens,
            limit: args.sampling.limit,
            seed: args.sampling.seed,
            skipped: data.skipped.count,
            missing: *missing,
        }
    }
}

impl EvalReport {
    /// Measures an evaluation.
    pub fn new(evaluation: &Evaluation<'_>, data: DataSummary, run: Option<RunSummary>) -> Self {
        let results = &evaluation.results;
        Self {
            official: JsonObject(evaluation.figures.clone()),
            data,
            by_length: slice_rows(results, |result| result.tokens),
            by_position: slice_rows(results, |result| result.position),
            abstention: evaluation.ranking.as_ref().map(Abstention::new),
            calibration: run.as_ref().map(|_| CalibrationCheck::new(results)),
            run,
        }
    }

    /// One of the official figures.
    pub fn figure(&self, key: &str) -> Option<&Number> {
        self.official.0.iter().find(|(own, _)| own == key).map(|(_, value)| value)
    }
}

/// Figures by ranges of `tokens`.
fn slice_rows(results: &[QuestionResult<'_>], tokens: impl Fn(&QuestionResult<'_>) -> Option<usize>) -> Vec<SliceRow> {
    let of = |wanted: Option<bool>| {
        let own = results.iter().filter(|result| wanted.is_none_or(|wanted| result.has_answer() == wanted));
        slices(own.filter_map(|result| Some((tokens(result)?, result.score))))
    };
    let (has_answer, no_answer) = (of(Some(true)), of(Some(false)));
    let one_kind = has_answer.is_empty() || no_answer.is_empty();
    let kind = |slices: &[Slice], of: &Slice| {
        slices.iter().find(|slice| slice.tokens == of.tokens).filter(|_| !one_kind).map(|slice| slice.figures)
    };
    let row = |slice: Slice| SliceRow {
        tokens_from: slice.tokens.start,
        tokens_to: (slice.tokens.end < usize::MAX).then_some(slice.tokens.end),
        all: slice.figures,
        has_answer: kind(&has_answer, &slice),
        no_answer: kind(&no_answer, &slice),
    };
    of(None).into_iter().map(row).collect()
}

impl Abstention {
    fn new(ranking: &Ranking) -> Self {
        let curve = coverage(ranking);
        let wanted =
            |wanted: f64, found: Option<Coverage>| Some(ThresholdPoint { wanted: Some(wanted), found: found? });
        let curves = METRICS.into_iter().chain([ORACLE]).filter_map(|(name, value)| {
            let PrecisionRecall { points, average_precision } = ranking.precision_recall(value)?;
            let curve = PrecisionRecall { points: thinned(&points), average_precision };
            Some(PrecisionRecallCurve { name, curve })
        });
        let mut covered: Vec<ThresholdPoint> =
            COVERAGES.iter().filter_map(|&share| wanted(share, at_coverage(&curve, share))).collect();
        covered.dedup_by(|next, last| next.found.threshold == last.found.threshold);
        Self {
            risk_coverage_area: risk_area(&curve),
            at_coverage: covered,
            for_precision: PRECISIONS.iter().filter_map(|&least| wanted(least, for_precision(&curve, least))).collect(),
            risk_coverage: thinned(&curve).into_iter().map(|found| ThresholdPoint { wanted: None, found }).collect(),
            precision_recall: curves.collect(),
            null_odds: NullOddsHistogram::new(ranking),
            by_threshold: by_threshold(ranking),
        }
    }
}

/// Exact match and F1 of all questions, with each of the odds as the threshold.
fn by_threshold(ranking: &Ranking) -> Vec<(f64, f64, f64)> {
    let [exact, f1] = METRICS.map(|(_, value)| ranking.by_threshold(value));
    let points = exact.iter().zip(&f1).map(|(exact, f1)| (exact.threshold, exact.value, f1.value));
    thinned(&points.collect::<Vec<_>>())
}

impl NullOddsHistogram {
    fn new(ranking: &Ranking) -> Self {
        let odds = || ranking.questions().iter().map(|question| question.null_odds);
        let (first, last) = (odds().next().unwrap_or(0.0), odds().next_back().unwrap_or(0.0));
        let width = round_step(last / HISTOGRAM_BINS as f64 - first / HISTOGRAM_BINS as f64);
        let start = (first / width).floor();
        let bins = ((last / width).floor() - start) as usize + 1;
        let shares = |has_answer: bool| {
            let mut shares = vec![0.0; bins];
            let own = || ranking.questions().iter().filter(|question| question.has_answer == has_answer);
            let count = own().count().max(1) as f64;
            for question in own() {
                shares[((question.null_odds / width).floor() - start) as usize] += 1.0 / count;
            }
            shares
        };
        let edges = (0..=bins).map(|edge| width * (start + edge as f64)).collect();
        Self { edges, has_answer: shares(true), no_answer: shares(false) }
    }
}

/// The least of 1, 2 and 5 times a power of ten that is not below `step`; 1 where there is none.
pub fn round_step(step: f64) -> f64 {
    if !(step.is_normal() && step > 0.0) {
        return 1.0;
    }
    let power = 10_f64.powf(step.log10().floor());
    [1.0, 2.0, 5.0].into_iter().map(|digit| digit * power).find(|rounded| *rounded >= step).unwrap_or(10.0 * power)
}

impl CalibrationCheck {
    fn new(results: &[QuestionResult<'_>]) -> Self {
        let of = |wanted: fn(&QuestionResult<'_>) -> bool| {
            let own = results.iter().filter(|result| wanted(result));
            reliability(own.filter_map(|result| Some((result.confidence?, result.score.exact))).collect())
        };
        Self {
            all: of(|_| true),
            answers: of(|result| !result.predicted.is_empty()),
            abstentions: of(|result| result.predicted.is_empty()),
        }
    }
}

/// At most about [`POINTS_MAX`] of the points, the first and the last among them.
fn thinned<T: Clone>(points: &[T]) -> Vec<T> {
    let step = points.len().div_ceil(POINTS_MAX).max(1);
    let last = points.len().saturating_sub(1);
    points.iter().enumerate().filter(|(i, _)| i % step == 0 || *i == last).map(|(_, point)| point.clone()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use longspan::squad::metrics::Score;
    use longspan::squad::ranking::Ranked;

    fn ranking(questions: &[(f64, bool)]) -> Ranking {
        let score = Score { exact: 0.0, f1: 0.0 };
        let ranked = |&(null_odds, has_answer): &(f64, bool)| Ranked { has_answer, predicted: true, score, null_odds };
        Ranking::new(questions.iter().map(ranked).collect())
    }

    #[test]
    fn a_thinned_curve_keeps_its_ends() {
        for length in [0, 1, 2, 399, 400, 401, 6377] {
            let points: Vec<usize> = (0..length).collect();
            let kept = thinned(&points);
            assert!(kept.len() <= POINTS_MAX + 1);
            assert_eq!((kept.first(), kept.last()), (points.first(), points.last()));
        }
    }

    #[test]
    fn a_histogram_counts_every_question_once() {
        let questions = [(-2.1, true), (0.0, true), (2.0, false), (2.0, true)];
        let histogram = NullOddsHistogram::new(&ranking(&questions));
        let edges = &histogram.edges;
        assert!(edges[0] <= -2.1 && edges[1] > -2.1 && edges[edges.len() - 1] > 2.0, "{edges:?}");
        assert!((histogram.has_answer.iter().sum::<f64>() - 1.0).abs() < 1e-12);
        assert_eq!((histogram.has_answer[0], histogram.no_answer.last()), (1.0 / 3.0, Some(&1.0)));
        assert_eq!(NullOddsHistogram::new(&ranking(&[(1.0, true)])).has_answer, [1.0]);
        assert_eq!(NullOddsHistogram::new(&ranking(&[])).edges, [0.0, 1.0]);
        let extreme = NullOddsHistogram::new(&ranking(&[(f64::MIN, true), (f64::MAX, true), (5e-324, false)]));
        assert!(extreme.edges.len() < 30 && extreme.no_answer.contains(&1.0));
        for (step, rounded) in [(0.0, 1.0), (1.0, 1.0), (1.1, 2.0), (0.051, 0.1), (3e-9, 5e-9), (f64::INFINITY, 1.0)] {
            assert!((round_step(step) / rounded - 1.0).abs() < 1e-9, "{step}");
        }
    }
}

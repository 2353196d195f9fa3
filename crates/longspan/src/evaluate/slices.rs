//! Metrics by length of the document and by position of the answer.

use std::ops::Range;

use serde::Serialize;

use crate::squad::metrics::Score;

/// Where slices begin, in tokens: close together up to the length that models read at once, then doubling. They are the
/// same for all data, so that tables can be compared.
const STARTS: [usize; 19] = [
    0, 128, 256, 512, 1024, 1536, 2048, 2560, 3072, 3584, 4096, 8192, 16_384, 32_768, 65_536, 131_072, 262_144,
    524_288, 1_048_576,
];

/// The questions whose document has a length within a range, or whose answer has a position within it.
#[derive(Debug, Clone, PartialEq)]
pub struct Slice {
    /// The range, in tokens; the last range ends at `usize::MAX`.
    pub tokens: Range<usize>,
    /// The figures of its questions.
    pub figures: SliceFigures,
}

/// Figures of some questions.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct SliceFigures {
    /// Number of questions.
    pub questions: usize,
    /// Exact match, in percent.
    pub exact: f64,
    /// F1, in percent.
    pub f1: f64,
    /// Half the width of the 95% confidence interval of the F1, in percent.
    pub f1_error: f64,
}

/// Sorts scores, each with a length or position in tokens, into slices. Slices without a question are left out.
pub fn slices(scores: impl IntoIterator<Item = (usize, Score)>) -> Vec<Slice> {
    let mut parts = vec![Vec::new(); STARTS.len()];
    for (tokens, score) in scores {
        parts[STARTS.partition_point(|&start| start <= tokens) - 1].push(score);
    }
    let ends = STARTS[1..].iter().copied().chain([usize::MAX]);
    let ranges = STARTS.into_iter().zip(ends).map(|(start, end)| start..end);
    let has_some = |(_, scores): &(Range<usize>, Vec<Score>)| !scores.is_empty();
    ranges.zip(parts).filter(has_some).map(|(tokens, scores)| Slice { tokens, figures: figures(&scores) }).collect()
}

fn figures(scores: &[Score]) -> SliceFigures {
    let mean = |value: fn(&Score) -> f64| scores.iter().map(value).sum::<f64>() / scores.len() as f64;
    SliceFigures {
        questions: scores.len(),
        exact: 100.0 * mean(|score| score.exact),
        f1: 100.0 * mean(|score| score.f1),
        f1_error: 100.0 * error(scores.iter().map(|score| score.f1)),
    }
}

/// Half the width of the 95% confidence interval of a mean of numbers from 0 to 1.
///
/// Two zeros and two ones are added: three questions that all went wrong do not prove that all will. Agresti, Coull,
/// "Approximate is better than 'exact' for interval estimation of binomial proportions" (1998).
fn error(values: impl Iterator<Item = f64>) -> f64 {
    let values: Vec<f64> = values.chain([0.0, 0.0, 1.0, 1.0]).collect();
    let count = values.len() as f64;
    let mean = values.iter().sum::<f64>() / count;
    let variance = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / (count - 1.0);
    1.96 * (variance / count).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_question_is_in_one_slice() {
        let score = |f1: f64| Score { exact: f1.floor(), f1 };
        let found = slices([(0, score(1.0)), (127, score(0.5)), (4096, score(0.0)), (3_000_000, score(1.0))]);
        let short = &found[0].figures;
        assert_eq!((found[0].tokens.clone(), short.questions, short.exact, short.f1), (0..128, 2, 50.0, 75.0));
        // Of 1, 0.5, 0, 0, 1, 1: variance 0.2417, of the mean a sixth of it.
        assert!((short.f1_error - 196.0 * (0.241_666_666_666_7_f64 / 6.0).sqrt()).abs() < 1e-6, "{short:?}");
        let ranges: Vec<_> = found.iter().map(|slice| slice.tokens.clone()).collect();
        assert_eq!(ranges, [0..128, 4096..8192, 1_048_576..usize::MAX]);
        assert!(found[1].figures.f1_error > 30.0, "one question proves little");
        assert!(slices([]).is_empty());
    }
}

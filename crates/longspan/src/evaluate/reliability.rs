//! Whether scores are probabilities: how often answers with a score of 0.8 are right.

use serde::Serialize;

/// Statements of similar confidence. A statement is an answer or an abstention.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct ReliabilityBin {
    /// Number of statements.
    pub count: usize,
    /// Their mean confidence.
    pub confidence: f64,
    /// Share of the statements that are right.
    pub right: f64,
}

/// A reliability diagram.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Reliability {
    /// The mean of |confidence − right| over all statements; `None` where there are none.
    pub expected_calibration_error: Option<f64>,
    /// The bins, from the least confident to the most.
    pub bins: Vec<ReliabilityBin>,
}

/// Number of bins of a diagram.
pub const BINS: usize = 15;

/// Sorts statements into [`BINS`] bins of equal size. Each is a pair: its confidence, and 1 if it is right, else 0.
pub fn reliability(statements: Vec<(f64, f64)>) -> Reliability {
    weighted(statements.into_iter().map(|(confidence, right)| (confidence, right, 1.0)).collect())
}

/// The same for statements that count differently: the third of each is its weight.
///
/// Naeini, Cooper, Hauskrecht, "Obtaining well calibrated probabilities using Bayesian binning" (AAAI 2015); with bins of
/// equal mass as in Nixon et al., "Measuring calibration in deep learning" (2019).
pub fn weighted(mut statements: Vec<(f64, f64, f64)>) -> Reliability {
    statements.sort_by(|a, b| a.0.total_cmp(&b.0));
    let bins = BINS.min(statements.len());
    let (mut distances, mut weights) = (0.0, 0.0);
    let bin = |b: usize| {
        let part = &statements[b * statements.len() / bins..(b + 1) * statements.len() / bins];
        let weight: f64 = part.iter().map(|statement| statement.2).sum();
        let mean = |value: fn(&(f64, f64, f64)) -> f64| {
            part.iter().map(|statement| statement.2 * value(statement)).sum::<f64>() / weight
        };
        let (confidence, right) = (mean(|statement| statement.0), mean(|statement| statement.1));
        distances += weight * (confidence - right).abs();
        weights += weight;
        ReliabilityBin { count: part.len(), confidence, right }
    };
    let bins: Vec<ReliabilityBin> = (0..bins).map(bin).collect();
    Reliability { bins, expected_calibration_error: (!statements.is_empty()).then(|| distances / weights) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bins_have_equal_mass_and_the_error_is_their_mean_distance() {
        let statements = (0..31).map(|i| (f64::from(i) / 31.0, f64::from(i % 2))).collect();
        let found = reliability(statements);
        assert_eq!(found.bins.len(), BINS);
        assert!(found.bins.iter().all(|bin| (2..=3).contains(&bin.count)));
        assert_eq!(found.bins.iter().map(|bin| bin.count).sum::<usize>(), 31);
        let two = reliability(vec![(0.9, 1.0), (0.2, 1.0)]);
        assert_eq!(two.bins[0], ReliabilityBin { count: 1, confidence: 0.2, right: 1.0 });
        assert!((two.expected_calibration_error.unwrap() - 0.45).abs() < 1e-12);
        let weighted = weighted(vec![(0.9, 1.0, 3.0), (0.2, 1.0, 1.0)]);
        assert!((weighted.expected_calibration_error.unwrap() - (3.0 * 0.1 + 0.8) / 4.0).abs() < 1e-12);
        assert_eq!(reliability(Vec::new()).expected_calibration_error, None);
    }
}

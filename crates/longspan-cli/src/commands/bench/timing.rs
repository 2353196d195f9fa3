//! Times of passes and steps, and how they divide among the parts of each.

use std::collections::BTreeMap;

use longspan::model::Phase;
use serde::Serialize;

use crate::cli::TrainingTask;

/// The parts of a pass, or of a step of training: the name of each in JSON, and at the head of a column.
pub fn parts(training: Option<TrainingTask>) -> Vec<(String, &'static str)> {
    // In the order of `Phase::ALL`.
    let headings: [_; Phase::ALL.len()] = ["embed", "q, k, v", "local", "global", "output", "feed", "head"];
    let key = |phase: Phase| phase.name().replace([' ', '-'], "_");
    let named = |names: &[&'static str]| names.iter().map(|name| (name.to_string(), *name)).collect();
    match training {
        None => Phase::ALL.map(key).into_iter().zip(headings).collect(),
        Some(TrainingTask::Questions) => named(&["forward", "loss", "backward", "update"]),
        Some(TrainingTask::MaskedLm) => named(&["passes", "update"]),
    }
}

/// The times of one pass or more.
#[derive(Default)]
pub struct PassTimes {
    seconds: Vec<f64>,
    by_part: Vec<f64>,
}

impl PassTimes {
    /// Adds a pass: its seconds, and those of its parts.
    pub fn add(&mut self, seconds: f64, by_part: impl Iterator<Item = f64>) {
        self.seconds.push(seconds);
        let by_part: Vec<f64> = by_part.collect();
        self.by_part.resize(by_part.len(), 0.0);
        self.by_part.iter_mut().zip(by_part).for_each(|(sum, seconds)| *sum += seconds);
    }

    /// The median, the fastest and the slowest pass.
    pub fn summary(&self) -> Seconds {
        let mut times = self.seconds.clone();
        times.sort_by(f64::total_cmp);
        let (half, last) = (times.len() / 2, times.len() - 1);
        Seconds { median: (times[half] + times[last - half]) / 2.0, min: times[0], max: times[last] }
    }

    /// The share of each part in the time of all, by name.
    pub fn shares(&self, training: Option<TrainingTask>) -> BTreeMap<String, f64> {
        let all: f64 = self.by_part.iter().sum();
        parts(training).into_iter().zip(&self.by_part).map(|((name, _), seconds)| (name, seconds / all)).collect()
    }
}

/// Time of a pass.
#[derive(Debug, Serialize)]
pub struct Seconds {
    pub median: f64,
    pub min: f64,
    pub max: f64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_in_the_middle() {
        for (times, median, min, max) in [
            (vec![3.0], 3.0, 3.0, 3.0),
            (vec![3.0, 1.0], 2.0, 1.0, 3.0),
            (vec![9.0, 1.0, 2.0], 2.0, 1.0, 9.0),
            (vec![4.0, 9.0, 1.0, 2.0], 3.0, 1.0, 9.0),
        ] {
            let seconds = PassTimes { seconds: times, by_part: Vec::new() }.summary();
            assert_eq!((seconds.median, seconds.min, seconds.max), (median, min, max));
        }
    }
}

//! The official evaluation: its output must equal, to the letter, that of an oracle in every case of
//! `tests/golden/squad/official.py`. The oracle was compared with the official script.

use std::io::Read;
use std::path::Path;

use flate2::read::GzDecoder;
use longspan::squad::Dataset;
use longspan::squad::metrics::Scores;
use longspan::squad::official::{NullOdds, Predictions, odds_of, parse_null_odds, parse_predictions, rank, to_json};
use serde::Deserialize;
use serde_json::value::RawValue;

#[derive(Deserialize)]
struct Golden {
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    data: Box<RawValue>,
    predictions: Box<RawValue>,
    null_odds: Option<Box<RawValue>>,
    threshold: f64,
    missing: Vec<String>,
    expected: String,
}

/// The output of the script for these files.
fn evaluate(dataset: &Dataset, predictions: &Predictions, null_odds: Option<&NullOdds>, threshold: f64) -> String {
    let scores = Scores::of(dataset, |id| predictions.get(id).map(String::as_str));
    let odds = null_odds.map(|null_odds| odds_of("odds.json", &scores, null_odds).unwrap());
    let mut figures = scores.clone().decided(&odds.unwrap_or(vec![0.0; scores.questions.len()]), threshold).figures();
    if let Some(null_odds) = null_odds {
        figures.extend(rank(&scores, predictions, null_odds).figures());
    }
    to_json(&figures)
}

/// Compares every case of a file. Returns the number of cases.
fn check(file: &str) -> usize {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/squad").join(file);
    let mut json = String::new();
    GzDecoder::new(std::fs::File::open(path).unwrap()).read_to_string(&mut json).unwrap();
    let golden: Golden = serde_json::from_str(&json).unwrap();
    for (number, case) in golden.cases.iter().enumerate() {
        let dataset = Dataset::parse("data.json", case.data.get().as_bytes()).unwrap();
        let (predictions, _) = parse_predictions("predictions.json", case.predictions.get().as_bytes()).unwrap();
        let odds = case.null_odds.as_ref().map(|odds| parse_null_odds("odds.json", odds.get().as_bytes()).unwrap());
        let scores = Scores::of(&dataset, |id| predictions.get(id).map(String::as_str));
        assert_eq!(scores.missing, case.missing, "case {number}");
        let found = evaluate(&dataset, &predictions, odds.as_ref(), case.threshold);
        assert_eq!(found, case.expected, "case {number}");
    }
    golden.cases.len()
}

#[test]
fn official_figures_of_unusual_data() {
    assert_eq!(check("official.json.gz"), 1200);
}

#[test]
fn official_figures_of_real_predictions() {
    assert_eq!(check("real.json.gz"), 1);
}

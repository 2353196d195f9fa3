//! The official metrics of SQuAD v2.0: exact match and F1 of answers, as evaluate-v2.0.py computes them.
//!
//! Text is handled as in Python: `split` also splits at U+001C to U+001F, `\b` matches between letters or digits and
//! everything else (a combining mark is not part of a word), and a final sigma becomes ς in lower case.

use std::collections::HashMap;
use std::sync::LazyLock;

use regex::Regex;
use serde_json::Number;

use super::{Dataset, SquadQuestion};

/// Figures under their official keys, in the official order.
pub type OfficialFigures = Vec<(String, Number)>;

/// Exact match and F1 of one prediction, each from 0 to 1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Score {
    /// 1 where the prediction is a gold answer, after normalisation.
    pub exact: f64,
    /// The harmonic mean of precision and recall over words, of the gold answer where it is largest.
    pub f1: f64,
}

/// The score of one question of a dataset.
#[derive(Debug, Clone, PartialEq)]
pub struct QuestionScore<'a> {
    /// The question's id.
    pub id: &'a str,
    /// Whether the file gives it an answer.
    pub has_answer: bool,
    /// Exact match and F1 of the prediction.
    pub score: Score,
}

/// The scores of a dataset's questions, in its order.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Scores<'a> {
    /// The questions that have a prediction.
    pub questions: Vec<QuestionScore<'a>>,
    /// Ids of the questions without a prediction. No figure counts them.
    pub missing: Vec<&'a str>,
}

impl<'a> Scores<'a> {
    /// Scores the prediction for each question id; an empty text means that there is no answer.
    pub fn of<'p>(dataset: &'a Dataset, prediction: impl Fn(&str) -> Option<&'p str>) -> Self {
        let mut scores = Self::default();
        for (_, question) in dataset.questions() {
            match prediction(&question.id) {
                Some(prediction) => scores.questions.push(QuestionScore {
                    id: &question.id,
                    has_answer: !question.answers.is_empty(),
                    score: score_of(question, prediction),
                }),
                None => scores.missing.push(&question.id),
            }
        }
        scores
    }

    /// The scores where the prediction is 'no answer' for each question whose odds are above `threshold`.
    ///
    /// - `null_odds`: of each question, in the order of [`Scores::questions`]
    pub fn decided(mut self, null_odds: &[f64], threshold: f64) -> Self {
        assert_eq!(self.questions.len(), null_odds.len(), "odds of each question");
        for (question, &odds) in self.questions.iter_mut().zip(null_odds) {
            if odds > threshold {
                let right = if question.has_answer { 0.0 } else { 1.0 };
                question.score = Score { exact: right, f1: right };
            }
        }
        self
    }

    /// The figures under the official keys, in the official order: percentages and counts over all questions, then
    /// over those with an answer and those without, where there are any. Without a single score they are zeros.
    pub fn figures(&self) -> OfficialFigures {
        let mut figures = Vec::new();
        let mut add = |prefix: &str, scores: Vec<Score>| {
            // Added one by one in the order of the file, as Python's `sum` did until 3.12.
            let mean = |value: fn(&Score) -> f64| {
                let sum = scores.iter().map(value).fold(0.0, |sum, value| sum + value);
                Number::from_f64(100.0 * sum / scores.len().max(1) as f64).expect("a mean of numbers from 0 to 1")
            };
            figures.push((format!("{prefix}exact"), mean(|score| score.exact)));
            figures.push((format!("{prefix}f1"), mean(|score| score.f1)));
            figures.push((format!("{prefix}total"), Number::from(scores.len())));
        };
        add("", self.questions.iter().map(|question| question.score).collect());
        for (prefix, has_answer) in [("HasAns_", true), ("NoAns_", false)] {
            let part = self.questions.iter().filter(|question| question.has_answer == has_answer);
            let scores: Vec<_> = part.map(|question| question.score).collect();
            if !scores.is_empty() {
                add(prefix, scores);
            }
        }
        figures
    }
}

/// The score of a prediction against gold answers: the largest over them.
///
/// Gold answers that normalise to nothing do not count; without any, the gold answer is the empty one.
///
/// ```
/// use longspan::squad::metrics::score;
/// assert_eq!(score(["Denver Broncos", "Broncos"], "the Broncos!").exact, 1.0);
/// assert_eq!(score(["in the year 1871"], "1871").f1, 0.5);
/// ```
pub fn score<'a>(golds: impl IntoIterator<Item = &'a str>, prediction: &str) -> Score {
    let mut golds: Vec<String> = golds.into_iter().map(normalize_answer).filter(|gold| !gold.is_empty()).collect();
    if golds.is_empty() {
        golds.push(String::new());
    }
    let prediction = normalize_answer(prediction);
    let exact = if golds.contains(&prediction) { 1.0 } else { 0.0 };
    Score { exact, f1: golds.iter().map(|gold| f1(gold, &prediction)).fold(0.0, f64::max) }
}

/// The score of a prediction for a question.
pub fn score_of(question: &SquadQuestion, prediction: &str) -> Score {
    score(question.answers.iter().map(|gold| gold.text.as_str()), prediction)
}

/// Lower case, no ASCII punctuation, none of the words a, an and the, one space between words.
pub fn normalize_answer(answer: &str) -> String {
    // Python's `\w`; the underscore was removed with the punctuation.
    static WORD: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"[\p{L}\p{N}]+").expect("a valid pattern"));
    let plain: String = answer.to_lowercase().chars().filter(|character| !character.is_ascii_punctuation()).collect();
    let without_articles = WORD.replace_all(&plain, |word: &regex::Captures<'_>| match &word[0] {
        "a" | "an" | "the" => " ".to_owned(),
        other => other.to_owned(),
    });
    let is_space = |character: char| character.is_whitespace() || matches!(character, '\x1c'..='\x1f');
    let words: Vec<&str> = without_articles.split(is_space).filter(|word| !word.is_empty()).collect();
    words.join(" ")
}

/// F1 over the words of two normalised answers, each word as often as both have it.
fn f1(gold: &str, prediction: &str) -> f64 {
    if gold.is_empty() || prediction.is_empty() {
        return if gold == prediction { 1.0 } else { 0.0 };
    }
    let mut left: HashMap<&str, usize> = HashMap::new();
    for word in gold.split(' ') {
        *left.entry(word).or_default() += 1;
    }
    let mut shared = 0;
    for word in prediction.split(' ') {
        if let Some(count) = left.get_mut(word).filter(|count| **count > 0) {
            *count -= 1;
            shared += 1;
        }
    }
    if shared == 0 {
        return 0.0;
    }
    let precision = f64::from(shared) / prediction.split(' ').count() as f64;
    let recall = f64::from(shared) / gold.split(' ').count() as f64;
    2.0 * precision * recall / (precision + recall)
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::squad;

    #[test]
    fn same_scores_as_python() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/squad/metrics.json");
        let golden: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
        for case in golden["cases"].as_array().unwrap() {
            let golds = case["golds"].as_array().unwrap().iter().map(|gold| gold.as_str().unwrap());
            let prediction = case["prediction"].as_str().unwrap();
            assert_eq!(normalize_answer(prediction), case["normalised"].as_str().unwrap(), "{prediction:?}");
            let score = score(golds, prediction);
            assert_eq!(score.exact, case["exact"].as_f64().unwrap(), "{case}");
            assert!((score.f1 - case["f1"].as_f64().unwrap()).abs() < 1e-15, "{case}");
        }
    }

    #[test]
    fn traps() {
        for (answer, expected) in [
            ("The U.S.A.", "usa"),
            ("a_b an-the", "ab anthe"),
            ("one\x1ctwo\x1f", "one two"),
            ("\u{1b}a", "\u{1b}"),
            ("\u{39f}\u{394}\u{39f}\u{3a3}", "\u{3bf}\u{3b4}\u{3bf}\u{3c2}"),
            ("the\u{301}", "\u{301}"),
            ("a\u{200b}b", "\u{200b}b"),
            ("\u{24d0}the", "\u{24d0}"),
            ("a\u{b2}", "a\u{b2}"),
        ] {
            assert_eq!(normalize_answer(answer), expected, "{answer:?}");
        }
    }

    fn dataset(questions: &[(&str, &[&str])]) -> Dataset {
        let question = |(id, golds): &(&str, &[&str])| squad::SquadQuestion {
            id: id.to_string(),
            answers: golds.iter().map(|gold| squad::Gold { text: gold.to_string(), ..Default::default() }).collect(),
            ..Default::default()
        };
        let questions = questions.iter().map(question).collect();
        let paragraphs = vec![squad::Paragraph { context: String::new(), questions }];
        Dataset { articles: vec![squad::Article { title: String::new(), paragraphs }] }
    }

    #[track_caller]
    fn check(questions: &[(&str, &[&str])], predictions: &[(&str, &str)], missing: &[&str], expected: &str) {
        let dataset = dataset(questions);
        let prediction = |id: &str| predictions.iter().find(|(own, _)| *own == id).map(|(_, text)| *text);
        let scores = Scores::of(&dataset, prediction);
        assert_eq!(scores.missing, missing);
        let figures: Vec<_> = scores.figures().into_iter().map(|(key, value)| format!("{key} {value}")).collect();
        assert_eq!(figures.join(", "), expected);
    }

    #[test]
    fn figures_under_the_official_keys() {
        check(
            &[("a", &["Denver Broncos", "Broncos"]), ("b", &[]), ("c", &["one two"]), ("d", &[]), ("e", &["x"])],
            &[("a", "the broncos"), ("b", ""), ("c", "two three"), ("d", "something"), ("other", "ignored")],
            &["e"],
            "exact 50.0, f1 62.5, total 4, HasAns_exact 50.0, HasAns_f1 75.0, HasAns_total 2, \
             NoAns_exact 50.0, NoAns_f1 50.0, NoAns_total 2",
        );
        check(
            &[("a", &["x"])],
            &[("a", "x")],
            &[],
            "exact 100.0, f1 100.0, total 1, HasAns_exact 100.0, HasAns_f1 100.0, HasAns_total 1",
        );
        // A gold answer that is only an article normalises to nothing, but the question still counts as one with an answer.
        check(
            &[("a", &["the"])],
            &[("a", "")],
            &[],
            "exact 100.0, f1 100.0, total 1, HasAns_exact 100.0, HasAns_f1 100.0, HasAns_total 1",
        );
        check(&[("a", &[])], &[], &["a"], "exact 0.0, f1 0.0, total 0");
    }
}

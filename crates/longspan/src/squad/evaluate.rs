//! The official figures of a data set: evaluate-v2.0.py without its thresholds and curves.

use std::collections::HashMap;

use super::{Article, Question, exact_match, f1, normalize_answer};

/// Figures over some questions, in percent.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Group {
    /// Mean exact match.
    pub exact: f64,
    /// Mean F1.
    pub f1: f64,
    /// Number of questions.
    pub total: usize,
}

/// The figures, under the script's names: `exact, f1, total`, then those with `HasAns_` and `NoAns_` before them.
#[derive(Debug, Clone, PartialEq)]
pub struct Figures {
    /// Over all questions that have a prediction.
    pub all: Group,
    /// Over those with an answer; `None` where there is none.
    pub has_answer: Option<Group>,
    /// Over those without; `None` where there is none.
    pub no_answer: Option<Group>,
    /// Ids of the questions without a prediction; they do not count.
    pub missing: Vec<String>,
}

/// Evaluates predictions by id; an empty prediction says that there is no answer.
///
/// A question counts as answerable when it has a gold answer at all. Of its gold answers those count that do not normalise
/// to nothing; where none is left, the gold answer is the empty one. The best of them counts.
pub fn evaluate(articles: &[Article], predictions: &HashMap<String, String>) -> Figures {
    let questions = articles.iter().flat_map(|article| &article.paragraphs).flat_map(|paragraph| &paragraph.questions);
    let mut scores = Vec::new(); // (answerable, exact, f1)
    let mut missing = Vec::new();
    for question in questions {
        match predictions.get(&question.id) {
            Some(prediction) => scores.push((!question.answers.is_empty(), score(question, prediction))),
            None => missing.push(question.id.clone()),
        }
    }
    let group = |counts: fn(bool) -> bool| {
        let own: Vec<(f64, f64)> = scores.iter().filter(|(answer, _)| counts(*answer)).map(|(_, s)| *s).collect();
        let total = own.len();
        let percent = |sum: f64| 100.0 * sum / total as f64;
        let (exact, f1) = own.iter().fold((0.0, 0.0), |(a, b), (exact, f1)| (a + exact, b + f1));
        (total > 0).then(|| Group { exact: percent(exact), f1: percent(f1), total })
    };
    Figures {
        all: group(|_| true).unwrap_or(Group { exact: 0.0, f1: 0.0, total: 0 }),
        has_answer: group(|answer| answer),
        no_answer: group(|answer| !answer),
        missing,
    }
}

/// Exact match and F1 of the gold answer that fits best.
fn score(question: &Question, prediction: &str) -> (f64, f64) {
    let texts = question.answers.iter().map(|answer| answer.text.as_str());
    let mut golds: Vec<&str> = texts.filter(|text| !normalize_answer(text).is_empty()).collect();
    if golds.is_empty() {
        golds.push("");
    }
    let best = |score: fn(&str, &str) -> f64| golds.iter().map(|gold| score(gold, prediction)).fold(0.0, f64::max);
    (best(exact_match), best(f1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::squad::parse;

    #[test]
    fn figures_of_a_small_set() {
        let json = r#"{"data":[{"title":"T","paragraphs":[{"context":"The red fox sleeps.","qas":[
            {"id":"1","question":"?","answers":[{"text":"red fox","answer_start":4},{"text":"fox","answer_start":8}]},
            {"id":"2","question":"?","answers":[{"text":"The","answer_start":0}]},
            {"id":"3","question":"?","answers":[],"is_impossible":true},
            {"id":"4","question":"?","answers":[],"is_impossible":true},
            {"id":"5","question":"?","answers":[],"is_impossible":true}]}]}]}"#;
        let articles = parse(json.as_bytes(), "set").unwrap();
        let predictions = [("1", "the red"), ("2", ""), ("3", ""), ("4", "fox")];
        let predictions = predictions.map(|(id, text)| (id.to_string(), text.to_string())).into();
        let figures = evaluate(&articles, &predictions);
        let group = |exact, f1, total| Group { exact, f1, total };
        // Of question 1 the words red, fox and red: F1 2/3. The gold answer of 2 normalises to nothing.
        assert_eq!(figures.has_answer, Some(group(50.0, 50.0 * (2.0 / 3.0 + 1.0), 2)));
        assert_eq!(figures.no_answer, Some(group(50.0, 50.0, 2)));
        assert_eq!(figures.all, group(50.0, 25.0 * (2.0 / 3.0 + 2.0), 4));
        assert_eq!(figures.missing, ["5"]);
    }
}

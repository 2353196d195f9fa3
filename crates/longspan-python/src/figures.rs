//! SQuAD data, and the official figures of predictions.

use std::collections::HashMap;
use std::path::PathBuf;

use longspan::squad::metrics::Scores;
use longspan::squad::official::to_json;
use longspan::squad::ranking::{Ranked, Ranking};
use longspan::squad::{Article, Dataset, Gold, Paragraph, SquadQuestion};
use longspan_ask::{DocumentSource, Limits};
use pyo3::prelude::*;

use crate::errors::{of_library, of_source};
use crate::watch::without_gil;

/// The questions of a SQuAD file, plain or gzip: the id, the question, the index of its context, and the gold answers; and
/// the contexts.
#[pyfunction]
pub fn squad_questions(py: Python<'_>, path: PathBuf) -> PyResult<SquadQuestions> {
    let source = DocumentSource::File(path);
    let name = source.name();
    let text = without_gil(py, move || source.read_text(&Limits::default()))?;
    let text = text.map_err(|error| of_source(py, error))?;
    let dataset = without_gil(py, move || Dataset::parse(&name, text.as_bytes()))?;
    let dataset = dataset.map_err(|error| of_library(py, &error, None))?;
    let (mut questions, mut contexts) = (Vec::new(), Vec::new());
    for paragraph in dataset.articles.into_iter().flat_map(|article| article.paragraphs) {
        for SquadQuestion { id, question, answers, .. } in paragraph.questions {
            questions.push((id, question, contexts.len(), answers.into_iter().map(|gold| gold.text).collect()));
        }
        contexts.push(paragraph.context);
    }
    Ok((questions, contexts))
}

type SquadQuestions = (Vec<(String, String, usize, Vec<String>)>, Vec<String>);

/// The figures of evaluate-v2.0.py as a JSON object, in its order.
///
/// - `golds`: the gold answers of each question
/// - `predictions`: the predicted text of each
/// - `null_odds`: numbers of questions, with odds or a probability of 'no answer' of each; with them, there are the best
///   thresholds too. Of equal odds, the first counts first
/// - `threshold`: where the odds are above it, the prediction is 'no answer'
#[pyfunction]
pub fn figures(
    py: Python<'_>,
    golds: Vec<Vec<String>>,
    predictions: Vec<String>,
    null_odds: Option<Vec<(usize, f64)>>,
    threshold: f64,
) -> String {
    py.detach(|| {
        let dataset = dataset_of(golds);
        let text = |id: &str| id.parse::<usize>().ok().and_then(|number| predictions.get(number)).map(String::as_str);
        let scores = Scores::of(&dataset, text);
        let Some(null_odds) = null_odds else {
            let zeros = vec![0.0; scores.questions.len()]; // as the script has them
            return to_json(&scores.decided(&zeros, threshold).figures());
        };
        let ranked = null_odds.iter().filter_map(|&(number, null_odds)| {
            let (scored, predicted) = (scores.questions.get(number)?, !predictions[number].is_empty());
            Some(Ranked { has_answer: scored.has_answer, predicted, score: scored.score, null_odds })
        });
        let ranking = Ranking::new(ranked.collect()).figures();
        let odds: HashMap<usize, f64> = null_odds.into_iter().collect();
        let of_each = |number| odds.get(&number).copied().unwrap_or(0.0);
        let of_each: Vec<f64> = (0..scores.questions.len()).map(of_each).collect();
        let mut figures = scores.decided(&of_each, threshold).figures();
        figures.extend(ranking);
        to_json(&figures)
    })
}

/// Questions that have nothing but their gold answers; each is called by its number.
fn dataset_of(golds: Vec<Vec<String>>) -> Dataset {
    let questions = golds.into_iter().enumerate().map(|(number, golds)| SquadQuestion {
        id: number.to_string(),
        answers: golds.into_iter().map(|text| Gold { text, ..Gold::default() }).collect(),
        ..SquadQuestion::default()
    });
    let paragraph = Paragraph { context: String::new(), questions: questions.collect() };
    Dataset { articles: vec![Article { title: String::new(), paragraphs: vec![paragraph] }] }
}

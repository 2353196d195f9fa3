//! Predictions of another system, evaluated as the official script does, without a model.

use std::path::Path;

use anyhow::Result;
use longspan::error::excerpt;
use longspan::evaluate::Asked;
use longspan::squad::Dataset;
use longspan::squad::metrics::{QuestionScore, Scores};
use longspan::squad::official::{NullOdds, Predictions, odds_of, parse_null_odds, parse_predictions, rank};
use longspan::tokenizer::{ByteSpan, Tokenizer};
use longspan_ask::text::title;

use super::evaluation::{Evaluation, QuestionResult};
use crate::data::documents;
use crate::model::{self, Checkpoint};
use crate::terminal::counted;
use crate::terminal::hints::{self, fault};

/// The official default: no null odds that are probabilities are above it.
const THRESHOLD: f64 = 1.0;

/// Predictions and perhaps null odds, with the names of their files.
pub struct PredictionFiles {
    name: String,
    predictions: Predictions,
    null_odds: Option<(String, NullOdds)>,
}

const PREDICTIONS_HINT: &str =
    "predictions and null odds are JSON by question id, as `longspan eval --out` writes them";

impl PredictionFiles {
    /// Reads the files.
    pub fn read(path: &Path, null_odds: Option<&Path>) -> Result<Self> {
        let (name, (predictions, own_odds)) = parse(path, parse_predictions)?;
        let null_odds = null_odds.map(|path| parse(path, parse_null_odds)).transpose()?;
        let null_odds = null_odds.or_else(|| own_odds.map(|odds| (name.clone(), odds)));
        Ok(Self { name, predictions, null_odds })
    }
}

/// A file's name and content.
fn parse<T>(path: &Path, parse: impl Fn(&str, &[u8]) -> longspan::Result<T>) -> Result<(String, T)> {
    let name = title(&documents::name(path)).to_owned();
    let content = parse(&name, documents::text(path, PREDICTIONS_HINT)?.as_bytes())?;
    Ok((name, content))
}

/// Figures and results. A prediction whose null odds are above the threshold counts as an abstention.
pub fn evaluation<'a>(
    dataset: &'a Dataset,
    files: &'a PredictionFiles,
    threshold: Option<f64>,
) -> Result<Evaluation<'a>> {
    let PredictionFiles { name, predictions, null_odds } = files;
    let scores = Scores::of(dataset, |id| predictions.get(id).map(String::as_str));
    if scores.questions.is_empty() {
        let count = counted(predictions.len(), "prediction");
        let message = format!("`{name}`: {count}, but none for a question of the data");
        return Err(fault(message, "give the predictions of the same data set"));
    }
    let threshold = threshold.unwrap_or(THRESHOLD);
    let hint = "give the null odds of the same predictions";
    let odds = match null_odds {
        Some((name, odds)) => odds_of(name, &scores, odds).map_err(|error| fault(error.to_string(), hint))?,
        None => vec![0.0; scores.questions.len()],
    };
    if let [first, rest @ ..] = scores.missing.as_slice() {
        let others = if rest.is_empty() { String::new() } else { format!(" and {}", counted(rest.len(), "other")) };
        hints::warn(&format!(
            "`{name}`: no prediction for question `{}`{others}: left out of every figure",
            excerpt(first)
        ));
    }
    let ranking = null_odds.as_ref().map(|(_, odds)| rank(&scores, predictions, odds));
    let decided = scores.decided(&odds, threshold);
    let mut figures = decided.figures();
    figures.extend(ranking.iter().flat_map(|ranking| ranking.figures()));

    let asked = Asked::all(dataset).into_iter().filter(|asked| predictions.contains_key(&asked.question.id));
    let result = |((asked, scored), odds): ((Asked<'a>, &QuestionScore<'_>), f64)| {
        let predicted = if odds > threshold { "" } else { predictions[&asked.question.id].as_str() };
        let start = asked.paragraph.context.find(predicted).filter(|_| !predicted.is_empty());
        QuestionResult {
            asked,
            title: &dataset.articles[asked.article].title,
            predicted,
            span: start.map(|start| ByteSpan { start, end: start + predicted.len() }),
            score: scored.score,
            confidence: None,
            certainty: null_odds.as_ref().map(|_| (odds - threshold).abs()),
            tokens: None,
            position: None,
        }
    };
    let results = asked.zip(&decided.questions).zip(odds).map(result).collect();
    Ok(Evaluation { figures, results, ranking, missing: decided.missing.len() })
}

/// Measures the documents with the tokenizer of a checkpoint, whose model is not asked.
pub fn measure_lengths(checkpoint: &Checkpoint, results: &mut [QuestionResult<'_>]) -> Result<()> {
    let tokenizer = Tokenizer::load(|name| checkpoint.source.read(name));
    let tokenizer = model::named(&checkpoint.name, tokenizer)?;
    for own in results.chunk_by_mut(|a, b| std::ptr::eq(a.asked.paragraph, b.asked.paragraph)) {
        let tokens = tokenizer.encode(&own[0].asked.paragraph.context)?;
        for result in own {
            result.tokens = Some(tokens.ids.len());
            let gold = result.asked.question.answers.first().and_then(|gold| gold.bytes);
            result.position = gold.map(|bytes| tokens.before(bytes.start));
        }
    }
    Ok(())
}

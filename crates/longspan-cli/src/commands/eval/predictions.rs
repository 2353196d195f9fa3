//! Predictions of another system, evaluated as the official script does, without a model.

use std::path::Path;

use anyhow::Result;
use longspan::evaluate::Asked;
use longspan::squad::metrics::Scores;
use longspan::squad::official::{NullOdds, Predictions, odds_of, parse_null_odds, parse_predictions, rank};
use longspan::tokenizer::{ByteSpan, Tokenizer};

use super::report::{DataSummary, Report};
use super::{Evaluation, Item, files, show};
use crate::cli::EvalArgs;
use crate::data::documents;
use crate::data::squad::Data;
use crate::folder;
use crate::model;
use crate::terminal::hints::{self, fault};

/// The official default: no null odds that are probabilities are above it.
const THRESHOLD: f64 = 1.0;

/// Reads and measures predictions.
pub fn evaluate(args: &EvalArgs, path: &Path, mut data: Data) -> Result<()> {
    if let Some(limit) = args.chosen.limit {
        data.dataset.sample(limit, args.chosen.seed);
    }
    if let Some(folder) = &args.out {
        folder::make_new(folder)?;
    }
    let read = |path: &Path| Ok::<_, anyhow::Error>((documents::name(path), documents::unpacked(path)?));
    let (name, json) = read(path)?;
    let predictions = parse_predictions(&name, json.as_bytes())?;
    let odds = match &args.null_odds {
        Some(path) => {
            let (name, json) = read(path)?;
            let odds = parse_null_odds(&name, json.as_bytes())?;
            Some((name, odds))
        }
        None => None,
    };
    let scores = Scores::of(&data.dataset, |id| predictions.get(id).map(String::as_str));
    if scores.questions.is_empty() {
        let message = format!("`{name}`: none of its {} predictions is for a question of the data", predictions.len());
        return Err(fault(message, "give the predictions of the same data set"));
    }
    let threshold = args.threshold.threshold.unwrap_or(THRESHOLD);
    let mut evaluation = measured(&data, &scores, &predictions, odds.as_ref(), threshold)?;
    warn_of_missing(&name, &scores);
    if args.out.is_some() {
        measure_lengths(args, &mut evaluation.items)?;
    }
    let mut summary = DataSummary::new(args, &data, &evaluation.items);
    summary.missing = scores.missing.len();
    let report = Report::new(&evaluation, summary, None);
    if let Some(folder) = &args.out {
        files::write_report(folder, &report, &evaluation)?;
    }
    show(args, &report, args.out.as_deref())
}

fn warn_of_missing(name: &str, scores: &Scores<'_>) {
    if let [first, rest @ ..] = scores.missing.as_slice() {
        let others = if rest.is_empty() { String::new() } else { format!(" and {} others", rest.len()) };
        hints::warn(&format!("`{name}`: no prediction for question `{first}`{others}: left out of every figure"));
    }
}

fn measured<'a>(
    data: &'a Data,
    scores: &Scores<'a>,
    predictions: &'a Predictions,
    null_odds: Option<&(String, NullOdds)>,
    threshold: f64,
) -> Result<Evaluation<'a>> {
    let hint = "give the null odds of the same predictions";
    let odds = match null_odds {
        Some((name, odds)) => odds_of(name, scores, odds).map_err(|error| fault(error.to_string(), hint))?,
        None => vec![0.0; scores.questions.len()],
    };
    let decided = scores.clone().decided(&odds, threshold);
    let ranking = null_odds.map(|(_, odds)| rank(scores, predictions, odds));
    let mut figures = decided.figures();
    figures.extend(ranking.iter().flat_map(|ranking| ranking.figures()));

    let asked = Asked::all(&data.dataset).into_iter().filter(|asked| predictions.contains_key(&asked.question.id));
    let item = |((asked, scored), odds): ((Asked<'a>, &longspan::squad::metrics::QuestionScore<'_>), f64)| {
        let said = if odds > threshold { "" } else { predictions[&asked.question.id].as_str() };
        let place = asked.paragraph.context.find(said).filter(|_| !said.is_empty());
        let place = place.map(|start| ByteSpan { start, end: start + said.len() });
        let title = &data.dataset.articles[asked.article].title;
        let certainty = null_odds.map(|_| (odds - threshold).abs());
        let decision = scored.score;
        Item { asked, title, said, place, decision, confidence: None, certainty, tokens: None, position: None }
    };
    let items = asked.zip(&decided.questions).zip(odds).map(item).collect();
    Ok(Evaluation { figures, items, ranking })
}

/// Measures the documents with the tokenizer of the model, which is not asked.
fn measure_lengths(args: &EvalArgs, items: &mut [Item<'_>]) -> Result<()> {
    let checkpoint = model::find(&args.model)?;
    let tokenizer = Tokenizer::load(|name| checkpoint.source.read(name));
    let tokenizer = model::named(&checkpoint.name, tokenizer)?;
    for own in items.chunk_by_mut(|a, b| std::ptr::eq(a.asked.paragraph, b.asked.paragraph)) {
        let tokens = tokenizer.encode(&own[0].asked.paragraph.context)?;
        for item in own {
            item.tokens = Some(tokens.ids.len());
            item.position = item.asked.question.answers.first().map(|gold| tokens.before(gold.bytes.start));
        }
    }
    Ok(())
}

//! The files that evaluate-v2.0.py reads, and the output that it prints.

use std::fmt::{self, Write};

use indexmap::IndexMap;
use serde::Deserialize;
use serde::de::{DeserializeOwned, Deserializer, Error as _, MapAccess, Visitor};
use serde_json::Number;
use serde_json::value::RawValue;

use super::metrics::{OfficialFigures, Scores};
use super::ranking::{Ranked, Ranking};
use crate::error::excerpt;
use crate::json::{self, MemoryBudget};
use crate::{Error, FormatKind, Result};

/// Predicted texts by question id, in the order of their file; an empty text means that there is no answer.
pub type Predictions = IndexMap<String, String>;

/// Null odds, or other scores of 'no answer', by question id in the order of their file.
pub type NullOdds = IndexMap<String, f64>;

/// Reads a file of predictions; `file` is its name in messages. It is an object of texts by question id, as the script reads
/// it, or a list of objects with `id` and `prediction_text`, as the metrics of Hugging Face's `evaluate` take them; if each of
/// these has a `no_answer_probability`, they are the null odds. They take at most 56 MB of memory and three times the length of
/// the JSON.
///
/// # Errors
/// [`Error::Format`] where it is neither.
pub fn parse_predictions(file: &str, json: &[u8]) -> Result<(Predictions, Option<NullOdds>)> {
    if json.trim_ascii_start().starts_with(b"[") {
        return parse_list(file, json);
    }
    let texts = parse::<String>(file, json, "predictions are an object of texts by question id", |text| text)?;
    Ok((texts, None))
}

/// An entry of a list of predictions.
#[derive(Deserialize)]
#[serde(expecting = "an object")]
struct ListedPrediction {
    id: String,
    prediction_text: String,
    no_answer_probability: Option<f64>,
}

fn parse_list(file: &str, json: &[u8]) -> Result<(Predictions, Option<NullOdds>)> {
    let format = |message: String| Error::format(file, FormatKind::Predictions, message);
    let list: &RawValue = serde_json::from_slice(json).map_err(|error| format(json::message(&error)))?;
    let (mut predictions, mut odds) = (Predictions::new(), NullOdds::new());
    let mut memory = MemoryBudget::of(json);
    for (number, entry) in (1..).zip(json::elements(list).into_iter().flatten()) {
        let expected = "expected an object with `id` and `prediction_text`";
        let at = |error: String| format(format!("entry {number}: {error}: {expected}"));
        let read = serde_json::from_str(entry.get()).map_err(|error| at(json::message_of_line(&error)))?;
        let ListedPrediction { id, prediction_text, no_answer_probability } = read;
        let entry_bytes = size_of::<(String, [usize; 3])>(); // with the hash and the index of the map
        memory.take(2 * entry_bytes + size_of::<String>(), &[&id, &id, &prediction_text]).map_err(at)?;
        if predictions.contains_key(&id) {
            return Err(at(format!("another one has the id `{}`", excerpt(&id))));
        }
        if predictions.len() == predictions.capacity() {
            predictions.reserve_exact(json::more(predictions.len()));
        }
        odds.extend(no_answer_probability.map(|odds| (id.clone(), odds)));
        predictions.insert(id, prediction_text);
    }
    let odds = Some(odds).filter(|odds| odds.len() == predictions.len() && !odds.is_empty());
    Ok((predictions, odds))
}

/// Reads a file of null odds; `file` is its name in messages. They take at most 56 MB of memory and three times the length of
/// the JSON.
///
/// # Errors
/// [`Error::Format`] where it is not a JSON object of numbers.
pub fn parse_null_odds(file: &str, json: &[u8]) -> Result<NullOdds> {
    parse(file, json, "null odds are an object of numbers by question id", |_| "")
}

fn parse<T: DeserializeOwned>(
    file: &str,
    json: &[u8],
    expected: &str,
    text_of: fn(&T) -> &str,
) -> Result<IndexMap<String, T>> {
    let format = |message: String| Error::format(file, FormatKind::Predictions, message);
    if json.trim_ascii().is_empty() {
        return Err(format(format!("empty: {expected}")));
    }
    let entries = Entries { memory: MemoryBudget::of(json), text_of };
    let mut reading = serde_json::Deserializer::from_slice(json);
    let read = reading.deserialize_map(entries).and_then(|entries| reading.end().map(|()| entries));
    read.map_err(|error| format(format!("{}: {expected}", json::message(&error))))
}

/// Reads the entries of an object, within a budget. Of equal keys the last counts, in the place of the first.
struct Entries<T> {
    memory: MemoryBudget,
    /// The text of a value.
    text_of: fn(&T) -> &str,
}

impl<'de, T: DeserializeOwned> Visitor<'de> for Entries<T> {
    type Value = IndexMap<String, T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a map")
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut object: A) -> Result<Self::Value, A::Error> {
        let mut entries = IndexMap::new();
        while let Some((id, value)) = object.next_entry::<String, T>()? {
            let entry_bytes = size_of::<(String, T, [usize; 3])>(); // with the hash and the index of the map
            if !entries.contains_key(&id) {
                self.memory.take(entry_bytes, &[&id, (self.text_of)(&value)]).map_err(A::Error::custom)?;
            }
            if entries.len() == entries.capacity() {
                entries.reserve_exact(json::more(entries.len()));
            }
            entries.insert(id, value);
        }
        Ok(entries)
    }
}

/// The odds of each scored question, in the order of the scores.
///
/// # Errors
/// [`Error::Format`] with the name `file` where a question has no odds, or odds that are infinite or no number.
pub fn odds_of(file: &str, scores: &Scores<'_>, null_odds: &NullOdds) -> Result<Vec<f64>> {
    let odds = |id: &str| match null_odds.get(id) {
        Some(odds) if odds.is_finite() => Ok(*odds),
        Some(odds) => Err(format!("question `{id}`: null odds {odds}: expected a finite number")),
        None => Err(format!("no null odds of question `{id}`, which has a prediction")),
    };
    let of_question = |id: &str| odds(id).map_err(|message| Error::format(file, FormatKind::Predictions, message));
    scores.questions.iter().map(|question| of_question(question.id)).collect()
}

/// Ranks scored predictions by their null odds, which [`odds_of`] checks; those of equal odds stay in the order of the file
/// of odds.
pub fn rank(scores: &Scores<'_>, predictions: &Predictions, null_odds: &NullOdds) -> Ranking {
    let scored: IndexMap<&str, _> = scores.questions.iter().map(|question| (question.id, question)).collect();
    let ranked = null_odds.iter().filter_map(|(id, &null_odds)| {
        let question = scored.get(id.as_str())?;
        let predicted = predictions.get(id).is_some_and(|text| !text.is_empty());
        Some(Ranked { has_answer: question.has_answer, predicted, score: question.score, null_odds })
    });
    Ranking::new(ranked.collect())
}

/// The figures as the script prints them: Python's `json.dumps(figures, indent=2)`.
pub fn to_json(figures: &OfficialFigures) -> String {
    let mut json = String::from("{");
    for (i, (key, value)) in figures.iter().enumerate() {
        let comma = if i == 0 { "" } else { "," };
        let _ = write!(json, "{comma}\n  \"{key}\": {}", as_python_writes(value));
    }
    json + "\n}"
}

/// Python's `repr`: the fewest digits that parse back to the number; among those the nearest, and on a tie the even one
/// (Rust's shortest form takes the larger). An exponent below −4 or above 15 is written, with a sign and at least two
/// digits.
fn as_python_writes(number: &Number) -> String {
    let Some(value) = number.as_f64().filter(|_| number.is_f64()) else { return number.to_string() };
    let shortest = format!("{value:e}");
    let digits = shortest.split('e').next().unwrap_or_default().bytes().filter(u8::is_ascii_digit).count();
    let nearest = format!("{value:.*e}", digits - 1);
    let chosen = if nearest.parse() == Ok(value) { nearest } else { shortest };
    let (mantissa, exponent) = chosen.split_once('e').expect("a number with an exponent");
    let exponent: i32 = exponent.parse().expect("a small number");
    match exponent {
        -4..16 => {
            let decimals = (digits as i32 - 1 - exponent).max(1) as usize;
            format!("{value:.decimals$}")
        }
        _ => format!("{mantissa}e{}{:02}", if exponent < 0 { '-' } else { '+' }, exponent.abs()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::squad::metrics::{QuestionScore, Score};

    #[test]
    fn numbers_are_written_as_python_writes_them() {
        for (value, written) in [
            (0.0, "0.0"),
            (-0.0, "-0.0"),
            (62.5, "62.5"),
            (1e-4, "0.0001"),
            (1e-5, "1e-05"),
            (-1.25e-7, "-1.25e-07"),
            (5e-324, "5e-324"),
            (9007199254740993.0, "9007199254740992.0"),
            (-0.851_234_436_035_156_2, "-0.8512344360351562"), // as near to …563
            (1e15, "1000000000000000.0"),
            (1234.5, "1234.5"),
            (1e16, "1e+16"),
            (1.7976931348623157e308, "1.7976931348623157e+308"),
        ] {
            assert_eq!(as_python_writes(&Number::from_f64(value).unwrap()), written);
        }
        assert_eq!(to_json(&vec![("total".into(), 3.into())]), "{\n  \"total\": 3\n}");
        assert_eq!(to_json(&Vec::new()), "{\n}");
    }

    #[test]
    fn predictions_keep_the_order_of_their_file() {
        let (read, odds) = parse_predictions("p.json", br#"{"b": "1", "a": "2", "b": "3"}"#).unwrap();
        assert!(odds.is_none());
        assert_eq!(read.into_iter().collect::<Vec<_>>(), [("b".into(), "3".into()), ("a".into(), "2".into())]);
        for (json, message) in [
            ("", "`p.json`: empty: predictions are an object of texts by question id"),
            ("7", "`p.json`: invalid type: integer `7`, expected a map at line 1 column 1: predictions are"),
            ("[1", "`p.json`: EOF while parsing a list at line 1 column 2"),
            ("[1]", "`p.json`: entry 1: invalid type: integer `1`, expected an object at column 1: expected an object"),
            (r#"[{"id": "a"}]"#, "`p.json`: entry 1: missing field `prediction_text` at column 11: expected an object"),
            (
                r#"[{"id": "a", "prediction_text": ""}, {"id": "a", "prediction_text": ""}]"#,
                "`p.json`: entry 2: another one has the id `a`: expected",
            ),
            (r#"{"a": 1}"#, "`p.json`: invalid type: integer `1`, expected a string at line 1 column 7: predictions"),
        ] {
            let error = parse_predictions("p.json", json.as_bytes()).unwrap_err().to_string();
            assert!(error.starts_with(message), "{error}");
        }
    }

    #[test]
    fn odds_that_are_missing_or_not_finite_are_errors_that_name_the_question() {
        let question = |id| QuestionScore { id, has_answer: true, score: Score { exact: 1.0, f1: 1.0 } };
        let scores = Scores { questions: vec![question("a"), question("b")], missing: Vec::new() };
        let odds = |b: Option<f64>| {
            let odds = [("a", Some(0.5)), ("b", b), ("unasked", Some(f64::NAN))];
            let odds = odds.into_iter().filter_map(|(id, odds)| Some((id.to_owned(), odds?))).collect();
            odds_of("o.json", &scores, &odds).map_err(|error| error.to_string())
        };
        assert_eq!(odds(Some(-2.0)), Ok(vec![0.5, -2.0]));
        for (b, message) in [
            (None, "no null odds of question `b`, which has a prediction"),
            (Some(f64::INFINITY), "question `b`: null odds inf: expected a finite number"),
            (Some(f64::NEG_INFINITY), "question `b`: null odds -inf: expected a finite number"),
            (Some(f64::NAN), "question `b`: null odds NaN: expected a finite number"),
        ] {
            assert_eq!(odds(b), Err(format!("`o.json`: {message}")));
        }
    }

    #[test]
    fn a_list_of_predictions_may_have_null_odds() {
        let list = |more: [&str; 2]| {
            format!(
                r#"[{{"id": "b", "prediction_text": "1"{}}}, {{"prediction_text": "", "id": "a"{}, "x": 1}}]"#,
                more[0], more[1]
            )
        };
        let read = |json: String| parse_predictions("p.json", json.as_bytes()).unwrap();
        let odds = [r#", "no_answer_probability": 0.25"#, r#", "no_answer_probability": 1"#];
        let (predictions, of_all) = read(list(odds));
        assert_eq!(
            predictions.into_iter().collect::<Vec<_>>(),
            [("b".into(), "1".into()), ("a".into(), String::new())]
        );
        assert_eq!(of_all.unwrap().into_values().collect::<Vec<_>>(), [0.25, 1.0]);
        for none in [list([odds[0], ""]), list(["", ""]), "[]".into()] {
            assert!(read(none).1.is_none());
        }
    }
}

//! SQuAD: reading the data, and the official exact match and F1.
//!
//! The files of SQuAD v1.1 and v2.0, and of everything that has taken over their form. Offsets are characters there
//! and bytes here.

pub mod metrics;

use std::collections::HashSet;

use serde::Deserialize;

use crate::tokenizer::ByteSpan;
use crate::{Error, Result};

/// A SQuAD file.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Dataset {
    /// Its articles, in the order of the file.
    pub articles: Vec<Article>,
}

/// Paragraphs under one title.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Article {
    /// Empty where the file has none.
    pub title: String,
    /// The paragraphs, in order.
    pub paragraphs: Vec<Paragraph>,
}

/// A text and the questions about it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Paragraph {
    /// The text.
    pub context: String,
    /// The questions, in order.
    pub questions: Vec<Question>,
}

/// A question with its answers.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Question {
    /// Unlike every other id of the file.
    pub id: String,
    /// The question itself.
    pub question: String,
    /// What people marked as the answer; empty where the text does not answer.
    pub answers: Vec<Gold>,
    /// What the file says of it; false in version 1.1, which does not say. The official evaluation goes by `answers`.
    pub is_impossible: bool,
}

/// An answer that somebody marked.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Gold {
    /// Its text: `context[bytes.start..bytes.end]`.
    pub text: String,
    /// Its place in the context.
    pub bytes: ByteSpan,
}

impl Dataset {
    /// Reads the content of a SQuAD file; `file` is its name in messages.
    ///
    /// `plausible_answers` and keys that SQuAD does not have are ignored, `title` and `is_impossible` may be missing.
    ///
    /// # Errors
    /// [`Error::Format`] with line and column where this is not JSON or a value has another type; with article,
    /// paragraph (both counted from 1) and question where a key is missing, an answer does not stand where it is said
    /// to, or an id comes twice.
    ///
    /// ```
    /// let json = br#"{"data": [{"title": "Caf\u00e9s", "paragraphs": [{"context": "Caf\u00e9 Central", "qas": [
    ///     {"id": "1", "question": "Which caf\u00e9?", "answers": [{"text": "Central", "answer_start": 5}]}]}]}]}"#;
    /// let dataset = longspan::squad::Dataset::parse("cafes.json", json)?;
    /// let (paragraph, question) = dataset.questions().next().unwrap();
    /// let bytes = question.answers[0].bytes;
    /// assert_eq!(&paragraph.context[bytes.start..bytes.end], "Central");
    /// # Ok::<(), longspan::Error>(())
    /// ```
    pub fn parse(file: &str, json: &[u8]) -> Result<Self> {
        let error = |message: String| Error::Format { file: file.to_owned(), message };
        let json: JsonDataset = serde_json::from_slice(json).map_err(|json_error| error(json_error.to_string()))?;
        let mut ids = HashSet::new();
        let mut articles = Vec::new();
        for (number, article) in (1..).zip(json.data.ok_or_else(|| error("no `data`".to_owned()))?) {
            let title = article.title.unwrap_or_default();
            let place =
                if title.is_empty() { format!("article {number}") } else { format!("article {number} `{title}`") };
            let mut paragraphs = Vec::new();
            for (number, paragraph) in (1..).zip(required(article.paragraphs, &place, "paragraphs").map_err(error)?) {
                let place = format!("{place}, paragraph {number}");
                paragraphs.push(paragraph.checked(&place, &mut ids).map_err(error)?);
            }
            articles.push(Article { title, paragraphs });
        }
        Ok(Self { articles })
    }

    /// All questions with their paragraphs, in the order of the file.
    pub fn questions(&self) -> impl Iterator<Item = (&Paragraph, &Question)> {
        let paragraphs = self.articles.iter().flat_map(|article| &article.paragraphs);
        paragraphs.flat_map(|paragraph| paragraph.questions.iter().map(move |question| (paragraph, question)))
    }
}

// What the JSON holds. All may be missing, so that the message can say where it is missing.

#[derive(Deserialize)]
struct JsonDataset {
    data: Option<Vec<JsonArticle>>,
}

#[derive(Deserialize)]
struct JsonArticle {
    title: Option<String>,
    paragraphs: Option<Vec<JsonParagraph>>,
}

#[derive(Deserialize)]
struct JsonParagraph {
    context: Option<String>,
    qas: Option<Vec<JsonQuestion>>,
}

#[derive(Deserialize)]
struct JsonQuestion {
    id: Option<String>,
    question: Option<String>,
    answers: Option<Vec<JsonAnswer>>,
    is_impossible: Option<bool>,
}

#[derive(Deserialize)]
struct JsonAnswer {
    text: Option<String>,
    answer_start: Option<i64>,
}

type Checked<T> = std::result::Result<T, String>;

impl JsonParagraph {
    fn checked(self, place: &str, ids: &mut HashSet<String>) -> Checked<Paragraph> {
        let context = required(self.context, place, "context")?;
        let mut questions = Vec::new();
        for (number, question) in (1..).zip(required(self.qas, place, "qas")?) {
            let id = required(question.id, &format!("{place}, question {number}"), "id")?;
            let place = format!("{place}, question `{id}`");
            if !ids.insert(id.clone()) {
                return Err(format!("{place}: another question has the same id"));
            }
            let answers = required(question.answers, &place, "answers")?.into_iter();
            questions.push(Question {
                question: required(question.question, &place, "question")?,
                answers: answers.map(|answer| answer.checked(&place, &context)).collect::<Checked<_>>()?,
                is_impossible: question.is_impossible.unwrap_or(false),
                id,
            });
        }
        Ok(Paragraph { context, questions })
    }
}

impl JsonAnswer {
    fn checked(self, place: &str, context: &str) -> Checked<Gold> {
        let text = required(self.text, place, "text")?;
        let answer_start = required(self.answer_start, place, "answer_start")?;
        let Some(start) = usize::try_from(answer_start).ok().and_then(|at| byte_of_character(context, at)) else {
            let characters = context.chars().count();
            return Err(format!(
                "{place}: answer `{text}` is said to start at character {answer_start}, the context has {characters}"
            ));
        };
        if !context[start..].starts_with(&text) {
            let found: String = context[start..].chars().take(text.chars().count()).collect();
            return Err(format!(
                "{place}: answer `{text}` is said to start at character {answer_start}, where the context has `{found}`"
            ));
        }
        Ok(Gold { bytes: ByteSpan { start, end: start + text.len() }, text })
    }
}

fn required<T>(value: Option<T>, place: &str, key: &str) -> Checked<T> {
    value.ok_or_else(|| format!("{place}: no `{key}`"))
}

/// Where a character starts; the one after the last starts at the end.
fn byte_of_character(text: &str, at: usize) -> Option<usize> {
    let mut rest = text.chars();
    match at.checked_sub(1) {
        None => Some(0),
        Some(before) => rest.nth(before).map(|_| text.len() - rest.as_str().len()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn dataset() -> Value {
        json!({"version": "v2.0", "data": [
            {"title": "Caf\u{e9}s", "extra": [1, {"a": null}], "paragraphs": [
                {"context": "\u{1f600} Caf\u{e9} Central, Vienna", "qas": [
                    {"id": "a", "question": "Which?", "is_impossible": false, "answers": [
                        {"text": "Caf\u{e9} Central", "answer_start": 2},
                        {"text": "Vienna", "answer_start": 16, "extra": 1},
                        {"text": "", "answer_start": 22},
                    ]},
                    {"id": "b", "question": "When?", "is_impossible": true, "answers": [],
                        "plausible_answers": [{"text": "wrong", "answer_start": -5}]},
                ]},
                {"context": "", "qas": []},
            ]},
            {"paragraphs": [{"context": "x", "qas": [{"id": "c", "question": "?", "answers": []}]}]},
        ]})
    }

    #[track_caller]
    fn check_error(change: impl Fn(&mut Value), expected: &str) {
        let mut json = dataset();
        change(&mut json);
        let error = Dataset::parse("dev.json", json.to_string().as_bytes()).expect_err("no error");
        assert_eq!(error.to_string(), format!("`dev.json`: {expected}"));
    }

    #[test]
    fn reads_what_is_there() {
        let dataset = Dataset::parse("dev.json", dataset().to_string().as_bytes()).unwrap();
        let titles: Vec<_> = dataset.articles.iter().map(|article| article.title.as_str()).collect();
        assert_eq!(titles, ["Caf\u{e9}s", ""]);
        let questions: Vec<_> = dataset.questions().collect();
        let of = |key: fn(&Question) -> bool| questions.iter().map(|(_, question)| key(question)).collect::<Vec<_>>();
        assert_eq!(of(|question| question.is_impossible), [false, true, false]);
        assert_eq!(of(|question| question.answers.is_empty()), [false, true, true]);
        let (paragraph, question) = questions[0];
        assert_eq!((question.id.as_str(), question.question.as_str()), ("a", "Which?"));
        for gold in &question.answers {
            assert_eq!(paragraph.context[gold.bytes.start..gold.bytes.end], gold.text);
        }
        assert_eq!(question.answers[1].bytes, ByteSpan { start: 20, end: 26 });
    }

    #[test]
    fn errors_say_where() {
        let paragraph = |json: &mut Value, key: &str, value: Value| json["data"][0]["paragraphs"][0][key] = value;
        let question = |json: &mut Value, key: &str, value: Value| {
            json["data"][0]["paragraphs"][0]["qas"][0][key] = value;
        };
        let first = "article 1 `Caf\u{e9}s`, paragraph 1";
        check_error(|json| json["data"] = Value::Null, "no `data`");
        check_error(|json| json["data"][1]["paragraphs"] = Value::Null, "article 2: no `paragraphs`");
        check_error(|json| paragraph(json, "context", Value::Null), &format!("{first}: no `context`"));
        check_error(|json| paragraph(json, "qas", Value::Null), &format!("{first}: no `qas`"));
        check_error(|json| question(json, "id", Value::Null), &format!("{first}, question 1: no `id`"));
        check_error(|json| question(json, "question", Value::Null), &format!("{first}, question `a`: no `question`"));
        check_error(|json| question(json, "answers", Value::Null), &format!("{first}, question `a`: no `answers`"));
        check_error(|json| question(json, "answers", json!([{}])), &format!("{first}, question `a`: no `text`"));
        check_error(
            |json| question(json, "answers", json!([{"text": "x"}])),
            &format!("{first}, question `a`: no `answer_start`"),
        );
        check_error(
            |json| question(json, "id", json!("c")),
            "article 2, paragraph 1, question `c`: another question has the same id",
        );
        for (start, found) in [(3, "where the context has `af\u{e9} C`"), (21, "where the context has `a`")] {
            check_error(
                |json| question(json, "answers", json!([{"text": "Caf\u{e9} ", "answer_start": start}])),
                &format!("{first}, question `a`: answer `Caf\u{e9} ` is said to start at character {start}, {found}"),
            );
        }
        for start in [-1, 23, i64::MAX] {
            check_error(
                |json| question(json, "answers", json!([{"text": "", "answer_start": start}])),
                &format!("{first}, question `a`: answer `` is said to start at character {start}, the context has 22"),
            );
        }
    }

    #[test]
    fn broken_json_is_an_error_with_its_place() {
        for (json, expected) in [
            ("", "EOF while parsing a value at line 1 column 0"),
            ("{\"data\": [\n}", "expected value at line 2 column 1"),
            ("{\"data\":\n 7}", "invalid type: integer `7`, expected a sequence at line 2 column 2"),
        ] {
            let error = Dataset::parse("dev.json", json.as_bytes()).expect_err("no error");
            assert_eq!(error.to_string(), format!("`dev.json`: {expected}"));
        }
        assert!(Dataset::parse("dev.json", b"{\"data\": \xff}").is_err());
    }
}

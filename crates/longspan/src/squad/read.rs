//! JSON → [`Dataset`]; everything is checked, so that no one trains or measures on data that contradict themselves.

use std::borrow::Cow;
use std::collections::HashSet;

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use super::{Article, Dataset, Gold, Paragraph, SquadQuestion};
use crate::tokenizer::ByteSpan;
use crate::{Error, FormatKind, Result};

/// The articles stay text until each has its turn, so that no more than one is in memory as JSON.
#[derive(Deserialize)]
#[serde(expecting = "an object with `data`")]
struct RawDataset<'a> {
    #[serde(borrow)]
    data: Option<Vec<&'a RawValue>>,
}

/// A checked value, or a message with the place of the error.
type Checked<T> = std::result::Result<T, String>;

impl Dataset {
    /// Reads the content of a SQuAD file; `file` is its name in messages.
    ///
    /// `plausible_answers` and keys that SQuAD does not have are ignored, `title` and `is_impossible` may be missing, and
    /// an id may be a whole number.
    ///
    /// # Errors
    /// [`Error::Format`] with line and column where this is not JSON; with article, paragraph (both counted from 1) and
    /// question where a key is missing or has another type, an answer is not at its `answer_start`, or an id is not unique.
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
        let mut dataset = Self::default();
        dataset.add(file, json, &mut Err)?;
        Ok(dataset)
    }

    /// Adds the content of another file. An error of an article, a paragraph or a question goes to `bad`; where that
    /// returns `Ok`, the part is left out.
    ///
    /// # Errors
    /// As [`Dataset::parse`] where the file is not JSON, and the errors that `bad` returns.
    pub fn add(&mut self, file: &str, json: &[u8], bad: &mut dyn FnMut(Error) -> Result<()>) -> Result<()> {
        let error = |message: String| Error::format(file, FormatKind::Dataset, message);
        let json = json.strip_prefix("\u{feff}".as_bytes()).unwrap_or(json);
        if json.trim_ascii().is_empty() {
            return Err(error("empty: expected SQuAD data".to_owned()));
        }
        if json.trim_ascii_start().starts_with(b"[") {
            return Err(error("a list, expected an object with `data`".to_owned()));
        }
        let content: RawDataset<'_> = serde_json::from_slice(json).map_err(|e| error(e.to_string()))?;
        let mut reading = DatasetReader {
            ids: self.questions().map(|(_, question)| question.id.clone()).collect(),
            bad: &mut |message| bad(error(message)),
        };
        for (number, article) in (1..).zip(content.data.ok_or_else(|| error("no `data`".to_owned()))?) {
            self.articles.extend(reading.article(number, article)?);
        }
        Ok(())
    }
}

/// Reads one file. An error goes to `bad`; where that returns `Ok`, the part is left out.
struct DatasetReader<'a> {
    ids: HashSet<String>,
    bad: &'a mut dyn FnMut(String) -> Result<()>,
}

impl DatasetReader<'_> {
    /// The checked value, or `None` where there is an error and `bad` allows it.
    fn sound<T>(&mut self, checked: Checked<T>) -> Result<Option<T>> {
        match checked {
            Ok(sound) => Ok(Some(sound)),
            Err(message) => (self.bad)(message).map(|()| None),
        }
    }

    fn article(&mut self, number: usize, json: &RawValue) -> Result<Option<Article>> {
        let mut place = format!("article {number}");
        let json = serde_json::from_str(json.get()).map_err(|error| format!("{place}: {error}"));
        let Some(mut json): Option<Value> = self.sound(json)? else { return Ok(None) };
        let title = optional(&mut json, "title").map_or(Ok(String::new()), |title| text(title, &place, "title"));
        let Some(title) = self.sound(title)? else { return Ok(None) };
        if !title.is_empty() {
            place = format!("{place} `{title}`");
        }
        let Some(list) = self.sound(list(&mut json, &place, "paragraphs"))? else { return Ok(None) };
        let mut paragraphs = Vec::new();
        for (number, paragraph) in (1..).zip(list) {
            paragraphs.extend(self.paragraph(format!("{place}, paragraph {number}"), paragraph)?);
        }
        Ok(Some(Article { title, paragraphs }))
    }

    fn paragraph(&mut self, place: String, mut json: Value) -> Result<Option<Paragraph>> {
        let context = required(&mut json, &place, "context").and_then(|value| text(value, &place, "context"));
        let Some(context) = self.sound(context)? else { return Ok(None) };
        let Some(list) = self.sound(list(&mut json, &place, "qas"))? else { return Ok(None) };
        let mut questions = Vec::new();
        for (number, json) in (1..).zip(list) {
            let checked = self.question(&place, number, json, &context);
            questions.extend(self.sound(checked)?);
        }
        Ok(Some(Paragraph { context, questions }))
    }

    fn question(&mut self, place: &str, number: usize, mut json: Value, context: &str) -> Checked<SquadQuestion> {
        let at = format!("{place}, question {number}");
        let id = match required(&mut json, &at, "id")? {
            Value::Number(id) => id.to_string(),
            id => text(id, &at, "id")?,
        };
        let place = format!("{place}, question `{id}`");
        if self.ids.contains(&id) {
            return Err(format!("{place}: another question has the same id"));
        }
        let question = text(required(&mut json, &place, "question")?, &place, "question")?;
        let answers = list(&mut json, &place, "answers")?.into_iter();
        let answers = answers.map(|answer| gold(answer, &place, context)).collect::<Checked<_>>()?;
        let is_impossible = match optional(&mut json, "is_impossible") {
            None => false,
            Some(Value::Bool(is_impossible)) => is_impossible,
            Some(other) => return Err(unexpected(&other, &place, "is_impossible", "true or false")),
        };
        self.ids.insert(id.clone());
        Ok(SquadQuestion { id, question, answers, is_impossible })
    }
}

fn gold(mut json: Value, place: &str, context: &str) -> Checked<Gold> {
    let text = text(required(&mut json, place, "text")?, place, "text")?;
    let answer_start = required(&mut json, place, "answer_start")?;
    let Some(answer_start) = answer_start.as_i64() else {
        return Err(unexpected(&answer_start, place, "answer_start", "a whole number"));
    };
    let message = format!("{place}: answer `{text}` has answer_start {answer_start}");
    let Some(start) = usize::try_from(answer_start).ok().and_then(|at| byte_of_character(context, at)) else {
        return Err(format!("{message}, the context has {}", context.chars().count()));
    };
    if !context[start..].starts_with(&text) {
        let found: String = context[start..].chars().take(text.chars().count()).collect();
        return Err(format!("{message}, where the context has `{found}`"));
    }
    Ok(Gold { bytes: ByteSpan { start, end: start + text.len() }, text })
}

/// The value of a key; null counts as missing.
fn optional(object: &mut Value, key: &str) -> Option<Value> {
    object.get_mut(key).map(Value::take).filter(|value| !value.is_null())
}

fn required(object: &mut Value, place: &str, key: &str) -> Checked<Value> {
    if !object.is_object() {
        return Err(format!("{place}: {}, expected an object with `{key}`", kind(object)));
    }
    optional(object, key).ok_or_else(|| format!("{place}: no `{key}`"))
}

fn text(value: Value, place: &str, key: &str) -> Checked<String> {
    match value {
        Value::String(text) => Ok(text),
        other => Err(unexpected(&other, place, key, "text")),
    }
}

fn list(object: &mut Value, place: &str, key: &str) -> Checked<Vec<Value>> {
    match required(object, place, key)? {
        Value::Array(list) => Ok(list),
        other => Err(unexpected(&other, place, key, "a list")),
    }
}

fn unexpected(value: &Value, place: &str, key: &str, expected: &str) -> String {
    format!("{place}: `{key}` is {}, expected {expected}", kind(value))
}

fn kind(value: &Value) -> Cow<'static, str> {
    match value {
        Value::Null => "null".into(),
        Value::Bool(value) => value.to_string().into(),
        Value::Number(number) => format!("the number {number}").into(),
        Value::String(_) => "a text".into(),
        Value::Array(_) => "a list".into(),
        Value::Object(_) => "an object".into(),
    }
}

/// The byte at which a character starts; the end of the text counts as the start of another one.
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
    fn a_dataset_is_read() {
        let dataset = Dataset::parse("dev.json", dataset().to_string().as_bytes()).unwrap();
        let titles: Vec<_> = dataset.articles.iter().map(|article| article.title.as_str()).collect();
        assert_eq!(titles, ["Caf\u{e9}s", ""]);
        let questions: Vec<_> = dataset.questions().collect();
        let of =
            |key: fn(&SquadQuestion) -> bool| questions.iter().map(|(_, question)| key(question)).collect::<Vec<_>>();
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
    fn errors_have_a_place() {
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
                &format!("{first}, question `a`: answer `Caf\u{e9} ` has answer_start {start}, {found}"),
            );
        }
        for start in [-1, 23, i64::MAX] {
            check_error(
                |json| question(json, "answers", json!([{"text": "", "answer_start": start}])),
                &format!("{first}, question `a`: answer `` has answer_start {start}, the context has 22"),
            );
        }
    }

    #[test]
    fn values_of_another_type_are_errors_with_a_place() {
        let question = |json: &mut Value, key: &str, value: Value| {
            json["data"][0]["paragraphs"][0]["qas"][0][key] = value;
        };
        let first = "article 1 `Caf\u{e9}s`, paragraph 1";
        check_error(|json| json["data"][1] = json!(3), "article 2: the number 3, expected an object with `paragraphs`");
        check_error(|json| json["data"][1]["title"] = json!([]), "article 2: `title` is a list, expected text");
        check_error(
            |json| json["data"][0]["paragraphs"][0] = json!("x"),
            &format!("{first}: a text, expected an object with `context`"),
        );
        check_error(
            |json| question(json, "id", json!({})),
            &format!("{first}, question 1: `id` is an object, expected text"),
        );
        for (key, value, message) in [
            ("question", json!(true), "`question` is true, expected text"),
            ("answers", json!({"text": ["x"], "answer_start": [0]}), "`answers` is an object, expected a list"),
            ("answers", json!([["x"]]), "a list, expected an object with `text`"),
            (
                "answers",
                json!([{"text": "x", "answer_start": 2.5}]),
                "`answer_start` is the number 2.5, expected a whole number",
            ),
            ("is_impossible", json!(1), "`is_impossible` is the number 1, expected true or false"),
        ] {
            check_error(|json| question(json, key, value.clone()), &format!("{first}, question `a`: {message}"));
        }
    }

    #[test]
    fn an_id_may_be_a_number_and_the_file_may_begin_with_a_byte_order_mark() {
        let mut json = dataset();
        json["data"][0]["paragraphs"][0]["qas"][0]["id"] = json!(262);
        let dataset = Dataset::parse("dev.json", format!("\u{feff}{json}").as_bytes()).unwrap();
        assert_eq!(dataset.questions().next().unwrap().1.id, "262");
    }

    #[test]
    fn bad_parts_are_left_out_if_the_caller_allows_it() {
        let mut json = dataset();
        let paragraphs = &mut json["data"][0]["paragraphs"];
        paragraphs[0]["qas"][0]["answers"][0]["answer_start"] = json!(3);
        paragraphs[1]["context"] = Value::Null;
        json["data"].as_array_mut().unwrap().push(json!(null));
        let (mut read, mut bad) = (Dataset::default(), Vec::new());
        let mut add = |json: &Value| {
            let mut note = |error: Error| {
                bad.push(error.to_string());
                Ok(())
            };
            read.add("dev.json", json.to_string().as_bytes(), &mut note).unwrap();
        };
        add(&json);
        add(&json!({"data": [{"paragraphs": [{"context": "y", "qas": [
            {"id": "c", "question": "?", "answers": []}, {"id": "a", "question": "?", "answers": []}]}]}]}));
        let ids: Vec<&str> = read.questions().map(|(_, question)| question.id.as_str()).collect();
        assert_eq!(ids, ["b", "c", "a"]);
        let expected = [
            "question `a`: answer `Caf\u{e9} Central` has answer_start 3",
            "paragraph 2: no `context`",
            "article 3: null, expected an object with `paragraphs`",
            "question `c`: another question has the same id",
        ];
        assert_eq!(bad.len(), expected.len(), "{bad:?}");
        assert!(bad.iter().zip(expected).all(|(bad, expected)| bad.contains(expected)), "{bad:?}");
    }

    #[test]
    fn broken_json_is_an_error_with_its_place() {
        for (json, expected) in [
            ("", "empty: expected SQuAD data"),
            (" \n", "empty: expected SQuAD data"),
            ("[1]", "a list, expected an object with `data`"),
            ("7", "invalid type: integer `7`, expected an object with `data` at line 1 column 1"),
            ("{\"data\": [\n}", "expected value at line 2 column 1"),
            ("{\"data\": [{\n}", "EOF while parsing a list at line 2 column 1"),
            ("{\"data\":\n 7}", "invalid type: integer `7`, expected a sequence at line 2 column 2"),
        ] {
            let error = Dataset::parse("dev.json", json.as_bytes()).expect_err("no error");
            assert_eq!(error.to_string(), format!("`dev.json`: {expected}"));
        }
        assert!(Dataset::parse("dev.json", b"{\"data\": \xff}").is_err());
    }
}

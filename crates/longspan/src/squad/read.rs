//! JSON → [`Dataset`]; everything is checked, so that no one trains or measures on data that contradict themselves.

use std::collections::HashSet;

use serde_json::value::RawValue;

use super::{Article, Dataset, Gold, Paragraph, SquadQuestion};
use crate::error::excerpt;
use crate::json::{self, Elements, MemoryBudget, kind};
use crate::tokenizer::ByteSpan;
use crate::{Error, FormatKind, Result};

/// A checked value, or a message with the place of the error.
type Checked<T> = std::result::Result<T, String>;

impl Dataset {
    /// Reads the content of a SQuAD file; `file` is its name in messages.
    ///
    /// `plausible_answers` and keys that SQuAD does not have are ignored, `title` and `is_impossible` may be missing, and
    /// an id may be a whole number. Of equal keys the last counts. What is ignored takes no memory; the dataset takes at
    /// most 56 MB and three times the length of the JSON.
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
        let [data] = json::fields(json, ["data"]).map_err(|e| error(json::message(&e)))?;
        let data = data.ok_or_else(|| error("no `data`".to_owned()))?;
        let expected = || error(format!("`data` is {}, expected a list", kind(data)));
        let mut reading = DatasetReader {
            ids: self.questions().map(|(_, question)| question.id.clone()).collect(),
            memory: MemoryBudget::of(json),
            bad: &mut |message| bad(error(message)),
        };
        for (number, article) in (1..).zip(json::elements(data).ok_or_else(expected)?) {
            if let Some(article) = reading.article(number, article)? {
                json::push(&mut self.articles, article);
            }
        }
        Ok(())
    }
}

/// Reads one file, one part after the other. An error goes to `bad`; where that returns `Ok`, the part is left out.
struct DatasetReader<'a> {
    ids: HashSet<String>,
    memory: MemoryBudget,
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

    /// Takes memory for a part and its texts.
    fn take<T>(&mut self, place: &str, texts: &[&str]) -> Checked<()> {
        self.memory.take(size_of::<T>(), texts).map_err(|error| format!("{place}: {error}"))
    }

    fn article(&mut self, number: usize, json: &RawValue) -> Result<Option<Article>> {
        let place = format!("article {number}");
        let checked = self.article_head(place, json);
        let Some(ArticleHead { title, place, paragraphs: list }) = self.sound(checked)? else { return Ok(None) };
        let mut paragraphs = Vec::new();
        for (number, paragraph) in (1..).zip(list) {
            if let Some(paragraph) = self.paragraph(&format!("{place}, paragraph {number}"), paragraph)? {
                json::push(&mut paragraphs, paragraph);
            }
        }
        Ok(Some(Article { title, paragraphs }))
    }

    fn article_head<'j>(&mut self, place: String, json: &'j RawValue) -> Checked<ArticleHead<'j>> {
        let [paragraphs, title] = values(json, &place, ["paragraphs", "title"])?;
        let title = title.map_or(Ok(String::new()), |title| text(Some(title), &place, "title"))?;
        let place = if title.is_empty() { place } else { format!("{place} `{}`", excerpt(&title)) };
        self.take::<Article>(&place, &[&title])?;
        let paragraphs = list(paragraphs, &place, "paragraphs")?;
        Ok(ArticleHead { title, place, paragraphs })
    }

    fn paragraph(&mut self, place: &str, json: &RawValue) -> Result<Option<Paragraph>> {
        let checked = self.context(place, json);
        let Some(ParagraphHead { context, questions: list }) = self.sound(checked)? else { return Ok(None) };
        let mut questions = Vec::new();
        for (number, json) in (1..).zip(list) {
            let checked = self.question(place, number, json, &context);
            if let Some(question) = self.sound(checked)? {
                json::push(&mut questions, question);
            }
        }
        Ok(Some(Paragraph { context, questions }))
    }

    fn context<'j>(&mut self, place: &str, json: &'j RawValue) -> Checked<ParagraphHead<'j>> {
        let [context, questions] = values(json, place, ["context", "qas"])?;
        let context = text(context, place, "context")?;
        self.take::<Paragraph>(place, &[&context])?;
        Ok(ParagraphHead { context, questions: list(questions, place, "qas")? })
    }

    fn question(&mut self, place: &str, number: usize, json: &RawValue, context: &str) -> Checked<SquadQuestion> {
        let at = format!("{place}, question {number}");
        let [id, question, answers, is_impossible] = values(json, &at, ["id", "question", "answers", "is_impossible"])?;
        let id = required(id, &at, "id")?;
        let id = if kind(id).starts_with("the number") { id.get().to_owned() } else { text(Some(id), &at, "id")? };
        let place = format!("{place}, question `{}`", excerpt(&id));
        if self.ids.contains(&id) {
            return Err(format!("{place}: another question has the same id"));
        }
        let question = text(question, &place, "question")?;
        let mut gold_answers = Vec::new();
        for answer in list(answers, &place, "answers")? {
            let gold = gold(answer, &place, context)?;
            self.take::<Gold>(&place, &[&gold.text])?;
            json::push(&mut gold_answers, gold);
        }
        let is_impossible = match is_impossible.map(RawValue::get) {
            None | Some("false") => false,
            Some("true") => true,
            Some(_) => return Err(unexpected(is_impossible, &place, "is_impossible", "true or false")),
        };
        self.take::<(SquadQuestion, [String; 2])>(&place, &[&id, &id, &question])?;
        self.ids.insert(id.clone());
        Ok(SquadQuestion { id, question, answers: gold_answers, is_impossible })
    }
}

/// An article whose paragraphs are not read yet.
struct ArticleHead<'a> {
    title: String,
    place: String,
    paragraphs: Elements<'a>,
}

/// A paragraph whose questions are not read yet.
struct ParagraphHead<'a> {
    context: String,
    questions: Elements<'a>,
}

fn gold(json: &RawValue, place: &str, context: &str) -> Checked<Gold> {
    let [answer, answer_start] = values(json, place, ["text", "answer_start"])?;
    let answer = text(answer, place, "text")?;
    let start = required(answer_start, place, "answer_start")?;
    let Ok(start) = start.get().parse::<i64>() else {
        return Err(unexpected(answer_start, place, "answer_start", "a whole number"));
    };
    let message = format!("{place}: answer `{}` has answer_start {start}", excerpt(&answer));
    let Some(start) = usize::try_from(start).ok().and_then(|at| byte_of_character(context, at)) else {
        return Err(format!("{message}, the context has {}", context.chars().count()));
    };
    if !context[start..].starts_with(&answer) {
        let found: String = context[start..].chars().take(answer.chars().count()).collect();
        return Err(format!("{message}, where the context has `{}`", excerpt(&found)));
    }
    Ok(Gold { bytes: ByteSpan { start, end: start + answer.len() }, text: answer })
}

/// The values of keys of an object; the first key is the one that a message misses.
fn values<'a, const N: usize>(json: &'a RawValue, place: &str, keys: [&str; N]) -> Checked<[Option<&'a RawValue>; N]> {
    if !json.get().starts_with('{') {
        return Err(format!("{place}: {}, expected an object with `{}`", kind(json), keys[0]));
    }
    json::fields(json.get().as_bytes(), keys).map_err(|error| format!("{place}: {}", json::message(&error)))
}

fn required<'a>(value: Option<&'a RawValue>, place: &str, key: &str) -> Checked<&'a RawValue> {
    value.ok_or_else(|| format!("{place}: no `{key}`"))
}

fn text(value: Option<&RawValue>, place: &str, key: &str) -> Checked<String> {
    json::text(required(value, place, key)?).map_err(|error| format!("{place}: `{key}` {error}"))
}

fn list<'a>(value: Option<&'a RawValue>, place: &str, key: &str) -> Checked<Elements<'a>> {
    json::elements(required(value, place, key)?).ok_or_else(|| unexpected(value, place, key, "a list"))
}

fn unexpected(value: Option<&RawValue>, place: &str, key: &str, expected: &str) -> String {
    format!("{place}: `{key}` is {}, expected {expected}", value.map(kind).unwrap_or_default())
}

/// The byte at which a character starts; the end of the text counts as the start of another one.
pub(crate) fn byte_of_character(text: &str, at: usize) -> Option<usize> {
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
            ("{\"data\":\n 7}", "`data` is the number 7, expected a list"),
        ] {
            let error = Dataset::parse("dev.json", json.as_bytes()).expect_err("no error");
            assert_eq!(error.to_string(), format!("`dev.json`: {expected}"));
        }
        assert!(Dataset::parse("dev.json", b"{\"data\": \xff}").is_err());
    }
}

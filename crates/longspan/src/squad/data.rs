//! The data: articles of paragraphs of questions.
//!
//! Every error names the article, the paragraph and the question that it is about.

use std::collections::HashSet;

use serde::Deserialize;
use serde_json::Value;

use crate::{Error, Result};

/// An article: paragraphs about one subject, in their order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Article {
    /// Its title, empty where it has none.
    pub title: String,
    /// Its paragraphs.
    pub paragraphs: Vec<Paragraph>,
}

/// A paragraph and the questions about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Paragraph {
    /// The text that answers are spans of.
    pub context: String,
    /// Questions.
    pub questions: Vec<Question>,
}

/// A question with its gold answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// Unique in the data set.
    pub id: String,
    /// The question.
    pub text: String,
    /// Answers of several people, equal ones too; none when the paragraph does not answer.
    pub answers: Vec<GoldAnswer>,
}

/// A gold answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GoldAnswer {
    /// `context[byte..]` begins with it.
    pub text: String,
    /// Its first byte in the context; files count characters.
    pub byte: usize,
}

/// Reads a data set in the format of SQuAD v1.1 or v2.0.
///
/// Keys that are not known, `plausible_answers` among them, are ignored. A question with `is_impossible` has no answers.
///
/// # Errors
/// [`Error::Format`], about `name`, when the JSON is malformed, a key is missing, an answer does not stand where it is
/// said to, an answerable question has no answer, or an id comes twice.
pub fn parse(json: &[u8], name: &str) -> Result<Vec<Article>> {
    let wrong = |message: String| Error::Format { file: name.into(), message };
    let set: raw::Set = serde_json::from_slice(json).map_err(|e| wrong(e.to_string()))?;
    let mut ids = HashSet::new();
    let mut articles = Vec::with_capacity(set.data.len());
    for (a, article) in set.data.into_iter().enumerate() {
        let title = article.get("title").and_then(Value::as_str).unwrap_or_default().to_string();
        let place = if title.is_empty() { format!("article {a}") } else { format!("article {a} `{title}`") };
        let article: raw::Article = serde_json::from_value(article).map_err(|e| wrong(format!("{place}: {e}")))?;
        let mut paragraphs = Vec::with_capacity(article.paragraphs.len());
        for (p, paragraph) in article.paragraphs.into_iter().enumerate() {
            let place = format!("{place}, paragraph {p}");
            let wrong = |message: String| wrong(format!("{place}{message}"));
            let paragraph: raw::Paragraph = serde_json::from_value(paragraph).map_err(|e| wrong(format!(": {e}")))?;
            let mut questions = Vec::with_capacity(paragraph.qas.len());
            for (q, question) in paragraph.qas.into_iter().enumerate() {
                let question: raw::Question =
                    serde_json::from_value(question).map_err(|e| wrong(format!(", question {q}: {e}")))?;
                let question = checked(question, &paragraph.context)
                    .map_err(|(id, message)| wrong(format!(", question `{id}`: {message}")))?;
                if !ids.insert(question.id.clone()) {
                    return Err(wrong(format!(", question `{}`: the id comes twice", question.id)));
                }
                questions.push(question);
            }
            paragraphs.push(Paragraph { context: paragraph.context, questions });
        }
        articles.push(Article { title, paragraphs });
    }
    Ok(articles)
}

/// A question whose answers stand where they are said to; else its id and what is wrong.
fn checked(question: raw::Question, context: &str) -> std::result::Result<Question, (String, String)> {
    let raw::Question { id, question: text, answers, is_impossible } = question;
    let answers = if is_impossible { Vec::new() } else { answers };
    if answers.is_empty() && !is_impossible {
        return Err((id, "no answer, and `is_impossible` is not true".into()));
    }
    let mut checked = Vec::with_capacity(answers.len());
    for raw::Answer { text, answer_start } in answers {
        let byte = context.char_indices().map(|(byte, _)| byte).nth(answer_start);
        match byte.filter(|&byte| context[byte..].starts_with(&text)) {
            Some(byte) => checked.push(GoldAnswer { text, byte }),
            None => return Err((id, format!("answer `{text}` does not stand at character {answer_start}"))),
        }
    }
    Ok(Question { id, text, answers: checked })
}

/// The format of the files.
mod raw {
    use super::{Deserialize, Value};

    #[derive(Deserialize)]
    pub struct Set {
        pub data: Vec<Value>,
    }

    #[derive(Deserialize)]
    pub struct Article {
        pub paragraphs: Vec<Value>,
    }

    #[derive(Deserialize)]
    pub struct Paragraph {
        pub context: String,
        pub qas: Vec<Value>,
    }

    #[derive(Deserialize)]
    pub struct Question {
        pub id: String,
        pub question: String,
        #[serde(default)]
        pub answers: Vec<Answer>,
        #[serde(default)]
        pub is_impossible: bool,
    }

    #[derive(Deserialize)]
    pub struct Answer {
        pub text: String,
        pub answer_start: usize,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(question: &str) -> String {
        format!(r#"{{"data":[{{"title":"T","paragraphs":[{{"context":"é is the answer.","qas":[{question}]}}]}}]}}"#)
    }

    #[test]
    fn places_become_bytes() {
        let json = set(r#"{"id":"1","question":"What?","answers":[{"text":"the answer","answer_start":5}]},
            {"id":"2","question":"Why?","is_impossible":true,"plausible_answers":[{}]}"#);
        let articles = parse(json.as_bytes(), "dev.json").unwrap();
        let questions = &articles[0].paragraphs[0].questions;
        assert_eq!(questions[0].answers, [GoldAnswer { text: "the answer".into(), byte: 6 }]);
        assert_eq!(questions[1].answers, []);
    }

    #[test]
    fn what_is_wrong_is_named() {
        let good = r#"{"id":"1","question":"Q","answers":[{"text":"is","answer_start":2}]}"#;
        for (json, message) in [
            ("{".to_string(), "line 1 column 1"),
            ("{}".to_string(), "missing field `data`"),
            (r#"{"data":[{"title":"T"}]}"#.to_string(), "article 0 `T`: missing field `paragraphs`"),
            (set(r#"{"question":"Q"}"#), "article 0 `T`, paragraph 0, question 0: missing field `id`"),
            (set(r#"{"id":"1","question":"Q"}"#), "question `1`: no answer, and `is_impossible` is not true"),
            (set(&good.replace('2', "3")), "question `1`: answer `is` does not stand at character 3"),
            (set(&good.replace('2', "99")), "does not stand at character 99"),
            (set(&format!("{good},{good}")), "paragraph 0, question `1`: the id comes twice"),
        ] {
            let error = parse(json.as_bytes(), "dev.json").unwrap_err().to_string();
            assert!(error.starts_with("`dev.json`: ") && error.contains(message), "{json}: {error}");
        }
    }
}

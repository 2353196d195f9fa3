//! An answer as a JSON object, the same in every output, and its JSON Schema.

use schemars::{JsonSchema, Schema, generate::SchemaSettings};
use serde::Serialize;

use super::contents::WarningObject;
use crate::{Candidate, DocumentAnswer, PageBox, Place, Snippet};

/// The answer of one document to one question.
// The comments of the fields are the descriptions in the schema. Keys come in this order.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[schemars(title = "Answer")]
#[non_exhaustive]
pub struct AnswerObject<'a> {
    /// Name of the document; `-` is standard input.
    pub document: &'a str,
    /// The id of the document in a server; absent elsewhere.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "&'a str")]
    pub document_id: Option<&'a str>,
    /// The question.
    pub question: &'a str,
    /// The answer, as it stands in the text of the document; null if the document has none.
    pub answer: Option<&'a str>,
    /// Score of the answer, or `no_answer_score` if there is none. A probability of being right, if the model is
    /// calibrated.
    pub score: f64,
    /// Score of 'no answer'.
    pub no_answer_score: f64,
    /// Log odds of 'no answer' against the best span. Above the threshold there is no answer.
    pub null_odds: f64,
    /// First character of the answer: Unicode scalar values before it.
    pub start: Option<usize>,
    /// One past its last character.
    pub end: Option<usize>,
    /// First byte of the answer in the UTF-8 text.
    pub start_byte: Option<usize>,
    /// One past its last byte.
    pub end_byte: Option<usize>,
    /// Line of the text on which the answer begins, from 1.
    pub line: Option<usize>,
    /// Where it is for a reader of the document.
    #[serde(flatten)]
    pub reference: Reference<'a>,
    /// The sentence of the answer, as lines to show; absent if there is no answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "SentenceObject<'a>")]
    pub sentence: Option<SentenceObject<'a>>,
    /// The best spans, best first, whether or not there is an answer.
    pub answers: Vec<CandidateObject<'a>>,
    /// Tokens of the document.
    pub tokens: usize,
    /// Windows that cover the document.
    pub windows: usize,
    /// Name of the model.
    pub model: &'a str,
    /// Numbers that it computed with: `f32`, `bf16` or `int8`.
    pub precision: &'a str,
    /// Seconds that the model took: of each batch, the share of the tokens that were read for this answer.
    pub seconds: f64,
    /// What a reader should know about the text of the document; absent if there is nothing.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<WarningObject>,
}

/// A span that may answer the question.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[schemars(title = "Candidate")]
#[non_exhaustive]
pub struct CandidateObject<'a> {
    /// The span, as it stands in the text of the document.
    pub text: &'a str,
    /// Its score.
    pub score: f64,
    /// First character: Unicode scalar values before it.
    pub start: usize,
    /// One past its last character.
    pub end: usize,
    /// First UTF-16 code unit, as JavaScript and Java count.
    pub start_utf16: usize,
    /// One past its last UTF-16 code unit.
    pub end_utf16: usize,
    /// First byte in the UTF-8 text.
    pub start_byte: usize,
    /// One past its last byte.
    pub end_byte: usize,
    /// Line of the text on which it begins, from 1.
    pub line: usize,
    /// Where it is for a reader of the document.
    #[serde(flatten)]
    pub reference: Reference<'a>,
    /// Where it is printed, a rectangle for each line of the page; absent if the file does not say so.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub boxes: Vec<BoxObject>,
    /// Logit of its first token as a start.
    pub start_logit: f32,
    /// Logit of its last token as an end.
    pub end_logit: f32,
}

/// Where a span begins, for a reader of the document. What the document does not have is absent.
#[derive(Debug, Clone, Default, Serialize, JsonSchema)]
#[non_exhaustive]
pub struct Reference<'a> {
    /// Page on which it begins, from 1; absent if the document has no pages.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "usize")]
    pub page: Option<usize>,
    /// What is printed for the number of that page, such as `iv`; absent if the file does not say so.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "&'a str")]
    pub page_label: Option<&'a str>,
    /// Line of that page, from 1, without blank lines; absent if the document has no pages.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "usize")]
    pub page_line: Option<usize>,
    /// The headings above it, the highest first; absent if there are none.
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    pub heading: &'a [String],
}

/// An answer within its sentence, each part one line without control characters; `…` stands where text was left out. The
/// three parts after each other are the whole line.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[schemars(title = "Sentence")]
#[non_exhaustive]
pub struct SentenceObject<'a> {
    /// What precedes the answer in its sentence.
    pub before: &'a str,
    /// The answer.
    pub answer: &'a str,
    /// What follows it there.
    pub after: &'a str,
}

/// A rectangle on a page, in points from the top left corner of the page as it is shown.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[schemars(title = "Box")]
#[non_exhaustive]
pub struct BoxObject {
    /// Number of the page, from 1.
    pub page: usize,
    /// Left edge.
    pub x: f32,
    /// Upper edge.
    pub y: f32,
    /// Width.
    pub width: f32,
    /// Height.
    pub height: f32,
}

impl<'a> AnswerObject<'a> {
    /// The object of an answer by a model in a precision.
    pub fn new(answer: &'a DocumentAnswer, model: &'a str, precision: &'a str) -> Self {
        let best = answer.best();
        let place = best.map(|candidate| &candidate.place);
        Self {
            document: &answer.document,
            document_id: answer.document_id.as_deref(),
            question: &answer.question,
            answer: best.map(|candidate| candidate.text.as_str()),
            score: answer.score,
            no_answer_score: answer.no_answer_score,
            null_odds: answer.null_odds,
            start: place.map(|place| place.characters.start),
            end: place.map(|place| place.characters.end),
            start_byte: place.map(|place| place.bytes.start),
            end_byte: place.map(|place| place.bytes.end),
            line: place.map(|place| place.line),
            reference: place.map(Reference::new).unwrap_or_default(),
            sentence: best.map(|candidate| SentenceObject::new(&candidate.snippet)),
            answers: answer.candidates.iter().map(CandidateObject::new).collect(),
            tokens: answer.tokens,
            windows: answer.windows,
            model,
            precision,
            seconds: answer.seconds,
            warnings: WarningObject::all(&answer.warnings),
        }
    }

    /// The JSON Schema of the object, draft 2020-12. New keys may join it; those that are in it stay.
    pub fn schema() -> Schema {
        SchemaSettings::draft2020_12().for_serialize().into_generator().into_root_schema_for::<AnswerObject<'static>>()
    }
}

impl<'a> CandidateObject<'a> {
    fn new(candidate: &'a Candidate) -> Self {
        let Place { characters, utf16, bytes, line, .. } = &candidate.place;
        Self {
            text: &candidate.text,
            score: candidate.score,
            start: characters.start,
            end: characters.end,
            start_utf16: utf16.start,
            end_utf16: utf16.end,
            start_byte: bytes.start,
            end_byte: bytes.end,
            line: *line,
            reference: Reference::new(&candidate.place),
            boxes: candidate.boxes.iter().map(BoxObject::new).collect(),
            start_logit: candidate.start_logit,
            end_logit: candidate.end_logit,
        }
    }
}

impl<'a> Reference<'a> {
    fn new(place: &'a Place) -> Self {
        let Place { page, page_label, page_line, headings, .. } = place;
        Self { page: *page, page_label: page_label.as_deref(), page_line: *page_line, heading: headings }
    }
}

impl<'a> SentenceObject<'a> {
    fn new(Snippet { before, answer, after }: &'a Snippet) -> Self {
        Self { before, answer, after }
    }
}

impl BoxObject {
    fn new(&PageBox { page, x, y, width, height, .. }: &PageBox) -> Self {
        Self { page, x, y, width, height }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Content, Format, Warning};
    use serde_json::Value;

    fn json(answered: bool) -> String {
        let content = Content::plain("\u{feff}🚰\r\nzwei \u{1b}[1m\n\u{c}drei");
        let candidate = |bytes: std::ops::Range<usize>, score| Candidate {
            text: content.text()[bytes.clone()].into(),
            score,
            start_logit: 2.5,
            end_logit: 3.0,
            snippet: Snippet::new(content.text(), bytes.clone()),
            place: content.place(bytes),
            boxes: Vec::new(),
        };
        let mut first = candidate(9..13, 0.75);
        first.place.page_label = Some("iv".into());
        first.place.headings = vec!["1. One".into(), "(a) Two".into()];
        first.boxes = vec![PageBox { page: 1, x: 212.4, y: 310.1, width: 31.0, height: 11.25 }];
        let answer = DocumentAnswer {
            document: "é.txt".into(),
            document_id: answered.then(|| "d_7".into()),
            format: Format::Text,
            question: "Which?".into(),
            answered,
            score: if answered { 0.75 } else { 0.25 },
            no_answer_score: 0.25,
            null_odds: if answered { -1.5 } else { 1.5 },
            candidates: vec![first, candidate(3..7, 0.375)],
            tokens: 7,
            windows: 1,
            seconds: 0.25,
            warnings: if answered { [Warning::Hidden { characters: 3 }].into() } else { [].into() },
        };
        serde_json::to_string(&AnswerObject::new(&answer, "m (embedded)", "f32")).unwrap()
    }

    #[test]
    fn keys_stand_in_their_order() {
        assert_eq!(
            json(true),
            concat!(
                r#"{"document":"é.txt","document_id":"d_7","question":"Which?","answer":"zwei","score":0.75,"no_answer_score":0.25,"#,
                r#""null_odds":-1.5,"start":4,"end":8,"start_byte":9,"end_byte":13,"line":2,"page":1,"#,
                r#""page_label":"iv","page_line":2,"heading":["1. One","(a) Two"],"#,
                r#""sentence":{"before":"🚰 ","answer":"zwei","after":" \ufffd[1m drei"},"#,
                r#""answers":[{"text":"zwei","score":0.75,"start":4,"end":8,"start_utf16":5,"end_utf16":9,"#,
                r#""start_byte":9,"end_byte":13,"line":2,"page":1,"page_label":"iv","page_line":2,"#,
                r#""heading":["1. One","(a) Two"],"#,
                r#""boxes":[{"page":1,"x":212.4,"y":310.1,"width":31.0,"height":11.25}],"#,
                r#""start_logit":2.5,"end_logit":3.0},{"text":"🚰","score":0.375,"start":1,"end":2,"start_utf16":1,"#,
                r#""end_utf16":3,"start_byte":3,"end_byte":7,"line":1,"page":1,"page_line":1,"start_logit":2.5,"#,
                r#""end_logit":3.0}],"tokens":7,"windows":1,"model":"m (embedded)","precision":"f32","seconds":0.25,"#,
                r#""warnings":[{"code":"hidden","message":"3 characters of the text are not shown on the page"}]}"#,
            )
            .replace("\\ufffd", "\u{fffd}")
        );
    }

    #[test]
    fn an_abstention_has_no_place_but_lists_its_candidates() {
        let json = json(false);
        let nulls = r#""answer":null,"score":0.25,"no_answer_score":0.25,"null_odds":1.5,"start":null,"end":null,"#;
        assert!(json.contains(nulls), "{json}");
        assert!(json.contains(r#""start_byte":null,"end_byte":null,"line":null,"answers":[{"text":"zwei""#), "{json}");
        assert!(json.ends_with(r#""seconds":0.25}"#), "{json}");
    }

    /// Whether a value is of the type that a schema states; of its keywords those that ours has.
    fn check(value: &Value, schema: &Value, root: &Value) {
        let schema = match schema["$ref"].as_str() {
            Some(path) => root.pointer(path.trim_start_matches('#')).unwrap(),
            None => schema,
        };
        let kind = match value {
            Value::Null => "null",
            Value::Bool(_) => "boolean",
            Value::String(_) => "string",
            Value::Array(_) => "array",
            Value::Object(_) => "object",
            Value::Number(number) if number.is_u64() => "integer",
            Value::Number(_) => "number",
        };
        let kinds = schema["type"].as_array().cloned().unwrap_or_else(|| vec![schema["type"].clone()]);
        assert!(kinds.contains(&kind.into()), "{value}: {schema}");
        value.as_array().into_iter().flatten().for_each(|item| check(item, &schema["items"], root));
        let Some(object) = value.as_object() else { return };
        let properties = schema["properties"].as_object().unwrap();
        for required in schema["required"].as_array().into_iter().flatten() {
            assert!(object.contains_key(required.as_str().unwrap()), "{value}: {schema}");
        }
        for (key, value) in object {
            assert!(!properties[key]["description"].as_str().unwrap_or_default().is_empty(), "{key}");
            check(value, &properties[key], root);
        }
    }

    #[test]
    fn objects_are_as_the_schema_says() {
        let schema = AnswerObject::schema().to_value();
        for answered in [true, false] {
            check(&serde_json::from_str(&json(answered)).unwrap(), &schema, &schema);
        }
        // The answer with a page, a heading and a warning has every key.
        let all: Value = serde_json::from_str(&json(true)).unwrap();
        assert!(schema["properties"].as_object().unwrap().keys().eq(all.as_object().unwrap().keys()));
        let required = schema["required"].as_array().unwrap();
        assert_eq!((&required[0], &required[16], required.len()), (&"document".into(), &"seconds".into(), 17));
        assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
    }
}

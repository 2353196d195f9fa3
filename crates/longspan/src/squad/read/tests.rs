//! Data that are read, and the errors of those that are not.

use serde_json::{Value, json};

use super::super::{AnswerOffsets, MisplacedAnswers};
use super::*;
use crate::tokenizer::ByteSpan;

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
    let of = |key: fn(&SquadQuestion) -> bool| questions.iter().map(|(_, question)| key(question)).collect::<Vec<_>>();
    assert_eq!(of(|question| question.is_impossible), [false, true, false]);
    assert_eq!(of(|question| question.answers.is_empty()), [false, true, true]);
    let (paragraph, question) = questions[0];
    assert_eq!((question.id.as_str(), question.question.as_str()), ("a", "Which?"));
    for gold in &question.answers {
        let bytes = gold.bytes.unwrap();
        assert_eq!(paragraph.context[bytes.start..bytes.end], gold.text);
    }
    assert_eq!(question.answers[1].bytes, Some(ByteSpan { start: 20, end: 26 }));
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
    for (start, found) in [
        (3, "where the context has `af\u{e9} C`; it is there if offsets count UTF-16 units"),
        (21, "where the context has `a`"),
    ] {
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
        (
            "answers",
            json!({"text": ["x"], "answer_start": []}),
            "`text` and `answer_start` differ in length: `text` has more",
        ),
        ("answers", json!({"text": ["x"], "answer_start": 3}), "`answer_start` is the number 3, expected a list"),
        ("answers", json!(3), "`answers` is the number 3, expected a list"),
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
    let (mut read, mut bad, mut kinds) = (Dataset::default(), Vec::new(), Vec::new());
    let mut add = |json: &Value| {
        let mut note = |error: Error| {
            kinds.push(matches!(error, Error::Format { kind: FormatKind::AnswerPlace, .. }));
            bad.push(error.to_string());
            Ok(())
        };
        read.add("dev.json", json.to_string().as_bytes(), DatasetOptions::default(), &mut note).unwrap();
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
    assert_eq!(kinds, [true, false, false, false]);
    assert!(bad.iter().zip(expected).all(|(bad, expected)| bad.contains(expected)), "{bad:?}");
}

#[test]
fn broken_json_is_an_error_with_its_place() {
    for (json, expected) in [
        ("", "empty: expected SQuAD data"),
        (" \n", "empty: expected SQuAD data"),
        ("[1]", "article 1: the number 1, expected an object with `paragraphs`"),
        ("[{\"context\": 1}]", "row 1: `context` is the number 1, expected text"),
        ("[{\"id\": 1, \"question\": \"Who?\"}]", "row 1: no `context`"),
        ("{\"id\": 1, \"question\": \"Who?\"}", "row 1: no `context`"),
        ("{\"context\": \"a\"}\n{\"context\"\n", "EOF while parsing an object at line 3 column 0"),
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

const BRIDGE: &str = "The harbour bridge at Odde was opened on 3 May 1931 by the mayor.";

#[test]
fn layouts_of_other_libraries_are_the_same_data() {
    let nested = json!({"data": [{"title": "T", "paragraphs": [
        {"context": BRIDGE, "qas": [
            {"id": "a", "question": "When?", "answers": [{"text": "3 May 1931", "answer_start": 41}]},
            {"id": "b", "question": "Why?", "answers": []}]},
        {"context": "Caf\u{e9}", "qas": [{"id": "c", "question": "What?", "answers": [{"text": "Caf\u{e9}", "answer_start": 0}]}]},
    ]}]});
    let row = |id: &str, context: &str, question: &str, answers: Value| json!({"id": id, "title": "T", "context": context, "question": question, "answers": answers});
    let none = json!({"text": [], "answer_start": []});
    let rows = [
        row("a", BRIDGE, "When?", json!({"text": ["3 May 1931"], "answer_start": [41]})),
        row("c", "Caf\u{e9}", "What?", json!({"text": "Caf\u{e9}", "answer_start": 0})),
        row("b", BRIDGE, "Why?", none),
    ];
    let expected = Dataset::parse("f", nested.to_string().as_bytes()).unwrap();
    let lines = rows.each_ref().map(Value::to_string).join("\n") + "\n";
    for json in [lines, json!({"data": rows}).to_string(), json!(rows).to_string(), nested["data"].to_string()] {
        assert_eq!(Dataset::parse("f", json.as_bytes()).unwrap(), expected, "{json}");
    }
    let one = Dataset::parse("f", rows[0].to_string().as_bytes()).unwrap();
    assert_eq!(one.questions().count(), 1);
    // Rows of another file are other paragraphs; those of two titles too.
    let mut both = one.clone();
    let other = json!({"id": "d", "context": BRIDGE, "question": "?", "answers": [], "title": "U"}).to_string();
    both.add("g", other.as_bytes(), DatasetOptions::default(), &mut Err).unwrap();
    assert_eq!((both.articles.len(), both.articles[1].title.as_str()), (2, "U"));
}

#[test]
fn a_question_that_is_impossible_needs_no_answers() {
    let json = |more: Value| {
        let mut question = json!({"id": "a", "question": "?"});
        question.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        json!({"data": [{"paragraphs": [{"context": "x", "qas": [question]}]}]}).to_string()
    };
    for more in [json!({"is_impossible": true}), json!({"is_impossible": true, "answers": null})] {
        let dataset = Dataset::parse("f", json(more).as_bytes()).unwrap();
        let (_, question) = dataset.questions().next().unwrap();
        assert!(question.answers.is_empty() && question.is_impossible);
    }
    for more in [json!({}), json!({"answers": null}), json!({"is_impossible": false})] {
        let error = Dataset::parse("f", json(more).as_bytes()).unwrap_err().to_string();
        assert!(error.ends_with("question `a`: no `answers`"), "{error}");
    }
}

#[test]
fn options_say_what_becomes_of_answers_elsewhere() {
    let json = json!({"data": [{"paragraphs": [{"context": BRIDGE, "qas": [
        {"id": "a", "question": "?", "answers": [{"text": "3 May 1931", "answer_start": 0}]},
        {"id": "b", "question": "?", "answers": [{"text": "the", "answer_start": 3}]}]}]}]})
    .to_string();
    let read = |json: &str, misplaced: MisplacedAnswers| {
        let (mut dataset, mut bad) = (Dataset::default(), 0);
        let options = DatasetOptions { offsets: AnswerOffsets::Characters, misplaced };
        let notes = dataset.add("f", json.as_bytes(), options, &mut |_| {
            bad += 1;
            Ok(())
        });
        let places: Vec<_> = dataset.questions().map(|(_, question)| question.answers[0].bytes.is_some()).collect();
        (places, bad, notes.unwrap())
    };
    let note =
        |found, unplaced, first: &str| PlaceNotes { found, unplaced, first: first.into(), ..PlaceNotes::default() };
    assert_eq!(read(&json, MisplacedAnswers::Refuse), (vec![], 2, PlaceNotes::default()));
    let first = "article 1, paragraph 1, question `a`";
    assert_eq!(read(&json, MisplacedAnswers::TakeOnly), (vec![true, true], 0, note(2, 0, first)));
    let twice = json.replace("by the mayor", "by one of the mayors, the old one");
    assert_eq!(read(&twice, MisplacedAnswers::TakeOnly), (vec![true], 1, note(1, 0, first)));
    assert_eq!(read(&twice, MisplacedAnswers::Keep), (vec![true, false], 0, note(1, 1, first)));
}

//! SQuAD data in the layouts that other programs write.

use serde_json::{Value, json};

use super::{Folder, check_failed, gz, small_model};

const BRIDGE: &str = "The harbour bridge at Odde was opened on 3 May 1931 by the mayor. It carries two tram lines.";
const CAFE: &str = "Café Lumière 🍞🍞 sells bread. The owner, Inga Aalto, bakes at four in the morning.";
const PREDICTIONS: &str = r#"{"b1": "3 May 1931", "b2": "", "b3": "the owner"}"#;

/// The three questions of the data, with what each answer is written as.
fn nested(answer: impl Fn(&str, usize) -> Value, none: Value) -> Value {
    json!({"data": [{"title": "T", "paragraphs": [
        {"context": BRIDGE, "qas": [
            {"id": "b1", "question": "When was it opened?", "answers": answer("3 May 1931", 41)},
            {"id": "b2", "question": "Who designed it?", "answers": none}]},
        {"context": CAFE, "qas": [{"id": "b3", "question": "Who owns it?", "answers": answer("Inga Aalto", 40)}]},
    ]}]})
}

fn rows() -> Vec<Value> {
    let row = |id: &str, context: &str, question: &str, text: Value, answer_start: Value| {
        let answers = json!({"text": text, "answer_start": answer_start});
        json!({"id": id, "title": "T", "context": context, "question": question, "answers": answers})
    };
    vec![
        row("b1", BRIDGE, "When was it opened?", json!(["3 May 1931"]), json!([41])),
        row("b2", BRIDGE, "Who designed it?", json!([]), json!([])),
        row("b3", CAFE, "Who owns it?", json!(["Inga Aalto"]), json!([40])),
    ]
}

/// A folder with the data under a name, and predictions.
fn folder(name: &str, data: &[u8]) -> Folder {
    Folder::new(&[(name, data), ("p.json", PREDICTIONS.as_bytes())])
}

/// The official figures of the predictions, and what is said on standard error.
fn figures(folder: &Folder, name: &str, more: &[&str]) -> (Value, String) {
    let ran = folder.run(&[&["eval", name, "--json", "--predictions", "p.json"], more].concat());
    assert_eq!(ran.status, 0, "{ran:?}");
    (serde_json::from_str(&ran.stdout).unwrap(), ran.stderr)
}

fn expected() -> Value {
    let standard = nested(|text, start| json!([{"text": text, "answer_start": start}]), json!([]));
    figures(&folder("d.json", standard.to_string().as_bytes()), "d.json", &[]).0
}

#[test]
fn layouts_of_hugging_face_are_read() {
    let lines = rows().iter().map(|row| format!("{row}\n")).collect::<String>();
    let lists =
        nested(|text, start| json!({"text": [text], "answer_start": [start]}), json!({"text": [], "answer_start": []}));
    let mut without = nested(|text, start| json!([{"text": text, "answer_start": start}]), Value::Null);
    without["data"][0]["paragraphs"][0]["qas"][1]["is_impossible"] = json!(true);
    let expected = expected();
    assert_eq!((&expected["total"], &expected["NoAns_total"]), (&json!(3), &json!(1)));
    for data in [
        lines.clone(),
        json!({"data": rows()}).to_string(),
        json!(rows()).to_string(),
        lists.to_string(),
        without.to_string(),
    ] {
        assert_eq!(figures(&folder("d", data.as_bytes()), "d", &[]), (expected.clone(), String::new()), "{data}");
    }
    assert_eq!(figures(&folder("d.jsonl.gz", &gz(lines.as_bytes())), "d.jsonl.gz", &[]).0, expected);
    let broken = folder("d.jsonl", format!("{lines}{{\"context\": \n").as_bytes());
    check_failed(&broken.run(&["eval", "d.jsonl"]), "`d.jsonl`: EOF while parsing a value at line 5 column 0");
}

#[test]
fn answers_that_are_elsewhere_are_said_and_count() {
    let at = |start: Value, text: &str| {
        let mut data = nested(|text, start| json!([{"text": text, "answer_start": start}]), json!([]));
        data["data"][0]["paragraphs"][1]["qas"][0]["answers"] = json!([{"text": text, "answer_start": start}]);
        folder("d.json", data.to_string().as_bytes())
    };
    let expected = expected();
    let wrong = "warning: `d.json`: 1 answer is not at its answer_start: article 1 `T`, paragraph 2, question `b3`; \
                 the only place of each in its context is taken\nhint: ";
    for (start, text, hint) in [
        (json!(0), "Inga Aalto", "--offsets sets the unit of answer_start; "),
        (json!(42), "Inga Aalto", "all are there if offsets count UTF-16 units: --offsets utf16 reads them so"),
        (json!(48), "Inga Aalto", "all are there if offsets count bytes: --offsets bytes reads them so"),
        (Value::Null, "Inga Aalto", "--offsets sets the unit of answer_start; "),
    ] {
        let (found, said) = figures(&at(start, text), "d.json", &[]);
        assert_eq!(found, expected);
        assert!(said.starts_with(&format!("{wrong}{hint}")), "{said}");
    }
    // White space is no difference.
    for text in ["Inga\u{a0}Aalto", "Inga\nAalto "] {
        assert_eq!(figures(&at(json!(40), text), "d.json", &[]), (expected.clone(), String::new()));
    }
    for (start, offsets) in [(json!(42), "utf16"), (json!(48), "bytes"), (json!(40), "search"), (Value::Null, "search")]
    {
        let folder = at(start, "Inga Aalto");
        // The other answer stands behind ASCII alone.
        assert_eq!(figures(&folder, "d.json", &["--offsets", offsets]), (expected.clone(), String::new()));
    }
    let (found, said) = figures(&at(json!(0), "Inga Aalto"), "d.json", &["--offsets", "search"]);
    assert_eq!(found, expected);
    assert!(said.contains("`b3`; the nearest place of each in its context is taken\n"), "{said}");
    // The official figures need no places.
    let (found, said) = figures(&at(json!(3), "Inga  Aalto the owner"), "d.json", &[]);
    assert!(
        found["total"] == 3 && said.contains("; 1 has no certain place, and only their texts count\n"),
        "{found} {said}"
    );

    // Training needs them.
    let model = small_model();
    let train = |folder: &Folder, more: &[&str]| {
        let model = ["-m", model.to_str().unwrap(), "--max-tokens", "9999"]; // which ends it before the first step
        folder.run(&[&["train", "--train", "d.json", "--out", "out"][..], &model, more].concat())
    };
    let ran = train(&at(json!(0), "Inga Aalto"), &[]);
    assert!(ran.status == 2 && ran.stderr.starts_with(wrong) && ran.stderr.contains("--max-tokens 9999: "), "{ran:?}");
    let twice = at(json!(0), "in");
    check_failed(&train(&twice, &[]), "question `b3`: answer `in` has answer_start 0, where the context has `Ca`");
    assert!(train(&twice, &["--offsets", "search"]).stderr.contains("--max-tokens 9999: "));
}

#[test]
fn what_cannot_be_asked_is_found_before_anything_is() {
    let article = |id: &str, context: &str, question: &str| json!({"title": id, "paragraphs": [{"context": context, "qas": [{"id": id, "question": question, "answers": []}]}]});
    for (last, message) in [
        (article("z", "", "Why?"), "article `z`, paragraph ``, question `z`: the document is empty"),
        (article("z", BRIDGE, " "), "question `z`: the question is empty"),
    ] {
        let data = json!({"data": [article("a", BRIDGE, "When was it opened?"), last]}).to_string();
        let folder = folder("d.json", data.as_bytes());
        check_failed(&folder.run(&["eval", "d.json", "--out", "report"]), message);
        let answers = std::fs::read_to_string(folder.path("report/answers.jsonl")).unwrap_or_default();
        assert!(!answers.contains("\"id\""), "{answers}");
        let ran = folder.run(&["eval", "d.json", "--json", "--skip-bad"]);
        assert!(ran.status == 0 && ran.stdout.contains("\"total\": 1,"), "{ran:?}");
    }
}

#[test]
fn predictions_may_be_the_list_of_evaluate() {
    let standard = nested(|text, start| json!([{"text": text, "answer_start": start}]), json!([])).to_string();
    let folder = folder("d.json", standard.as_bytes());
    let odds = [("b1", 0.0), ("b2", 0.9), ("b3", 0.1)];
    let predictions: Value = serde_json::from_str(PREDICTIONS).unwrap();
    let list = |has_odds: bool| {
        let one = |(id, odds): &(&str, f64)| match has_odds {
            true => json!({"id": id, "prediction_text": predictions[*id], "no_answer_probability": odds}),
            false => json!({"id": id, "prediction_text": predictions[*id]}),
        };
        json!(odds.iter().map(one).collect::<Vec<_>>()).to_string()
    };
    let write = |name: &str, content: String| std::fs::write(folder.path(name), content).unwrap();
    write("odds.json", json!({"b1": 0.0, "b2": 0.9, "b3": 0.1}).to_string());
    write("list.json", list(true));
    write("plain.json", list(false));
    let run = |more: &[&str]| folder.run(&[&["eval", "d.json", "--json", "--predictions"], more].concat());
    let expected = run(&["p.json", "--null-odds", "odds.json"]);
    assert!(expected.status == 0 && expected.stdout.contains("best_exact"), "{expected:?}");
    assert_eq!(run(&["list.json"]), expected);
    assert_eq!(run(&["plain.json"]), run(&["p.json"]));
}

//! The requests of Hugging Face's clients, in both spellings.

use serde_json::{Value, json};

use super::super::{BREAD, PUMP};
use super::Server;

const WHO: &str = "Who installed the pump?";

#[test]
fn one_answer_is_an_object_and_several_are_a_list() {
    let server = Server::start(&[]);
    let context = PUMP.trim_start_matches('\u{feff}');
    let inputs = json!({"question": WHO, "context": context});
    let ask = |body: Value| {
        let reply = server.post("/", &body);
        assert_eq!(reply.status, 200, "{}", reply.text());
        assert_eq!(server.post("/question-answering", &body).json(), reply.json());
        reply.json()
    };
    let one = ask(json!({"inputs": inputs}));
    let characters: Vec<char> = context.chars().collect();
    let [start, end] = ["start", "end"].map(|key| one[key].as_u64().unwrap() as usize);
    assert_eq!(
        (&one["answer"], characters[start..end].iter().collect::<String>().as_str()),
        (&json!("Ada Brown"), "Ada Brown")
    );
    assert!(one["score"].as_f64().unwrap() > 0.0 && one.as_object().unwrap().len() == 4);
    // As huggingface_hub and as the JavaScript client send it.
    for parameters in [json!({"top_k": 2, "max_answer_len": 15}), json!({"topK": 2, "maxAnswerLen": 15})] {
        let two = ask(json!({"inputs": inputs, "parameters": parameters}));
        assert_eq!((two.as_array().unwrap().len(), &two[0]), (2, &one));
    }
    let with_none = json!({"top_k": 3, "handle_impossible_answer": true, "align_to_words": true});
    let with_none = ask(json!({"inputs": inputs, "parameters": with_none}));
    let none = with_none.as_array().unwrap().iter().find(|answer| answer["answer"] == "").unwrap();
    assert_eq!((&none["start"], &none["end"], &with_none[0]), (&json!(0), &json!(0), &one));
    let bread = json!({"question": WHO, "context": BREAD});
    assert_ne!(ask(json!({"inputs": bread}))["answer"], ""); // the best span, never empty
    let impossible = json!({"handleImpossibleAnswer": true});
    assert_eq!(ask(json!({"inputs": bread, "parameters": impossible}))["answer"], "");
    let list = ask(json!({"inputs": [inputs, bread], "parameters": null, "model": "x"}));
    assert_eq!((list.as_array().unwrap().len(), &list[0]), (2, &one));
}

#[test]
fn bad_requests_have_their_codes() {
    let server = Server::start(&["--max-pairs", "2"]);
    let inputs = json!({"question": WHO, "context": PUMP});
    for (body, status, error_type) in [
        (json!({"inputs": []}), 400, "malformed"),
        (json!({"inputs": {"question": WHO}}), 400, "malformed"),
        (json!({"inputs": inputs, "parameters": {"beams": 3}}), 400, "malformed"),
        (json!({"inputs": inputs, "parameters": {"top_k": 1000}}), 400, "option"),
        (json!({"inputs": [inputs, inputs, inputs]}), 413, "too_many_pairs"),
        (json!({"inputs": inputs, "parameters": {"maxQuestionLen": 2}}), 422, "question_too_long"),
        (json!({"inputs": {"question": "", "context": PUMP}}), 422, "empty_question"),
        (json!({"inputs": {"question": WHO, "context": ""}}), 422, "empty_document"),
    ] {
        let reply = server.post("/", &body);
        assert_eq!((reply.status, &reply.json()["error_type"]), (status, &json!(error_type)), "{body}");
    }
    // Errors have the names of the task.
    for (name, value) in [("max_answer_len", 0), ("max_seq_len", 99_999), ("max_answer_len", 99_999_999)] {
        let said = server.post("/", &json!({"inputs": inputs, "parameters": {name: value}})).json();
        assert!(said["error"].as_str().unwrap().starts_with(&format!("`{name}`: {value}")), "{said}");
        assert_eq!(said.get("hint"), None);
    }
}

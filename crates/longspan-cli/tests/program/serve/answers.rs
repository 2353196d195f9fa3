//! Answers are bit for bit those of `longspan ask`, whatever else the server does.

use serde_json::{Value, json};

use super::super::{BREAD, Folder, PUMP};
use super::{Server, book};

const WHO: &str = "Who installed the pump?";
const WHEN: &str = "When was the pump installed?";

/// What `longspan ask --json` prints, without what depends on the run.
fn of_program(folder: &Folder, arguments: &[&str]) -> Vec<Value> {
    let ran = folder.run(&[&["ask", "--json"], arguments].concat());
    ran.stdout.lines().map(|line| without_times(serde_json::from_str(line).unwrap())).collect()
}

fn without_times(mut answer: Value) -> Value {
    let object = answer.as_object_mut().unwrap();
    assert!(object.remove("seconds").unwrap().as_f64().unwrap() > 0.0);
    object.remove("document_id");
    answer
}

fn of_server(server: &Server, body: &Value) -> Vec<Value> {
    server.ask(body).into_iter().map(without_times).collect()
}

#[test]
fn answers_are_those_of_the_program_beside_a_book() {
    let text = format!("{}{BREAD}{PUMP}", "It is a long story. ".repeat(40));
    let folder =
        Folder::new(&[("long.txt", text.as_bytes()), ("pump.txt", PUMP.as_bytes()), ("bread", BREAD.as_bytes())]);
    let server = Server::start_in(folder, &[]);
    let mut beside = server.events(&json!({"question": WHO, "text": book()}));
    assert_eq!(beside.next().unwrap().0, "progress");
    let names = ["long.txt", "pump.txt", "bread"];
    let ids = names.map(|name| server.upload(name, &std::fs::read(server.folder.path(name)).unwrap()));
    for (options, body) in [
        (&[][..], json!({})),
        (&["--top-k", "3"], json!({"top_k": 3})),
        (&["--all", "--threshold", "5"], json!({"all": true, "threshold": 5})),
        (&["--max-tokens", "64", "--doc-stride", "9"], json!({"max_tokens": 64, "doc_stride": 9})),
        (&["--verify-tokens", "0", "--respect-borders", "true"], json!({"verify_tokens": 0, "respect_borders": true})),
        (
            &["--global-attention", "0,3", "--max-answer-length", "2"],
            json!({"global_attention": [0, 3], "max_answer_length": 2}),
        ),
        (&["--global-attention", "first"], json!({"global_attention": "first"})),
    ] {
        let arguments = [options, &["--", WHO], &names].concat();
        let mut body = body;
        (body["question"], body["documents"]) = (WHO.into(), json!(ids));
        let expected = of_program(&server.folder, &arguments);
        assert_eq!(expected.len(), 3);
        assert_eq!(of_server(&server, &body), expected, "{body}");
    }
    let mut direct = of_server(&server, &json!({"question": WHEN, "text": PUMP}));
    direct[0]["document"] = "pump.txt".into();
    assert_eq!(direct, of_program(&server.folder, &[WHEN, "pump.txt"]));
    // The book was read beside all of this.
    assert_eq!(beside.next().unwrap().0, "progress");
}

#[test]
fn an_answer_comes_event_by_event() {
    let server = Server::start(&[]);
    let body = json!({"questions": [WHO, WHEN, " "], "text": PUMP.repeat(30), "max_tokens": 64, "doc_stride": 8});
    let mut events = server.events(&body);
    let mut received: Vec<(String, Value)> = Vec::new();
    while let Some(event) = events.next() {
        received.push(event);
    }
    let (names, objects): (Vec<String>, Vec<Value>) = received.into_iter().unzip();
    assert_eq!(objects[0]["error_type"], "empty_question");
    assert_eq!(names.last().unwrap(), "done");
    let done = objects.last().unwrap();
    assert_eq!(done["tokens_done"], done["tokens"]);
    let of = |name: &str| {
        let named = names.iter().zip(&objects).filter(|(own, _)| *own == name);
        named.map(|(_, object)| object.clone()).collect::<Vec<Value>>()
    };
    let progress: Vec<u64> = of("progress").iter().map(|object| object["tokens_done"].as_u64().unwrap()).collect();
    assert!(!progress.is_empty() && progress.is_sorted(), "{progress:?}");
    let mut answers: Vec<Value> = of("answer").into_iter().skip(1).map(without_times).collect();
    answers.sort_by_key(|answer| answer["question"] != WHO);
    let mut body = body;
    body["questions"] = json!([WHO, WHEN]);
    assert_eq!(answers, of_server(&server, &body));
}

#[test]
fn who_leaves_stops_paying() {
    let text = book();
    let server = Server::start(&["--max-queued-tokens", "300000", "--max-body", "4M"]);
    let whole = json!({"question": WHO, "text": text}).to_string();
    for streamed in [true, false] {
        let before = server.metric("longspan_questions_total{outcome=\"cancelled\"}");
        let left: Box<dyn std::any::Any> = if streamed {
            let mut events = server.events(&json!({"question": WHO, "text": text}));
            assert_eq!(events.next().unwrap().0, "progress");
            Box::new(events)
        } else {
            use std::io::Write;
            let mut stream = server.connect();
            let head = format!("POST /v1/ask HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\n\r\n", whole.len());
            stream.write_all(head.as_bytes()).unwrap();
            stream.write_all(whole.as_bytes()).unwrap();
            server.wait_for_metric("longspan_queue_readings", 1.0);
            Box::new(stream)
        };
        // There is no room for another book.
        let reply = server.post("/v1/ask", &json!({"question": WHO, "text": text}));
        assert_eq!((reply.status, &reply.json()["error_type"]), (429, &json!("overloaded")));
        assert!(reply.header("retry-after").parse::<u64>().unwrap() >= 1);
        drop(left);
        server.wait_for_metric("longspan_queue_tokens", 0.0);
        server.wait_for_metric("longspan_questions_total{outcome=\"cancelled\"}", before + 1.0);
        assert_eq!(server.ask(&json!({"question": WHO, "text": PUMP}))[0]["answer"], "Ada Brown");
    }
}

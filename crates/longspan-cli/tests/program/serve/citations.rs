//! Quotations are checked as `longspan cite` checks them.

use serde_json::{Value, json};

use super::super::{BREAD, Folder, PUMP};
use super::Server;

const TEXT: &str = "It “stopped in 1923” and was “installed in May 1912 by Ada Brown”, but “never made of water”.\n";

#[test]
fn quotations_are_those_of_the_program() {
    let files = [("pump.txt", PUMP.as_bytes()), ("bread", BREAD.as_bytes()), ("quoting.md", TEXT.as_bytes())];
    let server = Server::start_in(Folder::new(&files), &[]);
    let ids = ["pump.txt", "bread"].map(|name| server.upload(name, &std::fs::read(server.folder.path(name)).unwrap()));
    let ran = server.folder.run(&["cite", "--json", "quoting.md", "pump.txt", "bread"]);
    let mut expected: Vec<Value> = ran.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    // A server names the documents by their ids too.
    for quotation in &mut expected {
        let places = quotation["places"].as_array().unwrap().len();
        for path in (0..places).map(|place| format!("/places/{place}")).chain(["/nearest".to_owned()]) {
            if let Some(passage) = quotation.pointer_mut(&path).filter(|passage| passage.is_object()) {
                let id = if passage["document"] == "bread" { &ids[1] } else { &ids[0] };
                passage["document_id"] = json!(id);
            }
        }
    }
    let statuses: Vec<&str> = expected.iter().map(|quotation| quotation["status"].as_str().unwrap()).collect();
    assert_eq!(statuses, ["exact", "altered", "not_found"]);
    let reply = server.post("/v1/cite", &json!({"text": TEXT, "documents": ids}));
    assert_eq!((reply.status, &reply.json()["quotations"]), (200, &json!(expected)));
    let listed = server.post("/v1/cite", &json!({"quotes": ["in an oven"], "documents": "all"})).json();
    assert_eq!(listed["quotations"][0]["status"], "exact");
    let twice = server.post("/v1/cite", &json!({"quotes": ["in an oven"], "documents": [ids[1], ids[1]]})).json();
    assert_eq!(twice["quotations"][0]["places_count"], 1);
    let few = server.post("/v1/cite", &json!({"text": "“stopped”", "min_words": 1, "documents": ids})).json();
    assert_eq!(few["quotations"][0]["quote"], "stopped");
    for (body, status, error_type) in [
        (json!({"text": TEXT, "quotes": ["in an oven"], "documents": ids}), 400, "malformed"),
        (json!({"text": TEXT}), 400, "malformed"),
        (json!({"text": TEXT, "documents": ids, "min_words": 0}), 400, "option"),
        (json!({"text": TEXT, "documents": "some"}), 400, "malformed"),
        (json!({"text": TEXT, "documents": []}), 404, "unknown_document"),
        (json!({"text": TEXT, "documents": ["d_0"]}), 404, "unknown_document"),
        (json!({"quotes": vec!["a b"; 100_001], "documents": ids}), 413, "too_large"),
    ] {
        let reply = server.post("/v1/cite", &body);
        assert_eq!((reply.status, &reply.json()["error_type"]), (status, &json!(error_type)), "{}", reply.text());
    }
}

//! The tools of agents over HTTP.

use std::io::{BufRead, BufReader, Write};
use std::process::Command;

use serde_json::{Value, json};

use super::super::{BREAD, Folder, PUMP};
use super::{Reply, Server, book};

const WHO: &str = "Who installed the pump?";
const HEADERS: [(&str, &str); 3] = [
    ("content-type", "application/json"),
    ("accept", "application/json, text/event-stream"),
    ("mcp-protocol-version", "2025-06-18"),
];

impl Server {
    fn mcp(&self, method: &str, params: &Value) -> Reply {
        let message = json!({"jsonrpc": "2.0", "id": 7, "method": method, "params": params});
        self.call("POST", "/mcp", &HEADERS, message.to_string().as_bytes())
    }

    fn tool(&self, name: &str, arguments: Value) -> Value {
        let reply = self.mcp("tools/call", &json!({"name": name, "arguments": arguments}));
        assert_eq!((reply.status, &reply.json()["id"]), (200, &json!(7)), "{}", reply.text());
        reply.json()["result"].clone()
    }
}

/// Begins to ask a document, and reads the messages of the stream.
struct McpStream(BufReader<std::net::TcpStream>);

impl McpStream {
    fn begin(server: &Server, document: &str) -> Self {
        let body = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {
            "name": "ask_document", "arguments": {"document": document, "question": WHO}, "_meta": {"progressToken": "t"}}});
        let (body, mut stream) = (body.to_string(), server.connect());
        write!(stream, "POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\n", body.len()).unwrap();
        HEADERS.iter().for_each(|(name, value)| write!(stream, "{name}: {value}\r\n").unwrap());
        write!(stream, "\r\n{body}").unwrap();
        Self(BufReader::new(stream))
    }

    /// The next message; `None` at the end.
    fn next(&mut self) -> Option<Value> {
        loop {
            let mut line = String::new();
            if self.0.read_line(&mut line).unwrap() == 0 || line == "0\r\n" {
                return None;
            }
            if let Some(data) = line.strip_prefix("data:").map(str::trim).filter(|data| !data.is_empty()) {
                return Some(serde_json::from_str(data).unwrap());
            }
        }
    }

    fn last(mut self) -> Value {
        std::iter::from_fn(|| self.next()).last().unwrap()
    }
}

#[test]
fn the_tools_have_the_documents_of_the_server() {
    let server = Server::start(&["--max-body", "16K"]);
    let hello =
        json!({"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}});
    let server_info = server.mcp("initialize", &hello).json();
    assert_eq!(server_info["result"]["serverInfo"]["name"], "longspan", "{server_info}");
    assert_eq!(server.mcp("tools/list", &json!({})).json()["result"]["tools"].as_array().unwrap().len(), 4);
    let empty = server.tool("list_documents", json!({}));
    assert_eq!(empty["structuredContent"], json!({"documents": [], "documents_count": 0}));
    let id = server.upload("pump.txt", PUMP.as_bytes());
    server.upload("bread", BREAD.as_bytes());
    let asked = &server.ask(&json!({"question": WHO, "document_id": id}))[0];
    for document in ["pump.txt", &id] {
        let result = server.tool("ask_document", json!({"document": document, "question": WHO}));
        let mut answer = result["structuredContent"].clone();
        answer["seconds"] = asked["seconds"].clone();
        assert_eq!((&answer, &result["isError"]), (asked, &json!(false)));
    }
    let cited = server.tool("verify_quotes", json!({"quotes": ["in an oven", "of flour"], "documents": "all"}));
    let places = &cited["structuredContent"]["quotations"][0]["places"][0];
    assert!(places["document"] == "bread" && places["document_id"].as_str().unwrap().starts_with("d_"), "{cited}");
    let names = json!(["bread", places["document_id"]]);
    let twice = server.tool("verify_quotes", json!({"quotes": ["in an oven"], "documents": names}));
    assert_eq!(twice["structuredContent"]["quotations"][0]["places_count"], 1, "{twice}");
    assert_eq!(server.tool("read_document", json!({"document": "bread"}))["content"][0]["text"], BREAD);
    let resources = server.mcp("resources/list", &json!({})).json()["result"]["resources"].clone();
    let uri = &resources[1]["uri"];
    assert_eq!(server.mcp("resources/read", &json!({"uri": uri})).json()["result"]["contents"][0]["text"], PUMP);
    // Two of one name are told apart by their ids alone.
    server.upload("bread", PUMP.as_bytes());
    let twice = server.tool("read_document", json!({"document": "bread"}));
    let said = twice["content"][0]["text"].as_str().unwrap().to_owned();
    assert!(twice["isError"] == true && said.contains("2 documents are called `bread`"), "{said}");
    // What is no message of the protocol.
    for (headers, body, status, error_type) in [
        (&HEADERS[..], "{", 400, "malformed"),
        (&HEADERS[..1], "{}", 400, "malformed"),
        (&HEADERS[1..], "{}", 400, "malformed"),
        (&HEADERS, &"x".repeat(20_000), 413, "too_large"),
    ] {
        let reply = server.call("POST", "/mcp", headers, body.as_bytes());
        assert_eq!((reply.status, &reply.json()["error_type"]), (status, &json!(error_type)), "{}", reply.text());
    }
    for method in ["GET", "DELETE"] {
        assert_eq!(server.call(method, "/mcp", &HEADERS, b"").status, 405);
    }
    let wrong = server.mcp("tools/call", &json!({"name": "ask_document", "arguments": {"question": WHO}})).json();
    assert_eq!(wrong["error"]["code"], -32602, "{wrong}");
}

#[test]
fn hosts_sites_keys_and_limits_are_those_of_every_route() {
    let server = Server::start(&[
        "--api-key",
        "secret",
        "--max-queued-tokens",
        "40",
        "--cors-allow-origin",
        "https://ok.example",
    ]);
    let list = json!({"jsonrpc": "2.0", "id": 7, "method": "tools/list", "params": {}}).to_string();
    let status = |host: &str, more: &str| {
        let head = HEADERS.map(|(name, value)| format!("{name}: {value}\r\n")).concat();
        let length = list.len();
        let sent = format!(
            "POST /mcp HTTP/1.1\r\nHost: {host}\r\n{head}{more}Content-Length: {length}\r\nConnection: close\r\n\r\n{list}"
        );
        server.send(&sent)[9..12].to_owned()
    };
    for (host, more, expected) in [
        ("localhost", "", "401"),
        ("localhost", "Authorization: Bearer wrong\r\n", "401"),
        ("localhost", "Authorization: Bearer secret\r\n", "200"),
        ("evil.example", "Authorization: Bearer secret\r\n", "403"),
        ("localhost", "Authorization: Bearer secret\r\nOrigin: https://evil.example\r\n", "403"),
        ("localhost", "Authorization: Bearer secret\r\nOrigin: https://ok.example\r\n", "200"),
    ] {
        assert_eq!(status(host, more), expected, "{host} {more}");
    }
    let key = ("authorization", "Bearer secret");
    let upload = server.call("POST", "/v1/documents?name=pump.txt", &[key], PUMP.repeat(3).as_bytes());
    assert_eq!(upload.status, 201);
    let ask = json!({"jsonrpc": "2.0", "id": 7, "method": "tools/call", "params":
        {"name": "ask_document", "arguments": {"document": "pump.txt", "question": WHO}}});
    let reply = server.call("POST", "/mcp", &[&HEADERS[..], &[key]].concat(), ask.to_string().as_bytes()).json();
    let said = reply["result"]["content"][0]["text"].as_str().unwrap();
    assert!(said.starts_with("too_large: the request is "), "{said}");
}

#[test]
fn a_client_that_leaves_stops_its_call_and_a_drain_answers_it() {
    let mut server = Server::start_in(Folder::new(&[]), &["--drain-timeout", "600"]);
    let book = server.upload("book.txt", book().as_bytes());
    let mut stream = McpStream::begin(&server, &book);
    let first = stream.next().unwrap();
    assert_eq!((&first["method"], &first["params"]["progressToken"]), (&json!("notifications/progress"), &json!("t")));
    drop(stream);
    server.wait_for_metric("longspan_questions_total{outcome=\"cancelled\"}", 1.0);
    server.wait_for_metric("longspan_queue_tokens", 0.0);

    let some = server.upload("some.txt", "The pump was installed in May 1911 by Ada Brown. ".repeat(800).as_bytes());
    let mut stream = McpStream::begin(&server, &some);
    stream.next().unwrap();
    let signal = |server: &Server| {
        assert!(Command::new("kill").args(["-TERM", &server.child.id().to_string()]).status().unwrap().success());
    };
    signal(&server);
    server.wait_for_log("draining");
    let last = stream.last();
    assert_eq!(last["result"]["structuredContent"]["answer"], "Ada Brown", "{last}");
    assert_eq!(server.child.wait().unwrap().code(), Some(0), "{}", server.whole_log());

    let mut server = Server::start(&["--drain-timeout", "0"]);
    let book = server.upload("book.txt", super::book().as_bytes());
    let mut stream = McpStream::begin(&server, &book);
    stream.next().unwrap();
    signal(&server);
    let last = stream.last();
    let said = last["result"]["content"][0]["text"].as_str().unwrap();
    assert!(last["result"]["isError"] == true && said.starts_with("draining: "), "{last}");
    assert_eq!(server.child.wait().unwrap().code(), Some(0), "{}", server.whole_log());
    // Nothing that a client or a document has said is in the log.
    let log = server.whole_log();
    assert!(!log.contains("installed") && !log.contains("book.txt") && log.contains("route=\"/mcp\""), "{log}");
}

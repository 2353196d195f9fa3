//! Who may ask, what browsers are told, and what the log says.

use serde_json::{Value, json};

use super::super::{Folder, PUMP};
use super::Server;

const QUESTION: &str = "Who installed the secretive pump?";

#[test]
fn a_key_covers_everything_but_health_and_the_page() {
    let folder = Folder::new(&[("key", b"s3cret\nmore\n")]);
    let server = Server::start_in(folder, &["--api-key-file", "key"]);
    for (method, path, status) in [
        ("GET", "/health", 200),
        ("GET", "/", 200),
        ("POST", "/", 401),
        ("POST", "/question-answering", 401),
        ("POST", "/v1/ask", 401),
        ("POST", "/v1/documents", 401),
        ("GET", "/v1/documents", 401),
        ("GET", "/v1/info", 401),
        ("GET", "/metrics", 401),
        ("GET", "/openapi.json", 401),
        ("GET", "/nowhere", 401),
    ] {
        let reply = server.call(method, path, &[], b"");
        assert_eq!(reply.status, status, "{method} {path}");
        assert_eq!(reply.header("www-authenticate"), if status == 401 { "Bearer" } else { "" });
    }
    let with_key = |key: &str| server.call("GET", "/v1/info", &[("authorization", key)], b"").status;
    assert_eq!(["Bearer s3cret", "bearer s3cret", "Bearer s3cre", "s3cret"].map(with_key), [200, 200, 401, 401]);
}

#[test]
fn who_lacks_the_key_takes_no_turn() {
    use std::io::{BufRead, BufReader, Write};
    let server = Server::start(&["--api-key", "s3cret", "--max-concurrent-requests", "1"]);
    // The server asks for the body: the request without a key is on its way.
    let mut stream = server.connect();
    stream
        .write_all(b"POST /v1/ask HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: 10\r\n\r\n")
        .unwrap();
    let mut line = String::new();
    BufReader::new(&stream).read_line(&mut line).unwrap();
    assert!(line.starts_with("HTTP/1.1 100 "), "{line}");
    let key = [("authorization", "Bearer s3cret")];
    assert_eq!(server.call("GET", "/v1/info", &key, b"").status, 200);
}

#[test]
fn a_container_that_has_other_names_is_healthy() {
    let server = Server::start(&["--host", "0.0.0.0", "--allow-host", "qa.example.com"]);
    let url = server.url.replace("0.0.0.0", "127.0.0.1");
    assert_eq!(server.folder.run(&["health", &url]).status, 0);
}

#[test]
fn other_names_and_other_sites_are_refused() {
    let server = Server::start(&["--allow-host", "qa.example", "--cors-allow-origin", "https://good.example"]);
    let get = |headers: &str| server.send(&format!("GET /v1/info HTTP/1.1\r\n{headers}Connection: close\r\n\r\n"));
    for (headers, status) in [
        ("Host: localhost\r\n", 200),
        ("Host: [::1]:8737\r\n", 200),
        ("Host: qa.example\r\n", 200),
        ("Host: evil.example\r\n", 403),
        ("Host: localhost:1\r\nOrigin: http://localhost:1\r\n", 200),
        ("Host: localhost\r\nOrigin: https://good.example\r\n", 200),
        ("Host: localhost\r\nOrigin: https://evil.example\r\n", 403),
        ("Host: localhost\r\nOrigin: null\r\n", 403),
    ] {
        let reply = get(headers);
        assert!(reply.starts_with(&format!("HTTP/1.1 {status} ")), "{headers}: {reply}");
    }
    let preflight = |origin: &str| {
        let headers = [("origin", origin), ("access-control-request-method", "POST")];
        server.call("OPTIONS", "/v1/ask", &headers, b"").header("access-control-allow-origin").to_owned()
    };
    assert_eq!(preflight("https://good.example"), "https://good.example");
    assert_eq!(preflight("https://evil.example"), "");
}

#[test]
fn browsers_are_told_what_pages_may_do() {
    let server = Server::start(&[]);
    for path in ["/", "/v1/info", "/nowhere"] {
        let reply = server.get(path);
        assert!(reply.header("content-security-policy").starts_with("default-src 'none'; script-src 'self'"));
        assert_eq!(
            (reply.header("x-content-type-options"), reply.header("referrer-policy")),
            ("nosniff", "no-referrer")
        );
        assert_eq!(reply.header("access-control-allow-origin"), "");
    }
}

#[test]
fn the_log_has_a_line_for_each_request_and_no_text() {
    let mut server = Server::start(&["--log-format", "json"]);
    let id = server.upload("secretive-name.txt", PUMP.as_bytes());
    let headers =
        [("x-request-id", "given-1"), ("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")];
    let body = json!({"question": QUESTION, "document_id": id}).to_string();
    let reply = server.call("POST", "/v1/ask", &headers, body.as_bytes());
    assert_eq!((reply.status, reply.header("x-request-id")), (200, "given-1"));
    server.post("/v1/ask", &json!({"question": QUESTION, "secretive": 1}));
    server.get("/secretive/path");
    let line: Value = serde_json::from_str(&server.wait_for_log("given-1")).unwrap();
    assert_eq!((&line["route"], &line["status"], &line["method"]), (&json!("/v1/ask"), &json!(200), &json!("POST")));
    assert_eq!(line["traceparent"], headers[1].1);
    assert!(line["tokens"].as_u64() > Some(10) && line["seconds"].as_f64() > Some(0.0), "{line}");
    server.wait_for_log("\"route\":\"other\"");
    server.child.kill().unwrap();
    let log = server.whole_log();
    assert!(!log.contains("secretive") && !log.contains("Ada Brown") && !log.contains(&id), "{log}");
}

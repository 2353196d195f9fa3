//! Every route, code and limit.

use std::io::Write;

use serde_json::{Value, json};

use super::super::{BREAD, Folder, PUMP, check_failed};
use super::{Reply, Server};

const WHO: &str = "Who installed the pump?";
const PDF: &[u8] = include_bytes!("../../../../longspan-documents/tests/golden/pdf/pages.pdf");
const ENCRYPTED: &[u8] = include_bytes!("../../../../longspan-documents/tests/golden/pdf/encrypted.pdf");
const SCAN: &[u8] = include_bytes!("../../../../longspan-documents/tests/golden/pdf/scan_alone.pdf");

/// Checks that a reply is an error in its one form.
fn check_error(reply: &Reply, status: u16, error_type: &str) {
    let object = reply.json();
    assert_eq!((reply.status, object["error_type"].as_str()), (status, Some(error_type)), "{object}");
    let (error, id) = (object["error"].as_str().unwrap(), object["request_id"].as_str().unwrap());
    assert!(!error.is_empty() && !error.contains('\n') && id == reply.header("x-request-id"), "{object}");
    assert_eq!(reply.header("content-type"), "application/json");
    let keys = ["error", "error_type", "hint", "request_id"];
    assert!(object.as_object().unwrap().keys().all(|key| keys.contains(&key.as_str())), "{object}");
}

#[test]
fn bodies_paths_names_and_passwords_that_are_none_are_malformed() {
    let server = Server::start(&[]);
    for body in [&b"{"[..], b"[]", b" [\"q\"]", b"1"] {
        let reply = server.call("POST", "/v1/ask", &[], body);
        check_error(&reply, 400, "malformed");
        assert!(!reply.text().contains("struct"), "{}", reply.text());
    }
    for path in ["", "/text", "/map", "/pages/1"] {
        check_error(&server.get(&format!("/v1/documents/%FF{path}")), 400, "malformed");
    }
    check_error(&server.call("DELETE", "/v1/documents/%FF", &[], b""), 400, "malformed");
    let name = "a".repeat(1025);
    let reply = server.call("POST", &format!("/v1/documents?name={name}"), &[], b"text");
    check_error(&reply, 400, "malformed");
    let long = "a".repeat(4097);
    check_error(&server.call("POST", "/v1/documents", &[("x-document-password", &long)], PDF), 400, "malformed");
}

#[test]
fn every_error_has_its_code() {
    let server = Server::start(&[
        "--max-body",
        "4K",
        "--max-upload",
        "64K",
        "--max-document-tokens",
        "400",
        "--max-pairs",
        "4",
        "--max-queued-tokens",
        "1500",
    ]);
    let id = server.upload("pump.txt", PUMP.as_bytes());
    let ask = |body: Value, status: u16, error_type: &str| {
        check_error(&server.post("/v1/ask", &body), status, error_type);
    };
    let upload = |name: &str, content: &[u8], status: u16, error_type: &str| {
        let reply = server.call("POST", &format!("/v1/documents?name={name}"), &[], content);
        check_error(&reply, status, error_type);
    };
    // 400
    ask(json!({"question": WHO, "text": PUMP, "topk": 3}), 400, "malformed");
    ask(json!({"question": WHO}), 400, "malformed");
    ask(json!({"question": WHO, "questions": [WHO], "text": PUMP}), 400, "malformed");
    ask(json!({"questions": [], "text": PUMP}), 400, "malformed");
    ask(json!({"question": WHO, "text": PUMP, "document_id": id}), 400, "malformed");
    ask(json!({"question": WHO, "documents": "some"}), 400, "malformed");
    ask(json!({"question": WHO, "text": PUMP, "top_k": 101}), 400, "option");
    ask(json!({"question": WHO, "text": PUMP, "top_k": 0}), 400, "option");
    ask(json!({"question": WHO, "text": PUMP, "top_k": 1, "all": true}), 400, "option");
    ask(json!({"question": WHO, "text": PUMP, "max_tokens": 1_000_000}), 400, "option");
    ask(json!({"question": WHO, "text": PUMP, "abstain": "never"}), 400, "option");
    ask(json!({"question": WHO, "text": PUMP, "abstain": "strict", "threshold": 1.5}), 400, "option");
    ask(json!({"question": WHO, "text": PUMP, "global_attention": [99999]}), 400, "option");
    check_error(&server.call("POST", "/v1/documents?format=doc", &[], b"text"), 400, "option");
    check_error(&server.call("POST", "/v1/documents?file=a", &[], b"text"), 400, "malformed");
    // 404, 405
    check_error(&server.get("/v2"), 404, "not_found");
    ask(json!({"question": WHO, "document_id": "d_0"}), 404, "unknown_document");
    for path in ["", "/text", "/map", "/pages/1"] {
        check_error(&server.get(&format!("/v1/documents/d_0{path}")), 404, "unknown_document");
    }
    check_error(&server.get(&format!("/v1/documents/{id}/pages/1")), 404, "unknown_document");
    check_error(&server.call("DELETE", "/v1/documents/d_0", &[], b""), 404, "unknown_document");
    let reply = server.get("/v1/ask");
    check_error(&reply, 405, "method");
    assert_eq!(reply.header("allow"), "POST");
    // 413
    ask(json!({"question": WHO, "text": "a ".repeat(2500)}), 413, "too_large");
    ask(json!({"question": WHO, "text": "a ".repeat(500)}), 413, "document_too_long");
    ask(json!({"questions": [WHO, WHO, WHO, WHO, WHO], "text": PUMP}), 413, "too_many_pairs");
    ask(json!({"questions": [WHO, WHO, WHO, WHO, WHO], "documents": "all"}), 413, "too_many_pairs");
    ask(json!({"questions": [WHO, WHO, WHO, WHO], "text": "the pump ".repeat(199)}), 413, "too_large");
    upload("a.txt", &[b'a'; 65_537], 413, "too_large");
    upload("a.txt", "a ".repeat(500).as_bytes(), 413, "document_too_long");
    // 415, 422
    upload("a.bin", b"\0\0\0\0", 415, "unknown_format");
    upload("a.png", b"\x89PNG\r\n\x1a\n\0\0", 415, "unknown_format");
    ask(json!({"question": " ", "text": PUMP}), 422, "empty_question");
    ask(json!({"question": "why ".repeat(900), "text": PUMP, "max_tokens": 512}), 422, "question_too_long");
    ask(json!({"question": WHO, "text": " \n"}), 422, "empty_document");
    upload("a.txt", b"", 422, "empty_document");
    upload("scan.pdf", SCAN, 422, "no_text");
    upload("encrypted.pdf", ENCRYPTED, 422, "password_required");
    let wrong = server.call("POST", "/v1/documents?name=a.pdf", &[("x-document-password", "no")], ENCRYPTED);
    check_error(&wrong, 422, "wrong_password");
    upload("a.pdf", b"%PDF-1.7\nnothing", 422, "unreadable");
}

#[test]
fn what_is_wrong_with_one_leaves_the_others() {
    let server = Server::start(&[]);
    let id = server.upload("pump.txt", PUMP.as_bytes());
    let answers = server.ask(&json!({"questions": [WHO, " "], "documents": [id, "d_0"]}));
    assert_eq!(answers.len(), 3);
    assert_eq!((&answers[0]["answer"], &answers[0]["document_id"]), (&json!("Ada Brown"), &json!(id)));
    let errors: Vec<&str> = answers[1..].iter().map(|answer| answer["error_type"].as_str().unwrap()).collect();
    assert_eq!(errors, ["unknown_document", "empty_question"]);
    assert_eq!((&answers[1]["document_id"], &answers[2]["question"]), (&json!("d_0"), &json!(" ")));
    assert_eq!(server.ask(&json!({"question": WHO, "documents": [id, id]})).len(), 1);
}

#[test]
fn a_document_is_uploaded_asked_listed_and_forgotten() {
    let server = Server::start(&[]);
    let reply = server.call("POST", "/v1/documents?name=pump.txt", &[], PUMP.as_bytes());
    let object = reply.json();
    let id = object["document_id"].as_str().unwrap();
    assert_eq!((reply.status, reply.header("location")), (201, &*format!("/v1/documents/{id}")));
    let characters = PUMP.chars().count();
    assert_eq!((&object["format"], &object["characters"]), (&json!("text"), &json!(characters)));
    assert_eq!((object["tokens"].as_u64() > Some(10), object.get("pages")), (true, None));
    let again = server.call("POST", "/v1/documents?name=pump.txt", &[], PUMP.as_bytes());
    assert_eq!((again.status, again.json()), (200, object.clone()));
    let other = server.upload("other.txt", PUMP.as_bytes());
    assert_ne!(other, id);
    assert_eq!(server.get(&format!("/v1/documents/{id}")).json(), object);
    let listed = server.get("/v1/documents").json();
    let names: Vec<&str> =
        listed["documents"].as_array().unwrap().iter().map(|listed| listed["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["other.txt", "pump.txt"]);
    let text = server.get(&format!("/v1/documents/{id}/text"));
    assert_eq!((text.text().as_str(), text.header("content-type")), (PUMP, "text/plain; charset=utf-8"));
    let map = server.get(&format!("/v1/documents/{id}/map")).json();
    assert_eq!((&map["document"], &map["blocks"]), (&json!("pump.txt"), &json!([])));
    assert_eq!(server.call("DELETE", &format!("/v1/documents/{id}"), &[], b"").status, 204);
    check_error(&server.get(&format!("/v1/documents/{id}")), 404, "unknown_document");
    assert_eq!(server.ask(&json!({"question": WHO, "documents": "all"}))[0]["document_id"], other);
}

#[test]
fn a_file_comes_as_a_part_of_a_form_too() {
    let server = Server::start(&[]);
    let part = |name: &str, file: &str, content: &[u8]| {
        let head = format!("--x\r\nContent-Disposition: form-data; name=\"{name}\"{file}\r\n\r\n");
        [head.as_bytes(), content, b"\r\n"].concat()
    };
    let file = part("file", "; filename=\"encrypted.pdf\"", ENCRYPTED);
    let form = [part("password", "", "grün".as_bytes()), file, b"--x--\r\n".to_vec()].concat();
    let kind = [("content-type", "multipart/form-data; boundary=x")];
    check_error(&server.call("POST", "/v1/documents", &kind, &form), 422, "wrong_password");
    let form = [part("file", "; filename=\"pump.txt\"", PUMP.as_bytes()), b"--x--\r\n".to_vec()].concat();
    let reply = server.call("POST", "/v1/documents", &kind, &form);
    assert_eq!((reply.status, &reply.json()["name"]), (201, &json!("pump.txt")));
    let long = "a".repeat(4097);
    for bad in [
        &b"--x--\r\n"[..],
        &part("other", "", b""),
        b"",
        &[part("file", "", b"a"), part("file", "", b"b"), b"--x--\r\n".to_vec()].concat(),
        &[part("password", "", b"a"), part("password", "", b"b"), form.clone()].concat(),
        &[part("password", "", long.as_bytes()), form.clone()].concat(),
    ] {
        check_error(&server.call("POST", "/v1/documents", &kind, bad), 400, "malformed");
    }
    // Names of media types have no case, and `-` is no name.
    let kind = [("content-type", "Multipart/Form-Data; boundary=x")];
    let form = [part("file", "; filename=\"-\"", PUMP.as_bytes()), b"--x--\r\n".to_vec()].concat();
    let object = server.call("POST", "/v1/documents", &kind, &form).json();
    assert_eq!((&object["name"], &object["characters"]), (&json!("document"), &json!(PUMP.chars().count())));
}

#[test]
fn pages_have_words_and_pictures() {
    let server = Server::start(&[]);
    let id = server.upload("pages.pdf", PDF);
    let object = server.get(&format!("/v1/documents/{id}")).json();
    assert_eq!((&object["format"], &object["has_pictures"]), (&json!("pdf"), &json!(true)));
    let text: Vec<char> = server.get(&format!("/v1/documents/{id}/text")).text().chars().collect();
    let pages = object["pages"].as_u64().unwrap();
    let mut words = 0;
    for number in 1..=pages {
        let page = server.get(&format!("/v1/documents/{id}/pages/{number}")).json();
        let number = |value: &Value, key: &str| value[key].as_f64().unwrap();
        for line in page["lines"].as_array().unwrap() {
            for word in line["words"].as_array().unwrap() {
                let range = number(word, "start") as usize..number(word, "end") as usize;
                assert_eq!(text[range].iter().collect::<String>(), word["text"].as_str().unwrap());
                assert!(
                    number(word, "x") >= 0.0 && number(word, "x") + number(word, "width") <= number(&page, "width")
                );
                words += 1;
            }
        }
    }
    assert!(words > 10, "{words}");
    let path = format!("/v1/documents/{id}/pages/1.png?width=300");
    let picture = server.get(&path);
    assert_eq!((picture.status, picture.header("content-type")), (200, "image/png"));
    let width = u32::from_be_bytes(picture.body[16..20].try_into().unwrap());
    assert_eq!((&picture.body[..8], width), (&b"\x89PNG\r\n\x1a\n"[..], 300));
    assert!(picture.header("cache-control").contains("immutable"));
    let unchanged = server.call("GET", &path, &[("if-none-match", picture.header("etag"))], b"");
    assert_eq!((unchanged.status, unchanged.header("cache-control")), (304, picture.header("cache-control")));
    assert_eq!(server.get(&path).body, picture.body);
    check_error(&server.get(&format!("/v1/documents/{id}/pages/{}.png", pages + 1)), 404, "unknown_document");
    check_error(&server.get(&format!("/v1/documents/{id}/pages/1.png?width=9999")), 400, "option");
    check_error(&server.get(&format!("/v1/documents/{id}/pages/1.png?height=1")), 400, "malformed");
}

#[test]
fn limits_of_time_have_their_codes() {
    let ask = json!({"question": WHO, "text": PUMP});
    let server = Server::start(&["--request-timeout", "0"]);
    check_error(&server.post("/v1/ask", &ask), 503, "deadline");
    let server = Server::start(&["--read-timeout", "0"]);
    check_error(&server.call("POST", "/v1/documents?name=a.pdf", &[], PDF), 422, "unreadable");
    let server = Server::start(&["--header-timeout", "0.1", "--body-timeout", "0.1"]);
    let slow = server.send("POST /v1/ask HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\n{");
    assert!(slow.starts_with("HTTP/1.1 408 ") && slow.contains("\"error_type\":\"slow_body\""), "{slow}");
    assert!(!server.send("GET / HTTP/1.1\r\nHost: ").contains(" 200 "));
    // A client that takes no answer loses its connection, of which there is only one here.
    let server = Server::start(&["--write-timeout", "0.1", "--max-connections", "1"]);
    let mut greedy = server.connect();
    greedy.write_all("GET /openapi.json HTTP/1.1\r\nHost: localhost\r\n\r\n".repeat(1000).as_bytes()).unwrap();
    assert_eq!(server.get("/health").status, 200);
}

#[test]
fn limits_of_number_have_their_codes() {
    let server = Server::start(&["--max-concurrent-requests", "0"]);
    let reply = server.post("/v1/ask", &json!({"question": WHO, "text": PUMP}));
    check_error(&reply, 429, "overloaded");
    assert_eq!(reply.header("retry-after"), "1");
    assert_eq!(server.get("/health").json(), json!({"status": "ready"}));
    assert_eq!(server.metric("longspan_rejected_total{reason=\"overloaded\"}"), 1.0);
    // Each document takes the place of the one that was not used for the longest time.
    let server = Server::start(&["--cache-bytes", "2000"]);
    let [first, second] = ["first", "second"].map(|name| server.upload(name, PUMP.as_bytes()));
    server.get(&format!("/v1/documents/{first}"));
    let ids = ["third", "fourth"].map(|name| server.upload(name, PUMP.as_bytes()));
    check_error(&server.get(&format!("/v1/documents/{second}")), 404, "unknown_document");
    assert_eq!(server.get(&format!("/v1/documents/{}", ids[1])).status, 200);
    assert!(server.metric("longspan_document_bytes") <= 2000.0);
    let too_large = server.call("POST", "/v1/documents", &[], BREAD.repeat(100).as_bytes());
    check_error(&too_large, 413, "too_large");
}

#[test]
fn a_folder_is_served_and_stays() {
    let folder = Folder::new(&[]);
    std::fs::create_dir_all(folder.path("docs/below")).unwrap();
    std::fs::write(folder.path("docs/bread.txt"), BREAD).unwrap();
    std::fs::write(folder.path("docs/below/pump.txt"), PUMP).unwrap();
    std::fs::write(folder.path("docs/picture.bin"), b"\0\0\0\0").unwrap();
    std::fs::write(folder.path("docs/cut.pdf"), b"%PDF-1.7\n").unwrap();
    let server = Server::start_in(folder, &["--folder", "docs"]);
    assert!(server.wait_for_log("warning: ").contains("1 file of the folder cannot be read: `cut.pdf`: "));
    let answers = server.ask(&json!({"question": WHO, "documents": "all"}));
    assert_eq!(answers.iter().map(|answer| &answer["document"]).collect::<Vec<_>>(), ["below/pump.txt", "bread.txt"]);
    let by_name = server.ask(&json!({"question": WHO, "document_id": "below/pump.txt"}));
    assert_eq!(by_name[0]["answer"], "Ada Brown");
    let id = by_name[0]["document_id"].as_str().unwrap();
    check_error(&server.call("DELETE", &format!("/v1/documents/{id}"), &[], b""), 403, "read_only");
}

#[test]
fn options_that_cannot_work_are_refused_at_the_start() {
    let folder = Folder::new(&[("a.txt", b"text"), ("blank", b"secret \n"), ("umlaut", "schl\u{fc}ssel".as_bytes())]);
    std::fs::create_dir(folder.path("empty")).unwrap();
    for (arguments, said) in [
        (["--folder", "nowhere"], "`nowhere`: no such file"),
        (["--folder", "a.txt"], "`a.txt`: not a folder"),
        (["--api-key", ""], "--api-key: a key that no request can have"),
        (["--api-key-file", "blank"], "`blank`: a key that no request can have"),
        (["--api-key-file", "umlaut"], "`umlaut`: a key that no request can have"),
    ] {
        check_failed(&folder.run(&[&["serve", "--port", "0"], &arguments[..]].concat()), said);
    }
    for (arguments, said) in [
        (["--allow-host", "qa.example.com:8443"], "without a scheme or a port"),
        (["--cors-allow-origin", "*"], "expected scheme://host"),
        (["--cors-allow-origin", "https://example.com/"], "expected scheme://host"),
    ] {
        let ran = folder.run(&[&["serve", "--port", "0"], &arguments[..]].concat());
        assert_eq!((ran.status, ran.stdout.as_str(), ran.stderr.contains(said)), (2, "", true), "{ran:?}");
    }
    let ran = folder.run(&["serve", "--port", "0", "--folder", "empty"]);
    assert!(ran.status == 2 && ran.stderr.contains("`empty`: no files") && !ran.stderr.contains("--glob"), "{ran:?}");
}

#[test]
fn the_server_says_what_it_is() {
    let server = Server::start(&["--max-pairs", "7"]);
    let info = server.get("/v1/info").json();
    assert_eq!((&info["precision"], &info["limits"]["max_pairs"]), (&json!("f32"), &json!(7)));
    assert!(info["model"].as_str().unwrap().ends_with("(embedded)") && info["formats"].as_array().unwrap().len() > 5);
    assert!(info["abstain"].is_object(), "{info}");
    let described = server.get("/openapi.json").json();
    assert_eq!((&described["openapi"], &described["servers"][0]["url"]), (&json!("3.1.0"), &json!("/")));
    let of = |path: &str, method: &str| described["paths"][path][method].clone();
    for (path, method, security) in
        [("/health", "get", Some(json!([]))), ("/", "get", Some(json!([]))), ("/", "post", None)]
    {
        assert_eq!(of(path, method).get("security"), security.as_ref(), "{method} {path}");
    }
    let upload = of("/v1/documents", "post")["parameters"].clone();
    assert_eq!((&upload[2]["name"], &upload[2]["in"]), (&json!("X-Document-Password"), &json!("header")));
    let width = of("/v1/documents/{document_id}/pages/{page}", "get")["parameters"][2].clone();
    assert_eq!((&width["name"], &width["schema"]["type"]), (&json!("width"), &json!("integer")));
    let page = server.get("/");
    assert_eq!((page.status, page.header("content-type")), (200, "text/html; charset=utf-8"));
    let unchanged = server.call("GET", "/", &[("if-none-match", page.header("etag"))], b"");
    assert_eq!((unchanged.status, unchanged.header("cache-control")), (304, page.header("cache-control")));
    let metrics = server.get("/metrics").text();
    for name in ["requests_total", "request_seconds_bucket", "queue_tokens", "pass_tokens_sum", "build_info"] {
        assert!(metrics.contains(&format!("\nlongspan_{name}")), "{name}: {metrics}");
    }
    let ran = server.folder.run(&["health", &server.url]);
    assert_eq!((ran.status, ran.stdout.as_str()), (0, "{\"status\":\"ready\"}\n"));
    let ran = server.folder.run(&["health", "localhost:1"]);
    check_failed(&ran, "localhost:1: no address of a server");
    let ran = server.folder.run(&["health", "http://127.0.0.1:1"]);
    assert_eq!((ran.status, ran.stdout.as_str(), ran.stderr.lines().count()), (2, "", 2), "{ran:?}");
}

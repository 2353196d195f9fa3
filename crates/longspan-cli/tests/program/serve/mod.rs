//! `longspan serve`: the real binary on a free port of this machine.
//!
//! ```text
//! table        every route, code and limit
//! answers      answers are bit for bit those of `longspan ask`; streams; clients that leave
//! citations    quotations are checked as `longspan cite` checks them
//! mcp          the tools of agents
//! tasks        the requests of Hugging Face's clients
//! access       keys, names, sites, headers, the log
//! drain        the end
//! ```

mod access;
mod answers;
mod citations;
#[cfg(unix)]
mod drain;
#[cfg(unix)]
mod mcp;
mod table;
mod tasks;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;

use serde_json::Value;

use super::Folder;

/// A server that is ready; it is killed at the end of the test.
pub struct Server {
    pub folder: Folder,
    pub child: Child,
    pub url: String,
    log: Arc<Log>,
}

/// The lines of standard error so far, and whether it has ended.
#[derive(Default)]
struct Log {
    lines: Mutex<(Vec<String>, bool)>,
    changed: Condvar,
}

/// An answer of the server.
#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    pub headers: ureq::http::HeaderMap,
    pub body: Vec<u8>,
}

impl Reply {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

impl Server {
    /// Starts a server with these arguments, and waits until it is ready.
    pub fn start(arguments: &[&str]) -> Self {
        Self::start_in(Folder::new(&[]), arguments)
    }

    pub fn start_in(folder: Folder, arguments: &[&str]) -> Self {
        let server = Self::start_loading(folder, arguments);
        server.wait_for_log("ready");
        server
    }

    /// The same, as soon as it listens.
    pub fn start_loading(folder: Folder, arguments: &[&str]) -> Self {
        let mut command = folder.process(&[&["serve", "--port", "0"], arguments].concat());
        command.env_remove("LONGSPAN_API_KEY");
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut url = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut url).unwrap();
        let (log, stderr) = (Arc::<Log>::default(), BufReader::new(child.stderr.take().unwrap()));
        let own = log.clone();
        thread::spawn(move || {
            for line in stderr.lines() {
                own.lines.lock().unwrap().0.push(line.unwrap());
                own.changed.notify_all();
            }
            own.lines.lock().unwrap().1 = true;
            own.changed.notify_all();
        });
        Self { folder, child, url: url.trim().into(), log }
    }

    /// Waits for a line of the log that contains a text.
    pub fn wait_for_log(&self, text: &str) -> String {
        let mut lines = self.log.lines.lock().unwrap();
        loop {
            if let Some(line) = lines.0.iter().find(|line| line.contains(text)) {
                return line.clone();
            }
            assert!(!lines.1, "the server has ended: {:?}", lines.0);
            lines = self.log.changed.wait(lines).unwrap();
        }
    }

    /// The whole log of a server that has ended.
    pub fn whole_log(&self) -> String {
        let mut lines = self.log.lines.lock().unwrap();
        while !lines.1 {
            lines = self.log.changed.wait(lines).unwrap();
        }
        lines.0.join("\n")
    }

    pub fn get(&self, path: &str) -> Reply {
        self.call("GET", path, &[], b"")
    }

    pub fn post(&self, path: &str, body: &Value) -> Reply {
        self.call("POST", path, &[], body.to_string().as_bytes())
    }

    /// The answers to `POST /v1/ask`.
    pub fn ask(&self, body: &Value) -> Vec<Value> {
        let reply = self.post("/v1/ask", body);
        assert_eq!(reply.status, 200, "{}", reply.text());
        reply.json()["answers"].as_array().unwrap().clone()
    }

    /// Uploads a file; its id.
    pub fn upload(&self, name: &str, content: &[u8]) -> String {
        let reply = self.call("POST", &format!("/v1/documents?name={name}"), &[], content);
        assert!(matches!(reply.status, 200 | 201), "{}", reply.text());
        reply.json()["document_id"].as_str().unwrap().to_owned()
    }

    pub fn call(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Reply {
        let config = ureq::Agent::config_builder().http_status_as_error(false).allow_non_standard_methods(true);
        let agent = ureq::Agent::new_with_config(config.build());
        let mut request = ureq::http::Request::builder().method(method).uri(format!("{}{path}", self.url));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let mut response = agent.run(request.body(body.to_vec()).unwrap()).unwrap();
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let mut body = Vec::new();
        response.body_mut().as_reader().read_to_end(&mut body).unwrap();
        Reply { status, headers, body }
    }

    /// A connection, for what no client would send.
    pub fn connect(&self) -> TcpStream {
        TcpStream::connect(self.url.strip_prefix("http://").unwrap()).unwrap()
    }

    /// What comes back after bytes, until the server closes the connection.
    pub fn send(&self, bytes: &str) -> String {
        let mut stream = self.connect();
        stream.write_all(bytes.as_bytes()).unwrap();
        let mut reply = Vec::new();
        let _ = stream.read_to_end(&mut reply);
        String::from_utf8_lossy(&reply).into_owned()
    }

    /// Begins to ask, and reads the answer as a stream of events.
    pub fn events(&self, body: &Value) -> Events {
        let (body, mut stream) = (body.to_string(), self.connect());
        let head = "POST /v1/ask HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n";
        write!(stream, "{head}Content-Length: {}\r\n\r\n{body}", body.len()).unwrap();
        Events(BufReader::new(stream))
    }

    /// The value of a line of the metrics; 0 if there is none.
    pub fn metric(&self, name: &str) -> f64 {
        let metrics = self.get("/metrics").text();
        let line = metrics.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.map_or(0.0, |value| value.parse().unwrap())
    }

    /// Waits until a metric has a value.
    pub fn wait_for_metric(&self, name: &str, value: f64) {
        while self.metric(name) != value {
            thread::yield_now();
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A stream of events.
pub struct Events(BufReader<TcpStream>);

impl Events {
    /// The name and the object of the next event; `None` at the end.
    pub fn next(&mut self) -> Option<(String, Value)> {
        let mut name = String::new();
        loop {
            let mut line = String::new();
            if self.0.read_line(&mut line).unwrap() == 0 {
                return None;
            }
            if let Some(event) = line.strip_prefix("event: ") {
                name = event.trim().to_owned();
            } else if let Some(data) = line.strip_prefix("data: ") {
                return Some((name, serde_json::from_str(data).unwrap()));
            } else if line == "0\r\n" {
                return None; // the last chunk
            }
        }
    }
}

/// A text that the model reads for some seconds at least.
pub fn book() -> String {
    "The pump was installed in May 1911 by Ada Brown. It stopped in 1923. ".repeat(12_000)
}

//! A minimal server with the layout of the Hugging Face hub, for one model.
//!
//! `/api/models/ORG/NAME/revision/REV` lists the files. `/ORG/NAME/resolve/COMMIT/FILE` sends them; weights are
//! redirected to a second server, as the hub does with large files.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

/// The commit of `main`, and its commit after it moved.
pub const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";
pub const MOVED: &str = "fedcba9876543210fedcba9876543210fedcba98";

#[derive(Clone)]
pub struct Model {
    pub commit: String,
    pub files: BTreeMap<String, Vec<u8>>,
    /// Suffixes of the ETags of files.
    pub etag_suffix: BTreeMap<String, String>,
    /// Status, `X-Error-Code` and `X-Error-Message` of every answer.
    pub refuse: Option<(u16, &'static str, &'static str)>,
    /// The token that files need.
    pub token: Option<String>,
    /// (file, bytes, times): so many times, sends only so many bytes of the file.
    pub cut: Option<(String, usize, usize)>,
    pub ignores_range: bool,
    /// An old name, which redirects to this model.
    pub renamed_from: Option<String>,
}

impl Model {
    fn of(files: &[(&str, Vec<u8>)]) -> Self {
        Model {
            commit: COMMIT.to_owned(),
            files: files.iter().map(|(name, content)| (name.to_string(), content.clone())).collect(),
            etag_suffix: BTreeMap::new(),
            refuse: None,
            token: None,
            cut: None,
            ignores_range: false,
            renamed_from: None,
        }
    }

    /// A model with all files, some of which are not needed.
    pub fn safetensors() -> Self {
        Self::of(&[
            ("config.json", b"{}".to_vec()),
            ("longspan.json", b"{\"max_answer_length\":30}".to_vec()),
            ("README.md", b"---\nlicense: apache-2.0\n---\n".to_vec()),
            ("tokenizer.json", noise(150_000)),
            ("model.safetensors", noise(300_000)),
            ("pytorch_model.bin", noise(300_001)),
            ("tf_model.h5", noise(300_002)),
        ])
    }

    /// A model with the files that were usual in 2020.
    pub fn bin() -> Self {
        Self::of(&[
            ("config.json", b"{}".to_vec()),
            ("merges.txt", b"#version: 0.2\n".to_vec()),
            ("pytorch_model.bin", noise(1000)),
            ("special_tokens_map.json", b"{}".to_vec()),
            ("tokenizer_config.json", b"{}".to_vec()),
            ("vocab.json", b"{}".to_vec()),
            (".gitattributes", b"*.bin filter=lfs\n".to_vec()),
        ])
    }

    pub fn sharded() -> Self {
        let index =
            br#"{"weight_map":{"x":"a-00001.safetensors","y":"a-00002.safetensors","z":"a-00001.safetensors"}}"#;
        Self::of(&[
            ("config.json", b"{}".to_vec()),
            ("vocab.txt", b"[UNK]\n".to_vec()),
            ("model.safetensors.index.json", index.to_vec()),
            ("a-00001.safetensors", noise(100)),
            ("a-00002.safetensors", noise(200)),
            ("unused.safetensors", noise(300)),
        ])
    }
}

fn noise(bytes: usize) -> Vec<u8> {
    (0..bytes).map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8).collect()
}

/// An address without a server.
pub fn nobody() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    format!("http://{}", listener.local_addr().unwrap())
}

#[derive(Clone)]
pub struct Server {
    hub: SocketAddr,
    large: SocketAddr,
    state: Arc<Mutex<State>>,
}

struct State {
    model: Model,
    /// Requests in order: `METHOD PATH`, with `from N` for a range.
    log: Vec<String>,
    tokens_seen_elsewhere: usize,
}

struct Request {
    method: String,
    path: String,
    token: Option<String>,
    from: Option<usize>,
}

impl Server {
    /// Listens until the test ends.
    pub fn start(model: Model) -> Self {
        let listeners = [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
        let [hub, large] = [0, 1].map(|i| listeners[i].local_addr().unwrap());
        let state = State { model, log: Vec::new(), tokens_seen_elsewhere: 0 };
        let server = Server { hub, large, state: Arc::new(Mutex::new(state)) };
        for (listener, is_hub) in listeners.into_iter().zip([true, false]) {
            let server = server.clone();
            thread::spawn(move || {
                for stream in listener.incoming().flatten() {
                    // A client may close the connection early.
                    let _ = server.answer(stream, is_hub);
                }
            });
        }
        server
    }

    pub fn endpoint(&self) -> String {
        format!("http://{}", self.hub)
    }

    pub fn model(&self) -> Model {
        self.state.lock().unwrap().model.clone()
    }

    pub fn change(&self, change: impl FnOnce(&mut Model)) {
        change(&mut self.state.lock().unwrap().model);
    }

    pub fn take_log(&self) -> Vec<String> {
        std::mem::take(&mut self.state.lock().unwrap().log)
    }

    pub fn tokens_seen_elsewhere(&self) -> usize {
        self.state.lock().unwrap().tokens_seen_elsewhere
    }

    fn answer(&self, mut stream: TcpStream, is_hub: bool) -> std::io::Result<()> {
        let request = read_request(&stream)?;
        let mut state = self.state.lock().unwrap();
        let from = request.from.map(|from| format!(" from {from}")).unwrap_or_default();
        state.log.push(format!("{} {}{from}", request.method, request.path));
        if !is_hub && request.token.is_some() {
            state.tokens_seen_elsewhere += 1;
        }
        if let Some((status, code, message)) = state.model.refuse {
            return head(
                &mut stream,
                status,
                &[("X-Error-Code", code), ("X-Error-Message", message), ("Content-Length", "0")],
            );
        }
        if let Some(old) = &state.model.renamed_from
            && request.path.contains(old.as_str())
        {
            let location = request.path.replace(old.as_str(), "org/model");
            return head(&mut stream, 307, &[("Location", &location), ("Content-Length", "0")]);
        }
        if request.path.starts_with("/api/models/org/model/revision/") {
            let names: Vec<_> = state.model.files.keys().map(|name| serde_json::json!({ "rfilename": name })).collect();
            let body = serde_json::json!({ "sha": state.model.commit, "siblings": names }).to_string();
            head(&mut stream, 200, &[("Content-Length", &body.len().to_string())])?;
            return stream.write_all(body.as_bytes());
        }
        let commit = state.model.commit.clone();
        let prefixes = [format!("/org/model/resolve/{commit}/"), "/org/model/resolve/main/".to_owned()];
        let prefixes = if is_hub { prefixes.to_vec() } else { vec!["/large/".to_owned()] };
        let file = prefixes.iter().find_map(|prefix| request.path.strip_prefix(prefix)).unwrap_or_default().to_owned();
        self.send_file(&mut stream, &mut state.model, &request, &file, is_hub)
    }

    fn send_file(
        &self,
        stream: &mut TcpStream,
        model: &mut Model,
        request: &Request,
        file: &str,
        is_hub: bool,
    ) -> std::io::Result<()> {
        let Some(content) = model.files.get(file) else {
            return head(stream, 404, &[("X-Error-Code", "EntryNotFound"), ("Content-Length", "0")]);
        };
        if is_hub && model.token.is_some() && request.token != model.token {
            return head(stream, 401, &[("X-Error-Code", "GatedRepo"), ("Content-Length", "0")]);
        }
        let etag = format!("\"etag-{file}{}\"", model.etag_suffix.get(file).map_or("", String::as_str));
        let length = content.len().to_string();
        if is_hub && (file.ends_with(".safetensors") || file.ends_with(".bin")) {
            let location = format!("http://{}/large/{file}", self.large);
            let etags = [("X-Linked-Etag", &*etag), ("ETag", "\"of-the-redirect\""), ("X-Repo-Commit", &*model.commit)];
            let rest = [("X-Linked-Size", &*length), ("Location", &location), ("Content-Length", "0")];
            return head(stream, 302, &[etags, rest].concat());
        }
        let from = request.from.filter(|_| !model.ignores_range).unwrap_or(0);
        if from > content.len() {
            return head(stream, 416, &[("Content-Length", "0")]);
        }
        let range = format!("bytes {from}-{}/{length}", content.len().saturating_sub(1));
        let rest = (content.len() - from).to_string();
        let status = if from > 0 { 206 } else { 200 };
        let commit = model.commit.as_str();
        let headers =
            [("ETag", &*etag), ("X-Repo-Commit", commit), ("Content-Range", &range), ("Content-Length", &rest)];
        head(stream, status, &headers)?;
        if request.method == "HEAD" {
            return Ok(());
        }
        let mut sent = &content[from..];
        if let Some((cut_file, bytes, times)) = &mut model.cut
            && cut_file == file
            && *times > 0
        {
            *times -= 1;
            sent = &sent[..sent.len().min(*bytes)];
        }
        stream.write_all(sent)
    }
}

fn read_request(stream: &TcpStream) -> std::io::Result<Request> {
    let mut lines = BufReader::new(stream).lines();
    let first = lines.next().transpose()?.unwrap_or_default();
    let mut words = first.split(' ').map(str::to_owned);
    let (method, path) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let mut request = Request { method, path, token: None, from: None };
    for line in lines {
        let line = line?;
        let Some((name, value)) = line.split_once(": ") else { break };
        match name.to_ascii_lowercase().as_str() {
            "authorization" => request.token = value.strip_prefix("Bearer ").map(str::to_owned),
            "range" => request.from = value.strip_prefix("bytes=").and_then(|r| r.trim_end_matches('-').parse().ok()),
            _ => {}
        }
    }
    Ok(request)
}

fn head(stream: &mut TcpStream, status: u16, headers: &[(&str, &str)]) -> std::io::Result<()> {
    write!(stream, "HTTP/1.1 {status} X\r\nConnection: close\r\n")?;
    for (name, value) in headers.iter().filter(|(_, value)| !value.is_empty()) {
        write!(stream, "{name}: {value}\r\n")?;
    }
    stream.write_all(b"\r\n")
}

//! A minimal server with the layout of the Hugging Face hub, for one model.
//!
//! `/api/models/ORG/NAME/revision/REV` lists the files. `/ORG/NAME/resolve/COMMIT/FILE` sends them; weights are
//! redirected to a second server, as the hub does with large files. A test can answer in the place of the server, and can
//! make it stop at any byte that it sends.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;

use sha2::{Digest, Sha256};

/// The commit of `main`, and its commit after it moved.
pub const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";
pub const MOVED: &str = "fedcba9876543210fedcba9876543210fedcba98";

#[derive(Clone)]
pub struct Model {
    pub commit: String,
    pub files: BTreeMap<String, Vec<u8>>,
    /// Other ETags of files than those that they have.
    pub etags: BTreeMap<String, String>,
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
            etags: BTreeMap::new(),
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
    /// Answers in the place of the server, with all bytes, where it returns any.
    stand_in: Option<StandIn>,
    /// Bytes that both servers have sent.
    bytes_sent: usize,
    /// Where they stop, and who is told.
    stop: Option<(usize, mpsc::Sender<()>)>,
}

type StandIn = Box<dyn FnMut(&Request) -> Option<Vec<u8>> + Send>;

pub struct Request {
    pub method: String,
    pub path: String,
    token: Option<String>,
    pub from: Option<usize>,
    /// Address of the server for large files.
    pub large: SocketAddr,
}

impl Server {
    /// Listens until the test ends.
    pub fn start(model: Model) -> Self {
        let listeners = [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
        let [hub, large] = [0, 1].map(|i| listeners[i].local_addr().unwrap());
        let state =
            State { model, log: Vec::new(), tokens_seen_elsewhere: 0, stand_in: None, bytes_sent: 0, stop: None };
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

    /// Lets a test answer requests to both servers.
    pub fn stand_in(&self, answer: impl FnMut(&Request) -> Option<Vec<u8>> + Send + 'static) {
        self.state.lock().unwrap().stand_in = Some(Box::new(answer));
    }

    pub fn bytes_sent(&self) -> usize {
        self.state.lock().unwrap().bytes_sent
    }

    /// Sends so many bytes from now on, then nothing until the client is gone. The receiver is told when that begins.
    pub fn stop_after(&self, bytes: usize) -> mpsc::Receiver<()> {
        let (sender, receiver) = mpsc::channel();
        let mut state = self.state.lock().unwrap();
        state.stop = Some((state.bytes_sent + bytes, sender));
        receiver
    }

    fn answer(&self, mut stream: TcpStream, is_hub: bool) -> std::io::Result<()> {
        let request = read_request(&stream, self.large)?;
        let (answer, stopped) = {
            let mut state = self.state.lock().unwrap();
            let mut answer = state.answer(&request, is_hub);
            let (before, bytes) = (state.bytes_sent, answer.len());
            let stopped = state.stop.take_if(|(at, _)| *at < before + bytes);
            answer.truncate(stopped.as_ref().map_or(bytes, |(at, _)| at - before));
            state.bytes_sent += answer.len();
            (answer, stopped)
        };
        stream.write_all(&answer)?;
        if let Some((_, sender)) = stopped {
            let _ = sender.send(());
            let _ = stream.read(&mut [0]); // returns when the client is gone
        }
        Ok(())
    }
}

impl State {
    fn answer(&mut self, request: &Request, is_hub: bool) -> Vec<u8> {
        let from = request.from.map(|from| format!(" from {from}")).unwrap_or_default();
        self.log.push(format!("{} {}{from}", request.method, request.path));
        if !is_hub && request.token.is_some() {
            self.tokens_seen_elsewhere += 1;
        }
        if let Some(answer) = self.stand_in.as_mut().and_then(|answer| answer(request)) {
            return answer;
        }
        if let Some((status, code, message)) = self.model.refuse {
            let headers = [("X-Error-Code", code), ("X-Error-Message", message), ("Retry-After", "0")];
            return raw(status, &headers, b"");
        }
        if let Some(old) = &self.model.renamed_from
            && request.path.contains(old.as_str())
        {
            return raw(307, &[("Location", &request.path.replace(old.as_str(), "org/model"))], b"");
        }
        if request.path.starts_with("/api/models/org/model/revision/") {
            let names: Vec<_> = self.model.files.keys().map(|name| serde_json::json!({ "rfilename": name })).collect();
            let body = serde_json::json!({ "sha": self.model.commit, "siblings": names }).to_string();
            return raw(200, &[], body.as_bytes());
        }
        let prefixes = [format!("/org/model/resolve/{}/", self.model.commit), "/org/model/resolve/main/".to_owned()];
        let prefixes = if is_hub { prefixes.to_vec() } else { vec!["/large/".to_owned()] };
        let file = prefixes.iter().find_map(|prefix| request.path.strip_prefix(prefix)).unwrap_or_default();
        self.model.answer(request, file, is_hub)
    }
}

impl Model {
    /// A file, or where it is.
    fn answer(&mut self, request: &Request, file: &str, is_hub: bool) -> Vec<u8> {
        let Some(content) = self.files.get(file) else {
            return raw(404, &[("X-Error-Code", "EntryNotFound")], b"");
        };
        if is_hub && self.token.is_some() && request.token != self.token {
            return raw(401, &[("X-Error-Code", "GatedRepo")], b"");
        }
        let is_large = file.ends_with(".safetensors") || file.ends_with(".bin");
        let etag = format!("\"{}\"", self.etag(file));
        let length = content.len().to_string();
        if is_hub && is_large {
            let location = format!("http://{}/large/{file}", request.large);
            let etags = [("X-Linked-Etag", &*etag), ("ETag", "\"of-the-redirect\""), ("X-Repo-Commit", &*self.commit)];
            return raw(302, &[&etags[..], &[("X-Linked-Size", &*length), ("Location", &location)]].concat(), b"");
        }
        let from = request.from.filter(|_| !self.ignores_range).unwrap_or(0);
        if from > content.len() {
            return raw(416, &[], b"");
        }
        let range = format!("bytes {from}-{}/{length}", content.len().saturating_sub(1));
        let status = if from > 0 { 206 } else { 200 };
        let headers = [("ETag", &*etag), ("X-Repo-Commit", &*self.commit), ("Content-Range", &range)];
        let mut answer = raw(status, &headers, &content[from..]);
        let start = answer.len() - (content.len() - from);
        if request.method == "HEAD" {
            answer.truncate(start);
        } else if let Some((cut_file, bytes, times)) = &mut self.cut
            && cut_file == file
            && *times > 0
        {
            *times -= 1;
            answer.truncate(start + *bytes);
        }
        answer
    }

    /// The name of a file's content: the SHA-256 of a large one.
    pub fn etag(&self, file: &str) -> String {
        match self.etags.get(file) {
            Some(etag) => etag.clone(),
            None if file.ends_with(".safetensors") || file.ends_with(".bin") => sha256(&self.files[file]),
            None => format!("etag-{file}"),
        }
    }
}

/// An answer with its length, unless `headers` have one. An empty value leaves a header out.
pub fn raw(status: u16, headers: &[(&str, &str)], body: &[u8]) -> Vec<u8> {
    let mut head = format!("HTTP/1.1 {status} X\r\nConnection: close\r\n");
    for (name, value) in headers.iter().filter(|(_, value)| !value.is_empty()) {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    if !headers.iter().any(|(name, _)| ["Content-Length", "Transfer-Encoding"].contains(name)) {
        head.push_str(&format!("Content-Length: {}\r\n", body.len()));
    }
    [head.as_bytes(), b"\r\n", body].concat()
}

/// The SHA-256 of the content, as the hub writes it.
pub fn sha256(content: &[u8]) -> String {
    Sha256::digest(content).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn read_request(stream: &TcpStream, large: SocketAddr) -> std::io::Result<Request> {
    let mut lines = BufReader::new(stream).lines();
    let first = lines.next().transpose()?.unwrap_or_default();
    let mut words = first.split(' ').map(str::to_owned);
    let (method, path) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let mut request = Request { method, path, token: None, from: None, large };
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

//! The client of the hub, against a server whose answers are the files of the case, in the order of the requests.

use std::collections::VecDeque;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use longspan::hub::{CachedFiles, Hub, HubToken, Repository};
use sha2::{Digest, Sha256};

use super::checks::taken;
use crate::case::split;

type Answers = Arc<Mutex<VecDeque<Vec<u8>>>>;

/// Fetches a model into an empty cache.
pub fn fetch(case: &[u8]) -> bool {
    thread_local!(static SERVER: ScriptedServer = ScriptedServer::start());
    let folder = tempfile::tempdir().expect("a folder for temporary files");
    let endpoint = SERVER.with(|server| {
        let answers = split(case).into_iter().map(without_waits).collect();
        *server.answers.lock().unwrap_or_else(PoisonError::into_inner) = answers;
        server.endpoint.clone()
    });
    let hub = Hub {
        endpoint,
        cache: folder.path().join("cache"),
        token: HubToken::None,
        offline: false,
        cached_files: CachedFiles::Keep,
    };
    let repository = Repository::parse("org/model").expect("a name");
    let fetched = taken(hub.fetch(&repository, &mut |_| {}));
    for entry in fs::read_dir(folder.path()).expect("a folder") {
        assert_eq!(entry.expect("a folder").file_name(), "cache", "a file outside the cache");
    }
    check_blobs(&hub.cache.join("models--org--model/blobs"));
    fetched.is_some_and(|snapshot| {
        assert!(snapshot.starts_with(&hub.cache) && snapshot.join("config.json").is_file(), "{}", snapshot.display());
        true
    })
}

/// A file whose name is a SHA-256 has it.
fn check_blobs(folder: &Path) {
    for entry in fs::read_dir(folder).into_iter().flatten() {
        let name = entry.expect("a folder").file_name().into_string().expect("a name of ASCII");
        if name.len() == 64 && name.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            let digest = Sha256::digest(fs::read(folder.join(&name)).expect("a blob"));
            let digest: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
            assert_eq!(digest, name.to_lowercase(), "a damaged file in the cache");
        }
    }
}

/// An answer of the case that asks for no wait: fetches wait for a busy hub as long as it asks.
fn without_waits(answer: &[u8]) -> Vec<u8> {
    let mut text: Vec<u8> = Vec::with_capacity(answer.len() + 32);
    for line in answer.split_inclusive(|&byte| byte == b'\n') {
        let name = line.split(|&byte| byte == b':').next().unwrap_or_default().to_ascii_lowercase();
        if ![&b"retry-after"[..], b"ratelimit"].iter().any(|header| name.ends_with(header)) {
            text.extend_from_slice(line);
        }
        if line.ends_with(b"\n") && line.windows(5).any(|window| window == b"HTTP/") {
            text.extend_from_slice(b"Retry-After: 0\r\n");
        }
    }
    text
}

/// A server of this thread. It closes each connection after one answer, and at once where it has none.
struct ScriptedServer {
    endpoint: String,
    answers: Answers,
}

impl ScriptedServer {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let endpoint = format!("http://{}", listener.local_addr().expect("an address"));
        let answers = Answers::default();
        let next = answers.clone();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let answer = next.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
                let _ = answer.map(|answer| send(&stream, &answer)); // the client may be gone
            }
        });
        Self { endpoint, answers }
    }
}

fn send(mut stream: &TcpStream, answer: &[u8]) -> std::io::Result<()> {
    for line in BufReader::new(stream).lines() {
        if line?.is_empty() {
            break;
        }
    }
    stream.write_all(answer)
}

//! A hub that misbehaves, connections that break and caches with damage: every fetch ends, says why, and puts nothing
//! into the cache that is not right. Nothing here waits for the clock.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpListener;

use longspan::Error;
use longspan::error::HubFault;
use longspan::hub::{CachedFiles, FetchEvent, Hub, HubToken, Repository};

use super::Setup;
use super::server::{COMMIT, Model, Request, raw, sha256};

const WEIGHTS: &str = "model.safetensors";
/// More than any fetch here needs.
const REQUESTS_MAX: usize = 80;

/// An answer to a request for the weights, to be spoilt.
struct Reply {
    status: u16,
    headers: Vec<(&'static str, String)>,
    body: Vec<u8>,
}

impl Reply {
    fn right(from: Option<usize>, content: &[u8]) -> Self {
        let start = from.unwrap_or(0);
        let mut headers = vec![("ETag", format!("\"{}\"", sha256(content)))];
        if start >= content.len() {
            return Reply { status: 416, headers, body: Vec::new() };
        }
        if from.is_some() {
            headers.push(("Content-Range", format!("bytes {start}-{}/{}", content.len() - 1, content.len())));
        }
        headers.push(("Content-Length", (content.len() - start).to_string()));
        Reply { status: if from.is_some() { 206 } else { 200 }, headers, body: content[start..].to_vec() }
    }

    fn set(&mut self, name: &'static str, value: &str) {
        self.headers.retain(|(other, _)| *other != name);
        self.headers.push((name, value.to_owned()));
    }

    fn send(&self, request: &Request) -> Vec<u8> {
        let headers: Vec<(&str, &str)> = self.headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let mut answer = raw(self.status, &headers, &self.body);
        if request.method == "HEAD" {
            answer.truncate(answer.len() - self.body.len());
        }
        answer
    }
}

type Spoil = fn(&mut Reply, &Request);

/// (what the hub does with the weights, how, what the error says).
const SPOILT: [(&str, Spoil, HubFault, &str); 24] = [
    (
        "breaks off",
        |r, _| r.body.truncate(20_000),
        HubFault::Interrupted,
        "broke off after 100000 of 300000 bytes, 5 times",
    ),
    ("sends a byte", |r, _| r.body.truncate(1), HubFault::Interrupted, "broke off after 5 of 300000 bytes, 5 times"),
    ("sends nothing", |r, _| r.body.clear(), HubFault::Interrupted, "broke off after 0 of 300000 bytes, 5 times"),
    ("breaks off and ignores ranges", ignores_ranges, HubFault::Interrupted, "broke off after 20000 of 300000 bytes"),
    ("continues elsewhere", shifts_range, HubFault::Answer, "the server does not continue at byte 20000, twice"),
    ("refuses ranges", refuses_ranges, HubFault::Answer, "the server does not continue at byte 20000, twice"),
    ("leaves bytes out", leaves_out, HubFault::Answer, "does not have the SHA-256 that the hub names, twice"),
    ("flips a bit", |r, _| flip(&mut r.body), HubFault::Answer, "does not have the SHA-256 that the hub names, twice"),
    ("sends zeros", |r, _| r.body.fill(0), HubFault::Answer, "does not have the SHA-256 that the hub names, twice"),
    ("sends more than it says", says_less, HubFault::Answer, "more comes than the 1000 bytes that it has, twice"),
    ("sends less than it says", says_more, HubFault::Answer, "the server does not continue at byte 300000, twice"),
    ("says 10 TB", |r, _| r.set("Content-Length", "10000000000000"), HubFault::Answer, "at byte 300000, twice"),
    ("says no length", no_length, HubFault::Answer, "`model.safetensors` has no usable length"),
    ("says a length below 0", |r, _| r.set("X-Linked-Size", "-5"), HubFault::Answer, "has no usable length"),
    ("ends in a chunk", ends_in_chunk, HubFault::Interrupted, "bytes, 5 times in all"),
    ("packs", |r, _| r.set("Content-Encoding", "gzip"), HubFault::Answer, "it sends packed data"),
    ("has no ETag", |r, _| r.set("ETag", ""), HubFault::Answer, "has no usable ETag"),
    ("has a path as ETag", |r, _| r.set("ETag", "\"../../../evil\""), HubFault::Answer, "has no usable ETag"),
    ("has a hidden ETag", |r, _| r.set("ETag", "\".evil\""), HubFault::Answer, "has no usable ETag"),
    ("has a long ETag", |r, _| r.set("ETag", &"a".repeat(5000)), HubFault::Answer, "has no usable ETag"),
    ("fails", |r, _| r.status = 500, HubFault::Answer, "it answers with status 500"),
    ("fails at the download", fails_at_get, HubFault::Answer, "it answers with status 500"),
    ("redirects to itself", redirects, HubFault::Answer, "is redirected more than 5 times"),
    ("redirects to a file", redirects_to_file, HubFault::Interrupted, "broke off after 0 of 300000 bytes"),
];

fn flip(body: &mut [u8]) {
    if let Some(byte) = body.first_mut() {
        *byte ^= 0x40;
    }
}

fn ignores_ranges(reply: &mut Reply, _: &Request) {
    // The bytes do not matter: the download never ends.
    reply.status = 200;
    reply.set("Content-Length", "300000");
    reply.body.truncate(20_000);
}

fn shifts_range(reply: &mut Reply, request: &Request) {
    reply.body.truncate(20_000);
    if let Some(from) = request.from {
        reply.set("Content-Range", &format!("bytes {}-299999/300000", from + 5));
    }
}

fn refuses_ranges(reply: &mut Reply, request: &Request) {
    reply.body.truncate(20_000);
    if request.from.is_some() {
        *reply = Reply { status: 416, headers: Vec::new(), body: Vec::new() };
    }
}

/// Some bytes are missing in the middle and others too many at the end.
fn leaves_out(reply: &mut Reply, request: &Request) {
    match request.from {
        None => reply.body.truncate(200_000),
        Some(_) => reply.body.rotate_left(5),
    }
}

fn says_less(reply: &mut Reply, request: &Request) {
    if request.method == "HEAD" {
        reply.set("Content-Length", "1000");
    }
}

fn says_more(reply: &mut Reply, _: &Request) {
    reply.set("Content-Length", "310000");
}

fn no_length(reply: &mut Reply, _: &Request) {
    reply.set("Content-Length", "");
    reply.body.truncate(20_000);
}

fn ends_in_chunk(reply: &mut Reply, request: &Request) {
    if request.method == "GET" {
        reply.headers.retain(|(name, _)| *name != "Content-Length");
        reply.set("Transfer-Encoding", "chunked");
        reply.body = [b"3e8\r\n", &reply.body[..1000], b"\r\n"].concat();
    }
}

fn fails_at_get(reply: &mut Reply, request: &Request) {
    if request.method == "GET" {
        reply.status = 500;
    }
}

fn redirects(reply: &mut Reply, request: &Request) {
    reply.status = 302;
    reply.set("Location", &request.path);
}

fn redirects_to_file(reply: &mut Reply, _: &Request) {
    reply.status = 302;
    reply.set("X-Linked-Size", "300000");
    reply.set("Location", "file:///etc/passwd");
}

fn is_about_weights(request: &Request) -> bool {
    request.path.ends_with(WEIGHTS)
}

#[test]
fn a_fetch_of_spoilt_weights_ends_and_the_next_one_heals() {
    for (name, spoil, wanted_fault, wanted) in SPOILT {
        let setup = Setup::new(Model::safetensors());
        let content = setup.server.model().files[WEIGHTS].clone();
        let sent = content.clone();
        setup.server.stand_in(move |request| {
            let mut reply = is_about_weights(request).then(|| Reply::right(request.from, &sent))?;
            spoil(&mut reply, request);
            Some(reply.send(request))
        });
        let (fault, message) = setup.fault("org/model");
        assert!(fault == wanted_fault && message.contains(wanted), "{name}: {fault:?} {message}");
        assert!(setup.server.take_log().len() < REQUESTS_MAX, "{name}");
        assert!(!setup.model_folder().join("snapshots").join(COMMIT).join(WEIGHTS).exists(), "{name}");
        assert!(!setup.blob(&sha256(&content)).exists() && !setup.model_folder().join("refs/main").exists(), "{name}");

        setup.server.stand_in(|_| None);
        let snapshot = setup.fetch("org/model").unwrap();
        assert!(fs::read(snapshot.join(WEIGHTS)).unwrap() == content, "{name}");
    }
}

#[test]
fn a_list_that_is_none_ends_the_fetch() {
    let long = [b"{\"sha\":\"", &vec![b'a'; 17 << 20][..]].concat();
    let cases: [(&str, Vec<u8>, &str); 7] = [
        ("another page", raw(200, &[], b"<html>hello"), "the answer is not that of a hub"),
        ("too long", raw(200, &[], &long), "its list of files is longer than 16777216 bytes"),
        ("deep", raw(200, &[], &[b'['; 100_000]), "the answer is not that of a hub"),
        ("cut", raw(200, &[("Content-Length", "5000")], b"{\"sha\":\""), "cannot be had from"),
        (
            "a path as commit",
            raw(200, &[], br#"{"sha":"../../evil","siblings":[]}"#),
            "the answer is not that of a hub",
        ),
        ("a failure", raw(500, &[], b""), "it answers with status 500"),
        ("a loop", raw(302, &[("Location", "/api/models/org/model/revision/main")], b""), "too many redirects"),
    ];
    for (name, answer, wanted) in cases {
        let setup = Setup::new(Model::safetensors());
        setup.server.stand_in(move |_| Some(answer.clone()));
        let (_, message) = setup.fault("org/model");
        assert!(message.contains(wanted), "{name}: {message}");
        assert!(setup.server.take_log().len() < REQUESTS_MAX && !setup.model_folder().exists(), "{name}");
    }
}

#[test]
fn no_redirect_takes_the_token_to_another_host() {
    let locations: [fn(&str, &str) -> String; 8] = [
        |_, large| format!("http://{large}/large/{WEIGHTS}"),
        |_, large| format!("//{large}/large/{WEIGHTS}"),
        |hub, large| format!("http://{hub}@{large}/large/{WEIGHTS}"),
        |hub, _| format!("http://{hub}2/large/{WEIGHTS}"),
        |hub, large| format!("http://{hub}\\@{large}/large/{WEIGHTS}"),
        |_, large| format!("http://localhost:{}/large/{WEIGHTS}", large.rsplit(':').next().unwrap()),
        |hub, _| format!("http://{hub}/hop"), // which leads to the other host
        |_, _| "/hop".to_owned(),
    ];
    for (at, location) in locations.into_iter().enumerate() {
        for head_redirects in [true, false] {
            let setup = Setup::new(Model::safetensors());
            let content = setup.server.model().files[WEIGHTS].clone();
            let hub = setup.hub.endpoint.trim_start_matches("http://").to_owned();
            setup.server.stand_in(move |request| {
                let large = request.large.to_string();
                let is_hop = request.path == "/hop";
                let is_ours = is_hop || request.path.starts_with("/org/") && is_about_weights(request);
                let mut reply = is_ours.then(|| Reply::right(request.from, &content))?;
                if request.method == "GET" || head_redirects {
                    let etag = sha256(&content);
                    let target =
                        if is_hop { format!("http://{large}/large/{WEIGHTS}") } else { location(&hub, &large) };
                    reply = Reply { status: 302, headers: Vec::new(), body: Vec::new() };
                    reply.set("X-Linked-ETag", &etag);
                    reply.set("X-Linked-Size", &content.len().to_string());
                    reply.set("Location", &target);
                }
                Some(reply.send(request))
            });
            let with_token =
                Setup { hub: Hub { token: HubToken::Given("secret".to_owned()), ..setup.hub.clone() }, ..setup };
            let result = with_token.fetch("org/model");
            assert_eq!(with_token.server.tokens_seen_elsewhere(), 0, "{at}");
            assert!(with_token.server.take_log().len() < REQUESTS_MAX, "{at}");
            let message = result.map_or_else(|error| error.to_string(), |folder| folder.display().to_string());
            assert!(!message.contains("secret"), "{message}");
        }
    }
}

impl Setup {
    /// A fetch, and what it says meanwhile.
    fn notices(&self, cached_files: CachedFiles) -> (Result<std::path::PathBuf, Error>, Vec<String>) {
        let mut notices = Vec::new();
        let hub = Hub { cached_files, ..self.hub.clone() };
        let result = hub.fetch(&Repository::parse("org/model").unwrap(), &mut |event| {
            if let FetchEvent::Notice(text) = event {
                notices.push(text.to_owned());
            }
        });
        (result, notices)
    }

    /// The hub refuses requests whose path contains a word, some times.
    fn is_busy(&self, word: &'static str, status: u16, retry_after: &'static str, mut times: usize) {
        self.server.stand_in(move |request| {
            times = times.checked_sub(usize::from(request.path.contains(word)))?;
            let is_refused = request.path.contains(word);
            is_refused.then(|| raw(status, &[("Retry-After", retry_after)], b""))
        });
    }
}

#[test]
fn a_busy_hub_is_waited_for() {
    for (word, status) in [("/api/", 429), ("/api/", 503), ("resolve", 429), ("/large/", 503)] {
        let setup = Setup::new(Model::safetensors());
        setup.is_busy(word, status, "0", 3);
        let (result, notices) = setup.notices(CachedFiles::Keep);
        assert!(result.is_ok(), "{word}: {result:?}");
        let said = format!("{} is busy (status {status}): waiting 0 s", setup.hub.endpoint);
        assert_eq!(notices, vec![said; 3]);
        // It ends, and begins to wait no longer than it may.
        for (retry_after, requests, wanted) in [
            ("0", 7, format!("it is busy and asks to wait 0 s (status {status}, after 6 waits)")),
            ("601", 1, format!("it is busy and asks to wait 601 s (status {status})")),
        ] {
            let setup = Setup::new(Model::safetensors());
            setup.is_busy(word, status, retry_after, usize::MAX);
            let (fault, message) = setup.fault("org/model");
            assert!(fault == HubFault::Busy && message.ends_with(&wanted), "{message}");
            let log = setup.server.take_log();
            assert_eq!(log.iter().filter(|line| line.contains(word)).count(), requests, "{log:?}");
        }
    }
    // With a copy in the cache nobody waits.
    let setup = Setup::new(Model::safetensors());
    setup.fetch("org/model").unwrap();
    setup.is_busy("", 429, "1", usize::MAX);
    setup.server.take_log();
    let (result, notices) = setup.notices(CachedFiles::Keep);
    assert!(
        result.is_ok() && notices.len() == 1 && notices[0].ends_with(": the copy in the cache is used"),
        "{notices:?}"
    );
    assert_eq!(setup.server.take_log().len(), 1);
}

#[test]
fn who_waits_for_a_lock_is_told_whose_it_is() {
    for (holder, wanted) in [("4711", "waiting for process 4711, which"), ("", "waiting for another program, which")] {
        let setup = Setup::new(Model::safetensors());
        let locks = setup.hub.cache.join(".locks/models--org--model");
        fs::create_dir_all(&locks).unwrap();
        let path = locks.join(format!("{}.lock", setup.server.model().etag(WEIGHTS)));
        fs::write(&path, holder).unwrap();
        let mut lock = Some(fs::File::open(&path).unwrap());
        lock.as_ref().unwrap().lock().unwrap();
        let mut notices = Vec::new();
        let snapshot = setup.hub.fetch(&Repository::parse("org/model").unwrap(), &mut |event| {
            if let FetchEvent::Notice(text) = event {
                notices.push(text.to_owned());
                lock = None; // the other program ends
            }
        });
        assert!(snapshot.unwrap().join(WEIGHTS).is_file());
        assert!(notices.len() == 1 && notices[0].starts_with(wanted), "{notices:?}");
        assert!(notices[0].contains(" s (it holds `") && notices[0].contains(path.to_str().unwrap()), "{notices:?}");
        assert_eq!(fs::read_to_string(&path).unwrap(), "");
    }
}

#[cfg(unix)]
#[test]
fn no_link_in_the_cache_is_written_through() {
    let setup = Setup::new(Model::safetensors());
    setup.server.change(|model| drop(model.files.remove("longspan.json")));
    let outside = tempfile::tempdir().unwrap();
    let victim = outside.path().join("victim");
    fs::write(&victim, "mine").unwrap();
    let etag = setup.server.model().etag(WEIGHTS);
    let folder = setup.model_folder();
    let places = [
        setup.partial(WEIGHTS),
        setup.partial("config.json"),
        setup.blob("etag-tokenizer.json"),
        setup.hub.cache.join(".locks/models--org--model").join(format!("{etag}.lock")),
        folder.join("refs/main"),
        folder.join("snapshots").join(COMMIT).join("README.md"),
    ];
    let new = outside.path().join("new");
    let absent = folder.join(".no_exist").join(COMMIT).join("longspan.json");
    for (place, target) in places.iter().map(|place| (place, &victim)).chain([(&absent, &new)]) {
        fs::create_dir_all(place.parent().unwrap()).unwrap();
        std::os::unix::fs::symlink(target, place).unwrap();
    }
    let (result, _) = setup.notices(CachedFiles::Check);
    let snapshot = result.unwrap();
    for file in ["config.json", "tokenizer.json", "README.md", WEIGHTS] {
        assert!(fs::read(snapshot.join(file)).unwrap() == setup.server.model().files[file], "{file}");
    }
    assert_eq!(fs::read_to_string(&victim).unwrap(), "mine");
    assert!(!new.exists());
}

#[test]
fn damaged_files_of_the_cache_are_found_and_replaced() {
    type Damage = fn(&mut Vec<u8>);
    let cases: [(&str, Damage); 4] = [
        (WEIGHTS, |bytes| flip(bytes)),
        (WEIGHTS, |bytes| bytes.truncate(1000)),
        (WEIGHTS, |bytes| bytes.push(0)),
        ("tokenizer.json", |bytes| bytes.truncate(1000)), // its ETag is no hash
    ];
    for (file, damage) in cases {
        let setup = Setup::new(Model::safetensors());
        let snapshot = setup.fetch("org/model").unwrap();
        setup.server.take_log();
        let (result, notices) = setup.notices(CachedFiles::Check);
        assert!(result.is_ok() && notices.is_empty(), "{notices:?}");
        assert!(setup.server.take_log().iter().all(|line| line.starts_with("HEAD") || line.contains("/api/")));

        let path = snapshot.join(file);
        let good = fs::read(&path).unwrap();
        let mut bad = good.clone();
        damage(&mut bad);
        fs::write(&path, &bad).unwrap();
        let offline = Hub { offline: true, cached_files: CachedFiles::Check, ..setup.hub.clone() };
        let offline = offline.fetch(&Repository::parse("org/model").unwrap(), &mut |_| {});
        if file == WEIGHTS {
            let Err(Error::Hub { fault: HubFault::NotCached, message, .. }) = offline else { panic!("{offline:?}") };
            assert_eq!(message, format!("the copy of `{file}` in {} is damaged", snapshot.display()));
        }
        let (result, notices) = setup.notices(CachedFiles::Check);
        result.unwrap();
        assert_eq!(notices, [format!("`{file}` in the cache is damaged: downloading it again")]);
        assert!(fs::read(&path).unwrap() == good, "{file}");
    }
}

#[test]
fn replacing_downloads_every_file_again() {
    let setup = Setup::new(Model::safetensors());
    let snapshot = setup.fetch("org/model").unwrap();
    fs::write(snapshot.join("config.json"), "[]").unwrap(); // as long as the right one
    fs::write(setup.partial(WEIGHTS), "left over").unwrap();
    setup.server.take_log();
    setup.notices(CachedFiles::Replace).0.unwrap();
    let log = setup.server.take_log();
    assert_eq!(log.iter().filter(|line| line.starts_with("GET /org/")).count(), 5, "{log:?}");
    assert!(!log.iter().any(|line| line.contains(" from ")), "{log:?}");
    assert_eq!(fs::read(snapshot.join("config.json")).unwrap(), b"{}");
    let offline = Hub { offline: true, cached_files: CachedFiles::Replace, ..setup.hub.clone() };
    let offline = offline.fetch(&Repository::parse("org/model").unwrap(), &mut |_| {});
    assert!(matches!(offline, Err(Error::Hub { fault: HubFault::NotCached, .. })), "{offline:?}");
}

#[test]
fn addresses_and_tokens_that_are_none() {
    let setup = Setup::new(Model::safetensors());
    for endpoint in ["huggingface.co", "ftp://huggingface.co", "http://", "https://hugging face.co", "/mirror", ""] {
        let hub = Setup { hub: Hub { endpoint: endpoint.to_owned(), ..setup.hub.clone() }, ..Setup::new(Model::bin()) };
        let (fault, message) = hub.fault("org/model");
        assert_eq!(fault, HubFault::Endpoint, "{endpoint}");
        assert_eq!(message, format!("the address of the hub, `{endpoint}`, does not have the form https://HOST"));
    }
    for token in ["se\ncret", "se\0cret"] {
        let hub = Setup {
            hub: Hub { token: HubToken::Given(token.to_owned()), ..setup.hub.clone() },
            ..Setup::new(Model::bin())
        };
        assert_eq!(hub.fault("org/model"), (HubFault::Token, "the token has characters that no token has".to_owned()));
    }
    let refused = Setup::new(Model { refuse: Some((401, "", "")), ..Model::safetensors() });
    let refused = Setup { hub: Hub { token: HubToken::Given("old".to_owned()), ..refused.hub.clone() }, ..refused };
    let wanted = "the hub refuses the token in HF_TOKEN with status 401";
    assert_eq!(refused.fault("org/model"), (HubFault::Token, wanted.to_owned()));
}

/// What cannot be read where a token should be: public and cached models need none, others say why none was sent.
#[test]
fn a_token_that_cannot_be_read_stops_no_public_model() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    fs::create_dir(path("folder")).unwrap();
    fs::write(path("bytes"), b"\xff\xfe").unwrap();
    fs::write(path("lines"), "one\ntwo\n").unwrap();
    let mut cases = vec![
        (HubToken::NamedFile(path("folder")), "folder` cannot be read: is a directory"),
        (HubToken::File(path("bytes")), "bytes` cannot be read: stream did not contain valid UTF-8"),
        (HubToken::NamedFile(path("lines")), "lines` cannot be read: it has characters that no token has"),
    ];
    if cfg!(unix) {
        cases.push((HubToken::File("/dev/zero".into()), "`/dev/zero` cannot be read: not a plain file"));
        cases.push((HubToken::NamedFile("/dev/zero".into()), "zero` cannot be read: it has characters that no"));
    } else {
        cases.remove(0); // a folder cannot be opened there
    }
    for (token, wanted) in cases {
        let setup = Setup::new(Model::safetensors());
        let setup = Setup { hub: Hub { token, ..setup.hub.clone() }, ..setup };
        for _ in 0..2 {
            let (result, notices) = setup.notices(CachedFiles::Keep);
            assert!(result.is_ok(), "{wanted}: {result:?}");
            assert!(notices.len() == 1 && notices[0].starts_with("the token in `"), "{notices:?}");
            assert!(notices[0].contains(wanted) && notices[0].ends_with(": the hub is asked without a token"));
        }
        // A commit in the cache asks nobody.
        let commit = format!("org/model@{COMMIT}");
        setup.hub.fetch(&Repository::parse(&commit).unwrap(), &mut |event| panic!("{event:?}")).unwrap();
        setup.server.change(|model| model.token = Some("secret".to_owned()));
        let hub = Hub { cached_files: CachedFiles::Replace, ..setup.hub.clone() };
        let (fault, message) = Setup { hub, ..setup }.fault("org/model");
        assert!(fault == HubFault::Access && message.contains("(no token was sent: the token in `"), "{message}");
        assert!(message.contains(wanted), "{message}");
    }
}

/// A file that the user has named may be of any kind. Who waits for a pipe is told.
#[test]
#[cfg(unix)]
fn a_token_may_come_from_a_pipe() {
    let setup = Setup::new(Model { token: Some("secret".to_owned()), ..Model::safetensors() });
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("pipe");
    assert!(std::process::Command::new("mkfifo").arg(&path).status().unwrap().success());
    let hub = Hub { token: HubToken::NamedFile(path.clone()), ..setup.hub.clone() };
    let mut writer = None;
    let fetched = hub.fetch(&Repository::parse("org/model").unwrap(), &mut |event| {
        if let FetchEvent::Notice(text) = event {
            assert_eq!(text, format!("waiting for the token of the hub from `{}`", path.display()));
            let path = path.clone();
            writer = Some(std::thread::spawn(move || fs::write(path, "secret\n")));
        }
    });
    assert!(fetched.is_ok(), "{fetched:?}");
    writer.expect("a notice").join().unwrap().unwrap();
    // An empty one is none.
    let public = Setup::new(Model::safetensors());
    let public = Setup { hub: Hub { token: HubToken::NamedFile("/dev/null".into()), ..public.hub.clone() }, ..public };
    let (result, notices) = public.notices(CachedFiles::Keep);
    assert!(result.is_ok() && notices.is_empty(), "{result:?} {notices:?}");
}

#[test]
fn a_hub_without_tls_is_told_from_one_that_is_away() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("https://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let _ = stream.read(&mut [0; 4096]);
        stream.write_all(&raw(400, &[], b"")).unwrap();
    });
    let setup = Setup::new(Model::safetensors());
    let setup = Setup { hub: Hub { endpoint, ..setup.hub.clone() }, ..setup };
    assert_eq!(setup.fault("org/model").0, HubFault::Certificate);
}

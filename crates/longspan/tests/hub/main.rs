//! Tests the client of the hub with a small server that has the hub's layout. The cache must have the layout of Python's.

mod faults;
#[allow(dead_code)] // the program's tests use more of it
#[path = "../server/mod.rs"]
mod server;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use longspan::Error;
use longspan::error::HubFault;
use longspan::hub::{CachedFiles, FetchEvent, Hub, HubToken, Repository};

use server::{COMMIT, MOVED, Model, Server};

/// A server with one model, and a client with an empty cache.
struct Setup {
    server: Server,
    hub: Hub,
    _folder: tempfile::TempDir,
}

impl Setup {
    fn new(model: Model) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let server = Server::start(model);
        let hub = Hub {
            endpoint: server.endpoint(),
            cache: folder.path().to_owned(),
            token: HubToken::None,
            offline: false,
            cached_files: CachedFiles::Keep,
        };
        Setup { server, hub, _folder: folder }
    }

    fn fetch(&self, repository: &str) -> Result<PathBuf, Error> {
        self.hub.fetch(&Repository::parse(repository).unwrap(), &mut |_| {})
    }

    fn model_folder(&self) -> PathBuf {
        self.hub.cache.join("models--org--model")
    }

    fn blob(&self, name: &str) -> PathBuf {
        self.model_folder().join("blobs").join(name)
    }

    /// The place of an unfinished download.
    fn partial(&self, file: &str) -> PathBuf {
        self.blob(&format!("{}.incomplete", self.server.model().etag(file)))
    }

    fn fault(&self, repository: &str) -> (HubFault, String) {
        match self.fetch(repository) {
            Err(Error::Hub { fault, message, .. }) => (fault, message),
            other => panic!("{other:?}"),
        }
    }
}

/// The files of a folder, as (name, content).
fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
    entries.map(|entry| (entry.file_name().into_string().unwrap(), fs::read(entry.path()).unwrap())).collect()
}

fn names(folder: &Path) -> Vec<String> {
    files(folder).into_keys().collect()
}

#[test]
fn a_model_is_downloaded_once() {
    let setup = Setup::new(Model::safetensors());
    let mut seen: BTreeMap<String, Vec<u64>> = BTreeMap::new();
    let repository = Repository::parse("org/model").unwrap();
    let snapshot = setup.hub.fetch(&repository, &mut |event| {
        let FetchEvent::Download(progress) = event else { panic!("{event:?}") };
        assert_eq!(progress.bytes_total, setup.server.model().files[progress.file].len() as u64);
        seen.entry(progress.file.to_owned()).or_default().push(progress.bytes_done);
    });
    let snapshot = snapshot.unwrap();

    // The snapshot has all needed files with their content, and no others.
    assert_eq!(snapshot, setup.model_folder().join("snapshots").join(COMMIT));
    let mut wanted = setup.server.model().files;
    wanted.remove("pytorch_model.bin");
    wanted.remove("tf_model.h5");
    assert_eq!(files(&snapshot), wanted);
    assert_eq!(seen.keys().collect::<Vec<_>>(), wanted.keys().collect::<Vec<_>>());
    for (file, progress) in &seen {
        assert!(progress.is_sorted() && progress[0] == 0, "{file}: {progress:?}");
        assert_eq!(progress.last(), Some(&(wanted[file].len() as u64)), "{file}");
    }

    // The layout is that of Python's cache.
    assert_eq!(fs::read_to_string(setup.model_folder().join("refs/main")).unwrap(), COMMIT);
    assert_eq!(names(&setup.model_folder().join("blobs")).len(), wanted.len());
    #[cfg(unix)]
    {
        let link = fs::read_link(snapshot.join("model.safetensors")).unwrap();
        assert_eq!(link, Path::new("../../blobs").join(setup.server.model().etag("model.safetensors")));
    }

    // A second fetch asks only for the commit of the branch; a fetch by commit asks for nothing.
    setup.server.take_log();
    assert_eq!(setup.fetch("org/model").unwrap(), snapshot);
    assert_eq!(setup.server.take_log(), ["GET /api/models/org/model/revision/main"]);
    assert_eq!(setup.fetch(&format!("org/model@{COMMIT}")).unwrap(), snapshot);
    assert!(setup.server.take_log().is_empty());
}

#[test]
fn a_model_without_safetensors_is_downloaded() {
    let setup = Setup::new(Model::bin());
    let snapshot = setup.fetch("org/model").unwrap();
    let wanted = [
        "config.json",
        "merges.txt",
        "pytorch_model.bin",
        "special_tokens_map.json",
        "tokenizer_config.json",
        "vocab.json",
    ];
    assert_eq!(names(&snapshot), wanted);
}

#[test]
fn every_shard_is_downloaded() {
    let setup = Setup::new(Model::sharded());
    let names = names(&setup.fetch("org/model").unwrap());
    for file in ["model.safetensors.index.json", "a-00001.safetensors", "a-00002.safetensors"] {
        assert!(names.iter().any(|name| name == file), "{names:?}");
    }
    assert!(!names.iter().any(|name| name == "unused.safetensors"));
    fs::remove_file(setup.model_folder().join("snapshots").join(COMMIT).join("a-00002.safetensors")).unwrap();
    let offline = Setup { hub: Hub { offline: true, ..setup.hub.clone() }, ..setup };
    let (fault, message) = offline.fault("org/model");
    assert_eq!(fault, HubFault::NotCached);
    assert!(message.contains("lacks `a-00002.safetensors`, and downloads are off"), "{message}");
}

#[test]
fn revisions_may_be_pull_requests() {
    let setup = Setup::new(Model::safetensors());
    setup.fetch("org/model@refs/pr/7").unwrap();
    assert_eq!(setup.server.take_log()[0], "GET /api/models/org/model/revision/refs%2Fpr%2F7");
    assert_eq!(fs::read_to_string(setup.model_folder().join("refs/refs/pr/7")).unwrap(), COMMIT);
}

#[test]
fn a_branch_that_moved_shares_unchanged_files() {
    let setup = Setup::new(Model::safetensors());
    let old = setup.fetch("org/model").unwrap();
    setup.server.change(|model| {
        model.commit = MOVED.to_owned();
        model.files.insert("config.json".to_owned(), b"{\"changed\":1}".to_vec());
        model.etags.insert("config.json".to_owned(), "another".to_owned());
    });
    setup.server.take_log();
    let new = setup.fetch("org/model").unwrap();
    assert_eq!(fs::read_to_string(setup.model_folder().join("refs/main")).unwrap(), MOVED);
    assert_eq!(fs::read(new.join("config.json")).unwrap(), b"{\"changed\":1}");
    assert_ne!(fs::read(old.join("config.json")).unwrap(), b"{\"changed\":1}");
    let downloads: Vec<String> =
        setup.server.take_log().into_iter().filter(|line| line.starts_with("GET /org")).collect();
    assert_eq!(downloads, [format!("GET /org/model/resolve/{MOVED}/config.json")]);
}

#[test]
fn the_cache_is_used_without_a_network() {
    let setup = Setup::new(Model::safetensors());
    let nowhere = Hub { endpoint: server::nobody(), ..setup.hub.clone() };
    let offline = Hub { offline: true, ..setup.hub.clone() };
    let fetch = |hub: &Hub, name: &str| hub.fetch(&Repository::parse(name).unwrap(), &mut |_| {});

    let Err(Error::Hub { fault: HubFault::Unreachable, message, .. }) = fetch(&nowhere, "org/model") else { panic!() };
    assert!(message.starts_with(&format!("cannot be had from {}: ", nowhere.endpoint)), "{message}");
    let Err(Error::Hub { fault: HubFault::NotCached, message, .. }) = fetch(&offline, "org/model") else { panic!() };
    let wanted = "and downloads are off (offline): allow them once, or give a folder instead";
    assert_eq!(message, format!("no copy of it in {}, {wanted}", setup.model_folder().display()));
    assert!(setup.server.take_log().is_empty());

    let snapshot = setup.fetch("org/model").unwrap();
    setup.server.take_log();
    for hub in [&nowhere, &offline] {
        assert_eq!(fetch(hub, "org/model").unwrap(), snapshot);
        assert_eq!(fetch(hub, &format!("org/model@{COMMIT}")).unwrap(), snapshot);
    }
    // The cache is also used if the hub answers with an error.
    setup.server.change(|model| model.refuse = Some((503, "", "")));
    assert_eq!(setup.fetch("org/model").unwrap(), snapshot);

    fs::remove_file(snapshot.join("tokenizer.json")).unwrap();
    setup.server.take_log();
    let Err(Error::Hub { fault: HubFault::NotCached, message, .. }) = fetch(&offline, "org/model") else { panic!() };
    let lacks = "lacks vocabulary: `tokenizer.json`, `vocab.json` with `merges.txt`, `vocab.txt`, `sentencepiece.bpe.model` or \
                 `spiece.model`";
    assert_eq!(message, format!("the copy in {} {lacks}, {wanted}", snapshot.display()));
    assert!(setup.server.take_log().is_empty());
}

#[test]
fn each_refusal_has_its_message() {
    let cases = [
        ((404, "RepoNotFound", ""), HubFault::NotFound, "no such model at http://"),
        ((404, "RevisionNotFound", ""), HubFault::NotFound, "the model has no revision `v9`"),
        (
            (401, "RepoNotFound", ""),
            HubFault::NotFound,
            "no such model, or a private one (no token was sent: set HF_TOKEN",
        ),
        ((401, "", ""), HubFault::Access, "the hub refuses access with status 401 (no token was sent: set HF_TOKEN"),
        ((401, "", "Invalid credentials in Authorization header"), HubFault::Token, "the hub does not know the token"),
        ((403, "", ""), HubFault::Access, "the hub refuses access with status 403"),
        ((403, "GatedRepo", ""), HubFault::Access, "the model is gated: accept its terms at http://"),
        ((429, "", ""), HubFault::Busy, "cannot be had from http://"),
        ((503, "", ""), HubFault::Busy, "cannot be had from http://"),
        ((500, "", ""), HubFault::Answer, "cannot be had from http://"),
    ];
    for (refusal, fault, wanted) in cases {
        let setup = Setup::new(Model { refuse: Some(refusal), ..Model::safetensors() });
        let (found, message) = setup.fault("org/model@v9");
        assert_eq!(found, fault, "{refusal:?}");
        assert!(message.starts_with(wanted), "{refusal:?}: {message}");
        assert!(!setup.model_folder().exists());
    }
}

#[test]
fn a_gated_model_needs_a_token() {
    // The list of files is public; the files need a token.
    let setup = Setup::new(Model { token: Some("secret".to_owned()), ..Model::safetensors() });
    let (fault, message) = setup.fault("org/model");
    assert_eq!(fault, HubFault::Access);
    assert!(message.contains("accept its terms") && message.contains("set HF_TOKEN"), "{message}");

    let file = setup.hub.cache.join("token");
    fs::write(&file, "secret\n").unwrap();
    let given = HubToken::Given("secret".to_owned());
    for token in [given, HubToken::File(file.clone()), HubToken::NamedFile(file)] {
        let hub = Hub { token, cached_files: CachedFiles::Replace, ..setup.hub.clone() };
        hub.fetch(&Repository::parse("org/model").unwrap(), &mut |_| {}).unwrap();
        // The server of large files is another host, so it must not get the token.
        assert_eq!(setup.server.tokens_seen_elsewhere(), 0);
        assert!(setup.server.take_log().iter().any(|line| line.starts_with("GET /large/")));
    }
}

#[test]
fn an_interrupted_download_is_resumed_at_once() {
    for file in ["model.safetensors", "tokenizer.json"] {
        let setup = Setup::new(Model { cut: Some((file.to_owned(), 70_000, 2)), ..Model::safetensors() });
        let snapshot = setup.fetch("org/model").unwrap();
        assert_eq!(fs::read(snapshot.join(file)).unwrap(), setup.server.model().files[file]);
        let log = setup.server.take_log();
        for wanted in ["from 70000", "from 140000"] {
            assert!(log.iter().any(|line| line.starts_with("GET") && line.ends_with(wanted)), "{log:?}");
        }
    }
}

#[test]
fn an_interrupted_download_is_resumed_by_a_later_run() {
    let setup = Setup::new(Model { cut: Some(("model.safetensors".to_owned(), 0, 99)), ..Model::safetensors() });
    let partial = setup.partial("model.safetensors");
    fs::create_dir_all(partial.parent().unwrap()).unwrap();
    let content = setup.server.model().files["model.safetensors"].clone();
    fs::write(&partial, &content[..1000]).unwrap();

    let (fault, message) = setup.fault("org/model");
    assert_eq!(fault, HubFault::Interrupted);
    let wanted =
        format!("the download of `model.safetensors` broke off after 1000 of {} bytes, 5 times", content.len());
    assert!(message.contains(&wanted), "{message}");
    // No reference points to the incomplete model.
    assert!(!setup.model_folder().join("refs/main").exists());

    setup.server.change(|model| model.cut = None);
    setup.server.take_log();
    let snapshot = setup.fetch("org/model").unwrap();
    assert_eq!(fs::read(snapshot.join("model.safetensors")).unwrap(), content);
    assert!(!partial.exists());
    let log = setup.server.take_log();
    assert!(log.iter().any(|line| line.starts_with("GET /large/") && line.ends_with("from 1000")), "{log:?}");
}

#[test]
fn servers_that_do_not_resume_and_files_that_are_too_long() {
    let setup = Setup::new(Model { ignores_range: true, ..Model::safetensors() });
    let content = setup.server.model().files["model.safetensors"].clone();
    fs::create_dir_all(setup.blob("")).unwrap();
    fs::write(setup.partial("model.safetensors"), [b'x'; 1000]).unwrap();
    fs::write(setup.partial("tokenizer.json"), vec![b'x'; 1 << 20]).unwrap();
    // A blob has the wrong length, as after a full disk.
    fs::write(setup.blob("etag-config.json"), b"").unwrap();
    let snapshot = setup.fetch("org/model").unwrap();
    assert_eq!(fs::read(snapshot.join("model.safetensors")).unwrap(), content);
    for file in ["tokenizer.json", "config.json"] {
        assert_eq!(fs::read(snapshot.join(file)).unwrap(), setup.server.model().files[file]);
    }
}

#[test]
fn unreadable_models_are_refused_before_the_download() {
    let cases = [
        ("config.json", "the model has no `config.json`"),
        ("tokenizer.json", "the model has no vocabulary: `tokenizer.json`"),
        ("model.safetensors", "the model has no weights of torch, only those of TensorFlow (`tf_model.h5`)"),
    ];
    for (file, wanted) in cases {
        let setup = Setup::new(Model::safetensors());
        setup.server.change(|model| {
            model.files.remove(file);
            model.files.remove("pytorch_model.bin");
        });
        let (fault, message) = setup.fault("org/model");
        assert_eq!(fault, HubFault::Incomplete);
        assert!(message.starts_with(wanted), "{message}");
        assert_eq!(setup.server.take_log().len(), 1);
    }
}

#[test]
fn a_renamed_model_is_followed() {
    for (old, folder) in [("old/name", "models--old--name"), ("roberta-base", "models--roberta-base")] {
        let setup = Setup::new(Model { renamed_from: Some(old.to_owned()), ..Model::safetensors() });
        let snapshot = setup.fetch(old).unwrap();
        assert_eq!(snapshot, setup.hub.cache.join(folder).join("snapshots").join(COMMIT));
        assert_eq!(fs::read(snapshot.join("config.json")).unwrap(), setup.server.model().files["config.json"]);
    }
}

/// Answers of the hub become file names: none of them may lead out of the cache.
#[test]
fn a_hostile_hub_writes_nothing_outside_the_cache() {
    type Change = fn(&mut Model);
    let changes: [(Change, &str); 3] = [
        (|model| model.commit = "../../../../outside".to_owned(), "the answer is not that of a hub"),
        (
            |model| drop(model.etags.insert("config.json".to_owned(), "x/../../../../outside".to_owned())),
            "`config.json` has no usable ETag",
        ),
        (
            |model| {
                let index = br#"{"weight_map":{"x":"../../../../outside.bin"}}"#.to_vec();
                model.files.remove("model.safetensors");
                model.files.insert("model.safetensors.index.json".to_owned(), index);
            },
            "names the shard \"../../../../outside.bin\"",
        ),
    ];
    for (change, wanted) in changes {
        let setup = Setup::new(Model::safetensors());
        setup.server.change(change);
        let message = setup.fetch("org/model").unwrap_err().to_string();
        assert!(message.contains(wanted), "{message}");
    }
    // The same holds for a reference in the cache that another program wrote.
    let setup = Setup::new(Model::safetensors());
    fs::create_dir_all(setup.model_folder().join("refs")).unwrap();
    fs::write(setup.model_folder().join("refs/main"), "../../elsewhere").unwrap();
    let offline = Setup { hub: Hub { offline: true, ..setup.hub.clone() }, ..setup };
    assert_eq!(offline.fault("org/model").0, HubFault::NotCached);
}

/// Python does not download `longspan.json`, because it does not read it.
#[test]
fn a_snapshot_of_another_program_is_completed() {
    let setup = Setup::new(Model::safetensors());
    let snapshot = setup.fetch("org/model").unwrap();
    let longspan = snapshot.join("longspan.json");
    let pinned = format!("org/model@{COMMIT}");
    fs::remove_file(&longspan).unwrap();
    setup.fetch(&pinned).unwrap();
    assert!(longspan.is_file());

    // If the model has no such file, the cache records that.
    fs::remove_file(&longspan).unwrap();
    setup.server.change(|model| drop(model.files.remove("longspan.json")));
    setup.server.take_log();
    setup.fetch(&pinned).unwrap();
    assert_eq!(setup.server.take_log().len(), 1);
    setup.fetch(&pinned).unwrap();
    assert!(setup.server.take_log().is_empty());
}

#[test]
fn a_complete_cache_need_not_be_writable() {
    let setup = Setup::new(Model::safetensors());
    let snapshot = setup.fetch("org/model").unwrap();
    // A file in place of a folder prevents writing for every user, even for root.
    fs::remove_dir_all(setup.hub.cache.join(".locks")).unwrap();
    fs::write(setup.hub.cache.join(".locks"), "").unwrap();
    fs::remove_file(snapshot.join("README.md")).unwrap();
    assert_eq!(setup.fetch("org/model").unwrap(), snapshot);
    fs::remove_file(snapshot.join("longspan.json")).unwrap();
    assert!(matches!(setup.fetch("org/model"), Err(Error::Write { .. })));
}

#[test]
fn names_and_revisions() {
    let at_commit = format!("o/m@{COMMIT}");
    for good in ["org/model", "a/b", "_x/y_", "roberta-base", "org/model@v1.0", "org/model@refs/pr/3", &at_commit] {
        assert_eq!(Repository::parse(good).unwrap().to_string(), good);
    }
    assert_eq!(Repository::parse("org/model@main").unwrap().to_string(), "org/model");
    for bad in [
        "",
        "/model",
        "org/",
        "org/model/x",
        "../model",
        "org/..",
        "org/a--b",
        "org/.a",
        "org/a.",
        "org/a.git",
        "org/mo del",
        "org/modèl",
        "org/model@",
        "org/model@..",
        "org/model@a/../b",
        "org/model@/a",
        "org/model@a\\b",
        "C:\\models/x",
        "./model",
        "org/model@a b",
    ] {
        let result = Repository::parse(bad);
        assert!(matches!(result, Err(Error::Hub { fault: HubFault::Name, .. })), "{bad}: {result:?}");
    }
}

#[test]
fn the_environment() {
    let hub = |variables: &[(&str, &str)]| {
        Hub::from_variables(|name| variables.iter().find(|(key, _)| *key == name).map(|(_, value)| value.to_string()))
    };
    let plain = hub(&[("XDG_CACHE_HOME", "/c")]);
    assert_eq!((plain.endpoint.as_str(), plain.offline), ("https://huggingface.co", false));
    assert_eq!(plain.cache, Path::new("/c/huggingface/hub"));
    assert_eq!(hub(&[("HF_HOME", "/h")]).cache, Path::new("/h/hub"));
    assert_eq!(hub(&[("HF_HOME", "~/h")]).cache, std::env::home_dir().unwrap().join("h/hub"));
    assert_eq!(hub(&[("HF_HOME", "/h"), ("HF_HUB_CACHE", "/elsewhere")]).cache, Path::new("/elsewhere"));
    let token = |variables: &[(&str, &str)]| match hub(variables).token {
        HubToken::None => "none".to_owned(),
        HubToken::Given(token) => format!("given {token}"),
        HubToken::File(path) => format!("file {}", path.display()),
        HubToken::NamedFile(path) => format!("named file {}", path.display()),
    };
    let home = Path::new("/h").join("token");
    assert_eq!(token(&[("HF_HOME", "/h")]), format!("file {}", home.display()));
    assert_eq!(token(&[("HF_HOME", "/h"), ("HF_TOKEN_PATH", "/t")]), "named file /t");
    assert_eq!(token(&[("HF_TOKEN", " abc\n"), ("HF_TOKEN_PATH", "/t")]), "given abc");
    assert_eq!(token(&[("HF_TOKEN", ""), ("HF_TOKEN_PATH", "/t")]), "named file /t");
    assert_eq!(hub(&[("HF_ENDPOINT", "http://mirror/")]).endpoint, "http://mirror");
    for (value, offline) in [("1", true), ("true", true), ("YES", true), ("0", false), ("", false)] {
        assert_eq!(hub(&[("HF_HUB_OFFLINE", value)]).offline, offline, "{value}");
    }
}

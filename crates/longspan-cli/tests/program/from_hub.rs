//! Models of the Hugging Face hub, from a small local server with its layout.

use std::collections::BTreeMap;
use std::fs;

use super::server::{COMMIT, Model, Server};
use super::{BREAD, Folder, VOCABULARY, check_failed, ran, small_model};

const ASK: [&str; 7] = ["ask", "--json", "--threshold", "inf", "-m", "org/model", "what is bread ?"];

/// A hub that has the small model.
fn hub() -> Server {
    let file = |name: &str| (name.to_string(), fs::read(small_model().join(name)).unwrap());
    let mut files = BTreeMap::from(["config.json", "model.safetensors"].map(file));
    files.insert("vocab.txt".into(), VOCABULARY.into());
    Server::start(Model { files, ..Model::safetensors() })
}

#[test]
fn a_fetched_model_answers_without_a_network() {
    let (folder, hub) = (Folder::new(&[("bread.txt", BREAD.as_bytes())]), hub());
    let fetched =
        ran(folder.command(&["fetch", "org/model"]).env_remove("HF_HUB_OFFLINE").env("HF_ENDPOINT", hub.endpoint()));
    let snapshot = folder.path("no-cache").join("hub/models--org--model/snapshots").join(COMMIT);
    assert_eq!((fetched.status, fetched.stdout, fetched.stderr.as_str()), (0, format!("{}\n", snapshot.display()), ""));
    assert!(snapshot.join("model.safetensors").exists());
    drop(hub);
    for arguments in [&["bread.txt"][..], &["--offline", "bread.txt"]] {
        let asked = folder.run(&[&ASK[..], arguments].concat());
        assert_eq!((asked.status, asked.stderr.as_str()), (0, ""));
        assert!(asked.stdout.contains(r#""model":"org/model""#), "{}", asked.stdout);
    }
}

#[test]
fn asking_fetches_a_missing_model() {
    let (folder, hub) = (Folder::new(&[("bread.txt", BREAD.as_bytes())]), hub());
    let mut command = folder.command(&[&ASK[..], &["bread.txt"]].concat());
    let asked = ran(command.env_remove("HF_HUB_OFFLINE").env("HF_ENDPOINT", hub.endpoint()));
    assert_eq!((asked.status, asked.stdout.lines().count(), asked.stderr.as_str()), (0, 1, ""));
    let mut command = folder.command(&["ask", "-m", "org/other", "q", "bread.txt"]);
    check_failed(&ran(command.env_remove("HF_HUB_OFFLINE").env("HF_ENDPOINT", hub.endpoint())), "org/other");
}

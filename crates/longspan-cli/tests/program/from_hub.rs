//! Models of the Hugging Face hub, from a small local server with its layout.

use std::collections::BTreeMap;
use std::fs;
use std::process::Stdio;

use super::kills::kills;
use super::server::{COMMIT, Model, Server};
use super::train::learnable;
use super::{BREAD, Folder, check_failed, ran, small_model, tree, vocabulary};

const ASK: [&str; 7] = ["ask", "--json", "--threshold", "inf", "-m", "org/model", "what is bread ?"];

/// A hub that has the small model.
pub fn hub() -> Server {
    let file = |name: &str| (name.to_string(), fs::read(small_model().join(name)).unwrap());
    let mut files = BTreeMap::from(["config.json", "model.safetensors"].map(file));
    files.insert("vocab.txt".into(), vocabulary().into());
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

/// The program as it fetches the model from a hub.
pub fn fetch(folder: &Folder, hub: &Server, more: &[&str]) -> super::Ran {
    let mut command = folder.command(&[&["fetch", "org/model"], more].concat());
    ran(command.env_remove("HF_HUB_OFFLINE").env("HF_ENDPOINT", hub.endpoint()))
}

#[test]
fn fetch_repairs_and_replaces() {
    let (folder, hub) = (Folder::new(&[]), hub());
    assert_eq!(fetch(&folder, &hub, &[]).status, 0);
    let weights = folder.path("no-cache/hub/models--org--model/snapshots").join(COMMIT).join("model.safetensors");
    let good = fs::read(&weights).unwrap();
    let mut bad = good.clone();
    bad[1000] ^= 1;
    fs::write(&weights, &bad).unwrap();
    check_failed(&folder.run(&["fetch", "--offline", "org/model"]), "the copy of `model.safetensors` in ");
    let repaired = fetch(&folder, &hub, &[]);
    let said = "`model.safetensors` in the cache is damaged: downloading it again\n";
    assert_eq!((repaired.status, repaired.stderr.as_str()), (0, said));
    assert!(fs::read(&weights).unwrap() == good);
    hub.take_log();
    assert_eq!(fetch(&folder, &hub, &["--force"]).status, 0);
    assert_eq!(hub.take_log().iter().filter(|line| line.starts_with("GET /org/")).count(), 3);
}

/// A folder that has files may have the result of the command already, but then the model is in the cache.
#[test]
fn nothing_is_fetched_for_a_folder_that_has_files() {
    let (folder, hub) = (learnable(), hub());
    let run = |arguments: &[&str]| {
        ran(folder.command(arguments).env_remove("HF_HUB_OFFLINE").env("HF_ENDPOINT", hub.endpoint()))
    };
    fs::create_dir(folder.path("out")).unwrap();
    fs::write(folder.path("out/config.json"), "{}").unwrap();
    let convert = ["convert", "org/model", "out"];
    for arguments in [
        &convert[..],
        &["calibrate", "-m", "org/model", "train.json", "--out", "out"],
        &["eval", "-m", "org/model", "train.json", "--out", "out"],
        &["train", "-m", "org/model", "--train", "train.json", "--out", "out"],
        &["pretrain", "-m", "org/model", "--text", "train.json", "--out", "out"],
    ] {
        check_failed(&run(arguments), "`out`: the folder is not empty");
        assert!(hub.take_log().is_empty(), "{arguments:?}");
    }
    fs::remove_dir_all(folder.path("out")).unwrap();
    let first = run(&convert);
    assert_eq!((first.status, first.stderr.as_str()), (0, ""));
    hub.take_log();
    assert_eq!(run(&convert), first);
    assert!(hub.take_log().is_empty());
}

/// The file that nobody named must be a plain one; one that the user has named may be of any kind.
#[test]
#[cfg(unix)]
fn a_token_that_cannot_be_read_is_done_without() {
    let (folder, hub) = (Folder::new(&[]), hub());
    let token = folder.path("no-cache/token");
    fs::create_dir(folder.path("no-cache")).unwrap();
    super::endless::make_pipe(&token);
    let fetched = fetch(&folder, &hub, &[]);
    let wrong = format!("the token in `{}` cannot be read: not a plain file", token.display());
    assert_eq!((fetched.status, fetched.stderr), (0, format!("{wrong}: the hub is asked without a token\n")));
    let mut command = folder.command(&["fetch", "org/model"]);
    command.env_remove("HF_HUB_OFFLINE").env("HF_ENDPOINT", hub.endpoint());
    let fetched = ran(command.env("HF_TOKEN_PATH", "/dev/null"));
    assert_eq!((fetched.status, fetched.stderr.as_str()), (0, ""));
}

#[test]
fn every_cause_has_its_hint() {
    for (refuse, message, hint) in [
        ((429, "", ""), "it is busy", "run the command again later: it keeps what it has"),
        ((401, "", "Invalid credentials in Authorization header"), "does not know the token", "make a new token"),
        ((403, "GatedRepo", ""), "is gated", "set HF_TOKEN to a token that may read"),
        ((404, "", ""), "no such model", "check the name"),
        ((500, "", ""), "status 500", "run the command again later; if nothing changes, HF_ENDPOINT"),
    ] {
        let hub = hub();
        hub.change(|model| model.refuse = Some(refuse));
        let mut failed = fetch(&Folder::new(&[]), &hub, &[]);
        let notices = failed.stderr.matches("is busy (status 429): waiting 0 s\n").count();
        assert_eq!(notices, if refuse.0 == 429 { 6 } else { 0 });
        failed.stderr = failed.stderr.lines().skip(notices).map(|line| format!("{line}\n")).collect();
        check_failed(&failed, message);
        assert!(failed.stderr.contains(&format!("\nhint: {hint}")), "{failed:?}");
    }
    let folder = Folder::new(&[]);
    let mut command = folder.command(&["fetch", "org/model"]);
    let failed = ran(command.env_remove("HF_HUB_OFFLINE").env("HF_ENDPOINT", "huggingface.co"));
    check_failed(&failed, "the address of the hub, `huggingface.co`, does not have the form");
    assert!(failed.stderr.contains("hint: correct HF_ENDPOINT"), "{failed:?}");
}

/// The hub stops at some byte of all that it sends, in a header or in a file, and the program is killed there.
#[test]
fn a_killed_fetch_is_completed_by_the_next() {
    let kills = kills(40);
    let hub = hub();
    let whole = Folder::new(&[]);
    assert_eq!(fetch(&whole, &hub, &[]).status, 0);
    let (bytes, whole) = (hub.bytes_sent(), tree(&whole.path("no-cache")));
    for kill in 0..kills {
        let folder = Folder::new(&[]);
        let at = (kill * bytes / kills) + kill.wrapping_mul(2_654_435_761) % (bytes / kills);
        let stopped = hub.stop_after(at);
        let mut command = folder.process(&["fetch", "org/model"]);
        command.env_remove("HF_HUB_OFFLINE").env("HF_ENDPOINT", hub.endpoint());
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        stopped.recv().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
        let again = fetch(&folder, &hub, &[]);
        assert_eq!((again.status, again.stderr.as_str()), (0, ""), "killed at byte {at} of {bytes}");
        assert!(tree(&folder.path("no-cache")) == whole, "killed at byte {at} of {bytes}");
    }
}

//! Disks without room: one error that names the file, nothing that is lost, and a run that goes on once there is room.
//!
//! A limit of the size of files stands for the disk: a write that exceeds it fails, once its signal is ignored.
#![cfg(unix)]

use std::fs;
use std::process::Command;

use super::from_hub::{fetch, hub};
use super::kills::{check_ends, folder, results, written};
use super::{Folder, Ran, ran, tree};

/// Runs the program where no file may have more than so many blocks of 512 bytes.
fn limited(process: Command, blocks: usize) -> Ran {
    let mut shell = Command::new("sh");
    shell.args(["-c", "ulimit -f \"$0\"; trap '' XFSZ; exec \"$@\"", &blocks.to_string()]);
    shell.arg(process.get_program()).args(process.get_args()).current_dir(process.get_current_dir().unwrap());
    for (name, value) in process.get_envs() {
        match value {
            Some(value) => shell.env(name, value),
            None => shell.env_remove(name),
        };
    }
    ran(&mut assert_cmd::Command::from_std(shell))
}

#[test]
fn a_command_without_room_names_the_file_and_goes_on_later() {
    let folder = folder();
    for (name, written) in written() {
        let out = folder.path("out");
        assert_eq!(folder.run(&written.run()).status, 0);
        let whole = results(&out);
        // From the first file to the largest.
        for blocks in [0, 1, 100, 2000] {
            fs::remove_dir_all(&out).unwrap_or_default();
            let failed = limited(folder.process(&written.run()), blocks);
            if failed.status == 0 {
                assert!(blocks >= 100, "{name}, {blocks} blocks: {failed:?}");
                continue;
            }
            check_ends(&failed, "`: file too large");
            assert!(failed.stderr.contains("error: `out/"), "{name}, {blocks} blocks: {failed:?}");
            let again = folder.run(&written.again());
            assert_eq!(again.status, 0, "{name}, {blocks} blocks: {again:?}");
            assert!(results(&out) == whole, "{name}, {blocks} blocks");
        }
        fs::remove_dir_all(&out).unwrap();
    }
}

#[test]
fn a_state_that_cannot_be_written_leaves_the_earlier_one() {
    let folder = folder();
    let written = &written()["train"];
    assert_eq!(folder.run(&written.run()).status, 0);
    let whole = results(&folder.path("out"));
    // A run that ends after its first state, since a folder is in the place of a file that it writes then.
    let recipe = fs::read(folder.path("out/recipe.toml")).unwrap();
    fs::remove_dir_all(folder.path("out")).unwrap();
    fs::create_dir_all(folder.path("out/vocab.txt")).unwrap();
    fs::write(folder.path("out/recipe.toml"), recipe).unwrap();
    check_ends(&folder.run(&written.run()), "`out/vocab.txt`: ");
    fs::remove_dir(folder.path("out/vocab.txt")).unwrap();
    let state = || fs::read(folder.path("out/state/state.safetensors"));
    let earlier = state().unwrap();
    check_ends(&limited(folder.process(&written.again()), 2000), "`out/state/state.safetensors`: file too large");
    assert!(state().unwrap() == earlier);
    assert_eq!(folder.run(&written.again()).status, 0);
    assert!(results(&folder.path("out")) == whole);
}

#[test]
fn data_that_cannot_be_saved_leave_the_earlier_file() {
    let folder = folder();
    fs::write(folder.path("saved.json"), "earlier").unwrap();
    let arguments = ["eval", "-m", "base", "dev.json", "--save-data", "saved.json"];
    check_ends(&limited(folder.process(&arguments), 1), "`saved.json");
    assert_eq!(fs::read(folder.path("saved.json")).unwrap(), b"earlier");
}

#[test]
fn a_fetch_without_room_is_completed_later() {
    let (folder, hub) = (Folder::new(&[]), hub());
    assert_eq!(fetch(&folder, &hub, &[]).status, 0);
    let (cache, whole) = (folder.path("no-cache"), tree(&folder.path("no-cache")));
    for blocks in [0, 1, 100, 1000] {
        fs::remove_dir_all(&cache).unwrap();
        let mut process = folder.process(&["fetch", "org/model"]);
        process.env_remove("HF_HUB_OFFLINE").env("HF_ENDPOINT", hub.endpoint());
        let failed = limited(process, blocks);
        check_ends(&failed, "`: file too large");
        assert!(failed.stderr.starts_with(&format!("error: `{}", cache.display())), "{blocks} blocks: {failed:?}");
        let again = fetch(&folder, &hub, &[]);
        assert_eq!((again.status, again.stderr.as_str()), (0, ""), "{blocks} blocks");
        assert!(tree(&cache) == whole, "{blocks} blocks");
    }
}

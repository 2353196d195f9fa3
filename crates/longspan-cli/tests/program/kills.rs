//! Runs that are killed at any moment: the same command, with `--resume` where it continues a run, ends with the files of a
//! run that was not killed, and leaves no other. And runs that want one folder at the same time.
//!
//! `LONGSPAN_KILLS` is the number of kills of each command; `.ci/long` makes many.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::Path;
use std::process::{Child, Stdio};

use serde_json::{Value, json};

use super::pretrain::pretraining;
use super::train::training;
use super::{Folder, Ran, pretrain, tree};

/// How often each command is killed, where a quick test does so a few times.
pub fn kills(quick: usize) -> usize {
    std::env::var("LONGSPAN_KILLS").map_or(quick, |kills| kills.parse().unwrap())
}

/// A command that writes into a folder `out`.
pub struct Written {
    pub run: Vec<String>,
    /// The option with which it continues.
    pub resume: Option<&'static str>,
    /// The file that is written last: where it is, all others are.
    last: Option<&'static str>,
}

impl Written {
    fn new(run: &[&str], resume: Option<&'static str>, last: Option<&'static str>) -> Self {
        Self { run: run.iter().map(|&argument| argument.to_owned()).collect(), resume, last }
    }

    /// The arguments.
    pub fn run(&self) -> Vec<&str> {
        self.run.iter().map(String::as_str).collect()
    }

    /// The arguments that continue what was killed.
    pub fn again(&self) -> Vec<&str> {
        self.run.iter().map(String::as_str).chain(self.resume).collect()
    }
}

/// Data and models for all commands.
pub fn folder() -> Folder {
    let folder = pretrain::folder();
    let question = |i: usize, answered: bool| {
        let answers = if answered { json!([{"text": "flour", "answer_start": 19}]) } else { json!([]) };
        json!({"id": format!("{i}"), "question": "What is bread made from?", "answers": answers})
    };
    let paragraph = |i: usize| {
        let context = "Bread is made from flour. ".repeat(1 + i % 3);
        json!({"context": context, "qas": [question(2 * i, true), question(2 * i + 1, false)]})
    };
    let article = |a: usize| json!({"title": format!("{a}"), "paragraphs": [paragraph(2 * a), paragraph(2 * a + 1)]});
    let data = json!({"version": "v2.0", "data": (0..10).map(article).collect::<Vec<_>>()});
    fs::write(folder.path("dev.json"), data.to_string()).unwrap();
    folder
}

/// The commands that write into a folder, by their names.
pub fn written() -> BTreeMap<&'static str, Written> {
    let short = Path::new(env!("CARGO_MANIFEST_DIR")).join("../longspan/tests/golden/convert/bert-qa");
    let convert = ["convert", short.to_str().unwrap(), "out", "--max-tokens", "256", "--attention-window", "16"];
    let taught = ["--save-teacher-answers", "out/teacher.jsonl"];
    let eval = [&["eval", "-m", "base", "dev.json", "--out", "out", "--threads", "1"][..], &taught].concat();
    let calibrate = ["calibrate", "-m", "base", "dev.json", "--out", "out", "--context-tokens", "60", "--threads", "1"];
    BTreeMap::from([
        ("train", Written::new(&training("out", "30"), Some("--resume"), None)),
        ("pretrain", Written::new(&pretraining("out", "20"), Some("--resume"), None)),
        ("eval", Written::new(&eval, Some("--resume"), Some("report.html"))),
        ("convert", Written::new(&convert, None, Some("model.safetensors"))),
        ("calibrate", Written::new(&calibrate, None, Some("model.safetensors"))),
    ])
}

/// The files of a run that are the same in every run: those with times are without them.
pub fn results(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    const TIMES: [&str; 4] = ["seconds", "tokens_per_second", "share_of_peak", "run"];
    let without_times = |json: &[u8]| {
        let mut value: Value = serde_json::from_slice(json).unwrap();
        value.as_object_mut().unwrap().retain(|key, _| !TIMES.contains(&key.as_str()));
        value.to_string().into_bytes()
    };
    // The plots of a program are numbered.
    let without_numbers = |svg: &[u8]| {
        let parts = str::from_utf8(svg).unwrap().split("kuva-clip-");
        parts.map(|part| part.trim_start_matches(|c: char| c.is_ascii_digit())).collect::<String>().into_bytes()
    };
    let result = |(name, content): (String, Vec<u8>)| {
        Some(match name.rsplit('/').next().unwrap() {
            _ if name.contains("tensorboard/") => return None, // a file for each part of a run
            "bits.svg" | "loss.svg" => (name, without_numbers(&content)),
            "metrics.jsonl" => (name, content.split_inclusive(|&byte| byte == b'\n').flat_map(without_times).collect()),
            "report.json" => (name, without_times(&content)),
            "report.html" => (name, Vec::new()),
            _ => (name, content),
        })
    };
    tree(folder).into_iter().filter_map(result).collect()
}

/// Checks that a run failed, and that the last lines are an error with this message, and its hint.
pub fn check_ends(ran: &Ran, message: &str) {
    let lines: Vec<&str> = ran.stderr.lines().collect();
    let [.., error, hint] = lines[..] else { panic!("{ran:?}") };
    assert!(ran.status == 2 && error.starts_with("error: ") && hint.starts_with("hint: "), "{ran:?}");
    assert!(error.contains(message) && ran.stderr.matches("error: ").count() == 1, "`{message}`: {ran:?}");
}

fn differences(found: &BTreeMap<String, Vec<u8>>, wanted: &BTreeMap<String, Vec<u8>>) -> Vec<String> {
    let names = wanted.keys().chain(found.keys());
    names.filter(|name| found.get(*name) != wanted.get(*name)).cloned().collect()
}

fn start(folder: &Folder, arguments: &[&str]) -> Child {
    folder.process(arguments).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

/// Looks at a run until it has ended, at most so many times, and then kills it. Returns the number of looks.
fn killed_after(mut child: Child, looks: usize) -> usize {
    let mut looked = 0;
    while looked < looks && child.try_wait().unwrap().is_none() {
        looked += 1;
        std::thread::yield_now();
    }
    child.kill().unwrap(); // no effect if it has ended
    child.wait().unwrap();
    looked
}

/// Kills a command at moments that are spread over its whole run, and once more when it goes on.
fn check_killed(name: &str) {
    let (folder, written) = (folder(), written());
    let (written, out) = (&written[name], folder.path("out"));
    let looks = killed_after(start(&folder, &written.run()), usize::MAX);
    let whole = results(&out);
    assert!(!whole.is_empty(), "{name}");
    let kills = kills(4);
    for kill in 0..kills {
        fs::remove_dir_all(&out).unwrap_or_default();
        let share = |i: usize| (2 * kill + i).wrapping_mul(2_654_435_761) % 1000;
        killed_after(start(&folder, &written.run()), (1000 * kill + share(0)) * looks / (1000 * kills));
        // A second run may be writing a file again, beside the one that is there.
        let check_last = || {
            let Some(last) = written.last.filter(|last| out.join(last).exists()) else { return };
            let found = results(&out);
            let lacks = whole.iter().find(|(name, content)| found.get(*name) != Some(content)).map(|(name, _)| name);
            assert_eq!(lacks, None, "{name}, kill {kill}: `{last}` is there");
        };
        check_last();
        killed_after(start(&folder, &written.again()), share(1) * looks / 1000);
        check_last();
        let ran = folder.run(&written.again());
        let differences = differences(&results(&out), &whole);
        assert!(ran.status == 0 && differences.is_empty(), "{name}, kill {kill}: {differences:?}, {ran:?}");
    }
    println!("{name}: {kills} times killed twice");
}

#[test]
fn a_killed_training_is_completed_by_the_next() {
    check_killed("train");
}

#[test]
fn a_killed_pretraining_is_completed_by_the_next() {
    check_killed("pretrain");
}

#[test]
fn a_killed_evaluation_is_completed_by_the_next() {
    check_killed("eval");
}

#[test]
fn a_killed_conversion_is_completed_by_the_next() {
    check_killed("convert");
}

#[test]
fn a_killed_calibration_is_completed_by_the_next() {
    check_killed("calibrate");
}

/// The lines of a file of answers, without the times that the model took.
fn answers(path: &Path) -> Vec<Value> {
    let text = fs::read_to_string(path).unwrap_or_default();
    let without_seconds = |line: &str| {
        let mut value: Value = serde_json::from_str(line).unwrap();
        value.as_object_mut().unwrap().remove("seconds");
        value
    };
    text.split_inclusive('\n').filter(|line| line.ends_with('\n')).map(without_seconds).collect()
}

/// A kill loses the answers of the documents that are asked together, and leaves none of a document in part that counts.
#[test]
fn killed_answers_are_completed_by_the_next_run() {
    let (folder, out) = (folder(), "out.jsonl");
    fs::create_dir(folder.path("docs")).unwrap();
    for i in 0..12 {
        let text = "Bread is made from flour. ".repeat(100 * (1 + i % 3));
        fs::write(folder.path(&format!("docs/{i:02}.txt")), text).unwrap();
    }
    fs::write(folder.path("questions"), "What is bread made from?\nWhat is bread?\n").unwrap();
    let run = ["ask", "-m", "base", "--questions", "questions", "--out", out, "--threads", "1", "-r", "docs"];
    let again = [&run[..], &["--resume"]].concat();
    let looks = killed_after(start(&folder, &run), usize::MAX);
    let (whole, kills) = (answers(&folder.path(out)), kills(4));
    assert_eq!(whole.len(), 1 + 2 * 12);
    for kill in 0..kills {
        fs::remove_file(folder.path(out)).unwrap_or_default();
        killed_after(start(&folder, &run), (2 * kill + 1) * looks / (2 * kills));
        let left = answers(&folder.path(out));
        assert!(whole.starts_with(&left), "kill {kill}: {left:?}");
        killed_after(start(&folder, &again), looks / 3);
        let ran = folder.run(&again);
        assert!(ran.status < 2 && answers(&folder.path(out)) == whole, "kill {kill}: {ran:?}");
    }
    println!("ask: {kills} times killed twice");
}

/// What a run has written when it is killed before its first state is saved.
#[test]
fn a_run_that_was_only_begun_is_begun_again_by_the_same_command() {
    let (folder, written) = (folder(), written());
    for name in ["train", "pretrain"] {
        let (out, written) = (folder.path("out"), &written[name]);
        assert_eq!(folder.run(&written.run()).status, 0);
        let whole = results(&out);
        let recipe = fs::read(out.join("recipe.toml")).unwrap();
        let line = [&b"{\"kind\":\"step\",\"step\":1,\"loss\":2.5}\n"[..], b"{\"kind\""].concat();
        let begun: [&[(&str, &[u8])]; 5] = [
            &[],
            &[("metrics.jsonl", b"")],
            &[("metrics.jsonl", b""), (".recipe.toml.longspan", &recipe[..40])],
            &[("metrics.jsonl", b""), ("recipe.toml", &recipe)],
            &[("metrics.jsonl", &line), ("recipe.toml", &recipe), ("state/.state.safetensors.longspan", &[0; 99])],
        ];
        for (i, files) in begun.iter().enumerate() {
            for again in [written.run(), written.again()] {
                fs::remove_dir_all(&out).unwrap();
                fs::create_dir_all(out.join("state")).unwrap();
                files.iter().for_each(|(file, content)| fs::write(out.join(file), content).unwrap());
                let _ = fs::remove_dir(out.join("state"));
                let ran = folder.run(&again);
                let differences = differences(&results(&out), &whole);
                assert!(ran.status == 0 && differences.is_empty(), "{name} {i}: {differences:?}, {ran:?}");
            }
        }
        // One with a state is not begun again, and neither is another run.
        check_ends(&folder.run(&written.run()), "`out`: the folder is not empty");
        fs::remove_dir_all(out.join("state")).unwrap();
        check_ends(&folder.run(&[&written.run()[..], &["--seed", "5"]].concat()), "`out`: the folder is not empty");
        fs::remove_dir_all(&out).unwrap();
    }
}

#[test]
fn of_runs_that_want_one_folder_one_wins() {
    let folder = folder();
    // A calibration that comes late calibrates the copy again.
    for (name, written) in written().into_iter().filter(|(name, _)| *name != "calibrate") {
        let out = folder.path("out");
        assert_eq!(folder.run(&written.run()).status, 0);
        let whole = results(&out);
        fs::remove_dir_all(&out).unwrap();
        let start = |_| folder.process(&written.run()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let runs: Vec<Child> = (0..6).map(start).collect();
        let ended: Vec<_> = runs.into_iter().map(|run| run.wait_with_output().unwrap()).collect();
        let (won, lost): (Vec<_>, Vec<_>) = ended.iter().partition(|output| output.status.success());
        // A conversion that comes late makes the same files again.
        assert!(won.len() == 1 || (name == "convert" && !won.is_empty()), "{name}: {ended:?}");
        for output in lost {
            let stderr = String::from_utf8(output.stderr.clone()).unwrap();
            let is_empty = stderr.contains("the folder is not empty");
            let message = if is_empty { "the folder is not empty" } else { "another run is using it" };
            check_ends(&Ran { status: output.status.code().unwrap(), stdout: String::new(), stderr }, message);
        }
        assert_eq!(differences(&results(&out), &whole), [""; 0], "{name}");
        fs::remove_dir_all(&out).unwrap();
    }
}

#[test]
fn a_folder_that_is_in_use_is_waited_for() {
    let folder = folder();
    for (name, written) in written() {
        let locked = match name {
            "train" | "pretrain" => "out/metrics.jsonl",
            "eval" => "out/answers.jsonl",
            _ => "out/.longspan-unfinished/moved",
        };
        fs::create_dir_all(folder.path(locked).parent().unwrap()).unwrap();
        let lock = File::create(folder.path(locked)).unwrap();
        lock.lock().unwrap();
        let ran = folder.run(&written.again());
        check_ends(&ran, "another run is using it");
        assert!(ran.stderr.ends_with("hint: wait until it has ended, or name another place\n"), "{name}: {ran:?}");
        fs::remove_dir_all(folder.path("out")).unwrap();
    }
}

/// The draft of a folder that is filled at once is nothing to other commands.
#[test]
fn what_a_killed_conversion_left_is_removed_by_the_next_alone() {
    let folder = folder();
    for (name, written) in written() {
        fs::create_dir_all(folder.path("out/.longspan-unfinished")).unwrap();
        let ran = folder.run(&written.run());
        match written.resume {
            Some(_) => check_ends(&ran, "`out`: the folder is not empty"),
            None => assert_eq!(ran.status, 0, "{name}: {ran:?}"),
        }
        assert_eq!(folder.path("out/.longspan-unfinished").exists(), written.resume.is_some(), "{name}");
        fs::remove_dir_all(folder.path("out")).unwrap();
    }
}

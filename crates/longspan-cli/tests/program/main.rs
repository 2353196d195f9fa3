//! Runs the real binary with the real embedded model, and compares all of its output.
//!
//! Any model for question answering gets these questions right, and scores are masked. So the tests do not depend on which
//! model is embedded.

mod ask;
mod bad_input;
mod bad_models;
mod bench;
mod child;
mod cite;
mod convert;
mod data;
mod documents;
mod endless;
mod eval;
mod from_hub;
mod interactive;
mod kills;
mod mcp;
mod no_room;
mod other_commands;
#[cfg(target_os = "linux")]
mod passwords;
mod pretrain;
mod serve;
#[allow(dead_code)] // the library's tests use more of it
#[path = "../../../longspan/tests/server/mod.rs"]
mod server;
mod short_models;
mod streams;
mod train;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use assert_cmd::Command;

/// A short document with Windows line ends, a byte-order mark, a hard-wrapped paragraph and an emoji.
const PUMP: &str = "\u{feff}The pump was installed in May 1911 by Ada Brown 🚰.\r\nIt stopped in 1923.\r\n\r\n\
                    A later engine, built by the\r\n   firm of Hull & Sons in 1950, is still there.\r\n";

/// A document without pumps.
const BREAD: &str = "Bread is made from flour, water and salt. It is baked in an oven.\n";

/// The output and exit status of the program.
#[derive(Debug, PartialEq)]
struct Ran {
    status: i32,
    stdout: String,
    stderr: String,
}

/// A folder of documents to run the program in.
struct Folder(tempfile::TempDir);

impl Folder {
    fn new(files: &[(&str, &[u8])]) -> Self {
        let folder = Folder(tempfile::tempdir().unwrap());
        for (name, content) in files {
            std::fs::write(folder.path(name), content).unwrap();
        }
        folder
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// The program, with an environment that does not depend on the machine.
    fn command(&self, arguments: &[&str]) -> Command {
        Command::from_std(self.process(arguments))
    }

    /// The same, to be started without waiting for its end.
    fn process(&self, arguments: &[&str]) -> std::process::Command {
        let mut command = std::process::Command::new(assert_cmd::cargo::cargo_bin!("longspan"));
        for name in ["LONGSPAN_MODEL", "LONGSPAN_ISA", "NO_COLOR", "CLICOLOR", "CLICOLOR_FORCE"] {
            command.env_remove(name);
        }
        for name in ["HF_TOKEN", "HF_TOKEN_PATH", "HUGGING_FACE_HUB_TOKEN"] {
            command.env_remove(name);
        }
        // The precision must not depend on the machine.
        command.env("LONGSPAN_PRECISION", "f32");
        // No test may reach the network.
        command.env("HF_HUB_OFFLINE", "1").env("HF_HOME", self.path("no-cache"));
        command.current_dir(self.0.path()).args(arguments);
        command
    }

    fn run(&self, arguments: &[&str]) -> Ran {
        ran(&mut self.command(arguments))
    }
}

fn ran(command: &mut Command) -> Ran {
    let output = command.output().unwrap();
    Ran {
        status: output.status.code().unwrap(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

/// The text with all scores masked, because they depend on the model.
fn masked(text: &str) -> String {
    let mut words: Vec<String> = Vec::new();
    for word in text.split(' ') {
        let number = word.trim_start_matches(['<', '>']).trim_end();
        let is_score = number.len() == 5 && number.contains('.') && number.parse::<f64>().is_ok();
        words.push(if is_score { word.replace(word.trim_end(), "S") } else { word.to_string() });
    }
    words.join(" ")
}

/// Checks that the program failed with this message: no output, an error and a hint of one line each, exit status 2.
fn check_failed(ran: &Ran, message: &str) {
    let lines: Vec<&str> = ran.stderr.lines().collect();
    assert_eq!((ran.status, ran.stdout.as_str(), lines.len()), (2, "", 2), "{ran:?}");
    assert!(lines[0].starts_with("error: ") && lines[1].starts_with("hint: "), "{ran:?}");
    assert!(lines[0].contains(message), "`{message}` is not in {:?}", lines[0]);
}

/// Every file and link below a folder.
fn tree(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap()) {
        let name = entry.file_name().into_string().unwrap();
        if entry.file_type().unwrap().is_dir() {
            let below = tree(&entry.path()).into_iter();
            found.extend(below.map(|(path, content)| (format!("{name}/{path}"), content)));
        } else {
            let link = fs::read_link(entry.path()).map(|link| link.into_os_string().into_encoded_bytes());
            found.insert(name, link.unwrap_or_else(|_| fs::read(entry.path()).unwrap()));
        }
    }
    found
}

fn gz(bytes: &[u8]) -> Vec<u8> {
    use std::io::Write;
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// A vocabulary for questions about bread.
fn vocabulary() -> String {
    let words = "[PAD] [UNK] [CLS] [SEP] [MASK] what is bread made from ? . flour".split(' ').map(str::to_owned);
    let unused = (13..120).map(|id| format!("[unused{id}]"));
    words.chain(unused).map(|token| token + "\n").collect()
}

/// A small model with random weights, made by transformers. Its answers have no meaning.
fn small_model() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../longspan/tests/golden/models/qa-bert")
}

//! Standard output that is full or closed.

use std::fs::{File, OpenOptions};
use std::process::Stdio;

use super::{BREAD, Folder};

fn folder() -> Folder {
    let data = r#"{"data": [{"title": "Bread", "paragraphs": [{"context": "Bread is made from flour.", "qas": [
        {"id": "what", "question": "What is bread made from?", "answers": [{"text": "flour", "answer_start": 19}]}
    ]}]}]}"#;
    let [long, longer] = [250, 251].map(|times| BREAD.repeat(times)); // each in a pass of its own
    Folder::new(&[
        ("bread.txt", BREAD.as_bytes()),
        ("long.txt", long.as_bytes()),
        ("longer.txt", longer.as_bytes()),
        ("dev.json", data.as_bytes()),
        ("questions", b"What is bread?\n"),
    ])
}

/// Every command that prints, with enough to print.
const PRINTING: [&[&str]; 20] = [
    &["ask", "What is bread?", "bread.txt"],
    &["ask", "What is bread?", "bread.txt", "--color", "always"],
    &["ask", "What is bread?", "bread.txt", "--json"],
    &["ask", "What is bread?", "bread.txt", "--csv"],
    &["ask", "What is bread?", "bread.txt", "bread.txt", "--unranked"],
    &["ask", "--questions", "questions", "bread.txt", "--unranked", "--json"],
    &["ask", "What is bread?", "bread.txt", "long.txt", "longer.txt", "--unranked"],
    &["ask", "--json-schema"],
    &["text", "bread.txt"],
    &["text", "bread.txt", "--json"],
    &["eval", "dev.json"],
    &["eval", "dev.json", "--json"],
    &["info"],
    &["info", "--json"],
    &["completions", "bash"],
    &["man"],
    &["man", "ask"],
    &["--version"],
    &["--help"],
    &["help", "ask"],
];

#[cfg(target_os = "linux")]
#[test]
fn a_full_device_is_an_error() {
    let folder = folder();
    for arguments in PRINTING {
        let full = || Stdio::from(OpenOptions::new().write(true).open("/dev/full").unwrap());
        let mut process = folder.process(arguments);
        let output = process.stdout(full()).output().unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        let is_clear =
            stderr.contains("standard output: no storage space\n") && stderr.contains("that there is room\n");
        assert!(output.status.code() == Some(2) && stderr.lines().count() == 2 && is_clear, "{arguments:?}: {stderr}");
    }
    let mut process = folder.process(&["ask", "--interactive", "bread.txt"]);
    process.stdin(File::open(folder.path("questions")).unwrap());
    let output = process.stdout(OpenOptions::new().write(true).open("/dev/full").unwrap()).output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.code() == Some(2) && stderr.contains("error: standard output: no storage space"), "{stderr}");
}

#[cfg(target_os = "linux")]
#[test]
fn questions_that_cannot_be_read_are_an_error_of_standard_input() {
    let folder = folder();
    let mut process = folder.process(&["ask", "--interactive", "bread.txt"]);
    let output = process.stdin(File::open(folder.path("")).unwrap()).output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(
        stderr.starts_with("error: standard input: Is a directory") && stderr.contains("where it comes from"),
        "{stderr}"
    );
}

#[test]
fn a_reader_that_has_gone_ends_the_program_silently() {
    let folder = folder();
    for arguments in PRINTING {
        let mut child = folder.process(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        drop(child.stdout.take());
        let output = child.wait_with_output().unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!((output.status.code().map(|code| code < 2), stderr.as_str()), (Some(true), ""), "{arguments:?}");
    }
}

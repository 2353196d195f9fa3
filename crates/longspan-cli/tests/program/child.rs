//! The child process in which files are read.

use std::process::Stdio;
use std::sync::Arc;

use longspan_ask::{DocumentSource, ReadingProcess, SourceOptions};

use super::Folder;

const PAGE: &str = "<!DOCTYPE html><title>Pump</title><h1>Engines</h1><p>The pump was installed by Ada Brown.</p>";

/// How files are read by a child that may have so much memory.
fn options(memory_bytes_max: u64) -> SourceOptions {
    let process = ReadingProcess::new(assert_cmd::cargo::cargo_bin!("longspan"), &["text", "--pipe"]);
    let mut options = SourceOptions::default();
    options.process = Some(Arc::new(process.with_memory_bytes_max(memory_bytes_max)));
    options
}

fn page(text: String) -> DocumentSource {
    DocumentSource::Bytes { name: "page.html".into(), bytes: text.into_bytes() }
}

#[test]
fn a_child_gives_what_reading_here_gives() {
    let (child, source) = (options(2 << 30), page(PAGE.into()));
    for _ in 0..2 {
        let (there, here) = (source.read(&child).unwrap(), source.read(&SourceOptions::default()).unwrap());
        assert_eq!(format!("{there:?}"), format!("{here:?}"));
        assert_eq!((there.title(), &there.text()[..9]), (Some("Pump"), "Engines\n\n"));
    }
    let (there, here) = (page("<html>".into()).read(&child), page("<html>".into()).read(&SourceOptions::default()));
    assert_eq!(there.unwrap_err().to_string(), here.unwrap_err().to_string());
}

#[cfg(target_os = "linux")]
#[test]
fn a_file_that_explodes_is_an_error_and_others_go_on() {
    let child = options(400 << 20);
    let huge = page(format!("{PAGE}{}", "<p>many words</p>".repeat(20_000_000)));
    let error = huge.read(&child).unwrap_err();
    assert_eq!(error.to_string(), "`page.html`: reading it took more than 400 MiB of memory");
    assert_eq!(error.code(), "unreadable");
    assert!(page(PAGE.into()).read(&child).is_ok());
}

#[cfg(unix)]
#[test]
fn several_threads_read_with_as_many_children_as_they_may() {
    let folder = Folder::new(&[]);
    let started = folder.path("started");
    let program = assert_cmd::cargo::cargo_bin!("longspan");
    let script = format!("echo x >> '{}'; exec '{}' text --pipe", started.display(), program.display());
    let mut options = SourceOptions::default();
    options.process = Some(Arc::new(ReadingProcess::new("sh", &["-c", &script]).with_children_max(2)));
    std::thread::scope(|scope| {
        for number in 0..6 {
            let options = &options;
            scope.spawn(move || {
                for file in 0..5 {
                    let content = page(format!("<html><p>Page {file} of {number}")).read(options).unwrap();
                    assert_eq!(&**content.text(), format!("Page {file} of {number}"));
                }
            });
        }
    });
    let started = std::fs::read_to_string(started).unwrap();
    assert!((1..=2).contains(&started.lines().count()), "{started:?}");
}

#[test]
fn a_child_ends_with_its_parent() {
    let folder = Folder::new(&[]);
    let mut child = folder.process(&["text", "--pipe"]);
    let mut child = child.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdin.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), output.stdout.len(), output.stderr.len()), (Some(0), 0, 0));
}

//! The file of `longspan ask --out`: a line that identifies the run, then one line for each document and question. The lines
//! of a document are written at once, when all its questions are answered, so an interrupted run can be resumed.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, BufWriter, Read, Seek, SeekFrom, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::UNIX_EPOCH;

use anyhow::Result;
use longspan::Error;
use longspan::checkpoint::write_whole_with;
use longspan::error::excerpt;
use longspan_ask::text::quoted;
use longspan_ask::{AnswerObject, DocumentAnswer};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::answers::{RunIdentity, check};
use crate::folder::{self, RESUME_FILE_HINT, cannot_write};
use crate::terminal::hints::fault;

const CHANGED: &str = "it was not written by `longspan ask --out`, or was changed since: name another file";

/// What tells that a file has changed since it was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileStamp {
    /// Its size.
    file_bytes: u64,
    /// When it was written, in microseconds since 1970.
    file_modified_us: u64,
}

impl FileStamp {
    /// That of a file as it is now; `None` if it is no plain file.
    pub fn of(path: &Path) -> Option<Self> {
        let metadata = fs::metadata(path).ok().filter(fs::Metadata::is_file)?;
        let modified = metadata.modified().ok()?.duration_since(UNIX_EPOCH).ok()?;
        Some(Self { file_bytes: metadata.len(), file_modified_us: modified.as_micros() as u64 })
    }
}

/// A line that is written.
#[derive(Serialize)]
struct ResultLine<'a> {
    #[serde(flatten)]
    answer: AnswerObject<'a>,
    #[serde(flatten)]
    stamp: Option<FileStamp>,
}

/// What is read of a line.
#[derive(Deserialize)]
struct KnownLine {
    document: String,
    question: String,
    answer: Option<Value>,
    #[serde(flatten)]
    stamp: Option<FileStamp>,
}

/// The lines of a document.
struct KnownDocument {
    name: String,
    stamp: Option<FileStamp>,
    /// Whether it answers each question.
    answered: Vec<bool>,
    /// Where they are in the file.
    bytes: Range<u64>,
}

/// The file, and the documents that were asked by an earlier run.
pub struct ResultFile {
    path: PathBuf,
    file: File,
    /// By name, whether each question has an answer.
    known: HashMap<String, Vec<bool>>,
    /// Of the documents that are given, by name.
    stamps: HashMap<String, Option<FileStamp>>,
}

impl ResultFile {
    /// Starts a file, or continues the one that is there. The lines of documents that have changed since are removed from it.
    ///
    /// - `stamps`: the documents that are given
    ///
    /// # Errors
    /// When it is there and not to be continued, belongs to another run, another run is using it, or it cannot be written.
    pub fn open(
        path: &Path,
        resume: bool,
        identity: &RunIdentity,
        questions: &[&str],
        stamps: HashMap<String, Option<FileStamp>>,
    ) -> Result<Self> {
        if !resume && fs::metadata(path).is_ok_and(|metadata| !metadata.is_file() || metadata.len() > 0) {
            return Err(fault(format!("`{}`: it is there already", path.display()), RESUME_FILE_HINT));
        }
        let folder = path.parent().filter(|folder| *folder != Path::new("")).unwrap_or(Path::new("."));
        if !folder.exists() {
            let message = format!("`{}`: no such folder", folder.display());
            return Err(fault(message, "make it first, or name a file in another folder"));
        }
        let (mut end, mut documents): (u64, Vec<KnownDocument>) = (0, Vec::new());
        let mut file = folder::open_record(path, &mut |number, line| {
            let bytes = end..end + line.len() as u64;
            end = bytes.end;
            let broken = || fault(format!("`{}`: line {number} cannot be read", path.display()), CHANGED);
            if number == 1 {
                return check(path, &serde_json::from_slice(line).map_err(|_| broken())?, identity);
            }
            let line: KnownLine = serde_json::from_slice(line).map_err(|_| broken())?;
            let is_next =
                |last: &&mut KnownDocument| last.name == line.document && last.answered.len() < questions.len();
            let answered = line.answer.is_some();
            match documents.last_mut().filter(is_next) {
                Some(last) if questions[last.answered.len()] == line.question && last.stamp == line.stamp => {
                    last.answered.push(answered);
                    last.bytes.end = bytes.end;
                }
                None if questions.first() == Some(&line.question.as_str()) => {
                    documents.push(KnownDocument {
                        name: line.document,
                        stamp: line.stamp,
                        answered: vec![answered],
                        bytes,
                    });
                }
                _ => return Err(broken()),
            }
            Ok(())
        })?;
        if end == 0 {
            writeln!(file, "{}", Value::Object(identity.clone())).map_err(|error| cannot_write(path, &error))?;
        }
        let first = documents.first().map_or(end, |document| document.bytes.start);
        let is_current = |document: &KnownDocument| match stamps.get(&document.name) {
            Some(stamp) => stamp.is_some() && *stamp == document.stamp,
            None => true, // it is not asked now
        };
        documents.retain(|document| document.answered.len() == questions.len() && is_current(document));
        let kept = documents.iter().map(|document| document.bytes.end - document.bytes.start).sum::<u64>();
        if first + kept < end {
            let ranges = documents.iter().map(|document| document.bytes.clone());
            file = rewritten(path, file, std::iter::once(0..first).chain(ranges))?;
        }
        let known = documents.into_iter().map(|document| (document.name, document.answered)).collect();
        Ok(Self { path: path.to_owned(), file, known, stamps })
    }

    /// Whether a document answers each question, if it was asked by an earlier run and has not changed.
    pub fn known(&self, document: &str) -> Option<&[bool]> {
        self.known.get(document).map(Vec::as_slice)
    }

    /// The answers of a document to all questions, as lines of the file.
    ///
    /// # Errors
    /// When a line is too long to be read when a run is resumed.
    pub fn lines(&self, answers: &[DocumentAnswer], model: &str, precision: &str) -> Result<Vec<u8>> {
        let mut lines = Vec::new();
        for answer in answers {
            let (stamp, start) = (self.stamps.get(&answer.document).copied().flatten(), lines.len());
            let line = ResultLine { answer: AnswerObject::new(answer, model, precision), stamp };
            serde_json::to_writer(&mut lines, &line)?;
            lines.push(b'\n');
            folder::check_line(&lines[start..]).map_err(|wrong| {
                let hint = "list fewer spans, with --top-k instead of --all, or ask this document without --out";
                fault(
                    format!("{}: its answers to `{}` are {wrong}", quoted(&answer.document), excerpt(&answer.question)),
                    hint,
                )
            })?;
        }
        Ok(lines)
    }

    /// Adds the lines of a document.
    ///
    /// # Errors
    /// When they cannot be written, or the file is full.
    pub fn add(&mut self, lines: &[u8]) -> Result<()> {
        folder::add_lines(&self.path, &mut self.file, lines)
    }
}

/// A file with parts of another one, in whose place it comes, also behind a link. It is locked before the other one is free.
fn rewritten(path: &Path, mut old: File, ranges: impl Iterator<Item = Range<u64>>) -> Result<File> {
    let failed = |source: io::Error| Error::Write { path: path.to_owned(), source: Arc::new(source) };
    let copy = |new: &File| {
        let mut out = BufWriter::new(new);
        for range in ranges {
            old.seek(SeekFrom::Start(range.start))?;
            io::copy(&mut (&old).take(range.end - range.start), &mut out)?;
        }
        out.flush()
    };
    let place = path.canonicalize().map_err(failed)?;
    folder::writable(write_whole_with(&place, |new| copy(new).map_err(failed)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use longspan::Answer;
    use longspan_ask::Content;
    use serde_json::Map;

    const QUESTIONS: [&str; 2] = ["Who?", "When?"];

    fn identity(model: &str) -> RunIdentity {
        Map::from_iter([("model".to_owned(), model.into())])
    }

    fn stamp(file_bytes: u64) -> Option<FileStamp> {
        Some(FileStamp { file_bytes, file_modified_us: 1_790_000_000_123_456 })
    }

    fn open(path: &Path, documents: &[(&str, u64)]) -> Result<ResultFile> {
        let stamps = documents.iter().map(|&(name, bytes)| (name.to_owned(), stamp(bytes))).collect();
        ResultFile::open(path, true, &identity("m"), &QUESTIONS, stamps)
    }

    fn add(results: &mut ResultFile, document: &str) {
        let answer = |question| DocumentAnswer::new(document, &Content::plain("x"), question, &Answer::default(), 0.25);
        let lines = results.lines(&QUESTIONS.map(answer), "m", "f32").unwrap();
        results.add(&lines).unwrap();
    }

    /// Asks the documents that are not known.
    fn run(path: &Path, documents: &[(&str, u64)]) -> Vec<String> {
        let mut results = open(path, documents).unwrap();
        let unknown = documents.iter().filter(|(name, _)| results.known(name).is_none());
        let unknown: Vec<String> = unknown.map(|(name, _)| name.to_string()).collect();
        unknown.iter().for_each(|name| add(&mut results, name));
        unknown
    }

    #[test]
    fn a_run_cut_off_anywhere_goes_on() {
        let _no_new_process = folder::PROCESSES.read();
        let temporary = tempfile::tempdir().unwrap();
        let path = temporary.path().join("out.jsonl");
        let documents = [("a", 1), ("\"b\"\n", 2), ("c", 3)];
        assert_eq!(run(&path, &documents).len(), 3);
        assert_eq!(run(&path, &documents), [""; 0]);
        let whole = fs::read(&path).unwrap();
        for length in 0..=whole.len() {
            fs::write(&path, &whole[..length]).unwrap();
            run(&path, &documents);
            assert_eq!(fs::read(&path).unwrap(), whole, "{length} bytes");
        }
    }

    #[test]
    fn a_document_that_changed_is_asked_again_and_others_stay() {
        let _no_new_process = folder::PROCESSES.read();
        let temporary = tempfile::tempdir().unwrap();
        let path = temporary.path().join("out.jsonl");
        run(&path, &[("a", 1), ("b", 2), ("c", 3)]);
        let first = fs::read_to_string(&path).unwrap();
        assert_eq!(run(&path, &[("c", 3), ("b", 4)]), ["b"]);
        let second = fs::read_to_string(&path).unwrap();
        let documents = |text: &str| -> Vec<String> {
            let lines = text.lines().skip(1).map(|line| serde_json::from_str::<Value>(line).unwrap());
            lines.map(|line| format!("{}{}", line["document"].as_str().unwrap(), line["file_bytes"])).collect()
        };
        assert_eq!(documents(&first), ["a1", "a1", "b2", "b2", "c3", "c3"]);
        assert_eq!(documents(&second), ["a1", "a1", "c3", "c3", "b4", "b4"]);
        assert_eq!(first.lines().next(), second.lines().next());
        // What has no stamp, such as standard input, is never known.
        let stamps = HashMap::from([("a".to_owned(), None)]);
        let results = ResultFile::open(&path, true, &identity("m"), &QUESTIONS, stamps).unwrap();
        assert!(results.known("a").is_none() && results.known("b").is_some());
    }

    #[test]
    fn another_file_is_not_gone_on_with() {
        let _no_new_process = folder::PROCESSES.read();
        let temporary = tempfile::tempdir().unwrap();
        let path = temporary.path().join("out.jsonl");
        let refused = |result: Result<ResultFile>| result.err().expect("it goes on").to_string();
        let results = open(&path, &[("a", 1)]).unwrap();
        assert!(refused(open(&path, &[])).ends_with("another run is using it"));
        drop(results);
        run(&path, &[("a", 1)]);
        let other = ResultFile::open(&path, true, &identity("n"), &QUESTIONS, HashMap::new());
        assert!(refused(other).ends_with("that run had model \"m\", this one has \"n\""));
        let nowhere = ResultFile::open(&path.join("b/c"), false, &identity("m"), &QUESTIONS, HashMap::new());
        assert!(refused(nowhere).ends_with("b`: no such folder"));
        let new = ResultFile::open(&path, false, &identity("m"), &QUESTIONS, HashMap::new());
        assert!(refused(new).ends_with("it is there already"));
        let whole = fs::read_to_string(&path).unwrap();
        for bad in ["{}\n".to_owned(), whole.lines().nth(2).unwrap().to_owned() + "\n"] {
            fs::write(&path, whole.clone() + &bad).unwrap();
            assert!(refused(open(&path, &[])).ends_with("line 4 cannot be read"));
        }
    }

    /// The file is rewritten where it is, and a file of the user beside it stays.
    #[test]
    #[cfg(unix)]
    fn a_file_behind_a_link_stays_there_with_its_permissions() {
        use std::os::unix::fs::{PermissionsExt, symlink};
        let _no_new_process = folder::PROCESSES.read();
        let temporary = tempfile::tempdir().unwrap();
        let path = |name: &str| temporary.path().join(name);
        fs::create_dir(path("kept")).unwrap();
        fs::write(path("kept/out.jsonl"), "").unwrap();
        fs::set_permissions(path("kept/out.jsonl"), fs::Permissions::from_mode(0o600)).unwrap();
        symlink("kept/out.jsonl", path("link")).unwrap();
        for mine in ["link.new", "kept/out.jsonl.new"] {
            fs::write(path(mine), "mine").unwrap();
        }
        run(&path("link"), &[("a", 1), ("b", 2)]);
        assert_eq!(run(&path("link"), &[("a", 3), ("b", 2)]), ["a"]);
        assert_eq!(run(&path("kept/out.jsonl"), &[("a", 3), ("b", 2)]), [""; 0]);
        assert!(path("link").is_symlink());
        assert_eq!(path("kept/out.jsonl").metadata().unwrap().permissions().mode() & 0o777, 0o600);
        for mine in ["link.new", "kept/out.jsonl.new"] {
            assert_eq!(fs::read_to_string(path(mine)).unwrap(), "mine");
        }
        assert_eq!((fs::read_dir(path("")).unwrap().count(), fs::read_dir(path("kept")).unwrap().count()), (3, 2));
    }

    /// What could be written but not read again.
    #[test]
    fn lines_and_files_have_a_length() {
        let _no_new_process = folder::PROCESSES.read();
        let temporary = tempfile::tempdir().unwrap();
        let path = temporary.path().join("out.jsonl");
        let mut results = open(&path, &[]).unwrap();
        let (content, question) = (Content::plain("x"), "?".repeat(1 << 24));
        let answer = DocumentAnswer::new("a.txt", &content, &question, &Answer::default(), 0.25);
        let error = results.lines(&[answer], "m", "f32").unwrap_err().to_string();
        assert!(error.starts_with("`a.txt`: its answers to `???") && error.len() < 300, "{error}");
        assert!(error.ends_with(", and a run resumes with at most 16777216"), "{error}");
        File::options().write(true).open(&path).unwrap().set_len(1 << 32).unwrap();
        let error = results.add(b"{}\n").unwrap_err().to_string();
        assert!(
            error.ends_with(
                "`: full, with the next lines it would have 4294967299 bytes, and a run resumes with at most 4294967296"
            ),
            "{error}"
        );
    }
}

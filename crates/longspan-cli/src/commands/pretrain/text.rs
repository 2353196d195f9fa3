//! Training texts: files and folders → documents.

use std::fs::{self, File};
use std::io::{self, BufReader, Write};
use std::path::{Path, PathBuf};

use anyhow::Result;
use flate2::CrcWriter;
use indicatif::ProgressBar;
use longspan::pretrain::text_of_json;
use longspan_ask::GzipReader;

use crate::data::documents;
use crate::lines::next_line;
use crate::terminal::hints::{fault, io_fault, io_message};
use crate::terminal::{counted, thousands};

const JSONL_HINT: &str = "a .jsonl file has one JSON object a line, and --text-field names the key of its text";
const TEXT_HINT: &str = "texts are plain text or JSON lines, perhaps gzip: `longspan text` turns a PDF into text";
const READ_HINT: &str = "check that the file is whole: plain text or gzip, with the JSON of one text on each line";

/// The longest line of JSON.
const LINE_BYTES_MAX: u64 = 1 << 26;

/// The texts of some files.
pub struct Texts {
    files: Vec<PathBuf>,
    /// Size of all files as stored.
    pub bytes: u64,
    /// CRC-32 of all files as stored, with their borders.
    pub checksum: u32,
}

impl Texts {
    /// Finds the files, those of a folder in order of their names, and computes their checksum.
    ///
    /// # Errors
    /// When a file cannot be read or is JSON but not JSONL, or a folder has no files.
    pub fn find(paths: &[PathBuf]) -> Result<Self> {
        let mut files = Vec::new();
        for path in paths {
            let before = files.len();
            walk(path, &mut files)?;
            if files.len() == before {
                return Err(fault(format!("`{}`: no files in it", path.display()), "name a folder that has texts"));
            }
        }
        if let Some(json) = files.iter().find(|path| ends(path, &[".json", ".json.gz"])) {
            return Err(fault(format!("`{}`: JSON is not plain text", json.display()), JSONL_HINT));
        }
        let (mut bytes, mut sum) = (0, CrcWriter::new(io::sink()));
        for path in &files {
            let read = File::open(path).and_then(|mut file| {
                bytes += io::copy(&mut file, &mut sum)?;
                // The documents depend on the ends and the types of files too.
                sum.write_all(&bytes.to_le_bytes())?;
                sum.write_all(&[u8::from(is_jsonl(path))])
            });
            read.map_err(|error| unreadable(path, &error))?;
        }
        Ok(Self { files, bytes, checksum: sum.crc().sum() })
    }

    /// Number of files.
    pub fn files(&self) -> usize {
        self.files.len()
    }

    /// How much there is, in words.
    pub fn size(&self) -> String {
        format!("{:.1} MB in {}", self.bytes as f64 / 1e6, counted(self.files.len(), "file"))
    }

    /// The documents in order: each line of JSONL, otherwise each file.
    ///
    /// - `field`: the key of the text in a line
    /// - `bar`: counts the bytes that are read, as stored
    pub fn documents<'a>(&'a self, field: &'a str, bar: &'a ProgressBar) -> impl Iterator<Item = Result<String>> + 'a {
        self.files.iter().flat_map(move |path| -> Box<dyn Iterator<Item = Result<String>> + 'a> {
            if !is_jsonl(path) {
                let document = documents::text(path, TEXT_HINT);
                bar.inc(fs::metadata(path).map_or(0, |metadata| metadata.len()));
                return Box::new(std::iter::once(document));
            }
            match lines(path, bar) {
                Ok(lines) => Box::new((1..).zip(lines).filter_map(|(i, line)| text(path, i, line, field).transpose())),
                Err(error) => Box::new(std::iter::once(Err(unreadable(path, &error)))),
            }
        })
    }

    /// Checks that all documents can be read, before any work is done.
    ///
    /// - `field`: the key of the text in a line
    ///
    /// # Errors
    /// That of the first document that cannot.
    pub fn check(&self, field: &str) -> Result<()> {
        self.documents(field, &ProgressBar::hidden()).try_for_each(|document| document.map(drop))
    }
}

/// The lines of a file, plain or gzip.
fn lines(path: &Path, bar: &ProgressBar) -> io::Result<impl Iterator<Item = io::Result<Vec<u8>>>> {
    let mut text = BufReader::new(GzipReader::new(bar.wrap_read(File::open(path)?))?);
    Ok(std::iter::from_fn(move || {
        let mut line = Vec::new();
        let read = next_line(&mut text, &mut line, LINE_BYTES_MAX);
        read.map(|read| read.then_some(line)).transpose()
    }))
}

fn is_jsonl(path: &Path) -> bool {
    ends(path, &[".jsonl", ".jsonl.gz", ".ndjson", ".ndjson.gz"])
}

fn ends(path: &Path, ends: &[&str]) -> bool {
    let name = path.to_string_lossy().to_ascii_lowercase();
    ends.iter().any(|end| name.ends_with(end))
}

/// The files of a path, those of a folder at any depth; hidden files are skipped.
fn walk(path: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    let metadata = fs::metadata(path).map_err(|error| unreadable(path, &error))?;
    if !metadata.is_dir() {
        if !metadata.is_file() {
            let message = format!("`{}`: not a plain file, and texts are read more than once", path.display());
            return Err(fault(message, "name files and folders of plain files"));
        }
        files.push(path.to_owned());
        return Ok(());
    }
    let entries = fs::read_dir(path).and_then(|entries| entries.map(|entry| Ok(entry?.path())).collect());
    let mut entries: Vec<PathBuf> = entries.map_err(|error| unreadable(path, &error))?;
    entries.sort();
    let is_hidden = |path: &PathBuf| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'));
    entries.iter().filter(|path| !is_hidden(path)).try_for_each(|path| walk(path, files))
}

/// The text of a line of JSON; `None` for an empty line.
fn text(path: &Path, number: usize, line: io::Result<Vec<u8>>, field: &str) -> Result<Option<String>> {
    let wrong = |what: &str, hint| {
        let message = format!("`{}`, line {}: {what}", documents::name(path), thousands(number));
        Err(fault(message, hint))
    };
    let line = match line {
        Err(error) => return wrong(&io_message(&error), READ_HINT),
        Ok(line) if line.trim_ascii().is_empty() => return Ok(None),
        Ok(line) => line,
    };
    text_of_json(&line, field).map(Some).or_else(|what| wrong(&what, JSONL_HINT))
}

fn unreadable(path: &Path, error: &io::Error) -> anyhow::Error {
    io_fault(path, error, "check the path, and that it is text, plain or gzip, that you may read")
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;
    use crate::terminal::hints::hint;

    #[test]
    fn files_and_folders_become_documents() {
        let folder = tempfile::tempdir().unwrap();
        let put = |name: &str, content: &[u8]| {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, content).unwrap();
            path
        };
        let packed = |content: &[u8]| {
            let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            encoder.write_all(content).unwrap();
            encoder.finish().unwrap()
        };
        put("all/b/one.txt", b"One.\n");
        put("all/a.JSONL", b"{\"text\": \"A\", \"title\": 1}\n\n{\"text\": \"\\u00e9\"}\n");
        put("all/c.jsonl.gz", &packed(b"{\"text\": \"B\"}"));
        put("all/d.txt.gz", &packed(b"Four."));
        put("all/.hidden", b"no");
        let all = folder.path().join("all");
        let texts = Texts::find(std::slice::from_ref(&all)).unwrap();
        let bar = ProgressBar::hidden();
        let documents: Vec<String> = texts.documents("text", &bar).map(Result::unwrap).collect();
        assert_eq!(documents, ["A", "\u{e9}", "One.\n", "B", "Four."]);
        assert_eq!((texts.files(), bar.position()), (4, texts.bytes));
        texts.check("text").unwrap();
        put("all/b/one.txt", b"Two.\n");
        assert_ne!(Texts::find(&[all]).unwrap().checksum, texts.checksum);

        let fails = |name: &str, content: &[u8]| {
            let texts = Texts::find(&[put(name, content)]).unwrap();
            texts.documents("text", &ProgressBar::hidden()).find_map(Result::err).unwrap()
        };
        let says = |name: &str, content: &[u8], said: &str| {
            let error = fails(name, content).to_string();
            assert!(error.ends_with(said), "{error}");
        };
        let whole = packed(b"{\"text\": \"A\"}\n");
        for (damaged, said) in [
            (&whole[..whole.len() - 9], "line 2: its gzip data end too early"),
            (&[&whole[..10], &[7; 20]].concat(), "line 1: its gzip data are damaged: corrupt deflate stream"),
        ] {
            says("x.jsonl.gz", damaged, said);
            assert_eq!(hint(&fails("x.jsonl.gz", damaged)), Some(READ_HINT));
        }
        says("x.jsonl", b"{\"text\": \"A\"}\n{\"title\": \"A\"}\n", "x.jsonl`, line 2: no `text`");
        says("x.jsonl", b"{\"text\": 1}", "line 1: `text` is the number 1, expected text");
        says("x.jsonl", b"[1]", "line 1: no JSON object");
        says("x.jsonl", b"\n.", "line 2: no JSON in UTF-8");
        says("x.jsonl", b"{\"text\": \"\xff\"}", "line 1: no JSON in UTF-8");
        assert!(Texts::find(&[folder.path().join("none")]).err().unwrap().to_string().ends_with("no such file"));
        let json = put("x.json", b"{\"text\": \"A\"}");
        assert!(Texts::find(&[json]).err().unwrap().to_string().ends_with("x.json`: JSON is not plain text"));
        fs::create_dir(folder.path().join("empty")).unwrap();
        assert!(Texts::find(&[folder.path().join("empty")]).err().unwrap().to_string().ends_with("no files in it"));
    }
}

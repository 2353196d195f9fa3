//! SQuAD files → the questions to ask.

use std::fs::File;
use std::io::BufWriter;
use std::path::{Path, PathBuf};

use anyhow::Result;
use longspan::squad::Dataset;
use longspan::tokenizer::Tokenizer;
use longspan::{Error, evaluate::Asked};

use super::documents;
use crate::folder::cannot_write;
use crate::terminal::hints::{self, DATA_HINT, fault};

/// So many bad parts are told of one by one.
const TOLD_MAX: usize = 5;

/// So much of a paragraph says which one it is.
const PARAGRAPH_CHARACTERS: usize = 30;

/// What was read.
pub struct Data {
    /// Names of the files, as they were given.
    pub files: Vec<String>,
    /// Their questions.
    pub dataset: Dataset,
    /// Parts that were bad and left out: articles, paragraphs, questions.
    pub skipped: Skipped,
}

/// What was left out. The first few are told of one by one, the others together when this is dropped.
#[derive(Default)]
pub struct Skipped {
    /// How many there are.
    pub count: usize,
}

impl Skipped {
    /// Counts something bad, and perhaps tells of it.
    pub fn add(&mut self, error: &impl std::fmt::Display) {
        self.count += 1;
        if self.count <= TOLD_MAX {
            hints::warn(&format!("left out: {error}"));
        }
    }
}

impl Drop for Skipped {
    fn drop(&mut self) {
        if self.count > TOLD_MAX {
            hints::warn(&format!("{} more were left out", self.count - TOLD_MAX));
        }
    }
}

/// Reads SQuAD files as one dataset.
///
/// # Errors
/// At the first thing that is not as it should be, or only where a file is no JSON with `skip_bad`; when there is no
/// question at all.
pub fn read(paths: &[PathBuf], skip_bad: bool) -> Result<Data> {
    let mut data = Data { files: Vec::new(), dataset: Dataset::default(), skipped: Skipped::default() };
    for path in paths {
        let name = documents::name(path);
        let text = documents::unpacked(path)?;
        let Data { dataset, skipped, .. } = &mut data;
        let mut bad = |error: Error| match skip_bad {
            false => Err(error),
            true => {
                skipped.add(&error);
                Ok(())
            }
        };
        dataset.add(&name, text.as_bytes(), &mut bad)?;
        data.files.push(name);
    }
    if data.dataset.questions().next().is_none() {
        return Err(fault(format!("`{}`: no questions", data.files.join("`, `")), DATA_HINT));
    }
    Ok(data)
}

/// Puts every paragraph among its neighbours.
///
/// # Errors
/// When a text cannot be tokenized.
pub fn lengthen(dataset: &Dataset, tokens: usize, seed: u64, tokenizer: &Tokenizer) -> Result<Dataset> {
    Ok(dataset.among_neighbours(tokens, seed, |text| Ok(tokenizer.encode(text)?.ids.len()))?)
}

/// Writes the questions as they are asked; over none of the files that they came from.
pub fn save(dataset: &Dataset, path: &Path, from: &[PathBuf]) -> Result<()> {
    let same =
        |other: &PathBuf| path.canonicalize().is_ok_and(|path| other.canonicalize().is_ok_and(|other| path == other));
    if from.iter().any(same) {
        return Err(fault(format!("`{}`: one of the files that are read", path.display()), "name another file"));
    }
    let write = || dataset.write(BufWriter::new(File::create(path)?));
    write().map_err(|error| cannot_write(path, &error))
}

/// Says of a question where it stands, for messages: the paragraph by how it begins, since numbers are not those of the
/// files once something was left out.
pub fn place(dataset: &Dataset, asked: &Asked<'_>) -> String {
    let title = &dataset.articles[asked.article].title;
    let article = if title.is_empty() { String::new() } else { format!("article `{title}`, ") };
    let begins: String = asked.paragraph.context.chars().take(PARAGRAPH_CHARACTERS).collect();
    format!("{article}paragraph `{}…`, question `{}`", begins.trim(), asked.question.id)
}

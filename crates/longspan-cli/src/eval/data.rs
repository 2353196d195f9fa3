//! SQuAD files → the questions to ask.

use std::fs::File;
use std::io::BufWriter;
use std::path::{Path, PathBuf};

use anyhow::Result;
use longspan::squad::Dataset;
use longspan::tokenizer::Tokenizer;
use longspan::{Error, evaluate::Asked};

use crate::documents;
use crate::hints::{self, fault};

/// So many bad parts are told of one by one.
const TOLD_MAX: usize = 5;

/// Hint to what is wrong with data.
pub const DATA_HINT: &str =
    "data have the form of SQuAD v1.1 or v2.0; --skip-bad leaves out and counts what is not as it should be";

/// What was read.
pub struct Data {
    /// Names of the files, as they were given.
    pub files: Vec<String>,
    /// Their questions.
    pub dataset: Dataset,
    /// Parts that were bad and left out: articles, paragraphs, questions.
    pub skipped: usize,
}

/// Reads SQuAD files as one dataset.
///
/// # Errors
/// At the first thing that is not as it should be, or only where a file is no JSON with `skip_bad`; when there is no
/// question at all.
pub fn read(paths: &[PathBuf], skip_bad: bool) -> Result<Data> {
    let mut data = Data { files: Vec::new(), dataset: Dataset::default(), skipped: 0 };
    for path in paths {
        let name = documents::name(path);
        let text = documents::unpacked(path)?;
        let Data { dataset, skipped, .. } = &mut data;
        let mut bad = |error: Error| match skip_bad {
            false => Err(error),
            true => {
                tell(skipped, &error);
                Ok(())
            }
        };
        dataset.add(&name, text.as_bytes(), &mut bad).map_err(|error| fault(error.to_string(), DATA_HINT))?;
        data.files.push(name);
    }
    if data.skipped > TOLD_MAX {
        hints::warn(&format!("{} more were left out", data.skipped - TOLD_MAX));
    }
    if data.dataset.questions().next().is_none() {
        return Err(fault(format!("`{}`: no questions", data.files.join("`, `")), DATA_HINT));
    }
    Ok(data)
}

/// Counts something bad and tells of it, the first few times.
pub fn tell(skipped: &mut usize, error: &impl std::fmt::Display) {
    *skipped += 1;
    if *skipped <= TOLD_MAX {
        hints::warn(&format!("left out: {error}"));
    }
}

/// Puts every paragraph among its neighbours.
///
/// # Errors
/// When a text cannot be tokenized.
pub fn lengthen(dataset: &Dataset, tokens: usize, seed: u64, tokenizer: &Tokenizer) -> Result<Dataset> {
    Ok(dataset.among_neighbours(tokens, seed, |text| Ok(tokenizer.encode(text)?.ids.len()))?)
}

/// Writes the questions as they are asked.
pub fn save(dataset: &Dataset, path: &Path) -> Result<()> {
    let write = || dataset.write(BufWriter::new(File::create(path)?));
    write().map_err(|error| cannot_write(path, &error))
}

/// That a file cannot be written.
pub fn cannot_write(path: &Path, error: &std::io::Error) -> anyhow::Error {
    let message = format!("`{}`: {}", path.display(), hints::io_message(error));
    fault(message, "check that you may write there and that there is room")
}

/// Says of a question where it stands, for messages.
pub fn place(dataset: &Dataset, asked: &Asked<'_>) -> String {
    let article = &dataset.articles[asked.article];
    let paragraph = article.paragraphs.iter().position(|paragraph| std::ptr::eq(paragraph, asked.paragraph));
    let number = paragraph.map_or_else(|| "?".into(), |p| (p + 1).to_string());
    let title = if article.title.is_empty() { String::new() } else { format!(" `{}`", article.title) };
    format!("article {}{title}, paragraph {number}, question `{}`", asked.article + 1, asked.question.id)
}

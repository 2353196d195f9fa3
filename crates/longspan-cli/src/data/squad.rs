//! SQuAD files → the questions to ask.

use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};

use anyhow::Result;
use longspan::error::{excerpt, shortened};
use longspan::evaluate::{Asked, TeacherAnswers};
use longspan::squad::{Dataset, DatasetOptions, PlaceNotes};
use longspan::tokenizer::{ByteSpan, Tokenizer};
use longspan::{Error, FormatKind};
use longspan_ask::text::{quoted, title};

use super::documents;
use crate::folder::{self, cannot_write};
use crate::terminal::hints::{self, DATA_HINT, fault};
use crate::terminal::{counted, thousands};

/// The hint to a part of the data that cannot be used.
const PART_HINT: &str = "correct that part, or let --skip-bad leave out and count such parts";
const OFFSETS_HINT: &str =
    "--offsets sets the unit of answer_start, or `search`; --skip-bad leaves out and counts such parts";

const TEACHER_HINT: &str = "give a file that `longspan eval --save-teacher-answers` wrote";

/// So many bad parts are reported one by one.
const REPORTED_MAX: usize = 5;

/// A paragraph is named by its first characters, so many of them.
const PARAGRAPH_CHARACTERS: usize = 30;

/// Questions, and the files that they are from.
#[derive(Default)]
pub struct SquadData {
    /// Names of the files, as they were given.
    pub files: Vec<String>,
    /// Their questions.
    pub dataset: Dataset,
    /// The articles of each file.
    pub articles: Vec<Range<usize>>,
    /// Faulty articles, paragraphs and questions, which were left out.
    pub skipped: Skipped,
}

/// Parts that were left out. The first few are reported one by one, the others together when this is dropped.
#[derive(Default)]
pub struct Skipped {
    /// How many there are.
    pub count: usize,
}

impl Skipped {
    /// Counts a faulty part, and reports the first few.
    pub fn add(&mut self, error: &impl std::fmt::Display) {
        self.count += 1;
        if self.count <= REPORTED_MAX {
            hints::warn(&format!("left out: {error}"));
        }
    }
}

impl Drop for Skipped {
    fn drop(&mut self) {
        if self.count > REPORTED_MAX {
            let more = counted(self.count - REPORTED_MAX, "more part");
            hints::warn(&format!("{more} left out"));
        }
    }
}

/// Reads SQuAD files as one dataset.
///
/// # Errors
/// At the first faulty part, or with `skip_bad` only where a file is not JSON; when there is no question at all.
pub fn read(paths: &[PathBuf], skip_bad: bool, options: DatasetOptions) -> Result<SquadData> {
    let mut data = SquadData::default();
    for path in paths {
        let name = documents::name(path);
        let text = documents::text(path, DATA_HINT)?;
        let SquadData { dataset, skipped, .. } = &mut data;
        let first = dataset.articles.len();
        let mut is_part = false;
        let mut bad = |error: Error| {
            is_part = true;
            skip_bad.then(|| skipped.add(&error)).ok_or(error)
        };
        let added = dataset.add(title(&name), text.as_bytes(), options, &mut bad);
        let notes = added.map_err(|error| match error {
            Error::Format { kind: FormatKind::AnswerPlace, .. } => fault(error.to_string(), OFFSETS_HINT),
            error if is_part => fault(error.to_string(), PART_HINT),
            error => error.into(),
        })?;
        warn_of_places(&name, &notes);
        data.files.push(name);
        data.articles.push(first..data.dataset.articles.len());
    }
    if data.dataset.questions().next().is_none() {
        let names: Vec<String> = data.files.iter().map(|name| quoted(name)).collect();
        return Err(fault(format!("{}: no questions", names.join(", ")), DATA_HINT));
    }
    Ok(data)
}

/// Says how many answers were not where their file says.
fn warn_of_places(name: &str, notes: &PlaceNotes) {
    let PlaceNotes { found, moved, unplaced, utf16, bytes, first, .. } = notes;
    let all = found + moved + unplaced;
    if all == 0 {
        return;
    }
    let what = match unplaced {
        0 if *moved > 0 => "; the nearest place of each in its context is taken".to_owned(),
        0 => "; the only place of each in its context is taken".to_owned(),
        _ => format!("; {} no certain place, and only their texts count", have(*unplaced)),
    };
    let hint = match all {
        _ if *utf16 == all => "all are there if offsets count UTF-16 units: --offsets utf16 reads them so",
        _ if *bytes == all => "all are there if offsets count bytes: --offsets bytes reads them so",
        _ => "--offsets sets the unit of answer_start; `--offsets search` takes the nearest place of each text",
    };
    let answers =
        if all == 1 { "1 answer is not at its".into() } else { format!("{} answers are not at their", thousands(all)) };
    hints::warn_of(&format!("{}: {answers} answer_start: {first}{what}", quoted(name)), Some(hint));
}

fn have(number: usize) -> String {
    if number == 1 { "1 has".into() } else { format!("{} have", thousands(number)) }
}

/// Reads files of teacher answers to these questions; `None` without a file. Questions that no file has are reported.
///
/// # Errors
/// When a file cannot be read, or is about other data.
pub fn teacher_answers<'a>(paths: &[PathBuf], dataset: &'a Dataset) -> Result<Option<TeacherAnswers<'a>>> {
    if paths.is_empty() {
        return Ok(None);
    }
    let mut answers = TeacherAnswers::new(dataset);
    for path in paths {
        answers.add(title(&documents::name(path)), documents::text(path, TEACHER_HINT)?.as_bytes())?;
    }
    let (missing, all) = (answers.missing(), counted(dataset.questions().count(), "question"));
    if missing > 0 {
        let missing = thousands(missing);
        hints::warn(&format!(
            "--teacher-answers: {missing} of {all} have none and learn from their gold answers alone"
        ));
    }
    Ok(Some(answers))
}

/// Puts every paragraph among its neighbours. Gives the bytes that each has in its document, too.
///
/// # Errors
/// When a text cannot be tokenized.
pub fn lengthen(
    dataset: &Dataset,
    tokens: usize,
    seed: u64,
    tokenizer: &Tokenizer,
) -> Result<(Dataset, Vec<ByteSpan>)> {
    Ok(dataset.among_neighbours(tokens, seed, |text| Ok(tokenizer.encode(text)?.ids.len()))?)
}

/// Writes the questions as they are asked, but never over a file that they came from.
pub fn save(dataset: &Dataset, path: &Path, from: &[PathBuf]) -> Result<()> {
    check_output(path, from)?;
    let mut json = Vec::new();
    dataset.write(&mut json).map_err(|error| cannot_write(path, &error))?;
    write(path, &json)
}

/// Checks that a file to be written is none of those that are read.
///
/// # Errors
/// When it is.
pub fn check_output(path: &Path, from: &[PathBuf]) -> Result<()> {
    let same =
        |other: &PathBuf| path.canonicalize().is_ok_and(|path| other.canonicalize().is_ok_and(|other| path == other));
    match from.iter().any(same) {
        true => Err(fault(format!("`{}`: one of the files that are read", path.display()), "name another file")),
        false => Ok(()),
    }
}

/// Checks that a file can be written, before there is anything to write.
///
/// # Errors
/// When it cannot.
pub fn check_writable(path: &Path) -> Result<()> {
    let folder = path.parent().filter(|folder| *folder != Path::new("")).unwrap_or(Path::new("."));
    if is_stream(path) { Ok(()) } else { folder::check_writable(folder) }
}

/// Whether a path is a device, a pipe or a link such as /dev/stdout, which stays what it is.
fn is_stream(path: &Path) -> bool {
    path.symlink_metadata().is_ok_and(|metadata| !metadata.is_file())
}

/// Writes a file that the user has named.
///
/// # Errors
/// When it cannot be written.
pub fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    match is_stream(path) {
        true => fs::write(path, bytes).map_err(|error| cannot_write(path, &error)),
        false => folder::write(path, bytes),
    }
}

/// What a message calls a question: its article, paragraph and id. The paragraph is named by its beginning, since numbers
/// are no longer those of the files once a part was left out.
pub fn name_of(dataset: &Dataset, asked: &Asked<'_>) -> String {
    let title = &dataset.articles[asked.article].title;
    let article = if title.is_empty() { String::new() } else { format!("article `{}`, ", excerpt(title)) };
    let begins = shortened(asked.paragraph.context.trim(), PARAGRAPH_CHARACTERS);
    format!("{article}paragraph `{begins}`, question `{}`", excerpt(&asked.question.id))
}

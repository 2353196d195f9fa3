//! Data: documents, questions, predictions, tokens.

use longspan::evaluate::{TeacherAnswers, coverage};
use longspan::pretrain::TokenFile;
use longspan::squad::metrics::Scores;
use longspan::squad::official;
use longspan::squad::{AnswerOffsets, Dataset, DatasetOptions, MisplacedAnswers};
use longspan_ask::{DocumentSource, Snippet, SourceOptions};

use super::checks::{presentable, short, taken};
use crate::case::{Folder, split};

/// The longest text. A small file of gzip may hold a very long one.
const TEXT_BYTES_MAX: u64 = 1 << 20;

/// A dataset of two articles, which predictions are about.
pub const DATASET: &str = r#"{"data": [{"title": "Cafés", "paragraphs": [
    {"context": "😀 Café Central, Vienna is bread.", "qas": [
        {"id": "a", "question": "Which?", "is_impossible": false,
            "answers": [{"text": "Café Central", "answer_start": 2}, {"text": "Vienna", "answer_start": 16}]},
        {"id": "b", "question": "When?", "is_impossible": true, "answers": []}]},
    {"context": "Second e\u0301 paragraph.", "qas": [
        {"id": 7, "question": "q?", "answers": [{"text": "Second", "answer_start": 0}]}]}]},
    {"title": "B", "paragraphs": [{"context": "z", "qas": [{"id": "c", "question": "?", "answers": []}]}]}]}"#;

/// The bytes of a document, plain or packed.
pub fn document(case: &[u8]) -> bool {
    document_named("f", case)
}

pub fn html(case: &[u8]) -> bool {
    document_named("f.html", case)
}

pub fn xhtml(case: &[u8]) -> bool {
    document_named("f.xhtml", case)
}

pub fn markdown(case: &[u8]) -> bool {
    document_named("f.md", case)
}

pub fn table(case: &[u8]) -> bool {
    document_named("f.csv", case)
}

fn document_named(name: &str, case: &[u8]) -> bool {
    let mut options = SourceOptions::default();
    options.limits.text_bytes_max = TEXT_BYTES_MAX;
    let source = DocumentSource::Bytes { name: name.into(), bytes: case.to_vec() };
    let Some(content) = taken(source.read(&options)) else { return false };
    let text = content.text();
    assert!(text.len() as u64 <= TEXT_BYTES_MAX, "{} bytes", text.len());
    short(&content);
    let (start, end) = (text.floor_char_boundary(text.len() / 3), text.floor_char_boundary(text.len() / 3 + 40));
    let place = content.place(start..end);
    let characters = text[..start].chars().count();
    assert_eq!(place.characters, characters..characters + text[start..end].chars().count());
    assert_eq!(place.utf16.start, text[..start].encode_utf16().count());
    assert_eq!(place.line, 1 + text[..start].matches('\n').count());
    let Snippet { before, answer, after } = Snippet::new(text, start..end);
    for part in [before, answer, after] {
        assert!(!part.chars().any(char::is_control) && part.len() < 1 << 14, "{part:?}");
    }
    true
}

pub fn squad(case: &[u8]) -> bool {
    let strict = taken(Dataset::parse("f", case));
    let (mut dataset, mut bad) = (Dataset::default(), 0);
    let read = dataset.add("f", case, DatasetOptions::default(), &mut |error| {
        presentable(&error);
        bad += 1;
        Ok(())
    });
    for offsets in AnswerOffsets::ALL {
        let (mut kept, options) = (Dataset::default(), DatasetOptions { offsets, misplaced: MisplacedAnswers::Keep });
        if taken(kept.add("f", case, options, &mut |_| Ok(()))).is_some() {
            check_golds(&kept);
            assert!(kept.questions().count() >= dataset.questions().count(), "more are left out");
        }
    }
    assert_eq!(strict.is_some(), read.is_ok() && bad == 0, "whether all is sound, and whether some is");
    check_golds(&dataset);
    if read.is_err() {
        return false;
    }
    let mut written = Vec::new();
    dataset.write(&mut written).expect("a vector");
    let again = Dataset::parse("f", &written).unwrap_or_else(|error| panic!("what was written is not read: {error}"));
    assert!(again == dataset, "what was written is read as something else");
    check_golds(&dataset.among_neighbours(60, 1, |text| Ok(text.len() / 4)).expect("lengths").0);
    dataset.sample(2, 1);
    assert!(dataset.questions().count() <= 2);
    strict.is_some()
}

fn check_golds(dataset: &Dataset) {
    for (paragraph, question) in dataset.questions() {
        for gold in &question.answers {
            let Some(bytes) = gold.bytes else { continue };
            assert_eq!(paragraph.context.get(bytes.start..bytes.end), Some(gold.text.as_str()));
        }
    }
}

/// Predictions and null odds.
pub fn predictions(case: &[u8]) -> bool {
    let files = split(case);
    let dataset = Dataset::parse("f", DATASET.as_bytes()).expect("sound data");
    let Some((predictions, of_list)) = taken(official::parse_predictions("f", files[0])) else { return false };
    let scores = Scores::of(&dataset, |id| predictions.get(id).map(String::as_str));
    let odds = match files.get(1) {
        None => Some(of_list.unwrap_or_default()),
        Some(json) => taken(official::parse_null_odds("g", json)),
    };
    let Some(odds) = odds else { return false };
    let Some(of_each) = taken(official::odds_of("g", &scores, &odds)) else { return false };
    let mut figures = scores.clone().decided(&of_each, 1.0).figures();
    let ranking = official::rank(&scores, &predictions, &odds);
    figures.extend(ranking.figures());
    coverage::coverage(&ranking);
    let json = official::to_json(&figures);
    serde_json::from_str::<serde_json::Value>(&json).unwrap_or_else(|error| panic!("figures: {error}: {json}"));
    true
}

/// Answers of two teachers, from which a model learns.
pub fn teacher_answers(case: &[u8]) -> bool {
    let files = split(case);
    let dataset = Dataset::parse("f", DATASET.as_bytes()).expect("sound data");
    let mut answers = TeacherAnswers::new(&dataset);
    let are_taken = files.iter().all(|file| taken(answers.add("f", file)).is_some());
    assert!(answers.missing() <= dataset.questions().count(), "{} questions are missing", answers.missing());
    are_taken
}

/// The file of a tokenized text.
pub fn token_file(case: &[u8]) -> bool {
    thread_local!(static FOLDER: Folder = Folder::new());
    FOLDER.with(|folder| {
        folder.put("tokens", Some(case));
        let Some(file) = taken(TokenFile::open(&folder.path().join("tokens"))) else { return false };
        let mut ids = Vec::new();
        for (document, tokens) in file.lengths().enumerate() {
            file.copy(document, 0..tokens, &mut ids);
        }
        assert_eq!(file.size().tokens, ids.len());
        true
    })
}

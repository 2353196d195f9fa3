//! How many damaged files are taken. Formats without checksums take much; what counts is that nothing panics, and that a
//! change of these numbers is seen.

use flate2::Compression;
use longspan::evaluate::TeacherAnswers;
use longspan::pretrain::text_of_json;
use longspan::squad::Dataset;
use longspan::squad::official::{parse_null_odds, parse_predictions};
use longspan_ask::{DocumentSource, SourceOptions};

use super::damage_trials::taken;

fn squad() -> String {
    let question = |id: usize| {
        let answers = if id.is_multiple_of(3) { "" } else { r#"{"text": "Café Central", "answer_start": 4}"# };
        format!(
            r#"{{"id": "5ad39d{id:02}", "question": "Where is it, \"{id}\"?", "is_impossible": {}, "answers": [{answers}]}}"#,
            id.is_multiple_of(3)
        )
    };
    let paragraph = |first: usize| {
        let qas = (first..first + 4).map(question).collect::<Vec<_>>().join(", ");
        format!(r#"{{"context": "The Café Central \u00e9 🚰 is in Vienna, and was so in 1876.", "qas": [{qas}]}}"#)
    };
    let paragraphs = [0, 4, 8].map(paragraph).join(", ");
    format!(r#"{{"version": "v2.0", "data": [{{"title": "Cafés", "paragraphs": [{paragraphs}]}}]}}"#)
}

fn object(value: impl Fn(usize) -> String) -> String {
    format!("{{{}}}", (0..60).map(|id| format!("\"5ad39d{id:02}\": {}", value(id))).collect::<Vec<_>>().join(", "))
}

/// About the questions of [`squad`].
fn teacher_lines() -> String {
    let line = |id: usize| {
        let pairs = format!("[[4, 0.{id}5], [16, 0.0125]]");
        format!("{{\"id\": \"5ad39d{id:02}\", \"starts\": {pairs}, \"ends\": {pairs}, \"no_answer\": [0.02, 0.03]}}\n")
    };
    (0..12).map(line).collect()
}

fn teacher_answers(lines: &[u8]) -> bool {
    let dataset = Dataset::parse("f", squad().as_bytes()).unwrap();
    TeacherAnswers::new(&dataset).add("f", lines).is_ok()
}

/// Whether a command accepts a file.
type Reads = fn(&[u8]) -> bool;

fn document(bytes: &[u8]) -> bool {
    let source = DocumentSource::Bytes { name: "f".into(), bytes: bytes.to_vec() };
    source.read(&SourceOptions::default()).is_ok()
}

#[test]
fn damaged_files() {
    let _alone = super::ALONE.lock();
    let (squad, teacher_lines, predictions) = (squad(), teacher_lines(), object(|id| format!("\"Café {id}\"")));
    let (odds, line) =
        (object(|id| format!("-{id}.25e-1")), r#"{"title": "Cafés", "text": "The Café Central is in Vienna."}"#);
    let text = "The Café Central is in Vienna, and was so in 1876.\n".repeat(40);
    let [packed, stored] = [Compression::best(), Compression::none()].map(|level| super::gz(text.as_bytes(), level));
    let cases: [(&str, &[u8], Reads, usize, usize); 8] = [
        ("SQuAD", squad.as_bytes(), |json| Dataset::parse("f", json).is_ok(), 277, 0),
        ("predictions", predictions.as_bytes(), |json| parse_predictions("f", json).is_ok(), 509, 0),
        ("null odds", odds.as_bytes(), |json| parse_null_odds("f", json).is_ok(), 379, 0),
        ("teacher answers", teacher_lines.as_bytes(), teacher_answers, 73, 16),
        ("a line of JSON", line.as_bytes(), |json| text_of_json(json, "text").is_ok(), 279, 0),
        ("a document", text.as_bytes(), document, 880, 961),
        ("a packed document", &packed, document, 49, 1),
        ("a document stored by gzip", &stored, document, 4, 0),
    ];
    let found = cases.map(|(name, whole, accepts, ..)| {
        let [[flipped, _], [cut, _]] = taken(name, whole, accepts);
        (name, flipped, cut)
    });
    let expected = cases.map(|(name, _, _, flipped, cut)| (name, flipped, cut));
    assert_eq!(found, expected);
}

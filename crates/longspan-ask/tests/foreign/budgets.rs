//! The memory that reading takes: at most 64 MB and four times the unpacked length of a file. An allocator counts.

use std::io;

use flate2::Compression;
use flate2::write::GzEncoder;
use longspan::evaluate::TeacherAnswers;
use longspan::pretrain::text_of_json;
use longspan::squad::official::{parse_null_odds, parse_predictions};
use longspan::squad::{Dataset, DatasetOptions};
use longspan_ask::{DocumentSource, Limits};
use peak_alloc::PeakAlloc;

#[global_allocator]
static PEAK: PeakAlloc = PeakAlloc;

/// Length of the files that are tried.
const BYTES: usize = 24_000_000;

/// Reads the bytes of a file as a command does, and says what is wrong with them.
type Command = fn(&str) -> Result<(), String>;

/// What is tried, the command, the file, and how its error begins; empty where there is none.
type Case = (&'static str, Command, Pattern, &'static str);

/// A text that is repeated between two others; `@` stands for the number of the repetition.
struct Pattern(&'static str, &'static str, &'static str);

impl Pattern {
    /// About so many bytes of it.
    fn repeated(&self, bytes: usize) -> Vec<u8> {
        let Self(first, repeated, last) = self;
        let middle = match repeated.split_once('@') {
            None => repeated.repeat(bytes / repeated.len()),
            Some((before, after)) => {
                let mut middle = String::with_capacity(bytes + repeated.len() + 20);
                for number in 0.. {
                    if middle.len() > bytes {
                        break;
                    }
                    middle.extend([before, &number.to_string(), after]);
                }
                middle
            }
        };
        [first, middle.as_str(), last].concat().into_bytes()
    }
}

fn squad(text: &str) -> Result<(), String> {
    Dataset::parse("f", text.as_bytes()).map(drop).map_err(|error| error.to_string())
}

/// The same with `--skip-bad`.
fn skipping(text: &str) -> Result<(), String> {
    let mut dataset = Dataset::default();
    dataset
        .add("f", text.as_bytes(), DatasetOptions::default(), &mut |_| Ok(()))
        .map(drop)
        .map_err(|error| error.to_string())
}

fn predictions(text: &str) -> Result<(), String> {
    parse_predictions("f", text.as_bytes()).map(drop).map_err(|error| error.to_string())
}

fn null_odds(text: &str) -> Result<(), String> {
    parse_null_odds("f", text.as_bytes()).map(drop).map_err(|error| error.to_string())
}

fn teacher_answers(text: &str) -> Result<(), String> {
    let data =
        br#"{"data": [{"paragraphs": [{"context": "x", "qas": [{"id": "a", "question": "?", "answers": []}]}]}]}"#;
    let dataset = Dataset::parse("f", data).unwrap();
    TeacherAnswers::new(&dataset).add("f", text.as_bytes()).map_err(|error| error.to_string())
}

fn json_line(text: &str) -> Result<(), String> {
    text_of_json(text.as_bytes(), "text").map(drop)
}

const QUESTION: &str = r#"{"id": @, "question": "", "answers": []}, "#;
const GOLD: &str = r#"{"text": "", "answer_start": 0}, "#;
const ROW: &str = r#"{"context":"","id":@,"question":"","answers":[]} "#;
const ROW_ANSWERS: &str = r#"{"context":"","id":"x","question":"","answers":["#;
const LISTED: &str = r#"{"id":"@","prediction_text":""},"#;
const LONG: &str = r#"{"paragraphs": "a text of some length, where a list of paragraphs is expected, and so on"},"#;
const TOO_MANY: &str = "too many values";

const QAS: &str = r#"{"data": [{"paragraphs": [{"context": "x", "qas": ["#;
const ANSWERS: &str = r#"{"data": [{"paragraphs": [{"context": "x", "qas": [{"id": 1, "question": "?", "answers": ["#;
const TAUGHT_LIST: &str = r#"{"id": "a", "no_answer": [1, 1], "ends": [], "starts": [["#;
const TAUGHT: &str = r#"{"id": "a", "no_answer": [1, 1], "ends": [], "starts": ["#;
const PARAGRAPH: &str = r#"{"data": [{"paragraphs": [{"qas": [], "#;

fn cases() -> Vec<Case> {
    let number = "the number 0";
    vec![
        ("long articles that are skipped", skipping, Pattern(r#"{"data": ["#, LONG, "0]}"), ""),
        ("numbers for articles", squad, Pattern(r#"{"data": ["#, "0,", "0]}"), number),
        ("numbers for paragraphs", squad, Pattern(r#"{"data": [{"paragraphs": ["#, "0,", "0]}]}"), number),
        ("numbers for questions", squad, Pattern(QAS, "0,", "0]}]}]}"), number),
        ("numbers for answers", squad, Pattern(ANSWERS, "0,", "0]}]}]}]}"), number),
        (
            "empty articles",
            squad,
            Pattern(r#"{"data": ["#, r#"{"paragraphs":[]},"#, r#"{"paragraphs":[]}]}"#),
            TOO_MANY,
        ),
        (
            "empty paragraphs",
            squad,
            Pattern(r#"{"data": [{"paragraphs": ["#, r#"{"context":"","qas":[]},"#, r#"{"context":"","qas":[]}]}]}"#),
            TOO_MANY,
        ),
        (
            "short questions",
            squad,
            Pattern(QAS, QUESTION, r#"{"id": "x", "question": "", "answers": []}]}]}]}"#),
            TOO_MANY,
        ),
        ("short answers", squad, Pattern(ANSWERS, GOLD, r#"{"text": "", "answer_start": 0}]}]}]}]}"#), ""),
        (
            "a long context",
            squad,
            Pattern(r#"{"data": [{"paragraphs": [{"qas": [], "context": ""#, "long ", "\"}]}]}"),
            "",
        ),
        (
            "a context of escapes",
            squad,
            Pattern(r#"{"data": [{"paragraphs": [{"qas": [], "context": ""#, "\\u00e9", "\"}]}]}"),
            "",
        ),
        ("unwanted texts", squad, Pattern(PARAGRAPH, r#""x@": "unwanted \n text", "#, r#""context": ""}]}]}"#), ""),
        ("one unwanted text", squad, Pattern(r#"{"data": [], "x": ""#, "unwanted ", "\"}"), ""),
        ("an unwanted number", squad, Pattern(r#"{"data": [], "x": 1"#, "0", "}"), ""),
        ("a number for data", squad, Pattern(r#"{"data": 1"#, "0", "}"), "`data` is the number 10"),
        ("a long key", squad, Pattern(r#"{"data": [], "\n"#, "key ", "\": 1}"), ""),
        ("unwanted lists", squad, Pattern(r#"{"data": [], "x": ["#, "[],", "0]}"), ""),
        ("equal keys", squad, Pattern(PARAGRAPH, r#""context": "a", "#, r#""context": "b"}]}]}"#), ""),
        ("deep lists", squad, Pattern(r#"{"data": ["#, "[", ""), "EOF while parsing a list"),
        ("deep objects", squad, Pattern("", r#"{"data":"#, ""), "EOF while parsing"),
        ("a text alone", squad, Pattern("\"", "x", "\""), "invalid type: string"),
    ]
}

fn cases_of_other_layouts() -> Vec<Case> {
    let number = "the number 0";
    vec![
        ("rows", squad, Pattern("", ROW, r#"{"context":"","id":"x","question":"","answers":[]}"#), TOO_MANY),
        ("numbers for rows", squad, Pattern("", "0\n", "0"), number),
        ("a row of short answers", squad, Pattern(ROW_ANSWERS, r#""","#, r#"""]}"#), "no `answer_start`"),
        ("listed predictions", predictions, Pattern("[", LISTED, r#"{"id":"x","prediction_text":""}]"#), TOO_MANY),
        ("predictions", predictions, Pattern("{", r#""@": "", "#, r#""x": ""}"#), TOO_MANY),
        ("equal predictions", predictions, Pattern("{", r#""x": "", "#, r#""x": ""}"#), ""),
        ("a long prediction", predictions, Pattern(r#"{"x": ""#, "x", "\"}"), ""),
        ("lists for predictions", predictions, Pattern(r#"{"x": ["#, "[],", "0]}"), "invalid type: sequence"),
        ("null odds", null_odds, Pattern("{", r#""@":0,"#, r#""x":0}"#), TOO_MANY),
        ("long null odds", null_odds, Pattern(r#"{"x": 0."#, "12", "}"), ""),
        ("a text for null odds", null_odds, Pattern(r#"{"x": ""#, "12", "\"}"), "invalid type: string"),
        ("starts of teachers", teacher_answers, Pattern(TAUGHT, "[0,0],", "[0,0]]}"), ""),
        ("numbers for starts", teacher_answers, Pattern(TAUGHT, "0,", "0]}"), number),
        ("a start of lists", teacher_answers, Pattern(TAUGHT_LIST, "[],", "0]]}"), "expected pairs"),
        ("a long id", teacher_answers, Pattern(r#"{"id": ""#, "a", "\"}"), "the data do not have it"),
        ("equal answers of teachers", teacher_answers, Pattern("", "{\"id\":\"a\"}\n", ""), "no `starts`"),
        ("empty lines", teacher_answers, Pattern("", "\n", ""), "empty"),
        ("a line of numbers", json_line, Pattern(r#"{"x": ["#, "0,", r#"0], "text": "x"}"#), ""),
        ("a line of lists", json_line, Pattern(r#"{"text": ["#, "[],", "0]}"), "`text` is a list, expected text"),
        ("a line of keys", json_line, Pattern("{", r#""x@": 1, "#, r#""text": ""}"#), ""),
        ("equal keys in a line", json_line, Pattern("{", r#""text": "a", "#, r#""text": ""}"#), ""),
    ]
}

#[test]
fn reading_takes_memory_in_proportion() {
    let _alone = super::ALONE.lock();
    let mut wrong = Vec::new();
    for (name, read, pattern, expected) in cases().into_iter().chain(cases_of_other_layouts()) {
        let bytes = pattern.repeated(BYTES);
        let unpacked = bytes.len();
        let source = DocumentSource::Bytes { name: "f".into(), bytes };
        PEAK.reset_peak_usage();
        let before = PEAK.current_usage();
        let found = read(&source.read_text(&Limits::default()).unwrap()).err().unwrap_or_default();
        let peak = PEAK.peak_usage() - before;
        println!("{name}: {:.1} MB for {:.1} MB", peak as f64 / 1e6, unpacked as f64 / 1e6);
        let is_expected = if expected.is_empty() { found.is_empty() } else { found.contains(expected) };
        if !is_expected || found.len() > 500 || peak > 64_000_000 + 4 * unpacked {
            wrong.push(format!("{name}: {peak} bytes for {unpacked}: {}", &found[..found.len().min(200)]));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// A thousand bytes of each byte: a limit of what is unpacked ends it, long before that of a document.
#[test]
fn a_bomb_takes_little() {
    let _alone = super::ALONE.lock();
    let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
    io::copy(&mut io::Read::take(io::repeat(b' '), 300_000_000), &mut packed).unwrap();
    let source = DocumentSource::Bytes { name: "f".into(), bytes: packed.finish().unwrap() };
    PEAK.reset_peak_usage();
    let before = PEAK.current_usage();
    let error = source.read_text(&Limits::default()).unwrap_err();
    assert!(error.to_string().contains("at most 100 for each are read"), "{error}");
    assert_eq!(error.code(), "unreadable");
    let peak = PEAK.peak_usage() - before;
    assert!(peak < 4 * 64_000_000, "{peak} bytes");
}

//! Whole models: a tiny one is asked, trained further, and made of a short one.

use std::cell::RefCell;
use std::fs;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::OnceLock;

use longspan::checkpoint::Source;
use longspan::convert::{ConvertOptions, convert as converted};
use longspan::reader::{Endpoints, ReaderSettings};
use longspan::squad::Dataset;
use longspan::train::{QaJob, QaSettings, TrainSettings, run};
use longspan::{Abstain, Answer, Error, GlobalAttention, Precision, ReadOptions, Reader, SpanList};
use serde_json::Value;
use tempfile::TempDir;

use super::checks::{presentable, span, taken};
use super::data::DATASET;
use crate::case::{Folder, golden_path, split};

const TEXT_BYTES_MAX: usize = 400;

/// A long model of 64 positions, made of a golden short one.
pub fn tiny_model() -> &'static Path {
    static MODEL: OnceLock<TempDir> = OnceLock::new();
    let make = || {
        let folder = tempfile::tempdir().expect("a folder for temporary files");
        let options = ConvertOptions { max_tokens: Some(64), attention_window: Some(vec![16]), ..Default::default() };
        converted(&Source::Folder(golden_path("convert/bert-qa")), folder.path(), &options).expect("a sound model");
        folder
    };
    MODEL.get_or_init(make).path()
}

/// Settings of the checkpoint, options, a question and a text.
pub fn reader(case: &[u8]) -> bool {
    thread_local!(static READER: RefCell<Option<Reader>> = const { RefCell::new(None) });
    let files = split(case);
    let file = |at: usize| files.get(at).copied().unwrap_or_default();
    let Some(settings) = taken(ReaderSettings::from_json(file(0))) else { return false };
    let options = read_options(&serde_json::from_slice(file(1)).unwrap_or_default());
    let texts = [file(2), file(3)].map(|text| String::from_utf8_lossy(&text[..text.len().min(TEXT_BYTES_MAX)]));
    let open = || Reader::from_source(&Source::Folder(tiny_model().into()), Precision::F32).expect("a sound model");
    let reader = READER.take().unwrap_or_else(open).with_settings(settings);
    let text = &*texts[1];
    let answer = reader.document(text).and_then(|document| reader.answer_with(&texts[0], &document, &options));
    READER.set(Some(reader));
    let Some(answer) = taken(answer) else { return false };
    check(&answer, text);
    true
}

fn check(answer: &Answer, text: &str) {
    for (number, found) in answer.spans.iter().enumerate() {
        assert!(!span(text, found.bytes.into()).is_empty(), "an empty span");
        assert!((0.0..=1.0).contains(&found.score), "a score of {}", found.score);
        let overlaps =
            |other: &longspan::Span| other.bytes.start < found.bytes.end && found.bytes.start < other.bytes.end;
        assert!(!answer.spans[..number].iter().any(overlaps), "spans overlap: {:?}", answer.spans);
    }
    if let Some(Endpoints { starts, ends, no_answer }) = &answer.endpoints {
        for (side, endpoints) in [starts, ends].into_iter().enumerate() {
            let sum = no_answer[side] + endpoints.iter().map(|endpoint| endpoint.probability).sum::<f64>();
            assert!((0.0..1.0 + 1e-9).contains(&sum), "probabilities with the sum {sum}");
            assert!(endpoints.iter().all(|endpoint| text.is_char_boundary(endpoint.byte)), "{endpoints:?}");
        }
    }
    assert!((0.0..=1.0).contains(&answer.no_answer_score), "a score of {}", answer.no_answer_score);
    assert!(!answer.null_odds.is_nan() && (!answer.answered || !answer.spans.is_empty()), "{answer:?}");
}

fn read_options(json: &Value) -> ReadOptions {
    let number = |key: &str| json.get(key)?.as_u64().and_then(|number| usize::try_from(number).ok());
    let mut options = ReadOptions::default();
    options.max_tokens = number("max_tokens");
    options.doc_stride = number("doc_stride");
    options.max_answer_length = number("max_answer_length");
    options.verify_tokens = number("verify_tokens");
    options.endpoints = number("endpoints").unwrap_or_default();
    options.threshold = json.get("threshold").and_then(Value::as_f64);
    options.abstain = json.get("abstain").and_then(Value::as_str).and_then(Abstain::from_name);
    options.spans = number("top").map_or(SpanList::All(usize::MAX), SpanList::Top);
    options.global_attention = match json.get("global") {
        None => GlobalAttention::Question,
        Some(Value::Null) => GlobalAttention::None,
        Some(Value::Array(list)) => {
            GlobalAttention::List(list.iter().filter_map(|at| usize::try_from(at.as_u64()?).ok()).collect())
        }
        Some(_) => GlobalAttention::First,
    };
    options
}

/// The `config.json` of a short model and the options of its conversion.
pub fn convert(case: &[u8]) -> bool {
    thread_local!(static FOLDER: Folder = short_model());
    let files = split(case);
    let json: Value = files.get(1).and_then(|file| serde_json::from_slice(file).ok()).unwrap_or_default();
    let number = |value: &Value| value.as_u64().and_then(|number| usize::try_from(number).ok());
    let options = ConvertOptions {
        // The user chooses it, so that its memory is no fault.
        max_tokens: json.get("max_tokens").and_then(number).map(|tokens| tokens % 512).or(Some(32)),
        attention_window: json
            .get("windows")
            .and_then(Value::as_array)
            .map(|list| list.iter().filter_map(number).collect()),
        one_sided_windows: json.get("one_sided").is_some(),
        ..ConvertOptions::default()
    };
    FOLDER.with(|folder| {
        folder.put("config.json", Some(files[0]));
        let out = folder.path().join("out");
        let made = taken(converted(&folder.source(), &out, &options)).is_some();
        assert_eq!(made, out.exists(), "a folder is left, or lost");
        if made {
            fs::remove_dir_all(out).expect("a folder that was made");
        }
        made
    })
}

fn short_model() -> Folder {
    let folder = Folder::new();
    for name in ["vocab.txt", "model.safetensors"] {
        folder.put(name, Some(&fs::read(golden_path("convert/bert-qa").join(name)).expect("a golden file")));
    }
    folder
}

const STATE: &str = "state/state.safetensors";

/// The state of a run that is resumed.
pub fn state(case: &[u8]) -> bool {
    thread_local!(static FOLDER: Folder = Folder::new());
    FOLDER.with(|folder| {
        // A run may write more files than its state.
        let out = folder.path().join("out");
        let _ = fs::remove_dir_all(&out);
        fs::create_dir_all(out.join("state")).expect("a folder");
        folder.put(&format!("out/{STATE}"), Some(case));
        taken(train(&out, true)).is_some()
    })
}

/// The state of a run of two steps after the first of them.
pub fn saved_state() -> Vec<u8> {
    let folder = Folder::new();
    train(folder.path(), false).expect("a sound run");
    fs::read(folder.path().join(STATE)).expect("a state")
}

/// Trains until the first step, and saves.
fn train(out: &Path, resume: bool) -> Result<(), Error> {
    let dataset = Dataset::parse("f", DATASET.as_bytes()).expect("sound data");
    let settings = TrainSettings { precision: Precision::F32, steps: 2, average_decay: 0.9, ..Default::default() };
    let job = QaJob {
        base: &Source::Folder(tiny_model().into()),
        train: &dataset,
        dev: None,
        dev_options: &ReadOptions::default(),
        teacher: None,
        qa: &QaSettings { max_tokens: 64, ..Default::default() },
        settings: &settings,
        out,
        resume,
    };
    run(&job, &mut |_| ControlFlow::Break(())).map(drop).inspect_err(presentable)
}

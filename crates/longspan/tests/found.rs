//! Checkpoints as they are found: other activations, names and numbers, without a head, made long by the notebook.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use longspan::checkpoint::{Source, Tensors, write_safetensors};
use longspan::convert::{ConvertOptions, convert};
use longspan::model::{Batch, Model, Precision, Sequence, Task};
use longspan::tensor::DType;
use longspan::{Error, GlobalAttention, ReadOptions, Reader};
use serde_json::{Map, Value, json};

const TOLERANCE: f64 = 1e-4;
const QUESTION: &str = "When was the bridge opened?";
const DOCUMENT: &str = "It was opened on 3 May 1931 by the mayor.";

fn golden(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(path)
}

/// A copy of a folder whose files can be changed.
fn copy(path: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for entry in fs::read_dir(golden(path)).unwrap() {
        let path = entry.unwrap().path();
        fs::copy(&path, folder.path().join(path.file_name().unwrap())).unwrap();
    }
    folder
}

fn edit_config(folder: &Path, edit: impl FnOnce(&mut Map<String, Value>)) {
    let path = folder.join("config.json");
    let mut config: Map<_, _> = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    edit(&mut config);
    fs::write(path, serde_json::to_vec(&config).unwrap()).unwrap();
}

/// Writes the tensors of a folder again, those that keep a name.
fn rename(folder: &Path, name: impl Fn(&str) -> Option<String>) {
    let tensors = Tensors::open(&Source::Folder(folder.into())).unwrap();
    let mut all = BTreeMap::new();
    for old in tensors.names() {
        let (Some(new), view) = (name(old), tensors.get(old).unwrap().unwrap()) else { continue };
        let mut values = vec![0.0; view.shape.iter().product()];
        view.copy_to(&mut values);
        all.insert(new, (view.shape.clone(), values));
    }
    let all: Vec<_> = all.iter().map(|(name, (shape, values))| (&**name, &shape[..], &values[..])).collect();
    write_safetensors(&folder.join("model.safetensors"), DType::F32, &all, &[]).unwrap();
}

fn reader(folder: &Path) -> longspan::Result<Reader> {
    Reader::from_source(&Source::Folder(folder.into()), Precision::F32)
}

/// Compares the logits of an input with those of transformers; `globals` are its first tokens.
#[track_caller]
fn check_logits(folder: &Path, expected: &Path, globals: usize) {
    let source = Source::Folder(folder.into());
    let expected: Value = serde_json::from_slice(&fs::read(expected).unwrap()).unwrap();
    let ids: Vec<u32> = serde_json::from_value(expected["input_ids"].clone()).unwrap();
    let tensors = Tensors::open(&source).unwrap();
    let model = Model::load(source.config().unwrap(), Task::QuestionAnswering, Precision::F32, &tensors).unwrap();
    let globals: Vec<usize> = (0..globals).collect();
    let types: Vec<u32> = serde_json::from_value(expected["token_type_ids"].clone()).unwrap();
    let batch = Batch::of(Sequence { ids: &ids, token_type_ids: Some(&types), globals: &globals });
    let logits = model.logits(&batch).unwrap().values;
    for (i, found) in logits.into_iter().enumerate() {
        let side = if i % 2 == 0 { "start_logits" } else { "end_logits" };
        let difference = (f64::from(found) - expected[side][i / 2].as_f64().unwrap()).abs();
        assert!(difference < TOLERANCE, "{}: {difference} at {i}", folder.display());
    }
}

#[test]
fn activations_are_those_of_transformers() {
    for activation in ["gelu_new", "gelu_pytorch_tanh", "relu"] {
        let folder = copy("cases/tiny");
        edit_config(folder.path(), |config| drop(config.insert("hidden_act".into(), activation.into())));
        let expected = if activation == "relu" { "relu.json" } else { "gelu_new.json" };
        check_logits(folder.path(), &folder.path().join(expected), 7);
    }
}

/// Its positions begin with the first row, unlike those of a Longformer.
#[test]
fn a_bert_made_long_by_the_notebook_is_read_and_converted() {
    let (folder, expected) = (golden("cases/bertlong"), golden("cases/bertlong/golden.json"));
    check_logits(&folder, &expected, 7);
    let out = tempfile::tempdir().unwrap();
    convert(&Source::Folder(folder), out.path(), &ConvertOptions::default()).unwrap();
    check_logits(out.path(), &expected, 7);
}

#[test]
fn wrappers_of_names_are_looked_through() {
    let plain = golden("models/short-distilbert");
    let answers = |folder: &Path| {
        let source = Source::Folder(folder.into());
        let tensors = Tensors::open(&source).unwrap();
        let model = Model::load(source.config().unwrap(), Task::QuestionAnswering, Precision::F32, &tensors).unwrap();
        let (ids, globals) = ([101, 7, 8, 102, 9, 10, 102], &[]);
        model.logits(&Batch::of(Sequence { ids: &ids, token_type_ids: None, globals })).unwrap()
    };
    for wrapper in ["module.", "model.", "module.model."] {
        let folder = copy("models/short-distilbert");
        rename(folder.path(), |name| Some(format!("{wrapper}{name}")));
        assert_eq!(answers(folder.path()), answers(&plain), "{wrapper}");
    }
    let folder = copy("models/short-distilbert");
    rename(folder.path(), |name| Some(name.replace("distilbert.", "bert.")));
    let error = Tensors::open(&Source::Folder(folder.path().into())).and_then(|tensors| {
        let config = Source::Folder(folder.path().into()).config()?;
        Model::load(config, Task::QuestionAnswering, Precision::F32, &tensors).map(drop)
    });
    let expected = "tensor `distilbert.embeddings.word_embeddings.weight`: not in the checkpoint";
    assert_eq!(error.unwrap_err().to_string(), expected);
}

#[test]
fn numbers_of_python_are_read() {
    let folder = copy("cases/tiny");
    let path = folder.path().join("config.json");
    let config =
        fs::read_to_string(&path).unwrap().replace("\"initializer_range\": 0.02", "\"initializer_range\": NaN");
    assert!(config.contains("NaN"));
    fs::write(path, config).unwrap();
    fs::write(folder.path().join("tokenizer_config.json"), r#"{"model_max_length": Infinity}"#).unwrap();
    reader(folder.path()).unwrap();
}

#[test]
fn a_missing_head_is_named() {
    for (rename_head, expected) in [
        (None, "the checkpoint has no head for question answering: it is an encoder alone"),
        (Some("classifier"), "the checkpoint has no head for question answering, but one for classification"),
        (
            Some("lm_head.dense"),
            "the checkpoint has no head for question answering, but one for masked language modelling",
        ),
    ] {
        let folder = copy("cases/tiny");
        rename(folder.path(), |name| match name.strip_prefix("qa_outputs") {
            Some(part) => rename_head.map(|head| format!("{head}{part}")),
            None => Some(name.into()),
        });
        let Err(error) = reader(folder.path()) else { panic!("a reader without a head") };
        assert_eq!(error.to_string(), expected);
    }
}

#[test]
fn an_encoder_with_more_is_refused() {
    let folder = copy("models/short-bert");
    let adapter = "bert.encoder.layer.0.attention.self.query.lora_A";
    rename(folder.path(), |name| Some(if name == "qa_outputs.bias" { adapter.into() } else { name.into() }));
    let source = Source::Folder(folder.path().into());
    let loaded = Model::load(source.config().unwrap(), Task::Encoder, Precision::F32, &Tensors::open(&source).unwrap());
    let expected = format!("`config.json`: model_type `bert`: it has no `{adapter}`, which the weights have");
    assert_eq!(loaded.map(drop).unwrap_err().to_string(), expected);
}

/// The document has fewer tokens than a window, so that nothing but the token differs.
#[test]
fn an_added_token_beyond_the_vocabulary_is_refused_in_a_text_only() {
    let folder = copy("cases/tiny");
    let plain = reader(folder.path()).unwrap().answer(QUESTION, DOCUMENT).unwrap();
    fs::rename(folder.path().join("tokenizer-extra-token.json"), folder.path().join("tokenizer.json")).unwrap();
    let reader = reader(folder.path()).unwrap();
    assert_eq!(reader.answer(QUESTION, DOCUMENT).unwrap().null_odds, plain.null_odds);
    let refused = reader.answer(QUESTION, "It was <ent> opened.").unwrap_err();
    assert!(matches!(&refused, Error::UnknownToken { token } if token == "<ent>"), "{refused}");
}

#[test]
fn weights_of_other_libraries_are_named() {
    for (file, expected) in [
        ("tf_model.h5", "only those of TensorFlow (`tf_model.h5`)"),
        ("flax_model.msgpack", "only those of Flax"),
        ("model.onnx", "only a program of ONNX"),
    ] {
        let folder = copy("cases/tiny");
        fs::rename(folder.path().join("model.safetensors"), folder.path().join(file)).unwrap();
        let Err(error) = reader(folder.path()) else { panic!("weights of another library") };
        assert!(error.to_string().contains(expected), "{error}");
    }
}

/// The answers are those of transformers' logits with the rule of the SQuAD script, over windows of the model's length.
#[test]
fn short_readers_answer_real_questions_as_the_script_does() {
    let unpacked = |path: &str| -> Value {
        let file = fs::File::open(golden(path)).unwrap();
        serde_json::from_reader(flate2::read::GzDecoder::new(file)).unwrap()
    };
    let asked = unpacked("reader/golden.json.gz");
    // Each threshold splits the cases.
    for (kind, threshold) in [("short-bert", -8.1), ("short-roberta", -3.03)] {
        let reader = reader(&golden(&format!("reader/{kind}"))).unwrap();
        let mut abstentions = 0;
        let answers = unpacked(&format!("reader/{kind}/answers.json.gz"));
        let cases = answers["cases"].as_array().unwrap();
        assert!(cases.len() >= 60, "{kind}: {} questions", cases.len());
        for expected in cases {
            let case = &asked["cases"][expected["case"].as_u64().unwrap() as usize];
            let (question, context) = (case["question"].as_str().unwrap(), case["context"].as_str().unwrap());
            let first = expected["first_char"].as_u64().unwrap() as usize;
            let context: String = context.chars().skip(first).take(3000).collect();
            let document = reader.document(context).unwrap();
            let mut options = ReadOptions::default();
            options.threshold = Some(threshold);
            let decided = reader.answer_with(question, &document, &options).unwrap();
            let answers = expected["null_odds"].as_f64().unwrap() <= threshold;
            assert_eq!(decided.answered, answers, "{kind}: {question}");
            abstentions += usize::from(!answers);
            let answer = reader.answer_with(question, &document, &ReadOptions::default()).unwrap();
            let span = &answer.spans[0];
            let found = (answer.answered, answer.windows, answer.tokens, span.bytes.start, span.bytes.end);
            let number = |key: &str| expected[key].as_u64().unwrap() as usize;
            let answered = expected["answered"].as_bool().unwrap();
            let wanted = (answered, number("windows"), number("tokens"), number("start_byte"), number("end_byte"));
            assert_eq!(found, wanted, "{kind}: {question}");
            for (key, found) in [
                ("start_logit", span.start_logit.into()),
                ("end_logit", span.end_logit.into()),
                ("score", span.score),
                ("no_answer_score", answer.no_answer_score),
                ("null_odds", answer.null_odds),
            ] {
                let wanted = expected[key].as_f64().unwrap();
                assert!((found - wanted).abs() < TOLERANCE, "{kind}: {question}: {key} {found} for {wanted}");
            }
        }
        assert!((15..cases.len() - 15).contains(&abstentions), "{kind}: {abstentions} abstentions");
    }
}

/// A short reader with the vocabulary of `tiny`.
fn short(kind: &str, changes: impl FnOnce(&mut Map<String, Value>)) -> tempfile::TempDir {
    let folder = copy(kind);
    fs::copy(golden("cases/tiny/tokenizer.json"), folder.path().join("tokenizer.json")).unwrap();
    edit_config(folder.path(), |config| {
        config.insert("vocab_size".into(), json!(28));
        changes(config);
    });
    let tensors = Tensors::open(&Source::Folder(folder.path().into())).unwrap();
    let mut all = BTreeMap::new();
    for name in tensors.names() {
        let view = tensors.get(name).unwrap().unwrap();
        let mut values = vec![0.0; view.shape.iter().product()];
        view.copy_to(&mut values);
        let mut shape = view.shape.clone();
        if name.ends_with("word_embeddings.weight") {
            values.truncate(28 * shape[1]);
            shape[0] = 28;
        }
        all.insert(name.to_owned(), (shape, values));
    }
    let all: Vec<_> = all.iter().map(|(name, (shape, values))| (&**name, &shape[..], &values[..])).collect();
    write_safetensors(&folder.path().join("model.safetensors"), DType::F32, &all, &[]).unwrap();
    folder
}

/// An ELECTRA whose embeddings are as wide as the model is like a BERT.
#[test]
fn a_wide_electra_is_converted_and_a_narrow_one_is_not() {
    let options = ConvertOptions { attention_window: Some(vec![16]), ..ConvertOptions::default() };
    let (source, out) = (short("models/short-electra-wide", |_| {}), tempfile::tempdir().unwrap());
    let made = convert(&Source::Folder(source.path().into()), out.path(), &options).unwrap();
    assert_eq!((made.model_type.as_str(), made.task, made.comparison.tokens), ("electra", Task::QuestionAnswering, 9));
    for (kind, why) in [
        ("short-electra", "its embeddings are narrower than the model"),
        ("short-albert", "its embeddings are narrower than the model"),
    ] {
        let (source, out) = (short(&format!("models/{kind}"), |_| {}), tempfile::tempdir().unwrap());
        let error = convert(&Source::Folder(source.path().into()), out.path(), &options).unwrap_err().to_string();
        assert!(error.contains(&format!("no Longformer is like it, for {why}")), "{error}");
    }
}

/// A document of many windows, of the model's own length.
#[test]
fn short_readers_read_long_documents_in_windows() {
    for kind in ["models/short-bert", "models/short-roberta", "models/short-albert"] {
        let folder = short(kind, |_| {});
        let reader = reader(folder.path()).unwrap();
        // The tokenizer of `tiny` is that of a Longformer.
        assert_eq!((reader.settings().separators, reader.model().config().max_tokens()), (2, 40), "{kind}");
        let document = reader.document(format!("{DOCUMENT} ").repeat(30)).unwrap();
        let answer = reader.answer_with(QUESTION, &document, &ReadOptions::default().top(3)).unwrap();
        assert!(answer.windows > 10, "{kind}: {} windows", answer.windows);
        let with = |edit: &dyn Fn(&mut ReadOptions)| {
            let mut options = ReadOptions::default();
            edit(&mut options);
            reader.answer_with(QUESTION, &document, &options)
        };
        assert!(with(&|options| options.global_attention = GlobalAttention::None).is_ok());
        let model_type = reader.model().config().kind.model_type;
        let meaningless =
            format!("global_attention has no meaning: in a model of type {model_type} all tokens see all");
        for which in [GlobalAttention::First, GlobalAttention::List(vec![0, 3])] {
            let error = with(&|options| options.global_attention = which.clone()).unwrap_err();
            assert_eq!(error.to_string(), meaningless);
        }
        let error = with(&|options| options.max_tokens = Some(41)).unwrap_err();
        assert_eq!(error.to_string(), "max_tokens 41: the model has positions for 40");
        let long = format!("{QUESTION} ").repeat(7);
        assert!(matches!(reader.answer(&long, DOCUMENT), Err(Error::QuestionTooLong { .. })), "{kind}");
    }
}

//! Conversion of short models: every tensor by the rule, the results of transformers, and what cannot be converted.
//!
//! The sources and the script that made them are in `tests/golden/convert`; its opening comment explains them.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use longspan::checkpoint::{Source, Tensors, write_safetensors};
use longspan::config::ModelKind;
use longspan::convert::{Conversion, ConvertOptions, convert};
use longspan::model::{Batch, Model, Precision, Sequence, Task};
use longspan::tensor::DType;
use longspan::tokenizer::Tokenizer;
use safetensors::SafeTensors;

/// A source folder, the task of its head, and the tensors that conversion leaves out.
const SOURCES: [(&str, Task, &[&str]); 13] = [
    ("bert", Task::Encoder, &["pooler.dense"]),
    ("bert-qa", Task::QuestionAnswering, &[]),
    ("bert-pretraining", Task::MaskedLm, &["bert.pooler.dense", "cls.seq_relationship"]),
    ("bert-sequence", Task::SequenceClassification, &[]),
    ("roberta-masked-lm", Task::MaskedLm, &[]),
    ("roberta-sequence", Task::SequenceClassification, &[]),
    ("roberta-token", Task::TokenClassification, &[]),
    ("roberta-qa", Task::QuestionAnswering, &[]),
    ("xlm-roberta-qa", Task::QuestionAnswering, &[]),
    ("xlm-roberta-masked-lm", Task::MaskedLm, &[]),
    ("camembert-qa", Task::QuestionAnswering, &[]),
    ("camembert-masked-lm", Task::MaskedLm, &[]),
    ("distilbert-qa", Task::QuestionAnswering, &[]),
];

/// Longformers that the notebook made of other models, and those of the authors' first code.
const LONG_SOURCES: [(&str, Task); 5] = [
    ("bert-long-qa", Task::QuestionAnswering),
    ("bert-long-masked-lm", Task::MaskedLm),
    ("roberta-long-qa", Task::QuestionAnswering),
    ("longformer-qa", Task::QuestionAnswering),
    ("longformer-masked-lm", Task::MaskedLm),
];

const MAX_TOKENS: usize = 50;
/// Positions of the sources.
const SHORT: usize = 18;
const LONG: usize = 64;
/// Five tokens see one another.
const WINDOWS: [usize; 2] = [8, 16];
/// Largest difference that is allowed between f32 here and f32 in transformers.
const TOLERANCE: f32 = 1e-5;

type All = BTreeMap<String, (Vec<usize>, Vec<f32>)>;

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/convert").join(name)
}

fn options() -> ConvertOptions {
    ConvertOptions {
        max_tokens: Some(MAX_TOKENS),
        attention_window: Some(WINDOWS.to_vec()),
        ..ConvertOptions::default()
    }
}

/// All tensors of a folder but the buffer of whole numbers.
fn all(folder: &Path) -> All {
    let tensors = Tensors::open(&Source::Folder(folder.into())).unwrap();
    let read = |name: &str| {
        let view = tensors.get(name).unwrap().unwrap();
        let mut values = vec![0.0; view.shape.iter().product()];
        view.copy_to(&mut values);
        (name.to_string(), (view.shape, values))
    };
    tensors.names().filter(|name| !name.ends_with("position_ids")).map(read).collect()
}

/// The rule of conversion, implemented a second time: the values of a tensor of the long model.
fn by_the_rule(name: &str, source: &str, short: &All) -> Vec<f32> {
    let is_bert = source.starts_with("bert") || source.starts_with("distilbert");
    if source.starts_with("distilbert") && name.ends_with("token_type_embeddings.weight") {
        return vec![0.0; 16];
    }
    let bert_heads = [
        ("lm_head.dense", "cls.predictions.transform.dense"),
        ("lm_head.layer_norm", "cls.predictions.transform.LayerNorm"),
        ("lm_head.bias", "cls.predictions.bias"),
        ("classifier.dense", "bert.pooler.dense"),
        ("classifier.out_proj", "classifier"),
    ];
    let mut own = name.to_string();
    let distilbert_layers = [
        ("encoder.layer", "transformer.layer"),
        ("self.query", "q_lin"),
        ("self.key", "k_lin"),
        ("self.value", "v_lin"),
        ("attention.output.dense", "attention.out_lin"),
        ("attention.output.LayerNorm", "sa_layer_norm"),
        ("intermediate.dense", "ffn.lin1"),
        ("output.dense", "ffn.lin2"),
        ("output.LayerNorm", "output_layer_norm"),
    ];
    let names: &[_] = if source.starts_with("distilbert") { &distilbert_layers } else { &bert_heads };
    for (long, ours) in names.iter().filter(|_| is_bert) {
        own = own.replace("_global", "").replace(long, ours);
    }
    let own = own.replace("_global", "");
    let of = |prefix: &str| short.get(&own.replace("longformer.", prefix));
    let (shape, values) =
        of("bert.").or(of("roberta.")).or(of("distilbert.")).or(of("")).unwrap_or_else(|| panic!("no {own}"));
    if !name.ends_with("position_embeddings.weight") {
        return values.clone();
    }
    let c = shape[1];
    let (before, first) = if is_bert { (vec![0.0; c], 0) } else { (values[..2 * c].to_vec(), 2) };
    let rows = (0..MAX_TOKENS).flat_map(|i| &values[(first + i % SHORT) * c..][..c]);
    before.iter().chain(rows).copied().collect()
}

fn check_tensors(name: &str, folder: &Path) {
    let (short, long) = (all(&golden(name)), all(folder));
    for (tensor, (shape, values)) in &long {
        assert_eq!(shape.iter().product::<usize>(), values.len());
        assert!(*values == by_the_rule(tensor, name, &short), "{name}: {tensor}");
    }
    let globals = long.keys().filter(|tensor| tensor.contains("_global.")).count();
    assert_eq!(globals, 2 * 6, "{name}");
}

/// Compares with what transformers computed with the source.
fn check_outputs(name: &str, folder: &Path, task: Task) {
    let source = Source::Folder(folder.into());
    let config = source.config().unwrap();
    let model = Model::load(config, task, Precision::F32, &Tensors::open(&source).unwrap()).unwrap();
    let bytes = fs::read(golden(name).join("golden.safetensors")).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let bits = |field: String| -> Option<Vec<u32>> {
        let data = file.tensor(&field).ok()?.data().to_vec();
        Some(data.as_chunks().0.iter().map(|bytes| u32::from_le_bytes(*bytes)).collect())
    };
    for n in 0..3 {
        let ids = bits(format!("{n}.input_ids")).unwrap();
        let token_type_ids = bits(format!("{n}.token_type_ids")).unwrap();
        let chosen = bits(format!("{n}.global"));
        let any = || vec![vec![], vec![0], (0..ids.len()).collect()];
        for globals in chosen.map_or_else(any, |own| vec![own.into_iter().map(|i| i as usize).collect::<Vec<_>>()]) {
            let batch = Batch::of(Sequence { ids: &ids, token_type_ids: Some(&token_type_ids), globals: &globals });
            let (hidden, logits) = (model.hidden_states(&batch).unwrap(), model.logits(&batch).unwrap().values);
            for (field, found) in [("hidden", hidden), ("logits", logits)] {
                let Some(expected) = bits(format!("{n}.{field}")) else {
                    assert_eq!((field, task), ("logits", Task::Encoder));
                    continue;
                };
                assert_eq!(found.len(), expected.len(), "{name} {n} {field}");
                for (found, expected) in found.iter().zip(expected.into_iter().map(f32::from_bits)) {
                    assert!((found - expected).abs() < TOLERANCE, "{name} {n} {field}: {found} for {expected}");
                }
            }
        }
    }
}

/// Checks the token ids and token types of a pair.
fn check_pair(name: &str, folder: &Path) {
    let read = |file: &str| Source::Folder(folder.into()).read(file);
    let tokenizer = Tokenizer::load(read).unwrap();
    let (cls, sep) = (tokenizer.cls_token_id, tokenizer.sep_token_id);
    let ids = |text: &str| tokenizer.encode(text).unwrap().ids;
    let (question, document) = ("a b ?", "b a c a b a b");
    let (first, second) = (ids(question), ids(document));
    let stored = tokenizers::Tokenizer::from_bytes(read("tokenizer.json").unwrap().unwrap()).unwrap();
    let pair = stored.encode((question, document), true).unwrap();
    assert_eq!(pair.get_ids(), [&[cls][..], &first, &[sep, sep], &second, &[sep]].concat(), "{name}");
    let second_type = u32::from(name.starts_with("bert"));
    let types = [vec![0; first.len() + 3], vec![second_type; second.len() + 1]].concat();
    assert_eq!(pair.get_type_ids(), types, "{name}");
    let single = stored.encode(question, true).unwrap();
    assert_eq!(single.get_ids(), [&[cls][..], &first, &[sep]].concat(), "{name}");
    let config: serde_json::Value = serde_json::from_slice(&read("tokenizer_config.json").unwrap().unwrap()).unwrap();
    assert_eq!(config["model_max_length"], MAX_TOKENS, "{name}");
}

#[test]
fn long_models_follow_the_rule() {
    for (name, task, left_out) in SOURCES {
        let out = tempfile::tempdir().unwrap();
        let made = convert(&Source::Folder(golden(name)), out.path(), &options()).unwrap();
        let Conversion { config, comparison, .. } = &made;
        assert_eq!(
            (made.task, made.left_out.as_slice(), made.source_max_tokens),
            (task, to_owned(left_out).as_slice(), SHORT)
        );
        assert_eq!(*config, Source::Folder(out.path().into()).config().unwrap(), "{name}");
        assert_eq!(config.architecture, Some(task.architecture(ModelKind::LONGFORMER)));
        assert_eq!((config.attention_window.as_slice(), config.max_tokens()), (&WINDOWS[..], MAX_TOKENS), "{name}");
        let labels = if name.ends_with("sequence") || name.ends_with("token") { 3 } else { 0 };
        assert_eq!(config.labels.len(), labels, "{name}");
        assert_eq!(comparison.tokens, 5, "{name}");
        assert!(
            comparison.difference < 1e-5 && comparison.logit_difference.is_none_or(|d| d < 1e-5),
            "{name}: {comparison:?}"
        );
        assert_eq!(comparison.logit_difference.is_none(), task == Task::Encoder, "{name}");
        let mut files: Vec<_> = fs::read_dir(out.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        files.sort();
        assert_eq!(files, ["config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"], "{name}");
        check_tensors(name, out.path());
        check_outputs(name, out.path(), task);
        check_pair(name, out.path());
    }
}

#[test]
fn a_longformer_of_any_make_keeps_its_outputs() {
    for (name, task) in LONG_SOURCES {
        let source = Source::Folder(golden(name));
        let one_sided_windows = name.starts_with("longformer");
        match one_sided_windows {
            // What reads the folder as it is would compute something else.
            true => assert!(source.config().is_err(), "{name}"),
            false => check_outputs(name, &golden(name), task),
        }
        for max_tokens in [None, Some(LONG + 40)] {
            let out = tempfile::tempdir().unwrap();
            let options = ConvertOptions { one_sided_windows, max_tokens, ..ConvertOptions::default() };
            let made = convert(&source, out.path(), &options).unwrap();
            assert_eq!((made.task, made.model_type.as_str(), made.source_max_tokens), (task, "longformer", LONG));
            assert_eq!((made.left_out.len(), made.comparison.tokens), (0, 5), "{name}");
            assert_eq!(made.config.attention_window, WINDOWS, "{name}");
            assert_eq!(made.config.max_tokens(), max_tokens.unwrap_or(LONG), "{name}");
            check_outputs(name, out.path(), task);
        }
    }
}

fn to_owned(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| name.to_string()).collect()
}

/// A copy of a folder whose files can be changed.
fn copy(from: &Path) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        fs::copy(&path, folder.path().join(path.file_name().unwrap())).unwrap();
    }
    folder
}

/// Writes the tensors of a folder again, under other names or with other values.
fn rewrite(folder: &Path, change: impl Fn(&str, &mut Vec<f32>) -> String) {
    edit_tensors(folder, |tensors| {
        for (name, (shape, mut values)) in std::mem::take(tensors) {
            tensors.insert(change(&name, &mut values), (shape, values));
        }
    });
}

fn edit_tensors(folder: &Path, edit: impl FnOnce(&mut All)) {
    let mut tensors = all(folder);
    edit(&mut tensors);
    let tensors: Vec<_> =
        tensors.iter().map(|(name, (shape, values))| (name.as_str(), &shape[..], &values[..])).collect();
    write_safetensors(&folder.join("model.safetensors"), DType::F32, &tensors, &[]).unwrap();
}

fn edit_config(folder: &Path, edit: impl FnOnce(&mut serde_json::Map<String, serde_json::Value>)) {
    let path = folder.join("config.json");
    let mut config: serde_json::Map<_, _> = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    edit(&mut config);
    fs::write(path, serde_json::to_vec(&config).unwrap()).unwrap();
}

#[test]
fn old_names_and_old_configurations_are_converted() {
    let plain = tempfile::tempdir().unwrap();
    convert(&Source::Folder(golden("bert-qa")), plain.path(), &options()).unwrap();
    let old = copy(&golden("bert-qa"));
    rewrite(old.path(), |name, _| {
        let name = name.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta");
        name.strip_prefix("bert.").unwrap_or(&name).to_string()
    });
    edit_config(old.path(), |config| {
        config.remove("model_type");
        config.insert("pad_token_id".into(), serde_json::Value::Null);
    });
    let out = tempfile::tempdir().unwrap();
    let made = convert(&Source::Folder(old.path().into()), out.path(), &options()).unwrap();
    assert_eq!((made.model_type.as_str(), made.left_out.len()), ("bert", 0));
    for file in ["model.safetensors", "config.json"] {
        assert!(fs::read(out.path().join(file)).unwrap() == fs::read(plain.path().join(file)).unwrap(), "{file}");
    }
}

#[test]
fn an_old_longformer_is_converted() {
    let long = tempfile::tempdir().unwrap();
    convert(&Source::Folder(golden("xlm-roberta-qa")), long.path(), &options()).unwrap();
    // Its global projections differ from the local ones, so that a mix-up would fail the test.
    rewrite(long.path(), |name, values| {
        if name.contains("_global.") {
            values.iter_mut().enumerate().for_each(|(i, x)| *x += (i % 7) as f32 / 10.0);
        }
        name.to_string()
    });
    let old = copy(long.path());
    rewrite(old.path(), |name, _| {
        let name = name.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta");
        name.replace("longformer.", "roberta.")
    });
    edit_config(old.path(), |config| {
        config.insert("model_type".into(), "roberta".into());
        config.insert("attention_window".into(), WINDOWS.map(|window| window / 2).to_vec().into());
        config.insert("attention_mode".into(), "longformer".into());
        config.insert("attention_dilation".into(), vec![1, 1].into());
    });
    let (out, longer) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let one_sided = ConvertOptions { one_sided_windows: true, ..ConvertOptions::default() };
    let made = convert(&Source::Folder(old.path().into()), out.path(), &one_sided).unwrap();
    assert_eq!((made.model_type.as_str(), made.comparison.tokens), ("longformer", 5));
    assert!(all(out.path()) == all(long.path()));
    for file in ["config.json", "tokenizer.json"] {
        assert!(fs::read(out.path().join(file)).unwrap() == fs::read(long.path().join(file)).unwrap(), "{file}");
    }

    let more = ConvertOptions { max_tokens: Some(120), ..one_sided };
    let made = convert(&Source::Folder(old.path().into()), longer.path(), &more).unwrap();
    assert_eq!((made.source_max_tokens, made.config.max_tokens()), (MAX_TOKENS, 120));
    let rows = |folder: &Path| all(folder)["longformer.embeddings.position_embeddings.weight"].1.clone();
    let (short, longer) = (rows(long.path()), rows(longer.path()));
    let c = made.config.hidden_size;
    for i in 0..120 {
        assert_eq!(longer[(2 + i) * c..][..c], short[(2 + i % MAX_TOKENS) * c..][..c], "position {i}");
    }
}

/// Sets a key of `config.json`.
fn set(key: &'static str, value: serde_json::Value) -> impl FnOnce(&Path) {
    move |folder| edit_config(folder, |config| drop(config.insert(key.into(), value)))
}

/// Sets `model_type`, and removes the architecture.
fn retype(model_type: Option<&'static str>) -> impl FnOnce(&Path) {
    move |folder| {
        edit_config(folder, |config| {
            config.remove("architectures");
            config.insert("model_type".into(), model_type.into());
        });
    }
}

/// Renames tensors.
fn rename(from: &'static str, to: &'static str) -> impl FnOnce(&Path) {
    move |folder| rewrite(folder, |name, _| name.replace(from, to))
}

/// Changes a source and converts it: that must fail with this message and write nothing.
#[track_caller]
/// Logits of a converted model: (T, 2).
fn logits(folder: &Path) -> Vec<f32> {
    let source = Source::Folder(folder.into());
    let tensors = Tensors::open(&source).unwrap();
    let model = Model::load(source.config().unwrap(), Task::QuestionAnswering, Precision::F32, &tensors).unwrap();
    let ids: Vec<u32> = (0..40).map(|i| i % 16).collect();
    model.logits(&Batch::of(Sequence { ids: &ids, token_type_ids: None, globals: &[0, 1] })).unwrap().values
}

#[test]
fn stored_weights_are_rounded_once() {
    let folder = tempfile::tempdir().unwrap();
    let source = Source::Folder(golden("bert-qa"));
    let make = |source: &Source, name: &str, store| {
        let out = folder.path().join(name);
        let options = if source.config().is_ok() { ConvertOptions::default() } else { options() };
        convert(source, &out, &ConvertOptions { store, ..options }).unwrap();
        out
    };
    let whole = make(&source, "whole", DType::F32);
    let exact = logits(&whole);
    for (dtype, most) in [(DType::F32, 0.0), (DType::F16, 1e-3), (DType::BF16, 1e-2), (DType::Int8, 2e-2)] {
        let once = make(&source, &format!("{dtype}"), dtype);
        let again = make(&Source::Folder(once.clone()), &format!("{dtype}-again"), dtype);
        let found = logits(&once);
        let difference = exact.iter().zip(&found).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(difference <= most && (difference > 0.0 || dtype == DType::F32), "{dtype}: {difference}");
        assert!(
            fs::read(once.join("model.safetensors")).unwrap() == fs::read(again.join("model.safetensors")).unwrap()
        );
    }
    let large = folder.path().join("large");
    for entry in fs::read_dir(&whole).unwrap() {
        let entry = entry.unwrap();
        fs::create_dir_all(&large).unwrap();
        fs::copy(entry.path(), large.join(entry.file_name())).unwrap();
    }
    let mut tensors = all(&whole);
    tensors.get_mut("qa_outputs.bias").unwrap().1[0] = 70_000.0;
    let tensors: Vec<_> = tensors.iter().map(|(name, (shape, values))| (&**name, &shape[..], &values[..])).collect();
    write_safetensors(&large.join("model.safetensors"), DType::F32, &tensors, &[]).unwrap();
    let error = convert(
        &Source::Folder(large),
        &folder.path().join("out"),
        &ConvertOptions { store: DType::F16, ..ConvertOptions::default() },
    );
    assert_eq!(error.unwrap_err().to_string(), "store f16: the weights have a number of 70000, f16 ends at 65504");
    assert!(!folder.path().join("out").exists());
}

fn fails(name: &str, change: impl FnOnce(&Path), options: &ConvertOptions, message: &str) {
    let source = copy(&golden(name));
    change(source.path());
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    let error = convert(&Source::Folder(source.path().into()), &out, options).unwrap_err().to_string();
    assert!(error.contains(message), "`{message}` is not in `{error}`");
    assert!(!out.exists());
}

#[test]
fn conversion_errors_name_the_cause() {
    let check = |key, value: serde_json::Value, message: &str| fails("bert", set(key, value), &options(), message);
    check("model_type", "distilbert".into(), "model_type `distilbert` contradicts the architecture");
    check("model_type", "t5".into(), "model_type `t5`: expected `longformer`, `bert`, `roberta`,");
    check("hidden_act", "swish".into(), "hidden_act `swish`");
    check("position_embedding_type", "relative_key".into(), "position_embedding_type `relative_key`");
    check("is_decoder", true.into(), "is_decoder true");
    check("intermediate_size", 25.into(), "expected shape [25, 16], file has [24, 16]");
    check("autoregressive", true.into(), "autoregressive true");
    check("num_hidden_layers", 3.into(), "attention_window has 2 numbers, the model has 3 layers");
    let windows_of_one = ConvertOptions { attention_window: Some(vec![8]), ..options() };
    let fewer = set("num_hidden_layers", 1.into());
    fails("bert", fewer, &windows_of_one, "num_hidden_layers 1: the weights have more");
    check("vocab_size", 14.into(), "15 tokens, the model has 14");
    check("pad_token_id", (1u32 << 31).into(), "pad_token_id 2147483648: the model has 16 tokens");
    check("max_position_embeddings", 17.into(), "expected shape [17, 16], file has [18, 16]");

    let nothing = |_: &Path| {};
    let windows = |windows: &[usize]| ConvertOptions { attention_window: Some(windows.to_vec()), ..options() };
    fails("bert", nothing, &windows(&[7]), "attention_window 7: expected an even, positive number");
    fails("bert", nothing, &windows(&[8, 0]), "attention_window 0: expected an even, positive number");
    fails("bert", nothing, &windows(&[8, 8, 8]), "attention_window has 3 numbers, the model has 2 layers");
    let tokens = |tokens| ConvertOptions { max_tokens: Some(tokens), ..options() };
    fails("bert", nothing, &tokens(0), "max_tokens 0: expected 1 to 1048576");
    fails("bert", nothing, &tokens(1 << 21), "max_tokens 2097152: expected 1 to 1048576");
    let one_sided = ConvertOptions { one_sided_windows: true, ..options() };
    fails("bert", nothing, &one_sided, "one_sided_windows needs a Longformer: the model is a `bert`");
    let take = |file: &'static str| move |folder: &Path| fs::remove_file(folder.join(file)).unwrap();
    fails("bert-qa", take("vocab.txt"), &options(), "no tokenizer");
    fails("bert-qa", take("model.safetensors"), &options(), "no weights");
    fails("bert-qa", take("config.json"), &options(), "no `config.json`");
}

#[test]
fn a_longformer_keeps_its_positions_and_windows() {
    let long = tempfile::tempdir().unwrap();
    convert(&Source::Folder(golden("bert-qa")), long.path(), &options()).unwrap();
    let check = |options: &ConvertOptions, message: &str| {
        let out = tempfile::tempdir().unwrap();
        let error = convert(&Source::Folder(long.path().into()), out.path(), options).unwrap_err().to_string();
        assert!(error.contains(message), "{error}");
    };
    check(&options(), "attention_window cannot be chosen: the model is a Longformer with windows [8, 16]");
    let fewer = ConvertOptions { max_tokens: Some(49), ..ConvertOptions::default() };
    check(&fewer, "max_tokens 49: the model has positions for 50 tokens already");
}

/// What the source computes is known, or it is not converted.
#[test]
fn a_source_that_would_be_misread_is_refused() {
    let own = ConvertOptions::default();
    let one_sided = ConvertOptions { one_sided_windows: true, ..ConvertOptions::default() };

    // The type says where positions start, so the class and the names must be its own.
    fails("bert-long-qa", set("model_type", "longformer".into()), &own, "model_type `longformer` contradicts the arch");
    fails(
        "roberta-qa",
        set("model_type", "bert".into()),
        &options(),
        "contradicts the architecture `RobertaForQuestion",
    );
    fails("bert-qa", retype(Some("roberta")), &options(), "tensor `roberta.embeddings.word_embeddings.weight`");
    fails("roberta-qa", retype(Some("bert")), &options(), "tensor `bert.embeddings.word_embeddings.weight`");
    fails("bert-long-qa", retype(Some("longformer")), &own, "tensor `longformer.embeddings.");
    fails("bert-long-qa", set("model_type", "bigbird".into()), &own, "model_type `bigbird`");
    fails("bert-long-qa", retype(None), &own, "tensor `longformer.embeddings.");

    // A Longformer has windows, and the code of its authors has other kinds of attention.
    fails(
        "bert-long-qa",
        set("attention_window", serde_json::Value::Null),
        &options(),
        "model_type `bert`: it has no `bert.encoder.layer.0.attention.self.key_global.bias`",
    );
    fails(
        "bert-qa",
        set("attention_window", 8.into()),
        &own,
        "tensor `bert.encoder.layer.0.attention.self.query_global.weight`",
    );
    for name in ["longformer-qa", "longformer-masked-lm"] {
        fails(name, |_| {}, &own, "one_sided_windows must be chosen: with attention_mode `tvm`");
        fails(name, set("attention_mode", "n2".into()), &one_sided, "attention_mode `n2`");
    }
}

/// An encoder that has more than a Longformer's, or less, computes something else.
#[test]
fn the_encoder_must_be_that_of_its_type() {
    let relative = rename("pooler.dense.weight", "encoder.layer.1.attention.self.distance_embedding.weight");
    fails("bert", relative, &options(), "it has no `encoder.layer.1.attention.self.distance_embedding.weight`, which");
    let table = rename("cls.seq_relationship.weight", "bert.embeddings.languages.weight");
    fails(
        "bert-pretraining",
        table,
        &options(),
        "model_type `bert`: it has no `bert.embeddings.languages.weight`, which",
    );

    for table in ["position", "token_type", "word"] {
        let name = format!("embeddings.{table}_embeddings.weight");
        let take = |folder: &Path| rewrite(folder, |own, _| own.replace(&name, "taken.weight"));
        fails("roberta-qa", take, &options(), &format!("tensor `roberta.{name}`: not in the checkpoint"));
    }
    fails("bert-qa", rename("qa_outputs.bias", "taken.bias"), &options(), "tensor `qa_outputs.bias`: not in the");
}

/// A Longformer's decoder is its word embeddings. A head with another one is left out.
#[test]
fn heads_are_tied_or_left_out() {
    for (name, head) in [("bert-pretraining", "cls.predictions"), ("camembert-masked-lm", "lm_head")] {
        let check = |part: Option<&str>, more: f32, tied: Option<bool>, task: Task| {
            let source = copy(&golden(name));
            edit_tensors(source.path(), |tensors| {
                let Some(part) = part else { return };
                let of = |name: &String| match part {
                    "weight" => name.ends_with("word_embeddings.weight"),
                    _ => *name == format!("{head}.bias"),
                };
                let (shape, mut values) = tensors.iter().find(|(name, _)| of(name)).unwrap().1.clone();
                values[3] += more;
                tensors.insert(format!("{head}.decoder.{part}"), (shape, values));
            });
            edit_config(source.path(), |config| {
                config.insert("tie_word_embeddings".into(), tied.into());
            });
            let out = tempfile::tempdir().unwrap();
            let made = convert(&Source::Folder(source.path().into()), out.path(), &options()).unwrap();
            assert_eq!(made.task, task, "{name} {part:?} {more} {tied:?}");
            assert_eq!(made.left_out.iter().any(|module| module.starts_with(head)), task == Task::Encoder);
        };
        check(None, 0.0, None, Task::MaskedLm);
        check(None, 0.0, Some(true), Task::MaskedLm);
        check(None, 0.0, Some(false), Task::Encoder);
        for part in ["weight", "bias"] {
            check(Some(part), 0.0, None, Task::MaskedLm);
            check(Some(part), 1.0, None, Task::Encoder);
        }
        check(Some("weight"), 0.0, Some(false), Task::MaskedLm);
    }
}

/// The weights have a NaN, so the difference is more than rounding.
#[test]
fn a_model_that_differs_from_its_source_is_not_kept() {
    let spoil = |folder: &Path| {
        rewrite(folder, |name, values| {
            if name == "qa_outputs.bias" {
                values[0] = f32::NAN;
            }
            name.to_string()
        });
    };
    fails("bert-qa", spoil, &options(), "the converted model differs from its source by inf");
}

/// A run was killed between its moves, and the user has put a file beside what it had moved.
#[test]
fn what_a_killed_conversion_left_is_made_whole_by_a_later_one() {
    let folder = tempfile::tempdir().unwrap();
    let (whole, out) = (folder.path().join("whole"), folder.path().join("out"));
    let source = Source::Folder(golden("bert"));
    convert(&source, &whole, &options()).unwrap();
    let draft = out.join(".longspan-unfinished");
    fs::create_dir_all(&draft).unwrap();
    let names = ["config.json", "tokenizer.json", "tokenizer_config.json", "model.safetensors"];
    let listed = |name: &str| format!("{:08x} {name}\n", crc32fast::hash(&fs::read(whole.join(name)).unwrap()));
    fs::write(draft.join("moved"), names.map(listed).concat()).unwrap();
    for (i, name) in names.iter().enumerate() {
        fs::copy(whole.join(name), if i == 0 { &out } else { &draft }.join(name)).unwrap();
    }
    fs::write(out.join("notes.txt"), "mine").unwrap();
    for _ in 0..2 {
        let error = convert(&source, &out, &options()).unwrap_err();
        assert!(error.to_string().ends_with("the folder is not empty"), "{error}");
    }
    fs::remove_file(out.join("notes.txt")).unwrap();
    convert(&source, &out, &options()).unwrap();
    assert_eq!(all(&out), all(&whole));
    assert!(!draft.exists());
}

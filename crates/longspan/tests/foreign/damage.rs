//! How much damage each reader notices: of a golden file, bits are flipped, one at a time, and ends are cut off. The counts
//! of damaged files that are taken all the same stand in a table. What no reader can notice, a flipped bit of a weight or
//! of a letter, is most of them.

use std::fs;
use std::path::Path;

use longspan::Error;
use longspan::checkpoint::{Source, Tensors};
use longspan::convert::{ConvertOptions, convert};
use longspan::model::Precision;
use longspan::reader::{Reader, ReaderSettings};
use serde_json::json;
use tempfile::TempDir;

use super::damage_trials::taken;
use super::hostile::{small_config, tokenizer};
use super::{ALLOCATIONS, golden};

/// A folder with a golden file, and how it is read.
struct Trial {
    name: &'static str,
    folder: TempDir,
    file: &'static str,
    /// Whether the file is taken.
    read: fn(&Path) -> bool,
    /// How many damaged files are taken: of those with a flipped bit, and of those that are cut.
    taken: [usize; 2],
}

/// A trial of `file` in a folder with these files.
fn trial(name: &'static str, files: &[(&'static str, Vec<u8>)], read: fn(&Path) -> bool, taken: [usize; 2]) -> Trial {
    let folder = tempfile::tempdir().unwrap();
    for (name, content) in files {
        fs::write(folder.path().join(name), content).unwrap();
    }
    Trial { name, folder, file: files[0].0, read, taken }
}

fn content(path: impl AsRef<Path>) -> Vec<u8> {
    fs::read(path).unwrap()
}

fn weights(folder: &Path) -> bool {
    Tensors::open(&Source::Folder(folder.into())).is_ok()
}

/// Opens a checkpoint. In most trials it has no weights, which are looked for last.
fn checkpoint(folder: &Path) -> bool {
    match Reader::from_source(&Source::Folder(folder.into()), Precision::F32) {
        Ok(_) => true,
        Err(error) => matches!(error, Error::MissingFile { .. }),
    }
}

fn checkpoints() -> Vec<Trial> {
    let of = |file: &str| content(golden("checkpoints").join(file));
    let shard = |file: &'static str| (file, of(&format!("sharded-bin-f32/{file}")));
    let index = [
        shard("pytorch_model.bin.index.json"),
        shard("pytorch_model-00001-of-00002.bin"),
        shard("pytorch_model-00002-of-00002.bin"),
    ];
    let bin = "pytorch_model.bin";
    vec![
        trial("safetensors", &[("model.safetensors", of("tiny-f32.safetensors"))], weights, [452, 0]),
        trial("archive of torch", &[(bin, of("tiny-zip-f32.bin"))], weights, [512, 0]),
        trial("older format of torch", &[(bin, of("tiny-legacy-f32.bin"))], weights, [356, 0]),
        trial("index of shards", &index, weights, [7, 0]),
    ]
}

fn settings() -> Vec<Trial> {
    let converted = tempfile::tempdir().unwrap();
    let out = converted.path().join("out");
    let options =
        ConvertOptions { max_tokens: Some(256), attention_window: Some(vec![16]), ..ConvertOptions::default() };
    convert(&Source::Folder(golden("convert/roberta-qa")), &out, &options).unwrap();
    let of = |file: &'static str| (file, content(out.join(file)));
    let logistic = json!({"logit": 0.5, "ln_tokens": -0.25, "constant": 1.5});
    let longspan = json!({"null_score_diff_threshold": -2.5, "max_answer_length": 30, "separators": 2, "verify_tokens": 384,
        "calibration": {"score": logistic, "no_answer_score": logistic, "fitted_on": "1000 questions"}});
    let settings: fn(&Path) -> bool = |folder| ReaderSettings::load(&Source::Folder(folder.into()), 2).is_ok();
    let config = [of("config.json"), of("model.safetensors"), of("tokenizer.json")];
    vec![
        trial("config.json", &config, checkpoint, [342, 1]),
        trial("longspan.json", &[("longspan.json", longspan.to_string().into_bytes())], settings, [85, 0]),
    ]
}

/// The tokenizers of models of their size.
fn tokenizers() -> Vec<Trial> {
    let config = |vocab_size: usize| ("config.json", small_config(vocab_size).into_bytes());
    let words = (0..1995).map(|i| format!("word{i}\n")).collect::<String>();
    let vocab_txt = format!("[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\n{words}").into_bytes();
    // The letters, then each pair of two of the first forty.
    let letters: Vec<char> = ('!'..='~').collect();
    let pairs: Vec<_> = letters[..40].iter().flat_map(|a| letters[..40].iter().map(move |b| [*a, *b])).collect();
    let mut tokens: Vec<String> = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"].map(String::from).into();
    tokens.extend(letters.iter().map(char::to_string).chain(pairs.iter().map(|pair| pair.iter().collect())));
    let bpe = config(tokens.len());
    let vocab_json: serde_json::Map<_, _> = tokens.into_iter().zip(0..).map(|(token, id)| (token, json!(id))).collect();
    let vocab_json = ("vocab.json", json!(vocab_json).to_string().into_bytes());
    let merges_txt: String = pairs.iter().map(|[a, b]| format!("{a} {b}\n")).collect();
    let merges_txt = ("merges.txt", merges_txt.into_bytes());
    let tokenizer_json = ("tokenizer.json", tokenizer(&[]).to_string().into_bytes());
    vec![
        trial("tokenizer.json", &[tokenizer_json, config(15)], checkpoint, [84, 0]),
        trial("vocab.txt", &[("vocab.txt", vocab_txt), config(2000)], checkpoint, [876, 34]),
        trial("vocab.json", &[vocab_json.clone(), merges_txt.clone(), bpe.clone()], checkpoint, [3, 0]),
        trial("merges.txt", &[merges_txt, vocab_json, bpe], checkpoint, [350, 19]),
    ]
}

#[test]
fn damage_is_noticed_as_often_as_the_table_has_it() {
    let _counted = ALLOCATIONS.read();
    let mut found = Vec::new();
    for trial in [checkpoints(), settings(), tokenizers()].into_iter().flatten() {
        let path = trial.folder.path().join(trial.file);
        let [[flipped, _], [cut, _]] = taken(trial.name, &content(&path), |damaged| {
            fs::write(&path, damaged).unwrap();
            (trial.read)(trial.folder.path())
        });
        if [flipped, cut] != trial.taken {
            found.push(format!("{}: {:?}, found {:?}", trial.name, trial.taken, [flipped, cut]));
        }
    }
    assert!(found.is_empty(), "{found:#?}");
}

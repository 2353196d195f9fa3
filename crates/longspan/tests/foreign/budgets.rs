//! The memory that a hostile file may take. An allocator counts.

use std::fs;
use std::io::Read;
use std::sync::Arc;

use longspan::checkpoint::{Source, Tensors};
use longspan::convert::{ConvertOptions, convert};
use longspan::model::{Model, Parameters, Precision, Task};
use longspan::reader::ReaderSettings;
use longspan::tokenizer::Tokenizer;
use peak_alloc::PeakAlloc;
use serde_json::{Value, json};

use super::hostile::{added_token, archive, claims, pickle, pieces, replace, safetensors, sequence, tokenizer};
use super::{ALLOCATIONS, golden};

#[global_allocator]
static PEAK: PeakAlloc = PeakAlloc;

const MB: usize = 1 << 20;

/// What is tried, the budget in bytes, and the trial, which says whether the file was taken.
struct Case {
    name: &'static str,
    budget: usize,
    taken: bool,
    run: Box<dyn FnOnce(&std::path::Path) -> bool>,
}

fn case(name: &'static str, budget: usize, taken: bool, run: impl FnOnce(&std::path::Path) -> bool + 'static) -> Case {
    Case { name, budget, taken, run: Box::new(run) }
}

/// Opens the weights of a folder with one file.
fn weights(name: &'static str, file: &'static str, budget: usize, taken: bool, content: Vec<u8>) -> Case {
    case(name, budget, taken, move |folder| {
        fs::write(folder.join(file), &content).unwrap();
        Tensors::open(&Source::Folder(folder.into())).is_ok()
    })
}

/// A folder with a configuration that claims petabytes beside the small weights of a golden model.
fn claimed(
    name: &'static str,
    model: &'static str,
    config: String,
    load: impl FnOnce(&Source, &std::path::Path) -> bool + 'static,
) -> Case {
    case(name, 8 * MB, false, move |folder| {
        for file in fs::read_dir(golden(model)).unwrap() {
            let file = file.unwrap();
            fs::copy(file.path(), folder.join(file.file_name())).unwrap();
        }
        fs::write(folder.join("config.json"), &config).unwrap();
        load(&Source::Folder(folder.into()), folder)
    })
}

fn pickles() -> Vec<Case> {
    let (bin, name) = ("pytorch_model.bin", "n".repeat(1024));
    let first = b"s"; // the first item
    let items = |of: &[u8], count: usize| [first, &of.repeat(count)[..]].concat();
    let objects = [&first[..], b"]", &b"N".repeat(1_000_000)].concat();
    vec![
        weights(
            "a name of 1 KiB, recalled 200,000 times",
            bin,
            16 * MB,
            true,
            pickle(&name, &items(b"h\0h\x01s", 200_000)),
        ),
        weights(
            "a name of 8 MiB, recalled",
            bin,
            24 * MB,
            false,
            pickle(&"n".repeat(8 * MB), &items(b"h\0h\x01s", 1000)),
        ),
        weights("3,000,000 items", bin, 64 * MB, false, pickle("n", &items(b"h\0h\x01s", 3_000_000))),
        weights("1,000,000 tensors", bin, 64 * MB, false, pickle("n", &items(b"h\0h\x02h\x03Rs", 1_000_000))),
        weights("1,000,000 objects", bin, 72 * MB, false, pickle("n", &objects)),
        weights("a memo with a large number", bin, 16 * MB, false, pickle("n", b"r\xff\xff\xff\xff")),
    ]
}

fn other_weights() -> Vec<Case> {
    let tensor = |i: usize| format!(r#""{i:x}":{{"dtype":"F32","shape":[0],"data_offsets":[0,0]}}"#);
    let shape = |name: &'static str, shape: String| {
        let header = format!(r#"{{"a":{{"dtype":"F32","data_offsets":[0,0],"shape":{shape}"#);
        weights(name, "model.safetensors", 4 * MB, false, safetensors(&header))
    };
    let tensors = (0..68_000).map(tensor).collect::<Vec<_>>().join(",");
    let shard = |i: usize| format!(r#""{i:x}":"a.bin""#);
    let index = format!(r#"{{"weight_map":{{{}}}}}"#, (0..280_000).map(shard).collect::<Vec<_>>().join(","));
    vec![
        weights("68,000 tensors", "model.safetensors", 80 * MB, true, safetensors(&format!("{{{tensors}}}"))),
        weights(
            "a header of 16 MiB",
            "model.safetensors",
            MB,
            false,
            safetensors(&format!("{{{}}}", " ".repeat(16 * MB))),
        ),
        shape("a shape of 2,000,000 sizes", format!("[{}0]}}}}", "0,".repeat(2_000_000))),
        shape("a shape of 2,000,000 sizes without an end", format!("[{}", "0,".repeat(2_000_000))),
        shape("a shape of 1,000,000 lists", format!("[{}0]}}}}", "[],".repeat(1_000_000))),
        weights("an archive of 300,000 entries", "pytorch_model.bin", MB, false, archive(300_000)),
        weights("an archive of 60,000 entries", "pytorch_model.bin", 64 * MB, false, archive(60_000)),
        weights("280,000 tensors in shards", "model.safetensors.index.json", 80 * MB, false, index.into_bytes()),
    ]
}

fn configurations() -> Vec<Case> {
    let nested = |file: &'static str, bytes: usize| {
        let content = format!(r#"{{"model_type":"longformer","x":[{}[]]}}"#, "[],".repeat(bytes / 3));
        move |folder: &std::path::Path| {
            fs::write(folder.join(file), &content).unwrap();
            Source::Folder(folder.into())
        }
    };
    let [config, longer, settings] =
        [("config.json", 1_000_000), ("config.json", 60 * MB), ("longspan.json", 1_000_000)].map(|(f, b)| nested(f, b));
    let load = |source: &Source, task| {
        let config = source.config().unwrap();
        Parameters::load(&config, task, &Tensors::open(source).unwrap(), 0).is_ok()
    };
    vec![
        case("a config.json of lists", 64 * MB, true, move |folder| config(folder).config().is_ok()),
        case("a config.json of 60 MiB", 4 * MB, false, move |folder| longer(folder).config().is_ok()),
        case("a longspan.json of lists", 4 * MB, false, move |folder| {
            ReaderSettings::load(&settings(folder), 2).is_ok()
        }),
        claimed("claims, asked", "models/qa", claims("longformer", 120), |source, _| {
            let config = source.config().unwrap();
            Model::load(config, Task::QuestionAnswering, Precision::F32, &Tensors::open(source).unwrap()).is_ok()
        }),
        claimed("claims, trained", "models/qa", claims("longformer", 120), move |source, _| {
            load(source, Task::QuestionAnswering)
        }),
        claimed("claims, pretrained", "models/masked-lm", claims("longformer", 120), move |source, _| {
            load(source, Task::MaskedLm)
        }),
        claimed("claims, converted", "convert/bert-qa", claims("bert", 16), |source, folder| {
            let out = folder.join("out");
            let made = convert(source, &out, &ConvertOptions::default()).is_ok();
            assert!(!out.exists(), "a folder is left");
            made
        }),
    ]
}

/// Loads a `tokenizer.json` and tokenizes a text.
fn tokenized(
    name: &'static str,
    budget: usize,
    taken: bool,
    json: String,
    text: impl Fn() -> String + 'static,
) -> Case {
    case(name, budget, taken, move |_| {
        let read = |name: &str| Ok((name == "tokenizer.json").then(|| json.clone().into_bytes().into()));
        Tokenizer::load(read).is_ok_and(|tokenizer| tokenizer.encode(&text()).is_ok())
    })
}

fn tokenizers() -> Vec<Case> {
    let none = String::new;
    let with = |path: &str, value: Value| tokenizer(&[(path, value)]).to_string();
    let tens = |count: usize| sequence((0..count).map(|_| replace("String", "a", "aaaaaaaaaa")));
    let nested = |depth: usize| (0..depth).fold(replace("String", "a", "b"), |inner, _| sequence([inner]));
    let regexes = |count: usize| sequence((0..count).map(|_| replace("Regex", r"[\w\s]{20}", "")));
    let vocab = |count: usize, token: &dyn Fn(usize) -> String| {
        (0..count).map(|i| (token(i), json!(i + 20))).collect::<serde_json::Map<_, _>>()
    };
    let words = |count: usize| {
        let mut json = tokenizer(&[]);
        json["model"]["vocab"].as_object_mut().unwrap().extend(vocab(count, &|i| format!("{i:x}")));
        json.to_string()
    };
    let added = |count: usize| {
        let tokens = (0..count).map(|i| ("/added_tokens", added_token(i + 15, &format!("{i:x}").repeat(40), &[])));
        tokenizer(&tokens.collect::<Vec<_>>()).to_string()
    };
    let merges = |letters: u32| {
        let letters: Vec<_> = (0..letters).filter_map(|i| char::from_u32('\u{4e00}' as u32 + i)).collect();
        let pairs: Vec<_> = letters.iter().flat_map(|a| letters.iter().map(move |b| [a, b])).collect();
        let tokens = ["[CLS]".to_owned(), "[SEP]".to_owned()].into_iter();
        let tokens =
            tokens.chain(letters.iter().map(char::to_string)).chain(pairs.iter().map(|[a, b]| format!("{a}{b}")));
        let vocab: serde_json::Map<_, _> = tokens.zip(0..).map(|(token, id)| (token, json!(id))).collect();
        with("/model", json!({"type": "BPE", "vocab": vocab, "merges": pairs}))
    };
    let unigram = |count: usize| {
        let special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"].map(String::from);
        let pieces = special.into_iter().chain((0..count).map(|i| format!("{i:x}").repeat(300)));
        let pieces: Vec<_> = pieces.map(|piece| json!([piece, -1.0])).collect();
        with("/model", json!({"type": "Unigram", "unk_id": 1, "vocab": pieces, "byte_fallback": false}))
    };
    vec![
        tokenized("a text that grows 10^8 times", 4 * MB, false, with("/normalizer", tens(8)), none),
        tokenized("a text that grows 1,000 times", 600 * MB, true, with("/normalizer", tens(3)), || {
            "a".repeat(8 << 10)
        }),
        tokenized("normalisers within each other", 4 * MB, true, with("/normalizer", nested(40)), none),
        tokenized("normalisers too deep", 4 * MB, false, with("/normalizer", nested(70)), none),
        tokenized("large regular expressions", 512 * MB, true, with("/normalizer", regexes(100)), none),
        tokenized("a token of 1 MiB", 8 * MB, false, with("/model/unk_token", json!("x".repeat(MB))), none),
        tokenized("lists within each other", 8 * MB, false, "[".repeat(MB), none),
        tokenized("300,000 tokens", 300 * MB, true, words(300_000), none),
        tokenized("3,000,000 tokens", 200 * MB, false, words(3_000_000), none),
        tokenized("10,000 added tokens", 200 * MB, true, added(10_000), none),
        tokenized("100,000 added tokens", 64 * MB, false, added(100_000), none),
        tokenized("100,000 merges", 100 * MB, true, merges(316), none),
        tokenized("long pieces of Unigram", 500 * MB, true, unigram(700), none),
        tokenized("more long pieces of Unigram", 16 * MB, false, unigram(3000), none),
    ]
}

/// Models of SentencePiece.
fn piece_models() -> Vec<Case> {
    let model = |name: &'static str, budget: usize, taken: bool, content: Vec<u8>| {
        case(name, budget, taken, move |_| {
            Tokenizer::load(|name| Ok((name == "spiece.model").then(|| content.clone().into()))).is_ok()
        })
    };
    let numbers = |count: usize| (0..count).map(|i| format!("{i:x}")).collect::<Vec<_>>();
    // Each place in a piece is that of a pair.
    let runs = |length: usize| {
        let run =
            |a: usize| (0..=length - a).map(move |b| "a".repeat(a) + &"b".repeat(b)).filter(|run| !run.is_empty());
        (0..=length).flat_map(run).collect::<Vec<_>>()
    };
    vec![
        model("170,000 pairs of pieces", 200 * MB, true, pieces(true, &runs(80), &[], &[])),
        model("5,000,000 pairs of pieces", 320 * MB, false, pieces(true, &runs(250), &[], &[])),
        model("10,000 added pieces", 100 * MB, true, pieces(false, &[], &numbers(10_000), &[])),
        model("100,000 added pieces", 32 * MB, false, pieces(false, &[], &numbers(100_000), &[])),
        model("a map of characters of 5 MiB", 8 * MB, false, pieces(false, &[], &[], &vec![0; 5 * MB])),
    ]
}

/// Texts of 10 MiB, with and without spaces, take memory in proportion to their length.
fn texts() -> Vec<Case> {
    const BYTES: usize = 10 * MB;
    let unpacked = |name: &str| {
        let mut content = Vec::new();
        let packed = fs::read(format!("{}/tests/data/{name}.gz", env!("CARGO_MANIFEST_DIR"))).unwrap();
        flate2::read::GzDecoder::new(&packed[..]).read_to_end(&mut content).unwrap();
        content
    };
    let files = Arc::new(["vocab.txt", "vocab.json", "merges.txt"].map(|name| match name {
        "vocab.txt" => (name, unpacked("minilm-vocab.txt")),
        _ => (name, unpacked(&format!("roberta-{name}"))),
    }));
    let text = |name: &'static str, kind: &'static str, part: &'static str| {
        let files = files.clone();
        let tokenizer = Tokenizer::load(|name| {
            let file = files.iter().find(|file| file.0 == name && (name == "vocab.txt") == (kind == "vocab.txt"));
            Ok(file.map(|file| file.1.clone().into()))
        });
        let tokenizer = tokenizer.unwrap();
        case(name, 12 * BYTES, true, move |_| tokenizer.encode(&part.repeat(BYTES / part.len())).is_ok())
    };
    vec![
        text("English with spaces, WordPiece", "vocab.txt", "It stands in Leeds, they say. "),
        text("English without spaces, WordPiece", "vocab.txt", "abcdefghij"),
        text("Chinese, WordPiece", "vocab.txt", "\u{7684}\u{4e00}\u{662f}\u{5728}"),
        text("English with spaces, byte-level BPE", "vocab.json", "It stands in Leeds, they say. "),
        text("English without spaces, byte-level BPE", "vocab.json", "abcdefghij"),
        text("Chinese, byte-level BPE", "vocab.json", "\u{7684}\u{4e00}\u{662f}\u{5728}"),
    ]
}

#[test]
fn hostile_files_keep_to_their_budgets() {
    let mut found = Vec::new();
    let _alone = ALLOCATIONS.write();
    let cases = [pickles(), other_weights(), configurations(), tokenizers(), piece_models(), texts()];
    for Case { name, budget, taken, run } in cases.into_iter().flatten() {
        let folder = tempfile::tempdir().unwrap();
        PEAK.reset_peak_usage();
        let before = PEAK.current_usage();
        let was_taken = run(folder.path());
        let bytes = PEAK.peak_usage() - before;
        println!("{name}: {:.1} MB of {} MB", bytes as f64 / MB as f64, budget / MB);
        if was_taken != taken || bytes > budget {
            found.push(format!("{name}: taken: {was_taken}, {bytes} bytes of {budget}"));
        }
    }
    assert!(found.is_empty(), "{found:#?}");
}

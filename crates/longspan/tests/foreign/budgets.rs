//! The memory that a hostile file may take. An allocator counts.

use std::fs;

use longspan::checkpoint::{Source, Tensors};
use longspan::convert::{ConvertOptions, convert};
use longspan::model::{Model, Parameters, Precision, Task};
use longspan::reader::ReaderSettings;
use peak_alloc::PeakAlloc;

use super::golden;
use super::hostile::{claims, pickle, safetensors};

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
        case("a config.json of lists", 64 * MB, false, move |folder| config(folder).config().is_ok()),
        case("a config.json of 60 MiB", 4 * MB, false, move |folder| longer(folder).config().is_ok()),
        case("a longspan.json of lists", 4 * MB, false, move |folder| ReaderSettings::load(&settings(folder)).is_ok()),
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

#[test]
fn hostile_files_keep_to_their_budgets() {
    let mut found = Vec::new();
    let cases = [pickles(), other_weights(), configurations()];
    rayon::ThreadPoolBuilder::new().num_threads(2).build_global().unwrap();
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

//! The model against transformers: every head, windows per layer, ragged batches, globals everywhere.
//!
//! The golden files and the script that made them are in `tests/golden/models`; its opening comment explains them.

use std::collections::BTreeMap;
use std::path::Path;

use longspan::checkpoint::{Source, Tensors};
use longspan::config::Config;
use longspan::model::reference::ReferenceModel;
use longspan::model::{Batch, Model, Precision, Sequence, Task};
use safetensors::SafeTensors;

const FOLDERS: [&str; 22] = [
    "qa",
    "qa-head64",
    "qa-bert",
    "base",
    "masked-lm",
    "sequence-classification",
    "token-classification",
    "multiple-choice",
    // Converted short models: the logits are those of the short models.
    "converted-roberta",
    "converted-bert",
    // Short models, by `short.py`.
    "short-bert",
    "short-bert-head24",
    "short-roberta",
    "short-roberta-head64",
    "short-xlm-roberta",
    "short-camembert",
    "short-distilbert",
    "short-distilbert-relu",
    "short-electra",
    "short-electra-wide",
    "short-albert",
    "short-albert-groups",
];

/// Largest difference that is allowed between f32 here and f32 in transformers.
const TOLERANCE: f32 = 1e-4;

/// The golden fields of one sequence.
#[derive(Default)]
struct Golden {
    ids: Vec<u32>,
    token_types: Option<Vec<u32>>,
    globals: Vec<usize>,
    /// All other fields, by name.
    expected: BTreeMap<String, Vec<f32>>,
}

impl Golden {
    fn sequence(&self) -> Sequence<'_> {
        Sequence { ids: &self.ids, token_type_ids: self.token_types.as_deref(), globals: &self.globals }
    }

    /// Start and end logits of a token stand side by side in `Logits`.
    fn logits(&self) -> Option<Vec<f32>> {
        let expected = &self.expected;
        match (expected.get("start_logits"), expected.get("end_logits")) {
            (Some(start), Some(end)) => Some(start.iter().zip(end).flat_map(|(s, e)| [*s, *e]).collect()),
            _ => expected.get("logits").cloned(),
        }
    }
}

fn folder(name: &str) -> Source {
    Source::Folder(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/models").join(name))
}

fn open(name: &str) -> (Config, Task, Tensors) {
    let source = folder(name);
    let config = source.config().unwrap();
    let task = Task::from_architecture(config.architecture.as_deref().unwrap()).unwrap();
    (config, task, Tensors::open(&source).unwrap())
}

/// The cases of a folder: for each its sequences, in order.
fn cases(name: &str) -> BTreeMap<String, Vec<Golden>> {
    let bytes = folder(name).read("golden.safetensors").unwrap().unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let mut cases: BTreeMap<String, Vec<Golden>> = BTreeMap::new();
    let mut names = file.names();
    names.sort();
    for name in names {
        let mut parts = name.rsplitn(3, '.');
        let (field, n, case) = (parts.next().unwrap(), parts.next().unwrap(), parts.next().unwrap());
        let sequences = cases.entry(case.to_string()).or_default();
        let n: usize = n.parse().unwrap();
        if sequences.len() <= n {
            sequences.resize_with(n + 1, Golden::default);
        }
        let data = file.tensor(name).unwrap().data();
        let numbers = || data.as_chunks().0.iter().map(|bytes| i32::from_le_bytes(*bytes) as u32);
        match field {
            "input_ids" => sequences[n].ids = numbers().collect(),
            "token_type_ids" => sequences[n].token_types = Some(numbers().collect()),
            "global" => sequences[n].globals = numbers().map(|x| x as usize).collect(),
            _ => {
                let values = data.as_chunks().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect();
                sequences[n].expected.insert(field.to_string(), values);
            }
        }
    }
    cases
}

#[track_caller]
fn check(what: &str, found: impl IntoIterator<Item = f32>, expected: &[f32]) -> f32 {
    let found: Vec<f32> = found.into_iter().collect();
    assert_eq!(found.len(), expected.len(), "{what}");
    let difference = |(i, (a, b)): (usize, (&f32, &f32))| {
        let difference = (a - b).abs();
        assert!(difference <= TOLERANCE, "{what} [{i}]: {a} for {b}");
        difference
    };
    found.iter().zip(expected).enumerate().map(difference).fold(0.0, f32::max)
}

#[test]
fn every_head_agrees_with_transformers() {
    let mut largest: f32 = 0.0;
    let mut count = 0;
    for name in FOLDERS {
        let (config, task, tensors) = open(name);
        let model = Model::load(config, task, Precision::F32, &tensors).unwrap();
        for (case, sequences) in cases(name) {
            let mut batch = Batch::new();
            sequences.iter().for_each(|sequence| batch.push(sequence.sequence()));
            let (logits, hidden) = (model.logits(&batch).unwrap(), model.hidden_states(&batch).unwrap());
            let c = model.config().hidden_size;
            for (s, sequence) in sequences.iter().enumerate() {
                let what = format!("{name} {case} {s}");
                let range = batch.range(s);
                if let Some(expected) = sequence.logits() {
                    let per_token = logits.values.len() == batch.tokens() * logits.columns;
                    let rows = if per_token { range.clone() } else { s..s + 1 };
                    let own = &logits.values[rows.start * logits.columns..rows.end * logits.columns];
                    largest = largest.max(check(&what, own.iter().copied(), &expected));
                    count += 1;
                }
                let own = hidden[range.start * c..range.end * c].iter().copied();
                if let Some(expected) = sequence.expected.get("last_hidden_state") {
                    largest = largest.max(check(&what, own, expected));
                    count += 1;
                }
                // The bits are those of the sequence in a batch of its own.
                let alone = model.hidden_states(&Batch::of(sequence.sequence())).unwrap();
                assert!(alone == hidden[range.start * c..range.end * c], "{what} alone");
            }
        }
    }
    println!("{count} sequences, largest difference {largest:e}");
    assert!(count > 50, "{count} sequences only");
}

/// The largest and the mean difference of the logits of all question-answering sequences from transformers'.
fn differences(precision: Precision) -> (f32, f32) {
    let (mut largest, mut sum, mut count) = (0.0f32, 0.0, 0.0);
    for name in FOLDERS.into_iter().filter(|name| name.starts_with("qa") || name.starts_with("short")) {
        let (config, task, tensors) = open(name);
        let model = Model::load(config, task, precision, &tensors).unwrap();
        assert_eq!(model.precision(), precision);
        for sequences in cases(name).values() {
            let mut batch = Batch::new();
            sequences.iter().for_each(|sequence| batch.push(sequence.sequence()));
            let logits = model.logits(&batch).unwrap();
            for (s, sequence) in sequences.iter().enumerate() {
                let range = batch.range(s);
                let own = &logits.values[2 * range.start..2 * range.end];
                for (a, b) in own.iter().zip(sequence.logits().unwrap()) {
                    largest = largest.max((a - b).abs());
                    sum += (a - b).abs();
                    count += 1.0;
                }
                // The bits are those of the sequence in a batch of its own.
                let alone = model.logits(&Batch::of(sequence.sequence())).unwrap().values;
                assert!(alone == own, "{name} {precision} alone");
            }
        }
    }
    (largest, sum / count)
}

/// The error of bf16 and int8 in small models whose logits are about 5.
#[test]
fn rounded_precisions_stay_close() {
    for (precision, largest_max, mean_max) in [(Precision::Bf16, 0.08, 0.012), (Precision::Int8, 0.25, 0.04)] {
        let (largest, mean) = differences(precision);
        println!("{precision}: largest difference {largest}, mean {mean}");
        assert!(largest < largest_max && mean < mean_max, "{precision}: {largest}, {mean}");
    }
}

#[test]
fn the_reference_shows_hidden_states_and_attention_of_transformers() {
    let mut traced = 0;
    for name in FOLDERS {
        let (config, task, tensors) = open(name);
        let model = ReferenceModel::load(config, task, &tensors).unwrap();
        for (case, sequences) in cases(name) {
            for sequence in sequences.iter().filter(|sequence| sequence.ids.len() <= 50) {
                let trace = model.trace(sequence.sequence());
                let what = format!("{name} {case}");
                let narrow = |x: &[Vec<f64>]| x.iter().flatten().map(|&x| x as f32).collect::<Vec<_>>();
                if let Some(expected) = sequence.logits() {
                    check(&what, trace.logits.iter().map(|&x| x as f32), &expected);
                }
                if let Some(expected) = sequence.expected.get("hidden_states") {
                    check(&what, narrow(&trace.hidden_states), expected);
                    check(&what, narrow(&trace.attentions), &sequence.expected["attentions"]);
                    traced += 1;
                }
            }
        }
    }
    assert!(traced > 0);
}

/// Without a choice by the caller, transformers makes these positions global.
#[test]
fn default_globals_are_those_of_transformers() {
    let mut count = 0;
    for name in FOLDERS {
        let (_, task, _) = open(name);
        for (case, sequences) in cases(name).iter().filter(|(case, _)| case.starts_with("default")) {
            for Golden { ids, globals, .. } in sequences {
                let first_segment = ids.iter().position(|&id| id == 2).unwrap_or(ids.len());
                let expected: Vec<usize> = task.default_globals(first_segment, ids.len()).collect();
                assert_eq!(&expected, globals, "{name} {case}");
                count += 1;
            }
        }
    }
    assert!(count > 8, "{count} sequences only");
}

#[test]
fn results_do_not_depend_on_the_number_of_threads() {
    for precision in [Precision::F32, Precision::Bf16, Precision::Int8] {
        // The feed-forward has several pieces, the last of them shorter.
        let (config, task, _) = open("qa");
        let model = Model::random(Config { intermediate_size: 1000, ..config }, task, precision).unwrap();
        let all: Vec<Golden> = cases("qa").into_values().flatten().collect();
        // Work on few tokens is divided by columns of weights, work on many by rows.
        for count in [1, 3, all.len()] {
            let mut batch = Batch::new();
            all[..count].iter().for_each(|sequence| batch.push(sequence.sequence()));
            let on = |threads| {
                let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
                pool.install(|| model.logits(&batch).unwrap())
            };
            let one = on(1);
            for threads in [2, 3, 7] {
                assert_eq!(one, on(threads), "{precision}, {count} sequences, {threads} threads");
            }
        }
    }
}

#[test]
fn a_mismatched_checkpoint_is_an_error() {
    let (config, task, tensors) = open("qa");
    let fails = |config: &Config, task| match Model::load(config.clone(), task, Precision::F32, &tensors) {
        Ok(_) => panic!("a mismatched checkpoint was loaded"),
        Err(error) => error.to_string(),
    };
    let other = "the checkpoint has no head for";
    assert_eq!(
        fails(&config, Task::MaskedLm),
        format!("{other} masked language modelling, but one for question answering")
    );
    assert_eq!(
        fails(&config, Task::TokenClassification),
        format!("{other} classification, but one for question answering")
    );
    assert_eq!(
        fails(&Config { vocab_size: 121, ..config.clone() }, task),
        "tensor `longformer.embeddings.word_embeddings.weight`: expected shape [121, 64], file has [120, 64]"
    );
    let four = Config { num_hidden_layers: 4, num_hidden_groups: 4, attention_window: vec![8; 4], ..config };
    assert_eq!(
        fails(&four, task),
        "tensor `longformer.encoder.layer.3.attention.self.query.weight`: not in the checkpoint"
    );
}

#[test]
fn a_batch_that_does_not_fit_the_model_panics() {
    let (config, task, tensors) = open("qa");
    let model = Model::load(config, task, Precision::F32, &tensors).unwrap();
    let run = |ids: &[u32], globals: &[usize]| {
        let run = || model.logits(&Batch::of(Sequence { ids, token_type_ids: None, globals }));
        std::panic::catch_unwind(std::panic::AssertUnwindSafe(run)).unwrap_err().downcast::<String>().unwrap()
    };
    assert!(run(&[5; 299], &[]).contains("a sequence of 299 tokens, the model has positions for 298"));
    assert!(run(&[120], &[]).contains("token id 120, the model has 120"));
    assert!(run(&[5, 6], &[2]).contains("global positions [2] of 2 tokens"));
    assert!(run(&[5, 6], &[1, 1]).contains("global positions must ascend: [1, 1]"));
}

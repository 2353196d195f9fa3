//! `longspan pretrain`: errors before the first step, and whole runs of a tiny model.

use std::fs;

use super::train::learnable;
use super::{Folder, check_failed};

/// Texts, and the small model without a head.
pub fn folder() -> Folder {
    let folder = learnable();
    fs::create_dir(folder.path("texts")).unwrap();
    for i in 0..5 {
        fs::write(folder.path(&format!("texts/{i}.txt")), "bread is made from flour . ".repeat(4 + i)).unwrap();
    }
    let line = format!("{{\"body\": \"{}\"}}\n", "bread is made from flour . ".repeat(9));
    fs::write(folder.path("valid.jsonl"), line.repeat(5)).unwrap();
    folder
}

/// The arguments of a run that is saved after every step.
pub fn pretraining<'a>(out: &'a str, steps: &'a str) -> Vec<&'a str> {
    let run =
        ["pretrain", "-m", "base", "--text", "texts", "--valid", "valid.jsonl", "--text-field", "body", "--out", out];
    let more =
        ["--steps", steps, "--save-every", "1", "--max-tokens", "16", "--batch-tokens", "64", "--mask-share", "0.3"];
    [&run[..], &more, &["--head-steps", "20", "--learning-rate", "3e-3", "--threads", "1"]].concat()
}

#[test]
fn a_run_writes_a_model_and_its_bits_before_and_after() {
    let folder = folder();
    let ran = folder.run(&pretraining("out", "60"));
    assert_eq!(ran.status, 0, "{ran:?}");
    let lines: Vec<&str> = ran.stdout.lines().collect();
    assert_eq!(lines[0], "out: the model after 60 steps", "{ran:?}");
    let bits = |stage: &str| -> f64 {
        let line = lines.iter().find(|line| line.starts_with(stage)).unwrap();
        line.split_whitespace().nth(3).unwrap().parse().unwrap()
    };
    assert!(bits("after, 16 tokens") < bits("before, 16 tokens") - 0.3, "{ran:?}");
    for name in ["config.json", "model.safetensors", "vocab.txt", "recipe.toml", "loss.svg", "bits.json", "bits.svg"] {
        assert!(folder.path("out").join(name).exists(), "{name}");
    }
    assert!(folder.path("out/head/model.safetensors").exists());
    // The result has a head, and can be trained for question answering.
    let again: Vec<&str> = pretraining("again", "1")
        .into_iter()
        .map(|argument| if argument == "base" { "out" } else { argument })
        .collect();
    let ran = folder.run(&again);
    assert!(ran.status == 0 && !folder.path("again/head").exists(), "{ran:?}");
    let ran = folder.run(&["train", "-m", "out", "--train", "train.json", "--out", "reader", "--epochs", "1"]);
    assert_eq!(ran.status, 0, "{ran:?}");
}

#[test]
fn errors_come_before_any_file_is_written() {
    let folder = folder();
    fs::create_dir(folder.path("empty")).unwrap();
    let refused = |arguments: &[&str], message: &str| {
        check_failed(&folder.run(&[&["pretrain", "--out", "out", "-m", "base"][..], arguments].concat()), message);
        assert!(!folder.path("out").exists(), "{arguments:?}");
    };
    refused(&[], "no text to learn from");
    refused(&["--text", "none.txt"], "`none.txt`: no such file");
    refused(&["--text", "empty"], "`empty`: no files in it");
    for (option, value, expected) in [
        ("--mask-share", "2", "'--mask-share <X>': expected a number above 0, at most 1"),
        ("--max-tokens", "2", "'--max-tokens <N>': expected a whole number from 3 to"),
    ] {
        let ran = folder.run(&["pretrain", "--out", "out", "--text", "texts", option, value]);
        assert!(ran.status == 2 && ran.stderr.contains(expected), "{ran:?}");
    }
    refused(&["--text", "texts", "--dev-every", "5"], "--dev-every 5: needs --valid");
    refused(&["--text", "texts", "--max-tokens", "5000"], "--max-tokens 5000: the model has positions for");
    refused(&["--text", "texts", "--frozen-layers", "99"], "--frozen-layers 99: the model has 3");
    refused(
        &["--text", "texts", "--head-steps", "0", "--train-only", "positions"],
        "--train-only positions: the model has no head, and --head-steps 0 trains none",
    );
    refused(&["--text", "valid.jsonl"], "`valid.jsonl`, line 1: no `text`");
    refused(&["--text", "texts", "--valid", "valid.jsonl"], "`valid.jsonl`, line 1: no `text`");
}

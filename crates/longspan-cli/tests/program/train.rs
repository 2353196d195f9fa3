//! `longspan train`: errors before the first step, and whole runs of a tiny model.

use std::fs;

use super::{Folder, Ran, check_failed, small_model, vocabulary};

const DATA: &str = r#"{"data": [{"title": "Bread", "paragraphs": [{"context": "Bread is made from flour.", "qas": [
    {"id": "what", "question": "What is bread made from?", "answers": [{"text": "flour", "answer_start": 19}]}
]}]}]}"#;

/// Good, bad and empty data.
fn folder() -> Folder {
    let bad = DATA.replace("\"flour\"", "\"water\"");
    let files: [(&str, &[u8]); 3] =
        [("train.json", DATA.as_bytes()), ("bad.json", bad.as_bytes()), ("empty.json", b"{\"data\": []}")];
    Folder::new(&files)
}

/// A run that must end before it makes its folder.
fn refused(folder: &Folder, arguments: &[&str]) -> Ran {
    let ran = folder.run(&[&["train", "--out", "out"][..], arguments].concat());
    assert!(!folder.path("out").exists(), "{arguments:?}");
    ran
}

#[test]
fn options_are_checked_before_any_file_is_written() {
    let folder = folder();
    for (option, value, message) in [
        ("--power", "2", "--power 2: only the polynomial schedule has a power"),
        ("--schedule", "polynomial", "--schedule polynomial: needs a power, such as 3"),
        ("--dev-every", "5", "--dev-every 5: needs --dev"),
        ("--patience", "5", "--patience 5: needs --dev"),
        ("--max-tokens", "5000", "--max-tokens 5000: the model has positions for 4096 tokens"),
    ] {
        check_failed(&refused(&folder, &["--train", "train.json", option, value]), message);
    }
    for (option, value, message) in [
        ("--epochs", "0", "'--epochs <X>': expected a number above 0"),
        ("--epochs", "two", "'--epochs <X>': expected a number above 0"),
        ("--epochs", "1e300", "'--epochs <X>': expected a number above 0, at most 1000000"),
        ("--epochs", "inf", "'--epochs <X>': expected a number above 0, at most 1000000"),
        ("--steps", "1000000000000", "'--steps <N>': expected a whole number from 0 to 10000000"),
        ("--max-tokens", "1152921504606846976", "'--max-tokens <N>': expected a whole number from 1 to 16777216"),
        ("--doc-stride", "99999999999999999999", "'--doc-stride <N>': expected a whole number from 0 to 16777216"),
        ("--pass-tokens", "1e9", "'--pass-tokens <N>': expected a whole number from 1 to 16777216"),
        ("--save-every", "9223372036854775807", "'--save-every <N>': expected a whole number from 0 to 10000000"),
        ("--context-tokens", "1..1152921504606846976", "expected a range such as 512..4096"),
        ("--threads", "1e9", "'--threads <N>': expected a whole number from 1 to 4096"),
        ("--threads", "-1", "'--threads <N>': expected a whole number from 1 to 4096"),
        ("--learning-rate", "-1", "'--learning-rate <X>': expected a number above 0"),
        ("--warmup", "2", "'--warmup <X>': expected a share from 0 to 1"),
        ("--dropout", "1", "'--dropout <X>': expected a number from 0 on, below 1"),
        ("--layer-decay", "1.5", "'--layer-decay <X>': expected a number above 0, at most 1"),
        ("--clip-norm", "-1", "'--clip-norm <X>': expected a number from 0 on"),
        ("--batch-tokens", "0", "expected a whole number from 1 to"),
        ("--save-every", "-1", "expected a whole number from 0 to"),
        ("--context-tokens", "9..8", "expected a range such as 512..4096"),
        ("--schedule", "step", "linear, cosine, constant, polynomial"),
        ("--precision", "int8", "auto, f32, bf16"),
        ("--seed", "-1", "--seed"),
        ("--unknown", "1", "--unknown"),
    ] {
        let ran = refused(&folder, &["--train", "train.json", option, value]);
        assert!(ran.status == 2 && ran.stderr.contains(message), "{option} {value}: {ran:?}");
    }
    check_failed(&refused(&folder, &[]), "no data to learn from");
    assert!(folder.run(&["train", "--train", "train.json"]).stderr.contains("--out <DIR>"));
}

#[test]
fn recipes_are_checked() {
    let folder = folder();
    let with = |recipe: &str| {
        fs::write(folder.path("r.toml"), recipe).unwrap();
        refused(&folder, &["--recipe", "r.toml", "--train", "train.json"])
    };
    check_failed(&with("seed = 1\nlearning-rate = 1"), "`r.toml`, line 2: unknown key `learning-rate`, did you mean");
    check_failed(&with("\ndropout = 2"), "`r.toml`, line 2: dropout 2: expected a number from 0 on, below 1");
    check_failed(&with("seed = one"), "`r.toml`, line 1: ");
    check_failed(&with("patience = 1"), "--patience 1: needs --dev");
    check_failed(&refused(&folder, &["--recipe", "missing.toml"]), "`missing.toml`: no such file");
    // Options override the recipe, so the error is about the file of the command line.
    fs::write(folder.path("r.toml"), "train = [\"train.json\"]").unwrap();
    check_failed(&refused(&folder, &["--recipe", "r.toml", "--train", "none.json"]), "`none.json`: no such file");
}

#[test]
fn bad_data_are_refused_before_the_first_step() {
    let folder = folder();
    let place = "`bad.json`: article 1 `Bread`, paragraph 1, question `what`: answer `water` has answer_start 19";
    check_failed(&refused(&folder, &["--train", "bad.json"]), place);
    check_failed(&refused(&folder, &["--train", "train.json", "--dev", "empty.json"]), "`empty.json`: no questions");
    check_failed(&refused(&folder, &["--train", "empty.json"]), "`empty.json`: no questions");
    let ran = refused(&folder, &["--train", "bad.json", "--skip-bad"]);
    assert!(ran.stderr.starts_with("warning: left out: `bad.json`") && ran.status == 2, "{ran:?}");
    let ran = refused(&folder, &["--train", "train.json", "--dev", "train.json", "--max-tokens", "9999"]);
    let warning = "warning: --dev: it shares 1 question with the training data, so its figures will be too good\n";
    assert!(ran.stderr.starts_with(warning), "{ran:?}");
}

#[test]
fn missing_models_are_named_before_the_folder_is_made() {
    let folder = folder();
    let train = |more: &[&str]| refused(&folder, &[&["--train", "train.json"][..], more].concat());
    check_failed(&train(&["-m", "./nowhere"]), "`./nowhere`: no such folder");
    check_failed(&train(&["-m", "train.json"]), "`train.json`: a file, not a folder");
    check_failed(&train(&["--teacher", "./nowhere"]), "`./nowhere`: no such folder");
    check_failed(&train(&["-m", "org/name", "--offline"]), "org/name");
}

#[test]
fn a_folder_that_is_not_empty_is_refused() {
    let folder = folder();
    fs::create_dir(folder.path("out")).unwrap();
    fs::write(folder.path("out/mine"), "").unwrap();
    for more in [&[][..], &["--resume"]] {
        let ran = folder.run(&[&["train", "--train", "train.json", "--out", "out"], more].concat());
        check_failed(&ran, "`out`: the folder is not empty");
    }
    assert_eq!(fs::read_dir(folder.path("out")).unwrap().count(), 1);
    check_failed(&folder.run(&["train", "--train", "train.json", "--out", "train.json"]), "a file, not a folder");
}

#[test]
fn a_run_that_cannot_begin_writes_nothing() {
    let folder = learnable();
    let ran = folder.run(&["train", "-m", "base", "--train", "train.json", "--out", "out", "--frozen-layers", "99"]);
    check_failed(&ran, "frozen-layers 99: the model has 3");
    assert!(!folder.path("out").exists());
}

#[test]
fn a_checkpoint_that_does_not_fit_its_sizes_is_named() {
    let folder = learnable();
    fs::create_dir(folder.path("other")).unwrap();
    for name in ["model.safetensors", "vocab.txt"] {
        fs::copy(folder.path("base").join(name), folder.path("other").join(name)).unwrap();
    }
    let config = fs::read_to_string(folder.path("base/config.json")).unwrap();
    fs::write(folder.path("t.txt"), "bread is made from flour . ".repeat(20)).unwrap();
    let pretrain = ["pretrain", "--text", "t.txt", "--max-tokens", "16", "--out", "out", "-m", "other"];
    let train = |more: &[&str]| folder.run(&[&["train", "--train", "train.json", "--out", "out"], more].concat());
    for (from, to, message) in [
        (
            "\"intermediate_size\": 128",
            "\"intermediate_size\": 64",
            "intermediate.dense.weight`: expected shape [64, 72], ",
        ),
        (
            "\"num_hidden_layers\": 3",
            "\"num_hidden_layers\": 2, \"attention_window\": 6",
            "num_hidden_layers 2: the weights",
        ),
        ("\"num_hidden_layers\": 3", "\"num_hidden_layers\": 4, \"attention_window\": 6", "query.weight`: not in the"),
    ] {
        assert!(config.contains(from), "`{from}`");
        fs::write(folder.path("other/config.json"), config.replace(from, to)).unwrap();
        for ran in [train(&["-m", "other"]), train(&["-m", "base", "--teacher", "other"]), folder.run(&pretrain)] {
            check_failed(&ran, "model `other`: ");
            assert!(ran.stderr.contains(message) && !folder.path("out").exists(), "{ran:?}");
        }
    }
}

#[test]
fn a_resumed_run_has_its_own_recipe() {
    let folder = folder();
    fs::create_dir(folder.path("out")).unwrap();
    fs::write(folder.path("out/recipe.toml"), "train = [\"missing.json\"]\nepochs = 3\nprecision = \"f32\"\n").unwrap();
    let resume = |more: &[&str]| folder.run(&[&["train", "--out", "out", "--resume"], more].concat());
    // The run uses the recipe in its folder; options may repeat its values.
    for more in [&[][..], &["--epochs", "3"], &["--precision", "f32", "--threads", "1"]] {
        check_failed(&resume(more), "`missing.json`: no such file");
    }
    for (option, value, message) in [
        ("--epochs", "2", "--epochs 3, this one would have 2"),
        ("--train", "train.json", "--train [\"missing.json\"], this one would have [\"train.json\"]"),
        ("--seed", "5", "--seed none, this one would have 5"),
        ("--precision", "bf16", "--precision \"f32\", this one would have \"bf16\""),
    ] {
        check_failed(&resume(&[option, value]), &format!("`out/recipe.toml`: that run has {message}"));
    }
}

/// Data and a small model that can learn them.
pub fn learnable() -> Folder {
    let folder = folder();
    fs::create_dir(folder.path("base")).unwrap();
    for name in ["config.json", "model.safetensors"] {
        fs::copy(small_model().join(name), folder.path("base").join(name)).unwrap();
    }
    fs::write(folder.path("base/vocab.txt"), vocabulary()).unwrap();
    folder
}

/// The arguments of a run that is saved after every step.
pub fn training<'a>(out: &'a str, steps: &'a str) -> Vec<&'a str> {
    let run = ["train", "-m", "base", "--train", "train.json", "--dev", "train.json", "--out", out, "--epochs", steps];
    [&run[..], &["--save-every", "1", "--dev-every", "40", "--learning-rate", "3e-3", "--threads", "1"]].concat()
}

#[test]
fn a_run_writes_a_model_and_its_records() {
    let folder = learnable();
    let ran = folder.run(&training("out", "40"));
    assert_eq!(ran.status, 0, "{ran:?}");
    assert!(ran.stdout.starts_with("out: the model after 40 steps\nexact 100.00, F1 100.00"), "{ran:?}");
    for name in ["config.json", "model.safetensors", "vocab.txt", "recipe.toml", "loss.svg", "tensorboard"] {
        assert!(folder.path("out").join(name).exists(), "{name}");
    }
    let metrics = fs::read_to_string(folder.path("out/metrics.jsonl")).unwrap();
    let losses: Vec<f64> = (metrics.lines())
        .filter(|line| line.contains("\"kind\":\"step\""))
        .map(|line| line.split("\"loss\":").nth(1).unwrap().split(',').next().unwrap().parse().unwrap())
        .collect();
    assert_eq!(losses.len(), 40);
    assert!(losses[39] < losses[0] / 4.0, "{losses:?}");
    let ran = folder.run(&["eval", "-m", "out", "train.json", "--json"]);
    assert!(ran.status == 0 && ran.stdout.contains("\"exact\": 100.0"), "{ran:?}");
}

#[test]
fn a_run_learns_from_saved_answers() {
    let folder = learnable();
    let line = r#"{"id": "what", "starts": [[0, 0.9]], "ends": [[5, 0.9]], "no_answer": [0.1, 0.1]}"#;
    let other = r#"{"id": "other", "starts": [], "ends": [], "no_answer": [1, 1]}"#;
    fs::write(folder.path("t.jsonl"), line).unwrap();
    fs::write(folder.path("other.jsonl"), other).unwrap();
    let two = DATA.replace("]}]}]}", r#", {"id": "who", "question": "Who?", "answers": []}]}]}]}"#);
    fs::write(folder.path("two.json"), &two).unwrap();
    let teacher = ["--teacher-answers", "t.jsonl", "--teacher-weight", "1"];
    let refused = |more: &[&str], message: &str| {
        let base = ["-m", "base", "--train", "train.json"];
        check_failed(&refused(&folder, &[&base, more].concat()), message);
    };
    refused(
        &["--teacher-answers", "t.jsonl", "other.jsonl"],
        "`other.jsonl`: line 1: question `other`: the data do not have it",
    );
    refused(&["--teacher-answers", "none.jsonl"], "`none.jsonl`: no such file");
    refused(&["--teacher-answers", "t.jsonl", "--teacher", "base"], "--teacher-answers: there is a --teacher too");

    // The teacher names another word than the data do.
    let ran = folder.run(&[&training("out", "40")[..], &teacher].concat());
    assert!(ran.status == 0 && ran.stdout.contains("exact 0.00"), "{ran:?}");
    let ran = folder.run(&["eval", "-m", "out", "train.json", "--json", "--out", "report"]);
    let predictions = fs::read_to_string(folder.path("report/predictions.json")).unwrap();
    assert!(ran.status == 0 && predictions.contains("\"Bread\""), "{ran:?} {predictions}");

    let ran = folder.run(&[
        "train",
        "-m",
        "base",
        "--train",
        "two.json",
        "--out",
        "two",
        "--steps",
        "1",
        "--teacher-answers",
        "t.jsonl",
    ]);
    let warning = "warning: --teacher-answers: 1 of 2 questions have none and learn from their gold answers alone\n";
    assert!(ran.status == 0 && ran.stderr.contains(warning), "{ran:?}");
}

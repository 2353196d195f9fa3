//! `longspan convert`: its files, output and errors.

use std::fs;
use std::path::Path;

use super::{Folder, PUMP, check_failed, tree};

/// A small model of up to 18 tokens with random weights, made by transformers.
fn source(name: &str) -> String {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("../longspan/tests/golden/convert");
    golden.join(name).to_str().unwrap().to_string()
}

/// The output with the name of the source as `SRC` and differences, which must be small, as `D`.
fn masked(stdout: &str, source: &str) -> String {
    let mask = |word: &str| match word.trim_end_matches([',', '\n']).parse::<f64>() {
        Ok(number) if word.contains("e-") => {
            assert!(number < 1e-5, "{stdout}");
            word.replace(word.trim_end_matches([',', '\n']), "D")
        }
        _ => word.to_string(),
    };
    let lines = stdout.lines().map(|line| line.split(' ').map(mask).collect::<Vec<_>>().join(" "));
    lines.collect::<Vec<_>>().join("\n").replace(source, "SRC")
}

#[test]
fn a_short_model_becomes_a_long_one() {
    let folder = Folder::new(&[]);
    let bert = source("bert-pretraining");
    let ran = folder.run(&["convert", &bert, "out", "--max-tokens", "1000", "--attention-window", "8,16"]);
    assert_eq!((ran.status, ran.stderr.as_str()), (0, ""));
    let expected = "\
made               out
from               SRC, a model of type bert
longest input      1,000 tokens, from 18
attention window   8, 16
parameters         22,208, stored as f32
head               masked language model, from the source
left out           bert.pooler.dense, cls.seq_relationship
tokenizer          two separators stand between question and document now

largest difference from the source on inputs up to 5 tokens: D, of its logits D
next: teach it to answer, longspan train -m out --train FILE --dev FILE --out DIR";
    assert_eq!(masked(&ran.stdout, &bert), expected);

    let ran = folder.run(&["convert", "out", "longer", "--max-tokens", "1200"]);
    assert_eq!((ran.status, ran.stderr.as_str()), (0, ""));
    let expected = "\
made               longer
from               out, a model of type longformer
longest input      1,200 tokens, from 1,000
attention window   8, 16
parameters         25,408, stored as f32
head               masked language model, from the source

largest difference from the source on inputs up to 5 tokens: D, of its logits D
next: teach it to answer, longspan train -m longer --train FILE --dev FILE --out DIR";
    assert_eq!(masked(&ran.stdout, "SRC"), expected);
}

#[test]
fn a_converted_model_answers_questions() {
    let folder = Folder::new(&[("bread.txt", b"a b a c. b a")]);
    let xlm = source("xlm-roberta-qa");
    let ran = folder.run(&["convert", &xlm, "out"]);
    assert_eq!((ran.status, ran.stderr.as_str()), (0, ""));
    let expected = "\
made               out
from               SRC, a model of type xlm-roberta
longest input      4,096 tokens, from 18
attention window   512 in every layer
parameters         71,458, stored as f32
head               question answering, from the source

largest difference from the source on inputs up to 18 tokens: D, of its logits D
next: longspan ask -m out QUESTION FILE";
    assert_eq!(masked(&ran.stdout, &xlm), expected);
    let ran = folder.run(&["ask", "-m", "out", "--threshold", "inf", "a b ?", "bread.txt"]);
    assert_eq!((ran.status, ran.stderr.as_str()), (0, ""));
}

#[test]
fn a_longformer_made_of_bert_is_asked_as_it_is_and_converted() {
    let folder = Folder::new(&[("bread.txt", b"a b a c. b a")]);
    let bert = source("bert-long-qa");
    let ask = |model| folder.run(&["ask", "-m", model, "--threshold", "inf", "a b ?", "bread.txt"]);
    let asked = ask(&bert);
    assert_eq!((asked.status, asked.stderr.as_str()), (0, ""));
    let ran = folder.run(&["convert", &bert, "out"]);
    assert_eq!((ran.status, ran.stderr.as_str()), (0, ""));
    assert!(
        ran.stdout.contains("a model of type longformer\nlongest input      64 tokens, from 64\n"),
        "{}",
        ran.stdout
    );
    let ran = ask("out");
    assert_eq!((ran.status, ran.stderr.as_str()), (0, ""));
    let ran = folder.run(&["convert", &source("longformer-qa"), "old"]);
    check_failed(&ran, "--one-sided-windows must be chosen: with attention_mode `tvm` windows are one-sided");
}

/// As after a run that was killed at its very end.
#[test]
fn a_folder_that_has_the_result_is_no_obstacle() {
    let folder = Folder::new(&[]);
    for (name, store) in [("bert", "f32"), ("bert", "f16"), ("longformer-qa", "int8")] {
        let (source, one_sided) = (source(name), ["--one-sided-windows"]);
        let own: &[&str] = if name == "bert" { &["--max-tokens", "100"] } else { &one_sided };
        let with_store = |store: &str, more: &[&str]| {
            folder.run(&[&["convert", &source, "out", "--store", store], own, more].concat())
        };
        let convert = |more: &[&str]| with_store(store, more);
        let first = convert(&[]);
        assert_eq!((first.status, first.stderr.as_str()), (0, ""));
        let whole = tree(&folder.path("out"));
        assert_eq!(convert(&[]), first);
        let not_empty = "`out`: the folder is not empty";
        let other = if name == "bert" { ["--attention-window", "4"] } else { ["--max-tokens", "200"] };
        check_failed(&convert(&other), not_empty);
        // The same config.json, and other weights.
        check_failed(&with_store("bf16", &[]), not_empty);
        assert!(tree(&folder.path("out")) == whole);
        let weights = folder.path("out/model.safetensors");
        let mut changed = fs::read(&weights).unwrap();
        *changed.last_mut().unwrap() ^= 1;
        fs::write(&weights, &changed).unwrap();
        check_failed(&convert(&[]), not_empty);
        assert!(fs::read(&weights).unwrap() == changed);
        fs::remove_dir_all(folder.path("out")).unwrap();
    }
}

#[test]
fn invalid_arguments_are_refused() {
    let folder = Folder::new(&[("file", b"x"), ("config.json", b"{\"model_type\": \"t5\"}")]);
    let bert = source("bert");
    let check = |arguments: &[&str], message: &str| {
        check_failed(&folder.run(&[&["convert"], arguments].concat()), message);
        assert!(!folder.path("out").exists());
    };
    check(&[&bert, "file"], "`file`: a file, not a folder");
    check(&[&bert, "file/in/it"], "`file`: a file, not a folder");
    #[cfg(unix)]
    {
        std::os::unix::fs::symlink("nothing", folder.path("link")).unwrap();
        check(&[&bert, "link"], "`link`: a link to nothing, not a folder");
        check(&[&bert, "/dev/null"], "`/dev/null`: a device or a pipe, not a folder");
    }
    check(&[&bert, "."], "`.`: the folder is not empty");
    check(&["./missing", "out"], "`./missing`: no such folder");
    check(&["no-org/no-model", "out"], "no-org/no-model");
    check(&[".", "out"], "model_type `t5`: expected `longformer`, `bert`, `roberta`, `xlm-roberta`,");
    check(&[&bert, "out", "--attention-window", "7"], "--attention-window 7: expected an even, positive number");
    check(&[&bert, "out", "--attention-window", "8,8,8"], "--attention-window has 3 numbers, the model has 2 layers");
    check(&[&bert, "out", "--max-tokens", "9999999"], "--max-tokens 9999999: expected 1 to 1048576");
    check(&[&bert, "out", "--one-sided-windows"], "--one-sided-windows needs a Longformer: the model is a `bert`");
    for (arguments, message) in [
        (&["--attention-window", "0"][..], "expected a whole number from 1 to"),
        (&["--attention-window", "8,"], "expected a whole number from 1 to"),
        (&["--max-tokens", "-1"], "expected a whole number from 1 to"),
        (&["more"], "unexpected argument"),
    ] {
        let ran = folder.run(&[&["convert", &bert, "out"], arguments].concat());
        assert_eq!((ran.status, ran.stdout.as_str()), (2, ""), "{arguments:?}");
        assert!(ran.stderr.starts_with("error: ") && ran.stderr.contains(message), "{arguments:?}: {}", ran.stderr);
    }
    fs::create_dir(folder.path("out")).unwrap();
    assert_eq!(folder.run(&["convert", &bert, "out", "--attention-window", "4"]).status, 0);
}

#[test]
fn the_embedded_model_can_be_stored_in_every_format() {
    let folder = Folder::new(&[("pump.txt", PUMP.as_bytes())]);
    let ask = |model: &str| {
        let ran = folder.run(&["ask", "-m", model, "--json", "Who installed the pump?", "pump.txt"]);
        assert_eq!((ran.status, ran.stderr.as_str()), (0, ""));
        serde_json::from_str::<serde_json::Value>(&ran.stdout).unwrap()
    };
    let (embedded, mut sizes) = (ask("embedded"), Vec::new());
    assert!(embedded["model"].as_str().unwrap().ends_with(" (embedded)"), "{embedded}");
    for store in ["f16", "int8"] {
        let ran = folder.run(&["convert", "embedded", store, "--store", store]);
        assert_eq!((ran.status, ran.stderr.as_str()), (0, ""));
        assert!(ran.stdout.contains(&format!(", stored as {store}\n")), "{}", ran.stdout);
        assert!(folder.run(&["info", "-m", store]).stdout.contains(&format!("  stored as          {store}\n")));
        let found = ask(store);
        let difference = (found["score"].as_f64().unwrap() - embedded["score"].as_f64().unwrap()).abs();
        assert_eq!(found["answer"], embedded["answer"]);
        // The embedded model is stored in bytes, whose products with their scales f16 rounds.
        assert!(difference < if store == "int8" { 1e-5 } else { 0.01 }, "{store}: {difference}");
        assert!(folder.path(store).join("README.md").exists() && folder.path(store).join("longspan.json").exists());
        sizes.push(fs::metadata(folder.path(store).join("model.safetensors")).unwrap().len());
    }
    assert!(sizes[1] < sizes[0] * 51 / 100, "{sizes:?}");
}

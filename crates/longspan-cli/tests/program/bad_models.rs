//! Checkpoints that are missing, damaged or of another kind.

use std::fs;

use super::{BREAD, Folder, check_failed, ran, small_model, vocabulary};

/// A folder with a document and the small model, complete with a vocabulary.
fn folder() -> Folder {
    let folder = Folder::new(&[("bread.txt", BREAD.as_bytes())]);
    fs::create_dir(folder.path("model")).unwrap();
    for name in ["config.json", "model.safetensors"] {
        fs::copy(small_model().join(name), folder.path("model").join(name)).unwrap();
    }
    fs::write(folder.path("model/vocab.txt"), vocabulary()).unwrap();
    folder
}

const ASK: [&str; 5] = ["ask", "-m", "model", "what is bread ?", "bread.txt"];

#[test]
fn a_model_in_a_folder_answers() {
    let folder = folder();
    let ran = folder.run(&[&ASK[..], &["--json", "--threshold", "inf"]].concat());
    assert_eq!((ran.status, ran.stderr.as_str()), (0, ""));
    assert!(ran.stdout.contains(r#""model":"model","precision":"f32""#), "{}", ran.stdout);
}

#[test]
fn the_model_option_overrides_the_environment() {
    let folder = folder();
    let model = |option: &[&str], environment: &str| {
        let mut command = folder.command(&[&["info", "--json"], option].concat());
        let ran = ran(command.env("LONGSPAN_MODEL", environment));
        assert_eq!(ran.stderr, "");
        serde_json::from_str::<serde_json::Value>(&ran.stdout).unwrap()["model"]["name"].as_str().unwrap().to_string()
    };
    assert_eq!(model(&[], "model"), "model");
    assert_eq!(model(&["-m", "./model"], "nonsense"), "./model");
    assert!(model(&[], "").ends_with(" (embedded)"));
}

#[test]
fn an_unknown_instruction_set_is_named() {
    let folder = folder();
    for arguments in [&ASK[..], &["info"]] {
        let ran = ran(folder.command(arguments).env("LONGSPAN_ISA", "sse9"));
        check_failed(&ran, "instruction set `sse9`: this machine has portable");
        assert!(ran.stderr.contains("hint: the environment variable LONGSPAN_ISA"), "{}", ran.stderr);
    }
}

/// Replaces a file of the model, or removes it: the program must fail with this message.
fn check(file: &str, content: Option<&[u8]>, message: &str) {
    let folder = folder();
    let path = folder.path("model").join(file);
    match content {
        Some(content) => fs::write(path, content).unwrap(),
        None => fs::remove_file(path).unwrap(),
    }
    check_failed(&folder.run(&ASK), message);
}

fn config(from: &str, to: &str) -> Vec<u8> {
    let config = fs::read_to_string(small_model().join("config.json")).unwrap();
    assert!(config.contains(from), "`{from}`");
    config.replace(from, to).into_bytes()
}

/// The crate that reads it panics on the gap in its ids. That is caught, and nothing is shown of it.
#[test]
fn a_tokenizer_whose_ids_have_a_gap_is_one_error() {
    let token = |content: &str, id: usize| {
        let flags =
            ["lstrip", "normalized", "rstrip", "single_word"].map(|flag| format!("\"{flag}\": false")).join(", ");
        format!("{{\"content\": \"{content}\", \"id\": {id}, {flags}, \"special\": true}}")
    };
    let tokenizer = format!("{{\"added_tokens\": [{}, {}], \"decoder\":", token("<s>", 0), token("<mask>", 15));
    check("tokenizer.json", Some(tokenizer.as_bytes()), "`tokenizer.json`: ");
}

#[test]
fn missing_files_are_named() {
    check("config.json", None, "config.json");
    check("vocab.txt", None, "vocab.txt");
    check("model.safetensors", None, "model.safetensors");
}

#[test]
fn invalid_configurations_are_refused() {
    check("config.json", Some(b""), "config.json");
    check("config.json", Some(b"<html>"), "config.json");
    check(
        "config.json",
        Some(&config("\"longformer\"", "\"deberta-v2\"")),
        "model_type `deberta-v2`: expected `longformer`",
    );
    check("config.json", Some(&config("    12,\n", "    13,\n")), "attention_window 13");
    check("config.json", Some(&config("\"hidden_size\": 72", "\"hidden_size\": 71")), "hidden_size 71");
    check("longspan.json", Some(b"{\"treshold\": 1}"), "treshold");
}

#[test]
fn invalid_weights_are_refused() {
    let weights = fs::read(small_model().join("model.safetensors")).unwrap();
    check("model.safetensors", Some(&weights[..weights.len() - 4]), "model.safetensors");
    check("model.safetensors", Some(&weights[..100]), "model.safetensors");
    check("model.safetensors", Some(b""), "model.safetensors");
    check("model.safetensors", Some(b"<!DOCTYPE html><html></html>"), "model.safetensors");
    let shape = &config("\"intermediate_size\": 128", "\"intermediate_size\": 64");
    check("config.json", Some(shape), "expected shape [64, 72], file has [128, 72]");
    let layers = String::from_utf8(config("\"num_hidden_layers\": 3", "\"num_hidden_layers\": 4")).unwrap();
    let layers = layers.replace("    12,\n", "    12,\n    12,\n");
    check("config.json", Some(layers.as_bytes()), "tensor `longformer.encoder.layer.3.");
}

#[test]
fn hints_do_not_depend_on_the_name_of_the_folder() {
    let folder = folder();
    let model = folder.path("tokens-and-models/m");
    fs::create_dir_all(folder.path("tokens-and-models")).unwrap();
    fs::rename(folder.path("model"), &model).unwrap();
    fs::remove_file(model.join("model.safetensors")).unwrap();
    fs::write(model.join("pytorch_model.bin"), b"damaged").unwrap();
    let ran = folder.run(&["ask", "-m", "tokens-and-models/m", "what is bread ?", "bread.txt"]);
    check_failed(&ran, "`tokens-and-models/m/pytorch_model.bin`: ");
    assert!(ran.stderr.contains("fetch or copy it again") && !ran.stderr.contains("remove"), "{}", ran.stderr);
}

#[test]
fn errors_name_a_model_with_a_short_name() {
    let folder = folder();
    fs::rename(folder.path("model"), folder.path("m")).unwrap();
    fs::write(folder.path("m/config.json"), config("\"intermediate_size\": 128", "\"intermediate_size\": 64")).unwrap();
    let ran = folder.run(&["ask", "-m", "m", "what is bread ?", "bread.txt"]);
    check_failed(&ran, "error: model `m`: tensor `longformer.encoder.layer.0.");
    fs::remove_file(folder.path("m/model.safetensors")).unwrap();
    check_failed(&folder.run(&["ask", "-m", "m", "what is bread ?", "bread.txt"]), "error: `m`: no weights");
}

#[test]
fn a_model_of_another_type_gets_the_hint_to_choose_one() {
    let folder = folder();
    for model_type in ["mpnet", "t5"] {
        let config = config("\"longformer\"", &format!("\"{model_type}\""));
        fs::write(folder.path("model/config.json"), config).unwrap();
        let ran = folder.run(&ASK);
        check_failed(&ran, &format!("model `model`: `config.json`: model_type `{model_type}`"));
        assert!(ran.stderr.contains("hint: ") && ran.stderr.contains("deepset/roberta-base-squad2"), "{}", ran.stderr);
    }
}

#[test]
fn missing_models_are_named() {
    let folder = folder();
    let model = |name: &str, message: &str| {
        check_failed(&folder.run(&["ask", "-m", name, "who?", "bread.txt"]), message);
        check_failed(&folder.run(&["info", "-m", name]), message);
    };
    model("nowhere", "`nowhere`: no such folder");
    model("./no/where", "`./no/where`: no such folder");
    model("bread.txt", "`bread.txt`: a file, not a folder");
    model("no-org/no-model", "no-org/no-model");
    let ran = folder.run(&["ask", "--offline", "-m", "no-org/no-model@v1", "who?", "bread.txt"]);
    check_failed(&ran, "no-org/no-model");
}

//! Short models, which every command but `pretrain` takes as they are.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::server::{Model, Server};
use super::{BREAD, Folder, check_failed, ran, vocabulary};

const DATA: &str = r#"{"data": [{"title": "Bread", "paragraphs": [{"context": "bread is made from flour .", "qas": [
    {"id": "what", "question": "what is bread ?", "answers": [{"text": "flour", "answer_start": 19}]},
    {"id": "from", "question": "what is flour ?", "answers": [], "is_impossible": true}]}]}]}"#;

/// A model of up to 40 tokens with random weights, made by transformers.
fn source(kind: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../longspan/tests/golden/models").join(kind)
}

/// A folder with data, a short and a long document, and the model.
fn folder(kind: &str) -> Folder {
    let long = BREAD.repeat(20);
    let files: [(&str, &[u8]); 3] =
        [("bread.txt", BREAD.as_bytes()), ("long.txt", long.as_bytes()), ("data.json", DATA.as_bytes())];
    let folder = Folder::new(&files);
    fs::create_dir(folder.path("model")).unwrap();
    for name in ["config.json", "model.safetensors"] {
        fs::copy(source(kind).join(name), folder.path("model").join(name)).unwrap();
    }
    fs::write(folder.path("model/vocab.txt"), vocabulary()).unwrap();
    folder
}

fn object(folder: &Folder, arguments: &[&str]) -> Value {
    let ran = folder.run(arguments);
    assert_eq!((ran.status, ran.stderr.as_str()), (0, ""), "{arguments:?}: {}", ran.stdout);
    serde_json::from_str(&ran.stdout).unwrap()
}

const ASK: [&str; 7] = ["ask", "--json", "--threshold", "inf", "-m", "model", "what is bread ?"];

#[test]
fn each_kind_is_asked_and_described() {
    for (kind, model_type) in [
        ("short-bert", "bert"),
        ("short-distilbert", "distilbert"),
        ("short-electra", "electra"),
        ("short-albert", "albert"),
    ] {
        let folder = folder(kind);
        let answer = object(&folder, &[&ASK[..], &["long.txt"]].concat());
        assert!(answer["windows"].as_u64() > Some(5) && answer["answer"].is_string(), "{answer}");
        let info = object(&folder, &["info", "--json", "-m", "model"]);
        assert_eq!(
            (&info["model"]["model_type"], &info["model"]["attention_window"]),
            (&model_type.into(), &Value::Null)
        );
        assert_eq!((&info["model"]["max_tokens"], &info["model"]["task"]), (&40.into(), &"question answering".into()));
        let bench = ["bench", "--json", "-m", "model", "--lengths", "16", "--passes", "1", "--precision", "f32"];
        assert_eq!(object(&folder, &bench)["runs"][0]["globals"], 0);
    }
    let folder = folder("short-bert");
    let info = folder.run(&["info", "-m", "model"]).stdout;
    assert!(
        info.contains("  attention window   the whole input\n") && info.contains("  type               bert\n"),
        "{info}"
    );
}

#[test]
fn options_without_meaning_are_errors() {
    let folder = folder("short-bert");
    let ask = |more: &[&str]| folder.run(&[&["ask", "-m", "model", "what is bread ?", "bread.txt"], more].concat());
    let meaningless = "--global-attention has no meaning: in a model of type bert all tokens see all";
    check_failed(&ask(&["--global-attention", "first"]), meaningless);
    check_failed(&ask(&["--global-attention", "0,3"]), meaningless);
    check_failed(&ask(&["--max-tokens", "41"]), "--max-tokens 41: the model has positions for 40");
    let bench = folder.run(&["bench", "-m", "model", "--globals", "64"]);
    check_failed(&bench, "--globals 64: in a short model all tokens see all");
    fs::write(folder.path("text.txt"), "bread").unwrap();
    let pretrain = folder.run(&["pretrain", "-m", "model", "--text", "text.txt", "--out", "out"]);
    check_failed(
        &pretrain,
        "model_type `bert`: expected `longformer`, which `longspan convert` makes of a short model",
    );
}

#[test]
fn they_are_trained_calibrated_and_measured() {
    for kind in ["short-bert", "short-albert"] {
        let folder = folder(kind);
        let train =
            ["train", "-m", "model", "--train", "data.json", "--dev", "data.json", "--out", "out", "--steps", "4"];
        let trained = folder.run(&[&train[..], &["--precision", "f32", "--teacher", "model"]].concat());
        assert_eq!(trained.status, 0, "{trained:?}");
        let config = |name: &str| fs::read_to_string(folder.path(name).join("config.json")).unwrap();
        let same = |key: &str| {
            let value = |name: &str| serde_json::from_str::<Value>(&config(name)).unwrap()[key].clone();
            assert_eq!(value("model"), value("out"), "{kind}: {key}");
        };
        ["model_type", "architectures", "hidden_size", "max_position_embeddings", "hidden_act"]
            .into_iter()
            .for_each(same);
        assert!(!config("out").contains("attention_window"), "{kind}");
        assert!(!folder.path("out/longspan.json").exists(), "{kind}: its separators are those of its kind");
        let figures = object(&folder, &["eval", "-m", "out", "data.json", "--json"]);
        assert_eq!(figures["total"], 2, "{figures}");
        let calibrate = ["calibrate", "-m", "out", "data.json", "--context-tokens", "0", "--out", "calibrated"];
        let calibrated = folder.run(&calibrate);
        assert_eq!(calibrated.status, 0, "{calibrated:?}");
        let threshold =
            |name: &str| object(&folder, &["info", "--json", "-m", name])["model"]["threshold"].as_f64().unwrap();
        assert!(threshold("out") == 0.0 && threshold("calibrated") != 0.0, "{kind}");
    }
}

/// The file lists of the hub: torch's weights beside those of other libraries, or these alone.
#[test]
fn models_of_the_hub_are_fetched_beside_weights_of_other_libraries() {
    let others = ["tf_model.h5", "flax_model.msgpack", "rust_model.ot", "onnx/model.onnx"];
    let folder = folder("short-distilbert");
    for with_torch in [true, false] {
        let mut files = BTreeMap::from([("vocab.txt".to_owned(), vocabulary().into_bytes())]);
        let own: &[&str] = if with_torch { &["config.json", "model.safetensors"] } else { &["config.json"] };
        files.extend(
            own.iter().map(|name| (name.to_string(), fs::read(source("short-distilbert").join(name)).unwrap())),
        );
        files.extend(others.map(|name| (name.to_owned(), b"of another library".to_vec())));
        let hub = Server::start(Model { files, ..Model::safetensors() });
        let name = if with_torch { "org/model" } else { "org/model@main" };
        let mut command =
            folder.command(&["ask", "--json", "--threshold", "inf", "-m", name, "what is bread ?", "bread.txt"]);
        if !with_torch {
            command.env("HF_HOME", folder.path("another-cache"));
        }
        let asked = ran(command.env_remove("HF_HUB_OFFLINE").env("HF_ENDPOINT", hub.endpoint()));
        match with_torch {
            true => assert_eq!((asked.status, asked.stderr.as_str()), (0, "")),
            false => check_failed(
                &asked,
                "no weights of torch, only those of TensorFlow (`tf_model.h5`), which are not read",
            ),
        }
    }
}

//! `longspan bench`: its output, except for measured times.

use serde_json::Value;

use super::{Folder, check_failed, small_model};

/// The one JSON object that the command prints.
fn measured(folder: &Folder, arguments: &[&str]) -> Value {
    let ran = folder.run(&[&["bench", "--json"], arguments].concat());
    assert_eq!((ran.status, ran.stderr.as_str(), ran.stdout.lines().count()), (0, "", 1), "{ran:?}");
    serde_json::from_str(&ran.stdout).unwrap()
}

fn keys(object: &Value) -> Vec<&str> {
    object.as_object().unwrap().keys().map(String::as_str).collect()
}

fn size(info: &Value, key: &str) -> f64 {
    info["model"][key].as_f64().unwrap()
}

/// The window is wider than the input, so every token sees every other and the formula needs no window.
fn gflop_of_40_tokens(info: &Value) -> f64 {
    assert!(info["model"]["attention_window"].as_array().unwrap().iter().all(|window| window.as_u64() >= Some(80)));
    let (c, f) = (size(info, "hidden_size"), size(info, "intermediate_size"));
    let heads = size(info, "num_attention_heads");
    assert!(c / heads >= 12.0, "12 global tokens are absorbed");
    let linear = 2.0 * 40.0 * (4.0 * c * c + 2.0 * c * f);
    let local = 2.0 * 2.0 * 40.0 * 40.0 * c;
    let global = 3.0 * 2.0 * 12.0 * c * c + 2.0 * 2.0 * 12.0 * heads * 40.0 * c;
    (size(info, "num_hidden_layers") * (linear + local + global) + 2.0 * 40.0 * c * 2.0) / 1e9
}

#[test]
fn json_has_every_figure() {
    let folder = Folder::new(&[]);
    let report = measured(&folder, &["--lengths", "40", "--passes", "1", "--precision", "f32", "--threads", "1,2"]);
    assert_eq!(keys(&report), ["machine", "model", "peaks", "products", "runs", "training"]);
    assert_eq!(keys(&report["machine"]), ["cores", "instruction_set"]);
    assert_eq!(report["products"], Value::Array(Vec::new()));
    let info: Value = serde_json::from_str(&folder.run(&["info", "--json"]).stdout).unwrap();
    assert_eq!(report["model"], info["model"]["name"]);
    let (peaks, runs) = (report["peaks"].as_array().unwrap(), report["runs"].as_array().unwrap());
    assert_eq!((peaks.len(), runs.len()), (2, 2));
    for ((peak, run), threads) in peaks.iter().zip(runs).zip([1, 2]) {
        assert_eq!((&peak["precision"], peak["threads"].as_u64()), (&"f32".into(), Some(threads)));
        let figure = |key: &str| run[key].as_f64().unwrap();
        for (key, value) in [("tokens", 40), ("sequences", 1), ("threads", threads), ("globals", 12), ("passes", 1)] {
            assert_eq!(run[key].as_u64(), Some(value), "{key}");
        }
        assert_eq!(run["precision"], "f32");
        let seconds = run["seconds"]["median"].as_f64().unwrap();
        assert_eq!((&run["seconds"]["min"], &run["seconds"]["max"]), (&seconds.into(), &seconds.into()));
        let close = |value: f64, expected: f64| (value - expected).abs() <= 1e-9 * expected;
        assert!(close(figure("gflop"), gflop_of_40_tokens(&info)), "{run}");
        assert!(close(figure("gflops"), figure("gflop") / seconds), "{run}");
        assert!(close(figure("share_of_peak"), figure("gflops") / peak["gflops"].as_f64().unwrap()), "{run}");
        assert!(close(figure("tokens_per_second"), 40.0 / seconds) && figure("load_seconds") > 0.0, "{run}");
        let phases = run["phases"].as_object().unwrap();
        assert!(phases.len() == 7 && phases.contains_key("local_attention"), "{run}");
        assert!(close(phases.values().map(|share| share.as_f64().unwrap()).sum(), 1.0), "{run}");
        if cfg!(target_os = "linux") && threads == 1 {
            assert!(run["peak_memory_bytes"].as_u64() > Some(1 << 20), "{run}");
        }
    }
}

#[test]
fn the_output_for_people_is_a_table() {
    let model = small_model();
    let folder = Folder::new(&[]);
    let options = "--lengths 9,149 --sequences 3 --passes 2 --threads 1".split(' ');
    let arguments: Vec<&str> = ["bench", "-m", model.to_str().unwrap()].into_iter().chain(options).collect();
    let ran = folder.run(&arguments);
    assert_eq!((ran.status, ran.stderr.as_str()), (0, ""));
    let (head, runs) = ran.stdout.split_once("passes of the model\n\n").unwrap();
    assert!(head.starts_with("machine  ") && head.contains("\nmodel    "), "{head}");
    assert!(head.contains("3 layers, 72 wide, 3 heads, window 6, 12, 4\n"), "{head}");
    let (runs, phases) = runs.split_once("where their time goes").unwrap();
    let runs: Vec<&str> = runs.trim_end().lines().collect();
    let columns: Vec<&str> = runs[0].split_whitespace().collect();
    assert_eq!(columns.join(" "), "precision threads input ms min to max tokens/s GFLOP/s of peak MB");
    let cells = |line: &str| line.split_whitespace().take(5).collect::<Vec<_>>().join(" ");
    assert_eq!(runs[1..].iter().map(|line| cells(line)).collect::<Vec<_>>(), ["f32 1 3 × 9", "f32 1 3 × 149"]);
    assert_eq!(phases.lines().count(), 5, "{phases}");
    assert!(ran.stdout.lines().filter(|line| !line.starts_with("model")).all(|line| line.chars().count() <= 100));
}

#[test]
fn lengths_follow_the_model() {
    let model = small_model();
    let report =
        measured(&Folder::new(&[]), &["-m", model.to_str().unwrap(), "--passes", "1", "--precision", "f32,f32"]);
    let tokens: Vec<_> = report["runs"].as_array().unwrap().iter().map(|run| run["tokens"].as_u64().unwrap()).collect();
    assert_eq!(tokens, [128], "of 128, 512 and 4096 the model has positions for the first, and f32 is run once");
}

#[test]
fn invalid_options_are_refused() {
    let folder = Folder::new(&[]);
    let check =
        |arguments: &[&str], message: &str| check_failed(&folder.run(&[&["bench"], arguments].concat()), message);
    let model = small_model();
    let model = model.to_str().unwrap();
    check(&["-m", model, "--lengths", "40,150"], "--lengths 150: the model has positions for 149 tokens");
    check(&["--preset", "large", "--lengths", "4097"], "--lengths 4097: the model has positions for 4096 tokens");
    check(&["--sequences", "16777216"], "--sequences 16777216: 2147483648 tokens in a batch, the most is 1048576");
    check(&["--preset", "mini", "-m", model], "--preset cannot be used with --model");
    check(&["-m", "./missing"], "`./missing`: no such folder");
    for (arguments, message) in [
        (&["--lengths", "0"][..], "expected a whole number from 1 to"),
        (&["--lengths", ""], "expected a whole number from 1 to"),
        (&["--lengths", "128,"], "expected a whole number from 1 to"),
        (&["--lengths", "-5"], "expected a whole number from 1 to"),
        (&["--sequences", "many"], "expected a whole number from 1 to"),
        (&["--globals", "-1"], "expected a whole number from 0 to"),
        (&["--passes", "0"], "expected a whole number from 1 to"),
        (&["--sequences", "16777217"], "expected a whole number from 1 to 16777216"),
        (&["--passes", "99999999999999999999"], "expected a whole number from 1 to 16777216"),
        (&["--threads", "1,0"], "expected a whole number from 1 to 4096"),
        (&["--precision", "f32,f64"], "possible values: auto, f32, bf16, int8"),
        (&["--preset", "huge"], "possible values: mini, base, large"),
        (&["extra"], "unexpected argument"),
    ] {
        let ran = folder.run(&[&["bench"], arguments].concat());
        assert_eq!((ran.status, ran.stdout.as_str()), (2, ""), "{arguments:?}");
        assert!(ran.stderr.starts_with("error: ") && ran.stderr.contains(message), "{arguments:?}: {}", ran.stderr);
    }
}

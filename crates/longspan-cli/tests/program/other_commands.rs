//! `longspan info`, `fetch`, `completions`, `man` and the help texts.

use super::{Folder, check_failed, small_model};

#[test]
fn info_shows_a_model() {
    let folder =
        Folder::new(&[("README.md", b"---\nlicense: mit\n---\n"), ("longspan.json", b"{\"max_answer_length\": 9}")]);
    for name in ["config.json", "model.safetensors"] {
        std::fs::copy(small_model().join(name), folder.path(name)).unwrap();
    }
    let ran = folder.run(&["info", "-m", "."]);
    assert_eq!((ran.status, ran.stderr.as_str()), (0, ""));
    let (model, machine) = ran.stdout.split_once("\nmachine\n").unwrap();
    let expected = "\
model
  name               .
  type               longformer
  task               question answering
  layers             3
  hidden size        72
  heads              3, each 24 wide
  intermediate size  128
  attention window   6, 12, 4
  longest input      149 tokens
  vocabulary         120 tokens
  parameters         187,010
  stored as          f32
  threshold          0
  abstain            no thresholds by name: `longspan calibrate` fits them
  longest answer     9 tokens
  borders            not respected
  verification       none
  scores             not calibrated
  licence            mit
";
    assert_eq!(model, expected);
    let labels: Vec<&str> = machine.lines().map(|line| line[..20].trim()).collect();
    assert_eq!(labels, ["cores", "instruction sets", "used"]);
}

#[test]
fn info_shows_the_embedded_model() {
    let ran = Folder::new(&[]).run(&["info", "--json"]);
    assert_eq!((ran.status, ran.stderr.as_str()), (0, ""));
    let info: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(info["model"]["task"], "question answering");
    assert!(info["model"]["name"].as_str().unwrap().ends_with(" (embedded)"));
    assert!(info["machine"]["cores"].as_u64() > Some(0));
}

#[test]
fn fetch_needs_the_name_of_a_hub_model() {
    let folder = Folder::new(&[]);
    for name in ["na me", "no-org/no-model", "a/b/c"] {
        check_failed(&folder.run(&["fetch", "--offline", name]), name);
    }
}

#[test]
fn completions_and_manual_pages_have_every_option() {
    let folder = Folder::new(&[]);
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let ran = folder.run(&["completions", shell]);
        assert_eq!((ran.status, ran.stderr.as_str()), (0, ""));
        assert!(ran.stdout.contains("global-attention"), "{shell}");
    }
    let page = folder.run(&["man", "ask"]);
    assert!(page.stdout.contains(".TH longspan-ask 1") && page.stdout.contains("global\\-attention"), "{page:?}");
    let page = folder.run(&["man"]);
    assert!(page.stdout.contains(".TH longspan 1") && page.stdout.contains("longspan\\-ask(1)"), "{page:?}");
    check_failed(&folder.run(&["man", "nothing"]), "`nothing`: no such command");
}

#[test]
fn every_command_has_help() {
    let folder = Folder::new(&[]);
    for command in ["ask", "convert", "train", "info", "bench", "fetch", "completions", "man"] {
        for option in ["-h", "--help"] {
            let ran = folder.run(&[command, option]);
            assert_eq!((ran.status, ran.stderr.as_str()), (0, ""));
            assert!(ran.stdout.contains("Usage: longspan "), "{command}: {}", ran.stdout);
        }
    }
    assert!(folder.run(&["--version"]).stdout.starts_with("longspan "));
}

#[test]
fn the_heading_of_the_machine_has_its_options_only() {
    for command in ["train", "pretrain"] {
        let help = Folder::new(&[]).run(&[command, "-h"]).stdout;
        let (options, machine) = help.split_once("\nMachine:\n").unwrap();
        let (settings, general) = options.split_once("--color").unwrap();
        let above = general.lines().filter(|line| line.trim_start().starts_with('-')).collect::<Vec<_>>();
        assert!(settings.contains("--precision") && above.len() == 1 && above[0].starts_with("  -h"), "{general}");
        let options: Vec<&str> = machine.lines().take_while(|line| !line.is_empty()).collect();
        assert!(options.len() == 1 && options[0].trim_start().starts_with("--threads"), "{command}: {options:?}");
    }
}

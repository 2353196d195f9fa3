//! `longspan info`: what a model is, and what this machine can do.

use std::fmt::Write;

use anyhow::{Context, Result};
use longspan::checkpoint::{Source, Tensors};
use longspan::model::{Task, parameters};
use longspan::reader::Settings;
use longspan::tensor::DType;
use longspan_kernels::Isa;
use serde::Serialize;

use crate::cli::{InfoArgs, Precision};
use crate::machine::instruction_set;
use crate::model::{self, Checkpoint, task_name};
use crate::terminal::table::short;
use crate::terminal::{self, thousands, windows};

#[derive(Serialize)]
struct Info {
    model: ModelInfo,
    machine: MachineInfo,
}

#[derive(Serialize)]
struct ModelInfo {
    name: String,
    task: Option<&'static str>,
    num_hidden_layers: usize,
    hidden_size: usize,
    num_attention_heads: usize,
    intermediate_size: usize,
    attention_window: Vec<usize>,
    max_tokens: usize,
    vocab_size: usize,
    parameters: usize,
    stored_as: String,
    null_score_diff_threshold: f64,
    max_answer_length: usize,
    verify_tokens: usize,
    /// The data that its scores were calibrated on; null where they are not.
    calibrated_on: Option<String>,
    licence: Option<String>,
}

#[derive(Serialize)]
struct MachineInfo {
    cores: usize,
    instruction_sets: Vec<String>,
    instruction_set: String,
    precision: String,
    threads: usize,
}

/// Runs the command.
pub fn run(args: &InfoArgs) -> Result<()> {
    let Checkpoint { name, source, .. } = model::find(&args.model)?;
    let info = Info { model: model::named(&name, model_info(&name, &source))?, machine: machine_info()? };
    let shown = if args.json { serde_json::to_string(&info)? + "\n" } else { table(&info)? };
    terminal::print(shown.as_bytes()).context("standard output")
}

fn model_info(name: &str, source: &Source) -> longspan::Result<ModelInfo> {
    let config = source.config()?;
    let settings = Settings::load(source)?;
    let task = config.architecture.as_deref().and_then(Task::from_architecture);
    let parameters = parameters(&config, task.unwrap_or(Task::Encoder));
    Ok(ModelInfo {
        task: task.map(task_name),
        num_hidden_layers: config.num_hidden_layers,
        hidden_size: config.hidden_size,
        num_attention_heads: config.num_attention_heads,
        intermediate_size: config.intermediate_size,
        max_tokens: config.max_tokens(),
        vocab_size: config.vocab_size,
        parameters: parameters.iter().map(|parameter| parameter.shape.iter().product::<usize>()).sum(),
        stored_as: stored_as(&Tensors::open(source)?),
        null_score_diff_threshold: settings.null_score_diff_threshold,
        max_answer_length: settings.max_answer_length,
        verify_tokens: settings.verify_tokens,
        calibrated_on: settings.calibration.map(|calibration| calibration.fitted_on),
        licence: model::model_card(source).and_then(|card| licence(&card)),
        attention_window: config.attention_window,
        name: name.into(),
    })
}

/// The number formats of the tensors, each once.
fn stored_as(tensors: &Tensors) -> String {
    let mut found: Vec<&str> = Vec::new();
    for name in tensors.names() {
        // A tensor of whole numbers, such as `position_ids`, is no weight.
        let Ok(Some(tensor)) = tensors.get(name) else { continue };
        let format = match tensor.dtype {
            DType::F32 => "f32",
            DType::F16 => "f16",
            DType::BF16 => "bf16",
        };
        if !found.contains(&format) {
            found.push(format);
        }
    }
    found.sort_unstable();
    found.join(", ")
}

/// The licence that the front matter of a model card states.
fn licence(card: &str) -> Option<String> {
    let mut lines = card.trim_start_matches('\u{feff}').lines().map(str::trim_end);
    if lines.next() != Some("---") {
        return None;
    }
    let stated = lines.take_while(|line| *line != "---").find_map(|line| line.strip_prefix("license:"))?;
    let stated = stated.trim().trim_matches(['"', '\'']);
    (!stated.is_empty()).then(|| stated.to_string())
}

fn machine_info() -> Result<MachineInfo> {
    Ok(MachineInfo {
        cores: std::thread::available_parallelism().map_or(1, usize::from),
        instruction_sets: Isa::available().iter().map(Isa::to_string).collect(),
        instruction_set: instruction_set()?.to_string(),
        precision: Precision::Auto.on_this_machine()?.to_string(),
        threads: rayon::current_num_threads(),
    })
}

fn table(info: &Info) -> Result<String> {
    let Info { model, machine } = info;
    let head_size = model.hidden_size / model.num_attention_heads.max(1);
    let threads = if machine.threads == 1 { "1 thread".into() } else { format!("{} threads", machine.threads) };
    let parts = [
        (
            "model",
            vec![
                ("name", model.name.clone()),
                ("task", model.task.unwrap_or("not stated").into()),
                ("layers", model.num_hidden_layers.to_string()),
                ("hidden size", model.hidden_size.to_string()),
                ("heads", format!("{}, each {head_size} wide", model.num_attention_heads)),
                ("intermediate size", model.intermediate_size.to_string()),
                ("attention window", windows(&model.attention_window)),
                ("longest input", format!("{} tokens", thousands(model.max_tokens))),
                ("vocabulary", format!("{} tokens", thousands(model.vocab_size))),
                ("parameters", thousands(model.parameters)),
                ("stored as", model.stored_as.clone()),
                ("threshold", short(model.null_score_diff_threshold)),
                ("longest answer", format!("{} tokens", model.max_answer_length)),
                ("verification", verification(model.verify_tokens)),
                ("scores", calibrated(model.calibrated_on.as_deref())),
                ("licence", model.licence.clone().unwrap_or("not stated".into())),
            ],
        ),
        (
            "machine",
            vec![
                ("cores", machine.cores.to_string()),
                ("instruction sets", machine.instruction_sets.join(", ")),
                ("used", format!("{}, {}, {threads}", machine.instruction_set, machine.precision)),
            ],
        ),
    ];
    let mut shown = String::new();
    for (title, rows) in &parts {
        let apart = if shown.is_empty() { "" } else { "\n" };
        writeln!(shown, "{apart}{title}")?;
        for (label, value) in rows {
            writeln!(shown, "  {label:<18} {}", terminal::one_line(value))?;
        }
    }
    Ok(shown)
}

/// How many tokens verify.
fn verification(tokens: usize) -> String {
    if tokens == 0 { "none".into() } else { format!("by {} tokens around the best span", thousands(tokens)) }
}

/// Whether scores are probabilities.
fn calibrated(on: Option<&str>) -> String {
    on.map_or("not calibrated".into(), |data| format!("calibrated on {data}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_licence_stands_in_the_front_matter_only() {
        for (card, found) in [
            ("---\nlanguage: en\nlicense: apache-2.0\n---\n# Model\n", Some("apache-2.0")),
            ("---\r\nlicense: \"mit\"\r\n---\r\n", Some("mit")),
            ("---\nlanguage: en\n---\nlicense: mit\n", None),
            ("# Model\nlicense: mit\n", None),
            ("---\nlicense:\n---\n", None),
            ("", None),
        ] {
            assert_eq!(licence(card).as_deref(), found, "{card:?}");
        }
    }
}

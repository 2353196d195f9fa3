//! `longspan info`: a model, and what this machine can do.

use std::collections::BTreeSet;
use std::fmt::Write;

use anyhow::{Context, Result};
use longspan::checkpoint::{Source, Tensors};
use longspan::model::{Task, parameters};
use longspan::reader::ReaderSettings;
use longspan::tensor::DType;
use longspan_ask::model_card;
use longspan_kernels::Isa;
use serde::{Serialize, Serializer};
use serde_json::{Value, json};

use crate::cli::{InfoArgs, PrecisionArg};
use crate::machine::{cores, instruction_set};
use crate::model::{self, Checkpoint, task_name, windows};
use crate::terminal::numbers::short;
use crate::terminal::{self, counted, thousands};

#[derive(Serialize)]
struct Info {
    model: Properties,
    machine: Properties,
}

/// Key and value in JSON; label and text in the table, where a property without a label is not shown.
struct Properties(Vec<(&'static str, Value, &'static str, String)>);

impl Serialize for Properties {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(key, value, ..)| (key, value)))
    }
}

/// Runs the command.
pub fn run(args: &InfoArgs) -> Result<()> {
    let Checkpoint { name, source, .. } = model::find(&args.model)?;
    let info = Info { model: model::named(&name, model_info(&name, &source))?, machine: machine_info()? };
    let shown = if args.json { serde_json::to_string(&info)? + "\n" } else { table(&info)? };
    terminal::print(shown.as_bytes()).context("standard output")
}

fn model_info(name: &str, source: &Source) -> longspan::Result<Properties> {
    let config = source.config()?;
    let settings = ReaderSettings::load(source, config.separators())?;
    let task = config.architecture.as_deref().and_then(Task::from_architecture);
    let list = parameters(&config, task.unwrap_or(Task::Encoder));
    let parameters = list.iter().map(|parameter| parameter.shape.iter().product::<usize>()).sum();
    let (heads, head_size) = (config.num_attention_heads, config.hidden_size / config.num_attention_heads.max(1));
    let count = |number: usize| (json!(number), number.to_string());
    let tokens = |number: usize| (json!(number), counted(number, "token"));
    let stored_as = stored_as(&Tensors::open(source)?);
    let threshold = settings.null_score_diff_threshold;
    let abstain = match settings.abstain.is_empty() {
        true => "no thresholds by name: `longspan calibrate` fits them".into(),
        false => {
            let shown = settings.abstain.iter().map(|(abstain, threshold)| format!("{abstain} {}", short(*threshold)));
            shown.collect::<Vec<_>>().join(", ")
        }
    };
    let window = match config.is_long {
        true => (json!(config.attention_window), windows(&config.attention_window)),
        false => (Value::Null, "the whole input".into()),
    };
    let verification = match settings.verify_tokens {
        0 => "none".into(),
        tokens => format!("by {} around the best span", counted(tokens, "token")),
    };
    let borders = if settings.respect_borders { "respected" } else { "not respected" };
    let calibrated_on = settings.calibration.map(|calibration| calibration.fitted_on);
    let scores = calibrated_on.as_ref().map_or("not calibrated".into(), |data| format!("calibrated on {data}"));
    let licence = model_card(source).and_then(|card| licence(&card));
    let stated = |text: Option<&str>| (json!(text), text.unwrap_or("not stated").to_owned());
    let properties = [
        ("name", "name", (json!(name), name.to_owned())),
        ("model_type", "type", (json!(config.kind.model_type), config.kind.model_type.to_owned())),
        ("task", "task", stated(task.map(task_name))),
        ("num_hidden_layers", "layers", count(config.num_hidden_layers)),
        ("hidden_size", "hidden size", count(config.hidden_size)),
        ("num_attention_heads", "heads", (json!(heads), format!("{heads}, each {head_size} wide"))),
        ("intermediate_size", "intermediate size", count(config.intermediate_size)),
        ("attention_window", "attention window", window),
        ("max_tokens", "longest input", tokens(config.max_tokens())),
        ("vocab_size", "vocabulary", tokens(config.vocab_size)),
        ("parameters", "parameters", (json!(parameters), thousands(parameters))),
        ("stored_as", "stored as", (json!(stored_as), stored_as)),
        ("threshold", "threshold", (json!(threshold), short(threshold))),
        ("abstain", "abstain", (json!(settings.abstain), abstain)),
        ("max_answer_length", "longest answer", tokens(settings.max_answer_length)),
        ("respect_borders", "borders", (json!(settings.respect_borders), borders.into())),
        ("verify_tokens", "verification", (json!(settings.verify_tokens), verification)),
        ("calibrated_on", "scores", (json!(calibrated_on), scores)),
        ("licence", "licence", stated(licence.as_deref())),
    ];
    Ok(Properties(properties.map(|(key, label, (value, text))| (key, value, label, text)).into()))
}

/// The number formats of the tensors, each once.
fn stored_as(tensors: &Tensors) -> String {
    // A tensor of integers, such as `position_ids`, is not a weight.
    let weights = tensors.names().filter_map(|name| tensors.get(name).ok()?);
    // Beside matrices in bytes, vectors are in f32.
    let dtypes: Vec<DType> = weights.map(|tensor| tensor.dtype).collect();
    let dtypes = dtypes.iter().filter(|dtype| **dtype != DType::F32 || !dtypes.contains(&DType::Int8));
    let formats: BTreeSet<String> = dtypes.map(DType::to_string).collect();
    Vec::from_iter(formats).join(", ")
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

fn machine_info() -> Result<Properties> {
    let sets: Vec<String> = Isa::available().iter().map(Isa::to_string).collect();
    let (isa, precision) = (instruction_set()?.to_string(), PrecisionArg::Auto.on_this_machine()?.to_string());
    let count = rayon::current_num_threads();
    Ok(Properties(vec![
        ("cores", json!(cores()), "cores", cores().to_string()),
        ("instruction_sets", json!(sets), "instruction sets", sets.join(", ")),
        ("instruction_set", json!(isa), "used", format!("{isa}, {precision}, {}", counted(count, "thread"))),
        ("precision", json!(precision), "", String::new()),
        ("threads", json!(count), "", String::new()),
    ]))
}

fn table(info: &Info) -> Result<String> {
    let mut shown = String::new();
    for (title, Properties(properties)) in [("model", &info.model), ("\nmachine", &info.machine)] {
        writeln!(shown, "{title}")?;
        for (.., label, text) in properties.iter().filter(|(.., label, _)| !label.is_empty()) {
            writeln!(shown, "  {label:<18} {}", terminal::one_line(text))?;
        }
    }
    Ok(shown)
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

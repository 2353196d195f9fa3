//! `longspan convert`: makes a long model of a short one.

use std::fmt::Write;

use anyhow::{Context, Result};
use longspan::convert::{Comparison, Conversion, convert};
use longspan::error::excerpt;
use longspan::model::Task;

use crate::cli::ConvertArgs;
use crate::model::{self, Checkpoint, task_name, windows};
use crate::terminal::{self, counted, thousands};

/// Runs the command.
pub fn run(args: &ConvertArgs) -> Result<()> {
    args.threads.start()?;
    let source = model::for_folder(&args.out, &args.source(), |source| model::find_as("SRC", source));
    let Checkpoint { name, source, .. } = source?;
    let made = model::named(&name, convert(&source, &args.out, &args.options()))?;
    terminal::print(summary(&name, args, &made).as_bytes()).context("standard output")
}

fn summary(name: &str, args: &ConvertArgs, made: &Conversion) -> String {
    let (out, store) = (args.out.as_path(), args.options().store);
    let Conversion { model_type, source_max_tokens, config, task, parameters, left_out, pairs_changed, comparison } =
        made;
    let head = match task {
        Task::Encoder => "none".into(),
        task => format!("{}, from the source", task_name(*task)),
    };
    let mut rows = vec![
        ("made", out.display().to_string()),
        ("from", format!("{name}, a model of type {model_type}")),
        ("longest input", format!("{}, from {}", counted(config.max_tokens(), "token"), thousands(*source_max_tokens))),
        ("attention window", windows(&config.attention_window)),
        ("parameters", format!("{}, stored as {store}", thousands(*parameters))),
        ("head", head),
    ];
    if !left_out.is_empty() {
        rows.push(("left out", listed(left_out)));
    }
    if *pairs_changed {
        rows.push(("tokenizer", "two separators stand between question and document now".into()));
    }
    let mut shown = String::new();
    for (label, value) in rows {
        let _ = writeln!(shown, "{label:<18} {}", terminal::one_line(&value));
    }
    let Comparison { tokens, difference, logit_difference } = comparison;
    let logits = logit_difference.map_or(String::new(), |logits| format!(", of its logits {logits:.0e}"));
    let inputs = counted(*tokens, "token");
    let _ = writeln!(shown, "\nlargest difference from the source on inputs up to {inputs}: {difference:.0e}{logits}");
    let out = terminal::one_line(&out.display().to_string());
    let _ = match task {
        Task::QuestionAnswering => writeln!(shown, "next: longspan ask -m {out} QUESTION FILE"),
        _ => writeln!(shown, "next: teach it to answer, longspan train -m {out} --train FILE --dev FILE --out DIR"),
    };
    shown
}

/// The first parts, and how many more there are.
fn listed(parts: &[String]) -> String {
    let mut shown = parts.iter().take(LISTED_MAX).map(|part| excerpt(part)).collect::<Vec<_>>().join(", ");
    if parts.len() > LISTED_MAX {
        let _ = write!(shown, " and {} more", parts.len() - LISTED_MAX);
    }
    shown
}

const LISTED_MAX: usize = 4;

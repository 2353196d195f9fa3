//! Recipes: what a run does, as far as it was said. Options of the command line and keys of a TOML file have the same names,
//! and every value is checked before anything is made.

use std::fs;
use std::path::Path;

use anyhow::Result;
use clap::Args;
use serde::Serialize;
use serde::de::DeserializeOwned;
use toml::de::DeTable;
use toml::{Table, Value};

use super::course::Course;
use super::options::{OPTIONS_HINT, option};
use crate::terminal::hints::{fault, io_message};
use crate::terminal::thousands;

const RECIPE_HINT: &str = "a recipe is TOML with the names of the options, `_` for `-`; options that are of one \
                           machine or one folder (out, resume, offline, threads) are none of its keys";

/// What values a key may have.
struct Range {
    keys: &'static [&'static str],
    /// In words, behind 'expected'.
    expected: &'static str,
    holds: fn(f64) -> bool,
}

/// Every key of every recipe.
const RANGES: [Range; 15] = [
    Range {
        keys: &["epochs", "learning_rate", "head_learning_rate", "eps", "power"],
        expected: "a number above 0",
        holds: |x| x > 0.0,
    },
    Range { keys: &["weight_decay", "clip_norm"], expected: "a number from 0 on", holds: |x| x >= 0.0 },
    Range {
        keys: &["teacher_weight", "warmup", "long_share", "random_positions", "negative_windows"],
        expected: "a share from 0 to 1",
        holds: |x| (0.0..=1.0).contains(&x),
    },
    Range {
        keys: &["dropout", "average_decay", "beta1", "beta2"],
        expected: "a number from 0 on, below 1",
        holds: |x| (0.0..1.0).contains(&x),
    },
    Range { keys: &["mask_share"], expected: "a share above 0, at most 1", holds: |x| x > 0.0 && x <= 1.0 },
    Range { keys: &["layer_decay"], expected: "a number above 0, at most 1", holds: |x| x > 0.0 && x <= 1.0 },
    Range {
        keys: &["max_tokens", "batch_tokens", "pass_tokens"],
        expected: "a whole number from 1 on",
        holds: |x| x >= 1.0,
    },
    Range {
        keys: &["doc_stride", "frozen_layers", "steps", "head_steps", "dev_every", "patience", "save_every", "seed"],
        expected: "a whole number from 0 on",
        holds: |x| x >= 0.0,
    },
    Range { keys: &["context_tokens"], expected: "a range such as 512..4096, or one number, as text", holds: |_| true },
    Range { keys: &["recompute", "skip_bad", "whole_words"], expected: "true or false", holds: |_| true },
    Range { keys: &["precision"], expected: "`auto`, `f32` or `bf16`", holds: |_| true },
    Range { keys: &["train_only"], expected: "`positions`", holds: |_| true },
    Range { keys: &["schedule"], expected: "`linear`, `cosine`, `constant` or `polynomial`", holds: |_| true },
    Range { keys: &["train", "dev", "text", "valid"], expected: "a list of files", holds: |_| true },
    Range { keys: &["model", "teacher", "text_field"], expected: "text", holds: |_| true },
];

/// What a key may say, in words.
pub fn expected(key: &str) -> &'static str {
    RANGES.iter().find(|range| range.keys.contains(&key)).map_or("text", |range| range.expected)
}

/// The first key whose value is out of its range, and what is wrong with it.
fn check(table: &Table) -> Option<(&str, String)> {
    table.iter().find_map(|(key, value)| {
        let number = match value {
            Value::Float(number) => *number,
            Value::Integer(number) => *number as f64,
            _ => return None,
        };
        let range = RANGES.iter().find(|range| range.keys.contains(&key.as_str()))?;
        let wrong = !number.is_finite() || !(range.holds)(number);
        wrong.then(|| (key.as_str(), format!("{}: expected {}", shown(value), range.expected)))
    })
}

/// A value as people type it: 2, not 2.0.
pub fn shown(value: &Value) -> String {
    match value {
        Value::Float(number) => number.to_string(),
        value => value.to_string(),
    }
}

/// A recipe: a struct whose fields are options of the command line, and keys of a file.
pub trait Recipe: Args + Clone + Default + Serialize + DeserializeOwned {
    /// The part that all have.
    fn course_mut(&mut self) -> &mut Course;

    /// Reads a recipe and checks its values.
    ///
    /// # Errors
    /// When it cannot be read, is no TOML, or has a key or a value that it cannot have.
    fn read(path: &Path) -> Result<Self> {
        let name = path.display().to_string();
        let text = fs::read_to_string(path).map_err(|error| {
            fault(
                format!("`{name}`: {}", io_message(&error)),
                "check the path, and that it is a text that you may read",
            )
        })?;
        Self::parse(&name, &text)
    }

    /// Reads the text of a recipe.
    ///
    /// # Errors
    /// As [`Recipe::read`].
    fn parse(name: &str, text: &str) -> Result<Self> {
        let said = |at: usize, what: String| {
            let line = text[..at].matches('\n').count() + 1;
            fault(format!("`{name}`, line {}: {what}", thousands(line)), RECIPE_HINT)
        };
        let syntax =
            |error: toml::de::Error| said(error.span().map_or(0, |span| span.start), first_line(error.message()));
        let places = DeTable::parse(text).map_err(syntax)?;
        let table: Table = toml::from_str(text).map_err(syntax)?;
        let place = |key: &str| {
            let found = places.get_ref().keys().find(|spanned| spanned.get_ref() == key);
            found.map_or(0, |spanned| spanned.span().start)
        };
        let keys = Self::keys();
        for (key, value) in &table {
            if !keys.contains(key) {
                let near = key.replace('-', "_");
                let near = if keys.contains(&near) {
                    format!(", did you mean `{near}`?")
                } else if RANGES.iter().any(|range| range.keys.contains(&key.as_str())) {
                    ": this is a recipe of another command".into()
                } else {
                    String::new()
                };
                return Err(said(place(key), format!("unknown key `{key}`{near}")));
            }
            // One by one: so it is known which of them is wrong.
            let alone = Table::from_iter([(key.clone(), value.clone())]);
            if alone.try_into::<Self>().is_err() {
                return Err(said(place(key), format!("{key}: expected {}", expected(key))));
            }
        }
        if let Some((key, wrong)) = check(&table) {
            return Err(said(place(key), format!("{key} {wrong}")));
        }
        table.try_into().map_err(syntax)
    }

    /// The names of all keys.
    fn keys() -> Vec<String> {
        let command = Self::augment_args(clap::Command::new("recipe"));
        command.get_arguments().map(|argument| argument.get_id().to_string()).collect()
    }

    /// Checks the values that were said on the command line.
    ///
    /// # Errors
    /// When one is out of its range.
    fn check_options(&self) -> Result<()> {
        match check(&table(self)?) {
            None => Ok(()),
            Some((key, wrong)) => Err(fault(format!("{} {wrong}", option(key)), OPTIONS_HINT)),
        }
    }

    /// This recipe, with what the command line says in place of what it says itself.
    ///
    /// # Errors
    /// When a value cannot be written as TOML.
    fn but(&self, command_line: &Self) -> Result<Self> {
        let said = table(command_line)?;
        let mut both = table(self)?;
        if said.contains_key("schedule") {
            both.remove("power"); // it belongs to the schedule
        }
        both.extend(said);
        Ok(both.try_into()?)
    }

    /// The first key that this recipe says otherwise than a complete one, with both values.
    ///
    /// # Errors
    /// When a value cannot be written as TOML.
    fn differs_from(&self, complete: &Self) -> Result<Option<(String, String, String)>> {
        let complete = table(complete)?;
        let shown = |value: Option<&Value>| value.map_or("none".into(), shown);
        let said = table(self)?.into_iter().find(|(key, value)| complete.get(key) != Some(value));
        Ok(said.map(|(key, value)| (option(&key), shown(complete.get(&key)), shown(Some(&value)))))
    }

    /// As TOML, with every key that was said.
    ///
    /// # Errors
    /// When a value cannot be written as TOML.
    fn to_toml(&self) -> Result<String> {
        table(self)?; // its message is the better one
        Ok(toml::to_string(self)?)
    }
}

/// Every key that was said.
///
/// # Errors
/// When a value cannot be written as TOML.
pub fn table(recipe: &impl Serialize) -> Result<Table> {
    Table::try_from(recipe).map_err(|error| {
        fault(format!("a value that no recipe can hold: {}", first_line(&error.to_string())), RECIPE_HINT)
    })
}

fn first_line(message: &str) -> String {
    message.lines().next().unwrap_or_default().to_owned()
}

//! What a run of `longspan train` does, as far as it was said: options of the command line, and keys of a recipe, which
//! have the same names. What was not said is filled in by `settings`.

use std::fmt;
use std::fs;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use anyhow::Result;
use clap::{Args, ValueEnum, ValueHint};
use serde::{Deserialize, Serialize};
use toml::Table;
use toml::de::DeTable;

use super::settings::{self, expected};
use crate::cli::{count, count_or_zero, number};
use crate::hints::{fault, io_message};
use crate::info::thousands;

const INPUTS: &str = "Inputs";
const OPTIMIZER: &str = "Optimizer";
const WATCHED: &str = "Evaluation and saving";

const RECIPE_HINT: &str = "a recipe is TOML with the names of the options, `_` for `-`; options that are of one \
                           machine or one folder (out, resume, offline, threads) are none of its keys";

/// A recipe; each field that was not said is `None`, or empty.
#[derive(Debug, Clone, Default, PartialEq, Args, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Recipe {
    /// The model to begin with: a folder, or ORG/NAME@REVISION on the hub [default: the one in the program]
    #[arg(short, long, value_name = "BASE", value_hint = ValueHint::DirPath)]
    pub model: Option<String>,
    /// The data to learn from: SQuAD v1.1 or v2.0, plain or gzip
    #[arg(long, value_name = "FILE", num_args = 1.., value_hint = ValueHint::FilePath)]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub train: Vec<PathBuf>,
    /// Data to evaluate on: the best weights are kept
    #[arg(long, value_name = "FILE", num_args = 1.., value_hint = ValueHint::FilePath)]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub dev: Vec<PathBuf>,
    /// Leave out and count what is wrong with the data
    #[arg(long, value_name = "true|false", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub skip_bad: Option<bool>,
    /// A larger model to learn from too: a folder, or ORG/NAME@REVISION on the hub
    #[arg(long, value_name = "MODEL", value_hint = ValueHint::DirPath)]
    pub teacher: Option<String>,
    /// How much the teacher's answers count beside the data's, 0 to 1 [default: 0.5]
    #[arg(long, value_name = "P", value_parser = number, allow_negative_numbers = true)]
    pub teacher_weight: Option<f64>,
    /// Passes over the data; 0.5 is half of them [default: 2]
    #[arg(long, value_name = "X", value_parser = number, allow_negative_numbers = true)]
    pub epochs: Option<f64>,
    /// All that is random follows from it [default: 1]
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    pub seed: Option<u64>,
    /// What products are computed in: bf16 where the machine has instructions for it, else f32 [default: auto]
    #[arg(long, value_name = "auto|f32|bf16", hide_possible_values = true)]
    pub precision: Option<Precision>,
    /// Keep only the inputs of layers and compute the rest again on the way back: slower, less memory
    #[arg(long, value_name = "true|false", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub recompute: Option<bool>,

    /// Tokens of an input at most; longer documents are cut into windows [default: the model's positions, at most 4096]
    #[arg(long, value_name = "N", value_parser = count, allow_negative_numbers = true, help_heading = INPUTS)]
    pub max_tokens: Option<usize>,
    /// Tokens that neighbouring windows share [default: as `longspan ask` does it]
    #[arg(long, value_name = "N", value_parser = count_or_zero, allow_negative_numbers = true, help_heading = INPUTS)]
    pub doc_stride: Option<usize>,
    /// Tokens of the inputs of a step, about [default: 8192]
    #[arg(long, value_name = "N", value_parser = count, allow_negative_numbers = true, help_heading = INPUTS)]
    pub batch_tokens: Option<usize>,
    /// Tokens that go through the model at once, but for a longer input: memory follows from it [default: 8192]
    #[arg(long, value_name = "N", value_parser = count, allow_negative_numbers = true, help_heading = INPUTS)]
    pub pass_tokens: Option<usize>,
    /// Share of the tokens that are paragraphs among their neighbours, 0 to 1 [default: 0]
    #[arg(long, value_name = "P", value_parser = number, allow_negative_numbers = true, help_heading = INPUTS)]
    pub long_share: Option<f64>,
    /// How long those are, in tokens of their document [default: 512..4096]
    #[arg(long, value_name = "A..B", allow_negative_numbers = true, help_heading = INPUTS)]
    pub context_tokens: Option<Tokens>,
    /// Share of the inputs whose document is shifted to random positions, 0 to 1 [default: 0]
    #[arg(long, value_name = "P", value_parser = number, allow_negative_numbers = true, help_heading = INPUTS)]
    pub random_positions: Option<f64>,
    /// Share of the windows without the answer that are kept, of documents of several windows, 0 to 1 [default: 1]
    #[arg(long, value_name = "P", value_parser = number, allow_negative_numbers = true, help_heading = INPUTS)]
    pub negative_windows: Option<f64>,

    /// The highest learning rate [default: 0.00005]
    #[arg(long, value_name = "X", value_parser = number, allow_negative_numbers = true, help_heading = OPTIMIZER)]
    pub learning_rate: Option<f64>,
    /// How it falls after the warm-up: linear, cosine, polynomial, or constant: not at all [default: linear]
    #[arg(long, value_name = "WHICH", hide_possible_values = true, help_heading = OPTIMIZER)]
    pub schedule: Option<Schedule>,
    /// Power of the schedule `polynomial`: the rate is (1 − progress) to this power
    #[arg(long, value_name = "X", value_parser = number, allow_negative_numbers = true, help_heading = OPTIMIZER)]
    pub power: Option<f64>,
    /// Share of the steps in which the learning rate rises, 0 to 1 [default: 0.1]
    #[arg(long, value_name = "P", value_parser = number, allow_negative_numbers = true, help_heading = OPTIMIZER)]
    pub warmup: Option<f64>,
    /// The learning rate of a layer is that of the layer above times this [default: 1]
    #[arg(long, value_name = "X", value_parser = number, allow_negative_numbers = true, help_heading = OPTIMIZER)]
    pub layer_decay: Option<f64>,
    /// Lowest layers that are not trained, and the embeddings with them [default: 0]
    #[arg(long, value_name = "N", value_parser = count_or_zero, allow_negative_numbers = true, help_heading = OPTIMIZER)]
    pub frozen_layers: Option<usize>,
    /// Share of the hidden numbers that are dropped, below 1 [default: 0.1]
    #[arg(long, value_name = "P", value_parser = number, allow_negative_numbers = true, help_heading = OPTIMIZER)]
    pub dropout: Option<f64>,
    /// Decay of weights, times the learning rate; none of biases and norms [default: 0.01]
    #[arg(long, value_name = "X", value_parser = number, allow_negative_numbers = true, help_heading = OPTIMIZER)]
    pub weight_decay: Option<f64>,
    /// The largest norm of the gradient, 0 for any [default: 1]
    #[arg(long, value_name = "X", value_parser = number, allow_negative_numbers = true, help_heading = OPTIMIZER)]
    pub clip_norm: Option<f64>,
    /// Decay of a moving average of the weights, which is then what is evaluated and kept; 0: none [default: 0]
    #[arg(long, value_name = "X", value_parser = number, allow_negative_numbers = true, help_heading = OPTIMIZER)]
    pub average_decay: Option<f64>,
    /// AdamW's decay of the mean of gradients [default: 0.9]
    #[arg(long, value_name = "X", value_parser = number, allow_negative_numbers = true, help_heading = OPTIMIZER)]
    pub beta1: Option<f64>,
    /// AdamW's decay of the mean of their squares [default: 0.999]
    #[arg(long, value_name = "X", value_parser = number, allow_negative_numbers = true, help_heading = OPTIMIZER)]
    pub beta2: Option<f64>,
    /// AdamW's addition to the root of that [default: 0.00000001]
    #[arg(long, value_name = "X", value_parser = number, allow_negative_numbers = true, help_heading = OPTIMIZER)]
    pub eps: Option<f64>,

    /// Steps between evaluations; 0 for one at the end [default: 0]
    #[arg(long, value_name = "N", value_parser = count_or_zero, allow_negative_numbers = true, help_heading = WATCHED)]
    pub dev_every: Option<usize>,
    /// Evaluations without a better one before the run stops; 0 for never [default: 0]
    #[arg(long, value_name = "N", value_parser = count_or_zero, allow_negative_numbers = true, help_heading = WATCHED)]
    pub patience: Option<usize>,
    /// Steps between savings of what --resume goes on from; 0 for at evaluations and at the end [default: 500]
    #[arg(long, value_name = "N", value_parser = count_or_zero, allow_negative_numbers = true, help_heading = WATCHED)]
    pub save_every: Option<usize>,
}

/// Numbers that training computes with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    /// bf16 where the machine has instructions for it, else f32.
    Auto,
    /// Single precision.
    F32,
    /// Products of numbers of 8 bits.
    Bf16,
}

/// How the learning rate falls.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Schedule {
    /// In a straight line.
    Linear,
    /// As half a cosine.
    Cosine,
    /// Not at all.
    Constant,
    /// As a power of what is left.
    Polynomial,
}

/// So many tokens: `A..B`, both included, or one number.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Tokens(pub RangeInclusive<usize>);

impl FromStr for Tokens {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
        let (from, to) = text.split_once("..").unwrap_or((text, text));
        match (from.trim().parse(), to.trim().parse()) {
            (Ok(from), Ok(to)) if 0 < from && from <= to => Ok(Tokens(from..=to)),
            _ => Err(format!("expected {}", expected("context_tokens"))),
        }
    }
}

impl TryFrom<String> for Tokens {
    type Error = String;

    fn try_from(text: String) -> std::result::Result<Self, String> {
        text.parse()
    }
}

impl From<Tokens> for String {
    fn from(tokens: Tokens) -> String {
        tokens.to_string()
    }
}

impl fmt::Display for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}..{}", self.0.start(), self.0.end())
    }
}

impl Recipe {
    /// Reads a recipe and checks its values.
    ///
    /// # Errors
    /// When it cannot be read, is no TOML, or has a key or a value that no recipe has.
    pub fn read(path: &Path) -> Result<Self> {
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
    fn parse(name: &str, text: &str) -> Result<Self> {
        let said = |at: usize, what: String| {
            let line = text[..at].matches('\n').count() + 1;
            fault(format!("`{name}`, line {}: {what}", thousands(line)), RECIPE_HINT)
        };
        let place = |error: &toml::de::Error| error.span().map_or(0, |span| span.start);
        let table = DeTable::parse(text).map_err(|error| said(place(&error), first_line(error.message())))?;
        let keys = Self::keys();
        for key in table.get_ref().keys() {
            let (at, key) = (key.span().start, key.get_ref().as_ref());
            if !keys.iter().any(|known| known == key) {
                let near = key.replace('-', "_");
                let near = if keys.contains(&near) { format!(", did you mean `{near}`?") } else { String::new() };
                return Err(said(at, format!("unknown key `{key}`{near}")));
            }
        }
        let recipe: Self = toml::from_str(text).map_err(|error| {
            let at = place(&error);
            let holds_it = |value: &toml::Spanned<toml::de::DeValue<'_>>| value.span().contains(&at);
            let key = table.get_ref().iter().find(|(_, value)| holds_it(value)).map(|(key, _)| key.get_ref().as_ref());
            said(at, key.map_or(first_line(error.message()), |key| format!("{key}: expected {}", expected(key))))
        })?;
        if let Some((key, wrong)) = settings::check(&recipe.table()?) {
            let at = table.get_ref().keys().find(|spanned| spanned.get_ref() == key).map_or(0, |key| key.span().start);
            return Err(said(at, format!("{key} {wrong}")));
        }
        Ok(recipe)
    }

    /// The names of all keys.
    pub fn keys() -> Vec<String> {
        let command = Self::augment_args(clap::Command::new("recipe"));
        command.get_arguments().map(|argument| argument.get_id().to_string()).collect()
    }

    /// Checks the values that were said on the command line.
    ///
    /// # Errors
    /// When one is out of its range.
    pub fn check_options(&self) -> Result<()> {
        match settings::check(&self.table()?) {
            None => Ok(()),
            Some((key, wrong)) => Err(fault(format!("{} {wrong}", option(key)), settings::OPTIONS_HINT)),
        }
    }

    /// This recipe, with what the command line says in place of what it says itself.
    ///
    /// # Errors
    /// When a value cannot be written as TOML.
    pub fn but(&self, command_line: &Recipe) -> Result<Self> {
        let mut table = self.table()?;
        if command_line.schedule.is_some() {
            table.remove("power"); // it belongs to the schedule
        }
        table.extend(command_line.table()?);
        Ok(table.try_into()?)
    }

    /// The first key that this recipe says otherwise than a complete one, with both values.
    ///
    /// # Errors
    /// When a value cannot be written as TOML.
    pub fn differs_from(&self, complete: &Recipe) -> Result<Option<(String, String, String)>> {
        let complete = complete.table()?;
        let shown = |value: Option<&toml::Value>| value.map_or("none".into(), settings::shown);
        let said = self.table()?.into_iter().find(|(key, value)| complete.get(key) != Some(value));
        Ok(said.map(|(key, value)| (option(&key), shown(complete.get(&key)), shown(Some(&value)))))
    }

    /// As TOML, with every key that was said.
    ///
    /// # Errors
    /// When a value cannot be written as TOML.
    pub fn to_toml(&self) -> Result<String> {
        self.table()?; // its message is the better one
        Ok(toml::to_string(self)?)
    }

    fn table(&self) -> Result<Table> {
        Table::try_from(self).map_err(|error| {
            fault(format!("a value that no recipe can hold: {}", first_line(&error.to_string())), RECIPE_HINT)
        })
    }
}

/// A key as it is typed on the command line.
pub fn option(key: &str) -> String {
    format!("--{}", key.replace('_', "-"))
}

fn first_line(message: &str) -> String {
    message.lines().next().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use longspan::train::Settings;

    fn parse(text: &str) -> Recipe {
        Recipe::parse("r.toml", text).unwrap()
    }

    #[test]
    fn a_complete_recipe_gives_the_same_settings_again() {
        for text in [
            "",
            "seed = 7\nepochs = 3\nschedule = \"cosine\"\nprecision = \"f32\"\ncontext_tokens = \"8..9\"\nrecompute = true",
            "model = \"org/name\"\ntrain = [\"a b.json\"]\nschedule = \"polynomial\"\npower = 3\ndoc_stride = 0",
            "dev = [\"d\", \"e\"]\ndev_every = 10\npatience = 2\nlearning_rate = 3e-5\nschedule = \"constant\"",
        ] {
            let recipe = parse(text);
            let settings = recipe.settings(512).unwrap();
            let complete = recipe.complete(&settings);
            let again = parse(&complete.to_toml().unwrap());
            assert_eq!(again, complete, "{text}");
            assert_eq!(again.settings(512).unwrap(), settings, "{text}");
            assert_eq!(recipe.differs_from(&complete).unwrap(), None, "{text}");
            let table = complete.table().unwrap();
            for key in Recipe::keys().iter().filter(|key| !table.contains_key(*key)) {
                let may_miss = ["model", "train", "dev", "teacher", "doc_stride", "power"];
                assert!(may_miss.contains(&key.as_str()), "{key}");
            }
        }
    }

    #[test]
    fn without_a_word_the_defaults_of_the_library_hold_and_help_says_them() {
        let settings = Recipe::default().settings(4096).unwrap();
        let precision = settings.precision; // that of the machine
        assert_eq!(settings, Settings { precision, ..Settings::default() });
        let table = Recipe::default().complete(&settings).table().unwrap();
        let command = Recipe::augment_args(clap::Command::new("recipe"));
        for argument in command.get_arguments() {
            let (key, help) = (argument.get_id().as_str(), argument.get_help().unwrap().to_string());
            let Some(value) = table.get(key) else { continue };
            let shown = settings::shown(value).replace('"', "");
            let said = match key {
                "skip_bad" | "recompute" => continue,
                "max_tokens" => "the model's positions, at most 4096",
                "precision" => "auto",
                _ => &shown,
            };
            assert!(help.ends_with(&format!("[default: {said}]")), "{key} {shown}: {help}");
        }
    }

    #[test]
    fn the_command_line_beats_a_recipe() {
        let recipe =
            parse("epochs = 3\nschedule = \"polynomial\"\npower = 2\ntrain = [\"a\", \"b\"]\nrecompute = true");
        let line = Recipe { epochs: Some(1.0), train: vec!["c".into()], ..Recipe::default() };
        let both = recipe.but(&line).unwrap();
        assert_eq!((both.epochs, both.power, both.train), (Some(1.0), Some(2.0), vec!["c".into()]));
        let line = Recipe { schedule: Some(Schedule::Cosine), recompute: Some(false), ..Recipe::default() };
        let both = recipe.but(&line).unwrap();
        assert_eq!((both.schedule, both.power, both.recompute), (Some(Schedule::Cosine), None, Some(false)));
        assert_eq!(both.epochs, Some(3.0));
    }

    #[test]
    fn what_is_wrong_with_a_recipe_is_told_with_its_line() {
        for (text, said) in [
            ("learningrate = 1", "line 1: unknown key `learningrate`"),
            ("\nlearning-rate = 1", "line 2: unknown key `learning-rate`, did you mean `learning_rate`?"),
            ("out = \"x\"", "line 1: unknown key `out`"),
            ("[optimizer]\nlearning_rate = 1", "line 1: unknown key `optimizer`"),
            ("seed = 1\nepochs = 0", "line 2: epochs 0: expected a number above 0"),
            ("epochs = inf", "line 1: epochs inf: expected a number above 0"),
            ("epochs = \"two\"", "line 1: epochs: expected a number above 0"),
            ("dropout = 1.0", "line 1: dropout 1: expected a number from 0 on, below 1"),
            ("warmup = 1.5", "line 1: warmup 1.5: expected a share from 0 to 1"),
            ("max_tokens = 0", "line 1: max_tokens 0: expected a whole number from 1 on"),
            ("\n\nmax_tokens = -1", "line 3: max_tokens: expected a whole number from 1 on"),
            ("batch_tokens = 1.5", "line 1: batch_tokens: expected a whole number from 1 on"),
            ("schedule = \"step\"", "line 1: schedule: expected `linear`, `cosine`, `constant` or `polynomial`"),
            ("precision = \"int8\"", "line 1: precision: expected `auto`, `f32` or `bf16`"),
            ("context_tokens = \"9..8\"", "line 1: context_tokens: expected a range such as 512..4096"),
            (
                "context_tokens = 512",
                "line 1: context_tokens: expected a range such as 512..4096, or one number, as text",
            ),
            ("recompute = 1", "line 1: recompute: expected true or false"),
            ("train = \"a\"", "line 1: train: expected a list of files"),
            ("model = 1", "line 1: model: expected text"),
            ("seed = 1\nseed = 2", "line 2: duplicate key"),
            ("seed = ", "line 1: "),
        ] {
            let error = Recipe::parse("r.toml", text).unwrap_err().to_string();
            assert!(error.starts_with(&format!("`r.toml`, {said}")) && !error.contains('\n'), "{text:?}: {error}");
        }
    }

    #[test]
    fn values_that_do_not_go_together_are_told() {
        for (text, said) in [
            ("schedule = \"polynomial\"", "--schedule polynomial: needs --power, such as 3"),
            ("power = 2", "--power 2: needs --schedule polynomial"),
            ("max_tokens = 1000", "--max-tokens 1000: the model has positions for 512 tokens"),
            ("dev_every = 5", "--dev-every 5: needs --dev"),
            ("patience = 5", "--patience 5: needs --dev"),
            ("dev = [\"d\"]\npatience = 5", "--patience 5: needs --dev-every, for without it there is one evaluation"),
        ] {
            let error = parse(text).settings(512).unwrap_err().to_string();
            assert!(error.starts_with(said), "{text:?}: {error}");
        }
        assert!(parse("dev_every = 0\npatience = 0\nmax_tokens = 512").settings(512).is_ok());
    }

    #[test]
    fn the_recipes_of_the_repository_can_be_read() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../recipes");
        let mut read = 0;
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let recipe = Recipe::read(&path).unwrap();
            // They name everything but where the data and the model are, which are not the same everywhere.
            let filled = Recipe { dev: vec!["dev.json".into()], ..recipe.clone() };
            filled.settings(4096).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            read += 1;
        }
        assert!(read >= 2, "{read}");
    }
}

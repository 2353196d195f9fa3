//! What `longspan train` is told: the course of every run, and how inputs are made of questions.

use std::fmt;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::str::FromStr;

use anyhow::Result;
use clap::{Args, ValueHint};
use longspan::train::{DataSettings, Settings};
use serde::{Deserialize, Serialize};

use super::course::{Course, Judge};
use super::options::INPUTS;
use super::recipe::{Recipe, expected};
use crate::cli::{count_or_zero, number};

/// How much a teacher's answers count where nothing else is said.
const TEACHER_WEIGHT: f64 = 0.5;

/// The recipe of a run on questions; each field that was not said is `None`, or empty.
#[derive(Debug, Clone, Default, PartialEq, Args, Serialize, Deserialize)]
#[serde(default)]
pub struct TrainRecipe {
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

    /// What every run is told.
    #[command(flatten)]
    #[serde(flatten)]
    pub course: Course,

    /// Tokens that neighbouring windows share [default: as `longspan ask` does it]
    #[arg(long, value_name = "N", value_parser = count_or_zero, allow_negative_numbers = true, help_heading = INPUTS)]
    pub doc_stride: Option<usize>,
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

impl Recipe for TrainRecipe {
    fn course_mut(&mut self) -> &mut Course {
        &mut self.course
    }
}

impl TrainRecipe {
    /// What the library is told, for a model of so many positions.
    ///
    /// # Errors
    /// When values do not go together, with each other or with the model.
    pub fn settings(&self, tokens_max: usize) -> Result<(Settings, DataSettings)> {
        let judge = Judge { option: "--dev", is_there: !self.dev.is_empty() };
        let settings = self.course.settings(tokens_max, judge)?;
        let default = DataSettings::default();
        let data = DataSettings {
            max_tokens: self.course.input_tokens(tokens_max),
            doc_stride: self.doc_stride,
            long_share: self.long_share.unwrap_or(default.long_share),
            context_tokens: self.context_tokens.clone().map_or(default.context_tokens, |tokens| tokens.0),
            random_positions: self.random_positions.unwrap_or(default.random_positions),
            negative_windows: self.negative_windows.unwrap_or(default.negative_windows),
        };
        Ok((settings, data))
    }

    /// How much the teacher's answers count.
    pub fn teacher_weight(&self) -> f64 {
        self.teacher_weight.unwrap_or(TEACHER_WEIGHT)
    }

    /// The same with every value that the settings have: read back, it gives the same run.
    pub fn complete(&self, settings: &Settings, data: &DataSettings) -> TrainRecipe {
        TrainRecipe {
            train: self.train.clone(),
            dev: self.dev.clone(),
            skip_bad: Some(self.skip_bad.unwrap_or(false)),
            teacher: self.teacher.clone(),
            teacher_weight: Some(self.teacher_weight()),
            course: self.course.complete(settings, data.max_tokens),
            doc_stride: data.doc_stride,
            long_share: Some(data.long_share),
            context_tokens: Some(Tokens(data.context_tokens.clone())),
            random_positions: Some(data.random_positions),
            negative_windows: Some(data.negative_windows),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::course::Schedule;
    use crate::run::recipe::{shown, table};

    fn parse(text: &str) -> TrainRecipe {
        TrainRecipe::parse("r.toml", text).unwrap()
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
            let (settings, data) = recipe.settings(512).unwrap();
            let complete = recipe.complete(&settings, &data);
            let again = parse(&complete.to_toml().unwrap());
            assert_eq!(again, complete, "{text}");
            assert_eq!(again.settings(512).unwrap(), (settings, data), "{text}");
            assert_eq!(recipe.differs_from(&complete).unwrap(), None, "{text}");
            let table = table(&complete).unwrap();
            for key in TrainRecipe::keys().iter().filter(|key| !table.contains_key(*key)) {
                let may_miss = ["model", "train", "dev", "teacher", "doc_stride", "power", "train_only"];
                assert!(may_miss.contains(&key.as_str()), "{key}");
            }
        }
    }

    #[test]
    fn without_a_word_the_defaults_of_the_library_hold_and_help_says_them() {
        let (settings, data) = TrainRecipe::default().settings(4096).unwrap();
        let precision = settings.precision; // that of the machine
        assert_eq!(settings, Settings { precision, ..Settings::default() });
        assert_eq!(data, DataSettings::default());
        let table = table(&TrainRecipe::default().complete(&settings, &data)).unwrap();
        let command = TrainRecipe::augment_args(clap::Command::new("recipe"));
        for argument in command.get_arguments() {
            let (key, help) = (argument.get_id().as_str(), argument.get_help().unwrap().to_string());
            let Some(value) = table.get(key) else { continue };
            let shown = shown(value).replace('"', "");
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
        let course = Course { epochs: Some(1.0), ..Course::default() };
        let both = recipe.but(&TrainRecipe { course, train: vec!["c".into()], ..Default::default() }).unwrap();
        assert_eq!((both.course.epochs, both.course.power, both.train), (Some(1.0), Some(2.0), vec!["c".into()]));
        let course = Course { schedule: Some(Schedule::Cosine), recompute: Some(false), ..Course::default() };
        let both = recipe.but(&TrainRecipe { course, ..Default::default() }).unwrap().course;
        assert_eq!((both.schedule, both.power, both.recompute), (Some(Schedule::Cosine), None, Some(false)));
        assert_eq!(both.epochs, Some(3.0));
    }

    #[test]
    fn what_is_wrong_with_a_recipe_is_told_with_its_line() {
        for (text, said) in [
            ("learningrate = 1", "line 1: unknown key `learningrate`"),
            ("\nlearning-rate = 1", "line 2: unknown key `learning-rate`, did you mean `learning_rate`?"),
            ("text_field = \"x\"", "line 1: unknown key `text_field`: this is a recipe of another command"),
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
            let error = TrainRecipe::parse("r.toml", text).unwrap_err().to_string();
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
}

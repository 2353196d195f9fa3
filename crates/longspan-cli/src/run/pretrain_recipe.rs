//! What `longspan pretrain` is told: the course of every run, and how inputs are made of texts.

use std::path::PathBuf;

use anyhow::Result;
use clap::{Args, ValueHint};
use longspan::pretrain::LanguageSettings;
use longspan::train::{OptimizerSettings, Schedule, Settings, Trained};
use serde::{Deserialize, Serialize};

use crate::cli::{count_or_zero, number};
use crate::run::course::{Course, Judge};
use crate::run::options::{INPUTS, OPTIMIZER};
use crate::run::recipe::Recipe;

/// Where the text of a line of JSON stands, where nothing else is said.
const TEXT_FIELD: &str = "text";

/// Of a new head, where nothing else is said.
const HEAD_STEPS: usize = 300;
const HEAD_LEARNING_RATE: f64 = 1e-3;

/// The recipe of a run on texts; each field that was not said is `None`, or empty.
#[derive(Debug, Clone, Default, PartialEq, Args, Serialize, Deserialize)]
#[serde(default)]
pub struct PretrainRecipe {
    /// The texts to learn from: files or folders of them; plain or gzip, one document each, or JSONL with one a line
    #[arg(long, value_name = "PATH", num_args = 1.., value_hint = ValueHint::AnyPath)]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub text: Vec<PathBuf>,
    /// Texts to evaluate on, in the same forms: the best weights are kept
    #[arg(long, value_name = "PATH", num_args = 1.., value_hint = ValueHint::AnyPath)]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub valid: Vec<PathBuf>,
    /// Where the text stands in a line of JSONL [default: text]
    #[arg(long, value_name = "KEY")]
    pub text_field: Option<String>,

    /// What every run is told.
    #[command(flatten)]
    #[serde(flatten)]
    pub course: Course,

    /// Share of the tokens that are hidden, above 0, at most 1 [default: 0.15]
    #[arg(long, value_name = "P", value_parser = number, allow_negative_numbers = true, help_heading = INPUTS)]
    pub mask_share: Option<f64>,
    /// Hide all tokens of a word or none
    #[arg(long, value_name = "true|false", num_args = 0..=1, require_equals = true, default_missing_value = "true",
          help_heading = INPUTS)]
    pub whole_words: Option<bool>,
    /// Steps in which a head that BASE lacks is trained alone, before all else [default: 300]
    #[arg(long, value_name = "N", value_parser = count_or_zero, allow_negative_numbers = true, help_heading = OPTIMIZER)]
    pub head_steps: Option<usize>,
    /// The highest learning rate of these [default: 0.001]
    #[arg(long, value_name = "X", value_parser = number, allow_negative_numbers = true, help_heading = OPTIMIZER)]
    pub head_learning_rate: Option<f64>,
}

impl Recipe for PretrainRecipe {
    fn course_mut(&mut self) -> &mut Course {
        &mut self.course
    }
}

impl PretrainRecipe {
    /// What the library is told, for a model of so many positions.
    ///
    /// # Errors
    /// When values do not go together, with each other or with the model.
    pub fn settings(&self, tokens_max: usize) -> Result<(Settings, LanguageSettings)> {
        let judge = Judge { option: "--valid", is_there: !self.valid.is_empty() };
        let settings = self.course.settings(tokens_max, judge)?;
        let default = LanguageSettings::default();
        let language = LanguageSettings {
            max_tokens: self.course.input_tokens(tokens_max),
            mask_share: self.mask_share.unwrap_or(default.mask_share),
            whole_words: self.whole_words.unwrap_or(default.whole_words),
        };
        Ok((settings, language))
    }

    /// How a new head is trained, in a model of so many layers; `None` where it is not trained alone.
    pub fn head(&self, settings: &Settings, layers: usize) -> Option<Settings> {
        let steps = self.head_steps.unwrap_or(HEAD_STEPS);
        let learning_rate = self.head_learning_rate.unwrap_or(HEAD_LEARNING_RATE);
        let schedule = Schedule::Polynomial(1.0);
        let optimizer = OptimizerSettings { learning_rate, schedule, ..settings.optimizer.clone() };
        let trained = Trained::Above(layers);
        let (dev_every, patience) = (0, 0);
        (steps > 0).then(|| Settings {
            steps,
            trained,
            dropout: 0.0,
            dev_every,
            patience,
            optimizer,
            ..settings.clone()
        })
    }

    /// Where the text of a line of JSON stands.
    pub fn text_field(&self) -> &str {
        self.text_field.as_deref().unwrap_or(TEXT_FIELD)
    }

    /// The same with every value that the settings have: read back, it gives the same run.
    pub fn complete(&self, settings: &Settings, language: &LanguageSettings) -> PretrainRecipe {
        PretrainRecipe {
            text: self.text.clone(),
            valid: self.valid.clone(),
            text_field: Some(self.text_field().into()),
            course: self.course.complete(settings, language.max_tokens),
            mask_share: Some(language.mask_share),
            whole_words: Some(language.whole_words),
            head_steps: Some(self.head_steps.unwrap_or(HEAD_STEPS)),
            head_learning_rate: Some(self.head_learning_rate.unwrap_or(HEAD_LEARNING_RATE)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::recipe::table;

    fn parse(text: &str) -> PretrainRecipe {
        PretrainRecipe::parse("r.toml", text).unwrap()
    }

    #[test]
    fn a_complete_recipe_gives_the_same_settings_again() {
        for text in [
            "",
            "text = [\"a\"]\nsteps = 7\nwhole_words = true\nmask_share = 0.3\ntrain_only = \"positions\"",
            "schedule = \"polynomial\"\npower = 1.0",
            "valid = [\"v\"]\nhead_steps = 0\ntext_field = \"body\"\ndev_every = 3\nfrozen_layers = 2",
        ] {
            let recipe = parse(text);
            let (settings, language) = recipe.settings(512).unwrap();
            let complete = recipe.complete(&settings, &language);
            let again = parse(&complete.to_toml().unwrap());
            assert_eq!(again, complete, "{text}");
            assert_eq!(again.settings(512).unwrap(), (settings.clone(), language), "{text}");
            assert_eq!(again.head(&settings, 6), recipe.head(&settings, 6), "{text}");
            assert_eq!(recipe.differs_from(&complete).unwrap(), None, "{text}");
            let table = table(&complete).unwrap();
            for key in PretrainRecipe::keys().iter().filter(|key| !table.contains_key(*key)) {
                assert!(["model", "text", "valid", "power", "train_only"].contains(&key.as_str()), "{key}");
            }
        }
    }

    #[test]
    fn what_is_wrong_with_a_recipe_is_told() {
        for (text, said) in [
            ("train = [\"a\"]", "line 1: unknown key `train`: this is a recipe of another command"),
            ("teacher = \"a\"", "line 1: unknown key `teacher`: this is a recipe of another command"),
            ("\ntext = \"a\"", "line 2: text: expected a list of files"),
            ("mask_share = 1.5", "line 1: mask_share 1.5: expected a share above 0, at most 1"),
            ("whole_words = 1", "line 1: whole_words: expected true or false"),
            ("train_only = \"words\"", "line 1: train_only: expected `positions`"),
            ("head_learning_rate = 0", "line 1: head_learning_rate 0: expected a number above 0"),
        ] {
            let error = PretrainRecipe::parse("r.toml", text).unwrap_err().to_string();
            assert!(error.starts_with(&format!("`r.toml`, {said}")), "{text:?}: {error}");
        }
        for (text, said) in [
            ("dev_every = 5", "--dev-every 5: needs --valid"),
            ("frozen_layers = 1\ntrain_only = \"positions\"", "--frozen-layers 1: --train-only says already"),
        ] {
            let error = parse(text).settings(512).unwrap_err().to_string();
            assert!(error.starts_with(said), "{text:?}: {error}");
        }
    }

    #[test]
    fn the_recipes_of_the_repository_can_be_read() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../recipes");
        let mut read = 0;
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.file_name().unwrap().to_str().unwrap().starts_with("pretrain") {
                let recipe = PretrainRecipe::read(&path).unwrap();
                let filled = PretrainRecipe { valid: vec!["valid.txt".into()], ..recipe };
                filled.settings(4096).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
                read += 1;
            }
        }
        assert!(read >= 2, "{read}");
    }
}

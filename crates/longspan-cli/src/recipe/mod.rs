//! Recipes: the values that a run was given, by key. Options of the command line and keys of a TOML file have the same
//! names, and every value is checked before anything is written.
//!
//! ```text
//! options           recipes as options of the command line
//! command_settings  the settings of each command
//! ```

pub mod command_settings;
mod options;

use std::fs::File;
use std::io;
use std::marker::PhantomData;
use std::path::Path;

use anyhow::Result;
use longspan::error::excerpt;
use longspan::train::{Setting, SettingsTable, TrainSettings};
use toml::de::DeTable;
use toml::{Table, Value};

use crate::lines::read_to_limit;
use crate::terminal::hints::{fault, io_fault};
use crate::terminal::thousands;

/// Inputs are no longer than this unless `max_tokens` asks for it, even if the model has more positions.
const DEFAULT_TOKENS_MAX: usize = 4096;

/// The longest recipe; TOML needs up to a hundred times its length in memory.
pub const RECIPE_BYTES_MAX: u64 = 1 << 18;

const RECIPE_HINT: &str = "a recipe is TOML with the names of the options, `_` for `-`; out, resume, offline and \
                           threads are options only";
const OPTIONS_HINT: &str = "`longspan train --help` and `longspan pretrain --help` explain the options";

/// The settings that only one command has, beside those of every run.
pub trait CommandSettings: SettingsTable + Clone {
    /// The settings of what its models learn.
    type Task: SettingsTable;
    /// The other command that trains.
    type Other: CommandSettings;
    /// The option that names the data to evaluate on.
    const DEV: &'static str;
    /// Whether that option was given.
    fn has_dev(&self) -> bool;
}

/// The values that a command was given.
#[derive(Debug, Clone, PartialEq)]
pub struct Recipe<C> {
    values: Table,
    command: PhantomData<C>,
}

/// Every setting of a run.
#[derive(Debug, Clone, PartialEq)]
pub struct AllSettings<C: CommandSettings> {
    /// Those of the command.
    pub command: C,
    /// Those of what the model learns.
    pub task: C::Task,
    /// Those of every run.
    pub train: TrainSettings,
}

impl<C: CommandSettings> AllSettings<C> {
    fn read(values: &Table) -> Result<Self> {
        Ok(Self { command: read(values)?, task: read(values)?, train: read(values)? })
    }

    /// The value of each setting that has one.
    fn values(&self) -> Result<Table> {
        let mut values = Table::try_from(&self.command)?;
        values.extend(Table::try_from(&self.task)?);
        values.extend(Table::try_from(&self.train)?);
        Ok(values)
    }

    /// A recipe that gives these settings.
    ///
    /// # Errors
    /// When a value cannot be written as TOML.
    pub fn to_toml(&self) -> Result<String> {
        let values = self.values()?;
        let line = |setting: &Setting| Some(format!("{} = {}\n", setting.key, values.get(setting.key)?));
        Ok(Recipe::<C>::settings().filter_map(line).collect())
    }
}

/// The settings of one table.
fn read<T: SettingsTable>(values: &Table) -> Result<T> {
    let own = T::TABLE.iter().filter_map(|setting| values.get_key_value(setting.key));
    Ok(own.map(|(key, value)| (key.clone(), value.clone())).collect::<Table>().try_into()?)
}

/// Whether a setting can have a value.
pub fn is_valid<C: CommandSettings>(setting: &Setting, value: &Value) -> bool {
    let number = value.as_float().or_else(|| value.as_integer().map(|number| number as f64));
    let alone = Table::from_iter([(setting.key.to_owned(), value.clone())]);
    number.is_none_or(|number| setting.domain.holds(number)) && Recipe::<C>::new(alone).is_ok()
}

/// A value as people type it: 2, not 2.0.
pub fn shown(value: &Value) -> String {
    match value {
        Value::Float(number) => number.to_string(),
        value => value.to_string(),
    }
}

impl<C: CommandSettings> Recipe<C> {
    /// The recipe with these values, as settings write them: 2 becomes 2.0 where a number is expected, and `auto` the
    /// precision that it stands for.
    ///
    /// # Errors
    /// When a value is not of the type of its setting.
    pub fn new(given: Table) -> Result<Self> {
        let mut values = AllSettings::<C>::read(&given)?.values()?;
        values.retain(|key, _| given.contains_key(key));
        Ok(Self { values, command: PhantomData })
    }

    /// All settings that a recipe of the command can have.
    pub fn settings() -> impl Iterator<Item = &'static Setting> {
        C::TABLE.iter().chain(C::Task::TABLE).chain(TrainSettings::TABLE)
    }

    /// The default of each setting that has one.
    pub fn defaults() -> Table {
        let defaults = AllSettings::<C>::read(&Table::new()).and_then(|defaults| defaults.values());
        defaults.expect("defaults can be written as TOML")
    }

    /// Reads a file.
    ///
    /// # Errors
    /// When it cannot be read, is not TOML, or has an unknown key or a value that its setting cannot have.
    pub fn open(path: &Path) -> Result<Self> {
        let read = File::open(path).and_then(|file| read_to_limit(file, RECIPE_BYTES_MAX));
        let text = read.and_then(|bytes| io::read_to_string(&bytes[..])).map_err(|error| {
            let is_long = error.kind() == io::ErrorKind::FileTooLarge;
            io_fault(path, &error, if is_long { RECIPE_HINT } else { "check the path, and that you may read the file" })
        })?;
        Self::parse(&path.display().to_string(), &text)
    }

    /// Reads the text of a file.
    ///
    /// # Errors
    /// As [`Recipe::open`].
    pub fn parse(name: &str, text: &str) -> Result<Self> {
        let wrong = |at: usize, what: String| {
            let line = text[..at].matches('\n').count() + 1;
            fault(format!("`{name}`, line {}: {what}", thousands(line)), RECIPE_HINT)
        };
        let syntax = |error: toml::de::Error| {
            let message = error.message().lines().next().unwrap_or_default();
            wrong(error.span().map_or(0, |span| span.start), excerpt(message))
        };
        let places = DeTable::parse(text).map_err(syntax)?;
        let values: Table = toml::from_str(text).map_err(syntax)?;
        for (key, value) in &values {
            let place = places.get_ref().keys().find(|place| place.get_ref() == key);
            let wrong = |what: String| Err(wrong(place.map_or(0, |place| place.span().start), what));
            let Some(setting) = Self::settings().find(|setting| setting.key == key) else {
                return wrong(format!("unknown key `{}`{}", excerpt(key), near::<C>(key)));
            };
            if !is_valid::<C>(setting, value) {
                return wrong(format!("{key} {}: expected {}", excerpt(&shown(value)), setting.domain));
            }
        }
        Self::new(values)
    }

    /// This recipe with the values of another in place of its own.
    pub fn overridden_by(mut self, other: &Self) -> Self {
        if other.values.contains_key("schedule") {
            self.values.remove("power"); // it belongs to the schedule
        }
        self.values.extend(other.values.clone());
        self
    }

    /// The first setting to which the recipe of an earlier run gives another value, in words.
    pub fn difference_from(&self, earlier: &Self) -> Option<String> {
        let (key, value) = self.values.iter().find(|(key, value)| earlier.values.get(*key) != Some(value))?;
        let theirs = earlier.values.get(key).map_or("none".into(), shown);
        let [theirs, ours] = [theirs, shown(value)].map(|value| excerpt(&value));
        Some(format!("--{} {theirs}, this one would have {ours}", key.replace('_', "-")))
    }

    /// The settings of the command alone.
    ///
    /// # Errors
    /// None, in a recipe that was read.
    pub fn command_settings(&self) -> Result<C> {
        read(&self.values)
    }

    /// All settings of a run, for a model with this many positions.
    ///
    /// # Errors
    /// When a value does not fit the model, or evaluations are asked for without data for them.
    pub fn all_settings(&self, tokens_max: usize) -> Result<AllSettings<C>> {
        let mut values = self.values.clone();
        values.entry("precision").or_insert("auto".into());
        let tokens = values.entry("max_tokens").or_insert((tokens_max.min(DEFAULT_TOKENS_MAX) as i64).into()).clone();
        let settings = AllSettings::<C>::read(&values)?;
        let TrainSettings { dev_every, patience, .. } = settings.train;
        let wrong = if tokens.as_integer().is_some_and(|tokens| tokens > tokens_max as i64) {
            format!("--max-tokens {tokens}: the model has positions for {tokens_max} tokens")
        } else if dev_every > 0 && !settings.command.has_dev() {
            format!("--dev-every {dev_every}: needs {}", C::DEV)
        } else if patience > 0 && !settings.command.has_dev() {
            format!("--patience {patience}: needs {}", C::DEV)
        } else if patience > 0 && dev_every == 0 {
            format!("--patience {patience}: needs --dev-every, for without it there is one evaluation, at the end")
        } else {
            return Ok(settings);
        };
        Err(fault(wrong, OPTIONS_HINT))
    }
}

/// What may have been meant by an unknown key, to follow it.
fn near<C: CommandSettings>(key: &str) -> String {
    let near = key.replace('-', "_");
    if Recipe::<C>::settings().any(|setting| setting.key == near) {
        format!(", did you mean `{near}`?")
    } else if Recipe::<C::Other>::settings().any(|setting| setting.key == key) {
        ": this is a recipe of another command".into()
    } else {
        String::new()
    }
}

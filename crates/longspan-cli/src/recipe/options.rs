//! Recipes as options of the command line: each option, and its help, is made from the table of its setting.

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::error::ErrorKind;
use clap::{Arg, ArgAction, ArgMatches, Args, Command, FromArgMatches, ValueHint};
use longspan::train::Setting;
use longspan::train::settings_table::Domain;
use toml::{Table, Value};

use super::{CommandSettings, Recipe, is_valid, shown};

/// The one setting with a short option.
const SHORT: (&str, char) = ("model", 'm');

impl<C: CommandSettings> Args for Recipe<C> {
    fn augment_args(command: Command) -> Command {
        let defaults = Recipe::<C>::defaults();
        command.args(Recipe::<C>::settings().map(|setting| argument::<C>(setting, &defaults)))
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl<C: CommandSettings> FromArgMatches for Recipe<C> {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let mut values = Table::new();
        for setting in Self::settings() {
            let Some(mut given) = matches.get_many::<Value>(setting.key) else { continue };
            let value = match setting.domain {
                Domain::Paths => Some(Value::Array(given.flat_map(Value::as_array).flatten().cloned().collect())),
                _ => given.next_back().cloned(),
            };
            values.extend(value.map(|value| (setting.key.to_owned(), value)));
        }
        Self::new(values).map_err(|error| clap::Error::raw(ErrorKind::InvalidValue, error))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

fn argument<C: CommandSettings>(setting: &'static Setting, defaults: &Table) -> Arg {
    let Setting { key, heading, domain, .. } = setting;
    let argument = Arg::new(*key).long(key.replace('_', "-")).help(help(setting, defaults));
    let argument = argument.value_name(value_name(domain)).hide_possible_values(true);
    let argument = argument.help_heading(*heading);
    let argument = if *key == SHORT.0 { argument.short(SHORT.1) } else { argument };
    match domain {
        Domain::Flag => {
            let parser = PossibleValuesParser::new(["true", "false"]).map(|text| Value::Boolean(text == "true"));
            argument.value_parser(parser).num_args(0..=1).require_equals(true).default_missing_value("true")
        }
        Domain::OneOf(names) => argument.value_parser(PossibleValuesParser::new(*names).map(Value::String)),
        Domain::Paths => {
            let argument = argument.value_parser(parser::<C>(setting)).num_args(1..).action(ArgAction::Append);
            argument.value_hint(ValueHint::AnyPath)
        }
        // A value such as `-1` is refused as one, not taken for an option.
        Domain::Number(..) | Domain::Whole(..) | Domain::TokenRange => {
            argument.value_parser(parser::<C>(setting)).allow_hyphen_values(true)
        }
        Domain::Model => argument.value_parser(parser::<C>(setting)).value_hint(ValueHint::DirPath),
        _ => argument.value_parser(parser::<C>(setting)),
    }
}

/// Reads the text of a value; of a list of paths, one of them.
fn parser<C: CommandSettings>(
    setting: &'static Setting,
) -> impl Fn(&str) -> Result<Value, String> + Clone + Send + Sync + 'static {
    move |text| {
        let value = match setting.domain {
            Domain::Number(..) => text.parse().ok().map(Value::Float),
            Domain::Whole(..) => text.parse().ok().map(Value::Integer),
            Domain::Paths => Some(Value::from(vec![text])),
            _ => Some(Value::from(text)),
        };
        let value = value.filter(|value| is_valid::<C>(setting, value));
        value.ok_or_else(|| format!("expected {}", setting.domain))
    }
}

fn value_name(domain: &Domain) -> String {
    match domain {
        Domain::Number(..) => "X".into(),
        Domain::Whole(..) => "N".into(),
        Domain::Flag => "true|false".into(),
        Domain::OneOf(names) => names.join("|"),
        Domain::TokenRange => "A..B".into(),
        Domain::Text => "TEXT".into(),
        Domain::Model => "MODEL".into(),
        Domain::Paths => "PATH".into(),
    }
}

/// The documentation of a setting, and its default unless that is `false`.
fn help(setting: &Setting, defaults: &Table) -> String {
    let help = setting.help.trim().trim_end_matches('.');
    let default = match (setting.default_in_words, defaults.get(setting.key)) {
        (Some(words), _) => words.into(),
        (None, None | Some(Value::Boolean(false))) => return help.into(),
        (None, Some(Value::String(text))) => text.clone(),
        (None, Some(value)) => shown(value),
    };
    format!("{help} [default: {default}]")
}

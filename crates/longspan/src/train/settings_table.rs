//! Settings, each declared once: its key, help, default and the values that it may have.

use std::any::Any;
use std::fmt;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::{Error, Result};

/// One row of a table of settings.
#[derive(Debug)]
pub struct Setting {
    /// The name of the field, and of the key in a recipe.
    pub key: &'static str,
    /// The heading that help lists it under.
    pub heading: Option<&'static str>,
    /// The documentation of the field.
    pub help: &'static str,
    /// The values that it may have.
    pub domain: Domain,
    /// What help shows as the default in place of a value: for one that depends on the model or the machine.
    pub default_in_words: Option<&'static str>,
}

/// The values that a setting may have.
#[derive(Debug, Clone, Copy)]
pub enum Domain {
    /// A number: the range in words, and whether a number lies in it.
    Number(&'static str, fn(f64) -> bool),
    /// A whole number: the smallest and the largest.
    Whole(u64, u64),
    /// `true` or `false`.
    Flag,
    /// One of these names.
    OneOf(&'static [&'static str]),
    /// A range of whole numbers, `A..B` with both included, or a single number.
    TokenRange,
    /// A model: a folder, or a name on the hub.
    Model,
    /// Any text.
    Text,
    /// A list of files or folders.
    Paths,
}

/// A number above 0.
pub const ABOVE_ZERO: Domain = Domain::Number("a number above 0", |x| x >= f64::MIN_POSITIVE);
/// How often data are used.
pub const EPOCHS: Domain =
    Domain::Number("a number above 0, at most 1000000", |x| (f64::MIN_POSITIVE..=1e6).contains(&x));
/// A number above 0, at most 1.
pub const ABOVE_ZERO_TO_ONE: Domain = Domain::Number("a number above 0, at most 1", |x| x > 0.0 && x <= 1.0);
/// A number from 0 on.
pub const FROM_ZERO: Domain = Domain::Number("a number from 0 on", |x| x >= 0.0);
/// A number from 0 on, below 1.
pub const BELOW_ONE: Domain =
    Domain::Number("a number from 0 on, below 1", |x| (0.0..=1.0 - f64::EPSILON).contains(&x));
/// A share from 0 to 1.
pub const SHARE: Domain = Domain::Number("a share from 0 to 1", |x| (0.0..=1.0).contains(&x));
/// A number of steps or evaluations; 0 has a meaning of its own.
pub const STEPS: Domain = Domain::Whole(0, STEPS_MAX);
/// A number of tokens.
pub const TOKENS: Domain = Domain::Whole(1, TOKENS_MAX);

/// Most steps of a run: ten times those of the longest pretraining of a Longformer, BERT or RoBERTa.
pub const STEPS_MAX: u64 = 10_000_000;
/// Most tokens of an input, a pass, a step or a document: as many as the positions of any `config.json` that is read.
pub const TOKENS_MAX: u64 = 1 << 24;

impl Domain {
    /// Whether a number lies in it.
    pub fn holds(&self, number: f64) -> bool {
        match self {
            Domain::Number(_, holds) => number.is_finite() && holds(number),
            Domain::Whole(least, most) => (*least as f64..=*most as f64).contains(&number),
            _ => true,
        }
    }
}

/// In words, to follow "expected".
impl fmt::Display for Domain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Domain::Number(range, _) => f.write_str(range),
            Domain::Whole(least, u64::MAX) => write!(f, "a whole number from {least} on"),
            Domain::Whole(least, most) => write!(f, "a whole number from {least} to {most}"),
            Domain::Flag => f.write_str("true or false"),
            Domain::OneOf([only]) => write!(f, "`{only}`"),
            Domain::OneOf(names) => {
                let (last, others) = names.split_last().expect("at least one name");
                write!(f, "`{}` or `{last}`", others.join("`, `"))
            }
            Domain::TokenRange => f.write_str("a range such as 512..4096, or one number, as text"),
            Domain::Model => f.write_str("the name of a model"),
            Domain::Text => f.write_str("text"),
            Domain::Paths => f.write_str("a list of files"),
        }
    }
}

/// A struct of settings with its table: see [`declare!`].
pub trait SettingsTable: Default + Serialize + DeserializeOwned {
    /// A row for each field.
    const TABLE: &'static [Setting];

    /// The value of each field, in the order of the table.
    fn values(&self) -> Vec<SettingValue>;

    /// Checks that all numbers are in their ranges.
    ///
    /// # Errors
    /// [`Error::Option`] for the first that is not.
    fn check_ranges(&self) -> Result<()> {
        for (SettingValue { key, number, .. }, Setting { domain, .. }) in self.values().into_iter().zip(Self::TABLE) {
            if let Some(number) = number.filter(|&number| !domain.holds(number)) {
                return Err(Error::option(key, format!("{number}: expected {domain}")));
            }
        }
        Ok(())
    }
}

/// The value of one setting.
#[derive(Debug)]
pub struct SettingValue {
    /// The key of the setting.
    pub key: &'static str,
    /// The value, if it is a number.
    pub number: Option<f64>,
    /// The value as [`Debug`](fmt::Debug) writes it.
    pub text: String,
}

impl SettingValue {
    /// The value of a field.
    pub fn new<T: Any + fmt::Debug>(key: &'static str, value: &T) -> Self {
        let text = format!("{value:?}");
        let value: &dyn Any = value;
        let float = value.downcast_ref::<f64>().copied();
        let float = float.or_else(|| value.downcast_ref::<Option<f64>>().copied().flatten());
        let whole =
            value.downcast_ref::<usize>().copied().or_else(|| value.downcast_ref::<Option<usize>>().copied()?);
        let number = float.or(whole.map(|number| number as f64));
        let number = number.or_else(|| value.downcast_ref::<u64>().map(|&number| number as f64));
        Self { key, number, text }
    }
}

#[doc(hidden)]
#[macro_export]
macro_rules! __declare_settings {
    (@option $text:literal) => { Some($text) };
    (@option $(_)?) => { None };
    (
        $(#[doc = $about:literal])*
        pub struct $name:ident;
        $($heading:tt {$(
            $(#[doc = $doc:literal])*
            $(#[serde($($serde:tt)*)])?
            $key:ident: $type:ty = $default:expr, $domain:expr $(, $words:literal)?;
        )*})*
    ) => {
        $(#[doc = $about])*
        #[derive(Debug, Clone, PartialEq, ::serde::Serialize, ::serde::Deserialize)]
        #[serde(default, deny_unknown_fields)]
        pub struct $name {
            $($($(#[doc = $doc])* $(#[serde($($serde)*)])? pub $key: $type,)*)*
        }

        impl Default for $name {
            fn default() -> Self {
                Self { $($($key: $default,)*)* }
            }
        }

        impl $crate::train::SettingsTable for $name {
            const TABLE: &'static [$crate::train::Setting] = &[$($($crate::train::Setting {
                key: stringify!($key),
                heading: $crate::__declare_settings!(@option $heading),
                help: concat!($($doc),*),
                domain: $domain,
                default_in_words: $crate::__declare_settings!(@option $($words)?),
            },)*)*];

            fn values(&self) -> Vec<$crate::train::SettingValue> {
                vec![$($($crate::train::SettingValue::new(stringify!($key), &self.$key),)*)*]
            }
        }
    };
}

/// Declares a struct of settings and implements [`SettingsTable`] for it.
///
/// Each group has a heading of the help, `_` for none: help then lists it under Options. Groups of several tables with one
/// heading are one section, and the order of lines is that of help, recipes and identities. Each setting is one line, `key: type = default, domain;`. The line
/// may end with a text after the domain, which help shows in place of the default: for one that depends on the model or
/// the machine. The doc comment of a setting is its help text, without the full stop; a `#[serde]` attribute follows it.
/// The ready domains are the constants of this module; another range is another constant there.
///
/// ```
/// use longspan::train::{SettingsTable, settings_table};
///
/// settings_table::declare! {
///     /// What a run does.
///     pub struct RunSettings;
///     "Optimizer" {
///         /// Passes over the data.
///         epochs: f64 = 2.0, settings_table::ABOVE_ZERO;
///     }
/// }
///
/// let error = RunSettings { epochs: 0.0 }.check_ranges().unwrap_err();
/// assert_eq!(error.to_string(), "epochs 0: expected a number above 0");
/// ```
#[doc(inline)]
pub use __declare_settings as declare;

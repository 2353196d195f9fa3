//! The options of a question, by the names that the program and the server give them.

use longspan::{Abstain, GlobalAttention, Precision, ReadOptions, SpanList};
use pyo3::exceptions::{PyOverflowError, PyTypeError};
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::errors::{of_library, of_option};

/// The largest number of an option: as many as the positions of the largest model that is read.
const COUNT_MAX: usize = 1 << 24;
/// The most spans of an answer.
const TOP_K_MAX: usize = 10_000;

/// The options with these names; `None` leaves one as it is.
///
/// # Errors
/// `TypeError` for an unknown name or a value of another type, `OptionError` for one out of its range.
pub fn read_options(given: &Bound<'_, PyDict>) -> PyResult<ReadOptions> {
    let mut options = ReadOptions::default();
    let (mut top_k, mut all) = (None, false);
    for (name, value) in given {
        let name: String = name.extract()?;
        let option = NamedOption { name: &name, value: &value };
        if value.is_none() {
            continue;
        }
        match name.as_str() {
            "top_k" => top_k = Some(option.count(1, TOP_K_MAX)?),
            "all" => all = option.of_type("a bool")?,
            "threshold" => options.threshold = Some(option.of_type("a number")?),
            "abstain" => options.abstain = Some(option.abstain()?),
            "max_answer_length" => options.max_answer_length = Some(option.count(1, COUNT_MAX)?),
            "respect_borders" => options.respect_borders = Some(option.of_type("a bool")?),
            "max_tokens" => options.max_tokens = Some(option.count(1, COUNT_MAX)?),
            "doc_stride" => options.doc_stride = Some(option.count(0, COUNT_MAX)?),
            "verify_tokens" => options.verify_tokens = Some(option.count(0, COUNT_MAX)?),
            "global_attention" => options.global_attention = option.global_attention()?,
            _ => return Err(PyTypeError::new_err(format!("unexpected option `{name}`"))),
        }
    }
    if all && top_k.is_some() {
        return Err(of_option(given.py(), "`all`: `top_k` is given too: expected one of them"));
    }
    options.spans = if all { SpanList::All(usize::MAX) } else { SpanList::Top(top_k.unwrap_or(1)) };
    Ok(options)
}

struct NamedOption<'a, 'py> {
    name: &'a str,
    value: &'a Bound<'py, PyAny>,
}

impl<'a, 'py> NamedOption<'a, 'py> {
    fn of_type<T: for<'b> FromPyObject<'b, 'py>>(&self, expected: &str) -> PyResult<T> {
        self.value.extract().map_err(|_| self.type_error(expected))
    }

    fn type_error(&self, expected: &str) -> PyErr {
        let found = self.value.get_type().name().map_or_else(|_| "?".into(), |name| name.to_string());
        PyTypeError::new_err(format!("`{}`: expected {expected}, got {found}", self.name))
    }

    fn wrong(&self, expected: &str) -> PyErr {
        let shown = self.value.repr().map_or_else(|_| "?".into(), |shown| shown.to_string());
        of_option(self.value.py(), &format!("`{}`: {shown}: expected {expected}", self.name))
    }

    fn count(&self, least: usize, most: usize) -> PyResult<usize> {
        let expected = || format!("a whole number from {least} to {most}");
        match self.value.extract::<i64>() {
            Ok(number) => {
                let number = usize::try_from(number).ok().filter(|number| (least..=most).contains(number));
                number.ok_or_else(|| self.wrong(&expected()))
            }
            Err(error) if error.is_instance_of::<PyOverflowError>(self.value.py()) => Err(self.wrong(&expected())),
            Err(_) => Err(self.type_error("an int")),
        }
    }

    fn abstain(&self) -> PyResult<Abstain> {
        let name: String = self.of_type("a str")?;
        Abstain::from_name(&name).ok_or_else(|| self.wrong("strict, balanced or eager"))
    }

    fn global_attention(&self) -> PyResult<GlobalAttention> {
        let expected = "question, first, none, or a list of positions";
        match self.value.extract::<String>().as_deref() {
            Ok("question") => Ok(GlobalAttention::Question),
            Ok("first") => Ok(GlobalAttention::First),
            Ok("none") => Ok(GlobalAttention::None),
            Ok(_) => Err(self.wrong(expected)),
            Err(_) => match self.value.extract::<Vec<usize>>() {
                Ok(positions) => Ok(GlobalAttention::List(positions)),
                Err(_) => Err(self.wrong(expected)),
            },
        }
    }
}

/// The precision of this name on this machine.
///
/// # Errors
/// `OptionError` for another name, and when `LONGSPAN_ISA` names an instruction set that the machine lacks.
pub fn precision(py: Python<'_>, name: &str) -> PyResult<Precision> {
    match name {
        "auto" => longspan::best_precision().map_err(|error| of_library(py, &error, None)),
        _ => {
            name.parse().map_err(|_| of_option(py, &format!("`precision`: {name:?}: expected auto, f32, bf16 or int8")))
        }
    }
}

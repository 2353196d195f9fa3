//! Parsers of option values.

use std::fmt::Display;
use std::ops::RangeInclusive;
use std::str::FromStr;

use longspan::GlobalAttention;

/// Most tokens, spans, questions and the like of an option: as many as the positions of the largest model that is read.
const COUNT_MAX: usize = 1 << 24;
/// Most spans of a question: their line in `answers.jsonl` must stay shorter than `RECORD_LINE_BYTES_MAX`.
const SPANS_MAX: usize = 10_000;
const THREADS_MAX: usize = 4096;

/// A whole number from 1 on.
pub fn count(text: &str) -> Result<usize, String> {
    whole(text, 1..=COUNT_MAX)
}

/// A whole number from 0 on.
pub fn count_or_zero(text: &str) -> Result<usize, String> {
    whole(text, 0..=COUNT_MAX)
}

/// A number of spans.
pub fn spans(text: &str) -> Result<usize, String> {
    whole(text, 1..=SPANS_MAX)
}

/// The seed of random numbers.
pub fn seed(text: &str) -> Result<u64, String> {
    whole(text, 0..=u64::MAX)
}

/// A number of threads.
pub fn threads(text: &str) -> Result<usize, String> {
    whole(text, 1..=THREADS_MAX)
}

fn whole<T: FromStr + PartialOrd + Display>(text: &str, range: RangeInclusive<T>) -> Result<T, String> {
    let number = text.parse().ok().filter(|number| range.contains(number));
    number.ok_or_else(|| format!("expected a whole number from {} to {}", range.start(), range.end()))
}

/// A number or an infinity.
pub fn threshold(text: &str) -> Result<f64, String> {
    text.parse().ok().filter(|x: &f64| !x.is_nan()).ok_or_else(|| "expected a number, such as 0, -2.5 or inf".into())
}

/// A number above 0 and up to 1.
pub fn share(text: &str) -> Result<f64, String> {
    text.parse().ok().filter(|share| *share > 0.0 && *share <= 1.0).ok_or_else(|| "expected a share such as 0.9".into())
}

/// The tokens with global attention.
pub fn global_attention(text: &str) -> Result<GlobalAttention, String> {
    match text {
        "question" => Ok(GlobalAttention::Question),
        "first" => Ok(GlobalAttention::First),
        "none" => Ok(GlobalAttention::None),
        positions => match positions.split(',').map(|position| position.trim().parse()).collect() {
            Ok(positions) => Ok(GlobalAttention::List(positions)),
            Err(_) => Err("expected `question`, `first`, `none`, or positions such as `0,1,5`".into()),
        },
    }
}

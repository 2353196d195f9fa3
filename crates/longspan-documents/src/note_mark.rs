//! Marks of notes within the text: `price¹ to` or `price[1] to`. A quotation of the text may leave them out.

use std::ops::Range;

/// Digits of the number of a note.
const DIGITS_MAX: usize = 3;

/// Letters of the shortest word behind which a raised number is the mark of a note: `m²` and `x³` are shorter.
const WORD_LETTERS_MIN: usize = 4;

/// Ends of words that stand for a unit of length, whose raised number is a power.
const UNITS: [&str; 16] = [
    "meter", "meters", "metre", "metres", "mètre", "mètres", "metro", "metros", "mile", "miles", "foot", "feet",
    "inch", "inches", "yard", "yards",
];

/// Words behind which any unit may have a power: `per second²`.
const RATES: [&str; 6] = ["per", "par", "pro", "por", "square", "cubic"];

/// Signs beside which a word is a name in a formula, and what is raised a power.
const OPERATORS: [char; 9] = ['/', '*', '·', '×', '+', '=', '^', '√', '−'];

/// The raised numbers of a text that are marks of notes: those behind a word or behind punctuation. Behind a digit, a unit, a
/// short name or a bracket, they are powers.
pub(crate) fn raised_marks(text: &str) -> Vec<Range<usize>> {
    let (mut marks, mut from) = (Vec::new(), 0);
    while let Some(start) = text[from..].find(is_raised).map(|at| from + at) {
        let length = list_length(&text[start..]);
        let end = start + length;
        let goes_on = |c: char| c.is_alphanumeric() || matches!(c, '⁺' | '⁻' | '⁽' | '⁾');
        let is_operand = text[end..].trim_start().starts_with(OPERATORS);
        if length > 0 && follows_text(&text[..start]) && !is_operand && !text[end..].starts_with(goes_on) {
            marks.push(start..end);
        }
        // A number that is too long is none at its end either.
        let rest = text[end..].find(|c: char| !is_raised(c)).unwrap_or(text.len() - end);
        from = end + rest;
    }
    marks
}

/// Whether what stands in an element for the mark of a note, or raised in square brackets, is such a mark.
///
/// - `is_reference`: whether the file says so
pub(crate) fn is_mark(text: &str, is_reference: bool) -> bool {
    let inner = text.strip_prefix('[').and_then(|text| text.strip_suffix(']'));
    let content = inner.unwrap_or(text);
    let is_sign =
        |c: char| c.is_numeric() || matches!(c, ',' | ' ' | '-' | '–' | '⁻' | '*' | '†' | '‡' | '§' | '⁽' | '⁾');
    let mut characters = content.chars();
    let is_letter = characters.next().is_some_and(char::is_alphabetic) && characters.next().is_none();
    let is_short = content.chars().filter(|c| !matches!(c, ',' | ' ' | '-' | '–')).count() <= 4 * DIGITS_MAX;
    let is_list = !content.is_empty() && is_short && content.chars().all(is_sign);
    is_list || is_letter || (is_reference && inner.is_some_and(|inner| !inner.is_empty()))
}

fn is_raised(c: char) -> bool {
    is_raised_digit(c) || c == '⁽'
}

fn is_raised_digit(c: char) -> bool {
    matches!(c, '¹' | '²' | '³' | '⁰' | '⁴'..='⁹')
}

/// The bytes of the numbers of notes at the start of a text, such as `¹` or `¹, ²`; none if it does not begin with one.
fn list_length(text: &str) -> usize {
    let mut length = number_length(text);
    while length > 0 {
        let rest = &text[length..];
        let next = [",", ", ", "–", "-"].iter().find_map(|separator| {
            let number = number_length(rest.strip_prefix(separator)?);
            (number > 0).then_some(separator.len() + number)
        });
        match next {
            Some(next) => length += next,
            None => break,
        }
    }
    length
}

/// The bytes of the number of a note at the start of a text.
fn number_length(text: &str) -> usize {
    let digits = text.strip_prefix('⁽').unwrap_or(text);
    let rest = digits.trim_start_matches(is_raised_digit);
    let count = digits[..digits.len() - rest.len()].chars().count();
    if digits.starts_with('⁰') || !(1..=DIGITS_MAX).contains(&count) {
        return 0;
    }
    match (digits.len() < text.len(), rest.strip_prefix('⁾')) {
        (true, Some(rest)) => text.len() - rest.len(),
        (true, None) => 0,
        (false, _) => text.len() - rest.len(),
    }
}

/// Whether a text ends with a word or with punctuation, perhaps with quotation marks behind it.
fn follows_text(text: &str) -> bool {
    let text = text.trim_end_matches(['"', '\'', '”', '’', '»', '“']);
    let before = text.trim_end_matches(char::is_alphabetic);
    let word = &text[before.len()..];
    if word.is_empty() {
        return text.ends_with(['.', ',', ';', ':', '!', '?', '…', '。', '，', '、', '；']);
    }
    let is_long = word.chars().nth(WORD_LETTERS_MIN - 1).is_some();
    let lower = if is_long && word.len() < 40 { word.to_lowercase() } else { String::new() };
    let before = before.trim_end();
    let is_rate = RATES.iter().any(|rate| before.rsplit(|c: char| !c.is_alphabetic()).next() == Some(rate));
    is_long && !is_rate && !before.ends_with(OPERATORS) && !UNITS.iter().any(|unit| lower.ends_with(unit))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn raised_numbers_behind_words_and_punctuation_are_marks() {
        for (text, marks) in [
            ("The seller³ shall", vec!["³"]),
            ("to the price.¹² It", vec!["¹²"]),
            ("the “Seller”¹, who", vec!["¹"]),
            ("price¹,² to bonds⁴–⁶ or shares⁽⁷⁾.", vec!["¹,²", "⁴–⁶", "⁽⁷⁾"]),
            ("10⁶ and 5 m² of CO₂, (a+b)² = mc², 3 square metres², kg/height²", vec![]),
            ("9 metres per second², 12 mètres², weight / height², π × radius², velocity² + 1", vec![]),
            ("word⁰ word¹x word⁻¹ word¹²³⁴ word²⁺ ¹Note ⁽ word⁽¹", vec![]),
        ] {
            let found: Vec<&str> = raised_marks(text).into_iter().map(|bytes| &text[bytes]).collect();
            assert_eq!(found, marks, "{text}");
        }
        for (text, in_text, by_file) in [
            ("[1]", true, true),
            ("¹,²", true, true),
            ("*", true, true),
            ("a", true, true),
            ("[long-name]", false, true),
            ("not", false, false),
            ("[]", false, false),
            ("", false, false),
            ("1234567890123", false, false),
        ] {
            assert_eq!([is_mark(text, false), is_mark(text, true)], [in_text, by_file], "{text}");
        }
    }
}

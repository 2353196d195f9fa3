//! Exact match and F1 of one answer, as evaluate-v2.0.py defines them.
//!
//! The script is Python; where its string functions differ from Rust's, Python's rules are kept.

use std::collections::HashMap;
use std::sync::LazyLock;

use fancy_regex::Regex;

/// Lower case, without ASCII punctuation and the articles a, an, the, words joined by one space.
pub fn normalize_answer(text: &str) -> String {
    let text: String = text.to_lowercase().chars().filter(|c| !c.is_ascii_punctuation()).collect();
    words(&ARTICLE.replace_all(&text, " ")).collect::<Vec<_>>().join(" ")
}

/// 1 if the two are equal once normalised, else 0.
pub fn exact_match(gold: &str, prediction: &str) -> f64 {
    f64::from(u8::from(normalize_answer(gold) == normalize_answer(prediction)))
}

/// The harmonic mean of precision and recall over the words, counted as often as they come. Where either has no word it
/// is 1 if neither has one, else 0.
pub fn f1(gold: &str, prediction: &str) -> f64 {
    let (gold, prediction) = (normalize_answer(gold), normalize_answer(prediction));
    let count = |text: &str| words(text).count() as f64;
    let (gold_words, predicted_words) = (count(&gold), count(&prediction));
    if gold_words == 0.0 || predicted_words == 0.0 {
        return f64::from(u8::from(gold_words == predicted_words));
    }
    let mut left: HashMap<&str, usize> = HashMap::new();
    words(&gold).for_each(|word| *left.entry(word).or_default() += 1);
    let mut same = 0.0;
    for word in words(&prediction) {
        if let Some(count) = left.get_mut(word).filter(|count| **count > 0) {
            *count -= 1;
            same += 1.0;
        }
    }
    if same == 0.0 {
        return 0.0;
    }
    let (precision, recall) = (same / predicted_words, same / gold_words);
    2.0 * precision * recall / (precision + recall)
}

/// Python's `split()`: at white space, to which it counts the separators U+001C to U+001F.
fn words(text: &str) -> impl Iterator<Item = &str> {
    let splits = |c: char| c.is_whitespace() || ('\u{1c}'..='\u{1f}').contains(&c);
    text.split(splits).filter(|word| !word.is_empty())
}

/// An article as a word of its own. Python's `\w` is letters, numbers and the underscore; combining marks are not among
/// them, as they are in the `\b` of Rust's expressions.
static ARTICLE: LazyLock<Regex> = LazyLock::new(|| {
    let word = r"[\p{L}\p{N}_]";
    Regex::new(&format!("(?<!{word})(?:a|an|the)(?!{word})")).expect("the expression is right")
});

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn normalised_as_python_does() {
        for (text, normal) in [
            ("The  Quick, brown-fox!", "quick brownfox"),
            ("a", ""),
            ("an a the THE", ""),
            ("Theatre and Anna", "theatre and anna"),
            ("a\u{301} the\u{301}", "\u{301} \u{301}"), // a mark is no letter: the article before it goes
            ("x\u{1c}y\u{a0}z\u{85}", "x y z"),
            ("ΟΔΟΣ", "οδος"),
            ("the_end", "theend"),
            ("«the» —a— 1a", "« » — — 1a"),
            ("$10,000.50", "1000050"),
        ] {
            assert_eq!(normalize_answer(text), normal, "{text:?}");
        }
    }

    #[test]
    fn words_count_as_often_as_they_come() {
        assert_eq!(f1("to be or not to be", "to be"), 0.5);
        assert_eq!(f1("Paris", "the Paris!"), 1.0);
        assert_eq!((f1("the", ""), f1("", "x"), f1("x", "y")), (1.0, 0.0, 0.0));
        assert_eq!((exact_match("The Paris", "paris"), exact_match("Paris", "London")), (1.0, 0.0));
    }
}

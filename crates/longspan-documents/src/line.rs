//! Text from a file as one line of a bounded length, as titles, labels and messages have it.

/// Characters of a name in a message.
const EXCERPT_CHARACTERS_MAX: usize = 100;

/// The words of a text with one space between them, at most so many characters. Control characters are replaced; `…` stands
/// for what was left out.
pub(crate) fn line(text: &str, characters_max: usize) -> String {
    let words = text.split_whitespace().enumerate();
    let mut characters = words.flat_map(|(number, word)| (number > 0).then_some(' ').into_iter().chain(word.chars()));
    let mut line: String = characters.by_ref().take(characters_max).collect();
    if characters.next().is_some() {
        line.pop();
        line.push('…');
    }
    if line.contains(char::is_control) { line.replace(char::is_control, "\u{fffd}") } else { line }
}

/// A name in a message.
pub(crate) fn excerpt(name: &str) -> String {
    line(name, EXCERPT_CHARACTERS_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_text_is_one_short_line() {
        for (text, expected) in [
            ("", ""),
            (" \n\t", ""),
            (" a\n b\u{a0}c ", "a b c"),
            ("a\u{1b}[1m\0", "a\u{fffd}[1m\u{fffd}"),
            ("1234567", "1234567"),
            ("12345678", "123456…"),
            ("1234 567", "1234 5…"),
            ("1234567  \n", "1234567"),
            ("ééééééé", "ééééééé"),
        ] {
            assert_eq!(line(text, 7), expected, "{text:?}");
        }
        assert_eq!(excerpt(&"x".repeat(10_000_000)).chars().count(), EXCERPT_CHARACTERS_MAX);
    }
}

//! What stands before an item of a list or a heading: bullets and numbers.

/// Whether a word is a bullet or a number such as `3.`, `(a)`, `iv)` or `2.1`.
pub(super) fn is_marker(word: &str) -> bool {
    let mut characters = word.chars();
    if let (Some(c), None) = (characters.next(), characters.next())
        && "•◦▪■□●○·∙‣⁃–—-*➢➤✓\u{f0b7}\u{f0a7}".contains(c)
    {
        return true;
    }
    let inner = word.trim_matches(|c| matches!(c, '(' | ')' | '.' | '[' | ']'));
    let has_sign = inner.len() < word.len() || inner.contains('.');
    let is_digits = |part: &str| (1..=3).contains(&part.len()) && part.chars().all(|c| c.is_ascii_digit());
    let is_roman = inner.len() <= 5 && inner.chars().all(|c| "ivxlc".contains(c.to_ascii_lowercase()));
    let is_letter = inner.len() == 1 && inner.chars().all(|c| c.is_ascii_alphabetic());
    let is_number = inner.split('.').take(7).filter(|part| is_digits(part)).count() == inner.split('.').count();
    has_sign && !inner.is_empty() && (is_number || is_roman || is_letter)
}

/// How deep a number such as `2.1.3` is: 3. None if the word is no number of a section.
pub(super) fn depth(word: &str) -> Option<usize> {
    let inner = word.trim_end_matches('.');
    let is_number = |part: &str| (1..=3).contains(&part.len()) && part.chars().all(|c| c.is_ascii_digit());
    inner.split('.').all(is_number).then(|| inner.split('.').count())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markers() {
        for word in ["•", "-", "1.", "12)", "(a)", "(iv)", "B.", "2.1", "2.1.3.", "[4]"] {
            assert!(is_marker(word), "{word}");
        }
        for word in ["", "1", "a", "It", "(see)", "1,000.", "2024.", "e.g.", "..", "U.S."] {
            assert!(!is_marker(word), "{word}");
        }
        assert_eq!(["3", "3.", "2.1", "a.", "2024"].map(depth), [Some(1), Some(1), Some(2), None, None]);
    }
}

//! Borders: places of a text that no answer runs over. A text has them at blank lines and form feeds; callers may know more,
//! such as the ends of table cells.

/// Byte offsets of the borders of a text, in order: one for each run of white space with two line breaks, a form feed or a
/// paragraph separator.
///
/// A line break is LF, CR LF or CR alone, so lines of spaces are blank too.
pub(super) fn borders(text: &str) -> impl Iterator<Item = usize> {
    let mut chars = text.char_indices().peekable();
    std::iter::from_fn(move || {
        while let Some((offset, mut c)) = chars.find(|(_, c)| c.is_whitespace()) {
            let (mut line_breaks, mut is_border) = (0, false);
            loop {
                let next = chars.next_if(|(_, c)| c.is_whitespace()).map(|(_, c)| c);
                let is_cr_of_crlf = c == '\r' && next == Some('\n');
                line_breaks += usize::from(matches!(c, '\n' | '\r' | '\u{85}' | '\u{2028}') && !is_cr_of_crlf);
                is_border |= matches!(c, '\u{c}' | '\u{2029}');
                match next {
                    Some(next) => c = next,
                    None => break,
                }
            }
            if is_border || line_breaks > 1 {
                return Some(offset);
            }
        }
        None
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn borders_are_blank_lines_form_feeds_and_paragraph_separators() {
        for (text, expected) in [
            ("", &[][..]),
            ("a b\nc\r\nd\re\u{2028}f", &[]),
            ("a\n\nb", &[1]),
            ("a \r\n\t\r\n b\r\rc", &[1, 9]),
            ("é\u{c}b\u{2029}c \u{c} d", &[2, 4, 8]),
            ("\n\na\n \n", &[0, 3]),
            ("a\u{a0}\n\u{3000}\nb", &[1]),
        ] {
            assert_eq!(borders(text).collect::<Vec<_>>(), expected, "{text:?}");
        }
    }
}

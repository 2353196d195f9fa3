//! Text from elsewhere, made fit to show on a terminal or in a log.

use std::io;

/// Stands in for a character that would control a terminal.
const REPLACEMENT: char = '\u{fffd}';

/// Invisible, so it is left out of a line.
const BYTE_ORDER_MARK: char = '\u{feff}';

/// The text with every control character replaced: escape sequences would control the terminal, and overrides of
/// bidirectional text would reorder what follows.
pub fn printable(text: &str) -> String {
    text.chars().map(|c| if is_control(c) { REPLACEMENT } else { c }).collect()
}

/// The text as one printable line: each run of white space, line breaks included, becomes one space, and byte-order
/// marks are left out.
pub fn one_line(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    for c in text.chars() {
        if c == BYTE_ORDER_MARK {
            continue;
        }
        if !c.is_whitespace() {
            line.push(if is_control(c) { REPLACEMENT } else { c });
        } else if !line.ends_with(' ') {
            line.push(' ');
        }
    }
    line
}

/// What a message calls the document of this name: `-` is standard input.
pub fn title(name: &str) -> &str {
    if name == "-" { "standard input" } else { name }
}

/// The same in quotes.
pub fn quoted(name: &str) -> String {
    format!("`{}`", title(name))
}

/// An error of the operating system, in the words of the other messages.
pub fn io_message(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => "no such file".into(),
        _ if error.raw_os_error().is_none() => error.to_string(), // in words already
        kind @ (io::ErrorKind::PermissionDenied
        | io::ErrorKind::ReadOnlyFilesystem
        | io::ErrorKind::StorageFull
        | io::ErrorKind::QuotaExceeded
        | io::ErrorKind::FileTooLarge) => kind.to_string(),
        _ => error.to_string(),
    }
}

fn is_control(c: char) -> bool {
    c.is_control() || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_control_character_is_left() {
        for code in (0..=0x10ffff).filter_map(char::from_u32) {
            let shown = [printable(&code.to_string()), one_line(&code.to_string())].concat();
            assert!(!shown.chars().any(is_control), "{code:?}");
        }
        assert_eq!(one_line(" a\r\n\t b\u{a0}\u{2028}c\x1b]0;x\x07 "), " a b c\u{fffd}]0;x\u{fffd} ");
        assert_eq!(printable("a\tb\n  c"), "a\u{fffd}b\u{fffd}  c");
    }
}

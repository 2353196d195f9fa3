//! Strings that people are to read: UTF-16 or UTF-8 with a byte-order mark, else PDFDocEncoding (ISO 32000-2, 7.9.2.2 and
//! annex D.3).

/// What PDFDocEncoding has from 0x18 to 0x1f.
const ACCENTS: [char; 8] = ['˘', 'ˇ', 'ˆ', '˙', '˝', '˛', '˚', '˜'];
/// What PDFDocEncoding has from 0x80 to 0xa0.
const SIGNS: [char; 33] = [
    '•', '†', '‡', '…', '—', '–', 'ƒ', '⁄', '‹', '›', '−', '‰', '„', '“', '”', '‘', '’', '‚', '™', 'ﬁ', 'ﬂ', 'Ł', 'Œ',
    'Š', 'Ÿ', 'Ž', 'ı', 'ł', 'œ', 'š', 'ž', '\u{fffd}', '€',
];

/// The text of a string.
pub(super) fn text_string(bytes: &[u8]) -> String {
    if let Some(bytes) = bytes.strip_prefix(b"\xfe\xff") {
        let units = bytes.chunks_exact(2).map(|pair| u16::from_be_bytes([pair[0], pair[1]]));
        return without_languages(&String::from_utf16_lossy(&units.collect::<Vec<_>>()));
    }
    if let Some(bytes) = bytes.strip_prefix(b"\xff\xfe") {
        let units = bytes.chunks_exact(2).map(|pair| u16::from_le_bytes([pair[0], pair[1]]));
        return without_languages(&String::from_utf16_lossy(&units.collect::<Vec<_>>()));
    }
    if let Some(bytes) = bytes.strip_prefix(b"\xef\xbb\xbf") {
        return without_languages(&String::from_utf8_lossy(bytes));
    }
    let character = |&byte: &u8| match byte {
        0x18..0x20 => ACCENTS[usize::from(byte - 0x18)],
        0x80..=0xa0 => SIGNS[usize::from(byte - 0x80)],
        _ => char::from(byte),
    };
    bytes.iter().map(character).collect()
}

/// A text without the codes of languages that stand between two escape characters.
fn without_languages(text: &str) -> String {
    text.split('\u{1b}').step_by(2).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_of_each_encoding() {
        for (bytes, text) in [
            (&b"plain"[..], "plain"),
            (b"\x80 \xa0 \xe9", "• € é"),
            (b"\xfe\xff\0a\x20\x14\xd8\x3d\xdc\x69", "a—\u{1f469}"),
            (b"\xff\xfea\0", "a"),
            (b"\xfe\xff\0\x1b\0e\0n\0\x1b\0a", "a"),
            (b"\xef\xbb\xbf\xc3\xa9", "é"),
            (b"\xfe\xff\xd8", ""),
        ] {
            assert_eq!(text_string(bytes), text, "{}", bytes.escape_ascii());
        }
    }
}

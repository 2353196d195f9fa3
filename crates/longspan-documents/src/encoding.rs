//! What bytes seem to be that are no UTF-8. A message can then say how to convert them.

use serde::{Deserialize, Serialize};

/// What bytes seem to be that are no UTF-8.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum LikelyEncoding {
    /// UTF-8 that ends within a character.
    Utf8Cut,
    /// UTF-8 with some bytes that do not belong there.
    Utf8Damaged,
    /// ISO-8859-1: a letter beyond ASCII here and there.
    Latin1,
    /// CP1252: the same, with the dashes, quotes and `€` of Windows, which ISO-8859-1 lacks.
    Cp1252,
    /// Another one.
    Other,
}

impl LikelyEncoding {
    /// Judges bytes that are no UTF-8.
    pub(crate) fn of(bytes: &[u8]) -> Self {
        let (mut characters, mut faults, mut cut) = (0, 0, false);
        for chunk in bytes.utf8_chunks() {
            characters += chunk.valid().bytes().filter(|&byte| byte >= 0xc0).count(); // beyond ASCII
            faults += usize::from(!chunk.invalid().is_empty());
            cut = std::str::from_utf8(chunk.invalid()).is_err_and(|error| error.error_len().is_none());
        }
        let beyond_ascii = bytes.iter().filter(|&&byte| byte >= 0x80).count();
        let has_no_meaning_in_cp1252 = |byte: &u8| matches!(byte, 0x81 | 0x8d | 0x8f | 0x90 | 0x9d);
        // In another encoding, few characters look like those of UTF-8.
        if characters > faults {
            if faults == 1 && cut { Self::Utf8Cut } else { Self::Utf8Damaged }
        } else if 2 * beyond_ascii > bytes.len() || bytes.iter().any(has_no_meaning_in_cp1252) {
            Self::Other
        } else if bytes.iter().any(|byte| (0x80..0xa0).contains(byte)) {
            Self::Cp1252
        } else {
            Self::Latin1
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_encoding_is_known_by_its_bytes() {
        use LikelyEncoding::*;
        for (bytes, seems) in [
            (&b"caf\xe9"[..], Latin1),
            (b"L'\xe9t\xe9 \xe0 Gen\xe8ve, \xa320", Latin1),
            (b"\x93Hi\x94 \x96 10 \x80", Cp1252),
            (b"na\xefve, it\x92s", Cp1252),
            (b"\x83e\x83X\x83g\x82\xc5\x82\xb7", Other),        // Shift-JIS
            (b"\xcf\xf0\xe8\xe2\xe5\xf2, \xec\xe8\xf0", Other), // CP1251
            (b"a\x81b", Other),
            ("\u{e9}t\u{e9} \u{20ac}".as_bytes().split_last().unwrap().1, Utf8Cut),
            (b"\xc3\xa9t\xc3\xa9 \xff fini", Utf8Damaged),
            (b"\xc3\xa9t\xc3\xa9 \xe2\x82 fini", Utf8Damaged),
        ] {
            assert!(std::str::from_utf8(bytes).is_err());
            assert_eq!(LikelyEncoding::of(bytes), seems, "{}", bytes.escape_ascii());
        }
    }
}

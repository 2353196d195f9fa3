//! The encodings of a text: what a byte-order mark or a declaration says, else UTF-8, else a guess.

use chardetng::{EncodingDetector, Iso2022JpDetection, Utf8Detection};
use encoding_rs::{Encoding, ISO_2022_JP, REPLACEMENT, UTF_8, UTF_16BE, UTF_16LE};

use crate::{ReadError, UnreadFormat, Warning};

/// A NUL that got into a text by accident stays there; with more than one in so many bytes, the file is binary. In text that
/// is no UTF-8, other control characters count too.
const BYTES_PER_NUL: usize = 4096;

/// So many bytes are enough for a guess.
const GUESS_BYTES: usize = 4 << 20;

/// A text, and what it was made of.
#[derive(Debug)]
pub(crate) struct Decoded {
    pub text: String,
    pub encoding: &'static Encoding,
    pub warnings: Vec<Warning>,
    /// The byte of the file at which the text begins, if the text stands there as it is.
    pub start: Option<usize>,
}

impl Decoded {
    fn unchanged(text: String) -> Self {
        Self { text, encoding: UTF_8, warnings: Vec::new(), start: Some(0) }
    }
}

/// The text of a file, which stays as it is in UTF-8, byte-order mark and all.
///
/// # Errors
/// When it is binary, or damaged UTF-8.
pub(crate) fn text(bytes: Vec<u8>) -> Result<Decoded, ReadError> {
    if let Some(decoded) = utf16(&bytes)? {
        return Ok(decoded);
    }
    let error = match String::from_utf8(bytes) {
        Ok(text) => return Ok(Decoded::unchanged(text)),
        Err(error) => error,
    };
    let (bytes, offset) = (error.as_bytes(), error.utf8_error().valid_up_to());
    if is_mostly_utf8(bytes) {
        let line = 1 + bytes[..offset].iter().filter(|&&byte| byte == b'\n').count();
        // In a text of which the end is missing, nothing else is wrong.
        let is_cut = error.utf8_error().error_len().is_none();
        return Err(ReadError::Encoding { offset, line, is_cut, unpacked: false });
    }
    guessed(bytes, offset)
}

/// The text of markup, which may declare its encoding. A byte-order mark is no part of it.
///
/// # Errors
/// When it is binary.
pub(crate) fn markup(bytes: &[u8], declared: Option<&'static Encoding>) -> Result<Decoded, ReadError> {
    if let Some(decoded) = utf16(bytes)? {
        return Ok(decoded);
    }
    let start = if bytes.starts_with(b"\xef\xbb\xbf") { 3 } else { 0 };
    // A page of another encoding is hardly ever UTF-8 too, and many pages were converted without their declarations.
    let declared = declared.filter(|&encoding| encoding != REPLACEMENT);
    let is_utf8 = |text: &str| !text.is_ascii() || declared != Some(ISO_2022_JP);
    let offset = match str::from_utf8(&bytes[start..]) {
        Ok(text) if is_utf8(text) => {
            return Ok(Decoded { start: Some(start), ..Decoded::unchanged(text.to_owned()) });
        }
        Ok(_) => 0,
        Err(error) => start + error.valid_up_to(),
    };
    let declared = match declared {
        Some(encoding) if encoding != UTF_8 && encoding != UTF_16LE && encoding != UTF_16BE => encoding,
        Some(_) => UTF_8,
        None if start > 0 || is_mostly_utf8(bytes) => UTF_8,
        None => return guessed(bytes, offset),
    };
    let (text, has_errors) = declared.decode_without_bom_handling(&bytes[start..]);
    let warnings = has_errors.then(|| repaired(declared)).into_iter().collect();
    Ok(Decoded { text: text.into_owned(), encoding: declared, warnings, start: None })
}

fn repaired(encoding: &'static Encoding) -> Warning {
    Warning::Repaired(format!("bytes that have no meaning in {} are U+FFFD in the text", encoding.name()))
}

/// The text of UTF-16.
fn utf16(bytes: &[u8]) -> Result<Option<Decoded>, ReadError> {
    if let Some((encoding, mark)) = Encoding::for_bom(bytes).filter(|&(encoding, _)| encoding != UTF_8) {
        let (text, has_errors) = encoding.decode_without_bom_handling(&bytes[mark..]);
        let warnings = has_errors.then(|| repaired(encoding)).into_iter().collect();
        return Ok(Some(Decoded { text: text.into_owned(), encoding, warnings, start: None }));
    }
    let Some(encoding) = units(bytes)? else { return Ok(None) };
    let text = encoding.decode_without_bom_handling_and_without_replacement(bytes);
    let text = text.filter(|text| !is_binary(text.bytes())).ok_or_else(|| binary(bytes))?;
    let guess = Warning::GuessedEncoding { name: encoding.name().into(), has_errors: false };
    Ok(Some(Decoded { text: text.into_owned(), encoding, warnings: vec![guess], start: None }))
}

/// Checks the first bytes of a text, before the rest is read.
///
/// # Errors
/// When they are binary.
pub(crate) fn check_start(start: &[u8]) -> Result<(), ReadError> {
    match Encoding::for_bom(start) {
        Some((encoding, _)) if encoding != UTF_8 => Ok(()),
        _ => units(start).map(drop),
    }
}

/// The form of UTF-16 that bytes with many NULs seem to be of.
fn units(bytes: &[u8]) -> Result<Option<&'static Encoding>, ReadError> {
    let nuls = nuls(bytes);
    if nuls <= bytes.len().div_ceil(BYTES_PER_NUL) {
        return Ok(None);
    }
    // Of a unit of UTF-16, one byte is NUL in spaces, punctuation and Latin letters: always the same one.
    let first = bytes.iter().step_by(2).filter(|&&byte| byte == 0).count();
    let has_units = bytes.len().is_multiple_of(2) && nuls > 1 && 16 * nuls >= bytes.len();
    match first {
        0 if has_units => Ok(Some(UTF_16LE)),
        _ if has_units && first == nuls => Ok(Some(UTF_16BE)),
        _ => Err(binary(bytes)),
    }
}

fn nuls(bytes: &[u8]) -> usize {
    bytes.iter().filter(|&&byte| byte == 0).count()
}

fn binary(bytes: &[u8]) -> ReadError {
    let offset = bytes.iter().position(|&byte| byte == 0).unwrap_or_default();
    ReadError::Binary { nuls: nuls(bytes), offset, unpacked: false }
}

/// Whether there are control characters that texts do not have.
fn is_binary(bytes: impl ExactSizeIterator<Item = u8>) -> bool {
    let max = bytes.len().div_ceil(BYTES_PER_NUL);
    let is_control = |byte: &u8| matches!(byte, 0..=8 | 0xe..=0x19 | 0x1c..=0x1f | 0x7f);
    bytes.filter(is_control).count() > max
}

/// Whether bytes that are no UTF-8 have most of their characters beyond ASCII in it: in another encoding, few look so.
fn is_mostly_utf8(bytes: &[u8]) -> bool {
    let (mut characters, mut faults) = (0, 0);
    for chunk in bytes.utf8_chunks() {
        characters += chunk.valid().bytes().filter(|&byte| byte >= 0xc0).count(); // beyond ASCII
        faults += usize::from(!chunk.invalid().is_empty());
    }
    characters > faults
}

/// The text of bytes of an unknown encoding.
///
/// - `offset`: that of the first byte that is no UTF-8
fn guessed(bytes: &[u8], offset: usize) -> Result<Decoded, ReadError> {
    if bytes.contains(&0) {
        return Err(binary(bytes));
    }
    if is_binary(bytes.iter().copied()) {
        return Err(ReadError::Format(UnreadFormat::Binary));
    }
    let mut detector = EncodingDetector::new(Iso2022JpDetection::Deny);
    let part = &bytes[offset..bytes.len().min(offset + GUESS_BYTES)];
    detector.feed(part, offset + part.len() == bytes.len());
    let encoding = detector.guess(None, Utf8Detection::Deny);
    let (text, has_errors) = encoding.decode_without_bom_handling(bytes);
    let guess = Warning::GuessedEncoding { name: encoding.name().into(), has_errors };
    Ok(Decoded { text: text.into_owned(), encoding, warnings: vec![guess], start: None })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The text, the name of the encoding that was guessed, and whether the text stands in the file.
    fn read(bytes: &[u8]) -> (String, Option<&'static str>, bool) {
        let decoded = text(bytes.to_vec()).unwrap();
        let mut guess = decoded.warnings.iter().map(|warning| match warning {
            Warning::GuessedEncoding { name, has_errors: false } if *name == decoded.encoding.name() => {
                decoded.encoding.name()
            }
            other => panic!("{other:?}"),
        });
        (decoded.text.clone(), guess.next(), decoded.start.is_some())
    }

    #[test]
    fn text_in_other_encodings_is_read_and_the_guess_is_told() {
        use encoding_rs::*;
        let units = |text: &str, order: fn(u16) -> [u8; 2]| text.encode_utf16().flat_map(order).collect::<Vec<_>>();
        let plain = "How did it run? \u{41a}\u{430}\u{43a} \u{442}\u{430}\u{43a}?";
        assert_eq!(read(&units(plain, u16::to_le_bytes)), (plain.into(), Some("UTF-16LE"), false));
        assert_eq!(read(&units(plain, u16::to_be_bytes)), (plain.into(), Some("UTF-16BE"), false));
        let marked = format!("\u{feff}{plain}漢字");
        for bytes in [units(&marked, u16::to_le_bytes), units(&marked, u16::to_be_bytes)] {
            assert_eq!(read(&bytes), (format!("{plain}漢字"), None, false));
        }
        for (encoding, text) in [
            (WINDOWS_1252, "café au lait"),
            (WINDOWS_1252, "“Hi” – it’s 10 €, said the naïve girl in the café"),
            (WINDOWS_1252, "Der Käufer übergibt die Maße gemäß § 5 an den Verkäufer für 20 Wochen."),
            (WINDOWS_1251, "Привет, мир. Это договор поставки между сторонами."),
            (SHIFT_JIS, "これはテストの文書です。東京都"),
            (GBK, "这是一个中文文件的测试，合同"),
            (EUC_KR, "이것은 한국어 문서입니다"),
            (WINDOWS_1250, "Příliš žluťoučký kůň úpěl ďábelské ódy"),
        ] {
            let (bytes, _, has_errors) = encoding.encode(text);
            assert!(!has_errors, "{text}");
            assert_eq!(read(&bytes), (text.into(), Some(encoding.name()), false));
        }
        assert_eq!(read("\u{feff}café".as_bytes()), ("\u{feff}café".into(), None, true));
    }

    #[test]
    fn damaged_utf8_is_an_error_that_says_where() {
        for (bytes, offset, line, is_cut) in [
            (&b"d\xc3\xa9j\xc3\xa0\n v\xc3"[..], 9, 2, true),
            (b"d\xc3\xa9j\xc3\xa0 \xff v", 7, 1, false),
            (b"\xc3\xa9t\xc3\xa9 \xe2\x82 fini", 6, 1, false),
        ] {
            let error = text(bytes.to_vec()).unwrap_err();
            let ReadError::Encoding { offset: at, line: in_line, is_cut: cut, .. } = error else { panic!("{error:?}") };
            assert_eq!((at, in_line, cut), (offset, line, is_cut), "{}", bytes.escape_ascii());
        }
    }

    #[test]
    fn binary_bytes_are_no_text() {
        let controls: Vec<u8> = (0..200_u32).map(|number| (number * 7 % 255 + 1) as u8).collect();
        assert!(matches!(text(controls), Err(ReadError::Format(UnreadFormat::Binary))));
        assert!(matches!(text(b"abc\0\xff".to_vec()), Err(ReadError::Binary { nuls: 1, offset: 3, .. })));
        assert!(matches!(text(b"a\0b\0\x01\0\x02\0".to_vec()), Err(ReadError::Binary { .. })));
    }

    #[test]
    fn markup_is_read_as_it_declares() {
        let check = |bytes: &[u8],
                     declared: Option<&'static Encoding>,
                     expected: &str,
                     start: Option<usize>,
                     codes: &[&str]| {
            let decoded = markup(bytes, declared).unwrap();
            let found: Vec<&str> = decoded.warnings.iter().map(Warning::code).collect();
            assert_eq!((&*decoded.text, decoded.start, &*found), (expected, start, codes), "{}", bytes.escape_ascii());
        };
        let koi8 = Some(encoding_rs::KOI8_R);
        check("é".as_bytes(), None, "é", Some(0), &[]);
        check("\u{feff}é".as_bytes(), koi8, "é", Some(3), &[]);
        check("é".as_bytes(), koi8, "é", Some(0), &[]); // converted, and the declaration was not
        check(b"\xd7\xd9", koi8, "вы", None, &[]);
        check(b"caf\xe9 au lait", None, "café au lait", None, &["guessed_encoding"]);
        check(b"\xc3\xa9t\xc3\xa9 \xff", None, "été \u{fffd}", None, &["repaired"]);
        check(b"caf\xe9", Some(UTF_8), "caf\u{fffd}", None, &["repaired"]);
        check(b"\xff\xfe\xe9\0", koi8, "é", None, &[]);
        check(b"\x1b$B$\"\x1b(B", Some(ISO_2022_JP), "あ", None, &[]);
        check(b"ascii", Some(REPLACEMENT), "ascii", Some(0), &[]);
    }
}

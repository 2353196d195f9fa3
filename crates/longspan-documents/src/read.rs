//! Bytes → content: what format they are of, and its reader.

use std::fmt;
use std::io::{self, Read};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::encoding::Decoded;
use crate::line::line;
use crate::unpack::GzipReader;
use crate::{
    Content, Format, Limits, PictureSize, ReadError, Warning, csv, detect, docx, encoding, epub, html, markdown, odt,
    pdf, plain,
};

/// The bytes by which formats and binary files are known, before the rest is read.
pub const START_BYTES: u64 = 8192;

/// An error shows at most so many characters of the message of a panic.
const MESSAGE_MAX: usize = 200;

/// What is known of a document beside its bytes.
#[derive(Clone, Default, Serialize, Deserialize)]
pub struct Hints {
    /// The name of its file. Its extension tells formats that bytes do not tell, such as Markdown.
    pub name: Option<String>,
    /// Its format, if it is known and not to be found out.
    pub format: Option<Format>,
    /// The password of an encrypted file.
    pub password: Option<String>,
}

/// Without the password.
impl fmt::Debug for Hints {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, format, password } = self;
        let has_password = password.is_some();
        f.debug_struct("Hints")
            .field("name", name)
            .field("format", format)
            .field("has_password", &has_password)
            .finish()
    }
}

/// Reads the bytes of a file, plain or packed with gzip.
///
/// # Errors
/// When they are not of a format that is read, are damaged or encrypted, have no text, or go over a limit.
pub fn read(bytes: &[u8], hints: &Hints, limits: &Limits) -> Result<Content, ReadError> {
    read_from(bytes, hints, limits)
}

/// Reads a file to its end, plain or packed with gzip.
///
/// # Errors
/// As [`read`], and those of `input`.
pub fn read_from(input: impl Read, hints: &Hints, limits: &Limits) -> Result<Content, ReadError> {
    let check = |start: &[u8], was_packed: bool| {
        let is_container = detect::is_container(start, unpacked_name(hints, was_packed));
        match hints.format {
            Some(Format::Docx | Format::Odt | Format::Epub | Format::Pdf) => Ok(()),
            Some(asked) if is_container => Err(ReadError::NotOfFormat(asked)),
            None if is_container => Ok(()),
            _ => check_text(start),
        }
    };
    let (bytes, was_packed) = unpacked(input, limits, check)?;
    let name = unpacked_name(hints, was_packed);
    let content = guarded(|| match detect::format(&bytes, name, hints.format)? {
        Format::Text => text(bytes, name.filter(|_| hints.format.is_none()), limits),
        Format::Markdown => markdown::read(bytes, limits),
        Format::Html => html::read(&bytes, name, limits),
        Format::Docx => docx::read(&bytes, limits),
        Format::Odt => odt::read(bytes, limits),
        Format::Pdf => pdf::read(bytes, hints.password.as_deref(), limits),
        Format::Epub => epub::read(&bytes, limits),
    });
    content.map_err(|error| if was_packed { error.of_unpacked() } else { error })
}

/// Reads text that stays as it is. By its name it may be a table.
fn text(bytes: Vec<u8>, name: Option<&str>, limits: &Limits) -> Result<Content, ReadError> {
    let Decoded { text, mut warnings, .. } = encoding::text(bytes)?;
    check_length(&text, limits)?;
    if text.chars().all(|c| c.is_whitespace() || c == '\u{feff}') {
        return Err(if text.is_empty() { ReadError::Empty } else { ReadError::Blank });
    }
    let delimiter = match detect::extension(name).as_deref() {
        Some("csv") => Some(csv::delimiter(&text)),
        Some("tsv") => Some(b'\t'),
        _ => None,
    };
    let cells = delimiter.map(|delimiter| csv::cells(&text, delimiter).unwrap_or_default());
    if cells.as_ref().is_some_and(Vec::is_empty) {
        let what = format!("where its cells are, since there are more than {}", csv::CELLS_MAX);
        warnings.push(Warning::LeftOut(what.into()));
    }
    Ok(plain::content(text.into(), cells.unwrap_or_default(), warnings))
}

/// Text of another encoding may be longer than its bytes.
fn check_length(text: &str, limits: &Limits) -> Result<(), ReadError> {
    let text_bytes_max = limits.text_bytes_max.min(u32::MAX.into());
    if text.len() as u64 > text_bytes_max { Err(ReadError::TooLong { text_bytes_max }) } else { Ok(()) }
}

/// Draws a page of a file that has pages to draw: a PNG, black on white as it is printed.
///
/// Drawing keeps no limit but those of opening the file: draw files of strangers in a process that can be stopped.
///
/// # Errors
/// [`ReadError::NotOfFormat`] if it is no PDF document, [`ReadError::Damaged`] if it has no such page, and as [`read`].
pub fn draw(bytes: &[u8], picture: PictureSize, hints: &Hints, limits: &Limits) -> Result<Vec<u8>, ReadError> {
    let (bytes, was_packed) = unpacked(bytes, limits, |_, _| Ok(()))?;
    guarded(|| match detect::format(&bytes, unpacked_name(hints, was_packed), hints.format)? {
        Format::Pdf => pdf::draw(bytes, picture, hints.password.as_deref(), limits),
        _ => Err(ReadError::NotOfFormat(Format::Pdf)),
    })
}

/// Turns a panic of a reader into an error of its document. A reader may also unwind with a [`ReadError`] on purpose.
fn guarded<T>(read: impl FnOnce() -> Result<T, ReadError>) -> Result<T, ReadError> {
    catch_unwind(AssertUnwindSafe(read)).unwrap_or_else(|payload| {
        Err(payload.downcast::<ReadError>().map_or_else(
            |payload| {
                let text = payload.downcast_ref::<&str>().copied();
                let text = text.or(payload.downcast_ref::<String>().map(String::as_str)).unwrap_or("no message");
                ReadError::Failed(line(text, MESSAGE_MAX)) // a message that may repeat the file
            },
            |error| *error,
        ))
    })
}

/// Whether a file that begins so is read as plain text, or refused before its rest is read.
///
/// - `start`: its first [`START_BYTES`], or all of them
pub fn is_plain(start: &[u8], hints: &Hints) -> bool {
    let mut unpacked = Vec::new();
    // What cannot be unpacked is refused.
    let Ok(input) = GzipReader::new(start) else { return true };
    let was_packed = input.is_packed();
    let _ = input.take(START_BYTES).read_to_end(&mut unpacked); // it ends too early
    match hints.format {
        Some(format) => format == Format::Text,
        None => detect::is_plain(&unpacked, unpacked_name(hints, was_packed)),
    }
}

/// The name of a file, without the `.gz` of one that was packed.
fn unpacked_name(hints: &Hints, was_packed: bool) -> Option<&str> {
    let name = hints.name.as_deref();
    name.map(|name| name.strip_suffix(".gz").filter(|_| was_packed).unwrap_or(name))
}

/// Reads plain text in UTF-8, unpacked and otherwise unchanged, whatever its name: a byte-order mark stays, and CRLF stays. It
/// may be empty.
///
/// # Errors
/// When it cannot be read, is too long or is not UTF-8 text.
pub fn read_text(input: impl Read, limits: &Limits) -> Result<String, ReadError> {
    let (bytes, was_packed) = unpacked(input, limits, |start, _| check_text(start))?;
    match encoding::text(bytes) {
        Ok(Decoded { text, start: Some(_), .. }) => Ok(text),
        Ok(Decoded { encoding, .. }) => Err(ReadError::NotUtf8(encoding.name().into())),
        Err(error) => Err(if was_packed { error.of_unpacked() } else { error }),
    }
}

/// Checks that the first bytes are those of a text.
fn check_text(start: &[u8]) -> Result<(), ReadError> {
    detect::check_text(start)?;
    encoding::check_start(start)
}

/// Reads a file to its end. Returns its bytes, and whether they were packed with gzip. `check` sees the first ones, and
/// whether they were packed, before the rest is read.
fn unpacked(
    input: impl Read,
    limits: &Limits,
    check: impl Fn(&[u8], bool) -> Result<(), ReadError>,
) -> Result<(Vec<u8>, bool), ReadError> {
    let input = GzipReader::new(input).map_err(unreadable)?;
    let was_packed = input.is_packed();
    let failed = if was_packed { not_unpacked } else { unreadable };
    let text_bytes_max = limits.text_bytes_max.min(u32::MAX.into()); // offsets have 32 bits
    // One byte more than is allowed tells a file that is too long from one that just fits.
    let mut input = input.take(text_bytes_max.saturating_add(1));
    let mut bytes = Vec::new();
    input.by_ref().take(START_BYTES).read_to_end(&mut bytes).map_err(failed)?;
    check(&bytes, was_packed).map_err(|error| if was_packed { error.of_unpacked() } else { error })?;
    input.read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > text_bytes_max {
        return Err(ReadError::TooLong { text_bytes_max });
    }
    bytes.shrink_to_fit();
    Ok((bytes, was_packed))
}

fn unreadable(error: io::Error) -> ReadError {
    ReadError::Io(Arc::new(error))
}

/// What an error of the gzip decoder means.
fn not_unpacked(error: io::Error) -> ReadError {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => ReadError::GzipCut,
        io::ErrorKind::FileTooLarge => ReadError::PackedTooWell(Arc::new(error)),
        io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData => ReadError::GzipDamaged(Arc::new(error)),
        _ => unreadable(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::Compression;
    use flate2::write::GzEncoder;
    use std::io::Write;

    fn gz(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn limits(text_bytes_max: u64) -> Limits {
        Limits { text_bytes_max, ..Limits::default() }
    }

    fn read_short(bytes: &[u8]) -> Result<String, ReadError> {
        read_text(bytes, &limits(1000))
    }

    #[test]
    fn a_text_is_left_as_it_is() {
        for text in ["", "a", "\u{feff}a\r\nb\r", "It\0 ran.", "e\u{301} 👩‍👩‍👧 \u{a0}\u{200b} </s>", "\x1b[31m\x0c"]
        {
            assert_eq!(read_short(text.as_bytes()).unwrap(), text);
            assert_eq!(read_short(&gz(text.as_bytes())).unwrap(), text);
        }
        let document = "one line\n".repeat(1000);
        let stray = format!("\0{}\0", document);
        assert_eq!(read_text(stray.as_bytes(), &Limits::default()).unwrap(), stray);
        let two = [gz(b"one "), gz(b"two")].concat();
        assert_eq!(read_short(&two).unwrap(), "one two");
    }

    #[test]
    fn an_error_says_what_the_bytes_are() {
        let check = |bytes: &[u8], message: &str, code: &str| {
            let error = read_short(bytes).unwrap_err();
            assert_eq!((error.to_string(), error.code()), (message.to_owned(), code));
        };
        check(b"%PDF-1.7 \x00", "not plain text", "unknown_format");
        check(b"PK\x03\x04...", "a zip archive, which is not read", "unknown_format");
        check(b"abc\0\xff", "a binary file: NUL at byte 3", "unknown_format");
        check(b"abcdefgh\0\0abcdefgh", "a binary file: 2 NULs, the first at byte 8", "unknown_format");
        check(b"\xc3\xa9b\xc3\xa9\xc3", "invalid UTF-8 at byte 5, in line 1", "unknown_format");
        check(
            &gz(b"o\n \xc3\xa9\xc3\xa9\xff"),
            "invalid UTF-8 at byte 7 of the unpacked text, in line 2",
            "unknown_format",
        );
        check(&gz(b"ab\0\0"), "a binary file: 2 NULs, the first at byte 2 of the unpacked text", "unknown_format");
        check(b"caf\xe9 au lait", "text in windows-1252, where UTF-8 is expected", "unknown_format");
        check(b"\xff\xfea\0", "text in UTF-16LE, where UTF-8 is expected", "unknown_format");
        check(b"\xff\xfe\0\0a\0\0\0", "UTF-32 text, which is not read", "unknown_format");
        check(&gz(&gz(b"text")), "packed with gzip twice, which is not read", "unknown_format");
        check(&[b'a'; 1001], "longer than 1000 bytes, the most that is read", "too_large");
        check(&gz(&[b'a'; 100_000]), "longer than 1000 bytes, the most that is read", "too_large");
        assert_eq!(read_short(&[b'a'; 1000]).unwrap().len(), 1000);
        let endless = |byte: u8| read_text(io::repeat(byte), &limits(100_000)).unwrap_err();
        assert_eq!(endless(b'a').to_string(), "longer than 100000 bytes, the most that is read");
        assert_eq!(endless(0).to_string(), "a binary file: 8192 NULs, the first at byte 0");
    }

    #[test]
    fn a_gzip_file_cut_anywhere_is_an_error() {
        let whole = gz(b"some text that is packed");
        for length in 2..whole.len() {
            let error = read_short(&whole[..length]).unwrap_err();
            assert!(matches!(error, ReadError::GzipCut), "cut to {length}");
            assert_eq!(error.to_string(), "its gzip data end too early");
        }
        let mut damaged = whole.clone();
        let middle = damaged.len() - 6; // its checksum
        damaged[middle] ^= 1;
        assert!(matches!(read_short(&damaged).unwrap_err(), ReadError::GzipDamaged(_)));
    }

    /// A file that cannot be read.
    struct Unreadable(io::ErrorKind);

    impl Read for Unreadable {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(self.0.into())
        }
    }

    #[test]
    fn only_gzip_data_are_called_damaged() {
        for kind in [io::ErrorKind::InvalidData, io::ErrorKind::UnexpectedEof] {
            for start in ["", "a", "some text"] {
                let error = read_text(start.as_bytes().chain(Unreadable(kind)), &Limits::default()).unwrap_err();
                assert!(matches!(error, ReadError::Io(_)), "{start}");
                assert_eq!(error.to_string(), kind.to_string());
            }
        }
    }

    #[test]
    fn a_panic_is_an_error_of_the_document() {
        let error = guarded::<Content>(|| panic!("first line\n second\0 {}", "x".repeat(1000))).unwrap_err();
        assert_eq!(error.to_string(), format!("its reader failed: first line second\u{fffd} {}…", "x".repeat(180)));
        let error = guarded::<Content>(|| std::panic::panic_any(ReadError::PasswordRequired)).unwrap_err();
        assert!(matches!(error, ReadError::PasswordRequired));
    }

    #[test]
    fn a_document_has_text() {
        for (text, code) in [("", "empty_document"), (" \r\n\u{feff}\u{a0}\u{2028}", "empty_document")] {
            let error = read(text.as_bytes(), &Hints::default(), &Limits::default()).unwrap_err();
            assert_eq!(error.code(), code);
        }
    }
}

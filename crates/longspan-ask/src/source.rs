//! Where documents come from: files, standard input, bytes. What is not UTF-8 text, plain or packed with gzip, is an
//! error that names what it is.

use std::fmt;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::PathBuf;
use std::sync::Arc;

use crate::text::{io_message, quoted};
use crate::unpack::CUT;
use crate::{Content, GzipReader, LikelyEncoding};

/// The bytes by which other formats and binary files are known, before the rest is read.
const START_BYTES: u64 = 8192;

/// A NUL that got into a text by accident stays there; with more than one in so many bytes, the file is binary.
const BYTES_PER_NUL: usize = 4096;

/// Where a document comes from.
///
/// ```
/// use longspan_ask::{DocumentLimits, DocumentSource};
///
/// let source = DocumentSource::Bytes { name: "pump.txt".into(), bytes: b"It ran in 1911.".to_vec() };
/// assert_eq!(&**source.read(DocumentLimits::default())?.text(), "It ran in 1911.");
///
/// let missing = DocumentSource::File("missing.txt".into()).read(DocumentLimits::default()).unwrap_err();
/// assert_eq!((missing.to_string().as_str(), missing.code()), ("`missing.txt`: no such file", "unreadable"));
/// # Ok::<(), longspan_ask::SourceError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum DocumentSource {
    /// A file; its path is the name of the document.
    File(PathBuf),
    /// Standard input; the name of the document is `-`.
    Stdin,
    /// Bytes that are in memory, such as an upload.
    Bytes {
        /// The name of the document.
        name: String,
        /// As they would stand in a file.
        bytes: Vec<u8>,
    },
}

/// What is refused. A source is never read further than its limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct DocumentLimits {
    /// The longest text, unpacked: a small gzip file can hold a very long one. Default: 1 GiB.
    pub text_bytes_max: u64,
}

impl Default for DocumentLimits {
    fn default() -> Self {
        Self { text_bytes_max: 1 << 30 }
    }
}

/// A source that cannot be read as a document.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{}: {kind}", quoted(name))]
pub struct SourceError {
    /// Name of the document.
    pub name: String,
    /// What is wrong with it.
    pub kind: SourceErrorKind,
}

/// What can be wrong with a source.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum SourceErrorKind {
    /// The operating system refused to read it.
    #[error("{}", io_message(.0))]
    Io(Arc<io::Error>),
    /// It is a folder.
    #[error("a folder, not a file")]
    Folder,
    /// It is longer than the limit.
    #[error("longer than {text_bytes_max} bytes, the most that is read")]
    TooLong {
        /// The limit.
        text_bytes_max: u64,
    },
    /// It is packed far too well for a text: see [`GzipReader`].
    #[error("{0}")]
    PackedTooWell(Arc<io::Error>),
    /// The gzip data end too early.
    #[error("{}", CUT)]
    GzipCut,
    /// The gzip data are damaged.
    #[error("{0}")]
    GzipDamaged(Arc<io::Error>),
    /// It is a file of a format that is not read.
    #[error("{0}, not plain text")]
    Format(UnreadFormat),
    /// It has more than one NUL in 4 KiB, or a NUL and bytes that are no UTF-8.
    #[error("a binary file: {} at byte {offset}{}", if *.nuls == 1 { "NUL".into() } else { format!("{nuls} NULs, the first") }, of(*.unpacked))]
    Binary {
        /// How many NULs.
        nuls: usize,
        /// Where the first one is.
        offset: usize,
        /// Whether the offset counts in the unpacked text.
        unpacked: bool,
    },
    /// It is text of another encoding, or no text.
    #[error("invalid UTF-8 at byte {offset}{}, in line {line}", of(*.unpacked))]
    Encoding {
        /// Where.
        offset: usize,
        /// Its line, from 1.
        line: usize,
        /// What it seems to be.
        seems: LikelyEncoding,
        /// Whether the offset counts in the unpacked text.
        unpacked: bool,
    },
    /// It has no text.
    #[error("empty")]
    Empty,
    /// It has white space alone.
    #[error("empty but for white space")]
    Blank,
}

fn of(unpacked: bool) -> &'static str {
    if unpacked { " of the unpacked text" } else { "" }
}

impl SourceError {
    /// A stable code for programs: `unreadable`, `unknown_format`, `too_large` or `empty_document`.
    pub fn code(&self) -> &'static str {
        use SourceErrorKind::*;
        match self.kind {
            Io(_) | Folder | GzipCut | GzipDamaged(_) => "unreadable",
            Format(_) | Binary { .. } | Encoding { .. } => "unknown_format",
            TooLong { .. } | PackedTooWell(_) => "too_large",
            Empty | Blank => "empty_document",
        }
    }
}

/// A format that is not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum UnreadFormat {
    /// PDF.
    Pdf,
    /// Zip, in which office documents are packed too: DOCX, ODT, EPUB.
    Zip,
    /// The older format of office documents, such as DOC.
    OldOffice,
    /// RTF.
    Rtf,
    /// Text in UTF-16 with a byte-order mark.
    Utf16,
    /// Text in UTF-16 without one, the low byte of each unit first.
    Utf16Le,
    /// Text in UTF-16 without one, the high byte of each unit first.
    Utf16Be,
    /// Text in UTF-32.
    Utf32,
    /// Packed with xz.
    Xz,
    /// Packed with bzip2.
    Bzip2,
    /// Packed with zstd.
    Zstd,
    /// A 7z archive.
    SevenZip,
    /// Gzip within gzip.
    DoubleGzip,
}

/// With an article where there is one.
impl fmt::Display for UnreadFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Pdf => "a PDF document",
            Self::Zip => "a zip archive or an office document (such as DOCX, ODT or EPUB)",
            Self::OldOffice => "an old office document (such as DOC)",
            Self::Rtf => "an RTF document",
            Self::Utf16 | Self::Utf16Le | Self::Utf16Be => "UTF-16 text",
            Self::Utf32 => "UTF-32 text",
            Self::Xz => "packed with xz",
            Self::Bzip2 => "packed with bzip2",
            Self::Zstd => "packed with zstd",
            Self::SevenZip => "a 7z archive",
            Self::DoubleGzip => "packed with gzip twice",
        })
    }
}

/// Formats that are mistaken for text now and then, and their first bytes.
const FORMATS: [(UnreadFormat, &[u8]); 13] = [
    (UnreadFormat::Pdf, b"%PDF-"),
    (UnreadFormat::Zip, b"PK\x03\x04"),
    (UnreadFormat::OldOffice, b"\xd0\xcf\x11\xe0"),
    (UnreadFormat::Rtf, b"{\\rtf"),
    (UnreadFormat::Utf32, b"\xff\xfe\0\0"),
    (UnreadFormat::Utf32, b"\0\0\xfe\xff"),
    (UnreadFormat::Utf16, b"\xff\xfe"),
    (UnreadFormat::Utf16, b"\xfe\xff"),
    (UnreadFormat::Xz, b"\xfd7zXZ\0"),
    (UnreadFormat::Bzip2, b"BZh91AY&SY"),
    (UnreadFormat::Zstd, b"\x28\xb5\x2f\xfd"),
    (UnreadFormat::SevenZip, b"7z\xbc\xaf\x27\x1c"),
    (UnreadFormat::DoubleGzip, b"\x1f\x8b"),
];

impl DocumentSource {
    /// The name of the document: the path of a file as it was given, `-` for standard input.
    pub fn name(&self) -> String {
        match self {
            Self::File(path) => path.to_string_lossy().into_owned(),
            Self::Stdin => "-".into(),
            Self::Bytes { name, .. } => name.clone(),
        }
    }

    /// Reads a document.
    ///
    /// # Errors
    /// When it cannot be read, is not UTF-8 text, or has nothing but white space.
    pub fn read(&self, limits: DocumentLimits) -> Result<Content, SourceError> {
        let text = self.read_text(limits)?;
        if text.chars().all(|c| c.is_whitespace() || c == '\u{feff}') {
            let kind = if text.is_empty() { SourceErrorKind::Empty } else { SourceErrorKind::Blank };
            return Err(SourceError { name: self.name(), kind });
        }
        Ok(Content::plain(text))
    }

    /// Reads the text alone, which may be empty. It is that of the source, unpacked and otherwise unchanged: a byte-order
    /// mark stays, and CRLF stays.
    ///
    /// # Errors
    /// When it cannot be read or is not UTF-8 text.
    pub fn read_text(&self, limits: DocumentLimits) -> Result<String, SourceError> {
        let read = match self {
            Self::File(path) => open(path).and_then(|file| decode(file, limits)),
            Self::Stdin => decode(io::stdin().lock(), limits),
            Self::Bytes { bytes, .. } => decode(bytes.as_slice(), limits),
        };
        read.map_err(|kind| SourceError { name: self.name(), kind })
    }
}

fn open(path: &PathBuf) -> Result<File, SourceErrorKind> {
    if fs::metadata(path).map_err(unreadable)?.is_dir() {
        return Err(SourceErrorKind::Folder);
    }
    File::open(path).map_err(unreadable)
}

/// Unpacks and decodes.
fn decode(input: impl Read, DocumentLimits { text_bytes_max }: DocumentLimits) -> Result<String, SourceErrorKind> {
    let input = GzipReader::new(input).map_err(unreadable)?;
    let unpacked = input.is_packed();
    let failed = if unpacked { not_unpacked } else { unreadable };
    // One byte more than is allowed tells a text that is too long from one that just fits.
    let mut input = input.take(text_bytes_max.saturating_add(1));
    let mut bytes = Vec::new();
    input.by_ref().take(START_BYTES).read_to_end(&mut bytes).map_err(failed)?;
    check_text(&bytes, unpacked)?;
    input.read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > text_bytes_max {
        return Err(SourceErrorKind::TooLong { text_bytes_max });
    }
    check_text(&bytes, unpacked)?;
    bytes.shrink_to_fit();
    String::from_utf8(bytes).map_err(|error| not_text(error.as_bytes(), error.utf8_error().valid_up_to(), unpacked))
}

/// Checks that bytes are not those of another format.
fn check_text(bytes: &[u8], unpacked: bool) -> Result<(), SourceErrorKind> {
    if let Some(&(format, _)) = FORMATS.iter().find(|(_, start)| bytes.starts_with(start)) {
        return Err(SourceErrorKind::Format(format));
    }
    match nuls(bytes) {
        nuls if nuls > bytes.len().div_ceil(BYTES_PER_NUL) => Err(binary(bytes, nuls, unpacked)),
        _ => Ok(()),
    }
}

fn nuls(bytes: &[u8]) -> usize {
    bytes.iter().filter(|&&byte| byte == 0).count()
}

/// What bytes with NULs are.
fn binary(bytes: &[u8], nuls: usize, unpacked: bool) -> SourceErrorKind {
    // Of a unit of UTF-16, one byte is NUL in spaces, punctuation and Latin letters: always the same one.
    let first = bytes.iter().step_by(2).filter(|&&byte| byte == 0).count();
    let has_units = bytes.len().is_multiple_of(2) && nuls > 1 && 16 * nuls >= bytes.len();
    match first {
        0 if has_units => SourceErrorKind::Format(UnreadFormat::Utf16Le),
        _ if has_units && first == nuls => SourceErrorKind::Format(UnreadFormat::Utf16Be),
        _ => {
            let offset = bytes.iter().position(|&byte| byte == 0).unwrap_or_default();
            SourceErrorKind::Binary { nuls, offset, unpacked }
        }
    }
}

/// What bytes are that are no UTF-8 from `offset` on.
fn not_text(bytes: &[u8], offset: usize, unpacked: bool) -> SourceErrorKind {
    match nuls(bytes) {
        0 => {
            let line = 1 + bytes[..offset].iter().filter(|&&byte| byte == b'\n').count();
            SourceErrorKind::Encoding { offset, line, seems: LikelyEncoding::of(bytes), unpacked }
        }
        nuls => binary(bytes, nuls, unpacked),
    }
}

fn unreadable(error: io::Error) -> SourceErrorKind {
    SourceErrorKind::Io(Arc::new(error))
}

/// What an error of the gzip decoder means.
fn not_unpacked(error: io::Error) -> SourceErrorKind {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => SourceErrorKind::GzipCut,
        io::ErrorKind::FileTooLarge => SourceErrorKind::PackedTooWell(Arc::new(error)),
        io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData => SourceErrorKind::GzipDamaged(Arc::new(error)),
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

    fn read_text(bytes: &[u8]) -> Result<String, SourceError> {
        let source = DocumentSource::Bytes { name: "f".into(), bytes: bytes.to_vec() };
        source.read_text(DocumentLimits { text_bytes_max: 1000 })
    }

    #[test]
    fn a_text_is_left_as_it_is() {
        for text in ["", "a", "\u{feff}a\r\nb\r", "It\0 ran.", "e\u{301} 👩‍👩‍👧 \u{a0}\u{200b} </s>", "\x1b[31m\x0c"]
        {
            assert_eq!(read_text(text.as_bytes()).unwrap(), text);
            assert_eq!(read_text(&gz(text.as_bytes())).unwrap(), text);
        }
        let document = "one line\n".repeat(1000);
        let stray = format!("\0{}\0", document);
        let source = DocumentSource::Bytes { name: "f".into(), bytes: stray.clone().into() };
        assert_eq!(source.read_text(DocumentLimits::default()).unwrap(), stray);
        let two = [gz(b"one "), gz(b"two")].concat();
        assert_eq!(read_text(&two).unwrap(), "one two");
    }

    #[test]
    fn an_error_says_what_the_bytes_are() {
        let check = |bytes: &[u8], message: &str, code: &str| {
            let error = read_text(bytes).unwrap_err();
            assert_eq!((error.to_string(), error.code()), (format!("`f`: {message}"), code));
        };
        check(b"%PDF-1.7 \x00", "a PDF document, not plain text", "unknown_format");
        let office = "a zip archive or an office document (such as DOCX, ODT or EPUB), not plain text";
        check(b"PK\x03\x04...", office, "unknown_format");
        check(b"\xff\xfea\0", "UTF-16 text, not plain text", "unknown_format");
        check(b"\xff\xfe\0\0a\0\0\0", "UTF-32 text, not plain text", "unknown_format");
        for text in ["How it ran.", "\u{41a}\u{430}\u{43a} \u{442}\u{430}\u{43a}?"] {
            let units = || text.encode_utf16();
            let orders = [units().flat_map(u16::to_le_bytes).collect(), units().flat_map(u16::to_be_bytes).collect()];
            let kinds = orders.map(|bytes: Vec<u8>| read_text(&bytes).unwrap_err().kind);
            use UnreadFormat::{Utf16Be, Utf16Le};
            assert!(matches!(kinds, [SourceErrorKind::Format(Utf16Le), SourceErrorKind::Format(Utf16Be)]), "{kinds:?}");
        }
        check(b"abc\0\xff", "a binary file: NUL at byte 3", "unknown_format");
        check(b"abcdefgh\0\0abcdefgh", "a binary file: 2 NULs, the first at byte 8", "unknown_format");
        check("ab\u{e9}".as_bytes().split_last().unwrap().1, "invalid UTF-8 at byte 2, in line 1", "unknown_format");
        check(&gz(b"o\n \xe9t\xe9"), "invalid UTF-8 at byte 3 of the unpacked text, in line 2", "unknown_format");
        check(&gz(&gz(b"text")), "packed with gzip twice, not plain text", "unknown_format");
        check(&[b'a'; 1001], "longer than 1000 bytes, the most that is read", "too_large");
        check(&gz(&[b'a'; 100_000]), "longer than 1000 bytes, the most that is read", "too_large");
        assert_eq!(read_text(&[b'a'; 1000]).unwrap().len(), 1000);
        let endless = |byte: u8| decode(io::repeat(byte), DocumentLimits { text_bytes_max: 100_000 }).unwrap_err();
        assert_eq!(endless(b'a').to_string(), "longer than 100000 bytes, the most that is read");
        assert_eq!(endless(0).to_string(), "a binary file: 8192 NULs, the first at byte 0");
    }

    #[test]
    fn a_gzip_file_cut_anywhere_is_an_error() {
        let whole = gz(b"some text that is packed");
        for length in 2..whole.len() {
            let error = read_text(&whole[..length]).unwrap_err();
            assert!(matches!(error.kind, SourceErrorKind::GzipCut), "cut to {length}");
            assert_eq!(error.to_string(), "`f`: its gzip data end too early");
        }
        let mut damaged = whole.clone();
        let middle = damaged.len() - 6; // its checksum
        damaged[middle] ^= 1;
        assert!(matches!(read_text(&damaged).unwrap_err().kind, SourceErrorKind::GzipDamaged(_)));
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
                let error = decode(start.as_bytes().chain(Unreadable(kind)), DocumentLimits::default()).unwrap_err();
                assert!(matches!(error, SourceErrorKind::Io(_)), "{start}");
                assert_eq!(error.to_string(), kind.to_string());
            }
        }
    }

    #[test]
    fn a_document_has_text() {
        for (text, code) in [("", "empty_document"), (" \r\n\u{feff}\u{a0}\u{2028}", "empty_document")] {
            let source = DocumentSource::Bytes { name: "f".into(), bytes: text.into() };
            assert_eq!(source.read(DocumentLimits::default()).unwrap_err().code(), code);
        }
    }
}

//! The formats, and by which bytes and names they are known.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A format that is read. Its `Display` is its name in options and JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Format {
    /// Text as it is.
    Text,
    /// Markdown, read as what it means.
    Markdown,
    /// HTML and XHTML.
    Html,
    /// PDF.
    Pdf,
    /// DOCX, the format of Word.
    Docx,
    /// ODT, the format of LibreOffice.
    Odt,
    /// EPUB.
    Epub,
}

impl Format {
    /// All of them.
    pub const ALL: [Self; 7] = [Self::Text, Self::Markdown, Self::Html, Self::Pdf, Self::Docx, Self::Odt, Self::Epub];

    /// Its name in options and JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Markdown => "markdown",
            Self::Html => "html",
            Self::Pdf => "pdf",
            Self::Docx => "docx",
            Self::Odt => "odt",
            Self::Epub => "epub",
        }
    }

    /// What messages call a file of it.
    pub(crate) fn with_article(self) -> &'static str {
        match self {
            Self::Text => "plain text",
            Self::Markdown => "a Markdown file",
            Self::Html => "an HTML page",
            Self::Pdf => "a PDF document",
            Self::Docx => "a DOCX document",
            Self::Odt => "an ODT document",
            Self::Epub => "an EPUB book",
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A format that is not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
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
pub(crate) const FORMATS: [(UnreadFormat, &[u8]); 13] = [
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

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

    /// The format that the extension of a name stands for; `.gz` at its end is passed over. `None` for plain text and
    /// unknown extensions.
    pub fn of_name(name: &str) -> Option<Self> {
        let name = name.to_ascii_lowercase();
        match name.strip_suffix(".gz").unwrap_or(&name).rsplit_once('.')?.1 {
            "md" | "markdown" | "mdown" | "mkd" => Some(Self::Markdown),
            "html" | "htm" | "xhtml" | "xht" => Some(Self::Html),
            "pdf" => Some(Self::Pdf),
            "docx" => Some(Self::Docx),
            "odt" | "fodt" => Some(Self::Odt),
            "epub" => Some(Self::Epub),
            _ => None,
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
    /// The older formats of office documents, such as DOC, XLS and PPT.
    OldOffice,
    /// RTF.
    Rtf,
    /// Slides: PPTX, ODP.
    Slides,
    /// A spreadsheet: XLSX, ODS.
    Spreadsheet,
    /// A drawing, a chart or another OpenDocument that is no text.
    Drawing,
    /// PostScript.
    PostScript,
    /// DjVu, pictures of pages.
    DjVu,
    /// A book for Kindle: MOBI, AZW.
    Kindle,
    /// A picture, such as JPEG, PNG and TIFF.
    Picture,
    /// Text in UTF-32.
    Utf32,
    /// A zip archive that is none of the documents that are packed in one.
    Zip,
    /// Packed with xz.
    Xz,
    /// Packed with bzip2.
    Bzip2,
    /// Packed with zstd.
    Zstd,
    /// A 7z archive.
    SevenZip,
    /// A RAR archive.
    Rar,
    /// A tar archive.
    Tar,
    /// Gzip within gzip.
    DoubleGzip,
    /// Bytes with control characters, which texts do not have.
    Binary,
}

impl UnreadFormat {
    /// Whether such a file is a document for people to read, which another program converts or unpacks to one that is read.
    pub fn is_document(self) -> bool {
        matches!(
            self,
            Self::OldOffice
                | Self::Rtf
                | Self::Slides
                | Self::Spreadsheet
                | Self::PostScript
                | Self::DjVu
                | Self::Kindle
                | Self::Utf32
        )
    }
}

/// With an article where there is one.
impl fmt::Display for UnreadFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::OldOffice => "an old office document (such as DOC)",
            Self::Rtf => "an RTF document",
            Self::Slides => "slides",
            Self::Spreadsheet => "a spreadsheet",
            Self::Drawing => "a drawing",
            Self::PostScript => "a PostScript document",
            Self::DjVu => "a DjVu document",
            Self::Kindle => "a Kindle book",
            Self::Picture => "a picture",
            Self::Utf32 => "UTF-32 text",
            Self::Zip => "a zip archive",
            Self::Xz => "packed with xz",
            Self::Bzip2 => "packed with bzip2",
            Self::Zstd => "packed with zstd",
            Self::SevenZip => "a 7z archive",
            Self::Rar => "a RAR archive",
            Self::Tar => "a tar archive",
            Self::DoubleGzip => "packed with gzip twice",
            Self::Binary => "a binary file",
        })
    }
}

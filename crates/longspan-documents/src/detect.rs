//! What format a file is of: its bytes say it first, its name second.

use std::io::{Cursor, Read};
use std::path::Path;

use memchr::memmem;
use zip::ZipArchive;

use crate::{Format, ReadError, UnreadFormat};

/// So many bytes tell whether a text is HTML, with comments before its first tag.
const START_BYTES: usize = 8192;

/// How the media types of OpenDocument begin.
const OPEN_DOCUMENT: &str = "application/vnd.oasis.opendocument.";

/// Unpacked bytes of a part that says what a zip container is, at most.
const PART_BYTES_MAX: u64 = 1 << 20;

/// How a PDF file begins, and the bytes among which that may stand behind others.
const PDF: &[u8] = b"%PDF-";
const PDF_START_BYTES: usize = 1024;

/// A kind of file that is known by its first bytes.
#[derive(Clone, Copy)]
enum Signature {
    Pdf,
    Zip,
    /// The container of old office documents, and of encrypted new ones.
    Ole,
    Unread(UnreadFormat),
}

/// Where the bytes are by which a file is known, and which. A longer one stands before its own start.
const SIGNATURES: [(usize, &[u8], Signature); 26] = {
    use Signature::{Ole, Pdf, Unread, Zip};
    use UnreadFormat::*;
    [
        (0, PDF, Pdf), // other bytes may precede it
        (0, b"\xef\xbb\xbf%PDF-", Pdf),
        (0, b"PK\x03\x04", Zip),
        (0, b"PK\x05\x06", Zip), // with no parts
        (0, b"\xd0\xcf\x11\xe0", Ole),
        (0, b"{\\rtf", Unread(Rtf)),
        (0, b"%!PS", Unread(PostScript)),
        (0, b"AT&TFORM", Unread(DjVu)),
        (60, b"BOOKMOBI", Unread(Kindle)),
        (0, b"\x89PNG\r\n", Unread(Picture)),
        (0, b"\xff\xd8\xff", Unread(Picture)), // JPEG
        (0, b"GIF87a", Unread(Picture)),
        (0, b"GIF89a", Unread(Picture)),
        (0, b"II*\0", Unread(Picture)), // TIFF
        (0, b"MM\0*", Unread(Picture)), // TIFF
        (8, b"WEBPVP8", Unread(Picture)),
        (0, b"\xff\xfe\0\0", Unread(Utf32)),
        (0, b"\0\0\xfe\xff", Unread(Utf32)),
        (0, b"\xfd7zXZ\0", Unread(Xz)),
        (0, b"BZh91AY&SY", Unread(Bzip2)),
        (0, b"\x28\xb5\x2f\xfd", Unread(Zstd)),
        (0, b"7z\xbc\xaf\x27\x1c", Unread(SevenZip)),
        (0, b"Rar!\x1a\x07", Unread(Rar)),
        (257, b"ustar\0", Unread(Tar)),
        (257, b"ustar  \0", Unread(Tar)),
        (0, b"\x1f\x8b", Unread(DoubleGzip)), // what is packed once was unpacked
    ]
};

/// By which first bytes a file is known, if they tell. In a file that is called a PDF document, other bytes may precede them.
fn signature(bytes: &[u8], name: Option<&str>) -> Option<Signature> {
    if bytes.trim_ascii_start().starts_with(PDF) || extension(name).as_deref() == Some("pdf") && has_pdf(bytes) {
        return Some(Signature::Pdf);
    }
    let found = SIGNATURES.iter().find(|(at, start, _)| bytes.get(*at..).is_some_and(|bytes| bytes.starts_with(start)));
    found.map(|&(_, _, signature)| signature)
}

/// Whether a PDF document begins near the start of a file, as readers of PDF allow.
fn has_pdf(bytes: &[u8]) -> bool {
    memmem::find(&bytes[..bytes.len().min(PDF_START_BYTES)], PDF).is_some()
}

/// Checks the first bytes of a text. They tell of other formats before the rest is read.
///
/// # Errors
/// When they are those of another format.
pub(crate) fn check_text(start: &[u8]) -> Result<(), ReadError> {
    match signature(start, None) {
        Some(Signature::Pdf) => Err(ReadError::NotOfFormat(Format::Text)),
        Some(Signature::Zip) => Err(ReadError::Format(UnreadFormat::Zip)),
        Some(Signature::Ole) => Err(ReadError::Format(UnreadFormat::OldOffice)),
        Some(Signature::Unread(format)) if !is_text(format) => Err(ReadError::Format(format)),
        _ => Ok(()),
    }
}

/// Whether the bytes of a file with such a start and name are packed, so that they are no text.
pub(crate) fn is_container(start: &[u8], name: Option<&str>) -> bool {
    matches!(signature(start, name), Some(Signature::Pdf | Signature::Zip | Signature::Ole))
}

/// The format of a file.
///
/// - `name`: that of the file, without `.gz` if it was packed
/// - `asked`: the format that it must be of
///
/// # Errors
/// When the bytes are not of a format that is read, or not of the one that was asked for.
pub(crate) fn format(bytes: &[u8], name: Option<&str>, asked: Option<Format>) -> Result<Format, ReadError> {
    use Format::{Docx, Epub, Html, Markdown, Odt, Pdf, Text};
    if asked == Some(Pdf) && has_pdf(bytes) {
        return Ok(Pdf);
    }
    let found = found(bytes, name);
    let Some(asked) = asked else { return found };
    match (asked, found) {
        (asked, Ok(found)) if asked == found => Ok(asked),
        (Text | Markdown | Html, Ok(Text | Markdown | Html)) => Ok(asked),
        (Text | Markdown | Html, Err(ReadError::Format(format))) if is_text(format) => Ok(asked),
        (Text | Markdown | Html, Ok(Odt) | Err(ReadError::Format(_))) if of_xml(bytes).is_some() => Ok(asked),
        // Its reader may know better.
        (Docx | Odt | Epub, Err(ReadError::Format(UnreadFormat::Zip))) => Ok(asked),
        (_, Err(error)) => Err(error),
        (asked, Ok(_)) => Err(ReadError::NotOfFormat(asked)),
    }
}

/// Whether files of a format that is not read are text to whoever asks for text.
fn is_text(format: UnreadFormat) -> bool {
    matches!(format, UnreadFormat::Rtf | UnreadFormat::PostScript)
}

/// The format that the bytes say, or else the name.
fn found(bytes: &[u8], name: Option<&str>) -> Result<Format, ReadError> {
    match signature(bytes, name) {
        Some(Signature::Pdf) => Ok(Format::Pdf),
        Some(Signature::Zip) => of_zip(bytes, name),
        Some(Signature::Ole) => Err(of_ole(bytes)),
        Some(Signature::Unread(format)) => Err(ReadError::Format(format)),
        None => of_xml(bytes).unwrap_or_else(|| Ok(of_text(bytes, name))),
    }
}

/// What a text is.
fn of_text(bytes: &[u8], name: Option<&str>) -> Format {
    match name.and_then(Format::of_name) {
        _ if is_html(bytes) => Format::Html,
        Some(format @ (Format::Markdown | Format::Html)) => format,
        _ => Format::Text,
    }
}

/// Whether a file with such a start and name is plain text, or of a format that is not read.
pub(crate) fn is_plain(start: &[u8], name: Option<&str>) -> bool {
    match signature(start, name) {
        Some(Signature::Unread(_)) => true,
        Some(Signature::Pdf | Signature::Zip | Signature::Ole) => false,
        None => match of_xml(start) {
            Some(format) => format.is_err(),
            None => of_text(start, name) == Format::Text,
        },
    }
}

/// The extension of a name, in lower case.
pub(crate) fn extension(name: Option<&str>) -> Option<String> {
    Some(Path::new(name?).extension()?.to_str()?.to_ascii_lowercase())
}

/// The first bytes of a text in lower case, from its first tag or word on: behind white space, comments and an XML
/// declaration.
fn first_tag(bytes: &[u8]) -> Vec<u8> {
    // Of UTF-16, without the NULs.
    let start = bytes.iter().take(START_BYTES).filter(|&&byte| byte != 0).map(u8::to_ascii_lowercase);
    let start: Vec<u8> = start.collect();
    let mut rest = start.as_slice();
    for mark in [&b"\xef\xbb\xbf"[..], b"\xff\xfe", b"\xfe\xff"] {
        rest = rest.strip_prefix(mark).unwrap_or(rest);
    }
    loop {
        rest = rest.trim_ascii_start();
        let end: &[u8] = match rest {
            [b'<', b'!', b'-', b'-', ..] => b"-->",
            _ if rest.starts_with(b"<?xml") || rest.starts_with(b"<?mso") => b"?>",
            _ => return rest.to_owned(),
        };
        let Some(at) = memmem::find(rest, end) else { return Vec::new() };
        rest = &rest[at + end.len()..];
    }
}

/// Whether a text begins with a tag.
fn begins_with(text: &[u8], tag: &[u8]) -> bool {
    let next = text.strip_prefix(tag).and_then(|rest| rest.first());
    next.is_some_and(|byte| *byte == b'>' || byte.is_ascii_whitespace())
}

/// Whether a text begins as HTML does: with its doctype or tag.
fn is_html(bytes: &[u8]) -> bool {
    let first = first_tag(bytes);
    begins_with(&first, b"<!doctype html") || begins_with(&first, b"<html")
}

/// What an office document is that is one file of XML.
fn of_xml(bytes: &[u8]) -> Option<Result<Format, ReadError>> {
    let first = first_tag(bytes);
    if begins_with(&first, b"<pkg:package") || begins_with(&first, b"<w:worddocument") {
        return Some(Err(ReadError::Format(UnreadFormat::OldOffice)));
    }
    let attributes = first.strip_prefix(b"<office:document").filter(|_| begins_with(&first, b"<office:document"))?;
    let kind = attributes.split(|byte| matches!(byte, b'"' | b'\'')).find_map(|value| {
        let value = str::from_utf8(value).ok()?;
        value.starts_with(OPEN_DOCUMENT).then_some(value)
    });
    Some(kind.map_or(Ok(Format::Odt), of_media_type))
}

/// What a zip container holds.
fn of_zip(bytes: &[u8], name: Option<&str>) -> Result<Format, ReadError> {
    let mut parts = match ZipArchive::new(Cursor::new(bytes)) {
        Ok(parts) => parts,
        Err(error) => {
            let formats = [("docx", Format::Docx), ("odt", Format::Odt), ("epub", Format::Epub)];
            let extension = extension(name);
            let format = formats.into_iter().find(|(name, _)| extension.as_deref() == Some(*name));
            return Err(match format {
                Some((_, format)) => ReadError::Damaged { format, what: error.to_string() },
                None => ReadError::Format(UnreadFormat::Zip),
            });
        }
    };
    let mut part = |name: &str| -> Option<String> {
        let mut bytes = Vec::new();
        parts.by_name(name).ok()?.take(PART_BYTES_MAX).read_to_end(&mut bytes).ok()?;
        Some(String::from_utf8_lossy(&bytes).into_owned())
    };
    let kind = part("mimetype").map(|kind| of_media_type(kind.trim()));
    if let Some(kind) = kind.filter(|kind| !matches!(kind, Err(ReadError::Format(UnreadFormat::Zip)))) {
        return kind;
    }
    if let Some(types) = part("[Content_Types].xml") {
        return of_content_types(&types);
    }
    match part("META-INF/container.xml") {
        Some(_) => Ok(Format::Epub), // without the part that should come first, or with a wrong one
        None => Err(ReadError::Format(UnreadFormat::Zip)),
    }
}

/// What an EPUB or OpenDocument file says that it is.
fn of_media_type(kind: &str) -> Result<Format, ReadError> {
    if kind == "application/epub+zip" {
        return Ok(Format::Epub);
    }
    let Some(kind) = kind.strip_prefix(OPEN_DOCUMENT) else {
        let is_office = kind.starts_with("application/vnd.sun.xml.");
        return Err(ReadError::Format(if is_office { UnreadFormat::OldOffice } else { UnreadFormat::Zip }));
    };
    Err(ReadError::Format(match kind.split('-').next() {
        Some("text") => return Ok(Format::Odt),
        Some("presentation") => UnreadFormat::Slides,
        Some("spreadsheet") => UnreadFormat::Spreadsheet,
        _ => UnreadFormat::Drawing,
    }))
}

/// What an Office Open XML file says that its main part is.
fn of_content_types(types: &str) -> Result<Format, ReadError> {
    // Such as `application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml`.
    let mut mains = types.split(['"', '\'']).filter(|kind| kind.ends_with("main+xml"));
    let known = |main: &str| match main {
        _ if main.contains("wordprocessingml") || main.contains("ms-word") => Some(Ok(Format::Docx)),
        _ if main.contains("presentationml") || main.contains("ms-powerpoint") => Some(Err(UnreadFormat::Slides)),
        _ if main.contains("spreadsheetml") || main.contains("ms-excel") => Some(Err(UnreadFormat::Spreadsheet)),
        _ => None,
    };
    mains.find_map(known).unwrap_or(Err(UnreadFormat::Zip)).map_err(ReadError::Format)
}

/// What a file in the container of old office documents is.
fn of_ole(bytes: &[u8]) -> ReadError {
    let name: Vec<u8> = "EncryptedPackage".encode_utf16().flat_map(u16::to_le_bytes).collect();
    match memmem::find(bytes, &name) {
        Some(_) => ReadError::Encrypted("office documents with a password are not read".into()),
        None => ReadError::Format(UnreadFormat::OldOffice),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use zip::ZipWriter;
    use zip::write::SimpleFileOptions;

    use super::*;

    /// A document in one file.
    const FLAT: &[u8] = b"<?xml version='1.0'?>\n<office:document xmlns:office='o'\n office:mimetype='application/vnd.oasis.opendocument.text'>";

    fn zipped(parts: &[(&str, &str)]) -> Vec<u8> {
        let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
        for (name, content) in parts {
            writer.start_file(*name, SimpleFileOptions::default()).unwrap();
            writer.write_all(content.as_bytes()).unwrap();
        }
        writer.finish().unwrap().into_inner()
    }

    /// The name of the format, or the error.
    fn said(bytes: &[u8], name: &str, asked: Option<Format>) -> String {
        format(bytes, Some(name), asked).map_or_else(|error| error.to_string(), |format| format.name().into())
    }

    #[test]
    fn bytes_tell_a_format_before_the_name_does() {
        for (bytes, name, format) in [
            (&b"%PDF-1.7 \x00"[..], "a.txt", "pdf"),
            (b"\n \x00%PDF-1.4", "a", "text"),
            (b"\r\n %PDF-1.4", "a", "pdf"),
            (b"HTTP/1.1 200 OK\r\n\r\n%PDF-1.4", "a.PDF", "pdf"),
            (b"It begins with %PDF-1.4", "a.txt", "text"),
            (b"<!DOCTYPE html><p>a", "a.txt", "html"),
            (b"\xef\xbb\xbf <?xml version='1.0'?>\n<!-- <b> -->\n<HTML lang=en>", "-", "html"),
            (b"\xff\xfe<\0h\0t\0m\0l\0>\0", "a", "html"),
            (b"<p>a", "a/b.HTM", "html"),
            (b"<p>a", "a.txt", "text"),
            (b"<htmlx>", "a", "text"),
            (b"<!-- never closed <html>", "a", "text"),
            (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "a.svg", "text"),
            (FLAT, "a.txt", "odt"),
            (
                b"<office:document office:mimetype='application/vnd.oasis.opendocument.spreadsheet'>",
                "a",
                "a spreadsheet, which is not read",
            ),
            (
                b"<?xml version='1.0'?><?mso-application progid='Word.Document'?><pkg:package>",
                "a.xml",
                "an old office document (such as DOC), which is not read",
            ),
            (b"<office:documents>", "a.xml", "text"),
            (b"# a", "READ.me.md", "markdown"),
            (b"# a", "md", "text"),
            (b"a,b", "a.csv", "text"),
            (b"{\\rtf1 a}", "a.txt", "an RTF document, which is not read"),
            (b"%!PS-Adobe-3.0", "a.txt", "a PostScript document, which is not read"),
            (b"\x89PNG\r\n\x1a\n", "scan.png", "a picture, which is not read"),
            (b"PK\x03\x04...", "a.zip", "a zip archive, which is not read"),
            (b"7z\xbc\xaf\x27\x1c", "a", "a 7z archive, which is not read"),
        ] {
            assert_eq!(said(bytes, name, None), format, "{name}");
        }
        let cut = said(b"PK\x03\x04...", "a.docx", None);
        assert!(cut.starts_with("a DOCX document that cannot be read: "), "{cut}");
    }

    #[test]
    fn zip_containers_are_told_apart() {
        let main =
            |kind: &str| format!("<Types><Override PartName='/a.xml' ContentType='application/{kind}.main+xml'/>");
        let office = "vnd.openxmlformats-officedocument";
        for (part, content, format) in [
            ("[Content_Types].xml", main(&format!("{office}.wordprocessingml.document")), "docx"),
            ("[Content_Types].xml", main("vnd.ms-word.document.macroEnabled"), "docx"),
            ("[Content_Types].xml", main(&format!("{office}.presentationml.slideshow")), "slides, which is not read"),
            ("[Content_Types].xml", main(&format!("{office}.spreadsheetml.sheet")), "a spreadsheet, which is not read"),
            ("[Content_Types].xml", String::new(), "a zip archive, which is not read"),
            ("mimetype", "application/epub+zip\n".into(), "epub"),
            ("mimetype", "application/vnd.oasis.opendocument.text".into(), "odt"),
            ("mimetype", "application/vnd.oasis.opendocument.text-template".into(), "odt"),
            ("mimetype", "application/vnd.oasis.opendocument.presentation".into(), "slides, which is not read"),
            ("mimetype", "application/vnd.oasis.opendocument.spreadsheet".into(), "a spreadsheet, which is not read"),
            ("mimetype", "application/vnd.oasis.opendocument.graphics".into(), "a drawing, which is not read"),
            ("mimetype", "text/plain".into(), "a zip archive, which is not read"),
            ("META-INF/container.xml", String::new(), "epub"),
            ("a.txt", "text".into(), "a zip archive, which is not read"),
        ] {
            assert_eq!(said(&zipped(&[("first", ""), (part, &content)]), "a", None), format, "{part}: {content}");
        }
    }

    #[test]
    fn a_format_that_is_asked_for_is_one_that_the_bytes_can_be() {
        use Format::*;
        let docx = zipped(&[("[Content_Types].xml", "<Override ContentType='x/wordprocessingml.document.main+xml'/>")]);
        for (bytes, asked, said_of) in [
            (&b"<!DOCTYPE html><p>a"[..], Text, "text"),
            (b"<!DOCTYPE html><p>a", Markdown, "markdown"),
            (b"plain", Html, "html"),
            (b"{\\rtf1 a}", Text, "text"),
            (b"plain", Pdf, "not a PDF document"),
            (b"printer noise\n%PDF-1.4", Pdf, "pdf"),
            (b"%PDF-1.4", Text, "not plain text"),
            (FLAT, Text, "text"),
            (FLAT, Odt, "odt"),
            (FLAT, Docx, "not a DOCX document"),
            (b"%PDF-1.4", Docx, "not a DOCX document"),
            (&docx, Docx, "docx"),
            (&docx, Odt, "not an ODT document"),
            (&docx, Html, "not an HTML page"),
            (&zipped(&[("content.xml", "")]), Odt, "odt"),
            (b"Rar!\x1a\x07\x00", Text, "a RAR archive, which is not read"),
        ] {
            assert_eq!(said(bytes, "a", Some(asked)), said_of, "{asked}: {}", bytes.escape_ascii());
        }
    }

    #[test]
    fn an_encrypted_office_document_is_named() {
        let ole = |name: &str| {
            let name = name.encode_utf16().flat_map(u16::to_le_bytes);
            [&b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"[..], &[0; 600], &name.collect::<Vec<_>>()].concat()
        };
        let encrypted = "encrypted: office documents with a password are not read";
        assert_eq!(said(&ole("EncryptedPackage"), "a.docx", None), encrypted);
        assert_eq!(
            said(&ole("WordDocument"), "a.doc", None),
            "an old office document (such as DOC), which is not read"
        );
    }
}

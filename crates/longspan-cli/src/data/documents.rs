//! Documents: files and standard input, made text.
//!
//! The text is the decoded file unchanged: a byte-order mark stays, CRLF stays. What is packed with gzip, by its first
//! bytes and not its name, is unpacked. Everything that is no UTF-8 text is an error that says what it is.

use std::fs::{self, File};
use std::io::{self, IsTerminal, Read, Write};
use std::path::Path;

use anyhow::Result;
use flate2::read::MultiGzDecoder;

use crate::terminal::hints::{fault, io_message};

/// The longest text that is read, unpacked: a small gzip file can hold a very long one.
pub const TEXT_BYTES_MAX: u64 = 1 << 30;

const GZIP: &[u8] = b"\x1f\x8b";

const PLAIN_ONLY: &str = "only plain text is read for now: save or export the document as UTF-8 text";
const RECODE: &str = "documents are UTF-8: convert it, for example with `iconv -f ISO-8859-1 -t UTF-8`";
const UNPACK: &str = "unpack it first: only gzip is unpacked here";

/// Files that are taken for text now and then: their first bytes, what they are, and what would help.
const FORMATS: [(&[u8], &str, &str); 11] = [
    (b"%PDF-", "a PDF document", PLAIN_ONLY),
    (b"PK\x03\x04", "a zip archive or an office document (such as DOCX, ODT or EPUB)", PLAIN_ONLY),
    (b"\xd0\xcf\x11\xe0", "an old office document (such as DOC)", PLAIN_ONLY),
    (b"{\\rtf", "an RTF document", PLAIN_ONLY),
    (b"\xff\xfe", "UTF-16 text", "documents are UTF-8: convert it with `iconv -f UTF-16 -t UTF-8`"),
    (b"\xfe\xff", "UTF-16 text", "documents are UTF-8: convert it with `iconv -f UTF-16 -t UTF-8`"),
    (b"\xfd7zXZ\0", "packed with xz", UNPACK),
    (b"BZh91AY&SY", "packed with bzip2", UNPACK),
    (b"\x28\xb5\x2f\xfd", "packed with zstd", UNPACK),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive", UNPACK),
    (GZIP, "packed with gzip twice", "unpack it once"),
];

/// Whether a path stands for standard input.
pub fn is_stdin(path: &Path) -> bool {
    path.as_os_str() == "-"
}

/// The name of a document in every output: its path as it was given, `-` for standard input.
pub fn name(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

/// The name of a file without its folders.
pub fn short(name: &str) -> String {
    Path::new(name).file_name().map_or_else(|| name.to_string(), |file| file.to_string_lossy().into_owned())
}

/// Reads a document, with text in it.
///
/// # Errors
/// When it cannot be read, is no UTF-8 text, or is empty.
pub fn read(path: &Path) -> Result<String> {
    let text = unpacked(path)?;
    if text.chars().all(|c| c.is_whitespace() || c == '\u{feff}') {
        let what = if text.is_empty() { "empty" } else { "empty but for white space" };
        return Err(fault(format!("`{}`: {what}", name(path)), "give a document with some text"));
    }
    Ok(text)
}

/// The text of a file or of standard input, unpacked, empty or not.
///
/// # Errors
/// When it cannot be read or is no UTF-8 text.
pub fn unpacked(path: &Path) -> Result<String> {
    if is_stdin(path) {
        let stdin = io::stdin();
        if stdin.is_terminal() {
            let _ = writeln!(io::stderr(), "reading the document from the terminal, Ctrl-D ends it");
        }
        return decode("-", stdin.lock(), TEXT_BYTES_MAX);
    }
    let name = name(path);
    let failed =
        |e: &io::Error| fault(format!("`{name}`: {}", io_message(e)), "check the path, and that you may read it");
    if fs::metadata(path).map_err(|e| failed(&e))?.is_dir() {
        return Err(fault(format!("`{name}`: a folder, not a file"), "give the files in it"));
    }
    decode(&name, File::open(path).map_err(|e| failed(&e))?, TEXT_BYTES_MAX)
}

/// Unpacks and decodes; `name` is for messages.
fn decode(name: &str, mut input: impl Read, bytes_max: u64) -> Result<String> {
    let mut start = Vec::new();
    let first = input.by_ref().take(GZIP.len() as u64).read_to_end(&mut start);
    first.map_err(|e| unreadable(name, &e))?;
    let packed = start == GZIP;
    let whole = start.as_slice().chain(input);
    let bytes =
        if packed { bounded(name, MultiGzDecoder::new(whole), bytes_max) } else { bounded(name, whole, bytes_max) };
    text(name, bytes?, if packed { " of the unpacked text" } else { "" })
}

fn bounded(name: &str, input: impl Read, bytes_max: u64) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    // One byte more than is allowed tells a text that is too long from one that just fits.
    input.take(bytes_max + 1).read_to_end(&mut bytes).map_err(|e| unreadable(name, &e))?;
    if bytes.len() as u64 > bytes_max {
        let message = format!("`{name}`: longer than {bytes_max} bytes, the most that is read");
        return Err(fault(message, "split the document into parts, and give them all"));
    }
    Ok(bytes)
}

fn unreadable(name: &str, error: &io::Error) -> anyhow::Error {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => {
            let hint = "the file is cut off, or has other bytes behind its data: copy or download it again";
            fault(format!("`{name}`: its gzip data end too early"), hint)
        }
        io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData => {
            fault(format!("`{name}`: its gzip data are damaged: {error}"), "copy or download it again")
        }
        _ => fault(format!("`{name}`: {}", io_message(error)), "check the file, and that you may read it"),
    }
}

/// Checks that bytes are text; `of` says what their offsets count in.
fn text(name: &str, bytes: Vec<u8>, of: &str) -> Result<String> {
    if let Some((_, what, hint)) = FORMATS.iter().find(|(start, ..)| bytes.starts_with(start)) {
        return Err(fault(format!("`{name}`: {what}, not plain text"), hint));
    }
    if let Some(offset) = bytes.iter().position(|&byte| byte == 0) {
        return Err(fault(format!("`{name}`: a binary file: NUL at byte {offset}{of}"), PLAIN_ONLY));
    }
    String::from_utf8(bytes).map_err(|e| {
        let offset = e.utf8_error().valid_up_to();
        fault(format!("`{name}`: invalid UTF-8 at byte {offset}{of}"), RECODE)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::Compression;
    use flate2::write::GzEncoder;

    fn gz(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn decoded(bytes: &[u8]) -> Result<String, String> {
        decode("f", bytes, 1000).map_err(|e| e.to_string())
    }

    #[test]
    fn text_is_taken_as_it_is() {
        for text in ["", "a", "\u{feff}a\r\nb\r", "e\u{301} 👩‍👩‍👧 \u{a0}\u{200b} </s>", "\x1b[31m\x0c"] {
            assert_eq!(decoded(text.as_bytes()).as_deref(), Ok(text));
            assert_eq!(decoded(&gz(text.as_bytes())).as_deref(), Ok(text));
        }
        let two = [gz(b"one "), gz(b"two")].concat();
        assert_eq!(decoded(&two).as_deref(), Ok("one two"));
    }

    #[test]
    fn what_is_no_text_is_said() {
        let check = |bytes: &[u8], said: &str| {
            let error = decoded(bytes).unwrap_err();
            assert_eq!(error, said);
        };
        check(b"%PDF-1.7 \x00", "`f`: a PDF document, not plain text");
        check(b"PK\x03\x04...", "`f`: a zip archive or an office document (such as DOCX, ODT or EPUB), not plain text");
        check(b"\xff\xfea\0", "`f`: UTF-16 text, not plain text");
        check(b"abc\0def", "`f`: a binary file: NUL at byte 3");
        check("ab\u{e9}".as_bytes().split_last().unwrap().1, "`f`: invalid UTF-8 at byte 2");
        check(&gz(b"ok \xe9t\xe9"), "`f`: invalid UTF-8 at byte 3 of the unpacked text");
        check(&gz(&gz(b"text")), "`f`: packed with gzip twice, not plain text");
        check(&[b'a'; 1001], "`f`: longer than 1000 bytes, the most that is read");
        check(&gz(&[b'a'; 100_000]), "`f`: longer than 1000 bytes, the most that is read");
    }

    #[test]
    fn a_gzip_file_cut_anywhere_is_an_error() {
        let whole = gz(b"some text that is packed");
        for length in 2..whole.len() {
            let error = decoded(&whole[..length]).unwrap_err();
            assert_eq!(error, "`f`: its gzip data end too early", "cut to {length}");
        }
        let mut damaged = whole.clone();
        let middle = damaged.len() - 6; // its checksum
        damaged[middle] ^= 1;
        assert!(decoded(&damaged).unwrap_err().contains("damaged"));
    }
}

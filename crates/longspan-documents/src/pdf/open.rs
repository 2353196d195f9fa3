//! Opening a file: its encryption, whether it is damaged, and how much its streams unpack to.
//!
//! Hayro unpacks each stream as a whole and keeps no budget, so that streams are weighed first: those that hold the objects of
//! the file before it is opened, the others before a page is interpreted. Weighing unpacks them piece by piece. Pictures are
//! never unpacked. Weighed are streams that are packed with Flate, once or several times, as nearly all are.

use std::io::Read;

use flate2::read::ZlibDecoder;
use hayro_interpret::hayro_syntax::object::{Name, Object, Stream};
use hayro_interpret::hayro_syntax::{DecryptionError, Filter, LoadPdfError, Pdf};

use super::budget::Budget;
use crate::{Format, Limits, ReadError};

/// The table of objects is announced in so many bytes at the end of a file.
const END_BYTES: usize = 2048;
/// Bytes that are unpacked at once.
const BUFFER_BYTES: usize = 1 << 16;
/// Layers of packing that are weighed.
const LAYERS_MAX: usize = 8;

/// Opens a file, and says what is damaged.
pub(super) fn open(
    bytes: Vec<u8>,
    password: Option<&str>,
    limits: &Limits,
    budget: &Budget<'_>,
) -> Result<(Pdf, Option<&'static str>), ReadError> {
    let mut scales = Scales { left: limits.unpacked_bytes_max, buffer: vec![0; BUFFER_BYTES], limits, budget };
    for data in object_streams(&bytes) {
        scales.weigh(data, 1)?;
    }
    let damage = damage(&bytes);
    let damaged = |what: &str| ReadError::Damaged { format: Format::Pdf, what: what.into() };
    let pdf = Pdf::new_with_password(bytes, password.unwrap_or_default()).map_err(|error| match error {
        LoadPdfError::Decryption(DecryptionError::PasswordProtected) => match password {
            None => ReadError::PasswordRequired,
            Some(_) => ReadError::PasswordWrong,
        },
        LoadPdfError::Decryption(DecryptionError::UnsupportedAlgorithm) => {
            ReadError::Encrypted("in a way that is not read, such as with a certificate or DRM".into())
        }
        LoadPdfError::Decryption(_) => damaged("what it says of its encryption is damaged"),
        LoadPdfError::Invalid => damaged("no page is found in it"),
    })?;
    for object in pdf.objects() {
        budget.look();
        if let Object::Stream(stream) = object
            && let Some(layers) = layers(&stream)
        {
            scales.weigh(&stream.raw_data(), layers)?;
        }
    }
    Ok((pdf, damage))
}

/// How often a stream is packed with Flate, if it is weighed.
fn layers(stream: &Stream<'_>) -> Option<usize> {
    let name = |key: &[u8]| stream.dict().get::<Name<'_>>(key);
    let is = |key: &[u8], value: &[u8]| name(key).is_some_and(|name| &*name == value);
    if is(b"Subtype", b"Image") || is(b"Type", b"ObjStm") || is(b"Type", b"XRef") {
        return None;
    }
    let filters = stream.filters();
    let packed = filters.iter().filter(|&&filter| filter == Filter::FlateDecode).count();
    (packed > 0 && filters.iter().all(|&filter| matches!(filter, Filter::FlateDecode | Filter::Crypt)))
        .then_some(packed)
}

/// What streams may still unpack to.
struct Scales<'a> {
    left: u64,
    buffer: Vec<u8>,
    limits: &'a Limits,
    budget: &'a Budget<'a>,
}

impl Scales<'_> {
    fn weigh(&mut self, data: &[u8], layers: usize) -> Result<(), ReadError> {
        // A layer is weighed with all around it, since each may be the largest.
        for layers in 1..=layers.min(LAYERS_MAX) {
            let mut reader: Box<dyn Read + '_> = Box::new(data);
            for _ in 0..layers {
                reader = Box::new(ZlibDecoder::new(reader));
            }
            // What is damaged unpacks up to the damage.
            while let Ok(count @ 1..) = reader.read(&mut self.buffer) {
                self.budget.look();
                self.left = self.left.checked_sub(count as u64).ok_or(ReadError::TooMany {
                    what: "unpacked bytes".into(),
                    limit: self.limits.unpacked_bytes_max,
                })?;
            }
        }
        Ok(())
    }
}

/// The data of streams that hold objects or the table of objects, found by the words before them.
fn object_streams(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    let after = move |at: usize| {
        let head = &bytes[at..bytes.len().min(at + END_BYTES)];
        let start = at + find(head, b"stream")? + b"stream".len();
        let data = &bytes[start..];
        let data = data.strip_prefix(b"\r\n").or_else(|| data.strip_prefix(b"\n")).unwrap_or(data);
        Some(data)
    };
    let places = |word: &'static [u8]| memchr::memmem::find_iter(bytes, word);
    places(b"/ObjStm").chain(places(b"/XRef")).filter_map(after)
}

/// What is wrong with a file whose table of objects is not where it should be.
fn damage(bytes: &[u8]) -> Option<&'static str> {
    let end = &bytes[bytes.len().saturating_sub(END_BYTES)..];
    let Some(word) = memchr::memmem::rfind(end, b"startxref") else {
        return Some("it ends without its table of objects");
    };
    let offset = end[word + b"startxref".len()..].trim_ascii_start();
    let digits = offset.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let offset = std::str::from_utf8(&offset[..digits]).ok().and_then(|digits| digits.parse::<usize>().ok());
    let header = find(&bytes[..bytes.len().min(END_BYTES)], b"%PDF-").unwrap_or(0);
    let is_table = |offset: usize| {
        let table = bytes.get(offset..).unwrap_or_default().trim_ascii_start();
        let is_stream =
            || table.first().is_some_and(u8::is_ascii_digit) && find(&table[..table.len().min(40)], b"obj").is_some();
        table.starts_with(b"xref") || is_stream()
    };
    let is_found = offset.is_some_and(|offset| is_table(offset) || is_table(offset.saturating_add(header)));
    (!is_found).then_some("its table of objects is not where it says")
}

fn find(bytes: &[u8], word: &[u8]) -> Option<usize> {
    memchr::memmem::find(bytes, word)
}

//! The streams of a file as its bytes show them, before any object is read.
//!
//! Pictures are taken out: text needs none, and what is gone cannot be unpacked, whoever refers to it.

use hayro_interpret::hayro_syntax::object::ObjectIdentifier;
use memchr::memmem;

const WORD: &[u8] = b"stream";

/// A stream.
#[derive(Debug)]
pub(super) struct RawStream {
    /// The number of its object, if it stands there.
    pub id: Option<ObjectIdentifier>,
    /// Where the word `stream` before its data ends, and where the last word `stream` before that did: its dictionary is
    /// between them.
    pub head: std::ops::Range<usize>,
    /// Where its data begin.
    pub start: usize,
    /// Whether it was a picture.
    pub is_picture: bool,
}

/// Fills the data of pictures with zeros. Returns the streams in the order of the file.
pub(super) fn take_pictures_out(bytes: &mut [u8]) -> Vec<RawStream> {
    let mut streams = Vec::new();
    let mut pictures = Vec::new();
    let mut picture = None;
    let mut last = 0;
    for at in memmem::find_iter(bytes, WORD) {
        let end = at + WORD.len();
        let head = last..end;
        last = end;
        if bytes[..at].ends_with(b"end") {
            pictures.extend(picture.take().map(|start| start..at - b"end".len()));
            continue;
        }
        let start = match bytes[end..] {
            [b'\r', b'\n', ..] => end + 2,
            [b'\r' | b'\n', ..] => end + 1,
            _ => continue,
        };
        if picture.is_some() {
            continue; // data of a picture that look like a word
        }
        let object = memmem::rfind(&bytes[head.clone()], b"obj").map_or(head.start, |object| head.start + object);
        let is_picture = is_picture(&bytes[object..at]);
        picture = is_picture.then_some(start);
        streams.push(RawStream { id: id_before(&bytes[..object]), head, start, is_picture });
    }
    pictures.extend(picture.map(|start| start..bytes.len()));
    pictures.into_iter().for_each(|picture| bytes[picture].fill(0));
    streams
}

/// Whether the dictionary of a stream says that it is a picture.
fn is_picture(dictionary: &[u8]) -> bool {
    const KEY: &[u8] = b"/Subtype";
    memmem::find_iter(dictionary, KEY).any(|at| {
        let value = dictionary[at + KEY.len()..].trim_ascii_start();
        let end = value.strip_prefix(b"/Image").map(|rest| rest.first().copied());
        end.is_some_and(|end| end.is_none_or(|byte| !byte.is_ascii_alphanumeric() && byte != b'#'))
    })
}

/// The numbers at the end of bytes, before the word `obj`.
fn id_before(bytes: &[u8]) -> Option<ObjectIdentifier> {
    let (bytes, generation) = number_before(bytes)?;
    let (_, number) = number_before(bytes)?;
    Some(ObjectIdentifier::new(number, i32::try_from(generation).ok()?))
}

/// The number at the end of bytes, and what is before it.
fn number_before(bytes: &[u8]) -> Option<(&[u8], u32)> {
    let bytes = bytes.trim_ascii_end();
    let digits = bytes.iter().rev().take_while(|byte| byte.is_ascii_digit()).count();
    let (before, digits) = bytes.split_at(bytes.len() - digits);
    Some((before, std::str::from_utf8(digits).ok()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_are_taken_out() {
        let mut bytes =
            b"1 0 obj << /Type /X >> stream\r\nabc\nendstream endobj 2 0 obj << /Subtype/Image >>\nstream\n\
                          a stream\nb\nendstream 3 0 obj << /Subtype /Image#20 /A /Subtype >> stream\nabc endstream \
                          30 2\nobj<</Subtype /Form>>stream\n"
                .to_vec();
        let streams = take_pictures_out(&mut bytes);
        let others = streams.iter().filter(|stream| !stream.is_picture);
        let ids: Vec<_> = others.map(|stream| stream.id.map(|id| (id.obj_number, id.gen_number))).collect();
        assert_eq!(ids, [Some((1, 0)), Some((3, 0)), Some((30, 2))]);
        assert!(streams.iter().all(|stream| stream.head.contains(&(stream.start - 8))));
        assert!(memmem::find(&bytes, b"stream\n\0\0\0\0\0\0\0\0\0\0\0endstream").is_some());
        assert_eq!(bytes.iter().filter(|&&byte| byte == 0).count(), 11);
    }
}

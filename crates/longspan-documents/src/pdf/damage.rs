//! What is wrong with a file that its reader repairs in silence.

use hayro_interpret::hayro_syntax::Pdf;
use hayro_interpret::hayro_syntax::object::{Dict, MaybeRef, Number, Object, Stream};
use hayro_interpret::hayro_syntax::page::Page;
use memchr::memmem;

/// The table of objects is announced in so many bytes at the end of a file.
const END_BYTES: usize = 2048;
/// An entry of a table of objects has so many bytes.
const ENTRY_BYTES: usize = 20;

/// What is wrong with the table of objects of a file.
pub(super) fn of_table(bytes: &[u8]) -> Option<&'static str> {
    let end = &bytes[bytes.len().saturating_sub(END_BYTES)..];
    let Some(word) = memmem::rfind(end, b"startxref") else {
        return Some("it ends without its table of objects");
    };
    let place = number(&end[word + b"startxref".len()..]).map(|(place, _)| place);
    let table = place.and_then(|place| bytes.get(place..)).map(<[u8]>::trim_ascii_start);
    let Some(table) = table.filter(|table| is_table(table)) else {
        return Some("its table of objects is not where it says");
    };
    (!are_entries_right(bytes, table)).then_some("some objects are not where its table of objects says")
}

/// Whether a table of objects begins here, or a stream that holds one.
fn is_table(bytes: &[u8]) -> bool {
    let is_stream = || {
        bytes.first().is_some_and(u8::is_ascii_digit) && memmem::find(&bytes[..bytes.len().min(40)], b"obj").is_some()
    };
    bytes.starts_with(b"xref") || is_stream()
}

/// Whether the objects of a table are where it says. Those of a stream are not looked at, nor those of a table of another
/// form than the one that is read.
fn are_entries_right(bytes: &[u8], table: &[u8]) -> bool {
    let mut rest = table.strip_prefix(b"xref").unwrap_or_default();
    while let Some((first, after)) = number(rest)
        && let Some((count, after)) = number(after)
    {
        rest = after.trim_ascii_start();
        for object in (first..).take(count) {
            let Some((entry, after)) = rest.split_at_checked(ENTRY_BYTES) else { return true };
            rest = after;
            let Some((place, _)) = number(&entry[..10]) else { return true };
            // A place of 0 is written for objects that are none.
            if entry[17] == b'n' && place > 0 && !is_object(bytes.get(place..), object) {
                return false;
            }
        }
    }
    true
}

/// Whether an object of a number begins here.
fn is_object(bytes: Option<&[u8]>, object: usize) -> bool {
    let Some((found, rest)) = bytes.and_then(number) else { return false };
    let Some((_, rest)) = number(rest) else { return false };
    found == object && rest.trim_ascii_start().starts_with(b"obj")
}

/// The number with which bytes begin, behind white space, and what follows it.
fn number(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let bytes = bytes.trim_ascii_start();
    let (digits, rest) = bytes.split_at(bytes.iter().take_while(|byte| byte.is_ascii_digit()).count());
    Some((std::str::from_utf8(digits).ok()?.parse().ok()?, rest))
}

/// What of its pages a file lacks.
pub(super) fn of_pages(pdf: &Pdf) -> Vec<String> {
    let found = pdf.pages().len();
    let catalog = pdf.xref().get::<Dict<'_>>(pdf.xref().root_id());
    let tree = catalog.and_then(|catalog| catalog.get::<Dict<'_>>(b"Pages"));
    let stated = tree.and_then(|tree| tree.get::<Number>(b"Count")).map_or(0, |count| count.as_i64());
    let stated = usize::try_from(stated).unwrap_or(0);
    let mut lacks = Vec::new();
    if stated > found {
        lacks.push(match stated - found {
            1 => format!("one of its {stated} pages is missing"),
            lost => format!("{lost} of its {stated} pages are missing"),
        });
    }
    let empty = pdf.pages().iter().filter(|page| contents(pdf, page).any(|part| part.is_none())).count();
    if empty > 0 {
        let pages = if empty == 1 { "one".into() } else { empty.to_string() };
        lacks.push(format!("content of {pages} of its pages is missing"));
    }
    lacks
}

/// The streams of the content of a page; none for one that is not there.
pub(super) fn contents<'a>(pdf: &'a Pdf, page: &Page<'a>) -> impl Iterator<Item = Option<Stream<'a>>> {
    let (one, parts) = match page.raw().get::<Object<'_>>(b"Contents") {
        None if page.raw().contains_key(b"Contents") => (Some(None), None),
        Some(Object::Stream(stream)) => (Some(Some(stream)), None),
        Some(Object::Array(parts)) => (None, Some(parts)),
        _ => (None, None),
    };
    let part = move |part: MaybeRef<Object<'a>>| match part {
        MaybeRef::Ref(id) => pdf.xref().get(id.into()),
        MaybeRef::NotRef(part) => part.into_stream(),
    };
    one.into_iter().chain(parts.into_iter().flat_map(|parts| parts.raw_iter()).map(part))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_compared_with_its_objects() {
        let check = |file: &str, damage: Option<&str>| assert_eq!(of_table(file.as_bytes()), damage, "{file}");
        let file = |place: &str, entry: &str| {
            format!(
                "%PDF-1.4\n1 0 obj\n<<>>\nendobj\nxref\n0 2\n0000000000 65535 f \n{entry}trailer\n<<>>\nstartxref\n{place}\n"
            )
        };
        check(&file("29", "0000000009 00000 n \n"), None);
        check(&file("29", "0000000010 00000 n \n"), Some("some objects are not where its table of objects says"));
        check(&file("29", "9999999999 00000 n \n"), Some("some objects are not where its table of objects says"));
        check(&file("29", "0000000010 00000 f \n"), None);
        check(&file("29", "0000000000 00000 n \n"), None);
        check(&file("29", "not an entry"), None);
        check(&file("31", "0000000009 00000 n \n"), Some("its table of objects is not where it says"));
        check(&file("9", ""), None); // a stream
        check("%PDF-1.4", Some("it ends without its table of objects"));
    }
}

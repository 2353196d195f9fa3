//! The texts and the tags of HTML within Markdown.
//!
//! Each byte is looked at a few times at most, whatever the HTML is: what is searched for in vain is not searched for again.

use std::ops::Range;

use pulldown_cmark::{Event, Parser};

/// The longest entity, in bytes: `&CounterClockwiseContourIntegral;`.
const ENTITY_BYTES_MAX: usize = 33;

/// A piece of HTML.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum HtmlPiece<'a> {
    /// Text as it stands.
    Text,
    /// The characters of an entity.
    Entity(String),
    /// A tag that opens an element, by its name in lower case.
    Open(&'a str),
    /// A tag that closes one.
    Close(&'a str),
}

/// Calls `found` with the pieces of HTML and their bytes, in their order. Comments that end have none: no reader sees them.
pub(crate) fn each_piece(html: &str, found: &mut dyn FnMut(HtmlPiece<'_>, Range<usize>)) {
    let lower = html.to_ascii_lowercase();
    let mut ends = TagEnds { html, last: html.rfind('>'), heeds_marks: true };
    let mut may_have_comments = true;
    let mut at = 0;
    while at < html.len() {
        if may_have_comments && html[at..].starts_with("<!--") {
            if let Some(length) = html[at..].find("-->") {
                at += length + 3;
                continue;
            }
            may_have_comments = false;
        }
        if let Some(end) = ends.behind(at) {
            let inner = lower[at + 1..end].trim_start_matches('/');
            let name = &inner[..inner.bytes().take_while(u8::is_ascii_alphanumeric).count()];
            let is_close = lower[at + 1..].starts_with('/');
            found(if is_close { HtmlPiece::Close(name) } else { HtmlPiece::Open(name) }, at..end);
            at = end;
        } else if let Some((characters, length)) = entity(&html[at..]) {
            found(HtmlPiece::Entity(characters), at..at + length);
            at += length;
        } else {
            let first = html[at..].chars().next().map_or(1, char::len_utf8);
            let end = html[at + first..].find(['<', '&']).map_or(html.len(), |length| at + first + length);
            found(HtmlPiece::Text, at..end);
            at = end;
        }
    }
}

/// Whether an element begins and ends on lines of its own.
pub(crate) fn is_block_element(name: &str) -> bool {
    const BLOCKS: &str = "address article aside blockquote body br caption center dd details dialog dir div dl dt \
        fieldset figcaption figure footer form h1 h2 h3 h4 h5 h6 head header hgroup hr html legend li listing main menu nav ol \
        optgroup option p plaintext pre search section summary table tbody td textarea tfoot th thead title tr ul xmp";
    BLOCKS.split(' ').any(|block| block == name)
}

/// Where tags end.
struct TagEnds<'a> {
    html: &'a str,
    /// The last `>`.
    last: Option<usize>,
    /// Whether a `>` between the marks of an attribute ends no tag. It does once marks leave a tag without an end.
    heeds_marks: bool,
}

impl TagEnds<'_> {
    /// The byte behind the tag that begins at a byte.
    fn behind(&mut self, at: usize) -> Option<usize> {
        let mut rest = self.html[at..].strip_prefix('<')?.bytes();
        let begins = |byte: u8| byte.is_ascii_alphabetic() || matches!(byte, b'!' | b'?');
        let is_tag = match rest.next()? {
            b'/' => rest.next().is_some_and(|byte| byte.is_ascii_alphabetic()),
            byte => begins(byte),
        };
        if !is_tag || self.last.is_none_or(|last| last < at) {
            return None;
        }
        if self.heeds_marks {
            let mut mark = None;
            for (index, byte) in (at..).zip(self.html[at..].bytes()) {
                match (mark, byte) {
                    (None, b'>') => return Some(index + 1),
                    (None, b'"' | b'\'') => mark = Some(byte),
                    (Some(open), _) if open == byte => mark = None,
                    _ => {}
                }
            }
            self.heeds_marks = false;
        }
        self.html[at..].find('>').map(|length| at + length + 1)
    }
}

/// The characters of the entity with which a text begins, and its length.
fn entity(text: &str) -> Option<(String, usize)> {
    if !text.starts_with('&') {
        return None;
    }
    let length = text.bytes().take(ENTITY_BYTES_MAX).position(|byte| byte == b';')? + 1;
    let source = text.get(..length)?;
    if !source[1..length - 1].bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'#') {
        return None;
    }
    let text_of = |event| match event {
        Event::Text(piece) => Some(piece.into_string()),
        _ => None,
    };
    let characters: String = Parser::new(source).filter_map(text_of).collect();
    (characters != source).then_some((characters, length))
}

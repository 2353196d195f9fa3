//! The text of a document, and the map from its bytes to characters, UTF-16 units and lines.

use std::ops::Range;
use std::sync::Arc;

/// Bytes of the text between two entries of the map: a lookup scans fewer than this.
const STEP_BYTES: usize = 512;

/// A document as text, with a map from places in the text to places that people and programs count in. A clone shares
/// both.
///
/// ```
/// use longspan_ask::Content;
///
/// let content = Content::plain("🚰 It ran\nin 1911.");
/// let place = content.place(15..19);
/// assert_eq!(&content.text()[place.bytes], "1911");
/// assert_eq!((place.characters, place.utf16, place.line), (12..16, 13..17, 2));
/// ```
#[derive(Debug, Clone)]
pub struct Content {
    text: Arc<str>,
    /// What precedes byte 0, [`STEP_BYTES`], 2·[`STEP_BYTES`], …
    map: Arc<[Counts]>,
}

/// The place of a span in a document.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Place {
    /// In bytes of the text.
    pub bytes: Range<usize>,
    /// In Unicode scalar values, as Python counts.
    pub characters: Range<usize>,
    /// In UTF-16 code units, as JavaScript and Java count.
    pub utf16: Range<usize>,
    /// Line of the first character, from 1: the line feeds before it, plus one. A lone carriage return ends no line.
    pub line: usize,
}

/// What precedes a byte of the text.
#[derive(Debug, Clone, Copy, Default)]
struct Counts {
    characters: usize,
    utf16: usize,
    line_feeds: usize,
}

impl Counts {
    /// The counts after some more bytes of UTF-8, which may begin and end within a character.
    fn after(mut self, bytes: &[u8]) -> Self {
        // A character counts at its first byte, which is no continuation byte; four bytes of UTF-8 are two units of UTF-16.
        let characters = bytes.iter().filter(|&byte| byte & 0xc0 != 0x80).count();
        self.characters += characters;
        self.utf16 += characters + bytes.iter().filter(|&&byte| byte >= 0xf0).count();
        self.line_feeds += bytes.iter().filter(|&&byte| byte == b'\n').count();
        self
    }
}

impl Content {
    /// The content of a plain text, which stays as it is: byte-order mark, line ends and all. One pass over the text makes
    /// the map, a twentieth of its size.
    pub fn plain(text: impl Into<Arc<str>>) -> Self {
        let text = text.into();
        let mut counts = Counts::default();
        let before = |step: &[u8]| {
            let after = counts.after(step);
            std::mem::replace(&mut counts, after)
        };
        let map = text.as_bytes().chunks(STEP_BYTES).map(before).collect();
        Self { text, map }
    }

    /// The text.
    pub fn text(&self) -> &Arc<str> {
        &self.text
    }

    /// The place of `text[bytes]`, in a time that does not depend on the length of the text before it.
    ///
    /// # Panics
    /// If the bytes are not a range of whole characters of the text.
    pub fn place(&self, bytes: Range<usize>) -> Place {
        assert!(self.text.get(bytes.clone()).is_some(), "{bytes:?}: not characters of a text of {}", self.text.len());
        let (start, end) = (self.before(bytes.start), self.before(bytes.end));
        Place {
            bytes,
            characters: start.characters..end.characters,
            utf16: start.utf16..end.utf16,
            line: start.line_feeds + 1,
        }
    }

    fn before(&self, byte: usize) -> Counts {
        // The end of the text may lie one step behind the map.
        let step = (byte / STEP_BYTES).min(self.map.len().saturating_sub(1));
        let counts = self.map.get(step).copied().unwrap_or_default();
        counts.after(&self.text.as_bytes()[step * STEP_BYTES..byte])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The place of a span by its definition.
    fn counted(text: &str, bytes: Range<usize>) -> Place {
        let characters = |to: usize| text[..to].chars().count();
        let utf16 = |to: usize| text[..to].encode_utf16().count();
        Place {
            characters: characters(bytes.start)..characters(bytes.end),
            utf16: utf16(bytes.start)..utf16(bytes.end),
            line: 1 + text[..bytes.start].matches('\n').count(),
            bytes,
        }
    }

    fn bounds(text: &str) -> Vec<usize> {
        text.char_indices().map(|(at, _)| at).chain([text.len()]).collect()
    }

    #[test]
    fn every_span_of_a_nasty_text_has_its_place() {
        let text = "\u{feff}a\r\nbé e\u{301}\r c\n\n👩‍👩‍👧\u{a0}\u{200b}漢字\u{2028}x\n";
        let (content, bounds) = (Content::plain(text), bounds(text));
        for &start in &bounds {
            for &end in bounds.iter().filter(|&&end| end >= start) {
                assert_eq!(content.place(start..end), counted(text, start..end));
            }
        }
        assert_eq!(Content::plain("").place(0..0), counted("", 0..0));
    }

    proptest! {
        #[test]
        fn places_are_those_of_the_definition(
            parts in prop::collection::vec("(\\PC|[\u{0}-\u{20}é漢🚰]){0,80}", 0..40),
            at in any::<prop::sample::Index>(),
            length in 0usize..2000,
        ) {
            let text = parts.concat();
            let content = Content::plain(text.as_str());
            prop_assert_eq!(content.text().as_ref(), text.as_str());
            let bounds = bounds(&text);
            let first = at.index(bounds.len());
            let bytes = bounds[first]..bounds[(first + length).min(bounds.len() - 1)];
            prop_assert_eq!(content.place(bytes.clone()), counted(&text, bytes));
        }

        #[test]
        fn the_map_is_sorted_and_its_size_bounded(text in "(\\PC|\n){0,3000}") {
            let content = Content::plain(text.as_str());
            prop_assert_eq!(content.map.len(), text.len().div_ceil(STEP_BYTES));
            for pair in content.map.windows(2) {
                let ([a, b], characters) = ([pair[0], pair[1]], STEP_BYTES.div_ceil(4));
                prop_assert!(a.characters + characters <= b.characters + 1 && b.characters <= a.characters + STEP_BYTES);
                prop_assert!(a.utf16 <= b.utf16 && a.line_feeds <= b.line_feeds);
            }
        }
    }
}

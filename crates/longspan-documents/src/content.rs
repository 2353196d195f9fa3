//! The text of a document, and the map from its bytes to characters, UTF-16 units, lines, pages, headings and the file.

use std::ops::Range;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::line::line;
use crate::map::{Block, BlockKind, Page, PageBox, Run, TextDirection, Word};
use crate::note_mark::raised_marks;
use crate::{Format, Warning};

/// Bytes of the text between two entries of the map: a lookup scans fewer than this.
const STEP_BYTES: usize = 512;

/// Characters of a heading that a place has.
const HEADING_CHARACTERS_MAX: usize = 300;

/// A document as text, with a map from places in the text to places that people and programs count in. A clone shares
/// both.
///
/// ```
/// use longspan_documents::Content;
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
    counts: Arc<[Counts]>,
    /// In the order of the text.
    headings: Arc<[HeadingEntry]>,
    parts: Arc<Parts>,
}

/// What a format says of its text beyond the text.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Parts {
    pub format: Format,
    pub title: Option<String>,
    pub language: Option<String>,
    pub warnings: Vec<Warning>,
    /// None where the format has no pages.
    pub pages: Vec<Page>,
    /// None in plain text.
    pub blocks: Vec<Block>,
    /// PDF alone.
    pub words: Vec<Word>,
    /// Markup alone.
    pub runs: Vec<Run>,
    /// The marks of notes that the file states, apart from each other.
    pub note_marks: Vec<Range<u32>>,
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
    /// Page of the first character, from 1, where the document has pages.
    pub page: Option<usize>,
    /// What is printed for the number of that page, such as `iv`, if the file says so.
    pub page_label: Option<Arc<str>>,
    /// Line of the page on which the first character stands, from 1, where the document has pages. Blank lines do not count,
    /// and numbers that are printed beside lines are not looked at.
    pub page_line: Option<usize>,
    /// The headings above, the highest first, each as one line of at most 300 characters.
    pub headings: Vec<String>,
    /// Bytes of the file that the span was made of, where the file is markup in UTF-8: with the tags between them. If it is
    /// packed with gzip, those of the unpacked file.
    pub source: Option<Range<usize>>,
}

/// A heading, and the one that it stands under.
#[derive(Debug, Clone, Copy)]
struct HeadingEntry {
    /// Index of its block.
    block: u32,
    level: u8,
    /// Index of the entry of the heading above.
    above: Option<u32>,
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
    /// The content of a text with its parts.
    pub(crate) fn new(text: Arc<str>, parts: Parts) -> Self {
        assert!(u32::try_from(text.len()).is_ok(), "a text of {} bytes: offsets have 32 bits", text.len());
        let mut counts = Counts::default();
        let before = |step: &[u8]| {
            let after = counts.after(step);
            std::mem::replace(&mut counts, after)
        };
        let counts = text.as_bytes().chunks(STEP_BYTES).map(before).collect();
        let headings = headings(&parts.blocks);
        Self { text, counts, headings, parts: Arc::new(parts) }
    }

    /// What the format says of the text.
    pub(crate) fn parts(&self) -> &Parts {
        &self.parts
    }

    /// The text.
    pub fn text(&self) -> &Arc<str> {
        &self.text
    }

    /// The format that it was read from.
    pub fn format(&self) -> Format {
        self.parts.format
    }

    /// The title that the file states.
    pub fn title(&self) -> Option<&str> {
        self.parts.title.as_deref()
    }

    /// The language that the file states, as a BCP 47 tag such as `en-GB`.
    pub fn language(&self) -> Option<&str> {
        self.parts.language.as_deref()
    }

    /// What a reader should know about the text.
    pub fn warnings(&self) -> &[Warning] {
        &self.parts.warnings
    }

    /// The pages in their order; none where the document has no pages.
    pub fn pages(&self) -> &[Page] {
        &self.parts.pages
    }

    /// The blocks in their order; none in plain text.
    pub fn blocks(&self) -> &[Block] {
        &self.parts.blocks
    }

    /// The bytes of the text over which no answer should run: where a heading, a cell, a note, a caption, code or furniture
    /// begins or ends. Sorted. Blank lines and form feeds are not among them.
    pub fn borders(&self) -> Vec<usize> {
        let blocks = &self.parts.blocks;
        let apart = |pair: &[Block]| pair[0].kind.is_apart() || pair[1].kind.is_apart();
        let mut borders: Vec<usize> =
            blocks.windows(2).filter(|pair| apart(pair)).map(|pair| pair[1].start as usize).collect();
        borders.dedup();
        borders
    }

    /// Bytes of the text where a hyphen at the end of a printed line was taken away, between the two parts of a word. Sorted.
    pub fn hyphens_taken(&self) -> Vec<usize> {
        let is_joined = |pair: &&[Word]| {
            let (start, end) = (pair[0].start as usize, pair[1].start as usize);
            let is_lower = pair[1].y + 0.5 * pair[1].height > pair[0].y + pair[0].height;
            is_lower && self.text[start..end].ends_with(char::is_alphabetic)
        };
        self.parts.words.windows(2).filter(is_joined).map(|pair| pair[1].start as usize).collect()
    }

    /// The bytes of the marks of notes within the text, such as `[1]` or `¹`: those that the file states, and numbers that are
    /// raised behind a word or punctuation. Sorted, and apart from each other.
    pub fn note_marks(&self) -> Vec<Range<usize>> {
        let stated = self.parts.note_marks.iter().map(|bytes| bytes.start as usize..bytes.end as usize);
        let mut all: Vec<Range<usize>> = stated.chain(raised_marks(&self.text)).collect();
        all.sort_by_key(|bytes| bytes.start);
        let mut marks: Vec<Range<usize>> = Vec::with_capacity(all.len());
        for mark in all {
            match marks.last_mut() {
                Some(last) if mark.start < last.end => last.end = last.end.max(mark.end),
                _ => marks.push(mark),
            }
        }
        marks
    }

    /// The place of `text[bytes]`. How long it takes depends on the length of its page, and hardly on that of the text.
    ///
    /// # Panics
    /// If the bytes are not a range of whole characters of the text.
    pub fn place(&self, bytes: Range<usize>) -> Place {
        assert!(self.text.get(bytes.clone()).is_some(), "{bytes:?}: not characters of a text of {}", self.text.len());
        let (start, end) = (self.before(bytes.start), self.before(bytes.end));
        let page = self.page_of(bytes.start);
        Place {
            characters: start.characters..end.characters,
            utf16: start.utf16..end.utf16,
            line: start.line_feeds + 1,
            page: page.map(|page| page + 1),
            page_label: page.and_then(|page| self.parts.pages[page].label.clone()),
            page_line: page.map(|page| self.page_line(page, bytes.start)),
            headings: self.headings(bytes.start),
            source: self.source(bytes.clone()),
            bytes,
        }
    }

    /// Where `text[bytes]` is printed: a rectangle for each printed line of it. None where the file says nothing of it, as
    /// every format but PDF.
    ///
    /// # Panics
    /// If the bytes are not a range of whole characters of the text.
    pub fn boxes(&self, bytes: Range<usize>) -> Vec<PageBox> {
        assert!(self.text.get(bytes.clone()).is_some(), "{bytes:?}: not characters of a text of {}", self.text.len());
        let words = &self.parts.words;
        let first = words.partition_point(|word| word.start as usize <= bytes.start).saturating_sub(1);
        let mut boxes: Vec<PageBox> = Vec::new();
        let mut was_vertical = false;
        for (index, word) in words.iter().enumerate().skip(first) {
            let start = word.start as usize;
            if start >= bytes.end {
                break;
            }
            let end = self.word_bytes(index).end;
            let (from, to) = (bytes.start.max(start), bytes.end.min(end));
            if from >= to {
                continue;
            }
            // Of a part of a word, the share of its characters: glyphs are not kept.
            let characters = |to: usize| self.text[start..to].chars().count() as f32;
            let all = characters(end);
            let page = self.page_of(start).map_or(1, |page| page + 1);
            let Word { x, y, width, height, direction, .. } = *word;
            let whole = PageBox { page, x, y, width, height };
            let part = direction.part(whole, characters(from) / all, characters(to) / all);
            let is_vertical = direction.is_vertical();
            match boxes.last_mut() {
                Some(last) if is_vertical == was_vertical && last.is_line_of(&part, is_vertical) => {
                    *last = last.with(&part);
                }
                _ => boxes.push(part),
            }
            was_vertical = is_vertical;
        }
        boxes
    }

    /// Bytes of the file that `text[bytes]` was made of, as [`Place::source`] states them.
    ///
    /// # Panics
    /// If the bytes are not a range of whole characters of the text.
    pub fn source(&self, bytes: Range<usize>) -> Option<Range<usize>> {
        assert!(self.text.get(bytes.clone()).is_some(), "{bytes:?}: not characters of a text of {}", self.text.len());
        let runs = &self.parts.runs;
        let at = |byte: usize| {
            let index = runs.partition_point(|run| run.start as usize <= byte).checked_sub(1)?;
            let next = runs.get(index + 1).map_or(self.text.len(), |next| next.start as usize);
            let Run { start, source } = &runs[index];
            let (start, source) = (*start as usize, source.start as usize..source.end as usize);
            // Bytes that are not the same stand for all of them.
            let is_same = source.len() == next - start;
            Some(if is_same { source.start + byte - start..source.start + byte - start + 1 } else { source })
        };
        let first = at(bytes.start)?;
        let last = if bytes.is_empty() { first.start..first.start } else { at(bytes.end - 1)? };
        Some(first.start..last.end.max(first.start))
    }

    /// The words of a page as they are printed, each with its bytes in the text, its box and the direction in which it is
    /// read, in the order of the text: none where the
    /// file does not say where they stand, as every format but PDF.
    ///
    /// - `page`: its index in [`Content::pages`]
    pub fn words(&self, page: usize) -> impl Iterator<Item = (Range<usize>, PageBox, TextDirection)> {
        let words = &self.parts.words;
        let start = |page: usize| self.parts.pages.get(page).map_or(self.text.len(), |page| page.start as usize);
        let index = |byte: usize| words.partition_point(|word| (word.start as usize) < byte);
        (index(start(page))..index(start(page + 1))).map(move |index| {
            let Word { x, y, width, height, direction, .. } = words[index];
            (self.word_bytes(index), PageBox { page: page + 1, x, y, width, height }, direction)
        })
    }

    /// The bytes of a word, without the white space behind it.
    fn word_bytes(&self, index: usize) -> Range<usize> {
        let words = &self.parts.words;
        let start = words[index].start as usize;
        let next = words.get(index + 1).map_or(self.text.len(), |next| next.start as usize);
        start..start + self.text[start..next].trim_end().len()
    }

    /// The memory that the map takes, beside the text, in bytes.
    pub fn map_bytes(&self) -> usize {
        let Parts { pages, blocks, words, runs, note_marks, .. } = &*self.parts;
        size_of_val(&*self.counts)
            + size_of_val(pages.as_slice())
            + size_of_val(blocks.as_slice())
            + size_of_val(words.as_slice())
            + size_of_val(runs.as_slice())
            + size_of_val(note_marks.as_slice())
    }

    /// Index of the page of a byte.
    fn page_of(&self, byte: usize) -> Option<usize> {
        self.parts.pages.partition_point(|page| page.start as usize <= byte).checked_sub(1)
    }

    /// Lines with text from the start of a page to that of a byte.
    fn page_line(&self, page: usize, byte: usize) -> usize {
        let text = &self.text[self.parts.pages[page].start as usize..];
        let byte = byte - self.parts.pages[page].start as usize;
        let end = text[byte..].find('\n').map_or(text.len(), |length| byte + length);
        text[..end].split('\n').filter(|line| !line.trim().is_empty()).count().max(1)
    }

    /// The headings above a byte, without the one that it stands in.
    fn headings(&self, byte: usize) -> Vec<String> {
        let blocks = &self.parts.blocks;
        let Some(own) = blocks.partition_point(|block| block.start as usize <= byte).checked_sub(1) else {
            return Vec::new();
        };
        let level_max = match blocks[own].kind {
            BlockKind::Heading(level) => level,
            _ => u8::MAX,
        };
        let mut next = self.headings.partition_point(|heading| (heading.block as usize) < own).checked_sub(1);
        let mut headings = Vec::new();
        while let Some(HeadingEntry { block, level, above }) = next.map(|index| self.headings[index]) {
            if level < level_max {
                let (start, end) = (blocks[block as usize].start as usize, blocks[block as usize + 1].start as usize);
                headings.push(line(&self.text[start..end], HEADING_CHARACTERS_MAX));
            }
            next = above.map(|above| above as usize);
        }
        headings.reverse();
        headings
    }

    /// What precedes a byte.
    fn before(&self, byte: usize) -> Counts {
        // The end of the text may lie one step behind the map.
        let step = (byte / STEP_BYTES).min(self.counts.len().saturating_sub(1));
        let counts = self.counts.get(step).copied().unwrap_or_default();
        counts.after(&self.text.as_bytes()[step * STEP_BYTES..byte])
    }
}

/// The headings among blocks. Each stands under the last one before it of a higher level.
fn headings(blocks: &[Block]) -> Arc<[HeadingEntry]> {
    let (mut entries, mut open): (Vec<HeadingEntry>, Vec<u32>) = (Vec::new(), Vec::new());
    for (block, level) in blocks.iter().enumerate().filter_map(|(block, found)| match found.kind {
        BlockKind::Heading(level) => Some((block as u32, level)),
        _ => None,
    }) {
        while open.pop_if(|open| entries[*open as usize].level >= level).is_some() {}
        entries.push(HeadingEntry { block, level, above: open.last().copied() });
        open.push(entries.len() as u32 - 1);
    }
    entries.into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The place of a span by its definition.
    fn counted(text: &str, bytes: Range<usize>) -> Place {
        let characters = |to: usize| text[..to].chars().count();
        let utf16 = |to: usize| text[..to].encode_utf16().count();
        let mut starts: Vec<usize> = text.match_indices('\u{c}').map(|(at, _)| at + 1).collect();
        starts.retain(|&start| text[start..].chars().any(|c| !c.is_whitespace()));
        let (has_pages, before) = (!starts.is_empty(), starts.iter().rev().find(|&&start| start <= bytes.start));
        let page_start = before.copied().unwrap_or(0);
        let mut page_line = 0;
        let mut line_start = page_start;
        for line in text[page_start..].split_inclusive('\n') {
            if line_start > bytes.start {
                break;
            }
            page_line += usize::from(!line.trim().is_empty());
            line_start += line.len();
        }
        Place {
            characters: characters(bytes.start)..characters(bytes.end),
            utf16: utf16(bytes.start)..utf16(bytes.end),
            line: 1 + text[..bytes.start].matches('\n').count(),
            page: has_pages.then(|| 1 + starts.iter().filter(|&&start| start <= bytes.start).count()),
            page_label: None,
            page_line: has_pages.then_some(page_line.max(1)),
            headings: Vec::new(),
            source: None,
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
            prop_assert_eq!(content.counts.len(), text.len().div_ceil(STEP_BYTES));
            for pair in content.counts.windows(2) {
                let ([a, b], characters) = ([pair[0], pair[1]], STEP_BYTES.div_ceil(4));
                prop_assert!(a.characters + characters <= b.characters + 1 && b.characters <= a.characters + STEP_BYTES);
                prop_assert!(a.utf16 <= b.utf16 && a.line_feeds <= b.line_feeds);
            }
        }
    }
}

//! A page as it was read, as a JSON object: its lines and words with their places, for whoever shows it.

use schemars::JsonSchema;
use serde::Serialize;

use super::contents::PageObject;
use crate::{Content, PageBox};

/// A page: its lines and words as they are printed.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[schemars(title = "PageText")]
#[non_exhaustive]
pub struct PageTextObject<'a> {
    /// Its number, label, start and size.
    #[serde(flatten)]
    pub page: PageObject<'a>,
    /// One past its last character.
    pub end: usize,
    /// Its text, from `start` to `end`.
    pub text: &'a str,
    /// Its printed lines in the order of the text; none if the file does not say where they stand.
    pub lines: Vec<LineObject<'a>>,
}

/// A printed line. Places are in points from the top left corner of the page as it is shown.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[schemars(title = "Line")]
#[non_exhaustive]
pub struct LineObject<'a> {
    /// Left edge.
    pub x: f32,
    /// Upper edge.
    pub y: f32,
    /// Width.
    pub width: f32,
    /// Height.
    pub height: f32,
    /// Its words.
    pub words: Vec<WordObject<'a>>,
}

/// A word as it is printed.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[schemars(title = "Word")]
#[non_exhaustive]
pub struct WordObject<'a> {
    /// Its text.
    pub text: &'a str,
    /// Its first character in the text of the document.
    pub start: usize,
    /// One past its last character.
    pub end: usize,
    /// Its first UTF-16 code unit.
    pub start_utf16: usize,
    /// One past its last UTF-16 code unit.
    pub end_utf16: usize,
    /// Left edge.
    pub x: f32,
    /// Upper edge.
    pub y: f32,
    /// Width.
    pub width: f32,
    /// Height.
    pub height: f32,
}

impl<'a> PageTextObject<'a> {
    /// The object of a page.
    ///
    /// - `number`: that of the page, from 1
    ///
    /// # Panics
    /// If the document has no such page.
    pub fn new(content: &'a Content, number: usize) -> Self {
        let (text, pages) = (content.text(), content.pages());
        let start_byte = pages[number - 1].start as usize;
        let end_byte = pages.get(number).map_or(text.len(), |next| next.start as usize);
        let start = content.place(start_byte..start_byte);
        let mut at = (start_byte, start.characters.start, start.utf16.start);
        // Words come in the order of the text, so it is counted once.
        let mut counted = |byte: usize| {
            let passed = &text[at.0..byte];
            at = (byte, at.1 + passed.chars().count(), at.2 + passed.encode_utf16().count());
            (at.1, at.2)
        };
        let mut lines: Vec<(PageBox, Vec<WordObject<'a>>)> = Vec::new();
        for (bytes, place) in content.words(number - 1) {
            let ((start, start_utf16), (end, end_utf16)) = (counted(bytes.start), counted(bytes.end));
            let PageBox { x, y, width, height, .. } = place;
            let word = WordObject { text: &text[bytes], start, end, start_utf16, end_utf16, x, y, width, height };
            match lines.last_mut() {
                Some((line, words)) if line.is_line_of(&place) => {
                    *line = line.with(&place);
                    words.push(word);
                }
                _ => lines.push((place, vec![word])),
            }
        }
        let line = |(PageBox { x, y, width, height, .. }, words)| LineObject { x, y, width, height, words };
        Self {
            page: PageObject::new(number, &pages[number - 1], start.characters.start),
            end: content.place(end_byte..end_byte).characters.end,
            text: &text[start_byte..end_byte],
            lines: lines.into_iter().map(line).collect(),
        }
    }
}

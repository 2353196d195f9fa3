//! A document as it was read, as a JSON object: its pages, blocks and warnings.

use longspan_documents::Page;
use schemars::{JsonSchema, Schema, generate::SchemaSettings};
use serde::Serialize;

use crate::{BlockKind, Content, Warning};

/// A document as it was read: the map of its text, without the text. Offsets count in the text.
// The comments of the fields are the descriptions in the schema. Keys come in this order.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[schemars(title = "Document")]
#[non_exhaustive]
pub struct ContentObject<'a> {
    /// Name of the document; `-` is standard input.
    pub document: &'a str,
    /// The format that it was read from, such as `pdf`.
    pub format: &'a str,
    /// The title that the file states; absent if it states none.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "&'a str")]
    pub title: Option<&'a str>,
    /// The language that the file states, as a BCP 47 tag such as `en-GB`; absent if it states none.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "&'a str")]
    pub language: Option<&'a str>,
    /// Unicode scalar values of the text.
    pub characters: usize,
    /// Bytes of the text in UTF-8.
    pub bytes: usize,
    /// The pages in their order; none if the document has no pages.
    pub pages: Vec<PageObject<'a>>,
    /// The blocks in their order, each to the start of the next one; none if the document is plain text.
    pub blocks: Vec<BlockObject>,
    /// What a reader should know about the text; absent if there is nothing.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<WarningObject>,
}

/// A page, from its start to that of the next one.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[schemars(title = "Page")]
#[non_exhaustive]
pub struct PageObject<'a> {
    /// Its number, from 1.
    pub page: usize,
    /// What is printed for its number, such as `iv`; absent if the file does not say so.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "&'a str")]
    pub label: Option<&'a str>,
    /// Its first character.
    pub start: usize,
    /// Its first byte.
    pub start_byte: usize,
    /// Its width in points of 1/72 inch; absent if the file does not say so.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "f32")]
    pub width: Option<f32>,
    /// Its height in points.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "f32")]
    pub height: Option<f32>,
}

/// A part of the text that is one thing to a reader.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[schemars(title = "Block")]
#[non_exhaustive]
pub struct BlockObject {
    /// What it is: `heading`, `paragraph`, `list_item`, `cell`, `code`, `note`, `caption` or `furniture`, which is what
    /// stands beside the text, such as running heads, page numbers and navigation.
    pub kind: &'static str,
    /// Of a heading, its level from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "u8")]
    pub level: Option<u8>,
    /// Of a cell, its row in its table, from 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "u32")]
    pub row: Option<u32>,
    /// Of a cell, its column in its table, from 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "u16")]
    pub column: Option<u16>,
    /// Its first character.
    pub start: usize,
    /// Its first byte.
    pub start_byte: usize,
}

/// What a reader should know about the text of a document.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[schemars(title = "Warning")]
#[non_exhaustive]
pub struct WarningObject {
    /// What it is, for programs, such as `no_text`.
    pub code: &'static str,
    /// The same for people.
    pub message: String,
}

impl<'a> ContentObject<'a> {
    /// The object of the document of this name.
    pub fn new(document: &'a str, content: &'a Content) -> Self {
        let text = content.text();
        let (mut of_pages, mut of_blocks) = (Characters::of(text), Characters::of(text));
        let pages = (1..).zip(content.pages());
        let pages = pages.map(|(number, page)| PageObject::new(number, page, of_pages.before(page.start as usize)));
        let blocks = content.blocks().iter().map(|block| {
            let (level, row, column) = match block.kind {
                BlockKind::Heading(level) => (Some(level), None, None),
                BlockKind::Cell { row, column } => (None, Some(row), Some(column)),
                _ => (None, None, None),
            };
            let start_byte = block.start as usize;
            let (kind, start) = (block.kind.name(), of_blocks.before(start_byte));
            BlockObject { kind, level, row, column, start, start_byte }
        });
        Self {
            document,
            format: content.format().name(),
            title: content.title(),
            language: content.language(),
            pages: pages.collect(),
            blocks: blocks.collect(),
            characters: content.place(text.len()..text.len()).characters.end,
            bytes: text.len(),
            warnings: WarningObject::all(content.warnings()),
        }
    }

    /// The JSON Schema of the object, draft 2020-12. New keys may join it; those that are in it stay.
    pub fn schema() -> Schema {
        SchemaSettings::draft2020_12().for_serialize().into_generator().into_root_schema_for::<ContentObject<'static>>()
    }
}

impl<'a> PageObject<'a> {
    /// - `number`: from 1
    /// - `start`: characters before it
    pub(super) fn new(number: usize, page: &'a Page, start: usize) -> Self {
        Self {
            page: number,
            label: page.label.as_deref(),
            start,
            start_byte: page.start as usize,
            width: page.size.map(|size| size.width),
            height: page.size.map(|size| size.height),
        }
    }
}

impl WarningObject {
    /// The objects of warnings.
    pub fn all(warnings: &[Warning]) -> Vec<Self> {
        warnings.iter().map(Self::new).collect()
    }

    fn new(warning: &Warning) -> Self {
        Self { code: warning.code(), message: warning.to_string() }
    }
}

/// Counts the characters before bytes that come in their order, in one pass over the text.
struct Characters<'a> {
    text: &'a str,
    byte: usize,
    characters: usize,
}

impl<'a> Characters<'a> {
    fn of(text: &'a str) -> Self {
        Self { text, byte: 0, characters: 0 }
    }

    fn before(&mut self, byte: usize) -> usize {
        self.characters += self.text[self.byte..byte].chars().count();
        self.byte = byte;
        self.characters
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_map_of_a_text_has_its_pages() {
        let content = Content::plain("é\u{c}two\n");
        let object = serde_json::to_string(&ContentObject::new("é.txt", &content)).unwrap();
        assert_eq!(
            object,
            concat!(
                r#"{"document":"é.txt","format":"text","characters":6,"bytes":7,"#,
                r#""pages":[{"page":1,"start":0,"start_byte":0},{"page":2,"start":2,"start_byte":3}],"blocks":[]}"#,
            )
        );
        let schema = ContentObject::schema().to_value();
        assert_eq!(
            schema["required"],
            serde_json::json!(["document", "format", "characters", "bytes", "pages", "blocks"])
        );
    }
}

//! What the map of a text consists of: flat lists, each sorted by its place in the text. Offsets have 32 bits, since a text
//! has at most 1 GiB.

use std::ops::Range;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// A page, from its start to that of the next one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Page {
    /// Its first byte in the text.
    pub start: u32,
    /// What is printed for its number, such as `iv` or `A-3`, if the file says so.
    #[serde(with = "shared_text")]
    pub label: Option<Arc<str>>,
    /// Its size as it is shown, with rotation applied, if the file says so.
    pub size: Option<PageSize>,
}

/// A shared text is sent as a text.
mod shared_text {
    use std::sync::Arc;

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub fn serialize<S: Serializer>(text: &Option<Arc<str>>, serializer: S) -> Result<S::Ok, S::Error> {
        text.as_deref().serialize(serializer)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Arc<str>>, D::Error> {
        Ok(Option::<String>::deserialize(deserializer)?.map(Arc::from))
    }
}

/// The size of a page in points of 1/72 inch.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct PageSize {
    /// Width.
    pub width: f32,
    /// Height.
    pub height: f32,
}

/// Which picture of a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct PictureSize {
    /// Number of the page, from 1.
    pub page: usize,
    /// Width of the picture, in pixels.
    pub width: u16,
}

/// A part of the text that is one thing to a reader, with the white space behind it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Block {
    /// Its first byte in the text. It ends where the next one begins.
    pub start: u32,
    /// What it is.
    pub kind: BlockKind,
}

/// What a block is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum BlockKind {
    /// A heading of a level, from 1.
    Heading(u8),
    /// Running text.
    Paragraph,
    /// An item of a list.
    ListItem,
    /// A cell of a table; rows and columns count from 0 in their table.
    Cell {
        /// Its row.
        row: u32,
        /// Its column.
        column: u16,
    },
    /// Code, or other text whose white space matters.
    Code,
    /// A footnote or endnote.
    Note,
    /// The caption of a table or picture.
    Caption,
    /// What stands beside the text: running heads, numbers of pages and lines, navigation.
    Furniture,
}

impl BlockKind {
    /// Its name in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Heading(_) => "heading",
            Self::Paragraph => "paragraph",
            Self::ListItem => "list_item",
            Self::Cell { .. } => "cell",
            Self::Code => "code",
            Self::Note => "note",
            Self::Caption => "caption",
            Self::Furniture => "furniture",
        }
    }

    /// Whether no answer should run into or out of such a block.
    pub(crate) fn is_apart(self) -> bool {
        !matches!(self, Self::Paragraph | Self::ListItem)
    }
}

/// A rectangle on a page, in points from the top left corner of the page as it is shown.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PageBox {
    /// Number of the page, from 1.
    pub page: usize,
    /// Left edge.
    pub x: f32,
    /// Upper edge.
    pub y: f32,
    /// Width.
    pub width: f32,
    /// Height.
    pub height: f32,
}

impl PageBox {
    /// Whether another box stands on the same printed line, before or behind this one.
    ///
    /// - `is_vertical`: whether the line runs up or down
    pub fn is_line_of(&self, other: &Self, is_vertical: bool) -> bool {
        let extent = |at: &Self| if is_vertical { (at.x, at.width) } else { (at.y, at.height) };
        let ((start, length), (other_start, other_length)) = (extent(self), extent(other));
        let overlap = (start + length).min(other_start + other_length) - start.max(other_start);
        self.page == other.page && overlap > 0.5 * length.min(other_length)
    }

    /// The smallest box around both.
    pub fn with(&self, other: &Self) -> Self {
        let (x, y) = (self.x.min(other.x), self.y.min(other.y));
        let right = (self.x + self.width).max(other.x + other.width);
        let bottom = (self.y + self.height).max(other.y + other.height);
        Self { page: self.page, x, y, width: right - x, height: bottom - y }
    }
}

/// Which way a word is read on its page as it is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum TextDirection {
    /// From left to right.
    Right,
    /// From top to bottom.
    Down,
    /// From right to left.
    Left,
    /// From bottom to top.
    Up,
}

impl TextDirection {
    /// Whether it runs up or down.
    pub fn is_vertical(self) -> bool {
        matches!(self, Self::Down | Self::Up)
    }

    /// The part of the box of a word from one share of its length to another.
    pub(crate) fn part(self, word: PageBox, from: f32, to: f32) -> PageBox {
        let PageBox { x, y, width, height, .. } = word;
        match self {
            Self::Right => PageBox { x: x + from * width, width: (to - from) * width, ..word },
            Self::Left => PageBox { x: x + (1.0 - to) * width, width: (to - from) * width, ..word },
            Self::Down => PageBox { y: y + from * height, height: (to - from) * height, ..word },
            Self::Up => PageBox { y: y + (1.0 - to) * height, height: (to - from) * height, ..word },
        }
    }
}

/// A word as it is printed on the page in which it begins.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) struct Word {
    /// Its first byte in the text. It ends before the white space behind it, or where the next one begins: a word that was
    /// hyphenated at the end of a line is two.
    pub start: u32,
    pub x: f32,
    pub y: f32,
    pub width: f32,
    pub height: f32,
    pub direction: TextDirection,
}

/// A run of the text and the bytes of the file that it was made of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Run {
    /// Its first byte in the text. It ends where the next one begins.
    pub start: u32,
    /// Bytes of the file. If they are as many as those of the run, they are the same ones, a control character where the run
    /// has white space, or a minus sign where the run has a raised or lowered one; else the run is one piece, such as a
    /// character that was written as an entity. They are none where the text was added, such as a line feed between
    /// paragraphs.
    pub source: Range<u32>,
}

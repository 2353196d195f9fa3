//! Paragraphs of office documents, in running text or in cells → blocks.

use crate::builder::Builder;
use crate::map::BlockKind;

/// Stands for the beginning of a page in the text of a paragraph, which has no control characters of its own.
pub(crate) const PAGE: char = '\u{c}';

/// Begins the mark of a note in the text of a paragraph, up to [`MARK_END`].
pub(crate) const MARK: char = '\u{e}';
/// Ends the mark of a note.
pub(crate) const MARK_END: char = '\u{f}';

/// Where paragraphs stand.
pub(crate) struct Spot {
    /// What all of them are; none in running text.
    pub kind: Option<BlockKind>,
    /// In a cell: what parts the next paragraph from the one before it.
    pub separator: &'static str,
    /// In a cell: whether its block was begun.
    is_begun: bool,
    /// In a cell: whether it has text.
    has_text: bool,
}

/// A paragraph while it is read.
#[derive(Default)]
pub(crate) struct FlowParagraph {
    /// None is running text.
    pub kind: Option<BlockKind>,
    /// The number before it, with the space behind it.
    pub marker: Option<String>,
    /// Its text, with [`PAGE`] where a page begins, and marks of notes between [`MARK`] and [`MARK_END`].
    pub text: String,
}

impl Spot {
    /// Running text.
    pub fn running() -> Self {
        Self { kind: None, separator: "\n", is_begun: false, has_text: false }
    }

    /// Where all paragraphs are of one kind.
    pub fn of(kind: BlockKind) -> Self {
        Self { kind: Some(kind), ..Self::running() }
    }

    /// A cell of a table.
    pub fn cell(row: u32, column: u32) -> Self {
        Self::of(BlockKind::Cell { row, column: column.min(u16::MAX.into()) as u16 })
    }

    pub fn is_running(&self) -> bool {
        self.kind.is_none()
    }

    pub fn is_cell(&self) -> bool {
        matches!(self.kind, Some(BlockKind::Cell { .. }))
    }

    /// Begins the block of a cell that may have no text.
    pub fn begin_cell(&mut self, builder: &mut Builder) {
        if let Some(kind) = self.kind.filter(|_| self.is_cell() && !self.is_begun) {
            builder.block(kind);
            self.is_begun = true;
        }
    }

    /// Begins a paragraph that has text.
    fn begin(&mut self, kind: Option<BlockKind>, builder: &mut Builder) {
        if !self.is_cell() {
            builder.block(self.kind.or(kind).unwrap_or(BlockKind::Paragraph));
            return;
        }
        self.begin_cell(builder);
        if self.has_text {
            builder.add(self.separator);
        }
        self.has_text = true;
        self.separator = "\n";
    }
}

impl FlowParagraph {
    /// Writes a paragraph; one without text writes the pages that begin in it.
    ///
    /// - `page`: begins a page
    pub fn write(self, spot: &mut Spot, builder: &mut Builder, mut page: impl FnMut(&mut Builder)) {
        let mut is_begun = false;
        for (number, part) in self.text.split(PAGE).enumerate() {
            if number > 0 {
                page(builder);
            }
            let part = part.trim();
            if part.is_empty() {
                continue;
            }
            if !is_begun {
                spot.begin(self.kind, builder);
                builder.add(self.marker.as_deref().unwrap_or_default());
                is_begun = true;
            }
            add_marked(part, builder);
        }
    }
}

/// Adds text with marks of notes in it.
fn add_marked(text: &str, builder: &mut Builder) {
    for (number, part) in text.split(MARK).enumerate() {
        let (mark, rest) = part.split_once(MARK_END).filter(|_| number > 0).unwrap_or(("", part));
        let start = builder.text().len();
        builder.add(mark);
        builder.note_mark(start..builder.text().len());
        builder.add(rest);
    }
}

/// Writes notes that were referenced.
pub(crate) fn write_notes(notes: &mut Vec<String>, builder: &mut Builder) {
    for note in notes.drain(..) {
        builder.block(BlockKind::Note);
        builder.add(&note);
    }
}

/// Writes the head or foot of pages, unless another one says the same.
pub(crate) fn write_furniture(text: &str, written: &mut Vec<String>, builder: &mut Builder) {
    let text = text.trim();
    if text.is_empty() || written.iter().any(|other| other == text) {
        return;
    }
    for paragraph in text.split("\n\n") {
        builder.block(BlockKind::Furniture);
        builder.add(paragraph);
    }
    written.push(text.to_owned());
}

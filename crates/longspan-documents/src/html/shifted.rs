//! Text that is raised or lowered, and marks of notes.

use std::ops::Range;

use super::tokens::Attributes;
use crate::builder::Builder;
use crate::note_mark::is_mark;
use crate::shift::{BaselineShift, ShiftedText};

/// An element whose text is raised or lowered, while it is open.
pub(super) struct ShiftedElement {
    name: Box<str>,
    /// Elements of its name that are open in it, and itself.
    open: usize,
    shift: BaselineShift,
    text: ShiftedText,
    /// The first byte of its text.
    start: Option<usize>,
    /// Whether the file says that it refers to a note.
    is_reference: bool,
    is_link: bool,
}

impl ShiftedElement {
    /// The element, if its text is raised or lowered.
    ///
    /// - `is_link`: whether a link to a place in a page is open that has no text yet
    pub fn of(name: &str, attributes: &Attributes, is_reference: bool, is_link: bool) -> Option<Self> {
        let shift = if is_reference { Some(BaselineShift::Raised) } else { shift_of(name, attributes) }?;
        let text = ShiftedText::new(shift);
        Some(Self { name: name.into(), open: 1, shift, text, start: None, is_reference, is_link })
    }

    /// The start of an element in it.
    pub fn begin_inner(&mut self, name: &str, is_reference: bool, is_link: bool) {
        self.open += usize::from(*self.name == *name);
        self.is_reference |= is_reference;
        self.is_link |= is_link;
    }

    /// Whether it ends with the end of this element.
    pub fn ends_with(&mut self, name: &str) -> bool {
        self.open -= usize::from(*self.name == *name);
        self.open == 0
    }

    /// Writes text without white space at its ends that was made of these bytes of the file.
    pub fn write(&mut self, text: &str, source: Option<Range<usize>>, builder: &mut Builder) {
        self.start.get_or_insert(builder.text().len());
        let written = self.text.take(text);
        let Some(source) = source else { return builder.add(&written) };
        if written == text {
            return builder.add_from(text, source);
        }
        // A character is a piece of its own, since it has other bytes than its source.
        let is_exact = source.len() == text.len();
        for ((at, own), shown) in text.char_indices().zip(written.chars()) {
            let first = source.start + at;
            let of_file = if is_exact { first..first + own.len_utf8() } else { source.clone() };
            builder.add_from(shown.encode_utf8(&mut [0; 4]), of_file);
        }
    }

    /// Notes it as the mark of a note, if it is one. A raised number is one by what stands before it.
    pub fn finish(self, builder: &mut Builder) {
        let Some(start) = self.start.filter(|_| self.shift == BaselineShift::Raised) else { return };
        let (before, text) = builder.text().split_at(start);
        let is_number = before.ends_with(char::is_numeric);
        let is_clear = self.is_reference || text.starts_with('[') || (self.is_link && !is_number);
        if is_clear && is_mark(text, self.is_reference) {
            builder.note_mark(start..builder.text().len());
        }
    }
}

/// Whether the text of an element is raised or lowered.
fn shift_of(name: &str, attributes: &Attributes) -> Option<BaselineShift> {
    let value = match name {
        "sup" => "super",
        "sub" => "sub",
        _ => attributes.style("vertical-align")?,
    };
    match value {
        "super" => Some(BaselineShift::Raised),
        "sub" => Some(BaselineShift::Lowered),
        _ => None,
    }
}

//! What an office document has beside its text, so that a reader should know of it.

use crate::Warning;
use crate::builder::Builder;

/// What a document has beside its text.
#[derive(Default)]
pub(crate) struct LeftOut {
    /// Documents within the document, or linked to it.
    pub documents: usize,
    /// Charts and diagrams, whose texts are parts of their own.
    pub drawings: usize,
    /// Charts, formulas and other objects of ODT.
    pub objects: usize,
    /// Comments.
    pub comments: usize,
    /// Characters of hidden text, without white space.
    pub hidden: usize,
    /// Characters that fields without an end have hidden.
    pub of_fields: usize,
}

impl LeftOut {
    /// Counts hidden text.
    pub fn hide(&mut self, text: &str) {
        self.hidden += text.chars().filter(|c| !c.is_whitespace()).count();
    }

    /// Adds a warning of each kind of it.
    pub fn warn(&self, builder: &mut Builder) {
        for (count, one, many) in [
            (self.documents, "document within it", "documents within it"),
            (self.drawings, "chart or diagram", "charts and diagrams"),
            (self.objects, "object, such as charts and formulas", "objects, such as charts and formulas"),
            (self.comments, "comment", "comments"),
            (self.hidden, "character of hidden text", "characters of hidden text"),
            (self.of_fields, "character of a field without an end", "characters of fields without an end"),
        ] {
            if count > 0 {
                builder.warn(Warning::LeftOut(format!("{count} {}", if count == 1 { one } else { many }).into()));
            }
        }
    }
}

//! Places in documents, as people look them up.

use anstyle::Style;
use longspan_ask::text::printable;
use longspan_ask::{Format, Place};

/// The document of a place.
pub struct Located<'a> {
    /// Its name.
    pub document: &'a str,
    /// The format that it was read from.
    pub format: Format,
    /// The place.
    pub place: &'a Place,
}

/// Of text as it is, `file:line`, as terminals and editors open it; of other documents the line of the page, or that of the
/// text if there are no pages.
pub fn location(path: Style, Located { document, format, place }: &Located<'_>) -> String {
    let (name, page) = (name(document), page(place));
    if *format == Format::Text {
        return format!("{path}{name}:{}{path:#}{page}", place.line);
    }
    format!("{path}{name}{path:#}{page}, line {}", place.page_line.unwrap_or(place.line))
}

/// The name of a document.
pub fn name(document: &str) -> String {
    if document == "-" { "<stdin>".into() } else { printable(document) }
}

/// The number of the page as it is printed there, and its number in the file where that is another one.
fn page(Place { page, page_label, .. }: &Place) -> String {
    match (page, page_label) {
        (Some(page), Some(label)) if **label != page.to_string() => {
            format!(", page {} ({page} in the file)", printable(label))
        }
        (Some(page), _) => format!(", page {page}"),
        (None, _) => String::new(),
    }
}

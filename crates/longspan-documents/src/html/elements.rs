//! What an element is by its name and its attributes.

use super::tokens::Attributes;

/// The number of a page, such as `5`, `xii` or `[Page 5]`.
pub(super) fn page_label(text: &str) -> Option<&str> {
    let inner = text.trim().trim_matches(['[', ']', '(', ')', '{', '}', '|', '–', '-', '.']).trim();
    let label = inner.split_once(' ').map_or(inner, |(first, rest)| match first.to_lowercase().as_str() {
        "page" | "p." | "pg." | "seite" | "s." => rest.trim(),
        _ => inner,
    });
    let is_roman = !label.is_empty() && label.chars().all(|c| "ivxlcdmIVXLCDM".contains(c));
    let is_number = label.contains(|c: char| c.is_ascii_digit()) && !label.contains(char::is_whitespace);
    ((is_roman || is_number) && label.len() <= PAGE_LABEL_BYTES_MAX).then_some(label)
}

/// Bytes of the number that a mark of a page break shows.
const PAGE_LABEL_BYTES_MAX: usize = 12;

/// Elements that have no content.
pub(super) const VOID: [&str; 14] =
    ["area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "param", "source", "track", "wbr"];

/// Elements that begin and end on lines of their own.
const BLOCKS: &str = "address article aside blockquote body caption center dd details dialog dir div dl dt fieldset figcaption figure \
    footer form h1 h2 h3 h4 h5 h6 header hgroup hr html legend li listing main menu nav ol optgroup option p \
    plaintext pre search section summary table tbody td textarea tfoot th thead tr ul xmp";

pub(super) fn is_block(name: &str) -> bool {
    BLOCKS.split(' ').any(|block| block == name)
}

/// Whether an element is not shown because of its attributes.
pub(super) fn is_hidden(attributes: &Attributes) -> bool {
    let is_none = |value: &str| value.to_ascii_lowercase().starts_with("none");
    // What can be found by searching the page is text.
    attributes.get("hidden").is_some_and(|value| value != "until-found")
        || attributes.style("display").is_some_and(is_none)
}

/// What an element is in a book.
fn has_type(attributes: &Attributes, is: impl Fn(&str) -> bool) -> bool {
    let types = [attributes.get("epub:type"), attributes.get("role")];
    types.into_iter().flatten().flat_map(str::split_ascii_whitespace).any(is)
}

pub(super) fn is_note(attributes: &Attributes) -> bool {
    has_type(attributes, |kind| {
        matches!(kind, "footnote" | "endnote" | "rearnote" | "note" | "doc-footnote" | "doc-endnote")
    })
}

pub(super) fn is_page_break(attributes: &Attributes) -> bool {
    has_type(attributes, |kind| matches!(kind, "pagebreak" | "doc-pagebreak"))
}

/// Whether an element refers to a note.
pub(super) fn is_note_reference(attributes: &Attributes) -> bool {
    has_type(attributes, |kind| matches!(kind, "noteref" | "doc-noteref"))
}
